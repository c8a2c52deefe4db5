// SPDX-License-Identifier: GPL-2.0
/*
 * credfd - a file descriptor that holds credentials
 *
 * The file owns a private copy of its creator's credentials, which nobody can
 * change. Threads that activate it share the copy with the file and with each
 * other: that is what makes the switch cheap, and why nothing may be left in
 * the copy that belongs to one thread or process alone.
 *
 * The authority to switch comes from the thread that switches, never from the
 * file.
 */

#include <linux/anon_inodes.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/key.h>
#include <linux/sched/coredump.h>
#include <linux/sched/exec_state.h>
#include <linux/security.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/syscalls.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>
#include <uapi/linux/credfd.h>

#define CREATE_TRACE_POINTS
#include <trace/events/cred.h>

#define CREDFD_CREATE_FLAGS	(CREDFD_ACCESS_ONLY)

/**
 * struct credfd - What a credfd refers to
 * @cred: The snapshot. Shared by the threads that have activated it.
 * @may_setgroups: Is setgroups() allowed in the user namespace of @cred? Once
 *	that has a gid_map the answer cannot change, and finding it out takes a
 *	global mutex.
 * @access_only: Made with %CREDFD_ACCESS_ONLY.
 */
struct credfd {
	const struct cred	*cred;
	bool			may_setgroups;
	bool			access_only;
};

static void credfd_free(struct credfd *credfd)
{
	if (IS_ERR_OR_NULL(credfd))
		return;

	put_cred(credfd->cred);
	kfree(credfd);
}

DEFINE_FREE(credfd_free, struct credfd *, credfd_free(_T))

static int credfd_release(struct inode *inode, struct file *file)
{
	credfd_free(file->private_data);
	return 0;
}

#ifdef CONFIG_PROC_FS
static void credfd_show_cap(struct seq_file *m, const char *name, kernel_cap_t cap)
{
	seq_printf(m, "%s:\t%016llx\n", name, cap.val);
}

static void credfd_show_fdinfo(struct seq_file *m, struct file *file)
{
	const struct credfd *credfd = file->private_data;
	const struct cred *cred = credfd->cred;
	const struct group_info *group_info = cred->group_info;
	struct user_namespace *ns = seq_user_ns(m);

	seq_printf(m, "Uid:\t%u\t%u\t%u\t%u\n",
		   from_kuid_munged(ns, cred->uid),
		   from_kuid_munged(ns, cred->euid),
		   from_kuid_munged(ns, cred->suid),
		   from_kuid_munged(ns, cred->fsuid));
	seq_printf(m, "Gid:\t%u\t%u\t%u\t%u\n",
		   from_kgid_munged(ns, cred->gid),
		   from_kgid_munged(ns, cred->egid),
		   from_kgid_munged(ns, cred->sgid),
		   from_kgid_munged(ns, cred->fsgid));

	/* With the space at the end, as in /proc/PID/status. */
	seq_puts(m, "Groups:\t");
	for (int i = 0; i < group_info->ngroups; i++)
		seq_printf(m, "%u ", from_kgid_munged(ns, group_info->gid[i]));
	if (!group_info->ngroups)
		seq_putc(m, ' ');
	seq_putc(m, '\n');

	credfd_show_cap(m, "CapInh", cred->cap_inheritable);
	credfd_show_cap(m, "CapPrm", cred->cap_permitted);
	credfd_show_cap(m, "CapEff", cred->cap_effective);
	credfd_show_cap(m, "CapBnd", cred->cap_bset);
	credfd_show_cap(m, "CapAmb", cred->cap_ambient);
	seq_printf(m, "Securebits:\t%08x\n", cred->securebits);
	seq_printf(m, "AccessOnly:\t%d\n", credfd->access_only);
}
#endif

static const struct file_operations credfd_fops = {
	.release	= credfd_release,
	.llseek		= noop_llseek,
#ifdef CONFIG_PROC_FS
	.show_fdinfo	= credfd_show_fdinfo,
#endif
};

/*
 * Are all ids of @cred known in its user namespace?
 *
 * setns() and unshare() put a task into a namespace with the ids that it has.
 * Set*id() inside of the namespace cannot produce ids that are not mapped
 * there, and credentials that others can take on must not be a way to get them.
 * The maps are written once, so the answer remains true. Without a map, all ids
 * are unknown.
 */
