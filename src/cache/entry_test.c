/* SPDX-License-Identifier: MIT */
/* Entries: what goes in comes out; what is no evidence doesn't go in; what is no entry is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "cache/entry.h"
#include "cache/key.h"
#include "cache/samples.h"

enum { STORED = 123456789 };

static size_t write_sample(uint8_t *out, const sb_sample *s)
{
	return sb_entry_write(
		out, SB_CACHE_ENTRY_MAX, &s->key, &s->result, SB_EXACT_PARTIAL, STORED);
}

static void test_round_trip(void **state)
{
	uint8_t bytes[SB_CACHE_ENTRY_MAX], again[SB_CACHE_ENTRY_MAX];

	(void)state;
	for (uint64_t i = 0; i < 2000; i++) {
		sb_sample s;
		sb_arena arena;
		sb_entry entry;
		size_t length;

		sb_sample_make(&s, i);
		length = write_sample(bytes, &s);
		assert_true(length >= SB_ENTRY_HEAD);
		sb_arena_init(&arena, 1 << 20);
		assert_int_equal(sb_entry_read(&entry, bytes, length, &arena), SB_ENTRY_GOOD);
		assert_true(sb_sample_same(&entry.result, &s.result));
		assert_true(entry.result.cached);
		assert_int_equal(entry.exactness, SB_EXACT_PARTIAL);
		assert_int_equal(entry.stored, STORED);
		assert_memory_equal(&entry.key, &s.key, sizeof s.key);
		assert_true(sb_entry_is_of(bytes, &s.key));
		assert_int_equal(write_sample(again, &s), length);
		assert_memory_equal(bytes, again, length);
		sb_arena_done(&arena);
	}
}

/* --- What doesn't go in ---------------------------------------------------------------------- */

static sb_error some_error;
static void with_error(sb_result *r)
{
	r->error = &some_error;
}
static void of_error(sb_result *r)
{
	r->outcome = SB_OUTCOME_ERROR;
}
static void of_nothing(sb_result *r)
{
	*r = (sb_result){0};
}
static void abstained(sb_result *r)
{
	r->abstained = true;
}
static void failed_open(sb_result *r)
{
	r->fail_open = true;
}
static void partial(sb_result *r)
{
	r->coverage = SB_COVERAGE_PARTIAL;
}
static void uncovered(sb_result *r)
{
	r->coverage = SB_COVERAGE_NONE;
}
static void a_byte_short(sb_result *r)
{
	r->bytes--;
}
static void a_byte_long(sb_result *r)
{
	r->bytes++;
}
static void too_sure(sb_result *r)
{
	r->confidence = 1.001;
}
static void not_a_number(sb_result *r)
{
	r->confidence = NAN;
}
static void no_detections(sb_result *r)
{
	r->detections = NULL;
}
static void clean_in_spite(sb_result *r)
{
	r->outcome = SB_OUTCOME_CLEAN;
}
static void odd_name(sb_result *r)
{
	r->detections->name = "two words";
}
static void no_name(sb_result *r)
{
	r->detections->name = NULL;
}
static void no_severity(sb_result *r)
{
	r->detections->severity = SB_SEVERITY_NONE;
}
static void detection_of_error(sb_result *r)
{
	r->detections->outcome = SB_OUTCOME_ERROR;
}
static void clean_detection(sb_result *r)
{
	r->detections->outcome = SB_OUTCOME_CLEAN;
}
static void less_than_it_found(sb_result *r)
{
	r->outcome = SB_OUTCOME_SUSPICIOUS;
}
static void unknown_outcome(sb_result *r)
{
	r->outcome = (sb_outcome)4;
}

/* Number 2 is infected, number 1 clean. */
static const struct {
	uint64_t number;
	void (*change)(sb_result *result);
} refused[] = {
	{1, with_error},
	{1, of_error},
	{1, of_nothing},
	{1, abstained},
	{1, failed_open},
	{1, partial},
	{1, uncovered},
	{1, a_byte_short},
	{1, a_byte_long},
	{1, too_sure},
	{1, not_a_number},
	{1, unknown_outcome},
	{2, with_error},
	{2, partial},
	{2, no_detections},
	{2, clean_in_spite},
	{2, odd_name},
	{2, no_name},
	{2, no_severity},
	{2, detection_of_error},
	{2, clean_detection},
	{2, less_than_it_found},
	{4, no_detections},
};

static void test_refused(void **state)
{
	uint8_t bytes[SB_CACHE_ENTRY_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		sb_sample s;

		sb_sample_make(&s, refused[i].number);
		assert_true(sb_cache_may_share(&s.key, &s.result, SB_CONTENT_STATE_PINNED));
		assert_false(sb_cache_may_share(&s.key, &s.result, SB_CONTENT_STATE_UNPINNED));
		assert_false(sb_cache_may_share(&s.key, &s.result, SB_CONTENT_STATE_CHANGED));
		refused[i].change(&s.result);
		assert_false(sb_cache_may_share(&s.key, &s.result, SB_CONTENT_STATE_PINNED));
		if (write_sample(bytes, &s) != 0)
			fail_msg("row %zu was written", i);
	}
}

static void test_cached_is_not_shared(void **state)
{
	sb_sample s;

	(void)state;
	sb_sample_make(&s, 1);
	s.result.cached = true;
	assert_false(sb_cache_may_share(&s.key, &s.result, SB_CONTENT_STATE_PINNED));
}

/* --- Limits ---------------------------------------------------------------------------------- */

