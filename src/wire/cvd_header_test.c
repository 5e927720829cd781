/* SPDX-License-Identifier: MIT */
/* Headers as ClamAV writes them, and every way in which one may be wrong. */
#include "wire/cvd_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DIGEST "00112233445566778899aAbBcCdDeEfF"
#define EIGHTEEN "999999999999999999"

static bool parse(const char *text, sb_cvd_header *out)
{
	char bytes[SB_CVD_HEADER];

	assert_true(strlen(text) <= sizeof bytes);
	memset(bytes, ' ', sizeof bytes);
	memcpy(bytes, text, strlen(text));
	return sb_cvd_header_parse(bytes, sizeof bytes, out);
}

static void test_all_of_it(void **state)
{
	sb_cvd_header header;

	(void)state;
	assert_true(parse("ClamAV-VDB:16 Sep 2021 08-32 -0400:26295:1974320:90:" DIGEST
			  ":s/igNature+:builder:1631795562",
		&header));
	assert_string_equal(header.made, "16 Sep 2021 08-32 -0400");
	assert_int_equal(header.version, 26295);
	assert_int_equal(header.signatures, 1974320);
	assert_int_equal(header.level, 90);
	assert_true(header.has_digest);
	assert_int_equal(header.digest[1], 0x11);
	assert_int_equal(header.digest[15], 0xff);
	assert_int_equal(header.time, 1631795562);
}

static const struct {
	const char *why, *text;
	bool good, digest;
} rows[] = {
	{"no time", "ClamAV-VDB:x:1:2:3:" DIGEST ":s:b", true, true},
	{"no digest", "ClamAV-VDB:x:1:2:3:X:X:b:5", true, false},
	{"31 digits", "ClamAV-VDB:x:1:2:3:0112233445566778899aabbccddeeff:X:b:5", true, false},
	{"18 digits", "ClamAV-VDB:x:" EIGHTEEN ":2:3:X:X:b:5", true, false},
	{"19 digits", "ClamAV-VDB:x:" EIGHTEEN "9:2:3:X:X:b:5", false, false},
	{"another word", "ClamAV-VDb:x:1:2:3:X:X:b:5", false, false},
	{"a longer word", "ClamAV-VDBs:x:1:2:3:X:X:b:5", false, false},
	{"too few fields", "ClamAV-VDB:x:1:2:3:X:X", false, false},
	{"too many fields", "ClamAV-VDB:x:1:2:3:X:X:b:5:6", false, false},
	{"no version", "ClamAV-VDB:x::2:3:X:X:b:5", false, false},
	{"a sign", "ClamAV-VDB:x:-1:2:3:X:X:b:5", false, false},
	{"signatures in words", "ClamAV-VDB:x:1:two:3:X:X:b:5", false, false},
	{"a level in words", "ClamAV-VDB:x:1:2:three:X:X:b:5", false, false},
	{"a time in words", "ClamAV-VDB:x:1:2:3:X:X:b:five", false, false},
	{"a line break", "ClamAV-VDB:x:1:2:3:X:X:b\n:5", false, false},
	{"47 of its maker's",
		"ClamAV-VDB:12345678901234567890123456789012345678901234567:1:2:3:X:X:b", true,
		false},
	{"48 of its maker's",
		"ClamAV-VDB:123456789012345678901234567890123456789012345678:1:2:3:X:X:b", false,
		false},
	{"nothing", "", false, false},
};

static void test_rows(void **state)
{
	sb_cvd_header header;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		bool good = parse(rows[i].text, &header);

		if (good != rows[i].good || (good && header.has_digest != rows[i].digest))
			fail_msg("%s: %d", rows[i].why, good);
	}
}

static void test_length(void **state)
{
	char bytes[SB_CVD_HEADER + 1];
	sb_cvd_header header;

	(void)state;
	memset(bytes, ' ', sizeof bytes);
	memcpy(bytes, "ClamAV-VDB:x:1:2:3:X:X:b:5", 26);
	assert_true(sb_cvd_header_parse(bytes, SB_CVD_HEADER, &header));
	assert_false(sb_cvd_header_parse(bytes, SB_CVD_HEADER - 1, &header));
	assert_false(sb_cvd_header_parse(bytes, SB_CVD_HEADER + 1, &header));
	assert_false(sb_cvd_header_parse(bytes, 0, &header));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_of_it),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_length),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
