/* SPDX-License-Identifier: MIT */
/*
 * Known-answer tests: does an engine pass a benign text it has never seen, does it flag EICAR,
 * and what does it prove about its limits. The result is kept in the data directory
 * (checks.json), bound to the engine's identity, so that scans can rely on it without asking.
 */
#ifndef SB_SCAN_CHECK_H
#define SB_SCAN_CHECK_H

#include "util/error.h"

struct sb_engine;
struct sb_manager;

/* Read the stored results into the manager's engines; what can't be read is not known. */
void sb_check_load(struct sb_manager *manager);

/* For the tester: all tests, with their result kept; or only whether it answers well and its
 * signatures are young enough. 0, or -kind. */
int sb_check_wholly(struct sb_engine *engine, sb_error *error);
int sb_check_quickly(struct sb_engine *engine, sb_error *error);

#endif
