/* SPDX-License-Identifier: MIT */
/*
 * A cache entry as bytes: a head of fixed length, then members of type, length (two bytes), value,
 * by ascending type, each at most once but the detections. Numbers are little-endian; in members
 * of varying width they have no superfluous zero byte, so there is one way to write a result.
 *
 *     0   1   format, 1             81  1   outcome      83  1   containers inspected?
 *     1   32  BLAKE3 of content     82  1   exactness
 *     33  8   its length
 *     41  32  engine_gen            members:  1 confidence   2 engine version  3 signature version
 *     73  8   time, ns since 1970             4 media type   5 engine's type   6 container
 *                                             7 detection
 *
 * Reader and writer are pure; what the reader accepts the writer would have written. Complete
 * coverage isn't among the members: there is no way to write anything else.
 */
#ifndef SB_CACHE_ENTRY_H
#define SB_CACHE_ENTRY_H

#include "cache/cache.h"

enum { SB_ENTRY_HEAD = 84 };

typedef struct sb_entry {
	sb_cache_key key;
	uint64_t stored; /* ns since the epoch */
	sb_exactness exactness;
	sb_result result; /* the statement, marked as cached */
} sb_entry;

/* Whether this is complete evidence about content of @p length bytes. */
bool sb_entry_holds(const sb_result *result, uint64_t length);

/* The length; 0 when the result is no evidence or doesn't fit into @p room. */
size_t sb_entry_write(uint8_t *out, size_t room, const sb_cache_key *key, const sb_result *result,
	sb_exactness exactness, uint64_t stored);

typedef enum sb_entry_status {
	SB_ENTRY_DAMAGED = 0,
	SB_ENTRY_GOOD,
	SB_ENTRY_NO_MEMORY,
} sb_entry_status;
/* Texts and detections in memory of @p arena. */
sb_entry_status sb_entry_read(sb_entry *out, const uint8_t *data, size_t length, sb_arena *arena);
/* What an entry of ours says of its key; only for bytes that a reader has accepted before. */
bool sb_entry_is_of(const uint8_t *data, const sb_cache_key *key);
/* The head only; false: too short, or another format. */
bool sb_entry_head(sb_entry *out, const uint8_t *data, size_t length);

#endif
