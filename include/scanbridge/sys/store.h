/* SPDX-License-Identifier: MIT */
/**
 * A quarantine store of your own: where the bytes of held-back content are kept.
 *
 * A store is one constant sb_store_ops with a few functions in ordinary blocking C, registered by
 * sb_config_register_store() and used instead of the folder `quarantine` of the data directory.
 * It only keeps and finds. What gives every store the same rules stands above it: ids,
 * retention, which state leads where, the re-scan before anything is restored, the audit log.
 *
 * What is kept is malware in the clear when it arrives: whether and how it is encrypted is the
 * store's decision. The built-in store does it, with a key for each object.
 *
 * Growth: members are only added, at the end of a structure, and SB_STORE_ABI changes whenever
 * sb_store_ops does or something changes its meaning. Records and filters are always made by the
 * library, never by a store on its stack: a store keeps a copy (sb_store_record_copy()) or the text
 * (sb_store_record_write()), both of which hold what members it does not know.
 *
 * examples/custom_store.c shows how one is used; src/quarantine/memory.c is a whole one that needs
 * nothing but this header.
 */
#ifndef SCANBRIDGE_SYS_STORE_H
#define SCANBRIDGE_SYS_STORE_H

#include <scanbridge/quarantine.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SB_STORE_ABI 1u

/* --- What is kept ------------------------------------------------------------------ */

/** The three members that change, and those that never do. */
struct sb_quarantine_record {
	char id[SB_QUARANTINE_ID_SIZE];
	sb_quarantine_state state;
	bool legal_hold;
	uint64_t expires_at; /**< ns since the epoch; 0: never */

	/* From here on nothing ever changes. */
	uint64_t time; /**< ns since the epoch, of the commit */
	uint64_t size;
	uint8_t blake3[32], sha256[32];
	const char *name, *path; /**< any bytes; NULL: none */
	size_t name_length, path_length;
	bool has_original; /**< of a path: */
	uint32_t uid, gid, mode;
	uint64_t nlink;
	int64_t mtime; /**< ns */
	sb_outcome outcome;
	const char *reason, *tenant, *scan_id;    /**< UTF-8, or NULL */
	const char *threats, *engines, *metadata; /**< JSON: array, array, object; NULL: empty */
};

/** A copy of all of it, to be given to sb_quarantine_record_free(); NULL: no memory. The three
 * members that change may be written. */
SB_API sb_quarantine_record *sb_store_record_copy(const sb_quarantine_record *record);
/** What never changes as a line of JSON, at most 256 KiB, for a store that outlives the process;
 * to be freed with free(). NULL and @p error on failure. */
SB_API char *sb_store_record_write(
	const sb_quarantine_record *record, size_t *length, sb_error *error);
/** The way back, also from what an older version wrote. The three members that change are zero:
 * fill them in. To be given to sb_quarantine_record_free(); NULL and @p error (kind `corrupt`)
 * when it is no record. */
SB_API sb_quarantine_record *sb_store_record_read(const char *text, size_t length, sb_error *error);

/** Bytes that stand still and whose digests are known. */
typedef struct sb_quarantine_content {
	/** Bytes read at @p offset (less than asked only at the end), or -kind. */
	int64_t (*read)(void *data, uint64_t offset, void *buffer, size_t length, sb_error *error);
	void *data;
	uint64_t size;
	const uint8_t *blake3, *sha256; /**< 32 bytes each */
} sb_quarantine_content;

/** Give all bytes to @p sink in order, in pieces (NULL: to nobody), and check that they are what
 * the digest says: for commit(), and, with a content made of what was kept and the record's
 * digests, for read(). What the sink was given counts only with SB_Q_OK: SB_Q_CHANGED for fewer
 * bytes, SB_Q_INTEGRITY for others, SB_Q_RETRIEVE_FAILED when the sink wants no more, SB_Q_IO
 * with the error of read(). */
SB_API sb_quarantine_status sb_store_content_pass(
	const sb_quarantine_content *content, sb_quarantine_sink sink, void *data, sb_error *error);

