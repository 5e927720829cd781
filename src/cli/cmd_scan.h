/* SPDX-License-Identifier: MIT */
/* What `scan` and `watch` have in common: from their options to all that a run needs. */
#ifndef SB_CLI_CMD_SCAN_H
#define SB_CLI_CMD_SCAN_H

#include "cli/commands.h"
#include "cli/scan_run.h"
#include "cli/settings.h"

typedef struct sb_scan_session {
	const sb_scan_settings *settings;
	sb_config *config;
	sb_scan_options *options;
	sb_cancel *cancel;
	sb_manager *manager;
} sb_scan_session;

/* 0, or -1: the reason was printed. To be closed either way. @p name: the command. */
int sb_scan_open(sb_scan_session *session, const sb_globals *globals, const char *name,
	const sb_scan_settings *settings);
void sb_scan_close(sb_scan_session *session);
/* The configuration read anew, and what the command line says beside it; 0 or -kind, and then all
 * stays as it was. On record either way. */
int sb_scan_reconfigure(const sb_scan_session *session, const sb_globals *globals, sb_error *error);

sb_output_options sb_scan_output_options(const sb_scan_settings *settings);
/* All but the output and where files come from. */
sb_scan_run sb_scan_plan(const sb_scan_session *session);

#endif
