// SPDX-License-Identifier: GPL-2.0
/*
 * mount_shift selftests: filesystems
 *
 * Whatever a filesystem does with the ids of a caller or of a file, it does with
 * those of the origin. So nearly everything here runs both in a shifted mount and
 * in an ordinary idmapped mount with the same mapping, and the results must be
 * the same.
 */

#include "shift.h"

#include <dirent.h>
#include <endian.h>
#include <linux/loop.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <linux/quota.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

/*
 * A container knows more ids than the origin has: ABOVE is the first of them, and
 * nothing may ever belong to it. UNKNOWN is not even an id in the container.
 */
#define ABOVE		COUNT
#define UNKNOWN		70000

/* Besides the directories of shift.h */
#define IMAGE		SCRATCH "/image"	/* squashfs */
#define UPPER		SCRATCH "/upper"	/* ext4 below an overlay */
#define MERGED		SCRATCH "/merged"	/* other filesystems, whole */
#define SRC_B		SCRATCH "/src_b"	/* as SRC, for another container */
#define SRC_UPPER	SCRATCH "/src_upper"	/* to be the upper layer */
#define IN_LOWER	SCRATCH "/in_lower"	/* both, in the container */
#define IN_UPPER	SCRATCH "/in_upper"

#define ACL_ACCESS	"system.posix_acl_access"
#define ACL_DEFAULT	"system.posix_acl_default"
#define CAPABILITY	"security.capability"

enum filesystem {
	TMPFS,
	EXT4,
	SQUASHFS,
	OVERLAY,	/* squashfs below ext4, by the host, mapped as a whole */
	LAYERS,		/* the same, by the container, of two mapped layers */
};

enum way {
	IDMAP,		/* MOUNT_ATTR_IDMAP, along a user namespace made for it */
	DIRECT,		/* MOUNT_ATTR_IDMAP | MOUNT_ATTR_SHIFT */
	SHIFT,		/* MOUNT_ATTR_SHIFT, by the container */
};

struct setting {
	enum filesystem fs;
	enum way way;
	unsigned int origin;
};

/* Something to do in the container, and what came of it */
struct call {
	int (*fn)(struct call *call);	/* returns -1 and errno, or 0 or more */
	const char *path;
	const char *to;
	const char *name;		/* of an extended attribute */
	const void *data;
	size_t size;
	int flags;
	mode_t mode;
	dev_t dev;
	struct ids ids;
	struct stat st;
	char buf[512];
};

struct tree {
	struct setting set;
	struct container box;
	struct container other;		/* a second one, for the fixture shared */
	struct call *call;
	char name[16];			/* of the tree in the image */
	const char *all;		/* the whole filesystem */
	int host;			/* the tree, as the host sees it */
	int disk;			/* where new files of it are */
	int charged;			/* the filesystem that has quotas */
	int mapped[2];			/* mounts for the container */
	const char *source;		/* what it is to shift */
};

/* Setting up: files and images */

