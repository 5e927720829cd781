/* SPDX-License-Identifier: MIT */
/* Content: from every source the same bytes and digest, within limits; and what is no file. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "scan/content_scene.h"

/* --- The same bytes from everywhere ----------------------------------------------------- */

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

static int from_copied(sb_content **out, size_t size)
{
	return sb_content_from_memory(out, &source, bytes, size, true, &error);
}

static int from_small_pushes(sb_content **out, size_t size)
{
	return from_stream_of(out, size, 1021);
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
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests_name("content", tests, setup, teardown);
}
