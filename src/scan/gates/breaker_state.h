/* SPDX-License-Identifier: MIT */
/*
 * A circuit breaker as a pure state machine: no clock, no dice, no lock, no allocation. Whoever
 * has it brings the time and the dice (see breaker.c) and keeps others out.
 *
 *              failures in a row, or too large a share
 *     closed ──────────────────────────────────────────► open ◄─────────┐
 *        ▲                                                │ its time is │ a probe
 *        │                                                ▼ over        │ fails
 *        └──────────────────────────────────────────── half-open ───────┘
 *                  success_threshold probes succeed
 *
 * A call that is let in gets a pass, and the pass comes back, whatever became of the call: a
 * probe's slot can't get lost. A pass carries the number of the phase it was given in (`era`),
 * so that a late answer says nothing about a later phase.
 */
#ifndef SB_SCAN_GATES_BREAKER_STATE_H
#define SB_SCAN_GATES_BREAKER_STATE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct sb_breaker_rules {
	bool automatic;                /* false: opened by hand only (preset off) */
	unsigned failure_threshold;    /* opens after so many in a row … */
	unsigned failure_rate;         /* … or when so many percent (0: any) … */
	unsigned minimum_calls;        /* … of at least so many calls … */
	uint64_t window_ns;            /* … in this time failed */
	uint64_t slow_ns;              /* a call that lasts longer counts as failed; 0: none */
	unsigned success_threshold;    /* closes after so many good probes */
	unsigned half_open_probes;     /* at the same time */
	uint64_t open_ns, max_open_ns; /* open for the first time; at most, when it opens again */
} sb_breaker_rules;

typedef enum sb_breaker_phase {
	SB_BREAKER_CLOSED = 0,
	SB_BREAKER_OPEN,
	SB_BREAKER_HALF_OPEN,
} sb_breaker_phase;

/* Why it is open, or was last. */
typedef enum sb_breaker_cause {
	SB_BREAKER_CAUSE_NONE = 0,
	SB_BREAKER_CAUSE_ROW,   /* failures in a row */
	SB_BREAKER_CAUSE_RATE,  /* the share of failures */
	SB_BREAKER_CAUSE_PROBE, /* a probe failed */
	SB_BREAKER_CAUSE_FATAL, /* no more of the same would help */
	SB_BREAKER_CAUSE_HAND,  /* somebody wanted it so */
} sb_breaker_cause;

enum { SB_BREAKER_BUCKETS = 10 };

/* All-zero is closed, and knows of no call. */
typedef struct sb_breaker_state {
	sb_breaker_phase phase;
	sb_breaker_cause cause;
	uint32_t era;               /* grows with every change of phase */
	unsigned failures;          /* closed: in a row, by their weight */
	unsigned successes, probes; /* half-open: that ended well; that are under way */
	unsigned openings;          /* since it was closed for good reasons */
	uint64_t until;             /* open: when probes are let in; UINT64_MAX: never by itself */
	struct {                    /* closed: the calls of the last window */
		uint64_t number;
		unsigned calls, failures;
	} buckets[SB_BREAKER_BUCKETS];
} sb_breaker_state;

typedef struct sb_breaker_pass {
	uint32_t era;
	bool probe;
} sb_breaker_pass;

/* What a call says about its engine. */
typedef enum sb_breaker_mark {
	SB_BREAKER_NOTHING = 0, /* never asked, cancelled, or an error of the content */
	SB_BREAKER_SUCCESS,
	SB_BREAKER_FAILURE,
	SB_BREAKER_FATAL, /* opens at once, and not for a time but until somebody acts */
} sb_breaker_mark;

typedef struct sb_breaker_end {
	sb_breaker_mark mark;
	unsigned weight; /* of a failure in a row of them; at least 1 */
	uint64_t took_ns;
	double dice; /* 0 … 1, for the jitter of a time that may begin now */
} sb_breaker_end;

/* Let a call in? False: it is open, or half-open with all probes under way. */
bool sb_breaker_admit(sb_breaker_state *state, const sb_breaker_rules *rules, uint64_t now,
	sb_breaker_pass *pass);
/* Take the pass back. Called once for every call that was let in. */
void sb_breaker_end_call(sb_breaker_state *state, const sb_breaker_rules *rules,
	sb_breaker_pass pass, const sb_breaker_end *end, uint64_t now);
/* Calls that all succeeded in the current phase, counted elsewhere. */
void sb_breaker_count_successes(
	sb_breaker_state *state, const sb_breaker_rules *rules, unsigned calls, uint64_t now);

/* By hand: open until further notice. */
void sb_breaker_force_open(sb_breaker_state *state);
/* By hand: closed. The next opening is as long as it would have been; with @p forget it is the
 * first one again. */
void sb_breaker_force_close(sb_breaker_state *state, bool forget);

/* The part of the window that @p now lies in. */
uint64_t sb_breaker_bucket(const sb_breaker_rules *rules, uint64_t now);
/* Calls and failures of the last window. */
void sb_breaker_window(const sb_breaker_state *state, const sb_breaker_rules *rules, uint64_t now,
	unsigned *calls, unsigned *failures);

#endif
