/* SPDX-License-Identifier: MIT */
/*
 * Taking the snapshot: from a path, a descriptor or memory to bytes that stand still.
 *
 * Small files are read once into a buffer of ours; the digest is taken from that buffer, so
 * nothing that happens to the file afterwards matters, and two fstat() around the read tell
 * whether it happened meanwhile. Large ones: pin.c.
 */
#include "scan/content_body.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "util/io.h"
#include "util/text.h"

/* --- What may stop it ------------------------------------------------------------------- */

int sb_source_check(const sb_content_source *source, sb_error *error)
{
	if (source->cancelled != NULL && atomic_load(source->cancelled))
		return sb_error_set(error, SB_KIND_CANCELLED, 0, "cancelled while reading");
	if (source->deadline != SB_NEVER && sb_clock_now(source->clock) >= source->deadline)
		return sb_error_set(error, SB_KIND_TIMEOUT, 0,
			"the deadline passed while the content was read");
	return 0;
}

int sb_source_too_large(const sb_content_source *source, const char *what, uint64_t size,
	bool whole, sb_error *error)
{
	char has[32], may[32];

	return sb_error_set(error, SB_KIND_FILE_TOO_LARGE, 0, "%.400s has %s%s, the limit is %s",
		what, whole ? "" : "at least ", sb_format_size(has, sizeof has, size),
		sb_format_size(may, sizeof may, source->max_size));
}

bool sb_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

int sb_content_unchanged(const sb_content *content, int fd, const char *what, sb_error *error)
{
	struct stat now;

	if (fstat(fd, &now) < 0)
		return sb_error_set(error, SB_KIND_IO, errno, "stat %.400s", what);
	if (!sb_same_file(&content->stat, &now))
		return sb_error_set(error, SB_KIND_CHANGED, 0,
			"%.400s changed while it was read; scan it again when it is at rest", what);
	return 0;
}

/* --- Small files ------------------------------------------------------------------------ */

/* Reads on until there are @p want bytes, asking for @p room: more than wanted means that the
 * file grew, fewer that it shrank. One call for a file of the expected size. */
static ssize_t read_at_least(int fd, char *buffer, size_t want, size_t room, uint64_t offset)
{
	size_t done = 0;

	do {
		ssize_t n = pread(fd, buffer + done, room - done, (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	} while (done < want);
	return (ssize_t)done;
}

int sb_wrong_length(const char *what, bool grew, sb_error *error)
{
	return sb_error_set(error, SB_KIND_CHANGED, 0, "%.400s %s while it was read", what,
		grew ? "grew" : "shrank");
}

/* Piece by piece, each hashed while it is in the cache. */
static int read_pieces(sb_content *content, const sb_content_source *source, int fd, size_t size,
	const char *what, sb_error *error)
{
	sb_blake3 *hasher = sb_blake3_new();
	size_t done = 0;
	int status = hasher != NULL ? 0 : sb_error_no_memory(error);

	while (status == 0 && done < size) {
		size_t left = size - done, want = left < SB_IO_PIECE ? left : SB_IO_PIECE;
		ssize_t n;

		status = sb_source_check(source, error);
		if (status < 0)
			break;
		/* The last piece asks for one byte more than there should be. */
		n = read_at_least(fd, content->heap + done, want, want + (want == left), done);
		if (n < 0)
			status = sb_error_set(error, SB_KIND_IO, errno, "read %.400s", what);
		else if ((size_t)n != want)
			status = sb_wrong_length(what, (size_t)n > want, error);
		else
			sb_blake3_update(hasher, content->heap + done, want);
		done += want;
	}
	if (status == 0)
		sb_blake3_final(hasher, content->blake3);
	sb_blake3_free(hasher);
	return status;
}

static int read_small(sb_content *content, const sb_content_source *source, int fd,
	const char *what, sb_error *error)
{
	size_t size = (size_t)content->stat.st_size;
	int status = sb_content_use_memory(content, size, error);

	if (status < 0)
		return status;
	if (!sb_content_heap(content, size + 1))
		return sb_error_no_memory(error);
	if (size > SB_IO_PIECE) {
		status = read_pieces(content, source, fd, size, what, error);
		if (status < 0)
			return status;
	} else {
		ssize_t n = read_at_least(fd, content->heap, size, size + 1, 0);
		if (n < 0)
			return sb_error_set(error, SB_KIND_IO, errno, "read %.400s", what);
		if ((size_t)n != size)
			return sb_wrong_length(what, (size_t)n > size, error);
		sb_blake3_memory(content->heap, size, content->blake3);
	}
	content->memory = content->heap;
	atomic_store_explicit(&content->size, size, memory_order_relaxed);
	return sb_content_unchanged(content, fd, what, error);
}

/* --- By path ---------------------------------------------------------------------------- */

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	case S_IFCHR:
		return "a character device";
	case S_IFBLK:
		return "a block device";
	case S_IFLNK:
		return "a symbolic link";
	default:
		return "of an unknown type";
	}
}

