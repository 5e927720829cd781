/* SPDX-License-Identifier: MIT */
/*
 * One content's way through a pool: a slot in a worker, the content into it, the wait, the reply;
 * again in another worker when that one is lost before it began, or lets it wait for long.
 */
#include "worker/pool_body.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	PATIENCE_MS = 20, /* behind another content, before a better place is looked for */
	GLANCE_MS = 100,  /* how often a long wait looks at cancel and clock */
	PAUSE_GLANCE_MS = 5,
	DOUBT_MORE_MS = 100, /* by how much two clocks may differ */
	AHEAD = 16,          /* contents before a worker is recycled */
	LOSSES = 3,          /* workers that may end by themselves before they begin */
};

/* Who waited in a worker that died of another content goes into the next one alone: so it can't be
 * taken along again, however many of that kind there are. */
typedef enum place {
	PLACE_ANY,
	PLACE_OTHER, /* not behind somebody else where there may be more workers */
	PLACE_ALONE, /* with nobody before it, and nobody behind */
} place;

typedef struct turn {
	sb_pool *pool;
	sb_call *call;
	uint32_t flags;
	sb_answer *out;
	sb_error *error;
	sb_worker *worker;
	unsigned slot;
	uint64_t queued_at;
} turn;

static sb_slot *slot_of(const turn *t)
{
	return &t->worker->control->slots[t->slot];
}

/* 0, or why it is over. */
static int check_time(const turn *t)
{
	if (sb_call_cancelled(t->call))
		return sb_error_set(t->error, SB_KIND_CANCELLED, 0, "cancelled");
	if (sb_call_remaining_ms(t->call) == 0)
		return sb_error_set(
			t->error, SB_KIND_TIMEOUT, 0, "the worker was not done in time");
	return 0;
}

/* --- A place -------------------------------------------------------------------------------------
 */

static unsigned bits(unsigned set)
{
	return (unsigned)__builtin_popcount(set);
}

/* The ready worker with the fewest contents, if it has room. */
static sb_worker *least_busy(sb_pool *pool, unsigned *coming, unsigned *alive)
{
	sb_worker *best = NULL;

	*coming = *alive = 0;
	for (size_t i = 0; i < SB_POOL_WORKERS; i++) {
		sb_worker *worker = &pool->workers[i];

		*coming += worker->state == SB_WORKER_STARTING;
		*alive += worker->state == SB_WORKER_STARTING || worker->state == SB_WORKER_READY;
		if (worker->state == SB_WORKER_READY && !worker->alone &&
			bits(worker->used) < SB_SLOTS &&
			(best == NULL || bits(worker->used) < bits(best->used)))
			best = worker;
	}
	return best;
}

/* With the lock held: where the content goes now; NULL: nowhere yet. More workers are asked for
 * where that is the better way. */
static sb_worker *choose(sb_pool *pool, place where)
{
	unsigned coming, alive;
	sb_worker *worker = least_busy(pool, &coming, &alive);
	bool stuck =
		worker != NULL && worker->used != 0 && sb_pool_now() - worker->since > PATIENCE_MS;
	bool apart = stuck || where != PLACE_ANY;
	bool can_grow = alive < pool->options.max_workers;
	bool waits = where != PLACE_ALONE && pool->alone > 0;

	if (worker != NULL && worker->used == 0 && !waits)
		return worker;
	if (coming == 0 &&
		(alive < pool->options.workers || (can_grow && (worker == NULL || apart))))
		sb_pool_grow(pool);
	if (waits || where == PLACE_ALONE || (can_grow && apart))
		return NULL;
	return worker;
}

static void take(turn *t, sb_worker *worker, place where)
{
	if (worker->used == 0)
		worker->since = sb_pool_now();
	for (t->slot = 0; (worker->used >> t->slot & 1) != 0;)
		t->slot++;
	worker->used |= 1u << t->slot;
	worker->alone = where == PLACE_ALONE;
	worker->control->slots[t->slot].ticket = t->pool->next_ticket++;
	t->worker = worker;
}

/* With the lock held: until there is a place; NULL: none came, the status says why. */
static sb_worker *await_place(turn *t, place where, int *status)
{
	sb_pool *pool = t->pool;
	sb_worker *worker;

	while ((worker = choose(pool, where)) == NULL && (*status = check_time(t)) == 0) {
		uint64_t left = sb_call_remaining_ms(t->call);
		uint64_t most = sb_pool_pauses(pool) ? PAUSE_GLANCE_MS : GLANCE_MS;

		if (pool->zygote.control < 0 && pool->zygote.failure.kind != SB_KIND_NONE &&
			sb_pool_now() < pool->zygote.retry_at) {
			*status = sb_error_set(t->error, SB_KIND_ENGINE_UNAVAILABLE, 0, "%s",
				pool->zygote.failure.message);
			break;
		}
		sb_pool_wait(pool, left < most ? left : most);
	}
	return worker;
}

