/* SPDX-License-Identifier: MIT */
/*
 * Rules by priority, the first that matches decides, none means block. How conditions are read is
 * conditions.c's business. Two doubts are left, and read against allowing as well: some errors can
 * be allowed by nobody, and an action outside the enumeration blocks.
 */
#include "policy/policy.h"

#include <stdlib.h>
#include <string.h>

#include "policy/causes.h"

struct sb_policy {
	const char *name;
	const sb_rule *rules; /* in the order of evaluation, each with its reason */
	size_t count;
};

/* --- Presets ----------------------------------------------------------------------------- */

#define RULE(which, title, outcome, what, why)                                                     \
	{                                                                                          \
		.id = which, .name = title, .enabled = true, .when.given = SB_WHEN_OUTCOME,        \
		.when.outcomes = 1u << (outcome), .action = (what), .reason = why                  \
	}
#define INFECTED(what)                                                                             \
	RULE("infected", "Infected files", SB_OUTCOME_INFECTED, what, "a threat was found")
#define SUSPICIOUS(what)                                                                           \
	RULE("suspicious", "Suspicious files", SB_OUTCOME_SUSPICIOUS, what,                        \
		"something suspicious was found")
#define ERROR(what)                                                                                \
	RULE("error", "Files that could not be scanned", SB_OUTCOME_ERROR, what,                   \
		"the content could not be scanned")
#define CLEAN(what) RULE("clean", "Clean files", SB_OUTCOME_CLEAN, what, "no threat was found")

static const sb_rule default_rules[] = {INFECTED(SB_ACTION_QUARANTINE),
	SUSPICIOUS(SB_ACTION_REQUIRE_MANUAL_REVIEW), ERROR(SB_ACTION_BLOCK),
	CLEAN(SB_ACTION_ALLOW)};
static const sb_rule strict_rules[] = {INFECTED(SB_ACTION_QUARANTINE), SUSPICIOUS(SB_ACTION_BLOCK),
	ERROR(SB_ACTION_BLOCK), CLEAN(SB_ACTION_ALLOW)};
static const sb_rule monitor_rules[] = {INFECTED(SB_ACTION_ALLOW_WITH_WARNING),
	SUSPICIOUS(SB_ACTION_ALLOW_WITH_WARNING), ERROR(SB_ACTION_ALLOW_WITH_WARNING),
	CLEAN(SB_ACTION_ALLOW)};

/* Mail is encrypted for honest reasons, too: somebody looks, be it that the scan could not be
 * completed for it, or that an engine which decides nothing met it in clean content. */
static const sb_rule mail_rules[] = {INFECTED(SB_ACTION_QUARANTINE),
	SUSPICIOUS(SB_ACTION_QUARANTINE),
	{.id = "encrypted",
		.name = "Encrypted files",
		.enabled = true,
		.when.given = SB_WHEN_ERROR_KIND,
		.when.error_kinds = 1u << SB_KIND_ENCRYPTED,
		.action = SB_ACTION_REQUIRE_MANUAL_REVIEW,
		.reason = "encrypted content could not be scanned"},
	{.id = "encrypted_part",
		.name = "Files with encrypted parts",
		.enabled = true,
		.when.given = SB_WHEN_OUTCOME | SB_WHEN_CONTAINER_FACTS,
		.when.outcomes = 1u << SB_OUTCOME_CLEAN,
		.when.container = {.present = SB_FACT_ENCRYPTED},
		.action = SB_ACTION_REQUIRE_MANUAL_REVIEW,
		.reason = "an encrypted part could not be scanned"},
	ERROR(SB_ACTION_BLOCK), CLEAN(SB_ACTION_ALLOW)};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const sb_policy presets[] = {
	{"default", default_rules, COUNT(default_rules)},
	{"strict", strict_rules, COUNT(strict_rules)},
	{"monitor", monitor_rules, COUNT(monitor_rules)},
	{"mail", mail_rules, COUNT(mail_rules)},
};

const sb_policy *sb_policy_preset(const char *name)
{
	for (size_t i = 0; i < COUNT(presets); i++)
		if (strcmp(presets[i].name, name) == 0)
			return &presets[i];
	return NULL;
}

