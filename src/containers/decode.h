/* SPDX-License-Identifier: MIT */
/*
 * Codings that turn text back into bytes: base64, quoted-printable, uuencode, hex. What they
 * decode goes through a sink into a member of the walk, into memory, or both. Tolerant: what a
 * mail program would skip is skipped.
 */
#ifndef SB_CONTAINERS_DECODE_H
#define SB_CONTAINERS_DECODE_H

#include "containers/reader.h"
#include "util/buf.h"

/* Collects small pieces. The first answer of the walk that is not 0 stops it for good. */
typedef struct sb_sink {
	sb_walk *walk;
	sb_unpacking *member; /* NULL: none */
	sb_buf *kept;         /* the same bytes in memory, up to its ceiling; NULL: none */
	int stopped;
	size_t used;
	uint64_t total; /* that went through, what is held excluded */
	uint8_t held[16384];
} sb_sink;

/* Only into memory. */
void sb_sink_memory(sb_sink *sink, sb_walk *walk, sb_buf *kept);
/* Into a new member. Not 0: there is none; negative: pass it up. */
int sb_sink_open(
	sb_sink *sink, sb_walk *walk, const sb_level *level, const char *name, uint64_t packed);
/* Judge the member, or drop it when the sink was stopped. Negative: pass it up. */
int sb_sink_close(sb_sink *sink);
int sb_sink_flush(sb_sink *sink);
int sb_sink_write(sb_sink *sink, const void *data, size_t size);

static inline void sb_sink_byte(sb_sink *sink, uint8_t byte)
{
	if (sink->used == sizeof(sink->held))
		sb_sink_flush(sink);
	sink->held[sink->used++] = byte;
}

/* Input is read in windows of this many bytes, with a look at the time in between. */
enum { SB_DECODE_WINDOW = 65536 };
/* 0, or why to stop. */
int sb_sink_poll(sb_sink *sink);

typedef enum sb_padding {
	SB_PADDING_ENDS_RUN, /* what follows padding is a further run */
	SB_PADDING_IS_JUNK,
} sb_padding;

/* Each returns 0, or what stopped the sink. @p resumed (or NULL): there was more behind padding,
 * which decoders disagree about. */
int sb_decode_base64(
	sb_sink *sink, const uint8_t *data, size_t size, sb_padding padding, bool *resumed);
int sb_decode_quoted(sb_sink *sink, const uint8_t *data, size_t size);
/* Lines up to `end` or one that is none; *used: bytes that were read. */
int sb_decode_uu(sb_sink *sink, const uint8_t *data, size_t size, size_t *used);

/* The value of a base64 or hex digit, or negative. */
int sb_base64_digit(uint8_t c);
int sb_hex_digit(uint8_t c);

#endif
