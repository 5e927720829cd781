/* SPDX-License-Identifier: MIT */
/**
 * Who asks, and why: carried into the report, policy and the audit log. Scanbridge
 * does not interpret it. All strings are copied, may hold any bytes and are escaped
 * wherever they are shown.
 *
 * Threads: one thread at a time; a scan takes a copy when it is submitted.
 */
#ifndef SCANBRIDGE_CONTEXT_H
#define SCANBRIDGE_CONTEXT_H

#include <scanbridge/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sb_context sb_context;

SB_API sb_context *sb_context_new(void);
SB_API void sb_context_free(sb_context *context);

/**
 * Each returns 0, or -SB_KIND_INTERNAL when there is no memory. A value replaces the
 * earlier one. Values are cut at 1,024 bytes, keys at 128; at most 64 metadata pairs,
 * a further one is -SB_KIND_LIMIT_EXCEEDED.
 */
SB_API int sb_context_set_tenant(sb_context *context, const char *id, size_t length);
SB_API int sb_context_set_user(sb_context *context, const char *id, size_t length);
SB_API int sb_context_set_request_id(sb_context *context, const char *id, size_t length);
SB_API int sb_context_set_source(sb_context *context, const char *source, size_t length);
SB_API int sb_context_set_metadata(sb_context *context, const char *key, size_t key_length,
	const char *value, size_t value_length);

#ifdef __cplusplus
}
#endif
#endif
