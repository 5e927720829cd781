/* SPDX-License-Identifier: MIT */
/*
 * Quotas through the manager: who is let through, who waits, who is told so at once, and what is
 * left of it in another process. The clock is turned, but where real processes share an account.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "scan/call.h"
#include "scan/manager_body.h"
#include "scan/scan_bench.h"

#define SECOND (1000 * SB_MS)
#define MINUTE (61 * SECOND) /* until what was sent is forgotten */
#define DAY (86400 * SECOND)

/* One engine `e`; so much time that only what a test turns makes anybody late. */
#define E(timeout, quota)                                                                          \
	"audit: {enabled: false}\nlimits: {timeout: 30d}\nengines:\n"                              \
	"  - {name: e, type: obedient, self_test: off, timeout: " timeout ", quota: {" quota "}, " \
	"retry: {attempts: 3, initial: 1ms, jitter: false}}\n"

/* --- What is asked of an engine, in its order --------------------------------------------------
 */

static char order[64];
static _Atomic(unsigned) ordered;

/* Clean; notes the first letter of the content. */
static int in_order(sb_call *call, unsigned attempt, sb_error *error)
{
	size_t length;
	const char *content = sb_call_memory(call, &length);

	order[atomic_fetch_add(&ordered, 1) % sizeof order] = content[0];
	return clean(call, attempt, error);
}

static void open_ordered(struct bench *bench, const char *yaml)
{
	memset(order, 0, sizeof order);
	atomic_store(&ordered, 0);
	open_bench(bench, in_order, yaml);
}

static void scan_expect(struct bench *bench, const char *why, sb_kind kind)
{
	static unsigned number;
	char text[32];
	sb_report *report;

	snprintf(text, sizeof text, "content %u", ++number);
	report = scan_text(bench, text);
	expect(why, report, kind == SB_KIND_NONE ? SB_OUTCOME_CLEAN : SB_OUTCOME_ERROR, kind);
	sb_report_free(report);
}

static void scan_limited(struct bench *bench, const char *why, int64_t retry_after_ms)
{
	sb_report *report = scan_text(bench, "one more");
	const sb_error *error = sb_report_error(report);

	expect(why, report, SB_OUTCOME_ERROR, SB_KIND_RATE_LIMITED);
	assert_true(strstr(sb_report_json(report, NULL), "\"abstained\":true") != NULL);
	if (sb_error_retry_after_ms(error) != retry_after_ms)
		fail_msg("%s: in %lld ms (%s)", why, (long long)sb_error_retry_after_ms(error),
			sb_error_message(error));
	sb_report_free(report);
}

static void turn(struct bench *bench, uint64_t ns)
{
	sb_clock_fake_turn(bench->clock, ns);
}

static uint64_t refused(struct bench *bench)
{
	uint64_t value = UINT64_MAX;

	assert_int_equal(
		sb_manager_engine_metric(bench->manager, "e", SB_METRIC_RATE_LIMITED, &value), 0);
	return value;
}

static sb_quota_view look(struct bench *bench)
{
	sb_quota_view view;

	assert_true(sb_quota_look(sb_site_named(bench->manager->site, "e"), &view));
	return view;
}

static unsigned waiting(struct bench *bench)
{
	sb_quota *quota = &sb_site_named(bench->manager->site, "e")->quota;
	unsigned count;

	pthread_mutex_lock(&quota->lock);
	count = quota->waiting;
	pthread_mutex_unlock(&quota->lock);
	return count;
}

/* Submit, and see it in the queue. */
static sb_job *submit_waiting(struct bench *bench, const char *text)
{
	unsigned before = waiting(bench);
	sb_job *job = submit_text(bench, text, NULL, NULL, NULL);

	while (waiting(bench) != before + 1)
		sched_yield();
	return job;
}

/* Just as far as the head of the queue has to wait, and until it is let through. */
static void let_the_next_through(struct bench *bench)
{
	sb_quota *quota = &sb_site_named(bench->manager->site, "e")->quota;
	uint64_t now = sb_clock_now(bench->clock), wall = sb_clock_wall(bench->clock), wait;
	sb_quota_state state;

	while (sem_trywait(&script.entered) == 0)
		; /* of those before */
	pthread_mutex_lock(&quota->lock);
	while (sb_quota_file_begin(&quota->file, &state) != SB_QUOTA_READ)
		;
	sb_quota_catch_up(&state, now, wall);
	wait = sb_quota_wait(&state, &quota->rules, 0, now, wall);
	(void)sb_quota_file_end(&quota->file, NULL);
	pthread_mutex_unlock(&quota->lock);
	turn(bench, wait);
	sem_wait(&script.entered);
}

