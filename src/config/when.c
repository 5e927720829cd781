/* SPDX-License-Identifier: MIT */
/* The conditions of a rule: what a table has no type for is read here, key by key. */
#include "config/built.h"

#include <ctype.h>
#include <string.h>

#include "util/text.h"

enum { MAX_METADATA = 64, MAX_WINDOWS = 64, MAX_NESTED = 1000 };

/* Names of an enumeration into a bit each. */
typedef bool (*bit_of)(const char *name, unsigned *bit);

static bool outcome_bit(const char *name, unsigned *bit)
{
	sb_outcome outcome;

	if (!sb_outcome_from_name(name, &outcome))
		return false;
	*bit = (unsigned)outcome;
	return true;
}

static bool kind_bit(const char *name, unsigned *bit)
{
	sb_kind kind;

	if (!sb_kind_from_name(name, &kind) || kind == SB_KIND_NONE)
		return false;
	*bit = (unsigned)kind;
	return true;
}

static bool class_bit(const char *name, unsigned *bit)
{
	for (unsigned c = SB_CLASS_CONTENT; c <= SB_CLASS_INTERNAL; c++)
		if (strcmp(sb_class_name((sb_class)c), name) == 0) {
			*bit = c;
			return true;
		}
	return false;
}

static int read_bits(sb_reader *reader, const sb_node *when, const char *key, const sb_texts *names,
	bit_of of, unsigned *bits)
{
	const sb_node *node = sb_node_get(when, key);
	char shown[SB_SHOWN];
	unsigned bit;

	for (size_t i = 0; i < names->count; i++) {
		if (!of(names->items[i], &bit))
			return sb_node_error(reader->error, node, "%s: \"%s\" is unknown", key,
				sb_shown(shown, names->items[i]));
		*bits |= 1u << bit;
	}
	return 0;
}

static sb_texts_list list_of(sb_texts texts)
{
	return (sb_texts_list){texts.items, texts.count};
}

/* The items of a list, or the one value that stands for it. */
static const sb_node *first_of(const sb_node *node)
{
	return node->type == SB_NODE_LIST ? node->first : node;
}

static const sb_node *next_of(const sb_node *node, const sb_node *item)
{
	return node->type == SB_NODE_LIST ? item->next : NULL;
}

/* 1 for what is no list. */
static int check_count(sb_reader *reader, const sb_node *node, size_t max, size_t *count)
{
	*count = node->type == SB_NODE_LIST ? node->count : 1;
	if (*count == 0)
		return sb_node_error(reader->error, node, "%s: the list is empty", node->key);
	if (*count > max)
		return sb_node_error(
			reader->error, node, "%s: more than %zu of them", node->key, max);
	return 0;
}

/* --- Conditions on the container ------------------------------------------------------------ */

static const char dotted[] = "container.";
enum { DOTTED = sizeof dotted - 1, MAX_KEYS = 48 };

/* Keys of `when` that its table does not have: those that are read here, and the conditions of
 * `container` written into `when` itself. */
static int other_keys(sb_reader *reader, const char *keys[MAX_KEYS])
{
	static const char *const own[] = {
		"container", "metadata", "time", "all", "any", "not", NULL};
	size_t n = 0;

	while (own[n] != NULL) {
		keys[n] = own[n];
		n++;
	}
	for (const sb_setting *row = sb_when_container_rows; row->key != NULL; row++) {
		char *key = sb_arena_alloc(reader->arena, DOTTED + strlen(row->key) + 1);
		if (key == NULL)
			return sb_error_no_memory(reader->error);
		memcpy(key, dotted, DOTTED);
		memcpy(key + DOTTED, row->key, strlen(row->key) + 1);
		keys[n++] = key;
	}
	keys[n] = NULL;
	return 0;
}

static int add_condition(sb_reader *reader, sb_node *all, const sb_node *node, const char *key)
{
	sb_node *copy = sb_arena_alloc(reader->arena, sizeof *copy);

	if (copy == NULL)
		return sb_error_no_memory(reader->error);
	if (sb_node_get(all, key) != NULL)
		return sb_node_key_error(
			reader->error, node, "the condition \"container.%s\" is given twice", key);
	if (node->type == SB_NODE_LIST && node->count == 0)
		return sb_node_error(reader->error, node, "%s: the list is empty", key);
	*copy = *node;
	copy->key = key;
	copy->next = NULL;
	sb_node_append(all, copy);
	return 0;
}

