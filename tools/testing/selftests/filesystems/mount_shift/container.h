/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mount_shift selftests: parts of a test that run in a container
 */
#ifndef __MOUNT_SHIFT_CONTAINER_H
#define __MOUNT_SHIFT_CONTAINER_H

#include "shift.h"

#include <sys/vfs.h>

/* Seconds. Without hardware support and with KASAN a second is not much. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	180

#define ASSERT_REFUSED(error, call)					\
do {									\
	ASSERT_EQ(-1, (call));						\
	ASSERT_EQ(error, errno);					\
} while (0)

struct part {
	pid_t pid;
	bool begun;
};

/*
 * Forks. The child is a user of the container, in its mount namespace, and has
 * these capabilities if it is not the container's root.
 */
static inline struct part part_begin(const struct container *c, uid_t id,
				     __u64 caps)
{
	const struct container_entry entry = { c, { id, id } };
	struct part part = { .pid = fork() };

	if (part.pid || !c)
		return part;
	/* Who comes from outside keeps what setresuid(2) takes from a root. */
	if (enter_container(&entry) || (id && caps_keep(caps))) {
		perror("# cannot enter the container");
		_exit(1);
	}
	return part;
}

/* In the child true, once; in the parent false, when the child is done. */
static inline bool part_next(struct __test_metadata *_metadata,
			     struct part *part)
{
	ASSERT_LE(0, part->pid);
	if (part->pid) {
		ASSERT_EQ(0, wait_exit(part->pid));
		return false;
	}
	if (part->begun)
		_exit(0);
	part->begun = true;
	return true;
}

/*
 * The statement that follows is run by a user of the container, in a process of
 * its own. The test goes on when it has ended well. What it assigns is lost.
 */
#define IN_CONTAINER_WITH(c, id, caps)					\
	for (struct part __part = part_begin(c, id, caps);		\
	     part_next(_metadata, &__part);)

#define IN_CONTAINER(c, id)	IN_CONTAINER_WITH(c, id, 0)

/* Who makes a container is privileged in it, whatever he is called there. */
#define IN_CONTAINER_AS_MAKER(c, id)	IN_CONTAINER_WITH(c, id, ~0ULL)

/* The same for a process of the host */
#define IN_CHILD()	IN_CONTAINER(NULL, 0)

/* 0 or the errno of openat(2) */
static inline int open_errno(int dir, const char *name, int flags)
{
	int fd = openat(dir, name, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

/*
 * Those of RESTRICTIONS that are in force. Other than statmount(2) this works in
 * any mount namespace, for a mount in no one.
 */
static inline __u64 restrictions(int mnt)
{
	struct statfs fs;
	__u64 attrs = 0;

	if (fstatfs(mnt, &fs))
		return ~0ULL;
	if (fs.f_flags & MS_RDONLY)
		attrs |= MOUNT_ATTR_RDONLY;
	if (fs.f_flags & MS_NOSUID)
		attrs |= MOUNT_ATTR_NOSUID;
	if (fs.f_flags & MS_NODEV)
		attrs |= MOUNT_ATTR_NODEV;
	if (fs.f_flags & MS_NOEXEC)
		attrs |= MOUNT_ATTR_NOEXEC;
	return attrs;
}

/* So are these two while a mount is marked. */
#define MARK_ATTRS	(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

/* Any of them */
static inline bool has_attrs(int mnt, __u64 attrs)
{
	return mount_attrs(mnt) & attrs;
}

static inline int set_attrs(int mnt, __u64 attrs)
{
	const struct mount_attr attr = { .attr_set = attrs };

	return set_attr(mnt, &attr);
}

static inline int clear_attrs(int mnt, __u64 attrs)
{
	const struct mount_attr attr = { .attr_clr = attrs };

	return set_attr(mnt, &attr);
}

#endif
