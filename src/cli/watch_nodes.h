/* SPDX-License-Identifier: MIT */
/* The folders of a watched tree: by watch, by parent and name, and in a row for listing. */
#ifndef SB_CLI_WATCH_NODES_H
#define SB_CLI_WATCH_NODES_H

#include <sys/types.h>

#include "util/buf.h"

typedef struct sb_node {
	struct sb_node *parent; /* NULL: a root, whose name is its path */
	int wd;                 /* -1: not watched */
	dev_t device;
	ino_t inode;
	/* ours */
	struct sb_node *first, *before, *after;       /* children; brothers */
	struct sb_node *next_by_wd, *next_by_name;    /* in their buckets */
	struct sb_node *in_row_before, *in_row_after; /* to be listed */
	bool in_row;
	char name[];
} sb_node;

typedef struct sb_nodes {
	sb_node **by_wd, **by_name;
	size_t buckets, count;
	sb_node *row_first, *row_last;
} sb_nodes;

/* 0, or -1 without memory. */
int sb_nodes_init(sb_nodes *nodes);
/* After all roots were dropped. */
void sb_nodes_done(sb_nodes *nodes);

/* NULL without memory. */
sb_node *sb_nodes_add(sb_nodes *nodes, sb_node *parent, const char *name);
void sb_nodes_set_wd(sb_nodes *nodes, sb_node *node, int wd);
sb_node *sb_nodes_by_wd(const sb_nodes *nodes, int wd);
sb_node *sb_nodes_child(const sb_nodes *nodes, const sb_node *parent, const char *name);
/* Free the node and all below it, each after @p each was told; children come first. */
void sb_nodes_drop(
	sb_nodes *nodes, sb_node *node, void (*each)(void *data, sb_node *node), void *data);

/* At the end of the row, unless it stands there; the first of the row, taken out, or NULL. */
void sb_nodes_line_up(sb_nodes *nodes, sb_node *node);
sb_node *sb_nodes_next(sb_nodes *nodes);

/* Append its path. */
void sb_node_path(sb_buf *out, const sb_node *node);

#endif
