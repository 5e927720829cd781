/* SPDX-License-Identifier: MIT */
/*
 * Where the account of an engine's quota is kept: a file of 1 KiB in the data directory, which all
 * processes that use that directory share, and which outlives them.
 *
 * Two slots, written in turn, each with a number and a digest: whatever ends a process leaves one
 * that is whole. An open file description lock excludes others while a booking is made, and ends
 * with its process; it is only ever tried for, so that a process that was stopped with the lock in
 * its hand holds up nobody. Nothing is mapped: a file that somebody cuts short ends nobody.
 */
#ifndef SB_SCAN_GATES_QUOTA_FILE_H
#define SB_SCAN_GATES_QUOTA_FILE_H

#include "scan/gates/quota_state.h"
#include "util/error.h"

typedef struct sb_quota_file {
	int dir, fd;     /* the first isn't ours; -1: none */
	char name[80];   /* below dir */
	unsigned slot;   /* that was read last; the other one is written next */
	uint64_t number; /* its number */
} sb_quota_file;

typedef enum sb_quota_read {
	SB_QUOTA_READ = 0, /* locked, and *state is what was booked */
	SB_QUOTA_DAMAGED,  /* locked, and nothing can be read */
	SB_QUOTA_BUSY,     /* somebody else has the lock */
	SB_QUOTA_FAILED,   /* errno */
} sb_quota_read;

/* Made, 0600, where there is none. */
int sb_quota_file_open(sb_quota_file *file, int dir, const char *engine, sb_error *error);
void sb_quota_file_close(sb_quota_file *file);
sb_quota_read sb_quota_file_begin(sb_quota_file *file, sb_quota_state *state);
/* Let go again, after storing @p state unless that is NULL; -1 with errno. */
int sb_quota_file_end(sb_quota_file *file, const sb_quota_state *state);

#endif
