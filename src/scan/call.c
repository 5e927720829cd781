/* SPDX-License-Identifier: MIT */
/* The gate driver; see call.h. What an engine says about its call is in statement.c. */
#include "scan/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "scan/job.h"
#include "scan/manager_body.h"
#include "util/io.h"

/*
 * The order matters. Limits come first: whatever was answered under a higher limit must not be
 * repeated under a lower one. What is known needs no attempt, however the engine is. The breaker
 * sees every attempt but those that poison has kept from the engine. What it turns away costs no
 * quota. The permit is last: nobody holds one while waiting for something else.
 */
static const sb_gate *const gates[] = {
	&sb_gate_limits,
	&sb_gate_cache,
	&sb_gate_retry,
	&sb_gate_poison,
	&sb_gate_breaker,
	&sb_gate_quota,
	&sb_gate_permit,
};
enum { GATE_COUNT = sizeof gates / sizeof gates[0] };

/* How many gates stand around an attempt as a whole; those behind are passed by every request of
 * a verdict that comes later. */
static unsigned gates_of_attempt(void)
{
	unsigned depth = 0;

	while (gates[depth++] != &sb_gate_breaker)
		;
	return depth;
}

/* How long an engine may overrun its deadline before it is given up (safety.md: 250 ms). */
static const uint64_t grace = 100 * SB_MS;

struct sb_call *sb_call_new(sb_engine *engine, struct sb_job *job, size_t slot, sb_content *content,
	sb_span name, uint64_t deadline)
{
	struct sb_call *call = calloc(1, sizeof *call);
	uint64_t own;

	if (call == NULL)
		return NULL;
	atomic_init(&call->references, 1);
	atomic_init(&call->cancel_fd, -1);
	call->engine = engine;
	call->job = job != NULL ? sb_job_ref(job) : NULL;
	call->site = job != NULL ? sb_site_ref(job->site) : NULL;
	call->slot = slot;
	call->content = sb_content_ref(content);
	call->name = name;
	call->clock = engine->manager->clock;
	call->started = sb_clock_now(call->clock);
	own = call->started + engine->conf->timeout_ms * SB_MS;
	call->deadline = engine->conf->timeout_ms > 0 && own < deadline ? own : deadline;
	call->fd = -1;
	sb_arena_init(&call->arena, 1 << 20);
	sb_call_restate(call);
	return call;
}

struct sb_call *sb_call_ref(struct sb_call *call)
{
	atomic_fetch_add_explicit(&call->references, 1, memory_order_relaxed);
	return call;
}

const sb_conf *sb_call_conf(const struct sb_call *call)
{
	return call->site != NULL ? call->site->conf : call->engine->whole;
}

void sb_call_unref(struct sb_call *call)
{
	sb_site *site = call->site;
	int cancel_fd;

	if (atomic_fetch_sub_explicit(&call->references, 1, memory_order_acq_rel) != 1)
		return;
	cancel_fd = atomic_load(&call->cancel_fd);
	sb_close(&cancel_fd);
	sb_close(&call->fd);
	sb_content_unref(call->content);
	sb_arena_done(&call->arena);
	if (call->job != NULL)
		sb_job_unref(call->job);
	free(call);
	sb_site_unref(site); /* its engines may go, and then the manager */
}

sb_entered sb_call_refuse(struct sb_call *call, bool abstain, sb_kind kind, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	sb_call_restate(call);
	sb_error_set(&call->error, kind, 0, "%s", text);
	sb_error_set_engine(&call->error, call->engine->conf->name);
	call->result.error = &call->error;
	call->result.abstained = abstain;
	return SB_GATE_ANSWER;
}

/* --- Parking -------------------------------------------------------------------------- */

static void timer_fired(sb_timer *timer)
{
	struct sb_call *call =
		(struct sb_call *)(void *)((char *)timer - offsetof(struct sb_call, timer));

	sb_call_wake(call);
	sb_call_unref(call);
}

