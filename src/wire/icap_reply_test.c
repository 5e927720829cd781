/* SPDX-License-Identifier: MIT */
/* Every form of ICAP reply, every limit at its edge, every cut. */
#include "wire/icap_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static sb_icap_reply reply;

/* What a reply amounts to: its events as letters, its body, and what is wrong with it. */
typedef struct outcome {
	char events[64];
	size_t count;
	char body[512];
	size_t length;
} outcome;

static bool play(outcome *out, sb_icap_span bytes)
{
	static const char letters[] = {[SB_ICAP_HEAD] = 'h',
		[SB_ICAP_INNER] = 'i',
		[SB_ICAP_DATA] = 'd',
		[SB_ICAP_END] = 'e',
		[SB_ICAP_WRONG] = 'w'};

	for (;;) {
		sb_icap_span data;
		sb_icap_event event = sb_icap_reply_next(&reply, &bytes, &data);

		if (event == SB_ICAP_MORE)
			return true;
		if (event == SB_ICAP_DATA) {
			assert_true(out->length + data.length <= sizeof out->body);
			memcpy(out->body + out->length, data.text, data.length);
			out->length += data.length;
		}
		if (event != SB_ICAP_DATA || out->count == 0 || out->events[out->count - 1] != 'd')
			out->events[out->count++] = letters[event];
		if (event == SB_ICAP_WRONG)
			return false;
	}
}

static outcome parse(sb_icap_method method, const char *text, size_t length, size_t piece)
{
	outcome out = {.count = 0};

	sb_icap_reply_begin(&reply, method);
	for (size_t at = 0; at < length; at += piece) {
		size_t n = length - at < piece ? length - at : piece;

		if (!play(&out, (sb_icap_span){text + at, n}))
			break;
	}
	out.events[out.count] = '\0';
	return out;
}

#define OK "ICAP/1.0 200 OK\r\n"
#define HTTP "HTTP/1.1 200 OK\r\n\r\n" /* 19 bytes */
#define RES OK "Encapsulated: res-hdr=0, res-body=19\r\n\r\n" HTTP

