/* SPDX-License-Identifier: MIT */
/* Sixteen bytes at a time, on any processor: vectors of gcc and clang. */
#ifndef SB_CONTAINERS_LANES_H
#define SB_CONTAINERS_LANES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { SB_LANES = 16 };

typedef uint8_t sb_lanes __attribute__((vector_size(SB_LANES)));

static inline sb_lanes sb_lanes_at(const uint8_t *at)
{
	sb_lanes bytes;

	memcpy(&bytes, at, sizeof bytes);
	return bytes;
}

/* All of them are 0. */
static inline bool sb_lanes_none(sb_lanes bytes)
{
	uint64_t halves[2];

	memcpy(halves, &bytes, sizeof halves);
	return (halves[0] | halves[1]) == 0;
}

#endif
