// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: random walks, compared with a model in user space
 *
 * A world is a dozen tasks ("actors"), processes and threads in several user
 * namespaces and Landlock domains, some with a common table of open files. They
 * make credfds, pass them on, activate them, and change their credentials in
 * all the other ways there are. One actor at a time does one thing, drawn from
 * one random number generator, so that a seed tells the whole story. After each
 * step the kernel's view is compared with that of the model, which predicts what
 * the credfd system calls answer and do. What the other system calls do is read
 * back. Both have to obey the rules in check_rules(), which know nothing of the
 * predictions: nobody gains.
 *
 *   CREDFD_SEED=N    the seed of the first world of "seeded", and of "race"
 *   CREDFD_STEPS=N   how many steps each test takes
 *
 * A world that goes wrong tells its own seed. To see it again:
 *
 *   CREDFD_SEED=N CREDFD_STEPS=1000 ./model_test -t seeded
 */

#include "model.h"

#include <linux/futex.h>
#include <linux/keyctl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <sys/random.h>
#include <sys/xattr.h>

#define DEFAULT_SEED	2014
#define DEFAULT_STEPS	12000
#define WORLD_STEPS	1000
#define MIN_ACTORS	5
#define MAX_LAYERS	16	/* of Landlock domains */
#define NR_RULESETS	4

/* An id that only the widest namespaces know. */
#define STRANGE		70000

/* These files have the same numbers in all actors. See FD_SLOT as well. */
#define FD_BOXES	100
#define FD_SEND		101
#define FD_RECEIVE	102
#define FD_RULESET	103
#define FD_NS		110

#ifndef __NR_futex
#define __NR_futex	__NR_futex_time64
#endif

/* Programs to execute: copies of this one. */
static const struct program {
	const char *name;
	uid_t uid;
	gid_t gid;
	mode_t mode;
	__u32 caps;
} programs[] = {
	{ "plain", 0, 0, 0755, 0 },
	{ "suid-root", 0, 0, 04755, 0 },
	{ "suid-user", USER, GROUP, 04755, 0 },
	{ "sgid-user", USER, GROUP, 02755, 0 },
	{ "suid-inside", 100000, 100000, 06755, 0 },
	{ "caps", 0, 0, 0755, CAPS_SETID | CAP_BIT(CAP_NET_RAW) },
};

static __printf(2, 3) void broken(struct world *w, const char *fmt, ...)
{
	size_t len = strlen(w->broken);
	va_list args;

	va_start(args, fmt);
	vsnprintf(w->broken + len, sizeof(w->broken) - len, fmt, args);
	va_end(args);
}

/* What goes back and forth between the test and an actor */

struct order {
	int op;
	__u64 arg[4];
	gid_t groups[4];
};

struct report {
	long ret;
	int error;
	pid_t pid;
	pid_t tid;
	int securebits;
	int dumpable;
	int pdeath_signal;
	int session;
	int thread_keyring;
	int process_keyring;
	unsigned int denied;	/* by Landlock, a bit for each ruleset */
	char text[1024];
};

struct box {
	__u32 turn;		/* raised by the test, with a new order */
	__u32 done;		/* set to the same by the actor, with a report */
	struct order order;
	struct report report;
};

static struct box *boxes;	/* one for each actor, in memory that they share */

static long futex(__u32 *word, int op, __u32 value, struct timespec *timeout)
{
	return syscall(__NR_futex, word, op, value, timeout, NULL, 0);
}

static long sys_keyctl(int op, long arg2, long arg3)
{
	return syscall(__NR_keyctl, op, arg2, arg3, 0, 0);
}

/*
 * Operations
 *
 * How the arguments are drawn is said by one character each:
 *   s, S  slot: preferably one in use, or one that is not
 *   c     credfd, preferably one that fits
 *   o     object
 *   f, F  flags: hardly ever any; those of credfd_create()
 *   m     access mode
 *   u, U  uid, as the actor's namespace calls it; most often left as it is
 *   g     gid
 *   k     capability
 *   b, B  0 or 1; hardly ever 1
 *   n     prepared user namespace
 *   r     Landlock ruleset
 *   a     actor to be born
 *   p     program
 *   i     the actor itself
 */
enum {
	OP_CREATE, OP_ACTIVATE, OP_ACCESS, OP_FDINFO, OP_CLOSE, OP_DUP, OP_OPATH,
	OP_SEND, OP_RECEIVE, OP_UNSHARE_FILES, OP_SETRESUID, OP_SETRESGID,
	OP_SETFSUID, OP_SETFSGID, OP_SETGROUPS, OP_CAPSET, OP_KEEPCAPS,
	OP_SECUREBITS, OP_BOUNDING_DROP, OP_AMBIENT, OP_NO_NEW_PRIVS, OP_DUMPABLE,
	OP_PDEATH_SIGNAL, OP_JOIN_SESSION, OP_THREAD_KEYRING, OP_PROCESS_KEYRING,
	OP_LANDLOCK, OP_UNSHARE_USER, OP_SETNS, OP_THREAD, OP_FORK, OP_EXEC,
	OP_EXIT, NR_OPS,
};

#define ADOPTS		1	/* what is seen afterwards is what it has done */
#define COMMITS		2	/* a success installs new credentials */
#define COMMITS_CHANGE	4	/* the same, if anything is different then */
#define ENTERS		8	/* a user namespace */
#define BEARS		16	/* another actor, number arg[0] */
#define UNSURE		32	/* may fail for reasons that are not modelled */

static const struct {
	const char *name;
	int weight;
	const char *args;
	int flags;
} ops[NR_OPS] = {
	[OP_CREATE]		= { "create", 16, "FS", 0 },
	[OP_ACTIVATE]		= { "activate", 60, "cf", 0 },
	[OP_ACCESS]		= { "access", 16, "comf", 0 },
	[OP_FDINFO]		= { "fdinfo", 6, "s", 0 },
	[OP_CLOSE]		= { "close", 3, "s", 0 },
	[OP_DUP]		= { "dup", 4, "sSb", 0 },
	[OP_OPATH]		= { "opath", 1, "sS", 0 },
	[OP_SEND]		= { "send", 10, "s", 0 },
	[OP_RECEIVE]		= { "receive", 12, "S", 0 },
	[OP_UNSHARE_FILES]	= { "unshare-files", 1, "", 0 },
	[OP_SETRESUID]		= { "setresuid", 5, "UuU",
				    ADOPTS | COMMITS_CHANGE | UNSURE },
	[OP_SETRESGID]		= { "setresgid", 4, "ggg",
				    ADOPTS | COMMITS_CHANGE | UNSURE },
	[OP_SETFSUID]		= { "setfsuid", 2, "u",
				    ADOPTS | COMMITS_CHANGE | UNSURE },
	[OP_SETFSGID]		= { "setfsgid", 1, "g",
				    ADOPTS | COMMITS_CHANGE | UNSURE },
	[OP_SETGROUPS]		= { "setgroups", 4, "", ADOPTS | COMMITS | UNSURE },
	[OP_CAPSET]		= { "capset", 24, "", ADOPTS | COMMITS | UNSURE },
	[OP_KEEPCAPS]		= { "keepcaps", 2, "b", ADOPTS | COMMITS | UNSURE },
	[OP_SECUREBITS]		= { "securebits", 6, "", ADOPTS | COMMITS | UNSURE },
	[OP_BOUNDING_DROP]	= { "bounding-drop", 3, "k",
				    ADOPTS | COMMITS | UNSURE },
	[OP_AMBIENT]		= { "ambient", 6, "kb", ADOPTS | COMMITS | UNSURE },
	[OP_NO_NEW_PRIVS]	= { "no-new-privs", 1, "", ADOPTS },
	[OP_DUMPABLE]		= { "dumpable", 8, "B", 0 },
	[OP_PDEATH_SIGNAL]	= { "pdeath-signal", 4, "", 0 },
	[OP_JOIN_SESSION]	= { "join-session", 1, "", COMMITS | UNSURE },
	[OP_THREAD_KEYRING]	= { "thread-keyring", 1, "", UNSURE },
	[OP_PROCESS_KEYRING]	= { "process-keyring", 1, "", UNSURE },
	[OP_LANDLOCK]		= { "landlock", 3, "r", COMMITS },
	[OP_UNSHARE_USER]	= { "unshare-user", 1, "", ENTERS },
	[OP_SETNS]		= { "setns", 2, "n", ENTERS },
	[OP_THREAD]		= { "thread", 5, "a", BEARS },
	[OP_FORK]		= { "fork", 5, "a", BEARS },
	[OP_EXEC]		= { "exec", 1, "pi", ADOPTS | COMMITS | UNSURE },
	[OP_EXIT]		= { "exit", 7, "", 0 },
};

/* The actor's part: to do what it is told */

static __noreturn void actor_main(int index);

static void *thread_main(void *arg)
{
	actor_main((long)arg);
}

static int start_thread(long index)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 128 * 1024);
	errno = pthread_create(&thread, &attr, thread_main, (void *)index);
	pthread_attr_destroy(&attr);
	return errno ? -1 : 0;
}

/* With the table of open files in common, or in a new user namespace. */
static int start_process(int index, int flags)
{
	struct clone_args args = { .flags = flags, .exit_signal = SIGCHLD };
	long pid = syscall(__NR_clone3, &args, sizeof(args));

	if (!pid)
		actor_main(index);
	return pid < 0 ? -1 : 0;
}

static int execute(const struct program *program, int index)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", index);
	return execl(program->name, "actor", text, NULL);
}

/* Moves what a system call has returned to a slot. */
static int move_fd(int fd, int slot)
{
	if (fd < 0)
		return -1;
	if (!(fcntl(fd, F_GETFD) & FD_CLOEXEC))
		return 1;
	return dup3(fd, slot, O_CLOEXEC) < 0 ? -1 : close(fd);
}

static int reopen(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/thread-self/fd/%d", fd);
	return open(path, O_PATH | O_CLOEXEC);
}

