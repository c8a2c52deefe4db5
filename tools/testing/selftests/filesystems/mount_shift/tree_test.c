// SPDX-License-Identifier: GPL-2.0
/*
 * mount_shift selftests: trees of mounts, propagation, automounts
 */

#include "container.h"

#include <linux/auto_fs.h>
#include <sys/ioctl.h>

#define CHILD		SRC "/child"
#define GRANDCHILD	SRC "/child/grand"
#define SIBLING		SRC "/sibling"

#define IN_DST(name)	DST "/" name

#define AUTOFS_MAGIC	0x0187
#define TMPFS_MAGIC	0x01021994

/* A file system of its own that looks like a part of the image */
static int image_mount(const char *path)
{
	if (tmpfs_mount(path, "0755"))
		return -1;
	return chown(path, ORIGIN, ORIGIN);
}

static int mark_at(const char *path, uid_t by)
{
	int mnt = open_mount(path), ret;

	if (mnt < 0)
		return -1;
	ret = mark(mnt, by);
	if (ret)
		return close_fail(mnt);
	return close(mnt);
}

static bool mounted_at(const char *path)
{
	char line[4096];

	return !mountinfo_line(path, line, sizeof(line));
}

/* Of a mount below a detached one, or of that itself if @name is "" */
static int open_below(int mnt, const char *name)
{
	return sys_open_tree(mnt, name, OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
}

static bool marked_below(int mnt, const char *name)
{
	int fd = open_below(mnt, name);
	bool ret = is_marked(fd);

	close(fd);
	return ret;
}

static bool shifted_below(int mnt, const char *name)
{
	int fd = open_below(mnt, name);
	bool ret = is_shifted(fd);

	close(fd);
	return ret;
}

static __u64 restrictions_below(int mnt, const char *name)
{
	int fd = open_below(mnt, name);
	__u64 attrs = mount_attrs(fd);

	close(fd);
	return attrs & RESTRICTIONS;
}

/*
 * Four mounts: SRC, CHILD, GRANDCHILD and SIBLING. None of them is marked yet.
 */
FIXTURE(mounts)
{
	struct container c;
	int src;
};

FIXTURE_SETUP(mounts)
{
	const char *reason = shift_unavailable();

	if (reason)
		SKIP(return, "%s", reason);

	self->c = (struct container)CONTAINER_NONE;
	ASSERT_EQ(0, scratch_setup());
	self->src = source_setup();
	ASSERT_LE(0, self->src);
	ASSERT_EQ(0, mkdir(CHILD, 0755));
	ASSERT_EQ(0, mkdir(SIBLING, 0755));
	ASSERT_EQ(0, image_mount(CHILD));
	ASSERT_EQ(0, mkdir(GRANDCHILD, 0755));
	ASSERT_EQ(0, image_mount(GRANDCHILD));
	ASSERT_EQ(0, image_mount(SIBLING));
}

FIXTURE_TEARDOWN(mounts)
{
	container_end(&self->c);
}

static const char * const tree_names[] = {
	"", "child", "child/grand", "sibling",
};

/* One call marks them all, and one call shifts them all. */
TEST_F(mounts, recursive)
{
	ASSERT_EQ(0, mark_recursive(self->src, BASE));
	ASSERT_EQ(0, container_make(&self->c, BASE));

	IN_CONTAINER(&self->c, 0) {
		int mnt = clone_tree(SRC);

		ASSERT_LE(0, mnt);
		for (size_t i = 0; i < ARRAY_SIZE(tree_names); i++) {
			ASSERT_TRUE(marked_below(mnt, tree_names[i]));
			ASSERT_OWNER(mnt, tree_names[i], OVERFLOW_ID,
				     OVERFLOW_ID);
		}
		ASSERT_EQ(0, shift_recursive(mnt));
		for (size_t i = 0; i < ARRAY_SIZE(tree_names); i++) {
			ASSERT_FALSE(marked_below(mnt, tree_names[i]));
			ASSERT_TRUE(shifted_below(mnt, tree_names[i]));
			ASSERT_OWNER(mnt, tree_names[i], 0, 0);
			ASSERT_EQ((__u64)MOUNT_ATTR_NODEV,
				  restrictions_below(mnt, tree_names[i]));
		}
		ASSERT_EQ(0, attach(mnt, DST));
		ASSERT_EQ(0, make_file(mnt, "child/grand/new", 0600, 5, 7));
		ASSERT_STREQ("shifted",
			     mountinfo_optional(IN_DST("child/grand")));
	}
	ASSERT_OWNER(AT_FDCWD, GRANDCHILD "/new", ORIGIN + 5, ORIGIN + 7);
}

/* What the host covered in the image is not uncovered by a clone of the top alone. */
TEST_F(mounts, locked_children)
{
	const struct mount_attr attr = { .attr_set = MOUNT_ATTR_SHIFT };

	ASSERT_EQ(0, mark_recursive(self->src, BASE));
	ASSERT_EQ(0, container_make(&self->c, BASE));

	IN_CONTAINER(&self->c, 0) {
		int mnt;

		ASSERT_REFUSED(EINVAL, clone_mount(SRC));
		ASSERT_REFUSED(EINVAL,
			       sys_open_tree_attr(AT_FDCWD, SRC, CLONE_TREE,
						  &attr, sizeof(attr)));
		ASSERT_REFUSED(EINVAL, sys_mount(SRC, DST, NULL, MS_BIND, NULL));

		/* A mount that covers nothing but itself can be had alone. */
		ASSERT_EQ(0, shift(clone_mount(GRANDCHILD)));

		mnt = clone_tree(SRC);
		ASSERT_LE(0, mnt);
		ASSERT_EQ(0, shift_recursive(mnt));
		ASSERT_EQ(0, attach(mnt, DST));
		ASSERT_REFUSED(EINVAL, sys_umount2(IN_DST("sibling"), 0));
		ASSERT_REFUSED(EINVAL,
			       sys_umount2(IN_DST("sibling"), MNT_DETACH));
		ASSERT_REFUSED(EINVAL, clone_mount(DST));
		ASSERT_EQ(0, sys_umount2(DST, MNT_DETACH));
	}

	/* The host, which put them there, is free to leave them out. */
	ASSERT_LE(0, clone_mount(SRC));
}

/* Without AT_RECURSIVE only the top is shifted, and those below are left for later. */
TEST_F(mounts, top_only)
{
	ASSERT_EQ(0, mark_recursive(self->src, BASE));
	ASSERT_EQ(0, container_make(&self->c, BASE));

	IN_CONTAINER(&self->c, 0) {
		int mnt = clone_tree(SRC), child;

		ASSERT_LE(0, mnt);
		ASSERT_EQ(0, shift(mnt));
		ASSERT_TRUE(shifted_below(mnt, ""));
		ASSERT_TRUE(marked_below(mnt, "child"));
		ASSERT_FALSE(shifted_below(mnt, "child"));
		ASSERT_OWNER(mnt, "child", OVERFLOW_ID, OVERFLOW_ID);

		/* Only the top of a detached tree can be shifted, once. */
		child = open_below(mnt, "child");
		ASSERT_LE(0, child);
		ASSERT_REFUSED(EINVAL, shift(child));
		ASSERT_REFUSED(EPERM, shift_recursive(mnt));
		ASSERT_FALSE(is_shifted(child));

		ASSERT_EQ(0, attach(mnt, DST));
		ASSERT_REFUSED(EINVAL, shift(child));
		child = clone_tree(IN_DST("child"));
		ASSERT_LE(0, child);
		ASSERT_EQ(0, shift_recursive(child));
		ASSERT_EQ(0, attach(child, IN_DST("child")));
		ASSERT_OWNER(AT_FDCWD, IN_DST("child/grand"), 0, 0);
	}
}

/* All of a detached tree is as it was before somebody tried to shift it. */
static void assert_untouched(struct __test_metadata *_metadata, int mnt)
{
	for (size_t i = 0; i < ARRAY_SIZE(tree_names); i++) {
		const char *name = tree_names[i];
		char file[64];

		ASSERT_FALSE(shifted_below(mnt, name))
			TH_LOG("'%s' is shifted", name);
		ASSERT_EQ(0U, restrictions_below(mnt, name));
		ASSERT_OWNER(mnt, name, OVERFLOW_ID, OVERFLOW_ID);
		snprintf(file, sizeof(file), "./%s/open", name);
		ASSERT_EQ(0, open_errno(mnt, file, O_WRONLY))
			TH_LOG("no writing below '%s'", name);
	}
}

/* What prevents the whole, and where */
FIXTURE(rollback)
{
	struct container c;
	int src;
};

FIXTURE_VARIANT(rollback)
{
	const char *at;
	enum { UNMARKED, OWN_MARK, REVOKED, WRITER, OTHER_BY, IDMAPPED } why;
	int error;
};

FIXTURE_VARIANT_ADD(rollback, unmarked_child) {
	.at = CHILD,
	.why = UNMARKED,
	.error = EPERM,
};

FIXTURE_VARIANT_ADD(rollback, unmarked_grandchild) {
	.at = GRANDCHILD,
	.why = UNMARKED,
	.error = EPERM,
};

FIXTURE_VARIANT_ADD(rollback, unmarked_sibling) {
	.at = SIBLING,
	.why = UNMARKED,
	.error = EPERM,
};

FIXTURE_VARIANT_ADD(rollback, unmarked_top) {
	.at = SRC,
	.why = UNMARKED,
	.error = EPERM,
};

FIXTURE_VARIANT_ADD(rollback, own_mark_child) {
	.at = CHILD,
	.why = OWN_MARK,
	.error = EPERM,
};

FIXTURE_VARIANT_ADD(rollback, own_mark_sibling) {
	.at = SIBLING,
	.why = OWN_MARK,
	.error = EPERM,
};

FIXTURE_VARIANT_ADD(rollback, other_by_sibling) {
	.at = SIBLING,
	.why = OTHER_BY,
	.error = EPERM,
};

FIXTURE_VARIANT_ADD(rollback, revoked) {
	.at = SRC,
	.why = REVOKED,
	.error = EPERM,
};

FIXTURE_VARIANT_ADD(rollback, writer_top) {
	.at = SRC,
	.why = WRITER,
	.error = EBUSY,
};

FIXTURE_VARIANT_ADD(rollback, writer_grandchild) {
	.at = GRANDCHILD,
	.why = WRITER,
	.error = EBUSY,
};

FIXTURE_VARIANT_ADD(rollback, writer_sibling) {
	.at = SIBLING,
	.why = WRITER,
	.error = EBUSY,
};

FIXTURE_VARIANT_ADD(rollback, idmapped_sibling) {
	.at = SIBLING,
	.why = IDMAPPED,
	.error = EPERM,
};

FIXTURE_SETUP(rollback)
{
	static const char * const dirs[] = {
		SRC, CHILD, GRANDCHILD, SIBLING,
	};
	const char *reason = shift_unavailable();

	if (reason)
		SKIP(return, "%s", reason);

	self->c = (struct container)CONTAINER_NONE;
	ASSERT_EQ(0, scratch_setup());
	self->src = source_setup();
	ASSERT_LE(0, self->src);
	ASSERT_EQ(0, mkdir(CHILD, 0755));
	ASSERT_EQ(0, mkdir(SIBLING, 0755));
	ASSERT_EQ(0, image_mount(CHILD));
	ASSERT_EQ(0, mkdir(GRANDCHILD, 0755));
	ASSERT_EQ(0, image_mount(GRANDCHILD));
	ASSERT_EQ(0, image_mount(SIBLING));
	/* The container's root can write these without any shift. */
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		ASSERT_EQ(0, make_file(open(dirs[i], O_PATH), "open", 0666,
				       ORIGIN, ORIGIN));
}

FIXTURE_TEARDOWN(rollback)
{
	container_end(&self->c);
}

/* Puts what prevents it into the image. */
static int spoil(const char *at, int why)
{
	int mnt, clone, ns;

	mnt = open_mount(at);
	if (mnt < 0)
		return -1;
	switch (why) {
	case UNMARKED:
		return unmark(mnt);
	case OWN_MARK:
		return mark_replace(mnt, BASE);
	case OTHER_BY:
		return mark_replace(mnt, BASE_B);
	case IDMAPPED:
		ns = userns_open("0 100000 65536", "0 100000 65536");
		clone = clone_mount(at);
		if (ns < 0 || clone < 0 || idmap(clone, ns))
			return -1;
		return attach(clone, at);
	default:
		return 0;
	}
}

static int do_revoke(void *arg)
{
	return mark_revoke(*(int *)arg) ? -errno : 0;
}

/* The tree is shifted as a whole or not at all, and what does not succeed leaves no trace. */
TEST_F(rollback, shift)
{
	const char *below = variant->at + strlen(SRC);
	int early;

	while (*below == '/')
		below++;
	ASSERT_EQ(0, mark_recursive(self->src, BASE));
	early = clone_mount(SRC);
	ASSERT_LE(0, early);
	ASSERT_EQ(0, spoil(variant->at, variant->why));
	ASSERT_EQ(0, container_make(&self->c, BASE));
	if (variant->why == REVOKED)
		ASSERT_EQ(0, do_revoke(&early));

	IN_CONTAINER(&self->c, 0) {
		int mnt = clone_tree(SRC), file = -1;
		char path[64];

		ASSERT_LE(0, mnt);
		if (variant->why == WRITER) {
			snprintf(path, sizeof(path), "./%s/open", below);
			file = openat(mnt, path, O_WRONLY);
			ASSERT_LE(0, file);
		}
		/* The second time shows that the first one left nothing. */
		for (int i = 0; i < 2; i++) {
			ASSERT_REFUSED(variant->error, shift_recursive(mnt));
			if (variant->why == IDMAPPED) {
				ASSERT_FALSE(shifted_below(mnt, ""));
				ASSERT_TRUE(marked_below(mnt, ""));
				ASSERT_EQ(0, open_errno(mnt, "open", O_WRONLY));
				continue;
			}
			assert_untouched(_metadata, mnt);
			for (size_t j = 0; j < ARRAY_SIZE(tree_names); j++) {
				const bool unmarked =
					variant->why == UNMARKED &&
					!strcmp(tree_names[j], below);

				ASSERT_EQ(!unmarked,
					  marked_below(mnt, tree_names[j]));
			}
		}
		if (variant->why == WRITER) {
			ASSERT_EQ(1, write(file, "x", 1));
			ASSERT_EQ(0, close(file));
			ASSERT_EQ(0, shift_recursive(mnt));
			ASSERT_OWNER(mnt, "child/grand/open", 0, 0);
		}
	}
}

/* Marking, too, happens to all of them or to none. */
FIXTURE(mark_tree)
{
	int src;
};

FIXTURE_VARIANT(mark_tree)
{
	enum { PROC, IDMAPPED_BELOW, MARKED_BELOW } what;
	int error;
};

FIXTURE_VARIANT_ADD(mark_tree, file_system_without_idmaps) {
	.what = PROC,
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(mark_tree, idmapped_mount) {
	.what = IDMAPPED_BELOW,
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(mark_tree, marked_mount) {
	.what = MARKED_BELOW,
	.error = EEXIST,
};

FIXTURE_SETUP(mark_tree)
{
	const char *reason = shift_unavailable();
	int mnt, ns;

	if (reason)
		SKIP(return, "%s", reason);

	ASSERT_EQ(0, scratch_setup());
	self->src = source_setup();
	ASSERT_LE(0, self->src);
	ASSERT_EQ(0, mkdir(CHILD, 0755));
	ASSERT_EQ(0, mkdir(SIBLING, 0755));
	ASSERT_EQ(0, image_mount(CHILD));
	switch (variant->what) {
	case PROC:
		ASSERT_EQ(0, sys_mount("proc", SIBLING, "proc", 0, NULL));
		break;
	case IDMAPPED_BELOW:
		ns = userns_open("0 100000 1", "0 100000 1");
		mnt = tmpfs_fd("0755");
		ASSERT_EQ(0, idmap(mnt, ns));
		ASSERT_EQ(0, attach(mnt, SIBLING));
		break;
	case MARKED_BELOW:
		ASSERT_EQ(0, image_mount(SIBLING));
		ASSERT_EQ(0, mark_at(SIBLING, BASE_B));
		break;
	}
}

FIXTURE_TEARDOWN(mark_tree)
{
}

/* A mount that cannot be marked keeps the others from being marked. */
TEST_F(mark_tree, rollback)
{
	struct mount_attr replace = MARK(BASE);

	replace.attr_clr = MOUNT_ATTR_SHIFTABLE;
	ASSERT_REFUSED(variant->error, mark_recursive(self->src, BASE));
	ASSERT_FALSE(marked_below(self->src, ""));
	ASSERT_FALSE(marked_below(self->src, "child"));
	ASSERT_EQ(variant->what == MARKED_BELOW,
		  marked_below(self->src, "sibling"));

	/* Neither is an older mark lost. */
	ASSERT_EQ(0, mark(self->src, BASE));
	if (variant->what == MARKED_BELOW) {
		ASSERT_EQ(0, set_attr_recursive(self->src, &replace));
		ASSERT_TRUE(has_option(mountinfo_optional(SIBLING),
				       "shiftable_by:200000"));
		return;
	}
	replace.shiftable_by = BASE_B;
	ASSERT_REFUSED(variant->error,
		       set_attr_recursive(self->src, &replace));
	ASSERT_TRUE(has_option(mountinfo_optional(SRC), "shiftable_by:200000"));
	ASSERT_FALSE(marked_below(self->src, "child"));
}

/* Each mount of the tree keeps what it has itself. */
TEST_F(mounts, restrictions_of_each)
{
	const __u64 attrs[] = {
		MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, 0,
		MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY,
	};
	struct mount_attr clear = { .attr_clr = RESTRICTIONS };
	int mnt;

	for (size_t i = 0; i < ARRAY_SIZE(tree_names); i++)
		ASSERT_EQ(0, set_attrs(open_below(self->src, tree_names[i]),
				       attrs[i]));
	ASSERT_EQ(0, mark_recursive(self->src, BASE));
	ASSERT_EQ(0, container_make(&self->c, BASE));
	mnt = clone_tree(SRC);
	ASSERT_LE(0, mnt);

	IN_CONTAINER(&self->c, 0) {
		ASSERT_REFUSED(EPERM, set_attr_recursive(mnt, &clear));
		for (size_t i = 0; i < ARRAY_SIZE(tree_names); i++)
			ASSERT_EQ(attrs[i], restrictions_below(mnt, tree_names[i]));
		ASSERT_EQ(0, shift_recursive(mnt));
		ASSERT_EQ(0, attach(mnt, DST));
		for (size_t i = 0; i < ARRAY_SIZE(tree_names); i++) {
			int fd = open_below(mnt, tree_names[i]);

			ASSERT_EQ(attrs[i] | MOUNT_ATTR_NODEV,
				  restrictions_below(mnt, tree_names[i]));
			if (attrs[i])
				ASSERT_REFUSED(EPERM, set_attr(fd, &clear));
			ASSERT_REFUSED(EPERM,
				       clear_attrs(fd, MOUNT_ATTR_NODEV));
		}
		/* One of the mounts would lose what is locked there. */
		clear.attr_clr = MOUNT_ATTR_RDONLY;
		ASSERT_REFUSED(EPERM, set_attr_recursive(mnt, &clear));
		ASSERT_EQ(EROFS, open_errno(mnt, "child/new",
					    O_CREAT | O_WRONLY));
		ASSERT_EQ(0, open_errno(mnt, "child/grand/new",
					O_CREAT | O_WRONLY));
	}
}

/* The call that shifts a tree cannot clear what only one of its mounts must keep. */
TEST_F(mounts, restrictions_of_one)
{
	const struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_SHIFT,
		.attr_clr = MOUNT_ATTR_RDONLY,
	};
	int mnt;

	ASSERT_EQ(0, set_attrs(open_mount(SIBLING), MOUNT_ATTR_RDONLY));
	ASSERT_EQ(0, mark_recursive(self->src, BASE));
	ASSERT_EQ(0, container_make(&self->c, BASE));
	mnt = clone_tree(SRC);
	ASSERT_LE(0, mnt);
	IN_CONTAINER(&self->c, 0) {
		ASSERT_REFUSED(EPERM, set_attr_recursive(mnt, &attr));
		for (size_t i = 0; i < ARRAY_SIZE(tree_names); i++) {
			ASSERT_FALSE(shifted_below(mnt, tree_names[i]));
			ASSERT_TRUE(marked_below(mnt, tree_names[i]));
		}
		ASSERT_EQ(0, shift_recursive(mnt));
	}
}

/* Where the mark comes from, as to propagation */
FIXTURE(propagation)
{
	struct container c;
	int src;
};

FIXTURE_VARIANT(propagation)
{
	unsigned long flags;
};

FIXTURE_VARIANT_ADD(propagation, shared) {
	.flags = MS_SHARED,
};

FIXTURE_VARIANT_ADD(propagation, private) {
	.flags = MS_PRIVATE,
};

FIXTURE_SETUP(propagation)
{
	const char *reason = shift_unavailable();

	if (reason)
		SKIP(return, "%s", reason);

	self->c = (struct container)CONTAINER_NONE;
	ASSERT_EQ(0, scratch_setup());
	self->src = source_setup();
	ASSERT_LE(0, self->src);
	ASSERT_EQ(0, mkdir(CHILD, 0755));
	ASSERT_EQ(0, chown(CHILD, ORIGIN, ORIGIN));
	ASSERT_EQ(0, sys_mount(NULL, SRC, NULL, variant->flags, NULL));
	ASSERT_EQ(0, mark(self->src, BASE));
	ASSERT_EQ(0, container_make(&self->c, BASE));
}

FIXTURE_TEARDOWN(propagation)
{
	container_end(&self->c);
}

static bool propagates(const char *path)
{
	const char *optional = mountinfo_optional(path);

	return strstr(optional, "shared:") || strstr(optional, "master:") ||
	       strstr(optional, "unbindable");
}

static int do_shift_to_dst(void *arg)
{
	const unsigned long *flags = arg;

	if (*flags && sys_mount(NULL, SRC, NULL, *flags, NULL))
		return -errno;
	return mount_shifted(SRC, DST) ? -errno : 0;
}

/* Nothing that is mounted elsewhere later appears in a shifted mount, nor the other way round. */
TEST_F(propagation, private_afterwards)
{
	unsigned long flags[] = { 0, MS_SHARED, MS_SLAVE };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		ASSERT_EQ(0, in_container(&self->c, do_shift_to_dst, &flags[i]));
		IN_CONTAINER(&self->c, 0) {
			if (variant->flags == MS_SHARED)
				ASSERT_TRUE(propagates(SRC));
			ASSERT_STREQ("shifted", mountinfo_optional(DST));
		}

		/* From the host into the container */
		ASSERT_EQ(0, tmpfs_mount(CHILD, "0700"));
		IN_CONTAINER(&self->c, 0) {
			ASSERT_EQ(variant->flags == MS_SHARED,
				  mounted_at(CHILD));
			ASSERT_FALSE(mounted_at(IN_DST("child")));
			ASSERT_OWNER(AT_FDCWD, IN_DST("child"), 0, 0);
		}
		ASSERT_EQ(0, sys_umount2(CHILD, MNT_DETACH));

		/* From the shifted mount to those it was made of */
		IN_CONTAINER(&self->c, 0) {
			ASSERT_EQ(0, tmpfs_mount(IN_DST("child"), "0700"));
			ASSERT_TRUE(mounted_at(IN_DST("child")));
			ASSERT_FALSE(mounted_at(CHILD));
			ASSERT_EQ(0, sys_umount2(DST, MNT_DETACH));
		}
	}
}

/* Nor can anything but private be asked for. */
TEST_F(propagation, asked_for)
{
	static const unsigned long refused[] = {
		MS_SHARED, MS_SLAVE, MS_UNBINDABLE,
	};

	IN_CONTAINER(&self->c, 0) {
		struct mount_attr attr = { .attr_set = MOUNT_ATTR_SHIFT };
		int mnt = clone_mount(SRC);

		ASSERT_LE(0, mnt);
		for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
			attr.propagation = refused[i];
			ASSERT_REFUSED(EINVAL, set_attr(mnt, &attr));
			ASSERT_TRUE(is_marked(mnt));
		}
		attr.propagation = MS_PRIVATE;
		ASSERT_EQ(0, set_attr(mnt, &attr));
		ASSERT_EQ(0, attach(mnt, DST));
		ASSERT_STREQ("shifted", mountinfo_optional(DST));
	}
}

