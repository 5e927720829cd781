/* SPDX-License-Identifier: MIT */
/*
 * The document against the tables: every section is read in full, then what this build lacks
 * is refused where it stands, and what is off by default is said in a notice.
 */
#include "config/built.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util/hash.h"
#include "util/text.h"

enum {
	CONF_BYTES = 64 << 20,
	MAX_NOTICES = 64,
	MAX_IGNORES = 1000,
	MAX_PASSWORDS = 64,
	PASSWORD_BYTES = 1024,
	MAX_KEYS = 64,
};

int sb_notice(sb_reader *reader, sb_built *built, const char *format, ...)
{
	char text[512];
	const char **notices = (const char **)built->conf.notices;
	va_list args;

	if (built->conf.notice_count == MAX_NOTICES)
		return 0;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	notices[built->conf.notice_count] = sb_arena_text(reader->arena, text);
	if (notices[built->conf.notice_count] == NULL)
		return sb_error_no_memory(reader->error);
	built->conf.notice_count++;
	return 0;
}

/* --- Sections ---------------------------------------------------------------------------- */

static int read_sections(sb_reader *reader, const sb_config *config, sb_built *built)
{
	const char *names[16] = {"engines", "listeners"};
	sb_table table = {sb_top_rows, &built->values};
	char path[32];
	size_t n = 2;
	int rc;

	for (const sb_section *s = sb_sections; s->name != NULL; s++)
		names[n++] = s->name;
	rc = sb_settings_read(reader, config->root, "", &table, 1, names);
	for (const sb_section *s = sb_sections; rc == 0 && s->name != NULL; s++) {
		table.rows = s->rows;
		snprintf(path, sizeof path, "%s", s->name);
		rc = sb_settings_read(
			reader, sb_node_get(config->root, s->name), path, &table, 1, s->others);
	}
	return rc;
}

