/* SPDX-License-Identifier: MIT */
/*
 * One run of a program: fed, listened to, bounded in what it says and in how long it takes. It
 * returns when nothing of the program is left.
 */
#ifndef SB_ENGINES_COMMAND_RUN_H
#define SB_ENGINES_COMMAND_RUN_H

#include <scanbridge/sys/engine.h>

#include "util/buf.h"
#include "util/child.h"

enum { SB_COMPLAINT = 300 };

typedef struct sb_run {
	const sb_child_plan *plan; /* with all but the standard descriptors and the status pipe */
	sb_call *call;             /* whose content goes to its standard input; NULL: nobody's */
	const char *text;          /* or this; NULL: nothing */
	bool wrapped;              /* the sandbox reports on the last descriptor */
	uint64_t max_output;       /* bytes, of both streams together */
	uint64_t timeout_ms;
	int cancel_fd; /* -1: never */
} sb_run;

typedef enum sb_run_how {
	SB_RUN_UNTOLD = 0, /* nobody knows: nothing counts */
	SB_RUN_EXITED,     /* number: the status */
	SB_RUN_KILLED,     /* number: the signal */
	SB_RUN_LATE,
	SB_RUN_CANCELLED,
	SB_RUN_FLOODED,
} sb_run_how;

typedef struct sb_run_end {
	sb_run_how how;
	int number;
	uint64_t fed; /* bytes of the content that were taken from the pipe */
	sb_buf output;
	char complaint[SB_COMPLAINT]; /* how its standard error begins, escaped */
} sb_run_end;

/* 0 when it was started, whatever came of it. @p end is to be released in any case. */
int sb_run_do(const sb_run *run, sb_run_end *end, sb_error *error);
void sb_run_end_done(sb_run_end *end);

#endif
