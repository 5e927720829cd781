/* SPDX-License-Identifier: MIT */
/*
 * A call: one engine asked about one content, driven through an array of gates.
 *
 *    enter →  limits → cache → retry → poison → breaker → quota → permit →  engine
 *                                                                             │
 *    leave ←  limits ← cache ← retry ← poison ← breaker ← quota ← permit ←────┘
 *
 * enter() says PASS, WAIT (until a time, or until somebody wakes the call) or ANSWER (the
 * result is made, the engine is not asked); leave() says DONE or AGAIN at a time. A waiting
 * call is parked: it holds no thread. The order of the gates is that of the array in call.c.
 *
 * A verdict may come later. Then the call leaves the gates that are about single requests, which
 * are those behind the breaker, is parked until it is time to ask, and enters them again.
 *
 * A call is driven by one thread at a time: the one that started it, the lane's thread that
 * ran the engine, or whoever woke it.
 */
#ifndef SB_SCAN_CALL_H
#define SB_SCAN_CALL_H

#include <stdatomic.h>

#include "scan/content.h"
#include "scan/engine.h"
#include "scan/gates/cache.h"
#include "scan/result.h"
#include "scan/span.h"
#include "scan/timers.h"
#include "util/arena.h"

struct sb_job;

typedef enum sb_phase { SB_PHASE_ENTER = 0, SB_PHASE_LEAVE } sb_phase;
enum { SB_PARK_NO = 0, SB_PARK_PARKED, SB_PARK_WOKEN };

struct sb_call {
	_Atomic(unsigned) references; /* the driver's, the timers', the job's */
	sb_engine *engine;
	struct sb_site *site; /* of the job, a reference: a call may go on behind it; or NULL */
	struct sb_job *job;   /* a reference; NULL for a check's probe */
	size_t slot;          /* in the job */
	sb_content *content;  /* a reference */
	sb_span name;         /* the job's */
	uint64_t started, deadline;
	sb_clock *clock;

	/* the statement, written by the driving thread */
	sb_arena arena;
	sb_result result;
	sb_detection **next_detection;
	sb_error error; /* valid when result.error points to it */
	bool stated_clean, streamed, said_cover;
	bool lost; /* no memory for something it said */
	uint64_t covered;
	int fd; /* given to the engine, closed after the attempt */

	/* a verdict that comes later: deferred.c */
	void *ticket;      /* the engine's, while it is outstanding */
	uint64_t again_at; /* when to ask for it; 0: not any more, there is a result */
	bool dropping;     /* the engine is told to forget it */

	/* the driver's */
	sb_phase phase;
	unsigned depth;
	_Atomic(int) park;
	sb_timer timer;   /* of a parked call */
	sb_timer abandon; /* of a call in a lane */

	/* the gates' */
	sb_recall recall;
	unsigned retries;
	const sb_error *failure; /* of the attempt before, or NULL */
	sb_breaker *breaker;     /* of the replica that the attempt goes to, or would have */
	uint64_t tried;          /* a bit for each replica that it went to */
	sb_breaker_pass pass;
	sb_quota_turn turn;      /* guarded by the quota's lock while it is queued */
	_Atomic(bool) inside;    /* let in by the breaker, and not yet out */
	bool asked;              /* in this attempt; or the engine is known to be stuck */
	uint64_t asked_at;       /* where the breaker looks at how long an answer takes */
	bool has_permit, queued; /* once `waited`: guarded by the permits' lock */
	bool waited;
	_Atomic(int) permit;    /* none, held, held although given up: see gates/permit.c */
	struct sb_call *next;   /* in the permits' queue, the lane, or a thread's list to drive */
	struct sb_call *before; /* in the permits' queue */
	struct sb_call *curious_next; /* in the engine's list of those that wait for its identity */

	_Atomic(bool) cancelled;
	_Atomic(int) cancel_fd;
};

typedef enum sb_entered { SB_GATE_PASS, SB_GATE_WAIT, SB_GATE_ANSWER } sb_entered;
typedef enum sb_left { SB_GATE_DONE, SB_GATE_AGAIN } sb_left;

typedef struct sb_gate {
	const char *name;
	/* WAIT: *until is the latest time to ask again; a wake may come sooner, or for nothing. */
	sb_entered (*enter)(struct sb_call *call, uint64_t now, uint64_t *until);
	/* Called once for every enter() that passed, innermost first. AGAIN: enter what lies
	 * behind this gate once more at *at. */
	sb_left (*leave)(struct sb_call *call, uint64_t now, uint64_t *at);
} sb_gate;

extern const sb_gate sb_gate_limits, sb_gate_cache, sb_gate_retry, sb_gate_poison, sb_gate_breaker,
	sb_gate_quota, sb_gate_permit;

/* gates/permit.c: the call is given up, but its engine still holds the permit. */
void sb_permit_overrun(struct sb_call *call);

/* With one reference, which the driver consumes when it delivers. NULL: no memory. */
struct sb_call *sb_call_new(sb_engine *engine, struct sb_job *job, size_t slot, sb_content *content,
	sb_span name, uint64_t deadline);
/* What it is judged by; a probe, which belongs to no scan, by what its engine was opened with. */
const sb_conf *sb_call_conf(const struct sb_call *call);
struct sb_call *sb_call_ref(struct sb_call *call);
void sb_call_unref(struct sb_call *call);

/* Drive it as far as it goes. @p here: the engine may run on this thread, otherwise it runs in
 * its lane. Consumes the driver's reference when it ends in sb_job_deliver(). */
void sb_call_drive(struct sb_call *call, bool here);
/* Let a parked call look again; harmless when it isn't parked. */
void sb_call_wake(struct sb_call *call);
/* Run the engine now, on this thread, past every gate: the driver's last step. When `again_at` is
 * set afterwards there is no result yet. */
void sb_call_run(struct sb_call *call);
/* All of a check's probe: the same, waiting for a verdict that comes later. */
void sb_call_run_wholly(struct sb_call *call);
/* For a lane: give the call up on the job's behalf when it overruns its deadline … */
void sb_call_watch(struct sb_call *call);
/* … and once it ran, back out through the gates. */
void sb_call_ran(struct sb_call *call);
void sb_call_cancel(struct sb_call *call);

/* Make the result a failure; for gates. Returns SB_GATE_ANSWER. */
sb_entered sb_call_refuse(struct sb_call *call, bool abstain, sb_kind kind, const char *format, ...)
	SB_PRINTF(4, 5);
/* Judge the statement by who made it, as far as that is known: a clean answer needs an engine that
 * is known good and young enough (safety.md 1). @p identity: NULL when nobody knows. */
void sb_call_hold_to(struct sb_call *call, const sb_identity *identity);
/* --- deferred.c: a verdict that comes later --------------------------------------------------- */

/* Ask the engine, for the first time or again; what scan() would have returned, and 0 as well
 * when there is no verdict yet: then `again_at` says when to ask. */
int sb_call_ask_deferred(struct sb_call *call, sb_error *error);
/* Let the engine free the ticket; the result stays as it is. Nothing happens without one. */
void sb_call_drop_ticket(struct sb_call *call);

/* Forget the last attempt's statement. */
void sb_call_restate(struct sb_call *call);

#endif
