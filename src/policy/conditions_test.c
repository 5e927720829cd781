/* SPDX-License-Identifier: MIT */
/*
 * How conditions are read: how true each one is for given facts, and what a rule that allows and
 * one that does not make of that, also inside all, any and not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "policy/policy.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TEXTS(...)                                                                                 \
	{                                                                                          \
		(const char *const[]){__VA_ARGS__},                                                \
			sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)          \
	}
#define LIST(...)                                                                                  \
	{                                                                                          \
		(const sb_conditions[]){__VA_ARGS__},                                              \
			sizeof((const sb_conditions[]){__VA_ARGS__}) / sizeof(sb_conditions)       \
	}
#define NOT(...)                                                                                   \
	{                                                                                          \
		.given = SB_WHEN_NOT, .none = LIST(__VA_ARGS__)                                    \
	}
#define ALL(...)                                                                                   \
	{                                                                                          \
		.given = SB_WHEN_ALL, .all = LIST(__VA_ARGS__)                                     \
	}
#define ANY(...)                                                                                   \
	{                                                                                          \
		.given = SB_WHEN_ANY, .any = LIST(__VA_ARGS__)                                     \
	}
#define THREATS(...)                                                                               \
	.threat_names = (const char *const[]){__VA_ARGS__},                                        \
	.threat_severities = (const sb_severity[]){SB_SEVERITY_LOW, SB_SEVERITY_CRITICAL},         \
	.threat_count = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *)
#define ENGINES(...)                                                                               \
	.engines = (const sb_engine_fact[]){__VA_ARGS__},                                          \
	.engine_count = sizeof((const sb_engine_fact[]){__VA_ARGS__}) / sizeof(sb_engine_fact)

#define NAMED(...)                                                                                 \
	{                                                                                          \
		.given = SB_WHEN_THREAT_NAME, .threat_names = TEXTS(__VA_ARGS__)                   \
	}
#define SEVERE(s)                                                                                  \
	{                                                                                          \
		.given = SB_WHEN_SEVERITY, .severity_at_least = SB_SEVERITY_##s                    \
	}
#define TENANT(name)                                                                               \
	{                                                                                          \
		.given = SB_WHEN_TENANT, .tenants = TEXTS(name)                                    \
	}
#define ENGINE(...)                                                                                \
	{                                                                                          \
		.given = SB_WHEN_ENGINE, .engines = TEXTS(__VA_ARGS__)                             \
	}
#define NEVER                                                                                      \
	{                                                                                          \
		.given = SB_WHEN_NEVER                                                             \
	}
#define ALWAYS                                                                                     \
	{                                                                                          \
		.given = 0                                                                         \
	}
#define FACTS(...)                                                                                 \
	{                                                                                          \
		.given = SB_WHEN_CONTAINER_FACTS, .container = { __VA_ARGS__ }                     \
	}
#define METADATA(...)                                                                              \
	{                                                                                          \
		.given = SB_WHEN_METADATA,                                                         \
		.metadata = (const sb_metadata_condition[]){__VA_ARGS__},                          \
		.metadata_count = sizeof((const sb_metadata_condition[]){__VA_ARGS__}) /           \
				  sizeof(sb_metadata_condition)                                    \
	}
#define KINDS(bits)                                                                                \
	{                                                                                          \
		.given = SB_WHEN_ERROR_KIND, .error_kinds = (bits)                                 \
	}
#define KIND(kind) (1u << SB_KIND_##kind)

static const char d64[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char d32[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
static const sb_container opened = {.type = NULL};
static const sb_container locked = {
	.type = "zip", .members = 5, .depth = 1, .bytes = 10, .facts = SB_FACT_ENCRYPTED};
static const sb_container cut = {.facts = SB_FACT_LIMIT};

#define CLEAN .outcome = SB_OUTCOME_CLEAN
#define INFECTED .outcome = SB_OUTCOME_INFECTED
#define ERROR(kind) .outcome = SB_OUTCOME_ERROR, .error_kind = SB_KIND_##kind

enum { NO = SB_TRUTH_NO, UNKNOWN = SB_TRUTH_UNKNOWN, PARTLY = SB_TRUTH_PARTLY, YES = SB_TRUTH_YES };

/* A condition alone: from its truth follow both readings, straight and below a `not`. */
static const struct {
	const char *why;
	sb_conditions when;
	sb_facts facts;
	int truth;
} rows[] = {
	{"never", NEVER, {CLEAN}, NO},

	{"every threat", NAMED("PUA.*"), {INFECTED, THREATS("PUA.a", "PUA.b")}, YES},
	{"one threat", NAMED("PUA.*"), {INFECTED, THREATS("PUA.a", "Worm")}, PARTLY},
	{"no threat", NAMED("PUA.*"), {INFECTED, THREATS("Virus", "Worm")}, NO},
	{"a list may share the threats", NAMED("P*", "W*"), {INFECTED, THREATS("P", "W")}, YES},
	{"clean has none", NAMED("*"), {CLEAN}, NO},
	{"an error may hide some", NAMED("*"), {ERROR(TIMEOUT)}, UNKNOWN},
	{"infected by nobody knows what", NAMED("*"), {INFECTED}, UNKNOWN},
	{"an error may hide more", NAMED("PUA.*"), {ERROR(TIMEOUT), THREATS("PUA.a")}, PARTLY},
	{"so may a required engine that failed", NAMED("PUA.*"),
		{INFECTED, .incomplete = true, THREATS("PUA.a")}, PARTLY},
	{"or hide the one", NAMED("PUA.*"), {INFECTED, .incomplete = true, THREATS("Worm")},
		UNKNOWN},
	{"severity of every threat", SEVERE(LOW), {INFECTED, THREATS("a", "b")}, YES},
	{"severity of one", SEVERE(HIGH), {INFECTED, THREATS("a", "b")}, PARTLY},
	{"severity of none", SEVERE(HIGH), {INFECTED, THREATS("a")}, NO},

	{"enough detections", {.given = SB_WHEN_DETECTIONS, .detections_at_least = 2},
		{INFECTED, .detections = 2}, YES},
	{"not enough", {.given = SB_WHEN_DETECTIONS, .detections_at_least = 2},
		{INFECTED, .detections = 1}, NO},
	{"not enough, but one failed", {.given = SB_WHEN_DETECTIONS, .detections_at_least = 2},
		{INFECTED, .detections = 1, .incomplete = true}, UNKNOWN},

	{"every engine", ENGINE("a", "b"), {INFECTED, ENGINES({"a", true}, {"b", false})}, YES},
	{"one engine", ENGINE("a"), {INFECTED, ENGINES({"a", true}, {"b", false})}, PARTLY},
	{"exactly", ENGINE("A", "*"), {INFECTED, ENGINES({"a", true})}, NO},
	{"no engine had anything", ENGINE("a"), {CLEAN}, NO},
	{"no engine was asked", ENGINE("a"), {ERROR(FILE_TOO_LARGE)}, UNKNOWN},

	{"every cause", KINDS(KIND(ENCRYPTED)), {ERROR(ENCRYPTED)}, YES},
	{"one cause", KINDS(KIND(ENCRYPTED)),
		{ERROR(ENCRYPTED), .error_kinds = KIND(ENCRYPTED) | KIND(TIMEOUT)}, PARTLY},
	{"no cause", KINDS(KIND(ENCRYPTED)), {ERROR(TIMEOUT)}, NO},
	{"no error", KINDS(~0u), {CLEAN, .error_kind = SB_KIND_TIMEOUT}, NO},

	{"tenant", TENANT("acme"), {CLEAN, .tenant = "acme"}, YES},
	{"another tenant", TENANT("acme"), {CLEAN, .tenant = "evil"}, NO},
	{"no tenant", TENANT("acme"), {CLEAN}, UNKNOWN},

	{"metadata", METADATA({"k", TEXTS("x", "v?l*")}),
		{CLEAN, .metadata = (const sb_metadata_fact[]){{"j", "", 0}, {"k", "value", 5}},
			.metadata_count = 2},
		YES},
	{"metadata: case counts", METADATA({"k", TEXTS("VALUE")}),
		{CLEAN, .metadata = (const sb_metadata_fact[]){{"k", "value", 5}},
			.metadata_count = 1},
		NO},
	{"metadata: all of the value", METADATA({"k", TEXTS("value")}),
		{CLEAN, .metadata = (const sb_metadata_fact[]){{"k", "value\0x", 7}},
			.metadata_count = 1},
		NO},
	{"metadata: not given", METADATA({"k", TEXTS("*")}), {CLEAN}, UNKNOWN},
	{"metadata: every key", METADATA({"k", TEXTS("v")}, {"l", TEXTS("w")}),
		{CLEAN, .metadata = (const sb_metadata_fact[]){{"k", "v", 1}, {"l", "w", 1}},
			.metadata_count = 2},
		YES},
	{"metadata: one key is missing", METADATA({"l", TEXTS("w")}, {"k", TEXTS("v")}),
		{CLEAN, .metadata = (const sb_metadata_fact[]){{"k", "v", 1}}, .metadata_count = 1},
		UNKNOWN},

	{"cached", {.given = SB_WHEN_CACHED, .cached = true}, {CLEAN, .cached = true}, YES},
	{"not cached", {.given = SB_WHEN_CACHED, .cached = true}, {CLEAN}, NO},
	{"cached: false", {.given = SB_WHEN_CACHED}, {CLEAN}, YES},

	{"size_above of nothing", {.given = SB_WHEN_SIZE_ABOVE}, {CLEAN, .size_unknown = true},
		UNKNOWN},
	{"size_below of nothing", {.given = SB_WHEN_SIZE_BELOW, .size_below = 9},
		{CLEAN, .size_unknown = true}, UNKNOWN},
	{"size_below", {.given = SB_WHEN_SIZE_BELOW, .size_below = 9}, {CLEAN}, YES},

	{"no name", {.given = SB_WHEN_FILE_TYPE, .file_types = TEXTS("exe")}, {CLEAN}, UNKNOWN},
	{"a name without a type", {.given = SB_WHEN_FILE_TYPE, .file_types = TEXTS("exe")},
		{CLEAN, .name = "a", .name_length = 1}, NO},
	{"only dots", {.given = SB_WHEN_FILE_TYPE, .file_types = TEXTS("exe")},
		{CLEAN, .name = "..", .name_length = 2}, NO},
	{"mime", {.given = SB_WHEN_MIME, .mimes = TEXTS("a/*")}, {CLEAN, .mime = "a/b"}, YES},
	{"no mime", {.given = SB_WHEN_MIME, .mimes = TEXTS("*")}, {CLEAN}, UNKNOWN},

	{"blake3", {.given = SB_WHEN_HASH, .hashes.blake3 = TEXTS("c", d64)},
		{CLEAN, .blake3 = d64}, YES},
	{"another blake3", {.given = SB_WHEN_HASH, .hashes.blake3 = TEXTS("c")},
		{CLEAN, .blake3 = d64}, NO},
	{"sha256", {.given = SB_WHEN_HASH, .hashes.sha256 = TEXTS(d64)},
		{CLEAN, .blake3 = "c", .sha256 = d64}, YES},
	{"either", {.given = SB_WHEN_HASH, .hashes = {TEXTS(d64), TEXTS(d64)}},
		{CLEAN, .blake3 = "c", .sha256 = d64}, YES},
	{"sha256 that nobody made", {.given = SB_WHEN_HASH, .hashes = {TEXTS(d64), TEXTS(d64)}},
		{CLEAN, .blake3 = "c"}, UNKNOWN},
	{"content that could not be read", {.given = SB_WHEN_HASH, .hashes.blake3 = TEXTS(d64)},
		{ERROR(IO)}, UNKNOWN},
	{"MD5 proves nothing", {.given = SB_WHEN_HASH, .hashes.md5 = TEXTS(d32)},
		{CLEAN, .md5 = d32}, PARTLY},
	{"another MD5", {.given = SB_WHEN_HASH, .hashes.md5 = TEXTS(d32)}, {CLEAN, .md5 = "c"}, NO},

	{"container type", {.given = SB_WHEN_CONTAINER_TYPE, .container.types = TEXTS("zip")},
		{CLEAN, .container = &locked}, YES},
	{"another type", {.given = SB_WHEN_CONTAINER_TYPE, .container.types = TEXTS("7z")},
		{CLEAN, .container = &locked}, NO},
	{"no container", {.given = SB_WHEN_CONTAINER_TYPE, .container.types = TEXTS("7z")},
		{CLEAN, .container = &opened}, NO},
	{"a type behind a limit", {.given = SB_WHEN_CONTAINER_TYPE, .container.types = TEXTS("7z")},
		{CLEAN, .container = &cut}, UNKNOWN},
	{"nobody looked", {.given = SB_WHEN_CONTAINER_TYPE, .container.types = TEXTS("7z")},
		{CLEAN}, UNKNOWN},
	{"a fact", FACTS(.present = SB_FACT_ENCRYPTED), {CLEAN, .container = &locked}, YES},
	{"a fact that is not there", FACTS(.present = SB_FACT_MACROS),
		{CLEAN, .container = &opened}, NO},
	{"a fact behind a password", FACTS(.present = SB_FACT_MACROS),
		{CLEAN, .container = &locked}, UNKNOWN},
	{"a fact in nobody's eyes", FACTS(.present = SB_FACT_MACROS), {CLEAN}, UNKNOWN},
	{"proven not there", FACTS(.absent = SB_FACT_MACROS), {CLEAN, .container = &opened}, YES},
	{"not seen, not proven", FACTS(.absent = SB_FACT_MACROS), {CLEAN, .container = &locked},
		PARTLY},
	{"not seen behind a limit", FACTS(.absent = SB_FACT_MACROS), {CLEAN, .container = &cut},
		PARTLY},
	{"there", FACTS(.absent = SB_FACT_ENCRYPTED), {CLEAN, .container = &locked}, NO},
	{"members", {.given = SB_WHEN_CONTAINER_MEMBERS, .container.members_above = 4},
		{CLEAN, .container = &locked}, YES},
	{"members nobody counted",
		{.given = SB_WHEN_CONTAINER_MEMBERS, .container.members_above = 5},
		{CLEAN, .container = &locked}, UNKNOWN},
	{"no members", {.given = SB_WHEN_CONTAINER_MEMBERS}, {CLEAN, .container = &opened}, NO},
	{"depth", {.given = SB_WHEN_CONTAINER_DEPTH}, {CLEAN, .container = &locked}, YES},
	{"depth behind a limit", {.given = SB_WHEN_CONTAINER_DEPTH}, {CLEAN, .container = &cut},
		UNKNOWN},
	{"size inside", {.given = SB_WHEN_CONTAINER_SIZE, .container.size_above = 9},
		{CLEAN, .container = &locked}, YES},
	{"size inside unknown", {.given = SB_WHEN_CONTAINER_SIZE, .container.size_above = 10},
		{CLEAN, .container = &locked}, UNKNOWN},
};

