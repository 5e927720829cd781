/* SPDX-License-Identifier: MIT */
/*
 * Before something new judges what matters, it shows what it does with what is known: its own
 * known-answer tests, samples that it has to find, benign content that it has to leave alone. By
 * calls that belong to no scan, past cache and breaker, in the thread that asks.
 */
#ifndef SB_SCAN_CANARY_H
#define SB_SCAN_CANARY_H

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "util/error.h"

struct sb_engine;

typedef struct sb_canary_count {
	uint64_t benign, samples; /* shown, and answered well */
} sb_canary_count;

/* The engine's known-answer tests (`self_test`) and its identity; what they say is kept nowhere. */
int sb_canary_answers(struct sb_engine *engine, sb_error *error);
/* Nothing of it may be flagged: what we make, what @p conf names, and what @p more does (NULL
 * terminated, or NULL). A refusal names rule and file. */
int sb_canary_benign(struct sb_engine *engine, const sb_conf *conf, const char *const *more,
	sb_canary_count *count, sb_error *error);
/* Rule @p rule has to find the content. */
int sb_canary_sample(struct sb_engine *engine, const char *rule, const void *bytes, size_t length,
	sb_error *error);

/* All of that but the samples, as far as its `self_test` is not off; and it is in service. */
int sb_canary_engine(struct sb_engine *engine, const sb_conf *conf, sb_error *error);

#endif
