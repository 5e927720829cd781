/* SPDX-License-Identifier: MIT */
/*
 * Zip files, by every directory that they have; then what is only reachable by local headers.
 * libarchive unpacks; what it passes over, being no file by its name or mode, is unpacked here
 * when it has bytes all the same.
 */
#include <archive.h>
#include <string.h>
#include <zlib.h>

#include "containers/archive_run.h"
#include "containers/sniff.h"
#include "containers/walk_own.h"
#include "containers/zip.h"

enum {
	DIRECTORIES_MAX = 16,
	TAIL = (64 << 10) + 22, /* where the end record of an ordinary file is */
	PIECE = 64 << 10,
	CENTRAL = 46, /* bytes of a header in a directory, in front of its name */
	LOCAL = 30,
};

/* --- Entries that are no files -------------------------------------------------------------- */

static int inflate_all(z_stream *stream, sb_unpacking *member, int *code)
{
	uint8_t piece[PIECE];
	int result = 0;

	do {
		stream->next_out = piece;
		stream->avail_out = sizeof piece;
		*code = inflate(stream, Z_NO_FLUSH);
		result = sb_walk_append(member, piece, sizeof piece - stream->avail_out);
	} while (result == 0 && *code == Z_OK);
	return result;
}

static int unpack(const sb_level *level, const sb_zip_entry *entry, sb_unpacking *member, int *code)
{
	z_stream stream = {0};
	int result;

	*code = Z_STREAM_END;
	if (entry->method == 0)
		return sb_walk_append(
			member, level->data + entry->data, (size_t)(entry->end - entry->data));
	if (entry->end - entry->data > UINT32_MAX || inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
		*code = Z_MEM_ERROR;
		return 0;
	}
	stream.next_in = (Bytef *)(uintptr_t)(level->data + entry->data);
	stream.avail_in = (uInt)(entry->end - entry->data);
	result = inflate_all(&stream, member, code);
	inflateEnd(&stream);
	return result;
}

static int read_odd(sb_walk *walk, const sb_level *level, const sb_zip_entry *entry)
{
	sb_unpacking *member;
	int result, code;

	if (entry->encrypted || (entry->method != 0 && entry->method != 8)) {
		sb_walk_problem(walk, level, NULL,
			entry->encrypted ? SB_KIND_ENCRYPTED : SB_KIND_UNSUPPORTED,
			"a directory or link with bytes that can't be read");
		return 0;
	}
	result = sb_walk_open(walk, level, (const char *)entry->name, entry->name_length,
		entry->end - entry->data, &member);
	if (result != 0)
		return result;
	result = unpack(level, entry, member, &code);
	if (result != 0) {
		sb_walk_drop(member);
		return result < 0 ? result : 0;
	}
	if (code != Z_STREAM_END)
		sb_walk_problem(walk, level, NULL, SB_KIND_CORRUPT,
			"a directory or link with damaged bytes");
	return sb_walk_close(member);
}

/* --- What unpackers pass over ---------------------------------------------------------------- */

static int look_at_fields(sb_walk *walk, const sb_level *level, const sb_zip_entry *entry)
{
	const uint8_t *data = level->data;
	uint64_t at = entry->central + CENTRAL + entry->name_length;
	uint32_t extra = sb_le16(data + entry->central + 30);
	int result = sb_walk_fields(walk, level, at, extra);

	if (result == 0)
		result = sb_walk_scrap(
			walk, level, "comment", at + extra, sb_le16(data + entry->central + 32));
	if (result != 0 || !entry->agrees)
		return result;
	at = entry->local + LOCAL + sb_le16(data + entry->local + 26);
	return sb_walk_fields(walk, level, at, sb_le16(data + entry->local + 28));
}

/* Something packed takes two bytes at least. */
static void check_empty(sb_walk *walk, const sb_level *level, const sb_zip_directory *directory,
	const sb_zip_entry *entry)
{
	if (entry->agrees && entry->method != 0 && entry->end == entry->data &&
		directory->from > entry->data && memcmp(level->data + entry->data, "PK", 2) != 0)
		sb_walk_doubt(walk, level, "zip entry that says that it is empty, and is not");
}

/* --- One directory -------------------------------------------------------------------------- */

