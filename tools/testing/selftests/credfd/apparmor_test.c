// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: AppArmor's confinement cannot be left by an activation
 *
 * The profiles are in apparmor/. They are compiled when the tests are built, so
 * that the machine that runs the tests needs no parser.
 */

#include "audit.h"
#include "securityfs.h"

#include <sys/ptrace.h>

#define APPARMOR_CURRENT	"/proc/thread-self/attr/apparmor/current"
#define MAX_POLICY		0x100000

/* What each profile denies, and what credfd_foo denies after its replacement. */
#define DENIED_FOO		"/proc/uptime"
#define DENIED_BAR		"/proc/loadavg"
#define DENIED_HAT		"/proc/version"
#define DENIED_CHANGED		"/proc/meminfo"

#define FOO			"credfd_foo (enforce)"
#define FOO_AND_BAR		"credfd_bar//&credfd_foo (enforce)"

/* What the policies consist of. The last one is a whole policy namespace. */
static const char * const profiles[] = {
	"credfd_foo",
	"credfd_bar",
	"credfd_complain",
	"credfd_kill",
	"credfd_tracer",
	":credfd_ns:",
};

/* What libapparmor's functions write. */
static int become(const void *arg)
{
	const char *command = arg;

	return write_file(APPARMOR_CURRENT, command);
}

static const char *current_label(char *label, size_t size)
{
	if (read_file(APPARMOR_CURRENT, label, size))
		return strerror(errno);
	label[strcspn(label, "\n")] = '\0';
	return label;
}

#define ASSERT_LABEL(expected)						\
do {									\
	char __label[256];						\
									\
	ASSERT_STREQ(expected, current_label(__label, sizeof(__label)));\
} while (0)

/* 0 or -errno. */
static int may_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return close(fd);
}

/* Neither as whom to act nor as whom to ask, and the confinement stays. */
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

/* As whom to ask only. */
#define ASSERT_ASKABLE(fd)						\
do {									\
	char __before[256], __after[256];				\
	const int __fd = (fd);						\
									\
	current_label(__before, sizeof(__before));			\
	ASSERT_REFUSED(EACCES, __fd);					\
	ASSERT_EQ(0, sys_credfd_access(__fd, self->dir, F_OK, 0));	\
	ASSERT_STREQ(__before, current_label(__after, sizeof(__after)));\
} while (0)

#define ASSERT_ALLOWED(fd)						\
do {									\
	const int __fd = (fd);						\
									\
	ASSERT_EQ(0, sys_credfd_access(__fd, self->dir, F_OK, 0));	\
	ASSERT_EQ(0, sys_credfd_activate(__fd, 0));			\
} while (0)

/* Loads or replaces the profiles in a file that lies beside this program. */
static int policy_replace(int securityfs, const char *name)
{
	char path[4096], *slash;
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	void *policy;
	int fd, ret;

	if (len < 0)
		return -errno;
	path[len] = '\0';
	slash = strrchr(path, '/');
	snprintf(slash + 1, sizeof(path) - (slash + 1 - path), "%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;

	policy = malloc(MAX_POLICY);
	len = policy ? read(fd, policy, MAX_POLICY) : -1;
	ret = len < 0 ? -errno :
	      securityfs_write(securityfs, "apparmor/.replace", policy, len);
	free(policy);
	close(fd);
	return ret;
}

static int policy_remove(int securityfs, const char *profile)
{
	return securityfs_write(securityfs, "apparmor/.remove", profile,
				strlen(profile));
}

FIXTURE(apparmor)
{
	struct audit audit;
	bool loaded;
	int securityfs;
	int dir;
	int unconfined;
	int foo;
	int bar;
	int foo_and_bar;
};

FIXTURE_SETUP(apparmor)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	self->securityfs = securityfs_open();
	ASSERT_LE(0, self->securityfs);
	if (!lsm_active(self->securityfs, "apparmor"))
		SKIP(return, "AppArmor is not active");

	self->loaded = true;
	ASSERT_EQ(0, policy_replace(self->securityfs, "apparmor_initial.policy"))
		TH_LOG("No policy: was apparmor_parser there when this was built?");

	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	self->dir = tmpfs_dir();
	ASSERT_LE(0, self->dir);
	self->unconfined = sys_credfd_create(0);
	ASSERT_LE(0, self->unconfined);
	self->foo = credfd_from_child(become, "changeprofile credfd_foo");
	ASSERT_LE(0, self->foo);
	self->bar = credfd_from_child(become, "changeprofile credfd_bar");
	ASSERT_LE(0, self->bar);
	self->foo_and_bar = credfd_from_child(become,
					      "changeprofile credfd_foo//&credfd_bar");
	ASSERT_LE(0, self->foo_and_bar);
}

