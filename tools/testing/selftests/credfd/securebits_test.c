// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: securebits change by an activation as by prctl() and no
 * further, each bit of them
 */

#include "credfd.h"

FIXTURE(securebits)
{
};

FIXTURE_VARIANT(securebits)
{
	int bit;
	bool unprivileged;	/* may change without CAP_SETPCAP */
	bool lock_unprivileged;	/* may be locked without CAP_SETPCAP */
};

FIXTURE_VARIANT_ADD(securebits, noroot) {
	.bit = SECBIT_NOROOT,
};

FIXTURE_VARIANT_ADD(securebits, no_setuid_fixup) {
	.bit = SECBIT_NO_SETUID_FIXUP,
};

/* PR_SET_KEEPCAPS is for everybody, locking it is not. */
FIXTURE_VARIANT_ADD(securebits, keep_caps) {
	.bit = SECBIT_KEEP_CAPS,
	.unprivileged = true,
};

FIXTURE_VARIANT_ADD(securebits, no_cap_ambient_raise) {
	.bit = SECBIT_NO_CAP_AMBIENT_RAISE,
};

FIXTURE_VARIANT_ADD(securebits, exec_restrict_file) {
	.bit = SECBIT_EXEC_RESTRICT_FILE,
	.unprivileged = true,
	.lock_unprivileged = true,
};

FIXTURE_VARIANT_ADD(securebits, exec_deny_interactive) {
	.bit = SECBIT_EXEC_DENY_INTERACTIVE,
	.unprivileged = true,
	.lock_unprivileged = true,
};

FIXTURE_SETUP(securebits)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	ASSERT_EQ(0, prctl(PR_GET_SECUREBITS));
}

FIXTURE_TEARDOWN(securebits)
{
}

static int become_securebits(const void *arg)
{
	const int *bits = arg;

	return prctl(PR_SET_SECUREBITS, *bits);
}

static int credfd_with_securebits(int bits)
{
	return credfd_from_child(become_securebits, &bits);
}

/* A lock does not come off, though the bit is the same. */
TEST_F(securebits, lock_dropped)
{
	int locked = variant->bit | variant->bit << 1;
	int fd = credfd_with_securebits(variant->bit);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, prctl(PR_SET_SECUREBITS, locked));
	ASSERT_REFUSED(EPERM, fd);
}

/* A bit that is locked to 0 is not set. */
TEST_F(securebits, locked_bit_set)
{
	int lock = variant->bit << 1;
	int fd = credfd_with_securebits(variant->bit | lock);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, prctl(PR_SET_SECUREBITS, lock));
	ASSERT_REFUSED(EPERM, fd);
}

/* A bit that is locked to 1 is not cleared. */
TEST_F(securebits, locked_bit_cleared)
{
	int lock = variant->bit << 1;
	int fd = credfd_with_securebits(lock);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, prctl(PR_SET_SECUREBITS, variant->bit | lock));
	ASSERT_REFUSED(EPERM, fd);
}

/* Equal locks are no hindrance. */
TEST_F(securebits, locked_and_equal)
{
	int locked = variant->bit | variant->bit << 1;
	int fd = credfd_with_securebits(locked);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, prctl(PR_SET_SECUREBITS, locked));
	ASSERT_EQ(0, caps_set_effective(CAPS_SETID));
	ASSERT_EQ(0, sys_credfd_activate(fd, 0));
	ASSERT_EQ(locked, prctl(PR_GET_SECUREBITS));
}

/* With CAP_SETPCAP a bit goes on, off, and into its lock. */
TEST_F(securebits, privileged)
{
	int locked = variant->bit | variant->bit << 1;
	int off, on, on_locked;

	off = credfd_with_securebits(0);
	ASSERT_LE(0, off);
	on = credfd_with_securebits(variant->bit);
	ASSERT_LE(0, on);
	on_locked = credfd_with_securebits(locked);
	ASSERT_LE(0, on_locked);

	ASSERT_EQ(0, sys_credfd_activate(on, 0));
	ASSERT_EQ(variant->bit, prctl(PR_GET_SECUREBITS));
	ASSERT_EQ(0, sys_credfd_activate(off, 0));
	ASSERT_EQ(0, prctl(PR_GET_SECUREBITS));
	ASSERT_EQ(0, sys_credfd_activate(on_locked, 0));
	ASSERT_EQ(locked, prctl(PR_GET_SECUREBITS));
	ASSERT_REFUSED(EPERM, on);
	ASSERT_REFUSED(EPERM, off);
}

/* Without it only those bits change that prctl() changes for everybody. */
TEST_F(securebits, unprivileged)
{
	int on = credfd_with_securebits(variant->bit);

	ASSERT_LE(0, on);
	ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_SETPCAP)));
	if (!variant->unprivileged) {
		ASSERT_REFUSED(EPERM, on);
		return;
	}
	ASSERT_EQ(0, sys_credfd_activate(on, 0));
	ASSERT_EQ(variant->bit, prctl(PR_GET_SECUREBITS));
}

/* Nor does it clear others. */
TEST_F(securebits, unprivileged_clear)
{
	int off = credfd_with_securebits(0);

	ASSERT_LE(0, off);
	ASSERT_EQ(0, prctl(PR_SET_SECUREBITS, variant->bit));
	ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_SETPCAP)));
	if (!variant->unprivileged) {
		ASSERT_REFUSED(EPERM, off);
		return;
	}
	ASSERT_EQ(0, sys_credfd_activate(off, 0));
	ASSERT_EQ(0, prctl(PR_GET_SECUREBITS));
}

/* Or locks them. */
TEST_F(securebits, unprivileged_lock)
{
	int lock = variant->bit << 1;
	int fd = credfd_with_securebits(lock);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_SETPCAP)));
	if (!variant->lock_unprivileged) {
		ASSERT_REFUSED(EPERM, fd);
		return;
	}
	ASSERT_EQ(0, sys_credfd_activate(fd, 0));
	ASSERT_EQ(lock, prctl(PR_GET_SECUREBITS));
}

TEST_HARNESS_MAIN
