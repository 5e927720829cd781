/* SPDX-License-Identifier: MIT */
/* RTF and flat XML documents: one way to hide digits per row, and the object that must come out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "containers/fake_walk.h"
#include "containers/office.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* OLE 1: version, embedded, class `x`, two empty texts, seven bytes: "payload". */
#define START                                                                                      \
	"01050000020000000200000078000000000000000000"                                             \
	"07000000"
#define OBJECT START "7061796c6f6164"

static const struct {
	const char *why, *rtf;
	const char *name; /* of the member with "payload" */
	unsigned facts;
	sb_kind problem;
} rows[] = {
#define E SB_FACT_EMBEDDED
	{"plain", "{\\rtf1{\\object{\\*\\objdata " OBJECT "}}}", "object-1", E, 0},
	{"less than a header", "{\\rt{\\object{\\*\\objdata " OBJECT "}}}", "object-1", E, 0},
	{"a header in large letters", "{\\RTF1{\\object{\\*\\objdata " OBJECT "}}}", "object-1", E,
		0},
	{"upper case, blanks, lines",
		"{\\rtf1{\\*\\objdata\r\n 0105 0000\t02000000020000007800000000000"
		"0000000"
		"07000000 70 61 79\n6C 6F 61 6 4}}",
		"object-1", E, 0},
	{"control words between",
		"{\\rtf1{\\*\\objdata " START "70\\par 61\\fs24 79\\'aa6c6f\\-6164}}", "object-1",
		E, 0},
	{"groups between, that count", "{\\rtf1{\\*\\objdata " START "70{61}79{\\b 6c}6f6164}}",
		"object-2", E, 0},
	{"groups between, that don't", "{\\rtf1{\\*\\objdata " START "70{\\*\\x 41}61796c6f6164}}",
		"object-1", E, 0},
	{"letters that are no digits", "{\\rtf1{\\*\\objdata " START "70zz61-79;6cx6f6164}}",
		"object-1", E, 0},
	{"binary", "{\\rtf1{\\*\\objdata " START "\\bin7 payload}}", "object-1", E, 0},
	{"a picture", "{\\rtf1{\\pict\\pngblip{\\*\\blipuid 0102}7061796c6f6164}}", "pict-1", 0, 0},
	{"a data store", "{\\rtf1{\\*\\datastore 7061796c6f6164}}", "datastore-1", 0, 0},
	{"a package",
		"{\\rtf1{\\*\\objdata 0105000002000000080000005061636b616765000000000000000000"
		"2a000000"
		"0200"
		"6100"
		"6200"
		"00000300"
		"02000000"
		"6300"
		"07000000"
		"7061796c6f6164"
		"0000000000000000000000000000000000}}",
		"a", E, 0},
	{"cut", "{\\rtf1{\\*\\objdata " OBJECT, "object-1", E | SB_FACT_CORRUPT, SB_KIND_CORRUPT},
	{"a linked object",
		"{\\rtf1{\\*\\objdata 0105000001000000020000007800"
		"0000000000000000}}",
		NULL, E | SB_FACT_EXTERNAL, 0},
	{"a template elsewhere", "{\\rtf1{\\*\\template http://x/y.dotm}}", NULL, SB_FACT_EXTERNAL,
		0},
	{"a template here", "{\\rtf1{\\*\\template C:\\\\x.dot}}", NULL, 0, 0},
	{"text", "{\\rtf1 Dear all, 7061796c6f6164 and \\{objdata\\}\\par}", NULL, 0, 0},
	{"too many ends", "{\\rtf1}}}}}}{\\*\\objdata " OBJECT "}", "object-1", E, 0},
};

