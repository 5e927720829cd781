/* SPDX-License-Identifier: MIT */
/*
 * The decision: engine results in, one outcome with its explanation out. A pure function: no
 * I/O, no clock, no allocation but the arena. interface.md 2 and safety.md 1 are its text,
 * tests/decision_oracle.py its independent twin.
 */
#ifndef SB_SCAN_DECISION_H
#define SB_SCAN_DECISION_H

#include "scan/result.h"
#include "util/arena.h"

/* decision.ignore: one signature taken out, until a day. */
typedef struct sb_ignore {
	const char *engine; /* NULL: any */
	const char *threat; /* exact name */
	uint64_t until;     /* seconds since the epoch, exclusive */
	const char *reason;
} sb_ignore;

/* When hits, answers that say infected, make the outcome infected. */
typedef enum sb_strategy {
	SB_STRATEGY_ANY = 0,  /* one is enough */
	SB_STRATEGY_ALL,      /* every complete answer is one */
	SB_STRATEGY_QUORUM,   /* `quorum` of them */
	SB_STRATEGY_MAJORITY, /* more than half of the complete answers */
	SB_STRATEGY_WEIGHTED, /* their weights sum up to `threshold` */
} sb_strategy;

/* `any`, `all`, …; what is none is read as `any`. */
const char *sb_strategy_name(sb_strategy strategy);

typedef struct sb_decision_rules {
	sb_strategy strategy;
	unsigned quorum;
	double threshold;
	unsigned min_engines;
	sb_assurance min_assurance;
	const sb_ignore *ignores;
	size_t ignore_count;
} sb_decision_rules;

/* When the engines of the next tier are asked, by what those before lead to. */
typedef enum sb_next_tier {
	SB_NEXT_ON_DOUBT = 0,    /* suspicious, an error, or clean of low assurance */
	SB_NEXT_UNLESS_INFECTED, /* whatever else it is */
	SB_NEXT_ON_SUSPICION,    /* suspicious only: too few hits, or no proof */
} sb_next_tier;

typedef struct sb_decision {
	sb_outcome outcome;
	const char *explanation; /* `any: 1 of 2 engines infected (clamav)`; arena or static */
	const sb_error *error;   /* for outcome error: of the first failing required engine in file
				    order, or one made in the arena (not_configured, …) */
	unsigned error_kinds;    /* for outcome error: a bit per sb_kind that it is owed to, error's
				    own among them; a rule that allows must hold for all */
	double confidence;       /* for suspicious, else negative */
	bool low_assurance;      /* clean, but the best complete clean answer is below the minimum:
				    action at most allow_with_warning */
	const char *assurance_reason; /* then: why, in words */
	unsigned complete_clean;      /* answers that counted towards min_engines */
} sb_decision;

/*
 * Fewer hits than the strategy needs are suspicious. A hit of an engine with `veto` is enough by
 * itself. A complete answer is one that says clean with every byte looked at, or a detection.
 * @p changed: the content did not stand still; it replaces clean and
 * suspicious by error `changed`, infected stays. @p content_error: the content could not even
 * be made (too large, unreadable): outcome error with this, whatever the results; NULL
 * otherwise. Entries with `not_asked` have no part in it. Marks detections as ignored, and entries
 * that another one answers for by their `fallback` as replaced. @p unix_seconds: for ignore expiry.
 */
void sb_decide(sb_decision *out, sb_result *results, size_t count, const sb_decision_rules *rules,
	bool changed, const sb_error *content_error, uint64_t unix_seconds, sb_arena *arena);

/* Whether the next tier is asked, after a decision in which it has not been (`not_asked`). */
bool sb_decision_asks_for_more(const sb_decision *decision, sb_next_tier when);

/* While some are still asked: is it infected already, whatever they will say? Nothing else is ever
 * certain before the end. @p settled: which results are there. */
bool sb_decision_is_certain(sb_result *results, const bool *settled, size_t count,
	const sb_decision_rules *rules, uint64_t unix_seconds);

#endif
