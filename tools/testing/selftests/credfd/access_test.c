// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: credfd_access() answers as if the other had asked
 *
 * An answer has to be what the rules of the VFS demand, and also what
 * faccessat2() tells a process that really became the one that the credfd is
 * of. Whoever asks is root in these tests, so that a question which is answered
 * under the wrong identity gets the wrong answer.
 */

#include "credfd.h"

#include <endian.h>
#include <linux/fs.h>
#include <linux/keyctl.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <sys/xattr.h>

#define NR_MODES	8	/* all there are of R_OK, W_OK and X_OK */
#define ALL_CAPS	(~0ULL)	/* as many as root has */

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

/* People */

struct person {
	uid_t uid[4];		/* real, effective, saved, filesystem */
	gid_t gid[4];
	gid_t group;		/* the only supplementary one, or 0 for none */
	__u64 effective;
	__u64 permitted;
};

static const struct person owner = {
	.uid = { [0 ... 3] = USER },
	.gid = { [0 ... 3] = GROUP },
};

static const struct person stranger = {
	.uid = { [0 ... 3] = OTHER_USER },
	.gid = { [0 ... 3] = OTHER_GROUP },
};

static const struct person root = {
	.effective = ALL_CAPS,
	.permitted = ALL_CAPS,
};

static int become_person(const struct person *person)
{
	struct identity id;
	struct caps caps;

	if (caps_get(&caps) ||
	    sys_setgroups(person->group ? 1 : 0, &person->group) ||
	    sys_setresgid(person->gid[0], person->gid[1], person->gid[2]))
		return -1;
	sys_setfsgid(person->gid[3]);

	if (prctl(PR_SET_KEEPCAPS, 1) ||
	    sys_setresuid(person->uid[0], person->uid[1], person->uid[2]) ||
	    caps_set_effective(CAPS_SETID))
		return -1;
	sys_setfsuid(person->uid[3]);
	if (caps_set(person->effective & caps.permitted,
		     person->permitted & caps.permitted, 0) ||
	    prctl(PR_SET_KEEPCAPS, 0) || identity_read(&id))
		return -1;
	return memcmp(id.uid, person->uid, sizeof(id.uid)) ||
	       memcmp(id.gid, person->gid, sizeof(id.gid)) ? -1 : 0;
}

static int become(const void *arg)
{
	return become_person(arg);
}

/* A credfd of either kind. */
struct pair {
	int plain;
	int access_only;
};

struct order {
	const struct person *person;
	int *access_only;	/* in shared memory */
};

static int become_and_show(const void *arg)
{
	const struct order *order = arg;

	if (become_person(order->person))
		return -1;
	*order->access_only = sys_credfd_create(CREDFD_ACCESS_ONLY);
	return *order->access_only < 0 ? -1 : 0;
}

static int pair_of(const struct person *person, struct pair *pair)
{
	struct order order = {
		.person = person,
		.access_only = shared_alloc(sizeof(int)),
	};

	if (!order.access_only)
		return -1;
	pair->plain = credfd_from_child(become_and_show, &order);
	pair->access_only = *order.access_only;
	munmap(order.access_only, sizeof(int));
	return pair->plain < 0 ? -1 : 0;
}

/*
 * Asks a process that became the person, and that has nothing in common with
 * the caller but these files.
 */
static int ask_person(const struct person *person, const int *fds, int nr,
		      int (*answers)[NR_MODES])
{
	pid_t pid = fork();

	if (!pid) {
		if (become_person(person))
			_exit(1);
		for (int i = 0; i < nr; i++)
			for (int mode = 0; mode < NR_MODES; mode++)
				answers[i][mode] = faccessat2_errno(fds[i],
								    mode);
		_exit(0);
	}
	return wait_exit(pid);
}

/* Files */

/* Gives a file of any kind to these ids. */
static int file_give(int fd, uid_t uid, gid_t gid, mode_t permissions)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH))
		return -1;
	return chmod(path, permissions);
}

/* Makes a file that has a name and opens it with O_PATH. */
static int file_make(int dir, const char *name, mode_t mode, uid_t uid,
		     gid_t gid)
{
	int fd, ret;

	if (S_ISDIR(mode))
		ret = mkdirat(dir, name, 0700);
	else
		ret = mknodat(dir, name, (mode & S_IFMT) | 0600,
			      makedev(1, 3));
	if (ret)
		return -1;

	fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || file_give(fd, uid, gid, mode & 07777))
		return -1;
	return fd;
}

/* Opens a file once more, for more than O_PATH allows. */
static int file_reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

