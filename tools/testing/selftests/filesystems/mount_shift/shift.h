/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mount_shift selftests: system calls, mounts, user namespaces and containers
 *
 * What returns an int returns -1 and sets errno if it fails, as system calls
 * do. What runs in another process (in_container() and the like) is a function
 * that returns 0 or more, or -errno, and that value comes back.
 *
 * The C library's <sys/mount.h> and <linux/mount.h> contradict each other.
 */
#ifndef __MOUNT_SHIFT_SELFTEST_H
#define __MOUNT_SHIFT_SELFTEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define __SANE_USERSPACE_TYPES__	/* __u64 is long long everywhere */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/types.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

/* The ids on disk: ORIGIN to ORIGIN + COUNT - 1 */
#define ORIGIN		100000
#define COUNT		65536

/* Root of three containers, as the host sees it. Each has COUNT ids. */
#define BASE		200000
#define BASE_B		300000
#define BASE_C		400000

/* Users of the host without any privilege or relation to a container */
#define USER		1001
#define OTHER_USER	1002

/* What an id looks like that the viewer's namespace does not know */
#define OVERFLOW_ID	65534

/* Exactly the options of open_tree(2) that nearly every test wants */
#define CLONE_TREE	(OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)

#ifndef AT_RECURSIVE
#define AT_RECURSIVE	0x8000
#endif

#ifndef MNT_DETACH
#define MNT_DETACH	2
#endif

/* System calls */

static inline int sys_mount(const char *source, const char *target,
			    const char *type, unsigned long flags,
			    const void *data)
{
	return syscall(__NR_mount, source, target, type, flags, data);
}

static inline int sys_umount2(const char *target, int flags)
{
	return syscall(__NR_umount2, target, flags);
}

static inline int sys_pivot_root(const char *new_root, const char *put_old)
{
	return syscall(__NR_pivot_root, new_root, put_old);
}

static inline int sys_fsopen(const char *type, unsigned int flags)
{
	return syscall(__NR_fsopen, type, flags);
}

static inline int sys_fsconfig(int fs, unsigned int cmd, const char *key,
			       const void *value, int aux)
{
	return syscall(__NR_fsconfig, fs, cmd, key, value, aux);
}

static inline int sys_fsmount(int fs, unsigned int flags, unsigned int attrs)
{
	return syscall(__NR_fsmount, fs, flags, attrs);
}

static inline int sys_open_tree(int dfd, const char *path, unsigned int flags)
{
	return syscall(__NR_open_tree, dfd, path, flags);
}

static inline int sys_open_tree_attr(int dfd, const char *path,
				     unsigned int flags,
				     const struct mount_attr *attr, size_t size)
{
	return syscall(__NR_open_tree_attr, dfd, path, flags, attr, size);
}

static inline int sys_mount_setattr(int dfd, const char *path,
				    unsigned int flags,
				    const struct mount_attr *attr, size_t size)
{
	return syscall(__NR_mount_setattr, dfd, path, flags, attr, size);
}

static inline int sys_move_mount(int from_dfd, const char *from, int to_dfd,
				 const char *to, unsigned int flags)
{
	return syscall(__NR_move_mount, from_dfd, from, to_dfd, to, flags);
}

static inline int sys_statmount(const struct mnt_id_req *req,
				struct statmount *buf, size_t size,
				unsigned int flags)
{
	return syscall(__NR_statmount, req, buf, size, flags);
}

static inline ssize_t sys_listmount(const struct mnt_id_req *req, __u64 *ids,
				    size_t num, unsigned int flags)
{
	return syscall(__NR_listmount, req, ids, num, flags);
}

/* Some 32-bit architectures keep the plain names for 16-bit ids. */
#ifdef __NR_setresuid32
#define NR_OF_IDS(name)	(__NR_##name##32)
#else
#define NR_OF_IDS(name)	(__NR_##name)
#endif

