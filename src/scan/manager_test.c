/* SPDX-License-Identifier: MIT */
/*
 * The manager and its calls, with engines that do what a test tells them, and a clock that the
 * tests turn (scan_bench.h). No test sleeps: they wait for an event, or turn the clock until the
 * event is there.
 */
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
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
#include <sys/wait.h>
#include <unistd.h>

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

static const char no_audit[] = "audit: {enabled: false}\n";

/* So much time that nobody is late while the clock is turned in steps and threads work. */
static const char one[] = "audit: {enabled: false}\nlimits: {timeout: 30d}\n"
			  "engines: [{name: e, type: obedient, self_test: off, timeout: 24h, "
			  "retry: {attempts: 3, jitter: false}}]\n";

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

		open_bench(&bench, answers[i].scan, one);
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
	open_bench(&bench, infected, one);
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
	open_bench(&bench, refused_twice, one);
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
	open_bench(&bench, always_refused, one);
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

/* --- Deadlines ---------------------------------------------------------------------------- */

static void an_engine_that_overruns_is_given_up(void **unused)
{
	struct bench bench;
	sb_report *report;
	sb_job *job;
	uint64_t begun;

	(void)unused;
	open_bench(&bench, until_go,
		"audit: {enabled: false}\n"
		"engines: [{name: e, type: stubborn, self_test: off, timeout: 2s}]\n");
	begun = sb_clock_now(bench.clock);
	job = submit_text(&bench, "x", NULL, NULL, NULL);
	while (sem_wait(&script.entered) != 0)
		;
	report = turn_until_done(&bench, job, 10 * SB_MS);
	expect("overrun", report, SB_OUTCOME_ERROR, SB_KIND_TIMEOUT);
	assert_true(sb_clock_now(bench.clock) - begun >= 2000 * SB_MS);
	sb_report_free(report);
	sem_post(&script.go); /* what it says now is too late, and harms nobody */
	close_bench(&bench);
}

static _Atomic(unsigned) seen;

static int looks_late(sb_call *call, unsigned attempt, sb_error *error)
{
	size_t length = 0;
	const char *bytes = sb_call_memory(call, &length);
	unsigned sum = 0;

	(void)attempt;
	sem_post(&script.entered);
	while (sem_wait(&script.go) != 0)
		;
	for (size_t i = 0; bytes != NULL && i < length; i++)
		sum += (unsigned char)bytes[i];
	atomic_store(&seen, sum);
	return sb_error_set(error, SB_KIND_TIMEOUT, 0, "late");
}

struct borrower {
	sb_manager *manager;
	_Atomic(bool) done;
	sb_report *report;
};

static void *scan_borrowed(void *data)
{
	struct borrower *borrower = data;
	char *bytes = malloc(1000);
	sb_input *input;

	assert_non_null(bytes);
	memset(bytes, 1, 1000);
	input = sb_input_memory(bytes, 1000);
	assert_int_equal(sb_scan(&borrower->report, borrower->manager, input, NULL, NULL), 0);
	sb_input_free(input);
	memset(bytes, 7, 1000);
	free(bytes);
	atomic_store(&borrower->done, true);
	return NULL;
}

/* Whoever goes on after it was given up must not look at what the caller has back. */
static void memory_is_the_callers_again(void **unused)
{
	struct bench bench;
	struct borrower borrower;
	pthread_t thread;

	(void)unused;
	open_bench(&bench, looks_late,
		"audit: {enabled: false}\n"
		"engines: [{name: e, type: stubborn, self_test: off, timeout: 2s}]\n");
	borrower = (struct borrower){.manager = bench.manager};
	assert_int_equal(pthread_create(&thread, NULL, scan_borrowed, &borrower), 0);
	while (sem_wait(&script.entered) != 0)
		;
	while (!atomic_load(&borrower.done)) {
		sb_clock_fake_turn(bench.clock, 10 * SB_MS);
		sched_yield();
	}
	pthread_join(thread, NULL);
	expect("given up", borrower.report, SB_OUTCOME_ERROR, SB_KIND_TIMEOUT);
	sb_report_free(borrower.report);
	sem_post(&script.go);
	close_bench(&bench); /* waits for the engine */
	assert_int_equal(atomic_load(&seen), 1000);
}

