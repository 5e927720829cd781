/* SPDX-License-Identifier: MIT */
/*
 * The quarantine as programs have it: real scans fill a real file store, and everything else goes
 * through <scanbridge/quarantine.h>. Then stores of a program's own.
 */
#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <scanbridge/scanbridge.h>
#include <scanbridge/sys/engine.h>
#include <scanbridge/sys/store.h>

#include "scan/manager.h"
#include "util/error.h"
#include "util/hash.h"
#include "util/io.h"
#include "util/scratch.h"

/* --- An engine that goes by the first word --------------------------------------------------- */

static _Atomic(bool) lenient; /* new signatures: nothing is bad any more */

static int judge_scan(void *state, sb_call *call, sb_error *error)
{
	const sb_threat threat = {.name = "Test.Bad", .name_length = 8};
	char word[3] = "";

	(void)state;
	if (sb_call_read(call, 0, word, sizeof word, error) < 0)
		return -(int)error->kind;
	sb_call_cover(call, sb_call_size(call), SB_CONTENT_INSPECTED);
	if (!atomic_load(&lenient) && memcmp(word, "bad", 3) == 0)
		return sb_call_infected(call, &threat, error);
	if (!atomic_load(&lenient) && memcmp(word, "odd", 3) == 0)
		return sb_call_suspicious(call, &threat, 0.5, error);
	return sb_call_clean(call, sb_call_size(call), SB_CONTENT_INSPECTED, error);
}

static const sb_engine_ops judge = {
	.abi = SB_ENGINE_ABI,
	.name = "judge",
	.summary = "goes by the first word",
	.assurance = SB_ASSURANCE_ANTIVIRUS,
	.scan = judge_scan,
};

/* --- A manager with a quarantine ------------------------------------------------------------- */

struct fixture {
	char folder[64], data[80], out[80];
	sb_clock *clock;
	sb_config *config;
	sb_manager *manager;
	sb_quarantine *q;
	sb_error error;
};

static void configure(struct fixture *x, const char *more)
{
	char text[1024];

	snprintf(text, sizeof text, "data_dir: %s\nengines: [{name: j, type: judge}]\n%s", x->data,
		more);
	sb_config_free(x->config);
	x->config = sb_config_new();
	if (sb_config_register_engine(x->config, &judge, &x->error) < 0 ||
		sb_config_load_text(x->config, text, strlen(text), "test", &x->error) < 0)
		fail_msg("%s", x->error.message);
}

static void open_manager(struct fixture *x)
{
	sb_manager_free(x->manager);
	x->manager = NULL;
	if (sb_manager_open_with(&x->manager, x->config, x->clock, &x->error) < 0 ||
		sb_manager_quarantine(x->manager, &x->q, &x->error) != SB_Q_OK)
		fail_msg("%s", x->error.message);
}

static int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof *x);

	atomic_store(&lenient, false);
	if (!sb_scratch_make(x->folder, "api", false))
		return -1;
	snprintf(x->data, sizeof x->data, "%s/data", x->folder);
	snprintf(x->out, sizeof x->out, "%s/out", x->folder);
	if (mkdir(x->out, 0700) != 0)
		return -1;
	x->clock = sb_clock_fake_new();
	sb_error_init(&x->error);
	configure(x, "");
	open_manager(x);
	*state = x;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *x = *state;

	sb_manager_free(x->manager);
	sb_config_free(x->config);
	sb_clock_fake_free(x->clock);
	sb_scratch_remove(x->folder);
	free(x);
	return 0;
}

static void must(struct fixture *x, sb_quarantine_status status, sb_quarantine_status want)
{
	if (status != want)
		fail_msg("%s instead of %s: %s", sb_quarantine_status_name(status),
			sb_quarantine_status_name(want), x->error.message);
	if (want != SB_Q_OK) {
		assert_int_equal(x->error.kind, sb_quarantine_status_kind(want));
		assert_true(x->error.message[0] != '\0');
	}
	sb_error_init(&x->error);
}

