/* SPDX-License-Identifier: MIT */
/*
 * Engines in tiers (`tier: N`): those of the lowest number are asked first, and those of the next
 * only where what is known by then asks for more (`decision.next_tier`). An engine whose turn never
 * came is in the report as such; it has no vote, and doesn't fail, required or not. So what is
 * decided is decided by those that were asked: min_engines and min_assurance are about them.
 *
 * An engine of a later tier that has to answer for one that failed is asked then, out of turn.
 */
#ifndef SB_SCAN_TIERS_H
#define SB_SCAN_TIERS_H

#include "scan/job.h"

/* From the start: those of the first tier are to be waited for, and nobody else. */
void sb_tiers_begin(sb_job *job);
/* To be asked now, or before; and nobody has asked it yet. */
bool sb_tiers_wants(const sb_job *job, size_t slot);
/* How many are. */
size_t sb_tiers_wanted(const sb_job *job);
/* Everybody has answered. True: that asks for more, and the next tier is wanted from now on, and
 * pending, with one more for whoever starts it. */
bool sb_tiers_next(sb_job *job);
/* All is decided: who was not asked says so. */
void sb_tiers_tell(sb_job *job);

#endif
