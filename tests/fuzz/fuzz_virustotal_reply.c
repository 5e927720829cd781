/* SPDX-License-Identifier: MIT */
/*
 * VirusTotal's answers, from a hostile VirusTotal. First byte: the question and the status; second
 * byte: how to cut the rest. Oracles: every cut gives the same answer; clean needs, in the raw
 * bytes, the digest that was asked for and as many digits of votes; what is handed out is fit for
 * use; and reading takes bounded memory, which the fuzzer's limit sees to.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/virustotal_reply.h"

#define SHA "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ID "aWQ"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const long statuses[] = {200, 200, 200, 404, 401, 403, 429, 400, 503, 302, 204, 410};

static void judge(sb_vt_answer *out, sb_vt_question question, long status, const uint8_t *data,
	size_t size, size_t piece)
{
	static const sb_vt_weight weights[] = {{"Noise", 0}, {"Heavy", 3}};
	const sb_vt_terms terms = {
		.question = question,
		.sha256 = SHA,
		.id = ID,
		.min_detections = 3,
		.min_voters = 10,
		.now = 1700000000,
		.max_age = 100000,
		.weights = weights,
		.weight_count = 2,
	};
	sb_vt_body body;

	sb_vt_body_begin(&body);
	for (size_t at = 0; at < size; at += piece)
		if (!sb_vt_body_feed(&body, data + at, size - at < piece ? size - at : piece))
			break;
	sb_vt_judge(out, status, 0, &body, &terms);
	sb_vt_body_end(&body);
}

static void check(const sb_vt_answer *answer, sb_vt_question question, long status,
	const uint8_t *data, size_t size)
{
	bool good = answer->says != SB_VT_FAILED && answer->says != SB_VT_UNKNOWN;
	bool verdict = good && answer->says != SB_VT_PENDING && answer->says != SB_VT_GIVEN;

	if ((good && status != 200) || (answer->says == SB_VT_UNKNOWN && status != 404))
		abort();
	if (answer->says == SB_VT_CLEAN &&
		(answer->malicious != 0 || answer->suspicious != 0 || answer->voters < 10))
		abort();
	/* Its bytes stand there, unless somebody escaped them. */
	if (verdict && memchr(data, '\\', size) == NULL &&
		memmem(data, size, SHA, strlen(SHA)) == NULL)
		abort();
	if (answer->says == SB_VT_GIVEN && question == SB_VT_UPLOAD && !sb_vt_id_ok(answer->given))
		abort();
	if (answer->says == SB_VT_FAILED && answer->kind == SB_KIND_NONE)
		abort();
	if ((answer->kind == SB_KIND_RATE_LIMITED) != (answer->retry_after > 0))
		abort();
}

static void look_at_url(const sb_vt_answer *answer)
{
	sb_vt_url base, url;

	if (answer->says != SB_VT_GIVEN)
		return;
	sb_vt_url_parse(&base, "https://www.vt.example/api");
	if (sb_vt_url_fits(answer->given, &base) &&
		(!sb_vt_url_parse(&url, answer->given) || !url.tls ||
			strstr(url.host, "vt.example") == NULL))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sb_vt_answer whole, cut;
	sb_vt_question question;
	long status;
	size_t piece;

	if (size < 2)
		return 0;
	question = (sb_vt_question)(data[0] % SB_VT_QUESTIONS_);
	status = statuses[data[0] / SB_VT_QUESTIONS_ % (sizeof statuses / sizeof statuses[0])];
	piece = (size_t)data[1] + 1;
	data += 2;
	size -= 2;
	judge(&whole, question, status, data, size, size + 1);
	judge(&cut, question, status, data, size, piece);
	if (whole.says != cut.says || whole.kind != cut.kind || whole.voters != cut.voters ||
		strcmp(whole.message, cut.message) != 0)
		abort();
	check(&whole, question, status, data, size);
	look_at_url(&whole);
	sb_vt_answer_done(&whole);
	sb_vt_answer_done(&cut);
	return 0;
}
