// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: BPF programs on the cred_activate hook
 *
 * The programs are so short that they are written down by instruction. What a
 * compiler and a library would find out about the running kernel is looked up
 * in its BTF type information: the hook, and where the ids are in struct cred.
 */

#include "credfd.h"

#include <limits.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/lsm.h>

#ifndef LSM_ID_BPF
#define LSM_ID_BPF		109
#endif

/* include/linux/security.h */
#define LSM_CRED_ACTIVATE_ACCESS	1
#define LSM_CRED_ACTIVATE_GUARDED	2

/* include/linux/err.h: the largest errno that a hook can return */
#define MAX_ERRNO		4095

#define HOOK			"bpf_lsm_cred_activate"

/* Where a program finds the arguments of the hook */
#define ARG_NEW			0
#define ARG_OLD			8
#define ARG_FLAGS		16

/* The part of include/linux/filter.h that is needed here */

#define BPF_INSN(CODE, DST, SRC, OFF, IMM)				\
	((struct bpf_insn) {						\
		.code = (CODE),						\
		.dst_reg = (DST),					\
		.src_reg = (SRC),					\
		.off = (OFF),						\
		.imm = (IMM),						\
	})
#define BPF_MOV64_REG(DST, SRC)						\
	BPF_INSN(BPF_ALU64 | BPF_MOV | BPF_X, DST, SRC, 0, 0)
#define BPF_MOV64_IMM(DST, IMM)						\
	BPF_INSN(BPF_ALU64 | BPF_MOV | BPF_K, DST, 0, 0, IMM)
#define BPF_ALU64_IMM(OP, DST, IMM)					\
	BPF_INSN(BPF_ALU64 | (OP) | BPF_K, DST, 0, 0, IMM)
#define BPF_LDX_MEM(SIZE, DST, SRC, OFF)				\
	BPF_INSN(BPF_LDX | (SIZE) | BPF_MEM, DST, SRC, OFF, 0)
#define BPF_ATOMIC_ADD64(DST, SRC, OFF)					\
	BPF_INSN(BPF_STX | BPF_DW | BPF_ATOMIC, DST, SRC, OFF, BPF_ADD)
#define BPF_JMP_IMM(OP, DST, IMM, OFF)					\
	BPF_INSN(BPF_JMP | (OP) | BPF_K, DST, 0, OFF, IMM)
#define BPF_JMP32_IMM(OP, DST, IMM, OFF)				\
	BPF_INSN(BPF_JMP32 | (OP) | BPF_K, DST, 0, OFF, IMM)
/* Loading 64 bits takes two: this one and BPF_LD_IMM64_HIGH() after it. */
#define BPF_LD_IMM64_LOW(DST, SRC, IMM)					\
	BPF_INSN(BPF_LD | BPF_DW | BPF_IMM, DST, SRC, 0, IMM)
#define BPF_LD_IMM64_HIGH(IMM)						\
	BPF_INSN(0, 0, 0, 0, IMM)
#define BPF_CALL_FUNC(FUNC)						\
	BPF_INSN(BPF_JMP | BPF_CALL, 0, 0, 0, FUNC)
#define BPF_EXIT_INSN()							\
	BPF_INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

static int sys_bpf(int cmd, union bpf_attr *attr)
{
	return syscall(__NR_bpf, cmd, attr, sizeof(*attr));
}

/* Type information */

struct btf_data {
	char *mem;
	const char *types;
	const char *types_end;
	const char *strings;
};

static char *read_whole_file(const char *path)
{
	size_t used = 0, size = 1 << 20;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *mem = NULL;
	ssize_t len;

	if (fd < 0)
		return NULL;
	do {
		size *= 2;
		mem = realloc(mem, size);
		do {
			len = mem ? read(fd, mem + used, size - used) : -1;
			if (len > 0)
				used += len;
		} while (len > 0);
	} while (!len && used == size);
	close(fd);
	if (len)
		return NULL;
	return mem;
}

static int btf_read(struct btf_data *btf)
{
	const struct btf_header *header;
	const char *start;

	btf->mem = read_whole_file("/sys/kernel/btf/vmlinux");
	if (!btf->mem)
		return -1;
	header = (void *)btf->mem;
	if (header->magic != BTF_MAGIC || header->version != BTF_VERSION)
		return -1;

	start = btf->mem + header->hdr_len;
	btf->types = start + header->type_off;
	btf->types_end = btf->types + header->type_len;
	btf->strings = start + header->str_off;
	return 0;
}

