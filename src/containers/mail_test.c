/* SPDX-License-Identifier: MIT */
/*
 * Mail, one crooked way per row, and what must come out of it. The payload is a text that stands
 * for an attached program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "containers/fake_walk.h"
#include "util/io.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* "The quick brown fox jumps over the lazy dog, and nobody stops it." */
#define FOX "The quick brown fox jumps over the lazy dog, and nobody stops it."
#define B64_1 "VGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcyBvdmVy"
#define B64_2 "IHRoZSBsYXp5IGRvZywgYW5kIG5vYm9keSBzdG9wcyBpdC4="
#define B64 B64_1 "\r\n" B64_2 "\r\n"
#define UU_1 "M5&AE('%U:6-K(&)R;W=N(&9O>\"!J=6UP<R!O=F5R('1H92!L87IY(&1O9RP@"
#define UU_2 "486YD(&YO8F]D>2!S=&]P<R!I=\"X "
#define HEAD "From: a@example.org\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
#define MIXED HEAD "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n"
#define ATTACHED                                                                                   \
	"Content-Type: application/octet-stream; name=\"a.bin\"\r\n"                               \
	"Content-Transfer-Encoding: base64\r\n\r\n"
#define CTE "Content-Transfer-Encoding: base64\r\n"

static const struct {
	const char *why, *mail;
	const char *name; /* of a member with FOX; NULL: any */
} rows[] = {
	{"one part", HEAD CTE "\r\n" B64, "part-1"},
	{"attached", MIXED "--b\r\n" ATTACHED B64 "--b--\r\n", "a.bin"},
	{"no final boundary", MIXED "--b\r\n" ATTACHED B64, "a.bin"},
	{"no Content-Type in the part", MIXED "--b\r\n" CTE "\r\n" B64 "--b--\r\n", "part-1"},
	{"nothing but LF",
		"From: a\nMIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\n" B64_1 "\n" B64_2
		"\n",
		"part-1"},
	{"nothing but CR",
		"From: a\rMIME-Version: 1.0\rContent-Type: multipart/x; boundary=b\r\r"
		"--b\rContent-Transfer-Encoding: base64\r\r" B64_1 "\r" B64_2 "\r--b--\r",
		"part-1"},
	{"LF and CRLF mixed",
		"From: a\nMIME-Version: 1.0\r\nContent-Type: multipart/x;\n boundary=b"
		"\r\n\n--b\r\nContent-Transfer-Encoding: base64\n\r\n" B64 "--b--\n",
		"part-1"},
	{"folded and of odd case",
		"FROM: a\r\nsubject: x\r\ncONTENT-tYPE:\r\n\tMultiPart/Mixed;\r\n"
		"\tBOUNDARY=\r\n\t\"b\"\r\n\r\n--b\r\nCONTENT-TRANSFER-ENCODING:\r\n "
		"BASE64\r\n\r\n" B64 "--b--",
		NULL},
	{"blank before the colon", HEAD "Content-Transfer-Encoding : base64\r\n\r\n" B64, NULL},
	{"comments",
		HEAD "Content-Type: multipart/mixed (with; a=comment (in it)); (x) boundary "
		     "(y) = (z) b\r\n\r\n--b\r\n" ATTACHED B64 "--b--",
		"a.bin"},
	{"escaped quotes",
		HEAD "Content-Type: multipart/mixed; boundary=\"\\b\\\"c\"\r\n\r\n"
		     "--b\"c\r\n" ATTACHED B64 "--b\"c--",
		"a.bin"},
	{"boundary without quotes, blanks behind it",
		HEAD "Content-Type: multipart/mixed; "
		     "boundary=b; x=y\r\n\r\n--b  \r\n" ATTACHED B64 "--b-- \r\n",
		"a.bin"},
	{"boundary in pieces",
		HEAD "Content-Type: multipart/mixed; boundary*0=b; boundary*1=\"c\""
		     "\r\n\r\n--bc\r\n" ATTACHED B64 "--bc--",
		"a.bin"},
	{"two Content-Types, the first is used",
		HEAD "Content-Type: multipart/mixed; boundary=b\r\n"
		     "Content-Type: multipart/mixed; boundary=c\r\n\r\n--b\r\n" ATTACHED B64
		     "--b--",
		"a.bin"},
	{"two Content-Types, the second is used",
		HEAD "Content-Type: text/plain\r\n"
		     "Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n" ATTACHED B64
		     "--c--",
		"a.bin"},
	{"two encodings, the first is right",
		HEAD CTE "Content-Transfer-Encoding: 7bit\r\n\r\n" B64, NULL},
	{"two encodings, the second is right",
		HEAD "Content-Transfer-Encoding: 7bit\r\n" CTE "\r\n" B64, NULL},
	{"says 7bit, is base64", HEAD "Content-Transfer-Encoding: 7bit\r\n\r\n" B64, NULL},
	{"says quoted-printable, is base64",
		HEAD "Content-Transfer-Encoding: quoted-printable"
		     "\r\n\r\n" B64,
		NULL},
	{"says base64, is plain", HEAD CTE "\r\n" FOX, NULL},
	{"says nothing, is base64", HEAD "\r\n" B64, NULL},
	{"a boundary that begins another: the longer is inside",
		HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
		     "Content-Type: multipart/alternative; boundary=b1\r\n\r\n--b1\r\n" ATTACHED B64
		     "--b1--\r\n--b--\r\n",
		"a.bin"},
	{"a boundary that begins another: the shorter is inside",
		HEAD "Content-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\n"
		     "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n" ATTACHED B64
		     "--b--\r\n--b1--\r\n",
		"a.bin"},
	{"the same boundary inside",
		MIXED "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
		      "--b\r\n" ATTACHED B64 "--b--\r\n--b--\r\n",
		"a.bin"},
	{"an inner one not closed",
		MIXED "--b\r\nContent-Type: multipart/x; boundary=c\r\n\r\n--c\r\n"
		      "\r\ntext\r\n--b\r\n" ATTACHED B64 "--b--\r\n",
		"a.bin"},
	{"a closed inner boundary amid base64 is junk",
		MIXED "--b\r\nContent-Type: multipart/x; "
		      "boundary=..\r\n\r\n--..\r\n\r\ntext\r\n--..--\r\n--b\r\n" ATTACHED B64_1
		      "\r\n--..\r\n" B64_2 "\r\n--b--\r\n",
		"a.bin"},
	{"junk behind the boundary", MIXED "--bjunk\r\n" ATTACHED B64 "--b--\r\n", "a.bin"},
	{"a boundary nobody announced",
		HEAD "Content-Type: multipart/mixed\r\n\r\n--xyz\r\n" ATTACHED B64 "--xyz--\r\n",
		"a.bin"},
	{"no Content-Type at all", HEAD "\r\n--xyz\r\n" ATTACHED B64 "--xyz--\r\n", "a.bin"},
	{"in the preamble", MIXED ATTACHED B64 "--b\r\n\r\ntext\r\n--b--\r\n", "a.bin"},
	{"in the epilogue", MIXED "--b\r\n\r\ntext\r\n--b--\r\n" ATTACHED B64, "a.bin"},
	{"a part behind the end", MIXED "--b\r\n\r\ntext\r\n--b--\r\n--b\r\n" ATTACHED B64,
		"a.bin"},
	{"lines end with CR CRLF",
		"From: a\r\r\nMIME-Version: 1.0\r\r\nContent-Type: multipart/x;\r\r\n boundary=b"
		"\r\r\n\r\r\n--b\r\r\nContent-Disposition: x; filename=a.bin\r\r\n"
		"Content-Transfer-Encoding: base64\r\r\n\r\r\n" B64_1 "\r\r\n" B64_2
		"\r\r\n--b--\r\r\n",
		"a.bin"},
	{"lines end with LF CR",
		"From: a\n\rMIME-Version: 1.0\n\rContent-Type: multipart/x; boundary=b"
		"\n\r\n\r--b\n\rContent-Disposition: x; filename=a.bin\n\r"
		"Content-Transfer-Encoding: base64\n\r\n\r" B64_1 "\n\r" B64_2 "\n\r--b--\n\r",
		"a.bin"},
	{"boundaries in another case", MIXED "--B\r\n" ATTACHED B64 "--B--\r\n", "a.bin"},
	{"a byte-order mark first", "\xef\xbb\xbf" HEAD CTE "\r\n" B64, "part-1"},
	{"a junk line amid the headers", HEAD "what is this\r\n" CTE "\r\n" B64, NULL},
	{"junk lines before the headers", "what is this\r\nand this\r\n\r\n" HEAD CTE "\r\n" B64,
		NULL},
	{"junk and a multipart",
		"\x01\x02 what is this\r\n\r\n" MIXED "--b\r\n" ATTACHED B64 "--b--", "a.bin"},
	{"empty lines first", "\r\n\r\n" HEAD CTE "\r\n" B64, "part-1"},
	{"a multipart in base64",
		MIXED "--b\r\nContent-Type: multipart/x; boundary=c\r\n" CTE "\r\n" B64 "--b--",
		NULL},
	{"mbox", "From a@b Thu Jul 31 13:49:50 2008\n" HEAD CTE "\r\n" B64, "part-1"},
	{"mbox, the second mail",
		"From a@b Thu Jul 31 13:49:50 2008\n" HEAD "\r\ntext\r\n\r\n"
		"From a@b Thu Jul 31 13:49:50 2008\n" MIXED "--b\r\n" ATTACHED B64 "--b--\n",
		"a.bin"},
	{"base64 in short lines",
		HEAD CTE "\r\nVGhl\r\nIHF\r\n1aWNrIGJyb3duIGZveCBqdW1wcyBvdmVyIHRoZ"
			 "SBsYXp5IGRvZywgYW5kIG5v\r\nYm9k\r\neSBzdG9wcyBpdC4=",
		NULL},
	{"base64 without padding",
		HEAD CTE "\r\n" B64_1 "IHRoZSBsYXp5IGRvZywgYW5kIG5vYm9keSBzdG9wcy"
			 "BpdC4",
		NULL},
	{"base64 with junk",
		HEAD CTE "\r\n*" B64_1 "!-_\x80 IHRoZSBsY\x01Xp5IGRvZywgYW5kIG5v"
			 "Ym9keSBzdG9wcyBpdC4=",
		NULL},
	{"base64 in two padded runs",
		HEAD CTE
		"\r\n"
		"VGhlIHF1aWNr\r\nIA==\r\n"
		"YnJvd24gZm94IGp1bXBzIG92ZXIgdGhlIGxhenkgZG9nLCBhbmQgbm9ib2R5IHN0b3BzIGl0Lg==",
		NULL},
	{"base64 with padding as junk",
		HEAD CTE "\r\n"
			 "VGhlIHF1aW=NrIGJyb3duIGZveCBqdW1wcyBvdmVy" B64_2,
		NULL},
	{"quoted-printable",
		HEAD "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
		     "The=20quick=\r\n brown=  \t\r\n fox jumps over the lazy =64og, =61nd "
		     "nobody=\n stops "
		     "it=2e",
		NULL},
	{"uuencode by the header",
		HEAD "Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 u.bin\n" UU_1 "\n" UU_2
		     "\n \nend\n",
		"u.bin"},
	{"uuencode in a text",
		HEAD "\r\nHello, this begins so:\r\n\r\nbegin 644 u.bin\r\n" UU_1 "\n"
		     "486YD(&YO8F]D>2!S=&]P<R!I=\"X\r\n`\r\nend\r\n",
		"u.bin"},
	{"uuencode alone", "begin 644 u.bin\n" UU_1 "\n" UU_2 "\n \nend\n", "u.bin"},
	{"uuencode's base64", "begin-base64 644 u.bin\n" B64_1 "\n" B64_2 "\n====\n", "u.bin"},
	{"name in RFC 2047",
		MIXED "--b\r\nContent-Disposition: attachment; filename="
		      "\"=?utf-8?B?w6QuYmlu?=\"\r\n" CTE "\r\n" B64 "--b--",
		"\xc3\xa4.bin"},
	{"name in RFC 2047, Q, two words",
		MIXED "--b\r\nContent-Disposition: attachment; filename="
		      "\"=?iso-8859-1?Q?=E4_x?= =?us-ascii?Q?.bin?=\"\r\n" CTE "\r\n" B64 "--b--",
		"\xc3\xa4 x.bin"},
	{"name in RFC 2231",
		MIXED
		"--b\r\nContent-Disposition: attachment;\r\n"
		" filename*0*=utf-8'de'%C3%A4;\r\n filename*1=\".bi\";\r\n filename*2*=%6e\r\n" CTE
		"\r\n" B64 "--b--",
		"\xc3\xa4.bin"},
	{"name without quotes, with blanks",
		MIXED "--b\r\nContent-Disposition: attachment; "
		      "filename=my file.bin\r\n" CTE "\r\n" B64 "--b--",
		"my file.bin"},
	{"name only in Content-Type",
		MIXED "--b\r\nContent-Disposition: attachment\r\n" ATTACHED B64, "a.bin"},
};

