/* SPDX-License-Identifier: MIT */
/* `quarantine get` and `restore`: content that leaves the store, whole or not at all, and never
 * over something that is there. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/line.h"
#include "cli/log.h"
#include "cli/open.h"
#include "cli/quarantine.h"
#include "cli/quarantine_commands.h"
#include "util/temp.h"
#include "util/io.h"

#define AT(member) offsetof(sb_quarantine_settings, member)

const sb_option sb_quarantine_get_options[] = {
	{"output", 'o', SB_OPTION_TEXT, "FILE", AT(output),
		"write it there (- is standard output); a file that exists is never replaced"},
	{"reason", 0, SB_OPTION_TEXT, "TEXT", AT(reason), "why, for the audit log"},
	{NULL},
};

const sb_option sb_quarantine_restore_options[] = {
	{"to", 0, SB_OPTION_TEXT, "DIR", AT(to), "the folder that it is put into"},
	{"name", 0, SB_OPTION_TEXT, "NAME", AT(name),
		"what it is called there (default: as before)"},
	{"force", 0, SB_OPTION_YES, NULL, AT(force),
		"whatever the engines say now; needs --reason"},
	{"reason", 0, SB_OPTION_TEXT, "TEXT", AT(reason), "why, for the audit log"},
	{NULL},
};

/* --- get ----------------------------------------------------------------------------------- */

static int write_piece(void *fd, const void *bytes, size_t length)
{
	return sb_write_all(*(int *)fd, bytes, length);
}

static int get_to_stdout(sb_quarantine *quarantine, const char *id, const char *reason)
{
	int fd = STDOUT_FILENO;
	sb_error error;

	sb_error_init(&error);
	if (isatty(fd)) {
		sb_log(SB_LOG_ERROR, "quarantine get: what is in quarantine does not belong on a "
				     "terminal: redirect it, or name a file with -o");
		return SB_EXIT_FAILED;
	}
	return sb_quarantine_told(
		sb_quarantine_get(quarantine, id, reason, write_piece, &fd, &error), id, &error);
}

static int cannot(const char *path)
{
	sb_output_complain(path, errno == EEXIST ? "it is there already, and nothing is overwritten"
						 : strerror(errno));
	return errno == EEXIST ? SB_EXIT_FOUND : SB_EXIT_FAILED;
}

/* Without a name until it is whole and on disk. */
static int get_to_file(
	sb_quarantine *quarantine, const char *id, const char *path, const char *reason)
{
	char *copy = strdup(path), *base = strdup(path);
	const char *name = base != NULL ? basename(base) : "";
	int dir = copy != NULL ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int status = SB_EXIT_FAILED;
	sb_temp temp = {.dir = -1, .fd = -1};
	struct stat st;
	sb_error error;

	sb_error_init(&error);
	if (dir >= 0 && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		errno = EEXIST; /* before anybody reads it, and it is on record */
	else if (dir >= 0 && sb_temp_open(&temp, dir, ".scanbridge-get", 0) == 0) {
		status = sb_quarantine_told(
			sb_quarantine_get(quarantine, id, reason, write_piece, &temp.fd, &error),
			id, &error);
		if (status == SB_EXIT_OK && sb_temp_publish(&temp, name) != 0)
			status = cannot(path);
		sb_temp_drop(&temp);
		sb_close(&dir);
		free(copy);
		free(base);
		return status;
	}
	status = cannot(path);
	sb_close(&dir);
	free(copy);
	free(base);
	return status;
}

int sb_cmd_quarantine_get(const sb_globals *globals, const void *data, char **words, size_t count)
{
	const sb_quarantine_settings *settings = data;
	sb_quarantine *quarantine;
	int status = SB_EXIT_FAILED;

	if (!sb_quarantine_ids_ok(words, count))
		return SB_EXIT_FAILED;
	if (settings->output == NULL) {
		sb_log(SB_LOG_ERROR, "quarantine get: name a file with -o FILE");
		return SB_EXIT_FAILED;
	}
	quarantine = sb_cli_quarantine(globals);
	if (quarantine != NULL && strcmp(settings->output, "-") == 0)
		status = get_to_stdout(quarantine, words[0], settings->reason);
	else if (quarantine != NULL)
		status = get_to_file(quarantine, words[0], settings->output, settings->reason);
	sb_quarantine_close(quarantine);
	return status;
}

/* --- restore ------------------------------------------------------------------------------- */

/* What engines say to it is the library's message; how to get it all the same is ours. */
static int restore_scanned(
	sb_manager *manager, const sb_quarantine_settings *settings, const char *id)
{
	sb_report *report = NULL;
	sb_quarantine_status status;
	sb_error error;
	int exit_status;

	sb_error_init(&error);
	status = sb_quarantine_restore(
		manager, id, settings->to, settings->name, settings->reason, &report, &error);
	exit_status = sb_quarantine_told(status, id, &error);
	if (status == SB_Q_REFUSED && report != NULL)
		sb_log(SB_LOG_ERROR, "--force --reason TEXT overrides");
	sb_report_free(report);
	return exit_status;
}

static int check_restore(const sb_quarantine_settings *settings)
{
	const char *what =
		settings->to == NULL ? "name the folder with --to DIR"
		: settings->force != 0 && (settings->reason == NULL || settings->reason[0] == '\0')
			? "--force needs a reason: --reason TEXT"
			: NULL;

	if (what != NULL)
		sb_log(SB_LOG_ERROR, "quarantine restore: %s", what);
	return what != NULL ? -1 : 0;
}

static int restore_forced(
	const sb_globals *globals, const sb_quarantine_settings *settings, const char *id)
{
	sb_quarantine *quarantine = sb_cli_quarantine(globals);
	int status = SB_EXIT_FAILED;
	sb_error error;

	sb_error_init(&error);
	if (quarantine != NULL)
		status = sb_quarantine_told(
			sb_quarantine_restore_unscanned(quarantine, id, settings->to,
				settings->name, settings->reason, &error),
			id, &error);
	sb_quarantine_close(quarantine);
	return status;
}

static int restore_behind_scan(
	const sb_globals *globals, const sb_quarantine_settings *settings, const char *id)
{
	sb_config *config = sb_cli_config(globals);
	sb_manager *manager = config != NULL ? sb_cli_open(config) : NULL;
	int status = manager != NULL ? restore_scanned(manager, settings, id) : SB_EXIT_FAILED;

	sb_manager_free(manager);
	sb_config_free(config);
	return status;
}

int sb_cmd_quarantine_restore(
	const sb_globals *globals, const void *data, char **words, size_t count)
{
	const sb_quarantine_settings *settings = data;

	if (!sb_quarantine_ids_ok(words, count) || check_restore(settings) < 0)
		return SB_EXIT_FAILED;
	return settings->force != 0 ? restore_forced(globals, settings, words[0])
				    : restore_behind_scan(globals, settings, words[0]);
}
