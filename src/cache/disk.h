/* SPDX-License-Identifier: MIT */
/*
 * The part on disk: rows of (id, k, g, stored, entry) in a SQLite database in WAL mode.
 *
 *     k      43 bits of the keyed digest of the content's digest, so that neighbours can't be
 *            chosen, then 20 that tell engines and the names they judge by apart. Most of a lookup
 *            is reading pages that the connection hasn't kept: one short number keeps the index
 *            small, and its inner pages at hand.
 *     g      8 bytes of engine_gen's first half: the engine
 *     entry  the entry, then its MAC; all that counts is inside, k, g and stored only find it
 *
 * id grows, so the oldest rows are the lowest: eviction takes them off one end of the table.
 *
 * Readers are a small pool of connections; they don't wait for the writer. There is one writing
 * connection, behind a lock. Databases are numbered, and the number in use is in the page: clearing
 * and setting aside a damaged one mean moving on to the next, which all processes see at once,
 * without pulling a file away from under another's SQLite.
 */
#ifndef SB_CACHE_DISK_H
#define SB_CACHE_DISK_H

#include "cache/page.h"

/* What a connection may keep of the file's pages: from that of a small index to what has the inner
 * pages of a million verdicts. */
enum { SB_DISK_READERS = 8, SB_DISK_KEEP_LEAST = 64 << 10, SB_DISK_KEEP_MOST = 1 << 20 };

typedef struct sb_disk sb_disk;

typedef struct sb_disk_options {
	const char *path; /* of the folder */
	int dir;          /* the same, open; stays the caller's */
	uint64_t limit;   /* bytes */
	uint64_t keep; /* bytes of pages that a connection keeps; one writes besides the readers */
	sb_clock *clock;
} sb_disk_options;

/* NULL: no memory, or no key; why in *error. The database itself is made when it is needed. */
sb_disk *sb_disk_open(const sb_disk_options *options, sb_error *error);
void sb_disk_close(sb_disk *disk);
/* Get ready to read: opening takes longer than a lookup. */
void sb_disk_warm(sb_disk *disk, const sb_page *page);
/* The number to begin with when there is no page: higher than all that are there. */
uint64_t sb_disk_fresh_number(int dir);

typedef enum sb_disk_status {
	SB_DISK_FAILED = 0, /* see sb_disk_state() */
	SB_DISK_OK,
	SB_DISK_NOTHING,
	SB_DISK_DAMAGED, /* the row; *row is its id */
	SB_DISK_BUSY,    /* another process holds it for long */
	SB_DISK_FULL,    /* its limit, or the file system's */
} sb_disk_status;

/* @p out: SB_CACHE_ENTRY_MAX bytes. The entry is authentic, and of this key. */
sb_disk_status sb_disk_get(sb_disk *disk, const sb_page *page, const sb_cache_key *key,
	uint8_t *out, size_t *length, int64_t *row);
/* All authentic entries of a content, newest first; non-zero from each() stops. */
sb_disk_status sb_disk_each(sb_disk *disk, const sb_page *page, const uint8_t hash[SB_BLAKE3_SIZE],
	int (*each)(void *data, const uint8_t *entry, size_t length), void *data);
sb_disk_status sb_disk_count(
	sb_disk *disk, const sb_page *page, uint64_t *entries, uint64_t *bytes);

/* Something to write: an entry, or a damaged row to delete. */
typedef struct sb_disk_item {
	struct sb_disk_item *next;
	uint64_t stamp, stored;
	sb_cache_key key;
	int64_t row; /* to delete, of database `number`; 0: an entry */
	uint64_t number;
	size_t length;   /* of the entry */
	uint8_t entry[]; /* with room for its MAC behind */
} sb_disk_item;
enum { SB_DISK_ITEM_EXTRA = SB_BLAKE3_SIZE };

/* In one transaction, all or nothing. What was forgotten since its stamp was taken is left out. */
typedef struct sb_disk_done {
	uint64_t written, evicted;
} sb_disk_done;
sb_disk_status sb_disk_put(
	sb_disk *disk, const sb_page *page, const sb_disk_item *items, sb_disk_done *done);
/* Rows older than @p stored (ns) at the old end of the table: no more than a thousand a time. */
void sb_disk_sweep(sb_disk *disk, const sb_page *page, uint64_t stored);

/* Remove what is left of databases that were in use before. */
void sb_disk_tidy(sb_disk *disk, const sb_page *page);
/* Mend counters that somebody left odd who died while he was forgetting. */
void sb_disk_settle(sb_disk *disk, const sb_page *page);

/* Forgetting, durable on return; each moves its counter in the page. */
sb_disk_status sb_disk_forget(
	sb_disk *disk, const sb_page *page, const uint8_t hash[SB_BLAKE3_SIZE], uint64_t *count);
sb_disk_status sb_disk_drop(sb_disk *disk, const sb_page *page, const uint8_t gen[SB_GEN_SIZE],
	uint64_t since, uint64_t *count);
void sb_disk_clear(sb_disk *disk, const sb_page *page);

/* Why nothing is stored, into @p out; "" when all is well. */
void sb_disk_state(sb_disk *disk, char *out, size_t room);
/* Whole databases that were set aside by this process. */
uint64_t sb_disk_set_aside(const sb_disk *disk);

#endif
