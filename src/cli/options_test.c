/* SPDX-License-Identifier: MIT */
/* Options from a table: values, refusals with their words, suggestions, help within 80 columns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"

typedef struct target {
	int json, progress, mode;
	unsigned jobs;
	uint64_t size, time, after;
	const char *name;
	sb_words engines;
} target;

static const char *const modes[] = {"fast", "slow", NULL};

#define AT(member) offsetof(target, member)
static const sb_option table[] = {
	{"Group", 0, SB_OPTION_GROUP, NULL, 0, NULL},
	{"json", 0, SB_OPTION_YES, NULL, AT(json), "as JSON"},
	{"progress", 0, SB_OPTION_YES, NULL, AT(progress), "show progress"},
	{"no-progress", 0, SB_OPTION_NO, NULL, AT(progress), "don't"},
	{"mode", 0, SB_OPTION_CHOICE, "MODE", AT(mode), "fast or slow", modes},
	{"jobs", 'j', SB_OPTION_COUNT, "N", AT(jobs), "how many"},
	{"after", 0, SB_OPTION_NUMBER, "SEQ", AT(after), "from there on"},
	{"max-size", 0, SB_OPTION_SIZE, "SIZE", AT(size), "larger files are an error"},
	{"timeout", 't', SB_OPTION_DURATION, "TIME", AT(time), "for one file"},
	{"name", 0, SB_OPTION_TEXT, "NAME", AT(name), "a name"},
	{"engine", 'e', SB_OPTION_LIST, "NAME", AT(engines),
		"only this engine, which is told at some length so that the text has to be broken "
		"over several lines of help"},
	{"null", '0', SB_OPTION_YES, NULL, AT(json), "NUL separated"},
	{"remove", 0, SB_OPTION_ABSENT, NULL, 0, "not available in this build"},
	{NULL},
};

enum { MAX_ARGS = 24 };

/* Arguments separated by blanks; argv[0] is added. */
static int parse(
	target *out, const char *line, bool in_order, int *rest, bool *help, sb_error *error)
{
	static char space[512];
	char *argv[MAX_ARGS] = {space}, *save = NULL;
	const sb_option_set set = {table, out};
	int argc = 1;

	memset(out, 0, sizeof *out);
	*help = false;
	snprintf(space, sizeof space, "scan %s", line);
	strtok_r(space, " ", &save);
	while (argc < MAX_ARGS - 1 && (argv[argc] = strtok_r(NULL, " ", &save)) != NULL)
		argc++;
	sb_error_init(error);
	return sb_options_parse(&set, 1, argc, argv, in_order, rest, help, error);
}

static void values_arrive(void **state)
{
	target t;
	int rest;
	bool help;
	sb_error error;

	(void)state;
	assert_int_equal(parse(&t,
				 "a --json -j 7 --max-size=25MiB b -t 30s -e x --engine y --mode "
				 "slow --after 9",
				 false, &rest, &help, &error),
		0);
	assert_int_equal(t.json, 1);
	assert_int_equal(t.jobs, 7);
	assert_int_equal(t.size, 25 << 20);
	assert_int_equal(t.time, 30000);
	assert_int_equal(t.mode, 1);
	assert_int_equal(t.after, 9);
	assert_int_equal(t.engines.count, 2);
	assert_string_equal(t.engines.items[1], "y");
	assert_false(help);
	sb_options_done(table, &t);
	assert_null(t.engines.items);
}

