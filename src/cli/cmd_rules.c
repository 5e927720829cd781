/* SPDX-License-Identifier: MIT */
/* `rules list`, `rules import`, `rules rollback`: the bundles of the data directory. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/log.h"
#include "cli/open.h"
#include "cli/settings.h"
#include "scan/rule_bundles.h"
#include "util/json.h"
#include "util/text.h"

#define AT(member) offsetof(sb_rules_settings, member)

const sb_option sb_rules_list_options[] = {
	{"json", 0, SB_OPTION_YES, NULL, AT(json), "one bundle a line, as JSON"},
	{NULL},
};

const sb_option sb_rules_import_options[] = {
	{"benign", 0, SB_OPTION_LIST, "PATH", AT(benign),
		"a file or folder that the rules must not flag, beside those of the configuration "
		"(repeatable)"},
	{NULL},
};

const sb_option sb_rules_rollback_options[] = {
	{"to", 0, SB_OPTION_NUMBER, "VERSION", AT(version),
		"a version that is kept (default: the highest below the one in use)"},
	{"reason", 0, SB_OPTION_TEXT, "TEXT", AT(reason), "why, for the audit log"},
	{NULL},
};

static sb_conf *open_conf(const sb_globals *globals)
{
	sb_config *config = sb_cli_config(globals);
	sb_conf *conf = config != NULL ? sb_cli_conf(config) : NULL;

	sb_config_free(config);
	return conf;
}

/* Refused, or not even tried. */
static int told(const sb_error *error)
{
	static const sb_kind refused[] = {SB_KIND_NOT_CONFIGURED, SB_KIND_UNSUPPORTED,
		SB_KIND_AUTHENTICATION_FAILED, SB_KIND_ENGINE_UNAVAILABLE, SB_KIND_ENGINE_CRASHED,
		SB_KIND_TIMEOUT, SB_KIND_CORRUPT};

	sb_log_error(error);
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		if (error->kind == refused[i])
			return SB_EXIT_FOUND;
	return SB_EXIT_FAILED;
}

/* --- Changing --------------------------------------------------------------------------------- */

static int say_change(const sb_rules_change *change)
{
	char from[24] = "none";

	if (change->from > 0)
		snprintf(from, sizeof from, "%" PRIu64, change->from);
	printf("%s: %s -> %" PRIu64 ", %" PRIu64 " files, %" PRIu64 " samples found, %" PRIu64
	       " benign files passed, key %.16s\n",
		change->name, from, change->to, change->files, change->samples, change->benign,
		change->key_id);
	return sb_cli_flushed(SB_EXIT_OK);
}

/* A list that ends with NULL; NULL: no memory. */
static const char **ended(const sb_words *words)
{
	const char **list = calloc(words->count + 1, sizeof *list);

	for (size_t i = 0; list != NULL && i < words->count; i++)
		list[i] = words->items[i];
	return list;
}

int sb_cmd_rules_import(const sb_globals *globals, const void *data, char **words, size_t count)
{
	const sb_rules_settings *s = data;
	sb_conf *conf = open_conf(globals);
	const char **benign = ended(&s->benign);
	int status = SB_EXIT_FAILED;
	sb_rules_change change;
	sb_error error;

	(void)count;
	sb_error_init(&error);
	if (conf != NULL && benign != NULL)
		status = sb_rules_import(conf, words[0], benign, &change, &error) == 0
				 ? say_change(&change)
				 : told(&error);
	free(benign);
	sb_conf_free(conf);
	return status;
}

int sb_cmd_rules_rollback(const sb_globals *globals, const void *data, char **words, size_t count)
{
	const sb_rules_settings *s = data;
	sb_conf *conf = open_conf(globals);
	int status = SB_EXIT_FAILED;
	sb_rules_change change;
	sb_error error;

	(void)count;
	sb_error_init(&error);
	if (conf != NULL)
		status = sb_rules_rollback(
				 conf, words[0], s->version, s->reason, &change, &error) == 0
				 ? say_change(&change)
				 : told(&error);
	sb_conf_free(conf);
	return status;
}

