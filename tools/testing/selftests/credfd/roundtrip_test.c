// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: what a file server does, there and back
 */

#include "credfd.h"

FIXTURE(roundtrip)
{
	int dir;
	int root;
	int user;
	int other;
	struct identity root_id;
	struct identity user_id;
	struct identity other_id;
};

FIXTURE_VARIANT(roundtrip)
{
	int (*become)(uid_t uid, gid_t gid);
	uid_t ruid;
};

FIXTURE_VARIANT_ADD(roundtrip, ganesha) {
	.become = become_ganesha,
	.ruid = 0,
};

FIXTURE_VARIANT_ADD(roundtrip, samba) {
	.become = become_samba,
	.ruid = USER,
};

FIXTURE_SETUP(roundtrip)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);

	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	self->dir = tmpfs_dir();
	ASSERT_LE(0, self->dir);

	ASSERT_EQ(0, identity_read(&self->root_id));
	self->root = sys_credfd_create(0);
	ASSERT_LE(0, self->root);

	ASSERT_EQ(0, variant->become(USER, GROUP));
	ASSERT_EQ(0, identity_read(&self->user_id));
	self->user = sys_credfd_create(0);
	ASSERT_LE(0, self->user);
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));

	ASSERT_EQ(0, variant->become(OTHER_USER, OTHER_GROUP));
	ASSERT_EQ(0, identity_read(&self->other_id));
	self->other = sys_credfd_create(0);
	ASSERT_LE(0, self->other);
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
}

FIXTURE_TEARDOWN(roundtrip)
{
}

/* A snapshot is the whole identity, there and back. */
TEST_F(roundtrip, identity)
{
	/* What is compared is what was meant. */
	ASSERT_EQ(variant->ruid, self->user_id.uid[0]);
	ASSERT_EQ(USER, self->user_id.uid[1]);
	ASSERT_EQ(0, self->user_id.uid[2]);
	ASSERT_EQ(USER, self->user_id.uid[3]);
	ASSERT_EQ(GROUP, self->user_id.gid[1]);
	ASSERT_EQ(GROUP, self->user_id.gid[3]);
	ASSERT_EQ(2, self->user_id.ngroups);
	ASSERT_EQ(CAPS_SETID, self->user_id.caps.effective);

	ASSERT_STREQ("nothing", identity_differs_now(&self->root_id));
	for (int round = 0; round < 3; round++) {
		ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
		ASSERT_STREQ("nothing", identity_differs_now(&self->user_id));
		ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
		ASSERT_STREQ("nothing", identity_differs_now(&self->root_id));
	}
}

/* Files belong to whom the server acts for. */
TEST_F(roundtrip, file_owner)
{
	for (int round = 0; round < 16; round++) {
		ASSERT_EQ(0, file_owner_check(self->dir, "file", 0, 0));
		ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
		ASSERT_EQ(0, file_owner_check(self->dir, "file", USER, GROUP));
		ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
	}
	ASSERT_EQ(0, file_owner_check(self->dir, "file", 0, 0));
}

/* From user to user, with no stop at root. */
TEST_F(roundtrip, user_to_user)
{
	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	for (int round = 0; round < 16; round++) {
		ASSERT_EQ(0, sys_credfd_activate(self->other, 0));
		ASSERT_STREQ("nothing", identity_differs_now(&self->other_id));
		ASSERT_EQ(0, file_owner_check(self->dir, "file", OTHER_USER,
					      OTHER_GROUP));
		ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
		ASSERT_STREQ("nothing", identity_differs_now(&self->user_id));
		ASSERT_EQ(0, file_owner_check(self->dir, "file", USER, GROUP));
	}
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
	ASSERT_STREQ("nothing", identity_differs_now(&self->root_id));
}

/* Access is decided for the user: owner, group and supplementary group. */
TEST_F(roundtrip, access)
{
	const struct {
		const char *name;
		uid_t uid;
		gid_t gid;
		mode_t mode;
		int user_errno;
		int other_errno;
	} files[] = {
		{ "owner",  USER, 0,	       0600, 0,	     EACCES },
		{ "group",  0,	  GROUP,       0060, 0,	     EACCES },
		{ "extra",  0,	  EXTRA_GROUP, 0060, 0,	     0 },
		{ "denied", USER, GROUP,       0006, EACCES, 0 },
		{ "root",   0,	  0,	       0600, EACCES, EACCES },
	};
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		fd = openat(self->dir, files[i].name,
			    O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, fchown(fd, files[i].uid, files[i].gid));
		ASSERT_EQ(0, fchmod(fd, files[i].mode));
		ASSERT_EQ(0, close(fd));
	}

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
		errno = 0;
		fd = openat(self->dir, files[i].name, O_RDWR | O_CLOEXEC);
		ASSERT_EQ(files[i].user_errno, errno)
			TH_LOG("user, file \"%s\"", files[i].name);
		ASSERT_EQ(files[i].user_errno ? -1 : 0, fd < 0 ? -1 : 0);

		ASSERT_EQ(0, sys_credfd_activate(self->other, 0));
		errno = 0;
		fd = openat(self->dir, files[i].name, O_RDWR | O_CLOEXEC);
		ASSERT_EQ(files[i].other_errno, errno)
			TH_LOG("other user, file \"%s\"", files[i].name);
		ASSERT_EQ(files[i].other_errno ? -1 : 0, fd < 0 ? -1 : 0);

		ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
		ASSERT_LE(0, openat(self->dir, files[i].name,
				    O_RDWR | O_CLOEXEC));
	}
}

