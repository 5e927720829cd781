/* SPDX-License-Identifier: MIT */
/* What content is, beside good or bad: media types, containers, passwords; from an engine to
 * report, policy and record. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
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

		snprintf(yaml, sizeof yaml, "%s%s", bench_one, rows[i].yaml);
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
	snprintf(text, sizeof text, "%sengines: []\n", bench_no_audit);
	open_bench(&bench, clean, text);
	report = scan_text(&bench, "x");
	expect("no engine", report, SB_OUTCOME_ERROR, SB_KIND_NOT_CONFIGURED);
	sb_report_free(report);
	close_bench(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_is_reaches_report_policy_and_record),
		cmocka_unit_test(views_of_several_engines_are_merged),
		cmocka_unit_test(a_shadow_engine_tells_policy_nothing),
		cmocka_unit_test(facts_go_with_any_answer),
		cmocka_unit_test(engines_get_passwords_and_wishes),
		cmocka_unit_test(passwords_have_bounds),
		cmocka_unit_test(clean_by_rules_alone_is_a_warning),
		cmocka_unit_test(no_engine_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
