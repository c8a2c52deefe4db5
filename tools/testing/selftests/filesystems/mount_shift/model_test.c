// SPDX-License-Identifier: GPL-2.0
/*
 * mount_shift selftests: random sequences of operations on shiftable mounts,
 * against a model
 *
 * The actors are root and a user of the host, and processes in user and mount
 * namespaces of their own: two containers, one in a container, and two that users
 * have made for themselves. One process, which is none of them, picks an actor, an
 * operation and its arguments by random numbers, has the actor do it, and waits.
 * The model knows for each operation which errors there are reasons for. If there
 * are none it has to succeed, and if there are some, to fail with one of them.
 *
 * After each step the mounts and files have to be what the model says. What must
 * never happen at all is checked apart from it: see check_never(), check_owner() and
 * check_shift().
 *
 * Where mounts appear by propagation, and which ones go with another one, is not
 * predicted but looked up: it is the marks, mappings, owners and restrictions that
 * the model is about.
 *
 * CREDFD_SEED in the environment is where the random numbers start, CREDFD_STEPS
 * how many steps there are. The same seed gives the same steps. If one goes wrong,
 * the seed and the last steps are told.
 */

#include "model.h"

#include <linux/nsfs.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/random.h>

#define MAX_ERRNO	134

#define DEFAULT_STEPS	8000
#define TIMEOUT		7200	/* seconds, for a million steps */

/* Random numbers, the same ones everywhere */

static __u32 next_random(__u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> 32;
}

/* Marks and mappings */

struct origin {
	__u32 first;		/* id in the container */
	__u32 uid, gid, count;	/* ids on disk */
};

struct mark {
	struct origin origin;
	bool any, revoked;
	__u32 by;		/* id of the kernel */
};

/* From ids on disk to ids of the kernel */
struct map {
	__u32 uid, gid, lower, count;
};

static struct map compose(const struct origin *o, const struct space *t)
{
	const __u64 o_end = (__u64)o->first + o->count;
	const __u64 t_end = (__u64)t->first + t->count;
	const __u64 start = o->first > t->first ? o->first : t->first;
	const __u64 end = o_end < t_end ? o_end : t_end;
	struct map map = {};

	if (start >= end)
		return map;
	map.uid = o->uid + (start - o->first);
	map.gid = o->gid + (start - o->first);
	map.lower = t->lower + (start - t->first);
	map.count = end - start;
	return map;
}

static bool has_root(const struct origin *o)
{
	return !o->uid || !o->gid;
}

/* Mounts */

struct state {
	int fs;
	__u64 attrs;
	__u64 locked;		/* which cannot be cleared */
	struct mark *mark;
	bool idmapped, shifted, private;
	struct map map;
	/* What came of a shift by way of a mark, for check_never() */
	bool delegated;
	struct mark granted;
	int granted_to;
	__u64 floor;
};

#define DETACHED	(-1)
#define BELOW_DETACHED	(-2)
#define LOST		(-3)	/* unmounted, but open */

struct mount {
	bool used, seen;
	int ns, place;
	__u64 id;		/* 0: attached just now */
	int fd;			/* if it is not attached */
	__u64 home;		/* the mount namespace in which it was cloned, or 0 */
	int below;		/* on a detached mount */
	bool fixed;		/* cannot be unmounted */
	bool shared;		/* what is mounted on it propagates */
	int writers;
	struct state state;
};

struct ns {
	bool used;
	int space, users, fd;
	__u64 id;
	__u64 scratch, shared;	/* mounts that are always there */
};

/* A file that is open for writing through a mount */
struct writer {
	int fd, mount;
	unsigned int serial;
};

struct actor {
	const char *name;
	int space;
	__u32 id;		/* in its user namespace */
	bool caps;
	__u32 exec_id;		/* who runs programs */
	pid_t pid;
	int sock, ns, spare;
};

enum {
	ROOT, NOBODY, ROOT_A, USER_A, ROOT_B, ROOT_NESTED, MAKER, AWAY_MAKER,
	NR_ACTORS
};

static const struct actor all_actors[NR_ACTORS] = {
	[ROOT]        = { "root", HOST, 0, true, USER },
	[NOBODY]      = { "user", HOST, USER, false, USER },
	[ROOT_A]      = { "a", A, 0, true, 1000 },
	[USER_A]      = { "a-user", A, 1000, false, 1000 },
	[ROOT_B]      = { "b", B, 0, true, 1000 },
	[ROOT_NESTED] = { "nested", NESTED, 0, true, 1000 },
	[MAKER]       = { "single", SINGLE, 5, true, 5 },
	[AWAY_MAKER]  = { "away", AWAY, 900000, true, 900000 },
};

#define MAX_MOUNTS	200
#define MAX_NS		(2 * NR_ACTORS)
#define MAX_DETACHED	6
#define MAX_LOST	2
#define MAX_WRITERS	2
#define HISTORY		20
#define LINE		200

/* What an operation makes appear, besides the mounts that it is about */
struct expected {
	bool attaches, unmounts;
	int space;			/* of the mount namespace */
	int place, copied_ns;
	struct state top, below;
	bool below_fixed;
};

struct world {
	__u64 random;
	unsigned long steps, succeeded, failed, shifts, serial;
	struct space spaces[NR_SPACES];
	struct actor actors[NR_ACTORS];
	struct fs fs[NR_FS];
	struct ns ns[MAX_NS];
	struct mount mounts[MAX_MOUNTS];
	struct mount raw[NR_FS];	/* for those who control the file system */
	struct writer writers[MAX_WRITERS];
	struct expected expected;
	/* In this step: which mount, and whether mounts may be other ones now */
	const struct mount *touched;
	bool changed;
	struct reply reply;
	int made;
	struct statmount *sm;
	char history[HISTORY][LINE];
	char problem[1000];
};

static __u32 below(struct world *w, __u32 limit)
{
	return next_random(&w->random) % limit;
}

static bool one_in(struct world *w, __u32 times)
{
	return !below(w, times);
}

static bool problem(struct world *w, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(w->problem, sizeof(w->problem), format, args);
	va_end(args);
	return false;
}

/* Adds to what is told about the current step if something goes wrong. */
static void say(struct world *w, const char *format, ...)
{
	char *line = w->history[w->steps % HISTORY];
	const size_t len = strlen(line);
	va_list args;

	va_start(args, format);
	vsnprintf(line + len, LINE - len, format, args);
	va_end(args);
}

/* Reasons to fail */

struct reasons {
	bool errors[MAX_ERRNO];
	bool may[MAX_ERRNO];	/* it depends on what the model does not know */
	unsigned int nr;
};

static void reason_if(struct reasons *reasons, bool true_one, int error)
{
	if (!true_one)
		return;
	reasons->errors[error] = true;
	reasons->nr++;
}

/* The errno, or 0. A file descriptor that was made, or -1, is in @w. */
static int call(struct world *w, const struct actor *actor, struct request *r)
{
	struct reply *reply = &w->reply;
	int fds[NR_FDS], nr = 0;

	w->made = -1;
	for (int i = 0; i < NR_FDS; i++)
		if (r->fds[i] >= 0)
			fds[nr++] = r->fds[i];
	if (send_message(actor->sock, r, sizeof(*r), fds, nr) ||
	    recv_message(actor->sock, reply, sizeof(*reply), &w->made) < 0)
		reply->error = ECONNRESET;
	if (!reply->error && r->op < CREATE)
		w->changed = true;
	return reply->error;
}

#define REQUEST(what)	{ .op = what, .fds = { -1, -1, -1 } }

/* What came of an operation. FAILED is what it is if it had to fail. */
enum outcome { WRONG, DONE, FAILED, NOTHING };

/* Has an actor do something. */
static enum outcome attempt(struct world *w, const struct actor *actor,
			    struct request *r, const struct reasons *reasons)
{
	const int error = call(w, actor, r);
	size_t len;

	say(w, ": %s", error ? strerror(error) : "fine");
	if (!error && !reasons->nr) {
		w->succeeded++;
		return DONE;
	}
	if (error && error < MAX_ERRNO &&
	    (reasons->errors[error] || reasons->may[error])) {
		w->failed++;
		return FAILED;
	}

	problem(w, "errno %d, with reasons for", error);
	len = strlen(w->problem);
	for (int i = 0; i < MAX_ERRNO; i++)
		if (reasons->errors[i])
			len += snprintf(w->problem + len, sizeof(w->problem) - len,
					" %d", i);
	return WRONG;
}

/* Who may what */

static bool is_within(const struct world *w, int space, int outer)
{
	for (; space >= 0; space = w->spaces[space].parent)
		if (space == outer)
			return true;
	return false;
}

static bool controls(const struct world *w, const struct actor *actor, int space)
{
	return actor->caps && is_within(w, space, actor->space);
}

/* Ids of files, as the kernel has them behind a mount, and on disk */

static __u32 shown_id(const struct world *w, const struct state *s, __u32 id,
		      bool group)
{
	const __u32 first = group ? s->map.gid : s->map.uid;

	if (!s->idmapped)
		return space_down(&w->spaces[w->fs[s->fs].space], id);
	return id - first < s->map.count ? s->map.lower + (id - first) : INVALID_ID;
}

static __u32 stored_id(const struct world *w, const struct state *s, __u32 id,
		       bool group)
{
	const struct space *space = &w->spaces[w->fs[s->fs].space];
	const __u32 first = group ? s->map.gid : s->map.uid;

	if (id == INVALID_ID)
		return INVALID_ID;
	if (!s->idmapped)
		return space_up(space, id);
	if (id - s->map.lower >= s->map.count)
		return INVALID_ID;
	id = first + (id - s->map.lower);
	return space_down(space, id) == INVALID_ID ? INVALID_ID : id;
}

/* A process: what counts for access to files */
struct who {
	const struct space *space;
	__u32 id;		/* of the kernel, of the user and the group */
	bool caps;
};

static struct who who_is(const struct world *w, const struct actor *actor)
{
	const struct space *space = &w->spaces[actor->space];

	return (struct who){ space, space_down(space, actor->id), actor->caps };
}

static bool unmapped(const struct world *w, const struct state *s,
		     const struct file *file)
{
	return shown_id(w, s, file->uid, false) == INVALID_ID ||
	       shown_id(w, s, file->gid, true) == INVALID_ID;
}

/* Do capabilities apply to the file? */
static bool privileged(const struct world *w, const struct who *who,
		       const struct state *s, const struct file *file)
{
	return who->caps &&
	       space_up(who->space, shown_id(w, s, file->uid, false)) != INVALID_ID &&
	       space_up(who->space, shown_id(w, s, file->gid, true)) != INVALID_ID;
}

static bool may_access(const struct world *w, const struct who *who,
		       const struct state *s, const struct file *file,
		       unsigned int want)
{
	unsigned int bits = file->mode;

	if (want & 2 && unmapped(w, s, file))
		return false;
	if (shown_id(w, s, file->uid, false) == who->id)
		bits >>= 6;
	else if (shown_id(w, s, file->gid, true) == who->id)
		bits >>= 3;
	if ((bits & want) == want)
		return true;
	return privileged(w, who, s, file) &&
	       (is_directory(file) || !(want & 1) || file->mode & 0111);
}

/* Mounts of the model */

static struct mount *find_mount(struct world *w, int ns, int place)
{
	for (int i = 0; i < MAX_MOUNTS; i++) {
		struct mount *m = &w->mounts[i];

		if (m->used && m->ns == ns && m->place == place)
			return m;
	}
	return NULL;
}

static struct mount *mount_below(struct world *w, struct mount *m)
{
	if (m->ns == DETACHED)
		return m->below >= 0 ? &w->mounts[m->below] : NULL;
	if (m->ns < 0 || m->place >= NR_TOPS)
		return NULL;
	return find_mount(w, m->ns, m->place + NR_TOPS);
}

