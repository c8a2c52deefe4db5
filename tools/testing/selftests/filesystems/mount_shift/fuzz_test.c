// SPDX-License-Identifier: GPL-2.0
/*
 * mount_shift selftests: arguments of mount_setattr(2), systematic and random
 * ones, against a model
 *
 * The model knows for each call which errors there are reasons for. If there are
 * none, the call has to succeed, and if there are some, to fail with one of them.
 * After each call all that statmount(2) tells of two mounts has to be what the
 * model has, so that a call that fails changes nothing.
 *
 * SHIFT_SEED and SHIFT_LOOPS in the environment have it take other random
 * numbers, and more of them.
 */

#include "shift.h"

#include <stdarg.h>

#define DIRECT		(MOUNT_ATTR_IDMAP | MOUNT_ATTR_SHIFT)

#define ORDINARY	(RESTRICTIONS | MOUNT_ATTR__ATIME |			\
			 MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW)
#define ATIME		(MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME)

#define INVALID_ID	0xffffffffU
#define MAX_PARTS	16

/* Random numbers, the same ones everywhere */
struct random {
	__u64 state;
};

static __u32 next_random(struct random *random)
{
	random->state ^= random->state << 13;
	random->state ^= random->state >> 7;
	random->state ^= random->state << 17;
	return random->state >> 32;
}

static __u32 below(struct random *random, __u32 limit)
{
	return next_random(random) % limit;
}

static bool one_in(struct random *random, __u32 times)
{
	return !below(random, times);
}

/* Maps of ids */

struct part {
	__u32 first, lower, count;
};

struct map {
	unsigned int nr;
	struct part parts[MAX_PARTS];
};

static const struct map no_map;

/* The parts of a map as they are written, in any order, to by-interior order */
static void sort_map(struct map *map)
{
	for (unsigned int i = 1; i < map->nr; i++) {
		for (unsigned int j = i; j; j--) {
			const struct part part = map->parts[j];

			if (map->parts[j - 1].first < part.first)
				break;
			map->parts[j] = map->parts[j - 1];
			map->parts[j - 1] = part;
		}
	}
}

static struct map parse_map(const char *text)
{
	struct map map = {};
	int used;

	while (sscanf(text, "%u %u %u%n", &map.parts[map.nr].first,
		      &map.parts[map.nr].lower, &map.parts[map.nr].count,
		      &used) == 3) {
		text += used;
		map.nr++;
	}
	return map;
}

static __u64 map_size(const struct map *map)
{
	__u64 size = 0;

	for (unsigned int i = 0; i < map->nr; i++)
		size += map->parts[i].count;
	return size;
}

/* What lies behind an id outside, among those that the map has? */
static bool has_lower(const struct map *map, __u32 id)
{
	for (unsigned int i = 0; i < map->nr; i++)
		if (id - map->parts[i].lower < map->parts[i].count)
			return true;
	return false;
}

/* From ids on disk to ids of the kernel, for the ids inside that both have */
static struct map compose(struct map origin, struct map target)
{
	struct map result = {};

	sort_map(&origin);
	sort_map(&target);
	for (unsigned int i = 0; i < origin.nr; i++) {
		for (unsigned int j = 0; j < target.nr; j++) {
			const struct part *o = &origin.parts[i];
			const struct part *t = &target.parts[j];
			struct part *last = &result.parts[result.nr];
			__u64 start, end;

			start = o->first > t->first ? o->first : t->first;
			end = (__u64)o->first + o->count;
			if (end > (__u64)t->first + t->count)
				end = (__u64)t->first + t->count;
			if (start >= end)
				continue;
			last->first = o->lower + (start - o->first);
			last->lower = t->lower + (start - t->first);
			last->count = end - start;
			result.nr++;
		}
	}
	return result;
}

/* User namespaces that the calls may name, first those that are good for it */

#define NR_GOOD_SPACES	4

struct space {
	int fd;
	int error;		/* of whoever names it; 0 if he may */
	struct map uid, gid;
};

/* What the calls are made on */

struct model_mark {
	bool any, revoked, linear, root;
	__u32 by;		/* id of the kernel */
	struct map uid, gid;	/* from ids inside to those on disk */
};

struct model {
	__u64 attrs;
	__u64 locked;		/* which cannot be cleared */
	bool atime_locked;
	struct model_mark *mark;
	bool idmapped, shifted;
	struct map uid, gid;
	__u64 propagation;	/* 0: anything */
};

/* Two mounts, the second one below the first, and who makes the calls */
struct world {
	struct random random;
	struct space *spaces;
	unsigned int nr_spaces;
	struct model mounts[2];
	int fds[2];
	bool attached;
	bool container;		/* with the ids below, on file systems of the host */
	struct map uid, gid;
	unsigned int succeeded, failed, shifted;
	char problem[1000];
};

static bool problem(struct world *world, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(world->problem, sizeof(world->problem), format, args);
	va_end(args);
	return false;
}

/* Reasons to fail */

#define MAX_ERRNO	134

struct reasons {
	bool errors[MAX_ERRNO];
	unsigned int nr;
};

static void reason(struct reasons *reasons, int error)
{
	if (!error)
		return;
	reasons->errors[error] = true;
	reasons->nr++;
}

static void reason_if(struct reasons *reasons, bool true_one, int error)
{
	if (true_one)
		reason(reasons, error);
}

/* The user namespace of a file descriptor, or NULL and a reason to fail */
static const struct space *find_space(const struct world *world, __u64 fd,
				      struct reasons *reasons)
{
	int flags;

