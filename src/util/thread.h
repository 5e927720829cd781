/* SPDX-License-Identifier: MIT */
/* Threads of the library: named, all signals blocked, so that an application's handlers and
 * masks never meet one of ours. */
#ifndef SB_UTIL_THREAD_H
#define SB_UTIL_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* This thread may do what takes long. Not so, until they are marked: the threads of applications,
 * whose event loops must go on, and ours that keep time. */
void sb_thread_mark_worker(void);
bool sb_thread_is_worker(void);

/* 0 or an errno. @p name: up to 15 characters. */
int sb_thread_start(pthread_t *out, const char *name, void *(*run)(void *), void *data);

#endif
