/* SPDX-License-Identifier: MIT */
/*
 * What ICAP answers mean, one row for each. Answers marked "captured" are what c-icap 0.5.10 with
 * virus_scan 0.5.5 really sent; the headers of other vendors are those of their documents.
 */
#include "wire/icap_verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static sb_icap_reply reply;
static sb_icap_block ours;

#define OURS                                                                                       \
	"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 4\r\n\r\n"

/* All verdicts on the way, as the engine asks for them: the first certain one counts. */
static sb_icap_verdict judge(const char *text, const char *content, sb_icap_sent sent)
{
	sb_icap_span bytes = {text, strlen(text)}, data;
	sb_icap_verdict verdict;
	size_t at = 0;
	bool same = true;

	assert_true(sb_icap_block_parse(&ours, OURS, strlen(OURS)));
	sb_icap_reply_begin(&reply, SB_ICAP_RESPMOD);
	for (;;) {
		switch (sb_icap_reply_next(&reply, &bytes, &data)) {
		case SB_ICAP_HEAD:
			sb_icap_judge_head(&reply, sent, &verdict);
			break;
		case SB_ICAP_INNER:
			sb_icap_judge_inner(&reply, &ours, &verdict);
			break;
		case SB_ICAP_DATA:
			same = same && at + data.length <= strlen(content) &&
			       memcmp(content + at, data.text, data.length) == 0;
			at += data.length;
			continue;
		case SB_ICAP_END:
			sb_icap_judge_end(&reply, same && at == strlen(content), sent, &verdict);
			break;
		case SB_ICAP_WRONG:
			sb_icap_judge_broken(&reply, reply.why, &verdict);
			break;
		case SB_ICAP_MORE:
		default:
			sb_icap_judge_broken(&reply, NULL, &verdict);
		}
		if (verdict.certain)
			return verdict;
	}
}

#define H204(headers) "ICAP/1.0 204 No Content\r\n" headers "\r\n"
#define H200(headers) "ICAP/1.0 200 OK\r\n" headers "Encapsulated: res-hdr=0, res-body=26\r\n\r\n"
#define BLOCK "HTTP/1.1 403 Forbidden\r\n\r\n4\r\nPage\r\n0\r\n\r\n"
#define ECHO_OF(head, length, body)                                                                \
	"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=" length "\r\n\r\n" head body
#define BODY "4\r\nDATA\r\n0\r\n\r\n"
#define OURS_LENGTH "78"