	for (unsigned int i = 0; i < world->nr_spaces; i++) {
		if (fd <= INT_MAX && world->spaces[i].fd == (int)fd) {
			reason(reasons, world->spaces[i].error);
			return &world->spaces[i];
		}
	}

	flags = fd <= INT_MAX ? fcntl(fd, F_GETFL) : 0;
	reason(reasons, flags < 0 || flags & O_PATH ? EBADF : EINVAL);
	return NULL;
}

/* The origin of a call, and what is wrong with it */
static void model_origin(const struct world *world, const struct mount_attr *attr,
			 struct model_mark *mark, struct reasons *reasons)
{
	const bool numbers = attr->origin_uid || attr->origin_gid ||
			     attr->origin_count;
	const __u64 uid_end = (__u64)attr->origin_uid + attr->origin_count;
	const __u64 gid_end = (__u64)attr->origin_gid + attr->origin_count;

	if (attr->shift_flags & MOUNT_SHIFT_ORIGIN_USERNS) {
		const struct space *space;

		reason_if(reasons, numbers, EINVAL);
		space = find_space(world, attr->origin_userns_fd, reasons);
		if (!space)
			return;
		mark->uid = space->uid;
		mark->gid = space->gid;
		mark->linear = space->uid.nr == 1 && space->gid.nr == 1 &&
			       !space->uid.parts[0].first &&
			       !space->gid.parts[0].first &&
			       space->uid.parts[0].count ==
			       space->gid.parts[0].count;
	} else {
		reason_if(reasons, attr->origin_userns_fd, EINVAL);
		reason_if(reasons, attr->origin_uid == INVALID_ID ||
			  attr->origin_gid == INVALID_ID ||
			  uid_end > INVALID_ID || gid_end > INVALID_ID,
			  EOVERFLOW);
		mark->linear = true;
		mark->uid.nr = 1;
		mark->uid.parts[0].lower = attr->origin_uid;
		mark->uid.parts[0].count = attr->origin_count ?:
					   INVALID_ID - attr->origin_uid;
		mark->gid.nr = 1;
		mark->gid.parts[0].lower = attr->origin_gid;
		mark->gid.parts[0].count = attr->origin_count ?:
					   INVALID_ID - attr->origin_gid;
	}
	mark->root = has_lower(&mark->uid, 0) || has_lower(&mark->gid, 0);
}

/* What is wrong with a call, whatever it is made on */
static void model_call(const struct world *world, const struct mount_attr *attr,
		       struct model_mark *mark, struct model *mapped,
		       struct reasons *reasons)
{
	const __u64 both = attr->attr_set | attr->attr_clr;
	const __u64 types = MS_SHARED | MS_SLAVE | MS_PRIVATE | MS_UNBINDABLE;
	const bool marks = attr->attr_set & MOUNT_ATTR_SHIFTABLE;
	const bool unmarks = attr->attr_clr & MOUNT_ATTR_SHIFTABLE;
	const bool shifts = attr->attr_set & MOUNT_ATTR_SHIFT;
	const bool idmaps = attr->attr_set & MOUNT_ATTR_IDMAP;
	const bool any = attr->shift_flags & MOUNT_SHIFT_ANY;
	const __u64 atime = attr->attr_set & MOUNT_ATTR__ATIME;
	const struct space *target;
	__u32 flags = 0;

	reason_if(reasons, both & ~(ORDINARY | DIRECT | MOUNT_ATTR_SHIFTABLE),
		  EINVAL);
	reason_if(reasons, attr->propagation & ~types ||
		  (attr->propagation & (attr->propagation - 1)), EINVAL);
	if (attr->attr_clr & MOUNT_ATTR__ATIME)
		reason_if(reasons, (~attr->attr_clr & MOUNT_ATTR__ATIME) ||
			  (atime && atime != MOUNT_ATTR_NOATIME &&
			   atime != MOUNT_ATTR_STRICTATIME), EINVAL);
	else
		reason_if(reasons, atime, EINVAL);
	reason_if(reasons, attr->attr_clr & DIRECT, EINVAL);
	reason_if(reasons, (marks || unmarks) && both & DIRECT, EINVAL);

	if (marks)
		flags |= MOUNT_SHIFT_ANY | MOUNT_SHIFT_ORIGIN_USERNS;
	if (unmarks)
		flags |= MOUNT_SHIFT_REVOKE;
	if (shifts && idmaps)
		flags |= MOUNT_SHIFT_ORIGIN_USERNS;
	reason_if(reasons, attr->shift_flags & ~flags, EINVAL);
	reason_if(reasons, attr->userns_fd && !idmaps &&
		  (marks || unmarks || shifts), EINVAL);

	if (marks || (shifts && idmaps)) {
		model_origin(world, attr, mark, reasons);
	} else {
		reason_if(reasons, attr->origin_uid || attr->origin_gid ||
			  attr->origin_count || attr->origin_userns_fd, EINVAL);
	}
	reason_if(reasons, attr->shiftable_by && (!marks || any), EINVAL);
	if (marks) {
		reason_if(reasons, !attr->origin_count &&
			  !(attr->shift_flags & MOUNT_SHIFT_ORIGIN_USERNS),
			  EINVAL);
		reason_if(reasons, any && mark->root, EINVAL);
		mark->any = any;
		mark->by = INVALID_ID;
		for (unsigned int i = 0; i < world->uid.nr; i++) {
			const struct part *part = &world->uid.parts[i];

			if (attr->shiftable_by - part->first < part->count)
				mark->by = part->lower + attr->shiftable_by -
					   part->first;
		}
		reason_if(reasons, !any && mark->by == INVALID_ID, EINVAL);
	}
	if (shifts && !idmaps)
		reason_if(reasons, attr->propagation &&
			  attr->propagation != MS_PRIVATE, EINVAL);

