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
 * Threads: a store may be used by any number of threads, and a file store by any number of
 * processes, at once. Memory of records lives in the arena that the caller gives.
 */
#ifndef SB_QUARANTINE_QUARANTINE_H
#define SB_QUARANTINE_QUARANTINE_H

#include <sys/stat.h>
#include <sys/types.h>

#include "util/arena.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/hash.h"

/* --- Words --------------------------------------------------------------------------------- */

/* What a call came to. Each has one kind of error (sb_quarantine_status_kind()), which is in
 * the sb_error together with a message that says what to do. */
typedef enum sb_quarantine_status {
	SB_Q_OK = 0,
	SB_Q_STORE_FAILED,    /* the copy could not be made durable; nothing was kept */
	SB_Q_NOT_FOUND,       /* no such object */
	SB_Q_RETRIEVE_FAILED, /* it is there, but can't be read or delivered */
	SB_Q_DELETE_FAILED,   /* it may still be there */
	SB_Q_STORAGE_FULL,    /* quota or disk */
	SB_Q_IO,              /* the folder, the index, the input */
	SB_Q_INTEGRITY,       /* bytes aren't what they should be: the message has both digests */
	SB_Q_INVALID_ID,      /* outside the grammar of ids */
	SB_Q_HELD,            /* legal hold: it is neither deleted nor purged */
	SB_Q_EXPIRED,         /* its retention has ended: it is only waiting for the purge */
	SB_Q_CHANGED,         /* the original is not what was scanned: nothing was removed */
	SB_Q_EXISTS,          /* the target is there: nothing is ever overwritten */
	SB_Q_REFUSED,         /* by the new scan, or a state that doesn't lead there */
	SB_Q_NO_KEY,          /* the key that wrapped this object isn't in the key file */
	SB_Q_BUSY,            /* somebody else works on the same object */
	SB_Q_RATE,            /* max_per_hour: originals stay */
	SB_Q_AUDIT,           /* a hook failed */
	SB_Q_NOT_CONFIGURED,  /* no store, a key file that others can read, … */
	SB_Q_INTERNAL,        /* out of memory, a broken invariant */
	SB_Q_STATUS_COUNT_,
} sb_quarantine_status;

const char *sb_quarantine_status_name(sb_quarantine_status status);
sb_kind sb_quarantine_status_kind(sb_quarantine_status status);
/* Fill in @p error and return @p status; sys_errno as in sb_error_set(). */
sb_quarantine_status sb_quarantine_fail(sb_error *error, sb_quarantine_status status, int sys_errno,
	const char *format, ...) SB_PRINTF(4, 5);

typedef enum sb_quarantine_state {
	SB_Q_STATE_NONE = 0,
	SB_Q_QUARANTINED,
	SB_Q_REVIEW,   /* `held`: waits for a person, who releases or rejects it */
	SB_Q_RELEASED, /* judged harmless; stays until it is deleted or its retention ends */
	SB_Q_DAMAGED,  /* does not verify; kept for a person to look at */
	SB_Q_STATE_COUNT_,
} sb_quarantine_state;

/* `quarantined`, `held`, `released`, `damaged`. */
const char *sb_quarantine_state_name(sb_quarantine_state state);
bool sb_quarantine_state_from_name(const char *name, sb_quarantine_state *out);

/* Ids: 128 random bits as 32 lower-case hexadecimal digits. Checked before any use. */
enum { SB_QUARANTINE_ID = 32, SB_QUARANTINE_ID_SIZE = 33 };
bool sb_quarantine_id_ok(const char *id);

/* --- Records --------------------------------------------------------------------------------- */

typedef struct sb_quarantine_record {
	char id[SB_QUARANTINE_ID_SIZE];
	sb_quarantine_state state;
	bool legal_hold;
	uint64_t expires_at; /* ns since the epoch; 0: never */

	/* From here on nothing ever changes. */
	uint64_t time; /* ns since the epoch, of the commit */
	uint64_t size;
	uint8_t blake3[SB_BLAKE3_SIZE], sha256[SB_SHA256_SIZE];
	const char *name, *path; /* any bytes; NULL: none */
	size_t name_length, path_length;
	bool has_original; /* of a path: */
	uint32_t uid, gid, mode;
	uint64_t nlink;
	int64_t mtime; /* ns */
	sb_outcome outcome;
	const char *reason, *tenant, *scan_id;    /* UTF-8, or NULL */
	const char *threats, *engines, *metadata; /* JSON: array, array, object; NULL: empty */
} sb_quarantine_record;

