// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: nobody gains by an activation
 *
 * Each rule is met from both sides: what would be a gain is refused and changes
 * nothing, and what is none is done.
 */

#include "credfd.h"

/* What a container's root is usually left with. */
#define CAPS_CONTAINER	(CAPS_SETID | CAP_BIT(CAP_CHOWN) |		\
			 CAP_BIT(CAP_DAC_OVERRIDE) |			\
			 CAP_BIT(CAP_FOWNER) | CAP_BIT(CAP_FSETID) |	\
			 CAP_BIT(CAP_KILL) | CAP_BIT(CAP_SETPCAP) |	\
			 CAP_BIT(CAP_NET_BIND_SERVICE) |		\
			 CAP_BIT(CAP_SYS_CHROOT) | CAP_BIT(CAP_MKNOD))

static int bounding_restrict(__u64 mask)
{
	for (int cap = 0; cap < 64; cap++) {
		if (mask & CAP_BIT(cap))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap))
			return errno == EINVAL ? 0 : -1;
	}
	return 0;
}

/* What a child becomes before it makes a credfd, see credfd_from_child(). */
struct snapshot {
	__u64 permitted;	/* 0: leave all capabilities alone */
	__u64 inheritable;
	__u64 ambient;
	__u64 bounding_drop;
	int securebits;
};

static int become_snapshot(const void *arg)
{
	const struct snapshot *snap = arg;
	struct caps caps;

	if (caps_get(&caps) ||
	    caps_set(caps.effective, caps.permitted, snap->inheritable))
		return -1;

	for (int cap = 0; cap < 64; cap++) {
		if (snap->ambient & CAP_BIT(cap) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0))
			return -1;
		if (snap->bounding_drop & CAP_BIT(cap) &&
		    prctl(PR_CAPBSET_DROP, cap))
			return -1;
	}

	if (prctl(PR_SET_SECUREBITS, snap->securebits))
		return -1;
	if (snap->permitted)
		return caps_set(snap->permitted, snap->permitted,
				snap->inheritable);
	return 0;
}

static int credfd_with(const struct snapshot *snap)
{
	return credfd_from_child(become_snapshot, snap);
}

FIXTURE(gain)
{
	struct identity before;
	int root;
};

FIXTURE_SETUP(gain)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	ASSERT_EQ(0, identity_read(&self->before));
	self->root = sys_credfd_create(0);
	ASSERT_LE(0, self->root);
}

FIXTURE_TEARDOWN(gain)
{
}

/*
 * The Docker case: root of a container, with few capabilities, is given the
 * credfd of a full root over a socket.
 */
TEST_F(gain, restricted_root_over_scm_rights)
{
	int sock[2], fd;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(send_fd(sock[1], self->root) ? 1 : 0);
	ASSERT_EQ(0, wait_exit(pid));
	ASSERT_EQ(0, close(self->root));

	ASSERT_EQ(0, bounding_restrict(CAPS_CONTAINER));
	ASSERT_EQ(0, caps_restrict(CAPS_CONTAINER));
	fd = recv_fd(sock[0]);
	ASSERT_LE(0, fd);
	ASSERT_REFUSED(EPERM, fd);

	/* Another root of the same kind is no gain. */
	fd = sys_credfd_create(0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sys_credfd_activate(fd, 0));
}

/* Each capability that is permitted there and not here is refused. */
TEST_F(gain, permitted)
{
	int fds[64], last = -1;

	for (int cap = 0; cap < 64; cap++) {
		struct snapshot snap = {
			.permitted = CAPS_SETID | CAP_BIT(cap),
		};

		if (!(self->before.caps.permitted & CAP_BIT(cap)))
			break;
		fds[cap] = credfd_with(&snap);
		ASSERT_LE(0, fds[cap]);
		last = cap;
	}
	ASSERT_LE(CAP_SETUID, last);

	ASSERT_EQ(0, caps_restrict(CAPS_SETID));
	for (int cap = 0; cap <= last; cap++) {
		if (!(CAPS_SETID & CAP_BIT(cap))) {
			ASSERT_REFUSED(EPERM, fds[cap]);
			continue;
		}
		ASSERT_EQ(0, sys_credfd_activate(fds[cap], 0));
	}
}

/* To fewer permitted capabilities there is a way, and none back. */
TEST_F(gain, permitted_shrinks)
{
	const struct snapshot less = { .permitted = CAPS_CONTAINER };
	struct caps caps;
	int fd;

	fd = credfd_with(&less);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sys_credfd_activate(fd, 0));
	ASSERT_EQ(0, caps_get(&caps));
	ASSERT_EQ(CAPS_CONTAINER, caps.permitted);
	ASSERT_EQ(CAPS_CONTAINER, caps.effective);
	ASSERT_REFUSED(EPERM, self->root);
}

