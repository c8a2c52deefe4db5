// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: threads that switch, and threads that do not
 *
 * Threads report by their return value: NULL, or what went wrong.
 */

#include "credfd.h"

#define NR_THREADS	16

FIXTURE(threads)
{
	int dir;
	int root;
	int user;
	struct identity root_id;
};

FIXTURE_SETUP(threads)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	self->dir = tmpfs_dir();
	ASSERT_LE(0, self->dir);
	ASSERT_EQ(0, identity_read(&self->root_id));
	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &self->root,
				 &self->user));
}

FIXTURE_TEARDOWN(threads)
{
}

struct worker {
	int dir;
	int root;
	int user;
	uid_t uid;
	gid_t gid;
	long loops;
	int nr;
	const struct identity *root_id;
	pthread_barrier_t *barrier;
};

static const char *check_file(const struct worker *worker, uid_t uid, gid_t gid)
{
	char name[32];

	snprintf(name, sizeof(name), "thread%d", worker->nr);
	switch (file_owner_check(worker->dir, name, uid, gid)) {
	case 0:
		return NULL;
	case 1:
		return "file has the wrong owner";
	case 2:
		return "file has the wrong group";
	default:
		return "no file";
	}
}

static void *switch_and_create(void *arg)
{
	const struct worker *worker = arg;
	const char *error = NULL;

	pthread_barrier_wait(worker->barrier);
	for (long i = 0; i < worker->loops && !error; i++) {
		if (sys_credfd_activate(worker->user, 0))
			return "cannot become the user";
		error = check_file(worker, worker->uid, worker->gid);
		if (sys_credfd_activate(worker->root, 0))
			return "cannot come back";
		if (!error)
			error = check_file(worker, 0, 0);
	}
	return (void *)error;
}

static void *stay_and_create(void *arg)
{
	const struct worker *worker = arg;
	const char *error = NULL;

	pthread_barrier_wait(worker->barrier);
	for (long i = 0; i < worker->loops && !error; i++) {
		error = check_file(worker, 0, 0);
		if (strcmp(identity_differs_now(worker->root_id), "nothing"))
			return "a thread was switched by another one";
	}
	return (void *)error;
}

/* Many threads on one credfd; those beside them are not switched. */
TEST_F_TIMEOUT(threads, one_credfd, 600)
{
	struct worker workers[NR_THREADS];
	pthread_t threads[NR_THREADS];
	pthread_barrier_t barrier;

	ASSERT_EQ(0, pthread_barrier_init(&barrier, NULL, NR_THREADS));
	for (int i = 0; i < NR_THREADS; i++) {
		/* One out of four stays. */
		bool stays = !(i % 4);

		workers[i] = (struct worker) {
			.dir = self->dir,
			.root = self->root,
			.user = self->user,
			.uid = USER,
			.gid = GROUP,
			.loops = credfd_loops() / (stays ? 2000 : 500) + 1,
			.nr = i,
			.root_id = &self->root_id,
			.barrier = &barrier,
		};
		ASSERT_EQ(0, pthread_create(&threads[i], NULL,
					    stays ? stay_and_create :
						    switch_and_create,
					    &workers[i]));
	}
	for (int i = 0; i < NR_THREADS; i++)
		ASSERT_STREQ("fine", thread_outcome(threads[i]));
	ASSERT_STREQ("nothing", identity_differs_now(&self->root_id));
}

/* Each thread as its own user, at the same time. */
TEST_F_TIMEOUT(threads, one_user_each, 600)
{
	struct worker workers[NR_THREADS];
	pthread_t threads[NR_THREADS];
	pthread_barrier_t barrier;

	ASSERT_EQ(0, pthread_barrier_init(&barrier, NULL, NR_THREADS));
	for (int i = 0; i < NR_THREADS; i++) {
		workers[i] = (struct worker) {
			.dir = self->dir,
			.uid = 5000 + i,
			.gid = 6000 + i,
			.loops = credfd_loops() / 500 + 1,
			.nr = i,
			.barrier = &barrier,
		};
		/* Half of them change the real uid too. */
		ASSERT_EQ(0, credfd_pair(i % 2 ? become_samba : become_ganesha,
					 workers[i].uid, workers[i].gid,
					 &workers[i].root, &workers[i].user));
	}
	for (int i = 0; i < NR_THREADS; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL,
					    switch_and_create, &workers[i]));
	for (int i = 0; i < NR_THREADS; i++)
		ASSERT_STREQ("fine", thread_outcome(threads[i]));
	ASSERT_STREQ("nothing", identity_differs_now(&self->root_id));
}

