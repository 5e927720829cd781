/* SPDX-License-Identifier: MIT */
/*
 * Signature files of ClamAV brought in by hand, for machines without a network: copied, checked,
 * and put in place of the old ones, which are kept until the next time. All are good, or nothing
 * changes.
 *
 *   db/            what clamd loads
 *   db/incoming/   copies that are being checked
 *   db/previous/   what the last import replaced
 */
#ifndef SB_CLI_SIGNATURES_H
#define SB_CLI_SIGNATURES_H

#include "engines/clamd/spawn.h"
#include "wire/cvd_header.h"

/* The largest of ClamAV's own is 170 MB. */
#define SB_SIGNATURES_MAX (1ull << 30)

typedef struct sb_signatures {
	int folder; /* db */
	int lock;   /* that freshclam runs under */
	sb_spawn_user owner;
	const char *sigtool; /* NULL: signatures of .cvd files can't be checked */
} sb_signatures;

/* Opens the folder of a data directory, and keeps freshclam out. */
int sb_signatures_open(sb_signatures *out, const char *data_dir, const char *user, sb_error *error);
void sb_signatures_close(sb_signatures *signatures);
/* @p told: a line for each file, for people. */
int sb_signatures_import(const sb_signatures *signatures, char *const *paths, size_t count,
	sb_buf *told, sb_error *error);
/* What the last import replaced comes back, and what is there goes where that was. */
int sb_signatures_roll_back(const sb_signatures *signatures, sb_buf *told, sb_error *error);

/* What program @p path says, up to @p room; its wait status, -1 when it could not be started or
 * took longer than a minute. @p folder: where; -1: here. */
int sb_signatures_run(const char *path, char *const *argv, int folder, const sb_spawn_user *user,
	char *out, size_t room);

#endif