FIXTURE_TEARDOWN_PARENT(apparmor)
{
	int securityfs;

	EXPECT_EQ(0, audit_stop(&self->audit));
	if (!self->loaded)
		return;
	securityfs = securityfs_open();
	EXPECT_LE(0, securityfs);
	/* Some are not there in every test. */
	for (size_t i = 0; i < ARRAY_SIZE(profiles); i++)
		policy_remove(securityfs, profiles[i]);
	close(securityfs);
}

/* The round trip of a server, all under one profile. */
TEST_F(apparmor, round_trip)
{
	int root, user;

	ASSERT_EQ(0, become("changeprofile credfd_foo"));
	ASSERT_EQ(-EACCES, may_read(DENIED_FOO));
	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &root, &user));
	for (int round = 0; round < 3; round++) {
		ASSERT_ALLOWED(user);
		ASSERT_EQ(USER, geteuid());
		ASSERT_LABEL(FOO);
		ASSERT_EQ(-EACCES, may_read(DENIED_FOO));
		ASSERT_EQ(0, may_read(DENIED_BAR));
		ASSERT_ALLOWED(root);
		ASSERT_EQ(0, geteuid());
		ASSERT_LABEL(FOO);
		ASSERT_EQ(-EACCES, may_read(DENIED_FOO));
	}
}

/* The attack: what was prepared before the profile would lift it. */
TEST_F(apparmor, to_unconfined)
{
	ASSERT_EQ(0, become("changeprofile credfd_foo"));
	ASSERT_CONFINED(self->unconfined);
	ASSERT_LABEL(FOO);
	ASSERT_EQ(-EACCES, may_read(DENIED_FOO));
}

/* The same with a snapshot that was in force when the profile was entered. */
TEST_F(apparmor, to_unconfined_in_force)
{
	ASSERT_EQ(0, sys_credfd_activate(self->unconfined, 0));
	ASSERT_EQ(0, become("changeprofile credfd_foo"));
	ASSERT_CONFINED(self->unconfined);
	ASSERT_EQ(-EACCES, may_read(DENIED_FOO));
}

/* One profile instead of the other takes away nothing less, but other things. */
TEST_F(apparmor, to_another_profile)
{
	ASSERT_EQ(0, become("changeprofile credfd_foo"));
	ASSERT_CONFINED(self->bar);
	ASSERT_EQ(-EACCES, may_read(DENIED_FOO));
	ASSERT_EQ(0, may_read(DENIED_BAR));
}

/* None of the profiles of a stack can be left. */
TEST_F(apparmor, out_of_stack)
{
	ASSERT_EQ(0, become("changeprofile credfd_foo//&credfd_bar"));
	ASSERT_LABEL(FOO_AND_BAR);
	ASSERT_CONFINED(self->foo);
	ASSERT_CONFINED(self->bar);
	ASSERT_CONFINED(self->unconfined);
	ASSERT_EQ(-EACCES, may_read(DENIED_FOO));
	ASSERT_EQ(-EACCES, may_read(DENIED_BAR));
	ASSERT_ALLOWED(self->foo_and_bar);
}

/* Stacking another profile on top only confines, and there is no way back. */
TEST_F(apparmor, into_stack)
{
	ASSERT_EQ(0, become("changeprofile credfd_foo"));
	ASSERT_EQ(0, may_read(DENIED_BAR));

	ASSERT_ALLOWED(self->foo_and_bar);
	ASSERT_LABEL(FOO_AND_BAR);
	ASSERT_EQ(-EACCES, may_read(DENIED_FOO));
	ASSERT_EQ(-EACCES, may_read(DENIED_BAR));
	ASSERT_CONFINED(self->foo);
	ASSERT_CONFINED(self->unconfined);
}