static int first_finds_it(sb_call *call, unsigned attempt, sb_error *error)
{
	if (strcmp(call->engine->conf->name, "a") == 0)
		return infected(call, attempt, error);
	return until_cancelled(call, attempt, error);
}

/* decision.early_decision: nobody is waited for who could change nothing. */
static void what_is_certain_comes_at_once(void **unused)
{
	static const char config[] =
		"audit: {enabled: false}\ndecision: {early_decision: true}\nengines:\n"
		"  - {name: a, type: obedient, self_test: off}\n"
		"  - {name: b, type: obedient, self_test: off}\n"
		"  - {name: c, type: stubborn, self_test: off, role: optional}\n";
	struct bench bench;
	sb_report *report;

	(void)unused;
	open_bench(&bench, first_finds_it, config);
	for (unsigned i = 0; i < 50; i++) {
		/* The clock stands still: no deadline ends it. */
		report = i % 2 == 0 ? scan_text(&bench, "x")
				    : take(submit_text(&bench, "x", NULL, NULL, NULL));
		expect("early", report, SB_OUTCOME_INFECTED, SB_KIND_NONE);
		for (size_t k = 1; k < 3; k++) {
			assert_int_equal(sb_report_engine_outcome(report, k), SB_OUTCOME_ERROR);
			assert_int_equal(sb_error_kind(sb_report_engine_error(report, k)),
				SB_KIND_CANCELLED);
		}
		sb_report_free(report);
	}
	close_bench(&bench);
}

static void waiting_for_a_slot_has_an_end(void **unused)
{
	sb_scan_options *options = sb_scan_options_new();
	sb_input *input = sb_input_memory("y", 1);
	struct bench bench;
	sb_job *first, *second = NULL;
	sb_report *report;

	(void)unused;
	open_bench(&bench, until_go,
		"audit: {enabled: false}\nlimits: {timeout: 30d}\n"
		"engines: [{name: e, type: stubborn, self_test: off, timeout: 24h, concurrency: "
		"1}]\n");
	first = submit_text(&bench, "x", NULL, NULL, NULL);
	while (sem_wait(&script.entered) != 0)
		;
	sb_scan_options_set_timeout_ms(options, 1000); /* long before the holder overruns */
	assert_int_equal(
		sb_submit(&second, bench.manager, input, options, NULL, NULL, NULL, NULL), 0);
	report = turn_until_done(&bench, second, 10 * SB_MS);
	expect("no slot", report, SB_OUTCOME_ERROR, SB_KIND_OVERLOADED);
	sb_report_free(report);
	report = turn_until_done(&bench, first, 3600000 * SB_MS);
	expect("the slot's holder", report, SB_OUTCOME_ERROR, SB_KIND_TIMEOUT);
	sb_report_free(report);
	sem_post(&script.go);
	sb_scan_options_free(options);
	sb_input_free(input);
	close_bench(&bench);
}

/* --- Permits ------------------------------------------------------------------------------ */

enum { MANY = 300 };

