// SPDX-License-Identifier: GPL-2.0
/*
 * credfd selftests: the audit system records who wanted to be whom
 *
 * The rules are what auditctl would send. The record of the system call tells
 * how it ended and by which rule it was found, and one of its own tells about
 * the two identities.
 *
 * Threads report by their return value: NULL, or what went wrong. They are
 * needed because a task is audited if auditing was enabled when it was born.
 */

#include "audit.h"

#include <linux/keyctl.h>

#define KEY			"credfd-test"
#define LOGIN_USER		4001
#define OTHER_LOGIN_USER	4002

#define LABEL_FILE		"/proc/thread-self/attr/current"

/* Talking to the audit system */

/* Receives all records. A burst of them must not get lost. */
static int audit_open_log(void)
{
	const int size = 16 << 20;
	int sock = audit_socket(1U << (AUDIT_NLGRP_READLOG - 1));

	if (sock < 0 ||
	    setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		return -1;
	return sock;
}

static int audit_is_enabled(int sock, bool *enabled)
{
	struct audit_msg msg = {
		.nlh.nlmsg_len = NLMSG_LENGTH(0),
		.nlh.nlmsg_type = AUDIT_GET,
		.nlh.nlmsg_flags = NLM_F_REQUEST,
	};

	if (send(sock, &msg, NLMSG_LENGTH(0), 0) != NLMSG_LENGTH(0) ||
	    recv(sock, &msg, sizeof(msg), 0) < 0 ||
	    msg.nlh.nlmsg_type != AUDIT_GET)
		return -1;
	*enabled = msg.status.enabled;
	return 0;
}

/* -a always,exit -S CALL [-S CALL] [-F TYPE=VALUE ...] -k KEY */
struct rule {
	long calls[2];		/* 0 if there is none */
	struct {
		__u32 type;
		__u32 value;
	} fields[2];
	int nr_fields;
};

static void rule_add_field(struct audit_rule_data *data, __u32 type, __u32 value)
{
	data->fields[data->field_count] = type;
	data->values[data->field_count] = value;
	data->fieldflags[data->field_count++] = AUDIT_EQUAL;
}

static int rule_request(int sock, int type, const struct rule *rule)
{
	struct audit_msg msg = {
		.rule.flags = AUDIT_FILTER_EXIT,
		.rule.action = AUDIT_ALWAYS,
		.rule.buflen = strlen(KEY),
	};
	struct audit_rule_data *data = &msg.rule;

	for (size_t i = 0; i < ARRAY_SIZE(rule->calls); i++)
		if (rule->calls[i])
			data->mask[AUDIT_WORD(rule->calls[i])] |=
				AUDIT_BIT(rule->calls[i]);

	for (int i = 0; i < rule->nr_fields; i++)
		rule_add_field(data, rule->fields[i].type,
			       rule->fields[i].value);
	rule_add_field(data, AUDIT_FILTERKEY, strlen(KEY));
	memcpy(data->buf, KEY, strlen(KEY));

	return audit_request(sock, type, &msg, sizeof(*data) + strlen(KEY));
}

/* Reading what it says */

/* A system call of this process that was recorded. */
struct event {
	unsigned long serial;
	int records;		/* about identities */
	char call[1024];
	char ids[1024];		/* the last of them */
};

#define MAX_EVENTS		512

/*
 * Rules, logins and the like are recorded without being asked for, together
 * with the system call, which then has no key.
 */
static bool event_is_asked_for(const struct event *event)
{
	return event->records || strstr(event->call, " key=\"" KEY "\"");
}

/* A record in the log that everything before can be told from what comes. */
static int audit_mark(int sock, char *text, size_t size)
{
	static int nr;
	struct audit_msg msg = {};

	snprintf(text, size, "mark %d of %d.", ++nr, getpid());
	strcpy(msg.text, text);
	/* The one message from user space that disabling does not stop. */
	return audit_request(sock, AUDIT_USER_AVC, &msg, strlen(text) + 1);
}

/*
 * Reads all that has been recorded of this process since the last time. Fills
 * @events, of which there are MAX_EVENTS, and returns how many, or -errno.
 */
static int audit_read(int sock, int log, struct event *events)
{
	char mark[64], pid[32];
	struct audit_msg msg;
	int nr = 0, ret;

	snprintf(pid, sizeof(pid), " pid=%d ", getpid());
	ret = audit_mark(sock, mark, sizeof(mark));
	if (ret)
		return ret;
	memset(events, 0, sizeof(*events));

	for (;;) {
		struct event *event = events + nr;
		unsigned long serial;
		const char *text;
		ssize_t len = recv(log, &msg, sizeof(msg) - 1, 0);

		if (len < 0)
			return -errno;
		((char *)&msg)[len] = '\0';
		text = strstr(msg.text, "): ");
		if (sscanf(msg.text, "audit(%*[^:]:%lu)", &serial) != 1 || !text)
			return -EPROTO;
		text += 3;

		switch (msg.nlh.nlmsg_type) {
		case AUDIT_USER_AVC:
			if (strstr(text, mark))
				return nr + event_is_asked_for(event);
			break;
		case AUDIT_SYSCALL:
			if (!strstr(text, pid))
				break;
			if (event_is_asked_for(event)) {
				if (++nr == MAX_EVENTS)
					return -ENOSPC;
				event++;
			}
			memset(event, 0, sizeof(*event));
			event->serial = serial;
			snprintf(event->call, sizeof(event->call), "%s", text);
			break;
		case AUDIT_CRED_ACTIVATE:
			if (event->serial != serial)
				break;
			event->records++;
			snprintf(event->ids, sizeof(event->ids), "%s", text);
			break;
		}
	}
}

static void append(char *text, size_t size, const char *format, ...)
{
	size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, size - used, format, args);
	va_end(args);
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

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		append(text, size, " %s%s=%u", prefix, fields[i].name,
		       fields[i].id);
}

