/* SPDX-License-Identifier: MIT */
/*
 * OLE2 documents, built here sector by sector, whole, cut at every byte and with every sector
 * number turned bad; VBA by the examples of MS-OVBA; what the parts of OOXML and ODF say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "containers/fake_walk.h"
#include "containers/office.h"
#include "containers/vba.h"
#include "util/buf.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define B(literal) literal, sizeof(literal) - 1

/* --- A builder of compound files ---------------------------------------------------------------
 */

typedef struct item {
	const char *name; /* ASCII */
	int type;         /* 1 storage, 2 stream */
	int parent;       /* item number, counted from 1; 0: root */
	const void *data;
	size_t size;
} item;

enum { END = 0xfffffffe, FAT = 0xfffffffd, DIFAT = 0xfffffffc };

typedef struct image {
	uint8_t *bytes;
	size_t size, shift;
	uint32_t next; /* free sector */
	uint32_t *fat;
} image;

static void put(uint8_t *at, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++, value >>= 8)
		at[i] = (uint8_t)value;
}

static uint8_t *at_sector(image *m, uint32_t number)
{
	return m->bytes + (((size_t)number + 1) << m->shift);
}

/* A chain with these bytes; its first sector. */
static uint32_t store(image *m, const void *data, size_t size)
{
	uint32_t first = m->next, count = (uint32_t)((size + (1u << m->shift) - 1) >> m->shift);

	if (count == 0)
		return END;
	memcpy(at_sector(m, first), data, size);
	for (uint32_t i = 0; i < count; i++)
		m->fat[first + i] = i + 1 < count ? first + i + 1 : END;
	m->next += count;
	return first;
}

static void put_entry(uint8_t *e, const char *name, int type, uint32_t start, uint64_t size)
{
	for (size_t i = 0; i < strlen(name); i++)
		e[2 * i] = (uint8_t)name[i];
	put(e + 64, strlen(name) > 0 ? 2 * strlen(name) + 2 : 0, 2);
	e[66] = (uint8_t)type;
	e[67] = 1;
	put(e + 68, UINT32_MAX, 4);
	put(e + 72, UINT32_MAX, 4);
	put(e + 76, UINT32_MAX, 4);
	put(e + 116, start, 4);
	put(e + 120, size, 8);
}

/* The first child hangs below its parent, each next one to the right of the one before. */
static void link_entries(uint8_t *directory, const item *items, size_t count)
{
	for (size_t i = 1; i <= count; i++) {
		uint8_t *place = directory + 128 * (size_t)items[i - 1].parent + 76;

		for (size_t j = 1; j < i; j++)
			if (items[j - 1].parent == items[i - 1].parent)
				place = directory + 128 * j + 72;
		put(place, i, 4);
	}
}

static void put_tables(image *m)
{
	size_t per = (1u << m->shift) / 4;
	uint32_t tables = (uint32_t)((m->next + m->next / per + 4 + per) / per);
	uint32_t extra = tables > 109 ? m->next++ : END, first = m->next;

	for (uint32_t i = 0; i < tables; i++)
		m->fat[first + i] = FAT;
	m->next += tables;
	if (extra != END) {
		m->fat[extra] = DIFAT;
		memset(at_sector(m, extra), 0xff, 1u << m->shift);
		put(at_sector(m, extra) + per * 4 - 4, END, 4);
	}
	for (uint32_t i = 0; i < tables; i++) {
		put(i < 109 ? m->bytes + 76 + 4 * i : at_sector(m, extra) + 4 * (i - 109),
			first + i, 4);
		for (size_t j = 0; j < per; j++)
			put(at_sector(m, first + i) + 4 * j, m->fat[i * per + j], 4);
	}
	put(m->bytes + 44, tables, 4);
	put(m->bytes + 68, extra, 4);
	put(m->bytes + 72, extra != END, 4);
}

