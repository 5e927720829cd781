/* SPDX-License-Identifier: MIT */
/**
 * Quarantine: what policy held back, as encrypted copies, and all that people and programs do
 * with them afterwards. Scans fill it by themselves (the report has the object's id);
 * here objects are found, read, restored, released and destroyed.
 *
 *     sb_quarantine *quarantine;
 *     if (sb_manager_quarantine(manager, &quarantine, error) == SB_Q_OK)
 *             sb_quarantine_list(quarantine, NULL, print_one, NULL, error);
 *
 * Every function that can fail returns a status, which says more than the kind of an error:
 * SB_Q_OK is 0, all others are positive and stand in the error with a message that says what
 * to do. Ids are 32 digits 0-9a-f, from a report, a record or a person: they are checked before
 * any use. Times are ns since the epoch.
 *
 * Every act is written to the audit log, where the configuration has one: before it takes effect,
 * and for restoring and destroying again behind it. What can't be written down before does not
 * happen (SB_Q_AUDIT); when only the record behind it fails, the status is the same, and the act
 * stands. @p reason is for the log: why, in words, UTF-8; NULL: nobody said.
 *
 * Nothing is opened, made or written before there is something to do: of a quarantine in which
 * nothing was ever stored lists are empty, and no object is found.
 *
 * Threads: a quarantine may be used by any number of threads, and its store by any number of
 * processes, at once. All functions block for the disk. Callbacks run in the thread of the call
 * and must not call the quarantine.
 */
#ifndef SCANBRIDGE_QUARANTINE_H
#define SCANBRIDGE_QUARANTINE_H

#include <scanbridge/manager.h>
#include <scanbridge/report.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Words ------------------------------------------------------------------------- */

/** What a call came to. New ones may be added. */
typedef enum sb_quarantine_status {
	SB_Q_OK = 0,
	SB_Q_STORE_FAILED,    /**< the copy, or a change, could not be made durable */
	SB_Q_NOT_FOUND,       /**< no such object */
	SB_Q_RETRIEVE_FAILED, /**< it is there, but can't be read or delivered */
	SB_Q_DELETE_FAILED,   /**< it may still be there */
	SB_Q_STORAGE_FULL,    /**< `quarantine.max_size`, or the disk */
	SB_Q_IO,              /**< the folder, the index, the input */
	SB_Q_INTEGRITY,       /**< bytes aren't what they should be: the message has both digests */
	SB_Q_INVALID_ID,      /**< outside the grammar of ids */
	SB_Q_HELD,            /**< legal hold: it is neither deleted nor purged */
	SB_Q_EXPIRED,         /**< its retention has ended: it is only waiting for the purge */
	SB_Q_CHANGED,         /**< the original is not what was scanned: nothing was removed */
	SB_Q_EXISTS,          /**< the target is there: nothing is ever overwritten */
	SB_Q_REFUSED,         /**< by the new scan, or a state that doesn't lead there */
	SB_Q_NO_KEY,          /**< the key that wrapped this object isn't in the key file */
	SB_Q_BUSY,            /**< somebody else works on the same object: later it may work */
	SB_Q_RATE,            /**< `quarantine.max_per_hour`: originals stay */
	SB_Q_AUDIT,           /**< the audit log could not be written */
	SB_Q_NOT_CONFIGURED,  /**< no store, a key file that others can read, … */
	SB_Q_INTERNAL,        /**< out of memory, a broken invariant */
	SB_Q_STATUS_COUNT_,   /**< number of statuses; not a status, may grow */
} sb_quarantine_status;

/** `ok`, `not_found`, `integrity_check_failed`, …; `internal` for a number that is no status. */
SB_API const char *sb_quarantine_status_name(sb_quarantine_status status);
/** The kind of error that goes with it; SB_KIND_INTERNAL for a number that is no status. */
SB_API sb_kind sb_quarantine_status_kind(sb_quarantine_status status);

/** Where an object stands. Legal hold comes on top: see sb_quarantine_record_legal_hold(). */
typedef enum sb_quarantine_state {
	SB_Q_STATE_NONE = 0,
	SB_Q_QUARANTINED,
	SB_Q_REVIEW,       /**< `held`: waits for a person, who releases or rejects it */
	SB_Q_RELEASED,     /**< judged harmless; stays until it is deleted or its retention ends */
	SB_Q_DAMAGED,      /**< does not verify; kept for a person to look at */
	SB_Q_STATE_COUNT_, /**< number of states; not a state, may grow */
} sb_quarantine_state;