static const struct {
	const char *why;
	sb_icap_method method;
	const char *text, *events, *body;
} rows[] = {
	{"204", SB_ICAP_RESPMOD, "ICAP/1.0 204 No modifications needed\r\n\r\n", "he", ""},
	{"204 with null-body", SB_ICAP_RESPMOD,
		"ICAP/1.0 204 No\r\nEncapsulated: null-body=0\r\n\r\n", "he", ""},
	{"no reason", SB_ICAP_RESPMOD, "ICAP/1.0 204\r\n\r\n", "he", ""},
	{"100", SB_ICAP_RESPMOD, "ICAP/1.0 100 Continue\r\n\r\n", "he", ""},
	{"response", SB_ICAP_RESPMOD, RES "4\r\nWiki\r\n5\r\npedia\r\n0\r\n\r\n", "hide",
		"Wikipedia"},
	{"empty body", SB_ICAP_RESPMOD, RES "0\r\n\r\n", "hie", ""},
	{"leading zeros, upper case, extension", SB_ICAP_RESPMOD,
		RES "000A ; a=b\r\n0123456789\r\n00; ieof\r\n\r\n", "hide", "0123456789"},
	{"headers without body", SB_ICAP_RESPMOD,
		OK "Encapsulated: res-hdr=0, null-body=19\r\n\r\n" HTTP, "hie", ""},
	{"body without headers", SB_ICAP_RESPMOD, OK "Encapsulated: res-body=0\r\n\r\n0\r\n\r\n",
		"he", ""},
	{"request", SB_ICAP_REQMOD,
		OK "Encapsulated:req-hdr=0,req-body=19\r\n\r\nPOST / "
		   "HTTP/1.1\r\n\r\n1\r\nx\r\n0\r\n\r\n",
		"hide", "x"},
	{"answer to a request", SB_ICAP_REQMOD, RES "1\r\nx\r\n0\r\n\r\n", "hide", "x"},
	{"options", SB_ICAP_OPTIONS, OK "Encapsulated: null-body=0\r\n\r\n", "he", ""},
	{"options without Encapsulated", SB_ICAP_OPTIONS, OK "Methods: RESPMOD\r\n\r\n", "he", ""},
	{"options with a body that nobody reads", SB_ICAP_OPTIONS,
		OK "Encapsulated: opt-body=0\r\n\r\n", "he", ""},
	{"an error needs no framing", SB_ICAP_RESPMOD, "ICAP/1.0 404 No\r\nX: y\r\n\r\n", "he", ""},
	{"folded violations", SB_ICAP_RESPMOD,
		"ICAP/1.0 204 No\r\nX-Violations-Found: 1\r\n\t-\r\n\tEvil\r\n\t0\r\n\t0\r\n\r\n",
		"he", ""},

	{"HTTP", SB_ICAP_RESPMOD, "HTTP/1.1 204 No\r\n\r\n", "w", ""},
	{"ICAP/1.1", SB_ICAP_RESPMOD, "ICAP/1.1 204 No\r\n\r\n", "w", ""},
	{"two digits", SB_ICAP_RESPMOD, "ICAP/1.0 20 No\r\n\r\n", "w", ""},
	{"four digits", SB_ICAP_RESPMOD, "ICAP/1.0 2040\r\n\r\n", "w", ""},
	{"status below 100", SB_ICAP_RESPMOD, "ICAP/1.0 099 No\r\n\r\n", "w", ""},
	{"empty line first", SB_ICAP_RESPMOD, "\r\nICAP/1.0 204 No\r\n\r\n", "w", ""},
	{"LF alone", SB_ICAP_RESPMOD, "ICAP/1.0 204 No\n\n", "w", ""},
	{"CR inside", SB_ICAP_RESPMOD, "ICAP/1.0 204 No\r\r\n\r\n", "w", ""},
	{"blank before the colon", SB_ICAP_RESPMOD, "ICAP/1.0 204 No\r\nX : y\r\n\r\n", "w", ""},
	{"no colon", SB_ICAP_RESPMOD, "ICAP/1.0 204 No\r\nnonsense\r\n\r\n", "w", ""},
	{"no name", SB_ICAP_RESPMOD, "ICAP/1.0 204 No\r\n: y\r\n\r\n", "w", ""},
	{"control character", SB_ICAP_RESPMOD, "ICAP/1.0 204 No\r\nX: \x01\r\n\r\n", "w", ""},
	{"DEL", SB_ICAP_RESPMOD, "ICAP/1.0 204 No\r\nX: \x7f\r\n\r\n", "w", ""},
	{"another header folded", SB_ICAP_RESPMOD, "ICAP/1.0 204 No\r\nX: a\r\n b\r\n\r\n", "w",
		""},
	{"folded at once", SB_ICAP_RESPMOD, "ICAP/1.0 204 No\r\n b\r\n\r\n", "w", ""},
	{"Transfer-Encoding", SB_ICAP_RESPMOD,
		"ICAP/1.0 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", "w", ""},
	{"200 without Encapsulated", SB_ICAP_RESPMOD, OK "\r\n", "w", ""},
	{"empty Encapsulated", SB_ICAP_RESPMOD, OK "Encapsulated:\r\n\r\n", "w", ""},
	{"Encapsulated twice", SB_ICAP_RESPMOD,
		OK "Encapsulated: null-body=0\r\nEncapsulated: null-body=0\r\n\r\n", "w", ""},
	{"204 with a body", SB_ICAP_RESPMOD,
		"ICAP/1.0 204 No\r\nEncapsulated: res-hdr=0, res-body=19\r\n\r\n", "w", ""},
	{"100 with a body", SB_ICAP_RESPMOD, "ICAP/1.0 100 Go\r\nEncapsulated: res-body=0\r\n\r\n",
		"w", ""},
	{"null-body elsewhere", SB_ICAP_RESPMOD, OK "Encapsulated: null-body=9\r\n\r\n", "w", ""},
	{"first offset not 0", SB_ICAP_RESPMOD, OK "Encapsulated: res-hdr=1, res-body=19\r\n\r\n",
		"w", ""},
	{"the same offset", SB_ICAP_RESPMOD, OK "Encapsulated: res-hdr=0, res-body=0\r\n\r\n", "w",
		""},
	{"out of order", SB_ICAP_RESPMOD, OK "Encapsulated: res-body=19, res-hdr=0\r\n\r\n", "w",
		""},
	{"headers only", SB_ICAP_RESPMOD, OK "Encapsulated: res-hdr=0\r\n\r\n", "w", ""},
	{"a request to RESPMOD", SB_ICAP_RESPMOD, OK "Encapsulated: req-hdr=0, req-body=9\r\n\r\n",
		"w", ""},
	{"mixed", SB_ICAP_REQMOD, OK "Encapsulated: req-hdr=0, res-body=19\r\n\r\n", "w", ""},
	{"three", SB_ICAP_RESPMOD, OK "Encapsulated: req-hdr=0, res-hdr=9, res-body=19\r\n\r\n",
		"w", ""},
	{"unknown part", SB_ICAP_RESPMOD, OK "Encapsulated: opt-body=0\r\n\r\n", "w", ""},
	{"comma behind", SB_ICAP_RESPMOD, OK "Encapsulated: null-body=0,\r\n\r\n", "w", ""},
	{"offset without digits", SB_ICAP_RESPMOD, OK "Encapsulated: null-body=\r\n\r\n", "w", ""},
	{"offset with a sign", SB_ICAP_RESPMOD, OK "Encapsulated: null-body=+0\r\n\r\n", "w", ""},
	{"hexadecimal offset", SB_ICAP_RESPMOD, OK "Encapsulated: null-body=0x0\r\n\r\n", "w", ""},
	{"encapsulated headers shorter", SB_ICAP_RESPMOD,
		OK "Encapsulated: res-hdr=0, res-body=20\r\n\r\n" HTTP "0\r\n\r\n", "hw", ""},
	{"encapsulated headers longer", SB_ICAP_RESPMOD,
		OK "Encapsulated: res-hdr=0, res-body=18\r\n\r\n" HTTP "0\r\n\r\n", "hw", ""},
	{"no size", SB_ICAP_RESPMOD, RES "\r\n\r\n", "hiw", ""},
	{"negative size", SB_ICAP_RESPMOD, RES "-1\r\n", "hiw", ""},
	{"0x", SB_ICAP_RESPMOD, RES "0x1\r\nx\r\n", "hiw", ""},
	{"words behind a size", SB_ICAP_RESPMOD, RES "1 x\r\nx\r\n", "hiw", ""},
	{"size before LF alone", SB_ICAP_RESPMOD, RES "1\nx\r\n", "hiw", ""},
	{"control character in an extension", SB_ICAP_RESPMOD, RES "1;\x01\r\nx\r\n", "hiw", ""},
	{"chunk longer than said", SB_ICAP_RESPMOD, RES "1\r\nxy\r\n", "hidw", "x"},
	{"chunk before LF alone", SB_ICAP_RESPMOD, RES "1\r\nx\n", "hidw", "x"},
	{"trailer", SB_ICAP_RESPMOD, RES "0\r\nX: y\r\n\r\n", "hiw", ""},
	{"more behind", SB_ICAP_RESPMOD, "ICAP/1.0 204 No\r\n\r\nI", "hew", ""},
	{"two replies", SB_ICAP_RESPMOD, RES "0\r\n\r\nICAP/1.0 204 No\r\n\r\n", "hiew", ""},
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t length = strlen(rows[i].text);

		for (size_t piece = 1; piece <= length; piece++) {
			outcome out = parse(rows[i].method, rows[i].text, length, piece);

			if (strcmp(out.events, rows[i].events) != 0 ||
				out.length != strlen(rows[i].body) ||
				memcmp(out.body, rows[i].body, out.length) != 0)
				fail_msg("%s, in pieces of %zu: %s (%s), \"%.*s\"", rows[i].why,
					piece, out.events, reply.why != NULL ? reply.why : "-",
					(int)out.length, out.body);
			assert_int_equal(reply.why != NULL, strchr(out.events, 'w') != NULL);
		}
	}
}

