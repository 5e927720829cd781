/* SPDX-License-Identifier: MIT */
/*
 * zstd and lz4 frames are chains of blocks that tell their size. An xz stream is found from its
 * end: a footer whose index lists blocks that fill exactly what lies before it.
 */
#include "containers/extent.h"

#include <stdbool.h>
#include <string.h>
#include <zlib.h>

#include "containers/sniff.h"

/* --- Chains of frames ------------------------------------------------------------------------ */

typedef size_t frame_end(const uint8_t *data, size_t size);

static bool skippable(const uint8_t *data, size_t size)
{
	return size >= 8 && (sb_le32(data) & 0xfffffff0u) == 0x184d2a50u;
}

/* Frames from the first byte on. One that is cut off behind whole ones makes it 0: damage is to
 * be seen by who unpacks it. */
static size_t chain(const uint8_t *data, size_t size, uint32_t magic, frame_end *end)
{
	size_t at = 0, length;

	while (size - at >= 8) {
		if (skippable(data + at, size - at))
			length = (size_t)sb_le32(data + at + 4) + 8;
		else if (sb_le32(data + at) == magic)
			length = end(data + at, size - at);
		else
			break;
		if (length == 0 || length > size - at)
			return 0;
		at += length;
	}
	return at;
}

static size_t zstd_frame(const uint8_t *data, size_t size)
{
	static const uint8_t dictionary[] = {0, 1, 2, 4}, content[] = {0, 2, 4, 8};
	size_t at = 5;
	uint32_t block;

	if (size < 9)
		return 0;
	at += (data[4] & 0x20) != 0 ? 0 : 1;
	at += dictionary[data[4] & 3];
	at += data[4] >> 6 == 0 && (data[4] & 0x20) != 0 ? 1 : content[data[4] >> 6];
	do {
		if (size < 3 || at > size - 3)
			return 0;
		block = sb_le16(data + at) | (uint32_t)data[at + 2] << 16;
		at += 3 + ((block >> 1 & 3) == 1 ? 1 : block >> 3);
	} while ((block & 1) == 0);
	return at + ((data[4] & 4) != 0 ? 4 : 0);
}

size_t sb_extent_zstd(const uint8_t *data, size_t size)
{
	return chain(data, size, 0xfd2fb528u, zstd_frame);
}

static size_t lz4_frame(const uint8_t *data, size_t size)
{
	size_t at = 7;
	uint32_t block, flags;

	if (size < 11)
		return 0;
	flags = data[4];
	at += ((flags & 8) != 0 ? 8u : 0u) + ((flags & 1) != 0 ? 4u : 0u);
	for (;;) {
		if (at > size || size - at < 4)
			return 0;
		block = sb_le32(data + at);
		at += 4;
		if (block == 0)
			return at + ((flags & 4) != 0 ? 4 : 0);
		at += (size_t)(block & 0x7fffffffu) + ((flags & 16) != 0 ? 4 : 0);
	}
}

size_t sb_extent_lz4(const uint8_t *data, size_t size)
{
	return chain(data, size, 0x184d2204u, lz4_frame);
}

bool sb_extent_skippable(const uint8_t *data, size_t end, size_t *at, size_t *from, size_t *length)
{
	size_t frame;

	for (; *at < end && end - *at >= 8; *at += frame) {
		if (skippable(data + *at, end - *at)) {
			*from = *at + 8;
			*length = sb_le32(data + *at + 4);
			*at = *length <= end - *from ? *from + *length : end;
			return *length <= end - *from;
		}
		if (sb_le32(data + *at) == 0xfd2fb528u)
			frame = zstd_frame(data + *at, end - *at);
		else
			frame = lz4_frame(data + *at, end - *at);
		if (frame == 0)
			break;
	}
	*at = end;
	return false;
}

/* --- xz -------------------------------------------------------------------------------------- */

static bool number(const uint8_t *data, size_t size, size_t *at, uint64_t *out)
{
	*out = 0;
	for (unsigned shift = 0; shift < 63 && *at < size; shift += 7) {
		uint8_t byte = data[(*at)++];

		*out |= (uint64_t)(byte & 0x7f) << shift;
		if ((byte & 0x80) == 0)
			return true;
	}
	return false;
}

/* Whether the blocks of an index fill @p room bytes. */
static bool blocks_fill(const uint8_t *index, size_t size, size_t room)
{
	uint64_t records, unpadded, unpacked;
	size_t at = 1;

	if (size < 8 || index[0] != 0 || crc32_z(0, index, size - 4) != sb_le32(index + size - 4) ||
		!number(index, size, &at, &records))
		return false;
	for (uint64_t i = 0; i < records; i++) {
		if (!number(index, size, &at, &unpadded) || !number(index, size, &at, &unpacked))
			return false;
		if (unpadded > room || (unpadded + 3) / 4 * 4 > room)
			return false;
		room -= (size_t)((unpadded + 3) / 4 * 4);
	}
	return room == 0;
}

/* Whether a stream that begins at the first byte ends with the footer before @p end. */
static bool stream_ends(const uint8_t *data, size_t end)
{
	const uint8_t *footer = data + end - 12;
	uint64_t index = ((uint64_t)sb_le32(footer + 4) + 1) * 4;

	if (crc32_z(0, footer + 4, 6) != sb_le32(footer) || memcmp(footer + 8, data + 6, 2) != 0 ||
		index > end - 24)
		return false;
	return blocks_fill(footer - index, (size_t)index, end - 24 - (size_t)index);
}

static size_t xz_stream(const uint8_t *data, size_t size)
{
	const uint8_t *mark;
	size_t from = 24;

	while (from < size && (mark = memmem(data + from, size - from, "YZ", 2)) != NULL) {
		from = (size_t)(mark - data) + 2;
		if (from % 4 == 0 && stream_ends(data, from))
			return from;
	}
	return 0;
}

size_t sb_extent_xz(const uint8_t *data, size_t size)
{
	static const uint8_t magic[] = {0xfd, '7', 'z', 'X', 'Z', 0};
	size_t end = 0, padded, length;

	for (padded = 0; size - padded >= 32 && memcmp(data + padded, magic, sizeof magic) == 0;) {
		length = xz_stream(data + padded, size - padded);
		if (length == 0)
			return 0;
		end = padded + length;
		for (padded = end; size - padded >= 4 && sb_le32(data + padded) == 0;)
			padded += 4;
	}
	return end;
}
