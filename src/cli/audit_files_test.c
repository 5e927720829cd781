/* SPDX-License-Identifier: MIT */
/* What `audit verify` and `audit show` print, and their exit status. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit.h"
#include "cli/audit_files.h"

static char folder[64], path[96];

static int set_up(void **state)
{
	static const char scan[] = "\"name\":\"a\\u001b[2J\\nb\",\"outcome\":\"infected\","
				   "\"threats\":[{\"name\":\"X\"},{\"name\":\"Y\"}]";
	sb_audit_options options = {.path = path, .clock = sb_clock_fake_new()};
	sb_audit_entry entries[] = {{"scan_started", "\"scan_id\":\"s\"", 13, 0},
		{"scan_completed", scan, sizeof scan - 1, 0},
		{"policy_decision", "\"action\":\"block\"", 16, 0}};
	const char *base = getenv("TMPDIR");
	sb_audit *audit;

	(void)state;
	snprintf(folder, sizeof folder, "%.32s/sb-files-XXXXXX", base ? base : "/tmp");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/audit.jsonl", folder);
	if (sb_audit_open(&audit, &options, NULL, NULL) != 0 ||
		sb_audit_append(audit, entries, 3, NULL) != 0)
		return -1;
	sb_audit_close(audit);
	sb_clock_fake_free(options.clock);
	return 0;
}

static int tear_down(void **state)
{
	char name[128];

	(void)state;
	snprintf(name, sizeof name, "%s.state", path);
	unlinkat(AT_FDCWD, name, 0);
	unlinkat(AT_FDCWD, path, 0);
	return rmdir(folder);
}

static char *run(const struct sb_audit_show_options *show, int expected)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	int status =
		show != NULL ? sb_audit_cmd_show(path, show, out) : sb_audit_cmd_verify(path, out);

	fclose(out);
	assert_int_equal(status, expected);
	return text;
}

static unsigned lines(const char *text)
{
	unsigned count = 0;

	for (; (text = strchr(text, '\n')) != NULL; text++)
		count++;
	return count;
}

static void test_verify(void **state)
{
	char *text = run(NULL, 0);
	int fd;

	(void)state;
	assert_non_null(strstr(text, ": consistent up to seq 4, 4 records, head "));
	free(text);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "X", 1, 60), 1);
	close(fd);
	text = run(NULL, 1);
	assert_non_null(strstr(text, ": bad record at line 1, offset 0, seq 1: "));
	free(text);
	path[strlen(path) - 1] = '\0';
	free(run(NULL, 2));
	free(run(&(struct sb_audit_show_options){0}, 2));
	path[strlen(path)] = 'l';
}

static void test_show(void **state)
{
	static const struct {
		const char *why;
		struct sb_audit_show_options options;
		unsigned lines;
		const char *holds;
	} rows[] = {
		{"all", {0}, 4, " 1 log_opened "},
		{"escaped, threats by name", {.after = 2}, 2,
			" 3 scan_completed outcome=infected name=a\\x1b[2J\\x0ab threats=X,Y\n"},
		{"the last", {.limit = 1}, 1, "4 policy_decision action=block"},
		{"more than there are", {.limit = 9}, 4, "log_opened"},
		{"one event", {.event = "scan_started"}, 1, "scan_id=s"},
		{"as it is", {.json = true, .after = 3}, 1, "{\"seq\":4,\"time\":\""},
		{"nothing", {.after = 4}, 0, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *text = run(&rows[i].options, 0);
		if (lines(text) != rows[i].lines || strstr(text, rows[i].holds) == NULL)
			fail_msg("%s: %s", rows[i].why, text);
		free(text);
	}
}

static void test_show_rubbish(void **state)
{
	FILE *file = fopen(path, "a");
	char *text;

	(void)state;
	fprintf(file, "rubbish\n%09000d\n{\"seq\":1}\n", 0);
	fclose(file);
	text = run(&(struct sb_audit_show_options){0}, 1);
	assert_int_equal(lines(text), 7);
	assert_non_null(strstr(text, "line 6 is no record"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_verify, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_show, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_show_rubbish, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
