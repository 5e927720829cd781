/* SPDX-License-Identifier: MIT */
/* What a policy decides: what no rule may allow, the order of rules, the presets. */
#include <stdio.h>
#include <string.h>

#include "policy/policy_scene.h"

/* --- Errors -------------------------------------------------------------------------------- */

static const struct {
	const char *why;
	sb_outcome outcome;
	sb_kind kind;
	sb_rule rule;
	sb_action action;
	const char *reason;
} errors[] = {
	{"a kind", SB_OUTCOME_ERROR, SB_KIND_ENCRYPTED,
		{.when.given = SB_WHEN_ERROR_KIND,
			.when.error_kinds = KIND(ENCRYPTED) | KIND(TIMEOUT),
			.action = SB_ACTION_REQUIRE_MANUAL_REVIEW},
		SB_ACTION_REQUIRE_MANUAL_REVIEW, "rule: r"},
	{"a rule may allow a kind", SB_OUTCOME_ERROR, SB_KIND_ENCRYPTED,
		{.when.given = SB_WHEN_ERROR_KIND,
			.when.error_kinds = KIND(ENCRYPTED),
			.action = SB_ACTION_ALLOW},
		SB_ACTION_ALLOW, "rule: r"},
	{"another kind", SB_OUTCOME_ERROR, SB_KIND_TIMEOUT,
		{.when.given = SB_WHEN_ERROR_KIND,
			.when.error_kinds = KIND(ENCRYPTED),
			.action = SB_ACTION_ALLOW},
		SB_ACTION_BLOCK, "no rule matched"},
	{"a class", SB_OUTCOME_ERROR, SB_KIND_CORRUPT,
		{.when.given = SB_WHEN_ERROR_CLASS,
			.when.error_classes = CLASS(CONTENT),
			.action = SB_ACTION_QUARANTINE},
		SB_ACTION_QUARANTINE, "rule: r"},
	{"another class", SB_OUTCOME_ERROR, SB_KIND_TIMEOUT,
		{.when.given = SB_WHEN_ERROR_CLASS,
			.when.error_classes = CLASS(CONTENT),
			.action = SB_ACTION_ALLOW},
		SB_ACTION_BLOCK, "no rule matched"},
	{"a kind beside another outcome is none", SB_OUTCOME_CLEAN, SB_KIND_TIMEOUT,
		{.when.given = SB_WHEN_ERROR_KIND,
			.when.error_kinds = ~0u,
			.action = SB_ACTION_QUARANTINE},
		SB_ACTION_BLOCK, "no rule matched"},
	{"audit_failed", SB_OUTCOME_ERROR, SB_KIND_AUDIT_FAILED, {.action = SB_ACTION_ALLOW},
		SB_ACTION_BLOCK, "audit_failed can be allowed by no rule"},
	{"internal", SB_OUTCOME_ERROR, SB_KIND_INTERNAL, {.action = SB_ACTION_ALLOW_WITH_WARNING},
		SB_ACTION_BLOCK, "internal can be allowed by no rule"},
	{"cancelled", SB_OUTCOME_ERROR, SB_KIND_CANCELLED,
		{.when.given = SB_WHEN_ERROR_KIND,
			.when.error_kinds = KIND(CANCELLED),
			.action = SB_ACTION_ALLOW},
		SB_ACTION_BLOCK, "cancelled can be allowed by no rule"},
	{"they may be quarantined", SB_OUTCOME_ERROR, SB_KIND_INTERNAL,
		{.action = SB_ACTION_QUARANTINE}, SB_ACTION_QUARANTINE, "rule: r"},
	{"an error without a kind is internal", SB_OUTCOME_ERROR, SB_KIND_NONE,
		{.action = SB_ACTION_ALLOW}, SB_ACTION_BLOCK, "internal can be allowed by no rule"},
	{"a kind that is none is internal", SB_OUTCOME_ERROR, SB_KIND_COUNT_,
		{.action = SB_ACTION_ALLOW}, SB_ACTION_BLOCK, "internal can be allowed by no rule"},
	{"an outcome that is none is internal", (sb_outcome)4, SB_KIND_TIMEOUT,
		{.when.given = SB_WHEN_OUTCOME,
			.when.outcomes = 1u << 4,
			.action = SB_ACTION_ALLOW},
		SB_ACTION_BLOCK, "no rule matched"},
	{"an outcome that is none is an error", (sb_outcome)4, SB_KIND_NONE,
		{.when.given = SB_WHEN_OUTCOME,
			.when.outcomes = OUTCOME(ERROR),
			.action = SB_ACTION_ALLOW},
		SB_ACTION_BLOCK, "internal can be allowed by no rule"},
	{"an action that is none blocks", SB_OUTCOME_CLEAN, SB_KIND_NONE, {.action = (sb_action)17},
		SB_ACTION_BLOCK, "rule: r"},
};