/* Its action; and the id, where it was stored. */
static sb_action scan(struct fixture *x, const char *text, const char *name, const char *tenant,
	char id[SB_QUARANTINE_ID_SIZE])
{
	sb_input *input = sb_input_memory(text, strlen(text));
	sb_scan_options *options = sb_scan_options_new();
	sb_context *context = sb_context_new();
	sb_report *report = NULL;
	sb_action action;

	sb_input_set_name(input, name, strlen(name));
	if (tenant != NULL)
		sb_context_set_tenant(context, tenant, strlen(tenant));
	sb_scan_options_set_context(options, context);
	if (sb_scan(&report, x->manager, input, options, &x->error) < 0)
		fail_msg("%s", x->error.message);
	action = sb_report_action(report);
	if (id != NULL && sb_report_quarantine_id(report) != NULL)
		memcpy(id, sb_report_quarantine_id(report), SB_QUARANTINE_ID_SIZE);
	sb_report_free(report);
	sb_context_free(context);
	sb_scan_options_free(options);
	sb_input_free(input);
	return action;
}

static void must_be_kept(struct fixture *x, const char *text, const char *name, const char *tenant,
	char id[SB_QUARANTINE_ID_SIZE])
{
	id[0] = '\0';
	scan(x, text, name, tenant, id);
	assert_true(sb_quarantine_id_ok(id));
	sb_clock_fake_turn(x->clock, 1000000000);
}

static sb_quarantine_state state_of(struct fixture *x, const char *id)
{
	sb_quarantine_record *record;
	sb_quarantine_state state;

	must(x, sb_quarantine_find(x->q, id, &record, &x->error), SB_Q_OK);
	state = sb_quarantine_record_state(record);
	sb_quarantine_record_free(record);
	return state;
}

static bool is_there(const char *folder, const char *name)
{
	char path[160];
	struct stat st;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return stat(path, &st) == 0;
}

/* --- Nothing yet ----------------------------------------------------------------------------- */

static const char nobody[] = "00000000000000000000000000000000";
static const char digest[] = "0000000000000000000000000000000000000000000000000000000000000000";

static int never(void *data, const sb_quarantine_record *record)
{
	(void)data;
	fail_msg("there is %s", record->id);
	return 0;
}

static void must_be_empty(struct fixture *x, sb_quarantine *q)
{
	sb_quarantine_record *record;
	sb_quarantine_verified v;
	uint64_t number = 7;
	bool there = true;

	must(x, sb_quarantine_list(q, NULL, never, NULL, &x->error), SB_Q_OK);
	must(x, sb_quarantine_count(q, &number, &x->error), SB_Q_OK);
	assert_int_equal(number, 0);
	must(x, sb_quarantine_contains(q, digest, &there, &x->error), SB_Q_OK);
	assert_false(there);
	must(x, sb_quarantine_purge(q, 0, &number, &x->error), SB_Q_OK);
	must(x, sb_quarantine_verify(q, NULL, &v, NULL, NULL, &x->error), SB_Q_OK);
	assert_int_equal(v.good + v.bad + v.strays, 0);
	must(x, sb_quarantine_verify(q, nobody, &v, NULL, NULL, &x->error), SB_Q_NOT_FOUND);
	must(x, sb_quarantine_find(q, nobody, &record, &x->error), SB_Q_NOT_FOUND);
	must(x, sb_quarantine_delete(q, nobody, NULL, &x->error), SB_Q_NOT_FOUND);
	must(x, sb_quarantine_find(q, "../key", &record, &x->error), SB_Q_INVALID_ID);
	must(x, sb_quarantine_contains(q, "abc", &there, &x->error), SB_Q_INVALID_ID);
}

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

struct seen {
	char names[64];
	uint64_t time;
	char id[SB_QUARANTINE_ID_SIZE];
};

static int see(void *data, const sb_quarantine_record *record)
{
	struct seen *seen = data;

	strncat(seen->names, sb_quarantine_record_name(record, NULL), 1);
	seen->time = sb_quarantine_record_time(record);
	memcpy(seen->id, sb_quarantine_record_id(record), sizeof seen->id);
	return 0;
}

static struct seen must_list(
	struct fixture *x, const sb_quarantine_filter *filter, const char *want)
{
	struct seen seen = {.names = ""};

	must(x, sb_quarantine_list(x->q, filter, see, &seen, &x->error), SB_Q_OK);
	assert_string_equal(seen.names, want);
	return seen;
}

/* bad: quarantined; odd: held. */
static void keep_five(struct fixture *x, char ids[5][SB_QUARANTINE_ID_SIZE])
{
	must_be_kept(x, "bad 1", "a", NULL, ids[0]);
	must_be_kept(x, "odd 2", "b", "acme", ids[1]);
	must_be_kept(x, "bad 3", "c", "acme", ids[2]);
	must_be_kept(x, "odd 4", "d", NULL, ids[3]);
	must_be_kept(x, "bad 5", "e", "acme", ids[4]);
}

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

static int collect(void *data, const void *bytes, size_t length)
{
	strncat(data, bytes, length);
	return 0;
}

