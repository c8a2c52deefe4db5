// SPDX-License-Identifier: GPL-2.0
/*
 * mount_shift selftests: everything at the same time
 *
 * A container's root shifts clones while the host changes its mind about the
 * mark. Whatever the order, a mount that was shifted has the ids of one mark that
 * existed, and of none that had been revoked before.
 *
 * MOUNT_SHIFT_LOOPS in the environment says how long this is tried. Threads report
 * by their return value: NULL, or what went wrong.
 */

#include "container.h"

#include <pthread.h>
#include <stdatomic.h>

#define DEFAULT_LOOPS	200
#define TIMEOUT		600	/* seconds, for one test */

#define NR_SOURCES	2
#define NR_SHIFTERS	3
#define NR_THREADS	4

/*
 * Marks are numbered, and each of them has an origin by which its number can be
 * told. Users and groups have different ones, so that two marks cannot be mixed.
 */
#define MAX_MARKS	1000000U
#define MARK_IDS	8
#define mark_uid(nr)	(ORIGIN + (nr) * 2 * MARK_IDS)
#define mark_gid(nr)	(mark_uid(nr) + MARK_IDS)

static const char * const sources[NR_SOURCES] = { SRC, OTHER };

/* What all processes of a test share */
struct arena {
	pthread_barrier_t start;
	atomic_int running;	/* those who are waited for */
	atomic_uint last_mark;
	/* Counts what has been revoked, and is when this was for each mark. */
	atomic_uint clock;
	atomic_uint revoked[MAX_MARKS];
	atomic_uint shifted;
	atomic_uint refused;
	atomic_bool done;
};

struct job {
	struct arena *arena;
	int nr;
	int mnt;
	long loops;
	char dir[64];		/* to mount at */
	int error;		/* of what the thread tried */
	pthread_barrier_t *barrier;
};

static long loops(void)
{
	const char *env = getenv("MOUNT_SHIFT_LOOPS");
	long value = env ? atol(env) : 0;

	return value > 0 ? value : DEFAULT_LOOPS;
}

static struct arena *arena_make(int threads, int running)
{
	struct arena *arena = shared_alloc(sizeof(*arena));
	pthread_barrierattr_t attr;

	if (!arena)
		return NULL;
	atomic_store(&arena->running, running);
	if (pthread_barrierattr_init(&attr) ||
	    pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) ||
	    pthread_barrier_init(&arena->start, &attr, threads))
		return NULL;
	return arena;
}

/* Joins a thread and tells what it returned. */
static const char *thread_outcome(pthread_t thread)
{
	void *error;

	if (pthread_join(thread, &error))
		return "cannot be joined";
	return error ? error : "fine";
}

/* Marks and revocations */

static int mark_numbered(int mnt, unsigned int nr)
{
	const struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_SHIFTABLE,
		.attr_clr = MOUNT_ATTR_SHIFTABLE,
		.origin_uid = mark_uid(nr),
		.origin_gid = mark_gid(nr),
		.origin_count = MARK_IDS,
		.shiftable_by = BASE,
	};

	return set_attr(mnt, &attr);
}

static int revoke_numbered(struct arena *arena, int mnt, unsigned int nr)
{
	if (mark_revoke(mnt))
		return -1;
	atomic_store(&arena->revoked[nr], atomic_fetch_add(&arena->clock, 1) + 1);
	return 0;
}

/* The number of a mark by what is in a mount's map, or 0 */
static unsigned int map_number(const struct statmount *sm)
{
	unsigned int uid, gid, lower_uid, lower_gid, uids, gids, nr;

	if (sm->mnt_uidmap_num != 1 || sm->mnt_gidmap_num != 1 ||
	    sscanf(sm->str + sm->mnt_uidmap, "%u %u %u", &uid, &lower_uid,
		   &uids) != 3 ||
	    sscanf(sm->str + sm->mnt_gidmap, "%u %u %u", &gid, &lower_gid,
		   &gids) != 3)
		return 0;
	nr = (uid - ORIGIN) / (2 * MARK_IDS);
	if (uid != mark_uid(nr) || gid != mark_gid(nr) || uids != MARK_IDS ||
	    gids != MARK_IDS || lower_uid || lower_gid)
		return 0;
	return nr;
}

