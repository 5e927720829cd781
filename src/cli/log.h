/* SPDX-License-Identifier: MIT */
/*
 * What the program has to say besides its results: one line each on standard error, from a
 * level on, as text or as JSON. The progress line, if one is shown, steps aside for it.
 */
#ifndef SB_CLI_LOG_H
#define SB_CLI_LOG_H

#include <scanbridge/error.h>

typedef enum sb_log_level {
	SB_LOG_ERROR = 0,
	SB_LOG_WARN,
	SB_LOG_INFO,
	SB_LOG_DEBUG,
} sb_log_level;

extern const char *const sb_log_levels[];
extern const char *const sb_log_formats[];

void sb_log_setup(int level, bool json);
/* Texts from outside have to be escaped by the caller; control characters left over become \xNN.
 * Threads: any. */
void sb_log(sb_log_level level, const char *format, ...) SB_PRINTF(2, 3);
/* The error's message at level error. */
void sb_log_error(const sb_error *error);

/* Called before a line is written, under the log's lock; NULL: nothing to do. */
void sb_log_set_before(void (*before)(void *data), void *data);

#endif
