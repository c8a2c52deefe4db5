// SPDX-License-Identifier: GPL-2.0
/*
 * mount_shift selftests: the arguments of mount_setattr(2), errno by errno
 */

#include "shift.h"

/* All that mount_setattr(2) takes */
#define VALID_ATTRS	(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |	\
			 MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |		\
			 MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME |	\
			 MOUNT_ATTR_IDMAP | MOUNT_ATTR_NOSYMFOLLOW |	\
			 MOUNT_ATTR_SHIFT | MOUNT_ATTR_SHIFTABLE)

#define DIRECT		(MOUNT_ATTR_IDMAP | MOUNT_ATTR_SHIFT)

/* No errno: a call failed and changed the mount all the same. */
#define CHANGED		(-2)

/* Does what two answers of statmount(2) tell differ, but for the mount's id? */
static bool states_differ(const struct statmount *a, const struct statmount *b)
{
	const size_t start = offsetof(struct statmount, mnt_origin_uid);
	const size_t end = offsetof(struct statmount, __spare2);

	return a->mask != b->mask || a->mnt_attr != b->mnt_attr ||
	       a->mnt_propagation != b->mnt_propagation ||
	       a->mnt_uidmap_num != b->mnt_uidmap_num ||
	       a->mnt_gidmap_num != b->mnt_gidmap_num ||
	       memcmp((char *)a + start, (char *)b + start, end - start);
}

/* 0 or an errno, or CHANGED */
static int try_sized(int mnt, const void *attr, size_t size)
{
	struct statmount before, after;
	int error;

	if (mount_state(mnt, &before))
		return errno;
	if (!sys_mount_setattr(mnt, "", AT_EMPTY_PATH, attr, size))
		return 0;
	error = errno;
	if (mount_state(mnt, &after))
		return errno;
	return states_differ(&before, &after) ? CHANGED : error;
}

static int try_attr(int mnt, const struct mount_attr *attr)
{
	return try_sized(mnt, attr, sizeof(*attr));
}

struct attr_case {
	const char *what;
	struct mount_attr attr;
	int error;
};

#define ASSERT_CASE(mnt, tried)						\
do {									\
	const struct attr_case *__tried = tried;			\
									\
	ASSERT_EQ(__tried->error, try_attr(mnt, &__tried->attr))	\
		TH_LOG("%s", __tried->what);				\
} while (0)

FIXTURE(abi)
{
	int mnt;	/* a tmpfs on SRC */
	int detached;	/* a clone of it, with a mount below */
	int userns;	/* "0 BASE COUNT" */
	int no_maps;	/* a user namespace that has none yet */
	int init;	/* the initial one */
	int mntns;
	int pipe;
	int closed;	/* no file descriptor any more */
};

FIXTURE_SETUP(abi)
{
	const char *reason = shift_unavailable();
	int null, pipes[2];

	if (reason)
		SKIP(return, "%s", reason);

	ASSERT_EQ(0, scratch_setup());
	self->mnt = source_setup();
	ASSERT_LE(0, self->mnt);
	/* With a mount below, statmount(2) knows it too, see statmount_fd(). */
	ASSERT_EQ(0, mkdir(SRC "/below", 0755));
	ASSERT_EQ(0, tmpfs_mount(SRC "/below", "0755"));
	self->detached = clone_tree(SRC);
	ASSERT_LE(0, self->detached);
	ASSERT_EQ(0, sys_umount2(SRC "/below", 0));
	self->userns = userns_open(map_of(BASE), map_of(BASE));
	ASSERT_LE(0, self->userns);
	self->no_maps = userns_open(NULL, NULL);
	ASSERT_LE(0, self->no_maps);
	self->init = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, self->init);
	self->mntns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, self->mntns);
	ASSERT_EQ(0, pipe(pipes));
	self->pipe = pipes[0];
	/* A number that nothing else gets */
	self->closed = fcntl(pipes[1], F_DUPFD, 500);
	ASSERT_LE(0, self->closed);
	ASSERT_EQ(0, close(self->closed));

	/* A 0 in the struct may be meant as a file descriptor. */
	null = open("/dev/null", O_RDONLY);
	ASSERT_LE(0, null);
	ASSERT_EQ(0, dup2(null, 0));
}

FIXTURE_TEARDOWN(abi)
{
}

/* Numbers that programs are compiled with */
TEST_F(abi, constants)
{
	ASSERT_EQ(0x00400000, MOUNT_ATTR_SHIFT);
	ASSERT_EQ(0x00800000, MOUNT_ATTR_SHIFTABLE);
	ASSERT_EQ(0x1, MOUNT_SHIFT_ANY);
	ASSERT_EQ(0x2, MOUNT_SHIFT_ORIGIN_USERNS);
	ASSERT_EQ(0x4, MOUNT_SHIFT_REVOKE);
	ASSERT_EQ(0x8000, STATMOUNT_MNT_SHIFT);

	ASSERT_EQ(32, MOUNT_ATTR_SIZE_VER0);
	ASSERT_EQ(56, MOUNT_ATTR_SIZE_VER1);
	ASSERT_EQ(MOUNT_ATTR_SIZE_VER1, sizeof(struct mount_attr));
	ASSERT_EQ(24, offsetof(struct mount_attr, userns_fd));
	ASSERT_EQ(32, offsetof(struct mount_attr, origin_uid));
	ASSERT_EQ(36, offsetof(struct mount_attr, origin_gid));
	ASSERT_EQ(40, offsetof(struct mount_attr, origin_count));
	ASSERT_EQ(44, offsetof(struct mount_attr, shift_flags));
	ASSERT_EQ(48, offsetof(struct mount_attr, shiftable_by));
	ASSERT_EQ(52, offsetof(struct mount_attr, origin_userns_fd));

	ASSERT_EQ(512, sizeof(struct statmount));
	ASSERT_EQ(168, offsetof(struct statmount, mnt_origin_uid));
	ASSERT_EQ(192, offsetof(struct statmount, __spare2));
}

/*
 * Every size: EINVAL below the first version, E2BIG above a page. Bytes that the
 * kernel does not know have to be 0, or it is E2BIG as well.
 */
TEST_F_TIMEOUT(abi, struct_size, 120)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	struct mount_attr *attr = calloc(1, page + 1);
	char *bytes = (char *)attr;
	__u64 bit = MOUNT_ATTR_NODEV;

	ASSERT_NE(NULL, attr);
	for (size_t size = 0; size <= page + 1; size++) {
		int expected = 0;

		if (size < MOUNT_ATTR_SIZE_VER0)
			expected = EINVAL;
		if (size > page)
			expected = E2BIG;

		/* Set and cleared in turn, so that every success shows. */
		memset(attr, 0, page + 1);
		attr->attr_set = bit & MOUNT_ATTR_NODEV;
		attr->attr_clr = ~bit & MOUNT_ATTR_NODEV;
		ASSERT_EQ(expected, try_sized(self->mnt, attr, size))
			TH_LOG("%zu bytes", size);
		if (!expected) {
			ASSERT_EQ(bit, mount_attrs(self->mnt))
				TH_LOG("%zu bytes", size);
			bit ^= MOUNT_ATTR_NODEV;
		}

		if (size <= MOUNT_ATTR_SIZE_VER1)
			continue;
		for (int where = 0; where < 3; where++) {
			const size_t at[] = {
				MOUNT_ATTR_SIZE_VER1,
				(MOUNT_ATTR_SIZE_VER1 + size) / 2,
				size - 1,
			};

			bytes[at[where]] = 1;
			ASSERT_EQ(E2BIG, try_sized(self->mnt, attr, size))
				TH_LOG("%zu bytes, byte %zu", size, at[where]);
			bytes[at[where]] = 0;
		}
	}
}

