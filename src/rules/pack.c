/* SPDX-License-Identifier: MIT */
/* The format of rule bundles; see pack.h. */
#include "rules/pack.h"

#include <string.h>
#include <strings.h>

#include "util/text.h"

enum { FORMAT = 1, SIGNED_AT = 8 + SB_PACK_SIGNATURE, TEXT = 255 };

static const uint8_t magic[8] = {0x89, 'S', 'B', 'R', 'U', 'L', '\r', '\n'};
static const char purpose[17] = "scanbridge-rules";

static uint64_t load(const uint8_t *at, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = bytes; i-- > 0;)
		value = value << 8 | at[i];
	return value;
}

static void store(uint8_t *at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

/* --- The head ------------------------------------------------------------------------------ */

const char *sb_pack_head_read(sb_pack_head *out, const void *data, size_t length)
{
	const uint8_t *bytes = data;

	if (length < SB_PACK_HEAD || memcmp(bytes, magic, sizeof magic) != 0)
		return "it is no rule bundle";
	if (length > SB_PACK_BYTES)
		return "it is larger than 64 MiB";
	if (memcmp(bytes + SIGNED_AT, purpose, 16) != 0)
		return "it is no rule bundle";
	if (load(bytes + 88, 4) != FORMAT)
		return "it has a format that this version does not know";
	if (load(bytes + 124, 8) != length - SB_PACK_HEAD)
		return "it is cut off, or something stands behind its end";
	*out = (sb_pack_head){.signature = bytes + 8,
		.key_id = bytes + 92,
		.signed_bytes = bytes + SIGNED_AT,
		.signed_length = length - SIGNED_AT,
		.payload = bytes + SB_PACK_HEAD,
		.payload_length = length - SB_PACK_HEAD};
	return NULL;
}

void sb_pack_head_write(
	uint8_t out[SB_PACK_HEAD], const uint8_t key_id[SB_PACK_KEY_ID], uint64_t payload_length)
{
	memset(out, 0, SB_PACK_HEAD);
	memcpy(out, magic, sizeof magic);
	memcpy(out + SIGNED_AT, purpose, 16);
	store(out + 88, FORMAT, 4);
	memcpy(out + 92, key_id, SB_PACK_KEY_ID);
	store(out + 124, payload_length, 8);
}

/* --- Names ----------------------------------------------------------------------------------- */

bool sb_pack_name_ok(const char *name)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789",
			  others[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t length = strlen(name);

	return length >= 1 && length <= SB_PACK_NAME && strspn(name, others) == length &&
	       strchr(first, name[0]) != NULL;
}

static bool has_control(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f || *text == '\\')
			return true;
	return false;
}

/* `..`, hidden names and empty steps are none; what a folder's loader leaves out has no place in a
 * bundle either. */
const char *sb_pack_path_problem(const char *path)
{
	size_t length = strlen(path), steps = 0;

	if (length == 0 || length > SB_PACK_PATH)
		return "a path has not 1 to 191 bytes";
	if (!sb_utf8_valid(path, length) || has_control(path))
		return "a path holds control characters, a backslash, or is no UTF-8";
	for (const char *step = path; step != NULL; steps++) {
		const char *slash = strchr(step, '/');

		if (step[0] == '.' || step[0] == '/' || step[0] == '\0')
			return "a path is absolute, leads upward, or is hidden";
		step = slash != NULL ? slash + 1 : NULL;
	}
	return steps > SB_PACK_DEPTH ? "a path has more than 16 steps" : NULL;
}

bool sb_pack_is_rule_file(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot != NULL && (strcasecmp(dot, ".yar") == 0 || strcasecmp(dot, ".yara") == 0);
}

/* --- Reading --------------------------------------------------------------------------------- */

typedef struct cursor {
	const uint8_t *at, *end;
} cursor;

static bool take(cursor *c, unsigned bytes, uint64_t *out)
{
	if ((size_t)(c->end - c->at) < bytes)
		return false;
	*out = load(c->at, bytes);
	c->at += bytes;
	return true;
}

static const char *take_text(cursor *c)
{
	const char *text = (const char *)c->at + 1;
	uint64_t length;

	if (!take(c, 1, &length) || (size_t)(c->end - c->at) < length + 1 ||
		c->at[length] != '\0' || memchr(c->at, '\0', length) != NULL)
		return NULL;
	c->at += length + 1;
	return text;
}

