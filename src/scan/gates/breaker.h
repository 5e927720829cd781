/* SPDX-License-Identifier: MIT */
/*
 * A breaker as it runs: the state machine of breaker_state.h with a lock around it, and a way
 * past the lock for the usual case. While it is closed and the last call succeeded, a call that
 * succeeds touches one counter; while it is open, a call is turned away by two reads.
 */
#ifndef SB_SCAN_GATES_BREAKER_H
#define SB_SCAN_GATES_BREAKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "scan/gates/breaker_state.h"
#include "util/error.h"

struct sb_engine;

/* Of an engine, or of one of its replicas. */
typedef struct sb_breaker {
	struct sb_engine *engine;
	const char *replica; /* its name; NULL: the engine has no replicas */
	const sb_breaker_rules *rules;
	_Atomic(unsigned) outstanding; /* calls inside, those that were given up included */
	_Atomic(bool) tested; /* probes are known-answer tests, and calls wait for their outcome */
	pthread_mutex_t lock; /* guards what follows up to counted */
	sb_breaker_state state;
	sb_kind last_kind; /* of the error that opened it; NONE: there was none */
	char last_error[256];
	uint64_t counted; /* of the successes, those that the state knows of */

	/* What of the state is read without the lock: */
	_Atomic(uint64_t) word;  /* era, cause and phase; see breaker.c */
	_Atomic(uint64_t) until; /* open: when probes are let in */
	/* Successes before this time need no lock; 0: every one does. */
	_Atomic(uint64_t) quiet_until;

	/* Every call that came to it ends in one of the first three. */
	_Atomic(uint64_t) successes, failures, rejections, opened, closed;
} sb_breaker;

/* One look at it. */
typedef struct sb_breaker_view {
	sb_breaker_phase phase; /* HALF_OPEN as soon as its time open is over */
	sb_breaker_cause cause; /* why it is open */
	bool automatic;
	int64_t retry_after_ms; /* open: until probes are let in; -1: somebody has to act */
	uint64_t successes, failures, rejections, opened, closed;
} sb_breaker_view;

void sb_breaker_init(sb_breaker *breaker, struct sb_engine *engine, const char *replica);
void sb_breaker_done(sb_breaker *breaker);
/* Of all replicas together: as far closed as the one that is most, and all counters added up. */
void sb_breaker_look(struct sb_engine *engine, uint64_t now, sb_breaker_view *out);
/* `closed`, `open`, `half_open`; `off` for one that opens by hand only, and isn't. */
const char *sb_breaker_shown(const sb_breaker_view *view);
const char *sb_breaker_phase_name(sb_breaker_phase phase);

struct sb_call;

/* The call is given up while its engine still works on it: that is a timeout, and its slot is
 * free for another one. What it says later counts for nothing. */
void sb_breaker_give_up(struct sb_call *call);
/* Did the breaker open since it let this call in? Then refuse it, as it would be now. */
bool sb_breaker_closed_door(struct sb_call *call);
/* A known-answer test instead of a call: in, and out with what it found (kind NONE: all well). */
bool sb_breaker_admit_test(struct sb_engine *engine, sb_breaker_pass *pass);
void sb_breaker_end_test(
	struct sb_engine *engine, sb_breaker_pass pass, const sb_error *found, uint64_t begun);
/* Would a call be let in then? A guess, for who could wait instead. */
bool sb_breaker_lets_in(const struct sb_call *call, uint64_t then);
/* Is there a replica that this call has not been sent to, and that is closed? */
bool sb_breaker_another(const struct sb_call *call);

#endif
