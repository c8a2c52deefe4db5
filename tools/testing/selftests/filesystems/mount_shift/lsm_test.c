// SPDX-License-Identifier: GPL-2.0
/*
 * mount_shift selftests: security modules decide about marks and shifts
 *
 * There is one hook for all attributes of mounts, and the modules look at it for
 * marks and shifts alone: everything else has to work as it did before.
 *
 * The policies of SELinux and AppArmor are compiled when the tests are built, so
 * that the machine that runs the tests needs no compilers for them. They are
 * looked for beside this program.
 */

#include "lsm.h"

#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/landlock.h>

/* In seconds: some kernels that check themselves are slow at it. */
#define TIMEOUT			300

#define SELINUXFS		"/sys/fs/selinux"
#define SELF_ATTR(name)		"/proc/thread-self/attr/" name

/* Writes a file that lies beside this program to one that takes policies. */
static int policy_write(const char *name, int fd)
{
	struct data data;
	int ret;

	if (data_map(&data, name))
		return -1;
	ret = data_write(&data, fd);
	munmap(data.start, data.size);
	return ret;
}

/* Confinement */

/* How a process is confined, on the host or in a container */
struct confinement {
	int (*confine)(const void *how);
	const void *how;
	const struct container *container;	/* NULL: on the host */
};

static int enter_confinement(const void *arg)
{
	const struct confinement *c = arg;

	if (c->container) {
		const struct container_entry entry = { c->container, { 0, 0 } };

		if (enter_container(&entry))
			return -1;
	}
	return c->confine ? c->confine(c->how) : 0;
}

/* In a child, since there is no way out of it */
static int confined(const struct confinement *c, int (*fn)(void *arg), void *arg)
{
	const struct child_call call = { enter_confinement, c, fn, arg };

	return child_call(&call);
}

/* What is tried */

struct target {
	int mnt;
	int userns;
};

static int do_mark(void *arg)
{
	const struct target *target = arg;

	return mark(target->mnt, BASE) ? -errno : 0;
}

static int do_mark_recursive(void *arg)
{
	const struct target *target = arg;

	return mark_recursive(target->mnt, BASE) ? -errno : 0;
}

static int do_mark_any(void *arg)
{
	const struct target *target = arg;

	return mark_any(target->mnt) ? -errno : 0;
}

/* An ordinary attribute does not hide the other one. */
static int do_mark_nosuid(void *arg)
{
	struct mount_attr attr = MARK(BASE);
	const struct target *target = arg;

	attr.attr_set |= MOUNT_ATTR_NOSUID;
	return set_attr(target->mnt, &attr) ? -errno : 0;
}

static int do_replace(void *arg)
{
	const struct target *target = arg;

	return mark_replace(target->mnt, BASE_B) ? -errno : 0;
}

static int do_unmark(void *arg)
{
	const struct target *target = arg;

	return unmark(target->mnt) ? -errno : 0;
}

static int do_revoke(void *arg)
{
	const struct target *target = arg;

	return mark_revoke(target->mnt) ? -errno : 0;
}

static int do_direct(void *arg)
{
	const struct target *target = arg;

	return shift_direct(target->mnt, target->userns, ORIGIN, ORIGIN,
			    COUNT) ? -errno : 0;
}

static int do_unmark_recursive(void *arg)
{
	const struct mount_attr attr = { .attr_clr = MOUNT_ATTR_SHIFTABLE };
	const struct target *target = arg;

	return set_attr_recursive(target->mnt, &attr) ? -errno : 0;
}

static int do_direct_recursive(void *arg)
{
	const struct target *target = arg;
	const struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_SHIFT,
		.userns_fd = target->userns,
		.origin_uid = ORIGIN,
		.origin_gid = ORIGIN,
	};

	return set_attr_recursive(target->mnt, &attr) ? -errno : 0;
}

static int do_nosuid(void *arg)
{
	const struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID };
	const struct target *target = arg;

	return set_attr(target->mnt, &attr) ? -errno : 0;
}

static int do_readonly_recursive(void *arg)
{
	const struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	const struct target *target = arg;

	return set_attr_recursive(target->mnt, &attr) ? -errno : 0;
}

static int do_idmap(void *arg)
{
	const struct target *target = arg;

	return idmap(target->mnt, target->userns) ? -errno : 0;
}

/* The kinds of mounts that it is tried with */
#define DETACHED	0x1
#define ATTACHED	0x2

struct operation {
	const char *name;
	int (*fn)(void *arg);
	bool marked;		/* what the mount is before */
	unsigned int kinds;
};

/* What root of the host does with marks and shifts. Each changes something. */
static const struct operation operations[] = {
	{ "mark", do_mark, false, DETACHED | ATTACHED },
	{ "mark a tree", do_mark_recursive, false, DETACHED | ATTACHED },
	{ "mark for anybody", do_mark_any, false, DETACHED | ATTACHED },
	{ "mark, and nosuid", do_mark_nosuid, false, DETACHED | ATTACHED },
	{ "replace the mark", do_replace, true, DETACHED | ATTACHED },
	{ "unmark", do_unmark, true, DETACHED | ATTACHED },
	{ "revoke", do_revoke, true, DETACHED | ATTACHED },
	{ "shift directly", do_direct, false, DETACHED },
	{ "shift a marked one directly", do_direct, true, DETACHED },
};