/* --- Listing ---------------------------------------------------------------------------------- */

typedef struct line {
	const char *name;
	sb_shelf_state state;
	sb_shelf_versions versions;
	sb_shelved current;
	sb_error error; /* kind NONE: the one in use is good */
} line;

static void look(line *out, const sb_conf *conf, const char *name)
{
	const sb_texts_list *keys = &conf->rules.trusted_keys;

	*out = (line){.name = name};
	sb_error_init(&out->error);
	if (sb_shelf_look(&out->state, &out->versions, conf->data_dir, name, &out->error) == 0)
		(void)sb_shelf_open(&out->current, conf->data_dir, name, 0, keys->items,
			keys->count, &out->error);
}

static void put_json(sb_buf *out, const line *l)
{
	sb_json json = sb_json_on(out);
	bool good = l->current.bytes != NULL;
	char created[SB_TIME_SIZE];

	sb_json_object(&json, NULL);
	sb_json_text(&json, "name", l->name);
	sb_json_uint(&json, "version", l->state.current);
	sb_json_uint(&json, "highest", l->state.highest);
	sb_json_array(&json, "kept");
	for (size_t i = 0; i < l->versions.count; i++)
		sb_json_uint(&json, NULL, l->versions.list[i]);
	sb_json_end_array(&json);
	if (good) {
		sb_format_time(created, l->current.pack.created * 1000000000);
		sb_json_text(&json, "created", created);
		sb_json_hex(&json, "key_id", l->current.head.key_id, SB_PACK_KEY_ID);
		sb_json_uint(&json, "files", l->current.pack.files);
	}
	sb_json_text(&json, "error", good ? NULL : sb_kind_name(l->error.kind));
	sb_json_text(&json, "message", good ? NULL : l->error.message);
	sb_json_end_object(&json);
	sb_buf_char(out, '\n');
}

/* `NAME  version 7 of 2026-11-22…, 12 files, key 0123…; kept: 4 5 6 7` */
static void put_line(sb_buf *out, const line *l)
{
	char created[SB_TIME_SIZE], key[17];

	sb_buf_printf(out, "%s  ", l->name);
	if (l->current.bytes != NULL) {
		sb_format_time(created, l->current.pack.created * 1000000000);
		sb_hex(key, l->current.head.key_id, 8);
		sb_buf_printf(out, "version %" PRIu64 " of %.10s, %u files, key %s",
			l->state.current, created, l->current.pack.files, key);
	} else {
		sb_buf_text(out, sb_kind_name(l->error.kind));
		sb_buf_text(out, ": ");
		sb_escape(out, l->error.message, strlen(l->error.message));
	}
	sb_buf_text(out, l->versions.count > 0 ? "; kept:" : "");
	for (size_t i = 0; i < l->versions.count; i++)
		sb_buf_printf(out, " %" PRIu64, l->versions.list[i]);
	sb_buf_char(out, '\n');
}

int sb_cmd_rules_list(const sb_globals *globals, const void *data, char **words, size_t count)
{
	const sb_rules_settings *s = data;
	sb_conf *conf = open_conf(globals);
	char **names = NULL;
	size_t n = 0;
	sb_error error;
	sb_buf text;
	int status;

	(void)words;
	(void)count;
	sb_error_init(&error);
	if (conf == NULL)
		return SB_EXIT_FAILED;
	sb_buf_init(&text, 16 << 20);
	status = sb_shelf_names(&names, &n, conf->data_dir, &error);
	if (status < 0)
		sb_log_error(&error);
	for (size_t i = 0; i < n; i++) {
		line l;

		look(&l, conf, names[i]);
		(s->json != 0 ? put_json : put_line)(&text, &l);
		sb_shelf_done(&l.current);
		free(names[i]);
	}
	free(names);
	sb_conf_free(conf);
	return sb_cli_print(&text) != SB_EXIT_OK || status < 0 ? SB_EXIT_FAILED : SB_EXIT_OK;
}
