/* SPDX-License-Identifier: MIT */
/*
 * What clamd answers, as bytes: a push parser without I/O. Feed it what arrives, in any
 * pieces, then ask once what the reply says. The result depends on the bytes alone, never on
 * how they were cut.
 *
 *   reply   = [ id ": " ] ( label ": " ( "OK" | name " FOUND" | text " ERROR" | "Excluded" … )
 *                         | text " ERROR" | "UNKNOWN COMMAND" | "COMMAND UNAVAILABLE"
 *                         | "PONG" | "ClamAV " … ) NUL
 *           | "COMMAND READ TIMED OUT" LF
 *   label   = "stream" | "fd[" digits "]"
 *
 * One rule makes a clean verdict; whatever fits no rule is a protocol error.
 */
#ifndef SB_WIRE_CLAMD_REPLY_H
#define SB_WIRE_CLAMD_REPLY_H

#include <scanbridge/types.h>

/* The longest reply that clamd has a reason to send is a threat's name. */
enum { SB_CLAMD_REPLY_MAX = 8192 };

/* Which command is being answered: it settles the label and what counts as a good answer. */
typedef enum sb_clamd_command {
	SB_CLAMD_PING,
	SB_CLAMD_VERSION,
	SB_CLAMD_INSTREAM,
	SB_CLAMD_FILDES,
} sb_clamd_command;

typedef struct sb_clamd_reply {
	sb_clamd_command command;
	uint64_t id;    /* of the request inside a session; 0: outside */
	size_t length;  /* bytes of text, without the terminator */
	uint64_t extra; /* bytes behind the terminator */
	bool whole;     /* the terminator has come */
	bool too_long;  /* or SB_CLAMD_REPLY_MAX bytes came without one */
	bool timed_out; /* it was COMMAND READ TIMED OUT */
	char text[SB_CLAMD_REPLY_MAX];
} sb_clamd_reply;

/* What the reply means. OUTCOME_CLEAN also stands for a good answer to PING and VERSION. */
typedef struct sb_clamd_verdict {
	sb_outcome outcome; /* CLEAN, INFECTED or ERROR */
	sb_kind kind;       /* for ERROR */
	/* The threat's name, clamd's own words or the version line: untrusted bytes inside the
	 * reply, or a constant. */
	const char *text;
	size_t length;
	bool no_descriptor; /* the descriptor got lost on the way: INSTREAM may still work */
} sb_clamd_verdict;

/* Not zeroed beforehand; 8 KiB are left as they are. */
void sb_clamd_reply_begin(sb_clamd_reply *reply, sb_clamd_command command, uint64_t id);
/* True once nothing more is needed: whole or too long. More may be fed and counts as extra. */
bool sb_clamd_reply_feed(sb_clamd_reply *reply, const void *data, size_t length);
/* @p body_sent: everything had been sent before the first byte of the reply arrived. */
void sb_clamd_reply_judge(const sb_clamd_reply *reply, bool body_sent, sb_clamd_verdict *out);

/* Names that clamd reports as found when it could not look: at a limit, into what is encrypted or
 * broken. False: a threat's name. */
bool sb_clamd_not_looked(const char *name, size_t length, sb_kind *kind);

typedef struct sb_clamd_version {
	char engine[64];      /* "1.4.6" */
	char signatures[128]; /* "27465/Thu Nov 20 09:26:34 2025", empty without a database */
	int64_t time;         /* of the signatures, read as UTC; 0: not told */
} sb_clamd_version;

/* The line of a good VERSION answer taken apart; false when it has another form. */
bool sb_clamd_version_parse(const char *text, size_t length, sb_clamd_version *out);

#endif
