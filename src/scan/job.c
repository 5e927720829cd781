/* SPDX-License-Identifier: MIT */
/* A job's life: its content read, its engines asked, finished; see job.h. It is made in
 * job_make.c; what becomes of the answers is in verdict.c. */
#include "scan/job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scan/aside.h"
#include "scan/fallback.h"
#include "scan/job_own.h"
#include "scan/manager_body.h"
#include "scan/tiers.h"
#include "scan/verdict.h"
#include "util/io.h"
#include "util/thread.h"

static const uint64_t start_after = 1000 * SB_MS; /* a scan_started of its own */

#define OWNER(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* --- Answers coming in ----------------------------------------------------------------------- */

/* With the lock held; true when nothing else is pending and the caller has to see to it. An
 * attended job's own thread does that itself, as soon as the lock is free. */
static bool one_less(sb_job *job)
{
	if (--job->pending > 0)
		return false;
	if (job->attended)
		pthread_cond_signal(&job->changed);
	return !job->attended;
}

static bool settle(sb_job *job, size_t slot)
{
	job->settled[slot] = true;
	return one_less(job);
}

static void finish_unattended(sb_job *job);

static void answered(sb_job *job)
{
	if (!job->attended)
		finish_unattended(job);
}

/* Whoever starts calls is pending itself until all are started: the first answers must not
 * finish the job under its hands. */
static void all_started(sb_job *job)
{
	bool last;

	pthread_mutex_lock(&job->lock);
	last = one_less(job);
	pthread_mutex_unlock(&job->lock);
	if (last)
		answered(job);
}

static void start_call(sb_job *job, size_t slot, bool streamed, bool here);

/*
 * With the lock held: when it is certain what comes out (decision.early_decision), nobody else is
 * waited for. True when that settled the last one. Those that are being asked are to be told to
 * stop once the lock is free: they go into the job's list, with a reference each, since whoever
 * finishes the job may be at it by then.
 */
static bool settle_early(sb_job *job)
{
	const sb_conf *conf = job->site->conf;
	sb_report *report = job->report;
	bool last = false;

	if (!conf->early_decision || job->pending == 0 || job->early ||
		!sb_decision_is_certain(report->results, job->settled, report->result_count,
			&conf->decision, report->requested_wall / 1000000000))
		return false;
	job->early = true;
	for (size_t i = 0; i < report->result_count; i++) {
		if (job->settled[i])
			continue;
		sb_verdict_blank(job, i, true, SB_KIND_CANCELLED,
			"not waited for: the outcome was certain without engine %s",
			job->engines[i]->conf->name);
		if (job->calls[i] != NULL)
			job->unneeded[job->unneeded_count++] = sb_call_ref(job->calls[i]);
		last = settle(job, i) || last;
	}
	return last;
}

/* Once, by the thread that settled it early; the caller's reference keeps the job. */
static void stop_unneeded(sb_job *job)
{
	for (size_t i = 0; i < job->unneeded_count; i++) {
		sb_call_cancel(job->unneeded[i]);
		sb_call_unref(job->unneeded[i]);
	}
}

void sb_job_deliver(sb_job *job, struct sb_call *call)
{
	sb_report *report = job->report;
	size_t fallback = SB_NO_SLOT;
	bool last = false, early = false;

	pthread_mutex_lock(&job->lock);
	/* A call that was given up, perhaps before a rescan, has nothing to say any more. */
	if (!job->settled[call->slot] && job->calls[call->slot] == call) {
		sb_result *result = &report->results[call->slot];

		*result = call->result;
		if (result->error != NULL) {
			sb_error *copy = sb_arena_alloc(&call->arena, sizeof *copy);
			if (copy != NULL) {
				sb_error_init(copy);
				sb_error_copy(copy, result->error);
			}
			result->error = copy; /* NULL: the decision reads that as a failed engine */
		}
		report->arenas[call->slot] = call->arena;
		sb_arena_init(&call->arena, 0);
		fallback = sb_fallback_need(job, call->slot);
		last = settle(job, call->slot);
		if (!last && fallback == SB_NO_SLOT && !job->early &&
			call->result.outcome != SB_OUTCOME_ERROR) {
			last = settle_early(job);
			early = job->early;
		}
	}
	pthread_mutex_unlock(&job->lock);
	if (early)
		stop_unneeded(job);
	if (fallback != SB_NO_SLOT)
		start_call(job, fallback, false, false);
	if (last)
		answered(job);
}

