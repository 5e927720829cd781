/* SPDX-License-Identifier: MIT */
#include "util/thread.h"

#include <signal.h>

static _Thread_local bool is_worker;

void sb_thread_mark_worker(void)
{
	is_worker = true;
}

bool sb_thread_is_worker(void)
{
	return is_worker;
}

int sb_thread_start(pthread_t *out, const char *name, void *(*run)(void *), void *data)
{
	sigset_t all, before;
	int status;

	/* A new thread inherits the mask, so there is no moment in which it is open. */
	sigfillset(&all);
	status = pthread_sigmask(SIG_SETMASK, &all, &before);
	if (status != 0)
		return status;
	status = pthread_create(out, NULL, run, data);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (status == 0)
		pthread_setname_np(*out, name);
	return status;
}
