// SPDX-License-Identifier: GPL-2.0
/*
 * mount-shift, mount.shift - mark mounts as shiftable, and shift their ids
 *
 * As mount.shift this is a helper of mount(8), which makes "mount -t shift" and
 * lines of fstab(5) work. See mount-shift(8).
 */
#define _GNU_SOURCE
#define __SANE_USERSPACE_TYPES__
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <linux/mount.h>
#include <linux/nsfs.h>
#include <linux/openat2.h>
#include <linux/unistd.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifndef AT_RECURSIVE
#define AT_RECURSIVE	0x8000
#endif
#define NSFS_MAGIC	0x6e736673
#define ID_MAX		0xfffffffeU
#define NO_ID		0xffffffffU
#define EXTENTS_MAX	340		/* what /proc/PID/uid_map takes */
#define CONF_FILE	"/etc/mount-shift.conf"
#define XATTR_NAME	"trusted.shift"
#define XATTR_VERSION	"v1 "
#define USER_ATTRS	(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* As mount(8) documents them */
enum { EX_USAGE = 1, EX_SYSERR = 2, EX_FAIL = 32, EX_SOMEOK = 64 };

enum action { NOTHING, MARK, UNMARK, REVOKE, SHIFT, DIRECT, LIST, RESTORE };

struct number {
	bool given, word;	/* word: "any" or "all", which is 0 */
	__u32 n;
};

static struct request {
	enum action action;
	bool recursive, replace, persist, force;
	__u64 set, clr;				/* MOUNT_ATTR_* */
	struct number uid, gid, count, by;
	const char *target, *origin_ns;		/* user namespaces */
	int target_fd, origin_fd;
} req;

static bool helper, restoring, fake, sloppy, verbose;
static const char *prog;

/* What statmount(2) says about one mount; two paths and 340 extents twice fit. */
static union {
	struct statmount sm;
	char bytes[65536];
} info;

static int sys_open_tree(int fd, unsigned int flags)
{
	return syscall(__NR_open_tree, fd, "", flags | AT_EMPTY_PATH);
}

static int sys_open_tree_attr(int fd, unsigned int flags, struct mount_attr *attr)
{
	return syscall(__NR_open_tree_attr, fd, "", flags | AT_EMPTY_PATH, attr,
		       sizeof(*attr));
}

static int sys_mount_setattr(int fd, unsigned int flags, struct mount_attr *attr,
			     size_t size)
{
	return syscall(__NR_mount_setattr, fd, "", flags | AT_EMPTY_PATH, attr, size);
}

