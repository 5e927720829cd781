/* SPDX-License-Identifier: MIT */
/* The two levels together: asking, storing, forgetting. What goes to disk later: writer.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/cache_body.h"
#include "cache/entry.h"
#include "cache/key.h"
#include "util/io.h"

static const char *const count_names[] = {
	[SB_CACHE_HITS] = "hits",
	[SB_CACHE_DISK_HITS] = "disk_hits",
	[SB_CACHE_MISSES] = "misses",
	[SB_CACHE_EXPIRED] = "expired",
	[SB_CACHE_STORES] = "stores",
	[SB_CACHE_REFUSED] = "refused",
	[SB_CACHE_UNWRITTEN] = "unwritten",
	[SB_CACHE_EVICTIONS] = "evictions",
	[SB_CACHE_FORGOTTEN] = "forgotten",
	[SB_CACHE_DAMAGED] = "damaged",
	[SB_CACHE_COALESCED] = "coalesced",
};

const char *sb_cache_count_name(unsigned count)
{
	return count < SB_CACHE_COUNTS_ ? count_names[count] : NULL;
}

/* --- Counting -------------------------------------------------------------------------------- */

/* A thread's own line, mostly: two threads that hit memory all the time shall not meet here. */
void sb_cache_count_add(sb_cache *cache, sb_cache_count count, uint64_t more)
{
	static _Thread_local char mine;
	size_t stripe = ((uintptr_t)&mine >> 12) % SB_CACHE_STRIPES;

	atomic_fetch_add_explicit(
		&cache->stripes[stripe].counts[count], more, memory_order_relaxed);
}

void sb_cache_counts(sb_cache *cache, uint64_t out[SB_CACHE_COUNTS_])
{
	for (unsigned i = 0; i < SB_CACHE_COUNTS_; i++) {
		out[i] = 0;
		for (unsigned s = 0; s < SB_CACHE_STRIPES; s++)
			out[i] += atomic_load_explicit(
				&cache->stripes[s].counts[i], memory_order_relaxed);
	}
	if (cache->disk != NULL)
		out[SB_CACHE_DAMAGED] += sb_disk_set_aside(cache->disk);
}

static void count(sb_cache *cache, sb_cache_count what)
{
	sb_cache_count_add(cache, what, 1);
}

/* --- Time ------------------------------------------------------------------------------------ */

static void forget_everything(sb_cache *cache, const sb_page *page)
{
	if (cache->disk != NULL)
		sb_disk_clear(cache->disk, page);
	else
		sb_page_move(&page->body->everything);
}

/* When the clock was set back, nobody knows how old anything is. Once it is gone, time begins
 * anew; several that notice at once clear several times, which is no harm. */
static uint64_t time_of(sb_cache *cache, const sb_page *page)
{
	uint64_t now, seen;

	if (!sb_page_time(page, cache->clock, &now, &seen)) {
		forget_everything(cache, page);
		atomic_compare_exchange_strong(&page->body->seen, &seen, now);
	}
	return now;
}

static uint64_t life_of(const sb_cache *cache, sb_exactness exactness)
{
	uint64_t ms = cache->ttl_ms;

	if (exactness != SB_EXACT_FULL && ms > SB_CACHE_INEXACT_TTL_MS)
		ms = SB_CACHE_INEXACT_TTL_MS;
	return ms > UINT64_MAX / SB_MS ? UINT64_MAX : ms * SB_MS;
}

/* What comes from the future is as doubtful as what is too old. */
static bool is_alive(const sb_cache *cache, const sb_entry *entry, uint64_t now)
{
	return entry->stored <= now && now - entry->stored < life_of(cache, entry->exactness);
}

/* --- Asking ---------------------------------------------------------------------------------- */

static void take_statement(sb_result *out, const sb_result *statement)
{
	out->outcome = statement->outcome;
	out->coverage = statement->coverage;
	out->bytes = statement->bytes;
	out->content = statement->content;
	out->detections = statement->detections;
	out->confidence = statement->confidence;
	out->engine_version = statement->engine_version;
	out->signature_version = statement->signature_version;
	out->container = statement->container;
	out->mime = statement->mime;
	out->cached = true;
}

static bool accept(sb_cache *cache, const uint8_t *bytes, size_t length, uint64_t now,
	sb_arena *arena, sb_result *result)
{
	sb_entry entry;

	/* What is authentic, and isn't an entry, was written by a version that had a fault. */
	if (sb_entry_read(&entry, bytes, length, arena) != SB_ENTRY_GOOD)
		return false;
	if (!is_alive(cache, &entry, now)) {
		count(cache, SB_CACHE_EXPIRED);
		return false;
	}
	take_statement(result, &entry.result);
	return true;
}

