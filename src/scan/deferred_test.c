/* SPDX-License-Identifier: MIT */
/*
 * Verdicts that come later, through the manager: an engine that does what a test says at each of
 * its submit() and poll(), and counts its tickets.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scan/call.h"
#include "scan/job.h"
#include "scan/manager.h"
#include "scan/scan_bench.h"
#include "util/error.h"
#include "util/thread.h"

/* --- An engine ----------------------------------------------------------------------------------
 */

typedef int (*answer)(sb_call *call, unsigned asked, sb_error *error);

static struct later {
	answer submit, poll;
	int again; /* ms, where an answer doesn't know better */
	_Atomic(unsigned) submits, polls, made, freed, dropped;
	_Atomic(uint64_t) last_poll;
	sem_t inside, go;
} later;

struct ticket {
	unsigned asked; /* plain: the sanitizer sees to it that one thread at a time has it */
};

static int later_submit(void *state, sb_call *call, void **ticket, sb_error *error)
{
	int status;

	(void)state;
	atomic_fetch_add(&later.submits, 1);
	status = later.submit(call, 0, error);
	if (status > 0) {
		*ticket = calloc(1, sizeof(struct ticket));
		atomic_fetch_add(&later.made, 1);
	}
	return status;
}

static int later_poll(void *state, sb_call *call, void *ticket, sb_error *error)
{
	struct ticket *own = ticket;
	int status;

	(void)state;
	if (sb_call_cancelled(call)) {
		atomic_fetch_add(&later.dropped, 1);
		/* What it says now is not heard. */
		sb_call_clean(call, sb_call_size(call), SB_CONTENT_INSPECTED, error);
		status = 0;
	} else {
		atomic_store(&later.last_poll, sb_clock_now(call->clock));
		atomic_fetch_add(&later.polls, 1);
		status = later.poll(call, ++own->asked, error);
	}
	if (status <= 0) {
		atomic_fetch_add(&later.freed, 1);
		free(own);
	}
	return status;
}

static const sb_engine_ops deferring = {
	.abi = SB_ENGINE_ABI,
	.name = "deferring",
	.summary = "takes its time",
	.assurance = SB_ASSURANCE_ANTIVIRUS,
	.flags = SB_ENGINE_HONOURS_DEADLINE,
	.submit = later_submit,
	.poll = later_poll,
};

static int again(sb_call *call, unsigned asked, sb_error *error)
{
	(void)call;
	(void)asked;
	(void)error;
	return later.again;
}

static int third_time(sb_call *call, unsigned asked, sb_error *error)
{
	return asked < 3 ? later.again : clean(call, 0, error);
}

static int found(sb_call *call, unsigned asked, sb_error *error)
{
	(void)asked;
	return infected(call, 0, error);
}

static int refuses(sb_call *call, unsigned asked, sb_error *error)
{
	(void)call;
	(void)asked;
	return sb_error_set(error, SB_KIND_CONNECTION_FAILED, 0, "lost");
}

static int does_not_know(sb_call *call, unsigned asked, sb_error *error)
{
	(void)asked;
	return sb_call_abstain(call, SB_KIND_UNSUPPORTED, error, "never seen");
}

/* Says what it will take back. */
static int hasty(sb_call *call, unsigned asked, sb_error *error)
{
	(void)asked;
	clean(call, 0, error);
	return later.again;
}

static int waits_for_cancel(sb_call *call, unsigned asked, sb_error *error)
{
	(void)asked;
	sem_post(&later.inside);
	return until_cancelled(call, 0, error);
}

/* Minds nothing, and has no verdict at the end. */
static int waits_for_go(sb_call *call, unsigned asked, sb_error *error)
{
	(void)call;
	(void)asked;
	(void)error;
	sem_post(&later.inside);
	while (sem_wait(&later.go) != 0)
		;
	return later.again;
}

