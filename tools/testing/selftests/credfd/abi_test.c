// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: the system call interface, errno by errno
 */

#include "credfd.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

/* What needs no privilege. */
FIXTURE(abi)
{
};

FIXTURE_SETUP(abi)
{
	const char *reason = credfd_unavailable();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
}

FIXTURE_TEARDOWN(abi)
{
}

/* credfd_create() knows one flag and refuses every other bit with EINVAL. */
TEST_F(abi, create_flags)
{
	int fd;

	fd = sys_credfd_create(0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, close(fd));

	ASSERT_EQ(1U << 0, CREDFD_ACCESS_ONLY);
	fd = sys_credfd_create(CREDFD_ACCESS_ONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, close(fd));

	for (int bit = 1; bit < 32; bit++) {
		ASSERT_EQ(-1, sys_credfd_create(1U << bit));
		ASSERT_EQ(EINVAL, errno);
		ASSERT_EQ(-1, sys_credfd_create(1U << bit | CREDFD_ACCESS_ONLY));
		ASSERT_EQ(EINVAL, errno);
	}
	ASSERT_EQ(-1, sys_credfd_create(~0U));
	ASSERT_EQ(EINVAL, errno);

	/* O_CLOEXEC is not a flag: it is always on. */
	ASSERT_EQ(-1, sys_credfd_create(O_CLOEXEC));
	ASSERT_EQ(EINVAL, errno);
}

/* A credfd is born with the close-on-exec flag, which is an ordinary one. */
TEST_F(abi, close_on_exec)
{
	int fd, copy;

	fd = sys_credfd_create(0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));

	copy = dup(fd);
	ASSERT_LE(0, copy);
	ASSERT_EQ(0, fcntl(copy, F_GETFD));

	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	ASSERT_LE(0, copy);
	ASSERT_EQ(FD_CLOEXEC, fcntl(copy, F_GETFD));

	ASSERT_EQ(0, fcntl(fd, F_SETFD, 0));
	ASSERT_EQ(0, fcntl(fd, F_GETFD));

	fd = sys_credfd_create(CREDFD_ACCESS_ONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
}

/* EMFILE comes at the limit and not before, and leaves nothing behind. */
TEST_F(abi, create_emfile)
{
	const struct rlimit limit = { .rlim_cur = 128, .rlim_max = 128 };
	int fd, last = -1;

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	for (;;) {
		fd = sys_credfd_create(0);
		if (fd < 0)
			break;
		ASSERT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
		last = fd;
	}
	ASSERT_EQ(EMFILE, errno);
	ASSERT_EQ(127, last);

	/* Unknown flags are found first. */
	ASSERT_EQ(-1, sys_credfd_create(~0U));
	ASSERT_EQ(EINVAL, errno);

	for (int round = 0; round < 3; round++) {
		ASSERT_EQ(0, close(last));
		ASSERT_EQ(last, sys_credfd_create(0));
		ASSERT_EQ(-1, sys_credfd_create(0));
		ASSERT_EQ(EMFILE, errno);
	}
}

/* credfd_activate() has no flags, and says so before it looks at the fd. */
TEST_F(abi, activate_flags)
{
	int fd = sys_credfd_create(0);

	ASSERT_LE(0, fd);
	for (int bit = 0; bit < 32; bit++) {
		ASSERT_EQ(-1, sys_credfd_activate(fd, 1U << bit));
		ASSERT_EQ(EINVAL, errno);
		ASSERT_EQ(-1, sys_credfd_activate(-1, 1U << bit));
		ASSERT_EQ(EINVAL, errno);
	}
	ASSERT_EQ(-1, sys_credfd_activate(fd, ~0U));
	ASSERT_EQ(EINVAL, errno);
}

