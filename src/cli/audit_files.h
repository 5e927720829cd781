/* SPDX-License-Identifier: MIT */
/* `audit verify FILE`, `audit show FILE`, `audit export FILE`: what they print, given a path. */
#ifndef SB_CLI_AUDIT_FILES_H
#define SB_CLI_AUDIT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct sb_audit_show_options {
	bool json;         /* the lines as they are */
	uint64_t after;    /* only records with a higher seq */
	uint64_t limit;    /* only the last so many of them; 0: all */
	const char *event; /* only this one; NULL: all */
};

/* Every line without its newline, its number from 1; one that is longer than any of ours comes as
 * an empty one. False: the end is torn, or being written just now. */
typedef void sb_audit_line_use(void *data, const char *line, size_t length, uint64_t number);
bool sb_audit_lines(FILE *in, sb_audit_line_use *use, void *data);

/* All return the exit status: 0 fine, 1 the log is bad, 2 it can't be read (said on stderr). */
int sb_audit_cmd_verify(const char *path, FILE *out);
int sb_audit_cmd_show(const char *path, const struct sb_audit_show_options *options, FILE *out);
/* As OCSF events, one a line; records with a higher seq than @p after. */
int sb_audit_cmd_export(const char *path, uint64_t after, FILE *out);

#endif
