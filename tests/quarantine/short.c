/* SPDX-License-Identifier: MIT */
/* To be preloaded: no read or write moves more than SB_SHORT bytes, and every third is
 * interrupted by a signal (EINTR) first. */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

typedef ssize_t transfer(int fd, void *data, size_t length);
typedef ssize_t transfer_at(int fd, void *data, size_t length, off_t offset);

ssize_t sb_short_read(int fd, void *data, size_t length) __asm__("read");
ssize_t sb_short_write(int fd, void *data, size_t length) __asm__("write");
ssize_t sb_short_pread(int fd, void *data, size_t length, off_t offset) __asm__("pread64");
ssize_t sb_short_pwrite(int fd, void *data, size_t length, off_t offset) __asm__("pwrite64");

static size_t room(size_t length)
{
	static size_t most;
	static unsigned calls;

	if (most == 0)
		most = strtoul(getenv("SB_SHORT"), NULL, 10);
	if (++calls % 3 == 0) {
		errno = EINTR;
		return 0;
	}
	return length < most ? length : most;
}

static transfer *find(const char *name)
{
	return (transfer *)dlsym(RTLD_NEXT, name);
}

static transfer_at *find_at(const char *name)
{
	return (transfer_at *)dlsym(RTLD_NEXT, name);
}

ssize_t sb_short_read(int fd, void *data, size_t length)
{
	size_t n = length > 0 ? room(length) : 0;
	return length > 0 && n == 0 ? -1 : find("read")(fd, data, n);
}

ssize_t sb_short_write(int fd, void *data, size_t length)
{
	size_t n = length > 0 ? room(length) : 0;
	return length > 0 && n == 0 ? -1 : find("write")(fd, data, n);
}

ssize_t sb_short_pread(int fd, void *data, size_t length, off_t offset)
{
	size_t n = length > 0 ? room(length) : 0;
	return length > 0 && n == 0 ? -1 : find_at("pread64")(fd, data, n, offset);
}

ssize_t sb_short_pwrite(int fd, void *data, size_t length, off_t offset)
{
	size_t n = length > 0 ? room(length) : 0;
	return length > 0 && n == 0 ? -1 : find_at("pwrite64")(fd, data, n, offset);
}
