/* SPDX-License-Identifier: MIT */
/*
 * The verdict cache: what one engine proved about exact bytes, remembered until it might no
 * longer be true. Two levels: memory of this process, and one SQLite file in the data directory
 * that several processes share.
 *
 *     key    BLAKE3 and length of the content, engine_gen          per engine, never per policy
 *     value  one engine's whole result: outcome, detections, coverage, versions, facts
 *
 * engine_gen is a digest of the engine's type, of those of its settings that its verdicts depend
 * on, and of the identity of engine and signatures. Whoever asks computes it (scan/generation.h);
 * the cache only compares. A new signature base therefore finds nothing of the old one. Where an
 * engine judges by names, too, the second half of engine_gen stands for the name as well; the first
 * half is the engine's, and sb_cache_drop() goes by that.
 *
 * Doubt is a miss. Nothing that happens to memory, file, key or clock makes a lookup fail or
 * gives an answer that was not stored:
 *
 *     what happened                              what the cache does
 *     -----------------------------------------  -------------------------------------------------
 *     a row was altered, or comes from elsewhere  its MAC doesn't fit: miss, counted, deleted
 *     the database is damaged                    set aside as verdicts.damaged, begun anew
 *     it is locked, full, read-only, not there   memory goes on; sb_cache_stats() says why
 *     the clock was set back                     everything is forgotten: nobody knows its age
 *     the key file is damaged                    made anew; what it had signed is forgotten
 *
 * What may be stored is decided here, by the result itself: see sb_cache_store(). Results of the
 * cache are results of the past: sb_cache_lookup() marks them `cached`, and they can't be stored
 * again.
 *
 * Files, all in <dir>, 0600: verdicts-N.sqlite (with -wal and -shm), verdicts.key, verdicts.page.
 *
 * Threads: all functions from any thread, but open and close.
 */
#ifndef SB_CACHE_CACHE_H
#define SB_CACHE_CACHE_H

#include "scan/content.h"
#include "scan/result.h"
#include "util/arena.h"
#include "util/clock.h"

enum { SB_GEN_SIZE = 32 };

typedef struct sb_cache_key {
	uint8_t hash[SB_BLAKE3_SIZE];
	uint64_t length; /* bytes of content */
	uint8_t gen[SB_GEN_SIZE];
} sb_cache_key;

typedef struct sb_cache_options {
	const char *dir; /* made 0700 if it is missing; its parent must be there. NULL: no files */
	bool persistent; /* false: memory only; forgetting still reaches other processes by `dir` */
	uint64_t memory; /* bytes, overhead and SQLite's pages included; 0: no verdicts there */
	uint64_t disk;   /* bytes of the database, at most (its log has up to 64 MiB); 0: 1 GiB */
	uint64_t ttl_ms; /* life of results of an exactly known signature base */
	sb_clock *clock; /* outlives the cache */
} sb_cache_options;

/* However long `ttl` is: what was said by an engine whose identity doesn't show all changes of
 * its signatures (or none) lives no longer than this. */
#define SB_CACHE_INEXACT_TTL_MS (15ull * 60 * 1000)

typedef struct sb_cache sb_cache;

/* Fails for want of memory or threads only, with `internal`. @p options is copied. */
int sb_cache_open(sb_cache **out, const sb_cache_options *options, sb_error *error);
/* Make the first lookup as quick as the others; for a thread that has nothing else to do. */
void sb_cache_warm(sb_cache *cache);
/* Writes what is still to be written. No call may be under way. NULL is fine. */
void sb_cache_close(sb_cache *cache);

/*
 * True: *result has the statement (outcome, coverage, bytes, content, detections, confidence,
 * versions, container, mime) in memory of @p arena, and `cached` set; who said it (engine, type,
 * role, …) is left as it was. False: not known, and *result is untouched.
 *
 * @p ticket, in either case, is what sb_cache_store() will ask for: it shows whether something
 * was forgotten in between. Take it before the engine is asked.
 */
bool sb_cache_lookup(sb_cache *cache, const sb_cache_key *key, sb_arena *arena, sb_result *result,
	uint64_t *ticket);

/*
 * Remember what an engine has just said. True when it was taken, which only complete evidence is:
 *
 *   - outcome clean without detections, or infected or suspicious with one that says so;
 *   - no error, no abstention, no fail_open, not from a cache;
 *   - coverage complete, and bytes are the key's length;
 *   - @p state, asked after the engine answered, is PINNED;
 *   - nothing that concerns the key was forgotten since @p ticket was taken;
 *   - all of it fits into SB_CACHE_ENTRY_MAX bytes.
 *
 * In memory at once; on disk soon after, in a group with others.
 */
