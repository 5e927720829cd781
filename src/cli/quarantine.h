/* SPDX-License-Identifier: MIT */
/* What the `quarantine` commands share: the store, and what it says to people. */
#ifndef SB_CLI_QUARANTINE_H
#define SB_CLI_QUARANTINE_H

#include "cli/commands.h"
#include "quarantine/quarantine.h"

typedef struct sb_quarantine_settings {
	int json, all, off, force;
	int state;
	uint64_t limit, offset;
	const char *tenant, *hash, *after, *before, *cursor, *output, *to, *name, *reason;
} sb_quarantine_settings;

/* The quarantine of the configuration, to be closed; NULL: the reason was printed. */
sb_quarantine *sb_cli_quarantine(const sb_globals *globals);

/* Print an operation's error with the id; the exit status: 1 where it was refused, or is not
 * there, 2 where it could not be done. */
int sb_quarantine_told(sb_quarantine_status status, const char *id, const sb_error *error);
/* Malformed ids are told, all at once. */
bool sb_quarantine_ids_ok(char *const *ids, size_t count);

#endif
