/* SPDX-License-Identifier: MIT */
/* Requests and replies there and back, at their limits, and damaged. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/message.h"

static void requests_come_out_as_they_went_in(void **unused)
{
	const sb_request in = {.flags = SB_REQUEST_MIME | SB_REQUEST_DESCRIPTOR,
		.size = 1ull << 40,
		.time_ms = 1234,
		.name = "a\nb.zip",
		.name_length = 7,
		.passwords = {"one", "two"},
		.password_count = 2};
	char bytes[1024];
	size_t length = sb_request_write(bytes, sizeof bytes, &in);
	sb_request out;

	(void)unused;
	assert_true(length > 0);
	assert_true(sb_request_read(&out, bytes, length));
	assert_int_equal(out.flags, in.flags);
	assert_int_equal(out.size, in.size);
	assert_int_equal(out.time_ms, in.time_ms);
	assert_string_equal(out.name, in.name);
	assert_int_equal(out.name_length, 7);
	assert_int_equal(out.password_count, 2);
	assert_string_equal(out.passwords[1], "two");
	assert_null(out.passwords[2]);
}

/* One byte less room than it needs: no request, never half of one. */
static void requests_need_their_room(void **unused)
{
	const sb_request in = {
		.name = "name", .name_length = 4, .passwords = {"pw"}, .password_count = 1};
	char bytes[256];
	size_t length = sb_request_write(bytes, sizeof bytes, &in);

	(void)unused;
	assert_int_equal(sb_request_write(bytes, length, &in), length);
	assert_int_equal(sb_request_write(bytes, length - 1, &in), 0);
}

static void long_names_are_cut(void **unused)
{
	char name[5000], bytes[8192];
	sb_request in = {.name = name, .name_length = sizeof name}, out;

	(void)unused;
	memset(name, 'x', sizeof name);
	assert_true(sb_request_read(&out, bytes, sb_request_write(bytes, sizeof bytes, &in)));
	assert_int_equal(out.name_length, 4096);
}

static size_t make_reply(void *bytes, size_t room)
{
	const sb_container container = {
		.type = "zip", .depth = 2, .members = 7, .bytes = 99, .facts = SB_FACT_MACROS};
	sb_reply_writer writer;

	sb_reply_begin(&writer, bytes, room);
	sb_reply_found(&writer, &(sb_found){.infected = true,
					.severity = SB_SEVERITY_CRITICAL,
					.name = "Threat",
					.description = "\xff odd",
					.member = "a/b"});
	sb_reply_problem(&writer, SB_KIND_ENCRYPTED, "locked");
	sb_reply_container(&writer, &container, true);
	sb_reply_mime(&writer, "application/zip");
	return sb_reply_finish(&writer, 4711);
}

static void replies_come_out_as_they_went_in(void **unused)
{
	char bytes[4096];
	size_t length = make_reply(bytes, sizeof bytes);
	sb_reply out;

	(void)unused;
	assert_true(sb_reply_read(&out, bytes, length));
	assert_true(out.judged && out.opened && out.doubt);
	assert_int_equal(out.bytes, 4711);
	assert_int_equal(out.found_count, 1);
	assert_true(out.found[0].infected);
	assert_int_equal(out.found[0].severity, SB_SEVERITY_CRITICAL);
	assert_string_equal(out.found[0].name, "Threat");
	assert_null(out.found[0].category);
	assert_string_equal(out.found[0].description, "? odd");
	assert_string_equal(out.found[0].member, "a/b");
	assert_int_equal(out.problem, SB_KIND_ENCRYPTED);
	assert_string_equal(out.problem_message, "locked");
	assert_string_equal(out.container.type, "zip");
	assert_int_equal(out.container.members, 7);
	assert_string_equal(out.mime, "application/zip");
}

/* No prefix of a reply is a reply: what was cut off may have been the threat. */
static void a_cut_reply_is_none(void **unused)
{
	char bytes[4096];
	size_t length = make_reply(bytes, sizeof bytes);
	sb_reply out;

	(void)unused;
	for (size_t cut = 0; cut < length; cut++) {
		char *exact = malloc(cut + 1);
		memcpy(exact, bytes, cut);
		assert_false(sb_reply_read(&out, exact, cut));
		free(exact);
	}
}

