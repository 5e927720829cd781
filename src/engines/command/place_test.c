/* SPDX-License-Identifier: MIT */
/* A scanner's folder: who may enter it, and that it goes with whatever was left in it. */
#include "engines/command/place.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/error.h"
#include "util/scratch.h"

/* A call as far as a place looks at it. */
struct sb_call {
	const char *data;
	uint64_t size, left; /* what there really is */
	bool cancelled;
	uint64_t remaining;
};

uint64_t sb_call_size(const sb_call *call)
{
	return call->size;
}

int64_t sb_call_read(sb_call *call, uint64_t offset, void *buffer, size_t length, sb_error *error)
{
	uint64_t left = call->left > offset ? call->left - offset : 0;

	(void)error;
	if (length > left)
		length = (size_t)left;
	memset(buffer, 'x', length);
	return (int64_t)length;
}

bool sb_call_cancelled(const sb_call *call)
{
	return call->cancelled;
}

uint64_t sb_call_remaining_ms(const sb_call *call)
{
	return call->remaining;
}

static char folder[SB_SCRATCH_PATH];
static sb_error error;

static sb_place make(void)
{
	sb_place place;

	sb_error_init(&error);
	assert_int_equal(sb_place_prepare(folder, &error), 0);
	assert_int_equal(sb_place_make(&place, folder, &error), 0);
	return place;
}

static unsigned mode_of(const char *path, const char *below)
{
	char text[PATH_MAX + 64];
	struct stat info;

	snprintf(text, sizeof text, "%s%s", path, below);
	return lstat(text, &info) == 0 ? info.st_mode & 07777 : 0;
}

static bool is_empty(void)
{
	char path[SB_SCRATCH_PATH + 16];

	snprintf(path, sizeof path, "%s/command", folder);
	if (rmdir(path) != 0)
		return false;
	return mkdir(path, 0700) == 0;
}

static void test_private_and_read_only(void **state)
{
	sb_call call = {.size = 600000, .left = 600000, .remaining = 1000};
	mode_t before = umask(0777);
	sb_place place = make();

	(void)state;
	assert_int_equal(sb_place_put(&place, &call, "docx", &error), 0);
	umask(before);
	assert_int_equal(mode_of(folder, "/command"), 0700);
	assert_int_equal(mode_of(place.path, ""), 0700);
	assert_int_equal(mode_of(place.path, "/work"), 0700);
	assert_int_equal(mode_of(place.path, "/content.docx"), 0400);
	assert_int_equal(place.put.st_size, 600000);
	assert_true(sb_place_intact(&place));
	sb_place_remove(&place);
	assert_int_equal(mode_of(place.path, ""), 0);
	assert_true(is_empty());
}

static void test_what_is_no_longer_as_it_was(void **state)
{
	sb_call call = {.size = 10, .left = 10, .remaining = 1000};
	const struct timespec other[2] = {{1, 0}, {1, 0}};

	(void)state;
	for (int deed = 0; deed < 4; deed++) {
		sb_place place = make();
		int fd;

		assert_int_equal(sb_place_put(&place, &call, "", &error), 0);
		assert_true(sb_place_intact(&place));
		if (deed == 0)
			assert_int_equal(unlinkat(place.dir, "content", 0), 0);
		if (deed == 1 || deed == 2) {
			assert_int_equal(unlinkat(place.dir, "content", 0), 0);
			if (deed == 1)
				assert_int_equal(symlinkat("/etc/passwd", place.dir, "content"), 0);
			fd = deed == 2 ? openat(place.dir, "content", O_WRONLY | O_CREAT, 0400)
				       : -1;
			if (fd >= 0)
				close(fd);
		}
		if (deed == 3)
			assert_int_equal(utimensat(place.dir, "content", other, 0), 0);
		assert_false(sb_place_intact(&place));
		sb_place_remove(&place);
	}
	assert_true(is_empty());
}

static void test_content_that_does_not_come(void **state)
{
	sb_call calls[] = {
		{.size = 1000000, .left = 999999, .remaining = 1000},
		{.size = 1000000, .left = 1000000, .cancelled = true, .remaining = 1000},
		{.size = 1000000, .left = 1000000, .remaining = 0},
	};
	static const sb_kind kinds[] = {SB_KIND_CHANGED, SB_KIND_CANCELLED, SB_KIND_TIMEOUT};

	(void)state;
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		sb_place place = make();

		assert_int_equal(sb_place_put(&place, &calls[i], "", &error), -(int)kinds[i]);
		sb_place_remove(&place);
	}
	assert_true(is_empty());
}

/* Folders in folders, deeper than descriptors and paths go; links to the outside; nobody's rights.
 */
static void test_whatever_was_left_goes(void **state)
{
	sb_place place = make();
	char outside[SB_SCRATCH_PATH + 16];
	int at = dup(place.work);

	(void)state;
	snprintf(outside, sizeof outside, "%s/outside", folder);
	assert_int_equal(mkdir(outside, 0700), 0);
	assert_int_equal(symlinkat(outside, place.work, "link"), 0);
	assert_int_equal(mkdirat(place.work, "closed", 0700), 0);
	assert_int_equal(mkdirat(place.work, "closed/in", 0700), 0);
	assert_int_equal(fchmodat(place.work, "closed", 0, 0), 0);
	assert_int_equal(mkfifoat(place.work, "fifo", 0600), 0);
	for (int depth = 0; depth < 3000; depth++) {
		int next;

		assert_int_equal(mkdirat(at, "d", 0700), 0);
		assert_int_equal(mkdirat(at, "e", depth % 2 == 0 ? 0700 : 0), 0);
		next = openat(at, "d", O_RDONLY | O_DIRECTORY);
		assert_true(next >= 0);
		close(at);
		at = next;
	}
	close(at);
	assert_int_equal(fchmod(place.dir, 0), 0);
	sb_place_remove(&place);
	assert_true(is_empty());
	assert_int_equal(rmdir(outside), 0);
}

static void test_what_the_dead_left(void **state)
{
	static const char dead[] = "/command/0123456789abcdef0123456789abcdef";
	sb_place living = make();
	char path[SB_SCRATCH_PATH + 80];

	(void)state;
	snprintf(path, sizeof path, "%s%s", folder, dead);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s%s/content", folder, dead);
	assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0400)), 0);
	snprintf(path, sizeof path, "%s/command/somebody's", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(sb_place_prepare(folder, &error), 0);
	assert_int_equal(mode_of(folder, dead), 0);
	assert_int_equal(mode_of(path, ""), 0700);
	assert_int_equal(mode_of(living.path, "/work"), 0700);
	assert_int_equal(rmdir(path), 0);
	sb_place_remove(&living);
	assert_true(is_empty());
}

static int setup(void **state)
{
	(void)state;
	return sb_scratch_make(folder, "place", false) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return sb_scratch_remove(folder) ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_private_and_read_only),
		cmocka_unit_test(test_what_is_no_longer_as_it_was),
		cmocka_unit_test(test_content_that_does_not_come),
		cmocka_unit_test(test_whatever_was_left_goes),
		cmocka_unit_test(test_what_the_dead_left),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
