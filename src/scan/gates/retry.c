/* SPDX-License-Identifier: MIT */
/*
 * Attempts: a failed one is repeated if its kind may pass, within `retry.attempts`, the
 * manager's retry budget and the deadline (safety.md 2 and 3), and not into a breaker that is
 * open. The wait is min(initial × multiplier^(n−1), max), with jitter × [0.5, 1.0); a
 * retry_after is honoured.
 */
#include <math.h>

#include "scan/call.h"
#include "scan/manager_body.h"
#include "util/uuid.h"

/* How often a failure of this kind may be repeated, however many attempts are configured. */
static const unsigned char repeats[SB_KIND_COUNT_] = {
	[SB_KIND_CONNECTION_FAILED] = 255,
	[SB_KIND_ENGINE_UNAVAILABLE] = 1,
	[SB_KIND_TIMEOUT] = 1, /* and only if half of the time is left */
	[SB_KIND_ENGINE_CRASHED] = 1,
	[SB_KIND_RATE_LIMITED] = 1, /* and only at its retry_after */
};

static sb_entered enter(struct sb_call *call, uint64_t now, uint64_t *until)
{
	(void)now;
	(void)until;
	sb_retry_budget_earn(call->engine->manager);
	return SB_GATE_PASS;
}

static uint64_t backoff_ns(const struct sb_call *call)
{
	double ms = (double)call->engine->conf->retry.initial_ms *
		    pow(call->engine->conf->retry.multiplier, call->retries);
	uint32_t dice;

	ms = fmin(ms, (double)call->engine->conf->retry.max_ms);
	if (call->engine->conf->retry.jitter) {
		sb_random(&dice, sizeof dice);
		ms *= 0.5 + 0.5 * (dice / 4294967296.0);
	}
	return (uint64_t)(ms * (double)SB_MS);
}

/* When to try again; 0: never. */
static uint64_t next_attempt(const struct sb_call *call, uint64_t now)
{
	const sb_error *error = call->result.error;
	uint64_t half = call->started + (call->deadline - call->started) / 2;
	bool elsewhere = error->kind == SB_KIND_PROTOCOL_ERROR && sb_breaker_another(call);
	uint64_t at = elsewhere ? now : now + backoff_ns(call);

	if (call->retries + 1 >= call->engine->conf->retry.attempts ||
		(call->retries >= repeats[error->kind] && !elsewhere))
		return 0;
	if (error->kind == SB_KIND_TIMEOUT && now > half)
		return 0;
	if (error->kind == SB_KIND_RATE_LIMITED && error->retry_after_ms < 0)
		return 0;
	if (error->retry_after_ms >= 0)
		at = now + (uint64_t)error->retry_after_ms * SB_MS;
	return at < call->deadline && sb_breaker_lets_in(call, at) ? at : 0;
}

/*
 * On to another replica, which is no attempt more: this one could not be reached, or its breaker
 * opened while the call waited for a permit.
 */
static bool goes_elsewhere(struct sb_call *call, sb_kind kind)
{
	return (kind == SB_KIND_CONNECTION_FAILED || kind == SB_KIND_CIRCUIT_OPEN) &&
	       sb_breaker_another(call);
}

/* What went wrong, for the case that the next attempt is not even made. */
static void keep_failure(struct sb_call *call)
{
	sb_error *copy = sb_arena_alloc(&call->arena, sizeof *copy);

	if (copy != NULL)
		sb_error_copy(copy, call->result.error);
	call->failure = copy;
}

/* The breaker opened before the next attempt, or the quota has no room for it: the cause is worth
 * more than that news. */
static void tell_failure(struct sb_call *call)
{
	const sb_error *cause = call->failure;

	call->retries--;
	sb_call_refuse(call, false, cause->kind, "%.500s", cause->message);
	call->error.sys_errno = cause->sys_errno;
	call->error.retry_after_ms = cause->retry_after_ms;
}

static sb_left leave(struct sb_call *call, uint64_t now, uint64_t *at)
{
	const sb_error *error = call->result.error;

	if (error != NULL && !call->streamed && !atomic_load(&call->cancelled) &&
		now < call->deadline && goes_elsewhere(call, error->kind)) {
		*at = now;
		return SB_GATE_AGAIN;
	}
	if (call->failure != NULL &&
		(sb_error_kind(error) == SB_KIND_CIRCUIT_OPEN ||
			(sb_error_kind(error) == SB_KIND_RATE_LIMITED && !call->asked))) {
		tell_failure(call);
		return SB_GATE_DONE;
	}
	if (error == NULL || call->result.abstained || call->streamed ||
		atomic_load(&call->cancelled))
		return SB_GATE_DONE;
	*at = next_attempt(call, now);
	if (*at == 0 || !sb_retry_budget_spend(call->engine->manager))
		return SB_GATE_DONE;
	keep_failure(call);
	call->retries++;
	atomic_fetch_add_explicit(&call->engine->retries, 1, memory_order_relaxed);
	return SB_GATE_AGAIN;
}

const sb_gate sb_gate_retry = {"retry", enter, leave};