/** `quarantined`, `held`, `released`, `damaged`; `none` for any other number. */
SB_API const char *sb_quarantine_state_name(sb_quarantine_state state);
/** False, and `*out` untouched, for an unknown name. */
SB_API bool sb_quarantine_state_from_name(const char *name, sb_quarantine_state *out);

enum {
	SB_QUARANTINE_ID = 32,
	SB_QUARANTINE_ID_SIZE = 33,     /**< with the NUL */
	SB_QUARANTINE_DIGEST_SIZE = 65, /**< hexadecimal digits of a digest, with the NUL */
};
/** Whether it is written like an id; false for NULL. */
SB_API bool sb_quarantine_id_ok(const char *id);

/* --- Getting one ------------------------------------------------------------------- */

typedef struct sb_quarantine sb_quarantine;

/**
 * The quarantine that the manager's scans fill.
 * @param[out] out  belongs to the manager and lives as long as it; untouched on failure
 * SB_Q_NOT_CONFIGURED: `quarantine.enabled` is false.
 */
SB_API sb_quarantine_status sb_manager_quarantine(
	sb_manager *manager, sb_quarantine **out, sb_error *error);

/**
 * The quarantine of a configuration without engines, for tools. Managers and other processes may
 * have it open as well.
 * @param[out] out  untouched on failure, else to be given to sb_quarantine_close()
 * @param config    may be freed or changed afterwards
 * SB_Q_NOT_CONFIGURED: a configuration that can't work, or without a quarantine.
 */
SB_API sb_quarantine_status sb_quarantine_open(
	sb_quarantine **out, const sb_config *config, sb_error *error);
/** Only what sb_quarantine_open() gave, when no thread uses it any more; NULL is fine. */
SB_API void sb_quarantine_close(sb_quarantine *quarantine);

/* --- Records ----------------------------------------------------------------------- */

/** What is known of an object. What a getter returns lives as long as the record. */
typedef struct sb_quarantine_record sb_quarantine_record;

/** 32 characters. */
SB_API const char *sb_quarantine_record_id(const sb_quarantine_record *record);
SB_API sb_quarantine_state sb_quarantine_record_state(const sb_quarantine_record *record);
/** While it is on, nothing deletes the object, whatever its retention. */
SB_API bool sb_quarantine_record_legal_hold(const sb_quarantine_record *record);
/** What was known of the content when it was stored. */
SB_API sb_outcome sb_quarantine_record_outcome(const sb_quarantine_record *record);
/** Of the content, in bytes. */
SB_API uint64_t sb_quarantine_record_size(const sb_quarantine_record *record);
/** The content's digest as 64 hexadecimal digits and a NUL. */
SB_API void sb_quarantine_record_blake3(
	const sb_quarantine_record *record, char out[SB_QUARANTINE_DIGEST_SIZE]);
SB_API void sb_quarantine_record_sha256(
	const sb_quarantine_record *record, char out[SB_QUARANTINE_DIGEST_SIZE]);
/** When it was stored. */
SB_API uint64_t sb_quarantine_record_time(const sb_quarantine_record *record);
/** When its retention ends; 0: never. */
SB_API uint64_t sb_quarantine_record_expires_at(const sb_quarantine_record *record);
/** What the file was called, any bytes, NUL-terminated; NULL: it had no name. */
SB_API const char *sb_quarantine_record_name(const sb_quarantine_record *record, size_t *length);
/** Where it was, any bytes, NUL-terminated; NULL: it was not scanned by its path. */
SB_API const char *sb_quarantine_record_path(const sb_quarantine_record *record, size_t *length);
/** Why policy held it back; NULL: unknown. */
SB_API const char *sb_quarantine_record_reason(const sb_quarantine_record *record);
/** Whose it is; NULL: nobody's in particular. */
SB_API const char *sb_quarantine_record_tenant(const sb_quarantine_record *record);
/** Id of the scan that stored it; NULL: unknown. */
SB_API const char *sb_quarantine_record_scan_id(const sb_quarantine_record *record);
/** The threats found then, as a JSON array like the report's `threats`. */
SB_API const char *sb_quarantine_record_threats(const sb_quarantine_record *record);
/** All of it as one line of JSON without a newline, like `scanbridge quarantine show --json`; to
 * be freed with free(). NULL when there is no memory. @p length may be NULL. */
