/* SPDX-License-Identifier: MIT */
/* What is left out of a tree, whoever goes through it: `scan` once, `watch` for good. */
#ifndef SB_CLI_WALK_RULES_H
#define SB_CLI_WALK_RULES_H

#include "cli/walk.h"

/* By a pattern of the user's, for the name or, if it has a slash, for the path. */
bool sb_walk_excluded(const sb_walk_options *options, const char *path, const char *name);
/* proc, sysfs and their kind: their files are made by the kernel as they are read. */
bool sb_on_kernel_file_system(int fd);

#endif
