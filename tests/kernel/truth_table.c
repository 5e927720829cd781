/* SPDX-License-Identifier: MIT */
/*
 * The truth table of the decision kernel: what four engines may say (8 answers each), the role
 * of each (required or optional) and four policies, 262,144 rows; then the same answers and
 * roles with min_engines 2; then with fallbacks: a's is b, whose is c, and d's is a. One line a
 * row, `outcome kind action`, in an order that tests/decision_oracle.py repeats from its own
 * reading of the rules. At last in tiers: c and d are asked only when what a and b said asks for
 * it, and such a row says how many were asked as well.
 *
 * On the way every row is decided again with a shadow engine beside, in each of the 8 states:
 * nothing may change, not even a word of the explanation.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"
#include "scan/decision.h"

enum { ENGINES = 4, ANSWERS = 8, ROWS = ANSWERS * ANSWERS * ANSWERS * ANSWERS };
enum { ROLES = 1 << ENGINES };

static sb_error content_error = {.kind = SB_KIND_ENCRYPTED, .retry_after_ms = -1};
static sb_error engine_error = {.kind = SB_KIND_TIMEOUT, .retry_after_ms = -1};
static sb_error not_asked = {.kind = SB_KIND_RATE_LIMITED, .retry_after_ms = -1};

static const sb_result answers[ANSWERS] = {
	{.outcome = SB_OUTCOME_CLEAN, .coverage = SB_COVERAGE_COMPLETE},
	{.outcome = SB_OUTCOME_INFECTED, .coverage = SB_COVERAGE_COMPLETE},
	{.outcome = SB_OUTCOME_SUSPICIOUS, .coverage = SB_COVERAGE_COMPLETE, .confidence = 0.5},
	{.outcome = SB_OUTCOME_ERROR, .coverage = SB_COVERAGE_PARTIAL, .error = &content_error},
	{.outcome = SB_OUTCOME_ERROR, .error = &engine_error},
	{.outcome = SB_OUTCOME_ERROR, .abstained = true, .error = &not_asked},
	{0}, /* memory that nobody filled in */
	{.outcome = SB_OUTCOME_CLEAN, .coverage = SB_COVERAGE_PARTIAL, .cached = true}, /* stale */
};

static const sb_rule rules[] = {
	{.id = "clean",
		.enabled = true,
		.when.given = SB_WHEN_OUTCOME,
		.when.outcomes = 1u << SB_OUTCOME_CLEAN,
		.action = SB_ACTION_ALLOW},
	{.id = "encrypted",
		.enabled = true,
		.when.given = SB_WHEN_ERROR_KIND,
		.when.error_kinds = 1u << SB_KIND_ENCRYPTED,
		.action = SB_ACTION_ALLOW_WITH_WARNING},
	{.id = "internal",
		.enabled = true,
		.when.given = SB_WHEN_ERROR_KIND,
		.when.error_kinds = 1u << SB_KIND_INTERNAL,
		.action = SB_ACTION_ALLOW},
	{.id = "infected",
		.enabled = true,
		.when.given = SB_WHEN_OUTCOME,
		.when.outcomes = 1u << SB_OUTCOME_INFECTED,
		.action = SB_ACTION_QUARANTINE},
};

static const char *const names[ENGINES + 1] = {"a", "b", "c", "d", "shadow"};

static bool vetoes; /* whether b decides alone */

static sb_result engine(unsigned answer, const char *name, sb_role role)
{
	sb_result result = answers[answer];

	result.engine = name;
	result.type = "mock";
	result.role = role;
	result.weight = name[0] - 'a' + 0.5; /* 0.5, 1.5, 2.5, 3.5 */
	result.veto = name[0] == 'b' && vetoes;
	if (answer != 6)
		result.assurance = SB_ASSURANCE_ANTIVIRUS;
	return result;
}

static void decide(sb_decision *out, sb_result *results, size_t count,
	const sb_decision_rules *with, sb_arena *arena)
{
	sb_decide(out, results, count, with, false, NULL, 0, arena);
}

/* With a shadow engine in each state, at a place that goes round with the rows. */
static void check_shadow(const sb_decision *expected, const sb_result *results, unsigned row,
	const sb_decision_rules *with_rules)
{
	size_t place = row % (ENGINES + 1);

	for (unsigned state = 0; state < ANSWERS; state++) {
		sb_result with[ENGINES + 1];
		sb_decision got;
		sb_arena arena;

		memcpy(with, results, place * sizeof *with);
		with[place] = engine(state, names[ENGINES], SB_ROLE_SHADOW);
		memcpy(with + place + 1, results + place, (ENGINES - place) * sizeof *with);
		sb_arena_init(&arena, 1 << 16);
		decide(&got, with, ENGINES + 1, with_rules, &arena);
		if (got.outcome != expected->outcome ||
			sb_error_kind(got.error) != sb_error_kind(expected->error) ||
			got.low_assurance != expected->low_assurance ||
			got.complete_clean != expected->complete_clean ||
			got.confidence != expected->confidence ||
			strcmp(got.explanation, expected->explanation) != 0) {
			fprintf(stderr, "row %u: shadow in state %u: %s; without: %s\n", row, state,
				got.explanation, expected->explanation);
			exit(1);
		}
		sb_arena_done(&arena);
	}
}

