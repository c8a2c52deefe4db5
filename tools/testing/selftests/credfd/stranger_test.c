// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: identities from people whom one does not trust
 *
 * The case is that of a daemon which is root of a user namespace, and decides
 * for the users in there what they may do. A user shows it an access-only
 * credfd. The daemon learns what the user may access, and that is all that
 * happens: neither of them gets hold of the other.
 */

#include "credfd.h"

#include <linux/landlock.h>
#include <sys/ptrace.h>
#include <sys/resource.h>

#define NR_MODES	8	/* all there are of R_OK, W_OK and X_OK */

/* The namespace's ids begin here, for users and groups. */
#define BASE		100000
#define MAP		"0 100000 65536"

/* Users in the namespace. */
#define PROVIDER	5
#define NEIGHBOUR	6

/* 0 if access is granted, otherwise the errno. */
static int access_errno(int credfd, int fd, int mode)
{
	int ret = sys_credfd_access(credfd, fd, mode, 0);

	return ret == -1 ? errno : ret;
}

/* The same question to the old system call, about the caller itself. */
static int faccessat2_errno(int fd, int mode)
{
	int ret = syscall(__NR_faccessat2, fd, "", mode,
			  AT_EMPTY_PATH | AT_EACCESS);

	return ret == -1 ? errno : ret;
}

/* An answer, whatever it is, leaves the one who asks as it was. */
#define ASSERT_ANSWER(error, credfd, fd, mode)				\
do {									\
	struct identity __before, __after;				\
									\
	ASSERT_EQ(0, identity_read(&__before));				\
	ASSERT_EQ(error, access_errno(credfd, fd, mode));		\
	ASSERT_EQ(0, identity_read(&__after));				\
	ASSERT_STREQ("nothing", identity_differ(&__before, &__after));	\
} while (0)

/* Makes a file and opens it with O_PATH. */
static int file_make(int dir, const char *name, uid_t uid, gid_t gid,
		     mode_t permissions)
{
	if (mknodat(dir, name, S_IFREG | 0600, 0) ||
	    fchownat(dir, name, uid, gid, 0) ||
	    fchmodat(dir, name, permissions, 0))
		return -1;
	return openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

/* Becomes an ordinary user of the namespace, or its root with all there is. */
static int enter_as(int ns, uid_t id)
{
	if (sys_setns(ns, CLONE_NEWUSER) || become_user(0, 0))
		return -1;
	if (id && become_user(id, id))
		return -1;
	return prctl(PR_SET_DUMPABLE, 0);
}

/* Two credfds of the same identity. */
struct pair {
	int plain;
	int access_only;
};

static int pair_create(struct pair *pair)
{
	pair->plain = sys_credfd_create(0);
	pair->access_only = sys_credfd_create(CREDFD_ACCESS_ONLY);
	return pair->plain < 0 || pair->access_only < 0 ? -1 : 0;
}

static int pair_send(int sock, const struct pair *pair)
{
	return send_fd(sock, pair->plain) || send_fd(sock, pair->access_only) ?
		       -1 : 0;
}

static int pair_recv(int sock, struct pair *pair)
{
	pair->plain = recv_fd(sock);
	pair->access_only = recv_fd(sock);
	return pair->plain < 0 || pair->access_only < 0 ? -1 : 0;
}

/* Lives until the other end is closed. */
static void wait_for_end(int sock)
{
	char byte;

	while (read(sock, &byte, 1) > 0)
		;
}

FIXTURE(stranger)
{
	int dir;
	int ns;
	int daemon;	/* the two ends of a connection */
	int provider;
	int own;	/* a file of the provider */
	int foreign;	/* a file of somebody else */
};

FIXTURE_SETUP(stranger)
{
	const char *reason = credfd_unavailable_or_not_root();
	int sock[2];

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	self->dir = tmpfs_dir();
	ASSERT_LE(0, self->dir);
	self->ns = userns_open(MAP, MAP, NULL);
	ASSERT_LE(0, self->ns);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock));
	self->daemon = sock[0];
	self->provider = sock[1];

	self->own = file_make(self->dir, "own", BASE + PROVIDER,
			      BASE + PROVIDER, 0600);
	ASSERT_LE(0, self->own);
	self->foreign = file_make(self->dir, "foreign", BASE + NEIGHBOUR,
				  BASE + NEIGHBOUR, 0600);
	ASSERT_LE(0, self->foreign);
}