/* As a mail, or else by a search for encoded parts; in a mail's parts they are searched for, too.
 */
static bool comes_out(
	const char *why, const void *data, size_t size, const char *name, unsigned depth)
{
	sb_walk walk = {0};
	bool found = false;

	if (!fake_walk_run(&walk, &sb_reader_mail, data, size))
		fake_walk_run(&walk, &sb_reader_stray, data, size);
	for (size_t i = 0; i < walk.count; i++) {
		const fake_member *m = &walk.members[i];

		found |= m->size >= strlen(FOX) && memcmp(m->data, FOX, strlen(FOX)) == 0 &&
			 (name == NULL || strcmp(m->name, name) == 0);
		found |= depth > 0 && comes_out(why, m->data, m->size, name, depth - 1);
	}
	if (!found && depth > 0)
		for (size_t i = 0; i < walk.count; i++)
			print_error("'%s': %.*s\n", walk.members[i].name, (int)walk.members[i].size,
				(const char *)walk.members[i].data);
	if (walk.problem != SB_KIND_NONE)
		fail_msg("%s: %s", why, walk.message);
	if (walk.doubt)
		fail_msg("%s: %s", why, walk.doubt_message);
	fake_walk_done(&walk);
	return found;
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (!comes_out(rows[i].why, rows[i].mail, strlen(rows[i].mail), rows[i].name, 1))
			fail_msg("%s: the attachment does not come out", rows[i].why);
}

