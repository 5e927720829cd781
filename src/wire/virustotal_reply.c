/* SPDX-License-Identifier: MIT */
/* Bodies of VirusTotal's API, bounded and judged; see virustotal_reply.h. What a URL may be:
 * virustotal_url.c. */
#include "wire/virustotal_reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/text.h"

/* --- A body, as it arrives ----------------------------------------------------------------------
 */

void sb_vt_body_begin(sb_vt_body *body)
{
	*body = (sb_vt_body){0};
	sb_buf_init(&body->text, SB_VT_REPLY_MAX + 1); /* and its NUL */
}

void sb_vt_body_end(sb_vt_body *body)
{
	sb_buf_done(&body->text);
}

/* Every value but the first of a list stands behind a comma, the first one behind its bracket; of
 * members there is a colon. */
static void look_at(sb_vt_body *body, char c)
{
	if (body->in_string) {
		body->in_string = body->escaped || c != '"';
		body->escaped = !body->escaped && c == '\\';
		return;
	}
	switch (c) {
	case '"':
		body->in_string = true;
		break;
	case '{':
	case '[':
		body->depth++;
		body->values++;
		break;
	case '}':
	case ']':
		body->depth -= body->depth > 0;
		break;
	case ',':
	case ':':
		body->values++;
		break;
	default:
		break;
	}
}

bool sb_vt_body_feed(sb_vt_body *body, const void *data, size_t length)
{
	const char *bytes = data;

	if (body->beyond == NULL && length > SB_VT_REPLY_MAX - body->text.length)
		body->beyond = "is longer than 4 MiB";
	for (size_t i = 0; body->beyond == NULL && i < length; i++) {
		look_at(body, bytes[i]);
		if (body->depth > SB_VT_DEPTH_MAX)
			body->beyond = "is nested too deep";
		else if (body->values > SB_VT_VALUES_MAX)
			body->beyond = "has too many values";
	}
	if (body->beyond == NULL)
		sb_buf_add(&body->text, data, length);
	if (body->text.failed)
		body->beyond = "does not fit into memory";
	return body->beyond == NULL;
}

/* --- Failures ------------------------------------------------------------------------------------
 */

static void say(sb_vt_answer *out, const char *format, ...) SB_PRINTF(2, 3);
static void say(sb_vt_answer *out, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(out->message, sizeof out->message, format, args);
	va_end(args);
}

static void misfit(sb_vt_answer *out, const char *what)
{
	out->says = SB_VT_FAILED;
	out->kind = SB_KIND_PROTOCOL_ERROR;
	say(out, "the answer %s", what);
}

enum { ANY = SB_VT_QUESTIONS_ };

/* The first row that fits. `code` NULL: whatever the error is called. */
static const struct {
	long from, to;
	const char *code;
	int question;
	sb_kind kind;
} failures[] = {
	{401, 401, NULL, ANY, SB_KIND_AUTHENTICATION_FAILED},
	{403, 403, NULL, ANY, SB_KIND_AUTHENTICATION_FAILED},
	{429, 429, NULL, ANY, SB_KIND_RATE_LIMITED},
	{400, 400, "NotAvailableYet", ANY, SB_KIND_ENGINE_UNAVAILABLE},
	{413, 413, NULL, SB_VT_UPLOAD, SB_KIND_FILE_TOO_LARGE},
	/* an upload URL that was used or expired: the next attempt fetches another one */
	{404, 404, NULL, SB_VT_UPLOAD, SB_KIND_ENGINE_UNAVAILABLE},
	{410, 410, NULL, SB_VT_UPLOAD, SB_KIND_ENGINE_UNAVAILABLE},
	/* an analysis that is gone */
	{404, 404, "NotFoundError", SB_VT_ANALYSIS, SB_KIND_ENGINE_UNAVAILABLE},
	{408, 409, NULL, ANY, SB_KIND_ENGINE_UNAVAILABLE},
	{424, 424, NULL, ANY, SB_KIND_ENGINE_UNAVAILABLE},
	{500, 599, NULL, ANY, SB_KIND_ENGINE_UNAVAILABLE},
};