SB_API char *sb_quarantine_record_json(const sb_quarantine_record *record, size_t *length);
/** Only what sb_quarantine_find() gave; NULL is fine. */
SB_API void sb_quarantine_record_free(sb_quarantine_record *record);

/* --- Finding ----------------------------------------------------------------------- */

/**
 * One object by its id, also when its retention has ended.
 * @param[out] out  untouched on failure, else to be given to sb_quarantine_record_free()
 * SB_Q_NOT_FOUND, SB_Q_INVALID_ID; SB_Q_INTEGRITY: there, but no more is known of it.
 */
SB_API sb_quarantine_status sb_quarantine_find(
	sb_quarantine *quarantine, const char *id, sb_quarantine_record **out, sb_error *error);

/** Which objects. Threads: one at a time, or any number once it is set. */
typedef struct sb_quarantine_filter sb_quarantine_filter;

/** All whose retention has not ended; NULL when there is no memory. */
SB_API sb_quarantine_filter *sb_quarantine_filter_new(void);
SB_API void sb_quarantine_filter_free(sb_quarantine_filter *filter);
/** Copied; an empty one stands for objects without a tenant, NULL for all. At most 1,024 bytes
 * without NUL: otherwise -SB_KIND_LIMIT_EXCEEDED. */
SB_API int sb_quarantine_filter_set_tenant(
	sb_quarantine_filter *filter, const char *tenant, size_t length);
/** 64 hexadecimal digits, a BLAKE3 or SHA-256 of the content; -SB_KIND_NOT_CONFIGURED for any
 * other text. NULL: all. */
SB_API int sb_quarantine_filter_set_hash(sb_quarantine_filter *filter, const char *digits);
/** SB_Q_STATE_NONE: all. */
SB_API void sb_quarantine_filter_set_state(sb_quarantine_filter *filter, sb_quarantine_state state);
/** Stored at or after, at or before; 0: open. */
SB_API void sb_quarantine_filter_set_after(sb_quarantine_filter *filter, uint64_t time);
SB_API void sb_quarantine_filter_set_before(sb_quarantine_filter *filter, uint64_t time);
/** Also those whose retention has ended, until the next purge. */
SB_API void sb_quarantine_filter_set_include_expired(sb_quarantine_filter *filter, bool on);
/** At most so many; 0: all. */
SB_API void sb_quarantine_filter_set_limit(sb_quarantine_filter *filter, uint64_t limit);
/** Leave out so many, the newest. */
SB_API void sb_quarantine_filter_set_offset(sb_quarantine_filter *filter, uint64_t offset);
/** Go on behind the last record of a page, however much was added or deleted meanwhile; an id
 * NULL: from the start. -SB_KIND_NOT_CONFIGURED for what is no id. */
SB_API int sb_quarantine_filter_set_cursor(
	sb_quarantine_filter *filter, uint64_t time, const char *id);

/** Not 0: stop, which is no error. The record is the library's, until the function returns. */
typedef int (*sb_quarantine_each)(void *data, const sb_quarantine_record *record);

/** Call @p each for every object of the filter (NULL: sb_quarantine_filter_new()'s), newest
 * first. */
SB_API sb_quarantine_status sb_quarantine_list(sb_quarantine *quarantine,
	const sb_quarantine_filter *filter, sb_quarantine_each each, void *data, sb_error *error);
/** How many there are whose retention has not ended. */
SB_API sb_quarantine_status sb_quarantine_count(
	sb_quarantine *quarantine, uint64_t *out, sb_error *error);
/** Whether there is such content whose retention has not ended, of any tenant. @p digits: as in
 * sb_quarantine_filter_set_hash(), and SB_Q_INVALID_ID where that says no. */
SB_API sb_quarantine_status sb_quarantine_contains(
	sb_quarantine *quarantine, const char *digits, bool *out, sb_error *error);

/* --- Handing out ------------------------------------------------------------------- */

/** Takes the content piece by piece, in order. Not 0: stop (SB_Q_RETRIEVE_FAILED). */
typedef int (*sb_quarantine_sink)(void *data, const void *bytes, size_t length);

