/* SPDX-License-Identifier: MIT */
/* `policy check`: the file's own tests, and what lint finds. Texts come from the file: escaped. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/log.h"
#include "cli/open.h"
#include "cli/settings.h"
#include "config/policy_file.h"
#include "policy/lint.h"
#include "util/json.h"
#include "util/text.h"

enum { MAX_OUT = 16 << 20 };

typedef struct check {
	const char *path;
	sb_buf text;   /* a line for each finding, for people */
	sb_json found; /* the same as members of an array */
	size_t errors, warnings, failed;
} check;

/* --- Findings ------------------------------------------------------------------------------- */

static void add(check *c, const char *what, const char *origin, const char *message)
{
	sb_buf place;

	sb_buf_init(&place, 1 << 16);
	sb_buf_printf(
		&place, "%s%s", origin != NULL ? origin : c->path, origin != NULL ? "" : ":1:1");
	if (place.data != NULL) {
		sb_escape(&c->text, place.data, place.length);
		sb_buf_printf(&c->text, ": %s: ", what);
		sb_escape(&c->text, message, strlen(message));
		sb_buf_char(&c->text, '\n');
	}
	sb_json_object(&c->found, NULL);
	sb_json_text(&c->found, "what", what);
	sb_json_text(&c->found, "place", place.data);
	sb_json_text(&c->found, "message", message);
	sb_json_end_object(&c->found);
	sb_buf_done(&place);
}

static void lint_found(void *data, bool is_error, const char *origin, const char *message)
{
	check *c = data;

	*(is_error ? &c->errors : &c->warnings) += 1;
	add(c, is_error ? "error" : "warning", origin, message);
}

/* --- Tests ---------------------------------------------------------------------------------- */

static bool passes(const sb_policy_test *test, const sb_policy_decision *got)
{
	return got->action == test->action &&
	       (test->rule == NULL ||
		       (got->rule_id != NULL && strcmp(got->rule_id, test->rule) == 0));
}

static void run_test(check *c, const sb_policy *policy, const sb_policy_test *test)
{
	sb_policy_decision got;
	char message[1024];

	sb_policy_evaluate(policy, &test->facts, &got);
	if (passes(test, &got))
		return;
	c->failed++;
	snprintf(message, sizeof message,
		"%.200s%sexpected %s%s%.200s, got %s by %s%.200s (%.200s)",
		test->name != NULL ? test->name : "", test->name != NULL ? ": " : "",
		sb_action_name(test->action), test->rule != NULL ? " by rule " : "",
		test->rule != NULL ? test->rule : "", sb_action_name(got.action),
		got.rule_id != NULL ? "rule " : "no rule", got.rule_id != NULL ? got.rule_id : "",
		got.reason);
	add(c, "test failed", test->origin, message);
}

/* --- The whole ------------------------------------------------------------------------------- */

static void print_text(const check *c, const sb_policy_file *file)
{
	size_t rules;
	sb_buf shown;

	(void)sb_policy_rules(file->policy, &rules);
	if (c->text.length > 0)
		fwrite(c->text.data, 1, c->text.length, stdout);
	sb_buf_init(&shown, 1 << 16);
	sb_escape(&shown, c->path, strlen(c->path));
	printf("%s: %zu rules, %zu of %zu tests passed, %zu errors, %zu warnings\n",
		shown.data != NULL ? shown.data : "", rules, file->test_count - c->failed,
		file->test_count, c->errors, c->warnings);
	sb_buf_done(&shown);
}

static void print_json(const check *c, const sb_policy_file *file)
{
	sb_buf out;
	sb_json json = sb_json_on(&out);
	size_t rules;

	(void)sb_policy_rules(file->policy, &rules);
	sb_buf_init(&out, MAX_OUT * 2);
	sb_json_object(&json, NULL);
	sb_json_text(&json, "file", c->path);
	sb_json_bool(&json, "ok", c->failed == 0 && c->errors == 0);
	sb_json_uint(&json, "rules", rules);
	sb_json_uint(&json, "tests", file->test_count);
	sb_json_uint(&json, "failed", c->failed);
	sb_json_uint(&json, "errors", c->errors);
	sb_json_uint(&json, "warnings", c->warnings);
	sb_json_array(&json, "findings");
	sb_json_raw(&json, NULL, c->found.buf->data != NULL ? c->found.buf->data : "",
		c->found.buf->length);
	sb_json_end_array(&json);
	sb_json_end_object(&json);
	if (!out.failed)
		printf("%s\n", out.data);
	sb_buf_done(&out);
}

static int check_file(const char *path, const sb_policy_file *file, bool as_json)
{
	sb_buf found;
	check c = {.path = path, .found = sb_json_on(&found)};
	int status;

	sb_buf_init(&c.text, MAX_OUT);
	sb_buf_init(&found, MAX_OUT);
	for (size_t i = 0; i < file->test_count; i++)
		run_test(&c, file->policy, &file->tests[i]);
	sb_policy_lint(file->policy, lint_found, &c);
	status = c.failed > 0 || c.errors > 0 ? SB_EXIT_FOUND : SB_EXIT_OK;
	if (c.text.failed || found.failed) {
		sb_log(SB_LOG_ERROR, "out of memory");
		status = SB_EXIT_FAILED;
	} else if (as_json) {
		print_json(&c, file);
	} else {
		print_text(&c, file);
	}
	sb_buf_done(&c.text);
	sb_buf_done(&found);
	return status;
}

int sb_cmd_policy_check(const sb_globals *globals, const void *data, char **words, size_t count)
{
	const sb_policy_settings *settings = data;
	sb_policy_file *file = NULL;
	sb_error error;
	int status;

	(void)globals, (void)count;
	sb_error_init(&error);
	if (sb_policy_file_read(&file, words[0], &error) < 0) {
		sb_log_error(&error);
		return sb_error_kind(&error) == SB_KIND_NOT_CONFIGURED ? SB_EXIT_FOUND
								       : SB_EXIT_FAILED;
	}
	status = check_file(words[0], file, settings->json != 0);
	sb_policy_file_free(file);
	return sb_cli_flushed(status);
}
