/* SPDX-License-Identifier: MIT */
/*
 * The gate before an engine that keeps failing: it sees every attempt. What an answer says about
 * the engine is decided here, by its kind (safety.md 2): errors of the content and of the caller,
 * cancelled calls, and calls that never reached the engine say nothing; content that crashes
 * workers counts once, or one hostile file could close the door for all others.
 *
 * Changes are told (events.h) after the lock is let go.
 */
#include "scan/gates/breaker.h"

#include <stdio.h>
#include <string.h>

#include "scan/call.h"
#include "scan/events.h"
#include "scan/manager_body.h"
#include "util/kinds.h"
#include "util/uuid.h"

enum { PROBES_BUSY_MS = 1000 }; /* half-open, all probes under way: look again after this */

/* --- The word: what everybody may read -------------------------------------------------------
 */

static uint64_t word_of(const sb_breaker_state *state)
{
	return (uint64_t)state->era << 16 | (uint64_t)state->cause << 8 | (uint64_t)state->phase;
}

static sb_breaker_phase phase_in(uint64_t word)
{
	return (sb_breaker_phase)(word & 0xff);
}

static sb_breaker_cause cause_in(uint64_t word)
{
	return (sb_breaker_cause)(word >> 8 & 0xff);
}

static uint32_t era_in(uint64_t word)
{
	return (uint32_t)(word >> 16);
}

static uint64_t bucket_end(const sb_breaker_rules *rules, uint64_t now)
{
	uint64_t width = rules->window_ns / SB_BREAKER_BUCKETS;

	return width > 0 ? (sb_breaker_bucket(rules, now) + 1) * width : 0;
}

/* With the lock: tell the state of the successes that went past it. */
static void catch_up(sb_breaker *breaker)
{
	uint64_t successes = atomic_load_explicit(&breaker->successes, memory_order_relaxed);
	uint64_t news = successes - breaker->counted, end = atomic_load(&breaker->quiet_until);

	breaker->counted = successes;
	if (end > 0)
		sb_breaker_count_successes(&breaker->state, breaker->rules,
			news < UINT32_MAX ? (unsigned)news : UINT32_MAX, end - 1);
}

/* With the lock, after anything that may have changed the state. */
static void publish(sb_breaker *breaker, uint64_t now)
{
	const sb_breaker_state *state = &breaker->state;
	bool quiet = state->phase == SB_BREAKER_CLOSED && state->failures == 0;

	atomic_store(&breaker->quiet_until, quiet ? bucket_end(breaker->rules, now) : 0);
	atomic_store(&breaker->until, state->until);
	atomic_store(&breaker->word, word_of(state));
}

void sb_breaker_init(sb_breaker *breaker, sb_engine *engine, const char *replica)
{
	*breaker =
		(sb_breaker){.engine = engine, .replica = replica, .rules = &engine->conf->breaker};
	pthread_mutex_init(&breaker->lock, NULL);
}

void sb_breaker_done(sb_breaker *breaker)
{
	pthread_mutex_destroy(&breaker->lock);
}

/* --- Telling of changes ----------------------------------------------------------------------
 */

/* A change in the making: what was before, and what is needed to tell of it. */
typedef struct change {
	sb_breaker_phase from;
	uint32_t era;
	sb_engine_event event;
} change;

/* With the lock. */
static void before(const sb_breaker *breaker, change *c)
{
	c->from = breaker->state.phase;
	c->era = breaker->state.era;
}

/* With the lock: what those are told that are turned away. */
static void keep_error(sb_breaker *breaker, const sb_error *why)
{
	breaker->last_kind = why != NULL ? why->kind : SB_KIND_NONE;
	snprintf(breaker->last_error, sizeof breaker->last_error, "%.255s",
		why != NULL ? why->message : "");
}