/* A size within the new members cuts them off: they read as 0. */
TEST_F(abi, struct_cut_off)
{
	struct {
		struct mount_attr attr;
		char more[64];
	} in;

	for (size_t size = MOUNT_ATTR_SIZE_VER0; size <= sizeof(in.attr); size++) {
		memset(&in, 0, sizeof(in));
		in.attr.attr_set = MOUNT_ATTR_NODEV;
		memset((char *)&in + size, 0xff, sizeof(in) - size);
		ASSERT_EQ(0, try_sized(self->mnt, &in, size))
			TH_LOG("%zu bytes", size);

		/* What is not cut off has no meaning here. */
		if (size == MOUNT_ATTR_SIZE_VER0)
			continue;
		((char *)&in)[size - 1] = 1;
		ASSERT_EQ(EINVAL, try_sized(self->mnt, &in, size))
			TH_LOG("%zu bytes", size);
	}
}

/* The old struct with new bits: what needs no new member works. */
TEST_F(abi, old_struct)
{
	const size_t old = MOUNT_ATTR_SIZE_VER0;
	struct mount_attr attr = MARK(BASE);

	ASSERT_EQ(EINVAL, try_sized(self->mnt, &attr, old));
	ASSERT_EQ(0, mark(self->mnt, BASE));

	attr = (struct mount_attr){ .attr_clr = MOUNT_ATTR_SHIFTABLE };
	ASSERT_EQ(0, try_sized(self->mnt, &attr, old));
	ASSERT_FALSE(is_marked(self->mnt));

	attr = (struct mount_attr){ .attr_set = MOUNT_ATTR_SHIFT };
	ASSERT_EQ(EPERM, try_sized(self->detached, &attr, old));

	/* An origin of 0 without a count is as good as none. */
	ASSERT_EQ(0, make_file(self->mnt, "file", 0600, 7, 8));
	attr = (struct mount_attr){
		.attr_set = DIRECT,
		.userns_fd = self->userns,
	};
	ASSERT_EQ(0, try_sized(self->detached, &attr, old));
	ASSERT_OWNER(self->detached, "file", BASE + 7, BASE + 8);
	ASSERT_TRUE(is_shifted(self->detached));
}

static int shift_with_old_struct(void *arg __maybe_unused)
{
	const struct mount_attr attr = { .attr_set = MOUNT_ATTR_SHIFT };
	int mnt = clone_mount(SRC);

	if (mnt < 0 || sys_mount_setattr(mnt, "", AT_EMPTY_PATH, &attr,
					 MOUNT_ATTR_SIZE_VER0))
		return -errno;
	return owner_differs(mnt, "", 0, 0) ? 1 : 0;
}

/* A container can shift with the old struct. */
TEST_F(abi, old_struct_in_container)
{
	struct container c;

	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_EQ(0, container_make(&c, BASE));
	ASSERT_EQ(0, in_container(&c, shift_with_old_struct, NULL));
	container_end(&c);
}

/* Memory that is not there is EFAULT, also where only zeroes should be. */
TEST_F(abi, efault)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	const struct mount_attr attr = { .attr_set = MOUNT_ATTR_NODEV };
	char *mem;

	mem = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)mem);
	ASSERT_EQ(0, munmap(mem + page, page));

	ASSERT_EQ(EFAULT, try_sized(self->mnt, NULL, sizeof(attr)));
	ASSERT_EQ(EFAULT, try_sized(self->mnt, mem + page, sizeof(attr)));
	for (size_t size = MOUNT_ATTR_SIZE_VER0; size <= 128; size++) {
		const size_t copied = size < sizeof(attr) ? size : sizeof(attr);

		memset(mem, 0, page);
		memcpy(mem + page - size, &attr, copied);
		ASSERT_EQ(0, try_sized(self->mnt, mem + page - size, size))
			TH_LOG("%zu bytes", size);

		memset(mem, 0, page);
		memcpy(mem + page - size, &attr, copied);
		ASSERT_EQ(EFAULT, try_sized(self->mnt, mem + page - size, size + 1))
			TH_LOG("%zu bytes", size);
	}
}

/* Every other bit of the attributes is EINVAL, alone and with a good mark. */
TEST_F(abi, unknown_attributes)
{
	for (int bit = 0; bit < 64; bit++) {
		const __u64 unknown = 1ULL << bit;
		struct mount_attr attr = {};

		if (unknown & VALID_ATTRS)
			continue;

		attr.attr_set = unknown;
		ASSERT_EQ(EINVAL, try_attr(self->mnt, &attr))
			TH_LOG("set %#llx", unknown);
		attr.attr_set = 0;
		attr.attr_clr = unknown;
		ASSERT_EQ(EINVAL, try_attr(self->mnt, &attr))
			TH_LOG("clear %#llx", unknown);

		attr = (struct mount_attr)MARK(BASE);
		attr.attr_set |= unknown;
		ASSERT_EQ(EINVAL, try_attr(self->mnt, &attr))
			TH_LOG("mark, set %#llx", unknown);
		attr = (struct mount_attr)MARK(BASE);
		attr.attr_clr = unknown;
		ASSERT_EQ(EINVAL, try_attr(self->mnt, &attr))
			TH_LOG("mark, clear %#llx", unknown);
	}
	ASSERT_EQ(0, mark(self->mnt, BASE));
}

/* Each kind of call has flags of its own, and refuses all others with EINVAL. */
TEST_F(abi, shift_flags)
{
	const struct mount_attr mark_attr = MARK(BASE);
	const struct {
		const char *what;
		struct mount_attr attr;
		__u32 valid;
	} calls[] = {
		{ "nothing", {}, 0 },
		{ "rdonly", { .attr_set = MOUNT_ATTR_RDONLY }, 0 },
		{ "private", { .propagation = MS_PRIVATE }, 0 },
		{ "mark", mark_attr, MOUNT_SHIFT_ANY | MOUNT_SHIFT_ORIGIN_USERNS },
		{ "unmark", { .attr_clr = MOUNT_ATTR_SHIFTABLE },
		  MOUNT_SHIFT_REVOKE },
		{ "shift", { .attr_set = MOUNT_ATTR_SHIFT }, 0 },
		{ "idmap", {
			.attr_set = MOUNT_ATTR_IDMAP,
			.userns_fd = self->userns,
		}, 0 },
		{ "direct", {
			.attr_set = DIRECT,
			.userns_fd = self->userns,
		}, MOUNT_SHIFT_ORIGIN_USERNS },
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		for (int bit = 0; bit < 32; bit++) {
			struct mount_attr attr = calls[i].attr;

			if (calls[i].valid & (1U << bit))
				continue;
			attr.shift_flags = 1U << bit;
			ASSERT_EQ(EINVAL, try_attr(self->detached, &attr))
				TH_LOG("%s with flag %#x", calls[i].what, 1U << bit);
			attr.shift_flags |= calls[i].valid;
			ASSERT_EQ(EINVAL, try_attr(self->detached, &attr))
				TH_LOG("%s with flags %#x", calls[i].what,
				       attr.shift_flags);
		}
	}
}

/* Clearing a shift is not possible, whatever goes with it. */
TEST_F(abi, clear_shift)
{
	const __u64 with[] = {
		0, MOUNT_ATTR_RDONLY, MOUNT_ATTR_SHIFTABLE, MOUNT_ATTR_SHIFT,
		MOUNT_ATTR_IDMAP, DIRECT,
	};
	struct mount_attr attr = { .attr_clr = MOUNT_ATTR_SHIFT };

	for (size_t i = 0; i < ARRAY_SIZE(with); i++) {
		attr.attr_set = with[i];
		attr.userns_fd = with[i] & MOUNT_ATTR_IDMAP ? self->userns : 0;
		ASSERT_EQ(EINVAL, try_attr(self->detached, &attr))
			TH_LOG("set %#llx", with[i]);
	}

	/* The same on a mount that is shifted. */
	ASSERT_EQ(0, shift_direct(self->detached, self->userns, ORIGIN, ORIGIN,
				  COUNT));
	attr.attr_set = 0;
	attr.userns_fd = 0;
	ASSERT_EQ(EINVAL, try_attr(self->detached, &attr));
	attr.attr_clr = DIRECT;
	ASSERT_EQ(EINVAL, try_attr(self->detached, &attr));
}