static int acquire(turn *t, place where)
{
	sb_pool *pool = t->pool;
	sb_worker *worker;
	int status = 0;

	pthread_mutex_lock(&pool->lock);
	pool->alone += where == PLACE_ALONE;
	worker = await_place(t, where, &status);
	if (where == PLACE_ALONE && --pool->alone == 0)
		pthread_cond_broadcast(&pool->changed); /* the others' turn */
	if (worker != NULL)
		take(t, worker, where);
	pthread_mutex_unlock(&pool->lock);
	return status;
}

/* With the lock held. A worker's successor is asked for while it still judges its last contents:
 * nobody waits for a process to begin. */
static void count_served(turn *t)
{
	sb_pool *pool = t->pool;
	unsigned recycle = pool->options.recycle, served = ++t->worker->served, coming, alive;

	if (recycle > 2 * AHEAD && served == recycle - AHEAD) {
		(void)least_busy(pool, &coming, &alive);
		if (alive < pool->options.max_workers)
			sb_pool_grow(pool);
	}
	if (recycle > 0 && served >= recycle)
		sb_pool_retire(pool, t->worker);
}

/* The slot is no longer ours. */
static void release(turn *t, bool served)
{
	sb_pool *pool = t->pool;

	pthread_mutex_lock(&pool->lock);
	if (served)
		count_served(t);
	if (t->worker->state == SB_WORKER_READY || t->worker->state == SB_WORKER_LEAVING)
		atomic_store(&slot_of(t)->state, SB_SLOT_FREE);
	sb_pool_let_go(pool, t->worker, t->slot);
	pthread_mutex_unlock(&pool->lock);
	t->worker = NULL;
}

static void kill_and_release(turn *t)
{
	pthread_mutex_lock(&t->pool->lock);
	sb_pool_kill(t->pool, t->worker);
	sb_pool_let_go(t->pool, t->worker, t->slot);
	pthread_mutex_unlock(&t->pool->lock);
	t->worker = NULL;
}

/* --- Handing over ------------------------------------------------------------------------------
 */

static int copy_content(const turn *t, uint8_t *out, uint64_t size)
{
	size_t length;
	const void *memory = sb_call_memory(t->call, &length);
	uint64_t at = 0;

	if (memory != NULL) {
		memcpy(out, memory, size);
		return 0;
	}
	while (at < size) {
		int64_t n = sb_call_read(t->call, at, out + at, size - at, t->error);
		if (n < 0)
			return (int)n;
		if (n == 0)
			return sb_error_set(
				t->error, SB_KIND_CHANGED, 0, "the content ended early");
		at += (uint64_t)n;
	}
	return 0;
}

static int send_descriptor(const turn *t)
{
	const sb_handover handover = {.slot = t->slot, .ticket = slot_of(t)->ticket};
	int fd = sb_call_fd(t->call, t->error);
	union {
		char room[CMSG_SPACE(sizeof fd)];
		struct cmsghdr align;
	} space = {{0}};
	struct iovec bytes = {(void *)(uintptr_t)&handover, sizeof handover};
	struct msghdr packet = {.msg_iov = &bytes,
		.msg_iovlen = 1,
		.msg_control = space.room,
		.msg_controllen = sizeof space.room};
	struct cmsghdr *head = &space.align;
	ssize_t n;

	if (fd < 0)
		return -(int)t->error->kind;
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(head), &fd, sizeof fd);
	do
		n = sendmsg(t->worker->socket, &packet, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	/* It reads this socket only for us: full or closed, it is not what it was. */
	return n == sizeof handover ? 0
				    : sb_error_set(t->error, SB_KIND_ENGINE_CRASHED, errno,
					      "the worker took no descriptor");
}

