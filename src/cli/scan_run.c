/* SPDX-License-Identifier: MIT */
/*
 * Threads of one run and how they end. Workers scan one file after the other; reports come back
 * by a queue once they are on record, and whoever passes by writes them out. Everybody who works is
 * counted in `active`; whoever brings it to zero writes to an eventfd that the main thread polls
 * beside its signalfd.
 */
#include "cli/scan_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/engine_events.h"
#include "cli/line.h"
#include "cli/log.h"
#include "util/clock.h"
#include "util/io.h"
#include "util/thread.h"

enum {
	TICK_MS = 100,
	GRACE_MS = 1000, /* for threads to end after a signal */
	MAX_JOBS = 256,
	MAX_LINE = 256 * 1024,
};

struct worker {
	struct run *run;
	pthread_t thread;
};

struct run {
	const sb_scan_run *plan;
	sb_feed *feed;
	sb_queue *queue;
	atomic_bool stopped;
	atomic_uint active, scanning;
	atomic_uint unreleased; /* scans that may begin, or whose report has not come */
	sb_told told;
	int done_fd, signal_fd;
	pthread_t walker, shower;
	bool shows;
	struct worker workers[MAX_JOBS];
	unsigned worker_count;
	sigset_t signals;
	pthread_t reloader;
	bool has_reloader;
	atomic_uint reloads; /* that are wanted, and not done yet */
};

/* --- Stopping --------------------------------------------------------------------------- */

/* Nothing new begins. */
static void stop_finding(struct run *run)
{
	const sb_scan_finder *finder = run->plan->finder;

	atomic_store(&run->stopped, true);
	sb_feed_stop(run->feed);
	if (finder != NULL)
		finder->stop(finder->data);
}

static void stop(struct run *run)
{
	stop_finding(run);
	sb_cancel_all(run->plan->cancel);
}

static void leave(struct run *run)
{
	uint64_t one = 1;

	if (atomic_fetch_sub(&run->active, 1) == 1)
		(void)sb_write_all(run->done_fd, &one, sizeof one); /* can't fail below 2^64 */
}

/* --- Workers ---------------------------------------------------------------------------- */

static sb_input *make_input(const struct run *run, const sb_walk_item *item, const char *path)
{
	sb_input *input;

	if (item->dir != NULL)
		return sb_input_at(item->dir->fd, item->name, path);
	if (!item->standard_input)
		return sb_input_path(path);
	input = sb_input_fd(STDIN_FILENO);
	if (input != NULL && run->plan->stdin_name != NULL &&
		sb_input_set_name(input, run->plan->stdin_name, strlen(run->plan->stdin_name)) <
			0) {
		sb_input_free(input);
		return NULL;
	}
	return input;
}

/* What is needed of a file when its report comes. */
struct scanned {
	struct run *run;
	size_t length;
	char path[];
};

/* One scan has ended, with a report or without. */
static void tell(
	struct run *run, const char *path, size_t length, sb_report *report, const sb_error *error)
{
	const sb_scan_finder *finder = run->plan->finder;
	bool more = true;

	if (finder != NULL)
		more = finder->ended(finder->data, path, length, report, error);
	else if (report == NULL)
		sb_output_failed(run->plan->output, path, error);
	else
		more = sb_output_report(run->plan->output, path, length, report);
	if (!more)
		stop(run);
}

static void released(sb_job *job, void *data)
{
	struct scanned *scanned = data;
	struct run *run = scanned->run;
	sb_report *report = NULL;
	sb_error error;

	sb_error_init(&error);
	sb_tell_engine_events(run->plan->manager, &run->told);
	(void)sb_job_take(job, &report, &error); /* no report: the error tells */
	tell(run, scanned->path, scanned->length, report, &error);
	sb_report_free(report);
	sb_job_free(job);
	free(scanned);
	atomic_fetch_sub(&run->unreleased, 1);
}

/* Write out what is there; then wait until at most @p left are still to come. */
static void write_out(struct run *run, unsigned left)
{
	struct pollfd ready = {.fd = sb_queue_fd(run->queue), .events = POLLIN};

	while (sb_dispatch(run->queue, 0) == 0 && atomic_load(&run->unreleased) > left)
		(void)poll(&ready, 1, TICK_MS); /* another worker may have taken them */
}

/* Count one more in before it begins, so that never more are in flight than may be. */
static void reserve(struct run *run)
{
	const unsigned most = run->plan->in_flight;
	unsigned now;

	(void)sb_dispatch(run->queue, 0);
	for (;;) {
		now = atomic_load(&run->unreleased);
		while (now < most)
			if (atomic_compare_exchange_weak(&run->unreleased, &now, now + 1))
				return;
		write_out(run, most - 1);
	}
}

