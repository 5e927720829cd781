/* SPDX-License-Identifier: MIT */
/*
 * `policy explain`: a report's facts against every rule, condition by condition. What is shown is
 * what the engine itself says of each; nothing is judged here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/log.h"
#include "cli/open.h"
#include "cli/policy_facts.h"
#include "cli/policy_load.h"
#include "cli/settings.h"
#include "config/built.h"
#include "util/io.h"
#include "util/json.h"
#include "util/text.h"

enum { MAX_REPORT = 64 << 20, MAX_OUT = 64 << 20, MAX_INDENT = 4 * (SB_CONDITIONS_DEPTH + 3) };

/* One policy over one report; text or JSON, whichever is asked for. */
typedef struct explain {
	const sb_policy *policy;
	const sb_facts *facts;
	sb_buf out;
	sb_json json;
	bool as_json;
} explain;

static void shown(sb_buf *out, const char *text)
{
	sb_escape(out, text != NULL ? text : "", text != NULL ? strlen(text) : 0);
}

/* --- Conditions ------------------------------------------------------------------------------ */

static const char *why_not(sb_truth truth, sb_reading reading)
{
	if (truth == SB_TRUTH_UNKNOWN)
		return "not known";
	if (truth == SB_TRUTH_PARTLY && reading.least == SB_TRUTH_YES)
		return "true in part only, and has to be sure";
	return "not so";
}

/* A condition by itself, as it is written into a policy: on one line. */
static void condition_text(sb_buf *out, const sb_conditions *when, unsigned bit)
{
	sb_conditions one = *when;
	sb_buf text;

	one.given = bit;
	one.metadata_count = bit == SB_WHEN_METADATA ? when->metadata_count : 0;
	one.window_count = bit == SB_WHEN_TIME ? when->window_count : 0;
	one.all.count = one.any.count = one.none.count = 0;
	sb_buf_init(&text, 1 << 20);
	sb_show_when(&text, &one, "");
	for (char *line = text.data, *end; line != NULL && *line != '\0'; line = end) {
		line += strspn(line, " ");
		end = line + strcspn(line, "\n");
		sb_escape(out, line, (size_t)(end - line));
		end += *end == '\n';
		sb_buf_text(out, *end != '\0' ? " " : "");
	}
	sb_buf_done(&text);
}

static const struct sb_conditions_list *nested_of(const sb_conditions *when, unsigned bit)
{
	return bit == SB_WHEN_ALL   ? &when->all
	       : bit == SB_WHEN_ANY ? &when->any
	       : bit == SB_WHEN_NOT ? &when->none
				    : NULL;
}

static void explain_when(
	explain *e, const sb_conditions *when, sb_reading reading, const char *indent);

static void explain_nested(
	explain *e, const struct sb_conditions_list *list, sb_reading reading, const char *indent)
{
	char inner[MAX_INDENT];

	snprintf(inner, sizeof inner, "%s    ", indent);
	if (e->as_json)
		sb_json_array(&e->json, "of");
	for (size_t i = 0; i < list->count; i++) {
		if (e->as_json)
			sb_json_array(&e->json, NULL);
		else if (i > 0)
			sb_buf_printf(&e->out, "%s--\n", inner);
		explain_when(e, &list->items[i], reading, inner);
		if (e->as_json)
			sb_json_end_array(&e->json);
	}
	if (e->as_json)
		sb_json_end_array(&e->json);
}

static void explain_json(explain *e, const sb_conditions *when, unsigned bit, bool holds,
	sb_truth truth, sb_reading reading)
{
	static const char *const truths[] = {"no", "unknown", "partly", "yes"};
	sb_buf text;

	sb_buf_init(&text, 1 << 20);
	condition_text(&text, when, bit);
	sb_json_object(&e->json, NULL);
	sb_json_text(&e->json, "condition", sb_condition_name((enum sb_condition)bit));
	sb_json_bool(&e->json, "holds", holds);
	if (nested_of(when, bit) == NULL) {
		sb_json_text(&e->json, "text", text.data);
		sb_json_text(&e->json, "truth", truths[truth]);
	} else {
		explain_nested(e, nested_of(when, bit),
			bit == SB_WHEN_NOT ? sb_reading_turned(reading) : reading, "");
	}
	sb_json_end_object(&e->json);
	sb_buf_done(&text);
}

static void explain_one(
	explain *e, const sb_conditions *when, unsigned bit, sb_reading reading, const char *indent)
{
	const struct sb_conditions_list *nested = nested_of(when, bit);
	bool holds = sb_condition_holds(when, (enum sb_condition)bit, e->facts, reading);
	sb_truth truth = sb_condition_truth(when, (enum sb_condition)bit, e->facts);

	if (e->as_json) {
		explain_json(e, when, bit, holds, truth, reading);
		return;
	}
	sb_buf_printf(&e->out, "%s%s ", indent, holds ? "+" : "-");
	if (nested != NULL) {
		sb_buf_printf(&e->out, "%s%s\n", sb_condition_name((enum sb_condition)bit),
			holds ? "" : ": does not hold");
		explain_nested(e, nested, bit == SB_WHEN_NOT ? sb_reading_turned(reading) : reading,
			indent);
		return;
	}
	condition_text(&e->out, when, bit);
	if (!holds)
		sb_buf_printf(&e->out, "  (%s)", why_not(truth, reading));
	sb_buf_char(&e->out, '\n');
}