/* What the record about these two says. */
static const char *ids_text(const char *op, const struct identity *old,
			    const struct identity *new)
{
	static char text[1024];
	char label[256];

	text[0] = '\0';
	append(text, sizeof(text), "op=%s", op);
	append_ids(text, sizeof(text), "old-", old);
	append_ids(text, sizeof(text), "new-", new);

	/* All identities here have the same one, if a module has labels. */
	if (!read_file(LABEL_FILE, label, sizeof(label))) {
		label[strcspn(label, "\n")] = '\0';
		append(text, sizeof(text), " old-subj=%s new-subj=%s", label,
		       label);
	}
	return text;
}

/* The identities of the test */

enum who {
	ROOT,
	ALICE,
	BOB,
	NR_WHO,
	NOBODY = NR_WHO,	/* no file descriptor at all */
};

struct listener {
	int sock;
	int log;
	int dir;
	bool was_enabled;
	bool changed;
	int nr_rules;
	struct rule rules[4];
	int fds[NR_WHO + 1];
	struct identity ids[NR_WHO];
	struct event *events;
};

/* NULL, or what went wrong. Root's snapshot is in force afterwards. */
static const char *listener_start(struct listener *listener)
{
	int *fds = listener->fds;

	listener->events = calloc(MAX_EVENTS, sizeof(*listener->events));
	listener->dir = tmpfs_dir();
	if (!listener->events || listener->dir < 0 || prctl(PR_SET_DUMPABLE, 0) ||
	    credfd_pair(become_ganesha, USER, GROUP, &fds[ROOT], &fds[ALICE]) ||
	    become_ganesha(OTHER_USER, OTHER_GROUP))
		return "no identities";
	fds[BOB] = sys_credfd_create(0);
	fds[NOBODY] = -1;

	for (int i = NR_WHO - 1; i >= 0; i--)
		if (sys_credfd_activate(fds[i], 0) ||
		    identity_read(&listener->ids[i]))
			return "cannot become everybody";

	listener->log = audit_open_log();
	listener->sock = audit_socket(0);
	if (listener->log < 0 || listener->sock < 0)
		return "no connection to the audit system";
	if (audit_is_enabled(listener->sock, &listener->was_enabled))
		return "status is unknown";
	listener->changed = true;
	if (audit_enable(listener->sock, true))
		return "cannot be enabled";
	return NULL;
}

