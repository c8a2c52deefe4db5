// SPDX-License-Identifier: GPL-2.0
/*
 * mount_shift selftests: every allocation fails once
 *
 * What a call needs is made to fail one by one, the first, the second and so on,
 * by /proc/thread-self/fail-nth, until the call gets through without having met
 * the fault. Each time the call does all of it or nothing, and nothing is lost.
 *
 * Copying from and to user space is made to fail, too, if the kernel can do that;
 * hence EFAULT beside ENOMEM. Both are all that a fault may change about the
 * answer: a refusal stays one.
 */

#include "container.h"

#include <linux/ptrace.h>

#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define SUB		SRC "/sub"
#define TEXT_SIZE	32768

/* As many lines as a map may have, and so low that they are less than a page */
#define MAP_LINES	340
#define MAP_ORIGIN	20000
#define MAP_BASE	30000

/* So often that a leak is more than what else goes on. */
#define ROUNDS		12
#define SLACK		6

/*
 * To run a program takes long. Few system calls have less faults than this where
 * kmemleak is on, so nearly all fail. MOUNT_SHIFT_STEP=1 in the environment leaves
 * none out.
 */
#define DEFAULT_STEP	3

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
	int dir = fs_fd("debugfs", NULL, NULL), fd;

	if (dir < 0)
		return -1;
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
	const char *reason = shift_unavailable();

	if (!reason && access(FAIL_NTH, F_OK))
		reason = "kernel without fault injection";
	return reason;
}

/* From now on the @nth allocation of the thread fails that @fault belongs to. */
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

/* What is tried, on mounts of the host or of a container */

struct scene {
	int src;		/* the mount on SRC */
	int sub;		/* and the one below it */
	int clone;		/* detached, of SRC; the tests shift it */
	int other;		/* a mount whose map is looked at */
	int userns;		/* for the direct form, or as an origin */
	struct container container;
	int slab;		/* the directory of that name in sysfs */
	char *wanted;		/* what is to be told about mounts */
};

struct attempt {
	const char *name;
	/* A file descriptor of a mount, 0, or -1 and errno */
	int (*call)(struct scene *s);
	/* After a call that did not fail; gets what that returned */
	void (*undo)(struct scene *s, int ret);
	int error;		/* of the call without a fault */
	bool in_child;		/* there is no way back */
};

/* What must not change by halves */

/*
 * The mounts of this namespace, without numbers by which the same mount can be told
 * from another one. Returns the length.
 */
static size_t mounts_text(const char *file, char *text, size_t size)
{
	FILE *f = fopen(file, "re");
	char line[4096], *rest;
	size_t len = 0;

	if (!f)
		return snprintf(text, size, "%s: %s\n", file, strerror(errno));
	while (fgets(line, sizeof(line), f) && len < size) {
		rest = strchr(line, ' ') + 1;
		len += snprintf(text + len, size - len, "%s", strchr(rest, ' '));
	}
	fclose(f);
	return len;
}

static size_t owner_text(int dir, const char *name, char *text, size_t size)
{
	struct ids ids;

	if (raw_ids(dir, name, &ids))
		return snprintf(text, size, "%s: %s\n", name, strerror(errno));
	return snprintf(text, size, "%s: %u:%u\n", name, ids.uid, ids.gid);
}

static size_t mount_text(int mnt, char *text, size_t size)
{
	static char answer[STATMOUNT_SIZE];
	struct statmount *sm = (void *)answer;
	size_t len;

	len = owner_text(mnt, "first", text, size);
	len += owner_text(mnt, "last", text + len, size - len);
	len += owner_text(mnt, "none", text + len, size - len);
	len += owner_text(mnt, "sub/first", text + len, size - len);
	len += snprintf(text + len, size - len, "restricted %llx\n",
			restrictions(mnt));
	/* A detached mount is not to be found. */
	if (statmount_by_fd(mnt, STATMOUNT_MNT_BASIC | STATMOUNT_MNT_SHIFT, sm))
		return len;
	return len + snprintf(text + len, size - len,
			      "attrs %llx, propagation %llx, mark %x %u %u %u %u\n",
			      sm->mnt_attr, sm->mnt_propagation,
			      sm->mnt_shift_flags, sm->mnt_origin_uid,
			      sm->mnt_origin_gid, sm->mnt_origin_count,
			      sm->mnt_shiftable_by);
}

static int state_read(struct scene *s, char *text)
{
	const size_t size = TEXT_SIZE;
	size_t len;
	int fd;

	len = mounts_text("/proc/self/mountinfo", text, size);
	len += mount_text(s->src, text + len, size - len);
	len += mount_text(s->sub, text + len, size - len);
	len += mount_text(s->clone, text + len, size - len);
	fd = dup(STDERR_FILENO);
	len += snprintf(text + len, size - len, "free file descriptor %d\n", fd);
	return len < size ? close(fd) : -1;
}

/* One call, with the fault or with none */
struct trial {
	int error;
	bool hit;
	bool complete;
	char before[TEXT_SIZE];
	char after[TEXT_SIZE];
	char result[TEXT_SIZE];
};

