/* SPDX-License-Identifier: MIT */
/* The mock engine: each verb, the schedules, waiting, streams, and settings that are wrong. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "engines/fake_call.h"
#include "util/error.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

extern const sb_engine_ops sb_engine_mock;
static const sb_engine_ops *const ops = &sb_engine_mock;

static void *new_mock(const char *otherwise)
{
	void *state = calloc(1, ops->state_size);

	assert_non_null(state);
	if (otherwise != NULL)
		fake_set_text(state, ops, "default", otherwise);
	return state;
}

static void open_mock(void *state)
{
	sb_error error;

	sb_error_init(&error);
	if (ops->open(state, &error) != 0)
		fail_msg("open: %s", error.message);
}

static void free_mock(void *state)
{
	ops->close(state);
	free(state);
}

static const struct {
	const char *says, *content;
	int rc;
	sb_outcome outcome;
	uint64_t bytes;
	const char *threat;
} verbs[] = {
	{NULL, "abcd", 0, SB_OUTCOME_CLEAN, 4, ""},
	{"clean", "abcd", 0, SB_OUTCOME_CLEAN, 4, ""},
	{"clean", "", 0, SB_OUTCOME_CLEAN, 0, ""},
	{"infected:Some.Thing", "abcd", 0, SB_OUTCOME_INFECTED, 4, "Some.Thing"},
	{"suspicious:PUA.X", "abcd", 0, SB_OUTCOME_SUSPICIOUS, 4, "PUA.X"},
	{"infected:a:b", "abcd", 0, SB_OUTCOME_INFECTED, 4, "a:b"},
	{"error:timeout", "abcd", -SB_KIND_TIMEOUT, SB_OUTCOME_ERROR, 0, ""},
	{"error:encrypted", "abcd", -SB_KIND_ENCRYPTED, SB_OUTCOME_ERROR, 0, ""},
	{"partial", "abcd", 0, SB_OUTCOME_CLEAN, 2, ""},
	{"partial", "a", 0, SB_OUTCOME_CLEAN, 0, ""},
	{"partial", "", -SB_KIND_LIMIT_EXCEEDED, SB_OUTCOME_ERROR, 0, ""},
	{"silent", "abcd", 0, SB_OUTCOME_ERROR, 0, ""},
};

static void each_verb_is_said(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < COUNT(verbs); i++) {
		void *state = new_mock(verbs[i].says);
		sb_error error;
		sb_call call;
		int rc;

		open_mock(state);
		fake_call_init(&call, verbs[i].content);
		rc = ops->scan(state, &call, &error);
		if (rc != verbs[i].rc || call.outcome != verbs[i].outcome ||
			call.bytes != verbs[i].bytes || strcmp(call.threat, verbs[i].threat) != 0)
			fail_msg("row %zu: %s: rc %d, outcome %d", i, verbs[i].says, rc,
				(int)call.outcome);
		assert_int_equal(call.digests, 0); /* nothing to look up */
		free_mock(state);
	}
}

static void responses_go_by_hash(void **unused)
{
	char texts[3][128];
	const char *items[3] = {texts[0], texts[1], texts[2]};
	static const struct {
		const char *content;
		int rc;
		sb_outcome outcome;
	} rows[] = {
		{"one", 0, SB_OUTCOME_INFECTED},
		{"two", -SB_KIND_CORRUPT, SB_OUTCOME_ERROR},
		{"three", 0, SB_OUTCOME_CLEAN},
		{"four", 0, SB_OUTCOME_SUSPICIOUS},
	};
	void *state = new_mock("suspicious:Default");
	sb_error error;
	sb_call call;

	(void)unused;
	snprintf(texts[0], sizeof texts[0], "%s=infected:One", fake_hex("one", SB_DIGEST_BLAKE3));
	snprintf(texts[1], sizeof texts[1], "%s=error:corrupt", fake_hex("two", SB_DIGEST_BLAKE3));
	snprintf(texts[2], sizeof texts[2], "%s=clean", fake_hex("three", SB_DIGEST_BLAKE3));
	fake_set_texts(state, ops, "responses", items, COUNT(items));
	open_mock(state);
	for (size_t i = 0; i < COUNT(rows); i++) {
		fake_call_init(&call, rows[i].content);
		assert_int_equal(ops->scan(state, &call, &error), rows[i].rc);
		assert_int_equal(call.outcome, rows[i].outcome);
	}
	fake_call_init(&call, "one");
	call.digest_fails = SB_KIND_IO;
	assert_int_equal(ops->scan(state, &call, &error), -SB_KIND_IO);
	assert_int_equal(call.outcome, SB_OUTCOME_ERROR);
	free_mock(state);
}