/* A shifted mount may be shared later on, by the container and for what is below it. */
TEST_F(propagation, shared_again)
{
	IN_CONTAINER(&self->c, 0) {
		ASSERT_EQ(0, mount_shifted(SRC, DST));
		ASSERT_EQ(0, sys_mount(NULL, DST, NULL, MS_SHARED, NULL));
		ASSERT_EQ(0, sys_mount(DST, OWN, NULL, MS_BIND, NULL));
		ASSERT_EQ(0, tmpfs_mount(IN_DST("child"), "0711"));
		ASSERT_TRUE(has_option(mountinfo_optional(OWN), "shifted"));
		ASSERT_OWNER(AT_FDCWD, OWN, 0, 0);
		ASSERT_EQ(0, sys_umount2(OWN "/child", 0));
		ASSERT_REFUSED(EINVAL, sys_umount2(IN_DST("child"), 0));
	}
}

/* A marked mount that the host makes later propagates into the container with its mark. */
TEST(propagated_mark)
{
	struct container c;
	char dir[64];
	int src;

	if (shift_unavailable())
		SKIP(return, "%s", shift_unavailable());
	ASSERT_EQ(0, scratch_setup());
	src = source_setup();
	ASSERT_LE(0, src);
	ASSERT_EQ(0, make_file(src, "file", 0600, ORIGIN, ORIGIN));
	ASSERT_EQ(0, tmpfs_mount(OTHER, "0755"));
	ASSERT_EQ(0, sys_mount(NULL, OTHER, NULL, MS_SHARED, NULL));
	snprintf(dir, sizeof(dir), OTHER "/dir");
	ASSERT_EQ(0, mkdir(dir, 0755));
	ASSERT_EQ(0, container_make(&c, BASE));

	/* To mark a mount that the container has a copy of changes no copy. */
	ASSERT_EQ(0, mark(src, BASE));
	ASSERT_EQ(-EPERM, in_container(&c, do_mount_shifted, NULL));

	ASSERT_EQ(0, sys_mount(SRC, dir, NULL, MS_BIND, NULL));
	IN_CONTAINER(&c, 0) {
		ASSERT_TRUE(has_option(mountinfo_optional(dir),
				       "shiftable:100000:100000:65536"));
		ASSERT_TRUE(has_option(mountinfo_optional(dir),
				       "shiftable_by:0"));
		ASSERT_EQ(0, mount_shifted(dir, DST));
		ASSERT_OWNER(AT_FDCWD, IN_DST("file"), 0, 0);
		ASSERT_STREQ("shifted", mountinfo_optional(DST));
	}

	/* When the host takes it away again, the container keeps what it made of it. */
	ASSERT_EQ(0, sys_umount2(dir, 0));
	IN_CONTAINER(&c, 0) {
		ASSERT_FALSE(mounted_at(dir));
		ASSERT_OWNER(AT_FDCWD, IN_DST("file"), 0, 0);
		ASSERT_EQ(0, open_errno(AT_FDCWD, IN_DST("file"), O_RDWR));
	}
	container_end(&c);
}

