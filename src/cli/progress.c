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

void sb_rate_add(sb_rate *rate, sb_progress *p)
{
	const double apart = 0.5;
	unsigned newest = (rate->count + SB_RATE_SAMPLES - 1) % SB_RATE_SAMPLES;
	unsigned oldest = rate->count < SB_RATE_SAMPLES ? 0 : rate->count % SB_RATE_SAMPLES;
	double files = (double)p->files, bytes = (double)p->bytes, over = p->seconds;

	if (rate->count > 0) {
		over -= rate->samples[oldest].seconds;
		files -= (double)rate->samples[oldest].files;
		bytes -= (double)rate->samples[oldest].bytes;
	}
	p->files_rate = over > 0 ? files / over : 0;
	p->bytes_rate = over > 0 ? bytes / over : 0;
	if (rate->count > 0 && p->seconds < rate->samples[newest].seconds + apart)
		return;
	newest = rate->count++ % SB_RATE_SAMPLES;
	rate->samples[newest].seconds = p->seconds;
	rate->samples[newest].files = p->files;
	rate->samples[newest].bytes = p->bytes;
}

static double rest(uint64_t found, uint64_t done, double seconds)
{
	return found > done && done > 0 ? (double)(found - done) * seconds / (double)done : 0;
}

/* Seconds that are left: what files ask for, or bytes, whichever is more. Over the whole time,
 * since the next large file would turn every shorter one upside down. Negative: nobody knows. */
static double remaining(const sb_progress *p)
{
	double by_files = rest(p->found_files, p->files, p->seconds);
	double by_bytes = rest(p->found_bytes, p->bytes, p->seconds);

	if (!p->found_all || p->seconds < 1 || p->files == 0)
		return -1;
	return by_files > by_bytes ? by_files : by_bytes;
}

static void put_remaining(sb_buf *out, double left, unsigned width)
{
	char text[SB_NUMBER_SIZE + 8], a[SB_NUMBER_SIZE];

	if (left < 0)
		return;
	if (left < 60)
		snprintf(text, sizeof text, "%.0f s left", left < 1 ? 1 : left);
	else
		snprintf(text, sizeof text, "%s left", sb_format_elapsed(a, left));
	part(out, text, width);
}

void sb_progress_format(sb_buf *out, const sb_progress *p, unsigned width)
{
	char text[128], a[SB_NUMBER_SIZE], b[SB_NUMBER_SIZE];
	size_t room;

	sb_format_count(a, p->files);
	sb_format_count(b, p->found_files);
	/* A plus: the walk goes on. */
	snprintf(text, sizeof text, "%s of %s%s files", a, b, p->found_all ? "" : "+");
	part(out, text, width);
	put_remaining(out, remaining(p), width);
	part(out, sb_format_bytes(a, (double)p->bytes), width);
	if (p->seconds > 0.2) {
		sb_format_count(a, (uint64_t)p->files_rate);
		snprintf(text, sizeof text, "%s files/s", a);
		part(out, text, width);
		sb_format_bytes(a, p->bytes_rate);
		snprintf(text, sizeof text, "%s/s", a);
		part(out, text, width);
	}
	room = out->length + 3 < width ? width - out->length - 3 : 0;
	if (p->current != NULL && room >= 12) {
		sb_buf_text(out, "  ");
		sb_text_tail(out, p->current, strlen(p->current), room);
	}
}
