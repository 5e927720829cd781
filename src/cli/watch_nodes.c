/* SPDX-License-Identifier: MIT */
/* Two chained hashes that grow together; no recursion, however deep the tree. */
#include "cli/watch_nodes.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BUCKETS = 256 };

int sb_nodes_init(sb_nodes *nodes)
{
	*nodes = (sb_nodes){.buckets = FIRST_BUCKETS};
	nodes->by_wd = calloc(FIRST_BUCKETS, sizeof *nodes->by_wd);
	nodes->by_name = calloc(FIRST_BUCKETS, sizeof *nodes->by_name);
	return nodes->by_wd != NULL && nodes->by_name != NULL ? 0 : -1;
}

void sb_nodes_done(sb_nodes *nodes)
{
	free(nodes->by_wd);
	free(nodes->by_name);
	*nodes = (sb_nodes){0};
}

/* --- Buckets ---------------------------------------------------------------------------- */

static size_t wd_bucket(size_t buckets, int wd)
{
	return (size_t)wd & (buckets - 1);
}

static size_t name_bucket(size_t buckets, const sb_node *parent, const char *name)
{
	uint64_t hash = 0xcbf29ce484222325u ^ (uintptr_t)parent; /* FNV-1a */

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
	return (size_t)(hash ^ hash >> 32) & (buckets - 1);
}

static void put(sb_node **by_wd, sb_node **by_name, size_t buckets, sb_node *node)
{
	sb_node **at = &by_name[name_bucket(buckets, node->parent, node->name)];

	node->next_by_name = *at;
	*at = node;
	if (node->wd < 0)
		return;
	at = &by_wd[wd_bucket(buckets, node->wd)];
	node->next_by_wd = *at;
	*at = node;
}

/* Without memory the chains get longer, and that is all. */
static void grow(sb_nodes *nodes)
{
	size_t buckets = 2 * nodes->buckets;
	sb_node **by_wd = calloc(buckets, sizeof *by_wd);
	sb_node **by_name = calloc(buckets, sizeof *by_name);

	if (by_wd == NULL || by_name == NULL) {
		free(by_wd);
		free(by_name);
		return;
	}
	for (size_t i = 0; i < nodes->buckets; i++) {
		for (sb_node *node = nodes->by_name[i], *next; node != NULL; node = next) {
			next = node->next_by_name;
			put(by_wd, by_name, buckets, node);
		}
	}
	free(nodes->by_wd);
	free(nodes->by_name);
	nodes->by_wd = by_wd;
	nodes->by_name = by_name;
	nodes->buckets = buckets;
}

sb_node *sb_nodes_add(sb_nodes *nodes, sb_node *parent, const char *name)
{
	size_t length = strlen(name);
	sb_node *node = calloc(1, sizeof *node + length + 1);

	if (node == NULL)
		return NULL;
	if (nodes->count >= nodes->buckets)
		grow(nodes);
	memcpy(node->name, name, length + 1);
	node->wd = -1;
	node->parent = parent;
	if (parent != NULL) {
		node->after = parent->first;
		if (parent->first != NULL)
			parent->first->before = node;
		parent->first = node;
	}
	put(nodes->by_wd, nodes->by_name, nodes->buckets, node);
	nodes->count++;
	return node;
}

void sb_nodes_set_wd(sb_nodes *nodes, sb_node *node, int wd)
{
	sb_node **at = &nodes->by_wd[wd_bucket(nodes->buckets, wd)];

	node->wd = wd;
	node->next_by_wd = *at;
	*at = node;
}

sb_node *sb_nodes_by_wd(const sb_nodes *nodes, int wd)
{
	sb_node *node = wd >= 0 ? nodes->by_wd[wd_bucket(nodes->buckets, wd)] : NULL;

	while (node != NULL && node->wd != wd)
		node = node->next_by_wd;
	return node;
}

sb_node *sb_nodes_child(const sb_nodes *nodes, const sb_node *parent, const char *name)
{
	sb_node *node = nodes->by_name[name_bucket(nodes->buckets, parent, name)];

	while (node != NULL && (node->parent != parent || strcmp(node->name, name) != 0))
		node = node->next_by_name;
	return node;
}

/* --- Leaving ---------------------------------------------------------------------------- */

static void leave_row(sb_nodes *nodes, sb_node *node)
{
	if (!node->in_row)
		return;
	*(node->in_row_before != NULL ? &node->in_row_before->in_row_after : &nodes->row_first) =
		node->in_row_after;
	*(node->in_row_after != NULL ? &node->in_row_after->in_row_before : &nodes->row_last) =
		node->in_row_before;
	node->in_row_before = node->in_row_after = NULL;
	node->in_row = false;
}

static void leave_buckets(sb_nodes *nodes, const sb_node *node)
{
	sb_node **at = &nodes->by_name[name_bucket(nodes->buckets, node->parent, node->name)];

	while (*at != node)
		at = &(*at)->next_by_name;
	*at = node->next_by_name;
	if (node->wd < 0)
		return;
	at = &nodes->by_wd[wd_bucket(nodes->buckets, node->wd)];
	while (*at != node)
		at = &(*at)->next_by_wd;
	*at = node->next_by_wd;
}

static void free_leaf(sb_nodes *nodes, sb_node *node)
{
	leave_row(nodes, node);
	leave_buckets(nodes, node);
	if (node->before != NULL)
		node->before->after = node->after;
	else if (node->parent != NULL)
		node->parent->first = node->after;
	if (node->after != NULL)
		node->after->before = node->before;
	nodes->count--;
	free(node);
}

void sb_nodes_drop(
	sb_nodes *nodes, sb_node *top, void (*each)(void *data, sb_node *node), void *data)
{
	for (sb_node *node = top; node != NULL;) {
		sb_node *parent = node == top ? NULL : node->parent;
		if (node->first != NULL) {
			node = node->first;
			continue;
		}
		each(data, node);
		free_leaf(nodes, node);
		node = parent;
	}
}

/* --- The row, and paths ------------------------------------------------------------------- */

void sb_nodes_line_up(sb_nodes *nodes, sb_node *node)
{
	if (node->in_row)
		return;
	node->in_row = true;
	node->in_row_before = nodes->row_last;
	*(nodes->row_last != NULL ? &nodes->row_last->in_row_after : &nodes->row_first) = node;
	nodes->row_last = node;
}

sb_node *sb_nodes_next(sb_nodes *nodes)
{
	sb_node *node = nodes->row_first;

	if (node != NULL)
		leave_row(nodes, node);
	return node;
}

/* The parts are counted on the way up and written from behind. */
void sb_node_path(sb_buf *out, const sb_node *node)
{
	size_t length = 0, start = out->length;
	char *end;

	for (const sb_node *n = node; n != NULL; n = n->parent) {
		size_t part = strlen(n->name);
		length += part + (n != node && (part == 0 || n->name[part - 1] != '/'));
	}
	end = sb_buf_reserve(out, length + 1);
	if (end == NULL)
		return;
	end += length;
	*end = '\0';
	for (const sb_node *n = node; n != NULL; n = n->parent) {
		size_t part = strlen(n->name);
		if (n != node && (part == 0 || n->name[part - 1] != '/'))
			*--end = '/';
		end -= part;
		memcpy(end, n->name, part);
	}
	out->length = start + length;
}