/*
 * Of a shifted mount that is attached, as its container sees it. @before is what
 * the clock told before the mount was shifted.
 */
static const char *check_shifted(struct arena *arena, int mnt,
				 unsigned int before, unsigned int *nr)
{
	struct statmount *sm = malloc(STATMOUNT_SIZE);
	const char *error = NULL;
	unsigned int when;

	if (!sm)
		return "no memory";
	if (statmount_by_fd(mnt, STATMOUNT_MNT_BASIC | STATMOUNT_MNT_SHIFT |
			    STATMOUNT_MNT_UIDMAP | STATMOUNT_MNT_GIDMAP, sm)) {
		free(sm);
		return "no statmount(2) of a shifted mount";
	}
	*nr = map_number(sm);
	when = *nr < MAX_MARKS ? atomic_load(&arena->revoked[*nr]) : 0;
	if (!*nr || *nr > atomic_load(&arena->last_mark))
		error = "shifted to the ids of no mark that existed";
	else if (when && when <= before)
		error = "shifted after the mark was revoked";
	else if (!(sm->mnt_attr & MOUNT_ATTR_SHIFT) ||
		 !(sm->mnt_attr & MOUNT_ATTR_IDMAP))
		error = "shifted, but does not say so";
	else if (sm->mnt_attr & MOUNT_ATTR_SHIFTABLE ||
		 sm->mask & STATMOUNT_MNT_SHIFT)
		error = "shifted, and still marked";
	else if (!(sm->mnt_attr & MOUNT_ATTR_NODEV))
		error = "shifted without nodev";
	else if (sm->mnt_propagation != MS_PRIVATE)
		error = "shifted and not private";
	free(sm);
	return error;
}

/* The host's threads. They work in the container's mount namespace. */

/* Marks one of the mounts, and takes it back in one of all ways there are. */
static void *do_marks(void *arg)
{
	const struct job *job = arg;
	struct arena *arena = job->arena;
	int mnt = open_mount(sources[job->nr]), clone;

	if (mnt < 0)
		return "no mount to mark";
	pthread_barrier_wait(&arena->start);
	for (unsigned int i = 0; atomic_load(&arena->running); i++) {
		unsigned int nr = atomic_fetch_add(&arena->last_mark, 1) + 1;

		if (nr >= MAX_MARKS)
			break;
		if (mark_numbered(mnt, nr))
			return "cannot mark";
		clone = clone_mount(sources[job->nr]);
		if (clone < 0)
			return "cannot clone";
		switch (i % 5) {
		case 0:
			break;
		case 1:
			if (unmark(mnt))
				return "cannot unmark";
			break;
		case 2:
			if (revoke_numbered(arena, mnt, nr))
				return "cannot revoke";
			break;
		case 3:
			/* The clone is not the mount, but has the mark. */
			if (revoke_numbered(arena, clone, nr))
				return "cannot revoke on a clone";
			break;
		case 4:
			if (unmark(mnt) || revoke_numbered(arena, clone, nr))
				return "cannot unmark and revoke";
			break;
		}
		close(clone);
	}
	close(mnt);
	return NULL;
}

/* Binds marked mounts, moves them, remounts them, and unmounts them again. */
static void *do_binds(void *arg)
{
	const struct job *job = arg;
	struct arena *arena = job->arena;
	char moved[80];

	snprintf(moved, sizeof(moved), "%s.moved", job->dir);
	pthread_barrier_wait(&arena->start);
	for (unsigned int i = 0; atomic_load(&arena->running); i++) {
		const char *source = sources[i % NR_SOURCES];

		if (sys_mount(source, job->dir, NULL,
			      MS_BIND | (i % 3 ? 0 : MS_REC), NULL))
			return "cannot bind";
		if (sys_mount(NULL, job->dir, NULL,
			      MS_REMOUNT | MS_BIND | MS_NOEXEC, NULL))
			return "cannot remount";
		if (sys_mount(job->dir, moved, NULL, MS_MOVE, NULL))
			return "cannot move";
		if (sys_umount2(moved, MNT_DETACH))
			return "cannot unmount";
	}
	return NULL;
}

