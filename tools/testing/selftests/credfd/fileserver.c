// SPDX-License-Identifier: GPL-2.0
/*
 * fileserver - the core of a file server that acts for many users
 *
 * usage: fileserver count|time none|setid|credfd DIRECTORY THREADS REQUESTS
 *
 * Worker threads take requests from one queue. A request says: this user
 * creates a file of this name with this content. The worker becomes the user,
 * creates, writes and closes the file, and becomes itself again:
 *
 *   none    by nothing at all; all files are root's. To compare with.
 *   setid   by setgroups(), setresgid() and setresuid(), there and back
 *   credfd  by credfd_activate(), there and back
 *
 * Among the first requests, which warm everything up, one in four is for a
 * directory that only the members of a supplementary group may write to. Of
 * the REQUESTS that follow, the kernel's tracepoints "count" what they make it
 * do. With "time" nothing is traced, and the clock is read before and after; in
 * a virtual machine whose clock counts instructions, these are instructions.
 * Then it looks at every file and at every worker.
 *
 * The output is lines of a key and a value, or of an event, what it was keyed
 * by, and a count. The exit status is 0 only if all was as it has to be. Needs
 * root, and tracefs to count.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "counters.h"
#include "users.h"

#define MAX_THREADS		64
#define FIRST			2000
#define SWITCHES		20000

struct request {
	const struct user *user;
	int dir;
	int expected;
	int result;
	unsigned int cred_calls;
	char name[16];
};

struct worker {
	pthread_t thread;
	unsigned int served;
	bool is_self;
};

/* A way to become a user. What it cannot do, the server must not survive. */
struct way {
	const char *name;
	void (*prepare)(void);
	void (*become)(const struct user *user);
	void (*come_back)(void);
};

/* File descriptors of their home directories */
static int homes[ARRAY_SIZE(users)];
static const struct way *way;
static const char content[] = "What the user wanted to have written.\n";

static struct {
	pthread_mutex_t lock;
	pthread_cond_t work;
	pthread_cond_t idle;
	struct request *next;
	struct request *end;
	unsigned int pending;
	bool closed;
} queue = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.work = PTHREAD_COND_INITIALIZER,
	.idle = PTHREAD_COND_INITIALIZER,
};

/*
 * How many files are open has an influence of up to some thousand instructions
 * on what it costs to open one more and to close it. So there are as many in
 * every way.
 */
static void open_as_many(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(users) + 1; i++)
		if (open("/", O_PATH | O_CLOEXEC) < 0)
			err(1, "/");
}

static void none_become(const struct user *user)
{
	(void)user;
}

static void none_come_back(void)
{
}

static const struct way ways[] = {
	{ "none", open_as_many, none_become, none_come_back },
	{ "setid", open_as_many, setid_become, setid_come_back },
	{ "credfd", credfd_prepare, credfd_become, credfd_come_back },
};

/* The server */

static int create_file(const struct request *request)
{
	const size_t size = sizeof(content) - 1;
	int fd, ret = 0;

	fd = openat(request->dir, request->name, O_CREAT | O_EXCL | O_WRONLY, 0640);
	if (fd < 0)
		return errno;
	if (write(fd, content, size) != (ssize_t)size)
		ret = EIO;
	if (close(fd))
		ret = errno;
	return ret;
}

static struct request *take_request(void)
{
	struct request *request = NULL;

	pthread_mutex_lock(&queue.lock);
	while (queue.next == queue.end && !queue.closed)
		pthread_cond_wait(&queue.work, &queue.lock);
	if (queue.next != queue.end)
		request = queue.next++;
	pthread_mutex_unlock(&queue.lock);
	return request;
}

static void request_done(void)
{
	pthread_mutex_lock(&queue.lock);
	if (!--queue.pending)
		pthread_cond_signal(&queue.idle);
	pthread_mutex_unlock(&queue.lock);
}

