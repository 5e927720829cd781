/* SPDX-License-Identifier: MIT */
/*
 * The audit log in one process, as it is written: the format, odd names (A6), clocks that step
 * (A2) and threads. Several processes and kill -9 are in tests/audit.
 */
#include <jansson.h>
#include <pthread.h>

#include "audit/audit_scene.h"
#include "util/json.h"

/* --- The format --------------------------------------------------------------------------- */

static void test_format(void **state)
{
	struct fixture *x = *state;
	sb_audit *audit = open_log(x);
	sb_audit_entry two[] = {
		{"scan_started", "\"scan_id\":\"a\"", 13, 0}, {"scan_completed", "", 0, 0}};
	static const char *const keys[] = {
		"seq", "time", "event", "prev", "hash", "writer", "durable"};
	size_t length;
	char *data, *line, *rest;
	unsigned n = 0;
	struct stat st;

	assert_int_equal(sb_audit_append(audit, two, COUNT(two), &x->error), 0);
	assert_int_equal(two[0].seq, 2);
	assert_int_equal(two[1].seq, 3);
	must_append(x, audit, 1);
	sb_audit_close(audit);
	assert_int_equal(stat(x->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	data = slurp(x->path, &length);
	for (line = strtok_r(data, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
		const char *key;
		json_t *value;
		size_t k = 0;

		assert_non_null(json);
		json_object_foreach(json, key, value) if (k < COUNT(keys))
			assert_string_equal(key, keys[k++]);
		assert_int_equal(json_integer_value(json_object_get(json, "seq")), ++n);
		json_decref(json);
	}
	assert_int_equal(n, 4);
	free(data);
	assert_true(verify(x, true).ok);
	assert_int_equal(verify(x, true).last_seq, 4);
}

/* A6: one parseable record each, at most 8 KiB. */
static void test_odd_names(void **state)
{
	struct fixture *x = *state;
	static const struct {
		const char *why, *name;
		size_t length;
	} rows[] = {{"line breaks", "a\r\nb", 4}, {"escape", "\x1b[2J", 4}, {"quotes", "a\"b\\", 4},
		{"NUL", "a\0b", 3}, {"no UTF-8", "\xff\xfe", 2}, {"DEL and C1", "\x7f\xc2\x85", 3},
		{"line separator", "\xe2\x80\xa8", 3}, {"empty", "", 0}};
	sb_audit *audit = open_log(x);
	size_t length, lines = 0;
	char *data;

	for (size_t i = 0; i < COUNT(rows); i++) {
		sb_buf body;
		sb_json json = sb_json_on(&body);

		sb_buf_init(&body, 65536);
		sb_json_bytes(&json, "name", rows[i].name, rows[i].length);
		if (append(audit, "scan_completed", body.data, NULL, &x->error) != 0)
			fail_msg("%s: %s", rows[i].why, x->error.message);
		sb_buf_done(&body);
	}
	sb_audit_close(audit);
	data = slurp(x->path, &length);
	for (char *at = data, *end; (end = strchr(at, '\n')) != NULL; at = end + 1, lines++) {
		json_t *json = json_loadb(at, (size_t)(end - at), JSON_ALLOW_NUL, NULL);
		assert_non_null(json);
		json_decref(json);
	}
	assert_int_equal(lines, COUNT(rows) + 1);
	free(data);
	assert_true(verify(x, true).ok);
}

static void test_refused_entries(void **state)
{
	struct fixture *x = *state;
	sb_audit *audit = open_log(x);
	char *large = malloc(9000);
	static const struct {
		const char *why, *event, *body;
	} rows[] = {{"upper case event", "Scan", ""}, {"empty event", "", ""},
		{"quote in the event", "a\"", ""}, {"raw line break", "e", "\"a\":\"\n\""},
		{"long event", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ""}};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (append(audit, rows[i].event, rows[i].body, NULL, &x->error) !=
			-SB_KIND_INTERNAL)
			fail_msg("%s was taken", rows[i].why);
	snprintf(large, 9000, "\"a\":\"%08190d\"", 0);
	assert_int_equal(append(audit, "e", large, NULL, &x->error), -SB_KIND_INTERNAL);
	snprintf(large, 9000, "\"a\":\"%07700d\"", 0);
	assert_int_equal(append(audit, "e", large, NULL, &x->error), 0);
	free(large);
	sb_audit_close(audit);
	assert_int_equal(verify(x, true).records, 2);
}

/* A2: the clock goes back a year; the log does not care. */
static void test_clock_step(void **state)
{
	struct fixture *x = *state;
	sb_clock *early = x->clock, *late = sb_clock_fake_new();
	sb_audit *audit;

	sb_clock_fake_turn(late, 365ull * 86400 * 1000000000);
	x->options.clock = late;
	audit = open_log(x);
	must_append(x, audit, 2);
	sb_audit_close(audit);
	x->options.clock = early;
	audit = open_log(x);
	must_append(x, audit, 2);
	sb_audit_close(audit);
	sb_clock_fake_free(late);
	assert_true(verify(x, true).ok);
	assert_int_equal(verify(x, true).records, 5);
}

/* --- Threads, several handles ------------------------------------------------------------- */

enum { THREADS = 16, APPENDS = 60 };

struct worker {
	sb_audit *audit;
	uint64_t seqs[APPENDS];
};

static void *work(void *data)
{
	struct worker *worker = data;

	for (int i = 0; i < APPENDS; i++) {
		sb_audit_entry three[] = {{"scan_started", "\"a\":1", 5, 0},
			{"scan_completed", "\"b\":2", 5, 0}, {"policy_decision", "\"c\":3", 5, 0}};
		sb_error error;

		sb_error_init(&error);
		if (sb_audit_append(worker->audit, three, 3, &error) != 0)
			return worker;
		if (three[1].seq != three[0].seq + 1 || three[2].seq != three[0].seq + 2)
			return worker;
		worker->seqs[i] = three[0].seq;
	}
	return NULL;
}

static void run_threads(struct fixture *x, sb_audit_sync sync)
{
	static struct worker workers[THREADS];
	pthread_t threads[THREADS];
	sb_audit *audits[2];
	bool *seen = calloc(THREADS * APPENDS * 3 + 2, 1);

	empty_folder(x);
	x->options.sync = sync;
	audits[0] = open_log(x);
	audits[1] = open_log(x); /* like another process */
	for (int i = 0; i < THREADS; i++) {
		workers[i].audit = audits[i % 2];
		pthread_create(&threads[i], NULL, work, &workers[i]);
	}
	for (int i = 0; i < THREADS; i++) {
		void *failed;
		pthread_join(threads[i], &failed);
		assert_null(failed);
		for (int k = 0; k < APPENDS; k++) {
			uint64_t seq = workers[i].seqs[k];
			assert_true(seq >= 2 && seq <= THREADS * APPENDS * 3);
			assert_false(seen[seq]);
			seen[seq] = true;
		}
	}
	sb_audit_close(audits[0]);
	sb_audit_close(audits[1]);
	free(seen);
	assert_true(verify(x, true).ok);
	assert_int_equal(verify(x, true).records, THREADS * APPENDS * 3 + 1);
}

static void test_threads(void **state)
{
	run_threads(*state, SB_AUDIT_SYNC_GROUP);
	run_threads(*state, SB_AUDIT_SYNC_EACH);
	run_threads(*state, SB_AUDIT_SYNC_NONE);
}

static void test_reserve(void **state)
{
	struct fixture *x = *state;
	sb_audit *audit;
	struct stat st;

	x->options.reserve = 1 << 20;
	audit = open_log(x);
	must_append(x, audit, 3);
	assert_int_equal(stat(x->path, &st), 0);
	sb_audit_close(audit);
	assert_true(st.st_size < 4096);
	if (st.st_blocks * 512 < 4096) /* a file system without fallocate */
		skip();
	assert_true(st.st_blocks * 512 >= 1 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_format),
		TEST(test_odd_names),
		TEST(test_refused_entries),
		TEST(test_clock_step),
		TEST(test_threads),
		TEST(test_reserve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
