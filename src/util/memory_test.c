/* SPDX-License-Identifier: MIT */
/* Arenas and buffers: ceilings hold to the byte, and nothing overlaps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "util/arena.h"
#include "util/buf.h"

/* --- Arena ------------------------------------------------------------------------------ */

static void test_arena_pieces(void **state)
{
	enum { PIECES = 500 };
	static char *pieces[PIECES];
	sb_arena arena;

	(void)state;
	sb_arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < PIECES; i++) {
		pieces[i] = sb_arena_alloc(&arena, i);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
		memset(pieces[i], (int)i, i);
	}
	for (size_t i = 0; i < PIECES; i++)
		for (size_t k = 0; k < i; k++)
			assert_int_equal((unsigned char)pieces[i][k], i % 256);
	sb_arena_done(&arena);
	/* And from the start again. */
	assert_non_null(sb_arena_alloc(&arena, 10));
	sb_arena_done(&arena);
}

static void test_arena_ceiling(void **state)
{
	sb_arena arena;
	size_t got = 0;

	(void)state;
	sb_arena_init(&arena, 10000);
	while (sb_arena_alloc(&arena, 16) != NULL)
		got += 16;
	assert_in_range(got, 9900, 10000);
	sb_arena_done(&arena);
	assert_null(sb_arena_alloc(&arena, 10001));
	assert_non_null(sb_arena_alloc(&arena, 10000));
	assert_null(sb_arena_alloc(&arena, 1));
	sb_arena_done(&arena);
	sb_arena_init(&arena, SIZE_MAX);
	assert_null(sb_arena_alloc(&arena, SIZE_MAX));
	assert_null(sb_arena_alloc(&arena, SIZE_MAX - 16));
	assert_null(sb_arena_copy(&arena, "x", SIZE_MAX));
	sb_arena_done(&arena);
}

static void test_arena_copies(void **state)
{
	static const char zeros[64];
	sb_arena arena;

	(void)state;
	sb_arena_init(&arena, 1000);
	assert_non_null(sb_arena_alloc(&arena, 0)); /* nothing is not out of memory */
	assert_string_equal(sb_arena_text(&arena, "word"), "word");
	assert_string_equal(sb_arena_text(&arena, NULL), "");
	assert_string_equal(sb_arena_copy(&arena, "long", 2), "lo");
	assert_string_equal(sb_arena_copy(&arena, NULL, 3), "");
	memset(sb_arena_alloc(&arena, 64), 1, 64);
	assert_memory_equal(sb_arena_zalloc(&arena, 64), zeros, 64);
	sb_arena_done(&arena);
}

/* --- Buffer ----------------------------------------------------------------------------- */

static void test_buf_grows_and_cuts(void **state)
{
	sb_buf buf;
	char *taken;

	(void)state;
	sb_buf_init(&buf, 100000);
	sb_buf_clear(&buf);
	for (int i = 0; i < 1000; i++) {
		sb_buf_printf(&buf, "%04d", i);
		sb_buf_char(&buf, ';');
	}
	assert_int_equal(buf.length, 5000);
	assert_memory_equal(buf.data + 4990, "0998;0999;", 11);
	sb_buf_cut(&buf, 6000);
	assert_int_equal(buf.length, 5000);
	sb_buf_cut(&buf, 4);
	sb_buf_text(&buf, "!");
	assert_string_equal(buf.data, "0000!");
	sb_buf_printf(&buf, "%0300d", 7); /* longer than the space on the stack */
	assert_int_equal(buf.length, 305);
	assert_int_equal(buf.data[304], '7');
	taken = sb_buf_take(&buf);
	assert_int_equal(strlen(taken), 305);
	free(taken);
	assert_null(buf.data);
	assert_null(sb_buf_take(&buf));
	sb_buf_text(&buf, "x");
	sb_buf_clear(&buf);
	assert_null(sb_buf_take(&buf)); /* empty, though it had space */
}

static void test_buf_ceiling(void **state)
{
	sb_buf buf;

	(void)state;
	sb_buf_init(&buf, 5);
	sb_buf_text(&buf, "1234");
	sb_buf_char(&buf, '5');
	assert_false(buf.failed);
	sb_buf_add(&buf, NULL, 0);
	assert_false(buf.failed);
	sb_buf_char(&buf, '6');
	assert_true(buf.failed);
	assert_string_equal(buf.data, "12345");
	sb_buf_cut(&buf, 2);
	sb_buf_char(&buf, 'x'); /* once failed it stays so */
	assert_string_equal(buf.data, "12");
	assert_null(sb_buf_take(&buf));
	sb_buf_text(&buf, "again");
	assert_false(buf.failed);
	sb_buf_clear(&buf);
	sb_buf_printf(&buf, "%s", "123456");
	assert_true(buf.failed);
	sb_buf_done(&buf);
	sb_buf_init(&buf, SIZE_MAX);
	sb_buf_char(&buf, 'x');
	assert_null(sb_buf_reserve(&buf, SIZE_MAX - 1)); /* with the NUL it would wrap to nothing */
	assert_true(buf.failed);
	sb_buf_done(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arena_pieces),
		cmocka_unit_test(test_arena_ceiling),
		cmocka_unit_test(test_arena_copies),
		cmocka_unit_test(test_buf_grows_and_cuts),
		cmocka_unit_test(test_buf_ceiling),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
