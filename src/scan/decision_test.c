/* SPDX-License-Identifier: MIT */
/*
 * The decision in stories: each engine is a few words, the outcome and the sentence that
 * explains it are a line. The truth table (tests/kernel) has the breadth, this has the reasons.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "scan/decision.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { MAX_ENGINES = 4 };

/* --- Ready-made parts of an engine's row --------------------------------------------------- */

#define ENGINE(who) .engine = who, .type = "mock"
#define OPTIONAL .role = SB_ROLE_OPTIONAL
#define SHADOW .role = SB_ROLE_SHADOW
#define LIST .hash_list = true
#define CLEAN                                                                                      \
	.outcome = SB_OUTCOME_CLEAN, .coverage = SB_COVERAGE_COMPLETE,                             \
	.content = SB_CONTENT_INSPECTED
#define CLEAN_UNKNOWN .outcome = SB_OUTCOME_CLEAN, .coverage = SB_COVERAGE_COMPLETE
#define INFECTED .outcome = SB_OUTCOME_INFECTED, .coverage = SB_COVERAGE_COMPLETE
#define SUSPICIOUS(confident)                                                                      \
	.outcome = SB_OUTCOME_SUSPICIOUS, .coverage = SB_COVERAGE_COMPLETE, .confidence = confident
#define FAILED(what)                                                                               \
	.outcome = SB_OUTCOME_ERROR, .error = &(sb_error)                                          \
	{                                                                                          \
		.kind = what                                                                       \
	}
#define ABSTAINED(what) FAILED(what), .abstained = true

#define NOT_ASKED ABSTAINED(SB_KIND_CANCELLED), .not_asked = true

struct row {
	const char *why;
	sb_result engines[MAX_ENGINES];
	unsigned min_engines; /* 0 is read as 1 */
	bool changed;
	sb_outcome outcome;
	sb_kind kind;
	const char *explanation;
};

static struct row rows[] = {
	/* tiers: who was not asked */
	{"a required engine whose turn didn't come has not failed, and is not counted",
		{{ENGINE("av"), CLEAN}, {ENGINE("vt"), NOT_ASKED}}, 1, false, SB_OUTCOME_CLEAN,
		SB_KIND_NONE,
		"any: 1 of 1 engines complete and clean, fully inspected; vt was not asked"},
	{"nor is it one of min_engines", {{ENGINE("av"), CLEAN}, {ENGINE("vt"), NOT_ASKED}}, 2,
		false, SB_OUTCOME_ERROR, SB_KIND_NOT_CONFIGURED,
		"any: 1 of 1 engines complete and clean, needed 2; vt was not asked"},
	{"nobody was asked", {{ENGINE("vt"), NOT_ASKED}}, 1, false, SB_OUTCOME_ERROR,
		SB_KIND_NOT_CONFIGURED,
		"any: 0 of 0 engines complete and clean, needed 1; vt was not asked"},
	{"one that says clean and that it was not asked proves nothing",
		{{ENGINE("odd"), CLEAN, .not_asked = true}}, 1, false, SB_OUTCOME_ERROR,
		SB_KIND_INTERNAL, "any: required engine odd failed (internal)"},
	{"one that found something was asked, whatever it says",
		{{ENGINE("odd"), INFECTED, .abstained = true, .not_asked = true}}, 1, false,
		SB_OUTCOME_INFECTED, SB_KIND_NONE, "any: 1 of 1 engines infected (odd)"},
	{"one that failed was asked", {{ENGINE("odd"), FAILED(SB_KIND_TIMEOUT), .not_asked = true}},
		1, false, SB_OUTCOME_ERROR, SB_KIND_TIMEOUT,
		"any: required engine odd failed (timeout)"},
	/* precedence */
	{"one clean engine", {{ENGINE("av"), CLEAN}}, 1, false, SB_OUTCOME_CLEAN, SB_KIND_NONE,
		"any: 1 of 1 engines complete and clean, fully inspected"},
	{"infected beats clean", {{ENGINE("yara"), CLEAN}, {ENGINE("clamav"), INFECTED}}, 1, false,
		SB_OUTCOME_INFECTED, SB_KIND_NONE, "any: 1 of 2 engines infected (clamav)"},
	{"infected beats a required engine's error, which stays visible",
		{{ENGINE("av2"), FAILED(SB_KIND_TIMEOUT)}, {ENGINE("clamav"), INFECTED}}, 1, false,
		SB_OUTCOME_INFECTED, SB_KIND_NONE,
		"any: 1 of 2 engines infected (clamav); av2 failed (timeout)"},
	{"an optional engine's infected counts too",
		{{ENGINE("av"), CLEAN}, {ENGINE("vt"), OPTIONAL, INFECTED}}, 1, false,
		SB_OUTCOME_INFECTED, SB_KIND_NONE, "any: 1 of 2 engines infected (vt)"},
	{"several are named", {{ENGINE("a"), INFECTED}, {ENGINE("b"), INFECTED}}, 1, false,
		SB_OUTCOME_INFECTED, SB_KIND_NONE, "any: 2 of 2 engines infected (a, b)"},
	{"a required engine's error beats suspicious",
		{{ENGINE("yara"), SUSPICIOUS(0.5)}, {ENGINE("clamav"), FAILED(SB_KIND_TIMEOUT)}}, 1,
		false, SB_OUTCOME_ERROR, SB_KIND_TIMEOUT,
		"any: required engine clamav failed (timeout); yara suspicious"},
	{"a required engine's error beats clean",
		{{ENGINE("yara"), CLEAN}, {ENGINE("clamav"), FAILED(SB_KIND_IO)}}, 1, false,
		SB_OUTCOME_ERROR, SB_KIND_IO, "any: required engine clamav failed (io)"},
	{"of several, the first in file order; the others are named",
		{{ENGINE("vt"), OPTIONAL, ABSTAINED(SB_KIND_RATE_LIMITED)},
			{ENGINE("a"), FAILED(SB_KIND_ENCRYPTED)},
			{ENGINE("b"), FAILED(SB_KIND_TIMEOUT)}},
		1, false, SB_OUTCOME_ERROR, SB_KIND_ENCRYPTED,
		"any: required engine a failed (encrypted); vt abstained (rate_limited); "
		"b failed (timeout)"},
	{"suspicious beats clean", {{ENGINE("a"), CLEAN}, {ENGINE("b"), SUSPICIOUS(0.5)}}, 1, false,
		SB_OUTCOME_SUSPICIOUS, SB_KIND_NONE, "any: 1 of 2 engines suspicious (b)"},
	{"an optional engine's error is no vote",
		{{ENGINE("a"), CLEAN}, {ENGINE("vt"), OPTIONAL, ABSTAINED(SB_KIND_FILE_TOO_LARGE)},
			{ENGINE("b"), CLEAN}},
		1, false, SB_OUTCOME_CLEAN, SB_KIND_NONE,
		"any: 2 of 3 engines complete and clean, fully inspected; "
		"vt abstained (file_too_large)"},
	{"an optional engine's error beside suspicious",
		{{ENGINE("a"), SUSPICIOUS(0.5)}, {ENGINE("b"), OPTIONAL, FAILED(SB_KIND_TIMEOUT)}},
		1, false, SB_OUTCOME_SUSPICIOUS, SB_KIND_NONE,
		"any: 1 of 2 engines suspicious (a); b failed (timeout)"},
	{"a required engine that abstains is an error of that engine",
		{{ENGINE("a"), CLEAN}, {ENGINE("b"), ABSTAINED(SB_KIND_CIRCUIT_OPEN)}}, 1, false,
		SB_OUTCOME_ERROR, SB_KIND_CIRCUIT_OPEN,
		"any: required engine b abstained (circuit_open)"},
	{"cancelled after infected is none",
		{{ENGINE("a"), ABSTAINED(SB_KIND_CANCELLED)}, {ENGINE("b"), INFECTED}}, 1, false,
		SB_OUTCOME_INFECTED, SB_KIND_NONE,
		"any: 1 of 2 engines infected (b); a abstained (cancelled)"},
	{"cancelled without infected is one",
		{{ENGINE("a"), ABSTAINED(SB_KIND_CANCELLED)}, {ENGINE("b"), CLEAN}}, 1, false,
		SB_OUTCOME_ERROR, SB_KIND_CANCELLED,
		"any: required engine a abstained (cancelled)"},

