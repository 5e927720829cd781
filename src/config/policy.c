/* SPDX-License-Identifier: MIT */
/* The policy section: presets, rules, policy files. */
#include "config/built.h"

#include <string.h>

#include "util/text.h"

enum { MAX_RULES = 1000 };

/* Names of an enumeration into a bit each. */
typedef bool (*bit_of)(const char *name, unsigned *bit);

static bool outcome_bit(const char *name, unsigned *bit)
{
	sb_outcome outcome;

	if (!sb_outcome_from_name(name, &outcome))
		return false;
	*bit = (unsigned)outcome;
	return true;
}

static bool kind_bit(const char *name, unsigned *bit)
{
	sb_kind kind;

	if (!sb_kind_from_name(name, &kind) || kind == SB_KIND_NONE)
		return false;
	*bit = (unsigned)kind;
	return true;
}

static bool class_bit(const char *name, unsigned *bit)
{
	for (unsigned c = SB_CLASS_CONTENT; c <= SB_CLASS_INTERNAL; c++)
		if (strcmp(sb_class_name((sb_class)c), name) == 0) {
			*bit = c;
			return true;
		}
	return false;
}

static int read_bits(sb_reader *reader, const sb_node *when, const char *key, const sb_texts *names,
	bit_of of, unsigned *bits)
{
	const sb_node *node = sb_node_get(when, key);
	char shown[SB_SHOWN];
	unsigned bit;

	for (size_t i = 0; i < names->count; i++) {
		if (!of(names->items[i], &bit))
			return sb_node_error(reader->error, node, "%s: \"%s\" is unknown", key,
				sb_shown(shown, names->items[i]));
		*bits |= 1u << bit;
	}
	return 0;
}

static sb_texts_list list_of(sb_texts texts)
{
	return (sb_texts_list){texts.items, texts.count};
}

static int read_when(sb_reader *reader, const sb_node *node, sb_rule *rule)
{
	sb_when *when = sb_arena_zalloc(reader->arena, sizeof *when);
	sb_table table = {sb_when_rows, when};
	const sb_node *child;
	int rc;

	if (when == NULL)
		return sb_error_no_memory(reader->error);
	rc = sb_settings_read(reader, node, "when", &table, 1, sb_absent_conditions);
	if (rc != 0)
		return rc;
	for (size_t i = 0; sb_absent_conditions[i] != NULL; i++)
		if ((child = sb_node_get(node, sb_absent_conditions[i])) != NULL)
			return sb_node_key_error(reader->error, child,
				"the condition \"%s\" is not available in this build", child->key);
	for (unsigned i = 0; sb_when_rows[i].key != NULL; i++) {
		child = sb_node_get(node, sb_when_rows[i].key);
		if (child == NULL)
			continue;
		if (child->type == SB_NODE_LIST && child->count == 0)
			return sb_node_error(
				reader->error, child, "%s: the list is empty", child->key);
		rule->given |= 1u << i;
	}
	if (rule->given == 0)
		return sb_node_error(reader->error, node,
			"a rule needs a condition; write {always: true} for one that always holds");
	child = sb_node_get(node, when->always ? "never" : "always");
	if (child != NULL || ((rule->given & SB_WHEN_NEVER) != 0 && !when->never))
		return sb_node_error(reader->error, child != NULL ? child : node,
			"always and never can only be true, and not both");
	rule->given &= ~((unsigned)SB_WHEN_NEVER << 1); /* always: no condition */
	rule->severity_at_least = (sb_severity)(when->severity_at_least + SB_SEVERITY_LOW);
	rule->threat_names = list_of(when->threat_name);
	rule->threat_contains = list_of(when->threat_contains);
	rule->sources = list_of(when->source);
	rule->tenants = list_of(when->tenant);
	rule->users = list_of(when->user);
	rule->size_above = when->size_above;
	rule->size_below = when->size_below;
	rule->detections_at_least = (unsigned)when->detections_at_least;
	rc = read_bits(reader, node, "outcome", &when->outcome, outcome_bit, &rule->outcomes);
	if (rc == 0)
		rc = read_bits(reader, node, "error_kind", &when->error_kind, kind_bit,
			&rule->error_kinds);
	if (rc == 0)
		rc = read_bits(reader, node, "error_class", &when->error_class, class_bit,
			&rule->error_classes);
	return rc;
}

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