/* Both spellings in one map; NULL: no condition of the kind. */
static int gather_container(sb_reader *reader, const sb_node *when, sb_node **out)
{
	const sb_node *map = sb_node_get(when, "container");
	sb_node *all = sb_node_new(reader->arena, SB_NODE_MAP, when->origin);
	int rc = all != NULL ? 0 : sb_error_no_memory(reader->error);

	if (rc == 0 && map != NULL && (map->type != SB_NODE_MAP || map->count == 0))
		rc = sb_node_error(reader->error, map,
			"container: a map of conditions expected, like {encrypted: true}");
	if (rc == 0 && map != NULL)
		for (const sb_node *n = map->first; rc == 0 && n != NULL; n = n->next)
			rc = add_condition(reader, all, n, n->key);
	for (const sb_node *n = when->first; rc == 0 && n != NULL; n = n->next)
		if (strncmp(n->key, dotted, DOTTED) == 0 && !sb_node_is_null(n))
			rc = add_condition(reader, all, n, n->key + DOTTED);
	*out = rc == 0 && all->count > 0 ? all : NULL;
	return rc;
}

static void fill_container(const sb_node *map, const sb_when_container *values, sb_conditions *when)
{
	for (unsigned i = 0; sb_when_container_rows[i].key != NULL; i++) {
		if (sb_node_get(map, sb_when_container_rows[i].key) == NULL)
			continue;
		if (i >= SB_CONTAINER_FACTS) {
			when->given |= (unsigned)SB_WHEN_CONTAINER_TYPE << (i - SB_CONTAINER_FACTS);
			continue;
		}
		when->given |= SB_WHEN_CONTAINER_FACTS;
		*(values->facts[i] ? &when->container.present : &when->container.absent) |= 1u << i;
	}
	when->container.types = list_of(values->type);
	when->container.depth_above = (unsigned)values->depth_above;
	when->container.members_above = (uint64_t)values->members_above;
	when->container.size_above = values->size_above;
}

static int read_container(sb_reader *reader, const sb_node *node, sb_conditions *when)
{
	sb_when_container values = {0};
	sb_table table = {sb_when_container_rows, &values};
	sb_node *map;
	int rc = gather_container(reader, node, &map);

	if (rc != 0 || map == NULL)
		return rc;
	rc = sb_settings_read(reader, map, "container", &table, 1, NULL);
	if (rc == 0)
		fill_container(map, &values, when);
	return rc;
}

/* --- Digests -------------------------------------------------------------------------------- */

/* Which algorithms a digest may be of; 0: of none. */
static unsigned algorithms_of(const char **text)
{
	static const struct {
		const char *prefix;
		size_t digits;
		unsigned algorithms;
	} rows[] = {
		{"blake3:", 64, 1},
		{"sha256:", 64, 2},
		{"md5:", 32, 4},
		{"", 64, 1 | 2},
		{"", 32, 4},
	};
	uint8_t bytes[32];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t skip = strlen(rows[i].prefix);
		if (strncmp(*text, rows[i].prefix, skip) == 0 &&
			sb_unhex(bytes, rows[i].digits / 2, *text + skip, strlen(*text + skip))) {
			*text += skip;
			return rows[i].algorithms;
		}
	}
	return 0;
}

static void add_text(sb_texts_list *list, const char *text)
{
	((const char **)list->items)[list->count++] = text;
}

