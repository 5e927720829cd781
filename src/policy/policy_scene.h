/* SPDX-License-Identifier: MIT */
/* For tests of policies: short names for what rules are made of, and one rule asked at a time. */
#ifndef SB_POLICY_POLICY_SCENE_H
#define SB_POLICY_POLICY_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/policy.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TEXTS(...)                                                                                 \
	{                                                                                          \
		(const char *const[]){__VA_ARGS__},                                                \
			sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)          \
	}
#define OUTCOME(outcome) (1u << SB_OUTCOME_##outcome)
#define KIND(kind) (1u << SB_KIND_##kind)
#define CLASS(class) (1u << SB_CLASS_##class)

#define FACT(fact) SB_FACT_##fact

static const sb_container zip = {.type = "zip",
	.depth = 2,
	.members = 30,
	.bytes = 4000,
	.facts = FACT(ENCRYPTED) | FACT(MACROS)};

static inline bool evaluate(const sb_rule *rule, const sb_facts *facts, sb_policy_decision *out)
{
	static sb_arena arena;
	const sb_policy *policy;
	sb_rule enabled = *rule;
	bool matched;

	sb_arena_done(&arena); /* what the last decision points to lives until here */
	sb_arena_init(&arena, 1 << 16);
	enabled.id = "r";
	enabled.enabled = true;
	if (enabled.action == SB_ACTION_NONE)
		enabled.action = SB_ACTION_BLOCK;
	policy = sb_policy_new("test", &enabled, 1, &arena);
	assert_non_null(policy);
	sb_policy_evaluate(policy, facts, out);
	matched = out->rule_id != NULL;
	if (!matched) {
		assert_int_equal(out->action, SB_ACTION_BLOCK);
		assert_string_equal(out->reason, "no rule matched");
		assert_null(out->rule_name);
		assert_null(out->message);
	}
	return matched;
}

#endif