/* Not even who is unconfined can leave that but by stacking. */
TEST_F(apparmor, from_unconfined)
{
	int stack = credfd_from_child(become, "stack credfd_foo");

	ASSERT_LE(0, stack);
	ASSERT_ASKABLE(self->foo);
	ASSERT_ASKABLE(self->foo_and_bar);
	ASSERT_EQ(0, may_read(DENIED_FOO));

	ASSERT_ALLOWED(stack);
	ASSERT_LABEL("credfd_foo//&unconfined (enforce)");
	ASSERT_EQ(-EACCES, may_read(DENIED_FOO));
	ASSERT_CONFINED(self->unconfined);
	ASSERT_CONFINED(self->bar);
	ASSERT_ASKABLE(self->foo);
}

/* A hat is not left without the token, nor entered, nor stacked on. */
TEST_F(apparmor, hat)
{
	int parent, hat, stack;

	ASSERT_EQ(0, become("changeprofile credfd_foo"));
	parent = sys_credfd_create(0);
	ASSERT_LE(0, parent);
	hat = credfd_from_child(become, "changehat 1234^hat");
	ASSERT_LE(0, hat);
	stack = credfd_from_child(become,
				  "changeprofile credfd_foo//hat//&credfd_bar");
	ASSERT_LE(0, stack);
	ASSERT_CONFINED(hat);

	ASSERT_EQ(0, become("changehat abcd^hat"));
	ASSERT_LABEL("credfd_foo//hat (enforce)");
	ASSERT_EQ(-EACCES, may_read(DENIED_HAT));
	ASSERT_EQ(0, may_read(DENIED_FOO));

	ASSERT_CONFINED(parent);
	ASSERT_CONFINED(self->foo);
	ASSERT_CONFINED(self->unconfined);
	ASSERT_CONFINED(stack);
	ASSERT_EQ(-EACCES, may_read(DENIED_HAT));

	/* The same hat will do, wherever it comes from. */
	ASSERT_ALLOWED(hat);
	ASSERT_LABEL("credfd_foo//hat (enforce)");
	ASSERT_CONFINED(parent);

	/* The token is still that of the task. */
	ASSERT_EQ(0, become("changehat abcd^"));
	ASSERT_LABEL(FOO);
	ASSERT_CONFINED(hat);
	ASSERT_ALLOWED(parent);
	ASSERT_EQ(0, may_read(DENIED_HAT));
	ASSERT_EQ(-EACCES, may_read(DENIED_FOO));
}

/* The round trip of a server that handles requests in a hat. */
TEST_F(apparmor, hat_round_trip)
{
	int root, user;

	ASSERT_EQ(0, become("changeprofile credfd_foo"));
	for (int round = 0; round < 3; round++) {
		ASSERT_EQ(0, become("changehat abcd^hat"));
		ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &root,
					 &user));
		ASSERT_ALLOWED(user);
		ASSERT_EQ(USER, geteuid());
		ASSERT_EQ(-EACCES, may_read(DENIED_HAT));
		ASSERT_ALLOWED(root);
		ASSERT_EQ(0, become("changehat abcd^"));
		ASSERT_LABEL(FOO);
		ASSERT_CONFINED(user);
	}
}

/* Who is born in a hat is in it as well. */
TEST_F(apparmor, hat_child)
{
	pid_t pid;

	ASSERT_EQ(0, become("changeprofile credfd_foo"));
	ASSERT_EQ(0, become("changehat abcd^hat"));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		ASSERT_CONFINED(self->foo);
		ASSERT_EQ(-EACCES, may_read(DENIED_HAT));
		ASSERT_EQ(0, become("changehat abcd^"));
		ASSERT_ALLOWED(self->foo);
		_exit(0);
	}
	ASSERT_EQ(0, wait_exit(pid));
}

/* A subprofile that was not entered by its token is a profile like any other. */
TEST_F(apparmor, subprofile)
{
	int stack = credfd_from_child(become,
				      "changeprofile credfd_foo//hat//&credfd_bar");

	ASSERT_LE(0, stack);
	ASSERT_EQ(0, become("changeprofile credfd_foo//hat"));
	ASSERT_CONFINED(self->foo);
	ASSERT_ALLOWED(stack);
	ASSERT_EQ(-EACCES, may_read(DENIED_HAT));
	ASSERT_EQ(-EACCES, may_read(DENIED_BAR));
	ASSERT_CONFINED(self->bar);
}

