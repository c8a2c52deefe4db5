/* SPDX-License-Identifier: GPL-2.0 */
/*
 * credfd selftests: what a thread is, and how it becomes somebody else
 */
#ifndef __CREDFD_SELFTEST_IDENTITY_H
#define __CREDFD_SELFTEST_IDENTITY_H

#include "syscalls.h"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>

#include "kselftest_harness.h"

/* Any ids will do, they only have to differ. */
#define USER			1001
#define GROUP			2001
#define OTHER_USER		1002
#define OTHER_GROUP		2002
#define EXTRA_GROUP		3001

#define MAX_GROUPS		16
#define CAP_BIT(cap)		(1ULL << (cap))
#define CAPS_SETID		(CAP_BIT(CAP_SETUID) | CAP_BIT(CAP_SETGID))

/* Capabilities */

struct caps {
	__u64 effective;
	__u64 permitted;
	__u64 inheritable;
};

static inline int caps_get(struct caps *caps)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(__NR_capget, &header, data))
		return -1;

	caps->effective = data[0].effective | (__u64)data[1].effective << 32;
	caps->permitted = data[0].permitted | (__u64)data[1].permitted << 32;
	caps->inheritable = data[0].inheritable |
			    (__u64)data[1].inheritable << 32;
	return 0;
}

static inline int caps_set(__u64 effective, __u64 permitted, __u64 inheritable)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = {
		{ effective, permitted, inheritable },
		{ effective >> 32, permitted >> 32, inheritable >> 32 },
	};

	return syscall(__NR_capset, &header, data);
}

/* Keeps what is permitted. */
static inline int caps_set_effective(__u64 effective)
{
	struct caps caps;

	if (caps_get(&caps))
		return -1;
	return caps_set(effective, caps.permitted, caps.inheritable);
}

/* Those in @mask remain permitted. */
static inline int caps_drop_effective(__u64 mask)
{
	struct caps caps;

	if (caps_get(&caps))
		return -1;
	return caps_set(caps.effective & ~mask, caps.permitted,
			caps.inheritable);
}

/* Gives up all but @mask for good. */
static inline int caps_restrict(__u64 mask)
{
	struct caps caps;

	if (caps_get(&caps))
		return -1;
	return caps_set(caps.permitted & mask, caps.permitted & mask,
			caps.inheritable & mask);
}

/* The whole identity of a thread, as far as user space can see it. */
struct identity {
	uid_t uid[4];		/* real, effective, saved, filesystem */
	gid_t gid[4];
	gid_t groups[MAX_GROUPS];
	int ngroups;
	struct caps caps;
	__u64 bounding;
	__u64 ambient;
	int securebits;
	int no_new_privs;
	int pdeath_signal;
	int dumpable;
};

static inline int identity_read(struct identity *id)
{
	memset(id, 0, sizeof(*id));

	if (getresuid(&id->uid[0], &id->uid[1], &id->uid[2]) ||
	    getresgid(&id->gid[0], &id->gid[1], &id->gid[2]))
		return -1;

	/* An invalid id changes nothing and tells the current one. */
	id->uid[3] = sys_setfsuid(-1);
	id->gid[3] = sys_setfsgid(-1);

	id->ngroups = getgroups(MAX_GROUPS, id->groups);
	if (id->ngroups < 0 || caps_get(&id->caps))
		return -1;

	for (int cap = 0; cap < 64; cap++) {
		int in_bounding = prctl(PR_CAPBSET_READ, cap);

		if (in_bounding < 0)
			break;
		if (in_bounding)
			id->bounding |= CAP_BIT(cap);
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1)
			id->ambient |= CAP_BIT(cap);
	}

	id->securebits = prctl(PR_GET_SECUREBITS);
	id->no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	id->dumpable = prctl(PR_GET_DUMPABLE);
	return prctl(PR_GET_PDEATHSIG, &id->pdeath_signal);
}