static int refuse_all(void *data, const void *bytes, size_t length)
{
	(void)data;
	(void)bytes;
	(void)length;
	return -1;
}

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

static void must_restore(struct fixture *x, const char *id, const char *name,
	sb_quarantine_status want, sb_outcome outcome)
{
	sb_report *report = NULL;

	must(x, sb_quarantine_restore(x->manager, id, x->out, name, "why", &report, &x->error),
		want);
	assert_int_equal(report != NULL, outcome != SB_OUTCOME_ERROR);
	if (report != NULL) {
		assert_int_equal(sb_report_outcome(report), outcome);
		assert_null(sb_report_quarantine_id(report));
		sb_report_free(report);
	}
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

/* --- Stores of a program's own --------------------------------------------------------------- */

static void use_store(struct fixture *x, const sb_store_ops *ops, void *data)
{
	configure(x, "");
	assert_int_equal(sb_config_register_store(x->config, ops, data, &x->error), 0);
	open_manager(x);
}

static void test_memory_store(void **state)
{
	struct fixture *x = *state;
	char ids[5][SB_QUARANTINE_ID_SIZE], got[64] = "";
	sb_quarantine_verified v;

	use_store(x, sb_store_memory(), NULL);
	must_be_empty(x, x->q);
	keep_five(x, ids);
	must_list(x, NULL, "edcba");
	must(x, sb_quarantine_get(x->q, ids[2], NULL, collect, got, &x->error), SB_Q_OK);
	assert_string_equal(got, "bad 3");
	must_restore(x, ids[2], NULL, SB_Q_REFUSED, SB_OUTCOME_INFECTED);
	must(x, sb_quarantine_release(x->q, ids[2], NULL, &x->error), SB_Q_OK);
	must(x, sb_quarantine_delete(x->q, ids[2], NULL, &x->error), SB_Q_OK);
	must(x, sb_quarantine_verify(x->q, NULL, &v, NULL, NULL, &x->error), SB_Q_OK);
	assert_int_equal(v.good, 4);
	assert_false(is_there(x->data, "quarantine"));
	open_manager(x); /* with a memory of its own */
	must_list(x, NULL, "");
}

/* Says what it is told to say, whatever it is asked. */
static struct {
	_Atomic(sb_quarantine_status) say; /* the upkeep of the manager asks, too */
	_Atomic(unsigned) opened, closed;
} told;

static void tell(sb_quarantine_status status)
{
	atomic_store(&told.say, status);
	atomic_store(&told.opened, 0);
	atomic_store(&told.closed, 0);
}

static sb_quarantine_status saying(sb_error *error)
{
	sb_quarantine_status say = told.say;

	return say == SB_Q_OK ? SB_Q_OK : sb_quarantine_fail(error, say, 0, "as I was told");
}

static sb_quarantine_status told_open(void *data, void **self, sb_error *error)
{
	assert_ptr_equal(data, &told);
	*self = data;
	told.opened++;
	return saying(error);
}

static sb_quarantine_status told_commit(void *self, const sb_quarantine_content *content,
	sb_quarantine_record *record, bool *duplicate, sb_error *error)
{
	assert_ptr_equal(self, &told);
	assert_true(content->size > 0 && sb_quarantine_id_ok(record->id) && !*duplicate);
	return saying(error);
}

static sb_quarantine_status told_find(
	void *self, const char *id, sb_quarantine_each each, void *data, sb_error *error)
{
	sb_quarantine_record record = {.state = SB_Q_QUARANTINED, .outcome = SB_OUTCOME_INFECTED};

	(void)self;
	memcpy(record.id, id, sizeof record.id);
	if (told.say == SB_Q_OK)
		each(data, &record);
	return saying(error);
}

static sb_quarantine_status told_list(void *self, const sb_quarantine_filter *filter, uint64_t now,
	sb_quarantine_each each, void *data, sb_error *error)
{
	(void)self;
	(void)filter;
	(void)now;
	(void)each;
	(void)data;
	return saying(error);
}

static sb_quarantine_status told_read(
	void *self, const char *id, sb_quarantine_sink sink, void *data, sb_error *error)
{
	(void)self;
	(void)id;
	(void)sink;
	(void)data;
	return saying(error);
}

static sb_quarantine_status told_change(void *self, const char *id, sb_quarantine_state state,
	bool legal_hold, uint64_t expires_at, sb_error *error)
{
	(void)self;
	(void)id;
	(void)state;
	(void)legal_hold;
	(void)expires_at;
	return saying(error);
}

static sb_quarantine_status told_remove(void *self, const char *id, sb_error *error)
{
	(void)self;
	(void)id;
	return saying(error);
}

static void told_close(void *self)
{
	assert_ptr_equal(self, &told);
	told.closed++;
}

static const sb_store_ops told_store = {
	.abi = SB_STORE_ABI,
	.name = "told",
	.open = told_open,
	.commit = told_commit,
	.find = told_find,
	.list = told_list,
	.read = told_read,
	.change = told_change,
	.remove = told_remove,
	.close = told_close,
};

/* Every status of a store reaches the program as it is, with its kind and its words. */
static void test_store_statuses(void **state)
{
	struct fixture *x = *state;
	sb_quarantine_record *record;

	tell(SB_Q_OK);
	use_store(x, &told_store, &told);
	for (unsigned s = SB_Q_OK; s < SB_Q_STATUS_COUNT_; s++) {
		bool bad = s != SB_Q_OK;
		told.say = SB_Q_OK;
		must(x, sb_quarantine_list(x->q, NULL, never, NULL, &x->error), SB_Q_OK);
		told.say = (sb_quarantine_status)s;
		must(x, sb_quarantine_list(x->q, NULL, never, NULL, &x->error), told.say);
		record = NULL;
		assert_int_equal(sb_quarantine_find(x->q, nobody, &record, &x->error), s);
		assert_int_equal(record == NULL, bad);
		if (bad)
			assert_string_equal(x->error.message, "as I was told");
		sb_quarantine_record_free(record);
		assert_int_equal(scan(x, "bad", "a", NULL, NULL),
			bad ? SB_ACTION_BLOCK : SB_ACTION_QUARANTINE);
	}
	assert_int_equal(told.opened, 1);
	assert_int_equal(told.closed, 0);
	sb_manager_free(x->manager);
	x->manager = NULL;
	assert_int_equal(told.closed, 1);
}

/* One that can't be opened is tried again. */
static void test_store_opens_later(void **state)
{
	struct fixture *x = *state;

	tell(SB_Q_NO_KEY);
	use_store(x, &told_store, &told);
	must(x, sb_quarantine_list(x->q, NULL, never, NULL, &x->error), SB_Q_NO_KEY);
	assert_int_equal(scan(x, "bad", "a", NULL, NULL), SB_ACTION_BLOCK);
	told.say = SB_Q_OK;
	assert_int_equal(scan(x, "bad", "a", NULL, NULL), SB_ACTION_QUARANTINE);
	assert_true(told.opened >= 3);
	assert_int_equal(told.closed, 0);
}

static void test_store_is_checked(void **state)
{
	struct fixture *x = *state;
	sb_store_ops ops = told_store;

	assert_int_equal(sb_config_register_store(x->config, NULL, NULL, &x->error),
		-SB_KIND_NOT_CONFIGURED);
	ops.abi++;
	assert_int_equal(sb_config_register_store(x->config, &ops, NULL, &x->error),
		-SB_KIND_NOT_CONFIGURED);
	ops = told_store;
	ops.read = NULL;
	assert_int_equal(sb_config_register_store(x->config, &ops, NULL, &x->error),
		-SB_KIND_NOT_CONFIGURED);
	assert_non_null(strstr(x->error.message, "read()"));
}

/* A store that can't write a removal down never has one. */
static void test_originals_stay(void **state)
{
	struct fixture *x = *state;
	sb_scan_options *options = sb_scan_options_new();
	sb_report *report = NULL;
	sb_input *input;
	char path[128];
	FILE *file;

	use_store(x, sb_store_memory(), NULL);
	snprintf(path, sizeof path, "%s/letter", x->out);
	file = fopen(path, "w");
	fputs("bad letter", file);
	fclose(file);
	input = sb_input_path(path);
	sb_scan_options_set_remove_original(options, true);
	assert_int_equal(sb_scan(&report, x->manager, input, options, &x->error), 0);
	assert_non_null(sb_report_quarantine_id(report));
	assert_false(sb_report_original_removed(report));
	assert_non_null(strstr(sb_report_original_note(report), "originals stay"));
	assert_true(is_there(x->out, "letter"));
	sb_report_free(report);
	sb_input_free(input);
	sb_scan_options_free(options);
}

/* --- What authors of stores are given -------------------------------------------------------- */

static void test_record_text(void **state)
{
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE], *text, *one, *two;
	sb_quarantine_record *record, *copy, *again;
	size_t length;

	must_be_kept(x, "bad letter",
		"na\xff"
		"me",
		"acme", id);
	must(x, sb_quarantine_find(x->q, id, &record, &x->error), SB_Q_OK);
	copy = sb_store_record_copy(record);
	text = sb_store_record_write(record, &length, &x->error);
	assert_non_null(text);
	again = sb_store_record_read(text, length, &x->error);
	assert_non_null(again);
	again->state = record->state;
	again->expires_at = record->expires_at;
	one = sb_quarantine_record_json(record, NULL);
	sb_quarantine_record_free(record);
	two = sb_quarantine_record_json(copy, NULL);
	assert_string_equal(one, two);
	free(two);
	two = sb_quarantine_record_json(again, NULL);
	assert_string_equal(one, two);
	assert_null(sb_store_record_read(text, length - 1, &x->error));
	assert_int_equal(x->error.kind, SB_KIND_CORRUPT);
	copy->threats = "not JSON";
	assert_null(sb_store_record_write(copy, &length, &x->error));
	sb_quarantine_record_free(copy);
	sb_quarantine_record_free(again);
	free(text);
	free(one);
	free(two);
}

