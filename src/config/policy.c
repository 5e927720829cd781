/* SPDX-License-Identifier: MIT */
/* The policy section: presets, rules, policy files. */
#include "config/built.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/text.h"

enum { MAX_RULES = 1000, FILE_BYTES = 64 << 20 };

static int read_then(sb_reader *reader, const sb_node *node, sb_rule *rule)
{
	sb_ignore_values then = {NULL}; /* action, reason, message */
	sb_table table = {sb_then_rows, &then};
	const sb_node *action = node;
	char shown[SB_SHOWN];
	int rc = 0;

	if (node->type == SB_NODE_SCALAR) {
		then.engine = node->text;
	} else {
		rc = sb_settings_read(reader, node, "then", &table, 1, NULL);
		action = sb_node_get(node, "action");
	}
	if (rc != 0)
		return rc;
	if (!sb_action_from_name(then.engine, &rule->action) || rule->action == SB_ACTION_NONE)
		return sb_node_error(reader->error, action,
			"then: \"%s\" is no action; possible: allow, allow_with_warning, "
			"require_manual_review, quarantine, block",
			sb_shown(shown, then.engine));
	rule->reason = then.reason;
	rule->message = then.threat;
	return 0;
}

int sb_build_origin(sb_reader *reader, const sb_node *node, const char **out)
{
	char text[32];
	size_t length = strlen(node->origin->name);
	char *origin = sb_arena_alloc(reader->arena, length + sizeof text);

	if (origin == NULL)
		return sb_error_no_memory(reader->error);
	memcpy(origin, node->origin->name, length);
	snprintf(origin + length, sizeof text, ":%d:%d", node->line, node->column);
	*out = origin;
	return 0;
}

int sb_build_rule(sb_reader *reader, const sb_node *node, sb_rule *rule)
{
	static const char *const others[] = {"when", "then", NULL};
	sb_table table = {sb_rule_rows, rule};
	const sb_node *when, *then;
	int rc;

	rc = sb_settings_read(reader, node, "rule", &table, 1, others);
	if (rc != 0)
		return rc;
	when = sb_node_get(node, "when");
	then = sb_node_get(node, "then");
	if (rule->id[0] == '\0')
		return sb_node_error(reader->error, sb_node_get(node, "id"), "the id is empty");
	if (then == NULL)
		return sb_node_error(reader->error, node, "rule: \"then\" is missing");
	rc = sb_build_origin(reader, node, &rule->origin);
	rule->bare = when == NULL; /* no condition is none that fails */
	if (rc == 0 && when != NULL)
		rc = sb_build_when(reader, when, &rule->when);
	return rc == 0 ? read_then(reader, then, rule) : rc;
}

static int check_id(
	sb_reader *reader, const sb_node *node, const sb_rule *rules, size_t count, const char *id)
{
	char shown[SB_SHOWN];

	for (size_t i = 0; i < count; i++)
		if (strcmp(rules[i].id, id) == 0)
			return sb_node_error(reader->error, sb_node_get(node, "id"),
				"duplicate rule id \"%s\"", sb_shown(shown, id));
	return 0;
}

static int read_rules(
	sb_reader *reader, const sb_node *list, const sb_policy *preset, sb_built *built)
{
	const sb_rule *tail = NULL;
	sb_rule *rules;
	size_t behind = 0, n = 0;
	int rc;

	if (preset != NULL)
		tail = sb_policy_rules(preset, &behind);

	if (list->type != SB_NODE_LIST)
		return sb_node_error(reader->error, list, "policy.rules: a list of rules expected");
	if (list->count > MAX_RULES)
		return sb_node_error(reader->error, list, "policy.rules: more than 1000 rules");
	rules = sb_arena_zalloc(reader->arena, (list->count + behind + 1) * sizeof *rules);
	if (rules == NULL)
		return sb_error_no_memory(reader->error);
	for (const sb_node *node = list->first; node != NULL; node = node->next, n++) {
		rc = sb_build_rule(reader, node, &rules[n]);
		if (rc == 0)
			rc = check_id(reader, node, rules, n, rules[n].id);
		if (rc == 0)
			rc = check_id(reader, node, tail, behind, rules[n].id);
		if (rc != 0)
			return rc;
	}
	for (size_t i = 0; i < behind; i++) {
		rules[n + i] = tail[i];
		rules[n + i].priority = INT64_MIN;
	}
	built->rules = rules;
	built->rule_count = n;
	built->own_rules = true;
	built->conf.policy = sb_policy_new("rules", rules, n + behind, reader->arena);
	return built->conf.policy != NULL ? 0 : sb_error_no_memory(reader->error);
}

