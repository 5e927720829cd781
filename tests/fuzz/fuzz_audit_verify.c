/* SPDX-License-Identifier: MIT */
/*
 * The audit verifier on any bytes. Twice: as they are, and with `prev` and `hash` of each
 * line put right, since nobody, and no fuzzer, guesses SHA-256: otherwise what stands behind
 * that check would never run. Oracle: the verdict is the same however the bytes are split.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "audit/verify.h"
#include "util/hash.h"
#include "util/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void verify_split(const char *data, size_t size, size_t step)
{
	sb_audit_verifier v;
	sb_audit_verdict whole;
	size_t begin = 0, end = 0;

	sb_audit_verify_memory(data, size, &whole);
	require(whole.bytes <= size && whole.ok == (whole.why[0] == '\0'));
	sb_audit_verifier_init(&v);
	while (end < size && v.why[0] == '\0') {
		end = size - end < step ? size : end + step;
		begin += sb_audit_verifier_feed(&v, data + begin, end - begin, end == size);
	}
	require(v.offset == whole.bytes && v.records == whole.records);
	require(v.records == 0 || whole.ok == (v.why[0] == '\0'));
	require(!whole.ok || whole.last_seq - whole.first_seq + 1 == whole.records);
}

/* Put 64 digits behind @p member, if the line has room for them. */
static char *digits_behind(char *line, size_t length, const char *member)
{
	char *at = memmem(line, length, member, strlen(member));

	if (at == NULL || (size_t)(line + length - at) < strlen(member) + SB_AUDIT_HASH + 2)
		return NULL;
	return at + strlen(member);
}

static void put_right(char *line, size_t length, char prev[SB_AUDIT_HASH + 1])
{
	char *p = digits_behind(line, length, "\"prev\":\""), *text;
	char *h = digits_behind(line, length, "\"hash\":\"");
	char *previous = digits_behind(line, length, "\"previous\":\"");
	uint8_t sum[SB_SHA256_SIZE];
	size_t before;

	if (p == NULL || h == NULL || h < p || length >= SB_AUDIT_LINE_MAX)
		return;
	memcpy(p, prev, SB_AUDIT_HASH);
	if (previous != NULL)
		memcpy(previous, prev, SB_AUDIT_HASH);
	before = (size_t)(h - line) - 8;
	text = malloc(length);
	require(text != NULL);
	memcpy(text, line, before);
	memcpy(text + before, h + SB_AUDIT_HASH + 2, length - before - 8 - SB_AUDIT_HASH - 2);
	sb_sha256_memory(text, length - 8 - SB_AUDIT_HASH - 2, sum);
	sb_hex(prev, sum, sizeof sum);
	memcpy(h, prev, SB_AUDIT_HASH);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char prev[SB_AUDIT_HASH + 1], *copy = malloc(size + 1), *newline;
	size_t step = size > 0 ? data[size / 2] + 1u : 1, at = 0;

	require(copy != NULL);
	memcpy(copy, data, size);
	verify_split(copy, size, step);
	memset(prev, '0', SB_AUDIT_HASH);
	while ((newline = memchr(copy + at, '\n', size - at)) != NULL) {
		put_right(copy + at, (size_t)(newline - copy) - at, prev);
		at = (size_t)(newline - copy) + 1;
	}
	verify_split(copy, size, step);
	free(copy);
	return 0;
}
