/* SPDX-License-Identifier: MIT */
/* RTF. Oracles of fuzz_reader.h. */
#include "containers/office.h"
#include "fuzz_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_reader(&sb_reader_rtf, data, size);
}