static void try_once(struct scene *s, const struct attempt *a, unsigned int nth,
		     struct trial *t)
{
	int fault = open(FAIL_NTH, O_RDWR | O_CLOEXEC), ret;

	memset(t, 0, sizeof(*t));
	if (fault < 0 || state_read(s, t->before) || fault_arm(fault, nth))
		return;
	ret = a->call(s);
	t->error = ret < 0 ? errno : 0;
	t->hit = fault_disarm(fault) && nth;
	t->complete = !state_read(s, t->after);
	if (ret > 0)
		mount_text(ret, t->result, sizeof(t->result));
	if (ret >= 0 && a->undo)
		a->undo(s, ret);
	close(fault);
}

static void try_it(struct scene *s, const struct attempt *a, unsigned int nth,
		   struct trial *t)
{
	pid_t pid;

	if (!a->in_child) {
		try_once(s, a, nth, t);
		return;
	}
	pid = fork();
	if (!pid) {
		try_once(s, a, nth, t);
		_exit(0);
	}
	if (wait_exit(pid))
		t->complete = false;
}

static void ASSERT_SAME(struct __test_metadata *_metadata, const char *wanted,
			const char *text, const struct attempt *a,
			unsigned int nth, const char *what)
{
	size_t at = 0;

	if (!strcmp(wanted, text))
		return;
	/* From the beginning of the first line that differs */
	for (size_t i = 0; wanted[i] && wanted[i] == text[i]; i++)
		if (wanted[i] == '\n')
			at = i + 1;
	TH_LOG("%s, fault %u: %s: %.*s, not %.*s", a->name, nth, what,
	       (int)strcspn(text + at, "\n"), text + at,
	       (int)strcspn(wanted + at, "\n"), wanted + at);
	ASSERT_TRUE(false);
}

static void judge(struct __test_metadata *_metadata, const struct attempt *a,
		  unsigned int nth, const struct trial *t,
		  const struct trial *without)
{
	const bool failed = t->error != without->error;

	ASSERT_TRUE(t->complete)
		TH_LOG("%s, fault %u: did not come to an end", a->name, nth);
	ASSERT_SAME(_metadata, without->before, t->before, a, nth - 1,
		    "left behind");
	if (failed) {
		ASSERT_TRUE(t->hit &&
			    (t->error == ENOMEM || t->error == EFAULT))
			TH_LOG("%s, fault %u: %s", a->name, nth,
			       strerror(t->error));
	}
	ASSERT_SAME(_metadata, failed ? t->before : without->after, t->after,
		    a, nth, "half done");
	ASSERT_SAME(_metadata, failed ? "" : without->result, t->result,
		    a, nth, "half done");
}

/* Fails everything once. Returns how much that is; @failed: what failed the call. */
static int sweep(struct __test_metadata *_metadata, struct scene *s,
		 const struct attempt *a, int *failed)
{
	struct trial *t = shared_alloc(2 * sizeof(*t)), *without = t + 1;
	unsigned int nth = 0;

	ASSERT_NE(NULL, t);
	*failed = 0;
	/* Twice, because the first time something may be cached. */
	try_it(s, a, 0, without);
	try_it(s, a, 0, without);
	ASSERT_TRUE(without->complete);
	ASSERT_EQ(a->error, without->error)
		TH_LOG("%s: %s", a->name, strerror(without->error));
	do {
		try_it(s, a, ++nth, t);
		judge(_metadata, a, nth, t, without);
		*failed += t->error != without->error;
	} while (t->hit);
	munmap(t, 2 * sizeof(*t));
	return nth - 1;
}

/* The same, without a look at what becomes of it */
static void rush(struct scene *s, const struct attempt *a, int fault)
{
	unsigned int nth = 0;
	bool hit;
	int ret;

	do {
		fault_arm(fault, ++nth);
		ret = a->call(s);
		hit = fault_disarm(fault);
		if (ret >= 0 && a->undo)
			a->undo(s, ret);
	} while (hit);
}

/* All of these calls allocate something. */
static void sweep_and_tell(struct __test_metadata *_metadata, struct scene *s,
			   const struct attempt *a)
{
	int failed, sites = sweep(_metadata, s, a, &failed);

	TH_LOG("%s: %d faults, failed by %d", a->name, sites, failed);
	ASSERT_LT(0, failed);
}

/* Marks */

static int call_mark(struct scene *s)
{
	return mark(s->src, BASE);
}

static int call_mark_any(struct scene *s)
{
	return mark_any(s->src);
}

static int mark_by_userns(struct scene *s, __u32 by)
{
	const struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_SHIFTABLE,
		.shift_flags = MOUNT_SHIFT_ORIGIN_USERNS,
		.shiftable_by = by,
		.origin_userns_fd = s->userns,
	};

	return set_attr(s->src, &attr);
}

static int call_mark_by_userns(struct scene *s)
{
	return mark_by_userns(s, BASE);
}

static int call_mark_recursive(struct scene *s)
{
	return mark_recursive(s->src, BASE);
}

static int call_replace(struct scene *s)
{
	return mark_replace(s->src, BASE_B);
}

static int call_unmark(struct scene *s)
{
	return unmark(s->src);
}

static int call_revoke(struct scene *s)
{
	return mark_revoke(s->src);
}

