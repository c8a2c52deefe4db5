// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of origins, and of idmappings composed of an origin and a user namespace.
 *
 * Maps are written as in /proc/PID/uid_map: "first lower_first count", separated by
 * commas. The user namespaces are no real ones, they only have maps.
 */

#include <kunit/test.h>
#include <linux/prandom.h>

#define NO_ID U32_MAX

enum id_kind { ID_USER, ID_GROUP };

KUNIT_DEFINE_ACTION_WRAPPER(put_idmap, mnt_idmap_put, struct mnt_idmap *)

/* Not those of the code under test. */
static int by_first(const void *a, const void *b)
{
	const struct uid_gid_extent *l = a, *r = b;

	return l->first < r->first ? -1 : l->first > r->first;
}

static int by_lower_first(const void *a, const void *b)
{
	const struct uid_gid_extent *l = a, *r = b;

	return l->lower_first < r->lower_first ? -1 :
	       l->lower_first > r->lower_first;
}

/* What map_write() does. The arrays have room for @nr extents, or are not used. */
static void fill_map(struct uid_gid_map *map, const struct uid_gid_extent *extents,
		     u32 nr, struct uid_gid_extent *forward,
		     struct uid_gid_extent *reverse)
{
	memset(map, 0, sizeof(*map));
	if (nr <= UID_GID_MAP_MAX_BASE_EXTENTS) {
		memcpy(map->extent, extents, nr * sizeof(*extents));
	} else {
		memcpy(forward, extents, nr * sizeof(*extents));
		memcpy(reverse, extents, nr * sizeof(*extents));
		sort(forward, nr, sizeof(*forward), by_first, NULL);
		sort(reverse, nr, sizeof(*reverse), by_lower_first, NULL);
		map->forward = forward;
		map->reverse = reverse;
	}
	map->nr_extents = nr;
}

static struct uid_gid_extent *alloc_extents(struct kunit *test, u32 nr)
{
	struct uid_gid_extent *extents;

	extents = kunit_kcalloc(test, nr, sizeof(*extents), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, extents);
	return extents;
}

static void write_extents(struct kunit *test, struct uid_gid_map *map,
			  const struct uid_gid_extent *extents, u32 nr)
{
	fill_map(map, extents, nr, alloc_extents(test, nr), alloc_extents(test, nr));
}

/* Without @text the map is empty, as before anybody wrote it. */
static void write_map(struct kunit *test, struct uid_gid_map *map, const char *text)
{
	struct uid_gid_extent extents[8], *extent = extents;
	int len;

	while (text && *text) {
		KUNIT_ASSERT_LT(test, extent - extents, ARRAY_SIZE(extents));
		KUNIT_ASSERT_EQ_MSG(test, 3,
				    sscanf(text, "%u %u %u%n", &extent->first,
					   &extent->lower_first, &extent->count, &len),
				    "bad map: %s", text);
		text += len;
		if (*text == ',')
			text++;
		extent++;
	}
	if (extent > extents)
		write_extents(test, map, extents, extent - extents);
}

static struct user_namespace *make_userns(struct kunit *test, const char *uid_map,
					  const char *gid_map)
{
	struct user_namespace *ns = kunit_kzalloc(test, sizeof(*ns), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ns);
	write_map(test, &ns->uid_map, uid_map);
	write_map(test, &ns->gid_map, gid_map);
	return ns;
}

static struct mnt_idmap *put_later(struct kunit *test, struct mnt_idmap *idmap)
{
	KUNIT_ASSERT_NOT_NULL(test, idmap);
	if (!IS_ERR(idmap))
		KUNIT_ASSERT_EQ(test, 0,
				kunit_add_action_or_reset(test, put_idmap, idmap));
	return idmap;
}

static struct mnt_idmap *linear_origin(struct kunit *test, u32 uid, u32 gid, u32 count)
{
	struct mnt_idmap *origin;

	origin = put_later(test, alloc_mnt_origin_linear(uid, gid, count));
	KUNIT_ASSERT_FALSE(test, IS_ERR(origin));
	return origin;
}

static struct mnt_idmap *userns_origin(struct kunit *test, const char *uid_map,
				       const char *gid_map)
{
	struct user_namespace *ns = make_userns(test, uid_map, gid_map);
	struct mnt_idmap *origin;

	origin = put_later(test, alloc_mnt_origin(ns, &init_user_ns));
	KUNIT_ASSERT_FALSE(test, IS_ERR(origin));
	return origin;
}

static struct mnt_idmap *compose(struct kunit *test, struct mnt_idmap *origin,
				 struct user_namespace *target)
{
	struct mnt_idmap *idmap;

	idmap = put_later(test, compose_mnt_idmap(origin, target, false));
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(idmap), "error %pe", idmap);
	return idmap;
}

/* 0 or an error */
static int try_compose(struct kunit *test, struct mnt_idmap *origin,
		       struct user_namespace *target, bool strict)
{
	return PTR_ERR_OR_ZERO(put_later(test,
					 compose_mnt_idmap(origin, target, strict)));
}

static u32 to_vfs(struct mnt_idmap *idmap, struct user_namespace *fs_userns,
		  enum id_kind kind, u32 id)
{
	if (kind == ID_USER)
		return __vfsuid_val(make_vfsuid(idmap, fs_userns, KUIDT_INIT(id)));
	return __vfsgid_val(make_vfsgid(idmap, fs_userns, KGIDT_INIT(id)));
}

static u32 to_fs(struct mnt_idmap *idmap, struct user_namespace *fs_userns,
		 enum id_kind kind, u32 id)
{
	if (kind == ID_USER)
		return __kuid_val(from_vfsuid(idmap, fs_userns, VFSUIDT_INIT_RAW(id)));
	return __kgid_val(from_vfsgid(idmap, fs_userns, VFSGIDT_INIT_RAW(id)));
}

static const struct uid_gid_map *map_of(const struct mnt_idmap *idmap,
					enum id_kind kind)
{
	return kind == ID_USER ? &idmap->uid_map : &idmap->gid_map;
}

/* @fs_id in the filesystem is @id on the mount, and the other way round. */
static void expect_pair(struct kunit *test, struct mnt_idmap *idmap,
			enum id_kind kind, u32 fs_id, u32 id)
{
	KUNIT_EXPECT_EQ_MSG(test, to_vfs(idmap, &init_user_ns, kind, fs_id), id,
			    "of %s %u in the filesystem",
			    kind == ID_USER ? "user" : "group", fs_id);
	KUNIT_EXPECT_EQ_MSG(test, to_fs(idmap, &init_user_ns, kind, id), fs_id,
			    "of %s %u", kind == ID_USER ? "user" : "group", id);
}

static void expect_no_vfs_id(struct kunit *test, struct mnt_idmap *idmap,
			     enum id_kind kind, u32 fs_id)
{
	KUNIT_EXPECT_EQ_MSG(test, to_vfs(idmap, &init_user_ns, kind, fs_id), NO_ID,
			    "of %s %u in the filesystem",
			    kind == ID_USER ? "user" : "group", fs_id);
}

static void expect_no_fs_id(struct kunit *test, struct mnt_idmap *idmap,
			    enum id_kind kind, u32 id)
{
	KUNIT_EXPECT_EQ_MSG(test, to_fs(idmap, &init_user_ns, kind, id), NO_ID,
			    "of %s %u", kind == ID_USER ? "user" : "group", id);
}

/* The ids from @fs_id on are those from @id on, and their neighbours are not mapped. */
static void expect_range(struct kunit *test, struct mnt_idmap *idmap,
			 enum id_kind kind, u32 fs_id, u32 id, u32 count)
{
	expect_no_vfs_id(test, idmap, kind, fs_id - 1);
	expect_no_fs_id(test, idmap, kind, id - 1);
	expect_pair(test, idmap, kind, fs_id, id);
	expect_pair(test, idmap, kind, fs_id + count / 2, id + count / 2);
	expect_pair(test, idmap, kind, fs_id + count - 1, id + count - 1);
	expect_no_vfs_id(test, idmap, kind, fs_id + count);
	expect_no_fs_id(test, idmap, kind, id + count);
}

