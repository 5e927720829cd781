/* SPDX-License-Identifier: MIT */
/*
 * The table of answers, in the forms that docs.virustotal.com shows and in those that a broken or
 * hostile service could send; each row fed whole, byte by byte, and cut at every place.
 */
#include "wire/virustotal_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SHA "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define OTHER "0000000000000000000000000000000000000000000000000000000000000000"
#define ID "NjY0MjRlOTFjMDIyYTkyNWM0NjU2NWQzYWNlMzFmZmI6MTQ3NTA0ODI3Nw=="
enum { NOW = 1700000000 }; /* 2023-11-14 22:13:20 UTC */

#define OBJECT(type, id, attributes)                                                               \
	"{\"data\":{\"type\":\"" type "\",\"id\":\"" id "\",\"attributes\":{" attributes "}}}"
#define FILE_OF(attributes) OBJECT("file", SHA, attributes)
#define STATS(m, s, u, h)                                                                          \
	"\"last_analysis_stats\":{\"malicious\":" #m ",\"suspicious\":" #s ",\"undetected\":" #u   \
	",\"harmless\":" #h ",\"timeout\":0,\"type-unsupported\":3}"
#define TODAY ",\"last_analysis_date\":1699999000"
#define VENDOR(name, category, result)                                                             \
	"\"" name "\":{\"category\":\"" category "\",\"engine_name\":\"" name                      \
	"\",\"engine_version\":\"1.0\",\"engine_update\":\"20231114\",\"method\":\"blacklist\","   \
	"\"result\":" result "}"
#define RESULTS(vendors) ",\"last_analysis_results\":{" vendors "}"
#define ANALYSIS_OF(sha, attributes)                                                               \
	"{\"meta\":{\"file_info\":{\"sha256\":\"" sha "\",\"size\":3}},"                           \
	"\"data\":{\"type\":\"analysis\",\"id\":\"" ID "\",\"attributes\":{" attributes "}}}"
#define ERROR(code, message) "{\"error\":{\"code\":\"" code "\",\"message\":\"" message "\"}}"

#define LOOK SB_VT_FILE, 200
#define POLL SB_VT_ANALYSIS, 200
#define SAYS(what) SB_VT_##what, SB_KIND_NONE, -1
#define FAILS(kind) SB_VT_FAILED, SB_KIND_##kind, -1
#define LIMITED(seconds) SB_VT_FAILED, SB_KIND_RATE_LIMITED, seconds