/* The images are installed beside this program. */
static int image_open(const char *name)
{
	char path[PATH_MAX];
	ssize_t len;
	int fd;

	len = readlink("/proc/self/exe", path, sizeof(path) - 32);
	if (len < 0)
		return -1;
	path[len] = '\0';
	strcpy(strrchr(path, '/') + 1, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fprintf(stderr, "# no %s: %m\n", path);
	return fd;
}

static int copy_data(int from, int to)
{
	ssize_t len;

	do {
		len = sendfile(to, from, NULL, 1 << 20);
	} while (len > 0);
	return len;
}

/* A loop device with a copy of an image. It ends with its last user. */
static int loop_open(int image, const char *name, bool readonly, char *dev,
		     size_t size)
{
	struct loop_config config = {
		.info.lo_flags = LO_FLAGS_AUTOCLEAR |
				 (readonly ? LO_FLAGS_READ_ONLY : 0),
	};
	const int mode = O_CLOEXEC | (readonly ? O_RDONLY : O_RDWR);
	int control, copy, nr, fd = -1, ret;

	snprintf(dev, size, SCRATCH "/%s.img", name);
	copy = open(dev, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (copy < 0 || copy_data(image, copy))
		return -1;
	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return -1;
	config.fd = copy;

	/* Another test may be faster. */
	do {
		if (fd >= 0)
			close(fd);
		nr = ioctl(control, LOOP_CTL_GET_FREE);
		snprintf(dev, size, "/dev/loop%d", nr);
		fd = nr < 0 ? -1 : open(dev, mode);
		if (fd < 0)
			return -1;
		ret = ioctl(fd, LOOP_CONFIGURE, &config);
	} while (ret && errno == EBUSY);

	close(control);
	close(copy);
	return ret ? close_fail(fd) : fd;
}

static int fs_mount(const char *type, const char *source, const char *flag,
		    const char *path)
{
	int fs = sys_fsopen(type, FSOPEN_CLOEXEC);
	int mnt;

	if (fs < 0)
		return -1;
	if ((source && sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0)) ||
	    sys_fsconfig(fs, FSCONFIG_SET_FLAG, flag, NULL, 0) ||
	    sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return close_fail(fs);
	mnt = sys_fsmount(fs, FSMOUNT_CLOEXEC, 0);
	close(fs);
	if (mnt < 0)
		return -1;
	if (attach(mnt, path))
		return close_fail(mnt);
	return close(mnt);
}

static int image_mount(int image, const char *type, const char *flag,
		       const char *path)
{
	char dev[32];
	int loop, ret;

	loop = loop_open(image, type, !strcmp(flag, "ro"), dev, sizeof(dev));
	if (loop < 0)
		return -1;
	ret = fs_mount(type, dev, flag, path);
	close(loop);
	return ret;
}

/* An overlay, mounted nowhere. @flag may be NULL. */
static int overlay_fd(const char *lower, const char *upper, const char *work,
		      const char *flag)
{
	int fs = sys_fsopen("overlay", FSOPEN_CLOEXEC);
	int mnt;

	if (fs < 0)
		return -1;
	if (sys_fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir", lower, 0) ||
	    sys_fsconfig(fs, FSCONFIG_SET_STRING, "upperdir", upper, 0) ||
	    sys_fsconfig(fs, FSCONFIG_SET_STRING, "workdir", work, 0) ||
	    (flag && sys_fsconfig(fs, FSCONFIG_SET_FLAG, flag, NULL, 0)) ||
	    sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return close_fail(fs);
	mnt = sys_fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (mnt < 0)
		return close_fail(fs);
	close(fs);
	return mnt;
}

static int overlay_mount(const char *lower, const char *upper, const char *work,
			 const char *flag, const char *path)
{
	int mnt = overlay_fd(lower, upper, work, flag);

	if (mnt < 0)
		return -1;
	if (attach(mnt, path))
		return close_fail(mnt);
	return close(mnt);
}

static int copy_xattrs(int from, int to)
{
	char names[256], value[64];
	ssize_t len, size;

	len = flistxattr(from, names, sizeof(names));
	if (len < 0)
		return -1;
	for (const char *name = names; name < names + len;
	     name += strlen(name) + 1) {
		size = fgetxattr(from, name, value, sizeof(value));
		if (size < 0 || fsetxattr(to, name, value, size, 0))
			return -1;
	}
	return 0;
}

static int unpack_dir(int from, int to);

static int unpack_file(int from, int to, const char *name,
		       const struct stat *st)
{
	char target[64] = "";
	int in, out, ret;

	switch (st->st_mode & S_IFMT) {
	case S_IFLNK:
		if (readlinkat(from, name, target, sizeof(target) - 1) < 0 ||
		    symlinkat(target, to, name))
			return -1;
		return fchownat(to, name, st->st_uid, st->st_gid,
				AT_SYMLINK_NOFOLLOW);
	case S_IFCHR:
		if (mknodat(to, name, S_IFCHR | 0600, st->st_rdev) ||
		    fchownat(to, name, st->st_uid, st->st_gid, 0))
			return -1;
		return fchmodat(to, name, st->st_mode & 07777, 0);
	case S_IFDIR:
		if (mkdirat(to, name, 0700))
			return -1;
		in = openat(from, name, O_RDONLY | O_CLOEXEC);
		out = openat(to, name, O_RDONLY | O_CLOEXEC);
		ret = in < 0 || out < 0 ? -1 : unpack_dir(in, out);
		break;
	default:
		in = openat(from, name, O_RDONLY | O_CLOEXEC);
		out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			     0600);
		ret = in < 0 || out < 0 ? -1 : copy_data(in, out);
	}
	/* A new owner clears suid bits and capabilities. */
	if (ret || fchown(out, st->st_uid, st->st_gid) ||
	    fchmod(out, st->st_mode & 07777) || copy_xattrs(in, out))
		return -1;
	close(in);
	return close(out);
}

/* As tar would, with owners, device nodes and extended attributes */
static int unpack_dir(int from, int to)
{
	struct dirent *entry;
	struct stat st;
	DIR *dir;

	dir = fdopendir(dup(from));
	if (!dir)
		return -1;
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (fstatat(from, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
		    unpack_file(from, to, entry->d_name, &st))
			return -1;
	}
	return closedir(dir);
}

static int open_dir(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int unpack(const char *from, const char *to)
{
	int in = open_dir(from), out = open_dir(to);
	int ret;

	if (in < 0 || out < 0)
		return -1;
	ret = unpack_dir(in, out);
	close(in);
	close(out);
	return ret;
}

static int make_dir(const char *path, unsigned int owner)
{
	if (mkdir(path, 0755))
		return -1;
	return chown(path, owner, owner);
}

/* The filesystem under test, seen by the host */
static int filesystem_make(struct tree *t, int ext4)
{
	const unsigned int owner = t->set.origin;
	char path[64];

	t->all = t->set.fs == SQUASHFS || t->set.fs == LAYERS ? IMAGE : MERGED;

	switch (t->set.fs) {
	case TMPFS:
		return fs_mount("tmpfs", NULL, "usrquota", MERGED) ||
		       unpack(IMAGE, MERGED) ? -1 : 0;
	case EXT4:
		return image_mount(ext4, "ext4", "usrquota", MERGED) ||
		       unpack(IMAGE, MERGED) ? -1 : 0;
	case SQUASHFS:
		return 0;
	case OVERLAY:
		snprintf(path, sizeof(path), UPPER "/upper/%s", t->name);
		if (image_mount(ext4, "ext4", "usrquota", UPPER) ||
		    make_dir(UPPER "/upper", 0) || make_dir(UPPER "/work", 0) ||
		    make_dir(path, owner) ||
		    overlay_mount(IMAGE, UPPER "/upper", UPPER "/work", NULL,
				  MERGED))
			return -1;
		t->disk = open_dir(path);
		return t->disk < 0 ? -1 : 0;
	case LAYERS:
		if (image_mount(ext4, "ext4", "usrquota", UPPER) ||
		    make_dir(UPPER "/layer", owner) ||
		    make_dir(UPPER "/layer/upper", owner) ||
		    make_dir(UPPER "/layer/work", owner))
			return -1;
		t->disk = open_dir(UPPER "/layer/upper");
		return t->disk < 0 ? -1 : 0;
	}
	return -1;
}

/* Setting up: mounts for a container */

static int mark_origin(int mnt, unsigned int origin, uid_t by)
{
	struct mount_attr attr = MARK(by);

	attr.origin_uid = origin;
	attr.origin_gid = origin;
	return set_attr(mnt, &attr);
}

/* A bind mount for whoever will shift it */
static int source_make(const struct tree *t, const char *from, const char *to,
		       uid_t by)
{
	int mnt = clone_mount(from);

	if (mnt < 0)
		return -1;
	if ((t->set.way == SHIFT && mark_origin(mnt, t->set.origin, by)) ||
	    attach(mnt, to))
		return close_fail(mnt);
	return close(mnt);
}

/*
 * A clone that the host has mapped for a container. Nodev, since what the
 * container shifts itself is.
 */
static int mapped_clone(const struct tree *t, const struct container *box,
			unsigned int base, const char *path)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_NODEV,
	};
	char map[64];
	int mnt, helper = -1, ret;

	mnt = clone_mount(path);
	if (mnt < 0)
		return -1;
	if (t->set.way == IDMAP) {
		snprintf(map, sizeof(map), "%u %u %u", t->set.origin, base,
			 COUNT);
		helper = userns_open(map, map);
		attr.userns_fd = helper;
	} else {
		attr.attr_set |= MOUNT_ATTR_SHIFT;
		attr.userns_fd = box->user.fd;
		attr.origin_uid = t->set.origin;
		attr.origin_gid = t->set.origin;
		attr.origin_count = COUNT;
	}
	ret = set_attr(mnt, &attr);
	if (helper >= 0)
		close(helper);
	return ret ? close_fail(mnt) : mnt;
}

static int mount_inside(const struct tree *t, int nr, const char *source,
			const char *target)
{
	if (t->set.way == SHIFT)
		return mount_shifted(source, target);
	return attach(t->mapped[nr], target);
}

static int do_mount_inside(void *arg)
{
	const struct tree *t = arg;

	if (t->set.fs != LAYERS)
		return mount_inside(t, 0, t->source, DST) ? -errno : 0;

	if (mount_inside(t, 0, t->source, IN_LOWER) ||
	    mount_inside(t, 1, SRC_UPPER, IN_UPPER) ||
	    overlay_mount(IN_LOWER, IN_UPPER "/upper", IN_UPPER "/work",
			  "userxattr", DST))
		return -errno;
	return 0;
}

/* A container with the tree on DST */
static int box_make(struct tree *t, struct container *box, unsigned int base,
		    const char *source)
{
	char map[64];
	int ret;

	snprintf(map, sizeof(map), "0 %u %u", base, UNKNOWN);
	if (container_make_maps(box, map, map))
		return -1;

	t->source = source;
	if (t->set.way != SHIFT) {
		t->mapped[0] = mapped_clone(t, box, base, source);
		if (t->mapped[0] < 0)
			return -1;
	}
	if (t->set.way != SHIFT && t->set.fs == LAYERS) {
		t->mapped[1] = mapped_clone(t, box, base, SRC_UPPER);
		if (t->mapped[1] < 0)
			return -1;
	}
	ret = in_container(box, do_mount_inside, t);
	if (ret)
		errno = -ret;
	return ret ? -1 : 0;
}

static int tree_make(struct tree *t, const struct setting *set)
{
	static const char * const dirs[] = {
		IMAGE, UPPER, MERGED, SRC_B, SRC_UPPER, IN_LOWER, IN_UPPER
	};
	int squashfs, ext4, ret;
	char path[64];

	*t = (struct tree){
		.set = *set,
		.box = CONTAINER_NONE,
		.other = CONTAINER_NONE,
		.call = shared_alloc(sizeof(*t->call)),
		.disk = -1,
		.charged = -1,
	};
	snprintf(t->name, sizeof(t->name), "%u", set->origin);

	squashfs = image_open("squashfs.img");
	ext4 = image_open("ext4.img");
	if (!t->call || squashfs < 0 || ext4 < 0 || scratch_setup())
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (mkdir(dirs[i], 0755))
			return -1;
	ret = image_mount(squashfs, "squashfs", "ro", IMAGE) ||
	      filesystem_make(t, ext4) ? -1 : 0;
	close(squashfs);
	close(ext4);
	if (ret)
		return -1;

	snprintf(path, sizeof(path), "%s/%s", t->all, t->name);
	if (source_make(t, path, SRC, BASE) || source_make(t, path, SRC_B, BASE_B))
		return -1;
	if (t->set.fs == LAYERS &&
	    source_make(t, UPPER "/layer", SRC_UPPER, BASE))
		return -1;

	t->host = open_dir(SRC);
	if (t->disk < 0)
		t->disk = dup(t->host);
	t->charged = open_dir(t->set.fs >= OVERLAY ? UPPER : SRC);
	if (t->host < 0 || t->disk < 0 || t->charged < 0)
		return -1;
	return box_make(t, &t->box, BASE, SRC);
}

static void tree_end(struct tree *t)
{
	container_end(&t->box);
	container_end(&t->other);
}

/* An id as it is on disk */
static unsigned int raw(const struct tree *t, unsigned int id)
{
	return t->set.origin + id;
}

/* What is done inside */

static int run_call(void *arg)
{
	struct call *call = arg;
	int ret;

	/*
	 * Joining the user namespace gave all capabilities, and only leaving its
	 * id 0, which was never reached on the way to another, takes them away.
	 */
	if (geteuid() && caps_keep(0))
		return -errno;
	umask(0);
	if (chdir(DST))
		return -errno;
	ret = call->fn(call);
	return ret < 0 ? -errno : ret;
}

static int inside_as(const struct tree *t, uid_t uid, gid_t gid,
		     const struct call *call)
{
	*t->call = *call;
	return in_container_as(&t->box, uid, gid, run_call, t->call);
}

/* A user whose group has the same number */
static int inside_by(const struct tree *t, unsigned int id,
		     const struct call *call)
{
	return inside_as(t, id, id, call);
}

/* What do_@op() returns there, or -errno. The rest are members of struct call. */
#define INSIDE(id, op, ...)						\
	inside_by(&self->t, id, &(struct call){ .fn = do_##op, __VA_ARGS__ })

static int do_stat(struct call *call)
{
	return fstatat(AT_FDCWD, call->path, &call->st, AT_SYMLINK_NOFOLLOW);
}

static int do_open(struct call *call)
{
	int fd = open(call->path, call->flags | O_CLOEXEC, call->mode);

	return fd < 0 ? -1 : close(fd);
}

static int do_create(struct call *call)
{
	int fd = open(call->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	return fd < 0 ? -1 : close(fd);
}

static int do_tmpfile(struct call *call)
{
	char path[64];
	int fd;

	fd = open(call->path, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, path, AT_FDCWD, call->to, AT_SYMLINK_FOLLOW))
		return close_fail(fd);
	return close(fd);
}

/* Appends so many bytes. */
static int do_append(struct call *call)
{
	static char data[4096];
	size_t left = call->size;
	int fd;

	fd = open(call->path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0)
		return -1;
	while (left) {
		const size_t size = left < sizeof(data) ? left : sizeof(data);
		const ssize_t len = write(fd, data, size);

		if (len < 0)
			return close_fail(fd);
		left -= len;
	}
	return close(fd);
}

static int do_truncate(struct call *call)
{
	return truncate(call->path, call->size);
}

static int do_mkdir(struct call *call)
{
	return mkdir(call->path, 0755);
}

static int do_rmdir(struct call *call)
{
	return rmdir(call->path);
}

static int do_symlink(struct call *call)
{
	return symlink("target", call->path);
}

static int do_mknod(struct call *call)
{
	return mknod(call->path, call->mode, call->dev);
}

static int do_link(struct call *call)
{
	return link(call->path, call->to);
}

static int do_rename(struct call *call)
{
	return rename(call->path, call->to);
}

static int do_unlink(struct call *call)
{
	return unlink(call->path);
}

static int do_chmod(struct call *call)
{
	return chmod(call->path, call->mode);
}

static int do_chown(struct call *call)
{
	return lchown(call->path, call->ids.uid, call->ids.gid);
}

/* To a given time, not to now: only the owner may. */
static int do_utimes(struct call *call)
{
	const struct timespec times[2] = {};

	return utimensat(AT_FDCWD, call->path, times, 0);
}

static int do_setxattr(struct call *call)
{
	return lsetxattr(call->path, call->name, call->data, call->size, 0);
}

static int do_getxattr(struct call *call)
{
	return lgetxattr(call->path, call->name, call->buf, sizeof(call->buf));
}

static int do_removexattr(struct call *call)
{
	return lremovexattr(call->path, call->name);
}

static int do_listxattr(struct call *call)
{
	return llistxattr(call->path, call->buf, sizeof(call->buf));
}

/* Runs a program that tells who it is. */
static int do_exec(struct call *call)
{
	size_t size = 0;
	ssize_t len;
	int out[2], code;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid) {
		dup2(out[1], STDOUT_FILENO);
		execl(call->path, call->path, NULL);
		_exit(errno);
	}
	close(out[1]);
	do {
		len = read(out[0], call->buf + size,
			   sizeof(call->buf) - 1 - size);
		size += len > 0 ? len : 0;
	} while (len > 0);
	close(out[0]);
	code = wait_exit(pid);
	if (code)
		errno = code < 0 ? ECHILD : code;
	return code ? -1 : 0;
}

struct who {
	unsigned int uid, euid, gid, egid;
	unsigned long long caps;
};

static int who_parse(const struct tree *t, int ret, struct who *who)
{
	*who = (struct who){};
	if (ret)
		return ret;
	return sscanf(t->call->buf, "%u %u %u %u %llx", &who->uid, &who->euid,
		      &who->gid, &who->egid, &who->caps) == 5 ? 0 : -ENOEXEC;
}

static int exec_inside(const struct tree *t, unsigned int id, const char *path,
		       struct who *who)
{
	const struct call call = { .fn = do_exec, .path = path };

	return who_parse(t, inside_as(t, id, id, &call), who);
}

/* By an ordinary user of the host */
static int exec_outside(const struct tree *t, const char *path, struct who *who)
{
	*t->call = (struct call){ .fn = do_exec, .path = path };
	return who_parse(t, as_user(USER, USER, run_call, t->call), who);
}

union handle {
	struct file_handle handle;
	char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

static int handle_get(const char *path, union handle *handle)
{
	int id;

	handle->handle.handle_bytes = MAX_HANDLE_SZ;
	return name_to_handle_at(AT_FDCWD, path, &handle->handle, &id, 0);
}

static int do_handle(struct call *call)
{
	return handle_get(call->path, (union handle *)call->buf);
}

static int do_open_handle(struct call *call)
{
	union handle handle;
	int mnt, fd;

	memcpy(&handle, call->data, sizeof(handle));
	mnt = open(".", O_RDONLY | O_CLOEXEC);
	fd = open_by_handle_at(mnt, &handle.handle, call->flags | O_CLOEXEC);
	if (fd < 0)
		return close_fail(mnt);
	close(mnt);
	return fstat(fd, &call->st) ? close_fail(fd) : close(fd);
}

static int do_statx(struct call *call)
{
	return statx(AT_FDCWD, call->path, AT_SYMLINK_NOFOLLOW,
		     STATX_BASIC_STATS | STATX_MNT_ID,
		     (struct statx *)call->buf);
}

static int do_quotactl(struct call *call)
{
	struct if_dqblk *quota = (struct if_dqblk *)call->buf;
	int fd, ret;

	fd = open(".", O_RDONLY | O_CLOEXEC);
	ret = syscall(__NR_quotactl_fd, fd, QCMD(call->flags, USRQUOTA),
		      call->ids.uid, quota);
	if (ret)
		return close_fail(fd);
	return close(fd);
}

/* What does not match in the container, or NULL */
static const char *seen_differs(const struct tree *t, const char *path,
				uid_t uid, gid_t gid)
{
	const struct call call = { .fn = do_stat, .path = path };
	static char text[80];
	int ret;

	ret = inside_as(t, 0, 0, &call);
	if (ret)
		return strerror(-ret);
	if (t->call->st.st_uid == uid && t->call->st.st_gid == gid)
		return NULL;
	snprintf(text, sizeof(text), "%u:%u, not %u:%u", t->call->st.st_uid,
		 t->call->st.st_gid, uid, gid);
	return text;
}

/* Asserts whose file it is in the container. */
#define ASSERT_SEEN(path, uid, gid)					\
do {									\
	const char *__path = path;					\
	const char *__differs = seen_differs(&self->t, __path, uid, gid); \
									\
	ASSERT_EQ(NULL, __differs)					\
		TH_LOG("%s: %s", __path, __differs);			\
} while (0)

/* The same, and on disk it must be the ids of the origin. */
static const char *both_differ(const struct tree *t, const char *path, uid_t uid,
			       gid_t gid)
{
	const char *differs = seen_differs(t, path, uid, gid);

	if (differs)
		return differs;
	return owner_differs(t->disk, path, raw(t, uid), raw(t, gid));
}

/* Asserts whose file it is in the container, and on disk. */
#define ASSERT_BOTH(path, uid, gid)					\
do {									\
	const char *__path = path;					\
	const char *__differ = both_differ(&self->t, __path, uid, gid);	\
									\
	ASSERT_EQ(NULL, __differ)					\
		TH_LOG("%s: %s", __path, __differ);			\
} while (0)

/* Extended attributes that the host reads and writes without any mapping */

static const char *raw_path(int dir, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir, name);
	return path;
}

static ssize_t raw_getxattr(int dir, const char *name, const char *xattr,
			    void *buf, size_t size)
{
	return lgetxattr(raw_path(dir, name), xattr, buf, size);
}

static int raw_setxattr(int dir, const char *name, const char *xattr,
			const void *buf, size_t size)
{
	return lsetxattr(raw_path(dir, name), xattr, buf, size, 0);
}

struct acl {
	struct posix_acl_xattr_header header;
	struct posix_acl_xattr_entry entries[6];
};

/* One more user who may read and write, one more group that may read */
static struct acl acl_for(uid_t uid, gid_t gid)
{
	const struct {
		__u16 tag, perm;
		__u32 id;
	} entries[] = {
		{ ACL_USER_OBJ, ACL_READ | ACL_WRITE, ACL_UNDEFINED_ID },
		{ ACL_USER, ACL_READ | ACL_WRITE, uid },
		{ ACL_GROUP_OBJ, 0, ACL_UNDEFINED_ID },
		{ ACL_GROUP, ACL_READ, gid },
		{ ACL_MASK, ACL_READ | ACL_WRITE, ACL_UNDEFINED_ID },
		{ ACL_OTHER, 0, ACL_UNDEFINED_ID },
	};
	struct acl acl = { .header.a_version = htole32(POSIX_ACL_XATTR_VERSION) };

	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		acl.entries[i].e_tag = htole16(entries[i].tag);
		acl.entries[i].e_perm = htole16(entries[i].perm);
		acl.entries[i].e_id = htole32(entries[i].id);
	}
	return acl;
}

static bool same(const void *a, const struct acl *b)
{
	return !memcmp(a, b, sizeof(*b));
}

/* CAP_NET_RAW alone */
static struct vfs_ns_cap_data capability_for(__u32 revision, uid_t rootid)
{
	return (struct vfs_ns_cap_data){
		.magic_etc = htole32(revision | VFS_CAP_FLAGS_EFFECTIVE),
		.data[0].permitted = htole32(CAP_BIT(CAP_NET_RAW)),
		.rootid = htole32(rootid),
	};
}

/* Every filesystem in every way */

FIXTURE(tree)
{
	struct tree t;
};

FIXTURE_VARIANT(tree)
{
	struct setting set;
};

FIXTURE_VARIANT_ADD(tree, tmpfs_idmap) { .set = { TMPFS, IDMAP, ORIGIN } };
FIXTURE_VARIANT_ADD(tree, tmpfs_direct) { .set = { TMPFS, DIRECT, ORIGIN } };
FIXTURE_VARIANT_ADD(tree, tmpfs_shift) { .set = { TMPFS, SHIFT, ORIGIN } };

FIXTURE_VARIANT_ADD(tree, ext4_idmap) { .set = { EXT4, IDMAP, ORIGIN } };
FIXTURE_VARIANT_ADD(tree, ext4_shift) { .set = { EXT4, SHIFT, ORIGIN } };
FIXTURE_VARIANT_ADD(tree, ext4_shift_from_0) { .set = { EXT4, SHIFT, 0 } };

FIXTURE_VARIANT_ADD(tree, squashfs_idmap) { .set = { SQUASHFS, IDMAP, ORIGIN } };
FIXTURE_VARIANT_ADD(tree, squashfs_shift) { .set = { SQUASHFS, SHIFT, ORIGIN } };
FIXTURE_VARIANT_ADD(tree, squashfs_idmap_from_0) { .set = { SQUASHFS, IDMAP, 0 } };
FIXTURE_VARIANT_ADD(tree, squashfs_shift_from_0) { .set = { SQUASHFS, SHIFT, 0 } };

FIXTURE_VARIANT_ADD(tree, overlay_idmap) { .set = { OVERLAY, IDMAP, ORIGIN } };
FIXTURE_VARIANT_ADD(tree, overlay_shift) { .set = { OVERLAY, SHIFT, ORIGIN } };
FIXTURE_VARIANT_ADD(tree, overlay_shift_from_0) { .set = { OVERLAY, SHIFT, 0 } };

FIXTURE_VARIANT_ADD(tree, layers_idmap) { .set = { LAYERS, IDMAP, ORIGIN } };
FIXTURE_VARIANT_ADD(tree, layers_shift) { .set = { LAYERS, SHIFT, ORIGIN } };
FIXTURE_VARIANT_ADD(tree, layers_shift_from_0) { .set = { LAYERS, SHIFT, 0 } };

/* Those that can be written to */
FIXTURE(writable)
{
	struct tree t;
};

FIXTURE_VARIANT(writable)
{
	struct setting set;
};

FIXTURE_VARIANT_ADD(writable, tmpfs_idmap) { .set = { TMPFS, IDMAP, ORIGIN } };
FIXTURE_VARIANT_ADD(writable, tmpfs_direct) { .set = { TMPFS, DIRECT, ORIGIN } };
FIXTURE_VARIANT_ADD(writable, tmpfs_shift) { .set = { TMPFS, SHIFT, ORIGIN } };

FIXTURE_VARIANT_ADD(writable, ext4_idmap) { .set = { EXT4, IDMAP, ORIGIN } };
FIXTURE_VARIANT_ADD(writable, ext4_shift) { .set = { EXT4, SHIFT, ORIGIN } };
FIXTURE_VARIANT_ADD(writable, ext4_shift_from_0) { .set = { EXT4, SHIFT, 0 } };

FIXTURE_VARIANT_ADD(writable, overlay_idmap) { .set = { OVERLAY, IDMAP, ORIGIN } };
FIXTURE_VARIANT_ADD(writable, overlay_shift) { .set = { OVERLAY, SHIFT, ORIGIN } };
FIXTURE_VARIANT_ADD(writable, overlay_shift_from_0) { .set = { OVERLAY, SHIFT, 0 } };

FIXTURE_VARIANT_ADD(writable, layers_idmap) { .set = { LAYERS, IDMAP, ORIGIN } };
FIXTURE_VARIANT_ADD(writable, layers_shift) { .set = { LAYERS, SHIFT, ORIGIN } };
FIXTURE_VARIANT_ADD(writable, layers_shift_from_0) { .set = { LAYERS, SHIFT, 0 } };

/* Those that cannot */
FIXTURE(readonly)
{
	struct tree t;
};

FIXTURE_VARIANT(readonly)
{
	struct setting set;
};

FIXTURE_VARIANT_ADD(readonly, squashfs_idmap) { .set = { SQUASHFS, IDMAP, ORIGIN } };
FIXTURE_VARIANT_ADD(readonly, squashfs_shift) { .set = { SQUASHFS, SHIFT, ORIGIN } };

/* Those with layers */
FIXTURE(layered)
{
	struct tree t;
};

FIXTURE_VARIANT(layered)
{
	struct setting set;
};

FIXTURE_VARIANT_ADD(layered, overlay_idmap) { .set = { OVERLAY, IDMAP, ORIGIN } };
FIXTURE_VARIANT_ADD(layered, overlay_shift) { .set = { OVERLAY, SHIFT, ORIGIN } };
FIXTURE_VARIANT_ADD(layered, overlay_shift_from_0) { .set = { OVERLAY, SHIFT, 0 } };

FIXTURE_VARIANT_ADD(layered, layers_idmap) { .set = { LAYERS, IDMAP, ORIGIN } };
FIXTURE_VARIANT_ADD(layered, layers_shift) { .set = { LAYERS, SHIFT, ORIGIN } };
FIXTURE_VARIANT_ADD(layered, layers_shift_from_0) { .set = { LAYERS, SHIFT, 0 } };

/* Those that two containers can use at a time */
FIXTURE(shared)
{
	struct tree t;
};

FIXTURE_VARIANT(shared)
{
	struct setting set;
};

FIXTURE_VARIANT_ADD(shared, tmpfs_idmap) { .set = { TMPFS, IDMAP, ORIGIN } };
FIXTURE_VARIANT_ADD(shared, tmpfs_shift) { .set = { TMPFS, SHIFT, ORIGIN } };

FIXTURE_VARIANT_ADD(shared, ext4_idmap) { .set = { EXT4, IDMAP, ORIGIN } };
FIXTURE_VARIANT_ADD(shared, ext4_shift) { .set = { EXT4, SHIFT, ORIGIN } };

FIXTURE_VARIANT_ADD(shared, squashfs_idmap) { .set = { SQUASHFS, IDMAP, ORIGIN } };
FIXTURE_VARIANT_ADD(shared, squashfs_shift) { .set = { SQUASHFS, SHIFT, ORIGIN } };

FIXTURE_VARIANT_ADD(shared, overlay_idmap) { .set = { OVERLAY, IDMAP, ORIGIN } };
FIXTURE_VARIANT_ADD(shared, overlay_shift) { .set = { OVERLAY, SHIFT, ORIGIN } };

FIXTURE_SETUP(tree)
{
	const char *reason = shift_unavailable();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, tree_make(&self->t, &variant->set))
		TH_LOG("%m");
}

