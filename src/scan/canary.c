/* SPDX-License-Identifier: MIT */
/* What something new has to show first; see canary.h. */
#include "scan/canary.h"

#include <stdio.h>
#include <string.h>

#include "scan/benign.h"
#include "scan/call.h"
#include "scan/check.h"
#include "scan/manager_body.h"

/* A call that has ended; NULL: the error is set. */
static struct sb_call *ask(
	sb_engine *engine, const char *name, const void *bytes, size_t length, sb_error *error)
{
	sb_check check = {
		.engine = engine, .deadline = sb_check_deadline(engine), .on_trial = true};

	return sb_check_call(&check, name, bytes, length, error);
}

int sb_canary_answers(sb_engine *engine, sb_error *error)
{
	sb_error why;
	int status;

	sb_error_init(&why);
	status = sb_check_trial(engine, &why);
	sb_error_set_engine(&why, engine->conf->name);
	if (status < 0)
		sb_error_copy(error, &why);
	return status;
}

/* --- Benign content --------------------------------------------------------------------------- */

typedef struct showing {
	sb_engine *engine;
	sb_canary_count *count;
} showing;

static int flagged(
	const sb_engine *engine, const char *name, const sb_detection *d, sb_error *error)
{
	return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
		"engine %s: %s flags a benign file: %.300s%s%.200s", engine->conf->name,
		d != NULL ? d->name : "something", name,
		d != NULL && d->member != NULL ? ", member " : "",
		d != NULL && d->member != NULL ? d->member : "");
}

/* That a file is encrypted, or too large for its limits, is true and no fault of the engine's. */
static int judge(
	const sb_engine *engine, const char *name, const struct sb_call *call, sb_error *error)
{
	const sb_result *result = &call->result;

	if (result->detections != NULL || result->outcome == SB_OUTCOME_INFECTED ||
		result->outcome == SB_OUTCOME_SUSPICIOUS)
		return flagged(engine, name, result->detections, error);
	if (result->outcome == SB_OUTCOME_CLEAN || result->abstained || result->error == NULL ||
		sb_kind_class(result->error->kind) == SB_CLASS_CONTENT)
		return 0;
	sb_error_copy(error, result->error);
	return sb_error_prefix(error, "the benign file %.300s could not be judged", name);
}

static int show(void *data, const char *name, const void *bytes, size_t length, sb_error *error)
{
	const showing *s = data;
	struct sb_call *call;
	int status;

	if (s->engine->max_size > 0 && length > s->engine->max_size)
		return 0;
	call = ask(s->engine, name, bytes, length, error);
	if (call == NULL)
		return -(int)sb_error_kind(error);
	status = judge(s->engine, name, call, error);
	sb_call_unref(call);
	s->count->benign += status == 0;
	return status;
}

int sb_canary_benign(sb_engine *engine, const sb_conf *conf, const char *const *more,
	sb_canary_count *count, sb_error *error)
{
	showing s = {.engine = engine, .count = count};
	int status = sb_benign_made(show, &s, error);

	for (size_t i = 0; status == 0 && i < conf->rules.benign.count; i++)
		status = sb_benign_below(conf->rules.benign.items[i], show, &s, error);
	for (; status == 0 && more != NULL && *more != NULL; more++)
		status = sb_benign_below(*more, show, &s, error);
	return status;
}

/* --- Samples ---------------------------------------------------------------------------------- */

int sb_canary_sample(
	sb_engine *engine, const char *rule, const void *bytes, size_t length, sb_error *error)
{
	struct sb_call *call = ask(engine, "sample", bytes, length, error);
	const sb_detection *d;
	int status = 0;

	if (call == NULL)
		return -(int)sb_error_kind(error);
	d = call->result.detections;
	while (d != NULL && strcmp(d->name, rule) != 0)
		d = d->next;
	if (d == NULL)
		status = sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"known-answer test: %s does not find its sample%s%.300s", rule,
			call->result.error != NULL ? ": " : "",
			call->result.error != NULL ? call->result.error->message : "");
	sb_call_unref(call);
	return status;
}

/* --- An engine -------------------------------------------------------------------------------- */

/* An engine that decides nothing alone need not be reached: then it has said nothing wrong either.
 */
static bool may_be_out_of_reach(const sb_engine *engine, sb_kind kind)
{
	return engine->conf->role != SB_ROLE_REQUIRED &&
	       (kind == SB_KIND_CONNECTION_FAILED || kind == SB_KIND_TIMEOUT);
}

static int show_itself(sb_engine *engine, const sb_conf *conf, sb_error *error)
{
	sb_canary_count count = {0};
	int status;

	if (engine->conf->self_test == NULL || strcmp(engine->conf->self_test, "off") == 0)
		return 0;
	status = sb_canary_answers(engine, error);
	if (status < 0)
		return may_be_out_of_reach(engine, sb_error_kind(error)) ? 0 : status;
	return sb_canary_benign(engine, conf, NULL, &count, error);
}

int sb_canary_engine(sb_engine *engine, const sb_conf *conf, sb_error *error)
{
	/* At a start it would be set aside; here something better judges so far. */
	if (engine->broken.kind != SB_KIND_NONE) {
		sb_error_copy(error, &engine->broken);
		return -(int)engine->broken.kind;
	}
	return show_itself(engine, conf, error);
}
