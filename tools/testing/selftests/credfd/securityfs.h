/* SPDX-License-Identifier: GPL-2.0 */
/*
 * credfd selftests: security modules and their files
 */
#ifndef __CREDFD_SELFTEST_SECURITYFS_H
#define __CREDFD_SELFTEST_SECURITYFS_H

#include "credfd.h"

/* There is one securityfs, so it does not matter where it is mounted. */
static inline int securityfs_open(void)
{
	int fs = syscall(__NR_fsopen, "securityfs", FSOPEN_CLOEXEC);
	int dir = -1;

	if (fs < 0)
		return -1;
	if (!syscall(__NR_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		dir = syscall(__NR_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	close(fs);
	return dir;
}

/* Writes everything at once. 0 or -errno. */
static inline int securityfs_write(int securityfs, const char *file,
				   const void *data, size_t size)
{
	int fd = openat(securityfs, file, O_WRONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, data, size) == (ssize_t)size ? 0 : -errno;
	close(fd);
	return ret;
}

/* Is a security module active in this boot? */
static inline bool lsm_active(int securityfs, const char *name)
{
	char list[256], *module, *next = list;
	int fd = openat(securityfs, "lsm", O_RDONLY | O_CLOEXEC);
	ssize_t len = read(fd, list, sizeof(list) - 1);

	close(fd);
	if (len < 0)
		return false;
	list[len] = '\0';
	while ((module = strsep(&next, ",")))
		if (!strcmp(module, name))
			return true;
	return false;
}

#endif