FIXTURE_TEARDOWN(tree)
{
	tree_end(&self->t);
}

FIXTURE_SETUP(writable)
{
	const char *reason = shift_unavailable();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, tree_make(&self->t, &variant->set))
		TH_LOG("%m");
}

FIXTURE_TEARDOWN(writable)
{
	tree_end(&self->t);
}

FIXTURE_SETUP(readonly)
{
	const char *reason = shift_unavailable();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, tree_make(&self->t, &variant->set))
		TH_LOG("%m");
}

FIXTURE_TEARDOWN(readonly)
{
	tree_end(&self->t);
}

FIXTURE_SETUP(layered)
{
	const char *reason = shift_unavailable();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, tree_make(&self->t, &variant->set))
		TH_LOG("%m");
}

FIXTURE_TEARDOWN(layered)
{
	tree_end(&self->t);
}

FIXTURE_SETUP(shared)
{
	const char *reason = shift_unavailable();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, tree_make(&self->t, &variant->set))
		TH_LOG("%m");
	ASSERT_EQ(0, box_make(&self->t, &self->t.other, BASE_B, SRC_B))
		TH_LOG("%m");
}

FIXTURE_TEARDOWN(shared)
{
	tree_end(&self->t);
}

/* The files of the image, as far as they belong to the origin */
static const struct {
	const char *name;
	unsigned int uid, gid;
} files[] = {
	{ ".", 0, 0 },
	{ "file", 1000, 1000 },
	{ "private", 0, 0 },
	{ "last", COUNT - 1, COUNT - 1 },
	{ "link", 1000, 1000 },
	{ "dir", 1000, 1000 },
	{ "dir/inner", 1000, 1000 },
	{ "suid", 0, 0 },
};