	if (!idmaps)
		return;
	target = find_space(world, attr->userns_fd, reasons);
	if (!target)
		return;
	mapped->uid = target->uid;
	mapped->gid = target->gid;
	if (!shifts)
		return;

	mapped->uid = compose(mark->uid, target->uid);
	mapped->gid = compose(mark->gid, target->gid);
	if (!(attr->shift_flags & MOUNT_SHIFT_ORIGIN_USERNS) &&
	    !attr->origin_count)
		reason_if(reasons,
			  map_size(&mapped->uid) != map_size(&target->uid) ||
			  map_size(&mapped->gid) != map_size(&target->gid),
			  EOVERFLOW);
	reason_if(reasons, !mapped->uid.nr || !mapped->gid.nr, ERANGE);
}

/* Attributes as they would be */
static __u64 new_attrs(const struct model *mount, const struct mount_attr *attr)
{
	return ((mount->attrs & ~attr->attr_clr) | attr->attr_set) & ORDINARY;
}

/* What is wrong with it for one of the mounts */
static void model_mount(const struct world *world, const struct model *first,
			const struct model *mount, const struct mount_attr *attr,
			const struct model_mark *mark, struct reasons *reasons)
{
	const bool marks = attr->attr_set & MOUNT_ATTR_SHIFTABLE;
	const bool unmarks = attr->attr_clr & MOUNT_ATTR_SHIFTABLE;
	const bool idmaps = attr->attr_set & MOUNT_ATTR_IDMAP;
	const bool delegated = attr->attr_set & MOUNT_ATTR_SHIFT && !idmaps;
	const __u64 attrs = new_attrs(mount, attr);
	const struct model_mark *old = mount->mark;
	bool may;

	reason_if(reasons, mount->locked & ~attrs, EPERM);
	reason_if(reasons, world->container && old &&
		  mount->attrs & ~attrs & RESTRICTIONS, EPERM);
	reason_if(reasons, mount->atime_locked &&
		  (mount->attrs ^ attrs) & ATIME, EPERM);
	reason_if(reasons, (marks || unmarks || idmaps) && world->container,
		  EPERM);
	reason_if(reasons, marks && mount->idmapped, EINVAL);
	reason_if(reasons, marks && old && !unmarks, EEXIST);
	reason_if(reasons, attr->shift_flags & MOUNT_SHIFT_REVOKE && !old, EINVAL);
	reason_if(reasons, idmaps && mount->idmapped, EPERM);
	reason_if(reasons, idmaps && world->attached, EINVAL);
	if (!delegated)
		return;

	may = world->container && old && !old->revoked && old == first->mark &&
	      (old->any || old->by == world->uid.parts[0].lower);
	reason_if(reasons, !may, EPERM);
	reason_if(reasons, world->attached, EINVAL);
	reason_if(reasons, attr->attr_clr & ~attr->attr_set & MOUNT_ATTR_NODEV,
		  EPERM);
	if (may) {
		struct map uid = compose(old->uid, world->uid);
		struct map gid = compose(old->gid, world->gid);

		reason_if(reasons, !uid.nr || !gid.nr, ERANGE);
	}
}

static void apply(const struct world *world, struct model *mount,
		  const struct mount_attr *attr, struct model_mark *mark,
		  const struct model *mapped)
{
	const bool marks = attr->attr_set & MOUNT_ATTR_SHIFTABLE;
	const bool unmarks = attr->attr_clr & MOUNT_ATTR_SHIFTABLE;
	const bool idmaps = attr->attr_set & MOUNT_ATTR_IDMAP;
	const bool shifts = attr->attr_set & MOUNT_ATTR_SHIFT;

	if (shifts && !idmaps)
		mount->locked |= (mount->attrs & RESTRICTIONS) | MOUNT_ATTR_NODEV;
	mount->attrs = new_attrs(mount, attr);
	/* What comes of a slave depends on whether it has a master. */
	if (attr->propagation == MS_SLAVE ||
	    (attr->propagation == MS_SHARED && !mount->propagation))
		mount->propagation = 0;
	else if (attr->propagation == MS_SHARED)
		mount->propagation = MS_SHARED | (mount->propagation & MS_SLAVE);
	else if (attr->propagation)
		mount->propagation = attr->propagation;
	if (shifts && !idmaps) {
		mount->attrs |= MOUNT_ATTR_NODEV;
		mount->propagation = MS_PRIVATE;
		mount->uid = compose(mount->mark->uid, world->uid);
		mount->gid = compose(mount->mark->gid, world->gid);
	}
	if (idmaps) {
		mount->uid = mapped->uid;
		mount->gid = mapped->gid;
	}
	if (idmaps || shifts) {
		mount->idmapped = true;
		mount->shifted = shifts;
	}
	if (unmarks && mount->mark &&
	    attr->shift_flags & MOUNT_SHIFT_REVOKE)
		mount->mark->revoked = true;
	if (unmarks || idmaps || shifts)
		mount->mark = NULL;
	if (marks)
		mount->mark = mark;
}

/* The model and the kernel */

