/* SPDX-License-Identifier: MIT */
/* Text from outside: every table with a reason per row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "util/text.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* --- UTF-8 ------------------------------------------------------------------------------ */

static const struct {
	const char *why, *text;
	size_t length;
	bool valid;
} utf8[] = {
	{"empty", "", 0, true},
	{"ASCII with NUL", "a\0b", 3, true},
	{"first and last of two bytes", "\xc2\x80\xdf\xbf", 4, true},
	{"first and last of three", "\xe0\xa0\x80\xef\xbf\xbf", 6, true},
	{"first and last of four", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 8, true},
	{"around the surrogates", "\xed\x9f\xbf\xee\x80\x80", 6, true},
	{"first surrogate", "\xed\xa0\x80", 3, false},
	{"last surrogate", "\xed\xbf\xbf", 3, false},
	{"overlong slash in two", "\xc0\xaf", 2, false},
	{"overlong of c1", "\xc1\xbf", 2, false},
	{"overlong in three", "\xe0\x9f\xbf", 3, false},
	{"overlong in four", "\xf0\x8f\xbf\xbf", 4, false},
	{"beyond U+10FFFF", "\xf4\x90\x80\x80", 4, false},
	{"f5 begins nothing", "\xf5\x80\x80\x80", 4, false},
	{"a lone continuation", "\x80", 1, false},
	{"cut after one of two", "\xc3", 1, false},
	{"cut after two of three", "\xe2\x82", 2, false},
	{"cut after three of four", "\xf0\x9f\x98", 3, false},
	{"third byte wrong", "\xe2\x82\x41", 3, false},
	{"fourth byte wrong", "\xf0\x9f\x98\xc0", 4, false},
};

static void test_utf8(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(utf8); i++)
		if (sb_utf8_valid(utf8[i].text, utf8[i].length) != utf8[i].valid)
			fail_msg("%s", utf8[i].why);
}

/* --- Escaping --------------------------------------------------------------------------- */

static const struct {
	const char *why, *text, *expected;
} escapes[] = {
	{"plain text stays", "a b.c", "a b.c"},
	{"letters of other scripts stay", "\xc3\xa4\xe4\xb8\xad", "\xc3\xa4\xe4\xb8\xad"},
	{"backslash doubles", "a\\x41", "a\\\\x41"},
	{"new line and escape", "\n\x1b[31m", "\\x0a\\x1b[31m"},
	{"DEL", "\x7f", "\\x7f"},
	{"C1 as UTF-8", "\xc2\x9b", "\\xc2\\x9b"},
	{"C1 as a raw byte", "\x9b", "\\x9b"},
	{"right-to-left override", "\xe2\x80\xae", "\\xe2\\x80\\xae"},
	{"isolate", "\xe2\x81\xa6", "\\xe2\\x81\\xa6"},
	{"arabic letter mark", "\xd8\x9c", "\\xd8\\x9c"},
	{"line separator", "\xe2\x80\xa8", "\\xe2\\x80\\xa8"},
	{"byte order mark", "\xef\xbb\xbf", "\\xef\\xbb\\xbf"},
	{"no UTF-8, and what follows", "\xff\xc3\xa4", "\\xff\xc3\xa4"},
};

static void test_escape(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(escapes); i++) {
		sb_buf buf;

		sb_buf_init(&buf, 100);
		sb_escape(&buf, escapes[i].text, strlen(escapes[i].text));
		if (strcmp(buf.data, escapes[i].expected) != 0)
			fail_msg("%s: %s", escapes[i].why, buf.data);
		sb_buf_done(&buf);
	}
}

/* --- Hex and base64 --------------------------------------------------------------------- */

static void test_base64(void **state)
{
	/* RFC 4648, 10. */
	static const char *const rows[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="},
		{"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"}, {"\xff\xef\xbe", "/+++"}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		sb_buf buf;

		sb_buf_init(&buf, 100);
		sb_buf_text(&buf, "");
		sb_base64(&buf, rows[i][0], strlen(rows[i][0]));
		assert_string_equal(buf.data, rows[i][1]);
		sb_buf_done(&buf);
	}
}

