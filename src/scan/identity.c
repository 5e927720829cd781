/* SPDX-License-Identifier: MIT */
/*
 * Who an engine is, as it was last asked. An answer is believed for 5 s: a lease. Whoever may
 * block asks himself; calls on their way through the gates never do: the question is put by a
 * thread that does nothing else, and they are woken.
 */
#include <stdio.h>
#include <string.h>

#include "scan/call.h"
#include "scan/manager_body.h"

static const uint64_t lease = 5000 * SB_MS, early = 2500 * SB_MS;
enum { ASK_MS = 2000 };

#define OWNER(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

int sb_engine_ask(sb_engine *engine, uint64_t timeout_ms, sb_identity *out, sb_error *error)
{
	sb_identity identity = {.exactness = SB_EXACT_FULL};
	int status = 0;
	bool other;

	if (engine->broken.kind != SB_KIND_NONE) {
		*out = (sb_identity){.exactness = SB_EXACT_NONE};
		sb_error_copy(error, &engine->broken);
		return -(int)engine->broken.kind;
	}
	if (engine->ops->identity != NULL) {
		identity = (sb_identity){.exactness = SB_EXACT_NONE};
		status = engine->ops->identity(engine->state, timeout_ms, &identity, error);
	} else {
		snprintf(identity.engine_version, sizeof identity.engine_version, "%s",
			SB_VERSION_STRING);
	}
	if (status < 0)
		sb_error_set_engine(error, engine->conf->name);
	pthread_mutex_lock(&engine->identity_lock);
	other = engine->identity_known && status == 0 &&
		(strcmp(engine->identity.engine_version, identity.engine_version) != 0 ||
			strcmp(engine->identity.signature_version, identity.signature_version) !=
				0);
	engine->identity_known = status == 0;
	engine->identity_at = sb_clock_now(engine->manager->clock);
	engine->identity = identity;
	engine->generation.known = false;
	if (status == 0)
		sb_generation_of(&engine->generation, engine->generation_base, &identity);
	pthread_mutex_unlock(&engine->identity_lock);
	if (other) { /* what it proved was proved by another one */
		atomic_fetch_add(&engine->identity_changes, 1);
		sb_tester_now(engine);
	}
	*out = identity;
	return status;
}

/* What is held under the lease. True when there is no need to ask. */
static bool held(sb_engine *engine, sb_identity *out, bool *known)
{
	uint64_t now = sb_clock_now(engine->manager->clock);
	bool fresh;

	pthread_mutex_lock(&engine->identity_lock);
	*known = engine->identity_known;
	*out = engine->identity;
	fresh = engine->identity_at != 0 && now - engine->identity_at < lease;
	pthread_mutex_unlock(&engine->identity_lock);
	return fresh;
}

bool sb_engine_identity(sb_engine *engine, uint64_t timeout_ms, sb_identity *out)
{
	bool known;

	if (held(engine, out, &known))
		return known;
	/* One asks. Others go on with what was known, and wait only if nothing was. */
	if (known && pthread_mutex_trylock(&engine->asking) != 0)
		return true;
	if (!known)
		pthread_mutex_lock(&engine->asking);
	if (!held(engine, out, &known))
		known = sb_engine_ask(
				engine, timeout_ms < ASK_MS ? timeout_ms : ASK_MS, out, NULL) == 0;
	pthread_mutex_unlock(&engine->asking);
	return known;
}

/* --- For calls on their way ---------------------------------------------------------------------
 */

void sb_engine_generation(sb_engine *engine, sb_generation *out)
{
	pthread_mutex_lock(&engine->identity_lock);
	*out = engine->generation;
	pthread_mutex_unlock(&engine->identity_lock);
}

bool sb_engine_known(sb_engine *engine, sb_identity *out)
{
	bool known;

	pthread_mutex_lock(&engine->identity_lock);
	known = engine->identity_known;
	*out = engine->identity;
	pthread_mutex_unlock(&engine->identity_lock);
	return known;
}

/* With the lock: behind those that came before it, so that they go on in their order. */
static void enlist(sb_engine *engine, struct sb_call *call)
{
	if (engine->curious == NULL)
		engine->curious_end = &engine->curious;
	call->curious_next = NULL;
	*engine->curious_end = sb_call_ref(call);
	engine->curious_end = &call->curious_next;
}

/* With the lock: off the list; false when it isn't there. */
static bool unlist(sb_engine *engine, struct sb_call *call)
{
	struct sb_call **link = &engine->curious;

	while (*link != NULL && *link != call)
		link = &(*link)->curious_next;
	if (*link == NULL)
		return false;
	*link = call->curious_next;
	if (*link == NULL)
		engine->curious_end = link;
	return true;
}

