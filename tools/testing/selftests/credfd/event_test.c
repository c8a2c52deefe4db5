// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: those who watch changes of identity see an activation too
 *
 * The process events connector tells of it as of setresuid() and setresgid(),
 * the audit system has a record of its own.
 */

#include "credfd.h"

#include <linux/audit.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>

#ifndef AUDIT_CRED_ACTIVATE
#define AUDIT_CRED_ACTIVATE	1340
#endif

struct connector_msg {
	struct nlmsghdr nlh;
	struct cn_msg cn;
	char data[sizeof(struct proc_event)];	/* with no padding before */
};

static int netlink_open(int protocol, unsigned int groups)
{
	struct sockaddr_nl addr = {
		.nl_family = AF_NETLINK,
		.nl_groups = groups,
	};
	int sock = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, protocol);

	if (sock < 0 || bind(sock, (struct sockaddr *)&addr, sizeof(addr)))
		return -1;
	return sock;
}

FIXTURE(events)
{
	int root;
	int user;
	int sock;
};

FIXTURE_SETUP(events)
{
	const char *reason = credfd_unavailable_or_not_root();
	struct connector_msg msg = {
		.nlh.nlmsg_type = NLMSG_DONE,
		.cn.id.idx = CN_IDX_PROC,
		.cn.id.val = CN_VAL_PROC,
		.cn.len = sizeof(struct proc_input),
	};
	const struct proc_input input = {
		.mcast_op = PROC_CN_MCAST_LISTEN,
		.event_type = PROC_EVENT_UID | PROC_EVENT_GID,
	};
	const size_t size = offsetof(struct connector_msg, data) +
			    sizeof(input);

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	ASSERT_EQ(0, credfd_pair(become_samba, USER, GROUP, &self->root,
				 &self->user));

	self->sock = netlink_open(NETLINK_CONNECTOR, CN_IDX_PROC);
	ASSERT_LE(0, self->sock);
	memcpy(msg.data, &input, sizeof(input));
	msg.nlh.nlmsg_len = size;
	ASSERT_EQ(size, send(self->sock, &msg, size, 0));
}

FIXTURE_TEARDOWN(events)
{
}

/* Events are queued before the call that causes them returns: no waiting. */
static int next_event(int sock, struct proc_event *event)
{
	struct connector_msg msg;

	do {
		memset(&msg, 0, sizeof(msg));
		if (recv(sock, &msg, sizeof(msg), MSG_DONTWAIT) < 0)
			return -1;
		memcpy(event, msg.data, sizeof(*event));
	} while (!(event->what & (PROC_EVENT_UID | PROC_EVENT_GID)) ||
		 event->event_data.id.process_pid != sys_gettid());
	return 0;
}

/* One event for the user ids and one for the group ids, there and back. */
TEST_F(events, connector)
{
	const struct {
		int fd;
		uid_t uid;
		gid_t egid;
	} switches[] = {
		{ self->user, USER, GROUP },
		{ self->root, 0,    0	  },
	};
	struct proc_event event;

	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		ASSERT_EQ(0, sys_credfd_activate(switches[i].fd, 0));

		ASSERT_EQ(0, next_event(self->sock, &event));
		ASSERT_EQ(PROC_EVENT_UID, event.what);
		ASSERT_EQ(getpid(), event.event_data.id.process_tgid);
		ASSERT_EQ(switches[i].uid, event.event_data.id.r.ruid);
		ASSERT_EQ(switches[i].uid, event.event_data.id.e.euid);

		ASSERT_EQ(0, next_event(self->sock, &event));
		ASSERT_EQ(PROC_EVENT_GID, event.what);
		ASSERT_EQ(getpid(), event.event_data.id.process_tgid);
		ASSERT_EQ(0, event.event_data.id.r.rgid);
		ASSERT_EQ(switches[i].egid, event.event_data.id.e.egid);

		ASSERT_EQ(-1, next_event(self->sock, &event));
		ASSERT_EQ(EAGAIN, errno);
	}
}