/* What is not an open file descriptor is EBADF. */
TEST_F(abi, activate_bad_fd)
{
	int fd = sys_credfd_create(0);
	const int bad[] = { -1, AT_FDCWD, 1 << 20, 0x7fffffff, -0x7fffffff, fd };

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, close(fd));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ASSERT_EQ(-1, sys_credfd_activate(bad[i], 0));
		ASSERT_EQ(EBADF, errno)
			TH_LOG("fd %d", bad[i]);
	}
}

/* An O_PATH descriptor of a credfd is none to work with. */
TEST_F(abi, activate_o_path)
{
	int fd, path_fd;
	char path[64];

	fd = sys_credfd_create(0);
	ASSERT_LE(0, fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);

	path_fd = open(path, O_PATH | O_CLOEXEC);
	ASSERT_LE(0, path_fd);
	ASSERT_EQ(-1, sys_credfd_activate(path_fd, 0));
	ASSERT_EQ(EBADF, errno);

	/* Nor is there a way to open a second one. */
	ASSERT_EQ(-1, open(path, O_RDONLY | O_CLOEXEC));
	ASSERT_EQ(ENXIO, errno);
}

/* Any other kind of open file is EINVAL. */
TEST_F(abi, activate_not_a_credfd)
{
	int sock[2], pipes[2];
	sigset_t mask;

	sigemptyset(&mask);
	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));

	const struct {
		const char *what;
		int fd;
	} files[] = {
		{ "pipe, read end", pipes[0] },
		{ "pipe, write end", pipes[1] },
		{ "socket", sock[0] },
		{ "directory", open("/", O_RDONLY | O_DIRECTORY) },
		{ "regular file", open("/proc/self/exe", O_RDONLY) },
		{ "proc file", open("/proc/self/status", O_RDONLY) },
		{ "namespace", open("/proc/self/ns/user", O_RDONLY) },
		{ "memfd", memfd_create("credfd", 0) },
		{ "epoll", epoll_create1(0) },
		{ "eventfd", eventfd(0, 0) },
		{ "signalfd", signalfd(-1, &mask, 0) },
		{ "timerfd", timerfd_create(CLOCK_MONOTONIC, 0) },
		{ "pidfd", syscall(__NR_pidfd_open, getpid(), 0) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		ASSERT_LE(0, files[i].fd)
			TH_LOG("no %s", files[i].what);
		ASSERT_EQ(-1, sys_credfd_activate(files[i].fd, 0));
		ASSERT_EQ(EINVAL, errno)
			TH_LOG("%s", files[i].what);
	}
}

#define ASSERT_ACCESS_ERROR(error, credfd, fd, mode, flags)		\
do {									\
	ASSERT_EQ(-1, sys_credfd_access(credfd, fd, mode, flags));	\
	ASSERT_EQ(error, errno);					\
} while (0)

/* credfd_access() has no flags either, and that comes before all else. */
TEST_F(abi, access_flags)
{
	int fd = sys_credfd_create(CREDFD_ACCESS_ONLY);

	ASSERT_LE(0, fd);
	for (int bit = 0; bit < 32; bit++) {
		ASSERT_ACCESS_ERROR(EINVAL, fd, fd, R_OK, 1U << bit);
		ASSERT_ACCESS_ERROR(EINVAL, fd, fd, F_OK, 1U << bit);
		ASSERT_ACCESS_ERROR(EINVAL, -1, fd, R_OK, 1U << bit);
		ASSERT_ACCESS_ERROR(EINVAL, fd, -1, R_OK, 1U << bit);
		ASSERT_ACCESS_ERROR(EINVAL, -1, -1, -1, 1U << bit);
	}
	ASSERT_ACCESS_ERROR(EINVAL, fd, fd, R_OK, ~0U);

	/* What it does, faccessat2() does only if told to. */
	ASSERT_ACCESS_ERROR(EINVAL, fd, fd, R_OK, AT_EACCESS);
	ASSERT_ACCESS_ERROR(EINVAL, fd, fd, R_OK, AT_EMPTY_PATH);
	ASSERT_ACCESS_ERROR(EINVAL, fd, fd, R_OK, AT_SYMLINK_NOFOLLOW);
}

