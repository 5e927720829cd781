/* SPDX-License-Identifier: MIT */
/*
 * RTF: objects and pictures as hexadecimal digits in text. Who hides something puts blanks,
 * control words, groups and binary runs between the digits, and programs disagree on what of that
 * counts: so the digits are collected twice, from the object's own group only and from groups
 * within it as well, and both are handed over where they differ.
 */
#include <stdio.h>
#include <string.h>

#include "containers/bytes.h"
#include "containers/decode.h"
#include "containers/office.h"

enum { WORD = 32, OBJECT_MAX = 64 << 20, POLL_EVERY = 65536, TEMPLATE = 64 };

/* --- What the digits of a group are --------------------------------------------------------- */

typedef struct destination {
	const char *word;
	unsigned facts;
	bool ole1; /* an OLE 1 object around the bytes */
} destination;

static const destination destinations[] = {
	{"objdata", SB_FACT_EMBEDDED, true},
	{"datastore", 0, false},
	{"themedata", 0, false},
	{"pict", 0, false},
};

static const struct {
	const char *word;
	unsigned facts;
} words[] = {
	{"objautlink", SB_FACT_EXTERNAL},
	{"objlink", SB_FACT_EXTERNAL},
};

/* --- Digits to bytes ---------------------------------------------------------------------------
 */

typedef struct digits {
	sb_buf bytes;
	int high; /* half a byte; negative: none */
} digits;

static void add_digit(digits *d, int digit)
{
	if (d->high < 0) {
		d->high = digit;
		return;
	}
	sb_buf_char(&d->bytes, (char)(d->high << 4 | digit));
	d->high = -1;
}

typedef struct rtf {
	sb_walk *walk;
	const sb_level *level;
	const uint8_t *data;
	size_t size, at;
	unsigned number;
	int depth;
	const destination *in; /* the group that is being collected; NULL: none */
	int in_depth;
	digits own, all;
	bool template;
	char reference[TEMPLATE]; /* the beginning of a template's address */
	size_t reference_length;
	int template_depth;
} rtf;

/* --- Objects -------------------------------------------------------------------------------------
 */

/* A text with its length in front, as OLE 1 has them; false past the end. */
static bool skip_text(const uint8_t *data, size_t size, size_t *at, const uint8_t **text)
{
	size_t length;

	if (size - *at < 4)
		return false;
	length = sb_le32(data + *at);
	*at += 4;
	if (length > size - *at)
		return false;
	if (text != NULL)
		*text = length > 0 ? data + *at : NULL;
	*at += length;
	return true;
}

enum { OLE1_LINKED = 1, OLE1_EMBEDDED = 2 };

/* What is in an OLE 1 object; *found false when it is none. */
static int ole1(rtf *r, const uint8_t *data, size_t size, bool *found)
{
	char name[32];
	size_t at = 8, length;
	unsigned kind;
	int result;

	*found = false;
	if (size < 12)
		return 0;
	kind = sb_le32(data + 4);
	if ((kind != OLE1_LINKED && kind != OLE1_EMBEDDED) || !skip_text(data, size, &at, NULL) ||
		!skip_text(data, size, &at, NULL) || !skip_text(data, size, &at, NULL))
		return 0;
	if (kind == OLE1_LINKED) {
		*found = true;
		sb_walk_fact(r->walk, SB_FACT_EXTERNAL);
		return 0;
	}
	if (size - at < 4)
		return 0;
	length = sb_le32(data + at);
	at += 4;
	if (length > size - at)
		length = size - at;
	*found = length > 0;
	if (sb_office_package(r->walk, r->level, data + at, length, &result) || !*found)
		return result;
	snprintf(name, sizeof(name), "object-%u", r->number);
	result = sb_walk_member(r->walk, r->level, name, strlen(name), data + at, length);
	return result < 0 ? result : 0;
}

/* A compound file anywhere in what was damaged on the way. */
static int compound(rtf *r, const uint8_t *data, size_t size)
{
	const uint8_t *found = memmem(data, size, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8);
	char name[32];
	int result;

	if (found == NULL || found == data)
		return 0;
	snprintf(name, sizeof(name), "object-%u", r->number);
	result = sb_walk_member(
		r->walk, r->level, name, strlen(name), found, size - (size_t)(found - data));
	return result < 0 ? result : 0;
}

static int hand_over(rtf *r, const sb_buf *bytes)
{
	const uint8_t *data = (const uint8_t *)bytes->data;
	char name[48];
	bool found;
	int result;

	if (bytes->failed)
		sb_walk_problem(r->walk, r->level, NULL, SB_KIND_LIMIT_EXCEEDED,
			"an object of more than %d MiB", OBJECT_MAX >> 20);
	if (bytes->length == 0)
		return 0;
	sb_walk_fact(r->walk, r->in->facts);
	snprintf(name, sizeof(name), "%s-%u", r->in->word, ++r->number);
	result = sb_walk_member(r->walk, r->level, name, strlen(name), data, bytes->length);
	if (result < 0 || !r->in->ole1)
		return result < 0 ? result : 0;
	result = ole1(r, data, bytes->length, &found);
	return result == 0 && !found ? compound(r, data, bytes->length) : result;
}

/* The group that was collected ends, or the file does. */
static int end_destination(rtf *r)
{
	int result = hand_over(r, &r->own.bytes);

	/* Pictures have groups with digits that are no part of them; nobody runs a picture. */
	if (result == 0 && r->in->ole1 &&
		(r->own.bytes.length != r->all.bytes.length ||
			(r->own.bytes.length > 0 && memcmp(r->own.bytes.data, r->all.bytes.data,
							    r->own.bytes.length) != 0)))
		result = hand_over(r, &r->all.bytes);
	r->in = NULL;
	sb_buf_done(&r->own.bytes);
	sb_buf_done(&r->all.bytes);
	return result;
}

