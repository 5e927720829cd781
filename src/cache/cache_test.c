/* SPDX-License-Identifier: MIT */
/* The cache as its users see it: both levels, lives and clocks, forgetting, and what damage does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/disk_body.h"
#include "cache/samples.h"
#include "util/io.h"

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS };

typedef struct scene {
	char dir[64];
	sb_clock *clock;
	sb_cache_options options;
	sb_cache *cache;
} scene;

static void begin(scene *x)
{
	snprintf(x->dir, sizeof x->dir, "/tmp/sb-cache-XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	x->clock = sb_clock_fake_new();
	x->options = (sb_cache_options){.dir = x->dir,
		.persistent = true,
		.memory = 1 << 20,
		.ttl_ms = 24ull * HOUR_MS,
		.clock = x->clock};
	assert_int_equal(sb_cache_open(&x->cache, &x->options, NULL), 0);
}

static void reopen(scene *x)
{
	sb_cache_close(x->cache);
	assert_int_equal(sb_cache_open(&x->cache, &x->options, NULL), 0);
}

static void each_file(const scene *x, void (*each)(int dir, const char *name))
{
	int fd = open(x->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fdopendir(fd);

	assert_non_null(entries);
	for (struct dirent *e; (e = readdir(entries)) != NULL;)
		if (e->d_name[0] != '.')
			each(fd, e->d_name);
	closedir(entries);
}

static void remove_file(int dir, const char *name)
{
	unlinkat(dir, name, 0);
}

static void end(scene *x)
{
	sb_cache_close(x->cache);
	each_file(x, remove_file);
	assert_int_equal(rmdir(x->dir), 0);
	sb_clock_fake_free(x->clock);
}

/* Ask, as a miss does, then store. */
static bool store_as(sb_cache *cache, uint64_t number, sb_exactness exactness)
{
	sb_result nothing = {0};
	sb_arena arena;
	uint64_t ticket;
	sb_sample s;

	sb_sample_make(&s, number);
	sb_arena_init(&arena, 1 << 20);
	sb_cache_lookup(cache, &s.key, &arena, &nothing, &ticket);
	sb_arena_done(&arena);
	return sb_cache_store(cache, &s.key, &s.result, exactness, SB_CONTENT_STATE_PINNED, ticket);
}

static bool store(sb_cache *cache, uint64_t number)
{
	return store_as(cache, number, SB_EXACT_FULL);
}

/* Whether it is known; and if so, it is what was stored. */
static bool knows(sb_cache *cache, uint64_t number)
{
	sb_result result = {.engine = "mine", .role = SB_ROLE_SHADOW};
	sb_arena arena;
	uint64_t ticket;
	sb_sample s;
	bool known;

	sb_sample_make(&s, number);
	sb_arena_init(&arena, 1 << 20);
	known = sb_cache_lookup(cache, &s.key, &arena, &result, &ticket);
	assert_string_equal(result.engine, "mine");
	assert_int_equal(result.role, SB_ROLE_SHADOW);
	assert_int_equal(result.cached, known);
	assert_null(result.type);
	result.type = s.result.type; /* is left to whoever asks */
	if (known)
		assert_true(sb_sample_same(&result, &s.result));
	else
		assert_int_equal(result.outcome, SB_OUTCOME_ERROR);
	sb_arena_done(&arena);
	return known;
}

static sb_cache_stats stats_of(sb_cache *cache)
{
	sb_cache_stats stats;

	sb_cache_stats_get(cache, &stats);
	return stats;
}

static uint64_t counted(sb_cache *cache, sb_cache_count count)
{
	return stats_of(cache).here[count];
}

/* --- Two levels ------------------------------------------------------------------------------ */

static void test_levels(void **state)
{
	scene x;

	(void)state;
	begin(&x);
	for (uint64_t i = 0; i < 50; i++) {
		assert_false(knows(x.cache, i));
		assert_true(store(x.cache, i));
		assert_true(knows(x.cache, i));
	}
	assert_int_equal(counted(x.cache, SB_CACHE_HITS), 50);
	assert_int_equal(counted(x.cache, SB_CACHE_DISK_HITS), 0);
	assert_int_equal(counted(x.cache, SB_CACHE_MISSES), 100);
	assert_int_equal(counted(x.cache, SB_CACHE_STORES), 50);
	reopen(&x);
	assert_int_equal(stats_of(x.cache).disk_entries, 50);
	for (uint64_t i = 0; i < 50; i++)
		assert_true(knows(x.cache, i));
	assert_int_equal(counted(x.cache, SB_CACHE_DISK_HITS), 50);
	for (uint64_t i = 0; i < 50; i++)
		assert_true(knows(x.cache, i));
	assert_int_equal(counted(x.cache, SB_CACHE_DISK_HITS), 50);
	assert_int_equal(counted(x.cache, SB_CACHE_HITS), 100);
	assert_string_equal(stats_of(x.cache).state, "");
	assert_int_equal(stats_of(x.cache).all[SB_CACHE_STORES], 50);
	end(&x);
}

