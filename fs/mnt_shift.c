// SPDX-License-Identifier: GPL-2.0
/*
 * The mark of a shiftable mount: which ids in the filesystem containers may
 * shift to their own, and which containers.
 */

#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>
#include <uapi/linux/mount.h>

#include "internal.h"
#include "mount.h"

/**
 * mnt_shift_alloc - make the mark of a shiftable mount
 * @origin: maps ids of a container to ids in the filesystem; the mark takes
 *	its own reference
 * @by: user 0 of the containers that may shift, or %INVALID_UID for any
 *
 * Context: May sleep.
 * Return: the mark, to be put with mnt_shift_put(), or -ENOMEM.
 */
struct mnt_shift *mnt_shift_alloc(struct mnt_idmap *origin, kuid_t by)
{
	struct mnt_shift *shift = kzalloc_obj(*shift, GFP_KERNEL_ACCOUNT);

	if (!shift)
		return ERR_PTR(-ENOMEM);

	refcount_set(&shift->count, 1);
	shift->origin = mnt_idmap_get(origin);
	shift->by = by;
	return shift;
}

/**
 * mnt_shift_get - get a reference to a mark
 * @shift: the mark
 *
 * Return: @shift.
 */
struct mnt_shift *mnt_shift_get(struct mnt_shift *shift)
{
	refcount_inc(&shift->count);
	return shift;
}

/**
 * mnt_shift_put - put a reference to a mark
 * @shift: the mark, or NULL
 *
 * Context: Any; called from RCU callbacks and under mount_lock.
 */
void mnt_shift_put(struct mnt_shift *shift)
{
	if (!shift || !refcount_dec_and_test(&shift->count))
		return;

	mnt_idmap_put(shift->origin);
	kfree(shift);
}

/**
 * mnt_shift_show - show the mark of a mount in /proc/<pid>/mountinfo
 * @m: the file
 * @mnt: the mount
 *
 * Context: namespace_sem is held.
 */
void mnt_shift_show(struct seq_file *m, const struct mount *mnt)
{
	const struct mnt_shift *shift = mnt->mnt_shift;
	u32 uid, gid, count;

	if (!shift)
		return;

	if (mnt_origin_linear(shift->origin, &uid, &gid, &count))
		seq_printf(m, " shiftable:%u:%u:%u", uid, gid, count);
	else
		seq_puts(m, " shiftable:userns");

	if (shift->revoked)
		seq_puts(m, " shiftable_by:revoked");
	else if (!uid_valid(shift->by))
		seq_puts(m, " shiftable_by:any");
	else
		seq_printf(m, " shiftable_by:%u",
			   from_kuid_munged(seq_user_ns(m), shift->by));
}

/**
 * mnt_shift_statmount - give the mark of a mount to statmount(2)
 * @sm: what the caller gets
 * @mnt: the mount, which has a mark
 *
 * Context: namespace_sem is held.
 */
void mnt_shift_statmount(struct statmount *sm, const struct mount *mnt)
{
	const struct mnt_shift *shift = mnt->mnt_shift;

	if (!mnt_origin_linear(shift->origin, &sm->mnt_origin_uid,
			       &sm->mnt_origin_gid, &sm->mnt_origin_count))
		sm->mnt_shift_flags |= MOUNT_SHIFT_ORIGIN_USERNS;

	if (uid_valid(shift->by))
		sm->mnt_shiftable_by = from_kuid_munged(current_user_ns(),
							shift->by);
	else
		sm->mnt_shift_flags |= MOUNT_SHIFT_ANY;

	if (shift->revoked)
		sm->mnt_shift_flags |= MOUNT_SHIFT_REVOKE;
}
