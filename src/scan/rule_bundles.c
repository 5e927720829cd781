/* SPDX-License-Identifier: MIT */
/* Import and rollback of rule bundles; see rule_bundles.h. */
#include "scan/rule_bundles.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scan/canary.h"
#include "scan/manager_body.h"
#include "util/io.h"
#include "util/json.h"
#include "util/text.h"

enum { MAX_TEXT = 512 };

typedef struct change {
	const sb_conf *conf;
	const char *operation, *reason;
	const char *const *benign;
	sb_audit *audit; /* NULL: off */
	sb_shelf shelf;
	sb_shelf_state state;
	sb_shelved bundle;
	sb_rules_change *told;
} change;

/* --- On record -------------------------------------------------------------------------------- */

static void short_text(sb_json *json, const char *key, const char *text)
{
	sb_json_text_n(
		json, key, text, text != NULL ? sb_json_fitting(text, strlen(text), MAX_TEXT) : 0);
}

static void version_or_null(sb_json *json, const char *key, uint64_t version)
{
	if (version > 0)
		sb_json_uint(json, key, version);
	else
		sb_json_null(json, key);
}

static void put_digest(sb_json *json, const sb_shelved *bundle)
{
	uint8_t digest[SB_BLAKE3_SIZE];

	if (bundle->bytes == NULL) {
		sb_json_null(json, "digest");
		return;
	}
	sb_blake3_memory(bundle->bytes, bundle->length, digest);
	sb_json_hex(json, "digest", digest, sizeof digest);
}

/* @p failure: why nothing is changed; NULL: it is. */
static int record(const change *c, const sb_error *failure, sb_error *error)
{
	sb_audit_entry entry = {.event = "rules_changed"};
	const sb_rules_change *told = c->told;
	sb_json json;
	sb_buf body;
	int status;

	if (c->audit == NULL)
		return 0;
	sb_buf_init(&body, 1 << 14);
	json = sb_json_on(&body);
	sb_json_text(&json, "operation", c->operation);
	sb_json_text(&json, "bundle", told->name[0] != '\0' ? told->name : NULL);
	version_or_null(&json, "from", told->from);
	version_or_null(&json, "to", told->to);
	sb_json_text(&json, "key_id", told->key_id[0] != '\0' ? told->key_id : NULL);
	put_digest(&json, &c->bundle);
	short_text(&json, "reason", c->reason);
	sb_json_text(&json, "error", failure != NULL ? sb_kind_name(failure->kind) : NULL);
	short_text(&json, "message", failure != NULL ? failure->message : NULL);
	sb_json_uint(&json, "uid", geteuid());
	entry.body = body.data;
	entry.body_length = body.length;
	status = body.failed ? sb_error_no_memory(error)
			     : sb_audit_append(c->audit, &entry, 1, error);
	sb_buf_done(&body);
	return status;
}

/* --- The canary ------------------------------------------------------------------------------- */

/* A configuration in which this version judges, and nothing is kept. */
static int write_config(const change *c, sb_buf *out, sb_error *error)
{
	char reference[SB_PACK_NAME + 24];
	sb_json json = sb_json_on(out);

	snprintf(reference, sizeof reference, "%s@%" PRIu64, c->told->name, c->told->to);
	sb_json_object(&json, NULL);
	sb_json_text(&json, "data_dir", c->conf->data_dir);
	sb_json_text(&json, "isolation", c->conf->isolation_process ? "process" : "none");
	sb_json_object(&json, "limits");
	sb_json_uint(&json, "max_size", SB_PACK_BYTES);
	sb_json_end_object(&json);
	for (const char *const *off = (const char *const[]){"audit", "cache", "quarantine", NULL};
		*off != NULL; off++) {
		sb_json_object(&json, *off);
		sb_json_bool(&json, "enabled", false);
		sb_json_end_object(&json);
	}
	sb_json_object(&json, "rules");
	sb_json_array(&json, "trusted_keys");
	for (size_t i = 0; i < c->conf->rules.trusted_keys.count; i++)
		sb_json_text(&json, NULL, c->conf->rules.trusted_keys.items[i]);
	sb_json_end_array(&json);
	sb_json_end_object(&json);
	sb_json_array(&json, "engines");
	sb_json_object(&json, NULL);
	sb_json_text(&json, "name", c->told->name);
	sb_json_text(&json, "type", "yara");
	sb_json_text(&json, "bundles", reference);
	sb_json_end_object(&json);
	sb_json_end_array(&json);
	sb_json_end_object(&json);
	return out->failed ? sb_error_no_memory(error) : 0;
}

