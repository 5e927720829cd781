/* SPDX-License-Identifier: MIT */
/*
 * The thread that keeps a clamd running. All that it does is short, or ends when it is told to
 * stop: it never stands between a scan and clamd.
 */
#include "engines/clamd/spawn_body.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/io.h"
#include "util/thread.h"

/* How often those who don't hold the lock look whether they can have it. */
#define LOCK_WAIT (1000 * SB_MS)
#define START_WAIT (100 * SB_MS)

enum { SAY = 512, WATCHED = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB };

/* --- Telling ---------------------------------------------------------------------------------- */

void sb_spawn_publish(sb_spawn *spawn, const sb_spawn_record *record)
{
	char text[SB_SPAWN_RECORD];
	uint64_t value = 1, doubts;
	bool settled;

	pthread_mutex_lock(&spawn->lock);
	if (record->phase != spawn->record.phase)
		spawn->phase_since = sb_net_now();
	doubts = spawn->holder ? spawn->record.doubts : record->doubts;
	spawn->record = *record;
	spawn->record.doubts = doubts;
	sb_spawn_record_write(text, &spawn->record);
	settled = record->phase != SB_SPAWN_STARTING;
	/* Neither blocks; an eventfd that is set is set. */
	if (read(spawn->settled, &value, sizeof value) < 0 || settled)
		value = 1;
	if (settled && write(spawn->settled, &value, sizeof value) < 0)
		value = 0;
	pthread_cond_broadcast(&spawn->news);
	pthread_mutex_unlock(&spawn->lock);
	if (!spawn->holder)
		return;
	(void)sb_pwrite_all(spawn->place.lock_fd, text, sizeof text, 0);
}

void sb_spawn_publish_phase(sb_spawn *spawn, sb_spawn_phase phase, const char *message)
{
	sb_spawn_record record = {.phase = phase};

	snprintf(record.message, sizeof record.message, "%s", message);
	sb_spawn_publish(spawn, &record);
}

void sb_spawn_say(sb_spawn *spawn, const char *format, ...)
{
	char line[SAY];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	sb_spawn_log_line(&spawn->log, "scanbridge", line);
}

/* --- Programs --------------------------------------------------------------------------------- */

