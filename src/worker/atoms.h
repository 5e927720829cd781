/* SPDX-License-Identifier: MIT */
/*
 * Where in content the atoms of a rule set are (worker/trie.h).
 *
 * libyara finds them with an automaton that goes on byte by byte, and where it goes next depends on
 * where it was: every byte waits for the one before. Here each place is looked at by itself, and a
 * processor looks at several at a time: hardly anywhere do two bytes stand with which an atom
 * begins. Where they do, four bytes are looked at. Atoms are put into 16 groups; one table says of
 * two bytes which groups begin so, another which ones go on so, and where no group is in both there
 * is no atom. Elsewhere the trie is asked. A processor that can, looks at 64 places at a time with
 * other tables first (util/sieve.h).
 *
 * (Pairs of bytes: Wu and Manber, "A fast algorithm for multi-pattern searching", TR-94-17, 1994.
 * Groups of patterns as bits: Baeza-Yates and Gonnet, "A new approach to text searching", CACM
 * 35(10), 1992.)
 */
#ifndef SB_WORKER_ATOMS_H
#define SB_WORKER_ATOMS_H

#include "worker/trie.h"

enum { SB_ATOM_PAIRS = 65536, SB_ATOM_GROUPINGS = 16384 };

/* Zero-initialised: not usable. */
typedef struct sb_atoms {
	sb_trie trie;
	bool usable;
	sb_sieve sieve;
	/* By two bytes, as the processor reads them: 1 where an atom begins so; the groups that
	 * begin so, and those that have these as their third and fourth. */
	uint8_t begins[SB_ATOM_PAIRS];
	uint16_t first[SB_ATOM_GROUPINGS], middle[SB_ATOM_GROUPINGS], last[SB_ATOM_GROUPINGS];
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
