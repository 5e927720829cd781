/* SPDX-License-Identifier: MIT */
/*
 * Ready settings, and what a complete configuration is: which exit status means what, without
 * contradiction, and where the scanner finds the content. A new preset is a row here and a row in
 * docs/command-engine.md.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engines/command/command.h"
#include "util/error.h"

/* ClamAV's way to say that it could not look: then the content was not judged. */
#define CLAM_DOUBTS                                                                                \
	{                                                                                          \
		{"Heuristics.Limits.", SB_KIND_LIMIT_EXCEEDED},                                    \
			{"Heuristics.Encrypted.", SB_KIND_ENCRYPTED},                              \
			{"Heuristics.Broken.", SB_KIND_CORRUPT},                                   \
	}
#define CLAM_NAMES "^.*?: (\\S+) FOUND$"

const char *const sb_preset_words[] = {"none", "clamscan", "clamdscan", NULL};
static const sb_preset presets[] = {
	{.clean = {0, -1}, .infected = {1, -1}, .failure = {-1}},
	/* Limits as ClamAV 1.4 has them, written down: beyond them it would call content clean. */
	{.argv = {"clamscan", "--no-summary", "--stdout", "--alert-exceeds-max=yes",
		 "--alert-encrypted=yes", "--max-filesize=100M", "--max-scansize=400M",
		 "--tempdir={work}", "{}"},
		.version_command = {"clamscan", "--version"},
		.threat_pattern = CLAM_NAMES,
		.max_size = 100u << 20,
		.clam_version = true,
		.clean = {0, -1},
		.infected = {1, -1},
		.failure = {2, -1},
		.doubts = CLAM_DOUBTS},
	/* The limits are those of clamd.conf. */
	{.argv = {"clamdscan", "--no-summary", "--stdout", "--fdpass", "{}"},
		.version_command = {"clamdscan", "--version"},
		.threat_pattern = CLAM_NAMES,
		.max_size = 25u << 20,
		.clam_version = true,
		.clean = {0, -1},
		.infected = {1, -1},
		.failure = {2, -1},
		.doubts = CLAM_DOUBTS},
};

/* --- Exit statuses -------------------------------------------------------------------------------
 */

typedef struct table {
	const char *key;
	sb_meaning meaning;
	const sb_ints *given;
	const int64_t *preset; /* ends with -1; NULL: none */
} table;

static int add_status(sb_command *command, const table *t, int64_t number, sb_error *error)
{
	uint8_t *meaning = &command->meaning[number];

	/* A shell says 128 + N of what died of signal N, and so does the sandbox. */
	if (number > 127 && t->meaning <= SB_MEANS_SUSPICIOUS)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"%s: %d: statuses above 127 stand for a death by a signal; 0 to 127 are "
			"possible",
			t->key, (int)number);
	if (*meaning != SB_MEANS_NOTHING && *meaning != t->meaning)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"%s: status %d has another meaning already", t->key, (int)number);
	*meaning = (uint8_t)t->meaning;
	return 0;
}

static int add_table(sb_command *command, const table *t, sb_error *error)
{
	int status = 0;

	for (size_t i = 0; status == 0 && i < t->given->count; i++)
		status = add_status(command, t, t->given->items[i], error);
	if (t->given->count > 0 || t->preset == NULL)
		return status;
	/* What the configuration says of a status comes before what the preset says. */
	for (const int64_t *n = t->preset; *n >= 0; n++)
		if (command->meaning[*n] == SB_MEANS_NOTHING)
			command->meaning[*n] = (uint8_t)t->meaning;
	return status;
}

/* Given ones first, then those that the preset has. */
static int settle_statuses(sb_command *c, sb_error *error)
{
	const table tables[] = {
		{"clean_exit", SB_MEANS_CLEAN, &c->clean_exit, c->base->clean},
		{"infected_exit", SB_MEANS_INFECTED, &c->infected_exit, c->base->infected},
		{"suspicious_exit", SB_MEANS_SUSPICIOUS, &c->suspicious_exit, NULL},
		{"unsupported_exit", SB_MEANS_UNSUPPORTED, &c->unsupported_exit, NULL},
		{"error_exit", SB_MEANS_FAILURE, &c->error_exit, c->base->failure},
	};
	const size_t count = sizeof tables / sizeof *tables;
	int status = 0;

	for (size_t pass = 0; pass < 2; pass++)
		for (size_t i = 0; status == 0 && i < count; i++)
			if ((tables[i].given->count > 0) == (pass == 0))
				status = add_table(c, &tables[i], error);
	return status;
}

/* --- The rest ------------------------------------------------------------------------------------
 */

static void take_words(sb_texts *texts, const char *const *words)
{
	if (texts->count > 0)
		return;
	texts->items = words;
	while (words[texts->count] != NULL)
		texts->count++;
}

static bool names_content(const sb_texts *argv)
{
	for (size_t i = 1; i < argv->count; i++)
		if (strstr(argv->items[i], "{}") != NULL ||
			strstr(argv->items[i], "{path}") != NULL)
			return true;
	return false;
}

static int check_input(const sb_command *command, sb_error *error)
{
	const bool named = names_content(&command->argv), json = command->output == SB_OUTPUT_JSON;

	if (command->argv.count > SB_COMMAND_WORDS / 2 ||
		command->version_command.count > SB_COMMAND_WORDS / 2)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"argv: up to %d words are possible", SB_COMMAND_WORDS / 2);
	if (command->input == SB_INPUT_STDIN && json)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"input: stdin doesn't go with output: json, which needs standard input for "
			"the request");
	if (command->input == SB_INPUT_STDIN && named)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"argv: with input: stdin there is no path to put in place of {}");
	if (command->input != SB_INPUT_STDIN && !named && !json)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"argv: one argument must hold {}, which becomes the path of the content");
	return 0;
}

static int check_environment(const sb_command *command, sb_error *error)
{
	for (size_t i = 0; i < command->environment.count; i++) {
		const char *item = command->environment.items[i];
		size_t length = strcspn(item, "=");

		if (length == 0 || length > 255 || command->environment.count > 64)
			return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
				"environment: up to 64 times NAME or NAME=VALUE");
	}
	return 0;
}

int sb_command_settle(sb_command *command, sb_error *error)
{
	int status;

	command->base = &presets[command->preset];
	take_words(&command->argv, command->base->argv);
	take_words(&command->version_command, command->base->version_command);
	if (command->threat_pattern == NULL)
		command->threat_pattern = command->base->threat_pattern;
	if (command->argv.count == 0)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"argv: the program and its arguments are needed, or a preset");
	status = settle_statuses(command, error);
	if (status == 0)
		status = check_input(command, error);
	return status == 0 ? check_environment(command, error) : status;
}
