// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: SafeSetID's policies hold for an activation
 *
 * Like set*id() an activation may lead only to ids that the policy allows for
 * the real id of the caller. Unlike set*id() it does not kill whom it refuses.
 */

#include "securityfs.h"

#define SAFESETID_UID	"safesetid/uid_allowlist_policy"
#define SAFESETID_GID	"safesetid/gid_allowlist_policy"

/* Who is restricted, where to, and where not to. */
#define RESTRICTED	4001
#define ALLOWED		4002
#define ALLOWED_TOO	4003
#define FORBIDDEN	4004

/* What is reached has to be restricted as well, or the policy is no good. */
#define POLICY		"4001:4002\n4001:4003\n4002:4002\n4003:4003\n"
#define POLICY_BACK	"4001:4002\n4001:4003\n4002:4001\n4002:4002\n4003:4003\n"

/* 0 or -errno. An empty policy restricts nobody. */
static int policy_set(int securityfs, const char *file, const char *policy)
{
	return securityfs_write(securityfs, file, policy, strlen(policy));
}

/* Somebody with all the capabilities that the kernel lets him have. */
struct someone {
	uid_t uid[4];		/* real, effective, saved, filesystem */
	gid_t gid[4];
	const gid_t *groups;	/* or NULL, to leave them alone */
	int ngroups;
};

#define ALL(id)		{ [0 ... 3] = (id) }

static const gid_t no_groups[1];

static const struct someone restricted = {
	.uid = ALL(RESTRICTED),
	.gid = ALL(RESTRICTED),
	.groups = no_groups,
};

static int become_someone(const void *arg)
{
	const struct someone *who = arg;

	/* Capabilities remain, whatever the ids are. */
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP))
		return -1;
	if (who->groups && sys_setgroups(who->ngroups, who->groups))
		return -1;
	if (sys_setresgid(who->gid[0], who->gid[1], who->gid[2]) ||
	    sys_setresuid(who->uid[0], who->uid[1], who->uid[2]))
		return -1;
	sys_setfsgid(who->gid[3]);
	sys_setfsuid(who->uid[3]);
	if (sys_setfsgid(-1) != who->gid[3] || sys_setfsuid(-1) != who->uid[3])
		return -1;
	return prctl(PR_SET_DUMPABLE, 0);
}

static int credfd_of(const struct someone *who)
{
	return credfd_from_child(become_someone, who);
}

/* Neither as whom to act nor as whom to ask. Who is killed does not get here. */
#define ASSERT_FORBIDDEN(fd)						\
do {									\
	const int __fd = (fd);						\
									\
	ASSERT_REFUSED(EACCES, __fd);					\
	ASSERT_EQ(-1, sys_credfd_access(__fd, self->dir, F_OK, 0));	\
	ASSERT_EQ(EACCES, errno);					\
} while (0)

#define ASSERT_ALLOWED(fd)						\
do {									\
	const int __fd = (fd);						\
									\
	ASSERT_EQ(0, sys_credfd_access(__fd, self->dir, F_OK, 0));	\
	ASSERT_EQ(0, sys_credfd_activate(__fd, 0));			\
} while (0)

FIXTURE(safesetid)
{
	bool active;
	int securityfs;
	int dir;
};

FIXTURE_SETUP(safesetid)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	self->securityfs = securityfs_open();
	ASSERT_LE(0, self->securityfs);
	if (!lsm_active(self->securityfs, "safesetid"))
		SKIP(return, "SafeSetID is not active");
	self->active = true;

	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	self->dir = tmpfs_dir();
	ASSERT_LE(0, self->dir);
}

/* The policies hold for the whole system: nothing of them may stay. */
FIXTURE_TEARDOWN_PARENT(safesetid)
{
	int securityfs;

	if (!self->active)
		return;
	securityfs = securityfs_open();
	EXPECT_EQ(0, policy_set(securityfs, SAFESETID_UID, ""));
	EXPECT_EQ(0, policy_set(securityfs, SAFESETID_GID, ""));
	close(securityfs);
}

#define ASSERT_POLICIES(uid_policy, gid_policy)				\
do {									\
	ASSERT_EQ(0, policy_set(self->securityfs, SAFESETID_UID, uid_policy)); \
	ASSERT_EQ(0, policy_set(self->securityfs, SAFESETID_GID, gid_policy)); \
} while (0)

