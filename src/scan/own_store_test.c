/* SPDX-License-Identifier: MIT */
/* Stores of a program's own under the quarantine, and what their authors are given. */
#include <stdio.h>
#include <stdlib.h>

#include "scan/quarantine_scene.h"
#include "util/hash.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
