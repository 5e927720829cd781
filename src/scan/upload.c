/* SPDX-License-Identifier: MIT */
/*
 * Content that an engine gives to others. The record stands in the audit log before the first byte
 * leaves: what becomes of the scan, or of this process, changes nothing about that it was given
 * away.
 */
#include <string.h>

#include "scan/job.h"
#include "scan/manager_body.h"
#include "util/json.h"
#include "util/text.h"

bool sb_call_confidential(const sb_call *call)
{
	return call->job == NULL || sb_context_confidential(&call->job->report->context);
}

static void hash(sb_json *json, const char *key, const uint8_t *digest)
{
	if (digest != NULL)
		sb_json_hex(json, key, digest, SB_BLAKE3_SIZE);
}

static void compose(sb_buf *buf, const sb_call *call, const char *to)
{
	const sb_report *report = call->job->report;
	const sb_context *context = &report->context;
	sb_json json = sb_json_on(buf);

	sb_json_text(&json, "scan_id", report->id);
	sb_json_text(&json, "engine", call->engine->conf->name);
	sb_json_text_n(&json, "to", to, sb_json_fitting(to, strlen(to), 256));
	hash(&json, "file_hash_blake3", sb_content_blake3(call->content));
	hash(&json, "file_hash_sha256", sb_content_sha256_if_known(call->content));
	sb_json_uint(&json, "size", sb_content_size(call->content));
	sb_json_text_n(&json, "tenant_id", context->tenant.data,
		context->tenant.data != NULL
			? sb_json_fitting(context->tenant.data, context->tenant.length, 512)
			: 0);
	sb_json_text_n(&json, "user_id", context->user.data,
		context->user.data != NULL
			? sb_json_fitting(context->user.data, context->user.length, 512)
			: 0);
}

static int put_on_record(const sb_call *call, const char *to, sb_error *error)
{
	sb_manager *manager = call->engine->manager;
	sb_audit_entry entry = {.event = "content_upload"};
	sb_error own;
	sb_buf buf;
	int status;

	if (manager->audit == NULL)
		return 0;
	sb_error_init(&own);
	sb_buf_init(&buf, 8192);
	compose(&buf, call, to);
	entry.body = buf.data;
	entry.body_length = buf.length;
	status = buf.failed ? sb_error_no_memory(&own)
			    : sb_audit_append(manager->audit, &entry, 1, &own);
	sb_buf_done(&buf);
	if (status == 0 || manager->conf->audit.failure_allows)
		return 0;
	sb_error_prefix(&own, "the upload could not be put on record, so there is none");
	own.kind = SB_KIND_AUDIT_FAILED;
	sb_error_copy(error, &own);
	return -SB_KIND_AUDIT_FAILED;
}

/* In the report's memory, which others use as well: under the lock. */
static bool note(sb_call *call, const char *to)
{
	sb_job *job = call->job;
	const char **place = &job->uploaded_to[call->slot];
	bool waits;

	pthread_mutex_lock(&job->lock);
	waits = !job->settled[call->slot] && job->calls[call->slot] == call;
	if (waits && (*place == NULL || strcmp(*place, to) != 0))
		*place = sb_arena_text(&job->report->arena, to);
	waits = waits && *place != NULL;
	pthread_mutex_unlock(&job->lock);
	return waits;
}

int sb_call_may_upload(sb_call *call, const char *to, sb_error *error)
{
	if (sb_call_confidential(call))
		return sb_error_set(error, SB_KIND_UNSUPPORTED, 0,
			"the content is confidential: it is not given to %s", to);
	if (sb_call_cancelled(call) || !note(call, to))
		return sb_error_set(
			error, SB_KIND_CANCELLED, 0, "nobody waits for the verdict any more");
	return put_on_record(call, to, error);
}
