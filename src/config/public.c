/* SPDX-License-Identifier: MIT */
/* The public builder: files, texts and single values all write the same document. */
#include "config/document.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engines/engines.h"

enum { CONFIG_BYTES = 64 << 20 };

sb_config *sb_config_new(void)
{
	sb_config *config = calloc(1, sizeof *config);
	const sb_origin *origin;

	if (config == NULL)
		return NULL;
	sb_arena_init(&config->arena, CONFIG_BYTES);
	origin = sb_origin_new(&config->arena, "defaults", NULL);
	if (origin != NULL)
		config->root = sb_node_new(&config->arena, SB_NODE_MAP, origin);
	if (config->root != NULL)
		return config;
	sb_config_free(config);
	return NULL;
}

void sb_config_free(sb_config *config)
{
	if (config == NULL)
		return;
	sb_arena_done(&config->arena);
	free(config);
}

static int merge(sb_config *config, sb_node *root, sb_error *error)
{
	if (sb_node_is_null(root))
		return 0;
	if (root->type != SB_NODE_MAP)
		return sb_node_error(error, root, "the configuration must be a map of keys");
	if (config->root->count == 0) {
		root->key = NULL;
		config->root = root;
		return 0;
	}
	sb_node_merge(config->root, root);
	return 0;
}

int sb_config_load_file(sb_config *config, const char *path, sb_error *error)
{
	sb_error local;
	sb_node *root;
	int rc;

	sb_error_init(&local);
	root = sb_document_read(&config->arena, path, &local);
	if (root == NULL) {
		sb_error_copy(error, &local);
		return -(int)local.kind;
	}
	rc = merge(config, root, error);
	if (rc == 0)
		config->file = root->origin->name;
	return rc;
}

int sb_config_load_text(
	sb_config *config, const char *text, size_t length, const char *origin, sb_error *error)
{
	const sb_origin *from =
		sb_origin_new(&config->arena, origin != NULL ? origin : "text", NULL);
	sb_node *root;
	sb_error local;

	sb_error_init(&local);
	if (from == NULL)
		return sb_error_no_memory(error);
	root = sb_document_parse(&config->arena, text, length, from, &local);
	if (root == NULL) {
		sb_error_copy(error, &local);
		return -(int)local.kind;
	}
	return merge(config, root, error);
}

/* A chain of maps for a.b.c that ends in the value, ready to be merged. */
static int set_node(sb_config *config, const char *key, sb_node *value, sb_error *error)
{
	size_t length = strlen(key), depth = 0;
	const char *end = key + length;

	while (end > key) {
		const char *dot = memrchr(key, '.', (size_t)(end - key));
		const char *start = dot != NULL ? dot + 1 : key;
		sb_node *map = sb_node_new(&config->arena, SB_NODE_MAP, value->origin);

		if (start == end || ++depth > 8)
			break;
		value->key = sb_arena_copy(&config->arena, start, (size_t)(end - start));
		if (map == NULL || value->key == NULL)
			return sb_error_no_memory(error);
		sb_node_append(map, value);
		value = map;
		if (dot == NULL)
			return merge(config, value, error);
		end = dot;
	}
	return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
		"\"%.80s\" is not the name of a setting, like limits.timeout", key);
}

static sb_node *parse_value(sb_config *config, const char *text, const char *name, sb_error *error)
{
	const sb_origin *origin = sb_origin_new(&config->arena, name, NULL);

	if (origin == NULL) {
		sb_error_no_memory(error);
		return NULL;
	}
	return sb_document_parse(&config->arena, text, strlen(text), origin, error);
}

int sb_config_set(sb_config *config, const char *key, const char *value, sb_error *error)
{
	sb_error local;
	sb_node *node;

	sb_error_init(&local);
	node = parse_value(config, value, key, &local);
	if (node == NULL) {
		sb_error_copy(error, &local);
		return -(int)local.kind;
	}
	return set_node(config, key, node, error);
}

int sb_config_set_text(sb_config *config, const char *key, const char *text, sb_error *error)
{
	const sb_origin *origin = sb_origin_new(&config->arena, key, NULL);
	sb_node *node = origin != NULL ? sb_node_new(&config->arena, SB_NODE_SCALAR, origin) : NULL;

	if (node == NULL || (node->text = sb_arena_text(&config->arena, text)) == NULL)
		return sb_error_no_memory(error);
	node->quoted = true;
	return set_node(config, key, node, error);
}

