/* SPDX-License-Identifier: MIT */
/* Threads of the library: named, all signals blocked, so that an application's handlers and
 * masks never meet one of ours. */
#ifndef SB_UTIL_THREAD_H
#define SB_UTIL_THREAD_H

#include <pthread.h>

/* 0 or an errno. @p name: up to 15 characters. */
int sb_thread_start(pthread_t *out, const char *name, void *(*run)(void *), void *data);

#endif
