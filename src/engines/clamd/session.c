/* SPDX-License-Identifier: MIT */
/*
 * One request over one link. Sending and listening go together: clamd may answer (and hang up)
 * before it has read everything, and its reason is then the only thing worth knowing.
 *
 *   piece by piece:  listen without waiting ─ something came ─► stop sending
 *                    send, waiting for room or an answer ─ EPIPE, reset ─► stop sending
 *   then:            receive up to the terminator; outside a session up to the end of the link
 *
 * What counts as answered is decided here; what the answer means, in wire/clamd_reply.c.
 */
#include "engines/clamd/clamd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "util/error.h"

/* The state of one request. */
typedef struct exchange {
	sb_clamd_link *link;
	sb_clamd_request *request;
	const char *where;
	const sb_net_wait *wait;
	sb_clamd_reply *reply;
	bool ended; /* clamd will send no more */
	bool heard; /* a byte of the reply has come */
	bool early; /* and it came, or the link ended, before everything was sent */
} exchange;

/* --- Listening ---------------------------------------------------------------------------- */

/* Enough to judge: the whole reply and, outside a session, nothing behind it. An early reply is
 * odd enough without waiting for the end. */
static bool answered(const exchange *x)
{
	const sb_clamd_reply *reply = x->reply;

	return x->ended || reply->too_long || reply->extra > 0 ||
	       (reply->whole && (x->link->session || x->early));
}

/* Take what is there. False when nothing is. */
static bool listen_once(exchange *x)
{
	char bytes[1024];
	ssize_t n;

	do
		n = recv(x->link->net.fd, bytes, sizeof bytes, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		sb_clamd_reply_feed(x->reply, bytes, (size_t)n);
		x->heard = true;
		return true;
	}
	if (n < 0 && errno == EAGAIN)
		return false;
	/* the end, or a reset: what came before it still counts */
	x->ended = true;
	return true;
}

static int listen_to_end(exchange *x, sb_error *error)
{
	while (!answered(x)) {
		int status = sb_net_await(
			x->wait, x->link->net.fd, POLLIN, x->where, "waiting for its reply", error);

		if (status != 0)
			return status;
		listen_once(x);
	}
	return 0;
}

/* --- Sending ------------------------------------------------------------------------------ */

/* Take @p n sent bytes off the front. */
static void advance(struct msghdr *message, size_t n)
{
	while (message->msg_iovlen > 0 && n >= message->msg_iov->iov_len) {
		n -= message->msg_iov->iov_len;
		message->msg_iov++;
		message->msg_iovlen--;
	}
	if (message->msg_iovlen > 0) {
		message->msg_iov->iov_base = (char *)message->msg_iov->iov_base + n;
		message->msg_iov->iov_len -= n;
	}
}

/*
 * Send all of @p message: 1, or 0 when clamd answered or hung up before the end of it, or -kind.
 * A descriptor goes out with the first byte and only once.
 */
static int send_piece(exchange *x, struct msghdr *message, sb_error *error)
{
	if (listen_once(x))
		return 0;
	while (message->msg_iovlen > 0) {
		ssize_t n = sendmsg(x->link->net.fd, message, MSG_NOSIGNAL | MSG_DONTWAIT);
		int status;

		if (n >= 0) {
			x->request->delivered = true;
			advance(message, (size_t)n);
			message->msg_control = NULL;
			message->msg_controllen = 0;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EPIPE || errno == ECONNRESET)
			return 0; /* the reason may wait to be read */
		if (errno != EAGAIN)
			return sb_error_set(
				error, SB_KIND_CONNECTION_FAILED, errno, "%s: send", x->where);
		status = sb_net_await(
			x->wait, x->link->net.fd, POLLIN | POLLOUT, x->where, "sending", error);
		if (status != 0)
			return status;
		if (listen_once(x))
			return 0;
	}
	return 1;
}

/* What begins a request: the session, if it is new, and the command. */
static struct iovec opening(const sb_clamd_link *link, sb_clamd_command command)
{
	static const struct {
		const char *fresh, *used;
		size_t fresh_length, used_length;
	} words[] = {
#define WORDS(word) {"zIDSESSION\0z" word, "z" word, sizeof("zIDSESSION\0z" word), sizeof("z" word)}
		[SB_CLAMD_PING] = WORDS("PING"),
		[SB_CLAMD_VERSION] = WORDS("VERSION"),
		[SB_CLAMD_INSTREAM] = WORDS("INSTREAM"),
		/* one byte behind it carries the descriptor */
		[SB_CLAMD_FILDES] = WORDS("FILDES\0"),
#undef WORDS
	};
	bool fresh = link->session && link->net.requests == 0;
	const char *text = fresh ? words[command].fresh : words[command].used;