/* A map can be looked up: the arrays are sorted, and both of the same extents. */
static void expect_lookup(struct kunit *test, struct mnt_idmap *idmap,
			  enum id_kind kind, u32 nr)
{
	const struct uid_gid_map *map = map_of(idmap, kind);
	const struct uid_gid_extent *extents = map->extent;
	u32 i;

	KUNIT_ASSERT_EQ(test, map->nr_extents, nr);
	if (nr > UID_GID_MAP_MAX_BASE_EXTENTS) {
		extents = map->forward;
		for (i = 1; i < nr; i++) {
			KUNIT_EXPECT_LE(test,
					map->forward[i - 1].first +
						map->forward[i - 1].count,
					map->forward[i].first);
			KUNIT_EXPECT_LE(test,
					map->reverse[i - 1].lower_first +
						map->reverse[i - 1].count,
					map->reverse[i].lower_first);
		}
	}

	for (i = 0; i < nr; i++) {
		u32 last = extents[i].count - 1;

		KUNIT_EXPECT_GT(test, extents[i].count, 0);
		expect_pair(test, idmap, kind, extents[i].first,
			    extents[i].lower_first);
		expect_pair(test, idmap, kind, extents[i].first + last,
			    extents[i].lower_first + last);
	}
}

/*
 * Extents of @count ids that adjoin in the container, and in the order of @step, which
 * has no divisor in common with @nr, and with gaps outside.
 */
static struct uid_gid_extent *make_extents(struct kunit *test, u32 nr, u32 step,
					   u32 lower_first, u32 count)
{
	struct uid_gid_extent *extents = alloc_extents(test, nr);
	u32 i;

	for (i = 0; i < nr; i++) {
		extents[i].first = i * count;
		extents[i].lower_first = lower_first + i * step % nr * (count + 1);
		extents[i].count = count;
	}
	return extents;
}

/* User n of a container is user origin + n in the filesystem; groups have their own. */
static void test_linear(struct kunit *test)
{
	struct mnt_idmap *origin = linear_origin(test, 100000, 300000, 65536);
	struct user_namespace *target =
		make_userns(test, "0 1000000 65536", "0 2000000 65536");
	struct mnt_idmap *idmap = compose(test, origin, target);

	expect_range(test, idmap, ID_USER, 100000, 1000000, 65536);
	expect_range(test, idmap, ID_GROUP, 300000, 2000000, 65536);
	expect_no_vfs_id(test, idmap, ID_USER, 0);
	expect_no_fs_id(test, idmap, ID_USER, 0);
	expect_no_vfs_id(test, idmap, ID_USER, 300000);
	expect_no_vfs_id(test, idmap, ID_GROUP, 100000);
	expect_no_fs_id(test, idmap, ID_GROUP, 1000000);
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, true), 0);
}

/* Nobody gets ids in the filesystem that the origin does not have, at either end. */
static void test_clip_to_origin(struct kunit *test)
{
	struct user_namespace *target =
		make_userns(test, "0 1000000 65536", "0 2000000 65536");
	struct mnt_idmap *idmap;

	idmap = compose(test, linear_origin(test, 100000, 300000, 1000), target);
	expect_range(test, idmap, ID_USER, 100000, 1000000, 1000);
	expect_range(test, idmap, ID_GROUP, 300000, 2000000, 1000);

	idmap = compose(test, linear_origin(test, 100000, 300000, 1), target);
	expect_range(test, idmap, ID_USER, 100000, 1000000, 1);
	expect_range(test, idmap, ID_GROUP, 300000, 2000000, 1);

	/* An origin need not begin with the container's id 0. */
	idmap = compose(test, userns_origin(test, "500 100000 1000", "1 300000 2"),
			target);
	expect_range(test, idmap, ID_USER, 100000, 1000500, 1000);
	expect_range(test, idmap, ID_GROUP, 300000, 2000001, 2);
}

/* Nobody gets ids on the mount that the user namespace does not have, at either end. */
static void test_clip_to_target(struct kunit *test)
{
	struct mnt_idmap *origin = linear_origin(test, 100000, 300000, 65536);
	struct mnt_idmap *idmap;

	idmap = compose(test, origin, make_userns(test, "10 1000000 1990",
						  "65535 2000000 1"));
	expect_range(test, idmap, ID_USER, 100010, 1000000, 1990);
	expect_range(test, idmap, ID_GROUP, 365535, 2000000, 1);

	/* One end of each. */
	idmap = compose(test, origin, make_userns(test, "10 1000000 65536",
						  "65535 2000000 10"));
	expect_range(test, idmap, ID_USER, 100010, 1000000, 65526);
	expect_range(test, idmap, ID_GROUP, 365535, 2000000, 1);
}

/* An id in the container that its owner has chosen to be beyond the origin is nothing. */
static void test_chosen_interior_id(struct kunit *test)
{
	struct mnt_idmap *origin = linear_origin(test, 100000, 100000, 65536);
	struct mnt_idmap *idmap;
	struct user_namespace *target;

	/* Would be user 1000000 in the filesystem. */
	target = make_userns(test, "900000 1234 1", "900000 1234 1");
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, false), -ERANGE);

	/* The first id that is beyond the end. */
	target = make_userns(test, "65536 1234 1", "0 1234 1");
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, false), -ERANGE);

	/* Would be user 0 in the filesystem if the sum wrapped. */
	target = make_userns(test, "4294867296 1234 1", "0 1234 1");
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, false), -ERANGE);

	/* It does not keep him from having ids of his own, nor does it add one. */
	target = make_userns(test, "900000 1234 1,0 5678 1", "0 5678 1,900000 1234 1");
	idmap = compose(test, origin, target);
	expect_range(test, idmap, ID_USER, 100000, 5678, 1);
	expect_range(test, idmap, ID_GROUP, 100000, 5678, 1);
	expect_no_fs_id(test, idmap, ID_USER, 1234);
	expect_no_fs_id(test, idmap, ID_GROUP, 1234);
	expect_no_vfs_id(test, idmap, ID_USER, 1000000);
	expect_no_vfs_id(test, idmap, ID_USER, 0);
}

/* The last id that there is can be in a map of each kind, and -1 never is. */
static void test_last_id(struct kunit *test)
{
	const u32 last = 0xfffffffe;
	struct user_namespace *target;
	struct mnt_idmap *idmap;

	/* in the filesystem */
	target = make_userns(test, "0 1000 10", "0 2000 10");
	idmap = compose(test, linear_origin(test, last, last - 1, 1), target);
	expect_range(test, idmap, ID_USER, last, 1000, 1);
	expect_range(test, idmap, ID_GROUP, last - 1, 2000, 1);

	idmap = compose(test, linear_origin(test, last, last - 1, 0), target);
	expect_range(test, idmap, ID_USER, last, 1000, 1);
	expect_range(test, idmap, ID_GROUP, last - 1, 2000, 2);

	/* in the container */
	target = make_userns(test, "4294967294 1000 1", "4294967290 2000 5");
	idmap = compose(test, linear_origin(test, 0, 0, 0), target);
	expect_range(test, idmap, ID_USER, last, 1000, 1);
	expect_range(test, idmap, ID_GROUP, 4294967290, 2000, 5);

	/* on the mount */
	target = make_userns(test, "0 4294967294 1", "0 4294967290 5");
	idmap = compose(test, linear_origin(test, 100000, 200000, 65536), target);
	expect_range(test, idmap, ID_USER, 100000, last, 1);
	expect_range(test, idmap, ID_GROUP, 200000, 4294967290, 5);
}

/* An origin ends at the last id: it does not go on from 0, which is root. */
static void test_no_wrap(struct kunit *test)
{
	static const u32 ranges[][3] = {
		{ 0xffffffff, 0, 1 }, { 0, 0xffffffff, 1 }, { 0xffffffff, 0, 0 },
		{ 0xfffffff0, 0, 0x10 }, { 0, 0xfffffff0, 0x20 }, { 1, 0, 0xffffffff },
	};

	for (int i = 0; i < ARRAY_SIZE(ranges); i++)
		KUNIT_EXPECT_EQ_MSG(test, -EOVERFLOW,
				    PTR_ERR(alloc_mnt_origin_linear(ranges[i][0],
								    ranges[i][1],
								    ranges[i][2])),
				    "range %d", i);

	linear_origin(test, 0xfffffff0, 0, 0xf);
	linear_origin(test, 0, 0, 0xffffffff);
}

