/* SPDX-License-Identifier: MIT */
#include "util/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int sb_write_all(int fd, const void *data, size_t length)
{
	const char *p = data;

	while (length > 0) {
		ssize_t n = write(fd, p, length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (n == 0)
				errno = EIO;
			return -1;
		}
		p += n;
		length -= (size_t)n;
	}
	return 0;
}

int sb_pwrite_all(int fd, const void *data, size_t length, uint64_t offset)
{
	const char *p = data;

	while (length > 0) {
		ssize_t n = pwrite(fd, p, length, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (n == 0)
				errno = EIO;
			return -1;
		}
		p += n;
		offset += (uint64_t)n;
		length -= (size_t)n;
	}
	return 0;
}

ssize_t sb_read_full(int fd, void *data, size_t length)
{
	char *p = data;
	size_t done = 0;

	while (done < length) {
		ssize_t n = read(fd, p + done, length - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t sb_pread_full(int fd, void *data, size_t length, uint64_t offset)
{
	char *p = data;
	size_t done = 0;

	while (done < length) {
		ssize_t n = pread(fd, p + done, length - done, (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

void sb_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

char *sb_read_file(const char *path, size_t max, size_t *length)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t used = 0, room = 4096;
	char *data = NULL;

	if (fd < 0)
		return NULL;
	for (;;) {
		char *grown = realloc(data, room + 1);
		ssize_t n = -1;
		if (grown != NULL) {
			data = grown;
			n = sb_read_full(fd, data + used, room - used);
		}
		if (n < 0)
			break;
		used += (size_t)n;
		if (used > max) {
			errno = EFBIG;
			break;
		}
		if (used < room) {
			sb_close(&fd);
			data[used] = '\0';
			*length = used;
			return data;
		}
		room *= 2;
	}
	sb_close(&fd);
	free(data);
	return NULL;
}

char *sb_absolute(const char *path)
{
	char *folder = path[0] != '/' ? getcwd(NULL, 0) : strdup(""), *out = NULL;

	if (folder != NULL && asprintf(&out, "%s%s%s", folder, path[0] != '/' ? "/" : "", path) < 0)
		out = NULL;
	free(folder);
	return out;
}
