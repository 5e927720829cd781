/* SPDX-License-Identifier: MIT */
/* Reports: accessors and the JSON of schema scanbridge.report/1. */
#include "scan/report.h"

#include <stdlib.h>
#include <string.h>

#include "util/json.h"
#include "util/kinds.h"
#include "util/text.h"

sb_report *sb_report_new(size_t engines)
{
	sb_report *report = calloc(1, sizeof *report);

	if (report == NULL)
		return NULL;
	atomic_init(&report->references, 1);
	sb_arena_init(&report->arena, 4 << 20);
	report->confidence = -1;
	report->results = sb_arena_zalloc(&report->arena, engines * sizeof *report->results);
	report->arenas = sb_arena_zalloc(&report->arena, engines * sizeof *report->arenas);
	if (report->results == NULL || report->arenas == NULL) {
		sb_report_free(report);
		return NULL;
	}
	report->result_count = engines;
	return report;
}

sb_report *sb_report_ref(sb_report *report)
{
	atomic_fetch_add_explicit(&report->references, 1, memory_order_relaxed);
	return report;
}

void sb_report_free(sb_report *report)
{
	if (report == NULL ||
		atomic_fetch_sub_explicit(&report->references, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < report->result_count; i++)
		sb_arena_done(&report->arenas[i]);
	free(atomic_load(&report->json));
	sb_arena_done(&report->arena);
	free(report);
}

/* --- Merging threats -------------------------------------------------------------------- */

static sb_merged *find_or_add(sb_report *report, const char *name, size_t room)
{
	sb_merged *threat;

	for (size_t i = 0; i < report->threat_count; i++)
		if (strcmp(report->threats[i].name, name) == 0)
			return &report->threats[i];
	if (report->threat_count == room)
		return NULL;
	threat = &report->threats[report->threat_count++];
	*threat = (sb_merged){.name = name};
	threat->engines =
		sb_arena_zalloc(&report->arena, report->result_count * sizeof *threat->engines);
	return threat->engines != NULL ? threat : NULL;
}

static void merge_one(sb_merged *into, const sb_result *result, const sb_detection *detection)
{
	if (detection->severity > into->severity)
		into->severity = detection->severity;
	if (into->category == NULL)
		into->category = detection->category;
	if (into->signature_id == NULL)
		into->signature_id = detection->signature_id;
	if (into->description == NULL)
		into->description = detection->description;
	if (into->member == NULL)
		into->member = detection->member;
	/* One engine may report a name twice, for two members. */
	if (into->engine_count == 0 || into->engines[into->engine_count - 1] != result->engine)
		into->engines[into->engine_count++] = result->engine;
}

int sb_report_merge(sb_report *report)
{
	size_t room = 0;

	for (size_t i = 0; i < report->result_count; i++)
		for (const sb_detection *d = report->results[i].detections; d != NULL; d = d->next)
			room++;
	if (room == 0)
		return 0;
	report->threats = sb_arena_zalloc(&report->arena, room * sizeof *report->threats);
	if (report->threats == NULL)
		return -SB_KIND_INTERNAL;
	for (size_t i = 0; i < report->result_count; i++) {
		const sb_result *result = &report->results[i];
		if (result->role == SB_ROLE_SHADOW)
			continue;
		for (const sb_detection *d = result->detections; d != NULL; d = d->next) {
			sb_merged *threat;
			if (d->ignored)
				continue;
			threat = find_or_add(report, d->name, room);
			if (threat == NULL)
				return -SB_KIND_INTERNAL;
			merge_one(threat, result, d);
		}
	}
	return 0;
}

/* --- Merging what kind of content it is --------------------------------------------------- */

static void merge_container(sb_container *into, const sb_container *from)
{
	if (into->type == NULL)
		into->type = from->type;
	if (from->depth > into->depth)
		into->depth = from->depth;
	if (from->members > into->members)
		into->members = from->members;
	if (from->bytes > into->bytes)
		into->bytes = from->bytes;
	into->facts |= from->facts;
}

void sb_report_merge_kind(sb_report *report)
{
	for (size_t i = 0; i < report->result_count; i++) {
		const sb_result *result = &report->results[i];

		if (result->role == SB_ROLE_SHADOW)
			continue;
		if (report->mime == NULL)
			report->mime = result->mime;
		if (result->container == NULL)
			continue;
		report->opened = true;
		merge_container(&report->container, result->container);
	}
}

bool sb_report_is_container(const sb_report *report)
{
	return report->container.type != NULL || report->container.facts != 0;
}

/* --- JSON ------------------------------------------------------------------------------- */

static void error_json(sb_json *json, const char *key, const sb_error *error)
{
	if (error == NULL) {
		sb_json_null(json, key);
		return;
	}
	sb_json_object(json, key);
	sb_json_text(json, "kind", sb_kind_name(error->kind));
	sb_json_text(json, "class", sb_class_name(sb_kind_class(error->kind)));
	sb_json_text(json, "engine", sb_error_engine(error));
	sb_json_text(json, "message", error->message);
	sb_json_bool(json, "retryable", sb_kind_retryable(error->kind));
	if (error->retry_after_ms >= 0)
		sb_json_int(json, "retry_after_ms", error->retry_after_ms);
	else
		sb_json_null(json, "retry_after_ms");
	if (error->sys_errno != 0)
		sb_json_int(json, "sys_errno", error->sys_errno);
	sb_json_end_object(json);
}

static void span_json(sb_json *json, const char *key, const sb_span *span)
{
	sb_json_bytes(json, key, span->data, span->length);
}

static void digest_json(sb_json *json, const char *key, bool known, const char *digits)
{
	if (known)
		sb_json_text(json, key, digits);
}

static void file_json(sb_json *json, const sb_report *report)
{
	sb_json_object(json, "file");
	sb_json_bytes(json, "name", report->name.data != NULL ? report->name.data : "",
		report->name.length);
	if (report->path.data != NULL)
		span_json(json, "path", &report->path);
	sb_json_uint(json, "size", report->size);
	sb_json_text(json, "mime", report->mime);
	sb_json_bool(json, "pinned", report->pinned);
	digest_json(json, "blake3", report->hashed, report->blake3);
	digest_json(json, "sha256", report->has_sha256, report->sha256);
	digest_json(json, "md5", report->has_md5, report->md5);
	sb_json_end_object(json);
}

void sb_container_json(sb_json *json, const sb_container *container)
{
	sb_json_object(json, "container");
	sb_json_text(json, "type", container->type);
	sb_json_uint(json, "depth", container->depth);
	sb_json_uint(json, "members", container->members);
	sb_json_uint(json, "bytes", container->bytes);
	for (unsigned bit = 0; sb_container_fact_name(bit) != NULL; bit++)
		sb_json_bool(json, sb_container_fact_name(bit), (container->facts >> bit & 1) != 0);
	sb_json_end_object(json);
}

void sb_report_threat_json(sb_json *json, const sb_merged *threat)
{
	sb_json_object(json, NULL);
	sb_json_text(json, "name", threat->name);
	sb_json_text(json, "severity", sb_severity_name(threat->severity));
	sb_json_text(json, "category", threat->category);
	sb_json_text(json, "signature_id", threat->signature_id);
	sb_json_text(json, "description", threat->description);
	sb_json_text(json, "member", threat->member);
	sb_json_array(json, "engines");
	for (size_t k = 0; k < threat->engine_count; k++)
		sb_json_text(json, NULL, threat->engines[k]);
	sb_json_end_array(json);
	sb_json_end_object(json);
}

/* Only when there is one, or somebody looked and there is none: optional members. */
static void container_json(sb_json *json, const sb_report *report)
{
	if (sb_report_is_container(report))
		sb_container_json(json, &report->container);
	else if (report->opened)
		sb_json_bool(json, "opened", true);
}

static void threats_json(sb_json *json, const sb_report *report)
{
	sb_json_array(json, "threats");
	for (size_t i = 0; i < report->threat_count; i++)
		sb_report_threat_json(json, &report->threats[i]);
	sb_json_end_array(json);
}

/* Only when there are some: an optional member. */
static void ignored_json(sb_json *json, const sb_report *report)
{
	bool any = false;

	for (size_t i = 0; i < report->result_count; i++) {
		for (const sb_detection *d = report->results[i].detections; d != NULL;
			d = d->next) {
			if (!d->ignored)
				continue;
			if (!any)
				sb_json_array(json, "ignored_threats");
			any = true;
			sb_json_object(json, NULL);
			sb_json_text(json, "name", d->name);
			sb_json_text(json, "severity", sb_severity_name(d->severity));
			sb_json_text(json, "engine", report->results[i].engine);
			sb_json_end_object(json);
		}
	}
	if (any)
		sb_json_end_array(json);
}

static void coverage_json(sb_json *json, const sb_result *result)
{
	sb_json_object(json, "coverage");
	sb_json_text(json, "state", sb_coverage_state_name(result->coverage));
	sb_json_uint(json, "bytes", result->bytes);
	sb_json_text(json, "content", sb_content_coverage_name(result->content));
	sb_json_end_object(json);
}

static void engine_json(sb_json *json, const sb_result *result)
{
	sb_json_object(json, NULL);
	sb_json_text(json, "engine", result->engine);
	sb_json_text(json, "type", result->type);
	sb_json_text(json, "role", sb_role_name(result->role));
	sb_json_text(json, "assurance", sb_assurance_name(result->assurance));
	sb_json_text(json, "outcome", sb_outcome_name(result->outcome));
	coverage_json(json, result);
	sb_json_array(json, "threats");
	for (const sb_detection *d = result->detections; d != NULL; d = d->next) {
		sb_json_object(json, NULL);
		sb_json_text(json, "name", d->name);
		sb_json_text(json, "severity", sb_severity_name(d->severity));
		if (d->member != NULL)
			sb_json_text(json, "member", d->member);
		sb_json_end_object(json);
	}
	sb_json_end_array(json);
	sb_json_text(json, "engine_version", result->engine_version);
	sb_json_text(json, "signature_version", result->signature_version);
	sb_json_bool(json, "cached", result->cached);
	sb_json_uint(json, "attempts", result->attempts);
	sb_json_number(json, "duration_ms", result->duration_ms);
	if (result->confidence >= 0)
		sb_json_number(json, "confidence", result->confidence);
	if (result->abstained)
		sb_json_bool(json, "abstained", true);
	if (result->not_asked)
		sb_json_bool(json, "not_asked", true);
	if (result->fail_open)
		sb_json_bool(json, "fail_open", true);
	if (result->uploaded_to != NULL)
		sb_json_text(json, "uploaded_to", result->uploaded_to);
	if (result->replaced_by != NULL)
		sb_json_text(json, "replaced_by", result->replaced_by);
	if (result->stands_for != NULL)
		sb_json_text(json, "stands_for", result->stands_for);
	error_json(json, "error", result->error);
	sb_json_end_object(json);
}

static void context_json(sb_json *json, const sb_context *context)
{
	sb_json_object(json, "context");
	span_json(json, "tenant_id", &context->tenant);
	span_json(json, "user_id", &context->user);
	span_json(json, "request_id", &context->request_id);
	span_json(json, "source", &context->source);
	sb_json_object(json, "metadata");
	for (size_t i = 0; i < context->metadata_count; i++) {
		const sb_pair *pair = &context->metadata[i];
		/* The writer takes keys as they are; this one is from outside. */
		sb_json_text_n(json, NULL, pair->key.data, pair->key.length);
		sb_buf_char(json->buf, ':');
		json->comma = false;
		sb_json_text_n(json, NULL, pair->value.data, pair->value.length);
	}
	sb_json_end_object(json);
	sb_json_end_object(json);
}

static void verdict_json(sb_json *json, const sb_report *report)
{
	sb_json_text(json, "schema", "scanbridge.report/1");
	sb_json_text(json, "id", report->id);
	sb_json_text(json, "outcome", sb_outcome_name(report->outcome));
	sb_json_text(json, "action", sb_action_name(report->action));
	if (report->rule_id != NULL) {
		sb_json_object(json, "rule");
		sb_json_text(json, "id", report->rule_id);
		sb_json_text(json, "name", report->rule_name);
		sb_json_end_object(json);
	} else {
		sb_json_null(json, "rule");
	}
	sb_json_text(json, "reason", report->reason);
	if (report->message != NULL)
		sb_json_text(json, "message", report->message);
	sb_json_text(json, "explanation", report->explanation);
	if (report->outcome == SB_OUTCOME_SUSPICIOUS && report->confidence >= 0)
		sb_json_number(json, "confidence", report->confidence);
}

static void original_json(sb_json *json, const sb_report *report)
{
	if (report->original == SB_ORIGINAL_LEFT)
		return;
	sb_json_object(json, "original");
	sb_json_bool(json, "removed", report->original == SB_ORIGINAL_REMOVED);
	if (report->original == SB_ORIGINAL_REMOVED)
		sb_json_uint(json, "other_links", report->other_links);
	else
		sb_json_text(json, "reason", report->original_note);
	sb_json_end_object(json);
}

static void report_json(sb_json *json, const sb_report *report)
{
	char requested[SB_TIME_SIZE], completed[SB_TIME_SIZE];

	sb_format_time(requested, report->requested_wall);
	sb_format_time(completed, report->completed_wall);
	sb_json_object(json, NULL);
	verdict_json(json, report);
	file_json(json, report);
	container_json(json, report);
	threats_json(json, report);
	ignored_json(json, report);
	sb_json_array(json, "engines");
	for (size_t i = 0; i < report->result_count; i++)
		engine_json(json, &report->results[i]);
	sb_json_end_array(json);
	error_json(json, "error", report->error);
	sb_json_text(json, "quarantine_id", sb_report_quarantine_id(report));
	original_json(json, report);
	sb_json_bool(json, "cached", sb_report_cached(report));
	context_json(json, &report->context);
	sb_json_text(json, "requested_at", requested);
	sb_json_text(json, "completed_at", completed);
	sb_json_number(json, "duration_ms", report->duration_ms);
	if (report->audit_seq != 0)
		sb_json_uint(json, "audit_seq", report->audit_seq);
	else
		sb_json_null(json, "audit_seq");
	sb_json_end_object(json);
}

const char *sb_report_json(const sb_report *report, size_t *length)
{
	sb_report *self = (sb_report *)(uintptr_t)report;
	char *text = atomic_load(&self->json), *expected = NULL;

	if (text == NULL) {
		sb_buf buf;
		sb_json json = sb_json_on(&buf);

		sb_buf_init(&buf, 64 << 20);
		report_json(&json, report);
		text = sb_buf_take(&buf);
		/* Two threads may make it at once: the first one's is kept. */
		if (text != NULL && !atomic_compare_exchange_strong(&self->json, &expected, text)) {
			free(text);
			text = expected;
		}
	}
	if (length != NULL)
		*length = text != NULL ? strlen(text) : 0;
	return text;
}

/* --- Accessors -------------------------------------------------------------------------- */

sb_outcome sb_report_outcome(const sb_report *report)
{
	return report->outcome;
}

sb_action sb_report_action(const sb_report *report)
{
	return report->action;
}

bool sb_report_allowed(const sb_report *report)
{
	return sb_action_allows(report->action);
}

const char *sb_report_id(const sb_report *report)
{
	return report->id;
}

const char *sb_report_explanation(const sb_report *report)
{
	return report->explanation;
}

const char *sb_report_reason(const sb_report *report)
{
	return report->reason;
}

const char *sb_report_rule(const sb_report *report)
{
	return report->rule_id;
}

const sb_error *sb_report_error(const sb_report *report)
{
	return report->error;
}

const char *sb_report_name(const sb_report *report, size_t *length)
{
	if (length != NULL)
		*length = report->name.length;
	return report->name.data != NULL ? report->name.data : "";
}

uint64_t sb_report_size(const sb_report *report)
{
	return report->size;
}

const char *sb_report_blake3(const sb_report *report)
{
	return report->hashed ? report->blake3 : NULL;
}

const char *sb_report_sha256(const sb_report *report)
{
	return report->has_sha256 ? report->sha256 : NULL;
}

const char *sb_report_mime(const sb_report *report)
{
	return report->mime;
}

bool sb_report_pinned(const sb_report *report)
{
	return report->pinned;
}

bool sb_report_cached(const sb_report *report)
{
	size_t answers = 0;

	for (size_t i = 0; i < report->result_count; i++) {
		if (report->results[i].not_asked)
			continue;
		if (!report->results[i].cached)
			return false;
		answers++;
	}
	return answers > 0;
}

double sb_report_duration_ms(const sb_report *report)
{
	return report->duration_ms;
}

uint64_t sb_report_audit_seq(const sb_report *report)
{
	return report->audit_seq;
}

const char *sb_report_quarantine_id(const sb_report *report)
{
	return report->quarantine_id[0] != '\0' ? report->quarantine_id : NULL;
}

bool sb_report_original_removed(const sb_report *report)
{
	return report->original == SB_ORIGINAL_REMOVED;
}

const char *sb_report_original_note(const sb_report *report)
{
	return report->original_note;
}

size_t sb_report_threat_count(const sb_report *report)
{
	return report->threat_count;
}

const char *sb_report_threat_name(const sb_report *report, size_t index)
{
	return index < report->threat_count ? report->threats[index].name : NULL;
}

sb_severity sb_report_threat_severity(const sb_report *report, size_t index)
{
	return index < report->threat_count ? report->threats[index].severity : SB_SEVERITY_NONE;
}

size_t sb_report_engine_count(const sb_report *report)
{
	return report->result_count;
}

const char *sb_report_engine_name(const sb_report *report, size_t index)
{
	return index < report->result_count ? report->results[index].engine : NULL;
}

sb_outcome sb_report_engine_outcome(const sb_report *report, size_t index)
{
	return index < report->result_count ? report->results[index].outcome : SB_OUTCOME_ERROR;
}

sb_coverage_state sb_report_engine_coverage(const sb_report *report, size_t index)
{
	return index < report->result_count ? report->results[index].coverage : SB_COVERAGE_NONE;
}

const sb_error *sb_report_engine_error(const sb_report *report, size_t index)
{
	return index < report->result_count ? report->results[index].error : NULL;
}

const char *sb_report_engine_replaced_by(const sb_report *report, size_t index)
{
	return index < report->result_count ? report->results[index].replaced_by : NULL;
}

const char *sb_report_engine_stands_for(const sb_report *report, size_t index)
{
	return index < report->result_count ? report->results[index].stands_for : NULL;
}

bool sb_report_engine_not_asked(const sb_report *report, size_t index)
{
	return index < report->result_count && report->results[index].not_asked;
}

bool sb_report_engine_fail_open(const sb_report *report, size_t index)
{
	return index < report->result_count && report->results[index].fail_open;
}
