// SPDX-License-Identifier: GPL-2.0
/*
 * shift_bench - what shifted mounts cost, beside other mounts and other means
 *
 * usage: shift_bench ops LOOPS DIR [KIND...]
 *        shift_bench map LOOPS DIR
 *        shift_bench make DIR FILES...
 *
 * "ops" measures operations on files, by kind of mount:
 *
 *   plain      a bind mount; the files have the container's ids, as the host
 *              knows them
 *   idmapped   MOUNT_ATTR_IDMAP, by root of the host along the container's user
 *              namespace
 *   direct     the same with an origin: MOUNT_ATTR_IDMAP and MOUNT_ATTR_SHIFT
 *   delegated  marked by the host, shifted by the container
 *   chown      a copy of the files whose owners were changed to the container's
 *   bindfs     bindfs --map, if there is FUSE and the environment variable
 *              BINDFS has the path of the program
 *
 * plain and chown are the same to the kernel: how much they differ is how
 * exactly all of this is measured. One process does everything, root of one
 * container, in turns: LOOPS times each operation, in ROUNDS portions of which
 * each begins with a few that are not counted. It stands in the mount, so that no
 * other directory has a part in it. bindfs runs as it comes; then stat is not its
 * work, but that of the kernel, which remembers for a while.
 *
 *   stat       of one of 100 files
 *   open       the same for reading and writing, and close
 *   create     O_CREAT | O_EXCL of a name that is new, and close
 *   rename     to another name and back, so two system calls
 *   chmod      to the mode that it has, which the kernel treats as a change
 *   ls         a directory of 100 files: open, getdents, fstatat of each, close
 *
 * "map" does that for user namespaces, and so mounts, with maps of 1, 5 and 340
 * extents, on DIR. A third each is done by a user of the first, the middle and
 * the last extent, with files of his own. A user namespace's own map costs its
 * processes something on every mount: see plain.
 *
 * "make" measures what it takes to give a container a tree of FILES small files,
 * 100 to a directory, and how many inodes that changes:
 *
 *   mark       mount_setattr(2) with MOUNT_ATTR_SHIFTABLE, by the host
 *   shift      open_tree(2), mount_setattr(2), move_mount(2) and close, by the
 *              container
 *   idmap      the same by the host with MOUNT_ATTR_IDMAP
 *   copy       what cp -a does, to have files to change the owners of
 *   chown      what chown -R does with the copy
 *
 * The first three are done REPEAT times, the others once. The disk is left out of
 * those: what is read is in memory, and what is dirty is written back while the
 * clock stands.
 *
 * The output is lines of words:
 *
 *   bench mount time KIND FS OP MEAN MEDIAN
 *   bench mount skip KIND REASON...
 *   bench map time KIND EXTENTS OP MEAN MEDIAN
 *   bench make WHAT FILES MEAN MEDIAN
 *   bench make-inodes WHAT FILES COUNT
 *
 * Times are nanoseconds of CLOCK_MONOTONIC without what it takes to read the
 * clock. Where that clock counts instructions (qemu -icount), so do they. All
 * other work that the system does at that time is in the mean.
 *
 * Needs root, and DIR on an ext4 file system. Of that "make" takes two inodes and
 * two blocks for each file: 100000 files fit on 2 GiB made with mke2fs -N 262144.
 * What creating and renaming files there takes depends on how long it takes to
 * checksum bitmaps and directories, so compare within a run, and mount it with
 * noinit_itable first. KINDs restrict "ops" to plain and them: those without a
 * shift work on any kernel. If something fails, the exit status is not 0, and
 * DIR/shift_bench.* can be removed.
 *
 * The C library's <sys/mount.h> and <linux/mount.h> contradict each other.
 */
#define _GNU_SOURCE
#define __SANE_USERSPACE_TYPES__	/* __u64 is long long everywhere */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <linux/magic.h>
#include <linux/membarrier.h>
#include <linux/mount.h>
#include <linux/types.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(arr)	(sizeof(arr) / sizeof((arr)[0]))

/* The ids on disk, where there is an origin */
#define ORIGIN		100000
#define COUNT		65536

/* Root of the container, as the host sees it */
#define BASE		200000

/* So low that 340 lines are less than the page that uid_map takes */
#define MAP_BASE	20000
#define MAP_IDS		340

#define FILES		100	/* in a directory */
#define ROUNDS		10
#define WARM		FILES	/* uncounted, at the beginning of each portion */
#define REPEAT		1000	/* times a mount is made */
#define FILE_SIZE	1000
#define PORTION		2000	/* files between two times of writing back */
#define MAX_IDS		3

#ifndef MNT_DETACH
#define MNT_DETACH	2
#endif

/* Extent number i maps @each ids from i * @each on; there are gaps on the host. */
struct map {
	unsigned int extents;
	unsigned int each;
	unsigned int base;
};

enum mount_kind { PLAIN, IDMAPPED, DIRECT, DELEGATED, CHOWN, BINDFS, NR_KINDS };

/* What an id of the container is on disk */
enum disk { HOST_IDS, SAME_IDS, ORIGIN_IDS };

