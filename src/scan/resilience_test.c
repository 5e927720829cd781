/* SPDX-License-Identifier: MIT */
/*
 * Engines that fail, hang and recover, through the manager: breaker, retry, fallback. Every
 * engine has a mood, by the first letter of its name; the clock is turned, nobody sleeps.
 */
#include <jansson.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scan/call.h"
#include "scan/manager.h"
#include "scan/scan_bench.h"
#include "util/error.h"

/* --- Moods ----------------------------------------------------------------------------------- */

static _Atomic(char) moods[26];
static _Atomic(unsigned) asked[26];

/* What a letter means; `k` is any kind of error. */
static const struct {
	char mood;
	sb_kind kind;
} errors[] = {
	{'r', SB_KIND_CONNECTION_FAILED},
	{'t', SB_KIND_TIMEOUT},
	{'g', SB_KIND_PROTOCOL_ERROR},
	{'u', SB_KIND_ENGINE_UNAVAILABLE},
	{'x', SB_KIND_ENGINE_CRASHED},
	{'a', SB_KIND_AUTHENTICATION_FAILED},
	{'l', SB_KIND_RATE_LIMITED},
	{'o', SB_KIND_OVERLOADED},
	{'b', SB_KIND_FILE_TOO_LARGE},
	{'m', SB_KIND_LIMIT_EXCEEDED},
	{'e', SB_KIND_ENCRYPTED},
	{'d', SB_KIND_CORRUPT},
	{'n', SB_KIND_UNSUPPORTED},
	{'h', SB_KIND_CHANGED},
	{'f', SB_KIND_FILE_NOT_FOUND},
	{'p', SB_KIND_IO},
	{'q', SB_KIND_NOT_CONFIGURED},
	{'z', SB_KIND_INTERNAL},
};

static int knows(sb_call *call, unsigned attempt, sb_error *error)
{
	size_t length;
	const char *content = sb_call_memory(call, &length);
	bool found = content != NULL && length == 68 && memcmp(content, "X5O", 3) == 0;

	return found ? infected(call, attempt, error) : clean(call, attempt, error);
}

static int moody(sb_call *call, unsigned attempt, sb_error *error)
{
	unsigned engine = (unsigned)(call->engine->conf->name[0] - 'a');
	char mood = atomic_load(&moods[engine]);

	atomic_fetch_add(&asked[engine], 1);
	switch (mood) {
	case 'c':
		return clean(call, attempt, error);
	case 'i':
		return infected(call, attempt, error);
	case 'k': /* knows the test file, as a scanner should */
		return knows(call, attempt, error);
	case 'H': /* hangs, and minds nothing */
		return until_go(call, attempt, error);
	case 'C': /* hangs until it is cancelled */
		return until_cancelled(call, attempt, error);
	case 'F': /* hangs, then fails */
		until_go(call, attempt, error);
		return sb_error_set(error, SB_KIND_CONNECTION_FAILED, 0, "lost");
	default:
		break;
	}
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
		if (errors[i].mood == mood)
			return sb_error_set(error, errors[i].kind, 0, "in the mood for it");
	return -SB_KIND_INTERNAL;
}

static void set_moods(const char *all)
{
	for (size_t i = 0; i < 26; i++) {
		atomic_store(&moods[i], i < strlen(all) ? all[i] : 'c');
		atomic_store(&asked[i], 0);
	}
}

static void open_moody(struct bench *bench, const char *all, const char *engines)
{
	char yaml[1500];

	set_moods(all);
	snprintf(yaml, sizeof yaml, "audit: {enabled: false}\nlimits: {timeout: 30d}\nengines:\n%s",
		engines);
	open_bench(bench, moody, yaml);
}

#define A(more) "  - {name: a, type: obedient, self_test: off, timeout: 10s, " more "}\n"
#define S(more) "  - {name: a, type: stubborn, self_test: off, timeout: 10s, " more "}\n"
#define B(more) "  - {name: b, type: obedient, self_test: off, timeout: 10s, " more "}\n"
/* For tests that turn the clock while threads work: so far that nobody can be late. */
#define L(more) "  - {name: a, type: obedient, self_test: off, timeout: 24h, " more "}\n"
#define LB "  - {name: b, type: obedient, self_test: off, timeout: 24h}\n"
#define ONCE "retry: {attempts: 1}"

