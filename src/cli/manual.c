/* SPDX-License-Identifier: MIT */
/*
 * `manual PAGE`, for the build: a page in scdoc's language. scanbridge(1), a page for every
 * command, and scanbridge.yaml(5); without PAGE, the names of all of them.
 */
#include "cli/manual.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/open.h"

enum { MAX_PAGES = 128, PAGE_NAME = 64 };

/* --- scdoc -------------------------------------------------------------------------------- */

void sb_scdoc_text(sb_buf *out, const char *text)
{
	const char *start = text;

	for (; *text != '\0'; text++) {
		bool first = text == start && strchr("#-.|[]!;`:", *text) != NULL;
		if (first || strchr("*_\\`+~^", *text) != NULL)
			sb_buf_char(out, '\\');
		sb_buf_char(out, *text);
	}
}

static size_t blanks(const char *text)
{
	return strspn(text, " ");
}

void sb_scdoc_literal(sb_buf *out, const char *text)
{
	size_t indent = blanks(text);

	sb_buf_text(out, "```\n");
	while (*text != '\0') {
		size_t length = strcspn(text, "\n");
		size_t skip = blanks(text) < indent ? blanks(text) : indent;
		sb_buf_add(out, text + skip, length - skip);
		sb_buf_char(out, '\n');
		text += length + (text[length] == '\n');
	}
	sb_buf_text(out, "```\n\n");
}

void sb_scdoc_paragraphs(sb_buf *out, const char *const *texts)
{
	for (; *texts != NULL; texts++) {
		sb_scdoc_text(out, *texts);
		sb_buf_text(out, "\n\n");
	}
}

static void item(sb_buf *out, const char *term, const char *text)
{
	sb_buf_char(out, '*');
	sb_scdoc_text(out, term);
	sb_buf_text(out, "*\n\t");
	sb_scdoc_text(out, text);
	sb_buf_text(out, "\n\n");
}

void sb_scdoc_items(sb_buf *out, const sb_manual_item *items)
{
	for (; items->term != NULL; items++)
		item(out, items->term, items->text);
}

/* --- Parts of pages ----------------------------------------------------------------------- */

/* `audit verify` to `scanbridge-audit-verify`. */
static void page_of(char name[PAGE_NAME], const sb_command *command)
{
	snprintf(name, PAGE_NAME, "scanbridge-%s", command->name);
	for (char *p = name; *p != '\0'; p++)
		if (*p == ' ')
			*p = '-';
}

static void title(sb_buf *out, const char *name, int section, const char *summary)
{
	sb_buf_printf(out, "%s(%d) \"scanbridge %s\" \"Scanbridge\"\n\n# NAME\n\n%s - ", name,
		section, sb_version(), name);
	sb_scdoc_text(out, summary);
	sb_buf_text(out, "\n\n");
}

static void synopsis(sb_buf *out, const sb_command *command)
{
	const char *line = command->synopsis;

	sb_buf_text(out, "# SYNOPSIS\n\n");
	do {
		char text[256];
		size_t length = strcspn(line, "\n");
		snprintf(text, sizeof text, "%.*s", (int)length, line);
		sb_buf_printf(out, "*scanbridge* [GLOBAL OPTIONS] *%s* ", command->name);
		sb_scdoc_text(out, text);
		line += length;
		sb_buf_text(out, *line == '\n' ? "++\n" : "\n");
	} while (*line++ == '\n');
	sb_buf_char(out, '\n');
}

static void option(sb_buf *out, const sb_option *option)
{
	if (option->key != '\0')
		sb_buf_printf(out, "*-%c*, ", option->key);
	sb_buf_text(out, "*--");
	sb_scdoc_text(out, option->name);
	sb_buf_char(out, '*');
	if (option->argument != NULL) {
		sb_buf_text(out, " _");
		sb_scdoc_text(out, option->argument);
		sb_buf_char(out, '_');
	}
	sb_buf_text(out, "\n\t");
	sb_scdoc_text(out, option->help);
	sb_buf_text(out, "\n\n");
}

static void options(sb_buf *out, const sb_option *table)
{
	for (const sb_option *o = table; o != NULL && o->name != NULL; o++) {
		if (o->type == SB_OPTION_GROUP)
			sb_buf_printf(out, "## %s\n\n", o->name);
		else
			option(out, o);
	}
}

/* Ready lines, `  1    text` with the text's further lines indented: a list of terms. */
static void exit_status(sb_buf *out, const char *lines)
{
	sb_buf_text(out, "# EXIT STATUS\n");
	while (*lines != '\0') {
		char text[256];
		size_t length = strcspn(lines, "\n"), skip = blanks(lines);
		if (skip == 2) {
			size_t digits = strspn(lines + skip, "0123456789");
			sb_buf_printf(out, "\n\n*%.*s*\n\t", (int)digits, lines + skip);
			skip += digits;
			skip += blanks(lines + skip);
		} else {
			sb_buf_char(out, ' ');
		}
		snprintf(text, sizeof text, "%.*s", (int)(length - skip), lines + skip);
		sb_scdoc_text(out, text);
		lines += length + (lines[length] == '\n');
	}
	sb_buf_text(out, "\n\n");
}

