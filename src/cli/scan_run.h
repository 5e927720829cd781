/* SPDX-License-Identifier: MIT */
/*
 * One run of `scan`: a thread walks, workers scan what it finds, the calling thread draws
 * progress and waits for signals. A first SIGINT or SIGTERM stops the walk and cancels what is
 * being scanned; a second one ends the program on the spot, which every file of ours survives.
 */
#ifndef SB_CLI_SCAN_RUN_H
#define SB_CLI_SCAN_RUN_H

#include <scanbridge/scan.h>

#include "cli/output.h"

typedef struct sb_scan_run {
	sb_manager *manager;
	const sb_scan_options *options; /* with `cancel` set in them */
	sb_cancel *cancel;
	sb_output *output;
	unsigned jobs;
	unsigned in_flight; /* scans at once, those that wait for their record counted */
	uint64_t budget;    /* bytes in work at once */
	sb_walk_options walk;
	char *const *paths;
	size_t path_count;
	const char *file_list; /* `-`: standard input; NULL: none */
	bool nul_separated;
	const char *stdin_name; /* for `-`; NULL: none */
	bool progress;
} sb_scan_run;

typedef enum sb_run_end {
	SB_RUN_DONE = 0,
	SB_RUN_INTERRUPTED, /* all threads have ended */
	SB_RUN_STUCK,       /* interrupted, and something does not end: only _exit() is left */
	SB_RUN_FAILED,      /* could not start; the reason was printed */
} sb_run_end;

sb_run_end sb_scan_run_all(const sb_scan_run *run);

#endif