static bool ask_disk(sb_cache *cache, const sb_page *page, const sb_cache_key *key,
	uint8_t bytes[SB_CACHE_ENTRY_MAX], size_t *length)
{
	int64_t row = 0;
	sb_disk_status status = sb_disk_get(cache->disk, page, key, bytes, length, &row);

	if (status == SB_DISK_DAMAGED) {
		count(cache, SB_CACHE_DAMAGED);
		sb_writer_delete(cache, page, row);
	}
	return status == SB_DISK_OK;
}

bool sb_cache_lookup(sb_cache *cache, const sb_cache_key *key, sb_arena *arena, sb_result *result,
	uint64_t *ticket)
{
	const sb_page *page = atomic_load(&cache->page);
	uint64_t now = time_of(cache, page), era = sb_page_era(page);
	uint8_t bytes[SB_CACHE_ENTRY_MAX];
	size_t length = 0;

	*ticket = sb_page_stamp(page, key);
	if (*ticket != 0 && cache->memory != NULL)
		length = sb_memory_get(cache->memory, key, *ticket, era, bytes);
	if (length > 0 && accept(cache, bytes, length, now, arena, result)) {
		count(cache, SB_CACHE_HITS);
		return true;
	}
	if (length > 0)
		sb_memory_drop(cache->memory, key);
	else if (*ticket != 0 && cache->disk != NULL &&
		 ask_disk(cache, page, key, bytes, &length) &&
		 accept(cache, bytes, length, now, arena, result)) {
		if (cache->memory != NULL)
			sb_memory_put(cache->memory, key, *ticket, era, bytes, length);
		count(cache, SB_CACHE_HITS);
		count(cache, SB_CACHE_DISK_HITS);
		return true;
	}
	count(cache, SB_CACHE_MISSES);
	return false;
}

bool sb_cache_repeat(
	const sb_cache_key *key, const sb_result *from, sb_arena *arena, sb_result *result)
{
	uint8_t bytes[SB_CACHE_ENTRY_MAX];
	size_t length = sb_entry_write(bytes, sizeof bytes, key, from, SB_EXACT_NONE, 0);
	sb_entry entry;

	if (length == 0 || sb_entry_read(&entry, bytes, length, arena) != SB_ENTRY_GOOD)
		return false;
	take_statement(result, &entry.result);
	return true;
}

uint64_t sb_cache_ticket(sb_cache *cache, const sb_cache_key *key)
{
	return sb_page_stamp(atomic_load(&cache->page), key);
}

/* --- Storing --------------------------------------------------------------------------------- */

bool sb_cache_may_share(const sb_cache_key *key, const sb_result *result, sb_content_state state)
{
	return state == SB_CONTENT_STATE_PINNED && !result->cached &&
	       sb_entry_holds(result, key->length);
}

bool sb_cache_store(sb_cache *cache, const sb_cache_key *key, const sb_result *result,
	sb_exactness exactness, sb_content_state state, uint64_t ticket)
{
	const sb_page *page = atomic_load(&cache->page);
	uint64_t now = time_of(cache, page), era = sb_page_era(page);
	uint8_t bytes[SB_CACHE_ENTRY_MAX];
	size_t length = 0;

	if (ticket != 0 && sb_page_stamp(page, key) == ticket &&
		sb_cache_may_share(key, result, state))
		length = sb_entry_write(bytes, sizeof bytes, key, result, exactness, now);
	if (length == 0) {
		count(cache, SB_CACHE_REFUSED);
		return false;
	}
	if (cache->memory != NULL)
		sb_memory_put(cache->memory, key, ticket, era, bytes, length);
	if (cache->disk != NULL)
		sb_writer_put(cache, key, ticket, now, bytes, length);
	count(cache, SB_CACHE_STORES);
	return true;
}

/* --- Forgetting ------------------------------------------------------------------------------ */

static int told(
	sb_cache *cache, sb_disk_status status, uint64_t removed, uint64_t *out, sb_error *error)
{
	char state[256];

	if (out != NULL)
		*out = removed;
	sb_cache_count_add(cache, SB_CACHE_FORGOTTEN, removed);
	if (status == SB_DISK_OK)
		return 0;
	if (status == SB_DISK_BUSY)
		return sb_error_set(error, SB_KIND_OVERLOADED, 0,
			"verdict cache: another process holds the database; try again");
	sb_disk_state(cache->disk, state, sizeof state);
	return sb_error_set(error, SB_KIND_IO, 0, "verdict cache: %s",
		state[0] != '\0' ? state : "the database was damaged; try again");
}

/* The files are there and can't be used: what they have would be back at the next start. */
static int unreachable(const sb_cache *cache, sb_error *error)
{
	if (cache->why[0] == '\0')
		return 0;
	return sb_error_set(error, SB_KIND_IO, 0, "verdict cache: %s", cache->why);
}

