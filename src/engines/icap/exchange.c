/* SPDX-License-Identifier: MIT */
/*
 * One request over one link. Sending and listening go together: a server may answer (and hang up)
 * before it has read everything, and one that echoes a large message may send it back while it
 * still comes in.
 *
 *   take what is there ─ a verdict is certain ─► stop, whatever is still under way
 *   send what there is room for ─ the other side reads no more ─► only listen
 *   else wait for either
 *
 * Content goes out in chunks, as it is read; with a preview (RFC 3507 4.5) up to its end, and the
 * rest after `100 Continue`. An echo is compared with the content while it comes in, so that
 * nothing has to be kept and the first byte that differs ends it.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "engines/icap/icap.h"
#include "util/error.h"
#include "util/text.h"

typedef struct exchange {
	sb_icap_link *link;
	const char *where;
	const sb_net_wait *wait;
	sb_icap_exchange *e;
	const char *memory; /* the content, when it is in memory */
	/* sending */
	size_t at, length;     /* of link->out */
	uint64_t offset, stop; /* next byte of the content; where to pause or end */
	bool last_written;     /* the last chunk, or the preview's, is in link->out */
	bool resumed;          /* the rest after the preview */
	bool deaf;             /* the other side reads no more */
	/* listening */
	bool heard, over, same;
	uint64_t compared;
} exchange;

/* --- Sending ------------------------------------------------------------------------------------
 */

static sb_icap_sent sent(const exchange *x)
{
	if (!x->last_written || x->at < x->length)
		return SB_ICAP_SENT_PART;
	return x->stop == x->e->request.size ? SB_ICAP_SENT_ALL : SB_ICAP_SENT_PREVIEW;
}

static int read_content(exchange *x, uint64_t offset, char *out, size_t length, sb_error *error)
{
	if (x->memory != NULL) {
		memcpy(out, x->memory + offset, length);
		return 0;
	}
	while (length > 0) {
		int64_t n = sb_call_read(x->e->call, offset, out, length, error);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return sb_error_set(error, SB_KIND_CHANGED, 0,
				"the content became shorter while it was scanned");
		out += n;
		offset += (uint64_t)n;
		length -= (size_t)n;
	}
	return 0;
}

static void put(exchange *x, const char *text)
{
	size_t length = strlen(text);

	memcpy(x->link->out + x->length, text, length);
	x->length += length;
}

/* The next chunk behind what link->out holds, and the last one behind the content's end. */
static int put_chunk(exchange *x, sb_error *error)
{
	uint64_t left = x->stop - x->offset;
	size_t n = left < SB_ICAP_CHUNK ? (size_t)left : SB_ICAP_CHUNK;
	char header[24];
	int status;

	if (n > 0) {
		snprintf(header, sizeof header, "%zx\r\n", n);
		put(x, header);
		status = read_content(x, x->offset, x->link->out + x->length, n, error);
		if (status != 0)
			return status;
		x->length += n;
		x->offset += n;
		put(x, "\r\n");
	}
	if (x->offset < x->stop)
		return 0;
	put(x, x->e->request.preview != SB_ICAP_NO_PREVIEW && !x->resumed &&
				x->stop == x->e->request.size
			? "0; ieof\r\n\r\n"
			: "0\r\n\r\n");
	x->last_written = true;
	return 0;
}

/* 1: something went out; 0: wait for @p events, or there is nothing to send. */
static int send_some(exchange *x, short *events, sb_error *error)
{
	ssize_t n;
	int status;

	*events = 0;
	if (x->deaf)
		return 0;
	if (x->at == x->length && x->last_written)
		return 0;
	if (x->at == x->length) {
		x->at = x->length = 0;
		status = put_chunk(x, error);
		if (status != 0)
			return status;
	}
	n = sb_icap_link_send(x->link, x->link->out + x->at, x->length - x->at, events);
	if (n == SB_ICAP_WAIT)
		return 0;
	if (n == SB_ICAP_GONE) {
		x->deaf = true; /* the reason may wait to be read */
		*events = 0;
		return 0;
	}
	x->at += (size_t)n;
	return 1;
}

/* --- Listening -----------------------------------------------------------------------------------
 */

static void conclude(exchange *x)
{
	x->over = true;
}

static void broken(exchange *x, const char *why)
{
	sb_icap_judge_broken(&x->link->reply, why, &x->e->verdict);
	conclude(x);
}

/* The same bytes as ours at this place? */
static int compare(exchange *x, sb_icap_span data, sb_error *error)
{
	char ours[4096];

	if (data.length > x->e->request.size - x->compared)
		x->same = false;
	while (x->same && data.length > 0) {
		size_t n = data.length < sizeof ours ? data.length : sizeof ours;
		int status = read_content(x, x->compared, ours, n, error);

		if (status != 0)
			return status;
		x->same = memcmp(ours, data.text, n) == 0;
		x->compared += n;
		data.text += n;
		data.length -= n;
	}
	if (!x->same) {
		sb_icap_judge_end(&x->link->reply, false, sent(x), &x->e->verdict);
		conclude(x);
	}
	return 0;
}

static void head_came(exchange *x)
{
	const sb_icap_reply *reply = &x->link->reply;
	sb_icap_verdict *verdict = &x->e->verdict;

	if (reply->status == 100) {
		if (sent(x) != SB_ICAP_SENT_PREVIEW || x->resumed)
			broken(x, "100 Continue that nobody waits for");
		return;
	}
	sb_icap_judge_head(reply, sent(x), verdict);
	x->e->previewed = sent(x) == SB_ICAP_SENT_PREVIEW;
	if (x->e->call == NULL && reply->status == 200)
		*verdict = (sb_icap_verdict){.certain = true, .outcome = SB_OUTCOME_CLEAN};
	else if (x->e->call == NULL && verdict->outcome == SB_OUTCOME_CLEAN)
		broken(x, "OPTIONS answered with 204");
	if (verdict->certain && verdict->outcome != SB_OUTCOME_CLEAN)
		conclude(x);
}