/* What comes after a type, before the next one. */
static ssize_t btf_extra_size(const struct btf_type *type)
{
	size_t vlen = BTF_INFO_VLEN(type->info);

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
		return sizeof(__u32);
	case BTF_KIND_VAR:
		return sizeof(struct btf_var);
	case BTF_KIND_DECL_TAG:
		return sizeof(struct btf_decl_tag);
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

/* The id of the type, or 0. */
static int btf_find(const struct btf_data *btf, unsigned int kind,
		    const char *name, const struct btf_type **found)
{
	const char *pos = btf->types;

	for (int id = 1; pos < btf->types_end; id++) {
		const struct btf_type *type = (void *)pos;
		ssize_t extra = btf_extra_size(type);

		if (extra < 0)
			return 0;
		if (BTF_INFO_KIND(type->info) == kind &&
		    !strcmp(btf->strings + type->name_off, name)) {
			if (found)
				*found = type;
			return id;
		}
		pos += sizeof(*type) + extra;
	}
	return 0;
}

static int btf_func(const struct btf_data *btf, const char *name)
{
	return btf_find(btf, BTF_KIND_FUNC, name, NULL);
}

/* Where a member of struct cred begins, in bytes, or -1. */
static int btf_cred_offset(const struct btf_data *btf, const char *name)
{
	const struct btf_type *type;
	const struct btf_member *member;

	if (!btf_find(btf, BTF_KIND_STRUCT, "cred", &type))
		return -1;

	member = (void *)(type + 1);
	for (size_t i = 0; i < BTF_INFO_VLEN(type->info); i++, member++) {
		__u32 offset = member->offset;

		if (strcmp(btf->strings + member->name_off, name))
			continue;
		if (BTF_INFO_KFLAG(type->info))
			offset = BTF_MEMBER_BIT_OFFSET(offset);
		return offset / 8;
	}
	return -1;
}

/* Programs */

#define MAX_INSNS		64

/* Why the verifier does not accept a program. */
static char verifier_log[16384];

/*
 * Loads a program for one hook. It has to do with this process alone: what
 * others do in the meantime is allowed, and not counted. @body finds the
 * arguments of the hook by BPF_REG_6.
 */
static int prog_load(int hook, __u32 flags, const struct bpf_insn *body,
		     size_t len)
{
	const struct bpf_insn only_this_process[] = {
		BPF_MOV64_REG(BPF_REG_6, BPF_REG_1),
		BPF_CALL_FUNC(BPF_FUNC_get_current_pid_tgid),
		BPF_ALU64_IMM(BPF_RSH, BPF_REG_0, 32),
		BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, getpid(), 2),
		BPF_MOV64_IMM(BPF_REG_0, 0),
		BPF_EXIT_INSN(),
	};
	struct bpf_insn insns[MAX_INSNS];
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_LSM,
		.expected_attach_type = BPF_LSM_MAC,
		.attach_btf_id = hook,
		.prog_flags = flags,
		.insns = (unsigned long)insns,
		.insn_cnt = ARRAY_SIZE(only_this_process) + len,
		.license = (unsigned long)"GPL",
		.log_buf = (unsigned long)verifier_log,
		.log_size = sizeof(verifier_log),
		.log_level = 1,
	};

	verifier_log[0] = '\0';
	if (attr.insn_cnt > MAX_INSNS) {
		errno = E2BIG;
		return -1;
	}
	memcpy(insns, only_this_process, sizeof(only_this_process));
	memcpy(insns + ARRAY_SIZE(only_this_process), body,
	       len * sizeof(*body));
	return sys_bpf(BPF_PROG_LOAD, &attr);
}

/* The program runs until the file descriptor is closed. */
static int prog_attach(int prog)
{
	union bpf_attr attr = {
		.raw_tracepoint.prog_fd = prog,
	};
	int link;

	if (prog < 0)
		return -1;
	link = sys_bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);
	close(prog);
	return link;
}

/* Returns @value, whatever happens. */
static int load_constant(int hook, __u32 flags, int value)
{
	const struct bpf_insn body[] = {
		BPF_MOV64_IMM(BPF_REG_0, value),
		BPF_EXIT_INSN(),
	};

	return prog_load(hook, flags, body, ARRAY_SIZE(body));
}

/* Refuses those who would have @id in this member of the new credentials. */
static int load_refuse_id(int hook, __u32 flags, int offset, int id, int error)
{
	const struct bpf_insn body[] = {
		BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_6, ARG_NEW),
		BPF_LDX_MEM(BPF_W, BPF_REG_2, BPF_REG_2, offset),
		BPF_MOV64_IMM(BPF_REG_0, 0),
		BPF_JMP_IMM(BPF_JNE, BPF_REG_2, id, 1),
		BPF_MOV64_IMM(BPF_REG_0, -error),
		BPF_EXIT_INSN(),
	};

	return prog_load(hook, flags, body, ARRAY_SIZE(body));
}

