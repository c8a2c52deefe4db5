/* SPDX-License-Identifier: GPL-2.0 */
/*
 * credfd selftests: a model of tasks, their credentials and their credfds
 *
 * It says what the credfd system calls have to answer and to do. There are no
 * system calls in here, and ids are those of the initial user namespace.
 */
#ifndef __CREDFD_SELFTEST_MODEL_H
#define __CREDFD_SELFTEST_MODEL_H

#include "credfd.h"

#include <stdarg.h>
#include <stdbool.h>

#define MAX_ACTORS	12
#define MAX_NS		24
#define MAX_DOMAINS	256
#define MAX_FILES	128
#define MAX_QUEUE	8
#define NR_FIXED_NS	4
#define NR_SLOTS	8
#define NR_OBJECTS	9
#define HISTORY		20

/* Files that are open for good, and those that come and go. */
#define FD_OBJECT	120
#define FD_SLOT		140

/* What is shown for an id that a namespace does not know. */
#define OVERFLOW_ID	65534

struct extent {
	__u32 inside;
	__u32 outside;
	__u32 count;
};

enum { UID, GID };

struct userns {
	bool used;
	bool setgroups;		/* not denied */
	int parent;
	int extents[2];		/* 0: no map yet */
	struct extent map[2][2];
	int fd;
	ino_t ino;
};

/* A Landlock domain. The first one is none. */
struct domain {
	int parent;
	int depth;
	unsigned int denied;
};

struct mcred {
	struct identity id;	/* only what belongs to credentials */
	int session;
	bool thread_keyring;
	bool process_keyring;
	int ns;
	int domain;
	unsigned long groups_set;	/* the setgroups() that they come from */
	unsigned long instance;		/* stands for the kernel's pointer */
};

/* An open file from credfd_create(). */
struct mfile {
	int refs;
	bool access_only;
	bool may_setgroups;
	struct mcred cred;
};

struct slot {
	int file;		/* -1: not open */
	bool opath;
	bool cloexec;
};

struct table {
	int refs;
	struct slot slot[NR_SLOTS];
};

struct actor {
	bool alive;
	bool leader;		/* of its process */
	int process;
	int table;
	int no_new_privs;
	int pdeath_signal;
	int status_fd;
	pid_t pid;
	pid_t tid;
	struct mcred cred;
};

/* Why taking on credentials is refused, in the order of the kernel's checks. */
enum fault {
	BAD_FLAGS, BAD_FD, NO_CREDFD, ACCESS_ONLY, DUMPABLE, USERNS, SETID, GROUPS,
	PERMITTED, INHERITABLE, BOUNDING, BOUNDING_DROP, AMBIENT, LOCKED,
	SECUREBITS, LANDLOCK, LANDLOCK_ENTER, NR_FAULTS,
};

static const struct {
	const char *name;
	int error;
} faults[NR_FAULTS] = {
	[BAD_FLAGS]	= { "flags", EINVAL },
	[BAD_FD]	= { "closed", EBADF },
	[NO_CREDFD]	= { "no-credfd", EINVAL },
	[ACCESS_ONLY]	= { "access-only", EINVAL },
	[DUMPABLE]	= { "dumpable", EINVAL },
	[USERNS]	= { "userns", EPERM },
	[SETID]		= { "setid", EPERM },
	[GROUPS]	= { "groups", EPERM },
	[PERMITTED]	= { "permitted", EPERM },
	[INHERITABLE]	= { "inheritable", EPERM },
	[BOUNDING]	= { "bounding", EPERM },
	[BOUNDING_DROP]	= { "bounding-drop", EPERM },
	[AMBIENT]	= { "ambient", EPERM },
	[LOCKED]	= { "locked", EPERM },
	[SECUREBITS]	= { "securebits", EPERM },
	[LANDLOCK]	= { "landlock", EPERM },
	[LANDLOCK_ENTER] = { "landlock-enter", EPERM },
};

/* What was met, in all worlds together: a walk may miss what it is for. */
struct tally {
	long steps;
	long unmapped;		/* creations refused for an id without a mapping */
	long activated;
	long same;		/* activations of what was active */
	long answers[2];	/* credfd_access(): denied, allowed */
	long alone[NR_FAULTS];	/* activations refused for this and nothing else */
};

