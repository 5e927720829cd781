/* SPDX-License-Identifier: MIT */
/* The breaker of an engine, through the manager: what opens it, how it closes again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "scan/moods_scene.h"
#include "util/error.h"

/* --- What counts ----------------------------------------------------------------------------- */

enum { NEVER = 0, TRIES = 30 };

static const struct {
	char mood;
	unsigned opens; /* after so many scans */
} counting[] = {
	{'c', NEVER},
	{'i', NEVER},
	{'r', 5},
	{'t', 5},
	{'g', 3},
	{'u', 5},
	{'x', 5},
	{'a', 1},
	{'l', NEVER},
	{'o', NEVER},
	{'b', NEVER},
	{'m', NEVER},
	{'e', NEVER},
	{'d', NEVER},
	{'n', NEVER},
	{'h', NEVER},
	{'f', NEVER},
	{'p', NEVER},
	{'q', NEVER},
	{'z', NEVER},
};

static void kinds_count_as_the_table_says(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof counting / sizeof counting[0]; i++) {
		const char mood[] = {counting[i].mood, '\0'};
		unsigned scans = 0;
		struct bench bench;

		open_moody(&bench, mood, A(ONCE));
		while (scans < TRIES &&
			strcmp(sb_manager_breaker(bench.manager, "a", NULL), "closed") == 0)
			sb_report_free(scan_number(&bench, scans++));
		if (scans != (counting[i].opens == NEVER ? TRIES : counting[i].opens))
			fail_msg("mood %s: %u scans", mood, scans);
		close_bench(&bench);
	}
}

static void a_share_of_failures_opens_it(void **unused)
{
	struct bench bench;

	(void)unused;
	open_moody(&bench, "c", A(ONCE));
	for (unsigned i = 0; i < 19; i++) { /* never two in a row */
		atomic_store(&moods[0], i % 2 == 0 ? 'c' : 'r');
		sb_report_free(scan_number(&bench, i));
		turn(&bench, 100);
	}
	breaker_is(&bench, "a", "closed"); /* 9 of 19 */
	atomic_store(&moods[0], 'r');
	scan_times(&bench, 1);
	breaker_is(&bench, "a", "open"); /* 10 of 20 */
	close_bench(&bench);
}

/* Many successes long ago, uncounted by the way past the lock, are no excuse today. */
static void old_successes_are_no_excuse(void **unused)
{
	struct bench bench;

	(void)unused;
	open_moody(&bench, "c", A(ONCE));
	scan_times(&bench, 500);
	turn(&bench, 60000);
	for (unsigned i = 0; i < 20; i++) {
		atomic_store(&moods[0], i % 2 == 0 ? 'c' : 'r');
		sb_report_free(scan_number(&bench, i));
	}
	breaker_is(&bench, "a", "open");
	assert_int_equal(metric(&bench, "a", SB_METRIC_SUCCESSFUL), 510);
	assert_int_equal(metric(&bench, "a", SB_METRIC_FAILED), 10);
	close_bench(&bench);
}

/* --- Open, and closed again ------------------------------------------------------------------ */

static void an_open_breaker_asks_nobody(void **unused)
{
	struct bench bench;
	const sb_error *error;
	sb_report *report;
	int64_t wait, again;

	(void)unused;
	open_moody(&bench, "r", A(ONCE));
	scan_times(&bench, 5);
	assert_int_equal(atomic_load(&asked[0]), 5);
	report = scan_text(&bench, "x");
	expect("turned away", report, SB_OUTCOME_ERROR, SB_KIND_CIRCUIT_OPEN);
	error = sb_report_error(report);
	wait = sb_error_retry_after_ms(error);
	assert_true(wait >= 24000 && wait <= 36000);
	assert_string_equal(sb_error_engine(error), "a");
	assert_non_null(strstr(sb_report_json(report, NULL), "\"abstained\":true"));
	assert_int_equal(atomic_load(&asked[0]), 5);
	sb_report_free(report);
	turn(&bench, 1000); /* the rest of the time, not the whole */
	assert_string_equal(sb_manager_breaker(bench.manager, "a", &again), "open");
	assert_int_equal(again, wait - 1000);
	close_bench(&bench);
}

static const struct {
	const char *breaker;
	unsigned failures, successes;
	uint64_t open_ms;
} presets[] = {
	{"{preset: default}", 5, 3, 30000},
	{"{preset: strict}", 3, 5, 60000},
	{"{preset: high_availability}", 10, 2, 10000},
};

