/* SPDX-License-Identifier: MIT */
/* The account of a quota: limits and one beside them, midnights, clocks that are set, machines that
 * are started anew. */
#include "scan/gates/quota_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define S 1000000000ull
#define DAY (86400 * S)
/* A day's noon, and how long it is to its end. */
#define NOON (20000 * DAY + 43200 * S)
#define HALF (43200 * S)

static const sb_quota_rules minute = {.per_minute = 4}, day = {.per_day = 500},
			    both = {.per_minute = 4, .per_day = 500};

/* An account, and the two clocks. */
struct world {
	sb_quota_state state;
	sb_quota_rules rules;
	uint64_t now, wall;
};

static struct world begin(sb_quota_rules rules)
{
	struct world w = {.rules = rules, .now = 1000 * S, .wall = NOON};

	sb_quota_catch_up(&w.state, w.now, w.wall);
	return w;
}

static void go(struct world *w, uint64_t ns)
{
	w->now += ns;
	w->wall += ns;
	sb_quota_catch_up(&w->state, w->now, w->wall);
}

static uint64_t wait_of(const struct world *w, unsigned ahead)
{
	return sb_quota_wait(&w->state, &w->rules, ahead, w->now, w->wall);
}

static sb_quota_entry spend(struct world *w, unsigned times)
{
	sb_quota_entry last = {0};

	while (times-- > 0) {
		assert_int_equal(wait_of(w, 0), 0);
		last = sb_quota_spend(&w->state);
	}
	return last;
}

/* --- The minute ----------------------------------------------------------------------------- */

static void a_minute_holds_so_many(void **unused)
{
	struct world w = begin(minute);

	(void)unused;
	spend(&w, 3);
	assert_int_equal(wait_of(&w, 0), 0);
	spend(&w, 1);
	assert_int_equal(wait_of(&w, 0), 61 * S);
	assert_int_equal(sb_quota_left_in_minute(&w.state, &w.rules), 0);
	go(&w, 61 * S - 1);
	assert_int_equal(wait_of(&w, 0), 1);
	go(&w, 1);
	spend(&w, 4);
	assert_int_equal(wait_of(&w, 0), 61 * S);
}

/* Whatever moment is taken: in the 60 s before it there were never more. */
static void no_minute_holds_more(void **unused)
{
	enum { CALLS = 4000 };
	static uint64_t at[CALLS];
	struct world w = begin(minute);
	unsigned n = 0;

	(void)unused;
	srand(1);
	while (n < CALLS) {
		if (wait_of(&w, 0) == 0) {
			sb_quota_spend(&w.state);
			at[n++] = w.now;
			assert_true(n <= 4 || at[n - 1] - at[n - 5] >= 60 * S);
		}
		go(&w, (uint64_t)(unsigned)rand() % (8 * S));
	}
	/* And they are not kept waiting for much longer than that. */
	assert_true(w.now / CALLS <= 61 * S / 4 + 4 * S);
}

/* The wait that is told is the one that there will be, for everybody in the queue. */
static void the_wait_is_known(void **unused)
{
	struct world w = begin(minute);
	uint64_t told[10], gone = 0;

	(void)unused;
	spend(&w, 1);
	go(&w, 10 * S);
	spend(&w, 2);
	for (unsigned i = 0; i < 10; i++)
		told[i] = wait_of(&w, i);
	assert_int_equal(told[0], 0);
	for (unsigned i = 0; i < 10; i++) {
		uint64_t wait = wait_of(&w, 0);
		go(&w, wait);
		gone += wait;
		if (gone != told[i])
			fail_msg("%u waited %llu ns, not %llu", i, (unsigned long long)gone,
				(unsigned long long)told[i]);
		spend(&w, 1);
	}
}

static void what_was_not_sent_is_taken_back(void **unused)
{
	struct world w = begin(both);
	sb_quota_entry entry = spend(&w, 4);

	(void)unused;
	sb_quota_take_back(&w.state, &entry);
	assert_int_equal(wait_of(&w, 0), 0);
	assert_int_equal(w.state.today, 3);
	go(&w, 61 * S); /* out of the window: only of today's */
	sb_quota_take_back(&w.state, &entry);
	assert_int_equal(w.state.today, 2);
	assert_int_equal(sb_quota_left_in_minute(&w.state, &w.rules), 4);
	go(&w, DAY); /* and of another day's: nothing */
	spend(&w, 1);
	sb_quota_take_back(&w.state, &entry);
	assert_int_equal(w.state.today, 1);
}

