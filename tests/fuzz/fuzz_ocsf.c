/* SPDX-License-Identifier: MIT */
/* Any lines as an audit log: every event that comes out is one JSON object on one line, with a
 * type_uid that fits its class. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/ocsf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check(const char *line, size_t length)
{
	json_t *event = json_loadb(line, length, JSON_ALLOW_NUL, NULL);

	require(json_is_object(event));
	require(json_integer_value(json_object_get(event, "type_uid")) ==
		json_integer_value(json_object_get(event, "class_uid")) * 100 +
			json_integer_value(json_object_get(event, "activity_id")));
	require(json_is_integer(json_object_get(event, "time")));
	json_decref(event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data, *end = at + size, *line;
	sb_ocsf *ocsf = sb_ocsf_new();
	sb_buf out;

	require(ocsf != NULL);
	sb_buf_init(&out, 64u << 20);
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t length = (size_t)((newline != NULL ? newline : end) - at);
		/* Exactly as long as it is: a step too far is seen. */
		char *copy = malloc(length > 0 ? length : 1);
		require(copy != NULL);
		memcpy(copy, at, length);
		(void)sb_ocsf_line(ocsf, copy, length, 0, &out);
		free(copy);
		at += length + 1;
	}
	sb_ocsf_end(ocsf, &out);
	require(!out.failed);
	for (line = out.data; line != NULL && *line != '\0'; line = strchr(line, '\n') + 1)
		check(line, strcspn(line, "\n"));
	sb_buf_done(&out);
	sb_ocsf_free(ocsf);
	return 0;
}