static void test_memory_only(void **state)
{
	scene x;

	(void)state;
	begin(&x);
	x.options.persistent = false;
	reopen(&x);
	assert_true(store(x.cache, 1));
	assert_true(knows(x.cache, 1));
	reopen(&x);
	assert_false(knows(x.cache, 1));
	x.options.dir = NULL;
	reopen(&x);
	assert_true(store(x.cache, 1));
	assert_true(knows(x.cache, 1));
	assert_int_equal(sb_cache_clear(x.cache, NULL), 0);
	assert_false(knows(x.cache, 1));
	assert_string_equal(stats_of(x.cache).state, "");
	end(&x);
}

static void test_disk_only(void **state)
{
	scene x;

	(void)state;
	begin(&x);
	x.options.memory = 0;
	reopen(&x);
	assert_true(store(x.cache, 1));
	sb_cache_flush(x.cache);
	assert_true(knows(x.cache, 1));
	assert_int_equal(counted(x.cache, SB_CACHE_DISK_HITS), 1);
	end(&x);
}

static void check_mode(int dir, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_modes(void **state)
{
	mode_t mask = umask(0);
	scene x;

	(void)state;
	begin(&x);
	store(x.cache, 1);
	sb_cache_flush(x.cache);
	each_file(&x, check_mode);
	umask(mask);
	end(&x);
}

/* What is no evidence is refused by the cache itself; entry_test.c has the whole table. */
static void test_refusal(void **state)
{
	sb_result nothing = {0};
	uint64_t ticket;
	sb_arena arena;
	sb_sample s;
	scene x;

	(void)state;
	begin(&x);
	sb_arena_init(&arena, 1 << 20);
	sb_sample_make(&s, 1);
	assert_false(sb_cache_lookup(x.cache, &s.key, &arena, &nothing, &ticket));
	assert_false(sb_cache_store(
		x.cache, &s.key, &nothing, SB_EXACT_FULL, SB_CONTENT_STATE_PINNED, ticket));
	assert_false(sb_cache_store(
		x.cache, &s.key, &s.result, SB_EXACT_FULL, SB_CONTENT_STATE_UNPINNED, ticket));
	assert_false(sb_cache_store(
		x.cache, &s.key, &s.result, SB_EXACT_FULL, SB_CONTENT_STATE_CHANGED, ticket));
	assert_false(sb_cache_store(
		x.cache, &s.key, &s.result, SB_EXACT_FULL, SB_CONTENT_STATE_PINNED, 0));
	assert_int_equal(counted(x.cache, SB_CACHE_REFUSED), 4);
	assert_false(knows(x.cache, 1));
	assert_true(sb_cache_store(
		x.cache, &s.key, &s.result, SB_EXACT_FULL, SB_CONTENT_STATE_PINNED, ticket));
	assert_true(sb_cache_lookup(x.cache, &s.key, &arena, &nothing, &ticket));
	/* What comes from the cache doesn't get a new life by being stored again. */
	assert_false(sb_cache_store(
		x.cache, &s.key, &nothing, SB_EXACT_FULL, SB_CONTENT_STATE_PINNED, ticket));
	sb_arena_done(&arena);
	end(&x);
}

/* --- Time ------------------------------------------------------------------------------------ */

static const struct {
	uint64_t number; /* clean, infected, suspicious */
	sb_exactness exactness;
	uint64_t ttl_ms, life_ms;
} lives[] = {
	{0, SB_EXACT_FULL, 24ull * HOUR_MS, 24ull * HOUR_MS},
	{2, SB_EXACT_FULL, 24ull * HOUR_MS, 24ull * HOUR_MS},
	{4, SB_EXACT_FULL, 24ull * HOUR_MS, 24ull * HOUR_MS},
	{0, SB_EXACT_PARTIAL, 24ull * HOUR_MS, 15 * MINUTE_MS},
	{2, SB_EXACT_PARTIAL, 24ull * HOUR_MS, 15 * MINUTE_MS},
	{4, SB_EXACT_NONE, 24ull * HOUR_MS, 15 * MINUTE_MS},
	{0, SB_EXACT_NONE, 24ull * HOUR_MS, 15 * MINUTE_MS},
	{0, SB_EXACT_PARTIAL, 5 * MINUTE_MS, 5 * MINUTE_MS},
	{0, SB_EXACT_FULL, 5 * MINUTE_MS, 5 * MINUTE_MS},
};

static void test_lives(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof lives / sizeof lives[0]; i++) {
		for (unsigned from_disk = 0; from_disk < 2; from_disk++) {
			scene x;

			begin(&x);
			x.options.ttl_ms = lives[i].ttl_ms;
			x.options.memory = from_disk ? 0 : 1 << 20;
			reopen(&x);
			assert_true(store_as(x.cache, lives[i].number, lives[i].exactness));
			sb_cache_flush(x.cache);
			sb_clock_fake_turn(x.clock, lives[i].life_ms * SB_MS - 1);
			assert_true(knows(x.cache, lives[i].number));
			sb_clock_fake_turn(x.clock, 1);
			assert_false(knows(x.cache, lives[i].number));
			assert_int_equal(counted(x.cache, SB_CACHE_EXPIRED), 1);
			end(&x);
		}
	}
}