/* Without a count an origin has all ids to the last one, for users and groups each. */
static void test_count_zero(struct kunit *test)
{
	struct mnt_idmap *origin = linear_origin(test, 100000, 4294967000, 0);
	struct user_namespace *target =
		make_userns(test, "0 0 4294967295", "0 1000 4294966295");
	struct mnt_idmap *idmap = compose(test, origin, target);

	expect_range(test, idmap, ID_USER, 100000, 0, 4294867295);
	expect_range(test, idmap, ID_GROUP, 4294967000, 1000, 295);
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, true), -EOVERFLOW);

	/* The most that fits. */
	target = make_userns(test, "0 0 4294867295", "0 1000 295");
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, true), 0);
	target = make_userns(test, "0 0 4294867296", "0 1000 295");
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, true), -EOVERFLOW);
	target = make_userns(test, "0 0 4294867295", "0 1000 296");
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, true), -EOVERFLOW);
}

/* All ids there are, mapped to themselves on both sides, stay what they are. */
static void test_identity(struct kunit *test)
{
	static const char all[] = "0 0 4294967295";
	struct user_namespace *target = make_userns(test, all, all);
	struct mnt_idmap *origins[] = {
		linear_origin(test, 0, 0, 0),
		linear_origin(test, 0, 0, U32_MAX),
		userns_origin(test, all, all),
	};

	for (int i = 0; i < ARRAY_SIZE(origins); i++) {
		struct mnt_idmap *idmap = compose(test, origins[i], target);

		expect_lookup(test, idmap, ID_USER, 1);
		expect_lookup(test, idmap, ID_GROUP, 1);
		expect_range(test, idmap, ID_USER, 0, 0, U32_MAX);
		expect_range(test, idmap, ID_GROUP, 0, 0, U32_MAX);
		KUNIT_EXPECT_EQ(test, try_compose(test, origins[i], target, true), 0);
		KUNIT_EXPECT_EQ(test, try_compose(test, origins[i], &init_user_ns, true),
				0);
	}
}

/* A user namespace of which a map has not been written is refused on both sides. */
static void test_empty_map(struct kunit *test)
{
	static const char six[] = "0 0 1,2 2 1,4 4 1,6 6 1,8 8 1,10 10 1";
	struct mnt_idmap *origin = linear_origin(test, 100000, 100000, 65536);
	struct user_namespace *userns[] = {
		make_userns(test, NULL, NULL),
		make_userns(test, NULL, six),
		make_userns(test, six, NULL),
		make_userns(test, "0 0 1", NULL),
	};

	for (int i = 0; i < ARRAY_SIZE(userns); i++) {
		struct mnt_idmap *idmap;

		KUNIT_EXPECT_EQ(test, try_compose(test, origin, userns[i], false),
				-EINVAL);
		KUNIT_EXPECT_EQ(test, try_compose(test, origin, userns[i], true),
				-EINVAL);
		idmap = put_later(test, alloc_mnt_origin(userns[i], &init_user_ns));
		KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(idmap), -EINVAL);
		/* A filesystem in it has no ids. */
		idmap = put_later(test, alloc_mnt_origin(&init_user_ns, userns[i]));
		KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(idmap), -EINVAL);
	}
}

/* With @strict each user and group of the user namespace must be in the origin. */
static void test_strict(struct kunit *test)
{
	struct mnt_idmap *origin = linear_origin(test, 100000, 200000, 1000);
	struct user_namespace *target;

	target = make_userns(test, "0 1000000 1000", "0 2000000 1000");
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, true), 0);

	/* One user too many, one group too many. */
	target = make_userns(test, "0 1000000 1001", "0 2000000 1000");
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, true), -EOVERFLOW);
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, false), 0);
	target = make_userns(test, "0 1000000 1000", "0 2000000 1001");
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, true), -EOVERFLOW);
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, false), 0);

	/* It is lost in an extent of its own. */
	target = make_userns(test, "0 1000000 1,5000 1000005 1", "0 2000000 1");
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, true), -EOVERFLOW);
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, false), 0);

	/* In a hole of the origin, and next to it. */
	origin = userns_origin(test, "0 100000 10,11 100011 10", "0 200000 20");
	target = make_userns(test, "0 1000000 21", "0 2000000 20");
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, true), -EOVERFLOW);
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, false), 0);
	target = make_userns(test, "0 1000000 10,11 1000011 10", "0 2000000 20");
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, true), 0);

	/* The origin may have more than the user namespace. */
	target = make_userns(test, "5 1000000 1", "5 2000000 1");
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, true), 0);

	/* None at all are too few as well. */
	target = make_userns(test, "900000 1000000 1", "0 2000000 1");
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, true), -EOVERFLOW);
}

/* Users in the origin do not do without groups, nor groups without users. */
static void test_one_kind_only(struct kunit *test)
{
	static const char in[] = "0 0 1,2 2 1,4 4 1,6 6 1,8 8 1,10 10 1";
	static const char out[] = "900000 0 1";
	struct mnt_idmap *origin = linear_origin(test, 100000, 100000, 1000);
	struct user_namespace *target;

	target = make_userns(test, in, in);
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, false), 0);
	target = make_userns(test, in, out);
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, false), -ERANGE);
	target = make_userns(test, out, in);
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, false), -ERANGE);
}

/* Extents that were written in any order are composed as if sorted. */
static void test_unsorted(struct kunit *test)
{
	struct mnt_idmap *origin =
		userns_origin(test, "30 103000 10,0 100000 10,20 102000 10,10 101000 10",
			      "5 200000 1,4 200010 1,3 200020 1,2 200030 1,1 200040 1");
	struct user_namespace *target =
		make_userns(test, "25 1002500 10,0 1000000 5,9 1000900 2",
			    "1 2000004 1,5 2000000 1,3 2000002 1,4 2000003 1,2 2000001 1");
	struct mnt_idmap *idmap = compose(test, origin, target);

	expect_lookup(test, idmap, ID_USER, 5);
	expect_range(test, idmap, ID_USER, 100000, 1000000, 5);
	expect_pair(test, idmap, ID_USER, 100009, 1000900);
	expect_no_vfs_id(test, idmap, ID_USER, 100008);
	expect_pair(test, idmap, ID_USER, 101000, 1000901);
	expect_no_vfs_id(test, idmap, ID_USER, 101001);
	expect_pair(test, idmap, ID_USER, 102005, 1002500);
	expect_pair(test, idmap, ID_USER, 102009, 1002504);
	expect_pair(test, idmap, ID_USER, 103000, 1002505);
	expect_pair(test, idmap, ID_USER, 103004, 1002509);
	expect_no_vfs_id(test, idmap, ID_USER, 103005);

	expect_lookup(test, idmap, ID_GROUP, 5);
	expect_pair(test, idmap, ID_GROUP, 200040, 2000004);
	expect_pair(test, idmap, ID_GROUP, 200030, 2000001);
	expect_pair(test, idmap, ID_GROUP, 200020, 2000002);
	expect_pair(test, idmap, ID_GROUP, 200010, 2000003);
	expect_pair(test, idmap, ID_GROUP, 200000, 2000000);
}

/* Each piece is in one extent of the target, for statmount(2) to show it there. */
static void test_adjoining(struct kunit *test)
{
	struct mnt_idmap *idmap;

	/* Extents of the origin in one of the user namespace, and the other way round. */
	idmap = compose(test, userns_origin(test, "10 100010 10,0 100000 10,20 100020 5",
					    "0 200000 100"),
			make_userns(test, "0 1000000 100",
				    "10 2000010 10,0 2000000 10,20 2000020 5"));
	expect_lookup(test, idmap, ID_USER, 3);
	expect_range(test, idmap, ID_USER, 100000, 1000000, 25);
	expect_lookup(test, idmap, ID_GROUP, 3);
	expect_range(test, idmap, ID_GROUP, 200000, 2000000, 25);
}

