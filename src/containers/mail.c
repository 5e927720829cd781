/* SPDX-License-Identifier: MIT */
/*
 * Mail: RFC 5322 and MIME, and folders of it (mbox). One pass over lines: a line that is a boundary
 * of a multipart that is open ends what is before it, whatever nesting was promised. Where programs
 * would read the same bytes in a different way, a second, lax pass hands over what comes of that as
 * well.
 */
#include "containers/mail_text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "containers/decode.h"
#include "containers/mime.h"

enum {
	OPEN_MAX = 64,        /* boundaries at a time */
	HEADERS_AHEAD = 8192, /* that must follow a `From ` line within a folder */
};

typedef struct boundary {
	unsigned depth; /* of its multipart; 0: closed, but remembered */
	size_t length;
	char text[SB_MIME_BOUNDARY];
} boundary;

typedef struct mail {
	sb_walk *walk;
	const sb_level *level;
	const uint8_t *data;
	size_t size;
	sb_mail_parts parts;
	bool lax;
	bool folder; /* mbox */
	bool again;  /* something a lax reader would see in another way */
	unsigned depth;
	unsigned count;
	boundary known[OPEN_MAX];
	size_t next_dash; /* nothing that begins with -- before it, since it was searched last */
	size_t next_from;
} mail;

/* --- Boundaries ------------------------------------------------------------------------- */

/* A place for one more: unused, else a closed one. */
static boundary *free_place(mail *m)
{
	if (m->count < OPEN_MAX)
		return &m->known[m->count++];
	for (unsigned i = 0; i < OPEN_MAX; i++) {
		if (m->known[i].depth == 0) {
			/* The order is by age: the innermost is looked at first. */
			memmove(&m->known[i], &m->known[i + 1],
				(OPEN_MAX - 1 - i) * sizeof(m->known[0]));
			return &m->known[OPEN_MAX - 1];
		}
	}
	return NULL;
}

static void open_multipart(mail *m, const sb_mime *mime)
{
	m->depth++;
	for (unsigned i = 0; i < mime->boundaries; i++) {
		boundary *b = free_place(m);

		if (b == NULL) {
			sb_walk_problem(m->walk, m->level, NULL, SB_KIND_LIMIT_EXCEEDED,
				"more than %d multiparts in each other", OPEN_MAX);
			return;
		}
		b->depth = m->depth;
		b->length = mime->boundary_length[i];
		memcpy(b->text, mime->boundary[i], b->length);
	}
}

/* A boundary that nobody announced: the next line like it is one, too. */
static void remember(mail *m, const uint8_t *text, size_t length)
{
	boundary *b;

	while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL && text[length - 1] != 0)
		length--;
	if (length == 0 || length >= sizeof(b->text) || (b = free_place(m)) == NULL)
		return;
	b->depth = 0;
	b->length = length;
	memcpy(b->text, text, length);
	b->text[length] = '\0';
}

/* Close every multipart that is deeper than @p depth. */
static void close_deeper(mail *m, unsigned depth)
{
	for (unsigned i = 0; i < m->count; i++)
		if (m->known[i].depth > depth)
			m->known[i].depth = 0;
	m->depth = depth;
}

/* --- Where a part ends ------------------------------------------------------------------ */

typedef enum cut_kind { CUT_END, CUT_PART, CUT_CLOSE, CUT_MAIL } cut_kind;

typedef struct cut {
	cut_kind kind;
	size_t at, next; /* the line */
	unsigned depth;
} cut;

static bool at_line_start(const mail *m, size_t at)
{
	return at == 0 || m->data[at - 1] == '\n' || m->data[at - 1] == '\r';
}

/* The next line from @p at that begins with `--`; size if there is none. */
static size_t dash_line(mail *m, size_t at)
{
	if (m->next_dash > at)
		return m->next_dash;
	while (at < m->size) {
		const uint8_t *dash = memchr(m->data + at, '-', m->size - at);

		if (dash == NULL)
			break;
		at = (size_t)(dash - m->data);
		if (at + 1 < m->size && dash[1] == '-' && at_line_start(m, at))
			return m->next_dash = at;
		at++;
	}
	return m->next_dash = m->size;
}