#define SLOW(timeout)                                                                              \
	"audit: {enabled: false}\nlimits: {timeout: 30d}\nengines:\n"                              \
	"  - {name: e, type: obedient, self_test: off, timeout: " timeout ", concurrency: 1, "     \
	"quota: {per_minute: 2}, retry: {attempts: 1}}\n"

/* --- Let through, or told at once --------------------------------------------------------------
 */

static void a_minute_s_requests_and_no_more(void **unused)
{
	struct bench bench;

	(void)unused;
	open_bench(&bench, clean, E("10s", "per_minute: 2"));
	scan_expect(&bench, "the first", SB_KIND_NONE);
	scan_expect(&bench, "the second", SB_KIND_NONE);
	scan_limited(&bench, "the third", 61000);
	assert_int_equal(atomic_load(&script.attempts), 2);
	assert_int_equal(refused(&bench), 1);
	turn(&bench, MINUTE - 10 * SECOND);
	scan_limited(&bench, "with a deadline that is no later", 10000);
	turn(&bench, 10 * SECOND);
	scan_expect(&bench, "a minute later", SB_KIND_NONE);
	close_bench(&bench);
}

static void a_day_s_requests_until_midnight(void **unused)
{
	struct bench bench;

	(void)unused;
	open_bench(&bench, clean, E("10s", "per_day: 1"));
	scan_expect(&bench, "the first", SB_KIND_NONE);
	scan_limited(&bench, "the clock stands at one second past midnight", 86399000);
	turn(&bench, DAY - SECOND);
	scan_expect(&bench, "the next day", SB_KIND_NONE);
	close_bench(&bench);
}

static void a_clock_that_is_set_neither_helps_nor_locks_out(void **unused)
{
	struct bench bench;

	(void)unused;
	open_bench(&bench, clean, E("10s", "per_minute: 2, per_day: 3"));
	scan_expect(&bench, "the first", SB_KIND_NONE);
	scan_expect(&bench, "the second", SB_KIND_NONE);
	sb_clock_fake_step(bench.clock, (int64_t)(3600 * SECOND));
	scan_limited(&bench, "an hour that never was", 61000);
	sb_clock_fake_step(bench.clock, -(int64_t)(10 * DAY));
	turn(&bench, MINUTE);
	scan_expect(&bench, "ten days back, there is one left", SB_KIND_NONE);
	turn(&bench, MINUTE);
	assert_int_equal(look(&bench).left_today, 0);
	turn(&bench, DAY);
	scan_expect(&bench, "and the next day comes, whatever its date", SB_KIND_NONE);
	close_bench(&bench);
}

/* --- Waiting ------------------------------------------------------------------------------------
 */

static void those_who_wait_go_in_their_order(void **unused)
{
	static const char *const texts[] = {"a", "b", "c", "d", "e", "f", "g"};
	enum { COUNT = 7 };
	sb_job *jobs[COUNT];
	struct bench bench;

	(void)unused;
	open_ordered(&bench, SLOW("24h"));
	scan_expect(&bench, "one", SB_KIND_NONE);
	scan_expect(&bench, "two", SB_KIND_NONE);
	for (unsigned i = 0; i < COUNT; i++)
		jobs[i] = submit_waiting(&bench, texts[i]);
	/* The first two, then two a minute. */
	for (unsigned i = 0; i < COUNT; i += 2) {
		let_the_next_through(&bench);
		sb_report_free(take(jobs[i]));
		if (i + 1 < COUNT)
			sb_report_free(take(jobs[i + 1]));
		assert_int_equal(sb_clock_now(bench.clock), SECOND + (i / 2 + 1) * MINUTE);
	}
	if (strcmp(order, "ccabcdefg") != 0)
		fail_msg("%s", order);
	assert_int_equal(refused(&bench), 0);
	close_bench(&bench);
}