static int sys_move_mount(int from, int to)
{
	return syscall(__NR_move_mount, from, "", to, "",
		       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

static int sys_statmount(struct mnt_id_req *id, unsigned int flags)
{
	return syscall(__NR_statmount, id, &info, sizeof(info), flags);
}

#define fail(status, format, ...)						\
	do {									\
		fprintf(stderr, "%s: " format "\n", prog, ##__VA_ARGS__);	\
		exit(status);							\
	} while (0)

#define warning(format, ...)							\
	fprintf(stderr, "%s: warning: " format "\n", prog, ##__VA_ARGS__)

#define say(format, ...)							\
	do {									\
		if (verbose)							\
			printf("%s: " format "\n", prog, ##__VA_ARGS__);	\
	} while (0)

/* Options: the same for -o and, but for a few more, for the long ones */

enum kind { ATTR, USER, FLAG, ACTION, USERNS, NUMBER };

static const struct known_option {
	const char *name;
	enum kind kind;
	void *to;
	__u64 set, clr;		/* MOUNT_ATTR_*; or the action, or the least number */
	const char *word;	/* instead of a number */
} known_options[] = {
	{ "mark",	  ACTION, .set = MARK },
	{ "unmark",	  ACTION, .set = UNMARK },
	{ "revoke",	  ACTION, .set = REVOKE },
	{ "shift",	  ACTION, .to = &req.target, .set = SHIFT },
	{ "shift-target", USERNS, .to = &req.target, .set = SHIFT },
	{ "userns",	  USERNS, .to = &req.target, .set = SHIFT },
	{ "shift-origin", USERNS, .to = &req.origin_ns, .set = NOTHING },
	{ "by",		  NUMBER, .to = &req.by, .word = "any" },
	{ "origin-uid",	  NUMBER, .to = &req.uid },
	{ "origin",	  NUMBER, .to = &req.uid },
	{ "origin-gid",	  NUMBER, .to = &req.gid },
	{ "origin-count", NUMBER, .to = &req.count, .set = 1, .word = "all" },
	{ "count",	  NUMBER, .to = &req.count, .set = 1, .word = "all" },
	{ "rbind",	  FLAG, .to = &req.recursive },
	{ "recursive",	  FLAG, .to = &req.recursive },
	{ "replace",	  FLAG, .to = &req.replace },
	{ "persist",	  FLAG, .to = &req.persist },
	{ "force",	  FLAG, .to = &req.force },
	/* Of these four mount(8) may leave it to the helper what they imply. */
	{ "user",	  USER, .set = USER_ATTRS },
	{ "users",	  USER, .set = USER_ATTRS },
	{ "owner",	  USER, .set = USER_ATTRS },
	{ "group",	  USER, .set = USER_ATTRS },
	{ "ro",		  ATTR, .set = MOUNT_ATTR_RDONLY },
	{ "rw",		  ATTR, .clr = MOUNT_ATTR_RDONLY },
	{ "nosuid",	  ATTR, .set = MOUNT_ATTR_NOSUID },
	{ "suid",	  ATTR, .clr = MOUNT_ATTR_NOSUID },
	{ "nodev",	  ATTR, .set = MOUNT_ATTR_NODEV },
	{ "dev",	  ATTR, .clr = MOUNT_ATTR_NODEV },
	{ "noexec",	  ATTR, .set = MOUNT_ATTR_NOEXEC },
	{ "exec",	  ATTR, .clr = MOUNT_ATTR_NOEXEC },
	{ "nosymfollow",  ATTR, .set = MOUNT_ATTR_NOSYMFOLLOW },
	{ "nodiratime",	  ATTR, .set = MOUNT_ATTR_NODIRATIME },
	{ "noatime",	  ATTR, .set = MOUNT_ATTR_NOATIME, .clr = MOUNT_ATTR__ATIME },
	{ "strictatime",  ATTR, .set = MOUNT_ATTR_STRICTATIME, .clr = MOUNT_ATTR__ATIME },
	{ "relatime",	  ATTR, .set = MOUNT_ATTR_RELATIME, .clr = MOUNT_ATTR__ATIME },
};

/* For mount(8), or for whoever else reads fstab; so is all that starts with x-. */
static const char * const ignored_options[] = {
	"bind", "defaults", "auto", "noauto", "nouser", "noowner", "nogroup", "nofail",
	"_netdev", "async", "silent", "loud", "comment", "helper", "uhelper",
};

static bool is_ignored(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ignored_options); i++)
		if (!strcmp(name, ignored_options[i]))
			return true;
	return sloppy || !strncasecmp(name, "x-", 2);
}

/* Decimal digits and nothing else: strtoull() alone takes "-1" and " 5", too. */
static struct number parse_number(const struct known_option *k, const char *text)
{
	struct number nr = { .given = true };
	unsigned long long n;
	char *end;

	if (k->word && !strcmp(text, k->word)) {
		nr.word = true;
		return nr;
	}
	errno = 0;
	n = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || errno || n < k->set || n > ID_MAX)
		fail(EX_USAGE, "%s: \"%s\" is not a number from %llu to %u%s%s", k->name, text,
		     k->set, ID_MAX, k->word ? ", or " : "", k->word ?: "");
	nr.n = n;
	return nr;
}

static void set_action(enum action action)
{
	if (req.action != NOTHING && action != NOTHING && req.action != action)
		fail(EX_USAGE, "mark, unmark, revoke, shift, list and restore exclude each other");
	if (action != NOTHING)
		req.action = action;
}

static void set_option(const char *name, const char *value)
{
	const struct known_option *k;

	for (k = known_options; strcmp(k->name, name); k++) {
		if (k < known_options + ARRAY_SIZE(known_options) - 1)
			continue;
		if (is_ignored(name) && !restoring)
			return;
		fail(EX_USAGE, "unknown option \"%s\"", name);
	}
	if (value ? k->kind == ATTR || k->kind == FLAG || (k->kind == ACTION && !k->to) :
		    k->kind == USERNS || k->kind == NUMBER)
		fail(EX_USAGE, "%s %s", name, value ? "takes no value" : "needs a value");
	if (value && !*value)
		fail(EX_USAGE, "%s: the value is empty", name);
	/* A permanent mark says what is marked and how, and no more. */
	if (restoring && k->kind != ATTR && k->kind != NUMBER && k->to != &req.recursive)
		fail(EX_FAIL, "\"%s\" cannot be part of a permanent mark", name);

	switch (k->kind) {
	case USER:
	case ATTR:
		/* Of options that contradict each other the last one counts. */
		req.set = (req.set & ~k->clr) | k->set;
		req.clr = (req.clr & ~k->set) | k->clr;
		/* But mount(8) says rw whenever nobody says ro. */
		if (helper && !restoring)
			req.clr &= ~MOUNT_ATTR_RDONLY;
		break;
	case FLAG:
		*(bool *)k->to = true;
		break;
	case ACTION:
	case USERNS:
		set_action(k->set);
		if (value)
			*(const char **)k->to = value;
		break;
	case NUMBER:
		*(struct number *)k->to = parse_number(k, value);
		break;
	}
}

static void set_options(char *list)
{
	char *name, *value;

	while ((name = strsep(&list, ","))) {
		value = strchr(name, '=');
		if (value)
			*value++ = '\0';
		if (*name)
			set_option(name, value);
	}
}

/*
 * The configuration: the origin, where none was given, and what restore is to
 * look at. Only that is wanted if @paths is not NULL.
 */
static int read_conf(char ***paths)
{
	const char *file = secure_getenv("MOUNT_SHIFT_CONF") ?: CONF_FILE;
	const struct request given = req;
	char line[PATH_MAX + 64], *value;
	FILE *f = fopen(file, "re");
	struct stat st;
	int nr = 0;

	if (!f && errno == ENOENT)
		return 0;
	if (!f || fstat(fileno(f), &st))
		fail(EX_SYSERR, "%s: %m", file);
	/* It says whose the files of containers are. */
	if ((st.st_uid && st.st_uid != geteuid()) || st.st_mode & 022)
		fail(EX_SYSERR, "%s must belong to root and be writable by nobody else", file);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!*line || *line == '#')
			continue;
		value = strchr(line, '=') ?: strchr(line, '\0');
		if (*value)
			*value++ = '\0';
		if (!strcmp(line, "persist") && *value == '/') {
			if (!paths)
				continue;
			value = strdup(value);
			*paths = realloc(*paths, (nr + 1) * sizeof(**paths));
			if (!value || !*paths)
				fail(EX_SYSERR, "%m");
			(*paths)[nr++] = value;
		} else if (!strncmp(line, "origin-", 7) && *value) {
			set_option(line, value);
		} else {
			fail(EX_USAGE, "%s: there is no setting %s=%s", file, line, value);
		}
	}
	if (!feof(f))
		fail(EX_SYSERR, "%s: %m", file);
	fclose(f);
	if (paths || given.uid.given)
		req.uid = given.uid;
	if (paths || given.gid.given)
		req.gid = given.gid;
	if (paths || given.count.given)
		req.count = given.count;
	return nr;
}

static void choose_origin(void)
{
	if (req.origin_ns) {
		if (req.uid.given || req.gid.given || req.count.given)
			fail(EX_USAGE, "shift-origin and origin-* exclude each other");
		return;
	}
	if (!req.uid.given)
		read_conf(NULL);
	if (!req.uid.given)
		fail(EX_USAGE, "no origin: give origin-uid, or set one in %s", CONF_FILE);
	if (!req.gid.given)
		req.gid = req.uid;
	if (!req.count.given)
		req.count.n = 65536;
	if (!req.count.n && req.action == MARK)
		fail(EX_USAGE, "origin-count: a mark needs a number");
	if (req.count.n && (req.count.n - 1 > ID_MAX - req.uid.n ||
			    req.count.n - 1 > ID_MAX - req.gid.n))
		fail(EX_USAGE, "origin-count: there are no %u ids from %u on, the last one is %u",
		     req.count.n, req.uid.n > req.gid.n ? req.uid.n : req.gid.n, ID_MAX);
}

