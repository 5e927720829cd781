/* SPDX-License-Identifier: MIT */
/*
 * What is wrong with a policy that can be read: outcomes and kinds of errors that no rule handles,
 * rules that are never reached, have no effect, or let errors pass. Judged by the rules alone; what
 * depends on facts may be either way, so a rule that is said never to be reached never is, but not
 * all such rules are found.
 */
#ifndef SB_POLICY_LINT_H
#define SB_POLICY_LINT_H

#include "policy/policy.h"

/* @p origin: the rule's file:line:column, or NULL for the policy as a whole. */
typedef void sb_lint_sink(void *data, bool is_error, const char *origin, const char *message);

/* Rules of a preset behind one's own are not judged, but count. */
void sb_policy_lint(const sb_policy *policy, sb_lint_sink *sink, void *data);

#endif
