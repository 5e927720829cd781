/* SPDX-License-Identifier: MIT */
/*
 * Command line options as data. A table says what an option is called, what it takes, where
 * its value goes and what help says about it; parsing (by getopt_long), error messages with
 * suggestions and the help text all come from the table.
 */
#ifndef SB_CLI_OPTIONS_H
#define SB_CLI_OPTIONS_H

#include "util/buf.h"
#include "util/error.h"

typedef enum sb_option_type {
	SB_OPTION_GROUP,    /* no option: a heading in the help text */
	SB_OPTION_YES,      /* int, set to 1; 0 means that nobody said anything */
	SB_OPTION_NO,       /* int, set to -1 */
	SB_OPTION_TEXT,     /* const char * into argv; the last one wins */
	SB_OPTION_LIST,     /* sb_words, in the order given */
	SB_OPTION_COUNT,    /* unsigned, 1 to 1,024 */
	SB_OPTION_NUMBER,   /* uint64_t */
	SB_OPTION_SIZE,     /* uint64_t bytes, more than 0 */
	SB_OPTION_DURATION, /* uint64_t ms, more than 0 */
	SB_OPTION_CHOICE,   /* int: index into `choices` */
	SB_OPTION_ABSENT,   /* known, but not in this build: refused by name */
} sb_option_type;

typedef struct sb_option {
	const char *name; /* long name; NULL ends the table */
	char key;         /* short name, or 0 */
	sb_option_type type;
	const char *argument; /* placeholder in help; NULL: takes none */
	size_t offset;        /* of the value in the zeroed target structure */
	const char *help;     /* may wrap; no full stop */
	/* NULL-terminated: all that SB_OPTION_CHOICE takes; of a text, what completion offers */
	const char *const *choices;
} sb_option;

/* Words given one by one; the array is ours, the words belong to argv. */
typedef struct sb_words {
	const char **items;
	size_t count;
} sb_words;

/* A table and the structure that it fills in. */
typedef struct sb_option_set {
	const sb_option *table;
	void *target;
} sb_option_set;

/*
 * Parse argv[1] and on (argv[0] is skipped) into @p sets; the first table that knows a name
 * wins. Stops at the first word that is no option if @p in_order, else options and words may
 * be mixed (argv is reordered). @p out: index of the first word that is left. Fails with
 * `not_configured`, the message naming the option. --help and -h set *help and end parsing.
 */
int sb_options_parse(const sb_option_set *sets, size_t set_count, int argc, char **argv,
	bool in_order, int *out, bool *help, sb_error *error);
/* Frees what lists hold. */
void sb_options_done(const sb_option *table, void *target);

/* The options' part of a help text, within 80 columns. */
void sb_options_help(sb_buf *out, const sb_option *table);
/* @p text in lines of up to 80 columns, each after @p indent blanks; the first continues the
 * line that has @p column columns already. Line breaks in the text stay. */
void sb_help_wrap(sb_buf *out, const char *text, size_t indent, size_t column);

#endif
