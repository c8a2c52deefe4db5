// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: every allocation fails once
 *
 * What a call needs is made to fail one by one, the first, the second and so on,
 * by /proc/thread-self/fail-nth, until the call gets through without having met
 * the fault. Each time the call does all of it or nothing, and nothing is lost.
 *
 * Copying from and to user space is made to fail, too, if the kernel can do that;
 * hence EFAULT beside ENOMEM. Both are all that a fault may change about the
 * answer: a refusal stays one.
 */

#include "audit.h"
#include "securityfs.h"

#include <endian.h>
#include <limits.h>
#include <sys/mount.h>

/* Seconds. Without hardware support and with KASAN a second is not much. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	180

#define SELF_ATTR(name)		"/proc/thread-self/attr/" name
#define SELINUXFS		"/sys/fs/selinux"
#define SLAB			"/sys/kernel/slab/"

/* So often that a leak is more than what else goes on. */
#define ROUNDS			16
#define SLACK			8

/* Faults */

/*
 * Faults of what may sleep and of single pages, which would be spared, and no
 * stack of each on the console. All that remains unharmed: without fail-nth
 * the probability of a fault is still 0.
 */
static int faults_setup(void)
{
	static const struct {
		const char *file;
		const char *value;
	} settings[] = {
		{ "failslab/ignore-gfp-wait", "N" },
		{ "failslab/verbose", "0" },
		{ "fail_page_alloc/ignore-gfp-wait", "N" },
		{ "fail_page_alloc/min-order", "0" },
		{ "fail_page_alloc/verbose", "0" },
		/* The last one need not be there. */
		{ "fail_usercopy/verbose", "0" },
	};
	int fs = syscall(__NR_fsopen, "debugfs", FSOPEN_CLOEXEC), dir, fd;

	if (fs < 0 ||
	    syscall(__NR_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -1;
	dir = syscall(__NR_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	close(fs);

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		fd = openat(dir, settings[i].file, O_WRONLY | O_CLOEXEC);
		if (fd < 0 && i == ARRAY_SIZE(settings) - 1)
			continue;
		if (fd < 0 || write(fd, settings[i].value, 1) != 1)
			return -1;
		close(fd);
	}
	return close(dir);
}

static const char *fault_unavailable(void)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (!reason && access("/proc/thread-self/fail-nth", F_OK))
		reason = "kernel without fault injection";
	return reason;
}

static int fault_open(void)
{
	return open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
}

/* From now on the calling thread's @nth allocation fails. */
static int fault_arm(int fault, unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	return pwrite(fault, text, len, 0) == len ? 0 : -1;
}

/* Has there been a fault? If not, there will be none any more. */
static bool fault_disarm(int fault)
{
	char left[16] = "";
	/* This copies to user space, so it may be what fails. */
	const bool hit = pread(fault, left, sizeof(left), 0) > 0 &&
			 left[0] == '0';

	/* And so may this, after which there is nothing left to disarm. */
	while (pwrite(fault, "0", 1, 0) != 1 && errno == EFAULT)
		;
	return hit;
}

/* What must not change by halves */

struct state {
	char ids[2048];		/* from /proc/thread-self/status */
	char label[256];
	int lowest_fd;		/* that is free */
};

static int state_read(struct state *state)
{
	static const char * const prefixes[] = {
		"Uid:", "Gid:", "Groups:", "Cap", "NoNewPrivs:",
	};
	char text[8192], *line, *next = text;
	size_t len = 0;

	memset(state, 0, sizeof(*state));
	if (read_file("/proc/thread-self/status", text, sizeof(text)))
		return -1;
	while ((line = strsep(&next, "\n")))
		for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
			if (!strncmp(line, prefixes[i], strlen(prefixes[i])))
				len += snprintf(state->ids + len,
						sizeof(state->ids) - len,
						"%s\n", line);

	/* Not every kernel has labels. */
	if (read_file(SELF_ATTR("current"), state->label, sizeof(state->label)))
		state->label[0] = '\0';

	state->lowest_fd = dup(STDERR_FILENO);
	return close(state->lowest_fd);
}

static const char *state_differs(const struct state *a, const struct state *b)
{
	if (strcmp(a->ids, b->ids))
		return "credentials";
	if (strcmp(a->label, b->label))
		return "label";
	if (a->lowest_fd != b->lowest_fd)
		return "open files";
	return "nothing";
}

/* Slab objects in use, or -1 if other things are in this cache as well. */
static long slab_objects(const char *cache)
{
	char path[128], count[256];
	struct stat st;

	snprintf(path, sizeof(path), SLAB "%s", cache);
	if (lstat(path, &st) || !S_ISDIR(st.st_mode))
		return -1;
	/* What is free but kept at hand, or by KASAN from being used again */
	snprintf(path, sizeof(path), SLAB "%s/shrink", cache);
	if (write_file(path, "1"))
		return -1;
	snprintf(path, sizeof(path), SLAB "%s/objects", cache);
	return read_file(path, count, sizeof(count)) ? -1 : atol(count);
}

/* The least number within some time: RCU and workers free when they like. */
static long slab_least(const char *cache, long enough, unsigned int tries)
{
	long least = LONG_MAX, objects;

	while (tries-- && least > enough) {
		objects = slab_objects(cache);
		if (least > objects)
			least = objects;
		usleep(100000);
	}
	return least;
}

/* What is tried */

struct scene {
	int fault;		/* fail-nth of the thread of the test */
	int dir;
	int open;		/* a file for everybody */
	int secret;		/* one that is the host's root's */
	int root;
	int user;
	int samba;		/* a user with another real uid */
	struct state start;
	char fdinfo[1024];	/* of user, as it should be read */
};

struct attempt {
	const char *name;
	int (*call)(const struct scene *s);
	/* After a call that did not fail; gets what that returned */
	void (*undo)(const struct scene *s, int ret);
	int error;		/* of the call without a fault */
	bool never_fails;	/* with none either */
};

/* One call, with the fault or with none */
struct trial {
	int error;
	bool hit;
	struct state before;
	struct state after;
	bool complete;
};

static void try_once(const struct scene *s, const struct attempt *a,
		     unsigned int nth, struct trial *t)
{
	int fault = fault_open(), ret;

	memset(t, 0, sizeof(*t));
	if (fault < 0 || state_read(&t->before) || fault_arm(fault, nth))
		return;
	ret = a->call(s);
	t->error = ret < 0 ? errno : 0;
	t->hit = fault_disarm(fault) && nth;
	t->complete = !state_read(&t->after);
	if (ret >= 0 && a->undo)
		a->undo(s, ret);
	close(fault);
}

/* In a child, if there is no way back from success */
static void try_in_child(const struct scene *s, const struct attempt *a,
			 unsigned int nth, struct trial *t)
{
	pid_t pid = fork();

	if (!pid) {
		try_once(s, a, nth, t);
		_exit(0);
	}
	if (wait_exit(pid))
		t->complete = false;
}

static void judge(struct __test_metadata *_metadata, const struct attempt *a,
		  unsigned int nth, const struct trial *t,
		  const struct trial *without)
{
	const bool failed = t->error != without->error;

	ASSERT_TRUE(t->complete)
		TH_LOG("%s, fault %u: did not come to an end", a->name, nth);
	ASSERT_STREQ("nothing", state_differs(&without->before, &t->before))
		TH_LOG("%s, fault %u: left behind", a->name, nth - 1);
	if (failed) {
		ASSERT_TRUE(t->hit && !a->never_fails &&
			    (t->error == ENOMEM || t->error == EFAULT))
			TH_LOG("%s, fault %u: %s", a->name, nth,
			       strerror(t->error));
	}
	ASSERT_STREQ("nothing", state_differs(failed ? &t->before : &without->after,
					      &t->after))
		TH_LOG("%s, fault %u: half done", a->name, nth);
}

/* Fails everything once. Returns how much that is; @failed: what failed the call. */
static int sweep(struct __test_metadata *_metadata, const struct scene *s,
		 const struct attempt *a, int *failed, bool in_child)
{
	void (*try)(const struct scene *s, const struct attempt *a, unsigned int nth,
		    struct trial *t) = in_child ? try_in_child : try_once;
	struct trial *t = shared_alloc(2 * sizeof(*t)), *without = t + 1;
	unsigned int nth = 0;

	ASSERT_NE(NULL, t);
	*failed = 0;
	/* Twice, because the first time something may be cached. */
	try(s, a, 0, without);
	try(s, a, 0, without);
	ASSERT_TRUE(without->complete);
	ASSERT_EQ(a->error, without->error);
	do {
		try(s, a, ++nth, t);
		judge(_metadata, a, nth, t, without);
		*failed += t->error != without->error;
	} while (t->hit);
	munmap(t, 2 * sizeof(*t));
	return nth - 1;
}

/* The same, without a look at what becomes of it */
static void rush(const struct scene *s, const struct attempt *a)
{
	unsigned int nth = 0;
	bool hit;
	int ret;

	do {
		fault_arm(s->fault, ++nth);
		ret = a->call(s);
		hit = fault_disarm(s->fault);
		if (ret >= 0 && a->undo)
			a->undo(s, ret);
	} while (hit);
}

/* Returns how many faults made the call fail. */
static int sweep_and_tell(struct __test_metadata *_metadata, const struct scene *s,
			  const struct attempt *a, bool in_child)
{
	int failed, sites = sweep(_metadata, s, a, &failed, in_child);

	TH_LOG("%s: %d faults, failed by %d", a->name, sites, failed);
	return failed;
}

static int call_create(const struct scene *s __maybe_unused)
{
	return sys_credfd_create(0);
}

static int call_create_access_only(const struct scene *s __maybe_unused)
{
	return sys_credfd_create(CREDFD_ACCESS_ONLY);
}

static void undo_create(const struct scene *s __maybe_unused, int ret)
{
	close(ret);
}

static int call_activate(const struct scene *s)
{
	return sys_credfd_activate(s->user, 0);
}

static int call_activate_samba(const struct scene *s)
{
	return sys_credfd_activate(s->samba, 0);
}

static void undo_activate(const struct scene *s, int ret __maybe_unused)
{
	sys_credfd_activate(s->root, 0);
}

static int call_access(const struct scene *s)
{
	return sys_credfd_access(s->user, s->open, R_OK | W_OK, 0);
}

static int call_access_denied(const struct scene *s)
{
	return sys_credfd_access(s->user, s->secret, R_OK, 0);
}

/* What is read in spite of a fault must be right. */
static int call_fdinfo(const struct scene *s)
{
	char path[64], text[sizeof(s->fdinfo)];

	snprintf(path, sizeof(path), "/proc/thread-self/fdinfo/%d", s->user);
	if (read_file(path, text, sizeof(text)))
		return -1;
	if (!strcmp(text, s->fdinfo))
		return 0;
	errno = EBADMSG;
	return -1;
}

/* What needs a copy of the credentials gets it from a snapshot. */
static int call_setuid_while_user(const struct scene *s)
{
	int ret = sys_credfd_activate(s->user, 0), error;

	if (!ret)
		ret = sys_setresuid(-1, OTHER_USER, -1);
	error = errno;
	if (ret)
		undo_activate(s, 0);
	errno = error;
	return ret;
}

static const struct attempt create = {
	.name = "credfd_create",
	.call = call_create,
	.undo = undo_create,
};

static const struct attempt create_access_only = {
	.name = "credfd_create, access only",
	.call = call_create_access_only,
	.undo = undo_create,
};

static const struct attempt activate = {
	.name = "credfd_activate",
	.call = call_activate,
	.undo = undo_activate,
};

static const struct attempt activate_samba = {
	.name = "credfd_activate, other real uid",
	.call = call_activate_samba,
	.undo = undo_activate,
};

static const struct attempt activate_audited = {
	.name = "credfd_activate, audited",
	.call = call_activate,
	.undo = undo_activate,
	.never_fails = true,
};

static const struct attempt activate_to_label = {
	.name = "credfd_activate, other label",
	.call = call_activate,
};

static const struct attempt allowed = {
	.name = "credfd_access",
	.call = call_access,
};

static const struct attempt denied = {
	.name = "credfd_access, denied",
	.call = call_access_denied,
	.error = EACCES,
};

static const struct attempt fdinfo = {
	.name = "fdinfo",
	.call = call_fdinfo,
};

static const struct attempt setuid_while_user = {
	.name = "setresuid after credfd_activate",
	.call = call_setuid_while_user,
	.undo = undo_activate,
};

FIXTURE(fault)
{
	struct audit audit;
	struct scene scene;
};

FIXTURE_SETUP(fault)
{
	struct scene *s = &self->scene;
	const char *reason = fault_unavailable();
	char path[64];

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, faults_setup());
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	s->fault = fault_open();
	ASSERT_LE(0, s->fault);
	s->dir = tmpfs_dir();
	ASSERT_LE(0, s->dir);
	s->open = openat(s->dir, "open", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ASSERT_LE(0, s->open);
	ASSERT_EQ(0, fchmod(s->open, 0666));
	s->secret = openat(s->dir, "secret", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ASSERT_LE(0, s->secret);

	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &s->root,
				 &s->user));
	ASSERT_EQ(0, credfd_pair(become_samba, USER, GROUP, &s->root,
				 &s->samba));
	snprintf(path, sizeof(path), "/proc/thread-self/fdinfo/%d", s->user);
	ASSERT_EQ(0, read_file(path, s->fdinfo, sizeof(s->fdinfo)));
	ASSERT_EQ(0, state_read(&s->start));
}

