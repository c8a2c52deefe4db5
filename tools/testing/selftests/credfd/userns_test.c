// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: user namespaces
 */

#include "credfd.h"

#define STRANGE		5000	/* an id that the namespace does not know */

static int enter_userns(const char *uid_map, const char *gid_map,
			const char *setgroups)
{
	int ns = userns_open(uid_map, gid_map, setgroups);

	if (ns < 0 || sys_setns(ns, CLONE_NEWUSER))
		return -1;
	close(ns);
	return prctl(PR_SET_DUMPABLE, 0);
}

/*
 * Entering a namespace keeps the kernel's ids, also those that it does not map.
 * A snapshot with such an id would give it to root of the namespace.
 */
FIXTURE(unmapped)
{
};

FIXTURE_VARIANT(unmapped)
{
	uid_t uid[4];
	gid_t gid[4];
	gid_t group;
	int error;
};

FIXTURE_VARIANT_ADD(unmapped, none) {
};

FIXTURE_VARIANT_ADD(unmapped, ruid) {
	.uid = { STRANGE, 0, 0, 0 },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(unmapped, euid) {
	.uid = { 0, STRANGE, 0, 0 },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(unmapped, suid) {
	.uid = { 0, 0, STRANGE, 0 },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(unmapped, fsuid) {
	.uid = { 0, 0, 0, STRANGE },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(unmapped, rgid) {
	.gid = { STRANGE, 0, 0, 0 },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(unmapped, egid) {
	.gid = { 0, STRANGE, 0, 0 },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(unmapped, sgid) {
	.gid = { 0, 0, STRANGE, 0 },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(unmapped, fsgid) {
	.gid = { 0, 0, 0, STRANGE },
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(unmapped, group) {
	.group = STRANGE,
	.error = EINVAL,
};

FIXTURE_SETUP(unmapped)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
}

FIXTURE_TEARDOWN(unmapped)
{
}

/* One id without a mapping is enough to be refused at the creation. */
TEST_F(unmapped, create)
{
	const gid_t groups[] = { 0, variant->group };
	struct identity id;
	struct caps caps;
	int ns, fd;

	ns = userns_open("0 0 1", "0 0 1", NULL);
	ASSERT_LE(0, ns);

	ASSERT_EQ(0, sys_setgroups(2, groups));
	ASSERT_EQ(0, sys_setresgid(variant->gid[0], variant->gid[1],
				   variant->gid[2]));
	sys_setfsgid(variant->gid[3]);
	ASSERT_EQ(0, sys_setresuid(variant->uid[0], variant->uid[1],
				   variant->uid[2]));
	ASSERT_EQ(0, caps_get(&caps));
	ASSERT_EQ(0, caps_set_effective(caps.permitted));
	sys_setfsuid(variant->uid[3]);

	ASSERT_EQ(0, identity_read(&id));
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(variant->uid[i], id.uid[i]);
		ASSERT_EQ(variant->gid[i], id.gid[i]);
	}

	/* Outside of the namespace all of them are in order. */
	ASSERT_LE(0, sys_credfd_create(0));

	ASSERT_EQ(0, sys_setns(ns, CLONE_NEWUSER));
	for (unsigned int flags = 0; flags <= CREDFD_ACCESS_ONLY; flags++) {
		fd = sys_credfd_create(flags);
		if (!variant->error) {
			ASSERT_LE(0, fd);
			continue;
		}
		ASSERT_EQ(-1, fd);
		ASSERT_EQ(variant->error, errno);
	}
}

FIXTURE(userns)
{
	int dir;
};

FIXTURE_SETUP(userns)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	self->dir = tmpfs_dir();
	ASSERT_LE(0, self->dir);
}

FIXTURE_TEARDOWN(userns)
{
}

/*
 * The attack: host root enters a container, takes a snapshot there and leaves
 * it to the container's root, who would have the host's uid 0.
 */
TEST_F(userns, host_root_in_container)
{
	int fd;
	pid_t pid;

	ASSERT_EQ(0, enter_userns("0 100000 65536", "0 100000 65536", NULL));
	ASSERT_EQ(-1, sys_credfd_create(0));
	ASSERT_EQ(EINVAL, errno);

	/* Once it is the container's own root there is nothing to object to. */
	ASSERT_EQ(0, sys_setgroups(0, NULL));
	ASSERT_EQ(-1, sys_credfd_create(0));
	ASSERT_EQ(EINVAL, errno);
	ASSERT_EQ(0, sys_setresgid(0, 0, 0));
	ASSERT_EQ(-1, sys_credfd_create(0));
	ASSERT_EQ(EINVAL, errno);
	ASSERT_EQ(0, sys_setresuid(0, 0, 0));
	fd = sys_credfd_create(0);
	ASSERT_LE(0, fd);

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (sys_credfd_activate(fd, 0) || geteuid())
			_exit(1);
		_exit(file_owner_check(self->dir, "file", 0, 0) ? 2 : 0);
	}
	ASSERT_EQ(0, wait_exit(pid));
}

/* A namespace without maps knows no ids: neither map may be missing. */
TEST_F(userns, maps_not_written)
{
	ASSERT_EQ(0, become_user(0, 0));
	ASSERT_EQ(0, sys_unshare(CLONE_NEWUSER));
	ASSERT_EQ(-1, sys_credfd_create(0));
	ASSERT_EQ(EINVAL, errno);

	ASSERT_EQ(0, write_file("/proc/self/uid_map", "0 0 1"));
	ASSERT_EQ(-1, sys_credfd_create(0));
	ASSERT_EQ(EINVAL, errno);

	ASSERT_EQ(0, write_file("/proc/self/setgroups", "deny"));
	ASSERT_EQ(-1, sys_credfd_create(0));
	ASSERT_EQ(EINVAL, errno);

	ASSERT_EQ(0, write_file("/proc/self/gid_map", "0 0 1"));
	ASSERT_LE(0, sys_credfd_create(0));
}

/* Full capabilities in a namespace are none over its parent's snapshot. */
TEST_F(userns, activate_parents)
{
	int fd = sys_credfd_create(0);
	struct caps caps;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, enter_userns("0 0 65536", "0 0 65536", NULL));
	ASSERT_EQ(0, caps_get(&caps));
	ASSERT_EQ(CAPS_SETID, caps.effective & CAPS_SETID);
	ASSERT_REFUSED(EPERM, fd);

	/* Dumpability comes first. */
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 1));
	ASSERT_REFUSED(EINVAL, fd);
}

static int become_in_userns(const void *arg)
{
	const char *map = arg;

	return enter_userns(map, map, NULL);
}

/* Nor does the parent's root take on a child's: setns() is the way to it. */
TEST_F(userns, activate_childs)
{
	int fd = credfd_from_child(become_in_userns, "0 0 65536");

	ASSERT_LE(0, fd);
	ASSERT_REFUSED(EPERM, fd);
}

/* Two namespaces with the same maps are two. */
TEST_F(userns, activate_siblings)
{
	int fd = credfd_from_child(become_in_userns, "0 0 65536");

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, enter_userns("0 0 65536", "0 0 65536", NULL));
	ASSERT_REFUSED(EPERM, fd);
}

