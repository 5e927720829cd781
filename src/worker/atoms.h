/* SPDX-License-Identifier: MIT */
/*
 * Content in which no rule's string can be is told from other content, at a fraction of what it
 * costs to look for the strings.
 *
 * libyara takes from each string a few sequences of up to four bytes, its atoms, one of which must
 * be where the string is (yara.readthedocs.io, "Writing YARA rules", and libyara's atoms.c). An
 * automaton finds atoms, and only where one ends is a string compared. So content without any atom
 * matches no string, and need not go through the automaton: here each two bytes are looked up
 * among those with which an atom begins, which needs no knowledge of what came before. Pictures,
 * archives and encrypted data often pass; text and programs have an atom among their first bytes,
 * where the look ends.
 */
#ifndef SB_WORKER_ATOMS_H
#define SB_WORKER_ATOMS_H

#include <stddef.h>

#include "worker/trie.h"

/* Zero-initialised: everything may hold an atom. */
typedef struct sb_atoms {
	sb_trie trie;
	bool usable;
	uint8_t begins[65536]; /* 1: an atom may begin with these two bytes, the first one low */
} sb_atoms;

/* Not usable where a string has no atoms: it is looked for everywhere. */
void sb_atoms_of(sb_atoms *out, const sb_trie *trie);
/* Whether there is one; true as well when it isn't usable. */
bool sb_atoms_in(const sb_atoms *atoms, const uint8_t *data, size_t size);

#endif