/* A mark comes and goes alone: not with a shift, not with an idmapping. */
TEST_F(abi, mark_with_others)
{
	const __u64 others[] = { MOUNT_ATTR_SHIFT, MOUNT_ATTR_IDMAP, DIRECT };

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		struct mount_attr attr = MARK(BASE);

		/* With an origin and a user namespace that would do */
		attr.attr_set |= others[i];
		ASSERT_EQ(EINVAL, try_attr(self->detached, &attr));
		attr.userns_fd = self->userns;
		ASSERT_EQ(EINVAL, try_attr(self->detached, &attr));
		attr.shiftable_by = 0;
		ASSERT_EQ(EINVAL, try_attr(self->detached, &attr));

		attr = (struct mount_attr){
			.attr_set = others[i],
			.attr_clr = MOUNT_ATTR_SHIFTABLE,
		};
		ASSERT_EQ(EINVAL, try_attr(self->detached, &attr));
		attr.userns_fd = self->userns;
		ASSERT_EQ(EINVAL, try_attr(self->detached, &attr));

		attr = (struct mount_attr)MARK(BASE);
		attr.attr_clr = others[i];
		ASSERT_EQ(EINVAL, try_attr(self->detached, &attr));

		attr = (struct mount_attr){
			.attr_clr = MOUNT_ATTR_SHIFTABLE | others[i],
		};
		ASSERT_EQ(EINVAL, try_attr(self->detached, &attr));
	}
}

/* A member without the bit that gives it a meaning is EINVAL. */
TEST_F(abi, members_without_meaning)
{
	const struct attr_case cases[] = {
		{ "nothing", {} },
		{ "rdonly", { .attr_set = MOUNT_ATTR_RDONLY } },
		{ "not rdonly", { .attr_clr = MOUNT_ATTR_RDONLY } },
		{ "private", { .propagation = MS_PRIVATE } },
		{ "unmark", { .attr_clr = MOUNT_ATTR_SHIFTABLE } },
		{ "shift", { .attr_set = MOUNT_ATTR_SHIFT }, EPERM },
		{ "idmap", {
			.attr_set = MOUNT_ATTR_IDMAP,
			.userns_fd = self->userns,
		} },
	};
	const __u32 values[] = { 1, BASE, 0x80000000, 0xffffffff };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(values); j++) {
			for (size_t at = MOUNT_ATTR_SIZE_VER0;
			     at < MOUNT_ATTR_SIZE_VER1; at += sizeof(__u32)) {
				struct mount_attr attr = cases[i].attr;

				memcpy((char *)&attr + at, &values[j],
				       sizeof(__u32));
				ASSERT_EQ(EINVAL, try_attr(self->detached, &attr))
					TH_LOG("%s with %u at %zu", cases[i].what,
					       values[j], at);
			}
		}
		ASSERT_CASE(self->detached, &cases[i]);
	}
}

/* A user namespace is for an idmapping: not for a mark, not for a container. */
TEST_F(abi, userns_without_idmap)
{
	struct mount_attr attr = MARK(BASE);

	attr.userns_fd = self->userns;
	ASSERT_EQ(EINVAL, try_attr(self->mnt, &attr));
	attr = (struct mount_attr){
		.attr_clr = MOUNT_ATTR_SHIFTABLE,
		.userns_fd = self->userns,
	};
	ASSERT_EQ(EINVAL, try_attr(self->mnt, &attr));
	attr = (struct mount_attr){
		.attr_set = MOUNT_ATTR_SHIFT,
		.userns_fd = self->userns,
	};
	ASSERT_EQ(EINVAL, try_attr(self->detached, &attr));
}

