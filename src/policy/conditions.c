/* SPDX-License-Identifier: MIT */
/*
 * Conditions: each is a function in a table that tells how true it is. What is made of that (one
 * threat is enough, or every one is needed; nobody knows) is decided once, by the reading that the
 * rule's action asks for: see policy.h.
 */
#include <string.h>

#include "policy/causes.h"
#include "util/text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static sb_truth truth_of(bool holds)
{
	return holds ? SB_TRUTH_YES : SB_TRUTH_NO;
}

/* What was not seen, where there may be more than was seen. */
static sb_truth seen(bool holds, bool whole)
{
	return holds ? SB_TRUTH_YES : whole ? SB_TRUTH_NO : SB_TRUTH_UNKNOWN;
}

/* --- Outcomes and errors ------------------------------------------------------------------- */

sb_outcome sb_facts_outcome(const sb_facts *facts)
{
	return (unsigned)facts->outcome <= SB_OUTCOME_SUSPICIOUS ? facts->outcome
								 : SB_OUTCOME_ERROR;
}

unsigned sb_facts_causes(const sb_facts *facts)
{
	bool known = facts->error_kind > SB_KIND_NONE && facts->error_kind < SB_KIND_COUNT_;

	if (sb_facts_outcome(facts) != SB_OUTCOME_ERROR)
		return 0;
	return facts->error_kinds | 1u << (known ? facts->error_kind : SB_KIND_INTERNAL);
}

/* Nobody has failed who had to judge. */
static bool is_whole(const sb_facts *facts)
{
	return sb_facts_outcome(facts) != SB_OUTCOME_ERROR && !facts->incomplete;
}

static sb_truth when_outcome(const sb_conditions *when, const sb_facts *facts)
{
	return truth_of((when->outcomes >> sb_facts_outcome(facts) & 1) != 0);
}

/* One engine's encrypted file must not let another engine's timeout pass. */
static sb_truth causes_are(unsigned meant, const sb_facts *facts)
{
	unsigned causes = sb_facts_causes(facts);

	if ((causes & meant) == 0)
		return SB_TRUTH_NO;
	return (causes & ~meant) == 0 ? SB_TRUTH_YES : SB_TRUTH_PARTLY;
}

static sb_truth when_error_kind(const sb_conditions *when, const sb_facts *facts)
{
	return causes_are(when->error_kinds, facts);
}

static sb_truth when_error_class(const sb_conditions *when, const sb_facts *facts)
{
	unsigned kinds = 0;

	for (unsigned kind = SB_KIND_NONE + 1; kind < SB_KIND_COUNT_; kind++)
		kinds |= (when->error_classes >> sb_kind_class((sb_kind)kind) & 1) << kind;
	return causes_are(kinds, facts);
}

/* --- Threats and engines ------------------------------------------------------------------- */

/* How many of several a condition is true of. */
static sb_truth share(size_t hits, size_t count)
{
	if (hits == 0)
		return SB_TRUTH_NO;
	return hits == count ? SB_TRUTH_YES : SB_TRUTH_PARTLY;
}

/* Where the scan is not whole, threats may be missing: then nothing is true of all of them, and
 * nothing surely of none. */
static sb_truth threats_are(const sb_conditions *when, const sb_facts *facts,
	bool (*matches)(const sb_conditions *, const sb_facts *, size_t))
{
	size_t hits = 0;
	sb_truth truth;

	if (facts->threat_count == 0)
		return seen(false, sb_facts_outcome(facts) == SB_OUTCOME_CLEAN);
	for (size_t i = 0; i < facts->threat_count; i++)
		hits += matches(when, facts, i);
	truth = share(hits, facts->threat_count);
	if (!is_whole(facts))
		return truth == SB_TRUTH_NO ? SB_TRUTH_UNKNOWN : SB_TRUTH_PARTLY;
	return truth;
}

static bool threat_is_severe(const sb_conditions *when, const sb_facts *facts, size_t i)
{
	return facts->threat_severities[i] >= when->severity_at_least;
}

static bool matches_one(const sb_texts_list *patterns, const char *text, size_t length, bool fold)
{
	for (size_t i = 0; i < patterns->count; i++)
		if (sb_glob(patterns->items[i], text, length, fold))
			return true;
	return false;
}

static bool threat_is_named(const sb_conditions *when, const sb_facts *facts, size_t i)
{
	const char *name = facts->threat_names[i];

	return matches_one(&when->threat_names, name, strlen(name), true);
}

static bool threat_contains(const sb_conditions *when, const sb_facts *facts, size_t i)
{
	for (size_t k = 0; k < when->threat_contains.count; k++)
		if (strcasestr(facts->threat_names[i], when->threat_contains.items[k]) != NULL)
			return true;
	return false;
}

