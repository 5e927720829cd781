/* SPDX-License-Identifier: MIT */
/* What is told of breakers: events, records, metrics. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "scan/moods_scene.h"
#include "util/error.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_are_told),
		cmocka_unit_test(only_the_last_events_are_kept),
		cmocka_unit_test(changes_are_on_record),
		cmocka_unit_test(metrics_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