int sb_cache_forget(
	sb_cache *cache, const uint8_t hash[SB_BLAKE3_SIZE], uint64_t *out, sb_error *error)
{
	const sb_page *page = atomic_load(&cache->page);
	sb_disk_status status;
	uint64_t removed = 0;

	if (out != NULL)
		*out = 0;
	if (cache->disk == NULL) {
		sb_page_move(sb_page_hash(page, hash));
		return unreachable(cache, error);
	}
	status = sb_disk_forget(cache->disk, page, hash, &removed);
	return told(cache, status, removed, out, error);
}

int sb_cache_drop(sb_cache *cache, const uint8_t gen[SB_GEN_SIZE], uint64_t since, uint64_t *out,
	sb_error *error)
{
	const sb_page *page = atomic_load(&cache->page);
	sb_disk_status status;
	uint64_t removed = 0;

	if (out != NULL)
		*out = 0;
	if (cache->disk == NULL) {
		sb_page_move(sb_page_gen(page, gen));
		return unreachable(cache, error);
	}
	status = sb_disk_drop(cache->disk, page, gen, since, &removed);
	return told(cache, status, removed, out, error);
}

int sb_cache_clear(sb_cache *cache, sb_error *error)
{
	forget_everything(cache, atomic_load(&cache->page));
	return cache->disk == NULL ? unreachable(cache, error) : 0;
}

/* --- For people ------------------------------------------------------------------------------ */

struct looking {
	sb_cache *cache;
	uint64_t now;
	int (*each)(void *data, const sb_cache_known *known);
	void *data;
};

static int show_one(void *data, const uint8_t *bytes, size_t length)
{
	struct looking *looking = data;
	sb_arena arena;
	sb_entry entry;
	int stop = 0;

	sb_arena_init(&arena, 1 << 20);
	if (sb_entry_read(&entry, bytes, length, &arena) == SB_ENTRY_GOOD &&
		is_alive(looking->cache, &entry, looking->now)) {
		uint64_t life = life_of(looking->cache, entry.exactness);
		sb_cache_known known = {.key = entry.key,
			.exactness = entry.exactness,
			.stored = entry.stored,
			.expires =
				life > UINT64_MAX - entry.stored ? UINT64_MAX : entry.stored + life,
			.result = entry.result};

		stop = looking->each(looking->data, &known);
	}
	sb_arena_done(&arena);
	return stop;
}

int sb_cache_each(sb_cache *cache, const uint8_t hash[SB_BLAKE3_SIZE],
	int (*each)(void *data, const sb_cache_known *known), void *data, sb_error *error)
{
	const sb_page *page = atomic_load(&cache->page);
	struct looking looking = {cache, time_of(cache, page), each, data};
	sb_disk_status status;

	if (cache->disk == NULL)
		return unreachable(cache, error);
	status = sb_disk_each(cache->disk, page, hash, show_one, &looking);
	return told(cache, status == SB_DISK_NOTHING ? SB_DISK_OK : status, 0, NULL, error);
}

void sb_cache_state(sb_cache *cache, char *out, size_t room)
{
	uint64_t counts[SB_CACHE_COUNTS_];

	if (cache->disk != NULL)
		sb_disk_state(cache->disk, out, room);
	else
		snprintf(out, room, "%s", cache->why);
	if (out[0] != '\0')
		return;
	sb_cache_counts(cache, counts);
	if (counts[SB_CACHE_DAMAGED] > 0)
		snprintf(out, room, "%s was damaged; what was damaged is not used, and begun anew",
			cache->path);
}

void sb_cache_stats_get(sb_cache *cache, sb_cache_stats *out)
{
	const sb_page *page = atomic_load(&cache->page);
	uint64_t published[SB_CACHE_COUNTS_];

	*out = (sb_cache_stats){.disk_limit = cache->disk_limit};
	sb_writer_published(cache, published);
	sb_cache_counts(cache, out->here);
	for (unsigned i = 0; i < SB_CACHE_COUNTS_; i++)
		out->all[i] = atomic_load(&page->body->totals[i]) + out->here[i] - published[i];
	if (cache->memory != NULL) {
		sb_memory_usage usage;

		sb_memory_usage_get(cache->memory, &usage);
		out->memory_limit = usage.limit;
		out->memory_bytes = usage.bytes;
		out->memory_entries = usage.entries;
		out->memory_evictions = usage.evictions;
	}
	if (cache->disk != NULL) {
		sb_disk_count(cache->disk, page, &out->disk_entries, &out->disk_bytes);
		sb_disk_state(cache->disk, out->state, sizeof out->state);
	} else {
		snprintf(out->state, sizeof out->state, "%s", cache->why);
	}
}