static sb_truth when_severity(const sb_conditions *when, const sb_facts *facts)
{
	return threats_are(when, facts, threat_is_severe);
}

static sb_truth when_threat_name(const sb_conditions *when, const sb_facts *facts)
{
	return threats_are(when, facts, threat_is_named);
}

static sb_truth when_threat_contains(const sb_conditions *when, const sb_facts *facts)
{
	return threats_are(when, facts, threat_contains);
}

static sb_truth when_detections(const sb_conditions *when, const sb_facts *facts)
{
	return seen(facts->detections >= when->detections_at_least, is_whole(facts));
}

static bool is_one_of(const char *text, const sb_texts_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i], text) == 0)
			return true;
	return false;
}

/* An error that no engine is to blame for kept all of them from having their say. */
static sb_truth when_engine(const sb_conditions *when, const sb_facts *facts)
{
	size_t hits = 0;

	if (facts->engine_count == 0)
		return seen(false, sb_facts_outcome(facts) != SB_OUTCOME_ERROR);
	for (size_t i = 0; i < facts->engine_count; i++)
		hits += is_one_of(facts->engines[i].name, &when->engines);
	return share(hits, facts->engine_count);
}

/* --- Who asks, and when ---------------------------------------------------------------------- */

static sb_truth identity(const char *text, const sb_texts_list *list)
{
	return text != NULL ? truth_of(is_one_of(text, list)) : SB_TRUTH_UNKNOWN;
}

static sb_truth when_source(const sb_conditions *when, const sb_facts *facts)
{
	return identity(facts->source, &when->sources);
}

static sb_truth when_tenant(const sb_conditions *when, const sb_facts *facts)
{
	return identity(facts->tenant, &when->tenants);
}

static sb_truth when_user(const sb_conditions *when, const sb_facts *facts)
{
	return identity(facts->user, &when->users);
}

static sb_truth metadata_is(const sb_metadata_condition *wanted, const sb_facts *facts)
{
	for (size_t i = 0; i < facts->metadata_count; i++) {
		const sb_metadata_fact *fact = &facts->metadata[i];
		if (strcmp(fact->key, wanted->key) == 0)
			return truth_of(matches_one(
				&wanted->values, fact->value, fact->value_length, false));
	}
	return SB_TRUTH_UNKNOWN;
}

static sb_truth when_metadata(const sb_conditions *when, const sb_facts *facts)
{
	sb_truth least = SB_TRUTH_YES;

	for (size_t i = 0; i < when->metadata_count; i++) {
		sb_truth truth = metadata_is(&when->metadata[i], facts);
		least = truth < least ? truth : least;
	}
	return least;
}

static sb_truth when_cached(const sb_conditions *when, const sb_facts *facts)
{
	return truth_of(when->cached == facts->cached);
}

/* Floor and remainder, for times before 1970 as well. */
static int64_t floored(int64_t value, int64_t by, int64_t *rest)
{
	*rest = value % by;
	if (*rest < 0)
		*rest += by;
	return (value - *rest) / by;
}

static bool in_window(const sb_window *window, const sb_facts *facts)
{
	int64_t second, day, weekday;
	unsigned minute;
	bool early, late;

	day = floored(facts->time + (window->local ? facts->utc_offset : 0), 86400, &second);
	(void)floored(day + 4, 7, &weekday); /* the first of January 1970 was a Thursday */
	minute = (unsigned)second / 60;
	early = minute < window->to;
	late = minute >= window->from;
	if (window->from < window->to)
		return early && late && (window->days >> weekday & 1) != 0;
	/* The hours after midnight belong to the day before. */
	return (late && (window->days >> weekday & 1) != 0) ||
	       (early && (window->days >> (weekday + 6) % 7 & 1) != 0);
}

static sb_truth when_time(const sb_conditions *when, const sb_facts *facts)
{
	if (facts->time == 0)
		return SB_TRUTH_UNKNOWN;
	for (size_t i = 0; i < when->window_count; i++)
		if (in_window(&when->windows[i], facts))
			return SB_TRUTH_YES;
	return SB_TRUTH_NO;
}

/* --- The content ---------------------------------------------------------------------------- */

static sb_truth when_size_above(const sb_conditions *when, const sb_facts *facts)
{
	return facts->size_unknown ? SB_TRUTH_UNKNOWN : truth_of(facts->size > when->size_above);
}

static sb_truth when_size_below(const sb_conditions *when, const sb_facts *facts)
{
	return facts->size_unknown ? SB_TRUTH_UNKNOWN : truth_of(facts->size < when->size_below);
}

/* What stands behind the name's last dot. Trailing dots and spaces are none of it: where such
 * names are written, they are dropped. */
