/* SPDX-License-Identifier: MIT */
/* The system's clocks, and one that tests turn; see clock.h. */
#include "util/clock.h"

#include <sched.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_WAITERS = 64 };

struct waiter {
	pthread_cond_t *cond;
	pthread_mutex_t *mutex;
	uint64_t turn; /* the last one it knows of */
};

struct sb_clock {
	bool fake;
	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t changed;
	uint64_t now, turns;
	uint64_t stepped; /* modulo 2^64: the wall clock was set by so much */
	struct waiter waiters[MAX_WAITERS];
	unsigned count;
};

static const uint64_t fake_epoch = 1767225600ull * 1000000000; /* 2026-01-01T00:00:00Z */

sb_clock *sb_clock_system(void)
{
	static sb_clock system;
	return &system;
}

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t fake_now(const sb_clock *clock)
{
	sb_clock *self = (sb_clock *)(uintptr_t)clock;
	uint64_t now;

	pthread_mutex_lock(&self->lock);
	now = self->now;
	pthread_mutex_unlock(&self->lock);
	return now;
}

uint64_t sb_clock_now(const sb_clock *clock)
{
	return clock->fake ? fake_now(clock) : read_clock(CLOCK_MONOTONIC);
}

static uint64_t fake_wall(const sb_clock *clock)
{
	sb_clock *self = (sb_clock *)(uintptr_t)clock;
	uint64_t wall;

	pthread_mutex_lock(&self->lock);
	wall = fake_epoch + self->now + self->stepped;
	pthread_mutex_unlock(&self->lock);
	return wall;
}

uint64_t sb_clock_wall(const sb_clock *clock)
{
	return clock->fake ? fake_wall(clock) : read_clock(CLOCK_REALTIME);
}

int sb_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int status;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	status = pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
	return status;
}

static void fake_wait(sb_clock *clock, pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t until)
{
	struct waiter self = {cond, mutex, 0};
	unsigned i;

	pthread_mutex_lock(&clock->lock);
	if (clock->now >= until || clock->count == MAX_WAITERS) {
		pthread_mutex_unlock(&clock->lock);
		return;
	}
	self.turn = clock->turns;
	clock->waiters[clock->count++] = self;
	pthread_cond_broadcast(&clock->changed);
	pthread_mutex_unlock(&clock->lock);

	pthread_cond_wait(cond, mutex);

	pthread_mutex_lock(&clock->lock);
	for (i = 0; clock->waiters[i].cond != cond || clock->waiters[i].mutex != mutex; i++)
		;
	clock->waiters[i] = clock->waiters[--clock->count];
	pthread_mutex_unlock(&clock->lock);
}

void sb_clock_wait(sb_clock *clock, pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t until)
{
	struct timespec ts = {
		.tv_sec = (time_t)(until / 1000000000),
		.tv_nsec = (long)(until % 1000000000),
	};

	if (clock->fake)
		fake_wait(clock, cond, mutex, until);
	else if (until == SB_NEVER)
		pthread_cond_wait(cond, mutex);
	else
		pthread_cond_timedwait(cond, mutex, &ts);
}

sb_clock *sb_clock_fake_new(void)
{
	sb_clock *clock = calloc(1, sizeof *clock);

	if (clock == NULL)
		return NULL;
	clock->fake = true;
	clock->now = 1000000000;
	pthread_mutex_init(&clock->lock, NULL);
	pthread_cond_init(&clock->changed, NULL);
	return clock;
}

void sb_clock_fake_free(sb_clock *clock)
{
	if (clock == NULL)
		return;
	pthread_cond_destroy(&clock->changed);
	pthread_mutex_destroy(&clock->lock);
	free(clock);
}

/* Wake those that began to wait before this turn. True when there is nobody left to wake.
 *
 * The lock is held throughout, so nobody can leave the list and take cond and mutex away with
 * them. A waiter whose mutex is taken is either awake, and will read the new time, or not yet
 * in pthread_cond_wait(), where a broadcast would be lost: it is tried again. */
static bool wake_waiters(sb_clock *clock)
{
	bool all = true;

	for (unsigned i = 0; i < clock->count; i++) {
		struct waiter *waiter = &clock->waiters[i];
		if (waiter->turn >= clock->turns)
			continue;
		if (pthread_mutex_trylock(waiter->mutex) != 0) {
			all = false;
			continue;
		}
		pthread_cond_broadcast(waiter->cond);
		pthread_mutex_unlock(waiter->mutex);
		waiter->turn = clock->turns;
	}
	return all;
}

void sb_clock_fake_turn(sb_clock *clock, uint64_t ns)
{
	pthread_mutex_lock(&clock->lock);
	clock->now += ns;
	clock->turns++;
	while (!wake_waiters(clock)) {
		pthread_mutex_unlock(&clock->lock);
		sched_yield();
		pthread_mutex_lock(&clock->lock);
	}
	pthread_mutex_unlock(&clock->lock);
}

void sb_clock_fake_step(sb_clock *clock, int64_t ns)
{
	pthread_mutex_lock(&clock->lock);
	clock->stepped += (uint64_t)ns;
	pthread_mutex_unlock(&clock->lock);
}

void sb_clock_fake_await(sb_clock *clock, unsigned waiters)
{
	pthread_mutex_lock(&clock->lock);
	while (clock->count < waiters)
		pthread_cond_wait(&clock->changed, &clock->lock);
	pthread_mutex_unlock(&clock->lock);
}
