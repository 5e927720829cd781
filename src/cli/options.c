/* SPDX-License-Identifier: MIT */
/* The table of options, turned into getopt_long's terms, into values and into help. */
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/text.h"

enum { MAX_OPTIONS = 96, WIDTH = 80, HELP_COLUMN = 26, LONG_BASE = 256 };

/* All options of all sets in one row, in getopt_long's form beside ours. */
typedef struct parser {
	const sb_option *options[MAX_OPTIONS];
	void *targets[MAX_OPTIONS];
	size_t count;
	struct option longs[MAX_OPTIONS + 2];
	char shorts[3 * MAX_OPTIONS + 8];
} parser;

static bool takes_argument(const sb_option *option)
{
	return option->argument != NULL;
}

static void add_short(parser *p, size_t *length, char key, bool argument)
{
	p->shorts[(*length)++] = key;
	if (argument)
		p->shorts[(*length)++] = ':';
}

static void prepare(parser *p, const sb_option_set *sets, size_t set_count, bool in_order)
{
	size_t length = 0;

	memset(p, 0, sizeof *p);
	if (in_order)
		p->shorts[length++] = '+';
	p->shorts[length++] = ':'; /* a missing argument is told apart from an unknown option */
	add_short(p, &length, 'h', false);
	for (size_t s = 0; s < set_count; s++) {
		for (const sb_option *o = sets[s].table; o != NULL && o->name != NULL; o++) {
			size_t i = p->count;
			if (o->type == SB_OPTION_GROUP || i == MAX_OPTIONS)
				continue;
			p->options[i] = o;
			p->targets[i] = sets[s].target;
			p->longs[i] = (struct option){o->name,
				takes_argument(o) ? required_argument : no_argument, NULL,
				LONG_BASE + (int)i};
			if (o->key != '\0')
				add_short(p, &length, o->key, takes_argument(o));
			p->count++;
		}
	}
	p->longs[p->count] = (struct option){"help", no_argument, NULL, 'h'};
}

static size_t find(const parser *p, int code)
{
	size_t i = 0;

	if (code >= LONG_BASE)
		return (size_t)(code - LONG_BASE);
	while (i < p->count && p->options[i]->key != (char)code)
		i++;
	return i;
}

/* --- Values ------------------------------------------------------------------------- */

static int set_count(void *target, const char *value)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (value[0] < '0' || value[0] > '9' || *end != '\0' || n < 1 || n > 1024)
		return -1;
	*(unsigned *)target = (unsigned)n;
	return 0;
}

static int set_number(void *target, const char *value)
{
	char *end;

	errno = 0;
	*(uint64_t *)target = strtoull(value, &end, 10);
	return value[0] >= '0' && value[0] <= '9' && *end == '\0' && errno == 0 ? 0 : -1;
}

static int set_choice(void *target, const char *const *choices, const char *value)
{
	for (int i = 0; choices[i] != NULL; i++) {
		if (strcmp(choices[i], value) == 0) {
			*(int *)target = i;
			return 0;
		}
	}
	return -1;
}

static int add_word(sb_words *words, const char *value, sb_error *error)
{
	const char **items = realloc(words->items, (words->count + 1) * sizeof *items);

	if (items == NULL)
		return sb_error_no_memory(error);
	words->items = items;
	items[words->count++] = value;
	return 0;
}

static const char *expectation(sb_option_type type)
{
	switch (type) {
	case SB_OPTION_COUNT:
		return "a whole number from 1 to 1024";
	case SB_OPTION_NUMBER:
		return "a whole number";
	case SB_OPTION_SIZE:
		return "bytes above 0 or a size like 25MiB (units KiB, MiB, GiB)";
	case SB_OPTION_DURATION:
		return "a duration above 0 with its unit, like 30s (units ms, s, m, h, d)";
	case SB_OPTION_CHOICE:
	case SB_OPTION_GROUP:
	case SB_OPTION_YES:
	case SB_OPTION_NO:
	case SB_OPTION_TEXT:
	case SB_OPTION_LIST:
	case SB_OPTION_ABSENT:
		break;
	}
	return "another value";
}

static int bad_value(const sb_option *option, const char *value, sb_error *error)
{
	char shown[128];
	sb_buf text;

	sb_buf_init(&text, sizeof shown);
	sb_escape(&text, value, strnlen(value, 24));
	if (option->type == SB_OPTION_CHOICE) {
		sb_buf list;
		sb_buf_init(&list, 256);
		for (int i = 0; option->choices[i] != NULL; i++)
			sb_buf_printf(&list, "%s%s", i > 0 ? ", " : "", option->choices[i]);
		sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0, "--%s: '%s' is none of %s",
			option->name, text.data != NULL ? text.data : "",
			list.data != NULL ? list.data : "");
		sb_buf_done(&list);
	} else {
		sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0, "--%s: '%s' is not %s", option->name,
			text.data != NULL ? text.data : "", expectation(option->type));
	}
	sb_buf_done(&text);
	return -SB_KIND_NOT_CONFIGURED;
}

static int store(const sb_option *option, void *structure, const char *value, sb_error *error)
{
	void *target = (char *)structure + option->offset;

	switch (option->type) {
	case SB_OPTION_YES:
		*(int *)target = 1;
		return 0;
	case SB_OPTION_NO:
		*(int *)target = -1;
		return 0;
	case SB_OPTION_TEXT:
		*(const char **)target = value;
		return 0;
	case SB_OPTION_LIST:
		return add_word(target, value, error);
	case SB_OPTION_COUNT:
		return set_count(target, value) == 0 ? 0 : bad_value(option, value, error);
	case SB_OPTION_NUMBER:
		return set_number(target, value) == 0 ? 0 : bad_value(option, value, error);
	case SB_OPTION_SIZE:
		if (sb_parse_size(value, target) && *(uint64_t *)target > 0)
			return 0;
		return bad_value(option, value, error);
	case SB_OPTION_DURATION:
		if (sb_parse_duration(value, target) && *(uint64_t *)target > 0)
			return 0;
		return bad_value(option, value, error);
	case SB_OPTION_CHOICE:
		if (set_choice(target, option->choices, value) == 0)
			return 0;
		return bad_value(option, value, error);
	case SB_OPTION_ABSENT:
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"--%s is not available in this build", option->name);
	case SB_OPTION_GROUP:
		break;
	}
	return sb_error_set(error, SB_KIND_INTERNAL, 0, "--%s has no value type", option->name);
}