static sb_truth when_file_type(const sb_conditions *when, const sb_facts *facts)
{
	const char *name = facts->name;
	size_t end = name != NULL ? facts->name_length : 0, start;

	if (end == 0)
		return SB_TRUTH_UNKNOWN;
	while (end > 0 && (name[end - 1] == '.' || name[end - 1] == ' '))
		end--;
	for (start = end; start > 0 && name[start - 1] != '.'; start--)
		if (name[start - 1] == '/' || name[start - 1] == '\\')
			return SB_TRUTH_NO;
	for (size_t i = 0; start > 0 && i < when->file_types.count; i++)
		if (strlen(when->file_types.items[i]) == end - start &&
			strncasecmp(when->file_types.items[i], name + start, end - start) == 0)
			return SB_TRUTH_YES;
	return SB_TRUTH_NO;
}

static sb_truth when_mime(const sb_conditions *when, const sb_facts *facts)
{
	if (facts->mime == NULL)
		return SB_TRUTH_UNKNOWN;
	return truth_of(matches_one(&when->mimes, facts->mime, strlen(facts->mime), true));
}

/* A digest that nobody made may be any; MD5 only says that it may be this content. */
static sb_truth when_hash(const sb_conditions *when, const sb_facts *facts)
{
	const struct {
		const char *digest;
		const sb_texts_list *wanted;
		sb_truth proof;
	} rows[] = {
		{facts->blake3, &when->hashes.blake3, SB_TRUTH_YES},
		{facts->sha256, &when->hashes.sha256, SB_TRUTH_YES},
		{facts->md5, &when->hashes.md5, SB_TRUTH_PARTLY},
	};
	sb_truth best = SB_TRUTH_NO;

	for (size_t i = 0; i < COUNT(rows); i++) {
		sb_truth truth = SB_TRUTH_NO;
		if (rows[i].wanted->count == 0)
			continue;
		if (rows[i].digest == NULL)
			truth = SB_TRUTH_UNKNOWN;
		else if (is_one_of(rows[i].digest, rows[i].wanted))
			truth = rows[i].proof;
		best = truth > best ? truth : best;
	}
	return best;
}

/* --- Containers ------------------------------------------------------------------------------ */

static const unsigned unread = SB_FACT_ENCRYPTED | SB_FACT_CORRUPT | SB_FACT_UNSUPPORTED;

/* Everything inside was seen. */
static bool is_open(const sb_container *container)
{
	return (container->facts & (unread | SB_FACT_LIMIT)) == 0;
}

/* Whether facts that nobody saw are known not to be there: what can't be read may be anything,
 * and behind a limit there may be anything. */
static bool is_proven(unsigned absent, unsigned facts)
{
	if ((facts & SB_FACT_LIMIT) != 0)
		return absent == 0;
	return (facts & unread) == 0 || (absent & ~(unread | SB_FACT_LIMIT)) == 0;
}

static sb_truth when_container_type(const sb_conditions *when, const sb_facts *facts)
{
	if (facts->container == NULL)
		return SB_TRUTH_UNKNOWN;
	if (facts->container->type == NULL)
		return seen(false, is_open(facts->container));
	for (size_t i = 0; i < when->container.types.count; i++)
		if (strcasecmp(when->container.types.items[i], facts->container->type) == 0)
			return SB_TRUTH_YES;
	return SB_TRUTH_NO;
}

static sb_truth when_container_facts(const sb_conditions *when, const sb_facts *facts)
{
	unsigned present = when->container.present, absent = when->container.absent, there;

	if (facts->container == NULL)
		return SB_TRUTH_UNKNOWN;
	there = facts->container->facts;
	if ((there & absent) != 0)
		return SB_TRUTH_NO;
	if ((there & present) != present)
		return seen(false, is_proven(present & ~there, there));
	return is_proven(absent, there) ? SB_TRUTH_YES : SB_TRUTH_PARTLY;
}

static sb_truth when_container_depth(const sb_conditions *when, const sb_facts *facts)
{
	if (facts->container == NULL)
		return SB_TRUTH_UNKNOWN;
	return seen(
		facts->container->depth > when->container.depth_above, is_open(facts->container));
}

static sb_truth when_container_members(const sb_conditions *when, const sb_facts *facts)
{
	if (facts->container == NULL)
		return SB_TRUTH_UNKNOWN;
	return seen(facts->container->members > when->container.members_above,
		is_open(facts->container));
}

static sb_truth when_container_size(const sb_conditions *when, const sb_facts *facts)
{
	if (facts->container == NULL)
		return SB_TRUTH_UNKNOWN;
	return seen(
		facts->container->bytes > when->container.size_above, is_open(facts->container));
}

static sb_truth when_never(const sb_conditions *when, const sb_facts *facts)
{
	(void)when, (void)facts;
	return SB_TRUTH_NO;
}

/* --- Together -------------------------------------------------------------------------------- */

