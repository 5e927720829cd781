/* SPDX-License-Identifier: MIT */
/*
 * The facts that policy saw, out of a report or an audit record: what `policy explain` and
 * `policy replay` begin with. Pure; whatever the JSON is, the facts are some facts.
 */
#ifndef SB_CLI_POLICY_FACTS_H
#define SB_CLI_POLICY_FACTS_H

#include <jansson.h>

#include "policy/policy.h"

typedef struct sb_known_facts {
	sb_facts facts;
	unsigned lacking; /* enum sb_condition bits: what can't be told from what is there */
} sb_known_facts;

/* Both: texts point into the JSON, the rest into @p arena. NULL, or what is wrong. */
const char *sb_facts_from_report(
	sb_known_facts *out, const json_t *report, sb_assurance min_assurance, sb_arena *arena);
const char *sb_facts_from_record(sb_known_facts *out, const json_t *record, sb_arena *arena);

#endif
