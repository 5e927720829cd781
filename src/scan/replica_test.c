/* SPDX-License-Identifier: MIT */
/* Engines with replicas: which one an attempt goes to, and a breaker for each. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scan/manager.h"
#include "scan/scan_bench.h"
#include "util/error.h"

/* --- An engine with replicas ----------------------------------------------------------------- */

enum { MOST = 65 };
static const char *names[MOST];
static size_t replica_count;
static _Atomic(char) moods[MOST];
static _Atomic(unsigned) asked[MOST];

static int by_mood(sb_call *call, unsigned attempt, sb_error *error)
{
	size_t replica = sb_call_replica(call);

	assert_true(replica < replica_count);
	atomic_fetch_add(&asked[replica], 1);
	switch (atomic_load(&moods[replica])) {
	case 'r':
		return sb_error_set(error, SB_KIND_CONNECTION_FAILED, 0, "refused");
	case 'g':
		return sb_error_set(error, SB_KIND_PROTOCOL_ERROR, 0, "garbage");
	case 'e':
		return sb_error_set(error, SB_KIND_ENCRYPTED, 0, "locked");
	case 'H':
		return until_go(call, attempt, error);
	case 'F':
		until_go(call, attempt, error);
		return sb_error_set(error, SB_KIND_CONNECTION_FAILED, 0, "lost");
	default:
		return clean(call, attempt, error);
	}
}

static const char *const *replicas_of(const void *state, size_t *count)
{
	(void)state;
	*count = replica_count;
	return names;
}

static const sb_engine_ops replicated = {
	.abi = SB_ENGINE_ABI,
	.name = "replicated",
	.summary = "has replicas",
	.assurance = SB_ASSURANCE_ANTIVIRUS,
	.flags = SB_ENGINE_HONOURS_DEADLINE,
	.scan = scripted_scan,
	.replicas = replicas_of,
};

static int try_replicas(
	struct bench *bench, const char *all, size_t count, const char *settings, sb_error *error)
{
	static char spelled[MOST][8];
	char yaml[512];

	replica_count = count;
	for (size_t i = 0; i < MOST; i++) {
		snprintf(spelled[i], sizeof spelled[i], "r%zu", i);
		names[i] = spelled[i];
		atomic_store(&moods[i], i < strlen(all) ? all[i] : 'c');
		atomic_store(&asked[i], 0);
	}
	snprintf(yaml, sizeof yaml,
		"audit: {enabled: false}\nlimits: {timeout: 30d}\nengines:\n"
		"  - {name: a, type: replicated, self_test: off, timeout: 24h, %s}\n",
		settings);
	return try_bench(bench, by_mood, yaml, error);
}

static void open_replicas(struct bench *bench, const char *all, const char *settings)
{
	sb_error error;

	if (try_replicas(bench, all, strlen(all), settings, &error) < 0)
		fail_msg("%s", error.message);
}

static void scan_expect(struct bench *bench, const char *why, sb_kind kind)
{
	sb_report *report = scan_text(bench, "x");

	expect(why, report, kind == SB_KIND_NONE ? SB_OUTCOME_CLEAN : SB_OUTCOME_ERROR, kind);
	sb_report_free(report);
}

static uint64_t metric(struct bench *bench, sb_metric which)
{
	uint64_t value = UINT64_MAX;

	assert_int_equal(sb_manager_engine_metric(bench->manager, "a", which, &value), 0);
	return value;
}

static unsigned all_asked(void)
{
	unsigned sum = 0;

	for (size_t i = 0; i < MOST; i++)
		sum += atomic_load(&asked[i]);
	return sum;
}

/* --- Choosing -------------------------------------------------------------------------------- */

static void idle_replicas_take_turns(void **unused)
{
	struct bench bench;

	(void)unused;
	open_replicas(&bench, "ccc", "concurrency: 4");
	for (int i = 0; i < 30; i++)
		scan_expect(&bench, "any of them", SB_KIND_NONE);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(atomic_load(&asked[i]), 10);
	close_bench(&bench);
}

/* Whoever is busy gets no more as long as others are less so. */
static void the_least_busy_is_asked(void **unused)
{
	struct bench bench;
	sb_job *jobs[3];

	(void)unused;
	open_replicas(&bench, "HHH", "concurrency: 8");
	for (size_t i = 0; i < 3; i++) {
		jobs[i] = submit_text(&bench, "x", NULL, NULL, NULL);
		while (all_asked() < i + 1)
			sched_yield();
	}
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(atomic_load(&asked[i]), 1);
	for (size_t i = 0; i < 3; i++)
		sem_post(&script.go);
	for (size_t i = 0; i < 3; i++)
		sb_report_free(take(jobs[i]));
	close_bench(&bench);
}

static const struct {
	const char *why, *moods, *settings;
	sb_kind kind;
	unsigned asked; /* over all scans of the row */
} elsewhere[] = {
	{"one that is away is no attempt", "rcc", "retry: {attempts: 1}", SB_KIND_NONE, 4},
	{"nor are two", "rrc", "retry: {attempts: 1}", SB_KIND_NONE, 6},
	{"all of them are away", "rrr", "retry: {attempts: 1}", SB_KIND_CONNECTION_FAILED, 9},
	{"nonsense is tried on another one", "gcc", "retry: {attempts: 2}", SB_KIND_NONE, 4},
	{"what can't be read is not", "eee", "retry: {attempts: 3}", SB_KIND_ENCRYPTED, 3},
};

