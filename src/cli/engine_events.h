/* SPDX-License-Identifier: MIT */
/* Telling people what happens to engines while others scan: a line each in the log. */
#ifndef SB_CLI_ENGINE_EVENTS_H
#define SB_CLI_ENGINE_EVENTS_H

#include <scanbridge/manager.h>

#include <pthread.h>

typedef struct sb_told {
	pthread_mutex_t lock; /* guards seen; PTHREAD_MUTEX_INITIALIZER */
	uint64_t seen;
} sb_told;

/* All that happened since the last call; from any thread. */
void sb_tell_engine_events(sb_manager *manager, sb_told *told);

#endif
