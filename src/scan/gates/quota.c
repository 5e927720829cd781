/* SPDX-License-Identifier: MIT */
/*
 * The gate of the quota, between breaker and permit: what the breaker turns away costs nothing,
 * and what got no permit is taken off the books again. A retry costs, an answer from the cache or
 * from another call's flight doesn't, as neither comes here.
 */
#include "scan/gates/quota.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "scan/call.h"
#include "scan/events.h"
#include "scan/manager_body.h"

/* The account is in another process's hands: look again after this. */
static const uint64_t busy = 1 * SB_MS;

/* --- The account ------------------------------------------------------------------------------ */

typedef struct booking {
	sb_quota *quota;
	sb_quota_state state;
	uint64_t now, wall;
	sb_quota_read read;
	int sys_errno;
} booking;

static void tell_damage(sb_quota *quota)
{
	const sb_engine *engine = quota->engine;
	sb_engine_event event = {.what = SB_EVENT_QUOTA};

	snprintf(event.engine, sizeof event.engine, "%s", engine->conf->name);
	snprintf(event.message, sizeof event.message,
		"%s in the data directory is damaged: this minute's and today's requests count as "
		"sent; delete it to begin anew",
		quota->file.name);
	sb_events_put(engine->manager->events, &event);
}

/* With the lock held. Nothing is booked, and end() not to be called, unless this returns true. */
static bool begin(sb_quota *quota, booking *b)
{
	const sb_clock *clock = quota->engine->manager->clock;

	b->quota = quota;
	b->state = quota->state;
	b->read = quota->kept ? sb_quota_file_begin(&quota->file, &b->state) : SB_QUOTA_READ;
	b->sys_errno = b->read == SB_QUOTA_FAILED ? errno : 0;
	/* Now that nobody else books: what others have sent can't lie ahead. */
	b->now = sb_clock_now(clock);
	b->wall = sb_clock_wall(clock);
	if (b->read == SB_QUOTA_DAMAGED) {
		sb_quota_assume_spent(&b->state, &quota->rules, b->now, b->wall);
		tell_damage(quota);
	}
	if (b->read == SB_QUOTA_READ)
		sb_quota_catch_up(&b->state, b->now, b->wall);
	return b->read == SB_QUOTA_READ || b->read == SB_QUOTA_DAMAGED;
}

/* Stored if @p changed; false: it could not be. */
static bool end(booking *b, bool changed)
{
	sb_quota *quota = b->quota;
	bool stored;

	changed = changed || b->read == SB_QUOTA_DAMAGED;
	if (!quota->kept) {
		quota->state = b->state;
		return true;
	}
	stored = sb_quota_file_end(&quota->file, changed ? &b->state : NULL) == 0;
	if (!stored) {
		b->read = SB_QUOTA_FAILED;
		b->sys_errno = errno;
	}
	return stored;
}

int sb_quota_open(sb_quota *quota, sb_engine *engine, sb_error *error)
{
	quota->engine = engine;
	quota->rules = engine->conf->quota;
	quota->file.fd = -1;
	if (quota->rules.per_minute == 0 && quota->rules.per_day == 0)
		return 0;
	quota->kept = true;
	atomic_store(&quota->watched, true);
	return sb_quota_file_open(
		&quota->file, engine->manager->data_dir_fd, engine->conf->name, error);
}

void sb_quota_close(sb_quota *quota)
{
	sb_quota_file_close(&quota->file);
}

/* --- The queue: with the lock held ------------------------------------------------------------ */

static void enqueue(sb_quota *quota, struct sb_call *call)
{
	sb_quota_turn *turn = &call->turn;
	struct sb_call *before = turn->overtaken ? NULL : quota->last;

	turn->before = before;
	turn->next = before != NULL ? before->turn.next : quota->first;
	*(before != NULL ? &before->turn.next : &quota->first) = call;
	*(turn->next != NULL ? &turn->next->turn.before : &quota->last) = call;
	turn->queued = true;
	quota->waiting++;
}

static void unqueue(sb_quota *quota, struct sb_call *call)
{
	sb_quota_turn *turn = &call->turn;

	if (!turn->queued)
		return;
	*(turn->before != NULL ? &turn->before->turn.next : &quota->first) = turn->next;
	*(turn->next != NULL ? &turn->next->turn.before : &quota->last) = turn->before;
	turn->queued = false;
	quota->waiting--;
}

/* The call at the head, with a reference, to be woken without the lock; or NULL. */
static struct sb_call *head(const sb_quota *quota)
{
	return quota->first != NULL ? sb_call_ref(quota->first) : NULL;
}

