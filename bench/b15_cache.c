/* SPDX-License-Identifier: MIT */
/*
 * What the verdict cache costs, and whether that grows with what is in it:
 *
 *     b15_cache DIR COUNT MEMORY_MIB THREADS
 *
 * Stores COUNT verdicts (of twenty, one infected, one a container), then looks all of them up at
 * random, from memory and then, with a cache that keeps nothing there, from disk. One line of
 * figures; lookups are those per second of processor time, of all threads together, which others
 * on the machine don't change, and by the clock. An answer that isn't in memory comes from disk.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cache/samples.h"

static struct {
	sb_cache *cache;
	uint64_t count, lookups;
	unsigned threads;
} run;

static double seconds(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* The sample's number: what kind it is goes by its remainder. */
static uint64_t name(uint64_t i)
{
	return i * 5 + (i % 20 == 0 ? 2 : i % 20 == 1);
}

/* Anonymous memory in use, in MiB: what the cache has, and what SQLite has for it. */
static double resident(void)
{
	char line[256];
	double kib = 0;
	FILE *file = fopen("/proc/self/status", "r");

	while (file != NULL && fgets(line, sizeof line, file) != NULL)
		if (strncmp(line, "RssAnon:", 8) == 0)
			kib = atof(line + 8);
	if (file != NULL)
		fclose(file);
	return kib / 1024;
}

static sb_cache *open_cache(const char *dir, uint64_t memory)
{
	sb_cache_options options = {.dir = dir,
		.persistent = true,
		.memory = memory,
		.disk = 16ull << 30,
		.ttl_ms = 86400000,
		.clock = sb_clock_system()};
	sb_cache *cache;

	if (sb_cache_open(&cache, &options, NULL) != 0)
		exit(1);
	return cache;
}

/* Keys only: making samples is not what is measured. */
static bool look(uint64_t number, sb_arena *arena)
{
	sb_result result = {0};
	sb_cache_key key;
	uint64_t ticket;
	bool known;

	sb_sample_key(&key, name(number));
	known = sb_cache_lookup(run.cache, &key, arena, &result, &ticket);
	if (known && (result.bytes != key.length || !result.cached)) {
		fprintf(stderr, "wrong answer for %" PRIu64 "\n", number);
		exit(1);
	}
	return known;
}

static void *look_all(void *data)
{
	uint64_t dice = (uint64_t)(uintptr_t)data * 7919 + 1, known = 0;

	for (uint64_t i = 0; i < run.lookups / run.threads; i++) {
		sb_arena arena;

		dice = dice * 6364136223846793005ull + 1442695040888963407ull;
		sb_arena_init(&arena, 1 << 20);
		known += look((dice >> 20) % run.count, &arena);
		sb_arena_done(&arena);
	}
	if (known != run.lookups / run.threads)
		fprintf(stderr, "%" PRIu64 " not known\n", run.lookups / run.threads - known);
	return NULL;
}

struct rates {
	double processor, clock, from_disk;
};

static struct rates measure(void)
{
	pthread_t threads[64];
	sb_cache_stats before, after;
	double cpu, start;

	sb_cache_stats_get(run.cache, &before);
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	start = seconds(CLOCK_MONOTONIC);
	for (unsigned i = 0; i < run.threads; i++)
		pthread_create(&threads[i], NULL, look_all, (void *)(uintptr_t)(i + 1));
	for (unsigned i = 0; i < run.threads; i++)
		pthread_join(threads[i], NULL);
	start = seconds(CLOCK_MONOTONIC) - start;
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	sb_cache_stats_get(run.cache, &after);
	return (struct rates){(double)run.lookups * run.threads / cpu, (double)run.lookups / start,
		(double)(after.here[SB_CACHE_DISK_HITS] - before.here[SB_CACHE_DISK_HITS]) * 100 /
			(double)run.lookups};
}

static double store_all(void)
{
	double start = seconds(CLOCK_MONOTONIC);

	for (uint64_t i = 0; i < run.count; i++) {
		sb_sample s;
		uint64_t ticket;
		sb_arena arena;
		sb_result nothing = {0};

		sb_sample_make(&s, name(i));
		sb_arena_init(&arena, 1 << 20);
		sb_cache_lookup(run.cache, &s.key, &arena, &nothing, &ticket);
		sb_arena_done(&arena);
		sb_cache_store(run.cache, &s.key, &s.result, SB_EXACT_FULL, SB_CONTENT_STATE_PINNED,
			ticket);
		if (i % 4096 == 4095)
			sb_cache_flush(run.cache);
	}
	sb_cache_flush(run.cache);
	return (double)run.count / (seconds(CLOCK_MONOTONIC) - start);
}

int main(int count, char **arg)
{
	double stores, base = resident(), grown;
	struct rates memory, disk;
	sb_cache_stats stats;

	if (count != 5)
		return 2;
	run.count = strtoull(arg[2], NULL, 10);
	run.lookups = 2000000;
	run.threads = (unsigned)atoi(arg[4]);
	run.cache = open_cache(arg[1], strtoull(arg[3], NULL, 10) << 20);
	stores = store_all();
	memory = measure();
	grown = resident() - base;
	sb_cache_stats_get(run.cache, &stats);
	sb_cache_close(run.cache);
	run.cache = open_cache(arg[1], 0);
	run.lookups = 500000;
	disk = measure();
	sb_cache_close(run.cache);
	printf("%8" PRIu64 " verdicts: %.0f stores/s; from memory %.0f lookups/s (by the clock "
	       "%.0f; %.1f %% of them from disk); from disk %.0f/s (%.0f); memory %.1f MiB of "
	       "%.1f, resident +%.1f; disk %.1f MiB\n",
		run.count, stores, memory.processor, memory.clock, memory.from_disk, disk.processor,
		disk.clock, (double)stats.memory_bytes / 1048576,
		(double)stats.memory_limit / 1048576, grown, (double)stats.disk_bytes / 1048576);
	return 0;
}