static const struct {
	const char *name;
	enum disk disk;
} kinds[NR_KINDS] = {
	[PLAIN]		= { "plain", HOST_IDS },
	[IDMAPPED]	= { "idmapped", SAME_IDS },
	[DIRECT]	= { "direct", ORIGIN_IDS },
	[DELEGATED]	= { "delegated", ORIGIN_IDS },
	[CHOWN]		= { "chown", HOST_IDS },
	[BINDFS]	= { "bindfs", ORIGIN_IDS },
};

/* Kinds that are measured side by side, with one container and file system */
struct bench {
	const char *table;		/* the second word of the output */
	const char *column;		/* what stands between kind and operation */
	struct map map;
	unsigned int ids[MAX_IDS];
	unsigned int nr_ids;
	bool chosen[NR_KINDS];
	unsigned int loops;
	const char * const *ops;
	pid_t bindfs;
};

/* Time */

static __u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

struct samples {
	unsigned int nr;
	unsigned int room;
	__u64 *time;
};

static void samples_alloc(struct samples *samples, unsigned int room)
{
	/* Not calloc(3): no page may be new when it is written to. */
	samples->time = malloc(room * sizeof(*samples->time));
	if (!samples->time)
		err(1, "samples");
	memset(samples->time, 0xff, room * sizeof(*samples->time));
	samples->nr = 0;
	samples->room = room;
}

static void sample(struct samples *samples, __u64 time)
{
	if (samples->nr == samples->room)
		errx(1, "more samples than there is room for");
	samples->time[samples->nr++] = time;
}

static double mean(const struct samples *samples)
{
	double sum = 0;

	for (unsigned int i = 0; i < samples->nr; i++)
		sum += samples->time[i];
	return sum / samples->nr;
}

static int compare_times(const void *a, const void *b)
{
	const __u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return (x > y) - (x < y);
}

/* Sorts them. */
static double median(struct samples *samples)
{
	const unsigned int half = samples->nr / 2;

	qsort(samples->time, samples->nr, sizeof(*samples->time), compare_times);
	if (samples->nr % 2)
		return samples->time[half];
	return (samples->time[half - 1] + samples->time[half]) / 2.0;
}

/* Mounts */

static int clone_mount(const char *source)
{
	int mnt = syscall(__NR_open_tree, AT_FDCWD, source,
			  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (mnt < 0)
		err(1, "open_tree %s", source);
	return mnt;
}

static void set_attr(int mnt, const struct mount_attr *attr, const char *source)
{
	if (syscall(__NR_mount_setattr, mnt, "", AT_EMPTY_PATH, attr,
		    sizeof(*attr)))
		err(1, "mount_setattr of a clone of %s", source);
}

/* A clone of @source on @target, which mount_setattr(2) changes in between */
static void mount_clone(const char *source, const char *target,
			const struct mount_attr *attr)
{
	int mnt = clone_mount(source);

	if (attr)
		set_attr(mnt, attr, source);
	if (syscall(__NR_move_mount, mnt, "", AT_FDCWD, target,
		    MOVE_MOUNT_F_EMPTY_PATH))
		err(1, "move_mount to %s", target);
	close(mnt);
}

static void unmount(const char *target)
{
	if (syscall(__NR_umount2, target, MNT_DETACH))
		err(1, "umount %s", target);
}

static const struct mount_attr shift = { .attr_set = MOUNT_ATTR_SHIFT };

static struct mount_attr mark_for(const struct map *map)
{
	return (struct mount_attr) {
		.attr_set = MOUNT_ATTR_SHIFTABLE,
		.origin_uid = ORIGIN,
		.origin_gid = ORIGIN,
		.origin_count = COUNT,
		.shiftable_by = map->base,
	};
}

/* Files */

static void make_dir(const char *path)
{
	if (mkdir(path, 0755))
		err(1, "mkdir %s", path);
}

static void own(const char *path, uid_t id)
{
	if (lchown(path, id, id))
		err(1, "chown %s", path);
}

static void make_owned_dir(const char *path, uid_t id)
{
	make_dir(path);
	own(path, id);
}

static void make_file(const char *path, uid_t id, size_t size)
{
	static const char content[FILE_SIZE];
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);

	if (fd < 0)
		err(1, "%s", path);
	if (size && write(fd, content, size) != (ssize_t)size)
		err(1, "write %s", path);
	if (fchown(fd, id, id))
		err(1, "chown %s", path);
	close(fd);
}

/* Whatever was written there must not be written while somebody measures. */
static void write_back(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || syncfs(fd))
		err(1, "syncfs %s", path);
	close(fd);
}

/*
 * What was done before is finished before anything is measured, also what has to
 * wait for a grace period of RCU.
 */
static void settle(void)
{
	const struct timespec grace = { .tv_nsec = 20000000 };

	write_back(".");
	nanosleep(&grace, NULL);
}

/*
 * Each mount finds the memory for each CPU where the one before had it, rather
 * than where it has to search for it: that one is gone after a grace period.
 */
