/* SPDX-License-Identifier: MIT */
/* What the `quarantine` commands share: the store, opened with its audit log. */
#ifndef SB_CLI_QUARANTINE_H
#define SB_CLI_QUARANTINE_H

#include "cli/commands.h"
#include "config/config.h"
#include "scan/store.h"

typedef struct sb_quarantine_settings {
	int json, all, off, force;
	int state;
	uint64_t limit, offset;
	const char *tenant, *hash, *after, *before, *cursor, *output, *to, *name, *reason;
} sb_quarantine_settings;

typedef struct sb_quarantine_session {
	sb_conf *conf;
	sb_audit *audit;
	sb_store *store;
	sb_quarantine *quarantine; /* NULL: nothing was ever stored */
} sb_quarantine_session;

/* 0, or the reason was printed; to be closed either way. */
int sb_quarantine_session_open(sb_quarantine_session *session, const sb_globals *globals);
void sb_quarantine_session_close(sb_quarantine_session *session);

/* Print an operation's error with the id; the exit status: 1 where it was refused, or is not
 * there, 2 where it could not be done. */
int sb_quarantine_told(sb_quarantine_status status, const char *id, const sb_error *error);
/* No object has this id. */
int sb_quarantine_unknown(const char *id);
/* Malformed ids are told, all at once. */
bool sb_quarantine_ids_ok(char *const *ids, size_t count);

#endif
