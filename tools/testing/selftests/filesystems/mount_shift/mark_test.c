// SPDX-License-Identifier: GPL-2.0
/*
 * mount_shift selftests: the mark of a shiftable mount, who may set it, what it
 * tells, what it keeps and where it goes
 */

#include "shift.h"

#include <endian.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

/* The text of the usual mark in /proc/self/mountinfo, as the host sees it */
#define MARK_TEXT	"shiftable:100000:100000:65536 shiftable_by:200000"

/* What the mark remembers */
FIXTURE(mark)
{
	int mnt;	/* a tmpfs on SRC */
};

FIXTURE_SETUP(mark)
{
	const char *reason = shift_unavailable();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, scratch_setup());
	self->mnt = source_setup();
	ASSERT_LE(0, self->mnt);
}

FIXTURE_TEARDOWN(mark)
{
}

/* Functions for in_container() and the like, which return 0 or -errno */

/* @arg is an attribute struct for the mount on SRC */
static int do_attr_src(void *arg)
{
	int mnt = open_mount(SRC);

	if (mnt < 0)
		return -errno;
	return set_attr(mnt, arg) ? -errno : 0;
}

/* The same for the container's own tmpfs */
static int do_attr_own(void *arg)
{
	int mnt = open_mount(OWN);

	if (mnt < 0)
		return -errno;
	return set_attr(mnt, arg) ? -errno : 0;
}

/* Functions for fd_from_container(); @arg is a path */
static int do_clone(void *arg)
{
	int mnt = clone_mount(arg);

	return mnt < 0 ? -errno : mnt;
}

static int do_open(void *arg)
{
	int mnt = open_mount(arg);

	return mnt < 0 ? -errno : mnt;
}

/* Shifts a clone of what is on the path, and throws it away. */
static int do_shift_clone(void *arg)
{
	int mnt = clone_mount(arg);

	if (mnt < 0)
		return -errno;
	return shift(mnt) ? -errno : 0;
}

/* What the mark in a file descriptor of a mount, or of a path, looks like there */
struct look {
	const char *path;	/* or NULL and */
	int fd;
	struct statmount *sm;
	char *optional;		/* of the path, in /proc/self/mountinfo */
};

#define TEXT_SIZE	200

static int do_look(void *arg)
{
	struct look *look = arg;
	int fd = look->path ? open_mount(look->path) : look->fd;

	if (fd < 0 || mount_state(fd, look->sm))
		return -errno;
	if (look->path)
		snprintf(look->optional, TEXT_SIZE, "%s",
			 mountinfo_optional(look->path));
	return 0;
}

static int look_at(struct look *look, const struct container *c,
		   const char *path)
{
	look->path = path;
	return c ? in_container(c, do_look, look) : do_look(look);
}

static struct look *look_alloc(void)
{
	struct look *look = malloc(sizeof(*look));

	look->sm = shared_alloc(sizeof(*look->sm));
	look->optional = shared_alloc(TEXT_SIZE);
	return look;
}

/* The mark as one string, whose numbers are those of the caller */
static const char *mark_text(const struct statmount *sm)
{
	static char text[TEXT_SIZE];

	if (!(sm->mask & STATMOUNT_MNT_SHIFT))
		return "none";
	snprintf(text, sizeof(text), "%u:%u:%u flags %#x by %u",
		 sm->mnt_origin_uid, sm->mnt_origin_gid, sm->mnt_origin_count,
		 sm->mnt_shift_flags, sm->mnt_shiftable_by);
	return text;
}

static const char *mark_of(int mnt)
{
	struct statmount sm;

	if (mount_state(mnt, &sm))
		return strerror(errno);
	if (!!(sm.mnt_attr & MOUNT_ATTR_SHIFTABLE) !=
	    !!(sm.mask & STATMOUNT_MNT_SHIFT))
		return "in the attributes or in the mask, but not in both";
	return mark_text(&sm);
}

static const char *mark_on(const char *path)
{
	int mnt = open_mount(path);
	const char *text;

	if (mnt < 0)
		return strerror(errno);
	text = mark_of(mnt);
	close(mnt);
	return text;
}

/* mark(mnt, BASE) */
#define USUAL_MARK	"100000:100000:65536 flags 0 by 200000"

/* A mark is seen, changes nothing else, and leaves nothing when it is gone. */
TEST_F(mark, set_and_clear)
{
	char *before, *after;

	before = mountinfo_all();
	ASSERT_NE(NULL, before);
	ASSERT_STREQ("none", mark_of(self->mnt));
	ASSERT_STREQ("", mountinfo_optional(SRC));
	ASSERT_STREQ("rw,relatime", mountinfo_options(SRC));

	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_STREQ(USUAL_MARK, mark_of(self->mnt));
	ASSERT_EQ(MOUNT_ATTR_SHIFTABLE, mount_attrs(self->mnt));
	ASSERT_STREQ(MARK_TEXT, mountinfo_optional(SRC));
	ASSERT_STREQ("rw,relatime", mountinfo_options(SRC));

	/* As often as one likes. */
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, unmark(self->mnt));
		ASSERT_STREQ("none", mark_of(self->mnt));
		ASSERT_EQ(0, mount_attrs(self->mnt));
		after = mountinfo_all();
		ASSERT_NE(NULL, after);
		ASSERT_STREQ(before, after);
	}
}

/* Each number has its place. */
TEST_F(mark, numbers)
{
	const struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_SHIFTABLE,
		.origin_uid = 11,
		.origin_gid = 22,
		.origin_count = 33,
		.shiftable_by = 44,
	};

	ASSERT_EQ(0, set_attr(self->mnt, &attr));
	ASSERT_STREQ("11:22:33 flags 0 by 44", mark_of(self->mnt));
	ASSERT_STREQ("shiftable:11:22:33 shiftable_by:44",
		     mountinfo_optional(SRC));
}

/* A mark for anybody names nobody. */
TEST_F(mark, anybody)
{
	ASSERT_EQ(0, mark_any(self->mnt));
	ASSERT_STREQ("100000:100000:65536 flags 0x1 by 0",
		     mark_of(self->mnt));
	ASSERT_STREQ("shiftable:100000:100000:65536 shiftable_by:any",
		     mountinfo_optional(SRC));
}

/* An origin that is no range has no numbers. One that is a range is shown as it. */
TEST_F(mark, origin_userns)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_SHIFTABLE,
		.attr_clr = MOUNT_ATTR_SHIFTABLE,
		.shift_flags = MOUNT_SHIFT_ORIGIN_USERNS,
		.shiftable_by = BASE,
	};
	const char * const maps[][2] = {
		{ "0 100000 10\n20 200000 10", "0 100000 10" },
		{ "0 100000 10", "0 100000 10\n20 200000 10" },
		{ "1 100000 10", "0 100000 10" },
		{ "0 100000 10", "0 100000 11" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		attr.origin_userns_fd = userns_open(maps[i][0], maps[i][1]);
		ASSERT_LE(0, (int)attr.origin_userns_fd);
		ASSERT_EQ(0, set_attr(self->mnt, &attr));
		ASSERT_STREQ("0:0:0 flags 0x2 by 200000",
			     mark_of(self->mnt))
			TH_LOG("%s, %s", maps[i][0], maps[i][1]);
		ASSERT_STREQ("shiftable:userns shiftable_by:200000",
			     mountinfo_optional(SRC));
	}

	attr.origin_userns_fd = userns_open("0 7000 50", "0 9000 50");
	ASSERT_LE(0, (int)attr.origin_userns_fd);
	ASSERT_EQ(0, set_attr(self->mnt, &attr));
	ASSERT_STREQ("7000:9000:50 flags 0 by 200000", mark_of(self->mnt));
	ASSERT_STREQ("shiftable:7000:9000:50 shiftable_by:200000",
		     mountinfo_optional(SRC));

	attr.shift_flags |= MOUNT_SHIFT_ANY;
	attr.shiftable_by = 0;
	attr.origin_userns_fd = userns_open(maps[0][0], maps[0][1]);
	ASSERT_LE(0, (int)attr.origin_userns_fd);
	ASSERT_EQ(0, set_attr(self->mnt, &attr));
	ASSERT_STREQ("0:0:0 flags 0x3 by 0", mark_of(self->mnt));
	ASSERT_STREQ("shiftable:userns shiftable_by:any", mountinfo_optional(SRC));
}

static int check_parts(void *arg __maybe_unused)
{
	if (owner_differs(AT_FDCWD, DST "/a", 3, 4))
		return 1;
	if (owner_differs(AT_FDCWD, DST "/b", 13, 19))
		return 2;
	return owner_differs(AT_FDCWD, DST "/c", OVERFLOW_ID, OVERFLOW_ID) ? 3 : 0;
}

