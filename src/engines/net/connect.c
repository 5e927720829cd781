/* SPDX-License-Identifier: MIT */
/*
 * Getting to a service in time. connect() never blocks. Neither does looking up a name:
 * getaddrinfo() has no deadline, so names (not numbers) are looked up by a thread of their own
 * that may be left behind.
 */
#include "engines/net/net.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/error.h"
#include "util/io.h"
#include "util/thread.h"

/* --- Waiting ------------------------------------------------------------------------------ */

uint64_t sb_net_now(void)
{
	return sb_clock_now(sb_clock_system());
}

uint64_t sb_net_deadline(uint64_t ms)
{
	uint64_t now = sb_net_now();

	return ms >= (SB_NEVER - now) / SB_MS ? SB_NEVER : now + ms * SB_MS;
}

sb_net_wait sb_net_within(const sb_net_wait *wait, uint64_t ms)
{
	sb_net_wait shorter = {sb_net_deadline(ms), wait->cancel_fd};

	if (wait->deadline < shorter.deadline)
		shorter.deadline = wait->deadline;
	return shorter;
}

static int ms_left(const sb_net_wait *wait)
{
	uint64_t now, ms;

	if (wait->deadline == SB_NEVER)
		return -1;
	now = sb_net_now();
	if (now >= wait->deadline)
		return 0;
	ms = (wait->deadline - now + SB_MS - 1) / SB_MS;
	return ms < 1000000 ? (int)ms : 1000000;
}

int sb_net_await(const sb_net_wait *wait, int fd, short events, const char *where,
	const char *doing, sb_error *error)
{
	struct pollfd set[2] = {{fd, events, 0}, {wait->cancel_fd, POLLIN, 0}};

	for (;;) {
		int left = ms_left(wait);
		int ready = poll(set, 2, left);

		if (ready < 0 && errno != EINTR)
			return sb_error_set(error, SB_KIND_INTERNAL, errno, "%s: poll", where);
		if (ready > 0 && set[1].revents != 0)
			return sb_error_set(error, SB_KIND_CANCELLED, 0, "%s: cancelled", where);
		if (ready > 0)
			return 0;
		if (left == 0)
			return sb_error_set(error, SB_KIND_TIMEOUT, 0,
				"%s: the time was over while %s", where, doing);
	}
}

/* --- Parsing ------------------------------------------------------------------------------ */

/* 1 to 65535, without a sign and without zeros before it. */
static bool parse_port(const char *text, size_t length, char out[6])
{
	unsigned long number = 0;

	if (length == 0 || length > 5 || text[0] == '0')
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		number = number * 10 + (unsigned long)(text[i] - '0');
	}
	memcpy(out, text, length);
	out[length] = '\0';
	return number <= 65535;
}

const char *sb_net_parse_host(
	const char *text, size_t length, const char *default_port, sb_net_address *out)
{
	const char *colon = memrchr(text, ':', length);
	size_t host = length;

	/* the last colon of a bare IPv6 address in brackets begins no port */
	if (colon != NULL && memchr(colon, ']', length - (size_t)(colon - text)) == NULL)
		host = (size_t)(colon - text);
	else if (default_port == NULL)
		return "the port is missing";
	else
		memcpy(out->port, default_port, strlen(default_port) + 1);
	if (host < length && !parse_port(colon + 1, length - host - 1, out->port))
		return "the port must be a number from 1 to 65535";
	if (host >= 2 && text[0] == '[' && text[host - 1] == ']') {
		text++;
		host -= 2;
	} else if (memchr(text, ':', host) != NULL) {
		return "an IPv6 address stands in brackets";
	}
	if (host == 0 || host >= sizeof out->host)
		return "the host is missing or too long";
	memcpy(out->host, text, host);
	out->host[host] = '\0';
	return NULL;
}

/* --- Looking up --------------------------------------------------------------------------- */

/* Shared by the thread that asks the resolver and the one that waits; the last one frees. */
typedef struct lookup {
	atomic_int holders;
	int done_fd; /* eventfd: readable once `result` is there */
	int status, system_errno;
	struct addrinfo *result;
	char host[256], port[6];
} lookup;

static void lookup_unref(lookup *l)
{
	if (atomic_fetch_sub(&l->holders, 1) != 1)
		return;
	if (l->result != NULL)
		freeaddrinfo(l->result);
	sb_close(&l->done_fd);
	free(l);
}

static const struct addrinfo hints = {
	.ai_family = AF_UNSPEC,
	.ai_socktype = SOCK_STREAM,
	.ai_flags = AI_NUMERICSERV,
};