/* For the parent, whatever the test has become. */
static int listener_stop(struct listener *listener)
{
	int sock, ret = 0;

	if (!listener->changed)
		return 0;
	sock = audit_socket(0);
	while (listener->nr_rules)
		ret |= rule_request(sock, AUDIT_DEL_RULE,
				    &listener->rules[--listener->nr_rules]);
	ret |= audit_enable(sock, listener->was_enabled);
	close(sock);
	return ret;
}

static int rule_add(struct listener *listener, const struct rule *rule)
{
	int ret = rule_request(listener->sock, AUDIT_ADD_RULE, rule);

	if (!ret)
		listener->rules[listener->nr_rules++] = *rule;
	return ret;
}

/* Removes the last one. */
static int rule_remove(struct listener *listener)
{
	return rule_request(listener->sock, AUDIT_DEL_RULE,
			    &listener->rules[--listener->nr_rules]);
}

static int listener_read(struct listener *listener)
{
	return audit_read(listener->sock, listener->log, listener->events);
}

/* Runs in a thread of its own, which is audited. */
static const char *run(void *(*main)(void *arg), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, main, arg))
		return "no thread";
	return thread_outcome(thread);
}

static const struct rule activations = { .calls = { __NR_credfd_activate } };

/* What a thread does in one go, for rules to find some of it */

enum {
	TO_ALICE,
	ALICE_AGAIN,
	ALICE_TO_BOB,
	BOB_TO_ROOT,
	ASK_FOR_ALICE,
	ASK_FOR_ROOT,
	BAD_FD,
	DUMPABLE,
	REFUSED,
	ASK_REFUSED,
	NR_STEPS,
};

static const struct step {
	long call;
	enum who old;
	enum who new;
	int error;
} steps[NR_STEPS] = {
	[TO_ALICE]	= { __NR_credfd_activate, ROOT,  ALICE },
	[ALICE_AGAIN]	= { __NR_credfd_activate, ALICE, ALICE },
	[ALICE_TO_BOB]	= { __NR_credfd_activate, ALICE, BOB },
	[BOB_TO_ROOT]	= { __NR_credfd_activate, BOB,	 ROOT },
	[ASK_FOR_ALICE]	= { __NR_credfd_access,	  ROOT,  ALICE },
	[ASK_FOR_ROOT]	= { __NR_credfd_access,	  ROOT,  ROOT },
	[BAD_FD]	= { __NR_credfd_activate, ROOT,  NOBODY, EBADF },
	[DUMPABLE]	= { __NR_credfd_activate, ROOT,  ALICE,  EINVAL },
	[REFUSED]	= { __NR_credfd_activate, ROOT,  ALICE,  EPERM },
	[ASK_REFUSED]	= { __NR_credfd_access,	  ROOT,  ALICE,  EPERM },
};

static int take_step(const struct listener *listener, int nr)
{
	const struct step *step = &steps[nr];
	int fd = listener->fds[step->new];

	/* Who is dumpable is refused before anything else is looked at. */
	if (prctl(PR_SET_DUMPABLE, nr == DUMPABLE))
		return -1;
	if (nr == REFUSED && caps_drop_effective(CAP_BIT(CAP_SETUID)))
		return -1;
	if (step->call == __NR_credfd_access)
		return sys_credfd_access(fd, listener->dir, R_OK, 0);
	return sys_credfd_activate(fd, 0);
}

static void *take_all_steps(void *arg)
{
	const struct listener *listener = arg;

	for (int i = 0; i < NR_STEPS; i++) {
		errno = 0;
		if (take_step(listener, i) != (steps[i].error ? -1 : 0) ||
		    errno != steps[i].error)
			return "a step has another outcome";
	}
	return NULL;
}

/* Does the event belong to this step? NULL, or what is wrong with it. */
static const char *event_differs(const struct listener *listener,
				 const struct event *event, int nr)
{
	const struct step *step = &steps[nr];
	const char *op;
	char text[64];

	snprintf(text, sizeof(text), " syscall=%ld ", step->call);
	if (!strstr(event->call, text))
		return "another system call";
	snprintf(text, sizeof(text), " success=%s exit=%d ",
		 step->error ? "no" : "yes", -step->error);
	if (!strstr(event->call, text))
		return "another outcome";
	if (!strstr(event->call, " key=\"" KEY "\""))
		return "another key";

	if (step->new == NOBODY)
		return event->records ? "identities of nobody" : NULL;
	if (event->records != 1)
		return "not one record about the identities";
	op = step->call == __NR_credfd_access ? "access" : "activate";
	if (strcmp(event->ids, ids_text(op, &listener->ids[step->old],
					&listener->ids[step->new])))
		return "other identities";
	return NULL;
}

