/* SPDX-License-Identifier: MIT */
/*
 * One configured engine as it runs: its state, its permits, its lane of threads, what is known
 * of its identity and of its last known-answer test.
 */
#ifndef SB_SCAN_ENGINE_H
#define SB_SCAN_ENGINE_H

#include <stdatomic.h>

#include "config/config.h"
#include "scan/gates/breaker.h"
#include "scan/gates/poison.h"
#include "scan/gates/quota.h"
#include "scan/generation.h"
#include "scan/tester.h"
#include "scan/timers.h"

struct sb_call;
struct sb_manager;
struct sb_site;

/*
 * Permits bound how many calls are inside an engine. Whoever finds none waits in a queue
 * ordered by deadline, without a thread, and is handed one by the call that leaves.
 */
typedef struct sb_permits {
	_Atomic(int) free;
	_Atomic(unsigned) waiting;
	_Atomic(int) overrun; /* of those that are out: with calls that were given up */
	pthread_mutex_t lock; /* guards the queue and its calls' `queued`, `has_permit` */
	struct sb_call *queue, *queue_end; /* earliest deadline first */
} sb_permits;

/* Threads of one engine. A call gets here with its permit, so there are never more threads
 * than permits, and a stuck engine holds up nobody but itself. */
typedef struct sb_lane {
	pthread_mutex_t lock; /* guards all of it */
	pthread_cond_t work, ended;
	struct sb_call *first, **last;
	unsigned threads, idle;
	bool stop;
} sb_lane;

/* A known-answer test's stored result, and the identity it stands for. */
typedef struct sb_attested {
	bool known, ok, limits, encrypted, max_size, mail;
	char identity[256];
	char when[25];
} sb_attested;

typedef struct sb_engine {
	_Atomic(unsigned) references;
	sb_task retire_task;
	sb_conf *whole; /* the configuration it was opened with, a reference: `conf` is in it */
	const sb_engine_conf *conf;
	const sb_engine_ops *ops;
	void *state;
	struct sb_manager *manager;
	uint64_t max_size; /* the smaller of configuration's and engine's; 0: none */
	sb_assurance assurance;
	bool is_inline; /* never waits: may run in any thread */
	sb_environment environment;
	sb_breaker *breakers; /* one for each replica; of an engine without them, one */
	size_t replica_count;
	_Atomic(unsigned) turn; /* of replicas that are alike */
	sb_quota quota;
	sb_poison poison;
	sb_tester tester;
	_Atomic(uint64_t) retries, fail_opens, fallbacks; /* for sb_manager_engine_metric() */
	sb_error broken; /* kind NONE, or why it could not be opened: nobody asks it */
	sb_permits permits;
	sb_lane lane;

	uint8_t generation_base[SB_GEN_SIZE]; /* of its generation, all but the identity */
	sb_task identity_task;                /* asks who it is, while calls wait or go on */
	_Atomic(unsigned) identity_changes;   /* how often another one answered */
	pthread_mutex_t identity_lock;        /* guards what follows */
	pthread_mutex_t asking; /* held while the engine is asked; before identity_lock */
	bool identity_known, renewing;
	bool waking;          /* those that waited for it: the next ones stand in line */
	uint64_t identity_at; /* sb_clock_now() of the last question */
	sb_identity identity;
	sb_generation generation;
	struct sb_call *curious;      /* wait for the identity; by `curious_next`, … */
	struct sb_call **curious_end; /* … the last one's, unless there is none */
	sb_attested attested;
} sb_engine;

/* An engine that decides nothing alone, optional or shadow, may fail to open: then 0, and
 * `broken` says why. */
int sb_engine_open(
	sb_engine *engine, struct sb_site *site, const sb_engine_conf *conf, sb_error *error);
/* Of those that judge now, with a reference for the caller; NULL: none is called so. */
sb_engine *sb_engine_named(const struct sb_manager *manager, const char *name);
sb_engine *sb_engine_ref(sb_engine *engine);
/* NULL is fine. The last one lets it be closed by a thread of the manager's. */
void sb_engine_unref(sb_engine *engine);
/* What it wants whoever runs it to know; NULL: nothing. */
const char *sb_engine_note(const sb_engine *engine);
/* Waits for the lane's threads. */
void sb_engine_stop(sb_engine *engine);
void sb_engine_close(sb_engine *engine);

/* Give a call, permit in hand, to the lane. */
void sb_lane_put(sb_engine *engine, struct sb_call *call);

/* --- identity.c ---------------------------------------------------------------------------- */

/* Who would judge now, asked at most every 5 s; the first time callers wait for the answer.
 * False when it isn't known. */
bool sb_engine_identity(sb_engine *engine, uint64_t timeout_ms, sb_identity *out);
/* The same without ever waiting: what was said less than 5 s ago. Where nobody has asked for so
 * long, @p call is woken when there is an answer, and asks again; and while calls keep coming the
 * question is put early, so that none has to wait. */
typedef enum sb_known { SB_KNOWN_NOT = 0, SB_KNOWN, SB_KNOWN_SOON } sb_known;
sb_known sb_engine_generation_for(
	struct sb_call *call, uint64_t now, sb_generation *generation, sb_identity *identity);
/* It doesn't wait any more. */
void sb_engine_stop_waiting(struct sb_call *call);
/* As it was last answered, however long ago. */
bool sb_engine_known(sb_engine *engine, sb_identity *out);
void sb_engine_generation(sb_engine *engine, sb_generation *out);
/* Ask now, whatever is known. 0 or -kind. */
int sb_engine_ask(sb_engine *engine, uint64_t timeout_ms, sb_identity *out, sb_error *error);
/* Are its signatures older than max_signature_age, as far as that is known? */
bool sb_engine_is_stale(const sb_engine *engine, const sb_identity *identity);
/* The identity as one text: what an attestation is bound to. */
void sb_engine_identity_text(
	const sb_engine *engine, const sb_identity *identity, char *out, size_t room);

#endif