static unsigned int count_mounts(const struct world *w, int ns)
{
	unsigned int nr = 0;

	for (int i = 0; i < MAX_MOUNTS; i++)
		nr += w->mounts[i].used && w->mounts[i].ns == ns;
	return nr;
}

static struct mount *new_mount(struct world *w, int ns, const struct state *state)
{
	for (int i = 0; i < MAX_MOUNTS; i++) {
		if (w->mounts[i].used)
			continue;
		w->mounts[i] = (struct mount){
			.used = true,
			.ns = ns,
			.place = -1,
			.fd = -1,
			.below = -1,
			.state = *state,
		};
		return &w->mounts[i];
	}
	return NULL;
}

static void forget_mount(struct world *w, struct mount *m)
{
	if (m->fd >= 0)
		close(m->fd);
	if (m->ns == DETACHED && m->below >= 0)
		forget_mount(w, &w->mounts[m->below]);
	for (int i = 0; i < MAX_WRITERS; i++)
		if (w->writers[i].mount == m - w->mounts)
			w->writers[i].mount = -1;
	m->used = false;
}

/* How an actor names a mount, or a file on it */
static void aim(struct request *r, const struct mount *m, const char *file)
{
	if (m->fd >= 0) {
		r->fds[FD_MOUNT] = m->fd;
		snprintf(r->path, sizeof(r->path), "%s", file);
	} else {
		snprintf(r->path, sizeof(r->path), "%s%s%s", places[m->place],
			 *file ? "/" : "", file);
	}
}

static void say_mount(struct world *w, const struct mount *m)
{
	const struct state *s = &m->state;

	w->touched = m;
	if (m >= w->raw && m < w->raw + NR_FS)
		say(w, " [raw");
	else if (m->ns == DETACHED || m->ns == LOST)
		say(w, " [%s %d", m->ns == LOST ? "lost" : "detached",
		    (int)(m - w->mounts));
	else
		say(w, " [%s", places[m->place]);
	say(w, " fs %d%s%s%s]", s->fs, s->mark ? " marked" : "",
	    s->shifted ? " shifted" : s->idmapped ? " idmapped" : "",
	    m->shared ? " shared" : "");
}

/* Anything that the actor can name, or NULL */
static struct mount *some_mount(struct world *w, const struct actor *actor,
				bool attached_only)
{
	struct mount *found = NULL;
	unsigned int nr = 0;

	for (int i = 0; i < MAX_MOUNTS; i++) {
		struct mount *m = &w->mounts[i];

		if (!m->used || m->ns == BELOW_DETACHED ||
		    (m->ns >= 0 && m->ns != actor->ns) ||
		    (attached_only && m->ns < 0))
			continue;
		if (one_in(w, ++nr))
			found = m;
	}
	return found;
}

/* Changes of attributes, marks and mappings */

struct change {
	struct mount_attr attr;
	int target, origin;	/* user namespaces, or -1 */
	bool recursive;
	bool replaces;		/* open_tree_attr(2) may idmap once more */
	/* What comes of it */
	struct mark *mark;
	struct map map;
};

#define DIRECT		(MOUNT_ATTR_IDMAP | MOUNT_ATTR_SHIFT)

static bool change_marks(const struct change *c)
{
	return c->attr.attr_set & MOUNT_ATTR_SHIFTABLE;
}

static bool change_unmarks(const struct change *c)
{
	return c->attr.attr_clr & MOUNT_ATTR_SHIFTABLE;
}

static bool change_idmaps(const struct change *c)
{
	return c->attr.attr_set & MOUNT_ATTR_IDMAP;
}

static bool change_shifts(const struct change *c)
{
	return (c->attr.attr_set & DIRECT) == MOUNT_ATTR_SHIFT;
}

static __u64 new_attrs(const struct state *s, const struct change *c)
{
	return ((s->attrs & ~c->attr.attr_clr) | c->attr.attr_set) & RESTRICTIONS;
}

/* The origin of a change, in ids of the file system, and what is wrong with it */
static struct origin model_origin(const struct world *w, const struct actor *actor,
				  const struct change *c, const struct state *s,
				  struct reasons *reasons)
{
	const struct space *fs_space = &w->spaces[w->fs[s->fs].space];
	struct origin o = {
		.uid = c->attr.origin_uid,
		.gid = c->attr.origin_gid,
		.count = c->attr.origin_count,
	};

	if (c->origin >= 0) {
		const struct space *space = &w->spaces[c->origin];

		reason_if(reasons, c->origin == HOST ||
			  !controls(w, actor, c->origin), EPERM);
		o = (struct origin){
			.first = space->first,
			.uid = space_up(fs_space, space->lower),
			.gid = space_up(fs_space, space->lower),
			.count = space->count,
		};
		reason_if(reasons, o.uid == INVALID_ID ||
			  space_up(fs_space, space->lower + space->count - 1) ==
			  INVALID_ID, EINVAL);
		return o;
	}
	if (!o.count && change_idmaps(c))
		o.count = INVALID_ID - (o.uid > o.gid ? o.uid : o.gid);
	reason_if(reasons, !o.count, EINVAL);
	reason_if(reasons, (__u64)o.uid + o.count > INVALID_ID ||
		  (__u64)o.gid + o.count > INVALID_ID, EOVERFLOW);
	return o;
}

/* What is wrong with it, whatever is below the first mount */
static void model_first(struct world *w, const struct actor *actor,
			struct change *c, const struct mount *m,
			struct reasons *reasons)
{
	const struct state *s = &m->state;
	const int fs_space = w->fs[s->fs].space;
	struct origin o;

	reason_if(reasons, !actor->caps, EPERM);
	reason_if(reasons, m->ns == LOST, EINVAL);
	if (change_marks(c)) {
		const bool any = c->attr.shift_flags & MOUNT_SHIFT_ANY;

		o = model_origin(w, actor, c, s, reasons);
		c->mark->origin = o;
		c->mark->any = any;
		c->mark->by = any ? INVALID_ID :
			      space_down(&w->spaces[actor->space],
					 c->attr.shiftable_by);
		reason_if(reasons, any && has_root(&o), EINVAL);
		reason_if(reasons, !any && c->mark->by == INVALID_ID, EINVAL);
	}
	if (change_shifts(c)) {
		const struct space *space = &w->spaces[actor->space];
		const struct mark *mark = s->mark;

		reason_if(reasons, !mark || mark->revoked, EPERM);
		reason_if(reasons, actor->space == HOST, EPERM);
		if (!mark)
			return;
		reason_if(reasons, !mark->any &&
			  mark->by != space_down(space, 0), EPERM);
		o = mark->origin;
		reason_if(reasons, actor->space == fs_space && o.uid == o.first &&
			  o.gid == o.first, EINVAL);
		c->map = compose(&o, space);
		reason_if(reasons, !c->map.count, ERANGE);
	}
	if (change_idmaps(c)) {
		const struct space *target = &w->spaces[c->target];

		reason_if(reasons, c->target == HOST ||
			  !controls(w, actor, c->target), EPERM);
		c->map = (struct map){ target->first, target->first, target->lower,
				       target->count };
		if (!(c->attr.attr_set & MOUNT_ATTR_SHIFT)) {
			reason_if(reasons, c->target == fs_space, EINVAL);
			return;
		}
		o = model_origin(w, actor, c, s, reasons);
		reason_if(reasons, c->target == fs_space && o.uid == o.first &&
			  o.gid == o.first, EINVAL);
		c->map = compose(&o, target);
		reason_if(reasons, !c->map.count, ERANGE);
		reason_if(reasons, c->origin < 0 && !c->attr.origin_count &&
			  c->map.count != target->count, EOVERFLOW);
	}
}

/* What is wrong with it for one of the mounts */
static void model_each(struct world *w, const struct actor *actor,
		       const struct change *c, const struct mount *first,
		       const struct mount *m, struct reasons *reasons)
{
	const struct state *s = &m->state;
	const struct fs *fs = &w->fs[s->fs];
	const bool in_charge = controls(w, actor, fs->space);
	const __u64 attrs = new_attrs(s, c);
	const bool attached = m->ns >= 0;

	reason_if(reasons, s->locked & ~attrs, EPERM);
	reason_if(reasons, s->mark && !in_charge && s->attrs & ~attrs, EPERM);
	/* Nobody may have files open for writing. */
	if (change_idmaps(c) || change_shifts(c) ||
	    attrs & ~s->attrs & MOUNT_ATTR_RDONLY)
		reason_if(reasons, m->writers, EBUSY);

	reason_if(reasons, (change_marks(c) || change_unmarks(c)) && !in_charge,
		  EPERM);
	reason_if(reasons, c->attr.shift_flags & MOUNT_SHIFT_REVOKE && !s->mark,
		  EINVAL);
	if (change_marks(c)) {
		reason_if(reasons, !fs->idmaps || s->idmapped, EINVAL);
		reason_if(reasons, fs->space != w->fs[first->state.fs].space,
			  EINVAL);
		reason_if(reasons, s->mark && !change_unmarks(c), EEXIST);
	}
	if (change_shifts(c)) {
		reason_if(reasons, s->mark != first->state.mark, EPERM);
		reason_if(reasons, attached || !fs->idmaps, EINVAL);
		reason_if(reasons, c->attr.attr_clr & ~c->attr.attr_set &
			  MOUNT_ATTR_NODEV, EPERM);
	}
	if (change_idmaps(c)) {
		reason_if(reasons, attached || !fs->idmaps, EINVAL);
		reason_if(reasons, !in_charge, EPERM);
		reason_if(reasons, s->idmapped && !c->replaces, EPERM);
		reason_if(reasons, c->attr.attr_set & MOUNT_ATTR_SHIFT ?
			  fs->space != w->fs[first->state.fs].space :
			  fs->space == c->target, EINVAL);
	}
}

static void apply_change(const struct actor *actor, const struct change *c,
			 struct state *s)
{
	const __u64 attrs = new_attrs(s, c);

	if (change_shifts(c)) {
		const __u64 kept = (s->attrs & attrs) | MOUNT_ATTR_NODEV;

		s->delegated = true;
		s->granted = *s->mark;
		s->granted_to = actor->space;
		s->floor |= kept;
		s->locked |= kept;
	}
	s->attrs = attrs;
	if (change_shifts(c))
		s->attrs |= MOUNT_ATTR_NODEV;
	if (change_shifts(c) || change_idmaps(c)) {
		/* Whoever controls the file system decides anew. */
		if (change_idmaps(c))
			s->delegated = false;
		s->map = c->map;
		s->idmapped = true;
		s->shifted = c->attr.attr_set & MOUNT_ATTR_SHIFT;
		s->mark = NULL;
	}
	if (change_unmarks(c) && s->mark) {
		if (c->attr.shift_flags & MOUNT_SHIFT_REVOKE)
			s->mark->revoked = true;
		s->mark = NULL;
	}
	if (change_marks(c))
		s->mark = c->mark;
	if (change_shifts(c) || c->attr.propagation == MS_PRIVATE)
		s->private = true;
	else if (c->attr.propagation)
		s->private = false;
}