FIXTURE(filter)
{
	struct listener listener;
};

#define STEP(nr)		(1U << (nr))
#define ALL_ACTIVATIONS							\
	(STEP(TO_ALICE) | STEP(ALICE_AGAIN) | STEP(ALICE_TO_BOB) |	\
	 STEP(BOB_TO_ROOT) | STEP(BAD_FD) | STEP(DUMPABLE) | STEP(REFUSED))
#define ALL_QUESTIONS							\
	(STEP(ASK_FOR_ALICE) | STEP(ASK_FOR_ROOT) | STEP(ASK_REFUSED))

FIXTURE_VARIANT(filter)
{
	struct rule rule;
	unsigned int login;	/* login uid of the thread, 0 not to set it */
	unsigned int recorded;
};

/* -S credfd_activate */
FIXTURE_VARIANT_ADD(filter, activate) {
	.rule.calls = { __NR_credfd_activate },
	.recorded = ALL_ACTIVATIONS,
};

/* -S credfd_access */
FIXTURE_VARIANT_ADD(filter, access) {
	.rule.calls = { __NR_credfd_access },
	.recorded = ALL_QUESTIONS,
};

/* -S credfd_activate -S credfd_access */
FIXTURE_VARIANT_ADD(filter, both_calls) {
	.rule.calls = { __NR_credfd_activate, __NR_credfd_access },
	.recorded = ALL_ACTIVATIONS | ALL_QUESTIONS,
};

/* -S credfd_create, which nobody calls here */
FIXTURE_VARIANT_ADD(filter, another_call) {
	.rule.calls = { __NR_credfd_create },
	.recorded = 0,
};

/*
 * -S credfd_activate -F euid=USER: who the thread is when the call is over. The
 * two times that Alice's identity was refused are not there.
 */
FIXTURE_VARIANT_ADD(filter, euid) {
	.rule.calls = { __NR_credfd_activate },
	.rule.fields = { { AUDIT_EUID, USER } },
	.rule.nr_fields = 1,
	.recorded = STEP(TO_ALICE) | STEP(ALICE_AGAIN),
};

/* -S credfd_activate -F uid=USER: Ganesha's way, the real id stays root's. */
FIXTURE_VARIANT_ADD(filter, uid) {
	.rule.calls = { __NR_credfd_activate },
	.rule.fields = { { AUDIT_UID, USER } },
	.rule.nr_fields = 1,
	.recorded = 0,
};

/* -S credfd_activate -F fsgid=OTHER_GROUP */
FIXTURE_VARIANT_ADD(filter, fsgid) {
	.rule.calls = { __NR_credfd_activate },
	.rule.fields = { { AUDIT_FSGID, OTHER_GROUP } },
	.rule.nr_fields = 1,
	.recorded = STEP(ALICE_TO_BOB),
};

/* -S credfd_activate -F success=0 */
FIXTURE_VARIANT_ADD(filter, failure) {
	.rule.calls = { __NR_credfd_activate },
	.rule.fields = { { AUDIT_SUCCESS, 0 } },
	.rule.nr_fields = 1,
	.recorded = STEP(BAD_FD) | STEP(DUMPABLE) | STEP(REFUSED),
};

/* -S credfd_activate -F success=1 */
FIXTURE_VARIANT_ADD(filter, success) {
	.rule.calls = { __NR_credfd_activate },
	.rule.fields = { { AUDIT_SUCCESS, 1 } },
	.rule.nr_fields = 1,
	.recorded = STEP(TO_ALICE) | STEP(ALICE_AGAIN) | STEP(ALICE_TO_BOB) |
		    STEP(BOB_TO_ROOT),
};

