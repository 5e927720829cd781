/* SPDX-License-Identifier: MIT */
/*
 * Walking a tree that somebody else may be changing: every step is relative to an open
 * directory and follows no link, so nothing outside the tree is ever reached. Few descriptors
 * and no recursion whatever the depth; memory grows only with the directories that wait their
 * turn and with the number of hard-linked files.
 *
 * Threads: one walks; items may be used and freed by others.
 */
#ifndef SB_CLI_WALK_H
#define SB_CLI_WALK_H

#include <stdatomic.h>
#include <sys/types.h>

#include <scanbridge/types.h>

#include "util/buf.h"

/* An open directory, kept until the last item that lies in it is freed. */
typedef struct sb_walk_dir {
	atomic_uint refs;
	int fd;
	char prefix[]; /* its path with a slash behind */
} sb_walk_dir;

/* One file to scan. */
typedef struct sb_walk_item {
	sb_walk_dir *dir; /* NULL: `name` is a path (or `-`) given by the user */
	uint64_t size;    /* as far as known */
	bool standard_input;
	char name[];
} sb_walk_item;

/* Takes @p fd, unless it fails: NULL without memory. One reference, the caller's. */
sb_walk_dir *sb_walk_dir_new(int fd, const char *prefix, size_t length);
void sb_walk_dir_unref(sb_walk_dir *dir); /* NULL is fine */
/* NULL when there is no memory; takes a reference on @p dir of its own. */
sb_walk_item *sb_walk_item_new(sb_walk_dir *dir, const char *name, uint64_t size);
void sb_walk_item_free(sb_walk_item *item);
/* Replace what is in @p out by the item's path. */
void sb_walk_item_path(const sb_walk_item *item, sb_buf *out);

/* Why something that was met is not scanned. */
typedef enum sb_skip {
	SB_SKIP_SYMLINK = 0,
	SB_SKIP_SPECIAL, /* FIFO, socket, device */
	SB_SKIP_HARD_LINK,
	SB_SKIP_EXCLUDED,
	SB_SKIP_KERNEL, /* proc, sysfs, … */
	SB_SKIP_DATA_DIR,
	SB_SKIP_COUNT_,
} sb_skip;

typedef struct sb_walk_sink {
	/* Takes the item; false ends the walk. */
	bool (*file)(void *data, sb_walk_item *item);
	void (*skipped)(void *data, const char *path, sb_skip why);
	/* A directory that could not be read, whole or in part. */
	void (*problem)(void *data, const char *path, const char *message);
	void *data;
} sb_walk_sink;

typedef struct sb_walk_options {
	const char *const *excludes; /* globs; those without a slash are for names */
	size_t exclude_count;
	const char *data_dir; /* left out; NULL: none */
} sb_walk_options;

typedef struct sb_walk sb_walk;

/* NULL when there is no memory. Options and sink are copied, what they point to is not. */
sb_walk *sb_walk_new(const sb_walk_options *options, const sb_walk_sink *sink);
void sb_walk_free(sb_walk *walk);
/* One path as the user gave it; `-` is standard input. False when the sink said stop. */
bool sb_walk_path(sb_walk *walk, const char *path);

#endif