/* With the lock. True when there is something to tell. @p why: the error that led to it. */
static bool after(sb_breaker *breaker, change *c, const sb_error *why, uint64_t now)
{
	const sb_breaker_state *state = &breaker->state;
	sb_engine_event *event = &c->event;

	publish(breaker, now);
	if (state->era == c->era)
		return false;
	breaker->counted = atomic_load_explicit(&breaker->successes, memory_order_relaxed);
	if (state->phase == SB_BREAKER_OPEN) {
		atomic_fetch_add(&breaker->opened, 1);
		keep_error(breaker, why);
	} else if (state->phase == SB_BREAKER_CLOSED && c->from != SB_BREAKER_CLOSED) {
		atomic_fetch_add(&breaker->closed, 1);
	}
	*event = (sb_engine_event){.from = c->from,
		.to = state->phase,
		.cause = state->cause,
		.change = state->era,
		.open_ms = -1};
	snprintf(event->engine, sizeof event->engine, "%s", breaker->engine->conf->name);
	if (breaker->replica != NULL)
		snprintf(event->replica, sizeof event->replica, "%s", breaker->replica);
	if (state->phase == SB_BREAKER_OPEN && state->until != SB_NEVER)
		event->open_ms = (int64_t)((state->until - now) / SB_MS);
	if (why != NULL) {
		event->kind = why->kind;
		snprintf(event->message, sizeof event->message, "%.255s", why->message);
	}
	return true;
}

static void tell(const sb_breaker *breaker, const change *c)
{
	sb_engine *engine = breaker->engine;

	sb_events_put(engine->manager->events, &c->event);
	if (c->event.open_ms >= 0)
		sb_tester_at(engine,
			sb_clock_now(engine->manager->clock) + (uint64_t)c->event.open_ms * SB_MS);
}

/* --- In -------------------------------------------------------------------------------------
 */

static int64_t ms_until(uint64_t until, uint64_t now)
{
	if (until == SB_NEVER)
		return -1;
	return until > now ? (int64_t)((until - now + SB_MS - 1) / SB_MS) : 0;
}

static const char *const causes[] = {
	[SB_BREAKER_CAUSE_NONE] = "",
	[SB_BREAKER_CAUSE_ROW] = " after too many failures in a row",
	[SB_BREAKER_CAUSE_RATE] = " after too large a share of failures",
	[SB_BREAKER_CAUSE_PROBE] = " after a try that failed",
	[SB_BREAKER_CAUSE_FATAL] = ": no try would help until the configuration changes",
	[SB_BREAKER_CAUSE_HAND] = ": somebody opened it by hand",
};

/* Why it is open, and the last error before. */
static void refuse_open(struct sb_call *call, sb_breaker_cause cause)
{
	sb_breaker *breaker = call->breaker;
	char last[320] = "";

	pthread_mutex_lock(&breaker->lock);
	if (breaker->last_kind != SB_KIND_NONE)
		snprintf(last, sizeof last, "; the last error was %s: %s",
			sb_kind_name(breaker->last_kind), breaker->last_error);
	pthread_mutex_unlock(&breaker->lock);
	sb_call_refuse(call, true, SB_KIND_CIRCUIT_OPEN, "the circuit of engine %s is open%s%s",
		call->engine->conf->name, causes[cause], last);
}

static sb_entered turn_away(struct sb_call *call, uint64_t now)
{
	sb_breaker *breaker = call->breaker;
	uint64_t word = atomic_load(&breaker->word);
	int64_t wait = ms_until(atomic_load(&breaker->until), now);

	if (phase_in(word) != SB_BREAKER_OPEN) {
		sb_call_refuse(call, true, SB_KIND_CIRCUIT_OPEN,
			"the circuit of engine %s is half-open, and all tries are under way",
			call->engine->conf->name);
		wait = PROBES_BUSY_MS;
	} else if (wait == 0) { /* the test that decides about it is due */
		wait = PROBES_BUSY_MS;
		sb_call_refuse(call, true, SB_KIND_CIRCUIT_OPEN,
			"the circuit of engine %s is open until it has passed its known-answer "
			"test",
			call->engine->conf->name);
	} else {
		refuse_open(call, cause_in(word));
	}
	sb_error_set_retry_after_ms(&call->error, wait);
	call->result.fail_open = call->engine->conf->on_open == SB_ON_OPEN_FAIL_OPEN;
	return SB_GATE_ANSWER;
}

