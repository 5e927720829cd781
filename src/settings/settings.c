/* SPDX-License-Identifier: MIT */
/*
 * Settings by table: types are rows of a table of readers, each turning one scalar into one C
 * value and checking its range. Lists are the same readers, once for every item.
 */
#include "settings/settings.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "settings/pack.h"
#include "util/json.h"
#include "util/text.h"

enum { MAX_NAMES = 96, MAP_BYTES = 1 << 20 };

/* One value on its way in. */
typedef struct value {
	sb_reader *reader;
	const sb_node *node;
	const char *path;
	const sb_setting *row;
	void *out;
} value;

const char *sb_shown(char out[SB_SHOWN], const char *text)
{
	sb_buf buf;

	sb_buf_init(&buf, 4096);
	sb_escape(&buf, text, strnlen(text, 80));
	snprintf(out, SB_SHOWN, "%s", buf.data != NULL ? buf.data : "");
	sb_buf_done(&buf);
	return out;
}

const char *sb_did_you_mean(char out[SB_SHOWN], const char *word, const char *const *list)
{
	size_t count = 0;
	const char *near;

	out[0] = '\0';
	while (list[count] != NULL)
		count++;
	near = strlen(word) < 64 ? sb_suggest(word, list, count) : NULL;
	if (near != NULL)
		snprintf(out, SB_SHOWN, "; did you mean \"%s\"?", near);
	return out;
}

static int wrong(const value *v, const char *what)
{
	char shown[SB_SHOWN], name[SB_SHOWN];

	snprintf(name, sizeof name, "%s%s%s", v->path, v->path[0] != '\0' ? "." : "", v->row->key);
	if (v->node->type != SB_NODE_SCALAR)
		return sb_node_error(v->reader->error, v->node, "%s: %s expected", name, what);
	return sb_node_error(v->reader->error, v->node, "%s: \"%s\" %s", name,
		sb_shown(shown, v->node->text), what);
}

/* --- Ranges ------------------------------------------------------------------------------ */

static void write_bound(char *out, size_t room, const sb_setting *row, double bound)
{
	if (row->type == SB_SETTING_SIZE)
		sb_format_size(out, room, (uint64_t)bound);
	else if (row->type == SB_SETTING_DURATION)
		sb_format_duration(out, room, (uint64_t)bound);
	else
		snprintf(out, room, "%.12g", bound);
}

static int check_range(const value *v, double number)
{
	const sb_setting *row = v->row;
	char low[40], high[40], what[120];

	if ((row->min == 0 && row->max == 0) || (number >= row->min && number <= row->max))
		return 0;
	write_bound(low, sizeof low, row, row->min);
	write_bound(high, sizeof high, row, row->max);
	snprintf(what, sizeof what, "is out of range; %s to %s is possible", low, high);
	return wrong(v, what);
}

/* --- One scalar of each type ------------------------------------------------------------- */

static int read_bool(const value *v)
{
	static const char *const words[] = {"true", "True", "TRUE", "false", "False", "FALSE"};

	for (size_t i = 0; !v->node->quoted && i < 6; i++)
		if (strcmp(v->node->text, words[i]) == 0) {
			*(bool *)v->out = i < 3;
			return 0;
		}
	return wrong(v, v->node->quoted ? "is a text; write true or false without quotes"
					: "is neither true nor false");
}

/* The core schema: decimal, whatever its zeros, 0o17 and 0x1f. */
static bool parse_int(const char *text, int64_t *out)
{
	const char *digits = text + (*text == '-' || *text == '+');
	int base = 10;
	char *end;

	if (digits == text && digits[0] == '0' && (digits[1] == 'o' || digits[1] == 'x')) {
		base = digits[1] == 'o' ? 8 : 16;
		text = digits += 2;
	}
	if (strspn(digits, base == 8 ? "01234567"
				     : (base == 10 ? "0123456789" : "0123456789abcdefABCDEF")) !=
			strlen(digits) ||
		digits[0] == '\0')
		return false;
	errno = 0;
	*out = strtoll(text, &end, base);
	return errno == 0 && *end == '\0';
}

static int read_int(const value *v)
{
	int64_t number;

	if (v->node->quoted || !parse_int(v->node->text, &number))
		return wrong(v, v->node->quoted ? "is a text; write the number without quotes"
						: "is not a whole number (64 bits)");
	*(int64_t *)v->out = number;
	return check_range(v, (double)number);
}