static void reply_ended(exchange *x)
{
	sb_icap_reply *reply = &x->link->reply;
	bool same = x->same && x->compared == x->e->request.size;

	if (reply->status == 100) {
		sb_icap_reply_begin(reply, x->e->request.method);
		x->resumed = true;
		x->last_written = false;
		x->stop = x->e->request.size;
		return;
	}
	if (!x->e->verdict.certain)
		sb_icap_judge_end(reply, same, sent(x), &x->e->verdict);
	x->e->reusable = x->e->verdict.outcome == SB_OUTCOME_CLEAN && !reply->closing &&
			 !reply->unread && !x->e->request.close;
	conclude(x);
}

/* One event of the parser. False: it needs more bytes. */
static bool take_event(exchange *x, sb_icap_span *bytes, int *status, sb_error *error)
{
	sb_icap_span data;
	sb_icap_verdict *verdict = &x->e->verdict;

	switch (sb_icap_reply_next(&x->link->reply, bytes, &data)) {
	case SB_ICAP_MORE:
		return false;
	case SB_ICAP_HEAD:
		head_came(x);
		return true;
	case SB_ICAP_INNER:
		sb_icap_judge_inner(&x->link->reply, &x->link->message, verdict);
		if (verdict->certain)
			conclude(x);
		return true;
	case SB_ICAP_DATA:
		*status = compare(x, data, error);
		return true;
	case SB_ICAP_END:
		reply_ended(x);
		/* what nobody asked for makes the whole reply doubtful */
		if (x->over && bytes->length > 0 && verdict->outcome == SB_OUTCOME_CLEAN &&
			!x->link->reply.unread)
			broken(x, "more behind the reply's end");
		return true;
	case SB_ICAP_WRONG:
	default:
		broken(x, x->link->reply.why);
		return true;
	}
}

/* 1: something came; 0: wait for @p events. */
static int receive_some(exchange *x, short *events, sb_error *error)
{
	char buffer[16384];
	ssize_t n = sb_icap_link_receive(x->link, buffer, sizeof buffer, events);
	sb_icap_span bytes = {buffer, n > 0 ? (size_t)n : 0};
	int status = 0;

	if (n == SB_ICAP_WAIT)
		return 0;
	if (n == SB_ICAP_GONE) {
		broken(x, NULL);
		return 1;
	}
	x->heard = true;
	while (status == 0 && !x->over && take_event(x, &bytes, &status, error))
		continue;
	return status < 0 ? status : 1;
}

/* --- Both
 * ------------------------------------------------------------------------------------------ */

static int begin(exchange *x, sb_error *error)
{
	sb_icap_exchange *e = x->e;
	sb_buf head;
	size_t size;

	sb_buf_init(&head, SB_ICAP_HEADS_MAX);
	sb_icap_request_head(&head, &e->request);
	if (head.failed ||
		(e->call != NULL && !sb_icap_request_message(&x->link->message, &e->request))) {
		sb_buf_done(&head);
		return sb_error_no_memory(error);
	}
	memcpy(x->link->out, head.data, head.length);
	x->length = head.length;
	sb_buf_done(&head);
	sb_icap_reply_begin(&x->link->reply, e->request.method);
	if (e->call == NULL) {
		x->last_written = true;
		return 0;
	}
	x->memory = sb_call_memory(e->call, &size);
	x->stop = e->request.size;
	if (e->request.preview != SB_ICAP_NO_PREVIEW && (uint64_t)e->request.preview < x->stop)
		x->stop = (uint64_t)e->request.preview;
	return put_chunk(x, error);
}

static int run(exchange *x, sb_error *error)
{
	while (!x->over) {
		short in, out;
		int came = receive_some(x, &in, error);
		int went = came == 0 ? send_some(x, &out, error) : 0;
		int status = came < 0 ? came : went;

		if (status < 0)
			return status;
		if (came > 0 || went > 0)
			continue;
		status = sb_net_await(x->wait, x->link->net.fd, in | out, x->where,
			out != 0 ? "sending" : "waiting for its reply", error);
		if (status != 0)
			return status;
	}
	return 0;
}

int sb_icap_ask(sb_icap_link *link, const char *where, sb_icap_exchange *e, const sb_net_wait *wait,
	sb_error *error)
{
	exchange x = {.link = link, .where = where, .wait = wait, .e = e, .same = true};
	int status;

	e->stale = e->reusable = e->previewed = false;
	status = begin(&x, error);
	if (status == 0)
		status = run(&x, error);
	/* it may end an idle connection just when we begin to use it */
	e->bytes = x.offset;
	e->stale = status == 0 && link->net.requests > 0 && !x.heard;
	link->net.requests++;
	return status;
}

int sb_icap_fail(const char *where, const sb_icap_verdict *verdict, sb_error *error)
{
	size_t shown = verdict->text.length < 200 ? verdict->text.length : 200;
	sb_buf words;
	int status;

	sb_buf_init(&words, 4096);
	sb_escape(&words, verdict->text.text, shown);
	status = sb_error_set(error, verdict->kind, 0, "%s: %s", where,
		words.data != NULL ? words.data : "an empty answer");
	sb_buf_done(&words);
	if (verdict->retry_after_ms >= 0)
		sb_error_set_retry_after_ms(error, verdict->retry_after_ms);
	return status;
}