/* Inside of a namespace the server's round trip works with the ids there. */
TEST_F(userns, round_trip)
{
	int root, user;
	struct stat st;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		ASSERT_EQ(0, enter_userns("0 100000 65536", "0 200000 65536",
					  NULL));
		ASSERT_EQ(0, become_user(0, 0));
		ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &root,
					 &user));
		for (int round = 0; round < 3; round++) {
			ASSERT_EQ(0, file_owner_check(self->dir, "file", 0, 0));
			ASSERT_EQ(0, sys_credfd_activate(user, 0));
			ASSERT_EQ(0, file_owner_check(self->dir, "file", USER,
						      GROUP));
			ASSERT_EQ(0, sys_credfd_activate(root, 0));
		}
		ASSERT_EQ(0, sys_credfd_activate(user, 0));
		ASSERT_LE(0, openat(self->dir, "left", O_CREAT | O_EXCL, 0600));
		_exit(0);
	}
	ASSERT_EQ(0, wait_exit(pid));

	/* As seen from outside. */
	ASSERT_EQ(0, fstatat(self->dir, "left", &st, 0));
	ASSERT_EQ(100000 + USER, st.st_uid);
	ASSERT_EQ(200000 + GROUP, st.st_gid);
}

/* Where setgroups() is denied, so is a snapshot with other groups. */
FIXTURE(setgroups)
{
	int ns;
};

FIXTURE_VARIANT(setgroups)
{
	const char *setgroups;
	int error;
};

FIXTURE_VARIANT_ADD(setgroups, allow) {
	.setgroups = "allow",
};

FIXTURE_VARIANT_ADD(setgroups, deny) {
	.setgroups = "deny",
	.error = EPERM,
};

FIXTURE_SETUP(setgroups)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	self->ns = userns_open("0 0 65536", "0 0 65536", variant->setgroups);
	ASSERT_LE(0, self->ns);
}

FIXTURE_TEARDOWN(setgroups)
{
}

static int become_group_member(const void *arg)
{
	const gid_t groups[] = { EXTRA_GROUP };
	const int *ns = arg;

	if (sys_setgroups(1, groups))
		return -1;
	return sys_setns(*ns, CLONE_NEWUSER);
}

/* Membership may be there to deny access: it cannot be shed or gained. */
TEST_F(setgroups, other_groups)
{
	gid_t groups[MAX_GROUPS];
	int fd;

	fd = credfd_from_child(become_group_member, &self->ns);
	ASSERT_LE(0, fd);

	ASSERT_EQ(0, sys_setgroups(0, NULL));
	ASSERT_EQ(0, sys_setns(self->ns, CLONE_NEWUSER));
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	if (variant->error) {
		ASSERT_EQ(-1, sys_setgroups(0, NULL));
		ASSERT_EQ(variant->error, errno);
		ASSERT_REFUSED(variant->error, fd);
		return;
	}
	ASSERT_EQ(0, sys_credfd_activate(fd, 0));
	ASSERT_EQ(1, getgroups(MAX_GROUPS, groups));
	ASSERT_EQ(EXTRA_GROUP, groups[0]);
}

/* With the groups left alone, a server can work there. */
TEST_F(setgroups, same_groups)
{
	const gid_t groups[] = { EXTRA_GROUP };
	int root, user;

	ASSERT_EQ(0, sys_setgroups(1, groups));
	ASSERT_EQ(0, sys_setns(self->ns, CLONE_NEWUSER));
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));

	root = sys_credfd_create(0);
	ASSERT_LE(0, root);
	ASSERT_EQ(0, sys_setresgid(-1, GROUP, -1));
	ASSERT_EQ(0, sys_setresuid(-1, USER, -1));
	ASSERT_EQ(0, caps_set_effective(CAPS_SETID));
	user = sys_credfd_create(0);
	ASSERT_LE(0, user);

	for (int round = 0; round < 3; round++) {
		ASSERT_EQ(0, sys_credfd_activate(root, 0));
		ASSERT_EQ(0, geteuid());
		ASSERT_EQ(0, sys_credfd_activate(user, 0));
		ASSERT_EQ(USER, geteuid());
	}
}

TEST_HARNESS_MAIN
