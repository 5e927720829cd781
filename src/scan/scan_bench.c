/* SPDX-License-Identifier: MIT */
/* Engines by script and a manager for each test; see scan_bench.h. */
#include "scan/scan_bench.h"

#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/error.h"

/* --- What the engines do --------------------------------------------------------------------- */

struct script script;
const sb_engine_ops *bench_extra;

int scripted_scan(void *state, sb_call *call, sb_error *error)
{
	unsigned attempt = atomic_fetch_add(&script.attempts, 1);
	unsigned inside = atomic_fetch_add(&script.inside, 1) + 1, most;
	int status;

	(void)state;
	if (attempt < 8)
		atomic_store(&script.at[attempt], sb_clock_now(script.clock));
	most = atomic_load(&script.most_inside);
	while (inside > most && !atomic_compare_exchange_weak(&script.most_inside, &most, inside))
		;
	sem_post(&script.entered);
	status = script.scan(call, attempt, error);
	atomic_fetch_sub(&script.inside, 1);
	return status;
}

const sb_engine_ops obedient = {
	.abi = SB_ENGINE_ABI,
	.name = "obedient",
	.summary = "honours deadlines",
	.assurance = SB_ASSURANCE_ANTIVIRUS,
	.flags = SB_ENGINE_HONOURS_DEADLINE,
	.scan = scripted_scan,
};

const sb_engine_ops stubborn = {
	.abi = SB_ENGINE_ABI,
	.name = "stubborn",
	.summary = "does not",
	.assurance = SB_ASSURANCE_ANTIVIRUS,
	.scan = scripted_scan,
};

static int stream_begin(void *state, sb_call *call, void **stream, sb_error *error)
{
	(void)state;
	(void)error;
	assert_int_equal(sb_call_size(call), 0);
	*stream = calloc(1, sizeof(uint64_t));
	return 0;
}

static int stream_feed(void *state, void *stream, const void *data, size_t length, sb_error *error)
{
	(void)state;
	(void)data;
	(void)error;
	*(uint64_t *)stream += length;
	atomic_fetch_add(&script.streamed, (unsigned)length);
	return 0;
}

static int stream_finish(void *state, sb_call *call, void *stream, bool whole, sb_error *error)
{
	uint64_t bytes = *(uint64_t *)stream;

	(void)state;
	free(stream);
	if (!whole)
		return 0;
	assert_int_equal(sb_call_size(call), bytes);
	return sb_call_clean(call, bytes, SB_CONTENT_INSPECTED, error);
}

const sb_engine_ops streaming = {
	.abi = SB_ENGINE_ABI,
	.name = "streaming",
	.summary = "judges while it arrives",
	.assurance = SB_ASSURANCE_ANTIVIRUS,
	.flags = SB_ENGINE_HONOURS_DEADLINE,
	.scan = scripted_scan,
	.begin = stream_begin,
	.feed = stream_feed,
	.finish = stream_finish,
};

/* Pattern rules: clean is worth less. */
const sb_engine_ops ruled = {
	.abi = SB_ENGINE_ABI,
	.name = "ruled",
	.summary = "has rules",
	.assurance = SB_ASSURANCE_RULES,
	.flags = SB_ENGINE_HONOURS_DEADLINE,
	.scan = scripted_scan,
};

int clean(sb_call *call, unsigned attempt, sb_error *error)
{
	(void)attempt;
	return sb_call_clean(call, sb_call_size(call), SB_CONTENT_INSPECTED, error);
}

int infected(sb_call *call, unsigned attempt, sb_error *error)
{
	const sb_threat threat = {.name = "Test.Virus", .name_length = 10};

	(void)attempt;
	sb_call_cover(call, sb_call_size(call), SB_CONTENT_INSPECTED);
	return sb_call_infected(call, &threat, error);
}

int refused_twice(sb_call *call, unsigned attempt, sb_error *error)
{
	if (attempt < 2)
		return sb_error_set(error, SB_KIND_CONNECTION_FAILED, 0, "refused");
	return clean(call, attempt, error);
}

int always_refused(sb_call *call, unsigned attempt, sb_error *error)
{
	(void)call;
	(void)attempt;
	return sb_error_set(error, SB_KIND_CONNECTION_FAILED, 0, "refused");
}

int until_go(sb_call *call, unsigned attempt, sb_error *error)
{
	while (sem_wait(&script.go) != 0)
		;
	return clean(call, attempt, error);
}

int until_cancelled(sb_call *call, unsigned attempt, sb_error *error)
{
	struct pollfd poller = {.fd = sb_call_cancel_fd(call), .events = POLLIN};

	(void)attempt;
	while (poll(&poller, 1, -1) != 1)
		;
	assert_true(sb_call_cancelled(call));
	return sb_error_set(error, SB_KIND_CANCELLED, 0, "told to stop");
}

/* --- A manager for each test ------------------------------------------------------------------ */