/* What a module has no say in */
static const struct operation plain_operations[] = {
	{ "nosuid", do_nosuid, false, DETACHED | ATTACHED },
	{ "nosuid where a mark is", do_nosuid, true, DETACHED | ATTACHED },
	{ "read-only", do_readonly_recursive, false, DETACHED | ATTACHED },
	{ "idmap", do_idmap, false, DETACHED },
	{ "idmap where a mark is", do_idmap, true, DETACHED },
};

/* A mount option, or NULL, for the tmpfs that something is tried with. */
struct option {
	const char *key;
	const char *value;
};

static int tmpfs_with(const struct option *option)
{
	return option ? fs_fd("tmpfs", option->key, option->value) :
			tmpfs_fd("0755");
}

/* A module that refuses must have come before any change. */
static bool same_state(const struct statmount *a, const struct statmount *b)
{
	return a->mnt_attr == b->mnt_attr &&
	       a->mnt_origin_uid == b->mnt_origin_uid &&
	       a->mnt_origin_gid == b->mnt_origin_gid &&
	       a->mnt_origin_count == b->mnt_origin_count &&
	       a->mnt_shift_flags == b->mnt_shift_flags &&
	       a->mnt_shiftable_by == b->mnt_shiftable_by &&
	       a->mnt_uidmap_num == b->mnt_uidmap_num;
}

/* Tries one operation on a new file system. "fine" or what was not as expected */
static const char *try_once(const struct confinement *c,
			    const struct operation *op, bool attached,
			    const struct option *option, int userns,
			    int expected)
{
	static char text[160];
	struct target target = {
		.mnt = tmpfs_with(option),
		.userns = userns,
	};
	struct statmount before, after;
	const char *what = NULL;
	int ret;

	if (target.mnt < 0)
		what = "cannot make a file system";
	else if (attached && attach(target.mnt, SRC))
		what = "cannot attach it";
	else if (op->marked && mark(target.mnt, BASE))
		what = "cannot mark it";
	else if (mount_state(target.mnt, &before))
		what = "cannot tell the state before";
	if (what) {
		snprintf(text, sizeof(text), "%s: %s: %s", op->name, what,
			 strerror(errno));
		return text;
	}

	ret = confined(c, op->fn, &target);
	if (mount_state(target.mnt, &after))
		what = "cannot tell the state after";
	else if (ret != expected)
		what = ret ? strerror(-ret) : "is allowed";
	else if (same_state(&before, &after) != !!expected)
		what = expected ? "is refused and has changed something" :
				  "is allowed and has changed nothing";

	if (attached && sys_umount2(SRC, MNT_DETACH))
		what = "cannot unmount it";
	close(target.mnt);
	if (!what)
		return "fine";
	snprintf(text, sizeof(text), "%s%s: %s", op->name,
		 attached ? ", attached" : ", detached", what);
	return text;
}

static const char *try_each(const struct confinement *c,
			    const struct operation *ops, size_t num,
			    unsigned int kinds, const struct option *option,
			    int expected)
{
	const char *outcome = "fine";
	int userns;

	userns = userns_open(map_of(BASE), map_of(BASE));
	if (userns < 0)
		return "cannot make a user namespace";
	for (size_t i = 0; i < 2 * num && !strcmp(outcome, "fine"); i++) {
		const struct operation *op = &ops[i / 2];
		const bool attached = i % 2;

		if (op->kinds & kinds & (attached ? ATTACHED : DETACHED))
			outcome = try_once(c, op, attached, option, userns,
					   expected);
	}
	close(userns);
	return outcome;
}

/* 0 if the confinement allows all of them, or the error that all fail with */
static const char *try_all(const struct confinement *c, unsigned int kinds,
			   const struct option *option, int expected)
{
	return try_each(c, operations, ARRAY_SIZE(operations), kinds, option,
			expected);
}

static const char *try_plain(const struct confinement *c,
			     const struct option *option)
{
	return try_each(c, plain_operations, ARRAY_SIZE(plain_operations),
			DETACHED | ATTACHED, option, 0);
}

#define ASSERT_ALL(c, kinds, option, expected)				\
	ASSERT_STREQ("fine", try_all(c, kinds, option, expected))
#define ASSERT_PLAIN(c, option)						\
	ASSERT_STREQ("fine", try_plain(c, option))

/* The same with open_tree_attr(2), which sets attributes of the clone it makes */

static int open_tree_with(const struct mount_attr *attr)
{
	int mnt = sys_open_tree_attr(AT_FDCWD, SRC, CLONE_TREE, attr,
				     sizeof(*attr));

	if (mnt < 0)
		return -errno;
	return close(mnt);
}

static int do_open_tree_mark(void *arg __maybe_unused)
{
	struct mount_attr attr = MARK(BASE);

	/* A clone may have a mark already. */
	attr.attr_clr = MOUNT_ATTR_SHIFTABLE;
	return open_tree_with(&attr);
}

