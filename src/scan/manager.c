/* SPDX-License-Identifier: MIT */
/* A manager: everything a configuration names, opened in the order in which things need each
 * other, closed the other way round. */
#include "scan/manager_body.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "scan/call.h"
#include "scan/check.h"
#include "scan/events.h"
#include "scan/inspect.h"
#include "scan/job.h"
#include "scan/store.h"
#include "util/io.h"
#include "util/uuid.h"

static const char format_text[] = "scanbridge-data 1\n";

/* --- Retry budget --------------------------------------------------------------------------- */

enum { RETRY = 1000, EARNED = RETRY / 10, FULL = 10 * RETRY };

void sb_retry_budget_earn(sb_manager *manager)
{
	/* Full most of the time: then there is nothing to write. A race may lose a tenth. */
	int budget = atomic_load_explicit(&manager->retry_budget, memory_order_relaxed);

	if (budget < FULL)
		atomic_fetch_add(&manager->retry_budget, EARNED);
}

bool sb_retry_budget_spend(sb_manager *manager)
{
	int budget = atomic_load(&manager->retry_budget);

	while (budget >= RETRY)
		if (atomic_compare_exchange_weak(&manager->retry_budget, &budget, budget - RETRY))
			return true;
	return false;
}

/* --- The data directory ------------------------------------------------------------------------
 */

/* Like mkdir -p, each new folder 0700. */
static int make_folders(const char *path)
{
	char *copy = strdup(path), *slash = copy;
	int status = 0;

	if (copy == NULL)
		return -1;
	while (status == 0 && (slash = strchr(slash + 1, '/')) != NULL) {
		*slash = '\0';
		if (mkdir(copy, 0700) < 0 && errno != EEXIST)
			status = -1;
		*slash = '/';
	}
	if (status == 0 && mkdir(copy, 0700) < 0 && errno != EEXIST)
		status = -1;
	free(copy);
	return status;
}

/* The format file: made with the directory, checked ever after. */
static int check_format(int dir, const char *path, sb_error *error)
{
	char text[64] = "";
	int fd = openat(dir, "format", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	if (fd < 0 && errno == ENOENT) {
		fd = openat(
			dir, "format", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd >= 0) {
			int status = sb_write_all(fd, format_text, sizeof format_text - 1);
			sb_close(&fd);
			if (status == 0)
				return 0;
		} else if (errno == EEXIST) {
			return 0; /* another process was faster */
		}
		return sb_error_set(error, SB_KIND_IO, errno,
			"data directory %s: write format; give a writable one with --data-dir or "
			"data_dir",
			path);
	}
	n = fd >= 0 ? sb_read_full(fd, text, sizeof text - 1) : -1;
	sb_close(&fd);
	if (n < 0)
		return sb_error_set(
			error, SB_KIND_IO, errno, "data directory %s: read format", path);
	/* Empty: another process is just writing it. */
	if (n > 0 && strcmp(text, format_text) != 0)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"data directory %s has another format than this version's; give another "
			"one "
			"with --data-dir",
			path);
	return 0;
}

int sb_manager_open_data_dir(int *out, const sb_conf *conf, sb_error *error)
{
	const char *path = conf->data_dir;

	if (make_folders(path) < 0)
		return sb_error_set(error, SB_KIND_IO, errno,
			"make data directory %s; give a writable one with --data-dir or data_dir",
			path);
	*out = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*out < 0)
		return sb_error_set(error, SB_KIND_IO, errno, "open data directory %s", path);
	return check_format(*out, path, error);
}

static int open_data_dir(sb_manager *manager, sb_error *error)
{
	return sb_manager_open_data_dir(&manager->data_dir_fd, manager->conf, error);
}

bool sb_manager_cache_path(const sb_manager *manager, char *out, size_t room)
{
	return snprintf(out, room, "%s/cache", manager->conf->data_dir) < (int)room;
}

/* --- Opening ------------------------------------------------------------------------------ */

static int open_spool(sb_manager *manager, sb_error *error)
{
	const sb_conf *conf = manager->conf;
	sb_spool_limits limits = {
		.memory = conf->limits.spool_memory,
		.disk = conf->limits.spool_disk,
		.copy_unpinned = conf->limits.copy_unpinned,
	};
	char path[4096];

	if (snprintf(path, sizeof path, "%s/spool", conf->data_dir) >= (int)sizeof path)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0, "data_dir is too long");
	return sb_spool_open(&manager->spool, path, &limits, error);
}

int sb_manager_open_audit(sb_audit **out, const sb_conf *conf, sb_clock *clock,
	sb_audit_recovery *recovery, sb_error *error)
{
	sb_audit_recovery unasked;
	sb_audit_options options = {
		.path = conf->audit.file,
		.sync = conf->audit.sync,
		.reserve = conf->audit.reserve,
		.clock = clock,
	};

	if (!conf->audit.enabled)
		return 0;
	return sb_audit_open(out, &options, recovery != NULL ? recovery : &unasked, error);
}

