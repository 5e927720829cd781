/* SPDX-License-Identifier: MIT */
/* The `quarantine` commands that change objects, or the store as a whole. */
#include <stdio.h>
#include <string.h>

#include "cli/log.h"
#include "cli/open.h"
#include "cli/quarantine.h"
#include "cli/quarantine_commands.h"
#include "cli/term.h"
#include "scan/store.h"
#include "util/text.h"

#define AT(member) offsetof(sb_quarantine_settings, member)

const sb_option sb_quarantine_change_options[] = {
	{"reason", 0, SB_OPTION_TEXT, "TEXT", AT(reason), "why, for the audit log"},
	{NULL},
};

const sb_option sb_quarantine_hold_options[] = {
	{"off", 0, SB_OPTION_YES, NULL, AT(off), "end the hold"},
	{"reason", 0, SB_OPTION_TEXT, "TEXT", AT(reason), "why, for the audit log"},
	{NULL},
};

const sb_option sb_quarantine_verify_options[] = {
	{"json", 0, SB_OPTION_YES, NULL, AT(json), "the result as JSON"},
	{NULL},
};

/* --- One object after the other --------------------------------------------------------------- */

typedef sb_quarantine_status (*change_fn)(sb_quarantine *quarantine, const char *id,
	const sb_quarantine_settings *settings, sb_error *error);

static sb_quarantine_status release(sb_quarantine *quarantine, const char *id,
	const sb_quarantine_settings *settings, sb_error *error)
{
	return sb_quarantine_release(quarantine, id, settings->reason, error);
}

static sb_quarantine_status reject(sb_quarantine *quarantine, const char *id,
	const sb_quarantine_settings *settings, sb_error *error)
{
	return sb_quarantine_reject(quarantine, id, settings->reason, error);
}

static sb_quarantine_status hold(sb_quarantine *quarantine, const char *id,
	const sb_quarantine_settings *settings, sb_error *error)
{
	return sb_quarantine_hold(quarantine, id, settings->off == 0, settings->reason, error);
}

static sb_quarantine_status destroy(sb_quarantine *quarantine, const char *id,
	const sb_quarantine_settings *settings, sb_error *error)
{
	return sb_quarantine_delete(quarantine, id, settings->reason, error);
}

/* All of them, whatever becomes of one; the worst exit status. */
static int change_all(
	change_fn change, const sb_globals *globals, const void *settings, char **ids, size_t count)
{
	sb_quarantine *quarantine =
		sb_quarantine_ids_ok(ids, count) ? sb_cli_quarantine(globals) : NULL;
	int worst = quarantine != NULL ? SB_EXIT_OK : SB_EXIT_FAILED;

	for (size_t i = 0; quarantine != NULL && worst != SB_EXIT_FAILED && i < count; i++) {
		sb_error error;
		int status;

		sb_error_init(&error);
		status = sb_quarantine_told(
			change(quarantine, ids[i], settings, &error), ids[i], &error);
		worst = status > worst ? status : worst;
	}
	sb_quarantine_close(quarantine);
	return worst;
}

int sb_cmd_quarantine_release(const sb_globals *globals, const void *data, char **ids, size_t count)
{
	return change_all(release, globals, data, ids, count);
}

int sb_cmd_quarantine_reject(const sb_globals *globals, const void *data, char **ids, size_t count)
{
	return change_all(reject, globals, data, ids, count);
}

int sb_cmd_quarantine_hold(const sb_globals *globals, const void *data, char **ids, size_t count)
{
	return change_all(hold, globals, data, ids, count);
}

int sb_cmd_quarantine_delete(const sb_globals *globals, const void *data, char **ids, size_t count)
{
	return change_all(destroy, globals, data, ids, count);
}

/* --- verify ------------------------------------------------------------------------------------
 */

static void tell_bad(void *data, const char *id, const char *message)
{
	(void)data;
	if (strstr(message, id) != NULL)
		sb_log(SB_LOG_ERROR, "%s", message);
	else
		sb_log(SB_LOG_ERROR, "%s: %s", id, message);
}

