// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: an activation does not change the security label
 *
 * Smack is the one security module that can be tried without a policy: any
 * label is good, and CAP_MAC_ADMIN is enough to take it on.
 */

#include "credfd.h"

#define SMACK_LABEL	"/proc/thread-self/attr/smack/current"

FIXTURE(smack)
{
	int one;
	int two;
};

static int become_label(const void *arg)
{
	const char *label = arg;

	return write_file(SMACK_LABEL, label);
}

FIXTURE_SETUP(smack)
{
	const char *reason = credfd_unavailable_or_not_root();
	char label[256];

	if (reason)
		SKIP(return, "%s", reason);
	if (read_file(SMACK_LABEL, label, sizeof(label)))
		SKIP(return, "Smack is not active");

	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	self->one = credfd_from_child(become_label, "One");
	ASSERT_LE(0, self->one);
	self->two = credfd_from_child(become_label, "Two");
	ASSERT_LE(0, self->two);
}

FIXTURE_TEARDOWN(smack)
{
}

/* Another label is refused, and the own one is not. */
TEST_F(smack, without_mac_admin)
{
	char label[256];

	ASSERT_EQ(0, become_label("Two"));
	ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_MAC_ADMIN)));

	ASSERT_REFUSED(EACCES, self->one);
	ASSERT_EQ(0, read_file(SMACK_LABEL, label, sizeof(label)));
	ASSERT_STREQ("Two", label);

	ASSERT_EQ(0, sys_credfd_activate(self->two, 0));
	ASSERT_EQ(0, read_file(SMACK_LABEL, label, sizeof(label)));
	ASSERT_STREQ("Two", label);
}

/* CAP_MAC_ADMIN could change the label anyway. */
TEST_F(smack, with_mac_admin)
{
	char label[256];

	ASSERT_EQ(0, become_label("Two"));
	ASSERT_EQ(0, sys_credfd_activate(self->one, 0));
	ASSERT_EQ(0, read_file(SMACK_LABEL, label, sizeof(label)));
	ASSERT_STREQ("One", label);
}

/* Rules that one user of a credfd loads for itself are not the others'. */
TEST_F(smack, rules_are_not_shared)
{
	char rules[64];
	int fd, fs;
	pid_t pid;

	fs = syscall(__NR_fsopen, "smackfs", FSOPEN_CLOEXEC);
	ASSERT_LE(0, fs);
	ASSERT_EQ(0, syscall(__NR_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL,
			     0));
	fs = syscall(__NR_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	ASSERT_LE(0, fs);

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		ASSERT_EQ(0, sys_credfd_activate(self->one, 0));
		fd = openat(fs, "load-self2", O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, fd);
		ASSERT_EQ(9, write(fd, "One Two r", 9));
		ASSERT_EQ(10, pread(fd, rules, sizeof(rules), 0));
		_exit(0);
	}
	ASSERT_EQ(0, wait_exit(pid));

	ASSERT_EQ(0, sys_credfd_activate(self->one, 0));
	fd = openat(fs, "load-self2", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, read(fd, rules, sizeof(rules)));
}

/* Rules that a task loaded to restrict itself do not get lost. */
TEST_F(smack, rules_are_kept)
{
	int fd, fs;

	fs = syscall(__NR_fsopen, "smackfs", FSOPEN_CLOEXEC);
	ASSERT_LE(0, fs);
	ASSERT_EQ(0, syscall(__NR_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL,
			     0));
	fs = syscall(__NR_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	ASSERT_LE(0, fs);

	ASSERT_EQ(0, become_label("One"));
	fd = openat(fs, "load-self2", O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(9, write(fd, "One Two -", 9));
	ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_MAC_ADMIN)));
	ASSERT_REFUSED(EACCES, self->one);
}

/* The round trip of a server, all under one label. */
TEST_F(smack, round_trip)
{
	int root, user;

	ASSERT_EQ(0, become_label("Two"));
	ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_MAC_ADMIN)));
	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &root, &user));
	for (int round = 0; round < 3; round++) {
		ASSERT_EQ(0, sys_credfd_activate(user, 0));
		ASSERT_EQ(USER, geteuid());
		ASSERT_REFUSED(EACCES, self->one);
		ASSERT_EQ(0, sys_credfd_activate(root, 0));
		ASSERT_EQ(0, geteuid());
	}
}

TEST_HARNESS_MAIN