FIXTURE_TEARDOWN_PARENT(fault)
{
	EXPECT_EQ(0, audit_stop(&self->audit));
}

/* No file descriptor, or one that works. */
TEST_F(fault, create)
{
	struct scene *s = &self->scene;

	ASSERT_LT(0, sweep_and_tell(_metadata, s, &create, false));
	ASSERT_LT(0, sweep_and_tell(_metadata, s, &create_access_only, false));
}

/* The switch itself has nothing that could fail. */
TEST_F(fault, activate)
{
	struct scene *s = &self->scene;

	for (int round = 0; round < 100; round++) {
		ASSERT_EQ(0, fault_arm(s->fault, 1));
		ASSERT_EQ(0, sys_credfd_activate(s->user, 0));
		ASSERT_FALSE(fault_disarm(s->fault));
		ASSERT_EQ(0, fault_arm(s->fault, 1));
		ASSERT_EQ(0, sys_credfd_activate(s->samba, 0));
		ASSERT_FALSE(fault_disarm(s->fault));
		ASSERT_EQ(0, fault_arm(s->fault, 1));
		ASSERT_EQ(0, sys_credfd_activate(s->root, 0));
		ASSERT_FALSE(fault_disarm(s->fault));
	}
	ASSERT_EQ(0, sweep_and_tell(_metadata, s, &activate, false));
	ASSERT_EQ(0, sweep_and_tell(_metadata, s, &activate_samba, false));
}