/* A file of id origin + n is that of id n inside, and remains what it is outside. */
TEST_F(tree, owners)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		ASSERT_SEEN(files[i].name, files[i].uid, files[i].gid);
		ASSERT_OWNER(self->t.host, files[i].name,
			     raw(&self->t, files[i].uid),
			     raw(&self->t, files[i].gid));
	}

	/* Beyond the origin there is nobody, even if the container knows an id. */
	ASSERT_SEEN("above", OVERFLOW_ID, OVERFLOW_ID);
	ASSERT_SEEN("above_sealed", OVERFLOW_ID, OVERFLOW_ID);
	ASSERT_SEEN("above_group", 1000, OVERFLOW_ID);
	if (variant->set.origin)
		ASSERT_SEEN("below", OVERFLOW_ID, OVERFLOW_ID);
	ASSERT_OWNER(self->t.host, "above", raw(&self->t, ABOVE),
		     raw(&self->t, ABOVE));
}

/* Users of the container may read what the mode of a file grants them. */
TEST_F(tree, read)
{
	static const unsigned int users[] = { 0, 1000, OVERFLOW_ID, ABOVE };
	const struct call file = { .fn = do_open, .path = "file" };

	ASSERT_EQ(0, INSIDE(0, open, .path = "file"));
	ASSERT_EQ(0, INSIDE(1000, open, .path = "file"));
	ASSERT_EQ(0, inside_as(&self->t, 2000, 1000, &file));
	ASSERT_EQ(-EACCES, INSIDE(2000, open, .path = "file"));
	ASSERT_EQ(0, INSIDE(0, open, .path = "private"));
	ASSERT_EQ(-EACCES, INSIDE(1000, open, .path = "private"));

	/* What belongs to nobody here can be read by all or none, not by the root. */
	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		ASSERT_EQ(0, INSIDE(users[i], open, .path = "above"));
		ASSERT_EQ(-EACCES, INSIDE(users[i], open, .path = "above_sealed"));
	}

	/* A device node is none here, though the container's root owns it. */
	ASSERT_EQ(0, INSIDE(0, stat, .path = "null"));
	ASSERT_EQ(makedev(1, 3), self->t.call->st.st_rdev);
	ASSERT_EQ(-EACCES, INSIDE(0, open, .path = "null"));
	ASSERT_EQ(-EACCES, INSIDE(1000, open, .path = "null"));
}

/* A program from there runs as whoever runs it, or as its owner by the suid bit. */
TEST_F(tree, exec)
{
	static const unsigned int users[] = { 0, 1000, ABOVE };
	struct who who;

	ASSERT_EQ(0, exec_inside(&self->t, 0, "plain", &who));
	ASSERT_EQ(0, who.euid);
	ASSERT_NE(0, who.caps & CAP_BIT(CAP_SYS_ADMIN));

	ASSERT_EQ(0, exec_inside(&self->t, 1000, "plain", &who));
	ASSERT_EQ(1000, who.uid);
	ASSERT_EQ(1000, who.euid);
	ASSERT_EQ(1000, who.egid);
	ASSERT_EQ(0, who.caps);

	ASSERT_EQ(0, exec_inside(&self->t, 1000, "suid", &who));
	ASSERT_EQ(1000, who.uid);
	ASSERT_EQ(0, who.euid);
	ASSERT_EQ(0, who.egid);
	ASSERT_NE(0, who.caps & CAP_BIT(CAP_SYS_ADMIN));

	ASSERT_EQ(0, exec_inside(&self->t, 2000, "suid_user", &who));
	ASSERT_EQ(1000, who.euid);
	ASSERT_EQ(1000, who.egid);
	ASSERT_EQ(0, who.caps);

	/* Somebody outside the origin makes nobody anybody. */
	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		ASSERT_EQ(0, exec_inside(&self->t, users[i], "suid_above", &who));
		ASSERT_EQ(users[i], who.euid);
		ASSERT_EQ(users[i], who.egid);
	}
}

/*
 * On the host, where the ids of a container are somebody else's, neither suid
 * bits nor capabilities have any effect in a mount that is marked. The ordinary
 * mounts beside it show that they would.
 */
TEST_F(tree, suid_on_the_host)
{
	const bool marked = variant->set.way == SHIFT;
	struct who who;

	ASSERT_EQ(0, exec_outside(&self->t, SRC "/suid", &who));
	ASSERT_EQ(marked ? USER : raw(&self->t, 0), who.euid);
	ASSERT_EQ(marked ? USER : raw(&self->t, 0), who.egid);

	ASSERT_EQ(0, exec_outside(&self->t, SRC "/cap_v2", &who));
	ASSERT_EQ(USER, who.euid);
	ASSERT_EQ(marked ? 0 : CAP_BIT(CAP_NET_RAW), who.caps);
}

/*
 * Capabilities of a file are meant for the user namespace whose root is the id in
 * it, and for id 0 if there is none (version 2).
 */
TEST_F(tree, capabilities)
{
	struct who who;

	/* As the host would write it for this origin */
	ASSERT_EQ(0, exec_inside(&self->t, 1000, "cap_v3", &who));
	ASSERT_EQ(1000, who.euid);
	ASSERT_EQ(CAP_BIT(CAP_NET_RAW), who.caps);
	ASSERT_EQ(XATTR_CAPS_SZ_2, INSIDE(1000, getxattr, .path = "cap_v3",
					  .name = CAPABILITY));

	/* As it comes with an image. Id 0 is the container's only if shifted from 0. */
	if (!variant->set.origin) {
		ASSERT_EQ(0, exec_inside(&self->t, 1000, "cap_v2", &who));
		ASSERT_EQ(CAP_BIT(CAP_NET_RAW), who.caps);
		ASSERT_EQ(XATTR_CAPS_SZ_2, INSIDE(1000, getxattr, .path = "cap_v2",
						  .name = CAPABILITY));
		return;
	}
	ASSERT_EQ(-EOVERFLOW, INSIDE(1000, getxattr, .path = "cap_v2",
				     .name = CAPABILITY));
	/* Nor can they be read in a layer. Overlayfs does not take that for none. */
	ASSERT_EQ(variant->set.fs == LAYERS ? -EOVERFLOW : 0,
		  exec_inside(&self->t, 1000, "cap_v2", &who));
	ASSERT_EQ(0, who.caps);
}

/* Extended attributes: those of users and of security modules can be read. */
TEST_F(tree, read_xattrs)
{
	int len;

	ASSERT_EQ(1, INSIDE(1000, getxattr, .path = "file", .name = "user.image"));
	ASSERT_EQ('u', self->t.call->buf[0]);
	ASSERT_EQ(-EACCES, INSIDE(2000, getxattr, .path = "file",
				  .name = "user.image"));
	ASSERT_EQ(1, INSIDE(0, getxattr, .path = "labelled",
			    .name = "security.image"));
	ASSERT_EQ('s', self->t.call->buf[0]);

	/* The host's root has this one for itself. */
	ASSERT_EQ(1, raw_getxattr(self->t.host, "labelled", "trusted.image", NULL,
				  0));
	ASSERT_EQ(-ENODATA, INSIDE(0, getxattr, .path = "labelled",
				   .name = "trusted.image"));
	len = INSIDE(0, listxattr, .path = "labelled");
	ASSERT_LT(0, len);
	for (const char *name = self->t.call->buf;
	     name < self->t.call->buf + len; name += strlen(name) + 1)
		ASSERT_NE(0, strncmp("trusted.", name, 8));
}

/* File handles lead the container's root to its own tree and nowhere else. */
TEST_F(tree, handles)
{
	union handle handle, outside;
	char path[64];
	ino_t inode;

	snprintf(path, sizeof(path), "%s/outside/%s", self->t.all, self->t.name);

	/* An overlay has none, unless it was mounted to be exported. */
	if (variant->set.fs >= OVERLAY) {
		ASSERT_EQ(-EOPNOTSUPP, INSIDE(0, handle, .path = "dir"));
		return;
	}
	ASSERT_EQ(0, INSIDE(0, handle, .path = "dir/sub"));
	memcpy(&handle, self->t.call->buf, sizeof(handle));
	ASSERT_EQ(0, INSIDE(0, stat, .path = "dir/sub"));
	inode = self->t.call->st.st_ino;
	ASSERT_EQ(0, INSIDE(0, open_handle, .data = &handle,
			    .flags = O_RDONLY | O_DIRECTORY));
	ASSERT_EQ(inode, self->t.call->st.st_ino);
	ASSERT_EQ(1000, self->t.call->st.st_uid);

	/* Users cannot, and nobody can where the path is not known. */
	ASSERT_EQ(-EPERM, INSIDE(1000, open_handle, .data = &handle,
				 .flags = O_RDONLY | O_DIRECTORY));
	ASSERT_EQ(-EPERM, INSIDE(0, open_handle, .data = &handle,
				 .flags = O_RDONLY));

	/* A directory of the same owner, but not below the mount */
	ASSERT_EQ(0, handle_get(path, &outside));
	ASSERT_EQ(-ESTALE, INSIDE(0, open_handle, .data = &outside,
				  .flags = O_RDONLY | O_DIRECTORY));
	ASSERT_EQ(0, handle_get(self->t.all, &outside));
	ASSERT_EQ(-ESTALE, INSIDE(0, open_handle, .data = &outside,
				  .flags = O_RDONLY | O_DIRECTORY));

	/* A directory of the container, but below somebody else's */
	ASSERT_EQ(0, INSIDE(0, handle, .path = "above_dir/sub"));
	memcpy(&handle, self->t.call->buf, sizeof(handle));
	ASSERT_EQ(-ESTALE, INSIDE(0, open_handle, .data = &handle,
				  .flags = O_RDONLY | O_DIRECTORY));
	ASSERT_EQ(0, INSIDE(0, handle, .path = "above_dir"));
	memcpy(&handle, self->t.call->buf, sizeof(handle));
	ASSERT_EQ(-ESTALE, INSIDE(0, open_handle, .data = &handle,
				  .flags = O_RDONLY | O_DIRECTORY));
}

