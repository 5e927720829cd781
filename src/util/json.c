/* SPDX-License-Identifier: MIT */
/* The JSON writer; see json.h. No tree, no allocation but the buffer's. */
#include "util/json.h"

#include <math.h>
#include <string.h>

#include "util/text.h"

static const char hex_digits[] = "0123456789abcdef";

/* What a byte below 0x80 becomes: 0 itself, 1 \u00NN, otherwise backslash and that letter. */
static const char escapes[128] = {1, 1, 1, 1, 1, 1, 1, 1, 'b', 't', 'n', 1, 'f', 'r', 1,
	1,                                              /* 0x00 */
	1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* 0x10 */
	['"'] = '"', ['\\'] = '\\', [0x7f] = 1};

static void escape_ascii(sb_buf *buf, unsigned char c)
{
	char text[6] = {'\\', escapes[c], '0', '0', hex_digits[c >> 4], hex_digits[c & 15]};

	if (escapes[c] == 1) {
		text[1] = 'u';
		sb_buf_add(buf, text, 6);
	} else {
		sb_buf_add(buf, text, 2);
	}
}

/* How many bytes at the beginning come out as they are; eight at a time, by the sign bits of
 * differences that only bytes below a bound, or equal to one, set. */
static size_t plain_run(const unsigned char *s, size_t length)
{
	const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
	size_t i = 0;

	for (; length - i >= 8; i += 8) {
		uint64_t v, quote, slash, del;

		memcpy(&v, s + i, sizeof v);
		quote = v ^ ones * '"';
		slash = v ^ ones * '\\';
		del = v ^ ones * 0x7f;
		if (((v | (v - ones * 0x20) | (quote - ones) | (slash - ones) | (del - ones)) &
			    tops) != 0)
			break;
	}
	while (i < length && s[i] < 0x80 && escapes[s[i]] == 0)
		i++;
	return i;
}

/* What is not plain at @p s, as JSON has it; returns how many bytes that was. */
static size_t write_odd(sb_buf *buf, const unsigned char *s, size_t length)
{
	size_t step = sb_utf8_sequence(s, length);

	if (s[0] < 0x80) {
		escape_ascii(buf, s[0]);
	} else if (step > 0) {
		sb_buf_add(buf, s, step);
	} else {
		/* The backslash itself has to be escaped in JSON. */
		char text[5] = {'\\', '\\', 'x', hex_digits[s[0] >> 4], hex_digits[s[0] & 15]};
		sb_buf_add(buf, text, sizeof text);
	}
	return step > 0 ? step : 1;
}

static void write_string(sb_buf *buf, const unsigned char *s, size_t length)
{
	sb_buf_char(buf, '"');
	for (size_t i = 0; i < length;) {
		size_t plain = plain_run(s + i, length - i);

		sb_buf_add(buf, s + i, plain);
		i += plain;
		if (i < length)
			i += write_odd(buf, s + i, length - i);
	}
	sb_buf_char(buf, '"');
}

/* The comma and the key, with room for @p more bytes behind them: they are all written there, then
 * end() has where they end. NULL: the buffer has failed. */
static char *begin(sb_json *json, const char *key, size_t more)
{
	size_t length = key != NULL ? strlen(key) : 0; /* ours: needs no escape */
	size_t need = (json->comma ? 1 : 0) + (key != NULL ? length + 3 : 0);
	char *room = sb_buf_reserve(json->buf, need + more);

	if (room == NULL)
		return NULL;
	if (json->comma)
		*room++ = ',';
	json->comma = true;
	if (key != NULL) {
		*room++ = '"';
		memcpy(room, key, length);
		room += length;
		*room++ = '"';
		*room++ = ':';
	}
	return room;
}

static void end(sb_json *json, char *room)
{
	*room = '\0';
	json->buf->length = (size_t)(room - json->buf->data);
}

static void before(sb_json *json, const char *key)
{
	char *room = begin(json, key, 0);

	if (room != NULL)
		end(json, room);
}

static void plain(sb_json *json, const char *key, const char *text, size_t length)
{
	char *room = begin(json, key, length);

	if (room == NULL)
		return;
	memcpy(room, text, length);
	end(json, room + length);
}

void sb_json_object(sb_json *json, const char *key)
{
	plain(json, key, "{", 1);
	json->comma = false;
}

void sb_json_end_object(sb_json *json)
{
	sb_buf_char(json->buf, '}');
	json->comma = true;
}

void sb_json_array(sb_json *json, const char *key)
{
	plain(json, key, "[", 1);
	json->comma = false;
}

