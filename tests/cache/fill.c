/* SPDX-License-Identifier: MIT */
/*
 * Puts verdicts into a cache and looks at them, for tests of what else does, and of what breaks:
 *
 *     cache_fill DIR COUNT    store what is missing; each must be known afterwards, from memory
 *                             if not from disk; prints the digests
 *     cache_fill DIR -COUNT   only look; prints how many are known, from disk
 *
 * A wrong verdict is an abort.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "cache/samples.h"
#include "util/text.h"

static bool look(sb_cache *cache, const sb_sample *s, uint64_t *ticket)
{
	sb_result result = {0};
	sb_arena arena;
	bool known;

	sb_arena_init(&arena, 1 << 20);
	known = sb_cache_lookup(cache, &s->key, &arena, &result, ticket);
	result.type = s->result.type; /* is left to whoever asks */
	if (known && !sb_sample_same(&result, &s->result))
		abort();
	sb_arena_done(&arena);
	return known;
}

static void store(sb_cache *cache, uint64_t number)
{
	char digits[2 * SB_BLAKE3_SIZE + 1];
	uint64_t ticket;
	sb_sample s;

	sb_sample_make(&s, number);
	if (!look(cache, &s, &ticket) && (!sb_cache_store(cache, &s.key, &s.result, SB_EXACT_FULL,
						  SB_CONTENT_STATE_PINNED, ticket) ||
						 !look(cache, &s, &ticket)))
		exit(1);
	sb_hex(digits, s.key.hash, sizeof s.key.hash);
	puts(digits);
}

static unsigned count_known(sb_cache *cache, uint64_t count)
{
	unsigned known = 0;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t ticket;
		sb_sample s;

		sb_sample_make(&s, i);
		known += look(cache, &s, &ticket);
	}
	return known;
}

int main(int count, char **arg)
{
	sb_cache_options options = {.persistent = true,
		.memory = 1 << 20,
		.ttl_ms = 86400000,
		.clock = sb_clock_system()};
	sb_cache *cache;
	int64_t wanted;

	if (count != 3)
		return 2;
	options.dir = arg[1];
	wanted = atoll(arg[2]);
	if (sb_cache_open(&cache, &options, NULL) != 0)
		return 1;
	for (int64_t i = 0; i < wanted; i++)
		store(cache, (uint64_t)i);
	if (wanted < 0)
		printf("%u\n", count_known(cache, (uint64_t)-wanted));
	sb_cache_close(cache);
	return 0;
}
