/* SPDX-License-Identifier: MIT */
/* The line that tells how far a scan is: made from figures, drawn by output.c. */
#ifndef SB_CLI_PROGRESS_H
#define SB_CLI_PROGRESS_H

#include <stdint.h>

#include "util/buf.h"

typedef struct sb_progress {
	uint64_t files, bytes;             /* done */
	uint64_t found_files, found_bytes; /* known so far */
	bool found_all;                    /* that is all there is */
	double seconds;
	double files_rate, bytes_rate; /* a second, of late; see sb_rate_add() */
	const char *current;           /* escaped path, or NULL */
} sb_progress;

/* What was done at some moments of the last seconds; zeroed to begin with. */
enum { SB_RATE_SAMPLES = 16 };
typedef struct sb_rate {
	struct {
		double seconds;
		uint64_t files, bytes;
	} samples[SB_RATE_SAMPLES]; /* a ring */
	unsigned count;
} sb_rate;

/* Note where @p progress is, and set its rates: over the last 8 seconds at most. */
void sb_rate_add(sb_rate *rate, sb_progress *progress);

/* One line without a newline, at most @p width - 1 columns. */
void sb_progress_format(sb_buf *out, const sb_progress *progress, unsigned width);

#endif
