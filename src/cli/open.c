/* SPDX-License-Identifier: MIT */
/* Errors of opening end here: the library's message, then what the person can do. */
#include "cli/open.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/log.h"
#include "scan/manager.h"
#include "util/error.h"
#include "util/io.h"
#include "util/text.h"

static bool is_permission(const sb_error *error)
{
	int code = sb_error_sys_errno(error);

	return code == EACCES || code == EPERM || code == EROFS;
}

static void tell_recovery(const sb_audit_recovery *recovery)
{
	if (recovery == NULL || !recovery->recovered)
		return;
	sb_log(SB_LOG_WARN,
		"audit log recovered: %llu bytes of an unfinished record were cut at offset %llu; "
		"the last whole record is seq %llu",
		(unsigned long long)recovery->length, (unsigned long long)recovery->offset,
		(unsigned long long)recovery->last_seq);
}

/* Keys have memory of their own that no core dump has; but libraries make copies on the way. */
static void keep_secrets(const sb_conf *conf)
{
	for (size_t i = 0; i < conf->engine_count; i++)
		if ((conf->engines[i].ops->flags & SB_ENGINE_HOLDS_SECRETS) != 0)
			(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static void tell_note(const char *engine, const char *note)
{
	sb_buf text;

	if (note == NULL)
		return;
	sb_buf_init(&text, 4096);
	sb_escape(&text, note, strnlen(note, 600));
	sb_log(SB_LOG_WARN, "engine %s %s", engine, text.data != NULL ? text.data : "");
	sb_buf_done(&text);
}

sb_manager *sb_cli_open(const sb_config *config)
{
	sb_manager *manager = NULL;
	const sb_conf *conf;
	sb_error error;

	sb_error_init(&error);
	if (sb_manager_open(&manager, config, &error) < 0) {
		sb_log_error(&error);
		if (is_permission(&error))
			sb_log(SB_LOG_ERROR,
				"name another data directory with --data-dir DIR, or "
				"make this one writable for uid %u",
				(unsigned)geteuid());
		return NULL;
	}
	tell_recovery(sb_manager_recovery(manager));
	conf = sb_manager_conf(manager);
	keep_secrets(conf);
	for (size_t i = 0; i < conf->engine_count; i++) {
		const sb_error *problem = sb_manager_engine_problem(manager, i);
		if (problem != NULL)
			sb_log(SB_LOG_WARN, "out of service: %s", sb_error_message(problem));
		tell_note(conf->engines[i].name, sb_manager_engine_note(manager, i));
	}
	for (size_t i = 0; i < conf->notice_count; i++)
		sb_log(SB_LOG_INFO, "%s", conf->notices[i]);
	return manager;
}

sb_conf *sb_cli_conf(const sb_config *config)
{
	sb_conf *conf = NULL;
	sb_error error;

	sb_error_init(&error);
	if (sb_conf_build(&conf, config, &error) == 0)
		return conf;
	sb_log_error(&error);
	return NULL;
}

char *sb_cli_absolute(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? sb_absolute(path) : NULL;
}

int sb_cli_flushed(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	sb_log(SB_LOG_ERROR, "standard output: %s", strerror(errno));
	return 2;
}

int sb_cli_print(sb_buf *text)
{
	bool whole = !text->failed;

	if (whole)
		(void)fwrite(text->data, 1, text->length, stdout);
	else
		sb_log(SB_LOG_ERROR, "out of memory");
	sb_buf_done(text);
	return sb_cli_flushed(whole ? 0 : 2);
}

int sb_cli_unknown_word(
	const char *command, const char *what, const char *word, const char *const *known)
{
	size_t count = 0;
	const char *near;
	sb_buf shown;

	while (known[count] != NULL)
		count++;
	near = sb_suggest(word, known, count);
	sb_buf_init(&shown, 512);
	sb_escape(&shown, word, strnlen(word, 60));
	sb_log(SB_LOG_ERROR, "%s: no %s is called '%s'%s%s%s", command, what,
		shown.data != NULL ? shown.data : "", near != NULL ? "; did you mean '" : "",
		near != NULL ? near : "", near != NULL ? "'?" : "");
	if (near == NULL) {
		sb_buf_clear(&shown);
		for (size_t i = 0; i < count; i++)
			sb_buf_printf(&shown, "%s%s", i > 0 ? ", " : "", known[i]);
		sb_log(SB_LOG_ERROR, "there are: %s", shown.data != NULL ? shown.data : "none");
	}
	sb_buf_done(&shown);
	return 2;
}
