/* SPDX-License-Identifier: MIT */
/* For tests: a cache in a folder of its own, with a clock they turn, and what it knows. */
#ifndef SB_CACHE_CACHE_SCENE_H
#define SB_CACHE_CACHE_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "cache/samples.h"

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS };

typedef struct scene {
	char dir[64];
	sb_clock *clock;
	sb_cache_options options;
	sb_cache *cache;
} scene;

static inline void begin(scene *x)
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

static inline void reopen(scene *x)
{
	sb_cache_close(x->cache);
	assert_int_equal(sb_cache_open(&x->cache, &x->options, NULL), 0);
}

static inline void each_file(const scene *x, void (*each)(int dir, const char *name))
{
	int fd = open(x->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fdopendir(fd);

	assert_non_null(entries);
	for (struct dirent *e; (e = readdir(entries)) != NULL;)
		if (e->d_name[0] != '.')
			each(fd, e->d_name);
	closedir(entries);
}

static inline void remove_file(int dir, const char *name)
{
	unlinkat(dir, name, 0);
}

static inline void end(scene *x)
{
	sb_cache_close(x->cache);
	each_file(x, remove_file);
	assert_int_equal(rmdir(x->dir), 0);
	sb_clock_fake_free(x->clock);
}

/* Ask, as a miss does, then store. */
static inline bool store_as(sb_cache *cache, uint64_t number, sb_exactness exactness)
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

static inline bool store(sb_cache *cache, uint64_t number)
{
	return store_as(cache, number, SB_EXACT_FULL);
}

/* Whether it is known; and if so, it is what was stored. */
static inline bool knows(sb_cache *cache, uint64_t number)
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

static inline sb_cache_stats stats_of(sb_cache *cache)
{
	sb_cache_stats stats;

	sb_cache_stats_get(cache, &stats);
	return stats;
}

static inline uint64_t counted(sb_cache *cache, sb_cache_count count)
{
	return stats_of(cache).here[count];
}

#endif
