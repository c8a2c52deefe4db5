// SPDX-License-Identifier: GPL-2.0
/*
 * switch_bench - what it costs to become a user and to come back, in every way
 *
 * usage: switch_bench time LOOPS WRITE-DIR CREATE-DIR
 *        switch_bench count LOOPS WRITE-DIR CREATE-DIR
 *        switch_bench threads MAX ROUNDS MILLISECONDS
 *        switch_bench old LOOPS DIR [PROGRAM]
 *        switch_bench loop WAY
 *
 * A worker that is root becomes one of four users, does something and becomes
 * itself again, LOOPS times, or a tenth of that if it takes ten times as long. The
 * ways to do so are those of programs that exist:
 *
 *   getppid        none, but as many system calls as the best can do with: two
 *   root           none at all
 *   ganesha        setgroups(), setresgid(), setresuid(), and back
 *   samba          the same, but by way of root each time, and real ids as well
 *   fsuid          setgroups(), setfsgid(), setfsuid(), capset(), and back
 *   uring          one io_uring_enter() with a request that has a personality
 *   uring-none     the same without, to see what the personality costs
 *   credfd         credfd_activate(), and back
 *   direct         credfd_activate() from one user to the next, never back
 *   credfd-shared  like these two, but with a second thread, which sleeps: who
 *   direct-shared  shares the table of open files pays for looking something up
 *
 * and what is done in between is one of
 *
 *   none           nothing (with io_uring: IORING_OP_NOP)
 *   pwrite         64 bytes to a file in WRITE-DIR that is open all the time
 *   create         open a new file in CREATE-DIR, and close it
 *
 * Each pair has a process of its own, as many open files and, after a rehearsal
 * that is not counted, as many new files in a fresh directory. Before it is
 * measured, each way has to prove that it becomes each of the users, and
 * afterwards that it has done its work as the right one and is itself again.
 *
 * time     reads the clock around each round trip. In a virtual machine whose
 *          clock counts instructions, these are instructions. What the loop and
 *          the clock cost by themselves is subtracted.
 * count    the kernel's events, by tracepoint and key: system calls by number,
 *          RCU callbacks by function, allocations by the function that makes
 *          them. Only those of the worker, and of its io_uring's threads.
 * threads  how many round trips per second 1, 2, 4, 8, 16 threads make, up to
 *          MAX, in ROUNDS times MILLISECONDS: two getppid(), credfd, ganesha, by
 *          turns of 25 ms.
 *          All have "one" user's credfd, or each its "own", with a table of open
 *          files that is "shared", or one each.
 * old      what programs do that use none of it. Runs on any kernel, to compare.
 * loop     says "ready" and goes on for ever, for a profiler to look at.
 *
 * Output, nothing else (a KEY can have more than one line, to be added up):
 *
 *   bench switch time WAY OP MEAN MEDIAN
 *   bench switch count WAY OP EVENT KEY HITS LOOPS
 *   bench threads N one|own shared|unshared ROUND FLOOR CREDFD GANESHA
 *   bench old OP MEAN MEDIAN
 *
 * The exit status is 0 only if all was as it has to be. Needs root, tracefs to
 * count, and a machine where nobody minds: it mounts and makes directories.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/io_uring.h>
#include <linux/mount.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "counters.h"
#include "users.h"

#define MAX_LOOPS		1000000
#define MAX_THREADS		64
#define WRITE_SIZE		64
/* How long threads do one thing, lest a busy machine spoil one and not the other */
#define SLICE_MS		25
/* The first file descriptor that is free when it begins */
#define FIRST_FREE		24
/* Counting takes no longer, by far */
#define COUNT_SECONDS		1000
#define DIR_NAME		"switch_bench.dir"
#define FILE_NAME		"switch_bench.file"
#define NAME_SIZE		16

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE	0x4000U
#endif

/* What setfsuid() to another user takes away in effect; the rest is root's business */
#define CAP_BIT(cap)	(1U << (cap))
#define FILE_CAPS	(CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_DAC_OVERRIDE) |	\
			 CAP_BIT(CAP_DAC_READ_SEARCH) | CAP_BIT(CAP_FOWNER) |	\
			 CAP_BIT(CAP_FSETID) | CAP_BIT(CAP_LINUX_IMMUTABLE) |	\
			 CAP_BIT(CAP_MKNOD))

/* All of a thread that a way could forget to put back */
struct identity {
	uid_t uid[4];
	gid_t gid[4];
	int ngroups;
	gid_t groups[MAX_GROUPS];
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];
};

static const struct user *nth_user(unsigned int i)
{
	return &users[i % ARRAY_SIZE(users)];
}

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* Identities */

static void get_identity(struct identity *id)
{
	memset(id, 0, sizeof(*id));
	if (getresuid(&id->uid[0], &id->uid[1], &id->uid[2]) ||
	    getresgid(&id->gid[0], &id->gid[1], &id->gid[2]))
		err(1, "getresuid");
	id->uid[3] = sys_setfsuid(KEEP);
	id->gid[3] = sys_setfsgid(KEEP);
	id->ngroups = getgroups(MAX_GROUPS, id->groups);
	if (id->ngroups < 0)
		err(1, "getgroups");
	caps_get(id->caps);
}

static bool is_identity(const struct identity *id)
{
	struct identity now;

	get_identity(&now);
	return !memcmp(&now, id, sizeof(now));
}