static int read_fdinfo(int fd, struct report *r)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/thread-self/fdinfo/%d", fd);
	return read_file(path, r->text, sizeof(r->text));
}

static int get_keyring(int which, bool create)
{
	return sys_keyctl(KEYCTL_GET_KEYRING_ID, which, create);
}

/* 0 if done, -1 with errno if not, anything else should not be. */
static int perform(const struct order *o, struct report *r)
{
	const __u64 *arg = o->arg;

	switch (o->op) {
	case OP_CREATE:
		return move_fd(sys_credfd_create(arg[0]), arg[1]);
	case OP_ACTIVATE:
		return sys_credfd_activate(arg[0], arg[1]);
	case OP_ACCESS:
		return sys_credfd_access(arg[0], arg[1], arg[2], arg[3]);
	case OP_FDINFO:
		return read_fdinfo(arg[0], r);
	case OP_CLOSE:
		return close(arg[0]);
	case OP_DUP:
		return dup3(arg[0], arg[1], arg[2] ? O_CLOEXEC : 0) < 0 ? -1 : 0;
	case OP_OPATH:
		return move_fd(reopen(arg[0]), arg[1]);
	case OP_SEND:
		return send_fd(FD_SEND, arg[0]);
	case OP_RECEIVE:
		return move_fd(recv_fd(FD_RECEIVE), arg[0]);
	case OP_UNSHARE_FILES:
		return sys_unshare(CLONE_FILES);
	case OP_SETRESUID:
		return sys_setresuid(arg[0], arg[1], arg[2]);
	case OP_SETRESGID:
		return sys_setresgid(arg[0], arg[1], arg[2]);
	case OP_SETFSUID:
		sys_setfsuid(arg[0]);
		return 0;
	case OP_SETFSGID:
		sys_setfsgid(arg[0]);
		return 0;
	case OP_SETGROUPS:
		return sys_setgroups(arg[0], o->groups);
	case OP_CAPSET:
		return caps_set(arg[0], arg[1], arg[2]);
	case OP_KEEPCAPS:
		return prctl(PR_SET_KEEPCAPS, (long)arg[0]);
	case OP_SECUREBITS:
		return prctl(PR_SET_SECUREBITS, (long)arg[0]);
	case OP_BOUNDING_DROP:
		return prctl(PR_CAPBSET_DROP, (long)arg[0]);
	case OP_AMBIENT:
		return prctl(PR_CAP_AMBIENT, arg[1] ? PR_CAP_AMBIENT_RAISE :
			     PR_CAP_AMBIENT_LOWER, (long)arg[0], 0, 0);
	case OP_NO_NEW_PRIVS:
		return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	case OP_DUMPABLE:
		return prctl(PR_SET_DUMPABLE, (long)arg[0]);
	case OP_PDEATH_SIGNAL:
		/* One that is ignored: the parent may well die. */
		return prctl(PR_SET_PDEATHSIG, SIGURG);
	case OP_JOIN_SESSION:
		return sys_keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0) > 0 ? 0 : -1;
	case OP_THREAD_KEYRING:
		return get_keyring(KEY_SPEC_THREAD_KEYRING, true) > 0 ? 0 : -1;
	case OP_PROCESS_KEYRING:
		return get_keyring(KEY_SPEC_PROCESS_KEYRING, true) > 0 ? 0 : -1;
	case OP_LANDLOCK:
		return syscall(__NR_landlock_restrict_self,
			       FD_RULESET + (int)arg[0], 0);
	case OP_UNSHARE_USER:
		return sys_unshare(CLONE_NEWUSER);
	case OP_SETNS:
		return sys_setns(FD_NS + arg[0], CLONE_NEWUSER);
	case OP_THREAD:
		return start_thread(arg[0]);
	case OP_FORK:
		return start_process(arg[0], arg[1]);
	case OP_EXEC:
		return execute(&programs[arg[0]], arg[1]);
	}
	return 1;
}

static unsigned int probe_landlock(void)
{
	unsigned int denied = 0;
	char name[16];

	for (int i = 0; i < NR_RULESETS; i++) {
		snprintf(name, sizeof(name), "ruleset%d", i);
		if (truncate(name, 0))
			denied |= 1U << (errno == EACCES ? i : 31);
	}
	return denied;
}

static void report(struct report *r, int ret)
{
	r->error = ret == -1 ? errno : 0;
	r->ret = ret;
	r->pid = getpid();
	r->tid = sys_gettid();
	r->securebits = prctl(PR_GET_SECUREBITS);
	r->dumpable = prctl(PR_GET_DUMPABLE);
	prctl(PR_GET_PDEATHSIG, &r->pdeath_signal);
	r->session = get_keyring(KEY_SPEC_SESSION_KEYRING, false);
	r->thread_keyring = get_keyring(KEY_SPEC_THREAD_KEYRING, false);
	r->process_keyring = get_keyring(KEY_SPEC_PROCESS_KEYRING, false);
	r->denied = probe_landlock();
}

static void finish(struct box *box)
{
	__atomic_store_n(&box->done, box->turn, __ATOMIC_RELEASE);
	futex(&box->done, FUTEX_WAKE, 1, NULL);
}

/* Begins with a report, about the birth or about execve(). */
static void actor_main(int index)
{
	struct box *box = &boxes[index];
	const struct order *o = &box->order;
	int ret = 0;

	for (;;) {
		report(&box->report, ret);
		finish(box);
		while (__atomic_load_n(&box->turn, __ATOMIC_ACQUIRE) == box->done)
			futex(&box->turn, FUTEX_WAIT, box->done, NULL);
		if (o->op == OP_EXIT)
			break;
		ret = perform(o, &box->report);
	}

	finish(box);
	/* Nothing that takes a lock of the C library, which a fork would copy. */
	for (;;)
		syscall(o->arg[0] ? __NR_exit_group : __NR_exit, 0);
}

/* What main() has to do for execute(). */
static int exec_main(int index)
{
	boxes = mmap(NULL, MAX_ACTORS * sizeof(*boxes), PROT_READ | PROT_WRITE,
		     MAP_SHARED, FD_BOXES, 0);
	if (boxes == MAP_FAILED)
		return 1;
	actor_main(index);
}

/* The test's part: to think of something */

#define ANYTHING	1	/* no prediction */
#define NOT_NOW		2	/* draw again */

static int draw_cap(struct world *w)
{
	static const int caps[] = {
		CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_NET_RAW,
		CAP_SETGID, CAP_SETPCAP, CAP_SETPCAP, CAP_SETUID, CAP_SYS_ADMIN,
	};

	return caps[pick(w, ARRAY_SIZE(caps))];
}

static __u64 draw_slot(struct world *w, const struct actor *a, bool in_use)
{
	int slot = pick(w, NR_SLOTS);

	for (int i = 0; i < NR_SLOTS && !one_in(w, 100); i++) {
		const bool used = w->table[a->table].slot[slot].file >= 0;

		if (used == in_use)
			break;
		slot = (slot + 1) % NR_SLOTS;
	}
	return FD_SLOT + slot;
}

/*
 * Much that is tried at random is wrong in several respects at once, and proves
 * little. So look for what should work, or fail for one reason, if there is any.
 */
static __u64 draw_credfd(struct world *w, const struct actor *a)
{
	const int wanted = pick(w, 3);
	const __u64 first = draw_slot(w, a, true) - FD_SLOT;

	if (one_in(w, 50))
		return FD_OBJECT + pick(w, NR_OBJECTS);
	for (int i = 0; i < NR_SLOTS && wanted < 2; i++) {
		const __u64 fd = FD_SLOT + (first + i) % NR_SLOTS;
		const struct slot *slot = slot_of(w, a, fd);
		const struct mfile *file;

		if (slot->file < 0 || slot->opath)
			continue;
		file = &w->file[slot->file];
		if (!file->access_only && file->cred.instance != a->cred.instance &&
		    __builtin_popcount(switch_faults(w, a, file, false)) == wanted)
			return fd;
	}
	return FD_SLOT + first;
}

static __u64 draw_arg(struct world *w, const struct actor *a, char kind)
{
	static const uid_t uids[] = { -1, 0, 0, USER, OTHER_USER, STRANGE };
	static const gid_t gids[] = { -1, 0, GROUP, OTHER_GROUP, EXTRA_GROUP,
				      STRANGE };

	switch (kind) {
	case 's':
		return draw_slot(w, a, true);
	case 'S':
		return draw_slot(w, a, false);
	case 'c':
		return draw_credfd(w, a);
	case 'o':
		return one_in(w, 4) ? draw_slot(w, a, true) :
		       FD_OBJECT + pick(w, NR_OBJECTS);
	case 'f':
		return one_in(w, 60) ? 1U << pick(w, 32) : 0;
	case 'F':
		return one_in(w, 60) ? 1U << pick(w, 32) : one_in(w, 25);
	case 'm':
		return one_in(w, 60) ? 1U << pick(w, 32) : pick(w, 8);
	case 'U':
		return one_in(w, 5) ? uids[pick(w, ARRAY_SIZE(uids))] : (uid_t)-1;
	case 'u':
		return uids[pick(w, ARRAY_SIZE(uids))];
	case 'g':
		return gids[pick(w, ARRAY_SIZE(gids))];
	case 'k':
		return draw_cap(w);
	case 'b':
		return pick(w, 2);
	case 'B':
		return one_in(w, 8);
	case 'n':
		return pick(w, NR_FIXED_NS);
	case 'r':
		return pick(w, NR_RULESETS);
	case 'a':
		return free_actor(w);
	case 'p':
		return pick(w, ARRAY_SIZE(programs));
	case 'i':
		return a - w->actor;
	}
	return 0;
}

static int plan_setgroups(struct world *w, struct order *o)
{
	o->arg[0] = pick(w, ARRAY_SIZE(o->groups));
	for (size_t i = 0; i < o->arg[0]; i++)
		o->groups[i] = one_in(w, 2) ? EXTRA_GROUP : draw_arg(w, NULL, 'g');
	return ANYTHING;
}

