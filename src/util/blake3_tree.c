/* SPDX-License-Identifier: MIT */
/*
 * BLAKE3 of a large file by several threads. The official sources compress; the tree is ours.
 *
 *   root            parents upward: pairs first, an odd one out rises as it is, which gives
 *    / \            exactly the tree of the paper (left subtrees full, a power of two)
 *   units           of 1 MiB or more, at most MAX_UNITS: threads take one after the other
 *    / \            and leave its chaining value in the table
 *   pieces          of 512 KiB, read by pread() into the thread's own buffer, which stays
 *    / \            in the second-level cache from the read to the compression
 *   chunks          of 1 KiB
 *
 * Not mmap: a file that somebody truncates would kill the process with SIGBUS, and reading
 * into a warm buffer costs what the page faults do, as long as the buffer is aligned: one
 * that starts 16 bytes into a page makes the whole of it 15 % slower.
 */
#include "util/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "blake3_impl.h"
#include "util/io.h"
#include "util/thread.h"

enum {
	CHUNK = BLAKE3_CHUNK_LEN,
	CV = BLAKE3_OUT_LEN, /* a chaining value */
	PIECE = 512 * 1024,
	PIECE_CHUNKS = PIECE / CHUNK,
	UNIT_MIN = 1024 * 1024,
	MAX_UNITS = 1024,
	MAX_LEVELS = 64,
	MAX_THREADS = 16,
};

struct work {
	int fd;
	uint64_t size, unit;
	bool (*stop)(void *data);
	void *data;
	_Atomic(uint64_t) next; /* unit to be taken */
	_Atomic(bool) failed;   /* everybody stops */
	pthread_mutex_t lock;   /* guards kind and sys_errno */
	sb_kind kind;
	int sys_errno;
	uint8_t cvs[MAX_UNITS * CV];
};

/* One level up, in place; returns how many are left. */
static size_t fold(uint8_t *cvs, size_t count)
{
	const uint8_t *pairs[PIECE_CHUNKS / 2];
	uint8_t parents[PIECE_CHUNKS / 2 * CV];
	size_t left = count / 2, done = 0;

	while (done < left) {
		size_t n = left - done < PIECE_CHUNKS / 2 ? left - done : PIECE_CHUNKS / 2;
		for (size_t i = 0; i < n; i++)
			pairs[i] = cvs + (done + i) * 2 * CV;
		blake3_hash_many(pairs, n, 1, IV, 0, false, PARENT, 0, 0, parents);
		memcpy(cvs + done * CV, parents, n * CV);
		done += n;
	}
	if (count % 2 != 0)
		memmove(cvs + left++ * CV, cvs + (count - 1) * CV, CV);
	return left;
}

/* The last chunk of a file, which need not be whole, and is never the only one here. */
static void short_chunk(const uint8_t *data, size_t length, uint64_t index, uint8_t out[CV])
{
	uint32_t cv[8];
	uint8_t block[BLAKE3_BLOCK_LEN], flags = CHUNK_START;

	memcpy(cv, IV, sizeof cv);
	while (length > BLAKE3_BLOCK_LEN) {
		blake3_compress_in_place(cv, data, BLAKE3_BLOCK_LEN, index, flags);
		data += BLAKE3_BLOCK_LEN;
		length -= BLAKE3_BLOCK_LEN;
		flags = 0;
	}
	memset(block, 0, sizeof block);
	memcpy(block, data, length);
	blake3_compress_in_place(cv, block, (uint8_t)length, index, flags | CHUNK_END);
	store_cv_words(out, cv);
}

static void piece_cv(const uint8_t *data, size_t length, uint64_t offset, uint8_t out[CV])
{
	const uint8_t *chunks[PIECE_CHUNKS];
	uint8_t cvs[PIECE_CHUNKS * CV];
	size_t count = length / CHUNK;

	for (size_t i = 0; i < count; i++)
		chunks[i] = data + i * CHUNK;
	blake3_hash_many(chunks, count, CHUNK / BLAKE3_BLOCK_LEN, IV, offset / CHUNK, true, 0,
		CHUNK_START, CHUNK_END, cvs);
	if (length % CHUNK != 0) {
		short_chunk(data + count * CHUNK, length % CHUNK, offset / CHUNK + count,
			cvs + count * CV);
		count++;
	}
	while (count > 1)
		count = fold(cvs, count);
	memcpy(out, cvs, CV);
}

static bool fail(struct work *work, sb_kind kind, int sys_errno)
{
	pthread_mutex_lock(&work->lock);
	if (!atomic_exchange(&work->failed, true)) {
		work->kind = kind;
		work->sys_errno = sys_errno;
	}
	pthread_mutex_unlock(&work->lock);
	return false;
}

/* Pieces come from left to right; like a binary counter, every second one completes a parent,
 * so that the memory does not grow with the unit. */
static bool unit_cv(
	struct work *work, uint64_t offset, uint64_t end, uint8_t *buffer, uint8_t out[CV])
{
	uint8_t stack[MAX_LEVELS * CV];
	size_t height = 0;