static void need_root(void)
{
	get_self(&self);
	if (self.uid)
		errx(1, "only root can act for other users");
}

/* Ways: none */

static void nothing(void)
{
}

static void no_become(const struct user *user)
{
	(void)user;
}

static void getppid_become(const struct user *user)
{
	(void)user;
	syscall(__NR_getppid);
}

static void getppid_back(void)
{
	syscall(__NR_getppid);
}

/* Ways: set*id() */

static void samba_become(const struct user *user)
{
	cred_setresuid(0, 0, KEEP);
	cred_setresgid(KEEP, 0, KEEP);
	cred_setgroups(user->ngroups, user->groups);
	cred_setresgid(KEEP, user->gid, KEEP);
	cred_setresuid(user->uid, user->uid, KEEP);
}

static void samba_back(void)
{
	samba_become(&self);
}

/* Capabilities while a user, and while oneself */
static struct __user_cap_data_struct user_caps[_LINUX_CAPABILITY_U32S_3];
static struct __user_cap_data_struct self_caps[_LINUX_CAPABILITY_U32S_3];

static void fsuid_prepare(void)
{
	caps_get(self_caps);
	memcpy(user_caps, self_caps, sizeof(user_caps));
	user_caps[0].effective &= ~FILE_CAPS;
}

static void fsuid_become(const struct user *user)
{
	cred_setgroups(user->ngroups, user->groups);
	/* These return the id before. Whether it has worked is seen by the files. */
	sys_setfsgid(user->gid);
	sys_setfsuid(user->uid);
	caps_set(user_caps);
}

static void fsuid_back(void)
{
	caps_set(self_caps);
	sys_setfsuid(self.uid);
	sys_setfsgid(self.gid);
	cred_setgroups(self.ngroups, self.groups);
}

/* Ways: credfd */

static void *sleep_forever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void shared_prepare(void)
{
	pthread_t thread;

	credfd_prepare();
	if (pthread_create(&thread, NULL, sleep_forever, NULL))
		errx(1, "pthread_create");
}

/* What is done in between. Returns 0 or -errno. */

static int create_dir;
static int write_fd;
static char (*names)[NAME_SIZE];
static const char content[WRITE_SIZE + 1] =
	"What the user wanted to have written. It has 64 bytes, no more.\n";

static int do_none(unsigned int i)
{
	(void)i;
	return 0;
}

static int do_pwrite(unsigned int i)
{
	(void)i;
	return pwrite(write_fd, content, WRITE_SIZE, 0) == WRITE_SIZE ? 0 : -errno;
}

static int do_create(unsigned int i)
{
	int fd = openat(create_dir, names[i],
			O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	return fd < 0 || close(fd) ? -errno : 0;
}

/* Ways: io_uring */

static struct {
	int fd;
	unsigned int *sq_tail;
	unsigned int sq_mask;
	struct io_uring_sqe *sqes;
	unsigned int *cq_head;
	unsigned int *cq_tail;
	unsigned int cq_mask;
	struct io_uring_cqe *cqes;
	unsigned int personality;
} ring;

static void *ring_map(size_t size, off_t offset)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_POPULATE, ring.fd, offset);

	if (mem == MAP_FAILED)
		err(1, "mmap of an io_uring");
	return mem;
}

/* With the flags that are recommended for a thread that has a ring of its own */
static void uring_none_prepare(void)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	};
	unsigned int *array;
	size_t sq_size, cq_size;
	char *mem;

	ring.fd = syscall(__NR_io_uring_setup, 8, &p);
	if (ring.fd < 0)
		err(1, "io_uring_setup");
	if (!(p.features & IORING_FEAT_SINGLE_MMAP))
		errx(1, "io_uring: a kernel from before 5.4");

	sq_size = p.sq_off.array + p.sq_entries * sizeof(*array);
	cq_size = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	mem = ring_map(sq_size > cq_size ? sq_size : cq_size, IORING_OFF_SQ_RING);
	ring.sqes = ring_map(p.sq_entries * sizeof(*ring.sqes), IORING_OFF_SQES);

	ring.sq_tail = (void *)(mem + p.sq_off.tail);
	ring.sq_mask = *(unsigned int *)(mem + p.sq_off.ring_mask);
	ring.cq_head = (void *)(mem + p.cq_off.head);
	ring.cq_tail = (void *)(mem + p.cq_off.tail);
	ring.cq_mask = *(unsigned int *)(mem + p.cq_off.ring_mask);
	ring.cqes = (void *)(mem + p.cq_off.cqes);
	array = (void *)(mem + p.sq_off.array);
	for (unsigned int i = 0; i < p.sq_entries; i++)
		array[i] = i;
}

static void uring_prepare(void)
{
	uring_none_prepare();
	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		int ret;

		setid_become(&users[i]);
		ret = syscall(__NR_io_uring_register, ring.fd,
			      IORING_REGISTER_PERSONALITY, NULL, 0);
		if (ret <= 0)
			err(1, "IORING_REGISTER_PERSONALITY");
		users[i].personality = ret;
		setid_come_back();
	}
}

static void uring_become(const struct user *user)
{
	ring.personality = user->personality;
}

static struct io_uring_sqe *ring_next(void)
{
	struct io_uring_sqe *sqe = &ring.sqes[*ring.sq_tail & ring.sq_mask];

	memset(sqe, 0, sizeof(*sqe));
	sqe->personality = ring.personality;
	return sqe;
}