/* The C library changes all threads of a process. */
static inline int sys_setresuid(uid_t ruid, uid_t euid, uid_t suid)
{
	return syscall(NR_OF_IDS(setresuid), ruid, euid, suid);
}

static inline int sys_setresgid(gid_t rgid, gid_t egid, gid_t sgid)
{
	return syscall(NR_OF_IDS(setresgid), rgid, egid, sgid);
}

static inline int sys_setgroups(size_t size, const gid_t *list)
{
	return syscall(NR_OF_IDS(setgroups), size, list);
}

/* A mount by its file descriptor, which need not be attached anywhere */

static inline int set_attr(int mnt, const struct mount_attr *attr)
{
	return sys_mount_setattr(mnt, "", AT_EMPTY_PATH, attr, sizeof(*attr));
}

static inline int set_attr_recursive(int mnt, const struct mount_attr *attr)
{
	return sys_mount_setattr(mnt, "", AT_EMPTY_PATH | AT_RECURSIVE, attr,
				 sizeof(*attr));
}

/* An initializer: the usual origin, for the container whose root is @by */
#define MARK(by)							\
{									\
	.attr_set = MOUNT_ATTR_SHIFTABLE,				\
	.origin_uid = ORIGIN,						\
	.origin_gid = ORIGIN,						\
	.origin_count = COUNT,						\
	.shiftable_by = (by),						\
}

static inline int mark(int mnt, uid_t by)
{
	const struct mount_attr attr = MARK(by);

	return set_attr(mnt, &attr);
}

static inline int mark_recursive(int mnt, uid_t by)
{
	const struct mount_attr attr = MARK(by);

	return set_attr_recursive(mnt, &attr);
}

static inline int mark_any(int mnt)
{
	struct mount_attr attr = MARK(0);

	attr.shift_flags = MOUNT_SHIFT_ANY;
	return set_attr(mnt, &attr);
}

/* In place of a mark that is there already */
static inline int mark_replace(int mnt, uid_t by)
{
	struct mount_attr attr = MARK(by);

	attr.attr_clr = MOUNT_ATTR_SHIFTABLE;
	return set_attr(mnt, &attr);
}

static inline int unmark(int mnt)
{
	const struct mount_attr attr = { .attr_clr = MOUNT_ATTR_SHIFTABLE };

	return set_attr(mnt, &attr);
}

static inline int mark_revoke(int mnt)
{
	const struct mount_attr attr = {
		.attr_clr = MOUNT_ATTR_SHIFTABLE,
		.shift_flags = MOUNT_SHIFT_REVOKE,
	};

	return set_attr(mnt, &attr);
}

/* The delegated form */
static inline int shift(int mnt)
{
	const struct mount_attr attr = { .attr_set = MOUNT_ATTR_SHIFT };

	return set_attr(mnt, &attr);
}

static inline int shift_recursive(int mnt)
{
	const struct mount_attr attr = { .attr_set = MOUNT_ATTR_SHIFT };

	return set_attr_recursive(mnt, &attr);
}

/* The direct form; @count may be 0 */
static inline int shift_direct(int mnt, int userns, __u32 uid, __u32 gid,
			       __u32 count)
{
	const struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_SHIFT,
		.userns_fd = userns,
		.origin_uid = uid,
		.origin_gid = gid,
		.origin_count = count,
	};

	return set_attr(mnt, &attr);
}

static inline int idmap(int mnt, int userns)
{
	const struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP,
		.userns_fd = userns,
	};

	return set_attr(mnt, &attr);
}

/* A detached clone of one mount, or of the tree of mounts below it */

static inline int clone_mount(const char *path)
{
	return sys_open_tree(AT_FDCWD, path, CLONE_TREE);
}

static inline int clone_mount_fd(int mnt)
{
	return sys_open_tree(mnt, "", CLONE_TREE | AT_EMPTY_PATH);
}

static inline int clone_tree(const char *path)
{
	return sys_open_tree(AT_FDCWD, path, CLONE_TREE | AT_RECURSIVE);
}

