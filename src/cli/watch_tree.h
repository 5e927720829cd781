/* SPDX-License-Identifier: MIT */
/*
 * The folders that `watch` watches, with all folders below them, and what is heard of their
 * files. The source is inotify, and only inotify: it works for every user and in every
 * container, where fanotify's one mark for a whole tree asks for CAP_SYS_ADMIN and for leave to
 * open files by handle. Its price is a watch for each folder, of which the kernel allows a user
 * so many (fs.inotify.max_user_watches), and is said when it runs out.
 *
 * Nothing is missed:
 *   - a folder is watched first and listed then, so that what came before the watch is found by
 *     the list and what comes after it is heard; what is told twice is for others to coalesce
 *   - when the kernel's queue overflowed, or watches ran out, everything is watched and listed
 *     anew; so is a folder that was moved here or there, since watches follow it and its path
 *     does not
 *   - a root that goes away (deleted, moved, unmounted) is looked for every now and then, and is
 *     watched anew when it is back, whatever it is then
 *
 * Links are not followed below a root. What the walk of `scan` leaves out is left out.
 * No descriptor is kept below a root: it could not be unmounted.
 *
 * Threads: one.
 */
#ifndef SB_CLI_WATCH_TREE_H
#define SB_CLI_WATCH_TREE_H

#include <sys/inotify.h>

#include "cli/walk.h"
#include "util/error.h"

typedef struct sb_tree sb_tree;

typedef enum sb_tree_loss {
	SB_TREE_DELETED,
	SB_TREE_MOVED,  /* here or away; a name it has here is told, too */
	SB_TREE_FOLDER, /* a folder with all that was below it, however it went */
} sb_tree_loss;

/* Paths are the root's, as given, and what is below it. */
typedef struct sb_tree_sink {
	/* A file is there; @p closed: it was closed after writing or moved in, so it is complete.
	 */
	void (*file)(void *data, const char *path, bool closed);
	/* What had this name has it no more. */
	void (*gone)(void *data, const char *path, sb_tree_loss loss);
	void (*skipped)(void *data, const char *path, sb_skip why);
	/* A folder can't be watched or listed; it is tried again when its mode changes. */
	void (*problem)(void *data, const char *path, const char *message);
	void (*root)(void *data, const char *root, bool here);
	void *data;
} sb_tree_sink;

/* @p roots: are kept, not copied. Fails when there is no inotify to be had. */
int sb_tree_new(sb_tree **out, char *const *roots, size_t count, const sb_walk_options *options,
	const sb_tree_sink *sink, sb_error *error);
void sb_tree_free(sb_tree *tree);

/* Readable while there are events; changes when everything is watched anew. */
int sb_tree_fd(const sb_tree *tree);
/* Read events and tell of them; false: more may be waiting. */
bool sb_tree_read(sb_tree *tree);
/* One event, as the kernel gives it. */
void sb_tree_event(sb_tree *tree, const struct inotify_event *event);

/* Go on with what has to be listed, for a bounded time; false: nothing has. */
bool sb_tree_list(sb_tree *tree);
/* Look whether every root is what is watched; to be called now and then, and at the start. */
void sb_tree_check(sb_tree *tree);
/* Events were lost (also in the caller's hands): watch and list everything anew. */
void sb_tree_renew(sb_tree *tree);
/* Set by an overflow, or when descriptors ran out, until sb_tree_renew(). */
bool sb_tree_overflowed(const sb_tree *tree);

/* The root that a path is below, and what follows it; NULL: none of ours. */
const char *sb_tree_root_of(const sb_tree *tree, const char *path, const char **relative);
size_t sb_tree_folders(const sb_tree *tree);
size_t sb_tree_roots_here(const sb_tree *tree);
/* Folders that could not be watched for want of watches. */
size_t sb_tree_unwatched(const sb_tree *tree);

/* Between a path and a name below it: "" behind a slash. */
const char *sb_tree_slash(const char *path);

#endif
