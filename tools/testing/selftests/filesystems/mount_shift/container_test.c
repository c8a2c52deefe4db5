// SPDX-License-Identifier: GPL-2.0
/*
 * mount_shift selftests: what a container gets of a mount that was marked for it
 *
 * The host marks a tree of files, and the container's own root mounts it. What
 * the container must not gain by that is tried as well, by it and by others.
 */

#include "container.h"

#include <sys/auxv.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

/* Users of a container, and where the host's maps put them */
#define PROVIDER	5
#define NEIGHBOUR	7

/* Who makes a container of its own in a container */
#define NESTER		1000

/* Paths below a mount. For the ids on disk the host has a file descriptor. */
#define IN_DST(name)	DST "/" name
#define IN_SRC(name)	SRC "/" name
#define IN_OTHER(name)	OTHER "/" name

/*
 * Namespaces that an ordinary user makes. The map is the user's own, or a longer
 * one that is the privilege of newuidmap(1).
 */
static int user_container(struct container *c, const char *map, bool alone)
{
	const struct userns_how how = {
		.uid_map = alone ? map : NULL,
		.gid_map = alone ? map : NULL,
		.unprivileged = true,
		.ids = { USER, USER },
	};

	if (container_make_how(c, &how))
		return -1;
	if (!alone && write_maps(c->user.pid, map, map, NULL)) {
		container_end(c);
		return -1;
	}
	return 0;
}

/* Of the composed map: what is on disk for the @first of its extents */
static int map_first(int mnt, unsigned int *first, unsigned int *count)
{
	struct statmount *sm = statmount_fd(mnt, STATMOUNT_MNT_UIDMAP);
	unsigned int lower;
	int ret = -1;

	if (!sm)
		return -1;
	if (sm->mnt_uidmap_num &&
	    sscanf(sm->str + sm->mnt_uidmap, "%u %u %u", first, &lower,
		   count) == 3)
		ret = 0;
	free(sm);
	return ret;
}

/*
 * What a program gains by being executed. It is this one: see main().
 */
#define GAINED_UID	0x01
#define GAINED_GID	0x02
#define GAINED_CAPS	0x04
#define GAINED_SECURE	0x08
#define GAINED_WANTED	0x10	/* exactly the effective ids that were named */
#define GAINED_NO_EXEC	0x40
#define GAINED_IDS							\
	(GAINED_UID | GAINED_GID | GAINED_SECURE | GAINED_WANTED)

static int tell_gain(char **argv)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];
	int gain = 0;

	if (syscall(__NR_capget, &header, data))
		return 0xff;
	if (geteuid() != getuid())
		gain |= GAINED_UID;
	if (getegid() != getgid())
		gain |= GAINED_GID;
	if (data[0].effective || data[1].effective)
		gain |= GAINED_CAPS;
	if (getauxval(AT_SECURE))
		gain |= GAINED_SECURE;
	if (geteuid() == (uid_t)atol(argv[2]) &&
	    getegid() == (gid_t)atol(argv[3]))
		gain |= GAINED_WANTED;
	return gain;
}

struct run {
	int fd;		/* of the program, opened with O_PATH */
	uid_t uid;	/* what to look for */
	gid_t gid;
};

static int do_run(void *arg)
{
	const struct run *run = arg;
	char uid[16], gid[16];
	char *const argv[] = { "program", "--gain", uid, gid, NULL };
	char *const envp[] = { NULL };
	pid_t pid;

	snprintf(uid, sizeof(uid), "%u", run->uid);
	snprintf(gid, sizeof(gid), "%u", run->gid);
	pid = fork();
	if (!pid) {
		syscall(__NR_execveat, run->fd, "", argv, envp, AT_EMPTY_PATH);
		_exit(GAINED_NO_EXEC);
	}
	return wait_exit(pid);
}

/* In the caller's own name, by a path in its mount namespace */
static int run_path(const char *path, uid_t uid, gid_t gid)
{
	struct run run = { .uid = uid, .gid = gid };
	int ret;

	run.fd = open(path, O_PATH);
	if (run.fd < 0)
		return -errno;
	ret = do_run(&run);
	close(run.fd);
	return ret;
}

struct run_path {
	const char *path;
	uid_t uid;
	gid_t gid;
};

static int do_run_path(void *arg)
{
	const struct run_path *run = arg;

	return run_path(run->path, run->uid, run->gid);
}

FIXTURE(container)
{
	struct container c;
	int src;	/* the image, with the ids on disk */
};

FIXTURE_VARIANT(container)
{
	const char *map;
	bool alone;	/* nobody helped the user to write it */
	uid_t root;	/* on the host */
	__u32 ids;	/* how many the container has */
	__u32 count;	/* how many belong to the origin */
};

/* One range that the administrator has assigned to the container. */
FIXTURE_VARIANT_ADD(container, assigned) {
	.map = "0 200000 65536",
	.root = BASE,
	.ids = COUNT,
	.count = COUNT,
};

/* The user is root, and the other ids are from /etc/subuid. */
FIXTURE_VARIANT_ADD(container, rootless) {
	.map = "0 1001 1\n1 200000 65535",
	.root = USER,
	.ids = COUNT,
	.count = COUNT,
};

/* Without any help: unshare -Urm */
FIXTURE_VARIANT_ADD(container, alone) {
	.map = "0 1001 1",
	.alone = true,
	.root = USER,
	.ids = 1,
	.count = COUNT,
};

/* The container has more ids than the image. */
FIXTURE_VARIANT_ADD(container, small_image) {
	.map = "0 200000 65536",
	.root = BASE,
	.ids = COUNT,
	.count = 1000,
};

FIXTURE_SETUP(container)
{
	struct mount_attr attr = MARK(variant->root);
	const char *reason = shift_unavailable();

	if (reason)
		SKIP(return, "%s", reason);

	self->c = (struct container)CONTAINER_NONE;
	ASSERT_EQ(0, scratch_setup());
	self->src = source_setup();
	ASSERT_LE(0, self->src);
	attr.origin_count = variant->count;
	ASSERT_EQ(0, set_attr(self->src, &attr));
	ASSERT_EQ(0, tmpfs_mount(OTHER, "0777"));
	ASSERT_EQ(0, user_container(&self->c, variant->map, variant->alone));
}

FIXTURE_TEARDOWN(container)
{
	container_end(&self->c);
}

/* The container's copy of the mount is marked, and names its root in the container's terms. */
TEST_F(container, mark_is_visible)
{
	struct statmount sm;
	char optional[128];
	struct container other;
	int mnt;

	IN_CONTAINER(&self->c, 0) {
		mnt = open_mount(SRC);
		ASSERT_LE(0, mnt);
		ASSERT_EQ(0, mount_state(mnt, &sm));
		ASSERT_TRUE(has_attrs(mnt, MOUNT_ATTR_SHIFTABLE));
		ASSERT_FALSE(has_attrs(mnt, MOUNT_ATTR_SHIFT | MOUNT_ATTR_IDMAP));
		ASSERT_EQ((__u64)STATMOUNT_MNT_SHIFT,
			  sm.mask & STATMOUNT_MNT_SHIFT);
		ASSERT_EQ((__u32)ORIGIN, sm.mnt_origin_uid);
		ASSERT_EQ((__u32)ORIGIN, sm.mnt_origin_gid);
		ASSERT_EQ(variant->count, sm.mnt_origin_count);
		ASSERT_EQ(0U, sm.mnt_shift_flags);
		ASSERT_EQ(0U, sm.mnt_shiftable_by);

		snprintf(optional, sizeof(optional),
			 "shiftable:%u:%u:%u shiftable_by:0", ORIGIN, ORIGIN,
			 variant->count);
		ASSERT_STREQ(optional, mountinfo_optional(SRC));

		/* The ids are still those on disk, none of which it knows. */
		ASSERT_OWNER(mnt, "", OVERFLOW_ID, OVERFLOW_ID);
		ASSERT_STREQ("", mountinfo_optional(OTHER));
	}

	/* To another container the one who may shift is nobody it knows. */
	ASSERT_EQ(0, container_make(&other, BASE_C));
	IN_CONTAINER(&other, 0) {
		snprintf(optional, sizeof(optional),
			 "shiftable:%u:%u:%u shiftable_by:%u", ORIGIN, ORIGIN,
			 variant->count, OVERFLOW_ID);
		ASSERT_STREQ(optional, mountinfo_optional(SRC));
	}
	container_end(&other);
}

/* The container's root owns what the origin owns, and its files are stored as the origin's. */
TEST_F(container, shift)
{
	const bool has_users = variant->ids > PROVIDER;
	unsigned int first, count;
	int mnt;

	ASSERT_EQ(0, make_file(self->src, "root", 0600, ORIGIN, ORIGIN));
	ASSERT_EQ(0, make_file(self->src, "user", 0600, ORIGIN + PROVIDER,
			       ORIGIN + NEIGHBOUR));
	ASSERT_EQ(0, mkdirat(self->src, "public", 0700));
	ASSERT_EQ(0, fchmodat(self->src, "public", 0777, 0));
	ASSERT_EQ(0, fchownat(self->src, "public", ORIGIN, ORIGIN, 0));

	IN_CONTAINER(&self->c, 0) {
		/* Without the shift the files are somebody else's. */
		ASSERT_EQ(EACCES, open_errno(AT_FDCWD, IN_SRC("root"), O_RDWR));

		mnt = clone_mount(SRC);
		ASSERT_LE(0, mnt);
		ASSERT_TRUE(is_marked(mnt));
		ASSERT_EQ(0, shift(mnt));
		ASSERT_TRUE(is_shifted(mnt));
		ASSERT_FALSE(is_marked(mnt));
		ASSERT_EQ(0, map_first(mnt, &first, &count));
		ASSERT_EQ((unsigned int)ORIGIN, first);
		ASSERT_EQ(0, attach(mnt, DST));
		ASSERT_EQ(0, close(mnt));

		ASSERT_STREQ("shifted", mountinfo_optional(DST));
		ASSERT_TRUE(has_option(mountinfo_options(DST), "idmapped"));
		ASSERT_OWNER(AT_FDCWD, DST, 0, 0);
		ASSERT_OWNER(AT_FDCWD, IN_DST("root"), 0, 0);
		ASSERT_OWNER(AT_FDCWD, IN_DST("user"),
			     has_users ? PROVIDER : OVERFLOW_ID,
			     has_users ? NEIGHBOUR : OVERFLOW_ID);
		ASSERT_EQ(0, open_errno(AT_FDCWD, IN_DST("root"), O_RDWR));
		ASSERT_EQ(0, make_file(AT_FDCWD, IN_DST("new"), 0600, 0, 0));
		ASSERT_EQ(0, mkdir(IN_DST("newdir"), 0700));
		ASSERT_EQ(0, symlink("root", IN_DST("newlink")));

		/* What was there before is as it was. */
		ASSERT_TRUE(has_option(mountinfo_optional(SRC),
				       "shiftable_by:0"));
		ASSERT_EQ(EACCES, open_errno(AT_FDCWD, IN_SRC("root"), O_RDWR));
	}
	ASSERT_OWNER(self->src, "new", ORIGIN, ORIGIN);
	ASSERT_OWNER(self->src, "newdir", ORIGIN, ORIGIN);
	ASSERT_OWNER(self->src, "newlink", ORIGIN, ORIGIN);
	ASSERT_TRUE(is_marked(self->src));

	if (!has_users)
		return;
	IN_CONTAINER(&self->c, PROVIDER) {
		ASSERT_EQ(0, open_errno(AT_FDCWD, IN_DST("user"), O_RDWR));
		ASSERT_EQ(EACCES,
			  open_errno(AT_FDCWD, IN_DST("root"), O_RDONLY));
		ASSERT_EQ(0, open_errno(AT_FDCWD, IN_DST("public/users"),
					O_CREAT | O_EXCL | O_WRONLY));
	}
	ASSERT_OWNER(self->src, "public/users", ORIGIN + PROVIDER,
		     ORIGIN + PROVIDER);
}