/* True: parked, and no longer ours to touch. */
static bool park(struct sb_call *call, uint64_t until)
{
	sb_timers *timers = call->engine->manager->timers;

	sb_call_ref(call); /* the timer's */
	sb_timer_set(timers, &call->timer, until, timer_fired);
	if (atomic_exchange(&call->park, SB_PARK_PARKED) == SB_PARK_NO)
		return true;
	atomic_store(&call->park, SB_PARK_NO); /* woken before it slept */
	if (sb_timer_cancel(timers, &call->timer))
		sb_call_unref(call);
	return false;
}

/* --- Driving --------------------------------------------------------------------------- */

/* True when it is time to give up; the result says why. */
static bool over(struct sb_call *call, uint64_t now)
{
	const char *what = call->ticket != NULL ? "had its verdict" : "was asked";

	if (atomic_load(&call->cancelled)) {
		sb_call_refuse(call, true, SB_KIND_CANCELLED, "cancelled before engine %s %s",
			call->engine->conf->name, what);
		return true;
	}
	if (now < call->deadline)
		return false;
	sb_call_refuse(call, false, SB_KIND_TIMEOUT, "no time left before engine %s %s",
		call->engine->conf->name, what);
	return true;
}

/* Where the driver goes on: */
enum step { STEP_RUN, STEP_LEAVE, STEP_PARKED };

/* A breaker that opened meanwhile doesn't turn away who has something outstanding inside. */
static bool may_run(struct sb_call *call)
{
	return call->ticket != NULL || !sb_breaker_closed_door(call);
}

/* With a verdict outstanding: is the call over, or not to go on yet? Wakes may come for nothing. */
static bool wait_for_verdict(struct sb_call *call, enum step *step)
{
	for (;;) {
		uint64_t now = sb_clock_now(call->clock);

		*step = STEP_LEAVE;
		if (over(call, now))
			return true;
		if (now >= call->again_at)
			return false;
		*step = STEP_PARKED;
		if (park(call, call->again_at < call->deadline ? call->again_at : call->deadline))
			return true;
	}
}

/* Out again to before a gate that let it in too soon. */
static void go_back(struct sb_call *call, const sb_gate *gate)
{
	const sb_gate *left;
	uint64_t at;

	do {
		left = gates[--call->depth];
		(void)left->leave(call, sb_clock_now(call->clock), &at);
	} while (left != gate);
}

/* Gates never block: one look at the clock serves all of them in a row. */
static enum step enter_gates(struct sb_call *call)
{
	uint64_t now = sb_clock_now(call->clock);
	enum step step;

	if (call->ticket != NULL && wait_for_verdict(call, &step))
		return step;
	for (;;) {
		uint64_t until = SB_NEVER;

		if (call->depth == GATE_COUNT) {
			if (over(call, now) || !may_run(call))
				return STEP_LEAVE;
			if (sb_quota_confirm(call))
				return STEP_RUN;
			go_back(call, &sb_gate_quota);
			now = sb_clock_now(call->clock);
			continue;
		}
		switch (gates[call->depth]->enter(call, now, &until)) {
		case SB_GATE_PASS:
			call->depth++;
			break;
		case SB_GATE_WAIT:
			if (park(call, until))
				return STEP_PARKED;
			now = sb_clock_now(call->clock);
			break;
		case SB_GATE_ANSWER:
			return STEP_LEAVE;
		}
	}
}

/* There is no verdict yet: out of what one request passes, to enter it again for the next. */
static void leave_request(struct sb_call *call)
{
	uint64_t at = 0, now = sb_clock_now(call->clock);
	unsigned attempt = gates_of_attempt();

	while (call->depth > attempt)
		gates[--call->depth]->leave(call, now, &at);
	call->phase = SB_PHASE_ENTER;
}

/* True when the call has left all gates; else it is parked or has to enter again. */
static bool leave_gates(struct sb_call *call, bool *parked)
{
	uint64_t now;

	*parked = false;
	if (call->again_at != 0) {
		leave_request(call);
		return false;
	}
	sb_call_drop_ticket(call);
	now = sb_clock_now(call->clock);
	while (call->depth > 0) {
		uint64_t at = 0;

		if (gates[call->depth - 1]->leave(call, now, &at) == SB_GATE_AGAIN) {
			call->phase = SB_PHASE_ENTER;
			*parked = park(call, at);
			return false;
		}
		call->depth--;
	}
	return true;
}