static void test_hex(void **state)
{
	uint8_t bytes[3];
	char digits[7];

	(void)state;
	assert_true(sb_unhex(bytes, 3, "00aFfE", 6));
	sb_hex(digits, bytes, 3);
	assert_string_equal(digits, "00affe");
	assert_false(sb_unhex(bytes, 3, "00aff", 5));
	assert_false(sb_unhex(bytes, 3, "00affe0", 7));
	assert_false(sb_unhex(bytes, 3, "00affg", 6));
	assert_false(sb_unhex(bytes, 3, "0x00ff", 6));
	assert_false(sb_unhex(bytes, 3, " 0aff0", 6));
	assert_true(sb_unhex(bytes, 0, "", 0));
}

/* --- Names of threats ------------------------------------------------------------------- */

static void test_threat_names(void **state)
{
	static const struct {
		const char *name;
		bool ok;
	} rows[] = {{"Win.Test.EICAR_HDB-1", true}, {"a/b:c+d", true}, {"", false}, {"a b", false},
		{"a\nb", false}, {"\xc3\xa4", false}, {"a=b", false}, {"(null)", false}};
	char longest[130];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(sb_threat_name_ok(rows[i].name, strlen(rows[i].name)), rows[i].ok);
	assert_false(sb_threat_name_ok("a\0b", 3));
	memset(longest, 'a', sizeof longest);
	assert_true(sb_threat_name_ok(longest, 128));
	assert_false(sb_threat_name_ok(longest, 129));
}

/* --- Sizes and durations ---------------------------------------------------------------- */

static const struct {
	const char *text;
	bool ok;
	uint64_t value;
	const char *formatted; /* NULL: as it was */
} sizes[] =
	{
		{"0", true, 0, NULL},
		{"4096", true, 4096, "4KiB"},
		{"4097", true, 4097, NULL},
		{"25MiB", true, 25 << 20, NULL},
		{"1024MiB", true, 1 << 30, "1GiB"},
		{"010", true, 10, "10"},
		{"17179869183GiB", true, 17179869183ull << 30, NULL},
		{"17179869184GiB", false, 0, NULL},
		{"18446744073709551615", true, UINT64_MAX, NULL},
		{"18446744073709551616", false, 0, NULL},
		{"", false, 0, NULL},
		{"MiB", false, 0, NULL},
		{"-1", false, 0, NULL},
		{"+1", false, 0, NULL},
		{" 1", false, 0, NULL},
		{"1 MiB", false, 0, NULL},
		{"1MB", false, 0, NULL},
		{"1mib", false, 0, NULL},
		{"1.5MiB", false, 0, NULL},
		{"0x10", false, 0, NULL},
		{"1s", false, 0, NULL},
},
  durations[] = {
	  {"0ms", true, 0, NULL},
	  {"500ms", true, 500, NULL},
	  {"1000ms", true, 1000, "1s"},
	  {"90s", true, 90000, NULL},
	  {"5m", true, 300000, NULL},
	  {"48h", true, 172800000, "2d"},
	  {"90d", true, 7776000000, NULL},
	  {"30", false, 0, NULL},
	  {"1w", false, 0, NULL},
	  {"213503982335d", false, 0, NULL},
	  {"-1s", false, 0, NULL},
};

static void test_sizes(void **state)
{
	char text[32];

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		uint64_t value = 0;
		if (sb_parse_size(sizes[i].text, &value) != sizes[i].ok || value != sizes[i].value)
			fail_msg("%s", sizes[i].text);
		if (sizes[i].ok)
			assert_string_equal(sb_format_size(text, sizeof text, value),
				sizes[i].formatted != NULL ? sizes[i].formatted : sizes[i].text);
	}
}

static void test_durations(void **state)
{
	char text[32];

	(void)state;
	for (size_t i = 0; i < COUNT(durations); i++) {
		uint64_t value = 0;
		if (sb_parse_duration(durations[i].text, &value) != durations[i].ok ||
			value != durations[i].value)
			fail_msg("%s", durations[i].text);
		if (durations[i].ok)
			assert_string_equal(sb_format_duration(text, sizeof text, value),
				durations[i].formatted != NULL ? durations[i].formatted
							       : durations[i].text);
	}
}

/* --- Globs ------------------------------------------------------------------------------ */