const char *sb_policy_name(const sb_policy *policy)
{
	return policy->name;
}

const sb_rule *sb_policy_rules(const sb_policy *policy, size_t *count)
{
	*count = policy->count;
	return policy->rules;
}

static unsigned asked(const sb_conditions *when)
{
	const struct sb_conditions_list *nested[] = {&when->all, &when->any, &when->none};
	unsigned bits = when->given;

	if ((bits & SB_WHEN_NEVER) != 0)
		return 0;
	for (size_t n = 0; n < COUNT(nested); n++)
		for (size_t i = 0; i < nested[n]->count; i++)
			bits |= asked(&nested[n]->items[i]);
	return bits;
}

unsigned sb_policy_asks(const sb_policy *policy)
{
	unsigned bits = 0;

	for (size_t i = 0; i < policy->count; i++)
		if (policy->rules[i].enabled)
			bits |= asked(&policy->rules[i].when);
	return bits;
}

/* --- Evaluation -------------------------------------------------------------------------- */

/* Why such an error can be allowed by no rule; NULL when one may. */
static const char *never_allowed(unsigned kinds)
{
	static const struct {
		sb_kind kind;
		const char *why;
	} never[] = {
		{SB_KIND_AUDIT_FAILED, "audit_failed can be allowed by no rule"},
		{SB_KIND_CANCELLED, "cancelled can be allowed by no rule"},
		{SB_KIND_INTERNAL, "internal can be allowed by no rule"},
	};

	for (size_t i = 0; i < COUNT(never); i++)
		if ((kinds >> never[i].kind & 1) != 0)
			return never[i].why;
	return NULL;
}

/* What may stand between an allowing rule and its action. */
static void restrain(sb_policy_decision *out, const sb_facts *facts)
{
	const char *never = never_allowed(sb_facts_causes(facts));

	if (never != NULL) {
		out->action = SB_ACTION_BLOCK;
		out->reason = never;
	} else if (facts->low_assurance) {
		out->action = SB_ACTION_ALLOW_WITH_WARNING;
		out->reason =
			facts->assurance_reason != NULL ? facts->assurance_reason : "low assurance";
	}
}

void sb_policy_evaluate(const sb_policy *policy, const sb_facts *facts, sb_policy_decision *out)
{
	const sb_rule *rule = policy->rules, *end = rule + policy->count;

	*out = (sb_policy_decision){.action = SB_ACTION_BLOCK, .reason = "no rule matched"};
	while (rule < end && !(rule->enabled && sb_conditions_hold(&rule->when, facts,
							sb_reading_of(rule->action))))
		rule++;
	if (rule == end)
		return;
	out->rule_id = rule->id;
	out->rule_name = rule->name;
	out->reason = rule->reason;
	if (rule->action > SB_ACTION_NONE && rule->action < SB_ACTION_BLOCK)
		out->action = rule->action;
	if (sb_action_allows(out->action))
		restrain(out, facts);
	if (out->action == rule->action)
		out->message = rule->message;
}

/* --- Building ---------------------------------------------------------------------------- */

static bool copy_text(sb_arena *arena, const char **text)
{
	if (*text == NULL)
		return true;
	*text = sb_arena_text(arena, *text);
	return *text != NULL;
}

static bool copy_list(sb_arena *arena, sb_texts_list *list)
{
	const char **items = sb_arena_alloc(arena, (list->count + 1) * sizeof *items);

	if (items == NULL)
		return false;
	for (size_t i = 0; i < list->count; i++) {
		items[i] = list->items[i];
		if (!copy_text(arena, &items[i]))
			return false;
	}
	list->items = items;
	return true;
}

/* A rule that gives no reason gets one made from its name. */
static bool make_reason(sb_arena *arena, sb_rule *rule)
{
	const char *name = rule->name != NULL ? rule->name : rule->id;
	const char prefix[] = "rule: ";
	size_t length;
	char *reason;

	if (rule->reason != NULL)
		return copy_text(arena, &rule->reason);
	name = name != NULL ? name : "unnamed";
	length = strlen(name);
	reason = sb_arena_alloc(arena, sizeof prefix + length);
	if (reason == NULL)
		return false;
	memcpy(reason, prefix, sizeof prefix - 1);
	memcpy(reason + sizeof prefix - 1, name, length + 1);
	rule->reason = reason;
	return true;
}

