/* SPDX-License-Identifier: MIT */
/* The format of rule bundles: what is written is read, every limit at its edges, every cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/pack.h"

#define RULE "rule r { condition: true }"

static sb_pack_entry entry(const char *name, const char *text, bool is_sample)
{
	return (sb_pack_entry){.name = name,
		.data = (const uint8_t *)text,
		.length = strlen(text),
		.is_sample = is_sample};
}

/* A payload; NULL: it is read well, else why it isn't. */
static const char *read_payload(const sb_pack *pack, const sb_pack_entry *entries, size_t count)
{
	static char why[256];
	const char *problem;
	sb_pack again;
	sb_buf out;

	sb_buf_init(&out, SB_PACK_BYTES);
	sb_pack_write(&out, pack);
	for (size_t i = 0; i < count; i++)
		sb_pack_write_entry(&out, &entries[i]);
	assert_false(out.failed);
	problem = sb_pack_read(&again, out.data, out.length);
	snprintf(why, sizeof why, "%s", problem != NULL ? problem : "");
	sb_buf_done(&out);
	return problem != NULL ? why : NULL;
}

static const char *read_one(const char *name, uint64_t version, const char *path, const char *text)
{
	const sb_pack pack = {.name = name, .version = version, .files = 1};
	const sb_pack_entry file = entry(path, text, false);

	return read_payload(&pack, &file, 1);
}

static void what_is_written_is_read(void **state)
{
	const sb_pack_entry entries[] = {entry("a.yar", RULE, false), entry("b/c.inc", "", false),
		entry("b/d.YARA", "// nothing\n", false), entry("My.Rule", "\x9c\x9e", true)};
	const sb_pack pack = {
		.name = "ours", .version = 7, .created = 1700000000, .files = 3, .samples = 1};
	sb_pack_place place = {0};
	sb_pack_entry got;
	sb_pack again;
	sb_buf out;

	(void)state;
	sb_buf_init(&out, 4096);
	sb_pack_write(&out, &pack);
	for (size_t i = 0; i < 4; i++)
		sb_pack_write_entry(&out, &entries[i]);
	assert_null(sb_pack_read(&again, out.data, out.length));
	assert_string_equal(again.name, "ours");
	assert_int_equal(again.version, 7);
	assert_int_equal(again.created, 1700000000);
	for (size_t i = 0; i < 4; i++) {
		assert_true(sb_pack_next(&again, &place, &got));
		assert_string_equal(got.name, entries[i].name);
		assert_int_equal(got.length, entries[i].length);
		assert_memory_equal(got.data, entries[i].data, got.length);
		assert_int_equal(got.is_sample, entries[i].is_sample);
	}
	assert_false(sb_pack_next(&again, &place, &got));
	/* Every cut is told, and so is what stands behind the end. */
	for (size_t length = 0; length < out.length; length++) {
		char *cut = malloc(length > 0 ? length : 1); /* where reading beyond it shows */

		assert_non_null(cut);
		memcpy(cut, out.data, length);
		assert_non_null(sb_pack_read(&again, cut, length));
		free(cut);
	}
	sb_buf_char(&out, 'x');
	assert_non_null(sb_pack_read(&again, out.data, out.length));
	sb_buf_done(&out);
}

static void head_names_what_follows(void **state)
{
	uint8_t id[SB_PACK_KEY_ID], bytes[SB_PACK_HEAD + 5];
	sb_pack_head head;

	(void)state;
	memset(id, 0xab, sizeof id);
	sb_pack_head_write(bytes, id, 5);
	memcpy(bytes + SB_PACK_HEAD, "hello", 5);
	assert_null(sb_pack_head_read(&head, bytes, sizeof bytes));
	assert_memory_equal(head.key_id, id, sizeof id);
	assert_int_equal(head.payload_length, 5);
	assert_memory_equal(head.payload, "hello", 5);
	/* All but the magic and the signature itself. */
	assert_ptr_equal(head.signed_bytes, bytes + 72);
	assert_int_equal(head.signed_length, sizeof bytes - 72);
	for (size_t length = 0; length < sizeof bytes; length++)
		assert_non_null(sb_pack_head_read(&head, bytes, length));
	for (size_t i = 0; i < SB_PACK_HEAD; i++) {
		bool is_free = (i >= 8 && i < 72) || (i >= 92 && i < 124); /* signature, key id */

		bytes[i] ^= 1;
		assert_true((sb_pack_head_read(&head, bytes, sizeof bytes) == NULL) == is_free);
		bytes[i] ^= 1;
	}
}

static void size_has_a_limit(void **state)
{
	const uint8_t id[SB_PACK_KEY_ID] = {0};
	uint8_t *bytes = calloc(1, SB_PACK_BYTES + 1);
	sb_pack_head head;

	(void)state;
	assert_non_null(bytes);
	for (int more = -1; more <= 1; more++) {
		size_t length = (size_t)(SB_PACK_BYTES + more);

		sb_pack_head_write(bytes, id, length - SB_PACK_HEAD);
		assert_true((sb_pack_head_read(&head, bytes, length) == NULL) == (more <= 0));
	}
	free(bytes);
}

static void names(void **state)
{
	static const struct {
		const char *name;
		bool good;
	} rows[] = {{"a", true}, {"0-9_.z", true}, {"", false}, {".a", false}, {"-a", false},
		{"A", false}, {"a/b", false}, {"a b", false}, {"..", false}, {"\xc3\xa4", false}};
	char longest[SB_PACK_NAME + 2];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_true((read_one(rows[i].name, 1, "a.yar", RULE) == NULL) == rows[i].good);
	for (size_t length = SB_PACK_NAME - 1; length <= SB_PACK_NAME + 1; length++) {
		memset(longest, 'a', length);
		longest[length] = '\0';
		assert_true(
			(read_one(longest, 1, "a.yar", RULE) == NULL) == (length <= SB_PACK_NAME));
	}
}

