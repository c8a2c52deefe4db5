// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: close, fork and exec, with no_new_privs and seccomp
 */

#include "credfd.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>

/* What this program reports about itself when it is run by the exec tests. */
struct report {
	struct identity id;
	int fd_errno;		/* of an activation of the given fd */
};

FIXTURE(lifecycle)
{
	int dir;
	int exe;
	int root;
	int user;
	struct identity root_id;
	struct identity user_id;
};

FIXTURE_SETUP(lifecycle)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	self->dir = tmpfs_dir();
	ASSERT_LE(0, self->dir);
	self->exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, self->exe);

	ASSERT_EQ(0, identity_read(&self->root_id));
	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &self->root,
				 &self->user));
	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	ASSERT_EQ(0, identity_read(&self->user_id));
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
}

FIXTURE_TEARDOWN(lifecycle)
{
}

/* The identity does not end with the file descriptor. */
TEST_F(lifecycle, close_while_active)
{
	int again;

	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	ASSERT_EQ(0, close(self->user));
	ASSERT_EQ(-1, sys_credfd_activate(self->user, 0));
	ASSERT_EQ(EBADF, errno);
	ASSERT_STREQ("nothing", identity_differs_now(&self->user_id));
	ASSERT_EQ(0, file_owner_check(self->dir, "file", USER, GROUP));

	/* It can be taken again from the thread that has it. */
	again = sys_credfd_create(0);
	ASSERT_LE(0, again);
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
	ASSERT_STREQ("nothing", identity_differs_now(&self->root_id));
	ASSERT_EQ(0, sys_credfd_activate(again, 0));
	ASSERT_STREQ("nothing", identity_differs_now(&self->user_id));
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
}

/* A child is the user as well, and goes its own way. */
TEST_F(lifecycle, fork_while_switched)
{
	pid_t pid;

	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		ASSERT_STREQ("nothing", identity_differs_now(&self->user_id));
		ASSERT_EQ(0, file_owner_check(self->dir, "file", USER, GROUP));
		ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
		ASSERT_STREQ("nothing", identity_differs_now(&self->root_id));
		ASSERT_EQ(0, file_owner_check(self->dir, "file", 0, 0));
		_exit(0);
	}
	ASSERT_EQ(0, wait_exit(pid));
	ASSERT_STREQ("nothing", identity_differs_now(&self->user_id));
}

struct vm_child {
	int root;
	const struct identity *user_id;
	const char *born;
	int activated;
	uid_t euid;
};

static int vm_child_main(void *arg)
{
	struct vm_child *child = arg;

	child->born = identity_differs_now(child->user_id);
	child->activated = sys_credfd_activate(child->root, 0);
	child->euid = geteuid();
	return 0;
}