static void *lookup_run(void *data)
{
	lookup *l = data;

	l->status = getaddrinfo(l->host, l->port, &hints, &l->result);
	l->system_errno = errno;
	if (l->status != 0)
		l->result = NULL;
	eventfd_write(l->done_fd, 1);
	lookup_unref(l);
	return NULL;
}

static int lookup_start(lookup **out, const sb_net_address *address, sb_error *error)
{
	lookup *l = calloc(1, sizeof *l);
	pthread_t thread;
	int status;

	if (l == NULL)
		return sb_error_no_memory(error);
	atomic_init(&l->holders, 2);
	memcpy(l->host, address->host, sizeof l->host);
	memcpy(l->port, address->port, sizeof l->port);
	l->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->done_fd < 0) {
		status = sb_error_set(error, SB_KIND_INTERNAL, errno, "eventfd");
		free(l);
		return status;
	}
	status = sb_thread_start(&thread, "sb-resolve", lookup_run, l);
	if (status != 0) {
		sb_close(&l->done_fd);
		free(l);
		return sb_error_set(error, SB_KIND_INTERNAL, status, "start a thread");
	}
	pthread_detach(thread);
	*out = l;
	return 0;
}

/* All addresses of the name, to be freed with freeaddrinfo(). */
static int resolve(const sb_net_address *address, const sb_net_wait *wait, struct addrinfo **out,
	sb_error *error)
{
	struct addrinfo numeric = hints;
	lookup *l = NULL;
	int status;

	numeric.ai_flags |= AI_NUMERICHOST;
	if (getaddrinfo(address->host, address->port, &numeric, out) == 0)
		return 0;
	status = lookup_start(&l, address, error);
	if (status != 0)
		return status;
	status =
		sb_net_await(wait, l->done_fd, POLLIN, address->text, "looking up its name", error);
	if (status == 0 && l->status != 0) {
		status = sb_error_set(error, SB_KIND_CONNECTION_FAILED,
			l->status == EAI_SYSTEM ? l->system_errno : 0, "%s: look up: %s",
			address->text, gai_strerror(l->status));
	} else if (status == 0) {
		*out = l->result;
		l->result = NULL;
	}
	lookup_unref(l);
	return status;
}

/* --- Connecting --------------------------------------------------------------------------- */

static int connect_failed(const sb_net_address *address, int why, sb_error *error)
{
	return sb_error_set(error, SB_KIND_CONNECTION_FAILED, why, "%s: connect", address->text);
}

/* The queue of a unix socket that is full answers EAGAIN at once and can't be polled. */
static int wait_for_queue(const sb_net_address *address, const sb_net_wait *wait, sb_error *error)
{
	sb_net_wait pause = *wait;
	uint64_t next = sb_net_deadline(10);
	int status;

	if (sb_net_now() >= wait->deadline)
		return sb_error_set(error, SB_KIND_ENGINE_UNAVAILABLE, EAGAIN,
			"%s: connect: its queue of connections stays full", address->text);
	if (next < pause.deadline)
		pause.deadline = next;
	status = sb_net_await(&pause, -1, 0, address->text, "waiting for its queue", error);
	return status == -(int)SB_KIND_TIMEOUT ? 0 : status;
}

static int connect_one(const sb_net_address *address, const struct sockaddr *where,
	socklen_t length, const sb_net_wait *wait, sb_error *error)
{
	int fd = socket(where->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int status = 0, why = 0, on = 1;
	socklen_t size = sizeof why;

	if (fd < 0)
		return sb_error_set(error, SB_KIND_INTERNAL, errno, "%s: socket", address->text);
	while (status == 0 && connect(fd, where, length) != 0) {
		if (errno == EAGAIN) {
			status = wait_for_queue(address, wait, error);
		} else if (errno == EINPROGRESS || errno == EINTR) {
			status =
				sb_net_await(wait, fd, POLLOUT, address->text, "connecting", error);
			if (status == 0)
				getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size);
			if (status == 0 && why != 0)
				status = connect_failed(address, why, error);
			break;
		} else {
			status = connect_failed(address, errno, error);
		}
	}
	if (status != 0) {
		sb_close(&fd);
		return status;
	}
	if (!address->local)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

int sb_net_connect(const sb_net_address *address, const sb_net_wait *wait, sb_error *error)
{
	struct addrinfo *all;
	int status;

	if (address->local)
		return connect_one(address, (const struct sockaddr *)&address->unix_address,
			sizeof address->unix_address, wait, error);
	status = resolve(address, wait, &all, error);
	if (status != 0)
		return status;
	for (const struct addrinfo *one = all; one != NULL; one = one->ai_next) {
		status = connect_one(address, one->ai_addr, one->ai_addrlen, wait, error);
		if (status != -(int)SB_KIND_CONNECTION_FAILED)
			break;
	}
	freeaddrinfo(all);
	return status;
}