static bool cred_ids_mapped(const struct cred *cred)
{
	struct user_namespace *ns = cred->user_ns;

	if (!kuid_has_mapping(ns, cred->uid) ||
	    !kuid_has_mapping(ns, cred->euid) ||
	    !kuid_has_mapping(ns, cred->suid) ||
	    !kuid_has_mapping(ns, cred->fsuid))
		return false;

	if (!kgid_has_mapping(ns, cred->gid) ||
	    !kgid_has_mapping(ns, cred->egid) ||
	    !kgid_has_mapping(ns, cred->sgid) ||
	    !kgid_has_mapping(ns, cred->fsgid))
		return false;

	for (int i = 0; i < cred->group_info->ngroups; i++)
		if (!kgid_has_mapping(ns, cred->group_info->gid[i]))
			return false;

	return true;
}

/*
 * Remove the keyrings that belong to one thread or to one process, and the
 * authority to instantiate one key. The session keyring stays: processes share
 * it anyway, and network filesystems look for the user's keys there.
 */
static void cred_drop_private_keys(struct cred *cred)
{
#ifdef CONFIG_KEYS
	key_put(cred->thread_keyring);
	cred->thread_keyring = NULL;
	key_put(cred->process_keyring);
	cred->process_keyring = NULL;
	key_put(cred->request_key_auth);
	cred->request_key_auth = NULL;
#endif
}

static struct credfd *credfd_alloc(unsigned int flags)
{
	struct credfd *credfd __free(kfree) = kzalloc_obj(*credfd, GFP_KERNEL_ACCOUNT);
	struct cred *cred __free(put_cred) = prepare_creds();

	if (!credfd || !cred)
		return ERR_PTR(-ENOMEM);

	if (!cred_ids_mapped(cred))
		return ERR_PTR(-EINVAL);

	cred_drop_private_keys(cred);
	credfd->may_setgroups = userns_may_setgroups(cred->user_ns);
	credfd->access_only = flags & CREDFD_ACCESS_ONLY;
	credfd->cred = no_free_ptr(cred);
	return no_free_ptr(credfd);
}

/**
 * sys_credfd_create - Create a file descriptor that holds credentials
 * @flags: %CREDFD_ACCESS_ONLY or 0.
 *
 * Creates a file descriptor that holds a private copy of the calling thread's
 * credentials, without the thread keyring, the process keyring and an assumed
 * authority to instantiate a key. See include/uapi/linux/credfd.h.
 *
 * Possible errors:
 *
 * - %-EINVAL: unknown @flags, or a user id, group id or supplementary group id
 *   of the calling thread is not mapped in its user namespace;
 * - %-EBUSY: the calling thread acts with overridden credentials;
 * - %-EMFILE: the process has too many open files;
 * - %-ENFILE: the system has too many open files;
 * - %-ENOMEM: out of memory;
 * - %-EACCES or other: denied by a security module.
 *
 * .. kernel-doc:: include/uapi/linux/credfd.h
 *     :doc: credfd_create_flags
 *
 * Return: The new file descriptor, which has the close-on-exec flag set, or one
 * of the errors above.
 */
SYSCALL_DEFINE1(credfd_create, unsigned int, flags)
{
	int fd;

	if (flags & ~CREDFD_CREATE_FLAGS)
		return -EINVAL;

	if (current_cred() != current_real_cred())
		return -EBUSY;

	struct credfd *credfd __free(credfd_free) = credfd_alloc(flags);
	if (IS_ERR(credfd))
		return PTR_ERR(credfd);

	/* An inode of its own, so that security modules can label it. */
	fd = FD_ADD(O_CLOEXEC,
		    anon_inode_create_getfile("[credfd]", &credfd_fops, credfd,
					      O_RDONLY, NULL));
	if (fd >= 0)
		retain_and_null_ptr(credfd);
	return fd;
}

/*
 * May the current task take on the credentials in @credfd? They are another set
 * than its own. With LSM_CRED_ACTIVATE_ACCESS it is for one access check only.
 *
 * It does not matter who left the file descriptor to the task. What counts is
 * that the task could have got to these ids, groups, capabilities and securebits
 * by itself, with the system calls that change one thing at a time.
 */
