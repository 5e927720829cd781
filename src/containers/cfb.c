/* SPDX-License-Identifier: MIT */
/*
 * Compound files. Nothing is trusted: every sector number is checked where it is used, a chain
 * has each sector at most once, and all streams together at most three
 * times the bytes of the file, so that chains that share sectors cost nothing.
 */
#include "containers/cfb.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "containers/bytes.h"

enum {
	HEADER = 512,
	ENTRY = 128,
	DIFAT_HEADER = 109, /* sectors of the table that the header has room for */
	POLL_EVERY = 4096,  /* links */

	OFF_SHIFT = 30,
	OFF_MINI_SHIFT = 32,
	OFF_DIRECTORY = 48,
	OFF_CUTOFF = 56,
	OFF_MINI_FAT = 60,
	OFF_DIFAT = 68,
	OFF_DIFAT_TABLE = 76,

	ENTRY_NAME_SIZE = 64,
	ENTRY_TYPE = 66,
	ENTRY_LEFT = 68,
	ENTRY_RIGHT = 72,
	ENTRY_CHILD = 76,
	ENTRY_START = 116,
	ENTRY_SIZE = 120,

	PATH_DEPTH = 32,
};

#define END_OF_CHAIN 0xfffffffeu
#define LAST_SECTOR 0xfffffffau

bool sb_cfb_is(const uint8_t *data, size_t size)
{
	return size >= 8 && memcmp(data, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8) == 0;
}

/* --- Sectors ---------------------------------------------------------------------------- */

/* Where a sector is and how much of it, the last of a file may be cut; NULL: beyond the end. */
static const uint8_t *sector(const sb_cfb *cfb, uint32_t number, size_t *room)
{
	uint64_t at = ((uint64_t)number + 1) << cfb->shift, length = 1ull << cfb->shift;

	if (number > LAST_SECTOR || at >= cfb->size)
		return NULL;
	*room = cfb->size - at < length ? (size_t)(cfb->size - at) : (size_t)length;
	return cfb->data + at;
}

static const uint8_t *mini_sector(const sb_cfb *cfb, uint32_t number, size_t *room)
{
	uint64_t at = (uint64_t)number << cfb->mini_shift, length = 1ull << cfb->mini_shift;

	if (number > LAST_SECTOR || at >= cfb->mini.size)
		return NULL;
	*room = cfb->mini.size - at < length ? (size_t)(cfb->mini.size - at) : (size_t)length;
	return cfb->mini.data + at;
}

static uint32_t next_sector(const sb_cfb *cfb, uint32_t number)
{
	unsigned per = cfb->shift - 2;
	size_t table = number >> per, room, at = (number & ((1u << per) - 1)) * 4;
	const uint8_t *data;

	if (table >= cfb->fat_count)
		return SB_CFB_NONE;
	data = sector(cfb, cfb->fat[table], &room);
	return data != NULL && room >= at + 4 ? sb_le32(data + at) : SB_CFB_NONE;
}

static uint32_t next_mini(const sb_cfb *cfb, uint32_t number)
{
	uint64_t at = (uint64_t)number * 4;

	return at + 4 <= cfb->mini_fat.size ? sb_le32(cfb->mini_fat.data + at) : SB_CFB_NONE;
}

/* --- Chains ----------------------------------------------------------------------------- */

typedef struct space {
	unsigned number; /* in sb_cfb.seen */
	const uint8_t *(*at)(const sb_cfb *cfb, uint32_t number, size_t *room);
	uint32_t (*next)(const sb_cfb *cfb, uint32_t number);
} space;

static const space regular = {0, sector, next_sector}, small = {1, mini_sector, next_mini};

void sb_cfb_release(sb_cfb_bytes *bytes)
{
	sb_buf_done(&bytes->copy);
	*bytes = (sb_cfb_bytes){0};
}

