/* SPDX-License-Identifier: MIT */
/*
 * The quarantine as programs have it: real scans fill a real file store, and everything else goes
 * through <scanbridge/quarantine.h>.
 */
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scan/quarantine_scene.h"
#include "util/io.h"

/* --- Nothing yet ----------------------------------------------------------------------------- */

static void test_nothing_is_made_by_looking(void **state)
{
	struct fixture *x = *state;
	sb_quarantine *alone;

	must_be_empty(x, x->q);
	assert_false(is_there(x->data, "quarantine"));
	snprintf(x->data, sizeof x->data, "%s/elsewhere", x->folder);
	configure(x, "");
	must(x, sb_quarantine_open(&alone, x->config, &x->error), SB_Q_OK);
	must_be_empty(x, alone);
	sb_quarantine_close(alone);
	assert_false(is_there(x->folder, "elsewhere"));
	sb_quarantine_close(NULL);
}

static void test_no_quarantine(void **state)
{
	struct fixture *x = *state;
	sb_quarantine *q = NULL;
	sb_manager *manager = NULL;

	configure(x, "quarantine: {enabled: false}\n");
	must(x, sb_quarantine_open(&q, x->config, &x->error), SB_Q_NOT_CONFIGURED);
	assert_int_equal(sb_manager_open(&manager, x->config, &x->error), 0);
	must(x, sb_manager_quarantine(manager, &q, &x->error), SB_Q_NOT_CONFIGURED);
	must(x, sb_quarantine_restore(manager, nobody, x->out, NULL, NULL, NULL, &x->error),
		SB_Q_NOT_CONFIGURED);
	assert_null(q);
	sb_manager_free(manager);
	configure(x, "quarantine: {retention: soon}\n");
	must(x, sb_quarantine_open(&q, x->config, &x->error), SB_Q_NOT_CONFIGURED);
}

/* --- What is known --------------------------------------------------------------------------- */

static void test_record(void **state)
{
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE], blake3[SB_QUARANTINE_DIGEST_SIZE];
	sb_quarantine_record *record;
	size_t length = 0;
	json_t *root;
	char *text;
	bool there;

	must_be_kept(x, "bad letter", "letter", "acme", id);
	must(x, sb_quarantine_find(x->q, id, &record, &x->error), SB_Q_OK);
	assert_string_equal(sb_quarantine_record_id(record), id);
	assert_int_equal(sb_quarantine_record_state(record), SB_Q_QUARANTINED);
	assert_int_equal(sb_quarantine_record_outcome(record), SB_OUTCOME_INFECTED);
	assert_int_equal(sb_quarantine_record_size(record), 10);
	assert_false(sb_quarantine_record_legal_hold(record));
	assert_string_equal(sb_quarantine_record_name(record, &length), "letter");
	assert_int_equal(length, 6);
	assert_null(sb_quarantine_record_path(record, NULL));
	assert_string_equal(sb_quarantine_record_tenant(record), "acme");
	assert_int_equal(strlen(sb_quarantine_record_scan_id(record)), 36);
	assert_non_null(sb_quarantine_record_reason(record));
	assert_non_null(strstr(sb_quarantine_record_threats(record), "\"Test.Bad\""));
	assert_true(sb_quarantine_record_expires_at(record) > sb_quarantine_record_time(record));
	text = sb_quarantine_record_json(record, &length);
	root = json_loadb(text, length, 0, NULL);
	sb_quarantine_record_blake3(record, blake3);
	assert_string_equal(json_string_value(json_object_get(root, "blake3")), blake3);
	must(x, sb_quarantine_contains(x->q, blake3, &there, &x->error), SB_Q_OK);
	assert_true(there);
	sb_quarantine_record_sha256(record, blake3);
	assert_string_equal(json_string_value(json_object_get(root, "sha256")), blake3);
	must(x, sb_quarantine_contains(x->q, blake3, &there, &x->error), SB_Q_OK);
	assert_true(there);
	json_decref(root);
	free(text);
	sb_quarantine_record_free(record);
	sb_quarantine_record_free(NULL);
}

/* --- Lists ----------------------------------------------------------------------------------- */