FIXTURE_TEARDOWN(stranger)
{
}

/* Starts the user, who shows who it is, and stays for as long as is needed. */
static pid_t provider_start(int ns, int sock, int other_end)
{
	struct pair pair;
	pid_t pid = fork();

	if (!pid) {
		close(other_end);
		if (enter_as(ns, PROVIDER) || pair_create(&pair) ||
		    pair_send(sock, &pair))
			_exit(1);
		wait_for_end(sock);
		_exit(0);
	}
	return pid;
}

/* The namespace's root is told what the user may do, and what it may not. */
TEST_F(stranger, right_answers)
{
	const struct {
		const char *name;
		uid_t uid;
		gid_t gid;
		mode_t permissions;
		int allowed;	/* for the user */
	} table[] = {
		{ "user", BASE + PROVIDER, BASE + PROVIDER, 0640, R_OK | W_OK },
		{ "exec", BASE + PROVIDER, BASE, 0500, R_OK | X_OK },
		{ "none", BASE + PROVIDER, BASE + PROVIDER, 0077, 0 },
		{ "group", BASE + NEIGHBOUR, BASE + PROVIDER, 0640, R_OK },
		{ "other", BASE + NEIGHBOUR, BASE + NEIGHBOUR, 0600, 0 },
		{ "root", BASE, BASE, 0600, 0 },
		{ "public", BASE, BASE, 0644, R_OK },
		{ "host", 0, 0, 0600, 0 },
		{ "hostpublic", 0, 0, 0604, R_OK },
		/* Has the user's number, and is not the user. */
		{ "hostuser", PROVIDER, PROVIDER, 0660, 0 },
	};
	pid_t provider, daemon;
	struct pair pair;
	int fd;

	provider = provider_start(self->ns, self->provider, self->daemon);
	ASSERT_LE(0, provider);

	daemon = fork();
	ASSERT_LE(0, daemon);
	if (!daemon) {
		close(self->provider);
		for (size_t i = 0; i < ARRAY_SIZE(table); i++)
			ASSERT_LE(0, file_make(self->dir, table[i].name,
					       table[i].uid, table[i].gid,
					       table[i].permissions));
		ASSERT_EQ(0, enter_as(self->ns, 0));
		ASSERT_EQ(0, pair_recv(self->daemon, &pair));

		for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
			fd = openat(self->dir, table[i].name,
				    O_PATH | O_CLOEXEC);
			ASSERT_LE(0, fd);
			for (int mode = 0; mode < NR_MODES; mode++) {
				int answer = mode & ~table[i].allowed ?
						     EACCES : 0;

				ASSERT_EQ(answer,
					  access_errno(pair.access_only, fd,
						       mode))
					TH_LOG("%s, mode %d", table[i].name,
					       mode);
				ASSERT_EQ(answer,
					  access_errno(pair.plain, fd, mode))
					TH_LOG("%s, mode %d", table[i].name,
					       mode);
			}
		}

		/* The daemon's own answers would have been others. */
		ASSERT_EQ(0, faccessat2_errno(self->foreign, R_OK | W_OK));
		ASSERT_ANSWER(EACCES, pair.access_only, self->foreign, R_OK);
		ASSERT_ANSWER(0, pair.access_only, self->own, R_OK | W_OK);

		/* What was given for questions is good for nothing else. */
		ASSERT_REFUSED(EINVAL, pair.access_only);
		_exit(0);
	}
	ASSERT_EQ(0, close(self->daemon));
	ASSERT_EQ(0, close(self->provider));
	ASSERT_EQ(0, wait_exit(daemon));
	ASSERT_EQ(0, wait_exit(provider));
}