static void check(size_t i)
{
	sb_walk walk = {0};
	const fake_member *member;

	assert_true(fake_walk_run(&walk, &sb_reader_rtf, rows[i].rtf, strlen(rows[i].rtf)));
	if (walk.facts != rows[i].facts || walk.problem != rows[i].problem || walk.doubt)
		fail_msg("%s: facts %#x, problem %d", rows[i].why, walk.facts, walk.problem);
	if (rows[i].name != NULL) {
		member = fake_walk_find(&walk, rows[i].name);
		if (member == NULL || member->size != 7 || memcmp(member->data, "payload", 7) != 0)
			fail_msg("%s: %s is not among %zu members", rows[i].why, rows[i].name,
				walk.count);
	}
	fake_walk_done(&walk);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check(i);
}

static void test_truncated(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t size = 0; size < strlen(rows[i].rtf); size++) {
			sb_walk walk = {0};
			char *copy = malloc(size > 0 ? size : 1);

			memcpy(copy, rows[i].rtf, size);
			fake_walk_run(&walk, &sb_reader_rtf, copy, size);
			assert_true(
				walk.problem == SB_KIND_NONE || walk.problem == SB_KIND_CORRUPT);
			if (walk.count > 0 && !fake_walk_has(&walk, "payload", 7) &&
				rows[i].name != NULL)
				assert_int_equal(walk.problem, SB_KIND_CORRUPT);
			fake_walk_done(&walk);
			free(copy);
		}
	}
}

static void test_not_rtf(void **state)
{
	static const char *const texts[] = {"", "{", "{\\r", "rtf", "x{\\rtf1}"};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		sb_walk walk = {0};

		assert_false(fake_walk_run(&walk, &sb_reader_rtf, texts[i], strlen(texts[i])));
	}
}

static void test_sample(void **state)
{
	sb_walk walk = {0};
	size_t size, exe_size;
	char *exe = fake_walk_sample("clam.exe", &exe_size);
	char *rtf = fake_walk_sample("clam.exe.rtf", &size);

	(void)state;
	if (exe == NULL || rtf == NULL) {
		free(exe);
		free(rtf);
		skip();
	}
	assert_true(fake_walk_run(&walk, &sb_reader_rtf, rtf, size));
	assert_true(fake_walk_has(&walk, exe, exe_size));
	assert_int_equal(walk.problem, SB_KIND_NONE);
	fake_walk_done(&walk);
	free(exe);
	free(rtf);
}

/* --- Documents that are one XML text -----------------------------------------------------------
 */

#define PACKAGE "<p:package xmlns:p=\"http://schemas.microsoft.com/office/2006/xmlPackage\">"

static const struct {
	const char *xml;
	size_t members;
	bool payload;
} texts[] = {
	{"<?xml version=\"1.0\"?>" PACKAGE
	 "<p:part p:name=\"/a\"><p:binaryData>cGF5\r\nbG9hZA==</p:binaryData></p:part></p:package>",
		1, true},
	{"\xef\xbb\xbf\n" PACKAGE "<binaryData a=\"b\"\n>cGF5bG9hZA", 1, true},
	{"<w:x xmlns:w=\"http://schemas.microsoft.com/office/word/2003/wordml\"><w:binData "
	 "w:name=\"x\">cGF5bG9hZA==</w:binData>",
		1, true},
	{"<o:x xmlns:o=\"urn:oasis:names:tc:opendocument:xmlns:office:1.0\"><o:binary-data>cGF5"
	 "bG9hZA==</o:binary-data><o:binary-data/>",
		1, true},
	{PACKAGE "the binaryData> of </p:binaryData>cGF5bG9hZA==", 0, false},
	{"<p:package><p:binaryData>cGF5bG9hZA==</p:binaryData>", 0, false},
};

static void test_flat(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		sb_walk walk = {0};

		fake_walk_run(&walk, &sb_reader_flat, texts[i].xml, strlen(texts[i].xml));
		assert_int_equal(walk.count, texts[i].members);
		assert_int_equal(fake_walk_has(&walk, "payload", 7), texts[i].payload);
		assert_int_equal(walk.facts, texts[i].payload ? SB_FACT_EMBEDDED : 0);
		assert_false(walk.doubt || walk.problem != SB_KIND_NONE);
		fake_walk_done(&walk);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_not_rtf),
		cmocka_unit_test(test_sample),
		cmocka_unit_test(test_flat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