/* The arguments of a mark */
TEST_F(abi, mark_arguments)
{
	const struct attr_case cases[] = {
		{ "no count", {
			.attr_set = MOUNT_ATTR_SHIFTABLE,
			.origin_uid = ORIGIN,
			.origin_gid = ORIGIN,
			.shiftable_by = BASE,
		}, EINVAL },
		{ "no origin at all", {
			.attr_set = MOUNT_ATTR_SHIFTABLE,
			.shiftable_by = BASE,
		}, EINVAL },
		{ "any, and somebody", {
			.attr_set = MOUNT_ATTR_SHIFTABLE,
			.origin_uid = ORIGIN,
			.origin_gid = ORIGIN,
			.origin_count = COUNT,
			.shift_flags = MOUNT_SHIFT_ANY,
			.shiftable_by = BASE,
		}, EINVAL },
		{ "any, with user 0", {
			.attr_set = MOUNT_ATTR_SHIFTABLE,
			.origin_gid = 1,
			.origin_count = 1,
			.shift_flags = MOUNT_SHIFT_ANY,
		}, EINVAL },
		{ "any, with group 0", {
			.attr_set = MOUNT_ATTR_SHIFTABLE,
			.origin_uid = 1,
			.origin_count = 1,
			.shift_flags = MOUNT_SHIFT_ANY,
		}, EINVAL },
		{ "nobody's id", {
			.attr_set = MOUNT_ATTR_SHIFTABLE,
			.origin_uid = ORIGIN,
			.origin_gid = ORIGIN,
			.origin_count = COUNT,
			.shiftable_by = -1,
		}, EINVAL },
		{ "any", {
			.attr_set = MOUNT_ATTR_SHIFTABLE,
			.attr_clr = MOUNT_ATTR_SHIFTABLE,
			.origin_uid = 1,
			.origin_gid = 1,
			.origin_count = 1,
			.shift_flags = MOUNT_SHIFT_ANY,
		}, 0 },
		{ "user and group 0, for somebody", {
			.attr_set = MOUNT_ATTR_SHIFTABLE,
			.attr_clr = MOUNT_ATTR_SHIFTABLE,
			.origin_count = 1,
			.shiftable_by = BASE,
		}, 0 },
		{ "the last user", {
			.attr_set = MOUNT_ATTR_SHIFTABLE,
			.attr_clr = MOUNT_ATTR_SHIFTABLE,
			.origin_uid = ORIGIN,
			.origin_gid = ORIGIN,
			.origin_count = COUNT,
			.shiftable_by = -2,
		}, 0 },
		{ "root of the host", {
			.attr_set = MOUNT_ATTR_SHIFTABLE,
			.attr_clr = MOUNT_ATTR_SHIFTABLE,
			.origin_uid = ORIGIN,
			.origin_gid = ORIGIN,
			.origin_count = COUNT,
		}, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_CASE(self->mnt, &cases[i]);
		ASSERT_CASE(self->detached, &cases[i]);
	}
}

static int mark_own_tmpfs(void *arg)
{
	int mnt = open_mount(OWN);

	if (mnt < 0)
		return -errno;
	return mark(mnt, *(uid_t *)arg) ? -errno : 0;
}

/* Who may shift is named as the caller knows him: an id that he has. */
TEST_F(abi, mark_by_unknown_id)
{
	uid_t last = COUNT - 1, beyond = COUNT;
	struct container c;

	ASSERT_EQ(0, container_make(&c, BASE));
	ASSERT_EQ(0, in_container(&c, do_tmpfs, OWN));
	ASSERT_EQ(-EINVAL, in_container(&c, mark_own_tmpfs, &beyond));
	ASSERT_EQ(0, in_container(&c, mark_own_tmpfs, &last));
	container_end(&c);
}

/* Marked already is EEXIST, unless the old mark is cleared at once. */
TEST_F(abi, marked_already)
{
	struct mount_attr attr = MARK(BASE);
	struct statmount sm;

	ASSERT_EQ(0, try_attr(self->mnt, &attr));
	ASSERT_EQ(EEXIST, try_attr(self->mnt, &attr));
	attr.shiftable_by = BASE_B;
	ASSERT_EQ(EEXIST, try_attr(self->mnt, &attr));

	attr.attr_clr = MOUNT_ATTR_SHIFTABLE;
	ASSERT_EQ(0, try_attr(self->mnt, &attr));
	ASSERT_EQ(0, mount_state(self->mnt, &sm));
	ASSERT_EQ(BASE_B, sm.mnt_shiftable_by);

	/* And without any old one. */
	ASSERT_EQ(0, try_attr(self->detached, &attr));

	ASSERT_EQ(0, unmark(self->mnt));
	attr.attr_clr = 0;
	ASSERT_EQ(0, try_attr(self->mnt, &attr));
}

/* Where the ids end: the last one is 0xfffffffe, and 0xffffffff is none. */
TEST_F(abi, origin_end)
{
	const struct {
		__u32 uid, gid, count;
		int error;
	} origins[] = {
		{ 0xffffffff, 1, 1, EOVERFLOW },
		{ 1, 0xffffffff, 1, EOVERFLOW },
		{ 0xffffffff, 0xffffffff, 0xffffffff, EOVERFLOW },
		{ 0xfffffffe, 1, 2, EOVERFLOW },
		{ 1, 0xfffffffe, 2, EOVERFLOW },
		{ 1, 1, 0xffffffff, EOVERFLOW },
		{ 0x80000000, 1, 0x80000000, EOVERFLOW },
		{ 0x80000000, 1, 0xffffffff, EOVERFLOW },
		{ 0xffff0000, 0xffff0000, 0x10000, EOVERFLOW },
		{ 0xfffffffe, 1, 1, 0 },
		{ 1, 0xfffffffe, 1, 0 },
		{ 1, 1, 0xfffffffe, 0 },
		{ 0, 0, 0xffffffff, 0 },
		{ 0x80000000, 1, 0x7fffffff, 0 },
		{ 0xffff0000, 0xffff0000, 0xffff, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(origins); i++) {
		struct mount_attr attr = {
			.attr_set = MOUNT_ATTR_SHIFTABLE,
			.attr_clr = MOUNT_ATTR_SHIFTABLE,
			.origin_uid = origins[i].uid,
			.origin_gid = origins[i].gid,
			.origin_count = origins[i].count,
			.shiftable_by = BASE,
		};
		int mnt = clone_mount(SRC);

		ASSERT_LE(0, mnt);
		ASSERT_EQ(origins[i].error, try_attr(mnt, &attr))
			TH_LOG("mark %#x %#x %#x", origins[i].uid,
			       origins[i].gid, origins[i].count);

		attr.attr_set = DIRECT;
		attr.attr_clr = 0;
		attr.shiftable_by = 0;
		attr.userns_fd = self->userns;
		ASSERT_EQ(origins[i].error, try_attr(mnt, &attr))
			TH_LOG("direct %#x %#x %#x", origins[i].uid,
			       origins[i].gid, origins[i].count);
		ASSERT_EQ(0, close(mnt));
	}
}

/* A user namespace as the origin: which, and not with numbers */
TEST_F(abi, origin_userns)
{
	const struct {
		const char *what;
		int fd;
		int error;
	} fds[] = {
		{ "closed", self->closed, EBADF },
		{ "-1", -1, EINVAL },
		{ "no namespace", self->pipe, EINVAL },
		{ "/dev/null as 0", 0, EINVAL },
		{ "mount namespace", self->mntns, EINVAL },
		{ "initial", self->init, EPERM },
		{ "no maps", self->no_maps, EINVAL },
		{ "good", self->userns, 0 },
	};
	const struct mount_attr calls[] = {
		{
			.attr_set = MOUNT_ATTR_SHIFTABLE,
			.attr_clr = MOUNT_ATTR_SHIFTABLE,
			.shift_flags = MOUNT_SHIFT_ORIGIN_USERNS,
			.origin_userns_fd = self->userns,
			.shiftable_by = BASE_B,
		},
		{
			.attr_set = MOUNT_ATTR_SHIFTABLE,
			.attr_clr = MOUNT_ATTR_SHIFTABLE,
			.shift_flags = MOUNT_SHIFT_ORIGIN_USERNS | MOUNT_SHIFT_ANY,
			.origin_userns_fd = self->userns,
		},
		{
			.attr_set = DIRECT,
			.userns_fd = self->userns,
			.shift_flags = MOUNT_SHIFT_ORIGIN_USERNS,
			.origin_userns_fd = self->userns,
		},
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		const size_t numbers[] = {
			offsetof(struct mount_attr, origin_uid),
			offsetof(struct mount_attr, origin_gid),
			offsetof(struct mount_attr, origin_count),
		};
		struct mount_attr attr;

		for (size_t j = 0; j < ARRAY_SIZE(numbers); j++) {
			attr = calls[i];
			((char *)&attr)[numbers[j]] = 1;
			ASSERT_EQ(EINVAL, try_attr(self->detached, &attr))
				TH_LOG("call %zu with number %zu", i, j);
		}

		attr = calls[i];
		attr.shift_flags &= ~MOUNT_SHIFT_ORIGIN_USERNS;
		attr.origin_count = COUNT;
		attr.origin_uid = 1;
		attr.origin_gid = 1;
		ASSERT_EQ(EINVAL, try_attr(self->detached, &attr))
			TH_LOG("call %zu without the flag", i);

		for (size_t j = 0; j < ARRAY_SIZE(fds); j++) {
			attr = calls[i];
			attr.origin_userns_fd = fds[j].fd;
			ASSERT_EQ(fds[j].error, try_attr(self->detached, &attr))
				TH_LOG("call %zu: %s", i, fds[j].what);
		}
	}
}

/* An origin namespace with user or group 0 of the host is not for anybody. */
TEST_F(abi, origin_userns_any_root)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_SHIFTABLE,
		.attr_clr = MOUNT_ATTR_SHIFTABLE,
		.shift_flags = MOUNT_SHIFT_ORIGIN_USERNS | MOUNT_SHIFT_ANY,
	};
	const char * const maps[][2] = {
		{ "5 0 1", "5 1 1" },
		{ "5 1 1", "5 0 1" },
		{ "1 1 1\n2 2 1\n3 3 1\n4 4 1\n5 5 1\n6 0 1", "5 1 1" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		attr.origin_userns_fd = userns_open(maps[i][0], maps[i][1]);
		ASSERT_LE(0, (int)attr.origin_userns_fd);
		ASSERT_EQ(EINVAL, try_attr(self->mnt, &attr))
			TH_LOG("%s, %s", maps[i][0], maps[i][1]);

		attr.shift_flags &= ~MOUNT_SHIFT_ANY;
		attr.shiftable_by = BASE;
		ASSERT_EQ(0, try_attr(self->mnt, &attr));
		attr.shift_flags |= MOUNT_SHIFT_ANY;
		attr.shiftable_by = 0;
	}
}

/* The user namespace of the direct form, as that of an idmapping */
TEST_F(abi, direct_userns)
{
	const struct {
		const char *what;
		__u64 fd;
		int error;
	} fds[] = {
		{ "closed", self->closed, EBADF },
		{ "-1", -1, EINVAL },
		{ "more than an int", 1ULL << 32 | self->userns, EINVAL },
		{ "no namespace", self->pipe, EINVAL },
		{ "/dev/null as 0", 0, EINVAL },
		{ "mount namespace", self->mntns, EINVAL },
		{ "initial", self->init, EPERM },
		{ "no maps", self->no_maps, EINVAL },
		{ "good", self->userns, 0 },
	};
	const struct mount_attr calls[] = {
		{ .attr_set = MOUNT_ATTR_IDMAP },
		{ .attr_set = DIRECT },
		{ .attr_set = DIRECT, .origin_count = 1 },
		{
			.attr_set = DIRECT,
			.origin_uid = ORIGIN,
			.origin_gid = ORIGIN,
			.origin_count = COUNT,
		},
		{
			.attr_set = DIRECT,
			.shift_flags = MOUNT_SHIFT_ORIGIN_USERNS,
			.origin_userns_fd = self->userns,
		},
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		int mnt = clone_mount(SRC);

		ASSERT_LE(0, mnt);
		for (size_t j = 0; j < ARRAY_SIZE(fds); j++) {
			struct mount_attr attr = calls[i];

			attr.userns_fd = fds[j].fd;
			ASSERT_EQ(fds[j].error, try_attr(mnt, &attr))
				TH_LOG("call %zu: %s", i, fds[j].what);
		}
		ASSERT_EQ(0, close(mnt));
	}
}

/* Who may shift is no question in the direct form. */
TEST_F(abi, direct_shiftable_by)
{
	struct mount_attr attr = {
		.attr_set = DIRECT,
		.userns_fd = self->userns,
		.origin_uid = ORIGIN,
		.origin_gid = ORIGIN,
		.origin_count = COUNT,
		.shiftable_by = BASE,
	};

	ASSERT_EQ(EINVAL, try_attr(self->detached, &attr));
	attr.shiftable_by = 0;
	ASSERT_EQ(0, try_attr(self->detached, &attr));
}

/* Ids of the origin belong to the namespace, ids before and behind to nobody. */
TEST_F(abi, direct_ids)
{
	ASSERT_EQ(0, make_file(self->mnt, "first", 0600, 5000, 6000));
	ASSERT_EQ(0, make_file(self->mnt, "last", 0600, 5099, 6099));
	ASSERT_EQ(0, make_file(self->mnt, "before", 0600, 4999, 5999));
	ASSERT_EQ(0, make_file(self->mnt, "behind", 0600, 5100, 6100));

	ASSERT_EQ(0, shift_direct(self->detached, self->userns, 5000, 6000, 100));
	ASSERT_EQ(DIRECT, mount_attrs(self->detached));
	ASSERT_OWNER(self->detached, "first", BASE, BASE);
	ASSERT_OWNER(self->detached, "last", BASE + 99, BASE + 99);
	ASSERT_OWNER(self->detached, "before", OVERFLOW_ID, OVERFLOW_ID);
	ASSERT_OWNER(self->detached, "behind", OVERFLOW_ID, OVERFLOW_ID);

	/* And back, for who is in the window only. */
	ASSERT_EQ(0, fchownat(self->detached, "first", BASE + 42, BASE + 43, 0));
	ASSERT_OWNER(self->mnt, "first", 5042, 6043);
	ASSERT_EQ(-1, fchownat(self->detached, "first", BASE + 100, -1, 0));
	ASSERT_EQ(EOVERFLOW, errno);
	ASSERT_EQ(-1, fchownat(self->detached, "first", 5042, -1, 0));
	ASSERT_EQ(EOVERFLOW, errno);
	ASSERT_OWNER(self->mnt, "first", 5042, 6043);
}

/* Without a count the origin has as many ids as the namespace. */
TEST_F(abi, direct_no_count)
{
	ASSERT_EQ(0, make_file(self->mnt, "last", 0600, ORIGIN + COUNT - 1,
			       ORIGIN + 1 + COUNT - 1));
	ASSERT_EQ(0, make_file(self->mnt, "behind", 0600, ORIGIN + COUNT,
			       ORIGIN + 1 + COUNT));
	ASSERT_EQ(0, shift_direct(self->detached, self->userns, ORIGIN,
				  ORIGIN + 1, 0));
	ASSERT_OWNER(self->detached, "last", BASE + COUNT - 1, BASE + COUNT - 1);
	ASSERT_OWNER(self->detached, "behind", OVERFLOW_ID, OVERFLOW_ID);
}

/* Without a count no id may get lost at the end of all ids, with one it may. */
TEST_F(abi, direct_loses_ids)
{
	const __u32 last = 0xfffffffe;
	int high;

	ASSERT_EQ(0, make_file(self->mnt, "file", 0600, last, last));
	ASSERT_EQ(-1, shift_direct(self->detached, self->userns,
				   last - COUNT + 2, ORIGIN, 0));
	ASSERT_EQ(EOVERFLOW, errno);
	ASSERT_EQ(-1, shift_direct(self->detached, self->userns, ORIGIN,
				   last - COUNT + 2, 0));
	ASSERT_EQ(EOVERFLOW, errno);
	ASSERT_EQ(-1, shift_direct(self->detached, self->userns, last, last, 0));
	ASSERT_EQ(EOVERFLOW, errno);
	ASSERT_EQ(-1, shift_direct(self->detached, self->userns, 0xffffffff, 1, 0));
	ASSERT_EQ(EOVERFLOW, errno);

	/* A namespace with high ids of its own */
	high = userns_open("4294967290 500000 5", "4294967290 500000 5");
	ASSERT_LE(0, high);
	ASSERT_EQ(-1, shift_direct(self->detached, high, 1, 0, 0));
	ASSERT_EQ(EOVERFLOW, errno);
	ASSERT_EQ(-1, shift_direct(self->detached, high, 0, 1, 0));
	ASSERT_EQ(EOVERFLOW, errno);

	ASSERT_EQ(0, shift_direct(self->detached, self->userns,
				  last - COUNT + 1, last - COUNT + 1, 0));
	ASSERT_OWNER(self->detached, "file", BASE + COUNT - 1, BASE + COUNT - 1);
}

/* All ids of the namespace can be the last ones, and with a count even fewer. */
TEST_F(abi, direct_high_ids)
{
	int high;

	high = userns_open("4294967290 500000 5", "4294967290 500000 5");
	ASSERT_LE(0, high);
	ASSERT_EQ(0, make_file(self->mnt, "file", 0600, 4294967290U, 4294967294U));
	ASSERT_EQ(0, shift_direct(self->detached, high, 0, 0, 0));
	ASSERT_OWNER(self->detached, "file", 500000, 500004);

	ASSERT_EQ(0, close(self->detached));
	self->detached = clone_mount(SRC);
	ASSERT_LE(0, self->detached);
	ASSERT_EQ(0, shift_direct(self->detached, high, 0, 0, 4294967292U));
	ASSERT_OWNER(self->detached, "file", 500000, OVERFLOW_ID);
}

/* ERANGE if the namespace has no user or no group of the origin. */
TEST_F(abi, direct_nothing_left)
{
	const struct {
		const char *uid_map, *gid_map;
		int error;
	} maps[] = {
		{ "65536 500000 10", "65536 500000 10", ERANGE },
		{ "65536 500000 10", "0 500000 10", ERANGE },
		{ "0 500000 10", "65536 500000 10", ERANGE },
		{ "65535 500000 10", "65535 500000 10", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		struct mount_attr attr = {
			.attr_set = DIRECT,
			.origin_uid = ORIGIN,
			.origin_gid = ORIGIN,
			.origin_count = COUNT,
		};

		attr.userns_fd = userns_open(maps[i].uid_map, maps[i].gid_map);
		ASSERT_LE(0, (int)attr.userns_fd);
		ASSERT_EQ(maps[i].error, try_attr(self->detached, &attr))
			TH_LOG("%s, %s", maps[i].uid_map, maps[i].gid_map);
	}
	ASSERT_EQ(0, make_file(self->mnt, "last", 0600, ORIGIN + COUNT - 1,
			       ORIGIN + COUNT - 1));
	ASSERT_OWNER(self->detached, "last", 500000, 500000);
}

/* Lines of two ids each, one after the other inside and apart outside */
static void write_pairs(char *map, size_t size, unsigned int lines,
			unsigned int first, unsigned int lower)
{
	size_t len = 0;

	for (unsigned int i = 0; i < lines; i++)
		len += snprintf(map + len, size - len, "%u %u 2\n",
				first + 2 * i, lower + 3 * i);
}

/*
 * An idmapping of 340 extents is fine, and one of 341 is E2BIG. The pairs of the
 * origin and those of the namespace overlap by one id, so that none is joined.
 */
TEST_F(abi, too_many_extents)
{
	const char *plain = "0 0 1000";
	char origin[4096], longer[4096], target[4096];
	struct mount_attr attr = {
		.attr_set = DIRECT,
		.shift_flags = MOUNT_SHIFT_ORIGIN_USERNS,
	};

	write_pairs(origin, sizeof(origin), 170, 1, 1000);
	write_pairs(longer, sizeof(longer), 171, 1, 1000);
	write_pairs(target, sizeof(target), 171, 0, 3000);

	attr.userns_fd = userns_open(target, plain);
	ASSERT_LE(0, (int)attr.userns_fd);
	attr.origin_userns_fd = userns_open(longer, plain);
	ASSERT_LE(0, (int)attr.origin_userns_fd);
	ASSERT_EQ(E2BIG, try_attr(self->detached, &attr));

	attr.userns_fd = userns_open(plain, target);
	ASSERT_LE(0, (int)attr.userns_fd);
	attr.origin_userns_fd = userns_open(plain, longer);
	ASSERT_LE(0, (int)attr.origin_userns_fd);
	ASSERT_EQ(E2BIG, try_attr(self->detached, &attr));

	attr.userns_fd = userns_open(target, target);
	ASSERT_LE(0, (int)attr.userns_fd);
	attr.origin_userns_fd = userns_open(origin, origin);
	ASSERT_LE(0, (int)attr.origin_userns_fd);
	ASSERT_EQ(0, make_file(self->mnt, "first", 0600, 1000, 1001));
	ASSERT_EQ(0, make_file(self->mnt, "last", 0600, 1000 + 3 * 169,
			       1001 + 3 * 169));
	ASSERT_EQ(0, try_attr(self->detached, &attr));
	ASSERT_OWNER(self->detached, "first", 3001, 3003);
	ASSERT_OWNER(self->detached, "last", 3001 + 3 * 169, 3003 + 3 * 169);
}

/* What has been visible keeps its ids: no shift of an attached mount. */
TEST_F(abi, attached)
{
	const struct mount_attr direct = {
		.attr_set = DIRECT,
		.userns_fd = self->userns,
		.origin_uid = ORIGIN,
		.origin_gid = ORIGIN,
		.origin_count = COUNT,
	};
	struct mount_attr attr = direct;

	ASSERT_EQ(EINVAL, try_attr(self->mnt, &attr));
	attr.origin_count = 0;
	ASSERT_EQ(EINVAL, try_attr(self->mnt, &attr));

	/* And once it was attached. */
	ASSERT_EQ(0, attach(self->detached, DST));
	ASSERT_EQ(EINVAL, try_attr(self->detached, &direct));
	ASSERT_EQ(0, sys_umount2(DST, MNT_DETACH));
	ASSERT_EQ(-1, set_attr(self->detached, &direct));
	ASSERT_EQ(EINVAL, errno);
}

static int shift_attached(void *arg __maybe_unused)
{
	int mnt = open_mount(SRC);

	if (mnt < 0)
		return -errno;
	return shift(mnt) ? -errno : 0;
}

/* The same for a container, that may shift a clone. */
TEST_F(abi, attached_in_container)
{
	struct container c;

	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_EQ(0, container_make(&c, BASE));
	ASSERT_EQ(-EINVAL, in_container(&c, shift_attached, NULL));
	ASSERT_EQ(0, in_container(&c, do_mount_shifted, NULL));
	container_end(&c);
}

/* A file system that knows no idmapped mounts has nothing to shift. */
TEST_F(abi, filesystem_without_idmap)
{
	const struct mount_attr mark_attr = MARK(BASE);
	const struct mount_attr direct = {
		.attr_set = DIRECT,
		.userns_fd = self->userns,
		.origin_uid = ORIGIN,
		.origin_gid = ORIGIN,
		.origin_count = COUNT,
	};
	int proc = fs_fd("proc", NULL, NULL);

	ASSERT_LE(0, proc);
	ASSERT_EQ(EINVAL, try_attr(proc, &mark_attr));
	ASSERT_EQ(EINVAL, try_attr(proc, &direct));
	/* That there is no mark is what was asked for. */
	ASSERT_EQ(0, unmark(proc));
}

/* An idmapped mount is not marked, and not shifted or idmapped once more. */
TEST_F(abi, idmapped)
{
	const struct mount_attr mark_attr = MARK(BASE);
	const struct attr_case cases[] = {
		{ "mark", mark_attr, EINVAL },
		{ "delegated", { .attr_set = MOUNT_ATTR_SHIFT }, EPERM },
		{ "idmap", {
			.attr_set = MOUNT_ATTR_IDMAP,
			.userns_fd = self->userns,
		}, EPERM },
		{ "direct", {
			.attr_set = DIRECT,
			.userns_fd = self->userns,
			.origin_uid = ORIGIN,
			.origin_gid = ORIGIN,
			.origin_count = COUNT,
		}, EPERM },
		{ "unmark", { .attr_clr = MOUNT_ATTR_SHIFTABLE }, 0 },
	};
	int clone;

	ASSERT_EQ(0, idmap(self->detached, self->userns));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ASSERT_CASE(self->detached, &cases[i]);
	ASSERT_EQ(MOUNT_ATTR_IDMAP, mount_attrs(self->detached));

	/* Nor is a clone of it, or one that is shifted. */
	clone = clone_mount_fd(self->detached);
	ASSERT_LE(0, clone);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ASSERT_CASE(clone, &cases[i]);

	ASSERT_EQ(0, close(self->detached));
	self->detached = clone_mount(SRC);
	ASSERT_LE(0, self->detached);
	ASSERT_EQ(0, shift_direct(self->detached, self->userns, ORIGIN, ORIGIN,
				  COUNT));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		ASSERT_CASE(self->detached, &cases[i]);
	ASSERT_EQ(DIRECT, mount_attrs(self->detached));
}

/*
 * The initial user namespace is nobody's to shift to: EPERM on the host, where a
 * mount namespace belongs to it, whether the mount is marked or not.
 */
TEST_F(abi, delegated_on_host)
{
	const struct mount_attr attr = { .attr_set = MOUNT_ATTR_SHIFT };
	int marked;

	ASSERT_EQ(EPERM, try_attr(self->detached, &attr));

	ASSERT_EQ(0, mark(self->mnt, 0));
	marked = clone_mount(SRC);
	ASSERT_LE(0, marked);
	ASSERT_EQ(EPERM, try_attr(marked, &attr));

	ASSERT_EQ(0, unmark(self->mnt));
	ASSERT_EQ(0, mark_any(self->mnt));
	marked = clone_mount(SRC);
	ASSERT_LE(0, marked);
	ASSERT_EQ(EPERM, try_attr(marked, &attr));
}

/* Tries one attribute struct on a fresh clone of SRC. */
static int try_on_clone(void *arg)
{
	int mnt = clone_mount(SRC);
	int ret;

	if (mnt < 0)
		return -errno;
	ret = try_attr(mnt, arg);
	close(mnt);
	return ret;
}

/*
 * A container says that it wants to shift, and nothing else about ids. Ordinary
 * attributes may go with it, and a propagation type only if it is what comes out.
 */
TEST_F(abi, delegated_arguments)
{
	const struct attr_case cases[] = {
		{ "origin_uid", {
			.attr_set = MOUNT_ATTR_SHIFT,
			.origin_uid = ORIGIN,
		}, EINVAL },
		{ "origin_gid", {
			.attr_set = MOUNT_ATTR_SHIFT,
			.origin_gid = ORIGIN,
		}, EINVAL },
		{ "origin_count", {
			.attr_set = MOUNT_ATTR_SHIFT,
			.origin_count = COUNT,
		}, EINVAL },
		{ "all of the origin", {
			.attr_set = MOUNT_ATTR_SHIFT,
			.origin_uid = ORIGIN,
			.origin_gid = ORIGIN,
			.origin_count = COUNT,
		}, EINVAL },
		{ "any", {
			.attr_set = MOUNT_ATTR_SHIFT,
			.shift_flags = MOUNT_SHIFT_ANY,
		}, EINVAL },
		{ "origin userns", {
			.attr_set = MOUNT_ATTR_SHIFT,
			.shift_flags = MOUNT_SHIFT_ORIGIN_USERNS,
			.origin_userns_fd = self->userns,
		}, EINVAL },
		{ "revoke", {
			.attr_set = MOUNT_ATTR_SHIFT,
			.shift_flags = MOUNT_SHIFT_REVOKE,
		}, EINVAL },
		{ "shiftable_by", {
			.attr_set = MOUNT_ATTR_SHIFT,
			.shiftable_by = 1,
		}, EINVAL },
		{ "userns_fd", {
			.attr_set = MOUNT_ATTR_SHIFT,
			.userns_fd = self->userns,
		}, EINVAL },
		{ "idmap cleared", {
			.attr_set = MOUNT_ATTR_SHIFT,
			.attr_clr = MOUNT_ATTR_IDMAP,
		}, EINVAL },
		{ "unmark", {
			.attr_set = MOUNT_ATTR_SHIFT,
			.attr_clr = MOUNT_ATTR_SHIFTABLE,
		}, EINVAL },
		{ "shared", {
			.attr_set = MOUNT_ATTR_SHIFT,
			.propagation = MS_SHARED,
		}, EINVAL },
		{ "slave", {
			.attr_set = MOUNT_ATTR_SHIFT,
			.propagation = MS_SLAVE,
		}, EINVAL },
		{ "unbindable", {
			.attr_set = MOUNT_ATTR_SHIFT,
			.propagation = MS_UNBINDABLE,
		}, EINVAL },
		{ "two types", {
			.attr_set = MOUNT_ATTR_SHIFT,
			.propagation = MS_PRIVATE | MS_SLAVE,
		}, EINVAL },
		{ "nothing else", { .attr_set = MOUNT_ATTR_SHIFT }, 0 },
		{ "private", {
			.attr_set = MOUNT_ATTR_SHIFT,
			.propagation = MS_PRIVATE,
		}, 0 },
		{ "rdonly and nosuid", {
			.attr_set = MOUNT_ATTR_SHIFT | MOUNT_ATTR_RDONLY |
				    MOUNT_ATTR_NOSUID,
		}, 0 },
	};
	struct container c;

	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_EQ(0, container_make(&c, BASE));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_EQ(cases[i].error,
			  in_container(&c, try_on_clone, (void *)&cases[i].attr))
			TH_LOG("%s", cases[i].what);
	}
	container_end(&c);
}

static int open_clone(void *arg __maybe_unused)
{
	int mnt = clone_mount(SRC);

	return mnt < 0 ? -errno : mnt;
}

static int open_src(void *arg __maybe_unused)
{
	int mnt = open_mount(SRC);

	return mnt < 0 ? -errno : mnt;
}

/*
 * What is marked or shifted is a mount, by its root: one of the caller's mount
 * namespace, or the topmost one of a detached tree.
 */
TEST_F(abi, which_mount)
{
	const struct mount_attr mark_attr = MARK(BASE);
	const struct mount_attr unmark_attr = { .attr_clr = MOUNT_ATTR_SHIFTABLE };
	struct container c;
	int tree, fd;

	/* A directory on it is not it. */
	ASSERT_EQ(0, mkdir(SRC "/dir", 0755));
	ASSERT_EQ(-1, sys_mount_setattr(AT_FDCWD, SRC "/dir", 0, &mark_attr,
					sizeof(mark_attr)));
	ASSERT_EQ(EINVAL, errno);
	ASSERT_EQ(-1, sys_mount_setattr(AT_FDCWD, SRC "/dir", 0, &unmark_attr,
					sizeof(unmark_attr)));
	ASSERT_EQ(EINVAL, errno);
	ASSERT_EQ(-1, sys_mount_setattr(AT_FDCWD, SRC "/none", 0, &mark_attr,
					sizeof(mark_attr)));
	ASSERT_EQ(ENOENT, errno);
	ASSERT_EQ(-1, set_attr(self->closed, &mark_attr));
	ASSERT_EQ(EBADF, errno);
	ASSERT_FALSE(is_marked(self->mnt));

	/* A mount below the topmost one of a detached tree */
	ASSERT_EQ(0, tmpfs_mount(SRC "/dir", "0755"));
	tree = clone_tree(SRC);
	ASSERT_LE(0, tree);
	fd = openat(tree, "dir", O_PATH | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(EINVAL, try_attr(fd, &mark_attr));
	ASSERT_EQ(EINVAL, try_attr(fd, &unmark_attr));
	ASSERT_EQ(0, try_attr(tree, &mark_attr));
	ASSERT_FALSE(is_marked(fd));

	/* A mount in another mount namespace */
	ASSERT_EQ(0, container_make(&c, BASE));
	fd = fd_from_container(&c, open_src, NULL);
	ASSERT_LE(0, fd);
	ASSERT_EQ(EINVAL, try_attr(fd, &mark_attr));
	ASSERT_EQ(EINVAL, try_attr(fd, &unmark_attr));

	/* A mount that was unmounted */
	fd = open_mount(SRC "/dir");
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sys_umount2(SRC "/dir", MNT_DETACH));
	ASSERT_EQ(-1, set_attr(fd, &mark_attr));
	ASSERT_EQ(EINVAL, errno);
	ASSERT_EQ(-1, set_attr(fd, &unmark_attr));
	ASSERT_EQ(EINVAL, errno);

	/* Where it is attached, and where it is not. */
	ASSERT_EQ(0, try_attr(self->mnt, &mark_attr));
	ASSERT_EQ(0, try_attr(self->detached, &mark_attr));
	container_end(&c);
}

/* A detached mount that was passed on is whose it is passed to. */
TEST_F(abi, clone_of_a_container)
{
	struct container c;
	int fd;

	ASSERT_EQ(0, container_make(&c, BASE));
	fd = fd_from_container(&c, open_clone, NULL);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, mark(fd, BASE));
	ASSERT_EQ(0, attach(fd, DST));
	ASSERT_TRUE(is_marked(fd));
	container_end(&c);
}

