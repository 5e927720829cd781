/* SPDX-License-Identifier: MIT */
/* The front: the same rules and the same order of word and deed for every store. */
#include "quarantine/quarantine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quarantine/front.h"
#include "util/io.h"
#include "util/text.h"
#include "util/uuid.h"

sb_quarantine_status sb_front_event(sb_quarantine *q, sb_quarantine_event event,
	const sb_quarantine_record *record, const char *reason, const char *detail, sb_error *error)
{
	sb_error own;

	if (q->hooks.event == NULL)
		return SB_Q_OK;
	if (error == NULL)
		error = &own;
	sb_error_init(error);
	return q->hooks.event(q->hooks.data, event, record, reason, detail, error) == 0
		       ? SB_Q_OK
		       : SB_Q_AUDIT;
}

sb_quarantine_status sb_quarantine_new(sb_quarantine **out, const sb_store_ops *ops, void *self,
	const sb_quarantine_options *options, sb_error *error)
{
	sb_quarantine *q = calloc(1, sizeof *q);
	sb_quarantine_status status;

	if (q == NULL) {
		ops->close(self);
		return sb_quarantine_fail(error, SB_Q_INTERNAL, 0, "out of memory");
	}
	*q = (sb_quarantine){.ops = ops,
		.self = self,
		.hooks = options->hooks,
		.clock = options->clock,
		.retention = options->retention,
		.max_per_hour = options->max_per_hour,
		.random = options->random != NULL ? options->random : sb_random};
	status = sb_quarantine_recover(q, error);
	if (status != SB_Q_OK)
		sb_quarantine_close(q);
	else
		*out = q;
	return status;
}

sb_quarantine_status sb_quarantine_recover(sb_quarantine *q, sb_error *error)
{
	return q->ops->recover != NULL ? q->ops->recover(q->self, &q->hooks, error) : SB_Q_OK;
}

void sb_quarantine_close(sb_quarantine *q)
{
	if (q == NULL)
		return;
	q->ops->close(q->self);
	free(q);
}

int64_t sb_quarantine_read_fd(
	void *data, uint64_t offset, void *buffer, size_t length, sb_error *error)
{
	ssize_t n = sb_pread_full(*(int *)data, buffer, length, offset);

	return n >= 0 ? n : sb_error_set(error, SB_KIND_IO, errno, "read the content");
}

/* --- Finding --------------------------------------------------------------------------------- */

static sb_quarantine_status bad_id(sb_error *error)
{
	return sb_quarantine_fail(error, SB_Q_INVALID_ID, 0,
		"not an id of a quarantined object: expected 32 digits 0-9a-f");
}

sb_quarantine_status sb_quarantine_find(sb_quarantine *q, const char *id, sb_arena *arena,
	sb_quarantine_record *out, sb_error *error)
{
	return sb_quarantine_id_ok(id) ? q->ops->find(q->self, id, arena, out, error)
				       : bad_id(error);
}

sb_quarantine_status sb_quarantine_list(sb_quarantine *q, const sb_quarantine_filter *filter,
	sb_quarantine_each each, void *data, sb_error *error)
{
	return q->ops->list(q->self, filter, sb_clock_wall(q->clock), each, data, error);
}

static int count_one(void *data, const sb_quarantine_record *record)
{
	(void)record;
	*(uint64_t *)data += 1;
	return 0;
}

sb_quarantine_status sb_quarantine_count(sb_quarantine *q, uint64_t *out, sb_error *error)
{
	const sb_quarantine_filter all = {0};

	*out = 0;
	return sb_quarantine_list(q, &all, count_one, out, error);
}

static bool is_expired(sb_quarantine *q, const sb_quarantine_record *record)
{
	return record->expires_at != 0 && !record->legal_hold &&
	       record->expires_at <= sb_clock_wall(q->clock);
}

sb_quarantine_status sb_front_readable(sb_quarantine *q, const char *id, sb_arena *arena,
	sb_quarantine_record *out, sb_error *error)
{
	sb_quarantine_status status = sb_quarantine_find(q, id, arena, out, error);
	char time[SB_TIME_SIZE];

	if (status != SB_Q_OK || !is_expired(q, out))
		return status;
	sb_format_time(time, out->expires_at);
	return sb_quarantine_fail(error, SB_Q_EXPIRED, 0,
		"quarantine object %s: its retention ended %s: put it on hold to keep it", id,
		time);
}

