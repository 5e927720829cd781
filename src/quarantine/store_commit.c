/* SPDX-License-Identifier: MIT */
/*
 * Keeping a content, in the order of safety.md 6: announced and within the quota (1), a file
 * without a name (2), all of it (3), flushed (4), named (5), the name flushed (6), in the index
 * (7). What is announced stays so until the hook has run (8): a crash at any point leaves a row
 * in `pending` from which recovery finishes, or takes back.
 */
#include "quarantine/store_body.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/temp.h"
#include "util/io.h"

/* A retention that ends this much later is worth two flushes: an hour. */
static const uint64_t SLACK = UINT64_C(3600) * 1000000000;

/* --- The same content again ------------------------------------------------------------------ */

static int take_id(void *data, sqlite3_stmt *row)
{
	snprintf(data, SB_QUARANTINE_ID_SIZE, "%s", (const char *)sqlite3_column_text(row, 0));
	return 1;
}

sb_quarantine_status sb_files_twin(sb_store_files *s, const sb_quarantine_record *record,
	char out[SB_QUARANTINE_ID_SIZE], sb_error *error)
{
	out[0] = '\0';
	return sb_index_run(&s->index, error, take_id, out,
		"SELECT id FROM objects INDEXED BY objects_blake3"
		" WHERE blake3 = ? AND size = ? AND tenant = ? AND state < ?"
		" ORDER BY time LIMIT 1",
		"biti", record->blake3, sizeof record->blake3, (int64_t)record->size,
		record->tenant != NULL ? record->tenant : "", (int64_t)SB_Q_DAMAGED);
}

static sb_quarantine_status add_place(
	sb_store_files *s, const char *id, const sb_quarantine_record *record, sb_error *error)
{
	if (record->path == NULL)
		return SB_Q_OK;
	return sb_index_run(&s->index, error, NULL, NULL,
		"INSERT OR IGNORE INTO places VALUES(?, ?, ?)", "tbi", id, record->path,
		record->path_length, (int64_t)record->time);
}

/* What was there must be whole to stand for this content, and at least as strict, and stay at
 * least as long. */
static sb_quarantine_status stand_in(
	sb_store_files *s, const char *id, sb_quarantine_record *record, sb_error *error)
{
	sb_quarantine_record old;
	sb_quarantine_status status;
	sb_arena arena;

	status = sb_store_files_ops.read(s, id, NULL, NULL, error);
	sb_arena_init(&arena, SB_RECORD_ARENA);
	pthread_mutex_lock(&s->lock);
	if (status == SB_Q_OK)
		status = sb_index_get(&s->index, id, &arena, &old, error);
	if (status == SB_Q_OK)
		status = add_place(s, id, record, error);
	pthread_mutex_unlock(&s->lock);
	if (status == SB_Q_OK) {
		bool stricter = old.state == SB_Q_RELEASED ||
				(old.state == SB_Q_REVIEW && record->state == SB_Q_QUARANTINED);
		bool longer =
			old.expires_at != 0 &&
			(record->expires_at == 0 || record->expires_at > old.expires_at + SLACK);
		if (stricter || longer)
			status = sb_files_change(s, id, stricter ? record->state : SB_Q_STATE_NONE,
				old.legal_hold, longer ? record->expires_at : old.expires_at,
				error);
	}
	if (status == SB_Q_OK)
		memcpy(record->id, id, sizeof record->id);
	sb_arena_done(&arena);
	return status;
}

/* --- Steps ----------------------------------------------------------------------------------- */

static sb_quarantine_status check_quota(sb_store_files *s, uint64_t bytes, sb_error *error)
{
	int64_t used = 0;
	sb_quarantine_status status = sb_index_run(
		&s->index, error, sb_index_number, &used, "SELECT bytes FROM used", "");

	if (status != SB_Q_OK || s->max_size == 0)
		return status;
	if ((uint64_t)used + bytes > s->max_size)
		return sb_quarantine_fail(error, SB_Q_STORAGE_FULL, 0,
			"quarantine is full: %" PRIu64 " of %" PRIu64 " bytes (max_size) are used, "
			"%" PRIu64
			" more are needed: delete or purge, or raise quarantine.max_size",
			(uint64_t)used, s->max_size, bytes);
	return SB_Q_OK;
}