static void test_filter(void **state)
{
	struct fixture *x = *state;
	char ids[5][SB_QUARANTINE_ID_SIZE];
	sb_quarantine_filter *f = sb_quarantine_filter_new();
	uint64_t start = sb_clock_wall(x->clock);

	keep_five(x, ids);
	must_list(x, NULL, "edcba");
	must_list(x, f, "edcba");
	assert_int_equal(sb_quarantine_filter_set_tenant(f, "acmeX", 4), 0);
	must_list(x, f, "ecb");
	sb_quarantine_filter_set_state(f, SB_Q_REVIEW);
	must_list(x, f, "b");
	assert_int_equal(sb_quarantine_filter_set_tenant(f, "", 0), 0);
	must_list(x, f, "d");
	assert_int_equal(sb_quarantine_filter_set_tenant(f, NULL, 0), 0);
	sb_quarantine_filter_set_state(f, SB_Q_STATE_NONE);
	sb_quarantine_filter_set_after(f, start + 1000000000);
	sb_quarantine_filter_set_before(f, start + 3 * UINT64_C(1000000000));
	must_list(x, f, "dcb");
	sb_quarantine_filter_set_limit(f, 1);
	sb_quarantine_filter_set_offset(f, 1);
	must_list(x, f, "c");
	sb_quarantine_filter_free(f);
}

static void test_pages(void **state)
{
	struct fixture *x = *state;
	char ids[5][SB_QUARANTINE_ID_SIZE];
	sb_quarantine_filter *f = sb_quarantine_filter_new();
	struct seen seen;

	keep_five(x, ids);
	sb_quarantine_filter_set_limit(f, 2);
	seen = must_list(x, f, "ed");
	/* The place is kept, although the object that stands for it goes. */
	must(x, sb_quarantine_delete(x->q, seen.id, NULL, &x->error), SB_Q_OK);
	assert_int_equal(sb_quarantine_filter_set_cursor(f, seen.time, seen.id), 0);
	seen = must_list(x, f, "cb");
	assert_int_equal(sb_quarantine_filter_set_cursor(f, seen.time, seen.id), 0);
	must_list(x, f, "a");
	assert_int_equal(sb_quarantine_filter_set_cursor(f, 0, NULL), 0);
	must_list(x, f, "ec");
	sb_quarantine_filter_free(f);
}

/* At, above and beside what is allowed; what is refused changes nothing. */
static void test_filter_limits(void **state)
{
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE], long_id[1026], blake3[SB_QUARANTINE_DIGEST_SIZE];
	sb_quarantine_filter *f = sb_quarantine_filter_new();
	sb_quarantine_record *record;

	must_be_kept(x, "bad", "a", NULL, id);
	must(x, sb_quarantine_find(x->q, id, &record, &x->error), SB_Q_OK);
	sb_quarantine_record_blake3(record, blake3);
	sb_quarantine_record_free(record);
	assert_int_equal(sb_quarantine_filter_set_hash(f, blake3), 0);
	assert_int_equal(sb_quarantine_filter_set_hash(f, "12"), -SB_KIND_NOT_CONFIGURED);
	blake3[63] = 'g';
	assert_int_equal(sb_quarantine_filter_set_hash(f, blake3), -SB_KIND_NOT_CONFIGURED);
	assert_int_equal(sb_quarantine_filter_set_cursor(f, 1, "12"), -SB_KIND_NOT_CONFIGURED);
	memset(long_id, 't', sizeof long_id);
	assert_int_equal(
		sb_quarantine_filter_set_tenant(f, long_id, 1025), -SB_KIND_LIMIT_EXCEEDED);
	assert_int_equal(sb_quarantine_filter_set_tenant(f, "a\0b", 3), -SB_KIND_LIMIT_EXCEEDED);
	must_list(x, f, "a");
	assert_int_equal(sb_quarantine_filter_set_tenant(f, long_id, 1024), 0);
	must_list(x, f, "");
	assert_int_equal(sb_quarantine_filter_set_tenant(f, long_id, 1023), 0);
	sb_quarantine_filter_free(f);
	sb_quarantine_filter_free(NULL);
}

/* --- Handing out ----------------------------------------------------------------------------- */

static void test_get(void **state)
{
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE], got[64] = "";

	must_be_kept(x, "bad letter", "a", NULL, id);
	must(x, sb_quarantine_get(x->q, id, "look", collect, got, &x->error), SB_Q_OK);
	assert_string_equal(got, "bad letter");
	must(x, sb_quarantine_get(x->q, id, NULL, refuse_all, NULL, &x->error),
		SB_Q_RETRIEVE_FAILED);
	assert_int_equal(sb_quarantine_get(x->q, nobody, NULL, collect, got, NULL), SB_Q_NOT_FOUND);
}