static sb_report *scan_number(struct bench *bench, unsigned number)
{
	char text[32];

	snprintf(text, sizeof text, "content %u", number);
	return scan_text(bench, text);
}

/* Scan, and compare kind (NONE: clean). */
static void scan_expect(struct bench *bench, const char *why, sb_kind kind)
{
	static unsigned number;
	sb_report *report = scan_number(bench, ++number);

	expect(why, report, kind == SB_KIND_NONE ? SB_OUTCOME_CLEAN : SB_OUTCOME_ERROR, kind);
	sb_report_free(report);
}

static void scan_times(struct bench *bench, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		sb_report_free(scan_number(bench, i));
}

static void breaker_is(struct bench *bench, const char *engine, const char *state)
{
	const char *now = sb_manager_breaker(bench->manager, engine, NULL);

	if (strcmp(now, state) != 0)
		fail_msg("the breaker of %s is %s, not %s", engine, now, state);
}

static uint64_t metric(struct bench *bench, const char *engine, sb_metric which)
{
	uint64_t value = UINT64_MAX;

	assert_int_equal(sb_manager_engine_metric(bench->manager, engine, which, &value), 0);
	return value;
}

static void turn(struct bench *bench, uint64_t ms)
{
	sb_clock_fake_turn(bench->clock, ms * SB_MS);
}

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

static void make_half_open(struct bench *bench, const char *mood)
{
	scan_times(bench, 5);
	breaker_is(bench, "a", "open");
	turn(bench, 36000);
	set_moods(mood);
}

static void await_entered(void)
{
	while (sem_wait(&script.entered) != 0)
		;
}

static void drain_entered(void)
{
	while (sem_trywait(&script.entered) == 0)
		;
}

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

/* --- Told and on record ---------------------------------------------------------------------- */

static void changes_are_told(void **unused)
{
	static const struct {
		sb_breaker_phase from, to;
		sb_breaker_cause cause;
		sb_kind kind;
		bool by_hand;
	} expected[] = {
		{SB_BREAKER_CLOSED, SB_BREAKER_OPEN, SB_BREAKER_CAUSE_ROW, SB_KIND_TIMEOUT, false},
		{SB_BREAKER_OPEN, SB_BREAKER_HALF_OPEN, SB_BREAKER_CAUSE_ROW, SB_KIND_NONE, false},
		{SB_BREAKER_HALF_OPEN, SB_BREAKER_OPEN, SB_BREAKER_CAUSE_PROBE,
			SB_KIND_PROTOCOL_ERROR, false},
		{SB_BREAKER_OPEN, SB_BREAKER_CLOSED, SB_BREAKER_CAUSE_NONE, SB_KIND_NONE, true},
		{SB_BREAKER_CLOSED, SB_BREAKER_OPEN, SB_BREAKER_CAUSE_HAND, SB_KIND_NONE, true},
	};
	struct bench bench;
	sb_engine_event event;
	uint64_t seen = 0;
	size_t i = 0;

	(void)unused;
	open_moody(&bench, "t", A(ONCE));
	make_half_open(&bench, "g");
	scan_times(&bench, 1);
	sb_manager_set_breaker(bench.manager, "a", SB_BREAKER_RESET, NULL);
	sb_manager_set_breaker(bench.manager, "a", SB_BREAKER_FORCE_OPEN, NULL);
	for (; sb_manager_event(bench.manager, &seen, &event); i++) {
		assert_true(i < sizeof expected / sizeof expected[0]);
		assert_string_equal(event.engine, "a");
		assert_int_equal(event.from, expected[i].from);
		assert_int_equal(event.to, expected[i].to);
		assert_int_equal(event.cause, expected[i].cause);
		assert_int_equal(event.kind, expected[i].kind);
		assert_int_equal(event.by_hand, expected[i].by_hand);
		assert_int_equal(event.change, i + 1);
	}
	assert_int_equal(i, 5);
	close_bench(&bench);
}

