// SPDX-License-Identifier: GPL-2.0
/*
 * mount_shift selftests: signed files on a shifted mount
 *
 * IMA and EVM appraise what is on disk, owners included. So an image whose files
 * are signed as root's is one that nobody has to modify, if it is marked with an
 * origin of 0 for one container.
 *
 * The image is made and signed when the tests are built, see integrity.py, and is
 * looked for beside this program, with the certificate of the key. The key and the
 * rules stay in force until the machine is shut down, but they are for file
 * systems with one of the UUIDs below only, and EVM's for what it has a signature of.
 */

#include "lsm.h"

#include <linux/keyctl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

/* As in integrity.py: who the file "user" belongs to */
#define SIGNED_USER	1000

/* security/integrity/evm/evm.h */
#define EVM_INIT_X509		0x00000002U
#define EVM_SETUP_COMPLETE	0x80000000U

/* Which rules apply to a file system is decided by its UUID. */
#define UUID_PREFIX	"6d6f756e-7473-6869-6674-0000000000"
#define UUID_ALL	0x01	/* each file, whoever owns it */
#define UUID_ROOT	0x02	/* files of root */
#define UUID_TENANT	0x03	/* files of a container's root, as the host sees it */

/* Each rule takes a write() of its own. */
static const char * const rules[] = {
	"appraise func=BPRM_CHECK fsuuid=" UUID_PREFIX "01 appraise_type=imasig\n",
	"appraise func=FILE_CHECK mask=MAY_READ fsuuid=" UUID_PREFIX
		"01 appraise_type=imasig\n",
	"appraise func=BPRM_CHECK fsuuid=" UUID_PREFIX
		"02 fowner=0 appraise_type=imasig\n",
	/* BASE */
	"appraise func=BPRM_CHECK fsuuid=" UUID_PREFIX
		"03 fowner=200000 appraise_type=imasig\n",
};

/* Setting up IMA and EVM */

/*
 * IMA and EVM look for their keyrings by name among those of the process that
 * they appraise something for, the first time they do so, and keep what they find.
 */
static int keyring_get(const char *name)
{
	int ring = syscall(__NR_keyctl, KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING,
			   "keyring", name, 0);

	if (ring >= 0)
		return ring;
	return syscall(__NR_add_key, "keyring", name, NULL, 0,
		       KEY_SPEC_USER_KEYRING);
}

static int keys_load(const struct data *certificate)
{
	static const char * const names[] = { "_ima", "_evm" };

	/* The session's keyrings are searched, and the user's only from there. */
	if (syscall(__NR_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 ||
	    syscall(__NR_keyctl, KEYCTL_LINK, KEY_SPEC_USER_KEYRING,
		    KEY_SPEC_SESSION_KEYRING))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int ring = keyring_get(names[i]);

		if (ring < 0 || syscall(__NR_add_key, "asymmetric", "mount_shift",
					certificate->start, certificate->size,
					ring) < 0)
			return -1;
	}
	return 0;
}

/* From now on a portable signature counts, and protects what it covers. */
static int evm_start(void)
{
	char text[32];
	int fd, len;

	/* What is complete cannot be written again, and tells nothing of that bit. */
	fd = securityfs_open("evm", O_RDWR);
	if (fd < 0)
		return -1;
	len = read(fd, text, sizeof(text) - 1);
	if (len < 0)
		return close_fail(fd);
	text[len] = '\0';
	if (strtoul(text, NULL, 0) & EVM_INIT_X509)
		return close(fd);

	len = snprintf(text, sizeof(text), "%#x", EVM_INIT_X509 | EVM_SETUP_COMPLETE);
	if (write(fd, text, len) != len)
		return close_fail(fd);
	return close(fd);
}

