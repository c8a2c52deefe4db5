/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mount_shift selftests: the world of model_test, and what the actors in it do
 *
 * An actor is a process that is told by messages what to do, and answers each with
 * an errno, maybe with a file descriptor. It decides nothing.
 */
#ifndef __MOUNT_SHIFT_MODEL_H
#define __MOUNT_SHIFT_MODEL_H

#include "container.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define INVALID_ID	0xffffffffU
#define ALL_IDS		0xffffffffU

/* User namespaces, each with one range of ids for users and groups alike */

struct space {
	const char *name;
	int parent;
	__u32 first, lower, count;
	int fd;
};

enum { HOST, A, B, NESTED, SINGLE, AWAY, NR_ACTOR_SPACES };
enum { LOW = NR_ACTOR_SPACES, MIDDLE, NR_SPACES };

static const struct space all_spaces[NR_SPACES] = {
	[HOST]   = { "host", -1, 0, 0, ALL_IDS },
	[A]      = { "a", HOST, 0, BASE, COUNT },
	[B]      = { "b", HOST, 0, BASE_B, COUNT },
	[NESTED] = { "nested", A, 0, BASE + 10000, 10000 },
	/* Users map themselves, to whatever they like. */
	[SINGLE] = { "single", HOST, 5, USER, 1 },
	[AWAY]   = { "away", HOST, 900000, OTHER_USER, 1 },
	/* Nobody is in these. */
	[LOW]    = { "low", HOST, 0, ORIGIN, 1000 },
	[MIDDLE] = { "middle", HOST, 1000, ORIGIN + 1000, 500 },
};

/* From an id in the namespace to that of the kernel, and back */
static inline __u32 space_down(const struct space *space, __u32 id)
{
	return id - space->first < space->count ?
	       space->lower + (id - space->first) : INVALID_ID;
}

static inline __u32 space_up(const struct space *space, __u32 id)
{
	return id != INVALID_ID && id - space->lower < space->count ?
	       space->first + (id - space->lower) : INVALID_ID;
}

static inline __u32 space_up_munged(const struct space *space, __u32 id)
{
	const __u32 up = space_up(space, id);

	return up == INVALID_ID ? OVERFLOW_ID : up;
}

/* File systems, and the files that the actors fight for */

enum { DATA, MORE, OF_A, NO_IDMAP, NR_FS };

enum file_type { NONE, REGULAR, DIRECTORY, DEVICE };

/* No file capabilities, or those of version 2 */
#define NO_CAPS		INVALID_ID
#define V2_CAPS		(INVALID_ID - 1)

struct file {
	enum file_type type;
	__u32 uid, gid;		/* on disk */
	mode_t mode;
	__u32 caps;		/* the root id */
	unsigned int serial;	/* never the same for two files */
};

#define NR_FILES	6
#define NR_DIRS		2
#define NR_OWNERS	8

static const char * const file_names[NR_FILES] = {
	"d/0", "w/1", "d/2", "w/3", "d/4", "w/5",
};

static const char * const dir_names[NR_DIRS] = { "d", "w" };

/* Files that nobody changes: how their owners look tells the mapping. */
static const __u32 owners[NR_FS][NR_OWNERS] = {
	[DATA]     = { 0, 5, ORIGIN, ORIGIN + 5, ORIGIN + 1400, ORIGIN + 65535,
		       ORIGIN + 65536, BASE + 1000 },
	[MORE]     = { 0, 1001, ORIGIN, ORIGIN + 9, ORIGIN + 10, ORIGIN + 10000,
		       ORIGIN - 1, BASE_B },
	[OF_A]     = { 0, 5, 1000, 10000, 10009, 10999, 11000, 65535 },
	[NO_IDMAP] = { 0, 5, ORIGIN, ORIGIN + 5, ORIGIN + 999, BASE, 1001, 1002 },
};

static const char * const owner_names[NR_OWNERS] = {
	"o0", "o1", "o2", "o3", "o4", "o5", "o6", "o7",
};