static void undo_mark(struct scene *s, int ret __maybe_unused)
{
	unmark(s->src);
}

static void undo_mark_recursive(struct scene *s, int ret __maybe_unused)
{
	unmark(s->src);
	unmark(s->sub);
}

static void undo_replace(struct scene *s, int ret __maybe_unused)
{
	mark_replace(s->src, BASE);
}

static void undo_unmark(struct scene *s, int ret __maybe_unused)
{
	mark(s->src, BASE);
}

/* Shifts */

static int call_shift(struct scene *s)
{
	return shift(s->clone);
}

static int call_shift_recursive(struct scene *s)
{
	return shift_recursive(s->clone);
}

static int call_shift_direct(struct scene *s)
{
	return shift_direct(s->clone, s->container.user.fd, ORIGIN, ORIGIN, COUNT);
}

static int call_shift_direct_by_userns(struct scene *s)
{
	const struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_SHIFT,
		.shift_flags = MOUNT_SHIFT_ORIGIN_USERNS,
		.userns_fd = s->container.user.fd,
		.origin_userns_fd = s->userns,
	};

	return set_attr(s->clone, &attr);
}

/* The clone as it was before, under the same number */
static int clone_again(struct scene *s, unsigned int flags)
{
	int mnt = sys_open_tree(AT_FDCWD, SRC, CLONE_TREE | flags);

	if (mnt < 0)
		return -1;
	if (dup3(mnt, s->clone, O_CLOEXEC) < 0)
		return close_fail(mnt);
	return close(mnt);
}

static void undo_shift(struct scene *s, int ret __maybe_unused)
{
	clone_again(s, 0);
}

static void undo_shift_recursive(struct scene *s, int ret __maybe_unused)
{
	clone_again(s, AT_RECURSIVE);
}

static int call_open_tree_shift(struct scene *s __maybe_unused)
{
	const struct mount_attr attr = { .attr_set = MOUNT_ATTR_SHIFT };

	return sys_open_tree_attr(AT_FDCWD, SRC, CLONE_TREE | AT_RECURSIVE, &attr,
				  sizeof(attr));
}

static int call_open_tree_direct(struct scene *s)
{
	const struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_SHIFT,
		.userns_fd = s->container.user.fd,
		.origin_uid = ORIGIN,
		.origin_gid = ORIGIN,
		.origin_count = COUNT,
	};

	return sys_open_tree_attr(AT_FDCWD, SRC, CLONE_TREE | AT_RECURSIVE, &attr,
				  sizeof(attr));
}

static int call_mount_shifted(struct scene *s __maybe_unused)
{
	return mount_shifted(SRC, DST);
}

static void undo_close(struct scene *s __maybe_unused, int ret)
{
	close(ret);
}

static void undo_attach(struct scene *s __maybe_unused, int ret __maybe_unused)
{
	sys_umount2(DST, 0);
}

/* Copies of mounts that have a mark, which is counted */

static int call_clone(struct scene *s __maybe_unused)
{
	return clone_mount(SRC);
}

static int call_clone_tree(struct scene *s __maybe_unused)
{
	return clone_tree(SRC);
}

static int call_bind(struct scene *s __maybe_unused)
{
	return sys_mount(SRC, DST, NULL, MS_BIND | MS_REC, NULL);
}

static int call_attach(struct scene *s __maybe_unused)
{
	int mnt = clone_tree(SRC);

	if (mnt < 0)
		return -1;
	if (attach(mnt, OTHER "/a"))
		return close_fail(mnt);
	return close(mnt);
}

static void undo_bind(struct scene *s __maybe_unused, int ret __maybe_unused)
{
	sys_umount2(DST, MNT_DETACH);
}

static void undo_attach_shared(struct scene *s __maybe_unused,
			       int ret __maybe_unused)
{
	sys_umount2(OTHER "/a", MNT_DETACH);
}

static int call_unshare(struct scene *s __maybe_unused)
{
	return unshare(CLONE_NEWNS);
}

/* What tells about them. What it says in spite of a fault must be right. */

static char told[STATMOUNT_SIZE];

static int same_as_wanted(const struct scene *s)
{
	if (!s->wanted || !memcmp(s->wanted, told, sizeof(told)))
		return 0;
	errno = EBADMSG;
	return -1;
}

static int call_statmount(struct scene *s)
{
	memset(told, 0, sizeof(told));
	if (statmount_by_fd(s->other, STATMOUNT_MNT_BASIC | STATMOUNT_MNT_SHIFT |
			    STATMOUNT_MNT_UIDMAP | STATMOUNT_MNT_GIDMAP |
			    STATMOUNT_MNT_POINT, (struct statmount *)told))
		return -1;
	return same_as_wanted(s);
}

static int call_mountinfo(struct scene *s)
{
	int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	size_t size = 0;
	ssize_t len;

	if (fd < 0)
		return -1;
	memset(told, 0, sizeof(told));
	while ((len = read(fd, told + size, sizeof(told) - size)) > 0)
		size += len;
	if (len)
		return close_fail(fd);
	close(fd);
	return same_as_wanted(s);
}

