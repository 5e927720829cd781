/* SPDX-License-Identifier: MIT */
/*
 * The writing thread: takes what was stored from a bounded queue and writes it in groups, so that
 * nobody who scans waits for the disk. Once a second it looks after what is shared: adds this
 * process's counts to the totals, notices that somebody removed the files, deletes what is too old.
 */
#include <stdlib.h>
#include <string.h>

#include "cache/cache_body.h"
#include "util/thread.h"

enum { GROUP_MAX = 4096, QUEUE_MAX = 8 << 20, ENOUGH = 256 << 10, SWEEP_EVERY = 60 };

static const uint64_t gather_ns = 20 * SB_MS; /* how long one waits for others to go with */
static const uint64_t tick_ns = 1000 * SB_MS;

void sb_writer_init(sb_cache *cache)
{
	pthread_mutex_init(&cache->lock, NULL);
	sb_cond_init(&cache->work);
	sb_cond_init(&cache->done);
	cache->last = &cache->first;
}

/* --- The queue ------------------------------------------------------------------------------- */

static void queue(sb_cache *cache, sb_disk_item *item)
{
	size_t size = sizeof *item + item->length;
	bool fits;

	pthread_mutex_lock(&cache->lock);
	fits = cache->queued_bytes + size <= QUEUE_MAX;
	if (fits) {
		if (cache->first == NULL)
			cache->oldest = sb_clock_now(cache->clock);
		/* It sleeps for the first of a group, and until there is enough. */
		if (cache->first == NULL ||
			(cache->queued_bytes < ENOUGH && cache->queued_bytes + size >= ENOUGH))
			pthread_cond_signal(&cache->work);
		*cache->last = item;
		cache->last = &item->next;
		cache->queued_bytes += size;
		cache->queued++;
	}
	pthread_mutex_unlock(&cache->lock);
	if (!fits) {
		sb_cache_count_add(cache, SB_CACHE_UNWRITTEN, item->row == 0);
		free(item);
	}
}

void sb_writer_put(sb_cache *cache, const sb_cache_key *key, uint64_t stamp, uint64_t stored,
	const uint8_t *entry, size_t length)
{
	sb_disk_item *item = malloc(sizeof *item + length);

	if (item == NULL) {
		sb_cache_count_add(cache, SB_CACHE_UNWRITTEN, 1);
		return;
	}
	*item = (sb_disk_item){.stamp = stamp, .stored = stored, .key = *key, .length = length};
	memcpy(item->entry, entry, length);
	queue(cache, item);
}

void sb_writer_delete(sb_cache *cache, const sb_page *page, int64_t row)
{
	sb_disk_item *item = malloc(sizeof *item);

	if (item == NULL)
		return;
	*item = (sb_disk_item){.row = row, .number = atomic_load(&page->body->number)};
	queue(cache, item);
}

/* Up to a group off the front; the lock is held. */
static sb_disk_item *take_group(sb_cache *cache, uint64_t *taken)
{
	sb_disk_item *group = cache->first, **end = &cache->first;

	for (*taken = 0; *end != NULL && *taken < GROUP_MAX; ++*taken) {
		cache->queued_bytes -= sizeof **end + (*end)->length;
		end = &(*end)->next;
	}
	if (group == NULL)
		return NULL;
	cache->first = *end;
	if (cache->first == NULL)
		cache->last = &cache->first;
	*end = NULL;
	return group;
}

static void free_group(sb_disk_item *group)
{
	while (group != NULL) {
		sb_disk_item *next = group->next;

		free(group);
		group = next;
	}
}

static void write_group(sb_cache *cache, sb_disk_item *group)
{
	sb_disk_done done = {0};
	uint64_t entries = 0;
	sb_disk_status status = sb_disk_put(cache->disk, atomic_load(&cache->page), group, &done);

	for (const sb_disk_item *item = group; item != NULL; item = item->next)
		entries += item->row == 0;
	if (status != SB_DISK_OK)
		sb_cache_count_add(cache, SB_CACHE_UNWRITTEN, entries);
	sb_cache_count_add(cache, SB_CACHE_EVICTIONS, done.evicted);
	free_group(group);
}

/* --- Once a second --------------------------------------------------------------------------- */

static void publish_counts(sb_cache *cache)
{
	const sb_page *page = atomic_load(&cache->page);
	uint64_t now[SB_CACHE_COUNTS_];

	sb_cache_counts(cache, now);
	pthread_mutex_lock(&cache->lock);
	for (unsigned i = 0; i < SB_CACHE_COUNTS_; i++) {
		atomic_fetch_add(&page->body->totals[i], now[i] - cache->published[i]);
		cache->published[i] = now[i];
	}
	pthread_mutex_unlock(&cache->lock);
}

