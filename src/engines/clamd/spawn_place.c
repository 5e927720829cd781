/* SPDX-License-Identifier: MIT */
/*
 * Programs, the user and the folders of a clamd of our own:
 *
 *   data_dir/clamav/                 0711, ours
 *     db/                            signatures, the user's, who fills it with freshclam
 *     NAME.TAG/                      0711, ours: one clamd; TAG stands for what it judges by
 *       lock clamd.conf freshclam.conf clamd.log
 *       socket/                      0700, the user's: clamd.sock; here clamd runs
 *
 * When we are root, clamd is not: what takes hostile content apart runs as the user `clamav`. The
 * data directory is closed to it, so it is started inside, and its configuration has relative
 * paths.
 */
#include "engines/clamd/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/hash.h"
#include "util/io.h"
#include "util/temp.h"
#include "util/text.h"

static const char default_user[] = "clamav";

/* --- Programs ------------------------------------------------------------------------------- */

static bool is_program(const char *path)
{
	struct stat info;

	return stat(path, &info) == 0 && S_ISREG(info.st_mode) && (info.st_mode & 0111) != 0;
}

const char *sb_spawn_find(const char *name)
{
	static const char *const places[] = {"/usr/sbin/clamd", "/usr/local/sbin/clamd",
		"/usr/bin/clamd", "/opt/clamav/sbin/clamd", "/usr/bin/freshclam",
		"/usr/local/bin/freshclam", "/usr/sbin/freshclam", "/opt/clamav/bin/freshclam",
		"/usr/bin/sigtool", "/usr/local/bin/sigtool", "/opt/clamav/bin/sigtool"};

	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
		if (strcmp(strrchr(places[i], '/') + 1, name) == 0 && is_program(places[i]))
			return places[i];
	return NULL;
}

/* Whoever could change the program could be us. */
static int check_program(const char *key, const char *path, sb_error *error)
{
	struct stat info;
	const char *why = NULL;

	if (stat(path, &info) != 0)
		return sb_error_set(
			error, SB_KIND_NOT_CONFIGURED, errno, "spawn.%s: %s", key, path);
	if (!S_ISREG(info.st_mode) || (info.st_mode & 0111) == 0)
		why = "is no program";
	else if (info.st_uid != 0 && info.st_uid != geteuid())
		why = "belongs to another user: it is not started";
	else if ((info.st_mode & S_IWOTH) != 0 ||
		 ((info.st_mode & S_IWGRP) != 0 && info.st_gid != 0 && info.st_gid != getegid()))
		why = "can be written by other users: it is not started";
	if (why == NULL)
		return 0;
	return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0, "spawn.%s: %s %s", key, path, why);
}

static int choose_program(
	const char *key, const char *name, const char *wanted, char **out, sb_error *error)
{
	const char *path = wanted != NULL ? wanted : sb_spawn_find(name);
	int status;

	if (path == NULL)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"%s is not installed in one of the usual places; install ClamAV, or say "
			"where it is with spawn.%s",
			name, key);
	status = check_program(key, path, error);
	if (status != 0)
		return status;
	*out = strdup(path);
	return *out != NULL ? 0 : sb_error_no_memory(error);
}

/* --- The user --------------------------------------------------------------------------------- */

static int choose_user(const char *wanted, sb_spawn_user *out, sb_error *error)
{
	const char *name = wanted != NULL ? wanted : default_user;
	struct passwd entry, *found = NULL;
	char room[4096];

	*out = (sb_spawn_user){.other = false, .uid = geteuid(), .gid = getegid()};
	if (geteuid() != 0)
		return 0;
	if (getpwnam_r(name, &entry, room, sizeof room, &found) != 0 || found == NULL)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"spawn.user: there is no user %s for clamd to run as", name);
	if (entry.pw_uid == 0)
		return 0; /* as somebody wanted it */
	*out = (sb_spawn_user){.other = true, .uid = entry.pw_uid, .gid = entry.pw_gid};
	return 0;
}

/* --- Folders --------------------------------------------------------------------------------- */

/* Made if missing, never through a link, and with these rights; a descriptor or -1. */
static int folder_at(int dir, const char *name, mode_t mode, const sb_spawn_user *owner)
{
	int fd;

	if (mkdirat(dir, name, 0700) != 0 && errno != EEXIST)
		return -1;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && owner != NULL && owner->other && fchown(fd, owner->uid, owner->gid) != 0)
		sb_close(&fd);
	if (fd >= 0 && fchmod(fd, mode) != 0)
		sb_close(&fd);
	return fd;
}

static int failed(sb_error *error, const char *doing, const char *path)
{
	return sb_error_set(error, SB_KIND_IO, errno, "%s %s", doing, path);
}

