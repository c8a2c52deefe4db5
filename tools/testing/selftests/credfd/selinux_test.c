// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: SELinux decides who may take on whose context
 *
 * The policies are compiled when the tests are built, see selinux/mkpolicy.sh,
 * and are looked for beside this program. Each test loads the one it needs.
 *
 * Tests begin in base_t, which may do everything. They make the credfds of other
 * domains there, and then go to the domain that is to be tested.
 */

#include "audit.h"

#include <endian.h>
#include <limits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/xattr.h>

#define SELINUXFS		"/sys/fs/selinux"
#define SELF_ATTR(name)		"/proc/thread-self/attr/" name

#define DOMAIN(name)		"user_u:base_r:" name "_t"
#define BASE			DOMAIN("base")
#define SERVER			DOMAIN("credfd_server")
#define USER_DOMAIN		DOMAIN("credfd_user")
#define OTHER			DOMAIN("credfd_other")
#define ACCESS			DOMAIN("credfd_access")
#define PLAIN			DOMAIN("credfd_plain")
#define TRACER			DOMAIN("credfd_tracer")
#define NOCREATE		DOMAIN("credfd_nocreate")
#define NORECEIVE		DOMAIN("credfd_noreceive")
#define NOUSE			DOMAIN("credfd_nouse")
#define GONE			DOMAIN("credfd_gone")
#define CREDFD_CONTEXT		"user_u:object_r:credfd_fd_t"
#define FILE_CONTEXT		"user_u:object_r:credfd_file_t"

#define CONTEXT_SIZE		256

/* The policy */

#define POLICYDB_CAP_CREDFD	15

/*
 * Sets or clears the policy capability "credfd" in a binary policy, as long as
 * the policy compiler does not know its name. The kernel's policydb_read() has
 * the layout: a magic number, the length of an identification, that one, the
 * version, the configuration and the numbers of two kinds of tables. There the
 * bitmap of policy capabilities begins, with the number of bits per map, the
 * highest bit and the number of maps. For each map, the number of its first bit
 * and its bits follow. All is in little endian.
 */
static int policy_set_capability(char *policy, size_t size, bool on)
{
	const size_t before = 4 * sizeof(__u32), bitmap = 3 * sizeof(__u32);
	__u32 magic, length, header[3], first;
	size_t pos = 2 * sizeof(__u32);
	__u64 bits;

	if (size < pos)
		return -1;
	memcpy(&magic, policy, sizeof(magic));
	memcpy(&length, policy + sizeof(magic), sizeof(length));
	if (le32toh(magic) != 0xf97cff8c || le32toh(length) > NAME_MAX)
		return -1;

	pos += le32toh(length) + before;
	if (size < pos + bitmap + sizeof(first) + sizeof(bits))
		return -1;
	memcpy(header, policy + pos, bitmap);
	pos += bitmap;
	memcpy(&first, policy + pos, sizeof(first));
	pos += sizeof(first);

	/* One map, since the build rule leaves a capability in. */
	if (le32toh(header[0]) != 64 || le32toh(header[2]) != 1 || first)
		return -1;

	memcpy(&bits, policy + pos, sizeof(bits));
	bits &= ~htole64(1ULL << POLICYDB_CAP_CREDFD);
	if (on)
		bits |= htole64(1ULL << POLICYDB_CAP_CREDFD);
	memcpy(policy + pos, &bits, sizeof(bits));
	return 0;
}

/* The policy in force. All tests see it, so that none loads what is there. */
static struct {
	char name[NAME_MAX];
	bool capability;
} *in_force;

static void __attribute__((constructor)) in_force_alloc(void)
{
	in_force = shared_alloc(sizeof(*in_force));
}

/* Whether the policy in force has the capability, or -1 if that is not known. */
static int capability_get(void)
{
	char state[8];

	if (read_file(SELINUXFS "/policy_capabilities/credfd", state,
		      sizeof(state)))
		return -1;
	return atoi(state);
}

/* Loads one of the policies that were built with the tests. "fine" if it did. */
static const char *policy_load(const char *name, bool capability)
{
	char path[PATH_MAX] = "", *file, *policy;
	const char *error = NULL;
	struct stat st;
	int fd;

	if (!strcmp(in_force->name, name) && in_force->capability == capability)
		return "fine";
	in_force->name[0] = '\0';

	if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0)
		return "cannot find myself";
	file = strrchr(path, '/') + 1;
	snprintf(file, path + sizeof(path) - file, "%s", name);

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return "no policy beside the test, because there was no checkpolicy or no mdp";
	if (fstat(fd, &st))
		return "cannot read the policy";
	policy = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd,
		      0);
	close(fd);
	if (policy == MAP_FAILED)
		return "cannot read the policy";

	fd = open(SELINUXFS "/load", O_WRONLY | O_CLOEXEC);
	if (policy_set_capability(policy, st.st_size, capability))
		error = "the policy has an unknown format";
	else if (write(fd, policy, st.st_size) != st.st_size)
		error = "cannot load the policy";
	close(fd);
	munmap(policy, st.st_size);
	if (error)
		return error;

	snprintf(in_force->name, sizeof(in_force->name), "%s", name);
	in_force->capability = capability;
	if (capability_get() < 0)
		return "the kernel does not know the policy capability";
	return "fine";
}

static int context_set(const char *context)
{
	return write_file(SELF_ATTR("current"), context);
}

static int context_get(char *context)
{
	return read_file(SELF_ATTR("current"), context, CONTEXT_SIZE);
}

static bool selinux_active(void)
{
	char filesystems[4096];

	return !read_file("/proc/filesystems", filesystems,
			  sizeof(filesystems)) &&
	       strstr(filesystems, "\tselinuxfs\n");
}

/* Whether denials are errors: 1 or 0, or -1 if that is not known. */
static int enforcing_get(void)
{
	char state[8];

	if (read_file(SELINUXFS "/enforce", state, sizeof(state)))
		return -1;
	return atoi(state);
}