static bool take_entry(cursor *c, sb_pack_entry *out)
{
	uint64_t length;

	out->name = take_text(c);
	if (out->name == NULL || !take(c, 4, &length) || (size_t)(c->end - c->at) < length)
		return false;
	out->data = c->at;
	out->length = (size_t)length;
	c->at += length;
	return true;
}

static const char *check_files(cursor *c, uint32_t count)
{
	const char *before = "", *problem;
	uint32_t compiled = 0;
	sb_pack_entry file;

	for (uint32_t i = 0; i < count; i++) {
		if (!take_entry(c, &file))
			return "a file is cut off";
		problem = sb_pack_path_problem(file.name);
		if (problem != NULL)
			return problem;
		if (strcmp(before, file.name) >= 0)
			return "paths are not in ascending order";
		if (file.length > 0 && memchr(file.data, '\0', file.length) != NULL)
			return "a file holds a NUL byte: it is no rule source";
		before = file.name;
		compiled += sb_pack_is_rule_file(file.name);
	}
	return compiled > 0 ? NULL : "there is no *.yar or *.yara file in it";
}

static const char *check_samples(cursor *c, uint32_t count)
{
	sb_pack_entry sample;

	for (uint32_t i = 0; i < count; i++) {
		if (!take_entry(c, &sample))
			return "a sample is cut off";
		if (!sb_threat_name_ok(sample.name, strlen(sample.name)))
			return "the name of a sample's rule is none";
		if (sample.length == 0)
			return "a sample is empty";
	}
	return NULL;
}

const char *sb_pack_read(sb_pack *out, const void *payload, size_t length)
{
	cursor c = {.at = payload, .end = (const uint8_t *)payload + length};
	uint64_t files, samples;
	const char *problem;

	*out = (sb_pack){.name = take_text(&c)};
	if (out->name == NULL || !take(&c, 8, &out->version) || !take(&c, 8, &out->created) ||
		!take(&c, 4, &files) || !take(&c, 4, &samples))
		return "its beginning is cut off";
	if (!sb_pack_name_ok(out->name))
		return "its name is not 1 to 63 of a-z 0-9 . _ -, a letter or digit first";
	if (out->version < 1 || out->version > SB_PACK_VERSION_MAX)
		return "its version is not 1 to 99999999999999";
	if (files < 1 || files > SB_PACK_FILES)
		return "it has not 1 to 10000 files";
	if (samples > SB_PACK_SAMPLES)
		return "it has more than 100 samples";
	out->files = (uint32_t)files;
	out->samples = (uint32_t)samples;
	out->entries = c.at;
	out->end = c.end;
	problem = check_files(&c, out->files);
	if (problem == NULL)
		problem = check_samples(&c, out->samples);
	if (problem == NULL && c.at != c.end)
		problem = "something stands behind its last entry";
	return problem;
}

bool sb_pack_next(const sb_pack *pack, sb_pack_place *place, sb_pack_entry *out)
{
	cursor c = {.at = pack->entries + place->at, .end = pack->end};

	if (c.at == c.end || !take_entry(&c, out))
		return false;
	out->is_sample = place->number++ >= pack->files;
	place->at = (size_t)(c.at - pack->entries);
	return true;
}

/* --- Writing --------------------------------------------------------------------------------- */

static void put(sb_buf *out, uint64_t value, unsigned bytes)
{
	uint8_t text[8];

	store(text, value, bytes);
	sb_buf_add(out, text, bytes);
}

static void put_text(sb_buf *out, const char *text)
{
	size_t length = strnlen(text, TEXT);

	put(out, length, 1);
	sb_buf_add(out, text, length);
	sb_buf_char(out, '\0');
}

void sb_pack_write(sb_buf *out, const sb_pack *pack)
{
	put_text(out, pack->name);
	put(out, pack->version, 8);
	put(out, pack->created, 8);
	put(out, pack->files, 4);
	put(out, pack->samples, 4);
}

void sb_pack_write_entry(sb_buf *out, const sb_pack_entry *entry)
{
	put_text(out, entry->name);
	put(out, entry->length, 4);
	sb_buf_add(out, entry->data, entry->length);
}
