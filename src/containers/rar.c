/* SPDX-License-Identifier: MIT */
/* From block to block, as far as they make sense: what does not, libarchive complains about. */
#include "containers/rar.h"

#include <zlib.h>

#include "containers/bytes.h"

uint64_t sb_rar_number(const uint8_t *data, size_t size, size_t *at)
{
	uint64_t value = 0;

	for (unsigned shift = 0; *at < size && shift < 63; shift += 7) {
		uint8_t byte = data[(*at)++];

		value |= (uint64_t)(byte & 0x7f) << shift;
		if ((byte & 0x80) == 0)
			break;
	}
	return value;
}

/* --- Version 4 ------------------------------------------------------------------------------ */

enum {
	FILE_4 = 0x74,
	SPLIT_OR_LOCKED_4 = 7,
	HAS_DATA_4 = 0x8000,
	LARGE_4 = 0x100,
	STORED_4 = 0x30,
};

static bool damaged_4(const uint8_t *data, size_t size)
{
	size_t at = 7;

	while (size - at >= 7) {
		const uint8_t *block = data + at;
		uint32_t flags = sb_le16(block + 3), header = sb_le16(block + 5);
		uint64_t length = 0;

		if (header < 7 || header > size - at)
			break;
		if ((flags & HAS_DATA_4) != 0 && header >= 11)
			length = sb_le32(block + 7);
		if (length > size - at - header)
			break;
		if (block[2] == FILE_4 && header >= 32 && block[25] == STORED_4 &&
			(flags & (SPLIT_OR_LOCKED_4 | LARGE_4)) == 0 &&
			crc32_z(0, block + header, (size_t)length) != sb_le32(block + 16))
			return true;
		at += header + (size_t)length;
	}
	return false;
}

/* --- Version 5 ------------------------------------------------------------------------------ */

enum {
	FILE_5 = 2,
	HAS_EXTRA = 1,
	HAS_DATA = 2,
	SPLIT = 0x18,
	HAS_TIME = 2,
	HAS_SUM = 4,
	LOCKED = 1, /* kind of a record in the extra area */
};

typedef struct block5 {
	uint64_t kind, flags, extra, length;
	size_t at, end; /* behind what all blocks have; behind the header */
} block5;

static bool read_block_5(const uint8_t *data, size_t size, size_t at, block5 *out)
{
	uint64_t header;

	*out = (block5){0};
	if (at > size || size - at < 7)
		return false;
	at += 4;
	header = sb_rar_number(data, size, &at);
	if (header > size - at)
		return false;
	out->end = at + (size_t)header;
	out->kind = sb_rar_number(data, out->end, &at);
	out->flags = sb_rar_number(data, out->end, &at);
	out->extra = (out->flags & HAS_EXTRA) != 0 ? sb_rar_number(data, out->end, &at) : 0;
	out->length = (out->flags & HAS_DATA) != 0 ? sb_rar_number(data, out->end, &at) : 0;
	out->at = at;
	return out->length <= size - out->end && out->extra <= out->end - at;
}

static bool is_locked(const uint8_t *data, const block5 *b)
{
	size_t at = b->end - (size_t)b->extra;

	while (at < b->end) {
		uint64_t length = sb_rar_number(data, b->end, &at);
		size_t kind = at;

		if (length == 0 || length > b->end - at)
			break;
		if (sb_rar_number(data, b->end, &kind) == LOCKED)
			return true;
		at += (size_t)length;
	}
	return false;
}

static bool stored_badly(const uint8_t *data, const block5 *b)
{
	size_t at = b->at;
	uint64_t flags = sb_rar_number(data, b->end, &at);
	uint32_t sum;

	sb_rar_number(data, b->end, &at); /* its size, */
	sb_rar_number(data, b->end, &at); /* its mode */
	at += (flags & HAS_TIME) != 0 ? 4 : 0;
	if ((flags & HAS_SUM) == 0 || at > b->end || b->end - at < 5)
		return false;
	sum = sb_le32(data + at);
	at += 4;
	if ((sb_rar_number(data, b->end, &at) >> 7 & 7) != 0 || is_locked(data, b))
		return false;
	return crc32_z(0, data + b->end, (size_t)b->length) != sum;
}

static bool damaged_5(const uint8_t *data, size_t size)
{
	size_t at = 8;
	block5 b;

	for (; read_block_5(data, size, at, &b); at = b.end + (size_t)b.length)
		if (b.kind == FILE_5 && (b.flags & SPLIT) == 0 && (b.flags & HAS_DATA) != 0 &&
			stored_badly(data, &b))
			return true;
	return false;
}

bool sb_rar_is_damaged(const uint8_t *data, size_t size)
{
	if (size < 20)
		return false;
	return data[6] == 0 ? damaged_4(data, size) : damaged_5(data, size);
}