/* To whom the ids of the origin belong otherwise */

static bool overlap(__u64 a, __u64 nr_a, __u64 b, __u64 nr_b)
{
	return a < b + nr_b && b < a + nr_a;
}

struct ids {
	char *name;
	unsigned long long first, count;
};

/* Not to be able to read whose ids they are must not pass for that they are nobody's. */
static FILE *open_ids(const char *file)
{
	FILE *f = fopen(file, "re");

	if (!f && errno != ENOENT)
		fail(EX_SYSERR, "%s: %m", file);
	return f;
}

/*
 * The next line of @file, NAME:FIRST:COUNT in /etc/subuid, NAME:x:ID in
 * /etc/passwd, with ids from @first to @first + @count - 1
 */
static bool next_overlap(FILE *f, bool ranges, __u64 first, __u64 count, struct ids *ids)
{
	static char *line;
	static size_t size;
	char *rest;
	int nr;

	while (f && getline(&line, &size, f) >= 0) {
		rest = line;
		ids->name = strsep(&rest, ":");
		if (!ranges)
			strsep(&rest, ":");
		nr = sscanf(rest ?: "", "%llu:%llu", &ids->first, &ids->count);
		if (!ranges)
			ids->count = 1;
		if (nr >= 1 + ranges && *ids->name != '#' &&
		    overlap(first, count, ids->first, ids->count))
			return true;
	}
	if (f && !feof(f))
		fail(EX_SYSERR, "cannot read whose the ids are: %m");
	if (f)
		fclose(f);
	return false;
}

static void check_ids(const char *kind, const char *names, const char *subids,
		      __u64 first, __u64 count, const char *owner)
{
	FILE *f = open_ids(subids);
	char range[64];
	struct ids ids;

	snprintf(range, sizeof(range), "%ss %llu-%llu", kind, first, first + count - 1);
	while (next_overlap(f, true, first, count, &ids)) {
		if (strcmp(ids.name, owner) && !req.force)
			fail(EX_USAGE, "origin: %s overlap ids of %s in %s; use others or force",
			     range, ids.name, subids);
		warning("origin: %s overlap ids of %s in %s, who owns the files",
			range, ids.name, subids);
	}
	f = first ? open_ids(names) : NULL;
	if (!first) {
		warning("origin: %s 0, so the container's files are root's on the host", kind);
	} else if (next_overlap(f, false, first, count, &ids)) {
		warning("origin: %s include the one of %s in %s", range, ids.name, names);
		fclose(f);
	}
}

/* @by: the uid of the container's root, or NO_ID if that is not known */
static void check_origin(__u64 by, __u64 count)
{
	char owner[256] = "";
	struct ids ids;
	FILE *f;

	if (req.origin_ns)
		return;
	f = by != NO_ID ? open_ids("/etc/passwd") : NULL;
	if (!next_overlap(f, false, by, 1, &ids)) {
		f = by != NO_ID ? open_ids("/etc/subuid") : NULL;
		if (!next_overlap(f, true, by, 1, &ids))
			f = NULL;
	}
	if (f) {
		snprintf(owner, sizeof(owner), "%s", ids.name);
		fclose(f);
	}
	check_ids("uid", "/etc/passwd", "/etc/subuid", req.uid.n, count, owner);
	check_ids("gid", "/etc/group", "/etc/subgid", req.gid.n, count, owner);
	if (by != NO_ID && overlap(req.uid.n, count, by, count))
		warning("origin: uids from %u on overlap the container's own, from %llu on",
			req.uid.n, by);
}

/* User namespaces and their maps */

struct map {
	int nr;
	__u64 root, end;	/* what 0 is, if anything, and the last id + 1 */
	struct {
		unsigned long long first, lower, count;
	} extent[EXTENTS_MAX];
};

/* By path, or by the id of a process that is in it */
static int open_ns(const char *spec, int type)
{
	const char *name = type == CLONE_NEWUSER ? "user" : "mnt";
	char path[64];
	int fd;

	if (!spec[strspn(spec, "0123456789")]) {
		snprintf(path, sizeof(path), "/proc/%.20s/ns/%s", spec, name);
		spec = path;
	}
	fd = open(spec, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail(EX_FAIL, "%s: %m", spec);
	if (ioctl(fd, NS_GET_NSTYPE) != type)
		fail(EX_FAIL, "%s is not a %s namespace", spec, name);
	return fd;
}

/*
 * A process in the user namespace @ns, or in a new one if that is -1: only
 * through a process can maps be read and written. It ends when @hold is closed.
 */
static pid_t userns_process(int ns, int *hold)
{
	int report[2], end[2], err = 0;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) || pipe2(end, O_CLOEXEC))
		fail(EX_SYSERR, "pipe: %m");
	pid = fork();
	if (pid < 0)
		fail(EX_SYSERR, "fork: %m");
	if (!pid) {
		close(end[1]);
		if (ns < 0 ? unshare(CLONE_NEWUSER) : setns(ns, CLONE_NEWUSER))
			err = errno;
		if (write(report[1], &err, sizeof(err)) == sizeof(err) && !err)
			err = read(end[0], &err, 1);
		_exit(0);
	}
	close(report[1]);
	close(end[0]);
	if (read(report[0], &err, sizeof(err)) != sizeof(err))
		err = EIO;
	close(report[0]);
	*hold = end[1];
	if (!err)
		return pid;
	close(end[1]);
	waitpid(pid, NULL, 0);
	errno = err;
	return -1;
}

static void read_map(pid_t pid, const char *which, struct map *map)
{
	unsigned long long first, lower, count;
	char path[64];
	FILE *f;

	*map = (struct map){ .root = NO_ID };
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, which);
	f = fopen(path, "re");
	while (f && map->nr < EXTENTS_MAX &&
	       fscanf(f, "%llu %llu %llu", &first, &lower, &count) == 3) {
		map->extent[map->nr].first = first;
		map->extent[map->nr].lower = lower;
		map->extent[map->nr++].count = count;
		if (!first)
			map->root = lower;
		if (map->end < first + count)
			map->end = first + count;
	}
	if (f ? ferror(f) : errno == ENOMEM)
		fail(EX_SYSERR, "%s: %m", path);
	if (f)
		fclose(f);
}

