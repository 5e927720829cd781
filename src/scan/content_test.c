/* SPDX-License-Identifier: MIT */
/* Content: from every source the same bytes and digest, within limits, and never called pinned
 * when somebody could have changed it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scan/content.h"
#include "util/io.h"

enum { KIB = 1024, MIB = 1024 * 1024, SMALL = 256 * 1024, LARGE = 3 * MIB + 17 };

static char folder[64];
static int dir = -1;
static sb_spool *spool;
static sb_content_source source;
static sb_error error;
static char *bytes; /* LARGE of them */

static void open_spool(uint64_t memory, uint64_t disk, bool copy)
{
	sb_spool_limits limits = {
		.memory = memory, .disk = disk, .small = SMALL, .copy_unpinned = copy};
	char path[96];

	snprintf(path, sizeof path, "%s/spool", folder);
	assert_int_equal(sb_spool_open(&spool, path, &limits, &error), 0);
	source = (sb_content_source){.spool = spool,
		.max_size = 64 * MIB,
		.deadline = SB_NEVER,
		.clock = sb_clock_system()};
}

static void check_nothing_used(void)
{
	uint64_t memory, disk;

	sb_spool_usage(spool, &memory, &disk);
	assert_int_equal(memory, 0);
	assert_int_equal(disk, 0);
}

static void close_spool(void)
{
	check_nothing_used();
	sb_spool_close(spool);
	spool = NULL;
}

static void make_file(const char *name, size_t size)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(sb_write_all(fd, bytes, size), 0);
	close(fd);
}

static void check_bytes(sb_content *content, size_t size)
{
	uint8_t expected[SB_BLAKE3_SIZE], sha256[SB_SHA256_SIZE], got[SB_SHA256_SIZE], md5[16];
	char *copy = malloc(size + 1);
	size_t length;
	int fd;

	assert_int_equal(sb_content_size(content), size);
	sb_blake3_memory(bytes, size, expected);
	assert_memory_equal(sb_content_blake3(content), expected, sizeof expected);
	assert_null(sb_content_sha256_if_known(content));
	assert_int_equal(sb_content_sha256(content, got, &error), 0);
	sb_sha256_memory(bytes, size, sha256);
	assert_memory_equal(got, sha256, sizeof sha256);
	assert_memory_equal(sb_content_sha256_if_known(content), sha256, sizeof sha256);
	assert_null(sb_content_md5_if_known(content));
	assert_int_equal(sb_content_md5(content, got, &error), 0);
	sb_md5_memory(bytes, size, md5);
	assert_memory_equal(got, md5, sizeof md5);
	if (sb_content_memory(content, &length) != NULL)
		assert_int_equal(length, size);
	assert_int_equal(sb_content_read(content, 0, copy, size + 1, &error), size);
	assert_memory_equal(copy, bytes, size);
	assert_int_equal(sb_content_read(content, size, copy, 1, &error), 0);
	assert_int_equal(
		sb_content_follow(content, size / 2, copy, size, 0, NULL, &error), size - size / 2);
	fd = sb_content_fd(content, &error);
	assert_true(fd >= 0);
	assert_int_equal(sb_read_full(fd, copy, size + 1), size);
	assert_memory_equal(copy, bytes, size);
	assert_int_equal(write(fd, "x", 1), -1);
	close(fd);
	free(copy);
}

static sb_content *open_file(const char *name)
{
	sb_content *content = NULL;

	if (sb_content_open(&content, &source, dir, name, false, NULL, &error) < 0)
		fail_msg("%s: %s", name, sb_error_message(&error));
	return content;
}

/* --- The same bytes from everywhere ----------------------------------------------------- */

static int from_path(sb_content **out, size_t size)
{
	uint64_t known = 0;
	int status;

	make_file("file", size);
	status = sb_content_open(out, &source, dir, "file", true, &known, &error);
	assert_int_equal(known, size);
	return status;
}

static int from_descriptor(sb_content **out, size_t size)
{
	int fd, status;

	make_file("file", size);
	fd = openat(dir, "file", O_RDONLY | O_CLOEXEC);
	lseek(fd, (off_t)size / 2, SEEK_SET);
	status = sb_content_from_fd(out, &source, fd, NULL, &error);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), size / 2);
	close(fd);
	return status;
}

