/* SPDX-License-Identifier: MIT */
/*
 * After a crash, and after the loss of the index. Recovery takes only what belongs to writers
 * that are gone: the kernel released their byte of the lock file with them.
 */
#include "quarantine/store_body.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/temp.h"
#include "util/io.h"

struct left {
	char id[SB_QUARANTINE_ID_SIZE], operation[16];
	struct left *next;
};

struct lefts {
	sb_store_files *s;
	struct left *first;
};

static int take_left(void *data, sqlite3_stmt *row)
{
	struct lefts *lefts = data;
	const char *id = (const char *)sqlite3_column_text(row, 0);
	struct left *left;

	if (!sb_files_is_dead(lefts->s, sqlite3_column_int64(row, 2)) || !sb_quarantine_id_ok(id))
		return 0;
	left = calloc(1, sizeof *left);
	if (left == NULL)
		return 1;
	snprintf(left->id, sizeof left->id, "%s", id);
	snprintf(left->operation, sizeof left->operation, "%s",
		(const char *)sqlite3_column_text(row, 1));
	left->next = lefts->first;
	lefts->first = left;
	return 0;
}

static sb_quarantine_status tell(const sb_quarantine_hooks *hooks, sb_quarantine_event event,
	const sb_quarantine_record *record, const char *detail, sb_error *error)
{
	if (hooks->event == NULL ||
		hooks->event(hooks->data, event, record, NULL, detail, error) == 0)
		return SB_Q_OK;
	return SB_Q_AUDIT;
}

/* --- Each kind of thing left ----------------------------------------------------------------- */

/* Step 8 again; then the row may go. */
static sb_quarantine_status say_stored(
	sb_store_files *s, const char *id, const sb_quarantine_hooks *hooks, sb_error *error)
{
	sb_quarantine_status status;
	sb_quarantine_record record;
	sb_arena arena;

	sb_arena_init(&arena, SB_RECORD_ARENA);
	status = sb_files_find(s, id, &arena, &record, error);
	if (status == SB_Q_OK)
		status = tell(hooks, SB_Q_EVENT_STORED, &record, "recovered after a crash", error);
	else if (status == SB_Q_NOT_FOUND)
		status = SB_Q_OK;
	sb_arena_done(&arena);
	return status == SB_Q_OK ? sb_files_audited(s, id, error) : status;
}

/* The file may have its name already (5, 6): whole and the first of its kind, it is entered. */
static sb_quarantine_status adopt(
	sb_store_files *s, const char *id, sb_file_object *object, bool *kept, sb_error *error)
{
	char twin[SB_QUARANTINE_ID_SIZE] = "";
	sb_quarantine_status status;
	sb_quarantine_record record;
	sb_arena arena;

	*kept = false;
	sb_arena_init(&arena, SB_RECORD_ARENA);
	status = sb_index_begin(&s->index, error);
	if (status == SB_Q_OK && sb_object_record(&object->object, &arena, &record)) {
		status = sb_files_twin(s, &record, twin, error);
		if (status == SB_Q_OK && twin[0] == '\0') {
			status = sb_files_unpend(s, id, "store", error);
			if (status == SB_Q_OK)
				status = sb_files_pend(s, id, "audit", 0, error);
			if (status == SB_Q_OK)
				status = sb_files_put_object(s, &object->object, error);
			*kept = true;
		}
	}
	status = sb_index_end(&s->index, status, error);
	sb_arena_done(&arena);
	return status;
}

static sb_quarantine_status finish_store(
	sb_store_files *s, const char *id, const sb_quarantine_hooks *hooks, sb_error *error)
{
	sb_quarantine_record aborted = {0};
	char temporary[SB_QUARANTINE_ID_SIZE + 4];
	sb_quarantine_status status;
	sb_file_object object;
	bool kept = false, erased;

	snprintf(temporary, sizeof temporary, "tmp-%s", id);
	if (unlinkat(s->objects, temporary, 0) != 0 && errno != ENOENT)
		return sb_quarantine_fail(
			error, SB_Q_IO, errno, "quarantine: cannot remove %s", temporary);
	status = sb_files_open_object(s, id, false, &object, error);
	if (status == SB_Q_OK) {
		status = sb_object_read(&object.object, NULL, NULL, error);
		if (status == SB_Q_OK)
			status = adopt(s, id, &object, &kept, error);
		sb_files_close_object(&object);
	}
	if (status == SB_Q_OK && kept)
		return say_stored(s, id, hooks, error);
	if (status != SB_Q_OK && status != SB_Q_INTEGRITY)
		return status;
	snprintf(aborted.id, sizeof aborted.id, "%s", id);
	status = tell(hooks, SB_Q_EVENT_ABORTED, &aborted, "a crash cut it off", error);
	if (status == SB_Q_OK)
		status = sb_files_destroy(s, id, &erased, error);
	return status == SB_Q_OK ? sb_files_forget(s, id, error) : status;
}