static const struct {
	const char *why;
	sb_vt_question question;
	long status;
	const char *body;
	sb_vt_says says;
	sb_kind kind;
	int64_t retry_after;
} rows[] = {
	/* votes */
	{"clean", LOOK, FILE_OF(STATS(0, 0, 60, 1) TODAY), SAYS(CLEAN)},
	{"enough hits", LOOK, FILE_OF(STATS(3, 0, 60, 0) TODAY), SAYS(INFECTED)},
	{"hits need no date", LOOK, FILE_OF(STATS(3, 0, 60, 0)), SAYS(INFECTED)},
	{"too few hits", LOOK, FILE_OF(STATS(2, 0, 60, 0) TODAY), SAYS(SUSPICIOUS)},
	{"one suspects", LOOK, FILE_OF(STATS(0, 1, 60, 0) TODAY), SAYS(SUSPICIOUS)},
	{"many suspect", LOOK, FILE_OF(STATS(0, 40, 60, 0) TODAY), SAYS(SUSPICIOUS)},
	{"as many voters as needed", LOOK, FILE_OF(STATS(0, 0, 10, 0) TODAY), SAYS(CLEAN)},
	{"one voter too few", LOOK, FILE_OF(STATS(0, 0, 9, 0) TODAY), SAYS(NO_OPINION)},
	{"nobody voted", LOOK, FILE_OF(STATS(0, 0, 0, 0) TODAY), SAYS(NO_OPINION)},
	{"no statistics at all", LOOK, FILE_OF("\"size\":3" TODAY), SAYS(NO_OPINION)},
	{"empty statistics", LOOK, FILE_OF("\"last_analysis_stats\":{}" TODAY), SAYS(NO_OPINION)},
	{"some are missing", LOOK,
		FILE_OF("\"last_analysis_stats\":{\"malicious\":0,\"harmless\":0}" TODAY),
		SAYS(NO_OPINION)},
	{"the hits are missing", LOOK, FILE_OF("\"last_analysis_stats\":{\"undetected\":50}" TODAY),
		SAYS(CLEAN)},
	{"as old as it may be", LOOK,
		FILE_OF(STATS(0, 0, 60, 0) ",\"last_analysis_date\":1699990000"), SAYS(CLEAN)},
	{"a second older", LOOK, FILE_OF(STATS(0, 0, 60, 0) ",\"last_analysis_date\":1699989999"),
		SAYS(NO_OPINION)},
	{"a day to come", LOOK, FILE_OF(STATS(0, 0, 60, 0) ",\"last_analysis_date\":1700086400"),
		SAYS(CLEAN)},
	{"later than that", LOOK, FILE_OF(STATS(0, 0, 60, 0) ",\"last_analysis_date\":1700086401"),
		SAYS(NO_OPINION)},
	{"no date", LOOK, FILE_OF(STATS(0, 0, 60, 0)), SAYS(NO_OPINION)},
	{"date of another type", LOOK, FILE_OF(STATS(0, 0, 60, 0) ",\"last_analysis_date\":\"x\""),
		FAILS(PROTOCOL_ERROR)},
	{"negative count", LOOK, FILE_OF(STATS(-1, 0, 60, 0) TODAY), FAILS(PROTOCOL_ERROR)},
	{"broken count", LOOK, FILE_OF(STATS(0.5, 0, 60, 0) TODAY), FAILS(PROTOCOL_ERROR)},
	{"huge count", LOOK, FILE_OF(STATS(0, 0, 1000001, 0) TODAY), FAILS(PROTOCOL_ERROR)},
	{"count as text", LOOK, FILE_OF(STATS("0", 0, 60, 0) TODAY), FAILS(PROTOCOL_ERROR)},
	{"count beyond integers", LOOK, FILE_OF(STATS(99999999999999999999, 0, 60, 0) TODAY),
		FAILS(PROTOCOL_ERROR)},
	{"statistics of another type", LOOK, FILE_OF("\"last_analysis_stats\":[]" TODAY),
		FAILS(PROTOCOL_ERROR)},
	/* vendors */
	{"the list knows more than the counters", LOOK,
		FILE_OF(STATS(0, 0, 60, 0) TODAY RESULTS(VENDOR("A", "malicious", "\"x\""))),
		SAYS(SUSPICIOUS)},
	{"a heavy vendor alone", LOOK,
		FILE_OF(STATS(1, 0, 60, 0) TODAY RESULTS(VENDOR("Heavy", "malicious", "\"x\""))),
		SAYS(INFECTED)},
	{"a vendor without weight", LOOK,
		FILE_OF(STATS(1, 0, 60, 0) TODAY RESULTS(VENDOR("Noise", "malicious", "null"))),
		SAYS(CLEAN)},
	{"and its suspicion", LOOK,
		FILE_OF(STATS(0, 1, 60, 0) TODAY RESULTS(VENDOR("Noise", "suspicious", "null"))),
		SAYS(CLEAN)},
	{"and one that isn't in the list", LOOK,
		FILE_OF(STATS(2, 0, 60, 0) TODAY RESULTS(VENDOR("Noise", "malicious", "null"))),
		SAYS(SUSPICIOUS)},
	{"two light ones and two others", LOOK,
		FILE_OF(STATS(4, 0, 60, 0) TODAY RESULTS(
			VENDOR("Light", "malicious", "\"x\"") "," VENDOR(
				"A", "malicious", "\"x\"") "," VENDOR("B", "malicious", "\"x\""))),
		SAYS(INFECTED)},
	{"a light one and two others", LOOK,
		FILE_OF(STATS(3, 0, 60, 0) TODAY RESULTS(VENDOR("Light", "malicious", "\"x\""))),
		SAYS(SUSPICIOUS)},
	{"results are null", LOOK,
		FILE_OF(STATS(0, 0, 60, 0) TODAY ",\"last_analysis_results\":null"), SAYS(CLEAN)},
	{"results of another type", LOOK,
		FILE_OF(STATS(0, 0, 60, 0) TODAY ",\"last_analysis_results\":[]"),
		FAILS(PROTOCOL_ERROR)},
	{"a vendor without category", LOOK, FILE_OF(STATS(0, 0, 60, 0) TODAY RESULTS("\"A\":{}")),
		FAILS(PROTOCOL_ERROR)},
	/* about something else */
	{"other bytes", LOOK, OBJECT("file", OTHER, STATS(0, 0, 60, 0) TODAY),
		FAILS(PROTOCOL_ERROR)},
	{"another type", LOOK, OBJECT("url", SHA, STATS(0, 0, 60, 0) TODAY), FAILS(PROTOCOL_ERROR)},
	{"no attributes", LOOK, "{\"data\":{\"type\":\"file\",\"id\":\"" SHA "\"}}",
		FAILS(PROTOCOL_ERROR)},
	{"no data", LOOK, "{}", FAILS(PROTOCOL_ERROR)},
	{"data is null", LOOK, "{\"data\":null}", FAILS(PROTOCOL_ERROR)},
	{"a list", LOOK, "[1,2]", FAILS(PROTOCOL_ERROR)},
	{"nothing", LOOK, "", FAILS(PROTOCOL_ERROR)},
	{"a web page", LOOK, "<html>clean</html>", FAILS(PROTOCOL_ERROR)},
	{"twice", LOOK, FILE_OF(STATS(0, 0, 60, 0) TODAY) FILE_OF(STATS(0, 0, 60, 0) TODAY),
		FAILS(PROTOCOL_ERROR)},
	{"a key twice", LOOK, FILE_OF(STATS(9, 0, 60, 0) "," STATS(0, 0, 60, 0) TODAY),
		FAILS(PROTOCOL_ERROR)},
	{"an error with status 200", LOOK, ERROR("NotFoundError", "x"), FAILS(PROTOCOL_ERROR)},
	{"data and an error", LOOK,
		"{\"error\":{},\"data\":{\"type\":\"file\",\"id\":\"" SHA
		"\",\"attributes\":{" STATS(0, 0, 60, 0) TODAY "}}}",
		FAILS(PROTOCOL_ERROR)},
	{"clean with status 201", SB_VT_FILE, 201, FILE_OF(STATS(0, 0, 60, 0) TODAY),
		FAILS(PROTOCOL_ERROR)},
	{"clean with status 204", SB_VT_FILE, 204, "", FAILS(PROTOCOL_ERROR)},
	{"a redirect", SB_VT_FILE, 302, FILE_OF(STATS(0, 0, 60, 0) TODAY), FAILS(PROTOCOL_ERROR)},
	/* errors by their names: docs.virustotal.com/reference/errors */
	{"unknown", SB_VT_FILE, 404, ERROR("NotFoundError", "File not found"), SAYS(UNKNOWN)},
	{"somebody else's 404", SB_VT_FILE, 404, "<html>", FAILS(PROTOCOL_ERROR)},
	{"no such address", SB_VT_FILE, 404, ERROR("Other", ""), FAILS(PROTOCOL_ERROR)},
	{"no key", SB_VT_FILE, 401, ERROR("AuthenticationRequiredError", ""),
		FAILS(AUTHENTICATION_FAILED)},
	{"wrong key", SB_VT_FILE, 401, ERROR("WrongCredentialsError", ""),
		FAILS(AUTHENTICATION_FAILED)},
	{"inactive user", SB_VT_FILE, 401, ERROR("UserNotActiveError", ""),
		FAILS(AUTHENTICATION_FAILED)},
	{"forbidden", SB_VT_UPLOAD, 403, ERROR("ForbiddenError", ""), FAILS(AUTHENTICATION_FAILED)},
	{"forbidden without words", SB_VT_FILE, 403, "", FAILS(AUTHENTICATION_FAILED)},
	{"bad request", SB_VT_FILE, 400, ERROR("BadRequestError", ""), FAILS(PROTOCOL_ERROR)},
	{"invalid argument", SB_VT_FILE, 400, ERROR("InvalidArgumentError", ""),
		FAILS(PROTOCOL_ERROR)},
	{"not yet", SB_VT_FILE, 400, ERROR("NotAvailableYet", ""), FAILS(ENGINE_UNAVAILABLE)},
	{"already there", SB_VT_UPLOAD, 409, ERROR("AlreadyExistsError", ""),
		FAILS(ENGINE_UNAVAILABLE)},
	{"failed dependency", SB_VT_FILE, 424, ERROR("FailedDependencyError", ""),
		FAILS(ENGINE_UNAVAILABLE)},
	{"too many, until the minute ends", SB_VT_FILE, 429, ERROR("TooManyRequestsError", ""),
		LIMITED(40)},
	{"a quota of no name", SB_VT_FILE, 429, ERROR("QuotaExceededError", "Quota exceeded"),
		LIMITED(40)},
	{"a quota of the day", SB_VT_FILE, 429, ERROR("QuotaExceededError", "daily quota"),
		LIMITED(6400)},
	{"429 without words", SB_VT_FILE, 429, "slow down", LIMITED(40)},
	{"transient", SB_VT_FILE, 503, ERROR("TransientError", ""), FAILS(ENGINE_UNAVAILABLE)},
	{"deadline exceeded", SB_VT_FILE, 504, ERROR("DeadlineExceededError", ""),
		FAILS(ENGINE_UNAVAILABLE)},
	{"a gateway's page", SB_VT_FILE, 502, "<html>", FAILS(ENGINE_UNAVAILABLE)},
	/* uploads */
	{"an analysis", SB_VT_UPLOAD, 200, "{\"data\":{\"type\":\"analysis\",\"id\":\"" ID "\"}}",
		SAYS(GIVEN)},
	{"an id that is a path", SB_VT_UPLOAD, 200,
		"{\"data\":{\"type\":\"analysis\",\"id\":\"../users/me\"}}", FAILS(PROTOCOL_ERROR)},
	{"no id", SB_VT_UPLOAD, 200, "{\"data\":{\"type\":\"analysis\"}}", FAILS(PROTOCOL_ERROR)},
	{"a file instead", SB_VT_UPLOAD, 200, "{\"data\":{\"type\":\"file\",\"id\":\"" SHA "\"}}",
		FAILS(PROTOCOL_ERROR)},
	{"an expired URL", SB_VT_UPLOAD, 404, "gone", FAILS(ENGINE_UNAVAILABLE)},
	{"a used URL", SB_VT_UPLOAD, 410, "", FAILS(ENGINE_UNAVAILABLE)},
	{"too large", SB_VT_UPLOAD, 413, "", FAILS(FILE_TOO_LARGE)},
	{"a URL", SB_VT_UPLOAD_URL, 200, "{\"data\":\"https://vt.example/_ah/upload/x\"}",
		SAYS(GIVEN)},
	{"an empty URL", SB_VT_UPLOAD_URL, 200, "{\"data\":\"\"}", FAILS(PROTOCOL_ERROR)},
	{"no URL", SB_VT_UPLOAD_URL, 200, "{\"data\":{}}", FAILS(PROTOCOL_ERROR)},
	/* analyses */
	{"queued", POLL, ANALYSIS_OF(SHA, "\"status\":\"queued\""), SAYS(PENDING)},
	{"under way, and clean so far", POLL,
		ANALYSIS_OF(SHA, "\"status\":\"in-progress\",\"stats\":{\"undetected\":60},"
				 "\"date\":1699999999"),
		SAYS(PENDING)},
	{"completed, clean", POLL,
		ANALYSIS_OF(SHA, "\"status\":\"completed\",\"stats\":{\"undetected\":60},"
				 "\"date\":1699999999"),
		SAYS(CLEAN)},
	{"completed, infected", POLL,
		ANALYSIS_OF(SHA, "\"status\":\"completed\",\"stats\":{\"malicious\":60},"
				 "\"date\":1699999999"),
		SAYS(INFECTED)},
	{"completed, nothing", POLL, ANALYSIS_OF(SHA, "\"status\":\"completed\""),
		SAYS(NO_OPINION)},
	{"of other bytes", POLL,
		ANALYSIS_OF(OTHER, "\"status\":\"completed\",\"stats\":{\"undetected\":60},"
				   "\"date\":1699999999"),
		FAILS(PROTOCOL_ERROR)},
	{"of no bytes", POLL,
		OBJECT("analysis", ID,
			"\"status\":\"completed\",\"stats\":{\"undetected\":60},\"date\":"
			"1699999999"),
		FAILS(PROTOCOL_ERROR)},
	{"another analysis", POLL, OBJECT("analysis", "other", "\"status\":\"queued\""),
		FAILS(PROTOCOL_ERROR)},
	{"an odd status", POLL, ANALYSIS_OF(SHA, "\"status\":\"done\""), FAILS(PROTOCOL_ERROR)},
	{"no status", POLL, ANALYSIS_OF(SHA, "\"stats\":{\"undetected\":60}"),
		FAILS(PROTOCOL_ERROR)},
	{"an analysis that is gone", SB_VT_ANALYSIS, 404, ERROR("NotFoundError", ""),
		FAILS(ENGINE_UNAVAILABLE)},
};

