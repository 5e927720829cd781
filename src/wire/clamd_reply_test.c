/* SPDX-License-Identifier: MIT */
/*
 * The verdict table of clamd's replies, each row fed whole, byte by byte, cut at every place and
 * truncated at every place. Rows marked "captured" are what clamd 1.4.6 really sent.
 */
#include "wire/clamd_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define IN SB_CLAMD_INSTREAM
#define FD SB_CLAMD_FILDES
#define PING SB_CLAMD_PING

#define B(literal) literal, sizeof(literal) - 1

static const struct {
	const char *why;
	sb_clamd_command command;
	uint64_t id;
	const char *bytes;
	size_t length;
	sb_outcome outcome;
	sb_kind kind;
	const char *name; /* for infected */
} rows[] = {
#define CLEAN SB_OUTCOME_CLEAN, SB_KIND_NONE, NULL
#define HIT(name) SB_OUTCOME_INFECTED, SB_KIND_NONE, name
#define ERR(kind) SB_OUTCOME_ERROR, SB_KIND_##kind, NULL
	{"captured: clean stream", IN, 0, B("stream: OK\0"), CLEAN},
	{"captured: clean descriptor", FD, 0, B("fd[13]: OK\0"), CLEAN},
	{"captured: clean in a session", FD, 7, B("7: fd[11]: OK\0"), CLEAN},
	{"captured: pong", PING, 0, B("PONG\0"), CLEAN},
	{"captured: pong in a session", PING, 2, B("2: PONG\0"), CLEAN},
	{"captured: version", SB_CLAMD_VERSION, 0, B("ClamAV 1.4.6\0"), CLEAN},
	{"captured: found, third-party signature", IN, 0,
		B("stream: Eicar-Test-Signature.UNOFFICIAL FOUND\0"),
		HIT("Eicar-Test-Signature.UNOFFICIAL")},
	{"captured: found by descriptor in a session", FD, 2,
		B("2: fd[11]: Eicar-Test-Signature.UNOFFICIAL FOUND\0"),
		HIT("Eicar-Test-Signature.UNOFFICIAL")},
	{"captured: found by descriptor", FD, 0,
		B("fd[10]: Eicar-Test-Signature.UNOFFICIAL FOUND\0"),
		HIT("Eicar-Test-Signature.UNOFFICIAL")},
	{"captured: encrypted", FD, 0, B("fd[10]: Heuristics.Encrypted.Zip FOUND\0"),
		ERR(ENCRYPTED)},
	{"captured: stream limit", IN, 0, B("INSTREAM size limit exceeded. ERROR\0"),
		ERR(FILE_TOO_LARGE)},
	{"captured: stream limit in a session", IN, 1,
		B("1: INSTREAM size limit exceeded. ERROR\0"), ERR(FILE_TOO_LARGE)},
	{"captured: no descriptor", FD, 1, B("1: No file descriptor received. ERROR\0"),
		ERR(ENGINE_UNAVAILABLE)},
	{"captured: a directory's descriptor", FD, 0, B("fd[13]: Not a regular file ERROR\0"),
		ERR(UNSUPPORTED)},
	{"captured: unknown word in a session", IN, 2,
		B("2: Command invalid inside IDSESSION. ERROR\0"), ERR(ENGINE_UNAVAILABLE)},
	{"captured: limit as a hit", IN, 0,
		B("stream: Heuristics.Limits.Exceeded.MaxRecursion FOUND\0"), ERR(LIMIT_EXCEEDED)},
	{"captured: size limit as a hit", IN, 0,
		B("stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0"), ERR(LIMIT_EXCEEDED)},
	{"two explanations of one error", FD, 0,
		B("No file descriptor received. ERROR\0Error processing command. ERROR\0"),
		ERR(ENGINE_UNAVAILABLE)},
	{"encrypted", IN, 0, B("stream: Heuristics.Encrypted.Zip FOUND\0"), ERR(ENCRYPTED)},
	{"broken", IN, 0, B("stream: Heuristics.Broken.Executable FOUND\0"), ERR(CORRUPT)},
	{"other heuristics are the core's to weigh", IN, 0,
		B("stream: Heuristics.OLE2.ContainsMacros FOUND\0"),
		HIT("Heuristics.OLE2.ContainsMacros")},
	{"unwanted programs too", IN, 0, B("stream: PUA.Win.Tool FOUND\0"), HIT("PUA.Win.Tool")},
	{"a prefix is not a row", IN, 0, B("stream: Heuristics.LimitsX FOUND\0"),
		HIT("Heuristics.LimitsX")},
	{"digest and size behind the name", IN, 0,
		B("stream: Eicar(44d88612fea8a8f36de82e1278abb02f:68) FOUND\0"), HIT("Eicar")},
	{"a limit with digest and size", IN, 0,
		B("stream: Heuristics.Limits.Exceeded."
		  "MaxFileSize(44d88612fea8a8f36de82e1278abb02f:68) FOUND\0"),
		ERR(LIMIT_EXCEEDED)},
	{"brackets that are no digest stay", IN, 0, B("stream: Eicar(x:68) FOUND\0"),
		HIT("Eicar(x:68)")},
	{"only a digest is no name", IN, 0,
		B("stream: (44d88612fea8a8f36de82e1278abb02f:68) FOUND\0"), ERR(PROTOCOL_ERROR)},
	{"a name with CR and LF is a hit all the same", IN, 0, B("stream: A\r\nB FOUND\0"),
		HIT("A\r\nB")},
	{"a name that ends like a clean one", IN, 0, B("stream: x: OK FOUND\0"), HIT("x: OK")},
	{"8-bit name", IN, 0, B("stream: \xff\xfe FOUND\0"), HIT("\xff\xfe")},
	{"lost name", IN, 0, B("stream: (null) FOUND\0"), ERR(PROTOCOL_ERROR)},
	{"empty name", IN, 0, B("stream:  FOUND\0"), ERR(PROTOCOL_ERROR)},
	{"no name", IN, 0, B("stream: FOUND\0"), ERR(PROTOCOL_ERROR)},
	{"NUL in a name: text behind the end", IN, 0, B("stream: a\0b FOUND\0"),
		ERR(PROTOCOL_ERROR)},
	{"two clean replies", IN, 0, B("stream: OK\0stream: OK\0"), ERR(PROTOCOL_ERROR)},
	{"clean, then found", IN, 0, B("stream: OK\0stream: X FOUND\0"), ERR(PROTOCOL_ERROR)},
	{"one byte too many", IN, 0, B("stream: OK\0\n"), ERR(PROTOCOL_ERROR)},
	{"error line, then OK", FD, 0, B("fd[3]: Not supported file type ERROR\0fd[3]: OK\0"),
		ERR(PROTOCOL_ERROR)},
	{"the other command's label", IN, 0, B("fd[3]: OK\0"), ERR(PROTOCOL_ERROR)},
	{"the other command's label on an error", IN, 0, B("fd[3]: Can't parse data ERROR\0"),
		ERR(PROTOCOL_ERROR)},
	{"stream label for a descriptor", FD, 0, B("stream: OK\0"), ERR(PROTOCOL_ERROR)},
	{"a path", IN, 0, B("/etc/passwd: OK\0"), ERR(PROTOCOL_ERROR)},
	{"a path's error", IN, 0, B("/etc/passwd: Access denied. ERROR\0"), ERR(PROTOCOL_ERROR)},
	{"no number", FD, 0, B("fd[]: OK\0"), ERR(PROTOCOL_ERROR)},
	{"negative number", FD, 0, B("fd[-1]: OK\0"), ERR(PROTOCOL_ERROR)},
	{"another id", IN, 3, B("2: stream: OK\0"), ERR(PROTOCOL_ERROR)},
	{"another id on an error", IN, 3, B("2: Process aborted ERROR\0"), ERR(PROTOCOL_ERROR)},
	{"id with a zero in front", IN, 3, B("03: stream: OK\0"), ERR(PROTOCOL_ERROR)},
	{"id missing in a session", IN, 3, B("stream: OK\0"), ERR(PROTOCOL_ERROR)},
	{"id outside a session", IN, 0, B("1: stream: OK\0"), ERR(PROTOCOL_ERROR)},
	{"nearly OK", IN, 0, B("stream: OK \0"), ERR(PROTOCOL_ERROR)},
	{"small letters", IN, 0, B("stream: ok\0"), ERR(PROTOCOL_ERROR)},
	{"LF instead of NUL", IN, 0, B("stream: OK\n"), ERR(PROTOCOL_ERROR)},
	{"LF before NUL", IN, 0, B("stream: OK\n\0"), ERR(PROTOCOL_ERROR)},
	{"empty reply", IN, 0, B("\0"), ERR(PROTOCOL_ERROR)},
	{"garbage", IN, 0, B("HTTP/1.1 200 OK\0"), ERR(PROTOCOL_ERROR)},
	{"PONG is no verdict", IN, 0, B("PONG\0"), ERR(PROTOCOL_ERROR)},
	{"OK is no pong", PING, 0, B("stream: OK\0"), ERR(PROTOCOL_ERROR)},
	{"neither word", IN, 0, B("stream: Empty file\0"), ERR(PROTOCOL_ERROR)},
	{"excluded", FD, 0, B("fd[3]: Excluded\0"), ERR(UNSUPPORTED)},
	{"timed out ends in LF", IN, 0, B("COMMAND READ TIMED OUT\n"), ERR(TIMEOUT)},
	{"and has no id", IN, 9, B("COMMAND READ TIMED OUT\n"), ERR(TIMEOUT)},
	{"nothing at all", IN, 0, B(""), ERR(CONNECTION_FAILED)},
	{"cut before the end", IN, 0, B("stream: OK"), ERR(PROTOCOL_ERROR)},
	{"unknown command", FD, 0, B("UNKNOWN COMMAND\0"), ERR(ENGINE_UNAVAILABLE)},
	{"disabled command", FD, 0, B("COMMAND UNAVAILABLE\0"), ERR(ENGINE_UNAVAILABLE)},
	{"time", IN, 0, B("stream: Exceeded time limit ERROR\0"), ERR(LIMIT_EXCEEDED)},
	{"depth", IN, 0, B("stream: Exceeded max recursion depth ERROR\0"), ERR(LIMIT_EXCEEDED)},
	{"size", IN, 0, B("stream: Exceeded max scan size ERROR\0"), ERR(LIMIT_EXCEEDED)},
	{"files", IN, 0, B("stream: Exceeded max scan files ERROR\0"), ERR(LIMIT_EXCEEDED)},
	{"parse", IN, 0, B("stream: Can't parse data ERROR\0"), ERR(CORRUPT)},
	{"unpack", IN, 0, B("stream: Can't unpack some data ERROR\0"), ERR(CORRUPT)},
	{"format", IN, 0, B("stream: Bad format or broken data ERROR\0"), ERR(CORRUPT)},
	{"memory", IN, 0, B("stream: Can't allocate memory ERROR\0"), ERR(ENGINE_UNAVAILABLE)},
	{"map", IN, 0, B("stream: Can't map file into memory ERROR\0"), ERR(ENGINE_UNAVAILABLE)},
	{"temporary file", IN, 0, B("Error writing to temporary file ERROR\0"),
		ERR(ENGINE_UNAVAILABLE)},
	{"read", FD, 0, B("fd[1]: Can't read file ERROR\0"), ERR(ENGINE_UNAVAILABLE)},
	{"access", FD, 0, B("fd[1]: Access denied. ERROR\0"), ERR(IO)},
	{"file type", FD, 0, B("fd[1]: Not supported file type ERROR\0"), ERR(UNSUPPORTED)},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

static sb_clamd_reply *new_reply(sb_clamd_command command, uint64_t id)
{
	sb_clamd_reply *reply = malloc(sizeof *reply);

	assert_non_null(reply);
	memset(reply, 0x5a, sizeof *reply);
	sb_clamd_reply_begin(reply, command, id);
	return reply;
}

static void check(size_t i, const sb_clamd_reply *reply, const char *how)
{
	sb_clamd_verdict verdict;

	sb_clamd_reply_judge(reply, true, &verdict);
	if (verdict.outcome != rows[i].outcome || verdict.kind != rows[i].kind)
		fail_msg("%s (%s): %s/%s", rows[i].why, how, sb_outcome_name(verdict.outcome),
			sb_kind_name(verdict.kind));
	if (rows[i].name != NULL &&
		(verdict.length != strlen(rows[i].name) ||
			memcmp(verdict.text, rows[i].name, verdict.length) != 0))
		fail_msg("%s (%s): name is %.*s", rows[i].why, how, (int)verdict.length,
			verdict.text);
}

static void test_table_in_any_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		sb_clamd_reply *reply = new_reply(rows[i].command, rows[i].id);

		for (size_t cut = 0; cut <= rows[i].length; cut++) {
			sb_clamd_reply_begin(reply, rows[i].command, rows[i].id);
			sb_clamd_reply_feed(reply, rows[i].bytes, cut);
			sb_clamd_reply_feed(reply, rows[i].bytes + cut, rows[i].length - cut);
			check(i, reply, "in two pieces");
		}
		sb_clamd_reply_begin(reply, rows[i].command, rows[i].id);
		for (size_t at = 0; at < rows[i].length; at++)
			sb_clamd_reply_feed(reply, rows[i].bytes + at, 1);
		check(i, reply, "byte by byte");
		free(reply);
	}
}

