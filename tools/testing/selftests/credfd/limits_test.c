// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: who makes too many of them pays for it himself
 */

#include "credfd.h"

#include <sys/resource.h>

#define CGROUPS		"/sys/fs/cgroup/"
#define GROUP_DIR	CGROUPS "credfd_limits/"
/* More than a process without any needs, and enough for some thousand of them */
#define LIMIT		"8388608"
#define MANY		200000
#define MAX_USERNS	"/proc/sys/user/max_user_namespaces"
/* How many user namespaces one user may have, and somebody who has none yet */
#define NAMESPACES	4
#define HOARDER		64321

FIXTURE(limits)
{
	int user;
	int root;
	char loglevel[64];
};

FIXTURE_SETUP(limits)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	if (access(CGROUPS "cgroup.controllers", R_OK))
		SKIP(return, "no cgroup2 at " CGROUPS);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &self->root,
				 &self->user));
	ASSERT_EQ(0, write_file(CGROUPS "cgroup.subtree_control", "+memory"));
	rmdir(GROUP_DIR);
	ASSERT_EQ(0, mkdir(GROUP_DIR, 0700));
	ASSERT_EQ(0, write_file(GROUP_DIR "memory.max", LIMIT));
	/* The kernel tells of a killed process with its stack, as if it was its own fault. */
	ASSERT_EQ(0, read_file("/proc/sys/kernel/printk", self->loglevel,
			       sizeof(self->loglevel)));
	ASSERT_EQ(0, write_file("/proc/sys/kernel/printk", "1"));
}

FIXTURE_TEARDOWN(limits)
{
	write_file("/proc/sys/kernel/printk", self->loglevel);
	for (int i = 0; i < 100 && rmdir(GROUP_DIR) && errno == EBUSY; i++)
		usleep(50000);
}

static long number_after(const char *path, const char *key)
{
	char text[4096];
	const char *found;

	if (read_file(path, text, sizeof(text)))
		return -1;
	found = strstr(text, key);
	return found ? atol(found + strlen(key)) : -1;
}

/*
 * Credentials are charged to the memory cgroup of whoever prepares them: the
 * limit ends that process and nobody else, and gives back all that it had.
 */
TEST_F_TIMEOUT(limits, memory, 600)
{
	const struct rlimit files = { MANY, MANY };
	long before = number_after("/proc/sys/fs/file-nr", "");
	int *made = shared_alloc(sizeof(*made));
	int status;
	pid_t pid;

	ASSERT_NE(NULL, made);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (setrlimit(RLIMIT_NOFILE, &files) ||
		    write_file(GROUP_DIR "cgroup.procs", "0"))
			_exit(1);
		for (int i = 0; i < MANY - 64; i++) {
			if (sys_credfd_create(CREDFD_ACCESS_ONLY) < 0)
				_exit(errno == ENOMEM ? 0 : 2);
			__atomic_store_n(made, i + 1, __ATOMIC_RELAXED);
		}
		_exit(3);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	/* It is killed, or it is told. */
	if (WIFSIGNALED(status)) {
		ASSERT_EQ(SIGKILL, WTERMSIG(status));
		ASSERT_LT(0, number_after(GROUP_DIR "memory.events", "oom_kill "));
	} else {
		ASSERT_EQ(0, WEXITSTATUS(status));
	}
	ASSERT_LT(500, *made);

	/* Files go away with a delay. */
	for (int i = 0; i < 100; i++) {
		if (number_after("/proc/sys/fs/file-nr", "") <= before + 8)
			break;
		usleep(50000);
	}
	ASSERT_GE(before + 8, number_after("/proc/sys/fs/file-nr", ""));
	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
}

/* Taking on credentials charges nothing to whoever does it. */
TEST_F_TIMEOUT(limits, activate, 600)
{
	long usage;

	ASSERT_EQ(0, write_file(GROUP_DIR "cgroup.procs", "0"));
	usage = number_after(GROUP_DIR "memory.current", "");
	ASSERT_LT(0, usage);
	for (int i = 0; i < 10000; i++) {
		ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
		ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
	}
	ASSERT_GE(usage + 256 * 1024, number_after(GROUP_DIR "memory.current", ""));
	ASSERT_EQ(0, number_after(GROUP_DIR "memory.events", "oom_kill "));
	ASSERT_EQ(0, write_file(CGROUPS "cgroup.procs", "0"));
}

FIXTURE(namespaces)
{
	char max[32];
};

FIXTURE_SETUP(namespaces)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, read_file(MAX_USERNS, self->max, sizeof(self->max)));
}

FIXTURE_TEARDOWN(namespaces)
{
	if (self->max[0])
		write_file(MAX_USERNS, self->max);
}

struct hoarder {
	int *error;
};

static int hoarder_become(const void *arg)
{
	const struct hoarder *hoarder = arg;
	char map[32];

	snprintf(map, sizeof(map), "0 %d 1", HOARDER);
	*hoarder->error = become_user(HOARDER, HOARDER) ||
			  prctl(PR_SET_DUMPABLE, 1) || sys_unshare(CLONE_NEWUSER) ||
			  userns_write_maps(getpid(), map, map, "deny") ? errno : 0;
	return *hoarder->error;
}

/*
 * A user namespace that only a credfd keeps still counts for the user who made it,
 * so nobody has more of them that way.
 */
TEST_F(namespaces, kept)
{
	const struct hoarder hoarder = { shared_alloc(sizeof(*hoarder.error)) };
	int fds[NAMESPACES], fd = -1;
	char text[16];

	ASSERT_NE(NULL, hoarder.error);
	snprintf(text, sizeof(text), "%d", NAMESPACES);
	ASSERT_EQ(0, write_file(MAX_USERNS, text));
	for (int i = 0; i < NAMESPACES; i++) {
		fds[i] = credfd_from_child(hoarder_become, &hoarder);
		ASSERT_LE(0, fds[i])
			TH_LOG("%s", strerror(*hoarder.error));
	}
	ASSERT_EQ(-1, credfd_from_child(hoarder_become, &hoarder));
	ASSERT_EQ(ENOSPC, *hoarder.error);

	/* It goes with the credfd, after a delay. */
	ASSERT_EQ(0, close(fds[0]));
	for (int i = 0; i < 100 && fd < 0; i++) {
		fd = credfd_from_child(hoarder_become, &hoarder);
		if (fd >= 0)
			break;
		ASSERT_EQ(ENOSPC, *hoarder.error);
		usleep(50000);
	}
	ASSERT_LE(0, fd);
	ASSERT_EQ(-1, credfd_from_child(hoarder_become, &hoarder));
	ASSERT_EQ(ENOSPC, *hoarder.error);
}

TEST_HARNESS_MAIN
