/* SPDX-License-Identifier: MIT */
#include "quarantine/record.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "util/json.h"
#include "util/text.h"

void sb_record_stat(sb_quarantine_record *record, const struct stat *original)
{
	record->has_original = true;
	record->uid = original->st_uid;
	record->gid = original->st_gid;
	record->mode = original->st_mode;
	record->nlink = original->st_nlink;
	record->mtime = (int64_t)original->st_mtim.tv_sec * 1000000000 + original->st_mtim.tv_nsec;
}

static const char *copy_bytes(const char *bytes, size_t length, sb_arena *arena, bool *whole)
{
	const char *copy = bytes != NULL ? sb_arena_copy(arena, bytes, length) : NULL;

	*whole = *whole && (bytes == NULL || copy != NULL);
	return copy;
}

bool sb_record_copy(sb_quarantine_record *out, const sb_quarantine_record *record, sb_arena *arena)
{
	const char **const texts[] = {&out->reason, &out->tenant, &out->scan_id, &out->threats,
		&out->engines, &out->metadata};
	bool whole = true;

	*out = *record;
	out->name = copy_bytes(record->name, record->name_length, arena, &whole);
	out->path = copy_bytes(record->path, record->path_length, arena, &whole);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (*texts[i] != NULL)
			*texts[i] = copy_bytes(*texts[i], strlen(*texts[i]), arena, &whole);
	return whole;
}

/* --- Writing --------------------------------------------------------------------------------- */

static void add_bytes(sb_json *json, const char *key, const char *bytes, size_t length)
{
	if (bytes == NULL)
		sb_json_null(json, key);
	else
		sb_json_bytes(json, key, bytes, length);
}

static void add_json(sb_json *json, const char *key, const char *text, const char *empty)
{
	if (text == NULL)
		text = empty;
	sb_json_raw(json, key, text, strlen(text));
}

static void add_original(sb_json *json, const sb_quarantine_record *record)
{
	if (!record->has_original)
		return;
	sb_json_object(json, "original");
	sb_json_uint(json, "uid", record->uid);
	sb_json_uint(json, "gid", record->gid);
	sb_json_uint(json, "mode", record->mode);
	sb_json_uint(json, "nlink", record->nlink);
	sb_json_int(json, "mtime_ns", record->mtime);
	sb_json_end_object(json);
}

static void add_digests(sb_json *json, const sb_quarantine_record *record)
{
	sb_json_hex(json, "blake3", record->blake3, sizeof record->blake3);
	sb_json_hex(json, "sha256", record->sha256, sizeof record->sha256);
	sb_json_uint(json, "size", record->size);
	add_bytes(json, "name", record->name, record->name_length);
	add_bytes(json, "path", record->path, record->path_length);
}

static void add_rest(sb_json *json, const sb_quarantine_record *record)
{
	sb_json_text(json, "reason", record->reason);
	sb_json_text(json, "outcome", sb_outcome_name(record->outcome));
	add_json(json, "threats", record->threats, "[]");
	add_json(json, "engines", record->engines, "[]");
	sb_json_text(json, "tenant_id", record->tenant);
	sb_json_text(json, "scan_id", record->scan_id);
	add_json(json, "metadata", record->metadata, "{}");
	add_original(json, record);
}

static bool is_json(const char *text, bool array)
{
	json_t *value = text != NULL ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
	bool right = text == NULL || (array ? json_is_array(value) : json_is_object(value));

	json_decref(value);
	return right && (text == NULL || strpbrk(text, "\r\n") == NULL);
}

sb_quarantine_status sb_record_write(
	sb_buf *out, const sb_quarantine_record *record, sb_error *error)
{
	sb_json json = sb_json_on(out);

	if (!is_json(record->threats, true) || !is_json(record->engines, true) ||
		!is_json(record->metadata, false))
		return sb_quarantine_fail(error, SB_Q_INTERNAL, 0,
			"quarantine record: threats, engines or metadata are no JSON on one line");
	sb_json_object(&json, NULL);
	sb_json_uint(&json, "v", 1);
	sb_json_text(&json, "id", record->id);
	sb_json_uint(&json, "time_ns", record->time);
	add_digests(&json, record);
	add_rest(&json, record);
	sb_json_end_object(&json);
	if (out->failed)
		return sb_quarantine_fail(error, SB_Q_INTERNAL, 0,
			"quarantine record: larger than %u KiB", SB_RECORD_MAX >> 10);
	return SB_Q_OK;
}

static void add_time(sb_json *json, const char *key, uint64_t ns)
{
	char text[SB_TIME_SIZE];

	sb_format_time(text, ns);
	sb_json_text(json, key, ns != 0 ? text : NULL);
}

void sb_record_json(sb_buf *out, const sb_quarantine_record *record)
{
	sb_json json = sb_json_on(out);

	sb_json_object(&json, NULL);
	sb_json_text(&json, "id", record->id);
	sb_json_text(&json, "state", sb_quarantine_state_name(record->state));
	sb_json_bool(&json, "legal_hold", record->legal_hold);
	add_digests(&json, record);
	add_time(&json, "time", record->time);
	add_rest(&json, record);
	add_time(&json, "expires_at", record->expires_at);
	sb_json_end_object(&json);
}

