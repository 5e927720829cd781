/* SPDX-License-Identifier: MIT */
/*
 * Coalescing: of several that want to know the same thing at the same time, one asks. What is
 * under way is a flight; it belongs to the key, not to whoever began it: it goes on as long as
 * somebody waits for it, and ends once, with a result or without.
 *
 *     join()   the first leads: asks the engine, then calls land()
 *              the others wait, each until a time of its own
 *     land()   complete evidence (sb_cache_may_share): all that wait get it
 *              anything else, an error above all: all that wait are told to ask for themselves
 *              nothing: the leader was cancelled; all that wait are told to join again, and the
 *              first who does leads
 *     expire() those whose time has come are told to ask for themselves, while they still can
 *     leave()  one that waits goes away
 *
 * Nothing here blocks, sleeps or reads a clock. told() is called without any lock held, by
 * whichever thread ends the waiting, exactly once for every waiter that didn't leave.
 *
 * Threads: any.
 */
#ifndef SB_CACHE_FLIGHTS_H
#define SB_CACHE_FLIGHTS_H

#include "cache/cache.h"

typedef struct sb_flights sb_flights;
typedef struct sb_flight sb_flight;

/* One that waits; memory of the caller, untouched by him from join() until told() or leave(). */
typedef struct sb_waiter {
	uint64_t until; /* sb_clock_now(): the latest time to be told */
	/* @p result is the leader's, and there during the call only; NULL: ask for yourself. */
	void (*told)(struct sb_waiter *waiter, const sb_result *result);
	bool again; /* then: the leader went away without having asked; join once more */

	sb_flight *flight; /* NULL: not waiting */
	struct sb_waiter *next, **link;
} sb_waiter;

sb_flights *sb_flights_new(void);
/* When nothing is under way. */
void sb_flights_free(sb_flights *flights);

/*
 * A flight to land(): the caller leads. NULL: the waiter waits, or, when there is no memory,
 * *alone is set, and the caller asks for himself and has nothing to land.
 */
sb_flight *sb_flights_join(
	sb_flights *flights, const sb_cache_key *key, sb_waiter *waiter, bool *alone);
/* The flight ends, and is gone. @p result may be NULL: cancelled. How many waiters got it. */
size_t sb_flights_land(
	sb_flights *flights, sb_flight *flight, const sb_result *result, sb_content_state state);
/* How many flights of this key, or of some others, have ended with a result. Who led none of them,
 * and finds the same number before he asked the cache and after he joined, missed none. */
unsigned sb_flights_landings(sb_flights *flights, const sb_cache_key *key);
/* Tell those whose time is @p now or before; the next one's time, SB_NEVER if there is none. */
uint64_t sb_flights_expire(sb_flights *flights, uint64_t now);
/* False: told() was called, or is being called right now. */
bool sb_flights_leave(sb_flights *flights, sb_waiter *waiter);
/* How many wait for the flight, and the latest of their times: so that a leader whose own caller
 * has gone knows whether, and until when, to go on. */
size_t sb_flights_waiting(sb_flights *flights, const sb_flight *flight, uint64_t *latest);
/* How many wait, for whatever. For tests. */
size_t sb_flights_all_waiting(sb_flights *flights);

#endif