/* A clone can be made and shifted in one call, and restricted further; that much can be undone. */
TEST_F(container, shift_in_one_call)
{
	const struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_SHIFT | MOUNT_ATTR_RDONLY,
	};
	const struct mount_attr writable = { .attr_clr = MOUNT_ATTR_RDONLY };
	int mnt;

	IN_CONTAINER(&self->c, 0) {
		mnt = sys_open_tree_attr(AT_FDCWD, SRC, CLONE_TREE, &attr,
					 sizeof(attr));
		ASSERT_LE(0, mnt);
		ASSERT_TRUE(is_shifted(mnt));
		ASSERT_EQ(0, attach(mnt, DST));
		ASSERT_OWNER(AT_FDCWD, DST, 0, 0);
		ASSERT_EQ(EROFS, open_errno(mnt, "new", O_CREAT | O_WRONLY));
		ASSERT_EQ(0, set_attr(mnt, &writable));
		ASSERT_EQ(0, open_errno(mnt, "new", O_CREAT | O_WRONLY));

		/* What is attached already cannot be shifted in place. */
		ASSERT_REFUSED(EINVAL, sys_open_tree_attr(AT_FDCWD, SRC,
							  OPEN_TREE_CLOEXEC,
							  &attr, sizeof(attr)));
	}
	ASSERT_OWNER(self->src, "new", ORIGIN, ORIGIN);
}

/* Mounts that others may be using already keep their ids: only a fresh clone can be shifted. */
TEST_F(container, attached)
{
	int src, bind;

	ASSERT_EQ(0, mkdirat(self->src, "dir", 0755));

	IN_CONTAINER(&self->c, 0) {
		src = open_mount(SRC);
		ASSERT_LE(0, src);
		ASSERT_REFUSED(EINVAL, shift(src));
		ASSERT_REFUSED(EINVAL, shift_recursive(src));

		ASSERT_EQ(0, sys_mount(SRC, DST, NULL, MS_BIND, NULL));
		bind = open_mount(DST);
		ASSERT_LE(0, bind);
		ASSERT_TRUE(is_marked(bind));
		ASSERT_REFUSED(EINVAL, shift(bind));

		/* Nor can a directory that is not the root of a mount. */
		ASSERT_REFUSED(EINVAL, shift(open(IN_SRC("dir"), O_PATH)));

		ASSERT_OWNER(src, "", OVERFLOW_ID, OVERFLOW_ID);
		ASSERT_OWNER(bind, "", OVERFLOW_ID, OVERFLOW_ID);
		ASSERT_EQ(0, shift(clone_mount_fd(bind)));
	}
}

/* Files can be given to any of the origin's ids that the container has, and to no other. */
TEST_F(container, chown)
{
	const __u32 end = variant->ids < variant->count ? variant->ids :
							  variant->count;
	/* Of what the container knows, the file system may not. */
	const int error = end < variant->ids ? EOVERFLOW : EINVAL;

	ASSERT_EQ(0, make_file(self->src, "file", 0600, ORIGIN, ORIGIN));

	IN_CONTAINER(&self->c, 0) {
		ASSERT_EQ(0, mount_shifted(SRC, DST));
		ASSERT_EQ(0, chown(IN_DST("file"), end - 1, end - 1));
		ASSERT_OWNER(AT_FDCWD, IN_DST("file"), end - 1, end - 1);
		ASSERT_REFUSED(error, chown(IN_DST("file"), end, -1));
		ASSERT_REFUSED(error, chown(IN_DST("file"), -1, end));
		ASSERT_REFUSED(EINVAL, chown(IN_DST("file"), COUNT, -1));
		ASSERT_REFUSED(EINVAL, chown(IN_DST("file"), -1, COUNT));
	}
	ASSERT_OWNER(self->src, "file", ORIGIN + end - 1, ORIGIN + end - 1);
}

/* A user of the container whom the image has no id for cannot create anything there. */
TEST_F(container, user_without_id)
{
	if (variant->count >= variant->ids)
		return;
	ASSERT_EQ(0, fchmod(open(SRC, O_RDONLY), 0777));
	ASSERT_EQ(0, in_container(&self->c, do_mount_shifted, NULL));

	IN_CONTAINER(&self->c, variant->count) {
		ASSERT_EQ(EOVERFLOW, open_errno(AT_FDCWD, IN_DST("new"),
						O_CREAT | O_WRONLY));
		ASSERT_REFUSED(EOVERFLOW, mkdir(IN_DST("newdir"), 0700));
		ASSERT_REFUSED(EOVERFLOW, symlink("new", IN_DST("newlink")));
	}

	IN_CONTAINER(&self->c, variant->count - 1) {
		ASSERT_EQ(0, open_errno(AT_FDCWD, IN_DST("new"),
					O_CREAT | O_WRONLY));
	}
	ASSERT_OWNER(self->src, "new", ORIGIN + variant->count - 1,
		     ORIGIN + variant->count - 1);
}

/* What is not the origin's cannot be reached this way, by the container's root or the host's. */
TEST_F(container, outside_of_window)
{
	const __u32 end = variant->ids < variant->count ? variant->ids :
							  variant->count;
	const struct ids foreign[] = {
		{ 0, 0 },
		{ USER, USER },
		{ BASE, BASE },
		{ ORIGIN - 1, ORIGIN - 1 },
		{ ORIGIN + end, ORIGIN + end },
		/* One that is known does not make up for the other. */
		{ ORIGIN, 0 },
		{ 0, ORIGIN },
	};
	char path[64];
	int dir;

	ASSERT_EQ(0, make_file(self->src, "own", 0600, ORIGIN, ORIGIN));
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		char name[16];

		snprintf(name, sizeof(name), "open%zu", i);
		ASSERT_EQ(0, make_file(self->src, name, 0666, foreign[i].uid,
				       foreign[i].gid));
		snprintf(name, sizeof(name), "closed%zu", i);
		ASSERT_EQ(0, make_file(self->src, name, 0000, foreign[i].uid,
				       foreign[i].gid));
		snprintf(name, sizeof(name), "dir%zu", i);
		ASSERT_EQ(0, mkdirat(self->src, name, 0700));
		ASSERT_EQ(0, fchmodat(self->src, name, 0777, 0));
		ASSERT_EQ(0, fchownat(self->src, name, foreign[i].uid,
				      foreign[i].gid, 0));
	}
	ASSERT_EQ(0, in_container(&self->c, do_mount_shifted, NULL));

	IN_CONTAINER(&self->c, 0) {
		ASSERT_EQ(0, chdir(DST));
		for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
			char open_file[16], closed[16], new[32];

			snprintf(open_file, sizeof(open_file), "open%zu", i);
			snprintf(closed, sizeof(closed), "closed%zu", i);
			snprintf(new, sizeof(new), "dir%zu/new", i);

			ASSERT_OWNER(AT_FDCWD, open_file,
				     foreign[i].uid == ORIGIN ? 0 : OVERFLOW_ID,
				     foreign[i].gid == ORIGIN ? 0 :
								OVERFLOW_ID);
			ASSERT_EQ(0, open_errno(AT_FDCWD, open_file, O_RDONLY));
			ASSERT_EQ(EACCES,
				  open_errno(AT_FDCWD, open_file, O_WRONLY));
			ASSERT_REFUSED(EACCES, truncate(open_file, 0));
			ASSERT_EQ(EACCES,
				  open_errno(AT_FDCWD, closed, O_RDONLY));
			ASSERT_REFUSED(EOVERFLOW, chmod(closed, 0666));
			ASSERT_REFUSED(EPERM, setxattr(open_file, "user.name",
						       "value", 5, 0));
			ASSERT_REFUSED(EOVERFLOW, unlink(open_file));
			ASSERT_REFUSED(EOVERFLOW, rename(open_file, "moved"));
			ASSERT_EQ(EACCES, open_errno(AT_FDCWD, new,
						     O_CREAT | O_WRONLY));
		}
		/* To take possession is not possible either. */
		ASSERT_REFUSED(EPERM, chown("closed0", 0, 0));
		ASSERT_EQ(0, open_errno(AT_FDCWD, "own", O_RDWR));
		ASSERT_EQ(0, rename("own", "moved"));
		ASSERT_EQ(0, rename("moved", "own"));
	}

	/* The host's root has no id there, nor any power over unknown ones. */
	snprintf(path, sizeof(path), "/proc/%d/root" DST, self->c.user.pid);
	dir = open(path, O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, dir);
	ASSERT_OWNER(dir, "own", variant->root, variant->root);
	ASSERT_EQ(EOVERFLOW, open_errno(dir, "new", O_CREAT | O_WRONLY));
	ASSERT_REFUSED(EOVERFLOW, mkdirat(dir, "newdir", 0700));
	ASSERT_REFUSED(EOVERFLOW, symlinkat("new", dir, "newlink"));
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		char name[16];

		snprintf(name, sizeof(name), "open%zu", i);
		ASSERT_EQ(EACCES, open_errno(dir, name, O_WRONLY));
		ASSERT_REFUSED(EOVERFLOW, unlinkat(dir, name, 0));
		snprintf(name, sizeof(name), "closed%zu", i);
		ASSERT_EQ(EACCES, open_errno(dir, name, O_RDONLY));
		ASSERT_OWNER(self->src, name, foreign[i].uid, foreign[i].gid);
	}
	ASSERT_EQ(0, open_errno(dir, "own", O_RDWR));
	/* Through its own mount it can do what it likes. */
	ASSERT_EQ(0, open_errno(self->src, "new", O_CREAT | O_WRONLY));
	ASSERT_EQ(0, open_errno(self->src, "closed1", O_RDWR));
}

/* The container's root has no say in the mark, and cannot map ids of its own choice. */
TEST_F(container, mark_belongs_to_host)
{
	const struct mount_attr unmark_attr = {
		.attr_clr = MOUNT_ATTR_SHIFTABLE,
	};
	const struct mount_attr strip = { .attr_clr = MOUNT_ATTR_IDMAP };
	int mnt[2], own;

	IN_CONTAINER(&self->c, 0) {
		own = open("/proc/self/ns/user", O_RDONLY);
		ASSERT_LE(0, own);
		mnt[0] = clone_mount(SRC);
		ASSERT_LE(0, mnt[0]);
		mnt[1] = open_mount(SRC);
		ASSERT_LE(0, mnt[1]);
		for (size_t i = 0; i < ARRAY_SIZE(mnt); i++) {
			ASSERT_REFUSED(EPERM, unmark(mnt[i]));
			ASSERT_REFUSED(EPERM, mark(mnt[i], 0));
			ASSERT_REFUSED(EPERM, mark_any(mnt[i]));
			ASSERT_REFUSED(EPERM, mark_replace(mnt[i], 0));
			ASSERT_REFUSED(EPERM, mark_revoke(mnt[i]));
			ASSERT_REFUSED(EPERM, idmap(mnt[i], own));
			ASSERT_REFUSED(EPERM, shift_direct(mnt[i], own, ORIGIN,
							   ORIGIN, COUNT));
			ASSERT_REFUSED(EPERM, shift_direct(mnt[i], own, 0, 0,
							   COUNT));
			ASSERT_TRUE(is_marked(mnt[i]));
			ASSERT_FALSE(is_shifted(mnt[i]));
		}
		ASSERT_REFUSED(EPERM, sys_open_tree_attr(AT_FDCWD, SRC,
							 CLONE_TREE,
							 &unmark_attr,
							 sizeof(unmark_attr)));
		ASSERT_REFUSED(EPERM, sys_open_tree_attr(AT_FDCWD, SRC,
							 CLONE_TREE, &strip,
							 sizeof(strip)));

		/* Neither on a mount without a mark. */
		mnt[0] = clone_mount(OTHER);
		ASSERT_LE(0, mnt[0]);
		ASSERT_REFUSED(EPERM, mark(mnt[0], 0));
		ASSERT_REFUSED(EPERM, unmark(mnt[0]));
		ASSERT_REFUSED(EPERM, shift_direct(mnt[0], own, ORIGIN, ORIGIN,
						   COUNT));
		ASSERT_FALSE(is_marked(mnt[0]));

		ASSERT_EQ(0, mount_shifted(SRC, DST));
	}

	ASSERT_TRUE(is_marked(self->src));
	ASSERT_EQ(0, mark_replace(self->src, BASE_B));
	ASSERT_EQ(0, unmark(self->src));
}