/* The result of the one request, which is what its system call would return */
static int ring_submit(void)
{
	unsigned int head = *ring.cq_head;
	int ret;

	__atomic_store_n(ring.sq_tail, *ring.sq_tail + 1, __ATOMIC_RELEASE);
	if (syscall(__NR_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS,
		    NULL, 0) != 1)
		err(1, "io_uring_enter");
	if (__atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE) != head + 1)
		errx(1, "io_uring_enter has not waited");
	ret = ring.cqes[head & ring.cq_mask].res;
	__atomic_store_n(ring.cq_head, head + 1, __ATOMIC_RELEASE);
	return ret;
}

static int uring_nop(unsigned int i)
{
	struct io_uring_sqe *sqe = ring_next();

	(void)i;
	sqe->opcode = IORING_OP_NOP;
	return ring_submit();
}

static int uring_pwrite(unsigned int i)
{
	struct io_uring_sqe *sqe = ring_next();
	int ret;

	(void)i;
	sqe->opcode = IORING_OP_WRITE;
	sqe->fd = write_fd;
	sqe->addr = (uintptr_t)content;
	sqe->len = WRITE_SIZE;
	ret = ring_submit();
	if (ret < 0)
		return ret;
	return ret == WRITE_SIZE ? 0 : -EIO;
}

static int uring_create(unsigned int i)
{
	struct io_uring_sqe *sqe = ring_next();
	int fd;

	sqe->opcode = IORING_OP_OPENAT;
	sqe->fd = create_dir;
	sqe->addr = (uintptr_t)names[i];
	sqe->open_flags = O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC;
	sqe->len = 0600;
	fd = ring_submit();
	if (fd < 0)
		return fd;
	return close(fd) ? -errno : 0;
}

/* All ways. Who has no function for what is done in between does not do it. */

enum { OP_NONE, OP_PWRITE, OP_CREATE, OPS };

static const char *const op_names[OPS] = { "none", "pwrite", "create" };

struct way {
	const char *name;
	void (*prepare)(void);
	void (*become)(const struct user *user);
	/* After each request; at the end of all of them, if it is still somebody else */
	void (*back)(void);
	void (*home)(void);
	int (*run[OPS])(unsigned int i);
	bool is_root;
};

#define ALL_OPS		{ do_none, do_pwrite, do_create }
#define URING_OPS	{ uring_nop, uring_pwrite, uring_create }

/* The loop and the clock by themselves */
static const struct way harness = {
	"harness", nothing, no_become, nothing, nothing, { do_none }, true,
};

static const struct way root_way = {
	"root", nothing, no_become, nothing, nothing, { NULL, do_pwrite, do_create }, true,
};

static const struct way ways[] = {
	{ "getppid", nothing, getppid_become, getppid_back, nothing, { do_none }, true },
	{ "root", nothing, no_become, nothing, nothing, { NULL, do_pwrite, do_create }, true },
	{ "ganesha", nothing, setid_become, setid_come_back, nothing, ALL_OPS, false },
	{ "samba", nothing, samba_become, samba_back, nothing, ALL_OPS, false },
	{ "fsuid", fsuid_prepare, fsuid_become, fsuid_back, nothing, ALL_OPS, false },
	{ "uring", uring_prepare, uring_become, nothing, nothing, URING_OPS, false },
	{ "uring-none", uring_none_prepare, no_become, nothing, nothing, URING_OPS, true },
	{ "credfd", credfd_prepare, credfd_become, credfd_come_back, nothing, ALL_OPS, false },
	{ "direct", credfd_prepare, credfd_become, nothing, credfd_come_back, ALL_OPS, false },
	{ "credfd-shared", shared_prepare, credfd_become, credfd_come_back, nothing,
	  { do_none }, false },
	{ "direct-shared", shared_prepare, credfd_become, nothing, credfd_come_back,
	  { do_none }, false },
};

/* One round trip; what fails must not be counted as fast */
static inline void trip(const struct way *way, int op, unsigned int i)
{
	int ret;

	way->become(nth_user(i));
	ret = way->run[op](i);
	way->back();
	if (ret) {
		errno = -ret;
		err(1, "%s %s", way->name, op_names[op]);
	}
}

/* Does a way become whom it has to, with his groups and without root's power? */

static int check_dir(const char *name, gid_t gid, mode_t mode)
{
	int dir;

	if (mkdirat(create_dir, name, 0700) && errno != EEXIST)
		err(1, "%s", name);
	dir = openat(create_dir, name, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (dir < 0 || fchown(dir, 0, gid) || fchmod(dir, mode))
		err(1, "%s", name);
	return dir;
}

static void check_owner(const struct way *way, const char *name, const struct user *user)
{
	const struct user *owner = way->is_root ? &self : user;
	struct stat st;

	if (fstatat(create_dir, name, &st, AT_SYMLINK_NOFOLLOW))
		err(1, "%s: %s", way->name, name);
	if (!S_ISREG(st.st_mode) || st.st_uid != owner->uid || st.st_gid != owner->gid)
		errx(1, "%s: file of user %u belongs to %u:%u", way->name, owner->uid,
		     st.st_uid, st.st_gid);
}

/* In a directory of this group and mode */
static void check_create(const struct way *way, const struct user *user, gid_t gid,
			 mode_t mode, int expected)
{
	int (*create)(unsigned int i) = way->run[OP_CREATE] ?: do_create;
	int dir = create_dir, ret;

	create_dir = check_dir("check", gid, mode);
	way->become(user);
	ret = create(0);
	way->back();
	way->home();
	if (ret != expected)
		errx(1, "%s: user %u, directory of group %u with mode %o: %s", way->name,
		     user->uid, gid, mode, strerror(-ret));
	if (!ret) {
		check_owner(way, names[0], user);
		unlinkat(create_dir, names[0], 0);
	}
	close(create_dir);
	create_dir = dir;
}

static void check_way(const struct way *way)
{
	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		const struct user *user = &users[i];

		check_create(way, user, 0, 0777, 0);
		if (way->is_root)
			continue;
		check_create(way, user, user->gid, 0770, 0);
		for (int j = 0; j < user->ngroups; j++)
			check_create(way, user, user->groups[j], 0770, 0);
		check_create(way, user, 0, 0770, -EACCES);
		check_create(way, user, nth_user(i + 1)->gid, 0770, -EACCES);
		check_create(way, user, user->groups[0], 0700, -EACCES);
	}
	if (unlinkat(create_dir, "check", AT_REMOVEDIR))
		err(1, "check");
}