static inline bool is_directory(const struct file *file)
{
	return file->type == DIRECTORY;
}

struct fs {
	int space;
	bool idmaps, devices, xattrs;
	int raw;		/* a mount that maps nothing, for this program only */
	char path[20];		/* where that is attached */
	__u32 dir_owner[NR_DIRS];
	struct file files[NR_FILES];
};

static const struct fs all_fs[NR_FS] = {
	[DATA]     = { HOST, true, true, true, .dir_owner = { ORIGIN, 0 } },
	[MORE]     = { HOST, true, true, true, .dir_owner = { ORIGIN, 0 } },
	[OF_A]     = { A, true, false, true, .dir_owner = { 10000, 0 } },
	[NO_IDMAP] = { HOST, false, true, false, .dir_owner = { ORIGIN, 0 } },
};

/* Where mounts are attached, and where below those */

#define NR_TOPS		6
#define NR_PRIVATE	4
#define NR_PLACES	(2 * NR_TOPS)

static const char * const places[NR_PLACES] = {
	SCRATCH "/p0", SCRATCH "/p1", SCRATCH "/p2", SCRATCH "/p3",
	/* What the host mounts here propagates to the containers. */
	SCRATCH "/s/0", SCRATCH "/s/1",
	SCRATCH "/p0/b", SCRATCH "/p1/b", SCRATCH "/p2/b", SCRATCH "/p3/b",
	SCRATCH "/s/0/b", SCRATCH "/s/1/b",
};

/* What the actors do */

enum op {
	SETUP, ENTER, CLONE, CLONE_ATTR, SETATTR, MOVE, BIND, REMOUNT, UMOUNT, LOSE,
	UNSHARE, SETNS, CREATE, MKDIR, MKNOD, OPEN, UNLINK, RENAME, CHOWN, CHMOD,
	SETCAP, STAT, EXEC,
};

enum { FD_MOUNT, FD_TARGET, FD_ORIGIN, NR_FDS };

struct request {
	enum op op;
	int fds[NR_FDS];	/* -1: none */
	char path[64], to[64];
	__u64 flags;
	__u32 uid, gid;
	mode_t mode;
	struct mount_attr attr;
};

/* What an actor tells after an operation */
struct reply {
	int error;
	bool fd;
	__u64 id;
	__u32 values[5];
};

/* ids, which tells who runs it: hardly anything, but in pages that may be large */
static char program[262144];
static size_t program_size;

static inline int send_message(int sock, const void *data, size_t size,
			       const int *fds, unsigned int nr)
{
	union {
		char buf[CMSG_SPACE(NR_FDS * sizeof(int))];
		struct cmsghdr align;
	} control = {};
	struct iovec iov = { (void *)data, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (nr) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(nr * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nr * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, nr * sizeof(int));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) == (ssize_t)size ? 0 : -1;
}

/* How many file descriptors came, or -1 */
static inline int recv_message(int sock, void *data, size_t size, int *fds)
{
	union {
		char buf[CMSG_SPACE(NR_FDS * sizeof(int))];
		struct cmsghdr align;
	} control = {};
	struct iovec iov = { data, size };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *cmsg;
	int nr;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != (ssize_t)size)
		return -1;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg)
		return 0;
	nr = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(cmsg), nr * sizeof(int));
	return nr;
}

static inline int make_program(int dir, const char *name, mode_t mode, __u32 uid,
			       __u32 gid)
{
	int fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, mode);

	if (fd < 0)
		return -1;
	if (write(fd, program, program_size) != (ssize_t)program_size ||
	    (uid != INVALID_ID && (fchown(fd, uid, gid) || fchmod(fd, mode))))
		return close_fail(fd);
	return close(fd);
}

