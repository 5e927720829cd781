/* SPDX-License-Identifier: MIT */
/*
 * A scan is one of a few situations: clean, infected, suspicious, or an error of one kind. In each,
 * a condition has a span of possible truths: exact for conditions on outcome and error, anything
 * for most others. From that follows whether a rule may match there, and whether it must.
 */
#include "policy/lint.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { SITUATIONS = 3 + SB_KIND_COUNT_ - 1, MAX_TEXT = 4096 };
static const unsigned all_kinds = ((1u << SB_KIND_COUNT_) - 1) & ~1u;

typedef struct situation {
	sb_outcome outcome;
	sb_kind kind; /* the only cause of an error */
} situation;

typedef struct span {
	sb_truth least, most;
} span;

/* A rule that is known to match, for what follows from that; or NULL. */
typedef struct known {
	const sb_conditions *when;
	bool weaker; /* it matches by one threat, where the other rule needs every one */
} known;

static const span never_true = {SB_TRUTH_NO, SB_TRUTH_NO};
static const span true_always = {SB_TRUTH_YES, SB_TRUTH_YES};
static const span anything = {SB_TRUTH_NO, SB_TRUTH_YES};

static situation situation_at(unsigned i)
{
	static const sb_outcome outcomes[] = {
		SB_OUTCOME_CLEAN, SB_OUTCOME_INFECTED, SB_OUTCOME_SUSPICIOUS};

	return i < COUNT(outcomes)
		       ? (situation){outcomes[i], SB_KIND_NONE}
		       : (situation){SB_OUTCOME_ERROR, (sb_kind)(i - COUNT(outcomes) + 1)};
}

/* --- What follows from another rule's conditions -------------------------------------------- */

static bool has(const sb_texts_list *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i], text) == 0)
			return true;
	return false;
}

static bool within(const sb_texts_list *few, const sb_texts_list *many)
{
	for (size_t i = 0; i < few->count; i++)
		if (!has(many, few->items[i]))
			return false;
	return true;
}

static bool metadata_within(const sb_conditions *few, const sb_conditions *many)
{
	for (size_t i = 0; i < many->metadata_count; i++) {
		bool found = false;
		for (size_t k = 0; k < few->metadata_count; k++)
			found |= strcmp(few->metadata[k].key, many->metadata[i].key) == 0 &&
				 within(&few->metadata[k].values, &many->metadata[i].values);
		if (!found)
			return false;
	}
	return true;
}

static bool windows_within(const sb_conditions *few, const sb_conditions *many)
{
	for (size_t i = 0; i < few->window_count; i++) {
		const sb_window *a = &few->windows[i];
		bool found = false;
		for (size_t k = 0; k < many->window_count; k++) {
			const sb_window *b = &many->windows[k];
			found |= (a->days & ~b->days) == 0 && a->from == b->from &&
				 a->to == b->to && a->local == b->local;
		}
		if (!found)
			return false;
	}
	return true;
}

static bool hashes_within(const sb_conditions *few, const sb_conditions *many)
{
	return within(&few->hashes.blake3, &many->hashes.blake3) &&
	       within(&few->hashes.sha256, &many->hashes.sha256) &&
	       within(&few->hashes.md5, &many->hashes.md5);
}

/* Conditions that are a list each. */
static const struct {
	unsigned bit;
	size_t offset;
} lists[] = {
	{SB_WHEN_THREAT_NAME, offsetof(sb_conditions, threat_names)},
	{SB_WHEN_THREAT_CONTAINS, offsetof(sb_conditions, threat_contains)},
	{SB_WHEN_SOURCE, offsetof(sb_conditions, sources)},
	{SB_WHEN_TENANT, offsetof(sb_conditions, tenants)},
	{SB_WHEN_USER, offsetof(sb_conditions, users)},
	{SB_WHEN_FILE_TYPE, offsetof(sb_conditions, file_types)},
	{SB_WHEN_MIME, offsetof(sb_conditions, mimes)},
	{SB_WHEN_ENGINE, offsetof(sb_conditions, engines)},
	{SB_WHEN_CONTAINER_TYPE, offsetof(sb_conditions, container.types)},
};

