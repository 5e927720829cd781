/* SPDX-License-Identifier: MIT */
/*
 * The part in memory: shards, each a lock, an index and two rings of records, in memory that is
 * mapped once and never grows. A record is where a ring's head was when it came; room is made by
 * taking records off the tails. Nothing is allocated per entry, so the bound is exact, overhead
 * included, and nothing can fragment.
 *
 * What stays is decided by S3-FIFO (Yang et al., SOSP 2023): newcomers enter a small ring (a
 * tenth); what was asked for again by the time it reaches the tail moves to the main ring, the
 * rest leaves, and is remembered by a fingerprint for a while, so that it enters the main ring
 * directly if it comes back. In the main ring what was asked for since its last round gets another
 * one. Chosen over LRU and CLOCK because the main load is walking trees: a walk over more files
 * than fit would push everything else out of those, and find nothing itself; here it passes
 * through the small ring. And a hit only counts: it moves nothing.
 */
#ifndef SB_CACHE_MEMORY_H
#define SB_CACHE_MEMORY_H

#include "cache/cache.h"

typedef struct sb_memory sb_memory;

/* At most @p bytes of it all; NULL: no memory, or too little for a single entry. */
sb_memory *sb_memory_new(uint64_t bytes);
void sb_memory_free(sb_memory *memory);

/*
 * An entry is found only with the same stamp as it came with. @p era: when it isn't what the shard
 * last saw, the shard is emptied. @p out has room for SB_CACHE_ENTRY_MAX; the length, 0: not here.
 */
size_t sb_memory_get(
	sb_memory *memory, const sb_cache_key *key, uint64_t stamp, uint64_t era, uint8_t *out);
/* In place of what is there under this key. Too large for a shard: not kept. */
void sb_memory_put(sb_memory *memory, const sb_cache_key *key, uint64_t stamp, uint64_t era,
	const uint8_t *entry, size_t length);
void sb_memory_drop(sb_memory *memory, const sb_cache_key *key);

typedef struct sb_memory_usage {
	uint64_t limit; /* bytes mapped */
	uint64_t bytes; /* of records in use */
	uint64_t entries, evictions;
} sb_memory_usage;
void sb_memory_usage_get(sb_memory *memory, sb_memory_usage *out);

#endif
