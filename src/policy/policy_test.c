/* SPDX-License-Identifier: MIT */
/* Policy: each condition both ways, what no rule may allow, the order of rules, the presets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

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

static const char *const two_names[] = {"Eicar.Test", "PUA.Tool"};
static const sb_severity two_severities[] = {SB_SEVERITY_MEDIUM, SB_SEVERITY_CRITICAL};

/* --- Conditions ---------------------------------------------------------------------------- */

static const sb_container zip = {.type = "zip",
	.depth = 2,
	.members = 30,
	.bytes = 4000,
	.facts = FACT(ENCRYPTED) | FACT(MACROS)};

/* The facts of a scan with two threats by two engines, unless a row says otherwise. */
static sb_facts some_facts(void)
{
	return (sb_facts){.outcome = SB_OUTCOME_INFECTED,
		.threat_names = two_names,
		.threat_severities = two_severities,
		.threat_count = 2,
		.detections = 2,
		.name = "Letter.tar.GZ",
		.name_length = 13,
		.size = 100,
		.mime = "application/zip",
		.container = &zip,
		.tenant = "acme",
		.user = "eve",
		.source = "http"};
}

static const struct {
	const char *why;
	sb_rule rule; /* action block unless given */
	bool matches;
} conditions[] = {
	{"no condition is always", {.action = SB_ACTION_BLOCK}, true},
	{"never", {.when.given = SB_WHEN_NEVER}, false},
	{"never beats what matches",
		{.when.given = SB_WHEN_NEVER | SB_WHEN_OUTCOME, .when.outcomes = OUTCOME(INFECTED)},
		false},
	{"outcome", {.when.given = SB_WHEN_OUTCOME, .when.outcomes = OUTCOME(INFECTED)}, true},
	{"one of the outcomes",
		{.when.given = SB_WHEN_OUTCOME,
			.when.outcomes = OUTCOME(CLEAN) | OUTCOME(INFECTED)},
		true},
	{"another outcome", {.when.given = SB_WHEN_OUTCOME, .when.outcomes = OUTCOME(CLEAN)},
		false},
	{"what was not given does not count", {.when.outcomes = OUTCOME(CLEAN)}, true},

	{"severity: the highest counts",
		{.when.given = SB_WHEN_SEVERITY, .when.severity_at_least = SB_SEVERITY_CRITICAL},
		true},
	{"severity: at least",
		{.when.given = SB_WHEN_SEVERITY, .when.severity_at_least = SB_SEVERITY_MEDIUM},
		true},
	{"severity: beyond all",
		{.when.given = SB_WHEN_SEVERITY,
			.when.severity_at_least = (sb_severity)(SB_SEVERITY_CRITICAL + 1)},
		false},
	{"severity in an allowing rule: every threat",
		{.when.given = SB_WHEN_SEVERITY,
			.when.severity_at_least = SB_SEVERITY_MEDIUM,
			.action = SB_ACTION_ALLOW},
		true},
	{"severity in an allowing rule: not only the highest",
		{.when.given = SB_WHEN_SEVERITY,
			.when.severity_at_least = SB_SEVERITY_CRITICAL,
			.action = SB_ACTION_ALLOW},
		false},

	{"threat_name: one of them",
		{.when.given = SB_WHEN_THREAT_NAME, .when.threat_names = TEXTS("PUA.*")}, true},
	{"threat_name: any case",
		{.when.given = SB_WHEN_THREAT_NAME, .when.threat_names = TEXTS("eicar.t?st")},
		true},
	{"threat_name: the whole name",
		{.when.given = SB_WHEN_THREAT_NAME, .when.threat_names = TEXTS("PUA", "Eicar")},
		false},
	{"threat_name in an allowing rule: one is not enough",
		{.when.given = SB_WHEN_THREAT_NAME,
			.when.threat_names = TEXTS("PUA.*"),
			.action = SB_ACTION_ALLOW_WITH_WARNING},
		false},
	{"threat_name in an allowing rule: every one, by any pattern",
		{.when.given = SB_WHEN_THREAT_NAME,
			.when.threat_names = TEXTS("PUA.*", "Eicar.*"),
			.action = SB_ACTION_ALLOW_WITH_WARNING},
		true},

	{"threat_contains: one of them, any case",
		{.when.given = SB_WHEN_THREAT_CONTAINS,
			.when.threat_contains = TEXTS("xyz", "TOOL")},
		true},
	{"threat_contains: none",
		{.when.given = SB_WHEN_THREAT_CONTAINS,
			.when.threat_contains = TEXTS("xyz", "T?ol")},
		false},
	{"threat_contains in an allowing rule: one is not enough",
		{.when.given = SB_WHEN_THREAT_CONTAINS,
			.when.threat_contains = TEXTS("tool"),
			.action = SB_ACTION_ALLOW},
		false},
	{"threat_contains in an allowing rule: every one",
		{.when.given = SB_WHEN_THREAT_CONTAINS,
			.when.threat_contains = TEXTS("t"),
			.action = SB_ACTION_ALLOW},
		true},

	{"source", {.when.given = SB_WHEN_SOURCE, .when.sources = TEXTS("cli", "http")}, true},
	{"source: exact",
		{.when.given = SB_WHEN_SOURCE, .when.sources = TEXTS("HTTP", "htt", "http*")},
		false},
	{"tenant", {.when.given = SB_WHEN_TENANT, .when.tenants = TEXTS("acme")}, true},
	{"tenant: exact", {.when.given = SB_WHEN_TENANT, .when.tenants = TEXTS("Acme", "*")},
		false},
	{"user", {.when.given = SB_WHEN_USER, .when.users = TEXTS("eve")}, true},
	{"user: another", {.when.given = SB_WHEN_USER, .when.users = TEXTS("bob")}, false},
	{"an empty list is nobody", {.when.given = SB_WHEN_USER}, false},

	{"size_above", {.when.given = SB_WHEN_SIZE_ABOVE, .when.size_above = 99}, true},
	{"size_above is strict", {.when.given = SB_WHEN_SIZE_ABOVE, .when.size_above = 100}, false},
	{"size_below", {.when.given = SB_WHEN_SIZE_BELOW, .when.size_below = 101}, true},
	{"size_below is strict", {.when.given = SB_WHEN_SIZE_BELOW, .when.size_below = 100}, false},
	{"detections_at_least", {.when.given = SB_WHEN_DETECTIONS, .when.detections_at_least = 2},
		true},
	{"detections_at_least: fewer",
		{.when.given = SB_WHEN_DETECTIONS, .when.detections_at_least = 3}, false},
	{"file_type, any case",
		{.when.given = SB_WHEN_FILE_TYPE, .when.file_types = TEXTS("exe", "gz")}, true},
	{"file_type: only the last one",
		{.when.given = SB_WHEN_FILE_TYPE, .when.file_types = TEXTS("tar")}, false},
	{"file_type: all of it",
		{.when.given = SB_WHEN_FILE_TYPE, .when.file_types = TEXTS("g", "gzz")}, false},
	{"file_type: no pattern",
		{.when.given = SB_WHEN_FILE_TYPE, .when.file_types = TEXTS("*", "g?")}, false},
	{"mime", {.when.given = SB_WHEN_MIME, .when.mimes = TEXTS("text/*", "APPLICATION/zip")},
		true},
	{"mime: a pattern", {.when.given = SB_WHEN_MIME, .when.mimes = TEXTS("application/*")},
		true},
	{"mime: the whole type",
		{.when.given = SB_WHEN_MIME, .when.mimes = TEXTS("zip", "application")}, false},
	{"container type, any case",
		{.when.given = SB_WHEN_CONTAINER_TYPE,
			.when.container = {.types = TEXTS("mail", "ZIP")}},
		true},
	{"container type: another",
		{.when.given = SB_WHEN_CONTAINER_TYPE,
			.when.container = {.types = TEXTS("z*", "7z")}},
		false},
	{"a fact that is there",
		{.when.given = SB_WHEN_CONTAINER_FACTS,
			.when.container = {.present = FACT(MACROS)}},
		true},
	{"facts of which one is not there",
		{.when.given = SB_WHEN_CONTAINER_FACTS,
			.when.container = {.present = FACT(MACROS) | FACT(LIMIT)}},
		false},
	{"false for what is not there",
		{.when.given = SB_WHEN_CONTAINER_FACTS,
			.when.container = {.absent = FACT(AUTORUN)}},
		true},
	{"false for what is there",
		{.when.given = SB_WHEN_CONTAINER_FACTS, .when.container = {.absent = FACT(MACROS)}},
		false},
	{"one true, one false",
		{.when.given = SB_WHEN_CONTAINER_FACTS,
			.when.container = {.present = FACT(ENCRYPTED), .absent = FACT(CORRUPT)}},
		true},
	{"in an allowing rule, false is not proven behind a password",
		{.when.given = SB_WHEN_CONTAINER_FACTS,
			.when.container = {.absent = FACT(AUTORUN)},
			.action = SB_ACTION_ALLOW},
		false},
	{"but how the look inside went is known",
		{.when.given = SB_WHEN_CONTAINER_FACTS,
			.when.container = {.present = FACT(ENCRYPTED),
				.absent = FACT(CORRUPT) | FACT(LIMIT)},
			.action = SB_ACTION_ALLOW},
		true},
	{"container.depth_above",
		{.when.given = SB_WHEN_CONTAINER_DEPTH, .when.container = {.depth_above = 1}},
		true},
	{"container.depth_above is strict",
		{.when.given = SB_WHEN_CONTAINER_DEPTH, .when.container = {.depth_above = 2}},
		false},
	{"container.members_above",
		{.when.given = SB_WHEN_CONTAINER_MEMBERS, .when.container = {.members_above = 29}},
		true},
	{"container.members_above is strict",
		{.when.given = SB_WHEN_CONTAINER_MEMBERS, .when.container = {.members_above = 30}},
		false},
	{"container.size_above",
		{.when.given = SB_WHEN_CONTAINER_SIZE, .when.container = {.size_above = 3999}},
		true},
	{"container.size_above is strict",
		{.when.given = SB_WHEN_CONTAINER_SIZE, .when.container = {.size_above = 4000}},
		false},
	{"conditions on a container hold together",
		{.when.given = SB_WHEN_CONTAINER_SIZE | SB_WHEN_CONTAINER_TYPE,
			.when.container = {.size_above = 1, .types = TEXTS("mail")}},
		false},

	{"error_kind without an error", {.when.given = SB_WHEN_ERROR_KIND, .when.error_kinds = ~0u},
		false},
	{"error_class without an error",
		{.when.given = SB_WHEN_ERROR_CLASS, .when.error_classes = ~0u}, false},
	{"all that are given must hold",
		{.when.given = SB_WHEN_TENANT | SB_WHEN_USER,
			.when.tenants = TEXTS("acme"),
			.when.users = TEXTS("bob")},
		false},
	{"all that are given do hold",
		{.when.given = SB_WHEN_TENANT | SB_WHEN_USER,
			.when.tenants = TEXTS("acme"),
			.when.users = TEXTS("eve")},
		true},
};