/* Three bits can be asked for. Any other one is found before the files are. */
TEST_F(abi, access_mode)
{
	int fd = sys_credfd_create(CREDFD_ACCESS_ONLY);

	ASSERT_LE(0, fd);
	ASSERT_EQ(7, R_OK | W_OK | X_OK);
	for (int mode = 0; mode <= 7; mode++)
		ASSERT_ACCESS_ERROR(EBADF, -1, -1, mode, 0);
	for (int bit = 3; bit < 32; bit++) {
		int unknown = 1U << bit;

		for (int mode = 0; mode <= 7; mode++) {
			ASSERT_ACCESS_ERROR(EINVAL, fd, fd, unknown | mode, 0);
			ASSERT_ACCESS_ERROR(EINVAL, -1, fd, unknown | mode, 0);
			ASSERT_ACCESS_ERROR(EINVAL, fd, -1, unknown | mode, 0);
			ASSERT_ACCESS_ERROR(EINVAL, -1, -1, unknown | mode, 0);
		}
	}
	ASSERT_ACCESS_ERROR(EINVAL, fd, fd, -1, 0);
}

/* Both files have to be open, and that comes before what kind they are. */
TEST_F(abi, access_bad_fd)
{
	int closed = sys_credfd_create(CREDFD_ACCESS_ONLY);
	int fd = sys_credfd_create(CREDFD_ACCESS_ONLY);
	int dir = open("/", O_RDONLY | O_DIRECTORY);
	int path_fd = open("/", O_PATH);
	const int bad[] = {
		-1, AT_FDCWD, 1 << 20, 0x7fffffff, -0x7fffffff, closed,
	};

	ASSERT_LE(0, closed);
	ASSERT_LE(0, fd);
	ASSERT_LE(0, dir);
	ASSERT_LE(0, path_fd);
	ASSERT_EQ(0, close(closed));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		for (int mode = 0; mode <= 7; mode++) {
			ASSERT_ACCESS_ERROR(EBADF, bad[i], fd, mode, 0);
			ASSERT_ACCESS_ERROR(EBADF, bad[i], path_fd, mode, 0);
			ASSERT_ACCESS_ERROR(EBADF, bad[i], bad[i], mode, 0);
			ASSERT_ACCESS_ERROR(EBADF, fd, bad[i], mode, 0);
			ASSERT_ACCESS_ERROR(EBADF, path_fd, bad[i], mode, 0);
			/* Not EINVAL, as with an object that is open. */
			ASSERT_ACCESS_ERROR(EBADF, dir, bad[i], mode, 0);
			ASSERT_ACCESS_ERROR(EINVAL, dir, dir, mode, 0);
		}
	}
}

