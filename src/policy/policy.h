/* SPDX-License-Identifier: MIT */
/*
 * Policy: what is done about an outcome. Rules by priority, first match wins, no match is
 * `block`. A pure function over facts; the rules are an immutable part of the configuration.
 *
 * Every doubt is read against allowing. A condition is not just true or false (sb_truth): it may
 * hold for some of several threats only, or nobody may know. A rule that allows must be sure: its
 * conditions hold for every threat, every cause of an error, every engine that had something to
 * say. Any other rule matches when they hold for one of them. What nobody knows, no condition
 * holds for: where no engine told the media type or looked inside, `mime` and every condition on
 * the container are false, `encrypted: false` as well as `encrypted: true`. So a rule that is
 * strict does not stop everything that an engine without eyes for containers has judged; whoever
 * wants to stop that requires an engine that has them, whose failure is then an error.
 *
 * `not` turns the question round, and the doubt with it. In a rule that allows, `not X` holds only
 * when X is surely false: of no threat, no cause, and known. In any other rule `not X` holds unless
 * X is surely true: `not: {tenant: acme}` blocks those without a tenant, `not: {threat_name:
 * PUA.*}` what has one threat with another name. Two of them turn it back.
 *
 * In a rule that allows moreover:
 * - threat conditions are never sure where the scan is not whole (outcome error, or a required
 *   engine failed beside an infection): there may be threats that nobody saw. So are conditions on
 *   `engine` where no engine had its say, and a number of detections that was not reached.
 * - `macros: false` and its like have to be proven: in a part that could not be read (encrypted,
 *   corrupt, unsupported), and behind a limit, there may be anything.
 * - an MD5 digest proves nothing: two contents may have the same one.
 * - `any` of two conditions on threats needs one of the two to hold for every threat; to let each
 *   threat choose, write a list into one condition.
 */
#ifndef SB_POLICY_POLICY_H
#define SB_POLICY_POLICY_H

#include <scanbridge/sys/engine.h>

#include "util/arena.h"
#include "util/error.h"

typedef struct sb_policy sb_policy;

/* An engine that decides, and had a detection or failed. */
typedef struct sb_engine_fact {
	const char *name;
	bool detected; /* something that is not ignored */
} sb_engine_fact;

typedef struct sb_metadata_fact {
	const char *key, *value;
	size_t value_length;
} sb_metadata_fact;

/* What rules look at. Strings NULL when unknown. */
typedef struct sb_facts {
	sb_outcome outcome;
	sb_kind error_kind;   /* SB_KIND_NONE unless outcome is error */
	unsigned error_kinds; /* bit per sb_kind that the error is owed to; 0: error_kind alone */
	bool incomplete;      /* a required engine failed, whatever the outcome */
	const char *const *threat_names; /* not ignored ones */
	const sb_severity *threat_severities;
	size_t threat_count;
	unsigned detections; /* engines with a detection */
	const sb_engine_fact *engines;
	size_t engine_count;
	const char *name;
	size_t name_length;
	uint64_t size;
	bool size_unknown;                 /* there was no content to measure */
	const char *blake3, *sha256, *md5; /* lower-case digits */
	const char *mime;                  /* NULL: nobody told */
	const sb_container *container;     /* NULL: nobody looked inside */
	const char *tenant, *user, *source;
	const sb_metadata_fact *metadata;
	size_t metadata_count;
	bool cached;        /* all answers came from the cache */
	int64_t time;       /* of the request, seconds since the epoch; 0: unknown */
	int32_t utc_offset; /* of local time then, seconds east of UTC */
	bool low_assurance; /* action at most allow_with_warning */
	const char *assurance_reason;
} sb_facts;

typedef struct sb_policy_decision {
	sb_action action;
	const char *rule_id, *rule_name; /* NULL when no rule matched */
	const char *reason;              /* never NULL; belongs to the policy or static */
	const char *message; /* for the user, of a rule whose action stands; NULL: none */
} sb_policy_decision;

/* audit_failed, internal and cancelled are allowed by no rule: such a match is `block`. */
void sb_policy_evaluate(const sb_policy *policy, const sb_facts *facts, sb_policy_decision *out);

/* A preset by name; NULL for an unknown one. Static, never freed. */
const sb_policy *sb_policy_preset(const char *name);

/* --- Building (the configuration does it) ------------------------------------------------ */

typedef struct sb_texts_list {
	const char *const *items;
	size_t count;
} sb_texts_list;

/* Minutes of a week's days: from @c from on, up to but not at @c to; past midnight if from > to,
 * and then it counts to the day on which it began. */
typedef struct sb_window {
	unsigned days;     /* bit per day, Sunday first */
	unsigned from, to; /* 0..1440 */
	bool local;
} sb_window;

/* The value of a metadata key: any of these patterns. */
typedef struct sb_metadata_condition {
	const char *key;
	sb_texts_list values;
} sb_metadata_condition;

enum {
	SB_CONDITIONS_DEPTH = 16, /* of all, any, not inside each other */
	SB_MINUTES = 1440,        /* of a day */
};

