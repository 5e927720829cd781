/* SPDX-License-Identifier: MIT */
/* Probes for known answers; see known_answers.h. */
#include "engines/known_answers.h"

#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/error.h"
#include "util/text.h"
#include "util/uuid.h"

/* clamd's MaxRecursion is 17 by default. */
enum { NESTING = 25 };

/* The largest probe that we make in memory. */
#define PROBE_MAX (256ull << 20)

enum { ZIP_LOCAL = 30, ZIP_CENTRAL = 46, ZIP_END = 22, ZIP_ENCRYPTED = 1, DEFLATED = 8 };

/* --- Writing zip files (APPNOTE.TXT 4.3) ------------------------------------------------------ */

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
	size_t length; /* as it stands in the file */
	unsigned flags;
	uint32_t unpacked; /* of a deflated one; else 0: it is stored */
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
	uint32_t method = m->unpacked > 0 ? DEFLATED : 0;

	/* version 2.0, flags, method, 1980-01-01 */
	put(out, "22222444",
		(uint32_t[]){20, m->flags, method, 0, 0x21, crc, size,
			m->unpacked > 0 ? m->unpacked : size});
	put(out, "22", (uint32_t[]){name, 0});
}

static void zip(sb_buf *out, const member *members, size_t count)
{
	uint32_t offsets[4], crcs[4] = {0}, directory;

	for (size_t i = 0; i < count; i++) {
		offsets[i] = (uint32_t)out->length;
		/* What can't be taken out whole has a sum that nobody gets to see. */
		if (members[i].unpacked == 0)
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

static bool is_limit(const sb_check_answer *answer)
{
	return answer->outcome == SB_OUTCOME_ERROR && answer->kind == SB_KIND_LIMIT_EXCEEDED;
}

/* A zip in a zip in a zip …, with random bytes in the middle. */
static int probe_nesting(sb_check *check, bool *holds, sb_error *error)
{
	sb_check_answer answer;
	uint8_t nonce[32];
	sb_buf inner, outer;
	int status;

	sb_random(nonce, sizeof nonce);
	sb_buf_init(&inner, 1 << 16);
	sb_buf_add(&inner, nonce, sizeof nonce);
	for (int depth = 0; depth < NESTING; depth++) {
		member m = {"a.zip", inner.data, inner.length, 0, 0};

		sb_buf_init(&outer, 1 << 16);
		zip(&outer, &m, 1);
		sb_buf_done(&inner);
		inner = outer;
	}
	status = ask(check, &inner, &answer, error);
	*holds = status == 0 && is_limit(&answer);
	return status;
}

/*
 * Zeros by deflate (RFC 1951, 3.2.7): a block whose own codes give one bit to "258 of the byte
 * before" and one bit to its distance, so that a byte 0 stands for 1,032 zeros. The head has the
 * codes, the first zero and what is left of its last byte; the tail ends the block, and has an
 * empty one, the last.
 */
static const uint8_t zeros_head[] = {
	0xec, 0xc0, 0x81, 0, 0, 0, 0, 0x80, 0xa0, 0xfd, 0xa9, 0x17, 0xa9, 0};
static const uint8_t zeros_tail[] = {0x1e, 0};
enum { ZEROS_MORE = 1 + 4 * 258, ZEROS_EACH = 4 * 258, ZEROS_AROUND = 16 };

/* A member larger than any limit of clamd can be (2 GiB less one), or as large as fits. */
static int build_huge(sb_buf *probe, uint64_t size, sb_error *error)
{
	uint64_t beyond = 1ull << 31, most = size > 1024 ? size - 512 : 512;
	member members[2] = {{.name = "zeros.bin"}, {.name = "nonce.bin"}};
	uint8_t nonce[32], *packed;

	members[0].length = beyond / ZEROS_EACH + 1 + ZEROS_AROUND;
	if (members[0].length > most)
		members[0].length = (size_t)most;
	members[0].unpacked =
		(uint32_t)((members[0].length - ZEROS_AROUND) * ZEROS_EACH + ZEROS_MORE);
	packed = calloc(1, members[0].length);
	if (packed == NULL)
		return sb_error_no_memory(error);
	memcpy(packed, zeros_head, sizeof zeros_head);
	memcpy(packed + members[0].length - sizeof zeros_tail, zeros_tail, sizeof zeros_tail);
	members[0].data = packed;
	sb_random(nonce, sizeof nonce);
	members[1].data = nonce;
	members[1].length = sizeof nonce;
	sb_buf_init(probe, zip_size(members, 2) + 1);
	zip(probe, members, 2);
	free(packed);
	return 0;
}

/* Cutting a member without a word is how what stands behind the cut gets in. Whatever is said of
 * it but clean is a word. */
static int probe_member(sb_check *check, bool *holds, sb_error *error)
{
	uint64_t size = sb_check_max_size(check);
	sb_check_answer answer;
	sb_buf probe;
	int status = build_huge(&probe, size == 0 ? UINT64_MAX : size, error);

	if (status == 0)
		status = ask(check, &probe, &answer, error);
	*holds = status == 0 && answer.outcome != SB_OUTCOME_CLEAN;
	return status;
}

static int probe_limits(
	sb_check *check, const char *nesting, const char *member_size, sb_error *error)
{
	bool nested = false, huge = false;
	int status = probe_nesting(check, &nested, error);

	/* Who is silent about the one is silent about the other. */
	if (status == 0 && nested)
		status = probe_member(check, &huge, error);
	if (status == 0)
		sb_check_attest(
			check, SB_ATTEST_LIMITS, nested && huge, nested ? member_size : nesting);
	return status;
}

/* Random bytes that claim to be encrypted are as good as encrypted ones: nobody has the key. */
static int probe_encrypted(sb_check *check, const char *remedy, sb_error *error)
{
	sb_check_answer answer;
	uint8_t noise[64];
	member m = {"a.bin", noise, sizeof noise, ZIP_ENCRYPTED, 0};
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
		{"padding.bin", "", 0, 0, 0},
		{"test.com", test_file, eicar(test_file), 0, 0},
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

/* --- Mail ------------------------------------------------------------------------------------- */

static void add_base64(sb_buf *out, const char *data, size_t length)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < length; i += 3) {
		uint32_t three = 0;

		for (size_t k = 0; k < 3; k++)
			three = three << 8 | (i + k < length ? (uint8_t)data[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			sb_buf_char(out, i + k > length ? '=' : digits[three >> (18 - 6 * k) & 63]);
		if (i / 3 % 18 == 17)
			sb_buf_text(out, "\r\n");
	}
}

/* clamd takes mail apart on disk: where it has no room, or was told not to, it finds nothing. */
static int probe_mail(sb_check *check, const char *remedy, sb_error *error)
{
	char test_file[80], digits[33];
	uint8_t nonce[16];
	sb_check_answer answer;
	sb_buf probe;
	int status;

	sb_random(nonce, sizeof nonce);
	sb_hex(digits, nonce, sizeof nonce);
	sb_buf_init(&probe, 4096);
	sb_buf_text(&probe, "From: check@localhost\r\nTo: check@localhost\r\nSubject: ");
	sb_buf_text(&probe, digits);
	sb_buf_text(&probe, "\r\nMIME-Version: 1.0\r\n"
			    "Content-Type: multipart/mixed; boundary=\"part\"\r\n\r\n"
			    "--part\r\nContent-Type: text/plain\r\n\r\nA known answer.\r\n"
			    "--part\r\nContent-Type: application/octet-stream\r\n"
			    "Content-Disposition: attachment; filename=\"test.com\"\r\n"
			    "Content-Transfer-Encoding: base64\r\n\r\n");
	add_base64(&probe, test_file, eicar(test_file));
	sb_buf_text(&probe, "\r\n--part--\r\n");
	status = ask(check, &probe, &answer, error);
	if (status == 0)
		sb_check_attest(
			check, SB_ATTEST_MAIL, answer.outcome == SB_OUTCOME_INFECTED, remedy);
	return status;
}

int sb_known_answers(sb_check *check, const sb_remedies *remedies, sb_error *error)
{
	int status = probe_limits(check, remedies->limits, remedies->member_size, error);

	if (status == 0)
		status = probe_encrypted(check, remedies->encrypted, error);
	if (status == 0)
		status = probe_mail(check, remedies->mail, error);
	if (status == 0)
		status = probe_max_size(check, remedies->max_size, error);
	return status;
}