	/* evidence: how much makes clean */
	{"no engine", {{0}}, 1, false, SB_OUTCOME_ERROR, SB_KIND_NOT_CONFIGURED,
		"any: 0 of 0 engines complete and clean, needed 1"},
	{"min_engines 0 is no licence", {{ENGINE("a"), OPTIONAL, FAILED(SB_KIND_TIMEOUT)}}, 0,
		false, SB_OUTCOME_ERROR, SB_KIND_TIMEOUT,
		"any: 0 of 1 engines complete and clean, needed 1; a failed (timeout)"},
	{"only shadows: nobody decides", {{ENGINE("a"), SHADOW, CLEAN}}, 1, false, SB_OUTCOME_ERROR,
		SB_KIND_NOT_CONFIGURED, "any: 0 of 0 engines complete and clean, needed 1"},
	{"too few, because some failed: the first cause",
		{{ENGINE("a"), OPTIONAL, FAILED(SB_KIND_TIMEOUT)},
			{ENGINE("b"), OPTIONAL, FAILED(SB_KIND_IO)}},
		1, false, SB_OUTCOME_ERROR, SB_KIND_TIMEOUT,
		"any: 0 of 2 engines complete and clean, needed 1; a failed (timeout); b failed "
		"(io)"},
	{"too few, although none failed", {{ENGINE("a"), CLEAN}}, 2, false, SB_OUTCOME_ERROR,
		SB_KIND_NOT_CONFIGURED, "any: 1 of 1 engines complete and clean, needed 2"},
	{"just enough", {{ENGINE("a"), CLEAN}, {ENGINE("b"), OPTIONAL, CLEAN}}, 2, false,
		SB_OUTCOME_CLEAN, SB_KIND_NONE,
		"any: 2 of 2 engines complete and clean, fully inspected"},
	{"fully inspected is said only if all did",
		{{ENGINE("a"), CLEAN}, {ENGINE("b"), CLEAN_UNKNOWN}}, 1, false, SB_OUTCOME_CLEAN,
		SB_KIND_NONE, "any: 2 of 2 engines complete and clean"},

