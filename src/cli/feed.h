/* SPDX-License-Identifier: MIT */
/*
 * From the walk to the workers: a short queue that also bounds how many bytes are in work, so
 * that many workers on large files need no more memory than on small ones.
 *
 * Threads: any number on either side.
 */
#ifndef SB_CLI_FEED_H
#define SB_CLI_FEED_H

#include "cli/walk.h"

typedef struct sb_feed sb_feed;

/* @p budget: bytes in work at once; a single item may be larger. NULL: no memory. */
sb_feed *sb_feed_new(uint64_t budget);
/* Frees items that nobody took. */
void sb_feed_free(sb_feed *feed);

/* Waits for room; takes the item. False, and the item is freed, when the feed was stopped. */
bool sb_feed_put(sb_feed *feed, sb_walk_item *item);
/* The same without waiting: false when there is no room, and the item stays the caller's. */
bool sb_feed_offer(sb_feed *feed, sb_walk_item *item);
/* No more will come. */
void sb_feed_end(sb_feed *feed);
/* Nobody gets anything any more, on either side. */
void sb_feed_stop(sb_feed *feed);

/* Waits for an item that fits the budget; NULL: that was all. */
sb_walk_item *sb_feed_take(sb_feed *feed);
/* Whether each of @p takers gets one more, as far as is known: items may still come. */
bool sb_feed_has_more(sb_feed *feed, unsigned takers);
/* The item is done: its bytes are free again. Frees it. */
void sb_feed_done(sb_feed *feed, sb_walk_item *item);

#endif