/* The last worker waits for what is still to come. */
static void drain(struct run *run)
{
	if (atomic_fetch_sub(&run->scanning, 1) > 1)
		return;
	while (atomic_load(&run->unreleased) > 0)
		write_out(run, 0);
}

static int scan_input(struct worker *worker, sb_input *input, const sb_buf *path, sb_error *error)
{
	struct run *run = worker->run;
	const sb_scan_run *plan = run->plan;
	struct scanned *scanned = malloc(sizeof *scanned + path->length + 1);
	bool more;
	int status;

	if (scanned == NULL)
		return sb_error_no_memory(error);
	scanned->run = run;
	scanned->length = path->length;
	memcpy(scanned->path, path->data, path->length + 1);
	/* The last that may begin waits for nobody: the others wait for it. Nor does the last of
	 * any worker: which of these ends last is not known before. */
	more = sb_feed_has_more(run->feed, plan->jobs) &&
	       atomic_load(&run->unreleased) < plan->in_flight;
	status = sb_scan_queued(
		plan->manager, input, plan->options, more, run->queue, released, scanned, error);
	if (status < 0)
		free(scanned);
	return status;
}

/* False: no report will come. */
static bool scan_item(struct worker *worker, const sb_walk_item *item, sb_buf *path)
{
	bool begun;

	sb_output *output = worker->run->plan->output;
	sb_input *input = NULL;
	sb_error error;

	sb_error_init(&error);
	sb_walk_item_path(item, path);
	if (path->data != NULL && !path->failed)
		input = make_input(worker->run, item, path->data);
	if (input == NULL) {
		(void)sb_error_no_memory(&error);
		tell(worker->run, path->failed ? item->name : path->data, path->length, NULL,
			&error);
		return false;
	}
	if (item->standard_input && worker->run->plan->stdin_name != NULL) {
		sb_buf_clear(path); /* what people called it, instead of `-` */
		sb_buf_text(path, worker->run->plan->stdin_name);
	}
	sb_output_begins(output, path->data, path->length);
	begun = scan_input(worker, input, path, &error) == 0;
	if (!begun)
		tell(worker->run, path->data, path->length, NULL, &error);
	sb_input_free(input);
	return begun;
}

static void *work(void *data)
{
	struct worker *worker = data;
	struct run *run = worker->run;
	sb_walk_item *item;
	sb_buf path;

	sb_buf_init(&path, MAX_LINE + 4096);
	for (;;) {
		reserve(run);
		item = sb_feed_take(run->feed);
		if (item == NULL || !scan_item(worker, item, &path))
			atomic_fetch_sub(&run->unreleased, 1);
		if (item == NULL)
			break;
		sb_feed_done(run->feed, item);
	}
	drain(run);
	sb_buf_done(&path);
	leave(run);
	return NULL;
}

/* --- The walk --------------------------------------------------------------------------- */

static bool on_file(void *data, sb_walk_item *item)
{
	struct run *run = data;

	sb_output_found(run->plan->output, item->size);
	return sb_feed_put(run->feed, item);
}

static void on_skipped(void *data, const char *path, sb_skip why)
{
	struct run *run = data;

	sb_output_skipped(run->plan->output, path, why);
}

static void on_problem(void *data, const char *path, const char *message)
{
	struct run *run = data;

	sb_output_unopened(run->plan->output, path, message);
}

/* One path a line (or NUL), read as they come; empty ones are nothing. */
static bool walk_list(struct run *run, sb_walk *walk, FILE *list)
{
	int end = run->plan->nul_separated ? '\0' : '\n';
	char *line = NULL;
	size_t room = 0;
	ssize_t length;
	bool more = true;

	while (more && (length = getdelim(&line, &room, end, list)) > 0) {
		if (line[length - 1] == (char)end)
			line[--length] = '\0';
		if (strlen(line) != (size_t)length)
			on_problem(
				run, line, "a name with a NUL byte in it; use -0 for such lists");
		else if (length > 0)
			more = sb_walk_path(walk, line);
	}
	if (ferror(list))
		on_problem(run, run->plan->file_list, strerror(errno));
	free(line);
	return more;
}

static bool walk_file_list(struct run *run, sb_walk *walk)
{
	const char *name = run->plan->file_list;
	bool is_stdin = strcmp(name, "-") == 0, more;
	FILE *list = is_stdin ? stdin : fopen(name, "re");

	if (list == NULL) {
		on_problem(run, name, strerror(errno));
		return true;
	}
	more = walk_list(run, walk, list);
	if (!is_stdin)
		fclose(list);
	return more;
}