static int verify(sb_quarantine *quarantine, const char *id, bool json)
{
	sb_quarantine_verified result = {0};
	sb_quarantine_status status;
	char good[SB_NUMBER_SIZE], bad[SB_NUMBER_SIZE], strays[SB_NUMBER_SIZE];
	sb_error error;

	sb_error_init(&error);
	status = sb_quarantine_verify(quarantine, id, &result, tell_bad, NULL, &error);
	if (status != SB_Q_OK)
		return sb_quarantine_told(status, id != NULL ? id : "quarantine", &error);
	if (json)
		printf("{\"good\":%llu,\"bad\":%llu,\"strays\":%llu}\n",
			(unsigned long long)result.good, (unsigned long long)result.bad,
			(unsigned long long)result.strays);
	else
		printf("%s good, %s bad, %s strays\n", sb_format_count(good, result.good),
			sb_format_count(bad, result.bad), sb_format_count(strays, result.strays));
	return result.bad > 0 || result.strays > 0 ? SB_EXIT_FOUND : SB_EXIT_OK;
}

int sb_cmd_quarantine_verify(
	const sb_globals *globals, const void *data, char **words, size_t count)
{
	const sb_quarantine_settings *settings = data;
	sb_quarantine *quarantine =
		sb_quarantine_ids_ok(words, count) ? sb_cli_quarantine(globals) : NULL;
	int status = SB_EXIT_FAILED;

	if (quarantine != NULL)
		status = verify(quarantine, count > 0 ? words[0] : NULL, settings->json != 0);
	sb_quarantine_close(quarantine);
	return sb_cli_flushed(status);
}

/* --- The whole store ---------------------------------------------------------------------------
 */

/* `3 objects WHAT` */
static int tell_sum(uint64_t count, const char *what)
{
	char number[SB_NUMBER_SIZE];

	printf("%s %s %s\n", sb_format_count(number, count), count == 1 ? "object" : "objects",
		what);
	return SB_EXIT_OK;
}

static int whole_store(const sb_globals *globals, const char *what,
	sb_quarantine_status (*work)(sb_quarantine *quarantine, uint64_t *count, sb_error *error))
{
	sb_quarantine *quarantine = sb_cli_quarantine(globals);
	int status = SB_EXIT_FAILED;

	if (quarantine != NULL) {
		sb_quarantine_status done;
		uint64_t count = 0;
		sb_error error;

		sb_error_init(&error);
		done = work(quarantine, &count, &error);
		status = done == SB_Q_OK ? tell_sum(count, what)
					 : sb_quarantine_told(done, "quarantine", &error);
	}
	sb_quarantine_close(quarantine);
	return sb_cli_flushed(status);
}

static sb_quarantine_status purge(sb_quarantine *quarantine, uint64_t *count, sb_error *error)
{
	return sb_quarantine_purge(quarantine, 0, count, error);
}

int sb_cmd_quarantine_purge(
	const sb_globals *globals, const void *settings, char **words, size_t count)
{
	(void)settings;
	(void)words;
	(void)count;
	return whole_store(globals, "deleted: their retention had ended", purge);
}

int sb_cmd_quarantine_rekey(
	const sb_globals *globals, const void *settings, char **words, size_t count)
{
	(void)settings;
	(void)words;
	(void)count;
	return whole_store(globals, "moved to a new key", sb_quarantine_rekey);
}

/* Without a session: an index that is damaged can't be opened. */
int sb_cmd_quarantine_rebuild(
	const sb_globals *globals, const void *settings, char **words, size_t count)
{
	sb_config *config = sb_cli_config(globals);
	sb_conf *conf = config != NULL ? sb_cli_conf(config) : NULL;
	sb_store *store = NULL;
	uint64_t objects = 0;
	int status = SB_EXIT_FAILED;
	sb_error error;

	(void)settings;
	(void)words;
	(void)count;
	sb_error_init(&error);
	if (conf != NULL && sb_store_new(&store, conf, NULL, sb_clock_system(), &error) < 0)
		sb_log_error(&error);
	else if (conf != NULL && sb_store_files_ops.absent(sb_store_options(store)))
		status = tell_sum(0, "in the index");
	else if (conf != NULL)
		status =
			sb_store_files_rebuild(sb_store_options(store), &objects, &error) == SB_Q_OK
				? tell_sum(objects, "in the index")
				: sb_quarantine_told(SB_Q_IO, "quarantine", &error);
	sb_store_free(store);
	sb_conf_free(conf);
	sb_config_free(config);
	return sb_cli_flushed(status);
}
