/* SPDX-License-Identifier: MIT */
/*
 * The files of `watch` that wait to be judged, by path: when each is due, and what becomes of
 * those that could not be judged.
 *
 *   touched ──► waiting ──take──► in work ──done──► (forgotten)
 *                 ▲  ▲               │
 *                 │  └── failed ─────┤   after a pause of its own, 1 s … 5 min
 *                 └───── touched ────┘   it changed while it was judged
 *
 * Many events of one file are one judgement: each puts it off until the file has been quiet for
 * a while, but not for ever. When judging fails again and again the cause is most likely not
 * the file: then one of those that failed is tried now and then, and the others only once
 * something could be judged again.
 *
 * Pure: time and chance come from the caller. Threads: one.
 */
#ifndef SB_CLI_WATCH_PENDING_H
#define SB_CLI_WATCH_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sb_pending sb_pending;

typedef struct sb_pending_file {
	bool closed;  /* seen complete: closed after writing, or moved in under this name */
	unsigned era; /* of the configuration that it is judged by */
	bool again;   /* touched while it was in work */
	bool gone;    /* its name went away while it was in work */
	/* The caller's, kept from take to done: which content was judged. */
	struct sb_watch_identity {
		int64_t dev, ino, size, mtime, ctime; /* times in ns */
	} identity;
	bool too_new;
	/* ours */
	bool in_work;
	unsigned tries; /* failures in a row */
	uint64_t due, first;
	size_t place; /* in its heap */
	struct sb_pending_file *next;
	char path[];
} sb_pending_file;

typedef struct sb_watch_identity sb_watch_identity;

/* Failures in a row that are an outage. */
enum { SB_PENDING_OUTAGE = 3 };

/* @p settle: ns of quiet; @p limit: files at most; @p seed: of the jitter. NULL: no memory. */
sb_pending *sb_pending_new(uint64_t settle, size_t limit, uint64_t seed);
void sb_pending_free(sb_pending *pending);

/* Something happened to a file, or it was found; @p closed: seen complete. False: no room or
 * no memory, it has to be found again later. */
bool sb_pending_touch(sb_pending *pending, const char *path, uint64_t now, bool closed);
/* The name went away; true when the file waits no more, unjudged. */
bool sb_pending_gone(sb_pending *pending, const char *path);

/* When the next is due; SB_NEVER: none is waiting, or all wait for what is in work. */
uint64_t sb_pending_due(const sb_pending *pending);
/* One that is due, in work from now on; NULL: none. */
sb_pending_file *sb_pending_take(sb_pending *pending, uint64_t now);
/* The one in work under this path; NULL: none. */
sb_pending_file *sb_pending_in_work(sb_pending *pending, const char *path);

/* What becomes of a file in work; the pointer is void afterwards. */

/* Judged, or gone, or none of ours: forgotten, unless it was touched meanwhile. */
void sb_pending_done(sb_pending *pending, sb_pending_file *file, uint64_t now, bool judged);
/* Could not be judged; @p after: ns that it was asked to wait at least. */
void sb_pending_failed(sb_pending *pending, sb_pending_file *file, uint64_t now, uint64_t after);
/* Changed while it was judged: once more after a pause, which says nothing about the engines. */
void sb_pending_changed(sb_pending *pending, sb_pending_file *file, uint64_t now);
/* It was not its time yet. */
void sb_pending_put_off(sb_pending *pending, sb_pending_file *file, uint64_t due);

/* Whether its events have put it off long enough. */
bool sb_pending_is_late(const sb_pending *pending, const sb_pending_file *file, uint64_t now);

size_t sb_pending_count(const sb_pending *pending);
/* Failures in a row, over all files; 0: all is well. */
unsigned sb_pending_failures(const sb_pending *pending);

#endif
