// SPDX-License-Identifier: GPL-2.0
/*
 * statmount(2): the maps of idmapped mounts, and of origin-shifted ones
 */

#include "../mount_shift/shift.h"
#include "statmount.h"

#define BOTH_MAPS	(STATMOUNT_MNT_UIDMAP | STATMOUNT_MNT_GIDMAP)

/* As many as /proc/PID/uid_map takes. */
#define MAX_EXTENTS	340

FIXTURE(statmount_idmap)
{
	int mnt;	/* detached tmpfs */
	char path[64];	/* where to put it */
};

FIXTURE_SETUP(statmount_idmap)
{
	const char *reason = shift_unavailable();

	if (reason)
		SKIP(return, "%s", reason);

	ASSERT_EQ(0, scratch_setup());
	ASSERT_EQ(0, scratch_dir(self->path, sizeof(self->path)));
	self->mnt = tmpfs_fd("0755");
	ASSERT_LE(0, self->mnt);
}

FIXTURE_TEARDOWN(statmount_idmap)
{
}

/* Idmaps the mount along a new user namespace with these maps, and mounts it. */
static int idmap_and_attach(int mnt, const char *path, const char *uid_map,
			    const char *gid_map)
{
	int userns = userns_open(uid_map, gid_map);

	if (userns < 0)
		return -1;
	if (idmap(mnt, userns) || attach(mnt, path))
		return close_fail(userns);
	return close(userns);
}

/* The string number @index of an array that starts at @offset */
static const char *string_at(const struct statmount *sm, __u32 offset,
			     unsigned int index)
{
	const char *string = sm->str + offset;

	while (index--)
		string += strlen(string) + 1;
	return string;
}

/* The strings of a map, joined with commas */
static const char *map_text(const struct statmount *sm, __u64 bit, __u32 num,
			    __u32 offset)
{
	static char text[MAX_EXTENTS * 40];
	char *end = text;

	if (!(sm->mask & bit))
		return "none";
	*end = '\0';
	for (__u32 i = 0; i < num; i++)
		end += sprintf(end, "%s%s", i ? "," : "",
			       string_at(sm, offset, i));
	return text;
}

static const char *uidmap(const struct statmount *sm)
{
	return map_text(sm, STATMOUNT_MNT_UIDMAP, sm->mnt_uidmap_num,
			sm->mnt_uidmap);
}

static const char *gidmap(const struct statmount *sm)
{
	return map_text(sm, STATMOUNT_MNT_GIDMAP, sm->mnt_gidmap_num,
			sm->mnt_gidmap);
}

/* Tells the kernel's answer to a process of another user namespace. */
struct view {
	int userns;
	int mnt;
	struct statmount *sm;
};

static int look(void *arg)
{
	struct view *view = arg;

	if (setns(view->userns, CLONE_NEWUSER) ||
	    statmount_by_fd(view->mnt, STATMOUNT_MNT_BASIC | BOTH_MAPS,
			    view->sm))
		return -errno;
	return 0;
}

/* NULL and errno if it fails. */
static const struct statmount *statmount_from(int userns, int mnt)
{
	struct view view = { userns, mnt, shared_alloc(STATMOUNT_SIZE) };
	int ret;

	if (!view.sm)
		return NULL;
	ret = in_child(look, &view);
	if (!ret)
		return view.sm;
	errno = ret == CHILD_DIED ? ECHILD : -ret;
	return NULL;
}

/* A mount that is not idmapped has no maps, and says that it could have. */
TEST_F(statmount_idmap, not_idmapped)
{
	struct statmount *sm;

	ASSERT_EQ(0, attach(self->mnt, self->path));
	sm = statmount_fd(self->mnt, STATMOUNT_MNT_BASIC | BOTH_MAPS |
				     STATMOUNT_SUPPORTED_MASK);
	ASSERT_NE(NULL, sm);
	ASSERT_EQ(STATMOUNT_MNT_BASIC | STATMOUNT_SUPPORTED_MASK, sm->mask);
	ASSERT_EQ(BOTH_MAPS, sm->supported_mask & BOTH_MAPS);
	ASSERT_EQ(0, sm->mnt_attr & MOUNT_ATTR_IDMAP);
	ASSERT_EQ(0, sm->mnt_uidmap_num);
	ASSERT_EQ(0, sm->mnt_gidmap_num);
	ASSERT_STREQ("", sm->str + sm->mnt_uidmap);
	ASSERT_STREQ("", sm->str + sm->mnt_gidmap);
}

