/* SPDX-License-Identifier: MIT */
/* Media types by libmagic (file(1)): its tables are mapped in the zygote, workers share them. */
#include <magic.h>
#include <string.h>

#include "worker/serve.h"

static magic_t cookie;

bool sb_mime_load(void)
{
	cookie = magic_open(MAGIC_MIME_TYPE);
	if (cookie != NULL && magic_load(cookie, NULL) == 0)
		return true;
	if (cookie != NULL)
		magic_close(cookie);
	cookie = NULL;
	return false;
}

const char *sb_mime_of(const void *data, size_t size)
{
	/* What tells a type stands at the beginning; libmagic itself looks at 1 MiB at most. */
	const size_t most = 1 << 20;
	const char *type =
		cookie != NULL ? magic_buffer(cookie, data, size < most ? size : most) : NULL;

	return type != NULL && strchr(type, '/') != NULL ? type : "";
}
