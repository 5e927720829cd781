/* SPDX-License-Identifier: MIT */
/*
 * Compiled rules that are kept in the data directory: `cache/rules-IDENTITY.yarac`. A file is
 *
 *     64   the rule set's identity, in digits: what belongs to it, but is no secret
 *     12   nonce
 *          sealed (AES-256-GCM): what a zygote wrote after it had compiled (worker/rules_keep.h)
 *     16   tag
 *
 * by a key that is derived from the directory's own (cache/key.h). Compiled rules are code, so none
 * are believed but those that we have sealed: whoever can do that can read our key, and change the
 * rules themselves. And they hold what the rules look for, which no other scanner shall find in our
 * data. Doubt means compiling, and so does everything
 * that goes wrong here; nothing of it fails a start. The newest sixteen are kept, up to 512 MiB.
 */
#ifndef SB_WORKER_COMPILED_H
#define SB_WORKER_COMPILED_H

#include <stdbool.h>

#include "util/hash.h"

typedef struct sb_compiled {
	int dir; /* -1: nothing is kept */
	uint8_t key[SB_BLAKE3_SIZE];
} sb_compiled;

/* @p data_dir NULL, or unusable: nothing is kept. */
void sb_compiled_open(sb_compiled *out, const char *data_dir);
void sb_compiled_close(sb_compiled *compiled);

/* A secret that stays the same as long as the key does, 32 digits; false: nothing is kept. */
bool sb_compiled_secret(const sb_compiled *compiled, char out[33]);

/* A memory file for a zygote, the caller's: with what was compiled before, or empty for what it
 * compiles. -1: nothing is kept. */
int sb_compiled_lend(const sb_compiled *compiled, const char *identity);
/* What a zygote has put there, before any content was shown to it. */
void sb_compiled_keep(const sb_compiled *compiled, const char *identity, int fd);

#endif