/* Everything but the record itself of an original. */
void sb_quarantine_record_stat(sb_quarantine_record *record, const struct stat *original);
/* One JSON object as `list --json` and `show` print it. */
void sb_quarantine_record_json(sb_buf *out, const sb_quarantine_record *record);

/* --- Hooks ----------------------------------------------------------------------------------- */

typedef enum sb_quarantine_event {
	SB_Q_EVENT_STORED,        /* committed; detail `duplicate` when it was there before */
	SB_Q_EVENT_ABORTED,       /* a commit that a crash cut off left nothing */
	SB_Q_EVENT_REMOVE_INTENT, /* the original is about to go; detail: its path */
	SB_Q_EVENT_REMOVED,       /* it is gone; detail says so when other hard links are left */
	SB_Q_EVENT_REMOVE_FAILED, /* detail: why; it stays */
	SB_Q_EVENT_RETRIEVED,     /* about to be handed out */
	SB_Q_EVENT_RESTORE_INTENT,
	SB_Q_EVENT_RESTORED,
	SB_Q_EVENT_RESTORE_FAILED,
	SB_Q_EVENT_DELETE_INTENT,
	SB_Q_EVENT_DELETED,
	SB_Q_EVENT_DELETE_FAILED,
	SB_Q_EVENT_PURGE_INTENT, /* a deletion because retention has ended */
	SB_Q_EVENT_PURGED,
	SB_Q_EVENT_PURGE_FAILED,
	SB_Q_EVENT_RELEASED, /* before it takes effect, as the next three */
	SB_Q_EVENT_REJECTED,
	SB_Q_EVENT_HOLD,
	SB_Q_EVENT_UNHOLD,
	SB_Q_EVENT_KEY_ROTATED, /* detail: how many objects */
	SB_Q_EVENT_VERIFIED,    /* whole store or one object; detail: the result */
	SB_Q_EVENT_COUNT_,
} sb_quarantine_event;

/* What an audit record says of it: the operation (`store`, `remove`, `get`, `restore`, `delete`,
 * `purge`, `release`, `reject`, `hold`, `unhold`, `rekey`, `verify`), and how far it has come
 * (`intent`, `done`, `failed`; `aborted` for a commit that left nothing). */
const char *sb_quarantine_event_operation(sb_quarantine_event event);
const char *sb_quarantine_event_phase(sb_quarantine_event event);

typedef struct sb_quarantine_hooks {
	/* 0, or -kind with @p error filled in. @p record: NULL for a verification of the whole
	 * store; @p reason: what the caller of the operation said, or NULL. */
	int (*event)(void *data, sb_quarantine_event event, const sb_quarantine_record *record,
		const char *reason, const char *detail, sb_error *error);
	void *data;
} sb_quarantine_hooks;

/* --- The store ------------------------------------------------------------------------------- */

/* Bytes that stand still and whose digests are known. */
typedef struct sb_quarantine_content {
	/* Bytes read at @p offset (less than asked only at the end), or -kind. */
	int64_t (*read)(void *data, uint64_t offset, void *buffer, size_t length, sb_error *error);
	void *data;
	uint64_t size;
	const uint8_t *blake3, *sha256;
} sb_quarantine_content;

/* For `read`, with `data` an int *: a descriptor. */
int64_t sb_quarantine_read_fd(
	void *data, uint64_t offset, void *buffer, size_t length, sb_error *error);

/* Takes the plaintext piece by piece, in order, each after its authentication. Not 0: stop. */
typedef int (*sb_quarantine_sink)(void *data, const void *bytes, size_t length);