static void test_truncated_is_never_a_verdict(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		const char *end = memchr(rows[i].bytes, '\0', rows[i].length);
		size_t whole = end != NULL ? (size_t)(end - rows[i].bytes) : 0;

		for (size_t cut = 0; cut <= whole; cut++) {
			sb_clamd_reply *reply = new_reply(rows[i].command, rows[i].id);
			sb_clamd_verdict verdict;

			assert_false(sb_clamd_reply_feed(reply, rows[i].bytes, cut));
			sb_clamd_reply_judge(reply, true, &verdict);
			if (verdict.outcome != SB_OUTCOME_ERROR)
				fail_msg("%s: verdict after %zu bytes", rows[i].why, cut);
			free(reply);
		}
	}
}

static void test_clean_only_after_the_body(void **state)
{
	sb_clamd_reply *reply = new_reply(SB_CLAMD_INSTREAM, 0);
	sb_clamd_verdict verdict;

	(void)state;
	assert_true(sb_clamd_reply_feed(reply, B("stream: OK\0")));
	sb_clamd_reply_judge(reply, false, &verdict);
	assert_int_equal(verdict.outcome, SB_OUTCOME_ERROR);
	assert_int_equal(verdict.kind, SB_KIND_PROTOCOL_ERROR);

	sb_clamd_reply_begin(reply, SB_CLAMD_INSTREAM, 0);
	assert_true(sb_clamd_reply_feed(reply, B("stream: Early FOUND\0")));
	sb_clamd_reply_judge(reply, false, &verdict);
	assert_int_equal(verdict.outcome, SB_OUTCOME_INFECTED);
	free(reply);
}