/* The same file system, mounted a second time with other attributes. */
static int mount_again(int dir, struct mount_attr attr)
{
	int mnt = syscall(__NR_open_tree, dir, "", AT_EMPTY_PATH |
			  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (mnt < 0 || syscall(__NR_mount_setattr, mnt, "", AT_EMPTY_PATH,
			       &attr, sizeof(attr)))
		return -1;
	return mnt;
}

static int file_at(int dir, const char *name)
{
	return openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

/* All kinds of objects with all permissions, asked about for all modes. */

static const char * const kinds[] = {
	"file", "directory", "character device", "block device", "fifo",
	"socket file", "socket", "pipe", "memfd",
};

#define NR_KINDS	ARRAY_SIZE(kinds)
#define NR_CLASSES	3
#define NR_OBJECTS	(NR_KINDS * NR_CLASSES * NR_MODES)

static int object_open(int dir, const char *kind, const char *name)
{
	int fds[2];

	if (!strcmp(kind, "file"))
		return file_make(dir, name, S_IFREG, 0, 0);
	if (!strcmp(kind, "directory"))
		return file_make(dir, name, S_IFDIR, 0, 0);
	if (!strcmp(kind, "character device"))
		return file_make(dir, name, S_IFCHR, 0, 0);
	if (!strcmp(kind, "block device"))
		return file_make(dir, name, S_IFBLK, 0, 0);
	if (!strcmp(kind, "fifo"))
		return file_make(dir, name, S_IFIFO, 0, 0);
	if (!strcmp(kind, "socket file"))
		return file_make(dir, name, S_IFSOCK, 0, 0);
	if (!strcmp(kind, "socket"))
		return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!strcmp(kind, "pipe") && !pipe(fds))
		return fds[0];
	if (!strcmp(kind, "memfd"))
		return memfd_create(name, 0);
	return -1;
}

/* The shift of the permission bits that are the person's. */
enum class {
	OTHERS = 0,
	IN_GROUP = 3,
	OWNER = 6,
};

FIXTURE(answers)
{
	struct pair credfd;
	int fds[NR_OBJECTS];
	const char *kind[NR_OBJECTS];
	mode_t permissions[NR_OBJECTS];
};

FIXTURE_VARIANT(answers)
{
	struct person person;
	enum class class;
};

FIXTURE_VARIANT_ADD(answers, owner) {
	.person = {
		.uid = { [0 ... 3] = USER },
		.gid = { [0 ... 3] = OTHER_GROUP },
	},
	.class = OWNER,
};

FIXTURE_VARIANT_ADD(answers, owner_in_group) {
	.person = {
		.uid = { [0 ... 3] = USER },
		.gid = { [0 ... 3] = GROUP },
		.group = GROUP,
	},
	.class = OWNER,
};

FIXTURE_VARIANT_ADD(answers, group) {
	.person = {
		.uid = { [0 ... 3] = OTHER_USER },
		.gid = { [0 ... 3] = GROUP },
	},
	.class = IN_GROUP,
};

FIXTURE_VARIANT_ADD(answers, supplementary_group) {
	.person = {
		.uid = { [0 ... 3] = OTHER_USER },
		.gid = { [0 ... 3] = OTHER_GROUP },
		.group = GROUP,
	},
	.class = IN_GROUP,
};

FIXTURE_VARIANT_ADD(answers, other) {
	.person = {
		.uid = { [0 ... 3] = OTHER_USER },
		.gid = { [0 ... 3] = OTHER_GROUP },
		.group = EXTRA_GROUP,
	},
	.class = OTHERS,
};

/* What counts is the filesystem id, and no other one. */
FIXTURE_VARIANT_ADD(answers, fsuid) {
	.person = {
		.uid = { OTHER_USER, OTHER_USER, OTHER_USER, USER },
		.gid = { [0 ... 3] = OTHER_GROUP },
	},
	.class = OWNER,
};

FIXTURE_VARIANT_ADD(answers, not_fsuid) {
	.person = {
		.uid = { USER, USER, USER, OTHER_USER },
		.gid = { [0 ... 3] = OTHER_GROUP },
	},
	.class = OTHERS,
};

FIXTURE_VARIANT_ADD(answers, fsgid) {
	.person = {
		.uid = { [0 ... 3] = OTHER_USER },
		.gid = { OTHER_GROUP, OTHER_GROUP, OTHER_GROUP, GROUP },
	},
	.class = IN_GROUP,
};

FIXTURE_VARIANT_ADD(answers, not_fsgid) {
	.person = {
		.uid = { [0 ... 3] = OTHER_USER },
		.gid = { GROUP, GROUP, GROUP, OTHER_GROUP },
	},
	.class = OTHERS,
};

/* How a server acts for somebody: access(2) would ask for the real ids. */
FIXTURE_VARIANT_ADD(answers, real_root) {
	.person = {
		.uid = { 0, USER, 0, USER },
		.gid = { 0, OTHER_GROUP, 0, OTHER_GROUP },
		.effective = CAPS_SETID,
		.permitted = ALL_CAPS,
	},
	.class = OWNER,
};

FIXTURE_VARIANT_ADD(answers, root) {
	.person = {
		.effective = ALL_CAPS,
		.permitted = ALL_CAPS,
	},
	.class = OTHERS,
};

/* User id 0 as such is nothing. */
FIXTURE_VARIANT_ADD(answers, root_without_capabilities) {
	.person = { },
	.class = OTHERS,
};

FIXTURE_VARIANT_ADD(answers, dac_override) {
	.person = {
		.uid = { [0 ... 3] = OTHER_USER },
		.gid = { [0 ... 3] = OTHER_GROUP },
		.effective = CAP_BIT(CAP_DAC_OVERRIDE),
		.permitted = CAP_BIT(CAP_DAC_OVERRIDE),
	},
	.class = OTHERS,
};

/* AT_EACCESS: what is permitted and not effective does not count. */
FIXTURE_VARIANT_ADD(answers, dac_override_permitted) {
	.person = {
		.uid = { [0 ... 3] = OTHER_USER },
		.gid = { [0 ... 3] = OTHER_GROUP },
		.permitted = CAP_BIT(CAP_DAC_OVERRIDE),
	},
	.class = OTHERS,
};

FIXTURE_VARIANT_ADD(answers, dac_read_search) {
	.person = {
		.uid = { [0 ... 3] = OTHER_USER },
		.gid = { [0 ... 3] = OTHER_GROUP },
		.effective = CAP_BIT(CAP_DAC_READ_SEARCH),
		.permitted = CAP_BIT(CAP_DAC_READ_SEARCH),
	},
	.class = OTHERS,
};

FIXTURE_SETUP(answers)
{
	const char *reason = credfd_unavailable_or_not_root();
	size_t nr = 0;
	int dir;

	if (reason)
		SKIP(return, "%s", reason);

	dir = tmpfs_dir();
	ASSERT_LE(0, dir);
	ASSERT_EQ(0, pair_of(&variant->person, &self->credfd));

	/* The two classes that are not meant have the contrary bits. */
	for (size_t kind = 0; kind < NR_KINDS; kind++) {
		for (int class = OTHERS; class <= OWNER; class += 3) {
			for (mode_t bits = 0; bits < NR_MODES; bits++) {
				char name[16];

				snprintf(name, sizeof(name), "object%zu", nr);
				self->kind[nr] = kinds[kind];
				self->permissions[nr] = bits << class |
					((bits ^ 7) * 0111 & ~(7 << class));
				self->fds[nr] = object_open(dir, kinds[kind],
							    name);
				ASSERT_LE(0, self->fds[nr]);
				ASSERT_EQ(0, file_give(self->fds[nr], USER,
						       GROUP,
						       self->permissions[nr]));
				nr++;
			}
		}
	}
	ASSERT_EQ(NR_OBJECTS, nr);
}

FIXTURE_TEARDOWN(answers)
{
}

/* What generic_permission() does, in the words of path_resolution(7). */
static bool expected_access(const struct person *person, enum class class,
			    mode_t permissions, bool is_dir, int mode)
{
	if (!(mode & ~(permissions >> class)))
		return true;
	if (person->effective & CAP_BIT(CAP_DAC_OVERRIDE) &&
	    (is_dir || !(mode & X_OK) || permissions & 0111))
		return true;
	return person->effective & CAP_BIT(CAP_DAC_READ_SEARCH) &&
	       (is_dir ? !(mode & W_OK) : mode == R_OK);
}

/* The answer is what the person itself would be told. */
TEST_F_TIMEOUT(answers, as_faccessat2, 120)
{
	int (*theirs)[NR_MODES] = shared_alloc(NR_OBJECTS * sizeof(*theirs));
	struct identity before, after;

	ASSERT_TRUE(!!theirs);
	ASSERT_EQ(0, ask_person(&variant->person, self->fds, NR_OBJECTS,
				theirs));

	ASSERT_EQ(0, identity_read(&before));
	for (size_t i = 0; i < NR_OBJECTS; i++) {
		for (int mode = 0; mode < NR_MODES; mode++) {
			bool granted = expected_access(&variant->person,
						       variant->class,
						       self->permissions[i],
						       !strcmp(self->kind[i],
							       "directory"),
						       mode);
			int answer = granted ? 0 : EACCES;

			ASSERT_EQ(answer, theirs[i][mode])
				TH_LOG("%s %03o, mode %d", self->kind[i],
				       self->permissions[i], mode);
			ASSERT_EQ(answer, access_errno(self->credfd.plain,
						       self->fds[i], mode))
				TH_LOG("%s %03o, mode %d", self->kind[i],
				       self->permissions[i], mode);
			ASSERT_EQ(answer, access_errno(self->credfd.access_only,
						       self->fds[i], mode))
				TH_LOG("%s %03o, mode %d", self->kind[i],
				       self->permissions[i], mode);
		}
	}
	ASSERT_EQ(0, identity_read(&after));
	ASSERT_STREQ("nothing", identity_differ(&before, &after));
}

/* Objects that were not made to be asked about */
FIXTURE(objects)
{
	struct pair owner;
	struct pair root;
};

FIXTURE_SETUP(objects)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, pair_of(&owner, &self->owner));
	ASSERT_EQ(0, pair_of(&root, &self->root));
}

FIXTURE_TEARDOWN(objects)
{
}