static const struct {
	const char *why, *text;
	sb_outcome outcome;
	sb_kind kind;
	const char *name; /* for all but clean; NULL: not looked at */
} rows[] = {
#define CLEAN SB_OUTCOME_CLEAN, SB_KIND_NONE, NULL
#define HIT(name) SB_OUTCOME_INFECTED, SB_KIND_NONE, name
#define ODD(reason) SB_OUTCOME_SUSPICIOUS, SB_KIND_NONE, reason
#define ERR(kind) SB_OUTCOME_ERROR, SB_KIND_##kind, NULL
	/* clean */
	{"204", H204(""), CLEAN},
	{"captured: 204",
		H204("Server: C-ICAP/0.5.10\r\nConnection: keep-alive\r\n"
		     "ISTag: \"CI0001-L5CkDhq+qWNs+PZ5DxxXsAAA\"\r\n"),
		CLEAN},
	{"Kaspersky, clean", H204("X-Virus-ID: no threats\r\nX-Response-Info: passed\r\n"), CLEAN},
	{"F-Secure, clean", H204("X-FSecure-Scan-Result: clean\r\n"), CLEAN},
	{"no violations", H204("X-Violations-Found: 0\r\n"), CLEAN},
	{"nothing blocked", H204("X-Blocked: 0\r\nX-Block-Reason: none\r\n"), CLEAN},
	{"allowed", H204("X-Response-Info: Allowed\r\n"), CLEAN},
	{"echo", ECHO_OF(OURS, OURS_LENGTH, BODY), CLEAN},
	{"echo in pieces", ECHO_OF(OURS, OURS_LENGTH, "1\r\nD\r\n3\r\nATA\r\n0\r\n\r\n"), CLEAN},
	{"echo with a header more",
		ECHO_OF("HTTP/1.1 200 OK\r\nVia: ICAP/1.0 x\r\nContent-Length: 4\r\n\r\n", "55",
			BODY),
		CLEAN},
	/* infected */
	{"captured: infected",
		H200("X-Infection-Found: Type=0; Resolution=2; Threat=Eicar;\r\n"
		     "X-Violations-Found: 1\r\n\t-\r\n\tEicar\r\n\t0\r\n\t0\r\n") BLOCK,
		HIT("Eicar")},
	{"infected with 204", H204("X-Infection-Found: Type=0; Resolution=2; Threat=Evil;\r\n"),
		HIT("Evil")},
	{"infected with 201", "ICAP/1.0 201 Created\r\nX-Virus-ID: Evil\r\n\r\n", HIT("Evil")},
	{"infected with 403", "ICAP/1.0 403 No\r\nX-Virus-ID: Evil\r\n\r\n", HIT("Evil")},
	{"any case, no blanks", H204("x-infection-found:type=0;resolution=2;threat=Evil\r\n"),
		HIT("Evil")},
	{"threat with blanks", H204("X-Infection-Found: Type=0; Threat=EICAR test file;\r\n"),
		HIT("EICAR test file")},
	{"without a type", H204("X-Infection-Found: Evil\r\n"), HIT("Evil")},
	{"without a name", H204("X-Infection-Found: Type=0; Threat=;\r\n"), HIT("Unnamed")},
	{"several, the gravest",
		H204("X-Infection-Found: Type=2; Threat=Size;\r\n"
		     "X-Infection-Found: Type=0; Threat=Evil;\r\n"
		     "X-Infection-Found: Type=1; Threat=Rule;\r\n"),
		HIT("Evil")},
	{"X-Virus-ID", H204("X-Virus-ID: Evil\r\n"), HIT("Evil")},
	{"X-Virus-ID twice", H204("X-Virus-ID: no threats\r\nX-Virus-ID: Evil\r\n"), HIT("Evil")},
	{"X-Virus-Name", H204("X-Virus-Name: Evil\r\n"), HIT("Evil")},
	{"F-Secure",
		H204("X-FSecure-Scan-Result: infected\r\n"
		     "X-FSecure-Infection-Name: \"Evil\"\r\n"),
		HIT("Evil")},
	{"F-Secure without a name", H204("X-FSecure-Scan-Result: infected\r\n"), HIT("infected")},
	{"violations only",
		H204("X-Violations-Found: 1\r\n\tfile.exe\r\n\tEvil\r\n\t11\r\n\t2\r\n"),
		HIT("Evil")},
	{"violations, not folded", H204("X-Violations-Found: 2\r\n"), HIT("Unnamed")},
	{"a name beats a reason", H200("X-Block-Reason: virus\r\nX-Virus-Name: Evil\r\n") BLOCK,
		HIT("Evil")},
	{"violations beat a reason",
		H200("X-Blocked: 1\r\nX-Violations-Found: 1\r\n\t-\r\n\tEvil\r\n\t0\r\n\t0\r\n")
			BLOCK,
		HIT("Evil")},
	{"a name in the page's headers",
		ECHO_OF("HTTP/1.1 403 No\r\nX-Virus-ID: Evil\r\n\r\n", "37", BODY), HIT("Evil")},
	/* not looked */
	{"Symantec: container",
		H200("X-Infection-Found: Type=2; Resolution=2; "
		     "Threat=Container size violation;\r\n"
		     "X-Virus-ID: Container size violation\r\n") BLOCK,
		ERR(LIMIT_EXCEEDED)},
	{"Type 2, encrypted", H204("X-Infection-Found: Type=2; Threat=Encrypted container;\r\n"),
		ERR(ENCRYPTED)},
	{"Type 2, malformed", H204("X-Infection-Found: Type=2; Threat=Malformed container;\r\n"),
		ERR(CORRUPT)},
	{"Type 2, anything", H204("X-Infection-Found: Type=2; Threat=Odd;\r\n"), ERR(UNSUPPORTED)},
	{"another Scanbridge",
		H204("X-Infection-Found: Type=2; Resolution=2; "
		     "Threat=Scanbridge.Unscanned.encrypted;\r\n"),
		ERR(ENCRYPTED)},
	{"another Scanbridge in trouble",
		H204("X-Infection-Found: Type=2; Threat=Scanbridge.Unscanned.timeout;\r\n"),
		ERR(ENGINE_UNAVAILABLE)},
	{"clamd behind it: limits",
		H204("X-Infection-Found: Type=0; "
		     "Threat=Heuristics.Limits.Exceeded.MaxFileSize;\r\n"),
		ERR(LIMIT_EXCEEDED)},
	{"clamd behind it: encrypted", H204("X-Virus-ID: Heuristics.Encrypted.Zip\r\n"),
		ERR(ENCRYPTED)},
	{"McAfee: archive layers",
		"ICAP/1.0 500 No\r\nX-Error-Code: max_archive_layers_exceeded\r\n\r\n",
		ERR(LIMIT_EXCEEDED)},
	{"McAfee: password", "ICAP/1.0 500 No\r\nX-Error-Code: password_protected\r\n\r\n",
		ERR(ENCRYPTED)},
	{"McAfee: decode", "ICAP/1.0 500 No\r\nX-Error-Code: decode_error\r\n\r\n", ERR(CORRUPT)},
	{"McAfee: type", "ICAP/1.0 500 No\r\nX-Error-Code: file_type_blocked\r\n\r\n",
		ERR(UNSUPPORTED)},
	{"McAfee: extension", "ICAP/1.0 500 No\r\nX-Error-Code: file_extension_blocked\r\n\r\n",
		ERR(UNSUPPORTED)},
	{"another code", "ICAP/1.0 500 No\r\nX-Error-Code: out_of_memory\r\n\r\n",
		ERR(ENGINE_UNAVAILABLE)},
	/* suspicious */
	{"Type 1", H204("X-Infection-Found: Type=1; Threat=Scanbridge.Policy.exe;\r\n"),
		ODD("Scanbridge.Policy.exe")},
	{"a type nobody knows", H204("X-Infection-Found: Type=7; Threat=Odd;\r\n"), ODD("Odd")},
	{"a reason", H200("X-Block-Reason: media type\r\n") BLOCK, ODD("media type")},
	{"McAfee's reason", H200("X-MWG-Block-Reason: policy\r\n") BLOCK, ODD("policy")},
	{"blocked", H204("X-Response-Info: Blocked\r\n"), ODD("Blocked")},
	{"a block page", H200("") BLOCK, ODD("HTTP/1.1 403 Forbidden")},
	{"a redirection",
		ECHO_OF("HTTP/1.1 307 Go\r\nLocation: http://x/\r\n\r\n", "40", "0\r\n\r\n"),
		ODD("HTTP/1.1 307 Go")},
	/* errors */
	{"a name that is none", H204("X-Virus-ID:\r\n"), ERR(PROTOCOL_ERROR)},
	{"404", "ICAP/1.0 404 Service not found\r\n\r\n", ERR(NOT_CONFIGURED)},
	{"405", "ICAP/1.0 405 Method not allowed\r\n\r\n", ERR(NOT_CONFIGURED)},
	{"400", "ICAP/1.0 400 Bad request\r\n\r\n", ERR(PROTOCOL_ERROR)},
	{"401", "ICAP/1.0 401 Unauthorized\r\n\r\n", ERR(AUTHENTICATION_FAILED)},
	{"408", "ICAP/1.0 408 Request timeout\r\n\r\n", ERR(ENGINE_UNAVAILABLE)},
	{"McAfee's 418", "ICAP/1.0 418 Bad composition\r\n\r\n", ERR(ENGINE_UNAVAILABLE)},
	{"403 without a threat", "ICAP/1.0 403 Forbidden\r\n\r\n", ERR(ENGINE_UNAVAILABLE)},
	{"500", "ICAP/1.0 500 Server error\r\n\r\n", ERR(ENGINE_UNAVAILABLE)},
	{"500 with a threat is an error", "ICAP/1.0 500 No\r\nX-Virus-ID: Evil\r\n\r\n",
		ERR(ENGINE_UNAVAILABLE)},
	{"503", "ICAP/1.0 503 Overloaded\r\n\r\n", ERR(ENGINE_UNAVAILABLE)},
	{"503, later", "ICAP/1.0 503 Overloaded\r\nRetry-After: 7\r\n\r\n", ERR(RATE_LIMITED)},
	{"Symantec's 539", "ICAP/1.0 539 No licence\r\n\r\n", ERR(ENGINE_UNAVAILABLE)},
	{"202", "ICAP/1.0 202 Accepted\r\n\r\n", ERR(PROTOCOL_ERROR)},
	{"206", "ICAP/1.0 206 Partial\r\n\r\n", ERR(PROTOCOL_ERROR)},
	{"302", "ICAP/1.0 302 Found\r\n\r\n", ERR(PROTOCOL_ERROR)},
	{"101", "ICAP/1.0 101 Switch\r\n\r\n", ERR(PROTOCOL_ERROR)},
	{"200 with nothing", "ICAP/1.0 200 OK\r\nEncapsulated: null-body=0\r\n\r\n",
		ERR(PROTOCOL_ERROR)},
	{"200 without headers", "ICAP/1.0 200 OK\r\nEncapsulated: res-body=0\r\n\r\n" BODY,
		ERR(PROTOCOL_ERROR)},
	{"another body", ECHO_OF(OURS, OURS_LENGTH, "4\r\nDATE\r\n0\r\n\r\n"), ERR(PROTOCOL_ERROR)},
	{"a shorter body", ECHO_OF(OURS, OURS_LENGTH, "3\r\nDAT\r\n0\r\n\r\n"),
		ERR(PROTOCOL_ERROR)},
	{"a longer body", ECHO_OF(OURS, OURS_LENGTH, "5\r\nDATA!\r\n0\r\n\r\n"),
		ERR(PROTOCOL_ERROR)},
	{"no body",
		"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, null-body=" OURS_LENGTH
		"\r\n\r\n" OURS,
		ERR(PROTOCOL_ERROR)},
	{"another status", ECHO_OF("HTTP/1.1 503 No\r\n\r\n", "19", BODY), ERR(PROTOCOL_ERROR)},
	{"another version", ECHO_OF("HTTP/1.0 200 OK\r\n\r\n", "19", BODY), ERR(PROTOCOL_ERROR)},
	{"another length", ECHO_OF("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "38", BODY),
		ERR(PROTOCOL_ERROR)},
	{"another length beside ours",
		ECHO_OF("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n", "57",
			BODY),
		ERR(PROTOCOL_ERROR)},
	{"an encoding", ECHO_OF("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", "43", BODY),
		ERR(PROTOCOL_ERROR)},
	{"nothing", "", ERR(CONNECTION_FAILED)},
	{"cut in the status", "ICAP/1.0 20", ERR(PROTOCOL_ERROR)},
	{"cut before the end of the head", "ICAP/1.0 204 No\r\n", ERR(PROTOCOL_ERROR)},
	{"cut in the body", ECHO_OF(OURS, OURS_LENGTH, "4\r\nDATA\r\n"), ERR(PROTOCOL_ERROR)},
	{"cut in the last chunk", ECHO_OF(OURS, OURS_LENGTH, "4\r\nDATA\r\n0\r\n"),
		ERR(PROTOCOL_ERROR)},
};

static void test_rows(void **state)
{
	(void)state;
	assert_int_equal(strlen(OURS), atoi(OURS_LENGTH));
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		sb_icap_verdict v = judge(rows[i].text, "DATA", SB_ICAP_SENT_ALL);

		if (v.outcome != rows[i].outcome || v.kind != rows[i].kind ||
			(rows[i].name != NULL &&
				(v.text.length != strlen(rows[i].name) ||
					memcmp(v.text.text, rows[i].name, v.text.length) != 0)))
			fail_msg("%s: %s %s, \"%.*s\"", rows[i].why, sb_outcome_name(v.outcome),
				sb_kind_name(v.kind), (int)v.text.length, v.text.text);
	}
}

