/* SPDX-License-Identifier: MIT */
/* Several threads and processes with one cache; kill -9 in the middle; disks that fill up. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/samples.h"

static char dir[64];

static void begin(void)
{
	snprintf(dir, sizeof dir, "/tmp/sb-shared-XXXXXX");
	assert_non_null(mkdtemp(dir));
}

static void end(void)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fdopendir(fd);

	for (struct dirent *e; (e = readdir(entries)) != NULL;)
		if (e->d_name[0] != '.' || e->d_name[1] == 'v')
			unlinkat(fd, e->d_name, 0);
	closedir(entries);
	assert_int_equal(rmdir(dir), 0);
}

static sb_cache *open_with(uint64_t memory)
{
	sb_cache_options options = {.dir = dir,
		.persistent = true,
		.memory = memory,
		.ttl_ms = 3600000,
		.clock = sb_clock_system()};
	sb_cache *cache = NULL;

	if (sb_cache_open(&cache, &options, NULL) != 0)
		abort();
	return cache;
}

/* Asks, stores what is missing. Aborts on a wrong answer: also used in children. */
static bool visit(sb_cache *cache, uint64_t number)
{
	sb_result result = {0};
	sb_arena arena;
	uint64_t ticket;
	sb_sample s;
	bool known;

	sb_sample_make(&s, number);
	sb_arena_init(&arena, 1 << 20);
	known = sb_cache_lookup(cache, &s.key, &arena, &result, &ticket);
	result.type = s.result.type; /* is left to whoever asks */
	if (known && !sb_sample_same(&result, &s.result))
		abort();
	sb_arena_done(&arena);
	if (!known)
		sb_cache_store(
			cache, &s.key, &s.result, SB_EXACT_FULL, SB_CONTENT_STATE_PINNED, ticket);
	return known;
}

static void check_database(void)
{
	char path[128];
	sqlite3_stmt *row;
	sqlite3 *db;

	snprintf(path, sizeof path, "%s/verdicts-1.sqlite", dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &row, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(row), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(row, 0), "ok");
	sqlite3_finalize(row);
	sqlite3_close(db);
}

/* --- Processes ------------------------------------------------------------------------------- */

/* This program again, as a process of its own: threads don't outlive a fork. It writes to @p out.
 */
static pid_t start(const char *role, int *out)
{
	char digits[16];
	int ends[2];
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	snprintf(digits, sizeof digits, "%d", ends[1]);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		fcntl(ends[1], F_SETFD, 0);
		execl("/proc/self/exe", "shared_test", role, dir, digits, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	*out = ends[0];
	return pid;
}

/* Writes for ever; a byte in the pipe for every group that is on disk. */
static void write_for_ever(int pipe)
{
	sb_cache *cache = open_with(0);

	for (uint64_t i = 0;; i++) {
		sb_cache_key key;

		visit(cache, i);
		if (i % 20 == 19) {
			sb_cache_flush(cache);
			sb_sample_key(&key, i - 10);
			sb_cache_forget(cache, key.hash, NULL, NULL);
			if (write(pipe, "", 1) != 1)
				_exit(1);
		}
	}
}

/* However it died: the database is whole, and what is in it is right. What it said was forgotten
 * stays so. */
static void test_kill(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 25; round++) {
		int out, status;
		uint64_t groups = 0;
		sb_cache *cache;
		char byte;
		pid_t pid;

		begin();
		pid = start("write_for_ever", &out);
		while (groups < round % 5 + 1 && read(out, &byte, 1) == 1)
			groups++;
		for (unsigned n = 0; n < round * 211 % 5000; n++)
			sched_yield(); /* somewhere inside of what follows */
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		while (read(out, &byte, 1) == 1)
			groups++;
		close(out);
		check_database();
		cache = open_with(1 << 20);
		for (uint64_t i = 0; i < groups * 20; i++)
			if (i % 20 != 9)
				assert_true(visit(cache, i));
			else
				assert_false(visit(cache, i));
		for (uint64_t i = groups * 20; i < groups * 20 + 40; i++)
			visit(cache, i);
		sb_cache_flush(cache);
		for (uint64_t i = 0; i < groups * 20 + 40; i++)
			assert_true(visit(cache, i));
		sb_cache_close(cache);
		check_database();
		end();
	}
}

enum { TOGETHER = 2000 };

static void visit_all(int pipe)
{
	sb_cache *cache = open_with(1 << 20);

	(void)pipe;
	for (unsigned round = 0; round < 5; round++)
		for (uint64_t i = 0; i < TOGETHER; i++)
			visit(cache, i);
	sb_cache_close(cache);
}

static void clear_and_forget(int pipe)
{
	sb_cache *cache = open_with(1 << 20);

	(void)pipe;
	for (uint64_t i = 0; i < 200; i++) {
		sb_cache_key key;
		int status;

		sb_sample_key(&key, i);
		/* Two others write without a pause: `overloaded` is an answer, and says to try
		 * again. */
		do
			status = i % 50 == 49 ? sb_cache_clear(cache, NULL)
					      : sb_cache_forget(cache, key.hash, NULL, NULL);
		while (status == -(int)SB_KIND_OVERLOADED);
		if (status != 0)
			_exit(2);
	}
	sb_cache_close(cache);
}

