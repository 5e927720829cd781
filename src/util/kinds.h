/* SPDX-License-Identifier: MIT */
/* What only our own code needs to know about kinds of errors and facts of containers. */
#ifndef SB_UTIL_KINDS_H
#define SB_UTIL_KINDS_H

#include <scanbridge/types.h>

/* How much one such failure counts for a circuit breaker: 0, 1 or 2 (safety.md 2). */
unsigned sb_kind_breaker_weight(sb_kind kind);

/* What reports and policy call a fact (enum sb_container_fact) by the number of its bit:
 * `encrypted`, `macros`, …; NULL behind the last one. */
const char *sb_container_fact_name(unsigned bit);

#endif