static int do_open_tree_direct(void *arg)
{
	const struct target *target = arg;
	const struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_SHIFT,
		.userns_fd = target->userns,
		.origin_uid = ORIGIN,
		.origin_gid = ORIGIN,
	};

	return open_tree_with(&attr);
}

static int do_open_tree_nosuid(void *arg __maybe_unused)
{
	const struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID };

	return open_tree_with(&attr);
}

static int do_open_tree_shift(void *arg __maybe_unused)
{
	const struct mount_attr attr = { .attr_set = MOUNT_ATTR_SHIFT };

	return open_tree_with(&attr);
}

/* Something is mounted on SRC. "fine" or what was not as expected */
static const char *try_open_tree(const struct confinement *c, int expected)
{
	struct target target = {
		.userns = userns_open(map_of(BASE), map_of(BASE)),
	};
	const char *outcome = "fine";

	if (target.userns < 0)
		return "cannot make a user namespace";
	if (confined(c, do_open_tree_mark, NULL) != expected)
		outcome = expected ? "can mark a clone" : "cannot mark a clone";
	else if (confined(c, do_open_tree_direct, &target) != expected)
		outcome = expected ? "can shift a clone" : "cannot shift a clone";
	else if (confined(c, do_open_tree_nosuid, NULL))
		outcome = "cannot set an ordinary attribute of a clone";
	close(target.userns);
	return outcome;
}

#define ASSERT_OPEN_TREE(c, expected)					\
	ASSERT_STREQ("fine", try_open_tree(c, expected))

/* What a container's root does */

static int do_clone_src(void *arg __maybe_unused)
{
	int mnt = clone_mount(SRC);

	return mnt < 0 ? -errno : mnt;
}

static int do_clone_src_tree(void *arg __maybe_unused)
{
	int mnt = clone_tree(SRC);

	return mnt < 0 ? -errno : mnt;
}

static int do_shift_readonly(void *arg)
{
	const struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_SHIFT | MOUNT_ATTR_RDONLY,
	};

	return set_attr(*(int *)arg, &attr) ? -errno : 0;
}

static int do_shift_recursive(void *arg)
{
	return shift_recursive(*(int *)arg) ? -errno : 0;
}

static int do_container_nosuid(void *arg)
{
	const struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID };

	return set_attr(*(int *)arg, &attr) ? -errno : 0;
}

/*
 * Tries a delegated shift of SRC, which is marked, in the container. Afterwards
 * somebody who is not confined tries the same: what has been shifted cannot be
 * shifted again, and what has been refused is as it was.
 */
static const char *try_delegated(const struct confinement *c, int expected)
{
	static int (* const forms[])(void *arg) = {
		do_shift_fd, do_shift_readonly, do_shift_recursive,
	};
	int mnt, ret;

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		mnt = fd_from_container(c->container, do_clone_src, NULL);
		if (mnt < 0)
			return "cannot clone it";
		if (confined(c, do_container_nosuid, &mnt))
			return "an ordinary attribute cannot be set";
		ret = confined(c, forms[i], &mnt);
		if (ret != expected)
			return ret ? strerror(-ret) : "is allowed";
		ret = in_container(c->container, do_shift_fd, &mnt);
		if (ret != (expected ? 0 : -EPERM))
			return expected ? "is refused and has changed something" :
					  "is allowed and has changed nothing";
		close(mnt);
	}

	ret = confined(c, do_open_tree_shift, NULL);
	if (ret != expected)
		return ret ? strerror(-ret) : "open_tree_attr() is allowed";
	return "fine";
}

#define ASSERT_DELEGATED(c, expected)					\
	ASSERT_STREQ("fine", try_delegated(c, expected))

/* SRC on a tmpfs, and a container that may shift it */
static int delegation_setup(struct container *container,
			    const struct option *option)
{
	int mnt = tmpfs_with(option);
	struct container made;

	if (mnt < 0)
		return -1;
	if (attach(mnt, SRC) || chown(SRC, ORIGIN, ORIGIN) || mark(mnt, BASE))
		return close_fail(mnt);
	close(mnt);
	/* A fixture may be in memory that is shared with the child this forks. */
	if (container_make(&made, BASE))
		return -1;
	*container = made;
	return 0;
}

/* A second mount below SRC, for what is done to a tree */
#define SUB		SRC "/sub"

static int tree_setup(const struct option *top_option,
		      const struct option *sub_option)
{
	int top = tmpfs_with(top_option), sub = tmpfs_with(sub_option);

	if (top < 0 || sub < 0 || attach(top, SRC) || mkdir(SUB, 0755) ||
	    attach(sub, SUB))
		return -1;
	close(top);
	return close(sub);
}