static int not_regular(const char *what, mode_t mode, sb_error *error)
{
	return sb_error_set(error, SB_KIND_UNSUPPORTED, 0, "%.400s is %s, not a regular file", what,
		type_name(mode));
}

static int open_failed(int dir_fd, const char *name, bool follow, int reason, sb_error *error)
{
	struct stat st;

	if (reason == ENOENT || reason == ENOTDIR)
		return sb_error_set(error, SB_KIND_FILE_NOT_FOUND, reason, "open %.400s", name);
	/* A socket, a device without a driver, a link that was not to be followed. */
	if ((reason == ENXIO || reason == ENODEV || reason == ELOOP) &&
		fstatat(dir_fd, name, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) == 0 &&
		!S_ISREG(st.st_mode))
		return not_regular(name, st.st_mode, error);
	return sb_error_set(error, SB_KIND_IO, reason, "open %.400s", name);
}

/* What every regular file has to pass before a byte is read. */
static int admit(sb_content *content, const sb_content_source *source, const char *what,
	uint64_t *size, sb_error *error)
{
	uint64_t bytes = (uint64_t)content->stat.st_size;

	if (size != NULL)
		*size = bytes;
	if (bytes > source->max_size)
		return sb_source_too_large(source, what, bytes, true, error);
	content->has_stat = true;
	return sb_source_check(source, error);
}

/*
 * Never blocks: a FIFO is opened at once, and when somebody's write lease (a file server's)
 * stands in the way, the kernel asks for it back and we come again until it is gone. The
 * descriptor; or a negative kind with *reason 0, or -1 with *reason, an errno.
 */
static int open_patiently(const sb_content_source *source, int dir_fd, const char *name,
	bool follow, int *reason, sb_error *error)
{
	const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, pause_ms = 5;

	for (;;) {
		int fd = openat(dir_fd, name, flags | (follow ? 0 : O_NOFOLLOW)), status;

		*reason = fd < 0 ? errno : 0;
		if (*reason != EWOULDBLOCK)
			return fd;
		status = sb_source_check(source, error);
		if (status < 0) {
			*reason = 0;
			return status;
		}
		poll(NULL, 0, pause_ms);
	}
}

int sb_content_open(sb_content **out, const sb_content_source *source, int dir_fd, const char *name,
	bool follow, uint64_t *size, sb_error *error)
{
	int reason, fd = open_patiently(source, dir_fd, name, follow, &reason, error), status;
	sb_content *content;

	if (fd < 0)
		return reason != 0 ? open_failed(dir_fd, name, follow, reason, error) : fd;
	content = sb_content_make(source->spool);
	if (content == NULL) {
		close(fd);
		return sb_error_no_memory(error);
	}
	if (fstat(fd, &content->stat) < 0)
		status = sb_error_set(error, SB_KIND_IO, errno, "stat %.400s", name);
	else if (!S_ISREG(content->stat.st_mode))
		status = not_regular(name, content->stat.st_mode, error);
	else
		status = admit(content, source, name, size, error);
	if (status == 0 && (uint64_t)content->stat.st_size > sb_spool_small(source->spool)) {
		status = sb_content_pin(content, source, fd, true, name, error);
	} else {
		if (status == 0)
			status = read_small(content, source, fd, name, error);
		close(fd);
	}
	if (status < 0)
		sb_content_unref(content);
	else
		*out = content;
	return status;
}

/* --- By descriptor ---------------------------------------------------------------------- */