	/* answers that prove nothing */
	{"memory that nobody filled in", {{.engine = "a", .type = "x"}}, 1, false, SB_OUTCOME_ERROR,
		SB_KIND_INTERNAL, "any: required engine a failed (internal)"},
	{"an error without a kind", {{ENGINE("a"), FAILED(SB_KIND_NONE)}}, 1, false,
		SB_OUTCOME_ERROR, SB_KIND_INTERNAL, "any: required engine a failed (internal)"},
	{"a kind that is none", {{ENGINE("a"), FAILED(SB_KIND_COUNT_)}}, 1, false, SB_OUTCOME_ERROR,
		SB_KIND_INTERNAL, "any: required engine a failed (internal)"},
	{"an outcome that is none",
		{{ENGINE("a"), .outcome = (sb_outcome)4, .coverage = SB_COVERAGE_COMPLETE}}, 1,
		false, SB_OUTCOME_ERROR, SB_KIND_INTERNAL,
		"any: required engine a failed (internal)"},
	{"partly looked at and clean",
		{{ENGINE("a"), .outcome = SB_OUTCOME_CLEAN, .coverage = SB_COVERAGE_PARTIAL}}, 1,
		false, SB_OUTCOME_ERROR, SB_KIND_PROTOCOL_ERROR,
		"any: required engine a failed (protocol_error)"},
	{"not looked at and clean",
		{{ENGINE("a"), OPTIONAL, .outcome = SB_OUTCOME_CLEAN}, {ENGINE("b"), CLEAN}}, 1,
		false, SB_OUTCOME_CLEAN, SB_KIND_NONE,
		"any: 1 of 2 engines complete and clean, fully inspected; a failed "
		"(protocol_error)"},
	{"a coverage beyond complete is none",
		{{ENGINE("a"), .outcome = SB_OUTCOME_CLEAN, .coverage = (sb_coverage_state)3}}, 1,
		false, SB_OUTCOME_ERROR, SB_KIND_PROTOCOL_ERROR,
		"any: required engine a failed (protocol_error)"},
	{"clean with an error", {{ENGINE("a"), CLEAN, .error = &(sb_error){.kind = SB_KIND_IO}}}, 1,
		false, SB_OUTCOME_ERROR, SB_KIND_IO, "any: required engine a failed (io)"},
	{"clean and not asked", {{ENGINE("a"), CLEAN, .abstained = true}}, 1, false,
		SB_OUTCOME_ERROR, SB_KIND_INTERNAL, "any: required engine a abstained (internal)"},
	{"infected is believed whatever the coverage",
		{{ENGINE("a"), .outcome = SB_OUTCOME_INFECTED}}, 1, false, SB_OUTCOME_INFECTED,
		SB_KIND_NONE, "any: 1 of 1 engines infected (a)"},
	{"an unknown role is read as required",
		{{ENGINE("a"), .role = (sb_role)7, FAILED(SB_KIND_IO)}, {ENGINE("b"), CLEAN}}, 1,
		false, SB_OUTCOME_ERROR, SB_KIND_IO, "any: required engine a failed (io)"},

	/* fail_open */
	{"fail_open makes an open circuit optional",
		{{ENGINE("a"), .fail_open = true, ABSTAINED(SB_KIND_CIRCUIT_OPEN)},
			{ENGINE("b"), CLEAN}},
		1, false, SB_OUTCOME_CLEAN, SB_KIND_NONE,
		"any: 1 of 2 engines complete and clean, fully inspected; "
		"a abstained (circuit_open)"},
	{"fail_open never makes a clean (R11)",
		{{ENGINE("a"), .fail_open = true, ABSTAINED(SB_KIND_CIRCUIT_OPEN)}}, 1, false,
		SB_OUTCOME_ERROR, SB_KIND_CIRCUIT_OPEN,
		"any: 0 of 1 engines complete and clean, needed 1; a abstained (circuit_open)"},
	{"fail_open is for open circuits only",
		{{ENGINE("a"), .fail_open = true, FAILED(SB_KIND_TIMEOUT)}, {ENGINE("b"), CLEAN}},
		1, false, SB_OUTCOME_ERROR, SB_KIND_TIMEOUT,
		"any: required engine a failed (timeout)"},

	/* hash lists */
	{"a list that doesn't know is no failure, also when required",
		{{ENGINE("a"), CLEAN}, {ENGINE("list"), LIST, ABSTAINED(SB_KIND_UNSUPPORTED)}}, 1,
		false, SB_OUTCOME_CLEAN, SB_KIND_NONE,
		"any: 1 of 2 engines complete and clean, fully inspected; "
		"list abstained (unsupported)"},
	{"a list that allows", {{ENGINE("a"), CLEAN}, {ENGINE("list"), LIST, CLEAN_UNKNOWN}}, 1,
		false, SB_OUTCOME_CLEAN, SB_KIND_NONE,
		"any: 1 of 2 engines complete and clean, fully inspected; "
		"list lists these bytes as allowed"},
	{"lists never count towards min_engines",
		{{ENGINE("a"), CLEAN}, {ENGINE("list"), LIST, CLEAN_UNKNOWN}}, 2, false,
		SB_OUTCOME_ERROR, SB_KIND_NOT_CONFIGURED,
		"any: 1 of 2 engines complete and clean, needed 2; "
		"list lists these bytes as allowed"},
	{"an allow entry alone is no scan", {{ENGINE("list"), LIST, CLEAN_UNKNOWN}}, 1, false,
		SB_OUTCOME_ERROR, SB_KIND_NOT_CONFIGURED,
		"any: 0 of 1 engines complete and clean, needed 1; "
		"list lists these bytes as allowed"},
	{"a list alone that doesn't know", {{ENGINE("list"), LIST, ABSTAINED(SB_KIND_UNSUPPORTED)}},
		1, false, SB_OUTCOME_ERROR, SB_KIND_NOT_CONFIGURED,
		"any: 0 of 1 engines complete and clean, needed 1; "
		"list abstained (unsupported)"},
	{"infected beats an allow entry",
		{{ENGINE("list"), LIST, CLEAN_UNKNOWN}, {ENGINE("a"), INFECTED}}, 1, false,
		SB_OUTCOME_INFECTED, SB_KIND_NONE,
		"any: 1 of 2 engines infected (a); list lists these bytes as allowed"},
	{"an allow entry does not outweigh suspicious",
		{{ENGINE("list"), LIST, CLEAN_UNKNOWN}, {ENGINE("a"), SUSPICIOUS(0.5)}}, 1, false,
		SB_OUTCOME_SUSPICIOUS, SB_KIND_NONE,
		"any: 1 of 2 engines suspicious (a); list lists these bytes as allowed"},
	{"a blocked digest is infected",
		{{ENGINE("list"), LIST, OPTIONAL, INFECTED}, {ENGINE("a"), CLEAN}}, 1, false,
		SB_OUTCOME_INFECTED, SB_KIND_NONE, "any: 1 of 2 engines infected (list)"},
	{"a required list that fails is an error",
		{{ENGINE("list"), LIST, FAILED(SB_KIND_IO)}, {ENGINE("a"), CLEAN}}, 1, false,
		SB_OUTCOME_ERROR, SB_KIND_IO, "any: required engine list failed (io)"},
	{"a list fails with unsupported without abstaining",
		{{ENGINE("list"), LIST, FAILED(SB_KIND_UNSUPPORTED)}, {ENGINE("a"), CLEAN}}, 1,
		false, SB_OUTCOME_ERROR, SB_KIND_UNSUPPORTED,
		"any: required engine list failed (unsupported)"},
	{"a list abstains for another reason",
		{{ENGINE("list"), LIST, ABSTAINED(SB_KIND_OVERLOADED)}, {ENGINE("a"), CLEAN}}, 1,
		false, SB_OUTCOME_ERROR, SB_KIND_OVERLOADED,
		"any: required engine list abstained (overloaded)"},
	{"other engines have no abstention by nature",
		{{ENGINE("a"), ABSTAINED(SB_KIND_UNSUPPORTED)}, {ENGINE("b"), CLEAN}}, 1, false,
		SB_OUTCOME_ERROR, SB_KIND_UNSUPPORTED,
		"any: required engine a abstained (unsupported)"},

