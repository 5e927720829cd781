/* SPDX-License-Identifier: MIT */
/* A configuration's quarantine and its hooks; see store.h. */
#include "scan/store.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scan/manager.h"
#include "scan/releases.h"
#include "util/json.h"
#include "util/thread.h"

enum {
	SOME = 16, /* objects at a time: whoever wants to close waits for no more */
	MAX_TEXT = 512,
};
static const uint64_t every = 3600 * 1000 * SB_MS;

struct sb_store {
	sb_quarantine *quarantine;
	const sb_conf *conf;
	sb_clock *clock;
	sb_store_files_options files;
	char *dir;

	pthread_mutex_t audit_lock; /* guards `audit` */
	sb_audit *audit;
	sb_conf *own_conf; /* without a manager: then `audit` is ours, and opened at the first word
			    */

	pthread_t keeper;
	bool has_keeper;
	pthread_mutex_t upkeep_lock; /* guards `ending` */
	pthread_cond_t end;
	bool ending;
};

/* --- Into the audit log ------------------------------------------------------------------------
 */

static void short_text(sb_json *json, const char *key, const char *text, size_t length)
{
	sb_json_text_n(json, key, text, text != NULL ? sb_json_fitting(text, length, MAX_TEXT) : 0);
}

static void short_words(sb_json *json, const char *key, const char *text)
{
	short_text(json, key, text, text != NULL ? strlen(text) : 0);
}

static void file_of(sb_json *json, const sb_quarantine_record *record)
{
	sb_json_text(json, "quarantine_id", record != NULL ? record->id : NULL);
	if (record == NULL || record->time == 0) { /* an object of which only the id is known */
		sb_json_null(json, "file_hash_blake3");
		sb_json_null(json, "file_size");
	} else {
		sb_json_hex(json, "file_hash_blake3", record->blake3, SB_BLAKE3_SIZE);
		sb_json_hex(json, "file_hash_sha256", record->sha256, SB_SHA256_SIZE);
		sb_json_uint(json, "file_size", record->size);
	}
	short_text(json, "path", record != NULL ? record->path : NULL,
		record != NULL ? record->path_length : 0);
	short_text(json, "original_filename", record != NULL ? record->name : NULL,
		record != NULL ? record->name_length : 0);
}

/* An operation of the scan that stored the object names it; those of people name themselves. */
static bool is_of_scan(sb_quarantine_event event)
{
	const char *operation = sb_quarantine_event_operation(event);

	return strcmp(operation, "store") == 0 || strcmp(operation, "remove") == 0;
}

/* A manager's is open already. 0, or -kind. */
static int open_audit(struct sb_store *store, sb_error *error)
{
	int status = 0;

	pthread_mutex_lock(&store->audit_lock);
	if (store->audit == NULL)
		status = sb_manager_open_audit(
			&store->audit, store->conf, store->clock, NULL, error);
	pthread_mutex_unlock(&store->audit_lock);
	return status;
}

static int write_event(void *data, sb_quarantine_event event, const sb_quarantine_record *record,
	const char *reason, const char *detail, sb_error *error)
{
	struct sb_store *store = data;
	const char *phase = sb_quarantine_event_phase(event);
	sb_audit_entry entry = {.event = "quarantine_operation"};
	int status = open_audit(store, error);
	sb_json json;
	sb_buf body;

	if (status < 0)
		return status;
	sb_buf_init(&body, 1 << 16);
	json = sb_json_on(&body);
	sb_json_text(
		&json, "scan_id", record != NULL && is_of_scan(event) ? record->scan_id : NULL);
	file_of(&json, record);
	sb_json_text(&json, "operation", sb_quarantine_event_operation(event));
	sb_json_text(&json, "phase", phase);
	if (strcmp(phase, "failed") == 0 || strcmp(phase, "aborted") == 0)
		sb_json_text(&json, "error", "quarantine_failed");
	short_words(&json, "reason", reason);
	if (detail != NULL)
		short_words(&json, "detail", detail);
	short_words(&json, "tenant_id", record != NULL ? record->tenant : NULL);
	sb_json_uint(&json, "uid", geteuid());
	entry.body = body.data;
	entry.body_length = body.length;
	status = body.failed ? sb_error_no_memory(error)
			     : sb_audit_append(store->audit, &entry, 1, error);
	sb_buf_done(&body);
	return status;
}

/* --- Opening -----------------------------------------------------------------------------------
 */

static int allow(void *data, const sb_quarantine_record *record, const char *reason, bool *added,
	sb_error *error)
{
	struct sb_store *store = data;

	return sb_releases_add(store->conf->data_dir, record, reason, added, error);
}

static void end_store(void *data)
{
	struct sb_store *store = data;

	if (store->own_conf != NULL && store->audit != NULL)
		sb_audit_close(store->audit);
	sb_conf_free(store->own_conf);
	pthread_cond_destroy(&store->end);
	pthread_mutex_destroy(&store->upkeep_lock);
	pthread_mutex_destroy(&store->audit_lock);
	free(store->dir);
	free(store);
}