/* What is permitted may become effective: capset() would do that as well. */
TEST_F(gain, effective_within_permitted)
{
	ASSERT_EQ(0, caps_set_effective(CAPS_SETID));
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
	ASSERT_STREQ("nothing", identity_differs_now(&self->before));
}

/* Both CAP_SETUID and CAP_SETGID have to be effective; nothing replaces them. */
TEST_F(gain, needs_cap_setuid)
{
	ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_SETUID)));
	ASSERT_REFUSED(EPERM, self->root);
	ASSERT_EQ(0, caps_set_effective(CAPS_SETID));
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
}

/* The same for the other one. */
TEST_F(gain, needs_cap_setgid)
{
	ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_SETGID)));
	ASSERT_REFUSED(EPERM, self->root);
	ASSERT_EQ(0, caps_set_effective(CAPS_SETID));
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
}

/* A user who is handed root's credfd remains a user. */
TEST_F(gain, unprivileged)
{
	ASSERT_EQ(0, become_user(USER, GROUP));
	ASSERT_REFUSED(EPERM, self->root);
	ASSERT_EQ(-1, sys_setresuid(0, 0, 0));
	ASSERT_EQ(EPERM, errno);
}

/* The bounding set is what execve() as root gives: it does not grow. */
TEST_F(gain, bounding_grows)
{
	ASSERT_EQ(0, prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT));
	ASSERT_REFUSED(EPERM, self->root);
	ASSERT_EQ(0, prctl(PR_CAPBSET_READ, CAP_SYS_BOOT));
}

/* It may shrink, for good. */
TEST_F(gain, bounding_shrinks)
{
	const struct snapshot less = { .bounding_drop = CAP_BIT(CAP_SYS_BOOT) };
	int fd;

	fd = credfd_with(&less);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sys_credfd_activate(fd, 0));
	ASSERT_EQ(0, prctl(PR_CAPBSET_READ, CAP_SYS_BOOT));
	ASSERT_REFUSED(EPERM, self->root);
}

/* To drop a capability from it takes CAP_SETPCAP, as with PR_CAPBSET_DROP. */
TEST_F(gain, bounding_shrinks_unprivileged)
{
	const struct snapshot less = { .bounding_drop = CAP_BIT(CAP_SYS_BOOT) };
	int fd;

	fd = credfd_with(&less);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_SETPCAP)));
	ASSERT_EQ(-1, prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT));
	ASSERT_EQ(EPERM, errno);
	ASSERT_REFUSED(EPERM, fd);
	ASSERT_EQ(1, prctl(PR_CAPBSET_READ, CAP_SYS_BOOT));
}

/* PR_SET_PDEATHSIG goes when the ids change, as with setresuid(). */
TEST_F(gain, pdeath_signal)
{
	const struct snapshot less = { .permitted = CAPS_CONTAINER };
	int user, fewer, sig;

	fewer = credfd_with(&less);
	ASSERT_LE(0, fewer);
	ASSERT_EQ(0, become_ganesha(USER, GROUP));
	user = sys_credfd_create(0);
	ASSERT_LE(0, user);
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));

	ASSERT_EQ(0, prctl(PR_SET_PDEATHSIG, SIGUSR1));
	ASSERT_EQ(0, sys_credfd_activate(user, 0));
	ASSERT_EQ(0, prctl(PR_GET_PDEATHSIG, &sig));
	ASSERT_EQ(0, sig);

	/* A user must not leave a signal behind for root either. */
	ASSERT_EQ(0, prctl(PR_SET_PDEATHSIG, SIGUSR1));
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
	ASSERT_EQ(0, prctl(PR_GET_PDEATHSIG, &sig));
	ASSERT_EQ(0, sig);

	/* It stays where ids stay and capabilities only go. */
	ASSERT_EQ(0, prctl(PR_SET_PDEATHSIG, SIGUSR1));
	ASSERT_EQ(0, sys_credfd_activate(fewer, 0));
	ASSERT_EQ(0, prctl(PR_GET_PDEATHSIG, &sig));
	ASSERT_EQ(SIGUSR1, sig);

	/* And a refusal does not touch it. */
	ASSERT_REFUSED(EPERM, self->root);
	ASSERT_EQ(0, prctl(PR_GET_PDEATHSIG, &sig));
	ASSERT_EQ(SIGUSR1, sig);
}

/* The inheritable set follows capset()'s rule. The snapshot has CAP_CHOWN in. */
FIXTURE(inheritable)
{
};