/* Where no id changes, or nothing does, there is nothing to tell. */
TEST_F(events, connector_no_change)
{
	struct proc_event event;
	int twin = sys_credfd_create(0);

	ASSERT_LE(0, twin);
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
	ASSERT_EQ(0, sys_credfd_activate(twin, 0));
	ASSERT_EQ(0, sys_credfd_activate(twin, 0));
	ASSERT_EQ(0, caps_set_effective(0));
	ASSERT_EQ(-1, sys_credfd_activate(self->user, 0));
	ASSERT_EQ(EPERM, errno);

	ASSERT_EQ(-1, next_event(self->sock, &event));
	ASSERT_EQ(EAGAIN, errno);

	/* The connection is alive. */
	ASSERT_EQ(0, caps_set_effective(CAPS_SETID));
	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	ASSERT_EQ(0, next_event(self->sock, &event));
}

struct audit_msg {
	struct nlmsghdr nlh;
	union {
		struct audit_status status;
		struct audit_rule_data rule;
		char text[9000];	/* more than a record can be */
	};
};

/* Sends a request and waits for its acknowledgment. 0 or -errno. */
static int audit_request(int sock, int type, struct audit_msg *msg, size_t size)
{
	struct audit_msg reply;
	struct nlmsgerr *error = (void *)reply.text;

	msg->nlh.nlmsg_len = NLMSG_LENGTH(size);
	msg->nlh.nlmsg_type = type;
	msg->nlh.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	if (send(sock, msg, msg->nlh.nlmsg_len, 0) < 0)
		return -errno;
	do {
		if (recv(sock, &reply, sizeof(reply), 0) < 0)
			return -errno;
	} while (reply.nlh.nlmsg_type != NLMSG_ERROR);
	return error->error;
}

static int audit_enable(int sock, bool enable)
{
	struct audit_msg msg = {
		.status.mask = AUDIT_STATUS_ENABLED,
		.status.enabled = enable,
	};

	return audit_request(sock, AUDIT_SET, &msg, sizeof(msg.status));
}

/* Every use of the system call. */
static int audit_rule(int sock, int type)
{
	struct audit_msg msg = {
		.rule.flags = AUDIT_FILTER_EXIT,
		.rule.action = AUDIT_ALWAYS,
	};

	msg.rule.mask[AUDIT_WORD(__NR_credfd_activate)] =
		AUDIT_BIT(__NR_credfd_activate);
	return audit_request(sock, type, &msg, sizeof(msg.rule));
}

FIXTURE(audit)
{
	int sock;
	int log;
	int root;
	int user;
	bool was_enabled;
	bool changed;
};

FIXTURE_SETUP(audit)
{
	const char *reason = credfd_unavailable_or_not_root();
	struct audit_msg msg = {
		.nlh.nlmsg_len = NLMSG_LENGTH(0),
		.nlh.nlmsg_type = AUDIT_GET,
		.nlh.nlmsg_flags = NLM_F_REQUEST,
	};

	if (reason)
		SKIP(return, "%s", reason);
	ASSERT_EQ(0, prctl(PR_SET_DUMPABLE, 0));
	ASSERT_EQ(0, credfd_pair(become_ganesha, USER, GROUP, &self->root,
				 &self->user));

	self->log = netlink_open(NETLINK_AUDIT, 1U << (AUDIT_NLGRP_READLOG - 1));
	ASSERT_LE(0, self->log);
	self->sock = netlink_open(NETLINK_AUDIT, 0);
	ASSERT_LE(0, self->sock);

	ASSERT_EQ(NLMSG_LENGTH(0), send(self->sock, &msg, NLMSG_LENGTH(0), 0));
	ASSERT_LT(0, recv(self->sock, &msg, sizeof(msg), 0));
	ASSERT_EQ(AUDIT_GET, msg.nlh.nlmsg_type);
	self->was_enabled = msg.status.enabled;
	self->changed = true;
	ASSERT_EQ(0, audit_enable(self->sock, true));
	ASSERT_EQ(0, audit_rule(self->sock, AUDIT_ADD_RULE));
}