/* A container and a marked image with a directory, a file and nothing below */
FIXTURE(single)
{
	struct container c;
	int src;
};

FIXTURE_SETUP(single)
{
	const char *reason = shift_unavailable();

	if (reason)
		SKIP(return, "%s", reason);

	self->c = (struct container)CONTAINER_NONE;
	ASSERT_EQ(0, scratch_setup());
	self->src = source_setup();
	ASSERT_LE(0, self->src);
	ASSERT_EQ(0, mkdirat(self->src, "dir", 0755));
	ASSERT_EQ(0, fchownat(self->src, "dir", ORIGIN, ORIGIN, 0));
	ASSERT_EQ(0, make_file(self->src, "file", 0600, ORIGIN, ORIGIN));
	ASSERT_EQ(0, mark(self->src, BASE));
}

FIXTURE_TEARDOWN(single)
{
	container_end(&self->c);
}

/* A shifted mount is moved, mounted upon and bound like any other, and stays what it is. */
TEST_F(single, move)
{
	ASSERT_EQ(0, container_make(&self->c, BASE));
	IN_CONTAINER(&self->c, 0) {
		ASSERT_EQ(0, mount_shifted(SRC, DST));
		ASSERT_EQ(0, sys_mount(DST, OTHER, NULL, MS_MOVE, NULL));
		ASSERT_OWNER(AT_FDCWD, OTHER "/file", 0, 0);
		ASSERT_EQ(0, sys_move_mount(AT_FDCWD, OTHER, AT_FDCWD, DST, 0));
		ASSERT_OWNER(AT_FDCWD, IN_DST("file"), 0, 0);
		ASSERT_STREQ("shifted", mountinfo_optional(DST));
		ASSERT_TRUE(has_attrs(open_mount(DST), MOUNT_ATTR_NODEV));
		ASSERT_REFUSED(EPERM,
			       clear_attrs(open_mount(DST), MOUNT_ATTR_NODEV));

		/* What is mounted in it has nothing to do with it. */
		ASSERT_EQ(0, tmpfs_mount(IN_DST("dir"), "0755"));
		ASSERT_STREQ("", mountinfo_optional(IN_DST("dir")));
		ASSERT_FALSE(has_attrs(open_mount(IN_DST("dir")),
				       MOUNT_ATTR_NODEV));
		ASSERT_EQ(0, make_file(AT_FDCWD, IN_DST("dir/new"), 0600, 0, 0));
		ASSERT_EQ(0, sys_umount2(IN_DST("dir"), MNT_DETACH));

		/* On top of a mount, and below another one */
		ASSERT_EQ(0, mount_shifted(SRC, IN_DST("dir")));
		ASSERT_OWNER(AT_FDCWD, IN_DST("dir/file"), 0, 0);
		ASSERT_EQ(0, mount_shifted(SRC, DST));
		ASSERT_EQ(0, sys_umount2(DST, 0));
		ASSERT_EQ(0, sys_umount2(IN_DST("dir"), 0));
	}
	ASSERT_EQ(-1, faccessat(self->src, "dir/new", F_OK, 0));
}