/* Without a mark there is nothing to shift, nor after the host has taken it away. */
TEST_F(container, unmarked)
{
	struct container later;
	int mnt;

	IN_CONTAINER(&self->c, 0) {
		mnt = clone_mount(OTHER);
		ASSERT_LE(0, mnt);
		ASSERT_REFUSED(EPERM, shift(mnt));
		ASSERT_FALSE(is_shifted(mnt));

		/* That the file system is its own does not change it. */
		ASSERT_EQ(0, tmpfs_mount(OWN, "0755"));
		mnt = clone_mount(OWN);
		ASSERT_LE(0, mnt);
		ASSERT_REFUSED(EPERM, shift(mnt));
	}

	ASSERT_EQ(0, unmark(self->src));
	ASSERT_EQ(0, user_container(&later, variant->map, variant->alone));
	IN_CONTAINER(&later, 0) {
		mnt = clone_mount(SRC);
		ASSERT_LE(0, mnt);
		ASSERT_FALSE(is_marked(mnt));
		ASSERT_REFUSED(EPERM, shift(mnt));
	}
	container_end(&later);

	/* A copy that was there before keeps its mark: that is what revoking is for. */
	ASSERT_EQ(0, in_container(&self->c, do_mount_shifted, NULL));
}

/* A mount is shifted once and for all: not again, not to other ids, and not back. */
TEST_F(container, once)
{
	const struct mount_attr strip = { .attr_clr = MOUNT_ATTR_IDMAP };
	const struct mount_attr strip_and_shift = {
		.attr_clr = MOUNT_ATTR_IDMAP,
		.attr_set = MOUNT_ATTR_SHIFT,
	};
	const struct mount_attr shift_attr = { .attr_set = MOUNT_ATTR_SHIFT };
	struct mount_attr replace = {
		.attr_clr = MOUNT_ATTR_IDMAP,
		.attr_set = MOUNT_ATTR_IDMAP,
	};
	struct mount_attr replace_shift = {
		.attr_clr = MOUNT_ATTR_IDMAP,
		.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_SHIFT,
	};
	int mnt, copy, ns;

	IN_CONTAINER(&self->c, 0) {
		ns = userns_open("0 0 1", "0 0 1");
		ASSERT_LE(0, ns);
		replace.userns_fd = ns;
		replace_shift.userns_fd = ns;

		mnt = clone_mount(SRC);
		ASSERT_LE(0, mnt);
		ASSERT_EQ(0, shift(mnt));
		ASSERT_REFUSED(EPERM, shift(mnt));
		ASSERT_REFUSED(EPERM, idmap(mnt, ns));
		ASSERT_REFUSED(EPERM, shift_direct(mnt, ns, ORIGIN, ORIGIN, 0));
		ASSERT_EQ(0, attach(mnt, DST));
		ASSERT_REFUSED(EPERM, shift(mnt));

		/* A clone of it is shifted as well, and can do no more. */
		copy = clone_mount(DST);
		ASSERT_LE(0, copy);
		ASSERT_TRUE(is_shifted(copy));
		ASSERT_OWNER(copy, "", 0, 0);
		ASSERT_REFUSED(EPERM, shift(copy));
		ASSERT_REFUSED(EPERM, sys_open_tree_attr(AT_FDCWD, DST,
							 CLONE_TREE,
							 &shift_attr,
							 sizeof(shift_attr)));
		ASSERT_REFUSED(EPERM, sys_open_tree_attr(AT_FDCWD, DST,
							 CLONE_TREE, &strip,
							 sizeof(strip)));
		ASSERT_REFUSED(EPERM, sys_open_tree_attr(AT_FDCWD, DST,
							 CLONE_TREE, &replace,
							 sizeof(replace)));
		ASSERT_REFUSED(EPERM, sys_open_tree_attr(AT_FDCWD, DST,
							 CLONE_TREE,
							 &replace_shift,
							 sizeof(replace_shift)));
		ASSERT_REFUSED(EINVAL, sys_open_tree_attr(AT_FDCWD, DST,
							  CLONE_TREE,
							  &strip_and_shift,
							  sizeof(strip_and_shift)));
		ASSERT_REFUSED(EINVAL, sys_open_tree_attr(AT_FDCWD, SRC,
							  CLONE_TREE,
							  &strip_and_shift,
							  sizeof(strip_and_shift)));
		ASSERT_OWNER(AT_FDCWD, DST, 0, 0);

		/* The mark is there to be used as often as needed. */
		ASSERT_EQ(0, shift(clone_mount(SRC)));
	}
}

static int do_clone_and_shift(void *arg)
{
	int mnt = clone_mount(arg);

	if (mnt < 0 || shift(mnt))
		return -errno;
	return mnt;
}

/* The host does not mark what is shifted: a mark is for the ids on disk. */
TEST_F(container, mark_shifted)
{
	int mnt = fd_from_container(&self->c, do_clone_and_shift, SRC);

	ASSERT_LE(0, mnt);
	ASSERT_OWNER(mnt, "", variant->root, variant->root);
	ASSERT_REFUSED(EINVAL, mark(mnt, variant->root));
	ASSERT_REFUSED(EINVAL, mark_replace(mnt, variant->root));
	ASSERT_EQ(0, unmark(mnt));
	ASSERT_OWNER(mnt, "", variant->root, variant->root);
}

/* Nobody writes while ids change under him. */
TEST_F(container, writers)
{
	int mnt, file;

	ASSERT_EQ(0, make_file(self->src, "file", 0666, ORIGIN, ORIGIN));

	IN_CONTAINER(&self->c, 0) {
		mnt = clone_mount(SRC);
		ASSERT_LE(0, mnt);
		file = openat(mnt, "file", O_WRONLY);
		ASSERT_LE(0, file);
		ASSERT_REFUSED(EBUSY, shift(mnt));
		ASSERT_TRUE(is_marked(mnt));
		ASSERT_FALSE(is_shifted(mnt));
		ASSERT_EQ(1, write(file, "x", 1));
		ASSERT_EQ(0, close(file));

		/* Readers do not matter. */
		file = openat(mnt, "file", O_RDONLY);
		ASSERT_LE(0, file);
		ASSERT_EQ(0, shift(mnt));
		ASSERT_EQ(0, open_errno(mnt, "file", O_WRONLY));
	}
}

/* A user of the container without CAP_SYS_ADMIN there cannot shift what he is given. */
TEST_F(container, unprivileged_user)
{
	int mnt = clone_mount(SRC);

	ASSERT_LE(0, mnt);
	IN_CONTAINER(&self->c, 0) {
		ASSERT_EQ(0, caps_keep(~CAP_BIT(CAP_SYS_ADMIN)));
		ASSERT_REFUSED(EPERM, shift(mnt));
		ASSERT_REFUSED(EPERM, clone_mount(SRC));
	}
	ASSERT_EQ(0, in_container(&self->c, do_shift_fd, &mnt));
}

/* The container's root has power only in its own mount namespace and its own user namespace. */
TEST_F(container, other_mount_namespace)
{
	int mnt = clone_mount(SRC);

	ASSERT_LE(0, mnt);

	/* Container user namespace, host mount namespace */
	IN_CHILD() {
		ASSERT_EQ(0, setns(self->c.user.fd, CLONE_NEWUSER));
		ASSERT_EQ(0, sys_setresgid(0, 0, 0));
		ASSERT_EQ(0, sys_setresuid(0, 0, 0));
		ASSERT_REFUSED(EPERM, shift(mnt));
	}

	/* A user namespace below, the container's mount namespace */
	IN_CONTAINER(&self->c, 0) {
		ASSERT_EQ(0, unshare(CLONE_NEWUSER));
		ASSERT_REFUSED(EPERM, shift(mnt));
	}

	/* On the host there is no user namespace to shift to. */
	ASSERT_REFUSED(EPERM, shift(mnt));
	ASSERT_TRUE(is_marked(mnt));
	ASSERT_EQ(0, in_container(&self->c, do_shift_fd, &mnt));
}

/* The host's root in the container's mount namespace gets the container's ids, not its own. */
TEST_F(container, manager)
{
	IN_CHILD() {
		ASSERT_EQ(0, setns(self->c.mnt, CLONE_NEWNS));
		ASSERT_EQ(0, mount_shifted(SRC, DST));
		ASSERT_OWNER(AT_FDCWD, DST, variant->root, variant->root);
		ASSERT_EQ(EOVERFLOW, open_errno(AT_FDCWD, IN_DST("new"),
						O_CREAT | O_WRONLY));
	}

	IN_CONTAINER(&self->c, 0) {
		ASSERT_OWNER(AT_FDCWD, DST, 0, 0);
		ASSERT_EQ(0, open_errno(AT_FDCWD, IN_DST("new"),
					O_CREAT | O_WRONLY));
	}
	ASSERT_OWNER(self->src, "new", ORIGIN, ORIGIN);
}

/* What is shifted can be remounted and unmounted as any mount of the container's own. */
TEST_F(container, administration)
{
	IN_CONTAINER(&self->c, 0) {
		ASSERT_EQ(0, mount_shifted(SRC, DST));
		ASSERT_EQ(0, sys_mount(NULL, DST, NULL, MS_REMOUNT | MS_BIND |
				       MS_NODEV | MS_RDONLY, NULL));
		ASSERT_STREQ("shifted", mountinfo_optional(DST));
		ASSERT_OWNER(AT_FDCWD, DST, 0, 0);
		ASSERT_EQ(EROFS, open_errno(AT_FDCWD, IN_DST("new"),
					    O_CREAT | O_WRONLY));
		ASSERT_EQ(0, sys_mount(NULL, DST, NULL,
				       MS_REMOUNT | MS_BIND | MS_NODEV, NULL));
		ASSERT_EQ(0, open_errno(AT_FDCWD, IN_DST("new"),
					O_CREAT | O_WRONLY));

		/* The file system itself remains the host's. */
		ASSERT_REFUSED(EPERM, sys_mount(NULL, DST, NULL,
						MS_REMOUNT | MS_RDONLY, NULL));

		ASSERT_EQ(0, sys_mount(DST, OWN, NULL, MS_BIND, NULL));
		ASSERT_STREQ("shifted", mountinfo_optional(OWN));
		ASSERT_EQ(0, sys_umount2(OWN, 0));
		ASSERT_EQ(0, sys_umount2(DST, 0));
		ASSERT_REFUSED(EINVAL, sys_umount2(DST, 0));

		/* The mark came with the container's file systems. */
		ASSERT_REFUSED(EINVAL, sys_umount2(SRC, 0));
		ASSERT_EQ(0, mount_shifted(SRC, DST));
	}
	ASSERT_OWNER(self->src, "new", ORIGIN, ORIGIN);
}