/* Refuses one direction only: who has @old may not get @new. */
static int load_refuse_change(int hook, int offset, int old, int new, int error)
{
	const struct bpf_insn body[] = {
		BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_6, ARG_OLD),
		BPF_LDX_MEM(BPF_W, BPF_REG_2, BPF_REG_2, offset),
		BPF_LDX_MEM(BPF_DW, BPF_REG_3, BPF_REG_6, ARG_NEW),
		BPF_LDX_MEM(BPF_W, BPF_REG_3, BPF_REG_3, offset),
		BPF_MOV64_IMM(BPF_REG_0, 0),
		BPF_JMP_IMM(BPF_JNE, BPF_REG_2, old, 2),
		BPF_JMP_IMM(BPF_JNE, BPF_REG_3, new, 1),
		BPF_MOV64_IMM(BPF_REG_0, -error),
		BPF_EXIT_INSN(),
	};

	return prog_load(hook, 0, body, ARRAY_SIZE(body));
}

/* One result for when the hook is called with @flag, one for without it. */
static int load_by_flag(int hook, int flag, int with, int without)
{
	const struct bpf_insn body[] = {
		BPF_LDX_MEM(BPF_DW, BPF_REG_2, BPF_REG_6, ARG_FLAGS),
		BPF_MOV64_IMM(BPF_REG_0, with),
		BPF_JMP_IMM(BPF_JSET, BPF_REG_2, flag, 1),
		BPF_MOV64_IMM(BPF_REG_0, without),
		BPF_EXIT_INSN(),
	};

	return prog_load(hook, 0, body, ARRAY_SIZE(body));
}

/* Asks user space: refuses if the number at @address is not 0. */
static int load_refuse_on_request(int hook, __u32 flags, const int *address,
				  int error)
{
	__u64 pointer = (unsigned long)address;
	const struct bpf_insn body[] = {
		BPF_MOV64_REG(BPF_REG_1, BPF_REG_10),
		BPF_ALU64_IMM(BPF_ADD, BPF_REG_1, -8),
		BPF_MOV64_IMM(BPF_REG_2, sizeof(*address)),
		BPF_LD_IMM64_LOW(BPF_REG_3, 0, pointer),
		BPF_LD_IMM64_HIGH(pointer >> 32),
		BPF_CALL_FUNC(BPF_FUNC_copy_from_user),
		BPF_JMP_IMM(BPF_JEQ, BPF_REG_0, 0, 2),
		BPF_MOV64_IMM(BPF_REG_0, -EFAULT),
		BPF_EXIT_INSN(),
		BPF_LDX_MEM(BPF_W, BPF_REG_2, BPF_REG_10, -8),
		BPF_JMP_IMM(BPF_JEQ, BPF_REG_2, 0, 1),
		BPF_MOV64_IMM(BPF_REG_0, -error),
		BPF_EXIT_INSN(),
	};

	return prog_load(hook, flags, body, ARRAY_SIZE(body));
}

/* How often the hook was called with which flags */
struct counts {
	__u64 activate;		/* none */
	__u64 access;		/* LSM_CRED_ACTIVATE_ACCESS */
	__u64 guarded;		/* LSM_CRED_ACTIVATE_GUARDED */
	__u64 unknown;
};

/* Counts how often it was asked. Otherwise like load_by_flag(). */
static int load_count(int hook, int map, int flag, int with, int without)
{
	const struct bpf_insn body[] = {
		BPF_LD_IMM64_LOW(BPF_REG_2, BPF_PSEUDO_MAP_VALUE, map),
		BPF_LD_IMM64_HIGH(offsetof(struct counts, activate)),
		BPF_LDX_MEM(BPF_DW, BPF_REG_3, BPF_REG_6, ARG_FLAGS),
		/* The other half of the register is not specified. */
		BPF_JMP32_IMM(BPF_JEQ, BPF_REG_3, 0, 5),
		BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, sizeof(__u64)),
		BPF_JMP32_IMM(BPF_JEQ, BPF_REG_3, LSM_CRED_ACTIVATE_ACCESS, 3),
		BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, sizeof(__u64)),
		BPF_JMP32_IMM(BPF_JEQ, BPF_REG_3, LSM_CRED_ACTIVATE_GUARDED, 1),
		BPF_ALU64_IMM(BPF_ADD, BPF_REG_2, sizeof(__u64)),
		BPF_MOV64_IMM(BPF_REG_1, 1),
		BPF_ATOMIC_ADD64(BPF_REG_2, BPF_REG_1, 0),
		BPF_MOV64_IMM(BPF_REG_0, with),
		BPF_JMP_IMM(BPF_JSET, BPF_REG_3, flag, 1),
		BPF_MOV64_IMM(BPF_REG_0, without),
		BPF_EXIT_INSN(),
	};

	return prog_load(hook, 0, body, ARRAY_SIZE(body));
}

