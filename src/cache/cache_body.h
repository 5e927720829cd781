/* SPDX-License-Identifier: MIT */
/* The body of sb_cache, and its writing thread (writer.c), which also looks after the page. */
#ifndef SB_CACHE_CACHE_BODY_H
#define SB_CACHE_CACHE_BODY_H

#include <pthread.h>
#include <stdalign.h>

#include "cache/disk.h"
#include "cache/memory.h"

enum { SB_CACHE_STRIPES = 8 };

struct sb_cache {
	alignas(64) struct {
		alignas(64) _Atomic(uint64_t) counts[SB_CACHE_COUNTS_];
	} stripes[SB_CACHE_STRIPES];

	_Atomic(sb_page *) page;
	sb_memory *memory; /* or NULL */
	sb_disk *disk;     /* or NULL: see why */
	sb_clock *clock;
	uint64_t ttl_ms, disk_limit;
	int dir;
	char *path;
	char why[256];

	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t work, done;
	pthread_t thread;
	bool running, stop;
	sb_disk_item *first, **last;
	size_t queued_bytes;
	uint64_t queued, finished, wanted; /* items; flush() wants all up to here */
	uint64_t oldest;                   /* when the first one came */
	uint64_t published[SB_CACHE_COUNTS_];
};

void sb_cache_counts(sb_cache *cache, uint64_t out[SB_CACHE_COUNTS_]);

void sb_writer_init(sb_cache *cache);
int sb_writer_start(sb_cache *cache);
/* Writes what is queued first. Also when it never started. */
void sb_writer_stop(sb_cache *cache);
/* Queue; when the queue is full, not: memory has it all the same. */
void sb_writer_put(sb_cache *cache, const sb_cache_key *key, uint64_t stamp, uint64_t stored,
	const uint8_t *entry, size_t length);
void sb_writer_delete(sb_cache *cache, const sb_page *page, int64_t row);
/* How much of the counts is in the page's totals. */
void sb_writer_published(sb_cache *cache, uint64_t out[SB_CACHE_COUNTS_]);

#endif