static void count_done(sb_job *job, void *data)
{
	sb_report *report;

	assert_int_equal(sb_job_take(job, &report, NULL), 0);
	expect("one of many", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
	sb_report_free(report);
	++*(unsigned *)data;
}

static void no_more_calls_inside_than_permits(void **unused)
{
	struct bench bench;
	sb_queue *queue = sb_queue_new(NULL);
	sb_job *jobs[MANY];
	unsigned done = 0;

	(void)unused;
	open_bench(&bench, clean,
		"audit: {enabled: false}\nlimits: {max_in_flight: 1000}\n"
		"engines: [{name: e, type: stubborn, self_test: off, concurrency: 3}]\n");
	for (unsigned i = 0; i < MANY; i++)
		jobs[i] = submit_text(&bench, "some bytes", queue, count_done, &done);
	while (done < MANY) {
		struct pollfd poller = {.fd = sb_queue_fd(queue), .events = POLLIN};
		assert_int_equal(poll(&poller, 1, -1), 1);
		assert_true(sb_dispatch(queue, 7) > 0);
	}
	for (unsigned i = 0; i < MANY; i++)
		sb_job_free(jobs[i]);
	assert_true(atomic_load(&script.most_inside) <= 3);
	assert_int_equal(atomic_load(&script.attempts), MANY);
	sb_queue_free(queue);
	close_bench(&bench);
}

static void *scan_some(void *data)
{
	for (int i = 0; i < 100; i++) {
		sb_report *report = scan_text(data, "some bytes");
		expect("from many threads", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
		sb_report_free(report);
	}
	return NULL;
}

static void many_threads_share_a_manager(void **unused)
{
	struct bench bench;
	pthread_t threads[8];

	(void)unused;
	open_bench(&bench, clean,
		"audit: {enabled: false}\n"
		"engines: [{name: a, type: obedient, self_test: off, concurrency: 2},"
		"{name: b, type: stubborn, self_test: off, concurrency: 2}]\n");
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, scan_some, &bench), 0);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&script.attempts), 1600);
	assert_true(atomic_load(&script.most_inside) <= 4);
	close_bench(&bench);
}

/* --- Cancelling, shedding, ending --------------------------------------------------------- */

static void a_cancelled_job_ends_soon(void **unused)
{
	struct bench bench;
	sb_report *report;
	sb_job *job;

	(void)unused;
	open_bench(&bench, until_cancelled, one);
	job = submit_text(&bench, "x", NULL, NULL, NULL);
	while (sem_wait(&script.entered) != 0)
		;
	sb_job_cancel(job);
	assert_true(sb_job_wait(job, -1));
	assert_int_equal(sb_job_take(job, &report, NULL), 0);
	expect("cancelled", report, SB_OUTCOME_ERROR, SB_KIND_CANCELLED);
	assert_int_equal(sb_report_action(report), SB_ACTION_BLOCK);
	sb_report_free(report);
	assert_int_equal(sb_job_take(job, &report, NULL), -SB_KIND_INTERNAL);
	sb_job_free(job);
	close_bench(&bench);
}

struct blocked {
	struct bench *bench;
	sb_scan_options *options;
	sb_report *report;
};

static void *scan_blocked(void *data)
{
	struct blocked *blocked = data;
	sb_input *input = sb_input_memory("x", 1);

	sb_scan(&blocked->report, blocked->bench->manager, input, blocked->options, NULL);
	sb_input_free(input);
	return NULL;
}

static void a_token_ends_blocking_scans(void **unused)
{
	struct bench bench;
	struct blocked blocked = {.bench = &bench, .options = sb_scan_options_new()};
	sb_cancel *cancel = sb_cancel_new();
	pthread_t thread;

	(void)unused;
	open_bench(&bench, until_cancelled, one);
	sb_scan_options_set_cancel(blocked.options, cancel);
	assert_int_equal(pthread_create(&thread, NULL, scan_blocked, &blocked), 0);
	while (sem_wait(&script.entered) != 0)
		;
	sb_cancel_all(cancel);
	pthread_join(thread, NULL);
	expect("told while it ran", blocked.report, SB_OUTCOME_ERROR, SB_KIND_CANCELLED);
	sb_report_free(blocked.report);
	scan_blocked(&blocked);
	expect("told before it began", blocked.report, SB_OUTCOME_ERROR, SB_KIND_CANCELLED);
	assert_int_equal(atomic_load(&script.attempts), 1);
	sb_report_free(blocked.report);
	sb_scan_options_free(blocked.options);
	sb_cancel_free(cancel);
	close_bench(&bench);
}

static void too_many_are_shed(void **unused)
{
	struct bench bench;
	sb_report *report;
	sb_job *job;

	(void)unused;
	open_bench(&bench, until_go,
		"audit: {enabled: false}\nlimits: {max_in_flight: 1}\n"
		"engines: [{name: e, type: stubborn, self_test: off}]\n");
	job = submit_text(&bench, "x", NULL, NULL, NULL);
	while (sem_wait(&script.entered) != 0)
		;
	report = scan_text(&bench, "y");
	expect("shed", report, SB_OUTCOME_ERROR, SB_KIND_OVERLOADED);
	assert_int_equal(atomic_load(&script.attempts), 1);
	sb_report_free(report);
	sem_post(&script.go);
	assert_true(sb_job_wait(job, -1));
	sb_job_free(job);
	close_bench(&bench);
}