/* A child in the tree of mounts, which comes and goes */
static void *do_children(void *arg)
{
	const struct job *job = arg;
	struct arena *arena = job->arena;

	pthread_barrier_wait(&arena->start);
	while (atomic_load(&arena->running)) {
		if (sys_mount(SRC "/below", SRC "/child", NULL, MS_BIND, NULL))
			return "cannot bind a child";
		/* With a copy of the tree that goes away it goes away as well. */
		if (sys_umount2(SRC "/child", MNT_DETACH) && errno != EINVAL)
			return "cannot unmount a child";
	}
	return NULL;
}

/* The container's threads */

static int do_clone_and_shift(int way, const char *source, unsigned int *before,
			      struct arena *arena)
{
	const struct mount_attr attr = { .attr_set = MOUNT_ATTR_SHIFT };
	int mnt;

	if (way == 0) {
		*before = atomic_load(&arena->clock);
		return sys_open_tree_attr(AT_FDCWD, source, CLONE_TREE, &attr,
					  sizeof(attr));
	}
	mnt = way == 1 ? clone_mount(source) : clone_tree(source);
	if (mnt < 0)
		return mnt;
	/* Time for the mark to be changed, replaced or revoked. */
	sched_yield();
	*before = atomic_load(&arena->clock);
	if (way == 1 ? shift(mnt) : shift_recursive(mnt))
		return close_fail(mnt);
	return mnt;
}

static const char *shift_one(const struct job *job, int way, const char *source)
{
	unsigned int before, nr, child_nr;
	struct arena *arena = job->arena;
	const char *error;
	int mnt, child;

	mnt = do_clone_and_shift(way, source, &before, arena);
	if (mnt < 0) {
		atomic_fetch_add(&arena->refused, 1);
		return errno == EPERM ? NULL : strerror(errno);
	}
	atomic_fetch_add(&arena->shifted, 1);
	if (attach(mnt, job->dir))
		return "cannot attach what was shifted";
	error = check_shifted(arena, mnt, before, &nr);
	/* All of a tree has the same ids, or this is the same mount. */
	if (!error && way == 2 && source == sources[0]) {
		child = sys_open_tree(mnt, "child", OPEN_TREE_CLOEXEC);
		error = check_shifted(arena, child, before, &child_nr);
		close(child);
		if (!error && nr != child_nr)
			error = "a tree shifted by two marks";
	}
	close(mnt);
	if (sys_umount2(job->dir, MNT_DETACH))
		return "cannot unmount what was shifted";
	return error;
}

static void *do_shifts(void *arg)
{
	const struct job *job = arg;
	const char *error = NULL;

	pthread_barrier_wait(&job->arena->start);
	for (long i = 0; i < job->loops && !error; i++)
		error = shift_one(job, (i + job->nr) % 3,
				  sources[i / 3 % NR_SOURCES]);
	atomic_fetch_sub(&job->arena->running, 1);
	return (void *)error;
}

static const char *check_mountinfo_line(const char *line)
{
	const char *mark = strstr(line, " shiftable:");
	unsigned int uid, gid, count, nr;

	if (!mark)
		return strstr(line, " shiftable_by:") ? "half a mark" : NULL;
	if (strstr(line, " shifted") || strstr(line, ",idmapped"))
		return "marked and shifted";
	if (sscanf(mark, " shiftable:%u:%u:%u shiftable_by:", &uid, &gid,
		   &count) != 3)
		return "malformed mark";
	nr = (uid - ORIGIN) / (2 * MARK_IDS);
	if (uid != mark_uid(nr) || gid != mark_gid(nr) || count != MARK_IDS)
		return "parts of two marks in mountinfo";
	mark = strstr(mark, "shiftable_by:");
	if (!mark || (strncmp(mark, "shiftable_by:0 ", 15) &&
		      strncmp(mark, "shiftable_by:revoked ", 21)))
		return "nobody may shift";
	return NULL;
}

static const char *check_statmount(int mnt, struct statmount *sm)
{
	unsigned int nr;

	if (statmount_by_fd(mnt, STATMOUNT_MNT_BASIC | STATMOUNT_MNT_SHIFT, sm))
		return "no statmount(2) of a marked mount";
	if (!(sm->mask & STATMOUNT_MNT_SHIFT) !=
	    !(sm->mnt_attr & MOUNT_ATTR_SHIFTABLE))
		return "marked according to one half of statmount(2)";
	if (!(sm->mask & STATMOUNT_MNT_SHIFT))
		return NULL;
	nr = (sm->mnt_origin_uid - ORIGIN) / (2 * MARK_IDS);
	if (sm->mnt_origin_uid != mark_uid(nr) ||
	    sm->mnt_origin_gid != mark_gid(nr) ||
	    sm->mnt_origin_count != MARK_IDS || sm->mnt_shiftable_by)
		return "parts of two marks in statmount(2)";
	return NULL;
}

