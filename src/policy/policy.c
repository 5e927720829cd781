/* SPDX-License-Identifier: MIT */
/*
 * Rules by priority, the first that matches decides, none means block. A condition is a
 * function in a table, a rule is the set of conditions that it gives. Three doubts are always
 * read against allowing: a rule that allows must be right about every threat, not about one;
 * some errors can be allowed by nobody; and an action outside the enumeration blocks.
 */
#include "policy/policy.h"

#include <stdlib.h>
#include <string.h>

#include "util/text.h"

struct sb_policy {
	const char *name;
	const sb_rule *rules; /* in the order of evaluation, each with its reason */
	size_t count;
};

/* --- Presets ----------------------------------------------------------------------------- */

#define RULE(which, title, outcome, what, why)                                                     \
	{                                                                                          \
		.id = which, .name = title, .enabled = true, .given = SB_WHEN_OUTCOME,             \
		.outcomes = 1u << (outcome), .action = (what), .reason = why                       \
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
		.given = SB_WHEN_ERROR_KIND,
		.error_kinds = 1u << SB_KIND_ENCRYPTED,
		.action = SB_ACTION_REQUIRE_MANUAL_REVIEW,
		.reason = "encrypted content could not be scanned"},
	{.id = "encrypted_part",
		.name = "Files with encrypted parts",
		.enabled = true,
		.given = SB_WHEN_OUTCOME | SB_WHEN_CONTAINER_FACTS,
		.outcomes = 1u << SB_OUTCOME_CLEAN,
		.container = {.present = SB_FACT_ENCRYPTED},
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

bool sb_policy_looks_at(const sb_policy *policy, enum sb_condition condition)
{
	for (size_t i = 0; i < policy->count; i++) {
		const sb_rule *rule = &policy->rules[i];
		if (rule->enabled && (rule->given & SB_WHEN_NEVER) == 0 &&
			(rule->given & condition) != 0)
			return true;
	}
	return false;
}

/* --- Conditions -------------------------------------------------------------------------- */

/* An error without a kind, or an outcome that is none, is our own fault. */
static sb_outcome outcome_of(const sb_facts *facts)
{
	return (unsigned)facts->outcome <= SB_OUTCOME_SUSPICIOUS ? facts->outcome
								 : SB_OUTCOME_ERROR;
}

/* SB_KIND_NONE unless the outcome is error. */
static sb_kind kind_of(const sb_facts *facts)
{
	if (outcome_of(facts) != SB_OUTCOME_ERROR)
		return SB_KIND_NONE;
	return facts->error_kind > SB_KIND_NONE && facts->error_kind < SB_KIND_COUNT_
		       ? facts->error_kind
		       : SB_KIND_INTERNAL;
}

/* All kinds that the error is owed to; none unless the outcome is error. */
static unsigned kinds_of(const sb_facts *facts)
{
	sb_kind kind = kind_of(facts);

	return kind == SB_KIND_NONE ? 0 : facts->error_kinds | 1u << kind;
}

/* One threat is enough for a rule that is strict; a rule that allows must hold for all of
 * them, and needs one: about no threat nothing can be said. */
static bool any_or_every_threat(const sb_rule *rule, const sb_facts *facts,
	bool (*matches)(const sb_rule *, const sb_facts *, size_t))
{
	bool every = sb_action_allows(rule->action);

	for (size_t i = 0; i < facts->threat_count; i++)
		if (matches(rule, facts, i) != every)
			return !every;
	return every && facts->threat_count > 0;
}

static bool threat_is_severe(const sb_rule *rule, const sb_facts *facts, size_t i)
{
	return facts->threat_severities[i] >= rule->severity_at_least;
}

static bool threat_is_named(const sb_rule *rule, const sb_facts *facts, size_t i)
{
	const char *name = facts->threat_names[i];

	for (size_t k = 0; k < rule->threat_names.count; k++)
		if (sb_glob(rule->threat_names.items[k], name, strlen(name), true))
			return true;
	return false;
}

static bool threat_contains(const sb_rule *rule, const sb_facts *facts, size_t i)
{
	for (size_t k = 0; k < rule->threat_contains.count; k++)
		if (strcasestr(facts->threat_names[i], rule->threat_contains.items[k]) != NULL)
			return true;
	return false;
}

static bool is_one_of(const char *text, const sb_texts_list *list)
{
	for (size_t i = 0; text != NULL && i < list->count; i++)
		if (strcmp(list->items[i], text) == 0)
			return true;
	return false;
}

static bool when_outcome(const sb_rule *rule, const sb_facts *facts)
{
	return (rule->outcomes >> outcome_of(facts) & 1) != 0;
}

static bool when_severity(const sb_rule *rule, const sb_facts *facts)
{
	return any_or_every_threat(rule, facts, threat_is_severe);
}

/* As with threats: one engine's encrypted file must not let another engine's timeout pass. */
static bool any_or_every_kind(const sb_rule *rule, const sb_facts *facts, unsigned meant)
{
	unsigned kinds = kinds_of(facts);

	return (kinds & meant) != 0 && (!sb_action_allows(rule->action) || (kinds & ~meant) == 0);
}

static bool when_error_kind(const sb_rule *rule, const sb_facts *facts)
{
	return any_or_every_kind(rule, facts, rule->error_kinds);
}

static bool when_error_class(const sb_rule *rule, const sb_facts *facts)
{
	unsigned kinds = 0;

	for (unsigned kind = SB_KIND_NONE + 1; kind < SB_KIND_COUNT_; kind++)
		kinds |= (rule->error_classes >> sb_kind_class((sb_kind)kind) & 1) << kind;
	return any_or_every_kind(rule, facts, kinds);
}

static bool when_threat_name(const sb_rule *rule, const sb_facts *facts)
{
	return any_or_every_threat(rule, facts, threat_is_named);
}

static bool when_threat_contains(const sb_rule *rule, const sb_facts *facts)
{
	return any_or_every_threat(rule, facts, threat_contains);
}

static bool when_source(const sb_rule *rule, const sb_facts *facts)
{
	return is_one_of(facts->source, &rule->sources);
}

static bool when_tenant(const sb_rule *rule, const sb_facts *facts)
{
	return is_one_of(facts->tenant, &rule->tenants);
}

static bool when_user(const sb_rule *rule, const sb_facts *facts)
{
	return is_one_of(facts->user, &rule->users);
}

static bool when_size_above(const sb_rule *rule, const sb_facts *facts)
{
	return facts->size > rule->size_above;
}

static bool when_size_below(const sb_rule *rule, const sb_facts *facts)
{
	return facts->size < rule->size_below;
}

static bool when_detections(const sb_rule *rule, const sb_facts *facts)
{
	return facts->detections >= rule->detections_at_least;
}

/* What stands behind the name's last dot. Trailing dots and spaces are none of it: where such
 * names are written, they are dropped. */
static bool when_file_type(const sb_rule *rule, const sb_facts *facts)
{
	const char *name = facts->name;
	size_t end = name != NULL ? facts->name_length : 0, start;

	while (end > 0 && (name[end - 1] == '.' || name[end - 1] == ' '))
		end--;
	for (start = end; start > 0 && name[start - 1] != '.'; start--)
		if (name[start - 1] == '/' || name[start - 1] == '\\')
			return false;
	for (size_t i = 0; start > 0 && i < rule->file_types.count; i++)
		if (strlen(rule->file_types.items[i]) == end - start &&
			strncasecmp(rule->file_types.items[i], name + start, end - start) == 0)
			return true;
	return false;
}

static bool when_mime(const sb_rule *rule, const sb_facts *facts)
{
	for (size_t i = 0; facts->mime != NULL && i < rule->mimes.count; i++)
		if (sb_glob(rule->mimes.items[i], facts->mime, strlen(facts->mime), true))
			return true;
	return false;
}

static bool when_container_type(const sb_rule *rule, const sb_facts *facts)
{
	const char *type = facts->container != NULL ? facts->container->type : NULL;

	for (size_t i = 0; type != NULL && i < rule->container.types.count; i++)
		if (strcasecmp(rule->container.types.items[i], type) == 0)
			return true;
	return false;
}

/* Whether facts that nobody saw are known not to be there: what can't be read may be anything,
 * and behind a limit there may be anything. */
static bool is_proven(unsigned absent, unsigned seen)
{
	const unsigned unread = SB_FACT_ENCRYPTED | SB_FACT_CORRUPT | SB_FACT_UNSUPPORTED;

	if ((seen & SB_FACT_LIMIT) != 0)
		return absent == 0;
	return (seen & unread) == 0 || (absent & ~(unread | SB_FACT_LIMIT)) == 0;
}

static bool when_container_facts(const sb_rule *rule, const sb_facts *facts)
{
	unsigned present = rule->container.present, absent = rule->container.absent, seen;

	if (facts->container == NULL)
		return false;
	seen = facts->container->facts;
	return (seen & present) == present && (seen & absent) == 0 &&
	       (!sb_action_allows(rule->action) || is_proven(absent, seen));
}

static bool when_container_depth(const sb_rule *rule, const sb_facts *facts)
{
	return facts->container != NULL && facts->container->depth > rule->container.depth_above;
}

static bool when_container_members(const sb_rule *rule, const sb_facts *facts)
{
	return facts->container != NULL &&
	       facts->container->members > rule->container.members_above;
}

static bool when_container_size(const sb_rule *rule, const sb_facts *facts)
{
	return facts->container != NULL && facts->container->bytes > rule->container.size_above;
}

static const struct {
	unsigned bit;
	bool (*holds)(const sb_rule *, const sb_facts *);
} conditions[] = {
	{SB_WHEN_OUTCOME, when_outcome},
	{SB_WHEN_SEVERITY, when_severity},
	{SB_WHEN_ERROR_KIND, when_error_kind},
	{SB_WHEN_ERROR_CLASS, when_error_class},
	{SB_WHEN_THREAT_NAME, when_threat_name},
	{SB_WHEN_THREAT_CONTAINS, when_threat_contains},
	{SB_WHEN_SOURCE, when_source},
	{SB_WHEN_TENANT, when_tenant},
	{SB_WHEN_USER, when_user},
	{SB_WHEN_SIZE_ABOVE, when_size_above},
	{SB_WHEN_SIZE_BELOW, when_size_below},
	{SB_WHEN_DETECTIONS, when_detections},
	{SB_WHEN_FILE_TYPE, when_file_type},
	{SB_WHEN_MIME, when_mime},
	{SB_WHEN_CONTAINER_TYPE, when_container_type},
	{SB_WHEN_CONTAINER_FACTS, when_container_facts},
	{SB_WHEN_CONTAINER_DEPTH, when_container_depth},
	{SB_WHEN_CONTAINER_MEMBERS, when_container_members},
	{SB_WHEN_CONTAINER_SIZE, when_container_size},
};

static bool rule_matches(const sb_rule *rule, const sb_facts *facts)
{
	if (!rule->enabled || (rule->given & SB_WHEN_NEVER) != 0)
		return false;
	for (size_t i = 0; i < COUNT(conditions); i++)
		if ((rule->given & conditions[i].bit) != 0 && !conditions[i].holds(rule, facts))
			return false;
	return true;
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
	const char *never = never_allowed(kinds_of(facts));

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

	*out = (sb_policy_decision){SB_ACTION_BLOCK, NULL, NULL, "no rule matched"};
	while (rule < end && !rule_matches(rule, facts))
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

static bool copy_rule(sb_arena *arena, sb_rule *rule)
{
	sb_texts_list *lists[] = {&rule->threat_names, &rule->threat_contains, &rule->sources,
		&rule->tenants, &rule->users, &rule->file_types, &rule->mimes,
		&rule->container.types};
	const char **texts[] = {&rule->id, &rule->name, &rule->description, &rule->message};

	for (size_t i = 0; i < COUNT(lists); i++)
		if (!copy_list(arena, lists[i]))
			return false;
	for (size_t i = 0; i < COUNT(texts); i++)
		if (!copy_text(arena, texts[i]))
			return false;
	return make_reason(arena, rule);
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