/* The process that is measured */

static unsigned int loops;

/* What takes ten times as long is not done as often. */
static unsigned int loops_of(unsigned int wanted, bool slow)
{
	return slow && wanted >= 10 ? wanted / 10 : wanted;
}

/* Shared with the worker: nothing is copied by what it forks. */
static __u64 *stamps;
static struct {
	bool done;
	bool read;
} *count_state;

static void *shared_alloc(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (mem == MAP_FAILED)
		err(1, "mmap");
	return mem;
}

static void make_names(unsigned int count)
{
	names = shared_alloc(count * sizeof(*names));
	for (unsigned int i = 0; i < count; i++)
		snprintf(names[i], sizeof(names[i]), "file-%07u", i);
}

/*
 * How many files are open has an influence of up to some thousand instructions
 * on what it costs to open one more and to close it.
 */
static void open_as_many(void)
{
	int fd;

	do {
		fd = open("/", O_PATH | O_CLOEXEC);
		if (fd < 0)
			err(1, "/");
		if (fd > FIRST_FREE)
			errx(1, "%d files are open, more than %d", fd, FIRST_FREE);
	} while (fd < FIRST_FREE - 1);
}

static void run_timed(const struct way *way, int op, unsigned int first)
{
	stamps[0] = now_ns();
	for (unsigned int i = 0; i < loops; i++) {
		trip(way, op, first + i);
		stamps[i + 1] = now_ns();
	}
}

/* Whoever counts cannot be told by a system call, which would be counted. */
static void run_counted(const struct way *way, int op, unsigned int first)
{
	for (unsigned int i = 0; i < loops; i++)
		trip(way, op, first + i);
	__atomic_store_n(&count_state->done, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&count_state->read, __ATOMIC_ACQUIRE))
		;
}

static void await_byte(int fd)
{
	char byte;

	if (read(fd, &byte, 1) != 1)
		errx(1, "nobody counts");
}

/* @go is -1, or a socket with whoever counts at its other end. */
static void worker(const struct way *way, int op, int go)
{
	static const char zeros[WRITE_SIZE];
	struct identity before;
	char buf[WRITE_SIZE];

	get_identity(&before);
	way->prepare();
	check_way(way);
	open_as_many();

	for (unsigned int i = 0; i < loops; i++)
		trip(way, op, i);
	if (pwrite(write_fd, zeros, WRITE_SIZE, 0) != WRITE_SIZE)
		err(1, "pwrite");

	if (go < 0) {
		run_timed(way, op, loops);
	} else {
		if (write(go, "", 1) != 1)
			err(1, "write");
		await_byte(go);
		run_counted(way, op, loops);
	}
	way->home();

	if (!is_identity(&before))
		errx(1, "%s: did not become itself again", way->name);
	if (op == OP_CREATE)
		for (unsigned int i = 0; i < 2 * loops; i++)
			check_owner(way, names[i], nth_user(i));
	if (pread(write_fd, buf, WRITE_SIZE, 0) != WRITE_SIZE ||
	    memcmp(buf, op == OP_PWRITE ? content : zeros, WRITE_SIZE))
		errx(1, "%s: did not write what it had to", way->name);
}

/* Whoever has failed has said why. */
static void reap(pid_t pid, const char *name)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		err(1, "waitpid");
	if (WIFSIGNALED(status))
		errx(1, "%s: killed by signal %d", name, WTERMSIG(status));
	if (status)
		exit(1);
}