/* The mount itself, not a clone */
static inline int open_mount(const char *path)
{
	return sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLOEXEC);
}

static inline int attach(int mnt, const char *path)
{
	return sys_move_mount(mnt, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
}

/* close(2) that keeps errno, returns -1 */
static inline int close_fail(int fd)
{
	const int error = errno;

	close(fd);
	errno = error;
	return -1;
}

/* What a container's root does: a shifted clone of @source, on @target */
static inline int mount_shifted(const char *source, const char *target)
{
	int mnt = clone_mount(source);

	if (mnt < 0)
		return -1;
	if (shift(mnt) || attach(mnt, target))
		return close_fail(mnt);
	return close(mnt);
}

/*
 * A new file system, mounted nowhere: it goes away with the file descriptor.
 * @key and @value are a mount option, or NULL.
 */
static inline int fs_fd(const char *type, const char *key, const char *value)
{
	int fs = sys_fsopen(type, FSOPEN_CLOEXEC);
	int mnt;

	if (fs < 0)
		return -1;
	if ((key && sys_fsconfig(fs, FSCONFIG_SET_STRING, key, value, 0)) ||
	    sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return close_fail(fs);
	mnt = sys_fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (mnt < 0)
		return close_fail(fs);
	close(fs);
	return mnt;
}

/* A tmpfs, detached. Its root belongs to the caller. */
static inline int tmpfs_fd(const char *mode)
{
	return fs_fd("tmpfs", "mode", mode);
}

static inline int tmpfs_mount(const char *path, const char *mode)
{
	int mnt = tmpfs_fd(mode);

	if (mnt < 0)
		return -1;
	if (attach(mnt, path))
		return close_fail(mnt);
	return close(mnt);
}

/*
 * Where things are. SCRATCH is a tmpfs in a private mount namespace, so nothing
 * outlives the test. Anything else can be made below it, for instance with
 * scratch_dir().
 */
#define SCRATCH		"/tmp"
#define SRC		SCRATCH "/src"		/* what the host marks */
#define DST		SCRATCH "/dst"		/* where a container mounts it */
#define OTHER		SCRATCH "/other"	/* another place for mounts */
#define OWN		SCRATCH "/own"		/* a container's own tmpfs */

/*
 * A private mount namespace with the directories above, empty and searchable
 * for everybody. Nothing is mounted on them.
 */
static inline int scratch_setup(void)
{
	static const char * const dirs[] = { SRC, DST, OTHER, OWN };

	if (unshare(CLONE_NEWNS) ||
	    sys_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    tmpfs_mount(SCRATCH, "0755"))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (mkdir(dirs[i], 0755))
			return -1;
	return 0;
}

/* A new empty directory below SCRATCH, for instance as a mount point */
static inline int scratch_dir(char *path, size_t size)
{
	if (snprintf(path, size, SCRATCH "/XXXXXX") >= (int)size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (!mkdtemp(path))
		return -1;
	return chmod(path, 0755);
}

/*
 * A tmpfs on SRC whose root directory belongs to ORIGIN. Returns a file
 * descriptor of the mount, through which ids are what they are on disk.
 */
static inline int source_setup(void)
{
	if (tmpfs_mount(SRC, "0755") || chown(SRC, ORIGIN, ORIGIN))
		return -1;
	return open_mount(SRC);
}

/* Processes */

/* Memory that children write to as well */
static inline void *shared_alloc(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

/* The exit code of a child, or -1 if it did not exit */
static inline int wait_exit(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/* Becomes somebody else, for good and with no other groups */
static inline int become(uid_t uid, gid_t gid)
{
	if (sys_setgroups(0, NULL) || sys_setresgid(gid, gid, gid))
		return -1;
	return sys_setresuid(uid, uid, uid);
}

#define CAP_BIT(cap)	(1ULL << (cap))

/* Gives up all capabilities but @mask for good. */
static inline int caps_keep(__u64 mask)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(__NR_capget, &header, data))
		return -1;
	for (int i = 0; i < 2; i++) {
		const __u32 part = mask >> (32 * i);

		data[i].permitted &= part;
		data[i].effective = data[i].permitted;
		data[i].inheritable &= part;
	}
	return syscall(__NR_capset, &header, data);
}

/* What child_call() and so on return if the function did not get to return */
#define CHILD_DIED	INT_MIN

struct child_call {
	int (*enter)(const void *arg);	/* 0 or -1 and errno; may be NULL */
	const void *enter_arg;
	int (*fn)(void *arg);
	void *arg;
};

/* Runs a function in a child of its own and returns what it returned. */
static inline int child_call(const struct child_call *call)
{
	int *result = shared_alloc(sizeof(*result));
	int ret;
	pid_t pid;

	if (!result)
		return -errno;

	*result = CHILD_DIED;
	pid = fork();
	if (!pid) {
		if (call->enter && call->enter(call->enter_arg)) {
			fprintf(stderr, "# cannot become what was asked for: %m\n");
			_exit(1);
		}
		*result = call->fn(call->arg);
		_exit(0);
	}
	ret = pid > 0 && !wait_exit(pid) ? *result : CHILD_DIED;
	munmap(result, sizeof(*result));
	return ret;
}

static inline int in_child(int (*fn)(void *arg), void *arg)
{
	const struct child_call call = { .fn = fn, .arg = arg };

	return child_call(&call);
}

struct ids {
	uid_t uid;
	gid_t gid;
};

static inline int enter_ids(const void *arg)
{
	const struct ids *ids = arg;

	return become(ids->uid, ids->gid);
}

/* As an ordinary user, where the caller is */
static inline int as_user(uid_t uid, gid_t gid, int (*fn)(void *arg), void *arg)
{
	const struct ids ids = { uid, gid };
	const struct child_call call = { enter_ids, &ids, fn, arg };

	return child_call(&call);
}

/* Files */

static inline int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -1;
	len = write(fd, text, strlen(text));
	if (len < 0)
		return close_fail(fd);
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
	if (len < 0)
		return close_fail(fd);
	close(fd);
	buf[len] = '\0';
	return 0;
}

/* A new file with an owner, as seen through @dir. Not subject to the umask. */
static inline int make_file(int dir, const char *name, mode_t mode, uid_t uid,
			    gid_t gid)
{
	int fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	if (fd < 0)
		return -1;
	/* The mode comes last, since a new owner clears the suid bit. */
	if (fchown(fd, uid, gid) || fchmod(fd, mode))
		return close_fail(fd);
	return close(fd);
}

/* This very program as a new file, to be run from there */
static inline int copy_self(int dir, const char *name, mode_t mode, uid_t uid,
			    gid_t gid)
{
	char buf[65536];
	int from, to;
	ssize_t len;

	from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (from < 0)
		return -1;
	to = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (to < 0)
		return close_fail(from);

	while ((len = read(from, buf, sizeof(buf))) > 0)
		if (write(to, buf, len) != len)
			break;
	close(from);
	if (len || fchown(to, uid, gid) || fchmod(to, mode))
		return close_fail(to);
	return close(to);
}

/* What does not match, or NULL. @dir decides whose view it is. */
static inline const char *owner_differs(int dir, const char *name, uid_t uid,
					gid_t gid)
{
	static char text[80];
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return strerror(errno);
	if (st.st_uid == uid && st.st_gid == gid)
		return NULL;
	snprintf(text, sizeof(text), "%u:%u, not %u:%u", st.st_uid, st.st_gid,
		 uid, gid);
	return text;
}

/*
 * The ids of a file. With @dir open on a mount that maps nothing, they are those
 * on disk, as the host's root sees them.
 */
static inline int raw_ids(int dir, const char *name, struct ids *ids)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -1;
	ids->uid = st.st_uid;
	ids->gid = st.st_gid;
	return 0;
}

/* Asserts who owns a file. */
#define ASSERT_OWNER(dir, name, uid, gid)				\
do {									\
	const char *__name = name;					\
	const char *__differs = owner_differs(dir, __name, uid, gid);	\
									\
	ASSERT_EQ(NULL, __differs)					\
		TH_LOG("%s: %s", __name, __differs);			\
} while (0)

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
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS) {
		errno = ENOMSG;
		return -1;
	}
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

