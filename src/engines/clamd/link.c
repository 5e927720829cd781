/* SPDX-License-Identifier: MIT */
/* One clamd and its links: sessions that may be used again, and connections for one request. */
#include "engines/clamd/clamd.h"

#include <stdlib.h>

#include "util/error.h"
#include "util/io.h"

/* clamd's ids are unsigned ints; far below their end a session has served. */
enum { REQUESTS_MAX = 1000000 };

static void close_link(sb_net_link *link)
{
	sb_clamd_link_close((sb_clamd_link *)link);
}

int sb_clamd_peer_open(sb_clamd_peer *peer, const char *text, sb_error *error)
{
	int status = sb_clamd_address_parse(text, &peer->address, error);

	if (status != 0)
		return status;
	atomic_init(&peer->no_descriptors, false);
	sb_net_pool_open(&peer->pool, close_link, sb_net_quiet);
	return 0;
}

void sb_clamd_peer_close(sb_clamd_peer *peer)
{
	sb_net_pool_close(&peer->pool);
}

int sb_clamd_link_open(sb_clamd_link **out, const sb_clamd_peer *peer, bool session,
	const sb_net_wait *wait, sb_error *error)
{
	sb_clamd_link *link = calloc(1, sizeof *link);
	int fd;

	if (link == NULL)
		return sb_error_no_memory(error);
	fd = sb_net_connect(&peer->address, wait, error);
	if (fd < 0) {
		free(link);
		return fd;
	}
	link->session = session;
	link->net.fd = fd;
	*out = link;
	return 0;
}

void sb_clamd_link_close(sb_clamd_link *link)
{
	if (link == NULL)
		return;
	sb_close(&link->net.fd);
	free(link);
}

sb_clamd_link *sb_clamd_pool_take(sb_clamd_peer *peer)
{
	return (sb_clamd_link *)sb_net_pool_take(&peer->pool);
}

void sb_clamd_pool_give(sb_clamd_peer *peer, sb_clamd_link *link)
{
	if (!link->session || link->net.requests >= REQUESTS_MAX)
		sb_clamd_link_close(link);
	else
		sb_net_pool_give(&peer->pool, &link->net);
}