enum {
	LOWER, DROP, KEEP_INHERITABLE, ASK, INHERIT, INHERIT_NOTHING, MODEST,
	SETID_ON, ALL_ON,
};

/* Often what keeps an actor in the game. */
static int plan_capset(struct world *w, const struct actor *a, struct order *o,
		       int what)
{
	static const int draws[] = {
		LOWER, DROP, KEEP_INHERITABLE, ASK, INHERIT, INHERIT,
		INHERIT_NOTHING, MODEST, SETID_ON, SETID_ON, SETID_ON, ALL_ON,
	};
	const struct caps *now = &a->cred.id.caps;
	__u64 cap = CAP_BIT(draw_cap(w));
	__u64 effective = now->effective, permitted = now->permitted;
	__u64 inheritable = now->inheritable;

	switch (what < 0 ? draws[pick(w, ARRAY_SIZE(draws))] : what) {
	case LOWER:
		effective &= ~cap;
		break;
	case DROP:
		effective &= ~cap;
		permitted &= ~cap;
		break;
	case KEEP_INHERITABLE:
		effective &= ~inheritable | CAPS_SETID;
		permitted &= ~inheritable | CAPS_SETID;
		break;
	case ASK:
		permitted |= cap;
		break;
	case INHERIT:
		inheritable ^= cap;
		break;
	case INHERIT_NOTHING:
		inheritable = 0;
		break;
	case MODEST:
		effective = permitted & CAPS_SETID;
		break;
	case SETID_ON:
		effective |= permitted & CAPS_SETID;
		break;
	case ALL_ON:
		effective = permitted;
		break;
	}
	o->arg[0] = effective;
	o->arg[1] = permitted;
	o->arg[2] = inheritable;
	return ANYTHING;
}

static int plan_securebits(struct world *w, const struct actor *a, struct order *o)
{
	/* The odd bits are the locks: there is no way back from them. */
	int bit = pick(w, 12) & (one_in(w, 4) ? ~0 : ~1);

	if (one_in(w, 3))
		bit = SECURE_NO_CAP_AMBIENT_RAISE;
	o->arg[0] = a->cred.id.securebits ^ 1U << bit;
	return ANYTHING;
}

static int plan_ambient(struct world *w, const struct actor *a, struct order *o)
{
	const struct caps *now = &a->cred.id.caps;
	__u64 able = now->inheritable & now->permitted;

	if (able && !one_in(w, 8))
		o->arg[0] = __builtin_ctzll(able);
	return ANYTHING;
}

static int plan_landlock(const struct world *w, const struct actor *a)
{
	if (w->domains == MAX_DOMAINS)
		return NOT_NOW;
	if (!a->no_new_privs &&
	    !(a->cred.id.caps.effective & CAP_BIT(CAP_SYS_ADMIN)))
		return -EPERM;
	return w->domain[a->cred.domain].depth == MAX_LAYERS ? -E2BIG : 0;
}

static int plan_fork(struct world *w, const struct actor *a, struct order *o)
{
	static const int flags[] = { 0, CLONE_FILES, CLONE_FILES, CLONE_NEWUSER };

	o->arg[1] = flags[pick(w, ARRAY_SIZE(flags))];
	if (free_actor(w) < 0 || free_ns(w) < 0)
		return NOT_NOW;
	return o->arg[1] & CLONE_NEWUSER && !may_create_ns(w, a) ? -EPERM : 0;
}

/* Completes the arguments and says what is to come, an error or one of the above. */
static int plan(struct world *w, const struct actor *a, struct order *o)
{
	const struct slot *slot = slot_of(w, a, o->arg[0]);
	const bool closed = slot && slot->file < 0;

	/* An actor without any open file should not just try again and again. */
	if (closed && strchr("sc", ops[o->op].args[0]) && !one_in(w, 10))
		return NOT_NOW;

	switch (o->op) {
	case OP_CREATE:
		return free_file(w) < 0 ? NOT_NOW : predict_create(w, a, o->arg[0]);
	case OP_ACTIVATE:
		return predict_activate(w, a, o->arg[0], o->arg[1]);
	case OP_ACCESS:
		return predict_access(w, a, o->arg[0], o->arg[1], o->arg[2],
				      o->arg[3]);
	case OP_FDINFO:
	case OP_OPATH:
		return closed ? -ENOENT : 0;
	case OP_DUP:
		if (o->arg[0] == o->arg[1])
			return -EINVAL;
		return closed ? -EBADF : 0;
	case OP_CLOSE:
		return closed ? -EBADF : 0;
	case OP_SEND:
		if (w->queued == MAX_QUEUE)
			return NOT_NOW;
		return closed ? -EBADF : 0;
	case OP_RECEIVE:
		if (!w->queued)
			return one_in(w, 10) ? -EAGAIN : NOT_NOW;
		return 0;
	case OP_SETGROUPS:
		return plan_setgroups(w, o);
	case OP_CAPSET:
		return plan_capset(w, a, o, -1);
	case OP_SECUREBITS:
		return plan_securebits(w, a, o);
	case OP_AMBIENT:
		return plan_ambient(w, a, o);
	case OP_LANDLOCK:
		return plan_landlock(w, a);
	case OP_UNSHARE_USER:
		if (has_threads(w, a))
			return -EINVAL;
		if (!may_create_ns(w, a))
			return -EPERM;
		return free_ns(w) < 0 ? NOT_NOW : 0;
	case OP_SETNS:
		if (o->arg[0] == (__u64)a->cred.ns || has_threads(w, a))
			return -EINVAL;
		return may_enter_fixed(a) ? 0 : -EPERM;
	case OP_THREAD:
		return free_actor(w) < 0 ? NOT_NOW : 0;
	case OP_FORK:
		return plan_fork(w, a, o);
	case OP_EXIT:
		o->arg[0] = a->leader;
		return 0;
	}
	return ops[o->op].flags & UNSURE ? ANYTHING : 0;
}

/*
 * What by chance alone would be too rare: somebody tries to undo what he does; a
 * thread does something, for another one with less in effect to take it over; a
 * credfd goes to somebody else; what is inheritable, but not permitted any more,
 * is to come back; and what is ambient, although securebits forbid that.
 */
#define A_CHANGE	NR_OPS	/* one of those after which there may be no way back */
#define CAPSET_TO(what)	(NR_OPS + 1 + (what))

static const struct plot {
	int op;
	bool by_other;
} plots[][6] = {
	{
		{ OP_CREATE, false }, { A_CHANGE, false }, { A_CHANGE, false },
		{ A_CHANGE, false }, { OP_ACTIVATE, false }, { -1, false },
	},
	{
		{ CAPSET_TO(MODEST), false }, { OP_THREAD, false },
		{ CAPSET_TO(ALL_ON), true }, { A_CHANGE, true },
		{ OP_CREATE, true }, { OP_ACTIVATE, false },
	},
	{
		{ OP_CREATE, false }, { OP_SEND, false }, { OP_RECEIVE, true },
		{ CAPSET_TO(SETID_ON), true }, { OP_ACTIVATE, true }, { -1, false },
	},
	{
		{ CAPSET_TO(KEEP_INHERITABLE), false }, { CAPSET_TO(MODEST), false },
		{ OP_CREATE, false }, { CAPSET_TO(INHERIT_NOTHING), false },
		{ OP_ACTIVATE, false }, { -1, false },
	},
	{
		{ CAPSET_TO(INHERIT), false }, { OP_AMBIENT, false },
		{ OP_CREATE, false }, { OP_SECUREBITS, false },
		{ CAPSET_TO(INHERIT_NOTHING), false }, { OP_ACTIVATE, false },
	},
};

static struct actor *draw_actor(struct world *w)
{
	struct actor *a;

	do {
		a = &w->actor[pick(w, MAX_ACTORS)];
	} while (!a->alive);
	return a;
}

/* The next step of the plot, or NULL if there is none. */
static const struct plot *next_of_plot(struct world *w)
{
	const struct plot *next;

	if (!w->plot_steps)
		return NULL;
	next = &plots[w->plot][ARRAY_SIZE(plots[0]) - w->plot_steps--];
	if (next->op >= 0 && w->actor[w->plotter[next->by_other]].alive)
		return next;
	w->plot_steps = 0;
	return NULL;
}

static int draw_op(struct world *w, const struct actor *a, struct order *o)
{
	int total = 0, at;

	for (int i = 0; i < NR_OPS; i++)
		total += ops[i].weight;
	at = pick(w, total);
	while (at >= ops[o->op].weight)
		at -= ops[o->op++].weight;
	for (int i = 0; ops[o->op].args[i]; i++)
		o->arg[i] = draw_arg(w, a, ops[o->op].args[i]);
	return plan(w, a, o);
}

static int follow_plot(struct world *w, const struct actor *a,
		       const struct plot *plot, struct order *o)
{
	static const int changes[] = {
		OP_SETRESUID, OP_SETGROUPS, OP_CAPSET, OP_CAPSET, OP_SECUREBITS,
		OP_SECUREBITS, OP_BOUNDING_DROP, OP_AMBIENT, OP_AMBIENT, OP_LANDLOCK,
	};

	o->op = plot->op;
	if (plot->op == A_CHANGE)
		o->op = changes[pick(w, ARRAY_SIZE(changes))];
	else if (plot->op > A_CHANGE)
		o->op = OP_CAPSET;
	for (int i = 0; ops[o->op].args[i]; i++)
		o->arg[i] = draw_arg(w, a, ops[o->op].args[i]);

	switch (o->op) {
	case OP_CREATE:
		o->arg[0] = 0;
		w->plot_fd = o->arg[1];
		break;
	case OP_SEND:
		o->arg[0] = w->plot_fd;
		break;
	case OP_RECEIVE:
		w->plot_fd = o->arg[0];
		break;
	case OP_ACTIVATE:
		o->arg[0] = w->plot_fd;
		o->arg[1] = 0;
		break;
	case OP_AMBIENT:
		o->arg[1] = true;
		break;
	case OP_THREAD:
		w->plotter[true] = o->arg[0];
		break;
	}
	if (plot->op == OP_SECUREBITS) {
		o->arg[0] = a->cred.id.securebits | SECBIT_NO_CAP_AMBIENT_RAISE;
		return ANYTHING;
	}
	if (plot->op > A_CHANGE)
		return plan_capset(w, a, o, plot->op - CAPSET_TO(0));
	return plan(w, a, o);
}

