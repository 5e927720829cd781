/* SPDX-License-Identifier: MIT */
/* Encoded parts of mail in other bytes. Oracles of fuzz_reader.h. */
#include "fuzz_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_reader(&sb_reader_stray, data, size);
}