static uint8_t *build(const item *items, size_t count, size_t shift, size_t *size)
{
	image m = {.shift = shift};
	uint8_t *directory = calloc(count + 64, 128), *mini = calloc(1, 1 << 20);
	uint8_t *mini_fat = malloc(1 << 16);
	uint32_t minis = 0;

	memset(mini_fat, 0xff, 1 << 16);
	for (size_t i = 0; i < count; i++)
		m.size += items[i].size + (2u << shift);
	m.size = m.size * 2 + (count + 200) * 128 + (64u << shift);
	m.bytes = calloc(1, m.size);
	m.fat = malloc((m.size >> shift) * 8 + 65536);
	memset(m.fat, 0xff, (m.size >> shift) * 8 + 65536);
	memcpy(m.bytes, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8);
	put(m.bytes + 24, 0x3e, 2);
	put(m.bytes + 26, shift == 9 ? 3 : 4, 2);
	put(m.bytes + 28, 0xfffe, 2);
	put(m.bytes + 30, shift, 2);
	put(m.bytes + 32, 6, 2);
	put(m.bytes + 56, 4096, 4);
	memset(m.bytes + 76, 0xff, 436);
	for (size_t i = 0; i < count; i++) {
		uint32_t start = END;

		if (items[i].size >= 4096) {
			start = store(&m, items[i].data, items[i].size);
		} else if (items[i].size > 0) {
			start = minis;
			memcpy(mini + minis * 64, items[i].data, items[i].size);
			for (size_t at = 0; at < items[i].size; at += 64, minis++)
				put(mini_fat + minis * 4, at + 64 < items[i].size ? minis + 1 : END,
					4);
		}
		put_entry(directory + 128 * (i + 1), items[i].name, items[i].type, start,
			items[i].size);
	}
	put_entry(directory, "Root Entry", 5, store(&m, mini, minis * 64), minis * 64);
	link_entries(directory, items, count);
	put(m.bytes + 60, minis > 0 ? store(&m, mini_fat, minis * 4) : END, 4);
	put(m.bytes + 64, minis > 0, 4);
	put(m.bytes + 48, store(&m, directory, (count / 4 + 1) * 512), 4);
	put_tables(&m);
	*size = ((size_t)m.next + 1) << shift;
	free(directory);
	free(mini);
	free(mini_fat);
	free(m.fat);
	return realloc(m.bytes, *size);
}

static void run(sb_walk *walk, const item *items, size_t count, size_t shift)
{
	size_t size;
	uint8_t *file = build(items, count, shift, &size);

	assert_true(fake_walk_run(walk, &sb_reader_ole, file, size));
	assert_int_equal(walk->result, 0);
	free(file);
}

/* --- Streams
 * -------------------------------------------------------------------------------------- */

static uint8_t large[10000], huge[8 << 20];

static void fill(void)
{
	for (size_t i = 0; i < sizeof(huge); i++)
		huge[i] = (uint8_t)(i * 2654435761u >> 13);
	memcpy(large, huge, sizeof(large));
}

static void test_streams_are_members(void **state)
{
	const item items[] = {{"small", 2, 0, B("a few bytes")}, {"Dir", 1, 0, NULL, 0},
		{"inner", 2, 2, B("in a storage")}, {"large", 2, 2, large, sizeof(large)},
		{"Deep", 1, 2, NULL, 0}, {"x", 2, 5, B("deep")}, {"empty", 2, 0, NULL, 0}};

	(void)state;
	for (size_t shift = 9; shift <= 12; shift += 3) {
		sb_walk walk = {0};

		run(&walk, items, COUNT(items), shift);
		assert_int_equal(walk.count, 4);
		assert_memory_equal(fake_walk_find(&walk, "small")->data, "a few bytes", 11);
		assert_memory_equal(fake_walk_find(&walk, "Dir/inner")->data, "in a storage", 12);
		assert_int_equal(fake_walk_find(&walk, "Dir/large")->size, sizeof(large));
		assert_true(fake_walk_has(&walk, large, sizeof(large)));
		assert_memory_equal(fake_walk_find(&walk, "Dir/Deep/x")->data, "deep", 4);
		assert_int_equal(walk.problem, SB_KIND_NONE);
		assert_int_equal(walk.facts, 0);
		assert_false(walk.doubt);
		fake_walk_done(&walk);
	}
}