struct bytes {
	size_t there; /* fewer than it says */
	uint8_t fill;
};

static int64_t read_bytes(void *data, uint64_t offset, void *out, size_t length, sb_error *error)
{
	const struct bytes *bytes = data;
	size_t left = offset < bytes->there ? bytes->there - (size_t)offset : 0;

	(void)error;
	memset(out, bytes->fill, length < left ? length : left);
	return (int64_t)(length < left ? length : left);
}

static int add_up(void *data, const void *bytes, size_t length)
{
	(void)bytes;
	*(uint64_t *)data += length;
	return 0;
}

static void test_content(void **state)
{
	static const size_t sizes[] = {0, 1, (256 << 10) - 1, 256 << 10, (256 << 10) + 1};
	struct fixture *x = *state;

	for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct bytes bytes = {sizes[i], 'x'};
		uint8_t blake3[32], *plain = malloc(sizes[i] + 1);
		sb_quarantine_content content = {read_bytes, &bytes, sizes[i], blake3, NULL};
		uint64_t seen = 0;
		memset(plain, 'x', sizes[i]);
		sb_blake3_memory(plain, sizes[i], blake3);
		free(plain);
		must(x, sb_store_content_pass(&content, add_up, &seen, &x->error), SB_Q_OK);
		assert_int_equal(seen, sizes[i]);
		must(x, sb_store_content_pass(&content, NULL, NULL, &x->error), SB_Q_OK);
		if (sizes[i] == 0)
			continue;
		must(x, sb_store_content_pass(&content, refuse_all, NULL, &x->error),
			SB_Q_RETRIEVE_FAILED);
		bytes.fill = 'y';
		must(x, sb_store_content_pass(&content, NULL, NULL, &x->error), SB_Q_INTEGRITY);
		bytes.there--;
		must(x, sb_store_content_pass(&content, NULL, NULL, &x->error), SB_Q_CHANGED);
	}
}

