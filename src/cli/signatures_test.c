/* SPDX-License-Identifier: MIT */
/* Bringing signature files in, where sigtool is not installed: what remains to be checked. */
#include "cli/signatures.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/error.h"
#include "util/hash.h"
#include "util/io.h"
#include "util/scratch.h"
#include "util/text.h"

static char folder[SB_SCRATCH_PATH];
static int folder_fd;
static sb_signatures signatures;
static sb_buf told;

static int set_up(void **state)
{
	(void)state;
	if (!sb_scratch_make(folder, "signatures", false))
		return -1;
	folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder_fd < 0 || mkdirat(folder_fd, "db", 0700) != 0)
		return -1;
	signatures = (sb_signatures){.lock = -1};
	signatures.folder = openat(folder_fd, "db", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	sb_buf_init(&told, 1 << 16);
	return signatures.folder >= 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	sb_buf_done(&told);
	sb_signatures_close(&signatures);
	sb_close(&folder_fd);
	return sb_scratch_remove(folder) ? 0 : -1;
}

/* A file whose digest is right, but for @p wrong in its content. */
static void make(const char *name, unsigned version, const char *content, const char *wrong)
{
	char header[SB_CVD_HEADER + 1], digits[33];
	uint8_t digest[16];
	int fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	sb_md5_memory(content, strlen(content), digest);
	sb_hex(digits, digest, sizeof digest);
	memset(header, ' ', sizeof header);
	header[snprintf(header, sizeof header, "ClamAV-VDB:now:%u:3:90:%s:none:me:1767225600",
		version, digits)] = ' ';
	assert_true(fd >= 0);
	assert_int_equal(sb_write_all(fd, header, SB_CVD_HEADER), 0);
	assert_int_equal(sb_write_all(fd, wrong != NULL ? wrong : content, strlen(content)), 0);
	sb_close(&fd);
}

static int import(const char *name, sb_error *error)
{
	char path[SB_SCRATCH_PATH + 64], *paths[] = {path};

	snprintf(path, sizeof path, "%s/%s", folder, name);
	sb_error_init(error);
	sb_buf_clear(&told);
	return sb_signatures_import(&signatures, paths, 1, &told, error);
}

static bool is_there(const char *name)
{
	struct stat info;

	return fstatat(signatures.folder, name, &info, 0) == 0;
}

static void test_without_sigtool(void **state)
{
	sb_error error;

	(void)state;
	make("daily.cvd", 7, "signatures", NULL);
	assert_int_equal(import("daily.cvd", &error), 0);
	assert_true(is_there("daily.cvd"));
	assert_non_null(strstr(told.data, "version 7 of now, 3 signatures"));
	assert_non_null(strstr(told.data, "was not checked"));
	make("daily.cvd", 8, "signatures", "Signatures");
	assert_int_equal(import("daily.cvd", &error), -(int)SB_KIND_CORRUPT);
	assert_non_null(strstr(error.message, "digest"));
}

/* What freshclam has made of daily.cvd gives way to a daily.cvd, and comes back. */
static void test_one_takes_the_others_place(void **state)
{
	sb_error error;

	(void)state;
	make("db/daily.cld", 6, "patched", NULL);
	make("db/main.cvd", 6, "main", NULL);
	make("db/daily.ndb", 6, "own", NULL);
	make("daily.cvd", 7, "signatures", NULL);
	assert_int_equal(import("daily.cvd", &error), 0);
	assert_true(is_there("daily.cvd"));
	assert_false(is_there("daily.cld"));
	assert_true(is_there("main.cvd"));
	assert_true(is_there("daily.ndb"));
	assert_true(is_there("previous/daily.cld"));
	assert_false(is_there("incoming"));
	for (int i = 0; i < 4; i++) {
		bool back = i % 2 == 0;

		assert_int_equal(sb_signatures_roll_back(&signatures, &told, &error), 0);
		assert_int_equal(is_there("daily.cld"), back);
		assert_int_equal(is_there("daily.cvd"), !back);
		assert_int_equal(is_there("previous/daily.cvd"), back);
		assert_int_equal(is_there("previous/daily.cld"), !back);
		assert_true(is_there("main.cvd"));
		assert_false(is_there("incoming"));
	}
}

/* Copies of an import that was interrupted are in nobody's way. */
static void test_after_an_interruption(void **state)
{
	sb_error error;

	(void)state;
	assert_int_equal(mkdirat(signatures.folder, "incoming", 0700), 0);
	make("db/incoming/main.cvd", 1, "half", NULL);
	make("daily.cvd", 7, "signatures", NULL);
	assert_int_equal(import("daily.cvd", &error), 0);
	assert_false(is_there("main.cvd"));
	assert_false(is_there("incoming"));
}

static void test_too_many(void **state)
{
	char *paths[65], path[] = "x.ndb";
	sb_error error;

	(void)state;
	sb_error_init(&error);
	for (size_t i = 0; i < 65; i++)
		paths[i] = path;
	assert_int_equal(sb_signatures_import(&signatures, paths, 65, &told, &error),
		-(int)SB_KIND_UNSUPPORTED);
	assert_int_equal(sb_signatures_import(&signatures, paths, 64, &told, &error),
		-(int)SB_KIND_IO); /* there is no such file */
}

static void test_run(void **state)
{
	char *const argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
		(char *)(uintptr_t) "echo words; exit 3", NULL};
	char said[4];

	(void)state;
	assert_int_equal(sb_signatures_run("/bin/sh", argv, -1, NULL, said, sizeof said), 3 << 8);
	assert_string_equal(said, "wor");
	assert_int_equal(sb_signatures_run("/none", argv, -1, NULL, said, sizeof said), -1);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_without_sigtool),
		IN_FOLDER(test_one_takes_the_others_place),
		IN_FOLDER(test_after_an_interruption),
		IN_FOLDER(test_too_many),
		IN_FOLDER(test_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