static int enforcing_set(int enforcing)
{
	if (enforcing_get() == enforcing)
		return 0;
	return write_file(SELINUXFS "/enforce", enforcing ? "1" : "0");
}

/* Brings a policy into force. "fine" or what went wrong. */
static const char *selinux_start(const char *policy, bool capability,
				 bool *was_permissive)
{
	const char *outcome;

	if (enforcing_get() < 0 &&
	    mount("selinuxfs", SELINUXFS, "selinuxfs", 0, NULL))
		return "cannot mount selinuxfs";
	*was_permissive = !enforcing_get();

	outcome = policy_load(policy, capability);
	if (enforcing_set(1) || enforcing_get() != 1)
		return "SELinux is permissive";
	return outcome;
}

/* Why the tests cannot run here, or NULL if they can. */
static const char *selinux_unavailable(void)
{
	const char *reason = credfd_unavailable_or_not_root();
	char context[CONTEXT_SIZE];

	if (reason)
		return reason;
	if (!selinux_active() || context_get(context))
		return "SELinux is not active";

	/* Its processes would be left without a context. */
	if (strchr(context, ':') && strcmp(context, BASE))
		return "the system has an SELinux policy of its own";
	return NULL;
}

/* Contexts */

#define ASSERT_CONTEXT(expected)					\
do {									\
	char __context[CONTEXT_SIZE];					\
									\
	ASSERT_EQ(0, context_get(__context));				\
	ASSERT_STREQ(expected, __context);				\
} while (0)

/* A denial leaves the context as it was, too. */
#define ASSERT_DENIED(fd)						\
do {									\
	char __before[CONTEXT_SIZE];					\
									\
	ASSERT_EQ(0, context_get(__before));				\
	ASSERT_REFUSED(EACCES, fd);					\
	ASSERT_CONTEXT(__before);					\
} while (0)

static int become_domain(const void *arg)
{
	return context_set(arg);
}

static int become_domain_and_user(const void *arg)
{
	return context_set(arg) ? -1 : become_ganesha(USER, GROUP);
}

/* Credfds of root and of the user, in some domain. */
static int credfd_of(const char *context)
{
	return credfd_from_child(become_domain, context);
}

static int credfd_of_user(const char *context)
{
	return credfd_from_child(become_domain_and_user, context);
}

/* What SELinux itself protects, and only base_t may do. */
static int try_permissive(void)
{
	return write_file(SELINUXFS "/enforce", "0");
}

FIXTURE(selinux)
{
	bool was_permissive;
};

FIXTURE_SETUP(selinux)
{
	const char *reason = selinux_unavailable();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));

	ASSERT_STREQ("fine", selinux_start("selinux_full.policy", true,
					   &self->was_permissive));
	ASSERT_CONTEXT(BASE);
}

FIXTURE_TEARDOWN_PARENT(selinux)
{
	if (self->was_permissive)
		EXPECT_EQ(0, enforcing_set(0));
}

/* The round trip of a server. To switch capabilities it has setcap. */
TEST_F(selinux, round_trip)
{
	int root, user;

	ASSERT_EQ(0, context_set(SERVER));
	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &root, &user));
	for (int round = 0; round < 3; round++) {
		ASSERT_EQ(0, sys_credfd_activate(user, 0));
		ASSERT_EQ(USER, geteuid());
		ASSERT_CONTEXT(SERVER);
		ASSERT_EQ(0, sys_credfd_activate(root, 0));
		ASSERT_EQ(0, geteuid());
		ASSERT_CONTEXT(SERVER);
	}
}

static int become_group_only(const void *arg)
{
	return arg ? -1 : sys_setresgid(-1, GROUP, -1);
}

/* This takes the effective capabilities away. */
static int become_user_only(const void *arg)
{
	return arg ? -1 : sys_setresuid(-1, USER, -1);
}

/* Who may not use capset() does not get to other capabilities this way either. */
TEST_F(selinux, setcap)
{
	int group, user;

	ASSERT_EQ(0, context_set(PLAIN));
	group = credfd_from_child(become_group_only, NULL);
	ASSERT_LE(0, group);
	user = credfd_from_child(become_user_only, NULL);
	ASSERT_LE(0, user);

	ASSERT_EQ(-1, caps_set_effective(CAPS_SETID));
	ASSERT_EQ(EACCES, errno);
	ASSERT_DENIED(user);

	ASSERT_EQ(0, sys_credfd_activate(group, 0));
	ASSERT_EQ(GROUP, getegid());
	ASSERT_CONTEXT(PLAIN);
	ASSERT_DENIED(user);
}

/* What a task has of CAP_CHOWN, and in which context. */
struct chown_sets {
	const char *context;
	bool permitted;
	bool effective;
	bool inheritable;
	bool ambient;
};

static int become_chown_sets(const void *arg)
{
	const __u64 chown = CAP_BIT(CAP_CHOWN);
	const struct chown_sets *sets = arg;
	struct caps caps;

	if (caps_get(&caps) ||
	    caps_set(sets->effective ? caps.effective : caps.effective & ~chown,
		     sets->permitted ? caps.permitted : caps.permitted & ~chown,
		     sets->inheritable ? chown : 0) ||
	    (sets->ambient &&
	     prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0)))
		return -1;
	return context_set(sets->context);
}