/* Inodes without a type or name, also credfds, are objects like any other. */
TEST_F(objects, without_a_name)
{
	const struct {
		const struct person *person;
		int credfd;
	} askers[] = {
		{ &owner, self->owner.plain },
		{ &owner, self->owner.access_only },
		{ &root, self->root.plain },
		{ &root, self->root.access_only },
	};
	int sock[2], pipes[2];
	sigset_t mask;

	sigemptyset(&mask);
	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));

	const int fds[] = {
		self->owner.plain,
		self->owner.access_only,
		self->root.plain,
		self->root.access_only,
		sys_credfd_create(0),
		file_reopen(self->owner.plain, O_PATH),
		pipes[0],
		pipes[1],
		sock[0],
		epoll_create1(0),
		eventfd(0, 0),
		signalfd(-1, &mask, 0),
		timerfd_create(CLOCK_MONOTONIC, 0),
		memfd_create("credfd", 0),
		syscall(__NR_pidfd_open, getpid(), 0),
		open("/proc/self/ns/user", O_RDONLY),
		tmpfs_dir(),
		open("/", O_PATH | O_DIRECTORY),
		open("/proc", O_RDONLY | O_DIRECTORY),
		open("/proc/version", O_RDONLY),
		open("/proc/sys/kernel/pid_max", O_RDWR),
		open("/dev/null", O_RDWR),
	};
	int (*theirs)[NR_MODES] = shared_alloc(sizeof(*theirs) *
					       ARRAY_SIZE(fds));

	ASSERT_TRUE(!!theirs);
	for (size_t asker = 0; asker < ARRAY_SIZE(askers); asker++) {
		ASSERT_EQ(0, ask_person(askers[asker].person, fds,
					ARRAY_SIZE(fds), theirs));
		for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
			ASSERT_LE(0, fds[i])
				TH_LOG("object %zu", i);
			ASSERT_EQ(0, theirs[i][F_OK])
				TH_LOG("object %zu", i);
			for (int mode = 0; mode < NR_MODES; mode++) {
				ASSERT_EQ(theirs[i][mode],
					  access_errno(askers[asker].credfd,
						       fds[i], mode))
					TH_LOG("object %zu, mode %d", i, mode);
			}
		}
	}

	/* So the answers were not all the same: a credfd is its creator's. */
	ASSERT_ANSWER(0, self->owner.plain, self->owner.plain, R_OK);
	ASSERT_ANSWER(EACCES, self->owner.plain, self->root.plain, R_OK);
	ASSERT_ANSWER(0, self->root.plain, self->owner.plain, R_OK);
}

/* Answers other than yes and EACCES, and what does not matter */
FIXTURE(errnos)
{
	int dir;
	int owner;
	int stranger;
	int root;
};

FIXTURE_SETUP(errnos)
{
	const char *reason = credfd_unavailable_or_not_root();
	struct pair pair;

	if (reason)
		SKIP(return, "%s", reason);
	self->dir = tmpfs_dir();
	ASSERT_LE(0, self->dir);
	ASSERT_EQ(0, pair_of(&owner, &pair));
	self->owner = pair.access_only;
	ASSERT_EQ(0, pair_of(&stranger, &pair));
	self->stranger = pair.access_only;
	ASSERT_EQ(0, pair_of(&root, &pair));
	self->root = pair.access_only;
}

FIXTURE_TEARDOWN(errnos)
{
}

/* The attributes of the mount count that the file descriptor came through. */
TEST_F(errnos, read_only_mount)
{
	int mnt, rw, ro;

	rw = file_make(self->dir, "file", S_IFREG | 0700, USER, GROUP);
	ASSERT_LE(0, rw);
	ASSERT_LE(0, file_make(self->dir, "dir", S_IFDIR | 0700, USER, GROUP));
	ASSERT_LE(0, file_make(self->dir, "dev", S_IFCHR | 0700, USER, GROUP));
	ASSERT_LE(0, file_make(self->dir, "fifo", S_IFIFO | 0700, USER, GROUP));
	ASSERT_LE(0, file_make(self->dir, "sock", S_IFSOCK | 0700, USER, GROUP));
	mnt = mount_again(self->dir, (struct mount_attr) {
		.attr_set = MOUNT_ATTR_RDONLY,
	});
	ASSERT_LE(0, mnt);

	ro = file_at(mnt, "file");
	ASSERT_LE(0, ro);
	ASSERT_ANSWER(EROFS, self->owner, ro, W_OK);
	ASSERT_ANSWER(EROFS, self->owner, ro, R_OK | W_OK | X_OK);
	ASSERT_ANSWER(0, self->owner, ro, R_OK | X_OK);
	ASSERT_ANSWER(0, self->owner, ro, F_OK);
	ASSERT_ANSWER(EROFS, self->root, ro, W_OK);
	ASSERT_ANSWER(0, self->owner, rw, R_OK | W_OK | X_OK);

	/* The permissions come first. */
	ASSERT_ANSWER(EACCES, self->stranger, ro, W_OK);

	ASSERT_ANSWER(EROFS, self->owner, file_at(mnt, "dir"), W_OK);
	ASSERT_ANSWER(0, self->owner, file_at(mnt, "dir"), R_OK | X_OK);

	/* Special files are written to without writing to the file system. */
	ASSERT_ANSWER(0, self->owner, file_at(mnt, "dev"), W_OK);
	ASSERT_ANSWER(0, self->owner, file_at(mnt, "fifo"), W_OK);
	ASSERT_ANSWER(0, self->owner, file_at(mnt, "sock"), W_OK);
	ASSERT_ANSWER(EACCES, self->stranger, file_at(mnt, "fifo"), W_OK);
}

/* With the whole file system read-only, that is found first. */
TEST_F(errnos, read_only_superblock)
{
	int fs, file, dir, fifo;

	file = file_make(self->dir, "file", S_IFREG | 0700, USER, GROUP);
	ASSERT_LE(0, file);
	dir = file_make(self->dir, "dir", S_IFDIR | 0700, USER, GROUP);
	ASSERT_LE(0, dir);
	fifo = file_make(self->dir, "fifo", S_IFIFO | 0700, USER, GROUP);
	ASSERT_LE(0, fifo);
	ASSERT_ANSWER(0, self->owner, file, W_OK);

	fs = syscall(__NR_fspick, self->dir, "",
		     FSPICK_EMPTY_PATH | FSPICK_CLOEXEC);
	ASSERT_LE(0, fs);
	ASSERT_EQ(0, syscall(__NR_fsconfig, fs, FSCONFIG_SET_FLAG, "ro", NULL,
			     0));
	ASSERT_EQ(0, syscall(__NR_fsconfig, fs, FSCONFIG_CMD_RECONFIGURE, NULL,
			     NULL, 0));

	ASSERT_ANSWER(EROFS, self->owner, file, W_OK);
	ASSERT_ANSWER(EROFS, self->owner, dir, W_OK);
	ASSERT_ANSWER(EROFS, self->root, file, W_OK);
	ASSERT_ANSWER(EROFS, self->stranger, file, W_OK);
	ASSERT_ANSWER(0, self->owner, file, R_OK | X_OK);
	ASSERT_ANSWER(EACCES, self->stranger, file, R_OK);
	ASSERT_ANSWER(0, self->owner, file, F_OK);
	ASSERT_ANSWER(0, self->owner, fifo, W_OK);
}

/* A noexec mount forbids to execute files, not to search directories. */
TEST_F(errnos, noexec_mount)
{
	int mnt, exec, noexec;

	exec = file_make(self->dir, "file", S_IFREG | 0700, USER, GROUP);
	ASSERT_LE(0, exec);
	ASSERT_LE(0, file_make(self->dir, "dir", S_IFDIR | 0700, USER, GROUP));
	ASSERT_LE(0, file_make(self->dir, "fifo", S_IFIFO | 0700, USER, GROUP));
	mnt = mount_again(self->dir, (struct mount_attr) {
		.attr_set = MOUNT_ATTR_NOEXEC,
	});
	ASSERT_LE(0, mnt);

	noexec = file_at(mnt, "file");
	ASSERT_LE(0, noexec);
	ASSERT_ANSWER(EACCES, self->owner, noexec, X_OK);
	ASSERT_ANSWER(EACCES, self->owner, noexec, R_OK | X_OK);
	ASSERT_ANSWER(EACCES, self->root, noexec, X_OK);
	ASSERT_ANSWER(0, self->owner, noexec, R_OK | W_OK);
	ASSERT_ANSWER(0, self->owner, noexec, F_OK);
	ASSERT_ANSWER(0, self->owner, exec, X_OK);

	ASSERT_ANSWER(0, self->owner, file_at(mnt, "dir"), X_OK);
	ASSERT_ANSWER(0, self->root, file_at(mnt, "dir"), X_OK);
	ASSERT_ANSWER(EACCES, self->stranger, file_at(mnt, "dir"), X_OK);
	ASSERT_ANSWER(0, self->owner, file_at(mnt, "fifo"), X_OK);
}