/* One of the file systems, as the actor who controls it makes it */
static inline int do_setup(unsigned int nr)
{
	const struct fs *fs = &all_fs[nr];
	int mnt = fs_fd(nr == NO_IDMAP ? "ramfs" : "tmpfs", "mode", "0755");

	if (mnt < 0 || mkdirat(mnt, "b", 0755))
		return -1;
	for (int i = 0; i < NR_DIRS; i++) {
		if (mkdirat(mnt, dir_names[i], 0700) ||
		    fchownat(mnt, dir_names[i], fs->dir_owner[i],
			     fs->dir_owner[i], 0) ||
		    fchmodat(mnt, dir_names[i], 0777, 0))
			return close_fail(mnt);
	}
	for (int i = 0; i < NR_OWNERS; i++) {
		if (make_file(mnt, owner_names[i], 0644, owners[nr][i],
			      owners[nr][i]))
			return close_fail(mnt);
	}
	/* The first four files, set-user-ID and devices */
	for (int i = 0; i < NR_DIRS; i++) {
		const __u32 id = fs->dir_owner[i];

		if (make_program(mnt, file_names[i], 06755, id, id))
			return close_fail(mnt);
		if (!fs->devices)
			continue;
		if (mknodat(mnt, file_names[2 + i], S_IFCHR | 0666, makedev(1, 3)) ||
		    fchownat(mnt, file_names[2 + i], id, id, 0))
			return close_fail(mnt);
	}
	return mnt;
}

/* Tells the scratch mount of the mount namespace that the actor is in now. */
static inline int do_enter(struct reply *reply)
{
	struct statx stx;

	if (chdir("/") || statx(AT_FDCWD, SCRATCH, 0, STATX_MNT_ID_UNIQUE, &stx))
		return -1;
	reply->id = stx.stx_mnt_id;
	return 0;
}

static inline int do_open(int dir, const struct request *r, int *fd)
{
	*fd = openat(dir, r->path, r->flags | O_CLOEXEC);
	return *fd < 0 ? -1 : 0;
}

static inline int do_stat(int dir, const struct request *r, struct reply *reply)
{
	struct stat st;

	if (fstatat(dir, r->path, &st, AT_SYMLINK_NOFOLLOW))
		return -1;
	reply->values[0] = st.st_uid;
	reply->values[1] = st.st_gid;
	return 0;
}

/* As a user without capabilities. Who did it become? */
static inline int do_exec(int dir, const struct request *r, struct reply *reply)
{
	char *const argv[] = { "ids", NULL };
	char *const envp[] = { NULL };
	unsigned long long caps;
	char text[200] = "";
	size_t size = 0;
	ssize_t len;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid) {
		if ((geteuid() != r->uid &&
		     (sys_setresgid(r->uid, r->uid, r->uid) ||
		      sys_setresuid(r->uid, r->uid, r->uid))) ||
		    dup2(fds[1], STDOUT_FILENO) < 0)
			_exit(1);
		syscall(__NR_execveat, dir, r->path, argv, envp, 0);
		dprintf(STDOUT_FILENO, "errno %d", errno);
		_exit(0);
	}
	close(fds[1]);
	/* It comes in pieces. */
	while (pid > 0 && (len = read(fds[0], text + size,
				      sizeof(text) - 1 - size)) > 0)
		size += len;
	close(fds[0]);
	if (pid < 0 || wait_exit(pid)) {
		errno = ECHILD;
		return -1;
	}
	if (sscanf(text, "errno %d", &errno) == 1)
		return -1;
	if (sscanf(text, "%u %u %u %u %llx", &reply->values[0], &reply->values[1],
		   &reply->values[2], &reply->values[3], &caps) != 5) {
		errno = EPROTO;
		return -1;
	}
	reply->values[4] = caps ? 1 : 0;
	return 0;
}