static int compare(const void *a, const void *b)
{
	const __u64 *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

struct cost {
	double mean;
	double median;
};

/* From the clock readings, which are overwritten */
static struct cost get_cost(void)
{
	struct cost cost = { .mean = (double)(stamps[loops] - stamps[0]) / loops };

	for (unsigned int i = 0; i < loops; i++)
		stamps[i] = stamps[i + 1] - stamps[i];
	qsort(stamps, loops, sizeof(*stamps), compare);
	cost.median = (stamps[(loops - 1) / 2] + stamps[loops / 2]) / 2.0;
	return cost;
}

static const struct counter counters[] = {
	COUNT_SYSCALLS,
	COUNT_RCU_CALLBACKS,
	COUNT_SLAB_OBJECTS,
	COUNT_KMALLOCS,
};

static const char *counted_way, *counted_op;

static void print_counter(const char *event, const char *key, unsigned long long hits)
{
	printf("bench switch count %s %s %s %s %llu %u\n", counted_way, counted_op,
	       strrchr(event, '/') + 1, key, hits, loops);
}

/* Has it died instead? */
static bool is_gone(pid_t pid)
{
	siginfo_t info = {};

	return waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid;
}

static void count(pid_t pid, int go)
{
	char filter[96];
	bool gone;

	await_byte(go);
	/* Let it fall asleep, and what was freed before be freed. */
	sleep(1);
	/* Requests that io_uring cannot do at once are done by threads with such names. */
	snprintf(filter, sizeof(filter), "common_pid == %d || comm == \"iou-wrk-%d\"",
		 pid, pid);
	counters_start(counters, ARRAY_SIZE(counters), filter);
	if (write(go, "", 1) != 1)
		err(1, "write");
	do {
		usleep(1000);
		gone = is_gone(pid);
	} while (!gone && !__atomic_load_n(&count_state->done, __ATOMIC_ACQUIRE));
	if (!gone)
		counters_read(counters, ARRAY_SIZE(counters), print_counter);
	counters_stop(counters, ARRAY_SIZE(counters), filter);
	__atomic_store_n(&count_state->read, true, __ATOMIC_RELEASE);
}

static int make_dir(int base, mode_t mode)
{
	int dir;

	if (mkdirat(base, DIR_NAME, 0700))
		err(1, "%s", DIR_NAME);
	dir = openat(base, DIR_NAME, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (dir < 0 || fchmod(dir, mode))
		err(1, "%s", DIR_NAME);
	return dir;
}

/* One way, one thing in between, one process */
static struct cost measure(const struct way *way, int op, int base, bool counted)
{
	struct cost cost = {};
	int go[2] = { -1, -1 };
	pid_t pid;

	create_dir = make_dir(base, 0777);
	if (counted && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, go))
		err(1, "socketpair");
	memset(count_state, 0, sizeof(*count_state));
	sync();
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		close(go[1]);
		/* Nobody will stop it if whoever counts has failed. */
		if (counted)
			alarm(COUNT_SECONDS);
		worker(way, op, go[0]);
		_exit(0);
	}
	if (counted) {
		close(go[0]);
		count(pid, go[1]);
		close(go[1]);
	}
	reap(pid, way->name);
	if (!counted)
		cost = get_cost();
	if (op == OP_CREATE)
		for (unsigned int i = 0; i < 2 * loops; i++)
			if (unlinkat(create_dir, names[i], 0))
				err(1, "%s", names[i]);
	close(create_dir);
	if (unlinkat(base, DIR_NAME, AT_REMOVEDIR))
		err(1, "%s", DIR_NAME);
	return cost;
}

/*
 * The loop and the clock always take the same, so their median is what they cost.
 * In a loop as short as theirs, one timer interrupt more or less would move the mean.
 */
static void print_cost(const char *what, const char *name, struct cost cost,
		       struct cost without)
{
	printf("bench %s %s %.1f %.1f\n", what, name, cost.mean - without.median,
	       cost.median - without.median);
}

static int open_dir(const char *name)
{
	int dir = open(name, O_DIRECTORY | O_RDONLY | O_CLOEXEC);

	if (dir < 0)
		err(1, "%s", name);
	return dir;
}

static void prepare(unsigned int wanted)
{
	/* What a user creates has the mode that it is created with. */
	umask(0);
	/* Nothing is paged in while it is measured. */
	stamps = shared_alloc((wanted + 1) * sizeof(*stamps));
	make_names(2 * loops_of(wanted, true));
}

static void switches(const char *write_name, const char *create_name, unsigned int wanted,
		     bool counted)
{
	int base = open_dir(create_name), write_dir = open_dir(write_name);
	struct cost nothing_cost = {};

	prepare(wanted);
	count_state = shared_alloc(sizeof(*count_state));
	write_fd = openat(write_dir, FILE_NAME, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (write_fd < 0)
		err(1, "%s/%s", write_name, FILE_NAME);

	/* Whatever comes first reads the filesystem's metadata. */
	loops = loops_of(wanted, true);
	measure(&root_way, OP_CREATE, base, false);
	loops = wanted;
	if (!counted)
		nothing_cost = measure(&harness, OP_NONE, base, false);
	for (int op = 0; op < OPS; op++) {
		loops = loops_of(wanted, op == OP_CREATE);
		for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
			struct cost cost;
			char name[64];

			if (!ways[i].run[op])
				continue;
			counted_way = ways[i].name;
			counted_op = op_names[op];
			cost = measure(&ways[i], op, base, counted);
			snprintf(name, sizeof(name), "%s %s", ways[i].name, op_names[op]);
			if (!counted)
				print_cost("switch time", name, cost, nothing_cost);
		}
	}
	if (unlinkat(write_dir, FILE_NAME, 0))
		err(1, "%s", FILE_NAME);
}

/* Threads */

struct worker_thread {
	pthread_t thread;
	__u64 begin;
	__u64 end;
	__u64 trips;
	struct user user;
	int self_fd;
};

static struct {
	pthread_barrier_t barrier;
	unsigned int threads;
	unsigned int rounds;
	unsigned int milliseconds;
	unsigned int slices;
	bool own;
	bool shared;
	bool stop;
	struct worker_thread workers[MAX_THREADS];
} crowd;

