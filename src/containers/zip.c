/* SPDX-License-Identifier: MIT */
/*
 * End records are searched from the back. One counts only when a directory of its size lies
 * right before it: that is how every unpacker finds the entries when something was put in front
 * of the file.
 */
#include "containers/zip.h"

#include <string.h>

#include "containers/lanes.h"
#include "containers/sniff.h"

enum { END_RECORD = 22, LOCATOR = 20, END_RECORD_64 = 56, CENTRAL = 46, LOCAL = 30 };

static bool is(const uint8_t *data, size_t size, uint64_t at, const char *signature, size_t length)
{
	return at <= size && length <= size - at && memcmp(data + at, signature, 4) == 0;
}

/* --- The mark, from the back --------------------------------------------------------------- */

enum { MARK = 4, STEP = 4 * SB_LANES };

/* By its first byte and its last, which is rare in text. */
static sb_lanes like_mark(const uint8_t *at)
{
	return (sb_lanes)(sb_lanes_at(at) == 'P') & (sb_lanes)(sb_lanes_at(at + MARK - 1) == 6);
}

/* Surely none begins at one of STEP places. */
static bool nothing_at(const uint8_t *at)
{
	return sb_lanes_none(like_mark(at) | like_mark(at + SB_LANES) |
			     like_mark(at + SB_LANES * 2L) | like_mark(at + SB_LANES * 3L));
}

/* Where PK\5\6 begins last in [from, before); @p before when nowhere. */
static uint64_t last_mark(const uint8_t *data, uint64_t from, uint64_t before)
{
	uint64_t end = before >= from + MARK ? before - MARK + 1 : from; /* of the places left */

	while (end > from) {
		uint64_t least = end - from > STEP ? end - STEP : from;

		if (end - from >= STEP && nothing_at(data + least)) {
			end = least;
			continue;
		}
		for (; end > least; end--)
			if (memcmp(data + end - 1, "PK\x05\x06", MARK) == 0)
				return end - 1;
	}
	return before;
}

/* The 64-bit record in front of the end record, if there is one. */
static bool read_end_64(
	const uint8_t *data, sb_zip_directory *out, uint64_t *length, uint64_t *offset)
{
	const uint8_t *record;

	if (out->record < LOCATOR + END_RECORD_64 ||
		memcmp(data + out->record - LOCATOR, "PK\x06\x07", 4) != 0)
		return false;
	record = data + out->record - LOCATOR - END_RECORD_64;
	if (memcmp(record, "PK\x06\x06", 4) != 0)
		return false;
	out->to = out->record - LOCATOR - END_RECORD_64;
	out->entries = sb_le64(record + 32) & 0xffff;
	*length = sb_le64(record + 40);
	*offset = sb_le64(record + 48);
	return true;
}

static bool read_end(const uint8_t *data, size_t size, uint64_t at, sb_zip_directory *out)
{
	const uint8_t *record = data + at;
	uint64_t length, offset;

	if (!is(data, size, at, "PK\x05\x06", END_RECORD))
		return false;
	*out = (sb_zip_directory){.record = at, .to = at, .end = at + END_RECORD};
	out->split = sb_le16(record + 4) != 0 || sb_le16(record + 6) != 0 ||
		     sb_le16(record + 8) != sb_le16(record + 10);
	out->entries = sb_le16(record + 10);
	length = sb_le32(record + 12);
	offset = sb_le32(record + 16);
	if (length == UINT32_MAX || offset == UINT32_MAX || out->entries == 0xffff) {
		if (!read_end_64(data, out, &length, &offset) && out->entries != 0xffff)
			return false;
	} else if (length <= at && !is(data, size, at - length, "PK\x01\x02", CENTRAL)) {
		/* Both records, with the same numbers in both: what writes to a pipe does that. */
		uint64_t length_64 = 0, offset_64 = 0;

		if (!read_end_64(data, out, &length_64, &offset_64) || length_64 != length ||
			offset_64 != offset)
			out->to = at;
	}
	if (length > out->to)
		return false;
	out->from = out->to - length;
	if (offset > out->from)
		return out->split && is(data, size, out->from, "PK\x01\x02", CENTRAL);
	out->base = out->from - offset;
	if (length == 0)
		return out->entries == 0 && offset == 0 && at == 0;
	return is(data, size, out->from, "PK\x01\x02", CENTRAL);
}

