/* SPDX-License-Identifier: MIT */
/* What lint says about rules, and what it must not say: a rule that can be reached is left alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "policy/lint.h"
#include "util/buf.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TEXTS(...)                                                                                 \
	{                                                                                          \
		(const char *const[]){__VA_ARGS__},                                                \
			sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)          \
	}
#define OUTCOMES(bits) .given = SB_WHEN_OUTCOME, .outcomes = (bits)
#define KINDS(bits) .given = SB_WHEN_ERROR_KIND, .error_kinds = (bits)
#define BIT(name) (1u << SB_##name)
#define ALLOW .action = SB_ACTION_ALLOW
#define BLOCK .action = SB_ACTION_BLOCK

typedef struct short_rule {
	sb_conditions when;
	sb_action action;
} short_rule;

static const sb_conditions named_pua = {
	.given = SB_WHEN_THREAT_NAME, .threat_names = TEXTS("PUA.*")};

/* Two rules, r0 and r1; behind them one that blocks the rest, so that all is handled. */
static const struct {
	const char *why;
	short_rule rules[2];
	const char *says; /* NULL: nothing */
} rows[] = {
	{"what is reached",
		{{{OUTCOMES(BIT(OUTCOME_CLEAN))}, ALLOW},
			{{OUTCOMES(BIT(OUTCOME_INFECTED))}, BLOCK}},
		NULL},
	{"the same",
		{{{OUTCOMES(BIT(OUTCOME_CLEAN))}, ALLOW}, {{OUTCOMES(BIT(OUTCOME_CLEAN))}, BLOCK}},
		"p:1: rule \"r1\" is never reached: it has the same conditions as rule \"r0\""},
	{"a narrower one",
		{{{.given = SB_WHEN_TENANT, .tenants = TEXTS("a", "b")}, BLOCK},
			{{.given = SB_WHEN_TENANT | SB_WHEN_MIME,
				 .tenants = TEXTS("b"),
				 .mimes = TEXTS("x")},
				BLOCK}},
		"rule \"r1\" is never reached: rule \"r0\" matches whenever it would"},
	{"a wider one",
		{{{.given = SB_WHEN_TENANT, .tenants = TEXTS("a")}, BLOCK},
			{{.given = SB_WHEN_TENANT, .tenants = TEXTS("a", "b")}, BLOCK}},
		NULL},
	{"sizes",
		{{{.given = SB_WHEN_SIZE_ABOVE, .size_above = 5}, BLOCK},
			{{.given = SB_WHEN_SIZE_ABOVE, .size_above = 6}, BLOCK}},
		"never reached"},
	{"sizes the other way",
		{{{.given = SB_WHEN_SIZE_ABOVE, .size_above = 6}, BLOCK},
			{{.given = SB_WHEN_SIZE_ABOVE, .size_above = 5}, BLOCK}},
		NULL},
	{"an allowing rule needs every threat, a strict one does not",
		{{{.given = SB_WHEN_THREAT_NAME, .threat_names = TEXTS("PUA.*")}, ALLOW},
			{{.given = SB_WHEN_THREAT_NAME, .threat_names = TEXTS("PUA.*")}, BLOCK}},
		NULL},
	{"but not the other way round",
		{{{.given = SB_WHEN_THREAT_NAME, .threat_names = TEXTS("PUA.*")}, BLOCK},
			{{.given = SB_WHEN_THREAT_NAME, .threat_names = TEXTS("PUA.*")}, ALLOW}},
		"never reached"},
	{"an allowed kind may come with another",
		{{{KINDS(BIT(KIND_ENCRYPTED))}, BLOCK}, {{KINDS(BIT(KIND_TIMEOUT))}, BLOCK}}, NULL},
	{"a class covers its kinds",
		{{{.given = SB_WHEN_ERROR_CLASS, .error_classes = BIT(CLASS_CONTENT)}, BLOCK},
			{{KINDS(BIT(KIND_ENCRYPTED))}, BLOCK}},
		"never reached"},
	{"not and its opposite are together",
		{{{.given = SB_WHEN_NOT, .none = {&named_pua, 1}}, BLOCK},
			{{.given = SB_WHEN_NOT, .none = {&named_pua, 1}}, BLOCK}},
		"it has the same conditions"},
	{"never", {{{.given = SB_WHEN_NEVER}, BLOCK}, {{OUTCOMES(BIT(OUTCOME_CLEAN))}, BLOCK}},
		"p:0: rule \"r0\" can never match"},
	{"threats in clean content",
		{{{.given = SB_WHEN_OUTCOME | SB_WHEN_SEVERITY, .outcomes = BIT(OUTCOME_CLEAN)},
			 BLOCK},
			{{OUTCOMES(BIT(OUTCOME_CLEAN))}, BLOCK}},
		"rule \"r0\" can never match"},
	{"errors by name",
		{{{KINDS(BIT(KIND_ENCRYPTED) | BIT(KIND_INTERNAL))}, ALLOW},
			{{OUTCOMES(BIT(OUTCOME_CLEAN))}, BLOCK}},
		"rule \"r0\" allows content that could not be scanned: encrypted"},
	{"all errors",
		{{{.given = SB_WHEN_USER, .users = TEXTS("x")}, ALLOW},
			{{OUTCOMES(BIT(OUTCOME_CLEAN))}, BLOCK}},
		"rule \"r0\" allows content that could not be scanned"},
	{"by a threat no error is allowed",
		{{{.given = SB_WHEN_THREAT_NAME, .threat_names = TEXTS("PUA.*")}, ALLOW},
			{{OUTCOMES(BIT(OUTCOME_CLEAN))}, BLOCK}},
		NULL},
	{"twice in a list",
		{{{.given = SB_WHEN_MIME, .mimes = TEXTS("a", "b", "a")}, BLOCK},
			{{OUTCOMES(BIT(OUTCOME_CLEAN))}, BLOCK}},
		"rule \"r0\": mime has \"a\" twice"},
	{"MD5",
		{{{.given = SB_WHEN_HASH | SB_WHEN_OUTCOME,
			  .outcomes = BIT(OUTCOME_INFECTED),
			  .hashes.md5 = TEXTS("x")},
			 ALLOW},
			{{OUTCOMES(BIT(OUTCOME_CLEAN))}, BLOCK}},
		"rule \"r0\" allows by MD5"},
};

