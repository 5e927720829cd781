/* SPDX-License-Identifier: MIT */
/* Archives by libarchive, from memory only. */
#include "containers/archive_run.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

#include "containers/ranges.h"
#include "containers/rar.h"
#include "containers/sniff.h"
#include "containers/tar.h"

enum {
	AGAIN_MAX = 64, /* times an archive is opened once more behind a damaged member */
	AT_ONCE = 4096, /* bytes from a stream that may be none, before its failure counts */
	NOTHING = 64,   /* below: not even worth a look */
	PASSWORDS_MAX = 64,
};

/* --- What went wrong ------------------------------------------------------------------------ */

static const struct {
	const char *text; /* in libarchive's message */
	sb_kind kind;
} messages[] = {
	{"ncrypt", SB_KIND_ENCRYPTED},
	{"rypto codec", SB_KIND_ENCRYPTED},
	{"assphrase", SB_KIND_ENCRYPTED},
	{"nsupported", SB_KIND_UNSUPPORTED},
	{"not supported", SB_KIND_UNSUPPORTED},
	{"ulti-volume", SB_KIND_UNSUPPORTED},
	{"ultivolume", SB_KIND_UNSUPPORTED},
	{"Unknown codec", SB_KIND_UNSUPPORTED},
	{"emory", SB_KIND_LIMIT_EXCEEDED},
};

static sb_kind kind_of(struct archive *archive, struct archive_entry *entry, const char *text)
{
	if (archive_errno(archive) == ENOMEM)
		return SB_KIND_LIMIT_EXCEEDED;
	if (entry != NULL && archive_entry_is_encrypted(entry))
		return SB_KIND_ENCRYPTED;
	for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
		if (strstr(text, messages[i].text) != NULL)
			return messages[i].kind;
	return SB_KIND_CORRUPT;
}

static void fail(
	sb_archive_run *run, struct archive *archive, struct archive_entry *entry, const char *name)
{
	const char *text = archive_error_string(archive);

	run->failed = true;
	if (run->likeness == SB_PERHAPS && !run->found)
		return;
	text = text != NULL ? text : "damaged";
	sb_walk_problem(run->walk, run->level, name, kind_of(archive, entry, text), "%s", text);
}

/* --- One member ----------------------------------------------------------------------------- */

typedef struct piece {
	const void *data;
	size_t size;
	la_int64_t offset;
	int code;
} piece;

static piece next_block(struct archive *archive)
{
	piece b = {NULL, 0, 0, 0};

	b.code = archive_read_data_block(archive, &b.data, &b.size, &b.offset);
	return b;
}

static bool gives_data(const piece *b)
{
	return b->code == ARCHIVE_OK || (b->code == ARCHIVE_WARN && b->size > 0);
}

/* A hole in a sparse file reads as zeros. */
static int append_hole(sb_unpacking *member, uint64_t size)
{
	static const uint8_t zeros[64 << 10];
	int result = 0;

	while (result == 0 && size > 0) {
		size_t part = size < sizeof zeros ? (size_t)size : sizeof zeros;

		result = sb_walk_append(member, zeros, part);
		size -= part;
	}
	return result;
}

/* Whether what comes out of the filter is an archive that can be read without being held. */
static bool streams(const sb_archive_run *run, uint64_t size)
{
	const char *type = "";

	if (!run->may_stream || size <= sb_walk_limits(run->walk)->max_member)
		return false;
	if (sb_sniff_begin(run->head, sizeof run->head, &sb_reader_tar, &type) == SB_SURELY)
		return true;
	return sb_sniff_begin(run->head, sizeof run->head, &sb_reader_archive, &type) !=
		       SB_NOT_THIS &&
	       strcmp(type, "cpio") == 0;
}

static void keep_head(sb_archive_run *run, uint64_t at, const piece *b)
{
	if (at < sizeof run->head && b->size > 0)
		memcpy(run->head + at, b->data,
			b->size < sizeof run->head - at ? b->size : sizeof run->head - at);
}

/* Of a sum that is wrong, 7z's for one. */
static void warn(
	sb_archive_run *run, struct archive *archive, struct archive_entry *entry, const piece *b)
{
	if (b->code == ARCHIVE_WARN) {
		run->found = true;
		fail(run, archive, entry, archive_entry_pathname(entry));
	}
}

/* All blocks of a member; @p b is the first and becomes the last. */
static int append_all(sb_archive_run *run, struct archive *archive, struct archive_entry *entry,
	sb_unpacking *member, piece *b, uint64_t *size)
{
	int result = 0;

	for (; result == 0 && gives_data(b); *b = next_block(archive)) {
		uint64_t offset = b->offset > 0 ? (uint64_t)b->offset : 0;

		keep_head(run, *size, b);
		if (streams(run, *size + b->size)) {
			run->stream = true;
			return 1;
		}
		if (offset > *size && run->filter == 0) {
			result = append_hole(member, offset - *size);
			*size = offset;
		}
		if (result == 0)
			result = sb_walk_append(member, b->data, b->size);
		*size += b->size;
		warn(run, archive, entry, b);
		if (result != 0)
			break;
	}
	return result;
}