/* Cut anywhere, and with limits: never more than asked for, never an error of its own. */
static void test_truncated(void **state)
{
	static const sb_reader_ops *const readers[] = {&sb_reader_mail, &sb_reader_stray};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t size = 0; size <= strlen(rows[i].mail); size++) {
			void *copy = malloc(size > 0 ? size : 1);

			memcpy(copy, rows[i].mail, size);
			for (size_t k = 0; k < COUNT(readers); k++) {
				sb_walk walk = {0}, few = {.max_members = 1, .max_member = 40};

				fake_walk_run(&walk, readers[k], copy, size);
				assert_int_equal(walk.problem, SB_KIND_NONE);
				assert_int_equal(walk.result, 0);
				fake_walk_run(&few, readers[k], copy, size);
				assert_true(few.count <= 1);
				fake_walk_done(&walk);
				fake_walk_done(&few);
			}
			free(copy);
		}
	}
}

/* What must come out as exactly these bytes, though more follows. */
static void test_exact(void **state)
{
	static const char *const mails[] = {
		HEAD CTE "\r\n" B64 "\r\nwords behind\r\n",
		HEAD "Content-Type: multipart/mixed\r\n\r\n--xyz\r\n" ATTACHED
		     "VGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcyBvdmVyIHRoZSBsYXp5IGRvZywgYW5kIG5vYm9k"
		     "eSBzdG9wcyBpdC4=\r\n--xyz--\r\n",
		MIXED "--B\r\n" ATTACHED B64 "--B--\r\n",
		"\x89PNG\r\n" CTE "\r\n" B64 "-->",
		"junk\n--xyz\n" ATTACHED B64 "--xyz--\r\nabcdefgh\r\n",
		"\x1f\x8b\x08\x10"
		"begin 644 u.bin\n" UU_1 "\n" UU_2 "\n \nend\njunk",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(mails); i++) {
		sb_walk walk = {0};

		if (!fake_walk_run(&walk, &sb_reader_mail, mails[i], strlen(mails[i])))
			fake_walk_run(&walk, &sb_reader_stray, mails[i], strlen(mails[i]));
		if (!fake_walk_has(&walk, FOX, strlen(FOX)))
			fail_msg("row %zu", i);
		fake_walk_done(&walk);
	}
}

