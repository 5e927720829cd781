/* SPDX-License-Identifier: MIT */
/* What is an object of ours, and what its members are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/members.h"

/* At the end of an allocation, so that a step too far is seen. */
static bool read_text(sb_members *out, const char *text, char **kept)
{
	size_t length = strlen(text);

	*kept = malloc(length > 0 ? length : 1);
	assert_non_null(*kept);
	memcpy(*kept, text, length);
	return sb_members_read(out, *kept, length);
}

static void objects(void **state)
{
	static const struct {
		const char *why, *text;
		bool well;
	} rows[] = {
		{"empty", "{}", true},
		{"blanks", "{ \"a\" : 1 , \"b\" : [ ] }", true},
		{"brackets in a string", "{\"a\":\"]}{[\"}", true},
		{"nested", "{\"a\":{\"b\":[1,{\"c\":\"}\"}]}}", true},
		{"escapes", "{\"a\":\"\\\"\\\\\\u00e9\\n\"}", true},
		{"UTF-8", "{\"a\":\"\xc3\xa9\"}", true},
		{"nothing", "", false},
		{"an array", "[]", false},
		{"cut", "{\"a\":1", false},
		{"cut in a string", "{\"a\":\"b", false},
		{"cut in an escape", "{\"a\":\"\\", false},
		{"cut in a number of an escape", "{\"a\":\"\\u00", false},
		{"cut in an array", "{\"a\":[1,2", false},
		{"something behind", "{}x", false},
		{"no key", "{1:2}", false},
		{"no value", "{\"a\":}", false},
		{"no colon", "{\"a\" 1}", false},
		{"a comma too many", "{\"a\":1,}", false},
		{"the wrong bracket", "{\"a\":[1}}", false},
		{"an escape that is none", "{\"a\":\"\\q\"}", false},
		{"half a pair", "{\"a\":\"\\ud800\"}", false},
		{"a control character", "{\"a\":\"\n\"}", false},
		{"no UTF-8", "{\"a\":\"\xff\"}", false},
		{"too deep", "{\"a\":[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}", false},
	};
	sb_members members;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *kept;
		print_message("%s\n", rows[i].why);
		assert_int_equal(read_text(&members, rows[i].text, &kept), rows[i].well);
		free(kept);
	}
}

static void too_many(void **state)
{
	char text[4096] = "{\"a\":1";
	size_t used = strlen(text);
	sb_members members;

	(void)state;
	for (int i = 1; i < SB_MEMBERS_MAX; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, ",\"a\":1");
	snprintf(text + used, sizeof text - used, "}");
	assert_true(sb_members_read(&members, text, strlen(text)));
	snprintf(text + used, sizeof text - used, ",\"a\":1}");
	assert_false(sb_members_read(&members, text, strlen(text)));
}

static void assert_piece(sb_piece piece, const char *expected)
{
	if (expected == NULL) {
		assert_null(piece.data);
		return;
	}
	assert_int_equal(piece.length, strlen(expected));
	assert_memory_equal(piece.data, expected, piece.length);
}

static void finding(void **state)
{
	static const char text[] = "{\"a\":\"x\\n\",\"ab\":12,\"c\":[1,\"]\",{\"d\":2}],\"e\":null,"
				   "\"a\":\"second\"}";
	sb_members members;
	sb_piece rest, element;

	(void)state;
	assert_true(sb_members_read(&members, text, strlen(text)));
	assert_piece(sb_member_string(&members, "a"), "x\\n");
	assert_piece(sb_member(&members, "a"), "\"x\\n\"");
	assert_piece(sb_member(&members, "ab"), "12");
	assert_piece(sb_member_string(&members, "ab"), NULL);
	assert_piece(sb_member(&members, "d"), NULL);
	assert_piece(sb_member(NULL, "a"), NULL);
	rest = sb_member(&members, "c");
	assert_true(sb_elements_next(&rest, &element));
	assert_piece(element, "1");
	assert_true(sb_elements_next(&rest, &element));
	assert_piece(element, "\"]\"");
	assert_true(sb_elements_next(&rest, &element));
	assert_piece(element, "{\"d\":2}");
	assert_false(sb_elements_next(&rest, &element));
	rest = sb_member(&members, "e");
	assert_false(sb_elements_next(&rest, &element));
	rest = sb_member(&members, "none");
	assert_false(sb_elements_next(&rest, &element));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects),
		cmocka_unit_test(too_many),
		cmocka_unit_test(finding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