static void test_table_beyond_the_header(void **state)
{
	const item items[] = {{"huge", 2, 0, huge, sizeof(huge)}};
	sb_walk walk = {0};

	(void)state;
	run(&walk, items, 1, 9);
	assert_true(fake_walk_has(&walk, huge, sizeof(huge)));
	assert_int_equal(walk.problem, SB_KIND_NONE);
	fake_walk_done(&walk);
}

/* --- What streams say
 * ----------------------------------------------------------------------------- */

#define NATIVE "\x2e\0\0\0\x02\0label.exe\0C:\\x\0\0\0\x03\0\x05\0\0\0C:\\y\0\x07\0\0\0payload"

static const struct {
	const char *why;
	item items[3];
	size_t count;
	unsigned facts;
	sb_kind problem;
	const char *member; /* with the bytes "payload"; or NULL */
} documents[] = {
	{"package", {{"\x01Ole10Native", 2, 0, B(NATIVE)}}, 1, SB_FACT_EMBEDDED, 0, "label.exe"},
	{"older package", {{"\x01Ole10Native", 2, 0, B("\x07\0\0\0payload")}}, 1, SB_FACT_EMBEDDED,
		0, "native"},
	{"package in a storage",
		{{"ObjectPool", 1, 0, NULL, 0}, {"\x01Ole10Native", 2, 1, B(NATIVE)}}, 2,
		SB_FACT_EMBEDDED, 0, "label.exe"},
	{"encrypted OOXML", {{"EncryptionInfo", 2, 0, B("x")}, {"EncryptedPackage", 2, 0, B("x")}},
		2, SB_FACT_ENCRYPTED, SB_KIND_ENCRYPTED, NULL},
	{"rights management",
		{{"\x09"
		  "DRMContent",
			2, 0, B("x")}},
		1, SB_FACT_ENCRYPTED, SB_KIND_ENCRYPTED, NULL},
	{"Word, encrypted", {{"WordDocument", 2, 0, B("\xec\xa5\xc1\0\0\0\0\0\0\0\0\x01")}}, 1,
		SB_FACT_ENCRYPTED, SB_KIND_ENCRYPTED, NULL},
	{"Word, plain", {{"WordDocument", 2, 0, B("\xec\xa5\xc1\0\0\0\0\0\0\0\0\x02")}}, 1, 0, 0,
		NULL},
	{"PowerPoint, encrypted",
		{{"Current User", 2, 0, B("\0\0\xf6\x0f\x14\0\0\0\x14\0\0\0\xdf\xc4\xd1\xf3")}}, 1,
		SB_FACT_ENCRYPTED, SB_KIND_ENCRYPTED, NULL},
	{"PowerPoint, plain",
		{{"Current User", 2, 0, B("\0\0\xf6\x0f\x14\0\0\0\x14\0\0\0\x5f\xc0\x91\xe3")}}, 1,
		0, 0, NULL},
	{"PowerPoint, an object",
		{{"PowerPoint Document", 2, 0,
			B("\x0f\0\xe8\x03\x00\0\0\0\0\0\x11\x10\x07\0\0\0payload")}},
		1, SB_FACT_EMBEDDED, 0, "object-1"},
	{"PowerPoint, a packed object",
		{{"PowerPoint Document", 2, 0,
			B("\x10\0\x11\x10\x13\0\0\0\x07\0\0\0\x78\x9c\x2b\x48\xac\xcc\xc9\x4f\x4c"
			  "\x01\x00\x0b\xdd\x02\xeb")}},
		1, SB_FACT_EMBEDDED, 0, "object-1"},
	{"Excel, encrypted", {{"Workbook", 2, 0, B("\x09\x08\x02\0\0\x06\x2f\0\x02\0\0\0")}}, 1,
		SB_FACT_ENCRYPTED, SB_KIND_ENCRYPTED, NULL},
	{"Excel, a sheet",
		{{"Workbook", 2, 0, B("\x09\x08\x02\0\0\x06\x85\0\x08\0\0\0\0\0\0\0\x01s")}}, 1, 0,
		0, NULL},
	{"Excel, macro sheet",
		{{"Book", 2, 0, B("\x09\x08\x02\0\0\x06\x85\0\x08\0\0\0\0\0\x02\x01\x01s")}}, 1,
		SB_FACT_MACROS, 0, NULL},
	{"Excel, macro sheet that opens itself",
		{{"Workbook", 2, 0,
			B("\x85\0\x08\0\0\0\0\0\x02\x01\x01s\x18\0\x10\0\x20\0\0\x01\0\0\0\0\0\0\0"
			  "\0\0\0\0\x01")}},
		1, SB_FACT_MACROS | SB_FACT_AUTORUN, 0, NULL},
	{"a linked object", {{"\x01Ole", 2, 0, B("\x01\0\0\x02\x01\0\0\0")}}, 1, SB_FACT_EXTERNAL,
		0, NULL},
	{"an embedded object", {{"\x01Ole", 2, 0, B("\x01\0\0\x02\0\0\0\0")}}, 1, 0, 0, NULL},
	{"a message",
		{{"__attach_version1.0_#00000000", 1, 0, NULL, 0},
			{"__substg1.0_37010102", 2, 1, B("payload")}},
		2, 0, 0, "__attach_version1.0_#00000000/__substg1.0_37010102"},
};

