/* SPDX-License-Identifier: MIT */
/*
 * A binary heap of timers and the thread that serves it.
 *
 * Most timers are cancelled before they fire, many thousand times a second, so setting one
 * must rarely wake the thread: after it had work it lingers, looking again every quarter of a
 * second, and only a timer due before its next look needs a signal.
 */
#include "scan/timers.h"

#include <stdlib.h>

#include "util/thread.h"

static const uint64_t linger = 250 * SB_MS;

struct sb_timers {
	sb_clock *clock;
	pthread_t thread;
	pthread_mutex_t lock; /* guards the rest, and every timer's `at` and `place` */
	pthread_cond_t changed;
	sb_timer **heap; /* from index 1 */
	size_t count, room;
	uint64_t next_look;
	bool touched, stop;
};

static void put(sb_timers *timers, size_t place, sb_timer *timer)
{
	timers->heap[place] = timer;
	timer->place = place;
}

static void sift_up(sb_timers *timers, size_t place)
{
	sb_timer *timer = timers->heap[place];

	for (; place > 1 && timers->heap[place / 2]->at > timer->at; place /= 2)
		put(timers, place, timers->heap[place / 2]);
	put(timers, place, timer);
}

static void sift_down(sb_timers *timers, size_t place)
{
	sb_timer *timer = timers->heap[place];

	for (;;) {
		size_t child = place * 2;
		if (child > timers->count)
			break;
		if (child < timers->count && timers->heap[child + 1]->at < timers->heap[child]->at)
			child++;
		if (timers->heap[child]->at >= timer->at)
			break;
		put(timers, place, timers->heap[child]);
		place = child;
	}
	put(timers, place, timer);
}

static void take_out(sb_timers *timers, sb_timer *timer)
{
	size_t place = timer->place;
	sb_timer *last = timers->heap[timers->count--];

	timer->place = 0;
	if (last == timer)
		return;
	put(timers, place, last);
	sift_up(timers, place);
	sift_down(timers, last->place);
}

static uint64_t next_look(sb_timers *timers, uint64_t now)
{
	uint64_t until = timers->touched ? now + linger : SB_NEVER;

	timers->touched = false;
	if (timers->count > 0 && timers->heap[1]->at < until)
		until = timers->heap[1]->at;
	return until;
}

static void *serve(void *data)
{
	sb_timers *timers = data;

	pthread_mutex_lock(&timers->lock);
	while (!timers->stop) {
		uint64_t now = sb_clock_now(timers->clock);

		if (timers->count > 0 && timers->heap[1]->at <= now) {
			sb_timer *due = timers->heap[1];
			take_out(timers, due);
			pthread_mutex_unlock(&timers->lock);
			due->fire(due);
			pthread_mutex_lock(&timers->lock);
			continue;
		}
		timers->next_look = next_look(timers, now);
		sb_clock_wait(timers->clock, &timers->changed, &timers->lock, timers->next_look);
	}
	pthread_mutex_unlock(&timers->lock);
	return NULL;
}

int sb_timers_open(sb_timers **out, sb_clock *clock, sb_error *error)
{
	sb_timers *timers = calloc(1, sizeof *timers);
	int status;

	if (timers == NULL)
		return sb_error_no_memory(error);
	timers->clock = clock;
	timers->room = 64;
	timers->heap = calloc(timers->room, sizeof(sb_timer *));
	pthread_mutex_init(&timers->lock, NULL);
	sb_cond_init(&timers->changed);
	status = timers->heap == NULL
			 ? -1
			 : sb_thread_start(&timers->thread, "sb-timers", serve, timers);
	if (status != 0) {
		free(timers->heap);
		free(timers);
		return sb_error_set(
			error, SB_KIND_INTERNAL, status > 0 ? status : 0, "start the timer thread");
	}
	*out = timers;
	return 0;
}

void sb_timers_close(sb_timers *timers)
{
	if (timers == NULL)
		return;
	pthread_mutex_lock(&timers->lock);
	timers->stop = true;
	pthread_cond_signal(&timers->changed);
	pthread_mutex_unlock(&timers->lock);
	pthread_join(timers->thread, NULL);
	pthread_cond_destroy(&timers->changed);
	pthread_mutex_destroy(&timers->lock);
	free(timers->heap);
	free(timers);
}

/* Out of memory fires at once: whoever waits looks at the clock again, nobody is forgotten. */
static bool make_room(sb_timers *timers)
{
	sb_timer **heap;

	if (timers->count + 1 < timers->room)
		return true;
	heap = realloc(timers->heap, timers->room * 2 * sizeof(sb_timer *));
	if (heap == NULL)
		return false;
	timers->heap = heap;
	timers->room *= 2;
	return true;
}

void sb_timer_set(sb_timers *timers, sb_timer *timer, uint64_t at, void (*fire)(sb_timer *timer))
{
	bool room;

	pthread_mutex_lock(&timers->lock);
	timer->at = at;
	timer->fire = fire;
	timers->touched = true;
	room = make_room(timers);
	if (room) {
		timers->heap[++timers->count] = timer;
		timer->place = timers->count;
		sift_up(timers, timers->count);
		if (at < timers->next_look)
			pthread_cond_signal(&timers->changed);
	}
	pthread_mutex_unlock(&timers->lock);
	if (!room)
		fire(timer);
}

bool sb_timer_cancel(sb_timers *timers, sb_timer *timer)
{
	bool was_set;

	pthread_mutex_lock(&timers->lock);
	was_set = timer->place != 0;
	if (was_set)
		take_out(timers, timer);
	pthread_mutex_unlock(&timers->lock);
	return was_set;
}
