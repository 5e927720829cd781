/* SPDX-License-Identifier: MIT */
/* What an outcome and its error amount to, whatever was put into the facts. */
#ifndef SB_POLICY_CAUSES_H
#define SB_POLICY_CAUSES_H

#include "policy/policy.h"

/* An outcome that is none is an error. */
sb_outcome sb_facts_outcome(const sb_facts *facts);
/* All kinds that the error is owed to; none unless the outcome is error. An error without a kind
 * is our own fault. */
unsigned sb_facts_causes(const sb_facts *facts);

#endif
