/* SPDX-License-Identifier: MIT */
/* Puts verdicts into a cache, for tests of what looks at it: `cache_fill DIR COUNT` prints the
 * digest of each. */
#include <inttypes.h>
#include <stdlib.h>

#include "cache/samples.h"
#include "util/text.h"

static void store(sb_cache *cache, uint64_t number)
{
	char digits[2 * SB_BLAKE3_SIZE + 1];
	sb_result nothing = {0};
	sb_arena arena;
	uint64_t ticket;
	sb_sample s;

	sb_sample_make(&s, number);
	sb_arena_init(&arena, 1 << 20);
	sb_cache_lookup(cache, &s.key, &arena, &nothing, &ticket);
	sb_arena_done(&arena);
	if (!sb_cache_store(
		    cache, &s.key, &s.result, SB_EXACT_FULL, SB_CONTENT_STATE_PINNED, ticket))
		exit(1);
	sb_hex(digits, s.key.hash, sizeof s.key.hash);
	puts(digits);
}

int main(int count, char **arg)
{
	sb_cache_options options = {.persistent = true,
		.memory = 1 << 20,
		.ttl_ms = 86400000,
		.clock = sb_clock_system()};
	sb_cache *cache;

	if (count != 3)
		return 2;
	options.dir = arg[1];
	if (sb_cache_open(&cache, &options, NULL) != 0)
		return 1;
	for (uint64_t i = 0; i < strtoull(arg[2], NULL, 10); i++)
		store(cache, i);
	sb_cache_close(cache);
	return 0;
}
