/* SPDX-License-Identifier: MIT */
/* The `audit` commands: which log, then over to audit_files.c and audit_export.c. */
#include <stdlib.h>
#include <string.h>

#include "cli/audit_files.h"
#include "cli/commands.h"
#include "cli/log.h"
#include "cli/open.h"
#include "cli/settings.h"

#define AT(member) offsetof(sb_audit_show_settings, member)

static const char *const events[] = {"log_opened", "log_recovered", "engine_state",
	"content_upload", "scan_started", "scan_completed", "policy_decision",
	"quarantine_operation", "rules_changed", "config_loaded", NULL};

const sb_option sb_audit_verify_options[] = {
	{"key", 0, SB_OPTION_ABSENT, "FILE", 0, "not available in this build"},
	{"anchor", 0, SB_OPTION_ABSENT, "FILE", 0, "not available in this build"},
	{NULL},
};

const sb_option sb_audit_show_options[] = {
	{"json", 0, SB_OPTION_YES, NULL, AT(json), "the records as they are, one a line"},
	{"after", 0, SB_OPTION_NUMBER, "SEQ", AT(after), "only records with a higher number"},
	{"limit", 'n', SB_OPTION_NUMBER, "N", AT(limit), "only the last N of them"},
	{"event", 0, SB_OPTION_TEXT, "NAME", AT(event),
		"only this event: scan_completed, policy_decision, ...", events},
	{NULL},
};

static const char *const formats[] = {"ocsf", NULL};

const sb_option sb_audit_export_options[] = {
	{"format", 0, SB_OPTION_CHOICE, "FORMAT", offsetof(sb_audit_export_settings, format),
		"ocsf: events of the Open Cybersecurity Schema Framework, one JSON object a line",
		formats},
	{"after", 0, SB_OPTION_NUMBER, "SEQ", offsetof(sb_audit_export_settings, after),
		"only records with a higher number"},
	{NULL},
};

/* The file that was named, else the configuration's; to be freed. NULL: told why. */
static char *log_path(const sb_globals *globals, char **words, size_t count)
{
	sb_config *config;
	sb_conf *conf;
	char *path = NULL;

	if (count > 0)
		return strdup(words[0]);
	config = sb_cli_config(globals);
	conf = config != NULL ? sb_cli_conf(config) : NULL;
	if (conf != NULL && conf->audit.enabled)
		path = strdup(conf->audit.file);
	else if (conf != NULL)
		sb_log(SB_LOG_ERROR, "the configuration has no audit log: name a FILE");
	sb_conf_free(conf);
	sb_config_free(config);
	return path;
}

int sb_cmd_audit_verify(const sb_globals *globals, const void *options, char **words, size_t count)
{
	char *path = log_path(globals, words, count);
	int status = path != NULL ? sb_audit_cmd_verify(path, stdout) : SB_EXIT_FAILED;

	(void)options;
	free(path);
	return sb_cli_flushed(status);
}

int sb_cmd_audit_show(const sb_globals *globals, const void *data, char **words, size_t count)
{
	const sb_audit_show_settings *settings = data;
	const struct sb_audit_show_options options = {.json = settings->json != 0,
		.after = settings->after,
		.limit = settings->limit,
		.event = settings->event};
	char *path = log_path(globals, words, count);
	int status = path != NULL ? sb_audit_cmd_show(path, &options, stdout) : SB_EXIT_FAILED;

	free(path);
	return sb_cli_flushed(status);
}

int sb_cmd_audit_export(const sb_globals *globals, const void *data, char **words, size_t count)
{
	const sb_audit_export_settings *settings = data;
	char *path = log_path(globals, words, count);
	int status =
		path != NULL ? sb_audit_cmd_export(path, settings->after, stdout) : SB_EXIT_FAILED;

	free(path);
	return sb_cli_flushed(status);
}
