/* SPDX-License-Identifier: MIT */
/* Names in a scanner's output: which are found, and that no output takes more than its share. */
#include "engines/command/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CLAM "^.*?: (\\S+) FOUND$"

static sb_names_found found[SB_NAMES_MAX];

static size_t find(const char *pattern, const char *text, size_t length)
{
	char *copy = malloc(length + 1); /* of exactly that size, for the sanitizers */
	sb_names *names = NULL;
	static char words[SB_NAMES_MAX][64];
	sb_error error;
	size_t count;

	sb_error_init(&error);
	assert_non_null(copy);
	memcpy(copy, text, length);
	assert_int_equal(sb_names_open(&names, pattern, &error), 0);
	count = sb_names_find(names, copy, length, found);
	for (size_t i = 0; i < count; i++) {
		snprintf(words[i], sizeof words[i], "%.*s", (int)found[i].length, found[i].name);
		found[i].name = words[i];
	}
	sb_names_close(names);
	free(copy);
	return count;
}

static void test_rows(void **state)
{
	static const struct {
		const char *pattern, *text, *names;
	} rows[] = {
		{CLAM, "/x/content: Win.Test.A-1 FOUND\n", "Win.Test.A-1,"},
		{CLAM, "/x/content: A FOUND", "A,"},
		{CLAM, "/x/content: A FOUND\r\n", "A,"},
		{CLAM, "LibClamAV Warning: old\n/x: A FOUND\n/x: B FOUND\n/y: A FOUND\n", "A,B,"},
		{CLAM, "/x: OK\n", ""},
		{CLAM, "/x: A FOUNDATION\n", ""},
		{CLAM, "/x: A\nFOUND\n", ""}, /* never across lines */
		{CLAM, "", ""},
		{CLAM, "\n\n\n", ""},
		{"threat=\"(?<threat>[^\"]*)\"(?:, by (.*))?", "name=\"a\", threat=\"E\", by x",
			"E,"},
		{"(x)?(?<threat>A|B)", "A xB", "A,"},
		{"[A-Z]\\.[0-9]+", "it is X.12 again", "X.12,"},
		{"a(b)?", "a", ""}, /* a group that did not take part */
		{"a()", "a", ""},   /* an empty name is none */
		{"a(?=b(c))\\Kb", "abc", "c,"},
		{"(?<=a)\\K(b)", "ab", "b,"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char names[128] = "";
		size_t count = find(rows[i].pattern, rows[i].text, strlen(rows[i].text));

		for (size_t n = 0; n < count; n++)
			snprintf(names + strlen(names), sizeof names - strlen(names), "%s,",
				found[n].name);
		if (strcmp(names, rows[i].names) != 0)
			fail_msg("row %zu: %s", i, names);
	}
}

static void test_bad_patterns(void **state)
{
	static const char *const patterns[] = {"(", "[", "*", "(?<threat>", "\\C", "(*UTF)x"};

	(void)state;
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
		sb_names *names = NULL;
		sb_error error;

		sb_error_init(&error);
		assert_int_equal(
			sb_names_open(&names, patterns[i], &error), -(int)SB_KIND_NOT_CONFIGURED);
		assert_non_null(strstr(error.message, "threat_pattern: at character "));
		assert_null(names);
	}
}

/* Lines of that many letters, so many of them, each another name. */
static size_t in_lines(size_t letters, size_t lines, const char *last)
{
	size_t room = lines * (letters + 1) + strlen(last) + 1, at = 0, count;
	char *text = malloc(room);

	assert_non_null(text);
	for (size_t i = 0; i < lines; i++) {
		memset(text + at, 'x', letters);
		at += letters;
		text[at++] = '\n';
	}
	memcpy(text + at, last, strlen(last));
	count = find("^(?:x*)(N.*)$", text, at + strlen(last));
	free(text);
	return count;
}

static void test_limits(void **state)
{
	char text[SB_NAMES_LINE + 2];

	(void)state;
	/* how long a line may be */
	for (size_t length = SB_NAMES_LINE - 1; length <= SB_NAMES_LINE + 1; length++) {
		memset(text, 'x', length);
		text[length - 1] = 'N';
		assert_int_equal(find("(N)$", text, length), length <= SB_NAMES_LINE);
	}
	/* how many lines */
	assert_int_equal(in_lines(1, SB_NAMES_LINES - 2, "N"), 1);
	assert_int_equal(in_lines(1, SB_NAMES_LINES - 1, "N"), 1);
	assert_int_equal(in_lines(1, SB_NAMES_LINES, "N"), 0);
	/* how many names */
	for (size_t names = SB_NAMES_MAX - 1; names <= SB_NAMES_MAX + 1; names++) {
		size_t at = 0;

		for (size_t i = 0; i < names; i++)
			at += (size_t)snprintf(text + at, sizeof text - at, "N%zu\n", i);
		assert_int_equal(
			find("^(N.*)$", text, at), names < SB_NAMES_MAX ? names : SB_NAMES_MAX);
	}
}

/* A pattern and a line that would take longer than the universe lasts. */
static void test_no_pattern_runs_away(void **state)
{
	char line[2000];

	(void)state;
	memset(line, 'a', sizeof line);
	line[sizeof line - 1] = 'b';
	assert_int_equal(find("^(?:(?:a+)+)+(c)", line, sizeof line), 0);
	assert_int_equal(find("^(?:a|aa)+(c)$", line, sizeof line), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_bad_patterns),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_no_pattern_runs_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