/* Revoking reaches every copy of the mark, wherever it is, but not what is shifted already. */
TEST_F(container, revoke)
{
	int early = clone_mount(SRC), other;
	char optional[128];

	ASSERT_LE(0, early);
	/* Another mark on the same files is another mark. */
	other = clone_mount(SRC);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, mark_replace(other, variant->root));
	ASSERT_EQ(0, in_container(&self->c, do_mount_shifted, NULL));

	ASSERT_EQ(0, mark_revoke(self->src));
	ASSERT_FALSE(is_marked(self->src));

	IN_CONTAINER(&self->c, 0) {
		ASSERT_REFUSED(EPERM, shift(early));
		ASSERT_REFUSED(EPERM, shift(clone_mount(SRC)));
		snprintf(optional, sizeof(optional),
			 "shiftable:%u:%u:%u shiftable_by:revoked", ORIGIN,
			 ORIGIN, variant->count);
		ASSERT_STREQ(optional, mountinfo_optional(SRC));

		ASSERT_OWNER(AT_FDCWD, DST, 0, 0);
		ASSERT_EQ(0, open_errno(AT_FDCWD, IN_DST("new"),
					O_CREAT | O_WRONLY));
		ASSERT_EQ(0, shift(other));
	}

	/* A new mark on the host's mount does not bring the old one back. */
	ASSERT_TRUE(is_marked(early));
	ASSERT_EQ(0, mark(self->src, variant->root));
	ASSERT_EQ(-EPERM, in_container(&self->c, do_shift_fd, &early));
	ASSERT_EQ(-EPERM, in_container(&self->c, do_mount_shifted, NULL));
}

/* The host can do it for the container, with an origin but no mark, and hand it over. */
TEST_F(container, shifted_by_host)
{
	int mnt, no_ids, userns = self->c.user.fd;

	no_ids = userns_open(NULL, NULL);
	ASSERT_LE(0, no_ids);
	mnt = clone_mount(SRC);
	ASSERT_LE(0, mnt);
	ASSERT_EQ(0, unmark(mnt));
	ASSERT_REFUSED(EINVAL, shift_direct(mnt, no_ids, ORIGIN, ORIGIN, 0));
	ASSERT_EQ(0, shift_direct(mnt, userns, ORIGIN, ORIGIN, 0));
	ASSERT_REFUSED(EPERM, shift_direct(mnt, userns, 0, 0, 0));
	ASSERT_OWNER(mnt, "", variant->root, variant->root);

	/* It is attached in the container, by the host and by the container. */
	IN_CHILD() {
		int copy = clone_mount_fd(mnt);

		ASSERT_LE(0, copy);
		ASSERT_EQ(0, setns(self->c.mnt, CLONE_NEWNS));
		ASSERT_EQ(0, attach(copy, DST));
	}

	IN_CONTAINER(&self->c, 0) {
		ASSERT_EQ(0, attach(mnt, OWN));
		ASSERT_STREQ("shifted", mountinfo_optional(DST));
		ASSERT_STREQ("shifted", mountinfo_optional(OWN));
		ASSERT_OWNER(AT_FDCWD, DST, 0, 0);
		ASSERT_EQ(0, open_errno(AT_FDCWD, IN_DST("new"),
					O_CREAT | O_WRONLY));
		ASSERT_OWNER(AT_FDCWD, OWN "/new", 0, 0);
		ASSERT_REFUSED(EPERM, shift(clone_mount(DST)));
	}
	ASSERT_OWNER(self->src, "new", ORIGIN, ORIGIN);
}

static int do_open_dir(void *arg)
{
	int dir;

	if (mount_shifted(IN_SRC("image"), DST))
		return -errno;
	dir = open(arg, O_PATH);
	return dir < 0 ? -errno : dir;
}

/* A directory that is moved out of what was shifted leaves no way up behind it. */
TEST_F(container, dotdot)
{
	int dir;

	ASSERT_EQ(0, mkdirat(self->src, "image", 0755));
	ASSERT_EQ(0, mkdirat(self->src, "image/dir", 0755));
	ASSERT_EQ(0, make_file(self->src, "outside", 0644, ORIGIN, ORIGIN));

	dir = fd_from_container(&self->c, do_open_dir, IN_DST("dir"));
	ASSERT_LE(0, dir);
	for (int moved = 0; moved < 2; moved++) {
		IN_CONTAINER(&self->c, 0) {
			ASSERT_EQ(moved ? ENOENT : 0,
				  open_errno(dir, "..", O_RDONLY));
			ASSERT_EQ(ENOENT,
				  open_errno(dir, "../outside", O_RDONLY));
			ASSERT_EQ(ENOENT,
				  open_errno(AT_FDCWD, IN_DST("../outside"),
					     O_RDONLY));
		}
		if (!moved)
			ASSERT_EQ(0, renameat(self->src, "image/dir", self->src,
					      "dir"));
	}
}

/* Attributes of the marked mount stay, wherever its clones go. */
FIXTURE(restricted)
{
	struct container c;
	int src;
};

FIXTURE_VARIANT(restricted)
{
	__u64 attrs;
};

FIXTURE_VARIANT_ADD(restricted, none) {
	.attrs = 0,
};

FIXTURE_VARIANT_ADD(restricted, rdonly) {
	.attrs = MOUNT_ATTR_RDONLY,
};

FIXTURE_VARIANT_ADD(restricted, nosuid) {
	.attrs = MOUNT_ATTR_NOSUID,
};

FIXTURE_VARIANT_ADD(restricted, noexec) {
	.attrs = MOUNT_ATTR_NOEXEC,
};

FIXTURE_VARIANT_ADD(restricted, nodev) {
	.attrs = MOUNT_ATTR_NODEV,
};

FIXTURE_VARIANT_ADD(restricted, all) {
	.attrs = RESTRICTIONS,
};

FIXTURE_SETUP(restricted)
{
	struct mount_attr attr = MARK(BASE);
	const char *reason = shift_unavailable();

	if (reason)
		SKIP(return, "%s", reason);

	self->c = (struct container)CONTAINER_NONE;
	ASSERT_EQ(0, scratch_setup());
	self->src = source_setup();
	ASSERT_LE(0, self->src);
	ASSERT_EQ(0, copy_self(self->src, "program", 06755, ORIGIN + PROVIDER,
			       ORIGIN + PROVIDER));
	/* The container exists already: only a file descriptor gets there. */
	ASSERT_EQ(0, container_make(&self->c, BASE));
	attr.attr_set |= variant->attrs;
	ASSERT_EQ(0, set_attr(self->src, &attr));
}

FIXTURE_TEARDOWN(restricted)
{
	container_end(&self->c);
}

static unsigned long mount_flags(__u64 attrs)
{
	return (attrs & MOUNT_ATTR_RDONLY ? MS_RDONLY : 0) |
	       (attrs & MOUNT_ATTR_NOSUID ? MS_NOSUID : 0) |
	       (attrs & MOUNT_ATTR_NODEV ? MS_NODEV : 0) |
	       (attrs & MOUNT_ATTR_NOEXEC ? MS_NOEXEC : 0);
}

/* The container is given a clone, on which nothing is locked. It shifts that, and tries again. */
TEST_F(restricted, kept)
{
	const __u64 locked = variant->attrs | MOUNT_ATTR_NODEV;
	const __u64 bits[] = {
		MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV,
		MOUNT_ATTR_NOEXEC,
	};
	int mnt = clone_mount(SRC), copy;

	ASSERT_LE(0, mnt);
	IN_CONTAINER(&self->c, 0) {
		ASSERT_EQ(variant->attrs | MARK_ATTRS, restrictions(mnt));
		for (size_t i = 0; i < ARRAY_SIZE(bits); i++) {
			if (variant->attrs & bits[i])
				ASSERT_REFUSED(EPERM,
					       clear_attrs(mnt, bits[i]));
			else
				ASSERT_EQ(0, clear_attrs(mnt, bits[i]));
		}
		/* Others are its own business. */
		ASSERT_EQ(0, set_attrs(mnt, MOUNT_ATTR_NOSYMFOLLOW));
		ASSERT_EQ(0, clear_attrs(mnt, MOUNT_ATTR_NOSYMFOLLOW));

		ASSERT_EQ(0, shift(mnt));
		ASSERT_EQ(locked, restrictions(mnt));
		for (size_t i = 0; i < ARRAY_SIZE(bits); i++) {
			if (locked & bits[i]) {
				ASSERT_REFUSED(EPERM,
					       clear_attrs(mnt, bits[i]));
				continue;
			}
			ASSERT_EQ(0, set_attrs(mnt, bits[i]));
			ASSERT_EQ(0, clear_attrs(mnt, bits[i]));
		}

		ASSERT_EQ(0, attach(mnt, DST));
		for (size_t i = 0; i < ARRAY_SIZE(bits); i++) {
			const unsigned long flags = MS_REMOUNT | MS_BIND |
				mount_flags(locked & ~bits[i]);

			if (locked & bits[i]) {
				ASSERT_REFUSED(EPERM,
					       clear_attrs(mnt, bits[i]));
				ASSERT_REFUSED(EPERM,
					       sys_mount(NULL, DST, NULL, flags,
							 NULL));
				continue;
			}
			ASSERT_EQ(0, set_attrs(mnt, bits[i]));
			ASSERT_EQ(0, sys_mount(NULL, DST, NULL, flags, NULL));
		}
		ASSERT_EQ(locked, restrictions(mnt));
		ASSERT_EQ(locked, mount_attrs(mnt) & RESTRICTIONS);

		/* Not in a clone of it either, attached or not. */
		copy = clone_mount(DST);
		ASSERT_LE(0, copy);
		for (int attached = 0; attached < 2; attached++) {
			for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
				if (locked & bits[i])
					ASSERT_REFUSED(EPERM,
						       clear_attrs(copy, bits[i]));
			if (!attached)
				ASSERT_EQ(0, attach(copy, OWN));
		}
	}
}

/* The container mounts the clone that it was given as it is, and remounts that. */
TEST_F(restricted, kept_by_remount)
{
	const __u64 bits[] = {
		MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV,
		MOUNT_ATTR_NOEXEC,
	};
	int mnt = clone_mount(SRC);

	ASSERT_LE(0, mnt);
	IN_CONTAINER(&self->c, 0) {
		ASSERT_EQ(0, attach(mnt, DST));
		for (size_t i = 0; i < ARRAY_SIZE(bits); i++) {
			const unsigned long flags = MS_REMOUNT | MS_BIND |
				mount_flags(variant->attrs & ~bits[i]);

			if (variant->attrs & bits[i])
				ASSERT_REFUSED(EPERM,
					       sys_mount(NULL, DST, NULL, flags,
							 NULL));
			else
				ASSERT_EQ(0, sys_mount(NULL, DST, NULL, flags,
						       NULL));
		}
		ASSERT_EQ(variant->attrs, mount_attrs(mnt) & RESTRICTIONS);
	}
}

