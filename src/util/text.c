/* SPDX-License-Identifier: MIT */
#include "util/text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Table 3-7 of the Unicode standard: which second bytes a first byte admits. */
size_t sb_utf8_sequence(const unsigned char *s, size_t length)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t need;

	if (length == 0)
		return 0;
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		need = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		need = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		need = 4;
	else
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (length < need || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return need;
}

bool sb_utf8_valid(const void *text, size_t length)
{
	const unsigned char *s = text;
	size_t i = 0;

	while (i < length) {
		size_t step = sb_utf8_sequence(s + i, length - i);
		if (step == 0)
			return false;
		i += step;
	}
	return true;
}

void sb_base64(sb_buf *out, const void *data, size_t length)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *s = data;

	for (size_t i = 0; i < length; i += 3) {
		size_t left = length - i;
		uint32_t v = (uint32_t)s[i] << 16;
		char text[4];

		v |= left > 1 ? (uint32_t)s[i + 1] << 8 : 0;
		v |= left > 2 ? s[i + 2] : 0;
		text[0] = digits[v >> 18];
		text[1] = digits[v >> 12 & 63];
		text[2] = left > 1 ? digits[v >> 6 & 63] : '=';
		text[3] = left > 2 ? digits[v & 63] : '=';
		sb_buf_add(out, text, 4);
	}
}

