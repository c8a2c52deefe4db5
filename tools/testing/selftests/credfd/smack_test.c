// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: an activation does not change the Smack label
 *
 * Smack needs no policy for that: any label is good, and CAP_MAC_ADMIN is enough
 * to take it on. What the labels may do to each other is said by rules, which
 * the tests load as they need them.
 */

#include "audit.h"

#include <linux/io_uring.h>
#include <sys/un.h>
#include <sys/xattr.h>

#define SMACK_CURRENT	"/proc/thread-self/attr/smack/current"
#define SMACK_XATTR	"security.SMACK64"
#define NO_ACCESS	"-"

static int become_label(const void *arg)
{
	const char *label = arg;

	return write_file(SMACK_CURRENT, label);
}

static const char *current_label(char *label, size_t size)
{
	return read_file(SMACK_CURRENT, label, size) ? strerror(errno) : label;
}

static int smackfs_open(void)
{
	int fs = syscall(__NR_fsopen, "smackfs", FSOPEN_CLOEXEC);
	int dir = -1;

	if (fs < 0)
		return -1;
	if (!syscall(__NR_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		dir = syscall(__NR_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	close(fs);
	return dir;
}

/* 0 or -errno. */
static int smackfs_write(int smackfs, const char *name, const char *text)
{
	int fd = openat(smackfs, name, O_WRONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -errno;
	close(fd);
	return ret;
}

/* Lets one label have @access to another one. Without a rule it has none. */
static int rule_set(int smackfs, const char *subject, const char *object,
		    const char *access)
{
	char rule[128];

	snprintf(rule, sizeof(rule), "%s %s %s", subject, object, access);
	return smackfs_write(smackfs, "load2", rule);
}

static int label_set(int fd, const char *label)
{
	return fsetxattr(fd, SMACK_XATTR, label, strlen(label), 0);
}

static const char *label_get(int fd, char *label, size_t size)
{
	ssize_t len = fgetxattr(fd, SMACK_XATTR, label, size - 1);

	if (len < 0)
		return strerror(errno);
	label[len] = '\0';
	return label;
}

#define ASSERT_LABEL(expected)						\
do {									\
	char __label[256];						\
									\
	ASSERT_STREQ(expected, current_label(__label, sizeof(__label)));\
} while (0)

/* Neither as whom to act nor as whom to ask, and the label stays. */
#define ASSERT_CONFINED(fd)						\
do {									\
	char __before[256], __after[256];				\
	const int __fd = (fd);						\
									\
	current_label(__before, sizeof(__before));			\
	ASSERT_REFUSED(EACCES, __fd);					\
	ASSERT_EQ(-1, sys_credfd_access(__fd, self->dir, F_OK, 0));	\
	ASSERT_EQ(EACCES, errno);					\
	ASSERT_STREQ(__before, current_label(__after, sizeof(__after)));\
} while (0)

#define ASSERT_ALLOWED(fd)						\
do {									\
	const int __fd = (fd);						\
									\
	ASSERT_EQ(0, sys_credfd_access(__fd, self->dir, F_OK, 0));	\
	ASSERT_EQ(0, sys_credfd_activate(__fd, 0));			\
} while (0)

FIXTURE(smack)
{
	struct audit audit;
	bool active;
	int smackfs;
	int dir;
	int one;
	int two;
};

FIXTURE_SETUP(smack)
{
	const char *reason = credfd_unavailable_or_not_root();
	char label[256];

	if (reason)
		SKIP(return, "%s", reason);
	if (read_file(SMACK_CURRENT, label, sizeof(label)))
		SKIP(return, "Smack is not active");
	self->active = true;

	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	self->smackfs = smackfs_open();
	ASSERT_LE(0, self->smackfs);
	self->dir = openat(tmpfs_dir(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_LE(0, self->dir);
	/* The label that everybody has access to. */
	ASSERT_EQ(0, label_set(self->dir, "*"));
	self->one = credfd_from_child(become_label, "One");
	ASSERT_LE(0, self->one);
	self->two = credfd_from_child(become_label, "Two");
	ASSERT_LE(0, self->two);
}

FIXTURE_TEARDOWN_PARENT(smack)
{
	static const char * const labels[] = { "One", "Two", "Three" };
	int smackfs;

	EXPECT_EQ(0, audit_stop(&self->audit));
	if (!self->active)
		return;
	smackfs = smackfs_open();
	EXPECT_EQ(0, smackfs_write(smackfs, "onlycap", "-"));
	for (size_t i = 0; i < ARRAY_SIZE(labels); i++)
		for (size_t j = 0; j < ARRAY_SIZE(labels); j++)
			EXPECT_EQ(0, rule_set(smackfs, labels[i], labels[j],
					      NO_ACCESS));
	close(smackfs);
}

/* Another label is refused, and the own one is not. */
TEST_F(smack, without_mac_admin)
{
	ASSERT_EQ(0, become_label("Two"));
	ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_MAC_ADMIN)));

	ASSERT_CONFINED(self->one);
	ASSERT_LABEL("Two");
	ASSERT_ALLOWED(self->two);
	ASSERT_LABEL("Two");
}

/* CAP_MAC_ADMIN could change the label anyway. */
TEST_F(smack, with_mac_admin)
{
	ASSERT_EQ(0, become_label("Two"));
	ASSERT_ALLOWED(self->one);
	ASSERT_LABEL("One");
}

/* Where only some labels make CAP_MAC_ADMIN count, it has to be one of them. */
TEST_F(smack, with_mac_admin_but_onlycap)
{
	ASSERT_EQ(0, become_label("Two"));
	ASSERT_EQ(0, smackfs_write(self->smackfs, "onlycap", "_"));
	ASSERT_CONFINED(self->one);
	ASSERT_EQ(-1, become_label("One"));
	ASSERT_EQ(EPERM, errno);
	ASSERT_ALLOWED(self->two);
}

/* Access to what has a label is no permission to take it on. */
TEST_F(smack, rule_between_labels)
{
	ASSERT_EQ(0, rule_set(self->smackfs, "Two", "One", "rwxatl"));
	ASSERT_EQ(0, rule_set(self->smackfs, "One", "Two", "rwxatl"));
	ASSERT_EQ(0, become_label("Two"));
	ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_MAC_ADMIN)));
	ASSERT_CONFINED(self->one);
}