static const sb_texts_list *list_at(const sb_conditions *when, size_t offset)
{
	return (const sb_texts_list *)(const void *)((const char *)when + offset);
}

/* Whether @p other's condition holds wherever that of @p rule does; both have it. */
static bool follows(const sb_conditions *rule, const sb_conditions *other, unsigned bit)
{
	for (size_t i = 0; i < COUNT(lists); i++)
		if (lists[i].bit == bit)
			return within(
				list_at(rule, lists[i].offset), list_at(other, lists[i].offset));
	switch (bit) {
	case SB_WHEN_OUTCOME:
		return (rule->outcomes & ~other->outcomes) == 0;
	case SB_WHEN_ERROR_KIND:
		return (rule->error_kinds & ~other->error_kinds) == 0;
	case SB_WHEN_ERROR_CLASS:
		return (rule->error_classes & ~other->error_classes) == 0;
	case SB_WHEN_SEVERITY:
		return rule->severity_at_least >= other->severity_at_least;
	case SB_WHEN_SIZE_ABOVE:
		return rule->size_above >= other->size_above;
	case SB_WHEN_SIZE_BELOW:
		return rule->size_below <= other->size_below;
	case SB_WHEN_DETECTIONS:
		return rule->detections_at_least >= other->detections_at_least;
	case SB_WHEN_HASH:
		return hashes_within(rule, other);
	case SB_WHEN_CACHED:
		return rule->cached == other->cached;
	case SB_WHEN_CONTAINER_DEPTH:
		return rule->container.depth_above >= other->container.depth_above;
	case SB_WHEN_CONTAINER_MEMBERS:
		return rule->container.members_above >= other->container.members_above;
	case SB_WHEN_CONTAINER_SIZE:
		return rule->container.size_above >= other->container.size_above;
	case SB_WHEN_CONTAINER_FACTS:
		return (other->container.present & ~rule->container.present) == 0 &&
		       (other->container.absent & ~rule->container.absent) == 0;
	case SB_WHEN_METADATA:
		return metadata_within(rule, other);
	default: /* SB_WHEN_TIME */
		return bit == SB_WHEN_TIME && windows_within(rule, other);
	}
}

static bool same(const sb_conditions *a, const sb_conditions *b);

static bool same_list(const struct sb_conditions_list *a, const struct sb_conditions_list *b)
{
	for (size_t i = 0; i < a->count; i++)
		if (i >= b->count || !same(&a->items[i], &b->items[i]))
			return false;
	return a->count == b->count;
}

static bool same(const sb_conditions *a, const sb_conditions *b)
{
	const unsigned keys = a->given & ((unsigned)SB_WHEN_ALL - 1) & ~(unsigned)SB_WHEN_NEVER;

	if (a->given != b->given || !same_list(&a->all, &b->all) || !same_list(&a->any, &b->any) ||
		!same_list(&a->none, &b->none))
		return false;
	for (unsigned bit = 1; bit < SB_WHEN_ALL; bit <<= 1)
		if ((keys & bit) != 0 && (!follows(a, b, bit) || !follows(b, a, bit)))
			return false;
	return true;
}

/* --- Spans ------------------------------------------------------------------------------------ */

/* Besides the one kind there may be other causes, which a rule that allows must name, too. */
static span cause_span(unsigned meant, situation at, bool allows)
{
	bool named = (meant >> at.kind & 1) != 0;

	if (at.outcome != SB_OUTCOME_ERROR)
		return never_true;
	if (!allows || (meant & all_kinds) == all_kinds)
		return named ? true_always : never_true;
	return named ? (span){SB_TRUTH_PARTLY, SB_TRUTH_YES} : (span){SB_TRUTH_NO, SB_TRUTH_PARTLY};
}

static span class_span(unsigned classes, situation at, bool allows)
{
	unsigned kinds = 0;

	for (unsigned kind = SB_KIND_NONE + 1; kind < SB_KIND_COUNT_; kind++)
		kinds |= (classes >> sb_kind_class((sb_kind)kind) & 1) << kind;
	return cause_span(kinds, at, allows);
}

