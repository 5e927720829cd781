/* SPDX-License-Identifier: MIT */
/* Small ELF files, made here: one segment at address 0x1000 that holds the dynamic section and its
 * names. What a real linker writes, the scenarios show. */
#include <elf.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plugin/elf_needs.h"

enum { BASE = 0x1000, MOST = SB_ELF_TAGS + 2, NAMES = 3 * SB_ELF_NAME };

static struct file {
	ElfW(Ehdr) head;
	ElfW(Phdr) segments[SB_ELF_SEGMENTS + 1];
	ElfW(Dyn) tags[MOST];
	char names[NAMES];
} file;
static char why[400];

static bool check(void)
{
	memset(why, 0, sizeof why);
	return sb_elf_needs_check(&file, sizeof file, why, sizeof why);
}

static void set_tag(size_t i, int64_t tag, uint64_t value)
{
	file.tags[i].d_tag = (ElfW(Sxword))tag;
	file.tags[i].d_un.d_val = (ElfW(Xword))value;
}

/* The names, one tag with the first of them, and nothing else. */
static void make(int64_t tag, const char *name)
{
	memset(&file, 0, sizeof file);
	file.head.e_phoff = offsetof(struct file, segments);
	file.head.e_phentsize = sizeof(ElfW(Phdr));
	file.head.e_phnum = 2;
	file.segments[0] = (ElfW(Phdr)){.p_type = PT_LOAD,
		.p_offset = offsetof(struct file, tags),
		.p_vaddr = BASE,
		.p_filesz = sizeof file.tags + sizeof file.names};
	file.segments[1] = (ElfW(Phdr)){.p_type = PT_DYNAMIC, .p_vaddr = BASE};
	set_tag(0, tag, 1);
	set_tag(1, DT_STRTAB, BASE + sizeof file.tags);
	set_tag(2, DT_NULL, 0);
	strncpy(file.names + 1, name, NAMES - 2);
}

static void where_libraries_come_from(void **state)
{
	static const struct {
		int64_t tag;
		const char *name, *why;
	} rows[] = {{DT_NEEDED, "libc.so.6", NULL}, {DT_SONAME, "/a/b", NULL},
		{DT_NEEDED, "./a.so", "by its path the library ./a.so,"},
		{DT_NEEDED, "/a.so", "library /a.so,"},
		{DT_NEEDED, "$ORIGIN/a", "library $ORIGIN/a,"}, {DT_AUXILIARY, "a.so", NULL},
		{DT_AUXILIARY, "/a.so", "library /a.so,"}, {DT_FILTER, "a/b", "library a/b,"},
		{DT_RUNPATH, "/opt/x", "run path, /opt/x,"},
		{DT_RPATH, "$ORIGIN", "run path, $ORIGIN,"}, {DT_RUNPATH, "", "run path, ,"},
		{DT_RUNPATH, "/a\n\x1b[2J", "run path, /a\\x0a\\x1b[2J,"},
		{DT_AUDIT, "a", "run path"}, {DT_DEPAUDIT, "a", "run path"}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		make(rows[i].tag, rows[i].name);
		print_message("%s\n", rows[i].name);
		assert_int_equal(check(), rows[i].why == NULL);
		if (rows[i].why != NULL && strstr(why, rows[i].why) == NULL)
			fail_msg("%s: %s", rows[i].why, why);
	}
}

static void names_have_a_limit(void **state)
{
	(void)state;
	for (int more = -1; more <= 1; more++) {
		make(DT_NEEDED, "");
		memset(file.names + 1, 'a', (size_t)(SB_ELF_NAME + more));
		assert_int_equal(check(), more <= 0);
	}
	make(DT_NEEDED, "");
	for (uint64_t less = 0; less < 3; less++) { /* NUL, the last byte, behind it */
		set_tag(0, DT_NEEDED, NAMES - 2 + less);
		file.names[NAMES - 2] = 'a';
		assert_int_equal(check(), less < 2);
	}
	file.names[NAMES - 1] = 'a';
	set_tag(0, DT_NEEDED, NAMES - 1);
	assert_false(check());
	set_tag(0, DT_NEEDED, UINT64_MAX);
	assert_false(check());
}

