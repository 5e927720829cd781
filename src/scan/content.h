/* SPDX-License-Identifier: MIT */
/*
 * Content: a private, immutable snapshot of the bytes to judge. What is hashed is what is
 * scanned is what is kept.
 *
 *   where the bytes are                 pinned because
 *   ----------------------------------  ---------------------------------------------------
 *   BORROWED  the caller's memory       the caller promised, until sb_scan() returns
 *   MEMORY    our own heap              nobody else has it (up to `small`, 16 MiB)
 *   MEMFD     sealed memory file        sealed against write, grow, shrink
 *   SPOOL     unlinked file of ours     nobody else has it
 *   FILE      the file itself           read lease held from before the hash to the end,
 *                                       or a reflink/copy of ours; else not pinned
 *
 * A path or descriptor scan of up to `small` bytes is read once into MEMORY (a sealed memfd
 * is made from it only when an engine asks for a descriptor); larger files are pinned by a
 * read lease, else a reflink, else, if `copy_unpinned` is set, a copy in the spool; else they
 * are scanned as they are and marked. Streams go to memory, then a memfd, then a spool file.
 *
 * All content of one sb_spool shares its memory and disk budgets: a reservation that does
 * not fit is `overloaded`. A memfd is memory that the process's RSS does not show, so both
 * heap and memfd are counted in the memory budget.
 *
 * Threads: after it is complete, content may be read by any number of threads at once.
 */
#ifndef SB_SCAN_CONTENT_H
#define SB_SCAN_CONTENT_H

#include <sys/stat.h>

#include "util/clock.h"
#include "util/error.h"
#include "util/hash.h"

/* --- The budgets of one manager -------------------------------------------------------- */

typedef struct sb_spool sb_spool;

typedef struct sb_spool_limits {
	uint64_t memory; /* bytes of heap and memfd over all scans */
	uint64_t disk;   /* bytes of spool files over all scans */
	uint64_t small;  /* up to this size a file is read into memory; 0: 16 MiB */
	bool copy_unpinned;
} sb_spool_limits;

/* @p dir: where spool files live (unlinked at once, O_TMPFILE where there is), usually
 * <data_dir>/spool; created 0700 if missing; copied. Starts the thread that receives lease
 * breaks when the first lease is taken. */
int sb_spool_open(sb_spool **out, const char *dir, const sb_spool_limits *limits, sb_error *error);
/* After the last content is gone. */
void sb_spool_close(sb_spool *spool);
/* What is reserved now, for tests and metrics. */
void sb_spool_usage(sb_spool *spool, uint64_t *memory, uint64_t *disk);

/* --- One content ------------------------------------------------------------------------ */

typedef struct sb_content sb_content;

/*
 * Each makes complete, hashed content or fails with: file_not_found, io (with errno; EACCES,
 * EIO), unsupported (FIFO, socket, device, directory), file_too_large (size and limit in the
 * message; found before reading where the size is known, and by counting where not),
 * overloaded (budget), changed (file shrank or grew while it was read).
 * @p size, when not NULL, receives the size as far as it is known, also on failure.
 */
typedef struct sb_content_source {
	sb_spool *spool;
	uint64_t max_size; /* bytes */
	uint64_t deadline; /* sb_clock_now() of @p clock; reading stops there with `timeout` */
	const sb_clock *clock;
	/* set while reading must stop; NULL: never */
	const _Atomic(bool) *cancelled;
} sb_content_source;

/* By a name below dir_fd (AT_FDCWD: a path). @p follow: whether a symbolic link as last part
 * is followed. Opened O_RDONLY|O_NONBLOCK|O_NOCTTY|O_CLOEXEC, then looked at by fstat. */
int sb_content_open(sb_content **out, const sb_content_source *source, int dir_fd, const char *name,
	bool follow, uint64_t *size, sb_error *error);
