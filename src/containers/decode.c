/* SPDX-License-Identifier: MIT */
/*
 * Codings of mail. Base64 is the one that carries the bytes: four digits at a time by table, and
 * a slow path only around line ends, junk and padding.
 */
#include "containers/decode.h"

#include <string.h>

/* --- The sink --------------------------------------------------------------------------- */

void sb_sink_memory(sb_sink *sink, sb_walk *walk, sb_buf *kept)
{
	sink->walk = walk;
	sink->member = NULL;
	sink->kept = kept;
	sink->stopped = 0;
	sink->used = 0;
	sink->total = 0;
}

int sb_sink_open(
	sb_sink *sink, sb_walk *walk, const sb_level *level, const char *name, uint64_t packed)
{
	sb_sink_memory(sink, walk, NULL);
	return sb_walk_open(walk, level, name, strlen(name), packed, &sink->member);
}

int sb_sink_flush(sb_sink *sink)
{
	if (sink->stopped == 0 && sink->used > 0) {
		sink->total += sink->used;
		if (sink->kept != NULL)
			sb_buf_add(sink->kept, sink->held, sink->used);
		if (sink->member != NULL)
			sink->stopped = sb_walk_append(sink->member, sink->held, sink->used);
	}
	sink->used = 0;
	return sink->stopped;
}

int sb_sink_write(sb_sink *sink, const void *data, size_t size)
{
	if (size <= sizeof(sink->held) - sink->used) {
		memcpy(sink->held + sink->used, data, size);
		sink->used += size;
		return sink->stopped;
	}
	if (sb_sink_flush(sink) != 0)
		return sink->stopped;
	sink->total += size;
	if (sink->kept != NULL)
		sb_buf_add(sink->kept, data, size);
	if (sink->member != NULL)
		sink->stopped = sb_walk_append(sink->member, data, size);
	return sink->stopped;
}

int sb_sink_poll(sb_sink *sink)
{
	if (sink->stopped == 0)
		sink->stopped = sb_walk_poll(sink->walk);
	return sink->stopped;
}

int sb_sink_close(sb_sink *sink)
{
	if (sb_sink_flush(sink) == 0)
		return sb_walk_close(sink->member);
	sb_walk_drop(sink->member);
	return sink->stopped < 0 ? sink->stopped : 0;
}

/* --- Base64 ----------------------------------------------------------------------------- */

enum { NONE = 0x80, PAD = 0x81 };

/* clang-format off */
#define N8 NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE
#define N16 N8, N8
static const uint8_t base64_values[256] = {
	N16, N16,
	N8, NONE, NONE, NONE, 62, NONE, NONE, NONE, 63,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, NONE, NONE, NONE, PAD, NONE, NONE,
	NONE, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, NONE, NONE, NONE, NONE, NONE,
	NONE, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, NONE, NONE, NONE, NONE, NONE,
	N16, N16, N16, N16, N16, N16, N16, N16,
};
/* clang-format on */

int sb_base64_digit(uint8_t c)
{
	return base64_values[c] < NONE ? base64_values[c] : -1;
}

/* As many whole groups of four digits as there are in a row; returns what was read. */
static size_t whole_groups(sb_sink *sink, const uint8_t *data, size_t size)
{
	size_t at = 0;

	while (size - at >= 4) {
		uint8_t a = base64_values[data[at]], b = base64_values[data[at + 1]];
		uint8_t c = base64_values[data[at + 2]], d = base64_values[data[at + 3]];
		uint8_t *out;

		if (((a | b | c | d) & NONE) != 0)
			break;
		if (sizeof(sink->held) - sink->used < 3)
			sb_sink_flush(sink);
		out = sink->held + sink->used;
		out[0] = (uint8_t)(a << 2 | b >> 4);
		out[1] = (uint8_t)(b << 4 | c >> 2);
		out[2] = (uint8_t)(c << 6 | d);
		sink->used += 3;
		at += 4;
	}
	return at;
}

typedef struct group {
	uint32_t bits;
	unsigned digits; /* 0 to 3 */
} group;

/* The bytes of a group that ends early. */
static void end_group(sb_sink *sink, group *g)
{
	if (g->digits >= 2)
		sb_sink_byte(sink, (uint8_t)(g->bits >> (g->digits == 2 ? 4 : 10)));
	if (g->digits == 3)
		sb_sink_byte(sink, (uint8_t)(g->bits >> 2));
	*g = (group){0};
}

static void add_digit(sb_sink *sink, group *g, uint8_t value)
{
	g->bits = g->bits << 6 | value;
	if (++g->digits < 4)
		return;
	sb_sink_byte(sink, (uint8_t)(g->bits >> 16));
	sb_sink_byte(sink, (uint8_t)(g->bits >> 8));
	sb_sink_byte(sink, (uint8_t)g->bits);
	*g = (group){0};
}

