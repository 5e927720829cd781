/* SPDX-License-Identifier: MIT */
/* What is a URL of a service, and what it becomes on the wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engines/icap/icap.h"
#include "util/error.h"

static const struct {
	const char *url;
	const char *host, *port, *text; /* NULL: refused, with `why` in the message */
	bool secure;
	const char *why;
} rows[] = {
	{"icap://127.0.0.1:1344/avscan", "127.0.0.1", "1344", "icap://127.0.0.1:1344/avscan", false,
		NULL},
	{"icap://av.example/avscan", "av.example", "1344", "icap://av.example:1344/avscan", false,
		NULL},
	{"icaps://av.example/scan", "av.example", "11344", "icap://av.example:11344/scan", true,
		NULL},
	{"icap://[::1]/a/b?c=d&e", "::1", "1344", "icap://[::1]:1344/a/b?c=d&e", false, NULL},
	{"icap://[::1]:99/x", "::1", "99", "icap://[::1]:99/x", false, NULL},
	{"icap://h:65535/x", "h", "65535", "icap://h:65535/x", false, NULL},
	{"", NULL, NULL, NULL, false, "scheme"},
	{"http://h/x", NULL, NULL, NULL, false, "scheme"},
	{"ICAP://h/x", NULL, NULL, NULL, false, "scheme"},
	{"icap://h", NULL, NULL, NULL, false, "service"},
	{"icap://h/", NULL, NULL, NULL, false, "service"},
	{"icap:///x", NULL, NULL, NULL, false, "host"},
	{"icap://:1344/x", NULL, NULL, NULL, false, "host"},
	{"icap://h:/x", NULL, NULL, NULL, false, "port"},
	{"icap://h:0/x", NULL, NULL, NULL, false, "port"},
	{"icap://h:65536/x", NULL, NULL, NULL, false, "port"},
	{"icap://h:+1/x", NULL, NULL, NULL, false, "port"},
	{"icap://h:01344/x", NULL, NULL, NULL, false, "port"},
	{"icap://h:1344x/x", NULL, NULL, NULL, false, "port"},
	{"icap://::1/x", NULL, NULL, NULL, false, "brackets"},
	{"icap://user@h/x", NULL, NULL, NULL, false, "character"},
	{"icap://h/x y", NULL, NULL, NULL, false, "character"},
	{"icap://h/x\r\nHost: evil", NULL, NULL, NULL, false, "character"},
	{"icap://h/x#y", NULL, NULL, NULL, false, "character"},
	{"icap://h/\xc3\xa4", NULL, NULL, NULL, false, "character"},
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		sb_icap_url url;
		struct sb_error error;
		int status;

		sb_error_init(&error);
		status = sb_icap_url_parse(rows[i].url, &url, &error);
		if (rows[i].text == NULL) {
			assert_int_equal(status, -(int)SB_KIND_NOT_CONFIGURED);
			assert_non_null(strstr(error.message, rows[i].why));
			continue;
		}
		assert_int_equal(status, 0);
		assert_string_equal(url.address.host, rows[i].host);
		assert_string_equal(url.address.port, rows[i].port);
		assert_string_equal(url.text, rows[i].text);
		assert_int_equal(url.secure, rows[i].secure);
	}
}

/* A host and a whole URL at their limits. */
static void test_limits(void **state)
{
	char text[1200];
	sb_icap_url url;

	(void)state;
	for (size_t length = 254; length <= 256; length++) {
		memset(text, 'h', sizeof text);
		memcpy(text, "icap://", 7);
		memcpy(text + 7 + length, "/x", 3);
		assert_int_equal(sb_icap_url_parse(text, &url, NULL) == 0, length <= 255);
	}
	for (size_t length = sizeof url.text - 2; length <= sizeof url.text; length++) {
		memset(text, 's', sizeof text);
		memcpy(text, "icap://h:1344/", 14);
		text[length] = '\0';
		assert_int_equal(
			sb_icap_url_parse(text, &url, NULL) == 0, length < sizeof url.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