static inline int cred_may_activate(const struct credfd *credfd, unsigned int lsm_flags)
{
	const struct cred *new = credfd->cred;
	const struct cred *old = current_cred();

	/* This is no substitute for setns(), and capabilities do not compare. */
	if (new->user_ns != old->user_ns)
		return -EPERM;

	/* SafeSetID lets these pass, and looks at the ids in the hook below. */
	if (!ns_capable_setid(old->user_ns, CAP_SETUID) ||
	    !ns_capable_setid(old->user_ns, CAP_SETGID))
		return -EPERM;

	/* Groups may be there to deny access: see user_namespaces(7). */
	if (new->group_info != old->group_info && !credfd->may_setgroups)
		return -EPERM;

	return security_cred_activate(new, old, lsm_flags);
}

static inline int credfd_switch(const struct credfd *credfd, unsigned int lsm_flags)
{
	int ret = cred_may_activate(credfd, lsm_flags);

	if (ret)
		return ret;

	trace_cred_activate(credfd->cred, current_cred());
	activate_creds(credfd->cred);
	return 0;
}

/**
 * sys_credfd_activate - Take on the credentials in a file descriptor
 * @fd: File descriptor from credfd_create().
 * @flags: Must be 0.
 *
 * Makes the credentials in @fd those of the calling thread, in every respect:
 * for what it does and for what is done to it. All of them change at once, or
 * nothing does. They stay when @fd is closed. The thread keyring and the process
 * keyring are gone afterwards, and the signal that was to be sent on the death
 * of the parent (PR_SET_PDEATHSIG) is cleared if an effective or filesystem id
 * changes or a capability is added.
 *
 * If the thread has the very credentials in @fd already, nothing is checked and
 * nothing is done.
 *
 * Possible errors, in the order of the checks:
 *
 * - %-EINVAL: @flags is not 0;
 * - %-EBADF: @fd is not an open file descriptor, or was opened with O_PATH;
 * - %-EINVAL: @fd is not from credfd_create(), or was created with
 *   %CREDFD_ACCESS_ONLY;
 * - %-EBUSY: the calling thread acts with overridden credentials;
 * - %-EINVAL: the process is dumpable, so that others could trace it while it
 *   has the credentials (see PR_SET_DUMPABLE in prctl(2));
 * - %-EPERM: the credentials belong to another user namespace;
 * - %-EPERM: the calling thread does not have both CAP_SETUID and CAP_SETGID in
 *   its effective set;
 * - %-EPERM: the supplementary groups do not come from the same setgroups()
 *   call, and setgroups() is denied in the user namespace;
 * - %-EPERM: the credentials have a permitted or inheritable capability that
 *   capset() would not give to the calling thread; a capability more in the
 *   bounding set, or one less although it has not CAP_SETPCAP in effect; or one
 *   more in the ambient set although SECBIT_NO_CAP_AMBIENT_RAISE is set;
 * - %-EPERM: the credentials do not have a lock on securebits that the calling
 *   thread has, or differ in a bit that is locked or that it may not change;
 * - %-EPERM: the credentials do not belong to the calling thread's Landlock
 *   domain or to one that is nested in it, or to the latter and the thread could
 *   not have called landlock_restrict_self();
 * - %-EACCES: the credentials have another security label, or what goes with
 *   it, and SELinux, AppArmor or Smack do not allow to change to it; or SELinux
 *   denies to change the capabilities; or SafeSetID has a policy that does not
 *   allow the ids;
 * - another error: from a BPF program of the security module of that name.
 *
 * Return: 0 or one of the errors above.
 */
