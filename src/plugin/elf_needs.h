/* SPDX-License-Identifier: MIT */
/*
 * Where a shared object wants its libraries from. What the system's loader finds in its own folders
 * only root can have put there. A run path (DT_RPATH, DT_RUNPATH, $ORIGIN or not), or a library
 * that is named with a path, leads elsewhere: to files that nobody has looked at, which would run
 * with the plugin's rights all the same. Such a plugin is refused.
 */
#ifndef SB_PLUGIN_ELF_NEEDS_H
#define SB_PLUGIN_ELF_NEEDS_H

#include <stdbool.h>
#include <stddef.h>

enum { SB_ELF_SEGMENTS = 256, SB_ELF_TAGS = 4096, SB_ELF_NAME = 4095 };

/* @p data: a whole file that sb_elf_check() found to be for this machine. False with @p why, one
 * line that can be printed: it leads elsewhere, or its tables are not what the loader would read.
 * Without a dynamic section it leads nowhere. */
bool sb_elf_needs_check(const void *data, size_t length, char *why, size_t room);

#endif
