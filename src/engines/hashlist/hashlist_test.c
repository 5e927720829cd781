/* SPDX-License-Identifier: MIT */
/* Hash lists: what a line may look like, what a list says, which digests it asks for. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engines/fake_call.h"
#include "util/buf.h"
#include "util/error.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

extern const sb_engine_ops sb_engine_hashlist;
static const sb_engine_ops *const ops = &sb_engine_hashlist;

#define KNOWN "known content"

static const char *digits_for(char letter)
{
	switch (letter) {
	case 'b':
	case 'B':
		return fake_hex(KNOWN, SB_DIGEST_BLAKE3);
	case 's':
		return fake_hex(KNOWN, SB_DIGEST_SHA256);
	case 'm':
		return fake_hex(KNOWN, SB_DIGEST_MD5);
	default:
		return "";
	}
}

/* In a text: %b, %s, %m stand for the BLAKE3, SHA-256, MD5 digits of KNOWN, %B for capital
 * ones, %0 for a NUL. */
static void write_list(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	for (const char *p = text; *p != '\0'; p++) {
		if (*p != '%') {
			fputc(*p, file);
			continue;
		}
		p++;
		for (const char *digit = digits_for(*p); *digit != '\0'; digit++)
			fputc(*p == 'B' ? toupper(*digit) : *digit, file);
		if (*p == '0')
			fputc('\0', file);
	}
	assert_int_equal(fclose(file), 0);
}

static char folder[] = "/tmp/hashlist_test.XXXXXX";
static char block_path[64], allow_path[64];

static int make_folder(void **unused)
{
	(void)unused;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(block_path, sizeof block_path, "%s/block", folder);
	snprintf(allow_path, sizeof allow_path, "%s/allow", folder);
	return 0;
}

static int remove_folder(void **unused)
{
	(void)unused;
	unlink(block_path);
	unlink(allow_path);
	return rmdir(folder);
}

/* NULL: the key is not given. */
static void *open_lists(const char *block, const char *allow, int *rc, sb_error *error)
{
	void *state = calloc(1, ops->state_size);

	assert_non_null(state);
	if (block != NULL) {
		write_list(block_path, block);
		fake_set_text(state, ops, "block", block_path);
	}
	if (allow != NULL) {
		write_list(allow_path, allow);
		fake_set_text(state, ops, "allow", allow_path);
	}
	sb_error_init(error);
	*rc = ops->open(state, error);
	return state;
}

static void close_lists(void *state)
{
	ops->close(state);
	free(state);
}

enum { B = 1 << SB_DIGEST_BLAKE3, S = 1 << SB_DIGEST_SHA256, M = 1 << SB_DIGEST_MD5 };

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static const struct {
	const char *why, *block, *allow;
	char says; /* i, c or `-`: abstains */
	unsigned digests;
} answers[] = {
	{"64 digits are BLAKE3", "%b\n", NULL, 'i', B},
	{"64 digits are also SHA-256", "%s\n", NULL, 'i', B | S},
	{"32 digits are MD5, and no other digest is computed", "%m\n", NULL, 'i', M},
	{"prefix blake3", "blake3:%b\n", NULL, 'i', B},
	{"prefix sha256: BLAKE3 is not asked for", "sha256:%s\n", NULL, 'i', S},
	{"a BLAKE3 digest marked as SHA-256 is another", "sha256:%b\n", NULL, '-', S},
	{"a SHA-256 digest marked as BLAKE3 is another", "blake3:%s\n", NULL, '-', B},
	{"the right digits for another digest of the list", "sha256:%b\nblake3:" ZEROS "\n", NULL,
		'-', B | S},
	{"upper case", "%B\n", NULL, 'i', B},
	{"a long line", "%b " ZEROS ZEROS ZEROS ZEROS "\n", NULL, 'i', B},
	{"the same digits with both prefixes count as both", "sha256:%b\nblake3:%b\n", NULL, 'i',
		B},
	{"allowed by BLAKE3", NULL, "%b\n", 'c', B},
	{"allowed by SHA-256", NULL, "%s\n", 'c', B | S},
	{"blocked beats allowed", "%b\n", "%b\n", 'i', B},
	{"blocked by MD5 beats allowed by BLAKE3", "%m\n", "%b\n", 'i', M},
	{"allowed while others are blocked", ZEROS "\n", "%b\n", 'c', B | S},
	{"unknown to both", ZEROS "\n", ZEROS "\n", '-', B | S},
	{"the rest of the line is ignored", "%b  eicar.com # found in May\n", NULL, 'i', B},
	{"comma separated", "%b,Trojan\n", NULL, 'i', B},
	{"a comment right behind", "%b#Trojan\n", NULL, 'i', B},
	{"CRLF", "# list\r\n\r\n%b\r\n", NULL, 'i', B},
	{"no newline at the end", "%b", NULL, 'i', B},
	{"empty lines, comments, leading space", "\n  \n\t# x\n  \t%b\n", NULL, 'i', B},
	{"a comment with a NUL", "# a%0b\n%b\n", NULL, 'i', B},
};

