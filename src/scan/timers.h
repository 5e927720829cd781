/* SPDX-License-Identifier: MIT */
/*
 * Timers: whoever waits for a time leaves a timer here instead of a sleeping thread. One
 * thread, one heap, and the clock that tests turn.
 *
 * A timer is embedded in what it belongs to. Its owner keeps that alive from
 * sb_timer_set() until sb_timer_cancel() said true or fire() was called.
 */
#ifndef SB_SCAN_TIMERS_H
#define SB_SCAN_TIMERS_H

#include <stdbool.h>
#include <stddef.h>

#include "util/clock.h"
#include "util/error.h"

typedef struct sb_timers sb_timers;

typedef struct sb_timer {
	uint64_t at;
	size_t place; /* in the heap from 1; 0: not set */
	void (*fire)(
		struct sb_timer *timer); /* on the timer thread, no lock held; must not block */
} sb_timer;

int sb_timers_open(sb_timers **out, sb_clock *clock, sb_error *error);
/* Nothing may be set any more. */
void sb_timers_close(sb_timers *timers);

/* Fire at sb_clock_now() >= at. The timer must not be set. */
void sb_timer_set(sb_timers *timers, sb_timer *timer, uint64_t at, void (*fire)(sb_timer *timer));
/* True: it was set and will not fire. False: it was not set, or fires now. */
bool sb_timer_cancel(sb_timers *timers, sb_timer *timer);

#endif