static bool admit(sb_breaker *breaker, bool test, sb_breaker_pass *pass, uint64_t now)
{
	bool admitted = true, told;
	change c;

	pthread_mutex_lock(&breaker->lock);
	before(breaker, &c);
	catch_up(breaker);
	if (breaker->state.phase != SB_BREAKER_CLOSED && atomic_load(&breaker->tested) && !test)
		admitted = false;
	else
		admitted = sb_breaker_admit(&breaker->state, breaker->rules, now, pass);
	told = after(breaker, &c, NULL, now);
	pthread_mutex_unlock(&breaker->lock);
	if (told)
		tell(breaker, &c);
	return admitted;
}

/* One place: in, or not. */
static bool let_in(struct sb_call *call, sb_breaker *breaker, uint64_t now)
{
	uint64_t word = atomic_load(&breaker->word);

	call->breaker = breaker;
	if (phase_in(word) == SB_BREAKER_CLOSED)
		call->pass = (sb_breaker_pass){.era = era_in(word)};
	else if (phase_in(word) == SB_BREAKER_OPEN && now < atomic_load(&breaker->until))
		return false;
	else if (!admit(breaker, false, &call->pass, now))
		return false;
	atomic_fetch_add_explicit(&breaker->outstanding, 1, memory_order_relaxed);
	atomic_store(&call->inside, true);
	return true;
}

static uint64_t bit_of(const sb_breaker *breaker)
{
	return (uint64_t)1 << (breaker - breaker->engine->breakers);
}

/*
 * Of the replicas that are in @p left: one that this call has not been sent to, before one that
 * it has; with the fewest calls inside; and of those that are alike, in turn.
 */
static sb_breaker *choose(const struct sb_call *call, uint64_t left, unsigned turn)
{
	sb_engine *engine = call->engine;
	sb_breaker *best = NULL;
	uint64_t least = UINT64_MAX;

	for (size_t i = 0; i < engine->replica_count; i++) {
		sb_breaker *breaker = &engine->breakers[(i + turn) % engine->replica_count];
		uint64_t load = atomic_load_explicit(&breaker->outstanding, memory_order_relaxed);

		if ((call->tried & bit_of(breaker)) != 0)
			load |= (uint64_t)1 << 32;
		if ((left & bit_of(breaker)) == 0 || load >= least)
			continue;
		least = load;
		best = breaker;
	}
	return best;
}

/* The one that lets in soonest, for the answer that none does. */
static sb_breaker *soonest(sb_engine *engine)
{
	sb_breaker *first = &engine->breakers[0];

	for (size_t i = 1; i < engine->replica_count; i++)
		if (atomic_load(&engine->breakers[i].until) < atomic_load(&first->until))
			first = &engine->breakers[i];
	return first;
}

static bool let_in_somewhere(struct sb_call *call, uint64_t now)
{
	sb_engine *engine = call->engine;
	uint64_t left = UINT64_MAX;
	unsigned turn;
	sb_breaker *breaker;

	if (engine->replica_count == 1)
		return let_in(call, &engine->breakers[0], now);
	turn = call->tried == 0 ? atomic_fetch_add_explicit(&engine->turn, 1, memory_order_relaxed)
				: atomic_load_explicit(&engine->turn, memory_order_relaxed);
	turn %= (unsigned)engine->replica_count;
	while ((breaker = choose(call, left, turn)) != NULL) {
		left &= ~bit_of(breaker);
		if (let_in(call, breaker, now)) {
			call->tried |= bit_of(breaker);
			return true;
		}
	}
	call->breaker = soonest(engine);
	return false;
}

static sb_entered enter(struct sb_call *call, uint64_t now, uint64_t *until)
{
	(void)until;
	call->asked = false;
	if (let_in_somewhere(call, now))
		return SB_GATE_PASS;
	atomic_fetch_add_explicit(&call->breaker->rejections, 1, memory_order_relaxed);
	return turn_away(call, now);
}

bool sb_breaker_closed_door(struct sb_call *call)
{
	uint64_t word = atomic_load(&call->breaker->word);

	if (phase_in(word) != SB_BREAKER_OPEN || era_in(word) == call->pass.era)
		return false;
	turn_away(call, sb_clock_now(call->clock));
	return true;
}

bool sb_breaker_lets_in(const struct sb_call *call, uint64_t then)
{
	for (size_t i = 0; i < call->engine->replica_count; i++) {
		const sb_breaker *breaker = &call->engine->breakers[i];

		if (phase_in(atomic_load(&breaker->word)) != SB_BREAKER_OPEN ||
			then >= atomic_load(&breaker->until))
			return true;
	}
	return false;
}

