/* SPDX-License-Identifier: MIT */
/* The head of an ELF file, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plugin/elf_head.h"

/* 64 bits, little endian, a shared object for x86-64. */
static const unsigned char right[SB_ELF_HEAD] = {
	0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 62, 0};

static const struct {
	const char *what;
	size_t at;
	unsigned char value;
	const char *why;
} rows[] = {
	{"magic", 0, 0x7e, "it is no ELF file; build it with cc -shared -fPIC"},
	{"magic's end", 3, 'f', "it is no ELF file; build it with cc -shared -fPIC"},
	{"32 bits", 4, 1,
		"it was built for another architecture, x86-64 (62, 32 bits, little endian); this "
		"is x86-64 (62, 64 bits, little endian)"},
	{"big endian", 5, 2,
		"it was built for another architecture, machine (15872, 64 bits, big endian); this "
		"is x86-64 (62, 64 bits, little endian)"},
	{"a program", 16, 2,
		"it is an ELF file, but no shared object; build it with cc -shared -fPIC"},
	{"a core", 16, 4,
		"it is an ELF file, but no shared object; build it with cc -shared -fPIC"},
	{"another machine", 18, 183,
		"it was built for another architecture, AArch64 (183, 64 bits, little endian); "
		"this "
		"is x86-64 (62, 64 bits, little endian)"},
	{"one that nobody knows", 19, 9,
		"it was built for another architecture, machine (2366, 64 bits, little endian); "
		"this "
		"is x86-64 (62, 64 bits, little endian)"},
};

static void one_byte_that_is_wrong(void **state)
{
	char why[300];

	(void)state;
	assert_true(sb_elf_check(right, sizeof right, right, why, sizeof why));
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		unsigned char head[SB_ELF_HEAD];

		memcpy(head, right, sizeof head);
		head[rows[i].at] = rows[i].value;
		print_message("%s\n", rows[i].what);
		assert_false(sb_elf_check(head, sizeof head, right, why, sizeof why));
		assert_string_equal(why, rows[i].why);
	}
}

static void what_is_too_short(void **state)
{
	char why[300];

	(void)state;
	for (size_t length = 0; length <= SB_ELF_HEAD; length++) {
		unsigned char *exact = malloc(length > 0 ? length : 1);

		memcpy(exact, right, length);
		assert_int_equal(
			sb_elf_check(exact, length, right, why, sizeof why), length == SB_ELF_HEAD);
		free(exact);
	}
}

static void this_program_fits_itself(void **state)
{
	char why[300];

	(void)state;
	assert_true(sb_elf_check(sb_elf_own(), SB_ELF_HEAD, sb_elf_own(), why, sizeof why));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_byte_that_is_wrong),
		cmocka_unit_test(what_is_too_short),
		cmocka_unit_test(this_program_fits_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