static span key_span(const sb_conditions *when, unsigned bit, situation at, bool allows)
{
	switch (bit) {
	case SB_WHEN_NEVER:
		return never_true;
	case SB_WHEN_OUTCOME:
		return (when->outcomes >> at.outcome & 1) != 0 ? true_always : never_true;
	case SB_WHEN_ERROR_KIND:
		return cause_span(when->error_kinds, at, allows);
	case SB_WHEN_ERROR_CLASS:
		return class_span(when->error_classes, at, allows);
	case SB_WHEN_SEVERITY:
	case SB_WHEN_THREAT_NAME:
	case SB_WHEN_THREAT_CONTAINS:
		if (at.outcome == SB_OUTCOME_ERROR)
			return (span){SB_TRUTH_UNKNOWN, SB_TRUTH_PARTLY};
		return at.outcome == SB_OUTCOME_CLEAN ? never_true : anything;
	case SB_WHEN_DETECTIONS:
		return at.outcome == SB_OUTCOME_CLEAN ? never_true : anything;
	default:
		return anything;
	}
}

/* Conditions that can be true in part: what holds by one threat need not hold by all. */
static const unsigned shared = SB_WHEN_SEVERITY | SB_WHEN_THREAT_NAME | SB_WHEN_THREAT_CONTAINS |
			       SB_WHEN_ENGINE | SB_WHEN_HASH | SB_WHEN_CONTAINER_FACTS;

static span span_of(
	const sb_conditions *when, unsigned bit, situation at, bool allows, const known *rule)
{
	if (rule != NULL && (rule->when->given & bit) != 0 && !(rule->weaker && (shared & bit)) &&
		(bit & (SB_WHEN_OUTCOME | SB_WHEN_ERROR_KIND | SB_WHEN_ERROR_CLASS)) == 0 &&
		follows(rule->when, when, bit))
		return true_always;
	return key_span(when, bit, at, allows);
}

/* What is asked of conditions: may they hold here, or must they? */
typedef struct question {
	situation at;
	bool allows, must;
	const known *rule;
	sb_reading reading;
} question;

static bool answer(const sb_conditions *when, const question *q);

static bool answer_not(const struct sb_conditions_list *list, const question *q)
{
	const question turned = {q->at, q->allows, !q->must, NULL, sb_reading_turned(q->reading)};

	for (size_t i = 0; i < list->count; i++)
		if (answer(&list->items[i], &turned))
			return false;
	return true;
}

static bool answer_list(const struct sb_conditions_list *list, const question *q, bool any)
{
	for (size_t i = 0; i < list->count; i++)
		if (answer(&list->items[i], q) == any)
			return any;
	return !any;
}

static bool same_nested(const sb_conditions *when, const question *q, unsigned bit)
{
	const sb_conditions *rule =
		q->rule != NULL && q->must && !q->rule->weaker ? q->rule->when : NULL;

	if (rule == NULL || (rule->given & bit) == 0)
		return false;
	return bit == SB_WHEN_ALL   ? same_list(&rule->all, &when->all)
	       : bit == SB_WHEN_ANY ? same_list(&rule->any, &when->any)
				    : same_list(&rule->none, &when->none);
}

static bool answer_one(const sb_conditions *when, unsigned bit, const question *q)
{
	span truth;

	if (bit >= SB_WHEN_ALL && same_nested(when, q, bit))
		return true;
	if (bit == SB_WHEN_ALL)
		return answer_list(&when->all, q, false);
	if (bit == SB_WHEN_ANY)
		return answer_list(&when->any, q, true);
	if (bit == SB_WHEN_NOT)
		return answer_not(&when->none, q);
	truth = span_of(when, bit, q->at, q->allows, q->rule);
	return (q->must ? truth.least : truth.most) >= q->reading.least;
}

static bool answer(const sb_conditions *when, const question *q)
{
	for (unsigned bit = 1; bit <= SB_WHEN_NOT; bit <<= 1)
		if ((when->given & bit) != 0 && !answer_one(when, bit, q))
			return false;
	return true;
}

static bool may_match(const sb_rule *rule, situation at)
{
	const question q = {
		at, sb_action_allows(rule->action), false, NULL, sb_reading_of(rule->action)};

	return rule->enabled && answer(&rule->when, &q);
}