static bool matches(const sb_conditions *when, sb_action action, const sb_facts *facts)
{
	return sb_conditions_hold(when, facts, sb_reading_of(action));
}

static void truth_decides_both_ways(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const sb_conditions *when = &rows[i].when;
		const sb_conditions not = {.given = SB_WHEN_NOT, .none = {when, 1}};
		const sb_conditions not_not = {.given = SB_WHEN_NOT, .none = {&not, 1}};
		int truth = rows[i].truth;

		if ((int)sb_condition_truth(when, when->given, &rows[i].facts) != truth)
			fail_msg("%s", rows[i].why);
		for (sb_action a = SB_ACTION_ALLOW; a <= SB_ACTION_BLOCK; a++) {
			bool allows = sb_action_allows(a);
			bool straight = allows ? truth == YES : truth >= PARTLY;
			bool turned = allows ? truth == NO : truth < YES;

			if (matches(when, a, &rows[i].facts) != straight ||
				matches(&not, a, &rows[i].facts) != turned ||
				matches(&not_not, a, &rows[i].facts) != straight)
				fail_msg("%s, %s", rows[i].why, sb_action_name(a));
		}
	}
}

/* all, any and not together, for a rule that allows and one that does not. */
static const struct {
	const char *why;
	sb_conditions when;
	sb_facts facts;
	bool allows, blocks;
} nested[] = {
	{"all of nothing that fails", ALL(ALWAYS, ALWAYS), {CLEAN}, true, true},
	{"all, one fails", ALL(ALWAYS, NEVER), {CLEAN}, false, false},
	{"any, one holds", ANY(NEVER, ALWAYS), {CLEAN}, true, true},
	{"any, none holds", ANY(NEVER, NEVER), {CLEAN}, false, false},
	{"not of a list: none of them", NOT(NEVER, NEVER), {CLEAN}, true, true},
	{"not of a list: one of them", NOT(NEVER, ALWAYS), {CLEAN}, false, false},
	{"keys beside each other",
		{.given = SB_WHEN_ANY | SB_WHEN_TENANT, .any = LIST(ALWAYS), .tenants = TEXTS("x")},
		{CLEAN, .tenant = "y"}, false, false},
	{"keys beside each other hold",
		{.given = SB_WHEN_ANY | SB_WHEN_NOT | SB_WHEN_TENANT,
			.any = LIST(NEVER, ALWAYS),
			.none = LIST(NEVER),
			.tenants = TEXTS("x")},
		{CLEAN, .tenant = "x"}, true, true},
	{"any: each threat by its own condition is no proof", ANY(NAMED("P*"), NAMED("W*")),
		{INFECTED, THREATS("P", "W")}, false, true},
	{"any: one of them holds for all", ANY(NAMED("P*"), NAMED("X*")),
		{INFECTED, THREATS("P", "P2")}, true, true},
	{"all: every threat both ways", ALL(NAMED("P*"), SEVERE(LOW)),
		{INFECTED, THREATS("P", "P2")}, true, true},
	{"all: not every threat", ALL(NAMED("P*"), SEVERE(LOW)), {INFECTED, THREATS("P", "W")},
		false, true},
	{"not, in depth", ANY(NOT(ALL(NAMED("P*"), TENANT("x")))),
		{INFECTED, THREATS("P", "W"), .tenant = "x"}, false, true},
	{"not all: it is enough to know of one", NOT(ALL(NAMED("P*"), TENANT("x"))),
		{INFECTED, THREATS("P"), .tenant = "y"}, true, true},
	{"not all: nobody knows", NOT(ALL(NAMED("P*"), TENANT("x"))), {INFECTED, THREATS("P")},
		false, true},
	{"not any: every one has to be known", NOT(ANY(TENANT("x"), NAMED("P*"))),
		{INFECTED, THREATS("W")}, false, true},
	{"what is not severe is no error", NOT(SEVERE(HIGH)), {ERROR(ENGINE_CRASHED)}, false, true},
	{"what is not severe is clean, too", NOT(SEVERE(HIGH)), {CLEAN}, true, true},
	{"twice not, two causes", NOT(NOT(KINDS(KIND(ENCRYPTED)))),
		{ERROR(ENCRYPTED), .error_kinds = KIND(ENCRYPTED) | KIND(TIMEOUT)}, false, true},
	{"not a cause, two causes", NOT(KINDS(KIND(ENCRYPTED))),
		{ERROR(ENCRYPTED), .error_kinds = KIND(ENCRYPTED) | KIND(TIMEOUT)}, false, true},
	{"not a cause, the only one", NOT(KINDS(KIND(ENCRYPTED))), {ERROR(ENCRYPTED)}, false,
		false},
	{"no macros, not proven", NOT(FACTS(.present = SB_FACT_MACROS)),
		{CLEAN, .container = &locked}, false, true},
	{"no macros, proven", NOT(FACTS(.present = SB_FACT_MACROS)), {CLEAN, .container = &opened},
		true, true},
};

