/* SPDX-License-Identifier: MIT */
/*
 * Text from outside: checking UTF-8, escaping for terminals, names of threats, sizes and
 * durations as people write them, globs, suggestions.
 */
#ifndef SB_UTIL_TEXT_H
#define SB_UTIL_TEXT_H

#include <stdint.h>

#include "util/buf.h"

/* Length of the valid UTF-8 sequence (RFC 3629) at @p s, 0 if there is none. */
size_t sb_utf8_sequence(const unsigned char *s, size_t length);
bool sb_utf8_valid(const void *text, size_t length);

/* RFC 4648, with padding. */
void sb_base64(sb_buf *out, const void *data, size_t length);
/* Lower-case digits and a NUL: out has room for 2 * length + 1. */
void sb_hex(char *out, const uint8_t *data, size_t length);
/* Exactly @p length bytes from 2 * length digits of either case; false otherwise. */
bool sb_unhex(uint8_t *out, size_t length, const char *digits, size_t digit_count);

/* For terminals and logs: C0, C1, DEL, bidirectional controls, line separators and invalid
 * UTF-8 become \xNN for each byte, backslash becomes \\ . */
void sb_escape(sb_buf *out, const void *text, size_t length);

/* [A-Za-z0-9._:/+-]{1,128} */
bool sb_threat_name_ok(const char *name, size_t length);

/* "25MiB", "1GiB", "4096": bytes. "500ms", "30s", "5m", "2h", "90d": ms. False for anything
 * else, negative numbers and overflow included. */
bool sb_parse_size(const char *text, uint64_t *bytes);
bool sb_parse_duration(const char *text, uint64_t *ms);
/* The largest unit that divides the value; into a buffer of at least 32 bytes, returned. */
const char *sb_format_size(char *out, size_t room, uint64_t bytes);
const char *sb_format_duration(char *out, size_t room, uint64_t ms);

/* Shell pattern with * ? [set]; any case if @p fold. No other specials, `/` is ordinary. */
bool sb_glob(const char *pattern, const char *text, size_t length, bool fold);

/* The candidate that looks most like @p word, NULL if none is near (edit distance). */
const char *sb_suggest(const char *word, const char *const *candidates, size_t count);

/* RFC 3339 in UTC with milliseconds, 24 characters: 2026-11-22T08:00:00.000Z. */
enum { SB_TIME_SIZE = 25 };
void sb_format_time(char out[SB_TIME_SIZE], uint64_t unix_ns);
/* RFC 3339, or YYYY-MM-DD for the start of that day in UTC: seconds since the epoch, and how far
 * east of UTC the writer was (@p utc_offset may be NULL). False for days that don't exist. */
bool sb_parse_time(const char *text, uint64_t *seconds, int32_t *utc_offset);
/* The same with the fraction of a second, as far as nanoseconds. */
bool sb_parse_time_ns(const char *text, uint64_t *ns);

#endif