#define ATTEMPT(text, fn, ...)						\
	(&(const struct attempt){ .name = text, .call = fn, __VA_ARGS__ })

/* @lines lines of two ids each, one after the other inside and apart outside */
static const char *map_lines(unsigned int lines, unsigned int base)
{
	static char text[2][4096];
	char *map = text[base == MAP_BASE];
	size_t len = 0;

	for (unsigned int i = 0; i < lines; i++)
		len += snprintf(map + len, sizeof(text[0]) - len, "%u %u 2\n",
				2 * i, base + 3 * i);
	return map;
}

/* Files that belong to the first id of an origin, to another one, and to none */
static int make_files(int dir, uid_t first, uid_t last)
{
	if (make_file(dir, "first", 0644, first, first) ||
	    make_file(dir, "last", 0644, last, last))
		return -1;
	return make_file(dir, "none", 0644, 42, 42);
}

FIXTURE(fault)
{
	struct scene scene;
};

FIXTURE_SETUP(fault)
{
	struct scene *s = &self->scene;
	const char *reason = fault_unavailable();
	char path[] = SUB;

	s->container = (struct container)CONTAINER_NONE;
	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, faults_setup());
	s->slab = open("/sys/kernel/slab", O_PATH | O_CLOEXEC);
	ASSERT_EQ(0, scratch_setup());
	/* Each mount that is not needed takes time when mounts are copied. */
	sys_umount2("/dev", MNT_DETACH);
	sys_umount2("/run", MNT_DETACH);
	sys_umount2("/sys", MNT_DETACH);
	s->src = source_setup();
	ASSERT_LE(0, s->src);
	ASSERT_EQ(0, make_files(s->src, ORIGIN, ORIGIN + COUNT - 1));
	ASSERT_EQ(0, mkdir(path, 0755));
	ASSERT_EQ(0, tmpfs_mount(path, "0755"));
	s->sub = open_mount(path);
	ASSERT_LE(0, s->sub);
	ASSERT_EQ(0, make_files(s->sub, ORIGIN, ORIGIN + 1));
	s->clone = clone_mount(SRC);
	ASSERT_LE(0, s->clone);
	s->userns = -1;
	s->other = -1;
	s->wanted = NULL;
}

FIXTURE_TEARDOWN(fault)
{
	struct scene *s = &self->scene;

	container_end(&s->container);
}

/* A mount has the mark or has not. With numbers, for all, and replaced */
TEST_F(fault, mark)
{
	struct scene *s = &self->scene;

	sweep_and_tell(_metadata, s,
		       ATTEMPT("mark", call_mark, .undo = undo_mark));
	sweep_and_tell(_metadata, s,
		       ATTEMPT("mark for any", call_mark_any, .undo = undo_mark));
	ASSERT_EQ(0, mark(s->src, BASE));
	sweep_and_tell(_metadata, s,
		       ATTEMPT("replace", call_replace, .undo = undo_replace));
}

/* With a user namespace as the origin, in some more pieces each time */
TEST_F(fault, mark_by_userns)
{
	struct scene *s = &self->scene;
	static const unsigned int lines[] = { 1, 5, MAP_LINES };

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		const char *map = map_lines(lines[i], MAP_ORIGIN);

		s->userns = userns_open(map, map);
		ASSERT_LE(0, s->userns);
		sweep_and_tell(_metadata, s,
			       ATTEMPT("mark by user namespace",
				       call_mark_by_userns, .undo = undo_mark));
		ASSERT_EQ(0, close(s->userns));
	}
}

/* All mounts of a tree have it, or none */
TEST_F(fault, mark_recursive)
{
	struct scene *s = &self->scene;

	sweep_and_tell(_metadata, s,
		       ATTEMPT("mark recursively", call_mark_recursive,
			       .undo = undo_mark_recursive));
}

/* The mark is gone, or it is there and in force. */
TEST_F(fault, unmark)
{
	struct scene *s = &self->scene;

	ASSERT_EQ(0, mark(s->src, BASE));
	sweep_and_tell(_metadata, s,
		       ATTEMPT("unmark", call_unmark, .undo = undo_unmark));
	sweep_and_tell(_metadata, s,
		       ATTEMPT("revoke", call_revoke, .undo = undo_unmark));
	ASSERT_EQ(0, sys_umount2(SUB, MNT_DETACH));
	ASSERT_EQ(0, container_make(&s->container, BASE));
	ASSERT_EQ(0, in_container(&s->container, do_mount_shifted, NULL));
}

/* A container's root gets a shifted mount, or his clone is as before. */
TEST_F(fault, shift)
{
	struct scene *s = &self->scene;

	/* What is mounted below would be locked to it in the container. */
	ASSERT_EQ(0, sys_umount2(SUB, MNT_DETACH));
	ASSERT_EQ(0, mark(s->src, BASE));
	ASSERT_EQ(0, container_make(&s->container, BASE));
	IN_CONTAINER(&s->container, 0) {
		/* So that fail-nth belongs to him */
		ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 1));
		ASSERT_EQ(0, clone_again(s, 0));
		sweep_and_tell(_metadata, s,
			       ATTEMPT("shift", call_shift, .undo = undo_shift));
		sweep_and_tell(_metadata, s,
			       ATTEMPT("clone, shift and attach",
				       call_mount_shifted, .undo = undo_attach));
		ASSERT_EQ(0, shift(s->clone));
		ASSERT_OWNER(s->clone, "first", 0, 0);
		ASSERT_OWNER(s->clone, "none", OVERFLOW_ID, OVERFLOW_ID);
	}
}