/* The confinement allows it for SRC, but not for SUB. "fine" or what is wrong */
static const char *try_tree(const struct confinement *c, int expected)
{
	struct target target = {
		.mnt = open_mount(SRC),
		.userns = userns_open(map_of(BASE), map_of(BASE)),
	};
	int sub = open_mount(SUB);
	const char *outcome = "fine";

	if (target.mnt < 0 || target.userns < 0 || sub < 0)
		return "cannot open the mounts";

	if (confined(c, do_mark_recursive, &target) != expected ||
	    is_marked(target.mnt) || is_marked(sub))
		outcome = "both can be marked";
	else if (confined(c, do_mark, &target))
		outcome = "the first one alone cannot be marked";
	else if (confined(c, do_readonly_recursive, &target))
		outcome = "an ordinary attribute cannot be set";
	else if (unmark(target.mnt) || mark_recursive(target.mnt, BASE))
		outcome = "cannot mark both";
	else if (confined(c, do_unmark_recursive, &target) != expected ||
		 !is_marked(target.mnt) || !is_marked(sub))
		outcome = "both can be unmarked";
	else if (confined(c, do_unmark, &target))
		outcome = "the first one alone cannot be unmarked";
	close(target.mnt);
	close(target.userns);
	close(sub);
	return outcome;
}

#define ASSERT_TREE(c, expected)					\
	ASSERT_STREQ("fine", try_tree(c, expected))

/* Landlock */

/* Enters a domain that handles something: @how is a struct landlock_ruleset_attr. */
static int landlock_confine(const void *how)
{
	const struct landlock_ruleset_attr *attr = how;
	int ruleset, ret;

	ruleset = syscall(__NR_landlock_create_ruleset, attr, sizeof(*attr), 0);
	if (ruleset < 0)
		return -1;
	ret = syscall(__NR_landlock_restrict_self, ruleset, 0);
	return ret ? close_fail(ruleset) : close(ruleset);
}

static const struct landlock_ruleset_attr files = {
	.handled_access_fs = LANDLOCK_ACCESS_FS_READ_FILE,
};

static const struct landlock_ruleset_attr network = {
	.handled_access_net = LANDLOCK_ACCESS_NET_BIND_TCP,
};

static const struct landlock_ruleset_attr signals = {
	.scoped = LANDLOCK_SCOPE_SIGNAL,
};

FIXTURE(landlock)
{
	struct container container;
};

FIXTURE_SETUP(landlock)
{
	const char *reason = shift_unavailable();

	self->container = (struct container)CONTAINER_NONE;
	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_TRUE(lsm_active("landlock"));
	ASSERT_EQ(0, scratch_setup());
}

FIXTURE_TEARDOWN(landlock)
{
	container_end(&self->container);
}

/* Without a domain everything works, or the refusals below would prove nothing. */
TEST_F_TIMEOUT(landlock, no_domain, TIMEOUT)
{
	struct confinement c = {};

	ASSERT_ALL(&c, DETACHED | ATTACHED, NULL, 0);
	ASSERT_PLAIN(&c, NULL);
	ASSERT_EQ(0, delegation_setup(&self->container, NULL));
	ASSERT_OPEN_TREE(&c, 0);
	c.container = &self->container;
	ASSERT_DELEGATED(&c, 0);
}

/* Who may not change what is where does not change who owns it either. */
TEST_F_TIMEOUT(landlock, host, TIMEOUT)
{
	const struct confinement c = {
		.confine = landlock_confine,
		.how = &files,
	};

	ASSERT_ALL(&c, DETACHED | ATTACHED, NULL, -EPERM);
	ASSERT_PLAIN(&c, NULL);
	ASSERT_EQ(0, tmpfs_mount(SRC, "0755"));
	ASSERT_OPEN_TREE(&c, -EPERM);
}

/* The same in a container, for its root. */
TEST_F(landlock, container)
{
	const struct confinement c = {
		.confine = landlock_confine,
		.how = &files,
		.container = &self->container,
	};

	ASSERT_EQ(0, delegation_setup(&self->container, NULL));
	ASSERT_DELEGATED(&c, -EPERM);
}

/* Every right on files will do. */
TEST_F(landlock, each_right)
{
	for (__u64 right = LANDLOCK_ACCESS_FS_EXECUTE;
	     right <= LANDLOCK_ACCESS_FS_IOCTL_DEV; right <<= 1) {
		const struct landlock_ruleset_attr attr = {
			.handled_access_fs = right,
		};
		const struct confinement c = {
			.confine = landlock_confine,
			.how = &attr,
		};
		struct target target = { .mnt = tmpfs_fd("0755") };

		ASSERT_LE(0, target.mnt);
		ASSERT_EQ(-EPERM, confined(&c, do_mark, &target))
			TH_LOG("right %#llx", (unsigned long long)right);
		close(target.mnt);
	}
}

/* A domain that does not handle files has nothing to do with it. */
TEST_F_TIMEOUT(landlock, no_file_rights, TIMEOUT)
{
	static const struct landlock_ruleset_attr * const attrs[] = {
		&network, &signals,
	};

	ASSERT_EQ(0, delegation_setup(&self->container, NULL));
	for (size_t i = 0; i < ARRAY_SIZE(attrs); i++) {
		struct confinement c = {
			.confine = landlock_confine,
			.how = attrs[i],
			.container = &self->container,
		};

		ASSERT_DELEGATED(&c, 0);
		c.container = NULL;
		ASSERT_ALL(&c, DETACHED | ATTACHED, NULL, 0);
	}
}

