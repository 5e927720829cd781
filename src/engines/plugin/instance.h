/* SPDX-License-Identifier: MIT */
/* A plugin as it was fetched and opened once, in worker processes or in this one: what reload()
 * exchanges as a whole. */
#ifndef SB_ENGINES_PLUGIN_INSTANCE_H
#define SB_ENGINES_PLUGIN_INSTANCE_H

#include "plugin/fetch.h"
#include "plugin/load.h"
#include "util/current.h"
#include "worker/pool.h"

typedef struct sb_instance_order {
	const char *path;
	sb_packed settings;
	unsigned workers, recycle, open_ms;
	const sb_environment *environment;
} sb_instance_order;

typedef struct sb_instance {
	sb_used used;
	sb_plugin_copy copy;
	sb_pool *pool;    /* NULL: in this process */
	sb_loaded loaded; /* in this process */
} sb_instance;

int sb_instance_open(sb_instance **out, const sb_instance_order *order, sb_error *error);
/* NULL is fine. */
void sb_instance_close(sb_used *instance);

/* What a plugin says goes into messages of ours: escaped. As sb_error_set(), with text before. */
int sb_plugin_says(sb_error *error, sb_kind kind, const char *before, const char *text);

/* Whoever judges: its file's digest, and what the plugin says. */
int sb_instance_identity(sb_instance *instance, sb_identity *out, sb_error *error);
sb_assurance sb_instance_class(sb_instance *instance);
uint64_t sb_instance_max_size(sb_instance *instance);

#endif
