/* SPDX-License-Identifier: MIT */
/* Terminals and numbers for people. */
#ifndef SB_CLI_TERM_H
#define SB_CLI_TERM_H

#include <stdint.h>

#include "util/buf.h"

/* Columns of the terminal behind @p fd; 80 when it is none or does not tell. */
unsigned sb_term_width(int fd);
/* A terminal on which a line can be drawn again: TERM is set and not dumb. */
bool sb_term_redraws(int fd);
/* One that wants colours, too: NO_COLOR is unset or empty. */
bool sb_term_colours(int fd);

typedef enum sb_colour {
	SB_COLOUR_NONE = 0,
	SB_COLOUR_GOOD,
	SB_COLOUR_BAD,
	SB_COLOUR_DOUBT,
	SB_COLOUR_FAILED,
	SB_COLOUR_DIM,
	SB_COLOUR_STRONG,
} sb_colour;
sb_colour sb_colour_of(sb_outcome outcome);
/* @p text in a colour, if @p on. */
void sb_colour_text(sb_buf *out, sb_colour colour, bool on, const char *text);

enum { SB_NUMBER_SIZE = 32 };
/* 1234567 -> 1,234,567; returns out. */
const char *sb_format_count(char out[SB_NUMBER_SIZE], uint64_t n);
/* Three significant digits, powers of 1000: 79.3 MB; returns out. */
const char *sb_format_bytes(char out[SB_NUMBER_SIZE], double bytes);
/* 0.42 s, 12.3 s, 3 min 07 s, 2 h 05 min; returns out. */
const char *sb_format_elapsed(char out[SB_NUMBER_SIZE], double seconds);

/* Columns that UTF-8 text needs at most: wide characters are counted as two. */
size_t sb_text_columns(const char *text, size_t length);
/* @p text cut at the front to @p columns, with `...` in place of what is gone. */
void sb_text_tail(sb_buf *out, const char *text, size_t length, size_t columns);

#endif