static void it_closes_through_scans(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++) {
		char engine[256];
		struct bench bench;

		snprintf(engine, sizeof engine, A(ONCE ", breaker: %s"), presets[i].breaker);
		open_moody(&bench, "r", engine);
		scan_times(&bench, presets[i].failures - 1);
		breaker_is(&bench, "a", "closed");
		scan_times(&bench, 1);
		breaker_is(&bench, "a", "open");
		set_moods("c");
		turn(&bench, presets[i].open_ms * 8 / 10 - 1);
		scan_expect(&bench, "too early", SB_KIND_CIRCUIT_OPEN);
		turn(&bench, presets[i].open_ms * 4 / 10 + 1);
		for (unsigned k = 0; k < presets[i].successes; k++) {
			breaker_is(&bench, "a", "half_open");
			scan_expect(&bench, "a good probe", SB_KIND_NONE);
		}
		breaker_is(&bench, "a", "closed");
		assert_int_equal(metric(&bench, "a", SB_METRIC_OPENED), 1);
		assert_int_equal(metric(&bench, "a", SB_METRIC_CLOSED), 1);
		close_bench(&bench);
	}
}

static void a_bad_probe_opens_it_again_for_longer(void **unused)
{
	struct bench bench;
	int64_t wait;

	(void)unused;
	open_moody(&bench, "r", A(ONCE ", breaker: {open: 1s, max_open: 3s}"));
	scan_times(&bench, 5);
	for (unsigned i = 0; i < 4; i++) {
		static const int64_t least[] = {1600, 2400, 2400, 2400},
				     most[] = {2400, 3000, 3000, 3000};

		turn(&bench, 3000);
		scan_expect(&bench, "a bad probe", SB_KIND_CONNECTION_FAILED);
		assert_string_equal(sb_manager_breaker(bench.manager, "a", &wait), "open");
		assert_true(wait >= least[i] && wait <= most[i]);
	}
	assert_int_equal(atomic_load(&asked[0]), 9);
	close_bench(&bench);
}

/* Nobody gets into a breaker that holds for good, until somebody says so. */
static void a_wrong_key_keeps_it_open(void **unused)
{
	struct bench bench;
	int64_t wait = 0;

	(void)unused;
	open_moody(&bench, "a", A("role: required"));
	scan_expect(&bench, "a wrong key", SB_KIND_AUTHENTICATION_FAILED);
	turn(&bench, 86400000);
	scan_expect(&bench, "a day later", SB_KIND_CIRCUIT_OPEN);
	assert_string_equal(sb_manager_breaker(bench.manager, "a", &wait), "open");
	assert_int_equal(wait, -1);
	set_moods("c");
	assert_int_equal(
		sb_manager_set_breaker(bench.manager, "a", SB_BREAKER_FORCE_CLOSE, NULL), 0);
	scan_expect(&bench, "closed by hand", SB_KIND_NONE);
	close_bench(&bench);
}

static void off_means_by_hand_only(void **unused)
{
	struct bench bench;

	(void)unused;
	open_moody(&bench, "g", A(ONCE ", breaker: {preset: off}"));
	scan_times(&bench, 50);
	breaker_is(&bench, "a", "off");
	assert_int_equal(atomic_load(&asked[0]), 50);
	assert_int_equal(
		sb_manager_set_breaker(bench.manager, "a", SB_BREAKER_FORCE_OPEN, NULL), 0);
	breaker_is(&bench, "a", "open");
	scan_expect(&bench, "by hand", SB_KIND_CIRCUIT_OPEN);
	assert_int_equal(sb_manager_set_breaker(bench.manager, "a", SB_BREAKER_RESET, NULL), 0);
	breaker_is(&bench, "a", "off");
	close_bench(&bench);
}

static void orders_need_an_engine_that_is_there(void **unused)
{
	struct bench bench;
	uint64_t value;
	sb_error error;

	(void)unused;
	sb_error_init(&error);
	open_moody(&bench, "c", A(ONCE));
	assert_int_equal(sb_manager_set_breaker(bench.manager, "b", SB_BREAKER_RESET, &error),
		-SB_KIND_NOT_CONFIGURED);
	assert_non_null(strstr(error.message, "engine b"));
	assert_int_equal(sb_manager_set_breaker(bench.manager, "a", (sb_breaker_order)3, &error),
		-SB_KIND_NOT_CONFIGURED);
	assert_null(sb_manager_breaker(bench.manager, "b", NULL));
	assert_int_equal(sb_manager_engine_metric(bench.manager, "b", SB_METRIC_FAILED, &value),
		-SB_KIND_NOT_CONFIGURED);
	assert_int_equal(sb_manager_engine_metric(bench.manager, "a", (sb_metric)9, &value),
		-SB_KIND_NOT_CONFIGURED);
	close_bench(&bench);
}

