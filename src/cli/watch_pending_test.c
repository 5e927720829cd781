/* SPDX-License-Identifier: MIT */
/* When files are due: quiet, retries and outages, on a clock that the test turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "cli/watch_pending.h"
#include "util/clock.h"

enum { SETTLE = 200, LIMIT = 1000 };

#define MS(n) ((uint64_t)(n)*SB_MS)

static sb_pending *make(void)
{
	sb_pending *pending = sb_pending_new(MS(SETTLE), LIMIT, 7);

	assert_non_null(pending);
	return pending;
}

static sb_pending_file *take(sb_pending *pending, uint64_t now, const char *path)
{
	sb_pending_file *file = sb_pending_take(pending, now);

	assert_non_null(file);
	assert_string_equal(file->path, path);
	return file;
}

static void many_events_are_one_judgement(void **state)
{
	sb_pending *pending = make();
	sb_pending_file *file;

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_true(sb_pending_touch(pending, "a", MS(100 * i), i == 2));
	assert_int_equal(sb_pending_count(pending), 1);
	assert_true(sb_pending_due(pending) == MS(400 + SETTLE));
	assert_null(sb_pending_take(pending, MS(400 + SETTLE) - 1));
	file = take(pending, MS(400 + SETTLE), "a");
	assert_true(file->closed);
	assert_null(sb_pending_take(pending, MS(10000)));
	assert_true(sb_pending_due(pending) == SB_NEVER);
	assert_ptr_equal(sb_pending_in_work(pending, "a"), file);
	sb_pending_done(pending, file, MS(700), true);
	assert_int_equal(sb_pending_count(pending), 0);
	sb_pending_free(pending);
}

/* Written to every 100 ms for ever: its turn comes all the same. */
static void never_quiet(void **state)
{
	sb_pending *pending = make();
	uint64_t now = 0;

	(void)state;
	for (; sb_pending_take(pending, now) == NULL; now += MS(100)) {
		assert_true(now <= MS(50 * SETTLE));
		assert_true(sb_pending_touch(pending, "a", now, true));
	}
	assert_true(now >= MS(50 * SETTLE) - MS(100));
	sb_pending_free(pending);
}

static void changed_while_in_work(void **state)
{
	sb_pending *pending = make();
	sb_pending_file *file;

	(void)state;
	sb_pending_touch(pending, "a", 0, true);
	file = take(pending, MS(1000), "a");
	assert_true(sb_pending_touch(pending, "a", MS(1100), false));
	assert_null(sb_pending_take(pending, MS(5000))); /* never twice at a time */
	sb_pending_done(pending, file, MS(1200), true);
	assert_true(sb_pending_due(pending) == MS(1200 + SETTLE));
	file = take(pending, MS(1400), "a");
	assert_false(file->closed);
	sb_pending_done(pending, file, MS(1500), true);
	assert_int_equal(sb_pending_count(pending), 0);
	sb_pending_free(pending);
}

static void gone(void **state)
{
	sb_pending *pending = make();
	sb_pending_file *file;

	(void)state;
	assert_false(sb_pending_gone(pending, "a"));
	sb_pending_touch(pending, "a", 0, true);
	assert_true(sb_pending_gone(pending, "a"));
	assert_true(sb_pending_due(pending) == SB_NEVER);
	/* In work: a failure is not tried again, a new file under the name is another one. */
	sb_pending_touch(pending, "a", 0, true);
	file = take(pending, MS(200), "a");
	assert_false(sb_pending_gone(pending, "a"));
	sb_pending_failed(pending, file, MS(300), 0);
	assert_int_equal(sb_pending_count(pending), 0);
	sb_pending_touch(pending, "a", 0, true);
	file = take(pending, MS(200), "a");
	assert_false(sb_pending_gone(pending, "a"));
	sb_pending_touch(pending, "a", MS(250), true);
	sb_pending_failed(pending, file, MS(300), 0);
	(void)take(pending, MS(300 + SETTLE), "a");
	sb_pending_free(pending);
}

/* Each pause is three quarters to all of 1 s, 2 s, 4 s, …, 5 min. */
static void pauses_grow(void **state)
{
	static const unsigned wholes[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300};
	sb_pending *pending = make();
	uint64_t now = 0;

	(void)state;
	sb_pending_touch(pending, "a", now, true);
	now = MS(SETTLE);
	for (size_t i = 0; i < sizeof wholes / sizeof wholes[0]; i++) {
		uint64_t whole = MS(1000 * (uint64_t)wholes[i]), due;
		sb_pending_failed(pending, take(pending, now, "a"), now, 0);
		assert_int_equal(sb_pending_failures(pending), i + 1);
		due = sb_pending_due(pending);
		assert_true(due >= now + whole * 3 / 4 && due <= now + whole);
		assert_null(sb_pending_take(pending, due - 1));
		now = due;
	}
	/* An event ends the waiting: it is another file now. */
	sb_pending_touch(pending, "a", now, true);
	assert_true(sb_pending_due(pending) == now + MS(SETTLE));
	sb_pending_free(pending);
}

