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
int sb_store_new(sb_store **out, const sb_conf *conf, sb_audit *audit, sb_clock *clock,
	sb_error *error);
/* Ends the upkeep, and closes what was opened; NULL is fine. */
void sb_store_free(sb_store *store);

/* Where objects and keys are, absolute; belongs to the store. */
const sb_store_files_options *sb_store_options(const sb_store *store);
/* Opened, and recovered from a crash, at the first call; a failure is tried again at the next.
 * NULL and @p error, with the folder in the message. */
sb_quarantine *sb_store_open(sb_store *store, sb_error *error);
/* Nothing was ever stored: there is nothing to open. */
bool sb_store_is_empty(const sb_store *store);

/* Let a thread of the store's own delete what retention has ended, after what a crash left: now,
 * and every hour. */
int sb_store_keep(sb_store *store, sb_error *error);

#endif