static int landlock_confine_twice(const void *how)
{
	return landlock_confine(how) || landlock_confine(&signals) ? -1 : 0;
}

/* A domain below one that handles files is no way around it. */
TEST_F_TIMEOUT(landlock, nested, TIMEOUT)
{
	struct confinement c = {
		.confine = landlock_confine_twice,
		.how = &files,
		.container = &self->container,
	};

	ASSERT_EQ(0, delegation_setup(&self->container, NULL));
	ASSERT_DELEGATED(&c, -EPERM);
	c.container = NULL;
	ASSERT_ALL(&c, DETACHED | ATTACHED, NULL, -EPERM);
	ASSERT_PLAIN(&c, NULL);
}

/* SELinux */

#define DOMAIN(name)		"user_u:base_r:" name "_t"
#define OBJECT(name)		"user_u:object_r:" name "_t"
#define BASE_DOMAIN		DOMAIN("base")

static int selinux_confine(const void *how)
{
	return write_file(SELF_ATTR("current"), how);
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

/* Brings the policy into force. "fine" or what went wrong */
static const char *selinux_start(bool *was_permissive)
{
	int load, ret;

	if (enforcing_get() < 0 &&
	    sys_mount("selinuxfs", SELINUXFS, "selinuxfs", 0, NULL))
		return "cannot mount selinuxfs";
	*was_permissive = !enforcing_get();

	load = open(SELINUXFS "/load", O_WRONLY | O_CLOEXEC);
	ret = policy_write("selinux.policy", load);
	close(load);
	if (ret)
		return "no policy: were checkpolicy and mdp there when this was built?";
	if (enforcing_set(1) || enforcing_get() != 1)
		return "SELinux is permissive";
	return "fine";
}

/* Why the tests cannot run here, or NULL if they can */
static const char *selinux_unavailable(void)
{
	const char *reason = shift_unavailable();
	char context[256];

	if (reason)
		return reason;
	if (!lsm_active("selinux") ||
	    read_file(SELF_ATTR("current"), context, sizeof(context)))
		return "SELinux is not active";

	/* Its processes would be left without a context. */
	if (strchr(context, ':') && strcmp(context, BASE_DOMAIN))
		return "the system has an SELinux policy of its own";
	return NULL;
}

/* File systems that shift_t may remount, and others */
static const struct option shift_fs = { "fscontext", OBJECT("shift_fs") };
static const struct option other_fs = { "fscontext", OBJECT("base") };

FIXTURE(selinux)
{
	struct container container;
	bool was_permissive;
};

FIXTURE_SETUP(selinux)
{
	const char *reason = selinux_unavailable();

	self->container = (struct container)CONTAINER_NONE;
	if (reason)
		SKIP(return, "%s", reason);
	/* Before there is another mount namespace, which is not the parent's */
	ASSERT_STREQ("fine", selinux_start(&self->was_permissive));
	ASSERT_EQ(0, scratch_setup());
}

/* A container ends with the test that made it. */
FIXTURE_TEARDOWN_PARENT(selinux)
{
	if (self->was_permissive)
		EXPECT_EQ(0, enforcing_set(0));
}

/* The permission to remount a file system is what it takes. */
TEST_F_TIMEOUT(selinux, host, TIMEOUT)
{
	const struct confinement c = {
		.confine = selinux_confine,
		.how = DOMAIN("shift"),
	};

	ASSERT_ALL(&c, DETACHED | ATTACHED, &shift_fs, 0);
	ASSERT_PLAIN(&c, &shift_fs);
	ASSERT_EQ(0, delegation_setup(&self->container, &shift_fs));
	ASSERT_OPEN_TREE(&c, 0);
}

/* The same domain does not have it for another file system. */
TEST_F_TIMEOUT(selinux, host_denied, TIMEOUT)
{
	const struct confinement c = {
		.confine = selinux_confine,
		.how = DOMAIN("shift"),
	};

	ASSERT_ALL(&c, DETACHED | ATTACHED, &other_fs, -EACCES);
	ASSERT_PLAIN(&c, &other_fs);
	ASSERT_EQ(0, delegation_setup(&self->container, &other_fs));
	ASSERT_OPEN_TREE(&c, -EACCES);
}

/* A container's root needs it as well, ... */
TEST_F(selinux, container)
{
	const struct confinement c = {
		.confine = selinux_confine,
		.how = DOMAIN("shift"),
		.container = &self->container,
	};

	ASSERT_EQ(0, delegation_setup(&self->container, &shift_fs));
	ASSERT_DELEGATED(&c, 0);
}

/* ... and the mark does not replace it. */
TEST_F(selinux, container_denied)
{
	const struct confinement c = {
		.confine = selinux_confine,
		.how = DOMAIN("shift"),
		.container = &self->container,
	};

	ASSERT_EQ(0, delegation_setup(&self->container, &other_fs));
	ASSERT_DELEGATED(&c, -EACCES);
}

/* What is done to a tree of mounts is done to all of the file systems in it. */
TEST_F(selinux, tree)
{
	const struct confinement c = {
		.confine = selinux_confine,
		.how = DOMAIN("shift"),
	};
	struct target target = {
		.userns = userns_open(map_of(BASE), map_of(BASE)),
	};

	ASSERT_LE(0, target.userns);
	ASSERT_EQ(0, tree_setup(&shift_fs, &other_fs));
	ASSERT_TREE(&c, -EACCES);

	target.mnt = clone_tree(SRC);
	ASSERT_LE(0, target.mnt);
	ASSERT_EQ(-EACCES, confined(&c, do_direct_recursive, &target));
	ASSERT_EQ(0, confined(&c, do_direct, &target));
}

/* A container's root does not get at the others either, if they are marked. */
TEST_F(selinux, container_tree)
{
	const struct confinement c = {
		.confine = selinux_confine,
		.how = DOMAIN("shift"),
		.container = &self->container,
	};
	struct container made;
	int mnt;

	ASSERT_EQ(0, tree_setup(&shift_fs, &other_fs));
	mnt = open_mount(SRC);
	ASSERT_LE(0, mnt);
	ASSERT_EQ(0, mark_recursive(mnt, BASE));
	ASSERT_EQ(0, container_make(&made, BASE));
	self->container = made;

	mnt = fd_from_container(&made, do_clone_src_tree, NULL);
	ASSERT_LE(0, mnt);
	ASSERT_EQ(-EACCES, confined(&c, do_shift_recursive, &mnt));
	ASSERT_EQ(0, in_container(&made, do_shift_recursive, &mnt));

	/* The first one alone */
	mnt = fd_from_container(&made, do_clone_src_tree, NULL);
	ASSERT_LE(0, mnt);
	ASSERT_EQ(0, confined(&c, do_shift_fd, &mnt));
}

/* Where denials are only logged, they are no errors. */
TEST_F_TIMEOUT(selinux, permissive, TIMEOUT)
{
	const struct confinement c = {
		.confine = selinux_confine,
		.how = DOMAIN("shift"),
	};
	const char *outcome;

	ASSERT_EQ(0, enforcing_set(0));
	outcome = try_all(&c, DETACHED | ATTACHED, &other_fs, 0);
	ASSERT_EQ(0, enforcing_set(1));
	ASSERT_STREQ("fine", outcome);
}

/* AppArmor */

/* What the policy in apparmor/profiles consists of */
static const char * const profiles[] = {
	"shift_allowed",
	"shift_denied",
	"shift_src_only",
	"shift_detached_only",
	"shift_connected",
	"shift_complain",
};

/* What libapparmor's functions write */
static int apparmor_confine(const void *how)
{
	char command[64];

	snprintf(command, sizeof(command), "changeprofile %s",
		 (const char *)how);
	return write_file(SELF_ATTR("apparmor/current"), command);
}

FIXTURE(apparmor)
{
	struct container container;
	bool loaded;
};

FIXTURE_SETUP(apparmor)
{
	const char *reason = shift_unavailable();
	int fd;

	self->container = (struct container)CONTAINER_NONE;
	if (reason)
		SKIP(return, "%s", reason);
	if (!lsm_active("apparmor"))
		SKIP(return, "AppArmor is not active");
	ASSERT_EQ(0, scratch_setup());

	fd = securityfs_open("apparmor/.replace", O_WRONLY);
	ASSERT_LE(0, fd);
	self->loaded = true;
	ASSERT_EQ(0, policy_write("apparmor.policy", fd))
		TH_LOG("No policy: was apparmor_parser there when this was built?");
	close(fd);
}

FIXTURE_TEARDOWN_PARENT(apparmor)
{
	if (!self->loaded)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(profiles); i++) {
		const ssize_t len = strlen(profiles[i]);
		int fd = securityfs_open("apparmor/.remove", O_WRONLY);

		EXPECT_EQ(len, write(fd, profiles[i], len));
		close(fd);
	}
}

