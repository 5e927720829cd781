/* SPDX-License-Identifier: MIT */
#include "worker/stages.h"

typedef struct subject {
	YR_MEMORY_BLOCK block;
	const uint8_t *data;
	bool shown;
} subject;

/* libyara goes on without what can't be fetched. */
static const uint8_t *fetch(YR_MEMORY_BLOCK *block)
{
	const subject *s = block->context;

	return s->shown ? s->data : NULL;
}

static YR_MEMORY_BLOCK *first(YR_MEMORY_BLOCK_ITERATOR *iterator)
{
	subject *s = iterator->context;

	return &s->block;
}

static YR_MEMORY_BLOCK *next(YR_MEMORY_BLOCK_ITERATOR *iterator)
{
	(void)iterator;
	return NULL; /* there is one */
}

/* Asked between the stages. */
static uint64_t size_of(YR_MEMORY_BLOCK_ITERATOR *iterator)
{
	subject *s = iterator->context;

	s->shown = true;
	return s->block.size;
}

int sb_stages_scan(YR_SCANNER *scanner, const uint8_t *data, size_t size, bool strings)
{
	subject s = {.block = {.size = size, .fetch_data = fetch, .context = &s},
		.data = data,
		.shown = strings};
	YR_MEMORY_BLOCK_ITERATOR iterator = {
		.context = &s, .first = first, .next = next, .file_size = size_of};

	/* A scanner finds the entry point of its first program, and keeps it for all others. */
	scanner->entry_point = YR_UNDEFINED;
	return yr_scanner_scan_mem_blocks(scanner, &iterator);
}