/* --- Probes give their slot back ------------------------------------------------------------- */

static void a_cancelled_probe_gives_its_slot_back(void **unused)
{
	struct bench bench;
	sb_job *job;

	(void)unused;
	open_moody(&bench, "r", A(ONCE));
	make_half_open(&bench, "C");
	drain_entered();
	for (unsigned i = 0; i < 3; i++) {
		sb_report *report;

		job = submit_text(&bench, "probe", NULL, NULL, NULL);
		await_entered();
		scan_expect(&bench, "one at a time", SB_KIND_CIRCUIT_OPEN);
		sb_job_cancel(job);
		report = take(job);
		expect("cancelled", report, SB_OUTCOME_ERROR, SB_KIND_CANCELLED);
		sb_report_free(report);
		breaker_is(&bench, "a", "half_open");
	}
	set_moods("c");
	scan_times(&bench, 3);
	breaker_is(&bench, "a", "closed");
	close_bench(&bench);
}

/* Errors of the content neither close nor open it, and don't hold on to the slot. */
static void a_probe_that_says_nothing_gives_its_slot_back(void **unused)
{
	struct bench bench;

	(void)unused;
	open_moody(&bench, "r", A(ONCE));
	make_half_open(&bench, "e");
	for (unsigned i = 0; i < 20; i++)
		scan_expect(&bench, "encrypted", SB_KIND_ENCRYPTED);
	breaker_is(&bench, "a", "half_open");
	set_moods("c");
	scan_times(&bench, 3);
	breaker_is(&bench, "a", "closed");
	close_bench(&bench);
}

