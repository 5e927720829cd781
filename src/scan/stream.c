/* SPDX-License-Identifier: MIT */
/*
 * Content that is pushed: one writer appends, readers may follow while it grows.
 *
 *   up to 64 KiB   heap     and when it ends there, that is where it stays
 *   up to `small`  memfd    sealed at the end; sooner to disk when the memory budget is spent
 *   beyond         spool    an unlinked file
 *
 * The heap buffer becomes the batch in which small pieces wait for the hasher, which wants
 * 64 KiB at a time. From memfd to spool the descriptor keeps its number (dup3), so followers
 * read on without a lock and never notice. Only what is stored counts in the budgets, not
 * the one buffer of 64 KiB that every running stream has.
 */
#include "scan/content_body.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/io.h"

enum { BATCH = 64 * 1024 };

enum state { GROWING, ENDED, BROKEN };

struct sb_stream {
	sb_content_source source;
	sb_blake3 *hasher;
	size_t batched;       /* bytes of heap that the hasher has not seen */
	pthread_mutex_t lock; /* guards state, why, the content's place, heap while it is MEMORY */
	pthread_cond_t moved;
	enum state state;
	sb_error why;
};

int sb_content_stream(sb_content **out, const sb_content_source *source, sb_error *error)
{
	struct sb_stream *stream = malloc(sizeof *stream);
	sb_blake3 *hasher = sb_blake3_new();
	sb_content *content = sb_content_make(source->spool);

	if (stream == NULL || hasher == NULL || content == NULL ||
		!sb_content_heap(content, BATCH)) {
		free(stream);
		sb_blake3_free(hasher);
		sb_content_unref(content);
		return sb_error_no_memory(error);
	}
	stream->source = *source;
	stream->hasher = hasher;
	stream->batched = 0;
	pthread_mutex_init(&stream->lock, NULL);
	sb_cond_init(&stream->moved);
	stream->state = GROWING;
	sb_error_init(&stream->why);
	content->stream = stream;
	*out = content;
	return 0;
}

void sb_stream_free(sb_content *content)
{
	struct sb_stream *stream = content->stream;

	if (stream == NULL)
		return;
	pthread_cond_destroy(&stream->moved);
	pthread_mutex_destroy(&stream->lock);
	sb_blake3_free(stream->hasher);
	free(stream);
	content->stream = NULL;
}

static uint64_t stored(const sb_content *content)
{
	return atomic_load_explicit(&content->size, memory_order_acquire);
}

static void publish(sb_content *content, uint64_t size)
{
	struct sb_stream *stream = content->stream;

	pthread_mutex_lock(&stream->lock);
	atomic_store_explicit(&content->size, size, memory_order_release);
	pthread_cond_broadcast(&stream->moved);
	pthread_mutex_unlock(&stream->lock);
}

/* --- Where the next bytes go ------------------------------------------------------------ */

static int write_failed(sb_content_place place, sb_error *error)
{
	return sb_error_set(error, SB_KIND_IO, errno,
		place == SB_PLACE_SPOOL ? "write to the spool folder" : "write to a memory file");
}

static int copy_stored(sb_content *content, int to, sb_content_place place, sb_error *error)
{
	uint64_t size = stored(content), done = 0;
	char buffer[16 * 1024];

	if (content->place == SB_PLACE_MEMORY) {
		if (sb_pwrite_all(to, content->heap, (size_t)size, 0) < 0)
			return write_failed(place, error);
		return 0;
	}
	while (done < size) {
		ssize_t n = sb_pread_full(content->fd, buffer,
			size - done < sizeof buffer ? (size_t)(size - done) : sizeof buffer, done);
		if (n <= 0)
			return sb_error_set(error, SB_KIND_IO, errno, "read a memory file");
		if (sb_pwrite_all(to, buffer, (size_t)n, done) < 0)
			return write_failed(place, error);
		done += (uint64_t)n;
	}
	return 0;
}