enum { PHASE_FLOOR, PHASE_CREDFD, PHASE_GANESHA, PHASES };

static inline bool is_stopped(void)
{
	return __atomic_load_n(&crowd.stop, __ATOMIC_RELAXED);
}

/* Local variables, lest the threads share cache lines that no server's would share */
static void run_phase(struct worker_thread *w, int phase)
{
	const int user_fd = w->user.credfd, self_fd = w->self_fd;
	__u64 trips = 0;

	pthread_barrier_wait(&crowd.barrier);
	w->begin = now_ns();
	switch (phase) {
	case PHASE_FLOOR:
		for (; !is_stopped(); trips++) {
			getppid_become(NULL);
			getppid_back();
		}
		break;
	case PHASE_CREDFD:
		for (; !is_stopped(); trips++) {
			cred_activate(user_fd);
			cred_activate(self_fd);
		}
		break;
	case PHASE_GANESHA:
		for (; !is_stopped(); trips++) {
			setid_become(&w->user);
			setid_come_back();
		}
		break;
	}
	w->end = now_ns();
	w->trips = trips;
	pthread_barrier_wait(&crowd.barrier);
}

static void *work(void *arg)
{
	struct worker_thread *w = arg;
	__u64 all_trips[PHASES] = {};
	struct identity before;

	get_identity(&before);
	if (!crowd.shared && sys_unshare(CLONE_FILES))
		err(1, "unshare");
	if (crowd.own) {
		w->self_fd = snapshot();
		w->user.credfd = snapshot_of(&w->user, w->self_fd);
	}
	cred_activate(w->user.credfd);
	if (geteuid() != w->user.uid || getegid() != w->user.gid)
		errx(1, "threads: did not become the user");
	cred_activate(w->self_fd);

	for (unsigned int i = 0; i < crowd.rounds * crowd.slices; i++) {
		for (int phase = 0; phase < PHASES; phase++) {
			run_phase(w, phase);
			all_trips[phase] += w->trips;
		}
	}
	for (int phase = 0; phase < PHASES; phase++)
		if (!all_trips[phase])
			errx(1, "threads: one of %u never had its turn", crowd.threads);

	if (!is_identity(&before))
		errx(1, "threads: did not become itself again");
	if (crowd.own && crowd.shared && (close(w->user.credfd) || close(w->self_fd)))
		err(1, "close");
	return NULL;
}

/* What all threads did, in the time from the first one's begin to the last one's end */
struct sum {
	__u64 trips;
	__u64 ns;
};

static void watch_phase(struct sum *sum)
{
	__u64 begin = ~0ULL, end = 0;

	__atomic_store_n(&crowd.stop, false, __ATOMIC_RELAXED);
	pthread_barrier_wait(&crowd.barrier);
	usleep(crowd.milliseconds * 1000 / crowd.slices);
	__atomic_store_n(&crowd.stop, true, __ATOMIC_RELAXED);
	pthread_barrier_wait(&crowd.barrier);
	for (unsigned int i = 0; i < crowd.threads; i++) {
		const struct worker_thread *w = &crowd.workers[i];

		begin = w->begin < begin ? w->begin : begin;
		end = w->end > end ? w->end : end;
		sum->trips += w->trips;
	}
	sum->ns += end - begin;
}

static void crowd_run(int user_fd, int self_fd)
{
	pthread_barrier_init(&crowd.barrier, NULL, crowd.threads + 1);
	for (unsigned int i = 0; i < crowd.threads; i++) {
		struct worker_thread *w = &crowd.workers[i];

		/* Everybody acts for the same user, so that only the objects differ. */
		w->user = users[0];
		w->user.credfd = user_fd;
		w->self_fd = self_fd;
		if (pthread_create(&w->thread, NULL, work, w))
			errx(1, "pthread_create");
	}
	for (unsigned int round = 1; round <= crowd.rounds; round++) {
		struct sum sums[PHASES] = {};
		double rate[PHASES];

		for (unsigned int i = 0; i < crowd.slices; i++)
			for (int phase = 0; phase < PHASES; phase++)
				watch_phase(&sums[phase]);
		for (int phase = 0; phase < PHASES; phase++)
			rate[phase] = sums[phase].trips * 1e9 / sums[phase].ns;
		printf("bench threads %u %s %s %u %.0f %.0f %.0f\n", crowd.threads,
		       crowd.own ? "own" : "one", crowd.shared ? "shared" : "unshared",
		       round, rate[PHASE_FLOOR], rate[PHASE_CREDFD], rate[PHASE_GANESHA]);
		fflush(stdout);
	}
	for (unsigned int i = 0; i < crowd.threads; i++)
		pthread_join(crowd.workers[i].thread, NULL);
	pthread_barrier_destroy(&crowd.barrier);
}

static void threads(unsigned int max)
{
	int self_fd, user_fd;

	self_fd = snapshot();
	user_fd = snapshot_of(&users[0], self_fd);
	for (crowd.threads = 1; crowd.threads <= max; crowd.threads *= 2) {
		for (int kind = 0; kind < 4; kind++) {
			crowd.own = kind & 2;
			crowd.shared = !(kind & 1);
			crowd_run(user_fd, self_fd);
		}
	}
}

/* Programs that use none of it */

static int old_dir;
static int old_mount;
static int old_userns;
static int old_mountinfo;
static __u64 old_mnt_id;
static const char *old_program = "/bin/busybox";