/* The namespace can go: the mark keeps the ids. */
TEST_F(mark, origin_userns_is_copied)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_SHIFTABLE,
		.shift_flags = MOUNT_SHIFT_ORIGIN_USERNS,
		.shiftable_by = BASE,
	};
	struct container c;
	struct userns ns;

	ASSERT_EQ(0, userns_make(&ns, "0 5000 10\n10 7000 10", "0 6000 20"));
	attr.origin_userns_fd = ns.fd;
	ASSERT_EQ(0, set_attr(self->mnt, &attr));
	userns_end(&ns);

	ASSERT_EQ(0, make_file(self->mnt, "a", 0600, 5003, 6004));
	ASSERT_EQ(0, make_file(self->mnt, "b", 0600, 7003, 6019));
	ASSERT_EQ(0, make_file(self->mnt, "c", 0600, 5010, 6020));
	ASSERT_EQ(0, container_make(&c, BASE));
	ASSERT_EQ(0, in_container(&c, do_mount_shifted, NULL));
	ASSERT_EQ(0, in_container(&c, check_parts, NULL));
	container_end(&c);
}

/* A mark in place of another one is another one in all respects. */
TEST_F(mark, replaced)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_SHIFTABLE | MOUNT_ATTR_NODEV,
		.attr_clr = MOUNT_ATTR_SHIFTABLE,
		.origin_uid = 5,
		.origin_gid = 6,
		.origin_count = 7,
		.shift_flags = MOUNT_SHIFT_ANY,
	};

	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_EQ(0, set_attr(self->mnt, &attr));
	ASSERT_STREQ("5:6:7 flags 0x1 by 0", mark_of(self->mnt));

	ASSERT_EQ(0, mark_replace(self->mnt, BASE_B));
	ASSERT_STREQ("100000:100000:65536 flags 0 by 300000",
		     mark_of(self->mnt));
}

/* A mark neither sets nor forbids attributes to those who can remove it. */
TEST_F(mark, leaves_attributes)
{
	const __u64 others = MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW;

	for (__u64 attrs = 0; attrs <= RESTRICTIONS; attrs++) {
		struct mount_attr attr = MARK(BASE);

		/* In the same call */
		attr.attr_clr = RESTRICTIONS | MOUNT_ATTR_SHIFTABLE;
		attr.attr_set |= attrs | others;
		ASSERT_EQ(0, set_attr(self->mnt, &attr));
		ASSERT_EQ(attrs | others | MOUNT_ATTR_SHIFTABLE,
			  mount_attrs(self->mnt));

		/* Later */
		attr = (struct mount_attr){
			.attr_set = RESTRICTIONS & ~attrs,
			.attr_clr = attrs,
		};
		ASSERT_EQ(0, set_attr(self->mnt, &attr));
		ASSERT_EQ((RESTRICTIONS & ~attrs) | others | MOUNT_ATTR_SHIFTABLE,
			  mount_attrs(self->mnt));
		ASSERT_EQ(0, unmark(self->mnt));
		ASSERT_EQ((RESTRICTIONS & ~attrs) | others,
			  mount_attrs(self->mnt));
	}
}

/*
 * The container sees that it is its own root who may shift; another container
 * sees somebody whom it does not know. The ids on disk are the same for all.
 */
TEST_F(mark, seen_from_containers)
{
	struct look *look = look_alloc();
	struct container a, b;

	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_EQ(0, container_make(&a, BASE));
	ASSERT_EQ(0, container_make(&b, BASE_B));

	ASSERT_EQ(0, look_at(look, &a, SRC));
	ASSERT_STREQ("100000:100000:65536 flags 0 by 0",
		     mark_text(look->sm));
	ASSERT_STREQ("shiftable:100000:100000:65536 shiftable_by:0",
		     look->optional);

	ASSERT_EQ(0, look_at(look, &b, SRC));
	ASSERT_STREQ("100000:100000:65536 flags 0 by 65534",
		     mark_text(look->sm));
	ASSERT_STREQ("shiftable:100000:100000:65536 shiftable_by:65534",
		     look->optional);
	container_end(&a);
	container_end(&b);
}

/* A user of a container is nobody to the others, even if his id is not 0. */
TEST_F(mark, seen_as_user)
{
	struct look *look = look_alloc();
	struct container c;

	ASSERT_EQ(0, mark(self->mnt, BASE + 1234));
	ASSERT_EQ(0, container_make(&c, BASE));
	ASSERT_EQ(0, look_at(look, &c, SRC));
	ASSERT_STREQ("shiftable:100000:100000:65536 shiftable_by:1234",
		     look->optional);
	ASSERT_EQ(1234, look->sm->mnt_shiftable_by);
	container_end(&c);

	/* Nor is it root of the container that may shift then. */
	ASSERT_EQ(0, container_make(&c, BASE));
	ASSERT_EQ(-EPERM, in_container(&c, do_shift_clone, SRC));
	container_end(&c);
}

/* A revoked mark is still one, and everybody can see it. */
TEST_F(mark, revoked_is_shown)
{
	struct look *look = look_alloc();
	struct container c;
	int clone;

	ASSERT_EQ(0, mark(self->mnt, BASE));
	clone = clone_mount(SRC);
	ASSERT_LE(0, clone);
	ASSERT_EQ(0, attach(clone, OTHER));
	ASSERT_EQ(0, container_make(&c, BASE));

	ASSERT_EQ(0, mark_revoke(self->mnt));
	ASSERT_STREQ("none", mark_of(self->mnt));
	ASSERT_STREQ("", mountinfo_optional(SRC));

	ASSERT_TRUE(is_marked(clone));
	ASSERT_STREQ("100000:100000:65536 flags 0x4 by 200000",
		     mark_of(clone));
	ASSERT_STREQ("shiftable:100000:100000:65536 shiftable_by:revoked",
		     mountinfo_optional(OTHER));

	ASSERT_EQ(0, look_at(look, &c, SRC));
	ASSERT_STREQ("100000:100000:65536 flags 0x4 by 0",
		     mark_text(look->sm));
	ASSERT_STREQ("shiftable:100000:100000:65536 shiftable_by:revoked",
		     look->optional);
	container_end(&c);
}

/* Where a mark goes */

/* Every copy that a process can make of a marked mount is marked. */
TEST_F(mark, inherited_by_copies)
{
	int clone, tree;

	ASSERT_EQ(0, mkdir(SRC "/dir", 0755));
	ASSERT_EQ(0, mark(self->mnt, BASE));

	ASSERT_EQ(0, sys_mount(SRC, DST, NULL, MS_BIND, NULL));
	ASSERT_STREQ(USUAL_MARK, mark_on(DST));
	ASSERT_STREQ(MARK_TEXT, mountinfo_optional(DST));
	ASSERT_EQ(0, sys_umount2(DST, 0));

	ASSERT_EQ(0, sys_mount(SRC "/dir", DST, NULL, MS_BIND, NULL));
	ASSERT_STREQ(USUAL_MARK, mark_on(DST));
	ASSERT_EQ(0, sys_umount2(DST, 0));

	ASSERT_EQ(0, sys_mount(SRC, DST, NULL, MS_BIND | MS_REC, NULL));
	ASSERT_STREQ(USUAL_MARK, mark_on(DST));
	ASSERT_EQ(0, sys_umount2(DST, 0));

	clone = clone_mount(SRC);
	ASSERT_LE(0, clone);
	ASSERT_STREQ(USUAL_MARK, mark_of(clone));
	tree = clone_tree(SRC "/dir");
	ASSERT_LE(0, tree);
	ASSERT_STREQ(USUAL_MARK, mark_of(tree));
	/* A clone of a clone */
	tree = clone_mount_fd(tree);
	ASSERT_LE(0, tree);
	ASSERT_EQ(0, close(clone));
	ASSERT_STREQ(USUAL_MARK, mark_of(tree));

	/* It does not depend on where it comes from. */
	ASSERT_EQ(0, unmark(self->mnt));
	ASSERT_STREQ(USUAL_MARK, mark_of(tree));
	ASSERT_EQ(0, sys_umount2(SRC, MNT_DETACH));
	ASSERT_STREQ(USUAL_MARK, mark_of(tree));
}

/* Nor does the original depend on its copies. */
TEST_F(mark, clone_unmarked)
{
	int clone, other;

	ASSERT_EQ(0, mark(self->mnt, BASE));
	clone = clone_mount(SRC);
	ASSERT_LE(0, clone);
	other = clone_mount(SRC);
	ASSERT_LE(0, other);

	ASSERT_EQ(0, unmark(clone));
	ASSERT_STREQ("none", mark_of(clone));
	ASSERT_STREQ(USUAL_MARK, mark_of(self->mnt));
	ASSERT_STREQ(USUAL_MARK, mark_of(other));
	/* And a clone of the clone has none. */
	clone = clone_mount_fd(clone);
	ASSERT_LE(0, clone);
	ASSERT_STREQ("none", mark_of(clone));
}

static int look_in_new_mntns(void *arg __maybe_unused)
{
	if (unshare(CLONE_NEWNS))
		return -errno;
	return strcmp(mark_on(SRC), USUAL_MARK) ? 1 : 0;
}

