/* SPDX-License-Identifier: MIT */
/*
 * Processes of a pool: the zygote, workers, their beginnings and ends; see pool.h. One thread, the
 * supervisor, hears from the zygote and from the workers' pidfds; everybody else only changes
 * what the lock guards, and waits.
 */
#include "worker/pool_body.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/io.h"
#include "util/text.h"
#include "util/thread.h"
#include "util/uuid.h"
#include "worker/paths.h"

enum {
	RESTART_MS = 1000, /* between attempts to start a zygote */
	CRASH_WINDOW_MS = 60000,
	CRASH_PAUSE_MS = 50, /* between new workers when there were many crashes */
};

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

uint64_t sb_pool_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void ring(sb_pool *pool)
{
	const uint64_t one = 1;

	(void)!write(pool->wake, &one, sizeof one); /* the counter can't overflow */
}

void sb_pool_wait(sb_pool *pool, uint64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	(void)pthread_cond_timedwait(&pool->changed, &pool->lock, &until);
}

/* --- A worker's beginning ------------------------------------------------------------------------
 */

/* Shared memory that nobody can cut short under the other. */
static void *share(int *fd, size_t size, int seals)
{
	void *memory = MAP_FAILED;

	*fd = memfd_create("scanbridge-channel", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd >= 0 && ftruncate(*fd, (off_t)size) == 0)
		memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (memory != MAP_FAILED &&
		fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | seals) == 0)
		return memory;
	if (memory != MAP_FAILED)
		munmap(memory, size);
	sb_close(fd);
	return NULL;
}

static int read_only(int fd)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void clear(sb_worker *worker)
{
	if (worker->contents != NULL)
		munmap(worker->contents, SB_SLOTS * sizeof *worker->contents);
	if (worker->control != NULL)
		munmap(worker->control, sizeof *worker->control);
	sb_close(&worker->pidfd);
	sb_close(&worker->socket);
	*worker = (sb_worker){.pidfd = -1, .socket = -1};
}

static bool order(sb_pool *pool, sb_worker *worker)
{
	int contents = -1, control = -1, pair[2] = {-1, -1}, view;
	bool good;

	/* Our mapping can write; no other ever will. */
	worker->contents =
		share(&contents, SB_SLOTS * sizeof *worker->contents, F_SEAL_FUTURE_WRITE);
	worker->control = share(&control, sizeof *worker->control, 0);
	view = contents >= 0 ? read_only(contents) : -1;
	good = worker->contents != NULL && worker->control != NULL && view >= 0 &&
	       socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0;
	worker->socket = pair[0];
	worker->id = pool->next_id++;
	worker->born = sb_pool_now();
	worker->state = SB_WORKER_STARTING;
	good = good && sb_zygote_order(&pool->zygote, worker->id, view, control, pair[1]);
	sb_close(&contents);
	sb_close(&view);
	sb_close(&control);
	sb_close(&pair[1]);
	return good;
}

/* Many crashes in a short time: somebody is trying something. */
bool sb_pool_pauses(const sb_pool *pool)
{
	uint64_t now = sb_pool_now(), last = 0, first = UINT64_MAX;

	for (size_t i = 0; i < SB_POOL_CRASHES; i++) {
		last = pool->crashes[i] > last ? pool->crashes[i] : last;
		first = pool->crashes[i] < first ? pool->crashes[i] : first;
	}
	return first > 0 && now - first < CRASH_WINDOW_MS && now - last < CRASH_PAUSE_MS;
}

void sb_pool_grow(sb_pool *pool)
{
	if (pool->zygote.control < 0) {
		ring(pool); /* the supervisor starts one */
		return;
	}
	for (size_t i = 0; i < SB_POOL_WORKERS && !sb_pool_pauses(pool); i++) {
		sb_worker *worker = &pool->workers[i];

		if (worker->state != SB_WORKER_NONE)
			continue;
		if (order(pool, worker))
			ring(pool);
		else
			clear(worker);
		return;
	}
}

/* --- Its end ---------------------------------------------------------------------------------- */