/* Rules that one user of a credfd loads for itself are not the others'. */
TEST_F(smack, rules_are_not_shared)
{
	char rules[64];
	int fd;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		ASSERT_EQ(0, sys_credfd_activate(self->one, 0));
		fd = openat(self->smackfs, "load-self2", O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, fd);
		ASSERT_EQ(9, write(fd, "One Two r", 9));
		ASSERT_EQ(10, pread(fd, rules, sizeof(rules), 0));
		_exit(0);
	}
	ASSERT_EQ(0, wait_exit(pid));

	ASSERT_EQ(0, sys_credfd_activate(self->one, 0));
	fd = openat(self->smackfs, "load-self2", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, read(fd, rules, sizeof(rules)));
}

/* Rules that a task loaded to restrict itself do not get lost. */
TEST_F(smack, rules_are_kept)
{
	ASSERT_EQ(0, become_label("One"));
	ASSERT_EQ(0, smackfs_write(self->smackfs, "load-self2", "One Two -"));
	ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_MAC_ADMIN)));
	ASSERT_CONFINED(self->one);
}

static int become_self_restricted(const void *arg)
{
	const int *smackfs = arg;

	return become_label("One") ||
	       smackfs_write(*smackfs, "load-self2", "One Three -");
}

/* To take on such rules is to be restricted, and that is no way to lose any. */
TEST_F(smack, rules_are_taken_on)
{
	int restricted, other, file;

	ASSERT_EQ(0, rule_set(self->smackfs, "One", "Three", "r"));
	file = openat(self->dir, "file", O_CREAT | O_RDWR | O_CLOEXEC, 0666);
	ASSERT_LE(0, file);
	ASSERT_EQ(0, label_set(file, "Three"));
	restricted = credfd_from_child(become_self_restricted, &self->smackfs);
	ASSERT_LE(0, restricted);
	other = credfd_from_child(become_self_restricted, &self->smackfs);
	ASSERT_LE(0, other);

	ASSERT_EQ(0, become_label("One"));
	ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_MAC_ADMIN) |
					 CAP_BIT(CAP_MAC_OVERRIDE)));
	ASSERT_LE(0, openat(self->dir, "file", O_RDONLY | O_CLOEXEC));

	/* They came with all capabilities. */
	ASSERT_ALLOWED(restricted);
	ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_MAC_ADMIN) |
					 CAP_BIT(CAP_MAC_OVERRIDE)));
	ASSERT_EQ(-1, openat(self->dir, "file", O_RDONLY | O_CLOEXEC));
	ASSERT_EQ(EACCES, errno);
	ASSERT_CONFINED(self->one);
	ASSERT_CONFINED(other);
}

