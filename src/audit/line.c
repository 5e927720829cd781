/* SPDX-License-Identifier: MIT */
/*
 * Reading is a strict scanner over a fixed frame rather than a JSON parser: it is several
 * times faster, and there is exactly one way to write each record, so nothing can be said
 * twice (two `seq` members) and read differently by two programs. Of the body only its bytes
 * count here: the hash covers them, and control characters, which could not stand in JSON
 * unescaped, are refused. A body that never was JSON could only come from this program.
 */
#include "audit/line.h"

#include <string.h>

#include "util/hash.h"
#include "util/text.h"

/* `"hash":"` 64 digits `",` : what is taken out before hashing. */
enum { HASH_MEMBER = 8 + SB_AUDIT_HASH + 2 };

void sb_audit_head_init(sb_audit_head *head)
{
	head->seq = head->durable = 0;
	memset(head->hash, '0', SB_AUDIT_HASH);
	head->hash[SB_AUDIT_HASH] = '\0';
}

/* --- Reading ------------------------------------------------------------------------------ */

struct cursor {
	const char *at, *end;
};

static bool literal(struct cursor *c, const char *text)
{
	size_t length = strlen(text);

	if ((size_t)(c->end - c->at) < length || memcmp(c->at, text, length) != 0)
		return false;
	c->at += length;
	return true;
}

/* Digits without leading zeros, below 10^18: no overflow, exact in every JSON library that
 * knows 64-bit integers. */
static bool number(struct cursor *c, uint64_t *out)
{
	const char *start = c->at;
	uint64_t value = 0;

	while (c->at < c->end && *c->at >= '0' && *c->at <= '9' && c->at - start < 18)
		value = value * 10 + (uint64_t)(*c->at++ - '0');
	*out = value;
	return c->at > start && (*start != '0' || c->at == start + 1);
}

/* 2026-11-22T08:00:00.000Z; `d` stands for a digit. Only the shape: a clock that steps, or
 * tells nonsense, is no corruption. */
static bool timestamp(struct cursor *c)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";

	if (c->end - c->at < (ptrdiff_t)sizeof shape - 1)
		return false;
	for (const char *s = shape; *s != '\0'; s++, c->at++)
		if (*s == 'd' ? *c->at < '0' || *c->at > '9' : *c->at != *s)
			return false;
	return true;
}

static bool digest(struct cursor *c, const char **out)
{
	*out = c->at;
	if (c->end - c->at < SB_AUDIT_HASH)
		return false;
	for (int i = 0; i < SB_AUDIT_HASH; i++, c->at++)
		if (!((*c->at >= '0' && *c->at <= '9') || (*c->at >= 'a' && *c->at <= 'f')))
			return false;
	return true;
}

/* [a-z0-9_-]{1,max}: event names and writer ids. */
static bool word(struct cursor *c, size_t max, const char **out, size_t *length)
{
	*out = c->at;
	while (c->at < c->end &&
		((*c->at >= 'a' && *c->at <= 'z') || (*c->at >= '0' && *c->at <= '9') ||
			*c->at == '_' || *c->at == '-'))
		c->at++;
	*length = (size_t)(c->at - *out);
	return *length >= 1 && *length <= max;
}

static bool plain(const char *text, size_t length)
{
	unsigned char low = 0xff;

	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];
		low = c < low ? c : low;
	}
	return low >= 0x20;
}

static const char *frame(sb_audit_line *out, const char *line, size_t length)
{
	struct cursor c = {line, line + length};
	const char *writer;
	size_t writer_length;

	if (!literal(&c, "{\"seq\":") || !number(&c, &out->seq))
		return "doesn't begin with {\"seq\":N";
	if (!literal(&c, ",\"time\":\"") || !timestamp(&c) || !literal(&c, "\",\"event\":\""))
		return "time is malformed";
	if (!word(&c, SB_AUDIT_EVENT_MAX, &out->event, &out->event_length) ||
		!literal(&c, "\",\"prev\":\""))
		return "event is malformed";
	if (!digest(&c, &out->prev) || !literal(&c, "\",\"hash\":\""))
		return "prev is malformed";
	if (!digest(&c, &out->hash) || !literal(&c, "\",\"writer\":\""))
		return "hash is malformed";
	if (!word(&c, SB_AUDIT_WRITER_MAX, &writer, &writer_length) ||
		!literal(&c, "\",\"durable\":"))
		return "writer is malformed";
	if (!number(&c, &out->durable))
		return "durable is malformed";
	out->body = c.at;
	if (literal(&c, ","))
		out->body = c.at;
	else if (c.end - c.at != 1)
		return "durable is malformed";
	if (c.at >= c.end || c.end[-1] != '}')
		return "doesn't end with }";
	out->body_length = (size_t)(c.end - 1 - out->body);
	return plain(out->body, out->body_length) ? NULL : "contains control characters";
}

const char *sb_audit_line_read(sb_audit_line *out, const char *line, size_t length)
{
	char hashed[SB_AUDIT_LINE_MAX], digits[SB_AUDIT_HASH + 1];
	uint8_t sum[SB_SHA256_SIZE];
	const char *wrong;
	size_t before;

	if (length >= SB_AUDIT_LINE_MAX)
		return "is longer than 8 KiB";
	wrong = frame(out, line, length);
	if (wrong != NULL)
		return wrong;
	before = (size_t)(out->hash - line) - strlen("\"hash\":\"");
	memcpy(hashed, line, before);
	memcpy(hashed + before, line + before + HASH_MEMBER, length - before - HASH_MEMBER);
	sb_sha256_memory(hashed, length - HASH_MEMBER, sum);
	sb_hex(digits, sum, sizeof sum);
	return memcmp(digits, out->hash, SB_AUDIT_HASH) == 0 ? NULL : "hash doesn't match";
}

