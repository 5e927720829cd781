/* SPDX-License-Identifier: MIT */
/*
 * One line of the audit log: made here, read here, and nowhere else. The format is
 * documented at the top of audit.c.
 */
#ifndef SB_AUDIT_LINE_H
#define SB_AUDIT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"

enum {
	SB_AUDIT_LINE_MAX = 8192, /* with the newline */
	SB_AUDIT_HASH = 64,       /* hex digits */
	SB_AUDIT_EVENT_MAX = 32,
	SB_AUDIT_WRITER_MAX = 32,
	SB_AUDIT_LOG_ID = 36,
};

/* Where a chain stands: its last record, and the highest seq known to be on disk. */
typedef struct sb_audit_head {
	uint64_t seq, durable;
	char hash[SB_AUDIT_HASH + 1];
} sb_audit_head;

/* Seq 0, sixty-four zeros: before the first record of a log. */
void sb_audit_head_init(sb_audit_head *head);

/* A line taken apart; the texts point into it and are not terminated. */
typedef struct sb_audit_line {
	uint64_t seq, durable;
	const char *event, *prev, *hash, *body; /* body: behind `"durable":N,`, before `}` */
	size_t event_length, body_length;
} sb_audit_line;

/* Take a line apart (without its newline) and compare its hash. NULL, or what is wrong. */
const char *sb_audit_line_read(sb_audit_line *out, const char *line, size_t length);
bool sb_audit_line_is(const sb_audit_line *line, const char *event);

/* The facts of a `log_opened` line. */
typedef struct sb_audit_opened {
	char log_id[SB_AUDIT_LOG_ID + 1];
	char previous[SB_AUDIT_HASH + 1]; /* empty: null */
} sb_audit_opened;

/* NULL, or what is wrong. */
const char *sb_audit_opened_read(sb_audit_opened *out, const sb_audit_line *line);
/* Its body; @p previous NULL for the first file of a log; @p voids: more members, or NULL. */
void sb_audit_opened_body(sb_buf *out, const char *log_id, const char *previous, const char *voids);

/* What one line is made of. The texts are the program's own: no check of the JSON in body. */
typedef struct sb_audit_parts {
	const char *time, *writer, *event, *body;
	size_t body_length;
} sb_audit_parts;

/* Does a record with these parts fit into a line, and into its frame? */
bool sb_audit_parts_ok(const char *event, const char *body, size_t body_length);
/* Append the line that follows @p head, newline included, and move @p head on to it. */
void sb_audit_line_add(sb_buf *out, sb_audit_head *head, const sb_audit_parts *parts);

#endif
