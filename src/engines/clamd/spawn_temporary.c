/* SPDX-License-Identifier: MIT */
/*
 * Where clamd unpacks: a folder of its own, in memory when that has room for all that may be
 * unpacked at the same time. clamd removes its files; what one that was killed left behind goes
 * when the next one starts, which is known by the name.
 */
#include "engines/clamd/spawn.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "util/error.h"
#include "util/io.h"
#include "util/text.h"
#include "util/uuid.h"

enum { DEEPEST = 32 };

/* Where clamd runs is beside it, whatever the way to there is. */
static const char beside[] = "../";

/* --- Removing --------------------------------------------------------------------------------- */

static void remove_at(int dir, const char *name, int depth);

static void empty(int fd, int depth)
{
	DIR *entries = fdopendir(fd); /* takes it */
	const struct dirent *entry;

	if (entries == NULL) {
		sb_close(&fd);
		return;
	}
	while ((entry = readdir(entries)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			remove_at(dirfd(entries), entry->d_name, depth);
	closedir(entries);
}

static void remove_at(int dir, const char *name, int depth)
{
	int fd;

	if (unlinkat(dir, name, 0) == 0 || (errno != EISDIR && errno != EPERM) || depth <= 0)
		return;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		empty(fd, depth - 1);
	unlinkat(dir, name, AT_REMOVEDIR);
}

bool sb_spawn_temporary_there(const sb_spawn_place *place, const char *path)
{
	bool ours = strncmp(path, beside, sizeof beside - 1) == 0;
	struct stat info;

	return fstatat(ours ? place->folder_fd : AT_FDCWD, ours ? path + sizeof beside - 1 : path,
		       &info, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(info.st_mode) && info.st_uid == place->user.uid &&
	       (info.st_mode & 0700) == 0700;
}

uint64_t sb_spawn_temporary_room(const sb_spawn_place *place, const char *path)
{
	struct statvfs info;

	if (path[0] == '\0')
		return UINT64_MAX;
	if (!sb_spawn_temporary_there(place, path) ||
		(path[0] == '/' ? statvfs(path, &info) : fstatvfs(place->folder_fd, &info)) != 0)
		return 0;
	return (uint64_t)info.f_bavail * info.f_frsize;
}

void sb_spawn_temporary_drop(const sb_spawn_place *place, char *path)
{
	if (path != NULL && strncmp(path, beside, sizeof beside - 1) == 0)
		remove_at(place->folder_fd, path + sizeof beside - 1, DEEPEST);
	else if (path != NULL)
		remove_at(AT_FDCWD, path, DEEPEST);
	free(path);
}

/* Those of this clamd before us: we hold its lock. Only what belongs to it or us. */
static void remove_dead(const sb_spawn_place *place, int base, const char *prefix)
{
	int copy = openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *entry;
	struct stat info;

	if (entries == NULL) {
		sb_close(&copy);
		return;
	}
	while ((entry = readdir(entries)) != NULL)
		if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0 &&
			fstatat(base, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISDIR(info.st_mode) &&
			(info.st_uid == geteuid() || info.st_uid == place->user.uid))
			remove_at(base, entry->d_name, DEEPEST);
	closedir(entries);
}

/* --- Making ----------------------------------------------------------------------------------- */

static bool has_room(int base, uint64_t need)
{
	struct statvfs info;

	return fstatvfs(base, &info) == 0 &&
	       (uint64_t)info.f_bavail >= need / (info.f_frsize > 0 ? info.f_frsize : 1);
}

/* `scanbridge-clamd.` and a digest that tells this clamd from those of others. */
static char *make_in(const sb_spawn_place *place, int base, const char *before)
{
	char name[80], prefix[48], *out = NULL;
	uint8_t random[8];
	char digits[17];
	int fd = -1;

	snprintf(prefix, sizeof prefix, "scanbridge-clamd.%s.", place->tag);
	remove_dead(place, base, prefix);
	sb_random(random, sizeof random);
	sb_hex(digits, random, sizeof random);
	snprintf(name, sizeof name, "%s%s", prefix, digits);
	if (mkdirat(base, name, 0700) == 0)
		fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && place->user.other && fchown(fd, place->user.uid, place->user.gid) != 0)
		sb_close(&fd);
	if (fd < 0 || asprintf(&out, "%s%s", before, name) < 0)
		out = NULL;
	sb_close(&fd);
	return out;
}

static int open_base(const char *path)
{
	return path != NULL && path[0] == '/' && sb_spawn_path_ok(path) &&
			       strlen(path) <= SB_SPAWN_TEMPORARY_BASE
		       ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
		       : -1;
}

static char *try_base(const sb_spawn_place *place, const char *path, uint64_t need)
{
	int base = open_base(path);
	char before[PATH_MAX + 2], *made = NULL;

	if (base >= 0 && has_room(base, need) &&
		snprintf(before, sizeof before, "%s/", path) < (int)sizeof before)
		made = make_in(place, base, before);
	sb_close(&base);
	return made;
}

static int refuse(const char *wanted, uint64_t need, sb_error *error)
{
	char size[32];

	return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
		"spawn.temporary: %s can't be used: it must be a folder with %s free (four times "
		"max_size for each scan at the same time), and an absolute path without blanks, of "
		"at most %d bytes",
		wanted, sb_format_size(size, sizeof size, need), SB_SPAWN_TEMPORARY_BASE);
}

int sb_spawn_temporary_check(const char *wanted, uint64_t need, sb_error *error)
{
	int base = open_base(wanted);
	bool good = base >= 0 && has_room(base, need);

	sb_close(&base);
	return good ? 0 : refuse(wanted, need, error);
}

char *sb_spawn_temporary(
	const sb_spawn_place *place, const char *wanted, uint64_t need, sb_error *error)
{
	char *made;

	if (wanted != NULL) {
		made = try_base(place, wanted, need);
		if (made == NULL)
			refuse(wanted, need, error);
		return made;
	}
	made = try_base(place, "/dev/shm", need);
	/* What belongs to a login ends with it, and is closed to others. */
	if (made == NULL && !place->user.other)
		made = try_base(place, secure_getenv("XDG_RUNTIME_DIR"), need);
	if (made == NULL)
		made = make_in(place, place->folder_fd, beside);
	if (made == NULL)
		sb_error_set(
			error, SB_KIND_IO, errno, "make a temporary folder in %s", place->folder);
	return made;
}
