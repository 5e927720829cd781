/* SPDX-License-Identifier: MIT */
/* Probes for known answers; see known_answers.h. */
#include "engines/known_answers.h"

#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/error.h"
#include "util/uuid.h"

/* clamd's MaxRecursion is 17 by default. */
enum { NESTING = 25 };

/* The largest probe that we make in memory. */
#define PROBE_MAX (256ull << 20)

enum { ZIP_LOCAL = 30, ZIP_CENTRAL = 46, ZIP_END = 22, ZIP_ENCRYPTED = 1 };

/* --- Writing zip files of stored members (APPNOTE.TXT 4.3) --------------------------------- */

static uint32_t crc32_of(const uint8_t *data, size_t length)
{
	uint32_t table[256], crc = 0xffffffff;

	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = (c & 1) != 0 ? 0xedb88320 ^ (c >> 1) : c >> 1;
		table[i] = c;
	}
	for (size_t i = 0; i < length; i++)
		crc = table[(crc ^ data[i]) & 0xff] ^ (crc >> 8);
	return ~crc;
}

/* Little-endian numbers; `sizes` tells the width of each. */
static void put(sb_buf *out, const char *sizes, const uint32_t *values)
{
	for (; *sizes != '\0'; sizes++, values++)
		for (int i = 0; i < *sizes - '0'; i++)
			sb_buf_char(out, (char)(*values >> (8 * i)));
}

typedef struct member {
	const char *name;
	const void *data;
	size_t length;
	unsigned flags;
} member;

static size_t zip_size(const member *members, size_t count)
{
	size_t size = ZIP_END;

	for (size_t i = 0; i < count; i++)
		size += ZIP_LOCAL + ZIP_CENTRAL + 2 * strlen(members[i].name) + members[i].length;
	return size;
}

/* What the local header and the directory have in common. */
static void put_member(sb_buf *out, const member *m, uint32_t crc)
{
	uint32_t size = (uint32_t)m->length, name = (uint32_t)strlen(m->name);

	/* version 2.0, flags, stored, 1980-01-01 */
	put(out, "22222444", (uint32_t[]){20, m->flags, 0, 0, 0x21, crc, size, size});
	put(out, "22", (uint32_t[]){name, 0});
}

static void zip(sb_buf *out, const member *members, size_t count)
{
	uint32_t offsets[4], crcs[4], directory;

	for (size_t i = 0; i < count; i++) {
		offsets[i] = (uint32_t)out->length;
		crcs[i] = crc32_of(members[i].data, members[i].length);
		put(out, "4", (uint32_t[]){0x04034b50});
		put_member(out, &members[i], crcs[i]);
		sb_buf_text(out, members[i].name);
		sb_buf_add(out, members[i].data, members[i].length);
	}
	directory = (uint32_t)out->length;
	for (size_t i = 0; i < count; i++) {
		put(out, "42", (uint32_t[]){0x02014b50, 20});
		put_member(out, &members[i], crcs[i]);
		put(out, "22244", (uint32_t[]){0, 0, 0, 0, offsets[i]});
		sb_buf_text(out, members[i].name);
	}
	put(out, "4222", (uint32_t[]){0x06054b50, 0, 0, (uint32_t)count});
	put(out, "2442",
		(uint32_t[]){(uint32_t)count, (uint32_t)out->length - directory, directory, 0});
}

/* --- The probes ----------------------------------------------------------------------------- */

static int ask(sb_check *check, sb_buf *probe, sb_check_answer *answer, sb_error *error)
{
	int status = probe->failed
			     ? sb_error_no_memory(error)
			     : sb_check_scan(check, probe->data, probe->length, answer, error);

	sb_buf_done(probe);
	return status;
}

/* A zip in a zip in a zip …, with random bytes in the middle. */
static int probe_limits(sb_check *check, const char *remedy, sb_error *error)
{
	sb_check_answer answer;
	uint8_t nonce[32];
	sb_buf inner, outer;
	int status;

	sb_random(nonce, sizeof nonce);
	sb_buf_init(&inner, 1 << 16);
	sb_buf_add(&inner, nonce, sizeof nonce);
	for (int depth = 0; depth < NESTING; depth++) {
		member m = {"a.zip", inner.data, inner.length, 0};

		sb_buf_init(&outer, 1 << 16);
		zip(&outer, &m, 1);
		sb_buf_done(&inner);
		inner = outer;
	}
	status = ask(check, &inner, &answer, error);
	if (status == 0)
		sb_check_attest(check, SB_ATTEST_LIMITS,
			answer.outcome == SB_OUTCOME_ERROR && answer.kind == SB_KIND_LIMIT_EXCEEDED,
			remedy);
	return status;
}

/* Random bytes that claim to be encrypted are as good as encrypted ones: nobody has the key. */
static int probe_encrypted(sb_check *check, const char *remedy, sb_error *error)
{
	sb_check_answer answer;
	uint8_t noise[64];
	member m = {"a.bin", noise, sizeof noise, ZIP_ENCRYPTED};
	sb_buf probe;
	int status;

	sb_random(noise, sizeof noise);
	sb_buf_init(&probe, 4096);
	zip(&probe, &m, 1);
	status = ask(check, &probe, &answer, error);
	if (status == 0)
		sb_check_attest(check, SB_ATTEST_ENCRYPTED,
			answer.outcome == SB_OUTCOME_ERROR && answer.kind == SB_KIND_ENCRYPTED,
			remedy);
	return status;
}

/* The test file, put together here so that it stands nowhere in ours. */
static size_t eicar(char out[80])
{
	static const char *const parts[] = {"X5O!P%@AP[4\\PZX54(P^)7CC)7}$", "EICAR-STANDARD-",
		"ANTIVIRUS-TEST", "-FILE!$H+H*"};
	size_t length = 0;

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		memcpy(out + length, parts[i], strlen(parts[i]));
		length += strlen(parts[i]);
	}
	return length;
}

static int build_large(sb_buf *probe, uint64_t size, sb_error *error)
{
	char test_file[80];
	member members[2] = {
		{"padding.bin", "", 0, 0},
		{"test.com", test_file, eicar(test_file), 0},
	};
	uint8_t *padding;

	members[0].length = (size_t)size - zip_size(members, 2);
	padding = calloc(1, members[0].length + 1);
	if (padding == NULL)
		return sb_error_no_memory(error);
	sb_random(padding, members[0].length < 32 ? members[0].length : 32);
	members[0].data = padding;
	sb_buf_init(probe, (size_t)size + 1);
	zip(probe, members, 2);
	free(padding);
	return 0;
}

static int probe_max_size(sb_check *check, const char *remedy, sb_error *error)
{
	uint64_t size = sb_check_max_size(check);
	sb_check_answer answer;
	sb_buf probe;
	int status;

	if (size == 0 || size > PROBE_MAX) {
		sb_check_attest(check, SB_ATTEST_MAX_SIZE, false,
			"set the engine's max_size to 256MiB or less: more is not tested");
		return 0;
	}
	if (size < 1024)
		size = 1024;
	status = build_large(&probe, size, error);
	if (status == 0)
		status = ask(check, &probe, &answer, error);
	if (status == 0)
		sb_check_attest(
			check, SB_ATTEST_MAX_SIZE, answer.outcome == SB_OUTCOME_INFECTED, remedy);
	return status;
}

int sb_known_answers(sb_check *check, const sb_remedies *remedies, sb_error *error)
{
	int status = probe_limits(check, remedies->limits, error);

	if (status == 0)
		status = probe_encrypted(check, remedies->encrypted, error);
	if (status == 0)
		status = probe_max_size(check, remedies->max_size, error);
	return status;
}