static int move_to(sb_content *content, sb_content_place place, sb_error *error)
{
	int fd = place == SB_PLACE_MEMFD ? sb_spool_memfd(error)
					 : sb_spool_file(content->spool, error);
	int status = fd < 0 ? fd : copy_stored(content, fd, place, error);

	if (status == 0 && content->fd >= 0) {
		/* Followers that are in pread() keep the old file until they are through. */
		if (dup3(fd, content->fd, O_CLOEXEC) < 0)
			status = sb_error_set(error, SB_KIND_IO, errno, "change to a spool file");
		close(fd);
		fd = content->fd;
	}
	if (status < 0) {
		if (fd >= 0 && fd != content->fd)
			close(fd);
		return status;
	}
	pthread_mutex_lock(&content->stream->lock);
	content->fd = fd;
	content->place = place;
	pthread_mutex_unlock(&content->stream->lock);
	return 0;
}

/* Reserve room for @p length more bytes and be in the place where they belong. */
static int make_room(sb_content *content, size_t length, sb_error *error)
{
	uint64_t size = stored(content), total = size + length;
	int status;

	if (content->place != SB_PLACE_SPOOL && total <= sb_spool_small(content->spool) &&
		sb_content_use_memory(content, length, NULL) == 0) {
		if (content->place == SB_PLACE_MEMFD || total <= BATCH)
			return 0;
		return move_to(content, SB_PLACE_MEMFD, error);
	}
	if (content->place == SB_PLACE_SPOOL)
		return sb_content_use_disk(content, length, error);
	status = sb_content_use_disk(content, total, error);
	if (status == 0)
		status = move_to(content, SB_PLACE_SPOOL, error);
	if (status == 0)
		sb_content_release_memory(content, content->memory_used);
	return status;
}

/* --- The writer ------------------------------------------------------------------------- */

/* Whole batches straight from the data, the rest waits in the heap buffer. */
static void hash(sb_content *content, const char *data, size_t length)
{
	struct sb_stream *stream = content->stream;

	while (length > 0) {
		size_t take = BATCH - stream->batched;

		if (stream->batched == 0 && length >= BATCH) {
			take = length - length % BATCH;
			sb_blake3_update(stream->hasher, data, take);
		} else {
			if (take > length)
				take = length;
			memcpy(content->heap + stream->batched, data, take);
			stream->batched += take;
			if (stream->batched == BATCH) {
				sb_blake3_update(stream->hasher, content->heap, BATCH);
				stream->batched = 0;
			}
		}
		data += take;
		length -= take;
	}
}

static int store(sb_content *content, const void *data, size_t length, sb_error *error)
{
	struct sb_stream *stream = content->stream;
	uint64_t size = stored(content);
	int status = make_room(content, length, error);

	if (status < 0)
		return status;
	if (content->place == SB_PLACE_MEMORY) {
		/* Behind what followers may read: published afterwards. */
		memcpy(content->heap + size, data, length);
		stream->batched += length;
	} else {
		if (sb_pwrite_all(content->fd, data, length, size) < 0)
			return write_failed(content->place, error);
		hash(content, data, length);
	}
	publish(content, size + length);
	return 0;
}

int sb_content_append(sb_content *content, const void *data, size_t length, sb_error *error)
{
	struct sb_stream *stream = content->stream;
	uint64_t size = stored(content);
	int status;

	if (stream == NULL || stream->state != GROWING)
		return sb_error_set(error, SB_KIND_INTERNAL, 0, "append to content that has ended");
	status = sb_source_check(&stream->source, error);
	if (status < 0 || length == 0)
		return status;
	if (size > stream->source.max_size || length > stream->source.max_size - size)
		return sb_source_too_large(
			&stream->source, "the content", size + length, false, error);
	return store(content, data, length, error);
}

static int seal(sb_content *content, sb_error *error)
{
	void *map;
	int status = sb_spool_seal(content->fd, error);

	if (status < 0)
		return status;
	map = mmap(NULL, (size_t)stored(content), PROT_READ, MAP_SHARED, content->fd, 0);
	/* Without the mapping it is read by its descriptor. */
	content->memory = map != MAP_FAILED ? map : NULL;
	return 0;
}