static void test_documents(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(documents); i++) {
		sb_walk walk = {0};
		const fake_member *member;

		run(&walk, documents[i].items, documents[i].count, 9);
		if (walk.facts != documents[i].facts || walk.problem != documents[i].problem ||
			walk.doubt)
			fail_msg("%s: facts %#x, problem %d %s", documents[i].why, walk.facts,
				walk.problem, walk.message);
		member = documents[i].member != NULL ? fake_walk_find(&walk, documents[i].member)
						     : NULL;
		if (documents[i].member != NULL && (member == NULL || member->size != 7 ||
							   memcmp(member->data, "payload", 7) != 0))
			fail_msg("%s: no member %s", documents[i].why, documents[i].member);
		fake_walk_done(&walk);
	}
}

/* --- VBA
 * -------------------------------------------------------------------------------------------- */

static void test_decompression(void **state)
{
	/* MS-OVBA 3.2: no compression, normal, the most of it. */
	static const struct {
		const char *data;
		size_t size;
		const char *text;
	} rows[] = {
		{B("\x01\x19\xb0\x00"
		   "abcdefgh\x00ijklmnop\x00qrstuv."),
			"abcdefghijklmnopqrstuv."},
		{B("\x01\x2f\xb0\x00#aaabcde\x82"
		   "f\x00paghij\x01"
		   "8\x08"
		   "akl\x00"
		   "0mnop\x06q\x02p\x04\x10rstuv\x10wxyz\x00<"),
			"#aaabcdefaaaaghijaaaaaklaaamnopqaaaaaaaaaaaarstuvwxyzaaa"},
		{B("\x01\x03\xb0\x02"
		   "aE\x00"),
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			"a"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		sb_buf out;

		sb_buf_init(&out, 1 << 20);
		assert_true(sb_vba_decompress((const uint8_t *)rows[i].data, rows[i].size, &out));
		assert_string_equal(out.data, rows[i].text);
		sb_buf_done(&out);
	}
}

/* All literal; the test need not be clever. */
static void compress(sb_buf *out, const char *text, size_t size)
{
	size_t coded = size + (size + 7) / 8;

	sb_buf_char(out, 1);
	sb_buf_char(out, (char)((coded - 1) & 0xff));
	sb_buf_char(out, (char)(0xb0 | (coded - 1) >> 8));
	for (size_t i = 0; i < size; i++) {
		if (i % 8 == 0)
			sb_buf_char(out, 0);
		sb_buf_char(out, text[i]);
	}
}

#define SOURCE "Attribute VB_Name = \"M\"\r\nsub AUTO_Open()\r\nShell \"x\"\r\nEnd Sub\r\n"
#define DIR                                                                                        \
	"\x09\0\x04\0\0\0\x01\x02\x03\x04\x05\x06\x1a\0\x01\0\0\0M\x32\0\x02\0\0\0M\0\x31\0\x04\0" \
	"\0\0\x05\0\0\0"

static void test_modules(void **state)
{
	sb_buf module, dir, plain;
	sb_walk walk = {0};

	(void)state;
	sb_buf_init(&module, 1 << 16);
	sb_buf_init(&dir, 1 << 16);
	sb_buf_init(&plain, 1 << 16);
	sb_buf_add(&module, "pcode", 5);
	compress(&module, B(SOURCE));
	compress(&dir, B(DIR));
	sb_buf_add(&plain, "pcode", 5);
	compress(&plain, B("' no Attribute first: sub Auto_Open"));
	for (int way = 0; way < 4; way++) {
		/* by dir; dir is damaged; no dir and another name; source only dir can tell */
		const item items[] = {{"Macros", 1, 0, NULL, 0},
			{way == 2 ? "Vbb" : "vba", 1, 1, NULL, 0},
			{"dir", 2, 2, way == 1 ? "x" : dir.data, way == 1 ? 1 : dir.length},
			{"_VBA_PROJECT", 2, 2, B("\xcc\x61")},
			{"M", 2, 2, way == 3 ? plain.data : module.data,
				way == 3 ? plain.length : module.length}};
		const fake_member *source;

		run(&walk, items, COUNT(items), 9);
		source = fake_walk_find(&walk, "VBA/M.bas");
		assert_non_null(source);
		if (way < 3) {
			assert_int_equal(source->size, strlen(SOURCE));
			assert_memory_equal(source->data, SOURCE, strlen(SOURCE));
		}
		assert_int_equal(
			walk.facts, SB_FACT_MACROS | (way < 3 ? SB_FACT_AUTORUN : SB_FACT_AUTORUN));
		assert_int_equal(walk.problem, SB_KIND_NONE);
		assert_false(walk.doubt);
		fake_walk_done(&walk);
	}
	sb_buf_done(&module);
	sb_buf_done(&dir);
	sb_buf_done(&plain);
}

static void test_module_without_source(void **state)
{
	const item items[] = {{"VBA", 1, 0, NULL, 0}, {"M", 2, 1, B("only p-code")}};
	sb_walk walk = {0};

	(void)state;
	run(&walk, items, COUNT(items), 9);
	assert_true(walk.doubt);
	fake_walk_done(&walk);
}

static const struct {
	const char *source;
	bool runs;
} sources[] = {
	{"Sub AutoOpen()", true},
	{"private sub  WORKBOOK_open()", true},
	{"Function Auto_Close", true},
	{"Sub Document_Close\r\n", true},
	{"Sub Helper()\r\n' AutoOpen is in another document", false},
	{"Sub AutoOpener()", false},
	{"Call AutoOpen", false},
	{"", false},
};

static void test_runs_itself(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(sources); i++)
		if (sb_vba_runs_itself(sources[i].source, strlen(sources[i].source)) !=
			sources[i].runs)
			fail_msg("%s", sources[i].source);
}