static int count_map(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(__u32),
		.value_size = sizeof(struct counts),
		.max_entries = 1,
		.map_flags = BPF_F_MMAPABLE,
	};

	return sys_bpf(BPF_MAP_CREATE, &attr);
}

/* Is this security module active? 1, 0, or -1 with errno. */
static int lsm_active(__u64 id)
{
	__u64 ids[64];
	__u32 size = sizeof(ids);
	int nr = syscall(__NR_lsm_list_modules, ids, &size, 0);

	for (int i = 0; i < nr; i++)
		if (ids[i] == id)
			return 1;
	return nr < 0 ? -1 : 0;
}

FIXTURE(bpf_lsm)
{
	struct btf_data btf;
	int hook;		/* what the kernel knows it by */
	int uid;		/* where they are in struct cred */
	int euid;
	int dir;
	int root;
	int user;
	int other;
	int access_only;
};

/* Like Samba, for the real user ids to differ as well. Root is in force. */
FIXTURE_SETUP(bpf_lsm)
{
	const char *reason = credfd_unavailable_or_not_root();
	int active;

	if (reason)
		SKIP(return, "%s", reason);
	active = lsm_active(LSM_ID_BPF);
	ASSERT_LE(0, active);
	if (!active)
		SKIP(return, "BPF LSM is not active");

	ASSERT_EQ(0, btf_read(&self->btf));
	self->hook = btf_func(&self->btf, HOOK);
	ASSERT_LT(0, self->hook);
	self->uid = btf_cred_offset(&self->btf, "uid");
	ASSERT_LT(0, self->uid);
	self->euid = btf_cred_offset(&self->btf, "euid");
	ASSERT_LT(self->uid, self->euid);

	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	self->dir = tmpfs_dir();
	ASSERT_LE(0, self->dir);
	ASSERT_EQ(0, credfd_pair(become_samba, OTHER_USER, OTHER_GROUP,
				 &self->root, &self->other));
	ASSERT_EQ(0, become_samba(USER, GROUP));
	self->user = sys_credfd_create(0);
	ASSERT_LE(0, self->user);
	self->access_only = sys_credfd_create(CREDFD_ACCESS_ONLY);
	ASSERT_LE(0, self->access_only);
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
}

FIXTURE_TEARDOWN(bpf_lsm)
{
	free(self->btf.mem);
}

/* Makes a program act at once. Tells what the verifier says otherwise. */
#define ASSERT_ATTACHED(link, prog)					\
do {									\
	int __prog = (prog), __link;					\
									\
	ASSERT_LE(0, __prog)						\
		TH_LOG("not loaded: %s", verifier_log);			\
	__link = prog_attach(__prog);					\
	ASSERT_LE(0, __link)						\
		TH_LOG("not attached: %s", strerror(errno));		\
	*(link) = __link;						\
} while (0)

/* For credfd_access(), which is not to change the caller either. */
#define ASSERT_ACCESS_REFUSED(error, credfd, fd)			\
do {									\
	struct identity __before, __after;				\
									\
	ASSERT_EQ(0, identity_read(&__before));				\
	ASSERT_EQ(-1, sys_credfd_access(credfd, fd, R_OK, 0));		\
	ASSERT_EQ(error, errno);					\
	ASSERT_EQ(0, identity_read(&__after));				\
	ASSERT_STREQ("nothing", identity_differ(&__before, &__after));	\
} while (0)

/* What a program returns is what the caller gets, for whom it means only. */
TEST_F(bpf_lsm, refuse_user)
{
	const int errors[] = { EPERM, EACCES, ESTALE, MAX_ERRNO };
	int link;

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		ASSERT_ATTACHED(&link,
				load_refuse_id(self->hook, 0, self->euid, USER,
					       errors[i]));
		ASSERT_REFUSED(errors[i], self->user);
		ASSERT_EQ(0, geteuid());

		ASSERT_EQ(0, sys_credfd_activate(self->other, 0));
		ASSERT_EQ(OTHER_USER, geteuid());
		ASSERT_REFUSED(errors[i], self->user);
		ASSERT_EQ(OTHER_USER, geteuid());
		ASSERT_EQ(0, sys_credfd_activate(self->root, 0));

		/* Without the program it is allowed. */
		ASSERT_EQ(0, close(link));
		ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
		ASSERT_EQ(USER, geteuid());
		ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
	}
}