/* Apart from the ids, it is the same file in another mount. */
TEST_F(tree, same_file)
{
	struct statx *inside = (struct statx *)self->t.call->buf;
	__u64 mount;
	struct stat st;

	ASSERT_EQ(0, INSIDE(0, statx, .path = "."));
	ASSERT_NE(0, inside->stx_mask & STATX_MNT_ID);
	ASSERT_NE(0, inside->stx_attributes & STATX_ATTR_MOUNT_ROOT);
	mount = inside->stx_mnt_id;

	ASSERT_EQ(0, INSIDE(0, statx, .path = "file"));
	ASSERT_EQ(mount, inside->stx_mnt_id);
	ASSERT_EQ(0, inside->stx_attributes & STATX_ATTR_MOUNT_ROOT);
	ASSERT_EQ(1000, inside->stx_uid);
	ASSERT_EQ(1000, inside->stx_gid);

	ASSERT_EQ(0, fstatat(self->t.host, "file", &st, 0));
	ASSERT_EQ(st.st_size, inside->stx_size);
	ASSERT_EQ(st.st_mode, inside->stx_mode);
	/* An overlay that the container has mounted is another filesystem. */
	if (variant->set.fs == LAYERS)
		return;
	ASSERT_EQ(st.st_ino, inside->stx_ino);
	ASSERT_EQ(st.st_blocks, inside->stx_blocks);
	ASSERT_EQ(st.st_dev, makedev(inside->stx_dev_major,
				     inside->stx_dev_minor));
}

static int do_clone(void *arg)
{
	const int mnt = clone_mount(arg);

	return mnt < 0 ? -errno : mnt;
}

/* What has got a mapping cannot be marked, nor get another mapping. */
TEST_F(tree, mapped_once)
{
	int helper, mnt;

	mnt = fd_from_container(&self->t.box, do_clone,
				variant->set.fs == LAYERS ? IN_LOWER : DST);
	ASSERT_LE(0, mnt);
	ASSERT_EQ(-1, mark_origin(mnt, variant->set.origin, BASE));
	ASSERT_EQ(EINVAL, errno);
	ASSERT_EQ(-1, shift_direct(mnt, self->t.box.user.fd, 0, 0, 1));
	ASSERT_EQ(EPERM, errno);
	helper = userns_open("0 0 1", "0 0 1");
	ASSERT_EQ(-1, idmap(mnt, helper));
	ASSERT_EQ(EPERM, errno);
}

/* What the container makes is stored with the ids of the origin. */
TEST_F(writable, create)
{
	/* Overlayfs keeps these for itself. */
	const int whiteout = variant->set.fs >= OVERLAY ? -EPERM : 0;
	struct stat st;

	ASSERT_EQ(0, INSIDE(0, create, .path = "new"));
	ASSERT_EQ(0, INSIDE(0, mkdir, .path = "new_dir"));
	ASSERT_EQ(0, INSIDE(0, symlink, .path = "new_link"));
	ASSERT_EQ(0, INSIDE(0, mknod, .path = "new_fifo", .mode = S_IFIFO | 0600));
	ASSERT_EQ(0, INSIDE(0, mknod, .path = "new_sock",
			    .mode = S_IFSOCK | 0600));
	ASSERT_EQ(0, INSIDE(0, tmpfile, .path = ".", .to = "new_tmp"));
	ASSERT_BOTH("new", 0, 0);
	ASSERT_BOTH("new_dir", 0, 0);
	ASSERT_BOTH("new_link", 0, 0);
	ASSERT_BOTH("new_fifo", 0, 0);
	ASSERT_BOTH("new_sock", 0, 0);
	ASSERT_BOTH("new_tmp", 0, 0);

	ASSERT_EQ(0, INSIDE(1000, create, .path = "public/new"));
	ASSERT_EQ(0, INSIDE(1000, mkdir, .path = "public/new_dir"));
	ASSERT_EQ(0, INSIDE(1000, symlink, .path = "public/new_link"));
	ASSERT_EQ(0, INSIDE(1000, tmpfile, .path = "public", .to = "public/tmp"));
	ASSERT_BOTH("public/new", 1000, 1000);
	ASSERT_BOTH("public/new_dir", 1000, 1000);
	ASSERT_BOTH("public/new_link", 1000, 1000);
	ASSERT_BOTH("public/tmp", 1000, 1000);
	ASSERT_EQ(-EACCES, INSIDE(1000, create, .path = "not_mine"));

	ASSERT_EQ(0, INSIDE(COUNT - 1, create, .path = "public/last"));
	ASSERT_BOTH("public/last", COUNT - 1, COUNT - 1);

	/* A directory with the set-group-ID bit hands on its group. */
	ASSERT_EQ(0, INSIDE(0, chown, .path = "public", .ids = { 0, 1000 }));
	ASSERT_EQ(0, INSIDE(0, chmod, .path = "public", .mode = 02777));
	ASSERT_EQ(0, INSIDE(2000, create, .path = "public/group"));
	ASSERT_EQ(0, INSIDE(2000, mkdir, .path = "public/group_dir"));
	ASSERT_BOTH("public/group", 2000, 1000);
	ASSERT_BOTH("public/group_dir", 2000, 1000);
	ASSERT_EQ(0, INSIDE(0, stat, .path = "public/group_dir"));
	ASSERT_NE(0, self->t.call->st.st_mode & S_ISGID);

	/* No device can be made, but for the one that hides files of a lower layer. */
	ASSERT_EQ(-EPERM, INSIDE(0, mknod, .path = "device", .mode = S_IFCHR | 0666,
				 .dev = makedev(1, 3)));
	ASSERT_EQ(-EPERM, INSIDE(0, mknod, .path = "device", .mode = S_IFBLK | 0666,
				 .dev = makedev(7, 0)));
	ASSERT_EQ(whiteout, INSIDE(0, mknod, .path = "device", .mode = S_IFCHR,
				   .dev = makedev(0, 0)));
	if (whiteout)
		return;
	ASSERT_BOTH("device", 0, 0);
	ASSERT_EQ(0, fstatat(self->t.disk, "device", &st, 0));
	ASSERT_TRUE(S_ISCHR(st.st_mode));
	ASSERT_EQ(0, st.st_rdev);
}

/* Nobody gets a file whose id the origin does not have. */
TEST_F(writable, create_outside)
{
	static const struct ids ids[] = {
		{ ABOVE, 3000 }, { 2000, ABOVE },
		{ UNKNOWN, 3000 }, { 2000, UNKNOWN },
		{ -1, 3000 },
	};
	const struct call half = { .fn = do_create, .path = "public/new" };

	/* By its own id... */
	ASSERT_EQ(-EOVERFLOW, INSIDE(ABOVE, create, .path = "public/new"));
	ASSERT_EQ(-EOVERFLOW, INSIDE(ABOVE, mkdir, .path = "public/new"));
	ASSERT_EQ(-EOVERFLOW, INSIDE(ABOVE, symlink, .path = "public/new"));
	ASSERT_EQ(-EOVERFLOW, INSIDE(ABOVE, mknod, .path = "public/new",
				     .mode = S_IFIFO | 0600));
	ASSERT_EQ(-EOVERFLOW, INSIDE(ABOVE, tmpfile, .path = "public",
				     .to = "public/new"));
	ASSERT_EQ(-EOVERFLOW, inside_as(&self->t, 1000, ABOVE, &half));
	ASSERT_EQ(-EOVERFLOW, inside_as(&self->t, ABOVE, 1000, &half));
	ASSERT_EQ(0, inside_as(&self->t, 1000, 1000, &half));

	/* ...as a gift... */
	ASSERT_EQ(-EOVERFLOW, INSIDE(0, chown, .path = "file",
				     .ids = { ABOVE, -1 }));
	ASSERT_EQ(-EOVERFLOW, INSIDE(0, chown, .path = "file",
				     .ids = { -1, ABOVE }));
	ASSERT_EQ(-EINVAL, INSIDE(0, chown, .path = "file",
				  .ids = { UNKNOWN, -1 }));
	ASSERT_SEEN("file", 1000, 1000);

	/* ...or in an access control list, which squashfs has not even in an overlay. */
	ASSERT_EQ(0, INSIDE(1000, chmod, .path = "file", .mode = 0600));
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		const struct acl acl = acl_for(ids[i].uid, ids[i].gid);

		ASSERT_EQ(-EINVAL, INSIDE(0, setxattr, .path = "file",
					  .name = ACL_ACCESS, .data = &acl,
					  .size = sizeof(acl)));
	}
	ASSERT_EQ(-ENODATA, INSIDE(0, getxattr, .path = "file",
				   .name = ACL_ACCESS));
}

/* Links, new names and removal, with the rules of a sticky directory */
TEST_F(writable, names)
{
	struct stat st;

	ASSERT_EQ(0, INSIDE(1000, create, .path = "public/a"));
	ASSERT_EQ(0, INSIDE(1000, link, .path = "public/a", .to = "public/b"));
	ASSERT_EQ(0, INSIDE(1000, rename, .path = "public/b", .to = "public/c"));
	ASSERT_BOTH("public/c", 1000, 1000);
	ASSERT_EQ(0, fstatat(self->t.disk, "public/c", &st, 0));
	ASSERT_EQ(2, st.st_nlink);

	ASSERT_EQ(-EPERM, INSIDE(2000, unlink, .path = "public/c"));
	ASSERT_EQ(-EPERM, INSIDE(2000, rename, .path = "public/c",
				 .to = "public/d"));
	ASSERT_EQ(0, INSIDE(1000, unlink, .path = "public/c"));
	ASSERT_EQ(0, INSIDE(0, unlink, .path = "public/a"));
	ASSERT_EQ(-1, fstatat(self->t.disk, "public/a", &st, 0));
	ASSERT_EQ(ENOENT, errno);

	ASSERT_EQ(0, INSIDE(1000, mkdir, .path = "public/dir"));
	ASSERT_EQ(0, INSIDE(1000, rename, .path = "public/dir",
			    .to = "public/dir2"));
	ASSERT_BOTH("public/dir2", 1000, 1000);
	ASSERT_EQ(0, INSIDE(1000, rmdir, .path = "public/dir2"));

	ASSERT_EQ(0, INSIDE(0, unlink, .path = "file"));
	ASSERT_EQ(-ENOENT, INSIDE(0, stat, .path = "file"));
}

/* The owner of a file changes it, and the root gives it away. */
TEST_F(writable, change)
{
	struct stat st;

	ASSERT_EQ(-EPERM, INSIDE(2000, chmod, .path = "file", .mode = 0666));
	ASSERT_EQ(-EPERM, INSIDE(2000, utimes, .path = "file"));
	ASSERT_EQ(-EACCES, INSIDE(2000, truncate, .path = "file", .size = 1));
	ASSERT_EQ(0, INSIDE(1000, chmod, .path = "file", .mode = 0604));
	ASSERT_EQ(0, INSIDE(1000, utimes, .path = "file"));
	ASSERT_EQ(0, INSIDE(1000, truncate, .path = "file", .size = 3));
	ASSERT_EQ(0, INSIDE(1000, append, .path = "file", .size = 4));
	ASSERT_BOTH("file", 1000, 1000);
	ASSERT_EQ(0, fstatat(self->t.disk, "file", &st, 0));
	ASSERT_EQ(S_IFREG | 0604, st.st_mode);
	ASSERT_EQ(7, st.st_size);

	ASSERT_EQ(-EPERM, INSIDE(1000, chown, .path = "file",
				 .ids = { 2000, 1000 }));
	ASSERT_EQ(0, INSIDE(0, chown, .path = "file", .ids = { 2000, 3000 }));
	ASSERT_BOTH("file", 2000, 3000);
	ASSERT_EQ(0, INSIDE(0, chown, .path = "link", .ids = { 2000, 3000 }));
	ASSERT_BOTH("link", 2000, 3000);
	ASSERT_EQ(0, INSIDE(0, chown, .path = "dir", .ids = { 2000, 3000 }));
	ASSERT_BOTH("dir", 2000, 3000);
	ASSERT_EQ(0, INSIDE(0, chown, .path = "file",
			    .ids = { COUNT - 1, COUNT - 1 }));
	ASSERT_BOTH("file", COUNT - 1, COUNT - 1);
}