/* Conditions as they were written: every one that was given must hold. A list means any of. */
typedef struct sb_conditions {
	unsigned given;         /* enum sb_condition bits */
	unsigned outcomes;      /* bit per sb_outcome */
	unsigned error_kinds;   /* bit per sb_kind */
	unsigned error_classes; /* bit per sb_class */
	sb_severity severity_at_least;
	sb_texts_list threat_names, threat_contains, sources, tenants, users;
	sb_texts_list file_types, mimes, engines;
	uint64_t size_above, size_below;
	struct {
		sb_texts_list blake3, sha256, md5; /* lower-case digits */
	} hashes;
	struct {
		sb_texts_list types;
		unsigned present, absent; /* enum sb_container_fact */
		unsigned depth_above;
		uint64_t members_above, size_above;
	} container;
	unsigned detections_at_least;
	bool cached;
	const sb_metadata_condition *metadata; /* each must hold */
	size_t metadata_count;
	const sb_window *windows;
	size_t window_count;
	struct sb_conditions_list {
		const struct sb_conditions *items;
		size_t count;
	} all, any, none; /* none: `not` */
} sb_conditions;

typedef struct sb_rule {
	const char *id, *name, *description;
	const char *origin; /* file:line:column, for messages; NULL: a preset's */
	int64_t priority;
	bool bare; /* without `when`: it always matches */
	bool enabled;
	sb_conditions when;
	sb_action action;
	const char *reason, *message;
} sb_rule;

enum sb_condition {
	SB_WHEN_OUTCOME = 1 << 0,
	SB_WHEN_SEVERITY = 1 << 1,
	SB_WHEN_ERROR_KIND = 1 << 2,
	SB_WHEN_ERROR_CLASS = 1 << 3,
	SB_WHEN_THREAT_NAME = 1 << 4,
	SB_WHEN_THREAT_CONTAINS = 1 << 5,
	SB_WHEN_SOURCE = 1 << 6,
	SB_WHEN_TENANT = 1 << 7,
	SB_WHEN_USER = 1 << 8,
	SB_WHEN_SIZE_ABOVE = 1 << 9,
	SB_WHEN_SIZE_BELOW = 1 << 10,
	SB_WHEN_DETECTIONS = 1 << 11,
	SB_WHEN_FILE_TYPE = 1 << 12,
	SB_WHEN_MIME = 1 << 13,
	SB_WHEN_ENGINE = 1 << 14,
	SB_WHEN_HASH = 1 << 15,
	SB_WHEN_CACHED = 1 << 16,
	SB_WHEN_NEVER = 1 << 17,
	/* behind those that stand for a key each, and `always`: the conditions in `container` */
	SB_WHEN_CONTAINER_TYPE = 1 << 19,
	SB_WHEN_CONTAINER_DEPTH = 1 << 20,
	SB_WHEN_CONTAINER_MEMBERS = 1 << 21,
	SB_WHEN_CONTAINER_SIZE = 1 << 22,
	SB_WHEN_CONTAINER_FACTS = 1 << 23,
	SB_WHEN_METADATA = 1 << 24,
	SB_WHEN_TIME = 1 << 25,
	SB_WHEN_ALL = 1 << 26,
	SB_WHEN_ANY = 1 << 27,
	SB_WHEN_NOT = 1 << 28,
	/* no conditions: which digests SB_WHEN_HASH asks for besides BLAKE3 */
	SB_ASKS_SHA256 = 1 << 29,
	SB_ASKS_MD5 = 1 << 30,
};
#define SB_WHEN_CONTAINER                                                                          \
	(SB_WHEN_CONTAINER_TYPE | SB_WHEN_CONTAINER_DEPTH | SB_WHEN_CONTAINER_MEMBERS |            \
		SB_WHEN_CONTAINER_SIZE | SB_WHEN_CONTAINER_FACTS)

/* Copies the rules into @p arena, sorted by priority, ties in file order. NULL: no memory. */
const sb_policy *sb_policy_new(
	const char *name, const sb_rule *rules, size_t count, sb_arena *arena);
const char *sb_policy_name(const sb_policy *policy);
/* Its rules in the order of evaluation. */
const sb_rule *sb_policy_rules(const sb_policy *policy, size_t *count);
/* The conditions that rules in force have, be it inside all, any or not: bits of enum
 * sb_condition. */
unsigned sb_policy_asks(const sb_policy *policy);

/* --- How conditions are read: for those who explain and check policies -------------------- */

/* By growing certainty. */
typedef enum sb_truth {
	SB_TRUTH_NO,      /* surely not */
	SB_TRUTH_UNKNOWN, /* nobody knows, or a sign that proves nothing */
	SB_TRUTH_PARTLY,  /* for some, not for all; or seen so, and not proven */
	SB_TRUTH_YES,     /* surely */
} sb_truth;

/* How true a condition has to be to hold, and how true below a `not` for that not to hold. */
typedef struct sb_reading {
	sb_truth least, least_below_not;
} sb_reading;

sb_reading sb_reading_of(sb_action action);
/* Below a `not`. */
sb_reading sb_reading_turned(sb_reading reading);

/* The truth of one condition that was given, not of all, any and not. */
sb_truth sb_condition_truth(
	const sb_conditions *when, enum sb_condition condition, const sb_facts *facts);
bool sb_conditions_hold(const sb_conditions *when, const sb_facts *facts, sb_reading reading);
/* One of them, all, any and not included. */
bool sb_condition_holds(const sb_conditions *when, enum sb_condition condition,
	const sb_facts *facts, sb_reading reading);
/* What rules call a condition; NULL for a bit that is none. */
const char *sb_condition_name(enum sb_condition condition);

#endif
