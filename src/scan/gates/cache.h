/* SPDX-License-Identifier: MIT */
/*
 * What a call and the verdict cache have to do with each other: the cache gate's part of a call.
 *
 *     looked up     what the same engine has proved about the same bytes is the answer
 *     in flight     somebody asks it right now: the call is parked until he lands
 *     stored        what the engine said, when it is complete and about bytes that stood still
 */
#ifndef SB_SCAN_GATES_CACHE_H
#define SB_SCAN_GATES_CACHE_H

#include <stdatomic.h>

#include "cache/flights.h"
#include "scan/generation.h"

typedef enum sb_recall_step {
	SB_RECALL_START = 0,
	SB_RECALL_CURIOUS, /* parked until the engine's identity is known */
	SB_RECALL_WAITING, /* parked until somebody else's flight lands */
	SB_RECALL_PASSED,
} sb_recall_step;

/* What a waiter was told, by whoever ended his waiting. */
typedef enum sb_recall_told {
	SB_RECALL_NOTHING = 0,
	SB_RECALL_RESULT, /* it is in the call's result */
	SB_RECALL_AGAIN,  /* join again */
	SB_RECALL_ALONE,  /* ask yourself */
} sb_recall_told;

typedef struct sb_recall {
	sb_recall_step step;
	bool keyed;    /* the next three are there */
	bool reads;    /* and lookups are wanted */
	bool repeated; /* asked once more because the engine had changed */
	bool unshared; /* its answer depends on what isn't in the key */
	sb_cache_key key;
	sb_exactness exactness;
	uint64_t ticket;
	uint64_t until;              /* of the parking in work */
	unsigned changes;            /* of the engine's identity, when it began to answer … */
	bool changed;                /* … and it was another one when it had */
	bool others;                 /* the answer names other signatures than the engine does */
	_Atomic(sb_flight *) flight; /* that it leads; who takes it lands it */
	sb_waiter waiter;
	_Atomic(int) told;
} sb_recall;

struct sb_call;

/* Whoever waits for this call's answer shall not any more: another one takes over. */
void sb_recall_let_go(struct sb_call *call);
/* Forget what the call's engine has said in the last @p ms. */
void sb_recall_doubt(struct sb_call *call, uint64_t ms);

#endif
