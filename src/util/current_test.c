/* SPDX-License-Identifier: MIT */
/* Who ends what was replaced, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "util/current.h"

typedef struct thing {
	sb_used used;
	unsigned ended;
} thing;

static void end(sb_used *used)
{
	if (used != NULL)
		((thing *)(void *)used)->ended++;
}

static void the_last_to_leave_ends_it(void **unused)
{
	thing a = {.ended = 0}, b = {.ended = 0}, c = {.ended = 0};
	sb_current current = {.open = false};

	(void)unused;
	sb_current_close(&current); /* never opened */
	sb_current_open(&current, end);
	sb_current_replace(&current, &a.used);
	assert_ptr_equal(sb_current_use(&current), &a.used);
	assert_ptr_equal(sb_current_use(&current), &a.used);
	sb_current_replace(&current, &b.used);
	assert_ptr_equal(sb_current_use(&current), &b.used);
	sb_current_leave(&current, &a.used);
	assert_int_equal(a.ended, 0);
	sb_current_leave(&current, &a.used);
	assert_int_equal(a.ended, 1);
	sb_current_leave(&current, &b.used);
	assert_int_equal(b.ended, 0); /* it is the one to use */
	sb_current_replace(&current, &c.used);
	assert_int_equal(b.ended, 1); /* nobody was inside */
	sb_current_close(&current);
	assert_int_equal(a.ended + b.ended + c.ended, 3);
	sb_current_close(&current);
	assert_int_equal(c.ended, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_last_to_leave_ends_it)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
