/* SPDX-License-Identifier: MIT */
/*
 * One run of `scan` or `watch`: a thread finds files, workers scan them, the calling thread draws
 * progress and waits for signals. A first SIGINT or SIGTERM stops the search and, at once or
 * after some grace, cancels what is being scanned; a second one ends the program on the spot,
 * which every file of ours survives.
 */
#ifndef SB_CLI_SCAN_RUN_H
#define SB_CLI_SCAN_RUN_H

#include <scanbridge/scan.h>

#include "cli/feed.h"
#include "cli/output.h"

/* Who finds files, if not a walk over paths. */
typedef struct sb_scan_finder {
	/* In a thread of its own: puts items until it is told to stop. */
	void (*run)(void *data, sb_feed *feed);
	/* Any thread. */
	void (*stop)(void *data);
	/* The end of one scan, its record on disk: show it. NULL report: there is none, for
	 * @p error. False: stop everything. Any thread. */
	bool (*ended)(void *data, const char *path, size_t length, sb_report *report,
		const sb_error *error);
	void *data;
} sb_scan_finder;

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
	const sb_scan_finder *finder; /* NULL: the walk */
	unsigned grace_ms;            /* after a signal, for scans to end by themselves */
	/* SIGHUP: read the configuration anew, 0 or -kind; NULL: as the system has it. */
	int (*reload)(void *data, sb_error *error);
	void *reload_data;
} sb_scan_run;

typedef enum sb_run_end {
	SB_RUN_DONE = 0,
	SB_RUN_INTERRUPTED, /* all threads have ended */
	SB_RUN_TERMINATED,  /* the same, by SIGTERM */
	SB_RUN_STUCK,       /* interrupted, and something does not end: only _exit() is left */
	SB_RUN_FAILED,      /* could not start; the reason was printed */
} sb_run_end;

sb_run_end sb_scan_run_all(const sb_scan_run *run);

#endif
