/* SPDX-License-Identifier: MIT */
/* Names of threats by a regular expression; see names.h. */
#include "engines/command/names.h"

#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

struct sb_names {
	pcre2_code *code;
	pcre2_match_context *limits;
	uint32_t group;
};

/* The group called `threat`, else the first, else the whole match. */
static uint32_t group_of(const pcre2_code *code)
{
	int named = pcre2_substring_number_from_name(code, (PCRE2_SPTR) "threat");
	uint32_t groups = 0;

	if (named > 0)
		return (uint32_t)named;
	(void)pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups);
	return groups > 0 ? 1 : 0;
}

int sb_names_open(sb_names **out, const char *pattern, sb_error *error)
{
	sb_names *names = calloc(1, sizeof *names);
	unsigned char why[160] = "";
	PCRE2_SIZE place;
	int number;

	if (names == NULL)
		return sb_error_no_memory(error);
	names->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
		PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C, &number, &place, NULL);
	names->limits = pcre2_match_context_create(NULL);
	if (names->code == NULL || names->limits == NULL) {
		(void)pcre2_get_error_message(number, why, sizeof why);
		sb_names_close(names);
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"threat_pattern: at character %zu: %s", place + 1, (const char *)why);
	}
	(void)pcre2_set_match_limit(names->limits, SB_NAMES_STEPS);
	(void)pcre2_set_depth_limit(names->limits, SB_NAMES_STEPS);
	(void)pcre2_set_heap_limit(names->limits, SB_NAMES_MEMORY_KIB);
	names->group = group_of(names->code);
	*out = names;
	return 0;
}

void sb_names_close(sb_names *names)
{
	if (names == NULL)
		return;
	pcre2_match_context_free(names->limits);
	pcre2_code_free(names->code);
	free(names);
}

static bool is_known(const sb_names_found *found, size_t count, const sb_names_found *one)
{
	for (size_t i = 0; i < count; i++)
		if (found[i].length == one->length &&
			memcmp(found[i].name, one->name, one->length) == 0)
			return true;
	return false;
}

static bool match(const sb_names *names, pcre2_match_data *data, const char *line, size_t length,
	sb_names_found *one)
{
	const PCRE2_SIZE *ends;

	if (pcre2_match(names->code, (PCRE2_SPTR)line, length, 0, 0, data, names->limits) < 0)
		return false;
	ends = pcre2_get_ovector_pointer(data) + (size_t)2 * names->group;
	if (ends[0] == PCRE2_UNSET || ends[1] <= ends[0] || ends[1] > length)
		return false;
	*one = (sb_names_found){line + ends[0], ends[1] - ends[0]};
	return true;
}

size_t sb_names_find(
	const sb_names *names, const char *text, size_t length, sb_names_found found[SB_NAMES_MAX])
{
	pcre2_match_data *data = pcre2_match_data_create_from_pattern(names->code, NULL);
	const char *end = text + length;
	size_t count = 0, lines = 0;

	for (const char *line = text, *next;
		data != NULL && line < end && count < SB_NAMES_MAX && lines < SB_NAMES_LINES;
		line = next + 1, lines++) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		size_t size;

		next = stop != NULL ? stop : end;
		size = (size_t)(next - line);
		if (size > 0 && line[size - 1] == '\r')
			size--;
		if (size <= SB_NAMES_LINE && match(names, data, line, size, &found[count]) &&
			!is_known(found, count, &found[count]))
			count++;
	}
	pcre2_match_data_free(data);
	return count;
}