/* Is it in a file that may be longer than what one read() returns? */
static bool contains(int fd, const char *what)
{
	static char text[65536];
	size_t len = 0;
	ssize_t part;

	if (fd < 0)
		return false;
	while ((part = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += part;
	close(fd);
	text[len] = '\0';
	return strstr(text, what);
}

static bool rules_loaded(void)
{
	return contains(securityfs_open("ima/policy", O_RDONLY), UUID_PREFIX);
}

static int rules_load(void)
{
	int fd;

	if (rules_loaded())
		return 0;
	fd = securityfs_open("ima/policy", O_WRONLY);
	if (fd < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		const ssize_t len = strlen(rules[i]);

		if (write(fd, rules[i], len) != len)
			return close_fail(fd);
	}
	/* They come into force with this. */
	return close(fd);
}

/* Why the tests cannot run here, or NULL if they can */
static const char *integrity_unavailable(void)
{
	const char *reason = shift_unavailable();

	if (reason)
		return reason;
	if (!lsm_active("ima") || !lsm_active("evm"))
		return "IMA and EVM are not active";

	/* CONFIG_INTEGRITY_TRUSTED_KEYRING: nothing must be changed in vain. */
	if (contains(open("/proc/keys", O_RDONLY | O_CLOEXEC), " .ima: "))
		return "IMA takes no key of ours";
	return NULL;
}

/* The image */

#define IMAGE		SCRATCH "/image"

/* fs/ext4/ext4.h */
#define SUPERBLOCK	1024
#define S_UUID		0x68

/* UUID_PREFIX and one more byte */
static void uuid_set(unsigned char *uuid, unsigned char last)
{
	static const unsigned char prefix[] = {
		0x6d, 0x6f, 0x75, 0x6e, 0x74, 0x73, 0x68, 0x69, 0x66, 0x74,
	};

	memset(uuid, 0, 16);
	memcpy(uuid, prefix, sizeof(prefix));
	uuid[15] = last;
}

/* A loop device that goes away with the last file descriptor or mount of it */
static int loop_open(const char *path, char *name, size_t size)
{
	struct loop_config config = {
		.info.lo_flags = LO_FLAGS_AUTOCLEAR,
	};
	int control, image, number, loop;

	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return -1;
	image = open(path, O_RDWR | O_CLOEXEC);
	if (image < 0)
		return close_fail(control);
	config.fd = image;

	do {
		loop = -1;
		number = ioctl(control, LOOP_CTL_GET_FREE);
		if (number < 0)
			break;
		snprintf(name, size, "/dev/loop%d", number);
		loop = open(name, O_RDWR | O_CLOEXEC);
		if (loop < 0)
			break;
		if (ioctl(loop, LOOP_CONFIGURE, &config))
			loop = close_fail(loop);
		/* Somebody else may have been faster. */
	} while (loop < 0 && errno == EBUSY);
	close_fail(image);
	close_fail(control);
	return loop;
}

/* Mounts the image on SRC, with a UUID of its own. "fine" or what went wrong */
static const char *image_mount(unsigned char uuid)
{
	struct data image;
	char name[32];
	int fd, loop;

	if (data_map(&image, "integrity.img"))
		return "no image: what does it take, according to the Makefile?";
	uuid_set(image.start + SUPERBLOCK + S_UUID, uuid);
	fd = open(IMAGE, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 || data_write(&image, fd))
		return "cannot copy the image";
	close(fd);
	munmap(image.start, image.size);

	loop = loop_open(IMAGE, name, sizeof(name));
	if (loop < 0)
		return "no loop device";
	if (sys_mount(name, SRC, "ext4", 0, NULL))
		return "cannot mount the image";
	close(loop);
	return "fine";
}

static int image_mark(__u32 origin)
{
	struct mount_attr attr = MARK(BASE);

	attr.origin_uid = origin;
	attr.origin_gid = origin;
	return sys_mount_setattr(AT_FDCWD, SRC, 0, &attr, sizeof(attr));
}

/* What is tried, as functions for in_container(). All return 0 or -errno. */

/* Does the program run? It exits with 0. */
static int do_exec(void *arg)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
		execl(arg, arg, NULL);
		_exit(errno);
	}
	status = pid > 0 ? wait_exit(pid) : -1;
	return status < 0 ? -ECHILD : -status;
}

