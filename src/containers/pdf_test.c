/* SPDX-License-Identifier: MIT */
/*
 * PDF, one way to write or to break it per row, and what must come out: streams, facts, problems.
 * The payload is a text that stands for an attached program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "containers/fake_walk.h"
#include "util/buf.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define FOX "The quick brown fox jumps over the lazy dog, and nobody stops it."
#define TAIL "xref\ntrailer\n<</Root 1 0 R>>\nstartxref\n0\n%%EOF\n"

/* A text with @Z for FOX deflated, @R for it raw deflated, @L for the length of @Z, @J for an
 * object stream with JavaScript, @@ for itself. */
static void deflated(sb_buf *out, const void *data, size_t size, int window)
{
	uint8_t packed[4096];
	z_stream z = {.next_in = (Bytef *)(uintptr_t)data,
		.avail_in = (uInt)size,
		.next_out = packed,
		.avail_out = sizeof(packed)};

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	sb_buf_add(out, packed, z.total_out);
	deflateEnd(&z);
}

static void expand(sb_buf *out, const char *text)
{
	static const char objects[] = "7 0 8 20 <</S/JavaScript/JS (app.alert\\(1\\))>> <<>>";

	sb_buf_init(out, 1 << 20);
	for (const char *at = text; *at != '\0'; at++) {
		sb_buf packed;

		if (*at != '@') {
			sb_buf_char(out, *at);
			continue;
		}
		sb_buf_init(&packed, 4096);
		at++;
		if (*at == '@')
			sb_buf_char(&packed, '@');
		else if (*at == 'J')
			deflated(&packed, objects, sizeof(objects) - 1, 15);
		else
			deflated(&packed, FOX, strlen(FOX), *at == 'R' ? -15 : 15);
		if (*at == 'L')
			sb_buf_printf(out, "%zu", packed.length);
		else
			sb_buf_add(out, packed.data, packed.length);
		sb_buf_done(&packed);
	}
}