/* Its turn would come in two minutes, and it has 90 s: it isn't kept waiting for that. */
static void whose_turn_comes_too_late_is_told_at_once(void **unused)
{
	struct bench bench;
	sb_job *first, *second;

	(void)unused;
	open_bench(&bench, clean, E("90s", "per_minute: 2"));
	scan_expect(&bench, "one", SB_KIND_NONE);
	scan_expect(&bench, "two", SB_KIND_NONE);
	first = submit_waiting(&bench, "a");
	second = submit_waiting(&bench, "b");
	scan_limited(&bench, "behind them", 2 * 61000);
	let_the_next_through(&bench);
	sb_report_free(take(first));
	sb_report_free(take(second));
	assert_int_equal(atomic_load(&script.attempts), 4);
	close_bench(&bench);
}

static void one_that_is_cancelled_makes_room(void **unused)
{
	struct bench bench;
	sb_job *jobs[3];
	sb_report *report;

	(void)unused;
	open_ordered(&bench, E("24h", "per_minute: 1"));
	scan_expect(&bench, "one", SB_KIND_NONE);
	jobs[0] = submit_waiting(&bench, "x");
	jobs[1] = submit_waiting(&bench, "y");
	jobs[2] = submit_waiting(&bench, "z");
	sb_job_cancel(jobs[1]);
	sb_job_cancel(jobs[0]);
	for (int i = 0; i < 2; i++) {
		report = take(jobs[i]);
		expect("cancelled", report, SB_OUTCOME_ERROR, SB_KIND_CANCELLED);
		sb_report_free(report);
	}
	let_the_next_through(&bench);
	report = take(jobs[2]);
	expect("the last one", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
	sb_report_free(report);
	if (strcmp(order, "cz") != 0)
		fail_msg("%s", order);
	/* In the minute after the first, not two later. */
	assert_int_equal(sb_clock_now(bench.clock), SECOND + MINUTE);
	close_bench(&bench);
}

/* --- What costs, and what doesn't ---------------------------------------------------------------
 */

static void what_is_remembered_costs_nothing(void **unused)
{
	struct bench bench;

	(void)unused;
	open_bench(&bench, clean, E("10s", "per_minute: 2") "cache: {persistent: false}\n");
	for (int i = 0; i < 5; i++) {
		sb_report *report = scan_text(&bench, "the same again");
		expect("the same", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
		sb_report_free(report);
	}
	assert_int_equal(look(&bench).left_in_minute, 1);
	assert_int_equal(atomic_load(&script.attempts), 1);
	close_bench(&bench);
}

/* Those whose bytes somebody asks about right now, and who wait for his answer. */
static void who_waits_for_another_s_answer_pays_nothing(void **unused)
{
	enum { COUNT = 5 };
	struct bench bench;
	sb_job *jobs[COUNT];

	(void)unused;
	open_bench(&bench, until_go, E("24h", "per_minute: 2") "cache: {persistent: false}\n");
	for (int i = 0; i < COUNT; i++)
		jobs[i] = submit_text(&bench, "the same for all", NULL, NULL, NULL);
	sem_wait(&script.entered);
	sem_post(&script.go);
	for (int i = 0; i < COUNT; i++) {
		sb_report *report = take(jobs[i]);
		expect("the same", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
		sb_report_free(report);
	}
	assert_int_equal(look(&bench).left_in_minute, 1);
	assert_int_equal(atomic_load(&script.attempts), 1);
	close_bench(&bench);
}

static void retries_cost(void **unused)
{
	struct bench bench;
	sb_report *report;

	(void)unused;
	open_bench(&bench, always_refused, E("10h", "per_day: 2"));
	report = turn_until_done(&bench, submit_text(&bench, "x", NULL, NULL, NULL), SB_MS);
	/* The third attempt finds no room: what is told is why it was needed. */
	expect("the cause", report, SB_OUTCOME_ERROR, SB_KIND_CONNECTION_FAILED);
	sb_report_free(report);
	assert_int_equal(atomic_load(&script.attempts), 2);
	assert_int_equal(look(&bench).left_today, 0);
	close_bench(&bench);
}

static void an_open_breaker_costs_nothing(void **unused)
{
	struct bench bench;
	sb_error error;

	(void)unused;
	sb_error_init(&error);
	open_bench(&bench, clean, E("10s", "per_minute: 2, per_day: 7"));
	sb_manager_set_breaker(bench.manager, "e", SB_BREAKER_FORCE_OPEN, &error);
	for (int i = 0; i < 9; i++)
		scan_expect(&bench, "left alone", SB_KIND_CIRCUIT_OPEN);
	assert_int_equal(look(&bench).left_in_minute, 2);
	assert_int_equal(look(&bench).left_today, 7);
	close_bench(&bench);
}

static void who_finds_no_slot_pays_nothing(void **unused)
{
	struct bench bench;
	sb_job *inside, *outside;
	sb_report *report;

	(void)unused;
	open_bench(&bench, until_go, SLOW("24h"));
	inside = submit_text(&bench, "inside", NULL, NULL, NULL);
	sem_wait(&script.entered);
	outside = submit_text(&bench, "outside", NULL, NULL, NULL);
	while (atomic_load(&sb_site_named(bench.manager->site, "e")->permits.waiting) == 0)
		sched_yield();
	assert_int_equal(look(&bench).left_in_minute, 0);
	sb_job_cancel(outside);
	report = take(outside);
	expect("cancelled", report, SB_OUTCOME_ERROR, SB_KIND_CANCELLED);
	sb_report_free(report);
	assert_int_equal(look(&bench).left_in_minute, 1);
	sem_post(&script.go);
	sb_report_free(take(inside));
	close_bench(&bench);
}

/* What counts is when a request is sent, not when its turn to be sent had come. */
static void a_long_wait_for_a_slot_is_booked_anew(void **unused)
{
	struct bench bench;
	sb_job *jobs[2];

	(void)unused;
	open_bench(&bench, until_go, SLOW("24h"));
	jobs[0] = submit_text(&bench, "inside", NULL, NULL, NULL);
	sem_wait(&script.entered);
	jobs[1] = submit_text(&bench, "outside", NULL, NULL, NULL);
	while (atomic_load(&sb_site_named(bench.manager->site, "e")->permits.waiting) == 0)
		sched_yield();
	turn(&bench, 2 * MINUTE);
	assert_int_equal(look(&bench).left_in_minute, 2);
	sem_post(&script.go);
	sb_report_free(take(jobs[0]));
	sem_wait(&script.entered);
	assert_int_equal(look(&bench).left_in_minute, 1);
	sem_post(&script.go);
	sb_report_free(take(jobs[1]));
	close_bench(&bench);
}

/* And where others have sent theirs meanwhile, it goes back to the head of the queue. */
static void who_waited_too_long_for_a_slot_goes_back(void **unused)
{
	struct bench bench;
	sb_engine *engine;
	sb_job *jobs[2];

	(void)unused;
	open_bench(&bench, until_go, SLOW("24h"));
	engine = sb_site_named(bench.manager->site, "e");
	jobs[0] = submit_text(&bench, "inside", NULL, NULL, NULL);
	sem_wait(&script.entered);
	jobs[1] = submit_text(&bench, "outside", NULL, NULL, NULL);
	while (atomic_load(&engine->permits.waiting) == 0)
		sched_yield();
	turn(&bench, 2 * MINUTE);
	assert_int_equal(sb_quota_spend_now(engine, NULL), 0);
	assert_int_equal(sb_quota_spend_now(engine, NULL), 0);
	sem_post(&script.go);
	sb_report_free(take(jobs[0]));
	while (waiting(&bench) == 0)
		sched_yield();
	assert_int_equal(atomic_load(&script.attempts), 1);
	assert_int_equal(atomic_load(&engine->permits.free), 1);
	sem_post(&script.go);
	let_the_next_through(&bench);
	sb_report_free(take(jobs[1]));
	assert_int_equal(atomic_load(&script.attempts), 2);
	assert_int_equal(atomic_load(&engine->permits.free), 1);
	close_bench(&bench);
}

static int twice(sb_call *call, unsigned attempt, sb_error *error)
{
	int status = sb_call_spend(call, error);

	return status < 0 ? status : clean(call, attempt, error);
}

static void an_engine_may_send_more_than_one(void **unused)
{
	struct bench bench;

	(void)unused;
	open_bench(&bench, twice, E("10s", "per_minute: 3"));
	scan_expect(&bench, "two requests", SB_KIND_NONE);
	assert_int_equal(look(&bench).left_in_minute, 1);
	scan_expect(&bench, "one and none", SB_KIND_RATE_LIMITED);
	scan_limited(&bench, "none", 61000);
	assert_int_equal(atomic_load(&script.attempts), 2);
	close_bench(&bench);
}

/* --- The engine's own word -----------------------------------------------------------------------
 */

static _Atomic(int64_t) pause_ms;

/* The first one is told to come back later. */
static int later(sb_call *call, unsigned attempt, sb_error *error)
{
	if (attempt > 0)
		return clean(call, attempt, error);
	sb_error_set(error, SB_KIND_RATE_LIMITED, 0, "429");
	sb_error_set_retry_after_ms(error, atomic_load(&pause_ms));
	return -SB_KIND_RATE_LIMITED;
}

static void a_pause_holds_up_everybody(void **unused)
{
	static const char *const quotas[] = {E("10s", ""), E("10s", "per_minute: 100")};

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		struct bench bench;

		atomic_store(&pause_ms, 300000);
		open_bench(&bench, later, quotas[i]);
		scan_expect(&bench, "asked for quiet", SB_KIND_RATE_LIMITED);
		scan_limited(&bench, "so it is left in peace", 300000);
		turn(&bench, 200 * SECOND);
		scan_limited(&bench, "still", 100000);
		assert_int_equal(atomic_load(&script.attempts), 1);
		turn(&bench, 100 * SECOND);
		scan_expect(&bench, "and asked again", SB_KIND_NONE);
		close_bench(&bench);
	}
}

/* Within their time: the one that was told so, and those that came after it. */
static void who_has_the_time_waits_for_the_pause(void **unused)
{
	struct bench bench;
	sb_job *first, *second;
	sb_report *report;

	(void)unused;
	atomic_store(&pause_ms, 30000);
	open_bench(&bench, later, E("24h", ""));
	first = submit_text(&bench, "a", NULL, NULL, NULL);
	while (!atomic_load(&sb_site_named(bench.manager->site, "e")->quota.watched))
		sched_yield();
	second = submit_waiting(&bench, "b");
	report = turn_until_done(&bench, first, 10 * SB_MS);
	expect("its second attempt", report, SB_OUTCOME_CLEAN, SB_KIND_NONE);
	sb_report_free(report);
	sb_report_free(turn_until_done(&bench, second, 10 * SB_MS));
	assert_int_equal(atomic_load(&script.attempts), 3);
	assert_true(atomic_load(&script.at[1]) >= atomic_load(&script.at[0]) + 30 * SECOND);
	close_bench(&bench);
}

static void a_pause_outlives_the_process(void **unused)
{
	struct bench bench;

	(void)unused;
	atomic_store(&pause_ms, 600000);
	open_bench(&bench, later, E("10s", "per_minute: 100"));
	scan_expect(&bench, "asked for quiet", SB_KIND_RATE_LIMITED);
	reopen_bench(&bench, E("10s", "per_minute: 100"));
	scan_limited(&bench, "left in peace by the next one, too", 600000);
	close_bench(&bench);
}

/* --- On disk -------------------------------------------------------------------------------------
 */

static const char *account(struct bench *bench)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/quota.e", bench->dir);
	return path;
}

static void the_next_process_knows(void **unused)
{
	struct bench bench;
	struct stat st;
	mode_t before = umask(0);

	(void)unused;
	open_bench(&bench, clean, E("10s", "per_minute: 2, per_day: 3"));
	umask(before);
	scan_expect(&bench, "one", SB_KIND_NONE);
	scan_expect(&bench, "two", SB_KIND_NONE);
	reopen_bench(&bench, E("10s", "per_minute: 2, per_day: 3"));
	scan_limited(&bench, "three", 61000);
	turn(&bench, MINUTE);
	scan_expect(&bench, "three, a minute later", SB_KIND_NONE);
	reopen_bench(&bench, E("10s", "per_minute: 2, per_day: 3"));
	turn(&bench, MINUTE);
	scan_limited(&bench, "and four, tomorrow", 86399000 - 2 * 61000);
	assert_int_equal(stat(account(&bench), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(st.st_size <= 1024);
	close_bench(&bench);
}

/* Its clock begins at nothing again. */
static void the_machine_s_next_start_knows(void **unused)
{
	sb_clock *clock;
	struct bench bench;

	(void)unused;
	open_bench(&bench, clean, E("10s", "per_minute: 1, per_day: 9"));
	turn(&bench, 3600 * SECOND);
	scan_expect(&bench, "one", SB_KIND_NONE);
	clock = bench.clock;
	bench.clock = sb_clock_fake_new(); /* at one second */
	script.clock = bench.clock;
	reopen_bench(&bench, E("10s", "per_minute: 1, per_day: 9"));
	sb_clock_fake_free(clock);
	scan_limited(&bench, "in the first minute", 60000);
	turn(&bench, 60 * SECOND);
	scan_expect(&bench, "after it", SB_KIND_NONE);
	assert_int_equal(look(&bench).left_today, 7);
	close_bench(&bench);
}

static void overwrite(struct bench *bench, off_t offset, size_t length)
{
	char rubbish[1024];
	int fd = open(account(bench), O_WRONLY);

	memset(rubbish, 0xa5, sizeof rubbish);
	assert_int_equal(pwrite(fd, rubbish, length, offset), length);
	close(fd);
}

static unsigned quota_events(struct bench *bench)
{
	uint64_t seen = 0;
	sb_engine_event event;
	unsigned count = 0;

	while (sb_manager_event(bench->manager, &seen, &event)) {
		count += event.what == SB_EVENT_QUOTA;
		assert_non_null(strstr(event.message, "quota.e"));
	}
	return count;
}

static void a_damaged_account_counts_as_used_up(void **unused)
{
	static const struct {
		off_t offset, cut; /* cut: the size that is left; -1: as it is */
		size_t length;
	} rows[] = {{0, -1, 848}, {0, -1, 1024}, {0, 1, 0}, {0, 335, 0}};

	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bench bench;

		open_bench(&bench, clean, E("10s", "per_minute: 5, per_day: 5"));
		scan_expect(&bench, "one", SB_KIND_NONE);
		if (rows[i].length > 0)
			overwrite(&bench, rows[i].offset, rows[i].length);
		if (rows[i].cut >= 0)
			assert_int_equal(truncate(account(&bench), rows[i].cut), 0);
		scan_limited(&bench, "nobody knows", 86399000);
		assert_int_equal(quota_events(&bench), 1);
		turn(&bench, DAY - SECOND);
		scan_expect(&bench, "the next day", SB_KIND_NONE);
		assert_int_equal(quota_events(&bench), 1);
		close_bench(&bench);
	}
}

/* Whatever was being written when a process was killed: the slot before it is whole. */
static void half_a_write_takes_one_request(void **unused)
{
	static const off_t slots[] = {0, 512};

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		struct bench bench;

		open_bench(&bench, clean, E("10s", "per_minute: 5, per_day: 5"));
		scan_expect(&bench, "one", SB_KIND_NONE);
		scan_expect(&bench, "two", SB_KIND_NONE);
		overwrite(&bench, slots[i], 100);
		assert_in_range(look(&bench).left_today, 3, 4);
		assert_int_equal(quota_events(&bench), 0);
		close_bench(&bench);
	}
}

static void deleting_it_begins_anew(void **unused)
{
	struct bench bench;

	(void)unused;
	open_bench(&bench, clean, E("10s", "per_minute: 1"));
	scan_expect(&bench, "one", SB_KIND_NONE);
	scan_limited(&bench, "two", 61000);
	assert_int_equal(unlink(account(&bench)), 0);
	scan_expect(&bench, "anew", SB_KIND_NONE);
	scan_limited(&bench, "and that counts", 61000);
	close_bench(&bench);
}

/* Somebody who was stopped with the lock in his hand. */
static void a_lock_that_is_kept_holds_up_no_longer_than_the_deadline(void **unused)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct bench bench;
	sb_report *report;
	int fd;

	(void)unused;
	open_bench(&bench, clean, E("1s", "per_minute: 9"));
	fd = open(account(&bench), O_RDWR);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	report = turn_until_done(&bench, submit_text(&bench, "x", NULL, NULL, NULL), SB_MS);
	expect("no answer from the account", report, SB_OUTCOME_ERROR, SB_KIND_RATE_LIMITED);
	sb_report_free(report);
	assert_int_equal(atomic_load(&script.attempts), 0);
	assert_int_equal(waiting(&bench), 0);
	close(fd);
	scan_expect(&bench, "and then", SB_KIND_NONE);
	close_bench(&bench);
}

