/* SPDX-License-Identifier: MIT */
/* libyara as it comes. */
#include "worker/search.h"

const bool sb_search_is_quick = false;

void sb_search_of(sb_search *out, YR_RULES *rules)
{
	(void)out;
	(void)rules;
}

int sb_search_scan(const sb_search *search, YR_SCANNER *scanner, const uint8_t *data, size_t size)
{
	(void)search;
	/* A scanner finds the entry point of its first program, and keeps it for all others. */
	scanner->entry_point = YR_UNDEFINED;
	return yr_scanner_scan_mem(scanner, data, size);
}
