/* SPDX-License-Identifier: MIT */
/* A bump allocator over a list of malloc()ed blocks; see arena.h. */
#include "util/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BLOCK = 4096 - 32 };

struct sb_arena_block {
	struct sb_arena_block *older;
	alignas(max_align_t) char data[];
};

void sb_arena_init(sb_arena *arena, size_t max)
{
	*arena = (sb_arena){.max = max};
}

void sb_arena_done(sb_arena *arena)
{
	struct sb_arena_block *block = arena->blocks;

	while (block != NULL) {
		struct sb_arena_block *older = block->older;
		free(block);
		block = older;
	}
	arena->blocks = NULL;
	arena->next = arena->end = NULL;
	arena->used = 0;
}

static int grow(sb_arena *arena, size_t size)
{
	/* Each block doubles what there is, so many small pieces cost few blocks. */
	size_t want = arena->used < FIRST_BLOCK ? FIRST_BLOCK : arena->used;
	struct sb_arena_block *block;

	if (want < size)
		want = size;
	if (want > arena->max - arena->used)
		want = arena->max - arena->used;
	if (want < size || want > SIZE_MAX - sizeof *block)
		return -1;
	block = malloc(sizeof *block + want);
	if (block == NULL)
		return -1;
	block->older = arena->blocks;
	arena->blocks = block;
	arena->next = block->data;
	arena->end = block->data + want;
	arena->used += want;
	return 0;
}

void *sb_arena_alloc(sb_arena *arena, size_t size)
{
	const size_t align = alignof(max_align_t);
	void *memory;

	if (size > SIZE_MAX - align)
		return NULL;
	/* NULL always means that there is none: nothing, too, has an address of its own. */
	size = size > 0 ? (size + align - 1) & ~(align - 1) : align;
	if (size > (size_t)(arena->end - arena->next) && grow(arena, size) < 0)
		return NULL;
	memory = arena->next;
	arena->next += size;
	return memory;
}

void *sb_arena_zalloc(sb_arena *arena, size_t size)
{
	void *memory = sb_arena_alloc(arena, size);
	if (memory != NULL)
		memset(memory, 0, size);
	return memory;
}

char *sb_arena_copy(sb_arena *arena, const void *data, size_t size)
{
	char *copy = size < SIZE_MAX ? sb_arena_alloc(arena, size + 1) : NULL;

	if (copy != NULL) {
		if (data != NULL && size > 0)
			memcpy(copy, data, size);
		copy[data != NULL ? size : 0] = '\0';
	}
	return copy;
}

char *sb_arena_text(sb_arena *arena, const char *text)
{
	return sb_arena_copy(arena, text, text != NULL ? strlen(text) : 0);
}
