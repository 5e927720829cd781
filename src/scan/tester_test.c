/* SPDX-License-Identifier: MIT */
/* Known-answer tests that a manager makes by itself. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "scan/call.h"
#include "scan/moods_scene.h"
#include "util/error.h"

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
		cmocka_unit_test(tests_stand_in_for_probes),
		cmocka_unit_test(an_engine_that_answers_wrongly_stays_open),
		cmocka_unit_test(tests_come_round),
		cmocka_unit_test(tests_end_with_the_manager),
		cmocka_unit_test(new_signatures_are_tested),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