#define ENGINE(more) "engines: [{name: e, type: deferring, self_test: off, " more "}]\n"
#define QUIET "audit: {enabled: false}\nlimits: {timeout: 30d}\n"
#define PATIENT "timeout: 24h, retry: {attempts: 1}, concurrency: 1"

static void open_later(struct bench *bench, answer submit, answer poll, const char *yaml)
{
	memset(&later, 0, sizeof later);
	later.submit = submit;
	later.poll = poll;
	later.again = 1000;
	sem_init(&later.inside, 0, 0);
	sem_init(&later.go, 0, 0);
	bench_extra = &deferring;
	open_bench(bench, clean, yaml);
}

/* Every ticket was freed, and none twice. */
static void close_later(struct bench *bench)
{
	close_bench(bench);
	assert_int_equal(atomic_load(&later.freed), atomic_load(&later.made));
	sem_destroy(&later.inside);
	sem_destroy(&later.go);
}

static sb_job *begin(struct bench *bench, const char *text)
{
	return submit_text(bench, text, NULL, NULL, NULL);
}

static void until(_Atomic(unsigned) *count, unsigned value)
{
	while (atomic_load(count) < value)
		sched_yield();
}

/* The one call of a job, parked with its ticket. */
static struct sb_call *parked(sb_job *job)
{
	struct sb_call *call = NULL;

	while (call == NULL) {
		pthread_mutex_lock(&job->lock);
		call = job->calls[0];
		pthread_mutex_unlock(&job->lock);
		sched_yield();
	}
	while (atomic_load(&call->park) != SB_PARK_PARKED)
		sched_yield();
	return call;
}

static void end(const char *why, sb_report *report, sb_outcome outcome, sb_kind kind)
{
	expect(why, report, outcome, kind);
	sb_report_free(report);
}

/* --- How a verdict comes ---------------------------------------------------------------------- */

static void says_it_at_once(void **unused)
{
	struct bench bench;

	(void)unused;
	open_later(&bench, found, again, QUIET ENGINE(PATIENT));
	end("at once", scan_text(&bench, "x"), SB_OUTCOME_INFECTED, SB_KIND_NONE);
	assert_int_equal(atomic_load(&later.polls), 0);
	close_later(&bench);
}

static void says_it_the_third_time(void **unused)
{
	struct bench bench;
	sb_job *job;

	(void)unused;
	open_later(&bench, again, third_time, QUIET ENGINE(PATIENT));
	job = begin(&bench, "x");
	for (unsigned polls = 0; polls < 3; polls++) {
		uint64_t now = sb_clock_now(bench.clock);

		if (polls == 0)
			until(&later.submits, 1);
		parked(job);
		sb_clock_fake_turn(bench.clock, 999 * SB_MS); /* not yet */
		assert_int_equal(atomic_load(&later.polls), polls);
		sb_clock_fake_turn(bench.clock, SB_MS);
		until(&later.polls, polls + 1);
		assert_int_equal(atomic_load(&later.last_poll), now + 1000 * SB_MS);
	}
	end("the third time", take(job), SB_OUTCOME_CLEAN, SB_KIND_NONE);
	assert_int_equal(atomic_load(&later.submits), 1);
	assert_int_equal(atomic_load(&later.dropped), 0);
	close_later(&bench);
}

static void a_wake_for_nothing_asks_nobody(void **unused)
{
	struct bench bench;
	sb_job *job;

	(void)unused;
	open_later(&bench, again, found, QUIET ENGINE(PATIENT));
	job = begin(&bench, "x");
	for (unsigned i = 0; i < 3; i++) {
		sb_call_wake(parked(job));
		parked(job);
	}
	assert_int_equal(atomic_load(&later.polls), 0);
	end("after wakes", turn_until_done(&bench, job, 100 * SB_MS), SB_OUTCOME_INFECTED,
		SB_KIND_NONE);
	close_later(&bench);
}