/* A shorter `ttl` holds for what is there already. */
static void test_shorter_ttl(void **state)
{
	scene x;

	(void)state;
	begin(&x);
	store(x.cache, 1);
	sb_clock_fake_turn(x.clock, 2ull * HOUR_MS * SB_MS);
	assert_true(knows(x.cache, 1));
	x.options.ttl_ms = HOUR_MS;
	reopen(&x);
	assert_false(knows(x.cache, 1));
	end(&x);
}

static void test_clock_set_back(void **state)
{
	scene x;

	(void)state;
	begin(&x);
	store(x.cache, 1);
	sb_cache_flush(x.cache);
	sb_clock_fake_turn(x.clock, 23ull * HOUR_MS * SB_MS);
	assert_true(knows(x.cache, 1));
	sb_clock_fake_step(x.clock, -(int64_t)(22ull * HOUR_MS * SB_MS));
	assert_false(knows(x.cache, 1));
	reopen(&x);
	assert_false(knows(x.cache, 1));
	/* And life goes on. */
	assert_true(store(x.cache, 1));
	assert_true(knows(x.cache, 1));
	reopen(&x);
	assert_true(knows(x.cache, 1));
	end(&x);
}

/* While nobody looked. */
static void test_clock_set_back_at_rest(void **state)
{
	scene x;

	(void)state;
	begin(&x);
	store(x.cache, 1);
	sb_cache_close(x.cache);
	sb_clock_fake_step(x.clock, -1000000000);
	assert_int_equal(sb_cache_open(&x.cache, &x.options, NULL), 0);
	assert_false(knows(x.cache, 1));
	sb_clock_fake_step(x.clock, 2000000000);
	assert_false(knows(x.cache, 1));
	end(&x);
}

static void test_clock_set_forward(void **state)
{
	scene x;

	(void)state;
	begin(&x);
	store(x.cache, 1);
	sb_clock_fake_step(x.clock, (int64_t)(25ull * HOUR_MS * SB_MS));
	assert_false(knows(x.cache, 1));
	end(&x);
}

/* --- Forgetting ------------------------------------------------------------------------------ */

static void test_forget(void **state)
{
	sb_cache *other;
	sb_cache_key key;
	uint64_t count;
	scene x;

	(void)state;
	begin(&x);
	assert_int_equal(sb_cache_open(&other, &x.options, NULL), 0);
	for (uint64_t i = 0; i < 20; i++)
		store(x.cache, i);
	sb_cache_flush(x.cache);
	for (uint64_t i = 0; i < 20; i++)
		assert_true(knows(other, i)); /* now in both memories */
	sb_sample_key(&key, 7);
	assert_int_equal(sb_cache_forget(other, key.hash, &count, NULL), 0);
	assert_int_equal(count, 1);
	for (uint64_t i = 0; i < 20; i++) {
		assert_int_equal(knows(x.cache, i), i != 7);
		assert_int_equal(knows(other, i), i != 7);
	}
	assert_int_equal(sb_cache_forget(other, key.hash, &count, NULL), 0);
	assert_int_equal(count, 0);
	sb_cache_close(other);
	end(&x);
}