static const struct {
	const char *why, *pdf;
	unsigned facts;
	sb_kind problem;
	bool doubt, fox;
} rows[] = {
#define HEAD "%PDF-1.7\n"
#define STREAM(dictionary, data)                                                                   \
	HEAD "1 0 obj\n<<" dictionary ">>\nstream\n" data "\nendstream\nendobj\n" TAIL
#define OBJECT(text) HEAD "1 0 obj\n" text "\nendobj\n" TAIL
#define FINE 0, SB_KIND_NONE, false
	{"flate", STREAM("/Filter/FlateDecode/Length @L", "@Z"), FINE, true},
	{"flate, no length", STREAM("/Filter /FlateDecode", "@Z"), FINE, true},
	{"flate, length too small", STREAM("/Length 3 /Filter /FlateDecode", "@Z"), FINE, true},
	{"flate, length too large", STREAM("/Length 99999 /Filter /FlateDecode", "@Z"), FINE, true},
	{"flate, length elsewhere", STREAM("/Length 5 0 R/Filter /FlateDecode", "@Z"), FINE, true},
	{"flate without zlib's header", STREAM("/Filter/FlateDecode", "@R"), FINE, true},
	{"short names", STREAM("/Filter/Fl", "@Z"), FINE, true},
	{"names in digits", STREAM("/#46ilter /Flate#44ecode", "@Z"), FINE, true},
	{"no filter", STREAM("/Length 65", FOX), FINE, true},
	{"PNG's predictors",
		STREAM("/Filter/AHx/DecodeParms<</Predictor 15/Columns 13>>",
			"015414fdbb5104f4fa08b54210fd0423f7b246fe03b74a0a4d0301b10334081a"
			"0db0281efcb326f3102c02b1ee0af50cacf90944b40df5e9006f64792073746f"
			"70732069742e"
			">"),
		FINE, true},
	{"TIFF's predictor",
		STREAM("/Filter/AHx/DecodeParms [<</Colors 1/Predictor 2/Columns 13>>]",
			"5414fdbb5104f4fa08b54210fd77f7b2460909a84a0bf80303ad6f07ef0dae54"
			"f4fdbb4cf519ff20440bf8c5f4410df6bc4e01f36ff515a75301fb0103ad490b"
			"ba"
			">"),
		FINE, true},
	{"a filter's parameters elsewhere", STREAM("/Filter/FlateDecode/DecodeParms 9 0 R", "@Z"),
		0, SB_KIND_NONE, true, true},
	{"Adobe's other beginning",
		"%!PS-Adobe-3.0 PDF-1.4\n1 0 obj\n<</Filter/Fl>>\nstream\n@Z\nendstream\n"
		"endobj\n" TAIL,
		FINE, true},
	{"an array of filters",
		STREAM("/Filter [/ASCIIHexDecode /FlateDecode] /Length 1",
			"789c0dcacb1580200c04c056b6009fd5d8001854fc6415828ad5cb79665802ae12c70d\n "
			"3ef1514c7cb196e3cce01d12acf1eebe0ae1dcc1a940e92915d9d84eb4fe070deb1788>"),
		FINE, true},
	{"hex",
		STREAM("/Filter/ASCIIHexDecode", "54686520717569636b2062726f776e20666f78206a756d707"
						 "3206f76657220746865206c617a7920646f67"
						 "2c\n20616e64206e6f626f64792073746f70732069742E>"),
		FINE, true},
	{"base 85",
		STREAM("/Filter/ASCII85Decode", "<~<+ohcEHPu*CER),Dg-(AAoDo:C3=B4F!,CEATAo8BOr<&@@="
						"!2AA8c*3+CT.u+Du+,De+,9F*)>>F!,1=/c~>"),
		FINE, true},
	{"run length", STREAM("/Filter/RunLengthDecode", "@@" FOX "\x80"), FINE, true},
	{"an image stays", STREAM("/Subtype/Image/Filter/DCTDecode", "\xff\xd8"), FINE, false},
	{"a packed image is unpacked", STREAM("/Filter[/FlateDecode/DCTDecode]", "@Z"), FINE, true},
	{"filters in an object of their own",
		HEAD "1 0 obj<</Filter 3 0 R>>stream\n@Z\nendstream endobj 3 0 "
		     "obj[/FlateDecode]endobj " TAIL,
		FINE, true},
	{"CR behind stream",
		HEAD "1 0 obj<</Filter/FlateDecode>>stream\r@Z\rendstream\rendobj\r" TAIL, FINE,
		true},
	{"no endobj", HEAD "1 0 obj<</Filter/FlateDecode>>stream\n@Z\nendstream\n" TAIL, FINE,
		true},
	{"no endstream", HEAD "1 0 obj<</Filter/FlateDecode>>stream\n@Z\nendobj\n" TAIL, FINE,
		true},
	{"an object within another's stream",
		STREAM("/Length 65", "2 0 obj<</Filter/FlateDecode>>stream\n@Z\nendstream\n"), FINE,
		true},
	{"an object within a string",
		OBJECT("(2 0 obj<</Filter/FlateDecode>>stream\n@Z\nendstream)"), FINE, true},
	{"a string without an end before it",
		HEAD "9 0 obj (\n1 0 obj<</Filter/FlateDecode>>stream\n@Z"
		     "\nendstream endobj " TAIL,
		FINE, true},
	{"header later", "junk\n" HEAD "1 0 obj<</Filter/FlateDecode>>stream\n@Z\nendstream endobj",
		FINE, true},
	{"damaged flate", STREAM("/Filter/FlateDecode", "x\x9c\xff\xff\xff\xff"), 0, 0, true,
		false},
	{"an unknown filter", STREAM("/Filter/Strange", "x"), 0, 0, true, false},
	{"JavaScript", OBJECT("<</S /JavaScript /JS (x)>>"), SB_FACT_JAVASCRIPT, 0, false, false},
	{"JavaScript, in digits", OBJECT("<</S /J#61vaScript>>"), SB_FACT_JAVASCRIPT, 0, false,
		false},
	{"JavaScript in an object stream",
		STREAM("/Type/ObjStm/N 2/First 10/Filter/FlateDecode", "@J"), SB_FACT_JAVASCRIPT, 0,
		false, false},
	{"words in a string", OBJECT("<</Title (about /JS and /Launch \\) /JS (x))>>"), FINE,
		false},
	{"words in an address", OBJECT("<</URI(http://x/JS/Launch/)>>"), FINE, false},
	{"words in a comment", OBJECT("<<% /JS\n>>"), FINE, false},
	{"other names", OBJECT("<</JSON/LaunchPad/Java>>"), FINE, false},
	{"launch", OBJECT("<</S/Launch/F(cmd.exe)>>"), SB_FACT_LAUNCH, 0, false, false},
	{"embedded", STREAM("/Type/EmbeddedFile/Filter/FlateDecode", "@Z"), SB_FACT_EMBEDDED, 0,
		false, true},
	{"elsewhere", OBJECT("<</S/GoToR/F(x)>>"), SB_FACT_EXTERNAL, 0, false, false},
	{"encrypted", HEAD "1 0 obj<<>>endobj trailer<</Encrypt 2 0 R>>startxref 0 %%EOF",
		SB_FACT_ENCRYPTED, SB_KIND_ENCRYPTED, false, false},
	{"encrypted, in a cross-reference stream", STREAM("/Type/XRef/Encrypt 5 0 R", "x"),
		SB_FACT_ENCRYPTED, SB_KIND_ENCRYPTED, false, false},
	{"a word about it", OBJECT("<</Title(/Encrypt)/Nested<</Encrypt 1>>>>"), FINE, false},
	{"cut in a stream", HEAD "1 0 obj<</Filter/FlateDecode>>stream\nx", SB_FACT_CORRUPT,
		SB_KIND_CORRUPT, true, false},
	{"cut between objects", HEAD "1 0 obj<<>>endobj\n", 0, 0, true, false},
	{"text about PDF",
		"A file begins with %PDF-1.4, then 1 0 obj and so on; trailer<</Encrypt 1 0 R",
		FINE, false},
	{"text that names PDF", "A file begins with %PDF-1.4 and that is it: /JS /Encrypt trailer",
		FINE, false},
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		sb_walk walk = {0};
		sb_buf pdf;

		expand(&pdf, rows[i].pdf);
		assert_true(fake_walk_run(&walk, &sb_reader_pdf, pdf.data, pdf.length));
		if (walk.result != 0 || walk.facts != rows[i].facts ||
			walk.problem != rows[i].problem || walk.doubt != rows[i].doubt)
			fail_msg("%s: facts %#x, problem %d %s, doubt %s", rows[i].why, walk.facts,
				walk.problem, walk.message, walk.doubt_message);
		if (rows[i].fox && !fake_walk_has(&walk, FOX, strlen(FOX)))
			fail_msg("%s: the payload does not come out", rows[i].why);
		fake_walk_done(&walk);
		sb_buf_done(&pdf);
	}
}

