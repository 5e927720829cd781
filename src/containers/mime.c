/* SPDX-License-Identifier: MIT */
/*
 * Header blocks of mail. Only the three Content- lines that say how to take a body apart are
 * looked into: unfolded into a small buffer, comments taken out, parameters one by one.
 */
#include "containers/mime.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "containers/decode.h"

enum {
	VALUE = 8192,       /* of one unfolded header; real ones are far smaller */
	NAME_LENGTH = 76,   /* of a header's name */
	TYPICAL = 16384,    /* so far a mail is recognised */
	TYPICAL_LINES = 64, /* …and within so many lines */
};

/* --- Lines ------------------------------------------------------------------------------ */

size_t sb_mime_next_line(const uint8_t *data, size_t size, size_t at)
{
	/* In windows: else each line that ends with CR costs a search through all that follows. */
	for (size_t window = 256; at < size; at += window, window *= 2) {
		size_t length = size - at < window ? size - at : window, end;
		const uint8_t *lf = memchr(data + at, '\n', length);
		const uint8_t *cr =
			memchr(data + at, '\r', lf != NULL ? (size_t)(lf - data) - at : length);

		if (cr == NULL && lf != NULL)
			return (size_t)(lf - data) + 1;
		if (cr != NULL) {
			end = (size_t)(cr - data) + 1;
			return end < size && data[end] == '\n' ? end + 1 : end;
		}
		if (length == size - at)
			break;
	}
	return size;
}

/* Whether the empty line at @p at may be the second half of one break: CR CRLF, or LF CR. */
static bool is_half_break(const uint8_t *data, size_t size, size_t at, size_t next)
{
	if (at < 2 || at >= size || data[at] != '\r')
		return false;
	if (next == at + 2)
		return data[at - 1] == '\r' && data[at - 2] != '\r' && data[at - 2] != '\n';
	return data[at - 1] == '\n' && data[at - 2] != '\r';
}

size_t sb_mime_lax_line(const uint8_t *data, size_t size, size_t at)
{
	size_t next = sb_mime_next_line(data, size, at), second;

	if (next == size || data[next] != '\r')
		return next;
	second = next + 1 < size && data[next + 1] == '\n' ? next + 2 : next + 1;
	return next - at > 1 && is_half_break(data, size, next, second) ? second : next;
}

/* Without the line's end. */
static size_t trimmed(const uint8_t *data, size_t from, size_t to)
{
	while (to > from && (data[to - 1] == '\n' || data[to - 1] == '\r'))
		to--;
	return to;
}

/* The length of the name of a header line, 0 when it is none; spaces before the colon pass. */
static size_t header_name(const uint8_t *data, size_t size)
{
	size_t n = 0, at;

	while (n < size && n < NAME_LENGTH && data[n] > ' ' && data[n] < 0x7f && data[n] != ':')
		n++;
	for (at = n; at < size && at < NAME_LENGTH && (data[at] == ' ' || data[at] == '\t'); at++)
		continue;
	return at < size && data[at] == ':' ? n : 0;
}

bool sb_mime_is_header(const uint8_t *data, size_t size)
{
	return header_name(data, size) > 0;
}

static const struct {
	const char *name;
	bool mime;
} typical[] = {
	{"from", false},
	{"to", false},
	{"cc", false},
	{"subject", false},
	{"date", false},
	{"message-id", false},
	{"received", false},
	{"return-path", false},
	{"reply-to", false},
	{"sender", false},
	{"delivered-to", false},
	{"in-reply-to", false},
	{"references", false},
	{"x-mailer", false},
	{"x-received", false},
	{"dkim-signature", false},
	{"arc-seal", false},
	{"authentication-results", false},
	{"list-id", false},
	{"envelope-to", false},
	{"x-original-to", false},
	{"user-agent", false},
	{"mime-version", true},
	{"content-type", true},
	{"content-transfer-encoding", true},
	{"content-disposition", true},
};

unsigned sb_mime_typical(const uint8_t *data, size_t size, unsigned *mime_lines)
{
	unsigned found = 0, lines = 0;

	*mime_lines = 0;
	if (size > TYPICAL)
		size = TYPICAL;
	for (size_t at = 0; at < size && lines < TYPICAL_LINES; lines++) {
		size_t n = header_name(data + at, size - at);

		if (n == 0 && data[at] != ' ' && data[at] != '\t' &&
			!(lines == 0 && size - at >= 5 && memcmp(data + at, "From ", 5) == 0))
			break;
		for (size_t i = 0; n > 0 && i < sizeof(typical) / sizeof(typical[0]); i++) {
			if (strlen(typical[i].name) != n ||
				strncasecmp((const char *)data + at, typical[i].name, n) != 0)
				continue;
			found++;
			*mime_lines += typical[i].mime;
		}
		at = sb_mime_lax_line(data, size, at);
	}
	return found;
}

