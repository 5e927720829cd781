/* SPDX-License-Identifier: MIT */
/*
 * What happens to engines beside their calls: changes of a breaker, and an account of a quota that
 * was lost. Each is put on record (`engine_state`) by a thread of its own, so that nobody who
 * causes one waits for a disk, and the last ones are kept for whoever wants to tell people of them.
 */
#ifndef SB_SCAN_EVENTS_H
#define SB_SCAN_EVENTS_H

#include "audit/audit.h"
#include "scan/gates/breaker_state.h"
#include "util/clock.h"

typedef enum sb_event_what {
	SB_EVENT_BREAKER = 0,
	SB_EVENT_QUOTA, /* of what follows, only the message is of meaning */
} sb_event_what;

typedef struct sb_engine_event {
	sb_event_what what;
	char engine[64];
	char replica[192]; /* empty: the engine has none */
	uint64_t wall;     /* ns since the epoch; filled in by sb_events_put() */
	sb_breaker_phase from, to;
	sb_breaker_cause cause;
	uint32_t change;   /* number of the change, for this engine */
	bool by_hand;      /* somebody wanted it so */
	int64_t open_ms;   /* how long it will be open; -1: it won't be, or until further notice */
	sb_kind kind;      /* of the failure that led to it, or NONE */
	char message[256]; /* of that failure */
} sb_engine_event;

typedef struct sb_events sb_events;

/* @p audit: NULL without an audit log. */
int sb_events_open(sb_events **out, sb_audit *audit, sb_clock *clock, sb_error *error);
/* Puts on record what still waits; NULL is fine. */
void sb_events_close(sb_events *events);
/* From any thread; never blocks for the disk. */
void sb_events_put(sb_events *events, const sb_engine_event *event);
/* The next event after number @p seen (0: from the start), which it moves on; false when there
 * is none yet. Only the last 64 are kept. */
bool sb_events_next(sb_events *events, uint64_t *seen, sb_engine_event *out);

#endif
