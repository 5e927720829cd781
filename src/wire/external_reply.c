/* SPDX-License-Identifier: MIT */
/* The JSON of an external scanner; see external_reply.h. */
#include "wire/external_reply.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* What scan_result_i may be. */
static const struct result {
	int number;
	sb_outcome outcome;
	sb_kind kind;
	const char *problem;
} results[] = {
	{0, SB_OUTCOME_CLEAN, SB_KIND_NONE, ""},
	{1, SB_OUTCOME_INFECTED, SB_KIND_NONE, ""},
	{2, SB_OUTCOME_SUSPICIOUS, SB_KIND_NONE, ""},
	{3, SB_OUTCOME_ERROR, SB_KIND_ENGINE_UNAVAILABLE, "it says that the scan failed"},
	{10, SB_OUTCOME_ERROR, SB_KIND_UNSUPPORTED, "it says that it did not scan"},
	{19, SB_OUTCOME_ERROR, SB_KIND_ENGINE_UNAVAILABLE, "it says that it was cancelled"},
	{22, SB_OUTCOME_SUSPICIOUS, SB_KIND_NONE, ""},
	{23, SB_OUTCOME_ERROR, SB_KIND_UNSUPPORTED, "it says that it doesn't know the format"},
};

static void refuse(sb_external_reply *out, sb_kind kind, const char *problem)
{
	out->outcome = SB_OUTCOME_ERROR;
	out->kind = kind;
	snprintf(out->problem, sizeof out->problem, "%s", problem);
}

static void keep_threat(sb_external_reply *out, const json_t *threat)
{
	size_t length = json_string_length(threat);

	out->threat_length = length < sizeof out->threat ? length : sizeof out->threat;
	memcpy(out->threat, json_string_value(threat), out->threat_length);
}

static void judge(json_int_t number, sb_external_reply *out)
{
	const struct result *result = results, *end = results + sizeof results / sizeof *results;

	while (result < end && result->number != number)
		result++;
	if (result == end) {
		refuse(out, SB_KIND_PROTOCOL_ERROR, "scan_result_i is no known number");
		return;
	}
	/* Who names a threat and calls the content clean contradicts himself. */
	if (result->outcome == SB_OUTCOME_CLEAN && out->threat_length > 0) {
		refuse(out, SB_KIND_PROTOCOL_ERROR, "scan_result_i is 0, and a threat is named");
		return;
	}
	out->outcome = result->outcome;
	out->kind = result->kind;
	snprintf(out->problem, sizeof out->problem, "%s", result->problem);
}

static void read_members(const json_t *reply, sb_external_reply *out)
{
	const json_t *number = json_object_get(reply, "scan_result_i");
	const json_t *threat = json_object_get(reply, "threat_found");
	const json_t *time = json_object_get(reply, "def_time");

	if (!json_is_integer(number))
		refuse(out, SB_KIND_PROTOCOL_ERROR, "scan_result_i is missing or no number");
	else if (!json_is_string(threat))
		refuse(out, SB_KIND_PROTOCOL_ERROR, "threat_found is missing or no text");
	else if (!json_is_integer(time) || json_integer_value(time) < 0)
		refuse(out, SB_KIND_PROTOCOL_ERROR, "def_time is missing or no time");
	else {
		out->def_time = json_integer_value(time);
		keep_threat(out, threat);
		judge(json_integer_value(number), out);
	}
}

void sb_external_reply_parse(const char *text, size_t length, sb_external_reply *out)
{
	json_t *reply;

	*out = (sb_external_reply){.kind = SB_KIND_PROTOCOL_ERROR};
	if (length > SB_EXTERNAL_REPLY_MAX) {
		refuse(out, SB_KIND_PROTOCOL_ERROR, "the JSON is longer than 1 MiB");
		return;
	}
	reply = json_loadb(text != NULL ? text : "", length, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(reply))
		read_members(reply, out);
	else
		refuse(out, SB_KIND_PROTOCOL_ERROR, "its output is not one whole JSON object");
	json_decref(reply);
}
