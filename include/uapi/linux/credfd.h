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
 * CAP_SETGID, and gets nothing by it, keys excepted, that it could not have got
 * by itself from setresuid(), setresgid(), setgroups(), capset() and prctl(). To
 * a receiver without these two capabilities it is of no use. What a creator does
 * hand over is the session keyring, and with it the possession of the keys in
 * there.
 *
 * ``/proc/PID/fdinfo/FD`` shows what a credfd holds, in the format of
 * ``/proc/PID/status``: Uid, Gid, Groups, CapInh, CapPrm, CapEff, CapBnd and
 * CapAmb, followed by Securebits (in hexadecimal) and AccessOnly (0 or 1). The
 * ids are those of the reader's user namespace.
 *
 * credfd_access() asks a question instead: would the identity in the credfd be
 * allowed to read, write or execute the object that another file descriptor
 * refers to? To others the thread does not change, not even during the call: who
 * may send signals to it or trace it is the same as ever. So it is for daemons
 * that get a credfd from somebody whom they do not want to become. It takes the
 * capabilities that activation takes, since the answers say what the other may
 * do.
 *
 * The answer is that of access(2), with the same limits. It is about the moment
 * of the call; what is done on the strength of it is done with the daemon's own
 * credentials, and by then the permissions, or the file that a path leads to,
 * can be others. A file descriptor always leads to the same file: ask about the
 * one that is going to be used, never open a path afterwards. The directories on
 * the way to the object are not looked at. And it does not say what the sender
 * wants, only what it may.
 *
 * The answer takes as long as the filesystem takes. A network filesystem may look
 * for keys in the session keyring of the credfd and put them there, on the quota
 * of its owner. A filesystem that answers by the task that asks, as procfs does
 * for /proc/PID/fd, answers for the caller.
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
 *     The credentials are good for credfd_access() only: credfd_activate() of
 *     this file descriptor fails with %EINVAL. Use it to prove an identity to a
 *     daemon that shall not act under it.
 */
#define CREDFD_ACCESS_ONLY	(1U << 0)

#endif /* _UAPI_LINUX_CREDFD_H */