static void an_account_that_cannot_be_kept_lets_nobody_through(void **unused)
{
	struct bench bench;
	sb_quota *quota;
	sb_report *report;
	int fd, own;

	(void)unused;
	open_bench(&bench, clean, E("10s", "per_minute: 9"));
	quota = &sb_site_named(bench.manager->site, "e")->quota;
	fd = open(account(&bench), O_RDONLY);
	own = quota->file.fd;
	quota->file.fd = fd;
	report = scan_text(&bench, "x");
	expect("can't be kept", report, SB_OUTCOME_ERROR, SB_KIND_RATE_LIMITED);
	assert_non_null(strstr(sb_error_message(sb_report_error(report)), "quota.e"));
	sb_report_free(report);
	assert_int_equal(atomic_load(&script.attempts), 0);
	quota->file.fd = own;
	close(fd);
	close_bench(&bench);
}

static void what_is_no_file_is_refused(void **unused)
{
	struct bench bench;
	sb_error error;

	(void)unused;
	open_bench(&bench, clean, E("10s", ""));
	assert_int_equal(symlink("/dev/null", account(&bench)), 0);
	sb_manager_free(bench.manager);
	bench.manager = NULL;
	sb_error_init(&error);
	{
		char text[1024];
		sb_config *config = sb_config_new();

		snprintf(text, sizeof text, "data_dir: %s\ncache: {enabled: false}\n%s", bench.dir,
			E("10s", "per_minute: 1"));
		sb_config_register_engine(config, &obedient, &error);
		assert_int_equal(
			sb_config_load_text(config, text, strlen(text), "test", &error), 0);
		assert_int_equal(sb_manager_open_with(&bench.manager, config, bench.clock, &error),
			-SB_KIND_NOT_CONFIGURED);
		sb_config_free(config);
	}
	assert_non_null(strstr(error.message, "quota.e"));
	close_bench(&bench);
}