static void nesting_keeps_the_reading(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < COUNT(nested); i++)
		if (matches(&nested[i].when, SB_ACTION_ALLOW, &nested[i].facts) !=
				nested[i].allows ||
			matches(&nested[i].when, SB_ACTION_BLOCK, &nested[i].facts) !=
				nested[i].blocks)
			fail_msg("%s", nested[i].why);
}

#define DAY(d) (1u << (d))
#define CLOCK(h, m) ((h)*60 + (m))
enum { SUN, MON, TUE, WED, THU, FRI, SAT };

/* 5 January 2026 was a Monday. */
static int64_t at(unsigned day, unsigned hour, unsigned minute)
{
	return 1767571200 + ((int64_t)day - 1) * 86400 + hour * 3600 + minute * 60;
}

static void windows(void **unused)
{
	const struct {
		const char *why;
		sb_window window;
		int64_t time;
		int32_t offset;
		bool inside;
	} times[] = {
		{"begins", {DAY(MON), CLOCK(8, 0), CLOCK(18, 0)}, at(MON, 8, 0), 0, true},
		{"before", {DAY(MON), CLOCK(8, 0), CLOCK(18, 0)}, at(MON, 7, 59), 0, false},
		{"last minute", {DAY(MON), CLOCK(8, 0), CLOCK(18, 0)}, at(MON, 17, 59), 0, true},
		{"ends", {DAY(MON), CLOCK(8, 0), CLOCK(18, 0)}, at(MON, 18, 0), 0, false},
		{"another day", {DAY(MON), CLOCK(8, 0), CLOCK(18, 0)}, at(TUE, 9, 0), 0, false},
		{"a whole day", {DAY(SAT), 0, SB_MINUTES}, at(SAT, 23, 59), 0, true},
		{"midnight is the next day", {DAY(FRI), 0, SB_MINUTES}, at(SAT, 0, 0), 0, false},
		{"over midnight, before", {DAY(FRI), CLOCK(22, 0), CLOCK(6, 0)}, at(FRI, 23, 0), 0,
			true},
		{"over midnight, after", {DAY(FRI), CLOCK(22, 0), CLOCK(6, 0)}, at(SAT, 5, 59), 0,
			true},
		{"over midnight, over", {DAY(FRI), CLOCK(22, 0), CLOCK(6, 0)}, at(SAT, 6, 0), 0,
			false},
		{"not the morning of its day", {DAY(FRI), CLOCK(22, 0), CLOCK(6, 0)}, at(FRI, 5, 0),
			0, false},
		{"not the evening of the next", {DAY(FRI), CLOCK(22, 0), CLOCK(6, 0)},
			at(SAT, 22, 0), 0, false},
		{"from Saturday to Sunday", {DAY(SAT), CLOCK(22, 0), CLOCK(6, 0)}, at(SUN, 1, 0), 0,
			true},
		{"local time", {DAY(TUE), CLOCK(0, 0), CLOCK(2, 0), true}, at(MON, 23, 30), 3600,
			true},
		{"west of here", {DAY(MON), CLOCK(20, 0), CLOCK(22, 0), true}, at(TUE, 1, 0),
			-5 * 3600, true},
		{"utc has no offset", {DAY(TUE), CLOCK(0, 0), CLOCK(2, 0)}, at(MON, 23, 30), 3600,
			false},
		{"before 1970", {DAY(WED), CLOCK(23, 0), SB_MINUTES}, -60, 0, true},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(times); i++) {
		const sb_conditions when = {
			.given = SB_WHEN_TIME, .windows = &times[i].window, .window_count = 1};
		const sb_facts facts = {
			CLEAN, .time = times[i].time, .utc_offset = times[i].offset};

		if (sb_condition_truth(&when, SB_WHEN_TIME, &facts) !=
			(times[i].inside ? SB_TRUTH_YES : SB_TRUTH_NO))
			fail_msg("%s", times[i].why);
	}
}