static int submit(turn *t)
{
	sb_slot_content *content = &t->worker->contents[t->slot];
	sb_control *control = t->worker->control;
	uint64_t size = sb_call_size(t->call);
	sb_request request = {.flags = t->flags & ~(uint32_t)SB_REQUEST_DESCRIPTOR,
		.size = size,
		.time_ms = sb_call_remaining_ms(t->call)};
	const char *const *passwords = sb_call_passwords(t->call);
	int status;

	request.name = sb_call_name(t->call, &request.name_length);
	request.name_length = strnlen(request.name, request.name_length);
	while (request.password_count < SB_REQUEST_PASSWORDS &&
		passwords[request.password_count] != NULL) {
		request.passwords[request.password_count] = passwords[request.password_count];
		request.password_count++;
	}
	if (size > SB_SLOT_CONTENT || (size > 0 && (t->flags & SB_REQUEST_DESCRIPTOR) != 0)) {
		request.flags |= SB_REQUEST_DESCRIPTOR;
		status = send_descriptor(t);
	} else {
		status = copy_content(t, content->content, size);
	}
	if (status < 0)
		return status;
	slot_of(t)->request_length =
		(uint32_t)sb_request_write(content->request, sizeof content->request, &request);
	atomic_store(&slot_of(t)->state, SB_SLOT_QUEUED);
	atomic_fetch_add(&control->doorbell, 1);
	if (atomic_load(&control->sleeping) != 0)
		syscall(SYS_futex, &control->doorbell, FUTEX_WAKE, 1, NULL, NULL, 0);
	t->queued_at = sb_pool_now();
	return 0;
}

/* --- Waiting -------------------------------------------------------------------------------------
 */

static void sleep_on(sb_slot *slot, uint32_t state, uint64_t ms)
{
	const struct timespec time = {
		.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};

	syscall(SYS_futex, &slot->state, FUTEX_WAIT, state, &time, NULL, 0);
}

static bool withdraw(const turn *t)
{
	uint32_t queued = SB_SLOT_QUEUED;

	return atomic_compare_exchange_strong(&slot_of(t)->state, &queued, SB_SLOT_WITHDRAWN);
}

/* Is there, or could there be, a worker with nothing to do? */
static bool better_place(const turn *t)
{
	unsigned coming, alive;
	sb_worker *worker;
	bool better;

	pthread_mutex_lock(&t->pool->lock);
	worker = least_busy(t->pool, &coming, &alive);
	better = (worker != NULL && worker->used == 0) || alive < t->pool->options.max_workers;
	pthread_mutex_unlock(&t->pool->lock);
	return better;
}

typedef enum wait_end {
	END_DONE,  /* a reply is there */
	END_MOVE,  /* taken back from the queue: another place */
	END_LOST,  /* the worker is gone, and had not begun */
	END_CRASH, /* the worker died of it */
	END_OVER,  /* no time left, or cancelled: the error says which */
	END_ODD,   /* the slot is in a state that makes no sense */
} wait_end;

static wait_end await(turn *t, int *status)
{
	sb_slot *slot = slot_of(t);

	for (;;) {
		uint32_t state = atomic_load(&slot->state);
		uint64_t left, glance = GLANCE_MS;

		switch (state) {
		case SB_SLOT_DONE:
			return END_DONE;
		case SB_SLOT_LOST:
			return END_LOST;
		case SB_SLOT_CRASHED:
			return END_CRASH;
		case SB_SLOT_QUEUED:
			glance = PATIENCE_MS;
			if (sb_pool_now() - t->queued_at >= PATIENCE_MS && better_place(t) &&
				withdraw(t))
				return END_MOVE;
			break;
		case SB_SLOT_RUNNING:
			break;
		default:
			return END_ODD;
		}
		*status = check_time(t);
		if (*status < 0)
			return END_OVER;
		left = sb_call_remaining_ms(t->call);
		sleep_on(slot, state, left < glance ? left : glance);
	}
}

/* --- What came of it
 * ------------------------------------------------------------------------------ */

static int odd(turn *t, const char *what)
{
	pthread_mutex_lock(&t->pool->lock);
	sb_pool_doubt(t->pool, t->worker);
	pthread_mutex_unlock(&t->pool->lock);
	kill_and_release(t);
	return sb_error_set(
		t->error, SB_KIND_PROTOCOL_ERROR, 0, "the worker %s; it was ended", what);
}

static int take_reply(turn *t)
{
	const sb_slot *slot = slot_of(t);
	/* Read once: the worker can still change it. */
	uint32_t length = *(const volatile uint32_t *)&slot->reply_length;

	if (length == 0 || length > SB_REPLY_BYTES)
		return odd(t, "gave a reply of an impossible length");
	memcpy(t->out->bytes, slot->reply, length);
	if (!sb_reply_read(&t->out->reply, t->out->bytes, length) ||
		t->out->reply.bytes > sb_call_size(t->call))
		return odd(t, "gave a reply that can't be read");
	release(t, true);
	return 0;
}