	/* shadow */
	{"a shadow's infected changes nothing",
		{{ENGINE("s"), SHADOW, INFECTED}, {ENGINE("a"), CLEAN}}, 1, false, SB_OUTCOME_CLEAN,
		SB_KIND_NONE, "any: 1 of 1 engines complete and clean, fully inspected"},

	/* content that did not stand still */
	{"changed replaces clean", {{ENGINE("a"), CLEAN}}, 1, true, SB_OUTCOME_ERROR,
		SB_KIND_CHANGED, "any: the content changed while it was scanned (otherwise clean)"},
	{"changed replaces suspicious, which stays visible", {{ENGINE("a"), SUSPICIOUS(0.5)}}, 1,
		true, SB_OUTCOME_ERROR, SB_KIND_CHANGED,
		"any: the content changed while it was scanned (otherwise suspicious); "
		"a suspicious"},
	{"infected stays", {{ENGINE("a"), INFECTED}}, 1, true, SB_OUTCOME_INFECTED, SB_KIND_NONE,
		"any: 1 of 1 engines infected (a)"},
	{"an error stays what it was", {{ENGINE("a"), FAILED(SB_KIND_IO)}}, 1, true,
		SB_OUTCOME_ERROR, SB_KIND_IO, "any: required engine a failed (io)"},
};

static void stories_end_as_told(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		sb_decision_rules rules = {.min_engines = rows[i].min_engines};
		sb_arena arena;
		sb_decision got;
		size_t count = 0;

		while (count < MAX_ENGINES && rows[i].engines[count].engine != NULL)
			count++;
		sb_arena_init(&arena, 1 << 16);
		sb_decide(&got, rows[i].engines, count, &rules, rows[i].changed, NULL, 0, &arena);
		if (got.outcome != rows[i].outcome || sb_error_kind(got.error) != rows[i].kind)
			fail_msg("%s: %s %s", rows[i].why, sb_outcome_name(got.outcome),
				sb_kind_name(sb_error_kind(got.error)));
		if (strcmp(got.explanation, rows[i].explanation) != 0)
			fail_msg("%s: `%s`", rows[i].why, got.explanation);
		if ((got.error != NULL) != (got.outcome == SB_OUTCOME_ERROR))
			fail_msg("%s: error and outcome disagree", rows[i].why);
		assert_false(got.low_assurance);
		sb_arena_done(&arena);
	}
}

/* --- Errors made here ---------------------------------------------------------------------- */

static void made_errors_name_the_engine_and_the_remedy(void **unused)
{
	static const struct {
		sb_result result;
		unsigned min_engines;
		const char *engine, *says;
	} made[] = {
		{{.engine = "a"}, 1, "a", "gave no answer"},
		{{.engine = "a", .outcome = SB_OUTCOME_CLEAN}, 1, "a", "without having looked"},
		{{.engine = "a", CLEAN}, 2, NULL, "1 of 2 complete clean answers"},
		{{.engine = "a", SHADOW}, 1, NULL, "no engine decides: configure"},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(made); i++) {
		sb_decision_rules rules = {.min_engines = made[i].min_engines};
		sb_result result = made[i].result;
		sb_arena arena;
		sb_decision got;
		const char *engine;

		sb_arena_init(&arena, 1 << 16);
		sb_decide(&got, &result, 1, &rules, false, NULL, 0, &arena);
		engine = sb_error_engine(got.error);
		assert_non_null(strstr(sb_error_message(got.error), made[i].says));
		assert_true((engine == NULL) == (made[i].engine == NULL));
		if (engine != NULL)
			assert_string_equal(engine, made[i].engine);
		sb_arena_done(&arena);
	}
}

static void an_engines_own_error_is_passed_on(void **unused)
{
	sb_error error = {.kind = SB_KIND_TIMEOUT, .message = "no reply"};
	sb_result result = {ENGINE("a"), .error = &error};
	sb_decision_rules rules = {.min_engines = 1};
	sb_arena arena;
	sb_decision got;

	(void)unused;
	sb_arena_init(&arena, 1 << 16);
	sb_decide(&got, &result, 1, &rules, false, NULL, 0, &arena);
	assert_ptr_equal(got.error, &error);
	sb_arena_done(&arena);
}