static void wait_for_rcu(void)
{
	if (syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		err(1, "membarrier");
}

static void walk(const char *path, int flags,
		 int (*fn)(const char *, const struct stat *, int, struct FTW *))
{
	if (nftw(path, fn, 16, flags | FTW_PHYS))
		err(1, "%s", path);
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	return remove(path);
}

static void remove_tree(const char *path)
{
	walk(path, FTW_DEPTH, remove_one);
}

/* Containers: a child in a user namespace of its own, and in a mount namespace */

struct container {
	pid_t pid;
	int userns;
	int sock;	/* to the other side */
};

/* Both sides wait for each other. Who is gone has said why. */

static void proceed(const struct container *c)
{
	const char byte = 0;

	if (send(c->sock, &byte, 1, MSG_NOSIGNAL) != 1)
		exit(1);
}

static void await(const struct container *c)
{
	char byte;

	if (read(c->sock, &byte, 1) != 1)
		exit(1);
}

static unsigned int host_id(const struct map *map, unsigned int id)
{
	return map->base + 2 * map->each * (id / map->each) + id % map->each;
}

static void write_map(pid_t pid, const char *name, const struct map *map)
{
	char path[64], text[4096];
	size_t len = 0;
	int fd;

	for (unsigned int i = 0; i < map->extents; i++) {
		const unsigned int first = i * map->each;

		len += snprintf(text + len, sizeof(text) - len, "%u %u %u\n",
				first, host_id(map, first), map->each);
		if (len >= sizeof(text))
			errx(1, "the map of %u extents is too long", map->extents);
	}
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		err(1, "%s", path);
	close(fd);
}

/*
 * The function runs as root of the container when the host goes on, and sees what
 * is mounted by then.
 */
static void container_start(struct container *c, const struct map *map,
			    void (*fn)(const struct container *c, void *arg),
			    void *arg)
{
	int sock[2];
	char path[64];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock))
		err(1, "socketpair");
	fflush(stdout);
	c->pid = fork();
	if (c->pid < 0)
		err(1, "fork");
	c->sock = sock[!c->pid];
	close(sock[!!c->pid]);

	if (!c->pid) {
		if (unshare(CLONE_NEWUSER) || prctl(PR_SET_DUMPABLE, 1) ||
		    prctl(PR_SET_PDEATHSIG, SIGKILL))
			err(1, "user namespace");
		proceed(c);
		await(c);
		if (setgroups(0, NULL) || setresgid(0, 0, 0) ||
		    setresuid(0, 0, 0) || unshare(CLONE_NEWNS) ||
		    prctl(PR_SET_PDEATHSIG, SIGKILL))
			err(1, "container");
		fn(c, arg);
		fflush(stdout);
		_exit(0);
	}

	await(c);
	write_map(c->pid, "uid_map", map);
	write_map(c->pid, "gid_map", map);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", c->pid);
	c->userns = open(path, O_RDONLY | O_CLOEXEC);
	if (c->userns < 0)
		err(1, "%s", path);
}