static void errors_are_allowed_by_few(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < COUNT(errors); i++) {
		sb_facts facts = {.outcome = errors[i].outcome, .error_kind = errors[i].kind};
		sb_policy_decision got;

		evaluate(&errors[i].rule, &facts, &got);
		if (got.action != errors[i].action || strcmp(got.reason, errors[i].reason) != 0)
			fail_msg("%s: %s: %s", errors[i].why, sb_action_name(got.action),
				got.reason);
	}
}

static const struct {
	const char *why;
	unsigned kinds;
	sb_rule rule;
	sb_action action;
} several[] = {
	{"an allowing rule that names one of two causes", KIND(ENCRYPTED) | KIND(TIMEOUT),
		{.when.given = SB_WHEN_ERROR_KIND,
			.when.error_kinds = KIND(ENCRYPTED),
			.action = SB_ACTION_ALLOW},
		SB_ACTION_BLOCK},
	{"an allowing rule that names both", KIND(ENCRYPTED) | KIND(TIMEOUT),
		{.when.given = SB_WHEN_ERROR_KIND,
			.when.error_kinds = KIND(ENCRYPTED) | KIND(TIMEOUT),
			.action = SB_ACTION_ALLOW},
		SB_ACTION_ALLOW},
	{"a strict rule needs one", KIND(ENCRYPTED) | KIND(TIMEOUT),
		{.when.given = SB_WHEN_ERROR_KIND,
			.when.error_kinds = KIND(TIMEOUT),
			.action = SB_ACTION_QUARANTINE},
		SB_ACTION_QUARANTINE},
	{"an allowing rule for a class, and a cause of another", KIND(ENCRYPTED) | KIND(TIMEOUT),
		{.when.given = SB_WHEN_ERROR_CLASS,
			.when.error_classes = CLASS(CONTENT),
			.action = SB_ACTION_ALLOW},
		SB_ACTION_BLOCK},
	{"an allowing rule for both classes", KIND(ENCRYPTED) | KIND(TIMEOUT),
		{.when.given = SB_WHEN_ERROR_CLASS,
			.when.error_classes = CLASS(CONTENT) | CLASS(ENGINE),
			.action = SB_ACTION_ALLOW},
		SB_ACTION_ALLOW},
	{"nobody allows a hidden internal error", KIND(ENCRYPTED) | KIND(INTERNAL),
		{.action = SB_ACTION_ALLOW}, SB_ACTION_BLOCK},
};

static void an_error_has_every_cause_considered(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < COUNT(several); i++) {
		sb_facts facts = {.outcome = SB_OUTCOME_ERROR,
			.error_kind = SB_KIND_ENCRYPTED,
			.error_kinds = several[i].kinds};
		sb_policy_decision got;

		evaluate(&several[i].rule, &facts, &got);
		if (got.action != several[i].action)
			fail_msg("%s: %s", several[i].why, sb_action_name(got.action));
	}
}

static void an_unset_action_blocks(void **unused)
{
	static const sb_rule rule = {.id = "r", .enabled = true};
	sb_facts facts = {.outcome = SB_OUTCOME_CLEAN};
	sb_policy_decision got;
	sb_arena arena;

	(void)unused;
	sb_arena_init(&arena, 1 << 16);
	sb_policy_evaluate(sb_policy_new("p", &rule, 1, &arena), &facts, &got);
	assert_int_equal(got.action, SB_ACTION_BLOCK);
	assert_string_equal(got.rule_id, "r");
	sb_arena_done(&arena);
}

