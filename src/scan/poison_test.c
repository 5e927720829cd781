/* SPDX-License-Identifier: MIT */
/* Content that crashes engines is not shown again and again. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "scan/call.h"
#include "scan/moods_scene.h"
#include "util/error.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_crashed_it_twice_is_not_shown_again),
		cmocka_unit_test(one_file_does_not_open_the_breaker),
		cmocka_unit_test(only_crashes_are_poison),
		cmocka_unit_test(the_table_of_poison_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