static void wake(struct sb_call *call)
{
	if (call == NULL)
		return;
	sb_call_wake(call);
	sb_call_unref(call);
}

/* --- In -----------------------------------------------------------------------------------------
 */

static int64_t in_ms(uint64_t ns)
{
	return (int64_t)(ns / SB_MS + (ns % SB_MS != 0));
}

static const char *used_up(const booking *b)
{
	const sb_quota_rules *rules = &b->quota->rules;

	if (rules->per_day > 0 && sb_quota_left_today(&b->state, rules) == 0)
		return "today's requests are used up";
	if (rules->per_minute > 0 && sb_quota_left_in_minute(&b->state, rules) == 0)
		return "this minute's requests are used up";
	return b->quota->waiting > 0 ? "others wait for theirs before" : "it has asked for a pause";
}

/* What a call is told, with the account as it was seen. */
static void refuse(struct sb_call *call, const booking *b, uint64_t wait)
{
	const char *name = call->engine->conf->name;

	if (b->read == SB_QUOTA_FAILED)
		sb_call_refuse(call, true, SB_KIND_RATE_LIMITED,
			"engine %s is not asked: the account of its quota, %s, can't be kept: %s",
			name, b->quota->file.name, strerrordesc_np(b->sys_errno));
	else
		sb_call_refuse(call, true, SB_KIND_RATE_LIMITED,
			"the quota of engine %s: %s; there is room in %lld s", name, used_up(b),
			(long long)(in_ms(wait) + 999) / 1000);
	sb_error_set_retry_after_ms(&call->error, in_ms(wait));
	atomic_fetch_add_explicit(&b->quota->refused, 1, memory_order_relaxed);
}

/* With the lock held: the call's place is the head, or it has none yet. */
static sb_entered take_turn(struct sb_call *call, booking *b, uint64_t *until)
{
	sb_quota *quota = &call->engine->quota;
	unsigned ahead = call->turn.queued || call->turn.overtaken ? 0 : quota->waiting;
	uint64_t wait = busy;

	if (begin(quota, b)) {
		bool spend;

		wait = sb_quota_wait(&b->state, &quota->rules, ahead, b->now, b->wall);
		spend = wait == 0 && ahead == 0;
		if (spend)
			call->turn.entry = sb_quota_spend(&b->state);
		if (end(b, spend) && spend) {
			call->turn.spent = true;
			return SB_GATE_PASS;
		}
	}
	if (b->read == SB_QUOTA_FAILED || b->now >= call->deadline ||
		wait >= call->deadline - b->now) {
		refuse(call, b, wait);
		return SB_GATE_ANSWER;
	}
	if (!call->turn.queued)
		enqueue(quota, call);
	*until = ahead > 0 ? call->deadline : b->now + wait;
	return SB_GATE_WAIT;
}

/* The time was up before the turn came, or nobody wants to know any more. */
static void give_up(struct sb_call *call, uint64_t now)
{
	if (atomic_load(&call->cancelled)) {
		sb_call_refuse(call, true, SB_KIND_CANCELLED, "cancelled while it waited");
		return;
	}
	sb_call_refuse(call, true, SB_KIND_RATE_LIMITED,
		"the quota of engine %s had no room for it in %llu ms", call->engine->conf->name,
		(unsigned long long)((now - call->started) / SB_MS));
	sb_error_set_retry_after_ms(&call->error, 1000);
	atomic_fetch_add_explicit(&call->engine->quota.refused, 1, memory_order_relaxed);
}

static sb_entered enter(struct sb_call *call, uint64_t now, uint64_t *until)
{
	sb_quota *quota = &call->engine->quota;
	struct sb_call *next = NULL;
	sb_entered entered = SB_GATE_WAIT;
	booking b;

	if (!atomic_load_explicit(&quota->watched, memory_order_relaxed))
		return SB_GATE_PASS;
	*until = call->deadline;
	pthread_mutex_lock(&quota->lock);
	if (now >= call->deadline || atomic_load(&call->cancelled)) {
		give_up(call, now);
		entered = SB_GATE_ANSWER;
	} else if (!call->turn.queued || quota->first == call) {
		entered = take_turn(call, &b, until);
	}
	if (entered != SB_GATE_WAIT) {
		bool was_head = quota->first == call;

		unqueue(quota, call);
		call->turn.overtaken = false;
		next = was_head ? head(quota) : NULL;
	}
	pthread_mutex_unlock(&quota->lock);
	wake(next);
	return entered;
}

/* --- Out ----------------------------------------------------------------------------------------
 */

