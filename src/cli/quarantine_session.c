/* SPDX-License-Identifier: MIT */
/* Opening the store for a command, and its errors for people; see quarantine.h. */
#include <string.h>

#include "cli/log.h"
#include "cli/open.h"
#include "cli/quarantine.h"
#include "util/text.h"

sb_quarantine *sb_cli_quarantine(const sb_globals *globals)
{
	sb_config *config = sb_cli_config(globals);
	sb_quarantine *quarantine = NULL;
	sb_error error;

	if (config == NULL)
		return NULL;
	sb_error_init(&error);
	if (sb_quarantine_open(&quarantine, config, &error) == SB_Q_OK &&
		sb_quarantine_recover(quarantine, &error) != SB_Q_OK) {
		sb_quarantine_close(quarantine);
		quarantine = NULL;
	}
	if (quarantine == NULL)
		sb_log_error(&error);
	sb_config_free(config);
	return quarantine;
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
