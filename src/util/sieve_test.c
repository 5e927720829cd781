/* SPDX-License-Identifier: MIT */
/* A sieve lets every pattern through, reads nothing behind the end, and keeps most else out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "util/sieve.h"

enum { MOST = 3000, LONGEST = 300 };

static uint32_t dice(uint32_t *seed, uint32_t sides)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % sides;
}

/* Of few letters, so that patterns happen; one of them beyond ASCII. */
static void fill(uint8_t *out, size_t size, uint32_t *seed)
{
	for (size_t i = 0; i < size; i++)
		out[i] = (const uint8_t[]){'a', 'b', 'c', 0xd1, 0}[dice(seed, 5)];
}

static void make_patterns(sb_pattern *out, size_t count, uint32_t *seed)
{
	for (size_t i = 0; i < count; i++) {
		out[i] = (sb_pattern){.length = (uint8_t)(1 + dice(seed, SB_PATTERN_BYTES))};
		fill(out[i].bytes, out[i].length, seed);
	}
}

static bool begins(
	const sb_pattern *patterns, size_t count, const uint8_t *data, size_t size, size_t at)
{
	bool does = false;

	for (size_t i = 0; i < count && !does; i++)
		does = patterns[i].length <= size - at &&
		       memcmp(patterns[i].bytes, data + at, patterns[i].length) == 0;
	return does;
}

/* In memory of its own, so that a sanitizer sees what is read behind its end. */
static void let_all_through(const sb_sieve *sieve, const sb_pattern *patterns, size_t count,
	size_t size, uint32_t *seed)
{
	uint8_t *data = malloc(size + (size == 0));
	bool let[LONGEST + SB_SIEVE_PLACES] = {false};
	uint64_t set;

	assert_non_null(data);
	fill(data, size, seed);
	for (size_t at = 0; (set = sb_sieve_next(sieve, data, size, &at)) != 0;
		at += SB_SIEVE_PLACES)
		for (; set != 0; set &= set - 1)
			let[at + (size_t)__builtin_ctzll(set)] = true;
	for (size_t i = size; i < sizeof let; i++)
		assert_false(let[i]);
	for (size_t i = 0; i < size; i++)
		assert_true(let[i] || !begins(patterns, count, data, size, i));
	free(data);
}

static void patterns_come_through(void **state)
{
	static sb_pattern patterns[MOST];
	uint32_t seed = 1;

	(void)state;
	for (size_t count = 0; count <= MOST; count = count * 3 + 1) {
		sb_sieve sieve;

		make_patterns(patterns, count, &seed);
		sb_sieve_of(&sieve, patterns, count);
		if (!sieve.usable)
			skip(); /* not on this processor */
		for (size_t size = 0; size <= LONGEST; size++)
			let_all_through(&sieve, patterns, count, size, &seed);
	}
}

static void little_else_does(void **state)
{
	static sb_pattern patterns[400];
	static uint8_t data[100000];
	uint32_t seed = 2;
	size_t let = 0;
	uint64_t set;
	sb_sieve sieve;

	(void)state;
	for (size_t i = 0; i < 400; i++) {
		patterns[i].length = SB_PATTERN_BYTES;
		for (size_t k = 0; k < SB_PATTERN_BYTES; k++)
			patterns[i].bytes[k] = (uint8_t)('a' + dice(&seed, 26));
	}
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)dice(&seed, 256);
	sb_sieve_of(&sieve, patterns, 400);
	if (!sieve.usable)
		skip();
	for (size_t at = 0; (set = sb_sieve_next(&sieve, data, sizeof data, &at)) != 0;
		at += SB_SIEVE_PLACES)
		let += (size_t)__builtin_popcountll(set);
	/* One table of letters alone would let one of ten through, four one of 10,000. */
	assert_in_range(let, 0, 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_come_through),
		cmocka_unit_test(little_else_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
