/* SPDX-License-Identifier: MIT */
/*
 * Read leases and the thread that hears of their breaks; see lease.h.
 *
 * The kernel tells a break by a signal whose default is to kill the process, so it is sent
 * where it can't: to one thread of ours that blocks it and reads it with sigwaitinfo().
 * Whatever handlers and masks the host application has, they never see it. When the queue of
 * real-time signals is full the kernel falls back to SIGIO, to the same thread: read there
 * too. Either way the keeper looks at every lease it holds, so no signal needs to be trusted
 * to name the right descriptor.
 */
#include "scan/lease.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "util/thread.h"

static int break_signal(void)
{
	return SIGRTMAX - 3;
}

void sb_lease_keeper_init(sb_lease_keeper *keeper)
{
	*keeper = (sb_lease_keeper){.tid = 0};
	pthread_mutex_init(&keeper->lock, NULL);
	pthread_cond_init(&keeper->started, NULL);
}

void sb_lease_keeper_done(sb_lease_keeper *keeper)
{
	if (keeper->tid != 0) {
		atomic_store(&keeper->stop, true);
		pthread_kill(keeper->thread, break_signal());
		pthread_join(keeper->thread, NULL);
	}
	pthread_cond_destroy(&keeper->started);
	pthread_mutex_destroy(&keeper->lock);
}

static void let_go_of_broken(sb_lease_keeper *keeper)
{
	pthread_mutex_lock(&keeper->lock);
	for (sb_lease *lease = keeper->held; lease != NULL; lease = lease->next) {
		/* While a break is pending the kernel reports what it will become. */
		if (atomic_load(&lease->broken) || fcntl(lease->fd, F_GETLEASE) == F_RDLCK)
			continue;
		atomic_store(&lease->broken, true);
		fcntl(lease->fd, F_SETLEASE, F_UNLCK);
	}
	pthread_mutex_unlock(&keeper->lock);
}

static void *keep(void *data)
{
	sb_lease_keeper *keeper = data;
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, break_signal());
	sigaddset(&signals, SIGIO);
	pthread_mutex_lock(&keeper->lock);
	keeper->tid = gettid();
	pthread_cond_broadcast(&keeper->started);
	pthread_mutex_unlock(&keeper->lock);
	while (!atomic_load(&keeper->stop))
		if (sigwaitinfo(&signals, NULL) > 0)
			let_go_of_broken(keeper);
	return NULL;
}

/* With the lock held. */
static bool start(sb_lease_keeper *keeper)
{
	if (keeper->tid != 0)
		return true;
	if (sb_thread_start(&keeper->thread, "sb-lease", keep, keeper) != 0)
		return false;
	while (keeper->tid == 0)
		pthread_cond_wait(&keeper->started, &keeper->lock);
	return true;
}

/* The order matters: owner and signal stand before there is anything to break. */
static bool set_lease(const sb_lease_keeper *keeper, int fd)
{
	struct f_owner_ex owner = {.type = F_OWNER_TID, .pid = keeper->tid};

	return fcntl(fd, F_SETOWN_EX, &owner) == 0 && fcntl(fd, F_SETSIG, break_signal()) == 0 &&
	       fcntl(fd, F_SETLEASE, F_RDLCK) == 0;
}

bool sb_lease_take(sb_lease_keeper *keeper, sb_lease *lease, int fd)
{
	*lease = (sb_lease){.fd = fd};
	pthread_mutex_lock(&keeper->lock);
	/* A break that comes at once waits for the lock and then finds the lease in the list. */
	if (start(keeper) && set_lease(keeper, fd)) {
		lease->taken = true;
		lease->next = keeper->held;
		keeper->held = lease;
	}
	pthread_mutex_unlock(&keeper->lock);
	return lease->taken;
}

void sb_lease_drop(sb_lease_keeper *keeper, sb_lease *lease)
{
	sb_lease **p;

	if (!lease->taken)
		return;
	pthread_mutex_lock(&keeper->lock);
	for (p = &keeper->held; *p != lease; p = &(*p)->next)
		;
	*p = lease->next;
	/* Explicitly: a child forked meanwhile may hold the same open file description. */
	fcntl(lease->fd, F_SETLEASE, F_UNLCK);
	pthread_mutex_unlock(&keeper->lock);
	lease->taken = false;
}

bool sb_lease_intact(const sb_lease *lease)
{
	return lease->taken && !atomic_load(&lease->broken) &&
	       fcntl(lease->fd, F_GETLEASE) == F_RDLCK;
}