/* A refused activation does not touch what is not in the credentials either. */
TEST_F(bpf_lsm, refuse_leaves_the_rest)
{
	int link, signal = 0;

	ASSERT_EQ(0, prctl(PR_SET_PDEATHSIG, SIGUSR1));
	ASSERT_ATTACHED(&link, load_refuse_id(self->hook, 0, self->uid, USER,
					      EPERM));
	ASSERT_REFUSED(EPERM, self->user);
	ASSERT_EQ(0, prctl(PR_GET_PDEATHSIG, &signal));
	ASSERT_EQ(SIGUSR1, signal);
	ASSERT_EQ(0, file_owner_check(self->dir, "file", 0, 0));

	ASSERT_EQ(0, close(link));
	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	ASSERT_EQ(0, prctl(PR_GET_PDEATHSIG, &signal));
	ASSERT_EQ(0, signal);
	ASSERT_EQ(0, file_owner_check(self->dir, "file", USER, GROUP));
}

/* A program can refuse credfd_access() and let the activation pass, ... */
TEST_F(bpf_lsm, refuse_access)
{
	int link;

	ASSERT_EQ(0, sys_credfd_access(self->user, self->dir, R_OK, 0));
	ASSERT_EQ(0, sys_credfd_access(self->access_only, self->dir, R_OK, 0));

	ASSERT_ATTACHED(&link,
			load_by_flag(self->hook, LSM_CRED_ACTIVATE_ACCESS,
				     -EACCES, 0));
	ASSERT_ACCESS_REFUSED(EACCES, self->user, self->dir);
	ASSERT_ACCESS_REFUSED(EACCES, self->access_only, self->dir);
	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	ASSERT_EQ(USER, geteuid());
	ASSERT_ACCESS_REFUSED(EACCES, self->root, self->dir);
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));

	ASSERT_EQ(0, close(link));
	ASSERT_EQ(0, sys_credfd_access(self->user, self->dir, R_OK, 0));
	ASSERT_EQ(0, sys_credfd_access(self->access_only, self->dir, R_OK, 0));
}

/* ... or the other way round. */
TEST_F(bpf_lsm, refuse_activation)
{
	int link;

	ASSERT_ATTACHED(&link,
			load_by_flag(self->hook, LSM_CRED_ACTIVATE_ACCESS,
				     0, -EACCES));
	ASSERT_REFUSED(EACCES, self->user);
	ASSERT_REFUSED(EACCES, self->other);
	ASSERT_EQ(0, sys_credfd_access(self->user, self->dir, R_OK, 0));
	ASSERT_EQ(0, sys_credfd_access(self->access_only, self->dir, R_OK, 0));

	ASSERT_EQ(0, close(link));
	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
}

/* Which of the two credentials is the old one, and which is the new one. */
TEST_F(bpf_lsm, old_and_new)
{
	int link;

	ASSERT_ATTACHED(&link,
			load_refuse_change(self->hook, self->uid, USER,
					   OTHER_USER, EACCES));
	ASSERT_EQ(0, sys_credfd_activate(self->other, 0));
	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	ASSERT_EQ(USER, getuid());
	ASSERT_REFUSED(EACCES, self->other);
	ASSERT_EQ(USER, getuid());

	/* By way of root it is another step. */
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
	ASSERT_EQ(0, sys_credfd_activate(self->other, 0));
	ASSERT_EQ(OTHER_USER, getuid());

	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	ASSERT_EQ(0, close(link));
	ASSERT_EQ(0, sys_credfd_activate(self->other, 0));
	ASSERT_EQ(OTHER_USER, getuid());
}

/* The verifier knows that the hook may sleep, and that others may not. */
TEST_F(bpf_lsm, sleepable_load)
{
	const int atomic_hook = btf_func(&self->btf, "bpf_lsm_capable");
	int prog;

	ASSERT_LT(0, atomic_hook);
	prog = load_constant(self->hook, BPF_F_SLEEPABLE, 0);
	ASSERT_LE(0, prog)
		TH_LOG("%s", verifier_log);
	ASSERT_EQ(0, close(prog));

	ASSERT_EQ(-1, load_constant(atomic_hook, BPF_F_SLEEPABLE, 0));
	ASSERT_EQ(EINVAL, errno);
	ASSERT_TRUE(!!strstr(verifier_log, "is not sleepable"))
		TH_LOG("%s", verifier_log);
	prog = load_constant(atomic_hook, 0, 0);
	ASSERT_LE(0, prog)
		TH_LOG("%s", verifier_log);
	ASSERT_EQ(0, close(prog));
}