void sb_json_end_array(sb_json *json)
{
	sb_buf_char(json->buf, ']');
	json->comma = true;
}

static void plain_string(sb_json *json, const char *key, const char *text, size_t length)
{
	char *room = begin(json, key, length + 2);

	if (room == NULL)
		return;
	*room++ = '"';
	memcpy(room, text, length);
	room += length;
	*room++ = '"';
	end(json, room);
}

void sb_json_text_n(sb_json *json, const char *key, const char *text, size_t length)
{
	if (text == NULL) {
		sb_json_null(json, key);
	} else if (plain_run((const unsigned char *)text, length) == length) {
		plain_string(json, key, text, length);
	} else {
		before(json, key);
		write_string(json->buf, (const unsigned char *)text, length);
	}
}

void sb_json_text(sb_json *json, const char *key, const char *text)
{
	sb_json_text_n(json, key, text, text != NULL ? strlen(text) : 0);
}

void sb_json_bytes(sb_json *json, const char *key, const void *bytes, size_t length)
{
	sb_json_text_n(json, key, bytes, length);
	if (key == NULL || bytes == NULL || sb_utf8_valid(bytes, length))
		return;
	sb_buf_printf(json->buf, ",\"%s_base64\":\"", key);
	sb_base64(json->buf, bytes, length);
	sb_buf_char(json->buf, '"');
}

void sb_json_hex(sb_json *json, const char *key, const uint8_t *bytes, size_t length)
{
	char *room = begin(json, key, length * 2 + 2);

	if (room == NULL)
		return;
	*room++ = '"';
	sb_hex(room, bytes, length);
	room += length * 2;
	*room++ = '"';
	end(json, room);
}

enum { DIGITS = 20 }; /* of the largest number */

/* Where they begin; they end with the array. */
static size_t to_digits(char digits[DIGITS], uint64_t value)
{
	size_t at = DIGITS;

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	return at;
}

static void add_digits(sb_buf *buf, uint64_t value)
{
	char digits[DIGITS];
	size_t at = to_digits(digits, value);

	sb_buf_add(buf, digits + at, sizeof digits - at);
}

void sb_json_uint(sb_json *json, const char *key, uint64_t value)
{
	char digits[DIGITS];
	size_t at = to_digits(digits, value);

	plain(json, key, digits + at, sizeof digits - at);
}

void sb_json_int(sb_json *json, const char *key, int64_t value)
{
	if (value >= 0) {
		sb_json_uint(json, key, (uint64_t)value);
		return;
	}
	before(json, key);
	sb_buf_printf(json->buf, "%lld", (long long)value);
}

/* Not printf(): its decimal point is a comma where the host application's locale says so. */
void sb_json_number(sb_json *json, const char *key, double value)
{
	long long thousandths;
	char fraction[4];
	size_t length = 3;

	if (!isfinite(value) || fabs(value) > 1e15) {
		sb_json_null(json, key);
		return;
	}
	thousandths = llround(fabs(value) * 1000);
	before(json, key);
	if (value < 0 && thousandths > 0)
		sb_buf_char(json->buf, '-');
	add_digits(json->buf, (uint64_t)thousandths / 1000);
	fraction[0] = '.';
	fraction[1] = (char)('0' + thousandths / 100 % 10);
	fraction[2] = (char)('0' + thousandths / 10 % 10);
	fraction[3] = (char)('0' + thousandths % 10);
	while (length > 0 && fraction[length] == '0')
		length--;
	sb_buf_add(json->buf, fraction, length > 0 ? length + 1 : 0);
}

void sb_json_bool(sb_json *json, const char *key, bool value)
{
	if (value)
		plain(json, key, "true", 4);
	else
		plain(json, key, "false", 5);
}

void sb_json_null(sb_json *json, const char *key)
{
	plain(json, key, "null", 4);
}

void sb_json_raw(sb_json *json, const char *key, const char *json_text, size_t length)
{
	before(json, key);
	sb_buf_add(json->buf, json_text, length); /* may be none at all */
}

size_t sb_json_fitting(const char *text, size_t length, size_t max)
{
	size_t cost = 0;

	if (length <= max / 6)
		return length;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];
		cost += c < 0x20 || c >= 0x7f ? 6 : c == '"' || c == '\\' ? 2 : 1;
		if (cost > max) {
			while (i > 0 && ((unsigned char)text[i] & 0xc0) == 0x80)
				i--; /* not inside a character */
			return i;
		}
	}
	return length;
}