static void some_origin(struct world *w, const struct actor *actor, struct change *c)
{
	static const struct origin origins[] = {
		{ 0, ORIGIN, ORIGIN, COUNT },
		{ 0, ORIGIN, ORIGIN, COUNT },
		{ 0, ORIGIN, ORIGIN, 10 },
		{ 0, ORIGIN + 5, ORIGIN + 3, 1000 },
		{ 0, 10000, 10000, 1000 },
		{ 0, 1000, 1001, 65536 },
		{ 0, 0, 0, COUNT },
		{ 0, ORIGIN, 0, 10 },
		{ 0, 0xfffffff0, ORIGIN, 1000 },
	};
	const struct origin *o = &origins[below(w, ARRAY_SIZE(origins))];

	if (one_in(w, 4)) {
		c->origin = one_in(w, 2) ? (int)below(w, NR_SPACES) :
			    actor->space == A ? NESTED : LOW;
		c->attr.shift_flags |= MOUNT_SHIFT_ORIGIN_USERNS;
		say(w, " origin %s", w->spaces[c->origin].name);
		return;
	}
	c->attr.origin_uid = o->uid;
	c->attr.origin_gid = o->gid;
	c->attr.origin_count = one_in(w, 20) ? 0 : o->count;
	say(w, " origin %u %u %u", o->uid, o->gid, c->attr.origin_count);
}

static void some_by(struct world *w, const struct actor *actor, struct change *c)
{
	static const __u32 by[] = {
		BASE, BASE, BASE, BASE_B, BASE_B, BASE + 10000, USER, 0,
	};

	if (one_in(w, 4)) {
		c->attr.shift_flags |= MOUNT_SHIFT_ANY;
		say(w, " any");
		return;
	}
	c->attr.shiftable_by = actor->space == A && !one_in(w, 4) ? 10000 :
			       by[below(w, ARRAY_SIZE(by))];
	say(w, " by %u", c->attr.shiftable_by);
}

static __u64 some_attrs(struct world *w)
{
	const __u64 attrs = next_random(&w->random) & next_random(&w->random);

	return one_in(w, 3) ? attrs & RESTRICTIONS : 0;
}

/* What is wanted; the rest of it is random. */
enum { NO_CHANGE = -2, ANY_CHANGE = -1, MARK_IT = 0, SHIFT_IT = 4, NR_CHANGES = 12 };

/* The random choice leans towards what can succeed. */
static struct change some_change(struct world *w, const struct actor *actor,
				 const struct mount *m, int wanted)
{
	static const __u64 types[] = { MS_PRIVATE, MS_SHARED, MS_SLAVE };
	struct change c = { .target = -1, .origin = -1, .recursive = one_in(w, 3) };
	int kind = below(w, NR_CHANGES);

	if (!controls(w, actor, w->fs[m->state.fs].space) && !one_in(w, 4))
		kind = SHIFT_IT + 4 * below(w, 3);
	else if (!m->state.mark && !m->state.idmapped && one_in(w, 2))
		kind = MARK_IT;
	if (wanted >= 0)
		kind = wanted;

	switch (kind) {
	case MARK_IT:
	case 1:
		say(w, " mark");
		c.attr.attr_set = MOUNT_ATTR_SHIFTABLE;
		if (one_in(w, 2))
			c.attr.attr_clr = MOUNT_ATTR_SHIFTABLE;
		if (c.attr.attr_clr && one_in(w, 3))
			c.attr.shift_flags = MOUNT_SHIFT_REVOKE;
		some_origin(w, actor, &c);
		some_by(w, actor, &c);
		break;
	case 2:
		say(w, " unmark");
		c.attr.attr_clr = MOUNT_ATTR_SHIFTABLE;
		break;
	case 3:
		say(w, " revoke");
		c.attr.attr_clr = MOUNT_ATTR_SHIFTABLE;
		c.attr.shift_flags = MOUNT_SHIFT_REVOKE;
		break;
	case SHIFT_IT:
	case 5:
		say(w, " shift");
		c.attr.attr_set = MOUNT_ATTR_SHIFT;
		break;
	case 6:
		c.attr.attr_set = DIRECT;
		c.target = below(w, NR_SPACES);
		say(w, " direct to %s", w->spaces[c.target].name);
		some_origin(w, actor, &c);
		break;
	case 7:
		c.attr.attr_set = MOUNT_ATTR_IDMAP;
		c.target = below(w, NR_SPACES);
		say(w, " idmap to %s", w->spaces[c.target].name);
		break;
	case 8:
		c.attr.propagation = types[below(w, ARRAY_SIZE(types))];
		say(w, " propagation %#llx", c.attr.propagation);
		break;
	default:
		say(w, " flags");
		c.attr.attr_set = some_attrs(w);
		c.attr.attr_clr = next_random(&w->random) & RESTRICTIONS;
		break;
	}
	c.attr.attr_set |= some_attrs(w);
	c.attr.attr_clr |= one_in(w, 3) ? some_attrs(w) : 0;
	say(w, " set %#llx clear %#llx flags %#x%s", c.attr.attr_set,
	    c.attr.attr_clr, c.attr.shift_flags, c.recursive ? " recursive" : "");
	return c;
}

static void aim_change(const struct world *w, const struct change *c,
		       struct request *r)
{
	r->attr = c->attr;
	r->flags = c->recursive ? AT_RECURSIVE : 0;
	if (c->target >= 0)
		r->fds[FD_TARGET] = w->spaces[c->target].fd;
	if (c->origin >= 0)
		r->fds[FD_ORIGIN] = w->spaces[c->origin].fd;
}

/* All reasons why a change of @m fails; @on is it, or what it will be a clone of. */
static bool model_change(struct world *w, const struct actor *actor,
			 struct change *c, const struct mount *m,
			 const struct mount *below, struct reasons *reasons)
{
	/* If nothing is to be changed, nothing is looked at. */
	if (!c->attr.attr_set && !c->attr.attr_clr && !c->attr.propagation) {
		reason_if(reasons, !actor->caps, EPERM);
		return true;
	}
	/* A few bytes that mounts may refer to from now on */
	if (change_marks(c))
		c->mark = calloc(1, sizeof(*c->mark));
	if (change_marks(c) && !c->mark)
		return problem(w, "no memory");
	model_first(w, actor, c, m, reasons);
	model_each(w, actor, c, m, m, reasons);
	if (c->recursive && below)
		model_each(w, actor, c, m, below, reasons);
	return true;
}

/* Who shifted, and whether he may: in plain words, apart from the model */
static bool check_shift(struct world *w, const struct actor *actor,
			const struct change *c, const struct state *s)
{
	const struct mark *mark = s->mark;

	if (!change_shifts(c))
		return true;
	w->shifts++;
	if (!mark)
		return problem(w, "shifted without a mark");
	if (mark->revoked)
		return problem(w, "shifted with a revoked mark");
	if (!mark->any && (w->spaces[actor->space].first ||
			   w->spaces[actor->space].lower != mark->by))
		return problem(w, "shifted with a mark for %u", mark->by);
	return true;
}

/* Operations. Each says what it does, has it done, and has the model follow. */

static enum outcome do_setattr(struct world *w, struct actor *actor,
			       struct mount *m, int wanted)
{
	struct mount *on = mount_below(w, m);
	struct request r = REQUEST(SETATTR);
	struct reasons reasons = {};
	enum outcome outcome;
	struct change c;

	say_mount(w, m);
	c = some_change(w, actor, m, wanted);
	if (!model_change(w, actor, &c, m, on, &reasons))
		return WRONG;

	aim(&r, m, "");
	aim_change(w, &c, &r);
	outcome = attempt(w, actor, &r, &reasons);
	if (outcome != DONE)
		return outcome;
	if (!check_shift(w, actor, &c, &m->state))
		return WRONG;
	apply_change(actor, &c, &m->state);
	if (c.recursive && on)
		apply_change(actor, &c, &on->state);
	return DONE;
}

static enum outcome op_setattr(struct world *w, struct actor *actor)
{
	struct mount *m = some_mount(w, actor, false);

	return m ? do_setattr(w, actor, m, ANY_CHANGE) : NOTHING;
}

static void clone_reasons(struct world *w, const struct actor *actor,
			  struct mount *m, bool recursive, struct reasons *reasons)
{
	struct mount *on = mount_below(w, m);

	reason_if(reasons, !actor->caps, EPERM);
	reason_if(reasons, m->ns == LOST, EINVAL);
	reason_if(reasons, m->ns == DETACHED && m->home &&
		  m->home != w->ns[actor->ns].id, EINVAL);
	reason_if(reasons, !recursive && on && on->fixed, EINVAL);
}

/* The model's clone of @m */
static struct mount *clone_model(struct world *w, struct mount *m, bool recursive,
				 int ns)
{
	struct mount *on = recursive ? mount_below(w, m) : NULL;
	struct mount *clone = new_mount(w, ns, &m->state), *clone_on;

	if (!clone)
		return NULL;
	clone->home = m->ns >= 0 ? w->ns[m->ns].id : m->home;
	if (!on)
		return clone;
	clone_on = new_mount(w, ns == DETACHED ? BELOW_DETACHED : ns, &on->state);
	if (!clone_on)
		return NULL;
	clone_on->fixed = on->fixed;
	clone->below = clone_on - w->mounts;
	return clone;
}

/* With or without attributes for the clone */
static enum outcome do_clone(struct world *w, struct actor *actor, struct mount *m,
			     int wanted)
{
	const bool attr = wanted != NO_CHANGE;
	struct request r = REQUEST(attr ? CLONE_ATTR : CLONE);
	bool recursive = one_in(w, 3);
	struct reasons reasons = {};
	struct change c = {};
	struct mount *clone;
	enum outcome outcome;

	if (!m || count_mounts(w, DETACHED) >= MAX_DETACHED)
		return NOTHING;
	say_mount(w, m);
	aim(&r, m, "");
	if (attr) {
		c = some_change(w, actor, m, wanted);
		c.replaces = true;
		recursive = c.recursive;
		aim_change(w, &c, &r);
	} else {
		r.flags = recursive ? AT_RECURSIVE : 0;
		say(w, "%s", recursive ? " recursive" : "");
	}
	clone_reasons(w, actor, m, recursive, &reasons);
	clone = clone_model(w, m, recursive, DETACHED);
	if (!clone) {
		problem(w, "too many mounts");
		return WRONG;
	}
	if (attr && !reasons.nr &&
	    !model_change(w, actor, &c, clone, mount_below(w, clone), &reasons))
		return WRONG;

	outcome = attempt(w, actor, &r, &reasons);
	if (outcome != DONE) {
		forget_mount(w, clone);
		return outcome;
	}
	clone->fd = w->made;
	if (!attr)
		return DONE;
	if (!check_shift(w, actor, &c, &clone->state))
		return WRONG;
	apply_change(actor, &c, &clone->state);
	if (c.recursive && clone->below >= 0)
		apply_change(actor, &c, &w->mounts[clone->below].state);
	return DONE;
}

static enum outcome op_clone(struct world *w, struct actor *actor)
{
	return do_clone(w, actor, some_mount(w, actor, false), NO_CHANGE);
}

static enum outcome op_clone_attr(struct world *w, struct actor *actor)
{
	return do_clone(w, actor, some_mount(w, actor, false), ANY_CHANGE);
}

/* What the others do too rarely: somebody who may, or nearly, shifts a marked mount. */
static enum outcome op_shift(struct world *w, struct actor *actor)
{
	const int first = below(w, MAX_MOUNTS);
	const __u32 root = space_down(&w->spaces[actor->space], 0);
	const bool picky = !one_in(w, 4);

	for (int i = 0; i < MAX_MOUNTS; i++) {
		struct mount *m = &w->mounts[(first + i) % MAX_MOUNTS];
		const struct mark *mark = m->state.mark;

		if (!m->used || !mark)
			continue;
		if (picky && (mark->revoked || (!mark->any && mark->by != root)))
			continue;
		if (m->ns == DETACHED || (m->ns == actor->ns && one_in(w, 4)))
			return do_setattr(w, actor, m, SHIFT_IT);
		if (m->ns == actor->ns)
			return do_clone(w, actor, m, SHIFT_IT);
	}
	return NOTHING;
}