int sb_decode_base64(
	sb_sink *sink, const uint8_t *data, size_t size, sb_padding padding, bool *resumed)
{
	group g = {0};
	bool padded = false, more = false;

	for (size_t at = 0, end; at < size && sb_sink_poll(sink) == 0;) {
		end = size - at > SB_DECODE_WINDOW ? at + SB_DECODE_WINDOW : size;
		while (at < end) {
			uint8_t value;

			if (g.digits == 0) {
				size_t done = whole_groups(sink, data + at, end - at);

				more |= padded && done > 0;
				at += done;
				if (at == end)
					break;
			}
			value = base64_values[data[at++]];
			if (value < NONE) {
				more |= padded;
				add_digit(sink, &g, value);
			} else if (value == PAD && padding == SB_PADDING_ENDS_RUN) {
				padded = true;
				end_group(sink, &g);
			}
		}
	}
	end_group(sink, &g);
	if (resumed != NULL)
		*resumed = more;
	return sink->stopped;
}

/* --- Quoted-printable, hex -------------------------------------------------------------- */

int sb_hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The length of a soft line break behind `=`, 0 if there is none. */
static size_t soft_break(const uint8_t *data, size_t size)
{
	size_t at = 0;

	/* A line is at most 998 characters long; this also keeps hostile padding cheap. */
	while (at < size && at < 998 && (data[at] == ' ' || data[at] == '\t'))
		at++;
	if (at == size)
		return at;
	if (data[at] == '\r')
		return at + 1 < size && data[at + 1] == '\n' ? at + 2 : at + 1;
	return data[at] == '\n' ? at + 1 : 0;
}

/* What `=` and the bytes behind it stand for; returns the length of the latter. */
static size_t escape(sb_sink *sink, const uint8_t *data, size_t size)
{
	size_t gap;

	if (size >= 2 && sb_hex_digit(data[0]) >= 0 && sb_hex_digit(data[1]) >= 0) {
		sb_sink_byte(sink, (uint8_t)(sb_hex_digit(data[0]) << 4 | sb_hex_digit(data[1])));
		return 2;
	}
	gap = soft_break(data, size);
	if (gap == 0 && size > 0)
		sb_sink_byte(sink, '=');
	return gap;
}

int sb_decode_quoted(sb_sink *sink, const uint8_t *data, size_t size)
{
	for (size_t at = 0; at < size && sb_sink_poll(sink) == 0;) {
		size_t end = size - at > SB_DECODE_WINDOW ? at + SB_DECODE_WINDOW : size;

		while (at < end) {
			const uint8_t *sign = memchr(data + at, '=', end - at);
			size_t plain = sign != NULL ? (size_t)(sign - data) - at : end - at;

			sb_sink_write(sink, data + at, plain);
			at += plain;
			if (sign != NULL)
				at += 1 + escape(sink, data + at + 1, size - at - 1);
		}
	}
	return sink->stopped;
}

/* --- uuencode --------------------------------------------------------------------------- */

static size_t line_length(const uint8_t *data, size_t size)
{
	size_t at = 0;

	/* Longer lines are no uuencode: 63 bytes are 84 characters, and a little junk. */
	while (at < size && at < 256 && data[at] != '\n' && data[at] != '\r')
		at++;
	return at;
}

static uint8_t uu_value(const uint8_t *line, size_t length, size_t at)
{
	/* Trailing spaces, which are zeros, get lost on the way. */
	return at < length ? (uint8_t)((line[at] - ' ') & 0x3f) : 0;
}

static bool uu_line(sb_sink *sink, const uint8_t *line, size_t length)
{
	size_t count;

	if (length == 0 || line[0] < ' ' || line[0] > '`')
		return false;
	count = uu_value(line, length, 0);
	if (length > 1 + (count + 2) / 3 * 4 + 4 || length + 4 < 1 + count * 4 / 3)
		return false;
	for (size_t i = 1; i < length; i++)
		if (line[i] < ' ' || line[i] > '`')
			return false;
	for (size_t i = 0, at = 1; i < count; i += 3, at += 4) {
		uint8_t a = uu_value(line, length, at), b = uu_value(line, length, at + 1);
		uint8_t c = uu_value(line, length, at + 2), d = uu_value(line, length, at + 3);

		sb_sink_byte(sink, (uint8_t)(a << 2 | b >> 4));
		if (i + 1 < count)
			sb_sink_byte(sink, (uint8_t)(b << 4 | c >> 2));
		if (i + 2 < count)
			sb_sink_byte(sink, (uint8_t)(c << 6 | d));
	}
	return true;
}

int sb_decode_uu(sb_sink *sink, const uint8_t *data, size_t size, size_t *used)
{
	size_t at = 0, polled = 0;

	while (at < size && sink->stopped == 0) {
		size_t length = line_length(data + at, size - at);
		bool end = length >= 3 && memcmp(data + at, "end", 3) == 0;

		if (length > 0 && (end || !uu_line(sink, data + at, length)))
			break;
		at += length;
		if (at < size)
			at++;
		if (at - polled > SB_DECODE_WINDOW) {
			polled = at;
			sb_sink_poll(sink);
		}
	}
	*used = at;
	return sink->stopped;
}