/* Two containers share files: each sees its own ids, and nothing alters the origin. */
static void test_one_origin_two_targets(struct kunit *test)
{
	struct mnt_idmap *origin = linear_origin(test, 100000, 100000, 65536);
	struct user_namespace *one = make_userns(test, "0 1000000 65536", "0 1000000 65536");
	struct user_namespace *two = make_userns(test, "0 2000000 65536", "0 2000000 65536");
	struct mnt_idmap before = *origin;
	struct mnt_idmap *idmap_one = compose(test, origin, one);
	struct mnt_idmap *idmap_two = compose(test, origin, two);

	for (enum id_kind kind = ID_USER; kind <= ID_GROUP; kind++) {
		expect_range(test, idmap_one, kind, 100000, 1000000, 65536);
		expect_range(test, idmap_two, kind, 100000, 2000000, 65536);
		expect_no_fs_id(test, idmap_one, kind, 2000000);
		expect_no_fs_id(test, idmap_two, kind, 1000000);
	}
	KUNIT_EXPECT_MEMEQ(test, &before, origin, sizeof(before));
	KUNIT_EXPECT_EQ(test, refcount_read(&origin->count), 1);
	KUNIT_EXPECT_EQ(test, refcount_read(&idmap_one->count), 1);
}

/* sorted_extents() gives a sorted copy of either form of a map and leaves that alone. */
static void test_sorted_extents(struct kunit *test)
{
	static const char * const maps[] = {
		"7 1 1",
		"40 4 1,30 5 2,20 1 3,10 3 4,0 2 5",
		"50 6 1,40 4 1,30 5 2,20 1 3,10 3 4,0 2 5",
	};
	struct user_namespace *ns = make_userns(test, NULL, NULL);
	struct uid_gid_map before;
	u32 nr;

	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(sorted_extents(&ns->uid_map, &nr)),
			-EINVAL);

	for (int i = 0; i < ARRAY_SIZE(maps); i++) {
		struct uid_gid_extent *extents;

		write_map(test, &ns->uid_map, maps[i]);
		before = ns->uid_map;
		extents = sorted_extents(&ns->uid_map, &nr);
		KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(extents));
		KUNIT_EXPECT_EQ(test, nr, ns->uid_map.nr_extents);
		for (u32 j = 0; j < nr; j++) {
			u32 first = extents[j].first;

			if (j)
				KUNIT_EXPECT_LT(test, extents[j - 1].first, first);
			/* The rest of the extent came along. */
			KUNIT_EXPECT_EQ(test, extents[j].lower_first,
					map_id_down(&ns->uid_map, first));
			KUNIT_EXPECT_EQ(test,
					extents[j].lower_first + extents[j].count - 1,
					map_id_down(&ns->uid_map,
						    first + extents[j].count - 1));
		}
		KUNIT_EXPECT_MEMEQ(test, &before, &ns->uid_map, sizeof(before));
		kfree(extents);
	}
}

/* map_from_extents() takes 1 to 340 extents in any order; on failure nothing is set. */
static void test_map_from_extents(struct kunit *test)
{
	static const struct {
		u32 nr;
		int ret;
	} cases[] = {
		{ 0, -ERANGE },
		{ 1, 0 },
		{ UID_GID_MAP_MAX_BASE_EXTENTS, 0 },
		{ UID_GID_MAP_MAX_BASE_EXTENTS + 1, 0 },
		{ UID_GID_MAP_MAX_EXTENTS, 0 },
		{ UID_GID_MAP_MAX_EXTENTS + 1, -E2BIG },
	};

	for (int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mnt_idmap *idmap = put_later(test, new_mnt_idmap());
		struct uid_gid_extent *extents;
		const u32 nr = cases[i].nr;

		/* Neither the order of first nor that of lower_first. */
		extents = make_extents(test, UID_GID_MAP_MAX_EXTENTS + 1, 7, 1000, 10);
		for (u32 j = 0; j < nr; j++)
			extents[j].first = j * 11 % nr * 20;

		KUNIT_EXPECT_EQ(test, map_from_extents(&idmap->uid_map, extents, nr),
				cases[i].ret);
		if (cases[i].ret) {
			KUNIT_EXPECT_EQ(test, idmap->uid_map.nr_extents, 0);
			continue;
		}
		expect_lookup(test, idmap, ID_USER, nr);
		for (u32 j = 0; j < nr; j++)
			expect_range(test, idmap, ID_USER, extents[j].first,
				     extents[j].lower_first, 10);
	}
}

/* Maps of 340 extents on both sides make one of 340 that can be looked up either way. */
static void test_full_maps(struct kunit *test)
{
	const u32 nr = UID_GID_MAP_MAX_EXTENTS;
	struct user_namespace *source = make_userns(test, NULL, NULL);
	struct user_namespace *target = make_userns(test, NULL, NULL);
	struct uid_gid_extent *from, *to;
	struct mnt_idmap *origin, *idmap;
	u32 i;

	from = make_extents(test, nr, 7, 100000, 10);
	to = make_extents(test, nr, 11, 1000000, 10);
	write_extents(test, &source->uid_map, from, nr);
	write_extents(test, &target->uid_map, to, nr);
	write_extents(test, &source->gid_map, to, nr);
	write_extents(test, &target->gid_map, from, nr);

	origin = put_later(test, alloc_mnt_origin(source, &init_user_ns));
	KUNIT_ASSERT_FALSE(test, IS_ERR(origin));
	expect_lookup(test, origin, ID_USER, nr);
	expect_lookup(test, origin, ID_GROUP, nr);

	idmap = compose(test, origin, target);
	expect_lookup(test, idmap, ID_USER, nr);
	expect_lookup(test, idmap, ID_GROUP, nr);
	for (i = 0; i < nr; i++) {
		expect_range(test, idmap, ID_USER, from[i].lower_first,
			     to[i].lower_first, 10);
		expect_range(test, idmap, ID_GROUP, to[i].lower_first,
			     from[i].lower_first, 10);
	}
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, true), 0);
}

/* The number of extents of the result counts: 340 are fine, 341 -E2BIG. */
static void test_result_sizes(struct kunit *test)
{
	static const u32 sizes[] = {
		UID_GID_MAP_MAX_BASE_EXTENTS,
		UID_GID_MAP_MAX_BASE_EXTENTS + 1,
		UID_GID_MAP_MAX_EXTENTS,
		UID_GID_MAP_MAX_EXTENTS + 1,
	};
	struct mnt_idmap *whole = linear_origin(test, 100000, 100000, 0);
	/* Cuts the first extent of the target in two. */
	struct mnt_idmap *cut_uids =
		userns_origin(test, "0 100000 3,3 100004 10000", "0 100000 10000");
	struct mnt_idmap *cut_gids =
		userns_origin(test, "0 100000 10000", "0 100000 3,3 100004 10000");

	for (int i = 0; i < ARRAY_SIZE(sizes); i++) {
		const u32 nr = sizes[i];
		struct user_namespace *target = make_userns(test, NULL, NULL);
		struct uid_gid_extent *extents;
		struct mnt_idmap *idmap;

		extents = make_extents(test, nr - 1, 1, 1000000, 10);
		write_extents(test, &target->uid_map, extents, nr - 1);
		write_extents(test, &target->gid_map, extents, nr - 1);

		idmap = compose(test, whole, target);
		expect_lookup(test, idmap, ID_USER, nr - 1);
		expect_lookup(test, idmap, ID_GROUP, nr - 1);

		if (nr > UID_GID_MAP_MAX_EXTENTS) {
			KUNIT_EXPECT_EQ(test, try_compose(test, cut_uids, target, false),
					-E2BIG);
			KUNIT_EXPECT_EQ(test, try_compose(test, cut_gids, target, false),
					-E2BIG);
			continue;
		}

		idmap = compose(test, cut_uids, target);
		expect_lookup(test, idmap, ID_USER, nr);
		expect_lookup(test, idmap, ID_GROUP, nr - 1);
		expect_pair(test, idmap, ID_USER, 100002, 1000002);
		expect_no_vfs_id(test, idmap, ID_USER, 100003);
		expect_pair(test, idmap, ID_USER, 100004, 1000003);

		idmap = compose(test, cut_gids, target);
		expect_lookup(test, idmap, ID_USER, nr - 1);
		expect_lookup(test, idmap, ID_GROUP, nr);
		expect_pair(test, idmap, ID_GROUP, 100002, 1000002);
		expect_no_vfs_id(test, idmap, ID_GROUP, 100003);
		expect_pair(test, idmap, ID_GROUP, 100004, 1000003);
	}
}

