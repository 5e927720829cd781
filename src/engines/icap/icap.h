/* SPDX-License-Identifier: MIT */
/*
 * The ICAP engine from the inside, bottom up: a link (one connection, plain or TLS), one request
 * over a link, a service with its idle links and what OPTIONS told of it, and the engine on top.
 *
 *   icap.c      settings, choice of service, statements, identity
 *   service.c   one service: OPTIONS, pool, Max-Connections
 *   exchange.c  one request over one link: sending and listening together
 *   link.c      bytes over a socket, plain or TLS
 *   tls.c       certificates, host names, the handshake
 *   url.c       what `icap://…` means
 *
 * What answers mean is in wire/icap_*.h. One request is in flight per link, and a link is closed
 * after any doubt.
 */
#ifndef SB_ENGINES_ICAP_ICAP_H
#define SB_ENGINES_ICAP_ICAP_H

#include <openssl/ssl.h>

#include <scanbridge/sys/engine.h>

#include "engines/net/net.h"
#include "wire/icap_options.h"
#include "wire/icap_request.h"
#include "wire/icap_verdict.h"

/* --- Addresses ---------------------------------------------------------------------------- */

typedef struct sb_icap_url {
	sb_net_address address;
	bool secure;
	char authority[280]; /* HOST:PORT, IPv6 in brackets */
	char text[1024];     /* as it goes into request lines */
} sb_icap_url;

/* -not_configured and a message that names @p text when it is no such URL. */
int sb_icap_url_parse(const char *text, sb_icap_url *out, sb_error *error);

/* --- TLS ---------------------------------------------------------------------------------- */

typedef struct sb_icap_tls sb_icap_tls;

/* @p ca: the certificates to trust, NULL: the system's. Without @p verify anybody is trusted. */
int sb_icap_tls_open(sb_icap_tls **out, const char *ca, bool verify, sb_error *error);
void sb_icap_tls_close(sb_icap_tls *tls);

/* --- Links -------------------------------------------------------------------------------- */

enum { SB_ICAP_CHUNK = 65536 }; /* bytes of content per chunk */

typedef struct sb_icap_link {
	sb_net_link net;
	SSL *tls; /* NULL: plain */
	/* of the request in flight */
	sb_icap_reply reply;
	sb_icap_block message; /* what an unchanged echo begins with */
	char out[SB_ICAP_CHUNK + SB_ICAP_HEADS_MAX + 64];
} sb_icap_link;

/* Connect, and shake hands when @p tls is there; 0 or -kind. */
int sb_icap_link_open(sb_icap_link **out, const sb_icap_url *url, const sb_icap_tls *tls,
	const sb_net_wait *wait, sb_error *error);
void sb_icap_link_close(sb_icap_link *link);
/* The handshake over a connected link. */
int sb_icap_tls_start(const sb_icap_tls *tls, sb_icap_link *link, const sb_icap_url *url,
	const sb_net_wait *wait, sb_error *error);

enum { SB_ICAP_WAIT = -1, SB_ICAP_GONE = -2 };
/* Bytes, never 0; SB_ICAP_WAIT and @p events for poll(); SB_ICAP_GONE: the other side reads no
 * more. */
ssize_t sb_icap_link_send(sb_icap_link *link, const void *data, size_t length, short *events);
/* Bytes, SB_ICAP_WAIT, or SB_ICAP_GONE at the end. */
ssize_t sb_icap_link_receive(sb_icap_link *link, void *data, size_t room, short *events);
bool sb_icap_link_quiet(sb_net_link *link);

/* --- One request -------------------------------------------------------------------------- */

typedef struct sb_icap_exchange {
	sb_icap_request request;
	sb_call *call; /* NULL: OPTIONS */
	/* set by sb_icap_ask() */
	sb_icap_verdict verdict; /* for OPTIONS clean means: status 200 */
	bool stale;              /* the link was dead before it answered: a fresh one may work */
	bool reusable;           /* the link's next reply will begin where it should */
	bool previewed;          /* the verdict is about a preview */
	uint64_t bytes;          /* of the content that went out */
} sb_icap_exchange;

/* 0: there is a verdict, whose texts live in the link; -kind: timeout, cancelled, or our own side
 * failed. */
int sb_icap_ask(sb_icap_link *link, const char *where, sb_icap_exchange *exchange,
	const sb_net_wait *wait, sb_error *error);
/* "WHERE: what the verdict says", and its kind. */
int sb_icap_fail(const char *where, const sb_icap_verdict *verdict, sb_error *error);

/* --- One service -------------------------------------------------------------------------- */

typedef struct sb_icap_service {
	sb_icap_url url;
	const sb_icap_tls *tls; /* NULL: plain */
	bool keep;              /* links, between requests */
	uint64_t connect_timeout_ms;
	sb_net_pool pool;
	pthread_mutex_t lock; /* over what follows */
	uint64_t options_until;
	sb_icap_options options; /* as they were last told */
	unsigned busy, waiting;  /* for links, because of Max-Connections */
	int room_fd;             /* eventfd: one of those that wait may look again */
} sb_icap_service;

/* url, tls, keep and connect_timeout_ms are there. */
int sb_icap_service_open(sb_icap_service *service, sb_error *error);
void sb_icap_service_close(sb_icap_service *service);
/* One request, over an idle link or a fresh one. The link is the caller's, to be given back when
 * the verdict's texts aren't needed any more; NULL when this fails. @p unreachable: no connection
 * came about. */
int sb_icap_service_ask(sb_icap_service *service, sb_icap_exchange *exchange,
	const sb_net_wait *wait, sb_icap_link **link, bool *unreachable, sb_error *error);
void sb_icap_service_give(sb_icap_service *service, sb_icap_link *link, bool reusable);
/* Ask for OPTIONS, and keep them. */
int sb_icap_service_discover(sb_icap_service *service, const sb_net_wait *wait,
	sb_icap_options *out, bool *unreachable, sb_error *error);
/* As kept, if they still hold; else asked for. */
int sb_icap_service_options(sb_icap_service *service, const sb_net_wait *wait, sb_icap_options *out,
	bool *unreachable, sb_error *error);
/* An answer had another ISTag than the options. */
void sb_icap_service_forget(sb_icap_service *service);

#endif