bool sb_breaker_another(const struct sb_call *call)
{
	if (call->engine->replica_count == 1)
		return false; /* which is never marked as tried */
	for (size_t i = 0; i < call->engine->replica_count; i++) {
		const sb_breaker *breaker = &call->engine->breakers[i];

		if ((call->tried & bit_of(breaker)) == 0 &&
			phase_in(atomic_load(&breaker->word)) == SB_BREAKER_CLOSED)
			return true;
	}
	return false;
}

/* --- Out ------------------------------------------------------------------------------------
 */

static double dice(void)
{
	uint32_t number;

	sb_random(&number, sizeof number);
	return number / 4294967295.0;
}

/* What the call's result says about the engine. */
static sb_breaker_end judge(struct sb_call *call)
{
	const sb_error *error = call->result.error;
	sb_breaker_end end = {.mark = SB_BREAKER_SUCCESS, .weight = 1};

	if (error == NULL ||
		(call->asked && call->result.abstained && error->kind == SB_KIND_UNSUPPORTED))
		return end; /* who doesn't know the bytes has done its work */
	end.weight = sb_kind_breaker_weight(error->kind);
	if (!call->asked || atomic_load(&call->cancelled))
		end.mark = SB_BREAKER_NOTHING;
	else if (error->kind == SB_KIND_AUTHENTICATION_FAILED)
		end.mark = SB_BREAKER_FATAL;
	else
		end.mark = end.weight > 0 ? SB_BREAKER_FAILURE : SB_BREAKER_NOTHING;
	if (error->kind == SB_KIND_ENGINE_CRASHED && sb_poison_known(call))
		end.mark = SB_BREAKER_NOTHING;
	return end;
}

/* Every call that was let in ends here, once. */
static void end_call(sb_breaker *breaker, sb_breaker_pass pass, sb_breaker_end *end,
	const sb_error *why, uint64_t now)
{
	bool told;
	change c;

	if (end->mark == SB_BREAKER_FAILURE || end->mark == SB_BREAKER_SUCCESS)
		end->dice = dice(); /* a slow success may open it, too */
	pthread_mutex_lock(&breaker->lock);
	before(breaker, &c);
	catch_up(breaker);
	sb_breaker_end_call(&breaker->state, breaker->rules, pass, end, now);
	if (end->mark == SB_BREAKER_SUCCESS) {
		atomic_fetch_add_explicit(&breaker->successes, 1, memory_order_relaxed);
		breaker->counted++;
	}
	told = after(breaker, &c, why, now);
	pthread_mutex_unlock(&breaker->lock);
	if (told)
		tell(breaker, &c);
}

/* Nothing that has to be noted under the lock? */
static bool pass_quietly(struct sb_call *call, const sb_breaker_end *end, uint64_t now)
{
	sb_breaker *breaker = call->breaker;

	if (end->mark == SB_BREAKER_NOTHING && !call->pass.probe)
		return true;
	if (end->mark != SB_BREAKER_SUCCESS || now >= atomic_load(&breaker->quiet_until) ||
		era_in(atomic_load(&breaker->word)) != call->pass.era ||
		(breaker->rules->slow_ns > 0 && end->took_ns > breaker->rules->slow_ns))
		return false;
	atomic_fetch_add_explicit(&breaker->successes, 1, memory_order_relaxed);
	return true;
}

static sb_left leave(struct sb_call *call, uint64_t now, uint64_t *at)
{
	sb_breaker *breaker = call->breaker;
	sb_breaker_end end;

	(void)at;
	atomic_fetch_sub_explicit(&breaker->outstanding, 1, memory_order_relaxed);
	if (!atomic_exchange(&call->inside, false))
		return SB_GATE_DONE; /* given up meanwhile: that counted */
	end = judge(call);
	end.took_ns = call->asked ? now - call->asked_at : 0;
	if (sb_error_kind(call->result.error) == SB_KIND_CIRCUIT_OPEN)
		atomic_fetch_add_explicit(&breaker->rejections, 1, memory_order_relaxed);
	else if (end.mark != SB_BREAKER_SUCCESS)
		atomic_fetch_add_explicit(&breaker->failures, 1, memory_order_relaxed);
	if (!pass_quietly(call, &end, now))
		end_call(breaker, call->pass, &end, call->result.error, now);
	return SB_GATE_DONE;
}

