// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: Landlock cannot be left by an activation
 */

#include "credfd.h"

#include <linux/landlock.h>

/* A sandbox where no regular file can be created: easy to see and to count. */
static int sandbox(unsigned int flags)
{
	const struct landlock_ruleset_attr attr = {
		.handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_REG,
	};
	int ruleset, ret;

	ruleset = syscall(__NR_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		return -1;
	ret = syscall(__NR_landlock_restrict_self, ruleset, flags);
	close(ruleset);
	return ret;
}

FIXTURE(landlock)
{
	int dir;
	int root;
	int user;
};

FIXTURE_SETUP(landlock)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	self->dir = tmpfs_dir();
	ASSERT_LE(0, self->dir);
	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &self->root,
				 &self->user));
	ASSERT_EQ(0, file_owner_check(self->dir, "file", 0, 0));
}

FIXTURE_TEARDOWN(landlock)
{
}

/* The attack: what was prepared before restrict_self() would lift it. */
TEST_F(landlock, snapshot_before_restrict)
{
	ASSERT_EQ(0, sandbox(0));
	ASSERT_EQ(-EACCES, file_owner_check(self->dir, "file", 0, 0));

	ASSERT_REFUSED(EPERM, self->root);
	ASSERT_REFUSED(EPERM, self->user);
	ASSERT_EQ(-EACCES, file_owner_check(self->dir, "file", 0, 0));
}

/* The same with a snapshot that was in force when the sandbox was entered. */
TEST_F(landlock, snapshot_in_force)
{
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
	ASSERT_EQ(0, sandbox(0));
	ASSERT_REFUSED(EPERM, self->root);
	ASSERT_EQ(-EACCES, file_owner_check(self->dir, "file", 0, 0));
}

/* What is prepared inside works inside, and remains inside. */
TEST_F(landlock, snapshot_after_restrict)
{
	int root, user;

	ASSERT_EQ(0, sandbox(0));
	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &root, &user));
	for (int round = 0; round < 3; round++) {
		ASSERT_EQ(0, sys_credfd_activate(user, 0));
		ASSERT_EQ(USER, geteuid());
		ASSERT_EQ(-EACCES, file_owner_check(self->dir, "file", 0, 0));
		ASSERT_EQ(0, sys_credfd_activate(root, 0));
		ASSERT_EQ(0, geteuid());
		ASSERT_EQ(-EACCES, file_owner_check(self->dir, "file", 0, 0));
	}
	ASSERT_REFUSED(EPERM, self->root);
}

static int become_sandboxed(const void *arg)
{
	return arg ? -1 : sandbox(0);
}

/* Into a sandbox there is a way, and none out of it. */
TEST_F(landlock, into_nested_domain)
{
	int outer, inner;

	/* First from no domain into one, ... */
	inner = credfd_from_child(become_sandboxed, NULL);
	ASSERT_LE(0, inner);
	ASSERT_EQ(0, sys_credfd_activate(inner, 0));
	ASSERT_EQ(-EACCES, file_owner_check(self->dir, "file", 0, 0));
	ASSERT_REFUSED(EPERM, self->root);

	/* ... then from that one into one below. */
	outer = inner;
	inner = credfd_from_child(become_sandboxed, NULL);
	ASSERT_LE(0, inner);
	ASSERT_EQ(0, sys_credfd_activate(inner, 0));
	ASSERT_REFUSED(EPERM, outer);
	ASSERT_REFUSED(EPERM, self->root);
	ASSERT_EQ(-EACCES, file_owner_check(self->dir, "file", 0, 0));
}

/* To enter a sandbox takes what restrict_self() takes. */
TEST_F(landlock, into_nested_domain_unprivileged)
{
	int inner = credfd_from_child(become_sandboxed, NULL);

	ASSERT_LE(0, inner);
	ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_SYS_ADMIN)));
	ASSERT_EQ(-1, sandbox(0));
	ASSERT_EQ(EPERM, errno);
	ASSERT_REFUSED(EPERM, inner);
	ASSERT_EQ(0, file_owner_check(self->dir, "file", 0, 0));

	ASSERT_EQ(0, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	ASSERT_EQ(0, sys_credfd_activate(inner, 0));
	ASSERT_EQ(-EACCES, file_owner_check(self->dir, "file", 0, 0));
}

