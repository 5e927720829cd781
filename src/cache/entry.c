/* SPDX-License-Identifier: MIT */
#include "cache/entry.h"

#include <string.h>

#include "util/text.h"

enum { FORMAT = 1, TEXT_MAX = 4096 };

enum member {
	MEMBER_CONFIDENCE = 1,
	MEMBER_ENGINE_VERSION,
	MEMBER_SIGNATURE_VERSION,
	MEMBER_MIME,
	MEMBER_TYPE,
	MEMBER_CONTAINER,
	MEMBER_DETECTION,
};
enum detection_member {
	DETECTION_JUDGED = 1, /* outcome and severity, a byte each */
	DETECTION_NAME,
	DETECTION_CATEGORY,
	DETECTION_DESCRIPTION,
	DETECTION_SIGNATURE_ID,
	DETECTION_MEMBER,
};
enum container_member {
	CONTAINER_TYPE = 1,
	CONTAINER_DEPTH,
	CONTAINER_MEMBERS,
	CONTAINER_BYTES,
	CONTAINER_FACTS,
};

/* --- What holds ------------------------------------------------------------------------------ */

static bool detections_say(const sb_result *result)
{
	bool infected = false, suspicious = false;

	for (const sb_detection *d = result->detections; d != NULL; d = d->next) {
		if (d->name == NULL || !sb_threat_name_ok(d->name, strlen(d->name)) ||
			d->severity < SB_SEVERITY_LOW || d->severity > SB_SEVERITY_CRITICAL)
			return false;
		if (d->outcome == SB_OUTCOME_INFECTED)
			infected = true;
		else if (d->outcome == SB_OUTCOME_SUSPICIOUS)
			suspicious = true;
		else
			return false;
	}
	switch (result->outcome) {
	case SB_OUTCOME_CLEAN:
		return result->detections == NULL;
	case SB_OUTCOME_INFECTED:
		return infected;
	case SB_OUTCOME_SUSPICIOUS:
		return suspicious && !infected;
	case SB_OUTCOME_ERROR:
		return false;
	}
	return false;
}

bool sb_entry_holds(const sb_result *result, uint64_t length)
{
	return result->error == NULL && !result->abstained && !result->fail_open &&
	       result->coverage == SB_COVERAGE_COMPLETE && result->bytes == length &&
	       result->content >= SB_CONTENT_UNKNOWN && result->content <= SB_CONTENT_INSPECTED &&
	       result->confidence <= 1 && detections_say(result);
}

/* --- Writing --------------------------------------------------------------------------------- */

typedef struct writer {
	uint8_t *at, *end;
	bool failed;
} writer;

static void put(writer *w, const void *data, size_t length)
{
	if (w->failed || length > (size_t)(w->end - w->at)) {
		w->failed = true;
		return;
	}
	memcpy(w->at, data, length);
	w->at += length;
}

