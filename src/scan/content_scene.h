/* SPDX-License-Identifier: MIT */
/* For tests of content: a folder, a spool with budgets, known bytes, and ways to make content. */
#ifndef SB_SCAN_CONTENT_SCENE_H
#define SB_SCAN_CONTENT_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static inline void open_spool(uint64_t memory, uint64_t disk, bool copy)
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

static inline void check_nothing_used(void)
{
	uint64_t memory, disk;

	sb_spool_usage(spool, &memory, &disk);
	assert_int_equal(memory, 0);
	assert_int_equal(disk, 0);
}

static inline void close_spool(void)
{
	check_nothing_used();
	sb_spool_close(spool);
	spool = NULL;
}

static inline void make_file(const char *name, size_t size)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(sb_write_all(fd, bytes, size), 0);
	close(fd);
}

static inline void check_bytes(sb_content *content, size_t size)
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

static inline sb_content *open_file(const char *name)
{
	sb_content *content = NULL;

	if (sb_content_open(&content, &source, dir, name, false, NULL, &error) < 0)
		fail_msg("%s: %s", name, sb_error_message(&error));
	return content;
}

static inline int from_path(sb_content **out, size_t size)
{
	uint64_t known = 0;
	int status;

	make_file("file", size);
	status = sb_content_open(out, &source, dir, "file", true, &known, &error);
	assert_int_equal(known, size);
	return status;
}

static inline int from_borrowed(sb_content **out, size_t size)
{
	return sb_content_from_memory(out, &source, bytes, size, false, &error);
}

static inline int from_stream_of(sb_content **out, size_t size, size_t step)
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

static inline int from_large_pushes(sb_content **out, size_t size)
{
	return from_stream_of(out, size, 200 * KIB);
}

static inline int setup(void **state)
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

static inline int teardown(void **state)
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

#endif
