/* SPDX-License-Identifier: MIT */
/* The engines section: common keys by our table, the type's own by the table of its ops. */
#include "config/built.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "engines/engines.h"
#include "util/io.h"

enum { MAX_ENGINES = 64, MAX_TYPES = 96 };

bool sb_worker_available(void)
{
	return sb_engine_find("yara") != NULL;
}

static const sb_engine_ops *find_type(const sb_config *config, const char *type)
{
	for (size_t i = 0; i < config->type_count; i++)
		if (strcmp(config->types[i]->name, type) == 0)
			return config->types[i];
	return sb_engine_find(type);
}

/* A type nobody knows, or one that this build lacks: its keys are still checked. */
static int refuse_type(
	sb_reader *reader, const sb_config *config, const sb_node *node, const sb_node *type)
{
	static const char *const others[] = {"retry", "breaker", "quota", "on_open", NULL};
	const char *names[MAX_TYPES + 1];
	char shown[SB_SHOWN], tail[SB_SHOWN];
	sb_engine_values values = {0};
	_Alignas(max_align_t) char own[SB_SCRATCH] = {0};
	sb_table tables[] = {{sb_engine_rows, &values}, {sb_absent_engine_rows(type->text), own}};
	size_t n = 0;
	int rc;

	for (size_t i = 0; sb_absent_engines[i] != NULL; i++) {
		names[n++] = sb_absent_engines[i];
		if (strcmp(type->text, sb_absent_engines[i]) != 0)
			continue;
		rc = tables[1].rows != NULL
			     ? sb_settings_read(reader, node, "engines", tables, 2, others)
			     : 0;
		return rc != 0 ? rc
			       : sb_node_error(reader->error, type,
					 "the engine type %s is not available in this build",
					 type->text);
	}
	for (size_t i = 0; sb_builtin_engines[i] != NULL && n < MAX_TYPES; i++)
		names[n++] = sb_builtin_engines[i]->name;
	for (size_t i = 0; i < config->type_count && n < MAX_TYPES; i++)
		names[n++] = config->types[i]->name;
	names[n] = NULL;
	return sb_node_error(reader->error, type, "engine type \"%s\" is unknown%s",
		sb_shown(shown, type->text), sb_did_you_mean(tail, type->text, names));
}

static int check_name(sb_reader *reader, const sb_node *node, const sb_built *built, size_t count)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	const char *name = built->engines[count].name;
	size_t length = strlen(name);
	char shown[SB_SHOWN];

	if (length < 1 || length > 63 || strspn(name, allowed) != length)
		return sb_node_error(reader->error, sb_node_get(node, "name"),
			"engine name \"%s\": 1 to 63 of A-Z a-z 0-9 . _ - expected",
			sb_shown(shown, name));
	for (size_t i = 0; i < count; i++)
		if (strcmp(built->engines[i].name, name) == 0)
			return sb_node_error(reader->error, sb_node_get(node, "name"),
				"duplicate engine name \"%s\"", name);
	return 0;
}

/* Defaults that depend on the type. */
static void type_defaults(const sb_node *node, const sb_engine_ops *ops, sb_engine_values *values)
{
	bool list = (ops->flags & SB_ENGINE_HASH_LIST) != 0;

	if (list && sb_node_get(node, "role") == NULL)
		values->role = SB_ROLE_OPTIONAL;
	/* What says clean to all that is too large for it. */
	if ((strcmp(ops->name, "clamd") == 0 || strcmp(ops->name, "icap") == 0) &&
		sb_node_get(node, "max_size") == NULL)
		values->max_size = 25u << 20;
	if (sb_node_get(node, "self_test") != NULL)
		return;
	if (list || strcmp(ops->name, "mock") == 0)
		values->self_test = "off";
	/* What nobody knows proves nothing there, and every question costs quota. */
	if (strcmp(ops->name, "virustotal") == 0)
		values->self_test = "builtin";
	/* Rules of one's own need not know EICAR. */
	if (strcmp(ops->name, "yara") == 0 &&
		(sb_node_get(node, "rules") != NULL || sb_node_get(node, "bundles") != NULL))
		values->self_test = "builtin";
}

/* Values that parse and ask for what this build lacks. */
static int check_available(sb_reader *reader, const sb_node *node, const sb_engine_values *values)
{
	if (sb_node_get(node, "isolation") != NULL && values->isolation == 0 &&
		!sb_worker_available())
		return sb_node_error(reader->error, sb_node_get(node, "isolation"),
			"isolation: process is not available in this build");
	return 0;
}

static int self_test_path(sb_reader *reader, const sb_node *node, sb_engine_values *values)
{
	const sb_node *given = sb_node_get(node, "self_test");

	if (given == NULL || strcmp(given->text, "eicar") == 0 ||
		strcmp(given->text, "builtin") == 0 || strcmp(given->text, "off") == 0)
		return 0;
	if (given->text[0] == '\0')
		return sb_node_error(
			reader->error, given, "self_test: eicar, builtin, off or a file expected");
	values->self_test = sb_path_below(reader->arena, given->origin->folder, given->text);
	return values->self_test != NULL ? 0 : sb_error_no_memory(reader->error);
}

static void fill(sb_engine_conf *conf, const sb_engine_values *v)
{
	conf->name = v->name;
	conf->role = (sb_role)v->role;
	conf->timeout_ms = v->timeout;
	conf->max_size = v->max_size;
	conf->concurrency = (unsigned)v->concurrency;
	conf->tier = (unsigned)v->tier;
	conf->weight = v->weight;
	conf->veto = v->veto;
	conf->heuristics_infected = v->heuristics == 1;
	conf->isolation_process = v->isolation == 0;
	conf->self_test = v->self_test;
	conf->max_signature_age_ms = v->max_signature_age;
}

