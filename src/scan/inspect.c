/* SPDX-License-Identifier: MIT */
/* Asking a worker for a media type; see inspect.h. */
#include "scan/inspect.h"

#include <stdlib.h>

#include "scan/manager_body.h"
#include "worker/pool.h"

/* A media type is an ornament: nobody waits long for it. The first one has to start a worker. */
static const uint64_t patience = 200 * SB_MS;

struct sb_inspector {
	sb_manager *manager;
	pthread_mutex_t lock; /* guards the rest */
	sb_pool *pool;
	bool tried;
};

sb_inspector *sb_inspector_new(sb_manager *manager)
{
	sb_inspector *inspector = calloc(1, sizeof *inspector);

	if (inspector == NULL)
		return NULL;
	inspector->manager = manager;
	pthread_mutex_init(&inspector->lock, NULL);
	return inspector;
}

void sb_inspector_free(sb_inspector *inspector)
{
	if (inspector == NULL)
		return;
	sb_pool_close(inspector->pool);
	pthread_mutex_destroy(&inspector->lock);
	free(inspector);
}

/* NULL where it can't be started: a report without a media type is better than none. */
static sb_pool *pool_of(sb_inspector *inspector)
{
	const sb_conf *conf = inspector->manager->conf;
	const sb_environment environment = {.cpus = 1,
		.concurrency = 4,
		.max_content = conf->limits.max_size,
		.isolation_process = conf->isolation_process,
		.containers = conf->containers.limits};
	sb_bundle bundle;
	sb_pool *pool;

	pthread_mutex_lock(&inspector->lock);
	if (!inspector->tried) {
		inspector->tried = true;
		sb_bundle_init(&bundle);
		(void)sb_pool_open_in(
			&inspector->pool, "mime", &bundle, &environment, 1, 256, NULL);
		sb_bundle_done(&bundle);
	}
	pool = inspector->pool;
	pthread_mutex_unlock(&inspector->lock);
	return pool;
}

const char *sb_inspect_mime(sb_inspector *inspector, sb_job *job)
{
	sb_pool *pool =
		inspector != NULL && job->report->result_count > 0 ? pool_of(inspector) : NULL;
	sb_answer *answer = pool != NULL ? malloc(sizeof *answer) : NULL;
	struct sb_call *call = NULL;
	const char *mime = NULL;

	if (answer != NULL) /* a call of nobody's: only its content and its time count */
		call = sb_call_new(
			job->engines[0], NULL, 0, job->content, job->report->name, job->deadline);
	if (call != NULL && call->deadline > sb_clock_now(call->clock) + patience)
		call->deadline = sb_clock_now(call->clock) + patience;
	if (call != NULL && sb_pool_judge(pool, call, SB_REQUEST_JUST_MIME, answer, NULL) == 0 &&
		answer->reply.mime != NULL)
		mime = sb_arena_text(&job->report->arena, answer->reply.mime);
	if (call != NULL)
		sb_call_unref(call);
	free(answer);
	return mime;
}
