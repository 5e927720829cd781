/* SPDX-License-Identifier: MIT */
/*
 * From a verdict to an object in quarantine; see aside.h. What can't be kept is blocked: a caller
 * who reads `quarantine` may rely on the copy.
 */
#include "scan/aside.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quarantine/record.h"
#include "scan/manager_body.h"
#include "scan/store.h"
#include "scan/verdict.h"
#include "util/json.h"

enum { MAX_JSON = 1 << 20 };

bool sb_aside_wanted(const sb_job *job)
{
	sb_action action = job->report->action;

	return job->manager->store != NULL && !job->keeps_nothing &&
	       (action == SB_ACTION_QUARANTINE || action == SB_ACTION_REQUIRE_MANUAL_REVIEW);
}

/* --- The record --------------------------------------------------------------------------------
 */

/* What an object's record holds as JSON; all of them live as long as the commit. */
struct texts {
	sb_buf threats, engines, metadata;
	char *tenant;
	char reason[512];
};

static void threats(sb_buf *out, const sb_report *report)
{
	sb_json json = sb_json_on(out);

	sb_json_array(&json, NULL);
	for (size_t i = 0; i < report->threat_count && i < 64; i++)
		sb_report_threat_json(&json, &report->threats[i]);
	sb_json_end_array(&json);
}

static void engines(sb_buf *out, const sb_report *report)
{
	sb_json json = sb_json_on(out);

	sb_json_array(&json, NULL);
	for (size_t i = 0; i < report->result_count; i++) {
		const sb_result *result = &report->results[i];
		sb_json_object(&json, NULL);
		sb_json_text(&json, "engine", result->engine);
		sb_json_text(&json, "outcome", sb_outcome_name(result->outcome));
		sb_json_text(&json, "version", result->engine_version);
		sb_json_text(&json, "signatures", result->signature_version);
		sb_json_end_object(&json);
	}
	sb_json_end_array(&json);
}

static void metadata(sb_buf *out, const sb_context *context)
{
	sb_json json = sb_json_on(out);

	sb_json_object(&json, NULL);
	sb_json_text_n(&json, "user_id", context->user.data, context->user.length);
	sb_json_text_n(&json, "request_id", context->request_id.data, context->request_id.length);
	sb_json_text_n(&json, "source", context->source.data, context->source.length);
	sb_json_end_object(&json);
}

static int compose(struct texts *texts, const sb_report *report)
{
	const sb_span *tenant = &report->context.tenant;

	sb_buf_init(&texts->threats, MAX_JSON);
	sb_buf_init(&texts->engines, MAX_JSON);
	sb_buf_init(&texts->metadata, MAX_JSON);
	threats(&texts->threats, report);
	engines(&texts->engines, report);
	metadata(&texts->metadata, &report->context);
	texts->tenant = tenant->data != NULL ? strndup(tenant->data, tenant->length) : NULL;
	snprintf(texts->reason, sizeof texts->reason, "%s",
		report->reason != NULL ? report->reason : "");
	return texts->threats.failed || texts->engines.failed || texts->metadata.failed ||
			       (tenant->data != NULL && texts->tenant == NULL)
		       ? -1
		       : 0;
}

static void done(struct texts *texts)
{
	sb_buf_done(&texts->threats);
	sb_buf_done(&texts->engines);
	sb_buf_done(&texts->metadata);
	free(texts->tenant);
}

static sb_quarantine_record record_of(const sb_job *job, const struct texts *texts)
{
	const sb_report *report = job->report;
	sb_quarantine_record record = {
		.state = report->action == SB_ACTION_QUARANTINE ? SB_Q_QUARANTINED : SB_Q_REVIEW,
		.name = report->name.data,
		.name_length = report->name.length,
		.path = report->path.data,
		.path_length = report->path.length,
		.outcome = report->outcome,
		.reason = texts->reason,
		.tenant = texts->tenant,
		.scan_id = report->id,
		.threats = texts->threats.data,
		.engines = texts->engines.data,
		.metadata = texts->metadata.data,
	};
	struct stat st;

	if (sb_content_stat(job->content, &st))
		sb_record_stat(&record, &st);
	return record;
}

/* --- Keeping the copy --------------------------------------------------------------------------
 */

static int64_t read_content(
	void *content, uint64_t offset, void *buffer, size_t length, sb_error *error)
{
	return sb_content_read(content, offset, buffer, length, error);
}

