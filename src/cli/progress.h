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
	const char *current; /* escaped path, or NULL */
} sb_progress;

/* One line without a newline, at most @p width - 1 columns. */
void sb_progress_format(sb_buf *out, const sb_progress *progress, unsigned width);

#endif
