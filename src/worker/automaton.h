/* SPDX-License-Identifier: MIT */
/*
 * Compiled rules find the beginnings of their strings sooner.
 *
 * libyara looks for them with an automaton that has the transitions of a trie, and follows failure
 * links wherever a byte doesn't go on in it (Aho and Corasick, "Efficient string matching", CACM
 * 18(6), 1975). On ordinary content nearly every byte doesn't: two or three lookups each, and a
 * branch that no processor can foretell. Here the links of the states that content is in most of
 * the time, those nearest the root, are followed ahead (algorithm 4 of that paper): such a state
 * has a transition for every byte. libyara's own loop goes on as before, over other tables which
 * say the same: what matches, and where, doesn't change.
 */
#ifndef SB_WORKER_AUTOMATON_H
#define SB_WORKER_AUTOMATON_H

#include "worker/trie.h"

/* So many states get 2 KiB each, of memory that workers share: with the bundled rules it is one
 * huge page. Further ones gained nothing. */
enum { SB_AUTOMATON_STATES = 960 };

/* Zero-initialised: nothing was exchanged. */
typedef struct sb_automaton {
	YR_RULES *rules;
	YR_AC_TRANSITION *transitions, *own_transitions; /* ours, and libyara's */
	uint32_t *matches, *own_matches;                 /* ours in the same piece of memory */
} sb_automaton;

/* Exchange the tables of @p rules, which nobody scans with meanwhile, for such where the first
 * @p most states of @p trie, breadth first, are completed. False: no memory, no room for more
 * states in libyara's numbers; the rules are as they were. Saving the rules goes on to save
 * libyara's tables. */
bool sb_automaton_complete(sb_automaton *out, YR_RULES *rules, const sb_trie *trie, uint32_t most);
/* The rules get their own tables back. Scanners must be gone. */
void sb_automaton_undo(sb_automaton *automaton);

#endif