static void walk_all(struct run *run)
{
	const sb_walk_sink sink = {on_file, on_skipped, on_problem, run};
	sb_walk *walk = sb_walk_new(&run->plan->walk, &sink);
	bool more = walk != NULL;

	if (walk == NULL)
		on_problem(run, "walk", strerror(ENOMEM));
	for (size_t i = 0; more && i < run->plan->path_count; i++)
		more = sb_walk_path(walk, run->plan->paths[i]);
	if (more && run->plan->file_list != NULL)
		more = walk_file_list(run, walk);
	sb_walk_free(walk);
	if (more)
		sb_output_found_all(run->plan->output);
}

static void *find_all(void *data)
{
	struct run *run = data;
	const sb_scan_finder *finder = run->plan->finder;

	if (finder != NULL)
		finder->run(finder->data, run->feed);
	else
		walk_all(run);
	sb_feed_end(run->feed);
	leave(run);
	return NULL;
}

/* --- The main thread -------------------------------------------------------------------- */

/* SIGINT and SIGTERM arrive through a descriptor; one that is ignored (a shell's `&`) stays so. */
static int catch_signals(struct run *run)
{
	static const int wanted[] = {SIGINT, SIGTERM, SIGHUP};
	const size_t count = run->plan->reload != NULL ? 3 : 2;
	struct sigaction now;

	sigemptyset(&run->signals);
	for (size_t i = 0; i < count; i++)
		if (sigaction(wanted[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			sigaddset(&run->signals, wanted[i]);
	pthread_sigmask(SIG_BLOCK, &run->signals, NULL);
	run->signal_fd = signalfd(-1, &run->signals, SFD_CLOEXEC | SFD_NONBLOCK);
	run->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return run->signal_fd < 0 || run->done_fd < 0 ? -1 : 0;
}

/* Its number, or 0. */
static uint32_t signal_came(const struct run *run)
{
	struct signalfd_siginfo info;

	return read(run->signal_fd, &info, sizeof info) == (ssize_t)sizeof info ? info.ssi_signo
										: 0;
}

static int patience(const struct run *run, uint64_t until)
{
	uint64_t now = sb_clock_now(sb_clock_system());

	if (until != SB_NEVER)
		return until > now ? (int)((until - now) / SB_MS) + 1 : 0;
	return run->plan->progress ? TICK_MS : -1;
}

/* What a signal set off, in order: find no more, cancel what is in work, wait no longer. */
struct ending {
	uint32_t signal; /* 0: none came */
	uint64_t until;  /* the next step */
	bool cancelled;
};

static void begin_to_end(struct run *run, struct ending *ending, uint32_t signal)
{
	if (ending->signal != 0)
		_exit(SB_EXIT_INTERRUPTED);
	ending->signal = signal;
	ending->until = sb_clock_now(sb_clock_system()) + run->plan->grace_ms * SB_MS;
	stop_finding(run);
}

/* True when there is nothing left to wait for. */
static bool go_on_ending(struct run *run, struct ending *ending)
{
	uint64_t now = sb_clock_now(sb_clock_system());

	if (now < ending->until)
		return false;
	if (ending->cancelled)
		return true;
	ending->cancelled = true;
	ending->until = now + GRACE_MS * SB_MS;
	sb_cancel_all(run->plan->cancel);
	return false;
}

/* Scans go on meanwhile; what can't be used changes nothing. */
static void reload(struct run *run)
{
	sb_error error;

	sb_error_init(&error);
	if (run->plan->reload(run->plan->reload_data, &error) < 0) {
		sb_log_error(&error);
		sb_log(SB_LOG_ERROR, "the configuration stays as it was");
	} else {
		sb_output_note(run->plan->output, "configuration and rules were read anew");
	}
}

/* In a thread of its own: engines may take their time to answer. What is asked for meanwhile is
 * done once more. */
static void *reload_all(void *data)
{
	struct run *run = data;
	unsigned wanted;

	do {
		wanted = atomic_load(&run->reloads);
		reload(run);
	} while (atomic_fetch_sub(&run->reloads, wanted) != wanted);
	return NULL;
}

static void begin_to_reload(struct run *run)
{
	if (atomic_fetch_add(&run->reloads, 1) > 0)
		return;
	if (run->has_reloader)
		pthread_join(run->reloader, NULL); /* it is about to end */
	run->has_reloader = sb_thread_start(&run->reloader, "reload", reload_all, run) == 0;
	if (!run->has_reloader)
		(void)reload_all(run);
}

/* No scan is left: what is still tried out is given up. */
static void end_reloading(struct run *run)
{
	if (!run->has_reloader)
		return;
	sb_manager_close(run->plan->manager);
	pthread_join(run->reloader, NULL);
}

static sb_run_end supervise(struct run *run)
{
	struct pollfd polled[] = {{run->done_fd, POLLIN, 0}, {run->signal_fd, POLLIN, 0}};
	struct ending ending = {.until = SB_NEVER};
	uint32_t signal;

	for (;;) {
		int ready = poll(polled, 2, patience(run, ending.until));
		if (ready > 0 && (polled[0].revents & POLLIN) != 0)
			break;
		signal = ready > 0 ? signal_came(run) : 0;
		if (signal == SIGHUP)
			begin_to_reload(run);
		else if (signal != 0)
			begin_to_end(run, &ending, signal);
		if (ending.signal == 0)
			sb_output_tick(run->plan->output);
		else if (go_on_ending(run, &ending))
			return SB_RUN_STUCK;
	}
	if (ending.signal == 0)
		return SB_RUN_DONE;
	return ending.signal == SIGTERM ? SB_RUN_TERMINATED : SB_RUN_INTERRUPTED;
}

/* All workers may be busy for long, and nobody may be reading what we write: neither should hold
 * up what the others have done. */
static void *show(void *data)
{
	struct run *run = data;
	struct pollfd polled[] = {{run->done_fd, POLLIN, 0}, {sb_queue_fd(run->queue), POLLIN, 0}};
	bool rarely = run->plan->finder != NULL; /* nothing happens for hours */

	while (poll(polled, rarely ? 2 : 1, rarely ? -1 : TICK_MS) <= 0 || polled[0].revents == 0)
		(void)sb_dispatch(run->queue, 0);
	return NULL;
}

static int start_threads(struct run *run)
{
	unsigned wanted = run->plan->jobs < MAX_JOBS ? run->plan->jobs : MAX_JOBS;
	int status = 0;

	atomic_init(&run->active, wanted + 1);
	atomic_init(&run->scanning, wanted);
	for (unsigned i = 0; i < wanted; i++) {
		struct worker *worker = &run->workers[i];
		worker->run = run;
	}
	while (run->worker_count < wanted && status == 0) {
		struct worker *worker = &run->workers[run->worker_count];
		status = sb_thread_start(&worker->thread, "scan", work, worker);
		if (status == 0)
			run->worker_count++;
	}
	/* Fewer workers do as well; those that are missing have left already. */
	if (run->worker_count > 0) {
		for (unsigned i = run->worker_count; i < wanted; i++) {
			drain(run);
			leave(run);
		}
		status = sb_thread_start(&run->walker, "walk", find_all, run);
	}
	/* Without it the workers do as well, if later. */
	run->shows = status == 0 && sb_thread_start(&run->shower, "show", show, run) == 0;
	return status;
}

static void join_threads(struct run *run, bool walker)
{
	if (walker)
		pthread_join(run->walker, NULL);
	if (run->shows)
		pthread_join(run->shower, NULL);
	for (unsigned i = 0; i < run->worker_count; i++)
		pthread_join(run->workers[i].thread, NULL);
}

static void done(struct run *run)
{
	sb_close(&run->signal_fd);
	sb_close(&run->done_fd);
	sb_feed_free(run->feed);
	sb_queue_free(run->queue);
	pthread_mutex_destroy(&run->told.lock);
	free(run);
}

sb_run_end sb_scan_run_all(const sb_scan_run *plan)
{
	struct run *run = calloc(1, sizeof *run);
	sb_run_end end = SB_RUN_FAILED;
	int status = ENOMEM;

	if (run == NULL)
		return SB_RUN_FAILED;
	run->plan = plan;
	run->signal_fd = run->done_fd = -1;
	pthread_mutex_init(&run->told.lock, NULL);
	run->feed = sb_feed_new(plan->budget);
	run->queue = sb_queue_new(NULL);
	if (run->feed != NULL && run->queue != NULL)
		status = catch_signals(run) == 0 ? start_threads(run) : errno;
	if (status != 0) {
		sb_log(SB_LOG_ERROR, "could not start scanning: %s", strerror(status));
		if (run->feed != NULL)
			stop(run);
		join_threads(run, false);
		done(run);
		return SB_RUN_FAILED;
	}
	end = supervise(run);
	if (end == SB_RUN_STUCK)
		return end; /* the threads still use all of it */
	join_threads(run, true);
	end_reloading(run);
	/* From here on Ctrl-C ends the program at once again. */
	pthread_sigmask(SIG_UNBLOCK, &run->signals, NULL);
	done(run);
	return end;
}
