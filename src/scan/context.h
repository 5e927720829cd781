/* SPDX-License-Identifier: MIT */
/* The body of sb_context, read by reports, policy and audit. */
#ifndef SB_SCAN_CONTEXT_H
#define SB_SCAN_CONTEXT_H

#include <scanbridge/context.h>

#include "scan/span.h"
#include "util/arena.h"

enum { SB_CONTEXT_MAX_METADATA = 64, SB_CONTEXT_MAX_VALUE = 1024, SB_CONTEXT_MAX_KEY = 128 };

typedef struct sb_pair {
	sb_span key, value;
} sb_pair;

struct sb_context {
	sb_span tenant, user, request_id, source;
	sb_pair *metadata;
	size_t metadata_count;
};

/* A copy whose strings belong to @p arena; NULL context gives an empty one. 0 or -kind. */
int sb_context_copy(sb_context *to, const sb_context *from, sb_arena *arena);

/* It has metadata `confidential`, and not with the value `false`: what is scanned is not for others
 * to see. */
bool sb_context_confidential(const sb_context *context);

#endif
