/* SPDX-License-Identifier: MIT */
/*
 * A reader takes apart one family of formats. What every reader shares (limits, paths, facts,
 * problems, recursion) is the walk's: a reader only says what it finds. Adding a format means a
 * reader and a line in the table in walk.c.
 */
#ifndef SB_CONTAINERS_READER_H
#define SB_CONTAINERS_READER_H

#include "containers/containers.h"

typedef struct sb_walk sb_walk;
struct sb_ranges;

/* The bytes that a reader takes apart: a member at some depth. */
typedef struct sb_level {
	const uint8_t *data;
	size_t size;
	const char *name; /* own name, NUL-terminated, may be empty */
	unsigned depth;
	const struct sb_level *outer; /* NULL at depth 0 */
	const char *path;             /* as in sb_member */
	const char *type;             /* format, set by the walk from the reader */
	/* Begins in the middle of other bytes and nothing proves that it is one: its problems, but
	 * for limits, are doubts. */
	bool embedded;
	struct sb_ranges *claimed; /* the walk's: see sb_walk_claim() */
	struct sb_ranges *seen;    /* likewise: see sb_walk_seen() */
} sb_level;

typedef enum sb_likeness {
	SB_NOT_THIS = 0,
	SB_PERHAPS, /* weak signs: when reading fails at once, it was none; no problem */
	SB_SURELY,  /* a signature: when reading fails, it is corrupt */
} sb_likeness;

typedef struct sb_reader_ops {
	const char *name; /* the family, for messages */
	/* Look, quickly, at the first bytes and the last; sets *type, static: `zip`, `7z`, `mail`
	 */
	sb_likeness (*recognise)(const uint8_t *data, size_t size, const char **type);
	/* Report members, facts, problems and doubts. 0, or what a walk function returned: any
	 * negative return of theirs must be passed up at once. */
	int (*take_apart)(sb_walk *walk, const sb_level *level, sb_likeness likeness);
	/* Not NULL: a format without a signature, tried only where the name ends so (any case). */
	const char *suffix;
} sb_reader_ops;

extern const sb_reader_ops sb_reader_zip;     /* zip_reader.c: by directory, by local headers */
extern const sb_reader_ops sb_reader_tar;     /* archive.c: libarchive; may be anything else too */
extern const sb_reader_ops sb_reader_iso;     /* archive.c: likewise */
extern const sb_reader_ops sb_reader_archive; /* archive.c: what begins with its signature */
extern const sb_reader_ops sb_reader_packed;  /* packed.c: one compressed stream: gzip, xz, … */
extern const sb_reader_ops sb_reader_sectors; /* sectors.c: raw sectors of a disc */
extern const sb_reader_ops sb_reader_brotli;  /* brotli.c */
extern const sb_reader_ops sb_reader_mail;    /* mail.c: RFC 5322, MIME, yEnc not */
extern const sb_reader_ops sb_reader_stray;   /* stray.c: encoded parts of mail anywhere */
extern const sb_reader_ops sb_reader_ole;     /* ole.c: MS-CFB, MS-OVBA, Ole10Native */
extern const sb_reader_ops sb_reader_pdf;     /* pdf.c */

/* --- Members ---------------------------------------------------------------------------- */

/* A member whose bytes are already there: counted, judged, taken apart itself. @p data must live
 * until the return. A name of any bytes; NUL and empty are mended. */
int sb_walk_member(sb_walk *walk, const sb_level *level, const char *name, size_t name_length,
	const void *data, size_t size);

/* A member that is unpacked piece by piece. open, then append as long as it returns 0, then
 * close (which judges and takes it apart) or drop. @p packed: its size in the container, 0 when
 * unknown: the container's own is taken for the ratio. append returns 1 when a limit was hit: the
 * problem is recorded, the member is to be dropped, and the reader goes on with the next or
 * ends. */
typedef struct sb_unpacking sb_unpacking;
int sb_walk_open(sb_walk *walk, const sb_level *level, const char *name, size_t name_length,
	uint64_t packed, sb_unpacking **out);
int sb_walk_append(sb_unpacking *member, const void *data, size_t size);
int sb_walk_close(sb_unpacking *member);
void sb_walk_drop(sb_unpacking *member);
/* Bytes of the level that a format lets unpackers pass over: a member, when they are worth it. */
int sb_walk_scrap(
	sb_walk *walk, const sb_level *level, const char *name, uint64_t from, uint64_t size);
/* Likewise fields as zip and gzip have them: two bytes say which, two how long. */
int sb_walk_fields(sb_walk *walk, const sb_level *level, uint64_t from, uint64_t size);
/* Drop, and let its bytes not count: the reader takes another way to them. */
void sb_walk_undo(sb_unpacking *member);

/* --- What else there is to say ------------------------------------------------------------ */

/* Something can't be looked at. @p member: its name, or NULL for the container as such. The
 * gravest kind is kept, of those the first. Also sets the fact that belongs to it. */
void sb_walk_problem(sb_walk *walk, const sb_level *level, const char *member, sb_kind kind,
	const char *format, ...) SB_PRINTF(5, 6);
void sb_walk_doubt(sb_walk *walk, const sb_level *level, const char *format, ...) SB_PRINTF(3, 4);
void sb_walk_fact(sb_walk *walk, unsigned facts); /* enum sb_container_fact */

/* Bytes of the level that are accounted for: what lies between is searched for embedded
 * archives. Members whose bytes lie in the level (stored ones) are claimed by themselves. */
void sb_walk_claim(const sb_level *level, uint64_t from, uint64_t to);

/* Bytes whose encoded parts, as mail has them, come out without a search for them. Members whose
 * bytes lie in a level are such by themselves. */
void sb_walk_seen(const sb_level *level, uint64_t from, uint64_t to);

/* Negative when the walk must stop (no time left, or member() said so): pass it up. To be asked
 * in every loop that hostile content can make long. */
int sb_walk_poll(sb_walk *walk);
const char *const *sb_walk_passwords(const sb_walk *walk); /* NULL-terminated, never NULL */
const sb_container_limits *sb_walk_limits(const sb_walk *walk);

#endif