/* All mounts of a tree are shifted, or none. */
TEST_F(fault, shift_recursive)
{
	struct scene *s = &self->scene;

	ASSERT_EQ(0, mark_recursive(s->src, BASE));
	ASSERT_EQ(0, container_make(&s->container, BASE));
	IN_CONTAINER(&s->container, 0) {
		ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 1));
		ASSERT_EQ(0, clone_again(s, AT_RECURSIVE));
		sweep_and_tell(_metadata, s,
			       ATTEMPT("shift recursively", call_shift_recursive,
				       .undo = undo_shift_recursive));
		sweep_and_tell(_metadata, s,
			       ATTEMPT("open_tree_attr, shift recursively",
				       call_open_tree_shift, .undo = undo_close));
		ASSERT_EQ(0, shift_recursive(s->clone));
		ASSERT_OWNER(s->clone, "sub/first", 0, 0);
	}
}

/* Of maps in many pieces, one or both */
TEST_F(fault, shift_pieces)
{
	struct scene *s = &self->scene;
	static const struct {
		unsigned int origin, target;
	} lines[] = {
		{ 5, 1 }, { 5, 5 }, { 1, MAP_LINES }, { MAP_LINES, MAP_LINES },
	};

	ASSERT_EQ(0, sys_umount2(SUB, MNT_DETACH));
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		const char *map = map_lines(lines[i].origin, MAP_ORIGIN);

		s->userns = userns_open(map, map);
		ASSERT_LE(0, s->userns);
		ASSERT_EQ(0, mark_by_userns(s, MAP_BASE));
		map = map_lines(lines[i].target, MAP_BASE);
		ASSERT_EQ(0, container_make_maps(&s->container, map, map));
		IN_CONTAINER(&s->container, 0) {
			ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 1));
			ASSERT_EQ(0, clone_again(s, 0));
			sweep_and_tell(_metadata, s,
				       ATTEMPT("shift of pieces", call_shift,
					       .undo = undo_shift));
		}
		ASSERT_EQ(0, unmark(s->src));
		container_end(&s->container);
		ASSERT_EQ(0, close(s->userns));
	}
}

/* Whom the mark does not admit is not let in for want of memory. */
TEST_F(fault, shift_refused)
{
	struct scene *s = &self->scene;

	ASSERT_EQ(0, sys_umount2(SUB, MNT_DETACH));
	ASSERT_EQ(0, mark(s->src, BASE));
	ASSERT_EQ(0, container_make(&s->container, BASE_B));
	IN_CONTAINER(&s->container, 0) {
		ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 1));
		ASSERT_EQ(0, clone_again(s, 0));
		sweep_and_tell(_metadata, s,
			       ATTEMPT("shift by another container", call_shift,
				       .error = EPERM));
	}
	container_end(&s->container);
	ASSERT_EQ(0, container_make(&s->container, BASE));
	ASSERT_EQ(0, mark_revoke(s->src));
	IN_CONTAINER(&s->container, 0) {
		ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 1));
		ASSERT_EQ(0, clone_again(s, 0));
		sweep_and_tell(_metadata, s,
			       ATTEMPT("shift by a revoked mark", call_shift,
				       .error = EPERM));
	}
}

/* The host's form, with numbers and with user namespaces in many pieces */
TEST_F(fault, direct)
{
	struct scene *s = &self->scene;
	const char *map = map_lines(MAP_LINES, MAP_ORIGIN);

	ASSERT_EQ(0, container_make(&s->container, BASE));
	sweep_and_tell(_metadata, s,
		       ATTEMPT("direct", call_shift_direct, .undo = undo_shift));
	sweep_and_tell(_metadata, s,
		       ATTEMPT("open_tree_attr, direct", call_open_tree_direct,
			       .undo = undo_close));
	container_end(&s->container);

	s->userns = userns_open(map, map);
	ASSERT_LE(0, s->userns);
	map = map_lines(MAP_LINES, MAP_BASE);
	ASSERT_EQ(0, container_make_maps(&s->container, map, map));
	sweep_and_tell(_metadata, s,
		       ATTEMPT("direct by user namespace",
			       call_shift_direct_by_userns, .undo = undo_shift));
}

/* Copies are marked like the original, or there are none. */
TEST_F(fault, copies)
{
	struct scene *s = &self->scene;

	ASSERT_EQ(0, mark_recursive(s->src, BASE));
	sweep_and_tell(_metadata, s,
		       ATTEMPT("open_tree of a mark", call_clone,
			       .undo = undo_close));
	sweep_and_tell(_metadata, s,
		       ATTEMPT("open_tree of a marked tree", call_clone_tree,
			       .undo = undo_close));
	sweep_and_tell(_metadata, s,
		       ATTEMPT("bind of a marked tree", call_bind,
			       .undo = undo_bind));

	/* Where it has to be propagated to another mount */
	ASSERT_EQ(0, tmpfs_mount(OTHER, "0755"));
	ASSERT_EQ(0, mkdir(OTHER "/a", 0755));
	ASSERT_EQ(0, sys_mount(NULL, OTHER, NULL, MS_SHARED, NULL));
	ASSERT_EQ(0, sys_mount(OTHER, OWN, NULL, MS_BIND, NULL));
	sweep_and_tell(_metadata, s,
		       ATTEMPT("attach a marked tree to a shared mount",
			       call_attach, .undo = undo_attach_shared));
}

