/* SPDX-License-Identifier: MIT */
#include "util/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/io.h"

int sb_temp_own(int dir, int fd)
{
	struct stat folder, file;

	if (fstat(dir, &folder) != 0 || fstat(fd, &file) != 0 || fchmod(fd, 0600) != 0)
		return -1;
	if (file.st_uid == folder.st_uid || geteuid() != 0)
		return 0;
	return fchown(fd, folder.st_uid, folder.st_gid);
}

int sb_temp_flush(int fd)
{
	int status;

	do {
		status = fsync(fd);
	} while (status != 0 && errno == EINTR);
	return status;
}

static bool has_no_tmpfile(int error)
{
	return error == EOPNOTSUPP || error == EISDIR || error == ENOENT || error == EINVAL;
}

static int open_named(sb_temp *temp, const char *name)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	temp->fd = openat(temp->dir, name,
		O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	if (temp->fd < 0)
		return -1;
	snprintf(temp->name, sizeof temp->name, "%s", name);
	return fcntl(temp->fd, F_OFD_SETLK, &lock);
}

int sb_temp_open(sb_temp *temp, int dir, const char *name, unsigned flags)
{
	*temp = (sb_temp){.dir = dir, .fd = -1};
	if ((flags & SB_TEMP_NAMED) == 0) {
		temp->fd = openat(dir, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
		if (temp->fd < 0 && !has_no_tmpfile(errno))
			return -1;
	}
	if ((temp->fd >= 0 || open_named(temp, name) == 0) &&
		((flags & SB_TEMP_OWNED) != 0 ? sb_temp_own(dir, temp->fd)
					      : fchmod(temp->fd, 0600)) == 0)
		return 0;
	sb_temp_drop(temp);
	return -1;
}

int sb_temp_sync(sb_temp *temp)
{
	return sb_temp_flush(temp->fd);
}

int sb_temp_name(sb_temp *temp, const char *name)
{
	char own[32];

	if (temp->name[0] != '\0') {
		if (renameat2(temp->dir, temp->name, temp->dir, name, RENAME_NOREPLACE) != 0)
			return -1;
		temp->name[0] = '\0';
		return sb_temp_flush(temp->dir);
	}
	/* The first way needs /proc, the second a capability. */
	snprintf(own, sizeof own, "/proc/self/fd/%d", temp->fd);
	if (linkat(AT_FDCWD, own, temp->dir, name, AT_SYMLINK_FOLLOW) != 0 &&
		(errno != ENOENT || linkat(temp->fd, "", temp->dir, name, AT_EMPTY_PATH) != 0))
		return -1;
	return sb_temp_flush(temp->dir);
}

int sb_temp_publish(sb_temp *temp, const char *name)
{
	return sb_temp_sync(temp) != 0 ? -1 : sb_temp_name(temp, name);
}

int sb_temp_replace(sb_temp *temp, const char *name)
{
	if (sb_temp_sync(temp) != 0 || renameat(temp->dir, temp->name, temp->dir, name) != 0)
		return -1;
	temp->name[0] = '\0';
	return sb_temp_flush(temp->dir);
}

void sb_temp_drop(sb_temp *temp)
{
	int saved = errno;

	if (temp->name[0] != '\0')
		unlinkat(temp->dir, temp->name, 0);
	temp->name[0] = '\0';
	sb_close(&temp->fd);
	errno = saved;
}
