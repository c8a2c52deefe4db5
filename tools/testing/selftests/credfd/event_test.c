// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: those who watch changes of identity see an activation too
 *
 * The process events connector tells of it as of setresuid() and setresgid().
 */

#include "credfd.h"

#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>

struct connector_msg {
	struct nlmsghdr nlh;
	struct cn_msg cn;
	char data[sizeof(struct proc_event)];	/* with no padding before */
};

static int connector_open(void)
{
	struct sockaddr_nl addr = {
		.nl_family = AF_NETLINK,
		.nl_groups = CN_IDX_PROC,
	};
	int sock = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC,
			  NETLINK_CONNECTOR);

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

	self->sock = connector_open();
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

TEST_HARNESS_MAIN
