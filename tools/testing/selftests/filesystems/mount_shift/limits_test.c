// SPDX-License-Identifier: GPL-2.0
/*
 * mount_shift selftests: how many mounts there may be
 */

#include "container.h"

#define MOUNT_MAX	"/proc/sys/fs/mount-max"
/* How many more the container may have */
#define ROOM		8

FIXTURE(limits)
{
	struct container c;
	int src;
	char mount_max[32];
};

FIXTURE_SETUP(limits)
{
	self->c = (struct container)CONTAINER_NONE;
	self->mount_max[0] = '\0';
	if (geteuid())
		SKIP(return, "root needed");
	ASSERT_EQ(0, scratch_setup());
	self->src = source_setup();
	ASSERT_LE(0, self->src);
	ASSERT_EQ(0, mark(self->src, BASE));
	ASSERT_EQ(0, container_make(&self->c, BASE));
	ASSERT_EQ(0, read_file(MOUNT_MAX, self->mount_max, sizeof(self->mount_max)));
}

FIXTURE_TEARDOWN(limits)
{
	if (self->mount_max[0])
		write_file(MOUNT_MAX, self->mount_max);
	container_end(&self->c);
}

/* In the mount namespace of whoever asks */
static int count_mounts(void)
{
	FILE *f = fopen("/proc/self/mountinfo", "r");
	char line[4096];
	int count = 0;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		count++;
	fclose(f);
	return count;
}

/*
 * A container has no more shifted mounts than it may have mounts, and the one
 * that is too many leaves nothing behind.
 */
TEST_F(limits, mount_max)
{
	/* Not all of a container's mounts can be seen in it. */
	const int limit = count_mounts() + ROOM;
	char text[16];

	ASSERT_LT(ROOM, limit);
	snprintf(text, sizeof(text), "%d", limit);
	ASSERT_EQ(0, write_file(MOUNT_MAX, text));

	IN_CONTAINER(&self->c, 0) {
		const int before = count_mounts();
		int made = 0;

		while (made <= ROOM && !mount_shifted(SRC, DST))
			made++;
		ASSERT_EQ(ENOSPC, errno);
		ASSERT_LT(0, made);
		ASSERT_GE(ROOM, made);
		ASSERT_EQ(before + made, count_mounts());
		ASSERT_REFUSED(ENOSPC, mount_shifted(SRC, DST));
		ASSERT_EQ(before + made, count_mounts());

		ASSERT_EQ(0, sys_umount2(DST, 0));
		ASSERT_EQ(0, mount_shifted(SRC, DST));
		ASSERT_EQ(before + made, count_mounts());
	}
	/* The host's mount is as before. */
	ASSERT_EQ(0, mark_replace(self->src, BASE));
}

TEST_HARNESS_MAIN
