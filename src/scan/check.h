/* SPDX-License-Identifier: MIT */
/*
 * Known-answer tests: does an engine pass a benign text it has never seen, does it flag EICAR,
 * and what does it prove about its limits. The result is kept in the data directory
 * (checks.json), bound to the engine's identity, so that scans can rely on it without asking.
 */
#ifndef SB_SCAN_CHECK_H
#define SB_SCAN_CHECK_H

struct sb_manager;

/* Read the stored results into the manager's engines; what can't be read is not known. */
void sb_check_load(struct sb_manager *manager);

#endif
