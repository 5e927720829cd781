/* SPDX-License-Identifier: MIT */
/* ICAP replies, byte by byte up to the body and in spans from there; see icap_reply.h. */
#include "wire/icap_reply.h"

#include <string.h>
#include <strings.h>

enum {
	AT_HEAD,
	AT_INNER_START,
	AT_INNER,
	AT_CHUNK,
	AT_DATA,
	AT_DATA_END,
	AT_END,
	AT_DONE,
	AT_WRONG
};

/* --- Spans --------------------------------------------------------------------------------- */

bool sb_icap_is(sb_icap_span span, const char *text)
{
	return span.length == strlen(text) && strncasecmp(span.text, text, span.length) == 0;
}

bool sb_icap_holds(sb_icap_span span, const char *text)
{
	size_t length = strlen(text);

	for (size_t i = 0; i + length <= span.length; i++)
		if (strncasecmp(span.text + i, text, length) == 0)
			return true;
	return false;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

sb_icap_span sb_icap_trim(sb_icap_span span)
{
	while (span.length > 0 && is_blank(span.text[0])) {
		span.text++;
		span.length--;
	}
	while (span.length > 0 && is_blank(span.text[span.length - 1]))
		span.length--;
	return span;
}

sb_icap_span sb_icap_cut(sb_icap_span *rest, char separator)
{
	const char *at = rest->length > 0 ? memchr(rest->text, separator, rest->length) : NULL;
	sb_icap_span part = *rest;

	if (at != NULL)
		part.length = (size_t)(at - rest->text);
	*rest = (sb_icap_span){rest->text + part.length, rest->length - part.length};
	if (at != NULL) {
		rest->text++;
		rest->length--;
	}
	return sb_icap_trim(part);
}

bool sb_icap_number(sb_icap_span span, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	for (size_t i = 0; i < span.length; i++) {
		unsigned digit = (unsigned)(span.text[i] - '0');

		if (digit > 9 || digit > max || value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return span.length > 0;
}

/* --- Blocks of headers ---------------------------------------------------------------------- */

sb_icap_span sb_icap_first_line(const sb_icap_block *block)
{
	return (sb_icap_span){block->text, block->first_length};
}

bool sb_icap_find(const sb_icap_block *block, const char *name, unsigned *at, sb_icap_span *value)
{
	while (*at < block->count) {
		const sb_icap_field *f = &block->fields[(*at)++];

		if (!sb_icap_is((sb_icap_span){block->text + f->name, f->name_length}, name))
			continue;
		*value = (sb_icap_span){block->text + f->value, f->value_length};
		return true;
	}
	return false;
}

bool sb_icap_get(const sb_icap_block *block, const char *name, sb_icap_span *value)
{
	unsigned at = 0;

	return sb_icap_find(block, name, &at, value);
}

static void begin_block(sb_icap_block *block)
{
	block->received = block->used = block->line = 0;
	block->lines = block->count = 0;
	block->first_length = 0;
	block->whole = false;
}

/* RFC 9110 5.6.2 */
static bool is_token(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static const char *fold(sb_icap_block *block, size_t start)
{
	sb_icap_field *f = block->count > 0 ? &block->fields[block->count - 1] : NULL;
	sb_icap_span more = {block->text + start, block->used - start};
	char *end;

	if (f == NULL || !sb_icap_is((sb_icap_span){block->text + f->name, f->name_length},
				 "X-Violations-Found"))
		return "a folded header";
	more = sb_icap_trim(more);
	end = block->text + f->value + f->value_length;
	memmove(end + 1, more.text, more.length);
	*end = '\n';
	f->value_length = (uint16_t)(f->value_length + 1 + more.length);
	block->used = (size_t)(end - block->text) + 1 + more.length;
	return NULL;
}

static const char *take_field(sb_icap_block *block, size_t start)
{
	size_t colon = start;
	sb_icap_span value;

	if (block->lines++ == SB_ICAP_LINES_MAX)
		return "too many headers";
	if (block->text[start] == ' ' || block->text[start] == '\t')
		return fold(block, start);
	while (colon < block->used && is_token(block->text[colon]))
		colon++;
	if (colon == start || colon == block->used || block->text[colon] != ':')
		return "a header without a name";
	value = (sb_icap_span){block->text + colon + 1, block->used - colon - 1};
	value = sb_icap_trim(value);
	block->fields[block->count++] = (sb_icap_field){(uint16_t)start, (uint16_t)(colon - start),
		(uint16_t)(value.text - block->text), (uint16_t)value.length};
	return NULL;
}

/* The line that starts at block->line is whole; its end was not kept. */
static const char *take_line(sb_icap_block *block)
{
	size_t start = block->line;
	const char *why = NULL;

	for (size_t i = start; i < block->used; i++) {
		unsigned char c = (unsigned char)block->text[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return "a control character in a header";
	}
	if (start == 0 && block->first_length == 0) {
		if (block->used == 0)
			return "an empty first line";
		block->first_length = (uint16_t)block->used;
	} else if (block->used == start) {
		block->whole = true;
	} else {
		why = take_field(block, start);
	}
	block->line = block->used;
	return why;
}

static const char *take_byte(sb_icap_block *block, char c)
{
	if (block->received++ == SB_ICAP_BLOCK_MAX)
		return "headers without an end";
	if (c != '\n') {
		/* the last byte may still be the CR of the line's end */
		if (block->used - block->line > SB_ICAP_LINE_MAX ||
			(block->used - block->line == SB_ICAP_LINE_MAX && c != '\r'))
			return "a header line without an end";
		block->text[block->used++] = c;
		return NULL;
	}
	if (block->used == block->line || block->text[block->used - 1] != '\r')
		return "a line that ends in LF alone";
	block->used--;
	return take_line(block);
}

bool sb_icap_block_parse(sb_icap_block *block, const char *bytes, size_t length)
{
	begin_block(block);
	for (size_t i = 0; i < length; i++)
		if (block->whole || take_byte(block, bytes[i]) != NULL)
			return false;
	return block->whole;
}

/* --- Encapsulated (4.4.1) -------------------------------------------------------------------- */

static const struct {
	const char *header, *body;
	sb_icap_part part;
} parts[] = {
	{"req-hdr", "req-body", SB_ICAP_REQUEST},
	{"res-hdr", "res-body", SB_ICAP_RESPONSE},
};

static bool part_fits(const sb_icap_reply *reply, sb_icap_part part)
{
	return part == SB_ICAP_RESPONSE ? reply->method != SB_ICAP_OPTIONS
					: reply->method == SB_ICAP_REQMOD;
}

/* `null-body=0` or `opt-body=0`, or a body without headers. */
static const char *one_entry(sb_icap_reply *reply, sb_icap_span name)
{
	if (sb_icap_is(name, "null-body"))
		return NULL;
	if (sb_icap_is(name, "opt-body") && reply->method == SB_ICAP_OPTIONS) {
		reply->unread = true;
		return NULL;
	}
	for (size_t i = 0; i < 2; i++) {
		if (!sb_icap_is(name, parts[i].body) || !part_fits(reply, parts[i].part))
			continue;
		reply->part = parts[i].part;
		reply->has_body = true;
		return NULL;
	}
	return "Encapsulated tells of a part that can't be there";
}

static const char *two_entries(sb_icap_reply *reply, sb_icap_span header, sb_icap_span body)
{
	for (size_t i = 0; i < 2; i++) {
		if (!sb_icap_is(header, parts[i].header) || !part_fits(reply, parts[i].part))
			continue;
		reply->part = parts[i].part;
		reply->has_body = !sb_icap_is(body, "null-body");
		if (!reply->has_body || sb_icap_is(body, parts[i].body))
			return NULL;
	}
	return "Encapsulated tells of a part that can't be there";
}

static const char *read_encapsulated(sb_icap_reply *reply, sb_icap_span value)
{
	sb_icap_span names[2], rest = value;
	uint64_t offsets[2] = {0, 0};
	size_t count = 0;

	do {
		sb_icap_span offset = sb_icap_cut(&rest, ',');

		if (count == 2)
			return "Encapsulated has too many parts";
		names[count] = sb_icap_cut(&offset, '=');
		if (!sb_icap_number(sb_icap_trim(offset), SB_ICAP_BLOCK_MAX, &offsets[count]))
			return "Encapsulated has an offset that is none or too large";
		count++;
	} while (rest.length > 0);
	if (value.text[value.length - 1] == ',' || offsets[0] != 0 ||
		(count == 2 && offsets[1] == 0))
		return "Encapsulated has offsets out of order";
	reply->announced = (uint32_t)offsets[1];
	return count == 1 ? one_entry(reply, names[0]) : two_entries(reply, names[0], names[1]);
}

/* --- The head -------------------------------------------------------------------------------- */

static const char *read_status(sb_icap_reply *reply)
{
	static const char version[] = "ICAP/1.0 ";
	sb_icap_span line = sb_icap_first_line(&reply->head);
	uint64_t status;

	if (line.length < sizeof version + 2 || memcmp(line.text, version, sizeof version - 1) != 0)
		return "no status line of ICAP/1.0";
	line.text += sizeof version - 1;
	line.length -= sizeof version - 1;
	if (!sb_icap_number((sb_icap_span){line.text, 3}, 999, &status) || status < 100 ||
		(line.length > 3 && line.text[3] != ' '))
		return "a status that is no number of three digits";
	reply->status = (unsigned)status;
	return NULL;
}

static const char *read_connection(sb_icap_reply *reply)
{
	sb_icap_span value;
	unsigned at = 0;

	while (sb_icap_find(&reply->head, "Connection", &at, &value)) {
		while (value.length > 0)
			if (sb_icap_is(sb_icap_cut(&value, ','), "close"))
				reply->closing = true;
	}
	return sb_icap_get(&reply->head, "Transfer-Encoding", &value)
		       ? "Transfer-Encoding in ICAP headers"
		       : NULL;
}

static const char *read_head(sb_icap_reply *reply)
{
	sb_icap_span value, other;
	unsigned at = 0;
	const char *why = read_status(reply);
	bool told;

	if (why == NULL)
		why = read_connection(reply);
	if (why != NULL)
		return why;
	told = sb_icap_find(&reply->head, "Encapsulated", &at, &value);
	if (told && sb_icap_find(&reply->head, "Encapsulated", &at, &other))
		return "Encapsulated twice";
	if (reply->status != 200 && reply->status != 204 && reply->status >= 200) {
		/* it needs no body to say what it says */
		reply->unread = true;
		return NULL;
	}
	if (!told)
		return reply->status == 200 && reply->method != SB_ICAP_OPTIONS
			       ? "200 without Encapsulated"
			       : NULL;
	if (value.length == 0)
		return "an empty Encapsulated";
	why = read_encapsulated(reply, value);
	if (why == NULL && reply->status != 200 &&
		(reply->part != SB_ICAP_NOTHING || reply->announced > 0))
		return "a body behind a status that has none";
	return why;
}

/* --- The body -------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 1 to 16 digits, blanks, and an extension that means nothing in an answer. */
static const char *read_chunk_line(sb_icap_reply *reply)
{
	const char *text = reply->chunk_text;
	size_t length = reply->chunk_line, i = 0;

	reply->chunk = 0;
	for (; i < length && hex_digit(text[i]) >= 0; i++) {
		if (i == SB_ICAP_CHUNK_DIGITS_MAX)
			return "a chunk size of too many digits";
		reply->chunk = reply->chunk << 4 | (unsigned)hex_digit(text[i]);
	}
	if (i == 0)
		return "a chunk without a size";
	while (i < length && (text[i] == ' ' || text[i] == '\t'))
		i++;
	if (i < length && text[i] != ';')
		return "a chunk size with something behind it";
	for (; i < length; i++)
		if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 0x7f)
			return "a control character in a chunk's extension";
	if (reply->chunk > UINT64_MAX - reply->body)
		return "a chunk that is too large";
	reply->last_chunk = reply->chunk == 0;
	return NULL;
}

static const char *take_chunk_byte(sb_icap_reply *reply, char c)
{
	const char *why;

	if (c != '\n') {
		if (reply->chunk_line == SB_ICAP_CHUNK_LINE_MAX)
			return "a chunk size without an end";
		reply->chunk_text[reply->chunk_line++] = c;
		return NULL;
	}
	if (reply->chunk_line == 0 || reply->chunk_text[reply->chunk_line - 1] != '\r')
		return "a line that ends in LF alone";
	reply->chunk_line--;
	why = read_chunk_line(reply);
	reply->chunk_line = 0;
	reply->state = reply->last_chunk ? AT_DATA_END : AT_DATA;
	return why;
}

/* CRLF behind a chunk's bytes, or behind the zero. */
static const char *take_data_end(sb_icap_reply *reply, char c)
{
	if (c != "\r\n"[reply->chunk_line])
		return reply->last_chunk ? "no empty line behind the last chunk"
					 : "a chunk longer than it says";
	reply->chunk_line ^= 1;
	if (reply->chunk_line == 0)
		reply->state = reply->last_chunk ? AT_END : AT_CHUNK;
	return NULL;
}

static sb_icap_event take_data(sb_icap_reply *reply, sb_icap_span *bytes, sb_icap_span *data)
{
	*data = *bytes;
	if (data->length > reply->chunk)
		data->length = (size_t)reply->chunk;
	reply->chunk -= data->length;
	reply->body += data->length;
	bytes->text += data->length;
	bytes->length -= data->length;
	if (reply->chunk == 0)
		reply->state = AT_DATA_END;
	return SB_ICAP_DATA;
}

/* --- One after the other ---------------------------------------------------------------------- */

void sb_icap_reply_begin(sb_icap_reply *reply, sb_icap_method method)
{
	reply->method = method;
	reply->state = AT_HEAD;
	reply->status = 0;
	reply->part = SB_ICAP_NOTHING;
	reply->has_body = reply->closing = reply->unread = reply->last_chunk = false;
	reply->announced = 0;
	reply->chunk = reply->body = 0;
	reply->chunk_line = 0;
	reply->why = NULL;
	begin_block(&reply->head);
	begin_block(&reply->inner);
}

static sb_icap_event wrong(sb_icap_reply *reply, const char *why)
{
	reply->why = why;
	reply->state = AT_WRONG;
	return SB_ICAP_WRONG;
}

/* Encapsulated headers end in an empty line at the announced offset, neither before nor behind. */
static const char *take_inner_byte(sb_icap_reply *reply, char c)
{
	const char *why = take_byte(&reply->inner, c);

	if (why == NULL && reply->inner.whole != (reply->inner.received == reply->announced))
		return "encapsulated headers that don't end where Encapsulated says";
	return why;
}

static const char *take_one(sb_icap_reply *reply, char c)
{
	switch (reply->state) {
	case AT_HEAD:
		return take_byte(&reply->head, c);
	case AT_INNER:
		return take_inner_byte(reply, c);
	case AT_CHUNK:
		return take_chunk_byte(reply, c);
	default:
		return take_data_end(reply, c);
	}
}

/* Whether what was taken so far completes something. */
static sb_icap_event completed(sb_icap_reply *reply)
{
	const char *why;

	switch (reply->state) {
	case AT_HEAD:
		if (!reply->head.whole)
			return SB_ICAP_MORE;
		why = read_head(reply);
		if (why != NULL)
			return wrong(reply, why);
		reply->state = AT_INNER_START;
		return SB_ICAP_HEAD;
	case AT_INNER_START:
		reply->state = reply->announced > 0 ? AT_INNER
			       : reply->has_body    ? AT_CHUNK
						    : AT_END;
		return completed(reply);
	case AT_INNER:
		if (!reply->inner.whole)
			return SB_ICAP_MORE;
		reply->state = reply->has_body ? AT_CHUNK : AT_END;
		return SB_ICAP_INNER;
	case AT_END:
		reply->state = AT_DONE;
		return SB_ICAP_END;
	default:
		return SB_ICAP_MORE;
	}
}

sb_icap_event sb_icap_reply_next(sb_icap_reply *reply, sb_icap_span *bytes, sb_icap_span *data)
{
	*data = (sb_icap_span){NULL, 0};
	if (reply->state == AT_WRONG)
		return SB_ICAP_WRONG;
	for (;;) {
		sb_icap_event event = completed(reply);
		const char *why;

		if (event != SB_ICAP_MORE || bytes->length == 0)
			return event;
		if (reply->state == AT_DONE)
			return wrong(reply, "more behind the reply's end");
		if (reply->state == AT_DATA)
			return take_data(reply, bytes, data);
		why = take_one(reply, *bytes->text);
		if (why != NULL)
			return wrong(reply, why);
		bytes->text++;
		bytes->length--;
	}
}