int sb_build_hashes(
	sb_reader *reader, const sb_node *node, const sb_texts *texts, sb_conditions *when)
{
	sb_texts_list *lists[] = {&when->hashes.blake3, &when->hashes.sha256, &when->hashes.md5};
	char shown[SB_SHOWN];

	for (size_t a = 0; a < 3; a++) {
		lists[a]->items =
			sb_arena_zalloc(reader->arena, (texts->count + 1) * sizeof(char *));
		if (lists[a]->items == NULL)
			return sb_error_no_memory(reader->error);
	}
	for (size_t i = 0; i < texts->count; i++) {
		const char *digest = texts->items[i];
		unsigned algorithms = algorithms_of(&digest);
		char *lower = sb_arena_text(reader->arena, digest);
		if (algorithms == 0)
			return sb_node_error(reader->error, node,
				"hash: \"%s\" is no digest: 64 digits of BLAKE3 or SHA-256, or 32 "
				"of MD5, and before them, if need be, blake3:, sha256: or md5:",
				sb_shown(shown, texts->items[i]));
		if (lower == NULL)
			return sb_error_no_memory(reader->error);
		for (char *c = lower; *c != '\0'; c++)
			*c = (char)tolower((unsigned char)*c);
		for (size_t a = 0; a < 3; a++)
			if ((algorithms >> a & 1) != 0)
				add_text(lists[a], lower);
	}
	when->given |= (when->hashes.sha256.count > 0 ? (unsigned)SB_ASKS_SHA256 : 0) |
		       (when->hashes.md5.count > 0 ? (unsigned)SB_ASKS_MD5 : 0);
	return 0;
}

/* --- Metadata ------------------------------------------------------------------------------- */

static int read_metadata(sb_reader *reader, const sb_node *node, sb_conditions *when)
{
	sb_metadata_condition *items;
	int rc = 0;

	if (node->type != SB_NODE_MAP || node->count == 0 || node->count > MAX_METADATA)
		return sb_node_error(reader->error, node,
			"metadata: a map of 1 to %d keys with a pattern or a list of patterns "
			"each expected",
			MAX_METADATA);
	items = sb_arena_zalloc(reader->arena, node->count * sizeof *items);
	if (items == NULL)
		return sb_error_no_memory(reader->error);
	when->metadata = items;
	for (const sb_node *n = node->first; rc == 0 && n != NULL; n = n->next) {
		const sb_setting rows[] = {
			{.key = n->key, .type = SB_SETTING_TEXTS}, {.key = NULL}};
		sb_texts values = {0};
		sb_table table = {rows, &values};
		sb_node alone = *n;
		const sb_node one = {.type = SB_NODE_MAP, .first = &alone, .count = 1};
		char shown[SB_SHOWN];

		alone.next = NULL;
		if (sb_node_is_null(n) || (n->type == SB_NODE_LIST && n->count == 0))
			return sb_node_error(reader->error, n, "metadata.%s: a value expected",
				sb_shown(shown, n->key));
		rc = sb_settings_read(reader, &one, "metadata", &table, 1, NULL);
		items[when->metadata_count++] =
			(sb_metadata_condition){n->key, {values.items, values.count}};
	}
	when->given |= SB_WHEN_METADATA;
	return rc;
}

/* --- Time ----------------------------------------------------------------------------------- */

const char *const sb_day_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

static int day_of(const char *text, size_t length)
{
	for (int day = 0; sb_day_names[day] != NULL; day++)
		if (length == 3 && strncmp(text, sb_day_names[day], 3) == 0)
			return day;
	return -1;
}

/* `tue`, or `fri-mon`: onwards from the first day, over the end of the week. */
static bool add_days(const char *text, unsigned *days)
{
	size_t length = strcspn(text, "-");
	int first = day_of(text, length);
	int last =
		text[length] == '-' ? day_of(text + length + 1, strlen(text + length + 1)) : first;

	if (first < 0 || last < 0)
		return false;
	for (int day = first;; day = (day + 1) % 7) {
		*days |= 1u << day;
		if (day == last)
			return true;
	}
}

/* HH:MM up to 24:00. */
static bool read_minute(const char *text, unsigned *minute)
{
	if (strlen(text) != 5 || text[2] != ':' || strspn(text, "0123456789") != 2 ||
		strspn(text + 3, "0123456789") != 2)
		return false;
	*minute = (unsigned)((text[0] - '0') * 10 + text[1] - '0') * 60 +
		  (unsigned)((text[3] - '0') * 10 + text[4] - '0');
	return text[3] < '6' && *minute <= SB_MINUTES;
}