/* The permit gate comes after the breaker: who gives up there was never a probe. */
static void a_probe_without_a_permit_gives_its_slot_back(void **unused)
{
	struct bench bench;
	sb_report *report;
	sb_job *inside, *waiting;

	(void)unused;
	open_moody(&bench, "r", A(ONCE ", concurrency: 1, breaker: {half_open_probes: 2}"));
	make_half_open(&bench, "H");
	drain_entered();
	inside = submit_text(&bench, "inside", NULL, NULL, NULL);
	await_entered();
	for (unsigned i = 0; i < 5; i++) {
		waiting = submit_text(&bench, "waiting", NULL, NULL, NULL);
		while (metric(&bench, "a", SB_METRIC_REJECTED) == 0 &&
			sb_job_state(waiting) != SB_JOB_RUNNING)
			sched_yield();
		sb_job_cancel(waiting);
		report = take(waiting);
		expect("never got in", report, SB_OUTCOME_ERROR, SB_KIND_CANCELLED);
		sb_report_free(report);
	}
	assert_int_equal(metric(&bench, "a", SB_METRIC_REJECTED), 0);
	sem_post(&script.go);
	report = take(inside);
	expect("the one inside", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
	sb_report_free(report);
	set_moods("c");
	scan_times(&bench, 2);
	breaker_is(&bench, "a", "closed");
	close_bench(&bench);
}

/* --- Engines that hang ----------------------------------------------------------------------- */

/* Each call overruns its deadline and is given up; fewer permits than failures are needed. */
static void a_hanging_engine_opens_it(void **unused)
{
	struct bench bench;
	sb_job *jobs[6];

	(void)unused;
	open_moody(&bench, "H", S(ONCE ", concurrency: 2"));
	for (size_t i = 0; i < 6; i++)
		jobs[i] = submit_text(&bench, "x", NULL, NULL, NULL);
	await_entered();
	await_entered();
	for (size_t i = 0; i < 6; i++) {
		sb_report *report = turn_until_done(&bench, jobs[i], 100 * SB_MS);

		assert_int_equal(sb_report_outcome(report), SB_OUTCOME_ERROR);
		sb_report_free(report);
	}
	/* Those two count; the others were late themselves, or told that it is stuck. */
	for (unsigned i = 0; i < 5 && strcmp(sb_manager_breaker(bench.manager, "a", NULL), "open");
		i++)
		scan_expect(&bench, "stuck", SB_KIND_TIMEOUT);
	breaker_is(&bench, "a", "open");
	assert_int_equal(atomic_load(&asked[0]), 2);
	scan_expect(&bench, "turned away", SB_KIND_CIRCUIT_OPEN);

	turn(&bench, 36000); /* still stuck: the probe is told at once, and opens it again */
	scan_expect(&bench, "stuck", SB_KIND_TIMEOUT);
	breaker_is(&bench, "a", "open");

	set_moods("c"); /* recovers */
	sem_post(&script.go);
	sem_post(&script.go);
	turn(&bench, 72000);
	while (atomic_load(&script.inside) > 0)
		sched_yield();
	for (unsigned i = 0;
		i < 1000 && strcmp(sb_manager_breaker(bench.manager, "a", NULL), "closed") != 0;
		i++) {
		scan_times(&bench, 1); /* a permit may come back a moment later */
		turn(&bench, 1000);
	}
	breaker_is(&bench, "a", "closed");
	close_bench(&bench);
}

/* What a call says after it was given up counts for nothing. */
static void a_late_answer_counts_for_nothing(void **unused)
{
	struct bench bench;
	sb_report *report;
	sb_job *job;

	(void)unused;
	open_moody(&bench, "H", S(ONCE ", breaker: {failure_threshold: 2}"));
	job = submit_text(&bench, "x", NULL, NULL, NULL);
	await_entered();
	report = turn_until_done(&bench, job, 1000 * SB_MS);
	expect("given up", report, SB_OUTCOME_ERROR, SB_KIND_TIMEOUT);
	sb_report_free(report);
	assert_int_equal(metric(&bench, "a", SB_METRIC_FAILED), 1);
	sem_post(&script.go); /* says clean now: no success that would begin the row anew */
	while (atomic_load(&script.inside) > 0)
		sched_yield();
	set_moods("r");
	scan_times(&bench, 1);
	breaker_is(&bench, "a", "open");
	assert_int_equal(metric(&bench, "a", SB_METRIC_FAILED), 2);
	assert_int_equal(metric(&bench, "a", SB_METRIC_SUCCESSFUL), 0);
	close_bench(&bench);
}

/* Who waits for a permit when it opens is turned away instead of trying too. */
static void those_who_wait_are_turned_away_when_it_opens(void **unused)
{
	enum { MANY = 8 };
	struct bench bench;
	sb_job *jobs[MANY];
	sb_report *report;
	unsigned refused = 0;

	(void)unused;
	open_moody(&bench, "F", S(ONCE ", concurrency: 1, breaker: {failure_threshold: 1}"));
	for (size_t i = 0; i < MANY; i++)
		jobs[i] = submit_text(&bench, "x", NULL, NULL, NULL);
	await_entered();
	for (size_t i = 0; i < MANY; i++)
		while (sb_job_state(jobs[i]) == SB_JOB_QUEUED)
			sched_yield();
	sem_post(&script.go);
	for (size_t i = 0; i < MANY; i++) {
		report = take(jobs[i]);
		refused += sb_error_kind(sb_report_error(report)) == SB_KIND_CIRCUIT_OPEN;
		sb_report_free(report);
	}
	assert_int_equal(refused, MANY - 1);
	assert_int_equal(atomic_load(&asked[0]), 1);
	assert_int_equal(metric(&bench, "a", SB_METRIC_REJECTED), MANY - 1);
	assert_int_equal(metric(&bench, "a", SB_METRIC_FAILED), 1);
	close_bench(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_count_as_the_table_says),
		cmocka_unit_test(a_share_of_failures_opens_it),
		cmocka_unit_test(old_successes_are_no_excuse),
		cmocka_unit_test(an_open_breaker_asks_nobody),
		cmocka_unit_test(it_closes_through_scans),
		cmocka_unit_test(a_bad_probe_opens_it_again_for_longer),
		cmocka_unit_test(a_wrong_key_keeps_it_open),
		cmocka_unit_test(off_means_by_hand_only),
		cmocka_unit_test(orders_need_an_engine_that_is_there),
		cmocka_unit_test(a_cancelled_probe_gives_its_slot_back),
		cmocka_unit_test(a_probe_that_says_nothing_gives_its_slot_back),
		cmocka_unit_test(a_probe_without_a_permit_gives_its_slot_back),
		cmocka_unit_test(a_hanging_engine_opens_it),
		cmocka_unit_test(a_late_answer_counts_for_nothing),
		cmocka_unit_test(those_who_wait_are_turned_away_when_it_opens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
