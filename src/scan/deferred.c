/* SPDX-License-Identifier: MIT */
/*
 * Verdicts that come later: an engine's submit() and poll() in place of its scan(). A ticket is
 * outstanding from the submit() that returned one to the poll() that ends it, and whoever ends the
 * call otherwise has it freed: once, by the thread that drives the call.
 */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "scan/call.h"
#include "scan/manager_body.h"
#include "util/io.h"

#define OWNER(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* What an engine says about when to come back, as a time. */
static uint64_t time_of(const struct sb_call *call, int ms)
{
	return sb_clock_now(call->clock) + (unsigned)ms * SB_MS;
}

int sb_call_ask_deferred(struct sb_call *call, sb_error *error)
{
	const sb_engine_ops *ops = call->engine->ops;
	void *state = call->engine->state, *ticket = call->ticket;
	int status = ticket != NULL ? ops->poll(state, call, ticket, error)
				    : ops->submit(state, call, &ticket, error);

	call->ticket = status > 0 ? ticket : NULL;
	if (status <= 0)
		return status;
	if (ticket == NULL)
		return sb_error_set(error, SB_KIND_INTERNAL, 0,
			"engine %s wants to be asked again, and has nothing to be asked for",
			call->engine->conf->name);
	call->again_at = time_of(call, status);
	return 0;
}

void sb_call_drop_ticket(struct sb_call *call)
{
	sb_result result = call->result;
	sb_error unheard;

	if (call->ticket == NULL)
		return;
	sb_error_init(&unheard);
	call->dropping = true;
	(void)call->engine->ops->poll(call->engine->state, call, call->ticket, &unheard);
	call->dropping = false;
	call->ticket = NULL;
	call->result = result;
	sb_close(&call->fd);
}

/* --- A check waits ---------------------------------------------------------------------------- */

/* By the manager's clock, and by a descriptor, so that a cancel ends it as well. */
struct nap {
	sb_timer timer;
	int fd;
};

static void nap_over(sb_timer *timer)
{
	const uint64_t one = 1;

	/* It can't overflow: the timer is set once. */
	if (write(OWNER(struct nap, timer, timer)->fd, &one, sizeof one) < 0)
		return;
}

static int nap_until(struct sb_call *call, uint64_t at)
{
	sb_timers *timers = call->engine->manager->timers;
	struct nap nap = {.fd = eventfd(0, EFD_CLOEXEC)};
	struct pollfd ends[] = {
		{.fd = nap.fd, .events = POLLIN},
		{.fd = sb_call_cancel_fd(call), .events = POLLIN},
	};
	uint64_t count;

	if (nap.fd < 0)
		return -1;
	sb_timer_set(timers, &nap.timer, at, nap_over);
	while (poll(ends, 2, -1) < 0 && errno == EINTR)
		;
	/* One that is just firing still needs the descriptor. */
	if (!sb_timer_cancel(timers, &nap.timer))
		while (read(nap.fd, &count, sizeof count) < 0 && errno == EINTR)
			;
	sb_close(&nap.fd);
	return 0;
}

void sb_call_run_wholly(struct sb_call *call)
{
	sb_call_run(call);
	while (call->again_at != 0) {
		uint64_t at = call->again_at < call->deadline ? call->again_at : call->deadline;

		if (nap_until(call, at) < 0)
			sb_call_refuse(call, false, SB_KIND_INTERNAL, "no descriptor to wait with");
		else if (atomic_load(&call->cancelled))
			sb_call_refuse(call, true, SB_KIND_CANCELLED, "cancelled");
		else if (sb_clock_now(call->clock) >= call->deadline)
			sb_call_refuse(call, false, SB_KIND_TIMEOUT,
				"no time left before engine %s had its verdict",
				call->engine->conf->name);
		else
			sb_call_run(call);
	}
	sb_call_drop_ticket(call);
}