/* --- Reading --------------------------------------------------------------------------------- */

struct reader {
	json_t *root;
	sb_arena *arena;
	bool good;
};

static const char *get_text(struct reader *r, const char *key)
{
	json_t *value = json_object_get(r->root, key);
	const char *copy;

	if (value == NULL || json_is_null(value))
		return NULL;
	copy = json_is_string(value) ? sb_arena_text(r->arena, json_string_value(value)) : NULL;
	r->good = r->good && copy != NULL;
	return copy;
}

/* What is no UTF-8 stands beside in base64. */
static const char *get_bytes(
	struct reader *r, const char *key, const char *key_base64, size_t *length)
{
	json_t *value = json_object_get(r->root, key);
	const char *text = json_string_value(json_object_get(r->root, key_base64));
	size_t size = text != NULL ? strlen(text) : 0;
	char *out;
	int n;

	*length = 0;
	if (text == NULL) {
		if (value == NULL || json_is_null(value))
			return NULL;
		*length = json_string_length(value);
		out = json_is_string(value)
			      ? sb_arena_copy(r->arena, json_string_value(value), *length)
			      : NULL;
		r->good = r->good && out != NULL;
		return out;
	}
	out = size <= SB_RECORD_MAX && size % 4 == 0 ? sb_arena_zalloc(r->arena, size + 1) : NULL;
	n = out != NULL
		    ? EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)text, (int)size)
		    : -1;
	for (size_t i = size; n > 0 && i > 0 && text[i - 1] == '='; i--)
		n--;
	r->good = r->good && n >= 0;
	*length = n > 0 ? (size_t)n : 0;
	if (out != NULL)
		out[*length] = '\0';
	return out;
}

static uint64_t get_uint(struct reader *r, json_t *from, const char *key)
{
	json_t *value = json_object_get(from, key);

	r->good = r->good && json_is_integer(value) && json_integer_value(value) >= 0;
	return (uint64_t)json_integer_value(value);
}

static void get_digest(struct reader *r, const char *key, uint8_t out[32])
{
	json_t *value = json_object_get(r->root, key);

	r->good = r->good && json_is_string(value) &&
		  sb_unhex(out, 32, json_string_value(value), json_string_length(value));
}

static const char *get_json(struct reader *r, const char *key, bool array)
{
	json_t *value = json_object_get(r->root, key);
	char *text = NULL;
	const char *copy = NULL;

	if (array ? json_is_array(value) : json_is_object(value))
		text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(15));
	if (text != NULL)
		copy = sb_arena_text(r->arena, text);
	free(text);
	r->good = r->good && copy != NULL;
	return copy;
}

static void get_original(struct reader *r, sb_quarantine_record *out)
{
	json_t *original = json_object_get(r->root, "original");
	json_t *mtime = json_object_get(original, "mtime_ns");

	out->has_original = original != NULL;
	if (original == NULL)
		return;
	out->uid = (uint32_t)get_uint(r, original, "uid");
	out->gid = (uint32_t)get_uint(r, original, "gid");
	out->mode = (uint32_t)get_uint(r, original, "mode");
	out->nlink = get_uint(r, original, "nlink");
	out->mtime = json_integer_value(mtime);
	r->good = r->good && json_is_integer(mtime);
}

static void get_all(struct reader *r, sb_quarantine_record *out)
{
	const char *id = json_string_value(json_object_get(r->root, "id"));
	const char *outcome = json_string_value(json_object_get(r->root, "outcome"));

	r->good = json_integer_value(json_object_get(r->root, "v")) == 1 &&
		  sb_quarantine_id_ok(id) && outcome != NULL &&
		  sb_outcome_from_name(outcome, &out->outcome);
	if (r->good)
		memcpy(out->id, id, sizeof out->id);
	out->time = get_uint(r, r->root, "time_ns");
	out->size = get_uint(r, r->root, "size");
	get_digest(r, "blake3", out->blake3);
	get_digest(r, "sha256", out->sha256);
	out->name = get_bytes(r, "name", "name_base64", &out->name_length);
	out->path = get_bytes(r, "path", "path_base64", &out->path_length);
	out->reason = get_text(r, "reason");
	out->tenant = get_text(r, "tenant_id");
	out->scan_id = get_text(r, "scan_id");
	out->threats = get_json(r, "threats", true);
	out->engines = get_json(r, "engines", true);
	out->metadata = get_json(r, "metadata", false);
	get_original(r, out);
}

bool sb_record_read(sb_quarantine_record *out, const char *text, size_t length, sb_arena *arena)
{
	struct reader r = {.arena = arena};

	if (length > SB_RECORD_MAX)
		return false;
	r.root = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	if (r.root == NULL)
		return false;
	get_all(&r, out);
	json_decref(r.root);
	return r.good;
}