/* --- Damage
 * ------------------------------------------------------------------------------------------ */

static const item damaged_items[] = {{"small", 2, 0, B("a few bytes")}, {"Dir", 1, 0, NULL, 0},
	{"large", 2, 2, large, sizeof(large)}};

/* Cut anywhere: corrupt, or everything is there. */
static void test_truncated(void **state)
{
	size_t size;
	uint8_t *file = build(damaged_items, COUNT(damaged_items), 9, &size);

	(void)state;
	for (size_t length = 0; length <= size; length++) {
		sb_walk walk = {0};
		uint8_t *copy = malloc(length > 0 ? length : 1);

		memcpy(copy, file, length);
		if (!fake_walk_run(&walk, &sb_reader_ole, copy, length)) {
			assert_true(length < 8);
		} else if (walk.problem != SB_KIND_CORRUPT) {
			assert_true(fake_walk_has(&walk, large, sizeof(large)));
			assert_true(fake_walk_has(&walk, B("a few bytes")));
		}
		fake_walk_done(&walk);
		free(copy);
	}
	free(file);
}

/* Every number of the tables turned to each of a few bad ones: ends, and never claims a whole that
 * it did not see. */
static void test_bad_numbers(void **state)
{
	static const uint32_t bad[] = {0, 1, 5, 0x7fffffff, 0xfffffffa, END, FAT, 0xffffffff};
	size_t size;
	uint8_t *file = build(damaged_items, COUNT(damaged_items), 9, &size);

	(void)state;
	for (size_t at = 24; at + 4 <= size; at += at < 512 ? 2 : 4) {
		uint8_t kept[4];

		if (at >= 512 && at < 512 + sizeof(large)) /* the stream itself */
			continue;
		memcpy(kept, file + at, 4);
		for (size_t i = 0; i < COUNT(bad); i++) {
			sb_walk walk = {0};

			put(file + at, bad[i], 4);
			assert_true(fake_walk_run(&walk, &sb_reader_ole, file, size));
			assert_true(walk.bytes <= 3 * size);
			fake_walk_done(&walk);
		}
		memcpy(file + at, kept, 4);
	}
	free(file);
}