static void test_endless_reply_ends(void **state)
{
	sb_clamd_reply *reply = new_reply(SB_CLAMD_INSTREAM, 0);
	sb_clamd_verdict verdict;
	size_t fed = 0;

	(void)state;
	while (!sb_clamd_reply_feed(reply, "AAAAAAAAAAAAAAAA", 16))
		fed += 16;
	assert_true(fed <= SB_CLAMD_REPLY_MAX);
	sb_clamd_reply_feed(reply, B("stream: OK\0"));
	sb_clamd_reply_judge(reply, true, &verdict);
	assert_int_equal(verdict.kind, SB_KIND_PROTOCOL_ERROR);
	free(reply);
}

static void test_lost_descriptor_shows(void **state)
{
	sb_clamd_reply *reply = new_reply(SB_CLAMD_FILDES, 0);
	sb_clamd_verdict verdict;

	(void)state;
	sb_clamd_reply_feed(reply, B("No file descriptor received. ERROR\0"));
	sb_clamd_reply_judge(reply, true, &verdict);
	assert_true(verdict.no_descriptor);
	sb_clamd_reply_begin(reply, SB_CLAMD_FILDES, 0);
	sb_clamd_reply_feed(reply, B("Process aborted ERROR\0"));
	sb_clamd_reply_judge(reply, true, &verdict);
	assert_false(verdict.no_descriptor);
	free(reply);
}

