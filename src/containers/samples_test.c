/* SPDX-License-Identifier: MIT */
#include "containers/samples_test.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define ROOM ((size_t)48 << 20)
#define HELLO "hello world"

static uint8_t pattern[BIN_SIZE];
const sample_file sample_files[3] = {
	{"doc.txt", HELLO, DOC_SIZE}, {"dir/b.bin", pattern, BIN_SIZE}, {NULL, NULL, 0}};

/* Compressible, but not to nothing. */
__attribute__((constructor)) static void fill_pattern(void)
{
	for (size_t i = 0; i < sizeof pattern; i++)
		pattern[i] = (uint8_t)('a' + (i * i / 7 + i / 64) % 26);
}

static void need(bool holds)
{
	if (!holds)
		abort();
}

sample sample_of(const void *data, size_t size)
{
	sample s = {malloc(size > 0 ? size : 1), size};

	need(s.data != NULL);
	memcpy(s.data, data, size);
	return s;
}

sample sample_join(sample first, sample second)
{
	sample s = {malloc(first.size + second.size + 1), first.size + second.size};

	need(s.data != NULL);
	memcpy(s.data, first.data, first.size);
	memcpy(s.data + first.size, second.data, second.size);
	free(first.data);
	free(second.data);
	return s;
}

sample sample_cut(sample whole, size_t size)
{
	sample s = sample_of(whole.data, size);

	free(whole.data);
	return s;
}

static void put_file(struct archive *a, const sample_file *file, bool raw)
{
	struct archive_entry *entry = archive_entry_new();

	need(entry != NULL);
	archive_entry_set_pathname(entry, file->name);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0644);
	archive_entry_set_mtime(entry, 1700000000, 0);
	if (!raw)
		archive_entry_set_size(entry, (la_int64_t)file->size);
	need(archive_write_header(a, entry) >= ARCHIVE_WARN);
	if (file->size > 0)
		need(archive_write_data(a, file->data, file->size) >= 0);
	archive_entry_free(entry);
}

sample sample_archive(const char *format, const char *filter, const char *options,
	const char *password, const sample_file *files)
{
	struct archive *a = archive_write_new();
	uint8_t *room = malloc(ROOM);
	size_t used = 0;
	sample s;

	need(a != NULL && room != NULL &&
		archive_write_set_format_by_name(a, format) == ARCHIVE_OK);
	if (filter != NULL)
		need(archive_write_add_filter_by_name(a, filter) == ARCHIVE_OK);
	archive_write_set_bytes_in_last_block(a, 1);
	if (options != NULL)
		need(archive_write_set_options(a, options) == ARCHIVE_OK);
	if (password != NULL)
		need(archive_write_set_passphrase(a, password) == ARCHIVE_OK);
	need(archive_write_open_memory(a, room, ROOM, &used) == ARCHIVE_OK);
	for (; files->name != NULL; files++)
		put_file(a, files, strcmp(format, "raw") == 0);
	need(archive_write_close(a) == ARCHIVE_OK);
	archive_write_free(a);
	s = sample_of(room, used);
	free(room);
	return s;
}

sample sample_packed(const char *filter, const void *content, size_t size)
{
	const sample_file files[] = {{"data", content, size}, {NULL, NULL, 0}};

	return sample_archive("raw", filter, NULL, NULL, files);
}

/* --- Byte by byte ---------------------------------------------------------------------------- */

typedef struct maker {
	uint8_t data[1 << 16];
	size_t size;
} maker;

static void put(maker *m, const void *data, size_t size)
{
	need(size <= sizeof m->data - m->size);
	memcpy(m->data + m->size, data, size);
	m->size += size;
}

static void number(maker *m, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++, value >>= 8)
		put(m, &(uint8_t){(uint8_t)value}, 1);
}

static void write_at(maker *m, size_t at, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++, value >>= 8)
		m->data[at + i] = (uint8_t)value;
}

static uint32_t sum(const void *data, size_t size)
{
	return (uint32_t)crc32(0, data, (uInt)size);
}

static sample finish(maker *m)
{
	sample s = sample_of(m->data, m->size);

	free(m);
	return s;
}

static maker *begin(void)
{
	maker *m = calloc(1, sizeof *m);

	need(m != NULL);
	return m;
}

