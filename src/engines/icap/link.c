/* SPDX-License-Identifier: MIT */
/* One connection to an ICAP server: bytes over a socket, plain or through TLS, never blocking. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <openssl/err.h>

#include "engines/icap/icap.h"
#include "util/error.h"
#include "util/io.h"

int sb_icap_link_open(sb_icap_link **out, const sb_icap_url *url, const sb_icap_tls *tls,
	const sb_net_wait *wait, sb_error *error)
{
	sb_icap_link *link = malloc(sizeof *link);
	int status;

	if (link == NULL)
		return sb_error_no_memory(error);
	link->net = (sb_net_link){.fd = -1};
	link->tls = NULL;
	status = link->net.fd = sb_net_connect(&url->address, wait, error);
	if (status >= 0)
		status = tls != NULL ? sb_icap_tls_start(tls, link, url, wait, error) : 0;
	if (status != 0) {
		if (link->net.fd < 0)
			link->net.fd = -1;
		sb_icap_link_close(link);
		return status;
	}
	*out = link;
	return 0;
}

/* Without a farewell: nobody waits for one, and it might block. */
void sb_icap_link_close(sb_icap_link *link)
{
	if (link == NULL)
		return;
	SSL_free(link->tls);
	sb_close(&link->net.fd);
	free(link);
}

/* What an operation of TLS that did not work has to wait for. */
static ssize_t tls_waits(sb_icap_link *link, int result, short *events)
{
	switch (SSL_get_error(link->tls, result)) {
	case SSL_ERROR_WANT_READ:
		*events = POLLIN;
		return SB_ICAP_WAIT;
	case SSL_ERROR_WANT_WRITE:
		*events = POLLOUT;
		return SB_ICAP_WAIT;
	default: /* an orderly end, a cut, or what is no TLS: nothing more comes */
		ERR_clear_error();
		return SB_ICAP_GONE;
	}
}

ssize_t sb_icap_link_send(sb_icap_link *link, const void *data, size_t length, short *events)
{
	ssize_t n;

	*events = POLLOUT;
	if (link->tls != NULL) {
		size_t done = 0;
		int result;

		ERR_clear_error();
		result = SSL_write_ex(link->tls, data, length, &done);
		return result == 1 ? (ssize_t)done : tls_waits(link, result, events);
	}
	do
		n = send(link->net.fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return n;
	return n < 0 && errno == EAGAIN ? SB_ICAP_WAIT : SB_ICAP_GONE;
}

ssize_t sb_icap_link_receive(sb_icap_link *link, void *data, size_t room, short *events)
{
	ssize_t n;

	*events = POLLIN;
	if (link->tls != NULL) {
		size_t done = 0;
		int result;

		ERR_clear_error();
		result = SSL_read_ex(link->tls, data, room, &done);
		return result == 1 ? (ssize_t)done : tls_waits(link, result, events);
	}
	do
		n = recv(link->net.fd, data, room, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return n;
	return n < 0 && errno == EAGAIN ? SB_ICAP_WAIT : SB_ICAP_GONE;
}

/* TLS has a word of its own now and then (tickets, keys): only what it holds for us counts. */
bool sb_icap_link_quiet(sb_net_link *net)
{
	sb_icap_link *link = (sb_icap_link *)net;
	short events;
	char byte;

	return link->tls == NULL ? sb_net_quiet(net)
				 : sb_icap_link_receive(link, &byte, 1, &events) == SB_ICAP_WAIT;
}