/* A program that does sleep: it reads user memory that has to be fetched. */
TEST_F(bpf_lsm, sleepable_sleeps)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	const int request[] = { 1, 0, 1 };
	int memfd = syscall(__NR_memfd_create, "request", 0);
	int *address, link;

	ASSERT_LE(0, memfd);
	ASSERT_EQ(0, ftruncate(memfd, page));
	address = mmap(NULL, page, PROT_READ, MAP_SHARED, memfd, 0);
	ASSERT_NE(MAP_FAILED, address);

	/* Only for programs that may sleep */
	ASSERT_EQ(-1, load_refuse_on_request(self->hook, 0, address, EACCES));
	ASSERT_EQ(EINVAL, errno);

	ASSERT_ATTACHED(&link,
			load_refuse_on_request(self->hook, BPF_F_SLEEPABLE,
					       address, EACCES));
	for (size_t i = 0; i < ARRAY_SIZE(request); i++) {
		ASSERT_EQ(sizeof(request[i]), pwrite(memfd, &request[i],
						     sizeof(request[i]), 0));
		/* Out of the page table: a fault brings it back. */
		ASSERT_EQ(0, madvise(address, page, MADV_DONTNEED));
		if (request[i]) {
			ASSERT_REFUSED(EACCES, self->user);
		} else {
			ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
			ASSERT_EQ(USER, geteuid());
			ASSERT_EQ(0, madvise(address, page, MADV_DONTNEED));
			ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
		}
	}

	ASSERT_EQ(0, close(link));
	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
}

/* A program that could return anything but 0 or an errno is not loaded. */
TEST_F(bpf_lsm, return_value)
{
	const int good[] = { 0, -1, -EACCES, -MAX_ERRNO };
	const int bad[] = { 1, EPERM, -MAX_ERRNO - 1, INT_MAX, INT_MIN };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		int prog = load_constant(self->hook, 0, good[i]);

		ASSERT_LE(0, prog)
			TH_LOG("%d: %s", good[i], verifier_log);
		ASSERT_EQ(0, close(prog));
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ASSERT_EQ(-1, load_constant(self->hook, 0, bad[i]))
			TH_LOG("%d", bad[i]);
		ASSERT_EQ(EINVAL, errno);
	}
}

/* Becomes root of another user namespace. */
static int become_other_root(const void *arg)
{
	static const char map[] = "0 0 65536";
	int ns = userns_open(map, map, NULL);

	return ns < 0 || sys_setns(ns, CLONE_NEWUSER) ? -1 : 0;
}

static bool counts_are(const struct counts *counts, __u64 activate,
		       __u64 access)
{
	return counts->activate == activate && counts->access == access &&
	       !counts->guarded && !counts->unknown;
}

/*
 * The hook is asked once about each activation and each credfd_access() that
 * would otherwise be allowed, and about nothing else.
 */
