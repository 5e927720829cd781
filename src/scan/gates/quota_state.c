/* SPDX-License-Identifier: MIT */
/* Counting requests; see quota_state.h. */
#include "scan/gates/quota_state.h"

#define NS 1000000000ull

static const uint64_t day_s = 86400, hold_max = 86400 * NS;
/* A new day begins no sooner than this after the one before, whatever the wall clock says. */
static const uint64_t day_least = 3600 * NS;

/* --- Time goes on ------------------------------------------------------------------------- */

static uint64_t sum(const sb_quota_state *state)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < SB_QUOTA_SECONDS; i++)
		all += state->spent[i];
	return all;
}

static void clear(sb_quota_state *state)
{
	for (unsigned i = 0; i < SB_QUOTA_SECONDS; i++)
		state->spent[i] = 0;
}

/* The machine was started anew: what happened before is as old as this start, or older. */
static void begin_again(sb_quota_state *state, uint64_t second)
{
	uint64_t all = sum(state);

	clear(state);
	if (second < SB_QUOTA_SECONDS)
		state->spent[0] = all < UINT32_MAX ? (uint32_t)all : UINT32_MAX;
	state->second = second;
	state->held_at = state->day_begun = 0;
}

static void move_window(sb_quota_state *state, uint64_t second)
{
	/* By one second clocks may differ that two processors look at. */
	if (second + 1 < state->second) {
		begin_again(state, second);
		return;
	}
	if (second >= state->second + SB_QUOTA_SECONDS)
		clear(state);
	else
		for (uint64_t s = state->second + 1; s <= second; s++)
			state->spent[s % SB_QUOTA_SECONDS] = 0;
	if (second > state->second)
		state->second = second;
}

/* How long the day goes on, whatever the wall clock says. */
static uint64_t day_still_lasts(const sb_quota_state *state, uint64_t now)
{
	if (state->day_begun == 0 || now < state->day_begun || now - state->day_begun >= day_least)
		return 0;
	return day_least - (now - state->day_begun);
}

static void move_day(sb_quota_state *state, uint64_t now, uint64_t wall)
{
	uint64_t today = wall / NS / day_s;

	if (today > state->day && day_still_lasts(state, now) == 0) {
		/* Of the first day nobody knows when it began. */
		state->day_begun = state->day > 0 ? now : 0;
		state->day = today;
		state->today = 0;
	} else if (today < state->day) {
		state->day = today;
	}
}

void sb_quota_catch_up(sb_quota_state *state, uint64_t now, uint64_t wall)
{
	move_window(state, now / NS);
	move_day(state, now, wall);
}

/* --- Waiting -------------------------------------------------------------------------------- */

static uint64_t held_for(const sb_quota_state *state, uint64_t now)
{
	uint64_t gone = now >= state->held_at ? now - state->held_at : 0;

	return gone < state->held_ns ? state->held_ns - gone : 0;
}

/* Until @p wanted more fit into the window, with the second they do so at. */
static uint64_t until_they_fit(
	const sb_quota_state *state, uint32_t per_minute, uint32_t wanted, uint64_t now)
{
	uint64_t used = sum(state), at = 0;

	for (uint64_t age = SB_QUOTA_SECONDS; used + wanted > per_minute && age-- > 0;) {
		if (age > state->second)
			continue;
		used -= state->spent[(state->second - age) % SB_QUOTA_SECONDS];
		at = (state->second - age + SB_QUOTA_SECONDS) * NS;
	}
	return at > now ? at - now : 0;
}

static uint64_t minute_wait(
	const sb_quota_state *state, uint32_t per_minute, unsigned ahead, uint64_t now)
{
	uint64_t rounds = ahead / per_minute;

	return until_they_fit(state, per_minute, ahead % per_minute + 1, now) +
	       rounds * SB_QUOTA_SECONDS * NS;
}

static uint64_t day_wait(
	const sb_quota_state *state, uint32_t per_day, unsigned ahead, uint64_t now, uint64_t wall)
{
	uint64_t left = per_day > state->today ? per_day - state->today : 0;
	uint64_t until_midnight = day_s * NS - wall % (day_s * NS);
	uint64_t least = day_still_lasts(state, now);

	if (ahead < left)
		return 0;
	if (wall / NS / day_s > state->day) /* midnight is over, and the day isn't */
		until_midnight = least;
	if (until_midnight < least)
		until_midnight = least;
	return until_midnight + (ahead - left) / per_day * day_s * NS;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint64_t sb_quota_wait(const sb_quota_state *state, const sb_quota_rules *rules, unsigned ahead,
	uint64_t now, uint64_t wall)
{
	uint64_t wait = held_for(state, now);

	if (rules->per_minute > 0)
		wait = later(wait, minute_wait(state, rules->per_minute, ahead, now));
	if (rules->per_day > 0)
		wait = later(wait, day_wait(state, rules->per_day, ahead, now, wall));
	return wait;
}

/* --- Bookings ------------------------------------------------------------------------------- */

static void add(uint32_t *number)
{
	*number += *number < UINT32_MAX;
}

sb_quota_entry sb_quota_spend(sb_quota_state *state)
{
	add(&state->spent[state->second % SB_QUOTA_SECONDS]);
	add(&state->today);
	return (sb_quota_entry){.second = state->second, .day = state->day};
}

void sb_quota_take_back(sb_quota_state *state, const sb_quota_entry *entry)
{
	uint32_t *spent = &state->spent[entry->second % SB_QUOTA_SECONDS];

	if (entry->second <= state->second && state->second - entry->second < SB_QUOTA_SECONDS)
		*spent -= *spent > 0;
	if (entry->day == state->day)
		state->today -= state->today > 0;
}

void sb_quota_hold(sb_quota_state *state, uint64_t ns, uint64_t now)
{
	if (ns > hold_max)
		ns = hold_max;
	if (ns <= held_for(state, now))
		return;
	state->held_at = now;
	state->held_ns = ns;
}

void sb_quota_assume_spent(
	sb_quota_state *state, const sb_quota_rules *rules, uint64_t now, uint64_t wall)
{
	*state = (sb_quota_state){0};
	sb_quota_catch_up(state, now, wall);
	state->spent[state->second % SB_QUOTA_SECONDS] = rules->per_minute;
	state->today = rules->per_day;
}

/* --- For looking ---------------------------------------------------------------------------- */

static uint32_t left(uint32_t limit, uint64_t used)
{
	if (limit == 0)
		return UINT32_MAX;
	return used < limit ? (uint32_t)(limit - used) : 0;
}

uint32_t sb_quota_left_in_minute(const sb_quota_state *state, const sb_quota_rules *rules)
{
	return left(rules->per_minute, sum(state));
}

uint32_t sb_quota_left_today(const sb_quota_state *state, const sb_quota_rules *rules)
{
	return left(rules->per_day, state->today);
}