/* Every prefix of a reply waits for more. */
static void test_cuts(void **state)
{
	static const char text[] = RES "4\r\nWiki\r\n0\r\n\r\n";

	(void)state;
	for (size_t length = 0; length < sizeof text - 1; length++) {
		outcome out = parse(SB_ICAP_RESPMOD, text, length, length + 1);

		assert_null(strchr(out.events, 'e'));
		assert_null(strchr(out.events, 'w'));
	}
}

static void test_fields(void **state)
{
	static const char text[] =
		"ICAP/1.0 204 No\r\nISTAG:  \"a\" \t\r\nx-violations-found: 1 \r\n"
		"\t- \r\n  Evil \r\nISTag: b\r\nConnection: x, Close\r\n\r\n";
	sb_icap_span value;
	unsigned at = 0;

	(void)state;
	parse(SB_ICAP_RESPMOD, text, strlen(text), 3);
	assert_int_equal(reply.status, 204);
	assert_true(reply.closing);
	assert_true(sb_icap_find(&reply.head, "ISTag", &at, &value));
	assert_true(sb_icap_is(value, "\"A\""));
	assert_true(sb_icap_find(&reply.head, "ISTag", &at, &value));
	assert_true(sb_icap_is(value, "b"));
	assert_false(sb_icap_find(&reply.head, "ISTag", &at, &value));
	assert_true(sb_icap_get(&reply.head, "X-Violations-Found", &value));
	assert_true(sb_icap_is(value, "1\n-\nevil"));
	assert_false(sb_icap_get(&reply.head, "X", &value));
}

