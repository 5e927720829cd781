/* SPDX-License-Identifier: MIT */
/* What OPTIONS tells, and what it may not tell. */
#include "wire/icap_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static sb_icap_reply reply;
static sb_icap_options options;

static const char *read_options(const char *headers)
{
	static char text[SB_ICAP_BLOCK_MAX];
	sb_icap_span bytes = {text, 0}, data;

	bytes.length = (size_t)snprintf(text, sizeof text, "ICAP/1.0 200 OK\r\n%s\r\n", headers);
	sb_icap_reply_begin(&reply, SB_ICAP_OPTIONS);
	assert_int_equal(sb_icap_reply_next(&reply, &bytes, &data), SB_ICAP_HEAD);
	return sb_icap_options_read(&reply, &options);
}

#define METHODS "Methods: RESPMOD\r\n"

/* As c-icap 0.5.10 with virus_scan sent them. */
static void test_captured(void **state)
{
	(void)state;
	assert_null(read_options("Methods: RESPMOD, REQMOD\r\n"
				 "Service: C-ICAP/0.5.10 server - Antivirus service\r\n"
				 "ISTag: \"CI0001-L5CkDhq+qWNs+PZ5DxxXsAAA\"\r\n"
				 "Transfer-Preview: *\r\nOptions-TTL: 3600\r\n"
				 "Date: Thu, 26 Nov 2026 18:23:25 GMT\r\nPreview: 1024\r\n"
				 "Allow: 204\r\nX-Include: X-Authenticated-User\r\n"
				 "Encapsulated: null-body=0\r\n"));
	assert_true(options.reqmod && options.respmod && options.allow_204);
	assert_true(options.has_preview && options.has_ttl);
	assert_int_equal(options.preview, 1024);
	assert_int_equal(options.ttl_s, 3600);
	assert_int_equal(options.max_connections, 0);
	assert_string_equal(options.tag, "CI0001-L5CkDhq+qWNs+PZ5DxxXsAAA");
	assert_string_equal(options.service, "C-ICAP/0.5.10 server - Antivirus service");
}

static void test_numbers(void **state)
{
	(void)state;
	assert_null(read_options(METHODS));
	assert_false(options.has_preview || options.has_ttl || options.reqmod);
	assert_null(read_options(METHODS "Preview: 0\r\nMax-Connections: 7\r\nOptions-TTL: 0\r\n"));
	assert_true(options.has_preview && options.has_ttl);
	assert_int_equal(options.max_connections, 7);
	assert_null(read_options(METHODS "Preview: 65535\r\n"));
	assert_int_equal(options.preview, 65535);
	assert_null(read_options(METHODS "Preview: 65536\r\n"));
	assert_int_equal(options.preview, SB_ICAP_PREVIEW_MAX);
	assert_null(read_options(METHODS "Preview: 65537\r\n"));
	assert_int_equal(options.preview, SB_ICAP_PREVIEW_MAX);
	assert_null(read_options(METHODS "Max-Connections: 99999999999\r\n"));
	assert_int_equal(options.max_connections, UINT32_MAX);
	assert_non_null(read_options(METHODS "Preview: many\r\n"));
	assert_non_null(read_options(METHODS "Max-Connections: -1\r\n"));
	assert_non_null(read_options(METHODS "Options-TTL: \r\n"));
	assert_non_null(read_options("Allow: 204\r\n"));
}

static void tag_of(size_t length, const char *end)
{
	char text[SB_ICAP_TAG_MAX + 64] = METHODS "ISTag: \"";
	size_t used = strlen(text);

	memset(text + used, 't', length);
	snprintf(text + used + length, sizeof text - used - length, "%s\"\r\n", end);
	assert_null(read_options(text));
}

static void test_tag(void **state)
{
	(void)state;
	for (size_t length = SB_ICAP_TAG_MAX - 1; length <= SB_ICAP_TAG_MAX + 1; length++) {
		tag_of(length, "");
		assert_int_equal(strlen(options.tag), length <= SB_ICAP_TAG_MAX ? length : 0);
	}
	tag_of(3, "\xff"); /* can't be shown as it is */
	assert_string_equal(options.tag, "");
	assert_null(read_options(METHODS "ISTag: bare\r\nService: caf\xc3\xa9\r\n"));
	assert_string_equal(options.tag, "bare");
	assert_string_equal(options.service, "caf");
}

static void test_service_is_cut(void **state)
{
	char text[160] = METHODS "Service: ";

	(void)state;
	memset(text + strlen(text), 's', 100);
	memcpy(text + strlen(text), "\r\n", 3);
	assert_null(read_options(text));
	assert_int_equal(strlen(options.service), sizeof options.service - 1);
}

/* A list that does not fit whole can't be heeded: who isn't on it? */
static void test_list_limit(void **state)
{
	static char text[SB_ICAP_LIST_MAX + 64];

	(void)state;
	for (size_t length = SB_ICAP_LIST_MAX - 3; length <= SB_ICAP_LIST_MAX - 1; length++) {
		size_t used = (size_t)snprintf(text, sizeof text, METHODS "Transfer-Ignore: ");

		memset(text + used, 'x', length);
		memcpy(text + used + length, "\r\n", 3);
		assert_int_equal(read_options(text) == NULL, length <= SB_ICAP_LIST_MAX - 2);
	}
}

static void test_transfer(void **state)
{
	static const struct {
		const char *name;
		sb_icap_transfer how;
	} rows[] = {
		{"a.html", SB_ICAP_TRANSFER_PREVIEW},
		{"a.ZIP", SB_ICAP_TRANSFER_COMPLETE},
		{"a.b.gif", SB_ICAP_TRANSFER_IGNORE},
		{"a.jpeg", SB_ICAP_TRANSFER_IGNORE},
		{"a.gi", SB_ICAP_TRANSFER_PREVIEW},
		{"gif", SB_ICAP_TRANSFER_PREVIEW},
		{"a.", SB_ICAP_TRANSFER_PREVIEW},
		{"", SB_ICAP_TRANSFER_PREVIEW},
	};

	(void)state;
	assert_null(
		read_options(METHODS "Transfer-Preview: *\r\nTransfer-Complete: exe, zip\r\n"
				     "Transfer-Ignore: gif\r\nTransfer-Ignore: jpg , jpeg\r\n"));
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_int_equal(
			sb_icap_options_transfer(&options, rows[i].name, strlen(rows[i].name)),
			rows[i].how);
	assert_null(read_options(METHODS "Transfer-Complete: *\r\nTransfer-Preview: txt\r\n"));
	assert_int_equal(sb_icap_options_transfer(&options, "a.exe", 5), SB_ICAP_TRANSFER_COMPLETE);
	assert_int_equal(sb_icap_options_transfer(&options, "a.txt", 5), SB_ICAP_TRANSFER_PREVIEW);
	assert_null(read_options(METHODS "Transfer-Ignore: *\r\nTransfer-Preview: txt\r\n"));
	assert_int_equal(sb_icap_options_transfer(&options, "a.exe", 5), SB_ICAP_TRANSFER_IGNORE);
	assert_int_equal(sb_icap_options_transfer(&options, "a.txt", 5), SB_ICAP_TRANSFER_PREVIEW);
	assert_null(read_options(METHODS));
	assert_int_equal(sb_icap_options_transfer(&options, "a.exe", 5), SB_ICAP_TRANSFER_PREVIEW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_captured),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_tag),
		cmocka_unit_test(test_service_is_cut),
		cmocka_unit_test(test_list_limit),
		cmocka_unit_test(test_transfer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
