/* SPDX-License-Identifier: MIT */
/*
 * Content that nobody may flag: what the program makes itself (texts, pages, sources, pictures, a
 * document, an archive, noise), and files that the configuration names under
 * `rules.benign`. New rules are shown to all of it before they judge anything.
 */
#ifndef SB_SCAN_BENIGN_H
#define SB_SCAN_BENIGN_H

#include <stddef.h>

#include "util/error.h"

enum {
	SB_BENIGN_FILES = 10000,           /* below what the configuration names */
	SB_BENIGN_FILE = 64 * 1024 * 1024, /* larger ones are left out */
	SB_BENIGN_DEPTH = 32,              /* folders in folders */
};

/* 0: go on; -kind: end with it, and the error is set. */
typedef int (*sb_benign_fn)(
	void *data, const char *name, const void *bytes, size_t length, sb_error *error);

int sb_benign_made(sb_benign_fn fn, void *data, sb_error *error);
/* A file, or all below a folder, links left out. Fails also where something can't be read, or is
 * more than may be. */
int sb_benign_below(const char *path, sb_benign_fn fn, void *data, sb_error *error);

#endif
