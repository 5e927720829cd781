/* SPDX-License-Identifier: MIT */
/*
 * The pure parts below the walk: ranges against a map of bytes, the search against a slow one,
 * ends of streams, and the structure of zip files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "containers/extent.h"
#include "containers/gzip.h"
#include "containers/lzw.h"
#include "containers/ranges.h"
#include "containers/rar.h"
#include "containers/samples_test.h"
#include "containers/sniff.h"
#include "containers/zip.h"

static uint32_t seed;

static uint32_t dice(uint32_t sides)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % sides;
}

/* --- Ranges ---------------------------------------------------------------------------------- */

enum { MAP = 200 };

static void test_ranges_against_a_map(void **state)
{
	(void)state;
	for (seed = 1; seed < 200000; seed += 1000) {
		sb_ranges ranges = {0};
		bool map[MAP + 1] = {false};

		for (unsigned i = 0; i < 40; i++) {
			uint32_t from = dice(MAP), to = from + dice(12), at = dice(MAP);
			uint64_t skip = at, next;

			to = to > MAP ? MAP : to;
			sb_ranges_add(&ranges, from, to);
			for (uint32_t k = from; k < to; k++)
				map[k] = true;
			while (map[skip])
				skip++;
			assert_int_equal(sb_ranges_skip(&ranges, at), skip);
			next = skip;
			while (next < MAP && !map[next])
				next++;
			if (next < MAP)
				assert_int_equal(sb_ranges_next(&ranges, at), next);
			else
				assert_true(sb_ranges_next(&ranges, at) == UINT64_MAX);
		}
		sb_ranges_done(&ranges);
	}
}

/* --- Searching ------------------------------------------------------------------------------- */

/* At every offset and distance from the end, so at every place in and behind a vector. */
static void find_it_everywhere(const sb_sniffer *sniffer, const sample *s)
{
	uint8_t bytes[200];
	sb_hit hit;

	for (size_t at = 0; at < 100; at++)
		for (size_t behind = 0; behind < 40; behind++) {
			size_t size = at + s->size + behind;

			memset(bytes, 0x1f, sizeof bytes);
			memcpy(bytes + at, s->data, s->size);
			assert_true(sb_sniff_next(sniffer, bytes, size, 0, size, &hit));
			assert_int_equal(hit.offset, at);
			assert_string_equal(hit.type, "gzip");
			assert_int_equal(hit.likeness, SB_PERHAPS);
			assert_false(sb_sniff_next(sniffer, bytes, size, hit.next, size, &hit));
			assert_false(
				at > 0 && sb_sniff_next(sniffer, bytes, sizeof bytes, 0, at, &hit));
			assert_true(sb_sniff_next(sniffer, bytes, sizeof bytes, 0, at + 1, &hit));
		}
}

static void test_search_finds_it_everywhere(void **state)
{
	sample s = sample_packed("gzip", "hello world", 11);
	sb_sniffer sniffer;

	(void)state;
	sb_sniffer_init(&sniffer);
	find_it_everywhere(&sniffer, &s);
	sniffer.sieve.usable = false; /* as where the processor can't */
	find_it_everywhere(&sniffer, &s);
	free(s.data);
}

static void test_search_knows_headers(void **state)
{
	static const struct {
		const char *why, *bytes;
		size_t size;
	} rows[] = {
#define B(literal) literal, sizeof(literal) - 1
		{"a constant of some program",
			B("....PK\3\4....PK\5\6..............................")},
		{"gzip with flags nobody has", B("....\x1f\x8b\x08\xe0.........................")},
		{"rar with a wrong checksum", B("....Rar!\x1a\7\0..........................")},
		{"7z with a wrong checksum", B("....7z\xbc\xaf\x27\x1c..........................")},
		{"xz with a wrong checksum", B("....\xfd"
					       "7zXZ\0..............................")},
		{"the word in a text",
			B("ustar and 070707 are formats, MSCF, LZIP and xar! too     ")},
	};
	sb_hit hit;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (sb_sniff_next(sb_sniffer_shared(), (const uint8_t *)rows[i].bytes, rows[i].size,
			    0, rows[i].size, &hit))
			fail_msg("%s: %s", rows[i].why, hit.type);
}