	return (struct iovec){(char *)(uintptr_t)text,
		fresh ? words[command].fresh_length : words[command].used_length};
}

static int send_command(exchange *x, sb_clamd_request *request, sb_error *error)
{
	struct iovec start = opening(x->link, request->command);
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr message = {.msg_iov = &start, .msg_iovlen = 1};

	if (request->command == SB_CLAMD_FILDES) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_LEN(sizeof(int));
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(&control.header), &request->fd, sizeof(int));
	}
	return send_piece(x, &message, error);
}

/* The next chunk: in the content's memory, or read into @p buffer. 0 at the end. */
static int64_t next_chunk(const sb_clamd_request *request, const void *memory, size_t size,
	void *buffer, const void **data, sb_error *error)
{
	if (memory == NULL) {
		*data = buffer;
		return sb_call_read(request->call, request->sent, buffer, request->chunk, error);
	}
	*data = (const char *)memory + request->sent;
	size -= (size_t)request->sent;
	return (int64_t)(size < request->chunk ? size : request->chunk);
}

/* Command, chunks and end. Header and data of a chunk go out together: anything else ends in
 * clamd reading data as a length. */
static int send_chunks(exchange *x, sb_clamd_request *request, void *buffer, sb_error *error)
{
	struct iovec start = opening(x->link, SB_CLAMD_INSTREAM);
	static const uint32_t end;
	size_t size = 0;
	const void *memory = sb_call_memory(request->call, &size), *data;
	bool last = false;

	while (!last) {
		int64_t n = next_chunk(request, memory, size, buffer, &data, error);
		uint32_t header = htonl((uint32_t)n);
		struct iovec parts[4];
		struct msghdr message = {.msg_iov = parts};
		int status;

		if (n < 0)
			return (int)n;
		last = request->sent + (uint64_t)n >= sb_call_size(request->call) || n == 0;
		if (start.iov_len > 0)
			parts[message.msg_iovlen++] = start;
		start.iov_len = 0;
		if (n > 0) {
			parts[message.msg_iovlen++] = (struct iovec){&header, sizeof header};
			parts[message.msg_iovlen++] =
				(struct iovec){(void *)(uintptr_t)data, (size_t)n};
		}
		if (last)
			parts[message.msg_iovlen++] =
				(struct iovec){(void *)(uintptr_t)&end, sizeof end};
		status = send_piece(x, &message, error);
		if (status != 1)
			return status;
		request->sent += (uint64_t)n;
	}
	return 1;
}

static int send_stream(exchange *x, sb_clamd_request *request, sb_error *error)
{
	size_t size;
	void *buffer = NULL;
	int status;

	if (sb_call_memory(request->call, &size) == NULL) {
		buffer = malloc(request->chunk);
		if (buffer == NULL)
			return sb_error_no_memory(error);
	}
	status = send_chunks(x, request, buffer, error);
	free(buffer);
	return status;
}

int sb_clamd_ask(sb_clamd_link *link, const char *where, sb_clamd_request *request,
	const sb_net_wait *wait, sb_clamd_reply *reply, sb_error *error)
{
	exchange x = {
		.link = link, .request = request, .where = where, .wait = wait, .reply = reply};
	bool used = link->net.requests > 0;
	int status;

	request->sent = 0;
	request->complete = request->stale = false;
	sb_clamd_reply_begin(reply, request->command, link->session ? link->net.requests + 1 : 0);
	status = request->command == SB_CLAMD_INSTREAM ? send_stream(&x, request, error)
						       : send_command(&x, request, error);
	if (status < 0)
		return status;
	request->complete = status == 1;
	x.early = !request->complete;
	status = listen_to_end(&x, error);
	if (status != 0)
		return status;
	/* clamd may end an idle session just when we begin to use it */
	request->stale = used && (!x.heard || reply->timed_out);
	link->net.requests++;
	return 0;
}