/* Each of the four sets counts, and setcap is all that it takes. */
TEST_F(selinux, setcap_for_each_set)
{
	const struct {
		struct chown_sets mine;
		struct chown_sets other;
	} cases[] = {
		{ .mine = { .permitted = true } },
		{
			.mine = { .permitted = true, .effective = true },
			.other = { .permitted = true },
		},
		{
			.mine = { .permitted = true },
			.other = { .permitted = true, .inheritable = true },
		},
		{
			.mine = { .permitted = true, .inheritable = true },
			.other = { .permitted = true, .inheritable = true,
				   .ambient = true },
		},
	};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		struct chown_sets mine = cases[i / 2].mine;
		struct chown_sets other = cases[i / 2].other;
		pid_t pid = fork();
		int fd;

		ASSERT_LE(0, pid);
		if (pid) {
			ASSERT_EQ(0, wait_exit(pid));
			continue;
		}

		mine.context = i % 2 ? SERVER : PLAIN;
		other.context = mine.context;
		fd = credfd_from_child(become_chown_sets, &other);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, become_chown_sets(&mine));
		if (i % 2)
			_exit(sys_credfd_activate(fd, 0) ? 1 : 0);
		ASSERT_DENIED(fd);
		_exit(0);
	}
}

/* Another context takes a permission, and there is one for each direction. */
TEST_F(selinux, other_context)
{
	int server = credfd_of(SERVER);
	int other = credfd_of_user(OTHER);
	int user = credfd_of_user(USER_DOMAIN);
	int plain = credfd_of(PLAIN);

	ASSERT_LE(0, plain);
	ASSERT_LE(0, server);
	ASSERT_LE(0, other);
	ASSERT_LE(0, user);

	ASSERT_EQ(0, context_set(SERVER));
	for (int round = 0; round < 3; round++) {
		ASSERT_EQ(0, sys_credfd_activate(other, 0));
		ASSERT_CONTEXT(OTHER);
		ASSERT_EQ(USER, geteuid());
		ASSERT_DENIED(user);
		ASSERT_DENIED(plain);

		ASSERT_EQ(0, sys_credfd_activate(server, 0));
		ASSERT_CONTEXT(SERVER);
		ASSERT_EQ(0, geteuid());
		ASSERT_DENIED(plain);
	}

	/* There is no way back from here. */
	ASSERT_EQ(0, sys_credfd_activate(user, 0));
	ASSERT_CONTEXT(USER_DOMAIN);
	ASSERT_EQ(USER, geteuid());
	ASSERT_DENIED(server);
	ASSERT_DENIED(other);
}

/* The escape: a credfd from outside is left with a daemon that is confined. */
TEST_F(selinux, out_of_confinement)
{
	int base = sys_credfd_create(0);

	ASSERT_LE(0, base);
	ASSERT_EQ(0, context_set(SERVER));

	/* What it wants to get rid of. */
	ASSERT_EQ(-1, try_permissive());
	ASSERT_EQ(EACCES, errno);
	ASSERT_EQ(-1, context_set(BASE));
	ASSERT_EQ(EACCES, errno);

	ASSERT_DENIED(base);
	ASSERT_EQ(-1, try_permissive());
	ASSERT_EQ(EACCES, errno);
	ASSERT_EQ(1, enforcing_get());

	/* Nor by a detour. */
	ASSERT_EQ(0, context_set(USER_DOMAIN));
	ASSERT_DENIED(base);
}

struct bystander {
	pthread_barrier_t *barrier;
	char before[CONTEXT_SIZE];
	char after[CONTEXT_SIZE];
};

static void *bystander_main(void *arg)
{
	struct bystander *bystander = arg;
	int ret = context_get(bystander->before);

	pthread_barrier_wait(bystander->barrier);
	/* Here the main thread changes its context. */
	pthread_barrier_wait(bystander->barrier);
	ret |= context_get(bystander->after);
	return ret ? "cannot read its context" : NULL;
}

/*
 * With threads, setcon asks for a transition to a context that is bounded by the
 * old one, since the threads share their memory. To act under several contexts
 * at once is what cred_activate is for.
 */
TEST_F(selinux, threads)
{
	int user = credfd_of(USER_DOMAIN);
	struct bystander bystander = {};
	pthread_barrier_t barrier;
	pthread_t thread;
	pid_t pid;

	ASSERT_LE(0, user);
	ASSERT_EQ(0, context_set(SERVER));

	/* Alone, one can do the same with setcon. */
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(context_set(USER_DOMAIN) ? 1 : 0);
	ASSERT_EQ(0, wait_exit(pid));

	ASSERT_EQ(0, pthread_barrier_init(&barrier, NULL, 2));
	bystander.barrier = &barrier;
	ASSERT_EQ(0, pthread_create(&thread, NULL, bystander_main, &bystander));
	pthread_barrier_wait(&barrier);
	EXPECT_EQ(-1, context_set(USER_DOMAIN));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(0, sys_credfd_activate(user, 0));
	pthread_barrier_wait(&barrier);

	ASSERT_STREQ("fine", thread_outcome(thread));
	ASSERT_CONTEXT(USER_DOMAIN);
	ASSERT_STREQ(SERVER, bystander.before);
	ASSERT_STREQ(SERVER, bystander.after);
}

/* Tracing */

/* The tracee stops, so that it can be let go. */
static int tracee_stop(pid_t pid)
{
	int status;

	if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) ||
	    waitpid(pid, &status, __WALL) != pid)
		return -1;
	return WIFSTOPPED(status) ? 0 : -1;
}

/* Who is traced stays within what the tracer may trace. */
TEST_F(selinux, traced)
{
	int server = credfd_of(SERVER);
	int other = credfd_of(OTHER);
	int user = credfd_of(USER_DOMAIN);
	int ready[2], traced[2];
	char byte = 0;
	pid_t pid;

	ASSERT_LE(0, server);
	ASSERT_LE(0, other);
	ASSERT_LE(0, user);
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(traced));

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		ASSERT_EQ(0, context_set(SERVER));

		/* It is the tracer that makes the difference. */
		ASSERT_EQ(0, sys_credfd_activate(other, 0));
		ASSERT_EQ(0, sys_credfd_activate(server, 0));

		ASSERT_EQ(1, write(ready[1], &byte, 1));
		ASSERT_EQ(1, read(traced[0], &byte, 1));
		ASSERT_DENIED(other);
		ASSERT_EQ(0, sys_credfd_access(other, other, F_OK, 0));
		ASSERT_EQ(0, sys_credfd_activate(user, 0));
		ASSERT_CONTEXT(USER_DOMAIN);
		_exit(0);
	}
	close(ready[1]);
	close(traced[0]);

	ASSERT_EQ(1, read(ready[0], &byte, 1));
	ASSERT_EQ(0, context_set(TRACER));
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_EXITKILL));
	ASSERT_EQ(1, write(traced[1], &byte, 1));
	ASSERT_EQ(0, wait_exit(pid));
}