/* Without a policy, and under one for somebody else, all is as ever. */
TEST_F(safesetid, unrestricted)
{
	static const gid_t groups[] = { FORBIDDEN, EXTRA_GROUP };
	const struct someone forbidden = {
		.uid = ALL(FORBIDDEN),
		.gid = ALL(FORBIDDEN),
		.groups = groups,
		.ngroups = ARRAY_SIZE(groups),
	};
	int root = sys_credfd_create(0);
	int user = credfd_of(&forbidden);

	ASSERT_LE(0, root);
	ASSERT_LE(0, user);
	for (int round = 0; round < 2; round++) {
		ASSERT_ALLOWED(user);
		ASSERT_EQ(FORBIDDEN, geteuid());
		ASSERT_ALLOWED(root);
		ASSERT_EQ(0, geteuid());
		ASSERT_POLICIES(POLICY, POLICY);
	}
}

/* A server whose real ids stay is restricted by them wherever it has been. */
TEST_F(safesetid, real_ids_stay)
{
	static const gid_t groups[] = { ALLOWED, ALLOWED_TOO };
	const struct someone users[] = {
		{
			.uid = { RESTRICTED, ALLOWED, RESTRICTED, ALLOWED },
			.gid = { RESTRICTED, ALLOWED, RESTRICTED, ALLOWED },
			.groups = groups,
			.ngroups = 1,
		}, {
			.uid = { RESTRICTED, ALLOWED_TOO, RESTRICTED, ALLOWED_TOO },
			.gid = { RESTRICTED, ALLOWED_TOO, RESTRICTED, ALLOWED_TOO },
			.groups = groups,
			.ngroups = 2,
		}, {
			.uid = { RESTRICTED, FORBIDDEN, RESTRICTED, FORBIDDEN },
			.gid = { RESTRICTED, FORBIDDEN, RESTRICTED, FORBIDDEN },
			.groups = groups,
			.ngroups = 1,
		},
	};
	int fds[ARRAY_SIZE(users)], server;

	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		fds[i] = credfd_of(&users[i]);
		ASSERT_LE(0, fds[i]);
	}
	ASSERT_EQ(0, become_someone(&restricted));
	server = sys_credfd_create(0);
	ASSERT_LE(0, server);
	ASSERT_POLICIES(POLICY, POLICY);

	for (int round = 0; round < 4; round++) {
		const int first = round % 2;

		ASSERT_ALLOWED(fds[first]);
		ASSERT_EQ(users[first].uid[1], geteuid());
		ASSERT_EQ(users[first].gid[1], getegid());
		ASSERT_FORBIDDEN(fds[2]);
		/* From one user to the next ... */
		ASSERT_ALLOWED(fds[!first]);
		ASSERT_FORBIDDEN(fds[2]);
		/* ... and back. */
		ASSERT_ALLOWED(server);
		ASSERT_EQ(RESTRICTED, geteuid());
		ASSERT_FORBIDDEN(fds[2]);
	}
}

/* A server whose real ids change needs a policy that lets the user come back. */
TEST_F(safesetid, real_ids_change)
{
	static const gid_t groups[] = { ALLOWED };
	const struct someone user = {
		.uid = ALL(ALLOWED),
		.gid = ALL(ALLOWED),
		.groups = groups,
		.ngroups = 1,
	};
	const struct someone user_too = {
		.uid = ALL(ALLOWED_TOO),
		.gid = ALL(ALLOWED_TOO),
		.groups = groups,
		.ngroups = 0,
	};
	int server, fd, too;

	fd = credfd_of(&user);
	ASSERT_LE(0, fd);
	too = credfd_of(&user_too);
	ASSERT_LE(0, too);
	ASSERT_EQ(0, become_someone(&restricted));
	server = sys_credfd_create(0);
	ASSERT_LE(0, server);
	ASSERT_POLICIES(POLICY_BACK, POLICY_BACK);

	for (int round = 0; round < 3; round++) {
		ASSERT_ALLOWED(fd);
		ASSERT_EQ(ALLOWED, getuid());
		/* What the server is allowed, the user is not. */
		ASSERT_FORBIDDEN(too);
		ASSERT_ALLOWED(server);
		ASSERT_EQ(RESTRICTED, getuid());
	}

	/* No way back for the user id, ... */
	ASSERT_POLICIES(POLICY, "");
	ASSERT_ALLOWED(fd);
	ASSERT_FORBIDDEN(server);
	ASSERT_EQ(ALLOWED, getuid());

	/* ... and none for the group id. */
	ASSERT_POLICIES("", POLICY);
	ASSERT_FORBIDDEN(server);
	ASSERT_EQ(ALLOWED, getgid());
}

