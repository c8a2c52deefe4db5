/* SPDX-License-Identifier: GPL-2.0 */
/*
 * credfd selftests: system calls
 *
 * The C library's set*id() functions change all threads of a process, so none
 * of them is used here: what is tested is one thread's business.
 */
#ifndef __CREDFD_SELFTEST_SYSCALLS_H
#define __CREDFD_SELFTEST_SYSCALLS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <linux/types.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#if __has_include("linux/credfd.h")
#include <linux/credfd.h>
#endif
#ifndef CREDFD_ACCESS_ONLY
#define CREDFD_ACCESS_ONLY	1U
#endif

/* Architectures count alike, but do not all start at 0. */
#ifndef __NR_credfd_create
#define __NR_credfd_create	(__NR_pidfd_open + 39)
#endif

#ifndef __NR_credfd_activate
#define __NR_credfd_activate	(__NR_pidfd_open + 40)
#endif

#ifndef __NR_credfd_access
#define __NR_credfd_access	(__NR_pidfd_open + 41)
#endif

/* Some 32-bit architectures keep the plain names for 16-bit ids. */
#ifdef __NR_setresuid32
#define CREDFD_NR(name)		(__NR_##name##32)
#else
#define CREDFD_NR(name)		(__NR_##name)
#endif

#define DEFAULT_LOOPS		100000

static inline int sys_credfd_create(unsigned int flags)
{
	return syscall(__NR_credfd_create, flags);
}

static inline int sys_credfd_activate(int fd, unsigned int flags)
{
	return syscall(__NR_credfd_activate, fd, flags);
}

static inline int sys_credfd_access(int credfd, int fd, int mode,
				    unsigned int flags)
{
	return syscall(__NR_credfd_access, credfd, fd, mode, flags);
}

static inline int sys_setresuid(uid_t ruid, uid_t euid, uid_t suid)
{
	return syscall(CREDFD_NR(setresuid), ruid, euid, suid);
}

static inline int sys_setresgid(gid_t rgid, gid_t egid, gid_t sgid)
{
	return syscall(CREDFD_NR(setresgid), rgid, egid, sgid);
}

static inline int sys_setgroups(size_t size, const gid_t *list)
{
	return syscall(CREDFD_NR(setgroups), size, list);
}

static inline uid_t sys_setfsuid(uid_t uid)
{
	return syscall(CREDFD_NR(setfsuid), uid);
}

static inline gid_t sys_setfsgid(gid_t gid)
{
	return syscall(CREDFD_NR(setfsgid), gid);
}

static inline pid_t sys_gettid(void)
{
	return syscall(__NR_gettid);
}

static inline int sys_unshare(unsigned long flags)
{
	return syscall(__NR_unshare, flags);
}

static inline int sys_setns(int fd, int type)
{
	return syscall(__NR_setns, fd, type);
}

/* Why the tests cannot run here, or NULL if they can. */
static inline const char *credfd_unavailable(void)
{
	/* A call that no kernel accepts, so nothing is left behind. */
	if (sys_credfd_create(~0U) == -1 && errno == ENOSYS)
		return "kernel without CONFIG_CREDFD";
	return NULL;
}

static inline const char *credfd_unavailable_or_not_root(void)
{
	const char *reason = credfd_unavailable();

	if (!reason && geteuid())
		reason = "root needed";
	return reason;
}

/* How many rounds the long tests take. */
static inline long credfd_loops(void)
{
	const char *env = getenv("CREDFD_LOOPS");
	long loops = env ? atol(env) : 0;

	return loops > 0 ? loops : DEFAULT_LOOPS;
}

#endif
