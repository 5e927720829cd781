/* SPDX-License-Identifier: MIT */
/*
 * One loop around three decoders. Each says where its stream ends; what follows is a further
 * stream of the same kind, or nobody's.
 */
#include "containers/stream.h"

#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "containers/archive_run.h"
#include "containers/gzip.h"
#include "containers/lzw.h"
#include "containers/sniff.h"

enum {
	PIECE = 64 << 10,
	AT_ONCE = 4096,      /* bytes from a stream that may be none, before its failure counts */
	NOTHING = 64,        /* below: not even worth a look */
	NAME_MAX_READ = 255, /* what a file's name may have */
};

typedef enum step { GOES_ON, AT_END, DAMAGED } step;

typedef struct stream {
	sb_walk *walk;
	const sb_level *level;
	sb_likeness likeness;
	sb_unpacking *member;
	uint64_t size; /* unpacked */
	size_t at;     /* how far it was read */
	z_stream z;
	lzma_stream lzma;
	sb_lzw *lzw;
	uint8_t head[SB_ARCHIVE_HEAD];
} stream;

typedef struct decoder {
	const char *type;
	bool (*begin)(stream *s, const uint8_t *data, size_t size);
	/* Some bytes more; *@p used: of the input, altogether. */
	step (*more)(stream *s, uint8_t *out, size_t *length, size_t *used);
	void (*end)(stream *s);
} decoder;

/* --- gzip ------------------------------------------------------------------------------------- */

static bool begin_gzip(stream *s, const uint8_t *data, size_t size)
{
	s->z = (z_stream){.next_in = (Bytef *)(uintptr_t)data};
	s->z.avail_in = size < UINT32_MAX ? (uInt)size : UINT32_MAX;
	return inflateInit2(&s->z, 16 + MAX_WBITS) == Z_OK;
}

static step more_gzip(stream *s, uint8_t *out, size_t *length, size_t *used)
{
	size_t left = s->level->size - s->at - s->z.total_in;
	int code;

	s->z.avail_in = left < UINT32_MAX ? (uInt)left : UINT32_MAX;
	s->z.next_out = out;
	s->z.avail_out = PIECE;
	code = inflate(&s->z, Z_NO_FLUSH);
	*length = PIECE - s->z.avail_out;
	*used = s->z.total_in;
	if (code == Z_STREAM_END)
		return AT_END;
	return code == Z_OK && *length > 0 ? GOES_ON : DAMAGED;
}

static void end_gzip(stream *s)
{
	inflateEnd(&s->z);
}

/* --- LZMA ------------------------------------------------------------------------------------- */

static bool begin_lzma(stream *s, const uint8_t *data, size_t size)
{
	uint64_t memory = sb_walk_limits(s->walk)->max_memory;

	s->lzma = (lzma_stream)LZMA_STREAM_INIT;
	s->lzma.next_in = data;
	s->lzma.avail_in = size;
	return lzma_alone_decoder(&s->lzma, memory) == LZMA_OK;
}

static step more_lzma(stream *s, uint8_t *out, size_t *length, size_t *used)
{
	lzma_ret code;

	s->lzma.next_out = out;
	s->lzma.avail_out = PIECE;
	code = lzma_code(&s->lzma, LZMA_RUN);
	*length = PIECE - s->lzma.avail_out;
	*used = (size_t)s->lzma.total_in;
	if (code == LZMA_MEMLIMIT_ERROR)
		sb_walk_problem(s->walk, s->level, NULL, SB_KIND_LIMIT_EXCEEDED,
			"its dictionary needs more than max_memory");
	if (code == LZMA_STREAM_END)
		return AT_END;
	return code == LZMA_OK && *length > 0 ? GOES_ON : DAMAGED;
}

static void end_lzma(stream *s)
{
	lzma_end(&s->lzma);
}

/* --- compress --------------------------------------------------------------------------------- */

static bool begin_lzw(stream *s, const uint8_t *data, size_t size)
{
	s->lzw = malloc(sizeof *s->lzw);
	return s->lzw != NULL && sb_lzw_begin(s->lzw, data, size);
}

static step more_lzw(stream *s, uint8_t *out, size_t *length, size_t *used)
{
	*length = sb_lzw_read(s->lzw, out, PIECE);
	*used = s->lzw->size;
	if (*length == PIECE)
		return GOES_ON;
	return s->lzw->damaged ? DAMAGED : AT_END;
}

static void end_lzw(stream *s)
{
	if (s->lzw != NULL && !s->level->embedded)
		sb_walk_doubt(
			s->walk, s->level, "nothing in this format tells whether it is whole");
	free(s->lzw);
	s->lzw = NULL;
}

static const decoder decoders[] = {
	{"gzip", begin_gzip, more_gzip, end_gzip},
	{"lzma", begin_lzma, more_lzma, end_lzma},
	{"compress", begin_lzw, more_lzw, end_lzw},
};

enum { DECODERS = sizeof decoders / sizeof *decoders };

