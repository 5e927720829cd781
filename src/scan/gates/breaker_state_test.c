/* SPDX-License-Identifier: MIT */
/*
 * The breaker's state machine as a table. A row is a story of steps, one letter each:
 *
 *    s f F n A L   a call is let in and succeeds, fails, fails with weight 2, says nothing,
 *                  fails fatally, succeeds slowly
 *    !             a call is turned away
 *    p             a call is let in and stays inside …
 *    ) ( -         … and the one that is longest inside succeeds, fails, says nothing
 *    + <number>    so many ms pass
 *    O C R         by hand: open, close, reset
 *    c o h         is it closed, open, half-open?
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scan/gates/breaker_state.h"

#define MS 1000000ull

/* Like the presets, without a share of failures unless a row asks for it. */
static const sb_breaker_rules
	standard = {true, 5, 0, 20, 30000 * MS, 0, 3, 1, 30000 * MS, 600000 * MS},
	strict = {true, 3, 0, 20, 30000 * MS, 0, 5, 1, 60000 * MS, 600000 * MS},
	available = {true, 10, 0, 20, 30000 * MS, 0, 2, 3, 10000 * MS, 600000 * MS},
	share = {true, 1000, 50, 20, 30000 * MS, 0, 3, 1, 30000 * MS, 600000 * MS},
	slow = {true, 1000, 50, 4, 30000 * MS, 100 * MS, 1, 1, 30000 * MS, 600000 * MS},
	short_cap = {true, 1, 0, 20, 30000 * MS, 0, 1, 1, 1000 * MS, 3000 * MS},
	by_hand = {false, 1, 1, 1, 30000 * MS, 0, 1, 1, 1000 * MS, 3000 * MS};

static const struct {
	const char *why;
	const sb_breaker_rules *rules;
	const char *story;
} stories[] = {
	{"threshold - 1 is not enough", &standard, "ffffc"},
	{"the threshold is", &standard, "ffffcfo!"},
	{"threshold + 1 is turned away", &standard, "fffffo!!"},
	{"a success begins the row anew", &standard, "ffffsffffcfo"},
	{"what says nothing neither breaks nor lengthens the row", &standard, "ffffnnnncfo"},
	{"nonsense counts twice", &standard, "FFcFo"},
	{"twice over the threshold is over it", &standard, "ffffcFo"},
	{"one ms before its time nobody is let in", &standard, "fffff+29999!o"},
	{"at its time one probe is", &standard, "fffff+30000p!h"},
	{"three good probes close it", &standard, "fffff+30000shshsc"},
	{"strict: five", &strict, "fffo+60000shshshshsc"},
	{"high availability: two", &available, "fffffffffcfo+10000shsc"},
	{"high availability: three at a time", &available, "ffffffffff+10000ppp!)p!h"},
	{"a failed probe opens it again, for twice as long", &standard, "fffff+30000fo+59999!+1sh"},
	{"good probes before it don't help", &standard, "fffff+30000ssfo+60000sshsc"},
	{"longer each time, up to the cap", &short_cap, "fo+1000fo+1999!+1fo+2999!+1fo+2999!+1sc"},
	{"once closed it begins anew", &short_cap, "f+1000f+2000scfo+999!+1sc"},
	{"a probe that says nothing gives its slot back", &standard, "fffff+30000p!-p!)hssc"},
	{"… any number of times", &standard, "fffff+30000nnnnnnnnnnshshsc"},
	{"a late success from before means nothing", &standard, "ppfffff)o+30000ph)h)ssc"},
	{"a late failure from before neither", &standard, "pp fffff(o+30000ph(h)s"},
	{"a probe of an earlier time frees no slot of a later one", &available,
		"ffffffffff+10000ppp(o+20000ppp!))!h"},
	{"fatal opens at once and for good", &standard, "sAo!+99999999!o"},
	{"fatal in a probe too", &standard, "fffff+30000Ao+99999999!"},
	{"by hand out of it", &standard, "A!Cscffffcfo"},
	{"open by hand: until further notice", &standard, "Oo!+99999999!Csc"},
	{"late answers don't undo a hand", &standard, "pO)o!C"},
	{"closed by hand while a probe is under way", &standard, "fffff+30000pCc)cssc"},
	{"closed by hand it remembers how long", &short_cap, "fCfo+1999!+1sc"},
	{"reset forgets", &short_cap, "fRfo+999!+1sc"},
	{"half of twenty calls", &share, "ssssssssssfffffffffcfo"},
	{"nineteen calls are too few", &share, "fffffffffffffffffffcfo"},
	{"less than half is not enough", &share, "sssssssssssfffffffffcfcfo"},
	{"a success never opens it", &share, "ffffffffffsssssssssscfo"},
	{"calls of this window count", &share, "fffffffffffffffffff+26000cfo"},
	{"older ones don't", &share, "fffffffffffffffffff+30000fcfffffffffffffffffcfcfo"},
	{"what says nothing is no call", &share, "fffffffffffffffffffnnnnncfo"},
	{"slow answers are failures of the window", &slow, "LLLcLo"},
	{"half of them", &slow, "ssssLcLcLcLo"},
	{"a slow probe fails", &slow, "LLLLo+30000Lo+59999!"},
	{"off: nothing opens it", &by_hand, "ffffffffffffffcAc"},
	{"off: a hand does", &by_hand, "Oo!Rsc"},
};