static void a_closed_manager_takes_nothing(void **unused)
{
	struct bench bench;
	sb_input *input = sb_input_memory("x", 1);
	sb_report *report;

	(void)unused;
	open_bench(&bench, clean, one);
	sb_manager_close(bench.manager);
	assert_int_equal(sb_scan(&report, bench.manager, input, NULL, NULL), -SB_KIND_CANCELLED);
	sb_input_free(input);
	close_bench(&bench);
}

static int never_submit(void *state, sb_call *call, void **ticket, sb_error *error)
{
	(void)state;
	(void)call;
	(void)ticket;
	return sb_error_set(error, SB_KIND_INTERNAL, 0, "never called");
}

static int half_feed(void *state, void *stream, const void *data, size_t length, sb_error *error)
{
	(void)state;
	(void)stream;
	(void)data;
	(void)length;
	return sb_error_set(error, SB_KIND_INTERNAL, 0, "never called");
}

/* Slots that nothing would call are refused, not ignored. */
static void an_engine_needs_slots_that_fit(void **unused)
{
	static const sb_engine_ops deferred = {.abi = SB_ENGINE_ABI,
		.name = "odd",
		.summary = "answers later",
		.scan = scripted_scan,
		.submit = never_submit};
	static const sb_engine_ops half = {.abi = SB_ENGINE_ABI,
		.name = "odd",
		.summary = "half a stream",
		.scan = scripted_scan,
		.feed = half_feed};
	static const sb_engine_ops *const odd[] = {&deferred, &half};
	static const char *const words[] = {"deferred verdicts", "begin, feed and finish"};

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		sb_config *config = sb_config_new();
		sb_manager *manager = NULL;
		char folder[SB_SCRATCH_PATH], text[256];
		sb_error error;

		sb_error_init(&error);
		assert_true(sb_scratch_make(folder, "manager", false));
		snprintf(text, sizeof text,
			"{data_dir: %s, engines: [{name: e, type: odd, self_test: off}]}", folder);
		assert_int_equal(sb_config_register_engine(config, odd[i], &error), 0);
		assert_int_equal(
			sb_config_load_text(config, text, strlen(text), "test", &error), 0);
		assert_int_equal(
			sb_manager_open(&manager, config, &error), -SB_KIND_NOT_CONFIGURED);
		assert_non_null(strstr(error.message, words[i]));
		sb_config_free(config);
		sb_scratch_remove(folder);
	}
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

/* --- What kind of content it is -----------------------------------------------------------------
 */

/* The first try fails after it said something: nothing of it must be left. */
static int second_view(sb_call *call, unsigned attempt, sb_error *error)
{
	char type[8] = "zip", mime[32] = "application/zip";
	const sb_container zip = {.type = type,
		.depth = 2,
		.members = 7,
		.bytes = 100,
		.facts = SB_FACT_MACROS | 1u << 30};

	if (attempt == 0) {
		sb_call_mime(call, "text/html");
		sb_call_container(call, &(sb_container){.facts = SB_FACT_ENCRYPTED});
		return sb_error_set(error, SB_KIND_CONNECTION_FAILED, 0, "try again");
	}
	sb_call_mime(call, mime);
	sb_call_container(call, &zip);
	memset(type, 'x', sizeof type - 1); /* copied */
	memset(mime, 'x', sizeof mime - 1);
	return sb_call_clean(call, sb_call_size(call), SB_CONTENT_INSPECTED, error);
}

static json_t *json_of(const sb_report *report)
{
	json_t *json = json_loads(sb_report_json(report, NULL), 0, NULL);

	assert_non_null(json);
	return json;
}