static sb_quarantine_status finish_delete(
	sb_store_files *s, const char *id, const sb_quarantine_hooks *hooks, sb_error *error)
{
	sb_quarantine_record record = {0};
	bool erased;
	sb_quarantine_status status = sb_files_destroy(s, id, &erased, error);

	snprintf(record.id, sizeof record.id, "%s", id);
	if (status == SB_Q_OK)
		status = tell(hooks, SB_Q_EVENT_DELETED, &record, "finished after a crash", error);
	return status == SB_Q_OK ? sb_files_forget(s, id, error) : status;
}

static sb_quarantine_status finish_one(sb_store_files *s, const struct left *left,
	const sb_quarantine_hooks *hooks, sb_error *error)
{
	if (strcmp(left->operation, "store") == 0)
		return finish_store(s, left->id, hooks, error);
	if (strcmp(left->operation, "audit") == 0)
		return say_stored(s, left->id, hooks, error);
	if (strcmp(left->operation, "delete") == 0)
		return finish_delete(s, left->id, hooks, error);
	return sb_files_settle_change(s, left->id, error);
}

static sb_quarantine_status finish_all(
	sb_store_files *s, const sb_quarantine_hooks *hooks, sb_error *error)
{
	struct lefts lefts = {.s = s};
	sb_quarantine_status status = sb_index_run(&s->index, error, take_left, &lefts,
		"SELECT id, operation, writer FROM pending ORDER BY operation <> 'delete'", "");

	while (lefts.first != NULL) {
		struct left *left = lefts.first;
		if (status == SB_Q_OK)
			status = finish_one(s, left, hooks, error);
		lefts.first = left->next;
		free(left);
	}
	return status;
}

sb_quarantine_status sb_files_recover(void *self, const sb_quarantine_hooks *hooks, sb_error *error)
{
	sb_store_files *s = self;
	sb_quarantine_status status;

	if (sb_files_lock(s, SB_LOCK_OPENING, F_WRLCK, true) != 0)
		return sb_quarantine_fail(
			error, SB_Q_IO, errno, "quarantine %s: cannot lock it", s->dir);
	pthread_mutex_lock(&s->lock);
	status = finish_all(s, hooks, error);
	if (status == SB_Q_OK)
		status = sb_files_recover_claims(s, hooks, error);
	pthread_mutex_unlock(&s->lock);
	sb_files_lock(s, SB_LOCK_OPENING, F_UNLCK, false);
	return status;
}

/* --- All files ------------------------------------------------------------------------------- */

static DIR *open_objects(const sb_store_files *s)
{
	int fd = openat(s->objects, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (dir == NULL)
		sb_close(&fd);
	return dir;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

bool sb_files_has_objects(const sb_store_files *s)
{
	DIR *dir = open_objects(s);
	struct dirent *entry;
	bool found = false;

	while (dir != NULL && !found && (entry = readdir(dir)) != NULL)
		found = sb_quarantine_id_ok(entry->d_name);
	if (dir != NULL)
		closedir(dir);
	return found;
}

/* One that says nothing of itself is listed as damaged, by its name and the time of its file. */
static sb_quarantine_status put_damaged(sb_store_files *s, const char *id, sb_error *error)
{
	sb_quarantine_record record = {.state = SB_Q_DAMAGED, .reason = "it does not verify"};
	sb_quarantine_status status;
	struct stat st = {0};
	sb_buf text;

	fstatat(s->objects, id, &st, AT_SYMLINK_NOFOLLOW);
	memcpy(record.id, id, sizeof record.id);
	record.time = (uint64_t)st.st_mtim.tv_sec * 1000000000;
	sb_buf_init(&text, SB_RECORD_MAX);
	status = sb_record_write(&text, &record, error);
	if (status == SB_Q_OK)
		status = sb_index_put(&s->index, &record, text.data, (uint64_t)st.st_size, error);
	sb_buf_done(&text);
	return status;
}

static sb_quarantine_status put_file(sb_store_files *s, const char *id, sb_error *error)
{
	sb_file_object object;
	sb_quarantine_status status = sb_files_open_object(s, id, false, &object, error);

	if (status == SB_Q_INTEGRITY || status == SB_Q_NO_KEY)
		return put_damaged(s, id, error);
	if (status != SB_Q_OK)
		return status;
	status = sb_files_put_object(s, &object.object, error);
	sb_files_close_object(&object);
	return status;
}

/* A temporary file whose writer has let go of its lock. */
static void drop_dead(const sb_store_files *s, const char *name)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = openat(s->objects, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock) == 0)
		unlinkat(s->objects, name, 0);
	sb_close(&fd);
}

sb_quarantine_status sb_files_fill_index(sb_store_files *s, uint64_t *objects, sb_error *error)
{
	DIR *dir = open_objects(s);
	sb_quarantine_status status = SB_Q_OK;
	struct dirent *entry;

	if (dir == NULL)
		return sb_quarantine_fail(
			error, SB_Q_IO, errno, "quarantine %s: cannot list its objects", s->dir);
	*objects = 0;
	while (status == SB_Q_OK && (entry = readdir(dir)) != NULL) {
		if (sb_quarantine_id_ok(entry->d_name)) {
			status = put_file(s, entry->d_name, error);
			*objects += 1;
		} else if (strncmp(entry->d_name, "tmp-", 4) == 0) {
			drop_dead(s, entry->d_name);
		}
	}
	closedir(dir);
	return status;
}