static inline int do_setcap(int dir, const struct request *r)
{
	const struct vfs_cap_data caps = {
		.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
		.data[0].permitted = CAP_BIT(CAP_NET_RAW),
	};
	char path[100];
	int fd, ret;

	/* Without opening it for anything but its name */
	fd = openat(dir, r->path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ret = setxattr(path, "security.capability", &caps, sizeof(caps), 0);
	return ret ? close_fail(fd) : close(fd);
}

/* 0 or -1 and errno. @made is a file descriptor that goes to the coordinator. */
static inline int act(struct request *r, struct reply *reply, int *made)
{
	const int dir = r->fds[FD_MOUNT] >= 0 ? r->fds[FD_MOUNT] : AT_FDCWD;
	const unsigned int empty = *r->path ? 0 : AT_EMPTY_PATH;

	if (r->fds[FD_TARGET] >= 0)
		r->attr.userns_fd = r->fds[FD_TARGET];
	if (r->fds[FD_ORIGIN] >= 0)
		r->attr.origin_userns_fd = r->fds[FD_ORIGIN];

	switch (r->op) {
	case SETUP:
		*made = do_setup(r->flags);
		return *made < 0 ? -1 : 0;
	case ENTER:
		return do_enter(reply);
	case CLONE:
		*made = sys_open_tree(dir, r->path, CLONE_TREE | empty | r->flags);
		return *made < 0 ? -1 : 0;
	case CLONE_ATTR:
		*made = sys_open_tree_attr(dir, r->path,
					   CLONE_TREE | empty | r->flags,
					   &r->attr, sizeof(r->attr));
		return *made < 0 ? -1 : 0;
	case SETATTR:
		return sys_mount_setattr(dir, r->path, empty | r->flags, &r->attr,
					 sizeof(r->attr));
	case MOVE:
		return sys_move_mount(dir, r->path, AT_FDCWD, r->to,
				      empty ? MOVE_MOUNT_F_EMPTY_PATH : 0);
	case BIND:
		return sys_mount(r->path, r->to, NULL, MS_BIND | r->flags, NULL);
	case REMOUNT:
		return sys_mount(NULL, r->path, NULL, MS_REMOUNT | MS_BIND | r->flags,
				 NULL);
	case UMOUNT:
		return sys_umount2(r->path, r->flags);
	case LOSE:
		*made = open_mount(r->path);
		return *made < 0 ? -1 : sys_umount2(r->path, MNT_DETACH);
	case UNSHARE:
		return unshare(CLONE_NEWNS) ? -1 : do_enter(reply);
	case SETNS:
		return setns(r->fds[FD_TARGET], CLONE_NEWNS) ? -1 : do_enter(reply);
	case CREATE:
		return make_program(dir, r->path, r->mode, INVALID_ID, 0);
	case MKDIR:
		return mkdirat(dir, r->path, r->mode);
	case MKNOD:
		return mknodat(dir, r->path, S_IFCHR | r->mode, makedev(1, 3));
	case OPEN:
		return do_open(dir, r, made);
	case UNLINK:
		return unlinkat(dir, r->path, r->flags);
	case RENAME:
		return renameat(dir, r->path, dir, r->to);
	case CHOWN:
		return fchownat(dir, r->path, r->uid, r->gid, AT_SYMLINK_NOFOLLOW);
	case CHMOD:
		return fchmodat(dir, r->path, r->mode, 0);
	case SETCAP:
		return do_setcap(dir, r);
	case STAT:
		return do_stat(dir, r, reply);
	case EXEC:
		return do_exec(dir, r, reply);
	}
	errno = EINVAL;
	return -1;
}

static inline void serve(int sock)
{
	struct request r;
	int fds[NR_FDS];

	umask(0);
	while (recv_message(sock, &r, sizeof(r), fds) >= 0) {
		struct reply reply = {};
		int made = -1, next = 0;

		for (int i = 0; i < NR_FDS; i++)
			if (r.fds[i] >= 0)
				r.fds[i] = fds[next++];
		if (act(&r, &reply, &made))
			reply.error = errno;
		for (int i = 0; i < next; i++)
			close(fds[i]);
		reply.fd = made >= 0 && !reply.error;
		if (send_message(sock, &reply, sizeof(reply), &made, reply.fd))
			break;
		if (made >= 0)
			close(made);
	}
	_exit(0);
}

#endif
