/* SPDX-License-Identifier: MIT */
/* The breaker's states and what moves it between them; see breaker_state.h. */
#include "scan/gates/breaker_state.h"

#include <string.h>

/* --- The window ---------------------------------------------------------------------------- */

uint64_t sb_breaker_bucket(const sb_breaker_rules *rules, uint64_t now)
{
	uint64_t width = rules->window_ns / SB_BREAKER_BUCKETS;

	return now / (width > 0 ? width : 1);
}

static void count(sb_breaker_state *state, const sb_breaker_rules *rules, unsigned calls,
	unsigned failures, uint64_t now)
{
	uint64_t number = sb_breaker_bucket(rules, now);
	unsigned place = (unsigned)(number % SB_BREAKER_BUCKETS);

	if (state->buckets[place].number != number) {
		state->buckets[place].number = number;
		state->buckets[place].calls = state->buckets[place].failures = 0;
	}
	state->buckets[place].calls += calls;
	state->buckets[place].failures += failures;
}

void sb_breaker_window(const sb_breaker_state *state, const sb_breaker_rules *rules, uint64_t now,
	unsigned *calls, unsigned *failures)
{
	uint64_t number = sb_breaker_bucket(rules, now);

	*calls = *failures = 0;
	for (unsigned i = 0; i < SB_BREAKER_BUCKETS; i++) {
		if (state->buckets[i].number + SB_BREAKER_BUCKETS <= number)
			continue;
		*calls += state->buckets[i].calls;
		*failures += state->buckets[i].failures;
	}
}

static bool too_many_fail(
	const sb_breaker_state *state, const sb_breaker_rules *rules, uint64_t now)
{
	unsigned calls, failures;

	if (rules->failure_rate == 0)
		return false;
	sb_breaker_window(state, rules, now, &calls, &failures);
	return calls >= rules->minimum_calls &&
	       (uint64_t)failures * 100 >= (uint64_t)calls * rules->failure_rate;
}

/* --- Changes of phase ---------------------------------------------------------------------- */

static void change(sb_breaker_state *state, sb_breaker_phase phase)
{
	state->phase = phase;
	state->era++;
	state->failures = state->successes = state->probes = 0;
	memset(state->buckets, 0, sizeof state->buckets);
}

/* Twice as long each time, 20 % more or less, so that many of us don't come back at once. */
static uint64_t open_time(const sb_breaker_state *state, const sb_breaker_rules *rules, double dice)
{
	double time = (double)rules->open_ns, most = (double)rules->max_open_ns;

	for (unsigned i = 0; i < state->openings && time < most; i++)
		time *= 2;
	time = (time < most ? time : most) * (0.8 + 0.4 * dice);
	return (uint64_t)(time < most ? time : most);
}

static void open_up(sb_breaker_state *state, const sb_breaker_rules *rules, sb_breaker_cause cause,
	uint64_t now, double dice)
{
	change(state, SB_BREAKER_OPEN);
	state->cause = cause;
	state->until =
		cause == SB_BREAKER_CAUSE_FATAL ? UINT64_MAX : now + open_time(state, rules, dice);
	if (state->openings < UINT32_MAX)
		state->openings++;
}

static void close_up(sb_breaker_state *state)
{
	change(state, SB_BREAKER_CLOSED);
	state->cause = SB_BREAKER_CAUSE_NONE;
	state->openings = 0;
}

void sb_breaker_force_open(sb_breaker_state *state)
{
	change(state, SB_BREAKER_OPEN);
	state->cause = SB_BREAKER_CAUSE_HAND;
	state->until = UINT64_MAX;
}

void sb_breaker_force_close(sb_breaker_state *state, bool forget)
{
	unsigned openings = state->openings;

	close_up(state);
	if (!forget)
		state->openings = openings;
}

/* --- Calls --------------------------------------------------------------------------------- */

bool sb_breaker_admit(
	sb_breaker_state *state, const sb_breaker_rules *rules, uint64_t now, sb_breaker_pass *pass)
{
	if (state->phase == SB_BREAKER_OPEN && now >= state->until && state->until != UINT64_MAX)
		change(state, SB_BREAKER_HALF_OPEN);
	*pass = (sb_breaker_pass){.era = state->era};
	switch (state->phase) {
	case SB_BREAKER_CLOSED:
		return true;
	case SB_BREAKER_OPEN:
		return false;
	case SB_BREAKER_HALF_OPEN:
		break;
	}
	if (state->probes >= rules->half_open_probes)
		return false;
	state->probes++;
	pass->probe = true;
	return true;
}

void sb_breaker_count_successes(
	sb_breaker_state *state, const sb_breaker_rules *rules, unsigned calls, uint64_t now)
{
	if (calls > 0 && state->phase == SB_BREAKER_CLOSED)
		count(state, rules, calls, 0, now);
}

static void end_closed(sb_breaker_state *state, const sb_breaker_rules *rules,
	const sb_breaker_end *end, bool slow, uint64_t now)
{
	bool failed = end->mark == SB_BREAKER_FAILURE;

	count(state, rules, 1, failed || slow, now);
	state->failures = failed ? state->failures + end->weight : 0;
	if (!rules->automatic)
		return;
	if (state->failures >= rules->failure_threshold)
		open_up(state, rules, SB_BREAKER_CAUSE_ROW, now, end->dice);
	else if ((failed || slow) && too_many_fail(state, rules, now))
		open_up(state, rules, SB_BREAKER_CAUSE_RATE, now, end->dice);
}

static void end_probe(sb_breaker_state *state, const sb_breaker_rules *rules,
	const sb_breaker_end *end, bool slow, uint64_t now)
{
	if (end->mark == SB_BREAKER_FAILURE || slow)
		open_up(state, rules, SB_BREAKER_CAUSE_PROBE, now, end->dice);
	else if (++state->successes >= rules->success_threshold)
		close_up(state);
}

void sb_breaker_end_call(sb_breaker_state *state, const sb_breaker_rules *rules,
	sb_breaker_pass pass, const sb_breaker_end *end, uint64_t now)
{
	bool slow = end->mark == SB_BREAKER_SUCCESS && rules->slow_ns > 0 &&
		    end->took_ns > rules->slow_ns;

	if (pass.era != state->era)
		return;
	if (pass.probe)
		state->probes--;
	if (end->mark == SB_BREAKER_NOTHING)
		return;
	if (end->mark == SB_BREAKER_FATAL) {
		if (rules->automatic)
			open_up(state, rules, SB_BREAKER_CAUSE_FATAL, now, end->dice);
		return;
	}
	if (state->phase == SB_BREAKER_CLOSED)
		end_closed(state, rules, end, slow, now);
	else
		end_probe(state, rules, end, slow, now);
}