static int read_number(const value *v)
{
	const char *text = v->node->text;
	double number;
	char *end;

	if (v->node->quoted || text[0] == '\0' || strspn(text, "+-.0123456789eE") != strlen(text))
		return wrong(v, "is not a number");
	number = strtod(text, &end);
	if (*end != '\0' || end == text || !isfinite(number))
		return wrong(v, "is not a number");
	*(double *)v->out = number;
	return check_range(v, number);
}

static int read_size(const value *v)
{
	uint64_t bytes;

	if (!sb_parse_size(v->node->text, &bytes))
		return wrong(v, "is not a size: bytes, or a whole number with KiB, MiB or GiB");
	*(uint64_t *)v->out = bytes;
	return check_range(v, (double)bytes);
}

static int read_duration(const value *v)
{
	const char *text = v->node->text;
	uint64_t ms;

	if (v->row->min == 0 && strcmp(text, "off") == 0) {
		*(uint64_t *)v->out = 0;
		return 0;
	}
	if (text[0] != '\0' && strspn(text, "0123456789") == strlen(text))
		return wrong(v, "needs a unit (ms, s, m, h, d)");
	if (!sb_parse_duration(text, &ms))
		return wrong(v, "is not a duration: a whole number with ms, s, m, h or d");
	*(uint64_t *)v->out = ms;
	return check_range(v, (double)ms);
}

static int read_text(const value *v)
{
	const char *text = sb_arena_text(v->reader->arena, v->node->text);

	if (text == NULL)
		return sb_error_no_memory(v->reader->error);
	*(const char **)v->out = text;
	return 0;
}

static int read_path(const value *v)
{
	const char *path;

	if (v->node->text[0] == '\0')
		return wrong(v, "is not a path");
	path = sb_path_below(v->reader->arena, v->node->origin->folder, v->node->text);
	if (path == NULL)
		return sb_error_no_memory(v->reader->error);
	*(const char **)v->out = path;
	return 0;
}

static int read_choice(const value *v)
{
	char what[300] = "is unknown; possible:";
	size_t length = strlen(what);

	for (int i = 0; v->row->choices[i] != NULL; i++) {
		if (strcmp(v->row->choices[i], v->node->text) == 0) {
			*(int *)v->out = i;
			return 0;
		}
		length += (size_t)snprintf(what + length, sizeof what - length, "%s %s",
			i > 0 ? "," : "", v->row->choices[i]);
		if (length >= sizeof what)
			length = sizeof what - 1;
	}
	return wrong(v, what);
}

/* What a type is called, how one of it is read, and how large it is in a list. */
static const struct type {
	const char *noun;
	int (*read)(const value *);
	size_t item_size; /* lists: of one item; 0: not a list */
} types[] = {
	[SB_SETTING_BOOL] = {"true or false", read_bool, 0},
	[SB_SETTING_INT] = {"a whole number", read_int, 0},
	[SB_SETTING_NUMBER] = {"a number", read_number, 0},
	[SB_SETTING_SIZE] = {"a size", read_size, 0},
	[SB_SETTING_DURATION] = {"a duration", read_duration, 0},
	[SB_SETTING_TEXT] = {"a text", read_text, 0},
	[SB_SETTING_PATH] = {"a path", read_path, 0},
	[SB_SETTING_CHOICE] = {"a word", read_choice, 0},
	[SB_SETTING_TEXTS] = {"a text or a list of texts", read_text, sizeof(char *)},
	[SB_SETTING_PATHS] = {"a path or a list of paths", read_path, sizeof(char *)},
	[SB_SETTING_INTS] = {"a number or a list of numbers", read_int, sizeof(int64_t)},
	[SB_SETTING_MAP] = {"a map of keys", NULL, 0},
	[SB_SETTING_SECTION] = {"a map of keys", NULL, 0},
};

/* Texts and ints have the same shape: items, count. */
static int read_list(value *v, const struct type *type)
{
	const sb_node *list = v->node, *item;
	size_t count = list->type == SB_NODE_LIST ? list->count : 1;
	char *items = sb_arena_zalloc(v->reader->arena, (count + 1) * type->item_size);
	char *to = items;
	int rc;

	if (items == NULL)
		return sb_error_no_memory(v->reader->error);
	for (item = list->type == SB_NODE_LIST ? list->first : list; item != NULL;
		item = item->next, to += type->item_size) {
		v->node = item;
		v->out = to;
		if (item->type != SB_NODE_SCALAR)
			return wrong(v, type->noun);
		if (sb_node_is_null(item))
			return wrong(v, "is empty");
		rc = type->read(v);
		if (rc != 0)
			return rc;
		if (list->type != SB_NODE_LIST)
			break;
	}
	v->out = items;
	return 0;
}

