/* SPDX-License-Identifier: MIT */
/*
 * Attempts: a failed one is repeated if its kind may pass, within `retry.attempts`, the
 * manager's retry budget and the deadline (safety.md 2 and 3). The wait is
 * min(initial × multiplier^(n−1), max), with jitter × [0.5, 1.0); a retry_after is honoured.
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

static sb_left leave(struct sb_call *call, uint64_t now, uint64_t *at)
{
	const sb_result *result = &call->result;
	uint64_t half = call->started + (call->deadline - call->started) / 2;

	if (result->error == NULL || result->abstained || call->streamed ||
		atomic_load(&call->cancelled))
		return SB_GATE_DONE;
	if (call->retries + 1 >= call->engine->conf->retry.attempts ||
		call->retries >= repeats[result->error->kind])
		return SB_GATE_DONE;
	if (result->error->kind == SB_KIND_TIMEOUT && now > half)
		return SB_GATE_DONE;
	*at = now + backoff_ns(call);
	if (result->error->retry_after_ms >= 0)
		*at = now + (uint64_t)result->error->retry_after_ms * SB_MS;
	else if (result->error->kind == SB_KIND_RATE_LIMITED)
		return SB_GATE_DONE;
	if (*at >= call->deadline || !sb_retry_budget_spend(call->engine->manager))
		return SB_GATE_DONE;
	call->retries++;
	return SB_GATE_AGAIN;
}

const sb_gate sb_gate_retry = {"retry", enter, leave};