static void many_detections_never_push_out_the_statement(void **unused)
{
	char *bytes = malloc(SB_REPLY_BYTES), text[1001];
	sb_reply_writer writer;
	sb_reply out;
	size_t length;

	(void)unused;
	memset(text, 'd', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	sb_reply_begin(&writer, bytes, SB_REPLY_BYTES);
	for (int i = 0; i < 1000; i++)
		sb_reply_found(&writer, &(sb_found){.severity = SB_SEVERITY_LOW,
						.name = "T",
						.description = text,
						.member = text});
	sb_reply_problem(&writer, SB_KIND_CORRUPT, text);
	length = sb_reply_finish(&writer, 1);
	assert_true(length > 0 && sb_reply_read(&out, bytes, length));
	assert_true(out.found_count > 20 && out.found_count <= SB_MAX_DETECTIONS);
	assert_int_equal(out.problem, SB_KIND_CORRUPT);
	free(bytes);
}

static void a_failure_takes_back_what_was_said(void **unused)
{
	char bytes[1024];
	sb_reply_writer writer;
	sb_reply out;

	(void)unused;
	sb_reply_begin(&writer, bytes, sizeof bytes);
	sb_reply_found(&writer, &(sb_found){.severity = SB_SEVERITY_LOW, .name = "T"});
	sb_reply_failure(&writer, SB_KIND_LIMIT_EXCEEDED, "memory");
	assert_true(sb_reply_read(&out, bytes, sb_reply_end(&writer)));
	assert_false(out.judged);
	assert_int_equal(out.found_count, 0);
	assert_int_equal(out.failure, SB_KIND_LIMIT_EXCEEDED);
}

static const sb_stated stated = {.clean = true,
	.cover = true,
	.content = SB_CONTENT_INSPECTED,
	.bytes = UINT64_MAX,
	.confidence = 0.5,
	.doubt_ms = 7};

static void a_plugins_words_come_out_as_they_went_in(void **unused)
{
	char bytes[1024];
	sb_reply_writer writer;
	sb_reply out;

	(void)unused;
	sb_reply_begin(&writer, bytes, sizeof bytes);
	sb_reply_versions(&writer, NULL, "list 7");
	sb_reply_stated(&writer, &stated);
	assert_true(sb_reply_read(&out, bytes, sb_reply_finish(&writer, 3)));
	assert_true(out.judged && out.has_stated);
	assert_memory_equal(&out.stated.bytes, &stated.bytes, sizeof stated.bytes);
	assert_true(out.stated.clean && out.stated.cover && !out.stated.abstained);
	assert_int_equal(out.stated.content, SB_CONTENT_INSPECTED);
	assert_true(out.stated.confidence > 0.4 && out.stated.confidence < 0.6);
	assert_int_equal(out.stated.doubt_ms, 7);
	assert_null(out.engine_version);
	assert_string_equal(out.signature_version, "list 7");
}

/* Who abstains fails as well, and whoever fails says nothing more. */
static void abstaining_goes_with_a_failure(void **unused)
{
	static const struct {
		bool abstained, failed, good;
	} rows[] = {{true, true, true}, {true, false, false}, {false, true, false},
		{false, false, true}};
	char bytes[1024];

	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		sb_reply_writer writer;
		sb_reply out;
		size_t length;

		sb_reply_begin(&writer, bytes, sizeof bytes);
		if (rows[i].failed)
			sb_reply_failure(&writer, SB_KIND_UNSUPPORTED, "not mine");
		sb_reply_stated(&writer, &(sb_stated){.abstained = rows[i].abstained});
		length = rows[i].failed ? sb_reply_end(&writer) : sb_reply_finish(&writer, 0);
		assert_int_equal(sb_reply_read(&out, bytes, length), rows[i].good);
	}
}

/* Numbers that nothing of ours would write. */
static void words_out_of_range_are_refused(void **unused)
{
	static const sb_stated rows[] = {{.content = SB_CONTENT_INSPECTED + 1},
		{.confidence = 1.01}, {.confidence = -1.01}, {.confidence = (double)NAN}};
	char bytes[1024];
	sb_reply_writer writer;
	sb_reply out;

	(void)unused;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		sb_reply_begin(&writer, bytes, sizeof bytes);
		sb_reply_stated(&writer, &rows[i]);
		assert_false(sb_reply_read(&out, bytes, sb_reply_finish(&writer, 0)));
	}
}

/* They may hold any bytes; only as much room as there is. */
static void words_need_their_room(void **unused)
{
	char bytes[200];
	sb_reply_writer writer;

	(void)unused;
	for (size_t room = 4; room <= sizeof bytes; room++) {
		sb_reply_begin(&writer, bytes, room);
		sb_reply_versions(&writer, "engine", "signatures");
		sb_reply_stated(&writer, &stated);
		assert_int_equal(sb_reply_finish(&writer, 0) > 0,
			room >= 4 + (6 + 7 + 11) + (6 + 32) + (6 + 8));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_come_out_as_they_went_in),
		cmocka_unit_test(requests_need_their_room),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(replies_come_out_as_they_went_in),
		cmocka_unit_test(a_cut_reply_is_none),
		cmocka_unit_test(many_detections_never_push_out_the_statement),
		cmocka_unit_test(a_failure_takes_back_what_was_said),
		cmocka_unit_test(a_plugins_words_come_out_as_they_went_in),
		cmocka_unit_test(abstaining_goes_with_a_failure),
		cmocka_unit_test(words_out_of_range_are_refused),
		cmocka_unit_test(words_need_their_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