static int do_read(void *arg)
{
	char text[16];

	if (read_file(arg, text, sizeof(text)))
		return -errno;
	return strcmp(text, "signed\n") ? -EILSEQ : 0;
}

struct change {
	const char *path;
	off_t at;
	char byte;
};

static int do_change(void *arg)
{
	const struct change *change = arg;
	int fd = open(change->path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (pwrite(fd, &change->byte, 1, change->at) != 1) {
		close_fail(fd);
		return -errno;
	}
	return close(fd);
}

static int do_owned_by_root(void *arg)
{
	struct stat st;

	if (stat(arg, &st))
		return -errno;
	return st.st_uid || st.st_gid ? -EBADF : 0;
}

struct owner {
	const char *path;
	uid_t uid;
};

static int do_chown(void *arg)
{
	const struct owner *owner = arg;

	return chown(owner->path, owner->uid, owner->uid) ? -errno : 0;
}

struct mode {
	const char *path;
	mode_t mode;
};

static int do_chmod(void *arg)
{
	const struct mode *mode = arg;

	return chmod(mode->path, mode->mode) ? -errno : 0;
}

struct xattr {
	const char *path;
	const char *name;
};

static int do_setxattr(void *arg)
{
	const struct xattr *xattr = arg;

	return setxattr(xattr->path, xattr->name, "x", 1, 0) ? -errno : 0;
}

static int do_removexattr(void *arg)
{
	const struct xattr *xattr = arg;

	return removexattr(xattr->path, xattr->name) ? -errno : 0;
}

FIXTURE(integrity)
{
	struct container container;
};

FIXTURE_SETUP(integrity)
{
	const char *reason = integrity_unavailable();
	struct data certificate;

	self->container = (struct container)CONTAINER_NONE;
	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, scratch_setup());

	ASSERT_EQ(0, data_map(&certificate, "integrity.der"))
		TH_LOG("No certificate: what does it take, according to the Makefile?");
	ASSERT_EQ(0, keys_load(&certificate));
	ASSERT_EQ(0, evm_start());
	ASSERT_EQ(0, rules_load());
}

FIXTURE_TEARDOWN(integrity)
{
	container_end(&self->container);
}

/* The image on SRC, and a shifted clone of it on DST in the container */
#define ASSERT_SHIFTED(uuid, origin)					\
do {									\
	ASSERT_STREQ("fine", image_mount(uuid));			\
	ASSERT_EQ(0, image_mark(origin));				\
	ASSERT_EQ(0, container_make(&self->container, BASE));		\
	ASSERT_EQ(0, in_container(&self->container, do_mount_shifted,	\
				  NULL));				\
} while (0)

/* What it is on the host and, through the shifted mount, in the container; or 1 */
static int in_both(const struct container *c, int (*fn)(void *arg),
		   const char *name)
{
	char path[64];
	int host, inside;

	snprintf(path, sizeof(path), SRC "/%s", name);
	host = in_child(fn, path);
	snprintf(path, sizeof(path), DST "/%s", name);
	inside = in_container(c, fn, path);
	if (host == inside)
		return host;
	fprintf(stderr, "# %s: %d on the host and %d in the container\n", name,
		host, inside);
	return 1;
}

/* Files that are signed as root's are valid, and those of the container's root. */
TEST_F(integrity, signed_as_root)
{
	ASSERT_SHIFTED(UUID_ALL, 0);
	ASSERT_EQ(0, in_both(&self->container, do_exec, "prog"));
	ASSERT_EQ(0, in_both(&self->container, do_read, "data"));
	ASSERT_OWNER(AT_FDCWD, SRC "/prog", 0, 0);
	ASSERT_EQ(0, in_container(&self->container, do_owned_by_root,
				  DST "/prog"));
}

