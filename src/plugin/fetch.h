/* SPDX-License-Identifier: MIT */
/*
 * A plugin's file, checked and copied. Whoever can write to it, or to a folder on the way to it,
 * could run code as us, so all of them must belong to root or to our own user and be writable by
 * nobody else. What was checked is what is loaded: the way is walked by descriptors, link by link,
 * and the file is copied through the very descriptor that was looked at into sealed memory, which
 * nobody can change or swap. The libraries that it needs come from the system's own folders, or it
 * is refused (elf_needs.h).
 */
#ifndef SB_PLUGIN_FETCH_H
#define SB_PLUGIN_FETCH_H

#include <stdint.h>
#include <sys/types.h>

#include "util/error.h"
#include "util/hash.h"

enum { SB_PLUGIN_BYTES = 256 << 20 };

typedef struct sb_plugin_copy {
	int fd; /* sealed memory */
	uint8_t digest[SB_BLAKE3_SIZE];
} sb_plugin_copy;

/* not_configured for what is not as it must be: the message names file or folder, owner and mode,
 * and what to do. @p user: our own; tests say another. */
int sb_plugin_fetch(sb_plugin_copy *out, const char *path, uid_t user, sb_error *error);

#endif