static sb_report *scan_twice(struct bench *bench, const char *role)
{
	char yaml[1024];

	snprintf(yaml, sizeof yaml,
		"policy: {rules: [{id: m, when: {container.macros: true, mime: 'application/*'}, "
		"then: require_manual_review}, {id: c, when: {outcome: clean}, then: allow}]}\n"
		"limits: {timeout: 30d}\n"
		"engines: [{name: a, type: obedient, self_test: off, timeout: 24h, role: %s, "
		"retry: {initial: 1ms, jitter: false}}]\n",
		role);
	open_bench(bench, second_view, yaml);
	return turn_until_done(bench, submit_text(bench, "x", NULL, NULL, NULL), 10 * SB_MS);
}

static void what_it_is_reaches_report_policy_and_record(void **unused)
{
	struct bench bench;
	sb_report *report = scan_twice(&bench, "required");
	json_t *json = json_of(report), *container = json_object_get(json, "container");
	char path[128], text[65536] = "";
	FILE *log;

	(void)unused;
	expect("second try", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
	assert_string_equal(sb_report_rule(report), "m");
	assert_string_equal(sb_report_mime(report), "application/zip");
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(json, "file"), "mime")),
		"application/zip");
	assert_int_equal(json_object_size(container), 14);
	assert_string_equal(json_string_value(json_object_get(container, "type")), "zip");
	assert_int_equal(json_integer_value(json_object_get(container, "depth")), 2);
	assert_int_equal(json_integer_value(json_object_get(container, "members")), 7);
	assert_int_equal(json_integer_value(json_object_get(container, "bytes")), 100);
	assert_true(json_is_true(json_object_get(container, "macros")));
	assert_true(json_is_false(json_object_get(container, "encrypted"))); /* taken back */
	json_decref(json);
	sb_report_free(report);
	snprintf(path, sizeof path, "%s/audit.jsonl", bench.dir);
	log = fopen(path, "re");
	assert_non_null(log);
	assert_true(fread(text, 1, sizeof text - 1, log) > 0);
	fclose(log);
	assert_non_null(strstr(text, "\"mime\":\"application/zip\",\"container\":{\"type\":\"zip\","
				     "\"depth\":2,\"members\":7,\"bytes\":100,"
				     "\"facts\":[\"macros\"]}"));
	close_bench(&bench);
}

static void views_of_several_engines_are_merged(void **unused)
{
	static const sb_container nothing = {.type = NULL},
				  zip = {.type = "zip",
					  .depth = 2,
					  .members = 7,
					  .bytes = 100,
					  .facts = SB_FACT_MACROS},
				  mail = {.type = "mail",
					  .depth = 1,
					  .members = 9,
					  .bytes = 50,
					  .facts = SB_FACT_ENCRYPTED},
				  unseen = {.type = "7z", .depth = 9, .facts = SB_FACT_LAUNCH};
	sb_report *report = sb_report_new(5);

	(void)unused;
	assert_non_null(report);
	report->results[0] = (sb_result){
		.role = SB_ROLE_SHADOW, .container = &unseen, .mime = "application/x-7z"};
	report->results[1] = (sb_result){.container = &nothing};
	report->results[2] = (sb_result){.role = SB_ROLE_OPTIONAL, .container = &zip};
	report->results[3] = (sb_result){.container = &mail, .mime = "message/rfc822"};
	report->results[4] = (sb_result){.mime = "text/plain"};
	sb_report_merge_kind(report);
	assert_true(report->opened);
	assert_string_equal(report->container.type, "zip");
	assert_int_equal(report->container.depth, 2);
	assert_int_equal(report->container.members, 9);
	assert_int_equal(report->container.bytes, 100);
	assert_int_equal(report->container.facts, SB_FACT_MACROS | SB_FACT_ENCRYPTED);
	assert_string_equal(report->mime, "message/rfc822");
	sb_report_free(report);
}

/* A shadow engine decides nothing, not even which rule matches. */
static void a_shadow_engine_tells_policy_nothing(void **unused)
{
	struct bench bench;
	sb_report *report;
	json_t *json;

	(void)unused;
	report = scan_twice(&bench, "shadow");
	json = json_of(report);
	assert_null(sb_report_rule(report));
	/* The type is not the shadow's: what is not clean is looked at once more. */
	assert_true(sb_report_mime(report) == NULL ||
		    strcmp(sb_report_mime(report), "application/zip") != 0);
	assert_null(json_object_get(json, "container"));
	json_decref(json);
	sb_report_free(report);
	close_bench(&bench);
}

