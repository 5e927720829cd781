/* SPDX-License-Identifier: MIT */
/* One file of a watched folder: reached without following a link, told apart, looked at. */
#ifndef SB_CLI_WATCH_FILE_H
#define SB_CLI_WATCH_FILE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "cli/watch_pending.h"

/* The folder @p relative (`a/b/`, or empty) below @p root, a path of the user's: -1 with errno.
 * A link is followed only on the way to the root, and as the root. */
int sb_watch_open_folder(const char *root, const char *relative);

sb_watch_identity sb_watch_identify(const struct stat *st);
bool sb_watch_same(const sb_watch_identity *a, const sb_watch_identity *b);

/* Whether somebody has it open for writing. False where the kernel doesn't tell us: of files
 * that are not ours (unless we may CAP_LEASE), and on some file systems. */
bool sb_watch_has_writer(int folder, const char *name);

#endif