void sb_writer_published(sb_cache *cache, uint64_t out[SB_CACHE_COUNTS_])
{
	pthread_mutex_lock(&cache->lock);
	memcpy(out, cache->published, sizeof cache->published);
	pthread_mutex_unlock(&cache->lock);
}

/* Others use another page by now, or will: what is in memory was not told of what they forgot. */
static void look_after_page(sb_cache *cache)
{
	sb_page *page = atomic_load(&cache->page), *fresh;

	if (sb_page_is_there(page))
		return;
	fresh = sb_page_open(cache->dir, sb_disk_fresh_number(cache->dir), page->instance + 1);
	if (fresh == NULL)
		return;
	fresh->older = page;
	atomic_store(&cache->page, fresh);
}

static void sweep(sb_cache *cache)
{
	uint64_t now = sb_clock_wall(cache->clock);
	uint64_t life = cache->ttl_ms > UINT64_MAX / SB_MS ? UINT64_MAX : cache->ttl_ms * SB_MS;

	if (now > life)
		sb_disk_sweep(cache->disk, atomic_load(&cache->page), now - life);
}

/* --- The thread ------------------------------------------------------------------------------ */

/* With the lock held: when there is something to do next; `now` when there is already. */
static uint64_t due(const sb_cache *cache, uint64_t now, uint64_t tick)
{
	uint64_t at = tick;

	if (cache->stop || (cache->first != NULL && (cache->wanted > cache->finished ||
							    cache->queued_bytes >= ENOUGH)))
		return now;
	if (cache->first != NULL && cache->oldest + gather_ns < at)
		at = cache->oldest + gather_ns;
	return at;
}

static void work(sb_cache *cache)
{
	uint64_t taken = 0;
	sb_disk_item *group = take_group(cache, &taken);

	if (group == NULL)
		return;
	pthread_mutex_unlock(&cache->lock);
	write_group(cache, group);
	pthread_mutex_lock(&cache->lock);
	cache->finished += taken;
	cache->oldest = sb_clock_now(cache->clock);
	pthread_cond_broadcast(&cache->done);
}

static void *run(void *data)
{
	sb_cache *cache = data;
	uint64_t tick = sb_clock_now(cache->clock) + tick_ns, ticks = 0;

	pthread_mutex_lock(&cache->lock);
	while (!cache->stop || cache->first != NULL) {
		uint64_t now = sb_clock_now(cache->clock), at = due(cache, now, tick);

		if (at > now) {
			sb_clock_wait(cache->clock, &cache->work, &cache->lock, at);
			continue;
		}
		work(cache);
		if (now < tick)
			continue;
		pthread_mutex_unlock(&cache->lock);
		publish_counts(cache);
		look_after_page(cache);
		sb_disk_settle(cache->disk, atomic_load(&cache->page));
		if (ticks++ % SWEEP_EVERY == SWEEP_EVERY - 1)
			sweep(cache);
		pthread_mutex_lock(&cache->lock);
		tick = sb_clock_now(cache->clock) + tick_ns;
	}
	pthread_mutex_unlock(&cache->lock);
	return NULL;
}

int sb_writer_start(sb_cache *cache)
{
	int status = sb_thread_start(&cache->thread, "sb-verdicts", run, cache);

	cache->running = status == 0;
	return status;
}

void sb_writer_stop(sb_cache *cache)
{
	if (cache->running) {
		pthread_mutex_lock(&cache->lock);
		cache->stop = true;
		pthread_cond_signal(&cache->work);
		pthread_mutex_unlock(&cache->lock);
		pthread_join(cache->thread, NULL);
	}
	if (atomic_load(&cache->page) != NULL)
		publish_counts(cache);
	pthread_cond_destroy(&cache->done);
	pthread_cond_destroy(&cache->work);
	pthread_mutex_destroy(&cache->lock);
}

void sb_cache_flush(sb_cache *cache)
{
	uint64_t all;

	pthread_mutex_lock(&cache->lock);
	all = cache->queued;
	if (cache->wanted < all)
		cache->wanted = all;
	pthread_cond_signal(&cache->work);
	while (cache->running && cache->finished < all)
		pthread_cond_wait(&cache->done, &cache->lock);
	pthread_mutex_unlock(&cache->lock);
}
