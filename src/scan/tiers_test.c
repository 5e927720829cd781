/* SPDX-License-Identifier: MIT */
/*
 * Engines in tiers, through the manager: who is asked after what, in each of the ways in which
 * content comes. An engine says what the mood of its letter is.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scan/call.h"
#include "scan/manager_body.h"
#include "scan/scan_bench.h"

static const char *moods; /* of a, b, c, … */
static _Atomic(unsigned) asked[26];

static int suspicious(sb_call *call, sb_error *error)
{
	const sb_threat threat = {.name = "Test.Odd", .name_length = 8};

	sb_call_cover(call, sb_call_size(call), SB_CONTENT_INSPECTED);
	return sb_call_suspicious(call, &threat, -1, error);
}

static int moody(sb_call *call, unsigned attempt, sb_error *error)
{
	unsigned letter = (unsigned)(call->engine->conf->name[0] - 'a');

	atomic_fetch_add(&asked[letter], 1);
	switch (moods[letter]) {
	case 'c':
		return clean(call, attempt, error);
	case 'i':
		return infected(call, attempt, error);
	case 's':
		return suspicious(call, error);
	case 'C':
		return until_cancelled(call, attempt, error);
	default:
		return sb_error_set(error, SB_KIND_ENGINE_UNAVAILABLE, 0, "not today");
	}
}

#define ENGINE(name, type, more)                                                                   \
	"  - {name: " name ", type: " type ", self_test: off, retry: {attempts: 1}, " more "}\n"
#define A(more) ENGINE("a", "obedient", more)
#define B(more) ENGINE("b", "obedient", more)
#define C(more) ENGINE("c", "obedient", more)

