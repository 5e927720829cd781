/* SPDX-License-Identifier: MIT */
/* Audit records out of a report; see record.h. */
#include "scan/record.h"

#include <string.h>

#include "scan/facts.h"
#include "util/json.h"
#include "util/kinds.h"
#include "util/text.h"

/* How long texts may be in a record, in bytes of JSON; each level is tighter. */
typedef struct bounds {
	size_t name, path, context, metadata, message;
	size_t engines, threats;
} bounds;

static const bounds levels[] = {
	{1024, 2048, 512, 2048, 512, 64, 32},
	{512, 1024, 128, 256, 160, 12, 8},
	{128, 256, 64, 0, 48, 8, 4},
};
enum { LEVELS = sizeof levels / sizeof levels[0], MAX_BODY = 7600, USUAL = 3000 };

void sb_record_init(sb_record *record)
{
	record->count = 0;
	sb_buf_init(&record->text, 1 << 20);
}

void sb_record_done(sb_record *record)
{
	sb_buf_done(&record->text);
}

static void bounded(sb_json *json, const char *key, const sb_span *span, size_t max)
{
	sb_json_text_n(json, key, span->data,
		span->data != NULL ? sb_json_fitting(span->data, span->length, max) : 0);
}

static void bounded_text(sb_json *json, const char *key, const char *text, size_t max)
{
	sb_span span = {text, text != NULL ? strlen(text) : 0};

	bounded(json, key, &span, max);
}

static void bounded_optional(sb_json *json, const char *key, const char *text, size_t max)
{
	if (text != NULL)
		bounded_text(json, key, text, max);
}

static void hashes(sb_json *json, const sb_report *report)
{
	sb_json_text(json, "file_hash_blake3", report->hashed ? report->blake3 : NULL);
	sb_json_text(json, "file_hash_sha256", report->has_sha256 ? report->sha256 : NULL);
}

static void asker(sb_json *json, const sb_report *report, const bounds *max, bool all)
{
	bounded(json, "tenant_id", &report->context.tenant, max->context);
	bounded(json, "user_id", &report->context.user, max->context);
	if (!all)
		return;
	bounded(json, "request_id", &report->context.request_id, max->context);
	bounded(json, "source", &report->context.source, max->context);
}

static void started(sb_json *json, const sb_report *report, const bounds *max)
{
	sb_json_text(json, "scan_id", report->id);
	hashes(json, report);
	asker(json, report, max, true);
}

static void engine(sb_json *json, const sb_result *result, const bounds *max)
{
	sb_json_object(json, NULL);
	sb_json_text(json, "engine", result->engine);
	sb_json_text(json, "role", sb_role_name(result->role));
	bounded_text(json, "version", result->engine_version, 64);
	bounded_text(json, "signatures", result->signature_version, 64);
	sb_json_text(json, "outcome", sb_outcome_name(result->outcome));
	sb_json_text(json, "coverage", sb_coverage_state_name(result->coverage));
	sb_json_text(json, "content", sb_content_coverage_name(result->content));
	sb_json_number(json, "duration_ms", result->duration_ms);
	sb_json_uint(json, "attempts", result->attempts);
	sb_json_bool(json, "cached", result->cached);
	if (result->outcome == SB_OUTCOME_INFECTED || result->outcome == SB_OUTCOME_SUSPICIOUS)
		sb_json_uint(json, "detections", sb_counted_detections(result));
	if (result->abstained)
		sb_json_bool(json, "abstained", true);
	if (result->not_asked)
		sb_json_bool(json, "not_asked", true);
	if (result->hash_list)
		sb_json_bool(json, "hash_list", true);
	if (result->fail_open)
		sb_json_bool(json, "fail_open", true);
	bounded_optional(json, "uploaded_to", result->uploaded_to, 64);
	if (result->replaced_by != NULL)
		sb_json_text(json, "replaced_by", result->replaced_by);
	if (result->stands_for != NULL)
		sb_json_text(json, "stands_for", result->stands_for);
	sb_json_text(
		json, "error", result->error != NULL ? sb_kind_name(result->error->kind) : NULL);
	if (result->error != NULL)
		bounded_text(json, "message", result->error->message, max->message);
	sb_json_end_object(json);
}

