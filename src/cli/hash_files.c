/* SPDX-License-Identifier: MIT */
/*
 * Hashing many files; see hash_files.h. Files go through in batches: threads take one file
 * after the other and read it into a buffer they keep, and lines come out in the order of the
 * arguments. A large file is left for the end of its batch, where all threads work on it.
 */
#include "cli/hash_files.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/hash.h"
#include "util/io.h"
#include "util/text.h"
#include "util/thread.h"

enum {
	BATCH = 1024,
	MAX_THREADS = 16,
	KEPT = 1024 * 1024, /* up to this size one thread reads and hashes a file at once */
	DIGESTS = 2,
};

struct file {
	const char *path;
	bool large;   /* a regular file for all threads together */
	sb_kind kind; /* why it failed, or NONE */
	int sys_errno;
	uint8_t digests[DIGESTS][SB_SHA256_SIZE];
};

struct batch {
	struct file files[BATCH];
	size_t count;
	_Atomic(size_t) next;
	unsigned threads;
	bool sha256, md5;
};

static const struct {
	const char *prefix;
	sb_digest_type type;
	size_t size;
} algorithms[DIGESTS] = {
	{"sha256:", SB_DIGESTER_SHA256, SB_SHA256_SIZE},
	{"md5:", SB_DIGESTER_MD5, SB_MD5_SIZE},
};

static bool wanted(const struct batch *batch, size_t algorithm)
{
	return algorithm == 0 ? batch->sha256 : batch->md5;
}

/* --- One file --------------------------------------------------------------------------- */

static void failed(struct file *file, sb_kind kind, int sys_errno)
{
	file->kind = kind;
	file->sys_errno = sys_errno;
}

/* Anything that does not end within the buffer and has no known size: pipes, devices. */
static void blake3_stream(struct file *file, int fd, char *buffer, size_t filled)
{
	sb_blake3 *hasher = sb_blake3_new();
	ssize_t n = (ssize_t)filled;

	if (hasher == NULL) {
		failed(file, SB_KIND_INTERNAL, ENOMEM);
		return;
	}
	while (n > 0) {
		sb_blake3_update(hasher, buffer, (size_t)n);
		n = sb_read_full(fd, buffer, KEPT);
	}
	if (n < 0)
		failed(file, SB_KIND_IO, errno);
	else
		sb_blake3_final(hasher, file->digests[0]);
	sb_blake3_free(hasher);
}

static void blake3_large(struct file *file, int fd, uint64_t size, unsigned threads)
{
	sb_error error;

	sb_error_init(&error);
	if (sb_blake3_file(fd, size, threads, file->digests[0], &error) < 0)
		failed(file, error.kind, error.sys_errno);
}

static void blake3_file(const struct batch *batch, struct file *file, int fd, char *buffer)
{
	ssize_t n = sb_read_full(fd, buffer, KEPT);
	struct stat st;

	if (n < 0)
		failed(file, SB_KIND_IO, errno);
	else if (n < KEPT)
		sb_blake3_memory(buffer, (size_t)n, file->digests[0]);
	else if (fd == STDIN_FILENO || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
		 st.st_size < KEPT)
		blake3_stream(file, fd, buffer, (size_t)n);
	else if (batch->threads > 1)
		file->large = true;
	else
		blake3_large(file, fd, (uint64_t)st.st_size, 1);
}

static void other_digests(const struct batch *batch, struct file *file, int fd, char *buffer)
{
	sb_digester *digesters[DIGESTS] = {NULL};
	ssize_t n;

	for (size_t i = 0; i < DIGESTS; i++) {
		digesters[i] = wanted(batch, i) ? sb_digester_new(algorithms[i].type) : NULL;
		if (wanted(batch, i) && digesters[i] == NULL)
			failed(file, SB_KIND_INTERNAL, ENOMEM);
	}
	while (file->kind == SB_KIND_NONE && (n = sb_read_full(fd, buffer, KEPT)) != 0) {
		if (n < 0)
			failed(file, SB_KIND_IO, errno);
		for (size_t i = 0; n > 0 && i < DIGESTS; i++)
			if (digesters[i] != NULL)
				sb_digester_update(digesters[i], buffer, (size_t)n);
	}
	for (size_t i = 0; i < DIGESTS; i++) {
		if (digesters[i] != NULL)
			sb_digester_final(digesters[i], file->digests[i]);
		sb_digester_free(digesters[i]);
	}
}

static int open_file(struct file *file)
{
	int fd = strcmp(file->path, "-") == 0 ? STDIN_FILENO
					      : open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		failed(file, SB_KIND_IO, errno);
	return fd;
}

static void close_file(int fd)
{
	if (fd != STDIN_FILENO)
		close(fd);
}

