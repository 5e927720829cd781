/* SPDX-License-Identifier: MIT */
/*
 * YAML into our tree, event by event. What makes YAML surprising is refused where it stands:
 * anchors, aliases, tags, several documents, duplicate keys. Input, depth and number of nodes
 * are bounded, and libfyaml's diagnostics end in the error, never on a terminal.
 */
#include "config/document.h"

#include <errno.h>
#include <libfyaml.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/io.h"
#include "util/text.h"

static int error_at(sb_error *error, const sb_origin *origin, int line, int column,
	const char *format, ...) SB_PRINTF(5, 6);

static int error_at(
	sb_error *error, const sb_origin *origin, int line, int column, const char *format, ...)
{
	const sb_node place = {.origin = origin, .line = line, .column = column};
	char message[700];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	return sb_node_error(error, &place, "%s", message);
}

/* --- Parsing ----------------------------------------------------------------------------- */

typedef struct frame {
	sb_node *node;
	const char *key; /* the key whose value comes next */
	int line, column;
} frame;

typedef struct parse {
	sb_arena *arena;
	const sb_origin *origin;
	sb_error *error;
	struct fy_parser *parser;
	frame stack[SB_DOCUMENT_DEPTH];
	size_t depth, nodes, documents;
	sb_node *root;
	int line, column; /* of the present event */
} parse;

static void discard(struct fy_diag *diag, void *user, const char *text, size_t length)
{
	(void)diag, (void)user, (void)text, (void)length;
}

static int refuse(parse *p, const char *what)
{
	return error_at(p->error, p->origin, p->line, p->column, "%s", what);
}

static int take_key(parse *p, frame *top, sb_node *node)
{
	sb_node *old;

	if (node->type != SB_NODE_SCALAR)
		return refuse(p, "a key must be a plain word");
	if (node->text[0] == '\0')
		return refuse(p, "a key is empty");
	old = sb_node_find(top->node, node->text);
	if (old != NULL)
		return error_at(p->error, p->origin, p->line, p->column,
			"duplicate key \"%.80s\"; first given in line %d", node->text,
			old->key_line);
	if (top->node->count >= SB_DOCUMENT_KEYS)
		return refuse(p, "too many keys in one map");
	top->key = node->text;
	top->line = node->line;
	top->column = node->column;
	return 0;
}

/* Hang a node where the parser stands. */
static int place(parse *p, sb_node *node)
{
	frame *top = p->depth > 0 ? &p->stack[p->depth - 1] : NULL;

	if (top == NULL) {
		p->root = node;
		return 0;
	}
	if (top->node->type == SB_NODE_MAP) {
		if (top->key == NULL)
			return take_key(p, top, node);
		node->key = top->key;
		node->key_line = top->line;
		node->key_column = top->column;
		top->key = NULL;
	}
	sb_node_append(top->node, node);
	return 0;
}

static int make(parse *p, sb_node_type type, sb_node **out)
{
	if (++p->nodes > SB_DOCUMENT_NODES)
		return refuse(p, "too many values");
	*out = sb_node_new(p->arena, type, p->origin);
	if (*out == NULL)
		return sb_error_no_memory(p->error);
	(*out)->line = p->line;
	(*out)->column = p->column;
	return 0;
}

static int open_node(parse *p, sb_node_type type)
{
	sb_node *node;
	int rc;

	if (p->depth == SB_DOCUMENT_DEPTH)
		return refuse(p, "nested too deeply: 32 levels are the limit");
	rc = make(p, type, &node);
	if (rc == 0)
		rc = place(p, node);
	if (rc == 0)
		p->stack[p->depth++] = (frame){.node = node};
	return rc;
}

static int scalar(parse *p, struct fy_token *value)
{
	size_t length = 0;
	const char *text = value != NULL ? fy_token_get_text(value, &length) : "";
	sb_node *node;
	int rc = make(p, SB_NODE_SCALAR, &node);

	if (rc != 0)
		return rc;
	if (text == NULL)
		return sb_error_no_memory(p->error);
	if (memchr(text, '\0', length) != NULL || !sb_utf8_valid(text, length))
		return refuse(p, "a text must not contain NUL or bytes that are no UTF-8");
	node->quoted = value != NULL && fy_token_scalar_style(value) != FYSS_PLAIN;
	node->text = sb_arena_copy(p->arena, text, length);
	if (node->text == NULL)
		return sb_error_no_memory(p->error);
	return place(p, node);
}

/* libfyaml's mark lies behind the opening quote, and behind an alias's star. */
static bool starts_behind_its_sign(struct fy_event *e)
{
	enum fy_scalar_style style = FYSS_PLAIN;

	if (e->type == FYET_SCALAR && e->scalar.value != NULL)
		style = fy_token_scalar_style(e->scalar.value);
	return e->type == FYET_ALIAS || style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
}