static bool am_self(void)
{
	struct user now;
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	get_self(&now);
	if (getresuid(&ruid, &euid, &suid) || getresgid(&rgid, &egid, &sgid))
		err(1, "getresuid");
	return ruid == self.uid && euid == self.uid && suid == self.uid &&
	       rgid == self.gid && egid == self.gid && sgid == self.gid &&
	       now.ngroups == self.ngroups &&
	       !memcmp(now.groups, self.groups, self.ngroups * sizeof(gid_t));
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct request *request;

	while ((request = take_request())) {
		cred_calls = 0;
		way->become(request->user);
		request->result = create_file(request);
		way->come_back();
		request->cred_calls = cred_calls;
		worker->served++;
		request_done();
	}
	worker->is_self = am_self();
	return NULL;
}

static void serve(struct request *requests, unsigned int count)
{
	pthread_mutex_lock(&queue.lock);
	queue.next = requests;
	queue.end = requests + count;
	queue.pending = count;
	pthread_cond_broadcast(&queue.work);
	while (queue.pending)
		pthread_cond_wait(&queue.idle, &queue.lock);
	pthread_mutex_unlock(&queue.lock);
}

static void close_queue(void)
{
	pthread_mutex_lock(&queue.lock);
	queue.closed = true;
	pthread_cond_broadcast(&queue.work);
	pthread_mutex_unlock(&queue.lock);
}

/* What the kernel does, by event and by key */

static const struct counter counters[] = {
	COUNT_SYSCALLS,
	COUNT_RCU_CALLBACKS,
	COUNT_SLAB_OBJECTS,
};

static void print_counter(const char *event, const char *key, unsigned long long hits)
{
	printf("%s %s %llu\n", event, key, hits);
}

static void serve_counted(struct request *requests, unsigned int count)
{
	char filter[64];

	/* Without this thread, which serves nobody, and kthreadd, which makes threads */
	snprintf(filter, sizeof(filter), "common_pid != %d && common_pid != 2", getpid());
	/* Credentials of processes that ended before are freed a little later. */
	sleep(1);
	counters_start(counters, ARRAY_SIZE(counters), filter);
	serve(requests, count);
	counters_read(counters, ARRAY_SIZE(counters), print_counter);
	counters_stop(counters, ARRAY_SIZE(counters), filter);
}

/* What it takes */

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static void serve_timed(struct request *requests, unsigned int count)
{
	double start = now_ns();

	serve(requests, count);
	printf("ns_per_request %.1f\n", (now_ns() - start) / count);
}

static void switch_timed(void)
{
	double start = now_ns();

	for (unsigned int i = 0; i < SWITCHES; i++) {
		way->become(&users[i % ARRAY_SIZE(users)]);
		way->come_back();
	}
	printf("ns_per_switch %.1f\n", (now_ns() - start) / SWITCHES);
}

/* Before and after */

static int make_dir(const char *name, uid_t uid, gid_t gid, mode_t mode)
{
	int fd;

	if (mkdir(name, 0700))
		err(1, "%s", name);
	fd = open(name, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fchown(fd, uid, gid) || fchmod(fd, mode))
		err(1, "%s", name);
	return fd;
}

static void make_homes(void)
{
	char name[16];

	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		struct user *user = &users[i];

		snprintf(name, sizeof(name), "%u", user->uid);
		printf("user %u %u", user->uid, user->gid);
		for (int j = 0; j < user->ngroups; j++)
			printf("%c%u", j ? ',' : ' ', user->groups[j]);
		printf("\n");
		/* Whom the files will belong to */
		if (way->become == none_become) {
			user->uid = self.uid;
			user->gid = self.gid;
		}
		homes[i] = make_dir(name, user->uid, user->gid, 0700);
	}
}

static bool in_team(const struct user *user)
{
	for (int i = 0; i < user->ngroups; i++)
		if (user->groups[i] == TEAM)
			return true;
	return user->uid == self.uid;
}

static struct request *make_requests(unsigned int count, int team)
{
	struct request *requests = calloc(count, sizeof(*requests));

	if (!requests)
		err(1, "requests");
	for (unsigned int i = 0; i < count; i++) {
		struct request *request = &requests[i];

		request->user = &users[i % ARRAY_SIZE(users)];
		request->dir = homes[request->user - users];
		request->result = -1;
		snprintf(request->name, sizeof(request->name), "file-%u", i);
		if (i >= FIRST || i / ARRAY_SIZE(users) % 4)
			continue;
		request->dir = team;
		if (!in_team(request->user))
			request->expected = EACCES;
	}
	return requests;
}