/* A new mount of a file system, which whoever controls that can make */
static enum outcome op_fresh(struct world *w, struct actor *actor)
{
	static const int often[] = {
		DATA, DATA, DATA, MORE, MORE, OF_A, OF_A, NO_IDMAP,
	};
	const int fs = often[below(w, ARRAY_SIZE(often))];

	if (!controls(w, actor, w->fs[fs].space))
		return NOTHING;
	return do_clone(w, actor, &w->raw[fs],
			one_in(w, 2) ? MARK_IT : NO_CHANGE);
}

static enum outcome op_close(struct world *w, struct actor *actor)
{
	struct mount *m = some_mount(w, actor, false);

	if (!m || m->ns >= 0)
		return NOTHING;
	say_mount(w, m);
	say(w, ": fine");
	forget_mount(w, m);
	return DONE;
}

/* Nothing on the mount point, nor where it propagates to? */
static int some_place(struct world *w, const struct actor *actor,
		      const struct mount *source, bool tree)
{
	const int place = below(w, tree ? NR_TOPS : NR_PLACES);
	struct mount *parent;

	if (find_mount(w, actor->ns, place))
		return -1;
	if (place < NR_PRIVATE)
		return place;
	if (place < NR_TOPS) {
		if (actor->space != HOST)
			return -1;
		for (int i = 0; i < MAX_NS; i++)
			if (w->ns[i].used && find_mount(w, i, place))
				return -1;
		return place;
	}
	parent = find_mount(w, actor->ns, place - NR_TOPS);
	/* A mount must not propagate to itself. */
	if (!parent || (parent->shared && parent->state.fs == source->state.fs))
		return -1;
	for (int i = 0; parent->shared && i < MAX_MOUNTS; i++) {
		struct mount *m = &w->mounts[i];

		if (m->used && m->ns >= 0 && m->state.fs == parent->state.fs &&
		    (m->place >= NR_TOPS || mount_below(w, m)))
			return -1;
	}
	return place;
}

/* Is what it is mounted on shared? */
static bool parent_shared(struct world *w, int ns, int place)
{
	if (place >= NR_TOPS)
		return find_mount(w, ns, place - NR_TOPS)->shared;
	return place >= NR_PRIVATE && w->ns[ns].space == HOST;
}

static void expect_attach(struct world *w, struct mount *m, struct mount *on,
			  int ns, int place)
{
	struct expected *e = &w->expected;

	e->attaches = true;
	e->space = w->ns[ns].space;
	e->place = place;
	e->copied_ns = -1;
	if (parent_shared(w, ns, place)) {
		m->state.private = false;
		if (on)
			on->state.private = false;
	}
	e->top = m->state;
	if (on) {
		e->below = on->state;
		e->below_fixed = on->fixed;
	}
	m->ns = ns;
	m->place = place;
	if (on) {
		on->ns = ns;
		on->place = place + NR_TOPS;
	}
}

static enum outcome op_move(struct world *w, struct actor *actor)
{
	struct mount *m = some_mount(w, actor, false), *on;
	struct request r = REQUEST(MOVE);
	struct reasons reasons = {};
	enum outcome outcome;
	int place;

	if (!m)
		return NOTHING;
	on = mount_below(w, m);
	place = some_place(w, actor, m, on);
	if (place < 0 || (m->ns >= 0 && m->place == place - NR_TOPS))
		return NOTHING;
	say_mount(w, m);
	say(w, " to %s", places[place]);
	reason_if(&reasons, !actor->caps, EPERM);
	reason_if(&reasons, m->ns == LOST, EINVAL);
	if (m->ns >= 0)
		reason_if(&reasons, m->fixed || parent_shared(w, m->ns, m->place),
			  EINVAL);

	aim(&r, m, "");
	snprintf(r.to, sizeof(r.to), "%s", places[place]);
	outcome = attempt(w, actor, &r, &reasons);
	if (outcome != DONE)
		return outcome;
	expect_attach(w, m, on, actor->ns, place);
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
	m->below = -1;
	return DONE;
}

static enum outcome op_bind(struct world *w, struct actor *actor)
{
	struct mount *m = some_mount(w, actor, true), *clone, *on;
	const bool recursive = one_in(w, 2);
	struct request r = REQUEST(BIND);
	struct reasons reasons = {};
	enum outcome outcome;
	int place;

	if (!m)
		return NOTHING;
	place = some_place(w, actor, m, recursive && mount_below(w, m));
	if (place < 0)
		return NOTHING;
	say_mount(w, m);
	say(w, " to %s%s", places[place], recursive ? " recursive" : "");
	clone_reasons(w, actor, m, recursive, &reasons);

	aim(&r, m, "");
	snprintf(r.to, sizeof(r.to), "%s", places[place]);
	r.flags = recursive ? MS_REC : 0;
	outcome = attempt(w, actor, &r, &reasons);
	if (outcome != DONE)
		return outcome;
	clone = clone_model(w, m, recursive, actor->ns);
	if (!clone) {
		problem(w, "too many mounts");
		return WRONG;
	}
	on = clone->below >= 0 ? &w->mounts[clone->below] : NULL;
	clone->below = -1;
	expect_attach(w, clone, on, actor->ns, place);
	return DONE;
}

static enum outcome op_remount(struct world *w, struct actor *actor)
{
	static const unsigned long flags[] = {
		MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC,
	};
	static const __u64 attrs[] = {
		MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV,
		MOUNT_ATTR_NOEXEC,
	};
	struct mount *m = some_mount(w, actor, true);
	struct request r = REQUEST(REMOUNT);
	struct reasons reasons = {};
	enum outcome outcome;
	__u64 wanted = 0;

	if (!m)
		return NOTHING;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		/* What is there already stays there most of the time. */
		if (!one_in(w, m->state.attrs & attrs[i] ? 4 : 2))
			continue;
		wanted |= attrs[i];
	}
	if (!one_in(w, 3))
		wanted |= m->state.attrs;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (wanted & attrs[i])
			r.flags |= flags[i];
	say_mount(w, m);
	say(w, " attributes %#llx", wanted);
	reason_if(&reasons, !actor->caps || m->state.locked & ~wanted, EPERM);
	reason_if(&reasons, m->state.mark && m->state.attrs & ~wanted &&
		  !controls(w, actor, w->fs[m->state.fs].space), EPERM);
	reason_if(&reasons, m->writers && wanted & ~m->state.attrs &
		  MOUNT_ATTR_RDONLY, EBUSY);

	aim(&r, m, "");
	outcome = attempt(w, actor, &r, &reasons);
	if (outcome != DONE)
		return outcome;
	m->state.attrs = wanted;
	return DONE;
}

static enum outcome do_umount(struct world *w, struct actor *actor, bool lose)
{
	struct mount *m = some_mount(w, actor, true);
	const bool lazy = lose || one_in(w, 2);
	struct request r = REQUEST(lose ? LOSE : UMOUNT);
	struct reasons reasons = {};
	struct mount *lost, *on;
	enum outcome outcome;

	if (!m || (lose && count_mounts(w, LOST) >= MAX_LOST))
		return NOTHING;
	say_mount(w, m);
	say(w, "%s", lazy ? " lazily" : "");
	reason_if(&reasons, !actor->caps, EPERM);
	reason_if(&reasons, m->fixed, EINVAL);
	if (!lazy) {
		reason_if(&reasons, mount_below(w, m) || m->writers, EBUSY);
		/* Copies of it may be in use. */
		reasons.may[EBUSY] = parent_shared(w, m->ns, m->place);
	}
	aim(&r, m, "");
	r.flags = lazy ? MNT_DETACH : 0;
	outcome = attempt(w, actor, &r, &reasons);
	if (outcome != DONE)
		return outcome;
	w->expected.unmounts = m->shared || parent_shared(w, m->ns, m->place);
	if (lose) {
		/* It remains what it was, so do those who have it open. */
		lost = new_mount(w, LOST, &m->state);
		if (!lost)
			return WRONG;
		lost->fd = w->made;
		lost->writers = m->writers;
		for (int i = 0; i < MAX_WRITERS; i++)
			if (w->writers[i].mount == m - w->mounts)
				w->writers[i].mount = lost - w->mounts;
	}
	/* Were they still there, they would be some that nobody expects. */
	on = mount_below(w, m);
	if (on)
		forget_mount(w, on);
	forget_mount(w, m);
	return DONE;
}

static enum outcome op_umount(struct world *w, struct actor *actor)
{
	return do_umount(w, actor, false);
}

static enum outcome op_lose(struct world *w, struct actor *actor)
{
	return do_umount(w, actor, true);
}

/* Mount namespaces */

static void leave_ns(struct world *w, int nr)
{
	if (nr < 0 || --w->ns[nr].users)
		return;
	close(w->ns[nr].fd);
	w->ns[nr].used = false;
	for (int i = 0; i < MAX_MOUNTS; i++)
		if (w->mounts[i].used && w->mounts[i].ns == nr)
			forget_mount(w, &w->mounts[i]);
}

/* The mount namespace that the actor is in, which the model does not know yet */
static int add_ns(struct world *w, const struct actor *actor, __u64 scratch)
{
	for (int i = 0; i < MAX_NS; i++) {
		struct ns *ns = &w->ns[i];

		if (ns->used)
			continue;
		*ns = (struct ns){
			.used = true,
			.space = actor->space,
			.users = 1,
			.fd = open_ns(actor->pid, "mnt"),
			.scratch = scratch,
		};
		if (ns->fd < 0 || ioctl(ns->fd, NS_GET_MNTNS_ID, &ns->id))
			return -1;
		return i;
	}
	return -1;
}

static enum outcome op_unshare(struct world *w, struct actor *actor)
{
	struct request r = REQUEST(UNSHARE);
	struct reasons reasons = {};
	enum outcome outcome;

	reason_if(&reasons, !actor->caps, EPERM);
	outcome = attempt(w, actor, &r, &reasons);
	if (outcome != DONE)
		return outcome;
	leave_ns(w, actor->spare);
	actor->spare = actor->ns;
	actor->ns = add_ns(w, actor, w->reply.id);
	if (actor->ns < 0) {
		problem(w, "no mount namespace: %s", strerror(errno));
		return WRONG;
	}
	w->expected.attaches = true;
	w->expected.space = actor->space;
	w->expected.copied_ns = actor->spare;
	return DONE;
}

static enum outcome op_setns(struct world *w, struct actor *actor)
{
	struct request r = REQUEST(SETNS);
	const struct reasons none = {};
	const int spare = actor->spare;
	enum outcome outcome;

	if (spare < 0)
		return NOTHING;
	r.fds[FD_TARGET] = w->ns[spare].fd;
	outcome = attempt(w, actor, &r, &none);
	if (outcome != DONE)
		return outcome;
	actor->spare = actor->ns;
	actor->ns = spare;
	return DONE;
}

/* Operations on files */

struct target {
	struct mount *m;
	struct state *s;
	struct fs *fs;
	struct file *file;
	struct file dir;
	struct who who;
	const char *name;
};

static void some_file(struct world *w, const struct actor *actor, struct target *t)
{
	const int nr = below(w, NR_FILES);
	__u32 owner;

	t->m = some_mount(w, actor, false);
	if (!t->m)
		return;
	t->s = &t->m->state;
	t->fs = &w->fs[t->s->fs];
	t->file = &t->fs->files[nr];
	t->name = file_names[nr];
	t->who = who_is(w, actor);
	owner = t->fs->dir_owner[nr % NR_DIRS];
	t->dir = (struct file){ DIRECTORY, owner, owner, 0777, NO_CAPS, 0 };
}

/* Worth a try for somebody who wants more than he has? */
static bool tempting(const struct target *t)
{
	return t->file->type == DEVICE || t->file->mode & S_ISUID ||
	       t->file->caps != NO_CAPS;
}

