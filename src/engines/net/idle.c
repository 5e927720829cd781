/* SPDX-License-Identifier: MIT */
/*
 * Idle connections to one service, newest first, so that a quiet time leaves the old ones to
 * expire. Services end connections that are idle for too long (clamd after 30 s); we end them
 * earlier. A connection that became readable while nobody asked anything has ended, or says
 * something that nobody asked for: either way it is closed.
 */
#include <sys/socket.h>

#include "engines/net/net.h"
#include "util/clock.h"

#define IDLE_MAX (15000 * SB_MS)

void sb_net_pool_open(
	sb_net_pool *pool, void (*close)(sb_net_link *link), bool (*quiet)(sb_net_link *link))
{
	pool->idle = NULL;
	pool->close = close;
	pool->quiet = quiet;
	pthread_mutex_init(&pool->lock, NULL);
}

static void close_list(const sb_net_pool *pool, sb_net_link *link)
{
	while (link != NULL) {
		sb_net_link *next = link->next;

		pool->close(link);
		link = next;
	}
}

void sb_net_pool_close(sb_net_pool *pool)
{
	close_list(pool, pool->idle);
	pool->idle = NULL;
	pthread_mutex_destroy(&pool->lock);
}

bool sb_net_quiet(sb_net_link *link)
{
	char byte;

	return recv(link->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0;
}

/* Cut off everything that is idle for too long; as the newest stands first, that is a tail. */
static sb_net_link *cut_old(sb_net_pool *pool, uint64_t now)
{
	sb_net_link **at = &pool->idle, *old;

	while (*at != NULL && now - (*at)->idle_since < IDLE_MAX)
		at = &(*at)->next;
	old = *at;
	*at = NULL;
	return old;
}

sb_net_link *sb_net_pool_take(sb_net_pool *pool)
{
	for (;;) {
		sb_net_link *link, *old;

		pthread_mutex_lock(&pool->lock);
		old = cut_old(pool, sb_net_now());
		link = pool->idle;
		if (link != NULL)
			pool->idle = link->next;
		pthread_mutex_unlock(&pool->lock);
		close_list(pool, old);
		if (link == NULL || pool->quiet(link))
			return link;
		pool->close(link);
	}
}

void sb_net_pool_give(sb_net_pool *pool, sb_net_link *link)
{
	sb_net_link *old;

	pthread_mutex_lock(&pool->lock);
	/* by the clock under the lock, so that the list stays in order */
	link->idle_since = sb_net_now();
	old = cut_old(pool, link->idle_since);
	link->next = pool->idle;
	pool->idle = link;
	pthread_mutex_unlock(&pool->lock);
	close_list(pool, old);
}