/* Is there what has to be there, or nothing where that was forbidden? */
static bool is_right(const struct request *request)
{
	struct stat st;

	if (request->result != request->expected)
		return false;
	if (fstatat(request->dir, request->name, &st, AT_SYMLINK_NOFOLLOW))
		return request->expected && errno == ENOENT;
	return !request->expected && S_ISREG(st.st_mode) &&
	       st.st_uid == request->user->uid && st.st_gid == request->user->gid &&
	       st.st_size == sizeof(content) - 1;
}

static bool check_requests(const char *prefix, const struct request *requests,
			   unsigned int count)
{
	unsigned int should_be[2] = {}, are[2] = {}, wrong = 0;

	for (unsigned int i = 0; i < count; i++) {
		bool refused = requests[i].expected;
		bool right = is_right(&requests[i]);

		should_be[refused]++;
		are[refused] += right;
		if (!right && ++wrong <= 5)
			warnx("%s of user %u is wrong (%s)", requests[i].name,
			      requests[i].user->uid, strerror(requests[i].result));
	}
	printf("%sfiles %u\n%sfiles_right %u\n", prefix, should_be[0], prefix, are[0]);
	printf("%srefusals %u\n%srefusals_right %u\n", prefix, should_be[1], prefix, are[1]);
	return !wrong;
}

static bool check_workers(const struct worker *workers, unsigned int count)
{
	unsigned int busy = 0, are_self = 0;

	for (unsigned int i = 0; i < count; i++) {
		busy += workers[i].served > 0;
		are_self += workers[i].is_self;
	}
	printf("workers %u\nworkers_busy %u\nworkers_self %u\n", count, busy, are_self);
	return busy == count && are_self == count;
}

/* What the server believes to have called, for comparison with the kernel's count */
static void print_cred_calls(const struct request *requests, unsigned int count)
{
	unsigned long calls = 0;

	for (unsigned int i = 0; i < count; i++)
		calls += requests[i].cred_calls;
	printf("cred_calls %lu\n", calls);
	printf("cred_call_ids %d,%d,%d,%d\n", CREDFD_NR(setgroups), CREDFD_NR(setresgid),
	       CREDFD_NR(setresuid), __NR_credfd_activate);
}

static unsigned int to_number(const char *arg, unsigned int max)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (*end || !n || n > max)
		errx(2, "'%s' is not a number from 1 to %u", arg, max);
	return n;
}

static void bad_usage(void)
{
	errx(2, "usage: fileserver count|time none|setid|credfd DIRECTORY THREADS REQUESTS");
}

int main(int argc, char **argv)
{
	struct worker workers[MAX_THREADS] = {};
	struct request *requests;
	unsigned int threads, count;
	bool timed, right;

	if (argc != 6 || (strcmp(argv[1], "count") && strcmp(argv[1], "time")))
		bad_usage();
	timed = !strcmp(argv[1], "time");
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		if (!strcmp(argv[2], ways[i].name))
			way = &ways[i];
	if (!way)
		bad_usage();
	threads = to_number(argv[4], MAX_THREADS);
	count = to_number(argv[5], 1000000);

	if (geteuid())
		errx(1, "only root can act for other users");
	get_self(&self);
	umask(0);
	if (mkdir(argv[3], 0755) || chdir(argv[3]))
		err(1, "%s", argv[3]);

	printf("run %s %s\nrequests %u\n", argv[1], argv[2], count);
	make_homes();
	requests = make_requests(FIRST + count, make_dir("team", self.uid, TEAM, 0770));
	way->prepare();

	for (unsigned int i = 0; i < threads; i++)
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			errx(1, "pthread_create");
	serve(requests, FIRST);
	if (timed) {
		switch_timed();
		serve_timed(requests + FIRST, count);
	} else {
		serve_counted(requests + FIRST, count);
	}
	close_queue();
	for (unsigned int i = 0; i < threads; i++)
		pthread_join(workers[i].thread, NULL);

	print_cred_calls(requests + FIRST, count);
	right = check_workers(workers, threads);
	right &= check_requests("first_", requests, FIRST);
	right &= check_requests("", requests + FIRST, count);
	free(requests);
	return right ? 0 : 1;
}