void sb_job_abandon(sb_job *job, struct sb_call *call)
{
	size_t fallback = SB_NO_SLOT;
	bool last = false;

	pthread_mutex_lock(&job->lock);
	if (!job->settled[call->slot] && job->calls[call->slot] == call) {
		sb_verdict_blank(job, call->slot, false, SB_KIND_TIMEOUT,
			"engine %s did not answer within its %llu ms", call->engine->conf->name,
			(unsigned long long)((call->deadline - call->started) / SB_MS));
		fallback = sb_fallback_need(job, call->slot);
		last = settle(job, call->slot);
	}
	pthread_mutex_unlock(&job->lock);
	if (fallback != SB_NO_SLOT)
		start_call(job, fallback, false, false);
	if (last)
		answered(job);
}

bool sb_job_offer(sb_job *job, struct sb_call *call)
{
	bool taken;

	sb_job_ref(job); /* its thread may be done before we are */
	pthread_mutex_lock(&job->lock);
	taken = job->attended && job->idle && job->offered == NULL;
	if (taken)
		job->offered = call;
	pthread_mutex_unlock(&job->lock);
	if (taken) /* without the lock, for which it would have to wait again */
		pthread_cond_signal(&job->changed);
	sb_job_unref(job);
	return taken;
}

/* --- Asking the engines ---------------------------------------------------------------------- */

/* Start one call. @p here: its engine may run on this thread. */
static void start_call(sb_job *job, size_t slot, bool streamed, bool here)
{
	struct sb_call *call = sb_call_new(
		job->engines[slot], job, slot, job->content, job->report->name, job->deadline);
	bool last;

	if (call != NULL) {
		call->streamed = streamed;
		pthread_mutex_lock(&job->lock);
		if (job->settled[slot]) { /* it was certain before this one was asked */
			pthread_mutex_unlock(&job->lock);
			sb_call_unref(call);
			return;
		}
		job->calls[slot] = sb_call_ref(call);
		pthread_mutex_unlock(&job->lock);
		if (atomic_load(&job->cancelled)) /* it may have come before the list had us */
			atomic_store(&call->cancelled, true);
		sb_call_drive(call, here);
		return;
	}
	pthread_mutex_lock(&job->lock);
	sb_verdict_blank(job, slot, false, SB_KIND_INTERNAL, "out of memory");
	last = settle(job, slot);
	pthread_mutex_unlock(&job->lock);
	if (last)
		answered(job);
}

static bool wants_stream(const sb_engine *engine)
{
	return engine->ops->begin != NULL;
}

/*
 * Ask everybody whose call isn't started yet. Lanes first, so that they work while this thread
 * does; an attended job's thread then runs the last engine that honours deadlines itself, and
 * engines that never wait run here anyway.
 */
static void start_calls(sb_job *job)
{
	size_t count = job->asked, mine = count;

	for (size_t i = 0; job->attended && i < count; i++)
		if (sb_tiers_wants(job, i) &&
			(job->engines[i]->ops->flags & SB_ENGINE_HONOURS_DEADLINE) != 0 &&
			!job->engines[i]->is_inline)
			mine = i;
	for (size_t i = 0; i < count; i++)
		if (sb_tiers_wants(job, i) && i != mine && !job->engines[i]->is_inline)
			start_call(job, i, false, false);
	for (size_t i = 0; i < count; i++)
		if (sb_tiers_wants(job, i) && job->engines[i]->is_inline)
			start_call(job, i, false, true);
	for (size_t slot; (slot = sb_fallback_deferred(job)) != SB_NO_SLOT;)
		start_call(job, slot, false, false);
	if (mine < count)
		start_call(job, mine, false, true);
	all_started(job);
}

/* --- Reading the content -----------------------------------------------------------------------
 */

static sb_content_source source_of(const sb_job *job)
{
	return (sb_content_source){
		.spool = job->manager->spool,
		.max_size = job->max_size,
		.deadline = job->deadline,
		.clock = job->manager->clock,
		.cancelled = &job->cancelled,
	};
}

/* One that may go on long after it was given up must not look at memory that isn't ours. */
static bool has_stubborn_engine(const sb_job *job)
{
	for (size_t i = 0; i < job->report->result_count; i++)
		if (!job->engines[i]->is_inline &&
			(job->engines[i]->ops->flags & SB_ENGINE_HONOURS_DEADLINE) == 0)
			return true;
	return false;
}