FIXTURE_VARIANT(inheritable)
{
	__u64 permitted;	/* the caller's, besides CAPS_SETID */
	__u64 inheritable;	/* the caller's */
	__u64 bounding_drop;	/* the caller's and the snapshot's */
	int error;
};

FIXTURE_VARIANT_ADD(inheritable, new) {
	.error = EPERM,
};

FIXTURE_VARIANT_ADD(inheritable, had) {
	.inheritable = CAP_BIT(CAP_CHOWN),
};

FIXTURE_VARIANT_ADD(inheritable, permitted) {
	.permitted = CAP_BIT(CAP_CHOWN),
};

FIXTURE_VARIANT_ADD(inheritable, setpcap) {
	.permitted = CAP_BIT(CAP_SETPCAP),
};

FIXTURE_VARIANT_ADD(inheritable, setpcap_not_bounded) {
	.permitted = CAP_BIT(CAP_SETPCAP),
	.bounding_drop = CAP_BIT(CAP_CHOWN),
	.error = EPERM,
};

FIXTURE_VARIANT_ADD(inheritable, permitted_not_bounded) {
	.permitted = CAP_BIT(CAP_CHOWN),
	.bounding_drop = CAP_BIT(CAP_CHOWN),
	.error = EPERM,
};

FIXTURE_VARIANT_ADD(inheritable, had_not_bounded) {
	.inheritable = CAP_BIT(CAP_CHOWN),
	.bounding_drop = CAP_BIT(CAP_CHOWN),
};

FIXTURE_SETUP(inheritable)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
}

FIXTURE_TEARDOWN(inheritable)
{
}

/* What capset() would refuse is refused, and what it would do is done. */
TEST_F(inheritable, activate)
{
	const struct snapshot theirs = {
		.permitted = CAPS_SETID,
		.inheritable = CAP_BIT(CAP_CHOWN),
		.bounding_drop = variant->bounding_drop,
	};
	const struct snapshot ours = {
		.permitted = CAPS_SETID | variant->permitted,
		.inheritable = variant->inheritable,
		.bounding_drop = variant->bounding_drop,
	};
	struct caps caps;
	int fd;

	fd = credfd_with(&theirs);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, become_snapshot(&ours));
	if (variant->error) {
		ASSERT_REFUSED(variant->error, fd);
		return;
	}
	ASSERT_EQ(0, sys_credfd_activate(fd, 0));
	ASSERT_EQ(0, caps_get(&caps));
	ASSERT_EQ(CAP_BIT(CAP_CHOWN), caps.inheritable);
	ASSERT_EQ(CAPS_SETID, caps.permitted);
}

/* The ambient set. The snapshot has CAP_CHOWN in. */
FIXTURE(ambient)
{
};

FIXTURE_VARIANT(ambient)
{
	__u64 ambient;		/* the caller's */
	int securebits;		/* the caller's and the snapshot's */
	int error;
};

FIXTURE_VARIANT_ADD(ambient, raise) {
};

FIXTURE_VARIANT_ADD(ambient, no_raise) {
	.securebits = SECBIT_NO_CAP_AMBIENT_RAISE,
	.error = EPERM,
};

FIXTURE_VARIANT_ADD(ambient, no_raise_locked) {
	.securebits = SECBIT_NO_CAP_AMBIENT_RAISE |
		      SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED,
	.error = EPERM,
};

FIXTURE_VARIANT_ADD(ambient, no_raise_had) {
	.ambient = CAP_BIT(CAP_CHOWN),
	.securebits = SECBIT_NO_CAP_AMBIENT_RAISE,
};

FIXTURE_VARIANT_ADD(ambient, no_raise_had_more) {
	.ambient = CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_KILL),
	.securebits = SECBIT_NO_CAP_AMBIENT_RAISE,
};

FIXTURE_SETUP(ambient)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
}

FIXTURE_TEARDOWN(ambient)
{
}

/* It grows only while PR_CAP_AMBIENT_RAISE would be allowed. */
TEST_F(ambient, activate)
{
	const __u64 both = CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_KILL);
	const struct snapshot theirs = {
		.inheritable = both,
		.ambient = CAP_BIT(CAP_CHOWN),
		.securebits = variant->securebits,
	};
	const struct snapshot ours = {
		.inheritable = both,
		.ambient = variant->ambient,
		.securebits = variant->securebits,
	};
	struct identity id;
	int fd;

	fd = credfd_with(&theirs);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, become_snapshot(&ours));
	if (variant->error) {
		ASSERT_REFUSED(variant->error, fd);
		return;
	}
	ASSERT_EQ(0, sys_credfd_activate(fd, 0));
	ASSERT_EQ(0, identity_read(&id));
	ASSERT_EQ(CAP_BIT(CAP_CHOWN), id.ambient);
}

TEST_HARNESS_MAIN
