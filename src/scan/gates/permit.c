/* SPDX-License-Identifier: MIT */
/*
 * Last gate: at most `concurrency` calls inside an engine. The common case takes a permit with
 * one compare-and-swap. A call that finds none queues, earliest deadline first; the call that
 * leaves hands its permit over. The two sides meet safely because a queuer announces itself
 * in `waiting` before it looks at `free` a last time, and a leaver puts its permit into `free`
 * before it looks at `waiting`.
 *
 * A permit stays with a call that is given up as long as its engine doesn't return. When all of
 * them are held so, there is nothing to wait for: the engine is stuck, and calls are told so.
 */
#include "scan/call.h"

enum { PERMIT_NONE = 0, PERMIT_HELD, PERMIT_OVERRUN };

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
	*(call->before != NULL ? &call->before->next : &permits->queue) = call->next;
	*(call->next != NULL ? &call->next->before : &permits->queue_end) = call->before;
	call->queued = false;
	atomic_fetch_sub(&permits->waiting, 1);
}

/* With the lock held. From the end: most calls have as long as those before them, so their place
 * is there, however many wait. */
static void enqueue(sb_permits *permits, struct sb_call *call)
{
	struct sb_call *before = permits->queue_end;

	while (before != NULL && before->deadline > call->deadline)
		before = before->before;
	call->before = before;
	call->next = before != NULL ? before->next : permits->queue;
	*(before != NULL ? &before->next : &permits->queue) = call;
	*(call->next != NULL ? &call->next->before : &permits->queue_end) = call;
	call->queued = true;
	atomic_fetch_add(&permits->waiting, 1);
}

static bool stuck(const struct sb_call *call)
{
	unsigned all = call->engine->conf->concurrency;

	return atomic_load(&call->engine->permits.overrun) >= (int)(all > 0 ? all : 1);
}

static sb_entered give_up(struct sb_call *call, uint64_t now)
{
	if (atomic_load(&call->cancelled))
		return sb_call_refuse(call, true, SB_KIND_CANCELLED, "cancelled while it waited");
	if (stuck(call)) {
		call->asked = true; /* it says something about the engine */
		return sb_call_refuse(call, false, SB_KIND_TIMEOUT,
			"engine %s is stuck: all %u calls inside have overrun their deadline",
			call->engine->conf->name, call->engine->conf->concurrency);
	}
	return sb_call_refuse(call, true, SB_KIND_OVERLOADED,
		"no free slot of engine %s in %llu ms; all %u are busy", call->engine->conf->name,
		(unsigned long long)((now - call->started) / SB_MS),
		call->engine->conf->concurrency);
}

static sb_entered enter(struct sb_call *call, uint64_t now, uint64_t *until)
{
	sb_permits *permits = &call->engine->permits;
	bool over = now >= call->deadline || atomic_load(&call->cancelled) || stuck(call);
	sb_entered entered = SB_GATE_WAIT;

	if (!call->waited && atomic_load(&permits->waiting) == 0 && take(permits)) {
		call->has_permit = true;
		atomic_store(&call->permit, PERMIT_HELD);
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
		atomic_store(&call->permit, PERMIT_HELD);
	} else if (over) {
		if (call->queued)
			unqueue(permits, call);
		entered = SB_GATE_ANSWER;
	}
	pthread_mutex_unlock(&permits->lock);
	*until = call->deadline;
	return entered == SB_GATE_ANSWER ? give_up(call, now) : entered;
}

/* The one that waits most urgently, out of the queue and with a reference; NULL: none, or
 * @p with_permit and there is none. */
static struct sb_call *next_waiter(sb_permits *permits, bool with_permit)
{
	struct sb_call *next = NULL;

	pthread_mutex_lock(&permits->lock);
	if (permits->queue != NULL && (!with_permit || take(permits))) {
		next = sb_call_ref(permits->queue);
		unqueue(permits, next);
		next->has_permit = with_permit;
	}
	pthread_mutex_unlock(&permits->lock);
	return next;
}

static void wake_waiters(sb_permits *permits, bool with_permit)
{
	while (atomic_load(&permits->waiting) > 0) {
		struct sb_call *next = next_waiter(permits, with_permit);

		if (next == NULL)
			break;
		sb_call_wake(next);
		sb_call_unref(next);
	}
}

static sb_left leave(struct sb_call *call, uint64_t now, uint64_t *at)
{
	sb_permits *permits = &call->engine->permits;

	(void)now;
	(void)at;
	call->has_permit = call->waited = false;
	if (atomic_exchange(&call->permit, PERMIT_NONE) == PERMIT_OVERRUN)
		atomic_fetch_sub(&permits->overrun, 1);
	atomic_fetch_add(&permits->free, 1);
	wake_waiters(permits, true);
	return SB_GATE_DONE;
}

void sb_permit_overrun(struct sb_call *call)
{
	sb_permits *permits = &call->engine->permits;
	int held = PERMIT_HELD;

	if (!atomic_compare_exchange_strong(&call->permit, &held, PERMIT_OVERRUN))
		return;
	atomic_fetch_add(&permits->overrun, 1);
	if (stuck(call))
		wake_waiters(permits, false);
}

const sb_gate sb_gate_permit = {"permit", enter, leave};
