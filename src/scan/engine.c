/* SPDX-License-Identifier: MIT */
/* Opening and closing a configured engine. Who it is: identity.c. */
#include "scan/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scan/manager_body.h"

enum { MAX_REPLICAS = 64 };

static int check_slots(const sb_engine_ops *ops, sb_error *error)
{
	const char *fault = NULL;

	if (ops->abi != SB_ENGINE_ABI)
		fault = "was built for another ABI";
	else if ((ops->scan == NULL) == (ops->submit == NULL))
		fault = "needs scan(), or submit() in its place";
	else if ((ops->begin == NULL) != (ops->feed == NULL) ||
		 (ops->begin == NULL) != (ops->finish == NULL))
		fault = "needs begin, feed and finish together, or none";
	else if ((ops->submit == NULL) != (ops->poll == NULL))
		fault = "needs submit and poll together, or none";
	else if (ops->submit != NULL && ops->begin != NULL)
		fault = "has submit() and begin(): one of them is possible";
	if (fault == NULL)
		return 0;
	return sb_error_set(
		error, SB_KIND_NOT_CONFIGURED, 0, "engine type %s %s", ops->name, fault);
}

static uint64_t smaller_limit(const sb_engine *engine)
{
	sb_limits limits = {0};

	if (engine->ops->limits != NULL)
		engine->ops->limits(engine->state, &limits);
	if (limits.max_size == 0 ||
		(engine->conf->max_size != 0 && engine->conf->max_size < limits.max_size))
		return engine->conf->max_size;
	return limits.max_size;
}

static sb_environment environment_of(const sb_conf *conf, const sb_engine_conf *engine)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return (sb_environment){
		.name = engine->name,
		.data_dir = conf->data_dir,
		.cpus = cpus > 0 ? (unsigned)cpus : 1,
		.concurrency = engine->concurrency > 0 ? engine->concurrency : 1,
		.max_content = conf->limits.max_size,
		.max_size = engine->max_size,
		.timeout_ms = engine->timeout_ms,
		.isolation_process = engine->isolation_process,
		.containers = conf->containers.limits,
		.rule_keys = {conf->rules.trusted_keys.items, conf->rules.trusted_keys.count},
	};
}

static int open_state(sb_engine *engine, sb_error *error)
{
	const sb_engine_ops *ops = engine->ops;
	int status = check_slots(ops, error);

	if (status < 0)
		return status;
	engine->state = calloc(1, ops->state_size > 0 ? ops->state_size : 1);
	if (engine->state == NULL)
		return sb_error_no_memory(error);
	if (engine->conf->settings != NULL)
		memcpy(engine->state, engine->conf->settings, ops->state_size);
	if (ops->environment != NULL)
		ops->environment(engine->state, &engine->environment);
	return ops->open != NULL ? ops->open(engine->state, error) : 0;
}

static void close_state(sb_engine *engine)
{
	if (engine->state != NULL && engine->ops->close != NULL)
		engine->ops->close(engine->state);
	free(engine->state);
	engine->state = NULL;
}

/* An engine that decides nothing alone is set aside: what failed is the configuration or what it
 * names, whatever the engine called it. Any other keeps the manager from opening. */
static int could_not_open(sb_engine *engine, int status, const sb_error *why, sb_error *error)
{
	const sb_engine_conf *conf = engine->conf;
	sb_error own = *why;

	if (own.kind == SB_KIND_NONE)
		sb_error_set(&own, status > -SB_KIND_COUNT_ ? (sb_kind)-status : SB_KIND_INTERNAL,
			0, "it could not be opened and did not say why");
	sb_error_prefix(&own, "%s%sengine %s", conf->origin != NULL ? conf->origin : "",
		conf->origin != NULL ? ": " : "", conf->name);
	sb_error_set_engine(&own, conf->name);
	if (conf->role == SB_ROLE_REQUIRED || own.kind == SB_KIND_INTERNAL) {
		sb_error_copy(error, &own);
		return status;
	}
	own.kind = SB_KIND_NOT_CONFIGURED;
	own.retry_after_ms = -1;
	engine->broken = own;
	close_state(engine);
	return 0;
}