/* The mark goes where the marked mount goes. */
TEST_F(single, move_mark)
{
	ASSERT_EQ(0, sys_mount(SRC, OTHER, NULL, MS_MOVE, NULL));
	ASSERT_TRUE(is_marked(self->src));
	ASSERT_EQ(0, sys_move_mount(AT_FDCWD, OTHER, AT_FDCWD, SRC, 0));
	ASSERT_TRUE(is_marked(self->src));

	/* A mount on top of it hides it, and has no mark. */
	ASSERT_EQ(0, tmpfs_mount(SRC, "0755"));
	ASSERT_STREQ("", mountinfo_optional(SRC));
	ASSERT_EQ(0, sys_umount2(SRC, 0));
	ASSERT_EQ(0, container_make(&self->c, BASE));
	ASSERT_EQ(0, in_container(&self->c, do_mount_shifted, NULL));
}

/* A mount that covers the mark in the container cannot be removed to get at it. */
TEST_F(single, covered_mark)
{
	ASSERT_EQ(0, tmpfs_mount(SRC, "0755"));
	ASSERT_EQ(0, container_make(&self->c, BASE));
	IN_CONTAINER(&self->c, 0) {
		ASSERT_REFUSED(EINVAL, sys_umount2(SRC, MNT_DETACH));
		ASSERT_REFUSED(EPERM, shift(clone_mount(SRC)));
		ASSERT_REFUSED(EPERM, shift_recursive(clone_tree(SRC)));
	}
}

