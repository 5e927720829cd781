/* SPDX-License-Identifier: MIT */
/* When engines are tested, and what becomes of it; see tester.h. The tests are in check.c. */
#include "scan/tester.h"

#include <stddef.h>
#include <string.h>

#include "scan/call.h"
#include "scan/check.h"
#include "scan/manager_body.h"

enum { MAX_THREADS = 4 };
static const uint64_t period = 15 * 60 * 1000 * SB_MS;

#define OWNER(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

void sb_tester_init(sb_tester *tester)
{
	*tester = (sb_tester){0};
	pthread_mutex_init(&tester->lock, NULL);
}

void sb_tester_done(sb_tester *tester)
{
	pthread_mutex_destroy(&tester->lock);
}

/* --- When ------------------------------------------------------------------------------------ */

static void put(sb_engine *engine)
{
	sb_engine_ref(engine); /* the task's */
	sb_crew_put(engine->manager->testers, &engine->tester.task);
}

static void fired(sb_timer *timer)
{
	sb_engine *engine = OWNER(sb_engine, tester.timer, timer);

	sb_tester_now(engine);
}

void sb_tester_now(sb_engine *engine)
{
	sb_tester *tester = &engine->tester;
	bool begin;

	pthread_mutex_lock(&tester->lock);
	begin = tester->on && !tester->busy;
	tester->again = tester->again || (tester->on && tester->busy);
	tester->busy = tester->busy || begin;
	pthread_mutex_unlock(&tester->lock);
	if (begin)
		put(engine);
}

/* With the lock. One that fires just now does no harm: it begins a test. */
static void arm(sb_engine *engine, uint64_t at)
{
	sb_timers *timers = engine->manager->timers;

	sb_timer_cancel(timers, &engine->tester.timer);
	sb_timer_set(timers, &engine->tester.timer, at, fired);
}

void sb_tester_at(sb_engine *engine, uint64_t at)
{
	pthread_mutex_lock(&engine->tester.lock);
	if (engine->tester.on && !engine->tester.busy)
		arm(engine, at);
	pthread_mutex_unlock(&engine->tester.lock);
}

bool sb_tester_hold(sb_engine *engine, struct sb_call *call)
{
	bool on;

	pthread_mutex_lock(&engine->tester.lock);
	on = engine->tester.on;
	engine->tester.call = call;
	pthread_mutex_unlock(&engine->tester.lock);
	return on;
}

/* --- Testing --------------------------------------------------------------------------------- */

static bool is_on(sb_engine *engine)
{
	bool on;

	pthread_mutex_lock(&engine->tester.lock);
	on = engine->tester.on;
	pthread_mutex_unlock(&engine->tester.lock);
	return on;
}

/* In place of calls, one after the other, until the breaker has made up its mind. True: it is
 * closed. */
static bool probe(sb_engine *engine)
{
	sb_breaker_pass pass;
	sb_error error;

	while (is_on(engine) && sb_breaker_admit_test(engine, &pass)) {
		uint64_t begun = sb_clock_now(engine->manager->clock);

		if (!pass.probe) /* closed: such a pass holds nothing that has to come back */
			return true;
		sb_error_init(&error);
		(void)sb_check_quickly(engine, &error);
		sb_breaker_end_test(engine, pass, &error, begun);
		if (error.kind == SB_KIND_RATE_LIMITED)
			break; /* its quota is used up: nothing was tested */
	}
	return false;
}

static void test_closed(sb_engine *engine)
{
	uint64_t begun = sb_clock_now(engine->manager->clock);
	sb_breaker_pass pass;
	sb_error error;

	if (!is_on(engine) || !sb_breaker_admit_test(engine, &pass))
		return;
	sb_error_init(&error);
	(void)sb_check_wholly(engine, &error);
	sb_breaker_end_test(engine, pass, &error, begun);
}

static void run(sb_task *task)
{
	sb_engine *engine = OWNER(sb_engine, tester.task, task);
	sb_tester *tester = &engine->tester;
	sb_breaker_view view;
	uint64_t now = sb_clock_now(engine->manager->clock);
	bool more;

	sb_breaker_look(engine, now, &view);
	if (view.phase == SB_BREAKER_CLOSED || probe(engine))
		test_closed(engine);
	now = sb_clock_now(engine->manager->clock);
	sb_breaker_look(engine, now, &view);
	pthread_mutex_lock(&tester->lock);
	more = tester->on && tester->again;
	tester->again = false;
	tester->busy = more;
	if (tester->on && !more)
		arm(engine, view.phase == SB_BREAKER_OPEN && view.retry_after_ms > 0
				    ? now + (uint64_t)view.retry_after_ms * SB_MS
				    : now + period);
	pthread_mutex_unlock(&tester->lock);
	if (more)
		put(engine);
	sb_engine_unref(engine);
}

/* --- On and off ------------------------------------------------------------------------------ */

/* One that may overrun its deadline is left to real calls, which can be given up; and one with
 * replicas, as a test can't tell which of them it was. */
static bool can_be_tested(const sb_engine *engine)
{
	return engine->broken.kind == SB_KIND_NONE && strcmp(engine->conf->self_test, "off") != 0 &&
	       (engine->is_inline || (engine->ops->flags & SB_ENGINE_HONOURS_DEADLINE) != 0);
}

int sb_manager_start_tests(sb_manager *manager, sb_error *error)
{
	int status = sb_crew_open(&manager->testers, "sb-tester", MAX_THREADS, error);
	sb_site *site = sb_site_now(manager);

	for (size_t i = 0; status == 0 && i < site->engine_count; i++)
		sb_tester_begin(site->engines[i]);
	sb_site_unref(site);
	return status;
}

void sb_tester_begin(sb_engine *engine)
{
	bool on;

	if (!can_be_tested(engine) || engine->manager->testers == NULL)
		return;
	pthread_mutex_lock(&engine->tester.lock);
	on = engine->tester.on;
	engine->tester.on = true;
	engine->tester.task.run = run;
	pthread_mutex_unlock(&engine->tester.lock);
	if (on)
		return;
	atomic_store(&engine->breakers[0].tested, true);
	sb_tester_now(engine);
}

/* Scans that began with it go on: calls try it again themselves now. */
void sb_tester_end(sb_engine *engine)
{
	sb_tester *tester = &engine->tester;

	atomic_store(&engine->breakers[0].tested, false);
	pthread_mutex_lock(&tester->lock);
	tester->on = false;
	sb_timer_cancel(engine->manager->timers, &tester->timer);
	if (tester->call != NULL)
		sb_call_cancel(tester->call);
	pthread_mutex_unlock(&tester->lock);
}

void sb_tester_stop(sb_manager *manager)
{
	for (size_t i = 0; manager->site != NULL && i < manager->site->engine_count; i++)
		if (manager->site->engines[i]->replica_count > 0)
			sb_tester_end(manager->site->engines[i]);
	sb_crew_close(manager->testers);
	manager->testers = NULL;
}