/* O_PATH is good enough for the object, and not for the credfd. */
TEST_F(abi, access_o_path)
{
	int fd, path_fd;
	char path[64];

	fd = sys_credfd_create(0);
	ASSERT_LE(0, fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	path_fd = open(path, O_PATH | O_CLOEXEC);
	ASSERT_LE(0, path_fd);

	for (int mode = 0; mode <= 7; mode++) {
		ASSERT_ACCESS_ERROR(EBADF, path_fd, fd, mode, 0);
		ASSERT_ACCESS_ERROR(EBADF, path_fd, path_fd, mode, 0);
	}

	/* Permissions are checked last. */
	if (!geteuid())
		ASSERT_EQ(0, become_user(USER, GROUP));
	ASSERT_ACCESS_ERROR(EPERM, fd, path_fd, R_OK, 0);
}

/* Any other kind of open file is no credfd to ask about, whoever asks. */
TEST_F(abi, access_not_a_credfd)
{
	int object = open("/", O_PATH);
	int sock[2], pipes[2];

	ASSERT_LE(0, object);
	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));

	const struct {
		const char *what;
		int fd;
	} files[] = {
		{ "pipe, read end", pipes[0] },
		{ "pipe, write end", pipes[1] },
		{ "socket", sock[0] },
		{ "directory", open("/", O_RDONLY | O_DIRECTORY) },
		{ "regular file", open("/proc/self/exe", O_RDONLY) },
		{ "proc file", open("/proc/self/status", O_RDONLY) },
		{ "namespace", open("/proc/self/ns/user", O_RDONLY) },
		{ "memfd", memfd_create("credfd", 0) },
		{ "epoll", epoll_create1(0) },
		{ "eventfd", eventfd(0, 0) },
		{ "timerfd", timerfd_create(CLOCK_MONOTONIC, 0) },
		{ "pidfd", syscall(__NR_pidfd_open, getpid(), 0) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		ASSERT_LE(0, files[i].fd)
			TH_LOG("no %s", files[i].what);
		for (int mode = 0; mode <= 7; mode++) {
			ASSERT_EQ(-1, sys_credfd_access(files[i].fd, object,
							mode, 0));
			ASSERT_EQ(EINVAL, errno)
				TH_LOG("%s", files[i].what);
			ASSERT_ACCESS_ERROR(EINVAL, files[i].fd, files[i].fd,
					    mode, 0);
		}
	}
}

/* There is nothing else that can be done with the file. */
TEST_F(abi, no_file_operations)
{
	int fd = sys_credfd_create(0);
	char byte = 0;

	ASSERT_LE(0, fd);
	ASSERT_EQ(-1, read(fd, &byte, 1));
	ASSERT_EQ(EINVAL, errno);
	ASSERT_EQ(-1, write(fd, &byte, 1));
	ASSERT_EQ(EBADF, errno);
	ASSERT_EQ(-1, ioctl(fd, _IO(0xcf, 0), 0));
	ASSERT_EQ(ENOTTY, errno);
	ASSERT_TRUE(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) ==
		    MAP_FAILED);
	ASSERT_EQ(ENODEV, errno);
}

/* Without privilege one may take a snapshot, but not activate it. */
TEST_F(abi, unprivileged)
{
	int fd, access_only;

	if (!geteuid())
		ASSERT_EQ(0, become_user(USER, GROUP));
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));

	fd = sys_credfd_create(0);
	ASSERT_LE(0, fd);
	access_only = sys_credfd_create(CREDFD_ACCESS_ONLY);
	ASSERT_LE(0, access_only);

	/* Not even its own, which would change nothing. */
	ASSERT_REFUSED(EPERM, fd);

	/* The kind of the fd and dumpability come before permissions. */
	ASSERT_REFUSED(EINVAL, access_only);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 1));
	ASSERT_REFUSED(EINVAL, fd);
}

/* Nor ask, not even about the own one, and not be told what is allowed. */
TEST_F(abi, access_unprivileged)
{
	int dir = open("/", O_PATH | O_DIRECTORY);

	ASSERT_LE(0, dir);
	if (!geteuid())
		ASSERT_EQ(0, become_user(USER, GROUP));

	for (unsigned int flags = 0; flags <= CREDFD_ACCESS_ONLY; flags++) {
		int fd = sys_credfd_create(flags);

		ASSERT_LE(0, fd);
		for (int mode = 0; mode <= 7; mode++) {
			for (int dumpable = 0; dumpable <= 1; dumpable++) {
				ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, dumpable));
				ASSERT_ACCESS_ERROR(EPERM, fd, fd, mode, 0);
				ASSERT_ACCESS_ERROR(EPERM, fd, dir, mode, 0);
			}
		}

		/* All the rest comes before permissions. */
		ASSERT_ACCESS_ERROR(EINVAL, fd, dir, R_OK, 1);
		ASSERT_ACCESS_ERROR(EINVAL, fd, dir, 8, 0);
		ASSERT_ACCESS_ERROR(EBADF, -1, dir, R_OK, 0);
		ASSERT_ACCESS_ERROR(EBADF, fd, -1, R_OK, 0);
	}
}

