/* SPDX-License-Identifier: MIT */
/* The optional fields of a gzip header, in their fixed order. */
#include "containers/gzip.h"

#include <string.h>

#include "containers/sniff.h"

enum { HEADER_SUM = 2, EXTRA = 4, NAME = 8, COMMENT = 16, FIXED = 10 };

static bool text(const uint8_t *data, size_t size, size_t *at, size_t *from, size_t *length)
{
	const uint8_t *end = memchr(data + *at, '\0', size - *at);

	if (end == NULL)
		return false;
	*from = *at;
	*length = (size_t)(end - data) - *at;
	*at += *length + 1;
	return true;
}

bool sb_gzip_header_read(sb_gzip_header *out, const uint8_t *data, size_t size)
{
	size_t at = FIXED;

	*out = (sb_gzip_header){0};
	if (size < FIXED || memcmp(data, "\x1f\x8b\x08", 3) != 0)
		return false;
	if ((data[3] & EXTRA) != 0) {
		if (size - at < 2 || sb_le16(data + at) > size - at - 2)
			return false;
		out->extra = at + 2;
		out->extra_size = sb_le16(data + at);
		at += 2 + out->extra_size;
	}
	if ((data[3] & NAME) != 0 && !text(data, size, &at, &out->name, &out->name_size))
		return false;
	if ((data[3] & COMMENT) != 0 && !text(data, size, &at, &out->comment, &out->comment_size))
		return false;
	if ((data[3] & HEADER_SUM) != 0)
		at += 2;
	out->end = at;
	return at <= size;
}
