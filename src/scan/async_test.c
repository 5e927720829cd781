/* SPDX-License-Identifier: MIT */
/*
 * Ten thousand scans in flight at once, begun, cancelled and ended by one thread; and a manager's
 * three steps of ending while scans are under way. Public API only, as in an event loop.
 */
#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include <scanbridge/scanbridge.h>
#include <scanbridge/sys/engine.h>

#include "util/scratch.h"

#ifdef __has_feature
#define SB_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SB_SANITIZED 1
#else
#define SB_SANITIZED 0
#endif

/* What a sanitizer makes slow is done with fewer; what is counted in bytes, only without. */
enum { SCANS = SB_SANITIZED ? 1000 : 10000, INSIDE = 16, FEW = 40, PER_SCAN = 12 * 1024 };
/* The cache's database: opened for the first answer that is kept, whoever gave it. */
enum { CACHE_FILES = 3 };

/* --- An engine that holds its answer back until the test opens the gate -------------------------
 */

static struct {
	int fd; /* readable: open */
	_Atomic(unsigned) inside;
} gate;

static void open_gate(void)
{
	const uint64_t one = 1;

	assert_int_equal(write(gate.fd, &one, sizeof one), sizeof one);
}

/* Content that begins with `v` is a virus. */
static int held_scan(void *state, sb_call *call, sb_error *error)
{
	struct pollfd ends[2] = {{.fd = sb_call_cancel_fd(call), .events = POLLIN},
		{.fd = gate.fd, .events = POLLIN}};
	const sb_threat virus = {.name = "Test.Virus", .name_length = 10};
	size_t length;
	const char *bytes = sb_call_memory(call, &length);

	(void)state;
	atomic_fetch_add(&gate.inside, 1);
	while (poll(ends, 2, -1) < 0)
		;
	atomic_fetch_sub(&gate.inside, 1);
	if (sb_call_cancelled(call))
		return sb_error_set(error, SB_KIND_CANCELLED, 0, "told to stop");
	sb_call_cover(call, length, SB_CONTENT_INSPECTED);
	if (length > 0 && bytes[0] == 'v')
		return sb_call_infected(call, &virus, error);
	return sb_call_clean(call, length, SB_CONTENT_INSPECTED, error);
}

static const sb_engine_ops held = {
	.abi = SB_ENGINE_ABI,
	.name = "held",
	.summary = "answers when it is told to",
	.assurance = SB_ASSURANCE_ANTIVIRUS,
	.flags = SB_ENGINE_HONOURS_DEADLINE,
	.scan = held_scan,
};

/* --- A program with an event loop
 * -----------------------------------------------------------------
 */

struct scan {
	sb_job *job;
	struct loop *loop;
	bool virus, cancelled, perhaps; /* perhaps: it may have ended before it was cancelled */
	unsigned ended;
};

struct loop {
	sb_manager *manager;
	sb_queue *queue;
	char dir[SB_SCRATCH_PATH];
	struct scan *scans;
	unsigned count, ended;
};

static const char *const held_engine = "{name: e, type: held, self_test: off, concurrency: 16}";

static void open_limited(
	struct loop *loop, const char *engine, bool audit, unsigned scans, unsigned most)
{
	sb_config *config = sb_config_new();
	sb_error *error = sb_error_new();
	char text[512];

	*loop = (struct loop){
		.queue = sb_queue_new(NULL), .scans = calloc(scans, sizeof *loop->scans)};
	gate.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(sb_scratch_make(loop->dir, "async", false));
	snprintf(text, sizeof text,
		"data_dir: %s\naudit: {enabled: %s, sync: none}\nquarantine: {enabled: false}\n"
		"limits: {max_in_flight: %u, timeout: 1h}\nengines: []\n",
		loop->dir, audit ? "true" : "false", most);
	if (sb_config_register_engine(config, &held, error) < 0 ||
		sb_config_load_text(config, text, strlen(text), "test", error) < 0 ||
		sb_config_add_engine(config, engine, error) < 0 ||
		sb_manager_open(&loop->manager, config, error) < 0)
		fail_msg("%s", sb_error_message(error));
	sb_error_free(error);
	sb_config_free(config);
}

static void open_loop(struct loop *loop, const char *engine, bool audit, unsigned scans)
{
	open_limited(loop, engine, audit, scans, 20000);
}

static void close_loop(struct loop *loop)
{
	sb_manager_free(loop->manager);
	sb_queue_free(loop->queue);
	free(loop->scans);
	close(gate.fd);
	sb_scratch_remove(loop->dir);
}

