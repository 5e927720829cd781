/* SPDX-License-Identifier: MIT */
/*
 * What engines behind a socket have in common: waiting with a deadline that a cancel ends, getting
 * to an address in time, and keeping idle connections for later.
 *
 *   connect.c  waiting, looking up names, connecting
 *   idle.c     idle connections, checked before they are used again
 *
 * What is said over a connection is each engine's own affair.
 */
#ifndef SB_ENGINES_NET_NET_H
#define SB_ENGINES_NET_NET_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

#include <scanbridge/error.h>

/* --- Waiting: for a descriptor, until a deadline, unless cancelled ------------------------ */

typedef struct sb_net_wait {
	uint64_t deadline; /* ns, CLOCK_MONOTONIC */
	int cancel_fd;     /* -1: can't be cancelled */
} sb_net_wait;

uint64_t sb_net_now(void);
/* As many ms from now; UINT64_MAX: never. */
uint64_t sb_net_deadline(uint64_t ms);
/* The same wait, for @p ms at most. */
sb_net_wait sb_net_within(const sb_net_wait *wait, uint64_t ms);
/* 0 when one of @p events (poll) holds for @p fd (-1: just wait), else -timeout or -cancelled.
 * @p doing completes the message "<address>: no answer in time while ...". */
int sb_net_await(const sb_net_wait *wait, int fd, short events, const char *where,
	const char *doing, sb_error *error);

/* --- Addresses ---------------------------------------------------------------------------- */

typedef struct sb_net_address {
	const char *text; /* as configured */
	bool local;       /* a unix socket: descriptors can be passed */
	struct sockaddr_un unix_address;
	char host[256], port[6];
} sb_net_address;

/* HOST, HOST:PORT, [IPV6] or [IPV6]:PORT into host and port. NULL when all is well, else what is
 * wrong. @p default_port NULL: the port has to be there. */
const char *sb_net_parse_host(
	const char *text, size_t length, const char *default_port, sb_net_address *out);
/* A connected non-blocking socket, or -kind. All of a name's addresses are tried. */
int sb_net_connect(const sb_net_address *address, const sb_net_wait *wait, sb_error *error);

/* --- Idle connections --------------------------------------------------------------------- */

/* The part of an engine's connection that the pool knows: its first member. */
typedef struct sb_net_link {
	int fd;
	uint64_t requests; /* answered so far */
	uint64_t idle_since;
	struct sb_net_link *next;
} sb_net_link;

typedef struct sb_net_pool {
	pthread_mutex_t lock;
	sb_net_link *idle; /* newest first; under lock */
	/* Close and free one, whatever state it is in. */
	void (*close)(sb_net_link *link);
	/* Whether nothing came while nobody asked. */
	bool (*quiet)(sb_net_link *link);
} sb_net_pool;

void sb_net_pool_open(
	sb_net_pool *pool, void (*close)(sb_net_link *link), bool (*quiet)(sb_net_link *link));
void sb_net_pool_close(sb_net_pool *pool);
/* One that still looks alive, or NULL. */
sb_net_link *sb_net_pool_take(sb_net_pool *pool);
/* Keep for later. */
void sb_net_pool_give(sb_net_pool *pool, sb_net_link *link);
/* quiet() of a plain socket. */
bool sb_net_quiet(sb_net_link *link);

#endif
