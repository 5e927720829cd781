/* SPDX-License-Identifier: MIT */
#include "worker/trie.h"

#include <stdlib.h>

enum { CODE_MASK = (1 << YR_AC_SLOT_OFFSET_BITS) - 1 };

static bool stays_within(const sb_trie *trie)
{
	bool good = true;

	for (uint32_t i = 0; i < trie->slots; i++)
		good &= YR_AC_NEXT_STATE(trie->transitions[i]) < trie->slots;
	return good;
}

bool sb_trie_of(sb_trie *out, YR_RULES *rules)
{
	YR_RULES_STATS stats;

	if (YR_MAJOR_VERSION != 4 || YR_MINOR_VERSION != 2 ||
		yr_rules_get_stats(rules, &stats) != ERROR_SUCCESS)
		return false;
	*out = (sb_trie){.transitions = rules->ac_transition_table,
		.matches = rules->ac_match_table,
		.slots = stats.ac_tables_size};
	return out->slots > 0 && stays_within(out);
}

/* --- Its atoms -------------------------------------------------------------------------------- */

/* How a state is reached: which slot leads to it; 0: none, or the root. */
static uint32_t *slots_to(const sb_trie *trie)
{
	uint32_t *to = calloc(trie->slots, sizeof *to);

	for (uint32_t i = 1; to != NULL && i < trie->slots; i++)
		if ((trie->transitions[i] & CODE_MASK) != 0)
			to[YR_AC_NEXT_STATE(trie->transitions[i])] = i;
	return to;
}

/* The first bytes that lead from the root to a state. False: it is no trie. */
static bool path_to(const sb_trie *trie, const uint32_t *to, uint32_t state, sb_pattern *out)
{
	uint8_t backwards[2 * SB_PATTERN_BYTES];
	size_t length = 0;

	while (state != YR_AC_ROOT_STATE) {
		uint32_t code = trie->transitions[to[state]] & CODE_MASK;

		if (to[state] == 0 || code > to[state] || length == sizeof backwards)
			return false;
		backwards[length++] = (uint8_t)(code - 1);
		state = to[state] - code;
	}
	out->length = (uint8_t)(length < SB_PATTERN_BYTES ? length : SB_PATTERN_BYTES);
	for (size_t i = 0; i < out->length; i++)
		out->bytes[i] = backwards[length - 1 - i];
	return true;
}

static size_t count_ends(const sb_trie *trie)
{
	size_t count = 0;

	for (uint32_t state = 1; state < trie->slots; state++)
		count += trie->matches[state] != 0;
	return count;
}

sb_pattern *sb_trie_atoms(const sb_trie *trie, size_t *count)
{
	size_t ends = count_ends(trie);
	sb_pattern *atoms = calloc(ends + 1, sizeof *atoms);
	uint32_t *to = slots_to(trie);
	bool good = atoms != NULL && to != NULL;

	*count = 0;
	for (uint32_t state = 1; good && state < trie->slots; state++)
		if (trie->matches[state] != 0)
			good = path_to(trie, to, state, &atoms[(*count)++]);
	free(to);
	if (!good) {
		free(atoms);
		atoms = NULL;
	}
	return atoms;
}