static void read_content(sb_job *job)
{
	sb_content_source source = source_of(job);
	sb_error *error = &job->content_error;
	uint64_t *size = &job->report->size;

	if (error->kind != SB_KIND_NONE || job->content != NULL)
		return;
	switch (job->type) {
	case SB_INPUT_PATH:
	case SB_INPUT_AT:
		sb_content_open(
			&job->content, &source, job->fd, job->name_at, job->follow, size, error);
		break;
	case SB_INPUT_FD:
		sb_content_from_fd(&job->content, &source, job->fd, size, error);
		break;
	case SB_INPUT_MEMORY:
		*size = job->length;
		sb_content_from_memory(&job->content, &source, job->data, job->length,
			!job->attended || has_stubborn_engine(job), error);
		break;
	case SB_INPUT_STREAM:
		sb_error_set(error, SB_KIND_INTERNAL, 0, "a stream needs sb_submit()");
		break;
	}
}

static void start_timer_fired(sb_timer *timer)
{
	sb_job *job = OWNER(sb_job, start_timer, timer);
	bool write;

	pthread_mutex_lock(&job->lock);
	write = !job->done && job->start == SB_START_LATER;
	if (write)
		job->start = SB_START_TAKEN;
	pthread_mutex_unlock(&job->lock);
	if (write)
		sb_release_put(job->manager->release, &job->start_task, false);
	else
		sb_job_unref(job);
}

static void watch_start(sb_job *job)
{
	if (job->manager->audit == NULL)
		return;
	sb_job_ref(job);
	sb_timer_set(job->manager->timers, &job->start_timer, job->begun + start_after,
		start_timer_fired);
}

/* With the content known, or known to be impossible. */
static void ask(sb_job *job)
{
	bool there = job->content_error.kind == SB_KIND_NONE;

	pthread_mutex_lock(&job->lock);
	job->status = SB_JOB_RUNNING;
	job->pending = there ? sb_tiers_wanted(job) + 1 : 0;
	pthread_mutex_unlock(&job->lock);
	if (there)
		start_calls(job);
	else
		answered(job);
}

/* --- Attended ------------------------------------------------------------------------------------
 */

/* A call that this thread was given, with its permit. Nobody needs it any more when the outcome
 * was certain meanwhile: then it only has to find its way out again. */
static void run_offered(struct sb_call *call, bool needed)
{
	if (needed)
		sb_call_run(call);
	else
		sb_call_refuse(call, true, SB_KIND_CANCELLED, "not needed any more");
	sb_call_drive(call, true);
}

/* Wait for the answers, running what is offered meanwhile. */
static void attend(sb_job *job)
{
	pthread_mutex_lock(&job->lock);
	while (job->pending > 0 || job->offered != NULL) {
		struct sb_call *call = job->offered;
		bool needed = job->pending > 0;

		if (call == NULL) {
			job->idle = true;
			pthread_cond_wait(&job->changed, &job->lock);
			job->idle = false;
			continue;
		}
		job->offered = NULL;
		pthread_mutex_unlock(&job->lock);
		run_offered(call, needed);
		pthread_mutex_lock(&job->lock);
	}
	pthread_mutex_unlock(&job->lock);
}

/* All up to the verdict, in this thread. NULL: it could not even begin. */
static sb_job *judge(
	sb_manager *manager, const sb_input *input, const sb_scan_options *options, sb_error *error)
{
	sb_cancel *cancel = options != NULL ? options->cancel : NULL;
	sb_error own;
	sb_job *job = sb_job_make(manager, input, options, &own);

	if (job == NULL) {
		sb_error_copy(error, &own);
		return NULL;
	}
	job->attended = true;
	sb_cancel_attach(cancel, job);
	watch_start(job);
	do {
		read_content(job);
		ask(job);
		attend(job);
		while (sb_tiers_next(job)) {
			start_calls(job);
			attend(job);
		}
	} while (sb_verdict_again(job));
	sb_cancel_detach(cancel, job);
	sb_verdict_reach(job);
	if (sb_aside_wanted(job))
		sb_aside(job);
	return job;
}