/* One more piece: behind the last, or copied together. */
static void add_piece(sb_cfb_bytes *out, const uint8_t *data, size_t size)
{
	if (out->size == 0) {
		out->data = data;
	} else if (out->copy.length > 0 || out->data + out->size != data) {
		if (out->copy.length == 0)
			sb_buf_add(&out->copy, out->data, out->size);
		sb_buf_add(&out->copy, data, size);
		out->data = (const uint8_t *)out->copy.data;
	}
	out->size += size;
}

/* Whether the chain that is being read was at this sector before. */
static bool visited(sb_cfb *cfb, const space *in, uint32_t number)
{
	uint32_t *mark = &cfb->seen[in->number][number];

	if (*mark == cfb->chain)
		return true;
	*mark = cfb->chain;
	return false;
}

/* Room for the marks; false when there is no memory. */
static bool begin_chain(sb_cfb *cfb, const space *in)
{
	size_t count = in == &regular ? cfb->sectors : (cfb->mini.size >> cfb->mini_shift) + 1;

	if (cfb->seen[in->number] == NULL)
		cfb->seen[in->number] = calloc(count, sizeof(*cfb->seen[0]));
	cfb->chain++;
	return cfb->seen[in->number] != NULL;
}

/* @p want: bytes; UINT64_MAX: up to the end of the chain. */
static int read_chain(
	sb_cfb *cfb, const space *in, uint32_t number, uint64_t want, sb_cfb_bytes *out)
{
	bool to_end = want == UINT64_MAX;

	*out = (sb_cfb_bytes){0};
	sb_buf_init(&out->copy, cfb->size);
	if (!begin_chain(cfb, in))
		return 0;
	if (to_end && number > LAST_SECTOR) /* free instead of the end: some write it so */
		number = END_OF_CHAIN;
	for (uint64_t links = 0; want > 0 && number != END_OF_CHAIN; links++) {
		size_t room = 0;
		const uint8_t *data = in->at(cfb, number, &room);

		/* What is read to its end consists of whole sectors. */
		cfb->damaged |= to_end && room < 1ull << cfb->shift;

		if (data == NULL || out->copy.failed || visited(cfb, in, number)) {
			break;
		}
		if (links % POLL_EVERY == 0) {
			int stop = sb_walk_poll(cfb->walk);

			if (stop != 0) {
				sb_cfb_release(out);
				return stop;
			}
		}
		if (room > want)
			room = (size_t)want;
		add_piece(out, data, room);
		want -= to_end ? 0 : room;
		number = in->next(cfb, number);
	}
	if (out->copy.failed)
		sb_cfb_release(out);
	out->whole = to_end ? number == END_OF_CHAIN : want == 0;
	return 0;
}

/* --- The tables ------------------------------------------------------------------------- */

/* Sector numbers of the table; free places in between are skipped. */
static void add_fat(sb_cfb *cfb, const uint8_t *numbers, size_t count)
{
	for (size_t i = 0; i < count && cfb->fat_count < cfb->fat_max; i++) {
		uint32_t number = sb_le32(numbers + 4 * i);

		if (number <= LAST_SECTOR)
			cfb->fat[cfb->fat_count++] = number;
	}
}

static int read_fat(sb_cfb *cfb)
{
	uint32_t number = sb_le32(cfb->data + OFF_DIFAT);
	size_t per = (1u << cfb->shift) / 4;

	cfb->fat_max = cfb->sectors / per + 2;
	cfb->fat = calloc(cfb->fat_max, sizeof(*cfb->fat));
	if (cfb->fat == NULL)
		return -SB_KIND_INTERNAL;
	add_fat(cfb, cfb->data + OFF_DIFAT_TABLE, DIFAT_HEADER);
	for (size_t links = 0; number <= LAST_SECTOR && cfb->fat_count < cfb->fat_max; links++) {
		size_t room;
		const uint8_t *data = sector(cfb, number, &room);

		if (data == NULL || room < per * 4 || links > cfb->fat_max) {
			cfb->damaged = true;
			break;
		}
		add_fat(cfb, data, per - 1);
		number = sb_le32(data + (per - 1) * 4);
	}
	return 0;
}