/* What the world sees of a map of a mount */
static void map_text(const struct map *map, const struct map *viewer, char *text,
		     size_t size, __u32 *nr)
{
	size_t len = 0;

	*nr = 0;
	*text = '\0';
	for (unsigned int i = 0; i < map->nr; i++) {
		const struct part *part = &map->parts[i];

		for (unsigned int j = 0; j < viewer->nr; j++) {
			const struct part *v = &viewer->parts[j];
			const __u32 offset = part->lower - v->lower;

			if (offset >= v->count || v->count - offset < part->count)
				continue;
			len += snprintf(text + len, size - len, "%u %u %u,",
					part->first, v->first + offset,
					part->count);
			++*nr;
		}
	}
}

static void kernel_map_text(const char *strings, __u32 nr, char *text, size_t size)
{
	size_t len = 0;

	*text = '\0';
	for (; nr; nr--) {
		len += snprintf(text + len, size - len, "%s,", strings);
		strings += strlen(strings) + 1;
	}
}

static bool check_map(struct world *world, const char *what,
		      const struct map *map, const struct map *viewer,
		      const struct statmount *sm, __u32 nr, __u32 offset)
{
	char expected[1000], seen[1000];
	__u32 expected_nr;

	map_text(map, viewer, expected, sizeof(expected), &expected_nr);
	kernel_map_text(sm->str + offset, nr, seen, sizeof(seen));
	if (nr == expected_nr && !strcmp(expected, seen))
		return true;
	return problem(world, "%s is %s and not %s", what, seen, expected);
}

static bool check_value(struct world *world, const char *what, __u64 expected,
			__u64 seen)
{
	return expected == seen ||
	       problem(world, "%s is %#llx and not %#llx", what, seen, expected);
}

static bool check_mark(struct world *world, const struct model *mount,
		       const struct statmount *sm)
{
	const struct model_mark *mark = mount->mark;
	__u32 uid = 0, gid = 0, count = 0, flags = 0, by = 0;

	if (mark && mark->linear) {
		uid = mark->uid.parts[0].lower;
		gid = mark->gid.parts[0].lower;
		count = mark->uid.parts[0].count;
	} else if (mark) {
		flags |= MOUNT_SHIFT_ORIGIN_USERNS;
	}
	if (mark && mark->any) {
		flags |= MOUNT_SHIFT_ANY;
	} else if (mark) {
		const struct part *part = &world->uid.parts[0];

		by = mark->by - part->lower < part->count ?
		     part->first + mark->by - part->lower : OVERFLOW_ID;
	}
	if (mark && mark->revoked)
		flags |= MOUNT_SHIFT_REVOKE;

	return check_value(world, "origin_uid", uid, sm->mnt_origin_uid) &&
	       check_value(world, "origin_gid", gid, sm->mnt_origin_gid) &&
	       check_value(world, "origin_count", count, sm->mnt_origin_count) &&
	       check_value(world, "shift_flags", flags, sm->mnt_shift_flags) &&
	       check_value(world, "shiftable_by", by, sm->mnt_shiftable_by);
}

#define FUZZ_MASK	(STATMOUNT_MNT_BASIC | STATMOUNT_MNT_SHIFT |	\
			 STATMOUNT_MNT_UIDMAP | STATMOUNT_MNT_GIDMAP)

static bool check_mount(struct world *world, unsigned int index)
{
	const struct model *mount = &world->mounts[index];
	struct statmount *sm;
	__u64 attrs, mask;
	bool good;

	sm = statmount_fd(world->fds[index], FUZZ_MASK);
	if (!sm)
		return problem(world, "statmount: %s", strerror(errno));

	attrs = mount->attrs;
	mask = STATMOUNT_MNT_BASIC;
	if (mount->mark) {
		attrs |= MOUNT_ATTR_SHIFTABLE;
		mask |= STATMOUNT_MNT_SHIFT;
	}
	if (mount->idmapped) {
		attrs |= MOUNT_ATTR_IDMAP;
		mask |= STATMOUNT_MNT_UIDMAP | STATMOUNT_MNT_GIDMAP;
	}
	if (mount->shifted)
		attrs |= MOUNT_ATTR_SHIFT;

	good = check_value(world, "attributes", attrs, sm->mnt_attr) &&
	       check_value(world, "mask", mask, sm->mask) &&
	       (!mount->propagation ||
		check_value(world, "propagation", mount->propagation,
			    sm->mnt_propagation)) &&
	       check_mark(world, mount, sm) &&
	       check_map(world, "uid map", mount->idmapped ? &mount->uid : &no_map,
			 &world->uid, sm, sm->mnt_uidmap_num, sm->mnt_uidmap) &&
	       check_map(world, "gid map", mount->idmapped ? &mount->gid : &no_map,
			 &world->gid, sm, sm->mnt_gidmap_num, sm->mnt_gidmap);
	free(sm);
	return good;
}