/* Each of the ids alone is enough to be refused, and is allowed on its own. */
TEST_F(safesetid, each_id)
{
	int allowed[8], forbidden[8];

	for (int i = 0; i < 8; i++) {
		struct someone who = restricted;
		unsigned int *id = i < 4 ? &who.uid[i] : &who.gid[i - 4];

		*id = ALLOWED;
		allowed[i] = credfd_of(&who);
		ASSERT_LE(0, allowed[i]);
		*id = FORBIDDEN;
		forbidden[i] = credfd_of(&who);
		ASSERT_LE(0, forbidden[i]);
	}

	for (int i = 0; i < 8; i++) {
		pid_t pid;

		/* Without a policy there is nothing else in the way. */
		ASSERT_POLICIES("", "");
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			ASSERT_EQ(0, become_someone(&restricted));
			ASSERT_ALLOWED(forbidden[i]);
			_exit(0);
		}
		ASSERT_EQ(0, wait_exit(pid));

		/* The policy for the other kind of id has no say in it. */
		ASSERT_POLICIES(i < 4 ? "" : POLICY, i < 4 ? POLICY : "");
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			ASSERT_EQ(0, become_someone(&restricted));
			ASSERT_ALLOWED(forbidden[i]);
			_exit(0);
		}
		ASSERT_EQ(0, wait_exit(pid));

		ASSERT_POLICIES(i < 4 ? POLICY : "", i < 4 ? "" : POLICY);
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			ASSERT_EQ(0, become_someone(&restricted));
			ASSERT_FORBIDDEN(forbidden[i]);
			ASSERT_ALLOWED(allowed[i]);
			_exit(0);
		}
		ASSERT_EQ(0, wait_exit(pid))
			TH_LOG("id %d", i);
	}
}

/* What set*id() would do to the process that the others are spared. */
TEST_F(safesetid, set_id_kills)
{
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		ASSERT_EQ(0, become_someone(&restricted));
		ASSERT_POLICIES(POLICY, POLICY);
		sys_setresuid(-1, FORBIDDEN, -1);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status));
	ASSERT_EQ(SIGKILL, WTERMSIG(status));
}

/* The caller's ids count that setresuid() could permute, and not the fsuid. */
TEST_F(safesetid, own_ids)
{
	struct someone server = restricted;
	struct someone user = restricted;
	int effective, saved, filesystem;

	user.uid[0] = FORBIDDEN;
	user.gid[0] = FORBIDDEN;
	effective = credfd_of(&user);
	ASSERT_LE(0, effective);
	user.uid[0] = FORBIDDEN + 1;
	user.gid[0] = FORBIDDEN + 1;
	saved = credfd_of(&user);
	ASSERT_LE(0, saved);
	user.uid[0] = FORBIDDEN + 2;
	user.gid[0] = RESTRICTED;
	filesystem = credfd_of(&user);
	ASSERT_LE(0, filesystem);

	server.uid[1] = FORBIDDEN;
	server.uid[2] = FORBIDDEN + 1;
	server.uid[3] = FORBIDDEN + 2;
	server.gid[1] = FORBIDDEN;
	server.gid[2] = FORBIDDEN + 1;
	ASSERT_EQ(0, become_someone(&server));
	ASSERT_POLICIES(POLICY, POLICY);

	ASSERT_FORBIDDEN(filesystem);
	ASSERT_EQ(0, sys_credfd_access(saved, self->dir, F_OK, 0));
	ASSERT_ALLOWED(effective);
	/* The saved id is another one now, and so is the real id. */
	ASSERT_EQ(FORBIDDEN, getuid());
	ASSERT_ALLOWED(saved);
}

/* Each supplementary group is looked at as if setgroups() had set it. */
TEST_F(safesetid, groups)
{
	static const gid_t some[] = { ALLOWED, RESTRICTED, ALLOWED_TOO };
	static const gid_t more[] = { ALLOWED, ALLOWED_TOO, FORBIDDEN };
	struct someone who = restricted;
	int allowed, forbidden;

	who.groups = some;
	who.ngroups = ARRAY_SIZE(some);
	allowed = credfd_of(&who);
	ASSERT_LE(0, allowed);
	who.groups = more;
	who.ngroups = ARRAY_SIZE(more);
	forbidden = credfd_of(&who);
	ASSERT_LE(0, forbidden);
	ASSERT_EQ(0, become_someone(&restricted));

	/* No policy for groups. */
	ASSERT_POLICIES(POLICY, "");
	ASSERT_ALLOWED(forbidden);
	ASSERT_ALLOWED(allowed);

	ASSERT_POLICIES("", POLICY);
	ASSERT_FORBIDDEN(forbidden);
	ASSERT_ALLOWED(allowed);
	ASSERT_FORBIDDEN(forbidden);
}

