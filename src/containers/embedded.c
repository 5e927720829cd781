/* SPDX-License-Identifier: MIT */
/*
 * Archives in the middle of other bytes: behind an executable stub, behind an image, between
 * two archives. What no reader has claimed is searched for signatures, and what opens is taken
 * apart as `@OFFSET.zip`. What does not open is tried a bounded number of times for each level;
 * what opens is bounded by the limits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "containers/sniff.h"
#include "containers/walk_own.h"

enum {
	FAILURES = 64,
	PIECES = 4096,
	ZEROS = 64, /* in a row that part two pieces */
};

static int attempt(sb_walk *walk, const sb_level *level, const sb_hit *hit, uint64_t *end)
{
	sb_ranges claimed = {0};
	sb_level inner = {
		.data = level->data + hit->offset,
		.size = level->size - hit->offset,
		.depth = level->depth + 1,
		.outer = level,
		.type = hit->type,
		.embedded = hit->likeness != SB_SURELY,
		.claimed = &claimed,
	};
	char name[64], *path;
	int result;

	snprintf(name, sizeof name, "@%zu.%s", hit->offset, hit->type);
	path = sb_walk_path(walk, level, name, strlen(name), &inner.name);
	if (path == NULL)
		return sb_walk_over(walk, level, NULL, "no memory for another level");
	inner.path = path;
	result = hit->reader->take_apart(walk, &inner, hit->likeness);
	*end = hit->offset + sb_ranges_skip(&claimed, 0);
	sb_ranges_done(&claimed);
	free(path);
	return result;
}

/* Everything in one gap between claims. */
static int search_gap(
	sb_walk *walk, sb_level *level, uint64_t from, uint64_t to, unsigned *failures)
{
	const sb_sniffer *sniffer = sb_sniffer_shared();
	uint64_t begin = from, end = from, members;
	sb_hit hit;

	while (sb_sniff_next(sniffer, level->data, level->size, from, to, &hit)) {
		from = hit.next;
		/* What begins at the first byte, a reader has seen. */
		if (hit.offset < begin || hit.offset == 0 || sb_walk_poll(walk) < 0)
			continue;
		if (level->depth + 1 >= walk->options->limits.max_depth) {
			sb_walk_doubt(walk, level, "%s inside, past max_depth %u", hit.type,
				walk->options->limits.max_depth);
			return 0;
		}
		if (*failures > FAILURES)
			return 0;
		level->type = hit.type;
		members = walk->out->members;
		if (attempt(walk, level, &hit, &end) < 0)
			return SB_WALK_STOP;
		if (members == walk->out->members && ++*failures > FAILURES)
			sb_walk_doubt(
				walk, level, "more than %d signatures that open nothing", FAILURES);
		sb_walk_claim(level, hit.offset, end);
		begin = end;
		from = end > from ? end : from;
	}
	return 0;
}

int sb_walk_embedded(sb_walk *walk, sb_level *level)
{
	uint64_t at = 0, end;
	unsigned failures = 0;

	while (failures <= FAILURES && (at = sb_ranges_skip(level->claimed, at)) < level->size) {
		end = sb_ranges_next(level->claimed, at);
		end = end < level->size ? end : level->size;
		if (sb_walk_poll(walk) < 0 || search_gap(walk, level, at, end, &failures) < 0)
			return SB_WALK_STOP;
		at = end;
	}
	return 0;
}

/* --- What is left ------------------------------------------------------------------------------
 */

/* Where the piece ends that begins at @p at: in front of zeros. */
static uint64_t piece_end(const uint8_t *data, uint64_t at, uint64_t to)
{
	uint64_t zeros = 0;

	for (; at < to && zeros < ZEROS; at++)
		zeros = data[at] == 0 ? zeros + 1 : 0;
	return at - zeros;
}

static int look_at_gap(sb_walk *walk, sb_level *level, uint64_t at, uint64_t to, unsigned *pieces)
{
	uint64_t end;
	char name[32];
	int result = 0;

	for (; result == 0 && at < to; at = end) {
		while (at < to && level->data[at] == 0)
			at++;
		end = piece_end(level->data, at, to);
		/* As whole it was judged, and shown to the readers. */
		if (at == 0 || end - at < SB_WALK_SCRAP)
			continue;
		if ((*pieces)++ == PIECES) {
			sb_walk_doubt(walk, level, "more than %d pieces that are nobody's", PIECES);
			return 0;
		}
		snprintf(name, sizeof name, "@%llu", (unsigned long long)at);
		result = sb_walk_poll(walk);
		if (result == 0)
			result = sb_walk_scrap(walk, level, name, at, end - at);
	}
	return result;
}

int sb_walk_leftovers(sb_walk *walk, sb_level *level)
{
	uint64_t at = 0, end;
	unsigned pieces = 0;
	int result = 0;

	while (result == 0 && pieces <= PIECES &&
		(at = sb_ranges_skip(level->claimed, at)) < level->size) {
		end = sb_ranges_next(level->claimed, at);
		end = end < level->size ? end : level->size;
		result = look_at_gap(walk, level, at, end, &pieces);
		at = end;
	}
	return result;
}