/* A folder's `From ` line: behind an empty line, with a time of day, and a mail's headers. */
static bool is_from_line(const mail *m, size_t at, size_t next)
{
	unsigned ignored;
	size_t ahead = m->size - next < HEADERS_AHEAD ? m->size - next : HEADERS_AHEAD;
	size_t clock = at;

	if (at < 2 || (m->data[at - 2] != '\n' && m->data[at - 2] != '\r'))
		return false;
	while (clock + 3 < next &&
		(m->data[clock] != ':' || m->data[clock + 1] < '0' || m->data[clock + 1] > '5'))
		clock++;
	return clock + 3 < next && sb_mime_typical(m->data + next, ahead, &ignored) >= 1;
}

static size_t from_line(mail *m, size_t at)
{
	if (!m->folder)
		return m->size;
	if (m->next_from > at)
		return m->next_from;
	while (at < m->size) {
		const uint8_t *from = memmem(m->data + at, m->size - at, "From ", 5);

		if (from == NULL)
			break;
		at = (size_t)(from - m->data);
		if (at_line_start(m, at) &&
			is_from_line(m, at, sb_mime_next_line(m->data, m->size, at)))
			return m->next_from = at;
		at += 5;
	}
	return m->next_from = m->size;
}

static bool begins_content(const uint8_t *data, size_t size)
{
	return size > 8 && strncasecmp((const char *)data, "content-", 8) == 0 &&
	       sb_mime_is_header(data, size);
}

static bool only_blanks(const uint8_t *data, size_t from, size_t to)
{
	while (from < to && (data[from] == ' ' || data[from] == '\t' || data[from] == '\r' ||
				    data[from] == '\n'))
		from++;
	return from == to;
}

/* Whether the line at c->at is a boundary; what only a lax reader takes for one sets `again`. */
static bool is_boundary(mail *m, cut *c, bool in_message)
{
	const uint8_t *text = m->data + c->at + 2;
	size_t length = c->next - c->at - 2;

	for (unsigned i = m->count; i-- > 0;) {
		const boundary *b = &m->known[i];
		bool closes;

		if (b->length > length || strncasecmp((const char *)text, b->text, b->length) != 0)
			continue;
		closes = length - b->length >= 2 && memcmp(text + b->length, "--", 2) == 0;
		c->kind = closes ? CUT_CLOSE : CUT_PART;
		c->depth = b->depth;
		if (b->depth > 0 && memcmp(text, b->text, b->length) == 0 &&
			only_blanks(text, b->length + (closes ? 2 : 0), length))
			return true;
		m->again |= !in_message;
		if (m->lax)
			return true;
	}
	if (in_message || !begins_content(m->data + c->next, m->size - c->next))
		return false;
	m->again = true;
	c->kind = CUT_PART;
	c->depth = 0;
	if (m->lax)
		remember(m, text, length);
	return m->lax;
}

static size_t line_end(const mail *m, size_t at)
{
	return m->lax ? sb_mime_lax_line(m->data, m->size, at)
		      : sb_mime_next_line(m->data, m->size, at);
}

/* @p in_message: a mail in a mail is taken apart on its own, nothing in it is guessed here. */
static int find_cut(mail *m, size_t from, bool in_message, cut *c)
{
	for (size_t at = from;;) {
		size_t dash = dash_line(m, at), mark = from_line(m, at);
		int stop = sb_walk_poll(m->walk);

		if (stop != 0)
			return stop;
		c->at = dash < mark ? dash : mark;
		c->next = c->at < m->size ? line_end(m, c->at) : m->size;
		if (c->at == m->size) {
			c->kind = CUT_END;
			return 0;
		}
		if (mark < dash) {
			c->kind = CUT_MAIL;
			return 0;
		}
		if (is_boundary(m, c, in_message))
			return 0;
		at = c->at + 1;
	}
}

/* The end of a body is before the line break that belongs to the boundary. */
static size_t body_end(const mail *m, size_t from, size_t to)
{
	if (to < m->size && to > from && m->data[to - 1] == '\n')
		to--;
	if (to < m->size && to > from && m->data[to - 1] == '\r')
		to--;
	return to;
}

/* --- Passes ----------------------------------------------------------------------------- */