/* Is it here? Else announce it. */
static sb_quarantine_status announce(sb_store_files *s, const sb_quarantine_record *record,
	uint64_t bytes, char twin[SB_QUARANTINE_ID_SIZE], sb_error *error)
{
	sb_quarantine_status status;

	pthread_mutex_lock(&s->lock);
	status = sb_index_begin(&s->index, error);
	if (status == SB_Q_OK) {
		status = sb_files_twin(s, record, twin, error);
		if (status == SB_Q_OK && twin[0] == '\0')
			status = check_quota(s, bytes, error);
		if (status == SB_Q_OK && twin[0] == '\0')
			status = sb_files_pend(s, record->id, "store", bytes, error);
		status = sb_index_end(&s->index, status, error);
	}
	pthread_mutex_unlock(&s->lock);
	return status;
}

static sb_quarantine_status cannot(const char *what, sb_error *error)
{
	bool full = errno == ENOSPC || errno == EDQUOT;

	return sb_quarantine_fail(
		error, full ? SB_Q_STORAGE_FULL : SB_Q_STORE_FAILED, errno, "quarantine: %s", what);
}

static int take_space(int fd, uint64_t bytes)
{
	int status;

	do {
		status = fallocate(fd, 0, 0, (off_t)bytes);
	} while (status != 0 && errno == EINTR);
	return status != 0 && (errno == EOPNOTSUPP || errno == ENOSYS) ? 0 : status;
}

static ssize_t pread_fd(void *data, void *out, size_t length, uint64_t offset)
{
	return sb_pread_full(*(int *)data, out, length, offset);
}

/* Only what can be read again may stand for an original (I2). */
static sb_quarantine_status read_back(
	int fd, const sb_keys *keys, const char *id, uint64_t bytes, sb_error *error)
{
	sb_object_input input = {pread_fd, &fd, bytes};
	sb_quarantine_status status;
	sb_object object;

	status = sb_object_open(&object, &input, keys, id, error);
	if (status != SB_Q_OK)
		return status;
	status = sb_object_authenticate(&object, error);
	sb_object_close(&object);
	return status;
}

static sb_quarantine_status write_file(sb_store_files *s, sb_temp *temp,
	const sb_quarantine_content *content, const sb_quarantine_record *record, uint64_t bytes,
	sb_error *error)
{
	sb_quarantine_status status;
	sb_keys keys;

	if (take_space(temp->fd, bytes) != 0)
		return cannot("cannot get the space for an object", error);
	pthread_mutex_lock(&s->lock);
	keys = s->keys;
	pthread_mutex_unlock(&s->lock);
	status =
		sb_object_write(temp->fd, sb_keys_active(&keys), record, content, s->random, error);
	if (status == SB_Q_OK)
		status = read_back(temp->fd, &keys, record->id, bytes, error);
	sb_keys_forget(&keys);
	if (status == SB_Q_OK && sb_temp_sync(temp) != 0)
		status = cannot("cannot flush an object", error);
	return status;
}

/* The one that came first stays. */
static sb_quarantine_status enter(sb_store_files *s, const sb_quarantine_record *record,
	const char *text, uint64_t bytes, char twin[SB_QUARANTINE_ID_SIZE], sb_error *error)
{
	sb_quarantine_status status;

	pthread_mutex_lock(&s->lock);
	status = sb_index_begin(&s->index, error);
	if (status == SB_Q_OK) {
		status = sb_files_twin(s, record, twin, error);
		if (status == SB_Q_OK && twin[0] == '\0') {
			status = sb_files_unpend(s, record->id, "store", error);
			if (status == SB_Q_OK)
				status = sb_files_pend(s, record->id, "audit", 0, error);
			if (status == SB_Q_OK)
				status = sb_index_put(&s->index, record, text, bytes, error);
			if (status == SB_Q_OK)
				status = add_place(s, record->id, record, error);
		}
		status = sb_index_end(&s->index, status, error);
	}
	pthread_mutex_unlock(&s->lock);
	return status;
}

