/* SPDX-License-Identifier: MIT */
/*
 * clamd's replies, from a hostile clamd. First byte: command, session or not, how to cut the
 * rest. Oracles: every cut gives the same verdict, and a clean one stands only for the very few
 * texts that a slow check of its own knows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/clamd_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int is(const char *text, const uint8_t *data, size_t size)
{
	return size == strlen(text) + 1 && memcmp(text, data, size) == 0;
}

/* Whether exactly these bytes may be clean for a scan: written without the parser in mind. */
static int may_be_clean(int descriptor, int session, const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size;

	if (session) {
		if (size < 3 || memcmp(data, "7: ", 3) != 0)
			return 0;
		data += 3;
	}
	if (!descriptor)
		return is("stream: OK", data, (size_t)(end - data));
	if (end - data < 4 || memcmp(data, "fd[", 3) != 0)
		return 0;
	for (data += 3; data < end && *data >= '0' && *data <= '9'; data++)
		continue;
	return data[-1] != '[' && is("]: OK", data, (size_t)(end - data));
}

static sb_clamd_verdict judge(sb_clamd_reply *reply, int command, int session, const uint8_t *data,
	size_t size, size_t piece)
{
	sb_clamd_verdict verdict;

	sb_clamd_reply_begin(reply, (sb_clamd_command)command, session ? 7 : 0);
	for (size_t at = 0; at < size; at += piece)
		sb_clamd_reply_feed(reply, data + at, size - at < piece ? size - at : piece);
	sb_clamd_reply_judge(reply, 1, &verdict);
	return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static sb_clamd_reply whole, cut;
	sb_clamd_verdict a, b;
	sb_clamd_version version;
	int command, session;
	size_t piece;

	if (size == 0)
		return 0;
	command = data[0] & 3;
	session = (data[0] >> 2) & 1;
	piece = (size_t)(data[0] >> 3) + 1;
	data++;
	size--;
	a = judge(&whole, command, session, data, size, size + 1);
	b = judge(&cut, command, session, data, size, piece);
	if (a.outcome != b.outcome || a.kind != b.kind || a.length != b.length ||
		a.no_descriptor != b.no_descriptor ||
		(a.length > 0 && memcmp(a.text, b.text, a.length) != 0))
		abort();
	if (a.outcome == SB_OUTCOME_CLEAN && command >= SB_CLAMD_INSTREAM &&
		!may_be_clean(command == SB_CLAMD_FILDES, session, data, size))
		abort();
	if (a.outcome == SB_OUTCOME_SUSPICIOUS || (a.outcome == SB_OUTCOME_ERROR) != (a.kind != 0))
		abort();
	if (a.outcome == SB_OUTCOME_INFECTED && a.length == 0)
		abort();
	if (a.outcome == SB_OUTCOME_CLEAN && command == SB_CLAMD_VERSION)
		sb_clamd_version_parse(a.text, a.length, &version);
	return 0;
}
