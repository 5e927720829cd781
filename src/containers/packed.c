/* SPDX-License-Identifier: MIT */
/*
 * One compressed stream: gzip, bzip2, xz, … It has one member, unless it turns out larger than a
 * member may be and is a tar or cpio archive: then that is read as it comes out.
 */
#include <archive.h>
#include <string.h>
#include <strings.h>

#include "containers/archive_run.h"
#include "containers/extent.h"
#include "containers/sniff.h"
#include "containers/stream.h"

static const struct {
	const char *type;
	int filter;
	/* Where the last stream ends, for those where libarchive takes what follows for damage;
	 * 0: can't be told. */
	size_t (*end)(const uint8_t *data, size_t size);
} kinds[] = {
	{"gzip", ARCHIVE_FILTER_GZIP, NULL},
	{"bzip2", ARCHIVE_FILTER_BZIP2, NULL},
	{"xz", ARCHIVE_FILTER_XZ, sb_extent_xz},
	{"lzma", ARCHIVE_FILTER_LZMA, NULL},
	{"lzip", ARCHIVE_FILTER_LZIP, NULL},
	{"compress", ARCHIVE_FILTER_COMPRESS, NULL},
	{"zstd", ARCHIVE_FILTER_ZSTD, sb_extent_zstd},
	{"lz4", ARCHIVE_FILTER_LZ4, sb_extent_lz4},
	{"rpm", ARCHIVE_FILTER_RPM, NULL},
};

static const struct {
	const char *suffix, *instead;
} suffixes[] = {
	{".tgz", ".tar"},
	{".tbz2", ".tar"},
	{".tbz", ".tar"},
	{".txz", ".tar"},
	{".tlz", ".tar"},
	{".tzst", ".tar"},
	{".svgz", ".svg"},
	{".gz", ""},
	{".bz2", ""},
	{".xz", ""},
	{".lzma", ""},
	{".lz", ""},
	{".z", ""},
	{".zst", ""},
	{".lz4", ""},
	{".rpm", ".cpio"},
};

/* The name that is left when the suffix of the packing is gone. */
static void inner_name(char *out, size_t room, const char *name)
{
	size_t length = strlen(name);
	const char *instead = "";

	for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
		size_t tail = strlen(suffixes[i].suffix);

		if (length <= tail || strcasecmp(name + length - tail, suffixes[i].suffix) != 0)
			continue;
		length -= tail;
		instead = suffixes[i].instead;
		break;
	}
	length = length < room - 8 ? length : room - 8;
	memcpy(out, name, length);
	memcpy(out + length, instead, strlen(instead) + 1);
}

/* A stream of nothing, whole, which libarchive does not tell from damage. */
static bool is_empty(const sb_level *level, size_t end)
{
	if (strcmp(level->type, "bzip2") == 0)
		return level->size >= 14 &&
		       memcmp(level->data + 4, "\x17\x72\x45\x38\x50\x90", 6) == 0;
	if (strcmp(level->type, "lzip") == 0)
		return level->size >= 36 && sb_le64(level->data + 20) == 0 &&
		       sb_le64(level->data + 28) == 36;
	return end > 0 && end <= (strcmp(level->type, "xz") == 0 ? 32 : 19);
}

/* libarchive knows neither format by a frame that is to be skipped. */
static size_t first_frame(const sb_level *level, size_t end)
{
	size_t at = 0, from, length, begin = 0;

	if (strcmp(level->type, "zstd") != 0 && strcmp(level->type, "lz4") != 0)
		return 0;
	while (sb_extent_skippable(level->data, end, &at, &from, &length) && from == begin + 8)
		begin = at;
	return begin < end ? begin : 0;
}

/* Whoever knows of them does not skip them. */
static int look_at_skipped(sb_walk *walk, const sb_level *level, size_t end)
{
	size_t at = 0, from, length;
	int result = 0;

	while (result == 0 && sb_extent_skippable(level->data, end, &at, &from, &length))
		result = sb_walk_scrap(walk, level, "skipped frame", from, length);
	return result;
}

/* An archive too large to be held, as it comes out of the filter. */
static int read_streaming(sb_archive_run *run, int filter)
{
	int result;

	run->data = run->level->data;
	if (run->size == 0)
		run->size = run->level->size;
	run->formats[0] = archive_read_support_format_tar;
	run->formats[1] = archive_read_support_format_cpio;
	run->filter = filter;
	run->stream = run->may_stream = false;
	run->entries = 0;
	result = sb_archive_read(run);
	if (result == 0 && run->found)
		sb_walk_claim(run->level, 0, run->end);
	return result;
}

static int take_apart(sb_walk *walk, const sb_level *level, sb_likeness likeness)
{
	sb_archive_run run = {.walk = walk, .level = level, .likeness = likeness};
	char name[1024];
	size_t k = 0, end = 0, skip;
	int result;

	while (k < sizeof kinds / sizeof *kinds && strcmp(kinds[k].type, level->type) != 0)
		k++;
	if (k == sizeof kinds / sizeof *kinds)
		return 0;
	inner_name(name, sizeof name, level->name);
	if (sb_stream_knows(level->type)) {
		result = sb_stream_read(walk, level, likeness, name, &run.stream);
		return result == 0 && run.stream ? read_streaming(&run, kinds[k].filter) : result;
	}
	if (kinds[k].end != NULL)
		end = kinds[k].end(level->data, level->size);
	if (is_empty(level, end))
		return sb_walk_member(walk, level, name, strlen(name), "", 0);
	skip = first_frame(level, end);
	run.data = level->data + skip;
	run.size = (end > 0 ? end : level->size) - skip;
	run.formats[0] = archive_read_support_format_raw;
	run.filter = kinds[k].filter;
	run.name = name;
	run.may_stream = true;
	result = sb_archive_read(&run);
	if (result == 0 && run.stream)
		result = read_streaming(&run, kinds[k].filter);
	if (result == 0 && run.found)
		sb_walk_claim(level, 0, end > 0 ? end : run.end);
	if (result == 0 && (run.filter == ARCHIVE_FILTER_ZSTD || run.filter == ARCHIVE_FILTER_LZ4))
		result = look_at_skipped(walk, level, end);
	return result;
}

static sb_likeness recognise(const uint8_t *data, size_t size, const char **type)
{
	return sb_sniff_begin(data, size, &sb_reader_packed, type);
}

const sb_reader_ops sb_reader_packed = {"packed", recognise, take_apart, NULL};
