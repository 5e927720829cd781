/* SPDX-License-Identifier: MIT */
/* Ranges are appended as they come, mostly in order, and put in order when somebody asks. */
#include "containers/ranges.h"

#include <stdlib.h>

void sb_ranges_done(sb_ranges *ranges)
{
	free(ranges->list);
	*ranges = (sb_ranges){0};
}

void sb_ranges_add(sb_ranges *ranges, uint64_t from, uint64_t to)
{
	sb_range *last = ranges->count > 0 ? &ranges->list[ranges->count - 1] : NULL, *list;
	size_t room = ranges->room * 2 + 16;

	if (from >= to)
		return;
	if (last != NULL && from >= last->from && from <= last->to) {
		last->to = to > last->to ? to : last->to;
		ranges->tidy = false;
		return;
	}
	if (ranges->count == ranges->room) {
		list = realloc(ranges->list, room * sizeof *list);
		if (list == NULL)
			return;
		ranges->list = list;
		ranges->room = room;
	}
	ranges->list[ranges->count++] = (sb_range){from, to};
	ranges->tidy = false;
}

static int by_begin(const void *left, const void *right)
{
	const sb_range *a = left, *b = right;

	return (a->from > b->from) - (a->from < b->from);
}

static void tidy_up(sb_ranges *ranges)
{
	size_t kept = 0;

	if (ranges->tidy || ranges->count == 0)
		return;
	qsort(ranges->list, ranges->count, sizeof *ranges->list, by_begin);
	for (size_t i = 1; i < ranges->count; i++) {
		sb_range next = ranges->list[i];

		if (next.from > ranges->list[kept].to)
			ranges->list[++kept] = next;
		else if (next.to > ranges->list[kept].to)
			ranges->list[kept].to = next.to;
	}
	ranges->count = kept + 1;
	ranges->tidy = true;
}

/* The first range that ends behind @p at. */
static size_t find(sb_ranges *ranges, uint64_t at)
{
	size_t low = 0, high;

	tidy_up(ranges);
	for (high = ranges->count; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (ranges->list[middle].to > at)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

uint64_t sb_ranges_skip(sb_ranges *ranges, uint64_t at)
{
	size_t i = find(ranges, at);

	return i < ranges->count && ranges->list[i].from <= at ? ranges->list[i].to : at;
}

uint64_t sb_ranges_next(sb_ranges *ranges, uint64_t at)
{
	size_t i = find(ranges, at);

	if (i < ranges->count && ranges->list[i].from <= at)
		i++;
	return i < ranges->count ? ranges->list[i].from : UINT64_MAX;
}