/* The container is the first to ask, so that no result is there from the host. */
TEST_F(integrity, signed_container_first)
{
	ASSERT_SHIFTED(UUID_ALL, 0);
	ASSERT_EQ(0, in_container(&self->container, do_exec, DST "/prog"));
	ASSERT_EQ(0, in_container(&self->container, do_read, DST "/data"));
}

/* What is not signed is refused: the rules are in force there. */
TEST_F(integrity, not_signed)
{
	ASSERT_SHIFTED(UUID_ALL, 0);
	ASSERT_EQ(-EACCES, in_both(&self->container, do_exec, "unsigned"));
	ASSERT_EQ(-EACCES, in_both(&self->container, do_read, "unsigned"));
}

/* Files of another user than root, who is that user in the container as well. */
TEST_F(integrity, signed_as_user)
{
	ASSERT_SHIFTED(UUID_ALL, 0);
	ASSERT_EQ(0, in_both(&self->container, do_exec, "user"));
	ASSERT_OWNER(AT_FDCWD, SRC "/user", SIGNED_USER, SIGNED_USER);
	ASSERT_EQ(0, in_container_as(&self->container, SIGNED_USER, SIGNED_USER,
				     do_exec, DST "/user"));
}

/* With another origin the image is signed as that of the origin. */
TEST_F(integrity, signed_at_origin)
{
	ASSERT_SHIFTED(UUID_ALL, ORIGIN);
	ASSERT_EQ(0, in_both(&self->container, do_exec, "origin"));
	ASSERT_OWNER(AT_FDCWD, SRC "/origin", ORIGIN, ORIGIN);
	ASSERT_EQ(0, in_container(&self->container, do_owned_by_root,
				  DST "/origin"));
}

/* A signature for who the owner is on the host, by the shift, is not valid. */
TEST_F(integrity, signed_as_tenant)
{
	ASSERT_SHIFTED(UUID_ALL, 0);
	ASSERT_EQ(-EACCES, in_both(&self->container, do_exec, "tenant"));
}

/*
 * Lets somebody change one byte of a file and then change it back. In between it
 * has to be refused. "fine" or what was not as expected
 */
static const char *try_change(const struct container *changer,
			      const struct container *c, const char *name,
			      int (*fn)(void *arg))
{
	char host[64], inside[64], original;
	struct change change;
	struct stat st;
	int fd;

	snprintf(host, sizeof(host), SRC "/%s", name);
	snprintf(inside, sizeof(inside), DST "/%s", name);

	/* As long as it may be read */
	fd = open(host, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) ||
	    pread(fd, &original, 1, st.st_size / 2) != 1)
		return "cannot be read";
	close(fd);
	if (in_container(c, fn, inside) || in_child(fn, host))
		return "is refused before the change";

	change.path = changer ? inside : host;
	change.at = st.st_size / 2;
	change.byte = ~original;
	if (changer ? in_container(changer, do_change, &change) :
		      in_child(do_change, &change))
		return "cannot be changed";
	if (in_container(c, fn, inside) != -EACCES)
		return "is not refused in the container after the change";
	if (in_child(fn, host) != -EACCES)
		return "is not refused on the host after the change";

	change.byte = original;
	if (changer ? in_container(changer, do_change, &change) :
		      in_child(do_change, &change))
		return "cannot be changed back";
	if (in_container(c, fn, inside) || in_child(fn, host))
		return "is refused after it was changed back";
	return "fine";
}

/* The container's root may change its files, but then they are not valid. */
TEST_F(integrity, changed_by_container)
{
	ASSERT_SHIFTED(UUID_ALL, 0);
	ASSERT_STREQ("fine", try_change(&self->container, &self->container,
					"prog", do_exec));
	ASSERT_STREQ("fine", try_change(&self->container, &self->container,
					"data", do_read));
}