/* The line of the map is shown as it was written. */
TEST_F(statmount_idmap, one_extent)
{
	struct statmount *sm;

	ASSERT_EQ(0, idmap_and_attach(self->mnt, self->path, "5 200000 65536",
				      "7 300000 1000"));
	sm = statmount_fd(self->mnt, STATMOUNT_MNT_BASIC | BOTH_MAPS);
	ASSERT_NE(NULL, sm);
	ASSERT_EQ(STATMOUNT_MNT_BASIC | BOTH_MAPS, sm->mask);
	ASSERT_EQ(MOUNT_ATTR_IDMAP, sm->mnt_attr & MOUNT_ATTR_IDMAP);
	ASSERT_EQ(1, sm->mnt_uidmap_num);
	ASSERT_EQ(1, sm->mnt_gidmap_num);
	ASSERT_STREQ("5 200000 65536", uidmap(sm));
	ASSERT_STREQ("7 300000 1000", gidmap(sm));
}

/* A map that was not asked for is not given. */
TEST_F(statmount_idmap, one_map_only)
{
	struct statmount *sm;

	ASSERT_EQ(0, idmap_and_attach(self->mnt, self->path, "0 200000 10",
				      "0 300000 10"));

	sm = statmount_fd(self->mnt, STATMOUNT_MNT_UIDMAP);
	ASSERT_NE(NULL, sm);
	ASSERT_EQ(STATMOUNT_MNT_UIDMAP, sm->mask);
	ASSERT_STREQ("0 200000 10", uidmap(sm));
	ASSERT_EQ(0, sm->mnt_gidmap_num);
	ASSERT_EQ(0, sm->mnt_gidmap);

	sm = statmount_fd(self->mnt, STATMOUNT_MNT_GIDMAP);
	ASSERT_NE(NULL, sm);
	ASSERT_EQ(STATMOUNT_MNT_GIDMAP, sm->mask);
	ASSERT_STREQ("0 300000 10", gidmap(sm));
	ASSERT_EQ(0, sm->mnt_uidmap_num);
	ASSERT_EQ(0, sm->mnt_uidmap);

	sm = statmount_fd(self->mnt, STATMOUNT_MNT_BASIC);
	ASSERT_NE(NULL, sm);
	ASSERT_EQ(STATMOUNT_MNT_BASIC, sm->mask);
	ASSERT_EQ(0, sm->mnt_uidmap_num);
	ASSERT_EQ(0, sm->mnt_gidmap_num);
}

/* The same by the mount's id as by its file descriptor. */
TEST_F(statmount_idmap, by_mount_id)
{
	struct statmount *by_fd, *by_id;

	ASSERT_EQ(0, idmap_and_attach(self->mnt, self->path, "0 200000 10",
				      "0 300000 10"));
	by_fd = statmount_fd(self->mnt, STATMOUNT_MNT_BASIC | BOTH_MAPS);
	ASSERT_NE(NULL, by_fd);
	by_id = statmount_alloc(by_fd->mnt_id, 0, STATMOUNT_MNT_BASIC | BOTH_MAPS,
				0);
	ASSERT_NE(NULL, by_id);
	ASSERT_EQ(by_fd->size, by_id->size);
	ASSERT_EQ(0, memcmp(by_fd, by_id, by_fd->size));
}

/*
 * Up to five lines come in the order in which they were written, every one ends
 * with a NUL, and the arrays are apart from each other and from other strings.
 */