/*
 * Writes to a file from io_uring, with a personality: that is what overridden
 * credentials look like from user space. 0, or -errno of the write, or 1 if it
 * did not come to that.
 */
static int write_as_personality(int fd, const char *text)
{
	struct io_uring_params params = {};
	int ring = syscall(__NR_io_uring_setup, 1, &params);
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	char *rings;
	int id;

	if (ring < 0 || !(params.features & IORING_FEAT_SINGLE_MMAP))
		return 1;
	id = syscall(__NR_io_uring_register, ring, IORING_REGISTER_PERSONALITY,
		     NULL, 0);
	rings = mmap(NULL, params.cq_off.cqes +
			   params.cq_entries * sizeof(*cqe),
		     PROT_READ | PROT_WRITE, MAP_SHARED, ring,
		     IORING_OFF_SQ_RING);
	sqe = mmap(NULL, sizeof(*sqe), PROT_READ | PROT_WRITE, MAP_SHARED, ring,
		   IORING_OFF_SQES);
	if (id < 0 || rings == MAP_FAILED || sqe == MAP_FAILED)
		return 1;

	/* The personality has to differ from what the thread is now. */
	if (caps_drop_effective(CAP_BIT(CAP_SYS_TIME)))
		return 1;

	*sqe = (struct io_uring_sqe) {
		.opcode = IORING_OP_WRITE,
		.fd = fd,
		.addr = (uintptr_t)text,
		.len = strlen(text),
		.personality = id,
	};
	*(__u32 *)(rings + params.sq_off.array) = 0;
	__atomic_store_n((__u32 *)(rings + params.sq_off.tail), 1,
			 __ATOMIC_RELEASE);
	if (syscall(__NR_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS,
		    NULL, 0) != 1)
		return 1;

	cqe = (void *)(rings + params.cq_off.cqes);
	close(ring);
	return cqe->res == (int)strlen(text) ? 0 : cqe->res;
}

/* Credentials that are overridden cannot be replaced. */
TEST_F(smack, rules_under_overridden_credentials)
{
	char rules[64];
	int fd;

	ASSERT_EQ(0, become_label("One"));
	fd = openat(self->smackfs, "load-self2", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(-EBUSY, write_as_personality(fd, "One Two -"));
	ASSERT_EQ(0, read(fd, rules, sizeof(rules)));
}

/* The same for the list of labels, where it used to be a BUG(). */
TEST_F(smack, relabel_list_under_overridden_credentials)
{
	char list[64];
	int fd;

	fd = openat(self->smackfs, "relabel-self", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(-EBUSY, write_as_personality(fd, "One"));
	ASSERT_EQ(0, read(fd, list, sizeof(list)));
}

/* Permission to change the label once does not come back when it is used up. */
TEST_F(smack, relabel_list_used_up)
{
	int before, same_label;

	ASSERT_EQ(0, become_label("One"));
	ASSERT_EQ(0, smackfs_write(self->smackfs, "relabel-self", "Two"));
	before = sys_credfd_create(0);
	ASSERT_LE(0, before);
	ASSERT_EQ(0, become_label("Two"));
	ASSERT_EQ(0, smackfs_write(self->smackfs, "relabel-self", "Two One"));
	same_label = sys_credfd_create(0);
	ASSERT_LE(0, same_label);

	ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_MAC_ADMIN)));
	ASSERT_EQ(0, become_label("Two"));
	ASSERT_EQ(-1, become_label("One"));
	ASSERT_EQ(EPERM, errno);

	ASSERT_CONFINED(before);
	ASSERT_CONFINED(same_label);
	ASSERT_LABEL("Two");
	ASSERT_EQ(-1, become_label("One"));
	ASSERT_EQ(EPERM, errno);
	ASSERT_ALLOWED(self->two);
}

