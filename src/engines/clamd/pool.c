/* SPDX-License-Identifier: MIT */
/*
 * Idle sessions of one clamd, newest first, so that a quiet time leaves the old ones to expire.
 * clamd ends a session that is idle for its CommandReadTimeout (30 s by default); we end it
 * earlier. A session that became readable while nobody asked anything has ended, or says
 * something that nobody asked for: either way it is closed.
 */
#include "engines/clamd/clamd.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/error.h"
#include "util/io.h"

#define IDLE_MAX (15000 * SB_MS)

/* clamd's ids are unsigned ints; far below their end a session has served. */
enum { REQUESTS_MAX = 1000000 };

int sb_clamd_peer_open(sb_clamd_peer *peer, const char *text, sb_error *error)
{
	int status = sb_clamd_address_parse(text, &peer->address, error);

	if (status != 0)
		return status;
	peer->idle = NULL;
	atomic_init(&peer->no_descriptors, false);
	pthread_mutex_init(&peer->lock, NULL);
	return 0;
}

static void close_list(sb_clamd_link *link)
{
	while (link != NULL) {
		sb_clamd_link *next = link->next;

		sb_clamd_link_close(link);
		link = next;
	}
}

void sb_clamd_peer_close(sb_clamd_peer *peer)
{
	close_list(peer->idle);
	peer->idle = NULL;
	pthread_mutex_destroy(&peer->lock);
}

int sb_clamd_link_open(sb_clamd_link **out, const sb_clamd_peer *peer, bool session,
	const sb_clamd_wait *wait, sb_error *error)
{
	sb_clamd_link *link = calloc(1, sizeof *link);
	int fd;

	if (link == NULL)
		return sb_error_no_memory(error);
	fd = sb_clamd_connect(&peer->address, wait, error);
	if (fd < 0) {
		free(link);
		return fd;
	}
	link->session = session;
	link->fd = fd;
	*out = link;
	return 0;
}

void sb_clamd_link_close(sb_clamd_link *link)
{
	if (link == NULL)
		return;
	sb_close(&link->fd);
	free(link);
}

static bool quiet(const sb_clamd_link *link)
{
	char byte;

	return recv(link->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0;
}

/* Cut off everything that is idle for too long; as the newest stands first, that is a tail. */
static sb_clamd_link *cut_old(sb_clamd_peer *peer, uint64_t now)
{
	sb_clamd_link **at = &peer->idle, *old;

	while (*at != NULL && now - (*at)->idle_since < IDLE_MAX)
		at = &(*at)->next;
	old = *at;
	*at = NULL;
	return old;
}

sb_clamd_link *sb_clamd_pool_take(sb_clamd_peer *peer)
{
	for (;;) {
		sb_clamd_link *link, *old;

		pthread_mutex_lock(&peer->lock);
		old = cut_old(peer, sb_clamd_now());
		link = peer->idle;
		if (link != NULL)
			peer->idle = link->next;
		pthread_mutex_unlock(&peer->lock);
		close_list(old);
		if (link == NULL || quiet(link))
			return link;
		sb_clamd_link_close(link);
	}
}

void sb_clamd_pool_give(sb_clamd_peer *peer, sb_clamd_link *link)
{
	sb_clamd_link *old;

	if (!link->session || link->requests >= REQUESTS_MAX) {
		sb_clamd_link_close(link);
		return;
	}
	pthread_mutex_lock(&peer->lock);
	/* by the clock under the lock, so that the list stays in order */
	link->idle_since = sb_clamd_now();
	old = cut_old(peer, link->idle_since);
	link->next = peer->idle;
	peer->idle = link;
	pthread_mutex_unlock(&peer->lock);
	close_list(old);
}
