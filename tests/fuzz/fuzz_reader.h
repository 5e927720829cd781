/* SPDX-License-Identifier: MIT */
/*
 * One reader of containers, whole and with small limits. Oracles: what it hands over stays within
 * the limits, a stop of the walk is passed up, what only looks like the format and
 * has no member is not damaged either, the same bytes say the same twice, and once there is no time
 * left it ends at once.
 */
#ifndef SB_TESTS_FUZZ_READER_H
#define SB_TESTS_FUZZ_READER_H

#include <stdlib.h>

#include "containers/fake_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void fuzz_check(bool good)
{
	if (!good)
		abort();
}

static inline int fuzz_reader(const sb_reader_ops *reader, const uint8_t *data, size_t size)
{
	sb_walk whole = {.max_members = 3000, .max_member = 8 << 20, .max_bytes = 32 << 20};
	sb_walk again = whole, few = {.max_members = 2, .max_member = 64, .max_bytes = 100};
	sb_walk late = {.max_polls = 3};

	if (!fake_walk_run(&whole, reader, data, size))
		return 0;
	fuzz_check(whole.count <= 3000 && whole.bytes <= 32 << 20);
	fuzz_check(whole.result <= 0);
	fuzz_check(whole.problem == SB_KIND_NONE || whole.message[0] != '\0');
	if (whole.likeness == SB_PERHAPS && whole.count == 0)
		fuzz_check(
			whole.problem != SB_KIND_CORRUPT && whole.problem != SB_KIND_UNSUPPORTED);

	fake_walk_run(&again, reader, data, size);
	fuzz_check(again.count == whole.count && again.bytes == whole.bytes);
	fuzz_check(again.problem == whole.problem && again.facts == whole.facts);

	fake_walk_run(&few, reader, data, size);
	fuzz_check(few.count <= 2 && few.bytes <= 100);
	fuzz_check(few.result <= 0);

	fake_walk_run(&late, reader, data, size);
	fuzz_check(late.result == 0 ? late.polls <= 3 : late.result == -SB_KIND_LIMIT_EXCEEDED);
	/* Nobody goes on for long once there is no time left. */
	fuzz_check(late.polls <= 3 + 3);

	fake_walk_done(&whole);
	fake_walk_done(&again);
	fake_walk_done(&few);
	fake_walk_done(&late);
	return 0;
}

#endif
