/* SPDX-License-Identifier: MIT */
/* A kept scanner that gets its strings from us says of each content what a new one of libyara's
 * says of it: strings, their places, and what conditions make of them. */
#include "rules_scene.h"

#include <elf.h>

#include "worker/search.h"

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

static uint32_t scan_kept(
	const sb_search *search, YR_SCANNER *scanner, const uint8_t *data, size_t size)
{
	uint32_t matched = 0;

	yr_scanner_set_callback(scanner, note, &matched);
	assert_int_equal(sb_search_scan(search, scanner, data, size), ERROR_SUCCESS);
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

static void conditions_read_content(void **state)
{
	YR_RULES *rules = compile(text);
	static sb_search search;
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
	sb_search_of(&search, rules);
	assert_int_equal(yr_scanner_create(rules, &scanner), ERROR_SUCCESS);
	for (unsigned i = 0; i < 4 * LENGTH(rows); i++) {
		size_t row = i * 3 % LENGTH(rows);

		assert_int_equal(
			scan_new(rules, rows[row].data, rows[row].size), rows[row].expected);
		assert_int_equal(scan_kept(&search, scanner, rows[row].data, rows[row].size),
			rows[row].expected);
	}
	yr_scanner_destroy(scanner);
	yr_rules_destroy(rules);
}

/* --- Strings ------------------------------------------------------------------------------------
 */

typedef struct findings {
	uint64_t sum, count;
} findings;

static void mix(findings *f, uint64_t value)
{
	f->sum = (f->sum ^ value) * 1099511628211u;
}

static int note_strings(YR_SCAN_CONTEXT *context, int message, void *data, void *user)
{
	findings *f = user;
	YR_RULE *rule = data;
	YR_STRING *string;
	YR_MATCH *match;

	if (message != CALLBACK_MSG_RULE_MATCHING && message != CALLBACK_MSG_RULE_NOT_MATCHING)
		return CALLBACK_CONTINUE;
	mix(f, (uint64_t)message);
	yr_rule_strings_foreach(rule, string)
	{
		yr_string_matches_foreach(context, string, match)
		{
			f->count++;
			mix(f, string->idx);
			mix(f, (uint64_t)match->offset);
			mix(f, (uint64_t)match->match_length);
		}
	}
	return CALLBACK_CONTINUE;
}

static findings scan_all(YR_RULES *rules, const sb_search *search)
{
	findings f = {.sum = 0};
	YR_SCANNER *scanner;
	uint8_t content[700];

	assert_int_equal(yr_scanner_create(rules, &scanner), ERROR_SUCCESS);
	yr_scanner_set_callback(scanner, note_strings, &f);
	for (unsigned seed = 0; seed < 60; seed++) {
		size_t size = seed * 11u;

		make_content(content, sizeof content, seed);
		assert_int_equal(search != NULL ? sb_search_scan(search, scanner, content, size)
						: yr_scanner_scan_mem(scanner, content, size),
			ERROR_SUCCESS);
	}
	yr_scanner_destroy(scanner);
	return f;
}

static void the_same_is_found(void **state)
{
	static sb_search search;
	unsigned usable = 0;
	uint64_t count = 0;

	(void)state;
	for (size_t i = 0; i < LENGTH(sets); i++) {
		YR_RULES *rules = compile(sets[i]);
		findings own = scan_all(rules, NULL), ours;

		sb_search_of(&search, rules);
		usable += search.atoms.usable;
		ours = scan_all(rules, &search);
		assert_int_equal(own.count, ours.count);
		assert_true(own.sum == ours.sum);
		count += own.count;
		yr_rules_destroy(rules);
	}
	assert_int_equal(usable, sb_search_is_quick ? LENGTH(sets) - 1 : 0);
	assert_true(count > 10000);
}

/* A rule may not match more than a million times: as libyara's, the scan ends with its error. */
static int refuse_more(YR_SCAN_CONTEXT *context, int message, void *data, void *user)
{
	(void)context;
	(void)data;
	(void)user;
	return message == CALLBACK_MSG_TOO_MANY_MATCHES ? CALLBACK_ABORT : CALLBACK_CONTINUE;
}

static void an_error_ends_it(void **state)
{
	const size_t size = YR_MAX_STRING_MATCHES + 1;
	YR_RULES *rules = compile("rule a { strings: $a = \"a\" condition: #a > 1 }");
	uint8_t *content = malloc(size);
	static sb_search search;
	YR_SCANNER *scanner;

	(void)state;
	assert_non_null(content);
	memset(content, 'a', size);
	sb_search_of(&search, rules);
	assert_int_equal(yr_scanner_create(rules, &scanner), ERROR_SUCCESS);
	yr_scanner_set_callback(scanner, refuse_more, NULL);
	for (size_t less = 0; less < 2; less++) {
		int expected = less == 0 ? ERROR_TOO_MANY_MATCHES : ERROR_SUCCESS;

		assert_int_equal(yr_scanner_scan_mem(scanner, content, size - less), expected);
		assert_int_equal(sb_search_scan(&search, scanner, content, size - less), expected);
	}
	yr_scanner_destroy(scanner);
	yr_rules_destroy(rules);
	free(content);
}

/* --- Entry points ------------------------------------------------------------------------------
 */

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
	static sb_search search;
	YR_SCANNER *scanner;

	(void)state;
	sb_search_of(&search, rules);
	assert_int_equal(yr_scanner_create(rules, &scanner), ERROR_SUCCESS);
	for (size_t i = 0; i < LENGTH(places); i++) {
		memset(program.code, 0, sizeof program.code);
		memcpy(program.code + places[i], "ENTRY", 5);
		program.head.e_entry = offsetof(typeof(program), code) + places[i];
		assert_int_equal(scan_new(rules, (uint8_t *)&program, sizeof program), 2);
		assert_int_equal(
			scan_kept(&search, scanner, (uint8_t *)&program, sizeof program), 2);
		program.head.e_entry++;
		assert_int_equal(
			scan_kept(&search, scanner, (uint8_t *)&program, sizeof program), 0);
		assert_int_equal(scan_kept(&search, scanner, program.code, sizeof program.code), 0);
	}
	yr_scanner_destroy(scanner);
	yr_rules_destroy(rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conditions_read_content),
		cmocka_unit_test(the_same_is_found),
		cmocka_unit_test(an_error_ends_it),
		cmocka_unit_test(each_content_has_its_own_entry_point),
	};

	return cmocka_run_group_tests(tests, start_libyara, stop_libyara);
}
