/* SPDX-License-Identifier: MIT */
/*
 * For tests: engines that fail, hang and recover, through the manager. Every engine has a mood, by
 * the first letter of its name; the clock is turned, nobody sleeps.
 */
#ifndef SB_SCAN_MOODS_SCENE_H
#define SB_SCAN_MOODS_SCENE_H

#include "scan/scan_bench.h"

/* The mood of each, and how often it was asked. */
extern _Atomic(char) moods[26];
extern _Atomic(unsigned) asked[26];

/* Engine by engine, `c` for the rest: `c` clean, `i` infected, `k` knows the test file, `H` hangs
 * and minds nothing, `C` hangs until it is cancelled, `F` hangs, then fails; the others are kinds
 * of errors (a table in moods_scene.c). Nobody was asked yet. */
void set_moods(const char *all);
/* What they do. */
int moody(sb_call *call, unsigned attempt, sb_error *error);
/* A manager with these engines; close_bench() ends it. */
void open_moody(struct bench *bench, const char *all, const char *engines);

#define A(more) "  - {name: a, type: obedient, self_test: off, timeout: 10s, " more "}\n"
#define S(more) "  - {name: a, type: stubborn, self_test: off, timeout: 10s, " more "}\n"
#define B(more) "  - {name: b, type: obedient, self_test: off, timeout: 10s, " more "}\n"
/* For tests that turn the clock while threads work: so far that nobody can be late. */
#define L(more) "  - {name: a, type: obedient, self_test: off, timeout: 24h, " more "}\n"
#define LB "  - {name: b, type: obedient, self_test: off, timeout: 24h}\n"
#define ONCE "retry: {attempts: 1}"
#define C "  - {name: c, type: obedient, self_test: off, timeout: 10s, " ONCE "}\n"

sb_report *scan_number(struct bench *bench, unsigned number);
/* Scan, and compare kind (NONE: clean). */
void scan_expect(struct bench *bench, const char *why, sb_kind kind);
void scan_times(struct bench *bench, unsigned times);
/* Ask these engines only, by their letters; NULL: all. */
sb_report *scan_only(struct bench *bench, const char *engines);

void breaker_is(struct bench *bench, const char *engine, const char *state);
uint64_t metric(struct bench *bench, const char *engine, sb_metric which);
void turn(struct bench *bench, uint64_t ms);
/* Open the breaker of `a`, whose mood is bad, and let its probes be due; from then on @p mood. */
void make_half_open(struct bench *bench, const char *mood);
/* Until some engine hangs; or forget those that have. */
void await_entered(void);
void drain_entered(void);

#endif
