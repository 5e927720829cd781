/* SPDX-License-Identifier: MIT */
/* Clocks that are turned, ids that never repeat, files that are read to their limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/io.h"
#include "util/text.h"
#include "util/uuid.h"

/* --- Clocks ----------------------------------------------------------------------------- */

static void test_system_clock(void **state)
{
	const uint64_t year_2020 = 1577836800ull * 1000000000;
	sb_clock *clock = sb_clock_system();
	uint64_t before = sb_clock_now(clock);
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t cond;

	(void)state;
	assert_true(sb_clock_wall(clock) > year_2020);
	/* A time that has passed ends the wait at once; nobody signals. */
	assert_int_equal(sb_cond_init(&cond), 0);
	pthread_mutex_lock(&mutex);
	sb_clock_wait(clock, &cond, &mutex, before);
	pthread_mutex_unlock(&mutex);
	assert_true(sb_clock_now(clock) >= before);
	pthread_cond_destroy(&cond);
}

struct sleeper {
	sb_clock *clock;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	uint64_t until, woke;
};

static void *sleep_until(void *data)
{
	struct sleeper *s = data;

	pthread_mutex_lock(&s->mutex);
	while (sb_clock_now(s->clock) < s->until)
		sb_clock_wait(s->clock, &s->cond, &s->mutex, s->until);
	s->woke = sb_clock_now(s->clock);
	pthread_mutex_unlock(&s->mutex);
	return NULL;
}

static void test_fake_clock(void **state)
{
	enum { SLEEPERS = 4 };
	sb_clock *clock = sb_clock_fake_new();
	struct sleeper sleepers[SLEEPERS];
	pthread_t threads[SLEEPERS];
	uint64_t start = sb_clock_now(clock), wall;
	char text[SB_TIME_SIZE];

	(void)state;
	sb_format_time(text, sb_clock_wall(clock));
	assert_string_equal(text, "2026-01-01T00:00:01.000Z");
	for (unsigned i = 0; i < SLEEPERS; i++) {
		sleepers[i] = (struct sleeper){.clock = clock, .until = start + (i + 1) * SB_MS};
		pthread_mutex_init(&sleepers[i].mutex, NULL);
		sb_cond_init(&sleepers[i].cond);
		pthread_create(&threads[i], NULL, sleep_until, &sleepers[i]);
	}
	for (unsigned i = 0; i < SLEEPERS; i++) {
		sb_clock_fake_await(clock, SLEEPERS - i);
		sb_clock_fake_turn(clock, SB_MS);
		pthread_join(threads[i], NULL);
		assert_int_equal(sleepers[i].woke, start + (i + 1) * SB_MS);
		pthread_cond_destroy(&sleepers[i].cond);
		pthread_mutex_destroy(&sleepers[i].mutex);
	}
	assert_int_equal(sb_clock_now(clock), start + SLEEPERS * SB_MS);
	/* An administrator sets the wall clock: only that one notices. */
	wall = sb_clock_wall(clock) - sb_clock_now(clock);
	sb_clock_fake_step(clock, -5);
	assert_int_equal(sb_clock_wall(clock) - sb_clock_now(clock), wall - 5);
	sb_clock_fake_step(clock, 7);
	assert_int_equal(sb_clock_wall(clock) - sb_clock_now(clock), wall + 2);
	sb_clock_fake_free(clock);
	sb_clock_fake_free(NULL);
}

/* --- Ids -------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, SB_UUID_SIZE);
}

static void test_uuid(void **state)
{
	enum { IDS = 2000 };
	static char ids[IDS][SB_UUID_SIZE];
	const uint64_t ms = 0x0123456789ab;

	(void)state;
	for (int i = 0; i < IDS; i++) {
		sb_uuid7(ids[i], ms * 1000000 + 999999);
		assert_int_equal(strlen(ids[i]), 36);
		assert_memory_equal(ids[i], "01234567-89ab-7", 15);
		assert_non_null(strchr("89ab", ids[i][19]));
		assert_int_equal(ids[i][18], '-');
		assert_int_equal(ids[i][23], '-');
		assert_int_equal(strspn(ids[i], "0123456789abcdef-"), 36);
	}
	qsort(ids, IDS, SB_UUID_SIZE, compare);
	for (int i = 1; i < IDS; i++)
		assert_string_not_equal(ids[i - 1], ids[i]);
}

static void test_a_child_draws_its_own(void **state)
{
	unsigned char here[32], there[32];
	int ends[2], status;
	pid_t child;

	(void)state;
	sb_random(here, 1); /* the pool is filled */
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		sb_random(there, sizeof there);
		_exit(sb_write_all(ends[1], there, sizeof there) == 0 ? 0 : 1);
	}
	sb_random(here, sizeof here);
	assert_int_equal(sb_read_full(ends[0], there, sizeof there), sizeof there);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_memory_not_equal(here, there, sizeof here);
	close(ends[0]);
	close(ends[1]);
}

/* --- Files ------------------------------------------------------------------------------ */

static void test_read_file(void **state)
{
	static const struct {
		size_t size, max;
		int sys_errno;
	} rows[] = {{0, 0, 0}, {1, 0, EFBIG}, {4095, 4095, 0}, {4096, 4096, 0}, {4097, 4097, 0},
		{5000, 4999, EFBIG}, {5000, 5000, 0}, {70000, 69999, EFBIG}, {70000, 1 << 20, 0}};
	char path[64], *data;
	size_t length;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int fd = memfd_create("io", MFD_CLOEXEC);

		assert_int_equal(ftruncate(fd, (off_t)rows[i].size), 0);
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		data = sb_read_file(path, rows[i].max, &length);
		if (rows[i].sys_errno != 0) {
			assert_null(data);
			assert_int_equal(errno, rows[i].sys_errno);
		} else {
			assert_non_null(data);
			assert_int_equal(length, rows[i].size);
			assert_int_equal(data[length], 0);
		}
		free(data);
		sb_close(&fd);
		assert_int_equal(fd, -1);
	}
	assert_null(sb_read_file("/nonexistent/file", 10, &length));
	assert_int_equal(errno, ENOENT);
	assert_null(sb_read_file("/", 10, &length));
	assert_int_equal(errno, EISDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_system_clock),
		cmocka_unit_test(test_fake_clock),
		cmocka_unit_test(test_uuid),
		cmocka_unit_test(test_a_child_draws_its_own),
		cmocka_unit_test(test_read_file),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
