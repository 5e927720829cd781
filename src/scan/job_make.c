/* SPDX-License-Identifier: MIT */
/* How a job is made of an input and options, and how its memory ends. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scan/fallback.h"
#include "scan/job_own.h"
#include "scan/manager_body.h"
#include "scan/tiers.h"
#include "util/io.h"

sb_job *sb_job_ref(sb_job *job)
{
	atomic_fetch_add_explicit(&job->references, 1, memory_order_relaxed);
	return job;
}

static void drop_passwords(sb_job *job)
{
	for (size_t i = 0; i < job->own_passwords; i++) {
		char *password = (char *)(uintptr_t)job->passwords[i];

		explicit_bzero(password, strlen(password));
		free(password);
	}
	free(job->passwords);
}

void sb_job_unref(sb_job *job)
{
	if (atomic_fetch_sub_explicit(&job->references, 1, memory_order_acq_rel) != 1)
		return;
	sb_content_unref(job->content);
	sb_report_free(job->report);
	sb_record_done(&job->record);
	if (job->own_fd)
		sb_close(&job->fd);
	free(job->name_at);
	drop_passwords(job);
	pthread_cond_destroy(&job->changed);
	pthread_mutex_destroy(&job->lock);
	free(job);
}

/* Which engines are asked: all, or those that the options name. */
static int choose_engines(sb_job *job, const sb_scan_options *options, sb_error *error)
{
	const sb_site *site = job->site;
	size_t count = 0;

	for (size_t i = 0; i < site->engine_count; i++) {
		bool wanted = options == NULL || options->engine_count == 0;
		for (size_t k = 0; !wanted && k < options->engine_count; k++)
			wanted = strcmp(options->engines[k], site->engines[i]->conf->name) == 0;
		if (wanted)
			job->engines[count++] = site->engines[i];
	}
	if (options != NULL && count < options->engine_count) {
		for (size_t k = 0; k < options->engine_count; k++) {
			bool known = false;
			for (size_t i = 0; i < count; i++)
				known = known || strcmp(options->engines[k],
							 job->engines[i]->conf->name) == 0;
			if (!known)
				return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
					"engine %s is not in the configuration",
					options->engines[k]);
		}
	}
	job->report->result_count = count;
	sb_fallback_reserve(job);
	job->slots = job->report->result_count;
	sb_tiers_begin(job);
	return 0;
}

/* Not into the report's memory: the report is the caller's, and lives on. */
static int copy_passwords(sb_job *job, const sb_scan_options *options, sb_error *error)
{
	const char *const *configured = job->site->conf->containers.passwords;
	size_t own = options != NULL ? options->password_count : 0, n = 0;

	if (own == 0)
		return 0;
	while (configured[n] != NULL)
		n++;
	job->passwords = calloc(own + n + 1, sizeof *job->passwords);
	if (job->passwords == NULL)
		return sb_error_no_memory(error);
	for (size_t i = 0; i < own; i++) {
		job->passwords[i] = strdup(options->passwords[i]);
		if (job->passwords[i] == NULL)
			return sb_error_no_memory(error);
		job->own_passwords++;
	}
	memcpy(job->passwords + own, configured, n * sizeof *configured);
	return 0;
}

static int copy_input(sb_job *job, const sb_input *input, sb_error *error)
{
	sb_report *report = job->report;

	job->type = input->type;
	job->fd = input->fd;
	job->follow = input->type == SB_INPUT_PATH;
	job->data = input->data;
	job->length = input->length;
	if (input->path != NULL) {
		report->path.data = sb_arena_text(&report->arena, input->path);
		report->path.length = strlen(input->path);
		job->name_at = strdup(input->name_at != NULL ? input->name_at : input->path);
		if (report->path.data == NULL || job->name_at == NULL)
			return sb_error_no_memory(error);
	}
	if (input->name.data != NULL) {
		report->name.data =
			sb_arena_copy(&report->arena, input->name.data, input->name.length);
		report->name.length = input->name.length;
		if (report->name.data == NULL)
			return sb_error_no_memory(error);
	}
	return 0;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return b == 0 || (a != 0 && a < b) ? a : b;
}

/* The folder that an original would be removed from, held from before its content is read. What
 * can't be opened now, reading will say. */