static void test_cut_in_a_group(void **state)
{
	static const char mail[] = MIXED "--b\r\n" ATTACHED B64_1;

	(void)state;
	for (size_t less = 0; less < 8; less++) {
		sb_walk walk = {0};

		assert_true(fake_walk_run(&walk, &sb_reader_mail, mail, strlen(mail) - less));
		assert_int_equal(walk.doubt, less % 4 != 0);
		fake_walk_done(&walk);
	}
}

/* Marks in great number cost no more than their bytes; blocks in great number are a doubt. */
static void test_many_marks(void **state)
{
	static const char *const marks[] = {"Content-Transfer-Encoding:\n", "\rbegin 644 x ",
		"\nbegin-base64 644 x\nAAAA", "Content-Transfer-Encoding: base64\n",
		"b.g.n-t.......-", "\r--\rContent-Transfer-Encoding: base64\r\r"};
	static const char good[] = "\n\n" CTE "\r\n" B64;
	size_t size = 8 << 20;
	char *data = malloc(size);
	sb_walk walk = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(marks); i++) {
		for (size_t at = 0; at < size; at++)
			data[at] = marks[i][at % strlen(marks[i])];
		fake_walk_run(&walk, &sb_reader_stray, data, size);
		assert_int_equal(walk.problem, SB_KIND_NONE);
		fake_walk_done(&walk);
	}
	for (size_t at = 0; at < size; at++)
		data[at] = good[at % strlen(good)];
	fake_walk_run(&walk, &sb_reader_stray, data, size);
	assert_true(walk.doubt);
	assert_int_equal(walk.count, 1000);
	fake_walk_done(&walk);
	free(data);
}

