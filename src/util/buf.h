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
/* Room for @p size more bytes behind the contents: write there, then add to length. NULL and
 * failed past the ceiling. */
char *sb_buf_reserve(sb_buf *buf, size_t size);
void sb_buf_add(sb_buf *buf, const void *data, size_t size);
void sb_buf_text(sb_buf *buf, const char *text);
void sb_buf_char(sb_buf *buf, char c);
void sb_buf_printf(sb_buf *buf, const char *format, ...) SB_PRINTF(2, 3);
/* Drop everything from @p length on. */
void sb_buf_cut(sb_buf *buf, size_t length);
/* The contents become the caller's, to be freed with free(); NULL if failed or empty. */
char *sb_buf_take(sb_buf *buf);

#endif