static void entries_have_a_limit(void **state)
{
	(void)state;
	for (size_t more = 0; more < 2; more++) {
		make(DT_NEEDED, "a");
		for (size_t i = 2; i < SB_ELF_TAGS + more; i++)
			set_tag(i, DT_NEEDED, 1);
		set_tag(SB_ELF_TAGS + more, DT_NULL, 0);
		assert_int_equal(check(), more == 0);
	}
	for (int last = 0; last < 2; last++) { /* the last one is looked at as well */
		make(DT_NEEDED, "/a");
		for (size_t i = 0; i < SB_ELF_TAGS; i++)
			set_tag(i, DT_STRTAB, BASE + sizeof file.tags);
		set_tag(SB_ELF_TAGS - 1, last ? DT_RUNPATH : DT_STRTAB,
			last ? 1 : BASE + sizeof file.tags);
		set_tag(SB_ELF_TAGS, DT_NULL, 0);
		assert_int_equal(check(), !last);
	}
}

static void segments_have_a_limit(void **state)
{
	(void)state;
	for (unsigned count = SB_ELF_SEGMENTS - 1; count <= SB_ELF_SEGMENTS + 1; count++) {
		make(DT_NEEDED, "a");
		file.head.e_phnum = (ElfW(Half))count;
		assert_int_equal(check(), count <= SB_ELF_SEGMENTS);
	}
}

/* What the loader would see otherwise than we do, or not at all. */
static void damaged_tables(void **state)
{
	(void)state;
	make(DT_NEEDED, "a");
	file.head.e_phnum = 0; /* none: nothing is led anywhere */
	assert_true(check());
	file.head.e_phnum = 1;
	assert_true(check());
	make(DT_NEEDED, "a");
	file.head.e_phentsize++;
	assert_false(check());
	make(DT_NEEDED, "a");
	file.head.e_phoff = sizeof file - 1;
	assert_false(check());
	file.head.e_phoff = (ElfW(Off)) - 1;
	assert_false(check());
	make(DT_NEEDED, "a");
	file.segments[2] = file.segments[1]; /* which of them? */
	file.head.e_phnum = 3;
	assert_false(check());
	make(DT_NEEDED, "a");
	file.segments[1].p_vaddr = BASE - 1;
	assert_false(check());
	make(DT_NEEDED, "a");
	file.segments[0].p_filesz = sizeof file - offsetof(struct file, tags);
	assert_true(check());
	file.segments[0].p_filesz++; /* beyond the end of the file */
	assert_false(check());
	make(DT_NEEDED, "a");
	file.segments[0].p_offset = (ElfW(Off)) - 1;
	assert_false(check());
	make(DT_NEEDED, "a");
	set_tag(1, DT_STRTAB, BASE - 1);
	assert_false(check());
	make(DT_NEEDED, "a");
	set_tag(1, DT_DEBUG, 0); /* no names at all */
	assert_false(check());
	assert_non_null(strstr(why, "damaged"));
}

/* Of a file that ends anywhere nothing behind its end is read, and nothing good is said but where
 * all that counts is there. */
static void cut_files(void **state)
{
	const size_t whole = sizeof file;

	(void)state;
	make(DT_RUNPATH, "/opt");
	for (size_t length = 0; length < whole; length += length < 300 ? 1 : 997) {
		unsigned char *exact = malloc(length > 0 ? length : 1);

		memcpy(exact, &file, length);
		assert_false(sb_elf_needs_check(exact, length, why, sizeof why));
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_libraries_come_from),
		cmocka_unit_test(names_have_a_limit),
		cmocka_unit_test(entries_have_a_limit),
		cmocka_unit_test(segments_have_a_limit),
		cmocka_unit_test(damaged_tables),
		cmocka_unit_test(cut_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