TEST_F(statmount_idmap, five_extents)
{
	static const char * const lines[] = {
		"40 1040 2", "0 3000 7", "4294967294 5 1", "20 1020 9", "30 0 5",
	};
	const char *uid, *gid, *type;
	struct statmount *sm;
	char map[200] = "";

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		strcat(map, lines[i]);
		strcat(map, "\n");
	}
	ASSERT_EQ(0, idmap_and_attach(self->mnt, self->path, map,
				      "9 9000 1\n0 8000 3"));

	sm = statmount_fd(self->mnt, STATMOUNT_FS_TYPE | STATMOUNT_MNT_POINT |
				     BOTH_MAPS);
	ASSERT_NE(NULL, sm);
	ASSERT_EQ(ARRAY_SIZE(lines), sm->mnt_uidmap_num);
	ASSERT_EQ(2, sm->mnt_gidmap_num);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		ASSERT_STREQ(lines[i], string_at(sm, sm->mnt_uidmap, i));
	ASSERT_STREQ("9 9000 1,0 8000 3", gidmap(sm));

	type = sm->str + sm->fs_type;
	uid = sm->str + sm->mnt_uidmap;
	gid = sm->str + sm->mnt_gidmap;
	ASSERT_STREQ("tmpfs", type);
	ASSERT_STREQ(self->path, sm->str + sm->mnt_point);
	ASSERT_LT(type + strlen(type), uid);
	ASSERT_EQ('\0', uid[-1]);
	ASSERT_LE(string_at(sm, sm->mnt_uidmap, sm->mnt_uidmap_num), gid);
	ASSERT_EQ('\0', gid[-1]);
	ASSERT_LE(string_at(sm, sm->mnt_gidmap, sm->mnt_gidmap_num),
		  (char *)sm + sm->size);
}

/* From six lines on the kernel keeps them elsewhere, sorted by the first id. */
TEST_F(statmount_idmap, six_extents)
{
	struct statmount *sm;

	ASSERT_EQ(0, idmap_and_attach(self->mnt, self->path,
				      "50 1000 1\n40 2000 1\n30 3000 1\n"
				      "20 4000 1\n10 5000 1\n0 6000 1",
				      "0 1 1\n1 10 1\n2 20 1\n3 30 1\n4 40 1\n5 50 1"));
	sm = statmount_fd(self->mnt, BOTH_MAPS);
	ASSERT_NE(NULL, sm);
	ASSERT_EQ(6, sm->mnt_uidmap_num);
	ASSERT_EQ(6, sm->mnt_gidmap_num);
	ASSERT_STREQ("0 6000 1,10 5000 1,20 4000 1,30 3000 1,40 2000 1,50 1000 1",
		     uidmap(sm));
	ASSERT_STREQ("0 1 1,1 10 1,2 20 1,3 30 1,4 40 1,5 50 1", gidmap(sm));
}

/* Writes the longest map there can be, with ids that never touch. */
static void longest_map(char *map, size_t size, unsigned int step)
{
	size_t len = 0;

	for (unsigned int i = 0; i < MAX_EXTENTS; i++)
		len += snprintf(map + len, size - len, "%u %u 1\n", step * i,
				1000 + step * i);
}

/* As many lines as there can be. */
TEST_F(statmount_idmap, all_extents)
{
	struct statmount *sm;
	char map[4096];
	char line[40];

	longest_map(map, sizeof(map), 2);
	ASSERT_EQ(0, idmap_and_attach(self->mnt, self->path, map, map));
	sm = statmount_fd(self->mnt, BOTH_MAPS);
	ASSERT_NE(NULL, sm);
	ASSERT_EQ(MAX_EXTENTS, sm->mnt_uidmap_num);
	ASSERT_EQ(MAX_EXTENTS, sm->mnt_gidmap_num);
	for (unsigned int i = 0; i < MAX_EXTENTS; i++) {
		snprintf(line, sizeof(line), "%u %u 1", 2 * i, 1000 + 2 * i);
		ASSERT_STREQ(line, string_at(sm, sm->mnt_uidmap, i));
		ASSERT_STREQ(line, string_at(sm, sm->mnt_gidmap, i));
	}
}

/* To others the ids are what they are in their own user namespace. */
TEST_F(statmount_idmap, relative_to_caller)
{
	const struct statmount *sm;
	int viewer;

	ASSERT_EQ(0, idmap_and_attach(self->mnt, self->path, "0 200100 50",
				      "3 300200 60"));

	viewer = userns_open("0 200000 65536", "10 300000 65536");
	ASSERT_LE(0, viewer);
	sm = statmount_from(viewer, self->mnt);
	ASSERT_NE(NULL, sm)
		TH_LOG("%m");
	ASSERT_EQ(1, sm->mnt_uidmap_num);
	ASSERT_EQ(1, sm->mnt_gidmap_num);
	ASSERT_STREQ("0 100 50", uidmap(sm));
	ASSERT_STREQ("3 210 60", gidmap(sm));
}