static bool same_group(const sb_command *a, const sb_command *b)
{
	size_t length = strcspn(a->name, " ");

	return a != b && a->name[length] == ' ' && strncmp(a->name, b->name, length + 1) == 0;
}

/* --- Pages -------------------------------------------------------------------------------- */

static void page_of_command(sb_buf *out, const sb_command *command)
{
	char name[PAGE_NAME];

	page_of(name, command);
	title(out, name, 1, command->summary);
	synopsis(out, command);
	sb_buf_text(out, "# DESCRIPTION\n\n");
	sb_scdoc_text(out, command->description != NULL ? command->description : command->summary);
	sb_buf_text(out, command->description != NULL ? "\n\n" : ".\n\n");
	sb_buf_text(out, "# OPTIONS\n\n");
	options(out, command->options);
	sb_buf_text(out, "*-h*, *--help*\n\tthis text, short\n\n"
			 "Global options are in *scanbridge*(1).\n\n");
	if (command->examples != NULL) {
		sb_buf_text(out, "# EXAMPLES\n\n");
		sb_scdoc_literal(out, command->examples);
	}
	exit_status(
		out, command->exit_status != NULL ? command->exit_status : sb_usual_exit_status);
	sb_buf_text(out, "# SEE ALSO\n\n*scanbridge*(1)");
	for (const sb_command *c = sb_commands; c->name != NULL; c++) {
		if (!same_group(command, c) || c->hidden)
			continue;
		page_of(name, c);
		sb_buf_printf(out, ", *%s*(1)", name);
	}
	sb_buf_text(out, ", *scanbridge.yaml*(5)\n");
}

static void page_of_program(sb_buf *out, const sb_command *none)
{
	(void)none;
	title(out, "scanbridge", 1, "one door in front of every malware scanner");
	sb_buf_text(out, "# SYNOPSIS\n\n*scanbridge* [GLOBAL OPTIONS] _COMMAND_ [ARGUMENTS]\n\n"
			 "# DESCRIPTION\n\n");
	sb_scdoc_paragraphs(out, sb_manual_introduction);
	sb_buf_text(out, "# COMMANDS\n\n");
	for (const sb_command *c = sb_commands; c->name != NULL; c++) {
		char name[PAGE_NAME];
		if (c->hidden)
			continue;
		page_of(name, c);
		sb_buf_printf(out, "*%s*\n\t", c->name);
		sb_scdoc_text(out, c->summary);
		sb_buf_printf(out, "; see *%s*(1)\n\n", name);
	}
	sb_buf_text(out, "# GLOBAL OPTIONS\n\nThey may stand before or after the command.\n\n");
	options(out, sb_global_options);
	sb_buf_text(out, "*-h*, *--help*\n\tan overview; after a command, the command's\n\n");
	sb_buf_text(out, "# FILES\n\n");
	sb_scdoc_items(out, sb_manual_files);
	sb_buf_text(out, "# ENVIRONMENT\n\n");
	sb_scdoc_items(out, sb_manual_environment);
	sb_buf_text(out, "# EXAMPLES\n\n");
	sb_scdoc_literal(out, sb_program_examples);
	exit_status(out, sb_program_exit_status);
	sb_buf_text(out, "# SEE ALSO\n\n*scanbridge.yaml*(5)\n");
}

static void page_of_configuration(sb_buf *out, const sb_command *none)
{
	(void)none;
	title(out, "scanbridge.yaml", 5, "the configuration of scanbridge");
	sb_manual_config(out);
}

/* --- The command -------------------------------------------------------------------------- */

typedef struct page {
	char name[PAGE_NAME + 4];
	void (*make)(sb_buf *, const sb_command *);
	const sb_command *command;
} page;

static size_t make_list(page *pages)
{
	size_t count = 0;

	pages[count++] = (page){"scanbridge.1", page_of_program, NULL};
	for (const sb_command *c = sb_commands; c->name != NULL && count < MAX_PAGES - 1; c++) {
		char name[PAGE_NAME];
		if (c->hidden)
			continue;
		page_of(name, c);
		pages[count] = (page){.make = page_of_command, .command = c};
		snprintf(pages[count++].name, sizeof pages[0].name, "%s.1", name);
	}
	pages[count++] = (page){"scanbridge.yaml.5", page_of_configuration, NULL};
	return count;
}

int sb_cmd_manual(const sb_globals *globals, const void *data, char **words, size_t word_count)
{
	static page pages[MAX_PAGES];
	const char *names[MAX_PAGES + 1];
	size_t count = make_list(pages);
	sb_buf out;

	(void)globals, (void)data;
	sb_buf_init(&out, 1 << 20);
	for (size_t i = 0; i < count; i++) {
		names[i] = pages[i].name;
		if (word_count == 0)
			sb_buf_printf(&out, "%s\n", pages[i].name);
		else if (strcmp(words[0], pages[i].name) == 0)
			pages[i].make(&out, pages[i].command);
	}
	names[count] = NULL;
	if (out.length > 0)
		return sb_cli_print(&out);
	sb_buf_done(&out);
	return sb_cli_unknown_word("manual", "page", words[0], names);
}