static const struct {
	const char *why, *line;
	bool good;
	const char *engine, *signatures;
	int64_t time;
} versions[] = {
	{"without an official database", "ClamAV 1.4.6", true, "1.4.6", "", 0},
	{"with one", "ClamAV 1.4.6/27465/Thu Nov 20 09:26:34 2025", true, "1.4.6",
		"27465/Thu Nov 20 09:26:34 2025", 1763630794},
	{"day below ten", "ClamAV 1.0.3/27000/Sat Aug  5 07:00:01 2023", true, "1.0.3",
		"27000/Sat Aug  5 07:00:01 2023", 1691218801},
	{"no such month", "ClamAV 1.4.6/1/Thu Foo 20 09:26:34 2025", true, "1.4.6",
		"1/Thu Foo 20 09:26:34 2025", 0},
	{"months across", "ClamAV 1.4.6/1/Thu anF 20 09:26:34 2025", true, "1.4.6",
		"1/Thu anF 20 09:26:34 2025", 0},
	{"words behind the year", "ClamAV 1.4.6/1/Thu Nov 20 09:26:34 2025 x", true, "1.4.6",
		"1/Thu Nov 20 09:26:34 2025 x", 0},
	{"no version", "ClamAV ", false, NULL, NULL, 0},
	{"nothing before the slash", "ClamAV /1/x", false, NULL, NULL, 0},
	{"control bytes", "ClamAV 1.4\x1b[2J", false, NULL, NULL, 0},
	{"somebody else", "Avast 1.4.6", false, NULL, NULL, 0},
};

static void test_versions(void **state)
{
	sb_clamd_version version;

	(void)state;
	for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
		bool good = sb_clamd_version_parse(
			versions[i].line, strlen(versions[i].line), &version);

		if (good != versions[i].good)
			fail_msg("%s: %s", versions[i].why, good ? "accepted" : "refused");
		if (!good)
			continue;
		assert_string_equal(version.engine, versions[i].engine);
		assert_string_equal(version.signatures, versions[i].signatures);
		assert_int_equal(version.time, versions[i].time);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_in_any_split),
		cmocka_unit_test(test_truncated_is_never_a_verdict),
		cmocka_unit_test(test_clean_only_after_the_body),
		cmocka_unit_test(test_endless_reply_ends),
		cmocka_unit_test(test_lost_descriptor_shows),
		cmocka_unit_test(test_versions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