/* --- Many files ------------------------------------------------------------------------- */

static void *work(void *data)
{
	struct batch *batch = data;
	char *buffer = aligned_alloc(4096, KEPT);

	for (;;) {
		size_t index = atomic_fetch_add(&batch->next, 1);
		struct file *file;
		int fd;

		if (index >= batch->count)
			break;
		file = &batch->files[index];
		if (buffer == NULL) {
			failed(file, SB_KIND_INTERNAL, ENOMEM);
			continue;
		}
		fd = open_file(file);
		if (fd < 0)
			continue;
		if (batch->sha256 || batch->md5)
			other_digests(batch, file, fd, buffer);
		else
			blake3_file(batch, file, fd, buffer);
		close_file(fd);
	}
	free(buffer);
	return NULL;
}

static void work_together(struct batch *batch)
{
	pthread_t others[MAX_THREADS];
	unsigned started = 0;

	/* A few files are done before a thread has started. */
	while (started + 1 < batch->threads && started < MAX_THREADS &&
		started + 1 < batch->count / 4 &&
		sb_thread_start(&others[started], "sb-hash", work, batch) == 0)
		started++;
	work(batch);
	while (started > 0)
		pthread_join(others[--started], NULL);
}

static void hash_large(const struct batch *batch, struct file *file)
{
	int fd = open_file(file);
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) < 0)
		failed(file, SB_KIND_IO, errno);
	else
		blake3_large(file, fd, (uint64_t)st.st_size, batch->threads);
	close_file(fd);
}

/* --- Lines ------------------------------------------------------------------------------ */

static void print_line(
	FILE *out, const char *prefix, const uint8_t *digest, size_t size, const char *path)
{
	char hex[2 * SB_SHA256_SIZE + 1];
	bool escaped = strpbrk(path, "\\\n") != NULL;

	sb_hex(hex, digest, size);
	fprintf(out, "%s%s%s  ", escaped ? "\\" : "", prefix, hex);
	for (const char *p = path; escaped && *p != '\0'; p++) {
		if (*p == '\n' || *p == '\\')
			putc('\\', out);
		putc(*p == '\n' ? 'n' : *p, out);
	}
	fprintf(out, "%s\n", escaped ? "" : path);
}

static void print_error(const struct file *file)
{
	sb_buf path;

	sb_buf_init(&path, 64 * 1024);
	sb_escape(&path, file->path, strlen(file->path));
	fprintf(stderr, "scanbridge: %s: %s\n", path.data != NULL ? path.data : "",
		file->kind == SB_KIND_CHANGED ? "the file shrank while it was read"
					      : strerror(file->sys_errno));
	sb_buf_done(&path);
}

static int print(const struct batch *batch, const struct file *file, FILE *out)
{
	bool both = batch->sha256 && batch->md5;

	if (file->kind != SB_KIND_NONE) {
		print_error(file);
		return 1;
	}
	if (!batch->sha256 && !batch->md5)
		print_line(out, "", file->digests[0], SB_BLAKE3_SIZE, file->path);
	for (size_t i = 0; i < DIGESTS; i++)
		if (wanted(batch, i))
			print_line(out, both ? algorithms[i].prefix : "", file->digests[i],
				algorithms[i].size, file->path);
	return 0;
}

static unsigned processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static int do_batch(struct batch *batch, char *const *paths, size_t count, FILE *out)
{
	int status = 0;

	batch->count = count;
	atomic_store(&batch->next, 0);
	for (size_t i = 0; i < count; i++) {
		batch->files[i].path = paths[i];
		batch->files[i].large = false;
		batch->files[i].kind = SB_KIND_NONE;
	}
	work_together(batch);
	for (size_t i = 0; i < count; i++) {
		if (batch->files[i].large)
			hash_large(batch, &batch->files[i]);
		if (print(batch, &batch->files[i], out) != 0)
			status = 1;
	}
	return status;
}

int sb_hash_files(
	char *const *paths, size_t count, bool sha256, bool md5, unsigned threads, FILE *out)
{
	struct batch *batch = malloc(sizeof *batch);
	int status = 0;

	if (batch == NULL) {
		fprintf(stderr, "scanbridge: out of memory\n");
		return 2;
	}
	batch->threads = threads > 0 ? threads : processors();
	batch->sha256 = sha256;
	batch->md5 = md5;
	for (size_t done = 0; done < count; done += BATCH) {
		size_t step = count - done < BATCH ? count - done : BATCH;

		if (do_batch(batch, paths + done, step, out) != 0)
			status = 1;
	}
	free(batch);
	if (fflush(out) != 0 || ferror(out)) {
		fprintf(stderr, "scanbridge: write the digests: %s\n", strerror(errno));
		status = 2;
	}
	return status;
}
