/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mount_shift selftests: security modules, their files, and those of the tests
 */
#ifndef __MOUNT_SHIFT_SELFTEST_LSM_H
#define __MOUNT_SHIFT_SELFTEST_LSM_H

#include "shift.h"

/* There is one securityfs, so it does not matter where it is mounted. */
static inline int securityfs_open(const char *file, int flags)
{
	int dir = fs_fd("securityfs", NULL, NULL);
	int fd;

	if (dir < 0)
		return -1;
	fd = openat(dir, file, flags | O_CLOEXEC);
	close_fail(dir);
	return fd;
}

/* Is a security module active in this boot? */
static inline bool lsm_active(const char *name)
{
	char list[256], *module, *next = list;
	int fd = securityfs_open("lsm", O_RDONLY);
	ssize_t len;

	if (fd < 0)
		return false;
	len = read(fd, list, sizeof(list) - 1);
	close(fd);
	if (len < 0)
		return false;
	list[len] = '\0';
	while ((module = strsep(&next, ",")))
		if (!strcmp(module, name))
			return true;
	return false;
}

/* All of a file that lies beside this program */
struct data {
	void *start;
	size_t size;
};

static inline int data_map(struct data *data, const char *name)
{
	char path[PATH_MAX], *slash;
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	struct stat st;
	int fd;

	if (len < 0)
		return -1;
	path[len] = '\0';
	slash = strrchr(path, '/');
	snprintf(slash + 1, sizeof(path) - (slash + 1 - path), "%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st))
		return close_fail(fd);
	data->size = st.st_size;
	data->start = mmap(NULL, data->size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE, fd, 0);
	if (data->start == MAP_FAILED)
		return close_fail(fd);
	return close(fd);
}

/* All of it at once, since the file may take each write for a policy */
static inline int data_write(const struct data *data, int fd)
{
	ssize_t len = write(fd, data->start, data->size);

	if (len == (ssize_t)data->size)
		return 0;
	if (len >= 0)
		errno = EIO;
	return -1;
}

#endif