/* It does not go the other way: to the user, root's credfd tells nothing. */
TEST_F(stranger, user_with_roots)
{
	pid_t daemon, user;
	struct pair pair;

	daemon = fork();
	ASSERT_LE(0, daemon);
	if (!daemon) {
		close(self->provider);
		ASSERT_EQ(0, enter_as(self->ns, 0));
		ASSERT_EQ(0, pair_create(&pair));
		ASSERT_ANSWER(0, pair.plain, self->foreign, R_OK);
		ASSERT_EQ(0, pair_send(self->daemon, &pair));
		wait_for_end(self->daemon);
		_exit(0);
	}
	user = fork();
	ASSERT_LE(0, user);
	if (!user) {
		close(self->daemon);
		ASSERT_EQ(0, enter_as(self->ns, PROVIDER));
		ASSERT_EQ(0, pair_recv(self->provider, &pair));
		for (int mode = 0; mode < NR_MODES; mode++) {
			ASSERT_ANSWER(EPERM, pair.plain, self->own, mode);
			ASSERT_ANSWER(EPERM, pair.plain, self->foreign, mode);
			ASSERT_ANSWER(EPERM, pair.access_only, self->own, mode);
			ASSERT_ANSWER(EPERM, pair.access_only, self->foreign,
				      mode);
		}
		ASSERT_REFUSED(EPERM, pair.plain);
		ASSERT_REFUSED(EINVAL, pair.access_only);

		/* Nor does the own one, for there it has faccessat2(). */
		ASSERT_EQ(0, pair_create(&pair));
		ASSERT_ANSWER(EPERM, pair.access_only, self->own, R_OK);
		ASSERT_EQ(0, faccessat2_errno(self->own, R_OK));
		_exit(0);
	}
	ASSERT_EQ(0, close(self->daemon));
	ASSERT_EQ(0, close(self->provider));
	ASSERT_EQ(0, wait_exit(user));
	ASSERT_EQ(0, wait_exit(daemon));
}

/* The host's root has all capabilities, and is in another namespace. */
TEST_F(stranger, from_parent_namespace)
{
	struct pair pair;
	pid_t provider;

	provider = provider_start(self->ns, self->provider, self->daemon);
	ASSERT_LE(0, provider);
	ASSERT_EQ(0, close(self->provider));
	ASSERT_EQ(0, pair_recv(self->daemon, &pair));

	for (int mode = 0; mode < NR_MODES; mode++) {
		ASSERT_ANSWER(EPERM, pair.access_only, self->own, mode);
		ASSERT_ANSWER(EPERM, pair.plain, self->foreign, mode);
	}
	ASSERT_REFUSED(EPERM, pair.plain);
	ASSERT_REFUSED(EINVAL, pair.access_only);

	/* setns() is the way to it. */
	ASSERT_EQ(0, enter_as(self->ns, 0));
	ASSERT_ANSWER(0, pair.access_only, self->own, R_OK);
	ASSERT_ANSWER(EACCES, pair.access_only, self->foreign, R_OK);
	ASSERT_EQ(0, sys_credfd_activate(pair.plain, 0));
	ASSERT_EQ(PROVIDER, geteuid());

	ASSERT_EQ(0, close(self->daemon));
	ASSERT_EQ(0, wait_exit(provider));
}

/* The host's identities are not for the namespace's root either. */
TEST_F(stranger, hosts_credfd)
{
	struct pair pair;

	ASSERT_EQ(0, pair_create(&pair));
	ASSERT_ANSWER(0, pair.plain, self->own, R_OK);

	ASSERT_EQ(0, enter_as(self->ns, 0));
	for (int mode = 0; mode < NR_MODES; mode++) {
		ASSERT_ANSWER(EPERM, pair.plain, self->own, mode);
		ASSERT_ANSWER(EPERM, pair.access_only, self->own, mode);
	}
	ASSERT_REFUSED(EPERM, pair.plain);
	ASSERT_REFUSED(EINVAL, pair.access_only);
}