static const sb_vt_weight weights[] = {{"Heavy", 3}, {"Noise", 0}, {"Light", 0.5}};

static sb_vt_terms terms_for(sb_vt_question question)
{
	return (sb_vt_terms){
		.question = question,
		.sha256 = SHA,
		.id = ID,
		.min_detections = 3,
		.min_voters = 10,
		.now = NOW,
		.max_age = 10000,
		.weights = weights,
		.weight_count = sizeof weights / sizeof weights[0],
	};
}

/* Fed in pieces of @p step bytes. */
static void judge(sb_vt_answer *out, sb_vt_question question, long status, const char *text,
	size_t length, size_t step)
{
	sb_vt_terms terms = terms_for(question);
	sb_vt_body body;

	sb_vt_body_begin(&body);
	for (size_t at = 0; at < length; at += step)
		if (!sb_vt_body_feed(&body, text + at, length - at < step ? length - at : step))
			break;
	sb_vt_judge(out, status, 0, &body, &terms);
	sb_vt_body_end(&body);
}

static void every_row_says_what_it_should(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		for (size_t step = 1; step <= 4096; step += 4095) {
			sb_vt_answer answer;

			judge(&answer, rows[i].question, rows[i].status, rows[i].body,
				strlen(rows[i].body), step);
			if (answer.says != rows[i].says ||
				(answer.says == SB_VT_FAILED && answer.kind != rows[i].kind) ||
				answer.retry_after != rows[i].retry_after)
				fail_msg("%s: says %d, kind %d, retry %lld: %s", rows[i].why,
					answer.says, answer.kind, (long long)answer.retry_after,
					answer.message);
			if ((answer.says == SB_VT_FAILED || answer.says == SB_VT_NO_OPINION) &&
				answer.message[0] == '\0')
				fail_msg("%s: without a word", rows[i].why);
			sb_vt_answer_done(&answer);
		}
	}
}