/* Each engine that was asked in its order in the file, and `-` for those that were not. */
static const struct {
	const char *why, *decision, *engines, *moods, *asked;
	sb_outcome outcome;
	sb_kind kind;
	const char *explanation; /* NULL: any */
} rows[] = {
	{"what an antivirus calls clean is enough", "", A("tier: 1") B("tier: 2"), "ci", "a-",
		SB_OUTCOME_CLEAN, SB_KIND_NONE,
		"any: 1 of 1 engines complete and clean, fully inspected; b was not asked"},
	{"whatever their order in the file", "", A("tier: 2") B("tier: 1"), "ic", "-b",
		SB_OUTCOME_CLEAN, SB_KIND_NONE, NULL},
	{"what rules call clean is not", "", ENGINE("a", "ruled", "") B("tier: 2"), "cc", "ab",
		SB_OUTCOME_CLEAN, SB_KIND_NONE, NULL},
	{"unless nobody asks for more", "min_assurance: rules",
		ENGINE("a", "ruled", "") B("tier: 2"), "cc", "a-", SB_OUTCOME_CLEAN, SB_KIND_NONE,
		NULL},
	{"infected is infected", "", A("") B("tier: 2"), "ic", "a-", SB_OUTCOME_INFECTED,
		SB_KIND_NONE, "any: 1 of 1 engines infected (a); b was not asked"},
	{"one that is suspicious is looked at again", "", A("") B("tier: 2"), "sc", "ab",
		SB_OUTCOME_SUSPICIOUS, SB_KIND_NONE, NULL},
	{"and found out", "", A("") B("tier: 2"), "si", "ab", SB_OUTCOME_INFECTED, SB_KIND_NONE,
		NULL},
	{"a failure is no answer, and stays one", "", A("") B("tier: 2"), "xc", "ab",
		SB_OUTCOME_ERROR, SB_KIND_ENGINE_UNAVAILABLE, NULL},
	{"but what is found then counts", "", A("") B("tier: 2"), "xi", "ab", SB_OUTCOME_INFECTED,
		SB_KIND_NONE, NULL},
	{"who isn't required may be replaced so", "", A("role: optional") B("tier: 2"), "xc", "ab",
		SB_OUTCOME_CLEAN, SB_KIND_NONE, NULL},
	{"a failure beside what is enough", "", A("role: optional") B("") C("tier: 2"), "xci",
		"ab-", SB_OUTCOME_CLEAN, SB_KIND_NONE, NULL},
	{"everybody, unless it is infected", "next_tier: unless_infected", A("") B("tier: 2"), "cc",
		"ab", SB_OUTCOME_CLEAN, SB_KIND_NONE, NULL},
	{"then not", "next_tier: unless_infected", A("") B("tier: 2"), "ic", "a-",
		SB_OUTCOME_INFECTED, SB_KIND_NONE, NULL},
	{"a second opinion on findings", "next_tier: on_suspicion, strategy: quorum, quorum: 2",
		A("") B("tier: 2"), "ii", "ab", SB_OUTCOME_INFECTED, SB_KIND_NONE, NULL},
	{"which the second one doesn't share",
		"next_tier: on_suspicion, strategy: quorum, quorum: 2", A("") B("tier: 2"), "ic",
		"ab", SB_OUTCOME_SUSPICIOUS, SB_KIND_NONE, NULL},
	{"and on nothing else", "next_tier: on_suspicion", ENGINE("a", "ruled", "") B("tier: 2"),
		"ci", "a-", SB_OUTCOME_CLEAN, SB_KIND_NONE, NULL},
	{"not on failures either", "next_tier: on_suspicion", A("") B("tier: 2"), "xi", "a-",
		SB_OUTCOME_ERROR, SB_KIND_ENGINE_UNAVAILABLE, NULL},
	{"too few have said clean", "min_engines: 2", A("") B("tier: 2"), "cc", "ab",
		SB_OUTCOME_CLEAN, SB_KIND_NONE, NULL},
	{"enough in the second tier", "min_engines: 2", A("") B("tier: 2") C("tier: 3"), "cci",
		"ab-", SB_OUTCOME_CLEAN, SB_KIND_NONE, NULL},
	{"up to the last", "min_engines: 3", A("tier: 2") B("tier: 64") C("tier: 9"), "ccc", "abc",
		SB_OUTCOME_CLEAN, SB_KIND_NONE, NULL},
	{"who was not asked is not counted", "min_engines: 3", A("") B("tier: 2"), "cc", "ab",
		SB_OUTCOME_ERROR, SB_KIND_NOT_CONFIGURED, NULL},
	{"weights add up over tiers", "strategy: weighted, threshold: 2", A("") B("tier: 2"), "ii",
		"ab", SB_OUTCOME_INFECTED, SB_KIND_NONE, NULL},
	{"a veto decides at once", "strategy: weighted, threshold: 2", A("veto: true") B("tier: 2"),
		"ii", "a-", SB_OUTCOME_INFECTED, SB_KIND_NONE, NULL},
	{"a majority of those who were asked", "strategy: majority", A("") B("tier: 2"), "ic", "a-",
		SB_OUTCOME_INFECTED, SB_KIND_NONE, NULL},
	{"a shadow decides nothing, not even that", "", A("role: shadow") B("tier: 2"), "ic", "ab",
		SB_OUTCOME_CLEAN, SB_KIND_NONE, NULL},
	{"and is not asked before its turn", "", A("") B("role: shadow, tier: 2"), "ci", "a-",
		SB_OUTCOME_CLEAN, SB_KIND_NONE, NULL},
	{"a fallback is asked out of turn", "next_tier: on_suspicion",
		A("on_open: {fallback: c}") B("tier: 2") C("tier: 3"), "xcc", "a-c",
		SB_OUTCOME_CLEAN, SB_KIND_NONE, NULL},
	{"and not twice, when its turn comes", "next_tier: unless_infected",
		A("on_open: {fallback: c}") B("tier: 2") C("tier: 3"), "xcc", "abc",
		SB_OUTCOME_CLEAN, SB_KIND_NONE, NULL},
	{"one of the same tier has its turn anyway", "",
		A("on_open: {fallback: b}") B("") C("tier: 2"), "xci", "ab-", SB_OUTCOME_CLEAN,
		SB_KIND_NONE, NULL},
	{"nobody waits for the rest", "early_decision: true", A("") B("") C("tier: 2"), "iCc",
		"ab-", SB_OUTCOME_INFECTED, SB_KIND_NONE, NULL},
};

static sb_report *scan_stream(struct bench *bench, const char *text)
{
	sb_input *input = sb_input_stream();
	sb_job *job;
	sb_error error;

	sb_error_init(&error);
	assert_int_equal(sb_submit(&job, bench->manager, input, NULL, NULL, NULL, NULL, &error), 0);
	sb_input_free(input);
	assert_int_equal(sb_job_write(job, text, strlen(text), &error), 0);
	assert_int_equal(sb_job_finish(job, &error), 0);
	return take(job);
}

