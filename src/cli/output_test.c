/* SPDX-License-Identifier: MIT */
/* Lines, summary, progress and exit status, as tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "cli/line.h"
#include "cli/progress.h"
#include "cli/term.h"
#include "util/error.h"

static const char *const one[] = {"clamav"};
static const char *const two[] = {"clamav", "yara"};
static const char *const threat[] = {"Eicar-Test"};
static const char *const threats[] = {"Eicar-Test", "PUA.Win"};

static void lines(void **state)
{
	static const sb_error timeout = {.kind = SB_KIND_TIMEOUT, .message = "no answer in 60s"};
	static const sb_error hostile = {
		.kind = SB_KIND_PROTOCOL_ERROR, .message = "odd reply \033[2J\n"};
	static const sb_error lost = {
		.kind = SB_KIND_QUARANTINE_FAILED, .message = "no space left"};
	static const struct {
		const char *why;
		sb_line line;
		const char *expected;
	} rows[] = {
		{"a detection",
			{"/in/x", 5, SB_OUTCOME_INFECTED, SB_ACTION_QUARANTINE, threat, 1, one, 1,
				NULL},
			"/in/x: infected Eicar-Test [clamav] -> quarantine\n"},
		{"several of both",
			{"x", 1, SB_OUTCOME_INFECTED, SB_ACTION_BLOCK, threats, 2, two, 2, NULL},
			"x: infected Eicar-Test, PUA.Win [clamav, yara] -> block\n"},
		{"suspicious without a name",
			{"x", 1, SB_OUTCOME_SUSPICIOUS, SB_ACTION_REQUIRE_MANUAL_REVIEW, NULL, 0,
				one, 1, NULL},
			"x: suspicious [clamav] -> require_manual_review\n"},
		{"clean, for --verbose",
			{"x", 1, SB_OUTCOME_CLEAN, SB_ACTION_ALLOW, NULL, 0, one, 1, NULL},
			"x: clean [clamav] -> allow\n"},
		{"an error of an engine",
			{"x", 1, SB_OUTCOME_ERROR, SB_ACTION_BLOCK, NULL, 0, one, 1, &timeout},
			"x: error timeout: no answer in 60s [clamav] -> block\n"},
		{"an error of nobody",
			{"x", 1, SB_OUTCOME_ERROR, SB_ACTION_BLOCK, NULL, 0, NULL, 0, &timeout},
			"x: error timeout: no answer in 60s -> block\n"},
		{"control characters from outside",
			{"a\nb\033]0;t\a\x7f", 10, SB_OUTCOME_ERROR, SB_ACTION_BLOCK, NULL, 0, NULL,
				0, &hostile},
			"a\\x0ab\\x1b]0;t\\x07\\x7f: error protocol_error: odd reply "
			"\\x1b[2J\\x0a -> block\n"},
		{"bytes that are no UTF-8, and a bidirectional override",
			{"\xff\xe2\x80\xae", 4, SB_OUTCOME_CLEAN, SB_ACTION_ALLOW, NULL, 0, NULL, 0,
				NULL},
			"\\xff\\xe2\\x80\\xae: clean -> allow\n"},
		{"a copy that could not be kept",
			{"x", 1, SB_OUTCOME_INFECTED, SB_ACTION_BLOCK, threat, 1, one, 1, &lost},
			"x: infected Eicar-Test [clamav] -> block (quarantine_failed: no space "
			"left)\n"},
		{"memory that nobody filled in", {"x", 1, 0, 0, NULL, 0, NULL, 0, NULL},
			"x: error -> none\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		sb_buf out;
		print_message("%s\n", rows[i].why);
		sb_buf_init(&out, 4096);
		sb_line_format(&out, &rows[i].line, false);
		assert_false(out.failed);
		assert_string_equal(out.data, rows[i].expected);
		sb_buf_done(&out);
	}
}

static void colours_only_the_outcome(void **state)
{
	const sb_line line = {"x", 1, SB_OUTCOME_INFECTED, SB_ACTION_BLOCK, NULL, 0, NULL, 0, NULL};
	sb_buf out;

	(void)state;
	sb_buf_init(&out, 4096);
	sb_line_format(&out, &line, true);
	assert_string_equal(out.data, "x: \033[1;31minfected\033[0m -> block\n");
	sb_buf_done(&out);
}

static void exit_status(void **state)
{
	static const struct {
		const char *why;
		sb_tally tally;
		bool interrupted, output_failed;
		int expected;
	} rows[] = {
		{"nothing at all", {0}, false, false, 0},
		{"all allowed", {.files = 3, .outcomes = {[SB_OUTCOME_CLEAN] = 3}}, false, false,
			0},
		{"an error that a rule allows", {.files = 1, .outcomes = {[SB_OUTCOME_ERROR] = 1}},
			false, false, 0},
		{"infected, but allowed by policy",
			{.files = 1, .outcomes = {[SB_OUTCOME_INFECTED] = 1}}, false, false, 0},
		{"one judged and not allowed", {.files = 9, .judged_denied = 1}, false, false, 1},
		{"judged goes before errors",
			{.files = 9, .judged_denied = 1, .errors_denied = 5, .unopened = 2}, false,
			false, 1},
		{"an error that is not allowed", {.files = 9, .errors_denied = 1}, false, false, 2},
		{"a path that could not be opened, whatever policy says",
			{.files = 9, .unopened = 1}, false, false, 2},
		{"a file without a report", {.files = 9, .failed = 1}, false, false, 2},
		{"skipped files are fine", {.files = 1, .skipped = {4, 4, 4}}, false, false, 0},
		{"interrupted, whatever was found", {.judged_denied = 1}, true, false, 130},
		{"output that could not be written", {.judged_denied = 1}, false, true, 2},
		{"interrupted before that", {0}, true, true, 130},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		print_message("%s\n", rows[i].why);
		assert_int_equal(
			sb_tally_status(&rows[i].tally, rows[i].interrupted, rows[i].output_failed),
			rows[i].expected);
	}
}

static size_t widest_line(const char *text)
{
	size_t column = 0, widest = 0;

	for (; *text != '\0'; text++) {
		column = *text == '\n' ? 0 : column + 1;
		if (column > widest)
			widest = column;
	}
	return widest;
}

static const sb_tally big = {.files = 20003,
	.bytes = 1310000000,
	.judged = 1210000000,
	.outcomes = {[SB_OUTCOME_ERROR] = 2,
		[SB_OUTCOME_CLEAN] = 19998,
		[SB_OUTCOME_INFECTED] = 2,
		[SB_OUTCOME_SUSPICIOUS] = 1},
	.judged_denied = 3,
	.errors_denied = 2,
	.skipped = {[SB_SKIP_SYMLINK] = 9, [SB_SKIP_SPECIAL] = 1, [SB_SKIP_HARD_LINK] = 4}};

static void summary(void **state)
{
	static const char expected[] = "\n"
				       "  files       20,003   1.31 GB\n"
				       "  clean       19,998\n"
				       "  infected         2\n"
				       "  suspicious       1\n"
				       "  error            2\n"
				       "  not allowed      5\n"
				       "  skipped         14   9 symbolic links, 1 special file, 4 "
				       "hard links\n"
				       "  cache hits       0\n"
				       "  time        3.41 s   5,865 files/s, 355 MB/s\n";
	sb_buf out;

	(void)state;
	sb_buf_init(&out, 65536);
	sb_summary_format(&out, &big, 3.41, false, 80, false);
	assert_string_equal(out.data, expected);
	sb_buf_clear(&out);
	sb_summary_format(&out, &big, 3.41, false, 48, false);
	assert_non_null(
		strstr(out.data, "14\n    9 symbolic links, 1 special file, 4 hard\n    links\n"));
	for (unsigned width = 30; width < 130; width++) {
		sb_buf_clear(&out);
		sb_summary_format(&out, &big, 3.41, false, width, false);
		assert_true(widest_line(out.data) <= width);
	}
	sb_buf_done(&out);
}

static void summary_notes(void **state)
{
	sb_tally tally = {.files = 2,
		.low_assurance = 2,
		.unpinned = 1,
		.assurance_reason = "best answer: rules (yara), below antivirus"};
	sb_buf out;

	(void)state;
	sb_buf_init(&out, 65536);
	sb_summary_format(&out, &tally, 0, true, 100, false);
	assert_non_null(strstr(out.data, "  Allowed with a warning: 2 clean files; best answer: "
					 "rules (yara), below antivirus.\n"));
	assert_non_null(strstr(out.data, "  Not protected from change while scanned: 1 file.\n"));
	assert_non_null(strstr(out.data, "\n\n  Interrupted: not everything was scanned.\n"));
	tally.found = 1002;
	for (unsigned width = 30; width < 130; width++) {
		sb_buf_clear(&out);
		sb_summary_format(&out, &tally, 0, true, width, false);
		assert_true(widest_line(out.data) <= width);
	}
	assert_non_null(
		strstr(out.data, "Interrupted: 1,000 of 1,002 files found were not scanned.\n"));
	sb_buf_done(&out);
}

static void numbers(void **state)
{
	static const struct {
		double value;
		const char *bytes, *elapsed;
	} rows[] = {
		{0, "0 B", "0.00 s"},
		{5.5, "6 B", "5.50 s"},
		{9.999, "10 B", "10.0 s"},
		{59.97, "60 B", "1 min 00 s"},
		{999.4, "999 B", "16 min 39 s"},
		{999.6, "1.00 kB", "16 min 40 s"},
		{79300, "79.3 kB", "22 h 01 min"},
		{12345678, "12.3 MB", "3429 h 21 min"},
		{1e12, "1.00 TB", "277777777 h 46 min"},
	};
	char out[SB_NUMBER_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_string_equal(sb_format_bytes(out, rows[i].value), rows[i].bytes);
		assert_string_equal(sb_format_elapsed(out, rows[i].value), rows[i].elapsed);
	}
	assert_string_equal(sb_format_count(out, 0), "0");
	assert_string_equal(sb_format_count(out, 999), "999");
	assert_string_equal(sb_format_count(out, 1000), "1,000");
	assert_string_equal(sb_format_count(out, UINT64_MAX), "18,446,744,073,709,551,615");
}

static void progress_fits(void **state)
{
	sb_progress p = {.files = 1234,
		.bytes = 56700000,
		.found_files = 5000,
		.found_bytes = 113400000,
		.found_all = true,
		.seconds = 10,
		.files_rate = 150,
		.bytes_rate = 6000000,
		.current = "/srv/www/\xe6\xbc\xa2\xe5\xad\x97/a/rather/long/path/to/an/image.png"};
	sb_buf out;

	(void)state;
	sb_buf_init(&out, 4096);
	for (unsigned width = 1; width < 200; width++) {
		sb_buf_clear(&out);
		sb_progress_format(&out, &p, width);
		assert_true(out.length == 0 || sb_text_columns(out.data, out.length) < width);
	}
	/* 3,766 files more, and 123.4 a second so far. */
	assert_string_equal(out.data,
		"1,234 of 5,000 files  31 s left  56.7 MB  150 files/s  6.00 MB/s  "
		"/srv/www/\xe6\xbc\xa2\xe5\xad\x97/a/rather/long/path/to/an/image.png");
	sb_buf_clear(&out);
	sb_progress_format(&out, &p, 42);
	assert_string_equal(out.data, "1,234 of 5,000 files  31 s left  56.7 MB");
	sb_buf_clear(&out);
	p.found_all = false;
	p.current = NULL;
	sb_progress_format(&out, &p, 80);
	assert_string_equal(out.data, "1,234 of 5,000+ files  56.7 MB  150 files/s  6.00 MB/s");
	sb_buf_done(&out);
}