static int no_container(sb_call *call, unsigned attempt, sb_error *error)
{
	sb_call_container(call, &(sb_container){.type = ""});
	return clean(call, attempt, error);
}

/* A failure that was seen to be an encrypted archive keeps what was seen. */
static int encrypted(sb_call *call, unsigned attempt, sb_error *error)
{
	(void)attempt;
	sb_call_container(
		call, &(sb_container){.type = "7z", .depth = 1, .facts = SB_FACT_ENCRYPTED});
	return sb_error_set(error, SB_KIND_ENCRYPTED, 0, "a password is needed");
}

static void facts_go_with_any_answer(void **unused)
{
	static const struct {
		behaviour scan;
		const char *rule;
		bool shown;
	} rows[] = {
		{no_container, "not_encrypted", false}, {encrypted, "encrypted", true},
		{clean, "other", false}, /* nobody looked inside */
	};

	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bench bench;
		sb_report *report;
		json_t *json;

		open_bench(&bench, rows[i].scan,
			"audit: {enabled: false}\npolicy: {rules: ["
			"{id: encrypted, when: {container.encrypted: true}, then: block}, "
			"{id: not_encrypted, when: {container: {encrypted: false}}, then: allow}, "
			"{id: other, when: {always: true}, then: block}]}\n"
			"engines: [{name: e, type: obedient, self_test: off}]\n");
		report = scan_text(&bench, "x");
		json = json_of(report);
		assert_string_equal(sb_report_rule(report), rows[i].rule);
		assert_int_equal(json_object_get(json, "container") != NULL, rows[i].shown);
		json_decref(json);
		sb_report_free(report);
		close_bench(&bench);
	}
}

/* Whether media types are wanted, and the passwords, become the threat's name. */
static int says_what_it_got(sb_call *call, unsigned attempt, sb_error *error)
{
	const char *const *passwords = sb_call_passwords(call);
	char name[128];
	int length = snprintf(name, sizeof name, "%d", sb_call_wants_mime(call));

	(void)attempt;
	for (; *passwords != NULL; passwords++)
		length += snprintf(name + length, sizeof name - (size_t)length, ":%s", *passwords);
	sb_call_cover(call, sb_call_size(call), SB_CONTENT_INSPECTED);
	return sb_call_infected(
		call, &(sb_threat){.name = name, .name_length = (size_t)length}, error);
}

static void engines_get_passwords_and_wishes(void **unused)
{
	static const struct {
		const char *yaml;
		const char *own[3];
		const char *expected;
	} rows[] = {
		{"", {NULL}, "0"},
		{"", {"a", "b"}, "0:a:b"},
		{"containers: {passwords: [c, d]}\n", {NULL}, "0:c:d"},
		{"containers: {passwords: [c, d]}\n", {"a"}, "0:a:c:d"},
		{"mime: always\n", {NULL}, "1"},
		{"policy: {rules: [{id: m, when: {mime: x}, then: block}]}\n", {NULL}, "1"},
		{"policy: {rules: [{id: m, enabled: false, when: {mime: x}, then: block}]}\n",
			{NULL}, "0"},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		sb_scan_options *options = sb_scan_options_new();
		sb_input *input = sb_input_memory("x", 1);
		char yaml[512], password[2] = "";
		struct bench bench;
		sb_report *report;

		snprintf(yaml, sizeof yaml, "%s%s", one, rows[i].yaml);
		open_bench(&bench, says_what_it_got, yaml);
		for (size_t k = 0; rows[i].own[k] != NULL; k++) {
			password[0] = rows[i].own[k][0];
			assert_int_equal(sb_scan_options_add_password(options, password, 1), 0);
			password[0] = 'x'; /* copied */
		}
		assert_int_equal(sb_scan(&report, bench.manager, input, options, NULL), 0);
		assert_string_equal(sb_report_threat_name(report, 0), rows[i].expected);
		sb_report_free(report);
		sb_scan_options_free(options);
		sb_input_free(input);
		close_bench(&bench);
	}
}

