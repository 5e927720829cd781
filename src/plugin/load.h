/* SPDX-License-Identifier: MIT */
/*
 * A plugin in this process: loaded from its sealed copy, its entry checked, its settings filled in
 * by its own table, opened. The same for the worker, which is what it is made for, and for the
 * host with `isolation: none`.
 */
#ifndef SB_PLUGIN_LOAD_H
#define SB_PLUGIN_LOAD_H

#include <scanbridge/sys/engine.h>

#include "util/arena.h"

typedef struct sb_plugin_order {
	const char *path; /* for messages */
	int fd;           /* sealed copy; stays the caller's, and open as long as the plugin is */
	sb_packed settings;
	sb_environment environment; /* what it points at stays as long as the plugin does */
} sb_plugin_order;

typedef struct sb_loaded {
	const sb_engine_ops *ops; /* NULL: nothing is loaded */
	void *handle, *state;
	sb_arena arena; /* texts of the settings */
	bool began;     /* open() was called: close() follows */
	sb_environment environment;
} sb_loaded;

/* On failure everything is as before, and the message names the plugin. @p out must not move. */
int sb_plugin_load(sb_loaded *out, const sb_plugin_order *order, sb_error *error);
void sb_plugin_unload(sb_loaded *loaded);

/* What an opened plugin says of itself. */
int sb_plugin_identity(const sb_loaded *loaded, sb_identity *out, sb_error *error);
sb_assurance sb_plugin_class(const sb_loaded *loaded);
uint64_t sb_plugin_max_size(const sb_loaded *loaded);

#endif