static const struct {
	const char *why, *schedule;
	uint64_t fail_every;
	const char *expected;
} stories[] = {
	{"a schedule goes round and round", "xx.x", 0, "xx.xxx.xxx.x"},
	{"works only", ".", 0, "......"},
	{"fails only", "x", 0, "xxxxxx"},
	{"every third", NULL, 3, "..x..x..x"},
	{"every one", NULL, 1, "xxx"},
	{"both together", ".x", 3, ".xxx.x.xx"},
};

static void failures_follow_the_schedule(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < COUNT(stories); i++) {
		void *state = new_mock("clean");
		sb_error error;

		if (stories[i].schedule != NULL)
			fake_set_text(state, ops, "schedule", stories[i].schedule);
		fake_set_number(state, ops, "fail_every", stories[i].fail_every);
		fake_set_text(state, ops, "fail_kind", "connection_failed");
		open_mock(state);
		for (size_t step = 0; stories[i].expected[step] != '\0'; step++) {
			sb_call call;
			int rc;

			fake_call_init(&call, "x");
			rc = ops->scan(state, &call, &error);
			if (rc !=
				(stories[i].expected[step] == 'x' ? -SB_KIND_CONNECTION_FAILED : 0))
				fail_msg("%s: step %zu: rc %d", stories[i].why, step, rc);
		}
		free_mock(state);
	}
}

enum { THREADS = 4, SCANS = 1000 };

static void *scan_often(void *state)
{
	size_t failures = 0;

	for (int i = 0; i < SCANS; i++) {
		sb_error error;
		sb_call call;

		fake_call_init(&call, "x");
		failures += ops->scan(state, &call, &error) < 0;
	}
	return (void *)failures;
}

static void no_scan_is_counted_twice(void **unused)
{
	pthread_t threads[THREADS];
	void *state = new_mock("clean");
	size_t failures = 0;

	(void)unused;
	fake_set_number(state, ops, "fail_every", 4);
	open_mock(state);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, scan_often, state), 0);
	for (int i = 0; i < THREADS; i++) {
		void *failed;

		assert_int_equal(pthread_join(threads[i], &failed), 0);
		failures += (size_t)failed;
	}
	assert_int_equal(failures, THREADS * SCANS / 4);
	free_mock(state);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Without an end to wait for, these would hang and the test with them. */
static void waiting_ends(void **unused)
{
	enum { NEVER, SOON, OVER };
	static const struct {
		const char *why, *says;
		uint64_t latency;
		int deadline;
		bool cancel;
		int rc;
	} rows[] = {
		{"a hang ends at the deadline", "hang", 0, SOON, false, -SB_KIND_TIMEOUT},
		{"a hang ends with a cancel", "hang", 0, NEVER, true, -SB_KIND_CANCELLED},
		{"a hang after the deadline", "hang", 0, OVER, false, -SB_KIND_TIMEOUT},
		{"latency passes", "clean", 5, NEVER, false, 0},
		{"latency beyond the deadline", "clean", 3600000, SOON, false, -SB_KIND_TIMEOUT},
		{"latency and a cancel", "clean", 3600000, NEVER, true, -SB_KIND_CANCELLED},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		void *state = new_mock(rows[i].says);
		uint64_t start = now_ms();
		sb_error error;
		sb_call call;
		int rc;

		fake_set_number(state, ops, "latency", rows[i].latency);
		open_mock(state);
		fake_call_init(&call, "x");
		if (rows[i].deadline != NEVER)
			call.deadline_ms = start + (rows[i].deadline == SOON ? 10 : 0);
		if (rows[i].cancel)
			call.cancel_fd = eventfd(1, EFD_CLOEXEC);
		rc = ops->scan(state, &call, &error);
		if (rc != rows[i].rc)
			fail_msg("%s: rc %d", rows[i].why, rc);
		if (rc == 0)
			assert_true(now_ms() - start >= rows[i].latency);
		else
			assert_int_equal(call.outcome, SB_OUTCOME_ERROR);
		if (rows[i].cancel)
			close(call.cancel_fd);
		free_mock(state);
	}
}

