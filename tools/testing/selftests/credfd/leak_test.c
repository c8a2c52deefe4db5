// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: many operations leave nothing behind
 *
 * Each operation ends where it began, so what one of them forgets is found once
 * for each time that it was done.
 */

#include "credfd.h"

#include <limits.h>

/* What else goes on in a kernel meanwhile: far less than one for each operation */
#define SLACK_FILES		32
#define SLACK_KB		1024
#define SLACK_CREDS		256

/* Operations in a round */
#define ROUND			8

struct scene {
	int root;
	int user;
	int object;
	int socket[2];
};

FIXTURE(leak)
{
	struct scene scene;
	long loops;
};

FIXTURE_SETUP(leak)
{
	const char *reason = credfd_unavailable_or_not_root();
	struct scene *s = &self->scene;

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &s->root, &s->user));
	s->object = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, s->object);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s->socket));
	self->loops = credfd_loops();
}

FIXTURE_TEARDOWN(leak)
{
}

struct counts {
	long files;		/* open, in the whole system */
	long slab_kb;		/* what the kernel allocated in small pieces */
	long creds;		/* -1 if this kernel does not tell */
};

static long number_after(const char *path, const char *key)
{
	char text[8192];
	const char *found;

	if (read_file(path, text, sizeof(text)))
		return -1;
	found = strstr(text, key);
	return found ? atol(found + strlen(key)) : -1;
}

/* Callbacks of RCU and workers free when they like: the least within some time. */
static struct counts counts(void)
{
	struct counts least = { LONG_MAX, LONG_MAX, LONG_MAX };

	for (int i = 0; i < 20; i++) {
		struct counts now;

		now.files = number_after("/proc/sys/fs/file-nr", "");
		now.slab_kb = number_after("/proc/meminfo", "SUnreclaim:");
		now.creds = number_after("/sys/kernel/slab/cred_jar/objects", "");
		if (least.files > now.files)
			least.files = now.files;
		if (least.slab_kb > now.slab_kb)
			least.slab_kb = now.slab_kb;
		if (least.creds > now.creds)
			least.creds = now.creds;
		usleep(50000);
	}
	return least;
}

/* What has become more, or NULL */
static const char *grown(const struct counts *before, const struct counts *after)
{
	printf("# files %ld, %ld; slab %ld kB, %ld kB; credentials %ld, %ld\n",
	       before->files, after->files, before->slab_kb, after->slab_kb,
	       before->creds, after->creds);
	if (before->files <= 0 || before->slab_kb <= 0)
		return "the kernel does not tell";
	if (after->files > before->files + SLACK_FILES)
		return "files";
	if (after->slab_kb > before->slab_kb + SLACK_KB)
		return "slab";
	return after->creds > before->creds + SLACK_CREDS ? "credentials" : NULL;
}

/* Returns the number of the operation that went wrong, or 0. */
static int round_of_operations(struct scene *s)
{
	int fd;

	/* Made and closed */
	fd = sys_credfd_create(CREDFD_ACCESS_ONLY);
	if (fd < 0 || close(fd))
		return 1;

	/* Closed while it is in force */
	if (sys_credfd_activate(s->user, 0))
		return 2;
	fd = sys_credfd_create(0);
	if (fd < 0 || sys_credfd_activate(fd, 0) || close(fd) ||
	    sys_credfd_activate(s->root, 0))
		return 2;

	/* Replaced by credentials that were prepared otherwise */
	if (sys_credfd_activate(s->user, 0) ||
	    sys_setresuid(-1, USER, -1) || sys_credfd_activate(s->root, 0))
		return 3;

	/* Refused: no credfd, and one for questions only */
	if (sys_credfd_activate(s->object, 0) != -1 || errno != EINVAL)
		return 4;
	fd = sys_credfd_create(CREDFD_ACCESS_ONLY);
	if (fd < 0 || sys_credfd_activate(fd, 0) != -1 || errno != EINVAL ||
	    close(fd))
		return 5;

	/* A question that is answered with yes, and one with no */
	if (sys_credfd_access(s->user, s->object, R_OK, 0))
		return 6;
	if (sys_credfd_access(s->user, s->object, W_OK, 0) != -1 ||
	    errno != EACCES)
		return 7;

	/* Sent, and never received */
	fd = sys_credfd_create(0);
	if (fd < 0 || send_fd(s->socket[0], fd) || close(fd))
		return 8;
	close(s->socket[0]);
	close(s->socket[1]);
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s->socket) ? 8 : 0;
}

/* Neither files nor credentials nor other memory remain of CREDFD_LOOPS operations. */
TEST_F_TIMEOUT(leak, operations, 600)
{
	struct counts before, after;

	/* What is allocated once, and then kept at hand */
	for (long i = 0; i < self->loops / 10; i += ROUND)
		ASSERT_EQ(0, round_of_operations(&self->scene));

	before = counts();
	for (long i = 0; i < self->loops; i += ROUND)
		ASSERT_EQ(0, round_of_operations(&self->scene));
	after = counts();

	ASSERT_EQ(NULL, grown(&before, &after));
}

/* Nor do they of processes that end with a credfd open and in force. */
TEST_F_TIMEOUT(leak, exits, 600)
{
	/* A fork is worth many other operations. */
	const long nr = self->loops / 500 + 1;
	struct counts before = {}, after;

	for (long i = 0; i < 2 * nr; i++) {
		pid_t pid;

		if (i == nr)
			before = counts();
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			_exit(sys_credfd_activate(self->scene.user, 0) ||
			      sys_credfd_create(0) < 0);
		ASSERT_EQ(0, wait_exit(pid));
	}
	after = counts();
	ASSERT_EQ(NULL, grown(&before, &after));
}

TEST_HARNESS_MAIN
