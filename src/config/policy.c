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

/* --- Conditions on the container ------------------------------------------------------------ */

static const char dotted[] = "container.";
enum { DOTTED = sizeof dotted - 1, MAX_KEYS = 48 };

/* Keys of `when` that its table does not have: `container`, its conditions written into `when`
 * itself, and those of later builds. */
static int other_keys(sb_reader *reader, const char *keys[MAX_KEYS])
{
	size_t n = 0;

	for (size_t i = 0; sb_absent_conditions[i] != NULL; i++)
		keys[n++] = sb_absent_conditions[i];
	keys[n++] = "container";
	for (const sb_setting *row = sb_when_container_rows; row->key != NULL; row++) {
		char *key = sb_arena_alloc(reader->arena, DOTTED + strlen(row->key) + 1);
		if (key == NULL)
			return sb_error_no_memory(reader->error);
		memcpy(key, dotted, DOTTED);
		memcpy(key + DOTTED, row->key, strlen(row->key) + 1);
		keys[n++] = key;
	}
	keys[n] = NULL;
	return 0;
}

static int add_condition(sb_reader *reader, sb_node *all, const sb_node *node, const char *key)
{
	sb_node *copy = sb_arena_alloc(reader->arena, sizeof *copy);

	if (copy == NULL)
		return sb_error_no_memory(reader->error);
	if (sb_node_get(all, key) != NULL)
		return sb_node_key_error(
			reader->error, node, "the condition \"container.%s\" is given twice", key);
	if (node->type == SB_NODE_LIST && node->count == 0)
		return sb_node_error(reader->error, node, "%s: the list is empty", key);
	*copy = *node;
	copy->key = key;
	copy->next = NULL;
	sb_node_append(all, copy);
	return 0;
}

/* Both spellings in one map; NULL: no condition of the kind. */
static int gather_container(sb_reader *reader, const sb_node *when, sb_node **out)
{
	const sb_node *map = sb_node_get(when, "container");
	sb_node *all = sb_node_new(reader->arena, SB_NODE_MAP, when->origin);
	int rc = all != NULL ? 0 : sb_error_no_memory(reader->error);

	if (rc == 0 && map != NULL && (map->type != SB_NODE_MAP || map->count == 0))
		rc = sb_node_error(reader->error, map,
			"container: a map of conditions expected, like {encrypted: true}");
	if (rc == 0 && map != NULL)
		for (const sb_node *n = map->first; rc == 0 && n != NULL; n = n->next)
			rc = add_condition(reader, all, n, n->key);
	for (const sb_node *n = when->first; rc == 0 && n != NULL; n = n->next)
		if (strncmp(n->key, dotted, DOTTED) == 0 && !sb_node_is_null(n))
			rc = add_condition(reader, all, n, n->key + DOTTED);
	*out = rc == 0 && all->count > 0 ? all : NULL;
	return rc;
}

static void fill_container(const sb_node *map, const sb_when_container *when, sb_rule *rule)
{
	for (unsigned i = 0; sb_when_container_rows[i].key != NULL; i++) {
		if (sb_node_get(map, sb_when_container_rows[i].key) == NULL)
			continue;
		if (i >= SB_CONTAINER_FACTS) {
			rule->given |= (unsigned)SB_WHEN_CONTAINER_TYPE << (i - SB_CONTAINER_FACTS);
			continue;
		}
		rule->given |= SB_WHEN_CONTAINER_FACTS;
		*(when->facts[i] ? &rule->container.present : &rule->container.absent) |= 1u << i;
	}
	rule->container.types = list_of(when->type);
	rule->container.depth_above = (unsigned)when->depth_above;
	rule->container.members_above = (uint64_t)when->members_above;
	rule->container.size_above = when->size_above;
}

static int read_container(sb_reader *reader, const sb_node *when, sb_rule *rule)
{
	sb_when_container values = {0};
	sb_table table = {sb_when_container_rows, &values};
	sb_node *map;
	int rc = gather_container(reader, when, &map);

	if (rc != 0 || map == NULL)
		return rc;
	rc = sb_settings_read(reader, map, "container", &table, 1, NULL);
	if (rc == 0)
		fill_container(map, &values, rule);
	return rc;
}

/* --- Rules ---------------------------------------------------------------------------------- */

static int check_file_types(sb_reader *reader, const sb_node *when, const sb_texts *types)
{
	char shown[SB_SHOWN];

	for (size_t i = 0; i < types->count; i++)
		if (types->items[i][0] == '\0' || strchr(types->items[i], '.') != NULL)
			return sb_node_error(reader->error, sb_node_get(when, "file_type"),
				"file_type: \"%s\": what stands behind the last dot expected, "
				"without the dot",
				sb_shown(shown, types->items[i]));
	return 0;
}

/* The keys of the table, and the refusal of those that this build lacks. */
static int read_when_keys(sb_reader *reader, const sb_node *node, sb_when *when)
{
	const char *others[MAX_KEYS];
	sb_table table = {sb_when_rows, when};
	const sb_node *child;
	int rc = other_keys(reader, others);

	if (rc == 0)
		rc = sb_settings_read(reader, node, "when", &table, 1, others);
	for (size_t i = 0; rc == 0 && sb_absent_conditions[i] != NULL; i++)
		if ((child = sb_node_get(node, sb_absent_conditions[i])) != NULL)
			return sb_node_key_error(reader->error, child,
				"the condition \"%s\" is not available in this build", child->key);
	return rc == 0 ? check_file_types(reader, node, &when->file_type) : rc;
}

static int read_when(sb_reader *reader, const sb_node *node, sb_rule *rule)
{
	sb_when *when = sb_arena_zalloc(reader->arena, sizeof *when);
	const sb_node *child;
	int rc;

	if (when == NULL)
		return sb_error_no_memory(reader->error);
	rc = read_when_keys(reader, node, when);
	if (rc == 0)
		rc = read_container(reader, node, rule);
	if (rc != 0)
		return rc;
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
	rule->file_types = list_of(when->file_type);
	rule->mimes = list_of(when->mime);
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
		rc = read_rule(reader, node, &rules[n]);
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