enum { SB_CACHE_ENTRY_MAX = 16384 };
/* A ticket without looking anything up. */
uint64_t sb_cache_ticket(sb_cache *cache, const sb_cache_key *key);
bool sb_cache_store(sb_cache *cache, const sb_cache_key *key, const sb_result *result,
	sb_exactness exactness, sb_content_state state, uint64_t ticket);
/* The same question without storing: whether it is evidence that others may rely on. */
bool sb_cache_may_share(const sb_cache_key *key, const sb_result *result, sb_content_state state);
/* What sb_cache_lookup() would make of @p from, in the same way. False: it is no evidence, or too
 * large to be remembered, or there is no memory. */
bool sb_cache_repeat(
	const sb_cache_key *key, const sb_result *from, sb_arena *arena, sb_result *result);

/*
 * Forgetting reaches the memory of every process that shares the directory at its next lookup,
 * and is on stable storage on return. Results that were asked for before and arrive after are not
 * stored. *count, when not NULL, is how many entries were deleted on disk. 0, or -kind (`io`,
 * `overloaded`) when the file still has it; memory has forgotten in any case.
 */
int sb_cache_forget(
	sb_cache *cache, const uint8_t hash[SB_BLAKE3_SIZE], uint64_t *count, sb_error *error);
int sb_cache_clear(sb_cache *cache, sb_error *error);
/* What an engine said since @p since (sb_clock_wall()), for a worker that ended abnormally. */
int sb_cache_drop(sb_cache *cache, const uint8_t gen[SB_GEN_SIZE], uint64_t since, uint64_t *count,
	sb_error *error);

/* A key of the directory's own, for digests of secrets that are shown. 0, or -kind. */
int sb_cache_secret(const char *dir, uint8_t out[SB_BLAKE3_SIZE], sb_error *error);

/* All that is known about a content on disk, newest first, expired entries left out; each() may
 * return non-zero to stop. For people who look. */
typedef struct sb_cache_known {
	sb_cache_key key;
	sb_exactness exactness;
	uint64_t stored, expires; /* sb_clock_wall() */
	sb_result result;         /* the statement, and the engine's type */
} sb_cache_known;
int sb_cache_each(sb_cache *cache, const uint8_t hash[SB_BLAKE3_SIZE],
	int (*each)(void *data, const sb_cache_known *known), void *data, sb_error *error);

/* Wait until all that was stored before is on disk (not flushed), or can't be. For tests. */
void sb_cache_flush(sb_cache *cache);

/* Counts of events; `SB_CACHE_COUNTS_` of them. */
typedef enum sb_cache_count {
	SB_CACHE_HITS,      /* from memory or disk */
	SB_CACHE_DISK_HITS, /* of those, from disk */
	SB_CACHE_MISSES,
	SB_CACHE_EXPIRED,   /* of those, found and too old */
	SB_CACHE_STORES,    /* taken */
	SB_CACHE_REFUSED,   /* no evidence, or too large */
	SB_CACHE_UNWRITTEN, /* taken, but never written to disk */
	SB_CACHE_EVICTIONS, /* from disk, for want of room */
	SB_CACHE_FORGOTTEN, /* asked to, on disk */
	SB_CACHE_DAMAGED,   /* rows whose MAC doesn't fit, and whole databases */
	SB_CACHE_COALESCED, /* waited for somebody else's answer and got it */
	SB_CACHE_COUNTS_,
} sb_cache_count;
/* `hits`, `disk_hits`, …; NULL behind the last one. */
const char *sb_cache_count_name(unsigned count);

typedef struct sb_cache_stats {
	uint64_t here[SB_CACHE_COUNTS_]; /* of this process, since it opened the cache */
	uint64_t all[SB_CACHE_COUNTS_]; /* of all processes, since the page was made; late by 1 s */
	uint64_t memory_limit, memory_bytes, memory_entries, memory_evictions;
	uint64_t disk_limit, disk_bytes, disk_entries;
	char state[256]; /* why nothing is on disk; "" when all is well */
} sb_cache_stats;
/* Why nothing is on disk, into @p out: "" when all is well. And what was damaged and is gone. */
void sb_cache_state(sb_cache *cache, char *out, size_t room);
/* Reads the database to count its entries. */
void sb_cache_stats_get(sb_cache *cache, sb_cache_stats *out);
/* For whoever coalesces: count @p more of them. */
void sb_cache_count_add(sb_cache *cache, sb_cache_count count, uint64_t more);

#endif
