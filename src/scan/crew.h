/* SPDX-License-Identifier: MIT */
/*
 * Two kinds of helpers for jobs that nobody waits for.
 *
 * A crew: a few threads that run tasks in the order of arrival (reading content).
 * A release: one thread that takes all reports that are ready, writes their audit records as
 * one group, and announces their end. Scanning threads never wait for a disk flush.
 */
#ifndef SB_SCAN_CREW_H
#define SB_SCAN_CREW_H

#include <stdbool.h>

#include "util/error.h"

/* Embedded in what is to be done. */
typedef struct sb_task {
	struct sb_task *next;
	void (*run)(struct sb_task *task);
} sb_task;

typedef struct sb_crew sb_crew;

int sb_crew_open(sb_crew **out, const char *name, unsigned threads, sb_error *error);
/* Runs what still waits, then ends. */
void sb_crew_close(sb_crew *crew);
void sb_crew_put(sb_crew *crew, sb_task *task);

typedef struct sb_release sb_release;

/* @p batch is called on the release's thread with a list of tasks, oldest first. */
int sb_release_open(
	sb_release **out, void (*batch)(void *data, sb_task *first), void *data, sb_error *error);
void sb_release_close(sb_release *release);
/* @p patient: more will follow soon, so that a group of its own is not worth the flush; it is
 * taken after 20 ms, with 128 of its kind, or with the first one that is in a hurry. */
void sb_release_put(sb_release *release, sb_task *task, bool patient);

#endif