struct world {
	__u64 seed;
	__u64 random;
	long step;
	unsigned long last_instance;
	unsigned long last_groups_set;
	__u64 all_caps;
	struct userns ns[MAX_NS];
	struct domain domain[MAX_DOMAINS];
	int domains;
	struct mfile file[MAX_FILES];
	struct table table[MAX_ACTORS];
	int dumpable[MAX_ACTORS];	/* of each process */
	struct actor actor[MAX_ACTORS];
	struct slot queue[MAX_QUEUE];	/* on their way from one to another */
	int queued;
	int plot;		/* what somebody is up to, see plots[] */
	int plot_steps;		/* still to come */
	int plotter[2];
	__u64 plot_fd;
	struct tally *tally;
	char history[HISTORY][256];
	char broken[1024];	/* what is not as it should be */
};

/* Files to ask about. The last one is on a read-only mount without exec. */
static const struct object {
	uid_t uid;
	gid_t gid;
	mode_t mode;
	bool locked_mount;
} objects[NR_OBJECTS] = {
	{ 0, 0, S_IFREG | 0600, false },
	{ USER, GROUP, S_IFREG | 0640, false },
	{ USER, EXTRA_GROUP, S_IFREG | 0077, false },
	{ OTHER_USER, EXTRA_GROUP, S_IFREG | 0470, false },
	{ 100000, 100000, S_IFREG | 0600, false },
	{ 100000 + USER, 100000 + GROUP, S_IFREG | 0710, false },
	{ 70000, 70000, S_IFREG | 0110, false },
	{ OTHER_USER, OTHER_GROUP, S_IFDIR | 0750, false },
	{ 0, GROUP, S_IFREG | 0755, true },
};

/* Random numbers */

