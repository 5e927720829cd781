/* SPDX-License-Identifier: MIT */
/* Facts out of reports and records: the same scan, told both ways, and what is missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cli/policy_facts.h"

static const char report_text[] =
	"{'schema':'scanbridge.report/1','outcome':'error',"
	"'file':{'name':'a.zip','size':7,'mime':'application/zip','blake3':'b','sha256':'s'},"
	"'threats':[{'name':'PUA.A','severity':'low'},{'name':'B','severity':'critical'}],"
	"'ignored_threats':[{'name':'C','engine':'three'}],"
	"'container':{'type':'zip','depth':1,'members':2,'bytes':3,'encrypted':true,'macros':false}"
	","
	"'engines':[{'engine':'one','role':'required','outcome':'error','error':{'kind':'timeout'}}"
	","
	"{'engine':'two','role':'optional','outcome':'infected','threats':[{'name':'B'}]},"
	"{'engine':'three','role':'required','outcome':'infected','threats':[{'name':'C'}]},"
	"{'engine':'list','type':'hashlist','role':'optional','outcome':'error','abstained':true,"
	"'error':{'kind':'unsupported'}},"
	"{'engine':'four','role':'shadow','outcome':'error','error':{'kind':'io'}}],"
	"'error':{'kind':'timeout'},'cached':false,"
	"'context':{'tenant_id':'acme','user_id':null,'source':'cli','metadata':{'k':'v'}},"
	"'requested_at':'2026-01-05T00:00:00.000Z'}";
static const char record_text[] =
	"{'outcome':'error','error':'timeout','error_kinds':['timeout','io'],'name':'a.zip','size':"
	"7,"
	"'mime':'application/zip','file_hash_blake3':'b','file_hash_sha256':'s',"
	"'threats':[{'name':'PUA.A','severity':'low'},{'name':'B','severity':'critical'}],"
	"'threat_count':2,'engine_count':5,"
	"'container':{'type':'zip','depth':1,'members':2,'bytes':3,'facts':['encrypted']},"
	"'engines':[{'engine':'one','role':'required','outcome':'error','error':'timeout'},"
	"{'engine':'two','role':'optional','outcome':'infected','detections':1},"
	"{'engine':'three','role':'required','outcome':'infected','detections':0},"
	"{'engine':'list','hash_list':true,'role':'optional','outcome':'error','abstained':true,"
	"'error':'unsupported'},"
	"{'engine':'four','role':'shadow','outcome':'error','error':'io'}],"
	"'cached':false,'tenant_id':'acme','user_id':null,'source':'cli','metadata':{'k':'v'},"
	"'requested_at':'2026-01-05T00:00:00.000Z','low_assurance':true}";

/* Quotes are written as ' here. */
static json_t *parsed(const char *text)
{
	char copy[4096];
	json_t *json;

	snprintf(copy, sizeof copy, "%s", text);
	for (char *c = copy; *c != '\0'; c++)
		if (*c == '\'')
			*c = '"';
	json = json_loads(copy, 0, NULL);
	assert_non_null(json);
	return json;
}

static void assert_the_scan(const sb_facts *facts)
{
	assert_int_equal(facts->outcome, SB_OUTCOME_ERROR);
	assert_int_equal(facts->error_kind, SB_KIND_TIMEOUT);
	assert_true(facts->incomplete);
	assert_int_equal(facts->threat_count, 2);
	assert_string_equal(facts->threat_names[1], "B");
	assert_int_equal(facts->threat_severities[1], SB_SEVERITY_CRITICAL);
	assert_int_equal(facts->detections, 1);
	assert_int_equal(facts->engine_count, 2);
	assert_string_equal(facts->engines[0].name, "one");
	assert_true(facts->engines[1].detected);
	assert_int_equal(facts->name_length, 5);
	assert_int_equal(facts->size, 7);
	assert_false(facts->size_unknown);
	assert_string_equal(facts->sha256, "s");
	assert_null(facts->md5);
	assert_non_null(facts->container);
	assert_int_equal(facts->container->facts, SB_FACT_ENCRYPTED);
	assert_int_equal(facts->container->members, 2);
	assert_string_equal(facts->tenant, "acme");
	assert_null(facts->user);
	assert_int_equal(facts->metadata_count, 1);
	assert_string_equal(facts->metadata[0].value, "v");
	assert_int_equal(facts->time, 1767571200);
}

