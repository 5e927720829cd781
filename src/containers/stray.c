/* SPDX-License-Identifier: MIT */
/*
 * Encoded parts of mail anywhere in other bytes: behind a picture, in an archive's comment, below
 * words that make the mail none. All bytes are searched for the two marks that such parts can't do
 * without, `Content-Transfer-Encoding:` and a line `begin 644 name`, some gigabytes a second. What
 * such a header block is about ends where the next one begins: no byte is decoded twice.
 */
#include <string.h>
#include <strings.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "containers/mail_text.h"
#include "containers/decode.h"
#include "containers/lanes.h"
#include "containers/mime.h"
#include "containers/ranges.h"

enum {
	BACK = 8192,         /* a header block before its mark, and behind it */
	BLOCKS = 1000,       /* so many are taken apart */
	LOOK = 1024,         /* at the beginning of a body… */
	DIGITS = 16,         /* …that has so many digits of base64… */
	TEXT = 64,           /* …and so much text, if there is so much */
	STEP = SB_LANES * 4, /* positions that are looked at at a time */
	REACH = 9,           /* from a mark's first byte that is compared to its last */
	DASH = 7,            /* where `Content-Transfer` has its first one */
};

static const char encoding[] = "content-transfer-encoding";

/* --- Marks ------------------------------------------------------------------------------ */

/* `b.g.n`, or two dashes apart as in `Content-Transfer-Encoding` with a T behind the first. */
static sb_lanes like_marks(const uint8_t *at)
{
	sb_lanes first = sb_lanes_at(at);
	sb_lanes begin = (sb_lanes)(first == 'b') & (sb_lanes)(sb_lanes_at(at + 2) == 'g') &
			 (sb_lanes)(sb_lanes_at(at + 4) == 'n');
	sb_lanes dash = (sb_lanes)(first == '-') & (sb_lanes)((sb_lanes_at(at + 1) | 0x20) == 't') &
			(sb_lanes)(sb_lanes_at(at + REACH) == '-');

	return begin | dash;
}

static bool nothing_at(const uint8_t *at)
{
	return sb_lanes_none(like_marks(at) | like_marks(at + SB_LANES) |
			     like_marks(at + SB_LANES * 2L) | like_marks(at + SB_LANES * 3L));
}

static size_t skip(const uint8_t *data, size_t size, size_t at)
{
	while (size - at >= STEP + REACH && nothing_at(data + at))
		at += STEP;
	return at;
}

#if defined(__x86_64__)
/* The same with twice as many lanes. */
__attribute__((target("avx2"))) static inline __m256i is(const uint8_t *at, char byte)
{
	return _mm256_cmpeq_epi8(
		_mm256_loadu_si256((const __m256i *)(const void *)at), _mm256_set1_epi8(byte));
}

__attribute__((target("avx2"))) static inline __m256i like_marks_wide(const uint8_t *at)
{
	__m256i begin =
		_mm256_and_si256(is(at, 'b'), _mm256_and_si256(is(at + 2, 'g'), is(at + 4, 'n')));
	__m256i t = _mm256_or_si256(is(at + 1, 't'), is(at + 1, 'T'));
	__m256i dash = _mm256_and_si256(is(at, '-'), _mm256_and_si256(t, is(at + REACH, '-')));

	return _mm256_or_si256(begin, dash);
}

__attribute__((target("avx2"))) static size_t skip_wide(const uint8_t *data, size_t size, size_t at)
{
	for (; size - at >= STEP + REACH; at += STEP) {
		__m256i any = _mm256_or_si256(
			like_marks_wide(data + at), like_marks_wide(data + at + STEP / 2));

		if (_mm256_testz_si256(any, any) == 0)
			break;
	}
	return at;
}
#endif

/* Over what surely has no mark. */
static size_t skip_quiet(const uint8_t *data, size_t size, size_t at)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2"))
		at = skip_wide(data, size, at);
#endif
	return skip(data, size, at);
}

/* A mark begins its line, or stands behind what is no text. */
static bool begins_line(const uint8_t *data, size_t at)
{
	return at == 0 || data[at - 1] < ' ' || data[at - 1] >= 0x7f;
}

static bool is_encoding(const uint8_t *data, size_t size, size_t dash)
{
	size_t at = dash - DASH, colon = at + sizeof(encoding) - 1;

	if (dash < DASH || colon >= size || !begins_line(data, at) ||
		strncasecmp((const char *)data + at, encoding, sizeof(encoding) - 1) != 0)
		return false;
	while (colon < size && (data[colon] == ' ' || data[colon] == '\t') && colon < at + 64)
		colon++;
	return colon < size && data[colon] == ':';
}

/* The next mark at @p at or behind it; size when there is none. */
static size_t next_mark(const uint8_t *data, size_t size, size_t at, bool uu_too)
{
	size_t body;

	for (; at < size; at++) {
		at = skip_quiet(data, size, at);
		for (size_t end = size - at > STEP ? at + STEP : size; at < end; at++) {
			if (data[at] == '-' && is_encoding(data, size, at))
				return at - DASH;
			if (uu_too && data[at] == 'b' && begins_line(data, at) &&
				sb_uu_begins(data + at, size - at, &body))
				return at;
		}
		at--;
	}
	return size;
}

/* --- Blocks ----------------------------------------------------------------------------- */

typedef struct block {
	bool uu;
	size_t at, body, end;
	sb_mime mime;
} block;