static void test_restore(void **state)
{
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE], path[128], *text;
	struct stat st;
	size_t length;

	must_be_kept(x, "bad letter", "letter", NULL, id);
	must_restore(x, id, NULL, SB_Q_REFUSED, SB_OUTCOME_INFECTED);
	assert_false(is_there(x->out, "letter"));
	atomic_store(&lenient, true);
	must_restore(x, id, NULL, SB_Q_OK, SB_OUTCOME_CLEAN);
	must_restore(x, id, NULL, SB_Q_EXISTS, SB_OUTCOME_CLEAN);
	must_restore(x, id, "a/b", SB_Q_REFUSED, SB_OUTCOME_ERROR);
	must_restore(x, nobody, NULL, SB_Q_NOT_FOUND, SB_OUTCOME_ERROR);
	snprintf(path, sizeof path, "%s/letter", x->out);
	text = sb_read_file(path, 100, &length);
	assert_string_equal(text, "bad letter");
	free(text);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	snprintf(path, sizeof path, "%s/nowhere", x->out);
	must(x, sb_quarantine_restore(x->manager, id, path, NULL, NULL, NULL, &x->error), SB_Q_IO);
}

static void test_restore_unscanned(void **state)
{
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE];

	must_be_kept(x, "bad letter", "letter", NULL, id);
	must(x, sb_quarantine_restore_unscanned(x->q, id, x->out, NULL, NULL, &x->error),
		SB_Q_REFUSED);
	must(x, sb_quarantine_restore_unscanned(x->q, id, x->out, NULL, "", &x->error),
		SB_Q_REFUSED);
	must(x, sb_quarantine_restore_unscanned(x->q, id, x->out, "other", "court", &x->error),
		SB_Q_OK);
	assert_true(is_there(x->out, "other"));
}

static void must_restore_into(
	struct fixture *x, const char *id, const char *folder, sb_quarantine_status want)
{
	static unsigned number;
	char path[256], name[16];

	snprintf(path, sizeof path, folder[0] != '/' ? "%s/%s" : "%s%s", x->folder, folder);
	snprintf(name, sizeof name, "%u", number++);
	must(x, sb_quarantine_restore_unscanned(x->q, id, path, name, "test", &x->error), want);
}

static void test_roots(void **state)
{
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE], more[256], path[128];

	snprintf(more, sizeof more, "quarantine: {restore_roots: [%s/other, %s/]}\n", x->folder,
		x->out);
	configure(x, more);
	open_manager(x);
	must_be_kept(x, "bad letter", "letter", NULL, id);
	snprintf(path, sizeof path, "%s/in", x->out);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/out2", x->folder);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/in/link", x->out);
	assert_int_equal(symlink(x->folder, path), 0);
	must_restore_into(x, id, "out", SB_Q_OK);
	must_restore_into(x, id, "out//in", SB_Q_OK);
	must_restore_into(x, id, "out/in/../in", SB_Q_OK);
	must_restore_into(x, id, "out2", SB_Q_NOT_CONFIGURED);
	must_restore_into(x, id, ".", SB_Q_NOT_CONFIGURED);
	must_restore_into(x, id, "out/..", SB_Q_IO);
	must_restore_into(x, id, "out/in/link", SB_Q_IO);
	must_restore_into(x, id, "other", SB_Q_IO);
	must(x, sb_quarantine_restore_unscanned(x->q, id, "out", NULL, "test", &x->error),
		SB_Q_NOT_CONFIGURED);
	assert_int_equal(chdir(x->folder), 0);
	must(x, sb_quarantine_restore_unscanned(x->q, id, "out", "rel", "test", &x->error),
		SB_Q_OK);
	assert_int_equal(chdir("/"), 0);
}

/* --- Changing -------------------------------------------------------------------------------- */