/* At every offset, since many positions are looked at at once. */
static void test_anywhere(void **state)
{
	static const char part[] = CTE "\r\n" B64;
	char data[512];

	(void)state;
	for (size_t before = 0; before < 100; before++) {
		sb_walk walk = {0};

		memset(data, 0, before);
		memcpy(data + before, part, strlen(part));
		assert_true(fake_walk_run(&walk, &sb_reader_stray, data, before + strlen(part)));
		assert_true(fake_walk_has(&walk, FOX, strlen(FOX)));
		fake_walk_done(&walk);
	}
}

/* --- What is no mail, and what stays shut ------------------------------------------------- */

static const struct {
	const char *why, *text;
	sb_likeness likeness;
	size_t members;
	sb_kind problem;
	bool doubt;
} others[] = {
	{"plain text", "Dear all,\n\nFrom now on: no more mail.\n", SB_NOT_THIS, 0, 0, false},
	{"one header", "Subject: x\n\nText\n", SB_NOT_THIS, 0, 0, false},
	{"empty", "", SB_NOT_THIS, 0, 0, false},
	{"a configuration", "name: x\ndate: 2026-01-01\nfrom-here: y\n", SB_NOT_THIS, 0, 0, false},
	{"words that begin", "begin the day\nwith a smile\n", SB_NOT_THIS, 0, 0, false},
	{"no uuencode", "begin 644 words\nthat are not so\n", SB_PERHAPS, 0, 0, false},
	{"text about MIME", "Write Content-Transfer-Encoding: base64 above.\n", SB_NOT_THIS, 0, 0,
		false},
	{"a notice", "From: x\nTo: y\n\nText -- with dashes\n-- \nname\n", SB_PERHAPS, 1, 0, false},
	{"S/MIME, sealed",
		HEAD "Content-Type: application/pkcs7-mime; smime-type=enveloped-data"
		     "\r\n\r\nx",
		SB_SURELY, 1, SB_KIND_ENCRYPTED, false},
	{"PGP/MIME",
		HEAD "Content-Type: multipart/encrypted; boundary=b\r\n\r\nx\r\n--b\r\n\r\n"
		     "Version: 1\r\n--b--\r\n",
		SB_SURELY, 2, SB_KIND_ENCRYPTED, false},
	{"PGP in a text", HEAD "\r\nHello\n-----BEGIN PGP MESSAGE-----\n\nxx\n", SB_SURELY, 1, 0,
		true},
	{"yEnc", HEAD "\r\n=ybegin line=128 size=1 name=x\nx\n=yend size=1\n", SB_SURELY, 1, 0,
		true},
	{"an encoding nobody knows", HEAD "Content-Transfer-Encoding: x-strange\r\n\r\nx",
		SB_SURELY, 1, 0, true},
	{"one piece of several", HEAD "Content-Type: message/partial; number=1\r\n\r\nx", SB_SURELY,
		1, 0, true},
};

