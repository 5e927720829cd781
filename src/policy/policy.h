/* SPDX-License-Identifier: MIT */
/*
 * Policy: what is done about an outcome. Rules by priority, first match wins, no match is
 * `block`. A pure function over facts; the rules are an immutable part of the configuration.
 *
 * Available now: presets default, strict, monitor, mail, and rules with the conditions outcome,
 * severity_at_least, error_kind, error_class, threat_name, threat_contains, source, tenant, user,
 * size_above, size_below, detections_at_least, file_type, mime, container, always, never. The
 * others parse and are refused as not available.
 *
 * What nobody knows, no condition holds for: where no engine told the media type or looked
 * inside, `mime` and every condition on the container are false, `encrypted: false` as well as
 * `encrypted: true`. So a rule that allows needs to know, and a rule that is strict does not
 * stop everything that an engine without eyes for containers has judged; whoever wants to
 * stop that requires an engine that has them, whose failure is then an error. In a rule that
 * allows, `macros: false` and its like have to be proven besides: in a part that could not be
 * read (encrypted, corrupt, unsupported), and behind a limit, there may be anything.
 */
#ifndef SB_POLICY_POLICY_H
#define SB_POLICY_POLICY_H

#include <scanbridge/sys/engine.h>

#include "util/arena.h"
#include "util/error.h"

typedef struct sb_policy sb_policy;

/* What rules look at. Strings NULL when unknown. */
typedef struct sb_facts {
	sb_outcome outcome;
	sb_kind error_kind;   /* SB_KIND_NONE unless outcome is error */
	unsigned error_kinds; /* bit per sb_kind that the error is owed to; 0: error_kind alone */
	const char *const *threat_names; /* not ignored ones */
	const sb_severity *threat_severities;
	size_t threat_count;
	unsigned detections; /* engines with a detection */
	const char *name;
	size_t name_length;
	uint64_t size;
	const char *mime;              /* NULL: nobody told */
	const sb_container *container; /* NULL: nobody looked inside */
	const char *tenant, *user, *source;
	bool low_assurance; /* action at least allow_with_warning */
	const char *assurance_reason;
} sb_facts;

typedef struct sb_policy_decision {
	sb_action action;
	const char *rule_id, *rule_name; /* NULL when no rule matched */
	const char *reason;              /* never NULL; belongs to the policy or static */
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

/* One rule as it was written: every condition that was given must hold. A list means any of. */
typedef struct sb_rule {
	const char *id, *name, *description;
	int64_t priority;
	bool enabled;
	/* conditions; the bit mask tells which were given */
	unsigned given;         /* enum sb_condition bits */
	unsigned outcomes;      /* bit per sb_outcome */
	unsigned error_kinds;   /* bit per sb_kind */
	unsigned error_classes; /* bit per sb_class */
	sb_severity severity_at_least;
	sb_texts_list threat_names, threat_contains, sources, tenants, users;
	sb_texts_list file_types, mimes;
	uint64_t size_above, size_below;
	struct {
		sb_texts_list types;
		unsigned present, absent; /* enum sb_container_fact */
		unsigned depth_above;
		uint64_t members_above, size_above;
	} container;
	unsigned detections_at_least;
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
	SB_WHEN_NEVER = 1 << 14,
	/* behind those that stand for a key each: the conditions in `container` */
	SB_WHEN_CONTAINER_TYPE = 1 << 16,
	SB_WHEN_CONTAINER_DEPTH = 1 << 17,
	SB_WHEN_CONTAINER_MEMBERS = 1 << 18,
	SB_WHEN_CONTAINER_SIZE = 1 << 19,
	SB_WHEN_CONTAINER_FACTS = 1 << 20,
};

/* Copies the rules into @p arena, sorted by priority, ties in file order. NULL: no memory. */
const sb_policy *sb_policy_new(
	const char *name, const sb_rule *rules, size_t count, sb_arena *arena);
const char *sb_policy_name(const sb_policy *policy);
/* Its rules in the order of evaluation. */
const sb_rule *sb_policy_rules(const sb_policy *policy, size_t *count);
/* Whether a rule in force has this condition. */
bool sb_policy_looks_at(const sb_policy *policy, enum sb_condition condition);

#endif