static void container_end(struct container *c)
{
	int status;

	if (waitpid(c->pid, &status, 0) != c->pid)
		err(1, "wait for the container");
	if (WIFSIGNALED(status))
		errx(1, "the container was killed by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status))
		exit(1);
	close(c->userns);
	close(c->sock);
}

/* Operations. What they work on is where the process stands. */

struct op {
	const char *name;
	void (*prepare)(unsigned int nr);
	void (*run)(unsigned int nr);
	void (*undo)(unsigned int nr);
};

static const char *doing;
static char files[FILES][16];
static char created[16];

static void failed(const char *op)
{
	err(1, "%s: %s", doing, op);
}

static void run_nothing(unsigned int nr)
{
}

static void run_stat(unsigned int nr)
{
	struct stat st;

	if (stat(files[nr % FILES], &st))
		failed("stat");
}

static void run_open(unsigned int nr)
{
	int fd = open(files[nr % FILES], O_RDWR);

	if (fd < 0)
		failed("open");
	close(fd);
}

static void prepare_create(unsigned int nr)
{
	snprintf(created, sizeof(created), "w/%08u", nr);
}

static void run_create(unsigned int nr)
{
	int fd = open(created, O_CREAT | O_EXCL | O_WRONLY, 0644);

	if (fd < 0)
		failed("create");
	close(fd);
}

static void undo_create(unsigned int nr)
{
	if (unlink(created))
		failed("unlink");
}

static void run_rename(unsigned int nr)
{
	if (rename("r/there", "r/other") || rename("r/other", "r/there"))
		failed("rename");
}

static void run_chmod(unsigned int nr)
{
	if (chmod(files[nr % FILES], 0644))
		failed("chmod");
}

static void run_ls(unsigned int nr)
{
	__u64 buf[2048];	/* aligned as the entries are */
	unsigned int found = 0;
	ssize_t len;
	int fd;

	fd = open("d", O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		failed("open of a directory");
	while ((len = getdents64(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; at < len;) {
			const struct dirent64 *entry = (void *)buf + at;
			struct stat st;

			at += entry->d_reclen;
			if (entry->d_name[0] == '.')
				continue;
			if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
				failed("fstatat");
			found++;
		}
	}
	if (len)
		failed("getdents");
	if (found != FILES)
		errx(1, "%s: ls finds %u files of %u", doing, found, FILES);
	close(fd);
}

static const struct op nothing = { "nothing", NULL, run_nothing, NULL };

static const struct op all_ops[] = {
	{ "stat", NULL, run_stat, NULL },
	{ "open", NULL, run_open, NULL },
	{ "create", prepare_create, run_create, undo_create },
	{ "rename", NULL, run_rename, NULL },
	{ "chmod", NULL, run_chmod, NULL },
	{ "ls", NULL, run_ls, NULL },
};

static const char * const ops_of_ops[] = {
	"stat", "open", "create", "rename", "chmod", "ls", NULL
};

static const char * const ops_of_map[] = { "stat", "open", "create", NULL };

static const struct op *find_op(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(all_ops); i++)
		if (!strcmp(all_ops[i].name, name))
			return &all_ops[i];
	errx(1, "no operation %s", name);
}

/* No name is used twice in a directory: @nr is never reset. */
static void measure(const struct op *op, unsigned int times,
		    struct samples *samples)
{
	static unsigned int nr;

	for (unsigned int i = 0; i < times; i++, nr++) {
		__u64 start, end;

		if (op->prepare)
			op->prepare(nr);
		start = now();
		op->run(nr);
		end = now();
		if (op->undo)
			op->undo(nr);
		if (samples)
			sample(samples, end - start);
	}
}

/*
 * Places: sN is what the mount of kind N is made of, mN is where it is mounted,
 * and the mark is on xN. In the root is a directory for each id, which all begins
 * with: "d" with the files, "w" to create in, "r" to rename in.
 */

static uid_t disk_id(const struct bench *b, enum mount_kind kind, unsigned int id)
{
	switch (kinds[kind].disk) {
	case HOST_IDS:
		return host_id(&b->map, id);
	case SAME_IDS:
		return id;
	default:
		return ORIGIN + id;
	}
}

static const char *place(char letter, enum mount_kind kind)
{
	static char text[4][4];
	static unsigned int next;
	char *path = text[next++ % ARRAY_SIZE(text)];

	snprintf(path, sizeof(text[0]), "%c%u", letter, kind % 10);
	return path;
}

static int chown_to_base(const char *path, const struct stat *st, int type,
			 struct FTW *ftw)
{
	return lchown(path, st->st_uid - ORIGIN + BASE,
		      st->st_gid - ORIGIN + BASE);
}

static void make_source(const struct bench *b, enum mount_kind kind)
{
	/* Other than the rest chown is about files that belong to others first. */
	const enum mount_kind first = kind == CHOWN ? DELEGATED : kind;
	char path[64];

	make_owned_dir(place('s', kind), disk_id(b, first, b->ids[0]));
	for (unsigned int i = 0; i < b->nr_ids; i++) {
		const uid_t id = disk_id(b, first, b->ids[i]);
		int len = snprintf(path, sizeof(path), "%s/%u", place('s', kind), i);

		make_owned_dir(path, id);
		for (const char *dir = "dwr"; *dir; dir++) {
			snprintf(path + len, sizeof(path) - len, "/%c", *dir);
			make_owned_dir(path, id);
		}
		snprintf(path + len, sizeof(path) - len, "/r/there");
		make_file(path, id, 0);
		for (unsigned int nr = 0; nr < FILES; nr++) {
			snprintf(path + len, sizeof(path) - len, "/%s", files[nr]);
			make_file(path, id, 0);
		}
	}
	if (kind == CHOWN)
		walk(place('s', kind), 0, chown_to_base);
}

static void skip_kind(struct bench *b, enum mount_kind kind, const char *reason)
{
	printf("bench %s skip %s %s\n", b->table, kinds[kind].name, reason);
	b->chosen[kind] = false;
}

static void bindfs_start(struct bench *b)
{
	const char *program = getenv("BINDFS");
	const char *source = place('s', BINDFS), *target = place('m', BINDFS);
	const struct timespec tick = { .tv_nsec = 10000000 };
	struct stat before, after;
	char map[64];

	if (stat(target, &before))
		err(1, "%s", target);
	snprintf(map, sizeof(map), "--map=%u/%u:@%u/@%u", ORIGIN, b->map.base,
		 ORIGIN, b->map.base);
	fflush(stdout);
	b->bindfs = fork();
	if (b->bindfs < 0)
		err(1, "fork");
	if (!b->bindfs) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* It must not write among the results. */
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execl(program, program, "-f", map, source, target, NULL);
		err(1, "%s", program);
	}
	for (unsigned int i = 0; i < 1000; i++) {
		if (waitpid(b->bindfs, NULL, WNOHANG))
			errx(1, "%s ended before it had mounted anything", program);
		if (!stat(target, &after) && after.st_dev != before.st_dev)
			return;
		nanosleep(&tick, NULL);
	}
	errx(1, "%s does not mount anything", program);
}

/* Its mount was the last that used it. */
static void bindfs_end(struct bench *b)
{
	kill(b->bindfs, SIGTERM);
	waitpid(b->bindfs, NULL, 0);
	b->bindfs = 0;
}

static void mount_one(struct bench *b, enum mount_kind kind, int userns)
{
	const char *source = place('s', kind), *target = place('m', kind);
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP,
		.userns_fd = userns,
	};

	switch (kind) {
	case IDMAPPED:
		mount_clone(source, target, &attr);
		break;
	case DIRECT:
		attr.attr_set |= MOUNT_ATTR_SHIFT;
		attr.origin_uid = ORIGIN;
		attr.origin_gid = ORIGIN;
		attr.origin_count = COUNT;
		mount_clone(source, target, &attr);
		break;
	case DELEGATED:
		attr = mark_for(&b->map);
		mount_clone(source, place('x', kind), &attr);
		break;
	case BINDFS:
		bindfs_start(b);
		break;
	default:
		mount_clone(source, target, NULL);
	}
}

