// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: processes are counted for the real user
 *
 * The count cannot be read. It shows in how many children a process of the user
 * can have below a given RLIMIT_NPROC.
 */

#include "credfd.h"

#include <sys/resource.h>

#define LIMIT	12

FIXTURE(nproc)
{
	int root;
	int user;
	int idle;	/* children that a user without processes can have */
};

static int set_limit(rlim_t limit)
{
	const struct rlimit rlim = { .rlim_cur = limit, .rlim_max = limit };

	return setrlimit(RLIMIT_NPROC, &rlim);
}

/* Forks until it is told to stop. The number of children, or -1. */
static int fork_until_eagain(void)
{
	pid_t pids[LIMIT + 1];
	int n, error = 0;

	for (n = 0; n <= LIMIT; n++) {
		pids[n] = fork();
		if (!pids[n]) {
			pause();
			_exit(0);
		}
		if (pids[n] < 0) {
			error = errno;
			break;
		}
	}
	for (int i = 0; i < n; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	return error == EAGAIN ? n : -1;
}

/* As root: how many children can a process of the user have? */
static int probe(uid_t uid)
{
	pid_t pid = fork();

	if (pid)
		return pid < 0 ? -1 : wait_exit(pid);
	if (set_limit(LIMIT) || become_user(uid, GROUP))
		_exit(100);
	_exit(fork_until_eagain());
}

FIXTURE_SETUP(nproc)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	ASSERT_EQ(0, credfd_pair(become_samba, USER, GROUP, &self->root,
				 &self->user));

	/* All but the probing process itself. */
	self->idle = probe(USER);
	ASSERT_EQ(LIMIT - 1, self->idle);
}

FIXTURE_TEARDOWN(nproc)
{
}

/* A thread counts for the user as long as it is the user, by its real uid. */
TEST_F_TIMEOUT(nproc, follows_the_real_uid, 300)
{
	int sync[2];
	char byte;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sync));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		const int order[] = { self->user, self->root, self->user };

		for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
			if (sys_credfd_activate(order[i], 0) ||
			    write(sync[1], "", 1) != 1 ||
			    read(sync[1], &byte, 1) != 1)
				_exit(1);
		}
		/* And exits as the user. */
		_exit(0);
	}

	ASSERT_EQ(1, read(sync[0], &byte, 1));
	EXPECT_EQ(self->idle - 1, probe(USER));
	ASSERT_EQ(1, write(sync[0], "", 1));

	ASSERT_EQ(1, read(sync[0], &byte, 1));
	EXPECT_EQ(self->idle, probe(USER));
	ASSERT_EQ(1, write(sync[0], "", 1));

	ASSERT_EQ(1, read(sync[0], &byte, 1));
	EXPECT_EQ(self->idle - 1, probe(USER));
	ASSERT_EQ(1, write(sync[0], "", 1));

	ASSERT_EQ(0, wait_exit(pid));
	EXPECT_EQ(self->idle, probe(USER));
}

/* With the real uid left alone, as Ganesha does it, the count is too. */
TEST_F_TIMEOUT(nproc, effective_uid_does_not_count, 300)
{
	int sync[2], root, user;
	char byte;
	pid_t pid;

	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &root, &user));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sync));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (sys_credfd_activate(user, 0) ||
		    write(sync[1], "", 1) != 1 || read(sync[1], &byte, 1) != 1)
			_exit(1);
		_exit(0);
	}
	ASSERT_EQ(1, read(sync[0], &byte, 1));
	EXPECT_EQ(self->idle, probe(USER));
	ASSERT_EQ(1, write(sync[0], "", 1));
	ASSERT_EQ(0, wait_exit(pid));
	EXPECT_EQ(self->idle, probe(USER));
}

/* Very many switches leave the counts of all users involved as they were. */
TEST_F_TIMEOUT(nproc, many_switches, 1200)
{
	long loops = credfd_loops();
	int root, other;

	ASSERT_EQ(0, credfd_pair(become_samba, OTHER_USER, OTHER_GROUP, &root,
				 &other));
	ASSERT_EQ(self->idle, probe(OTHER_USER));
	for (long i = 0; i < loops; i++) {
		ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
		ASSERT_EQ(0, sys_credfd_activate(other, 0));
		ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
	}
	EXPECT_EQ(self->idle, probe(USER));
	EXPECT_EQ(self->idle, probe(OTHER_USER));
}

/* Neither does an activation that changes nothing, or is refused. */
TEST_F_TIMEOUT(nproc, no_change, 300)
{
	int access_only, twin;

	access_only = sys_credfd_create(CREDFD_ACCESS_ONLY);
	ASSERT_LE(0, access_only);

	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	twin = sys_credfd_create(0);
	ASSERT_LE(0, twin);
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
		ASSERT_EQ(0, sys_credfd_activate(twin, 0));
		ASSERT_EQ(-1, sys_credfd_activate(access_only, 0));
		ASSERT_EQ(EINVAL, errno);
	}
	ASSERT_EQ(0, caps_set_effective(CAP_BIT(CAP_SETUID)));
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(-1, sys_credfd_activate(self->root, 0));
		ASSERT_EQ(EPERM, errno);
	}
	ASSERT_EQ(0, caps_set_effective(CAPS_SETID));
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
	EXPECT_EQ(self->idle, probe(USER));
}