/* With one place in the engine, any number of verdicts are outstanding. */
static void outstanding_holds_no_place(void **unused)
{
	enum { MANY = 20 };
	struct bench bench;
	sb_job *jobs[MANY];

	(void)unused;
	open_later(&bench, again, found, QUIET ENGINE(PATIENT));
	for (unsigned i = 0; i < MANY; i++) {
		char text[16];

		snprintf(text, sizeof text, "file %u", i);
		jobs[i] = begin(&bench, text);
	}
	until(&later.submits, MANY);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(atomic_load(&parked(jobs[i])->permit), 0);
	for (unsigned i = 0; i < MANY; i++)
		end("one of many", turn_until_done(&bench, jobs[i], 100 * SB_MS),
			SB_OUTCOME_INFECTED, SB_KIND_NONE);
	assert_int_equal(atomic_load(&later.polls), MANY);
	close_later(&bench);
}

/* Attended: the thread that waits for the scan runs what is offered to it. */
static void *turn_on(void *data)
{
	struct bench *bench = data;

	while (atomic_load(&later.freed) == 0) {
		sb_clock_fake_turn(bench->clock, 100 * SB_MS);
		sched_yield();
	}
	return NULL;
}

static void a_blocking_scan_waits(void **unused)
{
	struct bench bench;
	pthread_t turner;

	(void)unused;
	open_later(&bench, again, third_time, QUIET ENGINE(PATIENT));
	assert_int_equal(sb_thread_start(&turner, "turner", turn_on, &bench), 0);
	end("attended", scan_text(&bench, "x"), SB_OUTCOME_CLEAN, SB_KIND_NONE);
	pthread_join(turner, NULL);
	close_later(&bench);
}

static void what_was_taken_back_counts_for_nothing(void **unused)
{
	struct bench bench;

	(void)unused;
	open_later(&bench, hasty, does_not_know, QUIET ENGINE(PATIENT));
	end("hasty", turn_until_done(&bench, begin(&bench, "x"), 100 * SB_MS), SB_OUTCOME_ERROR,
		SB_KIND_UNSUPPORTED);
	close_later(&bench);
}

/* --- How it ends otherwise ---------------------------------------------------------------------
 */

static void the_deadline_frees_it(void **unused)
{
	struct bench bench;
	sb_report *report;
	sb_job *job;

	(void)unused;
	open_later(&bench, again, again,
		QUIET ENGINE("timeout: 10s, retry: {attempts: 1}, "
			     "breaker: {failure_threshold: 1, open: 1h}"));
	job = begin(&bench, "x");
	parked(job);
	sb_clock_fake_turn(bench.clock, 10000 * SB_MS);
	report = take(job);
	assert_non_null(strstr(sb_report_json(report, NULL), "before engine e had its verdict"));
	end("deadline", report, SB_OUTCOME_ERROR, SB_KIND_TIMEOUT);
	assert_int_equal(atomic_load(&later.dropped), 1);
	assert_string_equal(sb_manager_breaker(bench.manager, "e", NULL), "open");
	close_later(&bench);
}

static void a_cancel_frees_it(void **unused)
{
	struct bench bench;
	sb_job *job;

	(void)unused;
	open_later(&bench, again, again, QUIET ENGINE(PATIENT));
	job = begin(&bench, "x");
	parked(job);
	sb_job_cancel(job);
	sb_job_cancel(job);
	end("cancelled", take(job), SB_OUTCOME_ERROR, SB_KIND_CANCELLED);
	assert_int_equal(atomic_load(&later.dropped), 1);
	assert_string_equal(sb_manager_breaker(bench.manager, "e", NULL), "closed");
	close_later(&bench);
}