/**
 * Hand out the content, which is what was held back, without a scan. The built-in store
 * authenticates each piece before @p sink sees it; only SB_Q_OK means that it was the whole.
 * SB_Q_EXPIRED, SB_Q_INTEGRITY, SB_Q_NO_KEY, SB_Q_RETRIEVE_FAILED.
 */
SB_API sb_quarantine_status sb_quarantine_get(sb_quarantine *quarantine, const char *id,
	const char *reason, sb_quarantine_sink sink, void *data, sb_error *error);

/**
 * Put an object's content into a folder as a file, if the manager's engines have nothing against
 * it now: it must be clean, or released by a person and allowed by policy. Verified whole,
 * scanned, flushed, and only then visible: mode 0600, ours, nothing overwritten, no
 * link followed. The object stays until it is deleted.
 * SB_Q_REFUSED: by the new scan, or no name for a file; SB_Q_EXISTS; SB_Q_IO: no such folder;
 * SB_Q_NOT_CONFIGURED: outside the roots.
 * @param folder  a path; below one of `quarantine.restore_roots`, where there are any (whoever
 *                lets others name it should have some)
 * @param name    in it, without `/`; NULL: as it was called, or its id
 * @param[out] report  NULL, or where the report of the new scan goes, also of one that refused;
 *                     to be given to sb_report_free(). NULL in it: no scan was made
 */
SB_API sb_quarantine_status sb_quarantine_restore(sb_manager *manager, const char *id,
	const char *folder, const char *name, const char *reason, sb_report **report,
	sb_error *error);
/** The same whatever engines would say: it is not scanned. SB_Q_REFUSED without a reason. */
SB_API sb_quarantine_status sb_quarantine_restore_unscanned(sb_quarantine *quarantine,
	const char *id, const char *folder, const char *name, const char *reason, sb_error *error);

/* --- Changing ---------------------------------------------------------------------- */

/**
 * Judge an object harmless: it becomes `released`, and a rule in `releases.yaml` of the data
 * directory allows exactly its content, to its tenant if it has one. Managers that are opened
 * from now on know the rule. Said again, it makes up for a rule that could not be written;
 * SB_Q_REFUSED when both were there, and for a damaged object. SB_Q_IO: it is released, but there
 * is no rule.
 */
SB_API sb_quarantine_status sb_quarantine_release(
	sb_quarantine *quarantine, const char *id, const char *reason, sb_error *error);
/** Judge a `held` object bad: it becomes `quarantined`. SB_Q_REFUSED in any other state. */
SB_API sb_quarantine_status sb_quarantine_reject(
	sb_quarantine *quarantine, const char *id, const char *reason, sb_error *error);
/** Legal hold on or off; SB_Q_REFUSED for a damaged object. */
SB_API sb_quarantine_status sb_quarantine_hold(
	sb_quarantine *quarantine, const char *id, bool on, const char *reason, sb_error *error);
/** Destroy an object: its key first, so that what may remain on the disk is noise. SB_Q_HELD
 * under legal hold, SB_Q_BUSY while somebody works on it. */
SB_API sb_quarantine_status sb_quarantine_delete(
	sb_quarantine *quarantine, const char *id, const char *reason, sb_error *error);
/**
 * Destroy objects whose retention has ended. A manager does it by itself every hour.
 * @param max           at most so many; 0: all
 * @param[out] deleted  how many it were, also on failure
 */
SB_API sb_quarantine_status sb_quarantine_purge(
	sb_quarantine *quarantine, uint64_t max, uint64_t *deleted, sb_error *error);

/* --- Looking after ----------------------------------------------------------------- */

/** What a verification found. These three for good. */
typedef struct sb_quarantine_verified {
	uint64_t good, bad;
	uint64_t strays; /**< files in the store that belong to no object */
} sb_quarantine_verified;

/**
 * Read everything and check it. SB_Q_OK also when something is bad: it is counted, told, and
 * marked `damaged`; an object that verifies again is damaged no longer.
 * @param id   NULL: all, and strays
 * @param bad  NULL, or called with each bad object's id (a stray's name) and what is wrong
 */
SB_API sb_quarantine_status sb_quarantine_verify(sb_quarantine *quarantine, const char *id,
	sb_quarantine_verified *out, void (*bad)(void *data, const char *id, const char *message),
	void *data, sb_error *error);

#ifdef __cplusplus
}
#endif
#endif
