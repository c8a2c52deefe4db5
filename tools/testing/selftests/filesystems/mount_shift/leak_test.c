// SPDX-License-Identifier: GPL-2.0
/*
 * mount_shift selftests: many operations leave nothing behind
 *
 * Each operation ends where it began, so what one of them forgets is found once
 * for each time that it was done. CREDFD_LOOPS in the environment says how often:
 * a tenth of it, because mounts take so much longer than what it is usually for.
 */

#include "container.h"

#include <limits.h>

/* What else goes on in a kernel meanwhile: far less than one for each operation */
#define SLACK_FILES		32
#define SLACK_KB		1024
#define SLACK_MOUNTS		256

#define DEFAULT_LOOPS		20000

/* Operations in a round, of the host and of a container */
#define ROUND			8

FIXTURE(leak)
{
	struct container c;
	int src;
	long loops;
};

FIXTURE_SETUP(leak)
{
	const char *loops = getenv("CREDFD_LOOPS");

	self->c = (struct container)CONTAINER_NONE;
	if (geteuid())
		SKIP(return, "root needed");
	self->loops = loops ? atol(loops) : 0;
	if (self->loops <= 0)
		self->loops = DEFAULT_LOOPS;
	ASSERT_EQ(0, scratch_setup());
	self->src = source_setup();
	ASSERT_LE(0, self->src);
	ASSERT_EQ(0, mark(self->src, BASE));
	ASSERT_EQ(0, container_make(&self->c, BASE));
}

FIXTURE_TEARDOWN(leak)
{
	container_end(&self->c);
}

struct counts {
	long files;		/* open, in the whole system */
	long slab_kb;		/* what the kernel allocated in small pieces */
	long percpu_kb;		/* of which each mount has some */
	long mounts;		/* -1 if this kernel does not tell */
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
	struct counts least = { LONG_MAX, LONG_MAX, LONG_MAX, LONG_MAX };

	for (int i = 0; i < 20; i++) {
		struct counts now;

		now.files = number_after("/proc/sys/fs/file-nr", "");
		now.slab_kb = number_after("/proc/meminfo", "SUnreclaim:");
		now.percpu_kb = number_after("/proc/meminfo", "Percpu:");
		now.mounts = number_after("/sys/kernel/slab/mnt_cache/objects", "");
		if (least.files > now.files)
			least.files = now.files;
		if (least.slab_kb > now.slab_kb)
			least.slab_kb = now.slab_kb;
		if (least.percpu_kb > now.percpu_kb)
			least.percpu_kb = now.percpu_kb;
		if (least.mounts > now.mounts)
			least.mounts = now.mounts;
		usleep(50000);
	}
	return least;
}

/* What has become more, or NULL */
static const char *grown(const struct counts *before, const struct counts *after)
{
	printf("# files %ld, %ld; slab %ld kB, %ld kB; percpu %ld kB, %ld kB; mounts %ld, %ld\n",
	       before->files, after->files, before->slab_kb, after->slab_kb,
	       before->percpu_kb, after->percpu_kb, before->mounts, after->mounts);
	if (before->files <= 0 || before->slab_kb <= 0 || before->percpu_kb <= 0)
		return "the kernel does not tell";
	if (after->files > before->files + SLACK_FILES)
		return "files";
	if (after->slab_kb > before->slab_kb + SLACK_KB)
		return "slab";
	if (after->percpu_kb > before->percpu_kb + SLACK_KB)
		return "percpu";
	return after->mounts > before->mounts + SLACK_MOUNTS ? "mounts" : NULL;
}

/* Of the host. Returns the number of the operation that went wrong, or 0. */
static int host_round(int src, int userns)
{
	int mnt, clone;

	/* A clone of a marked mount, with another mark in its place, and none */
	mnt = clone_mount_fd(src);
	if (mnt < 0 || mark_replace(mnt, BASE_B) || unmark(mnt))
		return 1;
	/* Refused: twice, and without a range */
	if (mark(mnt, BASE) || mark(mnt, BASE) != -1 || errno != EEXIST)
		return 2;
	clone = clone_mount_fd(mnt);
	if (clone < 0 || mark_revoke(clone))
		return 3;
	/* The direct form, which takes the mark away */
	if (shift_direct(mnt, userns, ORIGIN, ORIGIN, COUNT))
		return 4;
	/* Refused: what is idmapped is not marked. */
	if (mark(mnt, BASE) != -1 || errno != EINVAL)
		return 5;
	if (close(mnt) || close(clone))
		return 6;

	/* A file system that comes and goes with its mark */
	mnt = tmpfs_fd("0755");
	if (mnt < 0 || mark_any(mnt) != 0 || attach(mnt, DST) || close(mnt) ||
	    sys_umount2(DST, 0))
		return 7;
	return 0;
}

/* Of the container */
static int container_round(void)
{
	int mnt;

	if (mount_shifted(SRC, DST) || sys_umount2(DST, MNT_DETACH))
		return 1;
	/* Refused: not a clone, and not marked */
	mnt = open_mount(SRC);
	if (mnt < 0 || shift(mnt) != -1 || errno != EINVAL || close(mnt))
		return 2;
	mnt = clone_mount(OTHER);
	if (mnt < 0 || shift(mnt) != -1 || errno != EPERM || close(mnt))
		return 3;
	return 0;
}

/* What the host marks, replaces, unmarks, revokes and shifts leaves nothing behind. */
TEST_F_TIMEOUT(leak, host, 600)
{
	struct counts before, after;

	/* What is allocated once, and then kept at hand */
	for (long i = 0; i < self->loops / 100; i += ROUND)
		ASSERT_EQ(0, host_round(self->src, self->c.user.fd));
	before = counts();
	for (long i = 0; i < self->loops / 10; i += ROUND)
		ASSERT_EQ(0, host_round(self->src, self->c.user.fd));
	after = counts();
	ASSERT_EQ(NULL, grown(&before, &after));
}

/* Nor does what a container shifts, and what it is refused. */
TEST_F_TIMEOUT(leak, container, 600)
{
	struct counts before, after;

	IN_CONTAINER(&self->c, 0) {
		for (long i = 0; i < self->loops / 100; i += ROUND)
			ASSERT_EQ(0, container_round());
	}
	before = counts();
	IN_CONTAINER(&self->c, 0) {
		for (long i = 0; i < self->loops / 10; i += ROUND)
			ASSERT_EQ(0, container_round());
	}
	after = counts();
	ASSERT_EQ(NULL, grown(&before, &after));
}

/* Nor do containers that end with a shifted mount. */
TEST_F_TIMEOUT(leak, containers, 600)
{
	/* One is worth many other operations. */
	const long nr = self->loops / 4000 + 1;
	struct counts before = {}, after;

	for (long i = 0; i < 2 * nr; i++) {
		struct container c;

		if (i == nr)
			before = counts();
		ASSERT_EQ(0, container_make(&c, BASE));
		IN_CONTAINER(&c, 0)
			ASSERT_EQ(0, mount_shifted(SRC, DST));
		container_end(&c);
	}
	after = counts();
	ASSERT_EQ(NULL, grown(&before, &after));
}

TEST_HARNESS_MAIN
