/* SPDX-License-Identifier: GPL-2.0 */
/*
 * credfd selftests: the users that a file server acts for, and the system calls
 * by which it becomes one of them
 *
 * The C library's would change all threads. What fails ends the program: a
 * server that cannot become itself again must not go on.
 */
#ifndef __CREDFD_SELFTEST_USERS_H
#define __CREDFD_SELFTEST_USERS_H

#include <err.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "syscalls.h"

#define ARRAY_SIZE(arr)		(sizeof(arr) / sizeof((arr)[0]))
#define TEAM			3001
#define MAX_GROUPS		32
#define KEEP			(-1)

struct user {
	uid_t uid;
	gid_t gid;
	int ngroups;
	gid_t groups[MAX_GROUPS];
	/* File descriptor of the credentials; io_uring's name for them */
	int credfd;
	unsigned int personality;
};

static struct user users[] = {
	{ .uid = 1001, .gid = 2001, .ngroups = 2, .groups = { TEAM, 3002 } },
	{ .uid = 1002, .gid = 2002, .ngroups = 3, .groups = { TEAM, 3003, 3004 } },
	{ .uid = 1003, .gid = 2003, .ngroups = 2, .groups = { 3002, 3003 } },
	{ .uid = 1004, .gid = 2004, .ngroups = 3, .groups = { 3003, 3004, 3005 } },
};

static struct user self;

/* How often this thread changed who it is */
static __thread unsigned int cred_calls;

static inline void cred_call(const char *name, long nr, long a, long b, long c)
{
	cred_calls++;
	if (syscall(nr, a, b, c))
		err(1, "%s", name);
}

#define cred_setgroups(n, list)	cred_call("setgroups", CREDFD_NR(setgroups), n, (long)(list), 0)
#define cred_setresgid(r, e, s)	cred_call("setresgid", CREDFD_NR(setresgid), r, e, s)
#define cred_setresuid(r, e, s)	cred_call("setresuid", CREDFD_NR(setresuid), r, e, s)
#define cred_activate(fd)	cred_call("credfd_activate", __NR_credfd_activate, fd, 0, 0)

static inline void get_self(struct user *user)
{
	user->uid = geteuid();
	user->gid = getegid();
	user->ngroups = getgroups(MAX_GROUPS, user->groups);
	if (user->ngroups < 0)
		err(1, "getgroups");
}

static inline void setid_become(const struct user *user)
{
	cred_setgroups(user->ngroups, user->groups);
	cred_setresgid(KEEP, user->gid, KEEP);
	cred_setresuid(KEEP, user->uid, KEEP);
}

static inline void setid_come_back(void)
{
	cred_setresuid(KEEP, self.uid, KEEP);
	cred_setresgid(KEEP, self.gid, KEEP);
	cred_setgroups(self.ngroups, self.groups);
}

static inline void caps_get(struct __user_cap_data_struct *caps)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};

	if (syscall(__NR_capget, &header, caps))
		err(1, "capget");
}

static inline void caps_set(const struct __user_cap_data_struct *caps)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};

	if (syscall(__NR_capset, &header, caps))
		err(1, "capset");
}

/* A user's credentials need the authority to switch to the next ones. */
static inline void raise_setid_caps(void)
{
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];

	caps_get(caps);
	caps[0].effective |= 1U << CAP_SETUID | 1U << CAP_SETGID;
	caps_set(caps);
}

static inline int snapshot(void)
{
	int fd = sys_credfd_create(0);

	if (fd < 0)
		err(1, "credfd_create");
	return fd;
}

/* The credentials of a user, by one who has his own in @self_fd */
static inline int snapshot_of(const struct user *user, int self_fd)
{
	int fd;

	/* credfd_activate() refuses when the users could trace their server. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		err(1, "PR_SET_DUMPABLE");
	setid_become(user);
	raise_setid_caps();
	fd = snapshot();
	cred_activate(self_fd);
	return fd;
}

static inline void credfd_prepare(void)
{
	self.credfd = snapshot();
	for (size_t i = 0; i < ARRAY_SIZE(users); i++)
		users[i].credfd = snapshot_of(&users[i], self.credfd);
}

static inline void credfd_become(const struct user *user)
{
	cred_activate(user->credfd);
}

static inline void credfd_come_back(void)
{
	cred_activate(self.credfd);
}

#endif