static bool copy_metadata(sb_arena *arena, sb_conditions *when)
{
	sb_metadata_condition *copies =
		sb_arena_alloc(arena, (when->metadata_count + 1) * sizeof *copies);

	if (copies == NULL)
		return false;
	for (size_t i = 0; i < when->metadata_count; i++) {
		copies[i] = when->metadata[i];
		if (!copy_text(arena, &copies[i].key) || !copy_list(arena, &copies[i].values))
			return false;
	}
	when->metadata = copies;
	return true;
}

static bool copy_windows(sb_arena *arena, sb_conditions *when)
{
	sb_window *copies = sb_arena_alloc(arena, (when->window_count + 1) * sizeof *copies);

	for (size_t i = 0; copies != NULL && i < when->window_count; i++)
		copies[i] = when->windows[i];
	when->windows = copies;
	return copies != NULL;
}

static bool copy_conditions(sb_arena *arena, sb_conditions *when);

static bool copy_nested(sb_arena *arena, struct sb_conditions_list *list)
{
	sb_conditions *copies = sb_arena_alloc(arena, (list->count + 1) * sizeof *copies);

	if (copies == NULL)
		return false;
	for (size_t i = 0; i < list->count; i++) {
		copies[i] = list->items[i];
		if (!copy_conditions(arena, &copies[i]))
			return false;
	}
	list->items = copies;
	return true;
}

static bool copy_conditions(sb_arena *arena, sb_conditions *when)
{
	sb_texts_list *lists[] = {&when->threat_names, &when->threat_contains, &when->sources,
		&when->tenants, &when->users, &when->file_types, &when->mimes, &when->engines,
		&when->hashes.blake3, &when->hashes.sha256, &when->hashes.md5,
		&when->container.types};
	struct sb_conditions_list *nested[] = {&when->all, &when->any, &when->none};

	for (size_t i = 0; i < COUNT(lists); i++)
		if (!copy_list(arena, lists[i]))
			return false;
	for (size_t i = 0; i < COUNT(nested); i++)
		if (!copy_nested(arena, nested[i]))
			return false;
	return copy_metadata(arena, when) && copy_windows(arena, when);
}

static bool copy_rule(sb_arena *arena, sb_rule *rule)
{
	const char **texts[] = {
		&rule->id, &rule->name, &rule->description, &rule->message, &rule->origin};

	for (size_t i = 0; i < COUNT(texts); i++)
		if (!copy_text(arena, texts[i]))
			return false;
	return copy_conditions(arena, &rule->when) && make_reason(arena, rule);
}

/* Higher priority first; the addresses keep the order of the file. */
static int by_priority(const void *left, const void *right)
{
	const sb_rule *a = *(const sb_rule *const *)left, *b = *(const sb_rule *const *)right;

	int higher = (a->priority < b->priority) - (a->priority > b->priority);

	return higher != 0 ? higher : (a > b) - (a < b);
}

const sb_policy *sb_policy_new(
	const char *name, const sb_rule *rules, size_t count, sb_arena *arena)
{
	sb_policy *policy = sb_arena_alloc(arena, sizeof *policy);
	const sb_rule **order = sb_arena_alloc(arena, (count + 1) * sizeof *order);
	sb_rule *copies = sb_arena_alloc(arena, (count + 1) * sizeof *copies);

	if (policy == NULL || order == NULL || copies == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++)
		order[i] = &rules[i];
	qsort(order, count, sizeof *order, by_priority);
	for (size_t i = 0; i < count; i++) {
		copies[i] = *order[i];
		if (!copy_rule(arena, &copies[i]))
			return NULL;
	}
	*policy = (sb_policy){sb_arena_text(arena, name), copies, count};
	return policy->name != NULL ? policy : NULL;
}
