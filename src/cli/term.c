/* SPDX-License-Identifier: MIT */
/* What fits on a terminal, and numbers as people read them. */
#include "cli/term.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "util/text.h"

unsigned sb_term_width(int fd)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return 80;
}

bool sb_term_redraws(int fd)
{
	const char *term = getenv("TERM");

	return isatty(fd) && term != NULL && strcmp(term, "dumb") != 0;
}

bool sb_term_colours(int fd)
{
	const char *no = getenv("NO_COLOR");

	return sb_term_redraws(fd) && (no == NULL || no[0] == '\0');
}

sb_colour sb_colour_of(sb_outcome outcome)
{
	switch (outcome) {
	case SB_OUTCOME_CLEAN:
		return SB_COLOUR_GOOD;
	case SB_OUTCOME_INFECTED:
		return SB_COLOUR_BAD;
	case SB_OUTCOME_SUSPICIOUS:
		return SB_COLOUR_DOUBT;
	case SB_OUTCOME_ERROR:
		break;
	}
	return SB_COLOUR_FAILED;
}

void sb_colour_text(sb_buf *out, sb_colour colour, bool on, const char *text)
{
	static const char *const codes[] = {
		"", "\033[32m", "\033[1;31m", "\033[33m", "\033[35m", "\033[2m", "\033[1m"};

	on = on && colour != SB_COLOUR_NONE;
	if (on)
		sb_buf_text(out, codes[colour]);
	sb_buf_text(out, text);
	if (on)
		sb_buf_text(out, "\033[0m");
}

const char *sb_format_count(char out[SB_NUMBER_SIZE], uint64_t n)
{
	char digits[24];
	int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
	char *p = out;

	for (int i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			*p++ = ',';
		*p++ = digits[i];
	}
	*p = '\0';
	return out;
}

const char *sb_format_bytes(char out[SB_NUMBER_SIZE], double bytes)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	size_t unit = 0;

	while (bytes >= 999.5 && unit + 1 < sizeof units / sizeof units[0]) {
		bytes /= 1000;
		unit++;
	}
	snprintf(out, SB_NUMBER_SIZE, "%.*f %s",
		unit == 0 || bytes >= 99.95 ? 0
		: bytes >= 9.995            ? 1
					    : 2,
		bytes, units[unit]);
	return out;
}

const char *sb_format_elapsed(char out[SB_NUMBER_SIZE], double seconds)
{
	unsigned long long whole = seconds > 0 ? (unsigned long long)(seconds + 0.5) : 0;

	if (seconds < 9.995)
		snprintf(out, SB_NUMBER_SIZE, "%.2f s", seconds);
	else if (seconds < 59.95)
		snprintf(out, SB_NUMBER_SIZE, "%.1f s", seconds);
	else if (whole < 3600)
		snprintf(out, SB_NUMBER_SIZE, "%llu min %02llu s", whole / 60, whole % 60);
	else
		snprintf(out, SB_NUMBER_SIZE, "%llu h %02llu min", whole / 3600, whole / 60 % 60);
	return out;
}

/* One character: its bytes; *columns is set. What is no UTF-8 is one byte, one column. */
static size_t character(const char *text, size_t length, size_t *columns)
{
	size_t bytes = sb_utf8_sequence((const unsigned char *)text, length);

	/* From U+1100 on there are wide ones: better a gap at the edge than a broken line. */
	*columns = bytes > 3 || (bytes == 3 && (unsigned char)text[0] >= 0xe1) ? 2 : 1;
	return bytes > 0 ? bytes : 1;
}

size_t sb_text_columns(const char *text, size_t length)
{
	size_t sum = 0, columns;

	for (size_t i = 0; i < length; sum += columns)
		i += character(text + i, length - i, &columns);
	return sum;
}

void sb_text_tail(sb_buf *out, const char *text, size_t length, size_t columns)
{
	size_t total = sb_text_columns(text, length), i = 0, width;

	if (total <= columns) {
		sb_buf_add(out, text, length);
		return;
	}
	if (columns < 8)
		return;
	while (i < length && total > columns - 3) {
		i += character(text + i, length - i, &width);
		total -= width;
	}
	sb_buf_text(out, "...");
	sb_buf_add(out, text + i, length - i);
}
