/* SPDX-License-Identifier: MIT */
/*
 * Shared objects, from whoever built the plugin. Oracles: a refusal has its reason, in one
 * line without control characters; the same bytes say the same twice; without a slash no library is
 * needed by its path.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/elf_needs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[400] = "", again[400] = "";
	bool good = sb_elf_needs_check(data, size, why, sizeof why);

	if (good != sb_elf_needs_check(data, size, again, sizeof again) || strcmp(why, again) != 0)
		abort();
	if (good != (why[0] == '\0'))
		abort();
	for (const char *c = why; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			abort();
	if (strncmp(why, "it needs by its path", 20) == 0 && memchr(data, '/', size) == NULL)
		abort();
	return 0;
}