static int from_borrowed(sb_content **out, size_t size)
{
	return sb_content_from_memory(out, &source, bytes, size, false, &error);
}

static int from_copied(sb_content **out, size_t size)
{
	return sb_content_from_memory(out, &source, bytes, size, true, &error);
}

static int from_stream_of(sb_content **out, size_t size, size_t step)
{
	int status = sb_content_stream(out, &source, &error);

	for (size_t i = 0; status == 0 && i < size; i += step)
		status = sb_content_append(
			*out, bytes + i, size - i < step ? size - i : step, &error);
	if (status == 0)
		status = sb_content_end(*out, &error);
	if (status < 0)
		sb_content_unref(*out);
	return status;
}

static int from_small_pushes(sb_content **out, size_t size)
{
	return from_stream_of(out, size, 1021);
}

static int from_large_pushes(sb_content **out, size_t size)
{
	return from_stream_of(out, size, 200 * KIB);
}

struct feed {
	int fd;
	size_t size;
};

static void *feed(void *data)
{
	struct feed *f = data;

	/* The reader may have had enough. */
	if (sb_write_all(f->fd, bytes, f->size) < 0)
		assert_int_equal(errno, EPIPE);
	close(f->fd);
	return NULL;
}

static int from_ends(sb_content **out, const int ends[2], size_t size)
{
	struct feed f = {ends[1], size};
	pthread_t thread;
	int status;

	pthread_create(&thread, NULL, feed, &f);
	status = sb_content_from_fd(out, &source, ends[0], NULL, &error);
	close(ends[0]);
	pthread_join(thread, NULL);
	return status;
}

static int from_pipe(sb_content **out, size_t size)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	return from_ends(out, ends, size);
}

static int from_socket(sb_content **out, size_t size)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	return from_ends(out, ends, size);
}

static const struct {
	const char *why;
	int (*make)(sb_content **out, size_t size);
	bool counted; /* the size is found by counting, not known before */
} sources[] = {
	{"a path", from_path},
	{"a descriptor, whatever its offset", from_descriptor},
	{"borrowed memory", from_borrowed},
	{"copied memory", from_copied},
	{"a stream of small pieces", from_small_pushes, true},
	{"a stream of large pieces", from_large_pushes, true},
	{"a pipe", from_pipe, true},
	{"a socket", from_socket, true},
};

#define SOURCES (sizeof sources / sizeof sources[0])

static void test_sources(void **state)
{
	static const size_t sizes[] = {0, 1, 1024, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, SMALL - 1,
		SMALL, SMALL + 1, LARGE};

	(void)state;
	open_spool(64 * MIB, 64 * MIB, false);
	for (size_t i = 0; i < SOURCES; i++)
		for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
			sb_content *content = NULL;
			if (sources[i].make(&content, sizes[k]) < 0)
				fail_msg("%s, %zu bytes: %s", sources[i].why, sizes[k],
					sb_error_message(&error));
			check_bytes(content, sizes[k]);
			assert_int_equal(sb_content_check(content), SB_CONTENT_STATE_PINNED);
			sb_content_unref(content);
			check_nothing_used();
		}
	close_spool();
}

static void test_max_size(void **state)
{
	(void)state;
	open_spool(64 * MIB, 64 * MIB, false);
	source.max_size = 100000;
	for (size_t i = 0; i < SOURCES; i++) {
		sb_content *content = NULL;

		for (size_t size = 99999; size <= 100000; size++) {
			assert_int_equal(sources[i].make(&content, size), 0);
			sb_content_unref(content);
		}
		if (sources[i].make(&content, 100001) != -SB_KIND_FILE_TOO_LARGE)
			fail_msg("%s: not too large", sources[i].why);
		assert_non_null(strstr(sb_error_message(&error), "limit is 100000"));
		if (!sources[i].counted)
			assert_non_null(strstr(sb_error_message(&error), "has 100001"));
		check_nothing_used();
	}
	close_spool();
}