static void test_others(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(others); i++) {
		sb_walk walk = {0};

		if (!fake_walk_run(&walk, &sb_reader_mail, others[i].text, strlen(others[i].text)))
			fake_walk_run(
				&walk, &sb_reader_stray, others[i].text, strlen(others[i].text));
		if (walk.likeness != others[i].likeness || walk.count != others[i].members ||
			walk.problem != others[i].problem || walk.doubt != others[i].doubt)
			fail_msg("%s: likeness %d, %zu members, problem %d, doubt %d",
				others[i].why, walk.likeness, walk.count, walk.problem, walk.doubt);
		fake_walk_done(&walk);
	}
}

static void test_parts_are_separate(void **state)
{
	static const char mail[] = MIXED "preamble\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>\r\n"
					 "--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: "
					 "y\r\nSubject: inner\r\nContent-Type: "
					 "multipart/mixed; boundary=i\r\n\r\n--i\r\nContent-Type: "
					 "text/plain\r\n\r\ninner\r\n"
					 "--i--\r\n--b--\r\nepilogue\r\n";
	sb_walk walk = {0};

	(void)state;
	assert_true(fake_walk_run(&walk, &sb_reader_mail, mail, strlen(mail)));
	assert_int_equal(walk.count, 4);
	assert_true(fake_walk_has(&walk, "preamble", 8));
	assert_true(fake_walk_has(&walk, "<p>", 3));
	assert_memory_equal(walk.members[2].data, "From: y", 7);
	assert_true(fake_walk_has(&walk, "epilogue\r\n", 10));
	fake_walk_done(&walk);
}

