/* SPDX-License-Identifier: MIT */
/* What a rule matches: each condition both ways, and facts that nobody knows. */
#include "policy/policy_scene.h"

static const char *const two_names[] = {"Eicar.Test", "PUA.Tool"};
static const sb_severity two_severities[] = {SB_SEVERITY_MEDIUM, SB_SEVERITY_CRITICAL};

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
		assert_int_equal((sb_policy_asks(sb_policy_new("p", &rows[i].rule, 1, &arena)) &
					 SB_WHEN_MIME) != 0,
			rows[i].looks);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
