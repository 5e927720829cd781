/* SPDX-License-Identifier: MIT */
/* bubblewrap's status lines; see bwrap_status.h. */
#include "wire/bwrap_status.h"

#include <jansson.h>
#include <string.h>

int sb_bwrap_status(const char *text, size_t length)
{
	const char *end = text + length;
	int status = -1;

	for (const char *line = text, *next; line < end; line = next + 1) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		const json_t *code;
		json_t *object;

		next = stop != NULL ? stop : end;
		object = json_loadb(line, (size_t)(next - line), JSON_REJECT_DUPLICATES, NULL);
		code = json_object_get(object, "exit-code");
		if (code != NULL)
			status = json_is_integer(code) && json_integer_value(code) >= 0 &&
						 json_integer_value(code) <= 255
					 ? (int)json_integer_value(code)
					 : -1;
		json_decref(object);
	}
	return status;
}