/* What belongs to nobody here cannot be changed, not even where all may write. */
TEST_F(writable, change_outside)
{
	/* On an overlay of its own, the container's root may chown(2) anything... */
	const int chown_error = variant->set.fs == LAYERS ? -EOVERFLOW : -EPERM;

	ASSERT_EQ(-EACCES, INSIDE(0, open, .path = "above", .flags = O_WRONLY));
	ASSERT_EQ(-EACCES, INSIDE(ABOVE, open, .path = "above",
				  .flags = O_WRONLY));
	ASSERT_EQ(-EACCES, INSIDE(1000, open, .path = "above_group",
				  .flags = O_WRONLY));
	ASSERT_EQ(-EACCES, INSIDE(0, truncate, .path = "above"));
	ASSERT_EQ(-EOVERFLOW, INSIDE(0, chmod, .path = "above", .mode = 0600));
	ASSERT_EQ(-EOVERFLOW, INSIDE(1000, chmod, .path = "above_group",
				     .mode = 0600));
	/* ...but what it cannot copy up. */
	ASSERT_EQ(chown_error, INSIDE(0, chown, .path = "above"));
	ASSERT_EQ(-EPERM, INSIDE(0, setxattr, .path = "above",
				 .name = "user.new", .data = "", .size = 1));
	ASSERT_EQ(-EOVERFLOW, INSIDE(0, unlink, .path = "above"));
	ASSERT_EQ(-EOVERFLOW, INSIDE(0, rename, .path = "above", .to = "mine"));
	ASSERT_EQ(-EOVERFLOW, INSIDE(0, link, .path = "above", .to = "mine"));
	ASSERT_EQ(-EOVERFLOW, INSIDE(0, rename, .path = "public",
				     .to = "above_dir"));
	ASSERT_EQ(-EOVERFLOW, INSIDE(0, rename, .path = "file", .to = "above"));
	ASSERT_EQ(-EACCES, INSIDE(0, create, .path = "above_dir/new"));
	ASSERT_EQ(-EACCES, INSIDE(0, rmdir, .path = "above_dir/sub"));
	ASSERT_OWNER(self->t.host, "above", raw(&self->t, ABOVE),
		     raw(&self->t, ABOVE));
}

/* An access control list has the ids of its reader inside, those of the origin on disk. */
TEST_F(writable, acl)
{
	const struct call file = { .fn = do_open, .path = "file" };
	const struct acl inside = acl_for(2000, 3000);
	const struct acl on_disk = acl_for(raw(&self->t, 2000),
					   raw(&self->t, 3000));
	struct acl acl;

	/* Squashfs has none, so it must be the upper layer of an overlay. */
	ASSERT_EQ(0, INSIDE(1000, chmod, .path = "file", .mode = 0600));
	ASSERT_EQ(0, INSIDE(1000, chmod, .path = "dir", .mode = 0755));

	ASSERT_EQ(-EACCES, INSIDE(2000, open, .path = "file", .flags = O_RDWR));
	ASSERT_EQ(-EPERM, INSIDE(2000, setxattr, .path = "file",
				 .name = ACL_ACCESS, .data = &inside,
				 .size = sizeof(inside)));
	ASSERT_EQ(0, INSIDE(1000, setxattr, .path = "file", .name = ACL_ACCESS,
			    .data = &inside, .size = sizeof(inside)));
	ASSERT_EQ(sizeof(inside), INSIDE(0, getxattr, .path = "file",
					 .name = ACL_ACCESS));
	ASSERT_TRUE(same(self->t.call->buf, &inside));
	ASSERT_EQ(sizeof(acl), raw_getxattr(self->t.disk, "file", ACL_ACCESS,
					    &acl, sizeof(acl)));
	ASSERT_TRUE(same(&acl, &on_disk));

	ASSERT_EQ(0, INSIDE(2000, open, .path = "file", .flags = O_RDWR));
	ASSERT_EQ(0, inside_as(&self->t, 2001, 3000, &file));
	ASSERT_EQ(-EACCES, inside_as(&self->t, 2001, 3001, &file));
	ASSERT_EQ(-EACCES, INSIDE(3000, open, .path = "file", .flags = O_RDWR));

	/* What the host sets, where it can */
	if (variant->set.fs != LAYERS) {
		acl = acl_for(raw(&self->t, 2001), raw(&self->t, ABOVE));
		ASSERT_EQ(0, raw_setxattr(self->t.host, "file", ACL_ACCESS, &acl,
					  sizeof(acl)));
		ASSERT_EQ(0, INSIDE(2001, open, .path = "file", .flags = O_RDWR));
		ASSERT_EQ(-EACCES, INSIDE(2000, open, .path = "file"));
		ASSERT_EQ(-EACCES, INSIDE(ABOVE, open, .path = "file"));
		acl = acl_for(2001, -1);
		ASSERT_EQ(sizeof(acl), INSIDE(0, getxattr, .path = "file",
					      .name = ACL_ACCESS));
		ASSERT_TRUE(same(self->t.call->buf, &acl));
	}

	ASSERT_EQ(0, INSIDE(1000, removexattr, .path = "file",
			    .name = ACL_ACCESS));
	ASSERT_EQ(-ENODATA, INSIDE(0, getxattr, .path = "file",
				   .name = ACL_ACCESS));

	/* Files inherit that of their directory. */
	ASSERT_EQ(0, INSIDE(1000, setxattr, .path = "dir", .name = ACL_DEFAULT,
			    .data = &inside, .size = sizeof(inside)));
	ASSERT_EQ(0, INSIDE(1000, open, .path = "dir/new",
			    .flags = O_CREAT | O_EXCL | O_WRONLY, .mode = 0666));
	ASSERT_BOTH("dir/new", 1000, 1000);
	ASSERT_EQ(sizeof(inside), INSIDE(0, getxattr, .path = "dir/new",
					 .name = ACL_ACCESS));
	ASSERT_TRUE(same(self->t.call->buf, &inside));
	ASSERT_EQ(sizeof(acl), raw_getxattr(self->t.disk, "dir/new", ACL_ACCESS,
					    &acl, sizeof(acl)));
	ASSERT_TRUE(same(&acl, &on_disk));
	ASSERT_EQ(0, INSIDE(2000, open, .path = "dir/new", .flags = O_RDWR));
	ASSERT_EQ(-EACCES, INSIDE(2001, open, .path = "dir/new"));
}

/* Capabilities that are set inside are for this container's programs alone. */
TEST_F(writable, capabilities)
{
	const struct vfs_ns_cap_data v2 = capability_for(VFS_CAP_REVISION_2, 0);
	const struct vfs_ns_cap_data v3 = capability_for(VFS_CAP_REVISION_3, 1000);
	const struct vfs_ns_cap_data above = capability_for(VFS_CAP_REVISION_3,
							    ABOVE);
	const size_t v2_size = XATTR_CAPS_SZ_2, v3_size = XATTR_CAPS_SZ_3;
	struct vfs_ns_cap_data cap;
	struct who who;

	/* A user must not, though the file is its own. */
	ASSERT_EQ(-EPERM, INSIDE(1000, setxattr, .path = "suid_user",
				 .name = CAPABILITY, .data = &v2,
				 .size = v2_size));

	ASSERT_EQ(0, INSIDE(0, setxattr, .path = "plain", .name = CAPABILITY,
			    .data = &v2, .size = v2_size));
	ASSERT_EQ(v2_size, INSIDE(1000, getxattr, .path = "plain",
				  .name = CAPABILITY));
	ASSERT_EQ(0, exec_inside(&self->t, 1000, "plain", &who));
	ASSERT_EQ(CAP_BIT(CAP_NET_RAW), who.caps);

	/* Version 3 for id 0 of the host itself is shown to it as version 2. */
	ASSERT_EQ(variant->set.origin ? v3_size : v2_size,
		  raw_getxattr(self->t.disk, "plain", CAPABILITY, &cap,
			       sizeof(cap)));
	if (variant->set.origin) {
		ASSERT_EQ(VFS_CAP_REVISION_3 | VFS_CAP_FLAGS_EFFECTIVE,
			  le32toh(cap.magic_etc));
		ASSERT_EQ(variant->set.origin, le32toh(cap.rootid));
	}

	/* For a container within, whose root is user 1000 */
	ASSERT_EQ(0, INSIDE(0, setxattr, .path = "plain", .name = CAPABILITY,
			    .data = &v3, .size = v3_size));
	ASSERT_EQ(v3_size, INSIDE(0, getxattr, .path = "plain",
				  .name = CAPABILITY));
	memcpy(&cap, self->t.call->buf, sizeof(cap));
	ASSERT_EQ(1000, le32toh(cap.rootid));
	ASSERT_EQ(v3_size, raw_getxattr(self->t.disk, "plain", CAPABILITY, &cap,
					sizeof(cap)));
	ASSERT_EQ(raw(&self->t, 1000), le32toh(cap.rootid));
	ASSERT_EQ(0, exec_inside(&self->t, 1000, "plain", &who));
	ASSERT_EQ(0, who.caps);

	ASSERT_EQ(-EINVAL, INSIDE(0, setxattr, .path = "plain",
				  .name = CAPABILITY, .data = &above,
				  .size = v3_size));

	/* Whoever changes the program takes them away. */
	ASSERT_EQ(0, INSIDE(0, append, .path = "plain", .size = 1));
	ASSERT_EQ(-ENODATA, INSIDE(0, getxattr, .path = "plain",
				   .name = CAPABILITY));
}

/* Suid bits that are set inside work inside. */
TEST_F(writable, suid)
{
	struct who who;

	ASSERT_EQ(0, INSIDE(0, chown, .path = "plain", .ids = { 2000, 2000 }));
	ASSERT_EQ(0, INSIDE(2000, chmod, .path = "plain", .mode = 06755));
	ASSERT_EQ(0, exec_inside(&self->t, 1000, "plain", &who));
	ASSERT_EQ(1000, who.uid);
	ASSERT_EQ(2000, who.euid);
	ASSERT_EQ(2000, who.egid);

	/* The bit for a group that one does not belong to is not kept. */
	ASSERT_EQ(0, INSIDE(0, chown, .path = "plain", .ids = { 2000, 1000 }));
	ASSERT_EQ(0, INSIDE(2000, chmod, .path = "plain", .mode = 06755));
	ASSERT_EQ(0, INSIDE(0, stat, .path = "plain"));
	ASSERT_EQ(S_IFREG | 04755, self->t.call->st.st_mode);
}