/* What the attributes are for is in force after the shift. */
TEST_F(restricted, in_force)
{
	int mnt = clone_mount(SRC), gain;

	if (variant->attrs & MOUNT_ATTR_NOEXEC)
		gain = GAINED_NO_EXEC;
	else if (variant->attrs & MOUNT_ATTR_NOSUID)
		gain = 0;
	else
		gain = GAINED_IDS;

	ASSERT_LE(0, mnt);
	IN_CONTAINER(&self->c, 0) {
		clear_attrs(mnt, RESTRICTIONS);
		ASSERT_EQ(0, shift(mnt));
		clear_attrs(mnt, RESTRICTIONS);
		ASSERT_EQ(0, attach(mnt, DST));
		ASSERT_EQ(variant->attrs & MOUNT_ATTR_RDONLY ? EROFS : 0,
			  open_errno(AT_FDCWD, IN_DST("new"),
				     O_CREAT | O_WRONLY));
	}

	IN_CONTAINER(&self->c, NEIGHBOUR) {
		ASSERT_EQ(gain, run_path(IN_DST("program"), PROVIDER,
					 PROVIDER));
	}
}

/* They cannot be cleared by the call that shifts either. */
TEST_F(restricted, cleared_by_shift)
{
	const __u64 bits[] = {
		MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV,
		MOUNT_ATTR_NOEXEC,
	};

	for (size_t i = 0; i < ARRAY_SIZE(bits); i++) {
		struct mount_attr attr = {
			.attr_set = MOUNT_ATTR_SHIFT,
			.attr_clr = bits[i],
		};
		const bool locked = (variant->attrs | MOUNT_ATTR_NODEV) & bits[i];
		int mnt = clone_mount(SRC);

		ASSERT_LE(0, mnt);
		IN_CONTAINER(&self->c, 0) {
			if (locked)
				ASSERT_REFUSED(EPERM, set_attr(mnt, &attr));
			else
				ASSERT_EQ(0, set_attr(mnt, &attr));
		}
		ASSERT_EQ(locked, is_marked(mnt));
		ASSERT_EQ(!locked, is_shifted(mnt));
		ASSERT_EQ(0, close(mnt));
	}
}

/* What the container adds when it shifts is not locked. */
TEST_F(restricted, added_by_shift)
{
	const __u64 locked = variant->attrs | MOUNT_ATTR_NODEV;
	const struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_SHIFT | RESTRICTIONS,
	};
	int mnt = clone_mount(SRC);

	ASSERT_LE(0, mnt);
	IN_CONTAINER(&self->c, 0) {
		ASSERT_EQ(0, set_attr(mnt, &attr));
		ASSERT_EQ((__u64)RESTRICTIONS, restrictions(mnt));
		ASSERT_EQ(0, clear_attrs(mnt, RESTRICTIONS & ~locked));
		ASSERT_EQ(locked, restrictions(mnt));
	}
}

/* The host can change its mind, for the clones that are made from then on. */
TEST_F(restricted, changed_by_host)
{
	const __u64 others = RESTRICTIONS & ~variant->attrs;
	struct mount_attr attr = {
		.attr_set = others,
		.attr_clr = variant->attrs,
	};
	int before = clone_mount(SRC), after;

	ASSERT_LE(0, before);
	ASSERT_EQ(0, set_attr(self->src, &attr));
	after = clone_mount(SRC);
	ASSERT_LE(0, after);
	IN_CONTAINER(&self->c, 0) {
		if (others)
			ASSERT_REFUSED(EPERM, clear_attrs(after, others));
	}
	ASSERT_EQ(0, in_container(&self->c, do_shift_fd, &after));
	ASSERT_EQ(others | MOUNT_ATTR_NODEV, restrictions(after));
	ASSERT_EQ(0, in_container(&self->c, do_shift_fd, &before));
	ASSERT_EQ(variant->attrs | MOUNT_ATTR_NODEV, restrictions(before));
}

/* Programs and devices in the image, seen from all sides */
FIXTURE(image)
{
	struct container c;
	int src;	/* marked */
	int plain;	/* the same files, not marked */
};

FIXTURE_SETUP(image)
{
	const char *reason = shift_unavailable();

	if (reason)
		SKIP(return, "%s", reason);

	self->c = (struct container)CONTAINER_NONE;
	ASSERT_EQ(0, scratch_setup());
	self->src = source_setup();
	ASSERT_LE(0, self->src);
	ASSERT_EQ(0, sys_mount(SRC, OTHER, NULL, MS_BIND, NULL));
	self->plain = open_mount(OTHER);
	ASSERT_LE(0, self->plain);
	ASSERT_EQ(0, mark(self->src, BASE));
	ASSERT_EQ(0, container_make(&self->c, BASE));
}

FIXTURE_TEARDOWN(image)
{
	container_end(&self->c);
}

/* A device node is not opened through the mark, nor ever through a shifted mount. */
TEST_F(image, device)
{
	const __u64 nodev = MOUNT_ATTR_NODEV;
	int mnt;

	ASSERT_EQ(0, mknodat(self->src, "null", S_IFCHR | 0600, makedev(1, 3)));
	ASSERT_EQ(0, fchownat(self->src, "null", ORIGIN, ORIGIN, 0));
	ASSERT_EQ(0, fchmodat(self->src, "null", 0666, 0));

	IN_CONTAINER(&self->c, 0) {
		/* It is a device that can be opened. */
		ASSERT_EQ(0, open_errno(AT_FDCWD, IN_OTHER("null"), O_RDWR));
		ASSERT_EQ(EACCES, open_errno(AT_FDCWD, IN_SRC("null"), O_RDWR));

		mnt = clone_mount(SRC);
		ASSERT_LE(0, mnt);
		ASSERT_FALSE(has_attrs(mnt, nodev));
		ASSERT_EQ(0, shift(mnt));
		ASSERT_EQ(nodev, mount_attrs(mnt) & nodev);
		ASSERT_EQ(EACCES, open_errno(mnt, "null", O_RDWR));
		ASSERT_REFUSED(EPERM, clear_attrs(mnt, nodev));
		ASSERT_EQ(0, attach(mnt, DST));
		ASSERT_OWNER(AT_FDCWD, IN_DST("null"), 0, 0);
		ASSERT_EQ(EACCES, open_errno(AT_FDCWD, IN_DST("null"), O_RDWR));
		ASSERT_REFUSED(EPERM, clear_attrs(mnt, nodev));
		ASSERT_REFUSED(EPERM, sys_mount(NULL, DST, NULL,
						MS_REMOUNT | MS_BIND, NULL));
		ASSERT_EQ(0, sys_mount(NULL, DST, NULL,
				       MS_REMOUNT | MS_BIND | MS_NODEV, NULL));
		ASSERT_EQ(EACCES, open_errno(AT_FDCWD, IN_DST("null"), O_RDWR));

		/* Nor are new ones made there. */
		ASSERT_REFUSED(EPERM, mknod(IN_DST("zero"), S_IFCHR | 0666,
					    makedev(1, 5)));
		ASSERT_EQ(0, mknod(IN_DST("fifo"), S_IFIFO | 0600, 0));
	}
	ASSERT_OWNER(self->src, "fifo", ORIGIN, ORIGIN);
	ASSERT_EQ(EACCES, open_errno(self->src, "null", O_RDWR));
	ASSERT_EQ(0, unmark(self->src));
	ASSERT_EQ(0, open_errno(self->src, "null", O_RDWR));
}

/* A set-user-ID program runs as its owner in the container, and only in the shifted mount. */
TEST_F(image, setuid_in_container)
{
	/* One that fits the image, and one that fits the container's kernel ids */
	ASSERT_EQ(0, copy_self(self->src, "program", 06755, ORIGIN + PROVIDER,
			       ORIGIN + PROVIDER));
	ASSERT_EQ(0, copy_self(self->src, "planted", 06755, BASE + PROVIDER,
			       BASE + PROVIDER));
	ASSERT_EQ(0, in_container(&self->c, do_mount_shifted, NULL));

	IN_CONTAINER(&self->c, NEIGHBOUR) {
		ASSERT_EQ(GAINED_IDS,
			  run_path(IN_DST("program"), PROVIDER, PROVIDER));
		ASSERT_EQ(0, run_path(IN_DST("planted"), PROVIDER, PROVIDER));
		ASSERT_EQ(0, run_path(IN_SRC("program"), PROVIDER, PROVIDER));
		/* Without the mark this one works. */
		ASSERT_EQ(0, run_path(IN_SRC("planted"), PROVIDER, PROVIDER));
		ASSERT_EQ(GAINED_IDS,
			  run_path(IN_OTHER("planted"), PROVIDER, PROVIDER));
	}
}

static int do_open_program(void *arg)
{
	int fd = open(arg, O_PATH);

	return fd < 0 ? -errno : fd;
}

static int do_plant(void *arg __maybe_unused)
{
	if (mount_shifted(SRC, DST))
		return -errno;
	return copy_self(AT_FDCWD, IN_DST("program"), 06755, 0, 0) ? -errno : 0;
}

/* The attack: the container's root plants a set-user-ID program, and a user of the host runs it. */
TEST_F(image, setuid_on_host)
{
	struct run run = { .uid = BASE, .gid = BASE };
	struct run_path marked = { IN_SRC("program"), ORIGIN, ORIGIN };
	struct run_path plain = { IN_OTHER("program"), ORIGIN, ORIGIN };
	char path[64];
	int mnt;

	ASSERT_EQ(0, in_container(&self->c, do_plant, NULL));
	ASSERT_OWNER(self->src, "program", ORIGIN, ORIGIN);

	/* The mark takes the program's teeth, and only the mark does. */
	ASSERT_EQ(0, as_user(USER, USER, do_run_path, &marked));
	ASSERT_EQ(GAINED_IDS, as_user(USER, USER, do_run_path, &plain));
	mnt = clone_mount(SRC);
	ASSERT_LE(0, mnt);
	ASSERT_EQ(0, attach(mnt, DST));
	marked.path = IN_DST("program");
	ASSERT_EQ(0, as_user(USER, USER, do_run_path, &marked));
	ASSERT_EQ(0, unmark(mnt));
	ASSERT_EQ(GAINED_IDS, as_user(USER, USER, do_run_path, &marked));
	ASSERT_EQ(0, mark_revoke(self->src));
	ASSERT_EQ(GAINED_IDS, as_user(USER, USER, do_run_path, &plain));

	/* Nor does it work through the container's mount, whose file system it is. */
	snprintf(path, sizeof(path), "/proc/%d/root" IN_DST("program"),
		 self->c.user.pid);
	run.fd = open(path, O_PATH);
	ASSERT_LE(0, run.fd);
	ASSERT_OWNER(run.fd, "", BASE, BASE);
	ASSERT_EQ(0, as_user(USER, USER, do_run, &run));

	/* A file descriptor that the container has passed on is the same. */
	run.fd = fd_from_container(&self->c, do_open_program, IN_DST("program"));
	ASSERT_LE(0, run.fd);
	ASSERT_EQ(0, as_user(USER, USER, do_run, &run));
}

/* A mark that was revoked still protects: a clone that has it cannot be shifted, nor run them. */
TEST_F(image, setuid_revoked)
{
	struct run_path run = { IN_DST("program"), ORIGIN, ORIGIN };
	int mnt;

	ASSERT_EQ(0, in_container(&self->c, do_plant, NULL));
	mnt = clone_mount(SRC);
	ASSERT_LE(0, mnt);
	ASSERT_EQ(0, attach(mnt, DST));
	ASSERT_EQ(0, mark_revoke(self->src));
	ASSERT_TRUE(is_marked(mnt));
	ASSERT_EQ(0, as_user(USER, USER, do_run_path, &run));
}

