// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: credfds that go from one process to another, and what those
 * can do who are at the other end
 */

#include "credfd.h"

#include <sys/ptrace.h>

FIXTURE(handover)
{
	int dir;
	int root;
};

FIXTURE_SETUP(handover)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	self->dir = tmpfs_dir();
	ASSERT_LE(0, self->dir);
	self->root = sys_credfd_create(0);
	ASSERT_LE(0, self->root);
}

FIXTURE_TEARDOWN(handover)
{
}

struct handover {
	struct identity id;
	int error;
};

/* A user hands its identity to a daemon, which acts as the user from then on. */
TEST_F(handover, user_to_daemon)
{
	struct handover *user = shared_alloc(sizeof(*user));
	int sock[2], fd;
	pid_t pid;

	ASSERT_TRUE(!!user);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (become_user(OTHER_USER, OTHER_GROUP) ||
		    identity_read(&user->id))
			_exit(1);
		fd = sys_credfd_create(0);
		_exit(fd < 0 || send_fd(sock[1], fd) ? 2 : 0);
	}
	ASSERT_EQ(0, wait_exit(pid));
	fd = recv_fd(sock[0]);
	ASSERT_LE(0, fd);

	ASSERT_EQ(0, sys_credfd_activate(fd, 0));
	ASSERT_STREQ("nothing", identity_differs_now(&user->id));
	ASSERT_EQ(0, file_owner_check(self->dir, "file", OTHER_USER,
				      OTHER_GROUP));

	/* All of the user's identity: the daemon has given up its own. */
	ASSERT_REFUSED(EPERM, self->root);
	ASSERT_EQ(-1, sys_setresuid(0, 0, 0));
	ASSERT_EQ(EPERM, errno);
}

/* Root's credfd in the hands of a user is of no use. */
TEST_F(handover, root_to_user)
{
	struct handover *user = shared_alloc(sizeof(*user));
	struct identity after;
	int sock[2], fd;
	pid_t pid;

	ASSERT_TRUE(!!user);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	ASSERT_EQ(0, send_fd(sock[0], self->root));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(self->root);
		if (become_user(OTHER_USER, OTHER_GROUP))
			_exit(1);
		fd = recv_fd(sock[1]);
		if (fd < 0 || identity_read(&user->id))
			_exit(2);
		if (!sys_credfd_activate(fd, 0))
			_exit(3);
		user->error = errno;
		if (identity_read(&after))
			_exit(4);
		_exit(strcmp(identity_differ(&user->id, &after), "nothing") ?
		      5 : 0);
	}
	ASSERT_EQ(0, wait_exit(pid));
	ASSERT_EQ(EPERM, user->error);
}

static int become_plain_user(const void *arg)
{
	return arg ? -1 : become_user(USER, GROUP);
}

/* Whom the daemon acts for cannot look into it, let alone trace it. */
TEST_F(handover, not_traceable_by_user)
{
	int user, ready[2];
	char byte, target[64], path[64];
	pid_t pid, daemon = getpid(), process;

	user = credfd_from_child(become_plain_user, NULL);
	ASSERT_LE(0, user);
	ASSERT_EQ(0, pipe(ready));

	/* An ordinary process of the user, to compare with. */
	process = fork();
	ASSERT_LE(0, process);
	if (!process) {
		if (!become_user(USER, GROUP) && !prctl(PR_SET_DUMPABLE, 1) &&
		    !prctl(PR_SET_PDEATHSIG, SIGKILL) &&
		    write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	ASSERT_EQ(1, read(ready[0], &byte, 1));

	/* No id and no capability tells the daemon from the user now. */
	ASSERT_EQ(0, sys_credfd_activate(user, 0));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		snprintf(path, sizeof(path), "/proc/%d/exe", process);
		ASSERT_LT(0, readlink(path, target, sizeof(target)));

		snprintf(path, sizeof(path), "/proc/%d/exe", daemon);
		ASSERT_EQ(-1, readlink(path, target, sizeof(target)));
		ASSERT_EQ(EACCES, errno);
		ASSERT_EQ(-1, ptrace(PTRACE_ATTACH, daemon, 0, 0));
		ASSERT_EQ(EPERM, errno);
		_exit(0);
	}
	EXPECT_EQ(0, wait_exit(pid));
	ASSERT_EQ(0, kill(process, SIGKILL));
	ASSERT_EQ(process, waitpid(process, NULL, 0));
}

TEST_HARNESS_MAIN