/* --- Limits: at the last size that passes, and one beyond ------------------------------------- */

static const char *parse_made(const char *start, char filler, size_t count, const char *end)
{
	size_t first = strlen(start), last = strlen(end);
	char *text = malloc(first + count + last + 1);
	const char *why;

	assert_non_null(text);
	memcpy(text, start, first);
	memset(text + first, filler, count);
	memcpy(text + first + count, end, last + 1);
	parse(SB_ICAP_RESPMOD, text, first + count + last, 4096);
	why = reply.why;
	free(text);
	return why;
}

static void test_line_limit(void **state)
{
	static const char start[] = "ICAP/1.0 204 No\r\nX: ";
	size_t room = SB_ICAP_LINE_MAX - 3; /* `X: ` is part of the line */

	(void)state;
	assert_null(parse_made(start, 'a', room - 1, "\r\n\r\n"));
	assert_null(parse_made(start, 'a', room, "\r\n\r\n"));
	assert_string_equal(
		parse_made(start, 'a', room + 1, "\r\n\r\n"), "a header line without an end");
	room = SB_ICAP_LINE_MAX - strlen("ICAP/1.0 204 ");
	assert_null(parse_made("ICAP/1.0 204 ", 'a', room, "\r\n\r\n"));
	assert_string_equal(parse_made("ICAP/1.0 204 ", 'a', room + 1, "\r\n\r\n"),
		"a header line without an end");
}

/* Two lines fill the block to its last byte. */
static void test_block_limit(void **state)
{
	char start[SB_ICAP_LINE_MAX + 64];
	size_t used;

	(void)state;
	used = (size_t)snprintf(start, sizeof start, "ICAP/1.0 204 No\r\nX: ");
	memset(start + used, 'a', SB_ICAP_LINE_MAX - 3);
	used += SB_ICAP_LINE_MAX - 3;
	snprintf(start + used, sizeof start - used, "\r\nY: ");
	used += 5;
	used = SB_ICAP_BLOCK_MAX - used - 4;
	assert_null(parse_made(start, 'b', used - 1, "\r\n\r\n"));
	assert_null(parse_made(start, 'b', used, "\r\n\r\n"));
	assert_string_equal(parse_made(start, 'b', used + 1, "\r\n\r\n"), "headers without an end");
}

