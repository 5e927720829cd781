/* SPDX-License-Identifier: MIT */
/*
 * Rules and lists read anew, engine by engine, with a record of what they were and are. Another
 * engine of the same settings tries them out first; what it has shown counts for the one in service
 * when both read the same.
 */
#include <string.h>

#include "scan/canary.h"
#include "scan/manager_body.h"
#include "util/json.h"

/* Who judges by now; nothing when it can't say. */
static void identify(sb_engine *engine, sb_identity *out)
{
	if (sb_engine_ask(engine, 5000, out, NULL) < 0)
		*out = (sb_identity){.exactness = SB_EXACT_NONE};
}

static int record(sb_engine *engine, const sb_identity *before, const sb_identity *after,
	const sb_error *failure, sb_error *error)
{
	sb_audit_entry entry = {.event = "engine_state"};
	sb_json json;
	sb_buf body;
	int status;

	if (engine->manager->audit == NULL)
		return 0;
	sb_buf_init(&body, 1 << 14);
	json = sb_json_on(&body);
	sb_json_text(&json, "engine", engine->conf->name);
	sb_json_text(&json, "what", "signatures");
	sb_json_text(&json, "from", before->signature_version);
	sb_json_text(&json, "to", after->signature_version);
	sb_json_text(&json, "error", failure != NULL ? sb_kind_name(failure->kind) : NULL);
	if (failure != NULL)
		sb_json_text_n(&json, "message", failure->message,
			sb_json_fitting(failure->message, strlen(failure->message), 512));
	entry.body = body.data;
	entry.body_length = body.length;
	status = body.failed ? sb_error_no_memory(error)
			     : sb_audit_append(engine->manager->audit, &entry, 1, error);
	sb_buf_done(&body);
	return status;
}

/* Who would judge by what is there now, and has shown itself well. */
static int try_out(const sb_engine *engine, sb_identity *proved, sb_error *error)
{
	sb_site *trial = sb_site_new(engine->manager, engine->whole);
	sb_engine *fresh;
	int status;

	if (trial == NULL)
		return sb_error_no_memory(error);
	status = sb_site_open_engine(trial, engine->conf, error);
	if (status == 0) {
		fresh = trial->engines[0];
		status = sb_canary_engine(fresh, engine->whole, error);
		identify(fresh, proved);
	}
	sb_site_unref(trial);
	return status;
}

static bool same(const sb_identity *a, const sb_identity *b)
{
	return a->exactness != SB_EXACT_FULL || b->exactness != SB_EXACT_FULL ||
	       (strcmp(a->engine_version, b->engine_version) == 0 &&
		       strcmp(a->signature_version, b->signature_version) == 0);
}

/* Files may change between the two, which shows; then once more. */
static int renew(sb_engine *engine, sb_identity *after, sb_error *error)
{
	enum { TRIES = 3 };
	sb_identity proved;
	int status;

	for (int i = 0; i < TRIES; i++) {
		status = try_out(engine, &proved, error);
		if (status == 0)
			status = engine->ops->reload(engine->state, error);
		identify(engine, after);
		if (status < 0 || same(&proved, after))
			return status;
	}
	return sb_error_set(error, SB_KIND_CHANGED, 0,
		"the files changed while they were read, again and again: what judges now was not "
		"tried out; read them once more");
}

static int reload(sb_engine *engine, sb_error *error)
{
	sb_identity before, after;
	sb_error why;
	int status, told;

	sb_error_init(&why);
	identify(engine, &before);
	status = renew(engine, &after, &why);
	told = record(engine, &before, &after, status < 0 ? &why : NULL, error);
	if (status == 0)
		return told;
	sb_error_set_engine(&why, engine->conf->name);
	sb_error_copy(error, &why);
	return status;
}

static int reload_site(sb_manager *manager, const void *what, sb_error *error)
{
	const char *name = what;
	sb_site *site = sb_site_now(manager);
	bool found = false;
	int status = 0;

	for (size_t i = 0; i < site->engine_count; i++) {
		sb_engine *engine = site->engines[i];
		sb_error why;
		int one;

		if ((name != NULL && strcmp(engine->conf->name, name) != 0) ||
			engine->ops->reload == NULL || engine->broken.kind != SB_KIND_NONE)
			continue;
		found = true;
		sb_error_init(&why);
		one = reload(engine, &why);
		if (one < 0 && status == 0)
			sb_error_copy(error, &why);
		status = status == 0 ? one : status;
	}
	sb_site_unref(site);
	if (name != NULL && !found)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"no engine %s has rules or lists to read anew", name);
	return status;
}

int sb_manager_reload(sb_manager *manager, const char *name, sb_error *error)
{
	return sb_manager_change(manager, reload_site, name, error);
}