/* The ring keeps the last 64; who comes late misses the older ones and no others. */
static void only_the_last_events_are_kept(void **unused)
{
	struct bench bench;
	sb_engine_event event;
	uint64_t seen = 0;
	unsigned count = 0;

	(void)unused;
	open_moody(&bench, "c", A(ONCE));
	for (unsigned i = 0; i < 50; i++) {
		sb_manager_set_breaker(bench.manager, "a", SB_BREAKER_FORCE_OPEN, NULL);
		sb_manager_set_breaker(bench.manager, "a", SB_BREAKER_FORCE_CLOSE, NULL);
	}
	while (sb_manager_event(bench.manager, &seen, &event))
		assert_int_equal(event.change, 100 - 64 + ++count);
	assert_int_equal(count, 64);
	close_bench(&bench);
}

static json_t *engine_states(const char *path)
{
	json_t *all = json_array();
	FILE *log = fopen(path, "re");
	char line[8200];

	assert_non_null(log);
	while (fgets(line, sizeof line, log) != NULL) {
		json_t *record = json_loads(line, 0, NULL);
		const char *event = json_string_value(json_object_get(record, "event"));

		assert_non_null(record);
		if (strcmp(event, "engine_state") == 0)
			json_array_append(all, record);
		json_decref(record);
	}
	fclose(log);
	return all;
}

static void changes_are_on_record(void **unused)
{
	struct bench bench;
	sb_audit_verdict verdict;
	json_t *states, *first;
	char path[128];

	(void)unused;
	set_moods("r");
	open_bench(&bench, moody, "engines:\n" A(ONCE));
	snprintf(path, sizeof path, "%s/audit.jsonl", bench.dir);
	make_half_open(&bench, "c");
	scan_times(&bench, 3);
	sb_manager_free(bench.manager); /* waits for the records */
	bench.manager = NULL;
	assert_int_equal(sb_audit_verify(path, true, &verdict, NULL), 0);
	assert_true(verdict.ok);
	states = engine_states(path);
	assert_int_equal(json_array_size(states), 3);
	first = json_array_get(states, 0);
	assert_string_equal(json_string_value(json_object_get(first, "engine")), "a");
	assert_string_equal(json_string_value(json_object_get(first, "to")), "open");
	assert_string_equal(
		json_string_value(json_object_get(first, "cause")), "failures_in_a_row");
	assert_string_equal(
		json_string_value(json_object_get(first, "error")), "connection_failed");
	assert_true(json_integer_value(json_object_get(first, "open_ms")) >= 24000);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(states, 2), "to")), "closed");
	json_decref(states);
	close_bench(&bench);
}

static void metrics_add_up(void **unused)
{
	struct bench bench;

	(void)unused;
	open_moody(&bench, "c", A(ONCE));
	scan_times(&bench, 7);
	set_moods("e");
	scan_times(&bench, 4);
	set_moods("r");
	scan_times(&bench, 9); /* five of them get in */
	assert_int_equal(metric(&bench, "a", SB_METRIC_SUCCESSFUL), 7);
	assert_int_equal(metric(&bench, "a", SB_METRIC_FAILED), 9);
	assert_int_equal(metric(&bench, "a", SB_METRIC_REJECTED), 4);
	assert_int_equal(metric(&bench, "a", SB_METRIC_OPENED), 1);
	assert_int_equal(metric(&bench, "a", SB_METRIC_RETRIES), 0);
	close_bench(&bench);
}

/* --- Content that crashes engines ------------------------------------------------------------ */

static void crash(struct bench *bench, const char *text, unsigned asked_before, unsigned times)
{
	sb_report *report =
		turn_until_done(bench, submit_text(bench, text, NULL, NULL, NULL), 100 * SB_MS);

	expect(text, report, SB_OUTCOME_ERROR, SB_KIND_ENGINE_CRASHED);
	assert_int_equal(atomic_load(&asked[0]), asked_before + times);
	sb_report_free(report);
}