static void begin_plot(struct world *w, const struct actor *a)
{
	const struct actor *other = draw_actor(w);

	/* Abroad, a credfd is of no use. */
	for (int i = 0; i < MAX_ACTORS && other->cred.ns != a->cred.ns; i++)
		other = draw_actor(w);
	w->plotter[false] = a - w->actor;
	w->plotter[true] = other - w->actor;
	w->plot = pick(w, ARRAY_SIZE(plots));
	w->plot_steps = ARRAY_SIZE(plots[0]);
}

/* Who does what next, and what is to be expected of it? */
static struct actor *draw_order(struct world *w, struct order *o, int *expect)
{
	const struct plot *next = next_of_plot(w);
	struct actor *a = next ? &w->actor[w->plotter[next->by_other]] :
			  draw_actor(w);

	memset(o, 0, sizeof(*o));
	*expect = next ? follow_plot(w, a, next, o) : NOT_NOW;
	while (*expect == NOT_NOW) {
		w->plot_steps = 0;
		memset(o, 0, sizeof(*o));
		*expect = draw_op(w, a, o);
	}
	if (!w->plot_steps && one_in(w, 10))
		begin_plot(w, a);
	return a;
}

/* The test's part: to see */

/* All that can be seen of an actor. */
struct view {
	struct identity id;
	int seccomp;
	int session;
	bool thread_keyring;
	bool process_keyring;
	unsigned int denied;
	ino_t userns;
};

static const char *find_line(const char *text, const char *name)
{
	const char *line = strstr(text, name);

	return line ? line + strlen(name) : NULL;
}

static int parse_number(const char *text, const char *name, int base, __u64 *value)
{
	const char *line = find_line(text, name);
	char *end;

	if (!line)
		return -1;
	*value = strtoull(line, &end, base);
	return end == line ? -1 : 0;
}

static int parse_ids(const char *line, __u32 *ids)
{
	return line && sscanf(line, "%u %u %u %u", &ids[0], &ids[1], &ids[2],
			      &ids[3]) == 4 ? 0 : -1;
}

/* What /proc/PID/status and fdinfo have in common. */
static int parse_identity(const char *text, struct identity *id)
{
	const char *line = find_line(text, "\nGroups:\t");
	size_t len = 0;

	if (!line || parse_ids(find_line(text, "\nUid:\t"), id->uid) ||
	    parse_ids(find_line(text, "\nGid:\t"), id->gid))
		return -1;
	id->ngroups = 0;
	while (id->ngroups < MAX_GROUPS && line[len] != '\n' && line[len] != ' ') {
		id->groups[id->ngroups++] = strtoul(line + len, NULL, 10);
		len += strcspn(line + len, " ") + 1;
	}
	return parse_number(text, "\nCapInh:\t", 16, &id->caps.inheritable) |
	       parse_number(text, "\nCapPrm:\t", 16, &id->caps.permitted) |
	       parse_number(text, "\nCapEff:\t", 16, &id->caps.effective) |
	       parse_number(text, "\nCapBnd:\t", 16, &id->bounding) |
	       parse_number(text, "\nCapAmb:\t", 16, &id->ambient);
}

/* The test is root of the initial namespace: it sees all ids as they are. */
static int read_status(const struct actor *a, struct view *v)
{
	char text[4096];
	ssize_t len = pread(a->status_fd, text, sizeof(text) - 1, 0);
	__u64 no_new_privs, seccomp;

	if (len <= 0)
		return -1;
	text[len] = '\0';
	memset(v, 0, sizeof(*v));
	if (parse_number(text, "\nNoNewPrivs:\t", 10, &no_new_privs) ||
	    parse_number(text, "\nSeccomp:\t", 10, &seccomp))
		return -1;
	v->id.no_new_privs = no_new_privs;
	v->seccomp = seccomp;
	return parse_identity(text, &v->id);
}

static ino_t userns_of(pid_t tid)
{
	struct stat st = {};
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", tid);
	stat(path, &st);
	return st.st_ino;
}

static int observe(const struct actor *a, const struct report *r, struct view *v)
{
	if (read_status(a, v))
		return -1;
	v->id.securebits = r->securebits;
	v->id.dumpable = r->dumpable;
	v->id.pdeath_signal = r->pdeath_signal;
	v->session = r->session;
	v->thread_keyring = r->thread_keyring > 0;
	v->process_keyring = r->process_keyring > 0;
	v->denied = r->denied;
	v->userns = userns_of(a->tid);
	return 0;
}

static void model_view(const struct world *w, const struct actor *a, struct view *v)
{
	memset(v, 0, sizeof(*v));
	v->id = a->cred.id;
	v->id.no_new_privs = a->no_new_privs;
	v->id.pdeath_signal = a->pdeath_signal;
	v->id.dumpable = w->dumpable[a->process];
	v->session = a->cred.session;
	v->thread_keyring = a->cred.thread_keyring;
	v->process_keyring = a->cred.process_keyring;
	v->denied = w->domain[a->cred.domain].denied;
	v->userns = w->ns[a->cred.ns].ino;
}

/* All that an operation may have done which the model does not predict. */
static void adopt(struct world *w, struct actor *a, const struct view *v)
{
	a->cred.id = v->id;
	a->cred.id.no_new_privs = 0;
	a->cred.id.pdeath_signal = 0;
	a->cred.id.dumpable = 0;
	a->no_new_privs = v->id.no_new_privs;
}

static const char *view_differ(const struct view *a, const struct view *b)
{
	if (a->seccomp != b->seccomp)
		return "seccomp";
	if (a->session != b->session)
		return "session keyring";
	if (a->thread_keyring != b->thread_keyring)
		return "thread keyring";
	if (a->process_keyring != b->process_keyring)
		return "process keyring";
	if (a->denied != b->denied)
		return "Landlock domain";
	if (a->userns != b->userns)
		return "user namespace";
	return identity_differ(&a->id, &b->id);
}

/* The test's part: to judge */

static bool has_id(const __u32 *ids, __u32 id)
{
	return id == ids[0] || id == ids[1] || id == ids[2] || id == ids[3];
}

/* A new id has to be one that the namespace knows. */
static bool ids_mapped(const struct world *w, const struct actor *a,
		       const struct view *before, const struct view *after)
{
	const struct userns *ns = &w->ns[a->cred.ns];

	for (int i = 0; i < 4; i++) {
		if (!has_id(before->id.uid, after->id.uid[i]) &&
		    !ns_has(ns, UID, after->id.uid[i]))
			return false;
		if (!has_id(before->id.gid, after->id.gid[i]) &&
		    !ns_has(ns, GID, after->id.gid[i]))
			return false;
	}
	return true;
}

static void check_gains(struct world *w, int op, const struct identity *old,
			const struct identity *new)
{
	const bool privs_kept = op != OP_EXEC || old->no_new_privs;
	const int locks = old->securebits & SECURE_ALL_LOCKS;
	int changed = old->securebits ^ new->securebits;

	if (op == OP_EXEC)	/* execve() clears it, locked or not */
		changed &= ~SECBIT_KEEP_CAPS;
	if (privs_kept && new->caps.permitted & ~old->caps.permitted)
		broken(w, "  RULE: gained a permitted capability\n");
	if (new->caps.permitted & ~(old->caps.permitted | old->bounding |
				    old->caps.inheritable))
		broken(w, "  RULE: gained a capability beyond the bounding set\n");
	if (new->caps.inheritable & ~(old->caps.inheritable | old->bounding))
		broken(w, "  RULE: gained an inheritable capability\n");
	if (old->securebits & SECBIT_NO_CAP_AMBIENT_RAISE &&
	    new->ambient & ~old->ambient)
		broken(w, "  RULE: gained an ambient capability\n");
	if (new->bounding & ~old->bounding)
		broken(w, "  RULE: the bounding set has grown\n");
	if (locks & ~new->securebits)
		broken(w, "  RULE: a securebits lock is gone\n");
	if (locks >> 1 & changed)
		broken(w, "  RULE: a locked securebit has changed\n");
}

static bool groups_differ(const struct identity *a, const struct identity *b)
{
	return a->ngroups != b->ngroups ||
	       memcmp(a->groups, b->groups, sizeof(a->groups));
}