/* The rule for remounting is what it takes, and shows that the tests can pass. */
TEST_F_TIMEOUT(apparmor, allowed, TIMEOUT)
{
	struct confinement c = {
		.confine = apparmor_confine,
		.how = "shift_allowed",
	};

	ASSERT_ALL(&c, DETACHED | ATTACHED, NULL, 0);
	ASSERT_PLAIN(&c, NULL);
	ASSERT_EQ(0, delegation_setup(&self->container, NULL));
	ASSERT_OPEN_TREE(&c, 0);
	c.container = &self->container;
	ASSERT_DELEGATED(&c, 0);
}

/* Rules for all else that has to do with mounts are not enough. */
TEST_F_TIMEOUT(apparmor, denied, TIMEOUT)
{
	struct confinement c = {
		.confine = apparmor_confine,
		.how = "shift_denied",
	};

	ASSERT_ALL(&c, DETACHED | ATTACHED, NULL, -EACCES);
	ASSERT_PLAIN(&c, NULL);
	ASSERT_EQ(0, delegation_setup(&self->container, NULL));
	ASSERT_OPEN_TREE(&c, -EACCES);
	c.container = &self->container;
	ASSERT_DELEGATED(&c, -EACCES);
}

/* A rule is for a path: that of an attached mount ... */
TEST_F_TIMEOUT(apparmor, path, TIMEOUT)
{
	const struct confinement c = {
		.confine = apparmor_confine,
		.how = "shift_src_only",
	};
	struct target target;

	ASSERT_ALL(&c, ATTACHED, NULL, 0);
	ASSERT_ALL(&c, DETACHED, NULL, -EACCES);
	ASSERT_PLAIN(&c, NULL);

	/* On another path it is not allowed. */
	target.mnt = tmpfs_fd("0755");
	ASSERT_LE(0, target.mnt);
	ASSERT_EQ(0, attach(target.mnt, OTHER));
	ASSERT_EQ(-EACCES, confined(&c, do_mark, &target));
	ASSERT_FALSE(is_marked(target.mnt));
	ASSERT_EQ(0, sys_umount2(OTHER, MNT_DETACH));
}