static const json_t *error_of(const json_t *root)
{
	return json_object_get(root, "error");
}

static const char *code_of(const json_t *root)
{
	const char *code = json_string_value(json_object_get(error_of(root), "code"));

	return code != NULL ? code : "";
}

static sb_kind kind_of(long status, const char *code, sb_vt_question question)
{
	for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++)
		if (status >= failures[i].from && status <= failures[i].to &&
			(failures[i].question == ANY || failures[i].question == (int)question) &&
			(failures[i].code == NULL || strcmp(code, failures[i].code) == 0))
			return failures[i].kind;
	return SB_KIND_PROTOCOL_ERROR;
}

/* The header's word, else what the quota is about: a minute, or a day that ends at 00:00 UTC. */
static int64_t when_again(int64_t header, const char *message, int64_t now)
{
	enum { MINUTE = 60, DAY = 86400 };
	bool daily = strstr(message, "day") != NULL || strstr(message, "daily") != NULL ||
		     strstr(message, "month") != NULL;

	if (header > 0)
		return header < DAY ? header : DAY;
	return daily ? DAY - now % DAY : MINUTE - now % MINUTE;
}

static void fail(sb_vt_answer *out, long status, int64_t header, const sb_vt_terms *terms)
{
	const char *code = code_of(out->root);
	const char *message = json_string_value(json_object_get(error_of(out->root), "message"));
	sb_buf shown;

	out->kind = kind_of(status, code, terms->question);
	if (out->kind == SB_KIND_RATE_LIMITED)
		out->retry_after = when_again(header, message != NULL ? message : "", terms->now);
	sb_buf_init(&shown, 4096);
	sb_escape(&shown, code, strnlen(code, 64));
	if (message != NULL) {
		sb_buf_text(&shown, shown.length > 0 ? ": " : "");
		sb_escape(&shown, message, strnlen(message, 120));
	}
	say(out, "HTTP status %ld%s%s%s", status, shown.length > 0 ? " (" : "",
		shown.length > 0 ? shown.data : "", shown.length > 0 ? ")" : "");
	sb_buf_done(&shown);
}

/* --- Votes --------------------------------------------------------------------------------------
 */

/* Absent: none of them. False: it is there, and no number of vendors. */
static bool count_of(const json_t *stats, const char *key, int64_t *out)
{
	const json_t *value = json_object_get(stats, key);

	*out = 0;
	if (value == NULL)
		return true;
	*out = json_integer_value(value);
	return json_is_integer(value) && *out >= 0 && *out <= 1000000;
}

static double weight_of(const sb_vt_terms *terms, const char *vendor)
{
	for (size_t i = 0; i < terms->weight_count; i++)
		if (strcmp(terms->weights[i].vendor, vendor) == 0)
			return terms->weights[i].weight;
	return 1;
}

static void keep_hit(sb_vt_answer *out, const char *vendor, const json_t *entry, bool malicious)
{
	if (out->hit_count == SB_VT_HITS_MAX)
		return;
	out->hits[out->hit_count++] = (sb_vt_hit){
		.vendor = vendor,
		.version = json_string_value(json_object_get(entry, "engine_version")),
		.update = json_string_value(json_object_get(entry, "engine_update")),
		.name = json_string_value(json_object_get(entry, "result")),
		.malicious = malicious,
	};
}

/* Vendors with a hit of one kind: how many count, how many don't. */
typedef struct listed {
	int64_t counted, ignored;
	double score;
} listed;