/* --- Commit ---------------------------------------------------------------------------------- */

static void complete(
	sb_quarantine *q, const sb_quarantine_content *content, sb_quarantine_record *record)
{
	uint8_t bytes[SB_QUARANTINE_ID / 2];

	q->random(bytes, sizeof bytes);
	sb_hex(record->id, bytes, sizeof bytes);
	record->time = sb_clock_wall(q->clock);
	record->size = content->size;
	memcpy(record->blake3, content->blake3, sizeof record->blake3);
	memcpy(record->sha256, content->sha256, sizeof record->sha256);
	if (record->expires_at == 0 && q->retention != 0)
		record->expires_at = record->time + q->retention;
}

sb_quarantine_status sb_quarantine_commit(sb_quarantine *q, const sb_quarantine_content *content,
	sb_quarantine_record *record, bool *duplicate, sb_error *error)
{
	sb_quarantine_status status;
	uint64_t purged = 0;
	bool twin = false;

	if (record->state != SB_Q_QUARANTINED && record->state != SB_Q_REVIEW)
		return sb_quarantine_fail(
			error, SB_Q_INTERNAL, 0, "quarantine: a commit has no such state");
	complete(q, content, record);
	status = q->ops->commit(q->self, content, record, &twin, error);
	/* What nobody wants any more makes room. */
	if (status == SB_Q_STORAGE_FULL && sb_quarantine_purge(q, 0, &purged, NULL) == SB_Q_OK &&
		purged > 0)
		status = q->ops->commit(q->self, content, record, &twin, error);
	if (duplicate != NULL)
		*duplicate = twin;
	if (status == SB_Q_OK)
		status = sb_front_event(q, SB_Q_EVENT_STORED, record, record->reason,
			twin ? "duplicate" : NULL, error);
	if (status == SB_Q_OK && !twin)
		status = q->ops->audited(q->self, record->id, error);
	return status;
}

/* --- Handing out ----------------------------------------------------------------------------- */

sb_quarantine_status sb_quarantine_get(sb_quarantine *q, const char *id, const char *reason,
	sb_quarantine_sink sink, void *data, sb_error *error)
{
	sb_quarantine_record record;
	sb_quarantine_status status;
	sb_arena arena;

	sb_arena_init(&arena, SB_FRONT_ARENA);
	status = sb_front_readable(q, id, &arena, &record, error);
	if (status == SB_Q_OK)
		status = sb_front_event(q, SB_Q_EVENT_RETRIEVED, &record, reason, NULL, error);
	if (status == SB_Q_OK)
		status = q->ops->read(q->self, id, sink, data, error);
	sb_arena_done(&arena);
	return status;
}

/* --- Changing -------------------------------------------------------------------------------- */

/* @p state NONE: only the hold changes. */
static sb_quarantine_status change(sb_quarantine *q, const char *id, sb_quarantine_event event,
	sb_quarantine_state state, bool hold, const char *reason, sb_error *error)
{
	sb_quarantine_record record;
	sb_quarantine_status status;
	sb_arena arena;

	sb_arena_init(&arena, SB_FRONT_ARENA);
	status = sb_quarantine_find(q, id, &arena, &record, error);
	if (status == SB_Q_OK && record.state == SB_Q_DAMAGED)
		status = sb_quarantine_fail(error, SB_Q_REFUSED, 0,
			"quarantine object %s is damaged: it can only be verified or deleted", id);
	if (status == SB_Q_OK && event == SB_Q_EVENT_REJECTED && record.state != SB_Q_REVIEW)
		status = sb_quarantine_fail(error, SB_Q_REFUSED, 0,
			"quarantine object %s is %s: only what is held can be rejected", id,
			sb_quarantine_state_name(record.state));
	if (status == SB_Q_OK && event == SB_Q_EVENT_RELEASED && record.state == SB_Q_RELEASED)
		status = sb_quarantine_fail(
			error, SB_Q_REFUSED, 0, "quarantine object %s is released already", id);
	if (status == SB_Q_OK)
		status = sb_front_event(q, event, &record, reason, NULL, error);
	if (status == SB_Q_OK)
		status = q->ops->change(q->self, id, state,
			state == SB_Q_STATE_NONE ? hold : record.legal_hold, record.expires_at,
			error);
	sb_arena_done(&arena);
	return status;
}