const sb_gate sb_gate_breaker = {"breaker", enter, leave};

void sb_breaker_give_up(struct sb_call *call)
{
	sb_breaker_end end = {.mark = SB_BREAKER_FAILURE, .weight = 1};
	sb_error why;

	if (!atomic_exchange(&call->inside, false))
		return;
	sb_error_set(&why, SB_KIND_TIMEOUT, 0, "engine %s overran its deadline",
		call->engine->conf->name);
	atomic_fetch_add_explicit(&call->breaker->failures, 1, memory_order_relaxed);
	end_call(call->breaker, call->pass, &end, &why, sb_clock_now(call->clock));
}

/* --- Known-answer tests ----------------------------------------------------------------------
 */

bool sb_breaker_admit_test(sb_engine *engine, sb_breaker_pass *pass)
{
	return admit(&engine->breakers[0], true, pass, sb_clock_now(engine->manager->clock));
}

/* It was meant to answer well: whatever it did instead is a failure, unless we ended it. */
void sb_breaker_end_test(
	sb_engine *engine, sb_breaker_pass pass, const sb_error *found, uint64_t begun)
{
	uint64_t now = sb_clock_now(engine->manager->clock);
	unsigned weight = sb_kind_breaker_weight(found->kind);
	sb_breaker_end end = {.mark = SB_BREAKER_FAILURE,
		.weight = weight > 0 ? weight : 1,
		.took_ns = now - begun};

	if (found->kind == SB_KIND_NONE)
		end.mark = SB_BREAKER_SUCCESS;
	else if (found->kind == SB_KIND_CANCELLED || found->kind == SB_KIND_RATE_LIMITED)
		end.mark = SB_BREAKER_NOTHING;
	else if (found->kind == SB_KIND_AUTHENTICATION_FAILED)
		end.mark = SB_BREAKER_FATAL;
	if (end.mark != SB_BREAKER_SUCCESS)
		atomic_fetch_add_explicit(&engine->breakers[0].failures, 1, memory_order_relaxed);
	end_call(&engine->breakers[0], pass, &end, end.mark != SB_BREAKER_SUCCESS ? found : NULL,
		now);
}

/* --- By hand, and for looking ---------------------------------------------------------------
 */

static void set_by_hand(sb_breaker *breaker, sb_breaker_order order)
{
	uint64_t now = sb_clock_now(breaker->engine->manager->clock);
	bool told;
	change c;

	pthread_mutex_lock(&breaker->lock);
	before(breaker, &c);
	if (order == SB_BREAKER_FORCE_OPEN)
		sb_breaker_force_open(&breaker->state);
	else
		sb_breaker_force_close(&breaker->state, order == SB_BREAKER_RESET);
	told = after(breaker, &c, NULL, now);
	c.event.by_hand = true;
	pthread_mutex_unlock(&breaker->lock);
	if (told)
		tell(breaker, &c);
}

static int unknown_engine(const char *engine, sb_error *error)
{
	return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
		"engine %.64s is not in the configuration", engine);
}

int sb_manager_set_breaker(
	sb_manager *manager, const char *engine, sb_breaker_order order, sb_error *error)
{
	sb_engine *found;

	if ((unsigned)order > SB_BREAKER_RESET)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"%d is no order for a breaker: force open, force close or reset",
			(int)order);
	found = sb_engine_named(manager, engine);
	if (found == NULL)
		return unknown_engine(engine, error);
	for (size_t i = 0; i < found->replica_count; i++)
		set_by_hand(&found->breakers[i], order);
	sb_engine_unref(found);
	return 0;
}

/* One of them. */
static void look(sb_breaker *breaker, uint64_t now, sb_breaker_view *out)
{
	pthread_mutex_lock(&breaker->lock);
	out->phase = breaker->state.phase;
	out->cause = breaker->state.cause;
	out->retry_after_ms = 0;
	if (out->phase == SB_BREAKER_OPEN)
		out->retry_after_ms = ms_until(breaker->state.until, now);
	if (out->phase == SB_BREAKER_OPEN && out->retry_after_ms == 0)
		out->phase = SB_BREAKER_HALF_OPEN;
	pthread_mutex_unlock(&breaker->lock);
}