/* One call on mount @index, and what it leads to */
static bool step(struct world *world, const struct mount_attr *attr,
		 unsigned int index, bool recursive)
{
	const unsigned int last = recursive ? ARRAY_SIZE(world->mounts) - 1 : index;
	const bool no_op = !attr->attr_set && !attr->attr_clr &&
			   !attr->propagation;
	/* A few hundred bytes that a mount may refer to from now on */
	struct model_mark *mark = calloc(1, sizeof(*mark));
	char *before = NULL, *after;
	struct reasons reasons = {};
	struct model mapped = {};
	bool same;
	int error;

	if (!mark)
		return problem(world, "no memory");
	model_call(world, attr, mark, &mapped, &reasons);
	/* The lower mount of a detached tree is nobody's to change. */
	reason_if(&reasons, index && !world->attached && !no_op, EINVAL);
	for (unsigned int i = index; i <= last && !no_op; i++)
		model_mount(world, &world->mounts[index], &world->mounts[i],
			    attr, mark, &reasons);

	if (reasons.nr)
		before = mountinfo_all();
	error = sys_mount_setattr(world->fds[index], "", AT_EMPTY_PATH |
				  (recursive ? AT_RECURSIVE : 0), attr,
				  sizeof(*attr)) ? errno : 0;
	if (error >= MAX_ERRNO || (error ? !reasons.errors[error] : reasons.nr)) {
		size_t len = snprintf(world->problem, sizeof(world->problem),
				      "errno %d, with reasons for", error);

		free(before);
		for (int i = 0; i < MAX_ERRNO; i++)
			if (reasons.errors[i])
				len += snprintf(world->problem + len,
						sizeof(world->problem) - len,
						" %d", i);
		return false;
	}

	if (error) {
		world->failed++;
		after = mountinfo_all();
		same = before && after && !strcmp(before, after);
		free(before);
		free(after);
		if (!same)
			return problem(world, "mountinfo differs after errno %d",
				       error);
	} else {
		world->succeeded++;
		if (attr->attr_set & MOUNT_ATTR_SHIFT)
			world->shifted++;
		for (unsigned int i = index; i <= last && !no_op; i++)
			apply(world, &world->mounts[i], attr, mark, &mapped);
	}
	return check_mount(world, 0) && check_mount(world, 1);
}

/* Calls that make sense, most of the time */

static const __u32 numbers[] = {
	0, 1, 2, 100, 999, 1000, 65535, 65536, 70000, ORIGIN, BASE, BASE_B,
	0x7fffffff, 0x80000000, 0xfffffffd, 0xfffffffe, 0xffffffff,
};

static __u32 some_number(struct random *random)
{
	switch (below(random, 4)) {
	case 0:
		return next_random(random);
	case 1:
		return below(random, 200000);
	default:
		return numbers[below(random, ARRAY_SIZE(numbers))];
	}
}

static int some_space(const struct world *world, struct random *random)
{
	/* The good ones come first, and more often. */
	if (!one_in(random, 4))
		return world->spaces[below(random, NR_GOOD_SPACES)].fd;
	if (one_in(random, 2))
		return below(random, 40);
	return world->spaces[below(random, world->nr_spaces)].fd;
}

static __u64 some_attrs(struct random *random)
{
	__u64 attrs = next_random(random) & RESTRICTIONS;

	attrs |= next_random(random) & (MOUNT_ATTR_NODIRATIME |
					MOUNT_ATTR_NOSYMFOLLOW);
	return one_in(random, 2) ? attrs & next_random(random) : 0;
}

static void some_origin(const struct world *world, struct random *random,
			struct mount_attr *attr)
{
	if (one_in(random, 3)) {
		attr->shift_flags |= MOUNT_SHIFT_ORIGIN_USERNS;
		attr->origin_userns_fd = some_space(world, random);
	} else {
		attr->origin_uid = some_number(random);
		attr->origin_gid = one_in(random, 2) ? some_number(random) :
						       attr->origin_uid;
		attr->origin_count = some_number(random);
	}
}

static struct mount_attr some_call(const struct world *world,
				   struct random *random)
{
	static const __u64 types[] = {
		MS_PRIVATE, MS_SHARED, MS_SLAVE, MS_UNBINDABLE,
	};
	struct mount_attr attr = {};

	switch (below(random, 8)) {
	case 0:
	case 1:
		attr.attr_set = MOUNT_ATTR_SHIFTABLE;
		if (!one_in(random, 3))
			attr.attr_clr = MOUNT_ATTR_SHIFTABLE;
		some_origin(world, random, &attr);
		if (one_in(random, 3))
			attr.shift_flags |= MOUNT_SHIFT_ANY;
		else
			attr.shiftable_by = one_in(random, 2) ?
					    BASE : some_number(random);
		break;
	case 2:
		attr.attr_clr = MOUNT_ATTR_SHIFTABLE;
		if (one_in(random, 2))
			attr.shift_flags = MOUNT_SHIFT_REVOKE;
		break;
	case 3:
	case 4:
		attr.attr_set = DIRECT;
		attr.userns_fd = some_space(world, random);
		some_origin(world, random, &attr);
		if (one_in(random, 3))
			attr.origin_count = 0;
		break;
	case 5:
	case 6:
		attr.attr_set = MOUNT_ATTR_SHIFT;
		if (one_in(random, 4))
			attr.propagation = MS_PRIVATE;
		break;
	default:
		if (one_in(random, 2)) {
			attr.attr_set = MOUNT_ATTR_IDMAP;
			attr.userns_fd = some_space(world, random);
		}
		break;
	}

	attr.attr_set |= some_attrs(random);
	attr.attr_clr |= some_attrs(random);
	if (one_in(random, 12)) {
		attr.attr_clr |= MOUNT_ATTR__ATIME;
		attr.attr_set |= next_random(random) & MOUNT_ATTR__ATIME;
	}
	if (one_in(random, 16))
		attr.propagation = types[below(random, ARRAY_SIZE(types))];
	return attr;
}

/* Spoils some of it. */
static void mutate(const struct world *world, struct random *random,
		   struct mount_attr *attr)
{
	__u64 *const wide[] = {
		&attr->attr_set, &attr->attr_clr, &attr->propagation,
		&attr->userns_fd,
	};
	__u32 *const narrow[] = {
		&attr->origin_uid, &attr->origin_gid, &attr->origin_count,
		&attr->shift_flags, &attr->shiftable_by,
		&attr->origin_userns_fd,
	};