/* Reads all there is to read about mounts. */
static void *do_reads(void *arg)
{
	const struct job *job = arg;
	struct arena *arena = job->arena;
	struct statmount *sm = malloc(STATMOUNT_SIZE);
	int mnt = open_mount(SRC);
	const char *error = NULL;
	char *text, *line, *rest;

	if (!sm || mnt < 0)
		error = "nothing to read";
	pthread_barrier_wait(&arena->start);
	while (!error && atomic_load(&arena->running)) {
		for (int i = 0; i < 10 && !error; i++)
			error = check_statmount(mnt, sm);
		if (error)
			break;
		text = mountinfo_all();
		if (!text)
			return "no mountinfo";
		for (line = strtok_r(text, "\n", &rest); line && !error;
		     line = strtok_r(NULL, "\n", &rest))
			error = check_mountinfo_line(line);
		free(text);
	}
	free(sm);
	close(mnt);
	return (void *)error;
}

FIXTURE(race)
{
	struct container c;
	int src;
};

FIXTURE_SETUP(race)
{
	const char *reason = shift_unavailable();

	if (reason)
		SKIP(return, "%s", reason);

	self->c = (struct container)CONTAINER_NONE;
	ASSERT_EQ(0, scratch_setup());
	self->src = source_setup();
	ASSERT_LE(0, self->src);
	ASSERT_EQ(0, mkdirat(self->src, "child", 0755));
	ASSERT_EQ(0, mkdirat(self->src, "below", 0755));
	ASSERT_EQ(0, mkdirat(self->src, "open", 0755));
	ASSERT_EQ(0, fchmodat(self->src, "open", 0777, 0));
	ASSERT_EQ(0, fchownat(self->src, "open", ORIGIN, ORIGIN, 0));
	ASSERT_EQ(0, tmpfs_mount(OTHER, "0755"));
}

FIXTURE_TEARDOWN(race)
{
	container_end(&self->c);
}

/* Starts threads and waits for them, in a process that does nothing else. */
static const char *run_threads(struct job *jobs, void *(**fns)(void *), int nr)
{
	pthread_t threads[16];
	const char *error = "fine";

	for (int i = 0; i < nr; i++)
		if (pthread_create(&threads[i], NULL, fns[i], &jobs[i]))
			return "cannot make a thread";
	for (int i = 0; i < nr; i++) {
		const char *outcome = thread_outcome(threads[i]);

		if (strcmp(outcome, "fine"))
			error = outcome;
	}
	return error;
}

static int job_init(struct job *job, struct arena *arena, int nr)
{
	*job = (struct job){
		.arena = arena,
		.nr = nr,
		.loops = loops(),
	};
	return scratch_dir(job->dir, sizeof(job->dir));
}

