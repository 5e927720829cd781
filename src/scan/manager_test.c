/* SPDX-License-Identifier: MIT */
/*
 * The manager and its calls, with engines that do what a test tells them, and a clock that the
 * tests turn (scan_bench.h). No test sleeps: they wait for an event, or turn the clock until the
 * event is there.
 */
#include <jansson.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include <scanbridge/scanbridge.h>

#include "scan/call.h"
#include "scan/manager.h"
#include "scan/report.h"
#include "scan/scan_bench.h"
#include "util/error.h"

/* Notes where it was put, and then can't be opened, unless it is told to. */
static struct {
	sb_environment environment;
	bool opens;
	unsigned closed;
	sb_kind kind;
} fragile_script;

static void fragile_environment(void *state, const sb_environment *environment)
{
	(void)state;
	fragile_script.environment = *environment;
}

static int fragile_open(void *state, sb_error *error)
{
	(void)state;
	assert_non_null(fragile_script.environment.data_dir);
	if (fragile_script.opens)
		return 0;
	return fragile_script.kind == SB_KIND_NONE
		       ? -SB_KIND_IO
		       : sb_error_set(error, fragile_script.kind, 0, "rules.yar:3: syntax error");
}

static void fragile_close(void *state)
{
	assert_non_null(state);
	fragile_script.closed++;
}

static const sb_engine_ops fragile = {
	.abi = SB_ENGINE_ABI,
	.name = "fragile",
	.summary = "can't be opened",
	.assurance = SB_ASSURANCE_RULES,
	.flags = SB_ENGINE_HONOURS_DEADLINE,
	.environment = fragile_environment,
	.open = fragile_open,
	.scan = scripted_scan,
	.close = fragile_close,
};

static int silent(sb_call *call, unsigned attempt, sb_error *error)
{
	(void)call;
	(void)attempt;
	(void)error;
	return 0;
}

static int hasty(sb_call *call, unsigned attempt, sb_error *error)
{
	(void)attempt;
	return sb_call_clean(call, sb_call_size(call) - 1, SB_CONTENT_INSPECTED, error);
}

static int wordless(sb_call *call, unsigned attempt, sb_error *error)
{
	(void)call;
	(void)attempt;
	(void)error;
	return -SB_KIND_CORRUPT;
}

static int heuristic(sb_call *call, unsigned attempt, sb_error *error)
{
	const sb_threat threat = {.name = "Heuristics.Phishing", .name_length = 19};

	(void)attempt;
	return sb_call_infected(call, &threat, error);
}

static int odd_name(sb_call *call, unsigned attempt, sb_error *error)
{
	const sb_threat threat = {.name = "\x1b[31mEvil\n", .name_length = 10};

	(void)attempt;
	return sb_call_infected(call, &threat, error);
}

static int garbled(sb_call *call, unsigned attempt, sb_error *error)
{
	(void)call;
	(void)attempt;
	return sb_error_set(error, SB_KIND_PROTOCOL_ERROR, 0, "garbage");
}

/* --- What one answer becomes ---------------------------------------------------------------------
 */

static const struct {
	const char *why;
	behaviour scan;
	sb_outcome outcome;
	sb_kind kind;
	unsigned attempts;
} answers[] = {
	{"a clean statement about every byte", clean, SB_OUTCOME_CLEAN, SB_KIND_NONE, 1},
	{"a detection", infected, SB_OUTCOME_INFECTED, SB_KIND_NONE, 1},
	{"no statement is no clean", silent, SB_OUTCOME_ERROR, SB_KIND_PROTOCOL_ERROR, 1},
	{"one byte unseen is no clean", hasty, SB_OUTCOME_ERROR, SB_KIND_PROTOCOL_ERROR, 1},
	{"a failure without a message", wordless, SB_OUTCOME_ERROR, SB_KIND_CORRUPT, 1},
	{"Heuristics.* is no proof", heuristic, SB_OUTCOME_SUSPICIOUS, SB_KIND_NONE, 1},
	{"a name that is none", odd_name, SB_OUTCOME_INFECTED, SB_KIND_NONE, 1},
	{"nonsense is not repeated on the same peer", garbled, SB_OUTCOME_ERROR,
		SB_KIND_PROTOCOL_ERROR, 1},
};