/* User namespaces */

struct userns {
	pid_t pid;	/* a process in it that does nothing */
	int pidfd;
	int fd;
};

#define USERNS_NONE	{ .pid = -1, .pidfd = -1, .fd = -1 }

/* "0 @base COUNT", as a uid_map or gid_map */
static inline const char *map_of(unsigned int base)
{
	static char text[4][40];
	static unsigned int next;
	char *map = text[next++ % ARRAY_SIZE(text)];

	snprintf(map, sizeof(text[0]), "0 %u %u", base, COUNT);
	return map;
}

static inline int open_ns(pid_t pid, const char *type)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, type);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static inline int write_maps(pid_t pid, const char *uid_map,
			     const char *gid_map, const char *setgroups)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/setgroups", pid);
	if (setgroups && write_file(path, setgroups))
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	if (uid_map && write_file(path, uid_map))
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	return gid_map ? write_file(path, gid_map) : 0;
}

/* How a namespace comes about */
struct userns_how {
	int flags;			/* CLONE_NEW* besides CLONE_NEWUSER */
	const char *uid_map;		/* NULL: none at all */
	const char *gid_map;
	bool unprivileged;		/* who has the ids below does it alone */
	struct ids ids;
};

static inline int __userns_child(const struct userns_how *how)
{
	if (how->unprivileged && become(how->ids.uid, how->ids.gid))
		return -1;
	if (unshare(CLONE_NEWUSER | how->flags))
		return -1;
	/* All of that has cleared these two. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || prctl(PR_SET_DUMPABLE, 1))
		return -1;
	if (how->unprivileged)
		return write_maps(getpid(), how->uid_map, how->gid_map, "deny");
	return 0;
}

static inline void userns_end(struct userns *ns)
{
	if (ns->pid > 0) {
		kill(ns->pid, SIGKILL);
		waitpid(ns->pid, NULL, 0);
	}
	if (ns->pidfd >= 0)
		close(ns->pidfd);
	if (ns->fd >= 0)
		close(ns->fd);
	*ns = (struct userns)USERNS_NONE;
}

static inline int userns_make_how(struct userns *ns,
				  const struct userns_how *how)
{
	int ready[2], error = 0;
	pid_t pid;

	*ns = (struct userns)USERNS_NONE;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ready))
		return -1;

	/* Not ns->pid: in shared memory the child would write to it, too. */
	pid = fork();
	if (!pid) {
		close(ready[0]);
		error = __userns_child(how) ? errno : 0;
		if (write(ready[1], &error, sizeof(error)) != sizeof(error) ||
		    error)
			_exit(1);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);

	ns->pid = pid;
	if (pid < 0)
		return close_fail(ready[0]);
	if (read(ready[0], &error, sizeof(error)) != sizeof(error))
		error = ECHILD;
	close(ready[0]);

	if (!error && !how->unprivileged &&
	    write_maps(ns->pid, how->uid_map, how->gid_map, NULL))
		error = errno;
	if (!error) {
		ns->pidfd = syscall(__NR_pidfd_open, ns->pid, 0);
		ns->fd = open_ns(ns->pid, "user");
		if (ns->pidfd >= 0 && ns->fd >= 0)
			return 0;
		error = errno;
	}
	userns_end(ns);
	errno = error;
	return -1;
}