static int read_window(sb_reader *reader, const sb_node *node, sb_window *window)
{
	sb_when_window values = {0};
	sb_table table = {sb_window_rows, &values};
	const char *const times[] = {"from", "to"};
	char shown[SB_SHOWN];
	int rc = sb_settings_read(reader, node, "time", &table, 1, NULL);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < values.days.count; i++)
		if (!add_days(values.days.items[i], &window->days))
			return sb_node_error(reader->error, sb_node_get(node, "days"),
				"time.days: \"%s\" is no day: mon, tue, wed, thu, fri, sat, sun, "
				"or from one to another like mon-fri",
				sb_shown(shown, values.days.items[i]));
	if (window->days == 0)
		window->days = 127;
	for (int i = 0; i < 2; i++) {
		const char *text = i == 0 ? values.from : values.to;
		if (!read_minute(text, i == 0 ? &window->from : &window->to))
			return sb_node_error(reader->error, sb_node_get(node, times[i]),
				"time.%s: \"%s\" is no time of day, like 08:00 or 24:00", times[i],
				sb_shown(shown, text));
	}
	if (window->from % SB_MINUTES == window->to)
		return sb_node_error(reader->error, node, "time: from and to are the same");
	window->local = values.zone == 1;
	return 0;
}

static int read_time(sb_reader *reader, const sb_node *node, sb_conditions *when)
{
	sb_window *windows;
	size_t count;
	int rc = check_count(reader, node, MAX_WINDOWS, &count);

	if (rc != 0)
		return rc;
	windows = sb_arena_zalloc(reader->arena, count * sizeof *windows);
	if (windows == NULL)
		return sb_error_no_memory(reader->error);
	when->windows = windows;
	for (const sb_node *n = first_of(node); rc == 0 && n != NULL; n = next_of(node, n))
		rc = read_window(reader, n, &windows[when->window_count++]);
	when->given |= SB_WHEN_TIME;
	return rc;
}

/* --- Keys of the table ---------------------------------------------------------------------- */

static int check_file_types(sb_reader *reader, const sb_node *when, const sb_texts *types)
{
	char shown[SB_SHOWN];

	for (size_t i = 0; i < types->count; i++)
		if (types->items[i][0] == '\0' || strchr(types->items[i], '.') != NULL)
			return sb_node_error(reader->error, sb_node_get(when, "file_type"),
				"file_type: \"%s\": what stands behind the last dot expected, "
				"without the dot",
				sb_shown(shown, types->items[i]));
	return 0;
}

static int note_given(sb_reader *reader, const sb_node *node, sb_conditions *when)
{
	for (unsigned i = 0; sb_when_rows[i].key != NULL; i++) {
		const sb_node *child = sb_node_get(node, sb_when_rows[i].key);
		if (child == NULL)
			continue;
		if (child->type == SB_NODE_LIST && child->count == 0)
			return sb_node_error(
				reader->error, child, "%s: the list is empty", child->key);
		when->given |= 1u << i;
	}
	return 0;
}

static void fill(sb_conditions *when, const sb_when *values)
{
	when->severity_at_least = (sb_severity)(values->severity_at_least + SB_SEVERITY_LOW);
	when->threat_names = list_of(values->threat_name);
	when->threat_contains = list_of(values->threat_contains);
	when->sources = list_of(values->source);
	when->tenants = list_of(values->tenant);
	when->users = list_of(values->user);
	when->file_types = list_of(values->file_type);
	when->mimes = list_of(values->mime);
	when->engines = list_of(values->engine);
	when->size_above = values->size_above;
	when->size_below = values->size_below;
	when->detections_at_least = (unsigned)values->detections_at_least;
	when->cached = values->cached;
}

static int read_enumerations(
	sb_reader *reader, const sb_node *node, const sb_when *values, sb_conditions *when)
{
	int rc = read_bits(reader, node, "outcome", &values->outcome, outcome_bit, &when->outcomes);

	if (rc == 0)
		rc = read_bits(reader, node, "error_kind", &values->error_kind, kind_bit,
			&when->error_kinds);
	if (rc == 0)
		rc = read_bits(reader, node, "error_class", &values->error_class, class_bit,
			&when->error_classes);
	if (rc == 0 && values->hash.count > 0)
		rc = sb_build_hashes(reader, sb_node_get(node, "hash"), &values->hash, when);
	return rc == 0 ? check_file_types(reader, node, &values->file_type) : rc;
}

