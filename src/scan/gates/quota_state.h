/* SPDX-License-Identifier: MIT */
/*
 * The account of a quota: how many requests an engine was sent in the last minute and today, as
 * pure arithmetic over a plain structure, which quota_file.h keeps.
 *
 *   a minute   is a sliding window: never more than `per_minute` in any 60 s, wherever the
 *              service's own minute begins. A bucket refills while it is drawn from, and lets
 *              nearly twice as many through in its first minute. Counted in 61 whole seconds, so
 *              that a request is let go a second late rather than early.
 *   a day      is a calendar day in UTC, as VirusTotal counts it.
 *
 * The minute goes by the clock that nobody can set. It begins anew when the machine does: what
 * seems to lie ahead was sent before that, and is at least as old as the machine is up. The day
 * goes by the wall clock: set back, what was counted stays counted, until the next midnight; set
 * forward, a new day begins, but not within the hour after the one before.
 */
#ifndef SB_SCAN_GATES_QUOTA_STATE_H
#define SB_SCAN_GATES_QUOTA_STATE_H

#include <stdbool.h>
#include <stdint.h>

enum { SB_QUOTA_SECONDS = 61 };

typedef struct sb_quota_rules {
	uint32_t per_minute, per_day; /* 0: as many as you like */
} sb_quota_rules;

/* All-zero: nothing was ever sent. Kept in a file: change its version with the layout. */
typedef struct sb_quota_state {
	uint64_t second;                  /* the newest in the window, monotonic */
	uint64_t day;                     /* since the epoch, UTC */
	uint64_t day_begun;               /* ns, monotonic: when it was first seen; 0: not known */
	uint64_t held_at, held_ns;        /* the engine asked for quiet: when, and how long */
	uint32_t today;                   /* requests */
	uint32_t spent[SB_QUOTA_SECONDS]; /* by second modulo their number */
} sb_quota_state;

/* Where a request is on the books, so that it can be taken off again. */
typedef struct sb_quota_entry {
	uint64_t second, day;
} sb_quota_entry;

/* Times in ns, as sb_clock_now() and sb_clock_wall() say them. First of all, before any other. */
void sb_quota_catch_up(sb_quota_state *state, uint64_t now, uint64_t wall);
/* How long a request has to wait, at least, with @p ahead others before it; 0: not at all. */
uint64_t sb_quota_wait(const sb_quota_state *state, const sb_quota_rules *rules, unsigned ahead,
	uint64_t now, uint64_t wall);
/* One request is sent. */
sb_quota_entry sb_quota_spend(sb_quota_state *state);
/* It was not sent after all. */
void sb_quota_take_back(sb_quota_state *state, const sb_quota_entry *entry);
/* The engine asks for quiet. At most a day, whatever it says. */
void sb_quota_hold(sb_quota_state *state, uint64_t ns, uint64_t now);
/* Nothing is known of what was sent: as if all of it had been, just now. */
void sb_quota_assume_spent(
	sb_quota_state *state, const sb_quota_rules *rules, uint64_t now, uint64_t wall);
/* Left in this minute and today, with the same two clocks; UINT32_MAX where there is no limit. */
uint32_t sb_quota_left_in_minute(const sb_quota_state *state, const sb_quota_rules *rules);
uint32_t sb_quota_left_today(const sb_quota_state *state, const sb_quota_rules *rules);

#endif