	while (one_in(random, 3)) {
		__u64 *value = wide[below(random, ARRAY_SIZE(wide))];

		switch (below(random, 5)) {
		case 0:
			*value ^= 1ULL << below(random, 64);
			break;
		case 1:
			*value ^= 1ULL << (20 + below(random, 4));
			break;
		case 2:
			attr->shift_flags ^= 1U << below(random, 4);
			break;
		case 3:
			attr->origin_userns_fd = some_space(world, random);
			break;
		default:
			*narrow[below(random, ARRAY_SIZE(narrow))] =
				some_number(random);
			break;
		}
	}
}

static unsigned long from_environment(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

/* The same, with a report if it goes wrong */
static bool reported_step(struct world *world, const struct mount_attr *attr,
			  unsigned int index, bool recursive)
{
	if (step(world, attr, index, recursive))
		return true;
	printf("# set %#llx clear %#llx propagation %#llx userns %lld\n",
	       attr->attr_set, attr->attr_clr, attr->propagation,
	       (long long)attr->userns_fd);
	printf("# origin %u %u %u flags %#x by %u userns %d, mount %u%s\n",
	       attr->origin_uid, attr->origin_gid, attr->origin_count,
	       attr->shift_flags, attr->shiftable_by,
	       (int)attr->origin_userns_fd, index, recursive ? " and below" : "");
	printf("# %s\n", world->problem);
	fflush(stdout);
	return false;
}

/* @renew, if there is one, makes other mounts now and then. */
static bool fuzz(struct world *world, unsigned long loops,
		 bool (*renew)(struct world *world))
{
	world->random.state = from_environment("SHIFT_SEED", 0x5eed) + 1;
	for (unsigned long i = 0; i < loops; i++) {
		struct mount_attr attr = some_call(world, &world->random);
		const bool recursive = one_in(&world->random, 2);
		const unsigned int index = one_in(&world->random, 4);

		mutate(world, &world->random, &attr);
		if (renew && (!i || one_in(&world->random,
					   world->mounts[0].idmapped ? 3 : 20)) &&
		    !renew(world))
			return false;
		if (!reported_step(world, &attr, index, recursive))
			return false;
	}
	return true;
}

/*
 * Nothing random: every kind of call, with each member in turn replaced by each
 * of the values that are at a boundary of something.
 */
static bool all_members(struct world *world, bool (*renew)(struct world *world))
{
	const int space = world->spaces[0].fd;
	const struct mount_attr calls[] = {
		{},
		{ .attr_set = MOUNT_ATTR_NODEV },
		{ .attr_clr = MOUNT_ATTR_NODEV },
		{ .propagation = MS_PRIVATE },
		MARK(BASE),
		{
			.attr_set = MOUNT_ATTR_SHIFTABLE,
			.attr_clr = MOUNT_ATTR_SHIFTABLE,
			.origin_uid = 1,
			.origin_gid = 1,
			.origin_count = 1,
			.shift_flags = MOUNT_SHIFT_ANY,
		},
		{
			.attr_set = MOUNT_ATTR_SHIFTABLE,
			.attr_clr = MOUNT_ATTR_SHIFTABLE,
			.shift_flags = MOUNT_SHIFT_ORIGIN_USERNS,
			.origin_userns_fd = world->spaces[1].fd,
		},
		{ .attr_clr = MOUNT_ATTR_SHIFTABLE },
		{
			.attr_clr = MOUNT_ATTR_SHIFTABLE,
			.shift_flags = MOUNT_SHIFT_REVOKE,
		},
		{ .attr_set = MOUNT_ATTR_SHIFT },
		{ .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = space },
		{ .attr_set = DIRECT, .userns_fd = space },
		{
			.attr_set = DIRECT,
			.userns_fd = space,
			.origin_uid = ORIGIN,
			.origin_gid = ORIGIN,
			.origin_count = COUNT,
		},
		{
			.attr_set = DIRECT,
			.userns_fd = space,
			.shift_flags = MOUNT_SHIFT_ORIGIN_USERNS,
			.origin_userns_fd = world->spaces[1].fd,
		},
	};
	__u64 values[100];
	size_t nr = 0;

	for (int bit = 0; bit < 64; bit++)
		values[nr++] = 1ULL << bit;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		values[nr++] = numbers[i];
	for (unsigned int i = 0; i < world->nr_spaces; i++)
		values[nr++] = world->spaces[i].fd;
	values[nr++] = 1ULL << 32 | space;
	values[nr++] = DIRECT;
	values[nr++] = DIRECT | MOUNT_ATTR_SHIFTABLE;
	values[nr++] = -1ULL;

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		for (size_t at = 0; at < sizeof(struct mount_attr);) {
			const size_t size = at < MOUNT_ATTR_SIZE_VER0 ?
					    sizeof(__u64) : sizeof(__u32);

			for (size_t j = 0; j < nr; j++) {
				struct mount_attr attr = calls[i];
				const __u32 narrow = values[j];

				if (size == sizeof(narrow) && narrow != values[j])
					continue;
				if (size == sizeof(narrow))
					memcpy((char *)&attr + at, &narrow, size);
				else
					memcpy((char *)&attr + at, &values[j],
					       size);
				if (renew && (!world->fds[0] ||
					      world->mounts[0].idmapped) &&
				    !renew(world))
					return false;
				if (!reported_step(world, &attr, 0, j & 1))
					return false;
			}
			at += size;
		}
	}
	return true;
}

