/* SPDX-License-Identifier: MIT */
/* The front: the same rules and the same order of word and deed for every store. */
#include "quarantine/quarantine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quarantine/front.h"
#include "quarantine/record.h"
#include "util/io.h"
#include "util/text.h"
#include "util/uuid.h"

sb_quarantine_status sb_front_event(sb_quarantine *q, sb_quarantine_event event,
	const sb_quarantine_record *record, const char *reason, const char *detail, sb_error *error)
{
	sb_error own;

	if (q->options.hooks.event == NULL)
		return SB_Q_OK;
	if (error == NULL)
		error = &own;
	sb_error_init(error);
	return q->options.hooks.event(
		       q->options.hooks.data, event, record, reason, detail, error) == 0
		       ? SB_Q_OK
		       : SB_Q_AUDIT;
}

/* --- Opening --------------------------------------------------------------------------------- */

sb_quarantine *sb_quarantine_prepare(
	const sb_store_ops *ops, void *data, const sb_quarantine_options *options)
{
	sb_quarantine *q = calloc(1, sizeof *q);

	if (q == NULL)
		return NULL;
	q->ops = ops;
	q->data = data;
	q->options = *options;
	if (q->options.random == NULL)
		q->options.random = sb_random;
	pthread_mutex_init(&q->opens, NULL);
	return q;
}

static void close_store(const sb_store_ops *ops, void *self)
{
	if (ops->close != NULL)
		ops->close(self);
}

static sb_quarantine_status recover(sb_quarantine *q, sb_error *error)
{
	return q->ops->recover != NULL ? q->ops->recover(q->self, &q->options.hooks, error)
				       : SB_Q_OK;
}

/* With `self` filled in. */
static sb_quarantine_status begin(sb_quarantine *q, sb_error *error)
{
	sb_quarantine_status status = recover(q, error);

	if (status == SB_Q_OK)
		atomic_store(&q->opened, true);
	else
		close_store(q->ops, q->self);
	return status;
}

sb_quarantine_status sb_quarantine_new(sb_quarantine **out, const sb_store_ops *ops, void *self,
	const sb_quarantine_options *options, sb_error *error)
{
	sb_quarantine *q = sb_quarantine_prepare(ops, NULL, options);
	sb_quarantine_status status;

	if (q == NULL) {
		close_store(ops, self);
		return sb_quarantine_fail(error, SB_Q_INTERNAL, 0, "out of memory");
	}
	q->self = self;
	status = begin(q, error);
	if (status != SB_Q_OK)
		sb_quarantine_close(q);
	else
		*out = q;
	return status;
}

static sb_quarantine_status open_store(sb_quarantine *q, sb_error *error)
{
	sb_quarantine_status status = SB_Q_OK;

	pthread_mutex_lock(&q->opens);
	if (!atomic_load(&q->opened)) {
		q->self = q->data;
		if (q->ops->open != NULL)
			status = q->ops->open(q->data, &q->self, error);
		if (status == SB_Q_OK)
			status = begin(q, error);
	}
	pthread_mutex_unlock(&q->opens);
	return status;
}

sb_quarantine_status sb_front_need(sb_quarantine *q, bool *there, sb_error *error)
{
	*there = atomic_load(&q->opened) || q->ops->absent == NULL || !q->ops->absent(q->data);
	return *there ? open_store(q, error) : SB_Q_OK;
}

sb_quarantine_status sb_quarantine_recover(sb_quarantine *q, sb_error *error)
{
	bool before = atomic_load(&q->opened), there;
	sb_quarantine_status status = sb_front_need(q, &there, error);

	return status == SB_Q_OK && before ? recover(q, error) : status;
}