/*
 * A user namespace with these lines as its maps, which the caller writes.
 * NULL leaves a map empty.
 */
static inline int userns_make(struct userns *ns, const char *uid_map,
			      const char *gid_map)
{
	const struct userns_how how = { .uid_map = uid_map, .gid_map = gid_map };

	return userns_make_how(ns, &how);
}

/* The same, made by an ordinary user without any help */
static inline int userns_make_as(struct userns *ns, uid_t uid, gid_t gid,
				 const char *uid_map, const char *gid_map)
{
	const struct userns_how how = {
		.uid_map = uid_map,
		.gid_map = gid_map,
		.unprivileged = true,
		.ids = { uid, gid },
	};

	return userns_make_how(ns, &how);
}

/* Only a file descriptor of a user namespace that nobody is in */
static inline int userns_open(const char *uid_map, const char *gid_map)
{
	struct userns ns;
	int fd;

	if (userns_make(&ns, uid_map, gid_map))
		return -1;
	fd = ns.fd;
	ns.fd = -1;
	userns_end(&ns);
	return fd;
}

/* Containers: a user namespace and a mount namespace that belongs to it */

struct container {
	struct userns user;
	int mnt;
};

#define CONTAINER_NONE	{ .user = USERNS_NONE, .mnt = -1 }