/* -S credfd_activate -S credfd_access -F exit=-EPERM */
FIXTURE_VARIANT_ADD(filter, exit_eperm) {
	.rule.calls = { __NR_credfd_activate, __NR_credfd_access },
	.rule.fields = { { AUDIT_EXIT, -EPERM } },
	.rule.nr_fields = 1,
	.recorded = STEP(REFUSED) | STEP(ASK_REFUSED),
};

/* -S credfd_activate -F exit=-EACCES, of which there is none */
FIXTURE_VARIANT_ADD(filter, exit_eacces) {
	.rule.calls = { __NR_credfd_activate },
	.rule.fields = { { AUDIT_EXIT, -EACCES } },
	.rule.nr_fields = 1,
	.recorded = 0,
};

/* -S credfd_activate -F euid=0 -F exit=-EINVAL */
FIXTURE_VARIANT_ADD(filter, euid_and_exit) {
	.rule.calls = { __NR_credfd_activate },
	.rule.fields = { { AUDIT_EUID, 0 }, { AUDIT_EXIT, -EINVAL } },
	.rule.nr_fields = 2,
	.recorded = STEP(DUMPABLE),
};

/* -S credfd_activate -F auid=LOGIN_USER: who logged in remains the same. */
FIXTURE_VARIANT_ADD(filter, auid) {
	.rule.calls = { __NR_credfd_activate },
	.rule.fields = { { AUDIT_LOGINUID, LOGIN_USER } },
	.rule.nr_fields = 1,
	.login = LOGIN_USER,
	.recorded = ALL_ACTIVATIONS,
};

/* The same for somebody else who logged in. */
FIXTURE_VARIANT_ADD(filter, another_auid) {
	.rule.calls = { __NR_credfd_activate },
	.rule.fields = { { AUDIT_LOGINUID, LOGIN_USER } },
	.rule.nr_fields = 1,
	.login = OTHER_LOGIN_USER,
	.recorded = 0,
};

FIXTURE_SETUP(filter)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	reason = listener_start(&self->listener);
	ASSERT_EQ(NULL, reason)
		TH_LOG("%s", reason);
	ASSERT_EQ(0, rule_add(&self->listener, &variant->rule));
}

FIXTURE_TEARDOWN_PARENT(filter)
{
	EXPECT_EQ(0, listener_stop(&self->listener));
}

struct login {
	const struct listener *listener;
	unsigned int uid;
};

static void *login_and_take_steps(void *arg)
{
	const struct login *login = arg;
	char uid[16];

	snprintf(uid, sizeof(uid), "%u", login->uid);
	if (login->uid && write_file("/proc/thread-self/loginuid", uid))
		return "cannot log in";
	return take_all_steps((void *)login->listener);
}

/* What a rule asks for is recorded, with its key, and nothing else is. */
TEST_F(filter, records)
{
	struct listener *listener = &self->listener;
	struct login login = { .listener = listener, .uid = variant->login };
	char auid[32] = " auid=";
	const char *error;
	int nr, next = 0;

	if (variant->login)
		snprintf(auid, sizeof(auid), " auid=%u ", variant->login);
	ASSERT_STREQ("fine", run(login_and_take_steps, &login));

	nr = listener_read(listener);
	for (int i = 0; i < NR_STEPS; i++) {
		const struct event *event = &listener->events[next];

		if (!(variant->recorded & STEP(i)))
			continue;
		ASSERT_LT(next++, nr)
			TH_LOG("step %d is missing", i);
		error = event_differs(listener, event, i);
		ASSERT_EQ(NULL, error)
			TH_LOG("step %d: %s\n%s\n%s", i, error, event->call,
			       event->ids);
		ASSERT_TRUE(!!strstr(event->call, auid))
			TH_LOG("%s", event->call);
	}
	ASSERT_EQ(next, nr)
		TH_LOG("not wanted: %s", listener->events[next].call);
}

FIXTURE(audit)
{
	struct listener listener;
};

FIXTURE_SETUP(audit)
{
	const char *reason = credfd_unavailable_or_not_root();

	if (reason)
		SKIP(return, "%s", reason);
	reason = listener_start(&self->listener);
	ASSERT_EQ(NULL, reason)
		TH_LOG("%s", reason);
	ASSERT_EQ(0, rule_add(&self->listener, &activations));
}