/* Pieces of each extent of two full maps would be 679 extents: room, but no map. */
static void test_most_pieces(struct kunit *test)
{
	const u32 nr = UID_GID_MAP_MAX_EXTENTS;
	struct user_namespace *source = make_userns(test, "0 0 1", "0 0 1");
	struct user_namespace *target = make_userns(test, "0 0 1", "0 0 1");
	struct uid_gid_extent *extents;
	struct mnt_idmap *origin;
	u32 i;

	extents = make_extents(test, nr, 7, 1000000, 10);
	write_extents(test, &target->gid_map, extents, nr);
	/* Each begins in the middle of one of the target. */
	for (i = 0; i < nr; i++)
		extents[i].first += 5;
	write_extents(test, &source->gid_map, extents, nr);

	origin = put_later(test, alloc_mnt_origin(source, &init_user_ns));
	KUNIT_ASSERT_FALSE(test, IS_ERR(origin));
	KUNIT_EXPECT_EQ(test, try_compose(test, origin, target, false), -E2BIG);
}

/* An origin has the ids of its user namespace as the filesystem's knows them. */
static void test_origin_fs_userns(struct kunit *test)
{
	static const char six[] =
		"1 160 9,10 150 10,20 140 10,40 130 10,60 120000 1000,2000 140000 10";
	struct user_namespace *fs_userns[] = {
		make_userns(test, "0 100000 65536", "7 100000 65536"),
		make_userns(test, "0 130000 20000,20000 110000 20000",
			    "20000 110000 20000,0 130000 20000"),
		make_userns(test, six, six),
	};
	struct user_namespace *source =
		make_userns(test, "1000 140000 10,0 120000 1000",
			    "0 120000 1000,1000 140000 10");
	struct user_namespace *target =
		make_userns(test, "0 1000000 65536", "0 2000000 65536");

	for (int i = 0; i < ARRAY_SIZE(fs_userns); i++) {
		struct user_namespace *fs = fs_userns[i];
		struct mnt_idmap *origin, *idmap;
		static const struct {
			u32 kid;
			u32 nr;
		} ids[] = {
			{ 120000, 0 },
			{ 120999, 999 },
			{ 140000, 1000 },
			{ 140009, 1009 },
		};

		origin = put_later(test, alloc_mnt_origin(source, fs));
		KUNIT_ASSERT_FALSE(test, IS_ERR(origin));
		/* The map is of what is stored, and not of kernel ids. */
		KUNIT_EXPECT_EQ(test, map_id_down(&origin->uid_map, 0),
				from_kuid(fs, KUIDT_INIT(120000)));
		KUNIT_EXPECT_EQ(test, map_id_down(&origin->gid_map, 1009),
				from_kgid(fs, KGIDT_INIT(140009)));

		idmap = compose(test, origin, target);
		for (int j = 0; j < ARRAY_SIZE(ids); j++) {
			KUNIT_EXPECT_EQ(test,
					to_vfs(idmap, fs, ID_USER, ids[j].kid),
					1000000 + ids[j].nr);
			KUNIT_EXPECT_EQ(test,
					to_fs(idmap, fs, ID_USER, 1000000 + ids[j].nr),
					ids[j].kid);
			KUNIT_EXPECT_EQ(test,
					to_vfs(idmap, fs, ID_GROUP, ids[j].kid),
					2000000 + ids[j].nr);
			KUNIT_EXPECT_EQ(test,
					to_fs(idmap, fs, ID_GROUP, 2000000 + ids[j].nr),
					ids[j].kid);
		}
		KUNIT_EXPECT_EQ(test, to_vfs(idmap, fs, ID_USER, 119999), NO_ID);
		KUNIT_EXPECT_EQ(test, to_vfs(idmap, fs, ID_USER, 121000), NO_ID);
		KUNIT_EXPECT_EQ(test, to_vfs(idmap, fs, ID_GROUP, 139999), NO_ID);
		KUNIT_EXPECT_EQ(test, to_vfs(idmap, fs, ID_GROUP, 140010), NO_ID);
		KUNIT_EXPECT_EQ(test, to_fs(idmap, fs, ID_USER, 1001010), NO_ID);
		KUNIT_EXPECT_EQ(test, to_fs(idmap, fs, ID_GROUP, 2001010), NO_ID);
	}
}

/* An origin of which the filesystem cannot have a part is refused, not clipped. */
static void test_origin_not_in_fs(struct kunit *test)
{
	static const char in[] = "0 100000 65536";
	static const char * const out[] = {
		"0 99999 1",
		"0 99999 2",
		"0 165535 2",
		"0 165536 1",
		"0 0 1",
		/* all but the last */
		"0 100000 1,1 100001 1,2 100002 1,3 100003 1,4 100004 1,5 90000 1",
	};
	struct user_namespace *fs_userns =
		make_userns(test, "0 100000 65536", "0 100000 65536");
	struct user_namespace *source;
	struct mnt_idmap *origin;

	source = make_userns(test, in, in);
	origin = put_later(test, alloc_mnt_origin(source, fs_userns));
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(origin), 0);

	for (int i = 0; i < ARRAY_SIZE(out); i++) {
		source = make_userns(test, out[i], in);
		origin = put_later(test, alloc_mnt_origin(source, fs_userns));
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(origin), -EINVAL,
				    "users %s", out[i]);

		source = make_userns(test, in, out[i]);
		origin = put_later(test, alloc_mnt_origin(source, fs_userns));
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(origin), -EINVAL,
				    "groups %s", out[i]);
	}

	/* As when a map is written, an extent has to be in one of the other map. */
	fs_userns = make_userns(test, "0 100000 10,10 100010 10", "0 100000 20");
	source = make_userns(test, "0 100000 10,10 100010 10", "0 100000 20");
	origin = put_later(test, alloc_mnt_origin(source, fs_userns));
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(origin), 0);
	source = make_userns(test, "0 100000 20", "0 100000 20");
	origin = put_later(test, alloc_mnt_origin(source, fs_userns));
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(origin), -EINVAL);
}

/* Root of the filesystem is found in an origin wherever it is, as user and as group. */
static void test_has_root(struct kunit *test)
{
	static const char last_of_six[] =
		"0 6 1,1 5 1,2 4 1,3 3 1,4 2 1,5 0 1";
	static const char none_of_six[] =
		"0 6 1,1 5 1,2 4 1,3 3 1,4 2 1,5 1 1";
	struct user_namespace *fs_userns;
	struct user_namespace *source;
	struct mnt_idmap *origin;

	KUNIT_EXPECT_TRUE(test, mnt_origin_has_root(linear_origin(test, 0, 0, 1)));
	KUNIT_EXPECT_TRUE(test, mnt_origin_has_root(linear_origin(test, 0, 1, 1)));
	KUNIT_EXPECT_TRUE(test, mnt_origin_has_root(linear_origin(test, 1, 0, 1)));
	KUNIT_EXPECT_TRUE(test, mnt_origin_has_root(linear_origin(test, 0, 1, 0)));
	KUNIT_EXPECT_TRUE(test, mnt_origin_has_root(linear_origin(test, 1, 0, 0)));
	KUNIT_EXPECT_FALSE(test, mnt_origin_has_root(linear_origin(test, 1, 1, 0)));
	KUNIT_EXPECT_FALSE(test, mnt_origin_has_root(linear_origin(test, 100000, 200000,
								   65536)));
	KUNIT_EXPECT_FALSE(test, mnt_origin_has_root(linear_origin(test, 0xfffffffe,
								   0xfffffffe, 0)));

	/* Which id it is in the container does not matter. */
	origin = userns_origin(test, "5 1 1,7 0 1", "0 1 1");
	KUNIT_EXPECT_TRUE(test, mnt_origin_has_root(origin));
	origin = userns_origin(test, "0 1 1", "5 1 1,7 0 1");
	KUNIT_EXPECT_TRUE(test, mnt_origin_has_root(origin));
	origin = userns_origin(test, "0 1 10", "0 1 10");
	KUNIT_EXPECT_FALSE(test, mnt_origin_has_root(origin));
	origin = userns_origin(test, last_of_six, none_of_six);
	KUNIT_EXPECT_TRUE(test, mnt_origin_has_root(origin));
	origin = userns_origin(test, none_of_six, last_of_six);
	KUNIT_EXPECT_TRUE(test, mnt_origin_has_root(origin));
	origin = userns_origin(test, none_of_six, none_of_six);
	KUNIT_EXPECT_FALSE(test, mnt_origin_has_root(origin));

	/* It is the filesystem's, which need not be the kernel's. */
	fs_userns = make_userns(test, "0 100000 10,10 0 10", "0 100000 10,10 0 10");
	source = make_userns(test, "5 100000 1", "5 100001 1");
	origin = put_later(test, alloc_mnt_origin(source, fs_userns));
	KUNIT_ASSERT_FALSE(test, IS_ERR(origin));
	KUNIT_EXPECT_TRUE(test, mnt_origin_has_root(origin));
	source = make_userns(test, "0 0 1", "0 0 1");
	origin = put_later(test, alloc_mnt_origin(source, fs_userns));
	KUNIT_ASSERT_FALSE(test, IS_ERR(origin));
	KUNIT_EXPECT_FALSE(test, mnt_origin_has_root(origin));
}