/* The container starts in the image: its root directory is the shifted mount. */
TEST_F(single, pivot_root)
{
	ASSERT_EQ(0, copy_self(self->src, "program", 0755, ORIGIN, ORIGIN));
	ASSERT_EQ(0, container_make(&self->c, BASE));
	IN_CONTAINER(&self->c, 0) {
		char *const argv[] = { "program", "--true", NULL };
		struct stat st;
		pid_t pid;

		ASSERT_EQ(0, mount_shifted(SRC, DST));
		ASSERT_EQ(0, chdir(DST));
		ASSERT_EQ(0, sys_pivot_root(".", "dir"));
		ASSERT_EQ(0, sys_umount2("/dir", MNT_DETACH));

		ASSERT_EQ(0, stat("/", &st));
		ASSERT_EQ(0U, st.st_uid);
		ASSERT_OWNER(AT_FDCWD, "/file", 0, 0);
		ASSERT_TRUE(is_shifted(open_mount("/")));
		ASSERT_EQ(0, open_errno(AT_FDCWD, "/new", O_CREAT | O_WRONLY));
		ASSERT_REFUSED(EPERM, shift(clone_mount("/")));
		ASSERT_REFUSED(EPERM,
			       clear_attrs(open_mount("/"), MOUNT_ATTR_NODEV));
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			execve("/program", argv, NULL);
			_exit(1);
		}
		ASSERT_EQ(0, wait_exit(pid));
	}
	ASSERT_OWNER(self->src, "new", ORIGIN, ORIGIN);
}

