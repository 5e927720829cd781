/* SPDX-License-Identifier: MIT */
/*
 * The audit records of one scan: scan_started, scan_completed, policy_decision, with the fields
 * of interface.md 7. A record has to stay below 8 KiB whatever the names contain: if the whole
 * does not fit, long texts are cut harder, and members that were cut say so.
 */
#ifndef SB_SCAN_RECORD_H
#define SB_SCAN_RECORD_H

#include "audit/audit.h"
#include "scan/report.h"

typedef struct sb_record {
	sb_buf text; /* all bodies, one after the other */
	sb_audit_entry entries[3];
	size_t count;
} sb_record;

void sb_record_init(sb_record *record);
void sb_record_done(sb_record *record);
/* Only scan_started, for a scan that takes long. 0 or -kind. */
int sb_record_started(sb_record *record, const sb_report *report);
/* The rest, with scan_started first if @p with_start. @p policy: digest of the configuration,
 * 32 bytes. */
int sb_record_finished(
	sb_record *record, const sb_report *report, bool with_start, const uint8_t *policy);

#endif
