/* SPDX-License-Identifier: MIT */
/* The account's file; see quota_file.h. */
#include "scan/gates/quota_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/hash.h"
#include "util/io.h"

enum {
	SLOT = 512,
	/* Whoever has the lock is done with it in a few microseconds. */
	TRIES = 64,
};

static const char magic[8] = "sbquota1";

typedef struct slot {
	char magic[8];
	uint64_t number;
	sb_quota_state state;
	uint8_t digest[SB_BLAKE3_SIZE]; /* over what is before it */
} slot;
_Static_assert(sizeof(slot) <= SLOT, "a slot is written in one piece");

/* --- The lock --------------------------------------------------------------------------------- */

static int lock_once(int fd, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_SETLK, &lock);
}

static int try_lock(int fd)
{
	int status = lock_once(fd, F_WRLCK);

	for (int i = 0; status < 0 && (errno == EAGAIN || errno == EACCES) && i < TRIES; i++) {
		sched_yield();
		status = lock_once(fd, F_WRLCK);
	}
	return status;
}

/* --- Opening ---------------------------------------------------------------------------------- */

/* Nobody else's business, and owned by whom the folder is, also when root runs us. */
static int make_own(int dir, int fd)
{
	struct stat folder, file;

	if (fstat(dir, &folder) < 0 || fstat(fd, &file) < 0)
		return -1;
	if (!S_ISREG(file.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	if ((file.st_mode & 07777) != 0600 && fchmod(fd, 0600) < 0)
		return -1;
	if (file.st_uid == folder.st_uid || geteuid() != 0)
		return 0;
	return fchown(fd, folder.st_uid, folder.st_gid);
}

static int open_file(const sb_quota_file *file)
{
	int fd = openat(file->dir, file->name,
		O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0600);

	if (fd >= 0 && make_own(file->dir, fd) < 0)
		sb_close(&fd);
	return fd;
}

int sb_quota_file_open(sb_quota_file *file, int dir, const char *engine, sb_error *error)
{
	static const sb_quota_state fresh;
	sb_quota_state state;
	struct stat st;
	int status;

	*file = (sb_quota_file){.dir = dir, .fd = -1};
	snprintf(file->name, sizeof file->name, "quota.%.64s", engine);
	file->fd = open_file(file);
	status = file->fd >= 0 ? fstat(file->fd, &st) : -1;
	/* On disk before the first request: an account that a power cut takes away would be a fresh
	 * one. Later it may take the last seconds' requests. */
	if (status == 0 && st.st_size == 0 && sb_quota_file_begin(file, &state) == SB_QUOTA_READ) {
		status = sb_quota_file_end(file, file->number == 0 ? &fresh : NULL);
		if (status == 0 && (fsync(file->fd) < 0 || fsync(dir) < 0))
			status = -1;
	}
	if (status < 0) {
		sb_error_set(error, SB_KIND_NOT_CONFIGURED, errno,
			"the account of its quota, %s in the data directory", file->name);
		sb_quota_file_close(file);
	}
	return status < 0 ? -SB_KIND_NOT_CONFIGURED : 0;
}

void sb_quota_file_close(sb_quota_file *file)
{
	sb_close(&file->fd);
}

/* --- Reading and writing ------------------------------------------------------------------------
 */

static void seal(const slot *s, uint8_t digest[SB_BLAKE3_SIZE])
{
	sb_blake3_memory(s, offsetof(slot, digest), digest);
}

static bool is_whole(const slot *s)
{
	uint8_t digest[SB_BLAKE3_SIZE];

	seal(s, digest);
	return memcmp(s->magic, magic, sizeof magic) == 0 &&
	       memcmp(s->digest, digest, sizeof digest) == 0;
}

static sb_quota_read read_slots(sb_quota_file *file, sb_quota_state *state)
{
	char bytes[2 * SLOT];
	ssize_t n = sb_pread_full(file->fd, bytes, sizeof bytes, 0);
	sb_quota_read found = n == 0 ? SB_QUOTA_READ : SB_QUOTA_DAMAGED;
	slot s;

	if (n < 0)
		return SB_QUOTA_FAILED;
	*state = (sb_quota_state){0};
	file->slot = 1;
	file->number = 0;
	for (unsigned i = 0; i < 2; i++) {
		if ((size_t)n < i * SLOT + sizeof s)
			break;
		memcpy(&s, bytes + (size_t)i * SLOT, sizeof s);
		if (!is_whole(&s) || (found == SB_QUOTA_READ && s.number < file->number))
			continue;
		found = SB_QUOTA_READ;
		file->slot = i;
		file->number = s.number;
		*state = s.state;
	}
	return found;
}

/* With the lock: is it still the one that the name leads to? Whoever wants to begin anew deletes
 * it. */
static bool is_gone(const sb_quota_file *file)
{
	struct stat st;

	return fstat(file->fd, &st) == 0 && st.st_nlink == 0;
}

sb_quota_read sb_quota_file_begin(sb_quota_file *file, sb_quota_state *state)
{
	sb_quota_read found;

	for (int i = 0; i < 3; i++) {
		if (file->fd < 0)
			file->fd = open_file(file);
		if (file->fd < 0)
			return SB_QUOTA_FAILED;
		if (try_lock(file->fd) < 0)
			return errno == EAGAIN || errno == EACCES ? SB_QUOTA_BUSY : SB_QUOTA_FAILED;
		if (!is_gone(file)) {
			found = read_slots(file, state);
			if (found == SB_QUOTA_FAILED)
				(void)sb_quota_file_end(file, NULL);
			return found;
		}
		sb_quota_file_close(file);
	}
	return SB_QUOTA_BUSY;
}

int sb_quota_file_end(sb_quota_file *file, const sb_quota_state *state)
{
	slot s;
	int status = 0, saved;

	if (state != NULL) {
		memset(&s, 0, sizeof s); /* padding, too: it is part of the digest */
		memcpy(s.magic, magic, sizeof magic);
		s.number = file->number + 1;
		s.state = *state;
		seal(&s, s.digest);
		status = sb_pwrite_all(file->fd, &s, sizeof s, (uint64_t)(1 - file->slot) * SLOT);
	}
	saved = errno;
	(void)lock_once(file->fd, F_UNLCK);
	errno = saved;
	return status;
}
