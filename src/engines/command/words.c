/* SPDX-License-Identifier: MIT */
/*
 * The words of one run: the arguments with the placeholders filled in, those of the sandbox
 * before them, and the environment. No word of the caller's (a file's name) gets in here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engines/command/command.h"
#include "util/error.h"

static void add(sb_words *words, const char *text)
{
	char *copy = words->count < SB_COMMAND_WORDS - 1 ? strdup(text) : NULL;

	words->failed = words->failed || copy == NULL;
	if (copy != NULL)
		words->items[words->count++] = copy;
}

static void add_all(sb_words *words, const char *const *texts)
{
	for (; *texts != NULL; texts++)
		add(words, *texts);
}

/* --- Placeholders ---------------------------------------------------------------------------- */

typedef struct placeholder {
	const char *word, *value;
} placeholder;

/* The one that @p text begins with, or NULL. */
static const placeholder *placeholder_at(const placeholder *known, const char *text)
{
	for (; known->word != NULL; known++)
		if (strncmp(text, known->word, strlen(known->word)) == 0)
			return known;
	return NULL;
}

/* One argument with all placeholders filled in; true if there was one for the content. */
static bool add_filled(sb_words *words, const placeholder *known, const char *text)
{
	bool content = false;
	sb_buf out;

	sb_buf_init(&out, 1 << 17);
	sb_buf_text(&out, "");
	while (*text != '\0') {
		const placeholder *found = placeholder_at(known, text);

		if (found == NULL) {
			sb_buf_char(&out, *text++);
			continue;
		}
		sb_buf_text(&out, found->value);
		text += strlen(found->word);
		content = content || found->value == known->value;
	}
	words->failed = words->failed || out.failed;
	add(words, out.data != NULL ? out.data : "");
	sb_buf_done(&out);
	return content;
}

static void add_arguments(sb_words *words, const sb_command *command, const sb_texts *argv,
	const char *content, const char *work)
{
	/* The first two are the content's. */
	const placeholder known[] = {
		{"{}", content}, {"{path}", content}, {"{work}", work}, {NULL, NULL}};
	bool named = false;

	for (size_t i = 0; i < argv->count; i++)
		if (add_filled(words, content != NULL ? known : known + 2, argv->items[i]))
			named = true;
	/* The contract for external scanners: the path is the last argument. */
	if (!named && content != NULL && command->output == SB_OUTPUT_JSON)
		add(words, content);
}

/* --- The sandbox ----------------------------------------------------------------------------- */

/* All that can be seen is read-only, but for the folder of this run; our own data can't be seen;
 * processes are its own, and there is no network unless wanted. */
static void add_sandbox(sb_words *words, const sb_command *command, const sb_place *place,
	const char *work, int status_fd)
{
	char number[12];
	const char *const view[] = {"bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc",
		"/proc", "--tmpfs", command->around->data_dir, "--ro-bind", place->path,
		place->path, "--bind", work, work, "--chdir", work, NULL};
	const char *const rights[] = {"--unshare-all", "--die-with-parent", "--new-session",
		"--cap-drop", "ALL", "--json-status-fd", NULL};

	add_all(words, view);
	add_all(words, rights);
	snprintf(number, sizeof number, "%d", status_fd);
	add(words, number);
	if (command->network)
		add(words, "--share-net");
	add(words, "--");
}

/* --- The environment ------------------------------------------------------------------------- */

static bool is_set(const sb_words *words, const char *name, size_t length)
{
	for (size_t i = 0; i < words->count; i++)
		if (strncmp(words->items[i], name, length) == 0 && words->items[i][length] == '=')
			return true;
	return false;
}

static void add_variable(sb_words *words, const char *name, const char *value)
{
	sb_buf out;

	if (value == NULL || is_set(words, name, strlen(name)))
		return;
	sb_buf_init(&out, 1 << 17);
	sb_buf_printf(&out, "%s=%s", name, value);
	words->failed = words->failed || out.failed;
	if (!out.failed)
		add(words, out.data);
	sb_buf_done(&out);
}

/* What is wanted comes first: NAME is passed on from ours, NAME=VALUE as it is. */
static void add_environment(sb_words *words, const sb_command *command, const char *work)
{
	static const char path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

	for (size_t i = 0; i < command->environment.count; i++) {
		const char *item = command->environment.items[i];

		if (strchr(item, '=') != NULL)
			add(words, item);
		else
			add_variable(words, item, secure_getenv(item));
	}
	add_variable(words, "PATH", path);
	add_variable(words, "LC_ALL", "C");
	add_variable(words, "HOME", work);
	add_variable(words, "TMPDIR", work);
}

int sb_words_make(sb_run_words *out, const sb_command *command, const sb_texts *argv,
	const char *program, const sb_place *place, const char *content, int status_fd,
	sb_error *error)
{
	char work[PATH_MAX];

	memset(out, 0, sizeof *out);
	snprintf(work, sizeof work, "%.*s/work", PATH_MAX - 8, place->path);
	out->path = program;
	if (command->bwrap[0] != '\0') {
		out->path = command->bwrap;
		add_sandbox(&out->argv, command, place, work, status_fd);
		/* The sandbox looks it up by the word. */
		add(&out->argv, program);
		add_arguments(&out->argv, command, &(sb_texts){argv->items + 1, argv->count - 1},
			content, work);
	} else {
		add_arguments(&out->argv, command, argv, content, work);
	}
	add_environment(&out->environment, command, work);
	if (!out->argv.failed && !out->environment.failed)
		return 0;
	sb_words_free(out);
	return sb_error_set(error, SB_KIND_INTERNAL, 0, "the scanner's arguments are too many");
}

void sb_words_free(sb_run_words *words)
{
	for (size_t i = 0; i < words->argv.count; i++)
		free(words->argv.items[i]);
	for (size_t i = 0; i < words->environment.count; i++)
		free(words->environment.items[i]);
	words->argv.count = words->environment.count = 0;
}