/* Leaves the maps empty if the namespace lets nobody in. */
static void read_maps(int ns, struct map *uids, struct map *gids)
{
	int hold;
	pid_t pid = userns_process(ns, &hold);

	read_map(pid, "uid_map", uids);
	read_map(pid, "gid_map", gids);
	if (pid < 0)
		return;
	close(hold);
	waitpid(pid, NULL, 0);
}

/* Makes the first @count ids of @map ids from @origin on. Returns how many more it had. */
static __u64 compose_map(struct map *map, __u32 origin, __u64 count)
{
	__u64 nr, lost = 0;
	int i, kept = 0;

	for (i = 0; i < map->nr; i++) {
		nr = map->extent[i].first < count ? count - map->extent[i].first : 0;
		if (nr > map->extent[i].count)
			nr = map->extent[i].count;
		lost += map->extent[i].count - nr;
		if (!nr)
			continue;
		map->extent[kept].first = origin + map->extent[i].first;
		map->extent[kept].lower = map->extent[i].lower;
		map->extent[kept++].count = nr;
	}
	map->nr = kept;
	return lost;
}

static void write_map(pid_t pid, const char *which, const struct map *map)
{
	char path[64], text[EXTENTS_MAX * 33 + 1];
	int i, fd, len = 0;

	for (i = 0; i < map->nr; i++)
		len += snprintf(text + len, sizeof(text) - len, "%llu %llu %llu\n",
				map->extent[i].first, map->extent[i].lower,
				map->extent[i].count);
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, which);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	/* The kernel takes a map in one go or not at all. */
	if (fd < 0 || write(fd, text, len) != len)
		fail(EX_FAIL, "cannot write the map of a user namespace for the shift: %m");
	close(fd);
}

/* A namespace that has the composed map, for a kernel that cannot compose */
static int make_userns(const struct map *uids, const struct map *gids)
{
	char path[64];
	int hold, fd;
	pid_t pid;

	if (!uids->nr || !gids->nr)
		fail(EX_FAIL, "no id of the user namespace is in the origin, or it lets nobody in");
	pid = userns_process(-1, &hold);
	if (pid < 0)
		fail(EX_FAIL, "cannot make a user namespace for the shift: %m");
	write_map(pid, "uid_map", uids);
	write_map(pid, "gid_map", gids);
	snprintf(path, sizeof(path), "%d", pid);
	fd = open_ns(path, CLONE_NEWUSER);
	close(hold);
	waitpid(pid, NULL, 0);
	return fd;
}

/* What is mounted */

static void stat_fd(int fd, struct stat *st)
{
	if (fstat(fd, st))
		fail(EX_SYSERR, "fstat: %m");
}

static bool is_dir(int fd)
{
	struct stat st;

	stat_fd(fd, &st);
	return S_ISDIR(st.st_mode);
}

static int open_path(const char *path)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		fail(EX_FAIL, "%s: %m", path);
	return fd;
}

static const struct statmount *mount_of(int fd)
{
	struct mnt_id_req id = {
		.size = MNT_ID_REQ_SIZE_VER1,
		.mnt_fd = fd,
		.param = STATMOUNT_MNT_BASIC | STATMOUNT_MNT_POINT | STATMOUNT_FS_TYPE |
			 STATMOUNT_MNT_SHIFT | STATMOUNT_SUPPORTED_MASK,
	};

	return sys_statmount(&id, STATMOUNT_BY_FD) ? NULL : &info.sm;
}

/* The same where something is done about it: not to have found out is an error. */
static const struct statmount *find_mount_of(int fd)
{
	const struct statmount *m = mount_of(fd);

	if (!m && (errno == ENOMEM || errno == EFAULT))
		fail(EX_SYSERR, "statmount: %m");
	return m;
}

static bool is_mount_point(int fd, const char *path)
{
	const struct statmount *m = find_mount_of(fd);
	char resolved[PATH_MAX];

	if (!m || !(m->mask & STATMOUNT_MNT_POINT))
		return false;
	if (!realpath(path, resolved))
		fail(EX_SYSERR, "%s: %m", path);
	return !strcmp(resolved, m->str + m->mnt_point);
}

static bool same_file(int a, int b)
{
	struct stat st_a, st_b;

	stat_fd(a, &st_a);
	stat_fd(b, &st_b);
	return st_a.st_dev == st_b.st_dev && st_a.st_ino == st_b.st_ino;
}

static const char *mark_text(const struct statmount *m)
{
	static char text[128];
	int len;

	if (m->mnt_shift_flags & MOUNT_SHIFT_ORIGIN_USERNS)
		len = snprintf(text, sizeof(text), "origin=userns by=");
	else
		len = snprintf(text, sizeof(text), "origin=%u:%u:%u by=", m->mnt_origin_uid,
			       m->mnt_origin_gid, m->mnt_origin_count);
	if (m->mnt_shift_flags & MOUNT_SHIFT_REVOKE)
		snprintf(text + len, sizeof(text) - len, "revoked");
	else if (m->mnt_shift_flags & MOUNT_SHIFT_ANY)
		snprintf(text + len, sizeof(text) - len, "any");
	else
		snprintf(text + len, sizeof(text) - len, "%u", m->mnt_shiftable_by);
	return text;
}

/* The options that ask for @set and @clr, each after a comma */
static int attr_text(char *text, size_t size, __u64 set, __u64 clr)
{
	const struct known_option *k;
	int len = 0;

	text[0] = '\0';
	for (k = known_options; k < known_options + ARRAY_SIZE(known_options); k++)
		if (k->kind == ATTR && (set & (k->set | k->clr)) == k->set &&
		    (clr & k->clr) == k->clr)
			len += snprintf(text + len, size - len, ",%s", k->name);
	return len;
}

static void print_map(const char *name, const char *text, __u32 nr)
{
	printf(" %s=", name);
	for (; nr; nr--, text += strlen(text) + 1) {
		const char *c;

		for (c = text; *c; c++)
			putchar(*c == ' ' ? ':' : *c);
		if (nr > 1)
			putchar(',');
	}
}

