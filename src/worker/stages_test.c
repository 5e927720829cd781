/* SPDX-License-Identifier: MIT */
/* A kept scanner says of each content what a new one says of it, also where strings are not looked
 * for because there are none. */
#include "rules_scene.h"

#include <elf.h>

#include "worker/stages.h"

/* What conditions read by themselves, in content that has none of the strings. */
static const char text[] =
	"import \"hash\" import \"math\" import \"elf\" import \"pe\"\n"
	"rule r0 { condition: filesize == 300 }\n"
	"rule r1 { condition: uint16(0) == 0x4101 and uint32be(296) == 0x00000007 }\n"
	"rule r2 { strings: $a = \"absent\" condition: not $a }\n"
	"rule r3 { strings: $a = \"absent\" condition: $a or #a > 0 or $a at 0 or $a in (0..9) }\n"
	"rule r4 { condition: hash.checksum32(0, filesize) == 73 "
	"}\n"
	"rule r5 { condition: math.entropy(0, filesize) > 0.0 and math.mean(0, 1) == 1.0 }\n"
	"rule r6 { condition: elf.machine == elf.EM_X86_64 }\n"
	"rule r7 { condition: not defined pe.machine }\n"
	"rule r8 { condition: filesize == 0 }\n"
	"rule r9 { condition: uint8(filesize) == 1 or uint8(filesize - 1) == 7 }\n";

#define ELF_IDENT                                                                                  \
	{                                                                                          \
		ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB                        \
	}

static int note(YR_SCAN_CONTEXT *context, int message, void *data, void *user)
{
	uint32_t *matched = user;
	const YR_RULE *rule = data;

	(void)context;
	if (message == CALLBACK_MSG_RULE_MATCHING)
		*matched |= 1u << (rule->identifier[1] - '0');
	return CALLBACK_CONTINUE;
}

static uint32_t scan_new(YR_RULES *rules, const uint8_t *data, size_t size)
{
	YR_SCANNER *scanner;
	uint32_t matched = 0;

	assert_int_equal(yr_scanner_create(rules, &scanner), ERROR_SUCCESS);
	yr_scanner_set_callback(scanner, note, &matched);
	assert_int_equal(yr_scanner_scan_mem(scanner, data, size), ERROR_SUCCESS);
	yr_scanner_destroy(scanner);
	return matched;
}

static uint32_t scan_kept(YR_SCANNER *scanner, const uint8_t *data, size_t size, bool strings)
{
	uint32_t matched = 0;

	yr_scanner_set_callback(scanner, note, &matched);
	assert_int_equal(sb_stages_scan(scanner, data, size, strings), ERROR_SUCCESS);
	return matched;
}

enum { PLAIN = 300 };

static void fill_plain(uint8_t out[PLAIN])
{
	memset(out, 0, PLAIN);
	out[0] = 1;
	out[1] = 0x41;
	out[PLAIN - 1] = 7;
}

static void conditions_read_content_without_strings(void **state)
{
	YR_RULES *rules = compile(text);
	YR_SCANNER *scanner;
	uint8_t plain[PLAIN];
	struct {
		Elf64_Ehdr head;
		uint8_t rest[100];
	} program = {.head = {.e_ident = ELF_IDENT, .e_type = ET_EXEC, .e_machine = EM_X86_64}};
	const struct {
		const uint8_t *data;
		size_t size;
		uint32_t expected;
	} rows[] = {
		{plain, PLAIN, 1 << 0 | 1 << 1 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 9},
		{(const uint8_t *)&program, sizeof program, 1 << 2 | 1 << 6 | 1 << 7},
		{plain, PLAIN - 1, 1 << 2 | 1 << 5 | 1 << 7},
		{plain, 0, 1 << 2 | 1 << 7 | 1 << 8},
		{NULL, 0, 1 << 2 | 1 << 7 | 1 << 8},
	};

	(void)state;
	fill_plain(plain);
	assert_int_equal(yr_scanner_create(rules, &scanner), ERROR_SUCCESS);
	for (unsigned i = 0; i < 4 * LENGTH(rows); i++) {
		size_t row = i * 3 % LENGTH(rows);

		assert_int_equal(
			scan_new(rules, rows[row].data, rows[row].size), rows[row].expected);
		assert_int_equal(scan_kept(scanner, rows[row].data, rows[row].size, i % 2 == 0),
			rows[row].expected);
	}
	yr_scanner_destroy(scanner);
	yr_rules_destroy(rules);
}

/* Two programs, each with its entry point in another place, the same string at both. */
static void each_content_has_its_own_entry_point(void **state)
{
	YR_RULES *rules =
		compile("rule r1 { strings: $a = \"ENTRY\" condition: $a at entrypoint }");
	struct {
		Elf64_Ehdr head;
		Elf64_Phdr segment;
		uint8_t code[200];
	} program = {.head = {.e_ident = ELF_IDENT,
			     .e_type = ET_EXEC,
			     .e_machine = EM_X86_64,
			     .e_phoff = sizeof(Elf64_Ehdr),
			     .e_phentsize = sizeof(Elf64_Phdr),
			     .e_phnum = 1},
		.segment = {
			.p_type = PT_LOAD, .p_filesz = sizeof program, .p_memsz = sizeof program}};
	static const unsigned places[] = {150, 20, 90};
	YR_SCANNER *scanner;

	(void)state;
	assert_int_equal(yr_scanner_create(rules, &scanner), ERROR_SUCCESS);
	for (size_t i = 0; i < LENGTH(places); i++) {
		memset(program.code, 0, sizeof program.code);
		memcpy(program.code + places[i], "ENTRY", 5);
		program.head.e_entry = offsetof(typeof(program), code) + places[i];
		assert_int_equal(scan_new(rules, (uint8_t *)&program, sizeof program), 2);
		assert_int_equal(scan_kept(scanner, (uint8_t *)&program, sizeof program, true), 2);
		program.head.e_entry++;
		assert_int_equal(scan_kept(scanner, (uint8_t *)&program, sizeof program, true), 0);
		assert_int_equal(scan_kept(scanner, program.code, sizeof program.code, true), 0);
	}
	yr_scanner_destroy(scanner);
	yr_rules_destroy(rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conditions_read_content_without_strings),
		cmocka_unit_test(each_content_has_its_own_entry_point),
	};

	return cmocka_run_group_tests(tests, start_libyara, stop_libyara);
}
