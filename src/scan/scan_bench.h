/* SPDX-License-Identifier: MIT */
/*
 * For tests: a manager with engines that do what a test tells them, and a clock that it turns.
 * One script for all engines of a test; a behaviour may ask its call whose it is.
 */
#ifndef SB_SCAN_SCAN_BENCH_H
#define SB_SCAN_SCAN_BENCH_H

#include <semaphore.h>
#include <stdatomic.h>

#include <scanbridge/scanbridge.h>

#include "scan/manager.h"
#include "util/clock.h"
#include "util/scratch.h"

/* --- What the engines do --------------------------------------------------------------------- */

typedef int (*behaviour)(sb_call *call, unsigned attempt, sb_error *error);

struct script {
	behaviour scan;
	_Atomic(unsigned) attempts, inside, most_inside, streamed;
	_Atomic(uint64_t) at[8]; /* when each attempt began */
	sem_t entered, go;
	sb_clock *clock;
};
extern struct script script;

int scripted_scan(void *state, sb_call *call, sb_error *error);

/* Types `obedient` (honours deadlines), `stubborn` (doesn't), `streaming`, and `ruled`, whose
 * clean is worth less; and one more of a test's own. */
extern const sb_engine_ops obedient, stubborn, streaming, ruled;
extern const sb_engine_ops *bench_extra;

int clean(sb_call *call, unsigned attempt, sb_error *error);
int infected(sb_call *call, unsigned attempt, sb_error *error);
int refused_twice(sb_call *call, unsigned attempt, sb_error *error);
int always_refused(sb_call *call, unsigned attempt, sb_error *error);
int until_go(sb_call *call, unsigned attempt, sb_error *error);
int until_cancelled(sb_call *call, unsigned attempt, sb_error *error);

/* --- A manager for each test ------------------------------------------------------------------ */

struct bench {
	sb_clock *clock;
	sb_manager *manager;
	char dir[SB_SCRATCH_PATH];
};

/* Nothing but that; and one obedient engine `e` besides. */
extern const char bench_no_audit[], bench_one[];

/* 0 or -kind; close_bench() follows in both cases. Answers are not remembered, unless @p yaml has a
 * section `cache`: tests count how often engines are asked. */
int try_bench(struct bench *bench, behaviour scan, const char *yaml, sb_error *error);
void open_bench(struct bench *bench, behaviour scan, const char *yaml);
void close_bench(struct bench *bench);
/* Another manager in its place, in the same folder and by the same clock. */
void reopen_bench(struct bench *bench, const char *yaml);
/* 0 or -kind: another configuration for the same manager. */
int reconfigure_bench(struct bench *bench, const char *yaml, sb_error *error);

/* Scan and wait; fails the test when there is no report. */
sb_report *scan_text(struct bench *bench, const char *text);
sb_job *submit_text(
	struct bench *bench, const char *text, sb_queue *queue, sb_done_fn done, void *data);
/* Turn the clock in steps of @p ns until the job is done. */
sb_report *turn_until_done(struct bench *bench, sb_job *job, uint64_t ns);
/* Wait for the job; frees it. */
sb_report *take(sb_job *job);
/* Both the outcome and the error's kind, or the test fails with the report. */
void expect(const char *why, const sb_report *report, sb_outcome outcome, sb_kind kind);

#endif