static void order_and_words(void **state)
{
	static const struct {
		const char *why, *line;
		bool in_order;
		int rest, json, progress;
		bool help;
	} rows[] = {
		{"words and options mix, words come last", "a --json b", false, 2, 1, 0, false},
		{"in order, the first word ends options", "--json a --progress", true, 2, 1, 0,
			false},
		{"-- ends options", "-- --json", false, 2, 0, 0, false},
		{"the last of two that contradict wins", "--progress --no-progress", false, 3, 0,
			-1, false},
		{"an unambiguous beginning is enough", "--js", false, 2, 1, 0, false},
		{"-0 is an option like any other", "-0", false, 2, 1, 0, false},
		{"help ends parsing", "--help --nonsense", false, 0, 0, 0, true},
		{"-h too", "-h", false, 0, 0, 0, true},
		{"a single - is a word", "-", false, 1, 0, 0, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		target t;
		int rest;
		bool help;
		sb_error error;
		print_message("%s\n", rows[i].why);
		assert_int_equal(
			parse(&t, rows[i].line, rows[i].in_order, &rest, &help, &error), 0);
		assert_int_equal(help, rows[i].help);
		if (!help)
			assert_int_equal(rest, rows[i].rest);
		assert_int_equal(t.json, rows[i].json);
		assert_int_equal(t.progress, rows[i].progress);
	}
}

static void refusals_say_why(void **state)
{
	static const struct {
		const char *why, *line, *message;
	} rows[] = {
		{"a typo gets a suggestion", "--jsn",
			"unknown option '--jsn'; did you mean '--json'?"},
		{"the value is no part of the name", "--engin=3x --", NULL},
		{"nothing near: no suggestion", "--frobnicate", "unknown option '--frobnicate'"},
		{"short ones too", "-z", "unknown option '-z'"},
		{"a value is missing", "--jobs", "--jobs needs a value: N"},
		{"a short one's value is missing", "-t", "--timeout needs a value: TIME"},
		{"a value too many", "--json=1", "--json takes no value"},
		{"no number", "-j many", "--jobs: 'many' is not a whole number from 1 to 1024"},
		{"zero workers", "-j 0", "--jobs: '0' is not a whole number from 1 to 1024"},
		{"a negative number", "-j -1", "--jobs: '-1' is not a whole number from 1 to 1024"},
		{"a duration needs its unit", "-t 30",
			"--timeout: '30' is not a duration above 0 with its unit, like 30s "
			"(units ms, s, m, h, d)"},
		{"decimal units are not ours", "--max-size 1MB",
			"--max-size: '1MB' is not bytes above 0 or a size like 25MiB "
			"(units KiB, MiB, GiB)"},
		{"a size of nothing", "--max-size 0",
			"--max-size: '0' is not bytes above 0 or a size like 25MiB "
			"(units KiB, MiB, GiB)"},
		{"none of the choices", "--mode warp", "--mode: 'warp' is none of fast, slow"},
		{"control characters are escaped", "--mode \033[2J",
			"--mode: '\\x1b[2J' is none of fast, slow"},
		{"more than 64 bits", "--after 99999999999999999999",
			"--after: '99999999999999999999' is not a whole number"},
		{"known, but not here", "--remove", "--remove is not available in this build"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		target t;
		int rest, status;
		bool help;
		sb_error error;
		print_message("%s\n", rows[i].why);
		status = parse(&t, rows[i].line, false, &rest, &help, &error);
		sb_options_done(table, &t);
		if (rows[i].message == NULL) {
			assert_int_equal(status, 0);
			continue;
		}
		assert_int_equal(status, -SB_KIND_NOT_CONFIGURED);
		assert_string_equal(sb_error_message(&error), rows[i].message);
	}
}

static void help_fits(void **state)
{
	size_t column = 0, options = 0;
	sb_buf text;

	(void)state;
	sb_buf_init(&text, 65536);
	sb_options_help(&text, table);
	assert_false(text.failed);
	for (size_t i = 0; i < text.length; i++) {
		column = text.data[i] == '\n' ? 0 : column + 1;
		assert_true(column <= 80);
	}
	for (const sb_option *o = table; o->name != NULL; o++) {
		assert_non_null(strstr(text.data, o->name));
		options++;
	}
	assert_true(options > 10);
	assert_non_null(strstr(text.data, "  -j, --jobs N            how many\n"));
	sb_buf_done(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_arrive),
		cmocka_unit_test(order_and_words),
		cmocka_unit_test(refusals_say_why),
		cmocka_unit_test(help_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
