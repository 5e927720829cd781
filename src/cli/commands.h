/* SPDX-License-Identifier: MIT */
/*
 * One table of commands: dispatch, help, suggestions, and whatever else has to know what the
 * program can do, come from it. A command parses nothing: it is handed its options filled in
 * and the words that are left.
 */
#ifndef SB_CLI_COMMANDS_H
#define SB_CLI_COMMANDS_H

#include <stdio.h>

#include <scanbridge/config.h>

#include "cli/options.h"

/* Exit statuses that every command shares. */
enum { SB_EXIT_OK = 0, SB_EXIT_FOUND = 1, SB_EXIT_FAILED = 2, SB_EXIT_INTERRUPTED = 130 };

/* What stands before the command. */
typedef struct sb_globals {
	const char *config, *data_dir;
	int log_level;  /* sb_log_level */
	int log_format; /* 0 text, 1 json */
	int version;
} sb_globals;

extern const sb_option sb_global_options[];

typedef struct sb_command {
	const char *name;     /* `scan`, or two words: `audit verify` */
	const char *synopsis; /* what follows the name; several lines if there are several forms */
	const char *summary;  /* one line */
	const char *description;            /* paragraphs; NULL: the summary says it all */
	const sb_option *options;           /* or NULL */
	size_t options_size;                /* of the structure they fill in */
	unsigned min_words, max_words;      /* words after the options */
	const char *examples, *exit_status; /* ready lines; NULL: the usual statuses */
	const char *const *words;           /* what the word can be, where that is known */
	bool hidden;                        /* from help and completion */
	int (*run)(const sb_globals *globals, const void *options, char **words, size_t count);
} sb_command;

/* Ends with a row without a name. */
extern const sb_command sb_commands[];

/* Parse the rest of the command line, argv[0] being the command, and run it; the exit status. */
int sb_command_dispatch(sb_globals *globals, int argc, char **argv);

void sb_help_program(FILE *out);
void sb_usage_short(FILE *out);

/* The configuration that --config and --data-dir ask for, to be freed; NULL: the reason was
 * printed. */
sb_config *sb_cli_config(const sb_globals *globals);
/* The same, and nothing is printed. */
sb_config *sb_cli_load(const sb_globals *globals, sb_error *error);

/* One row each, in the files named after them. */
extern const sb_option sb_scan_cli_options[];
int sb_cmd_scan(const sb_globals *, const void *, char **, size_t);
/* Some of its rows are scan's: to be called before anything looks at the table. */
void sb_watch_options_fill(void);
extern sb_option sb_watch_cli_options[];
int sb_cmd_watch(const sb_globals *, const void *, char **, size_t);
extern const sb_option sb_engines_options[];
int sb_cmd_engines(const sb_globals *, const void *, char **, size_t);
extern const sb_option sb_audit_verify_options[], sb_audit_show_options[];
int sb_cmd_audit_verify(const sb_globals *, const void *, char **, size_t);
int sb_cmd_audit_show(const sb_globals *, const void *, char **, size_t);
extern const sb_option sb_audit_export_options[];
int sb_cmd_audit_export(const sb_globals *, const void *, char **, size_t);
int sb_cmd_config_check(const sb_globals *, const void *, char **, size_t);
int sb_cmd_config_show(const sb_globals *, const void *, char **, size_t);
int sb_cmd_config_init(const sb_globals *, const void *, char **, size_t);
/* Of a command whose row says nothing about it. */
extern const char sb_usual_exit_status[];
int sb_cmd_manual(const sb_globals *, const void *, char **, size_t);
extern const char *const sb_completion_shells[];
int sb_cmd_completion(const sb_globals *, const void *, char **, size_t);
extern const sb_option sb_policy_check_options[], sb_policy_explain_options[],
	sb_policy_replay_options[];
int sb_cmd_policy_check(const sb_globals *, const void *, char **, size_t);
int sb_cmd_policy_explain(const sb_globals *, const void *, char **, size_t);
int sb_cmd_policy_replay(const sb_globals *, const void *, char **, size_t);
extern const sb_option sb_cache_cli_options[];
int sb_cmd_cache_stats(const sb_globals *, const void *, char **, size_t);
int sb_cmd_cache_lookup(const sb_globals *, const void *, char **, size_t);
int sb_cmd_cache_forget(const sb_globals *, const void *, char **, size_t);
int sb_cmd_cache_clear(const sb_globals *, const void *, char **, size_t);
extern const sb_option sb_setup_options[];
int sb_cmd_setup_clamav(const sb_globals *, const void *, char **, size_t);
extern const sb_option sb_rules_list_options[], sb_rules_import_options[],
	sb_rules_rollback_options[], sb_rules_build_options[], sb_rules_keygen_options[];
int sb_cmd_rules_list(const sb_globals *, const void *, char **, size_t);
int sb_cmd_rules_import(const sb_globals *, const void *, char **, size_t);
int sb_cmd_rules_rollback(const sb_globals *, const void *, char **, size_t);
int sb_cmd_rules_build(const sb_globals *, const void *, char **, size_t);
int sb_cmd_rules_keygen(const sb_globals *, const void *, char **, size_t);
extern const sb_option sb_hash_options[];
int sb_cmd_hash(const sb_globals *, const void *, char **, size_t);

#endif