static int become_effectively(const void *arg)
{
	const gid_t *gid = arg;

	return sys_setresgid(-1, *gid, -1);
}

/* Groups that the caller has had before the policy are not set anew. */
TEST_F(safesetid, groups_of_caller)
{
	static const gid_t groups[] = { FORBIDDEN };
	struct someone who = restricted;
	const gid_t allowed = ALLOWED;
	int same_list, equal_list;

	who.groups = groups;
	who.ngroups = ARRAY_SIZE(groups);
	equal_list = credfd_of(&who);
	ASSERT_LE(0, equal_list);
	ASSERT_EQ(0, become_someone(&who));
	same_list = credfd_from_child(become_effectively, &allowed);
	ASSERT_LE(0, same_list);

	ASSERT_POLICIES("", POLICY);
	ASSERT_ALLOWED(same_list);
	ASSERT_EQ(ALLOWED, getegid());
	ASSERT_FORBIDDEN(equal_list);
}

/* The attack: somebody who may be anybody prepares it and hands it over. */
TEST_F(safesetid, handed_over)
{
	const struct someone root = { .uid = ALL(0), .gid = ALL(0) };
	struct someone forbidden = restricted;
	int socks[2], fd;
	pid_t pid;

	forbidden.uid[1] = FORBIDDEN;
	forbidden.uid[3] = FORBIDDEN;
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
	ASSERT_POLICIES(POLICY, POLICY);

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		ASSERT_EQ(0, become_someone(&restricted));
		for (int i = 0; i < 2; i++) {
			fd = recv_fd(socks[1]);
			ASSERT_LE(0, fd);
			ASSERT_FORBIDDEN(fd);
			ASSERT_EQ(RESTRICTED, geteuid());
		}
		_exit(0);
	}

	fd = credfd_of(&root);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, send_fd(socks[0], fd));
	fd = credfd_of(&forbidden);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, send_fd(socks[0], fd));
	ASSERT_EQ(0, wait_exit(pid));
}

/* Maps @id and its successor into a new user namespace. 0 or -errno. */
static int map_ids(const char *file, unsigned int id)
{
	char path[64], map[64], byte;
	int ready[2], ret = -EINVAL;
	pid_t pid;

	if (pipe(ready))
		return -errno;
	pid = fork();
	if (!pid) {
		if (!sys_unshare(CLONE_NEWUSER) && write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	if (pid > 0 && read(ready[0], &byte, 1) == 1) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
		snprintf(map, sizeof(map), "0 %u 2\n", id);
		ret = write_file(path, map) ? -errno : 0;
	}
	close(ready[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return ret;
}

/* CAP_SETUID and CAP_SETGID are of use for this, and for nothing else. */
TEST_F(safesetid, capabilities)
{
	struct someone user = restricted;
	int server, fd;

	user.uid[1] = ALLOWED;
	user.gid[1] = ALLOWED;
	fd = credfd_of(&user);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, become_someone(&restricted));
	server = sys_credfd_create(0);
	ASSERT_LE(0, server);
	ASSERT_EQ(0, map_ids("uid_map", ALLOWED));
	ASSERT_EQ(0, map_ids("gid_map", ALLOWED));

	ASSERT_POLICIES(POLICY, POLICY);
	for (int round = 0; round < 2; round++) {
		ASSERT_EQ(-EPERM, map_ids("uid_map", ALLOWED));
		ASSERT_EQ(-EPERM, map_ids("gid_map", ALLOWED));
		ASSERT_ALLOWED(fd);
		ASSERT_EQ(-EPERM, map_ids("uid_map", ALLOWED));
		ASSERT_EQ(-EPERM, map_ids("gid_map", ALLOWED));
		ASSERT_ALLOWED(server);
	}

	/* And they have to be there. */
	ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_SETUID)));
	ASSERT_REFUSED(EPERM, fd);
	ASSERT_EQ(-1, sys_credfd_access(fd, self->dir, F_OK, 0));
	ASSERT_EQ(EPERM, errno);
}

TEST_HARNESS_MAIN
