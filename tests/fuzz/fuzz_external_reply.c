/* SPDX-License-Identifier: MIT */
/*
 * JSON from a hostile external scanner, and status lines of the sandbox. Oracles: a clean reply
 * has all three members in it and no other number than 0; an error has a kind and says why; a
 * status is one that a process can end with, and it is there in digits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/bwrap_status.h"
#include "wire/external_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int holds(const uint8_t *data, size_t size, const char *word)
{
	return memmem(data, size, word, strlen(word)) != NULL;
}

static void check_reply(const uint8_t *data, size_t size)
{
	static sb_external_reply reply;

	sb_external_reply_parse((const char *)data, size, &reply);
	if ((reply.outcome == SB_OUTCOME_ERROR) !=
		(reply.kind != SB_KIND_NONE && reply.problem[0] != '\0'))
		abort();
	if (reply.threat_length > sizeof reply.threat || reply.def_time < 0)
		abort();
	/* Keys may be written with escapes: then there is a backslash. */
	if (reply.outcome == SB_OUTCOME_CLEAN &&
		(reply.threat_length > 0 ||
			(!holds(data, size, "\\") &&
				(!holds(data, size, "\"scan_result_i\"") ||
					!holds(data, size, "\"def_time\"") ||
					!holds(data, size, "\"threat_found\""))) ||
			!holds(data, size, "0")))
		abort();
}

static void check_status(const uint8_t *data, size_t size)
{
	int status = sb_bwrap_status((const char *)data, size);
	char digits[12];

	snprintf(digits, sizeof digits, "%d", status);
	if (status < -1 || status > 255 || (status >= 0 && !holds(data, size, digits)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_reply(data, size);
	check_status(data, size);
	return 0;
}