int sb_scan(sb_report **out, sb_manager *manager, sb_input *input, const sb_scan_options *options,
	sb_error *error)
{
	sb_error own;
	sb_job *job = judge(manager, input, options, &own);

	if (job == NULL) {
		sb_error_copy(error, &own);
		return -(int)own.kind;
	}
	sb_verdict_write(job);
	*out = sb_report_ref(job->report);
	sb_job_leave(job);
	return 0;
}

int sb_scan_queued(sb_manager *manager, sb_input *input, const sb_scan_options *options, bool more,
	sb_queue *queue, sb_done_fn done, void *data, sb_error *error)
{
	sb_error own;
	sb_job *job = judge(manager, input, options, &own);

	if (job == NULL) {
		sb_error_copy(error, &own);
		return -(int)own.kind;
	}
	sb_verdict_let_go(job); /* memory that was borrowed goes back to the caller now */
	pthread_mutex_lock(&job->lock);
	job->attended = false;
	pthread_mutex_unlock(&job->lock);
	job->queue = queue;
	job->announce = done;
	job->data_for = data;
	job->task.run = NULL;
	job->recording = true;
	atomic_fetch_add(&manager->recording, 1);
	sb_job_ref(job); /* the handle's */
	sb_release_put(manager->release, &job->task, more);
	return 0;
}

/* --- Unattended ----------------------------------------------------------------------------------
 */

static void crew_run(sb_task *task)
{
	sb_job *job = OWNER(sb_job, task, task);

	read_content(job);
	ask(job);
}

/* On to the release thread. */
static void let_out(sb_job *job)
{
	job->task.run = NULL;
	sb_release_put(job->manager->release, &job->task, false);
}

static void aside_run(sb_task *task)
{
	sb_job *job = OWNER(sb_job, task, task);

	sb_aside(job);
	let_out(job);
}

/* Digests over all of the content, a look for its type, policy: this takes time. */
static void finish_here(sb_job *job)
{
	if (sb_tiers_next(job)) {
		start_calls(job); /* whoever brings their last answer goes on */
		return;
	}
	if (sb_verdict_again(job)) {
		job->task.run = crew_run;
		sb_crew_put(job->manager->crew, &job->task);
		return;
	}
	sb_verdict_reach(job);
	if (sb_aside_wanted(job)) {
		job->task.run = aside_run;
		sb_crew_put(job->manager->keepers, &job->task);
		return;
	}
	let_out(job);
}

static void finish_run(sb_task *task)
{
	finish_here(OWNER(sb_job, task, task));
}

/* Whoever brought the last answer may be an application that cancels, or the timers' thread. */
static void finish_unattended(sb_job *job)
{
	if (sb_thread_is_worker()) {
		finish_here(job);
		return;
	}
	job->task.run = finish_run;
	sb_crew_put(job->manager->crew, &job->task);
}

/* What was held for the scan, and is of no use to whoever has yet to fetch the report. */
static void drop_means(sb_job *job)
{
	sb_record_done(&job->record);
	if (job->own_fd)
		sb_close(&job->fd);
	job->own_fd = false;
}

static void announce(sb_job *job)
{
	drop_means(job);
	pthread_mutex_lock(&job->lock);
	job->done = true;
	job->status = SB_JOB_DONE;
	if (job->queue != NULL) /* under the lock: see sb_job_free() */
		sb_queue_put(job->queue, job);
	pthread_cond_broadcast(&job->changed);
	pthread_mutex_unlock(&job->lock);
	sb_job_leave(job); /* its own */
}

static void start_written(sb_job *job)
{
	pthread_mutex_lock(&job->lock);
	job->start = SB_START_WRITTEN;
	pthread_cond_broadcast(&job->changed);
	pthread_mutex_unlock(&job->lock);
	sb_job_unref(job); /* the timer's */
}

void sb_job_release_batch(void *data, sb_task *first)
{
	sb_manager *manager = data;

	sb_verdict_write_batch(manager, first, sb_job_start_mark);
	while (first != NULL) {
		sb_task *next = first->next;
		if (first->run == sb_job_start_mark)
			start_written(OWNER(sb_job, start_task, first));
		else
			announce(OWNER(sb_job, task, first));
		first = next;
	}
}

/* --- Streams ------------------------------------------------------------------------------ */

/*
 * As long as a stream is open, it counts among what is pending, so that engines that answer
 * early don't finish the job under its writer. Whoever closes it, by the end or before its time,
 * takes that over.
 */

