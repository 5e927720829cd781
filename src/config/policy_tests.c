/* SPDX-License-Identifier: MIT */
/*
 * The tests in a policy file: facts as a person writes them. What a test does not give, nobody
 * knows, as in a scan.
 */
#include "config/built.h"

#include <string.h>

#include "util/kinds.h"
#include "util/text.h"

enum { MAX_TESTS = 10000, CONTAINER_NUMBERS = 4 };

typedef struct given {
	int outcome;
	sb_texts error_kind, hash, engines;
	const char *name, *file_type, *mime, *tenant, *user, *source, *time;
	uint64_t size;
	int64_t detections;
	bool incomplete, cached, low_assurance;
} given;

#define ROW(k, t, m, h)                                                                            \
	{                                                                                          \
		.key = (k), .type = SB_SETTING_##t, .offset = offsetof(given, m), .help = (h)      \
	}

static const char *const outcomes[] = {"error", "clean", "infected", "suspicious", NULL};

static const sb_setting given_rows[] = {
	{.key = "outcome",
		.type = SB_SETTING_CHOICE,
		.offset = offsetof(given, outcome),
		.choices = outcomes,
		.required = true,
		.help = "error, clean, infected or suspicious"},
	ROW("error_kind", TEXTS, error_kind, "what the error is owed to; default internal"),
	ROW("incomplete", BOOL, incomplete, "a required engine failed"),
	ROW("size", SIZE, size, "of the content"),
	ROW("name", TEXT, name, "of the file"),
	ROW("file_type", TEXT, file_type, "instead of a name"),
	ROW("mime", TEXT, mime, "the media type"),
	ROW("tenant", TEXT, tenant, "whose content it is"),
	ROW("user", TEXT, user, "who asks"),
	ROW("source", TEXT, source, "where it comes from"),
	ROW("hash", TEXTS, hash, "digests of the content"),
	ROW("engines", TEXTS, engines, "those with a detection or an error"),
	ROW("detections", INT, detections, "engines with a detection; default those named"),
	ROW("cached", BOOL, cached, "all answers came from the cache"),
	ROW("low_assurance", BOOL, low_assurance, "clean only by engines below min_assurance"),
	ROW("time", TEXT, time, "RFC 3339; its offset is that of local time"),
	{.key = NULL},
};
static const char *const given_others[] = {"threats", "metadata", "container", NULL};

/* --- Threats -------------------------------------------------------------------------------- */

typedef struct threat {
	const char *name;
	int severity;
} threat;

static const char *const severities[] = {"low", "medium", "high", "critical", NULL};
static const sb_setting threat_rows[] = {
	{.key = "name",
		.type = SB_SETTING_TEXT,
		.offset = offsetof(threat, name),
		.required = true,
		.help = "of the threat"},
	{.key = "severity",
		.type = SB_SETTING_CHOICE,
		.offset = offsetof(threat, severity),
		.choices = severities,
		.fallback = "high"},
	{.key = NULL},
};

static int read_threats(sb_reader *reader, const sb_node *list, sb_facts *facts)
{
	const char **names;
	sb_severity *levels;
	int rc = 0;

	if (list->type != SB_NODE_LIST)
		return sb_node_error(reader->error, list, "threats: a list expected");
	names = sb_arena_zalloc(reader->arena, (list->count + 1) * sizeof *names);
	levels = sb_arena_zalloc(reader->arena, (list->count + 1) * sizeof *levels);
	if (names == NULL || levels == NULL)
		return sb_error_no_memory(reader->error);
	for (const sb_node *n = list->first; rc == 0 && n != NULL; n = n->next) {
		threat one = {n->text, SB_SEVERITY_HIGH - SB_SEVERITY_LOW};
		sb_table table = {threat_rows, &one};

		if (n->type != SB_NODE_SCALAR)
			rc = sb_settings_read(reader, n, "threats", &table, 1, NULL);
		names[facts->threat_count] = one.name;
		levels[facts->threat_count++] = (sb_severity)(one.severity + SB_SEVERITY_LOW);
	}
	facts->threat_names = names;
	facts->threat_severities = levels;
	return rc;
}

/* --- Containers, metadata ------------------------------------------------------------------- */

typedef struct inside {
	const char *type;
	int64_t depth, members;
	uint64_t bytes;
	bool facts[SB_CONTAINER_FACTS];
} inside;