/* As the container's root: what the mount shows, and one file for each id */
static void try_kind(const struct bench *b, enum mount_kind kind, int *dirs)
{
	doing = kinds[kind].name;
	for (unsigned int i = 0; i < b->nr_ids; i++) {
		const uid_t id = b->ids[i];
		char path[16];
		struct stat st;
		int fd;

		snprintf(path, sizeof(path), "%s/%u", place('m', kind), i);
		dirs[i] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dirs[i] < 0 || fstatat(dirs[i], files[FILES - 1], &st, 0))
			err(1, "%s: %s", doing, path);
		if (st.st_uid != id || st.st_gid != id)
			errx(1, "%s: a file of %u belongs to %u:%u", doing, id,
			     st.st_uid, st.st_gid);
		setfsgid(id);
		setfsuid(id);
		fd = openat(dirs[i], "w/proof", O_CREAT | O_EXCL | O_WRONLY, 0644);
		if (fd < 0)
			failed("create");
		close(fd);
		setfsuid(0);
		setfsgid(0);
	}
}

/* As the host: whose are these files? */
static void check_kind(const struct bench *b, enum mount_kind kind)
{
	for (unsigned int i = 0; i < b->nr_ids; i++) {
		const uid_t id = disk_id(b, kind, b->ids[i]);
		char path[32];
		struct stat st;

		snprintf(path, sizeof(path), "%s/%u/w/proof", place('s', kind), i);
		if (lstat(path, &st))
			err(1, "%s: %s", kinds[kind].name, path);
		if (st.st_uid != id || st.st_gid != id)
			errx(1, "%s: what %u creates is stored as %u:%u, not as %u",
			     kinds[kind].name, b->ids[i], st.st_uid, st.st_gid, id);
		if (unlink(path))
			err(1, "%s", path);
	}
}

/*
 * One portion for each id. What a transaction of the file system costs once is not
 * counted.
 */
static void measure_portion(const struct bench *b, const struct op *op,
			    const int *dirs, struct samples *samples)
{
	const unsigned int parts = ROUNDS * b->nr_ids;

	for (unsigned int i = 0; i < b->nr_ids; i++) {
		if (fchdir(dirs[i]))
			failed("fchdir");
		settle();
		setfsgid(b->ids[i]);
		setfsuid(b->ids[i]);
		measure(op, WARM, NULL);
		measure(op, (b->loops + parts - 1) / parts, samples);
		setfsuid(0);
		setfsgid(0);
	}
}

static void measure_op(const struct bench *b, const struct op *op,
		       int dirs[NR_KINDS][MAX_IDS])
{
	struct samples samples[NR_KINDS], clock;
	double clock_mean, clock_median;

	samples_alloc(&clock, b->loops + ROUNDS * MAX_IDS);
	for (unsigned int kind = 0; kind < NR_KINDS; kind++)
		samples_alloc(&samples[kind], b->loops + ROUNDS * MAX_IDS);

	for (unsigned int round = 0; round < ROUNDS; round++) {
		measure_portion(b, &nothing, dirs[PLAIN], &clock);
		for (unsigned int i = 0; i < NR_KINDS; i++) {
			const enum mount_kind kind = (i + round) % NR_KINDS;

			doing = kinds[kind].name;
			if (b->chosen[kind])
				measure_portion(b, op, dirs[kind], &samples[kind]);
		}
	}

	clock_mean = mean(&clock);
	clock_median = median(&clock);
	free(clock.time);
	for (unsigned int kind = 0; kind < NR_KINDS; kind++) {
		if (b->chosen[kind])
			printf("bench %s time %s %s %s %.1f %.1f\n", b->table,
			       kinds[kind].name, b->column, op->name,
			       mean(&samples[kind]) - clock_mean,
			       median(&samples[kind]) - clock_median);
		free(samples[kind].time);
	}
}

static void measure_in_container(const struct container *c, void *arg)
{
	const struct bench *b = arg;
	int dirs[NR_KINDS][MAX_IDS];

	if (b->chosen[DELEGATED])
		mount_clone(place('x', DELEGATED), place('m', DELEGATED), &shift);
	for (unsigned int kind = 0; kind < NR_KINDS; kind++)
		if (b->chosen[kind])
			try_kind(b, kind, dirs[kind]);
	proceed(c);
	await(c);
	for (unsigned int i = 0; b->ops[i]; i++)
		measure_op(b, find_op(b->ops[i]), dirs);
}