/* --- Parsing ------------------------------------------------------------------------ */

static int unknown_option(const parser *p, const char *word, sb_error *error)
{
	const char *names[MAX_OPTIONS + 1] = {"help"};
	const char *near;
	char name[64];
	size_t length = strcspn(word, "=");
	sb_buf text;

	sb_buf_init(&text, 512);
	sb_escape(&text, word, length < 64 ? length : 64);
	for (size_t i = 0; i < p->count; i++)
		names[i + 1] = p->options[i]->name;
	length = length >= 2 ? length - 2 : 0;
	if (length >= sizeof name)
		length = sizeof name - 1;
	memcpy(name, word + 2, length);
	name[length] = '\0';
	near = sb_suggest(name, names, p->count + 1);
	sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0, "unknown option '%s'%s%s%s",
		text.data != NULL ? text.data : "", near != NULL ? "; did you mean '--" : "",
		near != NULL ? near : "", near != NULL ? "'?" : "");
	sb_buf_done(&text);
	return -SB_KIND_NOT_CONFIGURED;
}

/* getopt_long said ':' or '?': find out what was wrong. */
static int refuse(const parser *p, int code, char **argv, sb_error *error)
{
	size_t i = find(p, optopt);

	if (optopt != 0 && i < p->count && code == ':')
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0, "--%s needs a value: %s",
			p->options[i]->name, p->options[i]->argument);
	if (optopt >= LONG_BASE && i < p->count)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0, "--%s takes no value",
			p->options[i]->name);
	if (optopt != 0) {
		char shown[8];
		unsigned char c = (unsigned char)optopt;
		if (c > ' ' && c < 0x7f)
			snprintf(shown, sizeof shown, "%c", c);
		else
			snprintf(shown, sizeof shown, "\\x%02x", c);
		return sb_error_set(
			error, SB_KIND_NOT_CONFIGURED, 0, "unknown option '-%s'", shown);
	}
	return unknown_option(p, argv[optind - 1], error);
}

int sb_options_parse(const sb_option_set *sets, size_t set_count, int argc, char **argv,
	bool in_order, int *out, bool *help, sb_error *error)
{
	parser p;
	int code, status = 0;

	prepare(&p, sets, set_count, in_order);
	opterr = 0;
	optind = 0; /* glibc: start anew, with a new order */
	while (status == 0 && (code = getopt_long(argc, argv, p.shorts, p.longs, NULL)) != -1) {
		size_t i;
		if (code == 'h') {
			*help = true;
			break;
		}
		if (code == '?' || code == ':') {
			status = refuse(&p, code, argv, error);
			break;
		}
		i = find(&p, code);
		status = store(p.options[i], p.targets[i], optarg, error);
	}
	*out = optind;
	return status;
}

void sb_options_done(const sb_option *table, void *target)
{
	for (const sb_option *o = table; o != NULL && o->name != NULL; o++) {
		if (o->type == SB_OPTION_LIST) {
			sb_words *words = (sb_words *)(void *)((char *)target + o->offset);
			free(words->items);
			*words = (sb_words){NULL, 0};
		}
	}
}

/* --- Help --------------------------------------------------------------------------- */

static void blanks(sb_buf *out, size_t count)
{
	while (count-- > 0)
		sb_buf_char(out, ' ');
}

void sb_help_wrap(sb_buf *out, const char *text, size_t indent, size_t column)
{
	if (column < indent)
		blanks(out, indent - column);
	column = indent > column ? indent : column;
	while (*text != '\0') {
		size_t word = strcspn(text, " \n");
		if (column > indent && column + 1 + word > WIDTH) {
			sb_buf_char(out, '\n');
			blanks(out, indent);
			column = indent;
		} else if (column > indent) {
			sb_buf_char(out, ' ');
			column++;
		}
		sb_buf_add(out, text, word);
		column += word;
		text += word;
		if (*text == '\n') {
			sb_buf_char(out, '\n');
			text++;
			if (*text != '\0' && *text != '\n')
				blanks(out, indent);
			column = indent;
		} else if (*text == ' ') {
			text++;
		}
	}
	sb_buf_char(out, '\n');
}

static void option_help(sb_buf *out, const sb_option *option)
{
	size_t start = out->length, column;

	if (option->key != '\0')
		sb_buf_printf(out, "  -%c, ", option->key);
	else
		sb_buf_text(out, "      ");
	sb_buf_printf(out, "--%s%s%s", option->name, option->argument != NULL ? " " : "",
		option->argument != NULL ? option->argument : "");
	column = out->length - start;
	if (column + 2 > HELP_COLUMN) {
		sb_buf_char(out, '\n');
		column = 0;
	}
	sb_help_wrap(out, option->help, HELP_COLUMN, column);
}

void sb_options_help(sb_buf *out, const sb_option *table)
{
	for (const sb_option *o = table; o != NULL && o->name != NULL; o++) {
		if (o->type == SB_OPTION_GROUP)
			sb_buf_printf(out, "\n%s:\n", o->name);
		else
			option_help(out, o);
	}
}