/* A file of the given type, if there is one, most likely a tempting one */
static bool find_file(struct world *w, const struct actor *actor, struct target *t,
		      enum file_type type)
{
	for (int i = 0; i < 20; i++) {
		some_file(w, actor, t);
		if (!t->m || type == NONE)
			break;
		if (t->file->type != type)
			continue;
		if (i >= 15 || (tempting(t) &&
				(i >= 10 || t->s->mark || t->s->delegated)))
			break;
	}
	if (!t->m || (type != NONE && t->file->type != type))
		return false;
	say_mount(w, t->m);
	say(w, " %s", t->name);
	return true;
}

static bool readonly(const struct target *t)
{
	return t->s->attrs & MOUNT_ATTR_RDONLY;
}

/* What prevents a new file in the directory */
static void create_reasons(struct world *w, const struct target *t,
			   struct reasons *reasons)
{
	reason_if(reasons, readonly(t), EROFS);
	reason_if(reasons, stored_id(w, t->s, t->who.id, false) == INVALID_ID ||
		  stored_id(w, t->s, t->who.id, true) == INVALID_ID, EOVERFLOW);
	reason_if(reasons, !may_access(w, &t->who, t->s, &t->dir, 3), EACCES);
}

static void delete_reasons(struct world *w, const struct target *t,
			   const struct file *file, struct reasons *reasons)
{
	reason_if(reasons, readonly(t), EROFS);
	reason_if(reasons, unmapped(w, t->s, file), EOVERFLOW);
	reason_if(reasons, !may_access(w, &t->who, t->s, &t->dir, 3), EACCES);
}

/*
 * Whatever the model says: what somebody in a container wrote has an owner from
 * among his own ids, or from those that a mark has granted.
 */
static bool check_owner(struct world *w, const struct actor *actor,
			const struct target *t)
{
	const struct space *fs_space = &w->spaces[t->fs->space];
	const struct origin *o = &t->s->granted.origin;
	const struct space *space = &w->spaces[actor->space];
	struct ids raw;

	if (actor->space == HOST)
		return true;
	if (raw_ids(t->fs->raw, t->name, &raw))
		return problem(w, "no owner: %s", strerror(errno));
	/* Whoever controls the file system decides who owns its files. */
	if (t->s->idmapped && !t->s->delegated)
		return true;
	if (!t->s->idmapped) {
		if (space_up(space, raw.uid) != INVALID_ID &&
		    space_up(space, raw.gid) != INVALID_ID)
			return true;
		return problem(w, "%s wrote a file of %u:%u", actor->name, raw.uid,
			       raw.gid);
	}
	if (space_up(fs_space, raw.uid) - o->uid < o->count &&
	    space_up(fs_space, raw.gid) - o->gid < o->count)
		return true;
	return problem(w, "%s wrote a file of %u:%u beyond the origin", actor->name,
		       raw.uid, raw.gid);
}

static enum outcome do_create(struct world *w, struct actor *actor, enum op op)
{
	static const mode_t modes[] = {
		[CREATE] = 0755, [MKDIR] = 0755, [MKNOD] = 0666,
	};
	static const enum file_type types[] = {
		[CREATE] = REGULAR, [MKDIR] = DIRECTORY, [MKNOD] = DEVICE,
	};
	struct request r = REQUEST(op);
	struct reasons reasons = {};
	struct target t;
	enum outcome outcome;

	if (!find_file(w, actor, &t, NONE))
		return NOTHING;
	create_reasons(w, &t, &reasons);
	reason_if(&reasons, t.file->type != NONE, EEXIST);
	reason_if(&reasons, op == MKNOD && (actor->space != HOST || !actor->caps),
		  EPERM);
	aim(&r, t.m, t.name);
	r.mode = modes[op];
	outcome = attempt(w, actor, &r, &reasons);
	if (outcome != DONE)
		return outcome;
	*t.file = (struct file){
		.type = types[op],
		.uid = stored_id(w, t.s, t.who.id, false),
		.gid = stored_id(w, t.s, t.who.id, true),
		.mode = modes[op],
		.caps = NO_CAPS,
		.serial = ++w->serial,
	};
	return check_owner(w, actor, &t) ? DONE : WRONG;
}

static enum outcome op_create(struct world *w, struct actor *actor)
{
	return do_create(w, actor, CREATE);
}

static enum outcome op_mkdir(struct world *w, struct actor *actor)
{
	return do_create(w, actor, MKDIR);
}

static enum outcome op_mknod(struct world *w, struct actor *actor)
{
	return do_create(w, actor, MKNOD);
}

static enum outcome op_unlink(struct world *w, struct actor *actor)
{
	struct request r = REQUEST(UNLINK);
	struct reasons reasons = {};
	struct target t;
	enum outcome outcome;

	if (!find_file(w, actor, &t, NONE) || t.file->type == NONE)
		return NOTHING;
	delete_reasons(w, &t, t.file, &reasons);
	aim(&r, t.m, t.name);
	r.flags = t.file->type == DIRECTORY ? AT_REMOVEDIR : 0;
	outcome = attempt(w, actor, &r, &reasons);
	if (outcome != DONE)
		return outcome;
	t.file->type = NONE;
	return DONE;
}

/* To another name in the same directory, which may be one of a file */
static enum outcome op_rename(struct world *w, struct actor *actor)
{
	struct request r = REQUEST(RENAME), to = REQUEST(RENAME);
	struct reasons reasons = {};
	struct file *target;
	enum outcome outcome;
	struct target t;
	int nr;

	if (!find_file(w, actor, &t, NONE) || t.file->type == NONE)
		return NOTHING;
	nr = (t.file - t.fs->files + 2 + 2 * below(w, 2)) % NR_FILES;
	target = &t.fs->files[nr];
	if (target->type != NONE &&
	    is_directory(target) != is_directory(t.file))
		return NOTHING;
	say(w, " to %s", file_names[nr]);
	delete_reasons(w, &t, t.file, &reasons);
	/* A directory elsewhere would have to be writable, for its "..". */
	if (target->type == NONE)
		create_reasons(w, &t, &reasons);
	else
		delete_reasons(w, &t, target, &reasons);

	aim(&r, t.m, t.name);
	aim(&to, t.m, file_names[nr]);
	memcpy(r.to, to.path, sizeof(r.to));
	outcome = attempt(w, actor, &r, &reasons);
	if (outcome != DONE)
		return outcome;
	*target = *t.file;
	t.file->type = NONE;
	return DONE;
}

/* May the owner be changed, by the rule for users or that for groups? */
static bool may_chown(const struct world *w, const struct actor *actor,
		      const struct target *t, __u32 id, bool group)
{
	const __u32 owner = shown_id(w, t->s, t->file->uid, false);
	const __u32 old = group ? shown_id(w, t->s, t->file->gid, true) : owner;

	if (owner == t->who.id && (id == old || (group && id == t->who.id)))
		return true;
	return privileged(w, &t->who, t->s, t->file) ||
	       (old == INVALID_ID && controls(w, actor, t->fs->space));
}

static enum outcome op_chown(struct world *w, struct actor *actor)
{
	static const __u32 ids[] = {
		0, 0, 5, 5, 9, 10, 999, 1000, 10000, 65535, 65536, ORIGIN, BASE,
		BASE_B, USER, ORIGIN + 5, 900000,
	};
	struct request r = REQUEST(CHOWN);
	struct reasons reasons = {};
	__u32 uid, gid;
	struct target t;
	enum outcome outcome;

	if (!find_file(w, actor, &t, NONE) || t.file->type == NONE)
		return NOTHING;
	r.uid = ids[below(w, ARRAY_SIZE(ids))];
	r.gid = one_in(w, 2) ? r.uid : ids[below(w, ARRAY_SIZE(ids))];
	say(w, " %u:%u", r.uid, r.gid);
	uid = space_down(t.who.space, r.uid);
	gid = space_down(t.who.space, r.gid);
	/* A mount that maps nothing lets root of the host store any id. */
	if (actor->space == HOST && t.fs->space != HOST && !t.s->idmapped)
		return NOTHING;
	reason_if(&reasons, readonly(&t), EROFS);
	reason_if(&reasons, uid == INVALID_ID || gid == INVALID_ID, EINVAL);
	reason_if(&reasons, stored_id(w, t.s, uid, false) == INVALID_ID ||
		  stored_id(w, t.s, gid, true) == INVALID_ID, EOVERFLOW);
	reason_if(&reasons, !may_chown(w, actor, &t, uid, false) ||
		  !may_chown(w, actor, &t, gid, true), EPERM);

	aim(&r, t.m, t.name);
	outcome = attempt(w, actor, &r, &reasons);
	if (outcome != DONE)
		return outcome;
	t.file->uid = stored_id(w, t.s, uid, false);
	t.file->gid = stored_id(w, t.s, gid, true);
	if (t.file->type != DIRECTORY) {
		t.file->mode &= ~06000;
		t.file->caps = NO_CAPS;
	}
	return check_owner(w, actor, &t) ? DONE : WRONG;
}

static enum outcome op_chmod(struct world *w, struct actor *actor)
{
	static const mode_t modes[] = { 0755, 04755, 06755, 0751 };
	struct request r = REQUEST(CHMOD);
	struct reasons reasons = {};
	struct target t;
	enum outcome outcome;
	__u32 uid, gid;

	if (!find_file(w, actor, &t, REGULAR))
		return NOTHING;
	r.mode = modes[below(w, ARRAY_SIZE(modes))];
	say(w, " %#o", r.mode);
	uid = shown_id(w, t.s, t.file->uid, false);
	gid = shown_id(w, t.s, t.file->gid, true);
	reason_if(&reasons, readonly(&t), EROFS);
	reason_if(&reasons, unmapped(w, t.s, t.file), EOVERFLOW);
	reason_if(&reasons, uid != t.who.id &&
		  !(t.who.caps && space_up(t.who.space, uid) != INVALID_ID), EPERM);

	aim(&r, t.m, t.name);
	outcome = attempt(w, actor, &r, &reasons);
	if (outcome != DONE)
		return outcome;
	t.file->mode = r.mode;
	if (gid != t.who.id && !privileged(w, &t.who, t.s, t.file))
		t.file->mode &= ~S_ISGID;
	return DONE;
}

static enum outcome op_setcap(struct world *w, struct actor *actor)
{
	struct request r = REQUEST(SETCAP);
	struct reasons reasons = {};
	struct target t;
	enum outcome outcome;
	__u32 root;

	if (!find_file(w, actor, &t, REGULAR) || !t.fs->xattrs)
		return NOTHING;
	root = stored_id(w, t.s, space_down(t.who.space, 0), false);
	if (!t.s->idmapped && controls(w, actor, t.fs->space))
		root = V2_CAPS;
	reason_if(&reasons, readonly(&t), EROFS);
	reason_if(&reasons, !privileged(w, &t.who, t.s, t.file), EPERM);
	reason_if(&reasons, unmapped(w, t.s, t.file), EPERM);
	reason_if(&reasons, root == INVALID_ID, EINVAL);

	aim(&r, t.m, t.name);
	outcome = attempt(w, actor, &r, &reasons);
	if (outcome != DONE)
		return outcome;
	t.file->caps = root;
	return DONE;
}

/* Opens a file, or a device, and keeps it open if it is for writing. */
static enum outcome op_open(struct world *w, struct actor *actor)
{
	struct request r = REQUEST(OPEN);
	struct reasons reasons = {};
	struct writer *writer = NULL;
	struct target t;
	enum outcome outcome;
	bool writes;

