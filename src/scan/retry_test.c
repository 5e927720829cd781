/* SPDX-License-Identifier: MIT */
/* What is asked again, when, and how often. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "scan/moods_scene.h"
#include "util/error.h"

static const struct {
	char mood;
	unsigned attempts; /* of at most 4 */
} repeating[] = {
	{'c', 1},
	{'r', 4},
	{'u', 2},
	{'x', 2},
	{'t', 2},
	{'g', 1},
	{'a', 1},
	{'l', 1},
	{'o', 1},
	{'b', 1},
	{'m', 1},
	{'e', 1},
	{'d', 1},
	{'n', 1},
	{'h', 1},
	{'f', 1},
	{'p', 1},
	{'q', 1},
	{'z', 1},
};

static void kinds_are_repeated_as_the_table_says(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof repeating / sizeof repeating[0]; i++) {
		const char mood[] = {repeating[i].mood, '\0'};
		struct bench bench;

		open_moody(&bench, mood, L("retry: {attempts: 4, initial: 1ms}"));
		sb_report_free(
			turn_until_done(&bench, submit_text(&bench, "x", NULL, NULL, NULL), SB_MS));
		if (atomic_load(&asked[0]) != repeating[i].attempts)
			fail_msg("mood %s: %u attempts", mood, atomic_load(&asked[0]));
		assert_int_equal(metric(&bench, "a", SB_METRIC_RETRIES), repeating[i].attempts - 1);
		close_bench(&bench);
	}
}

static int limited(sb_call *call, unsigned attempt, sb_error *error)
{
	int64_t wait = atomic_load(&moods[0]) == 'l' ? 2000 : 20000;

	if (attempt > 0)
		return clean(call, attempt, error);
	sb_error_set(error, SB_KIND_RATE_LIMITED, 0, "not so fast");
	sb_error_set_retry_after_ms(error, wait);
	return -SB_KIND_RATE_LIMITED;
}

static void retry_after_is_honoured(void **unused)
{
	struct bench bench;
	sb_report *report;

	(void)unused;
	open_moody(&bench, "l", L("retry: {initial: 1ms}"));
	script.scan = limited;
	report = turn_until_done(&bench, submit_text(&bench, "x", NULL, NULL, NULL), 10 * SB_MS);
	expect("after its time", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
	assert_true(atomic_load(&script.at[1]) - atomic_load(&script.at[0]) >= 2000 * SB_MS);
	sb_report_free(report);
	close_bench(&bench);

	open_moody(&bench, "-", A("retry: {initial: 1ms}")); /* later than the deadline */
	script.scan = limited;
	report = scan_text(&bench, "x");
	expect("no time for it", report, SB_OUTCOME_ERROR, SB_KIND_RATE_LIMITED);
	assert_int_equal(atomic_load(&script.attempts), 1);
	sb_report_free(report);
	close_bench(&bench);
}

/* The waits before the second and third attempt are within their bounds, and not all alike. */
static void waits_vary_within_bounds(void **unused)
{
	uint64_t first = 0;
	bool vary = false;

	(void)unused;
	for (unsigned i = 0; i < 8; i++) {
		struct bench bench;
		uint64_t wait, next;

		open_moody(&bench, "r", L("retry: {attempts: 3, initial: 1s, max: 1500ms}"));
		sb_report_free(
			turn_until_done(&bench, submit_text(&bench, "x", NULL, NULL, NULL), SB_MS));
		wait = atomic_load(&script.at[1]) - atomic_load(&script.at[0]);
		next = atomic_load(&script.at[2]) - atomic_load(&script.at[1]);
		assert_true(wait >= 500 * SB_MS); /* the test may turn too far before it looks */
		assert_true(next >= 750 * SB_MS);
		vary = vary || (i > 0 && wait != first);
		first = wait;
		close_bench(&bench);
	}
	assert_true(vary);
}

static void nobody_retries_into_an_open_breaker(void **unused)
{
	struct bench bench;
	sb_report *report;

	(void)unused;
	open_moody(&bench, "r",
		L("retry: {attempts: 9, initial: 1ms}, breaker: {failure_threshold: 3}"));
	report = turn_until_done(&bench, submit_text(&bench, "x", NULL, NULL, NULL), SB_MS);
	expect("the cause is told", report, SB_OUTCOME_ERROR, SB_KIND_CONNECTION_FAILED);
	assert_non_null(strstr(sb_report_json(report, NULL), "\"attempts\":3"));
	assert_int_equal(atomic_load(&asked[0]), 3);
	sb_report_free(report);
	close_bench(&bench);
}

/* It opens while the call waits for its next attempt. */
static void a_cause_outlives_the_news_of_an_open_breaker(void **unused)
{
	struct bench bench;
	sb_report *report;
	sb_job *job;

	(void)unused;
	open_moody(&bench, "r", L("retry: {attempts: 3, initial: 5s, jitter: false}"));
	job = submit_text(&bench, "x", NULL, NULL, NULL);
	while (atomic_load(&asked[0]) < 1)
		sched_yield();
	sb_manager_set_breaker(bench.manager, "a", SB_BREAKER_FORCE_OPEN, NULL);
	report = turn_until_done(&bench, job, 100 * SB_MS);
	expect("the cause is told", report, SB_OUTCOME_ERROR, SB_KIND_CONNECTION_FAILED);
	assert_non_null(strstr(sb_report_json(report, NULL), "\"attempts\":1"));
	assert_int_equal(atomic_load(&asked[0]), 1);
	sb_report_free(report);
	close_bench(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_are_repeated_as_the_table_says),
		cmocka_unit_test(retry_after_is_honoured),
		cmocka_unit_test(waits_vary_within_bounds),
		cmocka_unit_test(nobody_retries_into_an_open_breaker),
		cmocka_unit_test(a_cause_outlives_the_news_of_an_open_breaker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