/* --- Ends of streams ---------------------------------------------------------------------------
 */

static void test_extents(void **state)
{
	static const struct {
		const char *filter;
		size_t (*end)(const uint8_t *data, size_t size);
	} rows[] = {{"xz", sb_extent_xz}, {"zstd", sb_extent_zstd}, {"lz4", sb_extent_lz4}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		sample s = sample_packed(rows[i].filter, sample_files[1].data, BIN_SIZE);
		size_t one = s.size;

		for (size_t size = 0; size < one; size++) {
			sample cut = sample_of(s.data, size);

			assert_int_equal(rows[i].end(cut.data, cut.size), 0);
			free(cut.data);
		}
		assert_int_equal(rows[i].end(s.data, s.size), one);
		s = sample_join(s, sample_of("YZ trailing junk", 16));
		assert_int_equal(rows[i].end(s.data, s.size), one);
		s = sample_cut(s, one);
		s = sample_join(s, sample_packed(rows[i].filter, "hello world", 11));
		assert_int_equal(rows[i].end(s.data, s.size), s.size);
		free(s.data);
	}
}

/* --- Zip ----------------------------------------------------------------------------------- */

static void test_zip_structure(void **state)
{
	sample s = sample_join(sample_of("stub", 4), sample_zip(sample_files, false));
	sb_zip_directory d;
	sb_zip_entry e;
	uint64_t at, before;

	(void)state;
	assert_true(sb_zip_last_directory(s.data, s.size, 0, s.size, &d));
	assert_int_equal(d.base, 4);
	assert_int_equal(d.end, s.size);
	assert_int_equal(d.entries, 2);
	at = d.from;
	assert_true(sb_zip_next_entry(s.data, s.size, &d, &at, &e));
	assert_true(e.agrees && e.file && !e.encrypted);
	assert_int_equal(e.local, 4);
	assert_int_equal(e.size, DOC_SIZE);
	before = e.end;
	assert_true(sb_zip_next_entry(s.data, s.size, &d, &at, &e));
	assert_true(e.agrees);
	assert_int_equal(e.local, before);
	assert_int_equal(e.end, d.from);
	assert_false(sb_zip_next_entry(s.data, s.size, &d, &at, &e));
	assert_int_equal(at, d.to);
	assert_false(sb_zip_last_directory(s.data, s.size, 0, d.record, &d));
	free(s.data);
}

/* Each row changes one byte of the first local header; the directory stays as it is. */
static void test_zip_headers_that_differ(void **state)
{
	static const size_t at[] = {0, 6, 8, 18, 19, 26};

	(void)state;
	for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
		sample s = sample_zip(sample_files, true);
		sb_zip_directory d;
		sb_zip_entry e;
		uint64_t from;

		assert_true(sb_zip_last_directory(s.data, s.size, 0, s.size, &d));
		s.data[at[i]] ^= at[i] == 26 ? 0 : 1;
		from = d.from;
		assert_true(sb_zip_next_entry(s.data, s.size, &d, &from, &e));
		assert_int_equal(e.agrees, at[i] == 26);
		free(s.data);
	}
}

static void test_zip_record_without_directory(void **state)
{
	static const char record[] = "words PK\5\6\0\0\0\0\1\0\1\0\x30\0\0\0\0\0\0\0\0\0";
	static const uint8_t empty[22] = {'P', 'K', 5, 6};
	sb_zip_directory d;

	(void)state;
	assert_false(sb_zip_last_directory(
		(const uint8_t *)record, sizeof record - 1, 0, sizeof record - 1, &d));
	assert_true(sb_zip_last_directory(empty, sizeof empty, 0, sizeof empty, &d));
	assert_int_equal(d.from, d.to);
}