/* A pool of snapshots outlives a reload of the policy, and obeys the new one. */
TEST_F(apparmor, policy_replaced)
{
	static const char * const policies[] = {
		"apparmor_initial.policy",	/* as it was */
		"apparmor_changed.policy",
		"apparmor_initial.policy",
	};
	int root, user;

	ASSERT_EQ(0, become("changeprofile credfd_foo"));
	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &root, &user));
	ASSERT_EQ(0, may_read(DENIED_CHANGED));

	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		ASSERT_EQ(0, policy_replace(self->securityfs, policies[i]));
		for (int round = 0; round < 2; round++) {
			ASSERT_ALLOWED(user);
			ASSERT_EQ(USER, geteuid());
			ASSERT_LABEL(FOO);
			ASSERT_EQ(-EACCES, may_read(DENIED_FOO));
			ASSERT_EQ(i == 1 ? -EACCES : 0,
				  may_read(DENIED_CHANGED));
			ASSERT_CONFINED(self->unconfined);
			ASSERT_CONFINED(self->bar);
			ASSERT_ALLOWED(root);
			ASSERT_EQ(0, geteuid());
			ASSERT_EQ(i == 1 ? -EACCES : 0,
				  may_read(DENIED_CHANGED));
		}
	}
}

/* The profiles of a stack are compared as they are now, too. */
TEST_F(apparmor, policy_replaced_stack)
{
	ASSERT_EQ(0, become("changeprofile credfd_foo"));
	ASSERT_EQ(0, policy_replace(self->securityfs, "apparmor_changed.policy"));
	ASSERT_ALLOWED(self->foo_and_bar);
	ASSERT_LABEL(FOO_AND_BAR);
	ASSERT_EQ(-EACCES, may_read(DENIED_CHANGED));
	ASSERT_EQ(-EACCES, may_read(DENIED_BAR));
	ASSERT_CONFINED(self->foo);
	ASSERT_CONFINED(self->bar);
	ASSERT_ALLOWED(self->foo_and_bar);
}

/* The latest policy counts, even if a snapshot has missed several. */
TEST_F(apparmor, policy_replaced_twice)
{
	ASSERT_EQ(0, policy_replace(self->securityfs, "apparmor_changed.policy"));
	ASSERT_EQ(0, become("changeprofile credfd_foo//&credfd_bar"));
	ASSERT_EQ(-EACCES, may_read(DENIED_CHANGED));
	ASSERT_EQ(0, policy_replace(self->securityfs, "apparmor_initial.policy"));
	ASSERT_EQ(0, may_read(DENIED_CHANGED));
	ASSERT_ALLOWED(self->foo_and_bar);
	ASSERT_EQ(0, may_read(DENIED_CHANGED));
}

/* A hat goes with its profile. */
TEST_F(apparmor, policy_replaced_hat)
{
	int parent, hat;

	ASSERT_EQ(0, become("changeprofile credfd_foo"));
	parent = sys_credfd_create(0);
	ASSERT_LE(0, parent);
	ASSERT_EQ(0, become("changehat abcd^hat"));
	hat = sys_credfd_create(0);
	ASSERT_LE(0, hat);

	ASSERT_EQ(0, policy_replace(self->securityfs, "apparmor_changed.policy"));
	ASSERT_CONFINED(parent);
	ASSERT_ALLOWED(hat);
	ASSERT_EQ(-EACCES, may_read(DENIED_HAT));
	ASSERT_EQ(-EACCES, may_read(DENIED_CHANGED));
	ASSERT_EQ(0, become("changehat abcd^"));
	ASSERT_LABEL(FOO);
	ASSERT_ALLOWED(parent);
	ASSERT_CONFINED(hat);
}

/*
 * Whose profile is removed is unconfined, and so is a snapshot with it. Who is
 * confined by something else does not get out with that.
 */