/* What is true whatever has been predicted. The model is still as it was. */
static void check_rules(struct world *w, const struct actor *a,
			const struct order *o, bool success,
			const struct view *before, const struct view *after)
{
	const struct userns *ns = &w->ns[a->cred.ns];
	const struct identity *old = &before->id, *new = &after->id;
	const bool enters = success && ops[o->op].flags & ENTERS;
	const bool changed = strcmp(view_differ(before, after), "nothing");

	if (!success && changed)
		broken(w, "  RULE: failed, but changed: %s\n",
		       view_differ(before, after));
	if (old->no_new_privs && !new->no_new_privs)
		broken(w, "  RULE: no_new_privs is gone\n");
	if (before->seccomp != after->seccomp)
		broken(w, "  RULE: seccomp has changed\n");
	if (before->denied & ~after->denied)
		broken(w, "  RULE: left a Landlock domain\n");
	if (new->caps.effective & ~new->caps.permitted ||
	    new->ambient & ~(new->caps.permitted & new->caps.inheritable))
		broken(w, "  RULE: capability sets at odds\n");
	if (!old->dumpable && new->dumpable && o->op != OP_DUMPABLE &&
	    o->op != OP_EXEC)
		broken(w, "  RULE: has become dumpable\n");
	if (new->pdeath_signal && !old->pdeath_signal &&
	    o->op != OP_PDEATH_SIGNAL)
		broken(w, "  RULE: got a death signal\n");
	if (enters ? o->op == OP_SETNS && !ns_below(w, o->arg[0], a->cred.ns) :
	    before->userns != after->userns)
		broken(w, "  RULE: in a user namespace that is not below\n");
	if (groups_differ(old, new) && !ns_may_setgroups(ns))
		broken(w, "  RULE: groups changed where setgroups() is denied\n");
	if (!ids_mapped(w, a, before, after))
		broken(w, "  RULE: has an id that is not mapped\n");
	if (!enters)
		check_gains(w, o->op, old, new);
	if (success && changed && o->op == OP_ACTIVATE) {
		if (~old->caps.effective & CAPS_SETID)
			broken(w, "  RULE: switched without the capabilities\n");
		if (old->dumpable == 1)
			broken(w, "  RULE: switched while dumpable\n");
		if (!ns_has_all(ns, new))
			broken(w, "  RULE: has an id or group that is not mapped\n");
	}
}

/* fdinfo has to be the snapshot, in the reader's namespace. */
static void check_fdinfo(struct world *w, const struct actor *a,
			 const struct slot *slot, const char *text)
{
	const struct userns *ns = &w->ns[a->cred.ns];
	const struct mfile *file = &w->file[slot->file];
	const char *line = find_line(text, "\nAccessOnly:\t");
	struct identity want = file->cred.id, got = {};
	__u64 securebits;

	if (slot->opath) {
		if (line)
			broken(w, "  fdinfo of O_PATH tells the credentials\n");
		return;
	}
	for (int i = 0; i < 4; i++) {
		want.uid[i] = ns_shows(ns, UID, want.uid[i]);
		want.gid[i] = ns_shows(ns, GID, want.gid[i]);
	}
	for (int i = 0; i < want.ngroups; i++)
		want.groups[i] = ns_shows(ns, GID, want.groups[i]);

	if (!line || parse_identity(text, &got) ||
	    parse_number(text, "\nSecurebits:\t", 16, &securebits)) {
		broken(w, "  fdinfo is incomplete\n");
		return;
	}
	got.securebits = securebits;
	if (atoi(line) != file->access_only)
		broken(w, "  fdinfo: access-only differs\n");
	if (strcmp(identity_creds_differ(&want, &got), "nothing"))
		broken(w, "  fdinfo: %s\n", identity_creds_differ(&want, &got));
}

static void check_model(struct world *w, const struct actor *a,
			const struct view *seen)
{
	const char *what;
	struct view want;

	model_view(w, a, &want);
	what = view_differ(&want, seen);
	if (strcmp(what, "nothing"))
		broken(w, "  actor %d is not what it should be: %s\n",
		       (int)(a - w->actor), what);
}

/* Has somebody else's step changed @a? Only what the test sees by itself. */
static void check_bystander(struct world *w, const struct actor *a)
{
	struct view want, seen;

	if (read_status(a, &seen)) {
		broken(w, "  actor %d is gone\n", (int)(a - w->actor));
		return;
	}
	model_view(w, a, &want);
	seen.id.securebits = want.id.securebits;
	if (seen.id.no_new_privs != want.id.no_new_privs ||
	    strcmp(identity_creds_differ(&want.id, &seen.id), "nothing"))
		broken(w, "  actor %d has changed: %s\n", (int)(a - w->actor),
		       identity_creds_differ(&want.id, &seen.id));
}

/* The test's part: to give orders */

static void close_all_but_fixed(void)
{
	syscall(__NR_close_range, 3, FD_BOXES - 1, 0);
	syscall(__NR_close_range, FD_SLOT, ~0U, 0);
}

/* False if the process is gone before it has answered. A new one has no number. */
static bool wait_for(struct box *box, pid_t pid)
{
	struct timespec second = { .tv_sec = 1 };

	while (__atomic_load_n(&box->done, __ATOMIC_ACQUIRE) != box->turn) {
		futex(&box->done, FUTEX_WAIT, box->turn - 1, &second);
		if (pid && kill(pid, 0) &&
		    __atomic_load_n(&box->done, __ATOMIC_ACQUIRE) != box->turn)
			return false;
	}
	return true;
}

static bool give_order(struct world *w, struct actor *a, const struct order *o)
{
	struct box *box = &boxes[a - w->actor];

	box->order = *o;
	__atomic_store_n(&box->turn, box->turn + 1, __ATOMIC_RELEASE);
	futex(&box->turn, FUTEX_WAKE, 1, NULL);
	return wait_for(box, a->pid);
}

static void open_status(struct actor *a, const struct report *r)
{
	char path[64];

	a->pid = r->pid;
	a->tid = r->tid;
	snprintf(path, sizeof(path), "/proc/%d/status", a->tid);
	a->status_fd = open(path, O_RDONLY | O_CLOEXEC);
}

/* @a has been filled in, and its task has begun or is about to. */
static void actor_born(struct world *w, struct actor *a, bool adopts)
{
	struct box *box = &boxes[a - w->actor];
	struct view seen;

	wait_for(box, 0);
	open_status(a, &box->report);
	a->alive = true;
	if (observe(a, &box->report, &seen)) {
		broken(w, "  actor %d is gone\n", (int)(a - w->actor));
		return;
	}
	if (adopts) {
		adopt(w, a, &seen);
		w->dumpable[a->process] = seen.id.dumpable;
	}
	check_model(w, a, &seen);
}

static void actor_gone(struct world *w, struct actor *a)
{
	a->alive = false;
	close(a->status_fd);
	table_put(w, a->table);
}

/* The slot of one that is dying must not be used before it is dead. */
static void wait_gone(const struct actor *a)
{
	char byte;

	while (pread(a->status_fd, &byte, 1, 0) == 1)
		usleep(100);
}

static void prepare_birth(int index)
{
	boxes[index].turn++;
	memset(&boxes[index].report, 0, sizeof(boxes[index].report));
}

/*
 * What a fresh root does to become one. The modest one keeps its capabilities
 * out of effect, the generous one leaves some to those whom it executes.
 */
static int become_root(const struct world *w, int ns, bool own_groups, bool modest,
		       bool generous)
{
	const bool setgroups = ns_may_setgroups(&w->ns[ns]);
	const __u64 legacy = CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_NET_RAW);

	if ((own_groups && sys_setgroups(0, NULL)) ||
	    (ns && sys_setns(FD_NS + ns, CLONE_NEWUSER)) ||
	    (setgroups && sys_setgroups(0, NULL)) ||
	    sys_setresgid(0, 0, 0) || sys_setresuid(0, 0, 0) ||
	    caps_set(w->all_caps, w->all_caps, generous ? legacy : 0) ||
	    (generous && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN,
			       0, 0)) ||
	    (modest && caps_set_effective(CAPS_SETID)))
		return -1;
	return prctl(PR_SET_DUMPABLE, 0);
}

/* In a namespace that the test has prepared. */
static void spawn(struct world *w)
{
	static const int places[] = { 0, 0, 0, 1, 2, 2, 2, 3 };
	const int ns = places[pick(w, ARRAY_SIZE(places))];
	const bool own_groups = one_in(w, 2);
	const bool modest = one_in(w, 3), generous = one_in(w, 3);
	const int index = free_actor(w);
	struct actor *a = &w->actor[index];

	*a = (struct actor) { .leader = true, .process = free_process(w) };
	a->table = table_new(w);
	a->cred.ns = ns;
	a->cred.session = get_keyring(KEY_SPEC_SESSION_KEYRING, false);
	new_instance(w, &a->cred);
	if (own_groups || ns_may_setgroups(&w->ns[ns]))
		a->cred.groups_set = ++w->last_groups_set;

	prepare_birth(index);
	if (!fork()) {
		close_all_but_fixed();
		if (!become_root(w, ns, own_groups, modest, generous))
			actor_main(index);
		finish(&boxes[index]);
		_exit(1);
	}
	actor_born(w, a, true);
	snprintf(w->history[w->step % HISTORY], sizeof(w->history[0]),
		 "%ld: actor %d: a fresh root in userns %d%s%s", w->step, index, ns,
		 modest ? ", modest" : "", generous ? ", generous" : "");
	w->step++;
}

/* In the order in which they are written. */
#define WROTE_DENY	1
#define WROTE_UID	2
#define WROTE_GID	4

static int write_map(struct world *w, int ns, pid_t pid, const char *map, bool deny)
{
	int *wrote = shared_alloc(sizeof(*wrote));
	int parent = w->ns[ns].parent, ret;
	char path[64];
	pid_t child;

	child = fork();
	if (!child) {
		if (parent && sys_setns(w->ns[parent].fd, CLONE_NEWUSER))
			_exit(1);
		snprintf(path, sizeof(path), "/proc/%d/setgroups", pid);
		if (deny && !write_file(path, "deny"))
			*wrote |= WROTE_DENY;
		snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
		if (!write_file(path, map))
			*wrote |= WROTE_UID;
		snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
		if (!write_file(path, map))
			*wrote |= WROTE_GID;
		_exit(0);
	}
	waitpid(child, NULL, 0);
	ret = *wrote;
	munmap(wrote, sizeof(*wrote));
	return ret;
}