/* An open file that is written to is EBUSY, as long as it is open. */
TEST_F(abi, writers)
{
	const struct mount_attr mark_attr = MARK(BASE);
	const struct mount_attr direct = {
		.attr_set = DIRECT,
		.userns_fd = self->userns,
		.origin_uid = ORIGIN,
		.origin_gid = ORIGIN,
		.origin_count = COUNT,
	};
	int file;

	file = openat(self->detached, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	ASSERT_LE(0, file);
	ASSERT_EQ(EBUSY, try_attr(self->detached, &direct));

	/* A mark is nothing to them, and one that is lost neither. */
	ASSERT_EQ(0, try_attr(self->detached, &mark_attr));
	ASSERT_EQ(EBUSY, try_attr(self->detached, &direct));
	ASSERT_TRUE(is_marked(self->detached));
	ASSERT_EQ(0, unmark(self->detached));

	/* Writers are not held for ever. */
	ASSERT_EQ(1, write(file, "", 1));
	ASSERT_EQ(0, fchmod(file, 0644));
	ASSERT_EQ(0, close(file));
	file = openat(self->detached, "file", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, file);
	ASSERT_EQ(0, try_attr(self->detached, &direct));
}

static int shift_with_writer(void *arg __maybe_unused)
{
	const struct mount_attr attr = { .attr_set = MOUNT_ATTR_SHIFT };
	int mnt = clone_mount(SRC);
	int file, error;

	if (mnt < 0)
		return -errno;
	file = openat(mnt, "file", O_WRONLY | O_CLOEXEC);
	if (file < 0)
		return -errno;
	error = try_attr(mnt, &attr);
	if (error != EBUSY)
		return error;
	if (write(file, "", 1) != 1 || close(file))
		return -errno;
	return try_attr(mnt, &attr) ? 1 : EBUSY;
}

/* The same for the shift of a container. */
TEST_F(abi, writers_in_container)
{
	struct container c;

	ASSERT_EQ(0, make_file(self->mnt, "file", 0666, ORIGIN, ORIGIN));
	ASSERT_EQ(0, mark(self->mnt, BASE));
	ASSERT_EQ(0, container_make(&c, BASE));
	ASSERT_EQ(EBUSY, in_container(&c, shift_with_writer, NULL));
	container_end(&c);
}

struct no_op {
	struct mount_attr mark;
	struct mount_attr shift;
	int userns;
};

/* Marks the container's own tmpfs, and shifts a clone. */
static int mark_and_shift_own(void *arg)
{
	const struct no_op *no_op = arg;
	int mnt = open_mount(OWN);
	int error;

	if (mnt < 0)
		return -errno;
	if (no_op->mark.attr_set && set_attr(mnt, &no_op->mark))
		return -errno;
	mnt = clone_mount(OWN);
	if (mnt < 0)
		return -errno;
	error = try_attr(mnt, &no_op->shift);
	if (no_op->mark.attr_set && unmark(open_mount(OWN)))
		return -errno;
	return error;
}

/*
 * A shift that changes nothing is EINVAL, as an idmapping of a file system to
 * its own user namespace is. With another origin it is not the same any more.
 */
TEST_F(abi, no_op)
{
	struct no_op same = {
		.mark.attr_set = MOUNT_ATTR_SHIFTABLE,
		.mark.origin_count = COUNT,
		.shift.attr_set = MOUNT_ATTR_SHIFT,
	};
	struct container c;

	ASSERT_EQ(0, container_make(&c, BASE));
	ASSERT_EQ(0, in_container(&c, do_tmpfs, OWN));

	ASSERT_EQ(EINVAL, in_container(&c, mark_and_shift_own, &same));
	same.mark.origin_count = 10;
	ASSERT_EQ(EINVAL, in_container(&c, mark_and_shift_own, &same));
	same.mark.origin_gid = 1;
	ASSERT_EQ(0, in_container(&c, mark_and_shift_own, &same));
	same.mark.origin_gid = 0;
	same.mark.origin_uid = 1;
	ASSERT_EQ(0, in_container(&c, mark_and_shift_own, &same));

	/* The direct form */
	same = (struct no_op){
		.shift.attr_set = DIRECT,
		.shift.userns_fd = c.user.fd,
	};
	ASSERT_EQ(EINVAL, in_container(&c, mark_and_shift_own, &same));
	same.shift.origin_count = 10;
	ASSERT_EQ(EINVAL, in_container(&c, mark_and_shift_own, &same));
	same.shift.origin_uid = 1;
	same.shift.origin_gid = 1;
	ASSERT_EQ(0, in_container(&c, mark_and_shift_own, &same));
	same.shift.origin_count = 0;
	ASSERT_EQ(0, in_container(&c, mark_and_shift_own, &same));

	/* Without an origin it remains as it was. */
	same.shift = (struct mount_attr){
		.attr_set = MOUNT_ATTR_IDMAP,
		.userns_fd = c.user.fd,
	};
	ASSERT_EQ(EINVAL, in_container(&c, mark_and_shift_own, &same));
	container_end(&c);
}

/* fsmount(2) does not take the new bits. */
TEST_F(abi, fsmount)
{
	const unsigned int refused[] = {
		MOUNT_ATTR_SHIFT, MOUNT_ATTR_SHIFTABLE, DIRECT,
		MOUNT_ATTR_SHIFT | MOUNT_ATTR_SHIFTABLE,
		MOUNT_ATTR_SHIFTABLE | MOUNT_ATTR_NODEV,
	};
	int fs, mnt;

	fs = sys_fsopen("tmpfs", FSOPEN_CLOEXEC);
	ASSERT_LE(0, fs);
	ASSERT_EQ(0, sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		ASSERT_EQ(-1, sys_fsmount(fs, FSMOUNT_CLOEXEC, refused[i]))
			TH_LOG("%#x", refused[i]);
		ASSERT_EQ(EINVAL, errno);
	}
	mnt = sys_fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV);
	ASSERT_LE(0, mnt);
	ASSERT_EQ(MOUNT_ATTR_NODEV, mount_attrs(mnt));
}