/* --- compress ------------------------------------------------------------------------------ */

/* Long enough for every width, and for a table that is full. */
static void test_lzw_against_its_writer(void **state)
{
	enum { SIZE = 400000 };
	uint8_t *text = malloc(SIZE), *out = malloc(SIZE + 1);
	sb_lzw *lzw = malloc(sizeof *lzw);

	(void)state;
	for (uint32_t sides = 1; sides <= 256; sides *= 4) {
		sample s;

		for (size_t i = 0; i < SIZE; i++)
			text[i] = (uint8_t)dice(sides);
		s = sample_packed("compress", text, SIZE);
		assert_true(sb_lzw_begin(lzw, s.data, s.size));
		assert_int_equal(sb_lzw_read(lzw, out, SIZE + 1), SIZE);
		assert_false(lzw->damaged);
		assert_memory_equal(out, text, SIZE);
		free(s.data);
	}
	free(lzw);
	free(out);
	free(text);
}

static void test_lzw_damage(void **state)
{
	static const uint8_t future[] = {0x1f, 0x9d, 0x90, 'a', 0xff, 0xff, 0xff};
	sb_lzw *lzw = malloc(sizeof *lzw);
	uint8_t out[64];

	(void)state;
	assert_true(sb_lzw_begin(lzw, future, sizeof future));
	sb_lzw_read(lzw, out, sizeof out);
	assert_true(lzw->damaged);
	assert_false(sb_lzw_begin(lzw, (const uint8_t *)"\x1f\x9d\x91\x01", 2));
	assert_false(sb_lzw_begin(lzw, (const uint8_t *)"\x1f\x9d\x88\x01", 4));
	free(lzw);
}

/* --- gzip's header ---------------------------------------------------------------------------- */

static void test_gzip_header(void **state)
{
	static const uint8_t all[] = "\x1f\x8b\x08\x1e....\2\3\4\0abcdname\0text\0##";
	sb_gzip_header h;

	(void)state;
	assert_true(sb_gzip_header_read(&h, all, sizeof all - 1));
	assert_memory_equal(all + h.extra, "abcd", h.extra_size);
	assert_memory_equal(all + h.name, "name", h.name_size);
	assert_memory_equal(all + h.comment, "text", h.comment_size);
	assert_int_equal(h.end, sizeof all - 1);
	for (size_t size = 0; size < sizeof all - 1; size++)
		assert_false(sb_gzip_header_read(&h, all, size));
}

/* --- RAR ---------------------------------------------------------------------------------------
 */

static void test_rar_sums(void **state)
{
	(void)state;
	for (int version = 4; version <= 5; version++) {
		sample s = version == 4 ? sample_rar4(false) : sample_rar5(false);
		uint8_t *text = memmem(s.data, s.size, "hello world", 11);

		assert_false(sb_rar_is_damaged(s.data, s.size));
		assert_non_null(text);
		text[3] ^= 1;
		assert_true(sb_rar_is_damaged(s.data, s.size));
		for (size_t size = 0; size < s.size; size++) {
			sample cut = sample_of(s.data, size);

			sb_rar_is_damaged(cut.data, cut.size);
			free(cut.data);
		}
		free(s.data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges_against_a_map),
		cmocka_unit_test(test_search_finds_it_everywhere),
		cmocka_unit_test(test_search_knows_headers),
		cmocka_unit_test(test_extents),
		cmocka_unit_test(test_zip_structure),
		cmocka_unit_test(test_zip_headers_that_differ),
		cmocka_unit_test(test_zip_record_without_directory),
		cmocka_unit_test(test_lzw_against_its_writer),
		cmocka_unit_test(test_lzw_damage),
		cmocka_unit_test(test_gzip_header),
		cmocka_unit_test(test_rar_sums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