/* As many scans as there are replicas, so that each is the first one once. */
static void failures_go_elsewhere_at_once(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++) {
		struct bench bench;

		open_replicas(&bench, elsewhere[i].moods, elsewhere[i].settings);
		for (size_t k = 0; k < replica_count; k++)
			scan_expect(&bench, elsewhere[i].why, elsewhere[i].kind);
		if (all_asked() != elsewhere[i].asked)
			fail_msg("%s: %u", elsewhere[i].why, all_asked());
		close_bench(&bench);
	}
}

/* --- A breaker for each ---------------------------------------------------------------------- */

static void one_that_is_away_is_left_alone(void **unused)
{
	struct bench bench;
	sb_engine_event event;
	uint64_t seen = 0;

	(void)unused;
	open_replicas(&bench, "rc", "retry: {attempts: 1}");
	for (int i = 0; i < 50; i++)
		scan_expect(&bench, "the other one", SB_KIND_NONE);
	assert_int_equal(atomic_load(&asked[0]), 5);
	assert_string_equal(sb_manager_breaker(bench.manager, "a", NULL), "closed");
	assert_int_equal(metric(&bench, SB_METRIC_FAILED), 5);
	assert_int_equal(metric(&bench, SB_METRIC_SUCCESSFUL), 50);
	assert_int_equal(metric(&bench, SB_METRIC_REJECTED), 0);
	assert_true(sb_manager_event(bench.manager, &seen, &event));
	assert_string_equal(event.replica, "r0");
	assert_false(sb_manager_event(bench.manager, &seen, &event));
	/* It is tried again in its time, and nobody suffers. */
	sb_clock_fake_turn(bench.clock, 36000 * SB_MS);
	for (int i = 0; i < 10; i++)
		scan_expect(&bench, "the other one", SB_KIND_NONE);
	assert_int_equal(atomic_load(&asked[0]), 6);
	atomic_store(&moods[0], 'c');
	sb_clock_fake_turn(bench.clock, 72000 * SB_MS);
	for (int i = 0; i < 10; i++)
		scan_expect(&bench, "both", SB_KIND_NONE);
	assert_int_equal(metric(&bench, SB_METRIC_CLOSED), 1);
	close_bench(&bench);
}

static void when_all_are_open_the_circuit_is(void **unused)
{
	struct bench bench;
	sb_report *report;
	int64_t wait = 0, told;

	(void)unused;
	open_replicas(&bench, "rr", "retry: {attempts: 1}");
	for (int i = 0; i < 5; i++)
		scan_expect(&bench, "both are away", SB_KIND_CONNECTION_FAILED);
	assert_string_equal(sb_manager_breaker(bench.manager, "a", &wait), "open");
	report = scan_text(&bench, "x");
	expect("both are open", report, SB_OUTCOME_ERROR, SB_KIND_CIRCUIT_OPEN);
	told = sb_error_retry_after_ms(sb_report_error(report));
	assert_int_equal(told, wait); /* the sooner of the two */
	sb_report_free(report);
	assert_int_equal(all_asked(), 10);
	assert_int_equal(metric(&bench, SB_METRIC_REJECTED), 1);
	assert_int_equal(sb_manager_set_breaker(bench.manager, "a", SB_BREAKER_RESET, NULL), 0);
	scan_expect(&bench, "asked again", SB_KIND_CONNECTION_FAILED);
	assert_int_equal(all_asked(), 12);
	close_bench(&bench);
}

/* Its breaker opens while calls for it wait for a permit: they go to the others. */
static void those_who_wait_go_elsewhere(void **unused)
{
	enum { MANY = 6 };
	struct bench bench;
	sb_job *jobs[MANY];

	(void)unused;
	open_replicas(&bench, "Fc",
		"retry: {attempts: 1}, concurrency: 1, breaker: {failure_threshold: 1}");
	jobs[0] = submit_text(&bench, "x", NULL, NULL, NULL); /* the first in turn fails */
	while (atomic_load(&asked[0]) == 0)
		sched_yield();
	for (size_t i = 1; i < MANY; i++)
		jobs[i] = submit_text(&bench, "x", NULL, NULL, NULL);
	for (size_t i = 1; i < MANY; i++)
		while (sb_job_state(jobs[i]) == SB_JOB_QUEUED)
			sched_yield();
	sem_post(&script.go);
	for (size_t i = 0; i < MANY; i++) {
		sb_report *report = take(jobs[i]);

		expect("the other one", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
		sb_report_free(report);
	}
	assert_int_equal(atomic_load(&asked[0]), 1);
	close_bench(&bench);
}

static void the_number_of_replicas_has_bounds(void **unused)
{
	static const struct {
		size_t count;
		bool ok;
	} rows[] = {{0, false}, {1, true}, {64, true}, {65, false}};

	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bench bench;
		sb_error error;
		int status = try_replicas(&bench, "", rows[i].count, "role: required", &error);

		assert_int_equal(status, rows[i].ok ? 0 : -SB_KIND_NOT_CONFIGURED);
		if (rows[i].ok)
			scan_expect(&bench, "any of them", SB_KIND_NONE);
		close_bench(&bench);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle_replicas_take_turns),
		cmocka_unit_test(the_least_busy_is_asked),
		cmocka_unit_test(failures_go_elsewhere_at_once),
		cmocka_unit_test(one_that_is_away_is_left_alone),
		cmocka_unit_test(when_all_are_open_the_circuit_is),
		cmocka_unit_test(those_who_wait_go_elsewhere),
		cmocka_unit_test(the_number_of_replicas_has_bounds),
	};

	bench_extra = &replicated;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
