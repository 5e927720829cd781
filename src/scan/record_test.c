/* SPDX-License-Identifier: MIT */
/* Audit records of reports in which everything is as long as it can be: shortened, never lost. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "audit/line.h"
#include "scan/record.h"
#include "scan/report.h"

enum { ENGINES = 64, THREATS = 64, PAIRS = SB_CONTEXT_MAX_METADATA, HEAD = 512 };

/* @p length bytes: text, or six characters of JSON for each byte. */
static sb_span filled(sb_arena *arena, size_t length, bool control)
{
	char *text = sb_arena_alloc(arena, length + 1);

	assert_non_null(text);
	memset(text, control ? '\x01' : 'x', length);
	text[length] = '\0';
	return (sb_span){text, length};
}

static void fill_engines(sb_report *report, bool control)
{
	sb_arena *arena = &report->arena;

	for (size_t i = 0; i < ENGINES; i++) {
		sb_error *error = sb_arena_alloc(arena, sizeof *error);
		sb_detection *hit = sb_arena_zalloc(arena, sizeof *hit);

		sb_error_set(error, SB_KIND_AUTHENTICATION_FAILED, 0, "%s",
			filled(arena, 1000, control).data);
		*hit = (sb_detection){.name = filled(arena, 128, false).data, .ignored = true};
		report->results[i] = (sb_result){.engine = filled(arena, 63, false).data,
			.type = "mock",
			.outcome = SB_OUTCOME_SUSPICIOUS,
			.coverage = SB_COVERAGE_COMPLETE,
			.content = SB_CONTENT_INSPECTED,
			.abstained = true,
			.detections = hit,
			.engine_version = filled(arena, 1000, control).data,
			.signature_version = filled(arena, 1000, control).data,
			.attempts = UINT32_MAX,
			.duration_ms = 123456789.123456789,
			.error = error};
	}
}

static void fill_threats(sb_report *report)
{
	sb_arena *arena = &report->arena;

	report->threat_count = THREATS;
	report->threats = sb_arena_zalloc(arena, THREATS * sizeof *report->threats);
	for (size_t i = 0; i < THREATS; i++) {
		sb_merged *threat = &report->threats[i];
		threat->name = filled(arena, 128, false).data;
		threat->severity = SB_SEVERITY_CRITICAL;
		threat->engines = &report->results[0].engine;
		threat->engine_count = 1;
	}
}

static sb_report *longest(bool control)
{
	sb_report *report = sb_report_new(ENGINES);
	sb_arena *arena = &report->arena;
	sb_context *context = &report->context;

	memset(report->id, 'i', sizeof report->id - 1);
	memset(report->blake3, 'b', 64);
	memset(report->sha256, 's', 64);
	report->hashed = report->has_sha256 = true;
	report->outcome = SB_OUTCOME_SUSPICIOUS;
	report->action = SB_ACTION_REQUIRE_MANUAL_REVIEW;
	report->size = INT64_MAX;
	report->name = filled(arena, 4096, control);
	report->path = filled(arena, 4096, control);
	report->mime = filled(arena, 1000, control).data;
	report->container = (sb_container){.type = filled(arena, 1000, control).data,
		.depth = UINT32_MAX,
		.members = INT64_MAX,
		.bytes = INT64_MAX,
		.facts = 2u * SB_FACT_LAUNCH - 1};
	report->rule_id = report->rule_name = report->reason = filled(arena, 4096, control).data;
	context->tenant = context->user = context->request_id = context->source =
		filled(arena, SB_CONTEXT_MAX_VALUE, control);
	context->metadata = sb_arena_zalloc(arena, PAIRS * sizeof *context->metadata);
	context->metadata_count = PAIRS;
	for (size_t i = 0; i < PAIRS; i++)
		context->metadata[i] = (sb_pair){filled(arena, SB_CONTEXT_MAX_KEY, control),
			filled(arena, SB_CONTEXT_MAX_VALUE, control)};
	fill_engines(report, control);
	fill_threats(report);
	report->error = report->results[0].error;
	report->duration_ms = 123456789.123456789;
	return report;
}

static json_t *body_of(const sb_audit_entry *entry)
{
	char *text = malloc(entry->body_length + 3);
	json_error_t error;
	json_t *json;

	snprintf(text, entry->body_length + 3, "{%.*s}", (int)entry->body_length, entry->body);
	json = json_loads(text, 0, &error);
	if (json == NULL)
		fail_msg("%s: %s", error.text, text);
	free(text);
	return json;
}

static void the_longest_report_fits(void **unused)
{
	static const uint8_t policy[32] = {1};

	(void)unused;
	for (int control = 0; control < 2; control++) {
		sb_report *report = longest(control != 0);
		sb_record record;
		json_t *json;

		sb_record_init(&record);
		assert_int_equal(sb_record_finished(&record, report, true, policy), 0);
		assert_int_equal(record.count, 3);
		for (size_t i = 0; i < record.count; i++) {
			assert_true(record.entries[i].body_length <= SB_AUDIT_LINE_MAX - HEAD);
			json_decref(body_of(&record.entries[i]));
		}
		json = body_of(&record.entries[1]);
		assert_true(json_is_true(json_object_get(json, "shortened")));
		assert_int_equal(
			json_integer_value(json_object_get(json, "engine_count")), ENGINES);
		assert_int_equal(json_array_size(json_object_get(
					 json_object_get(json, "container"), "facts")),
			10);
		json_decref(json);
		sb_record_done(&record);
		sb_report_free(report);
	}
}

static void a_short_report_is_whole(void **unused)
{
	static const uint8_t policy[32] = {1};
	sb_report *report = sb_report_new(0);
	sb_record record;
	json_t *json;

	(void)unused;
	report->mime = "text/plain";
	sb_record_init(&record);
	assert_int_equal(sb_record_finished(&record, report, false, policy), 0);
	json = body_of(&record.entries[0]);
	assert_null(json_object_get(json, "shortened"));
	assert_null(json_object_get(json, "container")); /* it is none */
	assert_string_equal(json_string_value(json_object_get(json, "mime")), "text/plain");
	json_decref(json);
	sb_record_done(&record);
	sb_report_free(report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_report_fits),
		cmocka_unit_test(a_short_report_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