typedef struct sb_quarantine_filter {
	const char *tenant;        /* NULL: all */
	const uint8_t *hash;       /* 32 bytes: BLAKE3 or SHA-256; NULL: all */
	sb_quarantine_state state; /* NONE: all */
	uint64_t after, before;    /* ns, both inclusive; 0: open */
	bool include_expired;
	bool only_expired; /* and not on legal hold: what a purge takes */
	uint64_t limit;    /* 0: all */
	uint64_t offset;
	/* Or where the last page ended: its last record's time and id. */
	uint64_t cursor_time;
	const char *cursor_id;
} sb_quarantine_filter;

/* Newest first. Not 0: stop. The record lives until the function returns. */
typedef int (*sb_quarantine_each)(void *data, const sb_quarantine_record *record);

/* The removal of one original, as it is written down before it begins. */
typedef struct sb_quarantine_claim {
	char object[SB_QUARANTINE_ID_SIZE];
	char sibling[48];   /* the random name that it is claimed by */
	const char *parent; /* path of the folder, for the recovery */
	const char *name;
	struct stat folder, file;
} sb_quarantine_claim;

/*
 * A store of one's own. All calls may come from any thread; ids have been checked. `self` is
 * what sb_quarantine_new() was given.
 */
typedef struct sb_store_ops {
	const char *name;
	/* Keep the content under record->id, durably, or find it kept already (same BLAKE3, size
	 * and tenant): then record->id becomes that one's and *duplicate true. Checks size and
	 * BLAKE3 of what it reads. */
	sb_quarantine_status (*commit)(void *self, const sb_quarantine_content *content,
		sb_quarantine_record *record, bool *duplicate, sb_error *error);
	/* The hook of a commit has run. */
	sb_quarantine_status (*audited)(void *self, const char *id, sb_error *error);
	sb_quarantine_status (*find)(void *self, const char *id, sb_arena *arena,
		sb_quarantine_record *out, sb_error *error);
	sb_quarantine_status (*list)(void *self, const sb_quarantine_filter *filter, uint64_t now,
		sb_quarantine_each each, void *data, sb_error *error);
	/* The whole content, checked; @p sink NULL: only check. */
	sb_quarantine_status (*read)(
		void *self, const char *id, sb_quarantine_sink sink, void *data, sb_error *error);
	/* Durably: state (NONE: as it is), legal hold, end of retention. */
	sb_quarantine_status (*change)(void *self, const char *id, sb_quarantine_state state,
		bool legal_hold, uint64_t expires_at, sb_error *error);
	/* Destroy. HELD under legal hold, BUSY while an original is being removed. */
	sb_quarantine_status (*remove)(void *self, const char *id, sb_error *error);
	/* What is there without being known, told by name; NULL: can't happen. */
	sb_quarantine_status (*strays)(
		void *self, int (*each)(void *data, const char *name), void *data, sb_error *error);
	/* Write down, durably, that an original is about to be removed, if fewer than
	 * @p max_per_hour (0: no limit) were; settle() ends it. NULL: nothing is written down. */
	sb_quarantine_status (*claim)(void *self, const sb_quarantine_claim *claim, uint64_t now,
		uint64_t max_per_hour, sb_error *error);
	sb_quarantine_status (*settle)(void *self, const char *sibling, sb_error *error);
	/* Say what a crash left: objects that no hook has heard of (record, or NULL with the id of
	 * an aborted commit), deletions that were finished, originals half removed. NULL: never. */
	sb_quarantine_status (*recover)(
		void *self, const sb_quarantine_hooks *hooks, sb_error *error);
	/* A new key for what comes, and every object's key wrapped by it. NULL: there are no keys.
	 */
	sb_quarantine_status (*rotate_key)(void *self, uint64_t *moved, sb_error *error);
	void (*close)(void *self);
} sb_store_ops;

typedef struct sb_quarantine sb_quarantine;

typedef struct sb_quarantine_options {
	sb_quarantine_hooks hooks; /* event NULL: none */
	sb_clock *clock;
	uint64_t retention;    /* ns; 0: for ever */
	uint64_t max_per_hour; /* originals removed; 0: no limit */
	/* Ids and names; NULL: sb_random(). */
	void (*random)(void *out, size_t length);
} sb_quarantine_options;

/* Takes @p self over, also on failure; recovers what a crash left. */
sb_quarantine_status sb_quarantine_new(sb_quarantine **out, const sb_store_ops *ops, void *self,
	const sb_quarantine_options *options, sb_error *error);
