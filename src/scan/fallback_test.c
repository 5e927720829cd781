/* SPDX-License-Identifier: MIT */
/* Who answers for an engine that failed, or whose circuit is open. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "scan/moods_scene.h"
#include "util/error.h"

/* --- Fallback -------------------------------------------------------------------------------- */

#define A_TO_B A(ONCE ", on_open: {fallback: b}")

static const struct {
	const char *why, *engines, *moods, *only; /* only: engines asked, NULL: all */
	sb_outcome outcome;
	sb_kind kind;
	const char *replaced, *stands; /* entry by entry: who by, who for; `-`: nobody */
	const char *asked;             /* how often, digit by digit */
} fallbacks[] = {
	{"the answer it gives anyway", A_TO_B B(ONCE), "rc", NULL, SB_OUTCOME_CLEAN, SB_KIND_NONE,
		"b-", "-a", "11"},
	{"no failure, no fallback", A_TO_B B(ONCE), "cc", NULL, SB_OUTCOME_CLEAN, SB_KIND_NONE,
		"--", "--", "11"},
	{"a detection answers, too", A_TO_B B(ONCE ", role: optional"), "ti", NULL,
		SB_OUTCOME_INFECTED, SB_KIND_NONE, "b-", "-a", "11"},
	{"one that failed itself doesn't", A_TO_B B(ONCE ", role: optional"), "rg", NULL,
		SB_OUTCOME_ERROR, SB_KIND_CONNECTION_FAILED, "--", "--", "11"},
	{"content that can't be read is no failure", A_TO_B B(ONCE), "ec", NULL, SB_OUTCOME_ERROR,
		SB_KIND_ENCRYPTED, "--", "--", "11"},
	{"nor is a fault of ours", A_TO_B B(ONCE), "zc", NULL, SB_OUTCOME_ERROR, SB_KIND_INTERNAL,
		"--", "--", "11"},
	{"an optional engine has one, too",
		A(ONCE ", role: optional, on_open: {fallback: b}") B(ONCE), "uc", NULL,
		SB_OUTCOME_CLEAN, SB_KIND_NONE, "b-", "-a", "11"},
	{"not on failure", A(ONCE ", on_open: {fallback: b}, fallback_on: open") B(ONCE), "rc",
		NULL, SB_OUTCOME_ERROR, SB_KIND_CONNECTION_FAILED, "--", "--", "11"},
	{"in reserve: asked when needed", A_TO_B B(ONCE), "rc", "a", SB_OUTCOME_CLEAN, SB_KIND_NONE,
		"b-", "-a", "11"},
	{"in reserve: not needed, not there", A_TO_B B(ONCE), "cc", "a", SB_OUTCOME_CLEAN,
		SB_KIND_NONE, "-", "-", "10"},
	{"in reserve: a detection", A_TO_B B(ONCE), "ri", "a", SB_OUTCOME_INFECTED, SB_KIND_NONE,
		"b-", "-a", "11"},
	{"in reserve: failed, and says why it is there", A_TO_B B(ONCE), "rg", "a",
		SB_OUTCOME_ERROR, SB_KIND_CONNECTION_FAILED, "--", "-a", "11"},
	{"in reserve: as optional as whom it stands for",
		A(ONCE ", role: optional, on_open: {fallback: b}") B(ONCE) C, "rgc", "ac",
		SB_OUTCOME_CLEAN, SB_KIND_NONE, "---", "--a", "111"},
	{"a fallback's fallback", A_TO_B B(ONCE ", on_open: {fallback: c}") C, "rrc", NULL,
		SB_OUTCOME_CLEAN, SB_KIND_NONE, "cc-", "--a", "111"},
	{"both in reserve", A_TO_B B(ONCE ", on_open: {fallback: c}") C, "rrc", "a",
		SB_OUTCOME_CLEAN, SB_KIND_NONE, "cc-", "-aa", "111"},
	{"only the first of them is needed", A_TO_B B(ONCE ", on_open: {fallback: c}") C, "rcc",
		"a", SB_OUTCOME_CLEAN, SB_KIND_NONE, "b-", "-a", "110"},
	{"two share one", A(ONCE ", on_open: {fallback: c}") B(ONCE ", on_open: {fallback: c}") C,
		"rrc", "ab", SB_OUTCOME_CLEAN, SB_KIND_NONE, "cc-", "--a", "111"},
	{"one answer counts once", A_TO_B B(ONCE) "decision: {min_engines: 2}\n", "rc", NULL,
		SB_OUTCOME_ERROR, SB_KIND_CONNECTION_FAILED, "b-", "-a", "11"},
	{"a shadow's failure needs nobody",
		A(ONCE ", role: shadow, on_open: {fallback: b}") B(ONCE), "rc", NULL,
		SB_OUTCOME_CLEAN, SB_KIND_NONE, "--", "--", "11"},
	{"an engine that doesn't obey is asked in its lane",
		A_TO_B "  - {name: b, type: stubborn, self_test: off, timeout: 10s}\n", "rc", "a",
		SB_OUTCOME_CLEAN, SB_KIND_NONE, "b-", "-a", "11"},
};