/** What list() is asked for. */
struct sb_quarantine_filter {
	const char *tenant;        /**< NULL: all; empty: objects that have none */
	const uint8_t *hash;       /**< 32 bytes: BLAKE3 or SHA-256; NULL: all */
	sb_quarantine_state state; /**< NONE: all */
	uint64_t after, before;    /**< ns, both inclusive; 0: open */
	bool include_expired;
	bool only_expired; /**< and not on legal hold: what a purge takes */
	uint64_t limit;    /**< 0: all */
	uint64_t offset;
	/** Where the last page ended: its last record's time and id. Records come by time and then
	 * id, both falling. NULL: from the start. */
	uint64_t cursor_time;
	const char *cursor_id;
};

/** Whether the filter lets this record through; limit and offset are the store's to count.
 * @p now: ns since the epoch. */
SB_API bool sb_store_filter_matches(
	const sb_quarantine_filter *filter, const sb_quarantine_record *record, uint64_t now);

/** Fill in @p error and return @p status, so that a failing path is one line. @p sys_errno as in
 * sb_error_set(). */
SB_API sb_quarantine_status sb_quarantine_fail(sb_error *error, sb_quarantine_status status,
	int sys_errno, const char *format, ...) SB_PRINTF(4, 5);

/* --- What a crash can leave -------------------------------------------------------- */

typedef enum sb_quarantine_event {
	SB_Q_EVENT_STORED,        /**< committed; detail `duplicate` when it was there before */
	SB_Q_EVENT_ABORTED,       /**< a commit that a crash cut off left nothing */
	SB_Q_EVENT_REMOVE_INTENT, /**< the original is about to go; detail: its path */
	SB_Q_EVENT_REMOVED,       /**< it is gone; detail says so when other hard links are left */
	SB_Q_EVENT_REMOVE_FAILED, /**< detail: why; it stays */
	SB_Q_EVENT_RETRIEVED,     /**< about to be handed out */
	SB_Q_EVENT_RESTORE_INTENT,
	SB_Q_EVENT_RESTORED,
	SB_Q_EVENT_RESTORE_FAILED,
	SB_Q_EVENT_DELETE_INTENT,
	SB_Q_EVENT_DELETED,
	SB_Q_EVENT_DELETE_FAILED,
	SB_Q_EVENT_PURGE_INTENT, /**< a deletion because retention has ended */
	SB_Q_EVENT_PURGED,
	SB_Q_EVENT_PURGE_FAILED,
	SB_Q_EVENT_RELEASED, /**< before it takes effect, as the next three */
	SB_Q_EVENT_REJECTED,
	SB_Q_EVENT_HOLD,
	SB_Q_EVENT_UNHOLD,
	SB_Q_EVENT_KEY_ROTATED, /**< detail: how many objects */
	SB_Q_EVENT_VERIFIED,    /**< whole store or one object; detail: the result */
	SB_Q_EVENT_COUNT_,      /**< number of events; not an event, may grow */
} sb_quarantine_event;

/** Where events are said: they become records of the audit log. */
typedef struct sb_quarantine_hooks {
	/** 0, or -kind with @p error filled in. @p record: NULL for a verification of the whole
	 * store; @p reason: what the caller of the operation said, or NULL. `event` itself may
	 * be NULL: nobody listens. */
	int (*event)(void *data, sb_quarantine_event event, const sb_quarantine_record *record,
		const char *reason, const char *detail, sb_error *error);
	void *data;
} sb_quarantine_hooks;

/** Which file or folder it is, whatever it is called. */
typedef struct sb_quarantine_identity {
	int64_t dev, ino, size, mtime; /**< mtime in ns */
} sb_quarantine_identity;

/** The removal of one original, as it is written down before it begins: the file `name` in the
 * folder gets the name `sibling` there, is compared once more, and goes, or gets its name back. */
typedef struct sb_quarantine_claim {
	char object[SB_QUARANTINE_ID_SIZE];
	char sibling[48];   /**< random */
	const char *parent; /**< path of the folder, for the recovery */
	const char *name;
	sb_quarantine_identity folder; /**< only dev and ino */
	sb_quarantine_identity file;
} sb_quarantine_claim;