static int do_open_writer(void *arg)
{
	int fd;

	if (mount_shifted(SRC, DST))
		return -errno;
	fd = open(arg, O_WRONLY | O_CREAT, 0600);
	return fd < 0 ? -errno : fd;
}

/* Shifted mounts live on when the host takes the marked one away. */
TEST_F(single, umount_mark)
{
	int writer, detached;

	ASSERT_EQ(0, container_make(&self->c, BASE));
	writer = fd_from_container(&self->c, do_open_writer, IN_DST("writer"));
	ASSERT_LE(0, writer);
	detached = clone_mount(SRC);
	ASSERT_LE(0, detached);

	ASSERT_EQ(0, sys_umount2(SRC, MNT_DETACH));
	/* The file descriptor of the test is all that is left of it here. */
	ASSERT_TRUE(is_marked(self->src) || mount_attrs(self->src) == ~0ULL);
	ASSERT_REFUSED(EINVAL, unmark(self->src));
	ASSERT_REFUSED(EINVAL, mark_revoke(self->src));

	ASSERT_EQ(1, write(writer, "x", 1));
	ASSERT_EQ(0, close(writer));
	ASSERT_EQ(0, in_container(&self->c, do_shift_fd, &detached));
	IN_CONTAINER(&self->c, 0) {
		ASSERT_OWNER(AT_FDCWD, IN_DST("file"), 0, 0);
		ASSERT_OWNER(detached, "file", 0, 0);
		ASSERT_EQ(0, open_errno(AT_FDCWD, IN_DST("new"),
					O_CREAT | O_WRONLY));
		/* The container's copy of the mark is another mount. */
		ASSERT_EQ(0, mount_shifted(SRC, OWN));
	}
	ASSERT_OWNER(self->src, "new", ORIGIN, ORIGIN);
	ASSERT_EQ(0, close(detached));
	container_end(&self->c);
	ASSERT_OWNER(self->src, "new", ORIGIN, ORIGIN);
}