static void a_cancel_reaches_a_poll_under_way(void **unused)
{
	struct bench bench;
	sb_job *job;

	(void)unused;
	open_later(&bench, again, waits_for_cancel, QUIET ENGINE(PATIENT));
	job = begin(&bench, "x");
	parked(job);
	sb_clock_fake_turn(bench.clock, 1000 * SB_MS);
	sem_wait(&later.inside);
	sb_job_cancel(job);
	end("cancelled inside", take(job), SB_OUTCOME_ERROR, SB_KIND_CANCELLED);
	assert_int_equal(atomic_load(&later.dropped), 0); /* its own return freed it */
	close_later(&bench);
}

static void a_poll_that_overran_is_not_asked_again(void **unused)
{
	struct bench bench;
	sb_job *job;

	(void)unused;
	open_later(&bench, again, waits_for_go,
		QUIET ENGINE("timeout: 10s, retry: {attempts: 1}, concurrency: 1"));
	job = begin(&bench, "x");
	parked(job);
	sb_clock_fake_turn(bench.clock, 1000 * SB_MS);
	sem_wait(&later.inside);
	end("given up", turn_until_done(&bench, job, 1000 * SB_MS), SB_OUTCOME_ERROR,
		SB_KIND_TIMEOUT);
	assert_int_equal(atomic_load(&later.freed), 0);
	sem_post(&later.go);
	close_later(&bench); /* waits for it */
	assert_int_equal(atomic_load(&later.dropped), 1);
}

static int after_go(sb_call *call, unsigned attempt, sb_error *error)
{
	while (sem_wait(&script.go) != 0)
		;
	return infected(call, attempt, error);
}

/* Another engine made it so. */
static void a_certain_outcome_frees_it(void **unused)
{
	struct bench bench;
	sb_job *job;

	(void)unused;
	open_later(&bench, again, again,
		QUIET "decision: {early_decision: true}\nengines:\n"
		      "  - {name: e, type: deferring, self_test: off, timeout: 24h}\n"
		      "  - {name: f, type: stubborn, self_test: off, timeout: 24h}\n");
	script.scan = after_go;
	job = begin(&bench, "x");
	parked(job);
	sem_post(&script.go);
	end("early", take(job), SB_OUTCOME_INFECTED, SB_KIND_NONE);
	close_later(&bench);
	assert_int_equal(atomic_load(&later.dropped), 1);
}

/* The manager is freed while handles are dropped: nothing is left behind. */
static void a_manager_ends_with_verdicts_outstanding(void **unused)
{
	enum { MANY = 8 };
	struct bench bench;
	sb_job *jobs[MANY];

	(void)unused;
	open_later(&bench, again, again, QUIET ENGINE(PATIENT));
	for (unsigned i = 0; i < MANY; i++)
		jobs[i] = begin(&bench, "x");
	for (unsigned i = 0; i < MANY; i++)
		parked(jobs[i]);
	sb_manager_close(bench.manager);
	for (unsigned i = 0; i < MANY; i++)
		sb_job_free(jobs[i]);
	close_later(&bench);
	assert_int_equal(atomic_load(&later.dropped), MANY);
}

/* --- Gates ------------------------------------------------------------------------------------ */

static void a_failed_poll_is_a_failed_attempt(void **unused)
{
	struct bench bench;

	(void)unused;
	open_later(&bench, again, refuses,
		QUIET ENGINE("timeout: 24h, retry: {attempts: 3, jitter: false}"));
	end("refused", turn_until_done(&bench, begin(&bench, "x"), 100 * SB_MS), SB_OUTCOME_ERROR,
		SB_KIND_CONNECTION_FAILED);
	assert_int_equal(atomic_load(&later.submits), 3);
	assert_int_equal(atomic_load(&later.polls), 3);
	assert_int_equal(atomic_load(&later.dropped), 0);
	close_later(&bench);
}