static void test_budgets(void **state)
{
	static const struct {
		const char *why;
		size_t source, size;
		uint64_t memory, disk;
		int status;
	} rows[] = {
		{"a file of exactly the memory", 0, 5000, 5000, 0, 0},
		{"a file of one byte more", 0, 5001, 5000, 0, -SB_KIND_OVERLOADED},
		{"a file of one byte less", 0, 4999, 5000, 0, 0},
		{"a copy of exactly the memory", 3, 5000, 5000, 0, 0},
		{"a copy of one byte more", 3, 5001, 5000, 0, -SB_KIND_OVERLOADED},
		{"borrowed memory is not ours", 2, 5001, 0, 0, 0},
		{"a large file stays where it is", 0, LARGE, 0, 0, 0},
		{"a stream of exactly the memory", 4, 5000, 5000, 0, 0},
		{"a stream goes to disk without memory", 4, 5001, 5000, 5001, 0},
		{"a stream with neither", 4, 5001, 5000, 5000, -SB_KIND_OVERLOADED},
		{"a memory file of exactly the memory", 5, SMALL, SMALL, 0, 0},
		{"beyond small it is disk alone", 5, LARGE, SMALL, LARGE, 0},
		{"and one byte less disk does not do", 5, LARGE, SMALL, LARGE - 1,
			-SB_KIND_OVERLOADED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		sb_content *content = NULL;
		int status;

		open_spool(rows[i].memory, rows[i].disk, false);
		status = sources[rows[i].source].make(&content, rows[i].size);
		if (status != rows[i].status)
			fail_msg("%s: %d", rows[i].why, status);
		if (status == 0)
			sb_content_unref(content);
		else
			assert_true(sb_error_retry_after_ms(&error) > 0);
		close_spool();
	}
}

static void test_a_memfd_counts(void **state)
{
	sb_content *content;
	int fd;

	(void)state;
	open_spool(9999, 0, false);
	assert_int_equal(from_copied(&content, 5000), 0);
	assert_int_equal(sb_content_fd(content, &error), -1);
	assert_int_equal(sb_error_kind(&error), SB_KIND_OVERLOADED);
	sb_content_unref(content);
	assert_int_equal(from_copied(&content, 4999), 0);
	fd = sb_content_fd(content, &error);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GET_SEALS) & 15,
		F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
	close(fd);
	sb_content_unref(content);
	close_spool();
}

static void test_descriptors_do_not_share_an_offset(void **state)
{
	static const size_t sizes[] = {1000, LARGE};
	char piece[500];

	(void)state;
	open_spool(64 * MIB, 64 * MIB, false);
	for (size_t i = 0; i < 2; i++) {
		sb_content *content = NULL;
		int first, second;

		assert_int_equal(from_path(&content, sizes[i]), 0);
		first = sb_content_fd(content, &error);
		assert_int_equal(sb_read_full(first, piece, sizeof piece), sizeof piece);
		second = sb_content_fd(content, &error);
		assert_int_equal(lseek(second, 0, SEEK_CUR), 0);
		close(first);
		close(second);
		sb_content_unref(content);
	}
	close_spool();
}

/* --- What is no file -------------------------------------------------------------------- */

static void test_not_files(void **state)
{
	static const struct {
		const char *name;
		bool follow;
		int status;
		const char *text;
	} rows[] = {
		{"fifo", true, -SB_KIND_UNSUPPORTED, "fifo is a FIFO, not a regular file"},
		{"socket", true, -SB_KIND_UNSUPPORTED, "socket is a socket, not a regular file"},
		{".", true, -SB_KIND_UNSUPPORTED, ". is a directory, not a regular file"},
		{"/dev/null", true, -SB_KIND_UNSUPPORTED, "is a character device"},
		{"link", false, -SB_KIND_UNSUPPORTED, "link is a symbolic link"},
		{"link", true, 0, ""},
		{"loop", true, -SB_KIND_IO, "open loop"},
		{"missing", true, -SB_KIND_FILE_NOT_FOUND, "open missing"},
		{"target/below", true, -SB_KIND_FILE_NOT_FOUND, "open target/below"},
		{"/proc/self/status", true, -SB_KIND_CHANGED, "grew"},
	};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	open_spool(64 * MIB, 0, false);
	make_file("target", 100);
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	assert_int_equal(symlinkat("target", dir, "link"), 0);
	assert_int_equal(symlinkat("loop", dir, "loop"), 0);
	snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", folder);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		sb_content *content = NULL;
		int status = sb_content_open(
			&content, &source, dir, rows[i].name, rows[i].follow, NULL, &error);

		if (status != rows[i].status)
			fail_msg("%s: %d %s", rows[i].name, status, sb_error_message(&error));
		if (status < 0)
			assert_non_null(strstr(sb_error_message(&error), rows[i].text));
		sb_content_unref(content);
	}
	close(fd);
	close_spool();
}