/*
 * A line that the caller's user namespace does not know as a whole is left out
 * of the text and of the count. The others remain.
 */
TEST_F(statmount_idmap, unresolvable_extents)
{
	const struct statmount *sm;
	int viewer;

	ASSERT_EQ(0, idmap_and_attach(self->mnt, self->path,
				      "0 200000 10\n"	/* known */
				      "20 5000 10\n"	/* not known */
				      "40 199995 5\n"	/* not, just before */
				      "60 265526 10\n"	/* known, the last ten */
				      "80 265536 1",	/* not, just after */
				      "0 5000 10\n"
				      "20 265535 2\n"	/* only the first of two */
				      "40 200010 10"));

	viewer = userns_open("0 200000 65536", "0 200000 65536");
	ASSERT_LE(0, viewer);
	sm = statmount_from(viewer, self->mnt);
	ASSERT_NE(NULL, sm)
		TH_LOG("%m");
	ASSERT_EQ(2, sm->mnt_uidmap_num);
	ASSERT_EQ(1, sm->mnt_gidmap_num);
	ASSERT_STREQ("0 0 10,60 65526 10", uidmap(sm));
	ASSERT_STREQ("40 10 10", gidmap(sm));
}

/* The same where the kernel keeps the lines elsewhere. */
TEST_F(statmount_idmap, unresolvable_among_many)
{
	const struct statmount *sm;
	int viewer;

	ASSERT_EQ(0, idmap_and_attach(self->mnt, self->path,
				      "70 200070 1\n60 60 1\n50 200050 1\n"
				      "40 40 1\n30 200030 1\n20 20 1\n0 0 1",
				      "0 0 1\n2 2 1\n4 4 1\n6 6 1\n8 8 1\n10 10 1"));

	viewer = userns_open("0 200000 65536", "0 200000 65536");
	ASSERT_LE(0, viewer);
	sm = statmount_from(viewer, self->mnt);
	ASSERT_NE(NULL, sm)
		TH_LOG("%m");
	ASSERT_EQ(3, sm->mnt_uidmap_num);
	ASSERT_STREQ("30 30 1,50 50 1,70 70 1", uidmap(sm));
	ASSERT_EQ(0, sm->mnt_gidmap_num);
	ASSERT_TRUE(sm->mask & STATMOUNT_MNT_GIDMAP);
}

/*
 * Who knows none of the ids still learns that the mount is idmapped: the bits in
 * the mask are set, the counts are 0, and the offsets lead to an empty string.
 */
TEST_F(statmount_idmap, nothing_resolvable)
{
	const struct statmount *sm;
	int viewer;

	ASSERT_EQ(0, idmap_and_attach(self->mnt, self->path, "0 200000 10",
				      "0 200000 10"));

	viewer = userns_open("0 300000 65536", "0 300000 65536");
	ASSERT_LE(0, viewer);
	sm = statmount_from(viewer, self->mnt);
	ASSERT_NE(NULL, sm)
		TH_LOG("%m");
	ASSERT_EQ(STATMOUNT_MNT_BASIC | BOTH_MAPS, sm->mask);
	ASSERT_EQ(MOUNT_ATTR_IDMAP, sm->mnt_attr & MOUNT_ATTR_IDMAP);
	ASSERT_EQ(0, sm->mnt_uidmap_num);
	ASSERT_EQ(0, sm->mnt_gidmap_num);
	ASSERT_STREQ("", sm->str + sm->mnt_uidmap);
	ASSERT_STREQ("", sm->str + sm->mnt_gidmap);

	/* The same for a caller without any id at all. */
	viewer = userns_open(NULL, NULL);
	ASSERT_LE(0, viewer);
	sm = statmount_from(viewer, self->mnt);
	ASSERT_NE(NULL, sm)
		TH_LOG("%m");
	ASSERT_EQ(BOTH_MAPS, sm->mask & BOTH_MAPS);
	ASSERT_EQ(0, sm->mnt_uidmap_num);
	ASSERT_EQ(0, sm->mnt_gidmap_num);
}