static void put_u64(writer *w, uint64_t value)
{
	uint8_t bytes[8];

	for (unsigned i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
	put(w, bytes, sizeof bytes);
}

static void put_byte(writer *w, unsigned value)
{
	put(w, &(uint8_t){(uint8_t)value}, 1);
}

/* Where the member's value begins; close it with end_member(). */
static uint8_t *begin_member(writer *w, unsigned type)
{
	put_byte(w, type);
	put(w, "\0", 2);
	return w->at;
}

static void end_member(writer *w, uint8_t *value)
{
	size_t length;

	if (w->failed)
		return;
	length = (size_t)(w->at - value);
	if (length > UINT16_MAX) {
		w->failed = true;
		return;
	}
	value[-2] = (uint8_t)length;
	value[-1] = (uint8_t)(length >> 8);
}

static void put_member(writer *w, unsigned type, const void *data, size_t length)
{
	uint8_t *value = begin_member(w, type);

	put(w, data, length);
	end_member(w, value);
}

static void put_text(writer *w, unsigned type, const char *text)
{
	size_t length = text != NULL ? strlen(text) : 0;

	if (text == NULL)
		return;
	if (length > TEXT_MAX)
		w->failed = true;
	put_member(w, type, text, length);
}

static void put_number(writer *w, unsigned type, uint64_t value)
{
	uint8_t *at = begin_member(w, type);

	for (; value > 0; value >>= 8)
		put_byte(w, value & 0xff);
	end_member(w, at);
}

static void put_container(writer *w, const sb_container *container)
{
	uint8_t *value;

	if (container == NULL)
		return;
	value = begin_member(w, MEMBER_CONTAINER);
	put_text(w, CONTAINER_TYPE, container->type);
	put_number(w, CONTAINER_DEPTH, container->depth);
	put_number(w, CONTAINER_MEMBERS, container->members);
	put_number(w, CONTAINER_BYTES, container->bytes);
	put_number(w, CONTAINER_FACTS, container->facts);
	end_member(w, value);
}

static void put_detection(writer *w, const sb_detection *d)
{
	uint8_t *value = begin_member(w, MEMBER_DETECTION);
	const uint8_t judged[2] = {(uint8_t)d->outcome, (uint8_t)d->severity};

	put_member(w, DETECTION_JUDGED, judged, sizeof judged);
	put_text(w, DETECTION_NAME, d->name);
	put_text(w, DETECTION_CATEGORY, d->category);
	put_text(w, DETECTION_DESCRIPTION, d->description);
	put_text(w, DETECTION_SIGNATURE_ID, d->signature_id);
	put_text(w, DETECTION_MEMBER, d->member);
	end_member(w, value);
}

static void put_confidence(writer *w, double confidence)
{
	uint64_t bits;
	uint8_t *value;

	if (!(confidence >= 0))
		return;
	confidence += 0.0; /* there is one zero */
	memcpy(&bits, &confidence, sizeof bits);
	value = begin_member(w, MEMBER_CONFIDENCE);
	put_u64(w, bits);
	end_member(w, value);
}

static void put_head(writer *w, const sb_cache_key *key, const sb_result *result,
	sb_exactness exactness, uint64_t stored)
{
	put_byte(w, FORMAT);
	put(w, key->hash, sizeof key->hash);
	put_u64(w, key->length);
	put(w, key->gen, sizeof key->gen);
	put_u64(w, stored);
	put_byte(w, (unsigned)result->outcome);
	put_byte(w, (unsigned)exactness);
	put_byte(w, (unsigned)result->content);
}

size_t sb_entry_write(uint8_t *out, size_t room, const sb_cache_key *key, const sb_result *result,
	sb_exactness exactness, uint64_t stored)
{
	writer w = {.at = out, .end = out + room};

	if (!sb_entry_holds(result, key->length) || exactness < SB_EXACT_NONE ||
		exactness > SB_EXACT_FULL)
		return 0;
	put_head(&w, key, result, exactness, stored);
	put_confidence(&w, result->confidence);
	put_text(&w, MEMBER_ENGINE_VERSION, result->engine_version);
	put_text(&w, MEMBER_SIGNATURE_VERSION, result->signature_version);
	put_text(&w, MEMBER_MIME, result->mime);
	put_text(&w, MEMBER_TYPE, result->type);
	put_container(&w, result->container);
	for (const sb_detection *d = result->detections; d != NULL; d = d->next)
		put_detection(&w, d);
	return w.failed ? 0 : (size_t)(w.at - out);
}

/* --- Reading --------------------------------------------------------------------------------- */

typedef struct reader {
	const uint8_t *at, *end;
	sb_arena *arena;
	unsigned last; /* type of the member before */
	bool damaged, no_memory;
} reader;

typedef struct member_value {
	unsigned type;
	const uint8_t *data;
	size_t length;
} member_value;

/* False at the end, and when what follows is no member; then `damaged` is set. */
static bool next_member(reader *r, member_value *out, unsigned repeatable)
{
	size_t left = (size_t)(r->end - r->at);

	if (left == 0 || r->damaged || r->no_memory)
		return false;
	if (left >= 3) {
		out->type = r->at[0];
		out->length = r->at[1] | (size_t)r->at[2] << 8;
		out->data = r->at + 3;
	}
	if (left < 3 || out->length > left - 3 || out->type < r->last ||
		(out->type == r->last && out->type != repeatable)) {
		r->damaged = true;
		return false;
	}
	r->last = out->type;
	r->at = out->data + out->length;
	return true;
}

static reader inside(const reader *r, const member_value *value)
{
	return (reader){.at = value->data, .end = value->data + value->length, .arena = r->arena};
}

static void take_back(reader *r, const reader *inner)
{
	r->damaged = r->damaged || inner->damaged;
	r->no_memory = r->no_memory || inner->no_memory;
}

static uint64_t get_u64(const uint8_t *data)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 8; i++)
		value |= (uint64_t)data[i] << (8 * i);
	return value;
}

static const char *get_text(reader *r, const member_value *value)
{
	const char *text;

	if (value->length > TEXT_MAX || memchr(value->data, '\0', value->length) != NULL) {
		r->damaged = true;
		return NULL;
	}
	text = sb_arena_copy(r->arena, value->data, value->length);
	r->no_memory = r->no_memory || text == NULL;
	return text;
}

static uint64_t get_number(reader *r, const member_value *value, uint64_t max)
{
	uint64_t number = 0;

	if (value->length > 8 || (value->length > 0 && value->data[value->length - 1] == 0)) {
		r->damaged = true;
		return 0;
	}
	for (size_t i = 0; i < value->length; i++)
		number |= (uint64_t)value->data[i] << (8 * i);
	r->damaged = r->damaged || number > max;
	return number;
}

static double get_confidence(reader *r, const member_value *value)
{
	uint64_t bits = value->length == 8 ? get_u64(value->data) : UINT64_MAX;
	double confidence;

	memcpy(&confidence, &bits, sizeof confidence);
	/* Neither NaN nor the other zero. */
	r->damaged = r->damaged || !(confidence >= 0 && confidence <= 1) || bits >> 63 != 0;
	return confidence;
}