int sb_spawn_program_start(
	sb_spawn *spawn, sb_spawn_program *program, sb_child_plan *plan, sb_error *error)
{
	char *const environment[] = {(char *)(uintptr_t) "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		(char *)(uintptr_t) "LANG=C", NULL};
	int ends[2], status;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return sb_error_set(error, SB_KIND_INTERNAL, errno, "make a pipe");
	status = fcntl(ends[0], F_SETFL, O_NONBLOCK);
	plan->environment = environment;
	plan->standard[1] = plan->standard[2] = ends[1];
	plan->limits[0] = (sb_child_limit){RLIMIT_CORE, 0};
	plan->limit_count = 1;
	plan->tethered = true;
	plan->other_user = spawn->place.user.other;
	plan->user = spawn->place.user.uid;
	plan->group = spawn->place.user.gid;
	if (status == 0)
		status = sb_child_start(&program->child, plan, error);
	sb_close(&ends[1]);
	if (status != 0) {
		sb_close(&ends[0]);
		program->child = NULL;
		return status;
	}
	program->output = (sb_spawn_lines){.fd = ends[0]};
	program->since = sb_net_now();
	return 0;
}

int sb_spawn_program_end(
	sb_spawn *spawn, sb_spawn_program *program, void (*each)(void *data, const char *line))
{
	int status = sb_child_join(program->child);

	/* All who could say more are gone: what there is ends. */
	while (program->output.fd >= 0 && sb_spawn_lines_read(&program->output, each, spawn))
		continue;
	sb_close(&program->output.fd);
	program->child = NULL;
	return status;
}

void sb_spawn_tell_status(char *out, size_t room, int status)
{
	if (status >= 0 && WIFSIGNALED(status))
		snprintf(out, room, "was killed by signal %d (%s)", WTERMSIG(status),
			sigdescr_np(WTERMSIG(status)) != NULL ? sigdescr_np(WTERMSIG(status))
							      : "unknown");
	else if (status >= 0 && WIFEXITED(status))
		snprintf(out, room, "ended with status %d", WEXITSTATUS(status));
	else
		snprintf(out, room, "ended");
}

/* --- The lock ----------------------------------------------------------------------------------
 */

static bool take_lock(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

static void become_holder(sb_spawn *spawn)
{
	pthread_mutex_lock(&spawn->lock);
	spawn->holder = true;
	pthread_mutex_unlock(&spawn->lock);
	sb_spawn_log_open(&spawn->log, spawn->place.folder_fd);
	if (spawn->settings.update != SB_SPAWN_OFF) {
		spawn->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
		if (spawn->watch >= 0 &&
			inotify_add_watch(spawn->watch, spawn->place.database, WATCHED) < 0)
			sb_close(&spawn->watch);
	}
	sb_spawn_publish_phase(spawn, SB_SPAWN_STARTING, "");
}

/* Another process has it: its word is ours. */
static uint64_t follow_holder(sb_spawn *spawn, uint64_t now)
{
	char text[SB_SPAWN_RECORD];
	sb_spawn_record record = {.phase = SB_SPAWN_STARTING};

	if (take_lock(spawn->place.lock_fd)) {
		become_holder(spawn);
		return now;
	}
	if (sb_pread_full(spawn->place.lock_fd, text, sizeof text, 0) != sizeof text ||
		!sb_spawn_record_read(text, &record))
		record = (sb_spawn_record){.phase = SB_SPAWN_STARTING};
	sb_spawn_publish(spawn, &record);
	return now + (record.phase == SB_SPAWN_STARTING ? START_WAIT : LOCK_WAIT);
}

/* --- The thread --------------------------------------------------------------------------------
 */

static void look_at_watch(sb_spawn *spawn, uint64_t now)
{
	_Alignas(struct inotify_event) char events[4096];

	while (read(spawn->watch, events, sizeof events) > 0)
		spawn->changed_at = now;
}

static void hear(sb_spawn *spawn, sb_spawn_program *program,
	void (*each)(void *data, const char *line), const struct pollfd *output)
{
	if (output->revents == 0)
		return;
	sb_spawn_hear_begin(spawn);
	if (!sb_spawn_lines_read(&program->output, each, spawn))
		sb_close(&program->output.fd);
	sb_spawn_hear_end(spawn);
}

static int program_fd(const sb_spawn_program *program)
{
	return program->child != NULL ? sb_child_fd(program->child) : -1;
}

static int output_fd(const sb_spawn_program *program)
{
	return program->child != NULL ? program->output.fd : -1;
}

static int ms_until(uint64_t until)
{
	uint64_t now = sb_net_now(), ms;

	if (until <= now)
		return 0;
	ms = (until - now + SB_MS - 1) / SB_MS;
	return ms < 60000 ? (int)ms : 60000;
}

/* False: stop. */
static bool wait_until(sb_spawn *spawn, uint64_t until)
{
	struct pollfd set[] = {{spawn->stop, POLLIN, 0}, {program_fd(&spawn->clamd), POLLIN, 0},
		{output_fd(&spawn->clamd), POLLIN, 0}, {program_fd(&spawn->update), POLLIN, 0},
		{output_fd(&spawn->update), POLLIN, 0}, {spawn->watch, POLLIN, 0},
		{spawn->nudge, POLLIN, 0}};
	uint64_t now, value;

	if (poll(set, sizeof set / sizeof set[0], ms_until(until)) <= 0)
		return true;
	now = sb_net_now();
	if (set[5].revents != 0)
		look_at_watch(spawn, now);
	if (set[6].revents != 0 && read(spawn->nudge, &value, sizeof value) > 0)
		spawn->nudged = true;
	hear(spawn, &spawn->clamd, sb_spawn_clamd_line, &set[2]);
	hear(spawn, &spawn->update, sb_spawn_update_line, &set[4]);
	if (set[3].revents != 0)
		sb_spawn_update_ended(spawn, now);
	if (set[1].revents != 0)
		sb_spawn_clamd_ended(spawn, now);
	return set[0].revents == 0;
}

static uint64_t work(sb_spawn *spawn, uint64_t now)
{
	uint64_t clamd, update;

	if (!spawn->holder)
		return follow_holder(spawn, now);
	update = sb_spawn_update_step(spawn, now);
	clamd = sb_spawn_clamd_step(spawn, now);
	return clamd < update ? clamd : update;
}

static void *run(void *data)
{
	sb_spawn *spawn = data;

	while (wait_until(spawn, work(spawn, sb_net_now())))
		continue;
	if (spawn->update.child != NULL) {
		sb_child_end(spawn->update.child);
		sb_spawn_program_end(spawn, &spawn->update, sb_spawn_update_line);
	}
	sb_spawn_clamd_stop(spawn);
	if (spawn->holder)
		sb_spawn_publish_phase(spawn, SB_SPAWN_STARTING, "");
	sb_spawn_log_close(&spawn->log);
	return NULL;
}

/* --- Opening and closing ------------------------------------------------------------------------
 */

static void init_lock(sb_spawn *spawn)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&spawn->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&spawn->news, &attributes);
	pthread_condattr_destroy(&attributes);
}