static void letters_are(const char *why, const sb_report *report, const char *letters,
	const char *(*get)(const sb_report *report, size_t index))
{
	assert_int_equal(sb_report_engine_count(report), strlen(letters));
	for (size_t i = 0; i < strlen(letters); i++) {
		const char *name = get(report, i);

		if ((name != NULL ? name[0] : '-') != letters[i])
			fail_msg("%s: %s", why, sb_report_json(report, NULL));
	}
}

static void fallbacks_answer(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof fallbacks / sizeof fallbacks[0]; i++) {
		struct bench bench;
		sb_report *report;

		open_moody(&bench, fallbacks[i].moods, fallbacks[i].engines);
		report = scan_only(&bench, fallbacks[i].only);
		expect(fallbacks[i].why, report, fallbacks[i].outcome, fallbacks[i].kind);
		letters_are(fallbacks[i].why, report, fallbacks[i].replaced,
			sb_report_engine_replaced_by);
		letters_are(
			fallbacks[i].why, report, fallbacks[i].stands, sb_report_engine_stands_for);
		for (size_t k = 0; k < strlen(fallbacks[i].asked); k++)
			assert_int_equal(atomic_load(&asked[k]), fallbacks[i].asked[k] - '0');
		assert_int_equal(
			metric(&bench, "a", SB_METRIC_FALLBACKS), fallbacks[i].replaced[0] != '-');
		sb_report_free(report);
		close_bench(&bench);
	}
}