/* --- Many at once --------------------------------------------------------------------------------
 */

static void threads_share_it(void **unused)
{
	enum { COUNT = 200, LIMIT = 50 };
	struct bench bench;
	sb_job *jobs[COUNT];
	unsigned through = 0;

	(void)unused;
	open_bench(&bench, clean,
		"audit: {enabled: false}\nengines:\n  - {name: e, type: obedient, self_test: off, "
		"timeout: 10s, concurrency: 16, quota: {per_minute: 50}}\n");
	for (int i = 0; i < COUNT; i++) {
		char text[16];
		snprintf(text, sizeof text, "%d", i);
		jobs[i] = submit_text(&bench, text, NULL, NULL, NULL);
	}
	for (int i = 0; i < COUNT; i++) {
		sb_report *report = take(jobs[i]);
		through += sb_report_outcome(report) == SB_OUTCOME_CLEAN;
		sb_report_free(report);
	}
	assert_int_equal(through, LIMIT);
	assert_int_equal(atomic_load(&script.attempts), LIMIT);
	assert_int_equal(refused(&bench), COUNT - LIMIT);
	close_bench(&bench);
}

/* --- Processes -----------------------------------------------------------------------------------
 */

enum { PER_MINUTE = 60, PROCESSES = 8, KILLED = 4 };
static int sent_log;