/* Full capabilities in a child namespace are none here, with the same ids. */
TEST_F(stranger, from_child_namespace)
{
	struct pair pair;
	struct caps caps;
	pid_t provider;
	int child;

	provider = provider_start(self->ns, self->provider, self->daemon);
	ASSERT_LE(0, provider);
	ASSERT_EQ(0, close(self->provider));
	ASSERT_EQ(0, pair_recv(self->daemon, &pair));

	/* It writes the maps of its child, so /proc has to be accessible. */
	ASSERT_EQ(0, enter_as(self->ns, 0));
	ASSERT_ANSWER(0, pair.access_only, self->own, R_OK);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 1));
	child = userns_open("0 0 65536", "0 0 65536", NULL);
	ASSERT_LE(0, child);
	ASSERT_EQ(0, sys_setns(child, CLONE_NEWUSER));
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	ASSERT_EQ(0, getuid());
	ASSERT_EQ(0, caps_get(&caps));
	ASSERT_EQ(CAPS_SETID, caps.effective & CAPS_SETID);

	for (int mode = 0; mode < NR_MODES; mode++) {
		ASSERT_ANSWER(EPERM, pair.plain, self->own, mode);
		ASSERT_ANSWER(EPERM, pair.access_only, self->foreign, mode);
	}
	ASSERT_REFUSED(EPERM, pair.plain);
	ASSERT_REFUSED(EINVAL, pair.access_only);

	ASSERT_EQ(0, close(self->daemon));
	ASSERT_EQ(0, wait_exit(provider));
}

static int fdinfo_read(int fd, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return read_file(path, text, size);
}

/* A credfd outlives the last process of its namespace, and stays closed. */
TEST_F(stranger, namespace_gone)
{
	char before[2][2048], after[2048];
	struct pair pair;
	pid_t provider;

	provider = provider_start(self->ns, self->provider, self->daemon);
	ASSERT_LE(0, provider);
	ASSERT_EQ(0, close(self->provider));
	ASSERT_EQ(0, pair_recv(self->daemon, &pair));
	ASSERT_EQ(0, fdinfo_read(pair.plain, before[0], sizeof(before[0])));
	ASSERT_EQ(0, fdinfo_read(pair.access_only, before[1],
				 sizeof(before[1])));
	ASSERT_TRUE(!!strstr(before[0],
			     "\nUid:\t100005\t100005\t100005\t100005\n"));

	ASSERT_EQ(0, close(self->daemon));
	ASSERT_EQ(0, wait_exit(provider));
	ASSERT_EQ(0, close(self->ns));

	/* Namespaces are freed later, if they are. */
	for (int round = 0; round < 20; round++) {
		ASSERT_ANSWER(EPERM, pair.plain, self->own, R_OK);
		ASSERT_ANSWER(EPERM, pair.access_only, self->own, R_OK);
		ASSERT_REFUSED(EPERM, pair.plain);
		ASSERT_REFUSED(EINVAL, pair.access_only);
		ASSERT_EQ(0, fdinfo_read(pair.plain, after, sizeof(after)));
		ASSERT_STREQ(before[0], after);
		ASSERT_EQ(0, fdinfo_read(pair.access_only, after,
					 sizeof(after)));
		ASSERT_STREQ(before[1], after);
		usleep(20000);
	}
	ASSERT_EQ(0, close(pair.plain));
	ASSERT_ANSWER(EPERM, pair.access_only, self->own, R_OK);
	ASSERT_EQ(0, close(pair.access_only));
}

/* What a liar may send, and what the daemon is told. */
FIXTURE(liar)
{
	int dir;
	int ns;
	int daemon;
	int provider;
};

FIXTURE_VARIANT(liar)
{
	int (*thing)(void);
	int error;
};

static int a_pipe(void)
{
	int fds[2];

	return pipe(fds) ? -1 : fds[0];
}

static int a_directory(void)
{
	return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int a_user_namespace(void)
{
	return open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
}

static int an_o_path_credfd(void)
{
	int fd = sys_credfd_create(CREDFD_ACCESS_ONLY);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_PATH | O_CLOEXEC);
}

