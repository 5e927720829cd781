/* SPDX-License-Identifier: MIT */
/* Office documents that are one XML text. Oracles of fuzz_reader.h. */
#include "containers/office.h"
#include "fuzz_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_reader(&sb_reader_flat, data, size);
}
