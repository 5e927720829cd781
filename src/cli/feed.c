/* SPDX-License-Identifier: MIT */
/*
 * One ring under one lock. It is long, so that the walk comes to its end early and the time that is
 * left is known; items that follow each other share their directory, and few of those are open.
 */
#include "cli/feed.h"

#include <pthread.h>
#include <stdlib.h>

enum { DEPTH = 16384, MAX_RUNS = 128 };

/* Files above this are not read into memory (scan/content.h): they count as their buffers. */
static const uint64_t in_memory = 16 << 20, when_larger = 1 << 20;

struct sb_feed {
	pthread_mutex_t lock;
	pthread_cond_t room, work;
	/* all under lock */
	sb_walk_item *ring[DEPTH];
	size_t first, count;
	size_t runs; /* of neighbours in the same directory: no more are open */
	uint64_t budget, in_work;
	unsigned short_of_budget; /* workers that wait although there are items */
	bool ended, stopped;
};

static uint64_t weight(const sb_walk_item *item)
{
	return item->size > in_memory ? when_larger : item->size;
}

sb_feed *sb_feed_new(uint64_t budget)
{
	sb_feed *feed = calloc(1, sizeof *feed);

	if (feed == NULL)
		return NULL;
	pthread_mutex_init(&feed->lock, NULL);
	pthread_cond_init(&feed->room, NULL);
	pthread_cond_init(&feed->work, NULL);
	feed->budget = budget;
	return feed;
}

void sb_feed_free(sb_feed *feed)
{
	if (feed == NULL)
		return;
	for (; feed->count > 0; feed->count--, feed->first++)
		sb_walk_item_free(feed->ring[feed->first % DEPTH]);
	pthread_cond_destroy(&feed->room);
	pthread_cond_destroy(&feed->work);
	pthread_mutex_destroy(&feed->lock);
	free(feed);
}

static const sb_walk_item *last(const sb_feed *feed)
{
	return feed->ring[(feed->first + feed->count - 1) % DEPTH];
}

static bool joins_run(const sb_feed *feed, const sb_walk_item *item)
{
	return feed->count > 0 && last(feed)->dir == item->dir;
}

static bool has_room(const sb_feed *feed, const sb_walk_item *item)
{
	return feed->count < DEPTH && (feed->runs < MAX_RUNS || joins_run(feed, item));
}

/* With the lock held. */
static bool append(sb_feed *feed, sb_walk_item *item)
{
	if (feed->stopped || !has_room(feed, item))
		return false;
	feed->runs += !joins_run(feed, item);
	feed->ring[(feed->first + feed->count++) % DEPTH] = item;
	return true;
}

bool sb_feed_put(sb_feed *feed, sb_walk_item *item)
{
	bool taken;

	pthread_mutex_lock(&feed->lock);
	while (!has_room(feed, item) && !feed->stopped)
		pthread_cond_wait(&feed->room, &feed->lock);
	taken = append(feed, item);
	pthread_mutex_unlock(&feed->lock);
	if (taken)
		pthread_cond_signal(&feed->work);
	else
		sb_walk_item_free(item);
	return taken;
}

bool sb_feed_offer(sb_feed *feed, sb_walk_item *item)
{
	bool taken;

	pthread_mutex_lock(&feed->lock);
	taken = append(feed, item);
	pthread_mutex_unlock(&feed->lock);
	if (taken)
		pthread_cond_signal(&feed->work);
	return taken;
}

static void set(sb_feed *feed, bool *flag)
{
	pthread_mutex_lock(&feed->lock);
	*flag = true;
	pthread_cond_broadcast(&feed->room);
	pthread_cond_broadcast(&feed->work);
	pthread_mutex_unlock(&feed->lock);
}

void sb_feed_end(sb_feed *feed)
{
	set(feed, &feed->ended);
}

void sb_feed_stop(sb_feed *feed)
{
	set(feed, &feed->stopped);
}

static bool head_fits(const sb_feed *feed)
{
	uint64_t head;

	if (feed->count == 0)
		return false;
	head = weight(feed->ring[feed->first]);
	return feed->in_work == 0 || feed->in_work + head <= feed->budget;
}

sb_walk_item *sb_feed_take(sb_feed *feed)
{
	sb_walk_item *item = NULL;

	pthread_mutex_lock(&feed->lock);
	while (!feed->stopped && !head_fits(feed) && (feed->count > 0 || !feed->ended)) {
		bool is_short = feed->count > 0;
		feed->short_of_budget += is_short;
		pthread_cond_wait(&feed->work, &feed->lock);
		feed->short_of_budget -= is_short;
	}
	if (!feed->stopped && feed->count > 0) {
		item = feed->ring[feed->first];
		feed->first = (feed->first + 1) % DEPTH;
		feed->count--;
		if (feed->count == 0 || feed->ring[feed->first]->dir != item->dir)
			feed->runs--;
		feed->in_work += weight(item);
	}
	pthread_mutex_unlock(&feed->lock);
	if (item != NULL)
		pthread_cond_signal(&feed->room);
	return item;
}

bool sb_feed_has_more(sb_feed *feed, unsigned takers)
{
	bool more;

	pthread_mutex_lock(&feed->lock);
	more = !feed->stopped && (feed->count >= takers || !feed->ended);
	pthread_mutex_unlock(&feed->lock);
	return more;
}

void sb_feed_done(sb_feed *feed, sb_walk_item *item)
{
	pthread_mutex_lock(&feed->lock);
	feed->in_work -= weight(item);
	if (feed->short_of_budget > 0)
		pthread_cond_broadcast(&feed->work);
	pthread_mutex_unlock(&feed->lock);
	sb_walk_item_free(item);
}