/* The stream is over before its time: whoever has not begun is not asked. */
static void break_stream(sb_job *job, const sb_error *why)
{
	bool last;

	pthread_mutex_lock(&job->lock);
	if (!job->streaming) {
		pthread_mutex_unlock(&job->lock);
		return;
	}
	job->streaming = false;
	job->content_error = *why;
	pthread_mutex_unlock(&job->lock);

	sb_content_fail(job->content, why);
	pthread_mutex_lock(&job->lock);
	for (size_t i = 0; i < job->report->result_count; i++)
		if (job->calls[i] == NULL && !job->settled[i])
			settle(job, i);
	last = one_less(job); /* the stream */
	pthread_mutex_unlock(&job->lock);
	if (last)
		answered(job);
}

static void stream_timer_fired(sb_timer *timer)
{
	sb_job *job = OWNER(sb_job, stream_timer, timer);
	sb_error why;

	sb_error_set(&why, SB_KIND_TIMEOUT, 0, "the stream was not whole at the deadline");
	break_stream(job, &why);
	sb_job_unref(job);
}

static void stop_stream_timer(sb_job *job)
{
	if (sb_timer_cancel(job->manager->timers, &job->stream_timer))
		sb_job_unref(job);
}

/* The job holds one reference more while it is set up: an early end must not free it. */
static void begin_stream(sb_job *job)
{
	sb_content_source source = source_of(job);
	size_t count = sb_tiers_wanted(job);

	if (job->content_error.kind == SB_KIND_NONE)
		sb_content_stream(&job->content, &source, &job->content_error);
	if (job->content_error.kind != SB_KIND_NONE || count == 0) {
		if (job->content_error.kind == SB_KIND_NONE)
			sb_error_set(&job->content_error, SB_KIND_NOT_CONFIGURED, 0,
				"no engine is configured");
		ask(job);
		return;
	}
	pthread_mutex_lock(&job->lock);
	job->status = SB_JOB_RUNNING;
	job->streaming = true;
	job->pending = count + 2; /* the stream, and this thread */
	pthread_mutex_unlock(&job->lock);
	if (job->deadline != SB_NEVER) {
		sb_job_ref(job);
		sb_timer_set(job->manager->timers, &job->stream_timer, job->deadline,
			stream_timer_fired);
	}
	for (size_t i = 0; i < job->asked; i++)
		if (sb_tiers_wants(job, i) && wants_stream(job->engines[i]))
			start_call(job, i, true, false);
	all_started(job);
}

/* The content of an open stream, with a reference for as long as it is used; NULL and the reason
 * when it isn't open. */
static sb_content *open_stream(sb_job *job, sb_error *why)
{
	sb_content *content = NULL;

	pthread_mutex_lock(&job->lock);
	*why = job->content_error;
	if (job->streaming)
		content = sb_content_ref(job->content);
	pthread_mutex_unlock(&job->lock);
	if (content == NULL && why->kind == SB_KIND_NONE)
		sb_error_set(why, SB_KIND_INTERNAL, 0, "the stream is not open");
	return content;
}

int sb_job_write(sb_job *job, const void *data, size_t length, sb_error *error)
{
	sb_error why;
	sb_content *content = open_stream(job, &why);
	int status =
		content != NULL ? sb_content_append(content, data, length, &why) : -(int)why.kind;

	if (content != NULL && status < 0) {
		break_stream(job, &why);
		stop_stream_timer(job);
	}
	sb_content_unref(content);
	if (status < 0)
		sb_error_copy(error, &why);
	return status;
}

static void whole_run(sb_task *task)
{
	start_calls(OWNER(sb_job, task, task));
}

int sb_job_finish(sb_job *job, sb_error *error)
{
	sb_error why;
	sb_content *content = open_stream(job, &why);
	int status = content != NULL ? sb_content_end(content, &why) : -(int)why.kind;
	bool whole = false;

	if (content != NULL && status < 0)
		break_stream(job, &why);
	if (content != NULL)
		stop_stream_timer(job);
	sb_content_unref(content);
	if (status < 0) {
		sb_error_copy(error, &why);
		return status;
	}
	pthread_mutex_lock(&job->lock);
	whole = job->streaming; /* it may have been broken off meanwhile */
	job->streaming = false;
	pthread_mutex_unlock(&job->lock);
	if (whole) {
		job->task.run = whole_run;
		sb_crew_put(job->manager->crew, &job->task);
	}
	return 0;
}

/* --- The handle --------------------------------------------------------------------------- */

