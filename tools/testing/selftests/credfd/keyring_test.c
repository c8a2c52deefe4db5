// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: a snapshot has the session keyring, and no key that belongs
 * to one thread or process
 */

#include "credfd.h"

#include <linux/keyctl.h>

#define REQUEST_KEY	"/sbin/request-key"

static long sys_keyctl(int op, long arg2, long arg3, long arg4, long arg5)
{
	return syscall(__NR_keyctl, op, arg2, arg3, arg4, arg5);
}

static long get_keyring(int which, bool create)
{
	return sys_keyctl(KEYCTL_GET_KEYRING_ID, which, create, 0, 0);
}

/* The owner as the kernel's description of a key tells it, or -1. */
static long key_owner(long key)
{
	char text[256];
	long uid = -1;

	if (sys_keyctl(KEYCTL_DESCRIBE, key, (long)text, sizeof(text), 0) < 0 ||
	    sscanf(text, "keyring;%ld;", &uid) != 1)
		return -1;
	return uid;
}

FIXTURE(keyrings)
{
	long session;
};

FIXTURE_SETUP(keyrings)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	self->session = sys_keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0);
	ASSERT_LT(0, self->session);
}

FIXTURE_TEARDOWN(keyrings)
{
}

/* The thread keyring stays behind, and with it what is in there. */
TEST_F(keyrings, no_thread_keyring)
{
	int root, user;

	ASSERT_LT(0, get_keyring(KEY_SPEC_THREAD_KEYRING, true));
	root = sys_credfd_create(0);
	ASSERT_LE(0, root);
	ASSERT_EQ(0, become_ganesha(USER, GROUP));
	user = sys_credfd_create(0);
	ASSERT_LE(0, user);
	ASSERT_LT(0, get_keyring(KEY_SPEC_THREAD_KEYRING, false));

	ASSERT_EQ(0, sys_credfd_activate(root, 0));
	ASSERT_EQ(-1, get_keyring(KEY_SPEC_THREAD_KEYRING, false));
	ASSERT_EQ(ENOKEY, errno);
	ASSERT_EQ(0, sys_credfd_activate(user, 0));
	ASSERT_EQ(-1, get_keyring(KEY_SPEC_THREAD_KEYRING, false));
	ASSERT_EQ(ENOKEY, errno);
}

/* So does the process keyring. */
TEST_F(keyrings, no_process_keyring)
{
	int root, user;

	ASSERT_LT(0, get_keyring(KEY_SPEC_PROCESS_KEYRING, true));
	root = sys_credfd_create(0);
	ASSERT_LE(0, root);
	ASSERT_EQ(0, become_ganesha(USER, GROUP));
	user = sys_credfd_create(0);
	ASSERT_LE(0, user);
	ASSERT_LT(0, get_keyring(KEY_SPEC_PROCESS_KEYRING, false));

	ASSERT_EQ(0, sys_credfd_activate(root, 0));
	ASSERT_EQ(-1, get_keyring(KEY_SPEC_PROCESS_KEYRING, false));
	ASSERT_EQ(ENOKEY, errno);
	ASSERT_EQ(0, sys_credfd_activate(user, 0));
	ASSERT_EQ(-1, get_keyring(KEY_SPEC_PROCESS_KEYRING, false));
	ASSERT_EQ(ENOKEY, errno);
}

/* What a thread gets for itself is not in the snapshot that others use. */
TEST_F(keyrings, snapshot_is_private)
{
	int fd = sys_credfd_create(0);

	ASSERT_LE(0, fd);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, sys_credfd_activate(fd, 0));
		ASSERT_EQ(-1, get_keyring(KEY_SPEC_THREAD_KEYRING, false));
		ASSERT_EQ(ENOKEY, errno);
		ASSERT_EQ(-1, get_keyring(KEY_SPEC_PROCESS_KEYRING, false));
		ASSERT_EQ(ENOKEY, errno);
		ASSERT_LT(0, get_keyring(KEY_SPEC_THREAD_KEYRING, true));
		ASSERT_LT(0, get_keyring(KEY_SPEC_PROCESS_KEYRING, true));
	}
}

/* The session keyring is part of the identity, with the keys in it. */
TEST_F(keyrings, session_keyring)
{
	static const char description[] = "credfd:session";
	long key, other_session;
	int user, other;

	key = syscall(__NR_add_key, "user", description, "x", 1,
		      KEY_SPEC_SESSION_KEYRING);
	ASSERT_LT(0, key);
	ASSERT_EQ(0, become_ganesha(USER, GROUP));
	user = sys_credfd_create(0);
	ASSERT_LE(0, user);

	other_session = sys_keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0);
	ASSERT_LT(0, other_session);
	ASSERT_NE(self->session, other_session);
	other = sys_credfd_create(0);
	ASSERT_LE(0, other);

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, sys_credfd_activate(user, 0));
		ASSERT_EQ(self->session,
			  get_keyring(KEY_SPEC_SESSION_KEYRING, false));
		ASSERT_EQ(key, sys_keyctl(KEYCTL_SEARCH,
					  KEY_SPEC_SESSION_KEYRING,
					  (long)"user", (long)description, 0));

		ASSERT_EQ(0, sys_credfd_activate(other, 0));
		ASSERT_EQ(other_session,
			  get_keyring(KEY_SPEC_SESSION_KEYRING, false));
		ASSERT_EQ(-1, sys_keyctl(KEYCTL_SEARCH,
					 KEY_SPEC_SESSION_KEYRING,
					 (long)"user", (long)description, 0));
		ASSERT_EQ(ENOKEY, errno);
	}
}