static void one_outstanding_serves_all_that_ask(void **unused)
{
	struct bench bench;
	sb_job *first, *second;

	(void)unused;
	open_later(&bench, again, third_time, QUIET "cache: {persistent: false}\n" ENGINE(PATIENT));
	first = begin(&bench, "same");
	until(&later.submits, 1);
	second = begin(&bench, "same");
	sb_report_free(turn_until_done(&bench, first, 100 * SB_MS));
	end("shared", take(second), SB_OUTCOME_CLEAN, SB_KIND_NONE);
	end("remembered", scan_text(&bench, "same"), SB_OUTCOME_CLEAN, SB_KIND_NONE);
	assert_int_equal(atomic_load(&later.submits), 1);
	close_later(&bench);
}

/* Not knowing a content is an answer: a breaker that tries the engine again closes by it. */
static void not_knowing_closes_the_breaker(void **unused)
{
	struct bench bench;

	(void)unused;
	open_later(&bench, refuses, again,
		QUIET ENGINE("timeout: 24h, retry: {attempts: 1}, breaker: "
			     "{failure_threshold: 1, success_threshold: 2, open: 1s}"));
	end("fails", scan_text(&bench, "1"), SB_OUTCOME_ERROR, SB_KIND_CONNECTION_FAILED);
	end("open", scan_text(&bench, "2"), SB_OUTCOME_ERROR, SB_KIND_CIRCUIT_OPEN);
	later.submit = does_not_know;
	sb_clock_fake_turn(bench.clock, 2000 * SB_MS);
	end("tries", scan_text(&bench, "3"), SB_OUTCOME_ERROR, SB_KIND_UNSUPPORTED);
	end("tries", scan_text(&bench, "4"), SB_OUTCOME_ERROR, SB_KIND_UNSUPPORTED);
	assert_string_equal(sb_manager_breaker(bench.manager, "e", NULL), "closed");
	close_later(&bench);
}

/* Who is outstanding inside is not turned away by what happens to others. */
static void an_open_breaker_lets_the_outstanding_end(void **unused)
{
	struct bench bench;
	sb_job *job;

	(void)unused;
	open_later(&bench, again, found,
		QUIET ENGINE("timeout: 24h, retry: {attempts: 1}, "
			     "breaker: {failure_threshold: 1, open: 1h}"));
	job = begin(&bench, "x");
	parked(job);
	later.submit = refuses;
	end("fails", scan_text(&bench, "y"), SB_OUTCOME_ERROR, SB_KIND_CONNECTION_FAILED);
	assert_string_equal(sb_manager_breaker(bench.manager, "e", NULL), "open");
	end("outstanding", turn_until_done(&bench, job, 100 * SB_MS), SB_OUTCOME_INFECTED,
		SB_KIND_NONE);
	close_later(&bench);
}

/* --- Known-answer tests ------------------------------------------------------------------------
 */

static int knows_eicar(sb_call *call, unsigned asked, sb_error *error)
{
	(void)asked;
	assert_true(sb_call_confidential(call));
	assert_int_equal(sb_call_may_upload(call, "elsewhere", error), -SB_KIND_UNSUPPORTED);
	return sb_call_size(call) == 68 ? infected(call, 0, error) : clean(call, 0, error);
}

static void *check(void *data)
{
	struct bench *bench = data;
	sb_engine_state *state = calloc(1, sizeof *state);

	assert_int_equal(sb_manager_engine_state(bench->manager, 0, true, state), 0);
	assert_true(state->check_ok);
	free(state);
	return NULL;
}

static void a_check_waits_for_it(void **unused)
{
	struct bench bench;
	pthread_t checker;

	(void)unused;
	open_later(&bench, again, knows_eicar,
		QUIET "engines: [{name: e, type: deferring, timeout: 24h}]\n");
	assert_int_equal(sb_thread_start(&checker, "checker", check, &bench), 0);
	while (atomic_load(&later.freed) < 2) {
		sb_clock_fake_turn(bench.clock, 100 * SB_MS);
		sched_yield();
	}
	pthread_join(checker, NULL);
	assert_int_equal(atomic_load(&later.submits), 2); /* a benign text, and EICAR */
	close_later(&bench);
}