static void test_clear(void **state)
{
	sb_cache *other;
	scene x;

	(void)state;
	begin(&x);
	assert_int_equal(sb_cache_open(&other, &x.options, NULL), 0);
	for (uint64_t i = 0; i < 20; i++)
		store(x.cache, i);
	sb_cache_flush(x.cache);
	for (uint64_t i = 0; i < 20; i++)
		assert_true(knows(other, i));
	assert_int_equal(sb_cache_clear(other, NULL), 0);
	for (uint64_t i = 0; i < 20; i++) {
		assert_false(knows(x.cache, i));
		assert_false(knows(other, i));
	}
	assert_true(store(x.cache, 1));
	sb_cache_flush(x.cache);
	assert_true(knows(other, 1));
	assert_int_equal(stats_of(other).disk_entries, 1);
	sb_cache_close(other);
	reopen(&x);
	assert_true(knows(x.cache, 1));
	assert_false(knows(x.cache, 2));
	end(&x);
}

/* One engine's, from a moment on; older ones and other engines' stay. */
static void test_drop(void **state)
{
	uint64_t since, count;
	sb_cache_key key;
	scene x;

	(void)state;
	begin(&x);
	for (uint64_t i = 0; i < 9; i++)
		store(x.cache, i);
	sb_clock_fake_turn(x.clock, SB_MS);
	since = sb_clock_wall(x.clock);
	for (uint64_t i = 9; i < 18; i++)
		store(x.cache, i);
	sb_cache_flush(x.cache);
	sb_sample_key(&key, 0); /* engines are told apart by number % 3 */
	assert_int_equal(sb_cache_drop(x.cache, key.gen, since, &count, NULL), 0);
	assert_int_equal(count, 3);
	for (uint64_t i = 0; i < 18; i++)
		assert_int_equal(knows(x.cache, i), i < 9 || i % 3 != 0);
	reopen(&x);
	for (uint64_t i = 0; i < 18; i++)
		assert_int_equal(knows(x.cache, i), i < 9 || i % 3 != 0);
	end(&x);
}

enum way { FORGET, CLEAR, DROP, WAYS };

static void forget_by(enum way way, sb_cache *cache, const sb_cache_key *key)
{
	if (way == FORGET)
		sb_cache_forget(cache, key->hash, NULL, NULL);
	else if (way == CLEAR)
		sb_cache_clear(cache, NULL);
	else
		sb_cache_drop(cache, key->gen, 0, NULL, NULL);
}

/* Asked before, stored after something was forgotten: too late, in any process. */
static void test_ticket(void **state)
{
	sb_result nothing = {0};
	uint64_t ticket;
	sb_arena arena;
	sb_sample s;

	(void)state;
	for (enum way way = FORGET; way < WAYS; way++) {
		sb_cache *other;
		scene x;

		begin(&x);
		assert_int_equal(sb_cache_open(&other, &x.options, NULL), 0);
		sb_arena_init(&arena, 1 << 20);
		sb_sample_make(&s, 1);
		sb_cache_lookup(x.cache, &s.key, &arena, &nothing, &ticket);
		forget_by(way, other, &s.key);
		assert_false(sb_cache_store(x.cache, &s.key, &s.result, SB_EXACT_FULL,
			SB_CONTENT_STATE_PINNED, ticket));
		/* Stored, queued, then forgotten before it was written. */
		store(x.cache, 1);
		forget_by(way, other, &s.key);
		sb_cache_flush(x.cache);
		assert_false(knows(x.cache, 1));
		assert_false(knows(other, 1));
		assert_int_equal(stats_of(other).disk_entries, 0);
		sb_arena_done(&arena);
		sb_cache_close(other);
		end(&x);
	}
}

/* Somebody died while he was forgetting, after he had announced it: for what may be concerned the
 * cache is of no use, until anybody mends it, within a second or at the next start. */