/* What takes root, as the other tests do. */
FIXTURE(abi_root)
{
	char file_max[32];
	char suid_dumpable[32];
};

FIXTURE_SETUP(abi_root)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	ASSERT_EQ(0, read_file("/proc/sys/fs/file-max", self->file_max,
			       sizeof(self->file_max)));
	ASSERT_EQ(0, read_file("/proc/sys/fs/suid_dumpable", self->suid_dumpable,
			       sizeof(self->suid_dumpable)));
}

FIXTURE_TEARDOWN_PARENT(abi_root)
{
	/* Both are empty if the test was skipped. */
	if (self->file_max[0])
		ASSERT_EQ(0, write_file("/proc/sys/fs/file-max", self->file_max));
	if (self->suid_dumpable[0])
		ASSERT_EQ(0, write_file("/proc/sys/fs/suid_dumpable",
					self->suid_dumpable));
}

/* An access-only credfd is never activated, whoever tries. */
TEST_F(abi_root, activate_access_only)
{
	int fd, plain;

	fd = sys_credfd_create(CREDFD_ACCESS_ONLY);
	ASSERT_LE(0, fd);
	plain = sys_credfd_create(0);
	ASSERT_LE(0, plain);

	ASSERT_REFUSED(EINVAL, fd);
	ASSERT_EQ(0, sys_credfd_activate(plain, 0));
	ASSERT_REFUSED(EINVAL, fd);
}

/* Permission to ask comes before the answer: EPERM before EACCES and 0. */
TEST_F(abi_root, access)
{
	int dir, plain, access_only, user;

	dir = tmpfs_dir();
	ASSERT_LE(0, dir);
	ASSERT_EQ(0, mkdirat(dir, "dir", 0700));
	dir = openat(dir, "dir", O_PATH | O_CLOEXEC);
	ASSERT_LE(0, dir);
	plain = sys_credfd_create(0);
	ASSERT_LE(0, plain);
	access_only = sys_credfd_create(CREDFD_ACCESS_ONLY);
	ASSERT_LE(0, access_only);

	/* Access-only and dumpability are for activation. */
	for (int dumpable = 0; dumpable <= 1; dumpable++) {
		ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, dumpable));
		for (int mode = 0; mode <= 7; mode++) {
			ASSERT_EQ(0, sys_credfd_access(plain, dir, mode, 0));
			ASSERT_EQ(0, sys_credfd_access(access_only, dir, mode,
						       0));
		}
	}

	ASSERT_EQ(0, become_ganesha(USER, GROUP));
	user = sys_credfd_create(CREDFD_ACCESS_ONLY);
	ASSERT_LE(0, user);
	for (int mode = 1; mode <= 7; mode++) {
		ASSERT_EQ(0, sys_credfd_access(plain, dir, mode, 0));
		ASSERT_ACCESS_ERROR(EACCES, user, dir, mode, 0);
	}
	ASSERT_EQ(0, sys_credfd_access(user, dir, F_OK, 0));

	ASSERT_EQ(0, caps_set_effective(CAP_BIT(CAP_SETUID)));
	for (int mode = 0; mode <= 7; mode++) {
		ASSERT_ACCESS_ERROR(EPERM, plain, dir, mode, 0);
		ASSERT_ACCESS_ERROR(EPERM, access_only, dir, mode, 0);
		ASSERT_ACCESS_ERROR(EPERM, user, dir, mode, 0);
	}
	ASSERT_EQ(0, caps_set_effective(CAP_BIT(CAP_SETGID)));
	for (int mode = 0; mode <= 7; mode++) {
		ASSERT_ACCESS_ERROR(EPERM, plain, dir, mode, 0);
		ASSERT_ACCESS_ERROR(EPERM, user, dir, mode, 0);
	}
	ASSERT_EQ(0, caps_set_effective(CAPS_SETID));
	ASSERT_EQ(0, sys_credfd_access(plain, dir, R_OK, 0));
}