/* Gives a map to a namespace that an actor has made, or tries to. */
static void map_namespace(struct world *w, const struct actor *a)
{
	static const __u32 ranges[][3] = {
		{ 0, 0, 1 }, { 0, 0, 3000 }, { 0, 0, 65536 }, { 0, USER, 1 },
		{ USER, 0, 1 },
	};
	const __u32 *range = ranges[pick(w, ARRAY_SIZE(ranges))];
	struct userns *ns = &w->ns[a->cred.ns];
	bool deny = one_in(w, 2);
	char map[64];
	int wrote;

	if (ns->extents[UID] || ns->extents[GID])
		return;
	snprintf(map, sizeof(map), "%u %u %u", range[0], range[1], range[2]);
	wrote = write_map(w, a->cred.ns, a->tid, map, deny);
	if (wrote & WROTE_DENY)
		ns->setgroups = false;
	for (int kind = UID; kind <= GID; kind++) {
		if (!(wrote & (kind == UID ? WROTE_UID : WROTE_GID)))
			continue;
		ns->extents[kind] = 1;
		ns->map[kind][0] = (struct extent) {
			.inside = range[0],
			.outside = ns_means(&w->ns[ns->parent], kind, range[1]),
			.count = range[2],
		};
	}
	snprintf(w->history[w->step % HISTORY], sizeof(w->history[0]),
		 "%ld: user namespace %d gets the map %s, %#x", w->step,
		 a->cred.ns, map, wrote);
	w->step++;
}

static void remember(struct world *w, const struct actor *a, const struct order *o,
		     const struct report *r)
{
	char *line = w->history[w->step++ % HISTORY];
	const size_t size = sizeof(w->history[0]);
	int len;

	len = snprintf(line, size,
		       "%ld: actor %d (process %d, userns %d, domain %d) %s",
		       w->step - 1, (int)(a - w->actor), a->process, a->cred.ns,
		       a->cred.domain, ops[o->op].name);
	for (int i = 0; i < 4; i++)
		len += snprintf(line + len, size - len, " %#llx",
				(unsigned long long)o->arg[i]);
	snprintf(line + len, size - len, " = %s",
		 r->ret == -1 ? strerror(r->error) : r->ret ? "wrong" : "done");
}

/* A namespace that @a's task has just made: without a map. */
static void new_ns(struct world *w, struct actor *a, pid_t tid)
{
	const int parent = a->cred.ns, i = free_ns(w);
	char path[64];

	if (w->ns[i].used)
		close(w->ns[i].fd);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", tid);
	w->ns[i] = (struct userns) {
		.used = true,
		.parent = parent,
		.setgroups = w->ns[parent].setgroups,
		.fd = open(path, O_RDONLY | O_CLOEXEC),
		.ino = userns_of(tid),
	};
	enter_ns(w, &a->cred, i);
}

static void done_thread(struct world *w, const struct actor *a, struct actor *child)
{
	*child = *a;
	child->leader = false;
	child->pdeath_signal = 0;
	w->table[a->table].refs++;
	/* The credentials are shared, unless a keyring belongs to one thread. */
	if (a->cred.thread_keyring)
		new_instance(w, &child->cred);
}

static void done_fork(struct world *w, const struct actor *a, struct actor *child,
		      int flags)
{
	struct box *box = &boxes[child - w->actor];
	int process = free_process(w);

	*child = *a;
	child->leader = true;
	child->pdeath_signal = 0;
	child->process = process;
	child->cred.thread_keyring = false;
	child->cred.process_keyring = false;
	new_instance(w, &child->cred);
	w->dumpable[process] = w->dumpable[a->process];
	if (flags & CLONE_FILES)
		w->table[a->table].refs++;
	else
		child->table = table_copy(w, a->table);
	if (flags & CLONE_NEWUSER) {
		wait_for(box, 0);
		new_ns(w, child, box->report.tid);
	}
}

static void done_exec(struct world *w, struct actor *a)
{
	for (int i = 0; i < MAX_ACTORS; i++)
		if (same_process(a, &w->actor[i]))
			actor_gone(w, &w->actor[i]);
	a->leader = true;
	a->cred.thread_keyring = false;
	a->cred.process_keyring = false;
	table_unshare(w, a);
	for (int i = 0; i < NR_SLOTS; i++)
		if (w->table[a->table].slot[i].cloexec)
			slot_close(w, &w->table[a->table].slot[i]);
}

static void done_receive(struct world *w, struct slot *to)
{
	slot_set(w, to, w->queue[0]);
	to->cloexec = true;
	slot_close(w, &w->queue[0]);
	w->queued--;
	memmove(w->queue, w->queue + 1, w->queued * sizeof(w->queue[0]));
}

static void done_landlock(struct world *w, struct actor *a, int ruleset)
{
	const struct domain *parent = &w->domain[a->cred.domain];

	w->domain[w->domains] = (struct domain) {
		.parent = a->cred.domain,
		.depth = parent->depth + 1,
		.denied = parent->denied | 1U << ruleset,
	};
	a->cred.domain = w->domains++;
}

/* Tells the model that @a has done it. */
static void done(struct world *w, struct actor *a, const struct order *o)
{
	struct slot *from = slot_of(w, a, o->arg[0]);
	struct slot *to = slot_of(w, a, o->arg[1]);
	const struct report *r = &boxes[a - w->actor].report;

	switch (o->op) {
	case OP_CREATE:
		model_create(w, a, to, o->arg[0]);
		break;
	case OP_ACTIVATE:
		if (from && from->file >= 0)
			model_activate(a, &w->file[from->file]);
		break;
	case OP_FDINFO:
		if (from->file >= 0)
			check_fdinfo(w, a, from, r->text);
		break;
	case OP_CLOSE:
		slot_close(w, from);
		break;
	case OP_DUP:
		slot_set(w, to, *from);
		to->cloexec = o->arg[2];
		break;
	case OP_OPATH:
		slot_set(w, to, *from);
		to->cloexec = true;
		to->opath = true;
		break;
	case OP_SEND:
		w->queue[w->queued].file = -1;
		slot_set(w, &w->queue[w->queued++], *from);
		break;
	case OP_RECEIVE:
		done_receive(w, from);
		break;
	case OP_UNSHARE_FILES:
		table_unshare(w, a);
		break;
	case OP_SETGROUPS:
		a->cred.groups_set = ++w->last_groups_set;
		break;
	case OP_DUMPABLE:
		w->dumpable[a->process] = o->arg[0];
		break;
	case OP_PDEATH_SIGNAL:
		a->pdeath_signal = SIGURG;
		break;
	case OP_JOIN_SESSION:
		a->cred.session = r->session;
		break;
	case OP_THREAD_KEYRING:
		if (!a->cred.thread_keyring)
			new_instance(w, &a->cred);
		a->cred.thread_keyring = true;
		break;
	case OP_PROCESS_KEYRING:
		if (!a->cred.process_keyring)
			new_instance(w, &a->cred);
		a->cred.process_keyring = true;
		break;
	case OP_LANDLOCK:
		done_landlock(w, a, o->arg[0]);
		break;
	case OP_UNSHARE_USER:
		new_ns(w, a, a->tid);
		break;
	case OP_SETNS:
		enter_ns(w, &a->cred, o->arg[0]);
		break;
	case OP_THREAD:
		done_thread(w, a, &w->actor[o->arg[0]]);
		break;
	case OP_FORK:
		done_fork(w, a, &w->actor[o->arg[0]], o->arg[1]);
		break;
	case OP_EXEC:
		done_exec(w, a);
		break;
	}
}

static void done_exit(struct world *w, struct actor *a)
{
	for (int i = 0; i < MAX_ACTORS; i++) {
		struct actor *b = &w->actor[i];

		if (a == b || (a->leader && same_process(a, b))) {
			wait_gone(b);
			actor_gone(w, b);
		}
	}
}

static void success(struct world *w, struct actor *a, const struct order *o,
		    const struct view *before, const struct view *seen)
{
	const int flags = ops[o->op].flags;

	done(w, a, o);
	if (flags & COMMITS ||
	    (flags & COMMITS_CHANGE &&
	     strcmp(identity_creds_differ(&before->id, &seen->id), "nothing")))
		new_instance(w, &a->cred);
	if (flags & ADOPTS)
		adopt(w, a, seen);
	if (flags & (ADOPTS | ENTERS)) {
		w->dumpable[a->process] = seen->id.dumpable;
		a->pdeath_signal = seen->id.pdeath_signal;
	}
	if (flags & BEARS)
		actor_born(w, &w->actor[o->arg[0]], false);
}

static void step(struct world *w)
{
	struct view before, seen;
	struct report *r;
	struct order o;
	struct actor *a;
	int expect;

	a = draw_order(w, &o, &expect);
	r = &boxes[a - w->actor].report;
	model_view(w, a, &before);
	if (ops[o.op].flags & BEARS)
		prepare_birth(o.arg[0]);
	if (!give_order(w, a, &o))
		broken(w, "  actor %d has died of it\n", (int)(a - w->actor));
	remember(w, a, &o, r);
	if (w->broken[0])
		return;
	if (o.op == OP_EXIT) {
		done_exit(w, a);
		return;
	}
	if (o.op == OP_EXEC) {
		close(a->status_fd);
		open_status(a, r);
	}

	if (expect != ANYTHING && expect != (r->ret ? -r->error : 0))
		broken(w, "  PREDICTED: %s\n", expect ? strerror(-expect) : "done");
	if (r->ret && r->ret != -1)
		broken(w, "  a file descriptor without the close-on-exec flag\n");
	if (observe(a, r, &seen)) {
		broken(w, "  actor %d is gone\n", (int)(a - w->actor));
		return;
	}
	check_rules(w, a, &o, !r->ret, &before, &seen);
	if (!r->ret)
		success(w, a, &o, &before, &seen);
	check_model(w, a, &seen);
	if (one_in(w, 4))
		check_bystander(w, draw_actor(w));
}

static void world_end(struct world *w)
{
	for (int i = 0; i < MAX_ACTORS; i++)
		if (w->actor[i].alive)
			kill(w->actor[i].pid, SIGKILL);
	for (int i = 0; i < MAX_ACTORS; i++) {
		if (!w->actor[i].alive)
			continue;
		wait_gone(&w->actor[i]);
		close(w->actor[i].status_fd);
		w->actor[i].alive = false;
	}
	for (int i = NR_FIXED_NS; i < MAX_NS; i++)
		if (w->ns[i].used)
			close(w->ns[i].fd);
	for (; w->queued; w->queued--)
		close(recv_fd(FD_RECEIVE));
}