static void test_release(void **state)
{
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE], path[128];

	must_be_kept(x, "bad letter", "letter", NULL, id);
	must(x, sb_quarantine_release(x->q, id, "ticket 1", &x->error), SB_Q_OK);
	assert_int_equal(state_of(x, id), SB_Q_RELEASED);
	must(x, sb_quarantine_release(x->q, id, "ticket 1", &x->error), SB_Q_REFUSED);
	assert_int_equal(scan(x, "bad letter", "letter", NULL, NULL), SB_ACTION_QUARANTINE);
	open_manager(x); /* and the rule is known; but the object was found again meanwhile */
	assert_int_equal(scan(x, "bad letter", "letter", NULL, NULL), SB_ACTION_ALLOW);
	must(x, sb_quarantine_release(x->q, id, "ticket 1", &x->error), SB_Q_OK);
	must_restore(x, id, NULL, SB_Q_OK, SB_OUTCOME_INFECTED);
	/* Said again, it makes up for a rule that is not there. */
	snprintf(path, sizeof path, "%s/releases.yaml", x->data);
	assert_int_equal(unlink(path), 0);
	must(x, sb_quarantine_release(x->q, id, "ticket 1", &x->error), SB_Q_OK);
	assert_true(is_there(x->data, "releases.yaml"));
	/* One that can't be written is told. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	must(x, sb_quarantine_release(x->q, id, "ticket 1", &x->error), SB_Q_IO);
	assert_int_equal(state_of(x, id), SB_Q_RELEASED);
}

static void test_change(void **state)
{
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE];
	uint64_t count;

	must_be_kept(x, "odd letter", "letter", NULL, id);
	assert_int_equal(state_of(x, id), SB_Q_REVIEW);
	must(x, sb_quarantine_reject(x->q, id, NULL, &x->error), SB_Q_OK);
	must(x, sb_quarantine_reject(x->q, id, NULL, &x->error), SB_Q_REFUSED);
	must(x, sb_quarantine_hold(x->q, id, true, "court", &x->error), SB_Q_OK);
	must(x, sb_quarantine_delete(x->q, id, NULL, &x->error), SB_Q_HELD);
	must(x, sb_quarantine_hold(x->q, id, false, NULL, &x->error), SB_Q_OK);
	must(x, sb_quarantine_delete(x->q, id, "done", &x->error), SB_Q_OK);
	must(x, sb_quarantine_delete(x->q, id, NULL, &x->error), SB_Q_NOT_FOUND);
	must(x, sb_quarantine_count(x->q, &count, &x->error), SB_Q_OK);
	assert_int_equal(count, 0);
}

static void test_retention(void **state)
{
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE], got[64] = "";
	sb_quarantine_filter *f = sb_quarantine_filter_new();
	uint64_t number;

	configure(x, "quarantine: {retention: 10m}\n");
	open_manager(x);
	must_be_kept(x, "bad letter", "a", NULL, id);
	sb_clock_fake_turn(x->clock, UINT64_C(600) * 1000000000);
	must(x, sb_quarantine_get(x->q, id, NULL, collect, got, &x->error), SB_Q_EXPIRED);
	must_restore(x, id, NULL, SB_Q_EXPIRED, SB_OUTCOME_ERROR);
	must(x, sb_quarantine_count(x->q, &number, &x->error), SB_Q_OK);
	assert_int_equal(number, 0);
	must_list(x, f, "");
	sb_quarantine_filter_set_include_expired(f, true);
	must_list(x, f, "a");
	must(x, sb_quarantine_purge(x->q, 0, &number, &x->error), SB_Q_OK);
	assert_int_equal(number, 1);
	must_list(x, f, "");
	sb_quarantine_filter_free(f);
}

static void note_bad(void *data, const char *id, const char *message)
{
	(void)message;
	strncat(data, id, SB_QUARANTINE_ID);
}

static void test_verify(void **state)
{
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE], other[SB_QUARANTINE_ID_SIZE], bad[128] = "", path[160];
	sb_quarantine_verified v;

	must_be_kept(x, "bad letter", "a", NULL, id);
	must_be_kept(x, "bad note", "b", NULL, other);
	snprintf(path, sizeof path, "%s/quarantine/objects/%s", x->data, id);
	assert_int_equal(truncate(path, 100), 0);
	must(x, sb_quarantine_verify(x->q, NULL, &v, note_bad, bad, &x->error), SB_Q_OK);
	assert_int_equal(v.good, 1);
	assert_int_equal(v.bad, 1);
	assert_string_equal(bad, id);
	assert_int_equal(state_of(x, id), SB_Q_DAMAGED);
	must(x, sb_quarantine_get(x->q, id, NULL, refuse_all, NULL, &x->error), SB_Q_INTEGRITY);
	must(x, sb_quarantine_release(x->q, id, NULL, &x->error), SB_Q_REFUSED);
	must(x, sb_quarantine_delete(x->q, id, NULL, &x->error), SB_Q_OK);
}

/* --- On record ------------------------------------------------------------------------------- */