/* A buffer that is too small by one byte or more is EOVERFLOW, and stays as is. */
TEST_F(statmount_idmap, buffer_size)
{
	unsigned char before[STATMOUNT_BUFSIZE], buf[STATMOUNT_BUFSIZE];
	struct statmount *sm;
	size_t size;

	ASSERT_EQ(0, idmap_and_attach(self->mnt, self->path,
				      "0 200000 10\n20 200020 10",
				      "0 300000 10\n20 300020 10\n40 300040 10"));
	sm = statmount_fd(self->mnt, BOTH_MAPS);
	ASSERT_NE(NULL, sm);
	ASSERT_EQ(2, sm->mnt_uidmap_num);
	ASSERT_EQ(3, sm->mnt_gidmap_num);
	ASSERT_LT(sizeof(*sm), sm->size);
	ASSERT_GT(sizeof(buf), sm->size);

	memset(before, 0xa5, sizeof(before));
	for (size = 0; size < sm->size; size++) {
		memcpy(buf, before, sizeof(buf));
		ASSERT_EQ(-1, statmount(0, 0, self->mnt, BOTH_MAPS,
					(struct statmount *)buf, size,
					STATMOUNT_BY_FD))
			TH_LOG("%zu of %u bytes", size, sm->size);
		ASSERT_EQ(EOVERFLOW, errno);
		ASSERT_EQ(0, memcmp(before, buf, sizeof(buf)));
	}

	/* What it wrote is exactly what it says that it wrote. */
	ASSERT_EQ(0, statmount(0, 0, self->mnt, BOTH_MAPS,
			       (struct statmount *)buf, size, STATMOUNT_BY_FD));
	ASSERT_EQ(0, memcmp(sm, buf, size));
	ASSERT_EQ(0, memcmp(before + size, buf + size, sizeof(buf) - size));

	/* One map alone needs less. */
	ASSERT_EQ(0, statmount(0, 0, self->mnt, STATMOUNT_MNT_UIDMAP,
			       (struct statmount *)buf, size - 1,
			       STATMOUNT_BY_FD));
}

/* The direct form of a shift shows the map that comes of origin and namespace. */
TEST_F(statmount_idmap, shifted)
{
	struct statmount *sm;
	int userns;

	userns = userns_open("0 200000 65536", "0 300000 100\n500 400000 100");
	ASSERT_LE(0, userns);
	ASSERT_EQ(0, shift_direct(self->mnt, userns, 100000, 50000, 550));
	ASSERT_EQ(0, attach(self->mnt, self->path));

	sm = statmount_fd(self->mnt, STATMOUNT_MNT_BASIC | BOTH_MAPS);
	ASSERT_NE(NULL, sm);
	ASSERT_EQ(STATMOUNT_MNT_BASIC | BOTH_MAPS, sm->mask);
	ASSERT_EQ(MOUNT_ATTR_IDMAP | MOUNT_ATTR_SHIFT,
		  sm->mnt_attr & (MOUNT_ATTR_IDMAP | MOUNT_ATTR_SHIFT));
	ASSERT_STREQ("100000 200000 550", uidmap(sm));
	ASSERT_STREQ("50000 300000 100,50500 400000 50", gidmap(sm));
}

static int look_at_dst(void *arg)
{
	int mnt = open_mount(DST);

	if (mnt < 0 ||
	    statmount_by_fd(mnt, STATMOUNT_MNT_BASIC | BOTH_MAPS, arg))
		return -errno;
	return 0;
}

static int open_dst(void *arg __maybe_unused)
{
	int mnt = open_mount(DST);

	return mnt < 0 ? -errno : mnt;
}

/*
 * The delegated form: the container sees its own ids, the host those of the
 * host, and another container that the mount is idmapped, but no id.
 */
