/* SPDX-License-Identifier: MIT */
/*
 * Known-answer tests: does an engine pass a benign text it has never seen, does it flag EICAR,
 * and what does it prove about its limits. The result is kept in the data directory
 * (checks.json), bound to the engine's identity, so that scans can rely on it without asking.
 */
#ifndef SB_SCAN_CHECK_H
#define SB_SCAN_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include <scanbridge/sys/engine.h>

#include "util/error.h"

struct sb_call;
struct sb_engine;
struct sb_engine_state;
struct sb_manager;
struct sb_site;

struct sb_check {
	struct sb_engine *engine;
	uint64_t deadline;
	struct sb_engine_state *out; /* for what is attested */
	bool on_trial;               /* ends when the manager is closed */
	bool by_itself;              /* not because somebody asked: it can be told to stop */
};

/* Read the stored results into engines that have none; what can't be read is not known. */
void sb_check_load(struct sb_site *site);

/* Until when one test may take. */
uint64_t sb_check_deadline(const struct sb_engine *engine);
/* Let the engine judge, past every gate: the call, ended, with a reference; or NULL. */
struct sb_call *sb_check_call(
	struct sb_check *check, const char *name, const void *data, size_t length, sb_error *error);
/* All tests, and their result kept nowhere: of an engine that does not serve yet. */
int sb_check_trial(struct sb_engine *engine, sb_error *error);

/* For the tester: all tests, with their result kept; or only whether it answers well and its
 * signatures are young enough. 0, or -kind. */
int sb_check_wholly(struct sb_engine *engine, sb_error *error);
int sb_check_quickly(struct sb_engine *engine, sb_error *error);

#endif