static int hand_over(sb_archive_run *run, struct archive *archive, struct archive_entry *entry,
	const char *name, piece *b)
{
	sb_unpacking *member;
	uint64_t size = 0;
	int result = sb_walk_open(
		run->walk, run->level, name, name != NULL ? strlen(name) : 0, 0, &member);

	if (result < 0)
		return result;
	result = append_all(run, archive, entry, member, b, &size);
	if (result != 0) {
		if (run->stream)
			sb_walk_undo(member);
		else
			sb_walk_drop(member);
		run->found = run->found || !run->stream;
		return result < 0 ? result : 0;
	}
	if (b->code != ARCHIVE_EOF) {
		bool weak = run->filter != 0 && run->likeness == SB_PERHAPS && !run->found;

		run->found = run->found || !weak || size >= AT_ONCE;
		fail(run, archive, entry, name);
		if (weak && size < NOTHING) {
			sb_walk_undo(member);
			return 0;
		}
	}
	run->found = true;
	return sb_walk_close(member);
}

static const char *name_of(const sb_archive_run *run, struct archive_entry *entry)
{
	const char *name = archive_entry_pathname(entry);

	if (name == NULL)
		name = archive_entry_pathname_utf8(entry);
	if (run->filter != 0 && (name == NULL || strcmp(name, "data") == 0))
		name = run->name;
	return name;
}

/* Whether a member with this first piece was handed over before, by another way to it. */
static bool known(const sb_archive_run *run, const piece *b)
{
	const sb_level *level = run->level;
	uintptr_t at = (uintptr_t)b->data - (uintptr_t)level->data;

	return run->fresh && level->claimed != NULL && at < level->size &&
	       sb_ranges_skip(level->claimed, at) >= at + b->size;
}

/* Directories, links and devices have no bytes, unless somebody hides some there. Sets *@p fatal
 * when nothing more can be read. */
static int one_entry(
	sb_archive_run *run, struct archive *archive, struct archive_entry *entry, bool *fatal)
{
	const char *name = name_of(run, entry);
	bool file = archive_entry_filetype(entry) == AE_IFREG || archive_entry_filetype(entry) == 0;
	piece b = next_block(archive);
	int result = 0;

	if (gives_data(&b) && known(run, &b))
		return 0;
	if (gives_data(&b))
		result = hand_over(run, archive, entry, name, &b);
	else if (b.code != ARCHIVE_EOF)
		fail(run, archive, entry, name);
	else if (file && archive_entry_hardlink(entry) == NULL && !run->fresh)
		result = hand_over(run, archive, entry, name, &b);
	else if (archive_entry_size(entry) > 0)
		run->hidden++;
	/* To pass over the rest of a member may mean to unpack it all. */
	*fatal = b.code == ARCHIVE_FATAL || (gives_data(&b) && !run->skips);
	return result;
}

/* --- The archive ------------------------------------------------------------------------------ */

static struct archive *open_archive(sb_archive_run *run)
{
	struct archive *archive = archive_read_new();
	const char *const *passwords = sb_walk_passwords(run->walk);
	int code = archive == NULL ? ARCHIVE_FATAL : ARCHIVE_OK;

	for (size_t i = 0; code == ARCHIVE_OK && run->formats[i] != NULL; i++)
		code = run->formats[i](archive);
	/* libarchive 3.6 reads while it appends this one, before there is anything to read. */
	if (code == ARCHIVE_OK && run->filter == ARCHIVE_FILTER_COMPRESS)
		code = archive_read_support_filter_compress(archive);
	else if (code == ARCHIVE_OK && run->filter != 0)
		code = archive_read_append_filter(archive, run->filter);
	if (code == ARCHIVE_OK && run->options != NULL)
		code = archive_read_set_options(archive, run->options);
	for (size_t i = 0; code == ARCHIVE_OK && passwords[i] != NULL && i < PASSWORDS_MAX; i++)
		if (passwords[i][0] != '\0')
			archive_read_add_passphrase(archive, passwords[i]);
	if (code == ARCHIVE_OK)
		code = archive_read_open_memory(archive, run->data, run->size);
	if (code == ARCHIVE_OK || code == ARCHIVE_WARN)
		return archive;
	if (archive != NULL)
		fail(run, archive, NULL, NULL);
	archive_read_free(archive);
	return NULL;
}

