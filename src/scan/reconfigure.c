/* SPDX-License-Identifier: MIT */
/*
 * Another configuration takes over: a site is made beside the one that judges, shows itself, and
 * replaces it by one pointer. Until then nothing has changed, and what fails leaves no trace but
 * its record.
 *
 * An engine goes on as it is when nothing that is said of it has changed, nor what it is told of
 * the configuration as a whole. Where it names rules, lists or other files, a fresh one is opened
 * beside it to see whether they are still the same, and takes its place if not: the one that has
 * shown itself is the one that judges.
 */
#include <stdlib.h>
#include <string.h>

#include "scan/canary.h"
#include "scan/check.h"
#include "scan/manager_body.h"
#include "util/json.h"
#include "util/text.h"

typedef struct making {
	sb_manager *manager;
	sb_site *old, *site;
	size_t kept;
} making;

/* --- As they were? -----------------------------------------------------------------------------
 */

static bool same_texts(const sb_texts *a, const sb_texts *b)
{
	bool same = a->count == b->count;

	for (size_t i = 0; same && i < a->count; i++)
		same = strcmp(a->items[i], b->items[i]) == 0;
	return same;
}

static bool same_passwords(const char *const *a, const char *const *b)
{
	while (*a != NULL && *b != NULL && strcmp(*a, *b) == 0) {
		a++;
		b++;
	}
	return *a == NULL && *b == NULL;
}

/* What an engine is told beside its own settings. */
static bool same_surroundings(const sb_conf *a, const sb_conf *b)
{
	const sb_container_limits *x = &a->containers.limits, *y = &b->containers.limits;
	const sb_texts keys[] = {{a->rules.trusted_keys.items, a->rules.trusted_keys.count},
		{b->rules.trusted_keys.items, b->rules.trusted_keys.count}};

	return x->max_depth == y->max_depth && x->max_members == y->max_members &&
	       x->max_bytes == y->max_bytes && x->max_member == y->max_member &&
	       x->max_memory == y->max_memory && x->max_ratio == y->max_ratio &&
	       same_passwords(a->containers.passwords, b->containers.passwords) &&
	       a->limits.max_size == b->limits.max_size &&
	       sb_conf_wants_mime(a) == sb_conf_wants_mime(b) && same_texts(&keys[0], &keys[1]);
}

/* The engine that may go on; NULL: there is none. */
static sb_engine *as_it_was(const making *m, const sb_engine_conf *conf)
{
	sb_engine *old = sb_site_named(m->old, conf->name);

	if (old == NULL || old->ops != conf->ops ||
		memcmp(old->conf->digest, conf->digest, sizeof conf->digest) != 0 ||
		!same_surroundings(old->whole, m->site->conf))
		return NULL;
	return old;
}

static bool same_identity(sb_engine *a, sb_engine *b)
{
	enum { PATIENCE_MS = 5000 };
	sb_identity x, y;

	return a->ops->identity != NULL && sb_engine_ask(a, PATIENCE_MS, &x, NULL) == 0 &&
	       sb_engine_ask(b, PATIENCE_MS, &y, NULL) == 0 && x.exactness == SB_EXACT_FULL &&
	       y.exactness == SB_EXACT_FULL && strcmp(x.engine_version, y.engine_version) == 0 &&
	       strcmp(x.signature_version, y.signature_version) == 0;
}

/* --- One engine --------------------------------------------------------------------------------
 */

/* In the place of the last engine of the new site. */
static void go_on(making *m, sb_engine *old)
{
	sb_engine *fresh = m->site->engines[--m->site->engine_count];

	sb_site_share_engine(m->site, old);
	sb_engine_unref(fresh);
	m->kept++;
}

static int add_engine(making *m, const sb_engine_conf *conf, sb_error *error)
{
	sb_engine *old = as_it_was(m, conf), *fresh;
	int status;

	if (old != NULL && conf->ops->reload == NULL && !conf->names_files &&
		old->broken.kind == SB_KIND_NONE) {
		sb_site_share_engine(m->site, old);
		m->kept++;
		return 0;
	}
	status = sb_site_open_engine(m->site, conf, error);
	if (status < 0)
		return status;
	fresh = m->site->engines[m->site->engine_count - 1];
	if (old != NULL && old->broken.kind != SB_KIND_NONE && fresh->broken.kind != SB_KIND_NONE) {
		go_on(m, old); /* out of service, as before */
		return 0;
	}
	if (old != NULL && fresh->broken.kind == SB_KIND_NONE && old->broken.kind == SB_KIND_NONE &&
		same_identity(old, fresh)) {
		go_on(m, old);
		return 0;
	}
	return sb_canary_engine(fresh, m->site->conf, error);
}

