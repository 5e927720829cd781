/* SPDX-License-Identifier: MIT */
/* How calls and scans end: at deadlines, without a permit, cancelled, shed, with the manager, or
 * early. */
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <scanbridge/scanbridge.h>

#include "scan/call.h"
#include "scan/manager.h"
#include "scan/report.h"
#include "scan/scan_bench.h"
#include "util/error.h"

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
	open_bench(&bench, until_cancelled, bench_one);
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
	open_bench(&bench, until_cancelled, bench_one);
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
	open_bench(&bench, clean, bench_one);
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
	static const char *const words[] = {"submit() in its place", "begin, feed and finish"};

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
