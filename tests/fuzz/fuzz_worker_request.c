/* SPDX-License-Identifier: MIT */
/* A request as the worker reads it. Oracle: what was read, written again, reads the same. */
#include <stdlib.h>
#include <string.h>

#include "worker/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char bytes[SB_REQUEST_BYTES];
	sb_request a, b;
	size_t length;

	if (!sb_request_read(&a, data, size))
		return 0;
	if (strlen(a.name) != a.name_length || a.passwords[a.password_count] != NULL)
		abort();
	length = sb_request_write(bytes, sizeof bytes, &a);
	if (length == 0)
		return 0; /* more than a request may take */
	if (!sb_request_read(&b, bytes, length) || a.flags != b.flags || a.size != b.size ||
		a.time_ms != b.time_ms || a.password_count != b.password_count ||
		(a.name_length <= 4096 && strcmp(a.name, b.name) != 0))
		abort();
	for (size_t i = 0; i < a.password_count; i++)
		if (strcmp(a.passwords[i], b.passwords[i]) != 0)
			abort();
	return 0;
}
