/* SPDX-License-Identifier: MIT */
/*
 * An object of the quarantine that anybody may have written to, under a key that is known here:
 * the kept inputs are whole objects. Oracles: a byte that comes out is the byte that went in at
 * this place; what reads to its end has the length that its head states; the head that was
 * accepted is written back as it was.
 */
#include <stdlib.h>
#include <string.h>

#include "quarantine/object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char id[] = "0123456789abcdef0123456789abcdef";

struct input {
	const uint8_t *data;
	size_t size;
};

static ssize_t pread_input(void *data, void *out, size_t length, uint64_t offset)
{
	const struct input *in = data;

	if (offset >= in->size)
		return 0;
	if (length > in->size - offset)
		length = in->size - (size_t)offset;
	memcpy(out, in->data + offset, length);
	return (ssize_t)length;
}

static int take(void *data, const void *bytes, size_t length)
{
	uint64_t *count = data;

	for (size_t i = 0; i < length; i++)
		if (((const uint8_t *)bytes)[i] != (uint8_t)((*count + i) * 7 + 3))
			abort();
	*count += length;
	return 0;
}

static void check_head(const uint8_t *data)
{
	uint8_t again[SB_OBJECT_SECTOR];
	sb_object_head head;

	if (sb_object_head_read(&head, data) != NULL)
		return;
	sb_object_head_write(again, &head);
	if (memcmp(again, data, sizeof again) != 0 ||
		sb_object_file_length(&head) < SB_OBJECT_RECORD + head.size)
		abort();
}

/* What is sealed inside, and the key file, read on their own: behind a tag no search gets. */
static void check_parts(const uint8_t *data, size_t size)
{
	sb_quarantine_record record = {0};
	sb_arena arena;
	sb_keys keys;

	sb_arena_init(&arena, SB_RECORD_ARENA);
	if (sb_record_read(&record, (const char *)data, size, &arena) &&
		(!sb_quarantine_id_ok(record.id) || record.threats == NULL ||
			(record.path == NULL && record.path_length > 0)))
		abort();
	sb_arena_done(&arena);
	if (sb_keys_parse(&keys, (const char *)data, size) == 0 &&
		(keys.count == 0 || keys.count > SB_KEYS_MAX))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	sb_object_input input = {pread_input, &in, size};
	sb_keys keys = {.count = 1};
	sb_object object;
	uint64_t count = 0;

	if (size >= SB_OBJECT_SECTOR)
		check_head(data);
	check_parts(data, size);
	memset(keys.list[0].id, 1, sizeof keys.list[0].id);
	memset(keys.list[0].key, 2, sizeof keys.list[0].key);
	if (sb_object_open(&object, &input, &keys, id, NULL) != SB_Q_OK)
		return 0;
	if (sb_object_read(&object, take, &count, NULL) == SB_Q_OK && count != object.head.size)
		abort();
	sb_object_close(&object);
	return 0;
}