static int own_descriptor(sb_job *job, sb_error *error)
{
	if (job->fd < 0 || job->own_fd)
		return 0; /* none, or AT_FDCWD, or ours already */
	job->fd = fcntl(job->fd, F_DUPFD_CLOEXEC, 0);
	job->own_fd = job->fd >= 0;
	return job->own_fd ? 0 : sb_error_set(error, SB_KIND_IO, errno, "duplicate a descriptor");
}

/* Reading it may take as long as somebody else likes; files must not wait behind it. */
static bool comes_from_others(const sb_job *job)
{
	struct stat st;

	return job->type == SB_INPUT_FD && fstat(job->fd, &st) == 0 && !S_ISREG(st.st_mode);
}

int sb_submit(sb_job **out, sb_manager *manager, sb_input *input, const sb_scan_options *options,
	sb_queue *queue, sb_done_fn done, void *data, sb_error *error)
{
	sb_error own;
	sb_job *job = sb_job_make(manager, input, options, &own);

	if (job != NULL && own_descriptor(job, &own) < 0) {
		sb_job_leave(job);
		job = NULL;
	}
	if (job == NULL) {
		sb_error_copy(error, &own);
		return -(int)own.kind;
	}
	job->queue = queue;
	job->announce = done;
	job->data_for = data;
	sb_job_ref(job); /* the handle's; the first one is the job's own */
	*out = job;
	watch_start(job);
	if (job->type == SB_INPUT_STREAM) {
		begin_stream(job);
		return 0;
	}
	if (job->type == SB_INPUT_MEMORY)
		read_content(job); /* the caller's bytes are only there until we return */
	job->task.run = crew_run;
	sb_crew_put(comes_from_others(job) ? manager->pipes : manager->crew, &job->task);
	return 0;
}

sb_job_status sb_job_state(const sb_job *job)
{
	sb_job *self = (sb_job *)(uintptr_t)job;
	sb_job_status status;

	pthread_mutex_lock(&self->lock);
	status = self->status;
	pthread_mutex_unlock(&self->lock);
	return status;
}

bool sb_job_wait(sb_job *job, int64_t timeout_ms)
{
	/* The caller's patience is real time, whatever clock the scan goes by. */
	sb_clock *clock = sb_clock_system();
	uint64_t until =
		timeout_ms < 0 ? SB_NEVER : sb_clock_now(clock) + (uint64_t)timeout_ms * SB_MS;
	bool done;

	pthread_mutex_lock(&job->lock);
	while (!job->done && sb_clock_now(clock) < until)
		sb_clock_wait(clock, &job->changed, &job->lock, until);
	done = job->done;
	pthread_mutex_unlock(&job->lock);
	return done;
}

void sb_job_cancel(sb_job *job)
{
	sb_error why;

	if (sb_job_state(job) == SB_JOB_DONE)
		return; /* its manager may be gone */
	atomic_store(&job->cancelled, true);
	sb_error_set(&why, SB_KIND_CANCELLED, 0, "cancelled by the caller");
	if (job->type == SB_INPUT_STREAM) {
		break_stream(job, &why);
		stop_stream_timer(job);
	}
	for (size_t i = 0; i < job->slots; i++) {
		struct sb_call *call = NULL;

		pthread_mutex_lock(&job->lock);
		if (job->calls[i] != NULL && !job->settled[i])
			call = sb_call_ref(job->calls[i]);
		pthread_mutex_unlock(&job->lock);
		if (call == NULL)
			continue;
		sb_call_cancel(call);
		sb_call_unref(call);
	}
}

int sb_job_take(sb_job *job, sb_report **out, sb_error *error)
{
	bool ready;

	pthread_mutex_lock(&job->lock);
	ready = job->done && !job->taken;
	job->taken = job->taken || ready;
	pthread_mutex_unlock(&job->lock);
	if (!ready)
		return sb_error_set(
			error, SB_KIND_INTERNAL, 0, "the job is not done, or its report was taken");
	*out = sb_report_ref(job->report);
	return 0;
}

void sb_job_free(sb_job *job)
{
	if (job == NULL)
		return;
	pthread_mutex_lock(&job->lock);
	job->queue = NULL; /* nobody is to hear of it any more: the queue may be freed */
	job->announce = NULL;
	pthread_mutex_unlock(&job->lock);
	sb_job_cancel(job);
	sb_job_unref(job);
}