static void list_mount(__u64 mnt_id)
{
	const struct statmount *m = &info.sm;
	struct mnt_id_req id = {
		.size = MNT_ID_REQ_SIZE_VER1,
		.mnt_id = mnt_id,
		.param = STATMOUNT_MNT_BASIC | STATMOUNT_MNT_POINT | STATMOUNT_MNT_SHIFT |
			 STATMOUNT_MNT_UIDMAP | STATMOUNT_MNT_GIDMAP,
	};
	char attrs[256];
	const char *c;

	/* It may have gone, or not be for us to see. */
	if (sys_statmount(&id, 0)) {
		if (errno == ENOMEM || errno == EFAULT)
			fail(EX_SYSERR, "statmount: %m");
		return;
	}
	if (!(m->mask & STATMOUNT_MNT_POINT) ||
	    !(m->mnt_attr & (MOUNT_ATTR_SHIFT | MOUNT_ATTR_SHIFTABLE)))
		return;
	/* One line is one mount, as in /proc/PID/mountinfo. */
	for (c = m->str + m->mnt_point; *c; c++)
		printf(strchr(" \t\n\\", *c) ? "\\%03o" : "%c", (unsigned char)*c);
	if (m->mask & STATMOUNT_MNT_SHIFT) {
		printf(" shiftable %s", mark_text(m));
	} else {
		printf(" shifted");
		print_map("uids", m->str + m->mnt_uidmap, m->mnt_uidmap_num);
		print_map("gids", m->str + m->mnt_gidmap, m->mnt_gidmap_num);
	}
	attr_text(attrs, sizeof(attrs), m->mnt_attr, MOUNT_ATTR_RDONLY | MOUNT_ATTR__ATIME);
	printf(" attrs=%s\n", attrs + 1);
}

static noreturn void no_kernel(void)
{
	fail(EX_FAIL, "this kernel has no shiftable mounts (MOUNT_ATTR_SHIFT of mount_setattr(2))");
}

static bool kernel_shifts(void)
{
	struct mount_attr attr = { .attr_clr = MOUNT_ATTR_SHIFTABLE };

	/* Whoever knows the bit gets as far as finding that -1 is no descriptor. */
	sys_mount_setattr(-1, 0, &attr, sizeof(attr));
	switch (errno) {
	case EBADF:
		return true;
	case EPERM:
		fail(EX_USAGE, "only root of the mount namespace may mount");
	case EFAULT:
	case ENOMEM:
		fail(EX_SYSERR, "mount_setattr: %m");
	}
	return false;
}

static int list(void)
{
	struct mnt_id_req id = {
		.size = MNT_ID_REQ_SIZE_VER1,
		.mnt_id = LSMT_ROOT,
	};
	const struct statmount *m = find_mount_of(open_path("/"));
	__u64 ids[256];
	long i, nr;

	if (!m || !(m->supported_mask & STATMOUNT_MNT_SHIFT))
		no_kernel();
	do {
		nr = syscall(__NR_listmount, &id, ids, ARRAY_SIZE(ids), 0);
		if (nr < 0)
			fail(EX_FAIL, "listmount: %m");
		for (i = 0; i < nr; i++) {
			list_mount(ids[i]);
			id.param = ids[i];
		}
	} while (nr == ARRAY_SIZE(ids));
	return 0;
}

/* Why the kernel refused, and what to do about it */

static const char *not_permitted(const struct statmount *m)
{
	static char text[160];
	struct map map;

	if (req.action == MARK && !req.origin_ns && (!req.uid.n || !req.gid.n))
		return "an origin with id 0 takes CAP_SETFCAP and CAP_SYS_ADMIN on the host";
	if (req.action == MARK || req.action == UNMARK || req.action == REVOKE)
		return "that takes CAP_SYS_ADMIN over the filesystem: do it on the host";
	if (m && m->mnt_attr & MOUNT_ATTR_IDMAP)
		return "it is shifted or idmapped already; take the mount that it was made from";
	if (req.action == DIRECT)
		return "the namespace is the initial one, or not yours, or you are in a container";
	if (!m || !(m->mask & STATMOUNT_MNT_SHIFT))
		return "it is not on a shiftable mount; mark it on the host, with by=UID";
	if (m->mnt_shift_flags & MOUNT_SHIFT_REVOKE)
		return "its mark has been revoked; the host has to mark it again";
	read_map(getpid(), "uid_map", &map);
	if (!map.root && map.end == NO_ID)
		return "a mark is for containers; here, give --shift NAMESPACE and an origin";
	if (!(m->mnt_shift_flags & MOUNT_SHIFT_ANY) && m->mnt_shiftable_by) {
		snprintf(text, sizeof(text),
			 "the mark admits only the container whose root is uid %u (as seen from here); yours is uid %llu outside",
			 m->mnt_shiftable_by, map.root);
		return text;
	}
	if (req.clr & (m->mnt_attr | MOUNT_ATTR_NODEV) &
	    (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC))
		return "neither dev nor what the marked mount forbids can be had";
	if (req.recursive)
		return "a mount below it is not marked, or not with the same mark";
	return "the kernel, or a security module, does not permit it";
}

static const char *invalid(int fd, const struct statmount *m)
{
	int recursive = req.recursive ? AT_RECURSIVE : 0;
	static char text[160];

	if (m && req.action == MARK && m->mnt_attr & MOUNT_ATTR_IDMAP)
		return "it is idmapped; mark the mount that it was made from";
	if (sys_open_tree(fd, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive) < 0)
		return "it cannot be bound: other mount namespace, unbindable, or needs rbind";
	snprintf(text, sizeof(text),
		 "a filesystem of type %s cannot be idmapped, or an id or a user namespace given means nothing for it",
		 m && m->mask & STATMOUNT_FS_TYPE ? m->str + m->fs_type : "unknown");
	return text;
}