FIXTURE_TEARDOWN_PARENT(audit)
{
	EXPECT_EQ(0, listener_stop(&self->listener));
}

static const char *there_and_back(const struct listener *listener)
{
	if (sys_credfd_activate(listener->fds[ALICE], 0))
		return "cannot become the user";
	if (sys_credfd_activate(listener->fds[ROOT], 0))
		return "cannot come back";
	return NULL;
}

/* Who does something again after the main thread has changed the rules. */
struct twice {
	const struct listener *listener;
	pthread_barrier_t barrier;
};

static void *there_and_back_twice(void *arg)
{
	struct twice *twice = arg;
	const char *error = there_and_back(twice->listener);

	pthread_barrier_wait(&twice->barrier);
	/* Here something changes. */
	pthread_barrier_wait(&twice->barrier);
	if (!error)
		error = there_and_back(twice->listener);
	return (void *)error;
}

static void *there_and_back_once(void *arg)
{
	return (void *)there_and_back(arg);
}

/* A rule that has been removed finds nothing any more. */
TEST_F(audit, rule_removed)
{
	const struct rule unrelated = { .calls = { __NR_getpgid } };
	struct listener *listener = &self->listener;
	struct twice twice = { .listener = listener };
	pthread_t thread;

	ASSERT_EQ(0, pthread_barrier_init(&twice.barrier, NULL, 2));

	/* First the only rule, then one of two. */
	for (int other = 0; other < 2; other++) {
		ASSERT_EQ(0, pthread_create(&thread, NULL, there_and_back_twice,
					    &twice));
		pthread_barrier_wait(&twice.barrier);
		ASSERT_EQ(2, listener_read(listener));
		ASSERT_EQ(1, listener->events[0].records);
		ASSERT_EQ(1, listener->events[1].records);

		ASSERT_EQ(0, rule_remove(listener));
		ASSERT_EQ(0, other ? rule_add(listener, &unrelated) : 0);
		pthread_barrier_wait(&twice.barrier);
		ASSERT_STREQ("fine", thread_outcome(thread));
		ASSERT_EQ(0, listener_read(listener));

		ASSERT_STREQ("fine", run(there_and_back_once, listener));
		ASSERT_EQ(0, listener_read(listener));
		ASSERT_EQ(0, rule_add(listener, &activations));
	}
}

/* With a rule, but with auditing disabled, nothing is recorded. */
TEST_F(audit, disabled)
{
	struct listener *listener = &self->listener;
	struct twice twice = { .listener = listener };
	pthread_t thread;

	ASSERT_EQ(0, pthread_barrier_init(&twice.barrier, NULL, 2));
	ASSERT_EQ(0, pthread_create(&thread, NULL, there_and_back_twice,
				    &twice));
	pthread_barrier_wait(&twice.barrier);
	ASSERT_EQ(2, listener_read(listener));

	ASSERT_EQ(0, audit_enable(listener->sock, false));
	pthread_barrier_wait(&twice.barrier);
	ASSERT_STREQ("fine", thread_outcome(thread));
	ASSERT_EQ(0, listener_read(listener));
	ASSERT_STREQ("fine", run(there_and_back_once, listener));
	ASSERT_EQ(0, listener_read(listener));

	ASSERT_EQ(0, audit_enable(listener->sock, true));
	ASSERT_STREQ("fine", run(there_and_back_once, listener));
	ASSERT_EQ(2, listener_read(listener));
	ASSERT_EQ(1, listener->events[1].records);
}

static void *activate_and_go_on(void *arg)
{
	const struct listener *listener = arg;

	if (sys_credfd_activate(listener->fds[ALICE], 0) ||
	    sys_credfd_access(listener->fds[ROOT], listener->dir, R_OK, 0) ||
	    syscall(__NR_getpgid, 0) < 0)
		return "cannot go on";
	return NULL;
}