static int file_set_flags(int fd, int flags)
{
	int ret, file = file_reopen(fd, O_RDONLY);

	if (file < 0)
		return -1;
	ret = ioctl(file, FS_IOC_SETFLAGS, &flags);
	close(file);
	return ret;
}

/* Nobody writes to an immutable file; append-only is not for access(2). */
TEST_F(errnos, immutable)
{
	int fd, dir;

	fd = file_make(self->dir, "file", S_IFREG | 0700, USER, GROUP);
	ASSERT_LE(0, fd);
	dir = file_make(self->dir, "dir", S_IFDIR | 0700, USER, GROUP);
	ASSERT_LE(0, dir);
	ASSERT_ANSWER(0, self->owner, fd, W_OK);

	ASSERT_EQ(0, file_set_flags(fd, FS_IMMUTABLE_FL));
	ASSERT_EQ(0, file_set_flags(dir, FS_IMMUTABLE_FL));
	ASSERT_ANSWER(EPERM, self->owner, fd, W_OK);
	ASSERT_ANSWER(EPERM, self->owner, fd, R_OK | W_OK);
	ASSERT_ANSWER(EPERM, self->owner, dir, W_OK);
	ASSERT_ANSWER(EPERM, self->root, fd, W_OK);
	ASSERT_ANSWER(EPERM, self->stranger, fd, W_OK);
	ASSERT_ANSWER(0, self->owner, fd, R_OK | X_OK);
	ASSERT_ANSWER(0, self->owner, fd, F_OK);
	ASSERT_ANSWER(EACCES, self->stranger, fd, R_OK);

	ASSERT_EQ(0, file_set_flags(fd, FS_APPEND_FL));
	ASSERT_ANSWER(0, self->owner, fd, W_OK);
	ASSERT_ANSWER(EACCES, self->stranger, fd, W_OK);

	ASSERT_EQ(0, file_set_flags(fd, 0));
	ASSERT_EQ(0, file_set_flags(dir, 0));
}

/* An access control list as the xattr has it. */
struct acl {
	struct posix_acl_xattr_header header;
	struct posix_acl_xattr_entry entries[6];
};

struct acl_entry {
	int tag;
	int permissions;
	unsigned int id;
};

static int file_set_acl(int fd, const struct acl_entry *entries, int nr)
{
	struct acl acl = {
		.header.a_version = htole32(POSIX_ACL_XATTR_VERSION),
	};
	char path[64];

	for (int i = 0; i < nr; i++) {
		acl.entries[i].e_tag = htole16(entries[i].tag);
		acl.entries[i].e_perm = htole16(entries[i].permissions);
		acl.entries[i].e_id = htole32(entries[i].id);
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return setxattr(path, "system.posix_acl_access", &acl,
			sizeof(acl.header) + nr * sizeof(acl.entries[0]), 0);
}

/* A named user has what its entry says, be it more than others or less. */
TEST_F(errnos, acl_user)
{
	const struct acl_entry entries[] = {
		{ ACL_USER_OBJ, ACL_READ, ACL_UNDEFINED_ID },
		{ ACL_USER, ACL_READ | ACL_WRITE, USER },
		{ ACL_USER, 0, OTHER_USER },
		{ ACL_GROUP_OBJ, 0, ACL_UNDEFINED_ID },
		{ ACL_MASK, ACL_READ | ACL_WRITE, ACL_UNDEFINED_ID },
		{ ACL_OTHER, ACL_READ, ACL_UNDEFINED_ID },
	};
	int fd;

	fd = file_make(self->dir, "file", S_IFREG | 0600, 0, 0);
	ASSERT_LE(0, fd);
	ASSERT_ANSWER(EACCES, self->owner, fd, R_OK);

	ASSERT_EQ(0, file_set_acl(fd, entries, ARRAY_SIZE(entries)));
	ASSERT_ANSWER(0, self->owner, fd, R_OK | W_OK);
	ASSERT_ANSWER(EACCES, self->owner, fd, X_OK);
	ASSERT_ANSWER(EACCES, self->stranger, fd, R_OK);
	ASSERT_ANSWER(0, self->stranger, fd, F_OK);
	ASSERT_ANSWER(0, self->root, fd, R_OK | W_OK);
}

/* The mask takes away from named users and from all groups, not from owners. */
TEST_F(errnos, acl_mask)
{
	const struct person member = {
		.uid = { [0 ... 3] = USER },
		.gid = { [0 ... 3] = OTHER_GROUP },
		.group = EXTRA_GROUP,
	};
	const struct acl_entry entries[] = {
		{ ACL_USER_OBJ, ACL_READ | ACL_WRITE, ACL_UNDEFINED_ID },
		{ ACL_GROUP_OBJ, ACL_READ | ACL_WRITE, ACL_UNDEFINED_ID },
		{ ACL_GROUP, ACL_READ | ACL_WRITE, EXTRA_GROUP },
		{ ACL_MASK, ACL_READ, ACL_UNDEFINED_ID },
		{ ACL_OTHER, 0, ACL_UNDEFINED_ID },
	};
	struct pair named;
	int fd;

	ASSERT_EQ(0, pair_of(&member, &named));
	fd = file_make(self->dir, "file", S_IFREG | 0600, OTHER_USER, GROUP);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, file_set_acl(fd, entries, ARRAY_SIZE(entries)));

	/* In the owning group, in the named group, the owner. */
	ASSERT_ANSWER(0, self->owner, fd, R_OK);
	ASSERT_ANSWER(EACCES, self->owner, fd, W_OK);
	ASSERT_ANSWER(0, named.access_only, fd, R_OK);
	ASSERT_ANSWER(EACCES, named.access_only, fd, W_OK);
	ASSERT_ANSWER(EACCES, named.access_only, fd, R_OK | W_OK);
	ASSERT_ANSWER(0, self->stranger, fd, R_OK | W_OK);
}

/* On an idmapped mount the owner that it shows counts, not the stored one. */
TEST_F(errnos, idmapped_mount)
{
	const struct person mapped = {
		.uid = { [0 ... 3] = 100000 + USER },
		.gid = { [0 ... 3] = 200000 + OTHER_GROUP },
	};
	const struct person mapped_group = {
		.uid = { [0 ... 3] = 100000 + OTHER_USER },
		.gid = { [0 ... 3] = 200000 + GROUP },
	};
	int ns, mnt, fd, plain, unmapped;
	struct pair user, group;

	ASSERT_EQ(0, pair_of(&mapped, &user));
	ASSERT_EQ(0, pair_of(&mapped_group, &group));
	plain = file_make(self->dir, "file", S_IFREG | 0640, USER, GROUP);
	ASSERT_LE(0, plain);
	ASSERT_LE(0, file_make(self->dir, "unmapped", S_IFREG | 0606, 70000,
			       70000));

	ns = userns_open("0 100000 65536", "0 200000 65536", NULL);
	ASSERT_LE(0, ns);
	mnt = mount_again(self->dir, (struct mount_attr) {
		.attr_set = MOUNT_ATTR_IDMAP,
		.userns_fd = ns,
	});
	ASSERT_LE(0, mnt);
	fd = file_at(mnt, "file");
	ASSERT_LE(0, fd);
	unmapped = file_at(mnt, "unmapped");
	ASSERT_LE(0, unmapped);

	ASSERT_ANSWER(0, user.access_only, fd, R_OK | W_OK);
	ASSERT_ANSWER(EACCES, user.access_only, fd, X_OK);
	ASSERT_ANSWER(0, group.access_only, fd, R_OK);
	ASSERT_ANSWER(EACCES, group.access_only, fd, W_OK);
	ASSERT_ANSWER(EACCES, self->owner, fd, R_OK);
	ASSERT_ANSWER(EACCES, self->owner, fd, W_OK);

	/* Through the other mount it is the other way round. */
	ASSERT_ANSWER(0, self->owner, plain, R_OK | W_OK);
	ASSERT_ANSWER(EACCES, user.access_only, plain, R_OK);
	ASSERT_ANSWER(EACCES, group.access_only, plain, R_OK);

	/* CAP_DAC_OVERRIDE is not over ids that have no meaning there. */
	ASSERT_ANSWER(0, self->root, fd, R_OK | W_OK);
	ASSERT_ANSWER(EACCES, self->root, unmapped, W_OK);
	ASSERT_ANSWER(0, self->root, unmapped, R_OK);
	ASSERT_EQ(0, fchmodat(self->dir, "unmapped", 0600, 0));
	ASSERT_ANSWER(EACCES, self->root, unmapped, R_OK);
	ASSERT_ANSWER(0, self->root, unmapped, F_OK);
}

