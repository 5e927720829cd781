/* SPDX-License-Identifier: MIT */
/* Did it stand still? Content is never called pinned when somebody could have changed it. */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "scan/content_scene.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_writer_breaks_the_lease),
		cmocka_unit_test(test_a_rename_does_not),
		cmocka_unit_test(test_a_shared_mapping_is_never_pinned),
		cmocka_unit_test(test_a_copy_is_pinned),
		cmocka_unit_test(test_small_files_are_ours),
		cmocka_unit_test(test_many_breaks),
		cmocka_unit_test(test_a_descriptor_beyond_our_rights),
	};

	return cmocka_run_group_tests_name("pin", tests, setup, teardown);
}
