/* SPDX-License-Identifier: MIT */
/*
 * Where in content the atoms of a rule set are (worker/trie.h).
 *
 * libyara finds them with an automaton that goes on byte by byte, and where it goes next depends on
 * where it was: every byte waits for the one before. Here each place is looked at by itself: two
 * lookups tell whether an atom can be there, the first by two bytes, the second by the next two.
 * Atoms are put into 16 groups; each lookup says of which groups some atom has these two bytes, and
 * where no group is in both there is no atom. So it is on nearly all places of nearly all content,
 * and a processor looks at several places at a time. Elsewhere the trie is asked.
 *
 * (Groups of patterns by what stands at their places: Baeza-Yates and Gonnet, "A new approach to
 * text searching", CACM 35(10), 1992; pairs of bytes: Wu and Manber, TR-94-17, 1994.)
 */
#ifndef SB_WORKER_ATOMS_H
#define SB_WORKER_ATOMS_H

#include "worker/trie.h"

enum { SB_ATOM_PAIRS = 16384 };

/* Zero-initialised: not usable. */
typedef struct sb_atoms {
	sb_trie trie;
	bool usable;
	/* By two bytes, as the processor reads them: the groups that begin so, and those that go on so
	 * with their third and fourth. */
	uint16_t first[SB_ATOM_PAIRS], second[SB_ATOM_PAIRS];
} sb_atoms;

/* Not usable where a string has no atoms, so that it is looked for everywhere, or there is no
 * memory. The rules must stay. */
void sb_atoms_of(sb_atoms *out, const sb_trie *trie);

/* Call @p found for each place where atoms end, from the first to the last, with their number in
 * the trie's table of matches and the number of bytes before their end: as often, and in the same
 * order, as libyara's automaton comes to a match. Stops when it returns other than 0, and returns
 * that. For usable ones. */
int sb_atoms_find(const sb_atoms *atoms, const uint8_t *data, size_t size,
	int (*found)(void *context, uint32_t matches, size_t end), void *context);

#endif
