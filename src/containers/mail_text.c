/* SPDX-License-Identifier: MIT */
/*
 * Bodies of mail parts. The header says how a body is coded, and lies at times: a body that looks
 * like base64 is decoded whatever it says, and one that does not is handed over as it is, too.
 */
#include "containers/mail_text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "containers/decode.h"

/* --- Members ---------------------------------------------------------------------------- */

static const char *part_name(sb_mail_parts *parts, const char *name, char out[32])
{
	if (name[0] != '\0')
		return name;
	snprintf(out, 32, "part-%u", ++parts->number);
	return out;
}

typedef int (*decoder)(sb_sink *sink, const uint8_t *data, size_t size);

static int base64_run(sb_sink *sink, const uint8_t *data, size_t size)
{
	return sb_decode_base64(sink, data, size, SB_PADDING_IS_JUNK, NULL);
}

static int decoded(
	sb_mail_parts *parts, const char *name, const uint8_t *body, size_t size, decoder decode)
{
	sb_sink sink;
	int r = sb_sink_open(&sink, parts->walk, parts->level, name, size);

	if (r != 0)
		return r < 0 ? r : 0;
	decode(&sink, body, size);
	return sb_sink_close(&sink);
}

/* Behind at least one digit. */
static size_t first_padding(const uint8_t *body, size_t size)
{
	const uint8_t *padding;
	size_t digit = 0;

	while (digit < size && sb_base64_digit(body[digit]) < 0)
		digit++;
	padding = memchr(body + digit, '=', size - digit);
	return padding != NULL ? (size_t)(padding - body) : size;
}

static int base64(sb_mail_parts *parts, const char *name, const uint8_t *body, size_t size)
{
	bool resumed = false;
	sb_sink sink;
	int r = sb_sink_open(&sink, parts->walk, parts->level, name, size);

	if (r != 0)
		return r < 0 ? r : 0;
	sb_decode_base64(&sink, body, size, SB_PADDING_ENDS_RUN, &resumed);
	r = sb_sink_close(&sink);
	if (r != 0 || !resumed)
		return r;
	/* Padding amid the data: some programs skip it like any junk, for some it is the end. */
	r = decoded(parts, name, body, size, base64_run);
	return r != 0 ? r : decoded(parts, name, body, first_padding(body, size), base64_run);
}

static int plain(sb_mail_parts *parts, const char *name, const uint8_t *body, size_t size)
{
	int r = sb_walk_member(parts->walk, parts->level, name, strlen(name), body, size);

	return r < 0 ? r : 0;
}

/* --- Does it look like base64? ---------------------------------------------------------- */

enum { LOOK = 4096, LEAST = 32 };

/* The first kilobytes are digits and line breaks, and enough of them without a blank. */
static bool looks_base64(const uint8_t *body, size_t size)
{
	size_t digits = 0, run = 0, longest = 0, i = 0;

	for (; i < size && i < LOOK; i++) {
		if (body[i] == '\r' || body[i] == '\n' || body[i] == '=') {
			continue;
		} else if (sb_base64_digit(body[i]) >= 0) {
			digits++;
			run++;
			longest = run > longest ? run : longest;
		} else {
			run = 0;
			if (body[i] < 0x20 && body[i] != '\t')
				return false;
		}
	}
	/* A little junk among them passes: one byte in 32. */
	return longest >= LEAST && digits + digits / 16 + 16 >= i - i / 16;
}

/* Hardly anything but digits: then the bytes as such are of no interest to anybody. */
static bool is_base64(const uint8_t *body, size_t size)
{
	size_t others = 0, most = size < LOOK ? size : LOOK;

	for (size_t i = 0; i < most; i++)
		others += sb_base64_digit(body[i]) < 0 && body[i] != '\r' && body[i] != '\n' &&
			  body[i] != '=';
	return others <= most / 32;
}

/* --- uuencode --------------------------------------------------------------------------- */

enum { UU_LINE = 1024 }; /* at most, of `begin 644 name` */

bool sb_uu_begins(const uint8_t *data, size_t size, size_t *body)
{
	size_t at = 6, next;
	bool in_base64;
	if (size > UU_LINE)
		size = UU_LINE;
	in_base64 = size >= 14 && memcmp(data, "begin-base64 ", 13) == 0;

	if (!in_base64 && (size < 12 || memcmp(data, "begin ", 6) != 0))
		return false;
	at = in_base64 ? 13 : 6;
	next = sb_mime_next_line(data, size, at);
	while (at < next && data[at] >= '0' && data[at] <= '7')
		at++;
	*body = next;
	return at + 1 < next && data[at] == ' ' && at - (in_base64 ? 13 : 6) >= 3 &&
	       (data[next - 1] == '\n' || data[next - 1] == '\r');
}