static void content_that_could_not_be_made_is_an_error(void **unused)
{
	static const sb_error too_large = {.kind = SB_KIND_FILE_TOO_LARGE};
	sb_result results[] = {{ENGINE("a"), CLEAN}, {ENGINE("b"), INFECTED}};
	sb_decision_rules rules = {.min_engines = 1};

	(void)unused;
	for (size_t count = 0; count <= COUNT(results); count++) {
		sb_arena arena;
		sb_decision got;

		sb_arena_init(&arena, 1 << 16);
		sb_decide(&got, results, count, &rules, true, &too_large, 0, &arena);
		assert_int_equal(got.outcome, SB_OUTCOME_ERROR);
		assert_ptr_equal(got.error, &too_large);
		assert_string_equal(
			got.explanation, "any: the content could not be scanned (file_too_large)");
		sb_arena_done(&arena);
	}
}

/* --- Ignored detections -------------------------------------------------------------------- */

enum { TODAY = 1000, YESTERDAY = 999, TOMORROW = 1001 };

static void ignored_detections_do_not_decide(void **unused)
{
	static const sb_detection bad = {.name = "Bad", .outcome = SB_OUTCOME_INFECTED};
	static const sb_detection odd = {.name = "Odd", .outcome = SB_OUTCOME_SUSPICIOUS};
	static const struct {
		const char *why;
		sb_ignore ignore[2];
		const sb_detection *found[2];
		sb_outcome said;
		sb_coverage_state coverage;
		sb_outcome outcome;
		sb_kind kind;
		unsigned ignored;
		const char *explanation;
	} cases[] = {
		{"all ignored and all looked at: clean", {{"av", "Bad", TOMORROW, "x"}}, {&bad},
			SB_OUTCOME_INFECTED, SB_COVERAGE_COMPLETE, SB_OUTCOME_CLEAN, SB_KIND_NONE,
			1, "any: 1 of 1 engines complete and clean; av: 1 detection ignored"},
		{"two", {{"av", "Bad", TOMORROW, "x"}, {NULL, "Odd", TOMORROW, "x"}}, {&bad, &odd},
			SB_OUTCOME_INFECTED, SB_COVERAGE_COMPLETE, SB_OUTCOME_CLEAN, SB_KIND_NONE,
			2, "any: 1 of 1 engines complete and clean; av: 2 detections ignored"},
		{"for any engine", {{NULL, "Bad", TOMORROW, "x"}}, {&bad}, SB_OUTCOME_INFECTED,
			SB_COVERAGE_COMPLETE, SB_OUTCOME_CLEAN, SB_KIND_NONE, 1,
			"any: 1 of 1 engines complete and clean; av: 1 detection ignored"},
		{"expired", {{"av", "Bad", YESTERDAY, "x"}}, {&bad}, SB_OUTCOME_INFECTED,
			SB_COVERAGE_COMPLETE, SB_OUTCOME_INFECTED, SB_KIND_NONE, 0,
			"any: 1 of 1 engines infected (av)"},
		{"until is exclusive", {{"av", "Bad", TODAY, "x"}}, {&bad}, SB_OUTCOME_INFECTED,
			SB_COVERAGE_COMPLETE, SB_OUTCOME_INFECTED, SB_KIND_NONE, 0,
			"any: 1 of 1 engines infected (av)"},
		{"another engine's", {{"vt", "Bad", TOMORROW, "x"}}, {&bad}, SB_OUTCOME_INFECTED,
			SB_COVERAGE_COMPLETE, SB_OUTCOME_INFECTED, SB_KIND_NONE, 0,
			"any: 1 of 1 engines infected (av)"},
		{"the exact name only", {{"av", "bad", TOMORROW, "x"}, {"av", "Ba", TOMORROW, "x"}},
			{&bad}, SB_OUTCOME_INFECTED, SB_COVERAGE_COMPLETE, SB_OUTCOME_INFECTED,
			SB_KIND_NONE, 0, "any: 1 of 1 engines infected (av)"},
		{"what is left speaks: suspicious", {{"av", "Bad", TOMORROW, "x"}}, {&bad, &odd},
			SB_OUTCOME_INFECTED, SB_COVERAGE_COMPLETE, SB_OUTCOME_SUSPICIOUS,
			SB_KIND_NONE, 1,
			"any: 1 of 1 engines suspicious (av); av: 1 detection ignored"},
		{"what is left speaks: infected", {{"av", "Odd", TOMORROW, "x"}}, {&bad, &odd},
			SB_OUTCOME_INFECTED, SB_COVERAGE_COMPLETE, SB_OUTCOME_INFECTED,
			SB_KIND_NONE, 1,
			"any: 1 of 1 engines infected (av); av: 1 detection ignored"},
		{"suspicious taken out", {{"av", "Odd", TOMORROW, "x"}}, {&odd},
			SB_OUTCOME_SUSPICIOUS, SB_COVERAGE_COMPLETE, SB_OUTCOME_CLEAN, SB_KIND_NONE,
			1, "any: 1 of 1 engines complete and clean; av: 1 detection ignored"},
		{"the rest behind an ignored detection was not looked at",
			{{"av", "Bad", TOMORROW, "x"}}, {&bad}, SB_OUTCOME_INFECTED,
			SB_COVERAGE_PARTIAL, SB_OUTCOME_ERROR, SB_KIND_LIMIT_EXCEEDED, 1,
			"any: required engine av failed (limit_exceeded); av: 1 detection ignored"},
		{"a detection beside a clean answer is believed", {{0}}, {&bad}, SB_OUTCOME_CLEAN,
			SB_COVERAGE_COMPLETE, SB_OUTCOME_INFECTED, SB_KIND_NONE, 0,
			"any: 1 of 1 engines infected (av)"},
		{"a suspicious one too", {{0}}, {&odd}, SB_OUTCOME_CLEAN, SB_COVERAGE_COMPLETE,
			SB_OUTCOME_SUSPICIOUS, SB_KIND_NONE, 0,
			"any: 1 of 1 engines suspicious (av)"},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++) {
		sb_detection found[2];
		sb_result result = {ENGINE("av"), .outcome = cases[i].said,
			.coverage = cases[i].coverage, .detections = found};
		sb_decision_rules rules = {.min_engines = 1, .ignores = cases[i].ignore};
		sb_arena arena;
		sb_decision got;

		while (rules.ignore_count < 2 && rules.ignores[rules.ignore_count].threat != NULL)
			rules.ignore_count++;
		found[0] = *cases[i].found[0];
		found[0].ignored = true; /* left over from another time: set anew */
		found[1] = cases[i].found[1] != NULL ? *cases[i].found[1] : odd;
		found[0].next = cases[i].found[1] != NULL ? &found[1] : NULL;
		sb_arena_init(&arena, 1 << 16);
		sb_decide(&got, &result, 1, &rules, false, NULL, TODAY, &arena);
		if (got.outcome != cases[i].outcome || sb_error_kind(got.error) != cases[i].kind ||
			strcmp(got.explanation, cases[i].explanation) != 0)
			fail_msg("%s: %s", cases[i].why, got.explanation);
		assert_int_equal(found[0].ignored + found[1].ignored, cases[i].ignored);
		if (got.error != NULL)
			assert_non_null(strstr(sb_error_message(got.error), "ignored detection"));
		sb_arena_done(&arena);
	}
}