	for (uint64_t pieces = 1; offset < end; pieces++) {
		size_t length = end - offset < PIECE ? (size_t)(end - offset) : PIECE;
		ssize_t n;

		if (atomic_load_explicit(&work->failed, memory_order_relaxed))
			return false;
		if (work->stop != NULL && work->stop(work->data))
			return fail(work, SB_KIND_CANCELLED, 0);
		n = sb_pread_full(work->fd, buffer, length, offset);
		if (n < 0)
			return fail(work, SB_KIND_IO, errno);
		if ((size_t)n < length)
			return fail(work, SB_KIND_CHANGED, 0);
		piece_cv(buffer, length, offset, stack + height++ * CV);
		for (uint64_t k = pieces; k % 2 == 0; k /= 2)
			height = height - 2 + fold(stack + (height - 2) * CV, 2);
		offset += length;
	}
	while (height > 1)
		height = height - 2 + fold(stack + (height - 2) * CV, 2);
	memcpy(out, stack, CV);
	return true;
}

static void *work_units(void *data)
{
	struct work *work = data;
	uint8_t *buffer = aligned_alloc(4096, PIECE);
	bool going = buffer != NULL || fail(work, SB_KIND_INTERNAL, 0);

	while (going) {
		uint64_t index = atomic_fetch_add(&work->next, 1);
		uint64_t offset = index * work->unit, end = work->size;

		if (offset >= work->size)
			break;
		if (end - offset > work->unit)
			end = offset + work->unit;
		going = unit_cv(work, offset, end, buffer, work->cvs + index * CV);
	}
	free(buffer);
	return NULL;
}

static void run(struct work *work, unsigned threads)
{
	pthread_t others[MAX_THREADS];
	unsigned started = 0;

	/* A thread that can't be had is no error: those that are there do its part. */
	while (started + 1 < threads && started < MAX_THREADS &&
		sb_thread_start(&others[started], "sb-blake3", work_units, work) == 0)
		started++;
	work_units(work);
	while (started > 0)
		pthread_join(others[--started], NULL);
}

static void root(struct work *work, uint8_t out[SB_BLAKE3_SIZE])
{
	size_t count = (size_t)((work->size + work->unit - 1) / work->unit);
	uint32_t cv[8];

	while (count > 2)
		count = fold(work->cvs, count);
	memcpy(cv, IV, sizeof cv);
	blake3_compress_in_place(cv, work->cvs, BLAKE3_BLOCK_LEN, 0, PARENT | ROOT);
	store_cv_words(out, cv);
}

static int explain(const struct work *work, sb_error *error)
{
	switch (work->kind) {
	case SB_KIND_CHANGED:
		return sb_error_set(error, work->kind, 0, "the file shrank while it was read");
	case SB_KIND_IO:
		return sb_error_set(error, work->kind, work->sys_errno, "read");
	case SB_KIND_CANCELLED:
		return sb_error_set(error, work->kind, 0, "hashing was stopped");
	default:
		return sb_error_no_memory(error);
	}
}

/* Up to UNIT_MIN one thread and the official tree are enough. */
static int small_file(int fd, size_t size, uint8_t out[SB_BLAKE3_SIZE], sb_error *error)
{
	char *buffer = malloc(size + 1);
	ssize_t n;
	int status = 0;

	if (buffer == NULL)
		return sb_error_no_memory(error);
	n = sb_pread_full(fd, buffer, size, 0);
	if (n < 0)
		status = sb_error_set(error, SB_KIND_IO, errno, "read");
	else if ((size_t)n < size)
		status = sb_error_set(
			error, SB_KIND_CHANGED, 0, "the file shrank while it was read");
	else
		sb_blake3_memory(buffer, size, out);
	free(buffer);
	return status;
}

static unsigned cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

int sb_blake3_file_until(int fd, uint64_t size, unsigned threads, bool (*stop)(void *data),
	void *data, uint8_t out[SB_BLAKE3_SIZE], sb_error *error)
{
	struct work *work;
	int status = 0;

	if (size <= UNIT_MIN)
		return small_file(fd, (size_t)size, out, error);
	if (size > INT64_MAX)
		return sb_error_set(error, SB_KIND_IO, EFBIG, "read");
	if (threads == 0)
		threads = cpus();
	if (threads > size / (2 * UNIT_MIN))
		threads = (unsigned)(size / (2 * UNIT_MIN));
	work = malloc(sizeof *work);
	if (work == NULL)
		return sb_error_no_memory(error);
	work->fd = fd;
	work->size = size;
	for (work->unit = UNIT_MIN; (size - 1) / work->unit >= MAX_UNITS;)
		work->unit *= 2;
	work->stop = stop;
	work->data = data;
	atomic_init(&work->next, 0);
	atomic_init(&work->failed, false);
	pthread_mutex_init(&work->lock, NULL);
	run(work, threads);
	if (atomic_load(&work->failed))
		status = explain(work, error);
	else
		root(work, out);
	pthread_mutex_destroy(&work->lock);
	free(work);
	return status;
}

int sb_blake3_file(
	int fd, uint64_t size, unsigned threads, uint8_t out[SB_BLAKE3_SIZE], sb_error *error)
{
	return sb_blake3_file_until(fd, size, threads, NULL, NULL, out, error);
}