int sb_config_add_engine(sb_config *config, const char *yaml, sb_error *error)
{
	const sb_node *given = sb_node_get(config->root, "engines");
	sb_error local;
	sb_node *node, *list;

	sb_error_init(&local);
	node = parse_value(config, yaml, "engine", &local);
	if (node == NULL) {
		sb_error_copy(error, &local);
		return -(int)local.kind;
	}
	if (node->type != SB_NODE_MAP)
		return sb_node_error(error, node, "an engine must be a map of keys");
	if (given != NULL && given->type == SB_NODE_LIST) {
		sb_node_append((sb_node *)given, node);
		return 0;
	}
	if (given != NULL)
		return sb_node_error(error, given, "engines must be a list");
	list = sb_node_new(&config->arena, SB_NODE_LIST, node->origin);
	if (list == NULL)
		return sb_error_no_memory(error);
	sb_node_append(list, node);
	return set_node(config, "engines", list, error);
}

int sb_config_register_engine(sb_config *config, const sb_engine_ops *ops, sb_error *error)
{
	const sb_engine_ops *old;

	if (ops == NULL || ops->abi != SB_ENGINE_ABI)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"the engine was built for another version of the engine interface");
	if (ops->name == NULL || ops->name[0] == '\0' || (ops->scan == NULL && ops->submit == NULL))
		return sb_error_set(
			error, SB_KIND_NOT_CONFIGURED, 0, "an engine needs a name and scan()");
	old = sb_engine_find(ops->name);
	for (size_t i = 0; old == NULL && i < config->type_count; i++)
		if (strcmp(config->types[i]->name, ops->name) == 0)
			old = config->types[i];
	if (old != NULL)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"an engine type \"%s\" exists already", ops->name);
	if (config->type_count == SB_CONFIG_TYPES)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0, "too many engine types");
	config->types[config->type_count++] = ops;
	return 0;
}

int sb_config_register_store(
	sb_config *config, const sb_store_ops *ops, void *data, sb_error *error)
{
	if (ops == NULL || ops->abi != SB_STORE_ABI)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"the store was built for another version of the store interface");
	if (ops->name == NULL || ops->commit == NULL || ops->find == NULL || ops->list == NULL ||
		ops->read == NULL || ops->change == NULL || ops->remove == NULL)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"a store needs a name, and commit(), find(), list(), read(), change() and "
			"remove()");
	config->store = ops;
	config->store_data = data;
	return 0;
}

/* --- Where to look ----------------------------------------------------------------------- */

static char *if_present(const char *folder, const char *name)
{
	size_t size = strlen(folder) + strlen(name) + 1;
	char *path = malloc(size);

	if (path == NULL)
		return NULL;
	memcpy(path, folder, strlen(folder));
	memcpy(path + strlen(folder), name, strlen(name) + 1);
	/* Present but unreadable counts as found: loading it then says what is wrong. */
	if (faccessat(AT_FDCWD, path, F_OK, AT_EACCESS) == 0)
		return path;
	free(path);
	return NULL;
}

char *sb_config_find(const char *explicit_path)
{
	static const char name[] = "/scanbridge/scanbridge.yaml", dot[] = "/.config";
	const char *variable = secure_getenv("SCANBRIDGE_CONFIG");
	const char *xdg = secure_getenv("XDG_CONFIG_HOME"), *home = secure_getenv("HOME");
	char *found = NULL, *folder;

	if (explicit_path != NULL)
		return strdup(explicit_path);
	if (variable != NULL && variable[0] != '\0')
		return strdup(variable);
	if (xdg != NULL && xdg[0] == '/') {
		found = if_present(xdg, name);
	} else if (home != NULL && home[0] == '/') {
		folder = malloc(strlen(home) + sizeof dot);
		if (folder == NULL)
			return NULL;
		memcpy(folder, home, strlen(home));
		memcpy(folder + strlen(home), dot, sizeof dot);
		found = if_present(folder, name);
		free(folder);
	}
	return found != NULL ? found : if_present("/etc", name);
}