static int read_keys(
	sb_reader *reader, const sb_node *node, sb_engine_conf *conf, sb_engine_values *values)
{
	static const char *const others[] = {"retry", "breaker", "quota", "on_open", NULL};
	sb_table tables[] = {{sb_engine_rows, values}, {conf->ops->settings, conf->settings}};
	int rc = sb_settings_read(reader, node, "engines", tables, 2, others);

	return rc == 0 ? sb_build_resilience(reader, node, values, conf) : rc;
}

static int read_engine(sb_reader *reader, const sb_config *config, const sb_node *node,
	sb_built *built, size_t index)
{
	sb_engine_values *values = &built->engines[index];
	sb_engine_conf *conf = &built->conf.engines[index];
	const sb_node *type = sb_node_get(node, "type");
	char place[32], *origin;
	int rc;

	if (node->type != SB_NODE_MAP)
		return sb_node_error(reader->error, node, "engines: a map of keys expected");
	if (type == NULL || type->type != SB_NODE_SCALAR)
		return sb_node_error(reader->error, type != NULL ? type : node,
			"engines: \"type\" is missing: yara, clamd, icap, command, "
			"virustotal, hashlist, plugin or mock");
	conf->ops = find_type(config, type->text);
	if (conf->ops == NULL)
		return refuse_type(reader, config, node, type);
	conf->settings = sb_arena_zalloc(reader->arena, conf->ops->state_size + 1);
	snprintf(place, sizeof place, ":%d:%d", node->line, node->column);
	origin = sb_arena_alloc(reader->arena, strlen(node->origin->name) + sizeof place);
	if (conf->settings == NULL || origin == NULL)
		return sb_error_no_memory(reader->error);
	memcpy(origin, node->origin->name, strlen(node->origin->name));
	memcpy(origin + strlen(node->origin->name), place, strlen(place) + 1);
	conf->origin = origin;
	rc = read_keys(reader, node, conf, values);
	if (sb_node_get(node, "isolation") == NULL)
		values->isolation = built->values.isolation;
	if (rc == 0)
		rc = check_name(reader, node, built, index);
	if (rc == 0)
		rc = check_available(reader, node, values);
	if (rc == 0)
		rc = self_test_path(reader, node, values);
	type_defaults(node, conf->ops, values);
	if (rc == 0)
		fill(conf, values);
	return rc;
}

/* --- The built-in default ---------------------------------------------------------------- */

static bool answers(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool ok;

	if (fd < 0)
		return false;
	memcpy(address.sun_path, path, strlen(path) + 1);
	ok = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
	sb_close(&fd);
	return ok;
}

/* Where a local clamd answers; NULL: nowhere. */
static const char *local_clamd(void)
{
	static const char *const sockets[] = {"/run/clamav/clamd.ctl", "/var/run/clamav/clamd.ctl"};

	for (size_t i = 0; i < 2 && sb_engine_find("clamd") != NULL; i++)
		if (answers(sockets[i]))
			return sockets[i];
	return NULL;
}

/* `yara`, when it is built in, and `clamav`, when a local clamd answers. */
static const sb_node *default_engines(sb_reader *reader)
{
	const sb_origin *origin = sb_origin_new(reader->arena, "defaults", NULL);
	const char *clamd = local_clamd();
	char text[200];

	snprintf(text, sizeof text, "[%s%s%s%s]",
		sb_engine_find("yara") != NULL ? "{name: yara, type: yara}, " : "",
		clamd != NULL ? "{name: clamav, type: clamd, address: \"unix:" : "",
		clamd != NULL ? clamd : "", clamd != NULL ? "\"}" : "");
	if (origin == NULL) {
		sb_error_no_memory(reader->error);
		return NULL;
	}
	return sb_document_parse(reader->arena, text, strlen(text), origin, reader->error);
}

static int default_notices(sb_reader *reader, sb_built *built, size_t found)
{
	bool yara = sb_engine_find("yara") != NULL;
	int rc = 0;

	if (!yara)
		rc = sb_notice(reader, built,
			"the default engine yara with the bundled rules is not available in this "
			"build");
	if (rc == 0 && found == 0)
		rc = sb_notice(reader, built,
			"no engine is configured and no local clamd answers: every scan will be "
			"an error; add one under engines");
	if (rc == 0 && yara && found == 1 &&
		built->values.decision.min_assurance == SB_ASSURANCE_ANTIVIRUS)
		rc = sb_notice(reader, built,
			"no local clamd answers: yara alone judges, and rules alone are no "
			"antivirus; clean files are allowed with a warning");
	return rc;
}

int sb_build_engines(sb_reader *reader, const sb_config *config, sb_built *built)
{
	const sb_node *list = sb_node_get(config->root, "engines");
	bool given = list != NULL;
	int rc = 0;

	if (!given)
		list = default_engines(reader);
	if (list == NULL)
		return -1;
	if (list->type != SB_NODE_LIST)
		return sb_node_error(reader->error, list, "engines: a list expected");
	if (list->count > MAX_ENGINES)
		return sb_node_error(reader->error, list, "engines: more than 64 engines");
	built->engines = sb_arena_zalloc(reader->arena, (list->count + 1) * sizeof *built->engines);
	built->conf.engines =
		sb_arena_zalloc(reader->arena, (list->count + 1) * sizeof *built->conf.engines);
	if (built->engines == NULL || built->conf.engines == NULL)
		return sb_error_no_memory(reader->error);
	for (const sb_node *node = list->first; rc == 0 && node != NULL; node = node->next)
		rc = read_engine(reader, config, node, built, built->conf.engine_count++);
	if (rc == 0)
		rc = sb_build_fallbacks(reader, list, built);
	return rc == 0 && !given ? default_notices(reader, built, list->count) : rc;
}
