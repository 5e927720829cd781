/* SPDX-License-Identifier: MIT */
/* bubblewrap's status lines, as version 0.8 writes them, and what is none. */
#include "wire/bwrap_status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STARTED "{ \"child-pid\": 26806, \"pid-namespace\": 4026532186 }\n"

static void test_rows(void **state)
{
	static const struct {
		const char *text;
		int status;
	} rows[] = {
		{STARTED "{ \"exit-code\": 0 }\n", 0},
		{STARTED "{ \"exit-code\": 137 }\n", 137},
		{STARTED "{ \"exit-code\": 255 }\n", 255},
		{STARTED "{ \"exit-code\": 7 }", 7},
		/* it was never started, or something is missing */
		{"", -1},
		{"\n\n", -1},
		{STARTED, -1},
		{STARTED "{ \"exit-code\": 0", -1},
		{STARTED "{ \"exit-code\": 256 }\n", -1},
		{STARTED "{ \"exit-code\": -1 }\n", -1},
		{STARTED "{ \"exit-code\": \"0\" }\n", -1},
		{STARTED "{ \"exit-code\": 0.0 }\n", -1},
		{STARTED "{ \"exit-code\": 1, \"exit-code\": 0 }\n", -1},
		{"[{ \"exit-code\": 0 }]\n", -1},
		{"0\n", -1},
		/* the last one counts, also if it makes no sense */
		{"{ \"exit-code\": 0 }\n{ \"exit-code\": 3 }\n", 3},
		{"{ \"exit-code\": 0 }\n{ \"exit-code\": null }\n", -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		size_t length = strlen(rows[i].text);
		char *copy = malloc(length + 1);

		assert_non_null(copy);
		memcpy(copy, rows[i].text, length);
		if (sb_bwrap_status(copy, length) != rows[i].status)
			fail_msg("%s", rows[i].text);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
