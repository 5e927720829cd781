/* SPDX-License-Identifier: MIT */
/*
 * A growing byte buffer with a ceiling that is set when it is made. Appending past the
 * ceiling or out of memory sets `failed` and changes nothing more: check once at the end.
 * `data` is NUL-terminated once anything was appended.
 */
#ifndef SB_UTIL_BUF_H
#define SB_UTIL_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include <scanbridge/types.h>

typedef struct sb_buf {
	char *data;
	size_t length, capacity, max;
	bool failed;
} sb_buf;

void sb_buf_init(sb_buf *buf, size_t max);
void sb_buf_done(sb_buf *buf);
void sb_buf_clear(sb_buf *buf);
/* Where there is no room: sb_buf_reserve() asks. */
char *sb_buf_grow(sb_buf *buf, size_t size);

/* Room for @p size more bytes behind the contents: write there, then add to length. NULL and
 * failed past the ceiling. */
static inline char *sb_buf_reserve(sb_buf *buf, size_t size)
{
	/* Room for the NUL as well; what is there is never beyond the ceiling. */
	return !buf->failed && size < buf->capacity - buf->length ? buf->data + buf->length
								  : sb_buf_grow(buf, size);
}

void sb_buf_add(sb_buf *buf, const void *data, size_t size);
void sb_buf_text(sb_buf *buf, const char *text);

static inline void sb_buf_char(sb_buf *buf, char c)
{
	char *room = sb_buf_reserve(buf, 1);

	if (room == NULL)
		return;
	room[0] = c;
	room[1] = '\0';
	buf->length++;
}

void sb_buf_printf(sb_buf *buf, const char *format, ...) SB_PRINTF(2, 3);
/* Drop everything from @p length on. */
void sb_buf_cut(sb_buf *buf, size_t length);
/* The contents become the caller's, to be freed with free(); NULL if failed or empty. */
char *sb_buf_take(sb_buf *buf);

#endif