static void play(
	sb_breaker_state *state, const sb_breaker_rules *rules, const char *story, const char *why)
{
	static const char calls[] = "sfFnAL", ends[] = ")(-";
	static const sb_breaker_end said[] = {
		{SB_BREAKER_SUCCESS, 1, 0, 0.5},
		{SB_BREAKER_FAILURE, 1, 0, 0.5},
		{SB_BREAKER_FAILURE, 2, 0, 0.5},
		{SB_BREAKER_NOTHING, 1, 0, 0.5},
		{SB_BREAKER_FATAL, 1, 0, 0.5},
		{SB_BREAKER_SUCCESS, 1, 101 * MS, 0.5},
	};
	static const size_t end_said[] = {0, 1, 3};
	sb_breaker_pass inside[16], pass;
	size_t first = 0, last = 0;
	uint64_t now = 1000 * MS;

	for (const char *step = story; *step != '\0'; step++) {
		const char *call = strchr(calls, *step), *end = strchr(ends, *step);
		bool ok = true;

		if (call != NULL) {
			ok = sb_breaker_admit(state, rules, now, &pass);
			if (ok)
				sb_breaker_end_call(state, rules, pass, &said[call - calls], now);
		} else if (end != NULL) {
			assert_true(first < last);
			sb_breaker_end_call(
				state, rules, inside[first++], &said[end_said[end - ends]], now);
		} else if (*step == 'p') {
			assert_true(last < 16);
			ok = sb_breaker_admit(state, rules, now, &inside[last++]);
		} else if (*step == '!') {
			ok = !sb_breaker_admit(state, rules, now, &pass);
		} else if (*step == '+') {
			char *after;
			now += strtoull(step + 1, &after, 10) * MS;
			step = after - 1;
		} else if (strchr("coh", *step) != NULL) {
			ok = state->phase == (sb_breaker_phase)(strchr("coh", *step) - "coh");
		} else if (*step == 'O') {
			sb_breaker_force_open(state);
		} else if (*step != ' ') {
			assert_true(*step == 'C' || *step == 'R');
			sb_breaker_force_close(state, *step == 'R');
		}
		if (!ok)
			fail_msg("%s: %s: step %zu", why, story, (size_t)(step - story));
	}
}

static void stories_come_true(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof stories / sizeof stories[0]; i++) {
		sb_breaker_state state = {0};

		play(&state, stories[i].rules, stories[i].story, stories[i].why);
	}
}