static void streams_are_counted(void **unused)
{
	static const struct {
		const char *why, *first, *second;
		uint64_t size;
		bool whole;
		int rc;
		sb_outcome outcome;
	} rows[] = {
		{"whole", "ab", "cd", 4, true, 0, SB_OUTCOME_CLEAN},
		{"nothing", "", "", 0, true, 0, SB_OUTCOME_CLEAN},
		{"broken off", "ab", "", 0, false, 0, SB_OUTCOME_ERROR},
		{"too few", "ab", "c", 4, true, -SB_KIND_INTERNAL, SB_OUTCOME_ERROR},
		{"too many", "abc", "de", 4, true, -SB_KIND_INTERNAL, SB_OUTCOME_ERROR},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		void *state = new_mock(NULL), *stream;
		sb_error error;
		sb_call call;

		open_mock(state);
		fake_call_init(&call, "");
		assert_int_equal(ops->begin(state, &call, &stream, &error), 0);
		assert_int_equal(
			ops->feed(state, stream, rows[i].first, strlen(rows[i].first), &error), 0);
		assert_int_equal(
			ops->feed(state, stream, rows[i].second, strlen(rows[i].second), &error),
			0);
		call.size = rows[i].size;
		assert_int_equal(
			ops->finish(state, &call, stream, rows[i].whole, &error), rows[i].rc);
		if (call.outcome != rows[i].outcome)
			fail_msg("%s: outcome %d", rows[i].why, (int)call.outcome);
		free_mock(state);
	}
}

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static void wrong_settings_are_refused(void **unused)
{
	static const struct {
		const char *key, *value, *says;
	} rows[] = {
		{"default", "", "default: ``: expected clean"},
		{"default", "cleanish", "default: `cleanish`"},
		{"default", "clean:x", "default: "},
		{"default", "infected", "default: "},
		{"default", "infected:", "default: "},
		{"default", "error:nonsense", "default: "},
		{"default", "error:none", "default: "},
		{"default", "no\nline", "`no\\x0aline`"},
		{"fail_kind", "sorrow", "fail_kind: `sorrow`"},
		{"schedule", "", "schedule: "},
		{"schedule", "x.o", "schedule: `x.o`"},
		{"responses", "clean", "responses: `clean`"},
		{"responses", ZEROS, "responses: "},
		{"responses", ZEROS "=maybe", "responses: "},
		{"responses", "g" ZEROS "=clean", "responses: "},
		{"responses", ZEROS "0=clean", "responses: "},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		void *state = new_mock("clean");
		sb_error error;

		sb_error_init(&error);
		if (strcmp(rows[i].key, "responses") == 0)
			fake_set_texts(state, ops, "responses", &rows[i].value, 1);
		else
			fake_set_text(state, ops, rows[i].key, rows[i].value);
		if (ops->open(state, &error) != -SB_KIND_NOT_CONFIGURED ||
			strstr(error.message, rows[i].says) == NULL)
			fail_msg("%s: %s: `%s`", rows[i].key, rows[i].value, error.message);
		free_mock(state);
	}
}

static void a_hash_stands_once(void **unused)
{
	static const char *const twice[] = {ZEROS "=clean", ZEROS "=infected:X"};
	void *state = new_mock("clean");
	sb_error error;

	(void)unused;
	fake_set_texts(state, ops, "responses", twice, COUNT(twice));
	assert_int_equal(ops->open(state, &error), -SB_KIND_NOT_CONFIGURED);
	assert_non_null(strstr(error.message, "twice"));
	free_mock(state);
}

static void its_identity_is_complete(void **unused)
{
	sb_identity identity;
	sb_error error;
	void *state = new_mock(NULL);

	(void)unused;
	assert_int_equal(ops->identity(state, 0, &identity, &error), 0);
	assert_int_equal(identity.exactness, SB_EXACT_FULL);
	assert_string_equal(identity.engine_version, sb_version());
	free_mock(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_verb_is_said),
		cmocka_unit_test(responses_go_by_hash),
		cmocka_unit_test(failures_follow_the_schedule),
		cmocka_unit_test(no_scan_is_counted_twice),
		cmocka_unit_test(waiting_ends),
		cmocka_unit_test(streams_are_counted),
		cmocka_unit_test(wrong_settings_are_refused),
		cmocka_unit_test(a_hash_stands_once),
		cmocka_unit_test(its_identity_is_complete),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
