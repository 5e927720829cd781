/* SPDX-License-Identifier: MIT */
/* Deflate. Documents have it with and without zlib's two bytes of header. */
#include "containers/inflate.h"

#include <string.h>
#include <zlib.h>

static sb_inflated run(sb_sink *sink, const uint8_t *data, size_t size, int window)
{
	uint8_t out[16384];
	z_stream z = {0};
	bool any = false;
	int status = Z_OK;

	if (inflateInit2(&z, window) != Z_OK)
		return SB_INFLATED_NOTHING;
	while (status == Z_OK && sb_sink_poll(sink) == 0) {
		if (z.avail_in == 0 && size > 0) {
			z.next_in = (Bytef *)(uintptr_t)data;
			z.avail_in = size > SB_DECODE_WINDOW ? SB_DECODE_WINDOW : (uInt)size;
			data += z.avail_in;
			size -= z.avail_in;
		}
		z.next_out = out;
		z.avail_out = sizeof(out);
		status = inflate(&z, Z_NO_FLUSH);
		any |= z.avail_out < sizeof(out);
		sb_sink_write(sink, out, sizeof(out) - z.avail_out);
		if (status == Z_BUF_ERROR && z.avail_in == 0 && size > 0)
			status = Z_OK;
	}
	inflateEnd(&z);
	if (status == Z_STREAM_END)
		return SB_INFLATED_WHOLE;
	return any ? SB_INFLATED_PART : SB_INFLATED_NOTHING;
}

sb_inflated sb_inflate(sb_sink *sink, const uint8_t *data, size_t size)
{
	sb_inflated result = run(sink, data, size, MAX_WBITS);

	if (result == SB_INFLATED_NOTHING && sink->stopped == 0)
		result = run(sink, data, size, -MAX_WBITS);
	/* A damaged header with the rest whole. */
	if (result == SB_INFLATED_NOTHING && sink->stopped == 0 && size > 2)
		result = run(sink, data + 2, size - 2, -MAX_WBITS);
	return result;
}