static int an_o_path_directory(void)
{
	return open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

FIXTURE_VARIANT_ADD(liar, pipe) {
	.thing = a_pipe,
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(liar, directory) {
	.thing = a_directory,
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(liar, user_namespace) {
	.thing = a_user_namespace,
	.error = EINVAL,
};

FIXTURE_VARIANT_ADD(liar, o_path_credfd) {
	.thing = an_o_path_credfd,
	.error = EBADF,
};

FIXTURE_VARIANT_ADD(liar, o_path_directory) {
	.thing = an_o_path_directory,
	.error = EBADF,
};

FIXTURE_SETUP(liar)
{
	const char *reason = credfd_unavailable_or_not_root();
	int sock[2];

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	self->dir = tmpfs_dir();
	ASSERT_LE(0, self->dir);
	self->ns = userns_open(MAP, MAP, NULL);
	ASSERT_LE(0, self->ns);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock));
	self->daemon = sock[0];
	self->provider = sock[1];
}

FIXTURE_TEARDOWN(liar)
{
}

/* Nothing that is not a credfd passes for one, whatever the daemon may do. */
TEST_F(liar, sends)
{
	pid_t provider;
	int fd;

	provider = fork();
	ASSERT_LE(0, provider);
	if (!provider) {
		ASSERT_EQ(0, close(self->daemon));
		ASSERT_EQ(0, enter_as(self->ns, PROVIDER));
		fd = variant->thing();
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, send_fd(self->provider, fd));
		wait_for_end(self->provider);
		_exit(0);
	}
	ASSERT_EQ(0, close(self->provider));

	ASSERT_EQ(0, enter_as(self->ns, 0));
	fd = recv_fd(self->daemon);
	ASSERT_LE(0, fd);
	for (int mode = 0; mode < NR_MODES; mode++)
		ASSERT_ANSWER(variant->error, fd, self->dir, mode);
	ASSERT_REFUSED(variant->error, fd);

	ASSERT_EQ(0, close(self->daemon));
	ASSERT_EQ(0, wait_exit(provider));
}

/* A number instead of the file that it stands for is not open, or is closed. */
TEST_F(stranger, number)
{
	pid_t provider;
	int fd;

	provider = fork();
	ASSERT_LE(0, provider);
	if (!provider) {
		ASSERT_EQ(0, close(self->daemon));
		ASSERT_EQ(0, enter_as(self->ns, PROVIDER));
		fd = sys_credfd_create(CREDFD_ACCESS_ONLY);
		ASSERT_LE(0, fd);
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 900);
		ASSERT_LE(900, fd);
		ASSERT_EQ(sizeof(fd), write(self->provider, &fd, sizeof(fd)));
		ASSERT_EQ(0, send_fd(self->provider, fd));
		wait_for_end(self->provider);
		_exit(0);
	}
	ASSERT_EQ(0, close(self->provider));

	ASSERT_EQ(0, enter_as(self->ns, 0));
	ASSERT_EQ(sizeof(fd), read(self->daemon, &fd, sizeof(fd)));
	ASSERT_LE(900, fd);
	for (int mode = 0; mode < NR_MODES; mode++)
		ASSERT_ANSWER(EBADF, fd, self->own, mode);
	ASSERT_REFUSED(EBADF, fd);

	fd = recv_fd(self->daemon);
	ASSERT_LE(0, fd);
	ASSERT_ANSWER(0, fd, self->own, R_OK);
	ASSERT_EQ(0, close(fd));
	ASSERT_ANSWER(EBADF, fd, self->own, R_OK);

	ASSERT_EQ(0, close(self->daemon));
	ASSERT_EQ(0, wait_exit(provider));
}

/* What the daemon and those who watch it have in common. */
struct watch {
	bool stop;
	long asked;
};

/* Asks and asks, about the provider, until it is told to stop. */
static int ask_until_stop(struct watch *watch, int sock, int credfd, int own,
			  int foreign)
{
	struct identity id;

	if (identity_read(&id))
		return 1;
	while (!__atomic_load_n(&watch->stop, __ATOMIC_RELAXED)) {
		if (access_errno(credfd, own, R_OK | W_OK) ||
		    access_errno(credfd, foreign, R_OK) != EACCES)
			return 2;
		if (!__atomic_fetch_add(&watch->asked, 1, __ATOMIC_RELAXED) &&
		    write(sock, "", 1) != 1)
			return 4;
	}
	return strcmp(identity_differs_now(&id), "nothing") ? 3 : 0;
}

