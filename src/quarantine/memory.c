/* SPDX-License-Identifier: MIT */
/* Two small stores: one in memory, for tests of what stands above, written as anybody's would be;
 * and none at all. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "quarantine/quarantine.h"

struct object {
	sb_quarantine_record *record;
	uint8_t *data;
	struct object *next; /* newest first */
};

struct memory {
	pthread_mutex_t lock;
	struct object *first;
};

static sb_quarantine_status memory_open(void *data, void **self, sb_error *error)
{
	struct memory *m = calloc(1, sizeof *m);

	(void)data;
	if (m == NULL)
		return sb_quarantine_fail(error, SB_Q_INTERNAL, 0, "out of memory");
	pthread_mutex_init(&m->lock, NULL);
	*self = m;
	return SB_Q_OK;
}

static void free_object(struct object *object)
{
	sb_quarantine_record_free(object->record);
	free(object->data);
	free(object);
}

static struct object **find_place(struct memory *m, const char *id)
{
	struct object **at = &m->first;

	while (*at != NULL && strcmp((*at)->record->id, id) != 0)
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
		(o->record->size != record->size ||
			!same_tenant(o->record->tenant, record->tenant) ||
			memcmp(o->record->blake3, record->blake3, sizeof record->blake3) != 0))
		o = o->next;
	return o;
}

static int append(void *end, const void *bytes, size_t length)
{
	memcpy(*(uint8_t **)end, bytes, length);
	*(uint8_t **)end += length;
	return 0;
}

static sb_quarantine_status fill(struct object *o, const sb_quarantine_content *content,
	const sb_quarantine_record *record, sb_error *error)
{
	uint8_t *end;

	o->record = sb_store_record_copy(record);
	end = o->data = malloc((size_t)content->size + 1);
	if (o->record == NULL || o->data == NULL)
		return sb_quarantine_fail(error, SB_Q_INTERNAL, 0, "out of memory");
	return sb_store_content_pass(content, append, &end, error);
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
		memcpy(record->id, o->record->id, sizeof record->id);
		if (o->record->state != SB_Q_QUARANTINED)
			o->record->state = record->state;
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

static sb_quarantine_status memory_find(
	void *self, const char *id, sb_quarantine_each each, void *data, sb_error *error)
{
	struct memory *m = self;
	struct object *o;

	pthread_mutex_lock(&m->lock);
	o = *find_place(m, id);
	if (o != NULL)
		(void)each(data, o->record);
	pthread_mutex_unlock(&m->lock);
	return o != NULL ? SB_Q_OK : not_found(id, error);
}

static sb_quarantine_status memory_list(void *self, const sb_quarantine_filter *filter,
	uint64_t now, sb_quarantine_each each, void *data, sb_error *error)
{
	struct memory *m = self;
	uint64_t seen = 0, told = 0;

	(void)error;
	pthread_mutex_lock(&m->lock);
	for (struct object *o = m->first; o != NULL; o = o->next) {
		if (!sb_store_filter_matches(filter, o->record, now) || seen++ < filter->offset)
			continue;
		if ((filter->limit != 0 && told++ == filter->limit) || each(data, o->record) != 0)
			break;
	}
	pthread_mutex_unlock(&m->lock);
	return SB_Q_OK;
}

static int64_t read_data(void *data, uint64_t offset, void *buffer, size_t length, sb_error *error)
{
	(void)error;
	memcpy(buffer, (const uint8_t *)data + offset, length);
	return (int64_t)length;
}

static sb_quarantine_status memory_read(
	void *self, const char *id, sb_quarantine_sink sink, void *data, sb_error *error)
{
	struct memory *m = self;
	struct object *o;
	sb_quarantine_status status;

	pthread_mutex_lock(&m->lock);
	o = *find_place(m, id);
	if (o == NULL) {
		status = not_found(id, error);
	} else {
		const sb_quarantine_content content = {
			read_data, o->data, o->record->size, o->record->blake3, o->record->sha256};
		status = sb_store_content_pass(&content, sink, data, error);
	}
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
	if (o != NULL && state != SB_Q_STATE_NONE)
		o->record->state = state;
	if (o != NULL && state != SB_Q_DAMAGED) {
		o->record->legal_hold = legal_hold;
		o->record->expires_at = expires_at;
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
	} else if (o->record->legal_hold) {
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

const sb_store_ops *sb_store_memory(void)
{
	static const sb_store_ops ops = {
		.abi = SB_STORE_ABI,
		.name = "memory",
		.open = memory_open,
		.commit = memory_commit,
		.find = memory_find,
		.list = memory_list,
		.read = memory_read,
		.change = memory_change,
		.remove = memory_remove,
		.close = memory_close,
	};

	return &ops;
}

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
	void *self, const char *id, sb_quarantine_each each, void *data, sb_error *error)
{
	(void)self;
	(void)each;
	(void)data;
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

const sb_store_ops sb_store_none_ops = {
	.abi = SB_STORE_ABI,
	.name = "none",
	.commit = none_commit,
	.find = none_find,
	.list = none_list,
	.read = none_read,
	.change = none_change,
	.remove = none_remove,
};
