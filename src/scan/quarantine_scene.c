/* SPDX-License-Identifier: MIT */
/* A manager with a quarantine for each test, and what they look for; see quarantine_scene.h. */
#include "scan/quarantine_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "util/scratch.h"

/* --- An engine that goes by the first word --------------------------------------------------- */

_Atomic(bool) lenient;

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

void configure(struct fixture *x, const char *more)
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

void open_manager(struct fixture *x)
{
	sb_manager_free(x->manager);
	x->manager = NULL;
	if (sb_manager_open_with(&x->manager, x->config, x->clock, &x->error) < 0 ||
		sb_manager_quarantine(x->manager, &x->q, &x->error) != SB_Q_OK)
		fail_msg("%s", x->error.message);
}

int set_up(void **state)
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

int tear_down(void **state)
{
	struct fixture *x = *state;

	sb_manager_free(x->manager);
	sb_config_free(x->config);
	sb_clock_fake_free(x->clock);
	sb_scratch_remove(x->folder);
	free(x);
	return 0;
}

void must(struct fixture *x, sb_quarantine_status status, sb_quarantine_status want)
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

sb_action scan(struct fixture *x, const char *text, const char *name, const char *tenant,
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

void must_be_kept(struct fixture *x, const char *text, const char *name, const char *tenant,
	char id[SB_QUARANTINE_ID_SIZE])
{
	id[0] = '\0';
	scan(x, text, name, tenant, id);
	assert_true(sb_quarantine_id_ok(id));
	sb_clock_fake_turn(x->clock, 1000000000);
}

sb_quarantine_state state_of(struct fixture *x, const char *id)
{
	sb_quarantine_record *record;
	sb_quarantine_state state;

	must(x, sb_quarantine_find(x->q, id, &record, &x->error), SB_Q_OK);
	state = sb_quarantine_record_state(record);
	sb_quarantine_record_free(record);
	return state;
}

bool is_there(const char *folder, const char *name)
{
	char path[160];
	struct stat st;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return stat(path, &st) == 0;
}

/* --- What they look for ---------------------------------------------------------------------- */

const char nobody[] = "00000000000000000000000000000000";
static const char digest[] = "0000000000000000000000000000000000000000000000000000000000000000";

int never(void *data, const sb_quarantine_record *record)
{
	(void)data;
	fail_msg("there is %s", record->id);
	return 0;
}

void must_be_empty(struct fixture *x, sb_quarantine *q)
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

static int see(void *data, const sb_quarantine_record *record)
{
	struct seen *seen = data;

	strncat(seen->names, sb_quarantine_record_name(record, NULL), 1);
	seen->time = sb_quarantine_record_time(record);
	memcpy(seen->id, sb_quarantine_record_id(record), sizeof seen->id);
	return 0;
}

struct seen must_list(struct fixture *x, const sb_quarantine_filter *filter, const char *want)
{
	struct seen seen = {.names = ""};

	must(x, sb_quarantine_list(x->q, filter, see, &seen, &x->error), SB_Q_OK);
	assert_string_equal(seen.names, want);
	return seen;
}

void keep_five(struct fixture *x, char ids[5][SB_QUARANTINE_ID_SIZE])
{
	must_be_kept(x, "bad 1", "a", NULL, ids[0]);
	must_be_kept(x, "odd 2", "b", "acme", ids[1]);
	must_be_kept(x, "bad 3", "c", "acme", ids[2]);
	must_be_kept(x, "odd 4", "d", NULL, ids[3]);
	must_be_kept(x, "bad 5", "e", "acme", ids[4]);
}

int collect(void *data, const void *bytes, size_t length)
{
	strncat(data, bytes, length);
	return 0;
}

int refuse_all(void *data, const void *bytes, size_t length)
{
	(void)data;
	(void)bytes;
	(void)length;
	return -1;
}

void must_restore(struct fixture *x, const char *id, const char *name, sb_quarantine_status want,
	sb_outcome outcome)
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
