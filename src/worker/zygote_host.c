/* SPDX-License-Identifier: MIT */
/* Starting a zygote and talking with it; its own side is zygote.c. */
#include "worker/pool_body.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/io.h"

enum { COMPILE_MS = 300000, END_MS = 5000, EARLY_END_MS = 200, FDS = 3 };

bool sb_zygote_hear(const sb_zygote *zygote, sb_zygote_message *message, int *fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec bytes = {message, sizeof *message};
	struct msghdr packet = {.msg_iov = &bytes,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof control.room};
	struct cmsghdr *head;
	ssize_t n;

	memset(message, 0, sizeof *message);
	do
		n = recvmsg(zygote->control, &packet, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	message->text[sizeof message->text - 1] = '\0';
	head = n > 0 ? CMSG_FIRSTHDR(&packet) : NULL;
	*fd = -1;
	if (head != NULL && head->cmsg_len == CMSG_LEN(sizeof *fd))
		memcpy(fd, CMSG_DATA(head), sizeof *fd);
	return n >= (ssize_t)offsetof(sb_zygote_message, text);
}

bool sb_zygote_order(const sb_zygote *zygote, uint32_t id, int contents, int control, int socket)
{
	const sb_zygote_message order = {.word = SB_ZYGOTE_FORK, .id = id};
	const int fds[FDS] = {contents, control, socket};
	union {
		char room[CMSG_SPACE(sizeof fds)];
		struct cmsghdr align;
	} space = {{0}};
	struct iovec bytes = {(void *)(uintptr_t)&order, offsetof(sb_zygote_message, text) + 1};
	struct msghdr packet = {.msg_iov = &bytes,
		.msg_iovlen = 1,
		.msg_control = space.room,
		.msg_controllen = sizeof space.room};
	struct cmsghdr *head = &space.align;
	ssize_t n;

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof fds);
	memcpy(CMSG_DATA(head), fds, sizeof fds);
	do
		n = sendmsg(zygote->control, &packet, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n > 0;
}

/* The control socket was closed: how did it end? */
static int ended_early(sb_zygote *zygote, sb_error *error)
{
	int status = sb_child_end_within(zygote->kept, EARLY_END_MS);
	char how[64] = "";

	zygote->kept = NULL;
	if (WIFSIGNALED(status))
		snprintf(how, sizeof how, ", of signal %d (%s)", WTERMSIG(status),
			sigabbrev_np(WTERMSIG(status)) != NULL ? sigabbrev_np(WTERMSIG(status))
							       : "?");
	else
		snprintf(how, sizeof how, ", with status %d", WEXITSTATUS(status));
	return sb_error_set(error, SB_KIND_ENGINE_UNAVAILABLE, 0,
		"the worker ended before it was ready%s", how);
}

/* What a plugin says of itself: the message may have been written by it. */
static void keep_guest(sb_pool_guest *guest, const sb_zygote_message *word)
{
	guest->identity = word->identity;
	guest->identity.engine_version[sizeof guest->identity.engine_version - 1] = '\0';
	guest->identity.signature_version[sizeof guest->identity.signature_version - 1] = '\0';
	if (guest->identity.exactness > SB_EXACT_FULL)
		guest->identity.exactness = SB_EXACT_NONE;
	guest->max_size = word->max_size;
	guest->assurance = word->assurance == SB_ASSURANCE_ANTIVIRUS ? SB_ASSURANCE_ANTIVIRUS
			   : word->assurance == SB_ASSURANCE_HASH    ? SB_ASSURANCE_HASH
								     : SB_ASSURANCE_RULES;
}

/* Whatever a plugin made of the message: it is no failure of ours. */
static int refused(const sb_zygote_message *word, sb_error *error)
{
	if (word->word != SB_ZYGOTE_FAILED || word->kind == SB_KIND_NONE ||
		word->kind >= SB_KIND_COUNT_)
		return sb_error_set(error, SB_KIND_PROTOCOL_ERROR, 0,
			"the worker said something that can't be understood");
	return sb_error_set(error,
		word->kind == SB_KIND_INTERNAL ? SB_KIND_ENGINE_UNAVAILABLE : (sb_kind)word->kind,
		0, "%.*s", SB_ZYGOTE_TEXT - 1, word->text);
}

/* Its first word: ready, or why not. */
static int await_ready(sb_pool *pool, sb_zygote *zygote, int compiled, sb_error *error)
{
	struct pollfd event = {.fd = zygote->control, .events = POLLIN};
	int patience = pool->options.start_ms > 0 ? (int)pool->options.start_ms : COMPILE_MS;
	sb_zygote_message word;
	int fd = -1, ready;

	do
		ready = poll(&event, 1, patience);
	while (ready < 0 && errno == EINTR);
	if (ready <= 0)
		return sb_error_set(error, SB_KIND_TIMEOUT, 0,
			"the worker did not come up in %.3g s", patience / 1000.0);
	if (!sb_zygote_hear(zygote, &word, &fd))
		return ended_early(zygote, error);
	sb_close(&fd);
	if (word.word != SB_ZYGOTE_READY)
		return refused(&word, error);
	if (pool->version[0] == '\0') { /* the first one's: the others are alike */
		pool->rules = word.rules;
		snprintf(pool->version, sizeof pool->version, "%.31s", word.text);
	}
	keep_guest(&zygote->guest, &word);
	if (word.compiled != 0)
		sb_compiled_keep(&pool->compiled, pool->identity, compiled);
	return 0;
}

int sb_zygote_start(sb_pool *pool, sb_zygote *out, sb_error *error)
{
	sb_zygote zygote = {.control = -1};
	int pair[2] = {-1, -1}, host = (int)syscall(SYS_pidfd_open, getpid(), 0), status;
	int compiled = sb_compiled_lend(&pool->compiled, pool->identity);

	if (host >= 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0) {
		const int last = pool->plugin >= 0 ? pool->plugin : compiled;
		const int fds[] = {pair[1], pool->bundle, host, last};
		sb_child_plan plan = SB_CHILD_PLAN(pool->name);

		plan.program = pool->program;
		plan.fds = fds;
		plan.count = last >= 0 ? 4 : 3;
		plan.tethered = true;
		zygote.control = pair[0];
		status = sb_child_start(&zygote.kept, &plan, error);
	} else {
		status = sb_error_set(error, SB_KIND_INTERNAL, errno, "prepare to start a worker");
	}
	sb_close(&host);
	sb_close(&pair[1]);
	if (status == 0)
		status = await_ready(pool, &zygote, compiled, error);
	sb_close(&compiled);
	if (status < 0) {
		(void)sb_child_end_within(zygote.kept, 0); /* it had its time */
		sb_close(&zygote.control);
	} else {
		*out = zygote;
	}
	return status;
}

void sb_zygote_stop(sb_zygote *zygote)
{
	sb_close(&zygote->control);
	(void)sb_child_end_within(zygote->kept, END_MS);
	zygote->kept = NULL;
}
