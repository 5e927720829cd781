/* SPDX-License-Identifier: MIT */
/*
 * What all content of one manager shares: the two budgets, the folder for spool files, and
 * a few kept objects with their read buffers, so that scanning a small file allocates
 * nothing. Kept objects hang in slots that are emptied and filled by one atomic exchange;
 * a thread starts looking at a slot of its own. Nothing here takes a lock.
 */
#include "scan/content_body.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/io.h"
#include "util/text.h"
#include "util/uuid.h"

enum {
	SLOTS = 16,
	KEPT_HEAP = 256 * 1024, /* larger buffers are freed: at most 4 MiB lie idle */
	USUAL_HEAP = 65 * 1024,
	RETRY_MS = 1000,
};

/* Linux 6.3 and later; without it (or with an older kernel) a memfd is executable. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

struct slot {
	_Alignas(64) _Atomic(sb_content *) content; /* a cache line each */
};

struct sb_spool {
	struct slot slots[SLOTS];
	_Atomic(unsigned) roomy; /* buffers of the usual size: as many as can be kept */
	_Alignas(64) _Atomic(uint64_t) memory;
	_Alignas(64) _Atomic(uint64_t) disk;
	_Alignas(64) sb_spool_limits limits; /* never written after open */
	int dir;                             /* -1: no spool files */
	sb_lease_keeper leases;
};

/* --- Opening and closing ---------------------------------------------------------------- */