static void low_assurance_warns(void **unused)
{
	static const struct {
		sb_action rule, expected;
		const char *given, *reason;
	} rows[] = {
		{SB_ACTION_ALLOW, SB_ACTION_ALLOW_WITH_WARNING, "only rules", "only rules"},
		{SB_ACTION_ALLOW, SB_ACTION_ALLOW_WITH_WARNING, NULL, "low assurance"},
		{SB_ACTION_ALLOW_WITH_WARNING, SB_ACTION_ALLOW_WITH_WARNING, "only rules",
			"only rules"},
		{SB_ACTION_REQUIRE_MANUAL_REVIEW, SB_ACTION_REQUIRE_MANUAL_REVIEW, "only rules",
			"rule: r"},
		{SB_ACTION_BLOCK, SB_ACTION_BLOCK, "only rules", "rule: r"},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		sb_facts facts = {.outcome = SB_OUTCOME_CLEAN,
			.low_assurance = true,
			.assurance_reason = rows[i].given};
		sb_rule rule = {.action = rows[i].rule, .message = "for the user"};
		sb_policy_decision got;

		evaluate(&rule, &facts, &got);
		assert_int_equal(got.action, rows[i].expected);
		assert_string_equal(got.reason, rows[i].reason);
		/* Words for an action that is not taken would mislead. */
		if (rows[i].rule == rows[i].expected)
			assert_string_equal(got.message, "for the user");
		else
			assert_null(got.message);
	}
}

/* --- Order, building ----------------------------------------------------------------------- */

static void the_first_match_decides(void **unused)
{
	static const struct {
		const char *why;
		sb_rule rules[3];
		const char *id;
	} rows[] = {
		{"ties in file order",
			{{.id = "a", .enabled = true}, {.id = "b", .enabled = true},
				{.id = "c", .enabled = true}},
			"a"},
		{"higher priority first",
			{{.id = "a", .enabled = true, .priority = -1}, {.id = "b", .enabled = true},
				{.id = "c", .enabled = true, .priority = 5}},
			"c"},
		{"ties behind the highest",
			{{.id = "a", .enabled = true}, {.id = "b", .enabled = true, .priority = 7},
				{.id = "c", .enabled = true, .priority = 7}},
			"b"},
		{"a disabled rule is passed over",
			{{.id = "a"}, {.id = "b", .enabled = true}, {.id = "c", .enabled = true}},
			"b"},
		{"all disabled", {{.id = "a"}, {.id = "b"}, {.id = "c"}}, NULL},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		sb_facts facts = {.outcome = SB_OUTCOME_CLEAN};
		sb_policy_decision got;
		sb_arena arena;

		sb_arena_init(&arena, 1 << 16);
		sb_policy_evaluate(sb_policy_new("p", rows[i].rules, 3, &arena), &facts, &got);
		if ((got.rule_id == NULL) != (rows[i].id == NULL) ||
			(got.rule_id != NULL && strcmp(got.rule_id, rows[i].id) != 0))
			fail_msg("%s: %s", rows[i].why, got.rule_id);
		sb_arena_done(&arena);
	}
}

static void many_rules_keep_their_order(void **unused)
{
	enum { MANY = 500 };
	static sb_rule rules[MANY];
	static char ids[MANY][16];
	sb_facts facts = {.outcome = SB_OUTCOME_CLEAN, .size = 1};
	sb_arena arena;
	const sb_policy *policy;
	sb_policy_decision got;

	(void)unused;
	for (int i = 0; i < MANY; i++) {
		snprintf(ids[i], sizeof ids[i], "%d", i);
		rules[i] = (sb_rule){.id = ids[i],
			.enabled = true,
			.priority = i / 100,
			.when.given = SB_WHEN_SIZE_ABOVE,
			.when.size_above = i < 437 ? 1 : 0,
			.action = SB_ACTION_ALLOW};
	}
	sb_arena_init(&arena, 1 << 20);
	policy = sb_policy_new("p", rules, MANY, &arena);
	sb_policy_evaluate(policy, &facts, &got);
	assert_string_equal(got.rule_id, "437");
	assert_string_equal(sb_policy_name(policy), "p");
	sb_arena_done(&arena);
}