/* Extended attributes: users have theirs, the host keeps its own. */
TEST_F(writable, xattrs)
{
	char value[8] = "";

	ASSERT_EQ(-EACCES, INSIDE(2000, setxattr, .path = "file",
				  .name = "user.new", .data = "x", .size = 1));
	ASSERT_EQ(0, INSIDE(1000, setxattr, .path = "file", .name = "user.new",
			    .data = "x", .size = 1));
	ASSERT_EQ(1, raw_getxattr(self->t.disk, "file", "user.new", value,
				  sizeof(value)));
	ASSERT_EQ('x', value[0]);
	ASSERT_EQ(0, INSIDE(0, removexattr, .path = "file", .name = "user.new"));
	ASSERT_EQ(-ENODATA, INSIDE(0, getxattr, .path = "file",
				   .name = "user.new"));

	ASSERT_EQ(-EPERM, INSIDE(0, setxattr, .path = "file",
				 .name = "trusted.new", .data = "x", .size = 1));
	ASSERT_EQ(-EPERM, INSIDE(0, setxattr, .path = "file",
				 .name = "security.new", .data = "x", .size = 1));
	ASSERT_EQ(-EPERM, INSIDE(0, removexattr, .path = "labelled",
				 .name = "security.image"));
	ASSERT_EQ(-EPERM, INSIDE(0, removexattr, .path = "labelled",
				 .name = "trusted.image"));
}

static int quota_get(int fd, uid_t id, struct if_dqblk *quota)
{
	return syscall(__NR_quotactl_fd, fd, QCMD(Q_GETQUOTA, USRQUOTA), id,
		       quota);
}

/* How many bytes are charged to an id, or -1 */
static long long quota_usage(int fd, uid_t id)
{
	struct if_dqblk quota;

	return quota_get(fd, id, &quota) ? -1 : (long long)quota.dqb_curspace;
}

static int quota_limit(int fd, uid_t id, __u64 kib)
{
	struct if_dqblk quota = {
		.dqb_bhardlimit = kib,
		.dqb_valid = QIF_BLIMITS,
	};

	return syscall(__NR_quotactl_fd, fd, QCMD(Q_SETQUOTA, USRQUOTA), id,
		       &quota);
}

#define KIB(n) ((n) * 1024)

/* Disk space is charged to ids of the origin, and their limits count. */
TEST_F(writable, quota)
{
	struct if_dqblk *quota = (struct if_dqblk *)self->t.call->buf;
	const int fd = self->t.charged;
	struct stat st;

	ASSERT_EQ(0, INSIDE(3000, create, .path = "public/new"));
	ASSERT_EQ(0, INSIDE(3000, append, .path = "public/new",
			    .size = KIB(64)));
	ASSERT_LE(KIB(64), quota_usage(fd, raw(&self->t, 3000)));
	ASSERT_GE(KIB(72), quota_usage(fd, raw(&self->t, 3000)));
	ASSERT_EQ(0, quota_usage(fd, BASE + 3000));

	ASSERT_EQ(0, INSIDE(0, chown, .path = "public/new",
			    .ids = { 4000, 4000 }));
	ASSERT_EQ(0, quota_usage(fd, raw(&self->t, 3000)));
	ASSERT_LE(KIB(64), quota_usage(fd, raw(&self->t, 4000)));
	ASSERT_EQ(0, quota_usage(fd, BASE + 4000));

	/* du(1) agrees on both sides. */
	ASSERT_EQ(0, INSIDE(0, stat, .path = "public/new"));
	ASSERT_EQ(0, fstatat(self->t.disk, "public/new", &st, 0));
	ASSERT_LE(KIB(64) / 512, st.st_blocks);
	ASSERT_EQ(st.st_blocks, self->t.call->st.st_blocks);

	/* Whoever has these limits in the host is somebody else. */
	ASSERT_EQ(0, quota_limit(fd, BASE + 3000, 16));
	ASSERT_EQ(0, INSIDE(3000, create, .path = "public/limited"));
	ASSERT_EQ(0, INSIDE(3000, append, .path = "public/limited",
			    .size = KIB(32)));

	ASSERT_EQ(0, quota_limit(fd, raw(&self->t, 3000), 64));
	ASSERT_EQ(-EDQUOT, INSIDE(3000, append, .path = "public/limited",
				  .size = KIB(64)));
	ASSERT_EQ(-EDQUOT, INSIDE(0, append, .path = "public/limited",
				  .size = KIB(64)));
	ASSERT_EQ(0, quota_limit(fd, raw(&self->t, 3000), 256));
	ASSERT_EQ(0, INSIDE(0, append, .path = "public/limited", .size = KIB(64)));

	/*
	 * quotactl(2) knows nothing of mounts: the container asks about its own ids.
	 * An overlay cannot be asked at all.
	 */
	if (variant->set.fs >= OVERLAY) {
		ASSERT_GT(0, INSIDE(3000, quotactl, .flags = Q_GETQUOTA,
				    .ids.uid = 3000));
		return;
	}
	ASSERT_EQ(0, INSIDE(3000, quotactl, .flags = Q_GETQUOTA,
			    .ids.uid = 3000));
	ASSERT_EQ(0, quota->dqb_curspace);
	ASSERT_EQ(-EPERM, INSIDE(0, quotactl, .flags = Q_GETQUOTA,
				 .ids.uid = 3000));
	ASSERT_EQ(-EPERM, INSIDE(0, quotactl, .flags = Q_SETQUOTA,
				 .ids.uid = 0));
}

/* A filesystem that is read-only remains so, and says so before anything else. */
TEST_F(readonly, nothing)
{
	const struct acl acl = acl_for(2000, 3000);

	ASSERT_EQ(-EROFS, INSIDE(0, open, .path = "file", .flags = O_RDWR));
	ASSERT_EQ(-EROFS, INSIDE(0, open, .path = "above", .flags = O_RDWR));
	ASSERT_EQ(-EROFS, INSIDE(0, truncate, .path = "file"));
	ASSERT_EQ(-EROFS, INSIDE(0, create, .path = "new"));
	ASSERT_EQ(-EROFS, INSIDE(0, mkdir, .path = "new"));
	ASSERT_EQ(-EROFS, INSIDE(0, symlink, .path = "new"));
	ASSERT_EQ(-EROFS, INSIDE(0, mknod, .path = "new", .mode = S_IFIFO));
	ASSERT_EQ(-EROFS, INSIDE(0, tmpfile, .path = ".", .to = "new"));
	ASSERT_EQ(-EROFS, INSIDE(0, link, .path = "file", .to = "new"));
	ASSERT_EQ(-EROFS, INSIDE(0, rename, .path = "file", .to = "new"));
	ASSERT_EQ(-EROFS, INSIDE(0, unlink, .path = "file"));
	ASSERT_EQ(-EROFS, INSIDE(0, rmdir, .path = "public"));
	ASSERT_EQ(-EROFS, INSIDE(0, chmod, .path = "file", .mode = 0666));
	ASSERT_EQ(-EROFS, INSIDE(0, chown, .path = "file"));
	ASSERT_EQ(-EROFS, INSIDE(0, utimes, .path = "file"));
	ASSERT_EQ(-EROFS, INSIDE(0, setxattr, .path = "file",
				 .name = "user.new", .data = "x", .size = 1));
	ASSERT_EQ(-EROFS, INSIDE(0, setxattr, .path = "file",
				 .name = ACL_ACCESS, .data = &acl,
				 .size = sizeof(acl)));
}

/* A file that is copied up keeps its owner, on disk an id of the origin. */
TEST_F(layered, copy_up)
{
	struct stat st, lower;
	char value[8] = "";

	ASSERT_EQ(0, fstatat(self->t.host, "file", &lower, 0));
	ASSERT_EQ(-1, fstatat(self->t.disk, "file", &st, 0));
	ASSERT_EQ(ENOENT, errno);
	ASSERT_EQ(0, INSIDE(1000, append, .path = "file", .size = 3));

	ASSERT_BOTH("file", 1000, 1000);
	ASSERT_EQ(0, fstatat(self->t.disk, "file", &st, 0));
	ASSERT_EQ(lower.st_mode, st.st_mode);
	ASSERT_EQ(lower.st_size + 3, st.st_size);
	ASSERT_EQ(1, raw_getxattr(self->t.disk, "file", "user.image", value,
				  sizeof(value)));
	ASSERT_EQ('u', value[0]);

	ASSERT_EQ(0, INSIDE(0, create, .path = "dir/new"));
	ASSERT_BOTH("dir", 1000, 1000);
	ASSERT_BOTH("dir/new", 0, 0);

	/* A new owner has the file for itself. */
	ASSERT_EQ(0, INSIDE(0, chown, .path = "private", .ids = { 2000, 2000 }));
	ASSERT_BOTH("private", 2000, 2000);
	ASSERT_EQ(0, INSIDE(2000, open, .path = "private", .flags = O_RDWR));

	/* What belongs to nobody here is not copied up. */
	ASSERT_GT(0, INSIDE(0, open, .path = "above", .flags = O_WRONLY));
	ASSERT_GT(0, INSIDE(0, chown, .path = "above"));
	ASSERT_EQ(-1, fstatat(self->t.disk, "above", &st, 0));
	ASSERT_EQ(ENOENT, errno);
}

/* Programs with capabilities or a suid bit are as good as before. */
TEST_F(layered, copy_up_privileged)
{
	struct vfs_ns_cap_data cap;
	struct who who;

	ASSERT_EQ(0, INSIDE(0, chmod, .path = "cap_v3", .mode = 0711));
	ASSERT_BOTH("cap_v3", 0, 0);
	if (variant->set.origin) {
		ASSERT_EQ(XATTR_CAPS_SZ_3,
			  raw_getxattr(self->t.disk, "cap_v3", CAPABILITY, &cap,
				       sizeof(cap)));
		ASSERT_EQ(variant->set.origin, le32toh(cap.rootid));
	}
	ASSERT_EQ(0, exec_inside(&self->t, 1000, "cap_v3", &who));
	ASSERT_EQ(CAP_BIT(CAP_NET_RAW), who.caps);

	ASSERT_EQ(0, INSIDE(0, chmod, .path = "suid", .mode = 06711));
	ASSERT_BOTH("suid", 0, 0);
	ASSERT_EQ(0, exec_inside(&self->t, 1000, "suid", &who));
	ASSERT_EQ(0, who.euid);
}

/* What is removed is hidden, by a device node that belongs to who mounted it. */
TEST_F(layered, whiteout)
{
	const unsigned int owner = variant->set.fs == LAYERS ?
				   variant->set.origin : 0;
	struct stat st;

	ASSERT_EQ(0, INSIDE(0, unlink, .path = "file"));
	ASSERT_EQ(-ENOENT, INSIDE(0, stat, .path = "file"));
	ASSERT_EQ(0, fstatat(self->t.disk, "file", &st, 0));
	ASSERT_TRUE(S_ISCHR(st.st_mode));
	ASSERT_EQ(0, st.st_rdev);
	ASSERT_EQ(owner, st.st_uid);
	ASSERT_EQ(owner, st.st_gid);
	ASSERT_OWNER(self->t.host, variant->set.fs == LAYERS ? "file" : "dir",
		     raw(&self->t, 1000), raw(&self->t, 1000));
}

/* Two containers share what they do with a file, and the ids on disk. */

static int inside_other(const struct tree *t, unsigned int id,
			const struct call *call)
{
	*t->call = *call;
	return in_container_as(&t->other, id, id, run_call, t->call);
}

static int do_watch(struct call *call)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd < 0)
		return -1;
	if (inotify_add_watch(fd, call->path, IN_OPEN | IN_CREATE) < 0)
		return close_fail(fd);
	return fd;
}

static int do_flock(struct call *call)
{
	int fd = open(call->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB))
		return close_fail(fd);
	return fd;
}