/* False: not the form that results have. */
static bool list_hits(
	sb_vt_answer *out, json_t *results, const sb_vt_terms *terms, bool malicious, listed *hits)
{
	const char *wanted = malicious ? "malicious" : "suspicious", *vendor;
	json_t *entry;

	*hits = (listed){0};
	json_object_foreach(results, vendor, entry)
	{
		const char *category = json_string_value(json_object_get(entry, "category"));
		double weight = weight_of(terms, vendor);

		if (category == NULL)
			return false;
		if (strcmp(category, wanted) != 0)
			continue;
		if (weight <= 0) {
			hits->ignored++;
			continue;
		}
		hits->counted++;
		hits->score += weight;
		keep_hit(out, vendor, entry, malicious);
	}
	return true;
}

/* Counters and list should agree; where they don't, the larger number of hits holds. */
static int64_t larger(int64_t counter, const listed *hits)
{
	int64_t all = hits->counted + hits->ignored;

	return (counter > all ? counter : all) - hits->ignored;
}

static bool count_votes(
	sb_vt_answer *out, const json_t *stats, json_t *results, const sb_vt_terms *terms)
{
	int64_t malicious, suspicious, undetected, harmless;
	listed bad, odd;

	if ((stats != NULL && !json_is_object(stats)) ||
		(results != NULL && !json_is_object(results)) ||
		!count_of(stats, "malicious", &malicious) ||
		!count_of(stats, "suspicious", &suspicious) ||
		!count_of(stats, "undetected", &undetected) ||
		!count_of(stats, "harmless", &harmless) ||
		!list_hits(out, results, terms, true, &bad) ||
		!list_hits(out, results, terms, false, &odd))
		return false;
	out->malicious = larger(malicious, &bad);
	out->suspicious = larger(suspicious, &odd);
	out->score = bad.score + (double)(out->malicious - bad.counted);
	out->voters = out->malicious + out->suspicious + undetected + harmless;
	return true;
}

static void no_opinion(sb_vt_answer *out, const char *format, ...) SB_PRINTF(2, 3);
static void no_opinion(sb_vt_answer *out, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(out->message, sizeof out->message, format, args);
	va_end(args);
	out->says = SB_VT_NO_OPINION;
}

/* Without hits: clean, if enough looked and not too long ago. */
static void judge_silence(sb_vt_answer *out, const sb_vt_terms *terms)
{
	enum { DAY = 86400 };
	bool dated = out->date > 0 && out->date <= terms->now + DAY;

	if (out->voters < terms->min_voters)
		no_opinion(out, "only %lld vendors had an opinion, fewer than min_voters",
			(long long)out->voters);
	else if (terms->max_age > 0 && !dated)
		no_opinion(out, "the analysis has no date, or one to come");
	else if (terms->max_age > 0 && terms->now - out->date > terms->max_age)
		no_opinion(out, "the analysis is %lld days old, older than max_age",
			(long long)((terms->now - out->date) / DAY));
	else
		out->says = SB_VT_CLEAN;
}

static void judge_votes(sb_vt_answer *out, const json_t *attributes, const char *stats_key,
	const char *results_key, const char *date_key, const sb_vt_terms *terms)
{
	const json_t *stats = json_object_get(attributes, stats_key);
	json_t *results = json_object_get(attributes, results_key);
	const json_t *date = json_object_get(attributes, date_key);

	if (json_is_null(results))
		results = NULL;
	if (!count_votes(out, stats, results, terms) || (date != NULL && !json_is_integer(date))) {
		misfit(out, "has votes of another form");
		return;
	}
	out->date = json_integer_value(date);
	if (out->malicious > 0 && out->score >= terms->min_detections)
		out->says = SB_VT_INFECTED;
	else if (out->malicious + out->suspicious > 0)
		out->says = SB_VT_SUSPICIOUS;
	else
		judge_silence(out, terms);
}

/* --- One answer for each question ----------------------------------------------------------------
 */

static bool is_text(const json_t *value, const char *wanted)
{
	const char *text = json_string_value(value);

	return text != NULL && wanted != NULL && strcmp(text, wanted) == 0;
}

