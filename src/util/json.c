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

static void write_string(sb_buf *buf, const unsigned char *s, size_t length)
{
	size_t i = 0, plain = 0; /* s[plain..i) needs no escape */

	sb_buf_char(buf, '"');
	while (i < length) {
		size_t step = 1;

		if (s[i] < 0x80) {
			if (escapes[s[i]] == 0) {
				i++;
				continue;
			}
			sb_buf_add(buf, s + plain, i - plain);
			escape_ascii(buf, s[i]);
		} else {
			step = sb_utf8_sequence(s + i, length - i);
			if (step > 0) {
				i += step;
				continue;
			}
			step = 1;
			sb_buf_add(buf, s + plain, i - plain);
			/* The backslash itself has to be escaped in JSON. */
			char text[5] = {
				'\\', '\\', 'x', hex_digits[s[i] >> 4], hex_digits[s[i] & 15]};
			sb_buf_add(buf, text, sizeof text);
		}
		i += step;
		plain = i;
	}
	sb_buf_add(buf, s + plain, i - plain);
	sb_buf_char(buf, '"');
}

static void before(sb_json *json, const char *key)
{
	if (json->comma)
		sb_buf_char(json->buf, ',');
	json->comma = true;
	if (key != NULL) { /* ours: needs no escape */
		sb_buf_char(json->buf, '"');
		sb_buf_text(json->buf, key);
		sb_buf_add(json->buf, "\":", 2);
	}
}

void sb_json_object(sb_json *json, const char *key)
{
	before(json, key);
	sb_buf_char(json->buf, '{');
	json->comma = false;
}

void sb_json_end_object(sb_json *json)
{
	sb_buf_char(json->buf, '}');
	json->comma = true;
}

void sb_json_array(sb_json *json, const char *key)
{
	before(json, key);
	sb_buf_char(json->buf, '[');
	json->comma = false;
}

void sb_json_end_array(sb_json *json)
{
	sb_buf_char(json->buf, ']');
	json->comma = true;
}

void sb_json_text_n(sb_json *json, const char *key, const char *text, size_t length)
{
	before(json, key);
	if (text == NULL)
		sb_buf_text(json->buf, "null");
	else
		write_string(json->buf, (const unsigned char *)text, length);
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
	char *room;

	before(json, key);
	room = sb_buf_reserve(json->buf, length * 2 + 2);
	if (room == NULL)
		return;
	*room++ = '"';
	for (size_t i = 0; i < length; i++) {
		*room++ = hex_digits[bytes[i] >> 4];
		*room++ = hex_digits[bytes[i] & 15];
	}
	*room++ = '"';
	*room = '\0';
	json->buf->length += length * 2 + 2;
}

void sb_json_uint(sb_json *json, const char *key, uint64_t value)
{
	char digits[20];
	size_t at = sizeof digits;

	before(json, key);
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	sb_buf_add(json->buf, digits + at, sizeof digits - at);
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
	sb_buf_printf(json->buf, "%lld", thousandths / 1000);
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
	before(json, key);
	sb_buf_text(json->buf, value ? "true" : "false");
}

void sb_json_null(sb_json *json, const char *key)
{
	before(json, key);
	sb_buf_text(json->buf, "null");
}

void sb_json_raw(sb_json *json, const char *key, const char *json_text, size_t length)
{
	before(json, key);
	sb_buf_add(json->buf, json_text, length);
}

size_t sb_json_fitting(const char *text, size_t length, size_t max)
{
	size_t cost = 0;

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
