/* SPDX-License-Identifier: MIT */
/*
 * The audit log, format v1.
 *
 * One JSON object a line, at most 8 KiB with its newline, members in this order:
 *
 *   {"seq":7,                    one higher than the record before; a log begins with 1
 *    "time":"2026-11-22T08:00:00.000Z",          informative: clocks step
 *    "event":"scan_completed",   [a-z0-9_-]{1,32}
 *    "prev":"<64 hex>",          hash of the record before; of nothing: 64 zeros
 *    "hash":"<64 hex>",          SHA-256 of the line, without newline and `"hash":"…",`
 *    "writer":"4711-09ab34cd",   the process: its pid and a random number
 *    "durable":6,                highest seq that the writer knew to be on disk; 0: none
 *    …}                          the event's own members
 *
 * Seq begins with 1, so that 0 can say "none" in `durable` and in a report's audit_seq.
 * `durable` is below seq and never falls. The first record of a file is
 *
 *   log_opened   "format":1, "log_id":"<uuid>", "algorithm":"sha256",
 *                "previous":"<64 hex>"|null      the head that this file continues (= prev)
 *                "voids":{"from_seq","from_offset"}   only after a failed flush: the tail of
 *                the file before, kept as <name>.<seq>, that this one takes the place of
 *   log_recovered   "offset", "length", "last_seq", "reason"   what was cut after a crash
 *
 * Files: line.c one line; verify.c following a chain; state.c what is known to be on disk
 * (<log>.state); file.c, recover.c, rotate.c the log as a file of several processes; and this
 * one: threads. The first thread that comes leads: it takes all that wait, writes them in one
 * go and flushes once; whoever comes meanwhile makes the next group, whose first becomes its
 * leader. Nobody waits longer than for the flush that runs and the one after it, and under
 * load the groups grow by themselves.
 *
 * An sb_audit must not be used on both sides of a fork(): the lock is the descriptor's.
 */
#include "audit/audit.h"

#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit_own.h"
#include "audit/line.h"
#include "util/text.h"

enum request_state { WAITING, LEADING, DONE };

/* One sb_audit_append() in progress, on its caller's stack. */
struct request {
	enum request_state state;
	sb_audit_entry *entries;
	size_t count, bytes; /* at most */
	sb_error *error;
	int status;
	sem_t changed; /* posted once, when state leaves WAITING */
	struct request *next;
};

struct sb_audit {
	pthread_mutex_t lock;          /* guards the queue */
	struct request *first, **last; /* waiting */
	bool led;                      /* somebody writes */
	pthread_mutex_t turn;          /* without a flush to share: one after the other */
	/* The leader's, who needs no lock: */
	sb_audit_file file;
	sb_buf lines;
};

/* A group's lines stay below this, unless one request alone is larger. */
enum { GROUP_MAX = 1 << 20, LINES_MAX = 256 << 20 };

int sb_audit_open_with(sb_audit **out, const sb_audit_options *options, const sb_audit_io *io,
	sb_audit_recovery *recovery, sb_error *error)
{
	sb_audit *audit = calloc(1, sizeof *audit);
	pthread_mutexattr_t spinning;
	int status;

	if (audit == NULL)
		return sb_error_no_memory(error);
	status = sb_audit_file_open(&audit->file, options, io, error);
	if (status != 0) {
		free(audit);
		return status;
	}
	pthread_mutex_init(&audit->lock, NULL);
	pthread_mutexattr_init(&spinning);
	pthread_mutexattr_settype(&spinning, PTHREAD_MUTEX_ADAPTIVE_NP);
	pthread_mutex_init(&audit->turn, &spinning);
	pthread_mutexattr_destroy(&spinning);
	audit->last = &audit->first;
	sb_buf_init(&audit->lines, LINES_MAX);
	if (recovery != NULL)
		*recovery = audit->file.recovery;
	*out = audit;
	return 0;
}

int sb_audit_open(sb_audit **out, const sb_audit_options *options, sb_audit_recovery *recovery,
	sb_error *error)
{
	return sb_audit_open_with(out, options, &sb_audit_system_io, recovery, error);
}

void sb_audit_close(sb_audit *audit)
{
	if (audit == NULL)
		return;
	sb_audit_file_close(&audit->file);
	sb_buf_done(&audit->lines);
	pthread_mutex_destroy(&audit->turn);
	pthread_mutex_destroy(&audit->lock);
	free(audit);
}

/* --- The leader's work -------------------------------------------------------------------- */

