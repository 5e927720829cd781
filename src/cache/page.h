/* SPDX-License-Identifier: MIT */
/*
 * One page of memory that all processes with the same cache directory share (verdicts.page), so
 * that they learn of what others forget by reading three numbers, without a system call.
 *
 * Counters: one for everything, 256 by content, 128 by engine_gen. Whoever forgets something moves
 * the counter it belongs to; an entry in memory carries a stamp of its three counters, and holds
 * only while that is still the same. Forgetting one content costs others one in 256 of what they
 * have in memory, and nothing on disk.
 *
 * A counter is odd while rows are being deleted, under the database's write lock: whoever finds it
 * so takes nothing over from disk to memory. Who gets the lock later makes it even again, so a
 * process that died in between leaves nothing behind.
 *
 * The page also has the number of the database in use (clearing is beginning the next one), and
 * the latest time anybody has seen, by which a clock that was set back is noticed.
 *
 * A page that nobody can share (no directory, read-only) works the same within the process.
 */
#ifndef SB_CACHE_PAGE_H
#define SB_CACHE_PAGE_H

#include <stdatomic.h>

#include "cache/cache.h"

enum { SB_PAGE_HASHES = 256, SB_PAGE_GENS = 128 };

typedef struct sb_page_body {
	char magic[16];
	_Atomic(uint64_t) number; /* of the database, from 1 */
	_Atomic(uint64_t) seen;   /* ns since the epoch */
	_Atomic(uint64_t) everything;
	_Atomic(uint64_t) hashes[SB_PAGE_HASHES], gens[SB_PAGE_GENS];
	_Atomic(uint64_t) totals[SB_CACHE_COUNTS_];
} sb_page_body;

typedef struct sb_page {
	sb_page_body *body;
	int fd; /* -1: not shared */
	uint64_t instance;
	struct sb_page *older; /* kept until the end: somebody may be looking at it */
} sb_page;

/* Map the page in the folder @p dir, making it if it is missing or no page; -1: one of our own.
 * @p first: the number to begin with if it is made. NULL: errno tells why. */
sb_page *sb_page_open(int dir, uint64_t first, uint64_t instance);
void sb_page_close(sb_page *page);
/* False: the file was removed, others use another one. */
bool sb_page_is_there(const sb_page *page);
/* Onto stable storage, after something was forgotten. */
void sb_page_sync(const sb_page *page);

/* 0: something that concerns the key is being forgotten right now. */
uint64_t sb_page_stamp(const sb_page *page, const sb_cache_key *key);
/* The same for entries of other processes, as far as everything is concerned. */
uint64_t sb_page_era(const sb_page *page);

/* Moves of a counter. begin and end: with the database's write lock held. */
_Atomic(uint64_t) *sb_page_hash(const sb_page *page, const uint8_t hash[SB_BLAKE3_SIZE]);
_Atomic(uint64_t) *sb_page_gen(const sb_page *page, const uint8_t gen[SB_GEN_SIZE]);
void sb_page_begin(_Atomic(uint64_t) *counter);
void sb_page_end(_Atomic(uint64_t) *counter);
/* In one step, where there are no rows. */
void sb_page_move(_Atomic(uint64_t) *counter);
/* What others left odd; with the write lock held. */
void sb_page_settle(const sb_page *page);
bool sb_page_is_unsettled(const sb_page *page);

/* The time; false when it is earlier than anybody has seen before: *seen is that. */
bool sb_page_time(const sb_page *page, const sb_clock *clock, uint64_t *now, uint64_t *seen);

#endif
