/* SPDX-License-Identifier: MIT */
/* From a report to what rules look at; see facts.h. */
#include "scan/facts.h"

#include <string.h>
#include <time.h>

unsigned sb_counted_detections(const sb_result *result)
{
	unsigned count = 0;

	for (const sb_detection *d = result->detections; d != NULL; d = d->next)
		count += !d->ignored;
	return count;
}

bool sb_engine_failed(const sb_result *result)
{
	return result->outcome == SB_OUTCOME_ERROR &&
	       !(result->abstained && (result->hash_list || result->not_asked));
}

/* A text with a NUL in it is not the one that ends there. */
static const char *text_of(const sb_span *span)
{
	return span->data != NULL && strlen(span->data) == span->length ? span->data : NULL;
}

static int fill_threats(sb_facts *facts, sb_report *report)
{
	size_t count = report->threat_count;
	const char **names = sb_arena_zalloc(&report->arena, (count + 1) * sizeof *names);
	sb_severity *severities = sb_arena_zalloc(&report->arena, (count + 1) * sizeof *severities);

	if (names == NULL || severities == NULL)
		return -SB_KIND_INTERNAL;
	for (size_t i = 0; i < count; i++) {
		names[i] = report->threats[i].name;
		severities[i] = report->threats[i].severity;
	}
	facts->threat_names = names;
	facts->threat_severities = severities;
	facts->threat_count = count;
	return 0;
}

static int fill_engines(sb_facts *facts, sb_report *report)
{
	sb_engine_fact *engines =
		sb_arena_zalloc(&report->arena, (report->result_count + 1) * sizeof *engines);

	if (engines == NULL)
		return -SB_KIND_INTERNAL;
	for (size_t i = 0; i < report->result_count; i++) {
		const sb_result *result = &report->results[i];
		bool detected = sb_counted_detections(result) > 0;
		bool failed = sb_engine_failed(result);

		facts->incomplete |=
			failed && result->role == SB_ROLE_REQUIRED && result->replaced_by == NULL;
		if (result->role == SB_ROLE_SHADOW || (!detected && !failed))
			continue;
		engines[facts->engine_count++] = (sb_engine_fact){result->engine, detected};
		facts->detections += detected;
	}
	facts->engines = engines;
	return 0;
}

static int fill_metadata(sb_facts *facts, sb_report *report)
{
	const sb_context *context = &report->context;
	sb_metadata_fact *pairs =
		sb_arena_zalloc(&report->arena, (context->metadata_count + 1) * sizeof *pairs);

	if (pairs == NULL)
		return -SB_KIND_INTERNAL;
	for (size_t i = 0; i < context->metadata_count; i++) {
		const char *key = text_of(&context->metadata[i].key);
		if (key != NULL)
			pairs[facts->metadata_count++] = (sb_metadata_fact){key,
				context->metadata[i].value.data, context->metadata[i].value.length};
	}
	facts->metadata = pairs;
	return 0;
}

int sb_facts_of(sb_facts *facts, sb_report *report)
{
	*facts = (sb_facts){
		.outcome = report->outcome,
		.error_kind = report->outcome != SB_OUTCOME_ERROR ? SB_KIND_NONE
			      : report->error != NULL             ? report->error->kind
								  : SB_KIND_INTERNAL,
		.error_kinds = report->outcome == SB_OUTCOME_ERROR ? report->error_kinds : 0,
		.name = report->name.data != NULL ? report->name.data : "",
		.name_length = report->name.length,
		.size = report->size,
		.size_unknown = !report->hashed,
		.blake3 = report->hashed ? report->blake3 : NULL,
		.sha256 = report->has_sha256 ? report->sha256 : NULL,
		.md5 = report->has_md5 ? report->md5 : NULL,
		.mime = report->mime,
		.container = report->opened ? &report->container : NULL,
		.tenant = text_of(&report->context.tenant),
		.user = text_of(&report->context.user),
		.source = text_of(&report->context.source),
		.cached = sb_report_cached(report),
		.low_assurance = report->low_assurance,
		.assurance_reason = report->reason,
		.time = (int64_t)(report->requested_wall / 1000000000),
	};
	return fill_threats(facts, report) == 0 && fill_engines(facts, report) == 0 &&
			       fill_metadata(facts, report) == 0
		       ? 0
		       : -SB_KIND_INTERNAL;
}

void sb_facts_add_local_time(sb_facts *facts)
{
	time_t seconds = (time_t)facts->time;
	struct tm local;

	if (localtime_r(&seconds, &local) != NULL)
		facts->utc_offset = (int32_t)local.tm_gmtoff;
}
