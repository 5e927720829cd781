/* SPDX-License-Identifier: MIT */
/*
 * One content before a scanner of libyara that is kept for many.
 *
 * libyara reads content in two stages, and asks for its size in between: all of it, for strings;
 * then what conditions ask for. The first stage, which is nearly all of the work, can be left out
 * for content of which it is known that it matches no string (worker/atoms.h).
 */
#ifndef SB_WORKER_STAGES_H
#define SB_WORKER_STAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yara.h>

/* What yr_scanner_scan_mem() does with a new scanner, and its result. Without @p strings, the
 * condition `entrypoint` is undefined. */
int sb_stages_scan(YR_SCANNER *scanner, const uint8_t *data, size_t size, bool strings);

#endif