static const struct {
	const char *pattern, *text;
	bool fold, match;
} globs[] = {
	{"", "", false, true},
	{"", "a", false, false},
	{"*", "", false, true},
	{"*", "any/thing", false, true},
	{"*.c", "main.c", false, true},
	{"*.c", "main.cc", false, false},
	{"a*b*c", "axxbyybzzc", false, true},
	{"a*b*c", "axxbyyb", false, false},
	{"*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaa", false, false},
	{"?", "", false, false},
	{"a?c", "abc", false, true},
	{"[a-c]x", "bx", false, true},
	{"[a-c]x", "dx", false, false},
	{"[!a-c]x", "dx", false, true},
	{"[^a-c]x", "ax", false, false},
	{"[]]", "]", false, true},
	{"[!]]", "]", false, false},
	{"[a-]", "-", false, true},
	{"[abc", "[abc", false, true},
	{"[abc", "a", false, false},
	{"*[0-9]", "v1.2", false, true},
	{"EICAR*", "eicar_test", true, true},
	{"EICAR*", "eicar_test", false, false},
	{"[A-C]", "b", true, true},
	{"a**", "a", false, true},
};

static void test_glob(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(globs); i++)
		if (sb_glob(globs[i].pattern, globs[i].text, strlen(globs[i].text),
			    globs[i].fold) != globs[i].match)
			fail_msg("%s on %s", globs[i].pattern, globs[i].text);
	assert_true(sb_glob("a?b", "a\0b", 3, false));
	assert_false(sb_glob("a", "a\0b", 3, false));
}

/* --- Suggestions and times -------------------------------------------------------------- */

static void test_suggest(void **state)
{
	static const char *const words[] = {"timeout", "role", "address", "engines"};
	static const char *const rows[][2] = {{"timeuot", "timeout"}, {"tiemout", "timeout"},
		{"rol", "role"}, {"engine", "engines"}, {"adress", "address"}, {"colour", NULL},
		{"", NULL}};
	char longest[200];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *best = sb_suggest(rows[i][0], words, COUNT(words));
		if (rows[i][1] == NULL)
			assert_null(best);
		else
			assert_string_equal(best, rows[i][1]);
	}
	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	assert_null(sb_suggest(longest, words, COUNT(words)));
	assert_null(sb_suggest("word", NULL, 0));
}

static void test_times(void **state)
{
	static const struct {
		uint64_t ns;
		const char *expected;
	} rows[] = {
		{0, "1970-01-01T00:00:00.000Z"},
		{999999999, "1970-01-01T00:00:00.999Z"},
		{951782400ull * 1000000000, "2000-02-29T00:00:00.000Z"},
		{1795334400ull * 1000000000 + 7000000, "2026-11-22T08:00:00.007Z"},
		{1795334399ull * 1000000000 + 70000000, "2026-11-22T07:59:59.070Z"},
		{0, "1970-01-01T00:00:00.000Z"},
	};
	char text[SB_TIME_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		sb_format_time(text, rows[i].ns);
		assert_string_equal(text, rows[i].expected);
	}
}

static void times_are_read(void **unused)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t seconds;
		int32_t offset;
	} rows[] = {
		{"2026-01-05", true, 1767571200, 0},
		{"2026-01-05T00:00:00Z", true, 1767571200, 0},
		{"2026-01-05T08:30:00.250+01:30", true, 1767596400, 5400},
		{"2026-01-04t19:00:00-05:00", true, 1767571200, -18000},
		{"2026-02-30", false, 0, 0},
		{"2026-01-05T00:00:00", false, 0, 0},
		{"2026-01-05T00:00:00+0100", false, 0, 0},
		{"2026-1-5", false, 0, 0},
		{"", false, 0, 0},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t seconds = 0;
		int32_t offset = 0;

		if (sb_parse_time(rows[i].text, &seconds, &offset) != rows[i].ok ||
			seconds != rows[i].seconds || offset != rows[i].offset)
			fail_msg("%s: %llu %d", rows[i].text, (unsigned long long)seconds, offset);
	}
}

static void test_parse_time_ns(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} rows[] = {
		{"2026-11-22", 1795305600000000000u},
		{"2026-11-22T00:00:01Z", 1795305601000000000u},
		{"2026-11-22T00:00:01.5Z", 1795305601500000000u},
		{"2026-11-22T00:00:01.136Z", 1795305601136000000u},
		{"2026-11-22T01:00:01.000000001+01:00", 1795305601000000001u},
		{"2026-11-22T00:00:01.0000000019Z", 1795305601000000001u},
	};
	uint64_t ns;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_true(sb_parse_time_ns(rows[i].text, &ns));
		assert_int_equal(ns, rows[i].ns);
	}
	assert_false(sb_parse_time_ns("2026-11-22T00:00:01.Z", &ns));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_threat_names),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_glob),
		cmocka_unit_test(test_suggest),
		cmocka_unit_test(test_times),
		cmocka_unit_test(times_are_read),
		cmocka_unit_test(test_parse_time_ns),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
