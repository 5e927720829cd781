/* SPDX-License-Identifier: MIT */
/*
 * freshclam, once at the start and then at intervals, for the folder that is our own. It puts
 * whole files in place of old ones; that they have changed is seen by the watch on the folder.
 * One at a time, whatever processes and engines share the folder.
 */
#include "engines/clamd/spawn_body.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/io.h"

/* Some failures pass, and the servers of ClamAV turn away who asks often. */
#define AFTER_FAILURE (600000 * SB_MS)
#define LONGEST_RUN (3600000 * SB_MS)
#define BUSY_WAIT (10000 * SB_MS)

static bool take_turn(sb_spawn *spawn)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	if (spawn->update_lock < 0)
		spawn->update_lock = openat(spawn->place.folder_fd, "../update.lock",
			O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return spawn->update_lock >= 0 && fcntl(spawn->update_lock, F_OFD_SETLK, &lock) == 0;
}

static int launch(sb_spawn *spawn, sb_error *error)
{
	const char *leaf = strrchr(spawn->place.folder, '/') + 1;
	sb_child_plan plan = SB_CHILD_PLAN("freshclam");
	char option[160];
	char *const argv[] = {
		(char *)(uintptr_t) "freshclam", option, (char *)(uintptr_t) "--stdout", NULL};
	sb_buf text;
	int status;

	/* Trying them takes as much memory as using them: clamd does it anyway, and keeps the old
	 * ones when the new ones don't load. */
	sb_buf_init(&text, 64 * 1024);
	sb_spawn_freshclam_conf(&text, false);
	status = sb_spawn_write(&spawn->place, "freshclam.conf", &text, error);
	sb_buf_done(&text);
	if (status != 0)
		return status;
	snprintf(option, sizeof option, "--config-file=../%s/freshclam.conf", leaf);
	plan.path = spawn->place.freshclam;
	plan.argv = argv;
	plan.folder = spawn->place.database_fd;
	return sb_spawn_program_start(spawn, &spawn->update, &plan, error);
}

static void again(sb_spawn *spawn, uint64_t now, bool failed)
{
	uint64_t wait = spawn->settings.interval_ms * SB_MS;

	spawn->update_due = now + (failed && wait > AFTER_FAILURE ? AFTER_FAILURE : wait);
	sb_close(&spawn->update_lock); /* the next one's turn */
}

uint64_t sb_spawn_update_step(sb_spawn *spawn, uint64_t now)
{
	sb_error error;

	if (spawn->update.child != NULL) {
		if (now < spawn->update.since + LONGEST_RUN)
			return spawn->update.since + LONGEST_RUN;
		sb_child_end(spawn->update.child);
		return now + LONGEST_RUN;
	}
	if (now < spawn->update_due || spawn->update_due == SB_NEVER)
		return spawn->update_due;
	if (!take_turn(spawn)) {
		spawn->update_due = now + BUSY_WAIT;
		return spawn->update_due;
	}
	sb_error_init(&error);
	if (launch(spawn, &error) != 0) {
		sb_spawn_say(spawn, "freshclam could not be started: %.300s", error.message);
		again(spawn, now, true);
	}
	return spawn->update.child != NULL ? now + LONGEST_RUN : spawn->update_due;
}

void sb_spawn_update_line(void *data, const char *line)
{
	sb_spawn *spawn = data;

	sb_spawn_log_line(&spawn->log, "freshclam", line);
}

void sb_spawn_update_ended(sb_spawn *spawn, uint64_t now)
{
	int status = sb_spawn_program_end(spawn, &spawn->update, sb_spawn_update_line);
	char how[120];

	sb_spawn_tell_status(how, sizeof how, status);
	if (status != 0)
		sb_spawn_say(spawn, "freshclam %s", how);
	again(spawn, now, status != 0);
}