static void note(void *data, bool is_error, const char *origin, const char *message)
{
	(void)is_error;
	sb_buf_printf(data, "%s: %s\n", origin != NULL ? origin : "-", message);
}

static void lint_rules(const sb_rule *rules, size_t count, sb_buf *out)
{
	sb_arena arena;

	sb_arena_init(&arena, 1 << 16);
	sb_buf_init(out, 1 << 16);
	sb_policy_lint(sb_policy_new("p", rules, count, &arena), note, out);
	sb_arena_done(&arena);
}

static void rules_are_judged(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const sb_rule rules[] = {
			{.id = "r0",
				.origin = "p:0",
				.enabled = true,
				.when = rows[i].rules[0].when,
				.action = rows[i].rules[0].action},
			{.id = "r1",
				.origin = "p:1",
				.enabled = true,
				.when = rows[i].rules[1].when,
				.action = rows[i].rules[1].action},
			{.id = "rest", .enabled = true, .action = SB_ACTION_BLOCK},
		};
		sb_buf out;

		lint_rules(rules, 3, &out);
		if (rows[i].says == NULL
				? out.length > 0
				: out.length == 0 || strstr(out.data, rows[i].says) == NULL)
			fail_msg("%s: %s", rows[i].why, out.length > 0 ? out.data : "nothing");
		sb_buf_done(&out);
	}
}

