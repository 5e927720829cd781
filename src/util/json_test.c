/* SPDX-License-Identifier: MIT */
/* The JSON writer: always valid JSON, whatever the bytes and the locale. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/json.h"

static const struct {
	const char *why, *text;
	size_t length;
	const char *expected;
} strings[] = {
	{"plain", "abc", 3, "\"abc\""},
	{"empty", "", 0, "\"\""},
	{"what JSON demands", "a\"b\\c", 5, "\"a\\\"b\\\\c\""},
	{"short escapes", "\b\t\n\f\r", 5, "\"\\b\\t\\n\\f\\r\""},
	{"other controls", "\x01\x1f\x7f", 3, "\"\\u0001\\u001f\\u007f\""},
	{"NUL inside", "a\0b", 3, "\"a\\u0000b\""},
	{"UTF-8 of 2, 3 and 4 bytes", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9,
		"\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
	{"no UTF-8",
		"a\xff"
		"b",
		3, "\"a\\\\xffb\""},
	{"a surrogate is no UTF-8", "\xed\xa0\x80", 3, "\"\\\\xed\\\\xa0\\\\x80\""},
	{"cut in the middle", "\xe2\x82", 2, "\"\\\\xe2\\\\x82\""},
	{"overlong", "\xc0\xaf", 2, "\"\\\\xc0\\\\xaf\""},
};

static void test_strings(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
		sb_buf buf;
		sb_json json;

		sb_buf_init(&buf, 1000);
		json = sb_json_on(&buf);
		sb_json_text_n(&json, NULL, strings[i].text, strings[i].length);
		if (strcmp(buf.data, strings[i].expected) != 0)
			fail_msg("%s: %s", strings[i].why, buf.data);
		sb_buf_done(&buf);
	}
}

/* Long runs are looked at eight bytes at a time: an odd one is seen wherever it stands. */
static void test_any_byte_anywhere(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		char alone[20], odd[20] = {(char)c};
		sb_buf buf;
		sb_json json;

		sb_buf_init(&buf, 1000);
		json = sb_json_on(&buf);
		sb_json_text_n(&json, NULL, odd, 1);
		snprintf(alone, sizeof alone, "%.*s", (int)buf.length - 2, buf.data + 1);
		for (size_t at = 0; at < 19; at++) {
			char text[20], expected[60];

			memset(text, '~', sizeof text);
			text[at] = (char)c;
			snprintf(expected, sizeof expected, "\"%.*s%s%.*s\"", (int)at,
				"~~~~~~~~~~~~~~~~~~~", alone, (int)(18 - at),
				"~~~~~~~~~~~~~~~~~~~");
			sb_buf_clear(&buf);
			json = sb_json_on(&buf);
			sb_json_text_n(&json, NULL, text, 19);
			assert_string_equal(buf.data, expected);
		}
		sb_buf_done(&buf);
	}
}

static const struct {
	double value;
	const char *expected;
} numbers[] = {
	{0, "0"},
	{-0.0, "0"},
	{1, "1"},
	{0.5, "0.5"},
	{0.25, "0.25"},
	{0.001, "0.001"},
	{0.0004, "0"},
	{-0.0004, "0"},
	{0.9996, "1"},
	{-1.25, "-1.25"},
	{10, "10"},
	{100.1, "100.1"},
	{1.005e3, "1005"},
	{1e15, "1000000000000000"},
	{1.1e15, "null"},
	{NAN, "null"},
	{-INFINITY, "null"},
};

static void check_numbers(void)
{
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		sb_buf buf;
		sb_json json;

		sb_buf_init(&buf, 100);
		json = sb_json_on(&buf);
		sb_json_number(&json, NULL, numbers[i].value);
		assert_string_equal(buf.data, numbers[i].expected);
		sb_buf_done(&buf);
	}
}

static void test_numbers(void **state)
{
	(void)state;
	check_numbers();
	/* Where the machine has such a locale: a decimal comma must not come through. */
	if (setlocale(LC_NUMERIC, "de_DE.UTF-8") != NULL)
		check_numbers();
	setlocale(LC_NUMERIC, "C");
}

static void test_everything(void **state)
{
	static const uint8_t digest[] = {0x00, 0x9f, 0xff};
	sb_buf buf;
	sb_json json;

	(void)state;
	sb_buf_init(&buf, 1000);
	json = sb_json_on(&buf);
	sb_json_object(&json, NULL);
	sb_json_text(&json, "a", "x");
	sb_json_text(&json, "none", NULL);
	sb_json_array(&json, "list");
	sb_json_uint(&json, NULL, UINT64_MAX);
	sb_json_int(&json, NULL, INT64_MIN);
	sb_json_int(&json, NULL, 7);
	sb_json_object(&json, NULL);
	sb_json_end_object(&json);
	sb_json_array(&json, NULL);
	sb_json_end_array(&json);
	sb_json_end_array(&json);
	sb_json_hex(&json, "hex", digest, sizeof digest);
	sb_json_bool(&json, "yes", true);
	sb_json_bool(&json, "no", false);
	sb_json_null(&json, "null");
	sb_json_bytes(&json, "name", "ok", 2);
	sb_json_bytes(&json, "path", "\xff", 1);
	sb_json_raw(&json, "raw", "[1,2]", 5);
	sb_json_uint(&json, "last", 0);
	sb_json_end_object(&json);
	assert_string_equal(buf.data,
		"{\"a\":\"x\",\"none\":null,"
		"\"list\":[18446744073709551615,-9223372036854775808,7,{},[]],"
		"\"hex\":\"009fff\",\"yes\":true,\"no\":false,\"null\":null,\"name\":\"ok\","
		"\"path\":\"\\\\xff\",\"path_base64\":\"/w==\",\"raw\":[1,2],\"last\":0}");
	assert_int_equal(strlen(buf.data), buf.length);
	sb_buf_done(&buf);
}

static void test_past_the_ceiling(void **state)
{
	(void)state;
	for (size_t max = 0; max < 40; max++) {
		sb_buf buf;
		sb_json json;

		sb_buf_init(&buf, max);
		json = sb_json_on(&buf);
		sb_json_object(&json, NULL);
		sb_json_text(&json, "some", "text\n\xff");
		sb_json_hex(&json, "hex", (const uint8_t *)"\x01\x02", 2);
		sb_json_number(&json, "n", 1.5);
		sb_json_end_object(&json);
		assert_true(buf.failed);
		assert_true(buf.length <= max);
		assert_null(sb_buf_take(&buf));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_any_byte_anywhere),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_past_the_ceiling),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
