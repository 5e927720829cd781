/* SPDX-License-Identifier: MIT */
/* With the inside of libyara 4.2 (yara/scan.h, yara/exefiles.h), which its archive has. */
#include "worker/search.h"

#include <yara/exefiles.h>
#include <yara/scan.h>

const bool sb_search_is_quick = true;

void sb_search_of(sb_search *out, YR_RULES *rules)
{
	sb_trie trie;

	if (sb_trie_of(&trie, rules))
		sb_atoms_of(&out->atoms, &trie);
}

/* --- Strings ---------------------------------------------------------------------------------- */

typedef struct subject {
	const sb_search *search;
	YR_SCANNER *scanner;
	YR_MEMORY_BLOCK block;
	YR_MEMORY_BLOCK_ITERATOR iterator;
	const uint8_t *data;
	bool searched;
} subject;

/* As libyara's loop goes on where its automaton comes to a match. */
static int compare(void *data, uint32_t matches, size_t end)
{
	const subject *s = data;
	YR_AC_MATCH *match = &s->scanner->rules->ac_match_pool[matches - 1];
	int status = ERROR_SUCCESS;

	for (; match != NULL && status == ERROR_SUCCESS; match = match->next)
		if (match->backtrack <= end)
			status = yr_scan_verify_match(s->scanner, match, s->data, s->block.size, 0,
				end - match->backtrack);
	return status;
}

/* --- libyara's two stages ----------------------------------------------------------------------
 */

/* It is asked for content in order to look for strings, and skips what it does not get; later for
 * conditions. */
static const uint8_t *fetch(YR_MEMORY_BLOCK *block)
{
	subject *s = block->context;

	if (s->searched || !s->search->atoms.usable)
		return s->data;
	s->searched = true;
	s->scanner->entry_point = yr_get_entry_point_offset(s->data, block->size);
	s->iterator.last_error = sb_atoms_find(&s->search->atoms, s->data, block->size, compare, s);
	return NULL;
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

static uint64_t size_of(YR_MEMORY_BLOCK_ITERATOR *iterator)
{
	const subject *s = iterator->context;

	return s->block.size;
}

int sb_search_scan(const sb_search *search, YR_SCANNER *scanner, const uint8_t *data, size_t size)
{
	subject s = {.search = search,
		.scanner = scanner,
		.block = {.size = size, .fetch_data = fetch, .context = &s},
		.iterator = {.context = &s, .first = first, .next = next, .file_size = size_of},
		.data = data};

	/* A scanner finds the entry point of its first program, and keeps it for all others. */
	scanner->entry_point = YR_UNDEFINED;
	return yr_scanner_scan_mem_blocks(scanner, &s.iterator);
}