static const struct map all_ids = { 1, { { 0, 0, INVALID_ID } } };

FIXTURE(fuzz)
{
	struct space spaces[NR_GOOD_SPACES + 2];
	struct world world;
	int mnt;
};

FIXTURE_SETUP(fuzz)
{
	static const char * const maps[NR_GOOD_SPACES][2] = {
		{ "0 200000 65536", "0 200000 65536" },
		{ "0 300000 1000\n1000 500000 1000\n70000 700000 70000",
		  "0 300000 1000" },
		{ "0 100000 500\n500 100500 500\n2000 1 10", "10 5 5\n0 0 5" },
		{ "4294967000 400000 290", "0 400000 65536" },
	};
	const char *reason = shift_unavailable();
	struct world *world = &self->world;
	struct space *space = self->spaces;
	int null;

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, scratch_setup());
	self->mnt = source_setup();
	ASSERT_LE(0, self->mnt);
	ASSERT_EQ(0, mkdir(SRC "/below", 0755));
	ASSERT_EQ(0, tmpfs_mount(SRC "/below", "0755"));

	/* No namespace, and not always open */
	null = open("/dev/null", O_RDONLY);
	ASSERT_LE(0, null);
	ASSERT_EQ(0, dup2(null, 0));

	for (int i = 0; i < NR_GOOD_SPACES; i++) {
		*space = (struct space){
			.fd = userns_open(maps[i][0], maps[i][1]),
			.uid = parse_map(maps[i][0]),
			.gid = parse_map(maps[i][1]),
		};
		ASSERT_LE(0, space->fd);
		space++;
	}
	*space++ = (struct space){
		.fd = userns_open(NULL, NULL),
		.error = EINVAL,
	};
	*space++ = (struct space){
		.fd = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC),
		.error = EPERM,
	};
	ASSERT_EQ(ARRAY_SIZE(self->spaces), space - self->spaces);

	memset(world, 0, sizeof(*world));
	world->spaces = self->spaces;
	world->nr_spaces = ARRAY_SIZE(self->spaces);
	world->uid = all_ids;
	world->gid = all_ids;
	world->mounts[0].propagation = MS_PRIVATE;
	world->mounts[1].propagation = MS_PRIVATE;
}

FIXTURE_TEARDOWN(fuzz)
{
}

#define FUZZ_TIMEOUT	300
#define FUZZ_LOOPS	3000

static unsigned long fuzz_loops(void)
{
	return from_environment("SHIFT_LOOPS", FUZZ_LOOPS);
}

/* Calls that all fail would prove nothing. */
static bool enough(const struct world *world, unsigned int shifted)
{
	printf("# %u calls succeeded, among them %u shifts, and %u failed\n",
	       world->succeeded, world->shifted, world->failed);
	fflush(stdout);
	return world->succeeded > FUZZ_LOOPS / 20 &&
	       world->failed > FUZZ_LOOPS / 20 && world->shifted >= shifted;
}

/* The host, on attached mounts: marks come and go, nothing is shifted. */
TEST_F_TIMEOUT(fuzz, attached, FUZZ_TIMEOUT)
{
	struct world *world = &self->world;

	world->attached = true;
	world->fds[0] = self->mnt;
	world->fds[1] = open_mount(SRC "/below");
	ASSERT_LE(0, world->fds[1]);
	ASSERT_TRUE(fuzz(world, fuzz_loops(), NULL))
		TH_LOG("%s", world->problem);
	ASSERT_TRUE(enough(world, 0));
}

/* Each member with each special value, on attached mounts */
TEST_F_TIMEOUT(fuzz, all_members_attached, FUZZ_TIMEOUT)
{
	struct world *world = &self->world;

	world->attached = true;
	world->fds[0] = self->mnt;
	world->fds[1] = open_mount(SRC "/below");
	ASSERT_LE(0, world->fds[1]);
	ASSERT_TRUE(all_members(world, NULL))
		TH_LOG("%s", world->problem);
	ASSERT_TRUE(enough(world, 0));
}

static bool renew_clone(struct world *world)
{
	if (world->fds[0]) {
		close(world->fds[0]);
		close(world->fds[1]);
	}
	world->fds[0] = clone_tree(SRC);
	if (world->fds[0] < 0)
		return problem(world, "clone: %s", strerror(errno));
	world->fds[1] = openat(world->fds[0], "below", O_PATH | O_CLOEXEC);
	if (world->fds[1] < 0)
		return problem(world, "below: %s", strerror(errno));
	return true;
}

static bool renew_host(struct world *world)
{
	const struct model fresh = { .propagation = MS_PRIVATE };

	world->mounts[0] = fresh;
	world->mounts[1] = fresh;
	return renew_clone(world);
}

/* The host, on detached mounts: idmapped and shifted in the direct form, too */
TEST_F_TIMEOUT(fuzz, detached, FUZZ_TIMEOUT)
{
	struct world *world = &self->world;

	ASSERT_TRUE(fuzz(world, fuzz_loops(), renew_host))
		TH_LOG("%s", world->problem);
	ASSERT_TRUE(enough(world, FUZZ_LOOPS / 30));
}

/* The same on detached ones, which can be shifted and idmapped */
TEST_F_TIMEOUT(fuzz, all_members_detached, FUZZ_TIMEOUT)
{
	struct world *world = &self->world;

	ASSERT_TRUE(all_members(world, renew_host))
		TH_LOG("%s", world->problem);
	ASSERT_TRUE(enough(world, FUZZ_LOOPS / 100));
}

