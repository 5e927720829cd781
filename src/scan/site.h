/* SPDX-License-Identifier: MIT */
/*
 * A site: one configuration with the engines that it names. It never changes. A scan holds the one
 * that it began with until its last call has ended; the manager has one at a time, and replaces it
 * by another (reconfigure.c). Engines whose settings are the same in both are the very same.
 *
 * References: the manager's, those of jobs until their end, and those of calls, which may go on
 * behind it. An engine has one of each site, and one of each task of its own that is on its way;
 * when the last one is gone, a thread that does nothing else closes it: that may wait for a call.
 */
#ifndef SB_SCAN_SITE_H
#define SB_SCAN_SITE_H

#include <stdatomic.h>

#include "config/config.h"
#include "scan/engine.h"

typedef struct sb_site {
	_Atomic(unsigned) references;
	struct sb_manager *manager;
	sb_conf *conf;
	sb_engine **engines; /* in file order */
	size_t engine_count;
} sb_site;

/* Without engines, with one reference; the site's end is the configuration's, too. NULL: no memory.
 */
sb_site *sb_site_new(struct sb_manager *manager, sb_conf *conf);
/* The manager's, with a reference for the caller. */
sb_site *sb_site_now(const struct sb_manager *manager);
sb_site *sb_site_ref(sb_site *site);
/* NULL is fine. Never blocks. */
void sb_site_unref(sb_site *site);

/* Opened, and made part of the site; see sb_engine_open(). */
int sb_site_open_engine(sb_site *site, const sb_engine_conf *conf, sb_error *error);
/* One of another site becomes part of this one as well. */
void sb_site_share_engine(sb_site *site, sb_engine *engine);
bool sb_site_has(const sb_site *site, const sb_engine *engine);
/* Its place; the number of engines: none. */
size_t sb_site_find(const sb_site *site, const sb_engine *engine);
sb_engine *sb_site_named(const sb_site *site, const char *name); /* NULL: none is called so */

#endif
