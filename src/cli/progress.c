/* SPDX-License-Identifier: MIT */
/* The parts of the progress line in order of importance: what does not fit is left out. */
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>

#include "cli/term.h"

static void part(sb_buf *out, const char *text, unsigned width)
{
	if (out->length == 0 && strlen(text) < width)
		sb_buf_text(out, text);
	else if (out->length + 2 + strlen(text) < width)
		sb_buf_printf(out, "  %s", text);
}

/* Seconds that are left, by bytes where there are any; negative: nobody knows. */
static double remaining(const sb_progress *p)
{
	if (!p->found_all || p->seconds < 1)
		return -1;
	if (p->found_bytes > p->bytes && p->bytes > 0)
		return (double)(p->found_bytes - p->bytes) * p->seconds / (double)p->bytes;
	if (p->found_files > p->files && p->files > 0)
		return (double)(p->found_files - p->files) * p->seconds / (double)p->files;
	return -1;
}

void sb_progress_format(sb_buf *out, const sb_progress *p, unsigned width)
{
	char text[128], a[SB_NUMBER_SIZE], b[SB_NUMBER_SIZE];
	double left = remaining(p);
	size_t room;

	sb_format_count(a, p->files);
	sb_format_count(b, p->found_files);
	snprintf(text, sizeof text, p->found_all ? "%s of %s files" : "%s files", a, b);
	part(out, text, width);
	part(out, sb_format_bytes(a, (double)p->bytes), width);
	if (p->seconds > 0.2) {
		sb_format_count(a, (uint64_t)((double)p->files / p->seconds));
		snprintf(text, sizeof text, "%s files/s", a);
		part(out, text, width);
		sb_format_bytes(a, (double)p->bytes / p->seconds);
		snprintf(text, sizeof text, "%s/s", a);
		part(out, text, width);
	}
	if (left >= 0) {
		if (left < 60)
			snprintf(text, sizeof text, "%.0f s left", left < 1 ? 1 : left);
		else
			snprintf(text, sizeof text, "%s left", sb_format_elapsed(a, left));
		part(out, text, width);
	}
	room = out->length + 3 < width ? width - out->length - 3 : 0;
	if (p->current != NULL && room >= 12) {
		sb_buf_text(out, "  ");
		sb_text_tail(out, p->current, strlen(p->current), room);
	}
}
