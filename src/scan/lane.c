/* SPDX-License-Identifier: MIT */
/*
 * The threads of one engine (a bulkhead): started when a call finds none idle, never more than
 * the engine has permits. A thread that hands its permit on may still be at work on its last
 * answer; it comes back for the call that got the permit.
 */
#include "scan/call.h"
#include "util/thread.h"

static struct sb_call *take(sb_lane *lane)
{
	struct sb_call *call = lane->first;

	lane->first = call->next;
	if (lane->first == NULL)
		lane->last = &lane->first;
	return call;
}

static void *work(void *data)
{
	sb_engine *engine = data;
	sb_lane *lane = &engine->lane;

	sb_thread_mark_worker();
	pthread_mutex_lock(&lane->lock);
	for (;;) {
		struct sb_call *call;

		while (lane->first == NULL && !lane->stop) {
			lane->idle++;
			pthread_cond_wait(&lane->work, &lane->lock);
			lane->idle--;
		}
		if (lane->first == NULL)
			break;
		call = take(lane);
		pthread_mutex_unlock(&lane->lock);
		sb_call_run(call);
		sb_call_ran(call);
		pthread_mutex_lock(&lane->lock);
	}
	lane->threads--;
	pthread_cond_signal(&lane->ended);
	pthread_mutex_unlock(&lane->lock);
	return NULL;
}

/* With the lock held. `pending` calls wait for fewer idle threads: one more is needed, if it may
 * be. */
static bool ensure_thread(sb_engine *engine)
{
	sb_lane *lane = &engine->lane;
	unsigned pending = 0;
	pthread_t thread;

	for (const struct sb_call *c = lane->first; c != NULL; c = c->next)
		pending++;
	if (lane->idle >= pending || lane->threads >= engine->environment.concurrency)
		return true;
	if (sb_thread_start(&thread, "sb-engine", work, engine) == 0) {
		pthread_detach(thread);
		lane->threads++;
	}
	return lane->threads > 0; /* busy ones come back */
}

void sb_lane_put(sb_engine *engine, struct sb_call *call)
{
	sb_lane *lane = &engine->lane;
	bool served;

	sb_call_watch(call);
	pthread_mutex_lock(&lane->lock);
	call->next = NULL;
	*lane->last = call;
	lane->last = &call->next;
	served = ensure_thread(engine);
	if (!served) { /* not one thread to be had */
		lane->first = NULL;
		lane->last = &lane->first;
	}
	pthread_cond_signal(&lane->work);
	pthread_mutex_unlock(&lane->lock);
	if (!served) {
		sb_call_refuse(call, false, SB_KIND_INTERNAL, "no thread for engine %s",
			engine->conf->name);
		sb_call_ran(call);
	}
}
