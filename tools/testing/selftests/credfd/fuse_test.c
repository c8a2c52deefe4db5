// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: a question does not deliver the asker to a file server
 *
 * FUSE keeps a file system that a user has mounted away from other users, so
 * that it cannot make them wait for ever. A daemon that asks on behalf of that
 * user is another user all the same.
 */

#include "credfd.h"

#include <linux/fuse.h>
#include <stdatomic.h>

/* How often the server is asked for access. It answers the second way. */
struct requests {
	atomic_int access;
};

struct fuse_request {
	struct fuse_in_header in;
	union {
		struct fuse_init_in init;
		struct fuse_access_in access;
		char data[FUSE_MIN_READ_BUFFER];
	};
};

static int fuse_reply(int dev, __u64 unique, int error, const void *data,
		      size_t size)
{
	struct {
		struct fuse_out_header out;
		char data[sizeof(struct fuse_init_out)];
	} reply = {
		.out.len = sizeof(reply.out) + size,
		.out.error = error,
		.out.unique = unique,
	};

	if (size)
		memcpy(reply.data, data, size);
	return write(dev, &reply, reply.out.len) == reply.out.len ? 0 : -1;
}

/* Grants every access to its root, and knows nothing else. */
static int fuse_serve(int dev, struct requests *requests)
{
	const struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_write = 4096,
	};
	struct fuse_request request;
	int ret = 0;

	while (!ret) {
		if (read(dev, &request, sizeof(request)) < 0)
			return errno == ENODEV ? 0 : -1;

		switch (request.in.opcode) {
		case FUSE_INIT:
			ret = fuse_reply(dev, request.in.unique, 0, &init,
					 sizeof(init));
			break;
		case FUSE_ACCESS:
			requests->access++;
			ret = fuse_reply(dev, request.in.unique, 0, NULL, 0);
			break;
		case FUSE_FORGET:
		case FUSE_BATCH_FORGET:
			break;
		default:
			ret = fuse_reply(dev, request.in.unique, -ENOSYS, NULL,
					 0);
		}
	}
	return ret;
}

static int fuse_mount(int dev, uid_t uid, gid_t gid, bool allow_other)
{
	int fs = syscall(__NR_fsopen, "fuse", FSOPEN_CLOEXEC);
	char fd[16], user[16], group[16];
	int root = -1;

	if (fs < 0)
		return -1;
	snprintf(fd, sizeof(fd), "%d", dev);
	snprintf(user, sizeof(user), "%u", uid);
	snprintf(group, sizeof(group), "%u", gid);
	if (!syscall(__NR_fsconfig, fs, FSCONFIG_SET_STRING, "fd", fd, 0) &&
	    !syscall(__NR_fsconfig, fs, FSCONFIG_SET_STRING, "rootmode",
		     "040755", 0) &&
	    !syscall(__NR_fsconfig, fs, FSCONFIG_SET_STRING, "user_id", user,
		     0) &&
	    !syscall(__NR_fsconfig, fs, FSCONFIG_SET_STRING, "group_id", group,
		     0) &&
	    (!allow_other ||
	     !syscall(__NR_fsconfig, fs, FSCONFIG_SET_FLAG, "allow_other", NULL,
		      0)) &&
	    !syscall(__NR_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		root = syscall(__NR_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	close(fs);
	return root;
}

static int become_owner(const void *arg)
{
	return arg ? -1 : become_user(USER, GROUP);
}

FIXTURE(fuse)
{
	struct requests *requests;
	int owner;
	int root;
	pid_t server;
};

FIXTURE_VARIANT(fuse)
{
	bool allow_other;
};

FIXTURE_VARIANT_ADD(fuse, for_the_owner) { .allow_other = false };

FIXTURE_VARIANT_ADD(fuse, for_all) { .allow_other = true };

FIXTURE_SETUP(fuse)
{
	const char *reason = credfd_unavailable_or_not_root();
	int dev;

	if (reason)
		SKIP(return, "%s", reason);

	self->requests = shared_alloc(sizeof(*self->requests));
	ASSERT_NE(NULL, self->requests);
	self->owner = credfd_from_child(become_owner, NULL);
	ASSERT_LE(0, self->owner);

	dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, dev);
	self->root = fuse_mount(dev, USER, GROUP, variant->allow_other);
	ASSERT_LE(0, self->root);

	self->server = fork();
	ASSERT_LE(0, self->server);
	if (!self->server) {
		close(self->root);
		_exit(!!fuse_serve(dev, self->requests));
	}
	close(dev);
}

FIXTURE_TEARDOWN(fuse)
{
	close(self->root);
	EXPECT_EQ(0, wait_exit(self->server));
}

/* The owner itself is always served: the file system works. */
TEST_F(fuse, owner)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		ASSERT_EQ(0, become_user(USER, GROUP));
		ASSERT_EQ(0, syscall(__NR_faccessat2, self->root, "", R_OK,
				     AT_EMPTY_PATH | AT_EACCESS));
		_exit(0);
	}
	ASSERT_EQ(0, wait_exit(pid));
	ASSERT_EQ(1, self->requests->access);
}

/* A daemon is served if it could use the file system itself, else not even asked. */
TEST_F(fuse, on_behalf_of_owner)
{
	int ret = sys_credfd_access(self->owner, self->root, R_OK, 0);

	if (variant->allow_other) {
		ASSERT_EQ(0, ret);
		ASSERT_EQ(1, self->requests->access);
		return;
	}
	ASSERT_EQ(-1, ret);
	ASSERT_EQ(EACCES, errno);
	ASSERT_EQ(0, self->requests->access);
}

TEST_HARNESS_MAIN