sb_quarantine_status sb_quarantine_release(
	sb_quarantine *q, const char *id, const char *reason, sb_error *error)
{
	return change(q, id, SB_Q_EVENT_RELEASED, SB_Q_RELEASED, false, reason, error);
}

sb_quarantine_status sb_quarantine_reject(
	sb_quarantine *q, const char *id, const char *reason, sb_error *error)
{
	return change(q, id, SB_Q_EVENT_REJECTED, SB_Q_QUARANTINED, false, reason, error);
}

sb_quarantine_status sb_quarantine_hold(
	sb_quarantine *q, const char *id, bool on, const char *reason, sb_error *error)
{
	return change(q, id, on ? SB_Q_EVENT_HOLD : SB_Q_EVENT_UNHOLD, SB_Q_STATE_NONE, on, reason,
		error);
}

/* @p intent: DELETE_INTENT or PURGE_INTENT; the events of how it ended follow it. */
static sb_quarantine_status destroy(sb_quarantine *q, const char *id, sb_quarantine_event intent,
	const char *reason, sb_error *error)
{
	sb_quarantine_record record;
	sb_quarantine_status status;
	sb_arena arena;

	sb_arena_init(&arena, SB_FRONT_ARENA);
	status = sb_quarantine_find(q, id, &arena, &record, error);
	if (status == SB_Q_INTEGRITY) { /* no more is known of it than its id */
		record = (sb_quarantine_record){.state = SB_Q_DAMAGED};
		snprintf(record.id, sizeof record.id, "%s", id);
		status = SB_Q_OK;
	}
	if (status == SB_Q_OK && record.legal_hold)
		status = sb_quarantine_fail(error, SB_Q_HELD, 0,
			"quarantine object %s is on legal hold: end the hold first", id);
	if (status == SB_Q_OK)
		status = sb_front_event(q, intent, &record, reason, NULL, error);
	if (status == SB_Q_OK) {
		status = q->ops->remove(q->self, id, error);
		if (status == SB_Q_OK)
			status = sb_front_event(q, intent + 1, &record, reason, NULL, error);
		else
			sb_front_event(q, intent + 2, &record, reason,
				sb_quarantine_status_name(status), NULL);
	}
	sb_arena_done(&arena);
	return status;
}

sb_quarantine_status sb_quarantine_delete(
	sb_quarantine *q, const char *id, const char *reason, sb_error *error)
{
	return destroy(q, id, SB_Q_EVENT_DELETE_INTENT, reason, error);
}

/* --- All of them ----------------------------------------------------------------------------- */

struct ids {
	char (*list)[SB_QUARANTINE_ID_SIZE];
	size_t count, room;
	bool failed;
};

static int take_id(void *data, const sb_quarantine_record *record)
{
	struct ids *ids = data;

	if (ids->count == ids->room) {
		size_t room = ids->room == 0 ? 256 : 2 * ids->room;
		void *grown = realloc(ids->list, room * sizeof ids->list[0]);
		ids->failed = grown == NULL;
		if (ids->failed)
			return 1;
		ids->list = grown;
		ids->room = room;
	}
	memcpy(ids->list[ids->count++], record->id, SB_QUARANTINE_ID_SIZE);
	return 0;
}

static sb_quarantine_status collect(
	sb_quarantine *q, const sb_quarantine_filter *filter, struct ids *ids, sb_error *error)
{
	sb_quarantine_status status = sb_quarantine_list(q, filter, take_id, ids, error);

	if (status == SB_Q_OK && ids->failed)
		status = sb_quarantine_fail(error, SB_Q_INTERNAL, 0, "out of memory");
	return status;
}

/* Somebody else may be faster, or hold one: the rest goes. */
sb_quarantine_status sb_quarantine_purge(
	sb_quarantine *q, uint64_t max, uint64_t *deleted, sb_error *error)
{
	const sb_quarantine_filter expired = {.only_expired = true, .limit = max};
	struct ids ids = {0};
	sb_quarantine_status status = sb_quarantine_recover(q, error), one;

	*deleted = 0;
	if (status == SB_Q_OK)
		status = collect(q, &expired, &ids, error);
	for (size_t i = 0; status == SB_Q_OK && i < ids.count; i++) {
		one = destroy(
			q, ids.list[i], SB_Q_EVENT_PURGE_INTENT, "retention has ended", error);
		if (one == SB_Q_OK)
			*deleted += 1;
		else if (one != SB_Q_NOT_FOUND && one != SB_Q_HELD && one != SB_Q_BUSY)
			status = one;
	}
	free(ids.list);
	return status;
}