static void tell(const struct world *w)
{
	long from = w->step > HISTORY ? w->step - HISTORY : 0;

	fprintf(TH_LOG_STREAM,
		"# broken at step %ld, again with: CREDFD_SEED=%llu CREDFD_STEPS=%d model_test -t seeded\n",
		w->step - 1, (unsigned long long)w->seed, WORLD_STEPS);
	for (long i = from; i < w->step; i++)
		fprintf(TH_LOG_STREAM, "# %s\n", w->history[i % HISTORY]);
	for (const char *line = w->broken; *line; line = strchr(line, '\n') + 1) {
		fprintf(TH_LOG_STREAM, "# %.*s\n", (int)strcspn(line, "\n"), line);
		if (!strchr(line, '\n'))
			break;
	}
}

/* False if something was not as it should be. */
static bool world_run(struct world *w, __u64 seed, long steps)
{
	const struct world old = *w;

	memset(w, 0, sizeof(*w));
	memcpy(w->ns, old.ns, NR_FIXED_NS * sizeof(w->ns[0]));
	w->seed = seed;
	w->random = seed;
	w->domains = 1;
	w->all_caps = old.all_caps;
	w->tally = old.tally;

	while (w->step < steps && !w->broken[0]) {
		if (actors_alive(w) < MIN_ACTORS ||
		    (actors_alive(w) < MAX_ACTORS && one_in(w, 40)))
			spawn(w);
		else if (one_in(w, 20))
			map_namespace(w, draw_actor(w));
		else
			step(w);
	}
	for (int i = 0; i < MAX_ACTORS && !w->broken[0]; i++)
		if (w->actor[i].alive)
			check_bystander(w, &w->actor[i]);
	world_end(w);
	w->tally->steps += w->step;
	if (w->broken[0])
		tell(w);
	return !w->broken[0];
}

/* The stage, which all worlds have in common */

static int place(int fd, int where)
{
	if (fd < 0 || dup2(fd, where) != where)
		return -1;
	return close(fd);
}