/* The user can signal the server only where the real or saved uid is its own. */
TEST_F(roundtrip, signal_by_user)
{
	pid_t server = getpid(), pid;

	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (sys_credfd_activate(self->root, 0) ||
		    become_user(USER, GROUP))
			_exit(100);
		_exit(kill(server, 0) ? errno : 0);
	}
	ASSERT_EQ(variant->ruid == USER ? 0 : EPERM, wait_exit(pid));
}

/* A snapshot that cannot come back says so, and capset() opens the way. */
TEST_F(roundtrip, way_back_after_capset)
{
	int user;

	ASSERT_EQ(0, variant->become(USER, GROUP));
	ASSERT_EQ(0, caps_set_effective(0));
	user = sys_credfd_create(0);
	ASSERT_LE(0, user);

	/* The thread is that user already, but not by this snapshot. */
	ASSERT_REFUSED(EPERM, user);
	ASSERT_EQ(0, caps_set_effective(CAPS_SETID));
	ASSERT_EQ(0, sys_credfd_activate(user, 0));

	ASSERT_REFUSED(EPERM, self->root);
	ASSERT_EQ(0, caps_set_effective(CAPS_SETID));
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
	ASSERT_STREQ("nothing", identity_differs_now(&self->root_id));

	/* What capset() changed was the thread's own copy. */
	ASSERT_EQ(0, sys_credfd_activate(user, 0));
	ASSERT_REFUSED(EPERM, self->root);
}

/* What a thread does to its credentials does not reach the snapshot. */
TEST_F(roundtrip, snapshot_is_private)
{
	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	ASSERT_EQ(0, sys_setresuid(-1, OTHER_USER, -1));
	ASSERT_EQ(0, sys_setresgid(-1, OTHER_GROUP, -1));
	ASSERT_EQ(0, sys_setgroups(0, NULL));
	ASSERT_EQ(0, prctl(PR_SET_KEEPCAPS, 1));

	/* Not at once 0: the very same snapshot is no longer in force. */
	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	ASSERT_STREQ("nothing", identity_differs_now(&self->user_id));

	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
	ASSERT_STREQ("nothing", identity_differs_now(&self->root_id));
}

/* setfsuid() identities, as knfsd and its user-space kin use them. */
TEST_F(roundtrip, filesystem_ids)
{
	int fsuser;

	sys_setfsgid(GROUP);
	sys_setfsuid(USER);
	fsuser = sys_credfd_create(0);
	ASSERT_LE(0, fsuser);
	sys_setfsuid(0);
	sys_setfsgid(0);

	ASSERT_EQ(0, sys_credfd_activate(fsuser, 0));
	ASSERT_EQ(0, geteuid());
	ASSERT_EQ(0, file_owner_check(self->dir, "file", USER, GROUP));
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
	ASSERT_EQ(0, file_owner_check(self->dir, "file", 0, 0));
}

/* A server's pool: one credfd for each of many users. */
TEST_F(roundtrip, many_users)
{
	int users[100];

	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		ASSERT_EQ(0, variant->become(5000 + i, 6000 + i));
		users[i] = sys_credfd_create(0);
		ASSERT_LE(0, users[i]);
		ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
	}

	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
			ASSERT_EQ(0, sys_credfd_activate(users[i], 0));
			ASSERT_EQ(0, file_owner_check(self->dir, "file",
						      5000 + i, 6000 + i));
		}
	}
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
	ASSERT_STREQ("nothing", identity_differs_now(&self->root_id));
}

/* Very many switches end where they should. */
TEST_F_TIMEOUT(roundtrip, many_switches, 1200)
{
	long loops = credfd_loops();

	for (long i = 0; i < loops; i++) {
		ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
		ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
	}
	ASSERT_STREQ("nothing", identity_differs_now(&self->root_id));
	ASSERT_EQ(0, file_owner_check(self->dir, "file", 0, 0));

	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	ASSERT_STREQ("nothing", identity_differs_now(&self->user_id));
	ASSERT_EQ(0, file_owner_check(self->dir, "file", USER, GROUP));
}

TEST_HARNESS_MAIN