static void test_unreadable(void **state)
{
	static const int flags[] = {O_WRONLY, O_PATH};
	sb_content *content;

	(void)state;
	open_spool(64 * MIB, 0, false);
	make_file("file", 100);
	for (size_t i = 0; i < 2; i++) {
		int fd = openat(dir, "file", flags[i] | O_CLOEXEC);
		assert_int_equal(
			sb_content_from_fd(&content, &source, fd, NULL, &error), -SB_KIND_IO);
		close(fd);
	}
	assert_int_equal(
		sb_content_from_fd(&content, &source, dir, NULL, &error), -SB_KIND_UNSUPPORTED);
	assert_int_equal(sb_content_from_fd(&content, &source, 12345, NULL, &error), -SB_KIND_IO);
	if (geteuid() != 0) {
		assert_int_equal(fchmodat(dir, "file", 0, 0), 0);
		assert_int_equal(
			sb_content_open(&content, &source, dir, "file", true, NULL, &error),
			-SB_KIND_IO);
		assert_int_equal(sb_error_sys_errno(&error), EACCES);
	}
	close_spool();
}

struct holder {
	int fd;
	bool lets_go;
};

/* A file server with a write lease, which hears that somebody wants to read. */
static void *hold(void *data)
{
	struct holder *h = data;
	sigset_t asked;
	int signal;

	sigemptyset(&asked);
	sigaddset(&asked, SIGUSR1);
	sigwait(&asked, &signal);
	if (h->lets_go)
		fcntl(h->fd, F_SETLEASE, F_UNLCK);
	else
		atomic_store((_Atomic(bool) *)(uintptr_t)source.cancelled, true);
	return NULL;
}