static int hand_over(mail *m, const sb_mime *mime, size_t from, size_t end)
{
	sb_mime own;

	/* Before its first boundary a multipart has words for old programs, or hides a part. */
	if (mime->multipart && begins_content(m->data + from, end - from)) {
		from += sb_mime_headers(&own, m->data + from, end - from, m->lax);
		mime = &own;
	}
	if (only_blanks(m->data, from, end))
		return 0;
	return sb_mail_part(&m->parts, mime, m->data + from, end - from);
}

/* Base64 without its last digits, and without the signs that stand for them. */
static bool ends_in_group(const uint8_t *data, size_t size)
{
	size_t digits = 0;

	for (size_t i = 0; i < size; i++) {
		digits += sb_base64_digit(data[i]) >= 0;
		if (data[i] == '=')
			digits = 0;
	}
	return digits % 4 != 0;
}

static int entity(mail *m, size_t *at, bool headers)
{
	sb_mime mime = {0};
	size_t from = *at;
	cut c = {0};
	int r;

	if (headers || begins_content(m->data + from, m->size - from))
		from += sb_mime_headers(&mime, m->data + from, m->size - from, m->lax);
	m->again |= mime.junk;
	if (mime.multipart || mime.boundaries > 0)
		open_multipart(m, &mime);
	r = find_cut(m, from, mime.message && !mime.multipart, &c);
	if (r != 0)
		return r;
	if (c.kind == CUT_END && m->depth > 0 && (mime.encodings & SB_MIME_BASE64) != 0 &&
		ends_in_group(m->data + from, m->size - from))
		sb_walk_doubt(m->walk, m->level, "the mail ends within an attachment");
	r = hand_over(m, &mime, from, body_end(m, from, c.at));
	if (r < 0)
		return r;
	if (c.kind == CUT_MAIL)
		close_deeper(m, 0);
	else if (c.kind != CUT_END && c.depth > 0)
		close_deeper(m, c.depth - (c.kind == CUT_CLOSE));
	*at = c.next;
	return c.kind == CUT_END ? 0 : (int)c.kind;
}

static int pass(mail *m, size_t from, bool lax)
{
	int kind = CUT_MAIL;

	m->lax = lax;
	m->count = 0;
	m->depth = 0;
	m->next_dash = m->next_from = 0;
	for (size_t at = from; kind > 0 && at < m->size;) {
		bool headers = kind != CUT_CLOSE;

		kind = entity(m, &at, headers);
	}
	return kind < 0 ? kind : 0;
}

/* --- Recognition ------------------------------------------------------------------------ */

/* What may stand before the headers: a byte-order mark, and blanks. */
static size_t front(const uint8_t *data, size_t size)
{
	size_t at = size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	while (at < size && at < 256 && data[at] != 0 && strchr(" \t\r\n", data[at]) != NULL)
		at++;
	return at;
}

static bool is_folder(const uint8_t *data, size_t size)
{
	return size >= 5 && memcmp(data, "From ", 5) == 0;
}

static sb_likeness recognise(const uint8_t *data, size_t size, const char **type)
{
	unsigned own, found;
	size_t from = front(data, size);

	*type = "mail";
	if (sb_tnef_is(data, size)) {
		*type = "tnef";
		return SB_SURELY;
	}
	found = sb_mime_typical(data + from, size - from, &own);
	if (found < 2)
		return SB_NOT_THIS;
	return own > 0 ? SB_SURELY : SB_PERHAPS;
}

static int take_apart(sb_walk *walk, const sb_level *level, sb_likeness likeness)
{
	mail m = {.walk = walk, .level = level, .data = level->data, .size = level->size};
	size_t from = front(level->data, level->size);
	int r;

	(void)likeness;
	m.parts = (sb_mail_parts){.walk = walk, .level = level};
	if (sb_tnef_is(level->data, level->size))
		return sb_tnef_take_apart(&m.parts, level->data, level->size);
	sb_walk_seen(level, 0, level->size);
	m.folder = is_folder(m.data + from, m.size - from);
	r = pass(&m, from, false);
	if (r == 0 && m.again)
		r = pass(&m, from, true);
	return r;
}

const sb_reader_ops sb_reader_mail = {"mail", recognise, take_apart};