static int read_keys(sb_reader *reader, const sb_node *node, sb_conditions *when)
{
	const char *others[MAX_KEYS];
	sb_when *values = sb_arena_zalloc(reader->arena, sizeof *values);
	sb_table table = {sb_when_rows, values};
	int rc = values != NULL ? other_keys(reader, others) : sb_error_no_memory(reader->error);

	if (rc == 0)
		rc = sb_settings_read(reader, node, "when", &table, 1, others);
	if (rc == 0)
		rc = note_given(reader, node, when);
	if (rc != 0)
		return rc;
	if (((when->given & SB_WHEN_NEVER) != 0 && !values->never) ||
		(sb_node_get(node, "always") != NULL && (!values->always || values->never)))
		return sb_node_error(reader->error,
			sb_node_get(node, values->always ? "never" : "always") != NULL
				? sb_node_get(node, values->always ? "never" : "always")
				: node,
			"always and never can only be true, and not both");
	fill(when, values);
	return read_enumerations(reader, node, values, when);
}

/* --- Together ------------------------------------------------------------------------------- */

static int read_conditions(
	sb_reader *reader, const sb_node *node, unsigned depth, sb_conditions *when);

/* `not` may be one map of conditions; all and any are lists. */
static int read_list(
	sb_reader *reader, const sb_node *node, unsigned depth, struct sb_conditions_list *list)
{
	sb_conditions *items;
	size_t count;
	int rc = check_count(reader, node, MAX_NESTED, &count);

	if (rc == 0 && depth == SB_CONDITIONS_DEPTH)
		rc = sb_node_error(reader->error, node,
			"%s: nested too deeply: %d levels are the limit", node->key,
			SB_CONDITIONS_DEPTH);
	if (rc == 0 && node->type != SB_NODE_LIST && strcmp(node->key, "not") != 0)
		rc = sb_node_error(
			reader->error, node, "%s: a list of conditions expected", node->key);
	if (rc != 0)
		return rc;
	items = sb_arena_zalloc(reader->arena, count * sizeof *items);
	if (items == NULL)
		return sb_error_no_memory(reader->error);
	list->items = items;
	for (const sb_node *n = first_of(node); rc == 0 && n != NULL; n = next_of(node, n))
		rc = read_conditions(reader, n, depth + 1, &items[list->count++]);
	return rc;
}

static int read_nested(sb_reader *reader, const sb_node *node, unsigned depth, sb_conditions *when)
{
	const struct {
		const char *key;
		struct sb_conditions_list *list;
		unsigned bit;
	} rows[] = {
		{"all", &when->all, SB_WHEN_ALL},
		{"any", &when->any, SB_WHEN_ANY},
		{"not", &when->none, SB_WHEN_NOT},
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof rows / sizeof rows[0]; i++) {
		const sb_node *child = sb_node_get(node, rows[i].key);
		if (child == NULL)
			continue;
		when->given |= rows[i].bit;
		rc = read_list(reader, child, depth, rows[i].list);
	}
	return rc;
}

static int read_conditions(
	sb_reader *reader, const sb_node *node, unsigned depth, sb_conditions *when)
{
	const sb_node *metadata = sb_node_get(node, "metadata"), *time = sb_node_get(node, "time");
	int rc = read_keys(reader, node, when);

	if (rc == 0)
		rc = read_container(reader, node, when);
	if (rc == 0 && metadata != NULL)
		rc = read_metadata(reader, metadata, when);
	if (rc == 0 && time != NULL)
		rc = read_time(reader, time, when);
	if (rc == 0)
		rc = read_nested(reader, node, depth, when);
	if (rc == 0 && when->given == 0)
		rc = sb_node_error(reader->error, node,
			"a rule needs a condition; write {always: true} for one that always holds");
	when->given &= ~((unsigned)SB_WHEN_NEVER << 1); /* always: no condition */
	return rc;
}

int sb_build_when(sb_reader *reader, const sb_node *node, sb_conditions *when)
{
	return read_conditions(reader, node, 0, when);
}