/* Does /proc/PID/status have this line? */
static bool status_has(pid_t pid, const char *line)
{
	char path[64], status[4096];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	return !read_file(path, status, sizeof(status)) &&
	       strstr(status, line);
}

/* Tries to get hold of a process. The name of the first way that works. */
static const char *get_hold(pid_t pid)
{
	struct rlimit limit;
	int fd, pidfd, ret;
	char path[64];

	if (!ptrace(PTRACE_SEIZE, pid, 0, 0) || errno != EPERM)
		return "ptrace";
	if (!kill(pid, 0) || errno != EPERM)
		return "kill, signal 0";
	if (!kill(pid, SIGKILL) || errno != EPERM)
		return "kill";
	if (!prlimit(pid, RLIMIT_NOFILE, NULL, &limit) || errno != EPERM)
		return "prlimit";
	if (!setpriority(PRIO_PROCESS, pid, 19) || errno != EPERM)
		return "setpriority";

	pidfd = syscall(__NR_pidfd_open, pid, 0);
	if (pidfd < 0)
		return "nothing: pidfd_open failed";
	fd = syscall(__NR_pidfd_getfd, pidfd, 0, 0);
	ret = errno;
	close(pidfd);
	if (fd >= 0 || ret != EPERM)
		return "pidfd_getfd";

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 || errno != EACCES)
		return "/proc/PID/fd";
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 || errno != EACCES)
		return "/proc/PID/mem";
	return NULL;
}

/* While it asks about a user, the daemon is nothing that the user owns. */
TEST_F_TIMEOUT(stranger, no_handle_on_daemon, 300)
{
	struct watch *watch = shared_alloc(sizeof(*watch));
	const long rounds = credfd_loops() / 50 + 1;
	pid_t provider, daemon;
	struct pair pair;
	const char *way;
	long asked;

	ASSERT_TRUE(!!watch);
	daemon = fork();
	ASSERT_LE(0, daemon);
	if (!daemon) {
		close(self->provider);
		/* What protects it must not be that it cannot be dumped. */
		if (enter_as(self->ns, 0) || prctl(PR_SET_DUMPABLE, 1) ||
		    pair_recv(self->daemon, &pair))
			_exit(1);
		_exit(ask_until_stop(watch, self->daemon, pair.access_only,
				     self->own, self->foreign));
	}

	provider = fork();
	ASSERT_LE(0, provider);
	if (!provider) {
		char byte;

		ASSERT_EQ(0, close(self->daemon));
		ASSERT_EQ(0, enter_as(self->ns, PROVIDER));
		ASSERT_EQ(0, pair_create(&pair));
		ASSERT_EQ(0, pair_send(self->provider, &pair));
		ASSERT_EQ(1, read(self->provider, &byte, 1));

		asked = __atomic_load_n(&watch->asked, __ATOMIC_RELAXED);
		for (long i = 0; i < rounds; i++) {
			ASSERT_TRUE(status_has(daemon, "\nUid:\t0\t0\t0\t0\n"));
			ASSERT_TRUE(status_has(daemon, "\nGid:\t0\t0\t0\t0\n"));
			way = get_hold(daemon);
			ASSERT_EQ(NULL, way)
				TH_LOG("by %s: %s", way, strerror(errno));
		}
		/* It did ask all the time. */
		ASSERT_LT(asked, __atomic_load_n(&watch->asked,
						 __ATOMIC_RELAXED));
		_exit(0);
	}
	ASSERT_EQ(0, close(self->daemon));
	ASSERT_EQ(0, close(self->provider));
	EXPECT_EQ(0, wait_exit(provider));
	__atomic_store_n(&watch->stop, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, wait_exit(daemon));
	ASSERT_LT(0, watch->asked);
}