static void lists_answer(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < COUNT(answers); i++) {
		sb_error error;
		sb_call call;
		int rc;
		void *state = open_lists(answers[i].block, answers[i].allow, &rc, &error);

		if (rc != 0)
			fail_msg("%s: open: %s", answers[i].why, error.message);
		fake_call_init(&call, KNOWN);
		rc = ops->scan(state, &call, &error);
		if (answers[i].says == '-') {
			if (rc != -SB_KIND_UNSUPPORTED || !call.abstained)
				fail_msg("%s: no abstention", answers[i].why);
			assert_int_equal(call.outcome, SB_OUTCOME_ERROR);
		} else if (rc != 0 || call.abstained ||
			   call.outcome != (answers[i].says == 'i' ? SB_OUTCOME_INFECTED
								   : SB_OUTCOME_CLEAN)) {
			fail_msg("%s: rc %d, outcome %d", answers[i].why, rc, (int)call.outcome);
		} else {
			assert_int_equal(call.bytes, strlen(KNOWN));
			assert_int_equal(call.content, SB_CONTENT_UNKNOWN);
		}
		if (call.digests != answers[i].digests)
			fail_msg("%s: asked for digests %#x", answers[i].why, call.digests);
		close_lists(state);
	}
}

static void a_hit_says_which_entry(void **unused)
{
	static const struct {
		const char *line;
		sb_digest which;
	} rows[] = {
		{"%b\n", SB_DIGEST_BLAKE3}, {"%s\n", SB_DIGEST_SHA256}, {"%m\n", SB_DIGEST_MD5}};

	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		sb_error error;
		sb_call call;
		int rc;
		void *state = open_lists(rows[i].line, NULL, &rc, &error);

		fake_call_init(&call, KNOWN);
		assert_int_equal(ops->scan(state, &call, &error), 0);
		assert_string_equal(call.threat, "Blocklist.Match");
		assert_string_equal(call.category, "blocklist");
		assert_int_equal(call.severity, SB_SEVERITY_HIGH);
		assert_string_equal(call.signature_id, fake_hex(KNOWN, rows[i].which));
		close_lists(state);
	}
}

static void other_content_is_unknown(void **unused)
{
	sb_error error;
	sb_call call;
	int rc;
	void *state = open_lists("%b\n%s\n%m\n", "%b\n", &rc, &error);

	(void)unused;
	fake_call_init(&call, KNOWN "!");
	assert_int_equal(ops->scan(state, &call, &error), -SB_KIND_UNSUPPORTED);
	assert_true(call.abstained);
	close_lists(state);
}