/* Marks are set, replaced, removed and revoked, and mounts come and go, while others shift. */
TEST_F_TIMEOUT(race, marks, TIMEOUT)
{
	void *(*host[])(void *) = { do_marks, do_marks, do_binds, do_children };
	void *(*container[])(void *) = {
		do_shifts, do_shifts, do_shifts, do_reads,
	};
	struct job host_jobs[ARRAY_SIZE(host)];
	struct job container_jobs[ARRAY_SIZE(container)];
	const int nr_threads = ARRAY_SIZE(host) + ARRAY_SIZE(container);
	struct arena *arena = arena_make(nr_threads, NR_SHIFTERS);
	char moved[80];
	pid_t pid;

	ASSERT_NE(NULL, arena);
	for (size_t i = 0; i < ARRAY_SIZE(host); i++) {
		ASSERT_EQ(0, job_init(&host_jobs[i], arena, i));
		snprintf(moved, sizeof(moved), "%s.moved", host_jobs[i].dir);
		ASSERT_EQ(0, mkdir(moved, 0755));
	}
	for (size_t i = 0; i < ARRAY_SIZE(container); i++)
		ASSERT_EQ(0, job_init(&container_jobs[i], arena, i));
	ASSERT_EQ(0, container_make(&self->c, BASE));

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		ASSERT_EQ(0, prctl(PR_SET_PDEATHSIG, SIGKILL));
		ASSERT_EQ(0, setns(self->c.mnt, CLONE_NEWNS));
		/* So that children propagate into clones until they are shifted. */
		ASSERT_EQ(0, sys_mount(NULL, SRC, NULL, MS_SHARED, NULL));
		ASSERT_STREQ("fine", run_threads(host_jobs, host,
						 ARRAY_SIZE(host)));
		_exit(0);
	}
	IN_CONTAINER(&self->c, 0) {
		ASSERT_STREQ("fine", run_threads(container_jobs, container,
						 ARRAY_SIZE(container)));
	}
	ASSERT_EQ(0, wait_exit(pid));

	TH_LOG("%u marks, %u of them revoked; %u mounts shifted, %u refused",
	       atomic_load(&arena->last_mark), atomic_load(&arena->clock),
	       atomic_load(&arena->shifted), atomic_load(&arena->refused));
	ASSERT_EQ(NR_SHIFTERS * loops(), (long)atomic_load(&arena->shifted) +
		  atomic_load(&arena->refused));
	ASSERT_LT(0U, atomic_load(&arena->shifted));
	ASSERT_LT(0U, atomic_load(&arena->refused));
}

static void *do_one_shift(void *arg)
{
	struct job *job = arg;

	pthread_barrier_wait(job->barrier);
	job->error = shift(job->mnt) ? errno : 0;
	return NULL;
}

static void *do_one_attach(void *arg)
{
	struct job *job = arg;

	pthread_barrier_wait(job->barrier);
	if (attach(job->mnt, job->dir) || sys_umount2(job->dir, MNT_DETACH))
		return "cannot attach and unmount";
	return NULL;
}

/* Of all who shift a clone at the same time one succeeds, unless it was attached before. */
TEST_F_TIMEOUT(race, one_winner, TIMEOUT)
{
	void *(*fns[NR_THREADS])(void *) = {
		do_one_shift, do_one_shift, do_one_shift, do_one_shift,
	};
	struct job jobs[NR_THREADS];
	pthread_barrier_t barrier;

	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
		ASSERT_EQ(0, job_init(&jobs[i], NULL, i));
		jobs[i].barrier = &barrier;
	}
	ASSERT_EQ(0, pthread_barrier_init(&barrier, NULL, NR_THREADS));
	ASSERT_EQ(0, mark(self->src, BASE));
	ASSERT_EQ(0, container_make(&self->c, BASE));

	IN_CONTAINER(&self->c, 0) {
		for (long i = 0; i < loops(); i++) {
			const bool attaches = i % 2;
			int mnt = clone_mount(SRC), winners = 0, late = 0;

			ASSERT_LE(0, mnt);
			for (size_t j = 0; j < ARRAY_SIZE(jobs); j++)
				jobs[j].mnt = mnt;
			fns[0] = attaches ? do_one_attach : do_one_shift;
			ASSERT_STREQ("fine", run_threads(jobs, fns, NR_THREADS));

			for (size_t j = attaches; j < ARRAY_SIZE(jobs); j++) {
				winners += !jobs[j].error;
				late += jobs[j].error == EINVAL;
				ASSERT_TRUE(!jobs[j].error ||
					    jobs[j].error == EPERM ||
					    (attaches && jobs[j].error == EINVAL))
					TH_LOG("%s", strerror(jobs[j].error));
			}
			/* Nobody wins only if everybody came too late. */
			ASSERT_EQ(late == NR_THREADS - attaches ? 0 : 1, winners);
			ASSERT_EQ(0, close(mnt));
		}
	}
}

/* Creates files as long as it takes, and knows which of them came after the shift. */
static void *do_create(void *arg)
{
	const struct job *job = arg;
	char name[48];
	bool after;
	int fd;

	pthread_barrier_wait(job->barrier);
	for (int i = 0;; i++) {
		after = atomic_load(&job->arena->done);
		snprintf(name, sizeof(name), "open/%s.%d.%d",
			 after ? "after" : "some", job->nr, i);
		fd = openat(job->mnt, name, O_CREAT | O_EXCL | O_WRONLY, 0600);
		if (fd < 0)
			return strerror(errno);
		if (write(fd, "x", 1) != 1)
			return "cannot write";
		close(fd);
		if (after)
			return NULL;
	}
}