void sb_engine_stop_waiting(struct sb_call *call)
{
	bool listed;

	pthread_mutex_lock(&call->engine->identity_lock);
	listed = unlist(call->engine, call);
	pthread_mutex_unlock(&call->engine->identity_lock);
	if (listed)
		sb_call_unref(call); /* the list's; the driver has another one */
}

static bool wake_next(sb_engine *engine)
{
	struct sb_call *call;

	pthread_mutex_lock(&engine->identity_lock);
	call = engine->curious;
	if (call != NULL)
		(void)unlist(engine, call);
	pthread_mutex_unlock(&engine->identity_lock);
	if (call == NULL)
		return false;
	sb_call_wake(call);
	sb_call_unref(call);
	return true;
}

/* First come, first served: those that come while the first are woken stand in line behind them,
 * and nobody does after that, or one thread would wake for ever what others bring. */
static void wake_all(sb_engine *engine)
{
	size_t first = 0;

	pthread_mutex_lock(&engine->identity_lock);
	engine->renewing = false;
	engine->waking = true;
	for (const struct sb_call *call = engine->curious; call != NULL; call = call->curious_next)
		first++;
	pthread_mutex_unlock(&engine->identity_lock);
	while (first > 0 && wake_next(engine))
		first--;
	pthread_mutex_lock(&engine->identity_lock);
	engine->waking = false;
	pthread_mutex_unlock(&engine->identity_lock);
	while (wake_next(engine))
		;
}

static void renew(sb_task *task)
{
	sb_engine *engine = OWNER(sb_engine, identity_task, task);
	sb_identity identity;

	pthread_mutex_lock(&engine->asking);
	(void)sb_engine_ask(engine, ASK_MS, &identity, NULL);
	pthread_mutex_unlock(&engine->asking);
	wake_all(engine);
	sb_engine_unref(engine);
}

/* Its answer is there without a question. */
static bool answers_at_once(const sb_engine *engine)
{
	return engine->ops->identity == NULL || (engine->ops->flags & SB_ENGINE_LOCAL) != 0;
}

/* With the lock: an answer that is young enough? *ask: it is time to put the question. */
static sb_known look(sb_engine *engine, uint64_t now, bool *ask)
{
	uint64_t age = now - engine->identity_at;

	*ask = engine->identity_at == 0 || age >= early;
	if (engine->identity_at == 0 || age >= lease)
		return SB_KNOWN_SOON;
	return engine->generation.known ? SB_KNOWN : SB_KNOWN_NOT;
}

sb_known sb_engine_generation_for(
	struct sb_call *call, uint64_t now, sb_generation *generation, sb_identity *identity)
{
	sb_engine *engine = call->engine;
	bool begin, at_once = answers_at_once(engine);
	sb_known known;

	pthread_mutex_lock(&engine->identity_lock);
	known = look(engine, now, &begin);
	begin = begin && !at_once && !engine->renewing;
	engine->renewing = engine->renewing || begin;
	if (engine->waking && !at_once && call->recall.step == SB_RECALL_START)
		known = SB_KNOWN_SOON;
	if (known == SB_KNOWN_SOON && !at_once)
		enlist(engine, call);
	*generation = engine->generation;
	*identity = engine->identity;
	pthread_mutex_unlock(&engine->identity_lock);
	if (begin) {
		engine->identity_task.run = renew;
		sb_engine_ref(engine); /* the task's */
		sb_crew_put(engine->manager->askers, &engine->identity_task);
	}
	if (known != SB_KNOWN_SOON || !at_once)
		return known;
	known = sb_engine_identity(engine, 0, identity) ? SB_KNOWN : SB_KNOWN_NOT;
	sb_engine_generation(engine, generation);
	return known;
}

/* --- What it means ----------------------------------------------------------------------------
 */

bool sb_engine_is_stale(const sb_engine *engine, const sb_identity *identity)
{
	uint64_t age = engine->conf->max_signature_age_ms,
		 made = (uint64_t)identity->signature_time;

	return age > 0 && identity->signature_time > 0 &&
	       sb_clock_wall(engine->manager->clock) / SB_MS > made * 1000 + age;
}

void sb_engine_identity_text(
	const sb_engine *engine, const sb_identity *identity, char *out, size_t room)
{
	snprintf(out, room, "%s %s %s", engine->ops->name,
		identity != NULL ? identity->engine_version : "?",
		identity != NULL ? identity->signature_version : "?");
}