static void test_deep_nesting_is_a_limit(void **state)
{
	char *mail = NULL;
	size_t size;
	FILE *f = open_memstream(&mail, &size);
	sb_walk walk = {0};

	(void)state;
	fprintf(f, "From: x\nMIME-Version: 1.0\nContent-Type: multipart/x; boundary=b0\n\n");
	for (int i = 0; i < 100; i++)
		fprintf(f, "--b%d\nContent-Type: multipart/x; boundary=b%d\n\n", i, i + 1);
	fclose(f);
	assert_true(fake_walk_run(&walk, &sb_reader_mail, mail, size));
	assert_int_equal(walk.problem, SB_KIND_LIMIT_EXCEEDED);
	fake_walk_done(&walk);
	free(mail);
}

static void test_time_runs_out(void **state)
{
	static const char mail[] = MIXED "--b\r\n" ATTACHED B64 "--b--\r\n";
	sb_walk walk = {.max_polls = 2};

	(void)state;
	assert_true(fake_walk_run(&walk, &sb_reader_mail, mail, strlen(mail)));
	assert_int_equal(walk.result, -SB_KIND_LIMIT_EXCEEDED);
	fake_walk_done(&walk);
}

/* --- TNEF ------------------------------------------------------------------------------------- */

#define TNEF_HEAD "\x78\x9f\x3e\x22\0\0"
#define TNEF_RENDERING "\x02\x02\x90\x06\0\x01\0\0\0r\0\0"
#define TNEF_DATA                                                                                  \
	"\x02\x0f\x80\x06\0\x04\0\0\0"                                                             \
	"data"                                                                                     \
	"\0\0"
#define TNEF_TITLE                                                                                 \
	"\x02\x10\x80\x01\0\x06\0\0\0"                                                             \
	"a.bin\0"                                                                                  \
	"\0\0"

static void test_tnef(void **state)
{
	static const char tnef[] =
		TNEF_HEAD TNEF_RENDERING TNEF_DATA TNEF_TITLE TNEF_RENDERING TNEF_DATA;

	(void)state;
	for (size_t size = 17; size < sizeof(tnef); size++) {
		sb_walk walk = {0};

		assert_true(fake_walk_run(&walk, &sb_reader_mail, tnef, size));
		assert_int_equal(walk.likeness, SB_SURELY);
		if (size == sizeof(tnef) - 1) {
			assert_int_equal(walk.count, 2);
			assert_string_equal(walk.members[0].name, "a.bin");
			assert_string_equal(walk.members[1].name, "part-1");
			assert_true(fake_walk_has(&walk, "data", 4));
			assert_int_equal(walk.problem, SB_KIND_NONE);
			assert_int_equal(walk.facts, SB_FACT_EMBEDDED);
		} else if (walk.problem != SB_KIND_CORRUPT) { /* at the end of an attribute */
			assert_true(size == 18 || size == 33 || size == 50 || size == 62);
		}
		fake_walk_done(&walk);
	}
}

/* --- ClamAV's samples, where they are installed ----------------------------------------------- */

static void test_samples(void **state)
{
	static const char *const names[] = {
		"clam.mail", "clam.exe.mbox.base64", "clam.exe.mbox.uu", "clam.tnef"};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		sb_walk walk = {0};
		size_t size, exe_size;
		char *exe = fake_walk_sample("clam.exe", &exe_size);
		char *mail = fake_walk_sample(names[i], &size);

		if (exe == NULL || mail == NULL) {
			free(exe);
			free(mail);
			skip();
		}
		if (!fake_walk_run(&walk, &sb_reader_mail, mail, size))
			fake_walk_run(&walk, &sb_reader_stray, mail, size);
		if (!fake_walk_has(&walk, exe, exe_size))
			fail_msg("%s", names[i]);
		assert_int_equal(walk.problem, 0);
		fake_walk_done(&walk);
		free(exe);
		free(mail);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_cut_in_a_group),
		cmocka_unit_test(test_many_marks),
		cmocka_unit_test(test_anywhere),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_parts_are_separate),
		cmocka_unit_test(test_deep_nesting_is_a_limit),
		cmocka_unit_test(test_time_runs_out),
		cmocka_unit_test(test_tnef),
		cmocka_unit_test(test_samples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
