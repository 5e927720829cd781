/* SPDX-License-Identifier: MIT */
#include "util/sieve.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>

enum { GROUPS = 8, BYTES = 256 };

/* --- Who shares a group ------------------------------------------------------------------------
 */

/* How often bytes happen beside each other, roughly: in text, in programs, in what is packed. Zeros
 * come in rows. */
static const struct {
	uint8_t first, last;
	float weight;
} everyday[] = {
	{0, 255, 2},
	{'0', '9', 3},
	{'A', 'Z', 3},
	{'a', 'z', 12},
	{' ', ' ', 30},
	{0, 0, 150},
};

typedef struct heavy {
	sb_pattern pattern;
	float share; /* of places that look like it */
} heavy;

/* What the tables let through, as shares of everyday content. */
typedef struct grouping {
	sb_sieve *sieve;
	float share[BYTES];                          /* of a byte */
	float all[GROUPS];                           /* by all of a group's tables */
	float let[SB_PATTERN_BYTES][GROUPS];         /* by each of them */
	float more[SB_PATTERN_BYTES][BYTES][GROUPS]; /* with this byte in it as well */
	heavy *sorted;
} grouping;

static void know_shares(grouping *g)
{
	float sum = 0;

	for (size_t i = 0; i < sizeof everyday / sizeof *everyday; i++)
		for (unsigned byte = everyday[i].first; byte <= everyday[i].last; byte++)
			g->share[byte] = everyday[i].weight;
	for (size_t byte = 0; byte < BYTES; byte++)
		sum += g->share[byte];
	for (size_t byte = 0; byte < BYTES; byte++)
		g->share[byte] /= sum;
	for (size_t at = 0; at < SB_PATTERN_BYTES; at++)
		for (size_t byte = 0; byte < BYTES; byte++)
			for (size_t group = 0; group < GROUPS; group++)
				g->more[at][byte][group] = g->share[byte];
}

static int heaviest_first(const void *a, const void *b)
{
	const heavy *one = a, *other = b;

	return (one->share < other->share) - (one->share > other->share);
}

static void sort(grouping *g, const sb_pattern *patterns, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		g->sorted[i] = (heavy){.pattern = patterns[i], .share = 1};
		for (size_t at = 0; at < patterns[i].length; at++)
			g->sorted[i].share *= g->share[patterns[i].bytes[at]];
	}
	qsort(g->sorted, count, sizeof *g->sorted, heaviest_first);
}

/* What each group would let through with one more pattern in it. */
static void let_with(const grouping *g, const sb_pattern *pattern, float with[GROUPS])
{
	for (size_t group = 0; group < GROUPS; group++)
		with[group] = 1;
	for (size_t at = 0; at < pattern->length; at++) {
		const float *let = g->let[at], *more = g->more[at][pattern->bytes[at]];

		for (size_t group = 0; group < GROUPS; group++)
			with[group] *= let[group] + more[group];
	}
}

static void put_byte(grouping *g, size_t at, uint8_t byte, size_t group)
{
	g->sieve->groups[at][byte] |= (uint8_t)(1u << group);
	g->let[at][group] += g->more[at][byte][group];
	g->more[at][byte][group] = 0;
}

static void put(grouping *g, const sb_pattern *pattern)
{
	float with[GROUPS];
	size_t best = 0;

	let_with(g, pattern, with);
	for (size_t group = 1; group < GROUPS; group++)
		if (with[group] - g->all[group] < with[best] - g->all[best])
			best = group;
	for (size_t at = 0; at < pattern->length; at++)
		put_byte(g, at, pattern->bytes[at], best);
	for (size_t at = pattern->length; at < SB_PATTERN_BYTES; at++)
		for (unsigned byte = 0; byte < BYTES; byte++)
			put_byte(g, at, (uint8_t)byte, best);
	g->all[best] = 1;
	for (size_t at = 0; at < SB_PATTERN_BYTES; at++)
		g->all[best] *= g->let[at][best];
}

static bool can(void)
{
	return __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512bw");
}

void sb_sieve_of(sb_sieve *out, const sb_pattern *patterns, size_t count)
{
	grouping *g = can() ? calloc(1, sizeof *g) : NULL;

	memset(out, 0, sizeof *out);
	if (g != NULL && (g->sorted = calloc(count + 1, sizeof *g->sorted)) != NULL) {
		g->sieve = out;
		know_shares(g);
		sort(g, patterns, count);
		for (size_t i = 0; i < count; i++)
			put(g, &g->sorted[i].pattern);
		free(g->sorted);
		out->usable = true;
	}
	free(g);
}

/* --- Looking ---------------------------------------------------------------------------------- */

#define WIDE __attribute__((target("avx512f,avx512bw,avx512vbmi")))

typedef struct table {
	__m512i quarter[4];
} table;

WIDE static inline table load(const uint8_t *groups)
{
	table t;

	for (size_t i = 0; i < 4; i++)
		t.quarter[i] = _mm512_loadu_si512(groups + 64 * i);
	return t;
}

/* 64 bytes looked up: their low seven bits choose from each half, the eighth between the halves. */
WIDE static inline __m512i look_up(const table *t, const uint8_t *at)
{
	__m512i bytes = _mm512_loadu_si512(at);
	__m512i low = _mm512_permutex2var_epi8(t->quarter[0], bytes, t->quarter[1]);
	__m512i high = _mm512_permutex2var_epi8(t->quarter[2], bytes, t->quarter[3]);

	return _mm512_mask_blend_epi8(_mm512_movepi8_mask(bytes), low, high);
}

WIDE static inline uint64_t places(const table tables[SB_PATTERN_BYTES], const uint8_t *at)
{
	__m512i groups = look_up(&tables[0], at);

	for (size_t i = 1; i < SB_PATTERN_BYTES; i++)
		groups = _mm512_and_si512(groups, look_up(&tables[i], at + i));
	return _mm512_test_epi8_mask(groups, groups);
}

/* The last ones, with zeros behind them. */
WIDE static uint64_t last_places(const table *tables, const uint8_t *at, size_t count)
{
	uint8_t bytes[SB_SIEVE_BYTES] = {0};
	uint64_t there = count < SB_SIEVE_PLACES ? ((uint64_t)1 << count) - 1 : UINT64_MAX;

	memcpy(bytes, at, count);
	return places(tables, bytes) & there;
}

WIDE uint64_t sb_sieve_next(const sb_sieve *sieve, const uint8_t *data, size_t size, size_t *at)
{
	table tables[SB_PATTERN_BYTES];
	uint64_t set = 0;

	for (size_t i = 0; i < SB_PATTERN_BYTES; i++)
		tables[i] = load(sieve->groups[i]);
	for (; *at < size; *at += SB_SIEVE_PLACES) {
		size_t left = size - *at;

		set = left >= SB_SIEVE_BYTES ? places(tables, data + *at)
					     : last_places(tables, data + *at, left);
		if (set != 0)
			break;
	}
	return set;
}
#else
void sb_sieve_of(sb_sieve *out, const sb_pattern *patterns, size_t count)
{
	(void)patterns;
	(void)count;
	memset(out, 0, sizeof *out);
}

uint64_t sb_sieve_next(const sb_sieve *sieve, const uint8_t *data, size_t size, size_t *at)
{
	(void)sieve;
	(void)data;
	*at = size;
	return 0;
}
#endif