static void test_died_while_forgetting(void **state)
{
	sb_cache_key key;
	sb_page *page;
	scene x;
	int dir;

	(void)state;
	begin(&x);
	for (uint64_t i = 0; i < 20; i++)
		store(x.cache, i);
	sb_cache_flush(x.cache);
	dir = open(x.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	page = sb_page_open(dir, 1, 1);
	sb_sample_key(&key, 7);
	for (unsigned round = 0; round < 2; round++) {
		sb_page_begin(sb_page_hash(page, key.hash));
		assert_false(knows(x.cache, 7));
		assert_false(store(x.cache, 7));
		assert_true(knows(x.cache, 8));
		if (round == 0) {
			reopen(&x);
		} else {
			sb_clock_fake_turn(x.clock, 1001 * SB_MS);
			for (uint64_t i = 50; i < 52; i++) {
				store(x.cache, i);
				sb_cache_flush(x.cache);
			}
		}
		assert_true(knows(x.cache, 7)); /* it was not deleted, after all */
	}
	sb_page_close(page);
	close(dir);
	end(&x);
}

/* --- Damage ---------------------------------------------------------------------------------- */

static sqlite3 *open_database(const scene *x, unsigned number)
{
	char path[128];
	sqlite3 *db;

	snprintf(path, sizeof path, "%s/verdicts-%u.sqlite", x->dir, number);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	return db;
}

static void run(sqlite3 *db, const char *sql)
{
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static size_t read_row(sqlite3 *db, uint8_t *out, size_t room)
{
	sqlite3_stmt *row;
	size_t length;

	assert_int_equal(
		sqlite3_prepare_v2(db, "SELECT entry FROM verdicts", -1, &row, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(row), SQLITE_ROW);
	length = (size_t)sqlite3_column_bytes(row, 0);
	assert_true(length > 0 && length <= room);
	memcpy(out, sqlite3_column_blob(row, 0), length);
	sqlite3_finalize(row);
	return length;
}

static void write_row(sqlite3 *db, const uint8_t *data, size_t length)
{
	sqlite3_stmt *row;

	assert_int_equal(
		sqlite3_prepare_v2(db, "UPDATE verdicts SET entry = ?", -1, &row, NULL), SQLITE_OK);
	sqlite3_bind_blob(row, 1, data, (int)length, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(row), SQLITE_DONE);
	sqlite3_finalize(row);
}

/* A bit at every byte of a row, its MAC included; and every length but the right one. */
static void test_flipped_row(void **state)
{
	uint8_t bytes[4096];
	size_t length;
	sqlite3 *db;
	scene x;

	(void)state;
	begin(&x);
	x.options.memory = 0;
	reopen(&x);
	store(x.cache, 3);
	sb_cache_flush(x.cache);
	db = open_database(&x, 1);
	length = read_row(db, bytes, sizeof bytes);
	for (size_t at = 0; at < 2 * length; at++) {
		if (at < length)
			bytes[at] ^= (uint8_t)(1u << at % 8);
		write_row(db, bytes, at < length ? length : at - length);
		if (at < length)
			bytes[at] ^= (uint8_t)(1u << at % 8);
		assert_false(knows(x.cache, 3));
		assert_int_equal(counted(x.cache, SB_CACHE_DAMAGED), at + 1);
		sb_cache_flush(x.cache);
		assert_int_equal(stats_of(x.cache).disk_entries, 0); /* deleted */
		store(x.cache, 3);
		sb_cache_flush(x.cache);
		assert_true(knows(x.cache, 3));
	}
	sqlite3_close(db);
	end(&x);
}

/* An authentic entry in the place of another, or under another engine. */
static void test_moved_row(void **state)
{
	sqlite3 *db;
	scene x;

	(void)state;
	begin(&x);
	x.options.memory = 0;
	reopen(&x);
	store(x.cache, 0);
	store(x.cache, 2);
	sb_cache_flush(x.cache);
	db = open_database(&x, 1);
	run(db, "UPDATE verdicts SET entry = (SELECT entry FROM verdicts WHERE id = 1)");
	assert_true(knows(x.cache, 0));
	assert_false(knows(x.cache, 2));
	assert_int_equal(counted(x.cache, SB_CACHE_DAMAGED), 1);
	sqlite3_close(db);
	end(&x);
}

/* An engine whose row of sample 0 would be the one that sample 0 has. */
static void rival(const scene *x, sb_cache_key *key)
{
	int dir = open(x->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint8_t digest[SB_BLAKE3_SIZE];
	sb_mac_keys keys;
	int64_t place, wanted;
	uint64_t engine = 0;

	sb_sample_key(key, 0);
	assert_int_equal(sb_mac_keys_load(&keys, dir, NULL), 0);
	close(dir);
	sb_blake3_keyed(keys.place, key->hash, sizeof key->hash, digest);
	memcpy(&place, digest, sizeof place);
	place &= INT64_MAX;
	wanted = sb_disk_key(place, key->gen);
	do {
		engine++;
		memcpy(key->gen, &engine, sizeof engine);
	} while (sb_disk_key(place, key->gen) != wanted);
}

static bool knows_key(sb_cache *cache, const sb_cache_key *key)
{
	sb_result result = {0};
	sb_arena arena;
	uint64_t ticket;
	bool known;

	sb_arena_init(&arena, 1 << 20);
	known = sb_cache_lookup(cache, key, &arena, &result, &ticket);
	sb_arena_done(&arena);
	return known;
}

/* Two that want the same row: the later has it, the earlier is not known, and nothing damaged. */
static void test_same_row(void **state)
{
	sb_cache_key key;
	sb_sample s;
	scene x;

	(void)state;
	begin(&x);
	x.options.memory = 0;
	reopen(&x);
	store(x.cache, 0);
	sb_cache_flush(x.cache);
	rival(&x, &key);
	assert_false(knows_key(x.cache, &key));
	sb_sample_make(&s, 0);
	assert_true(sb_cache_store(x.cache, &key, &s.result, SB_EXACT_FULL, SB_CONTENT_STATE_PINNED,
		sb_cache_ticket(x.cache, &key)));
	sb_cache_flush(x.cache);
	assert_true(knows_key(x.cache, &key));
	assert_false(knows(x.cache, 0));
	assert_int_equal(stats_of(x.cache).disk_entries, 1);
	assert_int_equal(counted(x.cache, SB_CACHE_DAMAGED), 0);
	end(&x);
}

/* Rows of another installation: another key. */
static void test_foreign_rows(void **state)
{
	char command[256];
	sqlite3 *db;
	scene x, y;

	(void)state;
	begin(&x);
	begin(&y);
	store(y.cache, 0);
	sb_cache_flush(y.cache);
	store(x.cache, 1);
	sb_cache_flush(x.cache);
	db = open_database(&x, 1);
	snprintf(command, sizeof command, "ATTACH '%s/verdicts-1.sqlite' AS y", y.dir);
	run(db, command);
	run(db, "UPDATE main.verdicts SET entry = (SELECT entry FROM y.verdicts)");
	sqlite3_close(db);
	reopen(&x);
	assert_false(knows(x.cache, 0));
	assert_false(knows(x.cache, 1));
	assert_int_equal(counted(x.cache, SB_CACHE_DAMAGED), 1);
	end(&x);
	end(&y);
}

static bool has_file(const scene *x, const char *name)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof path, "%s/%s", x->dir, name);
	return stat(path, &st) == 0;
}

static void overwrite(const scene *x, const char *name, uint64_t at, const char *text, bool cut)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "%s/%s", x->dir, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	if (cut)
		assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(sb_pwrite_all(fd, text, strlen(text), at), 0);
	close(fd);
}

static void leave_file(const scene *x, const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "%s/%s", x->dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

/* What is in the log goes into the database, so that there is something to damage. */
static void write_back(const scene *x)
{
	sqlite3 *db = open_database(x, 1);

	run(db, "PRAGMA wal_checkpoint(TRUNCATE)");
	sqlite3_close(db);
}

static void test_damaged_database(void **state)
{
	scene x;

	(void)state;
	begin(&x);
	store(x.cache, 1);
	sb_cache_close(x.cache);
	write_back(&x);
	overwrite(&x, "verdicts-1.sqlite", 0, "this is no database any more", true);
	assert_int_equal(sb_cache_open(&x.cache, &x.options, NULL), 0);
	assert_false(knows(x.cache, 1));
	assert_int_equal(counted(x.cache, SB_CACHE_DAMAGED), 1);
	assert_true(has_file(&x, "verdicts.damaged"));
	assert_false(has_file(&x, "verdicts-1.sqlite"));
	assert_true(store(x.cache, 1));
	reopen(&x);
	assert_true(knows(x.cache, 1));
	end(&x);
}

/* Pages of zeros here and there: never a wrong answer, never the end. */
static void test_holes(void **state)
{
	static const char noise[] = "noise noise noise noise noise noise noise";

	(void)state;
	for (uint64_t at = 0; at < 12 * 4096; at += 1009) {
		unsigned known = 0;
		scene x;

		begin(&x);
		for (uint64_t i = 0; i < 100; i++)
			store(x.cache, i);
		sb_cache_close(x.cache);
		write_back(&x);
		overwrite(&x, "verdicts-1.sqlite", at, noise, false);
		assert_int_equal(sb_cache_open(&x.cache, &x.options, NULL), 0);
		for (uint64_t i = 0; i < 100; i++)
			known += knows(x.cache, i);
		assert_true(known <= 100);
		for (uint64_t i = 0; i < 100; i++)
			assert_true(store(x.cache, i));
		sb_cache_flush(x.cache);
		for (uint64_t i = 0; i < 100; i++)
			assert_true(knows(x.cache, i));
		end(&x);
	}
}

/* Left by a process that died while it moved on. */
static void test_leftovers(void **state)
{
	scene x;

	(void)state;
	begin(&x);
	store(x.cache, 1);
	sb_cache_clear(x.cache, NULL);
	store(x.cache, 2);
	sb_cache_close(x.cache);
	assert_true(has_file(&x, "verdicts-2.sqlite"));
	leave_file(&x, "verdicts-1.sqlite");
	leave_file(&x, "verdicts-1.sqlite-wal");
	leave_file(&x, "verdicts-0.sqlite");
	assert_int_equal(sb_cache_open(&x.cache, &x.options, NULL), 0);
	assert_false(has_file(&x, "verdicts-1.sqlite"));
	assert_false(has_file(&x, "verdicts-1.sqlite-wal"));
	assert_true(has_file(&x, "verdicts-0.sqlite")); /* none of ours */
	assert_true(knows(x.cache, 2));
	end(&x);
}

static void test_lost_key(void **state)
{
	char path[128];
	scene x;

	(void)state;
	begin(&x);
	store(x.cache, 1);
	sb_cache_close(x.cache);
	overwrite(&x, "verdicts.key", 30, "zz", false);
	assert_int_equal(sb_cache_open(&x.cache, &x.options, NULL), 0);
	assert_false(knows(x.cache, 1));
	assert_true(store(x.cache, 1));
	reopen(&x);
	assert_true(knows(x.cache, 1));
	/* One that others could read is used for nothing. */
	sb_cache_close(x.cache);
	snprintf(path, sizeof path, "%s/verdicts.key", x.dir);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(sb_cache_open(&x.cache, &x.options, NULL), 0);
	assert_non_null(strstr(stats_of(x.cache).state, "can be read by others"));
	assert_false(knows(x.cache, 1));
	assert_true(store(x.cache, 1));
	assert_true(knows(x.cache, 1));
	end(&x);
}

static void test_lost_page(void **state)
{
	scene x;

	(void)state;
	begin(&x);
	store(x.cache, 1);
	sb_cache_close(x.cache);
	overwrite(&x, "verdicts.page", 0, "zz", false);
	assert_int_equal(sb_cache_open(&x.cache, &x.options, NULL), 0);
	assert_false(knows(x.cache, 1)); /* it may have been forgotten by that page */
	assert_true(store(x.cache, 1));
	reopen(&x);
	assert_true(knows(x.cache, 1));
	end(&x);
}

/* Somebody empties the folder under a process that goes on. */
static void test_removed_files(void **state)
{
	sb_cache *other;
	sb_cache_key key;
	scene x;

	(void)state;
	begin(&x);
	store(x.cache, 1);
	sb_cache_flush(x.cache);
	each_file(&x, remove_file);
	sb_clock_fake_turn(x.clock, 1001 * SB_MS); /* it looks once a second … */
	for (uint64_t i = 50; i < 52; i++) {       /* … and writes nothing new before it has */
		store(x.cache, i);
		sb_cache_flush(x.cache);
	}
	assert_int_equal(sb_cache_open(&other, &x.options, NULL), 0);
	store(other, 2);
	sb_cache_flush(other);
	assert_true(knows(x.cache, 2));
	sb_sample_key(&key, 2);
	assert_int_equal(sb_cache_forget(other, key.hash, NULL, NULL), 0);
	assert_false(knows(x.cache, 2));
	sb_cache_close(other);
	end(&x);
}

/* --- Nowhere to write ------------------------------------------------------------------------ */

/* Not there; and what refuses even root, as a read-only folder does others. */
static void test_nowhere(void **state)
{
	static const char *const places[] = {"/nonexistent/place", "/proc/self/task"};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		scene x;

		begin(&x);
		x.options.dir = places[i];
		reopen(&x);
		assert_non_null(strstr(stats_of(x.cache).state, places[i]));
		assert_true(store(x.cache, 1));
		assert_true(knows(x.cache, 1));
		/* What can't be reached can't be said to be forgotten. */
		assert_int_not_equal(sb_cache_clear(x.cache, NULL), 0);
		assert_false(knows(x.cache, 1));
		end(&x);
	}
}

/* Another process holds the database and doesn't let go: memory goes on, forgetting says so. */
static void test_locked(void **state)
{
	sb_cache_key key;
	sb_error error;
	sqlite3 *db;
	scene x;

	(void)state;
	begin(&x);
	store(x.cache, 1);
	sb_cache_flush(x.cache);
	db = open_database(&x, 1);
	run(db, "BEGIN IMMEDIATE");
	assert_true(store(x.cache, 2));
	sb_cache_flush(x.cache);
	assert_true(knows(x.cache, 2));
	assert_int_equal(counted(x.cache, SB_CACHE_UNWRITTEN), 1);
	sb_error_init(&error);
	sb_sample_key(&key, 2);
	assert_int_equal(
		sb_cache_forget(x.cache, key.hash, NULL, &error), -(int)SB_KIND_OVERLOADED);
	assert_false(knows(x.cache, 2));
	run(db, "ROLLBACK");
	sqlite3_close(db);
	assert_int_equal(sb_cache_forget(x.cache, key.hash, NULL, &error), 0);
	end(&x);
}

/* The bound holds, the newest stay, the oldest go. */
static void test_disk_limit(void **state)
{
	enum { LIMIT = 1 << 20, COUNT = 20000 };
	sb_cache_stats stats;
	scene x;

	(void)state;
	begin(&x);
	x.options.disk = LIMIT;
	x.options.memory = 0;
	reopen(&x);
	for (uint64_t i = 0; i < COUNT; i++) {
		assert_true(store(x.cache, i));
		if (i % 500 == 0)
			sb_cache_flush(x.cache);
	}
	sb_cache_flush(x.cache);
	stats = stats_of(x.cache);
	assert_true(stats.disk_bytes <= LIMIT);
	assert_true(stats.disk_bytes > LIMIT / 2);
	assert_int_equal(stats.here[SB_CACHE_UNWRITTEN], 0);
	assert_true(stats.here[SB_CACHE_EVICTIONS] + stats.disk_entries == COUNT);
	assert_string_equal(stats.state, "");
	assert_true(knows(x.cache, COUNT - 1));
	assert_false(knows(x.cache, 0));
	end(&x);
}

/* --- For people ------------------------------------------------------------------------------ */

static int count_known(void *data, const sb_cache_known *known)
{
	sb_sample s;

	sb_sample_make(&s, 1);
	assert_true(sb_sample_same(&known->result, &s.result));
	assert_int_equal(known->exactness, SB_EXACT_PARTIAL);
	assert_int_equal(known->expires - known->stored, SB_CACHE_INEXACT_TTL_MS * SB_MS);
	++*(unsigned *)data;
	return 0;
}

static void test_each(void **state)
{
	unsigned count = 0;
	sb_cache_key key;
	scene x;

	(void)state;
	begin(&x);
	store_as(x.cache, 1, SB_EXACT_PARTIAL);
	store(x.cache, 2);
	sb_cache_flush(x.cache);
	sb_sample_key(&key, 1);
	assert_int_equal(sb_cache_each(x.cache, key.hash, count_known, &count, NULL), 0);
	assert_int_equal(count, 1);
	sb_clock_fake_turn(x.clock, SB_CACHE_INEXACT_TTL_MS * SB_MS);
	assert_int_equal(sb_cache_each(x.cache, key.hash, count_known, &count, NULL), 0);
	assert_int_equal(count, 1);
	end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_memory_only),
		cmocka_unit_test(test_disk_only),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_refusal),
		cmocka_unit_test(test_lives),
		cmocka_unit_test(test_shorter_ttl),
		cmocka_unit_test(test_clock_set_back),
		cmocka_unit_test(test_clock_set_back_at_rest),
		cmocka_unit_test(test_clock_set_forward),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_clear),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_ticket),
		cmocka_unit_test(test_died_while_forgetting),
		cmocka_unit_test(test_flipped_row),
		cmocka_unit_test(test_moved_row),
		cmocka_unit_test(test_same_row),
		cmocka_unit_test(test_foreign_rows),
		cmocka_unit_test(test_damaged_database),
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_leftovers),
		cmocka_unit_test(test_lost_key),
		cmocka_unit_test(test_lost_page),
		cmocka_unit_test(test_removed_files),
		cmocka_unit_test(test_nowhere),
		cmocka_unit_test(test_locked),
		cmocka_unit_test(test_disk_limit),
		cmocka_unit_test(test_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