bool sb_audit_line_is(const sb_audit_line *line, const char *event)
{
	return line->event_length == strlen(event) &&
	       memcmp(line->event, event, line->event_length) == 0;
}

static bool uuid(struct cursor *c, char out[SB_AUDIT_LOG_ID + 1])
{
	if (c->end - c->at < SB_AUDIT_LOG_ID)
		return false;
	for (int i = 0; i < SB_AUDIT_LOG_ID; i++, c->at++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		bool hex = (*c->at >= '0' && *c->at <= '9') || (*c->at >= 'a' && *c->at <= 'f');
		if (dash ? *c->at != '-' : !hex)
			return false;
		out[i] = *c->at;
	}
	out[SB_AUDIT_LOG_ID] = '\0';
	return true;
}

const char *sb_audit_opened_read(sb_audit_opened *out, const sb_audit_line *line)
{
	struct cursor c = {line->body, line->body + line->body_length};
	const char *previous;

	if (!sb_audit_line_is(line, "log_opened"))
		return "the first record isn't log_opened";
	if (!literal(&c, "\"format\":1,"))
		return "the format isn't 1: written by another version";
	if (!literal(&c, "\"log_id\":\"") || !uuid(&c, out->log_id))
		return "log_id is malformed";
	if (!literal(&c, "\",\"algorithm\":\"sha256\",\"previous\":"))
		return "algorithm isn't sha256";
	out->previous[0] = '\0';
	if (literal(&c, "null"))
		return NULL;
	if (!literal(&c, "\"") || !digest(&c, &previous) || !literal(&c, "\""))
		return "previous is malformed";
	memcpy(out->previous, previous, SB_AUDIT_HASH);
	out->previous[SB_AUDIT_HASH] = '\0';
	return NULL;
}

/* --- Writing ------------------------------------------------------------------------------ */

void sb_audit_opened_body(sb_buf *out, const char *log_id, const char *previous, const char *voids)
{
	sb_buf_printf(out,
		"\"format\":1,\"log_id\":\"%s\",\"algorithm\":\"sha256\",\"previous\":", log_id);
	if (previous != NULL)
		sb_buf_printf(out, "\"%s\"", previous);
	else
		sb_buf_text(out, "null");
	if (voids != NULL)
		sb_buf_printf(out, ",%s", voids);
}

/* The frame at its longest: two numbers of 18 digits, the longest words. */
enum {
	FRAME_MAX = 7 + 18 + 9 + 24 + 11 + SB_AUDIT_EVENT_MAX + 10 + SB_AUDIT_HASH + 2 +
		    HASH_MEMBER + 10 + SB_AUDIT_WRITER_MAX + 12 + 18 + 3
};

bool sb_audit_parts_ok(const char *event, const char *body, size_t body_length)
{
	struct cursor c = {event, event + strlen(event)};
	const char *text;
	size_t length;

	return word(&c, SB_AUDIT_EVENT_MAX, &text, &length) && c.at == c.end &&
	       body_length <= SB_AUDIT_LINE_MAX - FRAME_MAX && plain(body, body_length);
}

static char *put(char *at, const char *text, size_t length)
{
	memcpy(at, text, length);
	return at + length;
}

static char *put_text(char *at, const char *text)
{
	return put(at, text, strlen(text));
}

static char *put_number(char *at, uint64_t value)
{
	char digits[20];
	size_t from = sizeof digits;

	do {
		digits[--from] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	return put(at, digits + from, sizeof digits - from);
}

/* The line is made without its hash, so that it can be hashed in one piece, then copied
 * around the hash: a copy of 300 bytes costs less than a second update of the digest. */
void sb_audit_line_add(sb_buf *out, sb_audit_head *head, const sb_audit_parts *parts)
{
	char line[SB_AUDIT_LINE_MAX], *at, *middle;
	char *room = sb_buf_reserve(out, SB_AUDIT_LINE_MAX);
	uint8_t sum[SB_SHA256_SIZE];

	if (room == NULL)
		return;
	at = put_text(line, "{\"seq\":");
	at = put_number(at, head->seq + 1);
	at = put_text(at, ",\"time\":\"");
	at = put_text(at, parts->time);
	at = put_text(at, "\",\"event\":\"");
	at = put_text(at, parts->event);
	at = put_text(at, "\",\"prev\":\"");
	at = put(at, head->hash, SB_AUDIT_HASH);
	middle = at = put_text(at, "\",");
	at = put_text(at, "\"writer\":\"");
	at = put_text(at, parts->writer);
	at = put_text(at, "\",\"durable\":");
	at = put_number(at, head->durable);
	if (parts->body_length > 0) {
		*at++ = ',';
		at = put(at, parts->body, parts->body_length);
	}
	*at++ = '}';

	sb_sha256_memory(line, (size_t)(at - line), sum);
	sb_hex(head->hash, sum, sizeof sum);
	head->seq++;
	room = put(room, line, (size_t)(middle - line));
	room = put_text(room, "\"hash\":\"");
	room = put(room, head->hash, SB_AUDIT_HASH);
	room = put_text(room, "\",");
	room = put(room, middle, (size_t)(at - middle));
	*room++ = '\n';
	*room = '\0';
	out->length = (size_t)(room - out->data);
}