/* --- The store --------------------------------------------------------------------- */

/**
 * All functions but open() and close() may be called from any thread at once, also from one of
 * the manager's own, which purges; ids have been checked. Each returns SB_Q_OK, or what
 * sb_quarantine_fail() returned.
 */
typedef struct sb_store_ops {
	unsigned abi; /**< SB_STORE_ABI at compile time */
	const char *name;

	/** Optional. Before the first use by a manager or sb_quarantine_open(); tried again when it
	 * failed. @p data: what was registered. NULL: @p data itself is `self`. */
	sb_quarantine_status (*open)(void *data, void **self, sb_error *error);
	/** Optional. Nothing was ever stored: there is nothing to open. */
	bool (*absent)(void *data);

	/** Keep the content under record->id, durably, or find it kept already (same BLAKE3, size
	 * and tenant, and readable): then record->id becomes that one's and *duplicate true, and
	 * the stricter state counts: one that was not `quarantined` gets this record's. Checks
	 * what it reads, as sb_store_content_pass() does. */
	sb_quarantine_status (*commit)(void *self, const sb_quarantine_content *content,
		sb_quarantine_record *record, bool *duplicate, sb_error *error);
	/** Optional. The commit is in the audit log. */
	sb_quarantine_status (*audited)(void *self, const char *id, sb_error *error);
	/** Call @p each once with the record. It only copies. */
	sb_quarantine_status (*find)(
		void *self, const char *id, sb_quarantine_each each, void *data, sb_error *error);
	/** Newest first. @p now: ns since the epoch. */
	sb_quarantine_status (*list)(void *self, const sb_quarantine_filter *filter, uint64_t now,
		sb_quarantine_each each, void *data, sb_error *error);
	/** The whole content, checked as by sb_store_content_pass(); @p sink NULL: only check.
	 * Whoever can, checks each piece before it is handed out. */
	sb_quarantine_status (*read)(
		void *self, const char *id, sb_quarantine_sink sink, void *data, sb_error *error);
	/** Durably: state (NONE: as it is), legal hold, end of retention. DAMAGED: only the state;
	 * the other two stay as they are. */
	sb_quarantine_status (*change)(void *self, const char *id, sb_quarantine_state state,
		bool legal_hold, uint64_t expires_at, sb_error *error);
	/** Destroy. SB_Q_HELD under legal hold, SB_Q_BUSY while an original is being removed. */
	sb_quarantine_status (*remove)(void *self, const char *id, sb_error *error);
	/** Optional. What is there without being known, told by name. */
	sb_quarantine_status (*strays)(
		void *self, int (*each)(void *data, const char *name), void *data, sb_error *error);

	/** Optional, both or none: write down, durably, that an original is about to be removed, if
	 * fewer than @p max_per_hour (0: no limit) were: else SB_Q_RATE; settle() ends it. What a
	 * crash left is for recover() to finish. NULL: originals are never removed. */
	sb_quarantine_status (*claim)(void *self, const sb_quarantine_claim *claim, uint64_t now,
		uint64_t max_per_hour, sb_error *error);
	sb_quarantine_status (*settle)(void *self, const char *sibling, sb_error *error);
	/** Optional. Say what a crash left: objects without audited() (STORED with the record, or
	 * ABORTED with its id alone), deletions that were finished, originals half removed. After
	 * open(), and now and then. SB_Q_AUDIT when it could not be said. */
	sb_quarantine_status (*recover)(
		void *self, const sb_quarantine_hooks *hooks, sb_error *error);
	/** Optional. A new key for what comes, and every object's key wrapped by it. *moved: how
	 * many. */
	sb_quarantine_status (*rotate_key)(void *self, uint64_t *moved, sb_error *error);

	/** Optional. After the last call. */
	void (*close)(void *self);
} sb_store_ops;

/** A store in memory, for tests: each manager gets one of its own, and it ends with it. To be
 * registered with data NULL. */
SB_API const sb_store_ops *sb_store_memory(void);

#ifdef __cplusplus
}
#endif
#endif