static void rules_are_copied(void **unused)
{
	char id[] = "id", name[] = "Name", reason[] = "reason", tenant[] = "acme";
	char message[] = "message";
	const char *tenants[] = {tenant};
	sb_rule rules[] = {
		{.id = id,
			.name = name,
			.description = name,
			.message = message,
			.action = SB_ACTION_BLOCK,
			.enabled = true,
			.when.given = SB_WHEN_TENANT,
			.when.tenants = {tenants, 1},
			.reason = reason},
		{.id = "b",
			.name = name,
			.enabled = true,
			.when.given = SB_WHEN_SIZE_BELOW,
			.when.size_below = 5},
		{.enabled = true},
	};
	sb_facts facts = {.outcome = SB_OUTCOME_CLEAN, .tenant = "acme", .size = 9};
	sb_arena arena;
	const sb_policy *policy;
	sb_policy_decision got;

	(void)unused;
	sb_arena_init(&arena, 1 << 16);
	policy = sb_policy_new(NULL, rules, COUNT(rules), &arena);
	assert_string_equal(sb_policy_name(policy), "");
	memset(id, 'x', 2);
	memset(name, 'x', 4);
	memset(reason, 'x', 6);
	memset(message, 'x', 7);
	memset(tenant, 'x', 4);
	tenants[0] = NULL;
	memset(rules, 0, sizeof rules);
	sb_policy_evaluate(policy, &facts, &got);
	assert_string_equal(got.rule_id, "id");
	assert_string_equal(got.rule_name, "Name");
	assert_string_equal(got.reason, "reason");
	assert_string_equal(got.message, "message");
	facts.tenant = NULL;
	facts.size = 4;
	sb_policy_evaluate(policy, &facts, &got);
	assert_string_equal(got.reason, "rule: Name");
	facts.size = 9;
	sb_policy_evaluate(policy, &facts, &got);
	assert_string_equal(got.reason, "rule: unnamed");
	sb_arena_done(&arena);
}

/* Every ceiling from nothing up to enough: NULL, or a policy that works. */
static void no_memory_gives_no_policy(void **unused)
{
	const sb_rule rules[] = {
		{.id = "a",
			.name = "n",
			.description = "d",
			.message = "m",
			.reason = "why",
			.enabled = true,
			.when.given = SB_WHEN_USER,
			.when.users = TEXTS("u", "v")},
		{.id = "b", .name = "n", .enabled = true, .when.sources = TEXTS("s")},
	};
	size_t enough = 0;

	(void)unused;
	for (size_t max = 0; enough == 0 && max < 1 << 16; max += 16) {
		sb_facts facts = {.outcome = SB_OUTCOME_CLEAN, .user = "v"};
		sb_policy_decision got;
		sb_arena arena;
		const sb_policy *policy;

		sb_arena_init(&arena, max);
		policy = sb_policy_new("p", rules, COUNT(rules), &arena);
		if (policy != NULL) {
			sb_policy_evaluate(policy, &facts, &got);
			assert_string_equal(got.reason, "why");
			enough = max;
		}
		sb_arena_done(&arena);
	}
	assert_true(enough > 2 * sizeof(sb_rule));
}

/* --- Presets ------------------------------------------------------------------------------- */

static void presets_act_as_promised(void **unused)
{
	enum {
		A = SB_ACTION_ALLOW,
		W = SB_ACTION_ALLOW_WITH_WARNING,
		R = SB_ACTION_REQUIRE_MANUAL_REVIEW,
		Q = SB_ACTION_QUARANTINE,
		B = SB_ACTION_BLOCK
	};
	static const struct {
		sb_outcome outcome;
		sb_kind kind;
		const char *rule, *name;
	} scans[] = {
		{SB_OUTCOME_INFECTED, SB_KIND_NONE, "infected", "Infected files"},
		{SB_OUTCOME_SUSPICIOUS, SB_KIND_NONE, "suspicious", "Suspicious files"},
		{SB_OUTCOME_ERROR, SB_KIND_TIMEOUT, "error", "Files that could not be scanned"},
		{SB_OUTCOME_CLEAN, SB_KIND_NONE, "clean", "Clean files"},
		{SB_OUTCOME_ERROR, SB_KIND_AUDIT_FAILED, "error",
			"Files that could not be scanned"},
		{SB_OUTCOME_ERROR, SB_KIND_INTERNAL, "error", "Files that could not be scanned"},
		{SB_OUTCOME_ERROR, SB_KIND_CANCELLED, "error", "Files that could not be scanned"},
	};
	static const struct {
		const char *preset;
		int actions[COUNT(scans)];
	} rows[] = {
		{"default", {Q, R, B, A, B, B, B}},
		{"strict", {Q, B, B, A, B, B, B}},
		{"monitor", {W, W, W, A, B, B, B}},
		{"mail", {Q, Q, B, A, B, B, B}},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const sb_policy *policy = sb_policy_preset(rows[i].preset);

		assert_non_null(policy);
		assert_string_equal(sb_policy_name(policy), rows[i].preset);
		for (size_t k = 0; k < COUNT(scans); k++) {
			sb_facts facts = {.outcome = scans[k].outcome, .error_kind = scans[k].kind};
			sb_policy_decision got;

			sb_policy_evaluate(policy, &facts, &got);
			assert_int_equal(got.action, rows[i].actions[k]);
			assert_string_equal(got.rule_id, scans[k].rule);
			assert_string_equal(got.rule_name, scans[k].name);
			assert_non_null(got.reason);
		}
	}
	assert_null(sb_policy_preset(""));
}