/* How often each has to be seen, and how often at most. */
#define RACE_HITS	100
#define RACE_MANY	(1000 * RACE_HITS)

struct race {
	bool over;
	const char *error;
	long switched;
	long refused;
};

static void race_end(struct race *race)
{
	__atomic_store_n(&race->over, true, __ATOMIC_RELEASE);
}

static bool race_is_over(const struct race *race)
{
	return __atomic_load_n(&race->over, __ATOMIC_ACQUIRE);
}

static long race_switched(const struct race *race)
{
	return __atomic_load_n(&race->switched, __ATOMIC_RELAXED);
}

/*
 * To a context that the tracer may not trace, and back. What is quickest to tell
 * a tracer in between: it gets another error from a second one, which would be
 * the parent, than the parent gets from the policy.
 */
static const char *race_switch(struct race *race, int server, int other)
{
	if (sys_credfd_activate(other, 0)) {
		race->refused++;
		return errno == EACCES ? NULL : "refused with another errno";
	}
	if (ptrace(PTRACE_TRACEME, 0, 0, 0) != -1 || errno != EACCES)
		return "traced in the other context";
	__atomic_fetch_add(&race->switched, 1, __ATOMIC_RELAXED);
	return sys_credfd_activate(server, 0) ? "cannot come back" : NULL;
}

/* Whom one was allowed to attach to does not become somebody else meanwhile. */
TEST_F_TIMEOUT(selinux, race_with_attach, 120)
{
	struct race *race = shared_alloc(sizeof(*race));
	int server = credfd_of(SERVER);
	int other = credfd_of(OTHER);
	long attached = 0, denied = 0, switched;
	char path[64], context[CONTEXT_SIZE], byte = 0;
	pid_t pid, tracer = getpid();
	int sock[2];

	ASSERT_TRUE(!!race);
	ASSERT_LE(0, server);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		ASSERT_EQ(0, context_set(SERVER));
		ASSERT_EQ(1, write(sock[1], &byte, 1));
		ASSERT_EQ(1, read(sock[1], &byte, 1));
		while (!race_is_over(race) && !race->error &&
		       getppid() == tracer)
			race->error = race_switch(race, server, other);
		race_end(race);
		_exit(0);
	}
	close(sock[1]);
	snprintf(path, sizeof(path), "/proc/%d/attr/current", pid);
	ASSERT_EQ(1, read(sock[0], &byte, 1));
	ASSERT_EQ(0, context_set(TRACER));
	ASSERT_EQ(1, write(sock[0], &byte, 1));

	while ((attached < RACE_HITS || denied < RACE_HITS) &&
	       attached < RACE_MANY && denied < RACE_MANY) {
		if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_EXITKILL)) {
			if (errno != EACCES)
				break;
			denied++;
			sched_yield();
			continue;
		}
		attached++;

		/* It runs on, and tries. */
		ASSERT_EQ(0, read_file(path, context, sizeof(context)));
		ASSERT_STREQ(SERVER, context);
		ASSERT_EQ(0, tracee_stop(pid));
		ASSERT_EQ(0, read_file(path, context, sizeof(context)));
		ASSERT_STREQ(SERVER, context);
		switched = race_switched(race);
		ASSERT_EQ(0, ptrace(PTRACE_DETACH, pid, 0, 0));

		/* Otherwise it would be stopped again before it does anything. */
		while (switched == race_switched(race) && !race_is_over(race))
			sched_yield();
	}
	race_end(race);
	ASSERT_EQ(0, wait_exit(pid));

	/* The child is a copy of this process, and so are its strings. */
	EXPECT_STREQ("fine", race->error ?: "fine");

	/* All that should have happened did. */
	switched = race_switched(race);
	TH_LOG("%ld attached, %ld not; %ld switched, %ld not", attached, denied,
	       switched, race->refused);
	EXPECT_LE(RACE_HITS, attached);
	EXPECT_LE(RACE_HITS, denied);
	EXPECT_LT(0, switched);
	EXPECT_LT(0, race->refused);
}

/* The other contexts that a task has, for what it will create or execute. */
static const char * const create_attrs[] = {
	SELF_ATTR("exec"),
	SELF_ATTR("fscreate"),
	SELF_ATTR("keycreate"),
	SELF_ATTR("sockcreate"),
};

static int become_creator(const void *arg)
{
	if (context_set(arg))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(create_attrs); i++) {
		if (write_file(create_attrs[i], FILE_CONTEXT))
			return -1;
	}
	return 0;
}