/* Two domains side by side: neither is nested in the other. */
TEST_F(landlock, unrelated_domain)
{
	int sibling = credfd_from_child(become_sandboxed, NULL);

	ASSERT_LE(0, sibling);
	ASSERT_EQ(0, sandbox(0));
	ASSERT_REFUSED(EPERM, sibling);
}

/* A domain that is two levels below is nested as well. */
TEST_F(landlock, two_levels_down)
{
	int first, second, third;

	ASSERT_EQ(0, sandbox(0));
	first = sys_credfd_create(0);
	ASSERT_LE(0, first);
	second = credfd_from_child(become_sandboxed, NULL);
	ASSERT_LE(0, second);
	ASSERT_EQ(0, sys_credfd_activate(second, 0));
	third = credfd_from_child(become_sandboxed, NULL);
	ASSERT_LE(0, third);
	ASSERT_REFUSED(EPERM, first);
	ASSERT_EQ(0, sys_credfd_activate(third, 0));
	ASSERT_REFUSED(EPERM, second);
	ASSERT_REFUSED(EPERM, first);
}

/* A thread that waits to be told to try what it should not be able to do. */
struct sibling {
	int dir;
	int root;
	int user;
	bool switched;
	pthread_barrier_t *barrier;
};

static const char *expect_refused(int fd)
{
	if (!sys_credfd_activate(fd, 0))
		return "has left the sandbox";
	return errno == EPERM ? NULL : "refused with another errno";
}

static void *sibling_main(void *arg)
{
	const struct sibling *sibling = arg;
	uid_t uid = sibling->switched ? USER : 0;
	gid_t gid = sibling->switched ? GROUP : 0;
	const char *error = NULL;
	char name[32];

	snprintf(name, sizeof(name), "thread%d", sys_gettid());
	if (sibling->switched && sys_credfd_activate(sibling->user, 0))
		error = "cannot become the user";
	if (!error && file_owner_check(sibling->dir, name, uid, gid))
		error = "cannot create a file before";

	pthread_barrier_wait(sibling->barrier);
	/* Here the main thread puts all threads into the sandbox. */
	pthread_barrier_wait(sibling->barrier);

	if (!error && geteuid() != uid)
		error = "lost its identity";
	if (!error && file_owner_check(sibling->dir, name, uid, gid) != -EACCES)
		error = "is not in the sandbox";
	if (!error)
		error = expect_refused(sibling->user);
	if (!error)
		error = expect_refused(sibling->root);
	if (!error && file_owner_check(sibling->dir, name, uid, gid) != -EACCES)
		error = "is not in the sandbox any more";
	return (void *)error;
}

/* LANDLOCK_RESTRICT_SELF_TSYNC reaches the threads that have been switched. */
TEST_F(landlock, tsync)
{
	pthread_barrier_t barrier;
	struct sibling siblings[4];
	pthread_t threads[4];
	int root, user;

	ASSERT_EQ(0, pthread_barrier_init(&barrier, NULL,
					  ARRAY_SIZE(siblings) + 1));
	for (size_t i = 0; i < ARRAY_SIZE(siblings); i++) {
		siblings[i] = (struct sibling) {
			.dir = self->dir,
			.root = self->root,
			.user = self->user,
			.switched = i % 2,
			.barrier = &barrier,
		};
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, sibling_main,
					    &siblings[i]));
	}

	pthread_barrier_wait(&barrier);
	ASSERT_EQ(0, sandbox(LANDLOCK_RESTRICT_SELF_TSYNC));
	pthread_barrier_wait(&barrier);

	for (size_t i = 0; i < ARRAY_SIZE(siblings); i++)
		EXPECT_STREQ("fine", thread_outcome(threads[i]));
	ASSERT_REFUSED(EPERM, self->root);
	ASSERT_REFUSED(EPERM, self->user);

	/* The pool can be filled anew. */
	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &root, &user));
	ASSERT_EQ(0, sys_credfd_activate(user, 0));
	ASSERT_EQ(0, sys_credfd_activate(root, 0));
	ASSERT_EQ(-EACCES, file_owner_check(self->dir, "file", 0, 0));
}

TEST_HARNESS_MAIN