/* --- Names ------------------------------------------------------------------------------ */

typedef struct text {
	char *data;
	size_t length, room;
} text;

static void add(text *t, const char *data, size_t size)
{
	if (size > t->room - 1 - t->length)
		size = t->room - 1 - t->length;
	memcpy(t->data + t->length, data, size);
	t->length += size;
	t->data[t->length] = '\0';
}

/* A byte of a character set whose upper half is not known here is taken for ISO 8859-1, unless
 * it is UTF-8: the name is for people, and the bytes are judged whatever they are called. */
static void add_byte(text *t, uint8_t byte, bool latin)
{
	char two[2] = {(char)(0xc0 | byte >> 6), (char)(0x80 | (byte & 0x3f))};

	if (byte == 0)
		return;
	if (latin && byte >= 0x80)
		add(t, two, 2);
	else
		add(t, (const char *)&byte, 1);
}

static void add_base64(text *t, const char *data, size_t size, bool latin)
{
	uint32_t bits = 0;
	unsigned held = 0;

	for (size_t i = 0; i < size; i++) {
		int digit = sb_base64_digit((uint8_t)data[i]);

		if (digit < 0)
			continue;
		bits = bits << 6 | (uint32_t)digit;
		held += 6;
		if (held >= 8) {
			held -= 8;
			add_byte(t, (uint8_t)(bits >> held), latin);
		}
	}
}

