/* SPDX-License-Identifier: MIT */
#include "worker/trie.h"

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