/* Take back what was announced; what can't be taken back now, recovery takes. */
static void withdraw(sb_store_files *s, const char *id)
{
	bool erased = false;

	if (sb_files_destroy(s, id, &erased, NULL) == SB_Q_OK)
		sb_files_forget(s, id, NULL);
}

static sb_quarantine_status store_new(sb_store_files *s, const sb_quarantine_content *content,
	const sb_quarantine_record *record, uint64_t bytes, char twin[SB_QUARANTINE_ID_SIZE],
	sb_error *error)
{
	char name[SB_QUARANTINE_ID_SIZE + 4];
	sb_quarantine_status status;
	sb_buf text;
	sb_temp temp;

	snprintf(name, sizeof name, "tmp-%s", record->id);
	if (sb_temp_open(&temp, s->objects, name,
		    SB_TEMP_OWNED | (s->named_temp ? SB_TEMP_NAMED : 0)) != 0)
		return cannot("cannot make a file", error);
	sb_buf_init(&text, SB_RECORD_MAX);
	status = sb_record_write(&text, record, error);
	if (status == SB_Q_OK)
		status = write_file(s, &temp, content, record, bytes, error);
	if (status == SB_Q_OK && sb_temp_name(&temp, record->id) != 0)
		status = cannot("cannot make an object's name durable", error);
	if (status == SB_Q_OK)
		status = enter(s, record, text.data, bytes, twin, error);
	sb_temp_drop(&temp);
	sb_buf_done(&text);
	return status;
}

static void mark_damaged(sb_store_files *s, const char *id)
{
	pthread_mutex_lock(&s->lock);
	sb_index_run(&s->index, NULL, NULL, NULL, "UPDATE objects SET state = ? WHERE id = ?", "it",
		(int64_t)SB_Q_DAMAGED, id);
	pthread_mutex_unlock(&s->lock);
}

/* A twin that turns out to be damaged, or is deleted just now, is no twin: again. */
static sb_quarantine_status commit_once(sb_store_files *s, const sb_quarantine_content *content,
	sb_quarantine_record *record, bool *duplicate, bool *again, sb_error *error)
{
	uint64_t bytes = sb_object_length_for(record, content->size, error);
	char twin[SB_QUARANTINE_ID_SIZE];
	sb_quarantine_status status;

	if (bytes == 0)
		return SB_Q_INTERNAL;
	status = announce(s, record, bytes, twin, error);
	if (status != SB_Q_OK)
		return status;
	if (twin[0] == '\0') {
		status = store_new(s, content, record, bytes, twin, error);
		if (status == SB_Q_OK && twin[0] == '\0')
			return SB_Q_OK;
		withdraw(s, record->id);
		if (status != SB_Q_OK)
			return status;
	}
	*duplicate = true;
	status = stand_in(s, twin, record, error);
	if (status == SB_Q_INTEGRITY || status == SB_Q_NO_KEY)
		mark_damaged(s, twin);
	*again = status == SB_Q_INTEGRITY || status == SB_Q_NO_KEY || status == SB_Q_NOT_FOUND ||
		 status == SB_Q_BUSY;
	return status;
}

sb_quarantine_status sb_files_commit(void *self, const sb_quarantine_content *content,
	sb_quarantine_record *record, bool *duplicate, sb_error *error)
{
	sb_quarantine_status status = SB_Q_INTERNAL;
	bool again = true;

	for (int i = 0; again && i < 4; i++) {
		*duplicate = again = false;
		status = commit_once(self, content, record, duplicate, &again, error);
	}
	return status;
}

sb_quarantine_status sb_files_audited(void *self, const char *id, sb_error *error)
{
	sb_store_files *s = self;
	sb_quarantine_status status;

	pthread_mutex_lock(&s->lock);
	status = sb_files_unpend(s, id, "audit", error);
	pthread_mutex_unlock(&s->lock);
	return status;
}