static bool is(const sb_report *report, sb_outcome outcome, sb_kind kind)
{
	return sb_report_outcome(report) == outcome &&
	       sb_error_kind(sb_report_error(report)) == kind;
}

/* Every scan ends once, as what it has to end as. */
static void on_done(sb_job *job, void *data)
{
	struct scan *scan = data;
	sb_report *report;

	assert_ptr_equal(job, scan->job);
	assert_int_equal(sb_job_take(job, &report, NULL), 0);
	if (scan->cancelled ? !is(report, SB_OUTCOME_ERROR, SB_KIND_CANCELLED) &&
				      !(scan->perhaps && is(report, SB_OUTCOME_CLEAN, SB_KIND_NONE))
			    : !is(report, scan->virus ? SB_OUTCOME_INFECTED : SB_OUTCOME_CLEAN,
				      SB_KIND_NONE))
		fail_msg("%s", sb_report_json(report, NULL));
	sb_report_free(report);
	sb_job_cancel(job); /* too late, whoever it was that is gone by now */
	sb_job_free(job);
	scan->ended++;
	scan->loop->ended++;
}

static int try_submit(struct loop *loop, sb_error *error)
{
	unsigned number = loop->count;
	struct scan *scan = &loop->scans[number];
	char text[32];
	sb_input *input;
	int status;

	*scan = (struct scan){.loop = loop, .virus = number % 25 == 0};
	snprintf(text, sizeof text, "%c%u", scan->virus ? 'v' : 'c', number);
	input = sb_input_memory(text, strlen(text));
	status = sb_submit(
		&scan->job, loop->manager, input, NULL, loop->queue, on_done, scan, error);
	sb_input_free(input);
	loop->count += status == 0;
	return status;
}

static void submit(struct loop *loop)
{
	sb_error *error = sb_error_new();

	if (try_submit(loop, error) < 0)
		fail_msg("%s", sb_error_message(error));
	sb_error_free(error);
}

/* Until so many have ended, and no more are there to be heard of. */
static void dispatch_until(struct loop *loop, unsigned ended)
{
	while (loop->ended < ended) {
		struct pollfd ready = {.fd = sb_queue_fd(loop->queue), .events = POLLIN};

		assert_int_equal(poll(&ready, 1, -1), 1);
		assert_true(sb_dispatch(loop->queue, 100) > 0);
	}
	assert_int_equal(loop->ended, ended);
	assert_int_equal(sb_dispatch(loop->queue, 0), 0);
}

static unsigned entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

struct usage {
	unsigned descriptors, threads;
	size_t bytes;
};

static struct usage usage(void)
{
	struct mallinfo2 info = mallinfo2();

	return (struct usage){
		entries("/proc/self/fd"), entries("/proc/self/task"), info.uordblks + info.hblkhd};
}

/* Nothing is ready before the engine's threads are all inside and everybody else is queued. */
static void wait_inside(struct loop *loop)
{
	for (unsigned i = 0; i < loop->count; i++)
		while (sb_job_state(loop->scans[i].job) == SB_JOB_QUEUED)
			sched_yield();
	while (atomic_load(&gate.inside) < INSIDE)
		sched_yield();
}

static void ten_thousand_at_once(void **unused)
{
	/* The engine's; those that read content; for time, for records, for events; a worker's two;
	 * for quarantine its upkeep and two more. However many scans: no more. */
	unsigned own_threads = INSIDE + 2 * (unsigned)sysconf(_SC_NPROCESSORS_ONLN) + 8;
	struct usage none = usage(), few, many, after;
	struct loop loop;

	(void)unused;
	open_loop(&loop, held_engine, true, SCANS);
	while (loop.count < FEW)
		submit(&loop);
	wait_inside(&loop);
	few = usage();
	while (loop.count < SCANS)
		submit(&loop);
	wait_inside(&loop);
	many = usage();
	for (unsigned i = 0; i < SCANS; i++)
		assert_int_equal(sb_job_state(loop.scans[i].job), SB_JOB_RUNNING);
	assert_int_equal(many.descriptors, few.descriptors);
	assert_true(many.threads <= none.threads + own_threads);
	printf("%u in flight: %zu bytes each\n", SCANS, (many.bytes - few.bytes) / (SCANS - FEW));
	if (!SB_SANITIZED)
		assert_true((many.bytes - few.bytes) / (SCANS - FEW) < PER_SCAN);

	/* Every other one, those inside the engine too. */
	for (unsigned i = 1; i < SCANS; i += 2) {
		loop.scans[i].cancelled = true;
		sb_job_cancel(loop.scans[i].job);
	}
	dispatch_until(&loop, SCANS / 2);
	for (unsigned i = 0; i < SCANS; i++)
		assert_int_equal(loop.scans[i].ended, i % 2);
	open_gate();
	dispatch_until(&loop, SCANS);
	for (unsigned i = 0; i < SCANS; i++)
		assert_int_equal(loop.scans[i].ended, 1);
	after = usage();
	assert_true(after.descriptors <= few.descriptors + CACHE_FILES);
	assert_true(after.threads <= none.threads + own_threads);
	close_loop(&loop);
}