/* Where the trial's configuration says something is nobody's business. */
static void cut_origin(sb_error *error)
{
	const char *engine = strstr(error->message, ": engine ");

	if (engine != NULL)
		memmove(error->message, engine + 2, strlen(engine + 2) + 1);
}

static int open_trial(const change *c, sb_manager **out, sb_error *error)
{
	sb_config *config = sb_config_new();
	sb_buf text;
	int status;

	if (config == NULL)
		return sb_error_no_memory(error);
	sb_buf_init(&text, 1 << 20);
	status = write_config(c, &text, error);
	if (status == 0)
		status = sb_config_load_text(config, text.data, text.length, "trial", error);
	if (status == 0)
		status = sb_manager_open(out, config, error);
	if (status < 0)
		cut_origin(error);
	sb_buf_done(&text);
	sb_config_free(config);
	return status;
}

static int try_sample(
	const change *c, sb_engine *engine, const sb_pack_entry *sample, sb_error *error)
{
	uint8_t *bytes = malloc(sample->length);
	int status;

	if (bytes == NULL)
		return sb_error_no_memory(error);
	for (size_t i = 0; i < sample->length; i++)
		bytes[i] = (uint8_t)~sample->data[i];
	status = sb_canary_sample(engine, sample->name, bytes, sample->length, error);
	free(bytes);
	c->told->samples += status == 0;
	return status;
}

static int try(const change *c, sb_error *error)
{
	sb_canary_count count = {0};
	sb_pack_place place = {0};
	sb_manager *manager = NULL;
	sb_pack_entry entry;
	int status = open_trial(c, &manager, error);

	if (status == 0)
		status = sb_canary_answers(manager->site->engines[0], error);
	while (status == 0 && sb_pack_next(&c->bundle.pack, &place, &entry))
		if (entry.is_sample)
			status = try_sample(c, manager->site->engines[0], &entry, error);
	if (status == 0)
		status = sb_canary_benign(
			manager->site->engines[0], c->conf, c->benign, &count, error);
	c->told->benign = count.benign;
	sb_manager_free(manager);
	return status;
}

/* --- Both ------------------------------------------------------------------------------------- */

static void name_bundle(change *c)
{
	sb_rules_change *told = c->told;

	snprintf(told->name, sizeof told->name, "%s", c->bundle.pack.name);
	told->to = c->bundle.pack.version;
	told->files = c->bundle.pack.files;
	sb_hex(told->key_id, c->bundle.head.key_id, SB_PACK_KEY_ID);
}

/* It has shown itself: on record, then in use. */
static int take_over(change *c, sb_error *error)
{
	sb_shelf_state state = {.current = c->told->to, .highest = c->state.highest};
	sb_error why;
	int status = record(c, NULL, error);

	if (status < 0)
		return status;
	if (state.highest < state.current)
		state.highest = state.current;
	sb_error_init(&why);
	status = sb_shelf_switch(&c->shelf, &state, &why);
	if (status < 0) {
		sb_error_copy(error, &why);
		(void)record(c, &why, NULL);
	}
	return status;
}

static int begin(change *c, sb_error *error)
{
	int data_dir = -1, status = sb_manager_open_data_dir(&data_dir, c->conf, error);

	sb_close(&data_dir);
	*c->told = (sb_rules_change){.from = 0};
	c->shelf = (sb_shelf){.root = -1, .dir = -1};
	return status == 0
		       ? sb_manager_open_audit(&c->audit, c->conf, sb_clock_system(), NULL, error)
		       : status;
}

static int lock(change *c, const char *name, sb_error *error)
{
	sb_shelf_versions versions;
	int status = sb_shelf_lock(&c->shelf, c->conf->data_dir, name, error);

	if (status == 0)
		status = sb_shelf_look(&c->state, &versions, c->conf->data_dir, name, error);
	c->told->from = c->state.current;
	return status;
}

