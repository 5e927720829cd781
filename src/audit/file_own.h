/* SPDX-License-Identifier: MIT */
/* What the three halves of a log file share: file.c (locking, writing, flushing), recover.c
 * (finding the end) and rotate.c (the first record of a file, and a new file). */
#ifndef SB_AUDIT_FILE_OWN_H
#define SB_AUDIT_FILE_OWN_H

#include "audit/file.h"
#include "audit/state.h"

/* -audit_failed: `audit log PATH: TEXT`. */
int sb_audit_fail(const sb_audit_file *f, sb_error *error, int sys_errno, const char *format, ...)
	SB_PRINTF(4, 5);

int sb_audit_lock(int fd, short type);
/* All or -1 with errno; what a failure left behind is the caller's to cut. */
int sb_audit_write_all(const sb_audit_file *f, int fd, const sb_buf *data);
void sb_audit_forget_reserve(sb_audit_file *f);
/* One record of our own, behind f->head, with the file locked. */
int sb_audit_write_own(sb_audit_file *f, const char *event, const sb_buf *body, sb_error *error);
/* 0600, and of the folder's owner whoever made it. */
int sb_audit_own(const sb_audit_file *f, int fd);
/* What is known to be on disk: 1, 0 nothing, or -kind. */
int sb_audit_known(const sb_audit_file *f, sb_audit_state *out, sb_error *error);

/* recover.c: make head and end true for a locked file whose end we don't know. */
int sb_audit_recover(sb_audit_file *f, sb_error *error);
/* Just the last record, if the file ends with a good one that follows ours. */
bool sb_audit_read_last(sb_audit_file *f);

/* rotate.c: the first record of a new log, in an empty, locked file. */
int sb_audit_begin_log(sb_audit_file *f, sb_error *error);
/* After a failed flush: go on in a new file that starts behind what is known to be on disk. */
int sb_audit_rotate(sb_audit_file *f, sb_error *error);

#endif
