/* SPDX-License-Identifier: MIT */
#include "wire/cvd_header.h"

#include <string.h>

#include "util/text.h"

enum { FIELDS = 9, FIELDS_MIN = 8, DIGITS_MAX = 18 };

typedef struct field {
	const char *text;
	size_t length;
} field;

static const char magic[] = "ClamAV-VDB";

/* The fields, the blanks at the end left out; how many, or 0. */
static size_t split(const char *text, size_t length, field out[FIELDS])
{
	size_t count = 0, begin = 0;

	while (length > 0 && text[length - 1] == ' ')
		length--;
	for (size_t i = 0; i <= length; i++) {
		if (i < length && text[i] != ':') {
			if ((unsigned char)text[i] < ' ' || (unsigned char)text[i] > '~')
				return 0;
			continue;
		}
		if (count == FIELDS)
			return 0;
		out[count++] = (field){text + begin, i - begin};
		begin = i + 1;
	}
	return count;
}

/* So few digits that nothing overflows. */
static bool number(field f, uint64_t *out)
{
	uint64_t value = 0;

	if (f.length < 1 || f.length > DIGITS_MAX)
		return false;
	for (size_t i = 0; i < f.length; i++) {
		if (f.text[i] < '0' || f.text[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(f.text[i] - '0');
	}
	*out = value;
	return true;
}

bool sb_cvd_header_parse(const void *data, size_t length, sb_cvd_header *out)
{
	field fields[FIELDS];
	uint64_t time = 0;
	size_t count;

	*out = (sb_cvd_header){0};
	if (length != SB_CVD_HEADER)
		return false;
	count = split(data, length, fields);
	if (count < FIELDS_MIN || fields[0].length != sizeof magic - 1 ||
		memcmp(fields[0].text, magic, sizeof magic - 1) != 0 ||
		fields[1].length >= sizeof out->made || !number(fields[2], &out->version) ||
		!number(fields[3], &out->signatures) || !number(fields[4], &out->level) ||
		(count == FIELDS && !number(fields[8], &time)))
		return false;
	memcpy(out->made, fields[1].text, fields[1].length);
	out->time = (int64_t)time;
	out->has_digest = sb_unhex(out->digest, 16, fields[5].text, fields[5].length);
	return true;
}