static int open_audit(sb_manager *manager, sb_error *error)
{
	return sb_manager_open_audit(
		&manager->audit, manager->conf, manager->clock, &manager->recovery, error);
}

/* --- Quarantine --------------------------------------------------------------------------------
 */

static int open_quarantine(sb_manager *manager, sb_error *error)
{
	enum { KEEPERS = 2 };
	int status;

	if (!manager->conf->quarantine.enabled)
		return 0;
	status =
		sb_store_new(&manager->store, manager->conf, manager->audit, manager->clock, error);
	if (status == 0)
		status = sb_store_keep(manager->store, error);
	return status == 0 ? sb_crew_open(&manager->keepers, "sb-keep", KEEPERS, error) : status;
}

static int open_events(sb_manager *manager, sb_error *error)
{
	return sb_events_open(&manager->events, manager->audit, manager->clock, error);
}

static int open_verdicts(sb_manager *manager, sb_error *error)
{
	return sb_verdicts_open(&manager->verdicts, manager, error);
}

/* Where it can't be kept, or need not be, it is one of this run: then what is remembered holds as
 * long as the run. */
static void make_generation_key(sb_manager *manager)
{
	const sb_conf *conf = manager->conf; /* where it is kept does not change */
	char path[4096];

	if (conf->cache.enabled && conf->cache.persistent &&
		sb_manager_cache_path(manager, path, sizeof path) &&
		sb_cache_secret(path, manager->generation_key, NULL) == 0)
		return;
	sb_random(manager->generation_key, sizeof manager->generation_key);
}

static bool has_secrets(const sb_conf *conf)
{
	bool any = conf->containers.passwords[0] != NULL;

	for (size_t i = 0; i < conf->engine_count; i++)
		any = any || conf->engines[i].judges_by_secrets;
	return any;
}

void sb_manager_make_generation_key(sb_manager *manager, const sb_conf *conf)
{
	if (!manager->has_generation_key && has_secrets(conf))
		make_generation_key(manager);
	manager->has_generation_key = manager->has_generation_key || has_secrets(conf);
}

static int open_engines(sb_manager *manager, sb_error *error)
{
	sb_conf *conf = manager->conf;
	int status = 0;

	manager->site = sb_site_new(manager, conf);
	if (manager->site == NULL)
		return sb_error_no_memory(error);
	sb_manager_make_generation_key(manager, conf);
	for (size_t i = 0; status == 0 && i < conf->engine_count; i++)
		status = sb_site_open_engine(manager->site, &conf->engines[i], error);
	return status;
}

static int open_all(sb_manager *manager, sb_error *error)
{
	enum { PIPE_THREADS = 16, ASKERS = 4, RETIRERS = 2 };
	static int (*const steps[])(sb_manager *, sb_error *) = {open_data_dir, open_verdicts,
		open_spool, open_audit, open_quarantine, open_events, open_engines};
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int status = sb_timers_open(&manager->timers, manager->clock, error);

	if (status == 0)
		status = sb_crew_open(
			&manager->crew, "sb-crew", cpus > 1 ? (unsigned)cpus * 2 : 2, error);
	if (status == 0)
		status = sb_crew_open(&manager->pipes, "sb-pipes", PIPE_THREADS, error);
	if (status == 0)
		status = sb_crew_open(&manager->askers, "sb-ask", ASKERS, error);
	if (status == 0)
		status = sb_crew_open(&manager->retirers, "sb-retire", RETIRERS, error);
	if (status == 0)
		status = sb_release_open(&manager->release, sb_job_release_batch, manager, error);
	for (size_t i = 0; status == 0 && i < sizeof steps / sizeof steps[0]; i++)
		status = steps[i](manager, error);
	if (status == 0) {
		sb_check_load(manager->site);
		manager->inspector = sb_inspector_new(manager);
	}
	return status;
}

int sb_manager_open_with(
	sb_manager **out, const sb_config *config, sb_clock *clock, sb_error *error)
{
	sb_manager *manager = calloc(1, sizeof *manager);
	int status;

	if (manager == NULL)
		return sb_error_no_memory(error);
	manager->clock = clock;
	manager->data_dir_fd = -1;
	pthread_mutex_init(&manager->site_lock, NULL);
	pthread_mutex_init(&manager->reconfiguring, NULL);
	pthread_cond_init(&manager->engine_gone, NULL);
	atomic_init(&manager->retry_budget, FULL);
	status = sb_conf_build(&manager->conf, config, error);
	if (status == 0)
		status = open_all(manager, error);
	if (status < 0) {
		sb_manager_free(manager);
		return status;
	}
	*out = manager;
	return 0;
}

int sb_manager_open(sb_manager **out, const sb_config *config, sb_error *error)
{
	return sb_manager_open_with(out, config, sb_clock_system(), error);
}