/* Always, or where @p match does. */
static bool must_match(const sb_rule *rule, situation at, const sb_rule *match)
{
	const bool allows = sb_action_allows(rule->action);
	const known is = {match != NULL ? &match->when : NULL,
		match != NULL && allows && !sb_action_allows(match->action)};
	const question q = {
		at, allows, true, match != NULL ? &is : NULL, sb_reading_of(rule->action)};

	return rule->enabled && answer(&rule->when, &q);
}

/* --- Findings --------------------------------------------------------------------------------- */

typedef struct lint {
	const sb_rule *rules;
	size_t count;
	sb_lint_sink *sink;
	void *data;
} lint;

static void tell(const lint *l, bool is_error, const sb_rule *rule, const char *format, ...)
	SB_PRINTF(4, 5);

static void tell(const lint *l, bool is_error, const sb_rule *rule, const char *format, ...)
{
	char text[MAX_TEXT];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	l->sink(l->data, is_error, rule != NULL ? rule->origin : NULL, text);
}

/* `timeout, io`: the kinds of a mask. */
static const char *kinds_text(char out[MAX_TEXT / 2], unsigned kinds)
{
	size_t length = 0;

	out[0] = '\0';
	for (unsigned kind = 1; kind < SB_KIND_COUNT_; kind++)
		if ((kinds >> kind & 1) != 0)
			length += (size_t)snprintf(out + length, MAX_TEXT / 2 - length, "%s%s",
				length > 0 ? ", " : "", sb_kind_name((sb_kind)kind));
	return out;
}

static bool covers_all(const sb_rule *earlier, const sb_rule *rule)
{
	for (unsigned s = 0; s < SITUATIONS; s++)
		if (may_match(rule, situation_at(s)) && !must_match(earlier, situation_at(s), rule))
			return false;
	return true;
}

static bool is_covered(const lint *l, size_t index, situation at)
{
	for (size_t i = 0; i < index; i++)
		if (must_match(&l->rules[i], at, &l->rules[index]))
			return true;
	return false;
}

static void check_reached(const lint *l, size_t index)
{
	const sb_rule *rule = &l->rules[index];

	for (size_t i = 0; i < index; i++) {
		const sb_rule *earlier = &l->rules[i];
		if (!covers_all(earlier, rule))
			continue;
		tell(l, true, rule,
			same(&earlier->when, &rule->when)
				? "rule \"%s\" is never reached: it has the same conditions as "
				  "rule \"%s\""
				: "rule \"%s\" is never reached: rule \"%s\" matches whenever it "
				  "would",
			rule->id, earlier->id);
		return;
	}
	for (unsigned s = 0; s < SITUATIONS; s++)
		if (may_match(rule, situation_at(s)) && !is_covered(l, index, situation_at(s)))
			return;
	tell(l, true, rule,
		"rule \"%s\" is never reached: earlier rules together match whenever it would",
		rule->id);
}

static bool may_match_at_all(const sb_rule *rule)
{
	for (unsigned s = 0; s < SITUATIONS; s++)
		if (may_match(rule, situation_at(s)))
			return true;
	return false;
}

/* Those kinds that a rule may allow at all. */
static void check_allows(const lint *l, const sb_rule *rule)
{
	const unsigned nobodys =
		1u << SB_KIND_AUDIT_FAILED | 1u << SB_KIND_INTERNAL | 1u << SB_KIND_CANCELLED;
	char text[MAX_TEXT / 2];
	unsigned kinds = 0;

	for (unsigned s = 0; s < SITUATIONS; s++) {
		situation at = situation_at(s);
		if (at.outcome == SB_OUTCOME_ERROR && may_match(rule, at))
			kinds |= 1u << at.kind;
	}
	kinds &= ~nobodys;
	if (kinds == (all_kinds & ~nobodys))
		tell(l, false, rule, "rule \"%s\" allows content that could not be scanned",
			rule->id);
	else if (kinds != 0)
		tell(l, false, rule, "rule \"%s\" allows content that could not be scanned: %s",
			rule->id, kinds_text(text, kinds));
}