/* What every clone of a container starts as */
static struct model template[2];

static bool renew_container(struct world *world)
{
	memcpy(world->mounts, template, sizeof(template));
	return renew_clone(world);
}

#define NR_WAYS		13

static int fuzz_in_container(void *arg)
{
	return fuzz(arg, fuzz_loops() / NR_WAYS, renew_container) ? 0 : 1;
}

/* A container, on clones of mounts that the host has marked in several ways */
TEST_F_TIMEOUT(fuzz, container, FUZZ_TIMEOUT)
{
	const struct {
		const char *what;
		__u32 by, uid, gid, count, flags;
		__u64 attrs;
		unsigned int space;
		int below;	/* marked in the same call, on its own, not */
		bool revoked;
		bool shared;
	} ways[] = {
		{ "usual", BASE, ORIGIN, ORIGIN, COUNT },
		{ "few ids", BASE, 0, 0xfffffffe, 1 },
		{ "all ids", BASE, 0, 0, 0xffffffff },
		{ "rdonly and noexec", BASE, ORIGIN, ORIGIN, COUNT,
		  .attrs = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC },
		{ "nosuid and nodev", BASE, ORIGIN, ORIGIN, COUNT,
		  .attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV },
		{ "anybody", 0, ORIGIN, 7, COUNT, MOUNT_SHIFT_ANY },
		{ "origin namespace", 0, .space = 1,
		  .flags = MOUNT_SHIFT_ORIGIN_USERNS | MOUNT_SHIFT_ANY },
		{ "origin namespace with root", BASE, .space = 2,
		  .flags = MOUNT_SHIFT_ORIGIN_USERNS },
		{ "another container", BASE_B, ORIGIN, ORIGIN, COUNT },
		{ "marked apart", BASE, ORIGIN, ORIGIN, COUNT, .below = 1 },
		{ "not marked below", BASE, ORIGIN, ORIGIN, COUNT, .below = 2 },
		{ "revoked", BASE, ORIGIN, ORIGIN, COUNT, .revoked = true },
		{ "shared", BASE, ORIGIN, ORIGIN, COUNT, .shared = true },
	};
	const int mnt_below = open_mount(SRC "/below");
	struct space spaces[ARRAY_SIZE(self->spaces)];
	struct world *world;

	ASSERT_LE(0, mnt_below);
	ASSERT_EQ(NR_WAYS, ARRAY_SIZE(ways));
	world = shared_alloc(sizeof(*world));
	ASSERT_NE(NULL, world);
	*world = self->world;
	world->container = true;
	world->spaces = spaces;
	world->uid = parse_map(map_of(BASE));
	world->gid = world->uid;

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct mount_attr attr = {
			.attr_set = MOUNT_ATTR_SHIFTABLE | ways[i].attrs,
			.attr_clr = MOUNT_ATTR_SHIFTABLE | RESTRICTIONS,
			.origin_uid = ways[i].uid,
			.origin_gid = ways[i].gid,
			.origin_count = ways[i].count,
			.propagation = ways[i].shared ? MS_SHARED : MS_PRIVATE,
			.shift_flags = ways[i].flags,
			.shiftable_by = ways[i].by,
		};
		struct reasons reasons = {};
		struct model_mark marks[2] = {};
		struct model unused;
		struct container c;
		int clone = -1;

		if (ways[i].flags & MOUNT_SHIFT_ORIGIN_USERNS)
			attr.origin_userns_fd = self->spaces[ways[i].space].fd;
		ASSERT_EQ(0, set_attr_recursive(self->mnt, &attr))
			TH_LOG("%s: %m", ways[i].what);
		if (ways[i].below == 1)
			ASSERT_EQ(0, set_attr(mnt_below, &attr));
		if (ways[i].below == 2)
			ASSERT_EQ(0, unmark(mnt_below));
		if (ways[i].revoked)
			clone = clone_mount(SRC);

		/* The same in the model, as the host */
		model_call(&self->world, &attr, &marks[0], &unused, &reasons);
		ASSERT_EQ(0, reasons.nr);
		marks[0].revoked = ways[i].revoked;
		marks[1] = marks[0];
		for (int j = 0; j < 2; j++) {
			template[j] = (struct model){
				.attrs = ways[i].attrs,
				.locked = ways[i].attrs,
				.atime_locked = true,
				.mark = &marks[j && ways[i].below],
				.propagation = ways[i].shared ? MS_SLAVE :
								MS_PRIVATE,
			};
		}
		if (ways[i].below == 2)
			template[1].mark = NULL;

		ASSERT_EQ(0, container_make(&c, BASE));
		if (ways[i].revoked)
			ASSERT_EQ(0, mark_revoke(clone));

		/* A container controls its own user namespace and no other. */
		memcpy(spaces, self->spaces, sizeof(spaces));
		for (size_t j = 0; j < ARRAY_SIZE(spaces); j++)
			spaces[j].error = EPERM;
		spaces[0] = (struct space){
			.fd = c.user.fd,
			.uid = world->uid,
			.gid = world->gid,
		};
		ASSERT_EQ(0, in_container(&c, fuzz_in_container, world))
			TH_LOG("%s: %s", ways[i].what, world->problem);
		container_end(&c);
	}
	ASSERT_TRUE(enough(world, FUZZ_LOOPS / 30));
}

TEST_HARNESS_MAIN