/* Read on from where the last pass came to. *@p again: there is more behind what failed. */
static int one_pass(sb_archive_run *run, struct archive *archive, bool *again)
{
	struct archive_entry *entry;
	uint64_t skip = run->entries, seen = 0;
	bool fatal = false;
	int code, result = 0;

	*again = false;
	while (!fatal && !run->stream && result == 0) {
		result = sb_walk_poll(run->walk);
		code = result == 0 ? archive_read_next_header(archive, &entry) : ARCHIVE_EOF;
		if (code == ARCHIVE_EOF)
			return result;
		if (code == ARCHIVE_FATAL || (code == ARCHIVE_FAILED && seen == run->entries)) {
			fail(run, archive, NULL, NULL);
			run->broken = true;
			return 0;
		}
		if (code == ARCHIVE_RETRY)
			fail(run, archive, NULL, NULL);
		if (code == ARCHIVE_RETRY || seen++ < skip)
			continue;
		run->entries++;
		result = one_entry(run, archive, entry, &fatal);
		*again = fatal && run->seekable;
	}
	run->broken = run->broken || (fatal && !run->seekable);
	return result;
}

int sb_archive_read(sb_archive_run *run)
{
	bool again = true;
	int result = 0;

	for (unsigned i = 0; i < AGAIN_MAX && again && result == 0; i++) {
		struct archive *archive = open_archive(run);
		la_int64_t end;

		if (archive == NULL)
			return 0;
		result = one_pass(run, archive, &again);
		end = archive_filter_bytes(archive, -1);
		run->end = end > 0 ? (uint64_t)end : 0;
		archive_read_free(archive);
	}
	return result;
}

/* --- The readers ------------------------------------------------------------------------------ */

static uint64_t end_of_7z(const uint8_t *data, size_t size)
{
	uint64_t end = 0;

	if (size < 32 || __builtin_add_overflow(sb_le64(data + 12), sb_le64(data + 20), &end) ||
		end > size - 32)
		return 0;
	return end + 32;
}

static uint64_t end_of_cab(const uint8_t *data, size_t size)
{
	return size >= 12 ? sb_le32(data + 8) : 0;
}

static bool part_of_cab(const uint8_t *data, size_t size)
{
	return size >= 32 && (data[30] & 3) != 0;
}

/* Version 4 has the flag in its first block, version 5 behind some numbers. */
static bool part_of_rar(const uint8_t *data, size_t size)
{
	size_t at = 12;
	uint64_t flags;

	if (size < 20)
		return false;
	if (data[6] == 0)
		return (data[10] & 1) != 0;
	sb_rar_number(data, size, &at);
	if (sb_rar_number(data, size, &at) != 1)
		return false;
	flags = sb_rar_number(data, size, &at);
	if ((flags & 1) != 0)
		sb_rar_number(data, size, &at);
	return (sb_rar_number(data, size, &at) & 1) != 0;
}

/* libarchive asks for the memory of a table of names before it looks whether that is there. */
static bool lacks_names(const uint8_t *data, size_t size)
{
	uint64_t length;

	for (uint64_t at = 8; at < size && size - at >= 60; at += 60 + length + length % 2) {
		length = 0;
		for (size_t i = 48; i < 58 && data[at + i] >= '0' && data[at + i] <= '9'; i++)
			length = length * 10 + data[at + i] - '0';
		if (length > size - at - 60)
			return memcmp(data + at, "//", 2) == 0;
	}
	return false;
}

static const struct {
	const char *type;
	sb_archive_support support;
	bool skips;  /* passes over a member without unpacking it */
	bool claims; /* all bytes up to where libarchive came, in one row */
	uint64_t (*end)(const uint8_t *data, size_t size); /* or as the header has it */
	bool (*part)(const uint8_t *data, size_t size);    /* whether it is one of several */
} kinds[] = {
	{"7z", archive_read_support_format_7zip, false, false, end_of_7z, NULL},
	{"cab", archive_read_support_format_cab, false, false, end_of_cab, part_of_cab},
	{"xar", archive_read_support_format_xar, false, false, NULL, NULL},
	{"ar", archive_read_support_format_ar, true, true, NULL, NULL},
	{"cpio", archive_read_support_format_cpio, true, true, NULL, NULL},
	{"lha", archive_read_support_format_lha, true, true, NULL, NULL},
	{"warc", archive_read_support_format_warc, true, true, NULL, NULL},
	{"tar", archive_read_support_format_tar, true, false, NULL, NULL},
	{"iso", archive_read_support_format_iso9660, true, false, NULL, NULL},
	{"rar", archive_read_support_format_rar, false, true, NULL, part_of_rar},
};