static const uint8_t *entry_at(const sb_cfb *cfb, uint32_t entry)
{
	return cfb->directory.data + (size_t)entry * ENTRY;
}

/* Give @p entry its parent and put it on the list; a second time is a cycle. */
static void reach(sb_cfb *cfb, uint32_t entry, uint32_t parent, uint32_t *list, uint32_t *count)
{
	if (entry == SB_CFB_NONE)
		return;
	if (entry == 0 || entry >= cfb->entries || cfb->parents[entry] != SB_CFB_NONE) {
		cfb->damaged = true;
		return;
	}
	cfb->parents[entry] = parent;
	list[(*count)++] = entry;
}

static int read_tree(sb_cfb *cfb)
{
	uint32_t *list, count = 0;

	cfb->entries = (uint32_t)(cfb->directory.size / ENTRY);
	if (cfb->entries == 0)
		return 0;
	cfb->parents = malloc(cfb->entries * sizeof(*cfb->parents));
	list = malloc(cfb->entries * sizeof(*list));
	if (cfb->parents == NULL || list == NULL) {
		free(list);
		return -SB_KIND_INTERNAL;
	}
	memset(cfb->parents, 0xff, cfb->entries * sizeof(*cfb->parents));
	cfb->damaged |= sb_cfb_entry_type(cfb, 0) != SB_CFB_ROOT;
	reach(cfb, sb_le32(entry_at(cfb, 0) + ENTRY_CHILD), 0, list, &count);
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *e = entry_at(cfb, list[i]);
		uint32_t parent = cfb->parents[list[i]];

		reach(cfb, sb_le32(e + ENTRY_LEFT), parent, list, &count);
		reach(cfb, sb_le32(e + ENTRY_RIGHT), parent, list, &count);
		if (e[ENTRY_TYPE] == SB_CFB_STORAGE)
			reach(cfb, sb_le32(e + ENTRY_CHILD), list[i], list, &count);
	}
	free(list);
	return 0;
}

static uint64_t stream_size(const sb_cfb *cfb, uint32_t entry)
{
	const uint8_t *e = entry_at(cfb, entry);

	/* Version 3 has rubbish in the upper half at times. */
	return cfb->shift == 9 ? sb_le32(e + ENTRY_SIZE) : sb_le64(e + ENTRY_SIZE);
}

static int read_tables(sb_cfb *cfb)
{
	const uint8_t *root;
	int r = read_fat(cfb);

	if (r == 0)
		r = read_chain(cfb, &regular, sb_le32(cfb->data + OFF_DIRECTORY), UINT64_MAX,
			&cfb->directory);
	if (r == 0)
		r = read_tree(cfb);
	if (r != 0)
		return r;
	cfb->damaged |= !cfb->directory.whole || cfb->entries == 0;
	if (cfb->entries == 0)
		return 0;
	r = read_chain(
		cfb, &regular, sb_le32(cfb->data + OFF_MINI_FAT), UINT64_MAX, &cfb->mini_fat);
	if (r != 0)
		return r;
	root = entry_at(cfb, 0);
	r = read_chain(cfb, &regular, sb_le32(root + ENTRY_START), stream_size(cfb, 0), &cfb->mini);
	cfb->damaged |= r == 0 && !cfb->mini.whole;
	return r;
}