/* One for each replica. */
static int open_breakers(sb_engine *engine, sb_error *error)
{
	const char *const *names = NULL;
	size_t count = 1;

	if (engine->broken.kind == SB_KIND_NONE && engine->ops->replicas != NULL)
		names = engine->ops->replicas(engine->state, &count);
	if (count < 1 || count > MAX_REPLICAS)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"engine %s has %zu replicas; 1 to %d are possible", engine->conf->name,
			count, MAX_REPLICAS);
	engine->breakers = calloc(count, sizeof *engine->breakers);
	if (engine->breakers == NULL)
		return sb_error_no_memory(error);
	engine->replica_count = count;
	for (size_t i = 0; i < count; i++)
		sb_breaker_init(&engine->breakers[i], engine, count > 1 ? names[i] : NULL);
	return 0;
}

int sb_engine_open(sb_engine *engine, sb_site *site, const sb_engine_conf *conf, sb_error *error)
{
	sb_manager *manager = site->manager;
	sb_error own;
	int status;

	*engine = (sb_engine){.conf = conf,
		.ops = conf->ops,
		.manager = manager,
		.assurance = conf->ops->assurance,
		.whole = sb_conf_ref(site->conf)};
	atomic_init(&engine->references, 1);
	sb_poison_init(&engine->poison);
	sb_tester_init(&engine->tester);
	pthread_mutex_init(&engine->quota.lock, NULL);
	engine->quota.file.fd = -1;
	pthread_mutex_init(&engine->permits.lock, NULL);
	pthread_mutex_init(&engine->lane.lock, NULL);
	pthread_cond_init(&engine->lane.work, NULL);
	pthread_cond_init(&engine->lane.ended, NULL);
	pthread_mutex_init(&engine->identity_lock, NULL);
	pthread_mutex_init(&engine->asking, NULL);
	engine->lane.last = &engine->lane.first;
	atomic_init(&engine->permits.free, (int)(conf->concurrency > 0 ? conf->concurrency : 1));
	engine->environment = environment_of(site->conf, conf);
	sb_error_init(&engine->broken);
	sb_error_init(&own);
	status = open_state(engine, &own);
	if (status == 0)
		status = sb_quota_open(&engine->quota, engine, &own);
	if (status < 0)
		status = could_not_open(engine, status, &own, error);
	if (status == 0)
		status = open_breakers(engine, error);
	if (status == 0)
		status = sb_generation_base(engine, manager->generation_key,
			sb_generation_has_secrets(engine), engine->generation_base, error);
	if (status < 0 || engine->broken.kind != SB_KIND_NONE)
		return status;
	engine->max_size = smaller_limit(engine);
	if (engine->ops->class_of != NULL)
		engine->assurance = engine->ops->class_of(engine->state);
	engine->is_inline = (engine->ops->flags & SB_ENGINE_INLINE) != 0 &&
			    (engine->ops->waits == NULL || !engine->ops->waits(engine->state));
	return 0;
}

const char *sb_engine_note(const sb_engine *engine)
{
	return engine->broken.kind == SB_KIND_NONE && engine->ops->note != NULL
		       ? engine->ops->note(engine->state)
		       : NULL;
}

void sb_engine_stop(sb_engine *engine)
{
	sb_lane *lane = &engine->lane;

	pthread_mutex_lock(&lane->lock);
	lane->stop = true;
	pthread_cond_broadcast(&lane->work);
	while (lane->threads > 0)
		pthread_cond_wait(&lane->ended, &lane->lock);
	pthread_mutex_unlock(&lane->lock);
}

void sb_engine_close(sb_engine *engine)
{
	sb_engine_stop(engine);
	close_state(engine);
	sb_quota_close(&engine->quota);
	pthread_cond_destroy(&engine->lane.ended);
	pthread_cond_destroy(&engine->lane.work);
	pthread_mutex_destroy(&engine->lane.lock);
	pthread_mutex_destroy(&engine->permits.lock);
	pthread_mutex_destroy(&engine->quota.lock);
	for (size_t i = 0; i < engine->replica_count; i++)
		sb_breaker_done(&engine->breakers[i]);
	free(engine->breakers);
	sb_poison_done(&engine->poison);
	sb_tester_done(&engine->tester);
	pthread_mutex_destroy(&engine->identity_lock);
	pthread_mutex_destroy(&engine->asking);
	sb_conf_free(engine->whole);
}

sb_engine *sb_engine_named(const sb_manager *manager, const char *name)
{
	sb_site *site = sb_site_now(manager);
	sb_engine *engine = sb_site_named(site, name);

	if (engine != NULL)
		sb_engine_ref(engine);
	sb_site_unref(site);
	return engine;
}
