/* SPDX-License-Identifier: MIT */
#include "worker/automaton.h"

#include <stdlib.h>
#include <string.h>
#include <yara/ahocorasick.h>

/*
 * A state's number is where its slots begin: one for the failure link, then one for each byte. A
 * slot holds the next state and a code, its distance from its state: states that leave slots
 * empty share them, and the code tells whose it is. The new tables begin with whole rows of slots
 * for completed states; libyara's table follows.
 */
enum { CODES = 256, ROW = 1 + CODES, CODE_MASK = (1 << YR_AC_SLOT_OFFSET_BITS) - 1 };

/* Other versions may keep their tables in another way; they scan with their own. */
static const bool is_known = YR_MAJOR_VERSION == 4 && YR_MINOR_VERSION == 2;

typedef struct completion {
	sb_automaton *out;
	uint32_t slots, base; /* of libyara's table, and where it stands in the new one */
	uint32_t *row_of;     /* of each state of libyara's; 0: none, or the root */
	uint32_t *rows;       /* which of libyara's states a row stands for */
	uint32_t used, most;
} completion;

static uint32_t code_of(YR_AC_TRANSITION transition)
{
	return transition & CODE_MASK;
}

/* The new number of a state of libyara's. */
static uint32_t placed(const completion *c, uint32_t state)
{
	if (state == YR_AC_ROOT_STATE)
		return YR_AC_ROOT_STATE;
	return c->row_of[state] > 0 ? c->row_of[state] * ROW : c->base + state;
}

/* The state that a byte leads to in libyara's trie, or the root. */
static uint32_t child_of(const completion *c, uint32_t state, uint32_t code)
{
	YR_AC_TRANSITION slot = 0;

	if (state + code < c->slots)
		slot = c->out->own_transitions[state + code];
	return YR_AC_INVALID_TRANSITION(slot, code) ? YR_AC_ROOT_STATE : YR_AC_NEXT_STATE(slot);
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
	uint32_t failure = placed(c, YR_AC_NEXT_STATE(c->out->own_transitions[c->rows[row]]));

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
	for (uint32_t code = 1; code <= CODES; code++) {
		uint32_t child = child_of(c, state, code);

		if (child == YR_AC_ROOT_STATE)
			continue;
		give_row(c, child);
		slots[code] = YR_AC_MAKE_TRANSITION(placed(c, child), code);
	}
	c->out->matches[row * ROW] = c->out->own_matches[state];
	return true;
}

/* The states without a row: their slots as they are, led to where the others stand now. */
static void copy_rest(const completion *c)
{
	for (uint32_t i = 0; i < c->slots; i++) {
		YR_AC_TRANSITION slot = c->out->own_transitions[i];

		c->out->transitions[c->base + i] =
			YR_AC_MAKE_TRANSITION(placed(c, YR_AC_NEXT_STATE(slot)), code_of(slot));
		c->out->matches[c->base + i] = c->out->own_matches[i];
	}
}

/* Every slot leads to a place within the table. */
static bool stays_within(const completion *c)
{
	bool good = true;

	for (uint32_t i = 0; i < c->slots; i++)
		good &= YR_AC_NEXT_STATE(c->out->own_transitions[i]) < c->slots;
	return good;
}

static bool exchange(completion *c)
{
	bool good = stays_within(c);

	for (uint32_t row = 0; good && row < c->used; row++)
		good = complete_row(c, row);
	if (good) {
		copy_rest(c);
		c->out->rules->ac_transition_table = c->out->transitions;
		c->out->rules->ac_match_table = c->out->matches;
	}
	return good;
}

static bool make_room(completion *c)
{
	/* A state's last slots may lie behind the end of the table. */
	size_t total = (size_t)c->base + c->slots + ROW;

	if (c->slots == 0 || total > YR_AC_MAX_TRANSITION_TABLE_SIZE)
		return false;
	c->out->transitions = calloc(total, sizeof *c->out->transitions);
	c->out->matches = calloc(total, sizeof *c->out->matches);
	c->row_of = calloc(c->slots, sizeof *c->row_of);
	c->rows = calloc(c->most, sizeof *c->rows);
	return c->out->transitions != NULL && c->out->matches != NULL && c->row_of != NULL &&
	       c->rows != NULL;
}

bool sb_automaton_complete(sb_automaton *out, YR_RULES *rules, uint32_t most)
{
	completion c = {.out = out, .most = most, .used = 1, .base = most * ROW};
	YR_RULES_STATS stats;
	bool good;

	*out = (sb_automaton){.rules = rules,
		.own_transitions = rules->ac_transition_table,
		.own_matches = rules->ac_match_table};
	if (!is_known || most == 0 || most > YR_AC_MAX_TRANSITION_TABLE_SIZE / ROW ||
		yr_rules_get_stats(rules, &stats) != ERROR_SUCCESS)
		return false;
	c.slots = stats.ac_tables_size;
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
	free(automaton->transitions);
	free(automaton->matches);
	*automaton = (sb_automaton){.rules = NULL};
}