static void a_report_and_its_record_tell_the_same(void **unused)
{
	json_t *report = parsed(report_text), *record = parsed(record_text);
	sb_known_facts known;
	sb_arena arena;

	(void)unused;
	sb_arena_init(&arena, 1 << 20);
	assert_null(sb_facts_from_report(&known, report, SB_ASSURANCE_ANTIVIRUS, &arena));
	assert_the_scan(&known.facts);
	assert_int_equal(known.facts.error_kinds, 1u << SB_KIND_TIMEOUT);
	assert_int_equal(known.lacking, SB_ASKS_MD5);
	assert_null(sb_facts_from_record(&known, record, &arena));
	assert_the_scan(&known.facts);
	assert_int_equal(known.facts.error_kinds, 1u << SB_KIND_TIMEOUT | 1u << SB_KIND_IO);
	assert_true(known.facts.low_assurance);
	assert_int_equal(known.lacking, SB_ASKS_MD5);
	sb_arena_done(&arena);
	json_decref(report);
	json_decref(record);
}

static void what_a_record_lacks_is_known(void **unused)
{
	const unsigned threats = SB_WHEN_SEVERITY | SB_WHEN_THREAT_NAME | SB_WHEN_THREAT_CONTAINS;
	const unsigned old = SB_WHEN_TIME | SB_WHEN_CONTAINER;
	const struct {
		const char *text;
		unsigned lacking;
	} rows[] = {
		{"{'outcome':'infected','requested_at':'2026-01-05'}", 0},
		{"{'outcome':'infected'}", old},
		{"{'outcome':'infected','container':{}}", SB_WHEN_TIME},
		{"{'outcome':'infected','threats':[],'threat_count':1}", old | threats},
		{"{'outcome':'infected','engine_count':1}",
			old | threats | SB_WHEN_ENGINE | SB_WHEN_DETECTIONS},
		{"{'outcome':'clean'}", old | SB_WHEN_MIME},
		{"{'outcome':'infected','file_hash_blake3':'b'}",
			old | SB_ASKS_SHA256 | SB_ASKS_MD5},
		{"{'outcome':'infected','cut':['name','tenant_id',3,'else']}",
			old | SB_WHEN_FILE_TYPE | SB_WHEN_TENANT},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		json_t *record = parsed(rows[i].text);
		sb_known_facts known;
		sb_arena arena;

		sb_arena_init(&arena, 1 << 20);
		assert_null(sb_facts_from_record(&known, record, &arena));
		if (known.lacking != rows[i].lacking)
			fail_msg("%s: %x", rows[i].text, known.lacking);
		sb_arena_done(&arena);
		json_decref(record);
	}
}

static void low_assurance_is_found_again(void **unused)
{
	static const struct {
		const char *assurance, *type;
		sb_assurance wanted;
		bool low;
	} rows[] = {
		{"rules", "yara", SB_ASSURANCE_ANTIVIRUS, true},
		{"rules", "yara", SB_ASSURANCE_RULES, false},
		{"antivirus", "clamd", SB_ASSURANCE_ANTIVIRUS, false},
		{"hash", "hashlist", SB_ASSURANCE_ANTIVIRUS, false},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char text[256];
		sb_known_facts known;
		sb_arena arena;
		json_t *report;

		snprintf(text, sizeof text,
			"{'schema':'scanbridge.report/"
			"1','outcome':'clean','engines':[{'engine':'e',"
			"'type':'%s','role':'required','outcome':'clean','assurance':'%s'}]}",
			rows[i].type, rows[i].assurance);
		report = parsed(text);
		sb_arena_init(&arena, 1 << 20);
		assert_null(sb_facts_from_report(&known, report, rows[i].wanted, &arena));
		assert_int_equal(known.facts.low_assurance, rows[i].low);
		sb_arena_done(&arena);
		json_decref(report);
	}
}

static void what_is_neither_is_refused(void **unused)
{
	static const char *const texts[] = {"{}", "[]", "{'outcome':7}", "{'outcome':'fine'}"};

	(void)unused;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		json_t *json = parsed(texts[i]);
		sb_known_facts known;
		sb_arena arena;

		sb_arena_init(&arena, 1 << 20);
		assert_non_null(sb_facts_from_record(&known, json, &arena));
		assert_non_null(sb_facts_from_report(&known, json, SB_ASSURANCE_ANTIVIRUS, &arena));
		sb_arena_done(&arena);
		json_decref(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_report_and_its_record_tell_the_same),
		cmocka_unit_test(what_a_record_lacks_is_known),
		cmocka_unit_test(low_assurance_is_found_again),
		cmocka_unit_test(what_is_neither_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
