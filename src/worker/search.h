/* SPDX-License-Identifier: MIT */
/*
 * One content before a scanner of libyara that is kept for many.
 *
 * libyara works in two stages: it finds atoms and compares the strings that have them (worker/
 * atoms.h), then it evaluates conditions. Here the first half of the first stage, which is nearly
 * all of the work, is ours: where an atom is, libyara's own function compares, and everything else
 * is libyara's as well. That function is no part of its interface: it is there in version 4.2 when
 * the worker is linked with libyara's archive (search.c). Otherwise libyara does all of it
 * (search_plain.c): the same is found, more slowly.
 */
#ifndef SB_WORKER_SEARCH_H
#define SB_WORKER_SEARCH_H

#include "worker/atoms.h"

/* Of a rule set. Zero-initialised: libyara does all of it. */
typedef struct sb_search {
	sb_atoms atoms;
} sb_search;

/* The rules must stay. */
void sb_search_of(sb_search *out, YR_RULES *rules);
/* What yr_scanner_scan_mem() does with a new scanner of these rules, and its result. */
int sb_search_scan(const sb_search *search, YR_SCANNER *scanner, const uint8_t *data, size_t size);
/* Whether the quick way is built in. */
extern const bool sb_search_is_quick;

#endif