/* What the test before looks for is there when the identity is taken on. */
TEST_F(stranger, handle_by_activation)
{
	pid_t provider, daemon;
	struct pair pair;

	daemon = fork();
	ASSERT_LE(0, daemon);
	if (!daemon) {
		close(self->provider);
		if (enter_as(self->ns, 0) ||
		    write(self->daemon, "", 1) != 1 ||
		    pair_recv(self->daemon, &pair) ||
		    sys_credfd_activate(pair.plain, 0) ||
		    write(self->daemon, "", 1) != 1)
			_exit(1);
		wait_for_end(self->daemon);
		_exit(0);
	}

	provider = fork();
	ASSERT_LE(0, provider);
	if (!provider) {
		char byte;

		ASSERT_EQ(0, close(self->daemon));
		ASSERT_EQ(0, enter_as(self->ns, PROVIDER));
		ASSERT_EQ(0, pair_create(&pair));
		ASSERT_EQ(1, read(self->provider, &byte, 1));
		ASSERT_EQ(-1, kill(daemon, 0));
		ASSERT_EQ(EPERM, errno);
		ASSERT_TRUE(status_has(daemon, "\nUid:\t0\t0\t0\t0\n"));

		ASSERT_EQ(0, pair_send(self->provider, &pair));
		ASSERT_EQ(1, read(self->provider, &byte, 1));
		ASSERT_TRUE(status_has(daemon, "\nUid:\t5\t5\t5\t5\n"));
		ASSERT_EQ(0, kill(daemon, 0));
		ASSERT_STREQ("kill, signal 0", get_hold(daemon));
		_exit(0);
	}
	ASSERT_EQ(0, close(self->daemon));
	ASSERT_EQ(0, close(self->provider));
	EXPECT_EQ(0, wait_exit(provider));
	ASSERT_EQ(0, wait_exit(daemon));
}

/* Where setgroups() is denied, answers for other groups are as well. */
FIXTURE(groups)
{
	int ns;
	int file;	/* readable for EXTRA_GROUP */
};

FIXTURE_VARIANT(groups)
{
	const char *setgroups;
	int error;
};

FIXTURE_VARIANT_ADD(groups, allow) {
	.setgroups = "allow",
};

FIXTURE_VARIANT_ADD(groups, deny) {
	.setgroups = "deny",
	.error = EPERM,
};

FIXTURE_SETUP(groups)
{
	const char *reason = credfd_unavailable_or_not_root();
	int dir;

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	dir = tmpfs_dir();
	ASSERT_LE(0, dir);
	self->file = file_make(dir, "file", NEIGHBOUR, EXTRA_GROUP, 0640);
	ASSERT_LE(0, self->file);
	self->ns = userns_open("0 0 65536", "0 0 65536", variant->setgroups);
	ASSERT_LE(0, self->ns);
}

FIXTURE_TEARDOWN(groups)
{
}

struct member {
	int ns;
	int group;	/* 0: keep the supplementary groups there are */
};

static int become_member(const void *arg)
{
	const struct member *member = arg;
	const gid_t groups[] = { member->group };

	if (member->group && sys_setgroups(1, groups))
		return -1;
	if (sys_setns(member->ns, CLONE_NEWUSER))
		return -1;
	if (sys_setresgid(PROVIDER, PROVIDER, PROVIDER))
		return -1;
	return sys_setresuid(PROVIDER, PROVIDER, PROVIDER);
}

/* Other groups than the asker's: it could not have got them itself. */
TEST_F(groups, other)
{
	const struct member member = { self->ns, EXTRA_GROUP };
	int fd;

	fd = credfd_from_child(become_member, &member);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sys_setgroups(0, NULL));
	ASSERT_EQ(0, sys_setns(self->ns, CLONE_NEWUSER));

	if (variant->error) {
		for (int mode = 0; mode < NR_MODES; mode++)
			ASSERT_ANSWER(variant->error, fd, self->file, mode);
		return;
	}
	ASSERT_ANSWER(0, fd, self->file, R_OK);
	ASSERT_ANSWER(EACCES, fd, self->file, W_OK);
}

