// SPDX-License-Identifier: GPL-2.0
/*
 * mount_shift selftests: says who it has become, to be run from a test image
 *
 * Small, since an image has several copies of it.
 */
#include <linux/auxvec.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = {};

	if (syscall(__NR_capget, &header, data))
		return 1;
	printf("%lu %lu %lu %lu %08x%08x\n", getauxval(AT_UID),
	       getauxval(AT_EUID), getauxval(AT_GID), getauxval(AT_EGID),
	       data[1].permitted, data[0].permitted);
	return 0;
}
