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
static uint32_t order_of(const sb_pattern *atom)
{
	return (uint32_t)atom->bytes[0] << 8 | atom->bytes[1];
}

/* Atoms that begin alike come into one group, so that few groups begin with the same two bytes. */
static void sum_up(grouping *g, const sb_pattern *atoms, size_t count)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < count; i++)
		g->before[order_of(&atoms[i])]++;
	for (size_t i = 0; i < SB_ATOM_PAIRS; i++) {
		uint32_t here = g->before[i];

		g->before[i] = sum;
		sum += here;
	}
	g->total = sum;
}

/* The pair at @p at in an atom, or all that agree with it when the atom ends before them. */
static void mark(uint16_t *groups, const sb_pattern *atom, size_t at, uint16_t bit)
{
	unsigned from[PAIR] = {0, 0}, to[PAIR] = {255, 255};

	for (size_t i = 0; i < PAIR && at + i < atom->length; i++)
		from[i] = to[i] = atom->bytes[at + i];
	for (unsigned first = from[0]; first <= to[0]; first++)
		for (unsigned second = from[1]; second <= to[1]; second++) {
			const uint8_t pair[PAIR] = {(uint8_t)first, (uint8_t)second};

			groups[groups_of(pair_at(pair))] |= bit;
		}
}

static void mark_begin(uint8_t *begins, const sb_pattern *atom)
{
	unsigned from = atom->length > 1 ? atom->bytes[1] : 0;
	unsigned to = atom->length > 1 ? atom->bytes[1] : 255;

	for (unsigned second = from; second <= to; second++)
		begins[pair_at((const uint8_t[PAIR]){atom->bytes[0], (uint8_t)second})] = 1;
}

static void put(grouping *g, const sb_pattern *atom)
{
	uint64_t before = g->before[order_of(atom)];
	uint16_t bit = (uint16_t)(1u << (before * GROUPS / g->total));

	mark_begin(g->atoms->begins, atom);
	mark(g->atoms->first, atom, 0, bit);
	if (atom->length > 1)
		mark(g->atoms->middle, atom, 1, bit);
	else
		g->open_middle |= bit;
	if (atom->length > 2)
		mark(g->atoms->last, atom, 2, bit);
	else
		g->open_last |= bit;
}

static void fill(grouping *g, const sb_pattern *atoms, size_t count)
{
	sum_up(g, atoms, count);
	for (size_t i = 0; i < count; i++)
		put(g, &atoms[i]);
	for (size_t i = 0; i < SB_ATOM_GROUPINGS; i++) {
		g->atoms->middle[i] |= g->open_middle;
		g->atoms->last[i] |= g->open_last;
	}
}

void sb_atoms_of(sb_atoms *out, const sb_trie *trie)
{
	size_t count;
	sb_pattern *atoms = sb_trie_atoms(trie, &count);
	grouping *g = calloc(1, sizeof *g);

	memset(out, 0, sizeof *out);
	out->trie = *trie;
	out->usable = trie->matches[YR_AC_ROOT_STATE] == 0 && atoms != NULL && g != NULL;
	if (out->usable) {
		g->atoms = out;
		fill(g, atoms, count);
		sb_sieve_of(&out->sieve, atoms, count);
	}
	free(atoms);
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

	for (unsigned i = 1; i < SB_PATTERN_BYTES; i++) {
		uint32_t next = sb_trie_child(trie, state, at[i]);

		state = state != YR_AC_ROOT_STATE ? next : YR_AC_ROOT_STATE;
		any |= trie->matches[state];
	}
	return (any | state) != 0;
}

/* Whether four bytes are as those of an atom, as far as two and two of them tell. */
static bool like_atom(const sb_atoms *atoms, const uint8_t *at)
{
	return (atoms->first[groups_of(pair_at(at))] & atoms->middle[groups_of(pair_at(at + 1))] &
		       atoms->last[groups_of(pair_at(at + PAIR))]) != 0;
}

/* The places in @p set, from @p at on, which have four bytes behind them, or are the last ones. */
static int follow_all(finding *f, size_t at, uint64_t set)
{
	int status = 0;

	for (; set != 0 && status == 0; set &= set - 1) {
		size_t place = at + (unsigned)__builtin_ctzll(set);

		if (f->size - place < SB_PATTERN_BYTES || goes_on(&f->atoms->trie, f->data + place))
			status = follow(f, place);
	}
	return status;
}

/* --- Sixty-four places at a time ---------------------------------------------------------------
 */

static uint64_t like_atoms(const sb_atoms *atoms, const uint8_t *at, uint64_t set)
{
	uint64_t kept = 0;

	for (; set != 0; set &= set - 1) {
		unsigned place = (unsigned)__builtin_ctzll(set);

		kept |= (uint64_t)like_atom(atoms, at + place) << place;
	}
	return kept;
}

static int find_sieved(finding *f)
{
	size_t at = 0;
	uint64_t set;
	int status = 0;

	while (status == 0 && (set = sb_sieve_next(&f->atoms->sieve, f->data, f->size, &at)) != 0) {
		if (f->size - at >= SB_SIEVE_BYTES)
			set = like_atoms(f->atoms, f->data + at, set);
		status = follow_all(f, at, set);
		at += SB_SIEVE_PLACES;
	}
	return status;
}

/* --- Eight places at a time --------------------------------------------------------------------
 */

enum { PLACES = 8, NEEDED = PLACES - 1 + SB_PATTERN_BYTES };

/* At which of the places behind @p at an atom may begin. */
static unsigned places(const sb_atoms *atoms, const uint8_t *at)
{
	unsigned set = 0;

#pragma GCC unroll 8
	for (unsigned i = 0; i < PLACES; i++)
		set |= (unsigned)like_atom(atoms, at + i) << i;
	return set;
}

static int find_plain(finding *f)
{
	size_t at = 0;
	int status = 0;

	for (; status == 0 && f->size - at >= NEEDED; at += PLACES) {
		unsigned any = 0;

#pragma GCC unroll 8
		for (unsigned i = 0; i < PLACES; i++)
			any |= f->atoms->begins[pair_at(f->data + at + i)];
		if (any != 0)
			status = follow_all(f, at, places(f->atoms, f->data + at));
	}
	for (; status == 0 && at < f->size; at++)
		status = follow(f, at);
	return status;
}

int sb_atoms_find(const sb_atoms *atoms, const uint8_t *data, size_t size,
	int (*found)(void *context, uint32_t matches, size_t end), void *context)
{
	finding f = {atoms, data, size, 0, found, context};

	return atoms->sieve.usable ? find_sieved(&f) : find_plain(&f);
}