static void *do_shift_when_idle(void *arg)
{
	const struct job *job = arg;
	int tries = 0;

	pthread_barrier_wait(job->barrier);
	while (shift(job->mnt)) {
		if (errno != EBUSY)
			return strerror(errno);
		if (++tries > 100000)
			return "always busy";
		sched_yield();
	}
	atomic_store(&job->arena->done, true);
	return NULL;
}

/* The raw owners of what was created. Removes it. */
static const char *check_created(const char *path, bool *some_before)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	const char *error = NULL;
	struct stat st;

	if (!dir)
		return "no directory";
	while (!error && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &st, 0) ||
		    unlinkat(dirfd(dir), entry->d_name, 0))
			error = "no file";
		else if (st.st_uid != st.st_gid)
			error = "a file from before and after the shift";
		else if (st.st_uid == ORIGIN)
			continue;
		else if (st.st_uid != BASE)
			error = "a file that belongs to nobody";
		else if (!strncmp(entry->d_name, "after", 5))
			error = "a file that was not shifted after the shift";
		*some_before = true;
	}
	closedir(dir);
	return error;
}

/* What is created through a mount that is being shifted has the ids of one of the two sides. */
TEST_F_TIMEOUT(race, writers, TIMEOUT)
{
	void *(*fns[])(void *) = { do_shift_when_idle, do_create, do_create };
	struct job jobs[ARRAY_SIZE(fns)];
	struct arena *arena = arena_make(1, 0);
	pthread_barrier_t barrier;
	bool some_before = false;

	ASSERT_NE(NULL, arena);
	ASSERT_EQ(0, pthread_barrier_init(&barrier, NULL, ARRAY_SIZE(fns)));
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
		ASSERT_EQ(0, job_init(&jobs[i], arena, i));
		jobs[i].barrier = &barrier;
	}
	ASSERT_EQ(0, mark(self->src, BASE));
	ASSERT_EQ(0, container_make(&self->c, BASE));

	for (long i = 0; i < loops() / 4 + 1; i++) {
		const char *error;

		atomic_store(&arena->done, false);
		IN_CONTAINER(&self->c, 0) {
			int mnt = clone_mount(SRC);

			ASSERT_LE(0, mnt);
			for (size_t j = 0; j < ARRAY_SIZE(jobs); j++)
				jobs[j].mnt = mnt;
			ASSERT_STREQ("fine", run_threads(jobs, fns,
							 ARRAY_SIZE(fns)));
		}
		error = check_created(SRC "/open", &some_before);
		ASSERT_EQ(NULL, error)
			TH_LOG("%s", error);
	}
	if (!some_before)
		TH_LOG("the shift was always first");
}

static void *do_clear(void *arg)
{
	const struct job *job = arg;
	bool done = false;

	pthread_barrier_wait(job->barrier);
	while (!done) {
		done = atomic_load(&job->arena->done);
		if (!clear_attrs(job->mnt, RESTRICTIONS))
			return "cleared";
		if (errno != EPERM)
			return strerror(errno);
	}
	return NULL;
}

static void *do_shift_later(void *arg)
{
	const struct job *job = arg;
	int error;

	pthread_barrier_wait(job->barrier);
	for (int i = 0; i < job->nr; i++)
		sched_yield();
	error = shift(job->mnt) ? errno : 0;
	atomic_store(&job->arena->done, true);
	return error ? strerror(error) : NULL;
}