static const decoder *decoder_of(const char *type)
{
	for (size_t i = 0; i < DECODERS; i++)
		if (strcmp(decoders[i].type, type) == 0)
			return &decoders[i];
	return NULL;
}

bool sb_stream_knows(const char *type)
{
	return decoder_of(type) != NULL;
}

/* --- What stands in a header --------------------------------------------------------------------
 */

/* Fields that unpackers pass over, but whoever knows of them does not. */
static int look_at_fields(stream *s, size_t from)
{
	sb_gzip_header h;
	int result = 0;

	if (!sb_gzip_header_read(&h, s->level->data + from, s->level->size - from))
		return 0;
	if (h.name_size > NAME_MAX_READ)
		result = sb_walk_scrap(s->walk, s->level, "file name", from + h.name, h.name_size);
	if (result == 0)
		result = sb_walk_scrap(
			s->walk, s->level, "comment", from + h.comment, h.comment_size);
	if (result == 0)
		result = sb_walk_fields(s->walk, s->level, from + h.extra, h.extra_size);
	return result;
}

/* --- The loop -----------------------------------------------------------------------------------
 */

/* Whether what comes out is an archive that can be read without being held. */
static bool too_large(stream *s, const uint8_t *piece, size_t length)
{
	const char *type = "";

	if (s->size < sizeof s->head && length > 0)
		memcpy(s->head + s->size, piece,
			length < sizeof s->head - s->size ? length : sizeof s->head - s->size);
	if (s->size + length <= sb_walk_limits(s->walk)->max_member)
		return false;
	if (sb_sniff_begin(s->head, sizeof s->head, &sb_reader_tar, &type) == SB_SURELY)
		return true;
	return sb_sniff_begin(s->head, sizeof s->head, &sb_reader_archive, &type) != SB_NOT_THIS &&
	       strcmp(type, "cpio") == 0;
}

/* All of one stream. 0, negative, or 1: a limit, or *@p larger. */
static int one_stream(stream *s, const decoder *d, step *now, bool *larger)
{
	uint8_t piece[PIECE];
	size_t length, used = 0;
	int result = 0;

	*now = d->begin(s, s->level->data + s->at, s->level->size - s->at) ? GOES_ON : DAMAGED;
	while (*now == GOES_ON && result == 0) {
		*now = d->more(s, piece, &length, &used);
		*larger = too_large(s, piece, length);
		result = *larger ? 1 : sb_walk_append(s->member, piece, length);
		s->size += length;
		if (result == 0)
			result = sb_walk_poll(s->walk);
	}
	d->end(s);
	s->at += used;
	return result;
}

/* Where the next stream begins; false: none does. */
static bool another(stream *s, const decoder *d, bool joins)
{
	const uint8_t *data = s->level->data;
	const char *type;
	size_t at = s->at;

	while (at < s->level->size && data[at] == 0)
		at++;
	if (sb_sniff_begin(data + at, s->level->size - at, &sb_reader_packed, &type) ==
			SB_NOT_THIS ||
		strcmp(type, d->type) != 0)
		return false;
	if (!joins)
		sb_walk_doubt(s->walk, s->level, "several streams, which not everybody joins");
	s->at = at;
	return true;
}

/* What can be said of damage depends on how sure it is that there was a stream at all. */
static void say_damaged(const stream *s)
{
	bool weak = s->likeness == SB_PERHAPS && s->size < AT_ONCE;

	if (!weak)
		sb_walk_problem(s->walk, s->level, NULL, SB_KIND_CORRUPT, "damaged %s stream",
			s->level->type);
	else if (!s->level->embedded)
		sb_walk_doubt(s->walk, s->level, "damaged %s stream", s->level->type);
}

static int finish(stream *s, step now, bool any)
{
	if (now == DAMAGED)
		say_damaged(s);
	if (now == DAMAGED && !any && s->likeness == SB_PERHAPS && s->size < NOTHING) {
		sb_walk_undo(s->member);
		return 0;
	}
	return sb_walk_close(s->member);
}

int sb_stream_read(
	sb_walk *walk, const sb_level *level, sb_likeness likeness, const char *name, bool *larger)
{
	stream s = {.walk = walk, .level = level, .likeness = likeness};
	const decoder *d = decoder_of(level->type);
	step now = GOES_ON;
	bool any = false, gzip = strcmp(level->type, "gzip") == 0;
	int result = sb_walk_open(walk, level, name, strlen(name), 0, &s.member), fields = 0;

	if (result != 0)
		return result;
	do {
		size_t from = s.at;

		result = one_stream(&s, d, &now, larger);
		any = any || now == AT_END;
		if (now == AT_END || s.size >= NOTHING)
			sb_walk_claim(level, from, s.at);
		if (result == 0 && gzip && now == AT_END)
			fields = look_at_fields(&s, from);
	} while (result == 0 && fields == 0 && now == AT_END && another(&s, d, gzip));
	if (*larger)
		sb_walk_undo(s.member);
	else if (result != 0 || fields != 0)
		sb_walk_drop(s.member);
	else
		return finish(&s, now, any);
	return result < 0 || fields < 0 ? -1 : 0;
}
