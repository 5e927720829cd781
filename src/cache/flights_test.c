/* SPDX-License-Identifier: MIT */
/* Coalescing: who leads, who is told what, and that everybody is told once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "cache/flights.h"
#include "cache/samples.h"

enum told { NOT_TOLD, TOLD_ALONE, TOLD_RESULT };

struct passenger {
	sb_waiter waiter;
	_Atomic(int) told;
	unsigned times;
};

static void hear(sb_waiter *waiter, const sb_result *result)
{
	struct passenger *p = (struct passenger *)(void *)waiter;

	p->times++;
	atomic_store(&p->told, result != NULL ? TOLD_RESULT : TOLD_ALONE);
}

static struct passenger passenger(uint64_t until)
{
	return (struct passenger){.waiter = {.until = until, .told = hear}};
}

/* --- One thread ------------------------------------------------------------------------------ */

static sb_error some_error;

/* How the leader ends, and what the others hear. */
static const struct {
	const char *what;
	uint64_t number; /* of the sample */
	bool nothing, error, partial;
	sb_content_state state;
	enum told told;
} ends[] = {
	{"clean", 0, .state = SB_CONTENT_STATE_PINNED, .told = TOLD_RESULT},
	{"infected", 2, .state = SB_CONTENT_STATE_PINNED, .told = TOLD_RESULT},
	{"suspicious", 4, .state = SB_CONTENT_STATE_PINNED, .told = TOLD_RESULT},
	{"cancelled", 0, .nothing = true, .state = SB_CONTENT_STATE_PINNED, .told = TOLD_ALONE},
	{"failed", 0, .error = true, .state = SB_CONTENT_STATE_PINNED, .told = TOLD_ALONE},
	{"partial", 2, .partial = true, .state = SB_CONTENT_STATE_PINNED, .told = TOLD_ALONE},
	{"unpinned", 0, .state = SB_CONTENT_STATE_UNPINNED, .told = TOLD_ALONE},
	{"changed", 2, .state = SB_CONTENT_STATE_CHANGED, .told = TOLD_ALONE},
};

static void test_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		sb_flights *flights = sb_flights_new();
		struct passenger leader = passenger(1),
				 others[3] = {passenger(30), passenger(10), passenger(20)};
		sb_flight *flight;
		sb_sample s;
		bool alone;
		size_t count;

		sb_sample_make(&s, ends[i].number);
		if (ends[i].error)
			s.result.error = &some_error;
		if (ends[i].partial)
			s.result.coverage = SB_COVERAGE_PARTIAL;
		flight = sb_flights_join(flights, &s.key, &leader.waiter, &alone);
		assert_non_null(flight);
		for (unsigned k = 0; k < 3; k++) {
			assert_null(sb_flights_join(flights, &s.key, &others[k].waiter, &alone));
			assert_false(alone);
		}
		count = sb_flights_land(
			flights, flight, ends[i].nothing ? NULL : &s.result, ends[i].state);
		assert_int_equal(count, ends[i].told == TOLD_RESULT ? 3 : 0);
		assert_int_equal(leader.told, NOT_TOLD);
		for (unsigned k = 0; k < 3; k++) {
			assert_int_equal(others[k].told, ends[i].told);
			assert_int_equal(others[k].times, 1);
			assert_false(sb_flights_leave(flights, &others[k].waiter));
		}
		/* The flight is over: the next one leads again. */
		flight = sb_flights_join(flights, &s.key, &leader.waiter, &alone);
		assert_non_null(flight);
		sb_flights_land(flights, flight, NULL, SB_CONTENT_STATE_PINNED);
		sb_flights_free(flights);
	}
}