/* Nor does it come from another task. */
TEST_F(smack, relabel_list_of_another)
{
	int other;

	ASSERT_EQ(0, become_label("Two"));
	ASSERT_EQ(0, smackfs_write(self->smackfs, "relabel-self", "One"));
	other = sys_credfd_create(0);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, sys_credfd_activate(self->two, 0));

	ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_MAC_ADMIN)));
	ASSERT_CONFINED(other);
	ASSERT_EQ(-1, become_label("One"));
	ASSERT_EQ(EPERM, errno);
}

/* Who can write a list can take on one. */
TEST_F(smack, relabel_list_with_mac_admin)
{
	int before;

	ASSERT_EQ(0, become_label("Two"));
	ASSERT_EQ(0, smackfs_write(self->smackfs, "relabel-self", "One"));
	before = sys_credfd_create(0);
	ASSERT_LE(0, before);
	ASSERT_EQ(0, become_label("Two"));

	ASSERT_ALLOWED(before);
	ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_MAC_ADMIN)));
	ASSERT_EQ(0, become_label("One"));
	ASSERT_LABEL("One");
}

/* The round trip of a server, all under one label. */
TEST_F(smack, round_trip)
{
	int root, user;

	ASSERT_EQ(0, become_label("Two"));
	ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_MAC_ADMIN)));
	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &root, &user));
	for (int round = 0; round < 3; round++) {
		ASSERT_ALLOWED(user);
		ASSERT_EQ(USER, geteuid());
		ASSERT_CONFINED(self->one);
		ASSERT_ALLOWED(root);
		ASSERT_EQ(0, geteuid());
		ASSERT_CONFINED(self->one);
	}
}

/* Who has been away and is the user again has the user's access to files. */
TEST_F(smack, files)
{
	char label[256];
	int root, user, file;

	file = openat(self->dir, "three", O_CREAT | O_RDWR | O_CLOEXEC, 0666);
	ASSERT_LE(0, file);
	ASSERT_EQ(0, fchmod(file, 0666));
	ASSERT_EQ(0, label_set(file, "Three"));
	ASSERT_EQ(0, become_label("Two"));
	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &root, &user));

	for (int round = 0; round < 3; round++) {
		/* There are no rules yet, and root needs none. */
		ASSERT_EQ(0, rule_set(self->smackfs, "Two", "Three", NO_ACCESS));
		file = openat(self->dir, "three", O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, file);
		close(file);

		ASSERT_EQ(0, sys_credfd_activate(user, 0));
		file = openat(self->dir, "new", O_CREAT | O_EXCL | O_RDWR, 0600);
		ASSERT_LE(0, file);
		ASSERT_STREQ("Two", label_get(file, label, sizeof(label)));
		close(file);
		ASSERT_EQ(0, unlinkat(self->dir, "new", 0));
		ASSERT_EQ(-1, openat(self->dir, "three", O_RDONLY | O_CLOEXEC));
		ASSERT_EQ(EACCES, errno);

		ASSERT_EQ(0, sys_credfd_activate(root, 0));
		ASSERT_EQ(0, rule_set(self->smackfs, "Two", "Three", "r"));
		ASSERT_EQ(0, sys_credfd_activate(user, 0));
		file = openat(self->dir, "three", O_RDONLY | O_CLOEXEC);
		ASSERT_LE(0, file);
		close(file);
		ASSERT_EQ(-1, openat(self->dir, "three", O_RDWR | O_CLOEXEC));
		ASSERT_EQ(EACCES, errno);
		ASSERT_EQ(0, sys_credfd_activate(root, 0));
	}
}