static void test_what_can_be_read_is_handed_over(void **state)
{
	size_t size;
	uint8_t *file = build(damaged_items, COUNT(damaged_items), 9, &size);
	uint32_t table = (uint32_t)(file[76] | file[77] << 8);
	sb_walk walk = {0};

	(void)state;
	/* The third link of the large stream, which begins at sector 0, leads back. */
	put(file + ((table + 1) << 9) + 8, 1, 4);
	assert_true(fake_walk_run(&walk, &sb_reader_ole, file, size));
	assert_int_equal(walk.problem, SB_KIND_CORRUPT);
	assert_true(fake_walk_has(&walk, B("a few bytes")));
	assert_memory_equal(fake_walk_find(&walk, "Dir/large")->data, large, 1024);
	fake_walk_done(&walk);
	free(file);
}

/* --- OOXML and ODF
 * -------------------------------------------------------------------------------------- */

#define ODF "PK\3\4..........................mimetypeapplication/vnd.oasis.opendocument.text"
#define REL(type, mode)                                                                            \
	"<Relationships><Relationship Id='1' Type=\"http://x/relationships/" type                  \
	"\" Target='http://x/' TargetMode=" mode "/></Relationships>"

static const struct {
	const char *zip, *name, *data;
	unsigned facts;
} members[] = {
	{"PK", "word/vbaProject.bin", "x", SB_FACT_MACROS},
	{"PK", "xl/macrosheets/sheet1.xml", "x", SB_FACT_MACROS},
	{"PK", "word/embeddings/oleObject1.bin", "x", SB_FACT_EMBEDDED},
	{"PK", "word/document.xml", "x", 0},
	{"PK", "word/_rels/settings.xml.rels", REL("attachedTemplate", "\"External\""),
		SB_FACT_EXTERNAL},
	{"PK", "word/_rels/document.xml.rels", REL("oleObject", "'External'"), SB_FACT_EXTERNAL},
	{"PK", "word/_rels/document.xml.rels", REL("hyperlink", "\"External\""), 0},
	{"PK", "word/_rels/document.xml.rels", REL("oleObject", "\"Internal\""), 0},
	{"PK", "[Content_Types].xml",
		"<Override ContentType='application/vnd.ms-office.vbaProject'/>", SB_FACT_MACROS},
	{"PK", "xl/workbook.xml", "<definedName name=\"_xlnm.Auto_Open\">", SB_FACT_AUTORUN},
	{"PK", "Scripts/activate.py", "x", 0},
	{"PK", "Basic/Standard/Module1.xml", "<script:module>", 0},
	{ODF, "Basic/Standard/Module1.xml", "<script:module>", SB_FACT_MACROS},
	{ODF, "Basic/Standard/script-lb.xml", "<library:library>", 0},
	{ODF, "Scripts/python/x.py", "x", SB_FACT_MACROS},
	{ODF, "Object 1/content.xml", "x", SB_FACT_EMBEDDED},
	{ODF, "content.xml", "<script:event-listener script:event-name='dom:load'>",
		SB_FACT_AUTORUN},
	{ODF, "META-INF/manifest.xml", "<manifest:encryption-data>", SB_FACT_ENCRYPTED},
	{"PK", "META-INF/manifest.xml", "<manifest:encryption-data>", 0},
	{ODF, "META-INF/manifest.xml", "<manifest:file-entry>", 0},
};