/* No part of a good answer is a good answer. */
static void nothing_cut_is_a_verdict(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (rows[i].says == SB_VT_FAILED || rows[i].status != 200)
			continue;
		for (size_t length = 0; length < strlen(rows[i].body); length++) {
			sb_vt_answer answer;

			judge(&answer, rows[i].question, 200, rows[i].body, length, 4096);
			if (answer.says != SB_VT_FAILED)
				fail_msg("%s, cut at %zu: says %d", rows[i].why, length,
					answer.says);
			sb_vt_answer_done(&answer);
		}
	}
}

static void the_header_tells_when_to_come_back(void **unused)
{
	static const struct {
		int64_t header, expected;
	} times[] = {{0, 40}, {1, 1}, {86399, 86399}, {86400, 86400}, {86401, 86400}};

	(void)unused;
	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
		sb_vt_terms terms = terms_for(SB_VT_FILE);
		sb_vt_answer answer;
		sb_vt_body body;

		sb_vt_body_begin(&body);
		sb_vt_judge(&answer, 429, times[i].header, &body, &terms);
		assert_int_equal(answer.retry_after, times[i].expected);
		sb_vt_answer_done(&answer);
		sb_vt_body_end(&body);
	}
}

static void an_age_without_limit_needs_no_date(void **unused)
{
	static const char text[] = FILE_OF(STATS(0, 0, 60, 0));
	sb_vt_terms terms = terms_for(SB_VT_FILE);
	sb_vt_answer answer;
	sb_vt_body body;

	(void)unused;
	terms.max_age = 0;
	sb_vt_body_begin(&body);
	assert_true(sb_vt_body_feed(&body, text, strlen(text)));
	sb_vt_judge(&answer, 200, 0, &body, &terms);
	assert_int_equal(answer.says, SB_VT_CLEAN);
	sb_vt_answer_done(&answer);
	sb_vt_body_end(&body);
}

