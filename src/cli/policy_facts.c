/* SPDX-License-Identifier: MIT */
/* Facts from JSON; see policy_facts.h. Reports and records have the same members, or nearly. */
#include "cli/policy_facts.h"

#include <string.h>
#include <time.h>

#include "util/kinds.h"
#include "util/text.h"

static const unsigned about_threats =
	SB_WHEN_SEVERITY | SB_WHEN_THREAT_NAME | SB_WHEN_THREAT_CONTAINS;

static const char *text(const json_t *map, const char *key)
{
	return json_string_value(json_object_get(map, key));
}

/* A number that is not there, or is none, is 0. */
static uint64_t number(const json_t *map, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(map, key));

	return value > 0 ? (uint64_t)value : 0;
}

static bool is(const json_t *map, const char *key)
{
	return json_is_true(json_object_get(map, key));
}

static bool text_is(const json_t *map, const char *key, const char *wanted)
{
	const char *value = text(map, key);

	return value != NULL && strcmp(value, wanted) == 0;
}

static sb_kind kind_named(const char *name)
{
	sb_kind kind;

	return name != NULL && sb_kind_from_name(name, &kind) ? kind : SB_KIND_NONE;
}

/* --- Engines ---------------------------------------------------------------------------------- */

/* Inside an engine a report has an object, a record only the kind. */
static sb_kind kind_of(const json_t *map)
{
	const json_t *error = json_object_get(map, "error");

	return kind_named(json_is_object(error) ? text(error, "kind") : json_string_value(error));
}

static size_t detections_of(const json_t *engine, const json_t *ignored)
{
	const json_t *counted = json_object_get(engine, "detections");
	const json_t *threats = json_object_get(engine, "threats");
	size_t count = json_array_size(threats), i;
	const json_t *one;

	if (json_is_integer(counted))
		return (size_t)number(engine, "detections");
	if (!json_is_array(threats))
		return text_is(engine, "outcome", "infected") ||
		       text_is(engine, "outcome", "suspicious");
	/* A report: those that are ignored are listed apart. */
	json_array_foreach(ignored, i, one)
	{
		if (count > 0 && text(engine, "engine") != NULL &&
			text_is(one, "engine", text(engine, "engine")))
			count--;
	}
	return count;
}

static void read_engine(
	sb_facts *facts, sb_engine_fact *engines, const json_t *engine, const json_t *ignored)
{
	bool by_nature = is(engine, "abstained") &&
			 (is(engine, "hash_list") || text_is(engine, "type", "hashlist") ||
				 is(engine, "not_asked"));
	bool failed = text_is(engine, "outcome", "error") && !by_nature;
	bool detected = detections_of(engine, ignored) > 0;
	const char *name = text(engine, "engine");

	if (failed && text_is(engine, "role", "required") && text(engine, "replaced_by") == NULL)
		facts->incomplete = true;
	if (text_is(engine, "role", "shadow") || (!failed && !detected))
		return;
	engines[facts->engine_count++] = (sb_engine_fact){name != NULL ? name : "", detected};
	facts->detections += detected;
}

static const char *read_engines(sb_known_facts *out, const json_t *root, sb_arena *arena)
{
	const json_t *list = json_object_get(root, "engines");
	const json_t *ignored = json_object_get(root, "ignored_threats"), *engine;
	sb_engine_fact *engines =
		sb_arena_zalloc(arena, (json_array_size(list) + 1) * sizeof *engines);
	size_t i;

	if (engines == NULL)
		return "out of memory";
	json_array_foreach(list, i, engine)
	{
		read_engine(&out->facts, engines, engine, ignored);
	}
	out->facts.engines = engines;
	if (number(root, "engine_count") > json_array_size(list))
		out->lacking |= about_threats | SB_WHEN_ENGINE | SB_WHEN_DETECTIONS;
	return NULL;
}

/* What an error is owed to, where it was not written down: every required engine's. */
static unsigned derived_kinds(const json_t *root)
{
	const json_t *list = json_object_get(root, "engines"), *engine;
	unsigned kinds = 0;
	size_t i;

	json_array_foreach(list, i, engine)
	{
		if (text_is(engine, "role", "required") && text_is(engine, "outcome", "error") &&
			text(engine, "replaced_by") == NULL && !is(engine, "fail_open") &&
			!is(engine, "not_asked"))
			kinds |= 1u << kind_of(engine);
	}
	return kinds & ~1u;
}

static unsigned listed_kinds(const json_t *list)
{
	unsigned kinds = 0;
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		kinds |= 1u << kind_named(json_string_value(one));
	}
	return kinds & ~1u;
}