/* They come along, and who makes the credfd needs the permissions. */
TEST_F(selinux, create_contexts)
{
	int dir = tmpfs_dir();
	int server = credfd_of(SERVER);
	int creator = credfd_from_child(become_creator, SERVER);
	char context[CONTEXT_SIZE];
	int fd;

	ASSERT_LE(0, dir);
	ASSERT_LE(0, server);
	ASSERT_LE(0, creator);

	/* Where they cannot be set, no credfd has them. */
	ASSERT_EQ(-1, credfd_from_child(become_creator, PLAIN));

	ASSERT_EQ(0, context_set(SERVER));
	ASSERT_EQ(0, sys_credfd_activate(creator, 0));
	ASSERT_CONTEXT(SERVER);
	for (size_t i = 0; i < ARRAY_SIZE(create_attrs); i++) {
		ASSERT_EQ(0, read_file(create_attrs[i], context,
				       sizeof(context)));
		ASSERT_STREQ(FILE_CONTEXT, context);
	}
	fd = openat(dir, "file", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ASSERT_LE(0, fd);
	ASSERT_LT(0, fgetxattr(fd, "security.selinux", context,
			       sizeof(context)));
	ASSERT_STREQ(FILE_CONTEXT, context);

	/* They are left behind on the way back. */
	ASSERT_EQ(0, sys_credfd_activate(server, 0));
	for (size_t i = 0; i < ARRAY_SIZE(create_attrs); i++) {
		ASSERT_EQ(0, read_file(create_attrs[i], context,
				       sizeof(context)));
		ASSERT_STREQ("", context);
	}
}

/* The file descriptor */

/* A policy can give it a label, and say who may make one. */
TEST_F(selinux, label)
{
	int server = credfd_of(SERVER);
	char context[CONTEXT_SIZE];

	ASSERT_LE(0, server);
	ASSERT_LT(0, fgetxattr(server, "security.selinux", context,
			       sizeof(context)));
	ASSERT_STREQ(CREDFD_CONTEXT, context);

	ASSERT_EQ(0, context_set(NOCREATE));
	ASSERT_EQ(-1, sys_credfd_create(0));
	ASSERT_EQ(EACCES, errno);
	ASSERT_EQ(-1, sys_credfd_create(CREDFD_ACCESS_ONLY));
	ASSERT_EQ(EACCES, errno);
}

/* Like recv_fd(), for messages whose file descriptor may not have arrived. */
static int recv_fd_if_any(int sock, int *flags)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {};
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *cmsg;
	int fd = -1;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -2;
	*flags = msg.msg_flags;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg)
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

/* Who may not use or read such a file descriptor does not receive it. */
TEST_F(selinux, receive)
{
	const struct {
		const char *context;
		bool received;
	} cases[] = {
		{ SERVER,	true },
		{ OTHER,	true },
		{ NORECEIVE,	false },	/* anon_inode read */
		{ NOUSE,	false },	/* fd use */
	};
	int server = credfd_of(SERVER);
	int sock[2];

	ASSERT_LE(0, server);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		pid_t pid;

		ASSERT_EQ(0, send_fd(sock[1], server));
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			int fd, flags;

			close(server);
			ASSERT_EQ(0, context_set(cases[i].context));
			fd = recv_fd_if_any(sock[0], &flags);
			if (cases[i].received) {
				ASSERT_LE(0, fd);
				ASSERT_EQ(0, flags & MSG_CTRUNC);
			} else {
				ASSERT_EQ(-1, fd);
				ASSERT_EQ(MSG_CTRUNC, flags & MSG_CTRUNC);
				ASSERT_EQ(-1, fcntl(server, F_GETFD));
			}
			_exit(0);
		}
		ASSERT_EQ(0, wait_exit(pid));
	}
}

/* Nor does it inherit one. */
TEST_F(selinux, inherit)
{
	const struct {
		const char *context;
		bool inherited;
	} cases[] = {
		{ OTHER,	true },
		{ NORECEIVE,	false },
		{ NOUSE,	false },
	};
	int server = credfd_of(SERVER);
	struct stat before, null;
	int status;

	ASSERT_LE(0, server);
	ASSERT_EQ(0, fcntl(server, F_SETFD, 0));
	ASSERT_EQ(0, fstat(server, &before));
	ASSERT_EQ(0, stat(SELINUXFS "/null", &null));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char path[64];
		struct stat st;
		pid_t pid;

		/* Any program will do: it is stopped before it begins. */
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			ASSERT_EQ(0, write_file(SELF_ATTR("exec"),
						cases[i].context));
			ASSERT_EQ(0, ptrace(PTRACE_TRACEME, 0, 0, 0));
			execl("/proc/self/exe", "true", "-h", NULL);
			_exit(1);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSTOPPED(status));

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, server);
		ASSERT_EQ(0, stat(path, &st));
		if (cases[i].inherited) {
			ASSERT_EQ(before.st_ino, st.st_ino);
			ASSERT_EQ(before.st_dev, st.st_dev);
		} else {
			ASSERT_EQ(null.st_ino, st.st_ino);
			ASSERT_EQ(null.st_dev, st.st_dev);
		}
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
	}
}

/* To look at what somebody may do, and to become it, are two permissions. */
TEST_F(selinux, access)
{
	int dir = tmpfs_dir();
	int access = credfd_of_user(ACCESS);
	int user = credfd_of_user(USER_DOMAIN);
	int other = credfd_of_user(OTHER);
	int plain = credfd_of(PLAIN);
	int base = sys_credfd_create(0);
	struct identity before, after;
	int fd;

	ASSERT_LE(0, dir);
	ASSERT_LE(0, access);
	ASSERT_LE(0, user);
	ASSERT_LE(0, other);
	ASSERT_LE(0, plain);
	ASSERT_LE(0, base);

	/* Its mode allows everybody everything. */
	ASSERT_EQ(0, write_file(SELF_ATTR("fscreate"), FILE_CONTEXT));
	fd = openat(dir, "file", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fchmod(fd, 0777));

	ASSERT_EQ(0, context_set(SERVER));
	ASSERT_EQ(0, identity_read(&before));
	ASSERT_EQ(0, sys_credfd_access(other, fd, R_OK | W_OK | X_OK, 0));
	ASSERT_EQ(0, sys_credfd_access(access, fd, R_OK, 0));
	ASSERT_EQ(-1, sys_credfd_access(access, fd, W_OK, 0));
	ASSERT_EQ(EACCES, errno);
	ASSERT_DENIED(access);

	/* Who may become it need not be allowed to ask. */
	ASSERT_EQ(-1, sys_credfd_access(user, fd, R_OK, 0));
	ASSERT_EQ(EACCES, errno);
	ASSERT_EQ(-1, sys_credfd_access(plain, fd, F_OK, 0));
	ASSERT_EQ(EACCES, errno);
	ASSERT_EQ(-1, sys_credfd_access(base, fd, F_OK, 0));
	ASSERT_EQ(EACCES, errno);

	ASSERT_EQ(0, identity_read(&after));
	ASSERT_STREQ("nothing", identity_differ(&before, &after));
	ASSERT_CONTEXT(SERVER);
	ASSERT_EQ(0, sys_credfd_activate(user, 0));
}

