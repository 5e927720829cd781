/* SPDX-License-Identifier: MIT */
/* Streams and their followers: who reads while it is written, what ends waiting, where it goes. */
#include <pthread.h>
#include <stdatomic.h>

#include "scan/content_scene.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_followers),
		cmocka_unit_test(test_what_ends_waiting),
		cmocka_unit_test(test_a_silent_pipe),
		cmocka_unit_test(test_a_full_disk_is_said),
		cmocka_unit_test(test_a_long_stream),
	};

	return cmocka_run_group_tests_name("stream", tests, setup, teardown);
}