static void test_office_members(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(members); i++) {
		char zip[256] = {0};
		sb_level level = {
			.data = (uint8_t *)zip, .size = sizeof(zip), .name = "", .path = ""};
		sb_walk walk = {0};

		memcpy(zip, members[i].zip, strlen(members[i].zip));
		sb_office_member(&walk, &level, members[i].name, (const uint8_t *)members[i].data,
			strlen(members[i].data));
		if (walk.facts != members[i].facts)
			fail_msg("%s: facts %#x", members[i].name, walk.facts);
		fake_walk_done(&walk);
	}
}

/* --- ClamAV's samples, where they are installed
 * ----------------------------------------------------------- */

static void test_samples(void **state)
{
	static const struct {
		const char *name;
		bool exe; /* as a member of this level, else inside of one */
	} samples[] = {{"clam.ole.doc", true}, {"clam.ppt", false}};

	(void)state;
	for (size_t i = 0; i < COUNT(samples); i++) {
		sb_walk walk = {0};
		size_t size, exe_size;
		char *exe = fake_walk_sample("clam.exe", &exe_size);
		char *file = fake_walk_sample(samples[i].name, &size);

		if (exe == NULL || file == NULL) {
			free(exe);
			free(file);
			skip();
		}
		assert_true(fake_walk_run(&walk, &sb_reader_ole, file, size));
		if (walk.problem != SB_KIND_NONE ||
			(samples[i].exe && !fake_walk_has(&walk, exe, exe_size)))
			fail_msg("%s: %zu members, %s", samples[i].name, walk.count, walk.message);
		assert_true((walk.facts & SB_FACT_EMBEDDED) != 0);
		fake_walk_done(&walk);
		free(exe);
		free(file);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams_are_members),
		cmocka_unit_test(test_table_beyond_the_header),
		cmocka_unit_test(test_documents),
		cmocka_unit_test(test_decompression),
		cmocka_unit_test(test_modules),
		cmocka_unit_test(test_module_without_source),
		cmocka_unit_test(test_runs_itself),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_bad_numbers),
		cmocka_unit_test(test_what_can_be_read_is_handed_over),
		cmocka_unit_test(test_office_members),
		cmocka_unit_test(test_samples),
	};

	fill();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
