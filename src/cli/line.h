/* SPDX-License-Identifier: MIT */
/* Result lines and the summary as text; nothing here writes anywhere. */
#ifndef SB_CLI_LINE_H
#define SB_CLI_LINE_H

#include "cli/output.h"

/* The line for a report. */
void sb_line_from_report(
	sb_buf *out, const char *path, size_t length, const sb_report *report, bool colours);
/* Clean, but by an engine below `min_assurance`: told once in the summary, not file by file. */
bool sb_report_is_low_assurance(const sb_report *report);
/* `symbolic link`, `symbolic links`, … */
const char *sb_skip_name(sb_skip why, uint64_t count);
/* `scanbridge: PATH: message`, the path escaped. */
void sb_output_complain(const char *path, const char *message);

#endif
