/* SPDX-License-Identifier: MIT */
/* What was judged is known only as exactly that, survives, and is forgotten when it is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/watch_state.h"
#include "util/scratch.h"

static const uint8_t ours[32] = {1}, theirs[32] = {2};
static const sb_watch_identity identity = {1, 2, 3, 4, 5};
static char folder[SB_SCRATCH_PATH];

static sb_watch_state *open_with(const uint8_t *digest, bool expect_renewed)
{
	sb_watch_state *state = NULL;
	bool renewed = false;
	sb_error error;

	sb_error_init(&error);
	assert_int_equal(sb_watch_state_open(&state, folder, digest, &renewed, &error), 0);
	assert_int_equal(renewed, expect_renewed);
	return state;
}

static int set_up(void **state)
{
	(void)state;
	return sb_scratch_make(folder, "watch-state", false) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return sb_scratch_remove(folder) ? 0 : -1;
}

static void known_as_it_was(void **unused)
{
	sb_watch_state *state = open_with(ours, false);
	struct stat st;
	char path[128];

	(void)unused;
	assert_false(sb_watch_state_knows(state, "/a", &identity));
	sb_watch_state_put(state, "/a", &identity, 1000);
	sb_watch_state_close(state);
	snprintf(path, sizeof path, "%s/watch.sqlite", folder);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	state = open_with(ours, false);
	assert_true(sb_watch_state_knows(state, "/a", &identity));
	assert_false(sb_watch_state_knows(state, "/b", &identity));
	for (size_t i = 0; i < 5; i++) {
		sb_watch_identity other = identity;
		int64_t *const fields[] = {
			&other.dev, &other.ino, &other.size, &other.mtime, &other.ctime};
		++*fields[i];
		assert_false(sb_watch_state_knows(state, "/a", &other));
	}
	sb_watch_state_close(state);
	state = open_with(theirs, false);
	assert_false(sb_watch_state_knows(state, "/a", &identity));
	sb_watch_state_close(state);
}

static void forgotten(void **unused)
{
	static const char *const paths[] = {
		"/in/a", "/in/a/b", "/in/a/c/d", "/in/a!", "/in/a0", "/in/ab", "/in", "/\xff\xfe"};
	sb_watch_state *state = open_with(ours, false);

	(void)unused;
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		sb_watch_state_put(state, paths[i], &identity, 1000);
	sb_watch_state_forget(state, "/\xff\xfe");
	assert_false(sb_watch_state_knows(state, "/\xff\xfe", &identity));
	sb_watch_state_forget_below(state, "/in/a");
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(sb_watch_state_knows(state, paths[i], &identity), i < 1 || i > 2);
	sb_watch_state_close(state);
}

static void write_file(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
}

/* Around the number of rows that one step goes through. */
static void pruned(void **unused)
{
	static const unsigned counts[] = {0, 1, 499, 500, 501, 1203};

	(void)unused;
	for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
		sb_watch_state *state = open_with(ours, false);
		char path[128], kept[128];
		sb_buf cursor;
		unsigned steps = 1;

		sb_buf_init(&cursor, 4096);
		write_file("0777");
		snprintf(kept, sizeof kept, "%s/0777", folder);
		sb_watch_state_put(state, kept, &identity, 1000);
		sb_watch_state_put(state, "/elsewhere/gone", &identity, 1000);
		for (unsigned i = 1; i < counts[c]; i++) {
			snprintf(path, sizeof path, "%s/gone/%04u", folder, i);
			sb_watch_state_put(state, path, &identity, 1000);
		}
		for (; sb_watch_state_prune(state, folder, &cursor); steps++)
			assert_true(steps <= counts[c] / 500 + 1);
		for (unsigned i = 1; i < counts[c]; i++) {
			snprintf(path, sizeof path, "%s/gone/%04u", folder, i);
			assert_false(sb_watch_state_knows(state, path, &identity));
		}
		assert_true(sb_watch_state_knows(state, kept, &identity));
		assert_true(sb_watch_state_knows(state, "/elsewhere/gone", &identity));
		sb_buf_done(&cursor);
		sb_watch_state_close(state);
	}
}

static void expired(void **unused)
{
	char in[] = "/in/", *folders[] = {in};
	sb_watch_state *state = open_with(ours, false);

	(void)unused;
	sb_watch_state_put(state, "/in/old", &identity, 99);
	sb_watch_state_put(state, "/into/old", &identity, 99);
	sb_watch_state_put(state, "/into/new", &identity, 100);
	sb_watch_state_expire(state, 100, folders, 1);
	assert_true(sb_watch_state_knows(state, "/in/old", &identity));
	assert_false(sb_watch_state_knows(state, "/into/old", &identity));
	assert_true(sb_watch_state_knows(state, "/into/new", &identity));
	sb_watch_state_close(state);
}

static void damaged(void **unused)
{
	sb_watch_state *state = open_with(ours, false);
	char path[128];
	int fd;

	(void)unused;
	sb_watch_state_put(state, "/a", &identity, 1000);
	sb_watch_state_close(state);
	snprintf(path, sizeof path, "%s/watch.sqlite", folder);
	fd = open(path, O_WRONLY | O_TRUNC);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(write(fd, "no database ", 12), 12);
	close(fd);
	state = open_with(ours, true);
	assert_false(sb_watch_state_knows(state, "/a", &identity));
	sb_watch_state_put(state, "/a", &identity, 1000);
	sb_watch_state_close(state);
	state = open_with(ours, false);
	assert_true(sb_watch_state_knows(state, "/a", &identity));
	assert_null(sb_watch_state_failure(state));
	sb_watch_state_close(state);
}

static void of_a_later_version(void **unused)
{
	sb_watch_state *state = open_with(ours, false);
	bool renewed;
	char path[128];
	sb_error error;
	int fd;

	(void)unused;
	sb_watch_state_close(state);
	/* The user version stands at offset 60 of the file (SQLite's file format, 1.3). */
	snprintf(path, sizeof path, "%s/watch.sqlite", folder);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "\0\0\0\2", 4, 60), 4);
	close(fd);
	sb_error_init(&error);
	assert_int_equal(sb_watch_state_open(&state, folder, ours, &renewed, &error),
		-SB_KIND_NOT_CONFIGURED);
	assert_non_null(strstr(sb_error_message(&error), "remove it"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(known_as_it_was, set_up, tear_down),
		cmocka_unit_test_setup_teardown(forgotten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pruned, set_up, tear_down),
		cmocka_unit_test_setup_teardown(expired, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damaged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(of_a_later_version, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
