/* SPDX-License-Identifier: MIT */
/* The rows of the `quarantine` commands, in the files that are named after what they do. */
#ifndef SB_CLI_QUARANTINE_COMMANDS_H
#define SB_CLI_QUARANTINE_COMMANDS_H

#include "cli/commands.h"

extern const sb_option sb_quarantine_list_options[], sb_quarantine_show_options[];
extern const sb_option sb_quarantine_get_options[], sb_quarantine_restore_options[];
extern const sb_option sb_quarantine_change_options[], sb_quarantine_hold_options[];
extern const sb_option sb_quarantine_verify_options[];
int sb_cmd_quarantine_list(const sb_globals *, const void *, char **, size_t);
int sb_cmd_quarantine_show(const sb_globals *, const void *, char **, size_t);
int sb_cmd_quarantine_get(const sb_globals *, const void *, char **, size_t);
int sb_cmd_quarantine_restore(const sb_globals *, const void *, char **, size_t);
int sb_cmd_quarantine_release(const sb_globals *, const void *, char **, size_t);
int sb_cmd_quarantine_reject(const sb_globals *, const void *, char **, size_t);
int sb_cmd_quarantine_hold(const sb_globals *, const void *, char **, size_t);
int sb_cmd_quarantine_delete(const sb_globals *, const void *, char **, size_t);
int sb_cmd_quarantine_verify(const sb_globals *, const void *, char **, size_t);
int sb_cmd_quarantine_purge(const sb_globals *, const void *, char **, size_t);
int sb_cmd_quarantine_rebuild(const sb_globals *, const void *, char **, size_t);
int sb_cmd_quarantine_rekey(const sb_globals *, const void *, char **, size_t);

#endif
