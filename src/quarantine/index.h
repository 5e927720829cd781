/* SPDX-License-Identifier: MIT */
/*
 * The index of a file store: one SQLite database (WAL, every commit flushed), shared by any
 * number of processes. It is what is listed and searched; all of it can be had again from the
 * objects, except which other places had the same content, and the counters.
 *
 *   objects   one row each; the record's JSON, the changing state, and what lists are by
 *   places    further paths where the same content was found
 *   pending   what a process is doing to an object: `store`, then `audit` until the hook
 *             has run; `change`, `delete`; and who. What a crash left is known from here, and of
 *             two that would change one object the second finds it `busy`
 *   claims    originals that are being removed
 *   rate      removed originals per minute
 *
 * Threads: none of these functions locks; the store does.
 */
#ifndef SB_QUARANTINE_INDEX_H
#define SB_QUARANTINE_INDEX_H

#include <sqlite3.h>

#include "quarantine/quarantine.h"

/* In `objects.state` while it is being destroyed: no longer found. */
enum { SB_INDEX_DELETING = 100 };

typedef struct sb_index {
	sqlite3 *db;
} sb_index;

/* Open or create (0600) `index.sqlite` in the folder. *fresh: there was none, and a transaction
 * is open in which it is to be filled: sb_index_end() makes both true, or neither. */
sb_quarantine_status sb_index_open(
	sb_index *index, int dir, const char *path, bool *fresh, sb_error *error);
void sb_index_close(sb_index *index);

/* The only writer from here to the end. */
sb_quarantine_status sb_index_begin(sb_index *index, sb_error *error);
/* Commit when @p status is OK, else roll back; returns the graver of the two. */
sb_quarantine_status sb_index_end(sb_index *index, sb_quarantine_status status, sb_error *error);

/*
 * One statement: `?` are bound from the arguments by the letters of @p types: t text (NULL
 * allowed), i int64_t, b bytes and length (size_t). @p row (NULL: none expected) is called for
 * every row; not 0 stops.
 */
typedef int (*sb_index_row)(void *data, sqlite3_stmt *row);
sb_quarantine_status sb_index_run(sb_index *index, sb_error *error, sb_index_row row, void *data,
	const char *sql, const char *types, ...);
/* The number of rows that the last statement changed. */
uint64_t sb_index_changes(const sb_index *index);
/* For `row`, with `data` an int64_t: the first column. */
int sb_index_number(void *data, sqlite3_stmt *row);

/* The row of this object, new or in place of an old one. @p stored: bytes on disk. */
sb_quarantine_status sb_index_put(sb_index *index, const sb_quarantine_record *record,
	const char *text, uint64_t stored, sb_error *error);
sb_quarantine_status sb_index_get(sb_index *index, const char *id, sb_arena *arena,
	sb_quarantine_record *out, sb_error *error);
sb_quarantine_status sb_index_list(sb_index *index, const sb_quarantine_filter *filter,
	uint64_t now, sb_quarantine_each each, void *data, sb_error *error);

/* rate.c: takes one of @p max removals of the last hour; 0: no limit. RATE when there is none
 * left; to be called in a transaction. */
sb_quarantine_status sb_index_take_removal(
	sb_index *index, uint64_t now, uint64_t max, sb_error *error);

#endif