static int old_getppid(unsigned int i)
{
	(void)i;
	return syscall(__NR_getppid) < 0;
}

static int old_setresuid(unsigned int i)
{
	return sys_setresuid(KEEP, nth_user(i)->uid, KEEP) || sys_setresuid(KEEP, 0, KEEP);
}

static int old_setgroups(unsigned int i)
{
	return sys_setgroups(nth_user(i)->ngroups, nth_user(i)->groups);
}

static int old_open(unsigned int i)
{
	int fd = openat(old_dir, FILE_NAME, O_RDONLY | O_CLOEXEC);

	(void)i;
	return fd < 0 || close(fd);
}

static int old_stat(unsigned int i)
{
	struct stat st;

	(void)i;
	return fstatat(old_dir, FILE_NAME, &st, 0);
}

static int old_create(unsigned int i)
{
	int fd = openat(old_dir, names[i], O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	return fd < 0 || close(fd);
}

static int exit_status(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) != pid || status;
}

static int old_fork(unsigned int i)
{
	pid_t pid = fork();

	(void)i;
	if (!pid)
		_exit(0);
	return pid < 0 || exit_status(pid);
}

static int old_exec(unsigned int i)
{
	char *const argv[] = { (char *)old_program, "true", NULL };
	char *const envp[] = { NULL };
	pid_t pid = vfork();

	(void)i;
	if (!pid) {
		execve(old_program, argv, envp);
		_exit(127);
	}
	return pid < 0 || exit_status(pid);
}

/* Of the size that the first kernel with this system call knew */
static int set_attr(int mount, __u64 set, __u64 clear, int userns)
{
	struct mount_attr attr = {
		.attr_set = set,
		.attr_clr = clear,
		.userns_fd = userns,
	};

	return syscall(__NR_mount_setattr, mount, "", AT_EMPTY_PATH, &attr,
		       MOUNT_ATTR_SIZE_VER0);
}

static int old_mount_setattr(unsigned int i)
{
	(void)i;
	return set_attr(old_mount, MOUNT_ATTR_NOSUID, 0, 0) ||
	       set_attr(old_mount, 0, MOUNT_ATTR_NOSUID, 0);
}

static int old_mount_setattr_idmap(unsigned int i)
{
	int clone = syscall(__NR_open_tree, old_mount, "",
			    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	(void)i;
	return clone < 0 || set_attr(clone, MOUNT_ATTR_IDMAP, 0, old_userns) || close(clone);
}

static int old_statmount(unsigned int i)
{
	const struct mnt_id_req req = {
		.size = MNT_ID_REQ_SIZE_VER0,
		.mnt_id = old_mnt_id,
		.param = STATMOUNT_SB_BASIC | STATMOUNT_MNT_BASIC | STATMOUNT_MNT_ROOT |
			 STATMOUNT_MNT_POINT | STATMOUNT_FS_TYPE,
	};
	__u64 buf[512];

	(void)i;
	return syscall(__NR_statmount, &req, buf, sizeof(buf), 0);
}

static int old_mountinfo_read(unsigned int i)
{
	char buf[16384];

	(void)i;
	return pread(old_mountinfo, buf, sizeof(buf), 0) <= 0;
}

static void *end_at_once(void *arg)
{
	return arg;
}

static int old_clone_thread(unsigned int i)
{
	pthread_t thread;

	(void)i;
	errno = pthread_create(&thread, NULL, end_at_once, NULL);
	if (!errno)
		errno = pthread_join(thread, NULL);
	return errno;
}

static const struct {
	const char *name;
	/* Not 0 if it fails, with errno */
	int (*run)(unsigned int i);
	bool slow;
} olds[] = {
	{ "harness", do_none },
	{ "getppid", old_getppid },
	{ "setresuid", old_setresuid },
	{ "setgroups", old_setgroups },
	{ "open", old_open },
	{ "stat", old_stat },
	{ "create", old_create, true },
	{ "fork", old_fork, true },
	{ "exec", old_exec, true },
	{ "mount_setattr", old_mount_setattr },
	{ "mount_setattr_idmap", old_mount_setattr_idmap, true },
	{ "statmount", old_statmount },
	{ "mountinfo", old_mountinfo_read },
	{ "clone_thread", old_clone_thread, true },
};

static inline void old_trip(size_t op, unsigned int i)
{
	if (olds[op].run(i))
		err(1, "%s", olds[op].name);
}

static void old_worker(size_t op)
{
	struct identity before;

	get_identity(&before);
	for (unsigned int i = 0; i < loops; i++)
		old_trip(op, i);
	stamps[0] = now_ns();
	for (unsigned int i = 0; i < loops; i++) {
		old_trip(op, loops + i);
		stamps[i + 1] = now_ns();
	}
	if (olds[op].run == old_setgroups && sys_setgroups(self.ngroups, self.groups))
		err(1, "setgroups");
	if (!is_identity(&before))
		errx(1, "%s: is not itself any more", olds[op].name);
}

static struct cost old_measure(size_t op, int base)
{
	struct stat st;
	pid_t pid;
	int fd;

	old_dir = make_dir(base, 0700);
	fd = openat(old_dir, FILE_NAME, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 || close(fd))
		err(1, "%s", FILE_NAME);
	sync();
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		old_worker(op);
		_exit(0);
	}
	reap(pid, olds[op].name);
	if (olds[op].run == old_create)
		for (unsigned int i = 0; i < 2 * loops; i++)
			if (fstatat(old_dir, names[i], &st, AT_SYMLINK_NOFOLLOW) ||
			    unlinkat(old_dir, names[i], 0))
				err(1, "%s", names[i]);
	if (unlinkat(old_dir, FILE_NAME, 0))
		err(1, "%s", FILE_NAME);
	close(old_dir);
	if (unlinkat(base, DIR_NAME, AT_REMOVEDIR))
		err(1, "%s", DIR_NAME);
	return get_cost();
}

