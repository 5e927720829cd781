/* SPDX-License-Identifier: MIT */
/*
 * Quarantine: encrypted copies of what policy holds back, and all that is done with them.
 *
 * A store (file store, memory store, none, or somebody's own by sb_store_ops) keeps the bytes;
 * this front gives every store the same rules: the order of audit and act, which states lead
 * where, who may be read, deleted, restored. The order of a commit, numbers of safety.md 6:
 *
 *     sb_quarantine_commit()            0–7 in the store, 8 by the hook (`stored`)
 *     sb_quarantine_remove_original()   9–11, with the hooks `remove_intent` and `removed`
 *
 * The caller answers (12) when both returned.
 *
 * Hooks write the audit log. One that fails before an act prevents it; one that fails behind
 * it makes the call fail with AUDIT, and the act stands. What was committed but not yet said
 * is said again when the store is opened the next time.
 *
 * What programs may call is in <scanbridge/quarantine.h>, what a store is in
 * <scanbridge/sys/store.h>: both are implemented here. This header adds what only the library does:
 * making a quarantine, filling it, and removing originals.
 */
#ifndef SB_QUARANTINE_QUARANTINE_H
#define SB_QUARANTINE_QUARANTINE_H

#include <sys/stat.h>
#include <sys/types.h>

#include <scanbridge/sys/store.h>

#include "util/arena.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/hash.h"

/* --- Words --------------------------------------------------------------------------------- */

/* What an audit record says of it: the operation (`store`, `remove`, `get`, `restore`, `delete`,
 * `purge`, `release`, `reject`, `hold`, `unhold`, `rekey`, `verify`), and how far it has come
 * (`intent`, `done`, `failed`; `aborted` for a commit that left nothing). */
const char *sb_quarantine_event_operation(sb_quarantine_event event);
const char *sb_quarantine_event_phase(sb_quarantine_event event);

/* INTEGRITY, with both digests in the message. */
sb_quarantine_status sb_quarantine_mismatch(
	sb_error *error, const char *what, const uint8_t *expected, const uint8_t *actual);

/* For `read` of a content, with `data` an int *: a descriptor. */
int64_t sb_quarantine_read_fd(
	void *data, uint64_t offset, void *buffer, size_t length, sb_error *error);

/* --- Making one ------------------------------------------------------------------------------ */

typedef struct sb_quarantine_options {
	sb_quarantine_hooks hooks; /* event NULL: none */
	sb_clock *clock;
	uint64_t retention;    /* ns; 0: for ever */
	uint64_t max_per_hour; /* originals removed; 0: no limit */
	/* Ids and names; NULL: sb_random(). */
	void (*random)(void *out, size_t length);
	/* Folders below which is restored, absolute; none: anywhere. */
	const char *const *roots;
	size_t root_count;
	/* Put on record that what was released may pass; *added false: it was there already. NULL:
	 * a release changes the object only. */
	int (*allow)(void *data, const sb_quarantine_record *record, const char *reason,
		bool *added, sb_error *error);
	/* The last that is heard of the quarantine; NULL: nobody cares. */
	void (*closed)(void *data);
	void *data; /* of these two */
} sb_quarantine_options;

/* Takes @p self over, also on failure; recovers what a crash left. */
sb_quarantine_status sb_quarantine_new(sb_quarantine **out, const sb_store_ops *ops, void *self,
	const sb_quarantine_options *options, sb_error *error);
/* Touches nothing: the store is opened with @p data, and recovered, when there is something to do;
 * a failure is tried again at the next call. NULL: no memory. */
sb_quarantine *sb_quarantine_prepare(
	const sb_store_ops *ops, void *data, const sb_quarantine_options *options);
/* What other processes left when they died since: opening and purging do it by themselves. Opens
 * the store unless nothing was ever stored. */
sb_quarantine_status sb_quarantine_recover(sb_quarantine *q, sb_error *error);

