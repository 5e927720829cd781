/* SPDX-License-Identifier: MIT */
/*
 * `watch`: brings together what is heard (watch_tree), what waits (watch_pending), what was
 * judged before (watch_state), and the crew that scans (scan_run). One thread does all of it;
 * others only hand in what ended.
 */
#ifndef SB_CLI_WATCH_H
#define SB_CLI_WATCH_H

#include "cli/scan_run.h"

typedef struct sb_watch sb_watch;

typedef struct sb_watch_plan {
	char *const *roots; /* as given, without slashes at the end */
	size_t root_count;
	sb_walk_options walk;
	const char *audit_file; /* never judged, since judging writes to it; NULL: none */
	const uint8_t *digest;  /* 32 bytes: of all that verdicts depend on */
	uint64_t settle_ms;     /* a file must have been quiet for so long */
	sb_output *output;
} sb_watch_plan;

/* What the plan points to must outlive it. */
int sb_watch_new(sb_watch **out, const sb_watch_plan *plan, sb_error *error);
void sb_watch_free(sb_watch *watch);

/* Another configuration judges from now on: what was judged by others is judged anew, as after a
 * start. @p digest: 32 bytes. Any thread. */
void sb_watch_judge_by(sb_watch *watch, const uint8_t *digest);

/* The crew's. */
sb_scan_finder sb_watch_finder(sb_watch *watch);
/* After the crew has ended: what it handed in last; tell the output what was left. False: the
 * watch ended by itself, since it could not go on; the reason was printed. */
bool sb_watch_finish(sb_watch *watch);

/* sd_notify(3): tell the service manager that started us, if one did. */
void sb_watch_notify(const char *state);

#endif
