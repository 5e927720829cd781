/* SPDX-License-Identifier: MIT */
/*
 * At which of 64 places some pattern may begin, for many patterns of up to four bytes, on
 * processors with AVX-512 VBMI (Intel's since 2019, AMD's since Zen 4).
 *
 * Patterns are put into eight groups. Four tables say of a byte in which groups it is the first,
 * the second, the third, the fourth one of a pattern; where no group is in all four there is none.
 * So does "Teddy" of Hyperscan with few strings (Wang and others, "Hyperscan: A Fast Multi-pattern
 * Regex Matcher for Modern CPUs", NSDI 2019), whose tables are of half bytes; those processors look
 * up whole ones in four instructions.
 *
 * How many places stay is a matter of which patterns share a group: each is put where it adds least
 * to what everyday content would let through, those that happen most first.
 */
#ifndef SB_UTIL_SIEVE_H
#define SB_UTIL_SIEVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SB_PATTERN_BYTES = 4,
	SB_SIEVE_PLACES = 64,
	SB_SIEVE_BYTES = SB_SIEVE_PLACES - 1 + SB_PATTERN_BYTES, /* that are looked at */
};

typedef struct sb_pattern {
	uint8_t bytes[SB_PATTERN_BYTES];
	uint8_t length; /* at least 1; the bytes behind it are 0 */
} sb_pattern;

/* Zero-initialised: not usable. */
typedef struct sb_sieve {
	bool usable;
	uint8_t groups[SB_PATTERN_BYTES][256];
} sb_sieve;

/* Not usable where the processor can't, or there is no memory. */
void sb_sieve_of(sb_sieve *out, const sb_pattern *patterns, size_t count);

/* From *@p at on, 64 places after 64, the first ones with any where a pattern may begin: those are
 * bits of the result, the lowest is that of *@p at, which is moved there. 0: there are none up to
 * the end. Patterns that the end cuts may be among them. For usable ones. */
uint64_t sb_sieve_next(const sb_sieve *sieve, const uint8_t *data, size_t size, size_t *at);

#endif