static int event(parse *p, struct fy_event *e)
{
	const struct fy_mark *mark = fy_event_start_mark(e);

	if (mark != NULL) {
		p->line = mark->line + 1;
		p->column = mark->column + 1;
	}
	if (mark != NULL && p->column > 1 && starts_behind_its_sign(e))
		p->column--;
	if (e->type == FYET_ALIAS)
		return refuse(p, "aliases (*) are not supported: write the value out");
	if (fy_event_get_anchor_token(e) != NULL)
		return refuse(p, "anchors (&) are not supported: write the value out");
	if (fy_event_get_tag_token(e) != NULL)
		return refuse(p, "tags (!) are not supported");
	switch (e->type) {
	case FYET_DOCUMENT_START:
		return ++p->documents > 1 ? refuse(p, "only one document is expected") : 0;
	case FYET_MAPPING_START:
		return open_node(p, SB_NODE_MAP);
	case FYET_SEQUENCE_START:
		return open_node(p, SB_NODE_LIST);
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		p->depth--;
		return 0;
	case FYET_SCALAR:
		return scalar(p, e->scalar.value);
	default:
		return 0;
	}
}

static int syntax_error(parse *p, struct fy_diag *diag)
{
	void *position = NULL;
	struct fy_diag_error *found = fy_diag_errors_iterate(diag, &position);

	if (found == NULL || found->msg == NULL)
		return refuse(p, "this is not valid YAML");
	return error_at(p->error, p->origin, found->line > 0 ? found->line : p->line,
		found->column > 0 ? found->column : p->column, "not valid YAML: %.200s",
		found->msg);
}

static int run(parse *p, struct fy_diag *diag)
{
	struct fy_event *e;
	int rc = 0;

	while (rc == 0 && (e = fy_parser_parse(p->parser)) != NULL) {
		rc = event(p, e);
		fy_parser_event_free(p->parser, e);
	}
	if (rc == 0 && (fy_parser_get_stream_error(p->parser) || fy_diag_got_error(diag)))
		rc = syntax_error(p, diag);
	return rc;
}

/* Bytes that YAML can't carry, with their place. */
static int check_bytes(const char *text, size_t length, const sb_origin *origin, sb_error *error)
{
	int line = 1, column = 1;
	size_t step;

	if (length > SB_DOCUMENT_BYTES)
		return error_at(error, origin, 1, 1, "larger than 1MiB");
	for (size_t i = 0; i < length; i += step, column++) {
		step = sb_utf8_sequence((const unsigned char *)text + i, length - i);
		if (text[i] == '\0')
			return error_at(error, origin, line, column, "NUL is not text");
		if (step == 0)
			return error_at(error, origin, line, column,
				"byte 0x%02x is not valid UTF-8", (unsigned char)text[i]);
		if (text[i] == '\n') {
			line++;
			column = 0;
		}
	}
	return 0;
}

static struct fy_diag *make_diag(void)
{
	struct fy_diag_cfg cfg;
	struct fy_diag *diag;

	fy_diag_cfg_default(&cfg);
	cfg.fp = NULL;
	cfg.output_fn = discard;
	cfg.level = FYET_ERROR;
	cfg.colorize = false;
	diag = fy_diag_create(&cfg);
	if (diag != NULL)
		fy_diag_set_collect_errors(diag, true);
	return diag;
}

static int parse_events(parse *p, const char *text, size_t length)
{
	struct fy_diag *diag = make_diag();
	struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG |
					    FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE |
					    FYPCF_DISABLE_MMAP_OPT,
		.diag = diag};
	int rc;

	p->parser = diag != NULL ? fy_parser_create(&cfg) : NULL;
	if (p->parser == NULL || fy_parser_set_string(p->parser, text, length) != 0)
		rc = sb_error_no_memory(p->error);
	else
		rc = run(p, diag);
	if (p->parser != NULL)
		fy_parser_destroy(p->parser);
	if (diag != NULL)
		fy_diag_destroy(diag);
	return rc;
}

sb_node *sb_document_parse(
	sb_arena *arena, const char *text, size_t length, const sb_origin *origin, sb_error *error)
{
	parse p = {.arena = arena, .origin = origin, .error = error, .line = 1, .column = 1};

	if (check_bytes(text, length, origin, error) != 0)
		return NULL;
	if (length > 0 && parse_events(&p, text, length) != 0)
		return NULL;
	if (p.root == NULL) {
		p.root = sb_node_new(arena, SB_NODE_SCALAR, origin); /* null */
		if (p.root == NULL)
			sb_error_no_memory(error);
	}
	return p.root;
}

sb_node *sb_document_read(sb_arena *arena, const char *path, sb_error *error)
{
	const sb_origin *origin;
	sb_node *root = NULL;
	size_t length;
	char *text = sb_read_file(path, SB_DOCUMENT_BYTES, &length);

	if (text == NULL) {
		if (errno == EFBIG)
			sb_error_set(
				error, SB_KIND_NOT_CONFIGURED, 0, "%s:1:1: larger than 1MiB", path);
		else
			sb_error_set(error, errno == ENOENT ? SB_KIND_FILE_NOT_FOUND : SB_KIND_IO,
				errno, "read %s", path);
		return NULL;
	}
	origin = sb_origin_new(arena, path, path);
	if (origin != NULL)
		root = sb_document_parse(arena, text, length, origin, error);
	else
		sb_error_no_memory(error);
	free(text);
	return root;
}