static void what_crashed_it_twice_is_not_shown_again(void **unused)
{
	struct bench bench;
	sb_report *report;

	(void)unused;
	open_moody(&bench, "x", L("retry: {attempts: 3, initial: 1ms}"));
	crash(&bench, "poison", 0, 2); /* once more on a fresh worker, then held */
	crash(&bench, "poison", 2, 0);
	crash(&bench, "other poison", 2, 2);
	crash(&bench, "other poison", 4, 0);
	set_moods("c");
	report = scan_text(&bench, "poison"); /* whatever the engine is like by now */
	expect("held", report, SB_OUTCOME_ERROR, SB_KIND_ENGINE_CRASHED);
	sb_report_free(report);
	report = scan_text(&bench, "harmless");
	expect("others are not", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
	sb_report_free(report);
	close_bench(&bench);
}

/* One hostile file, however often it comes, is one failure. */
static void one_file_does_not_open_the_breaker(void **unused)
{
	struct bench bench;

	(void)unused;
	open_moody(&bench, "x", L(ONCE ", breaker: {failure_threshold: 2, open: 1h}"));
	for (unsigned i = 0; i < 10; i++)
		crash(&bench, "poison", i < 2 ? i : 2, i < 2);
	breaker_is(&bench, "a", "closed");
	crash(&bench, "another one", 2, 1);
	breaker_is(&bench, "a", "open");
	close_bench(&bench);
}

/* Errors of other kinds are no crash, and timeouts may be the machine's fault. */
static void only_crashes_are_poison(void **unused)
{
	static const char all[] = "rtgul";

	(void)unused;
	for (size_t i = 0; i < strlen(all); i++) {
		struct bench bench;

		open_moody(&bench, (char[]){all[i], '\0'}, L(ONCE ", breaker: {preset: off}"));
		for (unsigned k = 0; k < 4; k++)
			sb_report_free(scan_text(&bench, "x"));
		assert_int_equal(atomic_load(&asked[0]), 4);
		close_bench(&bench);
	}
}

static void fill_hash(uint8_t *hash, unsigned number)
{
	memset(hash, 0, SB_BLAKE3_SIZE);
	memcpy(hash, &number, sizeof number);
}

static void the_table_of_poison_is_bounded(void **unused)
{
	uint8_t hash[SB_BLAKE3_SIZE];
	sb_poison poison;

	(void)unused;
	sb_poison_init(&poison);
	for (unsigned i = 0; i < SB_POISON_ENTRIES; i++) {
		fill_hash(hash, i);
		assert_int_equal(sb_poison_crashes(&poison, hash, 1), 0);
		sb_poison_note(&poison, hash, 1);
		sb_poison_note(&poison, hash, 1);
	}
	fill_hash(hash, 0);
	assert_int_equal(sb_poison_crashes(&poison, hash, 1), 2);
	assert_int_equal(sb_poison_crashes(&poison, hash, 2), 0); /* another generation */
	assert_int_equal(sb_poison_crashes(&poison, hash, 0), 2); /* not known which */
	fill_hash(hash, SB_POISON_ENTRIES);
	sb_poison_note(&poison, hash, 1); /* one more: the oldest makes room */
	assert_int_equal(sb_poison_crashes(&poison, hash, 1), 1);
	fill_hash(hash, 0);
	assert_int_equal(sb_poison_crashes(&poison, hash, 1), 0);
	fill_hash(hash, 1);
	assert_int_equal(sb_poison_crashes(&poison, hash, 1), 2);
	sb_poison_done(&poison);
}

/* --- Fallback -------------------------------------------------------------------------------- */

#define C "  - {name: c, type: obedient, self_test: off, timeout: 10s, " ONCE "}\n"
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

static sb_report *scan_only(struct bench *bench, const char *engines)
{
	sb_scan_options *options = sb_scan_options_new();
	sb_input *input = sb_input_memory("x", 1);
	sb_report *report = NULL;
	sb_error error;

	sb_error_init(&error);
	for (; engines != NULL && *engines != '\0'; engines++)
		sb_scan_options_add_engine(options, (char[]){*engines, '\0'});
	if (sb_scan(&report, bench->manager, input, options, &error) < 0)
		fail_msg("%s", error.message);
	sb_scan_options_free(options);
	sb_input_free(input);
	return report;
}

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

/* --- Retry ----------------------------------------------------------------------------------- */

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

/* --- Known-answer tests by themselves -------------------------------------------------------- */

#define K(more) "  - {name: a, type: obedient, self_test: eicar, timeout: 24h, " more "}\n"

static void await_breaker(struct bench *bench, const char *state)
{
	while (strcmp(sb_manager_breaker(bench->manager, "a", NULL), state) != 0)
		sched_yield();
}

static void await_asked(unsigned times)
{
	while (atomic_load(&asked[0]) < times)
		sched_yield();
}

static void start_tests(struct bench *bench)
{
	assert_int_equal(sb_manager_start_tests(bench->manager, NULL), 0);
	await_asked(2); /* a benign text, and the test file */
	while (metric(bench, "a", SB_METRIC_SUCCESSFUL) + metric(bench, "a", SB_METRIC_FAILED) < 1)
		sched_yield();
}

/* Nobody scans, and it closes nevertheless; whoever does meanwhile is turned away. */
static void tests_stand_in_for_probes(void **unused)
{
	struct bench bench;

	(void)unused;
	open_moody(&bench, "k", K(ONCE));
	start_tests(&bench);
	set_moods("r");
	scan_times(&bench, 5);
	breaker_is(&bench, "a", "open");
	set_moods("H");
	drain_entered();
	turn(&bench, 36000);
	await_entered(); /* a test is under way */
	breaker_is(&bench, "a", "half_open");
	scan_expect(&bench, "calls wait for the test", SB_KIND_CIRCUIT_OPEN);
	set_moods("k");
	sem_post(&script.go);
	await_breaker(&bench, "closed");
	assert_int_equal(metric(&bench, "a", SB_METRIC_REJECTED), 1);
	scan_expect(&bench, "closed", SB_KIND_NONE);
	close_bench(&bench);
}

/* It answers again, but doesn't know the test file: that is worse than silence. */
static void an_engine_that_answers_wrongly_stays_open(void **unused)
{
	struct bench bench;

	(void)unused;
	open_moody(&bench, "k", K(ONCE ", breaker: {open: 1s, max_open: 1s}"));
	start_tests(&bench);
	set_moods("r");
	scan_times(&bench, 5);
	set_moods("c");
	for (uint64_t opened = 1; opened < 5; opened++) {
		/* Again and again: it may have looked at the clock after it was turned. */
		while (metric(&bench, "a", SB_METRIC_OPENED) == opened) {
			turn(&bench, 1000);
			sched_yield();
		}
	}
	set_moods("k");
	while (strcmp(sb_manager_breaker(bench.manager, "a", NULL), "closed") != 0) {
		turn(&bench, 100);
		sched_yield();
	}
	close_bench(&bench);
}

/* R35: a test every 15 minutes, which says what is wrong and counts like any call. */
static void tests_come_round(void **unused)
{
	struct bench bench;
	unsigned seen = 0;

	(void)unused;
	open_moody(&bench, "k", K(ONCE));
	start_tests(&bench);
	scan_expect(&bench, "good", SB_KIND_NONE);
	set_moods("c"); /* its signatures are gone: all is clean to it */
	for (uint64_t failed = 0; failed < 5; failed++) {
		breaker_is(&bench, "a", "closed");
		while (metric(&bench, "a", SB_METRIC_FAILED) == failed) {
			turn(&bench, 60000);
			seen++;
			sched_yield();
		}
		if (failed == 0) {
			assert_true(seen >= 15);
			set_moods("k"); /* one that was wrong is not believed before it was right */
			scan_expect(&bench, "wrong", SB_KIND_ENGINE_UNAVAILABLE);
			failed++;
			set_moods("c");
		}
	}
	close_bench(&bench);
}

static void tests_end_with_the_manager(void **unused)
{
	struct bench bench;

	(void)unused;
	open_moody(&bench, "C", K(ONCE));
	assert_int_equal(sb_manager_start_tests(bench.manager, NULL), 0);
	await_entered(); /* and stays there until it is told to stop */
	close_bench(&bench);
	open_moody(&bench, "k", K(ONCE) "  - {name: b, type: stubborn, self_test: eicar}\n" C);
	assert_int_equal(sb_manager_start_tests(bench.manager, NULL), 0);
	close_bench(&bench); /* before, in the middle of, or after the first one */
	assert_int_equal(atomic_load(&asked[1]), 0); /* may overrun: left to calls */
	assert_int_equal(atomic_load(&asked[2]), 0); /* self_test: off */
}

static char version[16] = "1";
static int changing_identity(void *state, uint64_t timeout_ms, sb_identity *out, sb_error *error)
{
	(void)state;
	(void)timeout_ms;
	(void)error;
	*out = (sb_identity){.exactness = SB_EXACT_FULL};
	snprintf(out->signature_version, sizeof out->signature_version, "%s", version);
	return 0;
}

static const sb_engine_ops changing = {
	.abi = SB_ENGINE_ABI,
	.name = "changing",
	.summary = "gets new signatures",
	.assurance = SB_ASSURANCE_ANTIVIRUS,
	.flags = SB_ENGINE_HONOURS_DEADLINE,
	.scan = scripted_scan,
	.identity = changing_identity,
};

static void new_signatures_are_tested(void **unused)
{
	struct bench bench;
	unsigned before;

	(void)unused;
	bench_extra = &changing;
	open_moody(&bench, "k", "  - {name: a, type: changing, self_test: eicar}\n");
	bench_extra = NULL;
	start_tests(&bench);
	before = atomic_load(&asked[0]);
	scan_expect(&bench, "the same", SB_KIND_NONE);
	assert_int_equal(atomic_load(&asked[0]), before + 1);
	snprintf(version, sizeof version, "2");
	turn(&bench, 6000); /* the next scan asks who it is */
	scan_expect(&bench, "another", SB_KIND_NONE);
	await_asked(before + 4);
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
		cmocka_unit_test(changes_are_told),
		cmocka_unit_test(only_the_last_events_are_kept),
		cmocka_unit_test(changes_are_on_record),
		cmocka_unit_test(metrics_add_up),
		cmocka_unit_test(what_crashed_it_twice_is_not_shown_again),
		cmocka_unit_test(one_file_does_not_open_the_breaker),
		cmocka_unit_test(only_crashes_are_poison),
		cmocka_unit_test(the_table_of_poison_is_bounded),
		cmocka_unit_test(fallbacks_answer),
		cmocka_unit_test(a_fallback_on_open_answers_once_it_is_open),
		cmocka_unit_test(a_fallback_answers_for_one_that_hangs),
		cmocka_unit_test(a_fallback_waits_for_the_whole_stream),
		cmocka_unit_test(failing_open_never_says_clean),
		cmocka_unit_test(failing_open_is_about_the_circuit_only),
		cmocka_unit_test(kinds_are_repeated_as_the_table_says),
		cmocka_unit_test(retry_after_is_honoured),
		cmocka_unit_test(waits_vary_within_bounds),
		cmocka_unit_test(nobody_retries_into_an_open_breaker),
		cmocka_unit_test(a_cause_outlives_the_news_of_an_open_breaker),
		cmocka_unit_test(tests_stand_in_for_probes),
		cmocka_unit_test(an_engine_that_answers_wrongly_stays_open),
		cmocka_unit_test(tests_come_round),
		cmocka_unit_test(tests_end_with_the_manager),
		cmocka_unit_test(new_signatures_are_tested),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