/* Those that need little come first. */
static const struct {
	enum sb_condition bit;
	const char *name;
	sb_truth (*truth)(const sb_conditions *, const sb_facts *); /* NULL: all, any, not */
} table[] = {
	{SB_WHEN_NEVER, "never", when_never},
	{SB_WHEN_OUTCOME, "outcome", when_outcome},
	{SB_WHEN_ERROR_KIND, "error_kind", when_error_kind},
	{SB_WHEN_ERROR_CLASS, "error_class", when_error_class},
	{SB_WHEN_SOURCE, "source", when_source},
	{SB_WHEN_TENANT, "tenant", when_tenant},
	{SB_WHEN_USER, "user", when_user},
	{SB_WHEN_CACHED, "cached", when_cached},
	{SB_WHEN_SIZE_ABOVE, "size_above", when_size_above},
	{SB_WHEN_SIZE_BELOW, "size_below", when_size_below},
	{SB_WHEN_DETECTIONS, "detections_at_least", when_detections},
	{SB_WHEN_ENGINE, "engine", when_engine},
	{SB_WHEN_SEVERITY, "severity_at_least", when_severity},
	{SB_WHEN_FILE_TYPE, "file_type", when_file_type},
	{SB_WHEN_TIME, "time", when_time},
	{SB_WHEN_HASH, "hash", when_hash},
	{SB_WHEN_THREAT_NAME, "threat_name", when_threat_name},
	{SB_WHEN_THREAT_CONTAINS, "threat_contains", when_threat_contains},
	{SB_WHEN_MIME, "mime", when_mime},
	{SB_WHEN_METADATA, "metadata", when_metadata},
	{SB_WHEN_CONTAINER_TYPE, "container.type", when_container_type},
	{SB_WHEN_CONTAINER_FACTS, "container", when_container_facts},
	{SB_WHEN_CONTAINER_DEPTH, "container.depth_above", when_container_depth},
	{SB_WHEN_CONTAINER_MEMBERS, "container.members_above", when_container_members},
	{SB_WHEN_CONTAINER_SIZE, "container.size_above", when_container_size},
	{SB_WHEN_ALL, "all", NULL},
	{SB_WHEN_ANY, "any", NULL},
	{SB_WHEN_NOT, "not", NULL},
};

sb_reading sb_reading_of(sb_action action)
{
	return sb_action_allows(action) ? (sb_reading){SB_TRUTH_YES, SB_TRUTH_UNKNOWN}
					: (sb_reading){SB_TRUTH_PARTLY, SB_TRUTH_YES};
}

sb_reading sb_reading_turned(sb_reading reading)
{
	return (sb_reading){reading.least_below_not, reading.least};
}

static bool hold_all(
	const struct sb_conditions_list *list, const sb_facts *facts, sb_reading reading)
{
	for (size_t i = 0; i < list->count; i++)
		if (!sb_conditions_hold(&list->items[i], facts, reading))
			return false;
	return true;
}

static bool holds_any(
	const struct sb_conditions_list *list, const sb_facts *facts, sb_reading reading)
{
	for (size_t i = 0; i < list->count; i++)
		if (sb_conditions_hold(&list->items[i], facts, reading))
			return true;
	return false;
}

sb_truth sb_condition_truth(
	const sb_conditions *when, enum sb_condition condition, const sb_facts *facts)
{
	for (size_t i = 0; i < COUNT(table); i++)
		if (table[i].bit == condition && table[i].truth != NULL)
			return table[i].truth(when, facts);
	return SB_TRUTH_UNKNOWN;
}

bool sb_condition_holds(const sb_conditions *when, enum sb_condition condition,
	const sb_facts *facts, sb_reading reading)
{
	if (condition == SB_WHEN_ALL)
		return hold_all(&when->all, facts, reading);
	if (condition == SB_WHEN_ANY)
		return holds_any(&when->any, facts, reading);
	if (condition == SB_WHEN_NOT)
		return !holds_any(&when->none, facts, sb_reading_turned(reading));
	return sb_condition_truth(when, condition, facts) >= reading.least;
}

/* As deep as conditions were nested: SB_CONDITIONS_DEPTH at most. */
bool sb_conditions_hold(const sb_conditions *when, const sb_facts *facts, sb_reading reading)
{
	for (size_t i = 0; i < COUNT(table); i++) {
		if ((when->given & table[i].bit) == 0)
			continue;
		if (table[i].truth != NULL
				? table[i].truth(when, facts) < reading.least
				: !sb_condition_holds(when, table[i].bit, facts, reading))
			return false;
	}
	return true;
}

const char *sb_condition_name(enum sb_condition condition)
{
	for (size_t i = 0; i < COUNT(table); i++)
		if (table[i].bit == condition)
			return table[i].name;
	return NULL;
}
