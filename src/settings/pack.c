/* SPDX-License-Identifier: MIT */
/* Nodes as bytes and back; see pack.h. */
#include "settings/pack.h"

#include <string.h>

/* Then the key and the text, each with a NUL, then the children. */
struct head {
	int line, column, key_line, key_column;
	unsigned count, type;
	bool quoted, keyed;
};

static void put_text(sb_buf *out, const char *text)
{
	sb_buf_add(out, text, strlen(text) + 1);
}

static void put(sb_buf *out, const sb_node *node)
{
	struct head head;

	memset(&head, 0, sizeof head); /* what lies between the members is part of a digest */
	head.line = node->line;
	head.column = node->column;
	head.key_line = node->key_line;
	head.key_column = node->key_column;
	head.count = (unsigned)node->count;
	head.type = (unsigned)node->type;
	head.quoted = node->quoted;
	head.keyed = node->key != NULL;
	sb_buf_add(out, &head, sizeof head);
	put_text(out, node->key != NULL ? node->key : "");
	put_text(out, node->text);
	for (const sb_node *child = node->first; child != NULL; child = child->next)
		put(out, child); /* no deeper than SB_NODE_DEPTH */
}

void sb_node_pack(sb_buf *out, const sb_node *node)
{
	put_text(out, node->origin->name);
	put_text(out, node->origin->folder);
	put(out, node);
}

/* --- And back ---------------------------------------------------------------------------------
 */

typedef struct in {
	sb_arena *arena;
	const sb_origin *origin;
	const char *data;
	size_t left;
} in;

/* A copy: the bytes need not stay. */
static const char *get_text(in *i)
{
	size_t length = strnlen(i->data, i->left);
	const char *text = length < i->left ? sb_arena_copy(i->arena, i->data, length) : NULL;

	if (text == NULL)
		return NULL;
	i->data += length + 1;
	i->left -= length + 1;
	return text;
}

static sb_node *get(in *i, unsigned depth)
{
	struct head head;
	sb_node *node, *child;

	if (depth == SB_NODE_DEPTH || i->left < sizeof head)
		return NULL;
	memcpy(&head, i->data, sizeof head);
	i->data += sizeof head;
	i->left -= sizeof head;
	if (head.type > SB_NODE_MAP || (head.type == SB_NODE_SCALAR && head.count > 0))
		return NULL;
	node = sb_node_new(i->arena, (sb_node_type)head.type, i->origin);
	if (node == NULL)
		return NULL;
	node->line = head.line;
	node->column = head.column;
	node->key_line = head.key_line;
	node->key_column = head.key_column;
	node->quoted = head.quoted;
	node->key = get_text(i);
	node->text = node->key != NULL ? get_text(i) : NULL;
	if (node->text == NULL)
		return NULL;
	node->key = head.keyed ? node->key : NULL;
	for (unsigned n = 0; n < head.count; n++) {
		child = get(i, depth + 1);
		if (child == NULL || (head.type == SB_NODE_MAP && child->key == NULL))
			return NULL;
		sb_node_append(node, child);
	}
	return node;
}

sb_node *sb_node_unpack(sb_arena *arena, const void *data, size_t length)
{
	sb_origin *origin = sb_arena_zalloc(arena, sizeof *origin);
	in i = {arena, origin, data, length};
	sb_node *node;

	if (origin == NULL)
		return NULL;
	origin->name = get_text(&i);
	origin->folder = origin->name != NULL ? get_text(&i) : NULL;
	node = origin->folder != NULL ? get(&i, 0) : NULL;
	return i.left == 0 ? node : NULL;
}