static noreturn void refused(const char *path, int fd, int err)
{
	const struct statmount *m = mount_of(fd);
	const char *why = strerror(err);

	switch (err) {
	case EPERM:
		why = not_permitted(m);
		break;
	case EINVAL:
		why = invalid(fd, m);
		break;
	case EEXIST:
		why = "it is marked already, and otherwise; unmark it, or use replace";
		break;
	case ERANGE:
		why = "the container has no uid, or no gid, that is in the origin";
		break;
	case EOVERFLOW:
		why = "the container has ids that do not fit into the origin; give an origin-count";
		break;
	case E2BIG:
		why = "the maps of the origin and of the container have too many pieces together";
		break;
	case EBUSY:
		why = "files are open for writing through that mount";
		break;
	}
	fail(EX_FAIL, "%s: %s", path, why);
}

/* A clone of @src that is @attr from the start: nobody ever has it without. */
static int clone_tree(const char *path, int src, struct mount_attr *attr)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
	int fd;

	if (req.recursive)
		flags |= AT_RECURSIVE;
	fd = sys_open_tree_attr(src, flags, attr);
	if (fd < 0)
		refused(path, src, errno);
	return fd;
}

static void attach(int tree, const char *path, int dst)
{
	if (!fake && sys_move_mount(tree, dst))
		fail(EX_FAIL, "cannot mount on %s: %m", path);
}

/* The permanent mark */

/* By way of a mount of its own, as marks often are on read-only ones */
static void write_permanent(const char *path, int fd, const char *value)
{
	struct mount_attr attr = { .attr_clr = MOUNT_ATTR_RDONLY };
	char proc[64];

	fd = sys_open_tree(fd, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	sys_mount_setattr(fd, 0, &attr, sizeof(attr));
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (value ? setxattr(proc, XATTR_NAME, value, strlen(value), 0) :
		    removexattr(proc, XATTR_NAME) && errno != ENODATA)
		fail(EX_FAIL, "%s: cannot %s the permanent mark, attribute %s: %m", path,
		     value ? "write" : "remove", XATTR_NAME);
	close(fd);
}

static bool read_permanent(int fd, char *value, size_t size)
{
	char proc[64];
	ssize_t len;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	len = getxattr(proc, XATTR_NAME, value, size - 1);
	value[len < 0 ? 0 : len] = '\0';
	return len >= 0;
}

static void permanent_text(char *text, size_t size)
{
	int len = snprintf(text, size, "%sorigin-uid=%u,origin-gid=%u,origin-count=%u,by=",
			   XATTR_VERSION, req.uid.n, req.gid.n, req.count.n);

	if (req.by.word)
		len += snprintf(text + len, size - len, "any");
	else
		len += snprintf(text + len, size - len, "%u", req.by.n);
	if (req.recursive)
		len += snprintf(text + len, size - len, ",rbind");
	attr_text(text + len, size - len, req.set, req.clr);
}

/* What can be asked for */

static bool marked_like(const struct statmount *m, const struct mount_attr *a)
{
	return m && m->mask & STATMOUNT_MNT_SHIFT && !req.recursive && !req.origin_ns &&
	       m->mnt_origin_uid == a->origin_uid && m->mnt_origin_gid == a->origin_gid &&
	       m->mnt_origin_count == a->origin_count &&
	       m->mnt_shift_flags == a->shift_flags && m->mnt_shiftable_by == a->shiftable_by &&
	       (m->mnt_attr & a->attr_set) == a->attr_set;
}

static void mark(const char *src_path, int src, const char *dst_path, int dst)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_SHIFTABLE | req.set,
		.attr_clr = req.clr,
		.origin_uid = req.uid.n,
		.origin_gid = req.gid.n,
		.origin_count = req.count.n,
		.shift_flags = req.by.word ? MOUNT_SHIFT_ANY : 0,
		.shiftable_by = req.by.n,
	};
	char old[256], new[256];
	bool had_old = false;
	int tree = -1, err;

	if (req.origin_ns) {
		attr.shift_flags |= MOUNT_SHIFT_ORIGIN_USERNS;
		attr.origin_userns_fd = req.origin_fd;
		attr.origin_count = 0;
	}
	if (!kernel_shifts())
		no_kernel();
	check_origin(req.by.word ? NO_ID : req.by.n, req.count.n);
	if (req.persist && !same_file(src, dst))
		fail(EX_USAGE, "persist: only for what is marked in place");
	if (!same_file(src, dst) || !is_mount_point(dst, dst_path)) {
		/* A new mount gets this mark, whichever it may have inherited. */
		attr.attr_clr |= MOUNT_ATTR_SHIFTABLE;
		tree = clone_tree(src_path, src, &attr);
	} else if (req.replace) {
		attr.attr_clr |= MOUNT_ATTR_SHIFTABLE;
	}
	if (fake)
		return;

	/* Written first, and taken back if the mount fails: nothing is done by halves. */
	if (req.persist) {
		had_old = read_permanent(src, old, sizeof(old));
		permanent_text(new, sizeof(new));
		write_permanent(src_path, src, new);
	}
	if (tree >= 0)
		err = sys_move_mount(tree, dst);
	else if (marked_like(find_mount_of(dst), &attr))
		err = 0;
	else
		err = sys_mount_setattr(dst, req.recursive ? AT_RECURSIVE : 0, &attr, sizeof(attr));
	if (err) {
		err = errno;
		if (req.persist)
			write_permanent(src_path, src, had_old ? old : NULL);
		if (tree < 0)
			refused(dst_path, dst, err);
		fail(EX_FAIL, "cannot mount on %s: %s", dst_path, strerror(err));
	}
	if (mount_of(tree >= 0 ? tree : dst))
		say("%s is shiftable, %s", dst_path, mark_text(&info.sm));
}

static void unmark(const char *path, int fd)
{
	struct mount_attr attr = { .attr_clr = MOUNT_ATTR_SHIFTABLE };
	char old[256];

	if (req.action == REVOKE)
		attr.shift_flags = MOUNT_SHIFT_REVOKE;
	if (!kernel_shifts())
		no_kernel();
	if (!is_mount_point(fd, path))
		fail(EX_FAIL, "%s is not a mount point", path);
	if (fake)
		return;
	if (sys_mount_setattr(fd, req.recursive ? AT_RECURSIVE : 0, &attr, sizeof(attr)))
		refused(path, fd, errno);
	if (req.persist)
		write_permanent(path, fd, NULL);
	else if (read_permanent(fd, old, sizeof(old)))
		warning("%s has a permanent mark, which --persist would remove", path);
}