static void any_of_several_windows_or_unknown(void **unused)
{
	static const sb_window two[] = {{DAY(MON), 0, 60}, {DAY(TUE), 0, 60}};
	const sb_conditions when = {.given = SB_WHEN_TIME, .windows = two, .window_count = 2};
	sb_facts facts = {CLEAN, .time = at(TUE, 0, 30)};

	(void)unused;
	assert_int_equal(sb_condition_truth(&when, SB_WHEN_TIME, &facts), SB_TRUTH_YES);
	facts.time = 0;
	assert_int_equal(sb_condition_truth(&when, SB_WHEN_TIME, &facts), SB_TRUTH_UNKNOWN);
}

static void conditions_have_names(void **unused)
{
	const sb_conditions none = {.given = 0};
	const sb_facts facts = {CLEAN};
	unsigned named = 0;

	(void)unused;
	for (unsigned bit = 0; bit < 32; bit++)
		named += sb_condition_name((enum sb_condition)(1u << bit)) != NULL;
	assert_int_equal(named, 28);
	assert_string_equal(sb_condition_name(SB_WHEN_NOT), "not");
	assert_null(sb_condition_name(SB_ASKS_MD5));
	assert_int_equal(sb_condition_truth(&none, SB_WHEN_ALL, &facts), SB_TRUTH_UNKNOWN);
	assert_true(sb_condition_holds(&(sb_conditions){.given = SB_WHEN_CACHED}, SB_WHEN_CACHED,
		&facts, sb_reading_of(SB_ACTION_ALLOW)));
	assert_int_equal(sb_condition_truth(&none, SB_ASKS_MD5, &facts), SB_TRUTH_UNKNOWN);
	assert_true(sb_condition_holds(&none, SB_WHEN_ALL, &facts, sb_reading_of(SB_ACTION_ALLOW)));
}

