/* SPDX-License-Identifier: MIT */
/*
 * The clamd engine from the inside, bottom up: an address, a link to it (one connection), one
 * request over a link, a pool of idle links per address, and the engine on top.
 *
 *   clamd.c    settings, choice of address and transport, statements, identity
 *   pool.c     idle IDSESSION links, checked before reuse
 *   session.c  one request over one link; knows every way in which it can end
 *   address.c  what `unix:…` and `tcp:…` mean, and connecting in time
 *   canary.c   known answers that show how clamd is configured
 *
 * One request is in flight per link, and a link is closed after any doubt.
 */
#ifndef SB_ENGINES_CLAMD_CLAMD_H
#define SB_ENGINES_CLAMD_CLAMD_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/un.h>

#include <scanbridge/sys/engine.h>

#include "wire/clamd_reply.h"

/* --- Waiting: for a descriptor, until a deadline, unless cancelled ------------------------ */

typedef struct sb_clamd_wait {
	uint64_t deadline; /* ns, CLOCK_MONOTONIC */
	int cancel_fd;     /* -1: can't be cancelled */
} sb_clamd_wait;

uint64_t sb_clamd_now(void);
/* As many ms from now; UINT64_MAX: never. */
uint64_t sb_clamd_deadline(uint64_t ms);
/* 0 when one of @p events (poll) holds for @p fd (-1: just wait), else -timeout or -cancelled.
 * @p doing completes the message "<address>: no answer in time while ...". */
int sb_clamd_await(const sb_clamd_wait *wait, int fd, short events, const char *where,
	const char *doing, sb_error *error);

/* --- Addresses ---------------------------------------------------------------------------- */

typedef struct sb_clamd_address {
	const char *text; /* as configured */
	bool local;       /* a unix socket: descriptors can be passed */
	struct sockaddr_un unix_address;
	char host[256], port[6];
} sb_clamd_address;

/* -not_configured and a message that names @p text when it is no address. */
int sb_clamd_address_parse(const char *text, sb_clamd_address *out, sb_error *error);
/* A connected non-blocking socket, or -kind. All of a name's addresses are tried. */
int sb_clamd_connect(const sb_clamd_address *address, const sb_clamd_wait *wait, sb_error *error);

/* --- Links -------------------------------------------------------------------------------- */

typedef struct sb_clamd_link {
	int fd;
	bool session;      /* IDSESSION: may be used again */
	uint64_t requests; /* answered so far; the next id is one more */
	uint64_t idle_since;
	struct sb_clamd_link *next; /* in the pool */
} sb_clamd_link;

typedef struct sb_clamd_request {
	sb_clamd_command command;
	int fd;        /* FILDES: what to pass */
	sb_call *call; /* INSTREAM: where the bytes come from */
	size_t chunk;  /* INSTREAM: bytes per chunk */
	/* set by sb_clamd_ask() */
	uint64_t sent; /* bytes of the body that went out */
	bool complete; /* all of it, before the reply began */
	bool stale;    /* the link was dead before it answered: a fresh one may work */
} sb_clamd_request;

/*
 * Send one request and collect its reply. 0: a reply is there (or the link ended without one,
 * which the reply says too), to be judged by sb_clamd_reply_judge(reply, request->complete);
 * -kind: timeout, cancelled, or our own side failed.
 */
int sb_clamd_ask(sb_clamd_link *link, const char *where, sb_clamd_request *request,
	const sb_clamd_wait *wait, sb_clamd_reply *reply, sb_error *error);

/* --- One clamd: its address and its idle links --------------------------------------------- */

typedef struct sb_clamd_peer {
	sb_clamd_address address;
	atomic_bool no_descriptors; /* it does not get what we pass: INSTREAM from now on */
	pthread_mutex_t lock;
	sb_clamd_link *idle; /* newest first; under lock */
} sb_clamd_peer;

int sb_clamd_peer_open(sb_clamd_peer *peer, const char *text, sb_error *error);
void sb_clamd_peer_close(sb_clamd_peer *peer);
/* An idle session that still looks alive, or NULL. */
sb_clamd_link *sb_clamd_pool_take(sb_clamd_peer *peer);
/* A fresh link; 0 or -kind. */
int sb_clamd_link_open(sb_clamd_link **out, const sb_clamd_peer *peer, bool session,
	const sb_clamd_wait *wait, sb_error *error);
/* Keep for later. */
void sb_clamd_pool_give(sb_clamd_peer *peer, sb_clamd_link *link);
void sb_clamd_link_close(sb_clamd_link *link);

/* --- Known answers ------------------------------------------------------------------------- */

int sb_clamd_canary(void *state, sb_check *check, sb_error *error);

#endif