static const char *parse_lines(unsigned count, const char *line)
{
	static char text[SB_ICAP_BLOCK_MAX];
	size_t used =
		(size_t)snprintf(text, sizeof text, "ICAP/1.0 204 No\r\nX-Violations-Found: 1\r\n");

	for (unsigned i = 1; i < count; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s\r\n", line);
	used += (size_t)snprintf(text + used, sizeof text - used, "\r\n");
	parse(SB_ICAP_RESPMOD, text, used, 1000);
	return reply.why;
}

static void test_count_limit(void **state)
{
	static const char *const lines[] = {"X: y", "\t-"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_null(parse_lines(SB_ICAP_LINES_MAX - 1, lines[i]));
		assert_null(parse_lines(SB_ICAP_LINES_MAX, lines[i]));
		assert_string_equal(
			parse_lines(SB_ICAP_LINES_MAX + 1, lines[i]), "too many headers");
	}
}

static void test_offset_limit(void **state)
{
	char text[128];

	(void)state;
	for (int over = -1; over <= 1; over++) {
		snprintf(text, sizeof text, OK "Encapsulated: res-hdr=0, res-body=%d\r\n\r\n",
			SB_ICAP_BLOCK_MAX + over);
		parse(SB_ICAP_RESPMOD, text, strlen(text), 7);
		assert_int_equal(reply.why != NULL, over > 0);
	}
}

static void test_chunk_limits(void **state)
{
	size_t digits = SB_ICAP_CHUNK_DIGITS_MAX - 1;

	(void)state;
	assert_null(parse_made(RES, '0', digits - 1, "1\r\nx\r\n0\r\n\r\n"));
	assert_null(parse_made(RES, '0', digits, "1\r\nx\r\n0\r\n\r\n"));
	assert_string_equal(parse_made(RES, '0', digits + 1, "1\r\nx\r\n0\r\n\r\n"),
		"a chunk size of too many digits");
	/* the line's CR is kept until its LF comes */
	assert_null(parse_made(RES "0;", 'a', SB_ICAP_CHUNK_LINE_MAX - 4, "\r\n\r\n"));
	assert_null(parse_made(RES "0;", 'a', SB_ICAP_CHUNK_LINE_MAX - 3, "\r\n\r\n"));
	assert_string_equal(parse_made(RES "0;", 'a', SB_ICAP_CHUNK_LINE_MAX - 2, "\r\n\r\n"),
		"a chunk size without an end");
	/* sizes whose sum is more than a number holds */
	assert_null(parse_made(RES "1\r\nx\r\n", 'f', 15, "e\r\n"));
	assert_string_equal(
		parse_made(RES "1\r\nx\r\n", 'f', 16, "\r\n"), "a chunk that is too large");
}

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
		bool ok;
		uint64_t value;
	} numbers[] = {
		{"0", 9, true, 0},
		{"9", 9, true, 9},
		{"10", 9, false, 0},
		{"00009", 9, true, 9},
		{"18446744073709551614", UINT64_MAX, true, UINT64_MAX - 1},
		{"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
		{"18446744073709551616", UINT64_MAX, false, 0},
		{"99999999999999999999999", UINT64_MAX, false, 0},
		{"", 9, false, 0},
		{"-1", 9, false, 0},
		{" 1", 9, false, 0},
		{"1x", 9, false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		uint64_t value = 0;
		sb_icap_span text = {numbers[i].text, strlen(numbers[i].text)};

		assert_int_equal(sb_icap_number(text, numbers[i].max, &value), numbers[i].ok);
		if (numbers[i].ok)
			assert_int_equal(value, numbers[i].value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_line_limit),
		cmocka_unit_test(test_block_limit),
		cmocka_unit_test(test_count_limit),
		cmocka_unit_test(test_offset_limit),
		cmocka_unit_test(test_chunk_limits),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