static void begin_destination(rtf *r, const destination *d)
{
	r->in = d;
	r->in_depth = r->depth;
	r->own.high = r->all.high = -1;
	sb_buf_init(&r->own.bytes, OBJECT_MAX);
	sb_buf_init(&r->all.bytes, OBJECT_MAX);
}

/* --- Text
 * ------------------------------------------------------------------------------------------ */

static void plain(rtf *r, uint8_t c)
{
	int digit;

	if (r->template && r->reference_length < TEMPLATE - 1)
		r->reference[r->reference_length++] = (char)c;
	if (r->in == NULL)
		return;
	digit = sb_hex_digit(c);
	if (digit < 0)
		return;
	add_digit(&r->all, digit);
	if (r->depth == r->in_depth)
		add_digit(&r->own, digit);
}

/* `\binN`: bytes as they are. */
static void binary(rtf *r, long length)
{
	size_t room = r->size - r->at, count = length > 0 ? (size_t)length : 0;

	if (count > room)
		count = room;
	if (r->in != NULL) {
		sb_buf_add(&r->all.bytes, r->data + r->at, count);
		if (r->depth == r->in_depth)
			sb_buf_add(&r->own.bytes, r->data + r->at, count);
	}
	r->at += count;
}

static int known_word(rtf *r, const char *word, long number)
{
	int result = 0;

	if (strcmp(word, "bin") == 0)
		binary(r, number);
	if (strcmp(word, "template") == 0) {
		r->template = true;
		r->template_depth = r->depth;
		r->reference_length = 0;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(word, words[i].word) == 0)
			sb_walk_fact(r->walk, words[i].facts);
	for (size_t i = 0; i < sizeof(destinations) / sizeof(destinations[0]); i++) {
		if (strcmp(word, destinations[i].word) != 0)
			continue;
		if (r->in != NULL)
			result = end_destination(r);
		begin_destination(r, &destinations[i]);
	}
	return result;
}

/* Behind a backslash. */
static int control(rtf *r)
{
	char word[WORD];
	size_t n = 0;
	long number = 0;
	bool negative;

	if (r->at >= r->size)
		return 0;
	if ((r->data[r->at] | 0x20) < 'a' || (r->data[r->at] | 0x20) > 'z') {
		/* \'hh is a letter of a text, and none of an object's digits. */
		if (r->data[r->at] == '\'')
			r->at = r->size - r->at > 3 ? r->at + 3 : r->size;
		else
			r->at++;
		return 0;
	}
	while (r->at < r->size && (r->data[r->at] | 0x20) >= 'a' &&
		(r->data[r->at] | 0x20) <= 'z') {
		if (n < WORD - 1)
			word[n++] = (char)r->data[r->at];
		r->at++;
	}
	word[n] = '\0';
	negative = r->at < r->size && r->data[r->at] == '-';
	r->at += negative;
	while (r->at < r->size && r->data[r->at] >= '0' && r->data[r->at] <= '9') {
		if (number < 1l << 40)
			number = number * 10 + (r->data[r->at] - '0');
		r->at++;
	}
	if (r->at < r->size && r->data[r->at] == ' ')
		r->at++;
	return known_word(r, word, negative ? 0 : number);
}

static void end_template(rtf *r)
{
	r->reference[r->reference_length] = '\0';
	r->template = false;
	if (strstr(r->reference, "://") != NULL || strstr(r->reference, "\\\\") != NULL)
		sb_walk_fact(r->walk, SB_FACT_EXTERNAL);
}

static int close_group(rtf *r)
{
	if (r->template && r->depth == r->template_depth)
		end_template(r);
	r->depth--;
	return r->in != NULL && r->depth < r->in_depth ? end_destination(r) : 0;
}

static int all_text(rtf *r)
{
	int result = 0;

	for (size_t polled = 0; result == 0 && r->at < r->size;) {
		uint8_t c = r->data[r->at++];

		if (r->at >= polled) {
			polled = r->at + POLL_EVERY;
			result = sb_walk_poll(r->walk);
			if (result != 0)
				break;
		}
		if (c == '\\')
			result = control(r);
		else if (c == '{')
			r->depth++;
		else if (c == '}')
			result = close_group(r);
		else
			plain(r, c);
	}
	return result;
}

static sb_likeness recognise(const uint8_t *data, size_t size, const char **type)
{
	size_t at = 0;

	*type = "rtf";
	/* Word is content with less than the standard asks for. */
	while (at < size && at < 64 && (data[at] == ' ' || (data[at] >= '\t' && data[at] <= '\r')))
		at++;
	if (size - at < 4 || strncasecmp((const char *)data + at, "{\\rt", 4) != 0)
		return SB_NOT_THIS;
	return size - at > 4 && memcmp(data + at, "{\\rtf", 5) == 0 ? SB_SURELY : SB_PERHAPS;
}

static int take_apart(sb_walk *walk, const sb_level *level, sb_likeness likeness)
{
	rtf r = {.walk = walk, .level = level, .data = level->data, .size = level->size};
	int result = all_text(&r);

	if (result == 0 && r.in != NULL) {
		unsigned before = r.number;

		result = end_destination(&r);
		if (likeness == SB_SURELY || r.number > before)
			sb_walk_problem(
				walk, level, NULL, SB_KIND_CORRUPT, "it ends within an object");
	} else if (r.in != NULL) {
		sb_buf_done(&r.own.bytes);
		sb_buf_done(&r.all.bytes);
	}
	return result;
}

const sb_reader_ops sb_reader_rtf = {"RTF", recognise, take_apart};
