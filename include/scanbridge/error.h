/* SPDX-License-Identifier: MIT */
/**
 * Errors belong to the caller: made once, filled in again and again without
 * allocating, read by accessors. Every public function that can fail returns 0 or
 * the negative kind (`-SB_KIND_TIMEOUT`), and fills in the `sb_error *` it was
 * given, on failure only. The error argument may always be NULL.
 *
 * Threads: an error belongs to one thread at a time.
 */
#ifndef SCANBRIDGE_ERROR_H
#define SCANBRIDGE_ERROR_H

#include <scanbridge/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sb_error sb_error;

/** NULL when there is no memory. */
SB_API sb_error *sb_error_new(void);
SB_API void sb_error_free(sb_error *error);
/** Back to "no error". */
SB_API void sb_error_clear(sb_error *error);

SB_API sb_kind sb_error_kind(const sb_error *error);
SB_API sb_class sb_error_class(const sb_error *error);
/** What happened, where, and what to do; at most 1,023 bytes, valid until the error changes. */
SB_API const char *sb_error_message(const sb_error *error);
/** The engine's configured name, or NULL when no engine is to blame. */
SB_API const char *sb_error_engine(const sb_error *error);
SB_API bool sb_error_retryable(const sb_error *error);
/** When to try again, in ms; -1 when nobody knows. */
SB_API int64_t sb_error_retry_after_ms(const sb_error *error);
/** The errno behind it, or 0. */
SB_API int sb_error_sys_errno(const sb_error *error);

/**
 * Fill in @p error and return -kind, so that a failing path is one line:
 * `return sb_error_set(err, SB_KIND_IO, errno, "read %s", path);`
 * A non-zero @p sys_errno appends `: <its text>`. @p error may be NULL.
 */
SB_API int sb_error_set(sb_error *error, sb_kind kind, int sys_errno, const char *format, ...)
	SB_PRINTF(4, 5);
/** Put `<text>: ` before the message, keeping the kind; returns -kind. */
SB_API int sb_error_prefix(sb_error *error, const char *format, ...) SB_PRINTF(2, 3);
/** Name the engine to blame; longer names are cut at 63 bytes. */
SB_API void sb_error_set_engine(sb_error *error, const char *engine);
SB_API void sb_error_set_retry_after_ms(sb_error *error, int64_t ms);
SB_API void sb_error_copy(sb_error *to, const sb_error *from);

#ifdef __cplusplus
}
#endif
#endif