static void *exit_switched(void *arg)
{
	const struct worker *worker = arg;

	if (sys_credfd_activate(worker->user, 0))
		return "cannot become the user";
	return (void *)check_file(worker, worker->uid, worker->gid);
}

/* A thread that ends as the user takes nobody with it. */
TEST_F(threads, exit_switched)
{
	struct worker worker = {
		.dir = self->dir,
		.user = self->user,
		.uid = USER,
		.gid = GROUP,
	};
	pthread_t thread;

	for (int i = 0; i < 16; i++) {
		ASSERT_EQ(0, pthread_create(&thread, NULL, exit_switched,
					    &worker));
		ASSERT_STREQ("fine", thread_outcome(thread));
		ASSERT_STREQ("nothing", identity_differs_now(&self->root_id));
	}
	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
}

struct inheritor {
	int root;
	const struct identity *user_id;
	const struct identity *root_id;
};

static void *inherit(void *arg)
{
	const struct inheritor *inheritor = arg;

	if (strcmp(identity_differs_now(inheritor->user_id), "nothing"))
		return "not born as the user";
	if (sys_credfd_activate(inheritor->root, 0))
		return "cannot become root";
	if (strcmp(identity_differs_now(inheritor->root_id), "nothing"))
		return "is not root";
	return NULL;
}

/* A thread is born with its creator's identity, and changes it on its own. */
TEST_F(threads, created_while_switched)
{
	struct identity user_id;
	struct inheritor inheritor = {
		.root = self->root,
		.user_id = &user_id,
		.root_id = &self->root_id,
	};
	pthread_t thread;

	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	ASSERT_EQ(0, identity_read(&user_id));
	ASSERT_EQ(USER, user_id.uid[1]);

	ASSERT_EQ(0, pthread_create(&thread, NULL, inherit, &inheritor));
	ASSERT_STREQ("fine", thread_outcome(thread));
	ASSERT_STREQ("nothing", identity_differs_now(&user_id));
}

static void *copy_and_close(void *arg)
{
	const struct worker *worker = arg;
	const char *error = NULL;

	pthread_barrier_wait(worker->barrier);
	for (long i = 0; i < worker->loops && !error; i++) {
		int user = dup(worker->user);
		int root = sys_credfd_create(0);

		if (user < 0 || root < 0)
			return "no file descriptor";
		if (sys_credfd_activate(user, 0))
			return "cannot become the user";
		close(user);
		error = check_file(worker, worker->uid, worker->gid);
		if (sys_credfd_activate(root, 0))
			return "cannot come back";
		close(root);
	}
	return (void *)error;
}

/* Credfds come and go while other threads use what they hold. */
TEST_F_TIMEOUT(threads, create_and_close, 600)
{
	struct worker workers[NR_THREADS];
	pthread_t threads[NR_THREADS];
	pthread_barrier_t barrier;

	ASSERT_EQ(0, pthread_barrier_init(&barrier, NULL, NR_THREADS));
	for (int i = 0; i < NR_THREADS; i++) {
		workers[i] = (struct worker) {
			.dir = self->dir,
			.user = self->user,
			.uid = USER,
			.gid = GROUP,
			.loops = credfd_loops() / 1000 + 1,
			.nr = i,
			.barrier = &barrier,
		};
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, copy_and_close,
					    &workers[i]));
	}
	for (int i = 0; i < NR_THREADS; i++)
		ASSERT_STREQ("fine", thread_outcome(threads[i]));
	ASSERT_STREQ("nothing", identity_differs_now(&self->root_id));
}

TEST_HARNESS_MAIN