/* Kept as it was written, for whoever knows the keys. */
static int read_map(const value *v)
{
	sb_packed *packed = v->out;
	sb_buf bytes;

	if (v->node->type != SB_NODE_MAP)
		return wrong(v, types[SB_SETTING_MAP].noun);
	sb_buf_init(&bytes, MAP_BYTES);
	sb_node_pack(&bytes, v->node);
	packed->data =
		bytes.failed ? NULL : sb_arena_copy(v->reader->arena, bytes.data, bytes.length);
	packed->length = bytes.length;
	sb_buf_done(&bytes);
	return packed->data != NULL ? 0 : wrong(v, "is too large; at most 1MiB is possible");
}

static int read_value(
	sb_reader *reader, const sb_node *node, const char *path, const sb_setting *row, void *base)
{
	const struct type *type = &types[row->type];
	value v = {reader, node, path, row, (char *)base + row->offset};
	int rc;

	if (row->type == SB_SETTING_MAP)
		return read_map(&v);
	if (type->item_size == 0)
		return node->type == SB_NODE_SCALAR ? type->read(&v) : wrong(&v, type->noun);
	if (node->type == SB_NODE_MAP)
		return wrong(&v, type->noun);
	rc = read_list(&v, type);
	if (rc == 0) {
		sb_texts *texts = (sb_texts *)(void *)((char *)base + row->offset);
		texts->items = v.out;
		texts->count = node->type == SB_NODE_LIST ? node->count : 1;
	}
	return rc;
}

static int read_fallback(sb_reader *reader, const sb_setting *row, void *base)
{
	static const sb_origin origin = {.name = "default", .folder = "/"};
	sb_node node = {.type = SB_NODE_SCALAR,
		.text = row->fallback,
		.line = 1,
		.column = 1,
		.origin = &origin};

	return row->fallback != NULL ? read_value(reader, &node, "", row, base) : 0;
}

/* --- Maps -------------------------------------------------------------------------------- */

static int check_keys(sb_reader *reader, const sb_node *map, const char *path,
	const sb_table *tables, size_t count, const char *const *others)
{
	const char *names[MAX_NAMES + 1];
	size_t n = 0, i;
	char shown[SB_SHOWN], tail[SB_SHOWN];

	for (size_t t = 0; t < count; t++)
		for (const sb_setting *row = tables[t].rows; row != NULL && row->key != NULL; row++)
			if (n < MAX_NAMES)
				names[n++] = row->key;
	for (i = 0; others != NULL && others[i] != NULL && n < MAX_NAMES; i++)
		names[n++] = others[i];
	names[n] = NULL;
	for (const sb_node *child = map->first; child != NULL; child = child->next) {
		for (i = 0; i < n && strcmp(names[i], child->key) != 0; i++)
			;
		if (i == n)
			return sb_node_key_error(reader->error, child, "%s%sunknown key \"%s\"%s",
				path, path[0] != '\0' ? ": " : "", sb_shown(shown, child->key),
				sb_did_you_mean(tail, child->key, names));
	}
	return 0;
}

/* Its keys lie in the same structure, and its row tells whether it was there. */
static int read_section(sb_reader *reader, const sb_node *node, const sb_setting *row, void *out)
{
	const sb_table table = {row->rows, out};
	bool given = node != NULL;

	memcpy((char *)out + row->offset, &given, sizeof given);
	return sb_settings_read(reader, node, row->key, &table, 1, NULL);
}

static int read_row(
	sb_reader *reader, const sb_node *map, const char *path, const sb_setting *row, void *out)
{
	const sb_node *node = map != NULL ? sb_node_get(map, row->key) : NULL;
	const sb_node *instead =
		map != NULL && row->instead != NULL ? sb_node_get(map, row->instead) : NULL;

	if (row->type == SB_SETTING_SECTION)
		return read_section(reader, node, row, out);
	if (node != NULL && instead != NULL)
		return sb_node_error(reader->error, node,
			"%s%s\"%s\" and \"%s\" exclude each other", path,
			path[0] != '\0' ? ": " : "", row->key, row->instead);
	if (node != NULL)
		return read_value(reader, node, path, row, out);
	if (row->required && map != NULL && instead == NULL)
		return sb_node_error(reader->error, map, "%s%s\"%s\"%s%s%s is missing: %s", path,
			path[0] != '\0' ? ": " : "", row->key, row->instead != NULL ? " or \"" : "",
			row->instead != NULL ? row->instead : "", row->instead != NULL ? "\"" : "",
			row->help != NULL ? row->help : types[row->type].noun);
	return read_fallback(reader, row, out);
}

