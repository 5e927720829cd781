/* SPDX-License-Identifier: MIT */
/*
 * The host's side: workers of one rule set. A call gets a slot in a worker, an idle one if there
 * is, else a new one, else behind what a worker is doing; it waits for the reply, and owns the
 * clock: a worker that is not done at the deadline is killed.
 *
 * What happens to one content happens to no other: a worker that dies takes the content it was
 * judging with it (`engine_crashed`), those that were queued behind it go to another worker. A
 * content that is queued behind a slow one moves on to a free worker after a short while.
 *
 * Threads: a pool may be used by any number of threads; it has one of its own (and the keeper's,
 * see util/child.h). No process-wide state, no signals.
 */
#ifndef SB_WORKER_POOL_H
#define SB_WORKER_POOL_H

#include "worker/bundle.h"
#include "worker/message.h"

typedef struct sb_pool sb_pool;

typedef struct sb_pool_options {
	const char *name;     /* of the engine, for process names and messages */
	unsigned workers;     /* kept busy side by side before more are started */
	unsigned max_workers; /* started at most, when some are stuck with one content */
	unsigned recycle;     /* contents that one worker judges; 0: any number */
	bool sandbox;
	const char *data_dir; /* where compiled rules are kept; NULL: nowhere */
	unsigned start_ms;    /* that compiling, or a plugin's opening, may take; 0: 5 min */
	uint64_t max_content; /* bytes, the largest content; 0: 1 GiB */
	sb_container_limits limits;
} sb_pool_options;

/* Start the zygote and wait until it has compiled its rules. The bundle is sealed here, and not
 * needed afterwards. Fails with not_configured for rules that don't compile (file and line in the
 * message), engine_unavailable when the program can't be started. */
int sb_pool_open(sb_pool **out, sb_bundle *bundle, const sb_pool_options *options, sb_error *error);
/* The same as the configuration has it. @p workers: 0: one for each processor. */
int sb_pool_open_in(sb_pool **out, const char *name, sb_bundle *bundle,
	const sb_environment *environment, unsigned workers, unsigned recycle, sb_error *error);
/* Ends all its processes and waits until they are gone. NULL is fine. */
void sb_pool_close(sb_pool *pool);

/* Of the zygote. */
const char *sb_pool_version(const sb_pool *pool);  /* the engine's */
const char *sb_pool_identity(const sb_pool *pool); /* the rule set's, 64 digits */
const char *sb_pool_canary(const sb_pool *pool);   /* content that is a detection */
uint64_t sb_pool_rules(const sb_pool *pool);

/* Of a plugin, as it was last opened: a zygote that takes over opens it anew. */
typedef struct sb_pool_guest {
	sb_identity identity;
	uint64_t max_size;
	sb_assurance assurance;
} sb_pool_guest;
void sb_pool_guest_of(sb_pool *pool, sb_pool_guest *out);

/* A reply, in memory of its own. */
typedef struct sb_answer {
	sb_reply reply;
	uint8_t bytes[SB_REPLY_BYTES];
} sb_answer;

/* Let a worker judge the call's content. @p flags: enum sb_request_flags. 0 with @p out filled
 * in; or -kind: timeout, cancelled, engine_crashed, protocol_error, engine_unavailable, or what
 * reading the content failed with. */
int sb_pool_judge(sb_pool *pool, sb_call *call, uint32_t flags, sb_answer *out, sb_error *error);

/* For tests and metrics: processes alive now. */
unsigned sb_pool_alive(sb_pool *pool);

#endif
