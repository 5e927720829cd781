/* SPDX-License-Identifier: MIT */
/* The inside of a pool, shared by pool.c (processes) and turn.c (one content's way through). */
#ifndef SB_WORKER_POOL_BODY_H
#define SB_WORKER_POOL_BODY_H

#include <pthread.h>

#include "worker/channel.h"
#include "util/child.h"
#include "worker/compiled.h"
#include "worker/pool.h"

enum { SB_POOL_WORKERS = 64, SB_POOL_CRASHES = 5 };

typedef enum sb_worker_state {
	SB_WORKER_NONE = 0,
	SB_WORKER_STARTING, /* the zygote was asked */
	SB_WORKER_READY,
	SB_WORKER_LEAVING, /* takes no more; told to quit when its slots are empty */
	SB_WORKER_DEAD,    /* its last users look at the remains */
} sb_worker_state;

typedef struct sb_worker {
	sb_worker_state state;
	uint32_t id;
	int pidfd, socket; /* ours of the pair */
	sb_control *control;
	sb_slot_content *contents;
	unsigned used;    /* bit per slot that belongs to a call */
	bool alone;       /* nobody else goes into it before its content is done */
	unsigned served;  /* contents */
	uint64_t since;   /* ms, when the oldest content in it was queued */
	uint64_t born;    /* ms */
	bool known;       /* the zygote has told how it ended: */
	int status;       /* of the wait */
	bool ended_by_us; /* at a deadline, or after doubt */
} sb_worker;

typedef struct sb_zygote {
	sb_child *kept;
	int control; /* -1: none is running */
	sb_pool_guest guest;
	uint64_t retry_at; /* ms, when the last one could not be started */
	sb_error failure;
} sb_zygote;

struct sb_pool {
	sb_pool_options options;
	char *name;
	int program, bundle, plugin; /* descriptors; no plugin: -1 */
	sb_compiled compiled;
	char identity[2 * SB_BLAKE3_SIZE + 1], canary[SB_CANARY_SIZE + 1], version[32];
	uint64_t rules;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	sb_worker workers[SB_POOL_WORKERS];
	sb_zygote zygote;
	uint32_t next_id, next_ticket;
	unsigned alone; /* contents that wait for a worker of their own: first of all */
	bool closing;
	int wake; /* eventfd: the supervisor looks again */
	pthread_t supervisor;
	bool supervised;
	uint64_t crashes[SB_POOL_CRASHES]; /* ms, of the last ones */
	uint64_t doubt; /* ms: what was said since is in doubt, and nobody was told; 0: nothing */
};

uint64_t sb_pool_now(void); /* ms, CLOCK_MONOTONIC_COARSE: to a few of them */

/* All with the lock held. */
/* Ask for one more worker, if there may be one. */
void sb_pool_grow(sb_pool *pool);
/* There may be none for a moment, because many have crashed. */
bool sb_pool_pauses(const sb_pool *pool);
/* A slot is no longer a call's. */
void sb_pool_let_go(sb_pool *pool, sb_worker *worker, unsigned slot);
/* Take no more work; quit when nothing is left. */
void sb_pool_retire(sb_pool *pool, sb_worker *worker);
/* What it has said may be wrong. */
void sb_pool_doubt(sb_pool *pool, const sb_worker *worker);
/* End it now. */
void sb_pool_kill(sb_pool *pool, sb_worker *worker);
/* Wait for a change, at most @p ms. */
void sb_pool_wait(sb_pool *pool, uint64_t ms);

/* zygote_host.c: start one and wait until it is ready; without the lock. */
int sb_zygote_start(sb_pool *pool, sb_zygote *out, sb_error *error);
/* Ask for a worker: its descriptors are sent, and stay the caller's. False: it can't be. */
bool sb_zygote_order(const sb_zygote *zygote, uint32_t id, int contents, int control, int socket);
/* One word of the zygote's; *fd is its descriptor or -1. False: it has ended. */
bool sb_zygote_hear(const sb_zygote *zygote, sb_zygote_message *message, int *fd);
/* Let it end, with all its workers, and wait for that. */
void sb_zygote_stop(sb_zygote *zygote);

#endif