int sb_uu_block(sb_mail_parts *parts, const uint8_t *data, size_t size, size_t body, size_t *used)
{
	char name[256];
	const uint8_t *mode = memchr(data, ' ', body), *space;
	size_t length;
	sb_sink sink;
	int r;

	space = memchr(mode + 1, ' ', body - (size_t)(mode + 1 - data));
	length = body - (size_t)(space + 1 - data);
	while (length > 0 && strchr("\r\n \t", space[length]) != NULL)
		length--;
	snprintf(name, sizeof(name), "%.*s", (int)(length < 250 ? length : 250), space + 1);
	*used = body;
	r = sb_sink_open(&sink, parts->walk, parts->level, name, 0);
	if (r != 0)
		return r < 0 ? r : 0;
	if (data[5] == '-') {
		const uint8_t *end = memmem(data + body, size - body, "\n====", 5);

		*used = end != NULL ? (size_t)(end - data) + 5 : size;
		sb_decode_base64(&sink, data + body, *used - body, SB_PADDING_ENDS_RUN, NULL);
	} else {
		size_t lines;

		sb_decode_uu(&sink, data + body, size - body, &lines);
		*used += lines;
	}
	if (sink.used == 0 && sink.total == 0) { /* words, no block */
		sb_walk_drop(sink.member);
		return sink.stopped < 0 ? sink.stopped : 0;
	}
	return sb_sink_close(&sink);
}

static int uu_blocks(sb_mail_parts *parts, const uint8_t *data, size_t size)
{
	for (size_t at = 0, body, used; at < size;) {
		const uint8_t *begin = memmem(data + at, size - at, "begin", 5);
		int r;

		if (begin == NULL)
			return 0;
		at = (size_t)(begin - data);
		if ((at > 0 && begin[-1] != '\n' && begin[-1] != '\r') ||
			!sb_uu_begins(begin, size - at, &body)) {
			at += 5;
			continue;
		}
		r = sb_uu_block(parts, begin, size - at, body, &used);
		if (r < 0)
			return r;
		at += used;
	}
	return 0;
}

/* A body that is said to be uuencoded: its blocks; without a first line, all of it. */
static int uu(sb_mail_parts *parts, const char *name, const uint8_t *body, size_t size)
{
	size_t used, before = 0;
	sb_sink sink;
	int r;

	while (before < size && strchr("\r\n", body[before]) != NULL && body[before] != 0)
		before++;
	if (memmem(body, size, "begin", 5) != NULL)
		return uu_blocks(parts, body, size);
	r = sb_sink_open(&sink, parts->walk, parts->level, name, size);
	if (r != 0)
		return r < 0 ? r : 0;
	sb_decode_uu(&sink, body + before, size - before, &used);
	return sb_sink_close(&sink);
}

/* --- Parts ------------------------------------------------------------------------------ */

static const struct {
	const char *mark, *why;
} unopened[] = {
	{"-----BEGIN PGP MESSAGE-----", "a PGP message in mail is not opened"},
	{"=ybegin line=", "yEnc in mail is not decoded"},
	{"(This file must be converted with BinHex", "BinHex in mail is not decoded"},
};

static void doubts(sb_mail_parts *parts, const sb_mime *mime, const uint8_t *body, size_t size)
{
	if (mime->sealed)
		sb_walk_problem(parts->walk, parts->level, NULL, SB_KIND_ENCRYPTED,
			"a part of this mail is encrypted");
	if (mime->partial)
		sb_walk_doubt(parts->walk, parts->level, "a mail that is one piece of several");
	if ((mime->encodings & SB_MIME_UNKNOWN) != 0)
		sb_walk_doubt(parts->walk, parts->level, "a transfer encoding that is not known");
	for (size_t i = 0; i < sizeof(unopened) / sizeof(unopened[0]); i++) {
		const char *mark = unopened[i].mark;
		const uint8_t *found = memmem(body, size, mark, strlen(mark));

		if (found != NULL && (found == body || found[-1] == '\n' || found[-1] == '\r'))
			sb_walk_doubt(parts->walk, parts->level, "%s", unopened[i].why);
	}
}

int sb_mail_part(sb_mail_parts *parts, const sb_mime *mime, const uint8_t *body, size_t size)
{
	char number[32];
	const char *name = part_name(parts, mime->name, number);
	unsigned todo = mime->encodings & ~(unsigned)SB_MIME_UNKNOWN;
	bool looks = looks_base64(body, size);
	int r = 0;

	if (todo == 0)
		todo = SB_MIME_PLAIN;
	if (todo == SB_MIME_BASE64 && !is_base64(body, size))
		todo |= SB_MIME_PLAIN;
	if (looks)
		todo |= SB_MIME_BASE64;
	if ((todo & SB_MIME_BASE64) == 0)
		doubts(parts, mime, body, size);
	else
		doubts(parts, mime, body, 0);
	if (mime->name[0] != '\0')
		sb_walk_fact(parts->walk, SB_FACT_EMBEDDED);
	if ((todo & SB_MIME_BASE64) != 0)
		r = base64(parts, name, body, size);
	if (r == 0 && (todo & SB_MIME_QUOTED) != 0)
		r = decoded(parts, name, body, size, sb_decode_quoted);
	if (r == 0 && (todo & SB_MIME_PLAIN) != 0)
		r = plain(parts, name, body, size);
	if (r == 0 && (todo & SB_MIME_UU) != 0)
		r = uu(parts, name, body, size);
	return r;
}