/* In the current directory, which is empty again afterwards */
static void bench_run(struct bench *b)
{
	struct container c;

	for (unsigned int kind = 0; kind < NR_KINDS; kind++) {
		if (!b->chosen[kind])
			continue;
		make_source(b, kind);
		make_dir(place('m', kind));
		make_dir(place('x', kind));
	}
	container_start(&c, &b->map, measure_in_container, b);
	for (unsigned int kind = 0; kind < NR_KINDS; kind++)
		if (b->chosen[kind])
			mount_one(b, kind, c.userns);
	proceed(&c);
	await(&c);
	for (unsigned int kind = 0; kind < NR_KINDS; kind++)
		if (b->chosen[kind])
			check_kind(b, kind);
	proceed(&c);
	container_end(&c);

	for (unsigned int kind = 0; kind < NR_KINDS; kind++) {
		if (!b->chosen[kind])
			continue;
		unmount(place(kind == DELEGATED ? 'x' : 'm', kind));
		if (kind == BINDFS)
			bindfs_end(b);
		remove_tree(place('s', kind));
		remove_tree(place('m', kind));
		remove_tree(place('x', kind));
	}
}

/* The command "ops" */

static void choose(struct bench *b, char **names)
{
	/* plain is what the others are compared with, and the clock is read there. */
	b->chosen[PLAIN] = true;
	for (unsigned int kind = 0; kind < NR_KINDS && !*names; kind++)
		b->chosen[kind] = true;
	for (; *names; names++) {
		unsigned int kind = 0;

		while (kind < NR_KINDS && strcmp(kinds[kind].name, *names))
			kind++;
		if (kind == NR_KINDS)
			errx(1, "there is no kind %s", *names);
		b->chosen[kind] = true;
	}
	if (!b->chosen[BINDFS])
		return;
	if (!getenv("BINDFS"))
		skip_kind(b, BINDFS, "BINDFS is not set");
	else if (access(getenv("BINDFS"), X_OK))
		skip_kind(b, BINDFS, "BINDFS is no program");
	else if (access("/dev/fuse", R_OK | W_OK))
		skip_kind(b, BINDFS, "there is no /dev/fuse");
}

static void bench_ops(unsigned int loops, char **names)
{
	struct bench b = {
		.table = "mount",
		.map = { 1, COUNT, BASE },
		.ids = { 0 },
		.nr_ids = 1,
		.loops = loops,
		.ops = ops_of_ops,
	};

	choose(&b, names);
	b.column = "ext4";
	bench_run(&b);

	b.column = "tmpfs";
	make_dir("t");
	if (syscall(__NR_mount, "tmpfs", "t", "tmpfs", 0, "mode=0755"))
		err(1, "tmpfs");
	if (chdir("t"))
		err(1, "chdir");
	bench_run(&b);
	if (chdir(".."))
		err(1, "chdir");
	unmount("t");
	remove_tree("t");
}

/* The command "map" */

static void bench_map(unsigned int loops)
{
	static const unsigned int extents[] = { 1, 5, 340 };

	for (size_t i = 0; i < ARRAY_SIZE(extents); i++) {
		char column[16];
		struct bench b = {
			.table = "map",
			.column = column,
			.map = { extents[i], MAP_IDS / extents[i], MAP_BASE },
			/* They lie there whatever the number of extents is. */
			.ids = { 0, MAP_IDS / 2, MAP_IDS - 1 },
			.nr_ids = 3,
			.chosen = {
				[PLAIN] = true,
				[IDMAPPED] = true,
				[DELEGATED] = true,
			},
			.loops = loops,
			.ops = ops_of_map,
		};

		snprintf(column, sizeof(column), "%u", extents[i]);
		bench_run(&b);
	}
}

/* The command "make": "tree" becomes a container's, in several ways */

/* Which inodes there are, and when they changed */

struct inode {
	ino_t ino;
	struct timespec changed;
};

struct inodes {
	size_t nr;
	size_t room;
	struct inode *inode;
};

static struct inodes *noting;

static int note_inode(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	if (type == FTW_NS || type == FTW_DNR)
		return -1;
	if (noting->nr == noting->room) {
		noting->room = noting->room * 2 + FILES;
		noting->inode = reallocarray(noting->inode, noting->room,
					     sizeof(*noting->inode));
		if (!noting->inode)
			err(1, "inodes");
	}
	noting->inode[noting->nr++] = (struct inode){ st->st_ino, st->st_ctim };
	return 0;
}

static int compare_inodes(const void *a, const void *b)
{
	const struct inode *x = a, *y = b;

	return (x->ino > y->ino) - (x->ino < y->ino);
}

static void note_inodes(struct inodes *inodes)
{
	inodes->nr = 0;
	noting = inodes;
	walk("tree", 0, note_inode);
	if (!access("copy", F_OK))
		walk("copy", 0, note_inode);
	qsort(inodes->inode, inodes->nr, sizeof(*inodes->inode), compare_inodes);
}

/* Those that are new, and those that have changed */
static size_t count_changed(const struct inodes *before, const struct inodes *after)
{
	const struct inode *old = before->inode;
	size_t changed = 0;

	for (size_t i = 0; i < after->nr; i++) {
		const struct inode *new = &after->inode[i];

		while (old < before->inode + before->nr && old->ino < new->ino)
			old++;
		changed += old == before->inode + before->nr ||
			   old->ino != new->ino ||
			   old->changed.tv_sec != new->changed.tv_sec ||
			   old->changed.tv_nsec != new->changed.tv_nsec;
	}
	return changed;
}