static void shift(const char *src_path, int src, const char *dst_path, int dst)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_SHIFT | req.set, .attr_clr = req.clr };
	struct statfs st;

	if (!kernel_shifts())
		no_kernel();
	if (!fstatfs(src, &st) && st.f_type == NSFS_MAGIC)
		fail(EX_USAGE, "%s is a namespace: what is to be mounted, and where?", src_path);
	/* "mount -a" may come again; only over itself can one tell, and not do it twice. */
	if (same_file(src, dst) && is_mount_point(dst, dst_path) &&
	    !strcmp(src_path, dst_path) && info.sm.mnt_attr & MOUNT_ATTR_SHIFT) {
		say("%s is shifted already", dst_path);
		return;
	}
	attach(clone_tree(src_path, src, &attr), dst_path, dst);
}

static void shift_direct(const char *src_path, int src, const char *dst_path, int dst)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP | req.set,
		.attr_clr = req.clr,
		.userns_fd = req.target_fd,
		.origin_uid = req.uid.n,
		.origin_gid = req.gid.n,
		.origin_count = req.count.n,
	};
	unsigned int recursive = req.recursive ? AT_RECURSIVE : 0;
	bool native = kernel_shifts();
	static struct map uids, gids;
	__u64 lost;
	int tree;

	if (req.origin_ns) {
		if (!native)
			no_kernel();
		attr.shift_flags = MOUNT_SHIFT_ORIGIN_USERNS;
		attr.origin_userns_fd = req.origin_fd;
	} else {
		read_maps(req.target_fd, &uids, &gids);
		check_origin(uids.root, req.count.n ?: uids.end);
		lost = compose_map(&uids, req.uid.n, req.count.n ?: NO_ID - req.uid.n);
		lost += compose_map(&gids, req.gid.n, req.count.n ?: NO_ID - req.gid.n);
		if (lost && !req.count.n)
			fail(EX_FAIL, "the container has ids that do not fit into the origin");
		if (lost)
			warning("%llu uids and gids of the container are not in the origin of %s",
				lost, dst_path);
	}
	if (native) {
		attr.attr_set |= MOUNT_ATTR_SHIFT;
		tree = clone_tree(src_path, src, &attr);
	} else {
		attr.userns_fd = make_userns(&uids, &gids);
		tree = sys_open_tree(src, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive);
		if (tree < 0 || sys_mount_setattr(tree, recursive, &attr, MOUNT_ATTR_SIZE_VER0))
			refused(src_path, src, errno);
		say("this kernel cannot shift: an idmapped mount of the same effect will do");
	}
	attach(tree, dst_path, dst);
}

/*
 * The attribute is as good as whoever made the filesystem: an image that came from
 * elsewhere can have one. So it counts only on what the administrator named, there
 * is no looking for it, and no link leads elsewhere. Id 0 it cannot give away.
 */
static void restore_one(char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS,
	};
	bool force = req.force;
	const struct statmount *m;
	char value[256];
	int fd;

	fd = syscall(__NR_openat2, AT_FDCWD, path, &how, sizeof(how));
	if (fd < 0)
		fail(EX_FAIL, "%s: %m%s", path, errno == ELOOP ? " (there may be none)" : "");
	if (!kernel_shifts())
		no_kernel();
	m = mount_of(fd);
	if (!m || !strncmp(m->str + m->fs_type, "fuse", 4))
		fail(EX_FAIL, "%s: no permanent mark is taken from FUSE", path);
	if (!read_permanent(fd, value, sizeof(value)))
		fail(EX_FAIL, "%s has no permanent mark: attribute %s: %m", path, XATTR_NAME);
	if (strncmp(value, XATTR_VERSION, strlen(XATTR_VERSION)))
		fail(EX_FAIL, "%s: this program does not understand \"%s\"", path, value);
	req = (struct request){ .action = MARK, .force = force };
	restoring = true;
	set_options(value + strlen(XATTR_VERSION));
	if (!req.uid.given || !req.gid.given || !req.count.given || !req.by.given ||
	    !req.uid.n || !req.gid.n)
		fail(EX_FAIL, "%s: the permanent mark lacks an id, or has id 0", path);
	choose_origin();
	mark(path, fd, path, fd);
}

static int restore(char **paths, int nr)
{
	int i, status, failed = 0;
	pid_t pid;

	if (!nr)
		nr = read_conf(&paths);
	for (i = 0; i < nr; i++) {
		fflush(stdout);
		pid = fork();
		if (!pid) {
			restore_one(paths[i]);
			exit(0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) < 0)
			fail(EX_SYSERR, "fork: %m");
		failed += status != 0;
	}
	return !failed ? 0 : failed < nr ? EX_SOMEOK : EX_FAIL;
}

static const char help[] =
"usage: mount-shift --bind --mark-shiftable-by UID [--origin-uid N] SRC [DST]\n"
"       mount-shift --bind --shift SRC DST                             (in a container)\n"
"       mount-shift --bind --origin-uid N --shift NAMESPACE SRC DST    (on the host)\n"
"       mount-shift --bind --shift-origin NAMESPACE --shift-target NAMESPACE SRC DST\n"
"       mount-shift --unmark|--revoke PATH | --list | --restore [PATH...]\n"
"       mount -t shift [-o OPTIONS] SRC DST\n"
"also:  --mark-shiftable-any --rbind --origin-gid N --origin-count N --replace --persist\n"
"       --force --namespace|-N NAMESPACE --options|-o OPTIONS --fake|-f --verbose|-v\n"
"       --help --version\n"
"See mount-shift(8).\n";