/* A mount namespace is copied with its marks, or not at all. */
TEST_F(fault, namespace)
{
	struct scene *s = &self->scene;

	ASSERT_EQ(0, mark_recursive(s->src, BASE));
	sweep_and_tell(_metadata, s,
		       ATTEMPT("unshare with marks", call_unshare,
			       .in_child = true));
}

static void sweep_told(struct __test_metadata *_metadata, struct scene *s,
		       const struct attempt *a)
{
	s->wanted = NULL;
	ASSERT_EQ(0, a->call(s));
	s->wanted = malloc(sizeof(told));
	ASSERT_NE(NULL, s->wanted);
	memcpy(s->wanted, told, sizeof(told));
	sweep_and_tell(_metadata, s, a);
	free(s->wanted);
}

/* What is told about marks and shifts is all of it, or nothing. */
TEST_F(fault, tell)
{
	struct scene *s = &self->scene;
	const char *map = map_lines(MAP_LINES, MAP_BASE);

	ASSERT_EQ(0, container_make_maps(&s->container, map, map));
	ASSERT_EQ(0, call_shift_direct(s));
	ASSERT_EQ(0, attach(s->clone, DST));
	ASSERT_EQ(0, mark(s->src, BASE));

	s->other = s->src;
	sweep_told(_metadata, s, ATTEMPT("statmount of a mark", call_statmount));
	s->other = s->clone;
	sweep_told(_metadata, s, ATTEMPT("statmount of a shift in pieces",
					 call_statmount));
	sweep_told(_metadata, s, ATTEMPT("mountinfo of both", call_mountinfo));
}

/* Memory */

/* Slab objects in use, or -1 if other things are in this cache as well. */
static long slab_objects(const struct scene *s, const char *cache)
{
	char path[128], count[256];
	struct stat st;

	if (fstatat(s->slab, cache, &st, AT_SYMLINK_NOFOLLOW) ||
	    !S_ISDIR(st.st_mode))
		return -1;
	/* What is free but kept at hand, or by KASAN from being used again */
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s/shrink", s->slab, cache);
	if (write_file(path, "1"))
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s/objects", s->slab, cache);
	return read_file(path, count, sizeof(count)) ? -1 : atol(count);
}

/* The least number within some time: RCU and workers free when they like. */
static long slab_least(const struct scene *s, const char *cache, long enough,
		       unsigned int tries)
{
	long least = LONG_MAX, objects;

	while (tries-- && least > enough) {
		objects = slab_objects(s, cache);
		if (least > objects)
			least = objects;
		usleep(100000);
	}
	return least;
}

/* Neither mounts nor user namespaces remain. kmemleak sees the rest. */
TEST_F(fault, leaks)
{
	struct scene *s = &self->scene;
	static const struct attempt all[] = {
		{ .name = "mark", .call = call_mark, .undo = undo_mark },
		{ .name = "mark by user namespace", .call = call_mark_by_userns,
		  .undo = undo_mark },
		{ .name = "direct", .call = call_shift_direct,
		  .undo = undo_shift },
		{ .name = "direct by user namespace",
		  .call = call_shift_direct_by_userns, .undo = undo_shift },
		{ .name = "open_tree_attr, direct", .call = call_open_tree_direct,
		  .undo = undo_close },
		{ .name = "open_tree", .call = call_clone_tree,
		  .undo = undo_close },
	};
	static const char * const caches[] = { "mnt_cache", "user_namespace" };
	int fault = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	long before[ARRAY_SIZE(caches)];

	ASSERT_LE(0, fault);
	for (size_t i = 0; i < ARRAY_SIZE(caches); i++)
		before[i] = slab_least(s, caches[i], -1, 20);
	for (int round = 0; round < ROUNDS; round++) {
		const char *map = map_lines(5, MAP_ORIGIN);

		s->userns = userns_open(map, map);
		ASSERT_LE(0, s->userns);
		ASSERT_EQ(0, container_make(&s->container, BASE));
		for (size_t i = 0; i < ARRAY_SIZE(all); i++)
			rush(s, &all[i], fault);
		ASSERT_EQ(0, close(s->userns));
		container_end(&s->container);
	}
	for (size_t i = 0; i < ARRAY_SIZE(caches); i++) {
		if (before[i] < 0)
			TH_LOG("%s: shared with others, not counted", caches[i]);
		else
			ASSERT_GE(before[i] + SLACK,
				  slab_least(s, caches[i], before[i] + SLACK, 300))
				TH_LOG("%s: %ld before", caches[i], before[i]);
	}
}

/* The program that people use */