static void test_other_keys_lead(void **state)
{
	sb_flights *flights = sb_flights_new();
	struct passenger p[4] = {passenger(1), passenger(1), passenger(1), passenger(1)};
	sb_flight *flight[4];
	sb_cache_key key;
	bool alone;

	(void)state;
	sb_sample_key(&key, 1);
	flight[0] = sb_flights_join(flights, &key, &p[0].waiter, &alone);
	key.length++;
	flight[1] = sb_flights_join(flights, &key, &p[1].waiter, &alone);
	key.length--;
	key.gen[31] ^= 1;
	flight[2] = sb_flights_join(flights, &key, &p[2].waiter, &alone);
	key.gen[31] ^= 1;
	key.hash[31] ^= 1;
	flight[3] = sb_flights_join(flights, &key, &p[3].waiter, &alone);
	for (unsigned i = 0; i < 4; i++) {
		assert_non_null(flight[i]);
		sb_flights_land(flights, flight[i], NULL, SB_CONTENT_STATE_PINNED);
	}
	sb_flights_free(flights);
}

static void test_time(void **state)
{
	sb_flights *flights = sb_flights_new();
	struct passenger leader = passenger(1), a = passenger(10), b = passenger(20), c = a;
	sb_flight *flight;
	uint64_t latest;
	sb_sample s;
	bool alone;

	(void)state;
	sb_sample_make(&s, 0);
	assert_int_equal(sb_flights_expire(flights, 5), SB_NEVER);
	flight = sb_flights_join(flights, &s.key, &leader.waiter, &alone);
	assert_int_equal(sb_flights_waiting(flights, flight, &latest), 0);
	assert_int_equal(latest, 0);
	sb_flights_join(flights, &s.key, &b.waiter, &alone);
	sb_flights_join(flights, &s.key, &a.waiter, &alone);
	sb_flights_join(flights, &s.key, &c.waiter, &alone);
	assert_int_equal(sb_flights_waiting(flights, flight, &latest), 3);
	assert_int_equal(latest, 20);
	assert_int_equal(sb_flights_expire(flights, 9), 10);
	assert_int_equal(a.told, NOT_TOLD);
	assert_true(sb_flights_leave(flights, &c.waiter));
	assert_int_equal(sb_flights_expire(flights, 10), 20);
	assert_int_equal(a.told, TOLD_ALONE);
	assert_int_equal(c.told, NOT_TOLD);
	assert_int_equal(b.told, NOT_TOLD);
	assert_int_equal(sb_flights_land(flights, flight, &s.result, SB_CONTENT_STATE_PINNED), 1);
	assert_int_equal(b.told, TOLD_RESULT);
	assert_int_equal(a.times + b.times + c.times, 2);
	assert_int_equal(sb_flights_expire(flights, 100), SB_NEVER);
	sb_flights_free(flights);
}

/* --- Threads --------------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 4000, KEYS = 3 };

static struct {
	sb_flights *flights;
	_Atomic(uint64_t) led, shared, alone, left;
} race;

static void one_round(unsigned round, unsigned thread)
{
	struct passenger p = passenger(round);
	sb_flight *flight;
	sb_sample s;
	bool alone;

	sb_sample_make(&s, (round * 7 + thread % 2) % KEYS);
	flight = sb_flights_join(race.flights, &s.key, &p.waiter, &alone);
	if (flight != NULL) {
		if (round % 3 == 0)
			sched_yield();
		sb_flights_land(race.flights, flight, round % 5 == 0 ? NULL : &s.result,
			SB_CONTENT_STATE_PINNED);
		atomic_fetch_add(&race.led, 1);
		return;
	}
	if (round % 11 == 0 && sb_flights_leave(race.flights, &p.waiter)) {
		atomic_fetch_add(&race.left, 1);
		return;
	}
	if (round % 13 == 0)
		sb_flights_expire(race.flights, round);
	while (atomic_load(&p.told) == NOT_TOLD)
		sched_yield();
	atomic_fetch_add(p.told == TOLD_RESULT ? &race.shared : &race.alone, 1);
}

static void *fly(void *data)
{
	unsigned thread = *(unsigned *)data;

	for (unsigned i = 1; i <= ROUNDS; i++)
		one_round(i, thread);
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[THREADS];
	unsigned numbers[THREADS];

	(void)state;
	race.flights = sb_flights_new();
	for (unsigned i = 0; i < THREADS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, fly, &numbers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(race.led + race.shared + race.alone + race.left, THREADS * ROUNDS);
	assert_int_equal(sb_flights_expire(race.flights, SB_NEVER), SB_NEVER);
	sb_flights_free(race.flights);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_other_keys_lead),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