static bool evaluate(const sb_rule *rule, const sb_facts *facts, sb_policy_decision *out)
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

static void each_condition_both_ways(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < COUNT(conditions); i++) {
		sb_facts facts = some_facts();
		sb_policy_decision got;

		if (evaluate(&conditions[i].rule, &facts, &got) != conditions[i].matches)
			fail_msg("%s", conditions[i].why);
	}
}

static void unknown_facts_match_nothing(void **unused)
{
	const sb_rule rules[] = {
		{.when.given = SB_WHEN_SOURCE, .when.sources = TEXTS("")},
		{.when.given = SB_WHEN_TENANT, .when.tenants = TEXTS("")},
		{.when.given = SB_WHEN_USER, .when.users = TEXTS("")},
		{.when.given = SB_WHEN_FILE_TYPE, .when.file_types = TEXTS("")},
		{.when.given = SB_WHEN_MIME, .when.mimes = TEXTS("*")},
		{.when.given = SB_WHEN_CONTAINER_TYPE, .when.container = {.types = TEXTS("")}},
		/* content that nobody opened is neither encrypted nor not encrypted */
		{.when.given = SB_WHEN_CONTAINER_FACTS,
			.when.container = {.present = FACT(ENCRYPTED)}},
		{.when.given = SB_WHEN_CONTAINER_FACTS,
			.when.container = {.absent = FACT(ENCRYPTED)}},
		{.when.given = SB_WHEN_CONTAINER_FACTS,
			.when.container = {.absent = FACT(MACROS)},
			.action = SB_ACTION_ALLOW},
		{.when.given = SB_WHEN_CONTAINER_DEPTH},
		{.when.given = SB_WHEN_CONTAINER_MEMBERS},
		{.when.given = SB_WHEN_CONTAINER_SIZE},
		{.when.given = SB_WHEN_SEVERITY, .when.severity_at_least = SB_SEVERITY_NONE},
		{.when.given = SB_WHEN_THREAT_NAME, .when.threat_names = TEXTS("*")},
		{.when.given = SB_WHEN_THREAT_CONTAINS, .when.threat_contains = TEXTS("")},
		/* of no threats at all every one is harmless: that must not allow */
		{.when.given = SB_WHEN_SEVERITY, .action = SB_ACTION_ALLOW},
		{.when.given = SB_WHEN_THREAT_NAME,
			.when.threat_names = TEXTS("*"),
			.action = SB_ACTION_ALLOW},
		{.when.given = SB_WHEN_THREAT_CONTAINS,
			.when.threat_contains = TEXTS(""),
			.action = SB_ACTION_ALLOW},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(rules); i++) {
		sb_facts facts = {.outcome = SB_OUTCOME_INFECTED};
		sb_policy_decision got;

		if (evaluate(&rules[i], &facts, &got))
			fail_msg("row %zu matched", i);
	}
}