static void hits_carry_their_vendors(void **unused)
{
	static const char text[] = FILE_OF(STATS(2, 1, 60, 0) TODAY RESULTS(VENDOR("Odd",
		"suspicious", "\"maybe\"") "," VENDOR("A", "malicious", "\"Evil\"") "," VENDOR("B",
		"malicious", "null") "," VENDOR("C", "undetected", "null")));
	sb_vt_answer answer;

	(void)unused;
	judge(&answer, SB_VT_FILE, 200, text, strlen(text), 4096);
	assert_int_equal(answer.hit_count, 3);
	assert_string_equal(answer.hits[0].vendor, "A");
	assert_string_equal(answer.hits[0].name, "Evil");
	assert_string_equal(answer.hits[0].version, "1.0");
	assert_string_equal(answer.hits[0].update, "20231114");
	assert_null(answer.hits[1].name);
	assert_string_equal(answer.hits[2].vendor, "Odd");
	assert_false(answer.hits[2].malicious);
	assert_int_equal(answer.voters, 63);
	sb_vt_answer_done(&answer);
}

/* --- Limits --------------------------------------------------------------------------------------
 */

static void only_so_many_hits_are_named(void **unused)
{
	(void)unused;
	for (int count = SB_VT_HITS_MAX - 1; count <= SB_VT_HITS_MAX + 1; count++) {
		sb_vt_answer answer;
		sb_buf text;

		sb_buf_init(&text, 1 << 20);
		sb_buf_printf(&text,
			"{\"data\":{\"type\":\"file\",\"id\":\"%s\",\"attributes\":{"
			"\"last_analysis_results\":{",
			SHA);
		for (int i = 0; i < count; i++)
			sb_buf_printf(&text, "%s\"V%d\":{\"category\":\"malicious\"}",
				i > 0 ? "," : "", i);
		sb_buf_text(&text, "}}}}");
		judge(&answer, SB_VT_FILE, 200, text.data, text.length, 4096);
		assert_int_equal(answer.says, SB_VT_INFECTED);
		assert_int_equal(answer.malicious, count);
		assert_int_equal(answer.hit_count, count < SB_VT_HITS_MAX ? count : SB_VT_HITS_MAX);
		sb_vt_answer_done(&answer);
		sb_buf_done(&text);
	}
}