static void versions(void **state)
{
	(void)state;
	assert_non_null(read_one("a", 0, "a.yar", RULE));
	assert_null(read_one("a", 1, "a.yar", RULE));
	assert_null(read_one("a", SB_PACK_VERSION_MAX - 1, "a.yar", RULE));
	assert_null(read_one("a", SB_PACK_VERSION_MAX, "a.yar", RULE));
	assert_non_null(read_one("a", SB_PACK_VERSION_MAX + 1, "a.yar", RULE));
	assert_non_null(read_one("a", UINT64_MAX, "a.yar", RULE));
}

/* What leads out of a folder, or would be another name for the same file. */
static void paths_are_confined(void **state)
{
	static const char *const bad[] = {"", "/a.yar", "../a.yar", "a/../b.yar", "a/./b.yar",
		"./a.yar", "a//b.yar", "a/.yar", ".a.yar", "a/.b/c.yar", "a\\b.yar", "a\nb.yar",
		"a\x7f.yar", "\xff.yar", "a.yar/"};
	static const char *const good[] = {
		"a.yar", "a..b.yar", "a/b c.yara", "\xc3\xa4.YAR", "a.b/c.yar"};
	char path[SB_PACK_PATH + 2];

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_non_null(read_one("a", 1, bad[i], RULE));
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_null(read_one("a", 1, good[i], RULE));
	for (size_t length = SB_PACK_PATH - 1; length <= SB_PACK_PATH + 1; length++) {
		memset(path, 'a', length);
		memcpy(path + length - 4, ".yar", 5);
		assert_true((read_one("a", 1, path, RULE) == NULL) == (length <= SB_PACK_PATH));
	}
	for (unsigned steps = SB_PACK_DEPTH - 1; steps <= SB_PACK_DEPTH + 1; steps++) {
		path[0] = '\0';
		for (unsigned i = 1; i < steps; i++)
			memcpy(path + 2 * (i - 1), "d/", 3);
		memcpy(path + strlen(path), "a.yar", 6);
		assert_true((read_one("a", 1, path, RULE) == NULL) == (steps <= SB_PACK_DEPTH));
	}
}

static void files_ascend(void **state)
{
	static const char *const rows[][2] = {{"b.yar", "a.yar"}, {"a.yar", "a.yar"}};
	const sb_pack pack = {.name = "a", .version = 1, .files = 2};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const sb_pack_entry files[] = {
			entry(rows[i][0], RULE, false), entry(rows[i][1], RULE, false)};
		assert_string_equal(
			read_payload(&pack, files, 2), "paths are not in ascending order");
	}
}

/* @p files, then @p samples, all alike but for their names. */
static const char *read_many(uint32_t files, uint32_t samples)
{
	const sb_pack pack = {.name = "a", .version = 1, .files = files, .samples = samples};
	sb_pack_entry *entries = calloc(files + samples + 1, sizeof *entries);
	char(*paths)[16] = calloc(files + 1, sizeof *paths);
	const char *problem;

	assert_non_null(entries);
	assert_non_null(paths);
	for (uint32_t i = 0; i < files; i++) {
		snprintf(paths[i], sizeof paths[i], "%06u.yar", i);
		entries[i] = entry(paths[i], RULE, false);
	}
	for (uint32_t i = 0; i < samples; i++)
		entries[files + i] = entry("r", "x", true);
	problem = read_payload(&pack, entries, files + samples);
	free(paths);
	free(entries);
	return problem;
}

static void numbers_have_limits(void **state)
{
	(void)state;
	assert_non_null(read_many(0, 0));
	assert_null(read_many(1, 0));
	assert_null(read_many(SB_PACK_FILES - 1, 0));
	assert_null(read_many(SB_PACK_FILES, 0));
	assert_non_null(read_many(SB_PACK_FILES + 1, 0));
	assert_null(read_many(1, SB_PACK_SAMPLES - 1));
	assert_null(read_many(1, SB_PACK_SAMPLES));
	assert_non_null(read_many(1, SB_PACK_SAMPLES + 1));
}

static void entries_are_what_they_should(void **state)
{
	const sb_pack one = {.name = "a", .version = 1, .files = 1};
	const sb_pack both = {.name = "a", .version = 1, .files = 1, .samples = 1};
	char rule[SB_PACK_RULE + 2];
	sb_pack_entry entries[] = {entry("a.yar", RULE, false), entry(rule, "x", true)};
	sb_pack_entry nul = {.name = "a.yar", .data = (const uint8_t *)"a\0b", .length = 3};

	(void)state;
	assert_non_null(read_payload(&one, &nul, 1));     /* a NUL byte: compiled rules, or worse */
	assert_non_null(read_one("a", 1, "a.inc", RULE)); /* nothing to compile */
	for (size_t length = SB_PACK_RULE - 1; length <= SB_PACK_RULE + 1; length++) {
		memset(rule, 'r', length);
		rule[length] = '\0';
		assert_true((read_payload(&both, entries, 2) == NULL) == (length <= SB_PACK_RULE));
	}
	entries[1] = entry("a b", "x", true);
	assert_non_null(read_payload(&both, entries, 2));
	entries[1] = entry("r", "", true);
	assert_non_null(read_payload(&both, entries, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(head_names_what_follows),
		cmocka_unit_test(size_has_a_limit),
		cmocka_unit_test(names),
		cmocka_unit_test(versions),
		cmocka_unit_test(paths_are_confined),
		cmocka_unit_test(files_ascend),
		cmocka_unit_test(numbers_have_limits),
		cmocka_unit_test(entries_are_what_they_should),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
