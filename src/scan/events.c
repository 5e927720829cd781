/* SPDX-License-Identifier: MIT */
/* A ring for those who look, a queue for the audit log; see events.h. */
#include "scan/events.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "scan/crew.h"
#include "scan/gates/breaker.h"
#include "util/json.h"

enum {
	KEPT = 64,
	WAITING = 256, /* for the disk; what comes on top is counted, and the count recorded */
	BODY = 2048,
};

struct sb_events {
	sb_audit *audit;
	sb_clock *clock;
	sb_release *release;
	_Atomic(unsigned) waiting, lost;
	pthread_mutex_t lock; /* guards the rest */
	uint64_t count;
	sb_engine_event ring[KEPT];
};

struct record {
	sb_task task; /* first */
	sb_engine_event event;
};

/* --- On record ----------------------------------------------------------------------------- */

static const char *const causes[] = {
	[SB_BREAKER_CAUSE_NONE] = NULL,
	[SB_BREAKER_CAUSE_ROW] = "failures_in_a_row",
	[SB_BREAKER_CAUSE_RATE] = "failure_rate",
	[SB_BREAKER_CAUSE_PROBE] = "probe_failed",
	[SB_BREAKER_CAUSE_FATAL] = "authentication_failed",
	[SB_BREAKER_CAUSE_HAND] = "by_hand",
};

static void compose_change(sb_json *json, const sb_engine_event *event)
{
	sb_json_text(json, "what", "breaker");
	sb_json_text(json, "from", sb_breaker_phase_name(event->from));
	sb_json_text(json, "to", sb_breaker_phase_name(event->to));
	sb_json_text(json, "cause", event->by_hand ? "by_hand" : causes[event->cause]);
	if (event->open_ms >= 0)
		sb_json_int(json, "open_ms", event->open_ms);
	else
		sb_json_null(json, "open_ms");
	sb_json_text(json, "error", event->kind != SB_KIND_NONE ? sb_kind_name(event->kind) : NULL);
	sb_json_text(json, "message", event->kind != SB_KIND_NONE ? event->message : NULL);
	sb_json_uint(json, "change", event->change);
}

static void compose(sb_buf *buf, const sb_engine_event *event, unsigned lost)
{
	sb_json json = sb_json_on(buf);

	sb_json_text(&json, "engine", event->engine);
	if (event->replica[0] != '\0')
		sb_json_text(&json, "replica", event->replica);
	if (event->what == SB_EVENT_QUOTA) {
		sb_json_text(&json, "what", "quota");
		sb_json_text(&json, "message", event->message);
	} else {
		compose_change(&json, event);
	}
	if (lost > 0)
		sb_json_uint(&json, "lost", lost);
}

static void write_one(sb_events *events, const sb_engine_event *event)
{
	unsigned lost = atomic_exchange(&events->lost, 0);
	sb_audit_entry entry = {.event = "engine_state"};
	sb_buf buf;

	sb_buf_init(&buf, BODY * 4);
	compose(&buf, event, lost);
	entry.body = buf.data;
	entry.body_length = buf.length;
	/* No verdict hangs on it: the next record tells how many are missing. */
	if (buf.failed || sb_audit_append(events->audit, &entry, 1, NULL) < 0)
		atomic_fetch_add(&events->lost, lost + 1);
	sb_buf_done(&buf);
}

static void write_batch(void *data, sb_task *first)
{
	sb_events *events = data;

	while (first != NULL) {
		struct record *record = (struct record *)(void *)first;

		first = first->next;
		write_one(events, &record->event);
		atomic_fetch_sub(&events->waiting, 1);
		free(record);
	}
}

static void put_on_record(sb_events *events, const sb_engine_event *event)
{
	struct record *record;

	if (events->audit == NULL)
		return;
	record = atomic_fetch_add(&events->waiting, 1) < WAITING ? calloc(1, sizeof *record) : NULL;
	if (record == NULL) {
		atomic_fetch_sub(&events->waiting, 1);
		atomic_fetch_add(&events->lost, 1);
		return;
	}
	record->event = *event;
	sb_release_put(events->release, &record->task, false);
}

/* --- For those who look -------------------------------------------------------------------- */

int sb_events_open(sb_events **out, sb_audit *audit, sb_clock *clock, sb_error *error)
{
	sb_events *events = calloc(1, sizeof *events);
	int status;

	if (events == NULL)
		return sb_error_no_memory(error);
	events->audit = audit;
	events->clock = clock;
	status = sb_release_open(&events->release, write_batch, events, error);
	if (status < 0) {
		free(events);
		return status;
	}
	pthread_mutex_init(&events->lock, NULL);
	*out = events;
	return 0;
}

void sb_events_close(sb_events *events)
{
	if (events == NULL)
		return;
	sb_release_close(events->release);
	pthread_mutex_destroy(&events->lock);
	free(events);
}

void sb_events_put(sb_events *events, const sb_engine_event *event)
{
	sb_engine_event now = *event;

	now.wall = sb_clock_wall(events->clock);
	pthread_mutex_lock(&events->lock);
	events->ring[events->count++ % KEPT] = now;
	pthread_mutex_unlock(&events->lock);
	put_on_record(events, &now);
}

bool sb_events_next(sb_events *events, uint64_t *seen, sb_engine_event *out)
{
	bool there;

	pthread_mutex_lock(&events->lock);
	if (events->count > KEPT && *seen < events->count - KEPT)
		*seen = events->count - KEPT;
	there = *seen < events->count;
	if (there)
		*out = events->ring[(*seen)++ % KEPT];
	pthread_mutex_unlock(&events->lock);
	return there;
}
