/* SPDX-License-Identifier: MIT */
/*
 * What all content answers, wherever its bytes are: its digests, its memory, a descriptor,
 * a read, and whether it stood still. See content.h for the promises.
 */
#include "scan/content_body.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/io.h"

/* In `refs`: somebody waits until the only reference is his. */
enum { AWAITED = 1 << 30 };

sb_content *sb_content_ref(sb_content *content)
{
	atomic_fetch_add_explicit(&content->refs, 1, memory_order_relaxed);
	return content;
}

void sb_content_unref(sb_content *content)
{
	if (content == NULL)
		return;
	switch (atomic_fetch_sub_explicit(&content->refs, 1, memory_order_acq_rel)) {
	case 1:
	case AWAITED | 1:
		break;
	case AWAITED | 2:
		/* Waking nobody, at an address that was freed meanwhile, does no harm. */
		syscall(SYS_futex, &content->refs, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
		return;
	default:
		return;
	}
	if (content->place == SB_PLACE_MEMFD && content->memory != NULL)
		munmap((void *)(uintptr_t)content->memory, (size_t)sb_content_size(content));
	sb_stream_free(content);
	sb_lease_drop(sb_spool_leases(content->spool), &content->lease);
	sb_close(&content->fd);
	sb_close(&content->memfd);
	sb_content_unmake(content);
}

void sb_content_wait_alone(sb_content *content)
{
	unsigned refs;

	if (content == NULL || content->place != SB_PLACE_BORROWED)
		return;
	if (atomic_load_explicit(&content->refs, memory_order_acquire) == 1)
		return;
	refs = atomic_fetch_or_explicit(&content->refs, AWAITED, memory_order_acq_rel) | AWAITED;
	while (refs != (AWAITED | 1)) {
		syscall(SYS_futex, &content->refs, FUTEX_WAIT_PRIVATE, refs, NULL, NULL, 0);
		refs = atomic_load_explicit(&content->refs, memory_order_acquire);
	}
}

uint64_t sb_content_size(const sb_content *content)
{
	return atomic_load_explicit(&content->size, memory_order_acquire);
}

const uint8_t *sb_content_blake3(const sb_content *content)
{
	return content->blake3;
}

bool sb_content_stat(const sb_content *content, struct stat *out)
{
	if (content->has_stat)
		*out = content->stat;
	return content->has_stat;
}

const void *sb_content_memory(const sb_content *content, size_t *length)
{
	*length = content->memory != NULL ? (size_t)sb_content_size(content) : 0;
	return content->memory;
}

int64_t sb_content_read(
	sb_content *content, uint64_t offset, void *buffer, size_t length, sb_error *error)
{
	uint64_t size = sb_content_size(content);
	ssize_t n;

	if (offset >= size)
		return 0;
	if (length > size - offset)
		length = (size_t)(size - offset);
	if (content->memory != NULL) {
		memcpy(buffer, (const char *)content->memory + offset, length);
		return (int64_t)length;
	}
	n = sb_pread_full(content->fd, buffer, length, offset);
	if (n < 0)
		return sb_error_set(error, SB_KIND_IO, errno, "read the content");
	if ((size_t)n < length)
		return sb_error_set(error, SB_KIND_CHANGED, 0, "the file shrank during the scan");
	return (int64_t)n;
}

/* --- Digests on demand ------------------------------------------------------------------ */

static int digest_pieces(sb_content *content, sb_digester *digester, sb_error *error)
{
	char *buffer = aligned_alloc(4096, SB_IO_PIECE);
	uint64_t offset = 0;
	int64_t n = 0;

	if (buffer == NULL)
		return sb_error_no_memory(error);
	while ((n = sb_content_read(content, offset, buffer, SB_IO_PIECE, error)) > 0) {
		sb_digester_update(digester, buffer, (size_t)n);
		offset += (uint64_t)n;
	}
	free(buffer);
	return (int)n;
}

static int compute(sb_content *content, sb_digest_type type, uint8_t *out, sb_error *error)
{
	sb_digester *digester = sb_digester_new(type);
	int status = 0;

	if (digester == NULL)
		return sb_error_no_memory(error);
	if (content->memory != NULL)
		sb_digester_update(digester, content->memory, (size_t)sb_content_size(content));
	else
		status = digest_pieces(content, digester, error);
	if (status == 0)
		sb_digester_final(digester, out);
	sb_digester_free(digester);
	return status;
}

static int digest(sb_content *content, sb_digest_type type, _Atomic(bool) *known, uint8_t *kept,
	uint8_t *out, sb_error *error)
{
	const size_t size = type == SB_DIGESTER_SHA256 ? SB_SHA256_SIZE : SB_MD5_SIZE;
	int status = 0;

	if (!atomic_load_explicit(known, memory_order_acquire)) {
		pthread_mutex_lock(&content->lock);
		if (!atomic_load_explicit(known, memory_order_relaxed)) {
			status = compute(content, type, kept, error);
			atomic_store_explicit(known, status == 0, memory_order_release);
		}
		pthread_mutex_unlock(&content->lock);
	}
	if (status == 0)
		memcpy(out, kept, size);
	return status;
}

int sb_content_sha256(sb_content *content, uint8_t out[SB_SHA256_SIZE], sb_error *error)
{
	return digest(
		content, SB_DIGESTER_SHA256, &content->sha256_known, content->sha256, out, error);
}

int sb_content_md5(sb_content *content, uint8_t out[SB_MD5_SIZE], sb_error *error)
{
	return digest(content, SB_DIGESTER_MD5, &content->md5_known, content->md5, out, error);
}

const uint8_t *sb_content_sha256_if_known(const sb_content *content)
{
	return atomic_load_explicit(&content->sha256_known, memory_order_acquire) ? content->sha256
										  : NULL;
}

const uint8_t *sb_content_md5_if_known(const sb_content *content)
{
	return atomic_load_explicit(&content->md5_known, memory_order_acquire) ? content->md5
									       : NULL;
}

/* --- A descriptor ----------------------------------------------------------------------- */

/* The heap stays: others may be reading it. So both count. */
static int make_memfd(sb_content *content, sb_error *error)
{
	size_t size = (size_t)sb_content_size(content);
	int fd, status = sb_content_use_memory(content, size, error);

	if (status < 0)
		return status;
	fd = sb_spool_memfd(error);
	status = fd;
	if (fd >= 0 && sb_write_all(fd, content->memory, size) < 0)
		status = sb_error_set(error, SB_KIND_IO, errno, "write to a memory file");
	else if (fd >= 0)
		status = sb_spool_seal(fd, error);
	if (status < 0) {
		sb_close(&fd);
		sb_content_release_memory(content, size);
		return status;
	}
	content->memfd = fd;
	return 0;
}

int sb_content_fd(sb_content *content, sb_error *error)
{
	int fd = content->fd, status = 0;

	if (fd < 0) {
		pthread_mutex_lock(&content->lock);
		if (content->memfd < 0)
			status = make_memfd(content, error);
		fd = content->memfd;
		pthread_mutex_unlock(&content->lock);
	}
	if (status < 0)
		return -1;
	fd = sb_spool_reopen(fd);
	if (fd < 0)
		sb_error_set(error, SB_KIND_IO, errno,
			"open the content anew through /proc/self/fd (is /proc mounted?)");
	return fd;
}

/* --- Did it stand still? ---------------------------------------------------------------- */

static sb_content_state compare_digest(sb_content *content)
{
	uint8_t now[SB_BLAKE3_SIZE];
	int status = sb_blake3_file(content->fd, sb_content_size(content), 0, now, NULL);

	if (status == -(int)SB_KIND_CHANGED)
		return SB_CONTENT_STATE_CHANGED;
	return status == 0 && memcmp(now, content->blake3, sizeof now) != 0
		       ? SB_CONTENT_STATE_CHANGED
		       : SB_CONTENT_STATE_UNPINNED;
}

bool sb_content_is_pinned(const sb_content *content)
{
	return content->place != SB_PLACE_FILE || sb_lease_intact(&content->lease);
}

sb_content_state sb_content_check(sb_content *content)
{
	struct stat now;

	/* First: an intact lease proves the bytes, also when a rename has moved ctime. */
	if (sb_content_is_pinned(content))
		return SB_CONTENT_STATE_PINNED;
	if (fstat(content->fd, &now) < 0)
		return SB_CONTENT_STATE_UNPINNED;
	if (!sb_same_file(&content->stat, &now))
		return SB_CONTENT_STATE_CHANGED;
	return content->lease.taken ? compare_digest(content) : SB_CONTENT_STATE_UNPINNED;
}