/* With id 0 in the origin, as for signed images, the program is that of the host's root. */
TEST_F(image, setuid_root)
{
	struct run_path run = { IN_SRC("program"), 0, 0 };
	struct mount_attr attr = MARK(BASE);
	struct container c;

	attr.attr_clr = MOUNT_ATTR_SHIFTABLE;
	attr.origin_uid = 0;
	attr.origin_gid = 0;
	ASSERT_EQ(0, fchown(open(SRC, O_RDONLY), 0, 0));
	ASSERT_EQ(0, set_attr(self->src, &attr));
	ASSERT_EQ(0, container_make(&c, BASE));
	ASSERT_EQ(0, in_container(&c, do_plant, NULL));
	ASSERT_OWNER(self->src, "program", 0, 0);

	ASSERT_EQ(0, as_user(USER, USER, do_run_path, &run));
	/* What the administrator must not have: another mount of these files */
	run.path = IN_OTHER("program");
	ASSERT_EQ(GAINED_IDS | GAINED_CAPS,
		  as_user(USER, USER, do_run_path, &run));
	container_end(&c);
}

/* The same with capabilities of a file in place of the set-user-ID bit. */
TEST_F(image, file_capabilities)
{
	const struct {
		const char *name;
		uid_t root;
		/* Where they work, by a user of the container */
		bool shifted;
		bool plain;
	} table[] = {
		{ "origin", ORIGIN, true, false },
		{ "kernel", BASE, false, true },
		{ "other", BASE_B, false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct vfs_ns_cap_data caps = {
			.magic_etc = VFS_CAP_REVISION_3 | VFS_CAP_FLAGS_EFFECTIVE,
			.data[0].permitted = CAP_BIT(CAP_NET_RAW),
			.rootid = table[i].root,
		};
		char path[64];

		ASSERT_EQ(0, copy_self(self->src, table[i].name, 0755, ORIGIN,
				       ORIGIN));
		snprintf(path, sizeof(path), SRC "/%s", table[i].name);
		ASSERT_EQ(0, setxattr(path, "security.capability", &caps,
				      sizeof(caps), 0));
	}
	ASSERT_EQ(0, in_container(&self->c, do_mount_shifted, NULL));

	IN_CONTAINER(&self->c, NEIGHBOUR) {
		for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
			const int gain = GAINED_CAPS | GAINED_SECURE;
			char path[64];

			snprintf(path, sizeof(path), DST "/%s", table[i].name);
			ASSERT_EQ(table[i].shifted ? gain : 0,
				  run_path(path, PROVIDER, PROVIDER));
			snprintf(path, sizeof(path), SRC "/%s", table[i].name);
			ASSERT_EQ(0, run_path(path, PROVIDER, PROVIDER));
			snprintf(path, sizeof(path), OTHER "/%s",
				 table[i].name);
			ASSERT_EQ(table[i].plain ? gain : 0,
				  run_path(path, PROVIDER, PROVIDER));
		}
	}
}

/* Who else comes for a mark that names the root of one container */
FIXTURE(stranger)
{
	struct container c;
	int src;
	int mnt;	/* a marked clone that everybody gets hold of */
};

FIXTURE_SETUP(stranger)
{
	const char *reason = shift_unavailable();

	if (reason)
		SKIP(return, "%s", reason);

	self->c = (struct container)CONTAINER_NONE;
	ASSERT_EQ(0, scratch_setup());
	self->src = source_setup();
	ASSERT_LE(0, self->src);
	ASSERT_EQ(0, mark(self->src, BASE));
	self->mnt = clone_mount(SRC);
	ASSERT_LE(0, self->mnt);
	ASSERT_EQ(0, container_make(&self->c, BASE));
}

FIXTURE_TEARDOWN(stranger)
{
	container_end(&self->c);
}

/* A clone of the stranger's own copy, and one that was given */
static int do_try_both(void *arg)
{
	int *given = arg;
	int mnt;

	mnt = clone_mount(SRC);
	if (mnt < 0)
		return -errno;
	if (!shift(mnt) || !shift(*given))
		return 0;
	return -errno;
}

/* Root of another container is not who the mark names. */
TEST_F(stranger, other_container)
{
	struct container other;

	ASSERT_EQ(0, container_make(&other, BASE_B));
	ASSERT_EQ(-EPERM, in_container(&other, do_try_both, &self->mnt));
	container_end(&other);

	/* Nor is a container's that has the named id, as another user's. */
	ASSERT_EQ(0, container_make_maps(&other, "0 300000 1\n1 200000 1",
					 "0 200000 2"));
	ASSERT_EQ(-EPERM, in_container(&other, do_try_both, &self->mnt));
	container_end(&other);

	/* The gid does not matter, as the mark names a user. */
	ASSERT_EQ(0, container_make_maps(&other, "0 200000 1", "0 300000 1"));
	ASSERT_EQ(0, in_container(&other, do_shift_fd, &self->mnt));
	container_end(&other);
}

static int do_open_dir_at(void *arg)
{
	int fd = open(arg, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* Nobody but the host's root gets into the container to look at what it has shifted. */
TEST_F(stranger, proc_root)
{
	struct container other;
	char path[64];

	ASSERT_EQ(0, in_container(&self->c, do_mount_shifted, NULL));
	snprintf(path, sizeof(path), "/proc/%d/root" DST, self->c.user.pid);
	ASSERT_EQ(0, container_make(&other, BASE_B));
	ASSERT_EQ(-EACCES, in_container(&other, do_open_dir_at, path));
	ASSERT_EQ(-EACCES, as_user(USER, USER, do_open_dir_at, path));
	ASSERT_EQ(0, do_open_dir_at(path));
	container_end(&other);
}

/* The mark names a user id. Who gets the id after the container is gone gets the mark. */
TEST_F(stranger, recycled_id)
{
	container_end(&self->c);
	ASSERT_EQ(0, container_make_maps(&self->c, "0 200000 10",
					 "0 300000 10"));
	ASSERT_EQ(0, in_container(&self->c, do_mount_shifted, NULL));
	container_end(&self->c);

	/* That is why the administrator takes it back before. */
	ASSERT_EQ(0, mark_revoke(self->src));
	ASSERT_EQ(0, container_make(&self->c, BASE));
	ASSERT_EQ(-EPERM, in_container(&self->c, do_try_both, &self->mnt));
}

/* A user of the host makes himself root of a container, which is not the one either. */
TEST_F(stranger, host_user)
{
	struct container own;

	ASSERT_EQ(0, container_make_as(&own, OTHER_USER, OTHER_USER,
				       "0 1002 1", "0 1002 1"));
	ASSERT_EQ(-EPERM, in_container(&own, do_try_both, &self->mnt));
	container_end(&own);
	ASSERT_EQ(0, in_container(&self->c, do_shift_fd, &self->mnt));
}

struct nested {
	uid_t maker;		/* who makes it, in the outer container */
	const char *map;
	bool alone;
	int *given;
};

static int do_nest(void *arg)
{
	const struct nested *nested = arg;
	struct container inner;
	int ret;

	if (nested->alone)
		ret = container_make_as(&inner, nested->maker, nested->maker,
					nested->map, nested->map);
	else
		ret = container_make_maps(&inner, nested->map, nested->map);
	if (ret)
		return CHILD_DIED;
	ret = in_container(&inner, do_try_both, nested->given);
	container_end(&inner);
	return ret;
}

/* A user of the container does not become its root by a container of his own in there. */
TEST_F(stranger, nested_user)
{
	struct nested nested = {
		.maker = NESTER,
		.map = "0 1000 1",
		.alone = true,
		.given = &self->mnt,
	};

	ASSERT_EQ(-EPERM, in_container(&self->c, do_nest, &nested));

	/* Also if the container's root helps with the maps, and is in there. */
	nested.alone = false;
	nested.map = "0 1000 1000";
	ASSERT_EQ(-EPERM, in_container(&self->c, do_nest, &nested));
	nested.map = "0 1000 1\n1 0 1";
	ASSERT_EQ(-EPERM, in_container(&self->c, do_nest, &nested));
	nested.map = "1 0 1\n0 1 1";
	ASSERT_EQ(-EPERM, in_container(&self->c, do_nest, &nested));
}

/* The same root in a container in the container is the same user. */
TEST_F(stranger, nested_root)
{
	struct nested nested = {
		.map = "0 0 65536",
		.given = &self->mnt,
	};

	ASSERT_EQ(0, in_container(&self->c, do_nest, &nested));

	nested.maker = 0;
	nested.map = "0 0 1";
	nested.alone = true;
	ASSERT_EQ(0, in_container(&self->c, do_nest, &nested));
}

/* A mount namespace that is made of the marked mount alone is the same to the mark. */
TEST_F(stranger, tree_namespace)
{
	for (int root = 0; root < 2; root++) {
		const char *map = root ? "0 0 1" : "0 1000 1";

		IN_CONTAINER(&self->c, root ? 0 : NESTER) {
			int ns, mnt;

			ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 1));
			ASSERT_EQ(0, unshare(CLONE_NEWUSER));
			ASSERT_EQ(0, write_maps(getpid(), map, map, "deny"));
			ns = sys_open_tree(AT_FDCWD, SRC, OPEN_TREE_NAMESPACE |
					   OPEN_TREE_CLOEXEC);
			ASSERT_LE(0, ns);
			ASSERT_EQ(0, setns(ns, CLONE_NEWNS));
			ASSERT_TRUE(is_marked(open_mount("/")));
			mnt = clone_tree("/");
			ASSERT_LE(0, mnt);
			if (root) {
				ASSERT_EQ(0, shift(mnt));
				ASSERT_EQ(0, shift(self->mnt));
				ASSERT_OWNER(mnt, "", 0, 0);
				continue;
			}
			ASSERT_REFUSED(EPERM, shift(mnt));
			ASSERT_REFUSED(EPERM, shift(self->mnt));
		}
	}
}

/* A nested container can be named on its own, and then it is not for the outer one. */
TEST_F(stranger, nested_named)
{
	struct nested nested = {
		.map = "0 1000 1000",
		.given = &self->mnt,
	};

	ASSERT_EQ(0, mark_replace(self->mnt, BASE + NESTER));
	ASSERT_EQ(0, mark_replace(self->src, BASE + NESTER));
	/* What the container saw before is not replaced. */
	container_end(&self->c);
	ASSERT_EQ(0, container_make(&self->c, BASE));
	ASSERT_EQ(-EPERM, in_container(&self->c, do_try_both, &self->mnt));
	ASSERT_EQ(0, in_container(&self->c, do_nest, &nested));
}

/* Interior ids of the attacker's choice do not reach past the origin's last id. */
FIXTURE(chosen)
{
	int src;
	int named;	/* two marked clones */
	int any;
};

FIXTURE_SETUP(chosen)
{
	const char *reason = shift_unavailable();

	if (reason)
		SKIP(return, "%s", reason);

	ASSERT_EQ(0, scratch_setup());
	self->src = source_setup();
	ASSERT_LE(0, self->src);
	ASSERT_EQ(0, mkdirat(self->src, "last", 0755));
	ASSERT_EQ(0, fchownat(self->src, "last", ORIGIN + 65535,
			      ORIGIN + 65535, 0));
	self->named = clone_mount(SRC);
	ASSERT_LE(0, self->named);
	ASSERT_EQ(0, mark(self->named, USER));
	self->any = clone_mount(SRC);
	ASSERT_LE(0, self->any);
	ASSERT_EQ(0, mark_any(self->any));
}

