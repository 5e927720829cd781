/* SPDX-License-Identifier: MIT */
/* From header to header, by the sizes in them. */
#include "containers/tar.h"

#include <string.h>

#include "containers/sniff.h"

enum { BLOCK = 512, SIZE_AT = 124, SIZE_LENGTH = 12, TYPE_AT = 156 };

static bool is_header(const sb_level *level, uint64_t at)
{
	const char *type;

	return at + BLOCK <= level->size && sb_sniff_begin(level->data + at, level->size - at,
						    &sb_reader_tar, &type) != SB_NOT_THIS;
}

/* Octal digits, or the low seven bytes of a binary number. */
static uint64_t size_of(const uint8_t *header)
{
	const uint8_t *field = header + SIZE_AT;
	uint64_t size = 0;
	size_t i = 0;

	if ((field[0] & 0x80) != 0) {
		for (i = 5; i < SIZE_LENGTH; i++)
			size = size << 8 | field[i];
		return size;
	}
	while (i < SIZE_LENGTH && field[i] == ' ')
		i++;
	for (; i < SIZE_LENGTH && field[i] >= '0' && field[i] <= '7'; i++)
		size = size << 3 | (uint64_t)(field[i] - '0');
	return size;
}

/* What a pax header says of the next member's size. */
static bool pax_size(const uint8_t *data, uint64_t length, uint64_t *size)
{
	const uint8_t *at = memmem(data, (size_t)length, " size=", 6), *end = data + length;

	if (at == NULL)
		return false;
	*size = 0;
	for (at += 6; at < end && *at >= '0' && *at <= '9' && *size < UINT64_MAX / 16; at++)
		*size = *size * 10 + *at - '0';
	return true;
}

static bool all_zeros(const uint8_t *data, uint64_t length, uint64_t there)
{
	length = length < there ? length : there;
	return length == 0 || (data[0] == 0 && memcmp(data, data + 1, (size_t)length - 1) == 0);
}

void sb_tar_claim(const sb_level *level, uint64_t to)
{
	uint64_t at = 0, size, told = 0, whole;
	bool is_told = false, sparse = false;

	for (; at < to && is_header(level, at); at += BLOCK + whole) {
		const uint8_t *header = level->data + at, *data = header + BLOCK;
		uint8_t type = header[TYPE_AT];
		bool about = type != '\0' && strchr("xgXLKNV", type) != NULL;

		size = is_told && !about ? told : size_of(header);
		/* A size that counts nothing: of what a link leads to, of a directory's quota. */
		if (type >= '1' && type <= '6' && is_header(level, at + BLOCK))
			size = 0;
		if (size > level->size - at - BLOCK)
			size = level->size - at - BLOCK;
		whole = (size + BLOCK - 1) / BLOCK * BLOCK;
		sb_walk_claim(level, at, at + BLOCK);
		if (about || sparse || type == 'S')
			sb_walk_claim(level, at + BLOCK, at + BLOCK + size);
		if (all_zeros(data + size, whole - size, level->size - at - BLOCK - size))
			sb_walk_claim(level, at + BLOCK + size, at + BLOCK + whole);
		is_told = about && ((type == 'x' && pax_size(data, size, &told)) || is_told);
		sparse = about && (sparse || memmem(data, (size_t)size, "GNU.sparse", 10) != NULL);
	}
	for (; at < to && to - at >= BLOCK && all_zeros(level->data + at, BLOCK, BLOCK);
		at += BLOCK)
		sb_walk_claim(level, at, at + BLOCK);
}
