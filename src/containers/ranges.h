/* SPDX-License-Identifier: MIT */
/*
 * A set of byte ranges: which bytes of a level some reader has accounted for. Without memory a
 * range is forgotten, which costs a second look and no more.
 */
#ifndef SB_CONTAINERS_RANGES_H
#define SB_CONTAINERS_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sb_range {
	uint64_t from, to; /* half open, never empty */
} sb_range;

typedef struct sb_ranges {
	sb_range *list;
	size_t count, room;
	bool tidy; /* sorted, and none touch */
} sb_ranges;

void sb_ranges_done(sb_ranges *ranges);
void sb_ranges_add(sb_ranges *ranges, uint64_t from, uint64_t to);
/* The end of the range that holds @p at, or @p at itself. */
uint64_t sb_ranges_skip(sb_ranges *ranges, uint64_t at);
/* Where the next range after @p at begins; UINT64_MAX when there is none. */
uint64_t sb_ranges_next(sb_ranges *ranges, uint64_t at);

#endif