TEST_F(statmount_idmap, shifted_by_container)
{
	struct statmount *sm = shared_alloc(STATMOUNT_SIZE);
	const struct statmount *view;
	struct container c;
	int mnt, viewer;

	ASSERT_NE(NULL, sm);
	ASSERT_EQ(0, attach(self->mnt, SRC));
	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_EQ(0, container_make(&c, BASE));
	ASSERT_EQ(0, in_container(&c, do_mount_shifted, NULL));

	ASSERT_EQ(0, in_container(&c, look_at_dst, sm));
	ASSERT_EQ(MOUNT_ATTR_IDMAP | MOUNT_ATTR_SHIFT,
		  sm->mnt_attr & (MOUNT_ATTR_IDMAP | MOUNT_ATTR_SHIFT));
	ASSERT_STREQ("100000 0 65536", uidmap(sm));
	ASSERT_STREQ("100000 0 65536", gidmap(sm));

	mnt = fd_from_container(&c, open_dst, NULL);
	ASSERT_LE(0, mnt);
	sm = statmount_fd(mnt, BOTH_MAPS);
	ASSERT_NE(NULL, sm);
	ASSERT_STREQ("100000 200000 65536", uidmap(sm));
	ASSERT_STREQ("100000 200000 65536", gidmap(sm));

	viewer = userns_open(map_of(BASE_B), map_of(BASE_B));
	ASSERT_LE(0, viewer);
	view = statmount_from(viewer, mnt);
	ASSERT_NE(NULL, view)
		TH_LOG("%m");
	ASSERT_EQ(BOTH_MAPS, view->mask & BOTH_MAPS);
	ASSERT_EQ(0, view->mnt_uidmap_num);
	ASSERT_EQ(0, view->mnt_gidmap_num);
	container_end(&c);
}

/* A mark is no map: a mount that is only shiftable has none. */
TEST_F(statmount_idmap, marked)
{
	struct statmount *sm;

	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_EQ(0, attach(self->mnt, self->path));
	sm = statmount_fd(self->mnt, STATMOUNT_MNT_BASIC | BOTH_MAPS);
	ASSERT_NE(NULL, sm);
	ASSERT_EQ(STATMOUNT_MNT_BASIC, sm->mask);
	ASSERT_EQ(MOUNT_ATTR_SHIFTABLE,
		  sm->mnt_attr & (MOUNT_ATTR_IDMAP | MOUNT_ATTR_SHIFTABLE));
}

/*
 * Text that the kernel's first buffer does not hold (three times PATH_MAX) makes
 * it begin anew with a larger one: long lines, and a long path with them.
 */
TEST_F(statmount_idmap, long_text)
{
	char map[4096], component[201], line[40], path[4096];
	struct statmount *sm;
	int userns;

	memset(component, 'x', sizeof(component) - 1);
	component[sizeof(component) - 1] = '\0';
	ASSERT_EQ(0, chdir(self->path));
	for (int i = 0; i < 15; i++) {
		ASSERT_EQ(0, mkdir(component, 0755));
		ASSERT_EQ(0, chdir(component));
	}
	ASSERT_NE(NULL, getcwd(path, sizeof(path)));

	longest_map(map, sizeof(map), 2);
	userns = userns_open(map, map);
	ASSERT_LE(0, userns);
	ASSERT_EQ(0, shift_direct(self->mnt, userns, 4000000000U, 4100000000U, 0));
	ASSERT_EQ(0, attach(self->mnt, path));

	sm = statmount_fd(self->mnt, STATMOUNT_MNT_POINT | BOTH_MAPS);
	ASSERT_NE(NULL, sm)
		TH_LOG("%m");
	ASSERT_LT(3 * PATH_MAX, sm->size - sizeof(*sm));
	ASSERT_STREQ(path, sm->str + sm->mnt_point);
	ASSERT_EQ(MAX_EXTENTS, sm->mnt_uidmap_num);
	ASSERT_EQ(MAX_EXTENTS, sm->mnt_gidmap_num);
	for (unsigned int i = 0; i < MAX_EXTENTS; i++) {
		snprintf(line, sizeof(line), "%u %u 1", 4000000000U + 2 * i,
			 1000 + 2 * i);
		ASSERT_STREQ(line, string_at(sm, sm->mnt_uidmap, i));
		snprintf(line, sizeof(line), "%u %u 1", 4100000000U + 2 * i,
			 1000 + 2 * i);
		ASSERT_STREQ(line, string_at(sm, sm->mnt_gidmap, i));
	}
}

TEST_HARNESS_MAIN