static void asked_to_wait(void **state)
{
	sb_pending *pending = make();

	(void)state;
	sb_pending_touch(pending, "a", 0, true);
	sb_pending_failed(pending, take(pending, MS(200), "a"), MS(200), MS(30000));
	assert_true(sb_pending_due(pending) == MS(30200));
	sb_pending_free(pending);
}

/* Let @p count files fail in work together, at @p now. */
static void let_fail(sb_pending *pending, unsigned count, uint64_t now)
{
	sb_pending_file *files[LIMIT];
	char name[16];

	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof name, "%u", i);
		assert_true(sb_pending_touch(pending, name, now - MS(SETTLE), true));
	}
	for (unsigned i = 0; i < count; i++) {
		files[i] = sb_pending_take(pending, now);
		assert_non_null(files[i]);
	}
	for (unsigned i = 0; i < count; i++)
		sb_pending_failed(pending, files[i], now, 0);
}

/* Hundreds of files, an engine that is down for an hour: few tries, and all of them afterwards. */
static void an_outage(void **state)
{
	sb_pending *pending = make();
	const uint64_t up = MS(3600 * 1000);
	unsigned tries = 0, judged = 0;
	uint64_t now = MS(1000);

	(void)state;
	let_fail(pending, 500, now);
	assert_int_equal(sb_pending_failures(pending), 1); /* together */
	while ((now = sb_pending_due(pending)) < up) {
		sb_pending_file *file = sb_pending_take(pending, now);
		assert_non_null(file);
		assert_null(sb_pending_take(pending, now)); /* one at a time */
		assert_true(sb_pending_due(pending) == SB_NEVER);
		sb_pending_failed(pending, file, now, 0);
		tries++;
	}
	assert_in_range(tries, 12, 30);
	/* A fresh file is tried at once, outage or not. */
	sb_pending_touch(pending, "fresh", up, true);
	assert_true(sb_pending_due(pending) <= up + MS(SETTLE));
	while (sb_pending_count(pending) > 0) {
		now = sb_pending_due(pending);
		assert_true(now <= up + MS(301000));
		while (sb_pending_due(pending) <= now) {
			sb_pending_done(pending, sb_pending_take(pending, now), now, true);
			judged++;
		}
	}
	assert_int_equal(judged, 501);
	assert_int_equal(sb_pending_failures(pending), 0);
	sb_pending_free(pending);
}

/* One file on which an engine fails for ever holds up nobody, and is not tried all the time. */
static void one_bad_file(void **state)
{
	sb_pending *pending = make();
	unsigned bad = 0;

	(void)state;
	sb_pending_touch(pending, "bad", 0, true);
	for (uint64_t now = 0; now < MS(3600 * 1000); now += MS(500)) {
		sb_pending_file *file;
		char name[16];
		snprintf(name, sizeof name, "%u", (unsigned)(now / SB_MS));
		sb_pending_touch(pending, name, now, true);
		while ((file = sb_pending_take(pending, now)) != NULL) {
			if (file->path[0] == 'b') {
				bad++;
				sb_pending_failed(pending, file, now, 0);
			} else {
				sb_pending_done(pending, file, now, true);
			}
		}
		assert_true(sb_pending_count(pending) <= 2);
	}
	assert_in_range(bad, 12, 30);
	sb_pending_free(pending);
}

static void limits(void **state)
{
	sb_pending *pending = make();
	char name[16];

	(void)state;
	for (unsigned i = 0; i <= LIMIT; i++) {
		snprintf(name, sizeof name, "%u", i);
		assert_int_equal(sb_pending_touch(pending, name, MS(i), true), i < LIMIT);
	}
	assert_true(sb_pending_touch(pending, "0", MS(5), true)); /* is there */
	assert_true(sb_pending_gone(pending, "17"));
	assert_true(sb_pending_touch(pending, "again", MS(5), true));
	/* In order of time, whatever left from the middle. */
	for (uint64_t last = 0; sb_pending_count(pending) > 0;) {
		uint64_t due = sb_pending_due(pending);
		assert_true(due >= last);
		last = due;
		sb_pending_done(pending, sb_pending_take(pending, due), due, true);
	}
	sb_pending_free(pending);
}

static void put_off_and_changed(void **state)
{
	sb_pending *pending = make();
	sb_pending_file *file;

	(void)state;
	sb_pending_touch(pending, "a", 0, false);
	sb_pending_put_off(pending, take(pending, MS(200), "a"), MS(9000));
	assert_true(sb_pending_due(pending) == MS(9000));
	file = take(pending, MS(9000), "a");
	sb_pending_changed(pending, file, MS(9000));
	assert_int_equal(sb_pending_failures(pending), 0); /* nobody's fault */
	assert_in_range(sb_pending_due(pending), MS(9750), MS(10000));
	sb_pending_free(pending);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_events_are_one_judgement),
		cmocka_unit_test(never_quiet),
		cmocka_unit_test(changed_while_in_work),
		cmocka_unit_test(gone),
		cmocka_unit_test(pauses_grow),
		cmocka_unit_test(asked_to_wait),
		cmocka_unit_test(an_outage),
		cmocka_unit_test(one_bad_file),
		cmocka_unit_test(limits),
		cmocka_unit_test(put_off_and_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