static void print_row(const sb_decision *decision, const sb_policy *policy)
{
	sb_facts facts = {.outcome = decision->outcome,
		.error_kind = sb_error_kind(decision->error),
		.error_kinds = decision->error_kinds,
		.low_assurance = decision->low_assurance};
	sb_policy_decision action;

	sb_policy_evaluate(policy, &facts, &action);
	printf("%s %s %s\n", sb_outcome_name(decision->outcome), sb_kind_name(facts.error_kind),
		sb_action_name(action.action));
}

static const size_t no_fallbacks[ENGINES], chain[ENGINES] = {2, 3, 0, 1}; /* numbers from 1 */

static void print_table(const sb_policy *policy, const sb_decision_rules *with,
	const size_t *fallbacks, bool shadow)
{
	for (unsigned roles = 0; roles < ROLES; roles++) {
		for (unsigned row = 0; row < ROWS; row++) {
			sb_result results[ENGINES];
			sb_decision decision;
			sb_arena arena;

			for (unsigned i = 0; i < ENGINES; i++) {
				results[i] = engine(row >> (3 * i) & 7, names[i],
					roles >> i & 1 ? SB_ROLE_OPTIONAL : SB_ROLE_REQUIRED);
				results[i].fallback = fallbacks[i];
			}
			sb_arena_init(&arena, 1 << 16);
			decide(&decision, results, ENGINES, with, &arena);
			print_row(&decision, policy);
			if (shadow)
				check_shadow(&decision, results, row, with);
			sb_arena_done(&arena);
		}
	}
}

/* c and d are of the second tier; a is no antivirus. */
static void print_tiers(const sb_decision_rules *with, sb_next_tier next, const size_t *fallbacks)
{
	for (unsigned roles = 0; roles < ROLES; roles++) {
		for (unsigned row = 0; row < ROWS; row++) {
			sb_result results[ENGINES];
			sb_decision decision;
			sb_arena arena;
			unsigned asked = 2;

			for (unsigned i = 0; i < ENGINES; i++) {
				results[i] = engine(row >> (3 * i) & 7, names[i],
					roles >> i & 1 ? SB_ROLE_OPTIONAL : SB_ROLE_REQUIRED);
				if (i == 0)
					results[i].assurance = SB_ASSURANCE_RULES;
				results[i].fallback = fallbacks[i];
				if (i < 2)
					continue;
				results[i].outcome = SB_OUTCOME_ERROR;
				results[i].abstained = results[i].not_asked = true;
			}
			sb_arena_init(&arena, 1 << 16);
			decide(&decision, results, ENGINES, with, &arena);
			if (sb_decision_asks_for_more(&decision, next)) {
				for (asked = 2; asked < ENGINES; asked++) {
					results[asked] =
						engine(row >> (3 * asked) & 7, names[asked],
							roles >> asked & 1 ? SB_ROLE_OPTIONAL
									   : SB_ROLE_REQUIRED);
					results[asked].fallback = fallbacks[asked];
				}
				decide(&decision, results, ENGINES, with, &arena);
			}
			printf("%u ", asked);
			print_row(&decision, sb_policy_preset("default"));
			sb_arena_done(&arena);
		}
	}
}

#define RULES(minimum) .min_engines = minimum, .min_assurance = SB_ASSURANCE_ANTIVIRUS

static const sb_decision_rules any = {RULES(1)}, two = {RULES(2)},
			       strategies[] = {
				       {.strategy = SB_STRATEGY_ALL, RULES(1)},
				       {.strategy = SB_STRATEGY_QUORUM, .quorum = 2, RULES(1)},
				       {.strategy = SB_STRATEGY_MAJORITY, RULES(1)},
				       {.strategy = SB_STRATEGY_WEIGHTED, .threshold = 4, RULES(1)},
};

int main(void)
{
	sb_arena arena;
	const sb_policy *own;

	sb_arena_init(&arena, 1 << 20);
	own = sb_policy_new("rules", rules, sizeof rules / sizeof rules[0], &arena);
	if (own == NULL)
		return 2;
	/* A decision knows no policy: looking for shadows once is enough. */
	print_table(sb_policy_preset("default"), &any, no_fallbacks, true);
	print_table(sb_policy_preset("strict"), &any, no_fallbacks, false);
	print_table(sb_policy_preset("monitor"), &any, no_fallbacks, false);
	print_table(own, &any, no_fallbacks, false);
	print_table(sb_policy_preset("default"), &two, no_fallbacks, true);
	print_table(sb_policy_preset("default"), &any, chain, false);
	print_table(own, &two, chain, false);
	for (size_t i = 0; i < sizeof strategies / sizeof strategies[0]; i++)
		print_table(sb_policy_preset("default"), &strategies[i], no_fallbacks, i < 2);
	vetoes = true;
	print_table(sb_policy_preset("default"), &strategies[3], no_fallbacks, false);
	vetoes = false;
	for (unsigned next = SB_NEXT_ON_DOUBT; next <= SB_NEXT_ON_SUSPICION; next++) {
		print_tiers(&any, (sb_next_tier)next, no_fallbacks);
		print_tiers(&two, (sb_next_tier)next, chain);
		print_tiers(&strategies[1], (sb_next_tier)next, no_fallbacks);
	}
	print_tiers(&strategies[0], SB_NEXT_ON_DOUBT, no_fallbacks);
	print_tiers(&strategies[2], SB_NEXT_ON_DOUBT, no_fallbacks);
	vetoes = true;
	print_tiers(&strategies[3], SB_NEXT_ON_DOUBT, no_fallbacks);
	sb_arena_done(&arena);
	return fflush(stdout) == 0 && ferror(stdout) == 0 ? 0 : 2;
}