/* Prints how many are others than the last time it was asked. */
static void print_changed(const char *what, unsigned int nr)
{
	static struct inodes seen[2];
	static unsigned int turn;
	struct inodes *after = &seen[turn], *before = &seen[turn ^= 1];

	note_inodes(after);
	if (what)
		printf("bench make-inodes %s %u %zu\n", what, nr,
		       count_changed(before, after));
}

/* What is done once has no other median. */
static void print_once(const char *what, unsigned int nr, __u64 time)
{
	printf("bench make %s %u %llu.0 %llu.0\n", what, nr, time, time);
}

static void print_repeated(const char *what, unsigned int nr,
			   struct samples *samples)
{
	const double average = mean(samples);
	struct samples clock;

	samples_alloc(&clock, REPEAT);
	measure(&nothing, WARM, NULL);
	measure(&nothing, REPEAT, &clock);
	printf("bench make %s %u %.1f %.1f\n", what, nr, average - mean(&clock),
	       median(samples) - median(&clock));
	free(clock.time);
	free(samples->time);
}

/* Mounts @source on "m" and unmounts it again and again. */
static void time_mounts(const char *what, unsigned int nr, const char *source,
			const struct mount_attr *attr)
{
	struct samples samples;

	samples_alloc(&samples, REPEAT);
	settle();
	for (unsigned int i = 0; i < WARM + REPEAT; i++) {
		__u64 start = now();

		mount_clone(source, "m", attr);
		if (i >= WARM)
			sample(&samples, now() - start);
		unmount("m");
		wait_for_rcu();
	}
	print_repeated(what, nr, &samples);
}

/* Of detached mounts, which go away again */
static void time_marks(const char *what, unsigned int nr, const char *source,
		       const struct mount_attr *attr)
{
	struct samples samples;

	samples_alloc(&samples, REPEAT);
	settle();
	for (unsigned int i = 0; i < WARM + REPEAT; i++) {
		int mnt = clone_mount(source);
		__u64 start = now();

		set_attr(mnt, attr, source);
		if (i >= WARM)
			sample(&samples, now() - start);
		close(mnt);
		wait_for_rcu();
	}
	print_repeated(what, nr, &samples);
}

static void shift_in_container(const struct container *c, void *arg)
{
	time_mounts("shift", *(unsigned int *)arg, "x", &shift);
}

/*
 * Walking a tree. The clock stands while files are read ahead and written back. Of
 * their content no more is kept in memory than of one portion, so that it does not
 * matter how much memory there is.
 */

static struct {
	__u64 sum;
	__u64 start;
	unsigned int nr;
	unsigned int dirs[PORTION / FILES];
} stopwatch;

static void stopwatch_stop(void)
{
	stopwatch.sum += now() - stopwatch.start;
}

static void stopwatch_go(void)
{
	stopwatch.start = now();
}

static int dir_path(char *path, size_t size, const char *top, unsigned int dir)
{
	return snprintf(path, size, "%s/%06u", top, dir);
}

/* All files of a directory: reads them if @ahead, else gives up the memory. */
static void touch_content(const char *top, unsigned int dir, bool ahead)
{
	char path[64], buf[FILE_SIZE];
	int len = dir_path(path, sizeof(path), top, dir);

	for (unsigned int i = 0; i < FILES; i++) {
		int fd;

		snprintf(path + len, sizeof(path) - len, "/%06u",
			 dir * FILES + i);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		/* There is no copy yet, or the last directory has no more. */
		if (fd < 0 && errno == ENOENT)
			break;
		if (fd < 0 || (ahead && read(fd, buf, sizeof(buf)) < 0) ||
		    (!ahead && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED)))
			err(1, "%s", path);
		close(fd);
	}
}

static void end_portion(void)
{
	write_back(".");
	for (unsigned int i = 0; i < stopwatch.nr; i++) {
		touch_content("tree", stopwatch.dirs[i], false);
		touch_content("copy", stopwatch.dirs[i], false);
	}
	stopwatch.nr = 0;
}

/* Directory @path is next: its name is its number. */
static void begin_dir(const char *path, bool read_ahead)
{
	const char *name = strrchr(path, '/');

	if (!name)
		return;
	stopwatch_stop();
	if (stopwatch.nr == ARRAY_SIZE(stopwatch.dirs))
		end_portion();
	stopwatch.dirs[stopwatch.nr] = strtoul(name + 1, NULL, 10);
	if (read_ahead)
		touch_content("tree", stopwatch.dirs[stopwatch.nr], true);
	stopwatch.nr++;
	stopwatch_go();
}

static __u64 time_walk(const char *path, int (*fn)(const char *, const struct stat *,
						   int, struct FTW *))
{
	settle();
	stopwatch.sum = 0;
	stopwatch_go();
	walk(path, 0, fn);
	stopwatch_stop();
	end_portion();
	return stopwatch.sum;
}

static int chown_one(const char *path, const struct stat *st, int type,
		     struct FTW *ftw)
{
	if (type == FTW_D)
		begin_dir(path, false);
	return chown_to_base(path, st, type, ftw);
}