static void engines(sb_json *json, const sb_report *report, const bounds *max)
{
	sb_json_array(json, "engines");
	for (size_t i = 0; i < report->result_count && i < max->engines; i++)
		engine(json, &report->results[i], max);
	sb_json_end_array(json);
	sb_json_uint(json, "engine_count", report->result_count);
}

static void threats(sb_json *json, const sb_report *report, const bounds *max)
{
	sb_json_array(json, "threats");
	for (size_t i = 0; i < report->threat_count && i < max->threats; i++) {
		const sb_merged *threat = &report->threats[i];
		sb_json_object(json, NULL);
		sb_json_text(json, "name", threat->name);
		sb_json_text(json, "severity", sb_severity_name(threat->severity));
		sb_json_text(json, "engine", threat->engine_count > 0 ? threat->engines[0] : NULL);
		sb_json_end_object(json);
	}
	sb_json_end_array(json);
	sb_json_uint(json, "threat_count", report->threat_count);
}

/* What policy let pass on purpose must be found again. */
static void ignored(sb_json *json, const sb_report *report, const bounds *max)
{
	size_t count = 0;

	for (size_t i = 0; i < report->result_count; i++) {
		for (const sb_detection *d = report->results[i].detections; d != NULL;
			d = d->next) {
			if (!d->ignored || count == max->threats)
				continue;
			if (count++ == 0)
				sb_json_array(json, "ignored_threats");
			sb_json_text(json, NULL, d->name);
		}
	}
	if (count > 0)
		sb_json_end_array(json);
}

/* False when there was no room for all of it. */
static bool metadata(sb_json *json, const sb_context *context, size_t max)
{
	size_t used = 0, whole = 0;

	sb_json_object(json, "metadata");
	for (size_t i = 0; i < context->metadata_count; i++) {
		const sb_pair *pair = &context->metadata[i];
		size_t left = max > used ? max - used : 0, before = json->buf->length;
		size_t key = sb_json_fitting(pair->key.data, pair->key.length, left / 2);
		size_t value = sb_json_fitting(pair->value.data, pair->value.length, left / 2);

		if (left < 16)
			break;
		sb_json_text_n(json, NULL, pair->key.data, key);
		sb_buf_char(json->buf, ':');
		json->comma = false;
		sb_json_text_n(json, NULL, pair->value.data, value);
		used += json->buf->length - before;
		whole += key == pair->key.length && value == pair->value.length;
	}
	sb_json_end_object(json);
	return whole == context->metadata_count;
}

static bool is_cut(const sb_span *span, size_t max)
{
	return span->data != NULL && sb_json_fitting(span->data, span->length, max) < span->length;
}

/* What a decision can't be recomputed from: members that are not whole. */
static void cuts(sb_json *json, const sb_report *report, const bounds *max, bool metadata_cut)
{
	const struct {
		const char *key;
		bool cut;
	} rows[] = {
		{"name", is_cut(&report->name, max->name)},
		{"tenant_id", is_cut(&report->context.tenant, max->context)},
		{"user_id", is_cut(&report->context.user, max->context)},
		{"source", is_cut(&report->context.source, max->context)},
		{"metadata", metadata_cut},
	};
	bool any = false;

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (!rows[i].cut)
			continue;
		if (!any)
			sb_json_array(json, "cut");
		any = true;
		sb_json_text(json, NULL, rows[i].key);
	}
	if (any)
		sb_json_end_array(json);
}

/* What else rules look at. */
static void more_facts(sb_json *json, const sb_report *report)
{
	char requested[SB_TIME_SIZE];
	unsigned kinds = report->outcome == SB_OUTCOME_ERROR ? report->error_kinds : 0;

	sb_format_time(requested, report->requested_wall);
	sb_json_text(json, "requested_at", requested);
	if (report->has_md5)
		sb_json_text(json, "file_hash_md5", report->md5);
	if (report->opened && !sb_report_is_container(report))
		sb_json_bool(json, "opened", true);
	if (report->low_assurance)
		sb_json_bool(json, "low_assurance", true);
	if ((kinds & (kinds - 1)) == 0)
		return;
	sb_json_array(json, "error_kinds");
	for (unsigned kind = SB_KIND_NONE + 1; kind < SB_KIND_COUNT_; kind++)
		if ((kinds >> kind & 1) != 0)
			sb_json_text(json, NULL, sb_kind_name((sb_kind)kind));
	sb_json_end_array(json);
}