/* The built-in stores. */
typedef struct sb_store_files_options {
	const char *dir;                          /* created 0700; its parent must be there */
	const char *key_file;                     /* NULL: `key` in dir, made at first use */
	uint64_t max_size;                        /* bytes on disk; 0: no limit */
	void (*random)(void *out, size_t length); /* NULL: sb_random() */
	bool named_temp;                          /* as on file systems without O_TMPFILE */
} sb_store_files_options;

sb_quarantine_status sb_store_files_open(
	void **self, const sb_store_files_options *options, sb_error *error);
extern const sb_store_ops sb_store_files_ops; /* opened with the options as data */
/* The index anew from the objects: for one that is damaged. Nobody else may have it open. */
sb_quarantine_status sb_store_files_rebuild(
	const sb_store_files_options *options, uint64_t *objects, sb_error *error);
/* A new key for what comes; and then every object's key wrapped by it. *moved: how many. A
 * crash in between leaves all readable: run it again. */
sb_quarantine_status sb_store_files_rotate_key(void *self, uint64_t *moved, sb_error *error);

/* Refuses to store (`not_configured`) and has nothing; self is NULL. */
extern const sb_store_ops sb_store_none_ops;

/* --- Operations ------------------------------------------------------------------------------ */

/*
 * Keep a copy. @p record: all but id, time, size and digests, which are filled in; state is
 * QUARANTINED or REVIEW; expires_at 0 takes the retention. The same content of the same tenant
 * keeps one object: *duplicate (may be NULL), and record->id is the first one's.
 */
sb_quarantine_status sb_quarantine_commit(sb_quarantine *q, const sb_quarantine_content *content,
	sb_quarantine_record *record, bool *duplicate, sb_error *error);

/* A new key, for every object; see sb_store_files_rotate_key(). */
sb_quarantine_status sb_quarantine_rekey(sb_quarantine *q, uint64_t *moved, sb_error *error);

/* --- Originals ------------------------------------------------------------------------------- */

typedef struct sb_quarantine_original {
	int parent;          /* descriptor of the folder, opened as the user wrote it */
	const char *path;    /* of the folder, for messages and the recovery */
	const char *name;    /* in it */
	struct stat scanned; /* fstat of what was scanned */
	const char *scan_id; /* of that scan, for the log; NULL: the object's */
} sb_quarantine_original;

/*
 * Remove the original of an object: only of an infected one, only if it is still the scanned
 * file (else CHANGED, and it stays), never through links. *other_links: hard links that remain
 * elsewhere. BUSY, RATE, REFUSED (also by a store that can't write it down): it stays.
 */
sb_quarantine_status sb_quarantine_remove_original(sb_quarantine *q, const char *id,
	const sb_quarantine_original *original, uint64_t *other_links, sb_error *error);

typedef struct sb_quarantine_target {
	int folder;       /* descriptor: see sb_quarantine_open_target() */
	const char *name; /* in it; no `/`, not `.` or `..`; NULL: as it was called, or its id */
	const char *reason;
	/* Scan what will be put there, with current signatures. 0: restore; else -kind. */
	int (*rescan)(void *data, int fd, const sb_quarantine_record *record, sb_error *error);
	void *data;
} sb_quarantine_target;

/* A folder to restore into: below @p root without links and on the same file system; with
 * root NULL, as it is written. A descriptor, or -1. */
int sb_quarantine_open_target(const char *root, const char *path, sb_error *error);
/* Verified whole, scanned, durable, and only then visible: 0600, nothing overwritten. */
sb_quarantine_status sb_quarantine_restore_at(
	sb_quarantine *q, const char *id, const sb_quarantine_target *target, sb_error *error);
/* The same, into a folder below one of the roots; target->folder is filled in. */
sb_quarantine_status sb_quarantine_restore_into(sb_quarantine *q, const char *id,
	const char *folder, sb_quarantine_target *target, sb_error *error);

#endif
