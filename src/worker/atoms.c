/* SPDX-License-Identifier: MIT */
#include "worker/atoms.h"

#include <stdlib.h>
#include <string.h>

/* --- The table -------------------------------------------------------------------------------- */

enum { GROUPS = 16, PAIR = 2 };

typedef struct grouping {
	sb_atoms *atoms;
	uint32_t total, before[SB_ATOM_PAIRS]; /* atoms, and those that begin with a lower pair */
	uint16_t open_middle, open_last;       /* groups with atoms that end before */
} grouping;

static uint16_t pair_at(const uint8_t *at)
{
	uint16_t pair;

	memcpy(&pair, at, sizeof pair);
	return pair;
}

/* Some pairs share their groups, so that the tables are small: hardly any more places are followed.
 */
static size_t groups_of(uint16_t pair)
{
	return pair & (SB_ATOM_GROUPINGS - 1);
}

/* Pairs in the order of their first byte. */
static uint32_t order_of(const uint8_t *bytes, size_t length)
{
	return (uint32_t)bytes[0] << 8 | (length > 1 ? bytes[1] : 0);
}

static void count(void *data, const uint8_t *bytes, size_t length)
{
	grouping *g = data;

	g->before[order_of(bytes, length)]++;
	g->total++;
}

static void sum_up(grouping *g)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < SB_ATOM_PAIRS; i++) {
		uint32_t here = g->before[i];

		g->before[i] = sum;
		sum += here;
	}
}

/* The pair at @p at in an atom, or all that agree with it when the atom ends before them. */
static void mark(uint16_t *groups, const uint8_t *bytes, size_t length, size_t at, uint16_t bit)
{
	unsigned from[PAIR] = {0, 0}, to[PAIR] = {255, 255};

	for (size_t i = 0; i < PAIR && at + i < length; i++)
		from[i] = to[i] = bytes[at + i];
	for (unsigned first = from[0]; first <= to[0]; first++)
		for (unsigned second = from[1]; second <= to[1]; second++) {
			const uint8_t pair[PAIR] = {(uint8_t)first, (uint8_t)second};

			groups[groups_of(pair_at(pair))] |= bit;
		}
}

static void mark_begin(uint8_t *begins, const uint8_t *bytes, size_t length)
{
	for (unsigned second = 0; second < 256; second++)
		if (length == 1 || second == bytes[1])
			begins[pair_at((const uint8_t[PAIR]){bytes[0], (uint8_t)second})] = 1;
}

/* Atoms that begin alike come into one group, so that few groups begin with the same two bytes. */
static void put(void *data, const uint8_t *bytes, size_t length)
{
	grouping *g = data;
	uint64_t before = g->before[order_of(bytes, length)];
	uint16_t bit = (uint16_t)(1u << (before * GROUPS / g->total));

	mark_begin(g->atoms->begins, bytes, length);
	mark(g->atoms->first, bytes, length, 0, bit);
	if (length > 1)
		mark(g->atoms->middle, bytes, length, 1, bit);
	else
		g->open_middle |= bit;
	if (length > 2)
		mark(g->atoms->last, bytes, length, 2, bit);
	else
		g->open_last |= bit;
}

static bool fill(grouping *g)
{
	if (!sb_trie_atoms(&g->atoms->trie, count, g))
		return false;
	sum_up(g);
	if (!sb_trie_atoms(&g->atoms->trie, put, g))
		return false;
	for (size_t i = 0; i < SB_ATOM_GROUPINGS; i++) {
		g->atoms->middle[i] |= g->open_middle;
		g->atoms->last[i] |= g->open_last;
	}
	return true;
}

void sb_atoms_of(sb_atoms *out, const sb_trie *trie)
{
	grouping *g = calloc(1, sizeof *g);

	memset(out, 0, sizeof *out);
	out->trie = *trie;
	if (g != NULL) {
		g->atoms = out;
		out->usable = trie->matches[YR_AC_ROOT_STATE] == 0 && fill(g);
	}
	free(g);
}

/* --- Looking ---------------------------------------------------------------------------------- */

typedef struct finding {
	const sb_atoms *atoms;
	const uint8_t *data;
	size_t size;
	size_t told; /* up to where this content's atoms end that were told of */
	int (*found)(void *context, uint32_t matches, size_t end);
	void *context;
} finding;

/* Tell of the atoms that begin at @p at. A state's matches are those of all atoms that end there,
 * also of those that begin later: they are not told of again. */
static int follow(finding *f, size_t at)
{
	uint32_t state = YR_AC_ROOT_STATE;
	int status = 0;

	while (status == 0 && at < f->size) {
		uint32_t matches;

		state = sb_trie_child(&f->atoms->trie, state, f->data[at++]);
		matches = f->atoms->trie.matches[state];
		if (state == YR_AC_ROOT_STATE)
			break;
		if (matches != 0 && at > f->told) {
			f->told = at;
			status = f->found(f->context, matches, at);
		}
	}
	return status;
}

/* Whether there is anything to follow: without a branch before the answer, which is mostly no. */
static bool goes_on(const sb_trie *trie, const uint8_t *at)
{
	uint32_t state = sb_trie_child(trie, YR_AC_ROOT_STATE, at[0]);
	uint32_t any = trie->matches[state];

	for (unsigned i = 1; i < SB_ATOM_BYTES; i++) {
		uint32_t next = sb_trie_child(trie, state, at[i]);

		state = state != YR_AC_ROOT_STATE ? next : YR_AC_ROOT_STATE;
		any |= trie->matches[state];
	}
	return (any | state) != 0;
}

enum { PLACES = 8 }; /* are looked at at a time */

/* At which of the places behind @p at an atom may begin. */
static unsigned places(const sb_atoms *atoms, const uint8_t *at)
{
	unsigned set = 0;

#pragma GCC unroll 8
	for (unsigned i = 0; i < PLACES; i++) {
		unsigned groups = atoms->first[groups_of(pair_at(at + i))] &
				  atoms->middle[groups_of(pair_at(at + i + 1))] &
				  atoms->last[groups_of(pair_at(at + i + PAIR))];

		set |= (unsigned)(groups != 0) << i;
	}
	return set;
}

static int follow_all(finding *f, size_t at)
{
	int status = 0;

	for (unsigned set = places(f->atoms, f->data + at); set != 0 && status == 0;
		set &= set - 1) {
		size_t place = at + (unsigned)__builtin_ctz(set);

		if (goes_on(&f->atoms->trie, f->data + place))
			status = follow(f, place);
	}
	return status;
}

int sb_atoms_find(const sb_atoms *atoms, const uint8_t *data, size_t size,
	int (*found)(void *context, uint32_t matches, size_t end), void *context)
{
	enum { NEEDED = PLACES - 1 + PAIR + PAIR };
	finding f = {atoms, data, size, 0, found, context};
	size_t at = 0;
	int status = 0;

	for (; status == 0 && size - at >= NEEDED; at += PLACES) {
		unsigned any = 0;

#pragma GCC unroll 8
		for (unsigned i = 0; i < PLACES; i++)
			any |= atoms->begins[pair_at(data + at + i)];
		if (any != 0)
			status = follow_all(&f, at);
	}
	for (; status == 0 && at < size; at++)
		status = follow(&f, at);
	return status;
}