/* What is no container was opened all the same: then it has no macros. */
static void content_that_was_opened_has_facts(void **unused)
{
	static const struct {
		unsigned seen, present, absent;
		sb_action action;
		bool matches;
	} rows[] = {
		{0, 0, FACT(MACROS), SB_ACTION_ALLOW, true},
		{0, FACT(MACROS), 0, SB_ACTION_BLOCK, false},
		{FACT(EXTERNAL), 0, FACT(MACROS), SB_ACTION_ALLOW, true},
		{FACT(ENCRYPTED), 0, FACT(MACROS), SB_ACTION_BLOCK, true},
		{FACT(ENCRYPTED), 0, FACT(MACROS), SB_ACTION_ALLOW, false},
		{FACT(CORRUPT), 0, FACT(MACROS), SB_ACTION_ALLOW_WITH_WARNING, false},
		{FACT(UNSUPPORTED), 0, FACT(LAUNCH), SB_ACTION_ALLOW, false},
		{FACT(UNSUPPORTED), 0, FACT(ENCRYPTED) | FACT(LIMIT), SB_ACTION_ALLOW, true},
		/* behind a limit there may be anything */
		{FACT(LIMIT), 0, FACT(ENCRYPTED), SB_ACTION_ALLOW, false},
		{FACT(LIMIT), 0, FACT(ENCRYPTED), SB_ACTION_QUARANTINE, true},
		{FACT(LIMIT), FACT(LIMIT), 0, SB_ACTION_ALLOW, true},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		sb_container container = {.facts = rows[i].seen};
		sb_facts facts = {.outcome = SB_OUTCOME_CLEAN, .container = &container};
		sb_rule rule = {.when.given = SB_WHEN_CONTAINER_FACTS,
			.when.container = {.present = rows[i].present, .absent = rows[i].absent},
			.action = rows[i].action};
		sb_policy_decision got;

		if (evaluate(&rule, &facts, &got) != rows[i].matches)
			fail_msg("row %zu", i);
	}
}

