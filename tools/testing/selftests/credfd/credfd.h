/* SPDX-License-Identifier: GPL-2.0 */
/*
 * credfd selftests: processes, files and user namespaces to try it with
 */
#ifndef __CREDFD_SELFTEST_H
#define __CREDFD_SELFTEST_H

#include "identity.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Processes */

/* Memory that children write to as well. */
static inline void *shared_alloc(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

/* The exit code of a child, or -1 if it did not exit. */
static inline int wait_exit(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/*
 * Makes a credfd of what a child has become. The child shares the table of open
 * files and nothing else, so the caller keeps its own credentials.
 */
static inline int credfd_from_child(int (*become)(const void *arg),
				    const void *arg)
{
	struct clone_args args = {
		.flags = CLONE_FILES,
		.exit_signal = SIGCHLD,
	};
	int *result = shared_alloc(sizeof(*result));
	int fd;
	pid_t pid;

	if (!result)
		return -1;

	*result = -1;
	pid = syscall(__NR_clone3, &args, sizeof(args));
	if (!pid) {
		if (!become(arg))
			*result = sys_credfd_create(0);
		_exit(0);
	}

	fd = pid > 0 && !wait_exit(pid) ? *result : -1;
	munmap(result, sizeof(*result));
	return fd;
}

/* Threads return NULL or what went wrong. This joins one and tells. */
static inline const char *thread_outcome(pthread_t thread)
{
	void *error;

	if (pthread_join(thread, &error))
		return "cannot be joined";
	return error ? error : "fine";
}

/* Files */

/*
 * A directory for everybody, on a tmpfs of its own that is mounted nowhere: it
 * goes away with the last file descriptor.
 */
static inline int tmpfs_dir(void)
{
	int fs = syscall(__NR_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	int dir = -1;

	if (fs < 0)
		return -1;
	if (!syscall(__NR_fsconfig, fs, FSCONFIG_SET_STRING, "mode", "0777", 0) &&
	    !syscall(__NR_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		dir = syscall(__NR_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	close(fs);
	return dir;
}

/* Does a file that the caller creates belong to @uid and @gid? 0 if so. */
static inline int file_owner_check(int dir, const char *name, uid_t uid,
				   gid_t gid)
{
	struct stat st;
	int fd, ret;

	fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;

	ret = fstat(fd, &st);
	close(fd);
	if (ret || unlinkat(dir, name, 0))
		return -errno;
	if (st.st_uid != uid)
		return 1;
	return st.st_gid == gid ? 0 : 2;
}

static inline int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -1;
	len = write(fd, text, strlen(text));
	close(fd);
	return len == (ssize_t)strlen(text) ? 0 : -1;
}

/* Reads a whole small file as a string. */
static inline int read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -1;
	len = read(fd, buf, size - 1);
	close(fd);
	if (len < 0)
		return -1;
	buf[len] = '\0';
	return 0;
}

/* Passing file descriptors */

static inline int send_fd(int sock, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {};
	char byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -1;
}

static inline int recv_fd(int sock)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {};
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *cmsg;
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

/* User namespaces */

static inline int userns_write_maps(pid_t pid, const char *uid_map,
				    const char *gid_map, const char *setgroups)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/setgroups", pid);
	if (setgroups && write_file(path, setgroups))
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	if (write_file(path, uid_map))
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	return write_file(path, gid_map);
}

/*
 * Opens a new user namespace with these maps. @setgroups is written to the file
 * of that name, unless it is NULL.
 */
static inline int userns_open(const char *uid_map, const char *gid_map,
			      const char *setgroups)
{
	char path[64], byte;
	int ready[2], fd = -1;
	pid_t pid;

	if (pipe(ready))
		return -1;

	pid = fork();
	if (!pid) {
		if (!sys_unshare(CLONE_NEWUSER) && write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);

	if (pid > 0 && read(ready[0], &byte, 1) == 1 &&
	    !userns_write_maps(pid, uid_map, gid_map, setgroups)) {
		snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	close(ready[0]);

	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return fd;
}

#endif