SYSCALL_DEFINE2(credfd_activate, int, fd, unsigned int, flags)
{
	const struct cred *old = current_real_cred();
	const struct credfd *credfd;
	int ret;

	if (flags)
		return -EINVAL;

	CLASS(fd, f)(fd);
	if (fd_empty(f))
		return -EBADF;
	if (fd_file(f)->f_op != &credfd_fops)
		return -EINVAL;

	credfd = fd_file(f)->private_data;
	audit_cred_activate("activate", credfd->cred, old);

	if (credfd->access_only)
		return -EINVAL;

	if (current_cred() != old)
		return -EBUSY;

	if (credfd->cred == old)
		return 0;

	/*
	 * Those whom the thread acts for must not be able to attach to it.
	 * Set*id() quietly makes the process undumpable for that. Here it has
	 * to be so already: the state belongs to all threads, and switching one
	 * of them should not change it for the others.
	 */
	if (task_exec_state_get_dumpable(current) == TASK_DUMPABLE_OWNER)
		return -EINVAL;

	ret = credfd_switch(credfd, 0);
	if (ret != -EAGAIN)
		return ret;

	/* The security label changes: no tracer may come in between. */
	scoped_cond_guard(mutex_intr, return -ERESTARTNOINTR,
			  &current->signal->cred_guard_mutex)
		ret = credfd_switch(credfd, LSM_CRED_ACTIVATE_GUARDED);
	return ret;
}

/**
 * sys_credfd_access - Would the identity in a file descriptor have access?
 * @credfd: File descriptor from credfd_create().
 * @fd: File descriptor of the object that is asked about. It may have been opened
 *	with O_PATH.
 * @mode: Any of %R_OK, %W_OK and %X_OK, or %F_OK.
 * @flags: Must be 0.
 *
 * Answers like faccessat2() with the flags AT_EMPTY_PATH and AT_EACCESS, called
 * with the credentials in @credfd: the filesystem ids, the groups and the
 * effective capabilities count. They override the subjective credentials of the
 * calling thread while the answer is found. Its objective ones, which count for
 * signals, tracing and the entries in /proc, stay what they are.
 *
 * What the caller may ask is what it could find out by activating @credfd, so
 * the same is required of it, with two exceptions: the process may be dumpable,
 * and @credfd may be one that was created with %CREDFD_ACCESS_ONLY. See
 * include/uapi/linux/credfd.h for what not to use it for.
 *
 * Possible errors, those about the arguments first and in this order:
 *
 * - %-EINVAL: @flags is not 0 or @mode has unknown bits;
 * - %-EBADF: @credfd is not an open file descriptor, or was opened with O_PATH;
 * - %-EBADF: @fd is not an open file descriptor;
 * - %-EINVAL: @credfd is not from credfd_create();
 * - %-EPERM, %-EACCES: the calling thread could not activate @credfd, see
 *   credfd_activate(). A Landlock domain may be nested without further ado, and
 *   what SELinux and AppArmor allow here is different;
 * - %-EACCES: the filesystem does not serve the calling thread at all, as FUSE
 *   without the mount option allow_other;
 * - %-EACCES: access is denied, or @mode has %X_OK and @fd is a regular file on a
 *   mount that is mounted with the noexec option;
 * - %-EROFS: @mode has %W_OK and the filesystem or mount is read-only;
 * - %-EPERM: @mode has %W_OK and the file is immutable;
 * - other errors of faccessat2(), as the filesystem gives them.
 *
 * Return: 0 if all of @mode would be allowed, or one of the errors above.
 */
SYSCALL_DEFINE4(credfd_access, int, credfd, int, fd, int, mode,
		unsigned int, flags)
{
	const struct credfd *who;
	const struct path *path;
	int ret;

	if (flags || mode & ~(MAY_READ | MAY_WRITE | MAY_EXEC))
		return -EINVAL;

	CLASS(fd, f)(credfd);
	CLASS(fd_raw, object)(fd);
	if (fd_empty(f) || fd_empty(object))
		return -EBADF;
	if (fd_file(f)->f_op != &credfd_fops)
		return -EINVAL;

	who = fd_file(f)->private_data;
	audit_cred_activate("access", who->cred, current_cred());

	if (who->cred != current_cred()) {
		ret = cred_may_activate(who, LSM_CRED_ACTIVATE_ACCESS);
		if (ret)
			return ret;
	}

	/*
	 * A filesystem in user space (FUSE) is not trusted with requests of
	 * strangers, since it can keep them waiting for ever. Below it would
	 * take the caller for its own user, so ask about the caller first.
	 */
	path = &fd_file(object)->f_path;
	ret = path_permission(path, 0);
	if (ret)
		return ret;

	scoped_with_creds(who->cred)
		ret = path_access(path, mode);
	return ret;
}
