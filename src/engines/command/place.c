/* SPDX-License-Identifier: MIT */
/* The folder of one run; see place.h. */
#include "engines/command/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "util/error.h"
#include "util/io.h"
#include "util/text.h"
#include "util/uuid.h"

enum { DEEP = 24, PIECE = 256 * 1024, DIGITS = 32 };

static const int folder_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

/* --- Removing whatever a scanner left -------------------------------------------------------- */

static void random_name(char name[DIGITS + 1])
{
	uint8_t bytes[DIGITS / 2];

	sb_random(bytes, sizeof bytes);
	sb_hex(name, bytes, sizeof bytes);
}

/* A folder may have been left without rights for its owner. */
static bool unlock_folder(int above, const char *name)
{
	struct stat info;

	return fstatat(above, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode) &&
	       fchmodat(above, name, 0700, 0) == 0;
}

static int open_folder(int above, const char *name)
{
	int fd = openat(above, name, folder_flags);

	return fd < 0 && errno == EACCES && unlock_folder(above, name)
		       ? openat(above, name, folder_flags)
		       : fd;
}

static bool empty_folder(int fd, int top, unsigned depth);

/* A file, or a folder with all that is in it; true if anything of it is gone. What lies too deep
 * for descriptors and stack comes up to @p top, whose loop meets it again. */
static bool remove_entry(int above, const char *name, int top, unsigned depth)
{
	char other[DIGITS + 1];
	bool any;
	int fd;

	if (unlinkat(above, name, 0) == 0 || unlinkat(above, name, AT_REMOVEDIR) == 0)
		return true;
	if (depth >= DEEP) {
		random_name(other);
		return unlock_folder(above, name) && renameat(above, name, top, other) == 0;
	}
	fd = open_folder(above, name);
	if (fd < 0)
		return false;
	(void)fchmod(fd, 0700);
	any = empty_folder(fd, top, depth + 1);
	close(fd);
	return unlinkat(above, name, AT_REMOVEDIR) == 0 || any;
}