static int open_tree_with(const struct mount_attr *attr, unsigned int flags)
{
	return sys_open_tree_attr(AT_FDCWD, SRC, flags | OPEN_TREE_CLOEXEC, attr,
				  sizeof(*attr));
}

/* open_tree_attr(2) takes and refuses the same, and leaves no descriptor. */
TEST_F(abi, open_tree_attr)
{
	const struct mount_attr mark_attr = MARK(BASE);
	const struct attr_case cases[] = {
		{ "no count", { .attr_set = MOUNT_ATTR_SHIFTABLE }, EINVAL },
		{ "mark and shift", {
			.attr_set = MOUNT_ATTR_SHIFTABLE | MOUNT_ATTR_SHIFT,
		}, EINVAL },
		{ "clear shift", { .attr_clr = MOUNT_ATTR_SHIFT }, EINVAL },
		{ "member without meaning", { .origin_count = 1 }, EINVAL },
		{ "delegated on the host", { .attr_set = MOUNT_ATTR_SHIFT }, EPERM },
		{ "end of ids", {
			.attr_set = MOUNT_ATTR_SHIFTABLE,
			.origin_uid = -1,
			.origin_count = 1,
		}, EOVERFLOW },
		{ "initial namespace", {
			.attr_set = DIRECT,
			.userns_fd = self->init,
			.origin_count = 1,
		}, EPERM },
		{ "bad descriptor", {
			.attr_set = DIRECT,
			.userns_fd = self->closed,
			.origin_count = 1,
		}, EBADF },
	};
	const int next = dup(0);
	int mnt, clone;

	ASSERT_LE(0, next);
	ASSERT_EQ(0, close(next));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_EQ(-1, open_tree_with(&cases[i].attr, OPEN_TREE_CLONE))
			TH_LOG("%s", cases[i].what);
		ASSERT_EQ(cases[i].error, errno)
			TH_LOG("%s", cases[i].what);
	}
	ASSERT_EQ(-1, sys_open_tree_attr(AT_FDCWD, SRC, OPEN_TREE_CLONE,
					 &mark_attr, MOUNT_ATTR_SIZE_VER0 - 1));
	ASSERT_EQ(EINVAL, errno);
	ASSERT_EQ(-1, sys_open_tree_attr(AT_FDCWD, SRC, OPEN_TREE_CLONE,
					 &mark_attr, sysconf(_SC_PAGESIZE) + 1));
	ASSERT_EQ(E2BIG, errno);
	ASSERT_EQ(-1, sys_open_tree_attr(AT_FDCWD, SRC, OPEN_TREE_CLONE, NULL,
					 sizeof(mark_attr)));
	ASSERT_EQ(EINVAL, errno);
	ASSERT_EQ(next, dup(0));
	ASSERT_EQ(0, close(next));

	/* The clone, and only that */
	clone = open_tree_with(&mark_attr, OPEN_TREE_CLONE);
	ASSERT_EQ(next, clone);
	ASSERT_TRUE(is_marked(clone));
	ASSERT_FALSE(is_marked(self->mnt));

	/* The mount itself */
	mnt = open_tree_with(&mark_attr, 0);
	ASSERT_LE(0, mnt);
	ASSERT_TRUE(is_marked(self->mnt));
	ASSERT_EQ(-1, open_tree_with(&mark_attr, 0));
	ASSERT_EQ(EEXIST, errno);
	/* A clone has the mark already. */
	ASSERT_EQ(-1, open_tree_with(&mark_attr, OPEN_TREE_CLONE));
	ASSERT_EQ(EEXIST, errno);
}