/* --- Uploads ------------------------------------------------------------------------------------
 */

static _Atomic(int) upload_status;

static int uploads(sb_call *call, unsigned asked, sb_error *error)
{
	sb_error own;
	int status = sb_call_may_upload(call, "vendor.example", &own);

	(void)asked;
	atomic_store(&upload_status, status);
	return status < 0 ? does_not_know(call, 0, error) : later.again;
}

static sb_report *scan_with(struct bench *bench, const char *key, const char *value)
{
	sb_context *context = sb_context_new();
	sb_scan_options *options = sb_scan_options_new();
	sb_input *input = sb_input_memory("x", 1);
	sb_report *report = NULL;
	sb_job *job = NULL;

	if (key != NULL)
		assert_int_equal(
			sb_context_set_metadata(context, key, strlen(key), value, strlen(value)),
			0);
	sb_scan_options_set_context(options, context);
	assert_int_equal(
		sb_submit(&job, bench->manager, input, options, NULL, NULL, NULL, NULL), 0);
	report = turn_until_done(bench, job, 100 * SB_MS);
	sb_input_free(input);
	sb_scan_options_free(options);
	sb_context_free(context);
	return report;
}

static const struct {
	const char *key, *value;
	bool may;
} tags[] = {
	{NULL, NULL, true},
	{"project", "confidential", true},
	{"confidential", "false", true},
	{"confidential", "true", false},
	{"confidential", "", false},
	{"confidential", "FALSE", false}, /* in doubt it is */
	{"Confidential", "yes", false},
};

static char *log_of(const struct bench *bench)
{
	char path[SB_SCRATCH_PATH + 16];
	size_t length;
	FILE *file;
	char *text;

	snprintf(path, sizeof path, "%s/audit.jsonl", bench->dir);
	file = fopen(path, "r");
	assert_non_null(file);
	text = calloc(1, 1 << 20);
	length = fread(text, 1, (1 << 20) - 1, file);
	text[length] = '\0';
	fclose(file);
	return text;
}

static void confidential_content_stays(void **unused)
{
	struct bench bench;

	(void)unused;
	open_later(&bench, uploads, found, "limits: {timeout: 30d}\n" ENGINE(PATIENT));
	for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
		sb_report *report = scan_with(&bench, tags[i].key, tags[i].value);
		bool told = strstr(sb_report_json(report, NULL),
				    "\"uploaded_to\":\"vendor.example\"") != NULL;

		if (told != tags[i].may ||
			atomic_load(&upload_status) != (tags[i].may ? 0 : -SB_KIND_UNSUPPORTED))
			fail_msg("%s: %s", tags[i].key, sb_report_json(report, NULL));
		sb_report_free(report);
	}
	close_later(&bench);
}

/* On record before it begins, whatever comes after it. */
static void an_upload_is_on_record_first(void **unused)
{
	struct bench bench;
	char *log, *upload, *verdict;
	sb_report *report;
	sb_job *job;

	(void)unused;
	open_later(&bench, uploads, again,
		"limits: {timeout: 30d}\n" ENGINE("timeout: 10s, retry: {attempts: 1}"));
	job = begin(&bench, "x");
	parked(job);
	log = log_of(&bench);
	upload = strstr(log, "\"content_upload\"");
	assert_non_null(upload);
	assert_non_null(strstr(upload, "\"to\":\"vendor.example\""));
	assert_null(strstr(log, "\"scan_completed\""));
	free(log);
	report = turn_until_done(&bench, job, 100 * SB_MS); /* times out */
	assert_non_null(strstr(sb_report_json(report, NULL), "\"uploaded_to\":\"vendor.example\""));
	log = log_of(&bench);
	verdict = strstr(log, "\"scan_completed\"");
	assert_non_null(strstr(verdict, "\"uploaded_to\":\"vendor.example\""));
	free(log);
	sb_report_free(report);
	close_later(&bench);
}

