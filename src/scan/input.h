/* SPDX-License-Identifier: MIT */
/* The body of sb_input: where bytes come from, not yet looked at. */
#ifndef SB_SCAN_INPUT_H
#define SB_SCAN_INPUT_H

#include <scanbridge/scan.h>

#include "scan/span.h"

typedef enum sb_input_type {
	SB_INPUT_PATH,
	SB_INPUT_AT,
	SB_INPUT_FD,
	SB_INPUT_MEMORY,
	SB_INPUT_STREAM,
} sb_input_type;

struct sb_input {
	sb_input_type type;
	char *path;    /* PATH, AT: what the report shows */
	char *name_at; /* AT: below dir_fd */
	int fd;        /* AT: the folder; FD: the file; the caller's */
	const void *data;
	size_t length;
	sb_span name;
};

enum { SB_MAX_PASSWORDS = 64, SB_PASSWORD_BYTES = 1024 };

struct sb_scan_options {
	uint64_t timeout_ms, max_size;
	struct sb_context *context; /* a copy, or NULL */
	struct sb_cancel *cancel;   /* the caller's, or NULL */
	char **engines;
	size_t engine_count;
	char *passwords[SB_MAX_PASSWORDS];
	size_t password_count;
	bool no_quarantine, remove_original, no_cache;
};

#endif