/* A directory that gives its label to what is created in it does so. */
TEST_F(smack, transmuting_directory)
{
	static const struct {
		const char *access;
		const char *label;
	} rules[] = {
		{ "rwxat", "Three" },
		{ "rwxa",  "Two"   },
	};
	char label[256];
	int root, user, dir, file;

	ASSERT_EQ(0, mkdirat(self->dir, "three", 0777));
	dir = openat(self->dir, "three", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_LE(0, dir);
	ASSERT_EQ(0, fchmod(dir, 0777));
	ASSERT_EQ(0, label_set(dir, "Three"));
	ASSERT_EQ(0, fsetxattr(dir, SMACK_XATTR "TRANSMUTE", "TRUE", 4, 0));
	ASSERT_EQ(0, rule_set(self->smackfs, "Two", "Three", "rwxat"));
	ASSERT_EQ(0, become_label("Two"));
	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &root, &user));

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		ASSERT_EQ(0, rule_set(self->smackfs, "Two", "Three",
				      rules[i].access));
		ASSERT_EQ(0, sys_credfd_activate(user, 0));
		file = openat(dir, "new", O_CREAT | O_EXCL | O_RDWR, 0600);
		ASSERT_LE(0, file);
		ASSERT_STREQ(rules[i].label,
			     label_get(file, label, sizeof(label)));
		close(file);
		ASSERT_EQ(0, unlinkat(dir, "new", 0));
		ASSERT_EQ(0, sys_credfd_activate(root, 0));
	}
}

/* In the abstract namespace, so that no file has a say in it. */
static const struct sockaddr_un peer_address = {
	.sun_family = AF_UNIX,
	.sun_path = "\0credfd-smack-test",
};

/* A process of the user's with label One, which listens and can be killed. */
static pid_t peer_start(void)
{
	int ready[2], sock;
	char byte;
	pid_t pid;

	if (pipe(ready))
		return -1;
	pid = fork();
	if (!pid) {
		sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (!become_label("One") && !become_user(USER, GROUP)) {
			close(sock);
			sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
			if (!bind(sock, (const void *)&peer_address,
				  sizeof(peer_address)) &&
			    !listen(sock, 8) && write(ready[1], "", 1) == 1)
				pause();
		}
		_exit(1);
	}
	close(ready[1]);
	if (pid > 0 && read(ready[0], &byte, 1) != 1)
		pid = -1;
	close(ready[0]);
	return pid;
}

/* 0 or -errno. */
static int peer_connect(void)
{
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int ret = 0;

	if (connect(sock, (const void *)&peer_address, sizeof(peer_address)))
		ret = -errno;
	close(sock);
	return ret;
}

/* The same for processes: the label of the user decides, at each round. */
TEST_F(smack, processes)
{
	int root, user;
	pid_t peer = peer_start();

	ASSERT_LT(0, peer);
	ASSERT_EQ(0, become_label("Two"));
	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &root, &user));

	for (int round = 0; round < 3; round++) {
		ASSERT_EQ(0, rule_set(self->smackfs, "Two", "One", NO_ACCESS));
		ASSERT_EQ(0, rule_set(self->smackfs, "One", "Two", NO_ACCESS));
		ASSERT_EQ(0, peer_connect());
		ASSERT_EQ(0, sys_credfd_activate(user, 0));
		ASSERT_EQ(-EACCES, peer_connect());
		ASSERT_EQ(-1, kill(peer, SIGCONT));
		ASSERT_EQ(EACCES, errno);

		ASSERT_EQ(0, sys_credfd_activate(root, 0));
		ASSERT_EQ(0, rule_set(self->smackfs, "Two", "One", "w"));
		ASSERT_EQ(0, rule_set(self->smackfs, "One", "Two", "w"));
		ASSERT_EQ(0, sys_credfd_activate(user, 0));
		ASSERT_EQ(0, peer_connect());
		ASSERT_EQ(0, kill(peer, SIGCONT));
		ASSERT_EQ(0, sys_credfd_activate(root, 0));
	}
	ASSERT_EQ(0, kill(peer, SIGKILL));
	ASSERT_EQ(peer, waitpid(peer, NULL, 0));
}

