/* SPDX-License-Identifier: MIT */
/* Between the files that a job's life is written in. */
#ifndef SB_SCAN_JOB_OWN_H
#define SB_SCAN_JOB_OWN_H

#include "scan/job.h"

/* One reference, and counted as in flight; or NULL and why. */
sb_job *sb_job_make(sb_manager *manager, const sb_input *input, const sb_scan_options *options,
	sb_error *error);
/* It has ended, and with it one reference: the manager may go. */
void sb_job_leave(sb_job *job);
/* Tells a job's start_task from its task: both are in lists of the release thread. */
void sb_job_start_mark(sb_task *task);

#endif