/* A line in a file that all share: when, by the clock of all. */
static int log_it(sb_call *call, unsigned attempt, sb_error *error)
{
	char line[32];
	struct timespec now;
	int length;

	clock_gettime(CLOCK_MONOTONIC, &now);
	length = snprintf(line, sizeof line, "%012lld.%09ld\n", (long long)now.tv_sec, now.tv_nsec);
	assert_int_equal(write(sent_log, line, (size_t)length), length);
	return clean(call, attempt, error);
}

static const sb_engine_ops logging_ops = {
	.abi = SB_ENGINE_ABI,
	.name = "logging",
	.summary = "writes down when it was asked",
	.assurance = SB_ASSURANCE_ANTIVIRUS,
	.flags = SB_ENGINE_HONOURS_DEADLINE,
	.scan = scripted_scan,
};

/* What each process does: ask until there is no room any more, and after that a while longer. */
static int be_a_process(const char *dir)
{
	char text[1024];
	sb_config *config = sb_config_new();
	sb_manager *manager = NULL;
	sb_error error;

	sb_error_init(&error);
	script.scan = log_it;
	script.clock = sb_clock_system();
	sem_init(&script.entered, 0, 0);
	snprintf(text, sizeof text, "%s/sent", dir);
	sent_log = open(text, O_WRONLY | O_APPEND | O_CLOEXEC);
	snprintf(text, sizeof text,
		"data_dir: %s\naudit: {enabled: false}\ncache: {enabled: false}\nengines: [{name: "
		"e, "
		"type: logging, self_test: off, timeout: 2s, quota: {per_minute: %d}}]\n",
		dir, PER_MINUTE);
	sb_config_register_engine(config, &logging_ops, &error);
	if (sb_config_load_text(config, text, strlen(text), "test", &error) < 0 ||
		sb_manager_open(&manager, config, &error) < 0) {
		fprintf(stderr, "%s\n", sb_error_message(&error));
		return 1;
	}
	for (int i = 0; i < 100; i++) {
		sb_input *input = sb_input_memory(text, (size_t)(i % 200) + 1);
		sb_report *report = NULL;

		if (sb_scan(&report, manager, input, NULL, &error) == 0)
			sb_report_free(report);
		sb_input_free(input);
	}
	sb_manager_free(manager);
	sb_config_free(config);
	return 0;
}

