/* SPDX-License-Identifier: MIT */
/* The JSON of external scanners: what counts, what doesn't, every limit. */
#include "wire/external_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static sb_external_reply reply;

static void parse(const char *text, size_t length)
{
	/* A block of exactly that size: a byte too far is seen by the sanitizers. */
	char *block = malloc(length > 0 ? length : 1);

	assert_non_null(block);
	memcpy(block, text, length);
	sb_external_reply_parse(block, length, &reply);
	free(block);
}

/* A whole reply but for what stands in place of the %s. */
#define REPLY(number, threat)                                                                      \
	"{\"def_time\":1700000000000,\"scan_result_i\":" number ",\"threat_found\":" threat "}"

static void test_verdicts(void **state)
{
	static const struct {
		const char *text;
		sb_outcome outcome;
		sb_kind kind;
	} rows[] = {
		{REPLY("0", "\"\""), SB_OUTCOME_CLEAN, SB_KIND_NONE},
		{" \n" REPLY("0", "\"\"") "\r\n", SB_OUTCOME_CLEAN, SB_KIND_NONE},
		{REPLY("1", "\"A.B\""), SB_OUTCOME_INFECTED, SB_KIND_NONE},
		{REPLY("1", "\"\""), SB_OUTCOME_INFECTED, SB_KIND_NONE},
		{REPLY("2", "\"A.B\""), SB_OUTCOME_SUSPICIOUS, SB_KIND_NONE},
		{REPLY("22", "\"A.B\""), SB_OUTCOME_SUSPICIOUS, SB_KIND_NONE},
		{REPLY("3", "\"\""), SB_OUTCOME_ERROR, SB_KIND_ENGINE_UNAVAILABLE},
		{REPLY("10", "\"\""), SB_OUTCOME_ERROR, SB_KIND_UNSUPPORTED},
		{REPLY("19", "\"\""), SB_OUTCOME_ERROR, SB_KIND_ENGINE_UNAVAILABLE},
		{REPLY("23", "\"\""), SB_OUTCOME_ERROR, SB_KIND_UNSUPPORTED},
		/* unknown numbers, other types */
		{REPLY("4", "\"\""), SB_OUTCOME_ERROR, SB_KIND_PROTOCOL_ERROR},
		{REPLY("-1", "\"\""), SB_OUTCOME_ERROR, SB_KIND_PROTOCOL_ERROR},
		{REPLY("4294967296", "\"\""), SB_OUTCOME_ERROR, SB_KIND_PROTOCOL_ERROR},
		{REPLY("18446744073709551616", "\"\""), SB_OUTCOME_ERROR, SB_KIND_PROTOCOL_ERROR},
		{REPLY("\"0\"", "\"\""), SB_OUTCOME_ERROR, SB_KIND_PROTOCOL_ERROR},
		{REPLY("0.0", "\"\""), SB_OUTCOME_ERROR, SB_KIND_PROTOCOL_ERROR},
		{REPLY("false", "\"\""), SB_OUTCOME_ERROR, SB_KIND_PROTOCOL_ERROR},
		{REPLY("null", "\"\""), SB_OUTCOME_ERROR, SB_KIND_PROTOCOL_ERROR},
		{REPLY("0", "null"), SB_OUTCOME_ERROR, SB_KIND_PROTOCOL_ERROR},
		/* a contradiction */
		{REPLY("0", "\"A.B\""), SB_OUTCOME_ERROR, SB_KIND_PROTOCOL_ERROR},
		/* a missing member */
		{"{\"def_time\":1,\"threat_found\":\"\"}", SB_OUTCOME_ERROR,
			SB_KIND_PROTOCOL_ERROR},
		{"{\"def_time\":1,\"scan_result_i\":0}", SB_OUTCOME_ERROR, SB_KIND_PROTOCOL_ERROR},
		{"{\"scan_result_i\":0,\"threat_found\":\"\"}", SB_OUTCOME_ERROR,
			SB_KIND_PROTOCOL_ERROR},
		{"{\"def_time\":-1,\"scan_result_i\":0,\"threat_found\":\"\"}", SB_OUTCOME_ERROR,
			SB_KIND_PROTOCOL_ERROR},
		/* said twice, in two objects, in a list, not at all */
		{"{\"def_time\":1,\"scan_result_i\":1,\"scan_result_i\":0,\"threat_found\":\"\"}",
			SB_OUTCOME_ERROR, SB_KIND_PROTOCOL_ERROR},
		{REPLY("0", "\"\"") REPLY("1", "\"A\""), SB_OUTCOME_ERROR, SB_KIND_PROTOCOL_ERROR},
		{"[" REPLY("0", "\"\"") "]", SB_OUTCOME_ERROR, SB_KIND_PROTOCOL_ERROR},
		{"0", SB_OUTCOME_ERROR, SB_KIND_PROTOCOL_ERROR},
		{"", SB_OUTCOME_ERROR, SB_KIND_PROTOCOL_ERROR},
		{"OK", SB_OUTCOME_ERROR, SB_KIND_PROTOCOL_ERROR},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		parse(rows[i].text, strlen(rows[i].text));
		if (reply.outcome != rows[i].outcome || reply.kind != rows[i].kind)
			fail_msg("%s: %d %d", rows[i].text, reply.outcome, reply.kind);
		assert_int_equal(reply.outcome == SB_OUTCOME_ERROR, reply.problem[0] != '\0');
	}
}