static void explain_when(
	explain *e, const sb_conditions *when, sb_reading reading, const char *indent)
{
	for (unsigned bit = 1; bit <= SB_WHEN_NOT; bit <<= 1)
		if ((when->given & bit) != 0)
			explain_one(e, when, bit, reading, indent);
	if (when->given == 0 && !e->as_json)
		sb_buf_printf(&e->out, "%s+ always\n", indent);
}

/* --- Rules ------------------------------------------------------------------------------------ */

static void explain_rule_text(explain *e, const sb_rule *rule, bool matches)
{
	sb_buf_text(&e->out, "rule ");
	shown(&e->out, rule->id);
	if (rule->origin != NULL) {
		sb_buf_text(&e->out, " (");
		shown(&e->out, rule->origin);
		sb_buf_text(&e->out, ")");
	}
	if (!rule->enabled)
		sb_buf_text(&e->out, ": not enabled\n");
	else if (!matches)
		sb_buf_text(&e->out, ": does not match\n");
	else
		sb_buf_printf(&e->out, ": matches -> %s\n", sb_action_name(rule->action));
	if (rule->enabled)
		explain_when(e, &rule->when, sb_reading_of(rule->action), "    ");
}

static void explain_rule_json(explain *e, const sb_rule *rule, bool matches)
{
	sb_json_object(&e->json, NULL);
	sb_json_text(&e->json, "id", rule->id);
	sb_json_text(&e->json, "place", rule->origin);
	sb_json_bool(&e->json, "enabled", rule->enabled);
	sb_json_bool(&e->json, "matches", matches);
	sb_json_text(&e->json, "action", sb_action_name(rule->action));
	sb_json_array(&e->json, "conditions");
	explain_when(e, &rule->when, sb_reading_of(rule->action), "");
	sb_json_end_array(&e->json);
	sb_json_end_object(&e->json);
}

/* Up to the first that matches: the others were not asked. */
static void explain_rules(explain *e)
{
	size_t count;
	const sb_rule *rules = sb_policy_rules(e->policy, &count);
	bool matches = false;
	size_t i;

	if (e->as_json)
		sb_json_array(&e->json, "rules");
	for (i = 0; i < count && !matches; i++) {
		matches = rules[i].enabled && sb_conditions_hold(&rules[i].when, e->facts,
						      sb_reading_of(rules[i].action));
		if (e->as_json)
			explain_rule_json(e, &rules[i], matches);
		else
			explain_rule_text(e, &rules[i], matches);
	}
	if (e->as_json)
		sb_json_end_array(&e->json);
	else if (i < count)
		sb_buf_printf(&e->out, "(%zu more not asked)\n", count - i);
}

/* --- The whole ---------------------------------------------------------------------------------
 */

static void tell_decision_json(explain *e, const json_t *report, const sb_policy_decision *got)
{
	const char *action = json_string_value(json_object_get(report, "action"));
	const char *rule =
		json_string_value(json_object_get(json_object_get(report, "rule"), "id"));

	sb_json_object(&e->json, "decision");
	sb_json_text(&e->json, "action", sb_action_name(got->action));
	sb_json_text(&e->json, "rule", got->rule_id);
	sb_json_text(&e->json, "reason", got->reason);
	sb_json_end_object(&e->json);
	sb_json_object(&e->json, "reported");
	sb_json_text(&e->json, "action", action);
	sb_json_text(&e->json, "rule", rule);
	sb_json_end_object(&e->json);
	sb_json_bool(&e->json, "differs",
		action == NULL || strcmp(action, sb_action_name(got->action)) != 0);
}

/* What policy wanted to be kept is blocked when that fails. */
static bool is_stopped(const json_t *report, sb_action wanted)
{
	const char *action = json_string_value(json_object_get(report, "action"));

	return (wanted == SB_ACTION_QUARANTINE || wanted == SB_ACTION_REQUIRE_MANUAL_REVIEW) &&
	       action != NULL && strcmp(action, sb_action_name(SB_ACTION_BLOCK)) == 0 &&
	       json_is_null(json_object_get(report, "quarantine_id"));
}