/* By descriptor: a socket's address has little room, and the data directory may have a long name.
 */
static int name_it(sb_spawn *spawn, sb_error *error)
{
	if (asprintf(&spawn->address, "unix:/proc/self/fd/%d/clamd.sock", spawn->place.socket_fd) <
		0)
		spawn->address = NULL;
	if (asprintf(&spawn->name, "clamd in %s", spawn->place.folder) < 0)
		spawn->name = NULL;
	if (spawn->address == NULL || spawn->name == NULL)
		return sb_error_no_memory(error);
	return sb_clamd_address_parse(spawn->address, &spawn->where, error);
}

static int start(sb_spawn *spawn, const sb_environment *environment, sb_error *error)
{
	int status = sb_spawn_place_open(
		&spawn->place, &spawn->settings, environment, &spawn->limits, error);

	if (status == 0)
		status = name_it(spawn, error);
	/* Mistakes are told at once. */
	if (status == 0 && spawn->settings.temporary != NULL)
		status = sb_spawn_temporary_check(
			spawn->settings.temporary, sb_spawn_temporary_need(&spawn->limits), error);
	if (status != 0)
		return status;
	spawn->update_due = spawn->place.freshclam != NULL ? 0 : SB_NEVER;
	spawn->settled = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	spawn->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	spawn->turn = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	spawn->nudge = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (spawn->settled < 0 || spawn->stop < 0 || spawn->turn < 0 || spawn->nudge < 0)
		return sb_error_set(error, SB_KIND_INTERNAL, errno, "make an eventfd");
	spawn->phase_since = sb_net_now();
	status = sb_thread_start(&spawn->thread, "sb-clamd", run, spawn);
	spawn->has_thread = status == 0;
	return status == 0 ? 0 : sb_error_set(error, SB_KIND_INTERNAL, status, "start a thread");
}

int sb_spawn_open(sb_spawn **out, const sb_spawn_settings *settings,
	const sb_environment *environment, sb_error *error)
{
	sb_spawn *spawn = calloc(1, sizeof *spawn);
	int status;

	if (spawn == NULL)
		return sb_error_no_memory(error);
	spawn->settings = *settings;
	spawn->settled = spawn->stop = spawn->turn = spawn->nudge = -1;
	spawn->watch = spawn->update_lock = spawn->said = -1;
	spawn->clamd.output.fd = spawn->update.output.fd = -1;
	spawn->log = (sb_spawn_log){.folder = -1, .fd = -1};
	spawn->place = (sb_spawn_place){
		.folder_fd = -1, .socket_fd = -1, .database_fd = -1, .lock_fd = -1};
	init_lock(spawn);
	sb_spawn_limits_of(environment, &spawn->limits);
	status = start(spawn, environment, error);
	if (status != 0)
		sb_spawn_close(spawn);
	else
		*out = spawn;
	return status;
}

void sb_spawn_close(sb_spawn *spawn)
{
	uint64_t one = 1;

	if (spawn == NULL)
		return;
	if (spawn->has_thread) {
		(void)sb_write_all(spawn->stop, &one, sizeof one);
		pthread_join(spawn->thread, NULL);
	}
	sb_spawn_place_close(&spawn->place); /* with it the lock */
	sb_close(&spawn->settled);
	sb_close(&spawn->stop);
	sb_close(&spawn->turn);
	sb_close(&spawn->nudge);
	sb_close(&spawn->watch);
	sb_close(&spawn->update_lock);
	pthread_cond_destroy(&spawn->news);
	pthread_mutex_destroy(&spawn->lock);
	free(spawn->address);
	free(spawn->name);
	free(spawn);
}

/* --- Its names ---------------------------------------------------------------------------------
 */

const char *sb_spawn_address(const sb_spawn *spawn)
{
	return spawn->address;
}

const char *sb_spawn_name(const sb_spawn *spawn)
{
	return spawn->name;
}