static int pin_folder(sb_job *job, sb_error *error)
{
	const char *slash = strrchr(job->name_at, '/');
	size_t length = slash != NULL ? (size_t)(slash - job->name_at) : 0;
	char *name = strdup(slash != NULL ? slash + 1 : job->name_at);
	char *path = slash == NULL ? strdup(".") : strndup(job->name_at, length > 0 ? length : 1);
	int folder = -1;

	if (path != NULL && name != NULL && name[0] != '\0')
		folder = openat(job->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(path);
	if (folder >= 0) {
		free(job->name_at);
		job->name_at = name;
		job->fd = folder;
		job->own_fd = true;
		return 0;
	}
	free(name);
	return name != NULL && path != NULL ? 0 : sb_error_no_memory(error);
}

static int fill_in(
	sb_job *job, const sb_input *input, const sb_scan_options *options, sb_error *error)
{
	sb_manager *manager = job->manager;
	const sb_conf *conf = job->site->conf;
	sb_report *report = job->report;
	uint64_t timeout = conf->limits.timeout_ms;
	int status = copy_input(job, input, error);

	if (status == 0)
		status = choose_engines(job, options, error);
	if (status == 0)
		status = copy_passwords(job, options, error);
	if (status == 0 && sb_context_copy(&report->context,
				   options != NULL ? options->context : NULL, &report->arena) < 0)
		status = sb_error_no_memory(error);
	job->reads_no_cache = options != NULL && options->no_cache;
	job->keeps_nothing = options != NULL && options->no_quarantine;
	job->removes =
		manager->store != NULL && !job->keeps_nothing && job->name_at != NULL &&
		(conf->quarantine.remove_original || (options != NULL && options->remove_original));
	if (status == 0 && job->removes)
		status = pin_folder(job, error);
	job->begun = sb_clock_now(manager->clock);
	report->requested_wall = sb_clock_wall(manager->clock);
	sb_uuid7(report->id, report->requested_wall);
	job->max_size = conf->limits.max_size;
	if (options != NULL) {
		timeout = smaller(timeout, options->timeout_ms);
		job->max_size = smaller(job->max_size, options->max_size);
	}
	job->deadline = timeout > 0 ? job->begun + timeout * SB_MS : SB_NEVER;
	return status;
}

enum {
	SHED_RETRY_MS = 1000, /* when to ask again after `overloaded`; a guess */
	RECORDED = 8,         /* times max_in_flight, those counted that wait for their record */
};

/* Who waits for a disk does no work: only memory bounds how many may. */
static bool is_too_many(sb_manager *manager, unsigned before, unsigned max)
{
	unsigned waiting = atomic_load(&manager->recording);
	unsigned at_work = before > waiting ? before - waiting : 0;

	return max > 0 && (at_work >= max || before / RECORDED >= max);
}

/* Too many at once are shed before any work; the report says so and is audited like any. */
static int enter_manager(sb_manager *manager, sb_job *job, sb_error *error)
{
	int before = sb_manager_enter(manager, error);
	unsigned max = job->site->conf->limits.max_in_flight;

	if (before >= 0 && is_too_many(manager, (unsigned)before, max)) {
		sb_error_set(&job->content_error, SB_KIND_OVERLOADED, 0,
			"%d scans are in flight, as many as limits.max_in_flight allows", before);
		sb_error_set_retry_after_ms(&job->content_error, SHED_RETRY_MS);
	}
	return before < 0 ? before : 0;
}

/* A start_task is told from a task by its mark: both are embedded in jobs. */
void sb_job_start_mark(sb_task *task)
{
	(void)task;
}

sb_job *sb_job_make(
	sb_manager *manager, const sb_input *input, const sb_scan_options *options, sb_error *error)
{
	sb_job *job = calloc(1, sizeof *job);
	size_t n;

	if (job == NULL) {
		sb_error_no_memory(error);
		return NULL;
	}
	job->site = sb_site_now(manager);
	n = job->site->engine_count;
	atomic_init(&job->references, 1);
	job->manager = manager;
	job->fd = -1;
	pthread_mutex_init(&job->lock, NULL);
	sb_cond_init(&job->changed);
	sb_record_init(&job->record);
	sb_error_init(&job->content_error);
	job->start_task.run = sb_job_start_mark;
	job->report = sb_report_new(n);
	if (job->report != NULL) {
		sb_arena *arena = &job->report->arena;
		job->engines = sb_arena_zalloc(arena, n * sizeof *job->engines);
		job->calls = sb_arena_zalloc(arena, n * sizeof *job->calls);
		job->unneeded = sb_arena_zalloc(arena, n * sizeof *job->unneeded);
		job->settled = sb_arena_zalloc(arena, n * sizeof *job->settled);
		job->deferred = sb_arena_zalloc(arena, n * sizeof *job->deferred);
		job->uploaded_to = sb_arena_zalloc(arena, n * sizeof *job->uploaded_to);
	}
	if (job->report == NULL || job->engines == NULL || job->calls == NULL ||
		job->settled == NULL || job->deferred == NULL || job->unneeded == NULL ||
		job->uploaded_to == NULL)
		sb_error_no_memory(error);
	else if (fill_in(job, input, options, error) == 0 &&
		 enter_manager(manager, job, error) == 0)
		return job;
	sb_site_unref(job->site);
	sb_job_unref(job);
	return NULL;
}

void sb_job_leave(sb_job *job)
{
	sb_manager *manager = job->manager;
	sb_site *site = job->site;
	bool recording = job->recording;

	job->site = NULL;
	sb_job_unref(job);
	sb_site_unref(site);
	if (recording)
		atomic_fetch_sub(&manager->recording, 1);
	sb_manager_leave(manager);
}