static void check_md5(const lint *l, const sb_rule *rule)
{
	if ((rule->when.given & SB_WHEN_HASH) != 0 && rule->when.hashes.md5.count > 0)
		tell(l, false, rule,
			"rule \"%s\" allows by MD5, which proves nothing: these digests never "
			"match",
			rule->id);
}

static void check_list(
	const lint *l, const sb_rule *rule, const char *key, const sb_texts_list *list)
{
	for (size_t i = 1; i < list->count; i++) {
		const sb_texts_list before = {list->items, i};
		if (has(&before, list->items[i]))
			tell(l, false, rule, "rule \"%s\": %s has \"%.200s\" twice", rule->id, key,
				list->items[i]);
	}
}

static void check_doubles(const lint *l, const sb_rule *rule, const sb_conditions *when)
{
	const struct sb_conditions_list *nested[] = {&when->all, &when->any, &when->none};

	for (size_t i = 0; i < COUNT(lists); i++)
		check_list(l, rule, sb_condition_name((enum sb_condition)lists[i].bit),
			list_at(when, lists[i].offset));
	check_list(l, rule, "hash", &when->hashes.blake3);
	check_list(l, rule, "hash", &when->hashes.md5);
	for (size_t n = 0; n < COUNT(nested); n++)
		for (size_t i = 0; i < nested[n]->count; i++) {
			check_doubles(l, rule, &nested[n]->items[i]);
			for (size_t k = 0; k < i; k++)
				if (same(&nested[n]->items[i], &nested[n]->items[k]))
					tell(l, false, rule,
						"rule \"%s\": a list of conditions has the same "
						"ones twice",
						rule->id);
		}
}

static void check_rule(const lint *l, size_t index)
{
	const sb_rule *rule = &l->rules[index];

	check_doubles(l, rule, &rule->when);
	if (!rule->enabled) {
		tell(l, false, rule, "rule \"%s\" is not enabled: it has no effect", rule->id);
		return;
	}
	if (!may_match_at_all(rule)) {
		tell(l, false, rule, "rule \"%s\" can never match: it has no effect", rule->id);
		return;
	}
	if (rule->bare)
		tell(l, false, rule,
			"rule \"%s\" has no \"when\", so it matches everything: if that is meant, "
			"write when: {always: true}",
			rule->id);
	check_reached(l, index);
	if (sb_action_allows(rule->action)) {
		check_allows(l, rule);
		check_md5(l, rule);
	}
}

/* 0: no rule, 1: some rule at times, 2: always some rule. */
static int handled(const lint *l, situation at)
{
	int best = 0;

	for (size_t i = 0; i < l->count; i++) {
		if (must_match(&l->rules[i], at, NULL))
			return 2;
		best |= may_match(&l->rules[i], at);
	}
	return best;
}

static void check_kinds(const lint *l, unsigned kinds, bool is_error, const char *how)
{
	char text[MAX_TEXT / 2];

	if (kinds == all_kinds)
		tell(l, is_error, NULL, "outcome error is handled %s", how);
	else if (kinds != 0)
		tell(l, is_error, NULL, "error kinds handled %s: %s", how, kinds_text(text, kinds));
}

static void check_handled(const lint *l)
{
	static const char *const how[] = {"by no rule: it is blocked",
		"only under conditions: what they leave over is blocked"};
	unsigned kinds[3] = {0, 0, 0};

	for (unsigned s = 0; s < SITUATIONS; s++) {
		situation at = situation_at(s);
		int state = handled(l, at);
		if (at.outcome == SB_OUTCOME_ERROR)
			kinds[state] |= 1u << at.kind;
		else if (state < 2)
			tell(l, state == 0, NULL, "outcome %s is handled %s",
				sb_outcome_name(at.outcome), how[state]);
	}
	check_kinds(l, kinds[0], true, how[0]);
	check_kinds(l, kinds[1], false, how[1]);
}

void sb_policy_lint(const sb_policy *policy, sb_lint_sink *sink, void *data)
{
	lint l = {.sink = sink, .data = data};

	l.rules = sb_policy_rules(policy, &l.count);
	for (size_t i = 0; i < l.count; i++)
		if (l.rules[i].origin != NULL)
			check_rule(&l, i);
	check_handled(&l);
}