sb_quarantine_status sb_quarantine_rekey(sb_quarantine *q, uint64_t *moved, sb_error *error)
{
	sb_quarantine_status status;
	char detail[64];

	*moved = 0;
	if (q->ops->rotate_key == NULL)
		return sb_quarantine_fail(
			error, SB_Q_NOT_CONFIGURED, 0, "this quarantine store has no keys");
	status = q->ops->rotate_key(q->self, moved, error);
	if (status != SB_Q_OK)
		return status;
	snprintf(detail, sizeof detail, "%llu objects", (unsigned long long)*moved);
	return sb_front_event(q, SB_Q_EVENT_KEY_ROTATED, NULL, NULL, detail, error);
}

struct verifying {
	sb_quarantine *q;
	sb_quarantine_verified *out;
	void (*bad)(void *data, const char *id, const char *message);
	void *data;
};

static int tell_stray(void *data, const char *name)
{
	struct verifying *v = data;

	v->out->strays++;
	if (v->bad != NULL)
		v->bad(v->data, name, "a file that is not in the index");
	return 0;
}

static sb_quarantine_status verify_one(struct verifying *v, const char *id, sb_error *error)
{
	sb_error own;
	sb_quarantine_status status;

	sb_error_init(&own);
	status = v->q->ops->read(v->q->self, id, NULL, NULL, &own);
	if (status == SB_Q_OK) {
		v->out->good++;
	} else if (status == SB_Q_INTEGRITY || status == SB_Q_NO_KEY ||
		   status == SB_Q_RETRIEVE_FAILED) {
		v->out->bad++;
		if (v->bad != NULL)
			v->bad(v->data, id, own.message);
		if (status == SB_Q_INTEGRITY)
			v->q->ops->change(v->q->self, id, SB_Q_DAMAGED, false, 0, NULL);
	} else if (status != SB_Q_NOT_FOUND && status != SB_Q_BUSY) {
		sb_error_copy(error, &own);
		return status;
	}
	return SB_Q_OK;
}

static sb_quarantine_status verify_all(struct verifying *v, sb_error *error)
{
	const sb_quarantine_filter all = {.include_expired = true};
	struct ids ids = {0};
	sb_quarantine_status status = collect(v->q, &all, &ids, error);

	for (size_t i = 0; status == SB_Q_OK && i < ids.count; i++)
		status = verify_one(v, ids.list[i], error);
	free(ids.list);
	if (status == SB_Q_OK && v->q->ops->strays != NULL)
		status = v->q->ops->strays(v->q->self, tell_stray, v, error);
	return status;
}

sb_quarantine_status sb_quarantine_verify(sb_quarantine *q, const char *id,
	sb_quarantine_verified *out, void (*bad)(void *data, const char *id, const char *message),
	void *data, sb_error *error)
{
	struct verifying v = {q, out, bad, data};
	sb_quarantine_record record = {0};
	sb_quarantine_status status = SB_Q_OK;
	char detail[96];
	sb_arena arena;

	*out = (sb_quarantine_verified){0};
	if (id == NULL) {
		status = verify_all(&v, error);
	} else {
		sb_arena_init(&arena, SB_FRONT_ARENA);
		status = sb_quarantine_find(q, id, &arena, &record, error);
		sb_arena_done(&arena);
		record = (sb_quarantine_record){0};
		if (status == SB_Q_OK || status == SB_Q_INTEGRITY) {
			snprintf(record.id, sizeof record.id, "%s", id);
			status = verify_one(&v, id, error);
		}
	}
	if (status != SB_Q_OK)
		return status;
	snprintf(detail, sizeof detail, "%llu good, %llu bad, %llu strays",
		(unsigned long long)out->good, (unsigned long long)out->bad,
		(unsigned long long)out->strays);
	return sb_front_event(
		q, SB_Q_EVENT_VERIFIED, id != NULL ? &record : NULL, NULL, detail, error);
}
