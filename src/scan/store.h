/* SPDX-License-Identifier: MIT */
/*
 * The quarantine of one configuration: opened when it is first needed, every operation on record
 * in the audit log before it counts, and what its retention ends deleted without being asked.
 *
 * Threads: any, for everything but sb_store_free().
 */
#ifndef SB_SCAN_STORE_H
#define SB_SCAN_STORE_H

#include "audit/audit.h"
#include "config/config.h"
#include "quarantine/quarantine.h"

typedef struct sb_store sb_store;

/* Touches no disk. @p audit: NULL without an audit log; both outlive the store. */
int sb_store_new(
	sb_store **out, const sb_conf *conf, sb_audit *audit, sb_clock *clock, sb_error *error);
/* Ends the upkeep, and closes what was opened; NULL is fine. */
void sb_store_free(sb_store *store);

/* Belongs to the store; opened, and recovered from a crash, when there is something to do. */
sb_quarantine *sb_store_quarantine(sb_store *store);
/* Where the file store's objects and keys are, absolute; belongs to the store. */
sb_store_files_options *sb_store_options(sb_store *store);

/* Let a thread of the store's own delete what retention has ended, after what a crash left: now,
 * and every hour. */
int sb_store_keep(sb_store *store, sb_error *error);

#endif