const char bench_no_audit[] = "audit: {enabled: false}\n";

/* So much time that nobody is late while the clock is turned in steps and threads work. */
const char bench_one[] = "audit: {enabled: false}\nlimits: {timeout: 30d}\n"
			 "engines: [{name: e, type: obedient, self_test: off, timeout: 24h, "
			 "retry: {attempts: 3, jitter: false}}]\n";

static sb_config *make_config(
	const struct bench *bench, const char *yaml, int *status, sb_error *error)
{
	char text[4096];
	sb_config *config = sb_config_new();

	snprintf(text, sizeof text, "data_dir: %s\n%s%s", bench->dir, yaml,
		strstr(yaml, "cache:") != NULL ? "" : "\ncache: {enabled: false}\n");
	sb_config_register_engine(config, &obedient, error);
	sb_config_register_engine(config, &stubborn, error);
	sb_config_register_engine(config, &streaming, error);
	sb_config_register_engine(config, &ruled, error);
	if (bench_extra != NULL)
		sb_config_register_engine(config, bench_extra, error);
	*status = sb_config_load_text(config, text, strlen(text), "test", error);
	return config;
}

int reconfigure_bench(struct bench *bench, const char *yaml, sb_error *error)
{
	sb_config *config;
	int status;

	sb_error_init(error);
	config = make_config(bench, yaml, &status, error);
	if (status == 0)
		status = sb_manager_reconfigure(bench->manager, config, error);
	sb_config_free(config);
	return status;
}

static int open_manager(struct bench *bench, const char *yaml, sb_error *error)
{
	sb_config *config;
	int status;

	bench->manager = NULL;
	config = make_config(bench, yaml, &status, error);
	if (status == 0)
		status = sb_manager_open_with(&bench->manager, config, bench->clock, error);
	sb_config_free(config);
	return status;
}

int try_bench(struct bench *bench, behaviour scan, const char *yaml, sb_error *error)
{
	sb_error_init(error);
	memset(&script, 0, sizeof script);
	sem_init(&script.entered, 0, 0);
	sem_init(&script.go, 0, 0);
	assert_true(sb_scratch_make(bench->dir, "manager", false));
	bench->clock = sb_clock_fake_new();
	script.clock = bench->clock;
	script.scan = scan;
	return open_manager(bench, yaml, error);
}

void reopen_bench(struct bench *bench, const char *yaml)
{
	sb_error error;

	sb_error_init(&error);
	sb_manager_free(bench->manager);
	if (open_manager(bench, yaml, &error) < 0)
		fail_msg("%s", error.message);
}

void open_bench(struct bench *bench, behaviour scan, const char *yaml)
{
	sb_error error;

	if (try_bench(bench, scan, yaml, &error) < 0)
		fail_msg("%s", error.message);
}

void close_bench(struct bench *bench)
{
	sb_manager_free(bench->manager);
	sb_clock_fake_free(bench->clock);
	sem_destroy(&script.entered);
	sem_destroy(&script.go);
	sb_scratch_remove(bench->dir);
}

sb_report *scan_text(struct bench *bench, const char *text)
{
	sb_input *input = sb_input_memory(text, strlen(text));
	sb_report *report = NULL;
	sb_error error;

	sb_error_init(&error);
	if (sb_scan(&report, bench->manager, input, NULL, &error) < 0)
		fail_msg("%s", error.message);
	sb_input_free(input);
	return report;
}

sb_job *submit_text(
	struct bench *bench, const char *text, sb_queue *queue, sb_done_fn done, void *data)
{
	sb_input *input = sb_input_memory(text, strlen(text));
	sb_job *job = NULL;
	sb_error error;

	sb_error_init(&error);
	if (sb_submit(&job, bench->manager, input, NULL, queue, done, data, &error) < 0)
		fail_msg("%s", error.message);
	sb_input_free(input);
	return job;
}

/* Turn the clock in steps of @p ns until the job is done. */
sb_report *turn_until_done(struct bench *bench, sb_job *job, uint64_t ns)
{
	sb_report *report = NULL;

	while (sb_job_state(job) != SB_JOB_DONE) {
		sb_clock_fake_turn(bench->clock, ns);
		sched_yield();
	}
	assert_int_equal(sb_job_take(job, &report, NULL), 0);
	sb_job_free(job);
	return report;
}

void expect(const char *why, const sb_report *report, sb_outcome outcome, sb_kind kind)
{
	if (sb_report_outcome(report) != outcome || sb_error_kind(sb_report_error(report)) != kind)
		fail_msg("%s: %s", why, sb_report_json(report, NULL));
}

sb_report *take(sb_job *job)
{
	sb_report *report = NULL;

	assert_true(sb_job_wait(job, -1));
	assert_int_equal(sb_job_take(job, &report, NULL), 0);
	sb_job_free(job);
	return report;
}
