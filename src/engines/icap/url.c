/* SPDX-License-Identifier: MIT */
/* `icap://HOST[:PORT]/SERVICE` (RFC 3507 4.2), and `icaps://` for TLS from the first byte on. */
#include <stdio.h>
#include <string.h>

#include "engines/icap/icap.h"
#include "util/error.h"

static int refuse(const char *text, const char *why, sb_error *error)
{
	return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
		"url `%s`: %s; use icap://HOST:PORT/SERVICE, or icaps:// for TLS", text, why);
}

int sb_icap_url_parse(const char *text, sb_icap_url *out, sb_error *error)
{
	const char *host, *path, *why;

	*out = (sb_icap_url){.address = {.text = text}};
	out->secure = strncmp(text, "icaps://", 8) == 0;
	if (!out->secure && strncmp(text, "icap://", 7) != 0)
		return refuse(text, "the scheme is missing", error);
	for (const char *c = text; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~' || strchr("\"<>\\^`{|}#@", *c) != NULL)
			return refuse(text, "it holds a character that has no place there", error);
	host = text + (out->secure ? 8 : 7);
	path = strchr(host, '/');
	if (path == NULL || path[1] == '\0')
		return refuse(text, "the name of the service is missing", error);
	why = sb_net_parse_host(
		host, (size_t)(path - host), out->secure ? "11344" : "1344", &out->address);
	if (why != NULL)
		return refuse(text, why, error);
	snprintf(out->authority, sizeof out->authority,
		strchr(out->address.host, ':') != NULL ? "[%s]:%s" : "%s:%s", out->address.host,
		out->address.port);
	if (snprintf(out->text, sizeof out->text, "icap://%s%s", out->authority, path) >=
		(int)sizeof out->text)
		return refuse(text, "it is too long", error);
	return 0;
}