/* Keys that ask for something of a later build; a value that means off passes. */
static int check_available(sb_reader *reader, const sb_config *config, const sb_values *v)
{
	const struct {
		const char *section, *key;
		bool asked;
		const char *what;
	} rows[] = {
		{NULL, "user", v->user != NULL, "user"},
		{NULL, "isolation", v->isolation == 0 && !sb_worker_available(),
			"isolation: process"},
		{"audit", "sinks", v->audit.sinks.count > 0, "audit.sinks"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const sb_node *map = rows[i].section != NULL
					     ? sb_node_get(config->root, rows[i].section)
					     : config->root;
		const sb_node *node = sb_node_get(map, rows[i].key);
		if (rows[i].asked && node != NULL)
			return sb_node_error(reader->error, node,
				"%s is not available in this build", rows[i].what);
	}
	return 0;
}

/* A strategy that no number of hits could ever satisfy would never say infected. */
static int check_strategy(sb_reader *reader, const sb_config *config, sb_built *built)
{
	const sb_node *map = sb_node_get(config->root, "decision");
	const sb_values *v = &built->values;
	double weight = 0;
	int64_t voters = 0;
	bool veto = false;

	for (size_t i = 0; i < built->conf.engine_count; i++) {
		const sb_engine_conf *engine = &built->conf.engines[i];
		if (engine->role == SB_ROLE_SHADOW)
			continue;
		voters++;
		weight += engine->weight;
		veto = veto || engine->veto;
	}
	if (v->decision.strategy == SB_STRATEGY_QUORUM && v->decision.quorum == 0)
		return sb_node_error(reader->error, sb_node_get(map, "strategy"),
			"decision.strategy: quorum needs a number: quorum: 2");
	if (v->decision.strategy == SB_STRATEGY_WEIGHTED && v->decision.threshold <= 0)
		return sb_node_error(reader->error, sb_node_get(map, "strategy"),
			"decision.strategy: weighted needs a weight: threshold: 2.0");
	if (v->decision.strategy == SB_STRATEGY_QUORUM && voters < v->decision.quorum && !veto)
		return sb_node_error(reader->error, sb_node_get(map, "quorum"),
			"decision.quorum: %lld hits are needed, and the engines that decide are "
			"%lld: nothing "
			"would ever be infected",
			(long long)v->decision.quorum, (long long)voters);
	if (v->decision.strategy == SB_STRATEGY_WEIGHTED && weight < v->decision.threshold && !veto)
		return sb_node_error(reader->error, sb_node_get(map, "threshold"),
			"decision.threshold: %.6g is needed, but the engines that decide weigh "
			"%.6g "
			"together: nothing would ever be infected",
			v->decision.threshold, weight);
	return 0;
}

/* Where there is a sandboxed worker, it is the default. */
static int choose_isolation(sb_reader *reader, const sb_config *config, sb_built *built)
{
	(void)reader;
	if (sb_node_get(config->root, "isolation") == NULL)
		built->values.isolation = sb_worker_available() ? 0 : 1;
	return 0;
}

/* Passwords as engines get them, and limits that fit together. */
static int read_containers(sb_reader *reader, const sb_config *config, sb_built *built)
{
	const sb_node *map = sb_node_get(config->root, "containers");
	const sb_node *node = sb_node_get(map, "passwords");
	const sb_texts *passwords = &built->values.containers.passwords;
	const char **items;

	if (passwords->count > MAX_PASSWORDS)
		return sb_node_error(reader->error, node,
			"containers.passwords: more than %d passwords", MAX_PASSWORDS);
	for (size_t i = 0; i < passwords->count; i++)
		if (passwords->items[i][0] == '\0' || strlen(passwords->items[i]) > PASSWORD_BYTES)
			return sb_node_error(reader->error, node,
				"containers.passwords: number %zu has not 1 to %d bytes", i + 1,
				PASSWORD_BYTES);
	if (built->values.containers.max_member > built->values.containers.max_memory)
		return sb_node_error(reader->error, map,
			"containers: max_member is larger than max_memory, so that the largest "
			"members would find no room");
	items = sb_arena_zalloc(reader->arena, (passwords->count + 1) * sizeof *items);
	if (items == NULL)
		return sb_error_no_memory(reader->error);
	for (size_t i = 0; i < passwords->count; i++)
		items[i] = passwords->items[i];
	built->conf.containers.passwords = items;
	return 0;
}

static int check_rules(sb_reader *reader, const sb_config *config, sb_built *built)
{
	const sb_node *map = sb_node_get(config->root, "rules");

	if (built->values.rules.trusted_keys.count > MAX_KEYS)
		return sb_node_error(reader->error, sb_node_get(map, "trusted_keys"),
			"rules.trusted_keys: more than %d files", MAX_KEYS);
	return 0;
}

static int read_listener(sb_reader *reader, const sb_node *node)
{
	static const char *const others[] = {"tls", "auth", NULL};
	static const sb_setting tls[] = {{.key = "cert", .type = SB_SETTING_PATH, .required = true},
		{.key = "key", .type = SB_SETTING_PATH, .required = true},
		{.key = "client_ca", .type = SB_SETTING_PATH}, {.key = NULL}};
	static const sb_setting auth[] = {
		{.key = "tokens_file", .type = SB_SETTING_PATH, .required = true}, {.key = NULL}};
	_Alignas(max_align_t) char scratch[SB_SCRATCH] = {0};
	sb_table table = {sb_listener_rows, scratch};
	int rc = sb_settings_read(reader, node, "listeners", &table, 1, others);

	table.rows = tls;
	if (rc == 0 && sb_node_get(node, "tls") != NULL)
		rc = sb_settings_read(reader, sb_node_get(node, "tls"), "tls", &table, 1, NULL);
	table.rows = auth;
	if (rc == 0 && sb_node_get(node, "auth") != NULL)
		rc = sb_settings_read(reader, sb_node_get(node, "auth"), "auth", &table, 1, NULL);
	return rc;
}

static int read_listeners(sb_reader *reader, const sb_config *config)
{
	const sb_node *list = sb_node_get(config->root, "listeners");
	int rc = 0;

	if (list == NULL)
		return 0;
	if (list->type != SB_NODE_LIST)
		return sb_node_error(reader->error, list, "listeners: a list expected");
	for (const sb_node *node = list->first; rc == 0 && node != NULL; node = node->next)
		rc = read_listener(reader, node);
	return rc != 0 || list->count == 0
		       ? rc
		       : sb_node_error(reader->error, list->first,
				 "listeners are not available in this build; write listeners: []");
}

static int read_hashes(sb_reader *reader, const sb_config *config, sb_built *built)
{
	const sb_node *node = sb_node_get(config->root, "hashes");
	char shown[SB_SHOWN];

	for (size_t i = 0; i < built->values.hashes.count; i++) {
		const char *name = built->values.hashes.items[i];
		if (strcmp(name, "sha256") == 0)
			built->conf.hash_sha256 = true;
		else if (strcmp(name, "md5") == 0)
			built->conf.hash_md5 = true;
		else if (strcmp(name, "blake3") != 0)
			return sb_node_error(reader->error, node,
				"hashes: \"%s\" is unknown; possible: blake3, sha256, md5",
				sb_shown(shown, name));
	}
	return 0;
}

/* --- decision.ignore --------------------------------------------------------------------- */

static int read_ignore(sb_reader *reader, const sb_node *node, sb_built *built, sb_ignore *out,
	sb_ignore_values *v)
{
	sb_table table = {sb_ignore_rows, v};
	char shown[SB_SHOWN];
	int rc = sb_settings_read(reader, node, "decision.ignore", &table, 1, NULL);

	if (rc != 0)
		return rc;
	if (!sb_parse_time(v->until, &out->until, NULL))
		return sb_node_error(reader->error, sb_node_get(node, "until"),
			"until: \"%s\" is not a date (YYYY-MM-DD or RFC 3339)",
			sb_shown(shown, v->until));
	out->engine = v->engine;
	out->threat = v->threat;
	out->reason = v->reason;
	if ((time_t)out->until <= time(NULL))
		return sb_notice(reader, built, "decision.ignore: %s has expired",
			sb_shown(shown, v->threat));
	return 0;
}

static int read_ignores(sb_reader *reader, const sb_config *config, sb_built *built)
{
	const sb_node *list = sb_node_get(sb_node_get(config->root, "decision"), "ignore");
	sb_ignore *ignores;
	size_t n = 0;
	int rc = 0;

	if (list == NULL)
		return 0;
	if (list->type != SB_NODE_LIST || list->count > MAX_IGNORES)
		return sb_node_error(reader->error, list,
			"decision.ignore: a list of up to 1000 entries expected");
	ignores = sb_arena_zalloc(reader->arena, (list->count + 1) * sizeof *ignores);
	built->ignores = sb_arena_zalloc(reader->arena, (list->count + 1) * sizeof *built->ignores);
	if (ignores == NULL || built->ignores == NULL)
		return sb_error_no_memory(reader->error);
	for (const sb_node *node = list->first; rc == 0 && node != NULL; node = node->next, n++)
		rc = read_ignore(reader, node, built, &ignores[n], &built->ignores[n]);
	built->conf.decision.ignores = ignores;
	built->conf.decision.ignore_count = n;
	return rc;
}

/* --- Putting it together ----------------------------------------------------------------- */

static int data_dir(sb_reader *reader, sb_values *v)
{
	const char *xdg = secure_getenv("XDG_DATA_HOME"), *home = secure_getenv("HOME");

	if (v->data_dir != NULL)
		return 0;
	if (geteuid() == 0)
		v->data_dir = "/var/lib/scanbridge";
	else if (xdg != NULL && xdg[0] == '/')
		v->data_dir = sb_path_below(reader->arena, xdg, "scanbridge");
	else if (home != NULL && home[0] == '/')
		v->data_dir = sb_path_below(reader->arena, home, ".local/share/scanbridge");
	else /* a guessable place in /tmp would be anybody's */
		return sb_error_set(reader->error, SB_KIND_NOT_CONFIGURED, 0,
			"no place for data: HOME is not set; give data_dir or --data-dir");
	return v->data_dir != NULL ? 0 : sb_error_no_memory(reader->error);
}

static int fill(sb_reader *reader, const sb_config *config, sb_built *built)
{
	sb_values *v = &built->values;
	sb_conf *conf = &built->conf;

	conf->data_dir = v->data_dir;
	conf->isolation_process = v->isolation == 0;
	conf->limits.max_size = v->limits.max_size;
	conf->limits.timeout_ms = v->limits.timeout;
	conf->limits.spool_memory = v->limits.spool_memory;
	conf->limits.spool_disk = v->limits.spool_disk;
	conf->limits.max_in_flight = (unsigned)v->limits.max_in_flight;
	conf->limits.copy_unpinned = v->limits.copy_unpinned;
	conf->containers.limits = (sb_container_limits){
		.max_depth = (unsigned)v->containers.max_depth,
		.max_members = (uint64_t)v->containers.max_members,
		.max_bytes = v->containers.max_size,
		.max_member = v->containers.max_member,
		.max_memory = v->containers.max_memory,
		.max_ratio = (unsigned)v->containers.max_ratio,
	};
	conf->mime_always = v->mime == 1;
	conf->early_decision = v->decision.early_decision;
	conf->next_tier = (sb_next_tier)v->decision.next_tier;
	conf->decision.strategy = (sb_strategy)v->decision.strategy;
	conf->decision.quorum = (unsigned)v->decision.quorum;
	conf->decision.threshold = v->decision.threshold;
	conf->decision.min_engines = (unsigned)v->decision.min_engines;
	conf->decision.min_assurance = (sb_assurance)v->decision.min_assurance;
	conf->cache.enabled = v->cache.enabled;
	conf->cache.persistent = v->cache.persistent;
	conf->cache.memory = v->cache.memory;
	conf->cache.ttl_ms = v->cache.ttl;
	conf->audit.enabled = v->audit.enabled;
	conf->audit.failure_allows = v->audit.on_failure == 1;
	conf->audit.sync = (sb_audit_sync)v->audit.sync;
	conf->audit.reserve = v->audit.reserve;
	conf->audit.file = sb_path_below(reader->arena, v->data_dir, v->audit.file);
	conf->quarantine.enabled = v->quarantine.enabled;
	conf->quarantine.remove_original = v->quarantine.remove_original;
	conf->quarantine.key_file = v->quarantine.key_file;
	conf->quarantine.retention_ms = v->quarantine.retention;
	conf->quarantine.max_size = v->quarantine.max_size;
	conf->quarantine.max_per_hour = (uint64_t)v->quarantine.max_per_hour;
	conf->quarantine.restore_roots = (sb_texts_list){
		v->quarantine.restore_roots.items, v->quarantine.restore_roots.count};
	conf->quarantine.store = config->store;
	conf->quarantine.store_data = config->store_data;
	conf->rules.trusted_keys =
		(sb_texts_list){v->rules.trusted_keys.items, v->rules.trusted_keys.count};
	conf->rules.benign = (sb_texts_list){v->rules.benign.items, v->rules.benign.count};
	conf->origin = config->file != NULL ? sb_arena_text(reader->arena, config->file) : NULL;
	return conf->audit.file != NULL ? 0 : sb_error_no_memory(reader->error);
}

/* The text's digest, and the end of the text. */
static int digest_text(sb_reader *reader, sb_buf *text, uint8_t out[SB_BLAKE3_SIZE])
{
	bool failed = text->failed;

	if (!failed)
		sb_blake3_memory(text->data, text->length, out);
	sb_buf_done(text);
	return failed ? sb_error_no_memory(reader->error) : 0;
}

/* A path that was given: what it leads to may be another thing by now. */
static bool names_files(const sb_setting *rows, const void *base)
{
	for (const sb_setting *row = rows; row != NULL && row->key != NULL; row++) {
		const char *at = (const char *)base + row->offset;

		if ((row->type == SB_SETTING_PATH &&
			    *(const char *const *)(const void *)at != NULL) ||
			(row->type == SB_SETTING_PATHS &&
				((const sb_texts *)(const void *)at)->count > 0) ||
			names_files(row->rows, base))
			return true;
	}
	return false;
}

static bool has_secrets(const sb_setting *rows)
{
	for (const sb_setting *row = rows; row != NULL && row->key != NULL; row++)
		if (!row->operational && (row->secret || has_secrets(row->rows)))
			return true;
	return false;
}

static int digest(sb_reader *reader, sb_built *built)
{
	sb_conf *conf = &built->conf;
	sb_buf text;
	int rc;

	sb_buf_init(&text, CONF_BYTES);
	sb_show_write(&text, built, false);
	rc = digest_text(reader, &text, conf->digest);
	sb_buf_init(&text, CONF_BYTES);
	sb_show_rulebook(&text, built);
	if (digest_text(reader, &text, conf->rules_digest) != 0)
		rc = -1;
	for (size_t i = 0; rc == 0 && i < conf->engine_count; i++) {
		sb_buf_init(&text, CONF_BYTES);
		sb_show_judging(&text, &conf->engines[i]);
		rc = digest_text(reader, &text, conf->engines[i].judging);
		conf->engines[i].judges_by_secrets = has_secrets(conf->engines[i].ops->settings);
		conf->engines[i].names_files =
			names_files(conf->engines[i].ops->settings, conf->engines[i].settings);
		if (rc != 0)
			break;
		sb_buf_init(&text, CONF_BYTES);
		sb_show_engine(&text, &conf->engines[i], &built->engines[i], false);
		rc = digest_text(reader, &text, conf->engines[i].digest);
	}
	return rc;
}

static int build(sb_reader *reader, const sb_config *config, sb_built *built)
{
	int (*const steps[])(sb_reader *, const sb_config *, sb_built *) = {read_sections,
		choose_isolation, check_rules, read_hashes, read_containers, read_ignores,
		sb_build_engines, check_strategy, sb_build_policy};
	int rc = 0;

	built->conf.notices = sb_arena_zalloc(reader->arena, MAX_NOTICES * sizeof(char *));
	if (built->conf.notices == NULL)
		return sb_error_no_memory(reader->error);
	for (size_t i = 0; rc == 0 && i < sizeof steps / sizeof steps[0]; i++)
		rc = steps[i](reader, config, built);
	if (rc == 0)
		rc = check_available(reader, config, &built->values);
	if (rc == 0)
		rc = read_listeners(reader, config);
	if (rc == 0)
		rc = data_dir(reader, &built->values);
	if (rc == 0)
		rc = sb_build_releases(reader, built->values.data_dir, built);
	if (rc == 0)
		built->conf.policy_asks = sb_policy_asks(built->conf.policy);
	if (rc == 0)
		rc = fill(reader, config, built);
	return rc == 0 ? digest(reader, built) : rc;
}

int sb_build(sb_built **out, const sb_config *config, sb_error *error)
{
	sb_built *built = calloc(1, sizeof *built);
	sb_error local;
	sb_reader reader = {.error = &local};

	sb_error_init(&local);
	if (built == NULL)
		return sb_error_no_memory(error);
	sb_arena_init(&built->arena, CONF_BYTES);
	atomic_init(&built->conf.references, 1);
	built->conf.arena = reader.arena = &built->arena;
	if (build(&reader, config, built) == 0) {
		*out = built;
		return 0;
	}
	sb_conf_free(&built->conf);
	sb_error_copy(error, &local);
	return -(int)local.kind;
}

int sb_conf_build(sb_conf **out, const sb_config *config, sb_error *error)
{
	sb_built *built;
	int rc = sb_build(&built, config, error);

	if (rc == 0)
		*out = &built->conf;
	return rc;
}

sb_conf *sb_conf_ref(sb_conf *conf)
{
	atomic_fetch_add_explicit(&conf->references, 1, memory_order_relaxed);
	return conf;
}

void sb_conf_free(sb_conf *conf)
{
	if (conf == NULL ||
		atomic_fetch_sub_explicit(&conf->references, 1, memory_order_acq_rel) != 1)
		return;
	sb_arena_done(conf->arena);
	free(conf); /* the first member of what was allocated */
}
