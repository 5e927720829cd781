/* SPDX-License-Identifier: MIT */
/* The new tables begin with whole rows of slots, for completed states; libyara's follow them. */
#include "worker/automaton.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CODES = 256, ROW = 1 + CODES, CODE_MASK = (1 << YR_AC_SLOT_OFFSET_BITS) - 1 };

typedef struct completion {
	sb_automaton *out;
	const sb_trie *trie;
	uint32_t base;    /* where libyara's table stands in the new one */
	uint32_t *row_of; /* of each state of the trie; 0: none, or the root */
	uint32_t *rows;   /* which state a row stands for */
	uint32_t used, most;
} completion;

/* The new number of a state. */
static uint32_t placed(const completion *c, uint32_t state)
{
	if (state == YR_AC_ROOT_STATE)
		return YR_AC_ROOT_STATE;
	return c->row_of[state] > 0 ? c->row_of[state] * ROW : c->base + state;
}

static void give_row(completion *c, uint32_t state)
{
	if (c->row_of[state] > 0 || c->used == c->most)
		return;
	c->row_of[state] = c->used;
	c->rows[c->used++] = state;
}

/* What no child goes on with is what the state behind the failure link does. That one is nearer
 * the root, so its row is complete. */
static bool begin_row(const completion *c, uint32_t row)
{
	YR_AC_TRANSITION *slots = c->out->transitions;
	uint32_t failure = placed(c, YR_AC_NEXT_STATE(c->trie->transitions[c->rows[row]]));

	if (row > 0 && failure >= row * ROW)
		return false;
	for (uint32_t code = 1; row == 0 && code <= CODES; code++)
		slots[code] = YR_AC_MAKE_TRANSITION(YR_AC_ROOT_STATE, code);
	if (row > 0)
		memcpy(slots + row * ROW + 1, slots + failure + 1, CODES * sizeof *slots);
	return true;
}

static bool complete_row(completion *c, uint32_t row)
{
	YR_AC_TRANSITION *slots = c->out->transitions + row * ROW;
	uint32_t state = c->rows[row];

	if (!begin_row(c, row))
		return false;
	for (uint32_t byte = 0; byte < CODES; byte++) {
		uint32_t child = sb_trie_child(c->trie, state, (uint8_t)byte);

		if (child == YR_AC_ROOT_STATE)
			continue;
		give_row(c, child);
		slots[byte + 1] = YR_AC_MAKE_TRANSITION(placed(c, child), byte + 1);
	}
	c->out->matches[row * ROW] = c->trie->matches[state];
	return true;
}

/* The states without a row: their slots as they are, led to where the others stand now. */
static void copy_rest(const completion *c)
{
	for (uint32_t i = 0; i < c->trie->slots; i++) {
		YR_AC_TRANSITION slot = c->trie->transitions[i];

		c->out->transitions[c->base + i] =
			YR_AC_MAKE_TRANSITION(placed(c, YR_AC_NEXT_STATE(slot)), slot & CODE_MASK);
		c->out->matches[c->base + i] = c->trie->matches[i];
	}
}

static bool exchange(completion *c)
{
	bool good = true;

	for (uint32_t row = 0; good && row < c->used; row++)
		good = complete_row(c, row);
	if (good) {
		copy_rest(c);
		c->out->rules->ac_transition_table = c->out->transitions;
		c->out->rules->ac_match_table = c->out->matches;
	}
	return good;
}

/* Zeros for both tables, of which any place may come next: many pages would be as many misses of
 * the processor's table of pages. */
static uint32_t *both_tables(size_t slots)
{
	const size_t huge = 2 << 20, size = (slots * 2 * sizeof(uint32_t) + huge - 1) & ~(huge - 1);
	uint32_t *tables = aligned_alloc(huge, size);

	if (tables == NULL)
		return NULL;
	(void)madvise(tables, size, MADV_HUGEPAGE);
	return memset(tables, 0, size);
}

static bool make_room(completion *c)
{
	/* A state's last slots may lie behind the end of the table. */
	size_t total = (size_t)c->base + c->trie->slots + ROW;

	if (total > YR_AC_MAX_TRANSITION_TABLE_SIZE)
		return false;
	c->out->transitions = both_tables(total);
	c->row_of = calloc(c->trie->slots, sizeof *c->row_of);
	c->rows = calloc(c->most, sizeof *c->rows);
	if (c->out->transitions == NULL || c->row_of == NULL || c->rows == NULL)
		return false;
	c->out->matches = c->out->transitions + total;
	return true;
}

bool sb_automaton_complete(sb_automaton *out, YR_RULES *rules, const sb_trie *trie, uint32_t most)
{
	completion c = {.out = out, .trie = trie, .most = most, .used = 1, .base = most * ROW};
	bool good;

	*out = (sb_automaton){.rules = rules,
		.own_transitions = rules->ac_transition_table,
		.own_matches = rules->ac_match_table};
	if (most == 0 || most > YR_AC_MAX_TRANSITION_TABLE_SIZE / ROW)
		return false;
	good = make_room(&c) && exchange(&c);
	free(c.row_of);
	free(c.rows);
	if (!good)
		sb_automaton_undo(out);
	return good;
}

void sb_automaton_undo(sb_automaton *automaton)
{
	if (automaton->rules != NULL) {
		automaton->rules->ac_transition_table = automaton->own_transitions;
		automaton->rules->ac_match_table = automaton->own_matches;
	}
	free(automaton->transitions); /* and matches */
	*automaton = (sb_automaton){.rules = NULL};
}