static void take_back(struct sb_call *call)
{
	sb_quota *quota = &call->engine->quota;
	struct sb_call *next;
	booking b;

	call->turn.spent = false;
	pthread_mutex_lock(&quota->lock);
	/* Where that can't be booked, a request is lost: no harm but that. */
	if (begin(quota, &b)) {
		sb_quota_take_back(&b.state, &call->turn.entry);
		(void)end(&b, true);
	}
	next = head(quota);
	pthread_mutex_unlock(&quota->lock);
	wake(next);
}

/* The engine's own word holds up everybody, in every process. */
static void be_quiet(struct sb_call *call, int64_t ms)
{
	sb_quota *quota = &call->engine->quota;
	booking b;

	pthread_mutex_lock(&quota->lock);
	if (begin(quota, &b)) {
		sb_quota_hold(&b.state, (uint64_t)ms * SB_MS, b.now);
		(void)end(&b, true);
	}
	atomic_store(&quota->watched, true);
	pthread_mutex_unlock(&quota->lock);
}

static sb_left leave(struct sb_call *call, uint64_t now, uint64_t *at)
{
	const sb_error *error = call->result.error;

	(void)now;
	(void)at;
	if (call->turn.spent && !call->asked)
		take_back(call);
	call->turn.spent = false;
	if (call->asked && sb_error_kind(error) == SB_KIND_RATE_LIMITED &&
		error->retry_after_ms > 0)
		be_quiet(call, error->retry_after_ms);
	return SB_GATE_DONE;
}

const sb_gate sb_gate_quota = {"quota", enter, leave};

bool sb_quota_confirm(struct sb_call *call)
{
	sb_quota *quota = &call->engine->quota;
	bool fits = false;
	booking b;

	if (!call->turn.spent ||
		sb_clock_now(call->clock) / (1000 * SB_MS) == call->turn.entry.second)
		return true;
	pthread_mutex_lock(&quota->lock);
	if (begin(quota, &b)) {
		sb_quota_take_back(&b.state, &call->turn.entry);
		call->turn.spent = false;
		fits = sb_quota_wait(&b.state, &quota->rules, 0, b.now, b.wall) == 0;
		if (fits)
			call->turn.entry = sb_quota_spend(&b.state);
		fits = end(&b, true) && fits;
	}
	call->turn.spent = call->turn.spent || fits;
	call->turn.overtaken = !fits;
	pthread_mutex_unlock(&quota->lock);
	return fits;
}

/* --- Beside the gate ----------------------------------------------------------------------------
 */

int sb_quota_spend_now(sb_engine *engine, sb_error *error)
{
	sb_quota *quota = &engine->quota;
	uint64_t wait = busy;
	bool spent = false;
	booking b;

	if (!atomic_load_explicit(&quota->watched, memory_order_relaxed))
		return 0;
	pthread_mutex_lock(&quota->lock);
	if (begin(quota, &b)) {
		wait = sb_quota_wait(&b.state, &quota->rules, 0, b.now, b.wall);
		if (wait == 0)
			sb_quota_spend(&b.state);
		spent = end(&b, wait == 0) && wait == 0;
	}
	pthread_mutex_unlock(&quota->lock);
	if (spent)
		return 0;
	sb_error_set(error, SB_KIND_RATE_LIMITED, b.sys_errno,
		"the quota of engine %s has no room for one more request now", engine->conf->name);
	sb_error_set_retry_after_ms(error, in_ms(wait > 0 ? wait : busy));
	return -SB_KIND_RATE_LIMITED;
}

int sb_call_spend(struct sb_call *call, sb_error *error)
{
	return sb_quota_spend_now(call->engine, error);
}

bool sb_quota_look(sb_engine *engine, sb_quota_view *out)
{
	const uint64_t day = 86400 * 1000 * SB_MS;
	sb_quota *quota = &engine->quota;
	bool seen;
	booking b;

	*out = (sb_quota_view){.rules = quota->rules};
	if (!quota->kept)
		return false;
	pthread_mutex_lock(&quota->lock);
	seen = begin(quota, &b);
	if (seen) {
		out->left_in_minute = sb_quota_left_in_minute(&b.state, &quota->rules);
		out->left_today = sb_quota_left_today(&b.state, &quota->rules);
		out->wait_ms = in_ms(
			sb_quota_wait(&b.state, &quota->rules, quota->waiting, b.now, b.wall));
		out->resets_at = (b.wall / day + 1) * 86400;
		(void)end(&b, false);
	}
	pthread_mutex_unlock(&quota->lock);
	return seen;
}