static void with_a_slow_engine(void **unused)
{
	struct loop loop;
	unsigned cancelled = 0;

	(void)unused;
	open_loop(&loop, "{name: e, type: mock, self_test: off, latency: 5ms, concurrency: 64}",
		false, SCANS);
	while (loop.count < SCANS)
		submit(&loop);
	for (unsigned i = 0; i < SCANS; i++) {
		loop.scans[i].virus = false; /* this engine finds nothing */
		loop.scans[i].cancelled = loop.scans[i].perhaps = i % 2 == 1;
		if (i % 2 == 1) {
			cancelled += sb_job_state(loop.scans[i].job) != SB_JOB_DONE;
			sb_job_cancel(loop.scans[i].job);
		}
	}
	assert_true(cancelled > 0);
	dispatch_until(&loop, SCANS);
	for (unsigned i = 0; i < SCANS; i++)
		assert_int_equal(loop.scans[i].ended, 1);
	close_loop(&loop);
}

/* --- The three steps of ending
 * --------------------------------------------------------------------
 */

struct stopper {
	sb_manager *manager;
	_Atomic(bool) stopped;
};

static void *stop(void *data)
{
	struct stopper *stopper = data;

	sb_manager_stop(stopper->manager);
	atomic_store(&stopper->stopped, true);
	return NULL;
}

static void submit_stream(struct loop *loop)
{
	struct scan *scan = &loop->scans[loop->count++];
	sb_input *input = sb_input_stream();

	*scan = (struct scan){.loop = loop};
	assert_int_equal(
		sb_submit(&scan->job, loop->manager, input, NULL, loop->queue, on_done, scan, NULL),
		0);
	assert_int_equal(sb_job_write(scan->job, "c", 1, NULL), 0);
	assert_int_equal(sb_job_finish(scan->job, NULL), 0);
	sb_input_free(input);
}

/* Close: no new ones. Stop: waits for those in flight. Free: and what was begun outlives it. */
static void a_manager_ends_in_three_steps(void **unused)
{
	struct loop loop;
	struct stopper stopper = {0};
	sb_error *error = sb_error_new();
	pthread_t thread;

	(void)unused;
	open_loop(&loop, held_engine, true, FEW + 1);
	while (loop.count < FEW - 1)
		submit(&loop);
	submit_stream(&loop);
	wait_inside(&loop);

	sb_manager_close(loop.manager);
	assert_int_equal(try_submit(&loop, error), -SB_KIND_CANCELLED);
	assert_int_equal(sb_error_kind(error), SB_KIND_CANCELLED);
	sb_error_free(error);

	stopper.manager = loop.manager;
	assert_int_equal(pthread_create(&thread, NULL, stop, &stopper), 0);
	loop.scans[0].cancelled = true; /* it still can be */
	sb_job_cancel(loop.scans[0].job);
	dispatch_until(&loop, 1);
	assert_false(atomic_load(&stopper.stopped));
	open_gate();
	pthread_join(thread, NULL);
	for (unsigned i = 1; i < FEW; i++)
		assert_int_equal(sb_job_state(loop.scans[i].job), SB_JOB_DONE);

	sb_manager_free(loop.manager);
	loop.manager = NULL;
	dispatch_until(&loop, FEW);
	close_loop(&loop);
}

static void never(sb_job *job, void *data)
{
	(void)job;
	(void)data;
	fail_msg("called back for a job that was freed");
}

/* Whoever has freed a job hears of it no more, whether it had ended or not, and may free the
 * queue. */