/* A new mount namespace has marked copies, of the host as of a container. */
TEST_F(mark, inherited_by_mount_namespaces)
{
	struct look *look = look_alloc();
	struct container c;

	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_EQ(0, in_child(look_in_new_mntns, NULL));

	ASSERT_EQ(0, container_make(&c, BASE));
	ASSERT_EQ(0, look_at(look, &c, SRC));
	ASSERT_EQ(MOUNT_ATTR_SHIFTABLE, look->sm->mnt_attr);

	/* What is marked or unmarked later is not noticed there. */
	ASSERT_EQ(0, unmark(self->mnt));
	ASSERT_EQ(0, look_at(look, &c, SRC));
	ASSERT_EQ(MOUNT_ATTR_SHIFTABLE, look->sm->mnt_attr);
	container_end(&c);

	ASSERT_EQ(0, container_make(&c, BASE));
	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_EQ(0, look_at(look, &c, SRC));
	ASSERT_EQ(0, look->sm->mnt_attr);
	ASSERT_EQ(-EPERM, in_container(&c, do_shift_clone, SRC));
	container_end(&c);
}

static int look_in_tree_namespace(void *arg)
{
	int fd = *(int *)arg;

	if (setns(fd, CLONE_NEWNS))
		return -errno;
	return strcmp(mark_on("/"), USUAL_MARK) ? 1 : 0;
}

/* So has one that is made of the mount alone. */
TEST_F(mark, inherited_by_tree_namespace)
{
	int fd;

	ASSERT_EQ(0, mark(self->mnt, BASE));
	fd = sys_open_tree(AT_FDCWD, SRC, OPEN_TREE_NAMESPACE | OPEN_TREE_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, in_child(look_in_tree_namespace, &fd));
}

/* What is mounted below a peer or a master of a mount is marked everywhere. */
TEST_F(mark, inherited_by_propagation)
{
	const char *peer = SCRATCH "/peer", *slave = SCRATCH "/slave";
	const struct mount_attr as_slave = { .propagation = MS_SLAVE };
	const struct mount_attr as_shared = { .propagation = MS_SHARED };
	int clone, mnt;

	ASSERT_EQ(0, mkdir(peer, 0755));
	ASSERT_EQ(0, mkdir(slave, 0755));
	ASSERT_EQ(0, tmpfs_mount(OTHER, "0755"));
	ASSERT_EQ(0, mkdir(OTHER "/here", 0755));
	mnt = open_mount(OTHER);
	ASSERT_LE(0, mnt);
	ASSERT_EQ(0, set_attr(mnt, &as_shared));
	ASSERT_EQ(0, sys_mount(OTHER, peer, NULL, MS_BIND, NULL));
	ASSERT_EQ(0, sys_mount(OTHER, slave, NULL, MS_BIND, NULL));
	mnt = open_mount(slave);
	ASSERT_LE(0, mnt);
	ASSERT_EQ(0, set_attr(mnt, &as_slave));

	ASSERT_EQ(0, mark(self->mnt, BASE));
	clone = clone_mount(SRC);
	ASSERT_LE(0, clone);
	ASSERT_EQ(0, attach(clone, OTHER "/here"));
	ASSERT_STREQ(USUAL_MARK, mark_on(OTHER "/here"));
	ASSERT_STREQ(USUAL_MARK, mark_on(SCRATCH "/peer/here"));
	ASSERT_STREQ(USUAL_MARK, mark_on(SCRATCH "/slave/here"));

	/* They are copies like others: what changes in one is its own. */
	mnt = open_mount(SCRATCH "/peer/here");
	ASSERT_LE(0, mnt);
	ASSERT_EQ(0, unmark(mnt));
	ASSERT_STREQ("none", mark_on(SCRATCH "/peer/here"));
	ASSERT_STREQ(USUAL_MARK, mark_on(OTHER "/here"));
	ASSERT_STREQ(USUAL_MARK, mark_on(SCRATCH "/slave/here"));
}

/* To mark a mount is not to mark its peers. */
TEST_F(mark, not_propagated)
{
	const struct mount_attr as_shared = { .propagation = MS_SHARED };
	char expected[TEXT_SIZE];
	struct statmount sm;

	ASSERT_EQ(0, set_attr(self->mnt, &as_shared));
	ASSERT_EQ(0, sys_mount(SRC, OTHER, NULL, MS_BIND, NULL));
	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_STREQ(USUAL_MARK, mark_on(SRC));
	ASSERT_STREQ("none", mark_on(OTHER));

	/* The mark comes behind the propagation. */
	ASSERT_EQ(0, mount_state(self->mnt, &sm));
	snprintf(expected, sizeof(expected), "shared:%llu " MARK_TEXT,
		 sm.mnt_peer_group);
	ASSERT_STREQ(expected, mountinfo_optional(SRC));
}

/* The mark is the mount's: other mounts on and below it have none. */
TEST_F(mark, other_mounts)
{
	ASSERT_EQ(0, mkdir(SRC "/dir", 0755));
	ASSERT_EQ(0, mark(self->mnt, BASE));

	ASSERT_EQ(0, tmpfs_mount(SRC "/dir", "0755"));
	ASSERT_STREQ("none", mark_on(SRC "/dir"));
	ASSERT_EQ(0, sys_mount("tmpfs", SRC "/dir", "tmpfs", 0, NULL));
	ASSERT_STREQ("none", mark_on(SRC "/dir"));

	/* On it as well */
	ASSERT_EQ(0, tmpfs_mount(SRC, "0755"));
	ASSERT_STREQ("none", mark_on(SRC));
	ASSERT_EQ(0, sys_umount2(SRC, 0));
	ASSERT_STREQ(USUAL_MARK, mark_on(SRC));
}

/* Moving, remounting and changing attributes keeps it. */
TEST_F(mark, kept)
{
	const struct mount_attr rdonly = { .attr_set = MOUNT_ATTR_RDONLY };
	const struct mount_attr unbindable = { .propagation = MS_UNBINDABLE };
	const struct mount_attr noatime = {
		.attr_set = MOUNT_ATTR_NOATIME,
		.attr_clr = MOUNT_ATTR__ATIME,
	};

	ASSERT_EQ(0, mark(self->mnt, BASE));

	ASSERT_EQ(0, sys_mount(SRC, DST, NULL, MS_MOVE, NULL));
	ASSERT_STREQ(USUAL_MARK, mark_on(DST));
	ASSERT_EQ(0, sys_move_mount(self->mnt, "", AT_FDCWD, SRC,
				    MOVE_MOUNT_F_EMPTY_PATH));
	ASSERT_STREQ(USUAL_MARK, mark_on(SRC));

	ASSERT_EQ(0, sys_mount(NULL, SRC, NULL, MS_REMOUNT | MS_BIND | MS_NODEV,
			       NULL));
	ASSERT_STREQ(USUAL_MARK, mark_on(SRC));
	ASSERT_TRUE(has_option(mountinfo_options(SRC), "nodev"));
	ASSERT_EQ(0, sys_mount(NULL, SRC, NULL, MS_REMOUNT | MS_BIND, NULL));
	ASSERT_STREQ(USUAL_MARK, mark_on(SRC));
	ASSERT_FALSE(has_option(mountinfo_options(SRC), "nodev"));
	ASSERT_EQ(0, sys_mount(NULL, SRC, NULL, MS_REMOUNT, "size=50%"));
	ASSERT_STREQ(USUAL_MARK, mark_on(SRC));

	ASSERT_EQ(0, set_attr(self->mnt, &rdonly));
	ASSERT_STREQ(USUAL_MARK, mark_on(SRC));
	ASSERT_EQ(0, set_attr(self->mnt, &noatime));
	ASSERT_STREQ(USUAL_MARK, mark_on(SRC));
	ASSERT_EQ(0, set_attr(self->mnt, &unbindable));
	ASSERT_STREQ(USUAL_MARK, mark_on(SRC));
	ASSERT_STREQ("unbindable " MARK_TEXT, mountinfo_optional(SRC));
}

/* A detached mount can be marked, before anybody sees it. */
TEST_F(mark, detached)
{
	struct mount_attr attr = MARK(BASE);
	struct container c;
	int mnt, own;

	mnt = tmpfs_fd("0755");
	ASSERT_LE(0, mnt);
	ASSERT_EQ(0, mark(mnt, BASE));
	ASSERT_EQ(-1, mark(mnt, BASE));
	ASSERT_EQ(EEXIST, errno);
	ASSERT_EQ(0, unmark(mnt));
	ASSERT_EQ(0, mark(mnt, BASE));
	ASSERT_EQ(0, attach(mnt, DST));
	ASSERT_STREQ(USUAL_MARK, mark_on(DST));

	mnt = sys_open_tree_attr(AT_FDCWD, SRC, CLONE_TREE, &attr, sizeof(attr));
	ASSERT_LE(0, mnt);
	ASSERT_STREQ("none", mark_on(SRC));
	ASSERT_EQ(0, container_make(&c, BASE));

	/* Passed on as it is, only for the one container. */
	ASSERT_EQ(0, container_make(&c, BASE));
	own = clone_mount_fd(mnt);
	ASSERT_LE(0, own);
	ASSERT_EQ(0, in_container(&c, do_shift_fd, &own));
	ASSERT_EQ(MOUNT_ATTR_IDMAP | MOUNT_ATTR_SHIFT | MOUNT_ATTR_NODEV,
		  mount_attrs(own));
	container_end(&c);

	ASSERT_EQ(0, container_make(&c, BASE_B));
	own = clone_mount_fd(mnt);
	ASSERT_LE(0, own);
	ASSERT_EQ(-EPERM, in_container(&c, do_shift_fd, &own));
	ASSERT_STREQ(USUAL_MARK, mark_of(own));
	container_end(&c);
}

