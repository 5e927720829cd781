/* SPDX-License-Identifier: MIT */
/*
 * One ICAP service: its idle links, no more of them than it allows (Max-Connections), and what it
 * told of itself in answer to OPTIONS, which holds for its Options-TTL (RFC 3507 4.10.2).
 */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "engines/icap/icap.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/io.h"

/* Options without an end hold for this long, and none longer. */
#define TTL_MAX_MS 3600000ull

/* c-icap ends a connection after 100 requests by default; so do we, before it does. */
enum { REQUESTS_MAX = 90 };

static void close_link(sb_net_link *link)
{
	sb_icap_link_close((sb_icap_link *)link);
}

int sb_icap_service_open(sb_icap_service *service, sb_error *error)
{
	service->room_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
	if (service->room_fd < 0)
		return sb_error_set(error, SB_KIND_INTERNAL, errno, "eventfd");
	sb_net_pool_open(&service->pool, close_link, sb_icap_link_quiet);
	pthread_mutex_init(&service->lock, NULL);
	return 0;
}

void sb_icap_service_close(sb_icap_service *service)
{
	sb_net_pool_close(&service->pool);
	pthread_mutex_destroy(&service->lock);
	sb_close(&service->room_fd);
}

/* --- No more connections than it allows ---------------------------------------------------------
 */

static bool try_enter(sb_icap_service *service)
{
	bool room;

	pthread_mutex_lock(&service->lock);
	room = service->options.max_connections == 0 ||
	       service->busy < service->options.max_connections;
	if (room)
		service->busy++;
	else
		service->waiting++;
	pthread_mutex_unlock(&service->lock);
	return room;
}

static int enter(sb_icap_service *service, const sb_net_wait *wait, sb_error *error)
{
	while (!try_enter(service)) {
		eventfd_t one;
		int status = sb_net_await(wait, service->room_fd, POLLIN, service->url.address.text,
			"waiting for one of its connections", error);

		pthread_mutex_lock(&service->lock);
		service->waiting--;
		pthread_mutex_unlock(&service->lock);
		if (status != 0)
			return status;
		eventfd_read(service->room_fd, &one);
	}
	return 0;
}

static void leave(sb_icap_service *service)
{
	pthread_mutex_lock(&service->lock);
	service->busy--;
	if (service->waiting > 0)
		eventfd_write(service->room_fd, 1);
	pthread_mutex_unlock(&service->lock);
}

/* --- Requests
 * -------------------------------------------------------------------------------------- */

/* Connecting, TLS included, has a limit of its own inside the call's deadline. */
static int connect_link(const sb_icap_service *service, const sb_net_wait *wait, sb_icap_link **out,
	sb_error *error)
{
	sb_net_wait connecting = sb_net_within(wait, service->connect_timeout_ms);

	return sb_icap_link_open(out, &service->url, service->tls, &connecting, error);
}

static int ask_over(sb_icap_service *service, sb_icap_exchange *exchange, const sb_net_wait *wait,
	sb_icap_link **out, bool *unreachable, sb_error *error)
{
	sb_icap_link *link =
		service->keep ? (sb_icap_link *)sb_net_pool_take(&service->pool) : NULL;

	for (;;) {
		int status = link == NULL ? connect_link(service, wait, &link, error) : 0;

		*unreachable = status != 0;
		if (status != 0)
			return status;
		exchange->request.close = !service->keep || link->net.requests + 1 >= REQUESTS_MAX;
		status = sb_icap_ask(link, service->url.address.text, exchange, wait, error);
		if (status == 0 && !exchange->stale) {
			*out = link;
			return 0;
		}
		sb_icap_link_close(link);
		link = NULL;
		if (status != 0)
			return status;
	}
}

int sb_icap_service_ask(sb_icap_service *service, sb_icap_exchange *exchange,
	const sb_net_wait *wait, sb_icap_link **link, bool *unreachable, sb_error *error)
{
	int status = enter(service, wait, error);

	*link = NULL;
	*unreachable = false;
	if (status != 0)
		return status;
	exchange->request.url = service->url.text;
	exchange->request.authority = service->url.authority;
	status = ask_over(service, exchange, wait, link, unreachable, error);
	if (status != 0)
		leave(service);
	return status;
}

void sb_icap_service_give(sb_icap_service *service, sb_icap_link *link, bool reusable)
{
	if (reusable && service->keep)
		sb_net_pool_give(&service->pool, &link->net);
	else
		sb_icap_link_close(link);
	leave(service);
}

/* --- OPTIONS
 * ---------------------------------------------------------------------------------------- */

static void keep(sb_icap_service *service, const sb_icap_options *options)
{
	uint64_t ms = options->has_ttl ? options->ttl_s * 1000ull : TTL_MAX_MS;

	pthread_mutex_lock(&service->lock);
	service->options = *options;
	service->options_until = sb_net_deadline(ms < TTL_MAX_MS ? ms : TTL_MAX_MS);
	pthread_mutex_unlock(&service->lock);
}

void sb_icap_service_forget(sb_icap_service *service)
{
	pthread_mutex_lock(&service->lock);
	service->options_until = 0;
	pthread_mutex_unlock(&service->lock);
}

int sb_icap_service_discover(sb_icap_service *service, const sb_net_wait *wait,
	sb_icap_options *out, bool *unreachable, sb_error *error)
{
	sb_icap_exchange exchange = {.request = {.method = SB_ICAP_OPTIONS}};
	sb_icap_link *link;
	const char *why;
	int status = sb_icap_service_ask(service, &exchange, wait, &link, unreachable, error);

	if (status != 0)
		return status;
	if (exchange.verdict.outcome != SB_OUTCOME_CLEAN) {
		status = sb_icap_fail(service->url.address.text, &exchange.verdict, error);
	} else if ((why = sb_icap_options_read(&link->reply, out)) != NULL) {
		status = sb_error_set(
			error, SB_KIND_PROTOCOL_ERROR, 0, "%s: %s", service->url.address.text, why);
	} else {
		keep(service, out);
	}
	sb_icap_service_give(service, link, status == 0 && exchange.reusable);
	return status;
}

int sb_icap_service_options(sb_icap_service *service, const sb_net_wait *wait, sb_icap_options *out,
	bool *unreachable, sb_error *error)
{
	bool holds;

	*unreachable = false;
	pthread_mutex_lock(&service->lock);
	holds = sb_net_now() < service->options_until;
	if (holds)
		*out = service->options;
	pthread_mutex_unlock(&service->lock);
	return holds ? 0 : sb_icap_service_discover(service, wait, out, unreachable, error);
}