static void a_freed_job_is_silent(void **unused)
{
	struct loop loop;
	sb_input *input = sb_input_memory("c", 1);
	sb_job *jobs[FEW];

	(void)unused;
	open_loop(&loop, held_engine, false, FEW);
	for (unsigned i = 0; i < FEW; i++)
		assert_int_equal(sb_submit(&jobs[i], loop.manager, input, NULL, loop.queue, never,
					 NULL, NULL),
			0);
	for (unsigned i = 0; i < FEW; i += 2)
		sb_job_free(jobs[i]);
	open_gate();
	for (unsigned i = 1; i < FEW; i += 2) {
		assert_true(sb_job_wait(jobs[i], -1));
		sb_job_free(jobs[i]);
	}
	sb_dispatch(loop.queue, FEW / 4);
	sb_queue_free(loop.queue);
	loop.queue = NULL;
	sb_input_free(input);
	close_loop(&loop);
}

/* Pipes that nobody writes to hold up no file, and no cancel. */
static void pipes_wait_apart(void **unused)
{
	enum { PIPES = 12 };
	struct loop loop;
	int ends[PIPES][2];

	(void)unused;
	open_loop(&loop, held_engine, false, FEW);
	open_gate();
	for (unsigned i = 0; i < PIPES; i++) {
		struct scan *scan = &loop.scans[loop.count++];
		sb_input *input;

		assert_int_equal(pipe(ends[i]), 0);
		input = sb_input_fd(ends[i][0]);
		*scan = (struct scan){.loop = &loop, .cancelled = true};
		assert_int_equal(sb_submit(&scan->job, loop.manager, input, NULL, loop.queue,
					 on_done, scan, NULL),
			0);
		sb_input_free(input);
	}
	while (loop.count < FEW)
		submit(&loop);
	dispatch_until(&loop, FEW - PIPES);
	for (unsigned i = 0; i < PIPES; i++)
		sb_job_cancel(loop.scans[i].job);
	dispatch_until(&loop, FEW);
	for (unsigned i = 0; i < PIPES; i++) {
		close(ends[i][0]);
		close(ends[i][1]);
	}
	close_loop(&loop);
}

/* --- Waiting for the disk ------------------------------------------------------------------- */

/* Nobody can write to the audit log until it is let go. */
static int hold_log(const struct loop *loop)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[SB_SCRATCH_PATH + 16];
	int fd;

	snprintf(path, sizeof path, "%s/audit.jsonl", loop->dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_OFD_SETLKW, &lock), 0);
	return fd;
}

static void count_kind(sb_job *job, void *data)
{
	unsigned *kinds = data;
	sb_report *report;

	assert_int_equal(sb_job_take(job, &report, NULL), 0);
	kinds[sb_error_kind(sb_report_error(report))]++;
	sb_report_free(report);
	sb_job_free(job);
}

static void scan_queued(struct loop *loop, unsigned *kinds)
{
	sb_input *input = sb_input_memory("c", 1);
	sb_error *error = sb_error_new();

	if (sb_scan_queued(
		    loop->manager, input, NULL, true, loop->queue, count_kind, kinds, error) < 0)
		fail_msg("%s", sb_error_message(error));
	sb_error_free(error);
	sb_input_free(input);
}

/* Who waits for its record is not at work; of those there are eight times as many at most. */
static void records_may_wait_for_a_slow_disk(void **unused)
{
	enum { MOST = 2, WAITING = 8 * MOST, ALL = WAITING + 1 };
	unsigned kinds[64] = {0};
	struct loop loop;
	int log;

	(void)unused;
	open_limited(&loop, held_engine, true, 0, MOST);
	open_gate();
	log = hold_log(&loop);
	for (unsigned i = 0; i < ALL; i++)
		scan_queued(&loop, kinds);
	close(log);
	for (unsigned done = 0; done < ALL;) {
		struct pollfd ready = {.fd = sb_queue_fd(loop.queue), .events = POLLIN};

		assert_int_equal(poll(&ready, 1, -1), 1);
		done += (unsigned)sb_dispatch(loop.queue, 0);
	}
	assert_int_equal(kinds[SB_KIND_NONE], WAITING);
	assert_int_equal(kinds[SB_KIND_OVERLOADED], ALL - WAITING);
	close_loop(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_may_wait_for_a_slow_disk),
		cmocka_unit_test(ten_thousand_at_once),
		cmocka_unit_test(with_a_slow_engine),
		cmocka_unit_test(a_manager_ends_in_three_steps),
		cmocka_unit_test(a_freed_job_is_silent),
		cmocka_unit_test(pipes_wait_apart),
	};

	return cmocka_run_group_tests_name("async", tests, NULL, NULL);
}