/* Cut anywhere: the payload came out, or it is not called whole. */
static void test_truncated(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		sb_buf pdf;

		expand(&pdf, rows[i].pdf);
		for (size_t size = 0; size < pdf.length; size++) {
			sb_walk walk = {0};
			void *copy = malloc(size > 0 ? size : 1);

			memcpy(copy, pdf.data, size);
			if (fake_walk_run(&walk, &sb_reader_pdf, copy, size) && rows[i].fox &&
				walk.likeness == SB_SURELY &&
				!fake_walk_has(&walk, FOX, strlen(FOX)))
				assert_true(walk.doubt || walk.problem == SB_KIND_CORRUPT);
			fake_walk_done(&walk);
			free(copy);
		}
		sb_buf_done(&pdf);
	}
}

/* Python's and Ghostscript's way: what an LZW coder gives, and a chain of two. */
static void test_filters(void **state)
{
	static const char lzw[] =
		HEAD "1 0 obj<</Filter/LZWDecode>>stream\n"
		     "\x80\x0b\x60\x50\x22\x0c\x0c\x85\x01\nendstream endobj " TAIL;
	static const char run[] = HEAD "1 0 obj<</Filter/RunLengthDecode>>stream\n"
				       "\x02"
				       "abc\xfd"
				       "x\x80\nendstream endobj " TAIL;
	static const char base85[] = HEAD "1 0 obj<</Filter[/ASCII85Decode]>>stream\n"
					  "9jqo^z BlbD-~>\nendstream endobj " TAIL;
	static const char chain[] = HEAD "1 0 obj<</Filter[/AHx/RL]>>stream\n"
					 "02 61 62 63 80>\nendstream endobj " TAIL;
	static const struct {
		const char *pdf;
		size_t size;
		const char *text;
		size_t length;
	} samples[] = {
		{lzw, sizeof(lzw) - 1, "-----A---B", 10}, /* ISO 32000-1, 7.4.4.2 */
		{run, sizeof(run) - 1, "abcxxxx", 7},
		{base85, sizeof(base85) - 1, "Man \0\0\0\0is d", 12},
		{chain, sizeof(chain) - 1, "abc", 3},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++) {
		sb_walk walk = {0};

		assert_true(fake_walk_run(&walk, &sb_reader_pdf, samples[i].pdf, samples[i].size));
		if (!fake_walk_has(&walk, samples[i].text, samples[i].length) || walk.doubt)
			fail_msg("%zu: %s, %s", i, samples[i].text, walk.doubt_message);
		assert_string_equal(walk.members[0].name, "obj 1");
		fake_walk_done(&walk);
	}
}

/* Nested heads that each reach to the end cost a few times the file, not its square. */
static void test_nested_objects_are_a_limit(void **state)
{
	sb_walk walk = {0};
	sb_buf pdf;

	(void)state;
	sb_buf_init(&pdf, 16 << 20);
	sb_buf_text(&pdf, HEAD);
	for (int i = 0; i < 20000; i++)
		sb_buf_text(&pdf, "1 0 obj<<>>stream\n");
	assert_true(fake_walk_run(&walk, &sb_reader_pdf, pdf.data, pdf.length));
	assert_int_equal(walk.problem, SB_KIND_LIMIT_EXCEEDED);
	assert_true(walk.bytes < 10 * pdf.length);
	fake_walk_done(&walk);
	sb_buf_done(&pdf);
}

static void test_sample(void **state)
{
	sb_walk walk = {0};
	size_t size, exe_size;
	char *exe = fake_walk_sample("clam.exe", &exe_size);
	char *pdf = fake_walk_sample("clam.pdf", &size);

	(void)state;
	if (exe == NULL || pdf == NULL) {
		free(exe);
		free(pdf);
		skip();
	}
	assert_true(fake_walk_run(&walk, &sb_reader_pdf, pdf, size));
	assert_true(fake_walk_has(&walk, exe, exe_size));
	assert_int_equal(walk.problem, SB_KIND_NONE);
	assert_false(walk.doubt);
	assert_true((walk.facts & SB_FACT_EMBEDDED) != 0);
	fake_walk_done(&walk);
	free(exe);
	free(pdf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_nested_objects_are_a_limit),
		cmocka_unit_test(test_sample),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