static void judge_file(sb_vt_answer *out, const json_t *data, const sb_vt_terms *terms)
{
	const json_t *attributes = json_object_get(data, "attributes");

	if (!is_text(json_object_get(data, "type"), "file") ||
		!is_text(json_object_get(data, "id"), terms->sha256))
		misfit(out, "is about something else than what was asked for");
	else if (!json_is_object(attributes))
		misfit(out, "has no attributes");
	else
		judge_votes(out, attributes, "last_analysis_stats", "last_analysis_results",
			"last_analysis_date", terms);
}

static void judge_analysis(sb_vt_answer *out, const json_t *data, const sb_vt_terms *terms)
{
	const json_t *attributes = json_object_get(data, "attributes");
	const json_t *status = json_object_get(attributes, "status");
	const json_t *file = json_object_get(json_object_get(out->root, "meta"), "file_info");

	if (!is_text(json_object_get(data, "type"), "analysis") ||
		!is_text(json_object_get(data, "id"), terms->id))
		misfit(out, "is about another analysis");
	else if (is_text(status, "queued") || is_text(status, "in-progress"))
		out->says = SB_VT_PENDING;
	else if (!is_text(status, "completed"))
		misfit(out, "has no status that is known");
	else if (!is_text(json_object_get(file, "sha256"), terms->sha256))
		misfit(out, "is not about these bytes");
	else
		judge_votes(out, attributes, "stats", "results", "date", terms);
}

static void judge_upload(sb_vt_answer *out, const json_t *data)
{
	const char *id = json_string_value(json_object_get(data, "id"));

	if (!is_text(json_object_get(data, "type"), "analysis") || id == NULL || !sb_vt_id_ok(id)) {
		misfit(out, "names no analysis");
		return;
	}
	out->says = SB_VT_GIVEN;
	out->given = id;
}

static void judge_url(sb_vt_answer *out, const json_t *data)
{
	const char *url = json_string_value(data);

	if (url == NULL || url[0] == '\0' || strlen(url) > SB_VT_URL_MAX) {
		misfit(out, "has no upload URL");
		return;
	}
	out->says = SB_VT_GIVEN;
	out->given = url;
}

static void judge_good(sb_vt_answer *out, const sb_vt_terms *terms)
{
	const json_t *data = json_object_get(out->root, "data");

	if (error_of(out->root) != NULL) {
		misfit(out, "says that all is well, and tells an error");
		return;
	}
	switch (terms->question) {
	case SB_VT_FILE:
		judge_file(out, data, terms);
		break;
	case SB_VT_ANALYSIS:
		judge_analysis(out, data, terms);
		break;
	case SB_VT_UPLOAD:
		judge_upload(out, data);
		break;
	case SB_VT_UPLOAD_URL:
		judge_url(out, data);
		break;
	case SB_VT_QUESTIONS_:
		break;
	}
}

void sb_vt_judge(sb_vt_answer *out, long status, int64_t retry_after, const sb_vt_body *body,
	const sb_vt_terms *terms)
{
	const sb_buf *text = &body->text;

	*out = (sb_vt_answer){.kind = SB_KIND_PROTOCOL_ERROR, .retry_after = -1};
	if (body->beyond != NULL) {
		misfit(out, body->beyond);
		return;
	}
	out->root = json_loadb(
		text->data != NULL ? text->data : "", text->length, JSON_REJECT_DUPLICATES, NULL);
	if (status == 404 && terms->question == SB_VT_FILE &&
		strcmp(code_of(out->root), "NotFoundError") == 0)
		out->says = SB_VT_UNKNOWN;
	else if (status >= 300 && status <= 399)
		misfit(out, "leads elsewhere, and is not followed");
	else if (status != 200)
		fail(out, status, retry_after, terms);
	else if (!json_is_object(out->root))
		misfit(out, "is not JSON");
	else
		judge_good(out, terms);
}

void sb_vt_answer_done(sb_vt_answer *answer)
{
	json_decref(answer->root);
	answer->root = NULL;
}
