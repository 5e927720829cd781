/* SPDX-License-Identifier: MIT */
/*
 * ICAP replies, from a hostile server. First byte: method, what was sent, how to cut the rest.
 * Oracles: every cut gives the same events, bytes and verdict; and a clean one stands only for
 * what a slow check of its own lets pass.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/icap_options.h"
#include "wire/icap_request.h"
#include "wire/icap_verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char content[] = "fuzz";

typedef struct result {
	sb_icap_verdict verdict;
	uint64_t compared;
	bool same, ended;
	size_t events;
} result;

static void take(sb_icap_reply *reply, const sb_icap_block *ours, sb_icap_sent sent,
	sb_icap_span bytes, result *out)
{
	sb_icap_span data;

	while (!out->verdict.certain) {
		switch (sb_icap_reply_next(reply, &bytes, &data)) {
		case SB_ICAP_MORE:
			return;
		case SB_ICAP_HEAD:
			out->events++;
			sb_icap_judge_head(reply, sent, &out->verdict);
			break;
		case SB_ICAP_INNER:
			out->events++;
			sb_icap_judge_inner(reply, ours, &out->verdict);
			break;
		case SB_ICAP_DATA:
			if (data.length == 0)
				abort();
			out->same = out->same && out->compared + data.length < sizeof content &&
				    memcmp(content + out->compared, data.text, data.length) == 0;
			out->compared += data.length;
			break;
		case SB_ICAP_END:
			out->events++;
			sb_icap_judge_end(
				reply, out->same && out->compared == 4, sent, &out->verdict);
			break;
		case SB_ICAP_WRONG:
		default:
			sb_icap_judge_broken(reply, reply->why, &out->verdict);
		}
	}
}

static result judge(sb_icap_reply *reply, sb_icap_method method, sb_icap_sent sent,
	const uint8_t *data, size_t size, size_t piece)
{
	sb_icap_request request = {.method = method, .name = "n", .name_length = 1, .size = 4};
	static sb_icap_block ours;
	result out = {.same = true};

	if (!sb_icap_request_message(&ours, &request))
		abort();
	sb_icap_reply_begin(reply, method);
	for (size_t at = 0; at < size; at += piece)
		take(reply, &ours, sent,
			(sb_icap_span){
				(const char *)data + at, size - at < piece ? size - at : piece},
			&out);
	if (!out.verdict.certain)
		sb_icap_judge_broken(reply, NULL, &out.verdict);
	return out;
}

/* Written without the parser in mind: it begins with 204, or with 200 and our bytes in it. */
static int may_be_clean(sb_icap_sent sent, const uint8_t *data, size_t size)
{
	if (size < 16 || sent == SB_ICAP_SENT_PART)
		return 0;
	if (memcmp(data, "ICAP/1.0 204", 12) == 0)
		return memmem(data, size, "\r\n\r\n", 4) != NULL;
	return memcmp(data, "ICAP/1.0 200", 12) == 0 && sent == SB_ICAP_SENT_ALL &&
	       memmem(data, size, "\r\n0", 3) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static sb_icap_reply whole, cut;
	sb_icap_options options;
	sb_icap_method method;
	sb_icap_sent sent;
	result a, b;

	if (size == 0)
		return 0;
	method = (sb_icap_method)(data[0] % 3);
	sent = (sb_icap_sent)(data[0] / 3 % 3);
	a = judge(&whole, method, sent, data + 1, size - 1, size);
	b = judge(&cut, method, sent, data + 1, size - 1, (size_t)(data[0] / 9) + 1);
	if (a.verdict.outcome != b.verdict.outcome || a.verdict.kind != b.verdict.kind ||
		a.events != b.events || a.verdict.text.length != b.verdict.text.length ||
		(a.verdict.text.length > 0 && memcmp(a.verdict.text.text, b.verdict.text.text,
						      a.verdict.text.length) != 0))
		abort();
	if (a.verdict.outcome == SB_OUTCOME_CLEAN && !may_be_clean(sent, data + 1, size - 1))
		abort();
	if ((a.verdict.outcome == SB_OUTCOME_ERROR) != (a.verdict.kind != SB_KIND_NONE))
		abort();
	if (a.verdict.outcome == SB_OUTCOME_INFECTED && a.verdict.text.length == 0)
		abort();
	if (whole.status == 200 && sb_icap_options_read(&whole, &options) == NULL)
		(void)sb_icap_options_transfer(&options, "a.exe", 5);
	return 0;
}