FIXTURE_TEARDOWN_PARENT(audit)
{
	int sock;

	if (!self->changed)
		return;
	sock = netlink_open(NETLINK_AUDIT, 0);
	EXPECT_EQ(0, audit_rule(sock, AUDIT_DEL_RULE));
	EXPECT_EQ(0, audit_enable(sock, self->was_enabled));
	close(sock);
}

/* The next record of that type, without its time stamp and serial number. */
static const char *next_record(int sock, int type, struct audit_msg *msg)
{
	const char *text;
	ssize_t len;

	do {
		len = recv(sock, msg, sizeof(*msg) - 1, 0);
		if (len < 0)
			return strerror(errno);
		((char *)msg)[len] = '\0';
	} while (msg->nlh.nlmsg_type != type);

	text = strstr(msg->text, "): ");
	return text ? text + 3 : msg->text;
}

static void append_ids(char *text, size_t size, const char *prefix,
		       const struct identity *id)
{
	const struct {
		const char *name;
		unsigned int id;
	} fields[] = {
		{ "uid", id->uid[0] },
		{ "gid", id->gid[0] },
		{ "euid", id->uid[1] },
		{ "suid", id->uid[2] },
		{ "fsuid", id->uid[3] },
		{ "egid", id->gid[1] },
		{ "sgid", id->gid[2] },
		{ "fsgid", id->gid[3] },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		size_t used = strlen(text);

		snprintf(text + used, size - used, "%s%s%s=%u", used ? " " : "",
			 prefix, fields[i].name, fields[i].id);
	}
}

/* The record says who became whom, and the one of the call whether it did. */
TEST_F(audit, record)
{
	const struct timeval limit = { .tv_sec = 20 };
	char to_user[512] = "", to_root[512] = "";
	struct identity root_id, user_id;
	struct audit_msg msg;
	const char *text;
	pid_t pid;

	ASSERT_EQ(0, setsockopt(self->log, SOL_SOCKET, SO_RCVTIMEO, &limit,
				sizeof(limit)));

	ASSERT_EQ(0, identity_read(&root_id));
	ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
	ASSERT_EQ(0, identity_read(&user_id));
	ASSERT_EQ(0, sys_credfd_activate(self->root, 0));
	append_ids(to_user, sizeof(to_user), "old-", &root_id);
	append_ids(to_user, sizeof(to_user), "new-", &user_id);
	append_ids(to_root, sizeof(to_root), "old-", &user_id);
	append_ids(to_root, sizeof(to_root), "new-", &root_id);

	/* Only who is born after auditing was enabled is audited. */
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		ASSERT_EQ(0, sys_credfd_activate(self->user, 0));
		ASSERT_EQ(0, caps_set_effective(0));
		ASSERT_EQ(-1, sys_credfd_activate(self->root, 0));
		ASSERT_EQ(EPERM, errno);
		_exit(0);
	}
	ASSERT_EQ(0, wait_exit(pid));

	text = next_record(self->log, AUDIT_SYSCALL, &msg);
	ASSERT_TRUE(!!strstr(text, " success=yes exit=0 "))
		TH_LOG("%s", text);
	ASSERT_STREQ(to_user, next_record(self->log, AUDIT_CRED_ACTIVATE, &msg));

	/* An attempt that was refused is recorded as well. */
	text = next_record(self->log, AUDIT_SYSCALL, &msg);
	ASSERT_TRUE(!!strstr(text, " success=no exit=-1 "))
		TH_LOG("%s", text);
	ASSERT_STREQ(to_root, next_record(self->log, AUDIT_CRED_ACTIVATE, &msg));
}

TEST_HARNESS_MAIN