static int open_dir(const char *dir, sb_error *error)
{
	int fd;

	if (mkdirat(AT_FDCWD, dir, 0700) < 0 && errno != EEXIST)
		return sb_error_set(error, SB_KIND_IO, errno,
			"create the spool folder %s (choose a writable data_dir)", dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return sb_error_set(error, SB_KIND_IO, errno, "open the spool folder %s", dir);
	return fd;
}

int sb_spool_open(sb_spool **out, const char *dir, const sb_spool_limits *limits, sb_error *error)
{
	const uint64_t default_small = 16 * 1024 * 1024;
	int fd = dir != NULL ? open_dir(dir, error) : -1;
	sb_spool *spool;

	if (dir != NULL && fd < 0)
		return fd;
	spool = aligned_alloc(_Alignof(sb_spool), sizeof *spool);
	if (spool == NULL) {
		sb_close(&fd);
		return sb_error_no_memory(error);
	}
	memset(spool, 0, sizeof *spool);
	spool->limits = *limits;
	if (spool->limits.small == 0)
		spool->limits.small = default_small;
	spool->dir = fd;
	sb_lease_keeper_init(&spool->leases);
	*out = spool;
	return 0;
}

static void free_heap(sb_content *content)
{
	if (content->roomy)
		atomic_fetch_sub(&content->spool->roomy, 1);
	free(content->heap);
	content->heap = NULL;
	content->capacity = 0;
	content->roomy = false;
}

static void free_object(sb_content *content)
{
	if (content == NULL)
		return;
	pthread_mutex_destroy(&content->lock);
	free_heap(content);
	free(content);
}

void sb_spool_close(sb_spool *spool)
{
	if (spool == NULL)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		free_object(atomic_load(&spool->slots[i].content));
	sb_lease_keeper_done(&spool->leases);
	sb_close(&spool->dir);
	free(spool);
}

void sb_spool_usage(sb_spool *spool, uint64_t *memory, uint64_t *disk)
{
	*memory = atomic_load(&spool->memory);
	*disk = atomic_load(&spool->disk);
}

uint64_t sb_spool_small(const sb_spool *spool)
{
	return spool->limits.small;
}

bool sb_spool_copies(const sb_spool *spool)
{
	return spool->limits.copy_unpinned;
}

sb_lease_keeper *sb_spool_leases(sb_spool *spool)
{
	return &spool->leases;
}

/* --- Budgets ---------------------------------------------------------------------------- */

static bool reserve(_Atomic(uint64_t) *used, uint64_t limit, uint64_t bytes)
{
	uint64_t now = atomic_load_explicit(used, memory_order_relaxed);

	do {
		if (bytes > limit || now > limit - bytes)
			return false;
	} while (!atomic_compare_exchange_weak(used, &now, now + bytes));
	return true;
}

static int overloaded(const char *setting, uint64_t bytes, uint64_t limit, sb_error *error)
{
	char want[32], have[32];
	int status = sb_error_set(error, SB_KIND_OVERLOADED, 0,
		"no room for %s: limits.%s is %s for all scans together",
		sb_format_size(want, sizeof want, bytes), setting,
		sb_format_size(have, sizeof have, limit));

	sb_error_set_retry_after_ms(error, RETRY_MS);
	return status;
}

int sb_content_use_memory(sb_content *content, uint64_t bytes, sb_error *error)
{
	sb_spool *spool = content->spool;

	if (!reserve(&spool->memory, spool->limits.memory, bytes))
		return overloaded("spool_memory", bytes, spool->limits.memory, error);
	content->memory_used += bytes;
	return 0;
}

int sb_content_use_disk(sb_content *content, uint64_t bytes, sb_error *error)
{
	sb_spool *spool = content->spool;

	if (!reserve(&spool->disk, spool->limits.disk, bytes))
		return overloaded("spool_disk", bytes, spool->limits.disk, error);
	content->disk_used += bytes;
	return 0;
}

void sb_content_release_memory(sb_content *content, uint64_t bytes)
{
	atomic_fetch_sub(&content->spool->memory, bytes);
	content->memory_used -= bytes;
}

void sb_content_release_disk(sb_content *content, uint64_t bytes)
{
	atomic_fetch_sub(&content->spool->disk, bytes);
	content->disk_used -= bytes;
}

/* --- Kept objects ----------------------------------------------------------------------- */

static size_t own_slot(void)
{
	static _Atomic(unsigned) threads;
	static _Thread_local unsigned number;

	if (number == 0)
		number = atomic_fetch_add(&threads, 1) % SLOTS + 1;
	return number - 1;
}

static sb_content *take_kept(sb_spool *spool)
{
	size_t first = own_slot();

	for (size_t i = 0; i < SLOTS; i++) {
		_Atomic(sb_content *) *slot = &spool->slots[(first + i) % SLOTS].content;
		sb_content *content;

		/* Looking first spares the cache line when there is nothing to take. */
		if (atomic_load_explicit(slot, memory_order_relaxed) == NULL)
			continue;
		content = atomic_exchange(slot, NULL);
		if (content != NULL)
			return content;
	}
	return NULL;
}

sb_content *sb_content_make(sb_spool *spool)
{
	sb_content *content = take_kept(spool);

	if (content == NULL) {
		content = calloc(1, sizeof *content);
		if (content == NULL)
			return NULL;
		pthread_mutex_init(&content->lock, NULL);
	}
	atomic_init(&content->refs, 1);
	content->place = SB_PLACE_MEMORY;
	content->spool = spool;
	atomic_init(&content->size, 0);
	content->memory = NULL;
	content->fd = content->memfd = -1;
	content->memory_used = content->disk_used = 0;
	content->lease.taken = false;
	content->has_stat = false;
	content->stream = NULL;
	atomic_init(&content->sha256_known, false);
	atomic_init(&content->md5_known, false);
	return content;
}

void sb_content_unmake(sb_content *content)
{
	sb_spool *spool = content->spool;
	size_t first = own_slot();

	if (content->memory_used > 0)
		sb_content_release_memory(content, content->memory_used);
	if (content->disk_used > 0)
		sb_content_release_disk(content, content->disk_used);
	if (content->capacity > KEPT_HEAP)
		free_heap(content);
	for (size_t i = 0; i < SLOTS; i++) {
		sb_content *empty = NULL;
		_Atomic(sb_content *) *slot = &spool->slots[(first + i) % SLOTS].content;

		if (atomic_load_explicit(slot, memory_order_relaxed) == NULL &&
			atomic_compare_exchange_strong(slot, &empty, content))
			return;
	}
	free_object(content);
}

/* One size for all small files, so that a kept buffer fits the next one; but only for as many as
 * can be kept: thousands of small scans in flight need what they need. */
static bool may_be_roomy(sb_spool *spool, size_t size)
{
	if (size > USUAL_HEAP)
		return false;
	if (atomic_fetch_add(&spool->roomy, 1) < SLOTS)
		return true;
	atomic_fetch_sub(&spool->roomy, 1);
	return false;
}

bool sb_content_heap(sb_content *content, size_t size)
{
	if (size <= content->capacity)
		return true;
	free_heap(content);
	content->roomy = may_be_roomy(content->spool, size);
	content->capacity = content->roomy ? USUAL_HEAP : size;
	content->heap = malloc(content->capacity);
	if (content->heap == NULL)
		free_heap(content);
	return content->heap != NULL;
}

/* --- Files ------------------------------------------------------------------------------ */

/* For file systems without O_TMPFILE: a random name that is gone before anybody writes. */
static int named_file(sb_spool *spool)
{
	uint8_t id[16];
	char name[2 * sizeof id + 1];
	int fd;

	sb_random(id, sizeof id);
	sb_hex(name, id, sizeof id);
	fd = openat(spool->dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0 && unlinkat(spool->dir, name, 0) < 0)
		sb_close(&fd);
	return fd;
}

int sb_spool_file(sb_spool *spool, sb_error *error)
{
	int fd = -1;

	errno = ENOENT;
	if (spool->dir >= 0) {
		fd = openat(spool->dir, ".", O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
		if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT))
			fd = named_file(spool);
	}
	/* Whatever the umask: every consumer opens it anew. */
	if (fd >= 0 && fchmod(fd, 0600) < 0)
		sb_close(&fd);
	if (fd < 0)
		return sb_error_set(error, SB_KIND_IO, errno, "make a file in the spool folder");
	return fd;
}

int sb_spool_memfd(sb_error *error)
{
	const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create("scanbridge", flags | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("scanbridge", flags);
	if (fd < 0)
		return sb_error_set(error, SB_KIND_IO, errno, "make a memory file");
	return fd;
}

int sb_spool_seal(int fd, sb_error *error)
{
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return sb_error_set(error, SB_KIND_IO, errno, "seal a memory file");
	return 0;
}

int sb_spool_reopen(int fd)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}
