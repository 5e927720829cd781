/* SPDX-License-Identifier: MIT */
/*
 * Time as the core sees it: a small interface, so that tests turn the clock instead of
 * sleeping. Whoever waits for a time does it through sb_clock_wait(), which a turned clock
 * can wake.
 */
#ifndef SB_UTIL_CLOCK_H
#define SB_UTIL_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define SB_NEVER UINT64_MAX
#define SB_MS 1000000ull /* ns */

typedef struct sb_clock sb_clock;

/* The machine's clocks. Shared, never freed. */
sb_clock *sb_clock_system(void);

/* ns on a clock that never steps (CLOCK_MONOTONIC). */
uint64_t sb_clock_now(const sb_clock *clock);
/* ns since the epoch, UTC. */
uint64_t sb_clock_wall(const sb_clock *clock);

/* A condition variable that waits by CLOCK_MONOTONIC. */
int sb_cond_init(pthread_cond_t *cond);
/* pthread_cond_timedwait() until sb_clock_now() is @p until (SB_NEVER: no end), with @p mutex
 * held. May wake early. */
void sb_clock_wait(sb_clock *clock, pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t until);

/* A clock that stands still until it is turned; starts at 1 s, 2026-01-01T00:00:01Z. */
sb_clock *sb_clock_fake_new(void);
void sb_clock_fake_free(sb_clock *clock);
/* Move it on and wake whoever waits by it. */
void sb_clock_fake_turn(sb_clock *clock, uint64_t ns);
/* Set its wall clock forward or back, as an administrator does; sb_clock_now() doesn't notice. */
void sb_clock_fake_step(sb_clock *clock, int64_t ns);
/* Block until @p waiters threads wait by this clock: then turning it is no race. */
void sb_clock_fake_await(sb_clock *clock, unsigned waiters);

#endif