static void test_processes(void **state)
{
	pid_t pids[3];
	int out[3], status;
	sb_cache *cache;

	(void)state;
	begin();
	pids[0] = start("visit_all", &out[0]);
	pids[1] = start("visit_all", &out[1]);
	pids[2] = start("clear_and_forget", &out[2]);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
		close(out[i]);
	}
	cache = open_with(1 << 20);
	for (uint64_t i = 0; i < TOGETHER; i++)
		visit(cache, i);
	sb_cache_flush(cache);
	for (uint64_t i = 0; i < TOGETHER; i++)
		assert_true(visit(cache, i));
	sb_cache_close(cache);
	end();
}

static void forget_one(int pipe)
{
	sb_cache *cache = open_with(0);
	sb_cache_key key;

	(void)pipe;
	sb_sample_key(&key, 1);
	if (sb_cache_forget(cache, key.hash, NULL, NULL) != 0)
		_exit(2);
	sb_cache_close(cache);
}

/* What another process forgets is out of this one's memory at the next lookup. */
static void test_forget_elsewhere(void **state)
{
	int out, status;
	sb_cache *cache;
	pid_t pid;

	(void)state;
	begin();
	cache = open_with(1 << 20);
	visit(cache, 1);
	visit(cache, 2);
	sb_cache_flush(cache);
	pid = start("forget_one", &out);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(out);
	assert_false(visit(cache, 1));
	assert_true(visit(cache, 2));
	sb_cache_close(cache);
	end();
}

/* --- Threads --------------------------------------------------------------------------------- */

enum { THREADS = 4, STEPS = 3000, NUMBERS = 500 };

static void *wander(void *data)
{
	sb_cache *cache = data;
	static _Atomic(unsigned) next;
	uint64_t dice = atomic_fetch_add(&next, 1) * 7919 + 1;

	for (unsigned i = 0; i < STEPS; i++) {
		uint64_t number;

		dice = dice * 6364136223846793005ull + 1442695040888963407ull;
		number = (dice >> 33) % NUMBERS;
		visit(cache, number);
		if (i % 100 == 99) {
			sb_cache_key key;

			sb_sample_key(&key, number);
			sb_cache_forget(cache, key.hash, NULL, NULL);
		}
		if (i % 1000 == 999)
			sb_cache_clear(cache, NULL);
		if (i % 500 == 499)
			sb_cache_flush(cache);
	}
	return NULL;
}

static void test_threads(void **state)
{
	static const uint64_t memories[] = {0, 40000, 1 << 20};

	(void)state;
	for (unsigned m = 0; m < 3; m++) {
		pthread_t threads[THREADS];
		sb_cache_stats stats;
		sb_cache *cache;

		begin();
		cache = open_with(memories[m]);
		for (unsigned i = 0; i < THREADS; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, wander, cache), 0);
		for (unsigned i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		sb_cache_stats_get(cache, &stats);
		assert_int_equal(
			stats.here[SB_CACHE_HITS] + stats.here[SB_CACHE_MISSES], THREADS * STEPS);
		assert_int_equal(stats.here[SB_CACHE_DAMAGED], 0);
		sb_cache_close(cache);
		end();
	}
}

/* --- A full disk ----------------------------------------------------------------------------- */

/* Files can't grow any more: memory goes on, the state says so, and nothing else happens. */
static void fill_up(int pipe)
{
	struct rlimit limit = {.rlim_cur = 96 << 10, .rlim_max = 96 << 10};
	sb_cache *cache = open_with(4 << 20);
	sb_cache_stats stats;

	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	for (uint64_t i = 0; i < 3000; i++)
		visit(cache, i);
	sb_cache_flush(cache);
	sb_cache_stats_get(cache, &stats);
	if (stats.state[0] == '\0' || stats.here[SB_CACHE_UNWRITTEN] == 0)
		_exit(3);
	for (uint64_t i = 0; i < 3000; i++)
		if (!visit(cache, i))
			_exit(4);
	sb_cache_close(cache);
	if (write(pipe, "", 1) != 1)
		_exit(5);
}

static void test_full_disk(void **state)
{
	int out, status;
	sb_cache *cache;
	pid_t pid;

	(void)state;
	begin();
	pid = start("fill_up", &out);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(out);
	cache = open_with(1 << 20);
	for (uint64_t i = 0; i < 3000; i++)
		visit(cache, i);
	sb_cache_flush(cache);
	sb_cache_close(cache);
	cache = open_with(0);
	for (uint64_t i = 0; i < 3000; i++)
		assert_true(visit(cache, i));
	sb_cache_close(cache);
	check_database();
	end();
}

static const struct {
	const char *name;
	void (*work)(int pipe);
} roles[] = {
	{"write_for_ever", write_for_ever},
	{"visit_all", visit_all},
	{"clear_and_forget", clear_and_forget},
	{"forget_one", forget_one},
	{"fill_up", fill_up},
};

static int play(const char *role, const char *where, const char *pipe)
{
	snprintf(dir, sizeof dir, "%s", where);
	for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
		if (strcmp(roles[i].name, role) == 0) {
			roles[i].work(atoi(pipe));
			return 0;
		}
	}
	return 1;
}

int main(int count, char **arg)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_forget_elsewhere),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_full_disk),
	};

	if (count == 4)
		return play(arg[1], arg[2], arg[3]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