/* An audit record may be lost, but who can switch, switches. */
TEST_F(fault, activate_audited)
{
	struct scene *s = &self->scene;

	ASSERT_EQ(0, audit_start(&self->audit, __NR_credfd_activate));
	ASSERT_EQ(0, sweep_and_tell(_metadata, s, &activate_audited, true));
}

/* Labels: each module lets a task with all capabilities go somewhere. */

static int become_label(const void *label)
{
	return write_file(SELF_ATTR("current"), label);
}

/* All of a file that lies beside this program. Its size, or -1. */
static ssize_t read_beside(const char *name, void *buf, size_t size)
{
	char path[PATH_MAX] = "", *slash;
	ssize_t len;
	int fd;

	if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0)
		return -1;
	slash = strrchr(path, '/');
	snprintf(slash + 1, path + sizeof(path) - slash - 1, "%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = read(fd, buf, size);
	close(fd);
	return len;
}

static int load_apparmor(int securityfs, void *policy, size_t size)
{
	ssize_t len = read_beside("apparmor_initial.policy", policy, size);

	return len < 0 ? -1 : securityfs_write(securityfs, "apparmor/.replace",
					       policy, len);
}

/*
 * With the policy capability, number 15, that the policy compiler does not know.
 * Where it has to go is explained in selinux_test.c.
 */
