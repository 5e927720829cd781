/* SPDX-License-Identifier: MIT */
/*
 * Second gate: what was proved before is not asked again; see cache.h. A hit is judged as if the
 * engine had just said it: by what is known of it now. Where that would turn it into an error the
 * engine is asked, and has the word.
 *
 * Left alone are hash lists (asking them is cheaper), streams that the engine follows (their digest
 * is known when it has answered), and scans with passwords of their own. A scan that wants no
 * cache reads nothing, waits for nobody and stores what it learns.
 */
#include "scan/gates/cache.h"

#include <string.h>

#include "scan/call.h"
#include "scan/job.h"
#include "scan/manager_body.h"

/* How long a call is held up to learn who its engine is. */
static const uint64_t patience = 1000 * SB_MS;

#define OWNER(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static sb_cache *cache_of(const struct sb_call *call)
{
	return sb_verdicts_cache(call->engine->manager->verdicts);
}

static sb_flights *flights_of(const struct sb_call *call)
{
	return sb_verdicts_flights(call->engine->manager->verdicts);
}

static bool takes_part(const struct sb_call *call)
{
	return call->engine->manager->verdicts != NULL && !call->streamed &&
	       call->job->own_passwords == 0 &&
	       (call->engine->ops->flags & SB_ENGINE_HASH_LIST) == 0 && cache_of(call) != NULL;
}

/* Half of the call's time: who leads has that long, and then there is time to ask oneself. */
static uint64_t half_time(const struct sb_call *call)
{
	return call->started + (call->deadline - call->started) / 2;
}

/* --- The key ---------------------------------------------------------------------------------- */

static void make_key(struct sb_call *call, const sb_generation *generation)
{
	sb_recall *recall = &call->recall;
	sb_cache_key *key = &recall->key;

	memcpy(key->hash, sb_content_blake3(call->content), sizeof key->hash);
	key->length = sb_content_size(call->content);
	memcpy(key->gen, generation->gen, sizeof key->gen);
	if ((call->engine->ops->flags & SB_ENGINE_BY_NAME) != 0)
		sb_generation_for_name(key->gen, call->name.data, call->name.length);
	recall->exactness = generation->exactness;
	recall->keyed = true;
}

/* Is it still the one that the key is about? */
static bool is_current(struct sb_call *call)
{
	sb_generation now;

	sb_engine_generation(call->engine, &now);
	return now.known && !call->recall.changed && !call->recall.others &&
	       memcmp(now.gen, call->recall.key.gen, SB_GEN_SIZE / 2) == 0;
}

/* --- Looking up ------------------------------------------------------------------------------- */

/* A hit may say no more than a fresh answer would. */
static bool holds(struct sb_call *call, const sb_identity *identity)
{
	sb_call_hold_to(call, identity);
	if (call->result.error != NULL) {
		sb_call_restate(call);
		return false;
	}
	call->result.attempts = 0;
	call->result.duration_ms =
		(double)(sb_clock_now(call->clock) - call->started) / (double)SB_MS;
	return true;
}

static bool look_up(struct sb_call *call, const sb_identity *identity)
{
	sb_recall *recall = &call->recall;

	return sb_cache_lookup(cache_of(call), &recall->key, &call->arena, &call->result,
		       &recall->ticket) &&
	       holds(call, identity);
}

/* --- Waiting for somebody else ------------------------------------------------------------------
 */

/* On the thread of whoever ends the waiting. The call is parked, or about to be: nobody else
 * touches its result until it is woken. */
static void told(sb_waiter *waiter, const sb_result *result)
{
	struct sb_call *call = OWNER(struct sb_call, recall.waiter, waiter);
	sb_recall_told what = waiter->again ? SB_RECALL_AGAIN : SB_RECALL_ALONE;

	if (result != NULL &&
		sb_cache_repeat(&call->recall.key, result, &call->arena, &call->result)) {
		sb_cache_count_add(cache_of(call), SB_CACHE_COALESCED, 1);
		what = SB_RECALL_RESULT;
	}
	atomic_store(&call->recall.told, (int)what);
	sb_call_wake(call);
	sb_call_unref(call);
}