static int read_rule(sb_reader *reader, const sb_node *node, sb_rule *rule)
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
	if (when == NULL || then == NULL)
		return sb_node_error(reader->error, node, "rule: \"%s\" is missing",
			when == NULL ? "when" : "then");
	rc = read_when(reader, when, rule);
	return rc == 0 ? read_then(reader, then, rule) : rc;
}

/* What a preset would do, as rules: asked of the preset itself, which looks only at the
 * outcome, so that there is one truth about it. */
static size_t preset_rules(const sb_policy *preset, sb_rule out[4])
{
	static const sb_outcome order[] = {
		SB_OUTCOME_INFECTED, SB_OUTCOME_SUSPICIOUS, SB_OUTCOME_ERROR, SB_OUTCOME_CLEAN};

	for (size_t i = 0; i < 4; i++) {
		sb_facts facts = {.outcome = order[i],
			.error_kind =
				order[i] == SB_OUTCOME_ERROR ? SB_KIND_TIMEOUT : SB_KIND_NONE};
		sb_policy_decision decision;
		sb_policy_evaluate(preset, &facts, &decision);
		out[i] = (sb_rule){.id = decision.rule_id,
			.name = decision.rule_name,
			.priority = INT64_MIN,
			.enabled = true,
			.given = SB_WHEN_OUTCOME,
			.outcomes = 1u << order[i],
			.action = decision.action,
			.reason = decision.reason};
	}
	return 4;
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
	sb_rule tail[4], *rules;
	size_t behind = preset != NULL ? preset_rules(preset, tail) : 0, n = 0;
	int rc;

	if (list->type != SB_NODE_LIST)
		return sb_node_error(reader->error, list, "policy.rules: a list of rules expected");
	if (list->count > MAX_RULES)
		return sb_node_error(reader->error, list, "policy.rules: more than 1000 rules");
	rules = sb_arena_zalloc(reader->arena, (list->count + behind + 1) * sizeof *rules);
	if (rules == NULL)
		return sb_error_no_memory(reader->error);
	for (const sb_node *node = list->first; node != NULL; node = node->next, n++) {
		rc = read_rule(reader, node, &rules[n]);
		if (rc == 0)
			rc = check_id(reader, node, rules, n, rules[n].id);
		if (rc == 0)
			rc = check_id(reader, node, tail, behind, rules[n].id);
		if (rc != 0)
			return rc;
	}
	memcpy(rules + n, tail, behind * sizeof *rules);
	built->rules = rules;
	built->rule_count = n;
	built->own_rules = true;
	built->conf.policy = sb_policy_new("rules", rules, n + behind, reader->arena);
	return built->conf.policy != NULL ? 0 : sb_error_no_memory(reader->error);
}

static int read_tests(sb_reader *reader, const sb_node *tests)
{
	if (tests == NULL)
		return 0;
	if (tests->type != SB_NODE_LIST)
		return sb_node_error(reader->error, tests, "tests: a list of tests expected");
	for (const sb_node *test = tests->first; test != NULL; test = test->next)
		if (test->type != SB_NODE_MAP)
			return sb_node_error(
				reader->error, test, "tests: each test must be a map of keys");
	return 0;
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
		if (preset == NULL && strcmp(preset_name, "mail") == 0)
			return sb_node_error(reader->error, sb_node_get(map, "preset"),
				"the policy preset mail is not available in this build");
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

static int read_file(sb_reader *reader, const char *path, sb_built *built)
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
		rc = read_tests(reader, sb_node_get(root, "tests"));
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
	return read_file(reader, built->values.policy.file, built);
}