/* --- Ending ------------------------------------------------------------------------------- */

int sb_manager_enter(sb_manager *manager, sb_error *error)
{
	unsigned before = atomic_fetch_add(&manager->in_flight, 1);

	if ((before & SB_CLOSING) == 0)
		return (int)before;
	sb_manager_leave(manager);
	return sb_error_set(error, SB_KIND_CANCELLED, 0, "the manager is closed");
}

void sb_manager_leave(sb_manager *manager)
{
	_Atomic(unsigned) *word = &manager->in_flight;

	/* Waking nobody, at an address that was freed meanwhile, does no harm. */
	if (atomic_fetch_sub(word, 1) == (SB_CLOSING | 1))
		syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

int sb_manager_change(sb_manager *manager,
	int (*change)(sb_manager *manager, const void *what, sb_error *error), const void *what,
	sb_error *error)
{
	sb_error why;
	int status = sb_manager_enter(manager, error);

	if (status < 0)
		return status;
	sb_error_init(&why);
	pthread_mutex_lock(&manager->reconfiguring);
	status = change(manager, what, &why);
	pthread_mutex_unlock(&manager->reconfiguring);
	if (status < 0)
		sb_error_copy(error, &why);
	sb_manager_leave(manager);
	return status;
}

bool sb_manager_hold(sb_manager *manager, struct sb_call *call)
{
	pthread_mutex_lock(&manager->site_lock);
	manager->on_trial = call;
	pthread_mutex_unlock(&manager->site_lock);
	return (atomic_load(&manager->in_flight) & SB_CLOSING) == 0;
}

void sb_manager_close(sb_manager *manager)
{
	atomic_fetch_or(&manager->in_flight, SB_CLOSING);
	pthread_mutex_lock(&manager->site_lock);
	if (manager->on_trial != NULL)
		sb_call_cancel(manager->on_trial);
	pthread_mutex_unlock(&manager->site_lock);
}

void sb_manager_stop(sb_manager *manager)
{
	unsigned now;

	sb_manager_close(manager);
	while ((now = atomic_load(&manager->in_flight)) != SB_CLOSING)
		syscall(SYS_futex, &manager->in_flight, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
}

/* Those of sites before this one are among them, when calls still hold them. */
static void close_engines(sb_manager *manager)
{
	sb_site_unref(manager->site);
	pthread_mutex_lock(&manager->site_lock);
	while (manager->engines_alive > 0)
		pthread_cond_wait(&manager->engine_gone, &manager->site_lock);
	pthread_mutex_unlock(&manager->site_lock);
	sb_crew_close(manager->retirers);
}

void sb_manager_free(sb_manager *manager)
{
	if (manager == NULL)
		return;
	sb_manager_stop(manager);
	sb_tester_stop(manager);
	sb_crew_close(manager->askers);
	/* Release first: it may still be about to unref jobs. Lanes: engines that overran. */
	sb_crew_close(manager->pipes);
	sb_crew_close(manager->crew);
	sb_release_close(manager->release);
	sb_crew_close(manager->keepers);
	sb_store_free(manager->store);
	close_engines(manager);
	sb_verdicts_close(manager->verdicts); /* lanes store what they still learn */
	sb_events_close(manager->events);
	sb_inspector_free(manager->inspector);
	sb_timers_close(manager->timers);
	if (manager->audit != NULL)
		sb_audit_close(manager->audit);
	if (manager->spool != NULL)
		sb_spool_close(manager->spool);
	sb_close(&manager->data_dir_fd);
	sb_conf_free(manager->conf);
	pthread_cond_destroy(&manager->engine_gone);
	pthread_mutex_destroy(&manager->reconfiguring);
	pthread_mutex_destroy(&manager->site_lock);
	free(manager);
}

const sb_conf *sb_manager_conf(const sb_manager *manager)
{
	return manager->conf;
}

struct sb_store *sb_manager_store(const sb_manager *manager)
{
	return manager->store;
}

const sb_error *sb_manager_engine_problem(const sb_manager *manager, size_t index)
{
	const sb_error *broken = &manager->site->engines[index]->broken;

	return broken->kind != SB_KIND_NONE ? broken : NULL;
}

const char *sb_manager_engine_note(const sb_manager *manager, size_t index)
{
	return sb_engine_note(manager->site->engines[index]);
}

bool sb_manager_cache_problem(sb_manager *manager, char *out, size_t room)
{
	return sb_verdicts_problem(manager->verdicts, out, room);
}

bool sb_manager_event(sb_manager *manager, uint64_t *seen, sb_engine_event *out)
{
	return sb_events_next(manager->events, seen, out);
}

const sb_audit_recovery *sb_manager_recovery(const sb_manager *manager)
{
	return manager->audit != NULL ? &manager->recovery : NULL;
}
