/* SPDX-License-Identifier: MIT */
/* `config check`, `config show`, `config init`: each returns the program's exit status. */
#ifndef SB_CLI_CONFIG_FILES_H
#define SB_CLI_CONFIG_FILES_H

#include <stdio.h>

/* @p path: the file, `-` for standard input, NULL: where sb_config_find() looks. */
int sb_config_cmd_check(const char *path, FILE *out, FILE *err);
int sb_config_cmd_show(const char *path, FILE *out, FILE *err);
/* @p target: a file that must not exist yet; NULL: standard output. */
int sb_config_cmd_init(const char *target, FILE *out, FILE *err);

#endif