/* `mark` XX, and nothing else: RFC 2047's Q (with _ for a space) and RFC 2231's %. */
static void add_escaped(text *t, const char *data, size_t size, char mark, bool latin)
{
	for (size_t i = 0; i < size; i++) {
		int high = -1, low = -1;

		if (data[i] == mark && size - i > 2) {
			high = sb_hex_digit((uint8_t)data[i + 1]);
			low = sb_hex_digit((uint8_t)data[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			add_byte(t, (uint8_t)(high << 4 | low), latin);
			i += 2;
		} else {
			add_byte(t, mark == '=' && data[i] == '_' ? ' ' : (uint8_t)data[i], latin);
		}
	}
}

static bool is_latin(const char *charset, size_t length)
{
	return (length >= 8 && strncasecmp(charset, "iso-8859", 8) == 0) ||
	       (length >= 11 && strncasecmp(charset, "windows-125", 11) == 0);
}

/* One `=?charset?B?…?=` at the start; its length, or 0. */
static size_t encoded_word(text *t, const char *data, size_t size)
{
	const char *charset = data + 2, *end = data + size, *coding, *body, *close;

	if (size < 8 || data[0] != '=' || data[1] != '?')
		return 0;
	coding = memchr(charset, '?', (size_t)(end - charset));
	if (coding == NULL || end - coding < 4 || coding[2] != '?')
		return 0;
	body = coding + 3;
	close = memmem(body, (size_t)(end - body), "?=", 2);
	if (close == NULL)
		return 0;
	if ((coding[1] | 0x20) == 'b')
		add_base64(t, body, (size_t)(close - body),
			is_latin(charset, (size_t)(coding - charset)));
	else if ((coding[1] | 0x20) == 'q')
		add_escaped(t, body, (size_t)(close - body), '=',
			is_latin(charset, (size_t)(coding - charset)));
	else
		return 0;
	return (size_t)(close - data) + 2;
}

/* A name as header lines write it, with encoded words anywhere, quotes or not. */
static void add_name(text *t, const char *data, size_t size)
{
	bool after_word = false;

	for (size_t at = 0; at < size;) {
		size_t blank = strspn(data + at, " \t"), word;

		if (blank > size - at)
			blank = size - at;
		word = encoded_word(t, data + at + (after_word ? blank : 0),
			size - at - (after_word ? blank : 0));
		if (word > 0) {
			at += word + (after_word ? blank : 0);
			after_word = true;
			continue;
		}
		after_word = false;
		add(t, data + at, 1);
		at++;
	}
}

/* --- Parameters ------------------------------------------------------------------------- */

/* One parameter, taken out of quotes: name*N*=value. */
typedef struct parameter {
	const char *name;
	size_t name_length; /* without the asterisks */
	bool extended;      /* RFC 2231: percent signs */
	bool first;         /* of a continuation, or no continuation */
	char value[2048];
	size_t length;
} parameter;

static size_t skip_blank(const char *s, size_t at)
{
	/* Comments, nested and unfinished ones too. */
	for (unsigned depth = 0; s[at] != '\0'; at++) {
		if (s[at] == '(')
			depth++;
		else if (s[at] == ')' && depth > 0)
			depth--;
		else if (depth == 0 && s[at] != ' ' && s[at] != '\t')
			break;
	}
	return at;
}

static size_t read_value(parameter *p, const char *s, size_t at)
{
	bool quoted = s[at] == '"';

	p->length = 0;
	for (at += quoted; s[at] != '\0'; at++) {
		if (quoted ? s[at] == '"' : s[at] == ';')
			break;
		if (quoted && s[at] == '\\' && s[at + 1] != '\0')
			at++;
		if (p->length < sizeof(p->value) - 1)
			p->value[p->length++] = s[at];
	}
	while (!quoted && p->length > 0 && strchr(" \t", p->value[p->length - 1]) != NULL)
		p->length--;
	p->value[p->length] = '\0';
	return at + (quoted && s[at] == '"');
}

/* The next parameter behind @p at; false at the end. */
static bool next_parameter(parameter *p, const char *s, size_t *at)
{
	size_t i = *at, end;

	for (;;) {
		i = skip_blank(s, i + strspn(s + i, "; \t,"));
		if (s[i] == '\0')
			return false;
		p->name = s + i;
		end = strcspn(p->name, "=; \t(");
		i = skip_blank(s, i + end);
		if (s[i] == '=')
			break;
		i += end == 0; /* a word without a value, or a stray sign */
	}
	p->name_length = strcspn(p->name, "*=; \t(");
	p->extended = end > 0 && p->name[end - 1] == '*';
	p->first = end <= p->name_length + 1 || p->name[p->name_length + 1] == '0';
	*at = read_value(p, s, skip_blank(s, i + 1));
	return true;
}

static bool is_parameter(const parameter *p, const char *name)
{
	return p->name_length == strlen(name) && strncasecmp(p->name, name, p->name_length) == 0;
}

static void take_name(sb_mime *mime, const parameter *p)
{
	text t = {mime->name, mime->name_length, sizeof(mime->name)};
	const char *value = p->value, *quote;
	size_t length = p->length;
	bool latin = false;

	if (p->first)
		t.length = 0;
	if (p->extended && p->first && (quote = strchr(value, '\'')) != NULL) {
		latin = is_latin(value, (size_t)(quote - value));
		quote = strchr(quote + 1, '\'');
		if (quote != NULL)
			value = quote + 1;
		length = p->length - (size_t)(value - p->value);
	}
	if (p->extended)
		add_escaped(&t, value, length, '%', latin);
	else
		add_name(&t, value, length);
	mime->name_length = t.length;
}

static void take_boundary(sb_mime *mime, const parameter *p)
{
	unsigned i = mime->boundaries;
	text t;

	if (p->first) {
		if (i == SB_MIME_BOUNDARIES)
			return;
		mime->boundaries++;
		mime->boundary_length[i] = 0;
	} else if (i == 0) {
		return;
	} else {
		i--;
	}
	t = (text){mime->boundary[i], mime->boundary_length[i], SB_MIME_BOUNDARY};
	if (p->extended) {
		const char *value = strrchr(p->value, '\'');

		value = value != NULL ? value + 1 : p->value;
		add_escaped(&t, value, strlen(value), '%', false);
	} else {
		add(&t, p->value, p->length);
	}
	while (t.length > 0 && strchr(" \t", t.data[t.length - 1]) != NULL)
		t.length--;
	mime->boundary_length[i] = t.length;
	if (t.length == 0)
		mime->boundaries = i;
}

/* --- The three headers ------------------------------------------------------------------ */

static bool begins(const char *value, const char *word)
{
	return strncasecmp(value, word, strlen(word)) == 0;
}

static void content_type(sb_mime *mime, const char *value)
{
	parameter p;
	bool enveloped = strcasestr(value, "enveloped-data") != NULL;
	size_t at = skip_blank(value, 0);

	if (begins(value + at, "multipart"))
		mime->multipart = true;
	if (begins(value + at, "message/"))
		mime->message = true;
	if (begins(value + at, "message/partial"))
		mime->partial = true;
	if (begins(value + at, "multipart/encrypted") ||
		(enveloped && (begins(value + at, "application/pkcs7-mime") ||
				      begins(value + at, "application/x-pkcs7-mime"))))
		mime->sealed = true;
	at += strcspn(value + at, ";");
	while (next_parameter(&p, value, &at)) {
		if (is_parameter(&p, "boundary"))
			take_boundary(mime, &p);
		else if (is_parameter(&p, "name") && mime->name[0] == '\0')
			take_name(mime, &p);
		else if (is_parameter(&p, "name") && !p.first)
			take_name(mime, &p);
	}
}

static void disposition(sb_mime *mime, const char *value)
{
	parameter p;
	size_t at = strcspn(value, ";");

	while (next_parameter(&p, value, &at))
		if (is_parameter(&p, "filename"))
			take_name(mime, &p);
}

static const struct {
	const char *word;
	unsigned encoding;
} encodings[] = {
	/* Anywhere in the value, since that is how loose mail programs are. */
	{"base64", SB_MIME_BASE64},
	{"base-64", SB_MIME_BASE64},
	{"quoted", SB_MIME_QUOTED},
	{"printable", SB_MIME_QUOTED},
	{"uue", SB_MIME_UU},
	{"uuencode", SB_MIME_UU},
	{"x-uu", SB_MIME_UU},
	{"yenc", SB_MIME_UNKNOWN},
	{"binhex", SB_MIME_UNKNOWN},
	{"x-", SB_MIME_UNKNOWN},
};

static void transfer_encoding(sb_mime *mime, const char *value)
{
	unsigned found = 0;

	for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++)
		if ((encodings[i].encoding != SB_MIME_UNKNOWN || found == 0) &&
			strcasestr(value, encodings[i].word) != NULL)
			found |= encodings[i].encoding;
	mime->encodings |= found != 0 ? found : SB_MIME_PLAIN;
}

static const struct {
	const char *name;
	void (*take)(sb_mime *mime, const char *value);
} headers[] = {
	{"content-type", content_type},
	{"content-transfer-encoding", transfer_encoding},
	{"content-disposition", disposition},
};

/* Join the lines of a value; NUL bytes become spaces. */
static void unfold(char *out, const uint8_t *data, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < size && n < VALUE - 1; i++) {
		if (data[i] == '\r' || data[i] == '\n')
			continue;
		out[n++] = data[i] == '\0' ? ' ' : (char)data[i];
	}
	out[n] = '\0';
}