static void test_words(void **state)
{
	sb_quarantine_state found = SB_Q_STATE_NONE;

	(void)state;
	assert_string_equal(sb_quarantine_status_name(SB_Q_OK), "ok");
	assert_string_equal(sb_quarantine_status_name((sb_quarantine_status)99), "internal");
	assert_int_equal(sb_quarantine_status_kind((sb_quarantine_status)99), SB_KIND_INTERNAL);
	for (unsigned s = 1; s < SB_Q_STATUS_COUNT_; s++) {
		assert_int_not_equal(
			sb_quarantine_status_kind((sb_quarantine_status)s), SB_KIND_NONE);
		assert_string_not_equal(sb_quarantine_status_name((sb_quarantine_status)s), "ok");
	}
	for (unsigned s = SB_Q_QUARANTINED; s < SB_Q_STATE_COUNT_; s++) {
		const char *name = sb_quarantine_state_name((sb_quarantine_state)s);
		assert_true(sb_quarantine_state_from_name(name, &found));
		assert_int_equal(found, s);
	}
	assert_false(sb_quarantine_state_from_name("none", &found));
	assert_string_equal(sb_quarantine_state_name((sb_quarantine_state)99), "none");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

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
		TEST(test_memory_store),
		TEST(test_store_statuses),
		TEST(test_store_opens_later),
		TEST(test_store_is_checked),
		TEST(test_originals_stay),
		TEST(test_record_text),
		TEST(test_content),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