	if (!find_file(w, actor, &t, one_in(w, 2) ? DEVICE : REGULAR))
		return NOTHING;
	for (int i = 0; i < MAX_WRITERS; i++)
		if (w->writers[i].fd < 0)
			writer = &w->writers[i];
	writes = t.file->type == REGULAR && writer && one_in(w, 2);
	say(w, "%s%s", t.file->type == DEVICE ? " device" : "",
	    writes ? " for writing" : "");
	reason_if(&reasons, writes && readonly(&t), EROFS);
	reason_if(&reasons, !may_access(w, &t.who, t.s, t.file, writes ? 2 : 4),
		  EACCES);
	reason_if(&reasons, t.file->type == DEVICE &&
		  (t.s->mark || t.s->attrs & MOUNT_ATTR_NODEV || !t.fs->devices),
		  EACCES);

	aim(&r, t.m, t.name);
	r.flags = writes ? O_WRONLY : O_RDONLY;
	outcome = attempt(w, actor, &r, &reasons);
	if (outcome != DONE)
		return outcome;
	if (t.file->type == DEVICE && (t.s->mark || t.s->delegated)) {
		problem(w, "a device was opened");
		return WRONG;
	}
	if (!writes) {
		close(w->made);
		return DONE;
	}
	*writer = (struct writer){ w->made, t.m - w->mounts, t.file->serial };
	t.m->writers++;
	return DONE;
}

static enum outcome op_stop_writing(struct world *w, struct actor *actor)
{
	struct writer *writer = &w->writers[below(w, MAX_WRITERS)];

	if (writer->fd < 0)
		return NOTHING;
	close(writer->fd);
	if (writer->mount >= 0)
		w->mounts[writer->mount].writers--;
	*writer = (struct writer){ -1, -1, 0 };
	say(w, ": fine");
	return DONE;
}

/* How owners look from within */
static enum outcome op_stat(struct world *w, struct actor *actor)
{
	struct request r = REQUEST(STAT);
	const struct reasons none = {};
	const __u32 nr = below(w, NR_OWNERS + 1);
	const struct space *space;
	__u32 uid, gid, seen_uid, seen_gid;
	struct target t;
	enum outcome outcome;
	const char *name;

	if (!find_file(w, actor, &t, NONE))
		return NOTHING;
	if (nr < NR_OWNERS) {
		name = owner_names[nr];
		uid = owners[t.s->fs][nr];
		gid = uid;
	} else {
		if (t.file->type == NONE)
			return NOTHING;
		name = t.name;
		uid = t.file->uid;
		gid = t.file->gid;
	}
	say(w, " or rather %s", name);
	aim(&r, t.m, name);
	outcome = attempt(w, actor, &r, &none);
	if (outcome != DONE)
		return outcome;

	space = t.who.space;
	seen_uid = w->reply.values[0];
	seen_gid = w->reply.values[1];
	if ((space_down(space, seen_uid) == INVALID_ID && seen_uid != OVERFLOW_ID) ||
	    (space_down(space, seen_gid) == INVALID_ID && seen_gid != OVERFLOW_ID)) {
		problem(w, "%s sees %u:%u", actor->name, seen_uid, seen_gid);
		return WRONG;
	}
	uid = space_up_munged(space, shown_id(w, t.s, uid, false));
	gid = space_up_munged(space, shown_id(w, t.s, gid, true));
	if (seen_uid == uid && seen_gid == gid)
		return DONE;
	problem(w, "seen as %u:%u and not %u:%u", seen_uid, seen_gid, uid, gid);
	return WRONG;
}

/* Are file capabilities with this root id for processes of the user namespace? */
static bool root_within(const struct world *w, __u32 root, int space)
{
	for (; root != INVALID_ID && space >= 0; space = w->spaces[space].parent)
		if (space_up(&w->spaces[space], root) == 0)
			return true;
	return false;
}

/* A program that may be set-user-ID or have capabilities */
static enum outcome op_exec(struct world *w, struct actor *actor)
{
	struct request r = REQUEST(EXEC);
	struct reasons reasons = {};
	__u32 uid, gid, euid, egid;
	bool effective, caps;
	struct target t;
	enum outcome outcome;

	if (!find_file(w, actor, &t, REGULAR))
		return NOTHING;
	say(w, " mode %#o of %u:%u caps %d", t.file->mode, t.file->uid, t.file->gid,
	    (int)t.file->caps);
	t.who.id = space_down(t.who.space, actor->exec_id);
	t.who.caps = false;
	reason_if(&reasons, t.s->attrs & MOUNT_ATTR_NOEXEC ||
		  !may_access(w, &t.who, t.s, t.file, 1), EACCES);
	for (int i = 0; i < MAX_WRITERS; i++)
		reason_if(&reasons, w->writers[i].fd >= 0 &&
			  w->writers[i].serial == t.file->serial, ETXTBSY);

	aim(&r, t.m, t.name);
	r.uid = actor->exec_id;
	outcome = attempt(w, actor, &r, &reasons);
	if (outcome != DONE)
		return outcome;

	/* The model */
	effective = t.m->ns == actor->ns && !t.s->mark &&
		    !(t.s->attrs & MOUNT_ATTR_NOSUID) &&
		    is_within(w, actor->space, t.fs->space);
	euid = actor->exec_id;
	egid = actor->exec_id;
	uid = space_up(t.who.space, shown_id(w, t.s, t.file->uid, false));
	gid = space_up(t.who.space, shown_id(w, t.s, t.file->gid, true));
	if (effective && uid != INVALID_ID && gid != INVALID_ID) {
		if (t.file->mode & S_ISUID)
			euid = uid;
		if (t.file->mode & S_ISGID)
			egid = gid;
	}
	caps = effective && t.file->caps != NO_CAPS &&
	       root_within(w, shown_id(w, t.s, t.file->caps == V2_CAPS ? 0 :
				       t.file->caps, false), actor->space);
	caps = caps || !euid;
	if (w->reply.values[1] != euid || w->reply.values[3] != egid ||
	    w->reply.values[4] != caps) {
		problem(w, "became %u:%u caps %u and not %u:%u caps %d",
			w->reply.values[1], w->reply.values[3], w->reply.values[4], euid,
			egid, caps);
		return WRONG;
	}

	/* Whatever it says */
	if ((t.s->mark || (t.s->delegated && t.s->floor & MOUNT_ATTR_NOSUID)) &&
	    (w->reply.values[1] != actor->exec_id ||
	     w->reply.values[3] != actor->exec_id || w->reply.values[4])) {
		problem(w, "set-user-ID took effect");
		return WRONG;
	}
	return DONE;
}

/* The model and the kernel */

#define CHECKED		(RESTRICTIONS | MOUNT_ATTR_IDMAP | MOUNT_ATTR_SHIFT | \
			 MOUNT_ATTR_SHIFTABLE)
#define MODEL_MASK	(STATMOUNT_MNT_BASIC | STATMOUNT_MNT_SHIFT |	\
			 STATMOUNT_MNT_UIDMAP | STATMOUNT_MNT_GIDMAP)

static int statmount_in(const struct world *w, const struct ns *ns, __u64 id,
			__u64 mask)
{
	const struct mnt_id_req req = {
		.size = MNT_ID_REQ_SIZE_VER1,
		.mnt_id = id,
		.param = mask,
		.mnt_ns_id = ns->id,
	};

	return sys_statmount(&req, w->sm, STATMOUNT_SIZE, 0);
}

static bool check_value(struct world *w, const char *what, __u64 expected,
			__u64 seen)
{
	return expected == seen ||
	       problem(w, "%s is %#llx and not %#llx", what, seen, expected);
}

static bool check_map(struct world *w, const char *what, bool idmapped,
		      const struct map *map, __u32 first, __u32 nr, __u32 offset)
{
	char expected[40] = "", seen[40] = "";

	if (idmapped)
		snprintf(expected, sizeof(expected), "%u %u %u", first, map->lower,
			 map->count);
	if (nr)
		snprintf(seen, sizeof(seen), "%s", w->sm->str + offset);
	if (nr == idmapped && !strcmp(expected, seen))
		return true;
	return problem(w, "%s is %u times %s and not %s", what, nr, seen, expected);
}

static bool check_mark(struct world *w, const struct mark *mark)
{
	const struct statmount *sm = w->sm;
	__u32 uid = 0, gid = 0, count = 0, flags = 0, by = 0;

	if (mark && !mark->origin.first) {
		uid = mark->origin.uid;
		gid = mark->origin.gid;
		count = mark->origin.count;
	} else if (mark) {
		flags |= MOUNT_SHIFT_ORIGIN_USERNS;
	}
	if (mark && mark->any)
		flags |= MOUNT_SHIFT_ANY;
	else if (mark)
		by = mark->by;
	if (mark && mark->revoked)
		flags |= MOUNT_SHIFT_REVOKE;
	return check_value(w, "mark", !!mark, !!(sm->mask & STATMOUNT_MNT_SHIFT)) &&
	       check_value(w, "origin_uid", uid, sm->mnt_origin_uid) &&
	       check_value(w, "origin_gid", gid, sm->mnt_origin_gid) &&
	       check_value(w, "origin_count", count, sm->mnt_origin_count) &&
	       check_value(w, "shift_flags", flags, sm->mnt_shift_flags) &&
	       check_value(w, "shiftable_by", by, sm->mnt_shiftable_by);
}

/* Is a line of a map within what a mark has granted, and to whom? */
static bool within(const char *line, __u32 first, __u32 count,
		   const struct space *space)
{
	unsigned int from, to, nr;

	return sscanf(line, "%u %u %u", &from, &to, &nr) == 3 && nr &&
	       from >= first && (__u64)from + nr <= (__u64)first + count &&
	       to >= space->lower &&
	       (__u64)to + nr <= (__u64)space->lower + space->count;
}

/*
 * Whatever the model says about it: what a container has shifted maps no ids but
 * those that were granted, lacks no restriction that it once had, and has no mark.
 */
static bool check_never(struct world *w, const struct state *s)
{
	const struct origin *o = &s->granted.origin;
	const struct space *space = &w->spaces[s->granted_to];
	const struct statmount *sm = w->sm;

	if (!s->delegated)
		return true;
	if (s->floor & ~sm->mnt_attr)
		return problem(w, "restrictions %#llx vanished",
			       s->floor & ~sm->mnt_attr);
	if (sm->mnt_attr & MOUNT_ATTR_SHIFTABLE)
		return problem(w, "shifted and still marked");
	if (sm->mnt_uidmap_num != 1 || sm->mnt_gidmap_num != 1 ||
	    !within(sm->str + sm->mnt_uidmap, o->uid, o->count, space) ||
	    !within(sm->str + sm->mnt_gidmap, o->gid, o->count, space))
		return problem(w, "maps ids that were not granted");
	return true;
}

static bool check_attached(struct world *w, struct mount *m)
{
	const struct state *s = &m->state;
	__u64 attrs = s->attrs;

	if (statmount_in(w, &w->ns[m->ns], m->id, MODEL_MASK))
		return problem(w, "statmount: %s", strerror(errno));
	m->shared = w->sm->mnt_propagation & MS_SHARED;
	if (s->mark)
		attrs |= MOUNT_ATTR_SHIFTABLE;
	if (s->idmapped)
		attrs |= MOUNT_ATTR_IDMAP;
	if (s->shifted)
		attrs |= MOUNT_ATTR_SHIFT;
	return check_never(w, s) &&
	       check_value(w, "attributes", attrs, w->sm->mnt_attr & CHECKED) &&
	       check_mark(w, s->mark) &&
	       check_map(w, "uid map", s->idmapped, &s->map, s->map.uid,
			 w->sm->mnt_uidmap_num, w->sm->mnt_uidmap) &&
	       check_map(w, "gid map", s->idmapped, &s->map, s->map.gid,
			 w->sm->mnt_gidmap_num, w->sm->mnt_gidmap) &&
	       (!s->private || check_value(w, "propagation", MS_PRIVATE,
					   w->sm->mnt_propagation));
}

