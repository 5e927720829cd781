/* SPDX-License-Identifier: MIT */
/*
 * Memory of one scan: allocated piece by piece, released in one go. Blocks grow from
 * 4 KiB; an arena has a ceiling, and past it, or out of memory, allocation gives NULL.
 * Threads: one at a time; no lock.
 */
#ifndef SB_UTIL_ARENA_H
#define SB_UTIL_ARENA_H

#include <stddef.h>

typedef struct sb_arena {
	struct sb_arena_block *blocks; /* newest first */
	char *next, *end;              /* free space of the newest block */
	size_t used, max;
} sb_arena;

void sb_arena_init(sb_arena *arena, size_t max);
void sb_arena_done(sb_arena *arena);
/* Aligned for any type, not zeroed. */
void *sb_arena_alloc(sb_arena *arena, size_t size);
void *sb_arena_zalloc(sb_arena *arena, size_t size);
/* A copy with a NUL behind it; NULL data gives an empty text. */
char *sb_arena_copy(sb_arena *arena, const void *data, size_t size);
char *sb_arena_text(sb_arena *arena, const char *text);

#endif
