/* SPDX-License-Identifier: MIT */
/* The state of one command engine, and what its parts do for each other. */
#ifndef SB_ENGINES_COMMAND_COMMAND_H
#define SB_ENGINES_COMMAND_COMMAND_H

#include <scanbridge/sys/engine.h>

#include <limits.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "engines/command/names.h"
#include "engines/command/place.h"
#include "engines/command/run.h"

typedef enum sb_command_input {
	SB_INPUT_FILE,       /* a copy of our own, by its path */
	SB_INPUT_STDIN,      /* through a pipe */
	SB_INPUT_DESCRIPTOR, /* descriptor 3, by its path in /proc */
} sb_command_input;

typedef enum sb_command_output { SB_OUTPUT_EXIT, SB_OUTPUT_JSON } sb_command_output;
typedef enum sb_command_sandbox {
	SB_SANDBOX_AUTO,
	SB_SANDBOX_BWRAP,
	SB_SANDBOX_NONE
} sb_command_sandbox;

/* What an exit status stands for. Zero is the doubt. */
typedef enum sb_meaning {
	SB_MEANS_NOTHING = 0,
	SB_MEANS_CLEAN,
	SB_MEANS_INFECTED,
	SB_MEANS_SUSPICIOUS,
	SB_MEANS_UNSUPPORTED, /* this content can't be judged */
	SB_MEANS_FAILURE,     /* the scanner can't work now */
} sb_meaning;

enum { SB_EXIT_CODES = 256, SB_COMMAND_WORDS = 256 };

/* A threat's name that says why the content could not be judged rather than what it is. */
typedef struct sb_doubt {
	const char *prefix;
	sb_kind kind;
} sb_doubt;

/* Ready settings for a scanner: what the configuration doesn't say comes from here. */
typedef struct sb_preset {
	const char *argv[12], *version_command[4]; /* NULL-terminated */
	const char *threat_pattern;
	uint64_t max_size;
	bool clam_version;                         /* its version command answers as clamd does */
	int64_t clean[4], infected[4], failure[4]; /* end with -1 */
	sb_doubt doubts[4];                        /* end with NULL */
} sb_preset;

typedef struct sb_command {
	/* settings */
	int preset, input, output, sandbox;
	sb_texts argv, version_command, environment;
	sb_ints clean_exit, infected_exit, suspicious_exit, unsupported_exit, error_exit;
	const char *threat_pattern;
	bool keep_extension, network;
	uint64_t max_output;
	int64_t max_processes;
	/* given by the core */
	const sb_environment *around;
	/* made by open(), and not changed afterwards */
	const sb_preset *base;
	uint8_t meaning[SB_EXIT_CODES]; /* sb_meaning */
	sb_names *names;
	char program[PATH_MAX], version_program[PATH_MAX];
	char bwrap[PATH_MAX]; /* "": none */
	char note[400];       /* why there is none, where there should be one; "": all is well */
	_Atomic(int64_t) def_time;
} sb_command;

/* presets.c: settle what the configuration left open, and refuse what contradicts itself. */
extern const char *const sb_preset_words[];
int sb_command_settle(sb_command *command, sb_error *error);

/* program.c: the file that @p word of an argv means, and whether it may be started. */
int sb_program_find(const char *word, char path[PATH_MAX], sb_error *error);
int sb_program_check(const char *path, struct stat *info, sb_error *error);

/* words.c: arguments and environment of one run; freed as one block by sb_words_free(). */
typedef struct sb_words {
	char *items[SB_COMMAND_WORDS];
	size_t count;
	bool failed;
} sb_words;
typedef struct sb_run_words {
	sb_words argv, environment;
	const char *path; /* what is executed: the program, or bwrap */
} sb_run_words;
int sb_words_make(sb_run_words *out, const sb_command *command, const sb_texts *argv,
	const char *program, const sb_place *place, const char *content, int status_fd,
	sb_error *error);
void sb_words_free(sb_run_words *words);

/* sandbox.c: find bwrap and try it out. */
int sb_sandbox_open(sb_command *command, sb_error *error);

/* command.c: run the program or its version command in its place. @p call may be NULL. */
int sb_command_run(sb_command *command, const sb_texts *argv, const char *program, sb_place *place,
	sb_call *call, uint64_t timeout_ms, sb_run_end *end, sb_error *error);

#endif