/* --- Confidence and assurance -------------------------------------------------------------- */

static void the_highest_confidence_counts(void **unused)
{
	static const struct {
		const char *why;
		double first, second, expected;
	} cases[] = {
		{"the higher", 0.25, 0.75, 0.75},
		{"wherever it stands", 0.75, 0.25, 0.75},
		{"unknown beside known", -1, 0.25, 0.25},
		{"unknown", -1, -1, -1},
		{"no number", NAN, 0.5, 0.5},
		{"zero is known", 0, -1, 0},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++) {
		sb_result results[] = {{ENGINE("a"), SUSPICIOUS(cases[i].first)},
			{ENGINE("b"), SUSPICIOUS(cases[i].second)},
			{ENGINE("s"), SHADOW, SUSPICIOUS(1)},
			{ENGINE("c"), CLEAN, .confidence = 1}};
		sb_decision_rules rules = {.min_engines = 1};
		sb_arena arena;
		sb_decision got;

		sb_arena_init(&arena, 1 << 16);
		sb_decide(&got, results, COUNT(results), &rules, false, NULL, 0, &arena);
		if (got.confidence > cases[i].expected || got.confidence < cases[i].expected)
			fail_msg("%s: %f", cases[i].why, got.confidence);
		sb_decide(&got, results, COUNT(results), &rules, true, NULL, 0, &arena);
		assert_true(got.confidence < 0); /* nothing but suspicious has one */
		sb_arena_done(&arena);
	}
}

static void assurance_is_of_the_best_clean_answer(void **unused)
{
	static const struct {
		const char *why;
		sb_assurance first, second, shadow, least;
		bool changed;
		const char *reason;
	} cases[] = {
		{"enough", SB_ASSURANCE_ANTIVIRUS, SB_ASSURANCE_RULES, 0, SB_ASSURANCE_ANTIVIRUS,
			false, NULL},
		{"the second is enough", SB_ASSURANCE_RULES, SB_ASSURANCE_ANTIVIRUS, 0,
			SB_ASSURANCE_ANTIVIRUS, false, NULL},
		{"rules are asked for", SB_ASSURANCE_RULES, SB_ASSURANCE_HASH, 0,
			SB_ASSURANCE_RULES, false, NULL},
		{"too low", SB_ASSURANCE_HASH, SB_ASSURANCE_RULES, 0, SB_ASSURANCE_ANTIVIRUS, false,
			"the best complete clean answer has assurance rules (b), below antivirus"},
		{"a shadow gives none", SB_ASSURANCE_RULES, SB_ASSURANCE_RULES,
			SB_ASSURANCE_ANTIVIRUS, SB_ASSURANCE_ANTIVIRUS, false,
			"the best complete clean answer has assurance rules (a), below antivirus"},
		{"an error has no assurance", SB_ASSURANCE_RULES, SB_ASSURANCE_RULES, 0,
			SB_ASSURANCE_ANTIVIRUS, true, NULL},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++) {
		sb_result results[] = {{.engine = "a", CLEAN, .assurance = cases[i].first},
			{.engine = "b", CLEAN, .assurance = cases[i].second},
			{.engine = "s", CLEAN, SHADOW, .assurance = cases[i].shadow},
			{.engine = "l",
				CLEAN,
				.hash_list = true,
				.assurance = SB_ASSURANCE_ANTIVIRUS}};
		sb_decision_rules rules = {.min_engines = 1, .min_assurance = cases[i].least};
		sb_arena arena;
		sb_decision got;

		sb_arena_init(&arena, 1 << 16);
		sb_decide(&got, results, COUNT(results), &rules, cases[i].changed, NULL, 0, &arena);
		if (got.low_assurance != (cases[i].reason != NULL))
			fail_msg("%s: %d", cases[i].why, got.low_assurance);
		if (cases[i].reason != NULL)
			assert_string_equal(got.assurance_reason, cases[i].reason);
		else
			assert_null(got.assurance_reason);
		assert_int_equal(got.complete_clean, 2);
		sb_arena_done(&arena);
	}
}

/* --- Bounds -------------------------------------------------------------------------------- */

static void an_explanation_has_an_end(void **unused)
{
	enum { MANY = 200 };
	static sb_result results[MANY];
	sb_decision_rules rules = {.min_engines = 1};
	sb_arena arena;
	sb_decision got;

	(void)unused;
	for (size_t i = 0; i < MANY; i++)
		results[i] = (sb_result){ENGINE("an_engine_with_a_rather_long_name"), INFECTED};
	sb_arena_init(&arena, 1 << 16);
	sb_decide(&got, results, MANY, &rules, false, NULL, 0, &arena);
	assert_int_equal(strlen(got.explanation), 1024);
	assert_string_equal(got.explanation + 1021, "...");
	assert_non_null(strstr(got.explanation, "any: 200 of 200 engines infected (an_engine"));
	sb_arena_done(&arena);
}