static inline __u64 mix(__u64 *state)
{
	__u64 z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static inline unsigned int pick(struct world *w, unsigned int n)
{
	return mix(&w->random) % n;
}

static inline bool one_in(struct world *w, unsigned int n)
{
	return !pick(w, n);
}

/* User namespaces */

static inline bool ns_has(const struct userns *ns, int kind, __u32 id)
{
	for (int i = 0; i < ns->extents[kind]; i++)
		if (id - ns->map[kind][i].outside < ns->map[kind][i].count)
			return true;
	return false;
}

static inline __u32 ns_shows(const struct userns *ns, int kind, __u32 id)
{
	for (int i = 0; i < ns->extents[kind]; i++) {
		const struct extent *e = &ns->map[kind][i];

		if (id - e->outside < e->count)
			return id - e->outside + e->inside;
	}
	return OVERFLOW_ID;
}

/* The other way round, for an id that is known inside. */
static inline __u32 ns_means(const struct userns *ns, int kind, __u32 id)
{
	for (int i = 0; i < ns->extents[kind]; i++) {
		const struct extent *e = &ns->map[kind][i];

		if (id - e->inside < e->count)
			return id - e->inside + e->outside;
	}
	return -1;
}

static inline bool ns_has_all(const struct userns *ns, const struct identity *id)
{
	for (int i = 0; i < 4; i++)
		if (!ns_has(ns, UID, id->uid[i]) || !ns_has(ns, GID, id->gid[i]))
			return false;
	for (int i = 0; i < id->ngroups; i++)
		if (!ns_has(ns, GID, id->groups[i]))
			return false;
	return true;
}

static inline bool ns_may_setgroups(const struct userns *ns)
{
	return ns->setgroups && ns->extents[GID];
}

static inline bool ns_below(const struct world *w, int ns, int ancestor)
{
	while (ns > 0 && ns != ancestor)
		ns = w->ns[ns].parent;
	return ns == ancestor;
}

/* Who creates a namespace has to be known in the one where that is. */
static inline bool may_create_ns(const struct world *w, const struct actor *a)
{
	return ns_has(&w->ns[a->cred.ns], UID, a->cred.id.uid[1]) &&
	       ns_has(&w->ns[a->cred.ns], GID, a->cred.id.gid[1]);
}

/* Root's namespaces are entered from the initial one, where their owner is. */
static inline bool may_enter_fixed(const struct actor *a)
{
	return !a->cred.ns && (!a->cred.id.uid[1] ||
			       a->cred.id.caps.effective & CAP_BIT(CAP_SYS_ADMIN));
}

/* One that no actor, no credfd and no other namespace refers to, or -1. */
static inline int free_ns(const struct world *w)
{
	bool used[MAX_NS] = {};
	int i = NR_FIXED_NS;

	for (int k = 0; k < MAX_ACTORS; k++)
		if (w->actor[k].alive)
			used[w->actor[k].cred.ns] = true;
	for (int k = 0; k < MAX_FILES; k++)
		if (w->file[k].refs)
			used[w->file[k].cred.ns] = true;
	for (int k = 0; k < MAX_NS; k++)
		if (used[k])
			for (int p = k; p > 0; p = w->ns[p].parent)
				used[p] = true;
	while (i < MAX_NS && used[i])
		i++;
	return i < MAX_NS ? i : -1;
}

/* Open files */

static inline struct slot *slot_of(struct world *w, const struct actor *a, __u64 fd)
{
	if (fd < FD_SLOT || fd >= FD_SLOT + NR_SLOTS)
		return NULL;
	return &w->table[a->table].slot[fd - FD_SLOT];
}

/* As dup2(): what was open in @to is closed. */
static inline void slot_set(struct world *w, struct slot *to, struct slot from)
{
	if (from.file >= 0)
		w->file[from.file].refs++;
	if (to->file >= 0)
		w->file[to->file].refs--;
	*to = from;
}

static inline void slot_close(struct world *w, struct slot *slot)
{
	slot_set(w, slot, (struct slot) { .file = -1 });
}

static inline int table_new(struct world *w)
{
	int i = 0;

	while (w->table[i].refs)
		i++;
	w->table[i].refs = 1;
	for (int s = 0; s < NR_SLOTS; s++)
		w->table[i].slot[s] = (struct slot) { .file = -1 };
	return i;
}

static inline void table_put(struct world *w, int table)
{
	if (--w->table[table].refs)
		return;
	for (int s = 0; s < NR_SLOTS; s++)
		slot_close(w, &w->table[table].slot[s]);
}

static inline int table_copy(struct world *w, int from)
{
	int to = table_new(w);

	for (int s = 0; s < NR_SLOTS; s++)
		slot_set(w, &w->table[to].slot[s], w->table[from].slot[s]);
	return to;
}

static inline void table_unshare(struct world *w, struct actor *a)
{
	int old = a->table;

	if (w->table[old].refs == 1)
		return;
	a->table = table_copy(w, old);
	table_put(w, old);
}

static inline int free_file(const struct world *w)
{
	for (int i = 0; i < MAX_FILES; i++)
		if (!w->file[i].refs)
			return i;
	return -1;
}

/* Actors */

static inline int actors_alive(const struct world *w)
{
	int n = 0;

	for (int i = 0; i < MAX_ACTORS; i++)
		n += w->actor[i].alive;
	return n;
}

static inline int free_actor(const struct world *w)
{
	for (int i = 0; i < MAX_ACTORS; i++)
		if (!w->actor[i].alive)
			return i;
	return -1;
}

static inline int free_process(const struct world *w)
{
	bool used[MAX_ACTORS] = {};
	int i = 0;

	for (int k = 0; k < MAX_ACTORS; k++)
		if (w->actor[k].alive)
			used[w->actor[k].process] = true;
	while (used[i])
		i++;
	return i;
}

/* Is @b another thread of @a's process? */
static inline bool same_process(const struct actor *a, const struct actor *b)
{
	return a != b && b->alive && a->process == b->process;
}

static inline bool has_threads(const struct world *w, const struct actor *a)
{
	for (int i = 0; i < MAX_ACTORS; i++)
		if (same_process(a, &w->actor[i]))
			return true;
	return false;
}

/* Each struct cred in the kernel has a number of its own. */
static inline void new_instance(struct world *w, struct mcred *cred)
{
	cred->instance = ++w->last_instance;
}

/* What setns() and unshare() do to the credentials of one who enters. */
static inline void enter_ns(struct world *w, struct mcred *cred, int ns)
{
	cred->ns = ns;
	cred->id.caps = (struct caps) {
		.effective = w->all_caps,
		.permitted = w->all_caps,
	};
	cred->id.bounding = w->all_caps;
	cred->id.ambient = 0;
	/* Those that grant nothing are kept. */
	cred->id.securebits &= SECURE_ALL_UNPRIVILEGED |
			       SECURE_ALL_UNPRIVILEGED << 1;
	new_instance(w, cred);
}

/* The system calls */

/* The keyrings of one thread or process are not for others. */
static inline void model_create(struct world *w, const struct actor *a,
				struct slot *slot, unsigned int flags)
{
	const int i = free_file(w);
	struct mfile *file = &w->file[i];

	*file = (struct mfile) {
		.access_only = flags & CREDFD_ACCESS_ONLY,
		.may_setgroups = ns_may_setgroups(&w->ns[a->cred.ns]),
		.cred = a->cred,
	};
	file->cred.thread_keyring = false;
	file->cred.process_keyring = false;
	new_instance(w, &file->cred);
	slot_set(w, slot, (struct slot) { .file = i, .cloexec = true });
}

static inline void model_activate(struct actor *a, const struct mfile *file)
{
	const struct identity *old = &a->cred.id, *new = &file->cred.id;

	if (old->uid[1] != new->uid[1] || old->uid[3] != new->uid[3] ||
	    old->gid[1] != new->gid[1] || old->gid[3] != new->gid[3] ||
	    new->caps.permitted & ~old->caps.permitted)
		a->pdeath_signal = 0;
	a->cred = file->cred;
}

/* What could not be got from @old to @new with capset() and prctl()? */
static inline unsigned int cap_faults(const struct identity *old,
				      const struct identity *new)
{
	const __u64 locks = old->securebits & SECURE_ALL_LOCKS;
	const __u64 changed = old->securebits ^ new->securebits;
	const __u64 free_bits = SECURE_ALL_UNPRIVILEGED |
				SECURE_ALL_UNPRIVILEGED << 1 | SECBIT_KEEP_CAPS;
	const bool setpcap = old->caps.effective & CAP_BIT(CAP_SETPCAP);
	const __u64 had = old->caps.inheritable;
	unsigned int found = 0;

	if (new->caps.permitted & ~old->caps.permitted)
		found |= 1U << PERMITTED;
	if ((!setpcap && new->caps.inheritable & ~(had | old->caps.permitted)) ||
	    new->caps.inheritable & ~(had | old->bounding))
		found |= 1U << INHERITABLE;
	if (new->bounding & ~old->bounding)
		found |= 1U << BOUNDING;
	if (!setpcap && old->bounding & ~new->bounding)
		found |= 1U << BOUNDING_DROP;
	if (old->securebits & SECBIT_NO_CAP_AMBIENT_RAISE &&
	    new->ambient & ~old->ambient)
		found |= 1U << AMBIENT;
	if (changed & (locks >> 1) || locks & ~new->securebits)
		found |= 1U << LOCKED;
	if (!setpcap && changed & ~free_bits)
		found |= 1U << SECUREBITS;
	return found;
}

static inline unsigned int landlock_faults(const struct world *w,
					   const struct actor *a, int new,
					   bool access)
{
	const int old = a->cred.domain;
	int d = new;

	while (d && d != old)
		d = w->domain[d].parent;
	if (d != old)
		return 1U << LANDLOCK;
	if (new != old && !access && !a->no_new_privs &&
	    !(a->cred.id.caps.effective & CAP_BIT(CAP_SYS_ADMIN)))
		return 1U << LANDLOCK_ENTER;
	return 0;
}

/* Everything that speaks against @a's taking on what is in @file. */
static inline unsigned int switch_faults(const struct world *w,
					 const struct actor *a,
					 const struct mfile *file, bool access)
{
	const struct mcred *old = &a->cred, *new = &file->cred;
	unsigned int found = 0;

	if (old->instance == new->instance)
		return 0;
	if (!access && w->dumpable[a->process] == 1)
		found |= 1U << DUMPABLE;
	if (old->ns != new->ns)
		found |= 1U << USERNS;
	if (~old->id.caps.effective & CAPS_SETID)
		found |= 1U << SETID;
	if (old->groups_set != new->groups_set && !file->may_setgroups)
		found |= 1U << GROUPS;
	return found | cap_faults(&old->id, &new->id) |
	       landlock_faults(w, a, new->domain, access);
}

/* Is @fd a credfd at all? An object is not, and every other one is O_PATH. */
static inline unsigned int fd_faults(struct world *w, const struct actor *a, __u64 fd)
{
	const struct slot *slot = slot_of(w, a, fd);

	if (!slot)
		return 1U << ((fd - FD_OBJECT) % 2 ? BAD_FD : NO_CREDFD);
	return slot->file < 0 || slot->opath ? 1U << BAD_FD : 0;
}

/* As all predictions: 0 or a negative errno. */
static inline int first_error(unsigned int found)
{
	return found ? -faults[__builtin_ctz(found)].error : 0;
}

static inline int predict_create(struct world *w, const struct actor *a, __u64 flags)
{
	if (flags & ~(__u64)CREDFD_ACCESS_ONLY)
		return -EINVAL;
	if (ns_has_all(&w->ns[a->cred.ns], &a->cred.id))
		return 0;
	w->tally->unmapped++;
	return -EINVAL;
}

static inline int predict_activate(struct world *w, const struct actor *a,
				   __u64 fd, __u64 flags)
{
	unsigned int found = flags ? 1U << BAD_FLAGS : fd_faults(w, a, fd);
	const struct mfile *file;

	if (!found) {
		file = &w->file[slot_of(w, a, fd)->file];
		found = file->access_only ? 1U << ACCESS_ONLY :
			switch_faults(w, a, file, false);
		if (!found && file->cred.instance == a->cred.instance)
			w->tally->same++;
		else if (!found)
			w->tally->activated++;
	}
	if (found && !(found & (found - 1)))
		w->tally->alone[__builtin_ctz(found)]++;
	return first_error(found);
}

/* The permission bits, for the fsuid, the groups and the capabilities. */
static inline bool may_access(const struct world *w, const struct mcred *cred,
			      const struct object *object, __u64 mode)
{
	const struct userns *ns = &w->ns[cred->ns];
	const __u64 caps = cred->id.caps.effective;
	bool member = object->gid == cred->id.gid[3];
	mode_t bits = object->mode;

	for (int i = 0; i < cred->id.ngroups; i++)
		member |= object->gid == cred->id.groups[i];
	if (object->uid == cred->id.uid[3])
		bits >>= 6;
	else if (member)
		bits >>= 3;
	if (!(mode & ~bits))
		return true;

	if (!ns_has(ns, UID, object->uid) || !ns_has(ns, GID, object->gid))
		return false;
	if (caps & CAP_BIT(CAP_DAC_READ_SEARCH) &&
	    (S_ISDIR(object->mode) ? !(mode & W_OK) : mode == R_OK))
		return true;
	return caps & CAP_BIT(CAP_DAC_OVERRIDE) &&
	       (S_ISDIR(object->mode) || !(mode & X_OK) || object->mode & 0111);
}

static inline int predict_access(struct world *w, const struct actor *a, __u64 fd,
				 __u64 object_fd, __u64 mode, __u64 flags)
{
	const struct slot *slot = slot_of(w, a, object_fd);
	const struct identity *creator;
	const struct mfile *file;
	struct object object;
	unsigned int found;
	bool allowed;

	if (flags || mode & ~(__u64)(R_OK | W_OK | X_OK))
		return -EINVAL;
	found = fd_faults(w, a, fd);
	if (slot && slot->file < 0)
		found |= 1U << BAD_FD;
	if (!found) {
		file = &w->file[slot_of(w, a, fd)->file];
		found = switch_faults(w, a, file, true);
	}
	if (found)
		return first_error(found);

	if (slot) {
		/* As a file, a credfd belongs to its creator. */
		creator = &w->file[slot->file].cred.id;
		object = (struct object) {
			.uid = creator->uid[3],
			.gid = creator->gid[3],
			.mode = 0600,
		};
	} else {
		object = objects[object_fd - FD_OBJECT];
	}
	allowed = may_access(w, &file->cred, &object, mode);
	w->tally->answers[allowed]++;
	if (!allowed || (object.locked_mount && mode & X_OK))
		return -EACCES;
	return object.locked_mount && mode & W_OK ? -EROFS : 0;
}

#endif