/* Closed before half-open before open; of two that are open, the one that lets in sooner. */
static bool is_further(const sb_breaker_view *a, const sb_breaker_view *b)
{
	static const int order[] = {
		[SB_BREAKER_CLOSED] = 0, [SB_BREAKER_HALF_OPEN] = 1, [SB_BREAKER_OPEN] = 2};

	if (order[a->phase] != order[b->phase])
		return order[a->phase] < order[b->phase];
	return (uint64_t)a->retry_after_ms < (uint64_t)b->retry_after_ms;
}

void sb_breaker_look(sb_engine *engine, uint64_t now, sb_breaker_view *out)
{
	sb_breaker_view all = {.automatic = engine->conf->breaker.automatic}, one = {0};

	for (size_t i = 0; i < engine->replica_count; i++) {
		sb_breaker *breaker = &engine->breakers[i];

		look(breaker, now, &one);
		if (i == 0 || is_further(&one, &all)) {
			all.phase = one.phase;
			all.cause = one.cause;
			all.retry_after_ms = one.retry_after_ms;
		}
		all.successes += atomic_load(&breaker->successes);
		all.failures += atomic_load(&breaker->failures);
		all.rejections += atomic_load(&breaker->rejections);
		all.opened += atomic_load(&breaker->opened);
		all.closed += atomic_load(&breaker->closed);
	}
	*out = all;
}

const char *sb_breaker_phase_name(sb_breaker_phase phase)
{
	static const char *const names[] = {
		[SB_BREAKER_CLOSED] = "closed",
		[SB_BREAKER_OPEN] = "open",
		[SB_BREAKER_HALF_OPEN] = "half_open",
	};

	return names[phase];
}

const char *sb_breaker_shown(const sb_breaker_view *view)
{
	return !view->automatic && view->phase == SB_BREAKER_CLOSED
		       ? "off"
		       : sb_breaker_phase_name(view->phase);
}

const char *sb_manager_breaker(
	const sb_manager *manager, const char *engine, int64_t *retry_after_ms)
{
	sb_engine *found = sb_engine_named(manager, engine);
	sb_breaker_view view;

	if (found == NULL)
		return NULL;
	sb_breaker_look(found, sb_clock_now(manager->clock), &view);
	sb_engine_unref(found);
	if (retry_after_ms != NULL)
		*retry_after_ms = view.retry_after_ms;
	return sb_breaker_shown(&view);
}

static int metric_of(sb_engine *engine, sb_metric metric, uint64_t *out)
{
	sb_breaker_view view;

	sb_breaker_look(engine, sb_clock_now(engine->manager->clock), &view);
	switch (metric) {
	case SB_METRIC_SUCCESSFUL:
		*out = view.successes;
		return 0;
	case SB_METRIC_FAILED:
		*out = view.failures;
		return 0;
	case SB_METRIC_REJECTED:
		*out = view.rejections;
		return 0;
	case SB_METRIC_OPENED:
		*out = view.opened;
		return 0;
	case SB_METRIC_CLOSED:
		*out = view.closed;
		return 0;
	case SB_METRIC_RETRIES:
		*out = atomic_load(&engine->retries);
		return 0;
	case SB_METRIC_FAIL_OPEN:
		*out = atomic_load(&engine->fail_opens);
		return 0;
	case SB_METRIC_FALLBACKS:
		*out = atomic_load(&engine->fallbacks);
		return 0;
	case SB_METRIC_RATE_LIMITED:
		*out = atomic_load(&engine->quota.refused);
		return 0;
	}
	return -SB_KIND_NOT_CONFIGURED;
}

int sb_manager_engine_metric(
	const sb_manager *manager, const char *engine, sb_metric metric, uint64_t *out)
{
	sb_engine *found = sb_engine_named(manager, engine);
	int status = found != NULL ? metric_of(found, metric, out) : -SB_KIND_NOT_CONFIGURED;

	sb_engine_unref(found);
	return status;
}