TEST_F(apparmor, policy_removed)
{
	ASSERT_EQ(0, become("changeprofile credfd_bar"));
	ASSERT_EQ(0, policy_remove(self->securityfs, "credfd_foo"));
	ASSERT_CONFINED(self->foo);
	ASSERT_EQ(-EACCES, may_read(DENIED_BAR));

	/* A new profile of that name is another one. */
	ASSERT_EQ(0, policy_replace(self->securityfs, "apparmor_initial.policy"));
	ASSERT_CONFINED(self->foo);
	ASSERT_EQ(0, become("changeprofile credfd_foo"));
	ASSERT_LABEL(FOO);
	ASSERT_CONFINED(self->foo);
	ASSERT_EQ(-EACCES, may_read(DENIED_FOO));
}

/* Who is unconfined by the removal itself may stay so. */
TEST_F(apparmor, policy_removed_from_caller)
{
	ASSERT_EQ(0, become("changeprofile credfd_foo"));
	ASSERT_EQ(0, policy_remove(self->securityfs, "credfd_foo"));
	ASSERT_LABEL("unconfined");
	ASSERT_EQ(0, may_read(DENIED_FOO));
	ASSERT_ASKABLE(self->bar);
	ASSERT_ALLOWED(self->foo);
	ASSERT_LABEL("unconfined");
	ASSERT_ALLOWED(self->unconfined);
	ASSERT_LABEL("unconfined");
}

/* One profile of a stack is removed: the other one is still in force. */
TEST_F(apparmor, policy_removed_from_stack)
{
	ASSERT_EQ(0, become("changeprofile credfd_foo//&credfd_bar"));
	ASSERT_EQ(0, policy_remove(self->securityfs, "credfd_foo"));
	ASSERT_CONFINED(self->foo);
	ASSERT_CONFINED(self->unconfined);
	ASSERT_ALLOWED(self->foo_and_bar);
	ASSERT_CONFINED(self->foo);
	ASSERT_EQ(0, may_read(DENIED_FOO));
	ASSERT_EQ(-EACCES, may_read(DENIED_BAR));
}

/* A policy namespace is not left, nor entered, though both are unconfined. */
TEST_F(apparmor, policy_namespace)
{
	int inside;

	ASSERT_EQ(0, policy_replace(self->securityfs, "apparmor_namespace.policy"));
	inside = credfd_from_child(become, "changeprofile :credfd_ns:unconfined");
	ASSERT_LE(0, inside);
	ASSERT_CONFINED(inside);

	ASSERT_EQ(0, become("changeprofile :credfd_ns:unconfined"));
	ASSERT_CONFINED(self->unconfined);
	ASSERT_CONFINED(self->foo);
	ASSERT_ALLOWED(inside);
}

/* The same for one that is stacked, as container managers do it. */
TEST_F(apparmor, policy_namespace_stack)
{
	int inside, stack;

	ASSERT_EQ(0, policy_replace(self->securityfs, "apparmor_namespace.policy"));
	inside = credfd_from_child(become, "changeprofile :credfd_ns:unconfined");
	ASSERT_LE(0, inside);
	stack = credfd_from_child(become, "stack :credfd_ns:unconfined");
	ASSERT_LE(0, stack);
	ASSERT_CONFINED(stack);

	ASSERT_EQ(0, become("stack :credfd_ns:unconfined"));
	ASSERT_CONFINED(self->unconfined);
	ASSERT_ASKABLE(inside);
	ASSERT_ALLOWED(stack);
}

/* Runs in a child that is traced by its parent. No signal may stop it. */
static void trace_me(struct __test_metadata *_metadata)
{
	ASSERT_EQ(0, become("changeprofile credfd_foo"));
	ASSERT_EQ(0, ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

/* A tracer that is confined must be one that may trace the new stack. */
TEST_F(apparmor, traced_by_confined)
{
	pid_t pid;

	ASSERT_EQ(0, become("changeprofile credfd_tracer"));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		trace_me(_metadata);
		ASSERT_EQ(-1, become("stack credfd_bar"));
		ASSERT_EQ(EACCES, errno);
		/* Who only asks remains what the tracer may trace. */
		ASSERT_ASKABLE(self->foo_and_bar);
		ASSERT_LABEL(FOO);
		ASSERT_EQ(0, may_read(DENIED_BAR));
		ASSERT_ALLOWED(self->foo);
		_exit(0);
	}
	ASSERT_EQ(0, wait_exit(pid));
}

/* One that is not confined traces anything. */
TEST_F(apparmor, traced_by_unconfined)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		trace_me(_metadata);
		ASSERT_ALLOWED(self->foo_and_bar);
		ASSERT_EQ(-EACCES, may_read(DENIED_BAR));
		ASSERT_CONFINED(self->foo);
		_exit(0);
	}
	ASSERT_EQ(0, wait_exit(pid));
}

