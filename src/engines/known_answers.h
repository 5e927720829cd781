/* SPDX-License-Identifier: MIT */
/*
 * Known answers that no protocol gives: does this engine say so when it stops at a limit, when it
 * can't look into something, does it take mail apart, and does it look at content as large as we
 * send? Asked with archives and mail that are made here, each with fresh random bytes inside, for
 * engines answer what they have seen clean before from a cache.
 */
#ifndef SB_ENGINES_KNOWN_ANSWERS_H
#define SB_ENGINES_KNOWN_ANSWERS_H

#include <scanbridge/sys/engine.h>

/* What to change at the engine where an answer is not the one to be had. */
typedef struct sb_remedies {
	const char *limits, *member_size, *encrypted, *mail, *max_size;
} sb_remedies;

int sb_known_answers(sb_check *check, const sb_remedies *remedies, sb_error *error);

#endif
