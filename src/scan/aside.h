/* SPDX-License-Identifier: MIT */
/*
 * What policy holds back goes into quarantine before its verdict is released: the copy, and then,
 * if that is wanted, the original.
 */
#ifndef SB_SCAN_ASIDE_H
#define SB_SCAN_ASIDE_H

#include "scan/job.h"

/* After the verdict was reached: whether there is something to put aside. */
bool sb_aside_wanted(const sb_job *job);
/* Put it aside, and say in the report what became of it. Waits for the disk: not for the threads
 * of engines or of the audit log. */
void sb_aside(sb_job *job);

#endif