/* Trees of mounts */

FIXTURE(tree)
{
	int top, middle, low;
};

FIXTURE_SETUP(tree)
{
	const char *reason = shift_unavailable();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, scratch_setup());
	self->top = source_setup();
	ASSERT_LE(0, self->top);
	ASSERT_EQ(0, mkdir(SRC "/middle", 0755));
	ASSERT_EQ(0, tmpfs_mount(SRC "/middle", "0755"));
	ASSERT_EQ(0, mkdir(SRC "/middle/low", 0755));
	ASSERT_EQ(0, tmpfs_mount(SRC "/middle/low", "0755"));
	self->middle = open_mount(SRC "/middle");
	ASSERT_LE(0, self->middle);
	self->low = open_mount(SRC "/middle/low");
	ASSERT_LE(0, self->low);
}

FIXTURE_TEARDOWN(tree)
{
}

#define ASSERT_NONE_MARKED()						\
do {									\
	ASSERT_STREQ("none", mark_of(self->top));			\
	ASSERT_STREQ("none", mark_of(self->middle));			\
	ASSERT_STREQ("none", mark_of(self->low));			\
} while (0)

/* With AT_RECURSIVE all mounts are marked and unmarked, without it the one. */
TEST_F(tree, recursive)
{
	const struct mount_attr unmark_attr = { .attr_clr = MOUNT_ATTR_SHIFTABLE };

	ASSERT_EQ(0, mark(self->middle, BASE));
	ASSERT_STREQ("none", mark_of(self->top));
	ASSERT_STREQ(USUAL_MARK, mark_of(self->middle));
	ASSERT_STREQ("none", mark_of(self->low));
	ASSERT_EQ(0, unmark(self->top));
	ASSERT_STREQ(USUAL_MARK, mark_of(self->middle));
	ASSERT_EQ(0, unmark(self->middle));
	ASSERT_NONE_MARKED();

	ASSERT_EQ(0, mark_recursive(self->top, BASE));
	ASSERT_STREQ(USUAL_MARK, mark_of(self->top));
	ASSERT_STREQ(USUAL_MARK, mark_of(self->middle));
	ASSERT_STREQ(USUAL_MARK, mark_of(self->low));
	ASSERT_EQ(0, set_attr_recursive(self->middle, &unmark_attr));
	ASSERT_STREQ(USUAL_MARK, mark_of(self->top));
	ASSERT_STREQ("none", mark_of(self->middle));
	ASSERT_STREQ("none", mark_of(self->low));
	ASSERT_EQ(0, set_attr_recursive(self->top, &unmark_attr));
	ASSERT_NONE_MARKED();
}

/* Each mount keeps its own attributes, and gets the others. */
TEST_F(tree, attributes)
{
	const struct mount_attr noexec = { .attr_set = MOUNT_ATTR_NOEXEC };
	const struct mount_attr rdonly = { .attr_set = MOUNT_ATTR_RDONLY };
	struct mount_attr attr = MARK(BASE);

	ASSERT_EQ(0, set_attr(self->top, &noexec));
	ASSERT_EQ(0, set_attr(self->low, &rdonly));
	attr.attr_set |= MOUNT_ATTR_NOSUID;
	ASSERT_EQ(0, set_attr_recursive(self->top, &attr));
	attr.attr_set &= ~(__u64)MOUNT_ATTR_SHIFTABLE;
	ASSERT_EQ(attr.attr_set | MOUNT_ATTR_NOEXEC,
		  mount_attrs(self->top) & RESTRICTIONS);
	ASSERT_EQ(attr.attr_set, mount_attrs(self->middle) & RESTRICTIONS);
	ASSERT_EQ(attr.attr_set | MOUNT_ATTR_RDONLY,
		  mount_attrs(self->low) & RESTRICTIONS);
}

/*
 * If one of the mounts cannot be marked, none is, and what else was asked for
 * does not happen either.
 */
TEST_F(tree, one_cannot)
{
	struct mount_attr attr = MARK(BASE);
	int proc, userns, mapped;
	char *before, *after;

	attr.attr_set |= MOUNT_ATTR_NODEV;

	/* A file system without idmapped mounts */
	proc = fs_fd("proc", NULL, NULL);
	ASSERT_LE(0, proc);
	ASSERT_EQ(0, attach(proc, SRC "/middle/low"));
	before = mountinfo_all();
	ASSERT_EQ(-1, set_attr_recursive(self->top, &attr));
	ASSERT_EQ(EINVAL, errno);
	after = mountinfo_all();
	ASSERT_STREQ(before, after);
	ASSERT_NONE_MARKED();
	ASSERT_EQ(0, sys_umount2(SRC "/middle/low", MNT_DETACH));

	/* An idmapped mount */
	userns = userns_open(map_of(BASE), map_of(BASE));
	ASSERT_LE(0, userns);
	mapped = tmpfs_fd("0755");
	ASSERT_LE(0, mapped);
	ASSERT_EQ(0, idmap(mapped, userns));
	ASSERT_EQ(0, attach(mapped, SRC "/middle/low"));
	before = mountinfo_all();
	ASSERT_EQ(-1, set_attr_recursive(self->top, &attr));
	ASSERT_EQ(EINVAL, errno);
	after = mountinfo_all();
	ASSERT_STREQ(before, after);
	ASSERT_NONE_MARKED();
	ASSERT_EQ(0, sys_umount2(SRC "/middle/low", MNT_DETACH));

	/* One that has a mark */
	ASSERT_EQ(0, mark(self->low, BASE_B));
	before = mountinfo_all();
	ASSERT_EQ(-1, set_attr_recursive(self->top, &attr));
	ASSERT_EQ(EEXIST, errno);
	after = mountinfo_all();
	ASSERT_STREQ(before, after);
	ASSERT_STREQ("none", mark_of(self->top));
	ASSERT_STREQ("none", mark_of(self->middle));

	/* Which can be replaced, together with what is no mark. */
	attr.attr_clr = MOUNT_ATTR_SHIFTABLE;
	ASSERT_EQ(0, set_attr_recursive(self->top, &attr));
	ASSERT_STREQ(USUAL_MARK, mark_of(self->low));
	ASSERT_STREQ(USUAL_MARK, mark_of(self->top));
}

/* A writer that is in the way of rdonly leaves all writable and unmarked. */
TEST_F(tree, writer)
{
	struct mount_attr attr = MARK(BASE);
	int file;

	file = openat(self->low, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	ASSERT_LE(0, file);
	attr.attr_set |= MOUNT_ATTR_RDONLY;
	ASSERT_EQ(-1, set_attr_recursive(self->top, &attr));
	ASSERT_EQ(EBUSY, errno);
	ASSERT_NONE_MARKED();
	ASSERT_EQ(0, mkdirat(self->top, "a", 0755));
	ASSERT_EQ(0, mkdirat(self->middle, "a", 0755));
	ASSERT_EQ(0, mkdirat(self->low, "a", 0755));

	ASSERT_EQ(0, close(file));
	ASSERT_EQ(0, set_attr_recursive(self->top, &attr));
	ASSERT_EQ(-1, mkdirat(self->low, "b", 0755));
	ASSERT_EQ(EROFS, errno);
}

static int mark_tree_with_own(void *arg __maybe_unused)
{
	const struct mount_attr attr = MARK(1);
	int mnt = open_mount(OWN);

	if (mnt < 0 || mkdir(OWN "/inherited", 0755) ||
	    sys_mount(SRC, OWN "/inherited", NULL, MS_BIND | MS_REC, NULL))
		return -errno;
	if (!set_attr_recursive(mnt, &attr))
		return 1;
	if (errno != EPERM || is_marked(mnt))
		return -errno;
	return set_attr(mnt, &attr) ? -errno : 0;
}

/* A mount that the caller does not control is in the way, too. */
TEST_F(tree, not_controlled)
{
	struct container c;

	ASSERT_EQ(0, container_make(&c, BASE));
	ASSERT_EQ(0, in_container(&c, do_tmpfs, OWN));
	ASSERT_EQ(0, in_container(&c, mark_tree_with_own, NULL));
	container_end(&c);
}

/* What the mark turns off */

/* What a program that was run finds out about itself */
struct report {
	uid_t euid;
	gid_t egid;
	__u64 permitted;
};

/* The program's other life: see main(). */
static int report(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];
	struct report report = { .euid = geteuid(), .egid = getegid() };

	if (syscall(__NR_capget, &header, data))
		return 1;
	report.permitted = data[0].permitted | (__u64)data[1].permitted << 32;
	return write(STDOUT_FILENO, &report, sizeof(report)) != sizeof(report);
}