static bool fits(const char *text, size_t length)
{
	sb_vt_body body;
	bool fit;

	sb_vt_body_begin(&body);
	fit = sb_vt_body_feed(&body, text, length);
	if (!fit) {
		sb_vt_terms terms = terms_for(SB_VT_FILE);
		sb_vt_answer answer;

		assert_false(sb_vt_body_feed(&body, "x", 1)); /* for good */
		sb_vt_judge(&answer, 200, 0, &body, &terms);
		assert_int_equal(answer.says, SB_VT_FAILED);
		assert_int_equal(answer.kind, SB_KIND_PROTOCOL_ERROR);
		sb_vt_answer_done(&answer);
	}
	sb_vt_body_end(&body);
	return fit;
}

static void bodies_have_limits(void **unused)
{
	char *text = malloc(SB_VT_REPLY_MAX + 1);

	(void)unused;
	memset(text, ' ', SB_VT_REPLY_MAX + 1);
	assert_true(fits(text, SB_VT_REPLY_MAX - 1));
	assert_true(fits(text, SB_VT_REPLY_MAX));
	assert_false(fits(text, SB_VT_REPLY_MAX + 1));
	memset(text, '[', SB_VT_DEPTH_MAX + 1);
	assert_true(fits(text, SB_VT_DEPTH_MAX - 1));
	assert_true(fits(text, SB_VT_DEPTH_MAX));
	assert_false(fits(text, SB_VT_DEPTH_MAX + 1));
	memset(text, ',', SB_VT_VALUES_MAX + 1);
	assert_true(fits(text, SB_VT_VALUES_MAX - 1));
	assert_true(fits(text, SB_VT_VALUES_MAX));
	assert_false(fits(text, SB_VT_VALUES_MAX + 1));
	free(text);
}