/* No_new_privs takes nothing away from it, and adds nothing. */
TEST_F(apparmor, no_new_privs)
{
	int root, user;

	ASSERT_EQ(0, become("changeprofile credfd_foo"));
	ASSERT_EQ(0, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &root, &user));
	ASSERT_ALLOWED(user);
	ASSERT_ALLOWED(root);
	ASSERT_CONFINED(self->unconfined);
	ASSERT_CONFINED(self->bar);
	ASSERT_ALLOWED(self->foo_and_bar);
	ASSERT_CONFINED(self->foo);

	/* What AppArmor itself allows from here on is still stacking alone. */
	ASSERT_EQ(-1, become("changeprofile credfd_foo"));
	ASSERT_EQ(EPERM, errno);
}

/* The same from where there is no profile yet. */
TEST_F(apparmor, no_new_privs_unconfined)
{
	int stack = credfd_from_child(become, "stack credfd_foo");

	ASSERT_LE(0, stack);
	ASSERT_EQ(0, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	ASSERT_ASKABLE(self->foo);
	ASSERT_ALLOWED(stack);
	ASSERT_EQ(-EACCES, may_read(DENIED_FOO));
	ASSERT_CONFINED(self->unconfined);
}

/* A profile in complain mode can only be added to, like any other. */
TEST_F(apparmor, complain)
{
	int stack;

	ASSERT_EQ(0, become("changeprofile credfd_complain"));
	stack = credfd_from_child(become, "stack credfd_bar");
	ASSERT_LE(0, stack);
	ASSERT_CONFINED(self->bar);
	ASSERT_CONFINED(self->unconfined);
	ASSERT_ALLOWED(stack);
	ASSERT_EQ(-EACCES, may_read(DENIED_BAR));
	ASSERT_CONFINED(self->bar);
}

/* It does not let pass what another one in the stack refuses, ... */
TEST_F(apparmor, complain_in_stack)
{
	ASSERT_EQ(0, become("changeprofile credfd_foo//&credfd_complain"));
	ASSERT_CONFINED(self->unconfined);
	ASSERT_CONFINED(self->foo);
	ASSERT_CONFINED(self->bar);
	ASSERT_EQ(-EACCES, may_read(DENIED_FOO));
}

/* ... even if it is in a policy namespace of its own. */
TEST_F(apparmor, complain_in_namespace)
{
	ASSERT_EQ(0, policy_replace(self->securityfs, "apparmor_namespace.policy"));
	ASSERT_EQ(0, become("changeprofile credfd_foo//&:credfd_ns:credfd_complain"));
	ASSERT_CONFINED(self->unconfined);
	ASSERT_CONFINED(self->foo);
	ASSERT_CONFINED(self->bar);
	ASSERT_EQ(-EACCES, may_read(DENIED_FOO));
}

/* The token that leads out of a hat leads out of nothing else. */
TEST_F(apparmor, complain_hat)
{
	ASSERT_EQ(0, become("changeprofile credfd_complain"));
	ASSERT_EQ(0, become("changehat abcd^hat"));
	ASSERT_LABEL("credfd_complain//hat (complain)");
	ASSERT_CONFINED(self->bar);
	ASSERT_EQ(0, become("changehat abcd^"));
	ASSERT_LABEL("credfd_complain (complain)");
}

/* No profile lifts no_new_privs. */
TEST_F(apparmor, complain_no_new_privs)
{
	ASSERT_EQ(0, become("changeprofile credfd_complain"));
	ASSERT_EQ(0, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	ASSERT_EQ(-1, become("changeprofile credfd_bar"));
	ASSERT_EQ(EPERM, errno);
	ASSERT_CONFINED(self->bar);
	ASSERT_CONFINED(self->unconfined);
}

/* An attempt is an error, not a crime. */
TEST_F(apparmor, kill)
{
	ASSERT_EQ(0, become("changeprofile credfd_kill"));
	ASSERT_CONFINED(self->unconfined);
	ASSERT_LABEL("credfd_kill (kill)");
}

/* The next record of AppArmor's about an activation. */
static const char *next_apparmor(const struct audit *audit,
				 struct audit_msg *msg)
{
	const char *text;

	do {
		text = audit_next(audit, AUDIT_AVC, msg);
	} while (strstr(text, "apparmor=\"STATUS\""));
	return text;
}

/* What is looked for in a text if it is there, or else the text. */
static const char *find(const char *text, const char *what)
{
	return strstr(text, what) ? what : text;
}

#define EXPECT_HOLDS(what, text)					\
do {									\
	const char *__what = (what);					\
									\
	EXPECT_STREQ(__what, find(text, __what));			\
} while (0)

/* A refusal is logged as AppArmor's refusals are. */
TEST_F(apparmor, audit_denied)
{
	struct audit_msg msg;
	const char *text;

	ASSERT_EQ(0, audit_start(&self->audit, __NR_credfd_activate));
	ASSERT_EQ(0, become("changeprofile credfd_foo"));
	ASSERT_REFUSED(EACCES, self->bar);

	text = next_apparmor(&self->audit, &msg);
	EXPECT_HOLDS("apparmor=\"DENIED\"", text);
	EXPECT_HOLDS("operation=\"cred_activate\"", text);
	EXPECT_HOLDS("profile=\"credfd_foo\"", text);
	EXPECT_HOLDS("target=\"credfd_bar\"", text);

	ASSERT_EQ(-1, sys_credfd_access(self->unconfined, self->dir, F_OK, 0));
	text = next_apparmor(&self->audit, &msg);
	EXPECT_HOLDS("apparmor=\"DENIED\"", text);
	EXPECT_HOLDS("operation=\"cred_activate\"", text);
	EXPECT_HOLDS("target=\"unconfined\"", text);
}

/* So it is under a profile in complain mode. */
TEST_F(apparmor, audit_complain)
{
	struct audit_msg msg;
	const char *text;

	ASSERT_EQ(0, audit_start(&self->audit, __NR_credfd_activate));
	ASSERT_EQ(0, become("changeprofile credfd_complain"));
	ASSERT_REFUSED(EACCES, self->bar);

	text = next_apparmor(&self->audit, &msg);
	EXPECT_HOLDS("apparmor=\"DENIED\"", text);
	EXPECT_HOLDS("operation=\"cred_activate\"", text);
	EXPECT_HOLDS("profile=\"credfd_complain\"", text);
	EXPECT_HOLDS("target=\"credfd_bar\"", text);
}

/* The audit record of an activation holds the labels before and after it. */
TEST_F(apparmor, audit_subjects)
{
	struct audit_msg msg;
	char value[256];
	const char *text;
	pid_t pid;

	ASSERT_EQ(0, audit_start(&self->audit, __NR_credfd_activate));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		ASSERT_EQ(0, become("changeprofile credfd_foo"));
		ASSERT_EQ(0, sys_credfd_activate(self->foo_and_bar, 0));
		ASSERT_EQ(-1, sys_credfd_activate(self->foo, 0));
		_exit(0);
	}
	ASSERT_EQ(0, wait_exit(pid));

	text = audit_next(&self->audit, AUDIT_CRED_ACTIVATE, &msg);
	EXPECT_STREQ("credfd_foo",
		     audit_field(text, "old-subj", value, sizeof(value)));
	EXPECT_STREQ("credfd_bar//&credfd_foo",
		     audit_field(text, "new-subj", value, sizeof(value)));

	/* The attempt that was refused. */
	text = audit_next(&self->audit, AUDIT_CRED_ACTIVATE, &msg);
	EXPECT_STREQ("credfd_bar//&credfd_foo",
		     audit_field(text, "old-subj", value, sizeof(value)));
	EXPECT_STREQ("credfd_foo",
		     audit_field(text, "new-subj", value, sizeof(value)));
}

TEST_HARNESS_MAIN
