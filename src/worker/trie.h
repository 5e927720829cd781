/* SPDX-License-Identifier: MIT */
/*
 * The trie of atoms in compiled rules, as libyara 4.2 keeps it (yara/ahocorasick.h, yara/types.h).
 *
 * libyara takes from each string a few sequences of up to four bytes, its atoms, one of which must
 * be where the string is (yara.readthedocs.io, "Writing YARA rules", and libyara's atoms.c).
 *
 * A state's number is where its slots begin in one table: one slot for the failure link, then one
 * for each byte. A slot holds the next state and a code, its distance from its state: states that
 * leave slots empty share them, and the code tells whose it is. Where an atom ends, another table
 * has a number that is not 0 for the state; that also holds for what ends in the state's tail.
 */
#ifndef SB_WORKER_TRIE_H
#define SB_WORKER_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yara.h>
#include <yara/ahocorasick.h>

#include "util/sieve.h"

typedef struct sb_trie {
	const YR_AC_TRANSITION *transitions;
	const uint32_t *matches;
	uint32_t slots;
} sb_trie;

/* False: another version of libyara, which may keep it in another way; a slot that leads beyond
 * the table. It lives as long as the rules. */
bool sb_trie_of(sb_trie *out, YR_RULES *rules);

/* The atom of every state but the root where one ends, in memory that is the caller's; of one that
 * is longer than YR_MAX_ATOM_LENGTH, the first four bytes. NULL: there is no memory, or they are
 * not kept as described. */
sb_pattern *sb_trie_atoms(const sb_trie *trie, size_t *count);

/* Where a byte leads from a state; the root: nowhere. */
static inline uint32_t sb_trie_child(const sb_trie *trie, uint32_t state, uint8_t byte)
{
	uint32_t code = byte + 1u;
	/* A state's last slots may lie behind the end of the table. */
	YR_AC_TRANSITION slot = state + code < trie->slots ? trie->transitions[state + code] : 0;

	return YR_AC_INVALID_TRANSITION(slot, code) ? YR_AC_ROOT_STATE : YR_AC_NEXT_STATE(slot);
}

#endif
