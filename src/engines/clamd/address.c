/* SPDX-License-Identifier: MIT */
/* Where a clamd listens: what `unix:PATH` and `tcp:HOST:PORT` mean. */
#include "engines/clamd/clamd.h"

#include <string.h>
#include <sys/socket.h>

#include "util/error.h"

static int refuse(const char *text, const char *why, sb_error *error)
{
	return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
		"address `%s`: %s; use unix:PATH, tcp:HOST:PORT or tcp:[IPV6]:PORT", text, why);
}

static int parse_unix(const char *path, sb_net_address *out, sb_error *error)
{
	if (path[0] != '/')
		return refuse(out->text, "the path of a socket must be absolute", error);
	if (strlen(path) >= sizeof out->unix_address.sun_path)
		return refuse(out->text, "the path of a socket has at most 107 bytes", error);
	out->local = true;
	out->unix_address.sun_family = AF_UNIX;
	memcpy(out->unix_address.sun_path, path, strlen(path) + 1);
	return 0;
}

static int parse_tcp(const char *host, sb_net_address *out, sb_error *error)
{
	const char *why = sb_net_parse_host(host, strlen(host), NULL, out);

	return why != NULL ? refuse(out->text, why, error) : 0;
}

int sb_clamd_address_parse(const char *text, sb_net_address *out, sb_error *error)
{
	*out = (sb_net_address){.text = text};
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(text + 5, out, error);
	if (strncmp(text, "tcp:", 4) == 0)
		return parse_tcp(text + 4, out, error);
	return refuse(text, "the kind of address is missing", error);
}