static void test_half_of_it_is_nothing(void **state)
{
	const char *whole = REPLY("0", "\"\"");

	(void)state;
	for (size_t length = 0; length < strlen(whole); length++) {
		parse(whole, length);
		assert_int_equal(reply.outcome, SB_OUTCOME_ERROR);
		assert_int_equal(reply.kind, SB_KIND_PROTOCOL_ERROR);
	}
}

static void test_members(void **state)
{
	const char *text = REPLY("1", "\"Evil\\u00e9\\n\"");

	(void)state;
	parse(text, strlen(text));
	assert_int_equal(reply.def_time, 1700000000000);
	assert_int_equal(reply.threat_length, 7);
	assert_memory_equal(reply.threat, "Evil\xc3\xa9\n", 7);
}

/* A reply with a threat's name of that many letters. */
static void parse_name(size_t letters)
{
	static char text[SB_EXTERNAL_THREAT_MAX + 200];
	static char name[SB_EXTERNAL_THREAT_MAX + 2];
	int length;

	memset(name, 'x', letters);
	name[letters] = '\0';
	length = snprintf(text, sizeof text, REPLY("1", "\"%s\""), name);
	parse(text, (size_t)length);
	assert_int_equal(reply.outcome, SB_OUTCOME_INFECTED);
}

static void test_limits(void **state)
{
	static const char start[] = REPLY("0", "\"\"");
	char *text = malloc(SB_EXTERNAL_REPLY_MAX + 1);

	(void)state;
	parse_name(SB_EXTERNAL_THREAT_MAX - 1);
	assert_int_equal(reply.threat_length, SB_EXTERNAL_THREAT_MAX - 1);
	parse_name(SB_EXTERNAL_THREAT_MAX);
	assert_int_equal(reply.threat_length, SB_EXTERNAL_THREAT_MAX);
	parse_name(SB_EXTERNAL_THREAT_MAX + 1);
	assert_int_equal(reply.threat_length, SB_EXTERNAL_THREAT_MAX);

	assert_non_null(text);
	memset(text, ' ', SB_EXTERNAL_REPLY_MAX + 1);
	memcpy(text, start, sizeof start - 1);
	for (int beyond = -1; beyond <= 1; beyond++) {
		parse(text, (size_t)(SB_EXTERNAL_REPLY_MAX + beyond));
		assert_int_equal(reply.outcome, beyond > 0 ? SB_OUTCOME_ERROR : SB_OUTCOME_CLEAN);
	}
	free(text);
}

/* Nested so deeply that a careless reader would run out of stack. */
static void test_depth(void **state)
{
	static char text[200000];

	(void)state;
	memset(text, '[', sizeof text);
	parse(text, sizeof text);
	assert_int_equal(reply.outcome, SB_OUTCOME_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_half_of_it_is_nothing),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
