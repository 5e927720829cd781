/* SPDX-License-Identifier: MIT */
/*
 * The job that event_loop.c, libuv_loop.c and glib_loop.c have in common, so that each of them
 * shows its loop and nothing else: scan the paths of the command line, at most 64 at a time, and
 * print outcome, action and path as the scans end. All of it happens in the loop's thread.
 */
#ifndef SCANS_H
#define SCANS_H

#include <scanbridge/scanbridge.h>

#include <stdio.h>

enum { MAX_IN_FLIGHT = 64 }; /* below the configuration's limits.max_in_flight */

struct scans {
	sb_manager *manager;
	sb_queue *queue;
	sb_error *error;
	char **paths; /* that are still to be scanned, NULL behind the last */
	struct scan {
		struct scans *scans;
		const char *path;
		sb_job *job; /* NULL: free */
	} slots[MAX_IN_FLIGHT];
	size_t in_flight;
	bool held_back, unscanned, interrupted;
};

/* The arguments are CONFIG PATH…; on failure it is said why, and scans_close() still follows. */
static inline bool scans_open(struct scans *scans, int argc, char **argv)
{
	sb_config *config = sb_config_new();
	bool good = false;

	*scans = (struct scans){.error = sb_error_new(), .unscanned = true};
	if (argc < 3) {
		fprintf(stderr, "usage: %s CONFIG PATH...\n", argv[0]);
	} else if (sb_config_load_file(config, argv[1], scans->error) < 0 ||
		   sb_manager_open(&scans->manager, config, scans->error) < 0 ||
		   (scans->queue = sb_queue_new(scans->error)) == NULL) {
		fprintf(stderr, "%s: %s\n", argv[0], sb_error_message(scans->error));
	} else {
		scans->paths = argv + 2;
		scans->unscanned = false;
		good = true;
	}
	sb_config_free(config);
	return good;
}

/* Called by sb_dispatch(), so in the loop's thread. */
static inline void scans_on_done(sb_job *job, void *data)
{
	struct scan *scan = data;
	struct scans *scans = scan->scans;
	sb_report *report;

	if (sb_job_take(job, &report, scans->error) == 0) {
		bool is_error = sb_report_outcome(report) == SB_OUTCOME_ERROR;

		printf("%s %s %s\n", sb_outcome_name(sb_report_outcome(report)),
			sb_action_name(sb_report_action(report)), scan->path);
		if (!sb_report_allowed(report))
			*(is_error ? &scans->unscanned : &scans->held_back) = true;
		sb_report_free(report);
	}
	sb_job_free(job);
	scan->job = NULL;
	scans->in_flight--;
}

/* Begin as many as there is room for; to be called at the start and after every dispatch. False
 * when all have ended: time to leave the loop. */
static inline bool scans_go_on(struct scans *scans)
{
	for (struct scan *scan = scans->slots; scan < scans->slots + MAX_IN_FLIGHT; scan++) {
		sb_input *input;

		if (scan->job != NULL || scans->interrupted || *scans->paths == NULL)
			continue;
		scan->scans = scans;
		scan->path = *scans->paths++;
		input = sb_input_path(scan->path);
		if (sb_submit(&scan->job, scans->manager, input, NULL, scans->queue, scans_on_done,
			    scan, scans->error) == 0) {
			scans->in_flight++;
		} else {
			fprintf(stderr, "%s: %s\n", scan->path, sb_error_message(scans->error));
			scans->unscanned = true;
		}
		sb_input_free(input);
	}
	return scans->in_flight > 0;
}

/* Ctrl-C: begin no more, end those under way. They are still announced, as `error`. */
static inline void scans_cancel(struct scans *scans)
{
	scans->interrupted = true;
	for (size_t i = 0; i < MAX_IN_FLIGHT; i++)
		if (scans->slots[i].job != NULL)
			sb_job_cancel(scans->slots[i].job);
}

/* The exit status of `scanbridge scan`. */
static inline int scans_close(struct scans *scans)
{
	sb_manager_free(scans->manager);
	sb_queue_free(scans->queue);
	sb_error_free(scans->error);
	return scans->interrupted ? 130 : scans->held_back ? 1 : scans->unscanned ? 2 : 0;
}

#endif