static void a_digest_that_fails_is_a_failure(void **unused)
{
	static const char *const lists[][2] = {{"%b\n", NULL}, {NULL, "%s\n"}, {"%m\n", "%b\n"}};

	(void)unused;
	for (size_t i = 0; i < COUNT(lists); i++) {
		sb_error error;
		sb_call call;
		int rc;
		void *state = open_lists(lists[i][0], lists[i][1], &rc, &error);

		fake_call_init(&call, KNOWN);
		call.digest_fails = SB_KIND_IO;
		assert_int_equal(ops->scan(state, &call, &error), -SB_KIND_IO);
		assert_false(call.abstained);
		assert_int_equal(call.outcome, SB_OUTCOME_ERROR);
		close_lists(state);
	}
}

static const struct {
	const char *why, *block, *allow, *says;
} refusals[] = {
	{"neither file", NULL, NULL, "needs `block: FILE`"},
	{"an empty file", "", NULL, "block is empty"},
	{"only comments", NULL, "# none yet\n\n", "allow is empty"},
	{"no digest", "%b\nhello\n", NULL, "block:2: `hello`: expected a digest"},
	{"63 digits", "000000000000000000000000000000000000000000000000000000000000000\n", NULL,
		"block:1: "},
	{"65 digits", ZEROS "0\n", NULL, "block:1: "},
	{"a letter right behind", ZEROS "g\n", NULL, "block:1: "},
	{"a capital letter right behind", ZEROS "G\n", NULL, "block:1: "},
	{"SHA-1", "0000000000000000000000000000000000000000\n", NULL, "or 32 (MD5)"},
	{"a prefix with MD5's length", "sha256:%m\n", NULL, "block:1: "},
	{"an unknown prefix", "sha1:%m\n", NULL, "block:1: "},
	{"a prefix alone", "blake3:\n", NULL, "block:1: "},
	{"MD5 in the allow list", NULL, "# one\n%m\n", "allow:2: "},
	{"MD5 in the allow list says why", NULL, "%m\n", "MD5 can't allow"},
	{"control characters are escaped", "\033[31mred\n", NULL, "`\\x1b[31mred`"},
	{"a NUL does not end a line", "%0%b\n", NULL, "block:1: "},
	{"a NUL does not hide a digit", ZEROS "%00\n" ZEROS "1\n", NULL, "block:2: "},
	{"a long line is cut in the message",
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		"xx\n",
		NULL, "xxx`...: expected"},
};

static void bad_lists_are_refused(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < COUNT(refusals); i++) {
		sb_error error;
		int rc;
		void *state = open_lists(refusals[i].block, refusals[i].allow, &rc, &error);

		if (rc != -SB_KIND_NOT_CONFIGURED)
			fail_msg("%s: rc %d", refusals[i].why, rc);
		if (strstr(error.message, refusals[i].says) == NULL)
			fail_msg("%s: %s", refusals[i].why, error.message);
		close_lists(state);
	}
}

static void bad_files_are_refused(void **unused)
{
	static const struct {
		const char *why, *path, *says;
	} rows[] = {
		{"missing", "/nonexistent/list", "/nonexistent/list: No such file or directory"},
		{"a folder", "/tmp", "/tmp is not a regular file"},
		{"a device", "/dev/null", "/dev/null is not a regular file"},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		sb_error error;
		void *state = calloc(1, ops->state_size);

		assert_non_null(state);
		sb_error_init(&error);
		fake_set_text(state, ops, "allow", rows[i].path);
		if (ops->open(state, &error) != -SB_KIND_NOT_CONFIGURED ||
			strstr(error.message, rows[i].says) == NULL)
			fail_msg("%s: %s", rows[i].why, error.message);
		close_lists(state);
	}
}

static void a_file_over_the_limit_is_refused(void **unused)
{
	sb_error error;
	void *state = calloc(1, ops->state_size);

	(void)unused;
	assert_non_null(state);
	write_list(block_path, "%b\n");
	assert_int_equal(truncate(block_path, (256 << 20) + 1), 0); /* sparse */
	sb_error_init(&error);
	fake_set_text(state, ops, "block", block_path);
	assert_int_equal(ops->open(state, &error), -SB_KIND_NOT_CONFIGURED);
	assert_non_null(strstr(error.message, "larger than 256MiB"));
	close_lists(state);
}

