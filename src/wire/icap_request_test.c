/* SPDX-License-Identifier: MIT */
/* Requests as they go out, byte by byte; every offset is counted anew here. */
#include "wire/icap_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *written(const sb_icap_request *request)
{
	static char text[SB_ICAP_HEADS_MAX + 1];
	sb_buf out;

	sb_buf_init(&out, SB_ICAP_HEADS_MAX);
	sb_icap_request_head(&out, request);
	assert_false(out.failed);
	memcpy(text, out.data, out.length + 1);
	sb_buf_done(&out);
	return text;
}

static sb_icap_request request_of(sb_icap_method method, const char *name)
{
	return (sb_icap_request){.method = method,
		.url = "icap://h:1344/s",
		.authority = "h:1344",
		.name = name,
		.name_length = strlen(name),
		.size = 68,
		.preview = SB_ICAP_NO_PREVIEW};
}

static void test_options(void **state)
{
	sb_icap_request request = request_of(SB_ICAP_OPTIONS, "");

	(void)state;
	assert_string_equal(written(&request),
		"OPTIONS icap://h:1344/s ICAP/1.0\r\nHost: h:1344\r\nUser-Agent: Scanbridge\r\n"
		"Encapsulated: null-body=0\r\n\r\n");
	request.close = true;
	assert_non_null(strstr(written(&request), "\r\nConnection: close\r\n"));
}

static void test_respmod(void **state)
{
	sb_icap_request request = request_of(SB_ICAP_RESPMOD, "eicar.com");

	(void)state;
	assert_string_equal(written(&request),
		"RESPMOD icap://h:1344/s ICAP/1.0\r\nHost: h:1344\r\nUser-Agent: Scanbridge\r\n"
		"Allow: 204\r\nEncapsulated: req-hdr=0, res-hdr=53, res-body=132\r\n\r\n"
		"GET /eicar.com HTTP/1.1\r\nHost: scanbridge.invalid\r\n\r\n"
		"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
		"Content-Length: 68\r\n\r\n");
}

static void test_reqmod_with_preview(void **state)
{
	sb_icap_request request = request_of(SB_ICAP_REQMOD, "");

	(void)state;
	request.preview = 0;
	assert_string_equal(written(&request),
		"REQMOD icap://h:1344/s ICAP/1.0\r\nHost: h:1344\r\nUser-Agent: Scanbridge\r\n"
		"Allow: 204\r\nPreview: 0\r\nEncapsulated: req-hdr=0, req-body=112\r\n\r\n"
		"POST /content HTTP/1.1\r\nHost: scanbridge.invalid\r\n"
		"Content-Type: application/octet-stream\r\nContent-Length: 68\r\n\r\n");
}

/* The offsets that Encapsulated tells are where the empty lines end, whatever the name. */
static void test_offsets(void **state)
{
	char name[600];

	(void)state;
	for (size_t length = 0; length < sizeof name; length += 7) {
		sb_icap_request request = request_of(SB_ICAP_RESPMOD, "");
		unsigned head, body;
		const char *text, *inner;

		memset(name, length % 2 != 0 ? '\xff' : 'a', sizeof name);
		request.name = name;
		request.name_length = length;
		text = written(&request);
		assert_int_equal(
			sscanf(strstr(text, "Encapsulated"),
				"Encapsulated: req-hdr=0, res-hdr=%u, res-body=%u", &head, &body),
			2);
		inner = strstr(text, "\r\n\r\n") + 4;
		assert_memory_equal(inner + head - 4, "\r\n\r\nHTTP/1.1 200 OK\r\n", 21);
		assert_memory_equal(inner + body - 4, "\r\n\r\n", 5);
	}
}

static void test_names(void **state)
{
	static const struct {
		const char *name, *path;
	} rows[] = {
		{"a b", "/a%20b "},
		{"../../etc/passwd", "/passwd "},
		{"dir/", "/content "},
		{"x\r\nHost: evil", "/x%0D%0AHost%3A%20evil "},
		{"100%", "/100%25 "},
		{"\xc3\xa4?#", "/%C3%A4%3F%23 "},
		{"-._~09azAZ", "/-._~09azAZ "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		sb_icap_request request = request_of(SB_ICAP_RESPMOD, rows[i].name);

		assert_non_null(strstr(written(&request), rows[i].path));
	}
}

/* Of a long name the end is sent: the extension stands there. */
static void test_name_limit(void **state)
{
	char name[SB_ICAP_NAME_MAX + 1];

	(void)state;
	for (size_t length = SB_ICAP_NAME_MAX - 1; length <= SB_ICAP_NAME_MAX + 1; length++) {
		sb_icap_request request = request_of(SB_ICAP_RESPMOD, "");
		const char *path;

		memset(name, 'b', sizeof name);
		name[0] = 'a';
		request.name = name;
		request.name_length = length;
		path = strstr(written(&request), "GET /") + 5;
		assert_int_equal(path[0], length <= SB_ICAP_NAME_MAX ? 'a' : 'b');
		assert_int_equal(
			strcspn(path, " "), length <= SB_ICAP_NAME_MAX ? length : SB_ICAP_NAME_MAX);
	}
}

/* What an echo is compared with is what was sent. */
static void test_message(void **state)
{
	static sb_icap_block block;
	sb_icap_request request = request_of(SB_ICAP_RESPMOD, "x");
	sb_icap_span value;

	(void)state;
	assert_true(sb_icap_request_message(&block, &request));
	assert_true(sb_icap_is(sb_icap_first_line(&block), "HTTP/1.1 200 OK"));
	assert_true(sb_icap_get(&block, "Content-Length", &value));
	assert_true(sb_icap_is(value, "68"));
	request.method = SB_ICAP_REQMOD;
	assert_true(sb_icap_request_message(&block, &request));
	assert_true(sb_icap_is(sb_icap_first_line(&block), "POST /x HTTP/1.1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_respmod),
		cmocka_unit_test(test_reqmod_with_preview),
		cmocka_unit_test(test_offsets),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_name_limit),
		cmocka_unit_test(test_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