static void answers_become_verdicts(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		struct bench bench;
		sb_report *report;

		open_bench(&bench, answers[i].scan, bench_one);
		report = scan_text(&bench, "some bytes");
		expect(answers[i].why, report, answers[i].outcome, answers[i].kind);
		assert_int_equal(atomic_load(&script.attempts), answers[i].attempts);
		if (answers[i].kind != SB_KIND_NONE)
			assert_string_equal(sb_error_engine(sb_report_error(report)), "e");
		if (answers[i].scan == odd_name) {
			assert_memory_equal(sb_report_threat_name(report, 0), "Unnamed.", 8);
			assert_null(strchr(sb_report_json(report, NULL), '\x1b'));
		}
		sb_report_free(report);
		close_bench(&bench);
	}
}

static void a_report_is_complete_json(void **unused)
{
	static const char *const members[] = {"schema", "id", "outcome", "action", "rule", "reason",
		"explanation", "file", "threats", "engines", "error", "quarantine_id", "cached",
		"context", "requested_at", "completed_at", "duration_ms", "audit_seq"};
	struct bench bench;
	sb_report *report;
	json_t *root, *engine;

	(void)unused;
	open_bench(&bench, infected, bench_one);
	report = scan_text(&bench, "some bytes");
	root = json_loads(sb_report_json(report, NULL), JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(root);
	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
		if (json_object_get(root, members[i]) == NULL)
			fail_msg("%s is missing", members[i]);
	assert_string_equal(json_string_value(json_object_get(root, "action")), "quarantine");
	engine = json_array_get(json_object_get(root, "engines"), 0);
	assert_string_equal(json_string_value(json_object_get(engine, "outcome")), "infected");
	/* Not clean: SHA-256 of "some bytes", as sha256sum has it. */
	assert_string_equal(sb_report_sha256(report),
		"0d22cdcc10e6d049dbe1af5123d50873fdfc1a4f58306e58cb6241be9472014d");
	json_decref(root);
	close_bench(&bench);
	/* The report outlives its manager. */
	assert_string_equal(sb_report_engine_name(report, 0), "e");
	sb_report_free(report);
}

/* --- Retries, by the clock ---------------------------------------------------------------- */

static void a_refused_connection_is_tried_again(void **unused)
{
	struct bench bench;
	sb_report *report;
	uint64_t first, second, third;

	(void)unused;
	open_bench(&bench, refused_twice, bench_one);
	report = turn_until_done(&bench, submit_text(&bench, "x", NULL, NULL, NULL), SB_MS);
	expect("third time lucky", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
	first = atomic_load(&script.at[0]);
	second = atomic_load(&script.at[1]);
	third = atomic_load(&script.at[2]);
	assert_true(second - first >= 100 * SB_MS);
	assert_true(third - second >= 200 * SB_MS);
	sb_report_free(report);
	close_bench(&bench);
}

static void attempts_are_counted(void **unused)
{
	struct bench bench;
	sb_report *report;

	(void)unused;
	open_bench(&bench, always_refused, bench_one);
	report = turn_until_done(&bench, submit_text(&bench, "x", NULL, NULL, NULL), SB_MS);
	expect("refused for good", report, SB_OUTCOME_ERROR, SB_KIND_CONNECTION_FAILED);
	assert_int_equal(atomic_load(&script.attempts), 3);
	sb_report_free(report);
	close_bench(&bench);
}

static void the_retry_budget_is_bounded(void **unused)
{
	struct bench bench;
	const unsigned scans = 40;

	(void)unused;
	open_bench(&bench, always_refused,
		"audit: {enabled: false}\nlimits: {timeout: 30d}\nengines: [{name: e, type: "
		"obedient, self_test: off, timeout: 24h, breaker: {preset: off}, "
		"retry: {jitter: false}}]\n");
	for (unsigned i = 0; i < scans; i++)
		sb_report_free(turn_until_done(
			&bench, submit_text(&bench, "x", NULL, NULL, NULL), 100 * SB_MS));
	/* 10 retries to begin with, and a tenth for each scan. */
	assert_true(atomic_load(&script.attempts) <= scans + 10 + scans / 10 + 1);
	assert_true(atomic_load(&script.attempts) >= scans + 10);
	close_bench(&bench);
}

/* --- Engines that can't be opened --------------------------------------------------------------
 */

#define FRAGILE(role)                                                                              \
	"audit: {enabled: false}\nengines: [{name: e, type: obedient, self_test: off},\n"          \
	"  {name: f, type: fragile, self_test: off, role: " role "}]\n"

static void a_required_engine_must_open(void **unused)
{
	struct bench bench;
	sb_error error;

	(void)unused;
	fragile_script.opens = false;
	fragile_script.closed = 0;
	fragile_script.kind = SB_KIND_NOT_CONFIGURED;
	assert_int_equal(
		try_bench(&bench, clean, FRAGILE("required"), &error), -SB_KIND_NOT_CONFIGURED);
	assert_string_equal(error.message, "test:4:3: engine f: rules.yar:3: syntax error");
	assert_string_equal(error.engine, "f");
	assert_int_equal(fragile_script.closed, 1);
	close_bench(&bench);
	fragile_script.kind = SB_KIND_INTERNAL; /* out of memory is nobody's setting */
	assert_int_equal(try_bench(&bench, clean, FRAGILE("optional"), &error), -SB_KIND_INTERNAL);
	close_bench(&bench);
}

static void another_engine_that_fails_to_open_is_set_aside(void **unused)
{
	static const struct {
		const char *yaml;
		sb_kind kind;
		const char *message;
	} rows[] = {
		{FRAGILE("optional"), SB_KIND_NOT_CONFIGURED, "rules.yar:3: syntax error"},
		{FRAGILE("shadow"), SB_KIND_IO, "rules.yar:3: syntax error"},
		{FRAGILE("optional"), SB_KIND_NONE, "did not say why"},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		sb_engine_state *state = malloc(sizeof *state);
		struct bench bench;
		sb_report *report;

		fragile_script.opens = false;
		fragile_script.closed = 0;
		fragile_script.kind = rows[i].kind;
		open_bench(&bench, clean, rows[i].yaml);
		assert_int_equal(fragile_script.closed, 1);
		assert_null(sb_manager_engine_problem(bench.manager, 0));
		assert_non_null(sb_manager_engine_problem(bench.manager, 1));
		report = scan_text(&bench, "x");
		expect("the other one judges", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
		assert_int_equal(sb_report_engine_outcome(report, 1), SB_OUTCOME_ERROR);
		assert_int_equal(
			sb_error_kind(sb_report_engine_error(report, 1)), SB_KIND_NOT_CONFIGURED);
		assert_non_null(strstr(
			sb_error_message(sb_report_engine_error(report, 1)), rows[i].message));
		assert_null(strstr(sb_report_json(report, NULL), "abstained"));
		assert_int_equal(atomic_load(&script.attempts), 1);
		sb_report_free(report);
		assert_int_equal(sb_manager_engine_state(bench.manager, 1, true, state),
			-SB_KIND_NOT_CONFIGURED);
		assert_false(state->reachable || state->checked);
		assert_non_null(strstr(state->error.message, rows[i].message));
		close_bench(&bench);
		assert_int_equal(fragile_script.closed, 1);
		free(state);
	}
}

static void an_engine_knows_where_it_is(void **unused)
{
	struct bench bench;

	(void)unused;
	fragile_script.opens = true;
	open_bench(&bench, clean,
		"audit: {enabled: false}\n"
		"containers: {max_depth: 2, max_members: 3, max_size: 4, max_member: 5, "
		"max_memory: 6, max_ratio: 7}\n"
		"engines: [{name: f, type: fragile, self_test: off, concurrency: 9, "
		"isolation: none}]\n");
	assert_int_equal(fragile_script.environment.concurrency, 9);
	assert_true(fragile_script.environment.cpus >= 1);
	assert_false(fragile_script.environment.isolation_process);
	assert_int_equal(fragile_script.environment.containers.max_depth, 2);
	assert_int_equal(fragile_script.environment.containers.max_members, 3);
	assert_int_equal(fragile_script.environment.containers.max_bytes, 4);
	assert_int_equal(fragile_script.environment.containers.max_member, 5);
	assert_int_equal(fragile_script.environment.containers.max_memory, 6);
	assert_int_equal(fragile_script.environment.containers.max_ratio, 7);
	close_bench(&bench);
}

/* --- Limits
 * ------------------------------------------------------------------------------------------------
 */

static const struct {
	size_t size;
	sb_outcome outcome;
} sizes[] = {{99, SB_OUTCOME_CLEAN}, {100, SB_OUTCOME_CLEAN}, {101, SB_OUTCOME_ERROR}};

static void the_limits_hold(void **unused)
{
	static const char *const configs[] = {
		"audit: {enabled: false}\n"
		"engines: [{name: e, type: obedient, self_test: off, max_size: 100}]\n",
		"audit: {enabled: false}\nlimits: {max_size: 100}\n"
		"engines: [{name: e, type: obedient, self_test: off}]\n",
	};

	(void)unused;
	for (size_t c = 0; c < 2; c++) {
		for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
			char text[128] = {0};
			struct bench bench;
			sb_report *report;

			memset(text, 'x', sizes[i].size);
			open_bench(&bench, clean, configs[c]);
			report = scan_text(&bench, text);
			expect(configs[c], report, sizes[i].outcome,
				sizes[i].outcome == SB_OUTCOME_CLEAN ? SB_KIND_NONE
								     : SB_KIND_FILE_TOO_LARGE);
			assert_int_equal(atomic_load(&script.attempts),
				sizes[i].outcome == SB_OUTCOME_CLEAN);
			sb_report_free(report);
			close_bench(&bench);
		}
	}
}

/* --- Streams
 * -------------------------------------------------------------------------------------------------
 */

static const char both[] = "audit: {enabled: false}\nlimits: {max_size: 1MiB, timeout: 30s}\n"
			   "engines: [{name: s, type: streaming, self_test: off},"
			   "{name: e, type: obedient, self_test: off}]\n";

static sb_job *submit_stream(struct bench *bench)
{
	sb_input *input = sb_input_stream();
	sb_job *job = NULL;

	assert_int_equal(sb_submit(&job, bench->manager, input, NULL, NULL, NULL, NULL, NULL), 0);
	sb_input_free(input);
	return job;
}

static void a_stream_is_judged_as_it_arrives(void **unused)
{
	static char piece[100000];
	struct bench bench;
	sb_report *report;
	sb_job *job;

	(void)unused;
	open_bench(&bench, clean, both);
	job = submit_stream(&bench);
	for (int i = 0; i < 10; i++)
		assert_int_equal(sb_job_write(job, piece, sizeof piece, NULL), 0);
	/* The one that streams sees it before the end; the other one waits. */
	while (atomic_load(&script.streamed) < 10 * sizeof piece)
		sched_yield();
	assert_int_equal(atomic_load(&script.attempts), 0);
	assert_int_equal(sb_job_finish(job, NULL), 0);
	report = take(job);
	expect("a stream", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
	assert_int_equal(sb_report_size(report), 10 * sizeof piece);
	assert_non_null(sb_report_blake3(report));
	sb_report_free(report);
	close_bench(&bench);
}

/* The only engine fails at the first byte; the writer, who can't know, goes on. */
static void an_early_answer_leaves_the_writer_alone(void **unused)
{
	struct bench bench;

	(void)unused;
	open_bench(&bench, clean,
		"audit: {enabled: false}\n"
		"engines: [{name: s, type: streaming, self_test: off, max_size: 5}]\n");
	for (int i = 0; i < 200; i++) {
		sb_job *job = submit_stream(&bench);
		sb_report *report;

		for (int k = 0; k < 20; k++)
			assert_int_equal(sb_job_write(job, "some bytes", 10, NULL), 0);
		assert_int_equal(sb_job_finish(job, NULL), 0);
		report = take(job);
		expect("too long for it", report, SB_OUTCOME_ERROR, SB_KIND_FILE_TOO_LARGE);
		sb_report_free(report);
	}
	close_bench(&bench);
}

/* Nobody else is pending when the end is told: the answer may come before sb_job_finish() is
 * through. */
static void a_stream_ends_once(void **unused)
{
	struct bench bench;

	(void)unused;
	open_bench(&bench, clean,
		"audit: {enabled: false}\nengines: [{name: s, type: streaming, self_test: off}]\n");
	for (int i = 0; i < 500; i++) {
		sb_job *job = submit_stream(&bench);
		sb_report *report;

		assert_int_equal(sb_job_write(job, "some bytes", 10, NULL), 0);
		assert_int_equal(sb_job_finish(job, NULL), 0);
		report = take(job);
		expect("one end", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
		sb_report_free(report);
	}
	close_bench(&bench);
}

static void a_broken_stream_is_no_verdict(void **unused)
{
	static char piece[600000];
	struct bench bench;
	sb_report *report;
	sb_job *job;

	(void)unused;
	open_bench(&bench, clean, both);
	job = submit_stream(&bench); /* never finished */
	assert_int_equal(sb_job_write(job, piece, 10, NULL), 0);
	sb_job_cancel(job);
	report = take(job);
	expect("cancelled", report, SB_OUTCOME_ERROR, SB_KIND_CANCELLED);
	sb_report_free(report);

	job = submit_stream(&bench); /* too long */
	assert_int_equal(sb_job_write(job, piece, sizeof piece, NULL), 0);
	assert_int_equal(sb_job_write(job, piece, sizeof piece, NULL), -SB_KIND_FILE_TOO_LARGE);
	report = take(job);
	expect("too long", report, SB_OUTCOME_ERROR, SB_KIND_FILE_TOO_LARGE);
	sb_report_free(report);

	job = submit_stream(&bench); /* too slow */
	report = turn_until_done(&bench, job, 500 * SB_MS);
	expect("too slow", report, SB_OUTCOME_ERROR, SB_KIND_TIMEOUT);
	sb_report_free(report);
	sb_job_free(submit_stream(&bench)); /* forgotten */
	close_bench(&bench);
}

/* --- The record comes first --------------------------------------------------------------- */

static const char audited[] =
	"limits: {timeout: 30d}\n"
	"engines: [{name: e, type: obedient, self_test: off, timeout: 24h}]\n";

static void a_verdict_has_its_record(void **unused)
{
	struct bench bench;
	sb_audit_verdict verdict;
	sb_report *report;
	char path[128];

	(void)unused;
	open_bench(&bench, clean, audited);
	report = scan_text(&bench, "x");
	expect("audited", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
	snprintf(path, sizeof path, "%s/audit.jsonl", bench.dir);
	assert_int_equal(sb_audit_verify(path, true, &verdict, NULL), 0);
	assert_true(verdict.ok);
	assert_true(sb_report_audit_seq(report) > 0);
	assert_int_equal(verdict.last_seq, sb_report_audit_seq(report));
	sb_report_free(report);
	report = take(submit_text(&bench, "y", NULL, NULL, NULL));
	assert_int_equal(sb_audit_verify(path, true, &verdict, NULL), 0);
	assert_int_equal(verdict.last_seq, sb_report_audit_seq(report));
	sb_report_free(report);
	close_bench(&bench);
}

static void a_long_scan_is_recorded_when_it_starts(void **unused)
{
	struct bench bench;
	sb_audit_verdict before, verdict;
	sb_report *report;
	char path[128];
	sb_job *job;

	(void)unused;
	open_bench(&bench, until_go, audited);
	snprintf(path, sizeof path, "%s/audit.jsonl", bench.dir);
	assert_int_equal(sb_audit_verify(path, false, &before, NULL), 0);
	job = submit_text(&bench, "x", NULL, NULL, NULL);
	while (sem_wait(&script.entered) != 0)
		;
	do { /* scan_started, while the engine still works */
		sb_clock_fake_turn(bench.clock, 100 * SB_MS);
		assert_int_equal(sb_audit_verify(path, false, &verdict, NULL), 0);
		sched_yield();
	} while (verdict.records == before.records);
	assert_int_equal(verdict.records, before.records + 1);
	sem_post(&script.go);
	report = take(job);
	assert_int_equal(sb_audit_verify(path, true, &verdict, NULL), 0);
	assert_true(verdict.ok);
	assert_int_equal(verdict.records, before.records + 3);
	sb_report_free(report);
	close_bench(&bench);
}

static void no_verdict_without_its_record(void **unused)
{
	struct rlimit old, none = {.rlim_cur = 1};
	struct bench bench;
	sb_report *report;

	(void)unused;
	open_bench(&bench, infected, audited);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	none.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_FSIZE, &none); /* every write to a file fails now */
	report = scan_text(&bench, "x");
	setrlimit(RLIMIT_FSIZE, &old);
	expect("disk full", report, SB_OUTCOME_ERROR, SB_KIND_AUDIT_FAILED);
	assert_int_equal(sb_report_action(report), SB_ACTION_BLOCK);
	assert_int_equal(sb_report_threat_count(report), 0);
	assert_int_equal(sb_report_engine_outcome(report, 0), SB_OUTCOME_ERROR);
	sb_report_free(report);
	report = scan_text(&bench, "y");
	expect("disk free again", report, SB_OUTCOME_INFECTED, SB_KIND_NONE);
	sb_report_free(report);
	close_bench(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_become_verdicts),
		cmocka_unit_test(a_report_is_complete_json),
		cmocka_unit_test(a_refused_connection_is_tried_again),
		cmocka_unit_test(attempts_are_counted),
		cmocka_unit_test(the_retry_budget_is_bounded),
		cmocka_unit_test(a_required_engine_must_open),
		cmocka_unit_test(another_engine_that_fails_to_open_is_set_aside),
		cmocka_unit_test(an_engine_knows_where_it_is),
		cmocka_unit_test(the_limits_hold),
		cmocka_unit_test(a_stream_is_judged_as_it_arrives),
		cmocka_unit_test(an_early_answer_leaves_the_writer_alone),
		cmocka_unit_test(a_stream_ends_once),
		cmocka_unit_test(a_broken_stream_is_no_verdict),
		cmocka_unit_test(a_verdict_has_its_record),
		cmocka_unit_test(a_long_scan_is_recorded_when_it_starts),
		cmocka_unit_test(no_verdict_without_its_record),
	};

	bench_extra = &fragile;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
