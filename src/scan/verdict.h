/* SPDX-License-Identifier: MIT */
/*
 * From answers to a released verdict: did the content stand still, what do the answers amount
 * to, what does policy make of it, and is it on record.
 */
#ifndef SB_SCAN_VERDICT_H
#define SB_SCAN_VERDICT_H

#include "scan/job.h"

/* The entry of an engine that gave no answer. With the job's lock held, or alone. */
void sb_verdict_blank(sb_job *job, size_t slot, bool abstained, sb_kind kind, const char *format,
	...) SB_PRINTF(5, 6);

/* After the last answer: true when the content changed meanwhile and is to be scanned once
 * more; the job is then as before its content was read. */
bool sb_verdict_again(sb_job *job);

/* Decide, apply policy, fill in the report. */
void sb_verdict_reach(sb_job *job);

/* Its scan_started now, where that is not written yet: something else of this scan will be. Not on
 * the release thread. */
void sb_verdict_write_start(sb_job *job);
/* The report is final: nothing of the content is held any more. */
void sb_verdict_let_go(sb_job *job);
/* Write the records and wait until they are durable, on the caller's thread. */
void sb_verdict_write(sb_job *job);
/* The same for a list of jobs' tasks in one group; those marked @p start_mark are start_tasks. */
void sb_verdict_write_batch(sb_manager *manager, sb_task *first, void (*start_mark)(sb_task *));

#endif