/* The same groups, because nobody set them since: there is an answer. */
TEST_F(groups, same)
{
	const gid_t groups[] = { EXTRA_GROUP };
	const struct member member = { self->ns, 0 };
	int fd;

	ASSERT_EQ(0, sys_setgroups(1, groups));
	fd = credfd_from_child(become_member, &member);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sys_setns(self->ns, CLONE_NEWUSER));
	ASSERT_ANSWER(0, fd, self->file, R_OK);
	ASSERT_ANSWER(EACCES, fd, self->file, W_OK);
}

/* Landlock: a sandbox where no regular file can be created. */
static int sandbox(void)
{
	const struct landlock_ruleset_attr attr = {
		.handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_REG,
	};
	int ruleset, ret;

	ruleset = syscall(__NR_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		return -1;
	ret = syscall(__NR_landlock_restrict_self, ruleset, 0);
	close(ruleset);
	return ret;
}

static int become_provider(const void *arg)
{
	return arg ? -1 : become_user(PROVIDER, PROVIDER);
}

static int become_sandboxed(const void *arg)
{
	return sandbox() ? -1 : become_provider(arg);
}

FIXTURE(domain)
{
	int dir;
	int file;
	int before;	/* the provider, not in any domain */
};

FIXTURE_SETUP(domain)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	if (syscall(__NR_landlock_create_ruleset, NULL, 0,
		    LANDLOCK_CREATE_RULESET_VERSION) < 0 && errno == EOPNOTSUPP)
		SKIP(return, "Landlock is not active");

	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	self->dir = tmpfs_dir();
	ASSERT_LE(0, self->dir);
	self->file = file_make(self->dir, "own", PROVIDER, PROVIDER, 0600);
	ASSERT_LE(0, self->file);
	self->before = credfd_from_child(become_provider, NULL);
	ASSERT_LE(0, self->before);
	ASSERT_ANSWER(0, self->before, self->file, R_OK);
}

FIXTURE_TEARDOWN(domain)
{
}

/* In a sandbox there is no answer under an identity from outside of it. */
TEST_F(domain, snapshot_before_restrict)
{
	int after;

	ASSERT_EQ(0, sandbox());
	for (int mode = 0; mode < NR_MODES; mode++)
		ASSERT_ANSWER(EPERM, self->before, self->file, mode);
	ASSERT_REFUSED(EPERM, self->before);

	after = credfd_from_child(become_provider, NULL);
	ASSERT_LE(0, after);
	ASSERT_ANSWER(0, after, self->file, R_OK);
	ASSERT_ANSWER(EACCES, after, self->file, X_OK);
}

/* To ask under an identity in a nested sandbox takes no more than to ask. */
TEST_F(domain, nested)
{
	int inner = credfd_from_child(become_sandboxed, NULL);

	ASSERT_LE(0, inner);
	ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_SYS_ADMIN)));
	ASSERT_ANSWER(0, inner, self->file, R_OK | W_OK);
	ASSERT_ANSWER(EACCES, inner, self->file, X_OK);

	/* To go there does. */
	ASSERT_EQ(0, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	ASSERT_REFUSED(EPERM, inner);

	/* The asker is still outside of it. */
	ASSERT_EQ(0, file_owner_check(self->dir, "file", 0, 0));
	ASSERT_ANSWER(0, self->before, self->file, R_OK);

	ASSERT_EQ(0, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	ASSERT_EQ(0, sys_credfd_activate(inner, 0));
	ASSERT_EQ(-EACCES, file_owner_check(self->dir, "file", PROVIDER,
					    PROVIDER));
}

/* Two sandboxes side by side have nothing to tell each other. */
TEST_F(domain, unrelated)
{
	int sibling = credfd_from_child(become_sandboxed, NULL);

	ASSERT_LE(0, sibling);
	ASSERT_EQ(0, sandbox());
	for (int mode = 0; mode < NR_MODES; mode++)
		ASSERT_ANSWER(EPERM, sibling, self->file, mode);
	ASSERT_REFUSED(EPERM, sibling);
}

TEST_HARNESS_MAIN