static void file_types_stand_behind_the_last_dot(void **unused)
{
	static const struct {
		const char *name;
		size_t length;
		bool matches;
	} rows[] = {
		{"a.exe", 5, true},
		{"a.pdf.exe", 9, true},
		{".exe", 4, true},
		{"a.exe. .", 8, true},
		{"a.b/c.EXE", 9, true},
		{"exe", 3, false},
		{"a.exe/b", 7, false},
		{"a.b\\exe", 7, false},
		{"a.exe.pdf", 9, false},
		{"a.exe\0", 6, false},
		{"a. exe", 6, false},
		{"a.", 2, false},
		{"", 0, false},
		{NULL, 0, false},
	};
	const sb_rule rule = {.when.given = SB_WHEN_FILE_TYPE, .when.file_types = TEXTS("exe")};

	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		sb_facts facts = {.outcome = SB_OUTCOME_CLEAN,
			.name = rows[i].name,
			.name_length = rows[i].length};
		sb_policy_decision got;

		if (evaluate(&rule, &facts, &got) != rows[i].matches)
			fail_msg("%s", rows[i].name);
	}
}

static void a_policy_knows_what_it_looks_at(void **unused)
{
	static const struct {
		sb_rule rule;
		bool looks;
	} rows[] = {
		{{.enabled = true, .when.given = SB_WHEN_MIME | SB_WHEN_OUTCOME}, true},
		{{.enabled = true, .when.given = SB_WHEN_OUTCOME}, false},
		{{.when.given = SB_WHEN_MIME}, false},
		{{.enabled = true, .when.given = SB_WHEN_MIME | SB_WHEN_NEVER}, false},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		sb_arena arena;

		sb_arena_init(&arena, 1 << 16);
		assert_int_equal(sb_policy_looks_at(sb_policy_new("p", &rows[i].rule, 1, &arena),
					 SB_WHEN_MIME),
			rows[i].looks);
		sb_arena_done(&arena);
	}
}

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
		cmocka_unit_test(each_condition_both_ways),
		cmocka_unit_test(unknown_facts_match_nothing),
		cmocka_unit_test(content_that_was_opened_has_facts),
		cmocka_unit_test(file_types_stand_behind_the_last_dot),
		cmocka_unit_test(a_policy_knows_what_it_looks_at),
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
