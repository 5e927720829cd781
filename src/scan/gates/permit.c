/* SPDX-License-Identifier: MIT */
/*
 * Last gate: at most `concurrency` calls inside an engine. The common case takes a permit with
 * one compare-and-swap. A call that finds none queues, earliest deadline first; the call that
 * leaves hands its permit over. The two sides meet safely because a queuer announces itself
 * in `waiting` before it looks at `free` a last time, and a leaver puts its permit into `free`
 * before it looks at `waiting`.
 */
#include "scan/call.h"

static bool take(sb_permits *permits)
{
	int free = atomic_load(&permits->free);

	while (free > 0)
		if (atomic_compare_exchange_weak(&permits->free, &free, free - 1))
			return true;
	return false;
}

static void unqueue(sb_permits *permits, struct sb_call *call)
{
	struct sb_call **link = &permits->queue;

	while (*link != call)
		link = &(*link)->next;
	*link = call->next;
	call->queued = false;
	atomic_fetch_sub(&permits->waiting, 1);
}

/* With the lock held. */
static void enqueue(sb_permits *permits, struct sb_call *call)
{
	struct sb_call **link = &permits->queue;

	while (*link != NULL && (*link)->deadline <= call->deadline)
		link = &(*link)->next;
	call->next = *link;
	*link = call;
	call->queued = true;
	atomic_fetch_add(&permits->waiting, 1);
}

static sb_entered give_up(struct sb_call *call, uint64_t now)
{
	if (atomic_load(&call->cancelled))
		return sb_call_refuse(call, true, SB_KIND_CANCELLED, "cancelled while it waited");
	return sb_call_refuse(call, true, SB_KIND_OVERLOADED,
		"no free slot of engine %s in %llu ms; all %u are busy", call->engine->conf->name,
		(unsigned long long)((now - call->started) / SB_MS),
		call->engine->conf->concurrency);
}

static sb_entered enter(struct sb_call *call, uint64_t now, uint64_t *until)
{
	sb_permits *permits = &call->engine->permits;
	bool over = now >= call->deadline || atomic_load(&call->cancelled);
	sb_entered entered = SB_GATE_WAIT;

	if (!call->waited && atomic_load(&permits->waiting) == 0 && take(permits)) {
		call->has_permit = true;
		return SB_GATE_PASS;
	}
	call->waited = true; /* from now on others may touch `queued` and `has_permit` */
	pthread_mutex_lock(&permits->lock);
	if (!call->has_permit && !call->queued && !over)
		enqueue(permits, call);
	if (call->queued && take(permits)) {
		unqueue(permits, call);
		call->has_permit = true;
	}
	if (call->has_permit) {
		entered = SB_GATE_PASS;
	} else if (over) {
		if (call->queued)
			unqueue(permits, call);
		entered = SB_GATE_ANSWER;
	}
	pthread_mutex_unlock(&permits->lock);
	*until = call->deadline;
	return entered == SB_GATE_ANSWER ? give_up(call, now) : entered;
}

static sb_left leave(struct sb_call *call, uint64_t now, uint64_t *at)
{
	sb_permits *permits = &call->engine->permits;

	(void)now;
	(void)at;
	call->has_permit = call->waited = false;
	atomic_fetch_add(&permits->free, 1);
	while (atomic_load(&permits->waiting) > 0) {
		struct sb_call *next = NULL;

		pthread_mutex_lock(&permits->lock);
		if (permits->queue != NULL && take(permits)) {
			next = sb_call_ref(permits->queue);
			unqueue(permits, next);
			next->has_permit = true;
		}
		pthread_mutex_unlock(&permits->lock);
		if (next == NULL)
			break;
		sb_call_wake(next);
		sb_call_unref(next);
	}
	return SB_GATE_DONE;
}

const sb_gate sb_gate_permit = {"permit", enter, leave};