/* For a question the capabilities do not change, so it takes no setcap. */
TEST_F(selinux, access_without_setcap)
{
	int dir = tmpfs_dir();
	int user;

	ASSERT_LE(0, dir);
	ASSERT_EQ(0, context_set(PLAIN));
	user = credfd_from_child(become_user_only, NULL);
	ASSERT_LE(0, user);
	ASSERT_EQ(0, sys_credfd_access(user, dir, R_OK | W_OK | X_OK, 0));
	ASSERT_DENIED(user);
}

/* Other policies */

/* The policy in force counts, not the one in which the credfd was made. */
TEST_F(selinux, permission_is_revoked)
{
	int server = credfd_of(SERVER);
	int other = credfd_of(OTHER);
	int control[2], done[2];
	char byte = 0;
	pid_t pid;

	ASSERT_LE(0, server);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, pipe(control));
	ASSERT_EQ(0, pipe(done));

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		ASSERT_EQ(0, context_set(SERVER));
		ASSERT_EQ(0, sys_credfd_activate(other, 0));
		ASSERT_EQ(0, sys_credfd_activate(server, 0));

		ASSERT_EQ(1, write(done[1], &byte, 1));
		ASSERT_EQ(1, read(control[0], &byte, 1));
		ASSERT_DENIED(other);
		ASSERT_EQ(-1, sys_credfd_access(other, server, F_OK, 0));
		ASSERT_EQ(EACCES, errno);

		/* And if it comes back, so does the way. */
		ASSERT_EQ(1, write(done[1], &byte, 1));
		ASSERT_EQ(1, read(control[0], &byte, 1));
		ASSERT_EQ(0, sys_credfd_activate(other, 0));
		ASSERT_CONTEXT(OTHER);
		_exit(0);
	}
	close(done[1]);
	close(control[0]);

	ASSERT_EQ(1, read(done[0], &byte, 1));
	ASSERT_STREQ("fine", policy_load("selinux_revoked.policy", true));
	ASSERT_EQ(1, write(control[1], &byte, 1));
	ASSERT_EQ(1, read(done[0], &byte, 1));
	ASSERT_STREQ("fine", policy_load("selinux_full.policy", true));
	ASSERT_EQ(1, write(control[1], &byte, 1));
	ASSERT_EQ(0, wait_exit(pid));
}

static int try_exec(const char *context)
{
	if (write_file(SELF_ATTR("exec"), context))
		return -1;
	return execl("/proc/self/exe", "true", "-h", NULL);
}

/*
 * When the policy changes, a decision by the one must not meet the capability of
 * the other: what no policy allows is not allowed for a moment either. For a
 * policy from before credfd the new permissions are unknown, and so allowed. Such
 * a decision is in the cache once the kernel has asked for another permission of
 * that class.
 */
TEST_F(selinux, policy_changes)
{
	bool *over = shared_alloc(sizeof(*over));
	int plain = credfd_of(PLAIN);
	char byte = 0;
	int ready[2];
	pid_t pid;

	ASSERT_TRUE(!!over);
	ASSERT_LE(0, plain);
	ASSERT_EQ(0, pipe(ready));
	ASSERT_STREQ("fine", policy_load("selinux_old.policy", false));

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		ASSERT_EQ(0, context_set(SERVER));
		ASSERT_EQ(0, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		ASSERT_EQ(-1, try_exec(PLAIN));
		ASSERT_EQ(EPERM, errno);

		ASSERT_EQ(1, write(ready[1], &byte, 1));
		while (!__atomic_load_n(over, __ATOMIC_RELAXED)) {
			ASSERT_EQ(-1, sys_credfd_access(plain, plain, F_OK, 0));
			ASSERT_EQ(EACCES, errno);
			ASSERT_EQ(-1, sys_credfd_activate(plain, 0));
			ASSERT_EQ(EACCES, errno);
		}
		ASSERT_CONTEXT(SERVER);
		_exit(0);
	}
	close(ready[1]);

	ASSERT_EQ(1, read(ready[0], &byte, 1));
	EXPECT_STREQ("fine", policy_load("selinux_full.policy", true));
	EXPECT_STREQ("fine", policy_load("selinux_old.policy", false));
	__atomic_store_n(over, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, wait_exit(pid));
}