FIXTURE_TEARDOWN(chosen)
{
}

/* An ordinary user calls himself 900000, which would be 1000000 on disk. */
TEST_F(chosen, past_the_end)
{
	const struct {
		const char *map;
		uid_t id;
	} table[] = {
		{ "900000 1001 1", 900000 },
		{ "65536 1001 1", 65536 },
		{ "4294867296 1001 1", 4294867296U },	/* wraps to id 0 */
		{ "4294967294 1001 1", 4294967294U },
	};
	struct container c;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		ASSERT_EQ(0, container_make_as(&c, USER, USER, table[i].map,
					       table[i].map));
		ASSERT_EQ(-ERANGE,
			  in_container_as(&c, table[i].id, table[i].id,
					  do_shift_fd, &self->any));
		/* He is not user 0 of his container, so a mark never names him. */
		ASSERT_EQ(-EPERM,
			  in_container_as(&c, table[i].id, table[i].id,
					  do_shift_fd, &self->named));
		container_end(&c);

		/* Neither the user nor the group may be the wrong one. */
		ASSERT_EQ(0, container_make_as(&c, USER, USER, table[i].map,
					       "0 1001 1"));
		ASSERT_EQ(-ERANGE,
			  in_container_as(&c, table[i].id, 0, do_shift_fd,
					  &self->any));
		container_end(&c);
		ASSERT_EQ(0, container_make_as(&c, USER, USER, "0 1001 1",
					       table[i].map));
		ASSERT_EQ(-ERANGE,
			  in_container_as(&c, 0, table[i].id, do_shift_fd,
					  &self->any));
		ASSERT_EQ(-ERANGE,
			  in_container_as(&c, 0, table[i].id, do_shift_fd,
					  &self->named));
		container_end(&c);
	}
	ASSERT_TRUE(is_marked(self->any));
	ASSERT_TRUE(is_marked(self->named));
}

/* The last id of the origin is one. */
TEST_F(chosen, last)
{
	struct container c;

	ASSERT_EQ(0, container_make_as(&c, USER, USER, "65535 1001 1",
				       "65535 1001 1"));
	IN_CONTAINER_AS_MAKER(&c, 65535) {
		ASSERT_REFUSED(EPERM, shift(self->named));
		ASSERT_EQ(0, shift(self->any));
		ASSERT_OWNER(self->any, "last", 65535, 65535);
		ASSERT_EQ(0, open_errno(self->any, "last/new",
					O_CREAT | O_WRONLY));
		ASSERT_OWNER(self->any, "last/new", 65535, 65535);
	}
	ASSERT_OWNER(self->src, "last/new", ORIGIN + 65535, ORIGIN + 65535);
	container_end(&c);
}

/* Of a range that begins inside and ends outside, the part outside has no place in the image. */
TEST_F(chosen, across_the_end)
{
	unsigned int first, count;
	struct container c;

	ASSERT_EQ(0, container_make_maps(&c, "65000 300000 1000",
					 "65000 300000 1000"));
	IN_CONTAINER_AS_MAKER(&c, 65536) {
		ASSERT_EQ(0, shift(self->any));
		ASSERT_EQ(EOVERFLOW, open_errno(self->any, "last/new",
						O_CREAT | O_WRONLY));
	}
	ASSERT_EQ(0, map_first(self->any, &first, &count));
	ASSERT_EQ(ORIGIN + 65000U, first);
	ASSERT_EQ(COUNT - 65000U, count);
	container_end(&c);
}

/* A user namespace without maps knows no ids, not even to compare with the one that was named. */
TEST_F(chosen, no_maps)
{
	IN_CHILD() {
		ASSERT_EQ(0, become(USER, USER));
		ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 1));
		ASSERT_EQ(0, unshare(CLONE_NEWUSER | CLONE_NEWNS));
		ASSERT_REFUSED(EPERM, shift(self->named));
		ASSERT_REFUSED(EINVAL, shift(self->any));

		/* One of the two is not enough. */
		ASSERT_EQ(0, write_maps(getpid(), "0 1001 1", NULL, NULL));
		ASSERT_REFUSED(EINVAL, shift(self->any));
		ASSERT_REFUSED(EINVAL, shift(self->named));
		ASSERT_EQ(0, write_maps(getpid(), NULL, "0 1001 1", "deny"));
		ASSERT_EQ(0, shift(self->any));
		ASSERT_EQ(0, shift(self->named));
	}
}

/* Two containers with nothing in common but the origin of their image */
FIXTURE(sharing)
{
	struct container a;
	struct container b;
	int src;
	int plain;
};

FIXTURE_VARIANT(sharing)
{
	bool any;
};

/* One mark for all containers */
FIXTURE_VARIANT_ADD(sharing, any) {
	.any = true,
};

/* A mount for each container, and a mark on each of them */
FIXTURE_VARIANT_ADD(sharing, named) {
	.any = false,
};

FIXTURE_SETUP(sharing)
{
	const char *reason = shift_unavailable();
	int second;

	if (reason)
		SKIP(return, "%s", reason);

	self->a = (struct container)CONTAINER_NONE;
	self->b = (struct container)CONTAINER_NONE;
	ASSERT_EQ(0, scratch_setup());
	self->src = source_setup();
	ASSERT_LE(0, self->src);
	ASSERT_EQ(0, fchmod(open(SRC, O_RDONLY), 0777));
	ASSERT_EQ(0, sys_mount(SRC, OTHER, NULL, MS_BIND, NULL));
	second = open_mount(OTHER);
	ASSERT_LE(0, second);
	if (variant->any) {
		ASSERT_EQ(0, mark_any(self->src));
		ASSERT_EQ(0, mark_any(second));
	} else {
		ASSERT_EQ(0, mark(self->src, BASE));
		ASSERT_EQ(0, mark(second, BASE_B));
	}
	ASSERT_EQ(0, container_make(&self->a, BASE));
	ASSERT_EQ(0, container_make(&self->b, BASE_B));
}

FIXTURE_TEARDOWN(sharing)
{
	container_end(&self->a);
	container_end(&self->b);
}

static int do_mount_from(void *arg)
{
	return mount_shifted(arg, DST) ? -errno : 0;
}

/* Both see each other's files under the same ids, which are different ones to the kernel. */
TEST_F(sharing, files)
{
	if (!variant->any) {
		ASSERT_EQ(-EPERM, in_container(&self->a, do_mount_from, OTHER));
		ASSERT_EQ(-EPERM, in_container(&self->b, do_mount_from, SRC));
	}
	ASSERT_EQ(0, in_container(&self->a, do_mount_from, SRC));
	ASSERT_EQ(0, in_container(&self->b, do_mount_from, OTHER));

	IN_CONTAINER(&self->a, PROVIDER) {
		umask(0);
		ASSERT_EQ(0, open_errno(AT_FDCWD, IN_DST("a"),
					O_CREAT | O_WRONLY));
		ASSERT_EQ(0, mkdir(IN_DST("dir"), 0777));
	}
	ASSERT_OWNER(self->src, "a", ORIGIN + PROVIDER, ORIGIN + PROVIDER);

	IN_CONTAINER(&self->b, PROVIDER) {
		ASSERT_OWNER(AT_FDCWD, IN_DST("a"), PROVIDER, PROVIDER);
		ASSERT_EQ(0, open_errno(AT_FDCWD, IN_DST("a"), O_RDWR));
	}

	IN_CONTAINER(&self->b, NEIGHBOUR) {
		ASSERT_EQ(EACCES, open_errno(AT_FDCWD, IN_DST("a"), O_RDWR));
		ASSERT_EQ(0, open_errno(AT_FDCWD, IN_DST("dir/b"),
					O_CREAT | O_WRONLY));
	}

	IN_CONTAINER(&self->a, 0) {
		ASSERT_OWNER(AT_FDCWD, IN_DST("dir/b"), NEIGHBOUR, NEIGHBOUR);
		ASSERT_EQ(0, chown(IN_DST("dir/b"), 0, 0));
	}
	ASSERT_OWNER(self->src, "dir/b", ORIGIN, ORIGIN);
}

/* Those who share with write access have to trust each other, unless the mark is nosuid. */
TEST_F(sharing, one_trust_domain)
{
	struct container *both[] = { &self->a, &self->b };

	for (int nosuid = 0; nosuid < 2; nosuid++) {
		if (nosuid) {
			struct mount_attr attr = MARK(0);

			container_end(&self->a);
			container_end(&self->b);
			attr.attr_clr = MOUNT_ATTR_SHIFTABLE;
			attr.attr_set |= MOUNT_ATTR_NOSUID;
			attr.shift_flags = MOUNT_SHIFT_ANY;
			ASSERT_EQ(0, set_attr(self->src, &attr));
			ASSERT_EQ(0, set_attr(open_mount(OTHER), &attr));
			ASSERT_EQ(0, container_make(&self->a, BASE));
			ASSERT_EQ(0, container_make(&self->b, BASE_B));
			ASSERT_EQ(0, unlinkat(self->src, "program", 0));
		}
		for (size_t i = 0; i < ARRAY_SIZE(both); i++)
			ASSERT_EQ(0, in_container(both[i], do_mount_from,
						  i ? OTHER : SRC));

		IN_CONTAINER(&self->a, 0) {
			ASSERT_EQ(0, copy_self(AT_FDCWD, IN_DST("program"),
					       06755, 0, 0));
		}

		IN_CONTAINER(&self->b, NEIGHBOUR) {
			ASSERT_EQ(nosuid ? 0 : GAINED_IDS | GAINED_CAPS,
				  run_path(IN_DST("program"), 0, 0));
		}
	}
}

/* File descriptors of mounts travel between containers. */
FIXTURE(passed)
{
	struct container right;	/* which the mark names */
	struct container wrong;
	int src;
};

FIXTURE_VARIANT(passed)
{
	enum { INHERITED, SENT, TAKEN } way;
};

/* The host makes it, and both are its children. */
FIXTURE_VARIANT_ADD(passed, inherited) {
	.way = INHERITED,
};

/* The other side sends it: SCM_RIGHTS */
FIXTURE_VARIANT_ADD(passed, sent) {
	.way = SENT,
};

/* The host takes it out of a process: pidfd_getfd(2) */
FIXTURE_VARIANT_ADD(passed, taken) {
	.way = TAKEN,
};

FIXTURE_SETUP(passed)
{
	const char *reason = shift_unavailable();

	if (reason)
		SKIP(return, "%s", reason);

	self->right = (struct container)CONTAINER_NONE;
	self->wrong = (struct container)CONTAINER_NONE;
	ASSERT_EQ(0, scratch_setup());
	self->src = source_setup();
	ASSERT_LE(0, self->src);
	ASSERT_EQ(0, make_file(self->src, "file", 0600, ORIGIN, ORIGIN));
	ASSERT_EQ(0, make_file(self->src, "open", 0666, ORIGIN, ORIGIN));
	ASSERT_EQ(0, copy_self(self->src, "program", 06755, ORIGIN + PROVIDER,
			       ORIGIN + PROVIDER));
	ASSERT_EQ(0, mark(self->src, BASE));
	ASSERT_EQ(0, container_make(&self->right, BASE));
	ASSERT_EQ(0, container_make(&self->wrong, BASE_B));
}

FIXTURE_TEARDOWN(passed)
{
	container_end(&self->right);
	container_end(&self->wrong);
}

static int do_clone(void *arg)
{
	int mnt = clone_mount(arg);

	return mnt < 0 ? -errno : mnt;
}