/* Detached shifted clones that are left alone go away with their file descriptors. */
TEST_F(single, dissolve)
{
	ASSERT_EQ(0, container_make(&self->c, BASE));
	IN_CONTAINER(&self->c, 0) {
		for (int i = 0; i < 10; i++) {
			int mnt = clone_mount(SRC);
			int file;

			ASSERT_LE(0, mnt);
			ASSERT_EQ(0, shift(mnt));
			file = openat(mnt, "file", O_RDWR);
			ASSERT_LE(0, file);
			ASSERT_EQ(0, close(mnt));
			ASSERT_OWNER(file, "", 0, 0);
			ASSERT_EQ(0, close(file));
		}
	}
}

/*
 * An automounter: a process that mounts a tmpfs wherever somebody looks for a
 * directory below SRC "/auto".
 */
#define AUTO	SRC "/auto"

struct automounter {
	pid_t pid;
	int sock;	/* a byte comes when it is ready, and one per mount */
};

static int automounter_mount(int pipe_fd)
{
	char options[80];

	snprintf(options, sizeof(options),
		 "fd=%d,pgrp=%d,minproto=5,maxproto=5,indirect", pipe_fd,
		 getpid());
	return sys_mount("automounter", AUTO, "autofs", 0, options);
}

static int automounter_serve(int packets, int sock)
{
	union autofs_v5_packet_union packet;
	char path[sizeof(AUTO) + 1 + NAME_MAX + 1];
	int root, ready;

	root = open(AUTO, O_RDONLY | O_DIRECTORY);
	if (root < 0 || write(sock, "", 1) != 1)
		return -1;
	while (read(packets, &packet, sizeof(packet)) == sizeof(packet)) {
		if (packet.hdr.type != autofs_ptype_missing_indirect)
			return -1;
		snprintf(path, sizeof(path), AUTO "/%s",
			 packet.v5_packet.name);
		ready = mkdir(path, 0755) || tmpfs_mount(path, "0755");
		if (ioctl(root, ready ? AUTOFS_IOC_FAIL : AUTOFS_IOC_READY,
			  packet.v5_packet.wait_queue_token))
			return -1;
		if (write(sock, ready ? "-" : "+", 1) != 1)
			return -1;
	}
	return 0;
}