static int load_selinux(void *policy, size_t size)
{
	ssize_t len = read_beside("selinux_full.policy", policy, size), done;
	__u32 length;
	__u64 bits;
	char *map;
	int fd;

	if (len < 0)
		return -1;
	memcpy(&length, policy + sizeof(length), sizeof(length));
	map = policy + 2 * sizeof(__u32) + le32toh(length) + 8 * sizeof(__u32);
	memcpy(&bits, map, sizeof(bits));
	bits |= htole64(1ULL << 15);
	memcpy(map, &bits, sizeof(bits));

	if (mount("selinuxfs", SELINUXFS, "selinuxfs", 0, NULL) && errno != EBUSY)
		return -1;
	fd = open(SELINUXFS "/load", O_WRONLY | O_CLOEXEC);
	done = write(fd, policy, len);
	close(fd);
	return done == len ? 0 : -1;
}

/* A credfd with another label that may be taken on */
static int credfd_with_label(const char *module, int securityfs)
{
	static char policy[8 << 20];

	if (!strcmp(module, "smack"))
		return credfd_from_child(become_label, "One");
	if (!strcmp(module, "apparmor") &&
	    !load_apparmor(securityfs, policy, sizeof(policy)))
		return credfd_from_child(become_label, "stack credfd_foo");
	if (!strcmp(module, "selinux") &&
	    !load_selinux(policy, sizeof(policy)))
		return credfd_from_child(become_label,
					 "user_u:base_r:credfd_other_t");
	return -1;
}