static const sb_container *get_container(reader *r, const member_value *value)
{
	sb_container *out = sb_arena_zalloc(r->arena, sizeof *out);
	reader in = inside(r, value);
	member_value v = {0};
	unsigned count = 0;

	r->no_memory = r->no_memory || out == NULL;
	if (out == NULL)
		return NULL;
	while (next_member(&in, &v, 0)) {
		count += v.type != CONTAINER_TYPE;
		if (v.type == CONTAINER_TYPE)
			out->type = get_text(&in, &v);
		else if (v.type == CONTAINER_DEPTH)
			out->depth = (unsigned)get_number(&in, &v, UINT32_MAX);
		else if (v.type == CONTAINER_MEMBERS)
			out->members = get_number(&in, &v, UINT64_MAX);
		else if (v.type == CONTAINER_BYTES)
			out->bytes = get_number(&in, &v, UINT64_MAX);
		else if (v.type == CONTAINER_FACTS)
			out->facts = (unsigned)get_number(&in, &v, UINT32_MAX);
		else
			in.damaged = true;
	}
	in.damaged = in.damaged || count != CONTAINER_FACTS - CONTAINER_TYPE;
	take_back(r, &in);
	return out;
}

static void get_judged(reader *r, const member_value *value, sb_detection *out)
{
	if (value->length != 2) {
		r->damaged = true;
		return;
	}
	out->outcome = (sb_outcome)value->data[0];
	out->severity = (sb_severity)value->data[1];
}

static sb_detection *get_detection(reader *r, const member_value *value)
{
	sb_detection *out = sb_arena_zalloc(r->arena, sizeof *out);
	reader in = inside(r, value);
	member_value v = {0};

	r->no_memory = r->no_memory || out == NULL;
	if (out == NULL)
		return NULL;
	while (next_member(&in, &v, 0)) {
		const char **const texts[] = {
			[DETECTION_NAME] = &out->name,
			[DETECTION_CATEGORY] = &out->category,
			[DETECTION_DESCRIPTION] = &out->description,
			[DETECTION_SIGNATURE_ID] = &out->signature_id,
			[DETECTION_MEMBER] = &out->member,
		};

		if (v.type == DETECTION_JUDGED)
			get_judged(&in, &v, out);
		else if (v.type >= DETECTION_NAME && v.type <= DETECTION_MEMBER)
			*texts[v.type] = get_text(&in, &v);
		else
			in.damaged = true;
	}
	take_back(r, &in);
	return out;
}

static void get_members(reader *r, sb_result *out)
{
	const char **const texts[] = {
		[MEMBER_ENGINE_VERSION] = &out->engine_version,
		[MEMBER_SIGNATURE_VERSION] = &out->signature_version,
		[MEMBER_MIME] = &out->mime,
		[MEMBER_TYPE] = &out->type,
	};
	sb_detection **next = &out->detections;
	member_value v = {0};

	out->confidence = -1;
	while (next_member(r, &v, MEMBER_DETECTION)) {
		if (v.type == MEMBER_CONFIDENCE) {
			out->confidence = get_confidence(r, &v);
		} else if (v.type >= MEMBER_ENGINE_VERSION && v.type <= MEMBER_TYPE) {
			*texts[v.type] = get_text(r, &v);
		} else if (v.type == MEMBER_CONTAINER) {
			out->container = get_container(r, &v);
		} else if (v.type == MEMBER_DETECTION) {
			*next = get_detection(r, &v);
			if (*next != NULL)
				next = &(*next)->next;
		} else {
			r->damaged = true;
		}
	}
}

bool sb_entry_is_of(const uint8_t *data, const sb_cache_key *key)
{
	return memcmp(data + 1, key->hash, sizeof key->hash) == 0 &&
	       get_u64(data + 33) == key->length &&
	       memcmp(data + 41, key->gen, sizeof key->gen) == 0;
}

bool sb_entry_head(sb_entry *out, const uint8_t *data, size_t length)
{
	if (length < SB_ENTRY_HEAD || length > SB_CACHE_ENTRY_MAX || data[0] != FORMAT ||
		data[82] > SB_EXACT_FULL)
		return false;
	*out = (sb_entry){0};
	memcpy(out->key.hash, data + 1, sizeof out->key.hash);
	out->key.length = get_u64(data + 33);
	memcpy(out->key.gen, data + 41, sizeof out->key.gen);
	out->stored = get_u64(data + 73);
	out->exactness = (sb_exactness)data[82];
	return true;
}

sb_entry_status sb_entry_read(sb_entry *out, const uint8_t *data, size_t length, sb_arena *arena)
{
	reader r = {.arena = arena};

	if (!sb_entry_head(out, data, length))
		return SB_ENTRY_DAMAGED;
	out->result.outcome = (sb_outcome)data[81];
	out->result.content = (sb_content_coverage)data[83];
	out->result.coverage = SB_COVERAGE_COMPLETE;
	out->result.bytes = out->key.length;
	out->result.cached = true;
	r.at = data + SB_ENTRY_HEAD;
	r.end = data + length;
	get_members(&r, &out->result);
	if (r.damaged || (!r.no_memory && !sb_entry_holds(&out->result, out->key.length)))
		return SB_ENTRY_DAMAGED;
	return r.no_memory ? SB_ENTRY_NO_MEMORY : SB_ENTRY_GOOD;
}
