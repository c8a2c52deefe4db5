/* SPDX-License-Identifier: GPL-2.0 */
/*
 * credfd selftests: what the audit system has to tell
 */
#ifndef __CREDFD_SELFTEST_AUDIT_H
#define __CREDFD_SELFTEST_AUDIT_H

#include "credfd.h"

#include <linux/audit.h>
#include <linux/netlink.h>

#ifndef AUDIT_CRED_ACTIVATE
#define AUDIT_CRED_ACTIVATE	1340
#endif

struct audit_msg {
	struct nlmsghdr nlh;
	union {
		struct audit_status status;
		struct audit_rule_data rule;
		char text[9000];	/* more than a record can be */
	};
};

/* Lives in a fixture: the parent of the test ends what the test has begun. */
struct audit {
	int log;
	int syscall;
	bool started;
	bool was_enabled;
};

static inline int audit_socket(unsigned int groups)
{
	const struct timeval limit = { .tv_sec = 20 };
	struct sockaddr_nl addr = {
		.nl_family = AF_NETLINK,
		.nl_groups = groups,
	};
	int sock = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_AUDIT);

	if (sock < 0 || bind(sock, (struct sockaddr *)&addr, sizeof(addr)) ||
	    setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
		return -1;
	return sock;
}

/* Sends a request and waits for its acknowledgment. 0 or -errno. */
static inline int audit_request(int sock, int type, struct audit_msg *msg,
				size_t size)
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

static inline int audit_enable(int sock, bool enable)
{
	struct audit_msg msg = {
		.status.mask = AUDIT_STATUS_ENABLED,
		.status.enabled = enable,
	};

	return audit_request(sock, AUDIT_SET, &msg, sizeof(msg.status));
}

/* Every use of a system call. */
static inline int audit_rule(int sock, int type, int syscall)
{
	struct audit_msg msg = {
		.rule.flags = AUDIT_FILTER_EXIT,
		.rule.action = AUDIT_ALWAYS,
	};

	msg.rule.mask[AUDIT_WORD(syscall)] = AUDIT_BIT(syscall);
	return audit_request(sock, type, &msg, sizeof(msg.rule));
}

/*
 * Audits a system call from here on. Only who is born later is audited, so the
 * call has to come from a child.
 */
static inline int audit_start(struct audit *audit, int syscall)
{
	struct audit_msg msg = {
		.nlh.nlmsg_len = NLMSG_LENGTH(0),
		.nlh.nlmsg_type = AUDIT_GET,
		.nlh.nlmsg_flags = NLM_F_REQUEST,
	};
	int sock;

	audit->log = audit_socket(1U << (AUDIT_NLGRP_READLOG - 1));
	sock = audit_socket(0);
	if (audit->log < 0 || sock < 0 ||
	    send(sock, &msg, NLMSG_LENGTH(0), 0) != NLMSG_LENGTH(0) ||
	    recv(sock, &msg, sizeof(msg), 0) < 0 ||
	    msg.nlh.nlmsg_type != AUDIT_GET)
		return -1;

	audit->was_enabled = msg.status.enabled;
	audit->syscall = syscall;
	audit->started = true;
	if (audit_enable(sock, true) ||
	    audit_rule(sock, AUDIT_ADD_RULE, syscall))
		return -1;
	return close(sock);
}

static inline int audit_stop(const struct audit *audit)
{
	int sock, ret;

	if (!audit->started)
		return 0;
	sock = audit_socket(0);
	ret = audit_rule(sock, AUDIT_DEL_RULE, audit->syscall);
	ret = audit_enable(sock, audit->was_enabled) ?: ret;
	close(sock);
	return ret;
}

/*
 * The next record of that type, without its time stamp and serial number. If
 * there is none within seconds, the text says so.
 */
static inline const char *audit_next(const struct audit *audit, int type,
				     struct audit_msg *msg)
{
	const char *text;
	ssize_t len;

	do {
		len = recv(audit->log, msg, sizeof(*msg) - 1, 0);
		if (len < 0)
			return strerror(errno);
		((char *)msg)[len] = '\0';
	} while (msg->nlh.nlmsg_type != type);

	text = strstr(msg->text, "): ");
	return text ? text + 3 : msg->text;
}

/* What stands behind " @name=" in a record, up to the next space. */
static inline const char *audit_field(const char *record, const char *name,
				      char *value, size_t size)
{
	const size_t len = strlen(name);
	const char *field = record;

	while ((field = strstr(field, name))) {
		if (field > record && field[-1] == ' ' && field[len] == '=')
			break;
		field += len;
	}
	if (!field)
		return "missing";

	field += len + 1;
	snprintf(value, size, "%.*s", (int)strcspn(field, " "), field);
	return value;
}

#endif