bool sb_zip_last_directory(
	const uint8_t *data, size_t size, uint64_t from, uint64_t before, sb_zip_directory *out)
{
	before = before < size ? before : size;
	for (;;) {
		uint64_t at = last_mark(data, from, before);

		if (at == before)
			return false;
		if (read_end(data, size, at, out))
			return true;
		before = at + 3;
	}
}

/* --- Entries ------------------------------------------------------------------------------ */

/* The 64-bit numbers that stand for those that are all ones, in their fixed order. */
static void read_extra(const uint8_t *extra, size_t length, uint64_t *const numbers[], size_t count)
{
	size_t at = 0;

	while (length - at >= 4) {
		size_t part = sb_le16(extra + at + 2);

		at += 4;
		if (part > length - at)
			return;
		if (sb_le16(extra + at - 4) != 1) {
			at += part;
			continue;
		}
		for (size_t i = 0; i < count && part >= 8; i++) {
			if (*numbers[i] != UINT32_MAX)
				continue;
			*numbers[i] = sb_le64(extra + at);
			at += 8;
			part -= 8;
		}
		return;
	}
}

/* A directory by its name or attributes, or what Unix says in them. */
static bool is_file(const uint8_t *central, const sb_zip_entry *entry)
{
	uint32_t attributes = sb_le32(central + 38), type = attributes >> 28;

	if (entry->name_length > 0 && (entry->name[entry->name_length - 1] == '/' ||
					      entry->name[entry->name_length - 1] == '\\'))
		return false;
	if (central[5] == 3)
		return type == 0 || type == 010 || type == 1;
	return (attributes & 0x10) == 0;
}

/* Compare with the local header, and find the bytes. */
static void read_local(
	const uint8_t *data, size_t size, uint64_t packed, bool later, sb_zip_entry *entry)
{
	const uint8_t *local = data + entry->local;
	uint64_t there, unpacked, from;
	uint64_t *const numbers[] = {&unpacked, &there};

	if (!is(data, size, entry->local, "PK\x03\x04", LOCAL))
		return;
	there = sb_le32(local + 18);
	unpacked = sb_le32(local + 22);
	from = entry->local + LOCAL + sb_le16(local + 26) + sb_le16(local + 28);
	if (from > size || packed > size - from)
		return;
	read_extra(local + LOCAL + sb_le16(local + 26), sb_le16(local + 28), numbers, 2);
	if (sb_le16(local + 8) != entry->method ||
		((sb_le16(local + 6) & 1) != 0) != entry->encrypted)
		return;
	if (there != packed && !(later && there == 0))
		return;
	if (entry->method == 0 && !entry->encrypted && packed != entry->size)
		return;
	entry->agrees = true;
	entry->data = from;
	entry->end = from + packed;
}

bool sb_zip_next_entry(const uint8_t *data, size_t size, const sb_zip_directory *directory,
	uint64_t *at, sb_zip_entry *out)
{
	const uint8_t *central = data + *at;
	uint64_t packed, offset, length;
	uint64_t *const numbers[] = {&out->size, &packed, &offset};

	if (*at >= directory->to || !is(data, directory->to, *at, "PK\x01\x02", CENTRAL))
		return false;
	*out = (sb_zip_entry){.method = sb_le16(central + 10), .central = *at};
	out->encrypted = (central[8] & 1) != 0;
	packed = sb_le32(central + 20);
	out->size = sb_le32(central + 24);
	offset = sb_le32(central + 42);
	out->name = central + CENTRAL;
	out->name_length = sb_le16(central + 28);
	length = CENTRAL + out->name_length + sb_le16(central + 30);
	if (length + sb_le16(central + 32) > directory->to - *at)
		return false;
	read_extra(central + CENTRAL + out->name_length, sb_le16(central + 30), numbers, 3);
	out->file = is_file(central, out);
	if (!__builtin_add_overflow(directory->base, offset, &out->local))
		read_local(data, size, packed, (central[8] & 8) != 0, out);
	*at += length + sb_le16(central + 32);
	return true;
}