/* ... and the root directory for one that is attached nowhere. */
TEST_F_TIMEOUT(apparmor, detached_path, TIMEOUT)
{
	struct confinement c = {
		.confine = apparmor_confine,
		.how = "shift_detached_only",
	};

	ASSERT_ALL(&c, DETACHED, NULL, 0);
	ASSERT_ALL(&c, ATTACHED, NULL, -EACCES);
	ASSERT_EQ(0, delegation_setup(&self->container, NULL));
	c.container = &self->container;
	ASSERT_DELEGATED(&c, 0);
}

/* A rule for a directory is not one for what is mounted below it. */
TEST_F(apparmor, tree)
{
	const struct confinement c = {
		.confine = apparmor_confine,
		.how = "shift_src_only",
	};

	ASSERT_EQ(0, tree_setup(NULL, NULL));
	ASSERT_TREE(&c, -EACCES);
}

/* A profile without attach_disconnected cannot name what is attached nowhere. */
TEST_F_TIMEOUT(apparmor, not_attach_disconnected, TIMEOUT)
{
	struct confinement c = {
		.confine = apparmor_confine,
		.how = "shift_connected",
	};

	ASSERT_ALL(&c, ATTACHED, NULL, 0);
	ASSERT_ALL(&c, DETACHED, NULL, -EACCES);
	ASSERT_PLAIN(&c, NULL);
	ASSERT_EQ(0, delegation_setup(&self->container, NULL));
	c.container = &self->container;
	ASSERT_DELEGATED(&c, -EACCES);
}

/* Each profile of a stack has to allow it. */
TEST_F_TIMEOUT(apparmor, stack, TIMEOUT)
{
	const struct confinement both = {
		.confine = apparmor_confine,
		.how = "shift_allowed//&shift_src_only",
	};
	const struct confinement denied = {
		.confine = apparmor_confine,
		.how = "shift_allowed//&shift_denied",
	};

	ASSERT_ALL(&both, ATTACHED, NULL, 0);
	ASSERT_ALL(&both, DETACHED, NULL, -EACCES);
	ASSERT_ALL(&denied, DETACHED | ATTACHED, NULL, -EACCES);
	ASSERT_PLAIN(&denied, NULL);
}

/* A profile in complain mode only logs. */
TEST_F_TIMEOUT(apparmor, complain, TIMEOUT)
{
	struct confinement c = {
		.confine = apparmor_confine,
		.how = "shift_complain",
	};

	ASSERT_ALL(&c, DETACHED | ATTACHED, NULL, 0);
	ASSERT_EQ(0, delegation_setup(&self->container, NULL));
	c.container = &self->container;
	ASSERT_DELEGATED(&c, 0);
}

/* BPF */

#define HOOK			"bpf_lsm_mount_setattr"

/* Where a program finds the arguments of the hook */
#define ARG_ATTR_SET		8
#define ARG_ATTR_CLR		16

/* An error that nothing else has anything to do with */
#define BPF_ERROR		EUSERS

#define INSN(CODE, DST, SRC, OFF, IMM)					\
	((struct bpf_insn) {						\
		.code = (CODE),						\
		.dst_reg = (DST),					\
		.src_reg = (SRC),					\
		.off = (OFF),						\
		.imm = (IMM),						\
	})

static int sys_bpf(int cmd, union bpf_attr *attr)
{
	return syscall(__NR_bpf, cmd, attr, sizeof(*attr));
}

/* What comes after a type, before the next one; or -1 */
static ssize_t btf_extra_size(const struct btf_type *type)
{
	const size_t vlen = BTF_INFO_VLEN(type->info);

	switch (BTF_INFO_KIND(type->info)) {
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case BTF_KIND_FLOAT:
	case BTF_KIND_TYPE_TAG:
		return 0;
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return sizeof(__u32);
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return vlen * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return vlen * sizeof(struct btf_enum);
	case BTF_KIND_ENUM64:
		return vlen * sizeof(struct btf_enum64);
	case BTF_KIND_FUNC_PROTO:
		return vlen * sizeof(struct btf_param);
	case BTF_KIND_DATASEC:
		return vlen * sizeof(struct btf_var_secinfo);
	default:
		return -1;
	}
}