void sb_quarantine_close(sb_quarantine *q); /* NULL is fine */
/* What other processes left when they died since: opening and purging do it by themselves. */
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
extern const sb_store_ops sb_store_files_ops;
/* The index anew from the objects: for one that is damaged. Nobody else may have it open. */
sb_quarantine_status sb_store_files_rebuild(
	const sb_store_files_options *options, uint64_t *objects, sb_error *error);
/* A new key for what comes; and then every object's key wrapped by it. *moved: how many. A
 * crash in between leaves all readable: run it again. */
sb_quarantine_status sb_store_files_rotate_key(void *self, uint64_t *moved, sb_error *error);

/* In memory, as it is: for tests. */
void *sb_store_memory_new(void);
extern const sb_store_ops sb_store_memory_ops;
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

sb_quarantine_status sb_quarantine_find(sb_quarantine *q, const char *id, sb_arena *arena,
	sb_quarantine_record *out, sb_error *error);
sb_quarantine_status sb_quarantine_list(sb_quarantine *q, const sb_quarantine_filter *filter,
	sb_quarantine_each each, void *data, sb_error *error);
/* Objects whose retention has not ended. */
sb_quarantine_status sb_quarantine_count(sb_quarantine *q, uint64_t *out, sb_error *error);

/* Hand out the content. What came before an error was authenticated, but is not the whole. */
sb_quarantine_status sb_quarantine_get(sb_quarantine *q, const char *id, const char *reason,
	sb_quarantine_sink sink, void *data, sb_error *error);

sb_quarantine_status sb_quarantine_release(
	sb_quarantine *q, const char *id, const char *reason, sb_error *error);
sb_quarantine_status sb_quarantine_reject(
	sb_quarantine *q, const char *id, const char *reason, sb_error *error);
/* Legal hold on or off. */
sb_quarantine_status sb_quarantine_hold(
	sb_quarantine *q, const char *id, bool on, const char *reason, sb_error *error);
/* Its key first, so that what may remain on the disk is noise. */
sb_quarantine_status sb_quarantine_delete(
	sb_quarantine *q, const char *id, const char *reason, sb_error *error);
/* Up to @p max objects whose retention has ended (0: all); to be called now and then by whoever
 * runs long. */
sb_quarantine_status sb_quarantine_purge(
	sb_quarantine *q, uint64_t max, uint64_t *deleted, sb_error *error);

/* A new key, for every object; see sb_store_files_rotate_key(). */
sb_quarantine_status sb_quarantine_rekey(sb_quarantine *q, uint64_t *moved, sb_error *error);

typedef struct sb_quarantine_verified {
	uint64_t good, bad, strays;
} sb_quarantine_verified;

/* @p id NULL: all. Each bad one is told, and marked damaged. OK also when some are bad. */
sb_quarantine_status sb_quarantine_verify(sb_quarantine *q, const char *id,
	sb_quarantine_verified *out, void (*bad)(void *data, const char *id, const char *message),
	void *data, sb_error *error);

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
 * elsewhere. BUSY, RATE, REFUSED: it stays.
 */
sb_quarantine_status sb_quarantine_remove_original(sb_quarantine *q, const char *id,
	const sb_quarantine_original *original, uint64_t *other_links, sb_error *error);

typedef struct sb_quarantine_target {
	int folder;       /* descriptor: see sb_quarantine_open_target() */
	const char *name; /* in it; no `/`, not `.` or `..` */
	const char *reason;
	/* Scan what will be put there, with current signatures. 0: restore; else -kind. */
	int (*rescan)(void *data, int fd, const sb_quarantine_record *record, sb_error *error);
	void *data;
} sb_quarantine_target;

/* A folder to restore into: below @p root without links and on the same file system; with
 * root NULL, as it is written. A descriptor, or -1. */
int sb_quarantine_open_target(const char *root, const char *path, sb_error *error);
/* Verified whole, scanned, durable, and only then visible: 0600, nothing overwritten. */
sb_quarantine_status sb_quarantine_restore(
	sb_quarantine *q, const char *id, const sb_quarantine_target *target, sb_error *error);

#endif
