/* SPDX-License-Identifier: MIT */
/*
 * Names of threats in what a scanner printed: a regular expression (PCRE2) is tried on each line,
 * and what its first group (or the group called `threat`) matches is a name. Lines may come from
 * hostile content (names of members in archives): so everything is bounded, the steps of the
 * expression included, and names only ever name what an exit status has already said.
 */
#ifndef SB_ENGINES_COMMAND_NAMES_H
#define SB_ENGINES_COMMAND_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "util/error.h"

enum {
	SB_NAMES_LINE = 4096,     /* longer lines hold no name */
	SB_NAMES_LINES = 10000,   /* of one output */
	SB_NAMES_MAX = 16,        /* of one output, each once */
	SB_NAMES_STEPS = 20000,   /* of the expression, on one line */
	SB_NAMES_MEMORY_KIB = 256 /* of the expression, on one line */
};

typedef struct sb_names sb_names;

typedef struct sb_names_found {
	const char *name; /* inside the text */
	size_t length;
} sb_names_found;

/* `not_configured` with the place of what is wrong in the pattern. */
int sb_names_open(sb_names **out, const char *pattern, sb_error *error);
void sb_names_close(sb_names *names);
/* How many were found, in the order of the text. Any number of threads at once. */
size_t sb_names_find(
	const sb_names *names, const char *text, size_t length, sb_names_found found[SB_NAMES_MAX]);

#endif