/* --- Life ------------------------------------------------------------------------------------ */

int sb_cache_secret(const char *dir, uint8_t out[SB_BLAKE3_SIZE], sb_error *error)
{
	static const char purpose[] = "scanbridge: digests of secrets";
	sb_mac_keys keys;
	int fd = sb_mac_keys_open(&keys, dir, error);

	if (fd < 0)
		return -SB_KIND_IO;
	sb_blake3_keyed(keys.mac, purpose, sizeof purpose, out);
	sb_mac_keys_forget(&keys);
	sb_close(&fd);
	return 0;
}

static sb_page *open_page(sb_cache *cache)
{
	sb_page *page = NULL;

	if (cache->dir >= 0) {
		page = sb_page_open(cache->dir, sb_disk_fresh_number(cache->dir), 1);
		if (page == NULL)
			snprintf(cache->why, sizeof cache->why, "cannot use %.180s: %s",
				cache->path, strerror(errno));
	}
	return page != NULL ? page : sb_page_open(-1, 1, 1);
}

enum { CONNECTIONS = SB_DISK_READERS + 1 };

/* An eighth of the memory is for the pages that the connections keep. */
static uint64_t keep_of(uint64_t memory)
{
	uint64_t keep = memory / 8 / CONNECTIONS;

	if (memory == 0 || keep > SB_DISK_KEEP_MOST)
		return SB_DISK_KEEP_MOST;
	return keep > SB_DISK_KEEP_LEAST ? keep : SB_DISK_KEEP_LEAST;
}

static uint64_t for_entries(const sb_cache *cache, uint64_t memory)
{
	uint64_t pages = CONNECTIONS * keep_of(memory);

	if (cache->disk == NULL)
		return memory;
	return pages < memory ? memory - pages : 0;
}

static void open_files(sb_cache *cache, const sb_cache_options *options)
{
	sb_disk_options disk = {.limit = cache->disk_limit,
		.keep = keep_of(options->memory),
		.clock = options->clock};
	sb_error error;

	if (cache->dir < 0 || cache->why[0] != '\0' || !options->persistent)
		return;
	sb_error_init(&error);
	disk.path = cache->path;
	disk.dir = cache->dir;
	cache->disk = sb_disk_open(&disk, &error);
	if (cache->disk == NULL) {
		snprintf(cache->why, sizeof cache->why, "%.120s: %.120s", cache->path,
			error.message);
		return;
	}
	sb_disk_settle(cache->disk, atomic_load(&cache->page));
	sb_disk_tidy(cache->disk, atomic_load(&cache->page));
}

static int prepare(sb_cache *cache, const sb_cache_options *options)
{
	cache->dir = -1;
	cache->clock = options->clock;
	cache->ttl_ms = options->ttl_ms;
	cache->disk_limit = options->disk != 0 ? options->disk : 1ull << 30;
	if (options->dir != NULL) {
		cache->path = strdup(options->dir);
		if (cache->path == NULL)
			return -1;
		cache->dir = sb_mac_folder_open(options->dir);
		if (cache->dir < 0)
			snprintf(cache->why, sizeof cache->why, "cannot open %.180s: %s",
				cache->path, strerror(errno));
	}
	atomic_store(&cache->page, open_page(cache));
	if (atomic_load(&cache->page) == NULL)
		return -1;
	open_files(cache, options);
	/* Too little memory for one entry is no memory. */
	cache->memory = sb_memory_new(for_entries(cache, options->memory));
	return 0;
}

int sb_cache_open(sb_cache **out, const sb_cache_options *options, sb_error *error)
{
	sb_cache *cache = aligned_alloc(64, sizeof *cache);

	*out = NULL;
	if (cache == NULL)
		return sb_error_no_memory(error);
	memset(cache, 0, sizeof *cache);
	sb_writer_init(cache);
	if (prepare(cache, options) != 0) {
		sb_cache_close(cache);
		return sb_error_no_memory(error);
	}
	if (cache->disk != NULL && sb_writer_start(cache) != 0) {
		sb_cache_close(cache);
		return sb_error_set(error, SB_KIND_INTERNAL, errno, "cannot start a thread");
	}
	*out = cache;
	return 0;
}

void sb_cache_warm(sb_cache *cache)
{
	if (cache->disk != NULL)
		sb_disk_warm(cache->disk, atomic_load(&cache->page));
}

void sb_cache_close(sb_cache *cache)
{
	if (cache == NULL)
		return;
	sb_writer_stop(cache);
	sb_disk_close(cache->disk);
	sb_memory_free(cache->memory);
	sb_page_close(atomic_load(&cache->page));
	sb_close(&cache->dir);
	free(cache->path);
	free(cache);
}