struct run {
	const char *path;
	struct report *report;
};

static int do_run(void *arg)
{
	const struct run *run = arg;
	int pipes[2];
	pid_t pid;

	if (pipe(pipes))
		return -errno;
	pid = fork();
	if (!pid) {
		dup2(pipes[1], STDOUT_FILENO);
		execl(run->path, run->path, "report", NULL);
		_exit(127);
	}
	close(pipes[1]);
	if (read(pipes[0], run->report, sizeof(*run->report)) !=
	    sizeof(*run->report))
		return -ENOEXEC;
	return wait_exit(pid);
}

/* Runs a program as a user, of the host or of a container. */
static int run_as(const struct container *c, uid_t uid, const char *path,
		  struct report *report)
{
	struct run run = { path, report };

	if (c)
		return in_container_as(c, uid, uid, do_run, &run);
	return as_user(uid, uid, do_run, &run);
}

#define PROGRAM_ID	(ORIGIN + 5)

FIXTURE(exec)
{
	int mnt;
	struct report *report;
};

FIXTURE_SETUP(exec)
{
	struct vfs_cap_data caps = {
		.magic_etc = htole32(VFS_CAP_REVISION_2 |
				     VFS_CAP_FLAGS_EFFECTIVE),
		.data[0].permitted = htole32(CAP_BIT(CAP_NET_RAW)),
	};
	const char *reason = shift_unavailable();
	int fd;

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, scratch_setup());
	self->mnt = source_setup();
	ASSERT_LE(0, self->mnt);
	self->report = shared_alloc(sizeof(*self->report));
	ASSERT_NE(NULL, self->report);

	ASSERT_EQ(0, copy_self(self->mnt, "suid_root", 04755, 0, 0));
	/* Both ids have to be known where it runs, even for only one bit. */
	ASSERT_EQ(0, copy_self(self->mnt, "suid", 04755, PROGRAM_ID, PROGRAM_ID));
	ASSERT_EQ(0, copy_self(self->mnt, "sgid", 02755, PROGRAM_ID, PROGRAM_ID));
	ASSERT_EQ(0, copy_self(self->mnt, "suid_container", 04755, BASE + 7,
			       BASE + 7));
	ASSERT_EQ(0, copy_self(self->mnt, "caps", 0755, 0, 0));
	fd = openat(self->mnt, "caps", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fsetxattr(fd, "security.capability", &caps, XATTR_CAPS_SZ_2,
			       0));
	ASSERT_EQ(0, close(fd));
}

FIXTURE_TEARDOWN(exec)
{
}

/*
 * Do set-ids and file capabilities take effect in a directory, on the host? "all"
 * or "none" of them, or something else.
 */
static const char *powers(const char *dir, struct report *report)
{
	const char * const programs[] = { "suid_root", "suid", "sgid", "caps" };
	static char text[120];
	unsigned int all = 0, set = 0;

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		bool works, fails;
		char path[100];
		int ret;

		snprintf(path, sizeof(path), "%s/%s", dir, programs[i]);
		ret = run_as(NULL, USER, path, report);
		if (ret) {
			snprintf(text, sizeof(text), "%s: %d", path, ret);
			return text;
		}
		fails = report->euid == USER && report->egid == USER &&
			!report->permitted;
		works = i == 0 ? !report->euid && report->permitted :
			i == 1 ? report->euid == PROGRAM_ID :
			i == 2 ? report->egid == PROGRAM_ID :
			report->permitted == CAP_BIT(CAP_NET_RAW);
		if (works == fails)
			return "strange";
		all |= 1U << i;
		if (works)
			set |= 1U << i;
	}
	if (set == all)
		return "all";
	snprintf(text, sizeof(text), set ? "some: %#x" : "none", set);
	return text;
}

/*
 * A tenant makes a program set-user-ID root, or gives it capabilities, and waits
 * for somebody on the host to run it through the mount that was marked. In vain.
 */
TEST_F(exec, marked)
{
	ASSERT_STREQ("all", powers(SRC, self->report));
	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_STREQ("none", powers(SRC, self->report));
	ASSERT_EQ(0, unmark(self->mnt));
	ASSERT_STREQ("all", powers(SRC, self->report));
	ASSERT_EQ(0, mark_any(self->mnt));
	ASSERT_STREQ("none", powers(SRC, self->report));
	ASSERT_EQ(0, mark_replace(self->mnt, BASE));
	ASSERT_STREQ("none", powers(SRC, self->report));
}

/* It is the mount that is marked: others of the same file system are not. */
TEST_F(exec, elsewhere)
{
	ASSERT_EQ(0, sys_mount(SRC, OTHER, NULL, MS_BIND, NULL));
	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_STREQ("none", powers(SRC, self->report));
	ASSERT_STREQ("all", powers(OTHER, self->report));
}

/* Copies of it are, also after the original is unmarked or the mark revoked. */
TEST_F(exec, copies)
{
	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_EQ(0, sys_mount(SRC, OTHER, NULL, MS_BIND, NULL));
	ASSERT_STREQ("none", powers(OTHER, self->report));
	ASSERT_EQ(0, unmark(self->mnt));
	ASSERT_STREQ("none", powers(OTHER, self->report));

	ASSERT_EQ(0, mark_revoke(open_mount(OTHER)));
	ASSERT_STREQ("all", powers(OTHER, self->report));
	ASSERT_EQ(0, sys_umount2(OTHER, MNT_DETACH));

	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_EQ(0, sys_mount(SRC, OTHER, NULL, MS_BIND, NULL));
	ASSERT_EQ(0, mark_revoke(self->mnt));
	ASSERT_STREQ("all", powers(SRC, self->report));
	ASSERT_STREQ("none", powers(OTHER, self->report));
}

/* The same for a container, whose ids may be on disk by accident. */
TEST_F(exec, container)
{
	struct container before, after;

	ASSERT_EQ(0, container_make(&before, BASE));
	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_EQ(0, container_make(&after, BASE));

	ASSERT_EQ(0, run_as(&before, 1000, SRC "/suid_container", self->report));
	ASSERT_EQ(7, self->report->euid);
	ASSERT_EQ(0, run_as(&after, 1000, SRC "/suid_container", self->report));
	ASSERT_EQ(1000, self->report->euid);

	/* What belongs to it does work, once it is shifted. */
	ASSERT_EQ(0, run_as(&after, 1000, SRC "/suid", self->report));
	ASSERT_EQ(1000, self->report->euid);
	ASSERT_EQ(0, in_container(&after, do_mount_shifted, NULL));
	ASSERT_EQ(0, run_as(&after, 1000, DST "/suid", self->report));
	ASSERT_EQ(5, self->report->euid);
	ASSERT_EQ(0, run_as(&after, 1000, DST "/sgid", self->report));
	ASSERT_EQ(5, self->report->egid);

	/* What does not belong to it does not, nor do the host's capabilities. */
	ASSERT_EQ(0, run_as(&after, 1000, DST "/suid_root", self->report));
	ASSERT_EQ(1000, self->report->euid);
	ASSERT_EQ(0, run_as(&after, 1000, DST "/caps", self->report));
	ASSERT_EQ(0, self->report->permitted);
	container_end(&before);
	container_end(&after);
}

/* Device nodes come with images. Through a marked mount they do not open. */
TEST_F(exec, device_nodes)
{
	struct statvfs stat;
	int fd;

	ASSERT_EQ(0, mknodat(self->mnt, "null", S_IFCHR | 0666, makedev(1, 3)));
	fd = open(SRC "/null", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sys_mount(SRC, OTHER, NULL, MS_BIND, NULL));

	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_EQ(-1, open(SRC "/null", O_RDWR | O_CLOEXEC));
	ASSERT_EQ(EACCES, errno);
	fd = open(OTHER "/null", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);

	ASSERT_EQ(0, unmark(self->mnt));
	fd = open(SRC "/null", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);

	/* statfs(2) tells. */
	ASSERT_EQ(0, statvfs(SRC, &stat));
	ASSERT_EQ(0, stat.f_flag & (ST_NOSUID | ST_NODEV));
	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_EQ(0, statvfs(SRC, &stat));
	ASSERT_EQ(ST_NOSUID | ST_NODEV, stat.f_flag & (ST_NOSUID | ST_NODEV));
	ASSERT_EQ(0, stat.f_flag & (ST_NOEXEC | ST_RDONLY));
	ASSERT_EQ(0, statvfs(OTHER, &stat));
	ASSERT_EQ(0, stat.f_flag & (ST_NOSUID | ST_NODEV));
}

/* Marks and idmappings */

/*
 * An idmapping by the host takes the mark off, so that runtimes which idmap
 * clones go on as before. A container finds nothing to shift once more.
 */
