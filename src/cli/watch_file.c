/* SPDX-License-Identifier: MIT */
/* Step by step from the root; whether a file is written is known by asking for a lease on it. */
#include "cli/watch_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/io.h"

enum { FOLDER = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK };

int sb_watch_open_folder(const char *root, const char *relative)
{
	int fd = open(root, FOLDER), saved;
	char name[NAME_MAX + 1];

	while (fd >= 0 && *relative != '\0') {
		size_t length = strcspn(relative, "/");
		int next = -1;
		if (length < sizeof name) {
			memcpy(name, relative, length);
			name[length] = '\0';
			next = openat(fd, name, FOLDER | O_NOFOLLOW);
		} else {
			errno = ENAMETOOLONG;
		}
		saved = errno;
		sb_close(&fd);
		errno = saved;
		fd = next;
		relative += length + (relative[length] == '/');
	}
	return fd;
}

static int64_t ns(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

sb_watch_identity sb_watch_identify(const struct stat *st)
{
	return (sb_watch_identity){(int64_t)st->st_dev, (int64_t)st->st_ino, (int64_t)st->st_size,
		ns(st->st_mtim), ns(st->st_ctim)};
}

bool sb_watch_same(const sb_watch_identity *a, const sb_watch_identity *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime == b->mtime &&
	       a->ctime == b->ctime;
}

/* The kernel gives a read lease only while nobody writes. It is given back at once; should
 * somebody come in between, he waits that long, and the signal that tells of it is blocked. */
bool sb_watch_has_writer(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
	bool has = false;

	if (fd < 0)
		return false;
	if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0)
		(void)fcntl(fd, F_SETLEASE, F_UNLCK); /* else closing it does */
	else
		has = errno == EAGAIN;
	sb_close(&fd);
	return has;
}