/* Who clears attributes all the time does not hit a moment at which they can be cleared. */
TEST_F_TIMEOUT(race, restrictions, TIMEOUT)
{
	void *(*fns[])(void *) = { do_shift_later, do_clear, do_clear };
	struct mount_attr attr = MARK(BASE);
	struct job jobs[ARRAY_SIZE(fns)];
	struct arena *arena = arena_make(1, 0);
	pthread_barrier_t barrier;

	ASSERT_NE(NULL, arena);
	attr.attr_set |= RESTRICTIONS;
	ASSERT_EQ(0, set_attr(self->src, &attr));
	ASSERT_EQ(0, container_make(&self->c, BASE));
	ASSERT_EQ(0, pthread_barrier_init(&barrier, NULL, ARRAY_SIZE(fns)));
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
		ASSERT_EQ(0, job_init(&jobs[i], arena, i));
		jobs[i].barrier = &barrier;
	}

	for (long i = 0; i < loops(); i++) {
		/* Made by the host, so that nothing is locked. */
		int mnt = clone_mount(SRC);

		ASSERT_LE(0, mnt);
		IN_CONTAINER(&self->c, 0) {
			for (size_t j = 0; j < ARRAY_SIZE(jobs); j++)
				jobs[j].mnt = mnt;
			jobs[0].nr = i % 20;
			atomic_store(&arena->done, false);
			ASSERT_STREQ("fine", run_threads(jobs, fns,
							 ARRAY_SIZE(fns)));
		}
		ASSERT_EQ((__u64)RESTRICTIONS, restrictions(mnt));
		ASSERT_EQ(0, close(mnt));
	}
}

/* Marks the container's clone itself, until that is shifted or the last mark revoked. */
static void *do_marks_on_clone(void *arg)
{
	const struct job *job = arg;
	struct arena *arena = job->arena;
	int ret = 0;

	pthread_barrier_wait(&arena->start);
	for (int i = 0; i < 9 && !ret; i++) {
		unsigned int nr = atomic_fetch_add(&arena->last_mark, 1) + 1;

		if (nr >= MAX_MARKS)
			return "too many marks";
		ret = mark_numbered(job->mnt, nr);
		if (!ret)
			sched_yield();
		if (!ret && i % 3 == 1)
			ret = unmark(job->mnt);
		if (!ret && i % 3 == 2)
			ret = revoke_numbered(arena, job->mnt, nr);
	}
	atomic_store(&arena->done, true);
	/* What is shifted cannot be marked, nor reached once it is attached. */
	return ret && errno != EINVAL ? strerror(errno) : NULL;
}

static void *do_shifts_of_clone(void *arg)
{
	struct job *job = arg;
	struct arena *arena = job->arena;
	unsigned int before, nr;

	pthread_barrier_wait(&arena->start);
	for (int i = 0; i < 10000 && !atomic_load(&arena->done); i++) {
		before = atomic_load(&arena->clock);
		if (!shift(job->mnt)) {
			atomic_fetch_add(&arena->shifted, 1);
			if (attach(job->mnt, job->dir))
				return "cannot attach what was shifted";
			return (void *)check_shifted(arena, job->mnt, before,
						     &nr);
		}
		if (errno != EPERM)
			return strerror(errno);
		atomic_fetch_add(&arena->refused, 1);
	}
	return NULL;
}

/* The host changes the mark of the very mount that the container is shifting. */
TEST_F_TIMEOUT(race, marks_on_clone, TIMEOUT)
{
	void *(*host[])(void *) = { do_marks_on_clone };
	void *(*container[])(void *) = { do_shifts_of_clone };
	struct arena *arena = arena_make(2, 0);
	struct job job;

	ASSERT_NE(NULL, arena);
	ASSERT_EQ(0, job_init(&job, arena, 0));
	ASSERT_EQ(0, container_make(&self->c, BASE));

	for (long i = 0; i < loops(); i++) {
		pid_t pid;

		job.mnt = clone_mount(SRC);
		ASSERT_LE(0, job.mnt);
		atomic_store(&arena->done, false);
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			ASSERT_STREQ("fine", run_threads(&job, host, 1));
			_exit(0);
		}
		IN_CONTAINER(&self->c, 0) {
			ASSERT_STREQ("fine", run_threads(&job, container, 1));
			sys_umount2(job.dir, MNT_DETACH);
		}
		ASSERT_EQ(0, wait_exit(pid));
		ASSERT_EQ(0, close(job.mnt));
	}
	TH_LOG("%u marks, %u of them revoked; %u mounts shifted, %u refused",
	       atomic_load(&arena->last_mark), atomic_load(&arena->clock),
	       atomic_load(&arena->shifted), atomic_load(&arena->refused));
	ASSERT_LT(0U, atomic_load(&arena->shifted));
}

TEST_HARNESS_MAIN