/* {}: somebody looked, and it is no container. */
static int read_container(sb_reader *reader, const sb_node *map, sb_facts *facts)
{
	sb_setting rows[CONTAINER_NUMBERS + SB_CONTAINER_FACTS + 1] = {
		{.key = "type", .type = SB_SETTING_TEXT, .offset = offsetof(inside, type)},
		{.key = "depth",
			.type = SB_SETTING_INT,
			.offset = offsetof(inside, depth),
			.max = 1000},
		{.key = "members",
			.type = SB_SETTING_INT,
			.offset = offsetof(inside, members),
			.max = 1e12},
		{.key = "bytes", .type = SB_SETTING_SIZE, .offset = offsetof(inside, bytes)},
	};
	sb_container *container = sb_arena_zalloc(reader->arena, sizeof *container);
	inside values = {0};
	sb_table table = {rows, &values};
	int rc;

	if (container == NULL)
		return sb_error_no_memory(reader->error);
	for (unsigned bit = 0; sb_container_fact_name(bit) != NULL; bit++)
		rows[CONTAINER_NUMBERS + bit] = (sb_setting){.key = sb_container_fact_name(bit),
			.type = SB_SETTING_BOOL,
			.offset = offsetof(inside, facts) + bit * sizeof(bool)};
	rc = sb_settings_read(reader, map, "container", &table, 1, NULL);
	*container = (sb_container){.type = values.type,
		.depth = (unsigned)values.depth,
		.members = (uint64_t)values.members,
		.bytes = values.bytes};
	for (unsigned bit = 0; bit < SB_CONTAINER_FACTS; bit++)
		container->facts |= values.facts[bit] ? 1u << bit : 0;
	facts->container = container;
	return rc;
}

static int read_metadata(sb_reader *reader, const sb_node *map, sb_facts *facts)
{
	sb_metadata_fact *pairs;

	if (map->type != SB_NODE_MAP)
		return sb_node_error(reader->error, map, "metadata: a map of keys expected");
	pairs = sb_arena_zalloc(reader->arena, (map->count + 1) * sizeof *pairs);
	if (pairs == NULL)
		return sb_error_no_memory(reader->error);
	for (const sb_node *n = map->first; n != NULL; n = n->next) {
		if (n->type != SB_NODE_SCALAR)
			return sb_node_error(reader->error, n, "metadata: a text expected");
		pairs[facts->metadata_count++] =
			(sb_metadata_fact){n->key, n->text, strlen(n->text)};
	}
	facts->metadata = pairs;
	return 0;
}

/* --- Facts of a table ------------------------------------------------------------------------ */

static int fill_error(sb_reader *reader, const sb_node *map, const given *values, sb_facts *facts)
{
	char shown[SB_SHOWN];

	if (values->error_kind.count > 0 && facts->outcome != SB_OUTCOME_ERROR)
		return sb_node_error(reader->error, sb_node_get(map, "error_kind"),
			"error_kind: only with outcome: error");
	for (size_t i = values->error_kind.count; i-- > 0;) {
		const char *name = values->error_kind.items[i];
		if (!sb_kind_from_name(name, &facts->error_kind) ||
			facts->error_kind == SB_KIND_NONE)
			return sb_node_error(reader->error, sb_node_get(map, "error_kind"),
				"error_kind: \"%s\" is unknown", sb_shown(shown, name));
		facts->error_kinds |= 1u << facts->error_kind;
	}
	return 0;
}

static int fill_engines(sb_reader *reader, const given *values, sb_facts *facts)
{
	size_t count = values->engines.count;
	bool detected = facts->outcome != SB_OUTCOME_ERROR || facts->threat_count > 0;
	sb_engine_fact *engines = sb_arena_zalloc(reader->arena, (count + 1) * sizeof *engines);

	if (engines == NULL)
		return sb_error_no_memory(reader->error);
	for (size_t i = 0; i < count; i++)
		engines[i] = (sb_engine_fact){values->engines.items[i], detected};
	facts->engines = engines;
	facts->engine_count = count;
	facts->detections = (unsigned)values->detections;
	if (facts->detections == 0 && facts->threat_count > 0)
		facts->detections = count > 0 ? (unsigned)count : 1;
	return 0;
}

static int fill_hashes(sb_reader *reader, const sb_node *map, const given *values, sb_facts *facts)
{
	sb_conditions digests = {0};
	int rc = sb_build_hashes(reader, sb_node_get(map, "hash"), &values->hash, &digests);

	if (rc == 0 && digests.hashes.blake3.count > 0)
		facts->blake3 = digests.hashes.blake3.items[0];
	if (rc == 0 && digests.hashes.sha256.count > 0)
		facts->sha256 = digests.hashes.sha256.items[0];
	if (rc == 0 && digests.hashes.md5.count > 0)
		facts->md5 = digests.hashes.md5.items[0];
	return rc;
}

static int fill_name(sb_reader *reader, const sb_node *map, const given *values, sb_facts *facts)
{
	const char *type = values->file_type;
	char *name;

	if (type != NULL && values->name != NULL)
		return sb_node_error(reader->error, sb_node_get(map, "file_type"),
			"file_type: the name says it already");
	facts->name = values->name;
	if (type != NULL) {
		name = sb_arena_alloc(reader->arena, strlen(type) + 3);
		if (name == NULL)
			return sb_error_no_memory(reader->error);
		memcpy(name, "x.", 2);
		memcpy(name + 2, type, strlen(type) + 1);
		facts->name = name;
	}
	facts->name_length = facts->name != NULL ? strlen(facts->name) : 0;
	return 0;
}