/* A change on the host is seen through the shifted mount. */
TEST_F(integrity, changed_by_host)
{
	ASSERT_SHIFTED(UUID_ALL, 0);
	ASSERT_STREQ("fine", try_change(NULL, &self->container, "prog",
					do_exec));
	ASSERT_STREQ("fine", try_change(NULL, &self->container, "data",
					do_read));
}

/* EVM keeps what it covers, and knows what is no change through the mount. */
TEST_F(integrity, owner_and_mode)
{
	const struct {
		struct owner owner;
		int expected;
	} owners[] = {
		{ { DST "/prog", 0 }, 0 },
		{ { DST "/prog", SIGNED_USER }, -EPERM },
		{ { DST "/user", SIGNED_USER }, 0 },
		{ { DST "/user", 0 }, -EPERM },
		{ { DST "/unsigned", SIGNED_USER }, 0 },
	};
	const struct {
		struct mode mode;
		int expected;
	} modes[] = {
		{ { DST "/prog", 0755 }, 0 },
		{ { DST "/prog", 0700 }, -EPERM },
		{ { DST "/prog", 04755 }, -EPERM },
		{ { DST "/unsigned", 0700 }, 0 },
	};

	ASSERT_SHIFTED(UUID_ALL, 0);
	for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
		ASSERT_EQ(owners[i].expected,
			  in_container(&self->container, do_chown,
				       (void *)&owners[i].owner))
			TH_LOG("%s to %u", owners[i].owner.path,
			       owners[i].owner.uid);
	}
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		ASSERT_EQ(modes[i].expected,
			  in_container(&self->container, do_chmod,
				       (void *)&modes[i].mode))
			TH_LOG("%s to %o", modes[i].mode.path,
			       modes[i].mode.mode);
	}
	ASSERT_EQ(0, in_both(&self->container, do_exec, "prog"));
	ASSERT_EQ(0, in_both(&self->container, do_exec, "user"));
}

/* A container's root has no say in the signatures. */
TEST_F(integrity, signatures)
{
	const struct xattr protected[] = {
		{ DST "/prog", "security.ima" },
		{ DST "/prog", "security.evm" },
		{ DST "/unsigned", "security.ima" },
		{ DST "/unsigned", "security.evm" },
	};
	const struct xattr other = { DST "/unsigned", "user.other" };

	ASSERT_SHIFTED(UUID_ALL, 0);
	for (size_t i = 0; i < ARRAY_SIZE(protected); i++) {
		ASSERT_EQ(-EPERM, in_container(&self->container, do_setxattr,
					       (void *)&protected[i]));
		ASSERT_EQ(-EPERM, in_container(&self->container, do_removexattr,
					       (void *)&protected[i]));
	}
	ASSERT_EQ(0, in_container(&self->container, do_setxattr, (void *)&other));
	ASSERT_EQ(0, in_both(&self->container, do_exec, "prog"));
}

/*
 * Rules for the owner of a file are for the one that the mount shows: those for
 * root do not reach what a container's root runs. Rules for containers have to
 * name the file system, or the ids that the container has on the host.
 */
TEST_F(integrity, rule_for_root)
{
	ASSERT_SHIFTED(UUID_ROOT, 0);
	ASSERT_EQ(-EACCES, in_child(do_exec, SRC "/unsigned"));
	ASSERT_EQ(0, in_container(&self->container, do_exec, DST "/unsigned"));
	ASSERT_EQ(0, in_both(&self->container, do_exec, "prog"));
}

/* The other way around */
TEST_F(integrity, rule_for_tenant)
{
	ASSERT_SHIFTED(UUID_TENANT, 0);
	ASSERT_EQ(0, in_child(do_exec, SRC "/unsigned"));
	ASSERT_EQ(-EACCES, in_container(&self->container, do_exec,
					DST "/unsigned"));
	ASSERT_EQ(0, in_both(&self->container, do_exec, "prog"));
}

TEST_HARNESS_MAIN