/* Refusals are on record, too; where even that fails, the first error counts. */
static int end(change *c, int status, sb_error *why, sb_error *error)
{
	if (status < 0 && c->told->to > 0)
		sb_error_prefix(why, "%s, version %" PRIu64, c->told->name, c->told->to);
	if (status < 0 && status != -(int)SB_KIND_AUDIT_FAILED)
		(void)record(c, why, NULL);
	if (status < 0)
		sb_error_copy(error, why);
	sb_shelf_unlock(&c->shelf);
	sb_shelf_done(&c->bundle);
	if (c->audit != NULL)
		sb_audit_close(c->audit);
	return status;
}

/* --- Import ----------------------------------------------------------------------------------- */

static int check_version(const change *c, sb_error *error)
{
	if (c->told->to > c->state.highest)
		return 0;
	return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
		"it is not newer than %" PRIu64
		", which was in use already; `rules rollback` goes back",
		c->state.highest);
}

static int put_and_try(change *c, sb_error *error)
{
	int status = sb_shelf_put(&c->shelf, &c->bundle, error);

	if (status == 0)
		status = try(c, error);
	if (status == 0)
		status = take_over(c, error);
	if (status < 0)
		sb_shelf_drop(&c->shelf, c->told->to);
	return status;
}

int sb_rules_import(const sb_conf *conf, const char *file, const char *const *benign,
	sb_rules_change *told, sb_error *error)
{
	const sb_texts_list *keys = &conf->rules.trusted_keys;
	change c = {.conf = conf, .operation = "import", .benign = benign, .told = told};
	sb_error why;
	int status;

	sb_error_init(&why);
	status = begin(&c, &why);
	if (status == 0)
		status = sb_shelf_read(
			&c.bundle, AT_FDCWD, file, file, keys->items, keys->count, &why);
	if (status == 0) {
		name_bundle(&c);
		status = lock(&c, told->name, &why);
	}
	if (status == 0)
		status = check_version(&c, &why);
	if (status == 0)
		status = put_and_try(&c, &why);
	return end(&c, status, &why, error);
}

/* --- Rollback --------------------------------------------------------------------------------- */

static int choose(change *c, const char *name, uint64_t *to, sb_error *error)
{
	sb_shelf_versions versions;
	uint64_t below = 0;
	int status = sb_shelf_look(&c->state, &versions, c->conf->data_dir, name, error);

	if (status < 0)
		return status;
	for (size_t i = 0; i < versions.count; i++) {
		if (*to > 0 && versions.list[i] == *to && *to != c->state.current)
			return 0;
		if (versions.list[i] < c->state.current)
			below = versions.list[i];
	}
	if (*to > 0)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			*to == c->state.current ? "it is in use already"
						: "it is not kept, or not any more");
	*to = below;
	return below > 0 ? 0
			 : sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
				   "no version of %s below %" PRIu64 " is kept", name,
				   c->state.current);
}

int sb_rules_rollback(const sb_conf *conf, const char *name, uint64_t to, const char *reason,
	sb_rules_change *told, sb_error *error)
{
	const sb_texts_list *keys = &conf->rules.trusted_keys;
	change c = {.conf = conf, .operation = "rollback", .reason = reason, .told = told};
	sb_shelf_versions versions;
	sb_error why;
	int status;

	sb_error_init(&why);
	status = begin(&c, &why);
	if (status == 0) /* before the lock: it would make a folder */
		status = sb_shelf_look(&c.state, &versions, conf->data_dir, name, &why);
	if (status == 0) {
		snprintf(told->name, sizeof told->name, "%s", name);
		status = lock(&c, name, &why);
	}
	if (status == 0)
		status = choose(&c, name, &to, &why);
	told->to = to;
	if (status == 0)
		status = sb_shelf_open(
			&c.bundle, conf->data_dir, name, to, keys->items, keys->count, &why);
	if (status == 0) {
		name_bundle(&c);
		status = try(&c, &why);
	}
	if (status == 0)
		status = take_over(&c, &why);
	return end(&c, status, &why, error);
}