static void mail_has_encrypted_content_reviewed(void **unused)
{
	static const sb_container part = {.type = "zip", .facts = FACT(ENCRYPTED)};
	static const struct {
		sb_outcome outcome;
		sb_kind kind;
		const sb_container *container;
		sb_action action;
		const char *rule;
	} rows[] = {
		{SB_OUTCOME_ERROR, SB_KIND_ENCRYPTED, NULL, SB_ACTION_REQUIRE_MANUAL_REVIEW,
			"encrypted"},
		{SB_OUTCOME_CLEAN, SB_KIND_NONE, &part, SB_ACTION_REQUIRE_MANUAL_REVIEW,
			"encrypted_part"},
		{SB_OUTCOME_CLEAN, SB_KIND_NONE, &zip, SB_ACTION_REQUIRE_MANUAL_REVIEW,
			"encrypted_part"},
		{SB_OUTCOME_INFECTED, SB_KIND_NONE, &part, SB_ACTION_QUARANTINE, "infected"},
		{SB_OUTCOME_ERROR, SB_KIND_LIMIT_EXCEEDED, &part, SB_ACTION_BLOCK, "error"},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		sb_facts facts = {.outcome = rows[i].outcome,
			.error_kind = rows[i].kind,
			.container = rows[i].container};
		sb_policy_decision got;

		sb_policy_evaluate(sb_policy_preset("mail"), &facts, &got);
		assert_int_equal(got.action, rows[i].action);
		assert_string_equal(got.rule_id, rows[i].rule);
	}
}

static void presets_are_rules(void **unused)
{
	static const struct {
		const char *preset;
		size_t count;
	} rows[] = {{"default", 4}, {"strict", 4}, {"monitor", 4}, {"mail", 6}};

	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t count;
		const sb_rule *rules = sb_policy_rules(sb_policy_preset(rows[i].preset), &count);

		assert_int_equal(count, rows[i].count);
		assert_string_equal(rules[0].id, "infected");
		assert_string_equal(rules[count - 1].id, "clean");
	}
}

/* R5: nothing that matches nothing is allowed, not even clean content. */
static void no_rule_is_block(void **unused)
{
	(void)unused;
	for (int outcome = SB_OUTCOME_ERROR; outcome <= SB_OUTCOME_SUSPICIOUS; outcome++) {
		sb_facts facts = {.outcome = (sb_outcome)outcome};
		sb_policy_decision got;
		sb_arena arena;

		sb_arena_init(&arena, 1 << 16);
		sb_policy_evaluate(sb_policy_new("empty", NULL, 0, &arena), &facts, &got);
		assert_int_equal(got.action, SB_ACTION_BLOCK);
		assert_string_equal(got.reason, "no rule matched");
		sb_arena_done(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_are_allowed_by_few),
		cmocka_unit_test(an_error_has_every_cause_considered),
		cmocka_unit_test(an_unset_action_blocks),
		cmocka_unit_test(low_assurance_warns),
		cmocka_unit_test(the_first_match_decides),
		cmocka_unit_test(many_rules_keep_their_order),
		cmocka_unit_test(rules_are_copied),
		cmocka_unit_test(no_memory_gives_no_policy),
		cmocka_unit_test(presets_act_as_promised),
		cmocka_unit_test(mail_has_encrypted_content_reviewed),
		cmocka_unit_test(presets_are_rules),
		cmocka_unit_test(no_rule_is_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
