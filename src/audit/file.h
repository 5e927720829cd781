/* SPDX-License-Identifier: MIT */
/*
 * One log as a file that several processes write: locking, finding its end, recovery,
 * writing a group, making it durable, and going on in a new file when a flush failed.
 * Threads: one at a time (audit.c sees to it).
 *
 * The order of a group: sb_audit_file_begin() (lock, know the end), _write(), _end() (unlock),
 * and then _flush(), which needs no lock: others write while we wait for the disk.
 */
#ifndef SB_AUDIT_FILE_H
#define SB_AUDIT_FILE_H

#include <sys/types.h>

#include "audit/audit.h"
#include "audit/line.h"

/* The calls that a full or failing disk makes fail, so that tests can. */
typedef struct sb_audit_io {
	ssize_t (*write)(int fd, const void *data, size_t length);
	int (*fdatasync)(int fd);
	int (*ftruncate)(int fd, off_t length);
	int (*fallocate)(int fd, int mode, off_t offset, off_t length);
} sb_audit_io;

extern const sb_audit_io sb_audit_system_io;

typedef struct sb_audit_file {
	const sb_audit_io *io;
	sb_clock *clock;
	sb_audit_sync sync;
	uint64_t reserve, reserved_to; /* space behind the end is taken up to here … */
	uint64_t reserve_at;           /* … and more is asked for from here on */
	char *path;
	const char *name;   /* in dir; points into path */
	int dir, fd, state; /* -1: not open */
	dev_t device;       /* which file fd is */
	ino_t inode;
	char writer[SB_AUDIT_WRITER_MAX + 1];
	char log_id[SB_AUDIT_LOG_ID + 1];
	uint64_t first;     /* seq of the first record of the file that fd is */
	sb_audit_head head; /* the last record … */
	uint64_t end;       /* … and where it ends; both are true only while `known` */
	uint64_t size;      /* of the file, while locked */
	bool known;
	bool failed; /* a flush failed: this file takes no more records (D4) */
	bool named;  /* its name is durable: whoever created it may have died before */
	sb_audit_recovery recovery; /* what this process had to mend */
} sb_audit_file;

/* Open or create, recover, and make that durable. On failure there is nothing to close. */
int sb_audit_file_open(
	sb_audit_file *f, const sb_audit_options *options, const sb_audit_io *io, sb_error *error);
void sb_audit_file_close(sb_audit_file *f);

/* Lock; afterwards head and end are those of the last record in the log. */
int sb_audit_file_begin(sb_audit_file *f, sb_error *error);
/* Lines that follow head; @p head is where they lead. All of them are written, or none. */
int sb_audit_file_write(
	sb_audit_file *f, const sb_buf *lines, const sb_audit_head *head, sb_error *error);
void sb_audit_file_end(sb_audit_file *f);
/* Make durable what was written up to @p head, and let the other processes know. A failure
 * means that the records may or may not be in the log, and that the log goes on without. */
int sb_audit_file_flush(sb_audit_file *f, sb_error *error);

/* RFC 3339 now. */
void sb_audit_file_time(const sb_audit_file *f, char out[]);

#endif