/* An origin is the container's own ids only if all users and all groups are the same. */
static void test_origin_identity(struct kunit *test)
{
	static const char same[] = "0 0 1,2 2 1,4 4 1,6 6 1,8 8 1,10 10 1";
	static const char last_differs[] = "0 0 1,2 2 1,4 4 1,6 6 1,8 8 1,10 11 1";

	KUNIT_EXPECT_TRUE(test, mnt_origin_identity(linear_origin(test, 0, 0, 0)));
	KUNIT_EXPECT_TRUE(test, mnt_origin_identity(linear_origin(test, 0, 0, 1)));
	KUNIT_EXPECT_FALSE(test, mnt_origin_identity(linear_origin(test, 0, 1, 1)));
	KUNIT_EXPECT_FALSE(test, mnt_origin_identity(linear_origin(test, 1, 0, 1)));
	KUNIT_EXPECT_TRUE(test, mnt_origin_identity(userns_origin(test, "7 7 2,3 3 1",
								  same)));
	KUNIT_EXPECT_FALSE(test, mnt_origin_identity(userns_origin(test, "7 7 2,3 4 1",
								   same)));
	KUNIT_EXPECT_FALSE(test, mnt_origin_identity(userns_origin(test, same,
								   last_differs)));
	KUNIT_EXPECT_FALSE(test, mnt_origin_identity(userns_origin(test, last_differs,
								   same)));
}

/* Three numbers are shown only of an origin that they say all about. */
static void test_origin_linear(struct kunit *test)
{
	static const char six[] = "0 0 1,2 2 1,4 4 1,6 6 1,8 8 1,10 10 1";
	static const char * const others[][2] = {
		{ "1 100000 10", "0 300000 10" },
		{ "0 100000 10", "1 300000 10" },
		{ "0 100000 10", "0 300000 11" },
		{ "0 100000 10,20 100020 10", "0 300000 10" },
		{ "0 100000 10", "0 300000 10,20 300020 10" },
		{ "0 100000 6", six },
		{ six, "0 300000 6" },
		{ six, six },
	};
	u32 uid, gid, count;

	KUNIT_EXPECT_TRUE(test, mnt_origin_linear(linear_origin(test, 100000, 300000, 10),
						  &uid, &gid, &count));
	KUNIT_EXPECT_EQ(test, uid, 100000);
	KUNIT_EXPECT_EQ(test, gid, 300000);
	KUNIT_EXPECT_EQ(test, count, 10);
	KUNIT_EXPECT_TRUE(test, mnt_origin_linear(userns_origin(test, "0 5 7", "0 6 7"),
						  &uid, &gid, &count));
	KUNIT_EXPECT_EQ(test, uid, 5);
	KUNIT_EXPECT_EQ(test, gid, 6);
	KUNIT_EXPECT_EQ(test, count, 7);

	for (int i = 0; i < ARRAY_SIZE(others); i++) {
		struct mnt_idmap *origin = userns_origin(test, others[i][0], others[i][1]);

		KUNIT_EXPECT_FALSE_MSG(test, mnt_origin_linear(origin, &uid, &gid, &count),
				       "users %s groups %s", others[i][0], others[i][1]);
		KUNIT_EXPECT_EQ(test, uid, 5);
		KUNIT_EXPECT_EQ(test, gid, 6);
		KUNIT_EXPECT_EQ(test, count, 7);
	}
}

/* Only composed idmappings are told to be shifted. */
static void test_shifted(struct kunit *test)
{
	struct user_namespace *ns = make_userns(test, "0 1000 1", "0 1000 1");
	struct mnt_idmap *origin = linear_origin(test, 100000, 100000, 1);
	struct mnt_idmap *idmap;

	KUNIT_EXPECT_TRUE(test, mnt_idmap_shifted(compose(test, origin, ns)));
	KUNIT_EXPECT_FALSE(test, mnt_idmap_shifted(origin));
	KUNIT_EXPECT_FALSE(test, mnt_idmap_shifted(&nop_mnt_idmap));
	KUNIT_EXPECT_FALSE(test, mnt_idmap_shifted(&invalid_mnt_idmap));
	idmap = put_later(test, alloc_mnt_idmap(ns));
	KUNIT_ASSERT_FALSE(test, IS_ERR(idmap));
	KUNIT_EXPECT_FALSE(test, mnt_idmap_shifted(idmap));
}

/*
 * Random maps. The model knows nothing of how maps are composed: what belongs to an id
 * of the user namespace that the origin is made of belongs on the mount to the same id
 * of the target. The filesystem's own user namespace makes no difference to that.
 */
#define RANDOM_PAIRS 500
#define RANDOM_SEED 20200224

struct random_map {
	struct uid_gid_extent extents[UID_GID_MAP_MAX_EXTENTS];	/* in order of first */
	struct uid_gid_extent written[UID_GID_MAP_MAX_EXTENTS];	/* in any order */
	struct uid_gid_extent forward[UID_GID_MAP_MAX_EXTENTS];
	struct uid_gid_extent reverse[UID_GID_MAP_MAX_EXTENTS];
	u32 order[UID_GID_MAP_MAX_EXTENTS];
	u32 nr;
};

/* For each kind of id. */
struct random_maps {
	struct random_map *source[2];	/* of the origin */
	struct random_map *target[2];
	struct random_map *fs[2];
	struct user_namespace source_ns;
	struct user_namespace target_ns;
	struct user_namespace fs_ns;
	struct user_namespace *fs_userns;
	u64 seed;
};

static struct random_map *alloc_random_map(struct kunit *test)
{
	struct random_map *map = kunit_kzalloc(test, sizeof(*map), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, map);
	return map;
}

static u32 below(struct rnd_state *rnd, u32 end)
{
	return reciprocal_scale(prandom_u32_state(rnd), end);
}

static void shuffle(struct rnd_state *rnd, struct uid_gid_extent *extents, u32 nr)
{
	for (; nr > 1; nr--) {
		u32 other = below(rnd, nr);

		swap(extents[other], extents[nr - 1]);
	}
}

static void random_order(struct rnd_state *rnd, u32 *order, u32 nr)
{
	bool keep = below(rnd, 2);
	u32 i;

	for (i = 0; i < nr; i++)
		order[i] = i;
	for (i = nr; i > 1 && !keep; i--) {
		u32 other = below(rnd, i);

		swap(order[other], order[i - 1]);
	}
}

/* Few ids close together, so that many edges meet. */
static void random_dense_firsts(struct rnd_state *rnd, struct random_map *map)
{
	u32 i, first = 0;

	for (i = 0; i < map->nr; i++) {
		map->extents[i].first = first + below(rnd, 3);
		map->extents[i].count = 1 + below(rnd, 6);
		first = map->extents[i].first + map->extents[i].count;
	}
}