static const char *read_outcome(sb_facts *facts, const json_t *root, bool derive)
{
	const char *outcome = text(root, "outcome");

	if (outcome == NULL || !sb_outcome_from_name(outcome, &facts->outcome))
		return "it has no outcome";
	if (facts->outcome != SB_OUTCOME_ERROR)
		return NULL;
	facts->error_kind = kind_of(root);
	facts->error_kinds =
		derive ? derived_kinds(root) : listed_kinds(json_object_get(root, "error_kinds"));
	return NULL;
}

/* --- Threats, containers, metadata ------------------------------------------------------------ */

static const char *read_threats(sb_known_facts *out, const json_t *root, sb_arena *arena)
{
	const json_t *list = json_object_get(root, "threats"), *threat;
	size_t count = json_array_size(list), i;
	const char **names = sb_arena_zalloc(arena, (count + 1) * sizeof *names);
	sb_severity *severities = sb_arena_zalloc(arena, (count + 1) * sizeof *severities);

	if (names == NULL || severities == NULL)
		return "out of memory";
	json_array_foreach(list, i, threat)
	{
		const char *name = text(threat, "name"), *severity = text(threat, "severity");
		names[i] = name != NULL ? name : "";
		if (severity != NULL)
			(void)sb_severity_from_name(severity, &severities[i]);
	}
	out->facts.threat_names = names;
	out->facts.threat_severities = severities;
	out->facts.threat_count = count;
	if (number(root, "threat_count") > count)
		out->lacking |= about_threats;
	return NULL;
}

/* A record lists the facts that are there, a report says of each whether it is. */
static unsigned container_facts(const json_t *map)
{
	const json_t *list = json_object_get(map, "facts"), *one;
	unsigned facts = 0;
	size_t i;

	for (unsigned bit = 0; sb_container_fact_name(bit) != NULL; bit++) {
		if (is(map, sb_container_fact_name(bit)))
			facts |= 1u << bit;
		json_array_foreach(list, i, one)
		{
			if (json_is_string(one) &&
				strcmp(json_string_value(one), sb_container_fact_name(bit)) == 0)
				facts |= 1u << bit;
		}
	}
	return facts;
}

static const char *read_container(sb_facts *facts, const json_t *root, sb_arena *arena)
{
	const json_t *map = json_object_get(root, "container");
	sb_container *container;

	if (!json_is_object(map) && !is(root, "opened")) /* opened, and no container */
		return NULL;
	container = sb_arena_zalloc(arena, sizeof *container);
	if (container == NULL)
		return "out of memory";
	*container = (sb_container){.type = text(map, "type"),
		.depth = (unsigned)number(map, "depth"),
		.members = number(map, "members"),
		.bytes = number(map, "bytes"),
		.facts = container_facts(map)};
	facts->container = container;
	return NULL;
}

static const char *read_metadata(sb_facts *facts, const json_t *map, sb_arena *arena)
{
	sb_metadata_fact *pairs =
		sb_arena_zalloc(arena, (json_object_size(map) + 1) * sizeof *pairs);
	const char *key;
	json_t *value;

	if (pairs == NULL)
		return "out of memory";
	json_object_foreach((json_t *)(uintptr_t)map, key, value)
	{
		if (json_is_string(value))
			pairs[facts->metadata_count++] = (sb_metadata_fact){
				key, json_string_value(value), json_string_length(value)};
	}
	facts->metadata = pairs;
	return NULL;
}

/* --- The rest ----------------------------------------------------------------------------------
 */

static void read_name(sb_facts *facts, const json_t *map)
{
	const json_t *name = json_object_get(map, "name");

	facts->name = json_string_value(name);
	facts->name_length = json_string_length(name);
}

static void read_asker(sb_facts *facts, const json_t *map)
{
	facts->tenant = text(map, "tenant_id");
	facts->user = text(map, "user_id");
	facts->source = text(map, "source");
}

static void read_time(sb_known_facts *out, const json_t *root)
{
	const char *requested = text(root, "requested_at");
	uint64_t seconds;
	struct tm local;
	time_t t;

	if (requested == NULL || !sb_parse_time(requested, &seconds, NULL)) {
		out->lacking |= SB_WHEN_TIME;
		return;
	}
	out->facts.time = (int64_t)seconds;
	t = (time_t)seconds;
	if (localtime_r(&t, &local) != NULL)
		out->facts.utc_offset = (int32_t)local.tm_gmtoff;
}

