/* SPDX-License-Identifier: MIT */
/*
 * Engines that answer for others (`on_open: {fallback: NAME}`). An engine's fallback that is
 * asked in the same scan anyway has its answer already; one that isn't waits in reserve behind
 * the engines that are asked, and is asked when it is needed. Whether an answer then counts for
 * another one is the decision's to say (decision.h).
 */
#ifndef SB_SCAN_FALLBACK_H
#define SB_SCAN_FALLBACK_H

#include "scan/job.h"

enum { SB_NO_SLOT = 0xffff };

/* Behind the engines that are asked: those that may have to answer for one of them. */
void sb_fallback_reserve(sb_job *job);
/* With the job's lock, before @p slot is settled: if it has failed and its fallback is in reserve,
 * that one is pending from now on. The slot whose call is to be started once the lock is free,
 * or SB_NO_SLOT; as long as a stream is open, it is for later. */
size_t sb_fallback_need(sb_job *job, size_t slot);
/* The content is whole: a slot that was left for later, each once, then SB_NO_SLOT. */
size_t sb_fallback_deferred(sb_job *job);
/* All calls are settled: each failure that another engine may answer for gets its link … */
void sb_fallback_connect(sb_job *job);
/* … and, at the end, who was not needed leaves the report before. */
void sb_fallback_link(sb_job *job);
/* After the decision: who is only there for another one says so, and what was made use of is
 * counted. */
void sb_fallback_tell(sb_job *job);

#endif
