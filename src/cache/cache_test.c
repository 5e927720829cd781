/* SPDX-License-Identifier: MIT */
/* The cache as its users see it: both levels, lives and clocks, forgetting. */
#include <sys/stat.h>

#include "cache/cache_scene.h"
#include "cache/page.h"

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
		cmocka_unit_test(test_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