static void open_moody(struct bench *bench, size_t row)
{
	char yaml[1500];

	moods = rows[row].moods;
	snprintf(yaml, sizeof yaml, "audit: {enabled: false}\ndecision: {%s}\nengines:\n%s",
		rows[row].decision, rows[row].engines);
	open_bench(bench, moody, yaml);
}

static void check_asked(size_t row, const sb_report *report)
{
	size_t count = strlen(rows[row].asked);

	assert_int_equal(sb_report_engine_count(report), count);
	for (size_t i = 0; i < count; i++) {
		bool wanted = rows[row].asked[i] != '-';

		/* Where it is settled early, nobody knows who had begun. */
		bool sure = strstr(rows[row].decision, "early") == NULL || !wanted || i == 0;
		if (sb_report_engine_not_asked(report, i) == wanted ||
			(sure && atomic_load(&asked[i]) != (wanted ? 1u : 0u)))
			fail_msg("%s: engine %zu was asked %u times: %s", rows[row].why, i,
				atomic_load(&asked[i]), sb_report_json(report, NULL));
		if (!wanted) {
			assert_int_equal(sb_report_engine_outcome(report, i), SB_OUTCOME_ERROR);
			assert_int_equal(sb_report_engine_coverage(report, i), SB_COVERAGE_NONE);
			assert_int_equal(sb_error_kind(sb_report_engine_error(report, i)),
				SB_KIND_CANCELLED);
		}
	}
}

static void the_next_tier_is_asked_when_it_has_to_be(void **unused)
{
	(void)unused;
	for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
		struct bench bench;

		open_moody(&bench, row);
		for (unsigned way = 0; way < 3; way++) {
			sb_report *report;

			for (unsigned i = 0; i < 26; i++)
				atomic_store(&asked[i], 0);
			report = way == 0   ? scan_text(&bench, "x")
				 : way == 1 ? take(submit_text(&bench, "x", NULL, NULL, NULL))
					    : scan_stream(&bench, "x");
			expect(rows[row].why, report, rows[row].outcome, rows[row].kind);
			check_asked(row, report);
			if (rows[row].explanation != NULL)
				assert_string_equal(
					sb_report_explanation(report), rows[row].explanation);
			sb_report_free(report);
		}
		close_bench(&bench);
	}
}

/* A breaker that is open asks for the next tier, whatever it does beside. */
static void an_open_breaker_is_a_doubt(void **unused)
{
	static const char *const on_open[] = {"fail_closed", "fail_open"};
	static const sb_outcome outcomes[] = {SB_OUTCOME_ERROR, SB_OUTCOME_CLEAN};

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		struct bench bench;
		sb_report *report;
		char yaml[600];

		moods = "cc";
		snprintf(yaml, sizeof yaml,
			"audit: {enabled: false}\nengines:\n" ENGINE("a", "obedient", "on_open: %s")
				B("tier: 2"),
			on_open[i]);
		open_bench(&bench, moody, yaml);
		assert_int_equal(
			sb_manager_set_breaker(bench.manager, "a", SB_BREAKER_FORCE_OPEN, NULL), 0);
		report = scan_text(&bench, "x");
		assert_int_equal(sb_report_outcome(report), outcomes[i]);
		assert_false(sb_report_engine_not_asked(report, 1));
		assert_int_equal(sb_report_engine_outcome(report, 1), SB_OUTCOME_CLEAN);
		sb_report_free(report);
		close_bench(&bench);
	}
}