/* `operation/phase reason` of every record, and what must be in them. */
static void read_log(struct fixture *x, char out[1024])
{
	char path[128], *log, *line, *rest;
	size_t length;

	snprintf(path, sizeof path, "%s/audit.jsonl", x->data);
	log = sb_read_file(path, 1 << 20, &length);
	assert_non_null(log);
	out[0] = '\0';
	for (line = strtok_r(log, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		json_t *root = json_loads(line, 0, NULL);
		const char *event = json_string_value(json_object_get(root, "event"));
		const char *reason = json_string_value(json_object_get(root, "reason"));
		size_t used = strlen(out);
		if (strcmp(event, "quarantine_operation") == 0)
			snprintf(out + used, 1024 - used, "%s/%s %s\n",
				json_string_value(json_object_get(root, "operation")),
				json_string_value(json_object_get(root, "phase")),
				reason != NULL ? reason : "-");
		json_decref(root);
	}
	free(log);
}

/* A tool has the real time, and no retention of the manager's clock may have ended by it. */
static void keep_for_long(struct fixture *x, char id[SB_QUARANTINE_ID_SIZE])
{
	configure(x, "quarantine: {retention: 36500d}\n");
	open_manager(x);
	must_be_kept(x, "odd letter", "a", NULL, id);
}

/* A tool beside the manager: they share store and log. */
static void test_alone_and_on_record(void **state)
{
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE], log[1024], got[64] = "";
	sb_quarantine_verified v;
	sb_quarantine *alone;

	keep_for_long(x, id);
	must(x, sb_quarantine_open(&alone, x->config, &x->error), SB_Q_OK);
	configure(x, ""); /* it has what it needs */
	must(x, sb_quarantine_get(alone, id, "look", collect, got, &x->error), SB_Q_OK);
	must(x, sb_quarantine_restore_unscanned(alone, id, x->out, NULL, "court", &x->error),
		SB_Q_OK);
	must(x, sb_quarantine_reject(alone, id, "bad", &x->error), SB_Q_OK);
	must(x, sb_quarantine_hold(alone, id, true, "law", &x->error), SB_Q_OK);
	must(x, sb_quarantine_hold(alone, id, false, NULL, &x->error), SB_Q_OK);
	must(x, sb_quarantine_release(alone, id, "fine", &x->error), SB_Q_OK);
	must(x, sb_quarantine_verify(alone, id, &v, NULL, NULL, &x->error), SB_Q_OK);
	must(x, sb_quarantine_delete(alone, id, "old", &x->error), SB_Q_OK);
	sb_quarantine_close(alone);
	read_log(x, log);
	assert_string_equal(strchr(log, '\n') + 1,
		"get/done look\nrestore/intent court\nrestore/done court\nreject/done bad\n"
		"hold/done law\nunhold/done -\nrelease/done fine\nverify/done -\n"
		"delete/intent old\ndelete/done old\n");
	must_list(x, NULL, "");
}

/* What can't be written down does not happen. */
static void test_no_log(void **state)
{
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE], got[64] = "";
	sb_quarantine *alone;

	keep_for_long(x, id);
	configure(x, "audit: {file: format/no-folder.jsonl}\n");
	must(x, sb_quarantine_open(&alone, x->config, &x->error), SB_Q_OK);
	must(x, sb_quarantine_get(alone, id, NULL, collect, got, &x->error), SB_Q_AUDIT);
	must(x, sb_quarantine_delete(alone, id, NULL, &x->error), SB_Q_AUDIT);
	must(x, sb_quarantine_reject(alone, id, NULL, &x->error), SB_Q_AUDIT);
	must(x, sb_quarantine_restore_unscanned(alone, id, x->out, "r", "court", &x->error),
		SB_Q_AUDIT);
	sb_quarantine_close(alone);
	assert_string_equal(got, "");
	assert_false(is_there(x->out, "r"));
	assert_int_equal(state_of(x, id), SB_Q_REVIEW);
	configure(x, "audit: {enabled: false}\n");
	must(x, sb_quarantine_open(&alone, x->config, &x->error), SB_Q_OK);
	must(x, sb_quarantine_delete(alone, id, NULL, &x->error), SB_Q_OK);
	sb_quarantine_close(alone);
}

/* Of many that need it at once one opens it. */
static void *count_it(void *data)
{
	uint64_t count = 0;

	return sb_quarantine_count(data, &count, NULL) == SB_Q_OK && count == 1 ? data : NULL;
}

static void test_threads(void **state)
{
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE];
	sb_quarantine *alone;
	pthread_t threads[8];

	keep_for_long(x, id);
	must(x, sb_quarantine_open(&alone, x->config, &x->error), SB_Q_OK);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_it, alone), 0);
	for (unsigned i = 0; i < 8; i++) {
		void *right = NULL;
		pthread_join(threads[i], &right);
		assert_non_null(right);
	}
	sb_quarantine_close(alone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_is_made_by_looking),
		TEST(test_no_quarantine),
		TEST(test_record),
		TEST(test_filter),
		TEST(test_pages),
		TEST(test_filter_limits),
		TEST(test_get),
		TEST(test_restore),
		TEST(test_restore_unscanned),
		TEST(test_roots),
		TEST(test_release),
		TEST(test_change),
		TEST(test_retention),
		TEST(test_verify),
		TEST(test_alone_and_on_record),
		TEST(test_no_log),
		TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