/* The same with a child that shares the memory, and dumpability with it. */
TEST_F(lifecycle, vfork_while_switched)
{
	const size_t size = 64 * 1024;
	struct vm_child child = {
		.root = self->root,
		.user_id = &self->user_id,
		.activated = -1,
		.euid = -1,
	};
	char *stack;
	pid_t pid;

	stack = mmap(NULL, size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	ASSERT_TRUE(stack != MAP_FAILED);

	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	/* From the middle, in whatever direction it grows. */
	pid = clone(vm_child_main, stack + size / 2,
		    CLONE_VM | CLONE_VFORK | SIGCHLD, &child);
	ASSERT_LE(0, pid);
	ASSERT_EQ(0, wait_exit(pid));
	ASSERT_STREQ("nothing", child.born);
	ASSERT_EQ(0, child.activated);
	ASSERT_EQ(0, child.euid);
	ASSERT_STREQ("nothing", identity_differs_now(&self->user_id));
}

/* Runs this program as a reporter, after @become did its part in a child. */
static int report_after(int exe, int (*become)(const void *arg),
			const void *arg, int fd, struct report *report)
{
	char out_arg[16], fd_arg[16];
	char *const argv[] = { "lifecycle_test", "--report", out_arg, fd_arg,
			       NULL };
	char *const envp[] = { NULL };
	ssize_t len = -1;
	int out[2];
	pid_t pid;

	if (pipe(out))
		return -1;
	snprintf(out_arg, sizeof(out_arg), "%d", out[1]);
	snprintf(fd_arg, sizeof(fd_arg), "%d", fd);

	pid = fork();
	if (!pid) {
		if (become(arg))
			_exit(99);
		syscall(__NR_execveat, exe, "", argv, envp, AT_EMPTY_PATH);
		_exit(98);
	}
	close(out[1]);
	if (pid > 0) {
		len = read(out[0], report, sizeof(*report));
		if (wait_exit(pid))
			len = -1;
	}
	close(out[0]);
	return len == sizeof(*report) ? 0 : -1;
}

static int report_main(int argc, char **argv)
{
	struct report report;
	int out, fd;

	if (argc != 4 || identity_read(&report.id))
		return 1;
	out = atoi(argv[2]);
	fd = atoi(argv[3]);

	if (prctl(PR_SET_DUMPABLE, 0))
		return 2;
	report.fd_errno = sys_credfd_activate(fd, 0) ? errno : 0;
	return write(out, &report, sizeof(report)) != sizeof(report);
}

static int become_by_credfd(const void *arg)
{
	const int *fd = arg;

	return sys_credfd_activate(*fd, 0);
}

static int become_by_setid(const void *arg)
{
	return arg ? -1 : become_ganesha(USER, GROUP);
}

/* execve() after a switch gives what it gives after the set*id() calls. */
TEST_F(lifecycle, exec_while_switched)
{
	struct report by_credfd, by_setid;

	ASSERT_EQ(0, report_after(self->exe, become_by_credfd, &self->user,
				  self->root, &by_credfd));
	ASSERT_EQ(0, report_after(self->exe, become_by_setid, NULL, self->root,
				  &by_setid));

	ASSERT_EQ(USER, by_setid.id.uid[1]);
	ASSERT_STREQ("nothing", identity_differ(&by_setid.id, &by_credfd.id));
}

/* A credfd is gone after execve(), unless told to stay. */
TEST_F(lifecycle, exec_and_close)
{
	struct report report;

	ASSERT_EQ(0, report_after(self->exe, become_by_credfd, &self->root,
				  self->user, &report));
	ASSERT_EQ(EBADF, report.fd_errno);

	ASSERT_EQ(0, fcntl(self->user, F_SETFD, 0));
	ASSERT_EQ(0, report_after(self->exe, become_by_credfd, &self->root,
				  self->user, &report));
	ASSERT_EQ(0, report.fd_errno);

	/* It is as good as any: it takes capabilities. */
	ASSERT_EQ(0, fcntl(self->root, F_SETFD, 0));
	ASSERT_EQ(0, caps_restrict(CAPS_SETID));
	ASSERT_EQ(0, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	self->user = sys_credfd_create(0);
	ASSERT_LE(0, self->user);
	ASSERT_EQ(0, report_after(self->exe, become_by_credfd, &self->user,
				  self->root, &report));
	ASSERT_EQ(EPERM, report.fd_errno);
}

FIXTURE(no_new_privs)
{
	int exe;
};

FIXTURE_VARIANT(no_new_privs)
{
	bool set;
};

/* To show that there is something to be gained. */
FIXTURE_VARIANT_ADD(no_new_privs, off) {
	.set = false,
};

FIXTURE_VARIANT_ADD(no_new_privs, on) {
	.set = true,
};

FIXTURE_SETUP(no_new_privs)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	self->exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, self->exe);
}

FIXTURE_TEARDOWN(no_new_privs)
{
}

/* no_new_privs is not about switching; execve() after it still gains nothing. */
TEST_F(no_new_privs, exec)
{
	struct report report;
	struct identity before;
	int root, user;

	ASSERT_EQ(0, caps_restrict(CAPS_SETID));
	if (variant->set)
		ASSERT_EQ(0, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	ASSERT_EQ(0, identity_read(&before));
	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &root, &user));
	ASSERT_EQ(0, sys_credfd_activate(user, 0));
	ASSERT_EQ(0, sys_credfd_activate(root, 0));
	ASSERT_STREQ("nothing", identity_differs_now(&before));
	ASSERT_EQ(variant->set, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, report_after(self->exe, become_by_credfd,
					  i ? &user : &root, -1, &report));
		ASSERT_EQ(variant->set, report.id.no_new_privs);
		ASSERT_EQ(variant->set ? CAPS_SETID : before.bounding,
			  report.id.caps.permitted);
		ASSERT_EQ(before.bounding, report.id.bounding);
	}
}

/* A seccomp filter sees the switch like any other call. */
TEST_F(lifecycle, seccomp)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_credfd_activate, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOTTY),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {
		.len = ARRAY_SIZE(insns),
		.filter = insns,
	};

	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	ASSERT_EQ(0, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	ASSERT_EQ(0, prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0));

	ASSERT_REFUSED(ENOTTY, self->root);
	ASSERT_STREQ("nothing", identity_differs_now(&self->user_id));
	ASSERT_LE(0, sys_credfd_create(0));
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--report"))
		return report_main(argc, argv);
	return test_harness_run(argc, argv);
}