/* By a descriptor, which stays the caller's: a regular file from offset 0 (by an open file
 * description of its own; refused as `io` when it isn't readable), a pipe or socket until its
 * end (waits with poll, minds deadline and cancelled). */
int sb_content_from_fd(
	sb_content **out, const sb_content_source *source, int fd, uint64_t *size, sb_error *error);
/* Borrow (copy false) or copy memory. */
int sb_content_from_memory(sb_content **out, const sb_content_source *source, const void *data,
	size_t length, bool copy, sb_error *error);

/* A stream: begin, append …, then end or fail. One writer. Readers may follow while it grows
 * with sb_content_follow(). */
int sb_content_stream(sb_content **out, const sb_content_source *source, sb_error *error);
int sb_content_append(sb_content *content, const void *data, size_t length, sb_error *error);
/* Whole: seals and fixes the digest. */
int sb_content_end(sb_content *content, sb_error *error);
/* Broken off: followers get `why`. */
void sb_content_fail(sb_content *content, const sb_error *why);
/*
 * Wait until there are bytes behind @p offset and read up to @p length of them; 0 when the
 * stream has ended there, -kind when it broke off, at the deadline (`timeout`) or when
 * *cancelled turned true (`cancelled`; call sb_content_kick() after setting it). Works on
 * complete content too.
 */
int64_t sb_content_follow(sb_content *content, uint64_t offset, void *buffer, size_t length,
	uint64_t deadline, const _Atomic(bool) *cancelled, sb_error *error);
void sb_content_kick(sb_content *content);

sb_content *sb_content_ref(sb_content *content);
void sb_content_unref(sb_content *content); /* NULL is fine */
/* Wait until nobody else holds it, if it is borrowed memory: an engine that was given up may still
 * be looking. To be called by whoever has to give the memory back, before the last unref. */
void sb_content_wait_alone(sb_content *content);

uint64_t sb_content_size(const sb_content *content);
/* Always there for complete content. */
const uint8_t *sb_content_blake3(const sb_content *content);
/* Computed at the first call (one thread does it, others wait), from the same bytes. */
int sb_content_sha256(sb_content *content, uint8_t out[SB_SHA256_SIZE], sb_error *error);
int sb_content_md5(sb_content *content, uint8_t out[SB_MD5_SIZE], sb_error *error);
/* The digest if somebody computed it already; NULL otherwise. */
const uint8_t *sb_content_sha256_if_known(const sb_content *content);
const uint8_t *sb_content_md5_if_known(const sb_content *content);

/* All bytes when they are in memory (BORROWED, MEMORY, mapped MEMFD), else NULL. */
const void *sb_content_memory(const sb_content *content, size_t *length);
/* A read-only descriptor of a regular file or sealed memfd that holds exactly the content: an
 * open file description of its own at offset 0, the caller's to close. Thread-safe; makes the
 * memfd at the first call. -1 and error on failure. */
int sb_content_fd(sb_content *content, sb_error *error);
/* Number of bytes read, 0 at the end, -kind. `changed` when a FILE ends early. */
int64_t sb_content_read(
	sb_content *content, uint64_t offset, void *buffer, size_t length, sb_error *error);

/*
 * Did the bytes stand still? To be asked after the last engine has answered.
 *   PINNED    nobody could change them, from before the hash until now
 *   UNPINNED  nothing proves that they did not change: to be marked, never cached
 *   CHANGED   they did: identity (dev, ino), size, mtime or ctime differ, or the lease broke
 *             and the digest over the file differs now
 */
typedef enum sb_content_state {
	SB_CONTENT_STATE_UNPINNED = 0,
	SB_CONTENT_STATE_PINNED,
	SB_CONTENT_STATE_CHANGED,
} sb_content_state;
sb_content_state sb_content_check(sb_content *content);
/* Is it PINNED until now? Without looking at the bytes. */
bool sb_content_is_pinned(const sb_content *content);

/* stat of the file as it was opened; false for memory and streams. */
bool sb_content_stat(const sb_content *content, struct stat *out);

#endif
