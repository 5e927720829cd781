/* SPDX-License-Identifier: MIT */
/*
 * Raw sectors of a compact disc: 2352 bytes, of which a sync mark and a header stand in front of
 * what the sector holds and sums behind. What they hold, in a row, is the image.
 */
#include <string.h>

#include "containers/reader.h"

enum { SECTOR = 2352, HELD = 2048, MODE = 15, LEAST = 17 };

static const uint8_t sync_mark[12] = {
	0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};

static sb_likeness recognise(const uint8_t *data, size_t size, const char **type)
{
	*type = "cd";
	if (size < (size_t)LEAST * SECTOR || memcmp(data, sync_mark, sizeof sync_mark) != 0 ||
		memcmp(data + SECTOR, sync_mark, sizeof sync_mark) != 0)
		return SB_NOT_THIS;
	return data[MODE] == 1 || data[MODE] == 2 ? SB_SURELY : SB_NOT_THIS;
}

/* In mode 2 eight bytes more stand in front. */
static size_t held_at(const uint8_t *sector)
{
	return sector[MODE] == 2 ? 24 : 16;
}

static int take_apart(sb_walk *walk, const sb_level *level, sb_likeness likeness)
{
	sb_unpacking *image;
	size_t at = 0;
	int result = sb_walk_open(walk, level, "image.iso", 9, 0, &image);

	(void)likeness;
	for (; result == 0 && level->size - at >= SECTOR; at += SECTOR)
		result = sb_walk_append(image, level->data + at + held_at(level->data + at), HELD);
	if (image == NULL)
		return result;
	sb_walk_claim(level, 0, at);
	if (result == 0)
		return sb_walk_close(image);
	sb_walk_drop(image);
	return result < 0 ? result : 0;
}

const sb_reader_ops sb_reader_sectors = {"cd", recognise, take_apart, NULL};