/* Each entry is found among its many neighbours, and nothing else is. */
static void a_long_list_is_searched(void **unused)
{
	enum { ENTRIES = 3000 };
	sb_buf list;
	sb_error error;
	int rc;
	void *state;
	char name[16];

	(void)unused;
	sb_buf_init(&list, 1 << 20);
	for (int i = 0; i < ENTRIES; i++) {
		snprintf(name, sizeof name, "n%d", i * 2);
		sb_buf_printf(&list, "%s\n", fake_hex(name, (sb_digest)(i % 3)));
	}
	assert_false(list.failed);
	state = open_lists(list.data, NULL, &rc, &error);
	assert_int_equal(rc, 0);
	for (int i = 0; i < 2 * ENTRIES; i++) {
		sb_call call;

		snprintf(name, sizeof name, "n%d", i);
		fake_call_init(&call, name);
		rc = ops->scan(state, &call, &error);
		assert_int_equal(rc, i % 2 == 0 ? 0 : -SB_KIND_UNSUPPORTED);
	}
	close_lists(state);
	sb_buf_done(&list);
}

static void version_of(const char *block, const char *allow, char out[128])
{
	sb_identity identity;
	sb_error error;
	int rc;
	void *state = open_lists(block, allow, &rc, &error);

	assert_int_equal(rc, 0);
	assert_int_equal(ops->identity(state, 1000, &identity, &error), 0);
	assert_int_equal(identity.exactness, SB_EXACT_FULL);
	assert_true(identity.signature_time > 0);
	assert_int_equal(strlen(identity.signature_version), 16);
	memcpy(out, identity.signature_version, 128);
	close_lists(state);
}

static void the_identity_is_what_the_lists_say(void **unused)
{
	static const struct {
		const char *why, *block, *allow;
		bool same;
	} rows[] = {
		{"the same", "%b\n%m\n", NULL, true},
		{"another order, comments, case and doubles do not matter", "# x\n%m a\n%b b\n%b\n",
			NULL, true},
		{"an entry less", "%b\n", NULL, false},
		{"an entry more", "%b\n%m\n%s\n", NULL, false},
		{"another kind of digest", "blake3:%b\n%m\n", NULL, false},
		{"an allow list beside", "%b\n%m\n", "%b\n", false},
	};
	char first[128], other[128];

	(void)unused;
	version_of("%b\n%m\n", NULL, first);
	for (size_t i = 0; i < COUNT(rows); i++) {
		version_of(rows[i].block, rows[i].allow, other);
		if ((strcmp(first, other) == 0) != rows[i].same)
			fail_msg("%s: %s", rows[i].why, other);
	}
	version_of("%b\n", "%s\n", first);
	version_of("%s\n", "%b\n", other); /* bad and good swapped */
	assert_string_not_equal(first, other);
}

static void it_is_declared_as_a_list(void **unused)
{
	(void)unused;
	assert_int_equal(ops->abi, SB_ENGINE_ABI);
	assert_int_equal(ops->assurance, SB_ASSURANCE_HASH);
	assert_int_equal(
		ops->flags, SB_ENGINE_INLINE | SB_ENGINE_HONOURS_DEADLINE | SB_ENGINE_HASH_LIST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_answer),
		cmocka_unit_test(a_hit_says_which_entry),
		cmocka_unit_test(other_content_is_unknown),
		cmocka_unit_test(a_digest_that_fails_is_a_failure),
		cmocka_unit_test(bad_lists_are_refused),
		cmocka_unit_test(bad_files_are_refused),
		cmocka_unit_test(a_file_over_the_limit_is_refused),
		cmocka_unit_test(a_long_list_is_searched),
		cmocka_unit_test(the_identity_is_what_the_lists_say),
		cmocka_unit_test(it_is_declared_as_a_list),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