/* Of a symbolic link the link itself is asked about, never where it leads. */
TEST_F(errnos, symlink)
{
	const char * const links[] = { "link", "dangling", "loop" };
	int mnt, fd;

	ASSERT_LE(0, file_make(self->dir, "file", S_IFREG, USER, GROUP));
	ASSERT_EQ(0, symlinkat("file", self->dir, "link"));
	ASSERT_EQ(0, symlinkat("none", self->dir, "dangling"));
	ASSERT_EQ(0, symlinkat("loop", self->dir, "loop"));
	mnt = mount_again(self->dir, (struct mount_attr) {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC,
	});
	ASSERT_LE(0, mnt);

	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		fd = file_at(self->dir, links[i]);
		ASSERT_LE(0, fd);
		for (int mode = 0; mode < NR_MODES; mode++) {
			ASSERT_ANSWER(0, self->owner, fd, mode);
			ASSERT_ANSWER(0, self->stranger, fd, mode);
		}

		fd = file_at(mnt, links[i]);
		ASSERT_LE(0, fd);
		ASSERT_ANSWER(EROFS, self->owner, fd, W_OK);
		ASSERT_ANSWER(0, self->owner, fd, R_OK | X_OK);
		ASSERT_ANSWER(0, self->owner, fd, F_OK);
	}
}

/* Access to the object, not to the file descriptor or the way to it. */
TEST_F(errnos, what_the_fd_is_open_for)
{
	const int flags[] = { O_PATH, O_RDONLY, O_WRONLY, O_RDWR, O_APPEND };
	int dir, file, fd;

	dir = file_make(self->dir, "dir", S_IFDIR | 0700, 0, 0);
	ASSERT_LE(0, dir);
	file = file_make(dir, "file", S_IFREG | 0640, USER, GROUP);
	ASSERT_LE(0, file);

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		fd = file_reopen(file, flags[i]);
		ASSERT_LE(0, fd);
		ASSERT_ANSWER(0, self->owner, fd, R_OK | W_OK);
		ASSERT_ANSWER(EACCES, self->owner, fd, X_OK);
		ASSERT_ANSWER(EACCES, self->stranger, fd, R_OK);
		ASSERT_ANSWER(EACCES, self->stranger, fd, W_OK);
		ASSERT_EQ(0, close(fd));
	}

	/* The permissions are the current ones, and it needs no name. */
	ASSERT_EQ(0, unlinkat(dir, "file", 0));
	ASSERT_ANSWER(0, self->owner, file, R_OK | W_OK);
	ASSERT_ANSWER(EACCES, self->stranger, file, R_OK);
	ASSERT_EQ(0, file_give(file, OTHER_USER, OTHER_GROUP, 0400));
	ASSERT_ANSWER(EACCES, self->owner, file, R_OK);
	ASSERT_ANSWER(0, self->stranger, file, R_OK);
	ASSERT_ANSWER(EACCES, self->stranger, file, W_OK);
}

/* Copies the test program, which is static, to a file of its own. */
static int copy_program(int fd)
{
	char buf[4096];
	ssize_t len;
	int from, to;

	from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	to = file_reopen(fd, O_WRONLY);
	if (from < 0 || to < 0)
		return -1;
	while ((len = read(from, buf, sizeof(buf))) > 0)
		if (write(to, buf, len) != len)
			return -1;
	close(from);
	close(to);
	return len ? -1 : 0;
}

/* A program that is running cannot be opened, but access(2) does not tell. */
TEST_F(errnos, running_program)
{
	char *const args[] = { "program", NULL };
	int file, status;
	pid_t pid;

	file = file_make(self->dir, "program", S_IFREG | 0700, USER, GROUP);
	ASSERT_LE(0, file);
	ASSERT_EQ(0, copy_program(file));

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		/* So that it stops as soon as it is the program. */
		if (!ptrace(PTRACE_TRACEME, 0, 0, 0))
			syscall(__NR_execveat, file, "", args, NULL,
				AT_EMPTY_PATH);
		_exit(1);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSTOPPED(status));

	ASSERT_EQ(-1, file_reopen(file, O_WRONLY));
	ASSERT_EQ(ETXTBSY, errno);
	ASSERT_ANSWER(0, self->owner, file, R_OK | W_OK | X_OK);
	ASSERT_ANSWER(0, self->root, file, W_OK);
	ASSERT_ANSWER(EACCES, self->stranger, file, W_OK);

	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
}

/* Whoever asks */
FIXTURE(asker)
{
	int public;		/* read and write for the owner */
	int secret;		/* nothing for the owner */
	struct pair owner;
	struct pair stranger;
};

FIXTURE_SETUP(asker)
{
	const char *reason = credfd_unavailable_or_not_root();
	int dir;

	if (reason)
		SKIP(return, "%s", reason);
	dir = tmpfs_dir();
	ASSERT_LE(0, dir);
	self->public = file_make(dir, "public", S_IFREG | 0600, USER, GROUP);
	ASSERT_LE(0, self->public);
	self->secret = file_make(dir, "secret", S_IFREG | 0600, 0, 0);
	ASSERT_LE(0, self->secret);
	ASSERT_EQ(0, pair_of(&owner, &self->owner));
	ASSERT_EQ(0, pair_of(&stranger, &self->stranger));
}

FIXTURE_TEARDOWN(asker)
{
}

static int thread_keyring(bool create)
{
	return syscall(__NR_keyctl, KEYCTL_GET_KEYRING_ID,
		       KEY_SPEC_THREAD_KEYRING, create);
}

/* The lines of the calling thread's status that are about who it is. */
static int status_read(char *text, size_t size)
{
	static const char * const names[] = {
		"Name:", "Umask:", "State:", "TracerPid:", "Uid:", "Gid:",
		"Groups:", "CapInh:", "CapPrm:", "CapEff:", "CapBnd:",
		"CapAmb:", "NoNewPrivs:", "Seccomp:", "SigPnd:", "ShdPnd:",
	};
	char status[8192];
	size_t used = 0;
	char *line;
	int nr = 0;

	if (read_file("/proc/thread-self/status", status, sizeof(status)))
		return -1;
	for (line = strtok(status, "\n"); line; line = strtok(NULL, "\n")) {
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			if (strncmp(line, names[i], strlen(names[i])))
				continue;
			used += snprintf(text + used, size - used, "%s\n",
					 line);
			if (used >= size)
				return -1;
			nr++;
		}
	}
	return nr == ARRAY_SIZE(names) ? 0 : -1;
}