static pid_t start_one(const char *dir)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl("/proc/self/exe", "quota_test", "--process", dir, (char *)NULL);
		_exit(127);
	}
	return pid;
}

/* How many stand in the log; fails when 60 s saw more than there may be. */
static unsigned count_sent(const char *path)
{
	static double at[10000];
	FILE *file = fopen(path, "r");
	unsigned n = 0;

	assert_non_null(file);
	while (n < 10000 && fscanf(file, "%lf", &at[n]) == 1) {
		if (n >= PER_MINUTE)
			assert_true(at[n] - at[n - PER_MINUTE] >= 60);
		n++;
	}
	fclose(file);
	return n;
}

/* Some of them are killed while they are at it: all together never send more than one might. */
static void processes_share_it(void **unused)
{
	char dir[SB_SCRATCH_PATH], path[SB_SCRATCH_PATH + 8];
	unsigned survivors = 0;
	int fd;

	(void)unused;
	assert_true(sb_scratch_make(dir, "quota", false));
	snprintf(path, sizeof path, "%s/sent", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	for (int round = 0; round < 3; round++) {
		pid_t pids[PROCESSES];

		for (int i = 0; i < PROCESSES; i++)
			pids[i] = start_one(dir);
		/* As soon as something was sent they are at it. */
		for (int i = 0; i < KILLED; i++) {
			while (lseek(fd, 0, SEEK_END) == 0)
				sched_yield();
			kill(pids[i], SIGKILL);
		}
		for (int i = 0; i < PROCESSES; i++) {
			int status;

			assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
			survivors += WIFEXITED(status) && WEXITSTATUS(status) == 0;
			if (i >= KILLED)
				assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		}
		count_sent(path);
	}
	assert_true(survivors >= 3 * (PROCESSES - KILLED));
	/* A request is lost where its process was killed before it sent it, and no other. */
	assert_true(count_sent(path) >= PER_MINUTE - 3 * KILLED);
	close(fd);
	sb_scratch_remove(dir);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_minute_s_requests_and_no_more),
		cmocka_unit_test(a_day_s_requests_until_midnight),
		cmocka_unit_test(a_clock_that_is_set_neither_helps_nor_locks_out),
		cmocka_unit_test(those_who_wait_go_in_their_order),
		cmocka_unit_test(whose_turn_comes_too_late_is_told_at_once),
		cmocka_unit_test(one_that_is_cancelled_makes_room),
		cmocka_unit_test(what_is_remembered_costs_nothing),
		cmocka_unit_test(who_waits_for_another_s_answer_pays_nothing),
		cmocka_unit_test(retries_cost),
		cmocka_unit_test(an_open_breaker_costs_nothing),
		cmocka_unit_test(who_finds_no_slot_pays_nothing),
		cmocka_unit_test(a_long_wait_for_a_slot_is_booked_anew),
		cmocka_unit_test(who_waited_too_long_for_a_slot_goes_back),
		cmocka_unit_test(an_engine_may_send_more_than_one),
		cmocka_unit_test(a_pause_holds_up_everybody),
		cmocka_unit_test(who_has_the_time_waits_for_the_pause),
		cmocka_unit_test(a_pause_outlives_the_process),
		cmocka_unit_test(the_next_process_knows),
		cmocka_unit_test(the_machine_s_next_start_knows),
		cmocka_unit_test(a_damaged_account_counts_as_used_up),
		cmocka_unit_test(half_a_write_takes_one_request),
		cmocka_unit_test(deleting_it_begins_anew),
		cmocka_unit_test(a_lock_that_is_kept_holds_up_no_longer_than_the_deadline),
		cmocka_unit_test(an_account_that_cannot_be_kept_lets_nobody_through),
		cmocka_unit_test(what_is_no_file_is_refused),
		cmocka_unit_test(threads_share_it),
		cmocka_unit_test(processes_share_it),
	};

	if (argc == 3 && strcmp(argv[1], "--process") == 0)
		return be_a_process(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