/* Nor does the label change without the rest, or the rest without it. */
TEST_F(fault, activate_label)
{
	struct scene *s = &self->scene;
	static const char * const modules[] = { "selinux", "apparmor", "smack" };
	int securityfs = securityfs_open();
	const char *module = NULL;
	struct state after;

	ASSERT_LE(0, securityfs);
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
		if (lsm_active(securityfs, modules[i]))
			module = modules[i];
	if (!module)
		SKIP(return, "no security module with labels is active");
	s->user = credfd_with_label(module, securityfs);
	ASSERT_LE(0, s->user);

	sweep_and_tell(_metadata, s, &activate_to_label, true);
	ASSERT_EQ(0, sys_credfd_activate(s->user, 0));
	ASSERT_EQ(0, state_read(&after));
	ASSERT_STREQ("label", state_differs(&s->start, &after));
}

/* Nobody is let in for want of memory. */
TEST_F(fault, access)
{
	struct scene *s = &self->scene;

	sweep_and_tell(_metadata, s, &allowed, false);
	sweep_and_tell(_metadata, s, &denied, false);
}

/* What the file shows is all there, or not at all. */
TEST_F(fault, fdinfo)
{
	struct scene *s = &self->scene;

	ASSERT_LT(0, sweep_and_tell(_metadata, s, &fdinfo, false));
}

/* Credentials from a credfd are as good as others to go on from. */
TEST_F(fault, setuid_while_user)
{
	struct scene *s = &self->scene;

	ASSERT_LT(0, sweep_and_tell(_metadata, s, &setuid_while_user, false));
	ASSERT_EQ(0, sys_credfd_activate(s->user, 0));
	ASSERT_EQ(USER, (int)geteuid());
}

/* Neither credentials nor files remain. kmemleak sees the rest. */
TEST_F(fault, leaks)
{
	struct scene *s = &self->scene;
	static const struct attempt * const all[] = {
		&create, &create_access_only, &allowed, &denied, &fdinfo,
		&setuid_while_user,
	};
	static const char * const caches[] = { "cred", "filp" };
	long before[ARRAY_SIZE(caches)];

	for (size_t i = 0; i < ARRAY_SIZE(caches); i++)
		before[i] = slab_least(caches[i], -1, 20);
	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < ARRAY_SIZE(all); i++)
			rush(s, all[i]);
	for (size_t i = 0; i < ARRAY_SIZE(caches); i++) {
		if (before[i] < 0)
			TH_LOG("%s: shared with others, not counted", caches[i]);
		else
			ASSERT_GE(before[i] + SLACK,
				  slab_least(caches[i], before[i] + SLACK, 300))
				TH_LOG("%s: %ld before", caches[i], before[i]);
	}
}

TEST_HARNESS_MAIN