TEST_F(mark, dropped_by_idmap)
{
	struct container c;
	int userns, clone;

	userns = userns_open(map_of(BASE), map_of(BASE));
	ASSERT_LE(0, userns);
	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_EQ(0, container_make(&c, BASE));

	clone = clone_mount(SRC);
	ASSERT_LE(0, clone);
	ASSERT_EQ(0, idmap(clone, userns));
	ASSERT_STREQ("none", mark_of(clone));
	ASSERT_EQ(MOUNT_ATTR_IDMAP, mount_attrs(clone));
	ASSERT_EQ(-EPERM, in_container(&c, do_shift_fd, &clone));
	ASSERT_EQ(0, attach(clone, OTHER));
	ASSERT_STREQ("", mountinfo_optional(OTHER));
	ASSERT_STREQ("rw,relatime,idmapped", mountinfo_options(OTHER));

	clone = clone_mount(SRC);
	ASSERT_LE(0, clone);
	ASSERT_EQ(0, shift_direct(clone, userns, ORIGIN, ORIGIN, COUNT));
	ASSERT_STREQ("none", mark_of(clone));
	ASSERT_EQ(MOUNT_ATTR_IDMAP | MOUNT_ATTR_SHIFT, mount_attrs(clone));
	ASSERT_EQ(-EPERM, in_container(&c, do_shift_fd, &clone));
	ASSERT_EQ(0, attach(clone, DST));
	ASSERT_STREQ("shifted", mountinfo_optional(DST));
	ASSERT_STREQ("rw,relatime,idmapped", mountinfo_options(DST));

	/* On that clone only. */
	ASSERT_STREQ(USUAL_MARK, mark_of(self->mnt));
	ASSERT_EQ(0, in_container(&c, do_shift_clone, SRC));
	container_end(&c);
}

/* An idmapping that fails leaves the mark. */
TEST_F(mark, kept_by_failed_idmap)
{
	int no_maps, userns, clone;

	no_maps = userns_open(NULL, NULL);
	ASSERT_LE(0, no_maps);
	userns = userns_open("70000 500000 10", "70000 500000 10");
	ASSERT_LE(0, userns);
	ASSERT_EQ(0, mark(self->mnt, BASE));
	clone = clone_mount(SRC);
	ASSERT_LE(0, clone);

	ASSERT_EQ(-1, idmap(clone, no_maps));
	ASSERT_EQ(EINVAL, errno);
	ASSERT_EQ(-1, shift_direct(clone, userns, ORIGIN, ORIGIN, COUNT));
	ASSERT_EQ(ERANGE, errno);
	ASSERT_STREQ(USUAL_MARK, mark_of(clone));
	ASSERT_EQ(-1, idmap(self->mnt, userns));
	ASSERT_EQ(EINVAL, errno);
	ASSERT_STREQ(USUAL_MARK, mark_of(self->mnt));
}

static int use_dst(void *arg __maybe_unused)
{
	struct stat st;
	int fd;

	if (stat(DST, &st))
		return -errno;
	if (st.st_uid || st.st_gid)
		return 1;
	fd = open(DST "/new", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, "", 1) != 1 || close(fd) || unlink(DST "/new"))
		return -errno;
	return 0;
}

/* What is shifted stays so, whatever becomes of the mark. */
TEST_F(mark, shifted_mounts_stay)
{
	struct look *look = look_alloc();
	struct container c;

	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_EQ(0, container_make(&c, BASE));
	ASSERT_EQ(0, in_container(&c, do_mount_shifted, NULL));
	ASSERT_EQ(0, in_container(&c, use_dst, NULL));

	/* The mark is consumed. */
	ASSERT_EQ(0, look_at(look, &c, DST));
	ASSERT_EQ(0, look->sm->mask & STATMOUNT_MNT_SHIFT);
	ASSERT_EQ(MOUNT_ATTR_IDMAP | MOUNT_ATTR_SHIFT | MOUNT_ATTR_NODEV,
		  look->sm->mnt_attr);
	ASSERT_STREQ("shifted", look->optional);

	ASSERT_EQ(0, unmark(self->mnt));
	ASSERT_EQ(0, in_container(&c, use_dst, NULL));
	ASSERT_EQ(0, mark(self->mnt, BASE_B));
	ASSERT_EQ(0, in_container(&c, use_dst, NULL));
	ASSERT_EQ(0, mark_revoke(self->mnt));
	ASSERT_EQ(0, in_container(&c, use_dst, NULL));
	ASSERT_EQ(0, look_at(look, &c, DST));
	ASSERT_STREQ("shifted", look->optional);
	container_end(&c);
}

/* Revocation */

/* Marks of other mount namespaces end too, those of shifted mounts do not count. */
TEST_F(mark, revoked_everywhere)
{
	struct container a, b;
	int clone, passed;

	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_EQ(0, container_make(&a, BASE));
	ASSERT_EQ(0, container_make(&b, BASE));
	clone = clone_mount(SRC);
	ASSERT_LE(0, clone);
	passed = clone_mount(SRC);
	ASSERT_LE(0, passed);
	ASSERT_EQ(0, in_container(&a, do_shift_clone, SRC));
	ASSERT_EQ(0, in_container(&b, do_shift_clone, SRC));

	ASSERT_EQ(0, mark_revoke(self->mnt));
	ASSERT_EQ(-EPERM, in_container(&a, do_shift_clone, SRC));
	ASSERT_EQ(-EPERM, in_container(&b, do_shift_clone, SRC));
	ASSERT_EQ(-EPERM, in_container(&a, do_shift_fd, &passed));
	ASSERT_STREQ("100000:100000:65536 flags 0x4 by 200000",
		     mark_of(clone));

	/* A new mark is not an old one. */
	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_STREQ(USUAL_MARK, mark_of(self->mnt));
	ASSERT_EQ(-EPERM, in_container(&a, do_shift_clone, SRC));
	container_end(&a);
	ASSERT_EQ(0, container_make(&a, BASE));
	ASSERT_EQ(0, in_container(&a, do_shift_clone, SRC));
	container_end(&a);
	container_end(&b);
}

/* A mark that is only removed stays with the clones. */
TEST_F(mark, unmarked_here)
{
	struct container c;

	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_EQ(0, container_make(&c, BASE));
	ASSERT_EQ(0, unmark(self->mnt));
	ASSERT_EQ(0, in_container(&c, do_shift_clone, SRC));
	ASSERT_EQ(0, mark(self->mnt, BASE_B));
	ASSERT_EQ(0, in_container(&c, do_shift_clone, SRC));
	container_end(&c);
}

/* Any clone will do to revoke the mark of all, the first mount included. */
TEST_F(mark, revoked_by_clone)
{
	struct container c;
	int clone;

	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_EQ(0, container_make(&c, BASE));
	clone = clone_mount(SRC);
	ASSERT_LE(0, clone);
	ASSERT_EQ(0, mark_revoke(clone));
	ASSERT_STREQ("none", mark_of(clone));
	ASSERT_STREQ("100000:100000:65536 flags 0x4 by 200000",
		     mark_of(self->mnt));
	ASSERT_EQ(-EPERM, in_container(&c, do_shift_clone, SRC));
	container_end(&c);

	/* Without a mark nobody is to believe that he ended it. */
	ASSERT_EQ(-1, mark_revoke(clone));
	ASSERT_EQ(EINVAL, errno);
	ASSERT_EQ(0, mark_revoke(self->mnt));
	ASSERT_STREQ("none", mark_of(self->mnt));
}

/* One call revokes a mark and sets another one in its place. */
TEST_F(mark, revoked_and_replaced)
{
	struct mount_attr attr = MARK(BASE);
	struct container old, new;

	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_EQ(0, container_make(&old, BASE));
	attr.attr_clr = MOUNT_ATTR_SHIFTABLE;
	attr.shift_flags = MOUNT_SHIFT_REVOKE;
	ASSERT_EQ(0, set_attr(self->mnt, &attr));
	ASSERT_STREQ(USUAL_MARK, mark_of(self->mnt));
	ASSERT_EQ(0, container_make(&new, BASE));
	ASSERT_EQ(-EPERM, in_container(&old, do_shift_clone, SRC));
	ASSERT_EQ(0, in_container(&new, do_shift_clone, SRC));
	container_end(&old);
	container_end(&new);
}