/* As many detections as fit, and the last one's description makes the length what is wanted. */
static size_t write_of_length(uint8_t *out, size_t want)
{
	static sb_detection detections[8];
	static char texts[8][4200];
	sb_sample s;
	size_t length = 0;

	sb_sample_make(&s, 2);
	for (unsigned i = 0; i < 8; i++) {
		size_t more;

		memset(texts[i], 'x', sizeof texts[i]);
		detections[i] = s.detections[0];
		detections[i].description = texts[i];
		detections[i].next = NULL;
		texts[i][0] = '\0';
		if (i == 0)
			s.result.detections = &detections[0];
		else
			detections[i - 1].next = &detections[i];
		length = write_sample(out, &s);
		texts[i][0] = 'x';
		more = want > length ? want - length : 0;
		texts[i][more < 4096 ? more : 4000] = '\0';
		if (more < 4096)
			break;
	}
	return write_sample(out, &s);
}

static void test_length(void **state)
{
	uint8_t *bytes = malloc(SB_CACHE_ENTRY_MAX);

	(void)state;
	assert_int_equal(write_of_length(bytes, SB_CACHE_ENTRY_MAX - 1), SB_CACHE_ENTRY_MAX - 1);
	assert_int_equal(write_of_length(bytes, SB_CACHE_ENTRY_MAX), SB_CACHE_ENTRY_MAX);
	assert_int_equal(write_of_length(bytes, SB_CACHE_ENTRY_MAX + 1), 0);
	free(bytes);
}

static void test_text_length(void **state)
{
	static char text[4098];
	uint8_t bytes[SB_CACHE_ENTRY_MAX];
	sb_sample s;

	(void)state;
	memset(text, 't', 4097);
	sb_sample_make(&s, 1);
	s.result.mime = text;
	assert_int_equal(write_sample(bytes, &s), 0);
	text[4096] = '\0';
	assert_int_not_equal(write_sample(bytes, &s), 0);
}

static void test_no_memory(void **state)
{
	uint8_t bytes[SB_CACHE_ENTRY_MAX];
	sb_arena arena;
	sb_entry entry;
	sb_sample s;
	size_t length;

	(void)state;
	sb_sample_make(&s, 3);
	length = write_sample(bytes, &s);
	sb_arena_init(&arena, 16);
	assert_int_equal(sb_entry_read(&entry, bytes, length, &arena), SB_ENTRY_NO_MEMORY);
	sb_arena_done(&arena);
}

/* --- What is no entry ------------------------------------------------------------------------ */

/* Whatever is accepted is evidence, and would be written the same way. */
static void check_read(const uint8_t *data, size_t length)
{
	uint8_t *copy = malloc(length > 0 ? length : 1), again[SB_CACHE_ENTRY_MAX];
	sb_arena arena;
	sb_entry entry;

	memcpy(copy, data, length);
	sb_arena_init(&arena, 1 << 20);
	if (sb_entry_read(&entry, copy, length, &arena) == SB_ENTRY_GOOD) {
		assert_int_equal(sb_entry_write(again, sizeof again, &entry.key, &entry.result,
					 entry.exactness, entry.stored),
			length);
		assert_memory_equal(again, copy, length);
	}
	sb_arena_done(&arena);
	free(copy);
}

static void test_cut_and_flipped(void **state)
{
	uint8_t bytes[SB_CACHE_ENTRY_MAX];

	(void)state;
	for (uint64_t i = 0; i < 5; i++) {
		sb_sample s;
		size_t length;

		sb_sample_make(&s, i);
		length = write_sample(bytes, &s);
		for (size_t cut = 0; cut < length; cut++)
			check_read(bytes, cut);
		for (size_t at = 0; at < length; at++) {
			for (unsigned bit = 0; bit < 8; bit++) {
				bytes[at] ^= (uint8_t)(1u << bit);
				check_read(bytes, length);
				bytes[at] ^= (uint8_t)(1u << bit);
			}
		}
	}
}

/* An outcome that was turned into another one doesn't fit its detections any more. */
static void test_outcome_flipped(void **state)
{
	uint8_t bytes[SB_CACHE_ENTRY_MAX];
	sb_entry entry;

	(void)state;
	for (uint64_t i = 0; i < 5; i++) {
		sb_sample s;
		size_t length;

		sb_sample_make(&s, i);
		length = write_sample(bytes, &s);
		for (unsigned outcome = 0; outcome < 256; outcome++) {
			sb_arena arena;
			bool good;

			bytes[81] = (uint8_t)outcome;
			sb_arena_init(&arena, 1 << 20);
			good = sb_entry_read(&entry, bytes, length, &arena) == SB_ENTRY_GOOD;
			assert_int_equal(good, outcome == (unsigned)s.result.outcome);
			sb_arena_done(&arena);
		}
	}
}

/* The check by `b3sum --keyed`. */
static void test_key_line(void **state)
{
	static const char line[] =
		"scanbridge-verdict-key 1 "
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f "
		"5ed9fd060cc9942a\n";
	enum { LENGTH = sizeof line - 1 };
	uint8_t key[SB_MAC_KEY];
	char copy[LENGTH + 1];

	(void)state;
	assert_true(sb_mac_key_parse(key, line, LENGTH));
	for (unsigned i = 0; i < SB_MAC_KEY; i++)
		assert_int_equal(key[i], i);
	for (size_t cut = 0; cut < LENGTH; cut++)
		assert_false(sb_mac_key_parse(key, line, cut));
	for (size_t at = 0; at < LENGTH; at++) {
		memcpy(copy, line, sizeof copy);
		copy[at] = (char)(copy[at] ^ 1);
		assert_false(sb_mac_key_parse(key, copy, LENGTH));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_cached_is_not_shared),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_text_length),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_cut_and_flipped),
		cmocka_unit_test(test_outcome_flipped),
		cmocka_unit_test(test_key_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