static void a_lower_limit_holds_for_what_was_sent(void **unused)
{
	struct world w = begin((sb_quota_rules){.per_minute = 10, .per_day = 10});

	(void)unused;
	spend(&w, 10);
	w.rules = both;
	w.rules.per_day = 5;
	assert_true(wait_of(&w, 0) >= 61 * S);
	assert_int_equal(sb_quota_left_today(&w.state, &w.rules), 0);
	assert_int_equal(sb_quota_left_in_minute(&w.state, &w.rules), 0);
}

/* --- The day -------------------------------------------------------------------------------- */

static void a_day_holds_so_many_until_midnight(void **unused)
{
	struct world w = begin(day);

	(void)unused;
	spend(&w, 499);
	assert_int_equal(wait_of(&w, 0), 0);
	assert_int_equal(wait_of(&w, 1), HALF); /* of two, one goes today */
	spend(&w, 1);
	assert_int_equal(wait_of(&w, 0), HALF);
	assert_int_equal(wait_of(&w, 499), HALF);
	assert_int_equal(wait_of(&w, 500), HALF + DAY);
	go(&w, HALF - 1);
	assert_int_equal(wait_of(&w, 0), 1);
	go(&w, 1);
	spend(&w, 500);
	assert_int_equal(wait_of(&w, 0), DAY);
}

static void the_first_day_may_be_short(void **unused)
{
	struct world w = {.rules = day, .now = 1000 * S, .wall = NOON + HALF - 10 * S};

	(void)unused;
	sb_quota_catch_up(&w.state, w.now, w.wall);
	spend(&w, 500);
	assert_int_equal(wait_of(&w, 0), 10 * S);
	go(&w, 10 * S);
	spend(&w, 500);
}

static void set(struct world *w, int64_t ns)
{
	w->wall += (uint64_t)ns;
	sb_quota_catch_up(&w->state, w->now, w->wall);
}

/* However far: what was counted counts until the next midnight, and no longer. */
static void a_clock_set_back_locks_out_until_midnight(void **unused)
{
	static const int64_t back[] = {-(int64_t)DAY, -10 * (int64_t)DAY, -19999 * (int64_t)DAY};

	(void)unused;
	for (size_t i = 0; i < sizeof back / sizeof back[0]; i++) {
		struct world w = begin(both);

		w.state.today = 500;
		set(&w, back[i]);
		assert_int_equal(wait_of(&w, 0), HALF);
		go(&w, HALF);
		spend(&w, 4);
		set(&w, -back[i]);                     /* forward again */
		assert_true(wait_of(&w, 0) >= 60 * S); /* the minute doesn't care */
	}
}

/* Forward and back, again and again: no more than a day's requests an hour. */
static void a_clock_that_is_toggled_grants_little(void **unused)
{
	struct world w = begin(day);
	unsigned sent = 0;

	(void)unused;
	for (unsigned minutes = 0; minutes < 600; minutes++) {
		set(&w, minutes % 2 == 0 ? (int64_t)DAY : -(int64_t)DAY);
		while (wait_of(&w, 0) == 0) {
			sb_quota_spend(&w.state);
			sent++;
		}
		go(&w, 60 * S);
	}
	/* At noon, when it is set first, 10 hours before; the real midnight is not in them. */
	assert_in_range(sent, 500, 12 * 500);
}

static void a_day_that_is_not_over_says_how_long(void **unused)
{
	struct world w = begin(day);

	(void)unused;
	spend(&w, 500);
	set(&w, (int64_t)DAY);
	spend(&w, 500); /* a new day, as far as anybody can tell */
	set(&w, (int64_t)DAY);
	assert_int_equal(wait_of(&w, 0), 3600 * S);
	go(&w, 3600 * S);
	spend(&w, 500);
}

/* --- Another start of the machine ----------------------------------------------------------- */

static void starting_anew_forgets_no_minute(void **unused)
{
	static const struct {
		uint64_t up, wait;
	} rows[] = {{0, 61 * S}, {20 * S, 41 * S}, {60 * S, 1 * S}, {61 * S, 0}, {400 * S, 0}};

	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct world w = begin(both);

		spend(&w, 4);
		w.now = rows[i].up;
		w.wall += 30 * S;
		sb_quota_catch_up(&w.state, w.now, w.wall);
		assert_int_equal(wait_of(&w, 0), rows[i].wait);
		assert_int_equal(w.state.today, 4);
	}
}

