/* SPDX-License-Identifier: MIT */
/* `audit verify FILE` and `audit show FILE`: what they print, given a path. */
#ifndef SB_CLI_AUDIT_FILES_H
#define SB_CLI_AUDIT_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct sb_audit_show_options {
	bool json;         /* the lines as they are */
	uint64_t after;    /* only records with a higher seq */
	uint64_t limit;    /* only the last so many of them; 0: all */
	const char *event; /* only this one; NULL: all */
};

/* Both return the exit status: 0 fine, 1 the log is bad, 2 it can't be read (said on stderr). */
int sb_audit_cmd_verify(const char *path, FILE *out);
int sb_audit_cmd_show(const char *path, const struct sb_audit_show_options *options, FILE *out);

#endif
