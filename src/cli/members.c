/* SPDX-License-Identifier: MIT */
/* A cursor over the text; each function moves it behind what it is about, or says no. */
#include "cli/members.h"

#include <string.h>

#include "util/text.h"

typedef struct cursor {
	const char *at, *end;
} cursor;

static void blanks(cursor *c)
{
	while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
		c->at++;
}

static bool take(cursor *c, char wanted)
{
	blanks(c);
	if (c->at == c->end || *c->at != wanted)
		return false;
	c->at++;
	return true;
}

static bool escape(cursor *c)
{
	char letter;

	if (c->end - c->at < 2)
		return false;
	letter = c->at[1];
	c->at += 2;
	if (letter != 'u')
		return letter != '\0' && strchr("\"\\/bfnrt", letter) != NULL;
	/* Halves of pairs are of no use one by one, and the log writes neither. */
	if (c->end - c->at >= 2 && (c->at[0] | 0x20) == 'd' && c->at[1] >= '8')
		return false;
	for (int i = 0; i < 4; i++, c->at++)
		if (c->at == c->end || memchr("0123456789abcdefABCDEF", *c->at, 22) == NULL)
			return false;
	return true;
}

/* With its quotes. */
static bool string(cursor *c, sb_piece *out)
{
	const char *start;

	blanks(c);
	start = c->at;
	if (!take(c, '"'))
		return false;
	while (c->at < c->end && *c->at != '"') {
		unsigned char byte = (unsigned char)*c->at;
		size_t length = 1;
		if (byte == '\\') {
			if (!escape(c))
				return false;
			continue;
		}
		if (byte >= 0x80)
			length = sb_utf8_sequence(
				(const unsigned char *)c->at, (size_t)(c->end - c->at));
		if (byte < 0x20 || length == 0)
			return false;
		c->at += length;
	}
	if (c->at == c->end)
		return false;
	c->at++;
	*out = (sb_piece){start, (size_t)(c->at - start)};
	return true;
}

/* Any value: strings are read, brackets counted, the rest is passed over. */
static bool value(cursor *c, sb_piece *out)
{
	char open[SB_MEMBERS_DEPTH];
	size_t depth = 0;
	const char *start;
	sb_piece skipped;

	blanks(c);
	start = c->at;
	do {
		if (c->at == c->end)
			return false;
		if (*c->at == '"') {
			if (!string(c, &skipped))
				return false;
		} else if (*c->at == '{' || *c->at == '[') {
			if (depth == SB_MEMBERS_DEPTH)
				return false;
			open[depth++] = *c->at++ == '{' ? '}' : ']';
		} else if (*c->at == '}' || *c->at == ']') {
			if (depth == 0 || open[--depth] != *c->at++)
				return false;
		} else if (depth == 0) {
			while (c->at < c->end && strchr(",]} \t", *c->at) == NULL)
				c->at++;
			break;
		} else {
			c->at++;
		}
	} while (depth > 0);
	*out = (sb_piece){start, (size_t)(c->at - start)};
	return c->at > start && c->at <= c->end;
}

bool sb_members_read(sb_members *out, const char *text, size_t length)
{
	cursor c = {text, text + length};

	out->count = 0;
	if (!take(&c, '{'))
		return false;
	if (take(&c, '}'))
		return c.at == c.end;
	do {
		sb_piece *key;

		if (out->count == SB_MEMBERS_MAX)
			return false;
		key = &out->items[out->count].key;
		if (!string(&c, key) || !take(&c, ':') || !value(&c, &out->items[out->count].value))
			return false;
		key->data++;
		key->length -= 2;
		out->count++;
	} while (take(&c, ','));
	return take(&c, '}') && c.at == c.end;
}

sb_piece sb_member(const sb_members *members, const char *key)
{
	size_t length = strlen(key);

	for (size_t i = 0; members != NULL && i < members->count; i++) {
		const sb_piece *name = &members->items[i].key;
		if (name->length == length && memcmp(name->data, key, length) == 0)
			return members->items[i].value;
	}
	return (sb_piece){NULL, 0};
}

sb_piece sb_member_string(const sb_members *members, const char *key)
{
	sb_piece piece = sb_member(members, key);

	if (piece.data == NULL || piece.data[0] != '"')
		return (sb_piece){NULL, 0};
	return (sb_piece){piece.data + 1, piece.length - 2};
}

bool sb_elements_next(sb_piece *rest, sb_piece *element)
{
	cursor c;

	if (rest->data == NULL)
		return false;
	c = (cursor){rest->data, rest->data + rest->length};
	/* `[` before the first, `,` before any other; `]` or nothing ends it. */
	if ((!take(&c, '[') && !take(&c, ',')) || !value(&c, element))
		return false;
	*rest = (sb_piece){c.at, (size_t)(c.end - c.at)};
	return true;
}