/* All marks of a tree, which need not be one. */
TEST_F(tree, revoked)
{
	const struct mount_attr attr = {
		.attr_clr = MOUNT_ATTR_SHIFTABLE,
		.shift_flags = MOUNT_SHIFT_REVOKE,
	};
	struct container c;

	ASSERT_EQ(0, mark_recursive(self->top, BASE));
	ASSERT_EQ(0, mark_replace(self->low, BASE));
	ASSERT_EQ(0, container_make(&c, BASE));
	ASSERT_EQ(0, in_container(&c, do_shift_clone, SRC "/middle/low"));

	/* The one mark, on two mounts */
	ASSERT_EQ(0, mark_revoke(self->middle));
	ASSERT_STREQ("100000:100000:65536 flags 0x4 by 200000",
		     mark_of(self->top));
	ASSERT_STREQ("none", mark_of(self->middle));
	ASSERT_STREQ(USUAL_MARK, mark_of(self->low));
	ASSERT_EQ(0, in_container(&c, do_shift_clone, SRC "/middle/low"));

	/* Nothing of the tree, if one of its mounts has nothing to revoke */
	ASSERT_EQ(-1, set_attr_recursive(self->top, &attr));
	ASSERT_EQ(EINVAL, errno);
	ASSERT_EQ(0, in_container(&c, do_shift_clone, SRC "/middle/low"));

	ASSERT_EQ(0, mark(self->middle, BASE));
	ASSERT_EQ(0, set_attr_recursive(self->top, &attr));
	ASSERT_NONE_MARKED();
	ASSERT_EQ(-EPERM, in_container(&c, do_shift_clone, SRC "/middle/low"));
	container_end(&c);
}

/* Who may */

/*
 * Root of a container owns its mount namespace but not the file system. It can
 * neither give away the ids of its own mark, nor take on others, nor get rid of
 * what the mark turns off.
 */
TEST_F(mark, not_by_container)
{
	struct mount_attr attrs[] = {
		MARK(0),
		MARK(0),
		{
			.attr_clr = MOUNT_ATTR_SHIFTABLE,
			.shift_flags = MOUNT_SHIFT_REVOKE,
		},
		{ .attr_clr = MOUNT_ATTR_SHIFTABLE },
		{
			.attr_set = MOUNT_ATTR_SHIFTABLE,
			.attr_clr = MOUNT_ATTR_SHIFTABLE,
			.origin_uid = ORIGIN,
			.origin_gid = ORIGIN,
			.origin_count = COUNT,
			.shift_flags = MOUNT_SHIFT_ANY,
		},
	};
	struct look *look = look_alloc();
	struct container c, unmarked;

	attrs[1].attr_clr = MOUNT_ATTR_SHIFTABLE;
	ASSERT_EQ(0, container_make(&unmarked, BASE));
	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_EQ(0, container_make(&c, BASE));
	ASSERT_EQ(0, in_container(&c, do_tmpfs, OWN));

	for (size_t i = 0; i < ARRAY_SIZE(attrs); i++) {
		ASSERT_EQ(-EPERM, in_container(&c, do_attr_src, &attrs[i]))
			TH_LOG("call %zu", i);
		ASSERT_EQ(-EPERM, in_container(&unmarked, do_attr_src, &attrs[i]))
			TH_LOG("call %zu", i);
		/* Its own is its own. */
		ASSERT_EQ(0, in_container(&c, do_attr_own, &attrs[i]))
			TH_LOG("call %zu", i);
	}

	ASSERT_EQ(0, look_at(look, &c, SRC));
	ASSERT_STREQ("shiftable:100000:100000:65536 shiftable_by:0",
		     look->optional);
	ASSERT_EQ(0, in_container(&c, do_shift_clone, SRC));
	ASSERT_EQ(0, look_at(look, &unmarked, SRC));
	ASSERT_STREQ("", look->optional);
	container_end(&c);
	container_end(&unmarked);
}

static int do_attr_clone(void *arg)
{
	int mnt = clone_mount(SRC);

	if (mnt < 0)
		return -errno;
	return set_attr(mnt, arg) ? -errno : 0;
}

/* Nor on a clone of its own. */
TEST_F(mark, not_by_container_on_clone)
{
	struct mount_attr attrs[] = {
		MARK(0),
		{ .attr_clr = MOUNT_ATTR_SHIFTABLE },
	};
	struct container c;

	attrs[0].attr_clr = MOUNT_ATTR_SHIFTABLE;
	ASSERT_EQ(0, mark(self->mnt, BASE_B));
	ASSERT_EQ(0, container_make(&c, BASE));
	for (size_t i = 0; i < ARRAY_SIZE(attrs); i++) {
		ASSERT_EQ(-EPERM, in_container(&c, do_attr_clone, &attrs[i]));
		ASSERT_EQ(0, do_attr_clone(&attrs[i]));
	}
	container_end(&c);
}

/* Nor a user who is root in a namespace of his own, nor one who is not. */
TEST_F(mark, not_by_user)
{
	const struct mount_attr unmark_attr = { .attr_clr = MOUNT_ATTR_SHIFTABLE };
	const struct mount_attr mark_attr = MARK(0);
	struct container c;

	ASSERT_EQ(0, container_make_as(&c, USER, USER, "0 1001 1", "0 1001 1"));
	ASSERT_EQ(-EPERM, in_container(&c, do_attr_src, (void *)&mark_attr));
	ASSERT_EQ(-EPERM, in_container(&c, do_attr_clone, (void *)&mark_attr));
	ASSERT_EQ(-EPERM, in_container(&c, do_attr_src, (void *)&unmark_attr));
	container_end(&c);

	ASSERT_EQ(-EPERM, as_user(USER, USER, do_attr_src, (void *)&mark_attr));
	ASSERT_EQ(0, do_attr_src((void *)&mark_attr));
	ASSERT_EQ(-EPERM, as_user(USER, USER, do_attr_src, (void *)&unmark_attr));
	ASSERT_TRUE(is_marked(self->mnt));
	ASSERT_EQ(0, do_attr_src((void *)&unmark_attr));
}

/* An attribute struct, with only some capabilities */
struct caps_call {
	__u64 caps;
	const char *path;
	struct mount_attr attr;
};

static int do_attr_caps(void *arg)
{
	struct caps_call *call = arg;
	int mnt;

	if (caps_keep(call->caps))
		return -errno;
	mnt = open_mount(call->path);
	if (mnt < 0)
		return -errno;
	return set_attr(mnt, &call->attr) ? -errno : 0;
}

/* It takes CAP_SYS_ADMIN and no other capability, unless root gets involved. */
TEST_F(mark, capabilities)
{
	struct caps_call call = {
		.path = SRC,
		.attr = MARK(BASE),
	};

	call.caps = ~CAP_BIT(CAP_SYS_ADMIN);
	ASSERT_EQ(-EPERM, in_child(do_attr_caps, &call));
	ASSERT_FALSE(is_marked(self->mnt));
	call.caps = CAP_BIT(CAP_SYS_ADMIN);
	ASSERT_EQ(0, in_child(do_attr_caps, &call));
	ASSERT_TRUE(is_marked(self->mnt));

	call.attr = (struct mount_attr){ .attr_clr = MOUNT_ATTR_SHIFTABLE };
	call.caps = ~CAP_BIT(CAP_SYS_ADMIN);
	ASSERT_EQ(-EPERM, in_child(do_attr_caps, &call));
	ASSERT_TRUE(is_marked(self->mnt));
	call.caps = CAP_BIT(CAP_SYS_ADMIN);
	ASSERT_EQ(0, in_child(do_attr_caps, &call));
	ASSERT_FALSE(is_marked(self->mnt));
}

/*
 * An origin with user or group 0 of the file system is a way to capabilities
 * that are valid there, and takes CAP_SETFCAP, too. It is for nobody unnamed.
 */
