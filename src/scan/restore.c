/* SPDX-License-Identifier: MIT */
/* Out of quarantine behind a new scan: what today's signatures still object to stays inside. */
#include <string.h>

#include "quarantine/quarantine.h"
#include "scan/manager.h"

struct anew {
	sb_manager *manager;
	sb_report *report; /* of the new scan; NULL: there was none */
};

/* Clean by today's signatures; or released by a person, and allowed by that. */
static bool may_leave(const sb_report *report, const sb_quarantine_record *record)
{
	return sb_report_outcome(report) == SB_OUTCOME_CLEAN ||
	       (record->state == SB_Q_RELEASED && sb_report_allowed(report));
}

static int scan(struct anew *anew, int fd, const sb_quarantine_record *record, sb_error *error)
{
	sb_scan_options *options = sb_scan_options_new();
	sb_context *context = sb_context_new();
	sb_input *input = sb_input_fd(fd);
	int status;

	if (options != NULL && context != NULL && input != NULL &&
		sb_context_set_source(context, "restore", 7) == 0 &&
		(record->tenant == NULL || sb_context_set_tenant(context, record->tenant,
						   strlen(record->tenant)) == 0) &&
		sb_scan_options_set_context(options, context) == 0 &&
		sb_input_set_name(input, record->name != NULL ? record->name : "",
			record->name_length) == 0) {
		sb_scan_options_set_quarantine(options, false);
		sb_scan_options_set_cache(options, false);
		status = sb_scan(&anew->report, anew->manager, input, options, error);
	} else {
		status = sb_error_no_memory(error);
	}
	sb_input_free(input);
	sb_context_free(context);
	sb_scan_options_free(options);
	return status;
}

static int rescan(void *data, int fd, const sb_quarantine_record *record, sb_error *error)
{
	struct anew *anew = data;
	int status = scan(anew, fd, record, error);

	if (status < 0 || may_leave(anew->report, record))
		return status;
	return sb_error_set(error, SB_KIND_QUARANTINE_FAILED, 0, "scanned anew it is %s (%s)",
		sb_outcome_name(sb_report_outcome(anew->report)),
		sb_report_explanation(anew->report));
}

sb_quarantine_status sb_quarantine_restore(sb_manager *manager, const char *id, const char *folder,
	const char *name, const char *reason, sb_report **report, sb_error *error)
{
	struct anew anew = {.manager = manager};
	sb_quarantine_target target = {
		.name = name, .reason = reason, .rescan = rescan, .data = &anew};
	sb_quarantine *quarantine;
	sb_quarantine_status status = sb_manager_quarantine(manager, &quarantine, error);

	if (status == SB_Q_OK)
		status = sb_quarantine_restore_into(quarantine, id, folder, &target, error);
	if (report != NULL)
		*report = anew.report;
	else
		sb_report_free(anew.report);
	return status;
}