static void tell_decision(explain *e, const json_t *report, const sb_policy_decision *got)
{
	const char *action = json_string_value(json_object_get(report, "action"));
	const char *rule =
		json_string_value(json_object_get(json_object_get(report, "rule"), "id"));

	sb_buf_printf(&e->out, "decision: %s by %s", sb_action_name(got->action),
		got->rule_id != NULL ? "rule " : "no rule");
	shown(&e->out, got->rule_id);
	sb_buf_text(&e->out, " (");
	shown(&e->out, got->reason);
	sb_buf_text(&e->out, ")\n");
	if (action != NULL && strcmp(action, sb_action_name(got->action)) == 0) {
		sb_buf_text(&e->out, "the report says the same\n");
		return;
	}
	if (is_stopped(report, got->action)) {
		sb_buf_text(
			&e->out, "the report says block: the content could not be quarantined\n");
		return;
	}
	sb_buf_text(&e->out, "the report differs: ");
	shown(&e->out, action);
	sb_buf_text(&e->out, rule != NULL ? " by rule " : " by no rule");
	shown(&e->out, rule);
	sb_buf_char(&e->out, '\n');
}

static void run(explain *e, const json_t *report, const char *policy)
{
	sb_policy_decision got;

	sb_policy_evaluate(e->policy, e->facts, &got);
	if (e->as_json) {
		sb_json_object(&e->json, NULL);
		sb_json_text(&e->json, "report", json_string_value(json_object_get(report, "id")));
		sb_json_text(&e->json, "policy", policy);
		explain_rules(e);
		tell_decision_json(e, report, &got);
		sb_json_end_object(&e->json);
		sb_buf_char(&e->out, '\n');
		return;
	}
	sb_buf_text(&e->out, "report ");
	shown(&e->out, json_string_value(json_object_get(report, "id")));
	sb_buf_text(&e->out, ": ");
	shown(&e->out, e->facts->name);
	sb_buf_printf(&e->out, ", %s%s%s; policy: ", sb_outcome_name(e->facts->outcome),
		e->facts->error_kind != SB_KIND_NONE ? " " : "",
		e->facts->error_kind != SB_KIND_NONE ? sb_kind_name(e->facts->error_kind) : "");
	shown(&e->out, policy);
	sb_buf_char(&e->out, '\n');
	explain_rules(e);
	tell_decision(e, report, &got);
}

static int explain_report(const sb_loaded_policy *loaded, const json_t *report, bool as_json)
{
	explain e = {.policy = loaded->policy, .as_json = as_json};
	sb_known_facts known;
	const char *wrong;
	sb_arena arena;
	int status = SB_EXIT_OK;

	sb_arena_init(&arena, MAX_OUT);
	wrong = sb_facts_from_report(&known, report, loaded->min_assurance, &arena);
	sb_buf_init(&e.out, MAX_OUT);
	e.json = sb_json_on(&e.out);
	e.facts = &known.facts;
	if (wrong == NULL)
		run(&e, report, loaded->name);
	if (wrong == NULL && e.out.failed)
		wrong = "out of memory";
	if (wrong != NULL) {
		sb_log(SB_LOG_ERROR, "%s", wrong);
		status = SB_EXIT_FAILED;
	} else {
		fwrite(e.out.data, 1, e.out.length, stdout);
	}
	sb_buf_done(&e.out);
	sb_arena_done(&arena);
	return status;
}

/* All of standard input, up to the limit. */
static char *read_input(size_t *length)
{
	sb_buf text;
	size_t got = 1;

	sb_buf_init(&text, MAX_REPORT);
	while (got > 0 && !text.failed) {
		char *room = sb_buf_reserve(&text, 65536);
		got = room != NULL ? fread(room, 1, 65536, stdin) : 0;
		text.length += got;
	}
	*length = text.length;
	if (text.length == 0)
		errno = text.failed ? EFBIG : EINVAL;
	return sb_buf_take(&text);
}

static json_t *read_report(const char *path)
{
	size_t length = 0;
	char *text = strcmp(path, "-") == 0 ? read_input(&length)
					    : sb_read_file(path, MAX_REPORT, &length);
	json_t *report = NULL;
	json_error_t error;

	if (text == NULL) {
		sb_log(SB_LOG_ERROR, "%.512s: %s", path, strerror(errno));
		return NULL;
	}
	report = json_loadb(text, length, JSON_ALLOW_NUL, &error);
	if (report == NULL)
		sb_log(SB_LOG_ERROR, "%.512s: no JSON: line %d: %s", path, error.line, error.text);
	free(text);
	return report;
}

int sb_cmd_policy_explain(const sb_globals *globals, const void *data, char **words, size_t count)
{
	const sb_policy_settings *settings = data;
	sb_loaded_policy loaded;
	json_t *report;
	int status = SB_EXIT_FAILED;

	(void)count;
	if (!sb_cli_policy(&loaded, globals, settings->policy))
		return SB_EXIT_FAILED;
	report = read_report(words[0]);
	if (report != NULL)
		status = explain_report(&loaded, report, settings->json != 0);
	json_decref(report);
	sb_cli_policy_done(&loaded);
	return sb_cli_flushed(status);
}