/* open_tree_attr(2) replaces an idmapping by a shift before anybody sees it. */
TEST_F(abi, open_tree_attr_replaces)
{
	const struct mount_attr direct = {
		.attr_set = DIRECT,
		.attr_clr = MOUNT_ATTR_IDMAP,
		.userns_fd = self->userns,
		.origin_uid = ORIGIN,
		.origin_gid = ORIGIN,
		.origin_count = COUNT,
	};
	const struct mount_attr none = { .attr_clr = MOUNT_ATTR_IDMAP };
	int clone;

	ASSERT_EQ(0, idmap(self->detached, self->userns));
	clone = sys_open_tree_attr(self->detached, "", CLONE_TREE | AT_EMPTY_PATH,
				   &direct, sizeof(direct));
	ASSERT_LE(0, clone);
	ASSERT_EQ(DIRECT, mount_attrs(clone));
	ASSERT_OWNER(clone, "", BASE, BASE);
	ASSERT_EQ(MOUNT_ATTR_IDMAP, mount_attrs(self->detached));

	/* And the other way: without an idmapping there is no shift. */
	clone = sys_open_tree_attr(clone, "", CLONE_TREE | AT_EMPTY_PATH, &none,
				   sizeof(none));
	ASSERT_LE(0, clone);
	ASSERT_EQ(0, mount_attrs(clone));
	ASSERT_OWNER(clone, "", ORIGIN, ORIGIN);

	/* mount_setattr(2) does none of this. */
	ASSERT_EQ(EINVAL, try_attr(self->detached, &direct));
	ASSERT_EQ(EINVAL, try_attr(self->detached, &none));
}

TEST_HARNESS_MAIN
