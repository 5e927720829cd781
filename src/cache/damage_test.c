/* SPDX-License-Identifier: MIT */
/*
 * What the cache makes of a disk that lets it down: rows, databases, key and page that were
 * damaged, exchanged or lost give no wrong answer; and there may be nowhere to write, or too
 * little room.
 */
#include <sqlite3.h>
#include <sys/stat.h>

#include "cache/cache_scene.h"
#include "cache/disk_body.h"
#include "util/io.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