/* A context that the policy does not know any more is that of nobody. */
TEST_F(selinux, context_is_gone)
{
	int server = credfd_of(SERVER);
	int gone = credfd_of(GONE);
	int ready[2], control[2], done[2];
	char byte = 0;
	pid_t pid[2];

	ASSERT_LE(0, server);
	ASSERT_LE(0, gone);
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(control));
	ASSERT_EQ(0, pipe(done));

	/* One wants to go there. */
	pid[0] = fork();
	ASSERT_LE(0, pid[0]);
	if (!pid[0]) {
		ASSERT_EQ(0, context_set(SERVER));
		ASSERT_EQ(1, write(ready[1], &byte, 1));
		ASSERT_EQ(1, read(control[0], &byte, 1));
		ASSERT_DENIED(gone);
		ASSERT_EQ(-1, sys_credfd_access(gone, server, F_OK, 0));
		ASSERT_EQ(EACCES, errno);

		ASSERT_EQ(1, write(ready[1], &byte, 1));
		ASSERT_EQ(1, read(done[0], &byte, 1));
		ASSERT_EQ(0, sys_credfd_activate(gone, 0));
		ASSERT_CONTEXT(GONE);
		_exit(0);
	}

	/* The other one is there. */
	pid[1] = fork();
	ASSERT_LE(0, pid[1]);
	if (!pid[1]) {
		ASSERT_EQ(0, context_set(GONE));
		ASSERT_EQ(1, write(ready[1], &byte, 1));
		ASSERT_EQ(1, read(control[0], &byte, 1));
		ASSERT_DENIED(server);

		ASSERT_EQ(1, write(ready[1], &byte, 1));
		ASSERT_EQ(1, read(done[0], &byte, 1));
		ASSERT_CONTEXT(GONE);
		ASSERT_EQ(0, sys_credfd_activate(server, 0));
		ASSERT_CONTEXT(SERVER);
		_exit(0);
	}
	close(ready[1]);

	for (int i = 0; i < 2; i++)
		ASSERT_EQ(1, read(ready[0], &byte, 1));
	ASSERT_STREQ("fine", policy_load("selinux_gone.policy", true));
	ASSERT_EQ(-1, context_set(GONE));
	ASSERT_EQ(EINVAL, errno);
	ASSERT_EQ(2, write(control[1], "12", 2));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(1, read(ready[0], &byte, 1));

	/* It comes back. */
	ASSERT_STREQ("fine", policy_load("selinux_full.policy", true));
	ASSERT_EQ(2, write(done[1], "12", 2));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, wait_exit(pid[i]));
}

/* Policies from before credfd, and those that do not ask for it. */
FIXTURE(policy)
{
	bool was_permissive;
};

FIXTURE_VARIANT(policy)
{
	const char *name;
	bool capability;
	bool allowed;	/* to take on another context */
};

FIXTURE_VARIANT_ADD(policy, with_capability) {
	.name = "selinux_full.policy",
	.capability = true,
	.allowed = true,
};

/* Has the permission in it, but does not say that it is meant. */
FIXTURE_VARIANT_ADD(policy, without_capability) {
	.name = "selinux_full.policy",
};

/* Allows what it does not know, as the policies of all distributions do. */
FIXTURE_VARIANT_ADD(policy, old) {
	.name = "selinux_old.policy",
};

/* Says that it knows the permission, but does not: a mistake in the policy. */
FIXTURE_VARIANT_ADD(policy, old_with_capability) {
	.name = "selinux_old.policy",
	.capability = true,
};

FIXTURE_SETUP(policy)
{
	const char *reason = selinux_unavailable();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));

	ASSERT_STREQ("fine", selinux_start(variant->name, variant->capability,
					   &self->was_permissive));
	ASSERT_CONTEXT(BASE);
}

FIXTURE_TEARDOWN_PARENT(policy)
{
	if (self->was_permissive)
		EXPECT_EQ(0, enforcing_set(0));
}

/* Within a context it is the same under all of them. */
TEST_F(policy, same_context)
{
	int root, user;

	ASSERT_EQ(0, context_set(SERVER));
	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &root, &user));
	ASSERT_EQ(0, sys_credfd_activate(user, 0));
	ASSERT_CONTEXT(SERVER);
	ASSERT_EQ(0, sys_credfd_access(root, root, F_OK, 0));
	ASSERT_EQ(0, sys_credfd_activate(root, 0));
	ASSERT_CONTEXT(SERVER);
}

/* To another context there is a way only if the policy knows what it allows. */
TEST_F(policy, other_context)
{
	int dir = tmpfs_dir();
	int other = credfd_of(OTHER);
	int base = sys_credfd_create(0);

	ASSERT_LE(0, dir);
	ASSERT_LE(0, other);
	ASSERT_LE(0, base);

	if (variant->allowed || !variant->capability)
		ASSERT_EQ(variant->capability, capability_get());
	ASSERT_EQ(0, context_set(SERVER));
	ASSERT_DENIED(base);
	ASSERT_EQ(-1, sys_credfd_access(base, dir, F_OK, 0));
	ASSERT_EQ(EACCES, errno);

	if (variant->allowed) {
		ASSERT_EQ(0, sys_credfd_access(other, dir, F_OK, 0));
		ASSERT_EQ(0, sys_credfd_activate(other, 0));
		ASSERT_CONTEXT(OTHER);
	} else {
		ASSERT_EQ(-1, sys_credfd_access(other, dir, F_OK, 0));
		ASSERT_EQ(EACCES, errno);
		ASSERT_DENIED(other);
	}
}

/* Audit */

/*
 * A rule for activations by one type of subject, as with "auditctl -a
 * exit,always -S credfd_activate -F subj_type=...".
 */
static int audit_subj_type(int type, const char *subj_type)
{
	struct audit_msg msg = {
		.rule.flags = AUDIT_FILTER_EXIT,
		.rule.action = AUDIT_ALWAYS,
		.rule.field_count = 1,
		.rule.fields[0] = AUDIT_SUBJ_TYPE,
		.rule.fieldflags[0] = AUDIT_EQUAL,
		.rule.values[0] = strlen(subj_type),
		.rule.buflen = strlen(subj_type),
	};
	int sock = audit_socket(0);
	int ret;

	msg.rule.mask[AUDIT_WORD(__NR_credfd_activate)] =
		AUDIT_BIT(__NR_credfd_activate);
	memcpy(msg.text + sizeof(msg.rule), subj_type, msg.rule.buflen);
	ret = audit_request(sock, type, &msg,
			    sizeof(msg.rule) + msg.rule.buflen);
	close(sock);
	return ret;
}

/* The one takes part in the test, the other one does not. */
static const char * const subj_types[] = { "credfd_other_t", "credfd_plain_t" };

FIXTURE(audit)
{
	struct audit audit;
	int server;
	int other;
	int base;
	bool was_permissive;
};