/* From a process in the container that has it, without its help */
static int take_fd(const struct container *c, int (*fn)(void *arg), void *arg)
{
	int ready[2], there = -1, pidfd, fd = -1;
	struct part part;

	if (pipe2(ready, O_CLOEXEC))
		return -1;
	part = part_begin(c, 0, 0);
	if (!part.pid) {
		there = fn(arg);
		if (write(ready[1], &there, sizeof(there)) != sizeof(there))
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (part.pid > 0 &&
	    read(ready[0], &there, sizeof(there)) == sizeof(there)) {
		pidfd = syscall(__NR_pidfd_open, part.pid, 0);
		fd = syscall(__NR_pidfd_getfd, pidfd, there, 0);
		close(pidfd);
		kill(part.pid, SIGKILL);
		waitpid(part.pid, NULL, 0);
	}
	close(ready[0]);
	return fd;
}

static int get_fd(int way, const struct container *c, int (*fn)(void *arg),
		  void *arg)
{
	switch (way) {
	case SENT:
		return fd_from_container(c, fn, arg);
	case TAKEN:
		return take_fd(c, fn, arg);
	default:
		return fn(arg);
	}
}

/* A marked clone is of no use but to the one who was named, wherever it was made. */
TEST_F(passed, marked)
{
	struct container *makers[] = { &self->right, &self->wrong };

	for (size_t i = 0; i < ARRAY_SIZE(makers); i++) {
		int mnt = get_fd(variant->way, makers[i], do_clone, SRC);

		ASSERT_LE(0, mnt);
		ASSERT_EQ(-EPERM, in_container(&self->wrong, do_shift_fd, &mnt));
		ASSERT_REFUSED(EPERM, shift(mnt));
		ASSERT_REFUSED(EEXIST, mark(mnt, BASE_B));
		ASSERT_OWNER(mnt, "", ORIGIN, ORIGIN);

		IN_CONTAINER(&self->right, 0) {
			ASSERT_EQ(0, shift(mnt));
			ASSERT_OWNER(mnt, "file", 0, 0);
			ASSERT_EQ(0, open_errno(mnt, "file", O_RDWR));
		}
		ASSERT_EQ(0, close(mnt));
	}
}

static int do_manager_clone(void *arg)
{
	const struct container *c = arg;
	int mnt;

	/* Only by the named container can it be shifted. */
	if (setns(c->mnt, CLONE_NEWNS))
		return -errno;
	mnt = clone_mount(SRC);
	if (mnt < 0 || shift(mnt))
		return -errno;
	return mnt;
}

/* A shifted mount that is passed on shows the receiver what a stranger may see, and no more. */
TEST_F(passed, shifted)
{
	int mnt;

	/* The host cannot inherit from its child, but can act in its place. */
	if (variant->way == INHERITED) {
		struct fd_call call = {
			.fn = do_manager_clone,
			.arg = &self->right,
		};
		int sock[2];

		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
		call.sock = sock[1];
		ASSERT_EQ(0, in_child(__send_result_fd, &call));
		mnt = recv_fd(sock[0]);
	} else {
		mnt = get_fd(variant->way, &self->right, do_clone_and_shift,
			     SRC);
	}
	ASSERT_LE(0, mnt);
	ASSERT_OWNER(mnt, "", BASE, BASE);

	IN_CONTAINER(&self->wrong, 0) {
		int own = open("/proc/self/ns/user", O_RDONLY);

		ASSERT_REFUSED(EPERM, shift(mnt));
		ASSERT_REFUSED(EPERM, idmap(mnt, own));
		ASSERT_REFUSED(EPERM, clear_attrs(mnt, MOUNT_ATTR_NODEV));
		ASSERT_EQ(0, attach(mnt, DST));
		ASSERT_OWNER(AT_FDCWD, DST, OVERFLOW_ID, OVERFLOW_ID);
		ASSERT_OWNER(AT_FDCWD, IN_DST("file"), OVERFLOW_ID,
			     OVERFLOW_ID);
		ASSERT_EQ(EACCES,
			  open_errno(AT_FDCWD, IN_DST("file"), O_RDONLY));
		ASSERT_EQ(0, open_errno(AT_FDCWD, IN_DST("open"), O_RDWR));
		ASSERT_REFUSED(EOVERFLOW, chown(IN_DST("file"), 0, 0));
		ASSERT_EQ(EOVERFLOW, open_errno(AT_FDCWD, IN_DST("new"),
						O_CREAT | O_WRONLY));
		ASSERT_REFUSED(EACCES, unlink(IN_DST("file")));
		ASSERT_REFUSED(EPERM, shift(clone_mount(DST)));
	}

	/* Its users do not become users of the other container either. */
	IN_CONTAINER(&self->wrong, NEIGHBOUR) {
		ASSERT_EQ(0, run_path(IN_DST("program"), PROVIDER, PROVIDER));
	}
}

/* With a mark for all containers, whoever shifts first has it; the host is none. */
TEST_F(passed, first_come)
{
	int mnt;

	ASSERT_EQ(0, unmark(self->src));
	ASSERT_EQ(0, mark_any(self->src));
	container_end(&self->right);
	container_end(&self->wrong);
	ASSERT_EQ(0, container_make(&self->right, BASE));
	ASSERT_EQ(0, container_make(&self->wrong, BASE_B));

	mnt = get_fd(variant->way, &self->right, do_clone, SRC);
	ASSERT_LE(0, mnt);
	ASSERT_REFUSED(EPERM, shift(mnt));
	ASSERT_EQ(0, in_container(&self->wrong, do_shift_fd, &mnt));
	ASSERT_EQ(-EPERM, in_container(&self->right, do_shift_fd, &mnt));
	ASSERT_OWNER(mnt, "", BASE_B, BASE_B);
}

/* A container is the host of those in it, for file systems of its own. */
FIXTURE(own_fs)
{
	struct container c;
};

FIXTURE_SETUP(own_fs)
{
	const char *reason = shift_unavailable();

	if (reason)
		SKIP(return, "%s", reason);

	self->c = (struct container)CONTAINER_NONE;
	ASSERT_EQ(0, scratch_setup());
	ASSERT_EQ(0, container_make(&self->c, BASE));
}

FIXTURE_TEARDOWN(own_fs)
{
	container_end(&self->c);
}

#define OWN_ORIGIN	10000
#define OWN_COUNT	1000

static int mark_own(int mnt, uid_t by)
{
	const struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_SHIFTABLE,
		.attr_clr = MOUNT_ATTR_SHIFTABLE,
		.origin_uid = OWN_ORIGIN,
		.origin_gid = OWN_ORIGIN,
		.origin_count = OWN_COUNT,
		.shiftable_by = by,
	};

	return set_attr(mnt, &attr);
}

/* Whoever controls the file system can clear what he set on a mount he marked. */
TEST_F(own_fs, restrictions)
{
	IN_CONTAINER(&self->c, 0) {
		const struct mount_attr attr = {
			.attr_set = MOUNT_ATTR_SHIFT,
			.attr_clr = MOUNT_ATTR_RDONLY,
		};
		int mnt, copy;

		ASSERT_EQ(0, tmpfs_mount(OWN, "0755"));
		mnt = open_mount(OWN);
		ASSERT_LE(0, mnt);
		ASSERT_EQ(0, mark_own(mnt, 0));
		ASSERT_EQ(0, set_attrs(mnt, RESTRICTIONS));
		ASSERT_EQ(0, clear_attrs(mnt, RESTRICTIONS));
		ASSERT_EQ(0, set_attrs(mnt, RESTRICTIONS));
		copy = clone_mount(OWN);
		ASSERT_LE(0, copy);
		ASSERT_EQ(0, set_attr(copy, &attr));
		ASSERT_EQ(RESTRICTIONS & ~(__u64)MOUNT_ATTR_RDONLY,
			  restrictions(copy));
		/* The mark is gone, and with it the privilege. */
		ASSERT_REFUSED(EPERM, clear_attrs(copy, MOUNT_ATTR_NOEXEC));
	}
}

static int do_use_own(void *arg)
{
	const char *name = arg;

	if (mount_shifted(OWN, DST))
		return -errno;
	return make_file(AT_FDCWD, name, 0600, 0, 0) ? -errno : 0;
}

/* Ids in the mark are those of the file system's owner, which is the container here. */
TEST_F(own_fs, nested)
{
	struct container inner;
	int mnt;

	IN_CONTAINER(&self->c, 0) {
		ASSERT_EQ(0, tmpfs_mount(OWN, "0755"));
		ASSERT_EQ(0, chown(OWN, OWN_ORIGIN, OWN_ORIGIN));
		mnt = open_mount(OWN);
		ASSERT_LE(0, mnt);
		/* Only users of the container can be named by it. */
		ASSERT_REFUSED(EINVAL, mark_own(mnt, COUNT));
		ASSERT_EQ(0, mark_own(mnt, NESTER));

		ASSERT_EQ(0, container_make_maps(&inner, "0 1000 100",
						 "0 1000 100"));
		ASSERT_EQ(0, in_container(&inner, do_use_own, IN_DST("new")));
		ASSERT_OWNER(mnt, "new", OWN_ORIGIN, OWN_ORIGIN);
		container_end(&inner);

		ASSERT_EQ(0, container_make_maps(&inner, "0 2000 100",
						 "0 2000 100"));
		ASSERT_EQ(-EPERM, in_container(&inner, do_use_own,
					       IN_DST("more")));
		container_end(&inner);
	}
}

/* It may shift for itself, where that changes anything. */
TEST_F(own_fs, for_itself)
{
	struct mount_attr same = MARK(0);
	int mnt;

	same.attr_clr = MOUNT_ATTR_SHIFTABLE;
	same.origin_uid = 0;
	same.origin_gid = 0;

	IN_CONTAINER(&self->c, 0) {
		ASSERT_EQ(0, tmpfs_mount(OWN, "0755"));
		ASSERT_EQ(0, chown(OWN, OWN_ORIGIN, OWN_ORIGIN));
		mnt = open_mount(OWN);
		ASSERT_LE(0, mnt);
		ASSERT_EQ(0, mark_own(mnt, 0));
		ASSERT_EQ(0, do_use_own(IN_DST("new")));
		ASSERT_OWNER(AT_FDCWD, IN_DST("new"), 0, 0);
		ASSERT_OWNER(mnt, "new", OWN_ORIGIN, OWN_ORIGIN);

		ASSERT_EQ(0, set_attr(mnt, &same));
		mnt = clone_mount(OWN);
		ASSERT_LE(0, mnt);
		ASSERT_REFUSED(EINVAL, shift(mnt));
	}
}

/* Its mark, too, disarms set-user-ID programs until the mount is shifted. */
TEST_F(own_fs, setuid)
{
	int mnt;

	IN_CONTAINER(&self->c, 0) {
		ASSERT_EQ(0, tmpfs_mount(OWN, "0777"));
		mnt = open_mount(OWN);
		ASSERT_LE(0, mnt);
		ASSERT_EQ(0, copy_self(mnt, "program", 06755, PROVIDER,
				       PROVIDER));
	}

	for (int marked = 0; marked < 2; marked++) {
		if (marked) {
			IN_CONTAINER(&self->c, 0) {
				ASSERT_EQ(0, mark_own(open_mount(OWN), 0));
			}
		}
		IN_CONTAINER(&self->c, NEIGHBOUR) {
			ASSERT_EQ(marked ? 0 : GAINED_IDS,
				  run_path(OWN "/program", PROVIDER, PROVIDER));
		}
	}
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "--gain"))
		return tell_gain(argv);
	return test_harness_run(argc, argv);
}