#define LISTS(bit, member)                                                                         \
	{                                                                                          \
		{.given = SB_WHEN_##bit, .member = TEXTS("a")},                                    \
		{                                                                                  \
			.given = SB_WHEN_##bit, .member = TEXTS("a", "b")                          \
		}                                                                                  \
	}
#define NUMBERS(bit, member, few, many)                                                            \
	{                                                                                          \
		{.given = SB_WHEN_##bit, .member = (few)},                                         \
		{                                                                                  \
			.given = SB_WHEN_##bit, .member = (many)                                   \
		}                                                                                  \
	}
#define PAIRS(...)                                                                                 \
	.given = SB_WHEN_METADATA, .metadata = (const sb_metadata_condition[]){__VA_ARGS__},       \
	.metadata_count = sizeof((const sb_metadata_condition[]){__VA_ARGS__}) /                   \
			  sizeof(sb_metadata_condition)
#define WINDOWS(...)                                                                               \
	.given = SB_WHEN_TIME, .windows = (const sb_window[]){__VA_ARGS__},                        \
	.window_count = sizeof((const sb_window[]){__VA_ARGS__}) / sizeof(sb_window)

/* The first of two holds for less than the second. */
static const sb_conditions narrow_and_wide[][2] = {
	NUMBERS(OUTCOME, outcomes, 2, 6),
	NUMBERS(ERROR_KIND, error_kinds, BIT(KIND_IO), BIT(KIND_IO) | BIT(KIND_TIMEOUT)),
	NUMBERS(ERROR_CLASS, error_classes, BIT(CLASS_CALLER),
		BIT(CLASS_CALLER) | BIT(CLASS_ENGINE)),
	NUMBERS(SEVERITY, severity_at_least, SB_SEVERITY_HIGH, SB_SEVERITY_LOW),
	LISTS(THREAT_NAME, threat_names),
	LISTS(THREAT_CONTAINS, threat_contains),
	LISTS(SOURCE, sources),
	LISTS(TENANT, tenants),
	LISTS(USER, users),
	NUMBERS(SIZE_ABOVE, size_above, 9, 8),
	NUMBERS(SIZE_BELOW, size_below, 8, 9),
	NUMBERS(DETECTIONS, detections_at_least, 3, 2),
	LISTS(FILE_TYPE, file_types),
	LISTS(MIME, mimes),
	LISTS(ENGINE, engines),
	LISTS(HASH, hashes.blake3),
	LISTS(HASH, hashes.sha256),
	LISTS(HASH, hashes.md5),
	LISTS(CONTAINER_TYPE, container.types),
	NUMBERS(CONTAINER_DEPTH, container.depth_above, 3, 2),
	NUMBERS(CONTAINER_MEMBERS, container.members_above, 3, 2),
	NUMBERS(CONTAINER_SIZE, container.size_above, 3, 2),
	NUMBERS(CONTAINER_FACTS, container.present, 3, 1),
	NUMBERS(CONTAINER_FACTS, container.absent, 3, 1),
	{{PAIRS({"k", TEXTS("a")}, {"l", TEXTS("b")})}, {PAIRS({"l", TEXTS("b", "c")})}},
	{{PAIRS({"k", TEXTS("a")})}, {PAIRS({"k", TEXTS("a", "b")})}},
	{{WINDOWS({2, 0, 60})}, {WINDOWS({1, 0, 60}, {6, 0, 60})}},
	{{.given = SB_WHEN_CACHED | SB_WHEN_USER, .cached = true, .users = TEXTS("x")},
		{.given = SB_WHEN_CACHED, .cached = true}},
	{{.given = SB_WHEN_ANY | SB_WHEN_USER, .any = {&named_pua, 1}, .users = TEXTS("x")},
		{.given = SB_WHEN_ANY, .any = {&named_pua, 1}}},
	{{.given = SB_WHEN_ALL | SB_WHEN_USER, .all = {&named_pua, 1}, .users = TEXTS("x")},
		{.given = SB_WHEN_ALL, .all = {&named_pua, 1}}},
};

static bool second_is_unreached(const sb_conditions *first, const sb_conditions *second)
{
	const sb_rule rules[] = {
		{.id = "a", .origin = "p:1", .enabled = true, .when = *first, BLOCK},
		{.id = "b", .origin = "p:2", .enabled = true, .when = *second, BLOCK},
	};
	bool found;
	sb_buf out;

	lint_rules(rules, 2, &out);
	found = strstr(out.data, "p:2: rule \"b\" is never reached") != NULL;
	sb_buf_done(&out);
	return found;
}

static void a_wider_rule_hides_a_narrower_one(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < COUNT(narrow_and_wide); i++) {
		const sb_conditions *narrow = &narrow_and_wide[i][0],
				    *wide = &narrow_and_wide[i][1];

		if (!second_is_unreached(wide, narrow) || second_is_unreached(narrow, wide) ||
			!second_is_unreached(narrow, narrow))
			fail_msg("row %zu", i);
	}
}

static void doubles_inside_are_found(void **unused)
{
	const sb_conditions two[] = {named_pua, named_pua};
	const sb_rule rule = {.id = "a",
		.origin = "p:1",
		.enabled = true,
		.when = {.given = SB_WHEN_ANY, .any = {two, 2}},
		BLOCK};
	sb_buf out;

	(void)unused;
	lint_rules(&rule, 1, &out);
	assert_non_null(strstr(out.data, "a list of conditions has the same ones twice"));
	sb_buf_done(&out);
}

static void earlier_rules_together(void **unused)
{
	const sb_rule rules[] = {
		{.id = "a", .enabled = true, .when = {OUTCOMES(BIT(OUTCOME_CLEAN))}, ALLOW},
		{.id = "b", .enabled = true, .when = {OUTCOMES(0xfu & ~BIT(OUTCOME_CLEAN))}, BLOCK},
		{.id = "c", .origin = "p:3", .enabled = true, BLOCK},
	};
	sb_buf out;

	(void)unused;
	lint_rules(rules, 3, &out);
	assert_string_equal(out.data, "p:3: rule \"c\" is never reached: earlier rules together "
				      "match whenever it would\n");
	sb_buf_done(&out);
}

static void what_nobody_handles_is_told(void **unused)
{
	const sb_rule rules[] = {
		{.id = "a", .enabled = true, .when = {OUTCOMES(BIT(OUTCOME_CLEAN))}, ALLOW},
		{.id = "b",
			.enabled = true,
			.when = {.given = SB_WHEN_OUTCOME | SB_WHEN_TENANT,
				.outcomes = BIT(OUTCOME_INFECTED),
				.tenants = TEXTS("x")},
			BLOCK},
		{.id = "c", .when = {.given = 0}, BLOCK},
		{.id = "d",
			.enabled = true,
			.when = {KINDS(~0u & ~(BIT(KIND_TIMEOUT) | BIT(KIND_IO)))},
			BLOCK},
	};
	sb_buf out;

	(void)unused;
	lint_rules(rules, COUNT(rules), &out);
	assert_string_equal(out.data,
		"-: outcome infected is handled only under conditions: what they leave over is "
		"blocked\n"
		"-: outcome suspicious is handled by no rule: it is blocked\n"
		"-: error kinds handled by no rule: it is blocked: timeout, io\n");
	sb_buf_done(&out);
	lint_rules(NULL, 0, &out);
	assert_non_null(strstr(out.data, "-: outcome error is handled by no rule"));
	sb_buf_done(&out);
}

static void presets_handle_everything(void **unused)
{
	static const char *const names[] = {"default", "strict", "monitor", "mail"};

	(void)unused;
	for (size_t i = 0; i < COUNT(names); i++) {
		sb_buf out;

		sb_buf_init(&out, 1 << 16);
		sb_policy_lint(sb_policy_preset(names[i]), note, &out);
		assert_int_equal(out.length, 0);
		sb_buf_done(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_judged),
		cmocka_unit_test(a_wider_rule_hides_a_narrower_one),
		cmocka_unit_test(doubles_inside_are_found),
		cmocka_unit_test(earlier_rules_together),
		cmocka_unit_test(what_nobody_handles_is_told),
		cmocka_unit_test(presets_handle_everything),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