/* Neither an answer nor a refusal changes anything about the caller. */
TEST_F(asker, unchanged)
{
	char before[2048], after[2048];
	int dir, keyring, sig;
	struct identity id;

	dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ASSERT_LE(0, dir);
	ASSERT_EQ(0, prctl(PR_SET_PDEATHSIG, SIGUSR1));
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 1));
	keyring = thread_keyring(true);
	ASSERT_LT(0, keyring);

	ASSERT_EQ(0, identity_read(&id));
	ASSERT_EQ(0, status_read(before, sizeof(before)));
	ASSERT_EQ(0, access_errno(self->owner.plain, self->public, R_OK));
	ASSERT_EQ(EACCES, access_errno(self->owner.plain, self->secret, R_OK));
	ASSERT_EQ(0, access_errno(self->owner.access_only, self->public, R_OK));
	ASSERT_EQ(EACCES, access_errno(self->owner.access_only, self->secret,
				       R_OK));
	ASSERT_EQ(EINVAL, access_errno(dir, self->public, R_OK));
	ASSERT_EQ(EBADF, access_errno(self->owner.plain, -1, R_OK));
	ASSERT_EQ(EINVAL, access_errno(self->owner.plain, self->public, ~0));
	ASSERT_EQ(0, status_read(after, sizeof(after)));
	ASSERT_STREQ(before, after);
	ASSERT_STREQ("nothing", identity_differs_now(&id));
	ASSERT_EQ(keyring, thread_keyring(false));
	ASSERT_EQ(1, prctl(PR_GET_DUMPABLE));
	ASSERT_EQ(0, prctl(PR_GET_PDEATHSIG, &sig));
	ASSERT_EQ(SIGUSR1, sig);

	ASSERT_EQ(0, caps_drop_effective(CAPS_SETID));
	ASSERT_EQ(0, identity_read(&id));
	ASSERT_EQ(0, status_read(before, sizeof(before)));
	ASSERT_EQ(EPERM, access_errno(self->owner.plain, self->public, R_OK));
	ASSERT_EQ(0, status_read(after, sizeof(after)));
	ASSERT_STREQ(before, after);
	ASSERT_STREQ("nothing", identity_differs_now(&id));
	ASSERT_EQ(keyring, thread_keyring(false));
	ASSERT_EQ(1, prctl(PR_GET_DUMPABLE));
	ASSERT_EQ(0, prctl(PR_GET_PDEATHSIG, &sig));
	ASSERT_EQ(SIGUSR1, sig);
}

/* A process may be dumpable or not: nobody is taken on. */
TEST_F(asker, dumpable)
{
	for (int dumpable = 0; dumpable <= 1; dumpable++) {
		ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, dumpable));
		ASSERT_ANSWER(0, self->owner.plain, self->public, R_OK);
		ASSERT_ANSWER(0, self->owner.access_only, self->public, R_OK);
		ASSERT_ANSWER(EACCES, self->owner.plain, self->secret, R_OK);
		ASSERT_ANSWER(EACCES, self->stranger.plain, self->public, R_OK);
	}
	ASSERT_REFUSED(EINVAL, self->owner.plain);
}

/* What is good for questions only cannot be taken on, before and after. */
TEST_F(asker, access_only)
{
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	ASSERT_REFUSED(EINVAL, self->owner.access_only);
	ASSERT_ANSWER(0, self->owner.access_only, self->public, R_OK | W_OK);
	ASSERT_ANSWER(EACCES, self->owner.access_only, self->secret, R_OK);
	ASSERT_REFUSED(EINVAL, self->owner.access_only);

	/* Not that nothing could be activated. */
	ASSERT_EQ(0, sys_credfd_activate(self->owner.plain, 0));
	ASSERT_EQ(USER, geteuid());
}

/* A server asks about one user while it acts for another one. */
TEST_F(asker, acting_for_somebody)
{
	const struct person acting = {
		.uid = { 0, OTHER_USER, 0, OTHER_USER },
		.gid = { 0, OTHER_GROUP, 0, OTHER_GROUP },
		.effective = CAPS_SETID,
		.permitted = ALL_CAPS,
	};
	int fd;

	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	fd = credfd_from_child(become, &acting);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sys_credfd_activate(fd, 0));
	ASSERT_EQ(OTHER_USER, geteuid());

	/* It has no access itself. */
	ASSERT_EQ(EACCES, faccessat2_errno(self->public, R_OK));
	ASSERT_ANSWER(0, self->owner.plain, self->public, R_OK | W_OK);
	ASSERT_ANSWER(0, self->owner.access_only, self->public, R_OK | W_OK);
	ASSERT_ANSWER(EACCES, self->owner.plain, self->secret, R_OK);
	ASSERT_ANSWER(EACCES, fd, self->public, R_OK);
	ASSERT_EQ(OTHER_USER, geteuid());

	/* Without the capabilities in effect there is no answer. */
	ASSERT_EQ(0, caps_set_effective(CAP_BIT(CAP_SETUID)));
	ASSERT_ANSWER(EPERM, self->owner.plain, self->public, R_OK);
	ASSERT_EQ(0, caps_set_effective(CAP_BIT(CAP_SETGID)));
	ASSERT_ANSWER(EPERM, self->owner.plain, self->public, R_OK);
}

/* To ask about the very snapshot that is in force takes nothing. */
TEST_F(asker, snapshot_in_force)
{
	int copy;

	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	copy = dup(self->owner.plain);
	ASSERT_LE(0, copy);
	ASSERT_EQ(0, sys_credfd_activate(self->owner.plain, 0));

	ASSERT_ANSWER(0, self->owner.plain, self->public, R_OK | W_OK);
	ASSERT_ANSWER(0, copy, self->public, R_OK | W_OK);
	ASSERT_ANSWER(EACCES, self->owner.plain, self->secret, R_OK);

	/* Equal is not the same, and another one is another one. */
	ASSERT_ANSWER(EPERM, self->owner.access_only, self->public, R_OK);
	ASSERT_ANSWER(EPERM, self->stranger.plain, self->public, R_OK);
	ASSERT_ANSWER(EPERM, sys_credfd_create(0), self->public, R_OK);
}

/* The answer is about the snapshot, whoever the asker is by now. */
TEST_F(asker, changes_itself)
{
	struct pair pair;

	ASSERT_EQ(0, pair_of(&root, &pair));
	ASSERT_ANSWER(0, pair.access_only, self->public, R_OK);

	ASSERT_EQ(0, sys_setgroups(1, (const gid_t []) { GROUP }));
	ASSERT_EQ(0, sys_setresuid(-1, OTHER_USER, -1));
	ASSERT_EQ(0, caps_set_effective(CAPS_SETID));
	ASSERT_EQ(EACCES, faccessat2_errno(self->public, R_OK));
	ASSERT_ANSWER(0, pair.access_only, self->public, R_OK);
	ASSERT_ANSWER(0, self->owner.access_only, self->public, R_OK);
	ASSERT_ANSWER(EACCES, self->stranger.access_only, self->public, R_OK);
}

struct bystander {
	bool stop;
	int file;
	pthread_barrier_t *barrier;
};

/* Is the user in one thread, while another one asks about others. */
static void *bystander_main(void *arg)
{
	struct bystander *bystander = arg;
	const char *error = NULL;
	struct identity id;

	if (become_ganesha(USER, GROUP) || identity_read(&id))
		error = "cannot become the user";
	pthread_barrier_wait(bystander->barrier);
	while (!error && !__atomic_load_n(&bystander->stop, __ATOMIC_RELAXED)) {
		if (strcmp(identity_differs_now(&id), "nothing"))
			error = "was changed by a question";
		if (faccessat2_errno(bystander->file, R_OK))
			error = "has lost its access";
	}
	return (void *)error;
}