static const struct option long_options[] = {
	/* The name of an option for -o, if the last field is 0 */
	{ "bind",		no_argument,		NULL, 0 },
	{ "rbind",		no_argument,		NULL, 0 },
	{ "shift-origin",	required_argument,	NULL, 0 },
	{ "shift-target",	required_argument,	NULL, 0 },
	{ "origin-uid",		required_argument,	NULL, 0 },
	{ "origin-gid",		required_argument,	NULL, 0 },
	{ "origin-count",	required_argument,	NULL, 0 },
	{ "replace",		no_argument,		NULL, 0 },
	{ "persist",		no_argument,		NULL, 0 },
	{ "force",		no_argument,		NULL, 0 },
	{ "unmark",		no_argument,		NULL, 0 },
	{ "revoke",		no_argument,		NULL, 0 },
	{ "shift",		optional_argument,	NULL, 'S' },
	{ "mark-shiftable-by",	required_argument,	NULL, 'b' },
	{ "mark-shiftable-any",	no_argument,		NULL, 'a' },
	{ "list",		no_argument,		NULL, 'l' },
	{ "restore",		no_argument,		NULL, 'r' },
	{ "namespace",		required_argument,	NULL, 'N' },
	{ "options",		required_argument,	NULL, 'o' },
	{ "fake",		no_argument,		NULL, 'f' },
	{ "verbose",		no_argument,		NULL, 'v' },
	{ "help",		no_argument,		NULL, 'h' },
	{ "version",		no_argument,		NULL, 'V' },
	{}
};

/* What is missing, or is there and would be ignored */
static void check_request(int nr_paths)
{
	static const struct { int min, max; } paths[] = {
		[MARK] = { 1, 2 }, [SHIFT] = { 2, 2 }, [UNMARK] = { 1, 1 }, [REVOKE] = { 1, 1 },
		[LIST] = { 0, 0 }, [RESTORE] = { 0, INT_MAX },
	};
	bool origin = req.origin_ns || req.uid.given || req.gid.given || req.count.given;

	if (req.action == NOTHING && !helper)
		fail(EX_USAGE, "what is to be done? --mark-shiftable-by, --shift? see --help");
	if (req.action == NOTHING)
		req.action = SHIFT;
	if (nr_paths < paths[req.action].min)
		fail(EX_USAGE, "too few paths: see --help");
	/* mount(8) always gives two. */
	if (nr_paths > paths[req.action].max + (helper && paths[req.action].max == 1))
		fail(EX_USAGE, "too many paths: see --help");
	if (req.action == MARK && !req.by.given)
		fail(EX_USAGE, "mark: for whom? give by=UID (of the container's root), or by=any");
	if (req.action != MARK && (req.by.given || req.replace))
		fail(EX_USAGE, "by and replace are for mark only");
	if (req.persist && (req.origin_ns || (req.action != MARK && req.action != UNMARK &&
					      req.action != REVOKE)))
		fail(EX_USAGE, "persist is for marks, with an origin in numbers");
	if (req.action == SHIFT && req.target)
		req.action = DIRECT;
	if (req.action == MARK || req.action == DIRECT)
		choose_origin();
	else if (origin)
		fail(EX_USAGE, "an origin is for mark, and for shift with a namespace");
	if (req.action == MARK && !req.origin_ns && (!req.uid.n || !req.gid.n)) {
		if (req.by.word)
			fail(EX_USAGE, "by=any: not for an origin with id 0");
		if (req.persist)
			fail(EX_USAGE, "persist: not for an origin with id 0, use fstab");
	}
	if (req.target)
		req.target_fd = open_ns(req.target, CLONE_NEWUSER);
	if (req.origin_ns)
		req.origin_fd = open_ns(req.origin_ns, CLONE_NEWUSER);
}

int main(int argc, char **argv)
{
	int c, index, nr = 0, shift_at = -1, src, dst;
	const char *mntns = NULL;
	char **paths;

	prog = strrchr(argv[0] ?: "mount-shift", '/');
	prog = prog ? prog + 1 : argv[0] ?: "mount-shift";
	helper = !strncmp(prog, "mount.", 6);
	paths = calloc(argc + 1, sizeof(*paths));
	if (!paths)
		fail(EX_SYSERR, "%m");

	argv[0] = (char *)prog;
	/* "-": the arguments in their order, which tells what follows --shift. */
	while ((c = getopt_long(argc, argv, "-sfnvhVN:o:t:", long_options, &index)) != -1) {
		switch (c) {
		case 0:
			set_option(long_options[index].name, optarg);
			break;
		case 1:
			paths[nr++] = optarg;
			break;
		case 'S':
			set_option("shift", optarg);
			shift_at = nr;
			break;
		case 'b':
		case 'a':
			set_option("mark", NULL);
			set_option("by", optarg ?: "any");
			break;
		case 'l':
			set_action(LIST);
			break;
		case 'r':
			set_action(RESTORE);
			break;
		case 'o':
			set_options(optarg);
			break;
		case 'N':
			mntns = optarg;
			break;
		case 's':
			sloppy = true;
			break;
		case 'f':
			fake = true;
			break;
		case 'v':
			verbose = true;
			break;
		case 'n':
		case 't':
			break;
		case 'h':
			fputs(help, stdout);
			return 0;
		case 'V':
			puts("mount-shift 1.0");
			return 0;
		default:
			return EX_USAGE;
		}
	}
	while (optind < argc)
		paths[nr++] = argv[optind++];
	/* --shift NAMESPACE SRC DST, but --shift SRC DST */
	if (nr == 3 && shift_at >= 0 && shift_at < 3 && !req.target) {
		req.target = paths[shift_at];
		memmove(paths + shift_at, paths + shift_at + 1, (nr-- - shift_at) * sizeof(*paths));
	}

	check_request(nr);
	if (mntns && setns(open_ns(mntns, CLONE_NEWNS), CLONE_NEWNS))
		fail(EX_FAIL, "mount namespace %s: %m", mntns);
	if (req.action == LIST)
		return list();
	if (req.action == RESTORE)
		return restore(paths, nr);

	dst = open_path(paths[nr - 1]);
	if (req.action == UNMARK || req.action == REVOKE) {
		unmark(paths[nr - 1], dst);
		return 0;
	}
	src = open_path(paths[0]);
	if (is_dir(src) != is_dir(dst))
		fail(EX_FAIL, "only one of %s and %s is a directory", paths[0], paths[1]);
	if (req.action == MARK)
		mark(paths[0], src, paths[nr - 1], dst);
	else if (req.action == DIRECT)
		shift_direct(paths[0], src, paths[1], dst);
	else
		shift(paths[0], src, paths[1], dst);
	return 0;
}