static inline void container_end(struct container *c)
{
	userns_end(&c->user);
	if (c->mnt >= 0)
		close(c->mnt);
	c->mnt = -1;
}

static inline int container_make_how(struct container *c,
				     const struct userns_how *how)
{
	struct userns_how with_mounts = *how;

	c->mnt = -1;
	with_mounts.flags |= CLONE_NEWNS;
	if (userns_make_how(&c->user, &with_mounts))
		return -1;
	c->mnt = open_ns(c->user.pid, "mnt");
	if (c->mnt >= 0)
		return 0;
	userns_end(&c->user);
	return -1;
}

/*
 * Its root is @base on the host, and it has COUNT ids. Its mounts are copies of
 * those that the caller has now, so it sees a mark only if that is there already.
 * Can be called in a container, to nest.
 */
static inline int container_make(struct container *c, unsigned int base)
{
	const struct userns_how how = {
		.uid_map = map_of(base),
		.gid_map = map_of(base),
	};

	return container_make_how(c, &how);
}

static inline int container_make_maps(struct container *c, const char *uid_map,
				      const char *gid_map)
{
	const struct userns_how how = { .uid_map = uid_map, .gid_map = gid_map };

	return container_make_how(c, &how);
}

/* An ordinary user's: unshare -Urm, with a line of his own choice */
static inline int container_make_as(struct container *c, uid_t uid, gid_t gid,
				    const char *uid_map, const char *gid_map)
{
	const struct userns_how how = {
		.uid_map = uid_map,
		.gid_map = gid_map,
		.unprivileged = true,
		.ids = { uid, gid },
	};

	return container_make_how(c, &how);
}

struct container_entry {
	const struct container *container;
	struct ids ids;
};

static inline int enter_container(const void *arg)
{
	const struct container_entry *entry = arg;
	const struct container *container = entry->container;
	const struct ids *ids = &entry->ids;

	if (setns(container->user.fd, CLONE_NEWUSER) ||
	    setns(container->mnt, CLONE_NEWNS))
		return -1;
	/* Where an ordinary user made it, groups cannot be set. */
	if (sys_setgroups(0, NULL) && errno != EPERM)
		return -1;
	if (sys_setresgid(ids->gid, ids->gid, ids->gid))
		return -1;
	return sys_setresuid(ids->uid, ids->uid, ids->uid);
}

/*
 * As a user of the container: @uid and @gid are its own ids. He has all
 * capabilities there, until he executes something.
 */
static inline int in_container_as(const struct container *c, uid_t uid,
				  gid_t gid, int (*fn)(void *arg), void *arg)
{
	const struct container_entry entry = { c, { uid, gid } };
	const struct child_call call = { enter_container, &entry, fn, arg };

	return child_call(&call);
}

/*
 * As the container's root, in its mount namespace. What the function returns is
 * returned; what it writes stays in its own memory, unless shared_alloc() made
 * it. Mounts remain.
 */
