/* SPDX-License-Identifier: MIT */
/* Nodes as bytes: what goes in comes out, places included; and nothing else is taken for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "settings/pack.h"
#include "settings/settings.h"

typedef struct world {
	sb_arena arena;
	sb_origin origin;
	sb_buf bytes;
	sb_error error;
} world;

typedef struct settings {
	const char *path, *text;
	int64_t number;
	sb_texts list;
} settings;

static const sb_setting rows[] = {
	{.key = "path", .type = SB_SETTING_PATH, .offset = offsetof(settings, path)},
	{.key = "text", .type = SB_SETTING_TEXT, .offset = offsetof(settings, text)},
	{.key = "number",
		.type = SB_SETTING_INT,
		.offset = offsetof(settings, number),
		.fallback = "7",
		.max = 100},
	{.key = "list", .type = SB_SETTING_TEXTS, .offset = offsetof(settings, list)},
	{.key = NULL},
};

static sb_node *add(world *w, sb_node *to, sb_node_type type, const char *key, const char *text)
{
	sb_node *node = sb_node_new(&w->arena, type, &w->origin);

	node->key = key;
	node->text = text;
	node->line = node->key_line = 3;
	node->column = node->key_column = to != NULL ? (int)to->count + 10 : 1;
	if (to != NULL)
		sb_node_append(to, node);
	return node;
}

static int setup(void **state)
{
	world *w = calloc(1, sizeof *w);

	sb_arena_init(&w->arena, 1 << 20);
	w->origin = (sb_origin){.name = "x.yaml", .folder = "/etc/x"};
	sb_buf_init(&w->bytes, 1 << 16);
	sb_error_init(&w->error);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	world *w = *state;

	sb_arena_done(&w->arena);
	sb_buf_done(&w->bytes);
	free(w);
	return 0;
}

static sb_node *sample(world *w)
{
	sb_node *map = add(w, NULL, SB_NODE_MAP, NULL, ""), *list;

	add(w, map, SB_NODE_SCALAR, "path", "lists/a");
	add(w, map, SB_NODE_SCALAR, "text", "7")->quoted = true;
	list = add(w, map, SB_NODE_LIST, "list", "");
	add(w, list, SB_NODE_SCALAR, NULL, "one");
	add(w, list, SB_NODE_SCALAR, NULL, "");
	return map;
}

static int read_back(world *w, const sb_node *map, settings *out)
{
	sb_reader reader = {&w->arena, &w->error};

	return sb_settings_read(&reader, map, "settings", &(sb_table){rows, out}, 1, NULL);
}

static void whole_tree_comes_back(void **state)
{
	world *w = *state;
	const sb_node *map;
	settings out = {0};

	sb_node_pack(&w->bytes, sample(w));
	map = sb_node_unpack(&w->arena, w->bytes.data, w->bytes.length);
	assert_non_null(map);
	assert_int_equal(map->count, 3);
	assert_true(sb_node_get(map, "text")->quoted);
	assert_int_equal(sb_node_get(map, "list")->column, 12);
	sb_node_find(map, "list")->first->next->text = "two";
	assert_int_equal(read_back(w, map, &out), 0);
	assert_string_equal(out.path, "/etc/x/lists/a");
	assert_string_equal(out.text, "7");
	assert_int_equal(out.number, 7);
	assert_int_equal(out.list.count, 2);
}

static void mistakes_keep_their_place(void **state)
{
	world *w = *state;
	sb_node *map = sample(w);
	settings out = {0};

	add(w, map, SB_NODE_SCALAR, "number", "101");
	sb_node_pack(&w->bytes, map);
	map = sb_node_unpack(&w->arena, w->bytes.data, w->bytes.length);
	sb_node_find(map, "list")->first->next->text = "two";
	assert_int_equal(read_back(w, map, &out), -SB_KIND_NOT_CONFIGURED);
	assert_string_equal(sb_error_message(&w->error),
		"x.yaml:3:13: settings.number: \"101\" is out of range; 0 to 100 is possible");
	sb_node_find(map, "number")->key = "nubmer";
	assert_int_equal(read_back(w, map, &out), -SB_KIND_NOT_CONFIGURED);
	assert_string_equal(sb_error_message(&w->error),
		"x.yaml:3:13: settings: unknown key \"nubmer\"; did you mean \"number\"?");
}

/* No piece of it, nothing behind it, no other byte where it counts. */
static void broken_bytes_are_refused(void **state)
{
	world *w = *state;

	sb_node_pack(&w->bytes, sample(w));
	for (size_t length = 0; length < w->bytes.length; length++) {
		char *exact = malloc(length + 1); /* so that a sanitizer sees a step too far */

		memcpy(exact, w->bytes.data, length);
		assert_null(sb_node_unpack(&w->arena, exact, length));
		free(exact);
	}
	sb_buf_char(&w->bytes, 'x');
	assert_null(sb_node_unpack(&w->arena, w->bytes.data, w->bytes.length));
}

static sb_node *nested(world *w, unsigned depth)
{
	sb_node *root = add(w, NULL, SB_NODE_LIST, NULL, ""), *node = root;

	for (unsigned i = 1; i < depth; i++)
		node = add(w, node, SB_NODE_LIST, NULL, "");
	sb_buf_clear(&w->bytes);
	sb_node_pack(&w->bytes, root);
	return sb_node_unpack(&w->arena, w->bytes.data, w->bytes.length);
}

static void depth_is_bounded(void **state)
{
	assert_non_null(nested(*state, SB_NODE_DEPTH - 1));
	assert_non_null(nested(*state, SB_NODE_DEPTH));
	assert_null(nested(*state, SB_NODE_DEPTH + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(whole_tree_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(mistakes_keep_their_place, setup, teardown),
		cmocka_unit_test_setup_teardown(broken_bytes_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(depth_is_bounded, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