/* The facts by name: all of them fit at every level. */
static void container(sb_json *json, const sb_report *report)
{
	const sb_container *container = &report->container;

	if (!sb_report_is_container(report))
		return;
	sb_json_object(json, "container");
	bounded_text(json, "type", container->type, 32);
	sb_json_uint(json, "depth", container->depth);
	sb_json_uint(json, "members", container->members);
	sb_json_uint(json, "bytes", container->bytes);
	sb_json_array(json, "facts");
	for (unsigned bit = 0; sb_container_fact_name(bit) != NULL; bit++)
		if ((container->facts >> bit & 1) != 0)
			sb_json_text(json, NULL, sb_container_fact_name(bit));
	sb_json_end_array(json);
	sb_json_end_object(json);
}

static void completed(
	sb_json *json, const sb_report *report, const bounds *max, const uint8_t *policy)
{
	sb_json_text(json, "scan_id", report->id);
	sb_json_text(json, "report_id", report->id);
	hashes(json, report);
	bounded(json, "name", &report->name, max->name);
	if (report->path.data != NULL)
		bounded(json, "path", &report->path, max->path);
	if (max != &levels[0])
		sb_json_bool(json, "shortened", true);
	sb_json_uint(json, "size", report->size);
	bounded_text(json, "mime", report->mime, 128);
	container(json, report);
	sb_json_bool(json, "pinned", report->pinned);
	sb_json_text(json, "outcome", sb_outcome_name(report->outcome));
	sb_json_text(
		json, "error", report->error != NULL ? sb_kind_name(report->error->kind) : NULL);
	if (report->error != NULL)
		bounded_text(json, "message", report->error->message, max->message);
	engines(json, report, max);
	sb_json_number(json, "total_duration_ms", report->duration_ms);
	threats(json, report, max);
	ignored(json, report, max);
	sb_json_bool(json, "cached", sb_report_cached(report));
	asker(json, report, max, true);
	cuts(json, report, max, !metadata(json, &report->context, max->metadata));
	more_facts(json, report);
	sb_json_hex(json, "policy_hash", policy, 32);
}

static void decided(sb_json *json, const sb_report *report, const bounds *max)
{
	sb_json_text(json, "scan_id", report->id);
	sb_json_text(json, "file_hash_blake3", report->hashed ? report->blake3 : NULL);
	sb_json_text(json, "action", sb_action_name(report->action));
	bounded_text(json, "matched_rule_id", report->rule_id, max->context);
	bounded_text(json, "matched_rule_name", report->rule_name, max->context);
	bounded_text(json, "reason", report->reason, max->message);
	asker(json, report, max, false);
}

typedef enum which { STARTED, COMPLETED, DECIDED } which;
static const char *const events[] = {"scan_started", "scan_completed", "policy_decision"};

/* The text may move while it grows: entries hold offsets until settle(). */
static void add(sb_record *record, which what, const sb_report *report, const uint8_t *policy)
{
	sb_audit_entry *entry = &record->entries[record->count++];
	size_t start = record->text.length;

	for (size_t level = 0; level < LEVELS; level++) {
		sb_json json = sb_json_on(&record->text);

		sb_buf_cut(&record->text, start);
		if (what == STARTED)
			started(&json, report, &levels[level]);
		else if (what == COMPLETED)
			completed(&json, report, &levels[level], policy);
		else
			decided(&json, report, &levels[level]);
		if (record->text.length - start <= MAX_BODY)
			break;
	}
	*entry =
		(sb_audit_entry){.event = events[what], .body_length = record->text.length - start};
}

static int settle(sb_record *record)
{
	size_t offset = 0;

	if (record->text.failed)
		return -SB_KIND_INTERNAL;
	for (size_t i = 0; i < record->count; i++) {
		record->entries[i].body = record->text.data + offset;
		offset += record->entries[i].body_length;
	}
	return 0;
}

int sb_record_started(sb_record *record, const sb_report *report)
{
	add(record, STARTED, report, NULL);
	return settle(record);
}

int sb_record_finished(
	sb_record *record, const sb_report *report, bool with_start, const uint8_t *policy)
{
	(void)sb_buf_reserve(&record->text, USUAL); /* in one piece; more comes by itself */
	if (with_start)
		add(record, STARTED, report, policy);
	add(record, COMPLETED, report, policy);
	add(record, DECIDED, report, policy);
	return settle(record);
}