static inline int in_container(const struct container *c,
			       int (*fn)(void *arg), void *arg)
{
	return in_container_as(c, 0, 0, fn, arg);
}

/* Like in_container(), for a function that returns a file descriptor */

struct fd_call {
	int (*fn)(void *arg);
	void *arg;
	int sock;
};

static inline int __send_result_fd(void *arg)
{
	struct fd_call *call = arg;
	int fd = call->fn(call->arg);

	if (fd < 0)
		return fd;
	return send_fd(call->sock, fd) ? -errno : 0;
}

/* A file descriptor, or -errno */
static inline int fd_from_container(const struct container *c,
				    int (*fn)(void *arg), void *arg)
{
	struct fd_call call = { .fn = fn, .arg = arg };
	int sock[2], ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock))
		return -errno;
	call.sock = sock[1];
	ret = in_container(c, __send_result_fd, &call);
	if (!ret) {
		ret = recv_fd(sock[0]);
		if (ret < 0)
			ret = -errno;
	}
	close(sock[0]);
	close(sock[1]);
	return ret;
}

/* Functions for in_container(), for what nearly every test does there */

/* @arg is a path; a tmpfs of the container's own is mounted there */
static inline int do_tmpfs(void *arg)
{
	return tmpfs_mount(arg, "0755") ? -errno : 0;
}

/* A shifted clone of SRC on DST */
static inline int do_mount_shifted(void *arg __maybe_unused)
{
	return mount_shifted(SRC, DST) ? -errno : 0;
}

/* @arg is an int, a file descriptor of a mount that is shifted */
static inline int do_shift_fd(void *arg)
{
	return shift(*(int *)arg) ? -errno : 0;
}

/* What /proc/self/mountinfo tells */

/* The last line of a mount on @path, which is the topmost one */
static inline int mountinfo_line(const char *path, char *line, size_t size)
{
	char text[4096], on[1024];
	bool found = false;
	FILE *file;

	file = fopen("/proc/self/mountinfo", "re");
	if (!file)
		return -1;
	while (fgets(text, sizeof(text), file)) {
		if (sscanf(text, "%*d %*d %*s %*s %1023s", on) != 1 ||
		    strcmp(on, path))
			continue;
		text[strcspn(text, "\n")] = '\0';
		snprintf(line, size, "%s", text);
		found = true;
	}
	fclose(file);
	if (!found)
		errno = ENOENT;
	return found ? 0 : -1;
}

/* The optional fields, with a space between any two; or what went wrong */
static inline const char *mountinfo_optional(const char *path)
{
	static char line[4096];
	char *field = line, *end;

	if (mountinfo_line(path, line, sizeof(line)))
		return strerror(errno);
	/* They follow six other fields and end with a lone hyphen. */
	for (int i = 0; i < 6; i++) {
		field = strchr(field, ' ');
		if (!field)
			return "malformed";
		field++;
	}
	if (!strncmp(field, "- ", 2))
		return "";
	end = strstr(field, " - ");
	if (!end)
		return "malformed";
	*end = '\0';
	return field;
}

/* The options of the mount, such as "rw,nodev,relatime,idmapped" */
static inline const char *mountinfo_options(const char *path)
{
	static char line[4096], options[1024];

	if (mountinfo_line(path, line, sizeof(line)))
		return strerror(errno);
	if (sscanf(line, "%*d %*d %*s %*s %*s %1023s", options) != 1)
		return "malformed";
	return options;
}

/* Is @option among those separated by a comma or a space? */
static inline bool has_option(const char *options, const char *option)
{
	const size_t len = strlen(option);

	for (const char *at = options; (at = strstr(at, option)); at += len)
		if ((at == options || at[-1] == ',' || at[-1] == ' ') &&
		    (!at[len] || at[len] == ',' || at[len] == ' '))
			return true;
	return false;
}