/* Sizes in front, no descriptors: as `zip` writes it. */
sample sample_zip(const sample_file *files, bool stored)
{
	maker *m = begin(), *central = begin();
	uint64_t count = 0, start;

	for (; files->name != NULL; files++, count++) {
		static uint8_t packed[1 << 16];
		z_stream z = {.next_in = (Bytef *)(uintptr_t)files->data,
			.avail_in = (uInt)files->size,
			.next_out = packed,
			.avail_out = sizeof packed};
		size_t local = m->size, at;

		need(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) == Z_OK);
		need(stored || deflate(&z, Z_FINISH) == Z_STREAM_END);
		put(m, "PK\3\4\24\0\0\0", 8);
		number(m, stored ? 0 : 8, 2);
		number(m, 0x58210000, 4);
		number(m, sum(files->data, files->size), 4);
		number(m, stored ? files->size : z.total_out, 4);
		number(m, files->size, 4);
		number(m, strlen(files->name), 2);
		number(m, 0, 2);
		put(m, files->name, strlen(files->name));
		put(m, stored ? files->data : packed, stored ? files->size : z.total_out);
		put(central, "PK\1\2\24\0", 6);
		at = central->size;
		put(central, m->data + local + 4, 26);
		number(central, 0, 10);
		number(central, local, 4);
		write_at(central, at + 24, 0, 2);
		put(central, files->name, strlen(files->name));
		deflateEnd(&z);
	}
	start = m->size;
	put(m, central->data, central->size);
	put(m, "PK\5\6\0\0\0\0", 8);
	number(m, count, 2);
	number(m, count, 2);
	number(m, central->size, 4);
	number(m, start, 4);
	number(m, 0, 2);
	free(central);
	return finish(m);
}

sample sample_rar4(bool volume)
{
	maker *m = begin();
	size_t at;

	put(m, "Rar!\x1a\7\0", 7);
	number(m, 0, 2);
	put(m, "\x73", 1);
	number(m, volume ? 1 : 0, 2);
	number(m, 13, 2);
	number(m, 0, 6);
	write_at(m, 7, sum(m->data + 9, 11) & 0xffff, 2);
	at = m->size;
	number(m, 0, 2);
	put(m, "\x74", 1);
	number(m, 0x8000, 2);
	number(m, 32 + 7, 2);
	number(m, DOC_SIZE, 4);
	number(m, DOC_SIZE, 4);
	number(m, 3, 1);
	number(m, sum(HELLO, DOC_SIZE), 4);
	number(m, 0x58210000, 4);
	number(m, 20, 1);
	number(m, 0x30, 1);
	number(m, 7, 2);
	number(m, 0100644, 4);
	put(m, "doc.txt", 7);
	write_at(m, at, sum(m->data + at + 2, m->size - at - 2) & 0xffff, 2);
	put(m, HELLO, DOC_SIZE);
	put(m, "\xc4\x3d\x7b\0\x40\7\0", 7);
	return finish(m);
}

static void rar5_block(maker *m, const void *fields, size_t size)
{
	uint8_t block[128] = {(uint8_t)size};

	memcpy(block + 1, fields, size);
	number(m, sum(block, size + 1), 4);
	put(m, block, size + 1);
}

sample sample_rar5(bool volume)
{
	maker *m = begin();
	uint32_t check = sum(HELLO, DOC_SIZE);
	uint8_t file[] = {2, 2, DOC_SIZE, 4, DOC_SIZE, 0x20, (uint8_t)check, (uint8_t)(check >> 8),
		(uint8_t)(check >> 16), (uint8_t)(check >> 24), 0, 1, 7, 'd', 'o', 'c', '.', 't',
		'x', 't'};

	put(m, "Rar!\x1a\7\1\0", 8);
	rar5_block(m, volume ? "\1\0\1" : "\1\0\0", 3);
	rar5_block(m, file, sizeof file);
	put(m, HELLO, DOC_SIZE);
	rar5_block(m, "\5\0\0", 3);
	return finish(m);
}

sample sample_cab(void)
{
	maker *m = begin();

	put(m, "MSCF\0\0\0\0", 8);
	number(m, 0, 8);
	number(m, 44, 4);
	number(m, 0, 4);
	put(m, "\3\1\1\0\1\0\0\0\1\0\0\0", 12);
	number(m, 44 + 16 + 8, 4);
	number(m, 1, 2);
	number(m, 0, 2);
	number(m, DOC_SIZE, 4);
	number(m, 0, 4);
	number(m, 0, 2);
	number(m, 0x5821, 4);
	number(m, 0x20, 2);
	put(m, "doc.txt", 8);
	number(m, 0, 4);
	number(m, DOC_SIZE, 2);
	number(m, DOC_SIZE, 2);
	put(m, HELLO, DOC_SIZE);
	write_at(m, 8, m->size, 4);
	return finish(m);
}

sample sample_lha(void)
{
	maker *m = begin();
	unsigned check = 0;

	number(m, 22 + 7, 1);
	number(m, 0, 1);
	put(m, "-lh0-", 5);
	number(m, DOC_SIZE, 4);
	number(m, DOC_SIZE, 4);
	number(m, 0x58210000, 4);
	put(m, "\x20\0\7", 3);
	put(m, "doc.txt", 7);
	number(m, 0x39c1, 2);
	for (size_t i = 2; i < m->size; i++)
		check += m->data[i];
	write_at(m, 1, check, 1);
	put(m, HELLO, DOC_SIZE);
	number(m, 0, 1);
	return finish(m);
}