/*
 * No system call tells of these, but their files look the way they look: all of
 * them if something was done with the mount, and otherwise two.
 */
static bool check_open(struct world *w, struct mount *m, int fd)
{
	const struct space *host = &w->spaces[HOST];
	const struct state *s = &m->state;
	const __u64 attrs = s->attrs | (s->mark ? MARK_ATTRS : 0);
	const __u64 seen = restrictions(fd);
	struct stat st;

	if (s->delegated && s->floor & ~seen)
		return problem(w, "restrictions %#llx vanished", s->floor & ~seen);
	if (!check_value(w, "restrictions", attrs, seen))
		return false;
	for (int i = 0; i < (m == w->touched ? NR_OWNERS : 2); i++) {
		const int nr = (w->steps + i) % NR_OWNERS;
		const __u32 id = owners[s->fs][nr];
		const __u32 uid = space_up_munged(host, shown_id(w, s, id, false));
		const __u32 gid = space_up_munged(host, shown_id(w, s, id, true));

		if (fstatat(fd, owner_names[nr], &st, AT_SYMLINK_NOFOLLOW))
			return problem(w, "%s: %s", owner_names[nr],
				       strerror(errno));
		if (st.st_uid != uid || st.st_gid != gid)
			return problem(w, "%s on mount %d is %u:%u and not %u:%u",
				       owner_names[nr], (int)(m - w->mounts),
				       st.st_uid, st.st_gid, uid, gid);
	}
	return true;
}

static bool check_detached(struct world *w, struct mount *m)
{
	struct statx stx;
	bool good;
	int fd;

	if (!check_open(w, m, m->fd))
		return false;
	if (m->ns != DETACHED || m->below < 0)
		return true;
	if (statx(m->fd, "b", 0, STATX_INO, &stx))
		return problem(w, "nothing below: %s", strerror(errno));
	if (!(stx.stx_attributes & STATX_ATTR_MOUNT_ROOT)) {
		if (!w->expected.unmounts)
			return problem(w, "the mount below is gone");
		/* So is the one that it is a copy of. */
		forget_mount(w, &w->mounts[m->below]);
		m->below = -1;
		return true;
	}
	fd = openat(m->fd, "b", O_PATH | O_CLOEXEC);
	if (fd < 0)
		return problem(w, "cannot look below: %s", strerror(errno));
	good = check_open(w, &w->mounts[m->below], fd);
	close(fd);
	return good;
}

static int place_of(const char *path)
{
	for (int i = 0; i < NR_PLACES; i++)
		if (!strcmp(path, places[i]))
			return i;
	return -1;
}

/* A mount of which the model does not know yet what it is called */
static bool meet_mount(struct world *w, int nr, __u64 id)
{
	const struct expected *e = &w->expected;
	struct mount *m, *from;
	int place;

	if (statmount_in(w, &w->ns[nr], id, STATMOUNT_MNT_POINT))
		return problem(w, "statmount: %s", strerror(errno));
	place = place_of(w->sm->str + w->sm->mnt_point);
	if (place < 0) {
		if (strcmp(w->sm->str + w->sm->mnt_point, SCRATCH "/s"))
			return problem(w, "a mount on %s",
				       w->sm->str + w->sm->mnt_point);
		w->ns[nr].shared = id;
		return true;
	}
	m = find_mount(w, nr, place);
	if (m && !m->id) {
		m->id = id;
		m->seen = true;
		return true;
	}
	if (m || !e->attaches)
		return problem(w, "a mount appeared on %s of %s", places[place],
			       w->spaces[w->ns[nr].space].name);

	if (e->copied_ns >= 0) {
		from = find_mount(w, e->copied_ns, place);
		if (!from)
			return problem(w, "a copy of nothing on %s", places[place]);
		m = new_mount(w, nr, &from->state);
		if (m)
			m->fixed = from->fixed;
	} else if (place >= NR_TOPS && e->place < NR_TOPS) {
		m = new_mount(w, nr, &e->below);
		if (m)
			m->fixed = e->below_fixed || w->ns[nr].space != e->space;
	} else {
		m = new_mount(w, nr, &e->top);
	}
	if (!m)
		return problem(w, "too many mounts");
	if (e->copied_ns < 0 && w->ns[nr].space != e->space)
		m->state.locked |= m->state.attrs;
	m->place = place;
	m->id = id;
	m->seen = true;
	return true;
}

static bool check_ns(struct world *w, int nr)
{
	const struct mnt_id_req req = {
		.size = MNT_ID_REQ_SIZE_VER1,
		.mnt_id = w->ns[nr].scratch,
		.mnt_ns_id = w->ns[nr].id,
	};
	__u64 ids[2 * NR_PLACES];
	ssize_t nr_ids;

	nr_ids = sys_listmount(&req, ids, ARRAY_SIZE(ids), 0);
	if (nr_ids < 0)
		return problem(w, "listmount: %s", strerror(errno));
	for (ssize_t i = 0; i < nr_ids; i++) {
		bool known = ids[i] == w->ns[nr].shared;

		for (int j = 0; j < MAX_MOUNTS; j++) {
			struct mount *m = &w->mounts[j];

			if (!m->used || m->ns != nr || m->id != ids[i])
				continue;
			known = true;
			m->seen = true;
		}
		if (!known && !meet_mount(w, nr, ids[i]))
			return false;
	}
	return true;
}

/* What mountinfo has in other words */
static bool check_mountinfo(struct world *w, const struct actor *actor)
{
	char path[64], text[1024];
	const char *what = NULL;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", actor->pid);
	file = fopen(path, "re");
	if (!file)
		return problem(w, "%s: %s", path, strerror(errno));
	while (!what && fgets(text, sizeof(text), file)) {
		char on[256], options[256], by[40] = " shiftable_by:";
		char *fields = strstr(text, " - ");
		const struct state *s;
		struct mount *m;
		int place;

		if (!fields || sscanf(text, "%*d %*d %*s %*s %255s %255s", on,
				      options) != 2)
			continue;
		fields[1] = '\0';
		place = place_of(on);
		m = place < 0 ? NULL : find_mount(w, actor->ns, place);
		if (!m)
			continue;
		s = &m->state;
		if (!s->mark)
			snprintf(by, sizeof(by), "shiftable");
		else if (s->mark->revoked || s->mark->any)
			strcat(by, s->mark->revoked ? "revoked " : "any ");
		else
			sprintf(by + strlen(by), "%u ", s->mark->by);

		if (!strstr(text, by) == !!s->mark)
			what = "mark";
		if (!strstr(text, " shifted ") == s->shifted)
			what = "shift";
		if (has_option(options, "idmapped") != s->idmapped)
			what = "mapping";
		if (has_option(options, "ro") != !!(s->attrs & MOUNT_ATTR_RDONLY) ||
		    has_option(options, "nosuid") !=
		    !!(s->attrs & MOUNT_ATTR_NOSUID) ||
		    has_option(options, "nodev") !=
		    !!(s->attrs & MOUNT_ATTR_NODEV) ||
		    has_option(options, "noexec") !=
		    !!(s->attrs & MOUNT_ATTR_NOEXEC))
			what = "restrictions";
	}
	fclose(file);
	return !what || problem(w, "%s in mountinfo: %s", what, text);
}

static enum outcome op_mountinfo(struct world *w, struct actor *actor)
{
	return check_mountinfo(w, actor) ? DONE : WRONG;
}

static bool check_caps(struct world *w, struct fs *fs, const struct file *file,
		       const char *name)
{
	const struct space *space = &w->spaces[fs->space];
	__u32 root = NO_CAPS, expected = file->caps;
	struct vfs_ns_cap_data data;
	char path[64];
	ssize_t size;

	snprintf(path, sizeof(path), "%s/%s", fs->path, name);
	size = getxattr(path, "security.capability", &data, sizeof(data));
	if (size == XATTR_CAPS_SZ_2)
		root = 0;
	else if (size == XATTR_CAPS_SZ_3)
		root = data.rootid;
	if (expected != NO_CAPS)
		expected = space_down(space, expected == V2_CAPS ? 0 : expected);
	return check_value(w, "root id of capabilities", expected, root);
}

/* The files as they are on disk */
static bool check_files(struct world *w, int nr)
{
	struct fs *fs = &w->fs[nr];
	const struct space *space = &w->spaces[fs->space];

	for (int i = 0; i < NR_FILES; i++) {
		const struct file *file = &fs->files[i];
		const char *name = file_names[i];
		struct stat st;

		if (fstatat(fs->raw, name, &st, AT_SYMLINK_NOFOLLOW)) {
			if (errno == ENOENT && file->type == NONE)
				continue;
			return problem(w, "%s of fs %d: %s", name, nr,
				       strerror(errno));
		}
		if (file->type == NONE)
			return problem(w, "%s of fs %d exists", name, nr);
		if (st.st_uid != space_down(space, file->uid) ||
		    st.st_gid != space_down(space, file->gid) ||
		    (st.st_mode & 07777) != file->mode)
			return problem(w, "%s of fs %d is %u:%u %#o and not %u:%u %#o",
				       name, nr, st.st_uid, st.st_gid,
				       st.st_mode & 07777,
				       space_down(space, file->uid),
				       space_down(space, file->gid), file->mode);
		if (file->type == REGULAR && fs->xattrs &&
		    !check_caps(w, fs, file, name))
			return false;
	}
	return true;
}

/* All mounts if any of them was changed, and otherwise now and then */
static bool check_world(struct world *w)
{
	const bool all = w->changed || w->steps % 4 == 0;

	for (int i = 0; i < MAX_MOUNTS; i++)
		w->mounts[i].seen = !all;
	for (int i = 0; all && i < MAX_NS; i++)
		if (w->ns[i].used && !check_ns(w, i))
			return false;
	for (int i = 0; i < MAX_MOUNTS; i++) {
		struct mount *m = &w->mounts[i];

		if (!m->used || m->ns == BELOW_DETACHED ||
		    (!all && m != w->touched))
			continue;
		if (m->ns < 0) {
			if (!check_detached(w, m))
				return false;
		} else if (m->seen) {
			if (!check_attached(w, m))
				return false;
		} else if (w->expected.unmounts) {
			forget_mount(w, m);
		} else {
			return problem(w, "the mount on %s of %s is gone",
				       places[m->place],
				       w->spaces[w->ns[m->ns].space].name);
		}
	}
	return check_files(w, w->touched ? w->touched->state.fs : 0) &&
	       check_files(w, w->steps % NR_FS);
}

/* The operations, and how often each is tried */
static const struct operation {
	const char *name;
	unsigned int weight;
	enum outcome (*run)(struct world *w, struct actor *actor);
} operations[] = {
	{ "fresh", 10, op_fresh },
	{ "clone", 6, op_clone },
	{ "clone with", 8, op_clone_attr },
	{ "set", 18, op_setattr },
	{ "shift", 12, op_shift },
	{ "move", 12, op_move },
	{ "bind", 4, op_bind },
	{ "remount", 6, op_remount },
	{ "umount", 7, op_umount },
	{ "lose", 1, op_lose },
	{ "close", 3, op_close },
	{ "unshare", 1, op_unshare },
	{ "setns", 1, op_setns },
	{ "create", 6, op_create },
	{ "mkdir", 2, op_mkdir },
	{ "mknod", 4, op_mknod },
	{ "unlink", 4, op_unlink },
	{ "rename", 3, op_rename },
	{ "chown", 6, op_chown },
	{ "chmod", 6, op_chmod },
	{ "setcap", 4, op_setcap },
	{ "open", 6, op_open },
	{ "stop writing", 2, op_stop_writing },
	{ "stat", 6, op_stat },
	{ "exec", 6, op_exec },
	{ "mountinfo", 1, op_mountinfo },
};