/* Dumpable is EINVAL; the very same snapshot again is nothing to check. */
TEST_F(abi_root, activate_dumpable)
{
	int fd, copy, twin;

	fd = sys_credfd_create(0);
	ASSERT_LE(0, fd);
	copy = dup(fd);
	ASSERT_LE(0, copy);
	twin = sys_credfd_create(0);
	ASSERT_LE(0, twin);

	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 1));
	ASSERT_REFUSED(EINVAL, fd);

	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	ASSERT_EQ(0, sys_credfd_activate(fd, 0));

	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 1));
	ASSERT_EQ(0, sys_credfd_activate(fd, 0));
	ASSERT_EQ(0, sys_credfd_activate(copy, 0));
	ASSERT_EQ(1, prctl(PR_GET_DUMPABLE));

	/* Equal is not the same. */
	ASSERT_REFUSED(EINVAL, twin);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	ASSERT_EQ(0, sys_credfd_activate(twin, 0));
}

/* The very same snapshot again takes no capability either. */
TEST_F(abi_root, activate_again_unprivileged)
{
	int root, user;

	root = sys_credfd_create(0);
	ASSERT_LE(0, root);
	ASSERT_EQ(0, become_ganesha(USER, GROUP));
	ASSERT_EQ(0, caps_set_effective(0));
	user = sys_credfd_create(0);
	ASSERT_LE(0, user);

	ASSERT_EQ(0, caps_set_effective(CAPS_SETID));
	ASSERT_EQ(0, sys_credfd_activate(user, 0));
	ASSERT_EQ(0, sys_credfd_activate(user, 0));
	ASSERT_REFUSED(EPERM, root);
}

/* Dumpable for root alone (2) is not dumpable: nobody else can trace it. */
TEST_F(abi_root, activate_dumpable_by_root)
{
	int root, user;

	ASSERT_EQ(0, write_file("/proc/sys/fs/suid_dumpable", "2"));
	root = sys_credfd_create(0);
	ASSERT_LE(0, root);
	ASSERT_EQ(0, become_ganesha(USER, GROUP));
	ASSERT_EQ(2, prctl(PR_GET_DUMPABLE));
	user = sys_credfd_create(0);
	ASSERT_LE(0, user);

	ASSERT_EQ(0, sys_credfd_activate(root, 0));
	ASSERT_EQ(0, sys_credfd_activate(user, 0));
	ASSERT_EQ(2, prctl(PR_GET_DUMPABLE));
}

/* No switch makes a process dumpable, even where setresuid() would. */
TEST_F(abi_root, stays_undumpable)
{
	int root, user;

	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &root, &user));
	ASSERT_EQ(0, write_file("/proc/sys/fs/suid_dumpable", "1"));

	ASSERT_EQ(0, sys_credfd_activate(user, 0));
	ASSERT_EQ(0, prctl(PR_GET_DUMPABLE));
	ASSERT_EQ(0, sys_credfd_activate(root, 0));
	ASSERT_EQ(0, prctl(PR_GET_DUMPABLE));

	/* Which it does here, so the sysctl took effect. */
	ASSERT_EQ(0, sys_setresuid(-1, USER, -1));
	ASSERT_EQ(1, prctl(PR_GET_DUMPABLE));
}

/* ENFILE when the system is out of files, for those who have to respect it. */
TEST_F(abi_root, create_enfile)
{
	ASSERT_EQ(0, write_file("/proc/sys/fs/file-max", "0"));
	ASSERT_LE(0, sys_credfd_create(0));

	ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_SYS_ADMIN)));
	ASSERT_EQ(-1, sys_credfd_create(0));
	ASSERT_EQ(ENFILE, errno);
}

TEST_HARNESS_MAIN
