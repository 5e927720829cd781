/* SPDX-License-Identifier: MIT */
/*
 * Large files are not read into memory but pinned where they are, then hashed there by several
 * threads. Tried in this order, each cheaper than the next:
 *
 *   read lease   nobody writes while we hold it; costs nothing, needs ownership or CAP_LEASE
 *   reflink      the same extents under a file of ours; needs a file system that can
 *   copy         in the spool; only if `copy_unpinned` is set, or there is no other way
 *   not at all   the content is marked, and a change that shows in stat is still found
 */
#include "scan/content_body.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "util/io.h"

static bool must_stop(void *data)
{
	return sb_source_check(data, NULL) < 0;
}

/* What fstat() said before the lease has to be true under it. Without one: 0, and go on. */
static int pin_by_lease(sb_content *content, int fd, const char *what, sb_error *error)
{
	if (!sb_lease_take(sb_spool_leases(content->spool), &content->lease, fd))
		return 0;
	return sb_content_unchanged(content, fd, what, error);
}

/* True: place is SPOOL and fd holds the same extents as the file. */
static bool reflink(sb_content *content, int fd)
{
	struct stat clone;
	int copy;

	if (sb_content_use_disk(content, (uint64_t)content->stat.st_size, NULL) < 0)
		return false;
	copy = sb_spool_file(content->spool, NULL);
	if (copy >= 0 && ioctl(copy, FICLONE, fd) == 0 && fstat(copy, &clone) == 0 &&
		clone.st_size == content->stat.st_size) {
		content->fd = copy;
		content->place = SB_PLACE_SPOOL;
		return true;
	}
	if (copy >= 0)
		close(copy);
	sb_content_release_disk(content, (uint64_t)content->stat.st_size);
	return false;
}

static int copy_pieces(int from, int to, uint64_t size, const sb_content_source *source,
	const char *what, sb_error *error)
{
	char *buffer = aligned_alloc(4096, SB_IO_PIECE);
	int status = buffer != NULL ? 0 : sb_error_no_memory(error);

	for (uint64_t done = 0; status == 0 && done < size;) {
		size_t want = size - done < SB_IO_PIECE ? (size_t)(size - done) : SB_IO_PIECE;
		ssize_t n;

		status = sb_source_check(source, error);
		if (status < 0)
			break;
		n = sb_pread_full(from, buffer, want, done);
		if (n < 0)
			status = sb_error_set(error, SB_KIND_IO, errno, "read %.400s", what);
		else if ((size_t)n < want)
			status = sb_wrong_length(what, false, error);
		else if (sb_pwrite_all(to, buffer, want, done) < 0)
			status = sb_error_set(error, SB_KIND_IO, errno,
				"copy %.400s into the spool folder", what);
		done += want;
	}
	free(buffer);
	return status;
}

static int copy_file(sb_content *content, const sb_content_source *source, int fd, const char *what,
	sb_error *error)
{
	uint64_t size = (uint64_t)content->stat.st_size;
	int status = sb_content_use_disk(content, size, error);

	if (status < 0)
		return status;
	content->fd = sb_spool_file(content->spool, error);
	if (content->fd < 0)
		return content->fd;
	content->place = SB_PLACE_SPOOL;
	status = copy_pieces(fd, content->fd, size, source, what, error);
	return status < 0 ? status : sb_content_unchanged(content, fd, what, error);
}

static int hash_large(
	sb_content *content, const sb_content_source *source, const char *what, sb_error *error)
{
	sb_content_source *data = (sb_content_source *)(uintptr_t)source;
	uint64_t size = (uint64_t)content->stat.st_size;
	int status =
		sb_blake3_file_until(content->fd, size, 0, must_stop, data, content->blake3, error);

	if (status == -(int)SB_KIND_CANCELLED)
		status = sb_source_check(source, error);
	else if (status < 0)
		sb_error_prefix(error, "%.400s", what);
	if (status < 0)
		return status;
	atomic_store_explicit(&content->size, size, memory_order_relaxed);
	return content->place == SB_PLACE_FILE
		       ? sb_content_unchanged(content, content->fd, what, error)
		       : 0;
}

int sb_content_pin(sb_content *content, const sb_content_source *source, int fd, bool own,
	const char *what, sb_error *error)
{
	int status;

	if (own) {
		/* From here on the content closes it. */
		content->fd = fd;
		content->place = SB_PLACE_FILE;
		status = pin_by_lease(content, fd, what, error);
		if (status < 0)
			return status;
		if (content->lease.taken)
			return hash_large(content, source, what, error);
		content->fd = -1;
	}
	if (!reflink(content, fd)) {
		if (!own || sb_spool_copies(content->spool)) {
			status = copy_file(content, source, fd, what, error);
			close(fd);
			return status < 0 ? status : hash_large(content, source, what, error);
		}
		content->fd = fd;
		return hash_large(content, source, what, error);
	}
	close(fd);
	return hash_large(content, source, what, error);
}
