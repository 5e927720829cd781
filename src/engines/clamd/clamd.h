/* SPDX-License-Identifier: MIT */
/*
 * The clamd engine from the inside, bottom up: an address, a link to it (one connection), one
 * request over a link, a pool of idle links per address, and the engine on top.
 *
 *   clamd.c    settings, choice of address and transport, statements, identity
 *   link.c     a clamd, its idle IDSESSION links and links for one request
 *   session.c  one request over one link; knows every way in which it can end
 *   address.c  what `unix:…` and `tcp:…` mean
 *
 * One request is in flight per link, and a link is closed after any doubt.
 */
#ifndef SB_ENGINES_CLAMD_CLAMD_H
#define SB_ENGINES_CLAMD_CLAMD_H

#include <stdatomic.h>

#include <scanbridge/sys/engine.h>

#include "engines/net/net.h"
#include "wire/clamd_reply.h"

/* --- Addresses ---------------------------------------------------------------------------- */

/* -not_configured and a message that names @p text when it is no address. */
int sb_clamd_address_parse(const char *text, sb_net_address *out, sb_error *error);

/* --- Links -------------------------------------------------------------------------------- */

typedef struct sb_clamd_link {
	sb_net_link net; /* requests: the next id is one more */
	bool session;    /* IDSESSION: may be used again */
} sb_clamd_link;

typedef struct sb_clamd_request {
	sb_clamd_command command;
	int fd;         /* FILDES: what to pass */
	sb_call *call;  /* INSTREAM: where the bytes come from */
	size_t chunk;   /* INSTREAM: bytes per chunk */
	bool delivered; /* some of it went out, over whatever link; only ever set */
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
	const sb_net_wait *wait, sb_clamd_reply *reply, sb_error *error);

/* --- One clamd: its address and its idle links --------------------------------------------- */

typedef struct sb_clamd_peer {
	sb_net_address address;
	atomic_bool no_descriptors; /* it does not get what we pass: INSTREAM from now on */
	sb_net_pool pool;
} sb_clamd_peer;

int sb_clamd_peer_open(sb_clamd_peer *peer, const char *text, sb_error *error);
void sb_clamd_peer_close(sb_clamd_peer *peer);
/* An idle session that still looks alive, or NULL. */
sb_clamd_link *sb_clamd_pool_take(sb_clamd_peer *peer);
/* A fresh link; 0 or -kind. */
int sb_clamd_link_open(sb_clamd_link **out, const sb_clamd_peer *peer, bool session,
	const sb_net_wait *wait, sb_error *error);
/* Keep for later. */
void sb_clamd_pool_give(sb_clamd_peer *peer, sb_clamd_link *link);
void sb_clamd_link_close(sb_clamd_link *link);

#endif