/* Two processors may differ by a moment. */
static void a_second_back_is_no_new_start(void **unused)
{
	struct world w = begin(minute);

	(void)unused;
	spend(&w, 4);
	w.now -= 1;
	sb_quota_catch_up(&w.state, w.now, w.wall);
	assert_int_equal(wait_of(&w, 0), 61 * S + 1);
}

static void days_go_on_after_a_new_start(void **unused)
{
	struct world w = begin(day);

	(void)unused;
	go(&w, DAY);
	spend(&w, 500);
	w.now = 5 * S; /* up for less than a day can be short */
	w.wall += DAY;
	sb_quota_catch_up(&w.state, w.now, w.wall);
	spend(&w, 500);
}

/* --- The engine's word ---------------------------------------------------------------------- */

static void a_pause_holds(void **unused)
{
	struct world w = begin((sb_quota_rules){0});

	(void)unused;
	assert_int_equal(wait_of(&w, 1000), 0);
	sb_quota_hold(&w.state, 90 * S, w.now);
	go(&w, 30 * S);
	assert_int_equal(wait_of(&w, 0), 60 * S);
	sb_quota_hold(&w.state, 10 * S, w.now); /* shorter than what it said before */
	assert_int_equal(wait_of(&w, 0), 60 * S);
	sb_quota_hold(&w.state, 70 * S, w.now);
	assert_int_equal(wait_of(&w, 0), 70 * S);
	go(&w, 70 * S);
	assert_int_equal(wait_of(&w, 0), 0);
}

static void a_pause_is_no_life_sentence(void **unused)
{
	struct world w = begin(minute);

	(void)unused;
	sb_quota_hold(&w.state, UINT64_MAX, w.now);
	assert_int_equal(wait_of(&w, 0), DAY);
	w.now = 10 * S; /* started anew: 10 s of it are over at least */
	sb_quota_catch_up(&w.state, w.now, w.wall);
	assert_int_equal(wait_of(&w, 0), DAY - 10 * S);
	go(&w, DAY);
	assert_int_equal(wait_of(&w, 0), 0);
}

static void what_is_not_known_counts_as_sent(void **unused)
{
	struct world w = begin(both);

	(void)unused;
	sb_quota_assume_spent(&w.state, &w.rules, w.now, w.wall);
	assert_int_equal(sb_quota_left_today(&w.state, &w.rules), 0);
	assert_int_equal(sb_quota_left_in_minute(&w.state, &w.rules), 0);
	assert_int_equal(wait_of(&w, 0), HALF);
	go(&w, HALF);
	spend(&w, 4);
}

static void no_limit_counts_to_no_end(void **unused)
{
	struct world w = begin((sb_quota_rules){0});

	(void)unused;
	w.state.today = UINT32_MAX;
	w.state.spent[w.state.second % SB_QUOTA_SECONDS] = UINT32_MAX;
	sb_quota_spend(&w.state);
	assert_int_equal(w.state.today, UINT32_MAX);
	assert_int_equal(sb_quota_left_today(&w.state, &w.rules), UINT32_MAX);
	assert_int_equal(wait_of(&w, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_minute_holds_so_many),
		cmocka_unit_test(no_minute_holds_more),
		cmocka_unit_test(the_wait_is_known),
		cmocka_unit_test(what_was_not_sent_is_taken_back),
		cmocka_unit_test(a_lower_limit_holds_for_what_was_sent),
		cmocka_unit_test(a_day_holds_so_many_until_midnight),
		cmocka_unit_test(the_first_day_may_be_short),
		cmocka_unit_test(a_clock_set_back_locks_out_until_midnight),
		cmocka_unit_test(a_clock_that_is_toggled_grants_little),
		cmocka_unit_test(a_day_that_is_not_over_says_how_long),
		cmocka_unit_test(starting_anew_forgets_no_minute),
		cmocka_unit_test(a_second_back_is_no_new_start),
		cmocka_unit_test(days_go_on_after_a_new_start),
		cmocka_unit_test(a_pause_holds),
		cmocka_unit_test(a_pause_is_no_life_sentence),
		cmocka_unit_test(what_is_not_known_counts_as_sent),
		cmocka_unit_test(no_limit_counts_to_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