/* Without memory the outcome is the same, in fewer words. */
static void no_memory_changes_no_outcome(void **unused)
{
	static const struct {
		sb_result result;
		bool changed;
		sb_outcome outcome;
		sb_kind kind;
	} cases[] = {
		{{ENGINE("a"), CLEAN, .assurance = SB_ASSURANCE_ANTIVIRUS}, false, SB_OUTCOME_CLEAN,
			SB_KIND_NONE},
		{{ENGINE("a"), INFECTED}, true, SB_OUTCOME_INFECTED, SB_KIND_NONE},
		{{ENGINE("a"), CLEAN, .assurance = SB_ASSURANCE_HASH}, false, SB_OUTCOME_CLEAN,
			SB_KIND_NONE},
		{{ENGINE("a"), CLEAN}, true, SB_OUTCOME_ERROR, SB_KIND_INTERNAL},
		{{ENGINE("a")}, false, SB_OUTCOME_ERROR, SB_KIND_INTERNAL},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++) {
		sb_decision_rules rules = {
			.min_engines = 1, .min_assurance = SB_ASSURANCE_ANTIVIRUS};
		sb_result result = cases[i].result;
		sb_arena arena;
		sb_decision got;

		sb_arena_init(&arena, 0);
		sb_decide(&got, &result, 1, &rules, cases[i].changed, NULL, 0, &arena);
		assert_int_equal(got.outcome, cases[i].outcome);
		assert_int_equal(sb_error_kind(got.error), cases[i].kind);
		assert_string_equal(got.explanation, "no memory for the explanation");
		if (got.low_assurance)
			assert_non_null(got.assurance_reason);
		sb_arena_done(&arena);
	}
}

/* --- Strategies ------------------------------------------------------------------------------ */

#define WEIGHS(kilos) .weight = kilos
#define VETO .veto = true