/* A tar archive that was cut off between two members looks whole, but has no end mark. */
static void check_end(const sb_archive_run *run)
{
	const uint8_t *block;

	if (strcmp(run->level->type, "tar") != 0 || run->failed || !run->found)
		return;
	block = run->end >= 512 ? run->data + run->end - 512 : NULL;
	if (block == NULL || block[0] != 0 || memcmp(block, block + 1, 511) != 0)
		sb_walk_doubt(run->walk, run->level, "ends without an end mark: cut off?");
}

/* The volume descriptors of an image: the second and third look like images of their own. */
static void claim_descriptors(const sb_level *level)
{
	size_t at = 0x8000;

	while (at + 2048 <= level->size && memcmp(level->data + at + 1, "CD001", 5) == 0)
		at += 2048;
	sb_walk_claim(level, 0x8000, at);
}

/* An image says how many sectors it has. */
static void check_image(const sb_archive_run *run)
{
	const sb_level *level = run->level;
	const uint8_t *volume = level->data + 0x8000;

	if (level->size >= 0x8800 &&
		(uint64_t)sb_le32(volume + 80) * sb_le16(volume + 128) > level->size)
		sb_walk_doubt(run->walk, level, "ends before the volume does: cut off?");
}

/* An image may have two trees of directories; libarchive shows one. */
static int read_other_trees(sb_archive_run *run)
{
	static const char *const without[] = {"iso9660:!rockridge", "iso9660:!joliet"};
	const sb_level *level = run->level;
	bool second = false;
	int result = 0;

	for (size_t at = 0x8000; at + 2048 <= level->size && at < 0x10000 &&
				 memcmp(level->data + at + 1, "CD001", 5) == 0;
		at += 2048)
		second = second || level->data[at] == 2;
	run->fresh = true;
	for (size_t i = 0; second && !run->failed && result == 0 && i < 2; i++) {
		run->options = without[i];
		run->entries = 0;
		result = sb_archive_read(run);
	}
	return result;
}

static void claim(const sb_archive_run *run, size_t k)
{
	const sb_level *level = run->level;

	if (strcmp(level->type, "tar") == 0 && run->entries > 0)
		sb_tar_claim(level, run->end);
	if (!run->found)
		return;
	if (strcmp(level->type, "iso") == 0)
		claim_descriptors(level);
	if (kinds[k].end != NULL)
		sb_walk_claim(level, 0, kinds[k].end(level->data, level->size));
	if (kinds[k].claims)
		sb_walk_claim(level, 0, run->end);
}

static int take_apart(sb_walk *walk, const sb_level *level, sb_likeness likeness)
{
	sb_archive_run run = {.walk = walk, .level = level, .likeness = likeness};
	size_t k = 0;
	int result;

	while (k < sizeof kinds / sizeof *kinds && strcmp(kinds[k].type, level->type) != 0)
		k++;
	if (k == sizeof kinds / sizeof *kinds)
		return 0;
	run.data = level->data;
	run.size = level->size;
	run.formats[0] = kinds[k].support;
	run.skips = kinds[k].skips;
	if (kinds[k].support == archive_read_support_format_rar && level->size > 6 &&
		level->data[6] != 0)
		run.formats[0] = archive_read_support_format_rar5;
	if (strcmp(level->type, "ar") == 0 && lacks_names(level->data, level->size)) {
		if (likeness == SB_SURELY)
			sb_walk_problem(walk, level, NULL, SB_KIND_CORRUPT,
				"cut off in its table of names");
		return 0;
	}
	if (kinds[k].part != NULL && kinds[k].part(level->data, level->size))
		sb_walk_problem(walk, level, NULL, SB_KIND_UNSUPPORTED, "one part of several");
	result = sb_archive_read(&run);
	if (result == 0 && strcmp(level->type, "iso") == 0) {
		check_image(&run);
		result = read_other_trees(&run);
	}
	if (result < 0)
		return result;
	if (kinds[k].support == archive_read_support_format_rar && !run.failed &&
		sb_rar_is_damaged(level->data, level->size))
		sb_walk_problem(walk, level, NULL, SB_KIND_CORRUPT, "a member's sum is wrong");
	check_end(&run);
	claim(&run, k);
	return 0;
}

static sb_likeness recognise(const uint8_t *data, size_t size, const char **type)
{
	return sb_sniff_begin(data, size, &sb_reader_archive, type);
}

static sb_likeness recognise_tar(const uint8_t *data, size_t size, const char **type)
{
	return sb_sniff_begin(data, size, &sb_reader_tar, type);
}

static sb_likeness recognise_iso(const uint8_t *data, size_t size, const char **type)
{
	return sb_sniff_begin(data, size, &sb_reader_iso, type);
}

const sb_reader_ops sb_reader_archive = {"archive", recognise, take_apart, NULL};
const sb_reader_ops sb_reader_tar = {"tar", recognise_tar, take_apart, NULL};
const sb_reader_ops sb_reader_iso = {"iso", recognise_iso, take_apart, NULL};
