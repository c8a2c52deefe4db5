/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_CREDFD_H
#define _UAPI_LINUX_CREDFD_H

/**
 * DOC: credfd
 *
 * A credfd is a file descriptor that holds credentials: the user, group and
 * supplementary group ids, the capability sets, the securebits, the session
 * keyring and the security labels that a thread had when it called
 * credfd_create(). They never change.
 *
 * A thread takes them on with credfd_activate(), in one system call that
 * allocates no credentials. Like the setresuid() system call, and unlike the C
 * library's function of that name, it affects the calling thread only.
 *
 * A credfd gives no authority. Who activates it must have CAP_SETUID and
 * CAP_SETGID, and gets no id, group, capability or securebits by it that it
 * could not have got by itself, from setresuid(), setresgid(), setgroups(),
 * capset() and prctl(). To a receiver without these two capabilities it is of
 * no use. What a creator does hand over is the session keyring, and with it the
 * possession of the keys in there.
 *
 * ``/proc/PID/fdinfo/FD`` shows what a credfd holds, in the format of
 * ``/proc/PID/status``: Uid, Gid, Groups, CapInh, CapPrm, CapEff, CapBnd and
 * CapAmb, followed by Securebits (in hexadecimal) and AccessOnly (0 or 1). The
 * ids are those of the reader's user namespace.
 *
 * A credfd cannot be read, written or mapped. It is closed on execve(),
 * unless the flag is cleared with fcntl(). Closing it does not end the use of
 * the credentials by the threads that have activated it.
 */

/**
 * DOC: credfd_create_flags
 *
 * Flags for credfd_create():
 *
 * %CREDFD_ACCESS_ONLY
 *     The credentials can be looked at, never taken on: credfd_activate() of
 *     this file descriptor fails with %EINVAL. Use it to show an identity to
 *     somebody who shall not act under it.
 */
#define CREDFD_ACCESS_ONLY	(1U << 0)

#endif /* _UAPI_LINUX_CREDFD_H */