static void strategies_count_hits(void **state)
{
	struct {
		const char *why;
		sb_decision_rules rules;
		sb_result engines[MAX_ENGINES];
		sb_outcome outcome;
		double confidence;
		const char *explanation;
	} cases[] = {
		{"all: one that says clean stops it", {.strategy = SB_STRATEGY_ALL},
			{{ENGINE("a"), INFECTED}, {ENGINE("b"), CLEAN}}, SB_OUTCOME_SUSPICIOUS, 0.5,
			"all: 1 of 2 engines infected (a), 2 needed"},
		{"all: who could not answer is not counted", {.strategy = SB_STRATEGY_ALL},
			{{ENGINE("a"), INFECTED}, {ENGINE("b"), OPTIONAL, FAILED(SB_KIND_TIMEOUT)}},
			SB_OUTCOME_INFECTED, -1,
			"all: 1 of 2 engines infected (a); b failed (timeout)"},
		{"quorum: exactly enough", {.strategy = SB_STRATEGY_QUORUM, .quorum = 2},
			{{ENGINE("a"), INFECTED}, {ENGINE("b"), INFECTED}, {ENGINE("c"), CLEAN}},
			SB_OUTCOME_INFECTED, -1, "quorum: 2 of 3 engines infected (a, b)"},
		{"quorum: one too few, and who was not asked is named",
			{.strategy = SB_STRATEGY_QUORUM, .quorum = 2},
			{{ENGINE("a"), INFECTED}, {ENGINE("b"), CLEAN},
				{ENGINE("c"), OPTIONAL, ABSTAINED(SB_KIND_CIRCUIT_OPEN)}},
			SB_OUTCOME_SUSPICIOUS, 0.5,
			"quorum: 1 of 3 engines infected (a), 2 needed; "
			"c abstained (circuit_open)"},
		{"too few hits beside a required engine's failure",
			{.strategy = SB_STRATEGY_QUORUM, .quorum = 2},
			{{ENGINE("a"), INFECTED}, {ENGINE("b"), FAILED(SB_KIND_TIMEOUT)}},
			SB_OUTCOME_ERROR, -1,
			"quorum: required engine b failed (timeout); a infected"},
		{"enough hits beside it", {.strategy = SB_STRATEGY_QUORUM, .quorum = 1},
			{{ENGINE("a"), INFECTED}, {ENGINE("b"), FAILED(SB_KIND_TIMEOUT)}},
			SB_OUTCOME_INFECTED, -1,
			"quorum: 1 of 2 engines infected (a); b failed (timeout)"},
		{"majority: half is not more than half", {.strategy = SB_STRATEGY_MAJORITY},
			{{ENGINE("a"), INFECTED}, {ENGINE("b"), CLEAN}}, SB_OUTCOME_SUSPICIOUS, 0.5,
			"majority: 1 of 2 engines infected (a), 2 needed"},
		{"majority: of the complete answers, not of the engines",
			{.strategy = SB_STRATEGY_MAJORITY},
			{{ENGINE("a"), INFECTED}, {ENGINE("b"), INFECTED}, {ENGINE("c"), CLEAN},
				{ENGINE("d"), OPTIONAL, FAILED(SB_KIND_CORRUPT)}},
			SB_OUTCOME_INFECTED, -1,
			"majority: 2 of 4 engines infected (a, b); d failed (corrupt)"},
		{"a suspicion is an answer, but no hit", {.strategy = SB_STRATEGY_MAJORITY},
			{{ENGINE("a"), INFECTED}, {ENGINE("b"), SUSPICIOUS(0.9)}},
			SB_OUTCOME_SUSPICIOUS, 0.9,
			"majority: 1 of 2 engines infected (a), 2 needed; b suspicious"},
		{"weighted: just reached", {.strategy = SB_STRATEGY_WEIGHTED, .threshold = 2},
			{{ENGINE("a"), INFECTED, WEIGHS(0.5)}, {ENGINE("b"), INFECTED, WEIGHS(1.5)},
				{ENGINE("c"), CLEAN, WEIGHS(9)}},
			SB_OUTCOME_INFECTED, -1, "weighted: 2 of 3 engines infected (a, b)"},
		{"weighted: just missed", {.strategy = SB_STRATEGY_WEIGHTED, .threshold = 2},
			{{ENGINE("a"), INFECTED, WEIGHS(0.5)}, {ENGINE("b"), CLEAN, WEIGHS(1.5)}},
			SB_OUTCOME_SUSPICIOUS, 0.25,
			"weighted: 1 of 2 engines infected (a), weight 0.5 of 2"},
		{"a veto is enough", {.strategy = SB_STRATEGY_WEIGHTED, .threshold = 2},
			{{ENGINE("a"), INFECTED, WEIGHS(0.5), VETO}, {ENGINE("b"), CLEAN}},
			SB_OUTCOME_INFECTED, -1, "weighted: 1 of 2 engines infected (a)"},
		{"a list's hit is a hit, its leave no answer", {.strategy = SB_STRATEGY_MAJORITY},
			{{ENGINE("bad"), LIST, INFECTED}, {ENGINE("good"), LIST, CLEAN}},
			SB_OUTCOME_INFECTED, -1,
			"majority: 1 of 2 engines infected (bad); good lists these bytes as "
			"allowed"},
		{"no hit is no question of strategy", {.strategy = SB_STRATEGY_QUORUM, .quorum = 9},
			{{ENGINE("a"), CLEAN}}, SB_OUTCOME_CLEAN, -1,
			"quorum: 1 of 1 engines complete and clean, fully inspected"},
		{"a strategy that nobody knows is any", {.strategy = (sb_strategy)77},
			{{ENGINE("a"), INFECTED}, {ENGINE("b"), CLEAN}}, SB_OUTCOME_INFECTED, -1,
			"any: 1 of 2 engines infected (a)"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t count = 0;
		sb_arena arena;
		sb_decision got;

		while (count < MAX_ENGINES && cases[i].engines[count].engine != NULL)
			count++;
		sb_arena_init(&arena, 1 << 16);
		sb_decide(&got, cases[i].engines, count, &cases[i].rules, false, NULL, 0, &arena);
		if (got.outcome != cases[i].outcome || got.confidence != cases[i].confidence)
			fail_msg("%s: %s, confidence %g", cases[i].why, got.explanation,
				got.confidence);
		assert_string_equal(got.explanation, cases[i].explanation);
		sb_arena_done(&arena);
	}
}

static void certainty_needs_no_more_answers(void **state)
{
	static const sb_result hit = {ENGINE("a"), INFECTED, WEIGHS(1)},
			       veto = {ENGINE("a"), INFECTED, VETO},
			       odd = {ENGINE("a"), SUSPICIOUS(1)}, well = {ENGINE("a"), CLEAN},
			       shadow = {ENGINE("a"), SHADOW, INFECTED}, none = {0};
	static const struct {
		sb_decision_rules rules;
		const sb_result *results[3]; /* NULL: still asked */
		bool certain;
	} cases[] = {
		{{.strategy = SB_STRATEGY_ANY}, {&hit, NULL, NULL}, true},
		{{.strategy = SB_STRATEGY_ANY}, {&odd, NULL, NULL}, false},
		{{.strategy = SB_STRATEGY_ANY}, {&well, &well, NULL}, false},
		{{.strategy = SB_STRATEGY_ANY}, {&shadow, &well, NULL}, false},
		{{.strategy = SB_STRATEGY_ANY}, {&none, &none, NULL}, false},
		{{.strategy = SB_STRATEGY_QUORUM, .quorum = 2}, {&hit, NULL, NULL}, false},
		{{.strategy = SB_STRATEGY_QUORUM, .quorum = 2}, {&hit, &hit, NULL}, true},
		{{.strategy = SB_STRATEGY_MAJORITY}, {&hit, NULL, NULL}, false},
		{{.strategy = SB_STRATEGY_MAJORITY}, {&hit, &hit, NULL}, true},
		{{.strategy = SB_STRATEGY_MAJORITY}, {&hit, &none, NULL}, false},
		{{.strategy = SB_STRATEGY_ALL}, {&hit, &hit, NULL}, false},
		{{.strategy = SB_STRATEGY_ALL}, {&hit, &hit, &hit}, true},
		{{.strategy = SB_STRATEGY_ALL}, {&veto, NULL, NULL}, true},
		{{.strategy = SB_STRATEGY_WEIGHTED, .threshold = 2}, {&hit, NULL, NULL}, false},
		{{.strategy = SB_STRATEGY_WEIGHTED, .threshold = 2}, {&hit, &hit, NULL}, true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		sb_result results[3] = {{0}};
		bool settled[3];

		for (size_t k = 0; k < 3; k++) {
			settled[k] = cases[i].results[k] != NULL;
			if (settled[k])
				results[k] = *cases[i].results[k];
		}
		if (sb_decision_is_certain(results, settled, 3, &cases[i].rules, 0) !=
			cases[i].certain)
			fail_msg("case %zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stories_end_as_told),
		cmocka_unit_test(strategies_count_hits),
		cmocka_unit_test(certainty_needs_no_more_answers),
		cmocka_unit_test(made_errors_name_the_engine_and_the_remedy),
		cmocka_unit_test(an_engines_own_error_is_passed_on),
		cmocka_unit_test(content_that_could_not_be_made_is_an_error),
		cmocka_unit_test(ignored_detections_do_not_decide),
		cmocka_unit_test(the_highest_confidence_counts),
		cmocka_unit_test(assurance_is_of_the_best_clean_answer),
		cmocka_unit_test(an_explanation_has_an_end),
		cmocka_unit_test(no_memory_changes_no_outcome),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