struct leaver {
	int user;
	pid_t tid;
};

static void *leave_as_user(void *arg)
{
	struct leaver *leaver = arg;

	leaver->tid = sys_gettid();
	return sys_credfd_activate(leaver->user, 0) ? "cannot switch" : NULL;
}

/* A thread that ends as the user is taken off the user's count. */
TEST_F_TIMEOUT(nproc, thread_exit, 300)
{
	struct leaver leaver = { .user = self->user };
	pthread_t thread;

	for (int i = 0; i < LIMIT; i++) {
		ASSERT_EQ(0, pthread_create(&thread, NULL, leave_as_user,
					    &leaver));
		ASSERT_STREQ("fine", thread_outcome(thread));

		/* It is joined a moment before it is gone. */
		while (!syscall(__NR_tgkill, getpid(), leaver.tid, 0))
			syscall(__NR_sched_yield);
		ASSERT_EQ(ESRCH, errno);
		EXPECT_EQ(self->idle, probe(USER));
	}
}

/* The user's limit holds for a server that forks as the user. */
TEST_F_TIMEOUT(nproc, fork_as_user, 300)
{
	ASSERT_EQ(0, set_limit(LIMIT));
	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	EXPECT_EQ(self->idle, fork_until_eagain());
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
	EXPECT_EQ(self->idle, probe(USER));
}

/* Only returns if execve() fails. The program lists its tests and is done. */
static int exec_list(int exe)
{
	char *const argv[] = { "nproc_test", "-l", NULL };
	char *const envp[] = { NULL };
	int null = open("/dev/null", O_WRONLY);

	if (null < 0 || dup2(null, STDERR_FILENO) < 0)
		return 0;
	syscall(__NR_execveat, exe, "", argv, envp, AT_EMPTY_PATH);
	return errno;
}

/* A process of the user that waits to be killed. */
static pid_t user_process(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready))
		return -1;
	pid = fork();
	if (!pid) {
		if (!become_user(USER, GROUP) &&
		    !prctl(PR_SET_PDEATHSIG, SIGKILL) &&
		    write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	if (pid > 0 && read(ready[0], &byte, 1) != 1)
		pid = -1;
	close(ready[0]);
	return pid;
}

/* setresuid() is here to show what is expected of the other one. */
FIXTURE(nproc_exec)
{
	int root;
	int user;
	int exe;
	pid_t first;
};

FIXTURE_VARIANT(nproc_exec)
{
	bool credfd;
};

FIXTURE_VARIANT_ADD(nproc_exec, setresuid) {
	.credfd = false,
};

FIXTURE_VARIANT_ADD(nproc_exec, credfd) {
	.credfd = true,
};

FIXTURE_SETUP(nproc_exec)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	self->exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, self->exe);
	ASSERT_EQ(0, credfd_pair(become_samba, USER, GROUP, &self->root,
				 &self->user));
	self->first = user_process();
	ASSERT_LT(0, self->first);
}

FIXTURE_TEARDOWN(nproc_exec)
{
	kill(self->first, SIGKILL);
	waitpid(self->first, NULL, 0);
}

/* A switch to a user over its limit succeeds, and execve() after it fails. */
TEST_F(nproc_exec, over_limit)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		if (set_limit(0))
			_exit(99);
		if (variant->credfd ? sys_credfd_activate(self->user, 0) :
				      become_samba(USER, GROUP))
			_exit(98);
		_exit(100 + exec_list(self->exe));
	}
	EXPECT_EQ(100 + EAGAIN, wait_exit(pid));
}

/* Not so for a user who was below it. */
TEST_F(nproc_exec, below_limit)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		if (set_limit(1))
			_exit(99);
		if (variant->credfd ? sys_credfd_activate(self->user, 0) :
				      become_samba(USER, GROUP))
			_exit(98);
		_exit(100 + exec_list(self->exe));
	}
	EXPECT_EQ(KSFT_SKIP, wait_exit(pid));
}

/* Nor after the way back to root. */
TEST_F(nproc_exec, back_to_root)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		if (set_limit(0))
			_exit(99);
		if (variant->credfd ? sys_credfd_activate(self->user, 0) :
				      become_samba(USER, GROUP))
			_exit(98);
		if (exec_list(self->exe) != EAGAIN)
			_exit(97);
		if (variant->credfd ? sys_credfd_activate(self->root, 0) :
				      sys_setresuid(0, 0, -1))
			_exit(96);
		_exit(100 + exec_list(self->exe));
	}
	EXPECT_EQ(KSFT_SKIP, wait_exit(pid));
}

TEST_HARNESS_MAIN