/* What was noted about one system call is not told about the next one. */
TEST_F(audit, next_call)
{
	const struct rule next = { .calls = { __NR_getpgid } };
	struct listener *listener = &self->listener;

	ASSERT_EQ(0, rule_remove(listener));
	ASSERT_EQ(0, rule_add(listener, &next));
	ASSERT_STREQ("fine", run(activate_and_go_on, listener));

	ASSERT_EQ(1, listener_read(listener));
	ASSERT_TRUE(!!strstr(listener->events[0].call, " success=yes "))
		TH_LOG("%s", listener->events[0].call);
	ASSERT_EQ(0, listener->events[0].records)
		TH_LOG("%s", listener->events[0].ids);
}

struct last_one {
	const struct listener *listener;
	struct identity id;
};

static void *give_up_last_one(void *arg)
{
	struct last_one *last = arg;
	int fd;

	/* Somebody whom nobody else is, ... */
	if (sys_credfd_activate(last->listener->fds[ALICE], 0))
		return "cannot become the user";
	sys_setfsgid(EXTRA_GROUP);
	fd = sys_credfd_create(0);
	if (fd < 0 || sys_credfd_activate(fd, 0))
		return "cannot become the one";
	/* ... in no file either. */
	close(fd);
	if (identity_read(&last->id))
		return "does not know itself";
	return sys_credfd_activate(last->listener->fds[ROOT], 0) ?
	       "cannot come back" : NULL;
}

/* The record is right when the call itself gave up the last reference. */
TEST_F(audit, last_reference)
{
	struct listener *listener = &self->listener;
	struct last_one last = { .listener = listener };

	ASSERT_STREQ("fine", run(give_up_last_one, &last));
	ASSERT_EQ(EXTRA_GROUP, last.id.gid[3]);
	ASSERT_EQ(3, listener_read(listener));
	ASSERT_EQ(1, listener->events[2].records);
	ASSERT_STREQ(ids_text("activate", &last.id, &listener->ids[ROOT]),
		     listener->events[2].ids);
}

#define CLOSE_ROUNDS		200

/* One thread activates what the other one closes. */
struct closing {
	const struct listener *listener;
	int fd;
	int round;		/* -1 when there is no more to close */
	long spin;
	bool refused;
	int nr_ebadf;
};

static void *close_in_time(void *arg)
{
	struct closing *closing = arg;
	int round, seen = 0;

	for (;;) {
		do {
			round = __atomic_load_n(&closing->round,
						__ATOMIC_ACQUIRE);
		} while (round == seen);
		if (round < 0)
			return NULL;
		seen = round;
		/* A bit later each time, to meet different moments. */
		for (long i = 0; i < closing->spin; i++)
			__asm__ volatile ("" : : : "memory");
		close(closing->fd);
		__atomic_store_n(&closing->fd, -1, __ATOMIC_RELEASE);
	}
}

static const char *activate_or_ebadf(struct closing *closing)
{
	int ret = sys_credfd_activate(closing->fd, 0);

	if (ret && errno == EBADF) {
		closing->nr_ebadf++;
		return NULL;
	}
	if (closing->refused && (!ret || errno != EPERM))
		return "not refused";
	if (!closing->refused && ret)
		return "refused";
	return NULL;
}

static void *activate_while_closed(void *arg)
{
	struct closing *closing = arg;
	const char *error = NULL;

	if (sys_credfd_activate(closing->listener->fds[ALICE], 0))
		return "cannot become the user";
	if (closing->refused && caps_drop_effective(CAP_BIT(CAP_SETUID)))
		return "cannot give up a capability";

	for (int round = 1; round <= CLOSE_ROUNDS && !error; round++) {
		closing->spin = round % 50 * 200;
		closing->fd = sys_credfd_create(0);
		if (closing->fd < 0) {
			error = "no credfd";
			break;
		}
		__atomic_store_n(&closing->round, round, __ATOMIC_RELEASE);
		error = activate_or_ebadf(closing);
		while (__atomic_load_n(&closing->fd, __ATOMIC_ACQUIRE) >= 0)
			;
	}
	__atomic_store_n(&closing->round, -1, __ATOMIC_RELEASE);
	return (void *)error;
}

/*
 * The file may be gone, and with it the credentials, while the attempt to take
 * them on is still to be recorded, refused or not.
 */