static void wake_slot(sb_slot *slot)
{
	syscall(SYS_futex, &slot->state, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

void sb_pool_retire(sb_pool *pool, sb_worker *worker)
{
	(void)pool;
	if (worker->state == SB_WORKER_READY)
		worker->state = SB_WORKER_LEAVING;
	if (worker->state != SB_WORKER_LEAVING || worker->used != 0)
		return;
	atomic_store(&worker->control->quit, 1);
	atomic_fetch_add(&worker->control->doorbell, 1);
	syscall(SYS_futex, &worker->control->doorbell, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void sb_pool_let_go(sb_pool *pool, sb_worker *worker, unsigned slot)
{
	worker->used &= ~(1u << slot);
	worker->alone = false;
	worker->since = sb_pool_now();
	if (worker->state == SB_WORKER_DEAD && worker->used == 0)
		ring(pool);
	else if (worker->state == SB_WORKER_LEAVING)
		sb_pool_retire(pool, worker);
	pthread_cond_broadcast(&pool->changed);
}

void sb_pool_kill(sb_pool *pool, sb_worker *worker)
{
	(void)pool;
	if (worker->state != SB_WORKER_READY && worker->state != SB_WORKER_LEAVING)
		return;
	worker->state = SB_WORKER_LEAVING;
	worker->ended_by_us = true;
	(void)syscall(SYS_pidfd_send_signal, worker->pidfd, SIGKILL, NULL, 0);
}

static void note_crash(sb_pool *pool)
{
	size_t oldest = 0;

	for (size_t i = 1; i < SB_POOL_CRASHES; i++)
		if (pool->crashes[i] < pool->crashes[oldest])
			oldest = i;
	pool->crashes[oldest] = sb_pool_now();
}

void sb_pool_doubt(sb_pool *pool, const sb_worker *worker)
{
	if (pool->doubt == 0 || worker->born < pool->doubt)
		pool->doubt = worker->born;
}

/* The process is gone: nobody else writes to its memory now. @p blameless: its content had no
 * part in it. */
static void mourn(sb_pool *pool, sb_worker *worker, bool blameless)
{
	bool told = atomic_load(&worker->control->quit) != 0;

	if (worker->state == SB_WORKER_DEAD)
		return;
	if (!told && !worker->ended_by_us && !blameless) {
		note_crash(pool);
		sb_pool_doubt(pool, worker);
	}
	worker->state = SB_WORKER_DEAD;
	for (size_t i = 0; i < SB_SLOTS; i++) {
		sb_slot *slot = &worker->control->slots[i];
		uint32_t state = atomic_load(&slot->state);

		if ((worker->used >> i & 1) == 0 || state == SB_SLOT_DONE)
			continue;
		atomic_store(&slot->state,
			state == SB_SLOT_RUNNING && !blameless ? SB_SLOT_CRASHED : SB_SLOT_LOST);
		wake_slot(slot);
	}
	pthread_cond_broadcast(&pool->changed);
}

/* --- The supervisor ------------------------------------------------------------------------------
 */

static sb_worker *by_id(sb_pool *pool, uint32_t id)
{
	for (size_t i = 0; i < SB_POOL_WORKERS; i++)
		if (pool->workers[i].state != SB_WORKER_NONE && pool->workers[i].id == id)
			return &pool->workers[i];
	return NULL;
}

static void bury_all(sb_pool *pool)
{
	for (size_t i = 0; i < SB_POOL_WORKERS; i++) {
		sb_worker *worker = &pool->workers[i];

		if (worker->state == SB_WORKER_DEAD && worker->used == 0 &&
			(worker->known || pool->zygote.control < 0))
			clear(worker);
	}
}

/* The zygote has gone, and its workers with it. */
static void lose_zygote(sb_pool *pool)
{
	for (size_t i = 0; i < SB_POOL_WORKERS; i++) {
		sb_worker *worker = &pool->workers[i];

		if (worker->state == SB_WORKER_STARTING)
			clear(worker);
		else if (worker->state != SB_WORKER_NONE) {
			(void)syscall(SYS_pidfd_send_signal, worker->pidfd, SIGKILL, NULL, 0);
			mourn(pool, worker, true);
		}
	}
	sb_close(&pool->zygote.control);
	pthread_cond_broadcast(&pool->changed);
}

static void hear(sb_pool *pool)
{
	sb_zygote_message word;
	sb_worker *worker;
	int fd;

	if (!sb_zygote_hear(&pool->zygote, &word, &fd)) {
		lose_zygote(pool);
		return;
	}
	worker = by_id(pool, word.id);
	if (worker != NULL && word.word == SB_ZYGOTE_FORKED &&
		worker->state == SB_WORKER_STARTING) {
		if (fd >= 0) {
			worker->pidfd = fd;
			worker->state = SB_WORKER_READY;
			fd = -1;
		} else {
			clear(worker);
		}
	} else if (worker != NULL && word.word == SB_ZYGOTE_ENDED) {
		worker->known = true;
		worker->status = word.status;
		if (worker->state == SB_WORKER_STARTING)
			clear(worker); /* told in this order only when it could not be forked */
		else
			mourn(pool, worker, false);
	}
	sb_close(&fd);
	pthread_cond_broadcast(&pool->changed);
}

/* All that the zygote has said, its end included. */
static void hear_all(sb_pool *pool)
{
	struct pollfd event = {.fd = pool->zygote.control, .events = POLLIN};

	while (pool->zygote.control >= 0 && poll(&event, 1, 0) > 0)
		hear(pool);
}

/* Without the lock: it may take as long as the rules take to compile. */
static void restart(sb_pool *pool)
{
	sb_zygote old = pool->zygote, new = {.control = -1};
	sb_error error;
	int status;

	pthread_mutex_unlock(&pool->lock);
	sb_zygote_stop(&old);
	sb_error_init(&error);
	status = sb_zygote_start(pool, &new, &error);
	pthread_mutex_lock(&pool->lock);
	pool->zygote = new;
	if (status < 0) {
		pool->zygote.guest = old.guest;
		pool->zygote.failure = error;
		pool->zygote.retry_at = sb_pool_now() + RESTART_MS;
	}
	pthread_cond_broadcast(&pool->changed);
}

/* What there is to listen to; index 0 is the wake, 1 the zygote, then workers. */
static size_t listen_to(sb_pool *pool, struct pollfd *events, sb_worker **who)
{
	size_t count = 2;

	events[0] = (struct pollfd){.fd = pool->wake, .events = POLLIN};
	events[1] = (struct pollfd){.fd = pool->zygote.control, .events = POLLIN};
	for (size_t i = 0; i < SB_POOL_WORKERS; i++) {
		sb_worker *worker = &pool->workers[i];

		if (worker->state != SB_WORKER_READY && worker->state != SB_WORKER_LEAVING)
			continue;
		who[count] = worker;
		events[count++] = (struct pollfd){.fd = worker->pidfd, .events = POLLIN};
	}
	return count;
}

static void *supervise(void *data)
{
	sb_pool *pool = data;
	struct pollfd events[2 + SB_POOL_WORKERS];
	sb_worker *who[2 + SB_POOL_WORKERS];
	uint64_t drained;

	pthread_mutex_lock(&pool->lock);
	while (!pool->closing) {
		size_t count = listen_to(pool, events, who);

		pthread_mutex_unlock(&pool->lock);
		(void)poll(events, count, -1);
		pthread_mutex_lock(&pool->lock);
		if (events[0].revents != 0)
			(void)!read(pool->wake, &drained, sizeof drained);
		/* Deaths last: the zygote tells of them, and workers die with it, so it must be
		 * heard first, also when poll() saw the worker and not yet the zygote. */
		hear_all(pool);
		for (size_t i = 2; i < count; i++)
			if (events[i].revents != 0 && who[i]->state != SB_WORKER_NONE)
				mourn(pool, who[i], false);
		bury_all(pool);
		if (pool->zygote.control < 0 && !pool->closing &&
			sb_pool_now() >= pool->zygote.retry_at)
			restart(pool);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* --- Opening and closing -----------------------------------------------------------------------
 */

static int seal(sb_pool *pool, sb_bundle *bundle, sb_error *error)
{
	const uint64_t usual = 1ull << 30, spare = 256ull << 20;
	sb_bundle_head head = {.sandbox = pool->options.sandbox, .limits = pool->options.limits};
	uint8_t nonce[SB_CANARY_SIZE / 2];

	/* It is compiled with the rules, and kept with them. */
	if (!sb_compiled_secret(&pool->compiled, pool->canary)) {
		sb_random(nonce, sizeof nonce);
		sb_hex(pool->canary, nonce, sizeof nonce);
	}
	memcpy(head.canary, pool->canary, sizeof head.canary);
	head.memory = (pool->options.max_content > 0 ? pool->options.max_content : usual) +
		      2 * pool->options.limits.max_memory + spare;
	pool->bundle = sb_bundle_seal(bundle, &head, error);
	memcpy(pool->identity, bundle->identity, sizeof pool->identity);
	if (pool->bundle < 0)
		return pool->bundle;
	if (bundle->plugin >= 0)
		pool->plugin = fcntl(bundle->plugin, F_DUPFD_CLOEXEC, 0);
	return bundle->plugin < 0 || pool->plugin >= 0
		       ? 0
		       : sb_error_set(error, SB_KIND_IO, errno, "keep the plugin's copy");
}

static int start(sb_pool *pool, sb_bundle *bundle, sb_error *error)
{
	const char *path = sb_worker_path(error);
	char name[80];
	int status;

	if (path == NULL)
		return -SB_KIND_NOT_CONFIGURED;
	snprintf(name, sizeof name, "scanbridge-worker: %.48s", pool->options.name);
	pool->name = strdup(name);
	pool->program = open(path, O_PATH | O_CLOEXEC);
	pool->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pool->name == NULL || pool->program < 0 || pool->wake < 0)
		return sb_error_set(error, SB_KIND_INTERNAL, errno, "open %s", path);
	if (bundle->sources > 0)
		sb_compiled_open(&pool->compiled, pool->options.data_dir);
	pool->options.data_dir = NULL; /* the caller's */
	status = seal(pool, bundle, error);
	if (status == 0)
		status = sb_zygote_start(pool, &pool->zygote, error);
	if (status < 0)
		return status;
	status = sb_thread_start(&pool->supervisor, "sb-pool", supervise, pool);
	if (status != 0)
		return sb_error_set(error, SB_KIND_INTERNAL, status, "start a thread");
	pool->supervised = true;
	return 0;
}

int sb_pool_open(sb_pool **out, sb_bundle *bundle, const sb_pool_options *options, sb_error *error)
{
	sb_pool *pool = calloc(1, sizeof *pool);
	int status;

	if (pool == NULL)
		return sb_error_no_memory(error);
	pool->options = *options;
	if (pool->options.max_workers > SB_POOL_WORKERS)
		pool->options.max_workers = SB_POOL_WORKERS;
	if (pool->options.workers > pool->options.max_workers)
		pool->options.workers = pool->options.max_workers;
	pool->compiled.dir = -1;
	pool->program = pool->bundle = pool->plugin = pool->wake = pool->zygote.control = -1;
	for (size_t i = 0; i < SB_POOL_WORKERS; i++)
		pool->workers[i].pidfd = pool->workers[i].socket = -1;
	pthread_mutex_init(&pool->lock, NULL);
	sb_cond_init(&pool->changed);
	status = start(pool, bundle, error);
	if (status < 0) {
		sb_pool_close(pool);
		return status;
	}
	*out = pool;
	return 0;
}

int sb_pool_open_in(sb_pool **out, const char *name, sb_bundle *bundle,
	const sb_environment *environment, unsigned workers, unsigned recycle, sb_error *error)
{
	const sb_pool_options options = {
		.name = name,
		.data_dir = environment->data_dir,
		.workers = workers > 0 ? workers : environment->cpus,
		.max_workers = environment->concurrency,
		.recycle = recycle,
		.sandbox = environment->isolation_process,
		.max_content = environment->max_content,
		.limits = environment->containers,
	};

	return sb_pool_open(out, bundle, &options, error);
}

void sb_pool_close(sb_pool *pool)
{
	if (pool == NULL)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->closing = true;
	pthread_mutex_unlock(&pool->lock);
	if (pool->supervised) {
		ring(pool);
		pthread_join(pool->supervisor, NULL);
	}
	sb_zygote_stop(&pool->zygote);
	for (size_t i = 0; i < SB_POOL_WORKERS; i++)
		clear(&pool->workers[i]);
	sb_close(&pool->program);
	sb_close(&pool->bundle);
	sb_close(&pool->plugin);
	sb_compiled_close(&pool->compiled);
	sb_close(&pool->wake);
	pthread_cond_destroy(&pool->changed);
	pthread_mutex_destroy(&pool->lock);
	free(pool->name);
	free(pool);
}

/* --- What is known of it ------------------------------------------------------------------------
 */

const char *sb_pool_version(const sb_pool *pool)
{
	return pool->version;
}

const char *sb_pool_identity(const sb_pool *pool)
{
	return pool->identity;
}

const char *sb_pool_canary(const sb_pool *pool)
{
	return pool->canary;
}

uint64_t sb_pool_rules(const sb_pool *pool)
{
	return pool->rules;
}

unsigned sb_pool_alive(sb_pool *pool)
{
	unsigned alive = 0;

	pthread_mutex_lock(&pool->lock);
	for (size_t i = 0; i < SB_POOL_WORKERS; i++)
		alive += pool->workers[i].state == SB_WORKER_READY ||
			 pool->workers[i].state == SB_WORKER_LEAVING;
	pthread_mutex_unlock(&pool->lock);
	return alive;
}

void sb_pool_guest_of(sb_pool *pool, sb_pool_guest *out)
{
	pthread_mutex_lock(&pool->lock);
	*out = pool->zygote.guest;
	pthread_mutex_unlock(&pool->lock);
}