/* Only the first tier follows a stream; who comes later has all of it. */
static void later_tiers_see_the_whole_stream(void **unused)
{
	struct bench bench;
	sb_report *report;

	(void)unused;
	moods = "cc";
	atomic_store(&asked[1], 0);
	open_bench(&bench, moody,
		"audit: {enabled: false}\ndecision: {next_tier: "
		"unless_infected}\nengines:\n" ENGINE("a", "streaming", "")
			ENGINE("b", "streaming", "tier: 2"));
	report = scan_stream(&bench, "0123456789");
	expect("both", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
	assert_int_equal(sb_report_engine_outcome(report, 1), SB_OUTCOME_CLEAN);
	assert_int_equal(atomic_load(&script.streamed), 10);
	assert_int_equal(atomic_load(&asked[1]), 1);
	sb_report_free(report);
	close_bench(&bench);
}

/* It is known at the stream's begin that it has to stand in, and it waits for the end. */
static void a_fallback_of_a_later_tier_waits_for_the_stream(void **unused)
{
	struct bench bench;
	sb_report *report;

	(void)unused;
	moods = "ccc";
	for (unsigned i = 0; i < 3; i++)
		atomic_store(&asked[i], 0);
	open_bench(&bench, moody,
		"audit: {enabled: false}\ndecision: {next_tier: on_suspicion}\nengines:\n" ENGINE(
			"a", "streaming", "on_open: {fallback: c}") B("tier: 2") C("tier: 3"));
	assert_int_equal(
		sb_manager_set_breaker(bench.manager, "a", SB_BREAKER_FORCE_OPEN, NULL), 0);
	report = scan_stream(&bench, "0123456789");
	expect("by its fallback", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
	assert_string_equal(sb_report_engine_replaced_by(report, 0), "c");
	assert_true(sb_report_engine_not_asked(report, 1));
	assert_int_equal(atomic_load(&asked[2]), 1);
	sb_report_free(report);
	close_bench(&bench);
}

/* What ends a scan ends it for the tiers to come. */
static void a_scan_that_is_cancelled_asks_nobody_else(void **unused)
{
	struct bench bench;
	sb_report *report;
	sb_job *job;

	(void)unused;
	moods = "Cc";
	atomic_store(&asked[1], 0);
	open_bench(&bench, moody,
		"audit: {enabled: false}\nengines:\n" A("") B("tier: 2, role: optional"));
	job = submit_text(&bench, "x", NULL, NULL, NULL);
	sem_wait(&script.entered);
	sb_job_cancel(job);
	report = take(job);
	expect("cancelled", report, SB_OUTCOME_ERROR, SB_KIND_CANCELLED);
	assert_int_equal(atomic_load(&asked[1]), 0);
	sb_report_free(report);
	close_bench(&bench);
}

/* All answers from the cache: those that were not needed are not missed. */
static void a_scan_from_the_cache_needs_no_second_tier(void **unused)
{
	struct bench bench;

	(void)unused;
	moods = "ci";
	atomic_store(&asked[0], 0);
	open_bench(&bench, moody,
		"audit: {enabled: false}\ncache: {persistent: false}\nengines:\n" A("")
			B("tier: 2"));
	for (unsigned i = 0; i < 2; i++) {
		sb_report *report = scan_text(&bench, "x");
		expect("clean", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
		assert_int_equal(sb_report_cached(report), i == 1);
		sb_report_free(report);
	}
	assert_int_equal(atomic_load(&asked[0]), 1);
	close_bench(&bench);
}

static void many_go_through_tiers_at_once(void **unused)
{
	enum { COUNT = 200 };
	struct bench bench;
	sb_job *jobs[COUNT];

	(void)unused;
	moods = "xsc";
	for (unsigned i = 0; i < 26; i++)
		atomic_store(&asked[i], 0);
	open_bench(&bench, moody,
		"audit: {enabled: false}\nengines:\n" A("role: optional, on_open: {fallback: c}, "
							"breaker: {preset: off}") B("tier: 2")
			C("tier: 3"));
	for (unsigned i = 0; i < COUNT; i++)
		jobs[i] = submit_text(&bench, "x", NULL, NULL, NULL);
	for (unsigned i = 0; i < COUNT; i++) {
		sb_report *report = take(jobs[i]);
		/* c has answered for a: clean, and b is not needed. */
		expect("one of many", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
		assert_true(sb_report_engine_not_asked(report, 1));
		sb_report_free(report);
	}
	assert_int_equal(atomic_load(&asked[2]), COUNT);
	close_bench(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_tier_is_asked_when_it_has_to_be),
		cmocka_unit_test(an_open_breaker_is_a_doubt),
		cmocka_unit_test(later_tiers_see_the_whole_stream),
		cmocka_unit_test(a_fallback_of_a_later_tier_waits_for_the_stream),
		cmocka_unit_test(a_scan_that_is_cancelled_asks_nobody_else),
		cmocka_unit_test(a_scan_from_the_cache_needs_no_second_tier),
		cmocka_unit_test(many_go_through_tiers_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