/* All of the file, to compare. Freed by the caller. */
static inline char *mountinfo_all(void)
{
	size_t size = 0, room = 1 << 16;
	char *text = malloc(room);
	ssize_t len = -1;
	int fd;

	fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && text) {
		len = read(fd, text + size, room - size - 1);
		if (len <= 0)
			break;
		size += len;
		if (size == room - 1) {
			char *more = realloc(text, room *= 2);

			if (!more)
				break;
			text = more;
		}
	}
	if (fd >= 0)
		close(fd);
	if (len) {
		free(text);
		return NULL;
	}
	text[size] = '\0';
	return text;
}

/* What statmount(2) tells of the mount that a file descriptor is on */

#define STATMOUNT_SIZE	65536

static inline int statmount_by_fd(int fd, __u64 mask, struct statmount *sm)
{
	const struct mnt_id_req req = {
		.size = MNT_ID_REQ_SIZE_VER1,
		.mnt_fd = fd,
		.param = mask,
	};

	return sys_statmount(&req, sm, STATMOUNT_SIZE, STATMOUNT_BY_FD);
}

struct statmount_call {
	int fd;
	__u64 mask;
	struct statmount *sm;
};

static inline int __statmount_of_clone(void *arg)
{
	const struct statmount_call *call = arg;
	int mnt = clone_mount_fd(call->fd);

	if (mnt < 0 || unshare(CLONE_NEWNS) ||
	    sys_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    attach(mnt, "/") || statmount_by_fd(mnt, call->mask, call->sm))
		return -errno;
	return 0;
}

/*
 * Freed by the caller. NULL and errno if it fails.
 *
 * statmount(2) knows no mount that is attached nowhere. A clone of it tells the
 * same: what is set on a mount is inherited. Only in the mount namespace in which
 * it was made can a detached mount be cloned.
 */
static inline struct statmount *statmount_fd(int fd, __u64 mask)
{
	struct statmount *sm = malloc(STATMOUNT_SIZE);
	struct statmount_call call = { fd, mask, NULL };
	int ret;

	if (!sm || !statmount_by_fd(fd, mask, sm))
		return sm;

	ret = -errno;
	if (ret == -ENOENT)
		call.sm = shared_alloc(STATMOUNT_SIZE);
	if (call.sm) {
		ret = in_child(__statmount_of_clone, &call);
		memcpy(sm, call.sm, STATMOUNT_SIZE);
		munmap(call.sm, STATMOUNT_SIZE);
	}
	if (!ret)
		return sm;
	free(sm);
	errno = ret == CHILD_DIED ? ECHILD : -ret;
	return NULL;
}

/* The part of a fixed size; what was not raised in the mask is 0 */
static inline int mount_state(int fd, struct statmount *sm)
{
	struct statmount *all;

	all = statmount_fd(fd, STATMOUNT_MNT_BASIC | STATMOUNT_MNT_SHIFT |
			       STATMOUNT_MNT_UIDMAP | STATMOUNT_MNT_GIDMAP);
	if (!all)
		return -1;
	memcpy(sm, all, sizeof(*sm));
	free(all);
	return 0;
}

/* Attributes that can be locked */
#define RESTRICTIONS	(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |	\
			 MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* MOUNT_ATTR_* of the mount, or ~0 */
static inline __u64 mount_attrs(int fd)
{
	struct statmount sm;

	return mount_state(fd, &sm) ? ~0ULL : sm.mnt_attr;
}

static inline bool is_marked(int fd)
{
	const __u64 attrs = mount_attrs(fd);

	return attrs != ~0ULL && (attrs & MOUNT_ATTR_SHIFTABLE);
}

static inline bool is_shifted(int fd)
{
	const __u64 attrs = mount_attrs(fd);

	return attrs != ~0ULL && (attrs & MOUNT_ATTR_SHIFT);
}

/* The only reason not to test. A kernel that cannot shift fails. */
static inline const char *shift_unavailable(void)
{
	return geteuid() ? "root needed" : NULL;
}

#endif