/* In a string nothing counts, and a quote behind a backslash doesn't end it. */
static void strings_hold_no_structure(void **unused)
{
	char text[256];

	(void)unused;
	snprintf(text, sizeof text, "\"\\\"%.100s\"",
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[");
	assert_true(fits(text, strlen(text)));
	snprintf(text, sizeof text, "\"\\\\\"%.100s",
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[");
	assert_false(fits(text, strlen(text)));
}

/* --- URLs ----------------------------------------------------------------------------------------
 */

#define BASE "https://www.vt.example/api/v3"

static const struct {
	const char *base, *url;
	bool fits;
} urls[] = {
	{BASE, "https://www.vt.example/_ah/upload/AMmf", true},
	{BASE, "https://WWW.VT.EXAMPLE/x", true},
	{BASE, "https://www.vt.example:443/x", true},
	{BASE, "https://bigfiles.vt.example/x", true},
	{BASE, "https://vt.example/x?y=1", true},
	{BASE, "http://www.vt.example/x", false},
	{BASE, "https://www.vt.example:8443/x", false},
	{BASE, "https://evilvt.example/x", false},
	{BASE, "https://vt.example.evil.example/x", false},
	{BASE, "https://www.vt.example@evil.example/x", false},
	{BASE, "https://evil.example/www.vt.example", false},
	{BASE, "https://www.vt.example\\@evil.example/", false},
	{BASE, "https://127.0.0.1/x", false},
	{BASE, "https:///x", false},
	{BASE, "https://www.vt.example:/x", false},
	{BASE, "https://www.vt.example:0/x", false},
	{BASE, "https://www.vt.example:99999/x", false},
	{BASE, "https://www.vt.example:443443/x", false},
	{BASE, "https://www.vt.example/x y", false},
	{BASE, "https://www.vt.example/x\ny", false},
	{BASE, "https://www.vt.example/#x", false},
	{BASE, "file:///etc/passwd", false},
	{BASE, "//www.vt.example/x", false},
	{BASE, "", false},
	{"https://www.example", "https://evil.example/x", false},
	{"http://127.0.0.1:8080/api", "http://127.0.0.1:8080/x", true},
	{"http://127.0.0.1:8080/api", "http://127.0.0.1:8081/x", false},
	{"http://127.0.0.1:8080/api", "http://1.127.0.0.1:8080/x", false},
	{"http://[::1]:8080/api", "http://[::1]:8080/x", true},
	{"http://localhost/api", "http://evil.localhost/x", false},
};

static void content_goes_to_the_same_service_only(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
		sb_vt_url base;

		assert_true(sb_vt_url_parse(&base, urls[i].base));
		if (sb_vt_url_fits(urls[i].url, &base) != urls[i].fits)
			fail_msg("%s from %s", urls[i].url, urls[i].base);
	}
}

static void some_places_are_this_machine(void **unused)
{
	static const struct {
		const char *url;
		bool here;
	} places[] = {
		{"http://127.0.0.1/", true},
		{"http://127.1.2.3:80/", true},
		{"http://localhost/", true},
		{"http://[::1]:1/", true},
		{"http://127.evil.example/", false},
		{"http://127.0.0.1.evil.example/", false},
		{"http://127.1/", false},
		{"http://localhost.evil.example/", false},
		{"http://10.0.0.1/", false},
		{"http://[::2]/", false},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		sb_vt_url url;

		assert_true(sb_vt_url_parse(&url, places[i].url));
		if (sb_vt_url_is_loopback(&url) != places[i].here)
			fail_msg("%s", places[i].url);
	}
}

static void texts_have_limits(void **unused)
{
	char id[SB_VT_ID_MAX + 2], url[SB_VT_URL_MAX + 2], host[300];
	sb_vt_url out;

	(void)unused;
	for (size_t length = SB_VT_ID_MAX - 1; length <= SB_VT_ID_MAX + 1; length++) {
		memset(id, 'a', length);
		id[length] = '\0';
		assert_int_equal(sb_vt_id_ok(id), length <= SB_VT_ID_MAX);
	}
	assert_false(sb_vt_id_ok(""));
	assert_false(sb_vt_id_ok("a/b"));
	for (size_t length = SB_VT_URL_MAX - 1; length <= SB_VT_URL_MAX + 1; length++) {
		memset(url, 'a', length);
		memcpy(url, "https://h/", 10);
		url[length] = '\0';
		assert_int_equal(sb_vt_url_parse(&out, url), length <= SB_VT_URL_MAX);
	}
	for (size_t length = 254; length <= 256; length++) {
		memset(host, 'a', sizeof host);
		memcpy(host, "https://", 8);
		host[8 + length] = '\0';
		assert_int_equal(sb_vt_url_parse(&out, host), length <= 255);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_says_what_it_should),
		cmocka_unit_test(nothing_cut_is_a_verdict),
		cmocka_unit_test(the_header_tells_when_to_come_back),
		cmocka_unit_test(an_age_without_limit_needs_no_date),
		cmocka_unit_test(hits_carry_their_vendors),
		cmocka_unit_test(only_so_many_hits_are_named),
		cmocka_unit_test(bodies_have_limits),
		cmocka_unit_test(strings_hold_no_structure),
		cmocka_unit_test(content_goes_to_the_same_service_only),
		cmocka_unit_test(some_places_are_this_machine),
		cmocka_unit_test(texts_have_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