static void write_map(pid_t pid, const char *file)
{
	static const char map[] = "0 100000 65536\n";
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, map, sizeof(map) - 1) != (ssize_t)sizeof(map) - 1)
		err(1, "%s", path);
	close(fd);
}

/* Nobody is in it: a map is all that it is for. */
static int make_userns(void)
{
	int go[2], fd;
	char path[64];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, go))
		err(1, "socketpair");
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		char byte;

		close(go[1]);
		if (sys_unshare(CLONE_NEWUSER) || write(go[0], "", 1) != 1)
			err(1, "user namespace");
		_exit(read(go[0], &byte, 1) > 0);
	}
	close(go[0]);
	await_byte(go[1]);
	write_map(pid, "uid_map");
	write_map(pid, "gid_map");
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", path);
	close(go[1]);
	reap(pid, "user namespace");
	return fd;
}

/* In a mount namespace of its own, so that nothing remains */
static void make_mount(const char *dir)
{
	struct statx stx;

	if (sys_unshare(CLONE_NEWNS) ||
	    syscall(__NR_mount, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    syscall(__NR_mount, dir, dir, NULL, MS_BIND, NULL))
		err(1, "mount %s", dir);
	old_mount = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (old_mount < 0 ||
	    statx(old_mount, "", AT_EMPTY_PATH, STATX_MNT_ID_UNIQUE, &stx))
		err(1, "%s", dir);
	if (!(stx.stx_mask & STATX_MNT_ID_UNIQUE))
		errx(1, "statx does not tell the unique id of a mount");
	old_mnt_id = stx.stx_mnt_id;
	old_mountinfo = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (old_mountinfo < 0)
		err(1, "mountinfo");
}

static void old(const char *dir, unsigned int wanted)
{
	struct cost nothing_cost = {};
	int base;

	prepare(wanted);
	old_userns = make_userns();
	make_mount(dir);
	base = open_dir(dir);
	for (size_t op = 0; op < ARRAY_SIZE(olds); op++) {
		struct cost cost;

		loops = loops_of(wanted, olds[op].slow);
		/* Whatever comes first reads the filesystem's metadata. */
		if (olds[op].run == old_create)
			old_measure(op, base);
		cost = old_measure(op, base);
		if (op)
			print_cost("old", olds[op].name, cost, nothing_cost);
		else
			nothing_cost = cost;
	}
}

/* How many page tables there are, and with them what fork() costs, is not left to chance. */
static void fix_addresses(char **argv)
{
	int now = personality(0xffffffff);

	if (now & ADDR_NO_RANDOMIZE)
		return;
	if (now < 0 || personality(now | ADDR_NO_RANDOMIZE) < 0)
		err(1, "personality");
	execv("/proc/self/exe", argv);
	err(1, "/proc/self/exe");
}

static void loop(const char *name)
{
	const struct way *way = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		if (!strcmp(ways[i].name, name) && ways[i].run[OP_NONE])
			way = &ways[i];
	if (!way)
		errx(2, "'%s' is no way to do nothing", name);

	way->prepare();
	puts("ready");
	fflush(stdout);
	for (unsigned int i = 0;; i++)
		trip(way, OP_NONE, i);
}

static unsigned int to_number(const char *arg, unsigned int max)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (*end || !n || n > max)
		errx(2, "'%s' is not a number from 1 to %u", arg, max);
	return n;
}

static bool is_verb(char **argv, int argc, const char *verb, int args)
{
	return argc == args + 2 && !strcmp(argv[1], verb);
}

static void bad_usage(void)
{
	errx(2, "usage: switch_bench %s | %s | %s", "time|count LOOPS WRITE-DIR CREATE-DIR",
	     "threads MAX ROUNDS MILLISECONDS", "old LOOPS DIR [PROGRAM] | loop WAY");
}

int main(int argc, char **argv)
{
	fix_addresses(argv);
	if (is_verb(argv, argc, "time", 3) || is_verb(argv, argc, "count", 3)) {
		need_root();
		switches(argv[3], argv[4], to_number(argv[2], MAX_LOOPS),
			 !strcmp(argv[1], "count"));
	} else if (is_verb(argv, argc, "threads", 3)) {
		unsigned int max = to_number(argv[2], MAX_THREADS);

		need_root();
		crowd.rounds = to_number(argv[3], 1000);
		crowd.milliseconds = to_number(argv[4], 100000);
		crowd.slices = (crowd.milliseconds + SLICE_MS - 1) / SLICE_MS;
		threads(max);
	} else if (is_verb(argv, argc, "old", 2) || is_verb(argv, argc, "old", 3)) {
		need_root();
		if (argc == 5)
			old_program = argv[4];
		old(argv[3], to_number(argv[2], MAX_LOOPS));
	} else if (is_verb(argv, argc, "loop", 1)) {
		need_root();
		loop(argv[2]);
	} else {
		bad_usage();
	}
	return 0;
}