/* What is inside all, any and not is looked at and copied like the rest. */
static void nested_conditions_are_part_of_the_rule(void **unused)
{
	char tenant[] = "acme", key[] = "k", value[] = "v";
	const char *tenants[] = {tenant}, *values[] = {value};
	const sb_metadata_condition metadata = {key, {values, 1}};
	sb_window window = {DAY(MON), 0, 60};
	sb_conditions deep = {.given = SB_WHEN_TENANT | SB_WHEN_METADATA | SB_WHEN_TIME,
		.tenants = {tenants, 1},
		.metadata = &metadata,
		.metadata_count = 1,
		.windows = &window,
		.window_count = 1};
	sb_conditions middle = {.given = SB_WHEN_ANY, .any = {&deep, 1}};
	sb_rule rule = {.id = "r",
		.enabled = true,
		.origin = "p:1:1",
		.when = {.given = SB_WHEN_ALL, .all = {&middle, 1}},
		.action = SB_ACTION_ALLOW};
	const sb_metadata_fact given = {"k", "v", 1};
	const sb_facts facts = {CLEAN, .tenant = "acme", .metadata = &given, .metadata_count = 1,
		.time = at(MON, 0, 1)};
	sb_arena arena;
	const sb_policy *policy;
	sb_policy_decision got;

	(void)unused;
	sb_arena_init(&arena, 1 << 16);
	policy = sb_policy_new("p", &rule, 1, &arena);
	memset(tenant, 'x', 4);
	memset(&deep, 0, sizeof deep);
	memset(&middle, 0, sizeof middle);
	memset(&window, 0, sizeof window);
	key[0] = value[0] = 'x';
	sb_policy_evaluate(policy, &facts, &got);
	assert_int_equal(got.action, SB_ACTION_ALLOW);
	assert_true((sb_policy_asks(policy) & SB_WHEN_TENANT) != 0);
	assert_true((sb_policy_asks(policy) & SB_WHEN_ALL) != 0);
	assert_false((sb_policy_asks(policy) & SB_WHEN_MIME) != 0);
	sb_arena_done(&arena);
}