FIXTURE_SETUP(audit)
{
	const char *reason = selinux_unavailable();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	ASSERT_STREQ("fine", selinux_start("selinux_full.policy", true,
					   &self->was_permissive));
	ASSERT_CONTEXT(BASE);
	self->server = credfd_of(SERVER);
	ASSERT_LE(0, self->server);
	self->other = credfd_of(OTHER);
	ASSERT_LE(0, self->other);
	self->base = sys_credfd_create(0);
	ASSERT_LE(0, self->base);

	ASSERT_EQ(0, audit_start(&self->audit, __NR_credfd_access));
	for (size_t i = 0; i < ARRAY_SIZE(subj_types); i++)
		ASSERT_EQ(0, audit_subj_type(AUDIT_ADD_RULE, subj_types[i]));
}

FIXTURE_TEARDOWN_PARENT(audit)
{
	for (size_t i = 0; i < ARRAY_SIZE(subj_types) && self->audit.started; i++)
		EXPECT_EQ(0, audit_subj_type(AUDIT_DEL_RULE, subj_types[i]));
	EXPECT_EQ(0, audit_stop(&self->audit));
	if (self->was_permissive)
		EXPECT_EQ(0, enforcing_set(0));
}

/* The next record of that type. Of system calls, only those on credfds count. */
static const char *next_record(const struct audit *audit, int type,
			       struct audit_msg *msg)
{
	char value[32];
	const char *text;
	int nr;

	do {
		text = audit_next(audit, type, msg);
		nr = atoi(audit_field(text, "syscall", value, sizeof(value)));
	} while (type == AUDIT_SYSCALL && nr && nr != __NR_credfd_activate &&
		 nr != __NR_credfd_access);
	return text;
}

/* Reads the next record of that type, and compares one field after the other. */
#define ASSERT_RECORD(type, ...)					\
do {									\
	const char * const __fields[][2] = { __VA_ARGS__ };		\
	struct audit_msg __msg;						\
	char __value[CONTEXT_SIZE];					\
	const char *__text = next_record(&self->audit, type, &__msg);	\
									\
	for (size_t __i = 0; __i < ARRAY_SIZE(__fields); __i++) {	\
		ASSERT_STREQ(__fields[__i][1],				\
			     audit_field(__text, __fields[__i][0],	\
					 __value, sizeof(__value)))	\
			TH_LOG("%s in %s", __fields[__i][0], __text);	\
	}								\
} while (0)

/* A denial is logged, with the permission and both contexts. */
TEST_F(audit, denial)
{
	static const char * const denied[] = {
		"avc:  denied  { cred_activate } for  ",
		"avc:  denied  { cred_access } for  ",
	};
	char pid[16], value[CONTEXT_SIZE];
	struct audit_msg msg;
	const char *text;

	snprintf(pid, sizeof(pid), "%d", getpid());
	ASSERT_EQ(0, context_set(SERVER));
	ASSERT_DENIED(self->base);
	ASSERT_EQ(-1, sys_credfd_access(self->base, self->base, F_OK, 0));
	ASSERT_EQ(EACCES, errno);

	for (size_t i = 0; i < ARRAY_SIZE(denied); i++) {
		text = audit_next(&self->audit, AUDIT_AVC, &msg);
		ASSERT_EQ(0, strncmp(denied[i], text, strlen(denied[i])))
			TH_LOG("%s", text);
		ASSERT_STREQ(pid, audit_field(text, "pid", value,
					      sizeof(value)));
		ASSERT_TRUE(!!strstr(text, " scontext=" SERVER " tcontext=" BASE
				     " tclass=process2 permissive=0"))
			TH_LOG("%s", text);
	}
}

/*
 * The record has the old and the new context. A rule about the context looks at
 * the one in force when the system call ends.
 */
TEST_F(audit, record)
{
	int twin = credfd_of(OTHER);
	pid_t pid;

	ASSERT_LE(0, twin);

	/* Only who is born after auditing was enabled is audited. */
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		ASSERT_EQ(0, context_set(SERVER));
		for (int round = 0; round < 2; round++) {
			ASSERT_EQ(0, sys_credfd_activate(self->other, 0));
			ASSERT_EQ(0, sys_credfd_activate(twin, 0));
			/* There is no rule for what ends in this context. */
			ASSERT_EQ(0, sys_credfd_activate(self->server, 0));
		}
		/* This is recorded together with the denial. */
		ASSERT_DENIED(self->base);
		ASSERT_EQ(0, sys_credfd_access(self->other, self->other, F_OK,
					       0));
		_exit(0);
	}
	ASSERT_EQ(0, wait_exit(pid));

	for (int round = 0; round < 2; round++) {
		ASSERT_RECORD(AUDIT_SYSCALL, { "exit", "0" },
			      { "subj", OTHER });
		ASSERT_RECORD(AUDIT_CRED_ACTIVATE, { "old-euid", "0" },
			      { "old-subj", SERVER }, { "new-euid", "0" },
			      { "new-subj", OTHER });
		ASSERT_RECORD(AUDIT_SYSCALL, { "exit", "0" },
			      { "subj", OTHER });
		ASSERT_RECORD(AUDIT_CRED_ACTIVATE, { "old-subj", OTHER },
			      { "new-subj", OTHER });
	}
	ASSERT_RECORD(AUDIT_SYSCALL, { "exit", "-13" }, { "subj", SERVER });
	ASSERT_RECORD(AUDIT_CRED_ACTIVATE, { "old-subj", SERVER },
		      { "new-subj", BASE });

	/* Asked by the one, about the other. */
	ASSERT_RECORD(AUDIT_SYSCALL, { "exit", "0" }, { "subj", SERVER });
	ASSERT_RECORD(AUDIT_CRED_ACTIVATE, { "old-subj", SERVER },
		      { "new-subj", OTHER });
}

TEST_HARNESS_MAIN
