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
#include "quarantine/temp.h"
#include "scan/manager.h"
#include "util/io.h"
#include "util/text.h"

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
	sb_quarantine_session session;
	int status = SB_EXIT_FAILED;

	if (!sb_quarantine_ids_ok(words, count))
		return SB_EXIT_FAILED;
	if (settings->output == NULL) {
		sb_log(SB_LOG_ERROR, "quarantine get: name a file with -o FILE");
		return SB_EXIT_FAILED;
	}
	if (sb_quarantine_session_open(&session, globals) == 0) {
		if (session.quarantine == NULL)
			status = sb_quarantine_unknown(words[0]);
		else if (strcmp(settings->output, "-") == 0)
			status = get_to_stdout(session.quarantine, words[0], settings->reason);
		else
			status = get_to_file(
				session.quarantine, words[0], settings->output, settings->reason);
	}
	sb_quarantine_session_close(&session);
	return status;
}

/* --- restore ------------------------------------------------------------------------------- */

/* Clean by today's signatures; or released by a person, and allowed by that. */
static bool may_leave(const sb_report *report, const sb_quarantine_record *record)
{
	return sb_report_outcome(report) == SB_OUTCOME_CLEAN ||
	       (record->state == SB_Q_RELEASED && sb_report_allowed(report));
}

static int rescan(void *manager, int fd, const sb_quarantine_record *record, sb_error *error)
{
	sb_scan_options *options = sb_scan_options_new();
	sb_context *context = sb_context_new();
	sb_input *input = sb_input_fd(fd);
	sb_report *report = NULL;
	int status = -SB_KIND_INTERNAL;

	if (options != NULL && context != NULL && input != NULL &&
		sb_context_set_source(context, "restore", 7) == 0 &&
		(record->tenant == NULL || sb_context_set_tenant(context, record->tenant,
						   strlen(record->tenant)) == 0) &&
		sb_scan_options_set_context(options, context) == 0 &&
		sb_input_set_name(input, record->name != NULL ? record->name : "",
			record->name_length) == 0) {
		sb_scan_options_set_quarantine(options, false);
		status = sb_scan(&report, manager, input, options, error);
	} else {
		sb_error_no_memory(error);
	}
	if (status == 0 && !may_leave(report, record))
		status = sb_error_set(error, SB_KIND_QUARANTINE_FAILED, 0,
			"scanned anew it is %s (%s); --force --reason TEXT overrides",
			sb_outcome_name(sb_report_outcome(report)), sb_report_explanation(report));
	sb_report_free(report);
	sb_input_free(input);
	sb_context_free(context);
	sb_scan_options_free(options);
	return status;
}

/* Below one of quarantine.restore_roots, where there are any. */
static int open_folder(const sb_conf *conf, const char *to, sb_error *error)
{
	const sb_texts_list *roots = &conf->quarantine.restore_roots;
	char *path = sb_cli_absolute(to);
	const char *below;
	int fd = -1;

	if (path == NULL)
		sb_error_set(error, SB_KIND_FILE_NOT_FOUND, errno, "restore into %s", to);
	else if (roots->count == 0)
		fd = sb_quarantine_open_target(NULL, path, error);
	else
		sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"restore into %s: it is below none of quarantine.restore_roots", to);
	for (size_t i = 0; path != NULL && fd < 0 && i < roots->count; i++) {
		size_t length = strlen(roots->items[i]);
		if (strncmp(path, roots->items[i], length) != 0 ||
			(path[length] != '/' && path[length] != '\0'))
			continue;
		below = path[length] == '/' ? path + length + 1 : ".";
		fd = sb_quarantine_open_target(
			roots->items[i], below[0] != '\0' ? below : ".", error);
		break;
	}
	free(path);
	return fd;
}

static int restore_to(
	sb_manager *manager, const sb_quarantine_settings *settings, const char *id, int folder)
{
	sb_quarantine_target target = {.folder = folder,
		.name = settings->name,
		.reason = settings->reason,
		.rescan = settings->force != 0 ? NULL : rescan,
		.data = manager};
	sb_quarantine *quarantine = NULL;
	sb_quarantine_record record;
	sb_quarantine_status status = SB_Q_OK;
	sb_error error;
	sb_arena arena;
	int exit_status;

	sb_error_init(&error);
	if (sb_store_is_empty(sb_manager_store(manager)))
		return sb_quarantine_unknown(id);
	sb_arena_init(&arena, 1 << 24);
	quarantine = sb_store_open(sb_manager_store(manager), &error);
	if (quarantine == NULL)
		status = SB_Q_IO;
	if (status == SB_Q_OK)
		status = sb_quarantine_find(quarantine, id, &arena, &record, &error);
	if (status == SB_Q_OK) {
		char *name = record.name != NULL && record.name_length > 0
				     ? sb_arena_copy(&arena, record.name, record.name_length + 1)
				     : NULL;
		if (name != NULL)
			name[record.name_length] = '\0';
		if (target.name == NULL)
			target.name = name != NULL ? name : id;
		status = sb_quarantine_restore(quarantine, id, &target, &error);
	}
	exit_status = sb_quarantine_told(status, id, &error);
	sb_arena_done(&arena);
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

int sb_cmd_quarantine_restore(
	const sb_globals *globals, const void *data, char **words, size_t count)
{
	const sb_quarantine_settings *settings = data;
	sb_config *config;
	sb_manager *manager;
	sb_error error;
	int folder = -1, status = SB_EXIT_FAILED;

	if (!sb_quarantine_ids_ok(words, count) || check_restore(settings) < 0)
		return SB_EXIT_FAILED;
	config = sb_cli_config(globals);
	manager = config != NULL ? sb_cli_open(config) : NULL;
	sb_error_init(&error);
	if (manager != NULL && sb_manager_store(manager) == NULL)
		sb_log(SB_LOG_ERROR,
			"the configuration has no quarantine: quarantine.enabled is false");
	else if (manager != NULL) {
		folder = open_folder(sb_manager_conf(manager), settings->to, &error);
		if (folder < 0)
			sb_log_error(&error);
		else
			status = restore_to(manager, settings, words[0], folder);
	}
	sb_close(&folder);
	sb_manager_free(manager);
	sb_config_free(config);
	return status;
}
