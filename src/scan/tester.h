/* SPDX-License-Identifier: MIT */
/*
 * Known-answer tests that run by themselves (safety.md E6), once somebody has switched them on:
 * a server does, a scan from the command line goes by stored results. Each engine that can be
 * tested is, at the start, every 15 minutes, and when its identity changes. While its breaker is
 * half-open the tests stand in for calls: no caller's content is spent on trying it. What a test
 * says counts for the breaker like any call.
 */
#ifndef SB_SCAN_TESTER_H
#define SB_SCAN_TESTER_H

#include <pthread.h>

#include "scan/crew.h"
#include "scan/timers.h"
#include "util/error.h"

struct sb_call;
struct sb_engine;
struct sb_manager;

/* Of one engine. */
typedef struct sb_tester {
	sb_timer timer; /* of the next test */
	sb_task task;
	pthread_mutex_t lock; /* guards the rest */
	bool on, busy;
	bool again;           /* as soon as this one is over */
	struct sb_call *call; /* that the test waits for */
} sb_tester;

void sb_tester_init(sb_tester *tester);
void sb_tester_done(sb_tester *tester);

/* From now on it is tested, where the manager's engines are; and no more. */
void sb_tester_begin(struct sb_engine *engine);
void sb_tester_end(struct sb_engine *engine);
/* Ends tests under way; none begins after. */
void sb_tester_stop(struct sb_manager *manager);
/* Test it at @p at at the latest; or now, and never from under a lock. Nothing happens where
 * tests are off. */
void sb_tester_at(struct sb_engine *engine, uint64_t at);
void sb_tester_now(struct sb_engine *engine);
/* Of a test under way: the call to end when tests are to stop; NULL: none any more. False: they
 * have stopped. */
bool sb_tester_hold(struct sb_engine *engine, struct sb_call *call);

#endif