static void settle(sb_content *content, enum state state)
{
	pthread_mutex_lock(&content->stream->lock);
	content->stream->state = state;
	pthread_cond_broadcast(&content->stream->moved);
	pthread_mutex_unlock(&content->stream->lock);
}

int sb_content_end(sb_content *content, sb_error *error)
{
	struct sb_stream *stream = content->stream;
	int status = 0;

	if (stream == NULL || stream->state != GROWING)
		return sb_error_set(error, SB_KIND_INTERNAL, 0, "end of content that has ended");
	sb_blake3_update(stream->hasher, content->heap, stream->batched);
	sb_blake3_final(stream->hasher, content->blake3);
	sb_blake3_free(stream->hasher);
	stream->hasher = NULL;
	if (content->place == SB_PLACE_MEMORY)
		content->memory = content->heap;
	else if (content->place == SB_PLACE_MEMFD)
		status = seal(content, error);
	if (status < 0)
		sb_error_copy(&stream->why, error);
	settle(content, status < 0 ? BROKEN : ENDED);
	return status;
}

void sb_content_fail(sb_content *content, const sb_error *why)
{
	struct sb_stream *stream = content->stream;

	if (stream == NULL || stream->state != GROWING)
		return;
	pthread_mutex_lock(&stream->lock);
	sb_error_copy(&stream->why, why);
	pthread_mutex_unlock(&stream->lock);
	settle(content, BROKEN);
}

/* --- Followers -------------------------------------------------------------------------- */

/* With the lock held: 1 when there are bytes behind @p offset, 0 at the end, -kind. */
static int await(sb_content *content, uint64_t offset, uint64_t deadline,
	const _Atomic(bool) *cancelled, sb_error *error)
{
	struct sb_stream *stream = content->stream;
	sb_clock *clock = (sb_clock *)(uintptr_t)stream->source.clock;

	for (;;) {
		if (stream->state == BROKEN) {
			sb_error_copy(error, &stream->why);
			return stream->why.kind != SB_KIND_NONE
				       ? -(int)stream->why.kind
				       : sb_error_set(error, SB_KIND_INTERNAL, 0,
						 "the stream broke off");
		}
		if (cancelled != NULL && atomic_load(cancelled))
			return sb_error_set(error, SB_KIND_CANCELLED, 0, "cancelled while reading");
		if (stored(content) > offset)
			return 1;
		if (stream->state == ENDED)
			return 0;
		if (deadline != SB_NEVER && sb_clock_now(clock) >= deadline)
			return sb_error_set(error, SB_KIND_TIMEOUT, 0,
				"the deadline passed while the content was awaited");
		sb_clock_wait(clock, &stream->moved, &stream->lock, deadline);
	}
}

int64_t sb_content_follow(sb_content *content, uint64_t offset, void *buffer, size_t length,
	uint64_t deadline, const _Atomic(bool) *cancelled, sb_error *error)
{
	struct sb_stream *stream = content->stream;
	uint64_t left;
	ssize_t n;
	int status, fd;

	if (stream == NULL)
		return sb_content_read(content, offset, buffer, length, error);
	pthread_mutex_lock(&stream->lock);
	status = await(content, offset, deadline, cancelled, error);
	left = stored(content) - offset;
	if (length > left)
		length = (size_t)left;
	fd = content->place == SB_PLACE_MEMORY ? -1 : content->fd;
	if (status > 0 && fd < 0)
		memcpy(buffer, content->heap + offset, length);
	pthread_mutex_unlock(&stream->lock);
	if (status <= 0 || fd < 0)
		return status <= 0 ? status : (int64_t)length;
	n = sb_pread_full(fd, buffer, length, offset);
	if (n < 0 || (size_t)n < length)
		return sb_error_set(error, SB_KIND_IO, n < 0 ? errno : EIO, "read the spool");
	return (int64_t)n;
}

void sb_content_kick(sb_content *content)
{
	struct sb_stream *stream = content->stream;

	if (stream == NULL)
		return;
	pthread_mutex_lock(&stream->lock);
	pthread_cond_broadcast(&stream->moved);
	pthread_mutex_unlock(&stream->lock);
}
