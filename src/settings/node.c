/* SPDX-License-Identifier: MIT */
/* Nodes, their places in messages, and paths that start where a text came from; see node.h. */
#include "settings/node.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((format(printf, 5, 0))) static int place_error(sb_error *error,
	const sb_origin *origin, int line, int column, const char *format, va_list args)
{
	char message[700];

	vsnprintf(message, sizeof message, format, args);
	return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0, "%s:%d:%d: %s", origin->name, line,
		column, message);
}

int sb_node_error(sb_error *error, const sb_node *node, const char *format, ...)
{
	va_list args;
	int rc;

	va_start(args, format);
	rc = place_error(error, node->origin, node->line, node->column, format, args);
	va_end(args);
	return rc;
}

int sb_node_key_error(sb_error *error, const sb_node *node, const char *format, ...)
{
	va_list args;
	int rc;

	va_start(args, format);
	rc = place_error(error, node->origin, node->key_line, node->key_column, format, args);
	va_end(args);
	return rc;
}

sb_node *sb_node_new(sb_arena *arena, sb_node_type type, const sb_origin *origin)
{
	sb_node *node = sb_arena_zalloc(arena, sizeof *node);

	if (node == NULL)
		return NULL;
	node->type = type;
	node->origin = origin;
	node->text = "";
	node->line = node->column = node->key_line = node->key_column = 1;
	return node;
}

void sb_node_append(sb_node *parent, sb_node *child)
{
	child->next = NULL;
	if (parent->last != NULL)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
	parent->count++;
}

sb_node *sb_node_find(const sb_node *map, const char *key)
{
	if (map == NULL || map->type != SB_NODE_MAP)
		return NULL;
	for (sb_node *child = map->first; child != NULL; child = child->next)
		if (strcmp(child->key, key) == 0)
			return child;
	return NULL;
}

bool sb_node_is_null(const sb_node *node)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};

	if (node->type != SB_NODE_SCALAR || node->quoted)
		return false;
	for (size_t i = 0; i < sizeof nulls / sizeof nulls[0]; i++)
		if (strcmp(node->text, nulls[i]) == 0)
			return true;
	return false;
}

const sb_node *sb_node_get(const sb_node *map, const char *key)
{
	const sb_node *node = sb_node_find(map, key);

	return node != NULL && !sb_node_is_null(node) ? node : NULL;
}

/* Takes over the children of @p from, which is not used afterwards. Depth is bounded by the
 * parser. */
void sb_node_merge(sb_node *into, const sb_node *from)
{
	sb_node *next;

	for (sb_node *child = from->first; child != NULL; child = next) {
		sb_node *old = sb_node_find(into, child->key);
		next = child->next;
		if (old == NULL) {
			sb_node_append(into, child);
		} else if (old->type == SB_NODE_MAP && child->type == SB_NODE_MAP) {
			sb_node_merge(old, child);
		} else {
			sb_node *behind = old->next;
			*old = *child;
			old->next = behind;
		}
	}
}

/* --- Origins and paths ------------------------------------------------------------------- */

static const char *joined(sb_arena *arena, const char *folder, const char *path)
{
	size_t a = strlen(folder), b = strlen(path);
	char *out = sb_arena_alloc(arena, a + b + 2);

	if (out == NULL)
		return NULL;
	memcpy(out, folder, a);
	out[a] = '/';
	memcpy(out + a + (a == 0 || folder[a - 1] != '/'), path, b + 1);
	return out;
}

const char *sb_path_below(sb_arena *arena, const char *folder, const char *path)
{
	if (path[0] == '/')
		return sb_arena_text(arena, path);
	while (path[0] == '.' && path[1] == '/')
		path += 2;
	return joined(arena, folder, path);
}

/* @p path: the file whose folder counts; NULL: the working directory. */
const sb_origin *sb_origin_new(sb_arena *arena, const char *name, const char *path)
{
	sb_origin *origin = sb_arena_zalloc(arena, sizeof *origin);
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;
	char *here = NULL, *folder;

	if (origin == NULL)
		return NULL;
	origin->name = sb_arena_text(arena, name);
	origin->is_file = path != NULL;
	if (slash != NULL) {
		folder = sb_arena_copy(arena, path, slash == path ? 1 : (size_t)(slash - path));
		origin->folder = folder;
		if (folder == NULL || folder[0] == '/')
			return folder != NULL && origin->name != NULL ? origin : NULL;
	}
	here = getcwd(NULL, 0);
	origin->folder = slash == NULL
				 ? sb_arena_text(arena, here != NULL ? here : "/")
				 : sb_path_below(arena, here != NULL ? here : "/", origin->folder);
	free(here);
	return origin->folder != NULL && origin->name != NULL ? origin : NULL;
}