/* The id of the hook in the kernel's type information, or 0 */
static int btf_find_hook(void)
{
	const size_t room = 1 << 24;
	const struct btf_header *header;
	const char *type, *end, *strings;
	char *mem = malloc(room);
	ssize_t len = 0, part;
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
	int found = 0;

	while (mem && (part = read(fd, mem + len, room - len)) > 0)
		len += part;
	close(fd);
	header = (void *)mem;
	if (!mem || len < (ssize_t)sizeof(*header) || header->magic != BTF_MAGIC)
		return 0;

	type = mem + header->hdr_len + header->type_off;
	end = type + header->type_len;
	strings = mem + header->hdr_len + header->str_off;
	for (int id = 1; type < end && !found; id++) {
		const struct btf_type *t = (void *)type;
		const ssize_t extra = btf_extra_size(t);

		if (extra < 0)
			break;
		if (BTF_INFO_KIND(t->info) == BTF_KIND_FUNC &&
		    !strcmp(strings + t->name_off, HOOK))
			found = id;
		type += sizeof(*t) + extra;
	}
	free(mem);
	return found;
}

/*
 * A program that refuses what has one of these bits in one of the hook's
 * arguments. It runs until the file descriptor is closed.
 */
static int bpf_refuse(int arg, __u32 attrs)
{
	const struct bpf_insn insns[] = {
		INSN(BPF_LDX | BPF_DW | BPF_MEM, BPF_REG_2, BPF_REG_1, arg, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0),
		INSN(BPF_JMP | BPF_JSET | BPF_K, BPF_REG_2, 0, 1, attrs),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, -BPF_ERROR),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_LSM,
		.expected_attach_type = BPF_LSM_MAC,
		.attach_btf_id = btf_find_hook(),
		.insns = (unsigned long)insns,
		.insn_cnt = ARRAY_SIZE(insns),
		.license = (unsigned long)"GPL",
	};
	union bpf_attr attach = {};
	int prog = sys_bpf(BPF_PROG_LOAD, &load);
	int link;

	if (prog < 0)
		return -1;
	attach.raw_tracepoint.prog_fd = prog;
	link = sys_bpf(BPF_RAW_TRACEPOINT_OPEN, &attach);
	close_fail(prog);
	return link;
}

FIXTURE(bpf)
{
	struct container container;
};

FIXTURE_SETUP(bpf)
{
	const char *reason = shift_unavailable();

	self->container = (struct container)CONTAINER_NONE;
	if (reason)
		SKIP(return, "%s", reason);
	if (!lsm_active("bpf"))
		SKIP(return, "BPF LSM is not active");
	ASSERT_EQ(0, scratch_setup());
}

FIXTURE_TEARDOWN(bpf)
{
	container_end(&self->container);
}

/* What a program refuses is refused, wherever it is tried. */
TEST_F(bpf, shift)
{
	struct confinement c = {};
	int link;

	ASSERT_EQ(0, delegation_setup(&self->container, NULL));
	link = bpf_refuse(ARG_ATTR_SET, MOUNT_ATTR_SHIFT | MOUNT_ATTR_SHIFTABLE);
	ASSERT_LE(0, link);
	ASSERT_OPEN_TREE(&c, -BPF_ERROR);
	c.container = &self->container;
	ASSERT_EQ(-BPF_ERROR, confined(&c, do_open_tree_shift, NULL));

	close(link);
	ASSERT_EQ(0, confined(&c, do_open_tree_shift, NULL));
	c.container = NULL;
	ASSERT_OPEN_TREE(&c, 0);
}

/* A program is asked about every attribute, and what is set is not what is cleared. */
TEST_F(bpf, every_attribute)
{
	const struct mount_attr set = { .attr_set = MOUNT_ATTR_NOEXEC };
	const struct mount_attr clear = { .attr_clr = MOUNT_ATTR_NOEXEC };
	const struct mount_attr other = { .attr_set = MOUNT_ATTR_NODEV };
	int mnt = tmpfs_fd("0755");
	int link;

	ASSERT_LE(0, mnt);
	link = bpf_refuse(ARG_ATTR_SET, MOUNT_ATTR_NOEXEC);
	ASSERT_LE(0, link);
	ASSERT_EQ(-1, set_attr(mnt, &set));
	ASSERT_EQ(BPF_ERROR, errno);
	ASSERT_EQ(0U, mount_attrs(mnt) & MOUNT_ATTR_NOEXEC);
	ASSERT_EQ(0, set_attr(mnt, &clear));
	ASSERT_EQ(0, set_attr(mnt, &other));
	close(link);

	ASSERT_EQ(0, set_attr(mnt, &set));
	link = bpf_refuse(ARG_ATTR_CLR, MOUNT_ATTR_NOEXEC);
	ASSERT_LE(0, link);
	ASSERT_EQ(-1, set_attr(mnt, &clear));
	ASSERT_EQ(BPF_ERROR, errno);
	ASSERT_NE(0U, mount_attrs(mnt) & MOUNT_ATTR_NOEXEC);
	ASSERT_EQ(0, set_attr(mnt, &set));
	close(link);
	ASSERT_EQ(0, set_attr(mnt, &clear));
}

TEST_HARNESS_MAIN