static void test_a_write_lease_in_the_way(void **state)
{
	static _Atomic(bool) cancelled;
	sigset_t asked, before;

	(void)state;
	sigemptyset(&asked);
	sigaddset(&asked, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &asked, &before);
	open_spool(64 * MIB, 0, false);
	source.cancelled = &cancelled;
	for (int lets_go = 0; lets_go < 2; lets_go++) {
		struct holder h = {.lets_go = lets_go};
		sb_content *content = NULL;
		pthread_t thread;

		atomic_store(&cancelled, false);
		make_file("file", 100);
		h.fd = openat(dir, "file", O_RDWR | O_CLOEXEC);
		assert_int_equal(fcntl(h.fd, F_SETSIG, SIGUSR1), 0);
		assert_int_equal(fcntl(h.fd, F_SETLEASE, F_WRLCK), 0);
		pthread_create(&thread, NULL, hold, &h);
		assert_int_equal(
			sb_content_open(&content, &source, dir, "file", true, NULL, &error),
			lets_go ? 0 : -SB_KIND_CANCELLED);
		pthread_join(thread, NULL);
		close(h.fd);
		sb_content_unref(content);
	}
	close_spool();
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* --- Did it stand still? ---------------------------------------------------------------- */

/* The host application has default dispositions here: a stray SIGIO would end the test. */
static void test_a_writer_breaks_the_lease(void **state)
{
	sb_content *content;
	int fd;

	(void)state;
	open_spool(64 * MIB, 64 * MIB, false);
	assert_int_equal(from_path(&content, LARGE), 0);
	assert_int_equal(sb_content_check(content), SB_CONTENT_STATE_PINNED);
	fd = openat(dir, "file", O_WRONLY | O_CLOEXEC); /* waits until the lease is gone */
	assert_true(fd >= 0);
	assert_int_equal(sb_content_check(content), SB_CONTENT_STATE_UNPINNED);
	assert_int_equal(pwrite(fd, "!", 1, LARGE / 2), 1);
	assert_int_equal(sb_content_check(content), SB_CONTENT_STATE_CHANGED);
	assert_int_equal(ftruncate(fd, 5), 0);
	assert_int_equal(sb_content_check(content), SB_CONTENT_STATE_CHANGED);
	assert_int_equal(sb_content_read(content, 0, (char[10]){0}, 10, &error), -SB_KIND_CHANGED);
	assert_int_equal(sb_content_sha256(content, (uint8_t[32]){0}, &error), -SB_KIND_CHANGED);
	assert_null(sb_content_sha256_if_known(content));
	close(fd);
	sb_content_unref(content);
	close_spool();
}

static void test_a_rename_does_not(void **state)
{
	sb_content *content;

	(void)state;
	open_spool(64 * MIB, 64 * MIB, false);
	assert_int_equal(from_path(&content, LARGE), 0);
	assert_int_equal(renameat(dir, "file", dir, "moved"), 0);
	assert_int_equal(unlinkat(dir, "moved", 0), 0);
	assert_int_equal(sb_content_check(content), SB_CONTENT_STATE_PINNED);
	sb_content_unref(content);
	close_spool();
}

/* A page that was dirtied before moves neither ctime nor mtime when it is written again. */
static char *map_file(const char *name)
{
	int fd = openat(dir, name, O_RDWR | O_CLOEXEC);
	char *map = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	assert_true(map != MAP_FAILED);
	map[LARGE / 2] = bytes[LARGE / 2];
	close(fd);
	return map;
}

static void test_a_shared_mapping_is_never_pinned(void **state)
{
	sb_content *content;
	char *map;

	(void)state;
	open_spool(64 * MIB, 0, false); /* no disk budget: no reflink either */
	make_file("mapped", LARGE);
	map = map_file("mapped");
	content = open_file("mapped");
	assert_int_equal(sb_content_check(content), SB_CONTENT_STATE_UNPINNED);
	map[LARGE / 2] ^= 1;
	assert_int_not_equal(sb_content_check(content), SB_CONTENT_STATE_PINNED);
	munmap(map, LARGE);
	assert_int_not_equal(sb_content_check(content), SB_CONTENT_STATE_PINNED);
	sb_content_unref(content);
	close_spool();
}

static void test_a_copy_is_pinned(void **state)
{
	sb_content *content = NULL;
	char *map;
	uint64_t memory, disk;

	(void)state;
	open_spool(0, LARGE, true);
	make_file("mapped", LARGE);
	map = map_file("mapped");
	content = open_file("mapped");
	sb_spool_usage(spool, &memory, &disk);
	assert_int_equal(disk, LARGE);
	map[LARGE / 2] ^= 1;
	check_bytes(content, LARGE);
	assert_int_equal(sb_content_check(content), SB_CONTENT_STATE_PINNED);
	sb_content_unref(content);
	sb_spool_close(spool);
	open_spool(0, LARGE - 1, true);
	assert_int_equal(sb_content_open(&content, &source, dir, "mapped", true, NULL, &error),
		-SB_KIND_OVERLOADED);
	munmap(map, LARGE);
	close_spool();
}

static void test_small_files_are_ours(void **state)
{
	sb_content *content;
	struct stat st;
	int fd;

	(void)state;
	open_spool(64 * MIB, 0, false);
	assert_int_equal(from_path(&content, 1000), 0);
	assert_true(sb_content_stat(content, &st));
	assert_int_equal(st.st_size, 1000);
	fd = openat(dir, "file", O_WRONLY | O_TRUNC | O_CLOEXEC);
	close(fd);
	check_bytes(content, 1000);
	assert_int_equal(sb_content_check(content), SB_CONTENT_STATE_PINNED);
	sb_content_unref(content);
	assert_int_equal(from_borrowed(&content, 10), 0);
	assert_false(sb_content_stat(content, &st));
	sb_content_unref(content);
	close_spool();
}

/* Many leases break at once, from several threads; the process stays, nothing is pinned. */
static void *break_and_close(void *data)
{
	int fd = openat(dir, data, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	close(fd);
	return NULL;
}

static void test_many_breaks(void **state)
{
	enum { FILES = 12 };
	sb_content *contents[FILES];
	char names[FILES][16];
	pthread_t threads[FILES];

	(void)state;
	open_spool(64 * MIB, 0, false);
	for (int i = 0; i < FILES; i++) {
		snprintf(names[i], sizeof names[i], "l%d", i);
		make_file(names[i], SMALL + 1);
		contents[i] = open_file(names[i]);
		assert_int_equal(sb_content_check(contents[i]), SB_CONTENT_STATE_PINNED);
	}
	for (int i = 0; i < FILES; i++)
		pthread_create(&threads[i], NULL, break_and_close, names[i]);
	for (int i = 0; i < FILES; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(sb_content_check(contents[i]), SB_CONTENT_STATE_UNPINNED);
		sb_content_unref(contents[i]);
	}
	close_spool();
}

/* --- Streams and their followers -------------------------------------------------------- */

static void *follow_all(void *data)
{
	sb_content *content = data;
	sb_blake3 *hasher = sb_blake3_new();
	uint8_t *digest = malloc(SB_BLAKE3_SIZE);
	char buffer[30011];
	uint64_t offset = 0;
	int64_t n;

	while ((n = sb_content_follow(
			content, offset, buffer, sizeof buffer, SB_NEVER, NULL, NULL)) > 0) {
		sb_blake3_update(hasher, buffer, (size_t)n);
		offset += (uint64_t)n;
	}
	sb_blake3_final(hasher, digest);
	sb_blake3_free(hasher);
	sb_content_unref(content);
	return digest;
}

static void test_followers(void **state)
{
	sb_content *content;
	pthread_t threads[3];

	(void)state;
	open_spool(64 * MIB, 64 * MIB, false);
	assert_int_equal(sb_content_stream(&content, &source, &error), 0);
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, follow_all, sb_content_ref(content));
	for (size_t i = 0; i < LARGE; i += 5000)
		assert_int_equal(sb_content_append(content, bytes + i,
					 LARGE - i < 5000 ? LARGE - i : 5000, &error),
			0);
	assert_int_equal(sb_content_end(content, &error), 0);
	for (int i = 0; i < 3; i++) {
		void *digest;
		pthread_join(threads[i], &digest);
		assert_memory_equal(digest, sb_content_blake3(content), SB_BLAKE3_SIZE);
		free(digest);
	}
	assert_int_equal(sb_content_append(content, "x", 1, &error), -SB_KIND_INTERNAL);
	sb_content_unref(content);
	close_spool();
}

struct wait {
	sb_content *content;
	uint64_t deadline;
	_Atomic(bool) cancelled;
	int64_t got;
	sb_error error;
};

static void *wait_for_more(void *data)
{
	struct wait *w = data;
	char byte;

	w->got = sb_content_follow(w->content, 3, &byte, 1, w->deadline, &w->cancelled, &w->error);
	return NULL;
}

static void time_passes(struct wait *w, sb_clock *clock)
{
	(void)w;
	sb_clock_fake_turn(clock, 5000 * SB_MS);
}

static void cancel(struct wait *w, sb_clock *clock)
{
	(void)clock;
	atomic_store(&w->cancelled, true);
	sb_content_kick(w->content);
}

static void break_off(struct wait *w, sb_clock *clock)
{
	sb_error why;

	(void)clock;
	sb_error_set(&why, SB_KIND_CONNECTION_FAILED, 0, "the client went away");
	sb_content_fail(w->content, &why);
}

static void end(struct wait *w, sb_clock *clock)
{
	(void)clock;
	assert_int_equal(sb_content_end(w->content, &error), 0);
}

static void more(struct wait *w, sb_clock *clock)
{
	(void)clock;
	assert_int_equal(sb_content_append(w->content, "d", 1, &error), 0);
}

static void test_what_ends_waiting(void **state)
{
	static const struct {
		const char *why;
		void (*happens)(struct wait *w, sb_clock *clock);
		int64_t expected;
	} rows[] = {
		{"the deadline", time_passes, -SB_KIND_TIMEOUT},
		{"cancellation", cancel, -SB_KIND_CANCELLED},
		{"a broken stream", break_off, -SB_KIND_CONNECTION_FAILED},
		{"the end", end, 0},
		{"more bytes", more, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		sb_clock *clock = sb_clock_fake_new();
		struct wait w = {.cancelled = false};
		pthread_t thread;

		open_spool(64 * MIB, 0, false);
		source.clock = clock;
		w.deadline = sb_clock_now(clock) + 5000 * SB_MS;
		assert_int_equal(sb_content_stream(&w.content, &source, &error), 0);
		assert_int_equal(sb_content_append(w.content, "abc", 3, &error), 0);
		pthread_create(&thread, NULL, wait_for_more, &w);
		sb_clock_fake_await(clock, 1);
		rows[i].happens(&w, clock);
		pthread_join(thread, NULL);
		if (w.got != rows[i].expected)
			fail_msg("%s: %d", rows[i].why, (int)w.got);
		sb_content_unref(w.content);
		close_spool();
		sb_clock_fake_free(clock);
	}
}

/* Nobody writes into the pipe: only the deadline or the flag can end it. */
static void *from_silent_pipe(void *data)
{
	int *fd = data;
	sb_content *content;

	return (void *)(intptr_t)sb_content_from_fd(&content, &source, *fd, NULL, NULL);
}

static void test_a_silent_pipe(void **state)
{
	static _Atomic(bool) cancelled;

	(void)state;
	for (int deadline = 0; deadline < 2; deadline++) {
		sb_clock *clock = sb_clock_fake_new();
		int ends[2];
		pthread_t thread;
		void *status;

		assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
		open_spool(64 * MIB, 0, false);
		source.clock = clock;
		source.cancelled = &cancelled;
		source.deadline = sb_clock_now(clock) + SB_MS;
		atomic_store(&cancelled, false);
		pthread_create(&thread, NULL, from_silent_pipe, &ends[0]);
		if (deadline)
			sb_clock_fake_turn(clock, SB_MS);
		else
			atomic_store(&cancelled, true);
		pthread_join(thread, &status);
		assert_int_equal(
			(intptr_t)status, deadline ? -SB_KIND_TIMEOUT : -SB_KIND_CANCELLED);
		close(ends[0]);
		close(ends[1]);
		close_spool();
		sb_clock_fake_free(clock);
	}
}

static void test_a_full_disk_is_said(void **state)
{
	sb_content *content;

	(void)state;
	open_spool(64 * MIB, 64 * MIB, false);
	sb_spool_close(spool);
	/* No folder at all: what does not fit into memory has nowhere to go. */
	assert_int_equal(
		sb_spool_open(&spool, NULL, &(sb_spool_limits){.disk = 64 * MIB}, &error), 0);
	source.spool = spool;
	assert_int_equal(from_large_pushes(&content, LARGE), -SB_KIND_IO);
	close_spool();
}

/* Constant memory: what has gone to disk is no longer in the memory budget. */
static void test_a_long_stream(void **state)
{
	enum { PIECES = 100 };
	sb_blake3 *hasher = sb_blake3_new();
	uint8_t expected[SB_BLAKE3_SIZE];
	uint64_t memory, disk;
	sb_content *content;

	(void)state;
	open_spool(SMALL, (uint64_t)PIECES * MIB, false);
	source.max_size = (uint64_t)2 * PIECES * MIB;
	assert_int_equal(sb_content_stream(&content, &source, &error), 0);
	for (int i = 0; i < PIECES; i++) {
		assert_int_equal(sb_content_append(content, bytes + i, MIB, &error), 0);
		sb_blake3_update(hasher, bytes + i, MIB);
		sb_spool_usage(spool, &memory, &disk);
		assert_int_equal(memory, 0);
		assert_int_equal(disk, (uint64_t)(i + 1) * MIB);
	}
	assert_int_equal(sb_content_append(content, "x", 1, &error), -SB_KIND_OVERLOADED);
	assert_int_equal(sb_content_end(content, &error), 0);
	sb_blake3_final(hasher, expected);
	assert_memory_equal(sb_content_blake3(content), expected, sizeof expected);
	sb_blake3_free(hasher);
	sb_content_unref(content);
	close_spool();
}

/* A descriptor from somebody who may open what we may not: what it gives is copied. */
static int copy_without_rights(int fd)
{
	sb_content *content = NULL;
	uint64_t memory, disk;
	int own;

	if (seteuid(65534) < 0 || sb_content_from_fd(&content, &source, fd, NULL, &error) < 0)
		return 1;
	sb_spool_usage(spool, &memory, &disk);
	own = sb_content_fd(content, &error);
	return disk == LARGE && own >= 0 && sb_content_check(content) == SB_CONTENT_STATE_PINNED
		       ? 0
		       : 1;
}

static void test_a_descriptor_beyond_our_rights(void **state)
{
	int fd, status = -1;
	pid_t child;

	(void)state;
	if (geteuid() != 0)
		skip();
	open_spool(64 * MIB, 64 * MIB, false);
	make_file("file", LARGE);
	fd = openat(dir, "file", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fchmodat(dir, "spool", 0777, 0), 0);
	child = fork();
	if (child == 0)
		_exit(copy_without_rights(fd));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(fd);
	close_spool();
}

/* --- Many at once ----------------------------------------------------------------------- */

static void *scan_some(void *data)
{
	size_t *size = data;

	for (int i = 0; i < 300; i++) {
		sb_content *content = NULL;
		uint8_t sha256[SB_SHA256_SIZE];

		if (sb_content_open(&content, &source, dir, i % 2 ? "a" : "b", true, NULL, NULL) <
			0)
			return NULL;
		sb_content_sha256(content, sha256, NULL);
		*size += sb_content_size(content);
		sb_content_unref(content);
	}
	return data;
}

static void test_threads(void **state)
{
	pthread_t threads[4];
	size_t sizes[4] = {0};

	(void)state;
	open_spool(64 * MIB, 0, false);
	make_file("a", 3000);
	make_file("b", 70000);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, scan_some, &sizes[i]);
	for (int i = 0; i < 4; i++) {
		void *result;
		pthread_join(threads[i], &result);
		assert_non_null(result);
		assert_int_equal(sizes[i], 150 * 73000);
	}
	close_spool();
}

/* --- The folder ------------------------------------------------------------------------- */

static int setup(void **state)
{
	const char *base = getenv("TMPDIR");

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	snprintf(folder, sizeof folder, "%.40s/content.XXXXXX", base != NULL ? base : "/tmp");
	if (mkdtemp(folder) == NULL)
		return -1;
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bytes = malloc(LARGE);
	for (size_t i = 0; i < LARGE; i++)
		bytes[i] = (char)(i * 2654435761u >> 13);
	return dir < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	static const char *const names[] = {
		"file", "fifo", "socket", "target", "link", "loop", "mapped", "a", "b"};
	char name[16];

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		unlinkat(dir, names[i], 0);
	for (int i = 0; i < 12; i++) {
		snprintf(name, sizeof name, "l%d", i);
		unlinkat(dir, name, 0);
	}
	/* Fails, and so does the run, when a spool file was left behind. */
	if (unlinkat(dir, "spool", AT_REMOVEDIR) < 0)
		return -1;
	close(dir);
	free(bytes);
	return unlinkat(AT_FDCWD, folder, AT_REMOVEDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_max_size),
		cmocka_unit_test(test_budgets),
		cmocka_unit_test(test_a_memfd_counts),
		cmocka_unit_test(test_descriptors_do_not_share_an_offset),
		cmocka_unit_test(test_not_files),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_a_write_lease_in_the_way),
		cmocka_unit_test(test_a_writer_breaks_the_lease),
		cmocka_unit_test(test_a_rename_does_not),
		cmocka_unit_test(test_a_shared_mapping_is_never_pinned),
		cmocka_unit_test(test_a_copy_is_pinned),
		cmocka_unit_test(test_small_files_are_ours),
		cmocka_unit_test(test_many_breaks),
		cmocka_unit_test(test_followers),
		cmocka_unit_test(test_what_ends_waiting),
		cmocka_unit_test(test_a_silent_pipe),
		cmocka_unit_test(test_a_full_disk_is_said),
		cmocka_unit_test(test_a_long_stream),
		cmocka_unit_test(test_a_descriptor_beyond_our_rights),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests_name("content", tests, setup, teardown);
}
