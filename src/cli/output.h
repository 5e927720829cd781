/* SPDX-License-Identifier: MIT */
/*
 * What a scan tells: a line for every file that needs one (or its report as JSON), counts, the
 * summary, and the exit status that follows from the counts.
 */
#ifndef SB_CLI_OUTPUT_H
#define SB_CLI_OUTPUT_H

#include <scanbridge/report.h>

#include "cli/walk.h"
#include "util/buf.h"

/* --- One file ------------------------------------------------------------------------- */

/* How a file is told in one line; texts are as they came, the line escapes them. */
typedef struct sb_line {
	const char *path;
	size_t path_length;
	sb_outcome outcome;
	sb_action action;
	const char *const *threats;
	size_t threat_count;
	const char *const *engines; /* those that say it */
	size_t engine_count;
	const sb_error *error;     /* or NULL */
	const char *quarantine_id; /* or NULL */
	bool removed;              /* the original */
	const char *kept;          /* why it was not removed though it was to be; or NULL */
} sb_line;

/* `PATH: outcome threat [engines] -> action (quarantine id)` with a newline. */
void sb_line_format(sb_buf *out, const sb_line *line, bool colours);

/* --- Counts --------------------------------------------------------------------------- */

typedef struct sb_tally {
	uint64_t files, bytes;
	uint64_t judged;        /* bytes of files that ended without an error */
	uint64_t found;         /* files that the walk has found, scanned or not */
	uint64_t outcomes[4];   /* by sb_outcome */
	uint64_t judged_denied; /* outcome other than error, not allowed */
	uint64_t errors_denied; /* outcome error, not allowed */
	uint64_t unopened;      /* paths that could not be opened, whatever policy says */
	uint64_t failed;        /* no report could be made */
	uint64_t cached, unpinned, low_assurance;
	uint64_t quarantined, removed, not_removed; /* objects; originals */
	uint64_t skipped[SB_SKIP_COUNT_];
	uint64_t vanished, unchanged, left; /* of `watch`, see sb_output_watched() */
	char assurance_reason[256];
} sb_tally;

void sb_tally_report(sb_tally *tally, const sb_report *report);
/* 0, 1, 2 or 130, as interface.md 3 has it. */
int sb_tally_status(const sb_tally *tally, bool interrupted, bool output_failed);
/* For standard error, at most @p width columns where words allow it. */
void sb_summary_format(sb_buf *out, const sb_tally *tally, double seconds, bool interrupted,
	unsigned width, bool colours);

/* --- The whole ------------------------------------------------------------------------ */

typedef struct sb_output_options {
	bool json, verbose, quiet, progress;
	bool colours_out, colours_err;
} sb_output_options;

/* Threads: any; one line at a time. */
typedef struct sb_output sb_output;

sb_output *sb_output_new(const sb_output_options *options);
void sb_output_free(sb_output *output);

/* Each may write; false when standard output can't take any more (told once). */
bool sb_output_report(sb_output *output, const char *path, size_t length, sb_report *report);
/* @p path could not be scanned and there is no report of it. */
void sb_output_failed(sb_output *output, const char *path, const sb_error *error);
void sb_output_unopened(sb_output *output, const char *path, const char *message);
void sb_output_skipped(sb_output *output, const char *path, sb_skip why);
/* A line for people on standard error, unless quiet. */
void sb_output_note(sb_output *output, const char *text);
/* For the summary: files that were gone before they were scanned, that were judged before, and
 * that are left to be judged. */
void sb_output_watched(sb_output *output, uint64_t vanished, uint64_t unchanged, uint64_t left);
bool sb_output_broken(sb_output *output);

/* The walk has found a file; what is being scanned now. */
void sb_output_found(sb_output *output, uint64_t bytes);
void sb_output_found_all(sb_output *output);
void sb_output_begins(sb_output *output, const char *path, size_t length);
/* Redraw the progress line; to be called a few times a second. */
void sb_output_tick(sb_output *output);

/* The summary, unless quiet; the exit status. */
int sb_output_finish(sb_output *output, bool interrupted);

#endif
