/* SPDX-License-Identifier: MIT */
/*
 * An engine's quota as it runs: the account with a lock around it, and the queue of calls that
 * wait for their turn. Every engine has one, since any may ask for quiet (a retry-after); where
 * the configuration sets limits, the account is in a file (quota_file.h), else in memory.
 *
 * First come, first served: only the call at the head draws from the account, when its time has
 * come by the timer that it left; whoever leaves the queue wakes the next one. How long a
 * newcomer would have to wait at least is known at once, so that one whose deadline is sooner
 * doesn't. Other processes draw from the same account, in no order.
 */
#ifndef SB_SCAN_GATES_QUOTA_H
#define SB_SCAN_GATES_QUOTA_H

#include <pthread.h>
#include <stdatomic.h>

#include "scan/gates/quota_file.h"

struct sb_call;
struct sb_engine;

typedef struct sb_quota {
	struct sb_engine *engine;
	sb_quota_rules rules;
	bool kept;                 /* in the file: there are limits */
	_Atomic(bool) watched;     /* there are limits, or the engine has asked for quiet */
	_Atomic(uint64_t) refused; /* for sb_manager_engine_metric() */
	pthread_mutex_t lock;      /* guards what follows, and the calls' places in the queue */
	sb_quota_file file;
	sb_quota_state state; /* not `kept`: the account itself */
	struct sb_call *first, *last;
	unsigned waiting;
} sb_quota;

/* A call's part. */
typedef struct sb_quota_turn {
	bool queued, spent, overtaken; /* overtaken: had its turn before, and goes to the head */
	sb_quota_entry entry;          /* spent: where */
	struct sb_call *next, *before;
} sb_quota_turn;

/* One look at it. */
typedef struct sb_quota_view {
	sb_quota_rules rules;
	uint32_t left_in_minute, left_today;
	int64_t wait_ms;    /* until the next request can be sent; 0: now */
	uint64_t resets_at; /* seconds since the epoch: the day's end */
} sb_quota_view;

int sb_quota_open(sb_quota *quota, struct sb_engine *engine, sb_error *error);
void sb_quota_close(sb_quota *quota);
/* False: there are no limits, or the account can't be read now. */
bool sb_quota_look(struct sb_engine *engine, sb_quota_view *out);

/* The last step before the engine: what was booked when the call's turn came is booked anew if it
 * had to wait for a slot since. False: there is no room for it now, so that it has to go back. */
bool sb_quota_confirm(struct sb_call *call);
/* One request more, now or not at all: -rate_limited with a retry_after. */
int sb_quota_spend_now(struct sb_engine *engine, sb_error *error);

#endif
