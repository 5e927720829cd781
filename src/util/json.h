/* SPDX-License-Identifier: MIT */
/*
 * Writing JSON (RFC 8259) into a buffer, streaming, in the order of the calls. Inside an
 * object every call names its key, inside an array the key is NULL. Bytes that are no
 * UTF-8 come out as the four characters \xNN (so the result is always valid JSON);
 * sb_json_bytes() then adds `<key>_base64`.
 */
#ifndef SB_UTIL_JSON_H
#define SB_UTIL_JSON_H

#include <stdint.h>

#include "util/buf.h"

typedef struct sb_json {
	sb_buf *buf;
	bool comma; /* something stands before on this level */
} sb_json;

static inline sb_json sb_json_on(sb_buf *buf)
{
	return (sb_json){.buf = buf};
}

void sb_json_object(sb_json *json, const char *key);
void sb_json_end_object(sb_json *json);
void sb_json_array(sb_json *json, const char *key);
void sb_json_end_array(sb_json *json);
/* NULL text gives null. Texts are NUL-terminated, bytes need not be. */
void sb_json_text(sb_json *json, const char *key, const char *text);
void sb_json_text_n(sb_json *json, const char *key, const char *text, size_t length);
void sb_json_bytes(sb_json *json, const char *key, const void *bytes, size_t length);
void sb_json_hex(sb_json *json, const char *key, const uint8_t *bytes, size_t length);
void sb_json_uint(sb_json *json, const char *key, uint64_t value);
void sb_json_int(sb_json *json, const char *key, int64_t value);
/* At most three decimals, no exponent; not finite gives null. */
void sb_json_number(sb_json *json, const char *key, double value);
void sb_json_bool(sb_json *json, const char *key, bool value);
void sb_json_null(sb_json *json, const char *key);
/* Members or values that are JSON already, without surrounding brackets. */
void sb_json_raw(sb_json *json, const char *key, const char *json_text, size_t length);

/* How many bytes of the text fit into @p max bytes of JSON: none is longer than six there, and
 * none is cut inside a UTF-8 character. */
size_t sb_json_fitting(const char *text, size_t length, size_t max);

#endif
