/* SPDX-License-Identifier: MIT */
/* Starting a zygote and talking with it; its own side is zygote.c. */
#include "worker/pool_body.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/io.h"

enum { COMPILE_MS = 300000, FDS = 3 };

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

/* Its first word: ready, or why not. */
static int await_ready(sb_pool *pool, const sb_zygote *zygote, sb_error *error)
{
	struct pollfd event = {.fd = zygote->control, .events = POLLIN};
	sb_zygote_message word;
	int fd = -1, ready;

	do
		ready = poll(&event, 1, COMPILE_MS);
	while (ready < 0 && errno == EINTR);
	if (ready <= 0)
		return sb_error_set(error, SB_KIND_TIMEOUT, 0, "the worker did not come up in %d s",
			COMPILE_MS / 1000);
	if (!sb_zygote_hear(zygote, &word, &fd))
		return sb_error_set(error, SB_KIND_ENGINE_UNAVAILABLE, 0,
			"the worker ended before it was ready");
	sb_close(&fd);
	if (word.word != SB_ZYGOTE_READY)
		return sb_error_set(error,
			word.kind > 0 && word.kind < SB_KIND_COUNT_ ? (sb_kind)word.kind
								    : SB_KIND_INTERNAL,
			0, "%.*s", SB_ZYGOTE_TEXT - 1, word.text);
	if (pool->version[0] == '\0') { /* the first one's: the others are alike */
		pool->rules = word.rules;
		snprintf(pool->version, sizeof pool->version, "%.31s", word.text);
	}
	return 0;
}

int sb_zygote_start(sb_pool *pool, sb_zygote *out, sb_error *error)
{
	sb_zygote zygote = {.control = -1};
	int pair[2] = {-1, -1}, host = (int)syscall(SYS_pidfd_open, getpid(), 0), status;

	if (host >= 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0) {
		const int fds[] = {pair[1], pool->bundle, host};
		sb_child_plan plan = SB_CHILD_PLAN(pool->name);

		plan.program = pool->program;
		plan.fds = fds;
		plan.count = sizeof fds / sizeof fds[0];
		zygote.control = pair[0];
		status = sb_child_start(&zygote.kept, &plan, error);
	} else {
		status = sb_error_set(error, SB_KIND_INTERNAL, errno, "prepare to start a worker");
	}
	sb_close(&host);
	sb_close(&pair[1]);
	if (status == 0)
		status = await_ready(pool, &zygote, error);
	if (status < 0)
		sb_zygote_stop(&zygote);
	else
		*out = zygote;
	return status;
}

void sb_zygote_stop(sb_zygote *zygote)
{
	sb_close(&zygote->control);
	(void)sb_child_join(zygote->kept);
	zygote->kept = NULL;
}
