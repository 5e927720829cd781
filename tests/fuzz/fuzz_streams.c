/* SPDX-License-Identifier: MIT */
/*
 * What of compressed streams and RAR is read without a library. Oracles: what is read depends on
 * the bytes only, not on how large the pieces are; positions lie in the data.
 */
#include <stdlib.h>
#include <string.h>

#include "containers/extent.h"
#include "containers/gzip.h"
#include "containers/lzw.h"
#include "containers/rar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 1 << 20 };

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_lzw(const uint8_t *data, size_t size)
{
	static uint8_t whole[ROOM], pieces[ROOM];
	static sb_lzw lzw;
	size_t length, at = 0, part;

	if (!sb_lzw_begin(&lzw, data, size))
		return;
	length = sb_lzw_read(&lzw, whole, ROOM);
	require(sb_lzw_begin(&lzw, data, size));
	do {
		part = sb_lzw_read(&lzw, pieces + at, ROOM - at < 7 ? ROOM - at : 7);
		at += part;
	} while (part > 0);
	require(at == length && memcmp(whole, pieces, length) == 0);
}

static void check_skippable(const uint8_t *data, size_t size)
{
	size_t at = 0, before = 0, from, length;

	while (sb_extent_skippable(data, size, &at, &from, &length)) {
		require(from >= before + 8 && from <= size && length <= size - from && at > before);
		before = at;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sb_gzip_header h;

	check_lzw(data, size);
	check_skippable(data, size);
	if (sb_gzip_header_read(&h, data, size))
		require(h.end <= size && h.extra + h.extra_size <= h.end &&
			h.comment + h.comment_size <= h.end);
	sb_rar_is_damaged(data, size);
	return 0;
}
