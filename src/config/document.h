/* SPDX-License-Identifier: MIT */
/*
 * The configuration as it was written: a tree of nodes (settings/node.h). libfyaml ends at
 * document.c; nobody else knows that it was YAML.
 */
#ifndef SB_CONFIG_DOCUMENT_H
#define SB_CONFIG_DOCUMENT_H

#include <scanbridge/sys/engine.h>

#include "config/config.h"
#include "settings/node.h"

enum {
	SB_DOCUMENT_BYTES = 1 << 20,
	SB_DOCUMENT_DEPTH = SB_NODE_DEPTH,
	SB_DOCUMENT_NODES = 20000,
	SB_DOCUMENT_KEYS = 1000, /* in one map */
	SB_CONFIG_TYPES = 64,    /* registered engine types */
};

struct sb_config {
	sb_arena arena;
	sb_node *root;    /* always a map */
	const char *file; /* the last file loaded, or NULL */
	const sb_engine_ops *types[SB_CONFIG_TYPES];
	size_t type_count;
	const sb_store_ops *store; /* registered; or NULL */
	void *store_data;
};

/* Parse a whole text. NULL with the error set; an empty text gives an empty map. */
sb_node *sb_document_parse(
	sb_arena *arena, const char *text, size_t length, const sb_origin *origin, sb_error *error);
/* Read a file first; its folder becomes the origin's. */
sb_node *sb_document_read(sb_arena *arena, const char *path, sb_error *error);

#endif
