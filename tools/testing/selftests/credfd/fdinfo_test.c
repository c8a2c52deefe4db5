// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: what /proc/PID/fdinfo/FD tells about a credfd
 */

#include "credfd.h"

#define TEXT_SIZE	2048

/* Appends the lines of /proc/self/status that have these names. */
static int status_lines(char *text, size_t size)
{
	static const char * const names[] = {
		"Uid:", "Gid:", "Groups:", "CapInh:", "CapPrm:", "CapEff:",
		"CapBnd:", "CapAmb:",
	};
	char status[4 * TEXT_SIZE];
	size_t used = 0;

	if (read_file("/proc/thread-self/status", status, sizeof(status)))
		return -1;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char start[16];
		const char *line;
		size_t len;

		snprintf(start, sizeof(start), "\n%s", names[i]);
		line = strstr(status, start);
		if (!line)
			return -1;
		line++;
		len = strcspn(line, "\n") + 1;
		if (used + len >= size)
			return -1;
		memcpy(text + used, line, len);
		used += len;
	}
	text[used] = '\0';
	return 0;
}

/* What is special to a credfd, that is, what follows the common lines. */
static int fdinfo_lines(int fd, char *text, size_t size)
{
	char info[TEXT_SIZE], path[64];
	unsigned long long pos, ino;
	int flags, mnt_id, len = 0;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if (read_file(path, info, sizeof(info)) ||
	    sscanf(info, "pos:\t%llu\nflags:\t0%o\nmnt_id:\t%d\nino:\t%llu\n%n",
		   &pos, &flags, &mnt_id, &ino, &len) != 4 || !len)
		return -1;
	if (snprintf(text, size, "%s", info + len) >= (int)size)
		return -1;
	return flags & O_CLOEXEC ? 0 : -1;
}

FIXTURE(fdinfo)
{
};

FIXTURE_SETUP(fdinfo)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
}

FIXTURE_TEARDOWN(fdinfo)
{
}

/* Each field where it belongs: no two values are equal. */
TEST_F(fdinfo, text)
{
	const gid_t groups[] = { 31, 32, 33 };
	char text[TEXT_SIZE], expected[TEXT_SIZE];
	struct identity id;
	int fd;

	ASSERT_EQ(0, sys_setgroups(3, groups));
	ASSERT_EQ(0, sys_setresgid(21, 22, 23));
	sys_setfsgid(24);
	ASSERT_EQ(0, caps_set(CAPS_SETID | CAP_BIT(CAP_CHOWN),
			      CAPS_SETID | CAP_BIT(CAP_CHOWN) |
			      CAP_BIT(CAP_SETPCAP) | CAP_BIT(CAP_KILL),
			      CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_KILL)));
	ASSERT_EQ(0, prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0,
			   0));
	ASSERT_EQ(0, caps_set_effective(CAPS_SETID | CAP_BIT(CAP_SETPCAP)));
	ASSERT_EQ(0, prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP |
					      SECBIT_NO_SETUID_FIXUP_LOCKED |
					      SECBIT_EXEC_RESTRICT_FILE));
	ASSERT_EQ(0, prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT));
	ASSERT_EQ(0, sys_setresuid(11, 12, 13));
	sys_setfsuid(14);
	fd = sys_credfd_create(0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, identity_read(&id));
	ASSERT_EQ(0, id.bounding & CAP_BIT(CAP_SYS_BOOT));

	/*
	 * CHOWN 0, KILL 5, SETGID 6, SETUID 7, SETPCAP 8. The list of groups
	 * ends with a space, as it always did in /proc/PID/status.
	 */
	snprintf(expected, sizeof(expected),
		 "Uid:\t11\t12\t13\t14\n"
		 "Gid:\t21\t22\t23\t24\n"
		 "Groups:\t%s\n"
		 "CapInh:\t0000000000000021\n"
		 "CapPrm:\t00000000000001e1\n"
		 "CapEff:\t00000000000001c0\n"
		 "CapBnd:\t%016llx\n"
		 "CapAmb:\t0000000000000020\n"
		 "Securebits:\t0000010c\n"
		 "AccessOnly:\t0\n",
		 "31 32 33 ", (unsigned long long)id.bounding);
	ASSERT_EQ(0, fdinfo_lines(fd, text, sizeof(text)));
	ASSERT_STREQ(expected, text);
}

/* The lines that both have are those of /proc/PID/status. */
TEST_F(fdinfo, same_as_status)
{
	char text[TEXT_SIZE], expected[TEXT_SIZE];
	int fd;

	for (int round = 0; round < 3; round++) {
		if (round == 1)
			ASSERT_EQ(0, sys_setgroups(0, NULL));
		if (round == 2)
			ASSERT_EQ(0, become_ganesha(USER, GROUP));
		ASSERT_EQ(0, status_lines(expected, sizeof(expected)));
		strcat(expected, "Securebits:\t00000000\nAccessOnly:\t1\n");
		fd = sys_credfd_create(CREDFD_ACCESS_ONLY);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, fdinfo_lines(fd, text, sizeof(text)));
		ASSERT_STREQ(expected, text);
	}
}

/* It tells of the snapshot, not of who looks at it or has it in force. */
TEST_F(fdinfo, constant)
{
	char before[TEXT_SIZE], after[TEXT_SIZE];
	int root, user;

	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &root, &user));
	ASSERT_EQ(0, fdinfo_lines(user, before, sizeof(before)));
	ASSERT_EQ(0, sys_credfd_activate(user, 0));
	ASSERT_EQ(0, sys_setresuid(-1, OTHER_USER, -1));
	ASSERT_EQ(0, sys_setgroups(0, NULL));
	ASSERT_EQ(0, caps_set_effective(CAPS_SETID));
	ASSERT_EQ(0, sys_credfd_activate(root, 0));
	ASSERT_EQ(0, fdinfo_lines(user, after, sizeof(after)));
	ASSERT_STREQ(before, after);
}

/* In a user namespace the ids are those that the reader knows, or 65534. */
TEST_F(fdinfo, reader_in_user_namespace)
{
	const gid_t groups[] = { 7, 200033 };
	char text[TEXT_SIZE], expected[TEXT_SIZE];
	int fd, ns;

	snprintf(expected, sizeof(expected),
		 "Uid:\t11\t12\t65534\t12\n"
		 "Gid:\t21\t65534\t23\t65534\n"
		 "Groups:\t%s\n", "65534 33 ");

	ns = userns_open("0 100000 65536", "0 200000 65536", NULL);
	ASSERT_LE(0, ns);
	ASSERT_EQ(0, sys_setgroups(2, groups));
	ASSERT_EQ(0, sys_setresgid(200021, 5, 200023));
	ASSERT_EQ(0, prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP));
	ASSERT_EQ(0, sys_setresuid(100011, 100012, 5));
	fd = sys_credfd_create(0);
	ASSERT_LE(0, fd);

	/* Who can open the file is another matter: root of this namespace. */
	ASSERT_EQ(0, sys_setresuid(0, 0, 0));
	ASSERT_EQ(0, sys_setns(ns, CLONE_NEWUSER));
	ASSERT_EQ(0, fdinfo_lines(fd, text, sizeof(text)));
	ASSERT_EQ(0, strncmp(text, expected, strlen(expected)))
		TH_LOG("%s", text);
	ASSERT_TRUE(!!strstr(text, "\nSecurebits:\t00000004\n"));
}

TEST_HARNESS_MAIN