/* True: parked; else it leads, or is on its own. */
static bool join(struct sb_call *call)
{
	sb_recall *recall = &call->recall;
	sb_flight *flight;
	bool alone;

	recall->waiter = (sb_waiter){.until = half_time(call), .told = told};
	atomic_store(&recall->told, SB_RECALL_NOTHING);
	sb_call_ref(call); /* the waiter's */
	flight = sb_flights_join(flights_of(call), &recall->key, &recall->waiter, &alone);
	if (flight == NULL && !alone)
		return true;
	sb_call_unref(call);
	atomic_store(&recall->flight, flight);
	return false;
}

static void land(struct sb_call *call, const sb_result *result, sb_content_state state)
{
	sb_flight *flight = atomic_exchange(&call->recall.flight, NULL);

	if (flight != NULL)
		sb_flights_land(flights_of(call), flight, result, state);
}

void sb_recall_let_go(struct sb_call *call)
{
	land(call, NULL, SB_CONTENT_STATE_UNPINNED);
}

/* --- In --------------------------------------------------------------------------------------- */

static sb_entered pass(struct sb_call *call)
{
	call->recall.step = SB_RECALL_PASSED;
	return SB_GATE_PASS;
}

static sb_entered wait_until(struct sb_call *call, sb_recall_step step, uint64_t *until)
{
	call->recall.step = step;
	*until = call->recall.until;
	return SB_GATE_WAIT;
}

/* The key is known: the cache, then others, then the engine. */
static sb_entered ask_around(struct sb_call *call, const sb_identity *identity, uint64_t *until)
{
	sb_recall *recall = &call->recall;
	unsigned landings = sb_flights_landings(flights_of(call), &recall->key);

	if (!recall->reads) {
		recall->ticket = sb_cache_ticket(cache_of(call), &recall->key);
		return pass(call);
	}
	if (look_up(call, identity))
		return SB_GATE_ANSWER;
	if (join(call)) {
		recall->until = half_time(call);
		return wait_until(call, SB_RECALL_WAITING, until);
	}
	/* Somebody landed between the two. */
	if (sb_flights_landings(flights_of(call), &recall->key) != landings &&
		look_up(call, identity)) {
		sb_recall_let_go(call);
		return SB_GATE_ANSWER;
	}
	return pass(call);
}

static sb_entered begin(struct sb_call *call, uint64_t now, uint64_t *until)
{
	sb_recall *recall = &call->recall;
	sb_generation generation;
	sb_identity identity;

	if (atomic_load(&call->cancelled))
		return pass(call);
	switch (sb_engine_generation_for(call, now, &generation, &identity)) {
	case SB_KNOWN:
		make_key(call, &generation);
		return ask_around(call, &identity, until);
	case SB_KNOWN_SOON:
		if (recall->step == SB_RECALL_START) {
			recall->until = now + patience;
			if (recall->until > half_time(call))
				recall->until = half_time(call);
		}
		return wait_until(call, SB_RECALL_CURIOUS, until);
	case SB_KNOWN_NOT:
		break;
	}
	return pass(call);
}

static sb_entered go_on_curious(struct sb_call *call, uint64_t now, uint64_t *until)
{
	sb_engine_stop_waiting(call);
	return now >= call->recall.until ? pass(call) : begin(call, now, until);
}