static int fill_time(sb_reader *reader, const sb_node *map, const given *values, sb_facts *facts)
{
	char shown[SB_SHOWN];
	uint64_t seconds;

	if (values->time == NULL)
		return 0;
	if (!sb_parse_time(values->time, &seconds, &facts->utc_offset))
		return sb_node_error(reader->error, sb_node_get(map, "time"),
			"time: \"%s\" is not RFC 3339, like 2026-11-22T08:00:00Z",
			sb_shown(shown, values->time));
	facts->time = (int64_t)seconds;
	return 0;
}

static int read_given(sb_reader *reader, const sb_node *map, sb_facts *facts)
{
	static const struct {
		const char *key;
		int (*read)(sb_reader *, const sb_node *, sb_facts *);
	} others[] = {{"threats", read_threats}, {"metadata", read_metadata},
		{"container", read_container}};
	given values = {0};
	sb_table table = {given_rows, &values};
	int rc = sb_settings_read(reader, map, "given", &table, 1, given_others);

	*facts = (sb_facts){.outcome = (sb_outcome)values.outcome,
		.incomplete = values.incomplete,
		.size = values.size,
		.size_unknown = rc == 0 && sb_node_get(map, "size") == NULL,
		.mime = values.mime,
		.tenant = values.tenant,
		.user = values.user,
		.source = values.source,
		.cached = values.cached,
		.low_assurance = values.low_assurance};
	for (size_t i = 0; rc == 0 && i < sizeof others / sizeof others[0]; i++) {
		const sb_node *node = sb_node_get(map, others[i].key);
		if (node != NULL)
			rc = others[i].read(reader, node, facts);
	}
	if (rc == 0)
		rc = fill_error(reader, map, &values, facts);
	if (rc == 0)
		rc = fill_engines(reader, &values, facts);
	if (rc == 0)
		rc = fill_hashes(reader, map, &values, facts);
	if (rc == 0)
		rc = fill_name(reader, map, &values, facts);
	return rc == 0 ? fill_time(reader, map, &values, facts) : rc;
}

/* --- Tests ------------------------------------------------------------------------------------ */

typedef struct expected {
	const char *action, *rule;
} expected;

static int read_expect(sb_reader *reader, const sb_node *node, sb_policy_test *test)
{
	static const sb_setting rows[] = {
		{.key = "action",
			.type = SB_SETTING_TEXT,
			.offset = offsetof(expected, action),
			.required = true,
			.help = "what has to be done"},
		{.key = "rule", .type = SB_SETTING_TEXT, .offset = offsetof(expected, rule)},
		{.key = NULL},
	};
	expected values = {node->text, NULL};
	sb_table table = {rows, &values};
	char shown[SB_SHOWN];
	int rc = 0;

	if (node->type != SB_NODE_SCALAR)
		rc = sb_settings_read(reader, node, "expect", &table, 1, NULL);
	if (rc != 0)
		return rc;
	test->rule = values.rule;
	if (sb_action_from_name(values.action, &test->action) && test->action != SB_ACTION_NONE)
		return 0;
	return sb_node_error(reader->error, node,
		"expect: \"%s\" is no action; possible: allow, allow_with_warning, "
		"require_manual_review, quarantine, block",
		sb_shown(shown, values.action));
}

static int read_test(sb_reader *reader, const sb_node *node, sb_policy_test *test)
{
	static const sb_setting rows[] = {
		{.key = "name", .type = SB_SETTING_TEXT, .offset = offsetof(sb_policy_test, name)},
		{.key = NULL}};
	static const char *const others[] = {"given", "expect", NULL};
	sb_table table = {rows, test};
	int rc = sb_settings_read(reader, node, "tests", &table, 1, others);

	for (size_t i = 0; rc == 0 && others[i] != NULL; i++)
		if (sb_node_get(node, others[i]) == NULL)
			rc = sb_node_error(
				reader->error, node, "tests: \"%s\" is missing", others[i]);
	if (rc == 0)
		rc = sb_build_origin(reader, node, &test->origin);
	if (rc == 0)
		rc = read_given(reader, sb_node_get(node, "given"), &test->facts);
	return rc == 0 ? read_expect(reader, sb_node_get(node, "expect"), test) : rc;
}

int sb_build_tests(sb_reader *reader, const sb_node *list, sb_policy_file *file)
{
	sb_policy_test *tests;
	int rc = 0;

	if (list == NULL)
		return 0;
	if (list->type != SB_NODE_LIST || list->count > MAX_TESTS)
		return sb_node_error(reader->error, list,
			"tests: a list of at most %d tests expected", MAX_TESTS);
	tests = sb_arena_zalloc(reader->arena, (list->count + 1) * sizeof *tests);
	if (tests == NULL)
		return sb_error_no_memory(reader->error);
	for (const sb_node *n = list->first; rc == 0 && n != NULL; n = n->next)
		rc = read_test(reader, n, &tests[file->test_count++]);
	file->tests = tests;
	return rc;
}