TEST_F(mark, origin_root)
{
	const __u64 without = ~CAP_BIT(CAP_SETFCAP);
	const __u64 with = CAP_BIT(CAP_SYS_ADMIN) | CAP_BIT(CAP_SETFCAP);
	const struct {
		const char *what;
		__u32 uid, gid, count;
		const char *uid_map, *gid_map;
		bool root;
	} origins[] = {
		{ "user and group 0", 0, 0, 1, .root = true },
		{ "all ids", 0, 0, -1, .root = true },
		{ "user 0", 0, 1, COUNT, .root = true },
		{ "group 0", 1, 0, COUNT, .root = true },
		{ "ids from 1", 1, 1, COUNT },
		{ "namespace with user 0", .uid_map = "5 0 1", .gid_map = "5 5 1",
		  .root = true },
		{ "namespace with group 0", .uid_map = "5 5 1",
		  .gid_map = "0 7 1\n5 0 1", .root = true },
		{ "namespace with user 0 at the end of many",
		  .uid_map = "1 1 1\n2 2 1\n3 3 1\n4 4 1\n5 5 1\n6 0 1",
		  .gid_map = "5 5 1", .root = true },
		{ "namespace with neither", .uid_map = "0 5 1",
		  .gid_map = "0 5 1" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(origins); i++) {
		struct caps_call call = {
			.path = SRC,
			.attr = {
				.attr_set = MOUNT_ATTR_SHIFTABLE,
				.attr_clr = MOUNT_ATTR_SHIFTABLE,
				.origin_uid = origins[i].uid,
				.origin_gid = origins[i].gid,
				.origin_count = origins[i].count,
				.shiftable_by = BASE,
			},
		};
		int error = origins[i].root ? -EPERM : 0;

		if (origins[i].uid_map) {
			call.attr.shift_flags = MOUNT_SHIFT_ORIGIN_USERNS;
			call.attr.origin_userns_fd =
				userns_open(origins[i].uid_map,
					    origins[i].gid_map);
			ASSERT_LE(0, (int)call.attr.origin_userns_fd);
		}

		ASSERT_EQ(0, unmark(self->mnt));
		call.caps = without;
		ASSERT_EQ(error, in_child(do_attr_caps, &call))
			TH_LOG("%s, without", origins[i].what);
		ASSERT_EQ(!error, is_marked(self->mnt));
		call.caps = with;
		ASSERT_EQ(0, in_child(do_attr_caps, &call))
			TH_LOG("%s, with", origins[i].what);

		/* For anybody, all capabilities do not help. */
		error = origins[i].root ? -EINVAL : 0;
		call.attr.shift_flags |= MOUNT_SHIFT_ANY;
		call.attr.shiftable_by = 0;
		call.caps = ~0ULL;
		ASSERT_EQ(error, in_child(do_attr_caps, &call))
			TH_LOG("%s, for anybody", origins[i].what);
		if (origins[i].uid_map)
			ASSERT_EQ(0, close(call.attr.origin_userns_fd));
	}
}

/* In a container's own file system, root is root of the container. */
TEST_F(mark, origin_root_of_container)
{
	struct caps_call call = {
		.path = OWN,
		.attr = {
			.attr_set = MOUNT_ATTR_SHIFTABLE,
			.attr_clr = MOUNT_ATTR_SHIFTABLE,
			.origin_count = 1000,
			.shiftable_by = 20000,
		},
	};
	struct container c;

	ASSERT_EQ(0, container_make(&c, BASE));
	ASSERT_EQ(0, in_container(&c, do_tmpfs, OWN));

	call.caps = ~CAP_BIT(CAP_SETFCAP);
	ASSERT_EQ(-EPERM, in_container(&c, do_attr_caps, &call));
	call.caps = CAP_BIT(CAP_SETFCAP) | CAP_BIT(CAP_SYS_ADMIN);
	ASSERT_EQ(0, in_container(&c, do_attr_caps, &call));
	call.attr.shift_flags = MOUNT_SHIFT_ANY;
	call.attr.shiftable_by = 0;
	ASSERT_EQ(-EINVAL, in_container(&c, do_attr_caps, &call));

	/* The id of the container's root on the host is an id like others. */
	call.attr.origin_uid = 1;
	call.attr.origin_gid = 1;
	call.caps = ~CAP_BIT(CAP_SETFCAP);
	ASSERT_EQ(0, in_container(&c, do_attr_caps, &call));
	container_end(&c);
}

/* The ids of a namespace are for who has CAP_SYS_ADMIN there. */
TEST_F(mark, origin_userns_not_controlled)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_SHIFTABLE,
		.attr_clr = MOUNT_ATTR_SHIFTABLE,
		.shift_flags = MOUNT_SHIFT_ORIGIN_USERNS,
		.shiftable_by = 1,
	};
	struct container a, b;

	ASSERT_EQ(0, container_make(&a, BASE));
	ASSERT_EQ(0, container_make(&b, BASE_B));
	ASSERT_EQ(0, in_container(&a, do_tmpfs, OWN));

	attr.origin_userns_fd = b.user.fd;
	ASSERT_EQ(-EPERM, in_container(&a, do_attr_own, &attr));
	attr.origin_userns_fd = a.user.fd;
	ASSERT_EQ(0, in_container(&a, do_attr_own, &attr));
	container_end(&a);
	container_end(&b);
}

/* A namespace with ids that the file system cannot have is no origin for it. */
TEST_F(mark, origin_userns_unknown_ids)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_SHIFTABLE,
		.attr_clr = MOUNT_ATTR_SHIFTABLE,
		.shift_flags = MOUNT_SHIFT_ORIGIN_USERNS,
		.shiftable_by = BASE,
	};
	struct container c;
	int own;

	/* The host, which controls all, marks a container's tmpfs. */
	ASSERT_EQ(0, container_make(&c, BASE));
	ASSERT_EQ(0, in_container(&c, do_tmpfs, OWN));
	own = fd_from_container(&c, do_clone, OWN);
	ASSERT_LE(0, own);

	attr.origin_userns_fd = userns_open("0 200000 10", "0 265530 7");
	ASSERT_LE(0, (int)attr.origin_userns_fd);
	ASSERT_EQ(-1, set_attr(own, &attr));
	ASSERT_EQ(EINVAL, errno);
	attr.origin_userns_fd = userns_open("0 199999 10", "0 265530 6");
	ASSERT_LE(0, (int)attr.origin_userns_fd);
	ASSERT_EQ(-1, set_attr(own, &attr));
	ASSERT_EQ(EINVAL, errno);
	attr.origin_userns_fd = userns_open("0 200000 10", "0 265530 6");
	ASSERT_LE(0, (int)attr.origin_userns_fd);
	ASSERT_EQ(0, set_attr(own, &attr));
	container_end(&c);
}

struct direct_call {
	const char *path;
	int userns;
	__u32 origin;
};

static int do_direct(void *arg)
{
	const struct direct_call *call = arg;
	int mnt = clone_mount(call->path);

	if (mnt < 0)
		return -errno;
	return shift_direct(mnt, call->userns, call->origin, call->origin, 10) ?
	       -errno : 0;
}

/* The direct form is for who controls the file system and the namespace. */
TEST_F(mark, direct_not_by_container)
{
	struct direct_call call = { .origin = 1000 };
	struct container a, b;

	ASSERT_EQ(0, container_make(&a, BASE));
	ASSERT_EQ(0, container_make(&b, BASE_B));
	ASSERT_EQ(0, in_container(&a, do_tmpfs, OWN));

	call.userns = a.user.fd;
	call.path = SRC;
	ASSERT_EQ(-EPERM, in_container(&a, do_direct, &call));
	call.path = OWN;
	ASSERT_EQ(0, in_container(&a, do_direct, &call));
	call.userns = b.user.fd;
	ASSERT_EQ(-EPERM, in_container(&a, do_direct, &call));

	/* A mark does not change that. */
	ASSERT_EQ(0, mark(self->mnt, BASE));
	container_end(&a);
	ASSERT_EQ(0, container_make(&a, BASE));
	call.userns = a.user.fd;
	call.path = SRC;
	ASSERT_EQ(-EPERM, in_container(&a, do_direct, &call));
	ASSERT_EQ(0, in_container(&a, do_shift_clone, SRC));
	container_end(&a);
	container_end(&b);
}

/* A container's own file system */

/* Interior ids of the outer container that the inner one gets */
#define INNER		20000

/* Ids on the outer container's tmpfs */
#define INNER_ORIGIN	5000

static int inner_use(void *arg __maybe_unused)
{
	int fd;

	if (mount_shifted(OWN, DST))
		return -errno;
	fd = open(DST "/new", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 || fchown(fd, 7, 8))
		return -errno;
	return 0;
}

static int outer_use(void *arg __maybe_unused)
{
	const struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_SHIFTABLE,
		.origin_uid = INNER_ORIGIN,
		.origin_gid = INNER_ORIGIN + 1,
		.origin_count = 100,
		.shiftable_by = INNER,
	};
	struct container inner, other;
	int mnt = open_mount(OWN);
	const char *differs;
	int ret;

	if (mnt < 0 || chown(OWN, INNER_ORIGIN, INNER_ORIGIN + 1) ||
	    set_attr(mnt, &attr))
		return -errno;
	if (strcmp(mountinfo_optional(OWN),
		   "shiftable:5000:5001:100 shiftable_by:20000"))
		return 1;
	if (container_make_maps(&inner, "0 20000 1000", "0 20000 1000") ||
	    container_make_maps(&other, "0 30000 1000", "0 30000 1000"))
		return -errno;
	if (in_container(&other, do_shift_clone, OWN) != -EPERM)
		return 2;
	ret = in_container(&inner, inner_use, NULL);
	container_end(&inner);
	container_end(&other);
	if (ret)
		return ret;
	differs = owner_differs(mnt, "new", INNER_ORIGIN + 7,
				INNER_ORIGIN + 1 + 8);
	if (!differs)
		return 0;
	printf("# %s\n", differs);
	return 3;
}

/*
 * A container lends its own tmpfs to one that it made. All ids are its own: those
 * on disk, and who may shift. On the host they are those and the base.
 */
TEST_F(mark, lent_by_container)
{
	struct container c;
	int own;

	ASSERT_EQ(0, container_make(&c, BASE));
	ASSERT_EQ(0, in_container(&c, do_tmpfs, OWN));
	ASSERT_EQ(0, in_container(&c, outer_use, NULL));

	own = fd_from_container(&c, do_open, OWN);
	ASSERT_LE(0, own);
	ASSERT_OWNER(own, "new", BASE + INNER_ORIGIN + 7,
		     BASE + INNER_ORIGIN + 1 + 8);
	container_end(&c);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "report"))
		return report();
	return test_harness_run(argc, argv);
}