int sb_cfb_open(sb_cfb *cfb, sb_walk *walk, const sb_level *level)
{
	const uint8_t *data = level->data;
	size_t size = level->size;
	int r;

	*cfb = (sb_cfb){.walk = walk, .data = data, .size = size, .left = 3 * (uint64_t)size};
	if (size < HEADER || !sb_cfb_is(data, size)) {
		cfb->damaged = true;
		return 0;
	}
	cfb->shift = sb_le16(data + OFF_SHIFT);
	cfb->mini_shift = sb_le16(data + OFF_MINI_SHIFT);
	cfb->cutoff = sb_le32(data + OFF_CUTOFF);
	if (cfb->shift < 7 || cfb->shift > 16 || cfb->mini_shift < 4 ||
		cfb->mini_shift >= cfb->shift) {
		cfb->damaged = true;
		return 0;
	}
	cfb->sectors = (uint32_t)(((uint64_t)size >> cfb->shift) + 1);
	r = read_tables(cfb);
	if (r != -SB_KIND_INTERNAL)
		return r;
	cfb->entries = 0;
	sb_walk_problem(walk, level, NULL, SB_KIND_LIMIT_EXCEEDED, "no memory for its tables");
	return 0;
}

void sb_cfb_close(sb_cfb *cfb)
{
	free(cfb->fat);
	free(cfb->parents);
	free(cfb->seen[0]);
	free(cfb->seen[1]);
	sb_cfb_release(&cfb->directory);
	sb_cfb_release(&cfb->mini_fat);
	sb_cfb_release(&cfb->mini);
}

/* --- Entries ---------------------------------------------------------------------------- */

sb_cfb_type sb_cfb_entry_type(const sb_cfb *cfb, uint32_t entry)
{
	uint8_t type = entry_at(cfb, entry)[ENTRY_TYPE];

	return type == SB_CFB_STORAGE || type == SB_CFB_STREAM || type == SB_CFB_ROOT
		       ? (sb_cfb_type)type
		       : SB_CFB_UNUSED;
}

/* One character as UTF-8; a lone surrogate comes out like any other. Returns the length. */
static size_t put_character(char *out, uint32_t c)
{
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = n; i-- > 1; c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(lead[n] | c);
	return n;
}

size_t sb_cfb_name(const sb_cfb *cfb, uint32_t entry, char out[SB_CFB_NAME])
{
	const uint8_t *e = entry_at(cfb, entry);
	size_t units = sb_le16(e + ENTRY_NAME_SIZE) / 2, n = 0;

	if (units > 32)
		units = 32;
	for (size_t i = 0; i < units; i++) {
		uint32_t c = sb_le16(e + 2 * i);
		uint32_t low = i + 1 < units ? sb_le16(e + 2 * i + 2) : 0;

		if (c == 0)
			break;
		if (c >= 0xd800 && c < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			i++;
		}
		n += put_character(out + n, c);
	}
	out[n] = '\0';
	return n;
}

size_t sb_cfb_path(const sb_cfb *cfb, uint32_t entry, char out[SB_CFB_PATH])
{
	uint32_t up[PATH_DEPTH];
	size_t depth = 0, n = 0;
	char name[SB_CFB_NAME];

	for (uint32_t e = entry; e != 0 && e != SB_CFB_NONE && depth < PATH_DEPTH;
		e = cfb->parents[e])
		up[depth++] = e;
	while (depth-- > 0) {
		size_t length = sb_cfb_name(cfb, up[depth], name);

		if (n + length + 2 > SB_CFB_PATH)
			continue;
		memcpy(out + n, name, length);
		n += length;
		if (depth > 0)
			out[n++] = '/';
	}
	out[n] = '\0';
	return n;
}

bool sb_cfb_is_named(const sb_cfb *cfb, uint32_t entry, const char *name)
{
	char own[SB_CFB_NAME];

	sb_cfb_name(cfb, entry, own);
	return strcasecmp(own, name) == 0;
}

int sb_cfb_read(sb_cfb *cfb, uint32_t entry, sb_cfb_bytes *out)
{
	uint64_t size = stream_size(cfb, entry), want = size < cfb->left ? size : cfb->left;
	const space *in = size < cfb->cutoff ? &small : &regular;
	int r = read_chain(cfb, in, sb_le32(entry_at(cfb, entry) + ENTRY_START), want, out);

	if (r != 0)
		return r;
	cfb->left -= out->size;
	out->whole &= want == size;
	return 0;
}