/* What the entries account for. What libarchive could not come to stays open. */
static int settle(sb_walk *walk, const sb_level *level, const sb_zip_directory *directory,
	const sb_archive_run *run)
{
	uint64_t at = directory->from, entries = 0, odd = 0;
	sb_zip_entry entry;
	int result = 0;

	while (result == 0 && sb_zip_next_entry(level->data, level->size, directory, &at, &entry)) {
		entries++;
		result = sb_walk_poll(walk);
		if (result == 0 && !entry.file && entry.agrees && entry.end > entry.data) {
			odd++;
			result = read_odd(walk, level, &entry);
		}
		check_empty(walk, level, directory, &entry);
		if (result == 0)
			result = look_at_fields(walk, level, &entry);
		if (entry.agrees && !run->broken)
			sb_walk_claim(level, entry.local, entry.end);
	}
	if (at != directory->to || (entries & 0xffff) != directory->entries)
		sb_walk_doubt(walk, level, "zip directory has other entries than its end says");
	if (run->hidden > odd)
		sb_walk_doubt(walk, level, "zip entry that is a file in one place only");
	sb_walk_claim(level, directory->from, directory->end);
	return result;
}

static int read_directory(sb_walk *walk, const sb_level *level, const sb_zip_directory *directory)
{
	sb_archive_run run = {
		.walk = walk,
		.level = level,
		.likeness = SB_SURELY,
		.data = level->data + directory->base,
		.size = (size_t)(directory->end - directory->base),
		.formats = {archive_read_support_format_zip_seekable},
		.seekable = true,
		.skips = true,
	};
	int result;

	if (directory->split) {
		sb_walk_problem(walk, level, NULL, SB_KIND_UNSUPPORTED, "one part of several");
		return 0;
	}
	if (directory->from == directory->to)
		return 0;
	result = sb_archive_read(&run);
	return result == 0 ? settle(walk, level, directory, &run) : result;
}

/* --- Local headers -------------------------------------------------------------------------- */

static int read_locals(sb_walk *walk, const sb_level *level, sb_likeness likeness)
{
	sb_archive_run run = {
		.walk = walk,
		.level = level,
		.likeness = likeness,
		.data = level->data,
		.size = level->size,
		.formats = {archive_read_support_format_zip_streamable},
	};
	int result = sb_archive_read(&run);

	if (result != 0)
		return result;
	if (run.hidden > 0)
		sb_walk_doubt(walk, level, "zip directory with bytes of its own");
	if (run.found)
		sb_walk_claim(level, 0, run.end);
	return 0;
}

/* --- The reader ------------------------------------------------------------------------------ */

static bool begins_local(const uint8_t *data, size_t size)
{
	return size >= 4 && memcmp(data, "PK\x03\x04", 4) == 0;
}

static bool begins_split(const uint8_t *data, size_t size)
{
	return size >= 8 && begins_local(data + 4, size - 4) &&
	       (memcmp(data, "PK\x07\x08", 4) == 0 || memcmp(data, "PK00", 4) == 0);
}

/* Directories from the last to the first. Those of which every byte is claimed are a member's. */
static int read_directories(sb_walk *walk, const sb_level *level, unsigned *found)
{
	uint64_t before = level->size;
	sb_zip_directory directory;
	unsigned read = 0;
	int result = 0;

	while (result == 0 &&
		sb_zip_last_directory(level->data, level->size, 0, before, &directory)) {
		before = directory.record;
		(*found)++;
		if (sb_ranges_skip(level->claimed, directory.base) >= directory.end)
			continue;
		if (read++ == DIRECTORIES_MAX) {
			sb_walk_doubt(walk, level, "more than %d zip directories", DIRECTORIES_MAX);
			break;
		}
		result = read_directory(walk, level, &directory);
	}
	return result;
}

static int take_apart(sb_walk *walk, const sb_level *level, sb_likeness likeness)
{
	unsigned found = 0;
	sb_level loose = *level;
	int result;

	if (likeness != SB_SURELY)
		return read_locals(walk, level, likeness);
	result = read_directories(walk, level, &found);
	if (result != 0)
		return result;
	if (found == 0)
		sb_walk_problem(walk, level, NULL,
			begins_split(level->data, level->size) ? SB_KIND_UNSUPPORTED
							       : SB_KIND_CORRUPT,
			"zip without a directory: cut off, or one part of several");
	if (!begins_local(level->data, level->size) || sb_ranges_skip(level->claimed, 0) != 0)
		return 0;
	/* With a directory, what lies outside it need not be an archive at all. */
	loose.embedded = loose.embedded || found > 0;
	return read_locals(walk, &loose, found > 0 ? SB_PERHAPS : SB_SURELY);
}

static sb_likeness recognise(const uint8_t *data, size_t size, const char **type)
{
	sb_zip_directory directory;

	*type = "zip";
	if (begins_local(data, size) || begins_split(data, size))
		return SB_SURELY;
	return sb_zip_last_directory(data, size, size > TAIL ? size - TAIL : 0, size, &directory)
		       ? SB_SURELY
		       : SB_NOT_THIS;
}

const sb_reader_ops sb_reader_zip = {"zip", recognise, take_apart, NULL};