static void time_left(void **state)
{
	static const struct {
		const char *why;
		sb_progress progress;
		const char *expected; /* NULL: nothing is said */
	} rows[] = {
		{"large files are left", {5, 100, 10, 1100, true, 10}, "1 min 40 s left"},
		{"small files are left", {5, 1000, 505, 1100, true, 10}, "16 min 40 s left"},
		{"hours", {1, 1, 10001, 1, true, 2}, "5 h 33 min left"},
		{"nearly done", {99, 99, 100, 100, true, 5}, "1 s left"},
		{"the walk goes on", {5, 100, 10, 1100, false, 10}, NULL},
		{"just begun", {5, 100, 10, 1100, true, 0.5}, NULL},
		{"nothing done yet", {0, 0, 10, 1100, true, 10}, NULL},
	};
	sb_buf out;

	(void)state;
	sb_buf_init(&out, 4096);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		print_message("%s\n", rows[i].why);
		sb_buf_clear(&out);
		sb_progress_format(&out, &rows[i].progress, 200);
		if (rows[i].expected == NULL)
			assert_null(strstr(out.data, "left"));
		else
			assert_non_null(strstr(out.data, rows[i].expected));
	}
	sb_buf_done(&out);
}

/* 100 files a second at first, then 10: what is shown follows within the window. */
static void recent_rate(void **state)
{
	sb_rate rate = {0};
	sb_progress p = {0};

	(void)state;
	for (int tick = 1; tick <= 1000; tick++) { /* a tenth of a second each */
		p.seconds = tick / 10.0;
		p.files += tick <= 500 ? 10 : 1;
		p.bytes = p.files * 1000;
		sb_rate_add(&rate, &p);
		if (tick == 400) {
			assert_true(p.files_rate > 99.9 && p.files_rate < 100.1);
			assert_true(p.bytes_rate > 99900 && p.bytes_rate < 100100);
		}
		if (tick == 540)
			assert_true(p.files_rate > 10.1 && p.files_rate < 99.9);
		if (tick >= 590)
			assert_true(p.files_rate > 9.9 && p.files_rate < 10.1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(colours_only_the_outcome),
		cmocka_unit_test(exit_status),
		cmocka_unit_test(summary),
		cmocka_unit_test(summary_notes),
		cmocka_unit_test(numbers),
		cmocka_unit_test(progress_fits),
		cmocka_unit_test(time_left),
		cmocka_unit_test(recent_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