typedef struct search {
	const uint8_t *data;
	size_t size, at;
	size_t floor; /* the last mark: no block begins before it */
} search;

static bool is_break(uint8_t c)
{
	return c == '\n' || c == '\r';
}

/* Where the block begins that the mark at @p at is in: behind an empty line, a line that begins
 * with dashes, or what is no text. */
static size_t block_start(const search *s, size_t at)
{
	size_t floor = at - s->floor > BACK ? at - BACK : s->floor, start = at;

	while (start > floor && s->data[start - 1] != '\0') {
		size_t end = start, line;

		end -= is_break(s->data[end - 1]);
		end -= end > floor && s->data[end] == '\n' && s->data[end - 1] == '\r';
		for (line = end; line > floor && !is_break(s->data[line - 1]); line--)
			if (s->data[line - 1] == '\0')
				return start;
		if (line == end || (s->data[line] == '-' && s->data[line + 1] == '-'))
			break;
		start = line;
	}
	return start;
}

/* The boundary on the line before the block, searched for behind its body. */
static size_t body_end(const search *s, size_t start, size_t from, size_t to)
{
	size_t end = start, line;

	while (end > s->floor && start - end < 2 && is_break(s->data[end - 1]))
		end--;
	for (line = end; line > s->floor && end - line < SB_MIME_BOUNDARY; line--)
		if (is_break(s->data[line - 1]))
			break;
	if (end - line < 3 || s->data[line] != '-' || s->data[line + 1] != '-')
		return to;
	for (size_t at = from; at < to;) {
		const uint8_t *found = memmem(s->data + at, to - at, s->data + line, end - line);

		if (found == NULL)
			break;
		at = (size_t)(found - s->data);
		if (at == from || is_break(found[-1]))
			return at;
		at++;
	}
	return to;
}

/* Whether the body may be what its header says. */
static bool plausible(const sb_mime *mime, const uint8_t *body, size_t size)
{
	size_t digits = 0;

	if (memchr(body, '\0', size < TEXT ? size : TEXT) != NULL)
		return false;
	for (size_t i = 0; i < size && i < LOOK && digits < DIGITS; i++)
		digits += sb_base64_digit(body[i]) >= 0;
	return ((mime->encodings & SB_MIME_BASE64) != 0 && digits == DIGITS) ||
	       ((mime->encodings & SB_MIME_QUOTED) != 0 && memchr(body, '=', size) != NULL);
}

/* Read the block around the mark at @p at. */
static bool read_block(search *s, size_t at, block *b)
{
	search behind = {.data = s->data, .size = s->size, .floor = at + sizeof(encoding)};
	size_t next = next_mark(s->data, s->size, at + sizeof(encoding), false);
	size_t most = next - at > BACK ? at + BACK : next, start = block_start(s, at);

	b->at = start;
	b->end = next < s->size ? block_start(&behind, next) : next;
	b->body = start + sb_mime_headers(&b->mime, s->data + start, most - start, true);
	if (b->body < b->end && b->body < most)
		b->end = body_end(s, start, b->body, b->end);
	s->floor = behind.floor;
	return b->body < b->end && b->body < most &&
	       plausible(&b->mime, s->data + b->body, b->end - b->body);
}

static bool next_block(search *s, block *b)
{
	for (size_t at; (at = next_mark(s->data, s->size, s->at, true)) < s->size;) {
		b->uu = (s->data[at] | 0x20) == 'b';
		b->at = b->end = at;
		s->at = at + (b->uu ? 1 : sizeof(encoding));
		if (b->uu && sb_uu_begins(s->data + at, s->size - at, &b->body))
			return true;
		if (!b->uu && read_block(s, at, b))
			return true;
	}
	return false;
}

/* --- The reader ------------------------------------------------------------------------- */

static sb_likeness recognise(const uint8_t *data, size_t size, const char **type)
{
	search s = {.data = data, .size = size};
	block b;

	if (!next_block(&s, &b))
		return SB_NOT_THIS;
	*type = b.uu ? "uuencode" : "mail";
	return SB_PERHAPS;
}

static int take_apart(sb_walk *walk, const sb_level *level, sb_likeness likeness)
{
	/* Not `seen` itself: it stays as it is while it is asked. */
	sb_level inner = *level;
	sb_mail_parts parts = {.walk = walk, .level = &inner};
	search s = {.data = level->data, .size = level->size};
	unsigned blocks = 0;
	block b;

	(void)likeness;
	inner.embedded = true;
	inner.seen = NULL;
	while (next_block(&s, &b)) {
		int r = sb_walk_poll(walk);

		if (r == 0 && level->seen != NULL && sb_ranges_skip(level->seen, b.at) > b.at)
			continue;
		if (r == 0 && ++blocks > BLOCKS) {
			sb_walk_doubt(walk, level, "more than %d encoded parts", BLOCKS);
			return 0;
		}
		if (r == 0 && b.uu)
			r = sb_uu_block(&parts, s.data + b.at, s.size - b.at, b.body, &b.end);
		else if (r == 0)
			r = sb_mail_part(&parts, &b.mime, s.data + b.body, b.end - b.body);
		if (r < 0)
			return r;
		if (b.uu)
			s.at = b.at + b.end;
	}
	return 0;
}

const sb_reader_ops sb_reader_stray = {"encoded parts", recognise, take_apart};
