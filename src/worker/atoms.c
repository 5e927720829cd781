/* SPDX-License-Identifier: MIT */
#include "worker/atoms.h"

#include <endian.h>
#include <string.h>

/* --- The table -------------------------------------------------------------------------------- */

static void add_pairs(sb_atoms *atoms, uint8_t first, uint32_t state)
{
	bool alone = atoms->trie.matches[state] != 0;

	for (unsigned second = 0; second < 256; second++)
		if (alone || sb_trie_child(&atoms->trie, state, (uint8_t)second) > 0)
			atoms->begins[first | second << 8] = 1;
}

void sb_atoms_of(sb_atoms *out, const sb_trie *trie)
{
	*out = (sb_atoms){.trie = *trie, .usable = trie->matches[YR_AC_ROOT_STATE] == 0};
	for (unsigned first = 0; first < 256; first++) {
		uint32_t state = sb_trie_child(trie, YR_AC_ROOT_STATE, (uint8_t)first);

		if (state != YR_AC_ROOT_STATE)
			add_pairs(out, (uint8_t)first, state);
	}
}

/* --- Looking ---------------------------------------------------------------------------------- */

static bool is_at(const sb_atoms *atoms, const uint8_t *at, const uint8_t *end)
{
	uint32_t state = YR_AC_ROOT_STATE;

	while (at < end) {
		state = sb_trie_child(&atoms->trie, state, *at++);
		if (state == YR_AC_ROOT_STATE)
			return false;
		if (atoms->trie.matches[state] != 0)
			return true;
	}
	return false;
}

/* The two bytes that begin at one of the first PLACES of eight. */
static uint16_t pair_of(uint64_t eight, unsigned place)
{
	return (uint16_t)(eight >> 8 * place);
}

static uint64_t load(const uint8_t *at)
{
	uint64_t eight;

	memcpy(&eight, at, sizeof eight);
	return le64toh(eight);
}

bool sb_atoms_in(const sb_atoms *atoms, const uint8_t *data, size_t size)
{
	enum { PLACES = 7 };
	const uint8_t *end = data + size;

	if (!atoms->usable)
		return true;
	/* Hardly anything begins anywhere: one load and one branch for several places. */
	for (; end - data > PLACES; data += PLACES) {
		uint64_t eight = load(data);
		unsigned any = 0;

#pragma GCC unroll 7
		for (unsigned i = 0; i < PLACES; i++)
			any |= atoms->begins[pair_of(eight, i)];
		for (unsigned i = 0; any != 0 && i < PLACES; i++)
			if (atoms->begins[pair_of(eight, i)] != 0 && is_at(atoms, data + i, end))
				return true;
	}
	for (; data < end; data++)
		if (is_at(atoms, data, end))
			return true;
	return false;
}