TEST_F_TIMEOUT(audit, closed_meanwhile, 120)
{
	struct listener *listener = &self->listener;

	for (int refused = 0; refused < 2; refused++) {
		struct closing closing = {
			.listener = listener,
			.refused = refused,
		};
		pthread_t closer;
		int nr, nr_ebadf = 0;

		ASSERT_EQ(0, pthread_create(&closer, NULL, close_in_time,
					    &closing));
		ASSERT_STREQ("fine", run(activate_while_closed, &closing));
		ASSERT_STREQ("fine", thread_outcome(closer));

		nr = listener_read(listener);
		ASSERT_EQ(CLOSE_ROUNDS + 1, nr);
		for (int i = 1; i < nr; i++) {
			const struct event *event = &listener->events[i];

			if (strstr(event->call, " exit=-9 ")) {
				ASSERT_EQ(0, event->records);
				nr_ebadf++;
				continue;
			}
			ASSERT_TRUE(!!strstr(event->call, refused ?
					     " exit=-1 " : " exit=0 "))
				TH_LOG("%s", event->call);
			ASSERT_EQ(1, event->records);
			ASSERT_STREQ(ids_text("activate", &listener->ids[ALICE],
					      &listener->ids[ALICE]),
				     event->ids);
		}
		ASSERT_EQ(closing.nr_ebadf, nr_ebadf);
		/* Otherwise nothing has been tried. */
		ASSERT_LT(nr_ebadf, CLOSE_ROUNDS);
	}
}

/* Joins a new session, to see by its keyring when the credentials are gone. */
static int become_session(const void *arg)
{
	int *const *keyring = arg;
	long id = syscall(__NR_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);

	if (id < 0 || become_ganesha(USER, GROUP))
		return -1;
	**keyring = id;
	return 0;
}

static bool key_exists(int key)
{
	return syscall(__NR_keyctl, KEYCTL_DESCRIBE, key, NULL, 0) >= 0;
}

struct attempts {
	const struct listener *listener;
	int fd;
};

static void *attempt_all(void *arg)
{
	const struct attempts *attempts = arg;
	int fd = attempts->fd;

	if (sys_credfd_activate(fd, 0) || sys_credfd_activate(fd, 0) ||
	    sys_credfd_activate(attempts->listener->fds[ROOT], 0) ||
	    sys_credfd_access(fd, attempts->listener->dir, R_OK, 0))
		return "refused";
	if (caps_drop_effective(CAP_BIT(CAP_SETUID)) ||
	    !sys_credfd_activate(fd, 0) || errno != EPERM ||
	    !sys_credfd_access(fd, attempts->listener->dir, R_OK, 0) ||
	    errno != EPERM)
		return "not refused";
	return NULL;
}

/* Auditing, done or disabled, does not keep credentials that nobody uses. */
TEST_F_TIMEOUT(audit, nothing_is_kept, 60)
{
	const struct rule questions = { .calls = { __NR_credfd_access } };
	struct listener *listener = &self->listener;
	int *keyring = shared_alloc(sizeof(*keyring));
	enum { RECORDED, NOT_MATCHED, DISABLED, NR_CASES };

	ASSERT_NE(NULL, keyring);
	for (int i = 0; i < NR_CASES; i++) {
		struct attempts attempts = { .listener = listener };
		int rounds = 200;

		if (i == NOT_MATCHED) {
			ASSERT_EQ(0, rule_remove(listener));
			ASSERT_EQ(0, rule_add(listener, &questions));
		}
		attempts.fd = credfd_from_child(become_session, &keyring);
		ASSERT_LE(0, attempts.fd);
		ASSERT_EQ(0, audit_enable(listener->sock, i != DISABLED));
		ASSERT_STREQ("fine", run(attempt_all, &attempts));
		ASSERT_EQ(i == RECORDED ? 4 : i == NOT_MATCHED ? 2 : 0,
			  listener_read(listener));

		ASSERT_TRUE(key_exists(*keyring));
		ASSERT_EQ(0, close(attempts.fd));
		while (key_exists(*keyring) && rounds--)
			usleep(100000);
		ASSERT_EQ(ENOKEY, errno)
			TH_LOG("case %d", i);
	}
}

TEST_HARNESS_MAIN