int sb_settings_read(sb_reader *reader, const sb_node *map, const char *path,
	const sb_table *tables, size_t count, const char *const *others)
{
	int rc = 0;

	if (map != NULL && map->type != SB_NODE_MAP)
		return sb_node_error(reader->error, map, "%s: a map of keys expected", path);
	if (map != NULL)
		rc = check_keys(reader, map, path, tables, count, others);
	for (size_t t = 0; rc == 0 && t < count; t++)
		for (const sb_setting *row = tables[t].rows;
			rc == 0 && row != NULL && row->key != NULL; row++)
			rc = read_row(reader, map, path, row, tables[t].out);
	return rc;
}

/* --- Writing ----------------------------------------------------------------------------- */

void sb_text_write(sb_buf *out, const char *text)
{
	sb_json json = sb_json_on(out);

	sb_json_text(&json, NULL, text);
}

static void write_texts(sb_buf *out, const sb_texts *texts)
{
	sb_buf_char(out, '[');
	for (size_t i = 0; i < texts->count; i++) {
		sb_buf_text(out, i > 0 ? ", " : "");
		sb_text_write(out, texts->items[i]);
	}
	sb_buf_char(out, ']');
}

static void write_ints(sb_buf *out, const sb_ints *ints)
{
	sb_buf_char(out, '[');
	for (size_t i = 0; i < ints->count; i++)
		sb_buf_printf(out, "%s%lld", i > 0 ? ", " : "", (long long)ints->items[i]);
	sb_buf_char(out, ']');
}

/* As it was, where nothing else can be meant by it; else in quotes, which only texts need. */
static void write_scalar(sb_buf *out, const sb_node *node)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "+-._";

	if (sb_node_is_null(node))
		sb_buf_text(out, "null");
	else if (!node->quoted && strspn(node->text, plain) == strlen(node->text))
		sb_buf_text(out, node->text);
	else
		sb_text_write(out, node->text);
}

static void write_node(sb_buf *out, const sb_node *node)
{
	bool map = node->type == SB_NODE_MAP;

	if (node->type == SB_NODE_SCALAR) {
		write_scalar(out, node);
		return;
	}
	sb_buf_char(out, map ? '{' : '[');
	for (const sb_node *child = node->first; child != NULL; child = child->next) {
		sb_buf_text(out, child != node->first ? ", " : "");
		if (map) {
			sb_text_write(out, child->key);
			sb_buf_text(out, ": ");
		}
		write_node(out, child);
	}
	sb_buf_char(out, map ? '}' : ']');
}

static void write_map(sb_buf *out, const sb_packed *packed)
{
	sb_arena arena;
	const sb_node *node;

	sb_arena_init(&arena, 64 * (size_t)MAP_BYTES);
	node = sb_node_unpack(&arena, packed->data, packed->length);
	if (node != NULL)
		write_node(out, node);
	else
		out->failed = true;
	sb_arena_done(&arena);
}

void sb_setting_write(sb_buf *out, const sb_setting *row, const void *base)
{
	const void *at = (const char *)base + row->offset;
	char text[48];

	switch (row->type) {
	case SB_SETTING_BOOL:
		sb_buf_text(out, *(const bool *)at ? "true" : "false");
		break;
	case SB_SETTING_INT:
		sb_buf_printf(out, "%lld", (long long)*(const int64_t *)at);
		break;
	case SB_SETTING_NUMBER:
		sb_buf_printf(out, "%.17g", *(const double *)at);
		break;
	case SB_SETTING_SIZE:
		sb_buf_text(out, sb_format_size(text, sizeof text, *(const uint64_t *)at));
		break;
	case SB_SETTING_DURATION:
		sb_buf_text(out,
			*(const uint64_t *)at == 0 && row->min == 0
				? "off"
				: sb_format_duration(text, sizeof text, *(const uint64_t *)at));
		break;
	case SB_SETTING_TEXT:
	case SB_SETTING_PATH:
		sb_text_write(out, *(const char *const *)at);
		break;
	case SB_SETTING_CHOICE:
		sb_buf_text(out, row->choices[*(const int *)at]);
		break;
	case SB_SETTING_TEXTS:
	case SB_SETTING_PATHS:
		write_texts(out, at);
		break;
	case SB_SETTING_INTS:
		write_ints(out, at);
		break;
	case SB_SETTING_MAP:
		write_map(out, at);
		break;
	case SB_SETTING_SECTION: /* its rows are written one by one */
		break;
	}
}