static void deliver(struct sb_call *call)
{
	sb_job_deliver(call->job, call);
	sb_call_unref(call);
}

/* Not on this thread: to whoever waits for the job, if idle, else to the engine's lane. */
static void dispatch(struct sb_call *call)
{
	bool obeys = call->engine->is_inline ||
		     (call->engine->ops->flags & SB_ENGINE_HONOURS_DEADLINE) != 0;

	if (!obeys || !sb_job_offer(call->job, call))
		sb_lane_put(call->engine, call);
}

static void drive_one(struct sb_call *call, bool here)
{
	for (;;) {
		bool parked;

		if (call->phase == SB_PHASE_ENTER) {
			enum step step = enter_gates(call);

			if (step == STEP_PARKED)
				return;
			call->phase = SB_PHASE_LEAVE;
			if (step == STEP_RUN && !here) {
				dispatch(call);
				return;
			}
			if (step == STEP_RUN)
				sb_call_run(call);
		}
		if (leave_gates(call, &parked)) {
			deliver(call);
			return;
		}
		if (parked)
			return;
	}
}

/*
 * Leaving a gate may wake another call, whose leaving wakes a third: they are driven one after
 * the other by the outermost frame, not one inside the other.
 */
static _Thread_local struct {
	bool driving;
	struct sb_call *first, **last;
} mine;

void sb_call_drive(struct sb_call *call, bool here)
{
	if (mine.driving) {
		call->next = NULL;
		*mine.last = call;
		mine.last = &call->next;
		return;
	}
	mine.driving = true;
	mine.first = NULL;
	mine.last = &mine.first;
	drive_one(call, here);
	while (mine.first != NULL) {
		struct sb_call *next = mine.first;

		mine.first = next->next;
		if (mine.first == NULL)
			mine.last = &mine.first;
		drive_one(next, false);
	}
	mine.driving = false;
}

void sb_call_wake(struct sb_call *call)
{
	if (atomic_exchange(&call->park, SB_PARK_WOKEN) != SB_PARK_PARKED)
		return;
	atomic_store(&call->park, SB_PARK_NO);
	if (sb_timer_cancel(call->engine->manager->timers, &call->timer))
		sb_call_unref(call); /* the waker holds another one */
	sb_call_drive(call, false);
}

/* --- In a lane -------------------------------------------------------------------------- */

static void abandon_fired(sb_timer *timer)
{
	struct sb_call *call =
		(struct sb_call *)(void *)((char *)timer - offsetof(struct sb_call, abandon));

	sb_breaker_give_up(call);
	sb_permit_overrun(call);
	sb_call_cancel(call);
	sb_job_abandon(call->job, call);
	sb_call_unref(call);
}

void sb_call_watch(struct sb_call *call)
{
	sb_call_ref(call); /* the timer's */
	sb_timer_set(call->engine->manager->timers, &call->abandon, call->deadline + grace,
		abandon_fired);
}

void sb_call_ran(struct sb_call *call)
{
	if (sb_timer_cancel(call->engine->manager->timers, &call->abandon))
		sb_call_unref(call);
	sb_call_drive(call, false);
}

/* --- Cancelling ------------------------------------------------------------------------- */

static void ring(int fd)
{
	const uint64_t one = 1;

	/* The counter can't overflow, and nobody is left to tell if this fails. */
	if (fd >= 0 && write(fd, &one, sizeof one) < 0)
		return;
}

void sb_call_cancel(struct sb_call *call)
{
	atomic_store(&call->cancelled, true);
	ring(atomic_load(&call->cancel_fd));
	sb_content_kick(call->content);
	sb_recall_let_go(call);
	sb_call_wake(call);
}

int sb_call_cancel_fd(sb_call *call)
{
	int fd = atomic_load(&call->cancel_fd);

	if (fd >= 0)
		return fd;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	atomic_store(&call->cancel_fd, fd);
	if (atomic_load(&call->cancelled))
		ring(fd);
	return fd;
}
