/* SPDX-License-Identifier: MIT */
/* Opening a manager for a command, with what a person needs to know about it. */
#ifndef SB_CLI_OPEN_H
#define SB_CLI_OPEN_H

#include <scanbridge/manager.h>

#include "config/config.h"

/* NULL: the reason and its remedy were printed. Tells of a recovered audit log. */
sb_manager *sb_cli_open(const sb_config *config);
/* The checked configuration, for commands that need no manager; NULL: the reason was printed. */
sb_conf *sb_cli_conf(const sb_config *config);
/* @p path as an absolute one, to be freed; NULL when there is no such file. */
char *sb_cli_absolute(const char *path);
/* @p status, unless standard output could not take all of it: then 2, and the reason is told. */
int sb_cli_flushed(int status);
/* Print and free @p text; the exit status. */
int sb_cli_print(sb_buf *text);
/* A new file, or none at all: what is there stays. The exit status. */
int sb_cli_write_new(const char *path, const sb_buf *text);
/* `COMMAND: no WHAT is called 'WORD'`, with a suggestion; the exit status. */
int sb_cli_unknown_word(
	const char *command, const char *what, const char *word, const char *const *known);

#endif
