/* SPDX-License-Identifier: MIT */
/*
 * The audit log, format v1: one JSON object a line, chained by SHA-256, durable before a
 * verdict is released. interface.md 7 and safety.md 7 are its text.
 *
 *   {"seq":7,"time":"…Z","event":"scan_completed","prev":"<64 hex>","hash":"<64 hex>",
 *    "writer":"<id>","durable":6, <body>}
 *
 * seq begins with 1, so that 0 says "none"; audit.c documents the format in full.
 * `hash` is SHA-256 over the line without its newline and with `"hash":"…",` taken out; `prev`
 * is the previous record's hash. Any number of processes write one file: the OFD lock on it
 * is held from reading the tail to the end of the write, never during the flush.
 *
 * Threads: sb_audit_append() may be called by any number of threads; the first one leads a
 * group, the others wait for its flush (group commit).
 */
#ifndef SB_AUDIT_AUDIT_H
#define SB_AUDIT_AUDIT_H

#include "util/buf.h"
#include "util/clock.h"
#include "util/error.h"

typedef struct sb_audit sb_audit;

typedef enum sb_audit_sync {
	SB_AUDIT_SYNC_GROUP = 0, /* one fdatasync for all that wait */
	SB_AUDIT_SYNC_EACH,      /* one for every append */
	SB_AUDIT_SYNC_NONE,      /* the kernel decides: `durable` then never moves */
} sb_audit_sync;

typedef struct sb_audit_options {
	const char *path; /* absolute; created 0600 */
	sb_audit_sync sync;
	uint64_t reserve; /* bytes preallocated behind the end so that a full disk still takes
			     records; 0: none */
	sb_clock *clock;
} sb_audit_options;

/* What opening found and mended; the caller tells the user. */
typedef struct sb_audit_recovery {
	bool recovered;    /* a torn tail was cut */
	uint64_t offset;   /* where */
	uint64_t length;   /* bytes cut */
	uint64_t last_seq; /* last whole record */
} sb_audit_recovery;

/*
 * Open or create. Creating writes `log_opened` (format, log_id, algorithm, previous head). A
 * torn tail is cut at the last whole record and `log_recovered` names the cut, if safety.md 7
 * and I5 allow it; otherwise, and for a file that isn't ours, fails with audit_failed and says
 * what to do. The kept state (<path>.state: last seq and hash known to be durable) is compared.
 */
int sb_audit_open(sb_audit **out, const sb_audit_options *options, sb_audit_recovery *recovery,
	sb_error *error);
void sb_audit_close(sb_audit *audit);

/* One record to be: the event's name and its members as JSON without braces (`"a":1,"b":2`),
 * made with sb_json. A line over 8 KiB is refused as internal: the maker bounds its texts. */
typedef struct sb_audit_entry {
	const char *event;
	const char *body;
	size_t body_length;
	uint64_t seq; /* out */
} sb_audit_entry;

/*
 * Append all entries, in order and adjacent, in one write, and return when they are on stable
 * storage (by the sync option). On failure (audit_failed) none of them may be relied on; the
 * log goes on in a way that later appends can succeed (after a failed flush: a new file that
 * starts after `durable`).
 */
int sb_audit_append(sb_audit *audit, sb_audit_entry *entries, size_t count, sb_error *error);

/* --- Verification ------------------------------------------------------------------------ */

typedef struct sb_audit_verdict {
	bool ok;
	uint64_t records, first_seq, last_seq, bytes;
	char head[65]; /* hash of the last good record */
	/* when not ok: the first bad record */
	uint64_t bad_line;   /* from 1 */
	uint64_t bad_offset; /* bytes */
	uint64_t bad_seq;    /* expected */
	char why[256];
	bool torn_tail; /* only the end is torn: the next writer will cut it */
} sb_audit_verdict;

/* 0 when a judgement could be made (see out->ok), -kind when the file can't be read. Compares
 * with the kept state beside the file if there is one and @p use_state. Constant memory. */
int sb_audit_verify(const char *path, bool use_state, sb_audit_verdict *out, sb_error *error);

#endif