/* The supervisor hears of a death and of its cause by two ways; the cause may come a little
 * later. */
static int cause_of(turn *t, bool *ours)
{
	int status;

	pthread_mutex_lock(&t->pool->lock);
	for (unsigned i = 0; i < 10 && !t->worker->known && t->pool->zygote.control >= 0; i++)
		sb_pool_wait(t->pool, 20);
	status = t->worker->known ? t->worker->status : -1;
	*ours = t->worker->ended_by_us;
	pthread_mutex_unlock(&t->pool->lock);
	return status;
}

static int crashed(turn *t)
{
	bool ours;
	int status = cause_of(t, &ours);
	char how[128] = "ended";

	if (status >= 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		snprintf(how, sizeof how,
			"was ended by the sandbox: a forbidden system call (SIGSYS)");
	else if (status >= 0 && WIFSIGNALED(status))
		snprintf(how, sizeof how, "died of signal %d (%s)", WTERMSIG(status),
			sigabbrev_np(WTERMSIG(status)) != NULL ? sigabbrev_np(WTERMSIG(status))
							       : "?");
	else if (status >= 0)
		snprintf(how, sizeof how, "ended by itself with status %d", WEXITSTATUS(status));
	release(t, false);
	return sb_error_set(t->error, SB_KIND_ENGINE_CRASHED, 0,
		"the worker %s while it judged this content", how);
}

/* The time is up, or nobody wants to know any more. */
static int give_up(turn *t, int status)
{
	if (withdraw(t))
		release(t, false);
	else
		kill_and_release(t);
	return status;
}

/* Did the worker die by itself, with this content waiting in it? Not when we ended it over another
 * content: that may happen any number of times, until the time is up. */
static bool counts(const turn *t)
{
	bool ours;

	pthread_mutex_lock(&t->pool->lock);
	ours = t->worker->ended_by_us || t->pool->zygote.control < 0;
	pthread_mutex_unlock(&t->pool->lock);
	return !ours;
}

/* One more worker ended by itself that had not begun with this content. 1: again, in another. */
static int lost(const turn *t, unsigned *losses)
{
	if (++*losses <= LOSSES)
		return 1;
	return sb_error_set(t->error, SB_KIND_ENGINE_CRASHED, 0,
		"%u workers ended before they began with this content", *losses);
}

static int lost_in_queue(turn *t, unsigned *losses)
{
	bool counted = counts(t);

	release(t, false);
	return counted ? lost(t, losses) : 1;
}

/* Once through; 1: again, in another place. */
static int once(turn *t, place where, unsigned *losses)
{
	int status = acquire(t, where);

	if (status < 0)
		return status;
	status = submit(t);
	if (status == -(int)SB_KIND_ENGINE_CRASHED) {
		kill_and_release(t);
		return lost(t, losses);
	}
	if (status < 0) {
		release(t, false);
		return status;
	}
	switch (await(t, &status)) {
	case END_DONE:
		return take_reply(t);
	case END_MOVE:
		release(t, false);
		return 1;
	case END_LOST:
		return lost_in_queue(t, losses);
	case END_CRASH:
		return crashed(t);
	case END_OVER:
		return give_up(t, status);
	case END_ODD:
		break;
	}
	return odd(t, "left its slot in an impossible state");
}

/* Some worker ended in an odd way, perhaps while it had nothing to do: whoever comes next tells. */
static void tell_doubt(turn *t)
{
	uint64_t since;

	if ((t->flags & SB_REQUEST_JUST_MIME) != 0)
		return;
	pthread_mutex_lock(&t->pool->lock);
	since = t->pool->doubt;
	t->pool->doubt = 0;
	pthread_mutex_unlock(&t->pool->lock);
	if (since != 0)
		sb_call_doubt(t->call, sb_pool_now() - since + DOUBT_MORE_MS);
}

int sb_pool_judge(sb_pool *pool, sb_call *call, uint32_t flags, sb_answer *out, sb_error *error)
{
	sb_error own;
	turn t = {.pool = pool, .call = call, .flags = flags, .out = out, .error = &own};
	place where = PLACE_ANY;
	unsigned losses = 0;
	int status;

	sb_error_init(&own);
	while ((status = once(&t, where, &losses)) == 1)
		where = losses > 0 ? PLACE_ALONE : PLACE_OTHER;
	tell_doubt(&t);
	if (status < 0)
		sb_error_copy(error, &own);
	return status;
}
