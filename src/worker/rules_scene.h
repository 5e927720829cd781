/* SPDX-License-Identifier: MIT */
/* Rules of every kind, compiled, and content in which their strings happen; for tests. */
#ifndef SB_WORKER_RULES_SCENE_H
#define SB_WORKER_RULES_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/trie.h"

#define LENGTH(table) (sizeof(table) / sizeof *(table))

/* Every kind of string, those that share beginnings, that end in each other, of one byte, and
 * those for which libyara looks at every place. */
static const char *const sets[] = {
	"rule a { condition: filesize < 100 }",
	"rule a { strings: $a = \"a\" condition: #a > 0 }",
	"rule a { strings: $a = \"abab\" $b = \"bab\" $c = \"ab\" $d = \"b\" condition: any of "
	"them }",
	"rule a { strings: $a = \"Abc\" nocase wide ascii $b = \"cba\" fullword condition: any of "
	"them }",
	"rule a { strings: $a = \"abcabc\" xor(1-255) $b = \"bcabca\" base64 condition: any of "
	"them }",
	"rule a { strings: $a = { 61 ?? 62 [1-3] 63 } $b = { 6? 6? 61 62 63 } condition: any of "
	"them }",
	"rule a { strings: $a = /a(b|c)+a/ $b = /[ab]{2,5}c/ nocase $c = /c.{0,9}a/s condition: "
	"any of "
	"them }",
	"rule a { strings: $a = /.b./ $b = /[a-d]{3}/ $c = \"abcd\" condition: any of them }",
	"rule a { strings: $a = \"dcba\" condition: $a }\n"
	"rule b { strings: $a = \"dcb\" condition: not $a }\n"
	"rule c { strings: $a = \"cb\" $b = \"zzzz\" condition: #a > 2 and not $b }",
};

static inline YR_RULES *compile(const char *text)
{
	YR_COMPILER *compiler = NULL;
	YR_RULES *rules = NULL;

	assert_int_equal(yr_compiler_create(&compiler), ERROR_SUCCESS);
	assert_int_equal(yr_compiler_add_string(compiler, text, NULL), 0);
	assert_int_equal(yr_compiler_get_rules(compiler, &rules), ERROR_SUCCESS);
	yr_compiler_destroy(compiler);
	return rules;
}

static inline void add_file(YR_COMPILER *compiler, const char *path)
{
	FILE *file = fopen(path, "re");

	assert_non_null(file);
	assert_int_equal(yr_compiler_add_file(compiler, file, NULL, path), 0);
	fclose(file);
}

static inline YR_RULES *compile_bundled(void)
{
	static const char *const texts[] = {
		"filename", "filepath", "extension", "container", "mime"};
	YR_COMPILER *compiler = NULL;
	YR_RULES *rules = NULL;
	char pattern[4096];
	glob_t found;

	assert_non_null(getenv("SCANBRIDGE_RULES"));
	snprintf(pattern, sizeof pattern, "%s/*.yar", getenv("SCANBRIDGE_RULES"));
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	assert_int_equal(yr_compiler_create(&compiler), ERROR_SUCCESS);
	for (size_t i = 0; i < LENGTH(texts); i++)
		yr_compiler_define_string_variable(compiler, texts[i], "");
	yr_compiler_define_integer_variable(compiler, "depth", 0);
	yr_compiler_define_integer_variable(compiler, "size", 0);
	for (size_t i = 0; i < found.gl_pathc; i++)
		add_file(compiler, found.gl_pathv[i]);
	assert_int_equal(yr_compiler_get_rules(compiler, &rules), ERROR_SUCCESS);
	yr_compiler_destroy(compiler);
	globfree(&found);
	return rules;
}

/* More states than are ever completed. */
static inline YR_RULES *compile_many(unsigned strings)
{
	size_t room = strings * 32 + 100, length;
	char *text = malloc(room);
	YR_RULES *rules;

	assert_non_null(text);
	length = (size_t)snprintf(text, room, "rule a { strings: ");
	for (unsigned i = 0; i < strings; i++)
		length += (size_t)snprintf(text + length, room - length, "$ = \"%c%04x\" ",
			'a' + i % 4, i * 2654435761u >> 16);
	snprintf(text + length, room - length, "condition: any of them }");
	rules = compile(text);
	free(text);
	return rules;
}

/* Of few letters, so that strings happen. */
static inline void make_content(uint8_t *out, size_t size, unsigned seed)
{
	static const char letters[] = "abcdABC\0\1z";

	for (size_t i = 0; i < size; i++) {
		seed = seed * 1103515245u + 12345u;
		out[i] = (uint8_t)letters[(seed >> 16) % (sizeof letters - 1)];
	}
}

/* Fixtures of a group. Unless it keeps nothing of content, libyara puts matches behind it where
 * they are not aligned. */
static inline int start_libyara(void **state)
{
	uint32_t none = 0;

	(void)state;
	return yr_initialize() != ERROR_SUCCESS ||
	       yr_set_configuration(YR_CONFIG_MAX_MATCH_DATA, &none) != ERROR_SUCCESS;
}

static inline int stop_libyara(void **state)
{
	(void)state;
	return yr_finalize() != ERROR_SUCCESS;
}

static inline sb_trie trie_of(YR_RULES *rules)
{
	sb_trie trie;

	assert_true(sb_trie_of(&trie, rules));
	return trie;
}

#endif
