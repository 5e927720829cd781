/* SPDX-License-Identifier: MIT */
/* What policy and the audit log are told of a decided scan. */
#ifndef SB_SCAN_FACTS_H
#define SB_SCAN_FACTS_H

#include "policy/policy.h"
#include "scan/report.h"

/* The facts of a report whose threats and container are merged, before or after policy; they
 * belong to its arena. 0, or -kind when there is no memory: then nobody may be asked. */
int sb_facts_of(sb_facts *facts, sb_report *report);
/* Where local time was then. For rules that ask: the C library has one lock for all threads. */
void sb_facts_add_local_time(sb_facts *facts);

/* How many detections of an engine count: those that are not ignored. */
unsigned sb_counted_detections(const sb_result *result);
/* It should have judged and did not; a list that does not know the content has not failed. */
bool sb_engine_failed(const sb_result *result);

#endif