static int load_fd(sb_content *content, const sb_content_source *source, int fd, const char *what,
	sb_error *error)
{
	int flags = fcntl(fd, F_GETFL), own;

	if (flags < 0 || (flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_WRONLY)
		return sb_error_set(error, SB_KIND_IO, EBADF, "%s is not open for reading", what);
	if ((uint64_t)content->stat.st_size <= sb_spool_small(source->spool))
		return read_small(content, source, fd, what, error);
	own = sb_spool_reopen(fd);
	if (own >= 0)
		return sb_content_pin(content, source, own, true, what, error);
	/* Given to us by somebody who may read what we may not open: it can only be copied. */
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return sb_error_set(error, SB_KIND_IO, errno, "duplicate %s", what);
	return sb_content_pin(content, source, own, false, what, error);
}

/* Never blocks: another reader may have been quicker after poll(). */
static ssize_t read_now(int fd, void *buffer, size_t length)
{
	struct iovec piece = {buffer, length};
	ssize_t n = preadv2(fd, &piece, 1, -1, RWF_NOWAIT);

	if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL))
		n = read(fd, buffer, length);
	return n;
}

/* The deadline may be a fake clock's and cancellation has no descriptor: look twice a tick. */
static int drain(sb_content *content, const sb_content_source *source, int fd, const char *what,
	char *buffer, size_t room, sb_error *error)
{
	const int tick_ms = 50;
	struct pollfd ready = {.fd = fd, .events = POLLIN};

	for (;;) {
		int status = sb_source_check(source, error);
		ssize_t n;

		if (status < 0)
			return status;
		if (poll(&ready, 1, tick_ms) == 0)
			continue;
		n = read_now(fd, buffer, room);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return sb_error_set(error, SB_KIND_IO, errno, "read %s", what);
		if (n == 0)
			return sb_content_end(content, error);
		status = sb_content_append(content, buffer, (size_t)n, error);
		if (status < 0)
			return status;
	}
}

static int from_stream(sb_content **out, const sb_content_source *source, int fd, const char *what,
	uint64_t *size, sb_error *error)
{
	const size_t room = 128 * 1024;
	sb_content *content;
	char *buffer;
	int status = sb_content_stream(&content, source, error);

	if (status < 0)
		return status;
	buffer = malloc(room);
	status = buffer == NULL ? sb_error_no_memory(error)
				: drain(content, source, fd, what, buffer, room, error);
	free(buffer);
	if (size != NULL)
		*size = sb_content_size(content);
	if (status < 0)
		sb_content_unref(content);
	else
		*out = content;
	return status;
}

int sb_content_from_fd(
	sb_content **out, const sb_content_source *source, int fd, uint64_t *size, sb_error *error)
{
	char what[32];
	struct stat st;
	sb_content *content;
	int status;

	snprintf(what, sizeof what, "descriptor %d", fd);
	if (fstat(fd, &st) < 0)
		return sb_error_set(error, SB_KIND_IO, errno, "stat %s", what);
	/* A terminal or /dev/null that somebody opened on purpose is read like a pipe. */
	if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || S_ISCHR(st.st_mode))
		return from_stream(out, source, fd, what, size, error);
	if (!S_ISREG(st.st_mode))
		return not_regular(what, st.st_mode, error);
	content = sb_content_make(source->spool);
	if (content == NULL)
		return sb_error_no_memory(error);
	content->stat = st;
	status = admit(content, source, what, size, error);
	if (status == 0)
		status = load_fd(content, source, fd, what, error);
	if (status < 0)
		sb_content_unref(content);
	else
		*out = content;
	return status;
}

/* --- From memory ------------------------------------------------------------------------ */

static int take_memory(
	sb_content *content, const void *data, size_t length, bool copy, sb_error *error)
{
	int status;

	if (!copy) {
		content->place = SB_PLACE_BORROWED;
		content->memory = length > 0 ? data : "";
		return 0;
	}
	status = sb_content_use_memory(content, length, error);
	if (status < 0)
		return status;
	if (!sb_content_heap(content, length + 1))
		return sb_error_no_memory(error);
	if (length > 0)
		memcpy(content->heap, data, length);
	content->memory = content->heap;
	return 0;
}

int sb_content_from_memory(sb_content **out, const sb_content_source *source, const void *data,
	size_t length, bool copy, sb_error *error)
{
	sb_content *content;
	int status;

	if (length > source->max_size)
		return sb_source_too_large(source, "the content", length, true, error);
	content = sb_content_make(source->spool);
	if (content == NULL)
		return sb_error_no_memory(error);
	status = take_memory(content, data, length, copy, error);
	if (status < 0) {
		sb_content_unref(content);
		return status;
	}
	atomic_store_explicit(&content->size, length, memory_order_relaxed);
	sb_blake3_memory(content->memory, length, content->blake3);
	*out = content;
	return 0;
}
