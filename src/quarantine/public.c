/* SPDX-License-Identifier: MIT */
/* Records and filters as programs and authors of stores see them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quarantine/front.h"
#include "quarantine/record.h"
#include "util/text.h"

/* --- Records that live by themselves -----------------------------------------------------------
 */

struct owned {
	sb_quarantine_record record; /* first: its address is the whole's */
	sb_arena arena;
};

static struct owned *own_new(void)
{
	struct owned *owned = calloc(1, sizeof *owned);

	if (owned != NULL)
		sb_arena_init(&owned->arena, SB_RECORD_ARENA);
	return owned;
}

void sb_quarantine_record_free(sb_quarantine_record *record)
{
	struct owned *owned = (struct owned *)(void *)record;

	if (owned == NULL)
		return;
	sb_arena_done(&owned->arena);
	free(owned);
}

sb_quarantine_record *sb_store_record_copy(const sb_quarantine_record *record)
{
	struct owned *owned = own_new();

	if (owned == NULL || sb_record_copy(&owned->record, record, &owned->arena))
		return owned != NULL ? &owned->record : NULL;
	sb_quarantine_record_free(&owned->record);
	return NULL;
}

sb_quarantine_status sb_quarantine_find(
	sb_quarantine *q, const char *id, sb_quarantine_record **out, sb_error *error)
{
	struct owned *owned = own_new();
	sb_quarantine_status status;

	if (owned == NULL)
		return sb_quarantine_fail(error, SB_Q_INTERNAL, 0, "out of memory");
	status = sb_front_find(q, id, &owned->arena, &owned->record, error);
	if (status == SB_Q_OK)
		*out = &owned->record;
	else
		sb_quarantine_record_free(&owned->record);
	return status;
}

/* --- Records as text ---------------------------------------------------------------------------
 */

static char *take_text(sb_buf *text, size_t *length)
{
	char *taken;

	if (length != NULL)
		*length = text->length;
	taken = sb_buf_take(text);
	sb_buf_done(text);
	return taken;
}

char *sb_quarantine_record_json(const sb_quarantine_record *record, size_t *length)
{
	sb_buf text;

	sb_buf_init(&text, 1 << 24);
	sb_record_json(&text, record);
	return take_text(&text, length);
}

char *sb_store_record_write(const sb_quarantine_record *record, size_t *length, sb_error *error)
{
	sb_buf text;

	sb_buf_init(&text, SB_RECORD_MAX);
	if (sb_record_write(&text, record, error) == SB_Q_OK)
		return take_text(&text, length);
	sb_buf_done(&text);
	return NULL;
}

sb_quarantine_record *sb_store_record_read(const char *text, size_t length, sb_error *error)
{
	struct owned *owned = own_new();

	if (owned == NULL) {
		sb_error_no_memory(error);
		return NULL;
	}
	if (sb_record_read(&owned->record, text, length, &owned->arena))
		return &owned->record;
	sb_quarantine_record_free(&owned->record);
	sb_error_set(error, SB_KIND_CORRUPT, 0, "this is no record of a quarantined object");
	return NULL;
}

/* --- What a record says ------------------------------------------------------------------------
 */

const char *sb_quarantine_record_id(const sb_quarantine_record *record)
{
	return record->id;
}

sb_quarantine_state sb_quarantine_record_state(const sb_quarantine_record *record)
{
	return record->state;
}

bool sb_quarantine_record_legal_hold(const sb_quarantine_record *record)
{
	return record->legal_hold;
}

sb_outcome sb_quarantine_record_outcome(const sb_quarantine_record *record)
{
	return record->outcome;
}

uint64_t sb_quarantine_record_size(const sb_quarantine_record *record)
{
	return record->size;
}

void sb_quarantine_record_blake3(
	const sb_quarantine_record *record, char out[SB_QUARANTINE_DIGEST_SIZE])
{
	sb_hex(out, record->blake3, sizeof record->blake3);
}

void sb_quarantine_record_sha256(
	const sb_quarantine_record *record, char out[SB_QUARANTINE_DIGEST_SIZE])
{
	sb_hex(out, record->sha256, sizeof record->sha256);
}

uint64_t sb_quarantine_record_time(const sb_quarantine_record *record)
{
	return record->time;
}

uint64_t sb_quarantine_record_expires_at(const sb_quarantine_record *record)
{
	return record->expires_at;
}

const char *sb_quarantine_record_name(const sb_quarantine_record *record, size_t *length)
{
	if (length != NULL)
		*length = record->name_length;
	return record->name;
}

const char *sb_quarantine_record_path(const sb_quarantine_record *record, size_t *length)
{
	if (length != NULL)
		*length = record->path_length;
	return record->path;
}

const char *sb_quarantine_record_reason(const sb_quarantine_record *record)
{
	return record->reason;
}

const char *sb_quarantine_record_tenant(const sb_quarantine_record *record)
{
	return record->tenant;
}

const char *sb_quarantine_record_scan_id(const sb_quarantine_record *record)
{
	return record->scan_id;
}

const char *sb_quarantine_record_threats(const sb_quarantine_record *record)
{
	return record->threats != NULL ? record->threats : "[]";
}

