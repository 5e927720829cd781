/* SPDX-License-Identifier: MIT */
#include "scan/verdicts.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "scan/manager_body.h"

struct sb_verdicts {
	sb_cache *cache; /* there once `opened`; NULL: see error */
	sb_flights *flights;
	sb_error error;
	sb_cache_options options;
	char path[4096];
	sb_task task;
	_Atomic(bool) opened;
	pthread_mutex_t lock; /* for waiting */
	pthread_cond_t changed;
};

#define OWNER(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static void open_cache(sb_task *task)
{
	sb_verdicts *verdicts = OWNER(sb_verdicts, task, task);
	sb_error error;

	sb_error_init(&error);
	if (sb_cache_open(&verdicts->cache, &verdicts->options, &error) == 0)
		sb_cache_warm(verdicts->cache);
	pthread_mutex_lock(&verdicts->lock);
	verdicts->error = error;
	atomic_store(&verdicts->opened, true);
	pthread_cond_broadcast(&verdicts->changed);
	pthread_mutex_unlock(&verdicts->lock);
}

int sb_verdicts_open(sb_verdicts **out, sb_manager *manager, sb_error *error)
{
	const sb_conf *conf = manager->conf;
	sb_verdicts *verdicts;

	if (!conf->cache.enabled)
		return 0;
	verdicts = calloc(1, sizeof *verdicts);
	if (verdicts == NULL)
		return sb_error_no_memory(error);
	pthread_mutex_init(&verdicts->lock, NULL);
	pthread_cond_init(&verdicts->changed, NULL);
	verdicts->flights = sb_flights_new();
	if (verdicts->flights == NULL ||
		!sb_manager_cache_path(manager, verdicts->path, sizeof verdicts->path)) {
		sb_verdicts_close(verdicts);
		return sb_error_no_memory(error);
	}
	verdicts->options = (sb_cache_options){.dir = verdicts->path,
		.persistent = conf->cache.persistent,
		.memory = conf->cache.memory,
		.ttl_ms = conf->cache.ttl_ms,
		.clock = manager->clock};
	verdicts->task.run = open_cache;
	sb_crew_put(manager->askers, &verdicts->task);
	*out = verdicts;
	return 0;
}

void sb_verdicts_close(sb_verdicts *verdicts)
{
	if (verdicts == NULL)
		return;
	sb_cache_close(verdicts->cache);
	sb_flights_free(verdicts->flights);
	pthread_cond_destroy(&verdicts->changed);
	pthread_mutex_destroy(&verdicts->lock);
	free(verdicts);
}

sb_cache *sb_verdicts_cache(sb_verdicts *verdicts)
{
	if (!atomic_load(&verdicts->opened)) {
		pthread_mutex_lock(&verdicts->lock);
		while (!atomic_load(&verdicts->opened))
			pthread_cond_wait(&verdicts->changed, &verdicts->lock);
		pthread_mutex_unlock(&verdicts->lock);
	}
	return verdicts->cache;
}

sb_flights *sb_verdicts_flights(sb_verdicts *verdicts)
{
	return verdicts->flights;
}

bool sb_verdicts_problem(sb_verdicts *verdicts, char *out, size_t room)
{
	sb_cache *cache = verdicts != NULL ? sb_verdicts_cache(verdicts) : NULL;

	out[0] = '\0';
	if (cache != NULL)
		sb_cache_state(cache, out, room);
	else if (verdicts != NULL)
		snprintf(out, room, "%s", verdicts->error.message);
	return out[0] != '\0';
}
