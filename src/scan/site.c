/* SPDX-License-Identifier: MIT */
/* References to sites and engines, and where both end; see site.h. */
#include "scan/site.h"

#include <stdlib.h>
#include <string.h>

#include "scan/manager_body.h"

#define OWNER(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* --- Engines --------------------------------------------------------------------------------- */

static void retire(sb_task *task)
{
	sb_engine *engine = OWNER(sb_engine, retire_task, task);
	sb_manager *manager = engine->manager;

	sb_engine_close(engine);
	free(engine);
	pthread_mutex_lock(&manager->site_lock);
	manager->engines_alive--;
	pthread_cond_broadcast(&manager->engine_gone);
	pthread_mutex_unlock(&manager->site_lock);
}

sb_engine *sb_engine_ref(sb_engine *engine)
{
	atomic_fetch_add_explicit(&engine->references, 1, memory_order_relaxed);
	return engine;
}

void sb_engine_unref(sb_engine *engine)
{
	if (engine == NULL ||
		atomic_fetch_sub_explicit(&engine->references, 1, memory_order_acq_rel) != 1)
		return;
	engine->retire_task.run = retire;
	sb_crew_put(engine->manager->retirers, &engine->retire_task);
}

/* --- Sites ------------------------------------------------------------------------------------ */

sb_site *sb_site_new(sb_manager *manager, sb_conf *conf)
{
	sb_site *site = calloc(1, sizeof *site);

	if (site == NULL)
		return NULL;
	atomic_init(&site->references, 1);
	site->manager = manager;
	site->engines = calloc(conf->engine_count + 1, sizeof(sb_engine *));
	if (site->engines == NULL) {
		free(site);
		return NULL;
	}
	site->conf = sb_conf_ref(conf);
	return site;
}

sb_site *sb_site_now(const sb_manager *manager)
{
	sb_manager *self = (sb_manager *)(uintptr_t)manager;
	sb_site *site;

	pthread_mutex_lock(&self->site_lock);
	site = sb_site_ref(self->site);
	pthread_mutex_unlock(&self->site_lock);
	return site;
}

sb_site *sb_site_ref(sb_site *site)
{
	atomic_fetch_add_explicit(&site->references, 1, memory_order_relaxed);
	return site;
}

void sb_site_unref(sb_site *site)
{
	if (site == NULL ||
		atomic_fetch_sub_explicit(&site->references, 1, memory_order_acq_rel) != 1)
		return;
	/* Engines last: with the last of them the manager may go. */
	sb_conf_free(site->conf);
	for (size_t i = 0; i < site->engine_count; i++)
		sb_engine_unref(site->engines[i]);
	free(site->engines);
	free(site);
}

int sb_site_open_engine(sb_site *site, const sb_engine_conf *conf, sb_error *error)
{
	sb_manager *manager = site->manager;
	sb_engine *engine = calloc(1, sizeof *engine);

	if (engine == NULL)
		return sb_error_no_memory(error);
	pthread_mutex_lock(&manager->site_lock);
	manager->engines_alive++;
	pthread_mutex_unlock(&manager->site_lock);
	site->engines[site->engine_count++] = engine;
	return sb_engine_open(engine, site, conf, error);
}

void sb_site_share_engine(sb_site *site, sb_engine *engine)
{
	site->engines[site->engine_count++] = sb_engine_ref(engine);
}

size_t sb_site_find(const sb_site *site, const sb_engine *engine)
{
	size_t i = 0;

	while (i < site->engine_count && site->engines[i] != engine)
		i++;
	return i;
}

bool sb_site_has(const sb_site *site, const sb_engine *engine)
{
	return sb_site_find(site, engine) < site->engine_count;
}

sb_engine *sb_site_named(const sb_site *site, const char *name)
{
	for (size_t i = 0; i < site->engine_count; i++)
		if (strcmp(site->engines[i]->conf->name, name) == 0)
			return site->engines[i];
	return NULL;
}