/* --- What can't be opened -----------------------------------------------------------------------
 */

static int no_scan(void *state, sb_call *call, sb_error *error)
{
	(void)state;
	return clean(call, 0, error);
}

static int no_begin(void *state, sb_call *call, void **stream, sb_error *error)
{
	(void)state;
	(void)call;
	(void)stream;
	return sb_error_set(error, SB_KIND_INTERNAL, 0, "never called");
}

static int no_feed(void *state, void *stream, const void *data, size_t length, sb_error *error)
{
	(void)state;
	(void)stream;
	(void)data;
	(void)length;
	return sb_error_set(error, SB_KIND_INTERNAL, 0, "never called");
}

static int no_finish(void *state, sb_call *call, void *stream, bool whole, sb_error *error)
{
	(void)state;
	(void)call;
	(void)stream;
	(void)whole;
	return sb_error_set(error, SB_KIND_INTERNAL, 0, "never called");
}

static void halves_are_refused(void **unused)
{
	sb_engine_ops halves[] = {deferring, deferring, deferring, deferring};

	(void)unused;
	halves[0].scan = no_scan;
	halves[1].poll = NULL;
	halves[2].submit = NULL, halves[2].scan = no_scan;
	halves[3].begin = no_begin, halves[3].feed = no_feed, halves[3].finish = no_finish;
	for (size_t i = 0; i < sizeof halves / sizeof halves[0]; i++) {
		struct bench bench;
		sb_error error;

		bench_extra = &halves[i];
		if (try_bench(&bench, clean, QUIET ENGINE(PATIENT), &error) !=
			-SB_KIND_NOT_CONFIGURED)
			fail_msg("%zu: %s", i, error.message);
		close_bench(&bench);
	}
}

static int promises(void *state, sb_call *call, void **ticket, sb_error *error)
{
	(void)state;
	(void)call;
	(void)ticket;
	(void)error;
	return 10;
}

static void a_promise_without_ticket_is_an_error(void **unused)
{
	sb_engine_ops promising = deferring;
	struct bench bench;
	sb_error error;

	(void)unused;
	promising.submit = promises;
	bench_extra = &promising;
	assert_int_equal(try_bench(&bench, clean, QUIET ENGINE(PATIENT), &error), 0);
	end("no ticket", scan_text(&bench, "x"), SB_OUTCOME_ERROR, SB_KIND_INTERNAL);
	close_bench(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_it_at_once),
		cmocka_unit_test(says_it_the_third_time),
		cmocka_unit_test(a_wake_for_nothing_asks_nobody),
		cmocka_unit_test(outstanding_holds_no_place),
		cmocka_unit_test(a_blocking_scan_waits),
		cmocka_unit_test(what_was_taken_back_counts_for_nothing),
		cmocka_unit_test(the_deadline_frees_it),
		cmocka_unit_test(a_cancel_frees_it),
		cmocka_unit_test(a_cancel_reaches_a_poll_under_way),
		cmocka_unit_test(a_poll_that_overran_is_not_asked_again),
		cmocka_unit_test(a_certain_outcome_frees_it),
		cmocka_unit_test(a_manager_ends_with_verdicts_outstanding),
		cmocka_unit_test(a_failed_poll_is_a_failed_attempt),
		cmocka_unit_test(one_outstanding_serves_all_that_ask),
		cmocka_unit_test(not_knowing_closes_the_breaker),
		cmocka_unit_test(an_open_breaker_lets_the_outstanding_end),
		cmocka_unit_test(a_check_waits_for_it),
		cmocka_unit_test(confidential_content_stays),
		cmocka_unit_test(an_upload_is_on_record_first),
		cmocka_unit_test(halves_are_refused),
		cmocka_unit_test(a_promise_without_ticket_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