/* Another thread of the process notices nothing. */
TEST_F(asker, other_thread)
{
	struct bystander bystander = { .file = self->public };
	pthread_barrier_t barrier;
	struct identity before;
	pthread_t thread;
	int root_fd;

	root_fd = sys_credfd_create(0);
	ASSERT_LE(0, root_fd);
	ASSERT_EQ(0, pthread_barrier_init(&barrier, NULL, 2));
	bystander.barrier = &barrier;
	ASSERT_EQ(0, identity_read(&before));
	ASSERT_EQ(0, pthread_create(&thread, NULL, bystander_main, &bystander));
	pthread_barrier_wait(&barrier);

	for (long i = 0; i < credfd_loops() / 50 + 1; i++) {
		ASSERT_EQ(EACCES, access_errno(self->stranger.plain,
					       self->public, R_OK));
		ASSERT_EQ(0, access_errno(root_fd, self->secret, W_OK));
	}
	__atomic_store_n(&bystander.stop, true, __ATOMIC_RELAXED);
	ASSERT_STREQ("fine", thread_outcome(thread));
	ASSERT_STREQ("nothing", identity_differs_now(&before));
}

/* Many threads ask, and one pulls the files from under them. */

#define NR_ASKERS	8

struct crowd {
	int owner;		/* stay as they are */
	int stranger;
	int public;
	int secret;
	int person;		/* owner, or stranger */
	int coming;		/* owner, or closed */
	int object;		/* public, or secret */
	bool stop;
	long loops;
	pthread_barrier_t *barrier;
	unsigned int seen;	/* which of the possible answers came */
};

enum {
	PERSON_YES	= 0x01,
	PERSON_NO	= 0x02,
	COMING_YES	= 0x04,
	COMING_CLOSED	= 0x08,
	OBJECT_YES	= 0x10,
	OBJECT_NO	= 0x20,
	ALL_SEEN	= 0x3f,
};

static const char *ask_all(const struct crowd *crowd, unsigned int *seen)
{
	if (access_errno(crowd->owner, crowd->public, R_OK | W_OK))
		return "the owner is not let in";
	if (access_errno(crowd->stranger, crowd->public, R_OK) != EACCES)
		return "the stranger is let in";
	if (access_errno(crowd->owner, crowd->secret, W_OK) != EACCES)
		return "the owner is let in elsewhere";

	switch (access_errno(crowd->person, crowd->public, R_OK)) {
	case 0:
		*seen |= PERSON_YES;
		break;
	case EACCES:
		*seen |= PERSON_NO;
		break;
	default:
		return "wrong answer about either person";
	}

	switch (access_errno(crowd->coming, crowd->public, R_OK)) {
	case 0:
		*seen |= COMING_YES;
		break;
	case EBADF:
		*seen |= COMING_CLOSED;
		break;
	default:
		return "wrong answer with a closed credfd";
	}

	switch (access_errno(crowd->owner, crowd->object, R_OK)) {
	case 0:
		*seen |= OBJECT_YES;
		break;
	case EACCES:
		*seen |= OBJECT_NO;
		break;
	default:
		return "wrong answer about either object";
	}
	return NULL;
}

static void *crowd_main(void *arg)
{
	struct crowd *crowd = arg;
	const char *error = NULL;
	unsigned int seen = 0;
	struct identity id;

	if (identity_read(&id))
		error = "does not know who it is";
	pthread_barrier_wait(crowd->barrier);
	for (long i = 0; i < crowd->loops && !error; i++)
		error = ask_all(crowd, &seen);
	if (!error && strcmp(identity_differs_now(&id), "nothing"))
		error = "is somebody else";
	__atomic_fetch_or(&crowd->seen, seen, __ATOMIC_RELAXED);
	return (void *)error;
}

static void *churn_main(void *arg)
{
	struct crowd *crowd = arg;

	pthread_barrier_wait(crowd->barrier);
	for (bool odd = true;
	     !__atomic_load_n(&crowd->stop, __ATOMIC_RELAXED); odd = !odd) {
		if (dup2(odd ? crowd->stranger : crowd->owner, crowd->person) < 0)
			return "cannot exchange the credfd";
		if (dup2(odd ? crowd->secret : crowd->public, crowd->object) < 0)
			return "cannot exchange the object";
		if (odd ? close(crowd->coming) :
			  dup2(crowd->owner, crowd->coming) < 0)
			return "cannot close or open a credfd";
		sched_yield();
	}
	return NULL;
}

/* Each answer belongs to a credfd and an object that there were. */
TEST_F_TIMEOUT(asker, concurrent, 600)
{
	pthread_t askers[NR_ASKERS], churn;
	pthread_barrier_t barrier;
	struct crowd crowd = {
		.owner = self->owner.access_only,
		.stranger = self->stranger.access_only,
		.public = self->public,
		.secret = self->secret,
		.person = dup(self->owner.access_only),
		.coming = dup(self->owner.access_only),
		.object = dup(self->public),
		.loops = credfd_loops() / 50 + 1,
		.barrier = &barrier,
	};

	ASSERT_EQ(0, pthread_barrier_init(&barrier, NULL, NR_ASKERS + 1));
	for (int i = 0; i < NR_ASKERS; i++)
		ASSERT_EQ(0, pthread_create(&askers[i], NULL, crowd_main,
					    &crowd));
	ASSERT_EQ(0, pthread_create(&churn, NULL, churn_main, &crowd));

	for (int i = 0; i < NR_ASKERS; i++)
		EXPECT_STREQ("fine", thread_outcome(askers[i]));
	__atomic_store_n(&crowd.stop, true, __ATOMIC_RELAXED);
	ASSERT_STREQ("fine", thread_outcome(churn));
	ASSERT_EQ(ALL_SEEN, crowd.seen);
}

/* Who may not activate the snapshot is not told what it could do. */

struct snapshot {
	__u64 permitted;	/* 0: leave all capabilities alone */
	__u64 ineffective;
	__u64 inheritable;
	__u64 ambient;
	__u64 bounding_drop;
	int securebits;
};

static int become_snapshot(const void *arg)
{
	const struct snapshot *snap = arg;
	struct caps caps;

	if (caps_get(&caps) ||
	    caps_set(caps.effective, caps.permitted, snap->inheritable))
		return -1;

	for (int cap = 0; cap < 64; cap++) {
		if (snap->ambient & CAP_BIT(cap) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0))
			return -1;
		if (snap->bounding_drop & CAP_BIT(cap) &&
		    prctl(PR_CAPBSET_DROP, cap))
			return -1;
	}

	if (prctl(PR_SET_SECUREBITS, snap->securebits))
		return -1;
	if (snap->permitted)
		caps.permitted = snap->permitted;
	return caps_set(caps.permitted & ~snap->ineffective, caps.permitted,
			snap->inheritable);
}

FIXTURE(oracle)
{
	int public;
	int secret;
};

FIXTURE_VARIANT(oracle)
{
	struct snapshot theirs;	/* what is in the credfd */
	struct snapshot ours;	/* what the asker is left with */
	int error;
};

FIXTURE_VARIANT_ADD(oracle, equal) {
};

FIXTURE_VARIANT_ADD(oracle, no_cap_setuid) {
	.ours.ineffective = CAP_BIT(CAP_SETUID),
	.error = EPERM,
};

FIXTURE_VARIANT_ADD(oracle, no_cap_setgid) {
	.ours.ineffective = CAP_BIT(CAP_SETGID),
	.error = EPERM,
};

FIXTURE_VARIANT_ADD(oracle, only_cap_setid) {
	.theirs.permitted = CAPS_SETID,
	.ours.permitted = CAPS_SETID,
};

