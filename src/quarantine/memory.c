/* SPDX-License-Identifier: MIT */
/* Two small stores: one in memory, for tests of what stands above; and none at all. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quarantine/record.h"

struct object {
	char *text; /* the record */
	size_t length;
	sb_quarantine_state state;
	bool hold;
	uint64_t expires;
	sb_quarantine_record key; /* the plain members only */
	char *tenant;
	uint8_t *data;
	struct object *next; /* newest first */
};

struct memory {
	pthread_mutex_t lock;
	struct object *first;
};

void *sb_store_memory_new(void)
{
	struct memory *m = calloc(1, sizeof *m);

	if (m != NULL)
		pthread_mutex_init(&m->lock, NULL);
	return m;
}

static void free_object(struct object *object)
{
	free(object->text);
	free(object->tenant);
	free(object->data);
	free(object);
}

static struct object **find_place(struct memory *m, const char *id)
{
	struct object **at = &m->first;

	while (*at != NULL && strcmp((*at)->key.id, id) != 0)
		at = &(*at)->next;
	return at;
}

static sb_quarantine_status not_found(const char *id, sb_error *error)
{
	return sb_quarantine_fail(
		error, SB_Q_NOT_FOUND, 0, "quarantine: there is no object %s", id);
}

static bool same_tenant(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

static struct object *find_twin(struct memory *m, const sb_quarantine_record *record)
{
	struct object *o = m->first;

	while (o != NULL &&
		(o->key.size != record->size || !same_tenant(o->tenant, record->tenant) ||
			memcmp(o->key.blake3, record->blake3, SB_BLAKE3_SIZE) != 0))
		o = o->next;
	return o;
}

static sb_quarantine_status fill(struct object *o, const sb_quarantine_content *content,
	const sb_quarantine_record *record, sb_error *error)
{
	uint8_t actual[SB_BLAKE3_SIZE];
	sb_quarantine_status status;
	sb_buf text;

	o->key = *record;
	o->state = record->state;
	o->hold = record->legal_hold;
	o->expires = record->expires_at;
	o->data = malloc((size_t)content->size + 1);
	o->tenant = record->tenant != NULL ? strdup(record->tenant) : NULL;
	if (o->data == NULL || (record->tenant != NULL && o->tenant == NULL))
		return sb_quarantine_fail(error, SB_Q_INTERNAL, 0, "out of memory");
	if (content->size > 0 && content->read(content->data, 0, o->data, (size_t)content->size,
					 error) != (int64_t)content->size)
		return sb_quarantine_fail(
			error, SB_Q_CHANGED, 0, "quarantine: the content is shorter than it was");
	sb_blake3_memory(o->data, (size_t)content->size, actual);
	if (memcmp(actual, content->blake3, sizeof actual) != 0)
		return sb_quarantine_fail(error, SB_Q_INTEGRITY, 0,
			"quarantine: the content is not what was scanned");
	sb_buf_init(&text, SB_RECORD_MAX);
	status = sb_record_write(&text, record, error);
	o->length = text.length;
	o->text = sb_buf_take(&text);
	sb_buf_done(&text);
	return status;
}

static sb_quarantine_status memory_commit(void *self, const sb_quarantine_content *content,
	sb_quarantine_record *record, bool *duplicate, sb_error *error)
{
	struct memory *m = self;
	struct object *o;
	sb_quarantine_status status = SB_Q_OK;

	pthread_mutex_lock(&m->lock);
	o = find_twin(m, record);
	*duplicate = o != NULL;
	if (o != NULL) {
		memcpy(record->id, o->key.id, sizeof record->id);
		if (o->state != SB_Q_QUARANTINED)
			o->state = record->state;
	} else {
		o = calloc(1, sizeof *o);
		status = o != NULL ? fill(o, content, record, error)
				   : sb_quarantine_fail(error, SB_Q_INTERNAL, 0, "out of memory");
		if (status == SB_Q_OK) {
			o->next = m->first;
			m->first = o;
		} else if (o != NULL) {
			free_object(o);
		}
	}
	pthread_mutex_unlock(&m->lock);
	return status;
}

static sb_quarantine_status memory_audited(void *self, const char *id, sb_error *error)
{
	(void)self;
	(void)id;
	(void)error;
	return SB_Q_OK;
}

static bool read_object(const struct object *o, sb_arena *arena, sb_quarantine_record *out)
{
	*out = (sb_quarantine_record){
		.state = o->state, .legal_hold = o->hold, .expires_at = o->expires};
	return sb_record_read(out, o->text, o->length, arena);
}

static sb_quarantine_status memory_find(
	void *self, const char *id, sb_arena *arena, sb_quarantine_record *out, sb_error *error)
{
	struct memory *m = self;
	struct object *o;
	sb_quarantine_status status = SB_Q_OK;

	pthread_mutex_lock(&m->lock);
	o = *find_place(m, id);
	if (o == NULL)
		status = not_found(id, error);
	else if (!read_object(o, arena, out))
		status = sb_quarantine_fail(error, SB_Q_INTERNAL, 0, "out of memory");
	pthread_mutex_unlock(&m->lock);
	return status;
}

static bool matches(const struct object *o, const sb_quarantine_filter *f, uint64_t now)
{
	bool expired = o->expires != 0 && o->expires <= now && !o->hold;
	bool below = f->cursor_id == NULL || o->key.time < f->cursor_time ||
		     (o->key.time == f->cursor_time && strcmp(o->key.id, f->cursor_id) < 0);

	return below && (f->tenant == NULL || same_tenant(o->tenant, f->tenant)) &&
	       (f->hash == NULL || memcmp(f->hash, o->key.blake3, SB_BLAKE3_SIZE) == 0 ||
		       memcmp(f->hash, o->key.sha256, SB_SHA256_SIZE) == 0) &&
	       (f->state == SB_Q_STATE_NONE || f->state == o->state) && o->key.time >= f->after &&
	       (f->before == 0 || o->key.time <= f->before) &&
	       (f->only_expired ? expired : f->include_expired || !expired);
}

static sb_quarantine_status memory_list(void *self, const sb_quarantine_filter *filter,
	uint64_t now, sb_quarantine_each each, void *data, sb_error *error)
{
	struct memory *m = self;
	uint64_t seen = 0, told = 0;
	bool stop = false;

	(void)error;
	pthread_mutex_lock(&m->lock);
	for (struct object *o = m->first; o != NULL && !stop; o = o->next) {
		sb_quarantine_record record;
		sb_arena arena;
		if (!matches(o, filter, now) || seen++ < filter->offset)
			continue;
		if (filter->limit != 0 && told++ == filter->limit)
			break;
		sb_arena_init(&arena, SB_RECORD_ARENA);
		stop = !read_object(o, &arena, &record) || each(data, &record) != 0;
		sb_arena_done(&arena);
	}
	pthread_mutex_unlock(&m->lock);
	return SB_Q_OK;
}

static sb_quarantine_status memory_read(
	void *self, const char *id, sb_quarantine_sink sink, void *data, sb_error *error)
{
	struct memory *m = self;
	struct object *o;
	sb_quarantine_status status = SB_Q_OK;

	pthread_mutex_lock(&m->lock);
	o = *find_place(m, id);
	if (o == NULL)
		status = not_found(id, error);
	else if (sink != NULL && o->key.size > 0 && sink(data, o->data, (size_t)o->key.size) != 0)
		status = sb_quarantine_fail(error, SB_Q_RETRIEVE_FAILED, 0,
			"quarantine object %s: cannot write what was read", id);
	pthread_mutex_unlock(&m->lock);
	return status;
}

static sb_quarantine_status memory_change(void *self, const char *id, sb_quarantine_state state,
	bool legal_hold, uint64_t expires_at, sb_error *error)
{
	struct memory *m = self;
	struct object *o;

	pthread_mutex_lock(&m->lock);
	o = *find_place(m, id);
	if (o != NULL) {
		o->state = state != SB_Q_STATE_NONE ? state : o->state;
		o->hold = legal_hold;
		o->expires = expires_at;
	}
	pthread_mutex_unlock(&m->lock);
	return o != NULL ? SB_Q_OK : not_found(id, error);
}

static sb_quarantine_status memory_remove(void *self, const char *id, sb_error *error)
{
	struct memory *m = self;
	struct object **place, *o;
	sb_quarantine_status status = SB_Q_OK;

	pthread_mutex_lock(&m->lock);
	place = find_place(m, id);
	o = *place;
	if (o == NULL) {
		status = not_found(id, error);
	} else if (o->hold) {
		status = sb_quarantine_fail(
			error, SB_Q_HELD, 0, "quarantine object %s is on legal hold", id);
	} else {
		*place = o->next;
		free_object(o);
	}
	pthread_mutex_unlock(&m->lock);
	return status;
}

static void memory_close(void *self)
{
	struct memory *m = self;

	while (m->first != NULL) {
		struct object *next = m->first->next;
		free_object(m->first);
		m->first = next;
	}
	pthread_mutex_destroy(&m->lock);
	free(m);
}

const sb_store_ops sb_store_memory_ops = {
	.name = "memory",
	.commit = memory_commit,
	.audited = memory_audited,
	.find = memory_find,
	.list = memory_list,
	.read = memory_read,
	.change = memory_change,
	.remove = memory_remove,
	.close = memory_close,
};

/* --- None ------------------------------------------------------------------------------------ */

static sb_quarantine_status none_commit(void *self, const sb_quarantine_content *content,
	sb_quarantine_record *record, bool *duplicate, sb_error *error)
{
	(void)self;
	(void)content;
	(void)record;
	*duplicate = false;
	return sb_quarantine_fail(error, SB_Q_NOT_CONFIGURED, 0,
		"there is no quarantine: set quarantine.enabled in the configuration");
}

static sb_quarantine_status none_find(
	void *self, const char *id, sb_arena *arena, sb_quarantine_record *out, sb_error *error)
{
	(void)self;
	(void)arena;
	(void)out;
	return not_found(id, error);
}

static sb_quarantine_status none_list(void *self, const sb_quarantine_filter *filter, uint64_t now,
	sb_quarantine_each each, void *data, sb_error *error)
{
	(void)self;
	(void)filter;
	(void)now;
	(void)each;
	(void)data;
	(void)error;
	return SB_Q_OK;
}

static sb_quarantine_status none_read(
	void *self, const char *id, sb_quarantine_sink sink, void *data, sb_error *error)
{
	(void)self;
	(void)sink;
	(void)data;
	return not_found(id, error);
}

static sb_quarantine_status none_change(void *self, const char *id, sb_quarantine_state state,
	bool legal_hold, uint64_t expires_at, sb_error *error)
{
	(void)self;
	(void)state;
	(void)legal_hold;
	(void)expires_at;
	return not_found(id, error);
}

static sb_quarantine_status none_remove(void *self, const char *id, sb_error *error)
{
	(void)self;
	return not_found(id, error);
}

static void none_close(void *self)
{
	(void)self;
}

const sb_store_ops sb_store_none_ops = {
	.name = "none",
	.commit = none_commit,
	.audited = memory_audited,
	.find = none_find,
	.list = none_list,
	.read = none_read,
	.change = none_change,
	.remove = none_remove,
	.close = none_close,
};