static void copy_file(const char *from, const char *to, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	char buf[65536];
	int in, out;
	ssize_t len;

	in = open(from, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		err(1, "%s", from);
	out = open(to, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (out < 0)
		err(1, "%s", to);
	while ((len = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, len) != len)
			err(1, "write %s", to);
	if (len)
		err(1, "read %s", from);
	if (futimens(out, times) || fchown(out, st->st_uid, st->st_gid) ||
	    fchmod(out, st->st_mode & 07777))
		err(1, "%s", to);
	close(in);
	close(out);
}

static int copy_one(const char *path, const struct stat *st, int type,
		    struct FTW *ftw)
{
	char to[64];

	snprintf(to, sizeof(to), "copy%s", path + strlen("tree"));
	if (type == FTW_F) {
		copy_file(path, to, st);
		return 0;
	}
	if (type != FTW_D)
		return -1;
	begin_dir(path, true);
	return mkdir(to, st->st_mode & 07777) ||
	       lchown(to, st->st_uid, st->st_gid) ? -1 : 0;
}

static void make_tree(unsigned int nr)
{
	char path[64];

	make_owned_dir("tree", ORIGIN);
	for (unsigned int i = 0; i < nr; i++) {
		int len = dir_path(path, sizeof(path), "tree", i / FILES);

		if (i % FILES == 0)
			make_owned_dir(path, ORIGIN);
		snprintf(path + len, sizeof(path) - len, "/%06u", i);
		make_file(path, ORIGIN, FILE_SIZE);
		if ((i + 1) % FILES == 0)
			stopwatch.dirs[stopwatch.nr++] = i / FILES;
		if (stopwatch.nr == ARRAY_SIZE(stopwatch.dirs))
			end_portion();
	}
	end_portion();
}

/* In the current directory, which is empty again afterwards */
static void bench_make(unsigned int nr)
{
	const struct map map = { 1, COUNT, BASE };
	const struct mount_attr mark = mark_for(&map);
	struct mount_attr idmap = { .attr_set = MOUNT_ATTR_IDMAP };
	struct container c;

	make_tree(nr);
	make_dir("m");
	make_dir("x");
	write_back(".");
	print_changed(NULL, nr);

	time_marks("mark", nr, "tree", &mark);
	print_changed("mark", nr);

	container_start(&c, &map, shift_in_container, &nr);
	idmap.userns_fd = c.userns;
	mount_clone("tree", "x", &mark);
	time_mounts("idmap", nr, "tree", &idmap);
	print_changed("idmap", nr);
	fflush(stdout);
	proceed(&c);
	container_end(&c);
	print_changed("shift", nr);
	unmount("x");

	print_once("copy", nr, time_walk("tree", copy_one));
	print_changed("copy", nr);

	print_once("chown", nr, time_walk("copy", chown_one));
	print_changed("chown", nr);
	fflush(stdout);

	remove_tree("copy");
	remove_tree("tree");
	remove_tree("m");
	remove_tree("x");
}

/*
 * Enters a new directory in @path, in a mount namespace where nothing that is
 * mounted bothers anybody.
 */
static void set_up(const char *path, char *dir, size_t size)
{
	struct statfs fs;

	if (geteuid())
		errx(1, "root needed");
	if (statfs(path, &fs))
		err(1, "%s", path);
	if (fs.f_type != EXT4_SUPER_MAGIC)
		errx(1, "%s is not on an ext4 file system", path);
	if (unshare(CLONE_NEWNS) ||
	    syscall(__NR_mount, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		err(1, "mount namespace");
	umask(022);
	if (chdir(path))
		err(1, "%s", path);
	snprintf(dir, size, "shift_bench.XXXXXX");
	if (!mkdtemp(dir) || chmod(dir, 0755) || chdir(dir))
		err(1, "%s/%s", path, dir);
	for (unsigned int nr = 0; nr < FILES; nr++)
		snprintf(files[nr], sizeof(files[nr]), "d/%04u", nr);
}

static unsigned int parse_number(const char *text, unsigned int max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end || !value || value > max)
		errx(1, "%s is no number from 1 to %u", text, max);
	return value;
}

static void wrong_usage(void)
{
	errx(1, "usage: shift_bench %s | %s | %s", "ops LOOPS DIR [KIND...]",
	     "map LOOPS DIR", "make DIR FILES...");
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";
	const bool make = !strcmp(command, "make");
	unsigned int loops;
	char dir[32];

	if (argc < 4 || (!make && strcmp(command, "ops") &&
			 (strcmp(command, "map") || argc > 4)))
		wrong_usage();

	if (make) {
		for (int i = 3; i < argc; i++)
			parse_number(argv[i], 1000000);
		set_up(argv[2], dir, sizeof(dir));
		for (int i = 3; i < argc; i++)
			bench_make(parse_number(argv[i], 1000000));
	} else {
		loops = parse_number(argv[2], 1000000);
		set_up(argv[3], dir, sizeof(dir));
		if (!strcmp(command, "ops"))
			bench_ops(loops, argv + 4);
		else
			bench_map(loops);
	}

	if (chdir("..") || rmdir(dir))
		err(1, "%s", dir);
	if (fflush(stdout))
		err(1, "output");
	return 0;
}
