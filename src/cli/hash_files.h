/* SPDX-License-Identifier: MIT */
/*
 * `scanbridge hash`: digests of files, in the format of b3sum and sha256sum.
 *
 *   neither given     <BLAKE3>  <path>
 *   sha256 or md5     <that digest>  <path>, as sha256sum or md5sum print it
 *   both              sha256:<digest>  <path> and then md5:<digest>  <path>
 *
 * A name with a backslash or a newline has them escaped, and the line begins with a
 * backslash. `-` is standard input. What can't be read is told on standard error as
 * `scanbridge: <path>: <reason>`, the others go on.
 */
#ifndef SB_CLI_HASH_FILES_H
#define SB_CLI_HASH_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* @p threads: 0 for one per processor. The exit status: 0; 1 when a file could not be read;
 * 2 when there is no memory or a line could not be written. */
int sb_hash_files(
	char *const *paths, size_t count, bool sha256, bool md5, unsigned threads, FILE *out);

#endif
