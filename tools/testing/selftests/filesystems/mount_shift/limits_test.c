// SPDX-License-Identifier: GPL-2.0
/*
 * mount_shift selftests: how many mounts and user namespaces there may be
 */

#include "container.h"

#define MOUNT_MAX	"/proc/sys/fs/mount-max"
#define MAX_USERNS	"/proc/sys/user/max_user_namespaces"
/* How many more the container may have */
#define ROOM		8
/* How many user namespaces one user may have, and somebody who has none yet */
#define NAMESPACES	2
#define HOARDER		64321

FIXTURE(limits)
{
	struct container c;
	int src;
	char mount_max[32];
	char max_userns[32];
};

FIXTURE_SETUP(limits)
{
	self->c = (struct container)CONTAINER_NONE;
	self->mount_max[0] = '\0';
	self->max_userns[0] = '\0';
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
	if (self->max_userns[0])
		write_file(MAX_USERNS, self->max_userns);
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

/*
 * A mark has the mappings of the user namespace that it was made from, not the
 * namespace: that goes when its processes do, and no longer counts.
 */
TEST_F(limits, user_namespaces)
{
	const char *map = "0 64321 1";
	char text[16];

	ASSERT_EQ(0, read_file(MAX_USERNS, self->max_userns, sizeof(self->max_userns)));
	snprintf(text, sizeof(text), "%d", NAMESPACES);
	ASSERT_EQ(0, write_file(MAX_USERNS, text));

	for (int i = 0; i < 3 * NAMESPACES; i++) {
		struct mount_attr attr = {
			.attr_set = MOUNT_ATTR_SHIFTABLE,
			.attr_clr = MOUNT_ATTR_SHIFTABLE,
			.shift_flags = MOUNT_SHIFT_ORIGIN_USERNS,
			.shiftable_by = BASE,
		};
		const int mnt = clone_mount_fd(self->src);
		struct userns ns;
		int made = -1;

		ASSERT_LE(0, mnt);
		/* It goes after a delay. */
		for (int tries = 0; tries < 100; tries++) {
			made = userns_make_as(&ns, HOARDER, HOARDER, map, map);
			if (!made)
				break;
			ASSERT_EQ(ENOSPC, errno);
			usleep(50000);
		}
		ASSERT_EQ(0, made);
		attr.origin_userns_fd = ns.fd;
		ASSERT_EQ(0, set_attr(mnt, &attr));
		ASSERT_TRUE(is_marked(mnt));
		userns_end(&ns);
	}
}

TEST_HARNESS_MAIN