static sb_quarantine *prepare(struct sb_store *store)
{
	const sb_conf *conf = store->conf;
	sb_quarantine_options options = {.clock = store->clock,
		.retention = conf->quarantine.retention_ms * SB_MS,
		.max_per_hour = conf->quarantine.max_per_hour,
		.roots = conf->quarantine.restore_roots.items,
		.root_count = conf->quarantine.restore_roots.count,
		.allow = allow,
		.closed = end_store,
		.data = store};

	if (store->audit != NULL || (store->own_conf != NULL && conf->audit.enabled))
		options.hooks = (sb_quarantine_hooks){write_event, store};
	if (conf->quarantine.store != NULL)
		return sb_quarantine_prepare(
			conf->quarantine.store, conf->quarantine.store_data, &options);
	return sb_quarantine_prepare(&sb_store_files_ops, &store->files, &options);
}

/* @p own: whether the configuration becomes the store's, which it does only when this succeeds. */
static int make_store(sb_store **out, const sb_conf *conf, sb_conf *own, sb_audit *audit,
	sb_clock *clock, sb_error *error)
{
	struct sb_store *store = calloc(1, sizeof *store);

	if (store == NULL || asprintf(&store->dir, "%s/quarantine", conf->data_dir) < 0) {
		free(store);
		return sb_error_no_memory(error);
	}
	pthread_mutex_init(&store->audit_lock, NULL);
	pthread_mutex_init(&store->upkeep_lock, NULL);
	sb_cond_init(&store->end);
	store->conf = conf;
	store->audit = audit;
	store->clock = clock;
	store->own_conf = own;
	store->files = (sb_store_files_options){.dir = store->dir,
		.key_file = conf->quarantine.key_file,
		.max_size = conf->quarantine.max_size};
	store->quarantine = prepare(store);
	if (store->quarantine == NULL) {
		store->own_conf = NULL;
		end_store(store);
		return sb_error_no_memory(error);
	}
	*out = store;
	return 0;
}

int sb_store_new(
	sb_store **out, const sb_conf *conf, sb_audit *audit, sb_clock *clock, sb_error *error)
{
	return make_store(out, conf, NULL, audit, clock, error);
}

void sb_store_free(sb_store *store)
{
	if (store == NULL)
		return;
	if (store->has_keeper) {
		pthread_mutex_lock(&store->upkeep_lock);
		store->ending = true;
		pthread_cond_signal(&store->end);
		pthread_mutex_unlock(&store->upkeep_lock);
		pthread_join(store->keeper, NULL);
	}
	sb_quarantine_close(store->quarantine); /* which ends the store */
}

sb_store_files_options *sb_store_options(sb_store *store)
{
	return &store->files;
}

sb_quarantine *sb_store_quarantine(sb_store *store)
{
	return store->quarantine;
}

static sb_quarantine_status no_quarantine(sb_error *error)
{
	return sb_quarantine_fail(error, SB_Q_NOT_CONFIGURED, 0,
		"the configuration has no quarantine: quarantine.enabled is false");
}

sb_quarantine_status sb_quarantine_open(
	sb_quarantine **out, const sb_config *config, sb_error *error)
{
	sb_quarantine_status status = SB_Q_OK;
	sb_conf *conf = NULL;
	sb_store *store = NULL;

	if (sb_conf_build(&conf, config, error) < 0)
		return SB_Q_NOT_CONFIGURED;
	if (!conf->quarantine.enabled)
		status = no_quarantine(error);
	else if (make_store(&store, conf, conf, NULL, sb_clock_system(), error) < 0)
		status = SB_Q_INTERNAL;
	if (status == SB_Q_OK)
		*out = store->quarantine;
	else
		sb_conf_free(conf);
	return status;
}

sb_quarantine_status sb_manager_quarantine(
	sb_manager *manager, sb_quarantine **out, sb_error *error)
{
	sb_store *store = sb_manager_store(manager);

	if (store == NULL)
		return no_quarantine(error);
	*out = store->quarantine;
	return SB_Q_OK;
}

/* --- Upkeep ------------------------------------------------------------------------------------
 */

/* True when there may be more. What fails here is said by whoever needs the store. */
static bool purge_some(struct sb_store *store)
{
	uint64_t deleted = 0;

	return sb_quarantine_purge(store->quarantine, SOME, &deleted, NULL) == SB_Q_OK &&
	       deleted == SOME;
}

static void *keep(void *data)
{
	struct sb_store *store = data;
	sb_clock *clock = store->clock;

	pthread_mutex_lock(&store->upkeep_lock);
	while (!store->ending) {
		uint64_t until = sb_clock_now(clock) + every;
		bool more;

		pthread_mutex_unlock(&store->upkeep_lock);
		more = purge_some(store);
		pthread_mutex_lock(&store->upkeep_lock);
		while (!more && !store->ending && sb_clock_now(clock) < until)
			sb_clock_wait(clock, &store->end, &store->upkeep_lock, until);
	}
	pthread_mutex_unlock(&store->upkeep_lock);
	return NULL;
}

int sb_store_keep(sb_store *store, sb_error *error)
{
	int status = sb_thread_start(&store->keeper, "sb-upkeep", keep, store);

	store->has_keeper = status == 0;
	return status == 0 ? 0 : sb_error_set(error, SB_KIND_INTERNAL, status, "start a thread");
}