/* Whether access is allowed is answered by the rules, not by the mode alone. */
TEST_F(smack, access)
{
	int root, user, file;

	file = openat(self->dir, "file", O_CREAT | O_RDWR | O_CLOEXEC, 0666);
	ASSERT_LE(0, file);
	ASSERT_EQ(0, fchmod(file, 0666));
	ASSERT_EQ(0, label_set(file, "Three"));
	ASSERT_EQ(0, become_label("Two"));
	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &root, &user));

	/* It is not asked whether the caller could override them. */
	ASSERT_EQ(0, sys_credfd_access(user, file, F_OK, 0));
	ASSERT_EQ(-1, sys_credfd_access(user, file, R_OK, 0));
	ASSERT_EQ(EACCES, errno);
	ASSERT_EQ(0, sys_credfd_access(root, file, R_OK | W_OK, 0));

	ASSERT_EQ(0, rule_set(self->smackfs, "Two", "Three", "r"));
	ASSERT_EQ(0, sys_credfd_access(user, file, R_OK, 0));
	ASSERT_EQ(-1, sys_credfd_access(user, file, W_OK, 0));
	ASSERT_EQ(EACCES, errno);
	ASSERT_EQ(-1, sys_credfd_access(user, file, R_OK | W_OK, 0));
	ASSERT_EQ(EACCES, errno);

	ASSERT_EQ(0, rule_set(self->smackfs, "Two", "Three", "rw"));
	ASSERT_EQ(0, sys_credfd_access(user, file, R_OK | W_OK, 0));
}

static int become_one_ganesha(const void *arg)
{
	return arg || become_label("One") || become_ganesha(USER, GROUP);
}

/* Who may take on another label gets that label's answer. */
TEST_F(smack, access_under_another_label)
{
	int one, two, file;

	one = credfd_from_child(become_one_ganesha, NULL);
	ASSERT_LE(0, one);
	file = openat(self->dir, "file", O_CREAT | O_RDWR | O_CLOEXEC, 0666);
	ASSERT_LE(0, file);
	ASSERT_EQ(0, fchmod(file, 0666));
	ASSERT_EQ(0, label_set(file, "Three"));
	ASSERT_EQ(0, rule_set(self->smackfs, "One", "Three", "r"));
	ASSERT_EQ(0, become_label("Two"));
	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &(int){ -1 }, &two));

	ASSERT_EQ(0, sys_credfd_access(one, file, R_OK, 0));
	ASSERT_EQ(-1, sys_credfd_access(one, file, W_OK, 0));
	ASSERT_EQ(EACCES, errno);
	ASSERT_EQ(-1, sys_credfd_access(two, file, R_OK, 0));
	ASSERT_EQ(EACCES, errno);
	ASSERT_LABEL("Two");

	ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_MAC_ADMIN)));
	ASSERT_EQ(-1, sys_credfd_access(one, file, R_OK, 0));
	ASSERT_EQ(EACCES, errno);
}

/* The audit record of an activation holds the labels before and after it. */
TEST_F(smack, audit_subjects)
{
	struct audit_msg msg;
	char value[256];
	const char *text;
	pid_t pid;

	ASSERT_EQ(0, audit_start(&self->audit, __NR_credfd_activate));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		ASSERT_EQ(0, become_label("Two"));
		ASSERT_EQ(0, sys_credfd_activate(self->one, 0));
		ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_MAC_ADMIN)));
		ASSERT_EQ(-1, sys_credfd_activate(self->two, 0));
		_exit(0);
	}
	ASSERT_EQ(0, wait_exit(pid));

	text = audit_next(&self->audit, AUDIT_CRED_ACTIVATE, &msg);
	EXPECT_STREQ("Two", audit_field(text, "old-subj", value, sizeof(value)));
	EXPECT_STREQ("One", audit_field(text, "new-subj", value, sizeof(value)));

	/* The attempt that was refused. */
	text = audit_next(&self->audit, AUDIT_CRED_ACTIVATE, &msg);
	EXPECT_STREQ("One", audit_field(text, "old-subj", value, sizeof(value)));
	EXPECT_STREQ("Two", audit_field(text, "new-subj", value, sizeof(value)));
}

TEST_HARNESS_MAIN