FIXTURE_VARIANT_ADD(oracle, permitted) {
	.theirs.permitted = CAPS_SETID | CAP_BIT(CAP_DAC_READ_SEARCH),
	.ours.permitted = CAPS_SETID,
	.error = EPERM,
};

FIXTURE_VARIANT_ADD(oracle, permitted_not_effective) {
	.theirs.permitted = CAPS_SETID | CAP_BIT(CAP_DAC_READ_SEARCH),
	.theirs.ineffective = CAP_BIT(CAP_DAC_READ_SEARCH),
	.ours.permitted = CAPS_SETID,
	.error = EPERM,
};

FIXTURE_VARIANT_ADD(oracle, permitted_less) {
	.theirs.permitted = CAPS_SETID,
	.ours.permitted = CAPS_SETID | CAP_BIT(CAP_DAC_READ_SEARCH),
};

/* What is permitted may be used: the asker could make it effective as well. */
FIXTURE_VARIANT_ADD(oracle, effective_more) {
	.ours.ineffective = CAP_BIT(CAP_DAC_OVERRIDE),
};

FIXTURE_VARIANT_ADD(oracle, bounding_more) {
	.ours.bounding_drop = CAP_BIT(CAP_SYS_BOOT),
	.error = EPERM,
};

FIXTURE_VARIANT_ADD(oracle, bounding_less) {
	.theirs.bounding_drop = CAP_BIT(CAP_SYS_BOOT),
};

FIXTURE_VARIANT_ADD(oracle, bounding_less_unprivileged) {
	.theirs.bounding_drop = CAP_BIT(CAP_SYS_BOOT),
	.ours.ineffective = CAP_BIT(CAP_SETPCAP),
	.error = EPERM,
};

FIXTURE_VARIANT_ADD(oracle, inheritable) {
	.theirs.permitted = CAPS_SETID,
	.theirs.inheritable = CAP_BIT(CAP_CHOWN),
	.ours.permitted = CAPS_SETID,
	.error = EPERM,
};

FIXTURE_VARIANT_ADD(oracle, inheritable_permitted) {
	.theirs.permitted = CAPS_SETID,
	.theirs.inheritable = CAP_BIT(CAP_CHOWN),
	.ours.permitted = CAPS_SETID | CAP_BIT(CAP_CHOWN),
};

FIXTURE_VARIANT_ADD(oracle, ambient) {
	.theirs.inheritable = CAP_BIT(CAP_CHOWN),
	.theirs.ambient = CAP_BIT(CAP_CHOWN),
	.theirs.securebits = SECBIT_NO_CAP_AMBIENT_RAISE,
	.ours.inheritable = CAP_BIT(CAP_CHOWN),
	.ours.securebits = SECBIT_NO_CAP_AMBIENT_RAISE,
	.error = EPERM,
};

FIXTURE_VARIANT_ADD(oracle, ambient_raise) {
	.theirs.inheritable = CAP_BIT(CAP_CHOWN),
	.theirs.ambient = CAP_BIT(CAP_CHOWN),
	.ours.inheritable = CAP_BIT(CAP_CHOWN),
};

FIXTURE_VARIANT_ADD(oracle, securebits_lock_lost) {
	.ours.securebits = SECBIT_NOROOT_LOCKED,
	.error = EPERM,
};

FIXTURE_VARIANT_ADD(oracle, securebits_locked_differ) {
	.theirs.securebits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED,
	.ours.securebits = SECBIT_NOROOT_LOCKED,
	.error = EPERM,
};

FIXTURE_VARIANT_ADD(oracle, securebits_unprivileged) {
	.theirs.securebits = SECBIT_NOROOT,
	.ours.ineffective = CAP_BIT(CAP_SETPCAP),
	.error = EPERM,
};

FIXTURE_VARIANT_ADD(oracle, securebits_more) {
	.theirs.securebits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED,
};

FIXTURE_SETUP(oracle)
{
	const char *reason = credfd_unavailable_or_not_root();
	int dir;

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	dir = tmpfs_dir();
	ASSERT_LE(0, dir);

	/* Not even CAP_DAC_OVERRIDE allows to execute the second one. */
	self->public = file_make(dir, "public", S_IFREG | 0777, USER, GROUP);
	ASSERT_LE(0, self->public);
	self->secret = file_make(dir, "secret", S_IFREG, USER, GROUP);
	ASSERT_LE(0, self->secret);
}

FIXTURE_TEARDOWN(oracle)
{
}

/* Where activation is a gain, the answers are one as well: yes or no. */
TEST_F(oracle, access)
{
	int fd, own;

	fd = credfd_from_child(become_snapshot, &variant->theirs);
	ASSERT_LE(0, fd);
	for (int mode = 0; mode < NR_MODES; mode++)
		ASSERT_ANSWER(0, fd, self->public, mode);
	ASSERT_ANSWER(EACCES, fd, self->secret, X_OK);
	ASSERT_ANSWER(0, fd, self->secret, F_OK);

	ASSERT_EQ(0, become_snapshot(&variant->ours));
	if (!variant->error) {
		ASSERT_ANSWER(0, fd, self->public, R_OK | W_OK | X_OK);
		ASSERT_ANSWER(EACCES, fd, self->secret, X_OK);
		ASSERT_EQ(0, sys_credfd_activate(fd, 0));
		return;
	}

	/* EACCES would be an answer. */
	for (int mode = 0; mode < NR_MODES; mode++) {
		ASSERT_ANSWER(variant->error, fd, self->public, mode);
		ASSERT_ANSWER(variant->error, fd, self->secret, mode);
	}
	ASSERT_REFUSED(variant->error, fd);

	/* With these two in effect, it is the one credfd that is refused. */
	if (CAPS_SETID & variant->ours.ineffective) {
		ASSERT_EQ(0, caps_set_effective(CAPS_SETID));
		ASSERT_ANSWER(0, fd, self->public, R_OK);
	}
	own = sys_credfd_create(0);
	ASSERT_LE(0, own);
	ASSERT_ANSWER(0, own, self->public, R_OK | W_OK | X_OK);
	ASSERT_ANSWER(EACCES, own, self->secret, X_OK);
}

/* Each capability that is permitted there and not here is too many. */
TEST_F(asker, each_capability)
{
	struct caps caps;
	int fds[64], last = -1;

	ASSERT_EQ(0, caps_get(&caps));
	for (int cap = 0; cap < 64; cap++) {
		struct snapshot snap = {
			.permitted = CAPS_SETID | CAP_BIT(cap),
		};

		if (!(caps.permitted & CAP_BIT(cap)))
			break;
		fds[cap] = credfd_from_child(become_snapshot, &snap);
		ASSERT_LE(0, fds[cap]);
		ASSERT_EQ(0, access_errno(fds[cap], self->public, F_OK));
		last = cap;
	}
	ASSERT_LE(CAP_SETUID, last);

	ASSERT_EQ(0, caps_restrict(CAPS_SETID));
	for (int cap = 0; cap <= last; cap++)
		ASSERT_ANSWER(CAPS_SETID & CAP_BIT(cap) ? 0 : EPERM, fds[cap],
			      self->public, F_OK);
}

/* A user who is handed the credfd of root, or of a user, is told nothing. */
TEST_F(asker, unprivileged)
{
	struct pair full;

	ASSERT_EQ(0, pair_of(&root, &full));
	ASSERT_EQ(0, become_person(&owner));

	for (int mode = 0; mode < NR_MODES; mode++) {
		ASSERT_ANSWER(EPERM, full.plain, self->public, mode);
		ASSERT_ANSWER(EPERM, full.access_only, self->secret, mode);
		ASSERT_ANSWER(EPERM, self->stranger.plain, self->public, mode);
		ASSERT_ANSWER(EPERM, self->owner.plain, self->public, mode);
	}
}

TEST_HARNESS_MAIN