static void take_header(sb_mime *mime, const uint8_t *line, size_t size)
{
	char value[VALUE];
	size_t n = header_name(line, size);
	const uint8_t *colon = memchr(line, ':', size);

	for (size_t i = 0; colon != NULL && i < sizeof(headers) / sizeof(headers[0]); i++) {
		if (strlen(headers[i].name) != n ||
			strncasecmp((const char *)line, headers[i].name, n) != 0)
			continue;
		unfold(value, colon + 1, size - (size_t)(colon + 1 - line));
		headers[i].take(mime, value);
	}
}

static size_t next_line(const uint8_t *data, size_t size, size_t at, bool lax)
{
	return lax ? sb_mime_lax_line(data, size, at) : sb_mime_next_line(data, size, at);
}

/* Behind a header line and those that go on with it. */
static size_t folded_end(const uint8_t *data, size_t size, size_t at, bool lax)
{
	do
		at = next_line(data, size, at, lax);
	while (at < size && (data[at] == ' ' || data[at] == '\t'));
	return at;
}

size_t sb_mime_headers(sb_mime *mime, const uint8_t *data, size_t size, bool lax)
{
	bool first = true;

	memset(mime, 0, sizeof(*mime));
	for (size_t at = 0, next; at < size; at = next, first = false) {
		next = next_line(data, size, at, lax);
		if (trimmed(data, at, next) == at) {
			mime->junk |= is_half_break(data, size, at, next);
			return next;
		}
		if (header_name(data + at, next - at) > 0) {
			next = folded_end(data, size, at, lax);
			take_header(mime, data + at, next - at);
		} else if (data[at] == ' ' || data[at] == '\t') {
			/* A line of blanks ends nothing: some programs fold with it. */
			continue;
		} else if (first && memmem(data + at, next - at, "From ", 5) != NULL) {
			continue; /* mbox's own line, `>From ` too */
		} else {
			mime->junk = true;
			if (!lax)
				return at;
		}
	}
	return size;
}