static void *activate(void *arg)
{
	const int *fd = arg;

	return sys_credfd_activate(*fd, 0) ? "cannot switch" : NULL;
}

/*
 * A thread keyring follows the fsuid of its thread. The creator's must not
 * follow those of the threads that use the snapshot.
 */
TEST_F(keyrings, owner_of_creators_thread_keyring)
{
	pthread_t thread;
	long keyring;
	int user;

	/* The link keeps it alive and visible. */
	keyring = get_keyring(KEY_SPEC_THREAD_KEYRING, true);
	ASSERT_LT(0, keyring);
	ASSERT_EQ(0, sys_keyctl(KEYCTL_LINK, keyring, KEY_SPEC_SESSION_KEYRING,
				0, 0));
	ASSERT_EQ(0, key_owner(keyring));

	ASSERT_EQ(0, become_ganesha(USER, GROUP));
	ASSERT_EQ(USER, key_owner(keyring));
	user = sys_credfd_create(0);
	ASSERT_LE(0, user);
	ASSERT_EQ(0, sys_setresuid(-1, 0, -1));
	ASSERT_EQ(0, key_owner(keyring));

	/* Another thread becomes the user. */
	ASSERT_EQ(0, pthread_create(&thread, NULL, activate, &user));
	ASSERT_STREQ("fine", thread_outcome(thread));
	ASSERT_EQ(keyring, get_keyring(KEY_SPEC_THREAD_KEYRING, false));
	ASSERT_EQ(0, key_owner(keyring));

	/* The creator does, and leaves its thread keyring. */
	ASSERT_EQ(0, sys_credfd_activate(user, 0));
	ASSERT_EQ(USER, geteuid());
	ASSERT_EQ(0, key_owner(keyring));
}

/*
 * The authority to instantiate a key is only given to the program that the
 * kernel runs for that. So this program puts itself into the place of it, and
 * hands back what it found out as the key's payload.
 */
FIXTURE(request_key)
{
	bool created;
	bool mounted;
};

FIXTURE_SETUP(request_key)
{
	const char *reason = credfd_unavailable_or_not_root();
	int fd;

	if (reason)
		SKIP(return, "%s", reason);

	fd = open(REQUEST_KEY, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	self->created = fd >= 0;
	if (self->created)
		close(fd);
	self->mounted = !syscall(__NR_mount, "/proc/self/exe", REQUEST_KEY,
				 NULL, MS_BIND, NULL);
	if (!self->mounted && self->created)
		unlink(REQUEST_KEY);
	ASSERT_TRUE(self->mounted)
		TH_LOG("cannot take the place of " REQUEST_KEY ": %m");
	ASSERT_LT(0, sys_keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0));
}

FIXTURE_TEARDOWN_PARENT(request_key)
{
	if (self->mounted)
		syscall(__NR_umount2, REQUEST_KEY, 0);
	if (self->created)
		unlink(REQUEST_KEY);
}

/* An assumed authority to instantiate a key stays behind. */
TEST_F(request_key, no_authority)
{
	char payload[256] = "";
	long key;

	key = syscall(__NR_request_key, "user", "credfd:authority", "callout",
		      KEY_SPEC_SESSION_KEYRING);
	ASSERT_LT(0, key)
		TH_LOG("no key: %m");
	ASSERT_LT(0, sys_keyctl(KEYCTL_READ, key, (long)payload,
				sizeof(payload) - 1, 0));
	ASSERT_STREQ("without authority", payload);
}

static const char *examine_authority(long key)
{
	long authority = sys_keyctl(KEYCTL_ASSUME_AUTHORITY, key, 0, 0, 0);
	int fd;

	if (authority <= 0)
		return "cannot assume the authority";
	if (get_keyring(KEY_SPEC_REQKEY_AUTH_KEY, false) != authority)
		return "cannot find the authority before";

	fd = sys_credfd_create(0);
	if (fd < 0 || prctl(PR_SET_DUMPABLE, 0))
		return "cannot create a credfd";
	if (get_keyring(KEY_SPEC_REQKEY_AUTH_KEY, false) != authority)
		return "the creator lost its authority";
	if (sys_credfd_activate(fd, 0))
		return "cannot activate the credfd";

	if (get_keyring(KEY_SPEC_REQKEY_AUTH_KEY, false) != -1 ||
	    errno != ENOKEY)
		return "still with authority";
	if (sys_keyctl(KEYCTL_INSTANTIATE, key, (long)"x", 1, 0) != -1 ||
	    errno != EPERM)
		return "instantiated without authority";
	return "without authority";
}

/* Run by the kernel: request-key create KEY ... */
static int request_key_main(long key)
{
	const char *result = examine_authority(key);

	/* The session keyring is still there, so it can be assumed again. */
	if (sys_keyctl(KEYCTL_ASSUME_AUTHORITY, key, 0, 0, 0) <= 0)
		return 1;
	return sys_keyctl(KEYCTL_INSTANTIATE, key, (long)result,
			  strlen(result), 0) ? 2 : 0;
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[0], REQUEST_KEY) &&
	    !strcmp(argv[1], "create"))
		return request_key_main(atol(argv[2]));
	return test_harness_run(argc, argv);
}