static const struct operation *some_operation(struct world *w)
{
	unsigned int sum = 0, choice;

	for (size_t i = 0; i < ARRAY_SIZE(operations); i++)
		sum += operations[i].weight;
	choice = below(w, sum);
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
		if (choice < operations[i].weight)
			return &operations[i];
		choice -= operations[i].weight;
	}
	return NULL;
}

static bool step(struct world *w)
{
	const struct operation *operation;
	struct actor *actor;
	enum outcome outcome;

	do {
		operation = some_operation(w);
		actor = &w->actors[below(w, NR_ACTORS)];
		/* Those who may do nothing need not do so all the time. */
		if (!actor->caps && !one_in(w, 4))
			actor--;
		if (operation->run == op_mknod && !one_in(w, 4))
			actor = &w->actors[ROOT];
		memset(&w->expected, 0, sizeof(w->expected));
		w->touched = NULL;
		w->changed = false;
		w->history[w->steps % HISTORY][0] = '\0';
		say(w, "%lu: %s %s", w->steps, actor->name, operation->name);
		outcome = operation->run(w, actor);
	} while (outcome == NOTHING);
	return outcome != WRONG && check_world(w);
}

static bool fuzz(struct world *w, __u64 seed, unsigned long steps)
{
	printf("# CREDFD_SEED=%llu CREDFD_STEPS=%lu\n", seed, steps);
	fflush(stdout);
	w->random = seed * 0x9e3779b97f4a7c15ULL ?: 1;
	for (; w->steps < steps; w->steps++) {
		if (step(w))
			continue;
		for (unsigned long i = w->steps < HISTORY ? 0 :
		     w->steps - HISTORY + 1; i <= w->steps; i++)
			printf("# %s\n", w->history[i % HISTORY]);
		printf("# step %lu of seed %llu: %s\n", w->steps, seed, w->problem);
		fflush(stdout);
		return false;
	}
	printf("# %lu operations succeeded, among them %lu shifts, and %lu failed\n",
	       w->succeeded, w->shifts, w->failed);
	fflush(stdout);
	return true;
}

/* The beginning of the world */

struct nested_maps {
	pid_t pid;
	const char *map;
};

static int do_write_maps(void *arg)
{
	const struct nested_maps *maps = arg;

	return write_maps(maps->pid, maps->map, maps->map, NULL) ? -errno : 0;
}

/* What the new process does before it serves; 0 or an errno */
static int be_actor(const struct world *w, const struct actor *actor, int sock,
		    const char *map)
{
	const struct space *space = &w->spaces[actor->space];
	const int from = actor->caps ? space->parent : actor->space;
	const struct actor *in = NULL;
	const bool maps_itself = map && space->count == 1;
	char byte = 0;

	for (int i = NR_ACTORS - 1; i >= 0; i--)
		if (w->actors[i].caps && w->actors[i].space == from)
			in = &w->actors[i];
	/* From outside of all of them */
	if (from > HOST && setns(w->spaces[from].fd, CLONE_NEWUSER))
		return errno;
	if (in && setns(w->ns[in->ns].fd, CLONE_NEWNS))
		return errno;
	if (sock > 3)
		close_range(3, sock - 1, 0);
	close_range(sock + 1, ~0U, 0);

	if (!actor->caps) {
		if (become(actor->id, actor->id) || caps_keep(0))
			return errno;
	} else if (!map) {
		/* The host */
		if (unshare(CLONE_NEWNS) ||
		    sys_mount(SCRATCH "/s", SCRATCH "/s", NULL, MS_BIND, NULL) ||
		    sys_mount(NULL, SCRATCH "/s", NULL, MS_SHARED, NULL))
			return errno;
	} else {
		const __u32 maker = maps_itself ? space->lower : 0;

		if (become(maker, maker) || unshare(CLONE_NEWUSER | CLONE_NEWNS) ||
		    prctl(PR_SET_DUMPABLE, 1))
			return errno;
		if (maps_itself && write_maps(getpid(), map, map, "deny"))
			return errno;
	}
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || write(sock, &byte, 1) != 1 ||
	    read(sock, &byte, 1) != 1)
		return errno;
	return map && !maps_itself && become(0, 0) ? errno : 0;
}

/* 0, or -1 and errno */
static int start_actor(struct world *w, struct actor *actor)
{
	struct space *space = &w->spaces[actor->space];
	const bool makes = actor->caps && actor->space != HOST;
	int sockets[2], error;
	char map[40], byte;

	if (makes)
		snprintf(map, sizeof(map), "%u %u %u", space->first,
			 space_up(&w->spaces[space->parent], space->lower),
			 space->count);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
		return -1;
	actor->pid = fork();
	if (!actor->pid) {
		error = be_actor(w, actor, sockets[1], makes ? map : NULL);
		if (!error)
			serve(sockets[1]);
		fprintf(stderr, "# %s: %s\n", actor->name, strerror(error));
		_exit(1);
	}
	close(sockets[1]);
	actor->sock = sockets[0];
	if (actor->pid < 0 || read(actor->sock, &byte, 1) != 1)
		return -1;

	if (makes) {
		space->fd = open_ns(actor->pid, "user");
		if (space->parent != HOST) {
			const struct container parent = {
				.user.fd = w->spaces[space->parent].fd,
				.mnt = w->ns[w->actors[ROOT_A].ns].fd,
			};
			struct nested_maps maps = { actor->pid, map };

			error = in_container(&parent, do_write_maps, &maps);
			errno = -error;
		} else {
			error = space->count > 1 ?
				write_maps(actor->pid, map, map, NULL) : 0;
		}
		if (space->fd < 0 || error)
			return -1;
	}
	return write(actor->sock, &byte, 1) == 1 ? 0 : -1;
}

/* Where the actor is, as far as nobody else was there before */
static int place_actor(struct world *w, struct actor *actor)
{
	struct request r = REQUEST(ENTER);

	errno = call(w, actor, &r);
	if (errno)
		return -1;
	actor->spare = -1;
	for (int i = 0; !actor->caps && i < MAX_NS; i++) {
		if (!w->ns[i].used || w->ns[i].scratch != w->reply.id)
			continue;
		actor->ns = i;
		w->ns[i].users++;
		return 0;
	}
	actor->ns = add_ns(w, actor, w->reply.id);
	return actor->ns < 0 ? -1 : 0;
}

static int make_fs(struct world *w, unsigned int nr)
{
	const struct actor *actor = &w->actors[all_fs[nr].space == A ? ROOT_A : ROOT];
	struct request r = REQUEST(SETUP);
	struct fs *fs = &w->fs[nr];

	*fs = all_fs[nr];
	r.flags = nr;
	errno = call(w, actor, &r);
	if (errno)
		return -1;
	fs->raw = w->made;
	snprintf(fs->path, sizeof(fs->path), SCRATCH "/raw%u", nr);
	if (mkdir(fs->path, 0700) || attach(clone_mount_fd(fs->raw), fs->path))
		return -1;
	w->raw[nr] = (struct mount){
		.ns = DETACHED,
		.fd = fs->raw,
		.below = -1,
		.state = { .fs = nr, .private = true },
	};
	for (int i = 0; i < NR_FILES; i++) {
		const __u32 owner = fs->dir_owner[i % NR_DIRS];
		struct file *file = &fs->files[i];

		file->uid = owner;
		file->gid = owner;
		file->caps = NO_CAPS;
		file->serial = ++w->serial;
		if (i < NR_DIRS) {
			file->type = REGULAR;
			file->mode = 06755;
		} else if (i < 2 * NR_DIRS && fs->devices) {
			file->type = DEVICE;
			file->mode = 0666;
		}
	}
	return 0;
}

/* The program that tells who runs it is beside this one. */
static int load_program(void)
{
	char path[PATH_MAX] = "";
	ssize_t len;
	int fd;

	if (readlink("/proc/self/exe", path, sizeof(path) - 10) < 0)
		return -1;
	*strrchr(path, '/') = '\0';
	strcat(path, "/ids");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	len = read(fd, program, sizeof(program));
	close(fd);
	program_size = len;
	return len > 0 && len < (ssize_t)sizeof(program) ? 0 : -1;
}

FIXTURE(model)
{
	struct world *world;
};

FIXTURE_SETUP(model)
{
	const char *reason = shift_unavailable();
	struct world *w;

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, load_program())
		TH_LOG("ids: %m");
	ASSERT_EQ(0, scratch_setup());
	ASSERT_EQ(0, mkdir(SCRATCH "/s", 0755));
	for (int i = 0; i < NR_TOPS; i++)
		ASSERT_EQ(0, mkdir(places[i], 0755));

	w = calloc(1, sizeof(*w));
	self->world = w;
	ASSERT_NE(NULL, w);
	w->sm = malloc(STATMOUNT_SIZE);
	ASSERT_NE(NULL, w->sm);
	memcpy(w->spaces, all_spaces, sizeof(all_spaces));
	memcpy(w->actors, all_actors, sizeof(all_actors));
	for (int i = 0; i < MAX_WRITERS; i++)
		w->writers[i] = (struct writer){ -1, -1, 0 };

	w->spaces[HOST].fd = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, w->spaces[HOST].fd);
	for (int i = NR_ACTOR_SPACES; i < NR_SPACES; i++) {
		struct space *space = &w->spaces[i];
		char map[40];

		snprintf(map, sizeof(map), "%u %u %u", space->first, space->lower,
			 space->count);
		space->fd = userns_open(map, map);
		ASSERT_LE(0, space->fd);
	}
	for (int i = 0; i < NR_ACTORS; i++) {
		ASSERT_EQ(0, start_actor(w, &w->actors[i]))
			TH_LOG("%s: %m", w->actors[i].name);
		ASSERT_EQ(0, place_actor(w, &w->actors[i]))
			TH_LOG("%s: %m", w->actors[i].name);
	}
	for (unsigned int i = 0; i < NR_FS; i++) {
		ASSERT_EQ(0, make_fs(w, i))
			TH_LOG("file system %u: %m", i);
	}
}

FIXTURE_TEARDOWN(model)
{
}

static __u64 from_environment(const char *name, __u64 otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

/* Where others do fewer rounds because everything is slow, so does this. */
static unsigned long steps(void)
{
	const __u64 loops = from_environment("CREDFD_LOOPS", DEFAULT_STEPS) / 2;

	return from_environment("CREDFD_STEPS",
				loops && loops < DEFAULT_STEPS ? loops :
								 DEFAULT_STEPS);
}

/* The same every time, unless it is to be replayed */
TEST_F_TIMEOUT(model, fixed_seed, TIMEOUT)
{
	struct world *w = self->world;

	ASSERT_TRUE(fuzz(w, from_environment("CREDFD_SEED", 2026), steps()))
		TH_LOG("%s", w->problem);
	if (w->steps < DEFAULT_STEPS)
		return;
	/* Operations that all fail would prove nothing. A short run has few. */
	EXPECT_LT(w->steps / 4, w->succeeded);
	EXPECT_LT(w->steps / 20, w->failed);
	EXPECT_LT(w->steps / 300, w->shifts);
}

/* Another one every time */
TEST_F_TIMEOUT(model, random_seed, TIMEOUT)
{
	struct world *w = self->world;
	__u32 seed;

	ASSERT_EQ((ssize_t)sizeof(seed), getrandom(&seed, sizeof(seed), 0));
	ASSERT_TRUE(fuzz(w, from_environment("CREDFD_SEED", seed), steps()))
		TH_LOG("%s", w->problem);
}

TEST_HARNESS_MAIN