/* The section, or a whole policy file. */
static int read_policy(
	sb_reader *reader, const sb_node *map, const char *preset_name, sb_built *built)
{
	static const char *const presets[] = {"default", "strict", "monitor", "mail", NULL};
	const sb_node *rules = sb_node_get(map, "rules");
	const sb_policy *preset = NULL;
	char shown[SB_SHOWN], tail[SB_SHOWN];

	if (preset_name == NULL && rules == NULL)
		preset_name = "default";
	if (preset_name != NULL) {
		preset = sb_policy_preset(preset_name);
		if (preset == NULL)
			return sb_node_error(reader->error, sb_node_get(map, "preset"),
				"policy.preset: \"%s\" is unknown; possible: default, strict, "
				"monitor, mail%s",
				sb_shown(shown, preset_name),
				sb_did_you_mean(tail, preset_name, presets));
	}
	built->preset = preset_name;
	if (rules != NULL)
		return read_rules(reader, rules, preset, built);
	built->conf.policy = preset;
	return 0;
}

static int read_file(sb_reader *reader, const char *path, sb_built *built, sb_policy_file *file)
{
	static const sb_setting rows[] = {
		{.key = "preset", .type = SB_SETTING_TEXT, .offset = 0}, {.key = NULL}};
	static const char *const others[] = {"rules", "tests", NULL};
	const char *preset = NULL;
	sb_table table = {rows, &preset};
	const sb_node *root = sb_document_read(reader->arena, path, reader->error);
	int rc;

	if (root == NULL)
		return -1;
	if (root->type != SB_NODE_MAP)
		return sb_node_error(reader->error, root, "a policy file must be a map of keys");
	rc = sb_settings_read(reader, root, "", &table, 1, others);
	if (rc == 0)
		rc = sb_build_tests(reader, sb_node_get(root, "tests"), file);
	return rc == 0 ? read_policy(reader, root, preset, built) : rc;
}

int sb_build_policy(sb_reader *reader, const sb_config *config, sb_built *built)
{
	const sb_node *map = sb_node_get(config->root, "policy");
	const sb_node *file = sb_node_get(map, "file");

	if (file == NULL)
		return read_policy(reader, map, built->values.policy.preset, built);
	if (sb_node_get(map, "preset") != NULL || sb_node_get(map, "rules") != NULL)
		return sb_node_error(reader->error, file,
			"policy.file stands alone: put preset and rules into the file");
	return read_file(reader, built->values.policy.file, built, &(sb_policy_file){0});
}

/* --- A file alone --------------------------------------------------------------------------- */

/* The file first: whoever has it frees the whole. */
struct alone {
	sb_policy_file file;
	sb_built built;
};

int sb_policy_file_read(sb_policy_file **out, const char *path, sb_error *error)
{
	struct alone *alone = calloc(1, sizeof *alone);
	sb_reader reader = {.error = error};
	int rc;

	if (alone == NULL)
		return sb_error_no_memory(error);
	sb_arena_init(&alone->file.arena, FILE_BYTES);
	reader.arena = &alone->file.arena;
	rc = read_file(&reader, path, &alone->built, &alone->file);
	if (rc != 0) {
		sb_policy_file_free(&alone->file);
		return rc;
	}
	alone->file.policy = alone->built.conf.policy;
	*out = &alone->file;
	return 0;
}

void sb_policy_file_free(sb_policy_file *file)
{
	if (file == NULL)
		return;
	sb_arena_done(&file->arena);
	free(file); /* the first member of what was allocated */
}