/* --- Filters -----------------------------------------------------------------------------------
 */

enum { MAX_TENANT = 1024 };

struct filter {
	sb_quarantine_filter filter; /* first: its address is the whole's */
	uint8_t hash[SB_BLAKE3_SIZE];
	char cursor[SB_QUARANTINE_ID_SIZE];
	char tenant[MAX_TENANT + 1];
};

sb_quarantine_filter *sb_quarantine_filter_new(void)
{
	struct filter *own = calloc(1, sizeof *own);

	return own != NULL ? &own->filter : NULL;
}

void sb_quarantine_filter_free(sb_quarantine_filter *filter)
{
	free(filter);
}

int sb_quarantine_filter_set_tenant(sb_quarantine_filter *filter, const char *tenant, size_t length)
{
	struct filter *own = (struct filter *)(void *)filter;

	if (tenant != NULL && (length > MAX_TENANT || memchr(tenant, '\0', length) != NULL))
		return -(int)SB_KIND_LIMIT_EXCEEDED;
	if (tenant != NULL) {
		memcpy(own->tenant, tenant, length);
		own->tenant[length] = '\0';
	}
	filter->tenant = tenant != NULL ? own->tenant : NULL;
	return 0;
}

int sb_quarantine_filter_set_hash(sb_quarantine_filter *filter, const char *digits)
{
	struct filter *own = (struct filter *)(void *)filter;
	uint8_t hash[SB_BLAKE3_SIZE];

	if (digits != NULL && !sb_unhex(hash, sizeof hash, digits, strlen(digits)))
		return -(int)SB_KIND_NOT_CONFIGURED;
	if (digits != NULL)
		memcpy(own->hash, hash, sizeof hash);
	filter->hash = digits != NULL ? own->hash : NULL;
	return 0;
}

void sb_quarantine_filter_set_state(sb_quarantine_filter *filter, sb_quarantine_state state)
{
	filter->state = state;
}

void sb_quarantine_filter_set_after(sb_quarantine_filter *filter, uint64_t time)
{
	filter->after = time;
}

void sb_quarantine_filter_set_before(sb_quarantine_filter *filter, uint64_t time)
{
	filter->before = time;
}

void sb_quarantine_filter_set_include_expired(sb_quarantine_filter *filter, bool on)
{
	filter->include_expired = on;
}

void sb_quarantine_filter_set_limit(sb_quarantine_filter *filter, uint64_t limit)
{
	filter->limit = limit;
}

void sb_quarantine_filter_set_offset(sb_quarantine_filter *filter, uint64_t offset)
{
	filter->offset = offset;
}

int sb_quarantine_filter_set_cursor(sb_quarantine_filter *filter, uint64_t time, const char *id)
{
	struct filter *own = (struct filter *)(void *)filter;

	if (id != NULL && !sb_quarantine_id_ok(id))
		return -(int)SB_KIND_NOT_CONFIGURED;
	if (id != NULL)
		memcpy(own->cursor, id, sizeof own->cursor);
	filter->cursor_time = time;
	filter->cursor_id = id != NULL ? own->cursor : NULL;
	return 0;
}

static bool same_tenant(const char *wanted, const char *tenant)
{
	return wanted == NULL || strcmp(wanted, tenant != NULL ? tenant : "") == 0;
}

static bool same_hash(const uint8_t *hash, const sb_quarantine_record *r)
{
	return hash == NULL || memcmp(hash, r->blake3, sizeof r->blake3) == 0 ||
	       memcmp(hash, r->sha256, sizeof r->sha256) == 0;
}

bool sb_store_filter_matches(
	const sb_quarantine_filter *f, const sb_quarantine_record *r, uint64_t now)
{
	bool expired = r->expires_at != 0 && r->expires_at <= now && !r->legal_hold;
	bool behind = f->cursor_id == NULL || r->time < f->cursor_time ||
		      (r->time == f->cursor_time && strcmp(r->id, f->cursor_id) < 0);

	return behind && same_tenant(f->tenant, r->tenant) && same_hash(f->hash, r) &&
	       (f->state == SB_Q_STATE_NONE || f->state == r->state) && r->time >= f->after &&
	       (f->before == 0 || r->time <= f->before) &&
	       (f->only_expired ? expired : f->include_expired || !expired);
}

/* --- Is there such content ---------------------------------------------------------------------
 */

static int see_one(void *data, const sb_quarantine_record *record)
{
	(void)record;
	*(bool *)data = true;
	return 1;
}

sb_quarantine_status sb_quarantine_contains(
	sb_quarantine *q, const char *digits, bool *out, sb_error *error)
{
	uint8_t hash[SB_BLAKE3_SIZE];
	const sb_quarantine_filter filter = {.hash = hash, .limit = 1};

	*out = false;
	if (digits == NULL || !sb_unhex(hash, sizeof hash, digits, strlen(digits)))
		return sb_quarantine_fail(error, SB_Q_INVALID_ID, 0,
			"not a digest: 64 hexadecimal digits are a BLAKE3 or SHA-256");
	return sb_quarantine_list(q, &filter, see_one, out, error);
}