TEST_F(bpf_lsm, count)
{
	int map = count_map();
	struct counts *counts;
	int link, foreign, twin;

	foreign = credfd_from_child(become_other_root, NULL);
	ASSERT_LE(0, foreign);
	ASSERT_LE(0, map);
	counts = mmap(NULL, sizeof(*counts), PROT_READ, MAP_SHARED, map, 0);
	ASSERT_NE(MAP_FAILED, counts);
	ASSERT_ATTACHED(&link, load_count(self->hook, map, 0, 0, 0));
	ASSERT_TRUE(counts_are(counts, 0, 0));

	/* Twice the same is one activation. */
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
	ASSERT_TRUE(counts_are(counts, 0, 0));
	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	ASSERT_TRUE(counts_are(counts, 1, 0));
	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	ASSERT_EQ(0, sys_credfd_access(self->user, self->dir, R_OK, 0));
	ASSERT_TRUE(counts_are(counts, 1, 0));
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
	ASSERT_TRUE(counts_are(counts, 2, 0));

	ASSERT_EQ(0, sys_credfd_access(self->user, self->dir, R_OK, 0));
	ASSERT_TRUE(counts_are(counts, 2, 1));
	ASSERT_EQ(0, sys_credfd_access(self->access_only, self->dir, F_OK, 0));
	ASSERT_TRUE(counts_are(counts, 2, 2));

	/* To make a snapshot is not to take it on. */
	twin = sys_credfd_create(0);
	ASSERT_LE(0, twin);
	ASSERT_TRUE(counts_are(counts, 2, 2));

	/* What the call refuses by itself */
	ASSERT_REFUSED(EINVAL, self->access_only);
	ASSERT_REFUSED(EINVAL, map);
	ASSERT_REFUSED(EBADF, -1);
	ASSERT_EQ(-1, sys_credfd_activate(self->user, 1));
	ASSERT_EQ(EINVAL, errno);
	ASSERT_REFUSED(EPERM, foreign);
	ASSERT_ACCESS_REFUSED(EPERM, foreign, self->dir);
	ASSERT_EQ(-1, sys_credfd_access(self->user, self->dir, 8, 0));
	ASSERT_EQ(EINVAL, errno);
	ASSERT_ACCESS_REFUSED(EBADF, self->user, -1);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 1));
	ASSERT_REFUSED(EINVAL, self->user);
	ASSERT_TRUE(counts_are(counts, 2, 2));

	/* credfd_access() does not care who may trace the caller. */
	ASSERT_EQ(0, sys_credfd_access(self->user, self->dir, R_OK, 0));
	ASSERT_TRUE(counts_are(counts, 2, 3));
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));

	ASSERT_EQ(0, caps_drop_effective(CAP_BIT(CAP_SETGID)));
	ASSERT_REFUSED(EPERM, self->user);
	ASSERT_ACCESS_REFUSED(EPERM, self->user, self->dir);

	/* The rules about capabilities come first. */
	ASSERT_EQ(0, caps_restrict(CAPS_SETID));
	ASSERT_REFUSED(EPERM, self->user);
	ASSERT_ACCESS_REFUSED(EPERM, self->user, self->dir);
	ASSERT_TRUE(counts_are(counts, 2, 3));

	/* It has been listening all the time. */
	twin = sys_credfd_create(0);
	ASSERT_LE(0, twin);
	ASSERT_EQ(0, sys_credfd_activate(twin, 0));
	ASSERT_TRUE(counts_are(counts, 3, 3));
	ASSERT_EQ(0, close(link));
}

/*
 * A program can ask for the hook to be called again under the lock that keeps
 * tracers away, and decide then. There is no third time.
 */
TEST_F(bpf_lsm, call_again)
{
	int map = count_map();
	struct counts *counts;
	int link;

	ASSERT_LE(0, map);
	counts = mmap(NULL, sizeof(*counts), PROT_READ, MAP_SHARED, map, 0);
	ASSERT_NE(MAP_FAILED, counts);

	/* To allow */
	ASSERT_ATTACHED(&link,
			load_count(self->hook, map, LSM_CRED_ACTIVATE_GUARDED,
				   0, -EAGAIN));
	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	ASSERT_EQ(USER, geteuid());
	ASSERT_EQ(1, counts->activate);
	ASSERT_EQ(1, counts->guarded);
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
	ASSERT_EQ(2, counts->activate);
	ASSERT_EQ(2, counts->guarded);
	/* Nobody becomes anybody here, so this needs no lock. */
	ASSERT_ACCESS_REFUSED(EAGAIN, self->user, self->dir);
	ASSERT_EQ(1, counts->access);
	ASSERT_EQ(0, close(link));

	/* To refuse */
	ASSERT_ATTACHED(&link,
			load_count(self->hook, map, LSM_CRED_ACTIVATE_GUARDED,
				   -EACCES, -EAGAIN));
	ASSERT_REFUSED(EACCES, self->user);
	ASSERT_EQ(3, counts->activate);
	ASSERT_EQ(3, counts->guarded);
	ASSERT_EQ(0, close(link));

	/* Never to make up its mind */
	ASSERT_ATTACHED(&link, load_count(self->hook, map, 0, 0, -EAGAIN));
	ASSERT_REFUSED(EAGAIN, self->user);
	ASSERT_EQ(4, counts->activate);
	ASSERT_EQ(4, counts->guarded);
	ASSERT_EQ(0, close(link));

	ASSERT_EQ(1, counts->access);
	ASSERT_EQ(0, counts->unknown);
	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
}

/* What the kernel refuses remains refused when a program allows everything. */
TEST_F(bpf_lsm, allow_does_not_grant)
{
	int link;

	ASSERT_ATTACHED(&link, load_constant(self->hook, 0, 0));
	ASSERT_EQ(0, caps_restrict(CAPS_SETID));
	ASSERT_REFUSED(EPERM, self->user);
	ASSERT_REFUSED(EPERM, self->other);
	ASSERT_ACCESS_REFUSED(EPERM, self->user, self->dir);
	ASSERT_EQ(0, close(link));
}