/* What is clean when all was sent, is an error before that; a threat is one at any time. */
static void test_before_the_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		sb_icap_verdict v = judge(rows[i].text, "DATA", SB_ICAP_SENT_PART);
		bool clean = rows[i].outcome == SB_OUTCOME_CLEAN;

		assert_int_equal(v.outcome, clean ? SB_OUTCOME_ERROR : rows[i].outcome);
		assert_int_equal(v.kind, clean ? SB_KIND_PROTOCOL_ERROR : rows[i].kind);
	}
}

/* 204 after a preview may count; an echo of a preview is no echo of the content. */
static void test_preview(void **state)
{
	(void)state;
	assert_int_equal(judge(H204(""), "DATA", SB_ICAP_SENT_PREVIEW).outcome, SB_OUTCOME_CLEAN);
	assert_int_equal(judge(ECHO_OF(OURS, OURS_LENGTH, BODY), "DATA", SB_ICAP_SENT_PREVIEW).kind,
		SB_KIND_PROTOCOL_ERROR);
}

/* Whatever is cut off anywhere is neither clean nor, before its threat is whole, anything else. */
static void test_cuts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char text[512];
		size_t length = strlen(rows[i].text);

		assert_true(length < sizeof text);
		for (size_t cut = 0; cut < length; cut++) {
			memcpy(text, rows[i].text, cut);
			text[cut] = '\0';
			assert_int_not_equal(
				judge(text, "DATA", SB_ICAP_SENT_ALL).outcome, SB_OUTCOME_CLEAN);
		}
	}
}

static void test_details(void **state)
{
	sb_icap_verdict v =
		judge("ICAP/1.0 503 No\r\nRetry-After: 7\r\n\r\n", "", SB_ICAP_SENT_ALL);

	(void)state;
	assert_int_equal(v.retry_after_ms, 7000);
	v = judge("ICAP/1.0 503 No\r\nRetry-After: soon\r\n\r\n", "", SB_ICAP_SENT_ALL);
	assert_int_equal(v.kind, SB_KIND_RATE_LIMITED);
	assert_int_equal(v.retry_after_ms, -1);
	v = judge(H204("X-Violations-Found: 1\r\n\tdir/file.exe\r\n\tEvil\r\n\t1\r\n\t2\r\n"), "",
		SB_ICAP_SENT_ALL);
	assert_true(sb_icap_is(v.member, "dir/file.exe"));
	v = judge(H204("X-Violations-Found: 1\r\n\t-\r\n\tEvil\r\n\t1\r\n\t2\r\n"), "",
		SB_ICAP_SENT_ALL);
	assert_int_equal(v.member.length, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_before_the_end),
		cmocka_unit_test(test_preview),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_details),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
