/* SPDX-License-Identifier: MIT */
/* Opening the store for a command, and its errors for people; see quarantine.h. */
#include <string.h>

#include "cli/log.h"
#include "cli/open.h"
#include "cli/quarantine.h"
#include "scan/manager.h"
#include "util/text.h"

static int open_store(sb_quarantine_session *session, sb_error *error)
{
	int status = sb_store_new(&session->store, session->conf, NULL, sb_clock_system(), error);

	if (status < 0 || sb_store_is_empty(session->store))
		return status;
	/* Only now is there something to do, and to write down. */
	sb_store_free(session->store);
	session->store = NULL;
	if (session->conf->audit.enabled)
		status = sb_manager_open_audit(
			&session->audit, session->conf, sb_clock_system(), NULL, error);
	if (status == 0)
		status = sb_store_new(
			&session->store, session->conf, session->audit, sb_clock_system(), error);
	if (status == 0)
		session->quarantine = sb_store_open(session->store, error);
	return status == 0 && session->quarantine == NULL ? -(int)error->kind : status;
}

int sb_quarantine_session_open(sb_quarantine_session *session, const sb_globals *globals)
{
	sb_config *config = sb_cli_config(globals);
	sb_error error;
	int status = -1;

	*session = (sb_quarantine_session){.conf = config != NULL ? sb_cli_conf(config) : NULL};
	sb_config_free(config);
	if (session->conf == NULL)
		return -1;
	sb_error_init(&error);
	if (session->conf->quarantine.enabled)
		status = open_store(session, &error);
	else
		sb_error_set(&error, SB_KIND_NOT_CONFIGURED, 0,
			"the configuration has no quarantine: quarantine.enabled is false");
	if (status < 0)
		sb_log_error(&error);
	return status;
}

void sb_quarantine_session_close(sb_quarantine_session *session)
{
	sb_store_free(session->store);
	if (session->audit != NULL)
		sb_audit_close(session->audit);
	sb_conf_free(session->conf);
}

int sb_quarantine_told(sb_quarantine_status status, const char *id, const sb_error *error)
{
	static const bool refused[SB_Q_STATUS_COUNT_] = {
		[SB_Q_NOT_FOUND] = true,
		[SB_Q_INTEGRITY] = true,
		[SB_Q_HELD] = true,
		[SB_Q_EXPIRED] = true,
		[SB_Q_EXISTS] = true,
		[SB_Q_REFUSED] = true,
		[SB_Q_BUSY] = true,
	};

	if (status == SB_Q_OK)
		return SB_EXIT_OK;
	if (strstr(error->message, id) != NULL)
		sb_log(SB_LOG_ERROR, "%s", error->message);
	else
		sb_log(SB_LOG_ERROR, "%s: %s", id, error->message);
	return refused[status] ? SB_EXIT_FOUND : SB_EXIT_FAILED;
}

int sb_quarantine_unknown(const char *id)
{
	sb_log(SB_LOG_ERROR, "quarantine object %s: there is none with this id", id);
	return SB_EXIT_FOUND;
}

bool sb_quarantine_ids_ok(char *const *ids, size_t count)
{
	bool ok = true;

	for (size_t i = 0; i < count; i++) {
		sb_buf shown;

		if (sb_quarantine_id_ok(ids[i]))
			continue;
		ok = false;
		sb_buf_init(&shown, 1024);
		sb_escape(&shown, ids[i], strnlen(ids[i], 60));
		sb_log(SB_LOG_ERROR,
			"'%s' is no id of an object: 32 digits 0-9a-f, as `quarantine list` shows",
			shown.data != NULL ? shown.data : "");
		sb_buf_done(&shown);
	}
	return ok;
}
