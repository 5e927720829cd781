/* SPDX-License-Identifier: MIT */
/*
 * What `watch` has judged, kept in the data directory so that a restart need not judge it again:
 * `watch.sqlite`, a row for every path with the identity of the content that was judged there
 * and the digest of what it was judged by. A row is written after the verdict was released. It
 * may be lost, and then the file is judged once more; nothing else follows from it, so commits
 * are not flushed, and a file that is damaged is made anew.
 *
 * A failure (a full disk) is kept in the state and ends writing; looking up goes on.
 *
 * Threads: one. Other processes may use the same file.
 */
#ifndef SB_CLI_WATCH_STATE_H
#define SB_CLI_WATCH_STATE_H

#include "cli/watch_pending.h"
#include "util/buf.h"
#include "util/error.h"

typedef struct sb_watch_state sb_watch_state;

/* @p digest: 32 bytes; rows of another one are none. @p renewed: the file was damaged. */
int sb_watch_state_open(sb_watch_state **out, const char *data_dir, const uint8_t *digest,
	bool *renewed, sb_error *error);
void sb_watch_state_close(sb_watch_state *state);
/* Rows of another digest than this one are none, from now on. */
void sb_watch_state_judge_by(sb_watch_state *state, const uint8_t *digest);

/* Paths are absolute. */
bool sb_watch_state_knows(
	sb_watch_state *state, const char *path, const sb_watch_identity *identity);
/* @p now: s since the epoch. */
void sb_watch_state_put(
	sb_watch_state *state, const char *path, const sb_watch_identity *identity, uint64_t now);
void sb_watch_state_forget(sb_watch_state *state, const char *path);
/* All that is below the folder. */
void sb_watch_state_forget_below(sb_watch_state *state, const char *folder);
/* What was written since the last time. */
void sb_watch_state_commit(sb_watch_state *state);
/* The first failure, once; NULL: none, or told already. */
const sb_error *sb_watch_state_failure(sb_watch_state *state);

/* Go through the rows below @p folder, the next few behind *cursor (to begin with: an empty
 * buffer), and forget those whose file is gone. False: that was all. */
bool sb_watch_state_prune(sb_watch_state *state, const char *folder, sb_buf *cursor);
/* Forget rows older than @p before (s since the epoch), unless below one of the folders. */
void sb_watch_state_expire(
	sb_watch_state *state, uint64_t before, char *const *folders, size_t count);

#endif