static void random_dense_lowers(struct rnd_state *rnd, struct random_map *map)
{
	u32 i, shift, lower_first = 0;

	random_order(rnd, map->order, map->nr);
	for (i = 0; i < map->nr; i++) {
		struct uid_gid_extent *extent = &map->extents[map->order[i]];

		extent->lower_first = lower_first + below(rnd, 3);
		lower_first = extent->lower_first + extent->count;
	}

	/* From root on, somewhere, or up to the last id. */
	switch (below(rnd, 3)) {
	case 0:
		shift = 0;
		break;
	case 1:
		shift = below(rnd, U32_MAX - lower_first);
		break;
	default:
		shift = U32_MAX - lower_first;
		break;
	}
	for (i = 0; i < map->nr; i++)
		map->extents[i].lower_first += shift;
}

/* All over the range of ids, with as many ids in an extent as there is room for or fewer. */
static void random_wide_firsts(struct rnd_state *rnd, struct random_map *map)
{
	const u32 room = U32_MAX / map->nr;
	u32 i;

	for (i = 0; i < map->nr; i++) {
		u32 offset = below(rnd, 2) ? below(rnd, room) : 0;

		map->extents[i].first = i * room + offset;
		map->extents[i].count = room - offset;
		if (below(rnd, 2))
			map->extents[i].count = 1 + below(rnd, room - offset);
	}
}

static void random_wide_lowers(struct rnd_state *rnd, struct random_map *map)
{
	const u32 room = U32_MAX / map->nr;
	u32 i;

	random_order(rnd, map->order, map->nr);
	for (i = 0; i < map->nr; i++) {
		struct uid_gid_extent *extent = &map->extents[map->order[i]];
		u32 spare = room - extent->count;

		extent->lower_first = i * room;
		if (spare && below(rnd, 2))
			extent->lower_first += below(rnd, spare + 1);
	}
}

static void random_write(struct rnd_state *rnd, struct random_map *from,
			 struct uid_gid_map *to)
{
	memcpy(from->written, from->extents, sizeof(from->written));
	shuffle(rnd, from->written, from->nr);
	fill_map(to, from->written, from->nr, from->forward, from->reverse);
}

static u32 random_nr(struct rnd_state *rnd, bool large)
{
	if (large)
		return UID_GID_MAP_MAX_EXTENTS - below(rnd, 2) * below(rnd, 300);
	return 1 + below(rnd, 12);
}

static void random_pair(struct rnd_state *rnd, struct random_map *source,
			struct random_map *target)
{
	bool large = !below(rnd, 64);
	bool same = !below(rnd, 4);
	bool wide = below(rnd, 2);

	source->nr = random_nr(rnd, large);
	target->nr = random_nr(rnd, large);
	if (wide) {
		random_wide_firsts(rnd, source);
		random_wide_firsts(rnd, target);
	} else {
		random_dense_firsts(rnd, source);
		random_dense_firsts(rnd, target);
	}
	if (same) {
		/* the same ids or those of them that come first */
		if (target->nr > source->nr)
			target->nr = source->nr;
		memcpy(target->extents, source->extents, sizeof(target->extents));
	}

	if (wide) {
		random_wide_lowers(rnd, source);
		random_wide_lowers(rnd, target);
	} else {
		random_dense_lowers(rnd, source);
		random_dense_lowers(rnd, target);
	}
}

/*
 * The user namespace of a filesystem that has the ids of the source, in the opposite
 * order, in extents of one or several of those of the source; some have an id less.
 */
static void random_fs_map(struct rnd_state *rnd, struct random_map *source,
			  struct random_map *fs)
{
	struct uid_gid_extent *sorted = fs->written;
	const u32 group = 1 + below(rnd, 4);
	u32 i, end;

	memcpy(sorted, source->extents, sizeof(fs->written));
	sort(sorted, source->nr, sizeof(*sorted), by_lower_first, NULL);
	end = sorted[source->nr - 1].lower_first + sorted[source->nr - 1].count;

	fs->nr = 0;
	for (i = 0; i < source->nr; i += group) {
		struct uid_gid_extent *last = &sorted[min(i + group, source->nr) - 1];
		struct uid_gid_extent *extent = &fs->extents[fs->nr++];
		u32 last_end = last->lower_first + last->count;

		extent->first = end - last_end;
		extent->lower_first = sorted[i].lower_first;
		extent->count = last_end - sorted[i].lower_first;
	}
	if (!below(rnd, 8)) {
		struct uid_gid_extent *extent = &fs->extents[below(rnd, fs->nr)];

		if (extent->count > 1)
			extent->count--;
	}
}

static u32 model_down(const struct random_map *map, u32 id)
{
	for (u32 i = 0; i < map->nr; i++) {
		const struct uid_gid_extent *extent = &map->extents[i];

		if (id >= extent->first && id - extent->first < extent->count)
			return extent->lower_first + (id - extent->first);
	}
	return NO_ID;
}

static u32 model_up(const struct random_map *map, u32 id)
{
	for (u32 i = 0; i < map->nr; i++) {
		const struct uid_gid_extent *extent = &map->extents[i];

		if (id >= extent->lower_first && id - extent->lower_first < extent->count)
			return extent->first + (id - extent->lower_first);
	}
	return NO_ID;
}

/* 0 or the error that alloc_mnt_origin() is to have because of ids of this kind */
static int model_origin(const struct random_maps *maps, enum id_kind kind)
{
	const struct random_map *source = maps->source[kind];
	const struct random_map *fs = maps->fs[kind];

	if (maps->fs_userns == &init_user_ns)
		return 0;

	for (u32 i = 0; i < source->nr; i++) {
		const struct uid_gid_extent *extent = &source->extents[i];
		const u32 last = extent->count - 1;
		u32 j;

		for (j = 0; j < fs->nr; j++) {
			const struct uid_gid_extent *in = &fs->extents[j];

			if (extent->lower_first >= in->lower_first &&
			    extent->lower_first + last <=
				    in->lower_first + (in->count - 1))
				break;
		}
		if (j == fs->nr)
			return -EINVAL;
	}
	return 0;
}

/* The number of extents, or the error that compose_mnt_idmap() is to have */
static int model_compose(const struct random_maps *maps, enum id_kind kind, bool strict)
{
	const struct random_map *source = maps->source[kind];
	const struct random_map *target = maps->target[kind];
	u32 nr = 0;
	u64 lost = 0;

	for (u32 j = 0; j < target->nr; j++)
		lost += target->extents[j].count;

	for (u32 i = 0; i < source->nr; i++) {
		const struct uid_gid_extent *s = &source->extents[i];

		for (u32 j = 0; j < target->nr; j++) {
			const struct uid_gid_extent *t = &target->extents[j];
			u32 first = max(s->first, t->first);
			u32 last = min(s->first + (s->count - 1),
				       t->first + (t->count - 1));

			if (first > last)
				continue;

			nr++;
			lost -= last - first + 1;
		}
	}

	if (strict && lost)
		return -EOVERFLOW;
	if (!nr)
		return -ERANGE;
	if (nr > UID_GID_MAP_MAX_EXTENTS)
		return -E2BIG;
	return nr;
}

static bool same_id(struct kunit *test, const struct random_maps *maps,
		    enum id_kind kind, const char *what, u32 id, u32 is, u32 wanted)
{
	if (is == wanted)
		return true;

	KUNIT_FAIL(test, "seed %llu: %s %u %s is %u instead of %u", maps->seed,
		   kind == ID_USER ? "user" : "group", id, what, is, wanted);
	return false;
}

/* An id in the filesystem, as a kernel id */
static bool check_fs_id(struct kunit *test, const struct random_maps *maps,
			struct mnt_idmap *idmap, enum id_kind kind, u32 fs_id)
{
	const u32 id = to_vfs(idmap, maps->fs_userns, kind, fs_id);
	const u32 wanted = model_down(maps->target[kind],
				      model_up(maps->source[kind], fs_id));

	if (!same_id(test, maps, kind, "of the filesystem", fs_id, id, wanted))
		return false;
	/* No two ids of the filesystem are the same id. */
	return id == NO_ID ||
	       same_id(test, maps, kind, "and back", fs_id,
		       to_fs(idmap, maps->fs_userns, kind, id), fs_id);
}

/* An id on the mount */
static bool check_id(struct kunit *test, const struct random_maps *maps,
		     struct mnt_idmap *idmap, enum id_kind kind, u32 id)
{
	const u32 fs_id = to_fs(idmap, maps->fs_userns, kind, id);
	const u32 wanted = model_down(maps->source[kind],
				      model_up(maps->target[kind], id));

