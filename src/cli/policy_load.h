/* SPDX-License-Identifier: MIT */
/* The policy that a command is about: a preset, a file, or the configuration's. */
#ifndef SB_CLI_POLICY_LOAD_H
#define SB_CLI_POLICY_LOAD_H

#include "cli/commands.h"
#include "config/config.h"
#include "config/policy_file.h"

typedef struct sb_loaded_policy {
	const sb_policy *policy;
	const char *name; /* for people */
	sb_assurance min_assurance;
	sb_policy_file *file;
	sb_conf *conf; /* NULL: none could be read, and none was needed */
} sb_loaded_policy;

/* @p wanted: preset or file; NULL: the configuration's. False: told why. */
bool sb_cli_policy(sb_loaded_policy *out, const sb_globals *globals, const char *wanted);
void sb_cli_policy_done(sb_loaded_policy *loaded);

#endif
