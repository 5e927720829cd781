/* SPDX-License-Identifier: MIT */
/*
 * What becomes of held-back content: scan something bad, look at what is in quarantine, try to
 * get it back, let a person overrule the engines, and destroy it.
 *
 *     ./quarantine DATA_DIR
 */
#include <scanbridge/scanbridge.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A stand-in for a scanner, which objects to everything. Yours is in a configuration file. */
static const char settings[] =
	"engines: [{name: demo, type: mock, default: \"infected:Eicar-Test-Signature\"}]\n"
	"policy: {rules: [{id: bad, when: {outcome: infected}, then: quarantine}]}\n";

static int fail(const char *what, const sb_error *error)
{
	fprintf(stderr, "%s: %s\n", what, sb_error_message(error));
	return -1;
}

static sb_manager *open_manager(const char *data_dir, sb_error *error)
{
	sb_config *config = sb_config_new();
	sb_manager *manager = NULL;
	char quoted[4096];

	snprintf(quoted, sizeof quoted, "\"%s\"", data_dir);
	if (sb_config_load_text(config, settings, strlen(settings), "settings", error) < 0 ||
		sb_config_set(config, "data_dir", quoted, error) < 0 ||
		sb_manager_open(&manager, config, error) < 0)
		fail("open", error);
	sb_config_free(config);
	return manager;
}

/* The test file that scanners know, put together here so that none objects to this program. */
static int scan_something_bad(sb_manager *manager, char id[SB_QUARANTINE_ID_SIZE], sb_error *error)
{
	char bad[128];
	int length = snprintf(bad, sizeof bad, "X5O!P%%@AP[4\\PZX54(P^)7CC)7}$%s%s!$H+H*", "EICAR",
		"-STANDARD-ANTIVIRUS-TEST-FILE");
	sb_input *input = sb_input_memory(bad, (size_t)length);
	sb_report *report;
	int status;

	sb_input_set_name(input, "letter.com", 10);
	status = sb_scan(&report, manager, input, NULL, error);
	sb_input_free(input);
	if (status < 0)
		return fail("scan", error);
	printf("scanned: %s -> %s\n", sb_outcome_name(sb_report_outcome(report)),
		sb_action_name(sb_report_action(report)));
	status = sb_report_quarantine_id(report) != NULL ? 0 : -1;
	if (status == 0)
		snprintf(id, SB_QUARANTINE_ID_SIZE, "%s", sb_report_quarantine_id(report));
	sb_report_free(report);
	return status;
}

static int print_line(void *data, const sb_quarantine_record *record)
{
	const char *name = sb_quarantine_record_name(record, NULL);

	(void)data;
	printf("listed: %s %s %s\n", sb_quarantine_record_id(record),
		sb_quarantine_state_name(sb_quarantine_record_state(record)),
		name != NULL ? name : "-");
	return 0;
}

static int look(sb_quarantine *quarantine, const char *id, sb_error *error)
{
	sb_quarantine_record *record;
	char *json;

	if (sb_quarantine_list(quarantine, NULL, print_line, NULL, error) != SB_Q_OK ||
		sb_quarantine_find(quarantine, id, &record, error) != SB_Q_OK)
		return fail("look", error);
	json = sb_quarantine_record_json(record, NULL);
	printf("shown: %s\n", json != NULL ? json : "-");
	free(json);
	sb_quarantine_record_free(record);
	return 0;
}

/* A status says what to do next better than the kind of an error. */
static void restore(sb_manager *manager, const char *id, const char *folder, sb_error *error)
{
	sb_quarantine_status status = sb_quarantine_restore(
		manager, id, folder, NULL, "the sender asks for it", NULL, error);

	printf("restored: %s%s%s\n", sb_quarantine_status_name(status),
		status != SB_Q_OK ? ": " : "", status != SB_Q_OK ? sb_error_message(error) : "");
}

static int run(const char *folder, sb_manager *manager, sb_error *error)
{
	char id[SB_QUARANTINE_ID_SIZE];
	sb_quarantine *quarantine;
	sb_manager *next;
	uint64_t count;

	if (sb_manager_quarantine(manager, &quarantine, error) != SB_Q_OK)
		return fail("quarantine", error);
	if (scan_something_bad(manager, id, error) < 0 || look(quarantine, id, error) < 0)
		return -1;
	restore(manager, id, folder, error);
	if (sb_quarantine_release(quarantine, id, "ticket 4711: harmless", error) != SB_Q_OK)
		return fail("release", error);
	/* The release made a rule, which managers know that are opened from now on. */
	next = open_manager(folder, error);
	if (next == NULL)
		return -1;
	restore(next, id, folder, error);
	sb_manager_free(next);
	if (sb_quarantine_delete(quarantine, id, "no longer needed", error) != SB_Q_OK ||
		sb_quarantine_count(quarantine, &count, error) != SB_Q_OK)
		return fail("delete", error);
	printf("left: %llu\n", (unsigned long long)count);
	return 0;
}

int main(int argc, char **argv)
{
	sb_error *error = sb_error_new();
	sb_manager *manager;
	int status;

	if (argc != 2) {
		fprintf(stderr, "usage: %s DATA_DIR\n", argv[0]);
		sb_error_free(error);
		return 2;
	}
	manager = open_manager(argv[1], error);
	status = manager != NULL ? run(argv[1], manager, error) : -1;
	sb_manager_free(manager);
	sb_error_free(error);
	return status == 0 ? 0 : 1;
}