/* One program that refuses is enough, whatever those beside it say. */
TEST_F(bpf_lsm, several_programs)
{
	int before, refuse, after;

	ASSERT_ATTACHED(&before, load_constant(self->hook, 0, 0));
	ASSERT_ATTACHED(&refuse, load_refuse_id(self->hook, 0, self->euid,
						USER, EACCES));
	ASSERT_ATTACHED(&after, load_constant(self->hook, BPF_F_SLEEPABLE, 0));
	ASSERT_REFUSED(EACCES, self->user);
	ASSERT_EQ(0, sys_credfd_activate(self->other, 0));
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));

	ASSERT_EQ(0, close(before));
	ASSERT_REFUSED(EACCES, self->user);
	ASSERT_EQ(0, close(refuse));
	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	ASSERT_EQ(0, close(after));
}

struct escape {
	int dir;
	int root;
	int user;
	int access_only;
	bool switched;
	pthread_barrier_t *barrier;
};

static const char *expect_refused(int fd)
{
	if (!sys_credfd_activate(fd, 0))
		return "is somebody else";
	return errno == EPERM ? NULL : "refused with another errno";
}

static const char *expect_no_access(int credfd, int fd)
{
	if (!sys_credfd_access(credfd, fd, R_OK, 0))
		return "was told what others may";
	return errno == EPERM ? NULL : "refused with another errno";
}

/* A thread that tries everything. What it is stays what it is. */
static void *escape_main(void *arg)
{
	const struct escape *escape = arg;
	const int other = escape->switched ? escape->root : escape->user;
	const int own = escape->switched ? escape->user : escape->root;
	const char *error = NULL;
	struct identity id;
	int copy, twin;

	if (escape->switched && sys_credfd_activate(escape->user, 0))
		error = "cannot become the user";
	if (!error && identity_read(&id))
		error = "does not know itself";

	pthread_barrier_wait(escape->barrier);
	/* Here the main thread attaches the program. */
	pthread_barrier_wait(escape->barrier);

	copy = dup(other);
	twin = sys_credfd_create(0);
	if (!error && (copy < 0 || twin < 0))
		error = "no file descriptor";
	if (!error)
		error = expect_refused(other);
	if (!error)
		error = expect_no_access(other, escape->dir);
	if (!error)
		error = expect_refused(copy);
	if (!error)
		error = expect_no_access(copy, escape->dir);
	if (!error)
		error = expect_no_access(escape->access_only, escape->dir);
	/* The same again, made under the program. */
	if (!error)
		error = expect_refused(twin);
	if (!error)
		error = expect_no_access(twin, escape->dir);
	/* What is in force is nothing to ask about. */
	if (!error && sys_credfd_activate(own, 0))
		error = "cannot stay";
	if (!error && strcmp(identity_differs_now(&id), "nothing"))
		error = "has changed";

	pthread_barrier_wait(escape->barrier);
	/* Here the main thread removes it. */
	pthread_barrier_wait(escape->barrier);

	if (!error && sys_credfd_activate(copy, 0))
		error = "refused without the program";
	if (!error && geteuid() != (escape->switched ? 0 : USER))
		error = "has not changed";
	close(copy);
	close(twin);
	return (void *)error;
}

/* No thread gets around it, by neither call, by no other file descriptor. */
TEST_F(bpf_lsm, no_way_around)
{
	pthread_barrier_t barrier;
	struct escape escapes[4];
	pthread_t threads[4];
	int link, twin;

	ASSERT_EQ(0, pthread_barrier_init(&barrier, NULL,
					  ARRAY_SIZE(escapes) + 1));
	for (size_t i = 0; i < ARRAY_SIZE(escapes); i++) {
		escapes[i] = (struct escape) {
			.dir = self->dir,
			.root = self->root,
			.user = self->user,
			.access_only = self->access_only,
			.switched = i % 2,
			.barrier = &barrier,
		};
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, escape_main,
					    &escapes[i]));
	}

	pthread_barrier_wait(&barrier);
	ASSERT_ATTACHED(&link, load_constant(self->hook, 0, -EPERM));
	pthread_barrier_wait(&barrier);

	ASSERT_REFUSED(EPERM, self->user);
	ASSERT_REFUSED(EPERM, self->other);
	ASSERT_ACCESS_REFUSED(EPERM, self->user, self->dir);
	ASSERT_ACCESS_REFUSED(EPERM, self->access_only, self->dir);
	twin = sys_credfd_create(0);
	ASSERT_LE(0, twin);
	ASSERT_REFUSED(EPERM, twin);
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));

	pthread_barrier_wait(&barrier);
	ASSERT_EQ(0, close(link));
	pthread_barrier_wait(&barrier);

	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		EXPECT_STREQ("fine", thread_outcome(threads[i]));
	ASSERT_EQ(0, geteuid());
	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	ASSERT_EQ(USER, geteuid());
}

TEST_HARNESS_MAIN