	if (!same_id(test, maps, kind, "in the filesystem", id, fs_id, wanted))
		return false;
	return fs_id == NO_ID ||
	       same_id(test, maps, kind, "there and back", id,
		       to_vfs(idmap, maps->fs_userns, kind, fs_id), id);
}

/* The ids at the edges of all extents, and their neighbours */
static bool check_edges(struct kunit *test, const struct random_maps *maps,
			struct mnt_idmap *idmap, enum id_kind kind)
{
	const struct random_map *source = maps->source[kind];
	const struct random_map *target = maps->target[kind];

	for (u32 i = 0; i < source->nr + target->nr; i++) {
		const bool is_source = i < source->nr;
		const struct uid_gid_extent *extent =
			is_source ? &source->extents[i] :
				    &target->extents[i - source->nr];
		const u32 offsets[] = { -1, 0, extent->count - 1, extent->count };

		for (int j = 0; j < ARRAY_SIZE(offsets); j++) {
			const u32 inside = extent->first + offsets[j];
			const u32 lower = extent->lower_first + offsets[j];

			/* What the edge is on the other side, if anything. */
			if (!check_fs_id(test, maps, idmap, kind,
					 is_source ? lower : model_down(source, inside)) ||
			    !check_id(test, maps, idmap, kind,
				      is_source ? model_down(target, inside) : lower))
				return false;
		}
	}
	return true;
}

enum random_result {
	RANDOM_BASE, RANDOM_ARRAYS, RANDOM_EINVAL, RANDOM_EOVERFLOW, RANDOM_ERANGE,
	RANDOM_E2BIG, RANDOM_OTHER, NR_RANDOM_RESULTS
};

static enum random_result random_result(int ret)
{
	switch (ret) {
	case -EINVAL:
		return RANDOM_EINVAL;
	case -EOVERFLOW:
		return RANDOM_EOVERFLOW;
	case -ERANGE:
		return RANDOM_ERANGE;
	case -E2BIG:
		return RANDOM_E2BIG;
	case 1 ... UID_GID_MAP_MAX_BASE_EXTENTS:
		return RANDOM_BASE;
	case UID_GID_MAP_MAX_BASE_EXTENTS + 1 ... UID_GID_MAP_MAX_EXTENTS:
		return RANDOM_ARRAYS;
	default:
		return RANDOM_OTHER;
	}
}

static bool check_composed(struct kunit *test, const struct random_maps *maps,
			   struct mnt_idmap *idmap, bool strict, u32 *results)
{
	int users = model_compose(maps, ID_USER, strict);
	int groups = model_compose(maps, ID_GROUP, strict);
	int ret = users < 0 ? users : groups < 0 ? groups : 0;

	results[random_result(ret ?: users)]++;
	if (PTR_ERR_OR_ZERO(idmap) != ret) {
		KUNIT_FAIL(test, "seed %llu: composed with %pe instead of %pe",
			   maps->seed, idmap, ERR_PTR(ret));
		return false;
	}
	if (ret)
		return true;

	if (idmap->uid_map.nr_extents != users || idmap->gid_map.nr_extents != groups) {
		KUNIT_FAIL(test, "seed %llu: %u and %u extents instead of %d and %d",
			   maps->seed, idmap->uid_map.nr_extents,
			   idmap->gid_map.nr_extents, users, groups);
		return false;
	}
	return check_edges(test, maps, idmap, ID_USER) &&
	       check_edges(test, maps, idmap, ID_GROUP);
}

static bool check_random_maps(struct kunit *test, struct random_maps *maps, u32 *results)
{
	struct mnt_idmap *origin = alloc_mnt_origin(&maps->source_ns, maps->fs_userns);
	int ret = model_origin(maps, ID_USER) ?: model_origin(maps, ID_GROUP);
	bool good = true;

	if (PTR_ERR_OR_ZERO(origin) != ret) {
		KUNIT_FAIL(test, "seed %llu: made an origin with %pe instead of %pe",
			   maps->seed, origin, ERR_PTR(ret));
		good = false;
	}
	if (IS_ERR(origin)) {
		results[random_result(ret)]++;
		return good;
	}

	for (int strict = 0; good && strict <= 1; strict++) {
		struct mnt_idmap *idmap;

		idmap = compose_mnt_idmap(origin, &maps->target_ns, strict);
		good = check_composed(test, maps, idmap, strict, results);
		if (!IS_ERR(idmap))
			mnt_idmap_put(idmap);
	}
	mnt_idmap_put(origin);
	return good;
}

/* Thousands of random maps are composed to what they are id by id, in both directions. */
static void test_random(struct kunit *test)
{
	struct random_maps *maps = kunit_kzalloc(test, sizeof(*maps), GFP_KERNEL);
	u32 results[NR_RANDOM_RESULTS] = {};

	KUNIT_ASSERT_NOT_NULL(test, maps);
	for (enum id_kind kind = ID_USER; kind <= ID_GROUP; kind++) {
		maps->source[kind] = alloc_random_map(test);
		maps->target[kind] = alloc_random_map(test);
		maps->fs[kind] = alloc_random_map(test);
	}

	for (u32 i = 0; i < RANDOM_PAIRS; i++) {
		struct rnd_state rnd;
		bool initial;

		maps->seed = RANDOM_SEED + i;
		prandom_seed_state(&rnd, maps->seed);
		for (enum id_kind kind = ID_USER; kind <= ID_GROUP; kind++) {
			random_pair(&rnd, maps->source[kind], maps->target[kind]);
			random_fs_map(&rnd, maps->source[kind], maps->fs[kind]);
		}
		initial = below(&rnd, 2);
		maps->fs_userns = initial ? &init_user_ns : &maps->fs_ns;

		random_write(&rnd, maps->source[ID_USER], &maps->source_ns.uid_map);
		random_write(&rnd, maps->source[ID_GROUP], &maps->source_ns.gid_map);
		random_write(&rnd, maps->target[ID_USER], &maps->target_ns.uid_map);
		random_write(&rnd, maps->target[ID_GROUP], &maps->target_ns.gid_map);
		random_write(&rnd, maps->fs[ID_USER], &maps->fs_ns.uid_map);
		random_write(&rnd, maps->fs[ID_GROUP], &maps->fs_ns.gid_map);

		if (!check_random_maps(test, maps, results))
			return;
		cond_resched();
	}

	/* All of that has come about. */
	for (enum random_result i = 0; i < RANDOM_OTHER; i++)
		KUNIT_EXPECT_GT_MSG(test, results[i], RANDOM_PAIRS / 500,
				    "times result %d", i);
}

static struct kunit_case mnt_idmapping_test_cases[] = {
	KUNIT_CASE(test_linear),
	KUNIT_CASE(test_clip_to_origin),
	KUNIT_CASE(test_clip_to_target),
	KUNIT_CASE(test_chosen_interior_id),
	KUNIT_CASE(test_last_id),
	KUNIT_CASE(test_no_wrap),
	KUNIT_CASE(test_count_zero),
	KUNIT_CASE(test_identity),
	KUNIT_CASE(test_empty_map),
	KUNIT_CASE(test_strict),
	KUNIT_CASE(test_one_kind_only),
	KUNIT_CASE(test_unsorted),
	KUNIT_CASE(test_adjoining),
	KUNIT_CASE(test_one_origin_two_targets),
	KUNIT_CASE(test_sorted_extents),
	KUNIT_CASE(test_map_from_extents),
	KUNIT_CASE(test_full_maps),
	KUNIT_CASE(test_result_sizes),
	KUNIT_CASE(test_most_pieces),
	KUNIT_CASE(test_origin_fs_userns),
	KUNIT_CASE(test_origin_not_in_fs),
	KUNIT_CASE(test_has_root),
	KUNIT_CASE(test_origin_identity),
	KUNIT_CASE(test_origin_linear),
	KUNIT_CASE(test_shifted),
	KUNIT_CASE(test_random),
	{}
};

static struct kunit_suite mnt_idmapping_test_suite = {
	.name = "mnt_idmapping",
	.test_cases = mnt_idmapping_test_cases,
};

kunit_test_suite(mnt_idmapping_test_suite);