/* One pass; true if anything is gone. */
static bool empty_folder(int fd, int top, unsigned depth)
{
	int copy = openat(fd, ".", folder_flags);
	DIR *list = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *entry;
	bool any = false;

	if (list == NULL) {
		sb_close(&copy);
		return false;
	}
	while ((entry = readdir(list)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			any = remove_entry(fd, entry->d_name, top, depth) || any;
	closedir(list);
	return any;
}

static void remove_folder(int base, const char *name)
{
	int fd = open_folder(base, name);

	if (fd < 0)
		return;
	(void)fchmod(fd, 0700);
	/* Each pass brings up what lay DEEP levels down. What resists (a mount, another user's
	 * file) must not keep us for ever. */
	while (empty_folder(fd, fd, 0))
		continue;
	close(fd);
	(void)unlinkat(base, name, AT_REMOVEDIR);
}

/* --- The folder that holds them all ---------------------------------------------------------- */

static int base_path(char path[PATH_MAX], const char *data_dir, sb_error *error)
{
	if (snprintf(path, PATH_MAX, "%s/command", data_dir) < PATH_MAX - 128)
		return 0;
	return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0, "data_dir is too long a path");
}

static int open_base(const char *data_dir, sb_error *error)
{
	char path[PATH_MAX];
	int status = base_path(path, data_dir, error), fd;

	if (status < 0)
		return status;
	fd = open(path, folder_flags);
	if (fd < 0)
		return sb_error_set(error, SB_KIND_IO, errno, "open %s", path);
	return fd;
}

static bool is_ours(const char *name)
{
	return strlen(name) == DIGITS && strspn(name, "0123456789abcdef") == DIGITS;
}

/* With the base locked nobody is between making a folder and locking it; so a folder whose lock is
 * free has no owner any more. */
static void remove_if_dead(int base, const char *name)
{
	int fd = -1;
	bool dead;

	if (flock(base, LOCK_EX | LOCK_NB) != 0)
		return; /* somebody is starting: next time */
	fd = openat(base, name, folder_flags);
	dead = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
	(void)flock(base, LOCK_UN);
	if (dead)
		remove_folder(base, name);
	sb_close(&fd);
}

static int make_base(const char *path, const char *data_dir, sb_error *error)
{
	struct stat owner;

	if (mkdirat(AT_FDCWD, path, 0700) < 0)
		return errno == EEXIST
			       ? 0
			       : sb_error_set(error, SB_KIND_IO, errno, "make the folder %s", path);
	if (fchmodat(AT_FDCWD, path, 0700, 0) < 0) /* whatever the umask */
		return sb_error_set(error, SB_KIND_IO, errno, "open the folder %s to us", path);
	/* Root must not lock out the user whose data it is. */
	if (geteuid() == 0 && stat(data_dir, &owner) == 0 && owner.st_uid != 0 &&
		fchownat(AT_FDCWD, path, owner.st_uid, owner.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return sb_error_set(error, SB_KIND_IO, errno, "hand over the folder %s", path);
	return 0;
}

int sb_place_prepare(const char *data_dir, sb_error *error)
{
	char path[PATH_MAX];
	int status = base_path(path, data_dir, error), fd, copy;
	const struct dirent *entry;
	DIR *list;

	if (status == 0)
		status = make_base(path, data_dir, error);
	fd = status == 0 ? open_base(data_dir, error) : status;
	if (fd < 0)
		return fd;
	copy = openat(fd, ".", folder_flags);
	list = copy >= 0 ? fdopendir(copy) : NULL;
	while (list != NULL && (entry = readdir(list)) != NULL)
		if (is_ours(entry->d_name))
			remove_if_dead(fd, entry->d_name);
	if (list != NULL)
		closedir(list);
	else
		sb_close(&copy);
	close(fd);
	return 0;
}

/* --- One folder ------------------------------------------------------------------------------ */

/* Made and locked, under the lock that keeps others from taking it for dead. */
static bool make_locked(sb_place *place)
{
	bool made;

	if (flock(place->base, LOCK_SH) != 0)
		return false;
	made = mkdirat(place->base, place->name, 0700) == 0;
	if (made) {
		place->dir = open_folder(place->base, place->name);
		made = place->dir >= 0 && flock(place->dir, LOCK_EX | LOCK_NB) == 0;
	}
	(void)flock(place->base, LOCK_UN);
	return made;
}

int sb_place_make(sb_place *place, const char *data_dir, sb_error *error)
{
	*place = (sb_place){.base = -1, .dir = -1, .work = -1};
	place->base = open_base(data_dir, error);
	if (place->base < 0) {
		int status = place->base;

		place->base = -1;
		return status;
	}
	random_name(place->name);
	snprintf(place->path, sizeof place->path, "%.*s/command/%s", PATH_MAX - 64, data_dir,
		place->name);
	/* Whatever the umask. */
	if (!make_locked(place) || fchmod(place->dir, 0700) < 0 ||
		mkdirat(place->dir, "work", 0700) < 0 ||
		(place->work = open_folder(place->dir, "work")) < 0 ||
		fchmod(place->work, 0700) < 0)
		return sb_error_set(
			error, SB_KIND_IO, errno, "make a folder for the scanner: %s", place->path);
	return 0;
}

static int copy_content(sb_call *call, int fd, sb_error *error)
{
	const uint64_t size = sb_call_size(call);
	char *piece = malloc(PIECE);
	uint64_t done = 0;
	int status = piece != NULL ? 0 : sb_error_no_memory(error);

	while (status == 0 && done < size) {
		int64_t n = sb_call_read(call, done, piece, PIECE, error);

		if (n < 0)
			status = (int)n;
		else if (n == 0)
			status = sb_error_set(error, SB_KIND_CHANGED, 0,
				"the content ended early while it was copied");
		else if (sb_write_all(fd, piece, (size_t)n) < 0)
			status = sb_error_set(
				error, SB_KIND_IO, errno, "copy the content for the scanner");
		else if (sb_call_cancelled(call) || sb_call_remaining_ms(call) == 0)
			status = sb_error_set(error,
				sb_call_cancelled(call) ? SB_KIND_CANCELLED : SB_KIND_TIMEOUT, 0,
				"no time left while the content was copied");
		else
			done += (uint64_t)n;
	}
	free(piece);
	return status;
}

int sb_place_put(sb_place *place, sb_call *call, const char *extension, sb_error *error)
{
	int fd, status;

	snprintf(place->file, sizeof place->file, "content%s%.12s", extension[0] != '\0' ? "." : "",
		extension);
	fd = openat(place->dir, place->file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		0600);
	if (fd < 0)
		return sb_error_set(error, SB_KIND_IO, errno, "make a file for the scanner");
	status = copy_content(call, fd, error);
	if (status == 0 && (fchmod(fd, 0400) < 0 || fstat(fd, &place->put) < 0))
		status = sb_error_set(error, SB_KIND_IO, errno, "make a file for the scanner");
	close(fd);
	return status;
}

bool sb_place_intact(const sb_place *place)
{
	struct stat now;

	return fstatat(place->dir, place->file, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(now.st_mode) && now.st_dev == place->put.st_dev &&
	       now.st_ino == place->put.st_ino && now.st_size == place->put.st_size &&
	       now.st_mtim.tv_sec == place->put.st_mtim.tv_sec &&
	       now.st_mtim.tv_nsec == place->put.st_mtim.tv_nsec;
}

void sb_place_remove(sb_place *place)
{
	sb_close(&place->work);
	if (place->dir >= 0)
		remove_folder(place->base, place->name);
	sb_close(&place->dir);
	sb_close(&place->base);
}