static int do_range_lock(struct call *call)
{
	struct flock lock = { .l_type = F_WRLCK };
	int fd = open(call->path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (fcntl(fd, F_OFD_SETLK, &lock))
		return close_fail(fd);
	return fd;
}

static int fd_from_other(const struct tree *t, const struct call *call)
{
	*t->call = *call;
	return fd_from_container(&t->other, run_call, t->call);
}

/* Was there such an event, on that name? */
static bool notified(int fd, __u32 mask, const char *name)
{
	union {
		struct inotify_event first;
		char room[1024];
	} buf;
	ssize_t len = read(fd, &buf, sizeof(buf));

	for (const char *at = buf.room; len > 0 && at < buf.room + len; ) {
		const struct inotify_event *event = (const void *)at;

		if ((event->mask & mask) && event->len &&
		    !strcmp(event->name, name))
			return true;
		at += sizeof(*event) + event->len;
	}
	return false;
}

/* One is told of what the other does. */
TEST_F(shared, notify)
{
	const struct call watch = { .fn = do_watch, .path = "dir" };
	int fd;

	fd = fd_from_other(&self->t, &watch);
	ASSERT_LE(0, fd);
	ASSERT_FALSE(notified(fd, IN_OPEN, "inner"));
	ASSERT_EQ(0, INSIDE(0, open, .path = "dir/inner"));
	ASSERT_TRUE(notified(fd, IN_OPEN, "inner"));
	if (variant->set.fs != SQUASHFS) {
		ASSERT_EQ(0, INSIDE(0, create, .path = "dir/new"));
		ASSERT_TRUE(notified(fd, IN_CREATE, "new"));
	}
	close(fd);
}

/* One waits for the locks of the other. */
TEST_F(shared, lock)
{
	const struct call whole = { .fn = do_flock, .path = "file" };
	const struct call range = { .fn = do_range_lock, .path = "file" };
	int fd;

	fd = fd_from_other(&self->t, &whole);
	ASSERT_LE(0, fd);
	ASSERT_EQ(-EWOULDBLOCK, INSIDE(1000, flock, .path = "file"));
	close(fd);
	ASSERT_LE(0, INSIDE(1000, flock, .path = "file"));

	if (variant->set.fs == SQUASHFS)
		return;
	fd = fd_from_other(&self->t, &range);
	ASSERT_LE(0, fd);
	ASSERT_EQ(-EAGAIN, INSIDE(1000, range_lock, .path = "file"));
	close(fd);
	ASSERT_LE(0, INSIDE(1000, range_lock, .path = "file"));
}

/* The same id is the same user in both, and nobody is anybody by his kernel id. */
TEST_F(shared, ids)
{
	const struct call open_file = {
		.fn = do_open, .path = "public/new", .flags = O_RDWR,
	};
	const struct call see = { .fn = do_stat, .path = "public/new" };

	if (variant->set.fs == SQUASHFS) {
		const struct call file = { .fn = do_open, .path = "file" };

		ASSERT_EQ(0, INSIDE(1000, open, .path = "file"));
		ASSERT_EQ(0, inside_other(&self->t, 1000, &file));
		ASSERT_EQ(-EACCES, inside_other(&self->t, 1001, &file));
		return;
	}
	ASSERT_EQ(0, INSIDE(3000, create, .path = "public/new"));
	ASSERT_EQ(0, INSIDE(3000, chmod, .path = "public/new", .mode = 0600));
	ASSERT_EQ(0, inside_other(&self->t, 0, &see));
	ASSERT_EQ(3000, self->t.call->st.st_uid);
	ASSERT_EQ(3000, self->t.call->st.st_gid);
	ASSERT_EQ(0, inside_other(&self->t, 3000, &open_file));
	ASSERT_EQ(-EACCES, inside_other(&self->t, 3001, &open_file));
}

/* @arg: an overlay on OTHER, of the tree and a tmpfs of the container's own */
static int do_private_overlay(void *arg __maybe_unused)
{
	if (tmpfs_mount(OWN, "0755") || mkdir(OWN "/upper", 0755) ||
	    mkdir(OWN "/work", 0755) ||
	    overlay_mount(DST, OWN "/upper", OWN "/work", "userxattr", OTHER))
		return -errno;
	return 0;
}

/* Many containers on one image, each with its own changes */
TEST_F(shared, private_changes)
{
	const struct call see = { .fn = do_stat, .path = OTHER "/file" };
	struct stat st;
	struct who who;

	ASSERT_EQ(0, in_container(&self->t.box, do_private_overlay, NULL));
	ASSERT_EQ(0, in_container(&self->t.other, do_private_overlay, NULL));

	ASSERT_EQ(-EACCES, INSIDE(2000, append, .path = OTHER "/file",
				  .size = 4));
	ASSERT_EQ(0, INSIDE(1000, append, .path = OTHER "/file", .size = 4));
	ASSERT_EQ(-EACCES, INSIDE(0, open, .path = OTHER "/above",
				  .flags = O_RDWR));
	ASSERT_SEEN(OTHER "/file", 1000, 1000);
	ASSERT_SEEN(OWN "/upper/file", 1000, 1000);
	ASSERT_EQ(0, exec_inside(&self->t, 1000, OTHER "/suid", &who));
	ASSERT_EQ(0, who.euid);

	/* Neither the other container nor the image has changed. */
	ASSERT_EQ(0, fstatat(self->t.host, "file", &st, 0));
	ASSERT_EQ(strlen("file\n"), st.st_size);
	ASSERT_EQ(raw(&self->t, 1000), st.st_uid);
	ASSERT_EQ(0, inside_other(&self->t, 0, &see));
	ASSERT_EQ(strlen("file\n"), self->t.call->st.st_size);
	ASSERT_EQ(1000, self->t.call->st.st_uid);
}

/* A filesystem that cannot be idmapped can neither be marked nor shifted. */
FIXTURE(unsupported)
{
	int mnt;
};

FIXTURE_VARIANT(unsupported)
{
	const char *type;
};

FIXTURE_VARIANT_ADD(unsupported, proc) { .type = "proc" };

FIXTURE_VARIANT_ADD(unsupported, sysfs) { .type = "sysfs" };

FIXTURE_VARIANT_ADD(unsupported, ramfs) { .type = "ramfs" };

FIXTURE_SETUP(unsupported)
{
	const char *reason = shift_unavailable();

	if (reason)
		SKIP(return, "%s", reason);
	self->mnt = fs_fd(variant->type, NULL, NULL);
	ASSERT_LE(0, self->mnt)
		TH_LOG("%m");
}

FIXTURE_TEARDOWN(unsupported)
{
}

TEST_F(unsupported, mark)
{
	ASSERT_EQ(-1, mark(self->mnt, BASE));
	ASSERT_EQ(EINVAL, errno);
	ASSERT_EQ(-1, mark_any(self->mnt));
	ASSERT_EQ(EINVAL, errno);
	ASSERT_FALSE(is_marked(self->mnt));
}

TEST_F(unsupported, shift)
{
	const int userns = userns_open(map_of(BASE), map_of(BASE));

	ASSERT_LE(0, userns);
	ASSERT_EQ(-1, idmap(self->mnt, userns));
	ASSERT_EQ(EINVAL, errno);
	ASSERT_EQ(-1, shift_direct(self->mnt, userns, ORIGIN, ORIGIN, COUNT));
	ASSERT_EQ(EINVAL, errno);
	ASSERT_FALSE(is_shifted(self->mnt));
}

/* Overlays of the host, over layers that are marked or shifted */
FIXTURE(host_overlay)
{
	struct container box;
	int disk;
};

FIXTURE_SETUP(host_overlay)
{
	const char *reason = shift_unavailable();

	if (reason)
		SKIP(return, "%s", reason);
	self->box = (struct container)CONTAINER_NONE;
	ASSERT_EQ(0, scratch_setup());
	ASSERT_EQ(0, tmpfs_mount(OTHER, "0755"));
	ASSERT_EQ(0, make_dir(OTHER "/lower", ORIGIN));
	ASSERT_EQ(0, make_dir(OTHER "/upper", 0));
	ASSERT_EQ(0, make_dir(OTHER "/work", 0));
	self->disk = open_dir(OTHER);
	ASSERT_LE(0, self->disk);
	ASSERT_EQ(0, make_file(self->disk, "lower/file", 0644, ORIGIN + 1000,
			       ORIGIN + 1000));
}

FIXTURE_TEARDOWN(host_overlay)
{
	container_end(&self->box);
}

/* An overlay does not inherit the marks of its layers: others own it. */
TEST_F(host_overlay, of_marked_layers)
{
	int mnt;

	mnt = clone_mount(OTHER);
	ASSERT_LE(0, mnt);
	ASSERT_EQ(0, mark(mnt, BASE));
	ASSERT_EQ(0, attach(mnt, OTHER));
	ASSERT_TRUE(is_marked(mnt));

	mnt = overlay_fd(OTHER "/lower", OTHER "/upper", OTHER "/work", NULL);
	ASSERT_LE(0, mnt);
	ASSERT_FALSE(is_marked(mnt));
	ASSERT_EQ(0, attach(mnt, SRC));

	ASSERT_EQ(0, container_make(&self->box, BASE));
	ASSERT_EQ(-EPERM, in_container(&self->box, do_mount_shifted, NULL));

	/* It can have a mark of its own. */
	ASSERT_EQ(0, mark(mnt, BASE));
	container_end(&self->box);
	ASSERT_EQ(0, container_make(&self->box, BASE));
	ASSERT_EQ(0, in_container(&self->box, do_mount_shifted, NULL));
}

/* @arg: the ids that DST/file has in the container */
static int do_owner(void *arg)
{
	const struct ids *ids = arg;
	struct stat st;

	if (stat(DST "/file", &st))
		return -errno;
	return st.st_uid == ids->uid && st.st_gid == ids->gid ? 0 : 1;
}

/* A layer that was shifted is what it was shifted to; so is what is copied up. */
TEST_F(host_overlay, of_shifted_layer)
{
	struct ids ids = { 1000, 1000 };
	int lower, merged, userns;

	/* From the origin to BASE_B... */
	userns = userns_open(map_of(BASE_B), map_of(BASE_B));
	ASSERT_LE(0, userns);
	lower = clone_mount(OTHER "/lower");
	ASSERT_LE(0, lower);
	ASSERT_EQ(0, shift_direct(lower, userns, ORIGIN, ORIGIN, COUNT));
	ASSERT_EQ(0, attach(lower, OWN));

	merged = overlay_fd(OWN, OTHER "/upper", OTHER "/work", NULL);
	ASSERT_LE(0, merged);
	ASSERT_OWNER(merged, "file", BASE_B + 1000, BASE_B + 1000);

	/* ...and from there to a container. */
	ASSERT_EQ(0, mark_origin(merged, BASE_B, BASE));
	ASSERT_EQ(0, attach(merged, SRC));
	ASSERT_EQ(0, container_make(&self->box, BASE));
	ASSERT_EQ(0, in_container(&self->box, do_mount_shifted, NULL));
	ASSERT_EQ(0, in_container(&self->box, do_owner, &ids));

	ASSERT_EQ(0, chmod(SRC "/file", 0600));
	ASSERT_OWNER(self->disk, "upper/file", BASE_B + 1000, BASE_B + 1000);
	ASSERT_OWNER(self->disk, "lower/file", ORIGIN + 1000, ORIGIN + 1000);
	ASSERT_EQ(0, in_container(&self->box, do_owner, &ids));
}

TEST_HARNESS_MAIN