static void passwords_have_bounds(void **unused)
{
	char longest[1025];
	sb_scan_options *options = sb_scan_options_new();

	(void)unused;
	memset(longest, 'p', sizeof longest);
	assert_int_equal(sb_scan_options_add_password(options, "", 0), -SB_KIND_LIMIT_EXCEEDED);
	assert_int_equal(sb_scan_options_add_password(options, "a\0b", 3), -SB_KIND_LIMIT_EXCEEDED);
	assert_int_equal(
		sb_scan_options_add_password(options, longest, 1025), -SB_KIND_LIMIT_EXCEEDED);
	for (size_t i = 0; i < 64; i++)
		assert_int_equal(sb_scan_options_add_password(options, longest, 1024), 0);
	assert_int_equal(sb_scan_options_add_password(options, "p", 1), -SB_KIND_LIMIT_EXCEEDED);
	sb_scan_options_free(options);
}

/* Rules alone are no antivirus: allowed, but not without a word. */
static void clean_by_rules_alone_is_a_warning(void **unused)
{
	static const struct {
		const char *yaml;
		sb_action action;
		const char *reason;
	} rows[] = {
		{"", SB_ACTION_ALLOW_WITH_WARNING, "rules"},
		{"decision: {min_assurance: rules}\n", SB_ACTION_ALLOW, "no threat was found"},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char yaml[256];
		struct bench bench;
		sb_report *report;

		snprintf(yaml, sizeof yaml,
			"audit: {enabled: false}\n%s"
			"engines: [{name: r, type: ruled, self_test: off}]\n",
			rows[i].yaml);
		open_bench(&bench, clean, yaml);
		report = scan_text(&bench, "x");
		expect("rules", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
		assert_int_equal(sb_report_action(report), rows[i].action);
		assert_true(sb_report_allowed(report));
		assert_non_null(strstr(sb_report_reason(report), rows[i].reason));
		sb_report_free(report);
		close_bench(&bench);
	}
}

static void no_engine_is_an_error(void **unused)
{
	struct bench bench;
	sb_report *report;
	char text[128];

	(void)unused;
	snprintf(text, sizeof text, "%sengines: []\n", no_audit);
	open_bench(&bench, clean, text);
	report = scan_text(&bench, "x");
	expect("no engine", report, SB_OUTCOME_ERROR, SB_KIND_NOT_CONFIGURED);
	sb_report_free(report);
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
		cmocka_unit_test(an_engine_that_overruns_is_given_up),
		cmocka_unit_test(memory_is_the_callers_again),
		cmocka_unit_test(what_is_certain_comes_at_once),
		cmocka_unit_test(waiting_for_a_slot_has_an_end),
		cmocka_unit_test(no_more_calls_inside_than_permits),
		cmocka_unit_test(many_threads_share_a_manager),
		cmocka_unit_test(a_cancelled_job_ends_soon),
		cmocka_unit_test(a_token_ends_blocking_scans),
		cmocka_unit_test(too_many_are_shed),
		cmocka_unit_test(a_closed_manager_takes_nothing),
		cmocka_unit_test(an_engine_needs_slots_that_fit),
		cmocka_unit_test(a_required_engine_must_open),
		cmocka_unit_test(another_engine_that_fails_to_open_is_set_aside),
		cmocka_unit_test(an_engine_knows_where_it_is),
		cmocka_unit_test(what_it_is_reaches_report_policy_and_record),
		cmocka_unit_test(views_of_several_engines_are_merged),
		cmocka_unit_test(a_shadow_engine_tells_policy_nothing),
		cmocka_unit_test(facts_go_with_any_answer),
		cmocka_unit_test(engines_get_passwords_and_wishes),
		cmocka_unit_test(passwords_have_bounds),
		cmocka_unit_test(clean_by_rules_alone_is_a_warning),
		cmocka_unit_test(no_engine_is_an_error),
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