/* A rule that had asked for them would have had these made. */
static void note_lacking(sb_known_facts *out)
{
	const sb_facts *facts = &out->facts;

	if (facts->outcome == SB_OUTCOME_CLEAN && facts->mime == NULL)
		out->lacking |= SB_WHEN_MIME;
	if (facts->blake3 != NULL && facts->sha256 == NULL)
		out->lacking |= SB_ASKS_SHA256;
	if (facts->blake3 != NULL && facts->md5 == NULL)
		out->lacking |= SB_ASKS_MD5;
}

static const char *read_common(
	sb_known_facts *out, const json_t *root, const json_t *context, sb_arena *arena)
{
	const char *wrong = read_engines(out, root, arena);

	out->facts.cached = is(root, "cached");
	read_asker(&out->facts, context);
	read_time(out, root);
	note_lacking(out);
	if (wrong == NULL)
		wrong = read_threats(out, root, arena);
	if (wrong == NULL)
		wrong = read_container(&out->facts, root, arena);
	if (wrong == NULL)
		wrong = read_metadata(&out->facts, json_object_get(context, "metadata"), arena);
	return wrong;
}

/* --- Reports ------------------------------------------------------------------------------------
 */

/* Whether clean rests on less than was asked for; a report only tells the engines. */
static bool is_low(const json_t *root, sb_assurance wanted)
{
	const json_t *list = json_object_get(root, "engines"), *engine;
	int best = -1;
	size_t i;

	json_array_foreach(list, i, engine)
	{
		if (!text_is(engine, "outcome", "clean") || text_is(engine, "role", "shadow") ||
			text_is(engine, "type", "hashlist"))
			continue;
		for (int a = 0; a <= (int)wanted; a++)
			if (a > best &&
				text_is(engine, "assurance", sb_assurance_name((sb_assurance)a)))
				best = a;
	}
	return text_is(root, "outcome", "clean") && best >= 0 && best < (int)wanted;
}

const char *sb_facts_from_report(
	sb_known_facts *out, const json_t *report, sb_assurance min_assurance, sb_arena *arena)
{
	const json_t *file = json_object_get(report, "file");
	const char *wrong;

	*out = (sb_known_facts){0};
	if (!text_is(report, "schema", "scanbridge.report/1"))
		return "it is no report of schema scanbridge.report/1";
	wrong = read_outcome(&out->facts, report, true);
	if (wrong != NULL)
		return wrong;
	read_name(&out->facts, file);
	out->facts.size = number(file, "size");
	out->facts.mime = text(file, "mime");
	out->facts.blake3 = text(file, "blake3");
	out->facts.sha256 = text(file, "sha256");
	out->facts.md5 = text(file, "md5");
	out->facts.size_unknown = out->facts.blake3 == NULL;
	out->facts.low_assurance = is_low(report, min_assurance);
	return read_common(out, report, json_object_get(report, "context"), arena);
}

/* --- Records -------------------------------------------------------------------------------------
 */

static void note_cuts(sb_known_facts *out, const json_t *record)
{
	static const struct {
		const char *key;
		unsigned bits;
	} rows[] = {{"name", SB_WHEN_FILE_TYPE}, {"tenant_id", SB_WHEN_TENANT},
		{"user_id", SB_WHEN_USER}, {"source", SB_WHEN_SOURCE},
		{"metadata", SB_WHEN_METADATA}};
	const json_t *list = json_object_get(record, "cut"), *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++)
			if (json_is_string(one) && strcmp(json_string_value(one), rows[k].key) == 0)
				out->lacking |= rows[k].bits;
	}
}

const char *sb_facts_from_record(sb_known_facts *out, const json_t *record, sb_arena *arena)
{
	bool old = json_object_get(record, "requested_at") == NULL;
	const char *wrong;

	*out = (sb_known_facts){0};
	wrong = read_outcome(&out->facts, record, old);
	if (wrong != NULL)
		return wrong;
	read_name(&out->facts, record);
	out->facts.size = number(record, "size");
	out->facts.mime = text(record, "mime");
	out->facts.blake3 = text(record, "file_hash_blake3");
	out->facts.sha256 = text(record, "file_hash_sha256");
	out->facts.md5 = text(record, "file_hash_md5");
	out->facts.size_unknown = out->facts.blake3 == NULL;
	out->facts.low_assurance = is(record, "low_assurance");
	/* Before these were recorded, nobody wrote down that somebody had looked inside in vain. */
	if (old && !json_is_object(json_object_get(record, "container")))
		out->lacking |= SB_WHEN_CONTAINER;
	note_cuts(out, record);
	return read_common(out, record, record, arena);
}
