/* SPDX-License-Identifier: MIT */
/*
 * Audit records as events of the Open Cybersecurity Schema Framework, one JSON object a line:
 *
 *   scan_started, scan_completed   Scan Activity 6007
 *   infected, suspicious           Detection Finding 2004, in addition
 *   quarantine_operation           File Remediation Activity 7002
 *
 * A policy_decision has no event of its own: what it says stands in those of its scan. Other
 * records have no class. Nothing depends on the clock: the same log gives the same events.
 */
#ifndef SB_CLI_OCSF_H
#define SB_CLI_OCSF_H

#include <stdbool.h>
#include <stdint.h>

#include "util/buf.h"

typedef struct sb_ocsf sb_ocsf;

sb_ocsf *sb_ocsf_new(void); /* NULL: no memory */
void sb_ocsf_free(sb_ocsf *ocsf);

enum { SB_OCSF_LINE = 8192 }; /* no line of a log is longer */

/* Append the events that a line of the log leads to, in the log's order; none for a seq up to
 * @p after. A scan that is complete waits for the next line, its policy_decision as a rule.
 * False: no record of ours. */
bool sb_ocsf_line(sb_ocsf *ocsf, const char *line, size_t length, uint64_t after, sb_buf *out);
/* Nothing comes any more: append what waits. */
void sb_ocsf_end(sb_ocsf *ocsf, sb_buf *out);

#endif