/* Woken: told something, cancelled, or at the end of its patience. */
static sb_entered go_on_waiting(struct sb_call *call, uint64_t now, uint64_t *until)
{
	sb_recall *recall = &call->recall;
	bool over = now >= recall->until || atomic_load(&call->cancelled);
	sb_identity identity;
	bool known;

	if (atomic_load(&recall->told) == SB_RECALL_NOTHING) {
		if (over && sb_flights_leave(flights_of(call), &recall->waiter)) {
			sb_call_unref(call); /* the waiter's; the driver has another one */
			return pass(call);
		}
		*until = over ? call->deadline : recall->until; /* over: it is being told */
		return SB_GATE_WAIT;
	}
	switch ((sb_recall_told)atomic_load(&recall->told)) {
	case SB_RECALL_RESULT:
		known = sb_engine_known(call->engine, &identity);
		return holds(call, known ? &identity : NULL) ? SB_GATE_ANSWER : pass(call);
	case SB_RECALL_AGAIN:
		recall->step = SB_RECALL_START;
		return over ? pass(call) : begin(call, now, until);
	case SB_RECALL_NOTHING:
	case SB_RECALL_ALONE:
		break;
	}
	return pass(call);
}

static sb_entered enter(struct sb_call *call, uint64_t now, uint64_t *until)
{
	switch (call->recall.step) {
	case SB_RECALL_CURIOUS:
		return go_on_curious(call, now, until);
	case SB_RECALL_WAITING:
		return go_on_waiting(call, now, until);
	case SB_RECALL_START:
	case SB_RECALL_PASSED:
		break;
	}
	if (!takes_part(call))
		return pass(call);
	call->recall.reads = !call->job->reads_no_cache;
	return begin(call, now, until);
}

/* --- Out -------------------------------------------------------------------------------------- */

/* Clean by signatures that were replaced while it looked (safety.md 1): once more. */
static bool is_overtaken(struct sb_call *call, uint64_t now)
{
	return call->recall.changed && !call->recall.repeated && !call->streamed &&
	       call->result.outcome == SB_OUTCOME_CLEAN && !atomic_load(&call->cancelled) &&
	       now < call->deadline;
}

static sb_left repeat(struct sb_call *call, uint64_t now, uint64_t *at)
{
	sb_recall *recall = &call->recall;
	sb_generation generation;

	sb_recall_let_go(call);
	recall->repeated = true;
	sb_engine_generation(call->engine, &generation);
	recall->keyed = recall->keyed && generation.known;
	if (recall->keyed) {
		make_key(call, &generation);
		recall->ticket = sb_cache_ticket(cache_of(call), &recall->key);
	}
	*at = now;
	return SB_GATE_AGAIN;
}

static sb_left leave(struct sb_call *call, uint64_t now, uint64_t *at)
{
	sb_recall *recall = &call->recall;
	sb_content_state state;

	if (is_overtaken(call, now))
		return repeat(call, now, at);
	if (!recall->keyed)
		return SB_GATE_DONE;
	state = !recall->unshared && sb_content_is_pinned(call->content)
			? SB_CONTENT_STATE_PINNED
			: SB_CONTENT_STATE_UNPINNED;
	if (is_current(call) && sb_cache_may_share(&recall->key, &call->result, state))
		sb_cache_store(cache_of(call), &recall->key, &call->result, recall->exactness,
			state, recall->ticket);
	if (sb_error_kind(call->result.error) == SB_KIND_CANCELLED)
		sb_recall_let_go(call);
	else
		land(call, &call->result, state);
	return SB_GATE_DONE;
}

const sb_gate sb_gate_cache = {"cache", enter, leave};

/* --- Doubt ------------------------------------------------------------------------------------ */

void sb_recall_doubt(struct sb_call *call, uint64_t ms)
{
	sb_manager *manager = call->engine->manager;
	uint64_t now = sb_clock_wall(manager->clock);
	sb_cache *cache = manager->verdicts != NULL ? sb_verdicts_cache(manager->verdicts) : NULL;
	sb_generation generation;

	sb_engine_generation(call->engine, &generation);
	if (cache == NULL || !generation.known)
		return; /* then nothing was stored */
	/* One that can't be dropped on disk is gone from memory, and the cache says why. */
	(void)sb_cache_drop(
		cache, generation.gen, ms > now / SB_MS ? 0 : now - ms * SB_MS, NULL, NULL);
}