static int open_folders(
	sb_spawn_place *place, const char *data_dir, const char *leaf, sb_error *error)
{
	int data = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int base = data >= 0 ? folder_at(data, "clamav", 0711, NULL) : -1;

	if (base >= 0)
		place->folder_fd = folder_at(base, leaf, 0711, NULL);
	if (place->folder_fd >= 0)
		place->socket_fd = folder_at(place->folder_fd, "socket", 0700, &place->user);
	if (base >= 0 && place->own_database)
		place->database_fd = folder_at(base, "db", 0700, &place->user);
	if (place->folder_fd >= 0)
		place->lock_fd = openat(
			place->folder_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (place->lock_fd < 0 || place->socket_fd < 0 ||
		(place->own_database && place->database_fd < 0))
		failed(error, "make the folders of", place->folder);
	sb_close(&base);
	sb_close(&data);
	return place->lock_fd >= 0 && place->socket_fd >= 0 &&
			       (!place->own_database || place->database_fd >= 0)
		       ? 0
		       : -(int)SB_KIND_IO;
}

int sb_spawn_own_database(
	const char *data_dir, const char *user, sb_spawn_user *owner, sb_error *error)
{
	int status = choose_user(user, owner, error), data, base, fd = -1;

	if (status != 0)
		return status;
	data = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (data < 0 && errno == ENOENT && mkdir(data_dir, 0700) == 0)
		data = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	base = data >= 0 ? folder_at(data, "clamav", 0711, NULL) : -1;
	if (base >= 0)
		fd = folder_at(base, "db", 0700, owner);
	if (fd < 0)
		status = sb_error_set(error, SB_KIND_IO, errno, "make %s/clamav/db", data_dir);
	sb_close(&base);
	sb_close(&data);
	return fd >= 0 ? fd : status;
}

static int choose_database(sb_spawn_place *place, const sb_spawn_settings *settings,
	const sb_environment *environment, sb_error *error)
{
	int n = 0;

	place->own_database = settings->database == NULL;
	if (place->own_database) {
		n = asprintf(&place->database, "%s/clamav/db", environment->data_dir);
		place->database_for_clamd = strdup("../../db");
	} else {
		if (!sb_spawn_path_ok(settings->database))
			return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
				"spawn.database: ClamAV can't be told of a path with blanks, "
				"quotes or #: %s",
				settings->database);
		if (settings->update == SB_SPAWN_FRESHCLAM)
			return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
				"spawn.update: freshclam fills a folder of our own: leave out "
				"database, or follow the one that others fill");
		place->database = strdup(settings->database);
		place->database_for_clamd = strdup(settings->database);
	}
	if (n < 0)
		place->database = NULL;
	return place->database != NULL && place->database_for_clamd != NULL
		       ? 0
		       : sb_error_no_memory(error);
}

/* The name of its folder: another one for everything else that it could judge by. */
static int name_folder(sb_spawn_place *place, const sb_spawn_settings *settings,
	const sb_environment *environment, const sb_spawn_limits *limits, char leaf[96],
	sb_error *error)
{
	uint8_t digest[SB_BLAKE3_SIZE];
	char user[24];
	sb_buf text;
	bool bad;

	(void)settings;
	snprintf(user, sizeof user, "%u", (unsigned)place->user.uid);
	sb_buf_init(&text, 64 * 1024);
	sb_spawn_judging(&text, limits, place->program, place->database, user);
	bad = text.failed;
	if (!bad)
		sb_blake3_memory(text.data, text.length, digest);
	sb_buf_done(&text);
	if (bad)
		return sb_error_no_memory(error);
	sb_hex(place->tag, digest, 8);
	snprintf(leaf, 96, "%.63s.%.8s", environment->name, place->tag);
	if (asprintf(&place->folder, "%s/clamav/%s", environment->data_dir, leaf) >= 0)
		return 0;
	place->folder = NULL;
	return sb_error_no_memory(error);
}

static int open_place(sb_spawn_place *place, const sb_spawn_settings *settings,
	const sb_environment *environment, const sb_spawn_limits *limits, sb_error *error)
{
	char leaf[96];
	int status = choose_program("program", "clamd", settings->program, &place->program, error);

	if (status == 0)
		status = choose_user(settings->user, &place->user, error);
	if (status == 0)
		status = choose_database(place, settings, environment, error);
	if (status == 0 && place->own_database &&
		(settings->update == SB_SPAWN_AUTO || settings->update == SB_SPAWN_FRESHCLAM))
		status = choose_program(
			"freshclam", "freshclam", settings->freshclam, &place->freshclam, error);
	if (status == 0)
		status = name_folder(place, settings, environment, limits, leaf, error);
	return status == 0 ? open_folders(place, environment->data_dir, leaf, error) : status;
}

int sb_spawn_place_open(sb_spawn_place *place, const sb_spawn_settings *settings,
	const sb_environment *environment, const sb_spawn_limits *limits, sb_error *error)
{
	int status;

	*place = (sb_spawn_place){
		.folder_fd = -1, .socket_fd = -1, .database_fd = -1, .lock_fd = -1};
	status = open_place(place, settings, environment, limits, error);
	if (status != 0)
		sb_spawn_place_close(place);
	return status;
}

void sb_spawn_place_close(sb_spawn_place *place)
{
	sb_close(&place->folder_fd);
	sb_close(&place->socket_fd);
	sb_close(&place->database_fd);
	sb_close(&place->lock_fd);
	free(place->program);
	free(place->freshclam);
	free(place->folder);
	free(place->database);
	free(place->database_for_clamd);
	place->program = place->freshclam = place->folder = NULL;
	place->database = place->database_for_clamd = NULL;
}

int sb_spawn_write(
	const sb_spawn_place *place, const char *name, const sb_buf *text, sb_error *error)
{
	sb_temp temp = {.fd = -1};
	char temporary[64];
	int status = text->failed ? -1 : 0;

	snprintf(temporary, sizeof temporary, "%.40s.new", name);
	if (status == 0 && unlinkat(place->folder_fd, temporary, 0) != 0 && errno != ENOENT)
		status = -1;
	if (status == 0)
		status = sb_temp_open(&temp, place->folder_fd, temporary, SB_TEMP_NAMED);
	if (status == 0)
		status = sb_write_all(temp.fd, text->data, text->length);
	/* Whoever it runs as must be able to read it; nobody else gets here. */
	if (status == 0)
		status = fchmod(temp.fd, 0644);
	if (status == 0)
		status = sb_temp_replace(&temp, name);
	if (status != 0)
		sb_error_set(error, SB_KIND_IO, errno, "write %s/%s", place->folder, name);
	sb_temp_drop(&temp);
	return status == 0 ? 0 : -(int)SB_KIND_IO;
}