static int make(making *m, sb_conf *conf, sb_error *error)
{
	int status = sb_conf_fixed(m->manager->conf, conf, error);

	if (status < 0)
		return status;
	m->site = sb_site_new(m->manager, conf);
	if (m->site == NULL)
		return sb_error_no_memory(error);
	sb_manager_make_generation_key(m->manager, conf);
	for (size_t i = 0; status == 0 && i < conf->engine_count; i++)
		status = add_engine(m, &conf->engines[i], error);
	if (status == 0)
		sb_check_load(m->site);
	return status;
}

/* --- On record ---------------------------------------------------------------------------------
 */

static void put_count(sb_json *json, const making *m, const sb_error *failure)
{
	sb_json_uint(json, "engines", m->site != NULL ? m->site->engine_count : 0);
	sb_json_uint(json, "engines_kept", m->kept);
	sb_json_text(json, "error", failure != NULL ? sb_kind_name(failure->kind) : NULL);
	if (failure != NULL)
		sb_json_text_n(json, "message", failure->message,
			sb_json_fitting(failure->message, strlen(failure->message), 512));
}

/* @p failure: why all stays as it was; NULL: it does not. */
static int record(const making *m, const char *origin, const sb_conf *conf, const sb_error *failure,
	sb_error *error)
{
	sb_audit_entry entry = {.event = "config_loaded"};
	const sb_conf *from = m->old->conf;
	sb_json json;
	sb_buf body;
	int status;

	if (m->manager->audit == NULL)
		return 0;
	sb_buf_init(&body, 1 << 14);
	json = sb_json_on(&body);
	sb_json_text(&json, "what", "reload");
	sb_json_text(&json, "file", conf != NULL ? conf->origin : origin);
	sb_json_hex(&json, "from", from->digest, sizeof from->digest);
	if (conf != NULL)
		sb_json_hex(&json, "to", conf->digest, sizeof conf->digest);
	else
		sb_json_null(&json, "to");
	put_count(&json, m, failure);
	entry.body = body.data;
	entry.body_length = body.length;
	status = body.failed ? sb_error_no_memory(error)
			     : sb_audit_append(m->manager->audit, &entry, 1, error);
	sb_buf_done(&body);
	return status;
}

/* --- Taking over -------------------------------------------------------------------------------
 */

static void take_over(making *m)
{
	sb_manager *manager = m->manager;
	sb_site *old;

	pthread_mutex_lock(&manager->site_lock);
	old = manager->site; /* and its reference */
	manager->site = sb_site_ref(m->site);
	pthread_mutex_unlock(&manager->site_lock);
	for (size_t i = 0; i < old->engine_count; i++)
		if (!sb_site_has(m->site, old->engines[i]))
			sb_tester_end(old->engines[i]);
	for (size_t i = 0; i < m->site->engine_count; i++)
		sb_tester_begin(m->site->engines[i]);
	sb_site_unref(old);
}

static int reconfigure(sb_manager *manager, const void *what, sb_error *error)
{
	const sb_config *config = what;
	making m = {.manager = manager, .old = sb_site_now(manager)};
	sb_conf *conf = NULL;
	int status = sb_conf_build(&conf, config, error);

	if (status == 0)
		status = make(&m, conf, error);
	if (status < 0)
		(void)record(&m, NULL, conf, error, NULL);
	else
		status = record(&m, NULL, conf, NULL, error);
	if (status == 0)
		take_over(&m);
	sb_site_unref(m.site);
	sb_site_unref(m.old);
	sb_conf_free(conf);
	return status;
}

int sb_manager_reconfigure(sb_manager *manager, const sb_config *config, sb_error *error)
{
	return sb_manager_change(manager, reconfigure, config, error);
}

void sb_manager_refuse(sb_manager *manager, const char *origin, const sb_error *why)
{
	making m = {.manager = manager, .old = sb_site_now(manager)};

	(void)record(&m, origin, NULL, why, NULL);
	sb_site_unref(m.old);
}

void sb_manager_digest(const sb_manager *manager, uint8_t out[SB_BLAKE3_SIZE])
{
	sb_site *site = sb_site_now(manager);

	memcpy(out, site->conf->digest, SB_BLAKE3_SIZE);
	sb_site_unref(site);
}