static sb_quarantine_status keep(
	sb_job *job, sb_quarantine *quarantine, sb_quarantine_record *record, sb_error *error)
{
	uint8_t sha256[SB_SHA256_SIZE];
	const sb_quarantine_content content = {.read = read_content,
		.data = job->content,
		.size = sb_content_size(job->content),
		.blake3 = sb_content_blake3(job->content),
		.sha256 = sha256};

	if (sb_content_sha256(job->content, sha256, error) < 0)
		return SB_Q_IO;
	return sb_quarantine_commit(quarantine, &content, record, NULL, error);
}

static sb_quarantine_status commit(sb_job *job, sb_quarantine *quarantine, sb_error *error)
{
	struct texts texts = {0};
	sb_quarantine_record record;
	sb_quarantine_status status;

	if (compose(&texts, job->report) == 0) {
		record = record_of(job, &texts);
		status = keep(job, quarantine, &record, error);
		if (status == SB_Q_OK)
			memcpy(job->report->quarantine_id, record.id, sizeof record.id);
	} else {
		status = sb_quarantine_fail(error, SB_Q_INTERNAL, 0, "out of memory");
	}
	done(&texts);
	return status;
}

/* An error keeps its own cause; beside any other outcome this is the one error there is. */
static void blocked(sb_job *job, const sb_error *why)
{
	sb_report *report = job->report;
	sb_error *error = sb_arena_alloc(&report->arena, sizeof *error);
	char reason[600];

	snprintf(reason, sizeof reason, "blocked, as it could not be quarantined: %.500s",
		why->message);
	report->action = SB_ACTION_BLOCK;
	report->message = NULL;
	report->reason = sb_arena_text(&report->arena, reason);
	if (report->outcome == SB_OUTCOME_ERROR && report->error != NULL)
		return;
	if (error != NULL) {
		sb_error_init(error);
		sb_error_copy(error, why);
		error->kind = SB_KIND_QUARANTINE_FAILED;
	}
	report->error = error;
}

/* --- Removing the original ---------------------------------------------------------------------
 */

/* For the recovery, if a crash comes in between, and for messages. */
static void name_of_folder(int fd, char *out, size_t room)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, out, room - 1);
	out[n > 0 ? n : 0] = '\0';
}

static sb_quarantine_status take_away(
	sb_job *job, sb_quarantine *quarantine, uint64_t *links, sb_error *error)
{
	sb_quarantine_original original = {
		.parent = job->fd, .name = job->name_at, .scan_id = job->report->id};
	char folder[PATH_MAX];

	if (!sb_content_stat(job->content, &original.scanned))
		return sb_quarantine_fail(
			error, SB_Q_REFUSED, 0, "it is not known which file it was");
	if (strchr(job->name_at, '/') != NULL) /* its folder could not be opened at the start */
		return sb_quarantine_fail(error, SB_Q_IO, 0, "its folder could not be opened");
	name_of_folder(job->fd, folder, sizeof folder);
	original.path = folder;
	return sb_quarantine_remove_original(
		quarantine, job->report->quarantine_id, &original, links, error);
}

static void remove_original(sb_job *job, sb_quarantine *quarantine)
{
	sb_report *report = job->report;
	sb_error error;

	sb_error_init(&error);
	report->original = SB_ORIGINAL_REMOVED;
	if (take_away(job, quarantine, &report->other_links, &error) != SB_Q_OK) {
		report->original = SB_ORIGINAL_KEPT;
		report->original_note = sb_arena_text(&report->arena, error.message);
	}
}

/* --- Both --------------------------------------------------------------------------------------
 */

void sb_aside(sb_job *job)
{
	sb_quarantine_status status = SB_Q_IO;
	sb_quarantine *quarantine = NULL;
	sb_error error;

	sb_error_init(&error);
	sb_verdict_write_start(job);
	if (job->content == NULL || !job->report->hashed)
		sb_error_set(&error, SB_KIND_QUARANTINE_FAILED, 0, "there is no content to keep");
	else
		quarantine = sb_store_quarantine(job->manager->store);
	if (quarantine != NULL)
		status = commit(job, quarantine, &error);
	if (status != SB_Q_OK)
		blocked(job, &error);
	else if (job->removes && job->report->outcome == SB_OUTCOME_INFECTED)
		remove_original(job, quarantine);
}
