/* SPDX-License-Identifier: MIT */
/*
 * clamd itself: it is started, asked until it answers, told when its signatures have changed, and
 * ended. What became of a change only its own words tell: that it judges by the new ones is said
 * to have happened when it says so and answers afterwards, never before.
 */
#include "engines/clamd/spawn_body.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/io.h"

#define ASK_WAIT (100 * SB_MS)
#define SETTLE (1000 * SB_MS)
/* Watches miss what happens on other machines. */
#define LOOK_WAIT (60000 * SB_MS)
#define LIFE_WAIT (15000 * SB_MS)

/* For each scan that was inside at its end: it comes again, behind others. */
enum { CAREFUL = 4 };

/* How it ended, where we ended it. */
static const char silent[] = "did not answer in time",
		  unreachable[] = "could not be reached any more",
		  homeless[] = "had lost its temporary folder";

enum { ASK_MS = 2000, STOP_MS = 5000, REPLY = 512, MEMINFO = 16384 };

/* --- A word with it ----------------------------------------------------------------------------
 */

/* One command, NUL included, over a connection of its own; the reply without its NUL. */
static int talk(
	sb_spawn *spawn, const char *command, int cancel_fd, char reply[REPLY], sb_error *error)
{
	const uint64_t patience = spawn->settings.start_timeout_ms;
	sb_net_wait wait = {sb_net_deadline(patience < ASK_MS ? patience : ASK_MS), cancel_fd};
	int fd = sb_net_connect(&spawn->where, &wait, error), status = 0;
	size_t used = 0;
	ssize_t n = -1;

	if (fd < 0)
		return fd;
	if (send(fd, command, strlen(command) + 1, MSG_NOSIGNAL) < 0)
		status = sb_error_set(error, SB_KIND_CONNECTION_FAILED, errno, "ask clamd");
	while (status == 0 && used < REPLY - 1 && memchr(reply, '\0', used) == NULL) {
		status = sb_net_await(&wait, fd, POLLIN, spawn->name, "it was asked", error);
		if (status != 0)
			break;
		n = recv(fd, reply + used, REPLY - 1 - used, 0);
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	reply[used] = '\0';
	sb_close(&fd);
	return status;
}

/* --- Up -----------------------------------------------------------------------------------------
 */

/* Ask who it is; its signatures' name is completed by what we know of the folder. */
static bool ask_version(sb_spawn *spawn, sb_spawn_record *out)
{
	sb_clamd_version version;
	char reply[REPLY];

	if (talk(spawn, "zVERSION", spawn->stop, reply, NULL) != 0 ||
		!sb_clamd_version_parse(reply, strlen(reply), &version))
		return false;
	*out = (sb_spawn_record){.phase = SB_SPAWN_UP, .time = version.time};
	memcpy(out->engine, version.engine, sizeof out->engine);
	if (strlen(spawn->temporary) < sizeof out->temporary)
		memcpy(out->temporary, spawn->temporary, strlen(spawn->temporary));
	snprintf(out->signatures, sizeof out->signatures, "%.100s%s%s", version.signatures,
		version.signatures[0] != '\0' ? " " : "", spawn->loaded.tag);
	return true;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* It is as good as gone. @p how: what those are told who were inside. */
static uint64_t give_up(sb_spawn *spawn, const char *why, const char *how, uint64_t now)
{
	spawn->given_up = how;
	sb_spawn_say(spawn, "clamd %s: it is ended", why);
	sb_child_end(spawn->clamd.child);
	return now + LOOK_WAIT;
}

static uint64_t try_up(sb_spawn *spawn, uint64_t now)
{
	uint64_t until = spawn->clamd.since + spawn->settings.start_timeout_ms * SB_MS;
	sb_spawn_record record;

	if (ask_version(spawn, &record)) {
		sb_restart_up(&spawn->restart, sb_net_now());
		spawn->asked_at = spawn->answered_at = sb_net_now();
		spawn->log.muted = false;
		sb_spawn_say(spawn, "clamd is up after %llu ms, with signatures %s",
			(unsigned long long)((sb_net_now() - spawn->clamd.since) / SB_MS),
			record.signatures);
		sb_spawn_publish(spawn, &record);
		return now;
	}
	if (now >= until && spawn->given_up == NULL)
		return give_up(spawn, "has not answered in time", silent, now);
	return spawn->given_up != NULL ? now + LOOK_WAIT : sb_net_now() + ASK_WAIT;
}

/* --- Starting -----------------------------------------------------------------------------------
 */

static bool has_memory_twice(const sb_spawn_database *database)
{
	size_t length;
	char *text = sb_read_file("/proc/meminfo", MEMINFO, &length);
	uint64_t available = text != NULL ? sb_spawn_available(text) : 0;

	free(text);
	return available / 2 > sb_spawn_loaded_size(database->bytes);
}

static int prepare(sb_spawn *spawn, sb_error *error)
{
	sb_buf text;
	int status;

	sb_spawn_temporary_drop(&spawn->place, spawn->temporary);
	spawn->temporary = sb_spawn_temporary(&spawn->place, spawn->settings.temporary,
		sb_spawn_temporary_need(&spawn->limits), error);
	if (spawn->temporary == NULL)
		return -(int)sb_error_kind(error);
	sb_buf_init(&text, 64 * 1024);
	sb_spawn_clamd_conf(&text, &spawn->limits, spawn->place.database_for_clamd,
		spawn->temporary, has_memory_twice(&spawn->loaded));
	status = sb_spawn_write(&spawn->place, "clamd.conf", &text, error);
	sb_buf_done(&text);
	/* Nobody shall take a dead one's socket for ours. */
	if (status == 0 && unlinkat(spawn->place.socket_fd, "clamd.sock", 0) != 0 &&
		errno != ENOENT)
		status = sb_error_set(error, SB_KIND_IO, errno, "remove the old socket in %s",
			spawn->place.folder);
	return status;
}

static int launch(sb_spawn *spawn, sb_error *error)
{
	char *const argv[] = {(char *)(uintptr_t) "clamd",
		(char *)(uintptr_t) "--config-file=../clamd.conf", NULL};
	sb_child_plan plan = SB_CHILD_PLAN("clamd");
	int status = prepare(spawn, error);

	if (status != 0)
		return status;
	plan.path = spawn->place.program;
	plan.argv = argv;
	plan.folder = spawn->place.socket_fd;
	spawn->log.last[0] = '\0';
	spawn->log.last_is_error = spawn->look_temporary = spawn->nudged = false;
	spawn->given_up = NULL;
	status = sb_spawn_program_start(spawn, &spawn->clamd, &plan, error);
	sb_spawn_hear_end(spawn);
	return status;
}

/* It has ended, or could not be started: why, and when to try again. */
static void gone(sb_spawn *spawn, const char *how, uint64_t now)
{
	const char *last = spawn->log.last;
	char message[sizeof spawn->record.message];

	sb_restart_ended(&spawn->restart, now);
	sb_spawn_say(spawn, "clamd %s", how);
	snprintf(message, sizeof message,
		"does not come up: the last one %s%s%s; its log is clamd.log", how,
		last[0] != '\0' ? ": " : "", last);
	if (!sb_restart_hopeless(&spawn->restart)) {
		sb_spawn_publish_phase(spawn, SB_SPAWN_STARTING, "");
		return;
	}
	if (!spawn->log.muted)
		sb_spawn_say(spawn, "it is tried again, at most once a minute; "
				    "nothing more is written here until it comes up");
	spawn->log.muted = true;
	sb_spawn_publish_phase(spawn, SB_SPAWN_DOWN, message);
}

static uint64_t no_signatures(sb_spawn *spawn, uint64_t now)
{
	char message[sizeof spawn->record.message];

	snprintf(message, sizeof message, "has no signatures: %s holds none%s",
		spawn->place.database,
		spawn->place.freshclam != NULL
			? ", and freshclam could not fetch any; its log is clamd.log"
			: "; see scanbridge setup clamav");
	sb_spawn_publish_phase(
		spawn, spawn->update.child != NULL ? SB_SPAWN_STARTING : SB_SPAWN_DOWN, message);
	return now + SETTLE;
}

static uint64_t try_start(sb_spawn *spawn, uint64_t now)
{
	sb_error error;
	char how[SB_SPAWN_LINE];

	sb_error_init(&error);
	spawn->reload = SB_RELOAD_NONE;
	spawn->changed_at = 0;
	spawn->looked_at = now;
	if (sb_spawn_database_look(spawn->place.database, &spawn->loaded, &error) != 0) {
		snprintf(how, sizeof how, "could not be started: %.200s", error.message);
		gone(spawn, how, now);
		return spawn->restart.due;
	}
	if (spawn->loaded.files == 0)
		return no_signatures(spawn, now);
	if (launch(spawn, &error) != 0) {
		snprintf(how, sizeof how, "could not be started: %.200s", error.message);
		gone(spawn, how, now);
		return spawn->restart.due;
	}
	sb_spawn_say(spawn, "clamd was started");
	if (!sb_restart_hopeless(&spawn->restart))
		sb_spawn_publish_phase(spawn, SB_SPAWN_STARTING, "");
	return now + ASK_WAIT;
}

/* --- New signatures -----------------------------------------------------------------------------
 */

void sb_spawn_clamd_line(void *data, const char *line)
{
	sb_spawn *spawn = data;

	sb_spawn_log_line(&spawn->log, "clamd", line);
	if (sb_spawn_is_doubt(line)) {
		sb_spawn_doubt(spawn, line);
		spawn->look_temporary = true;
	}
	if (spawn->reload != SB_RELOAD_ASKED)
		return;
	if (strstr(line, "Activating the newly loaded database") != NULL)
		spawn->reload = SB_RELOAD_DONE;
	else if (strstr(line, "Database reload failed") != NULL)
		spawn->reload = SB_RELOAD_FAILED;
}

/* Something has happened in the folder, and it is quiet now. */
static void ask_reload(sb_spawn *spawn, uint64_t now)
{
	char reply[REPLY];

	spawn->changed_at = 0;
	spawn->looked_at = now;
	if (sb_spawn_database_look(spawn->place.database, &spawn->loading, NULL) != 0 ||
		spawn->loading.files == 0 || strcmp(spawn->loading.tag, spawn->loaded.tag) == 0 ||
		strcmp(spawn->loading.tag, spawn->refused) == 0)
		return;
	if (talk(spawn, "zRELOAD", spawn->stop, reply, NULL) != 0 ||
		strcmp(reply, "RELOADING") != 0) {
		spawn->changed_at = now; /* once more, after a while */
		return;
	}
	sb_spawn_say(spawn, "the signatures have changed: clamd loads them");
	spawn->reload = SB_RELOAD_ASKED;
	spawn->reload_since = now;
}

static void finish_reload(sb_spawn *spawn)
{
	sb_spawn_database before = spawn->loaded;
	sb_spawn_record record;

	if (spawn->reload == SB_RELOAD_FAILED) {
		spawn->reload = SB_RELOAD_NONE;
		memcpy(spawn->refused, spawn->loading.tag, sizeof spawn->refused);
		sb_spawn_say(spawn, "clamd could not load the signatures and goes on with those "
				    "that it has");
		return;
	}
	spawn->loaded = spawn->loading;
	if (!ask_version(spawn, &record)) {
		spawn->loaded = before; /* busy: the next step asks again */
		return;
	}
	spawn->reload = SB_RELOAD_NONE;
	sb_spawn_say(spawn, "clamd judges by signatures %s", record.signatures);
	sb_spawn_publish(spawn, &record);
}

static uint64_t follow_reload(sb_spawn *spawn, uint64_t now)
{
	uint64_t until = spawn->reload_since + spawn->settings.start_timeout_ms * SB_MS;

	if (spawn->reload == SB_RELOAD_ASKED)
		return now < until ? until
				   : give_up(spawn, "has not loaded the signatures in time", silent,
					     now);
	finish_reload(spawn);
	spawn->answered_at = spawn->asked_at = now;
	return spawn->reload == SB_RELOAD_NONE ? now : now + ASK_WAIT;
}

static uint64_t follow_folder(sb_spawn *spawn, uint64_t now)
{
	if (spawn->settings.update == SB_SPAWN_OFF)
		return SB_NEVER;
	if (spawn->changed_at == 0 && now - spawn->looked_at >= LOOK_WAIT)
		spawn->changed_at = now - SETTLE;
	if (spawn->changed_at == 0)
		return spawn->looked_at + LOOK_WAIT;
	if (now - spawn->changed_at < SETTLE)
		return spawn->changed_at + SETTLE;
	ask_reload(spawn, now);
	return now + SETTLE;
}

/* It lives, and its socket is gone: nobody will ever get in. */
static bool is_deaf(sb_spawn *spawn)
{
	sb_net_wait wait = {sb_net_deadline(ASK_MS), spawn->stop};
	struct pollfd end = {sb_child_fd(spawn->clamd.child), POLLIN, 0};
	sb_error error;
	int fd;

	sb_error_init(&error);
	fd = sb_net_connect(&spawn->where, &wait, &error);
	sb_close(&fd);
	return fd < 0 && (error.sys_errno == ENOENT || error.sys_errno == ECONNREFUSED) &&
	       poll(&end, 1, 0) == 0;
}

/* Does it still answer? Its main thread does, however busy the others are. */
static uint64_t follow_life(sb_spawn *spawn, uint64_t now)
{
	const uint64_t silence = spawn->settings.start_timeout_ms * SB_MS,
		       wait = spawn->nudged ? ASK_WAIT : sooner(LIFE_WAIT, silence / 4);
	sb_spawn_record record;

	if (now - spawn->asked_at < wait)
		return spawn->asked_at + wait;
	if (ask_version(spawn, &record))
		spawn->answered_at = sb_net_now();
	else if (is_deaf(spawn))
		return give_up(spawn, "can't be reached any more", unreachable, now);
	else if (now - spawn->answered_at >= silence)
		return give_up(spawn, "does not answer any more", silent, now);
	spawn->nudged = false;
	spawn->asked_at = sb_net_now();
	return spawn->asked_at + wait;
}

static uint64_t watch(sb_spawn *spawn, uint64_t now)
{
	if (spawn->given_up != NULL) /* its end is on its way */
		return now + LOOK_WAIT;
	if (spawn->look_temporary && !sb_spawn_temporary_there(&spawn->place, spawn->temporary))
		return give_up(spawn, "has lost its temporary folder", homeless, now);
	spawn->look_temporary = false;
	if (spawn->reload != SB_RELOAD_NONE)
		return follow_reload(spawn, now);
	return sooner(follow_folder(spawn, now), follow_life(spawn, now));
}

/* --- All of it ----------------------------------------------------------------------------------
 */

/* Other signatures may be all that it takes. */
static uint64_t start_due(const sb_spawn *spawn)
{
	if (spawn->restart.stillborn == 0 || spawn->changed_at == 0)
		return spawn->restart.due;
	return sooner(spawn->restart.due, spawn->changed_at + SETTLE);
}

uint64_t sb_spawn_clamd_step(sb_spawn *spawn, uint64_t now)
{
	if (spawn->clamd.child == NULL)
		return now >= start_due(spawn) ? try_start(spawn, now) : start_due(spawn);
	if (spawn->restart.up_since == 0)
		return try_up(spawn, now);
	return watch(spawn, now);
}

void sb_spawn_clamd_ended(sb_spawn *spawn, uint64_t now)
{
	char how[sizeof spawn->ended];
	int status;

	sb_spawn_hear_begin(spawn);
	status = sb_spawn_program_end(spawn, &spawn->clamd, sb_spawn_clamd_line);
	sb_spawn_hear_end(spawn);
	if (spawn->given_up != NULL)
		snprintf(how, sizeof how, "%s", spawn->given_up);
	else
		sb_spawn_tell_status(how, sizeof how, status);
	pthread_mutex_lock(&spawn->lock);
	spawn->ends++;
	spawn->inside_at_end = spawn->inside;
	/* A file may make it silent; nothing that it reads takes its folders away. */
	spawn->by_us = spawn->given_up == unreachable || spawn->given_up == homeless;
	if (spawn->careful < CAREFUL * spawn->inside)
		spawn->careful = CAREFUL * spawn->inside;
	memcpy(spawn->ended, how, sizeof how);
	pthread_mutex_unlock(&spawn->lock);
	gone(spawn, how, now);
}

void sb_spawn_clamd_stop(sb_spawn *spawn)
{
	struct pollfd end = {.events = POLLIN};
	uint64_t until = sb_net_now() + STOP_MS * SB_MS;
	char reply[REPLY];

	if (spawn->clamd.child != NULL) {
		end.fd = sb_child_fd(spawn->clamd.child);
		/* One that is still loading can't hear. */
		if (spawn->restart.up_since != 0 && talk(spawn, "zSHUTDOWN", -1, reply, NULL) == 0)
			while (poll(&end, 1, 20) == 0 && sb_net_now() < until)
				if (spawn->clamd.output.fd >= 0 &&
					!sb_spawn_lines_read(
						&spawn->clamd.output, sb_spawn_clamd_line, spawn))
					sb_close(&spawn->clamd.output.fd);
		sb_child_end(spawn->clamd.child);
		sb_spawn_program_end(spawn, &spawn->clamd, sb_spawn_clamd_line);
		sb_spawn_say(spawn, "clamd was ended");
	}
	sb_spawn_temporary_drop(&spawn->place, spawn->temporary);
	spawn->temporary = NULL;
}