void sb_hex(char *out, const uint8_t *data, size_t length)
{
	/* Without a table or a branch, so that a processor does several at a time. */
	for (size_t i = 0; i < length; i++) {
		uint8_t high = data[i] >> 4, low = data[i] & 15;

		out[2 * i] = (char)(high + '0' + (high > 9) * ('a' - '0' - 10));
		out[2 * i + 1] = (char)(low + '0' + (low > 9) * ('a' - '0' - 10));
	}
	out[2 * length] = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool sb_unhex(uint8_t *out, size_t length, const char *digits, size_t digit_count)
{
	if (digit_count != length * 2)
		return false;
	for (size_t i = 0; i < length; i++) {
		int high = hex_value(digits[2 * i]), low = hex_value(digits[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* Characters that move the cursor or reorder what is shown. */
static bool shows_badly(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x061c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

static uint32_t decode(const unsigned char *s, size_t step)
{
	static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t c = s[0] & masks[step];

	for (size_t i = 1; i < step; i++)
		c = c << 6 | (s[i] & 0x3f);
	return c;
}

void sb_escape(sb_buf *out, const void *text, size_t length)
{
	const unsigned char *s = text;
	size_t i = 0;

	while (i < length) {
		size_t step = sb_utf8_sequence(s + i, length - i);
		bool bad = step == 0 || shows_badly(decode(s + i, step));

		if (step == 0)
			step = 1;
		if (bad) {
			for (size_t k = 0; k < step; k++)
				sb_buf_printf(out, "\\x%02x", s[i + k]);
		} else if (s[i] == '\\') {
			sb_buf_add(out, "\\\\", 2);
		} else {
			sb_buf_add(out, s + i, step);
		}
		i += step;
	}
}

bool sb_threat_name_ok(const char *name, size_t length)
{
	if (length < 1 || length > 128)
		return false;
	for (size_t i = 0; i < length; i++) {
		char c = name[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    (c != '\0' && strchr("._:/+-", c) != NULL)))
			return false;
	}
	return true;
}

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit sizes[] = {
	{"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1ull << 10}, {"", 1}};
static const struct unit durations[] = {
	{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

static bool parse_unit(const char *text, const struct unit *units, size_t count, uint64_t *out)
{
	char *end;
	uint64_t value;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(value, units[i].factor, &value))
			return false;
		*out = value;
		return true;
	}
	return false;
}

bool sb_parse_size(const char *text, uint64_t *bytes)
{
	return parse_unit(text, sizes, sizeof sizes / sizeof sizes[0], bytes);
}

bool sb_parse_duration(const char *text, uint64_t *ms)
{
	return parse_unit(text, durations, sizeof durations / sizeof durations[0], ms);
}

static const char *format_unit(
	char *out, size_t room, const struct unit *units, size_t count, uint64_t value)
{
	size_t i = 0;

	while (i < count - 1 && (value == 0 || value % units[i].factor != 0))
		i++;
	snprintf(out, room, "%" PRIu64 "%s", value / units[i].factor, units[i].name);
	return out;
}

const char *sb_format_size(char *out, size_t room, uint64_t bytes)
{
	return format_unit(out, room, sizes, sizeof sizes / sizeof sizes[0], bytes);
}

const char *sb_format_duration(char *out, size_t room, uint64_t ms)
{
	return format_unit(out, room, durations, sizeof durations / sizeof durations[0], ms);
}

static unsigned char fold_case(unsigned char c, bool fold)
{
	return fold ? (unsigned char)tolower(c) : c;
}

/* Whether @p c is in the set that starts behind `[`; *end behind the `]`, NULL if it is open. */
static bool in_set(const char *set, unsigned char c, bool fold, const char **end)
{
	bool negate = *set == '!' || *set == '^', found = false;
	const char *p = negate ? set + 1 : set, *first = p;

	c = fold_case(c, fold);
	for (; *p != '\0' && (*p != ']' || p == first); p++) {
		unsigned char low = fold_case((unsigned char)*p, fold), high = low;
		if (p[1] == '-' && p[2] != ']' && p[2] != '\0') {
			high = fold_case((unsigned char)p[2], fold);
			p += 2;
		}
		found = found || (c >= low && c <= high);
	}
	*end = *p == ']' ? p + 1 : NULL;
	return found != negate;
}

bool sb_glob(const char *pattern, const char *text, size_t length, bool fold)
{
	const char *star = NULL, *p = pattern;
	size_t i = 0, star_at = 0;

	/* On a mismatch the last star takes one character more; earlier ones never need to. */
	while (i < length) {
		const char *next = p + 1;
		bool match;

		if (*p == '*') {
			star = ++p;
			star_at = i;
			continue;
		}
		if (*p == '[') {
			match = in_set(p + 1, (unsigned char)text[i], fold, &next);
			if (next == NULL) { /* an open set is a literal bracket */
				match = text[i] == '[';
				next = p + 1;
			}
		} else {
			match = *p == '?' ||
				(*p != '\0' && fold_case((unsigned char)*p, fold) ==
						       fold_case((unsigned char)text[i], fold));
		}
		if (match) {
			p = next;
			i++;
		} else if (star != NULL) {
			p = star;
			i = ++star_at;
		} else {
			return false;
		}
	}
	while (*p == '*')
		p++;
	return *p == '\0';
}

/* Levenshtein distance, one row at a time; words are short. */
static size_t distance(const char *a, const char *b)
{
	size_t row[65], lb = strlen(b);

	if (lb > 64 || strlen(a) > 64)
		return 99;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 0; a[i] != '\0'; i++) {
		size_t diagonal = row[0];
		row[0] = i + 1;
		for (size_t j = 1; j <= lb; j++) {
			size_t cost = diagonal + (a[i] != b[j - 1]);
			diagonal = row[j];
			if (row[j] + 1 < cost)
				cost = row[j] + 1;
			if (row[j - 1] + 1 < cost)
				cost = row[j - 1] + 1;
			row[j] = cost;
		}
	}
	return row[lb];
}

const char *sb_suggest(const char *word, const char *const *candidates, size_t count)
{
	const char *best = NULL;
	size_t nearest = strlen(word) / 3 + 2; /* a typo or two */

	for (size_t i = 0; i < count; i++) {
		size_t d = distance(word, candidates[i]);
		if (d < nearest && d < strlen(candidates[i])) {
			nearest = d;
			best = candidates[i];
		}
	}
	return best;
}

static char *two_digits(char *out, int value)
{
	out[0] = (char)('0' + value / 10 % 10);
	out[1] = (char)('0' + value % 10);
	return out + 2;
}

/* The calendar part changes once a second: each thread keeps the last one it worked out. */
void sb_format_time(char out[SB_TIME_SIZE], uint64_t unix_ns)
{
	static _Thread_local time_t last = -1;
	static _Thread_local char text[20];
	time_t second = (time_t)(unix_ns / 1000000000);
	unsigned ms = (unsigned)(unix_ns / 1000000 % 1000);

	if (second != last) {
		struct tm tm;
		char *p = text;
		gmtime_r(&second, &tm);
		p = two_digits(p, (tm.tm_year + 1900) / 100);
		p = two_digits(p, (tm.tm_year + 1900) % 100);
		*p++ = '-';
		p = two_digits(p, tm.tm_mon + 1);
		*p++ = '-';
		p = two_digits(p, tm.tm_mday);
		*p++ = 'T';
		p = two_digits(p, tm.tm_hour);
		*p++ = ':';
		p = two_digits(p, tm.tm_min);
		*p++ = ':';
		two_digits(p, tm.tm_sec);
		last = second;
	}
	memcpy(out, text, 19);
	out[19] = '.';
	out[20] = (char)('0' + ms / 100);
	two_digits(out + 21, (int)(ms % 100));
	out[23] = 'Z';
	out[24] = '\0';
}

bool sb_parse_time(const char *text, uint64_t *seconds, int32_t *utc_offset)
{
	struct tm tm = {0}, again;
	int sign = 0, hours = 0, minutes = 0, read = 0;
	const char *rest = strptime(text, "%Y-%m-%d", &tm);
	time_t t;

	if (rest != NULL && (*rest == 'T' || *rest == 't'))
		rest = strptime(rest + 1, "%H:%M:%S", &tm);
	else if (rest != NULL && *rest != '\0')
		return false;
	if (rest == NULL || strlen(text) < 10 || text[4] != '-' || text[7] != '-')
		return false;
	if (text[10] != '\0') {
		if (*rest == '.') {
			size_t digits = strspn(++rest, "0123456789");
			if (digits == 0)
				return false;
			rest += digits;
		}
		if ((*rest == 'Z' || *rest == 'z') && rest[1] == '\0')
			sign = 0;
		else if ((*rest == '+' || *rest == '-') &&
			 sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &read) == 2 &&
			 rest[1 + read] == '\0' && hours >= 0 && hours < 24 && minutes >= 0 &&
			 minutes < 60)
			sign = *rest == '+' ? -1 : 1;
		else
			return false;
	}
	again = tm;
	t = timegm(&again);
	if (t <= 86400 || again.tm_mday != tm.tm_mday || again.tm_mon != tm.tm_mon)
		return false;
	sign *= hours * 3600 + minutes * 60;
	*seconds = (uint64_t)(t + sign);
	if (utc_offset != NULL)
		*utc_offset = -sign;
	return true;
}

bool sb_parse_time_ns(const char *text, uint64_t *ns)
{
	const char *fraction = strchr(text, '.');
	uint64_t seconds, unit = 1000000000;

	if (!sb_parse_time(text, &seconds, NULL) || seconds > UINT64_MAX / unit - 1)
		return false;
	*ns = seconds * unit;
	for (; fraction != NULL && fraction[1] >= '0' && fraction[1] <= '9'; fraction++) {
		unit /= 10;
		*ns += unit * (uint64_t)(fraction[1] - '0');
	}
	return true;
}
