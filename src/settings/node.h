/* SPDX-License-Identifier: MIT */
/*
 * What was written into a configuration, as a small tree: each node with its place, so that
 * whoever finds a mistake in it, and be it another process, can say where.
 */
#ifndef SB_SETTINGS_NODE_H
#define SB_SETTINGS_NODE_H

#include <stdbool.h>

#include "util/arena.h"
#include "util/error.h"

enum { SB_NODE_DEPTH = 32 }; /* no tree is deeper */

/* Where a text came from. */
typedef struct sb_origin {
	const char *name;   /* for messages */
	const char *folder; /* absolute: relative paths start here */
	bool is_file;
} sb_origin;

typedef enum sb_node_type { SB_NODE_SCALAR, SB_NODE_LIST, SB_NODE_MAP } sb_node_type;

typedef struct sb_node {
	sb_node_type type;
	bool quoted;      /* text by its quotes, whatever it looks like */
	const char *text; /* scalar */
	const char *key;  /* in a map */
	int line, column; /* from 1 */
	int key_line, key_column;
	const sb_origin *origin;
	struct sb_node *first, *last, *next;
	size_t count;
} sb_node;

/* NULL when absent or not a map. */
sb_node *sb_node_find(const sb_node *map, const char *key);
/* The same; a key that is there but null is absent, too. */
const sb_node *sb_node_get(const sb_node *map, const char *key);
bool sb_node_is_null(const sb_node *node);
/* Fill in a not_configured error with the node's place first. */
int sb_node_error(sb_error *error, const sb_node *node, const char *format, ...) SB_PRINTF(3, 4);
int sb_node_key_error(sb_error *error, const sb_node *node, const char *format, ...)
	SB_PRINTF(3, 4);

sb_node *sb_node_new(sb_arena *arena, sb_node_type type, const sb_origin *origin);
void sb_node_append(sb_node *parent, sb_node *child);
/* Keys of @p from replace those of @p into; maps merge. */
void sb_node_merge(sb_node *into, const sb_node *from);

const sb_origin *sb_origin_new(sb_arena *arena, const char *name, const char *path);
/* @p path if it is absolute, else below @p folder; NULL: no memory. */
const char *sb_path_below(sb_arena *arena, const char *folder, const char *path);

#endif