static int make_file(const char *name, uid_t uid, gid_t gid, mode_t mode)
{
	int fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	if (fd < 0)
		return -1;
	/* In this order: a new owner takes away the set-user-ID bit. */
	if (fchown(fd, uid, gid) || fchmod(fd, mode & 07777)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int make_program(const struct program *program)
{
	struct {
		__le32 magic;
		__le32 sets[4];
	} caps = { VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
		   { program->caps } };
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = make_file(program->name, program->uid, program->gid, 0700);
	char buf[65536];
	ssize_t len = -1;

	while (from >= 0 && to >= 0 && (len = read(from, buf, sizeof(buf))) > 0)
		if (write(to, buf, len) != len)
			return -1;
	close(from);
	/* Writing takes the bits away, too. */
	if (len || fchmod(to, program->mode) ||
	    (program->caps && fsetxattr(to, "security.capability", &caps,
					sizeof(caps), 0)))
		return -1;
	return close(to);
}

/* Denies to truncate one of the files, and nothing else. */
static int make_ruleset(int index)
{
	const struct landlock_ruleset_attr attr = {
		.handled_access_fs = LANDLOCK_ACCESS_FS_TRUNCATE,
	};
	struct landlock_path_beneath_attr rule = {
		.allowed_access = LANDLOCK_ACCESS_FS_TRUNCATE,
	};
	int ruleset = syscall(__NR_landlock_create_ruleset, &attr, sizeof(attr), 0);
	char name[16];

	for (int i = 0; i < NR_RULESETS && ruleset >= 0; i++) {
		if (i == index)
			continue;
		snprintf(name, sizeof(name), "ruleset%d", i);
		rule.parent_fd = open(name, O_PATH | O_CLOEXEC);
		if (rule.parent_fd < 0 ||
		    syscall(__NR_landlock_add_rule, ruleset,
			    LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
			return -1;
		close(rule.parent_fd);
	}
	return ruleset;
}

static int make_object(int i)
{
	const struct object *object = &objects[i];
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC,
	};
	int dir = AT_FDCWD, fd;
	char name[16];

	snprintf(name, sizeof(name), "object%d", i);
	if (S_ISDIR(object->mode)) {
		if (mkdir(name, 0700) || chown(name, object->uid, object->gid) ||
		    chmod(name, object->mode & 0777))
			return -1;
	} else {
		fd = make_file(name, object->uid, object->gid, object->mode);
		if (fd < 0 || close(fd))
			return -1;
	}
	if (object->locked_mount) {
		dir = syscall(__NR_open_tree, AT_FDCWD, ".",
			      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (dir < 0 || syscall(__NR_mount_setattr, dir, "", AT_EMPTY_PATH,
				       &attr, sizeof(attr)))
			return -1;
	}
	/* Every other one cannot be a credfd for another reason. */
	return openat(dir, name, i % 2 ? O_PATH : O_RDONLY);
}

static int make_stage(void)
{
	int sock[2], fd;
	char name[16];

	/* Attached somewhere, or execve() would ignore the set-user-ID bits. */
	if (sys_unshare(CLONE_NEWNS) ||
	    syscall(__NR_mount, "", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    syscall(__NR_mount, "tmpfs", "/tmp", "tmpfs", 0, "mode=0755") ||
	    chdir("/tmp"))
		return -1;
	for (int i = 0; i < NR_RULESETS; i++) {
		snprintf(name, sizeof(name), "ruleset%d", i);
		fd = make_file(name, 0, 0, 0666);
		if (fd < 0 || close(fd))
			return -1;
	}
	for (int i = 0; i < NR_RULESETS; i++)
		if (place(make_ruleset(i), FD_RULESET + i))
			return -1;
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		if (make_program(&programs[i]))
			return -1;
	for (int i = 0; i < NR_OBJECTS; i++)
		if (place(make_object(i), FD_OBJECT + i))
			return -1;
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, sock))
		return -1;
	return place(sock[0], FD_SEND) | place(sock[1], FD_RECEIVE);
}

static int make_boxes(void)
{
	const size_t size = MAX_ACTORS * sizeof(*boxes);
	int fd = syscall(__NR_memfd_create, "boxes", 0);

	if (fd < 0 || ftruncate(fd, size))
		return -1;
	boxes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return boxes == MAP_FAILED ? -1 : place(fd, FD_BOXES);
}

/*
 * The initial namespace; a container; one where setgroups() is denied and few
 * ids exist; and one that differs from the initial one in nothing else.
 */
static int make_namespaces(struct world *w)
{
	static const struct userns models[NR_FIXED_NS] = {
		{ .extents = { 1, 1 }, .setgroups = true,
		  .map = { { { 0, 0, -1U } }, { { 0, 0, -1U } } } },
		{ .extents = { 1, 1 }, .setgroups = true,
		  .map = { { { 0, 100000, 65536 } }, { { 0, 100000, 65536 } } } },
		{ .extents = { 2, 2 },
		  .map = { { { 0, 0, 1 }, { USER, USER, 1 } },
			   { { 0, 0, 1 }, { GROUP, GROUP, 1 } } } },
		{ .extents = { 1, 1 }, .setgroups = true,
		  .map = { { { 0, 0, 65536 } }, { { 0, 0, 65536 } } } },
	};
	char map[2][128];
	struct stat st;

	for (int i = 0; i < NR_FIXED_NS; i++) {
		w->ns[i] = models[i];
		w->ns[i].used = true;
		w->ns[i].fd = FD_NS + i;
		for (int kind = UID; kind <= GID; kind++) {
			map[kind][0] = '\0';
			for (int k = 0; k < models[i].extents[kind]; k++) {
				const struct extent *e = &models[i].map[kind][k];
				size_t len = strlen(map[kind]);

				snprintf(map[kind] + len, sizeof(map[0]) - len,
					 "%u %u %u\n", e->inside, e->outside,
					 e->count);
			}
		}
		if (place(i ? userns_open(map[UID], map[GID],
					  models[i].setgroups ? NULL : "deny") :
			  open("/proc/self/ns/user", O_RDONLY), FD_NS + i) ||
		    fstat(FD_NS + i, &st))
			return -1;
		w->ns[i].ino = st.st_ino;
	}
	return 0;
}

/* The tests */

static __u64 seed_of_env(void)
{
	const char *env = getenv("CREDFD_SEED");

	return env ? strtoull(env, NULL, 0) : DEFAULT_SEED;
}

static long steps_of_env(void)
{
	const char *env = getenv("CREDFD_STEPS");
	long steps = env ? atol(env) : 0;

	if (steps > 0)
		return steps;
	/* Slow machines say so in CREDFD_LOOPS. */
	return credfd_loops() < DEFAULT_STEPS ? credfd_loops() : DEFAULT_STEPS;
}

FIXTURE(model)
{
	struct world *world;
	struct tally tally;
};

FIXTURE_SETUP(model)
{
	const char *reason = credfd_unavailable_or_not_root();
	struct identity id;

	if (reason)
		SKIP(return, "%s", reason);

	/* Nobody waits for the actors, nor for those that they leave behind. */
	ASSERT_TRUE(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	ASSERT_EQ(0, sys_setgroups(0, NULL));
	ASSERT_LT(0, sys_keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0));
	self->world = calloc(1, sizeof(*self->world));
	ASSERT_NE(NULL, self->world);
	ASSERT_EQ(0, identity_read(&id));
	ASSERT_EQ(id.bounding, id.caps.permitted);
	self->world->all_caps = id.bounding;
	self->world->tally = &self->tally;
	ASSERT_EQ(0, make_stage())
		TH_LOG("cannot set the stage: %m");
	ASSERT_EQ(0, make_boxes());
	ASSERT_EQ(0, make_namespaces(self->world));
}

FIXTURE_TEARDOWN(model)
{
	if (self->world)
		world_end(self->world);
}

static bool walk(struct world *w, __u64 seed, long steps)
{
	const struct tally *tally = w->tally;
	cpu_set_t cpus;
	int cpu = 0;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	while (!CPU_ISSET(cpu, &cpus))
		cpu++;
	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	/* To wake up another processor for each step would take most of the time. */
	sched_setaffinity(0, sizeof(cpus), &cpus);

	fprintf(TH_LOG_STREAM, "# CREDFD_SEED=%llu CREDFD_STEPS=%ld\n",
		(unsigned long long)seed, steps);
	for (long done = 0; done < steps; done += WORLD_STEPS, seed++)
		if (!world_run(w, seed, steps - done < WORLD_STEPS ?
				  steps - done : WORLD_STEPS))
			return false;

	fprintf(TH_LOG_STREAM,
		"# %ld steps: activated %ld, the same %ld, answers %ld yes %ld no, unmapped %ld\n",
		tally->steps, tally->activated, tally->same, tally->answers[1],
		tally->answers[0], tally->unmapped);
	fprintf(TH_LOG_STREAM, "# refused for one reason alone:");
	for (int i = 0; i < NR_FAULTS; i++)
		fprintf(TH_LOG_STREAM, " %s %ld", faults[i].name, tally->alone[i]);
	fprintf(TH_LOG_STREAM, "\n");
	return true;
}

/* The same walk each time. If it is long enough it has met every rule. */
TEST_F_TIMEOUT(model, seeded, 7200)
{
	long steps = steps_of_env();

	ASSERT_TRUE(walk(self->world, seed_of_env(), steps));
	if (steps < DEFAULT_STEPS)
		return;
	EXPECT_LT(0, self->tally.activated);
	EXPECT_LT(0, self->tally.same);
	EXPECT_LT(0, self->tally.answers[0]);
	EXPECT_LT(0, self->tally.answers[1]);
	EXPECT_LT(0, self->tally.unmapped);
	for (int i = 0; i < NR_FAULTS; i++) {
		EXPECT_LT(0, self->tally.alone[i])
			TH_LOG("never refused for %s alone", faults[i].name);
	}
}

/* Another walk each time. */
TEST_F_TIMEOUT(model, random, 7200)
{
	__u32 seed;

	ASSERT_EQ((ssize_t)sizeof(seed), getrandom(&seed, sizeof(seed), 0));
	ASSERT_TRUE(walk(self->world, seed, steps_of_env() / 2));
}

/*
 * Threads of three processes, with one table of open files, that do the same all
 * at once. What they meet is up to chance, so only what is true of each thread by
 * itself is looked at: each snapshot is of one user, and all of it comes along.
 */
#define RACE_PROCESSES	3
#define RACE_THREADS	3
#define RACE_USERS	8
#define RACE_RULESET	0	/* its Landlock domain denies this */
#define RACE_CAP	CAP_NET_RAW	/* and this is not in its bounding set */

enum { FULL_ROOT, RESTRICTED_ROOT, CONTAINER_ROOT };

struct racer {
	pthread_t thread;
	int self;		/* the credfd to come back with */
	bool stays;		/* as a full root, for want of CAP_SETPCAP */
	bool restricted;
	__u64 permitted;
	__u64 random;
	long steps;
	long switched;
	const char *error;
};

static const char *race_check(struct racer *me)
{
	struct identity id = {};
	const uid_t *uid = id.uid;
	const gid_t *gid = id.gid;
	bool denied = probe_landlock() & 1U << RACE_RULESET;
	bool dropped = !prctl(PR_CAPBSET_READ, RACE_CAP);

	if (getresuid(&id.uid[0], &id.uid[1], &id.uid[2]) ||
	    getresgid(&id.gid[0], &id.gid[1], &id.gid[2]) || caps_get(&id.caps))
		return "cannot look at itself";
	id.uid[3] = sys_setfsuid(-1);
	id.gid[3] = sys_setfsgid(-1);
	id.ngroups = getgroups(MAX_GROUPS, id.groups);

	if (uid[0] || uid[2] || gid[0] || gid[2])
		return "other real or saved ids";
	if (uid[1] != uid[3] || uid[1] != gid[1] || uid[1] != gid[3])
		return "ids of several users";
	if (id.ngroups != (uid[1] ? 2 : 0) ||
	    (uid[1] && id.groups[0] != uid[1]))
		return "groups of somebody else";
	if (id.caps.permitted & ~me->permitted)
		return "more capabilities than before";
	if (denied != dropped ||
	    dropped == !!(id.caps.permitted & CAP_BIT(RACE_CAP)))
		return "a part of the restrictions only";
	if (me->restricted && !dropped)
		return "not restricted any more";
	if (me->stays && dropped)
		return "restricted without CAP_SETPCAP";
	me->restricted = dropped;
	me->permitted = id.caps.permitted;
	return NULL;
}

static bool race_back(struct racer *me)
{
	if (!sys_credfd_activate(me->self, 0))
		return true;
	/* That of a full root is of no use for one who has been restricted. */
	if (errno != EPERM || !me->restricted || sys_setresuid(-1, 0, -1) ||
	    caps_set_effective(me->permitted) || sys_setresgid(-1, 0, -1) ||
	    sys_setgroups(0, NULL) || close(me->self))
		return false;
	me->self = sys_credfd_create(0);
	return me->self >= 0;
}

static const char *race_step(struct racer *me)
{
	const int slot = FD_SLOT + mix(&me->random) % NR_SLOTS;
	const int other = FD_SLOT + mix(&me->random) % NR_SLOTS;
	const uid_t user = USER + mix(&me->random) % RACE_USERS;
	struct report r;

	switch (mix(&me->random) % 8) {
	case 0:
		if (!race_back(me) || become_ganesha(user, user) ||
		    move_fd(sys_credfd_create(0), slot))
			return "cannot make a credfd";
		break;
	case 1:
		if (!race_back(me))
			return "cannot come back";
		break;
	case 2:
		if (sys_credfd_access(slot, FD_OBJECT + mix(&me->random) % NR_OBJECTS,
				      mix(&me->random) % 8, 0) && errno != EBADF &&
		    errno != EPERM && errno != EACCES && errno != EROFS)
			return "a strange answer";
		break;
	case 3:
		if (dup3(slot, other, O_CLOEXEC) < 0 && errno != EBADF &&
		    errno != EINVAL && errno != EBUSY)
			return "cannot duplicate";
		break;
	case 4:
		close(slot);
		break;
	case 5:
		if (read_fdinfo(slot, &r) && errno != ENOENT)
			return "cannot read fdinfo";
		break;
	default:
		if (!sys_credfd_activate(slot, 0))
			me->switched++;
		else if (errno != EBADF && errno != EPERM)
			return "a strange error";
	}
	return race_check(me);
}

static void *race_main(void *arg)
{
	struct racer *me = arg;

	me->permitted = ~0ULL;
	me->restricted = false;
	if (me->stays)
		caps_drop_effective(CAP_BIT(CAP_SETPCAP));
	me->self = sys_credfd_create(0);
	if (me->self < 0)
		me->error = "cannot begin";
	for (long i = 0; i < me->steps && !me->error; i++)
		me->error = race_step(me);
	return NULL;
}

static int race_become(const struct world *w, int kind)
{
	if (become_root(w, kind == CONTAINER_ROOT, true, false, false))
		return -1;
	if (kind != RESTRICTED_ROOT)
		return 0;
	if (prctl(PR_CAPBSET_DROP, RACE_CAP) ||
	    caps_restrict(~CAP_BIT(RACE_CAP)))
		return -1;
	return syscall(__NR_landlock_restrict_self, FD_RULESET + RACE_RULESET, 0);
}

/* Becomes what it is to be, with its threads, and ends. */
static void race_process(const struct world *w, int kind, struct racer *racers)
{
	if (race_become(w, kind))
		_exit(1);
	for (int i = 0; i < RACE_THREADS; i++)
		if (pthread_create(&racers[i].thread, NULL, race_main, &racers[i]))
			_exit(2);
	for (int i = 0; i < RACE_THREADS; i++)
		pthread_join(racers[i].thread, NULL);
	_exit(0);
}

/* In no order: what the walk cannot meet. */
TEST_F_TIMEOUT(model, race, 7200)
{
	struct clone_args args = {
		.flags = CLONE_FILES,
		.exit_signal = SIGCHLD,
	};
	struct racer (*racers)[RACE_THREADS];
	__u64 seed = seed_of_env();
	pid_t pid[RACE_PROCESSES];

	racers = shared_alloc(RACE_PROCESSES * sizeof(*racers));
	ASSERT_NE(NULL, racers);
	ASSERT_TRUE(signal(SIGCHLD, SIG_DFL) != SIG_ERR);
	for (int kind = 0; kind < RACE_PROCESSES; kind++) {
		for (int i = 0; i < RACE_THREADS; i++)
			racers[kind][i] = (struct racer) {
				.stays = kind == FULL_ROOT && !i,
				.random = mix(&seed),
				.steps = steps_of_env() / 9,
			};
		pid[kind] = syscall(__NR_clone3, &args, sizeof(args));
		ASSERT_LE(0, pid[kind]);
		if (!pid[kind])
			race_process(self->world, kind, racers[kind]);
	}

	for (int kind = 0; kind < RACE_PROCESSES; kind++) {
		EXPECT_EQ(0, wait_exit(pid[kind]));
		for (int i = 0; i < RACE_THREADS; i++) {
			EXPECT_EQ(NULL, racers[kind][i].error)
				TH_LOG("thread %d of %d: %s", i, kind,
				       racers[kind][i].error);
			EXPECT_LT(0, racers[kind][i].switched);
		}
	}
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[0], "actor"))
		return exec_main(atoi(argv[1]));
	return test_harness_run(argc, argv);
}