/* The time of each opening for the lowest, middle and highest dice. */
static void the_open_time_varies_within_bounds(void **unused)
{
	static const double dice[] = {0, 0.5, 1};
	static const uint64_t times[][3] = {
		{24000, 30000, 36000},
		{48000, 60000, 72000},
		{96000, 120000, 144000},
		{192000, 240000, 288000},
		{384000, 480000, 576000},
		{480000, 600000, 600000},
		{480000, 600000, 600000},
	};

	(void)unused;
	for (size_t d = 0; d < 3; d++) {
		sb_breaker_state state = {0};
		sb_breaker_pass pass;
		uint64_t now = 0;

		for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
			const sb_breaker_end failed = {SB_BREAKER_FAILURE, 5, 0, dice[d]};

			assert_true(sb_breaker_admit(&state, &standard, now, &pass));
			sb_breaker_end_call(&state, &standard, pass, &failed, now);
			assert_int_equal(state.phase, SB_BREAKER_OPEN);
			assert_int_equal((state.until - now) / MS, times[i][d]);
			now = state.until;
		}
	}
}

/* Any number of openings: no overflow, never beyond the cap. */
static void it_never_stays_open_longer_than_the_cap(void **unused)
{
	static const sb_breaker_rules extreme = {
		true, 1, 0, 1, 1, 0, 1, 1, 86400000 * MS, 86400000 * MS};
	const sb_breaker_end failed = {SB_BREAKER_FAILURE, 1, 0, 1};
	sb_breaker_state state = {0};
	sb_breaker_pass pass;
	uint64_t now = 0;

	(void)unused;
	for (int i = 0; i < 5000; i++) {
		assert_true(sb_breaker_admit(&state, &extreme, now, &pass));
		sb_breaker_end_call(&state, &extreme, pass, &failed, now);
		assert_true(state.until > now && state.until - now <= extreme.max_open_ns);
		now = state.until;
	}
	assert_int_equal(state.openings, 5000);
}

/* E3: in an outage at most a tenth more is offered than the probes alone. */
static void an_outage_costs_few_calls(void **unused)
{
	sb_breaker_state state = {0};
	unsigned asked = 0;

	(void)unused;
	for (uint64_t now = 0; now < 3600000 * MS; now += 10 * MS) { /* 100 calls a second */
		const sb_breaker_end failed = {SB_BREAKER_FAILURE, 1, 0, 0.5};
		sb_breaker_pass pass;

		if (!sb_breaker_admit(&state, &standard, now, &pass))
			continue;
		asked++;
		sb_breaker_end_call(&state, &standard, pass, &failed, now);
	}
	/* 5 to open, then a probe after 30, 60, 120, 240, 480 s, and every 10 min. */
	assert_int_equal(asked, 5 + 5 + (3600 - 930) / 600);
}

static void successes_counted_elsewhere_count(void **unused)
{
	const sb_breaker_end failed = {SB_BREAKER_FAILURE, 1, 0, 0.5};
	sb_breaker_state state = {0};
	sb_breaker_pass pass;
	unsigned calls, failures;

	(void)unused;
	sb_breaker_count_successes(&state, &share, 11, 0);
	for (int i = 0; i < 10; i++) {
		assert_true(sb_breaker_admit(&state, &share, 0, &pass));
		sb_breaker_end_call(&state, &share, pass, &failed, 0);
	}
	sb_breaker_window(&state, &share, 0, &calls, &failures);
	assert_int_equal(calls, 21);
	assert_int_equal(failures, 10);
	assert_int_equal(state.phase, SB_BREAKER_CLOSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stories_come_true),
		cmocka_unit_test(the_open_time_varies_within_bounds),
		cmocka_unit_test(it_never_stays_open_longer_than_the_cap),
		cmocka_unit_test(an_outage_costs_few_calls),
		cmocka_unit_test(successes_counted_elsewhere_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