static void a_fallback_on_open_answers_once_it_is_open(void **unused)
{
	struct bench bench;
	sb_report *report;

	(void)unused;
	open_moody(&bench, "rc", A(ONCE ", on_open: {fallback: b}, fallback_on: open") B(ONCE));
	for (unsigned i = 0; i < 5; i++)
		scan_expect(&bench, "not yet", SB_KIND_CONNECTION_FAILED);
	report = scan_only(&bench, "a");
	expect("open", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
	letters_are("open", report, "b-", sb_report_engine_replaced_by);
	assert_int_equal(sb_error_kind(sb_report_engine_error(report, 0)), SB_KIND_CIRCUIT_OPEN);
	sb_report_free(report);
	close_bench(&bench);
}

/* The engine is given up by a timer; its fallback is asked from there. */
static void a_fallback_answers_for_one_that_hangs(void **unused)
{
	struct bench bench;
	sb_report *report;
	sb_scan_options *options = sb_scan_options_new();
	sb_input *input = sb_input_memory("x", 1);
	sb_job *job = NULL;

	(void)unused;
	sb_scan_options_add_engine(options, "a");
	open_moody(&bench, "Hc", S(ONCE ", on_open: {fallback: b}") LB);
	assert_int_equal(sb_submit(&job, bench.manager, input, options, NULL, NULL, NULL, NULL), 0);
	await_entered();
	report = turn_until_done(&bench, job, 500 * SB_MS);
	expect("given up, and replaced", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
	letters_are("given up", report, "b-", sb_report_engine_replaced_by);
	sb_report_free(report);
	sem_post(&script.go);
	sb_scan_options_free(options);
	sb_input_free(input);
	close_bench(&bench);
}

/* It fails at the first byte; who answers for it has to see all of them. */
static void a_fallback_waits_for_the_whole_stream(void **unused)
{
	struct bench bench;

	(void)unused;
	open_moody(&bench, "cc",
		"  - {name: a, type: streaming, self_test: off, on_open: {fallback: b}}\n" B(ONCE));
	for (unsigned i = 0; i < 100; i++) {
		sb_scan_options *options = sb_scan_options_new();
		sb_input *input = sb_input_stream();
		sb_report *report;
		sb_job *job = NULL;

		sb_scan_options_add_engine(options, "a");
		sb_manager_set_breaker(bench.manager, "a", SB_BREAKER_FORCE_OPEN, NULL);
		assert_int_equal(
			sb_submit(&job, bench.manager, input, options, NULL, NULL, NULL, NULL), 0);
		assert_int_equal(sb_job_write(job, "some bytes", 10, NULL), 0);
		assert_int_equal(atomic_load(&asked[1]), i);
		if (i % 10 == 9) {
			sb_job_cancel(job);
			atomic_fetch_add(&asked[1], 1);
		} else {
			assert_int_equal(sb_job_write(job, "some bytes", 10, NULL), 0);
			assert_int_equal(sb_job_finish(job, NULL), 0);
		}
		report = take(job);
		if (i % 10 == 9)
			expect("cancelled", report, SB_OUTCOME_ERROR, SB_KIND_CANCELLED);
		else
			expect("a stream", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
		sb_report_free(report);
		sb_input_free(input);
		sb_scan_options_free(options);
	}
	close_bench(&bench);
}

/* --- Failing open ---------------------------------------------------------------------------- */

static const struct {
	const char *why, *moods, *only;
	sb_outcome outcome;
	sb_kind kind;
} openly[] = {
	{"another one judges", "rc", NULL, SB_OUTCOME_CLEAN, SB_KIND_NONE},
	{"or finds something", "ri", NULL, SB_OUTCOME_INFECTED, SB_KIND_NONE},
	{"or fails", "rr", NULL, SB_OUTCOME_ERROR, SB_KIND_CONNECTION_FAILED},
	{"nobody is left to say clean", "rc", "a", SB_OUTCOME_ERROR, SB_KIND_CIRCUIT_OPEN},
};

static void failing_open_never_says_clean(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof openly / sizeof openly[0]; i++) {
		struct bench bench;
		sb_report *report;

		open_moody(&bench, openly[i].moods, A(ONCE ", on_open: fail_open") B(ONCE));
		sb_manager_set_breaker(bench.manager, "a", SB_BREAKER_FORCE_OPEN, NULL);
		report = scan_only(&bench, openly[i].only);
		expect(openly[i].why, report, openly[i].outcome, openly[i].kind);
		assert_int_equal(sb_report_engine_outcome(report, 0), SB_OUTCOME_ERROR);
		assert_true(sb_report_engine_fail_open(report, 0));
		assert_non_null(strstr(sb_report_json(report, NULL), "\"fail_open\":true"));
		assert_int_equal(metric(&bench, "a", SB_METRIC_FAIL_OPEN), 1);
		sb_report_free(report);
		close_bench(&bench);
	}
}

/* A failure that isn't the open circuit's counts like any. */
static void failing_open_is_about_the_circuit_only(void **unused)
{
	struct bench bench;

	(void)unused;
	open_moody(&bench, "rc", A(ONCE ", on_open: fail_open") B(ONCE));
	for (unsigned i = 0; i < 5; i++)
		scan_expect(&bench, "closed", SB_KIND_CONNECTION_FAILED);
	assert_int_equal(metric(&bench, "a", SB_METRIC_FAIL_OPEN), 0);
	scan_expect(&bench, "open", SB_KIND_NONE);
	assert_int_equal(metric(&bench, "a", SB_METRIC_FAIL_OPEN), 1);
	close_bench(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fallbacks_answer),
		cmocka_unit_test(a_fallback_on_open_answers_once_it_is_open),
		cmocka_unit_test(a_fallback_answers_for_one_that_hangs),
		cmocka_unit_test(a_fallback_waits_for_the_whole_stream),
		cmocka_unit_test(failing_open_never_says_clean),
		cmocka_unit_test(failing_open_is_about_the_circuit_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