/* Names what differs in the credentials proper. */
static inline const char *identity_creds_differ(const struct identity *a,
						const struct identity *b)
{
	if (memcmp(a->uid, b->uid, sizeof(a->uid)))
		return "uid";
	if (memcmp(a->gid, b->gid, sizeof(a->gid)))
		return "gid";
	if (a->ngroups != b->ngroups ||
	    memcmp(a->groups, b->groups, sizeof(a->groups)))
		return "groups";
	if (a->caps.permitted != b->caps.permitted)
		return "permitted capabilities";
	if (a->caps.effective != b->caps.effective)
		return "effective capabilities";
	if (a->caps.inheritable != b->caps.inheritable)
		return "inheritable capabilities";
	if (a->bounding != b->bounding)
		return "bounding set";
	if (a->ambient != b->ambient)
		return "ambient capabilities";
	if (a->securebits != b->securebits)
		return "securebits";
	return "nothing";
}

/* Names what differs in the credentials or in what goes with them. */
static inline const char *identity_differ(const struct identity *a,
					  const struct identity *b)
{
	if (a->no_new_privs != b->no_new_privs)
		return "no_new_privs";
	if (a->pdeath_signal != b->pdeath_signal)
		return "pdeath_signal";
	if (a->dumpable != b->dumpable)
		return "dumpable";
	return identity_creds_differ(a, b);
}

/* Names what differs between @id and the calling thread's credentials. */
static inline const char *identity_differs_now(const struct identity *id)
{
	struct identity now;

	if (identity_read(&now))
		return "unreadable";
	return identity_creds_differ(id, &now);
}

/* An activation that fails has to leave everything as it was. */
#define ASSERT_REFUSED(error, fd)					\
do {									\
	struct identity __before, __after;				\
									\
	ASSERT_EQ(0, identity_read(&__before));				\
	ASSERT_EQ(-1, sys_credfd_activate(fd, 0));			\
	ASSERT_EQ(error, errno);					\
	ASSERT_EQ(0, identity_read(&__after));				\
	ASSERT_STREQ("nothing", identity_differ(&__before, &__after));	\
} while (0)

/* Becoming somebody, the ways that servers do it */

/* NFS-Ganesha: the real and saved ids stay. */
static inline int become_ganesha(uid_t uid, gid_t gid)
{
	const gid_t groups[] = { gid, EXTRA_GROUP };

	if (sys_setgroups(2, groups) || sys_setresgid(-1, gid, -1) ||
	    sys_setresuid(-1, uid, -1))
		return -1;

	/* So that the way back is open. */
	return caps_set_effective(CAPS_SETID);
}

/* Samba: the real user id changes as well. */
static inline int become_samba(uid_t uid, gid_t gid)
{
	const gid_t groups[] = { gid, EXTRA_GROUP };

	/* In this order it takes a capability that the first call clears. */
	if (sys_setgroups(2, groups) || sys_setresuid(uid, uid, -1) ||
	    caps_set_effective(CAPS_SETID) || sys_setresgid(-1, gid, -1))
		return -1;
	return 0;
}

/* A user like any other: no way back, no capability. */
static inline int become_user(uid_t uid, gid_t gid)
{
	if (sys_setgroups(0, NULL) || sys_setresgid(gid, gid, gid) ||
	    sys_setresuid(uid, uid, uid))
		return -1;
	return 0;
}

/*
 * Two credfds: one of the caller, one of the user. The caller comes back by
 * activating the first, so its process must not be dumpable.
 */
static inline int credfd_pair(int (*become)(uid_t uid, gid_t gid), uid_t uid,
			      gid_t gid, int *self, int *user)
{
	*self = sys_credfd_create(0);
	if (*self < 0 || become(uid, gid))
		return -1;
	*user = sys_credfd_create(0);
	if (*user < 0)
		return -1;
	return sys_credfd_activate(*self, 0);
}

#endif