void sb_quarantine_close(sb_quarantine *q)
{
	if (q == NULL)
		return;
	if (atomic_load(&q->opened))
		close_store(q->ops, q->self);
	pthread_mutex_destroy(&q->opens);
	if (q->options.closed != NULL)
		q->options.closed(q->options.data);
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

struct found {
	sb_arena *arena;
	sb_quarantine_record *out;
	bool copied;
};

static int take_found(void *data, const sb_quarantine_record *record)
{
	struct found *found = data;

	found->copied = sb_record_copy(found->out, record, found->arena);
	return 1;
}

sb_quarantine_status sb_front_find(sb_quarantine *q, const char *id, sb_arena *arena,
	sb_quarantine_record *out, sb_error *error)
{
	struct found found = {arena, out, false};
	sb_quarantine_status status;
	bool there;

	if (!sb_quarantine_id_ok(id))
		return bad_id(error);
	status = sb_front_need(q, &there, error);
	if (status == SB_Q_OK && !there)
		return sb_quarantine_fail(
			error, SB_Q_NOT_FOUND, 0, "quarantine: there is no object %s", id);
	if (status == SB_Q_OK)
		status = q->ops->find(q->self, id, take_found, &found, error);
	return status == SB_Q_OK && !found.copied
		       ? sb_quarantine_fail(error, SB_Q_INTERNAL, 0, "out of memory")
		       : status;
}

sb_quarantine_status sb_quarantine_list(sb_quarantine *q, const sb_quarantine_filter *filter,
	sb_quarantine_each each, void *data, sb_error *error)
{
	static const sb_quarantine_filter all = {0};
	uint64_t now = sb_clock_wall(q->options.clock);
	bool there;
	sb_quarantine_status status = sb_front_need(q, &there, error);

	if (status != SB_Q_OK || !there)
		return status;
	return q->ops->list(q->self, filter != NULL ? filter : &all, now, each, data, error);
}

static int count_one(void *data, const sb_quarantine_record *record)
{
	(void)record;
	*(uint64_t *)data += 1;
	return 0;
}

sb_quarantine_status sb_quarantine_count(sb_quarantine *q, uint64_t *out, sb_error *error)
{
	*out = 0;
	return sb_quarantine_list(q, NULL, count_one, out, error);
}

static bool is_expired(sb_quarantine *q, const sb_quarantine_record *record)
{
	return record->expires_at != 0 && !record->legal_hold &&
	       record->expires_at <= sb_clock_wall(q->options.clock);
}

sb_quarantine_status sb_front_readable(sb_quarantine *q, const char *id, sb_arena *arena,
	sb_quarantine_record *out, sb_error *error)
{
	sb_quarantine_status status = sb_front_find(q, id, arena, out, error);
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

	q->options.random(bytes, sizeof bytes);
	sb_hex(record->id, bytes, sizeof bytes);
	record->time = sb_clock_wall(q->options.clock);
	record->size = content->size;
	memcpy(record->blake3, content->blake3, sizeof record->blake3);
	memcpy(record->sha256, content->sha256, sizeof record->sha256);
	if (record->expires_at == 0 && q->options.retention != 0)
		record->expires_at = record->time + q->options.retention;
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
	status = open_store(q, error);
	if (status == SB_Q_OK)
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
	if (status == SB_Q_OK && !twin && q->ops->audited != NULL)
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
	status = sb_front_find(q, id, &arena, &record, error);
	if (status == SB_Q_OK && record.state == SB_Q_DAMAGED)
		status = sb_quarantine_fail(error, SB_Q_REFUSED, 0,
			"quarantine object %s is damaged: it can only be verified or deleted", id);
	if (status == SB_Q_OK && event == SB_Q_EVENT_REJECTED && record.state != SB_Q_REVIEW)
		status = sb_quarantine_fail(error, SB_Q_REFUSED, 0,
			"quarantine object %s is %s: only what is held can be rejected", id,
			sb_quarantine_state_name(record.state));
	if (status == SB_Q_OK)
		status = sb_front_event(q, event, &record, reason, NULL, error);
	if (status == SB_Q_OK)
		status = q->ops->change(q->self, id, state,
			state == SB_Q_STATE_NONE ? hold : record.legal_hold, record.expires_at,
			error);
	sb_arena_done(&arena);
	return status;
}

/* The object first: a rule that is not on record lets nothing pass. Said again for one that was
 * released, it makes up for a rule that could not be written then. */
sb_quarantine_status sb_quarantine_release(
	sb_quarantine *q, const char *id, const char *reason, sb_error *error)
{
	sb_quarantine_record record;
	sb_quarantine_status status;
	bool again = false, added = false;
	sb_arena arena;

	sb_arena_init(&arena, SB_FRONT_ARENA);
	status = sb_front_find(q, id, &arena, &record, error);
	again = status == SB_Q_OK && record.state == SB_Q_RELEASED;
	if (status == SB_Q_OK && !again)
		status = change(q, id, SB_Q_EVENT_RELEASED, SB_Q_RELEASED, false, reason, error);
	if (status == SB_Q_OK && q->options.allow != NULL &&
		q->options.allow(q->options.data, &record, reason, &added, error) != 0)
		status = SB_Q_IO;
	if (status == SB_Q_OK && again && !added)
		status = sb_quarantine_fail(
			error, SB_Q_REFUSED, 0, "quarantine object %s is released already", id);
	sb_arena_done(&arena);
	return status;
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
	status = sb_front_find(q, id, &arena, &record, error);
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
	bool there;
	sb_quarantine_status status = sb_front_need(q, &there, error);
	char detail[64];

	*moved = 0;
	if (status != SB_Q_OK || !there)
		return status;
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
	bool there;
	sb_quarantine_status status = sb_front_need(q, &there, error);
	char detail[96];
	sb_arena arena;

	*out = (sb_quarantine_verified){0};
	if (status != SB_Q_OK || (!there && id == NULL))
		return status;
	if (id == NULL) {
		status = verify_all(&v, error);
	} else {
		sb_arena_init(&arena, SB_FRONT_ARENA);
		status = sb_front_find(q, id, &arena, &record, error);
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