/* autofs knows its automounter by the process group. */
static int automounter_start(struct automounter *a)
{
	int sock[2], packets[2];
	char byte;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock))
		return -1;
	a->sock = sock[0];
	a->pid = fork();
	if (!a->pid) {
		close(sock[0]);
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) || setpgid(0, 0) ||
		    pipe(packets) || automounter_mount(packets[1])) {
			perror("# cannot mount autofs");
			_exit(1);
		}
		close(packets[1]);
		_exit(!!automounter_serve(packets[0], sock[1]));
	}
	close(sock[1]);
	return a->pid > 0 && read(a->sock, &byte, 1) == 1 ? 0 : -1;
}

static void automounter_end(struct automounter *a)
{
	if (a->pid > 0) {
		kill(a->pid, SIGKILL);
		waitpid(a->pid, NULL, 0);
	}
	close(a->sock);
}

/* Does a mount of this file system type exist there? */
static bool fs_is(const char *path, long magic)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == magic;
}

/* What is mounted below a mark on demand is another file system, that nobody has marked. */
TEST_F(single, automount)
{
	struct automounter a;
	const struct mount_attr mark_attr = MARK(BASE);
	struct mount_attr replace = MARK(BASE);
	char byte;
	int mnt;

	ASSERT_EQ(0, mkdirat(self->src, "auto", 0755));
	ASSERT_EQ(0, automounter_start(&a));
	ASSERT_TRUE(fs_is(AUTO, AUTOFS_MAGIC));
	ASSERT_STREQ("", mountinfo_optional(AUTO));

	/* Somebody looks, and the automounter mounts. */
	mnt = open_mount(AUTO "/key");
	ASSERT_LE(0, mnt);
	ASSERT_EQ(1, read(a.sock, &byte, 1));
	ASSERT_EQ('+', byte);
	ASSERT_TRUE(fs_is(AUTO "/key", TMPFS_MAGIC));
	ASSERT_FALSE(is_marked(mnt));
	ASSERT_FALSE(has_attrs(mnt, RESTRICTIONS));
	ASSERT_STREQ("", mountinfo_optional(AUTO "/key"));
	ASSERT_STREQ("", mountinfo_optional(AUTO));
	ASSERT_TRUE(is_marked(self->src));

	/* It is in the way of a mark for the whole tree, which autofs cannot have. */
	replace.attr_clr = MOUNT_ATTR_SHIFTABLE;
	ASSERT_REFUSED(EINVAL, set_attr_recursive(self->src, &replace));
	ASSERT_FALSE(is_marked(mnt));
	ASSERT_TRUE(is_marked(self->src));

	/* To mark a directory there is to mark what is mounted on it. */
	ASSERT_EQ(0, sys_mount_setattr(AT_FDCWD, AUTO "/other", 0, &mark_attr,
				       sizeof(mark_attr)));
	ASSERT_EQ(1, read(a.sock, &byte, 1));
	ASSERT_EQ('+', byte);
	ASSERT_TRUE(is_marked(open_mount(AUTO "/other")));

	ASSERT_EQ(0, container_make(&self->c, BASE));
	IN_CONTAINER(&self->c, 0) {
		int tree;

		ASSERT_REFUSED(EINVAL, clone_mount(SRC));
		tree = clone_tree(SRC);
		ASSERT_LE(0, tree);
		ASSERT_REFUSED(EPERM, shift_recursive(tree));
		ASSERT_FALSE(is_shifted(tree));
		ASSERT_REFUSED(EPERM, shift(clone_mount(AUTO "/key")));
		ASSERT_EQ(0, shift(clone_mount(AUTO "/other")));
		ASSERT_EQ(0, shift(tree));
	}
	automounter_end(&a);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--true"))
		return 0;
	return test_harness_run(argc, argv);
}
