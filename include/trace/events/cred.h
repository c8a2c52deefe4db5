/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM cred

#if !defined(_TRACE_CRED_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_CRED_H

#include <linux/cred.h>
#include <linux/tracepoint.h>
#include <linux/uidgid.h>

/**
 * cred_activate - The current task takes on prepared credentials
 * @new: The prepared credentials
 * @old: The credentials that the task gives up
 *
 * All ids are those of the initial user namespace.
 */
TRACE_EVENT(cred_activate,

	TP_PROTO(const struct cred *new, const struct cred *old),

	TP_ARGS(new, old),

	TP_STRUCT__entry(
		__field(uid_t, old_uid)
		__field(uid_t, old_euid)
		__field(gid_t, old_gid)
		__field(gid_t, old_egid)
		__field(uid_t, new_uid)
		__field(uid_t, new_euid)
		__field(gid_t, new_gid)
		__field(gid_t, new_egid)
	),

	TP_fast_assign(
		__entry->old_uid = __kuid_val(old->uid);
		__entry->old_euid = __kuid_val(old->euid);
		__entry->old_gid = __kgid_val(old->gid);
		__entry->old_egid = __kgid_val(old->egid);
		__entry->new_uid = __kuid_val(new->uid);
		__entry->new_euid = __kuid_val(new->euid);
		__entry->new_gid = __kgid_val(new->gid);
		__entry->new_egid = __kgid_val(new->egid);
	),

	TP_printk("old_uid=%u old_euid=%u old_gid=%u old_egid=%u new_uid=%u new_euid=%u new_gid=%u new_egid=%u",
		  __entry->old_uid, __entry->old_euid,
		  __entry->old_gid, __entry->old_egid,
		  __entry->new_uid, __entry->new_euid,
		  __entry->new_gid, __entry->new_egid)
);

#endif /* _TRACE_CRED_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
