/* SPDX-License-Identifier: MIT */
/*
 * Originals that are being removed: written down before the first rename, so that after a crash
 * the file is found under its random name, and either goes (it is still the scanned one, and
 * the object is whole) or gets its name back.
 */
#include "quarantine/store_body.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "quarantine/remove.h"
#include "util/temp.h"
#include "util/io.h"

static int see_claimed(void *data, sqlite3_stmt *row)
{
	(void)row;
	*(bool *)data = true;
	return 1;
}

static sb_quarantine_status add_claim(
	sb_store_files *s, const sb_quarantine_claim *claim, sb_error *error)
{
	bool found = false;
	sb_quarantine_status status = sb_index_run(&s->index, error, see_claimed, &found,
		"SELECT 1 FROM objects WHERE id = ? AND state < ?", "ti", claim->object,
		(int64_t)SB_Q_DAMAGED);

	if (status == SB_Q_OK && !found)
		return sb_quarantine_fail(error, SB_Q_NOT_FOUND, 0,
			"quarantine: there is no object %s: the original stays", claim->object);
	if (status == SB_Q_OK)
		status = sb_index_run(&s->index, error, NULL, NULL,
			"INSERT INTO claims VALUES(?,?,?,?,?,?,?,?,?,?,?)", "tttbiiiiiii",
			claim->sibling, claim->object, claim->parent, claim->name,
			strlen(claim->name), claim->folder.dev, claim->folder.ino, claim->file.dev,
			claim->file.ino, claim->file.size, claim->file.mtime, s->writer);
	return status;
}

sb_quarantine_status sb_files_claim(void *self, const sb_quarantine_claim *claim, uint64_t now,
	uint64_t max_per_hour, sb_error *error)
{
	sb_store_files *s = self;
	sb_quarantine_status status;

	pthread_mutex_lock(&s->lock);
	status = sb_index_begin(&s->index, error);
	if (status == SB_Q_OK) {
		status = sb_index_take_removal(&s->index, now, max_per_hour, error);
		if (status == SB_Q_OK)
			status = add_claim(s, claim, error);
		status = sb_index_end(&s->index, status, error);
	}
	pthread_mutex_unlock(&s->lock);
	return status;
}

sb_quarantine_status sb_files_settle(void *self, const char *sibling, sb_error *error)
{
	sb_store_files *s = self;
	sb_quarantine_status status;

	pthread_mutex_lock(&s->lock);
	status = sb_index_run(
		&s->index, error, NULL, NULL, "DELETE FROM claims WHERE sibling = ?", "t", sibling);
	pthread_mutex_unlock(&s->lock);
	return status;
}

/* --- After a crash --------------------------------------------------------------------------- */

struct left {
	char sibling[48], object[SB_QUARANTINE_ID_SIZE], *parent, *name;
	int64_t folder_dev, folder_ino, writer;
	sb_quarantine_identity file;
	struct left *next;
};

struct lefts {
	sb_store_files *s;
	struct left *first;
};

static int take_left(void *data, sqlite3_stmt *row)
{
	struct lefts *lefts = data;
	struct left *left;

	if (!sb_files_is_dead(lefts->s, sqlite3_column_int64(row, 10)))
		return 0;
	left = calloc(1, sizeof *left);
	if (left == NULL)
		return 1;
	snprintf(left->sibling, sizeof left->sibling, "%s", sqlite3_column_text(row, 0));
	snprintf(left->object, sizeof left->object, "%s", sqlite3_column_text(row, 1));
	left->parent = strdup((const char *)sqlite3_column_text(row, 2));
	left->name = strndup(sqlite3_column_blob(row, 3), (size_t)sqlite3_column_bytes(row, 3));
	left->folder_dev = sqlite3_column_int64(row, 4);
	left->folder_ino = sqlite3_column_int64(row, 5);
	left->file =
		(sb_quarantine_identity){sqlite3_column_int64(row, 6), sqlite3_column_int64(row, 7),
			sqlite3_column_int64(row, 8), sqlite3_column_int64(row, 9)};
	left->next = lefts->first;
	lefts->first = left;
	return 0;
}

/* The same folder as before, by whatever name it has; -1: it is not there. */
static int open_parent(const struct left *left)
{
	struct stat st;
	int fd = left->parent != NULL ? open(left->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd >= 0 && (fstat(fd, &st) != 0 || (int64_t)st.st_dev != left->folder_dev ||
			       (int64_t)st.st_ino != left->folder_ino))
		sb_close(&fd);
	return fd;
}

static bool is_there(int parent, const char *name)
{
	struct stat st;

	return fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* What became of the original; NULL: it could not be told, and the claim stays. */
static const char *finish(sb_store_files *s, const struct left *left, sb_quarantine_event *event)
{
	int parent = open_parent(left);
	const char *what;

	*event = SB_Q_EVENT_REMOVE_FAILED;
	if (parent < 0 || left->name == NULL) {
		sb_close(&parent);
		return NULL;
	}
	if (!is_there(parent, left->sibling))
		what = is_there(parent, left->name)
			       ? "interrupted by a crash: the original is in its place"
			       : NULL;
	else if (sb_store_files_ops.read(s, left->object, NULL, NULL, NULL) == SB_Q_OK &&
		 sb_removal_unlink(parent, left->sibling, &left->file, NULL) == 0)
		what = NULL;
	else
		what = sb_removal_put_back(parent, left->sibling, left->name) == 0
			       ? "interrupted by a crash: the original was put back"
			       : "interrupted by a crash: the original could not be put back";
	if (what == NULL) {
		*event = SB_Q_EVENT_REMOVED;
		what = "finished after a crash";
	}
	sb_temp_flush(parent);
	sb_close(&parent);
	return what;
}

static sb_quarantine_status recover_one(sb_store_files *s, const struct left *left,
	const sb_quarantine_hooks *hooks, sb_error *error)
{
	sb_quarantine_status status = SB_Q_OK;
	sb_quarantine_event event;
	sb_quarantine_record record;
	const char *what = finish(s, left, &event);
	sb_arena arena;

	if (what == NULL)
		return SB_Q_OK;
	sb_arena_init(&arena, SB_RECORD_ARENA);
	if (sb_files_find(s, left->object, &arena, &record, NULL) == SB_Q_OK &&
		hooks->event != NULL &&
		hooks->event(hooks->data, event, &record, NULL, what, error) != 0)
		status = SB_Q_AUDIT;
	sb_arena_done(&arena);
	return status == SB_Q_OK ? sb_files_settle(s, left->sibling, error) : status;
}

sb_quarantine_status sb_files_recover_claims(
	sb_store_files *s, const sb_quarantine_hooks *hooks, sb_error *error)
{
	struct lefts lefts = {.s = s};
	sb_quarantine_status status;

	pthread_mutex_lock(&s->lock);
	status = sb_index_run(&s->index, error, take_left, &lefts, "SELECT * FROM claims", "");
	pthread_mutex_unlock(&s->lock);
	while (lefts.first != NULL) {
		struct left *left = lefts.first;
		if (status == SB_Q_OK)
			status = recover_one(s, left, hooks, error);
		lefts.first = left->next;
		free(left->parent);
		free(left->name);
		free(left);
	}
	return status;
}