static int see_known(void *data, sqlite3_stmt *row)
{
	(void)row;
	*(bool *)data = true;
	return 1;
}

sb_quarantine_status sb_files_strays(
	void *self, int (*each)(void *data, const char *name), void *data, sb_error *error)
{
	sb_store_files *s = self;
	DIR *dir = open_objects(s);
	sb_quarantine_status status = SB_Q_OK;
	struct dirent *entry;
	bool stop = false;

	if (dir == NULL)
		return sb_quarantine_fail(
			error, SB_Q_IO, errno, "quarantine %s: cannot list its objects", s->dir);
	while (status == SB_Q_OK && !stop && (entry = readdir(dir)) != NULL) {
		const char *id = entry->d_name;
		bool known = false;
		if (is_dots(id))
			continue;
		if (strncmp(id, "tmp-", 4) == 0)
			id += 4;
		pthread_mutex_lock(&s->lock);
		status = sb_index_run(&s->index, error, see_known, &known,
			"SELECT 1 FROM objects WHERE id = ?1 UNION ALL"
			" SELECT 1 FROM pending WHERE id = ?1",
			"t", id);
		pthread_mutex_unlock(&s->lock);
		if (status == SB_Q_OK && !known)
			stop = each(data, entry->d_name) != 0;
	}
	closedir(dir);
	return status;
}

/* --- Keys ------------------------------------------------------------------------------------ */

struct ids {
	char (*list)[SB_QUARANTINE_ID_SIZE];
	size_t count, room;
};

static int take_id(void *data, sqlite3_stmt *row)
{
	struct ids *ids = data;

	if (ids->count == ids->room) {
		size_t room = ids->room == 0 ? 256 : 2 * ids->room;
		void *grown = realloc(ids->list, room * sizeof ids->list[0]);
		if (grown == NULL)
			return 1;
		ids->list = grown;
		ids->room = room;
	}
	snprintf(ids->list[ids->count++], SB_QUARANTINE_ID_SIZE, "%s",
		(const char *)sqlite3_column_text(row, 0));
	return 0;
}

/* Announced like any change: a deletion at the same time must not get its key back. */
static sb_quarantine_status rewrap(
	sb_store_files *s, const char *id, uint64_t *moved, sb_error *error)
{
	sb_quarantine_status status = sb_index_begin(&s->index, error);
	const struct sb_master_key *active = sb_keys_active(&s->keys);
	sb_file_object object;

	if (status == SB_Q_OK)
		status = sb_index_end(&s->index, sb_files_pend(s, id, "change", 0, error), error);
	if (status != SB_Q_OK)
		return status == SB_Q_BUSY ? SB_Q_OK : status;
	status = sb_files_open_object(s, id, true, &object, error);
	if (status == SB_Q_OK) {
		if (memcmp(object.object.head.key_id, active->id, SB_KEY_ID) != 0) {
			*moved += 1;
			if (sb_object_rewrap(object.fd, &object.object, active, s->random) != 0 ||
				sb_temp_flush(object.fd) != 0)
				status = sb_quarantine_fail(error, SB_Q_STORE_FAILED, errno,
					"quarantine object %s: cannot write its key", id);
		}
		sb_files_close_object(&object);
	}
	if (status == SB_Q_INTEGRITY || status == SB_Q_NO_KEY)
		status = SB_Q_OK; /* verify tells */
	sb_files_unpend(s, id, "change", NULL);
	return status;
}

sb_quarantine_status sb_store_files_rotate_key(void *self, uint64_t *moved, sb_error *error)
{
	sb_store_files *s = self;
	struct ids ids = {0};
	sb_quarantine_status status;

	*moved = 0;
	if (sb_files_lock(s, SB_LOCK_OPENING, F_WRLCK, true) != 0)
		return sb_quarantine_fail(
			error, SB_Q_IO, errno, "quarantine %s: cannot lock it", s->dir);
	pthread_mutex_lock(&s->lock);
	status = sb_keys_load(&s->keys, s->key_file, false, s->random, error);
	if (status == SB_Q_OK)
		status = sb_keys_add(&s->keys, s->key_file, s->random, error);
	if (status == SB_Q_OK)
		status = sb_index_run(&s->index, error, take_id, &ids,
			"SELECT id FROM objects WHERE state < 100", "");
	for (size_t i = 0; status == SB_Q_OK && i < ids.count; i++)
		status = rewrap(s, ids.list[i], moved, error);
	pthread_mutex_unlock(&s->lock);
	sb_files_lock(s, SB_LOCK_OPENING, F_UNLCK, false);
	free(ids.list);
	return status;
}