/* What the C library has for it contradicts the kernel's header. */
static long sys_ptrace(long request, pid_t pid, unsigned long addr, long data)
{
	return syscall(__NR_ptrace, request, pid, addr, data);
}

struct helper {
	const char *name;
	const char * const *argv;	/* what follows its name */
	void (*undo)(struct scene *s);
	bool inside;			/* is run by the container's root */
	int status;			/* without a fault */
};

struct run {
	int status;			/* what waitpid(2) tells */
	bool hit;
	char out[4096];			/* what it wrote, in this order */
	char errors[4096];
	char before[TEXT_SIZE];
	char after[TEXT_SIZE];
};

/* The helper, beside this program */
static void helper_exec(const struct scene *s, const struct helper *h,
			int out, int err)
{
	const struct container_entry entry = { &s->container, { 0, 0 } };
	char path[PATH_MAX] = "", *slash;
	char *argv[16] = { "mount-shift" };
	char * const env[] = { NULL };
	int exe;

	if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0)
		return;
	slash = strrchr(path, '/');
	snprintf(slash + 1, path + sizeof(path) - slash - 1, "mount-shift");
	exe = open(path, O_RDONLY | O_CLOEXEC);
	for (int i = 0; h->argv[i]; i++)
		argv[i + 1] = (char *)h->argv[i];
	if (exe < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
		return;
	if (h->inside && enter_container(&entry))
		return;
	if (!sys_ptrace(PTRACE_TRACEME, 0, 0, 0))
		fexecve(exe, argv, env);
}

/* Stops it where it opens its first file: what the C library does is over then. */
static int helper_stop(pid_t pid)
{
	struct ptrace_syscall_info info = {};
	int stop;

	if (waitpid(pid, &stop, 0) != pid || !WIFSTOPPED(stop) ||
	    sys_ptrace(PTRACE_SETOPTIONS, pid, 0,
		       PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXIT))
		return -1;
	do {
		if (sys_ptrace(PTRACE_SYSCALL, pid, 0, 0) ||
		    waitpid(pid, &stop, 0) != pid || !WIFSTOPPED(stop) ||
		    sys_ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info),
			       (long)&info) < 0)
			return -1;
	} while (info.op != PTRACE_SYSCALL_INFO_ENTRY ||
		 info.entry.nr != __NR_openat);
	return 0;
}

/* Begins to count there, and sees how far that got before the helper ends. */
static int helper_trace(pid_t pid, unsigned int nth, struct run *r)
{
	char path[64];
	int fault, stop;

	if (helper_stop(pid))
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/fail-nth", pid);
	fault = open(path, O_RDWR | O_CLOEXEC);
	if (fault < 0 || fault_arm(fault, nth))
		return -1;
	for (int signal = 0; !sys_ptrace(PTRACE_CONT, pid, 0, signal);) {
		if (waitpid(pid, &stop, 0) != pid)
			return -1;
		if (!WIFSTOPPED(stop)) {
			r->status = stop;
			return close(fault);
		}
		signal = WSTOPSIG(stop);
		if (stop >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8)) {
			r->hit = fault_disarm(fault) && nth;
			signal = 0;
		}
	}
	return -1;
}

static int read_all(int fd, char *text, size_t size)
{
	ssize_t len = pread(fd, text, size - 1, 0);

	if (len < 0)
		return -1;
	text[len] = '\0';
	return ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET) ? -1 : 0;
}

/* The host's mounts and those of the container */
static int mounts_read(struct scene *s, char *text)
{
	char path[64];
	size_t len;

	if (state_read(s, text))
		return -1;
	len = strlen(text);
	snprintf(path, sizeof(path), "/proc/%d/mountinfo", s->container.user.pid);
	len += mounts_text(path, text + len, TEXT_SIZE - len);
	return len < TEXT_SIZE ? 0 : -1;
}

static int helper_run(struct scene *s, const struct helper *h, unsigned int nth,
		      struct run *r)
{
	int out = memfd_create("out", MFD_CLOEXEC);
	int err = memfd_create("err", MFD_CLOEXEC), ret;
	pid_t pid;

	memset(r, 0, sizeof(*r));
	if (out < 0 || err < 0 || mounts_read(s, r->before))
		return -1;
	pid = fork();
	if (!pid) {
		helper_exec(s, h, out, err);
		_exit(126);
	}
	ret = helper_trace(pid, nth, r);
	if (read_all(out, r->out, sizeof(r->out)) ||
	    read_all(err, r->errors, sizeof(r->errors)) ||
	    mounts_read(s, r->after))
		ret = -1;
	if (h->undo && r->status == 0)
		h->undo(s);
	close(out);
	close(err);
	return ret;
}

static unsigned int step(void)
{
	const char *env = getenv("MOUNT_SHIFT_STEP");
	long value = env ? atol(env) : 0;

	return value > 0 ? value : DEFAULT_STEP;
}

static bool one_line(const char *text)
{
	const char *end = strchr(text, '\n');

	return end && end > text && !end[1];
}