static void add_lines(sb_audit *audit, const struct request *group, sb_audit_head *head)
{
	char time[SB_TIME_SIZE];

	sb_audit_file_time(&audit->file, time);
	sb_buf_clear(&audit->lines);
	for (; group != NULL; group = group->next)
		for (size_t i = 0; i < group->count; i++) {
			sb_audit_entry *entry = &group->entries[i];
			sb_audit_parts parts = {.time = time,
				.writer = audit->file.writer,
				.event = entry->event,
				.body = entry->body,
				.body_length = entry->body_length};

			sb_audit_line_add(&audit->lines, head, &parts);
			entry->seq = head->seq;
		}
}

static int commit(sb_audit *audit, const struct request *group, sb_error *error)
{
	sb_audit_file *file = &audit->file;
	sb_audit_head head;
	int status = sb_audit_file_begin(file, error);

	if (status != 0)
		return status;
	head = file->head;
	add_lines(audit, group, &head);
	status = sb_audit_file_write(file, &audit->lines, &head, error);
	sb_audit_file_end(file);
	return status == 0 ? sb_audit_file_flush(file, error) : status;
}

/* Called with the lock: take what waits, up to a bound, out of the queue. */
static struct request *take_group(sb_audit *audit)
{
	struct request *group = audit->first, **end = &audit->first;
	size_t bytes = 0;

	do {
		bytes += (*end)->bytes;
		end = &(*end)->next;
	} while (*end != NULL && audit->file.sync != SB_AUDIT_SYNC_EACH &&
		 bytes + (*end)->bytes <= GROUP_MAX);
	audit->first = *end;
	if (audit->first == NULL)
		audit->last = &audit->first;
	*end = NULL;
	return group;
}

static void answer(struct request *request, int status, const sb_error *error)
{
	request->status = status;
	if (status != 0) {
		for (size_t i = 0; i < request->count; i++)
			request->entries[i].seq = 0;
		if (request->error != NULL)
			sb_error_copy(request->error, error);
	}
}

static void wake(struct request *request, enum request_state state)
{
	request->state = state;
	sem_post(&request->changed); /* from here on it is its owner's again */
}

/* Lead the group that begins with @p own. The next leader is appointed before the group is
 * answered: it writes while these threads wake up, who need no lock for that. */
static void lead(sb_audit *audit, struct request *own)
{
	struct request *group, *next;
	sb_error error;
	int status;

	pthread_mutex_lock(&audit->lock);
	group = take_group(audit);
	pthread_mutex_unlock(&audit->lock);
	sb_error_init(&error);
	status = commit(audit, group, &error);

	pthread_mutex_lock(&audit->lock);
	audit->led = audit->first != NULL;
	next = audit->first;
	pthread_mutex_unlock(&audit->lock);
	if (next != NULL)
		wake(next, LEADING);
	for (; group != NULL; group = next) {
		next = group->next;
		answer(group, status, &error);
		if (group != own)
			wake(group, DONE);
	}
}

static int check(struct request *request)
{
	for (size_t i = 0; i < request->count; i++) {
		sb_audit_entry *entry = &request->entries[i];

		if (!sb_audit_parts_ok(entry->event, entry->body, entry->body_length))
			return sb_error_set(request->error, SB_KIND_INTERNAL, 0,
				"audit record %.64s of %zu bytes is malformed or over 8 KiB",
				entry->event, entry->body_length);
		request->bytes += entry->body_length + 512;
	}
	if (request->bytes > LINES_MAX / 2)
		return sb_error_set(request->error, SB_KIND_INTERNAL, 0,
			"%zu audit records at once are too many", request->count);
	return 0;
}

/* A write takes a few microseconds: handing it to a leader and being woken would take longer. */
static int append_alone(sb_audit *audit, struct request *request)
{
	sb_error error;
	int status;

	sb_error_init(&error);
	pthread_mutex_lock(&audit->turn);
	status = commit(audit, request, &error);
	pthread_mutex_unlock(&audit->turn);
	answer(request, status, &error);
	return status;
}

int sb_audit_append(sb_audit *audit, sb_audit_entry *entries, size_t count, sb_error *error)
{
	struct request request = {.entries = entries, .count = count, .error = error};
	int status = check(&request);
	bool leads;

	if (status != 0 || count == 0)
		return status;
	if (audit->file.sync == SB_AUDIT_SYNC_NONE)
		return append_alone(audit, &request);
	sem_init(&request.changed, 0, 0);
	pthread_mutex_lock(&audit->lock);
	*audit->last = &request;
	audit->last = &request.next;
	if (!audit->led)
		request.state = LEADING;
	audit->led = true;
	leads = request.state == LEADING;
	pthread_mutex_unlock(&audit->lock);
	while (!leads && sem_wait(&request.changed) != 0)
		; /* EINTR */
	if (request.state == LEADING)
		lead(audit, &request);
	sem_destroy(&request.changed);
	return request.status;
}