/* Every ceiling from nothing up to enough: NULL, or a policy that works. */
static void no_memory_gives_no_policy(void **unused)
{
	static const sb_window window = {127, 0, 60};
	const sb_metadata_condition metadata[] = {{"k", TEXTS("v")}, {"l", TEXTS("w")}};
	const sb_conditions inner = {.given = SB_WHEN_METADATA | SB_WHEN_TIME,
		.metadata = metadata,
		.metadata_count = 2,
		.windows = &window,
		.window_count = 1};
	const sb_rule rule = {
		.id = "r", .enabled = true, .when = {.given = SB_WHEN_NOT, .none = {&inner, 1}}};
	bool built = false;

	(void)unused;
	for (size_t max = 0; !built && max < 1 << 16; max += 8) {
		sb_arena arena;

		sb_arena_init(&arena, max);
		built = sb_policy_new("p", &rule, 1, &arena) != NULL;
		sb_arena_done(&arena);
	}
	assert_true(built);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(truth_decides_both_ways),
		cmocka_unit_test(nesting_keeps_the_reading),
		cmocka_unit_test(windows),
		cmocka_unit_test(any_of_several_windows_or_unknown),
		cmocka_unit_test(conditions_have_names),
		cmocka_unit_test(nested_conditions_are_part_of_the_rule),
		cmocka_unit_test(no_memory_gives_no_policy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