/* Whether it does what it was asked for is what its status says, in one line. */
static void sweep_helper(struct __test_metadata *_metadata, struct scene *s,
			 const struct helper *h)
{
	struct run *r = calloc(2, sizeof(*r)), *without = r + 1;
	const struct attempt a = { .name = h->name };
	unsigned int nth, failed = 0;
	bool hit = true;

	ASSERT_NE(NULL, r);
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, helper_run(s, h, 0, without));
	ASSERT_TRUE(WIFEXITED(without->status));
	ASSERT_EQ(h->status, WEXITSTATUS(without->status))
		TH_LOG("%s: %s", h->name, without->errors);
	for (nth = 1; hit; nth += step()) {
		ASSERT_EQ(0, helper_run(s, h, nth, r));
		hit = r->hit;
		ASSERT_TRUE(WIFEXITED(r->status))
			TH_LOG("%s, fault %u: signal %d", h->name, nth,
			       WTERMSIG(r->status));
		ASSERT_SAME(_metadata, without->before, r->before, &a, nth - 1,
			    "left behind");
		if (!hit)
			ASSERT_EQ(without->status, r->status);
		if (r->status) {
			ASSERT_TRUE(one_line(r->errors))
				TH_LOG("%s, fault %u: status %d, \"%s\"", h->name,
				       nth, WEXITSTATUS(r->status), r->errors);
			ASSERT_SAME(_metadata, without->before, r->after, &a, nth,
				    "half done");
			failed += r->status != without->status;
			continue;
		}
		ASSERT_EQ(0, without->status)
			TH_LOG("%s, fault %u: not refused", h->name, nth);
		ASSERT_STREQ(without->errors, r->errors)
			TH_LOG("%s, fault %u", h->name, nth);
		ASSERT_STREQ(without->out, r->out)
			TH_LOG("%s, fault %u: incomplete", h->name, nth);
		ASSERT_SAME(_metadata, without->after, r->after, &a, nth,
			    "half done");
	}
	TH_LOG("mount-shift, %s: up to %u faults, failed by %u of every %u",
	       h->name, nth, failed, step());
	ASSERT_LT(0, (int)failed);
	free(r);
}

#define ARGS(...)	((const char * const []){ __VA_ARGS__, NULL })

static void undo_helper_mark(struct scene *s)
{
	unmark(s->src);
}

static void undo_helper_unmark(struct scene *s)
{
	mark(s->src, BASE);
}

static int do_umount(void *arg __maybe_unused)
{
	return sys_umount2(DST, 0) ? -errno : 0;
}

static void undo_helper_shift(struct scene *s)
{
	in_container(&s->container, do_umount, NULL);
}

static void undo_helper_direct(struct scene *s __maybe_unused)
{
	do_umount(NULL);
}

/* The host's part: a mark that is there or is not, and a list of all or none */
TEST_F(fault, helper_host)
{
	struct scene *s = &self->scene;

	ASSERT_EQ(0, container_make(&s->container, BASE));
	sweep_helper(_metadata, s, &(const struct helper){
		.name = "mark",
		.argv = ARGS("--bind", "--mark-shiftable-by", "200000",
			     "--origin-uid", "100000", SRC),
		.undo = undo_helper_mark,
	});
	ASSERT_EQ(0, mark(s->src, BASE));
	sweep_helper(_metadata, s, &(const struct helper){
		.name = "unmark",
		.argv = ARGS("--unmark", SRC),
		.undo = undo_helper_unmark,
	});
	sweep_helper(_metadata, s, &(const struct helper){
		.name = "list",
		.argv = ARGS("--list"),
	});
}

/* The container's part, and the host's for a container */
TEST_F(fault, helper_shift)
{
	struct scene *s = &self->scene;
	char ns[64];

	ASSERT_EQ(0, sys_umount2(SUB, MNT_DETACH));
	ASSERT_EQ(0, mark(s->src, BASE));
	ASSERT_EQ(0, container_make(&s->container, BASE));
	sweep_helper(_metadata, s, &(const struct helper){
		.name = "shift",
		.argv = ARGS("--bind", "--shift", SRC, DST),
		.undo = undo_helper_shift,
		.inside = true,
	});
	snprintf(ns, sizeof(ns), "/proc/%d/ns/user", s->container.user.pid);
	sweep_helper(_metadata, s, &(const struct helper){
		.name = "direct",
		.argv = ARGS("--bind", "--origin-uid", "100000", "--shift", ns, SRC,
			     DST),
		.undo = undo_helper_direct,
	});
}

/* It does not give away ids of which it could not find out whose they are. */
TEST_F(fault, helper_overlap)
{
	struct scene *s = &self->scene;

	ASSERT_EQ(0, container_make(&s->container, BASE));
	ASSERT_EQ(0, tmpfs_mount("/etc", "0755"));
	ASSERT_EQ(0, make_file(AT_FDCWD, "/etc/passwd", 0644, 0, 0));
	ASSERT_EQ(0, make_file(AT_FDCWD, "/etc/subuid", 0644, 0, 0));
	ASSERT_EQ(0, write_file("/etc/subuid", "alice:100000:65536\n"));
	sweep_helper(_metadata, s, &(const struct helper){
		.name = "mark of somebody's ids",
		.argv = ARGS("--bind", "--mark-shiftable-by", "200000",
			     "--origin-uid", "100000", SRC),
		.status = 1,
	});
}

TEST_HARNESS_MAIN
