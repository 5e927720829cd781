/* SPDX-License-Identifier: MIT */
/*
 * Changing and destroying an object. Both are announced in the index first, so that of several
 * processes one does it, and that a crash is finished: a change by reading what the object
 * says, a deletion by doing all of it again.
 */
#include "quarantine/store_body.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "util/temp.h"
#include "util/io.h"

/* --- Change ---------------------------------------------------------------------------------- */

static sb_quarantine_status set_damaged(sb_store_files *s, const char *id, sb_error *error)
{
	sb_quarantine_status status;

	pthread_mutex_lock(&s->lock);
	status = sb_index_run(&s->index, error, NULL, NULL,
		"UPDATE objects SET state = ? WHERE id = ? AND state < 100", "it",
		(int64_t)SB_Q_DAMAGED, id);
	if (status == SB_Q_OK && sb_index_changes(&s->index) == 0)
		status = sb_quarantine_fail(
			error, SB_Q_NOT_FOUND, 0, "quarantine: there is no object %s", id);
	pthread_mutex_unlock(&s->lock);
	return status;
}

static int see_row(void *data, sqlite3_stmt *row)
{
	(void)row;
	*(bool *)data = true;
	return 1;
}

static sb_quarantine_status begin_change(sb_store_files *s, const char *id, sb_error *error)
{
	sb_quarantine_status status = sb_index_begin(&s->index, error);
	bool found = false;

	if (status != SB_Q_OK)
		return status;
	status = sb_index_run(&s->index, error, see_row, &found,
		"SELECT 1 FROM objects WHERE id = ? AND state < 100", "t", id);
	if (status == SB_Q_OK && !found)
		status = sb_quarantine_fail(
			error, SB_Q_NOT_FOUND, 0, "quarantine: there is no object %s", id);
	if (status == SB_Q_OK)
		status = sb_files_pend(s, id, "change", 0, error);
	return sb_index_end(&s->index, status, error);
}

/* Whatever the object says now is how it is. */
sb_quarantine_status sb_files_settle_change(sb_store_files *s, const char *id, sb_error *error)
{
	sb_file_object object;
	sb_quarantine_status status = sb_files_open_object(s, id, false, &object, error);
	bool damaged = status == SB_Q_INTEGRITY || status == SB_Q_NO_KEY;

	if (status != SB_Q_OK && !damaged)
		return status;
	pthread_mutex_lock(&s->lock);
	status = sb_index_begin(&s->index, error);
	if (status == SB_Q_OK) {
		status = damaged ? set_damaged(s, id, error)
				 : sb_files_put_object(s, &object.object, error);
		if (status == SB_Q_OK)
			status = sb_files_unpend(s, id, "change", error);
		status = sb_index_end(&s->index, status, error);
	}
	pthread_mutex_unlock(&s->lock);
	if (!damaged)
		sb_files_close_object(&object);
	return status;
}

static sb_quarantine_status write_change(
	sb_store_files *s, const char *id, const sb_object_state *wanted, sb_error *error)
{
	sb_file_object object;
	sb_quarantine_status status = sb_files_open_object(s, id, true, &object, error);
	sb_object_state state = *wanted;

	if (status != SB_Q_OK)
		return status;
	state.sequence = object.object.state.sequence + 1;
	if (state.state == SB_Q_STATE_NONE)
		state.state = object.object.state.state;
	if (sb_object_write_state(object.fd, &object.object, &state, s->random) != 0 ||
		sb_temp_flush(object.fd) != 0)
		status = sb_quarantine_fail(error, SB_Q_STORE_FAILED, errno,
			"quarantine object %s: cannot write its state", id);
	sb_files_close_object(&object);
	return status;
}

sb_quarantine_status sb_files_change(void *self, const char *id, sb_quarantine_state state,
	bool legal_hold, uint64_t expires_at, sb_error *error)
{
	sb_store_files *s = self;
	sb_object_state wanted = {0, state, legal_hold, expires_at};
	sb_quarantine_status status, settled;

	if (state == SB_Q_DAMAGED)
		return set_damaged(s, id, error);
	pthread_mutex_lock(&s->lock);
	status = begin_change(s, id, error);
	pthread_mutex_unlock(&s->lock);
	if (status != SB_Q_OK)
		return status;
	status = write_change(s, id, &wanted, error);
	settled = sb_files_settle_change(s, id, status == SB_Q_OK ? error : NULL);
	return status != SB_Q_OK ? status : settled;
}

/* --- Destroy --------------------------------------------------------------------------------- */

/* Where the last copy of the key lies is overwritten before the name goes. */
sb_quarantine_status sb_files_destroy(
	sb_store_files *s, const char *id, bool *erased, sb_error *error)
{
	int fd = openat(s->objects, id, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0 && errno == ENOENT) {
		*erased = true;
		return SB_Q_OK;
	}
	if (fd < 0 || sb_object_erase(fd) != 0 || sb_temp_flush(fd) != 0) {
		sb_quarantine_fail(error, SB_Q_DELETE_FAILED, errno,
			"quarantine object %s: cannot destroy its key", id);
		sb_close(&fd);
		return SB_Q_DELETE_FAILED;
	}
	*erased = true;
	sb_close(&fd);
	if (unlinkat(s->objects, id, 0) != 0 || sb_temp_flush(s->objects) != 0)
		return sb_quarantine_fail(error, SB_Q_DELETE_FAILED, errno,
			"quarantine object %s: its key is destroyed, but its file can't be removed",
			id);
	return SB_Q_OK;
}

sb_quarantine_status sb_files_forget(sb_store_files *s, const char *id, sb_error *error)
{
	static const char *const tables[] = {"DELETE FROM objects WHERE id = ?",
		"DELETE FROM places WHERE object = ?", "DELETE FROM pending WHERE id = ?"};
	sb_quarantine_status status;

	pthread_mutex_lock(&s->lock);
	status = sb_index_begin(&s->index, error);
	if (status == SB_Q_OK) {
		for (unsigned i = 0; status == SB_Q_OK && i < 3; i++)
			status = sb_index_run(&s->index, error, NULL, NULL, tables[i], "t", id);
		status = sb_index_end(&s->index, status, error);
	}
	pthread_mutex_unlock(&s->lock);
	return status;
}

struct doomed {
	sb_store_files *s;
	bool found, hold, claimed;
	int64_t state;
};

static int see_doomed(void *data, sqlite3_stmt *row)
{
	struct doomed *doomed = data;

	doomed->found = true;
	doomed->state = sqlite3_column_int64(row, 0);
	doomed->hold = sqlite3_column_int64(row, 1) != 0;
	return 1;
}

/* One that a crash left, and that could not be finished, holds nothing up. */
static int see_claim(void *data, sqlite3_stmt *row)
{
	struct doomed *doomed = data;

	doomed->claimed |= !sb_files_is_dead(doomed->s, sqlite3_column_int64(row, 0));
	return 0;
}

static sb_quarantine_status doom(
	sb_store_files *s, const char *id, struct doomed *doomed, sb_error *error)
{
	sb_quarantine_status status = sb_index_run(&s->index, error, see_doomed, doomed,
		"SELECT state, hold FROM objects WHERE id = ? AND state < 100", "t", id);

	if (status == SB_Q_OK)
		status = sb_index_run(&s->index, error, see_claim, doomed,
			"SELECT writer FROM claims WHERE object = ?", "t", id);

	if (status != SB_Q_OK)
		return status;
	if (!doomed->found)
		return sb_quarantine_fail(
			error, SB_Q_NOT_FOUND, 0, "quarantine: there is no object %s", id);
	if (doomed->hold)
		return sb_quarantine_fail(error, SB_Q_HELD, 0,
			"quarantine object %s is on legal hold: end the hold first", id);
	if (doomed->claimed)
		return sb_quarantine_fail(error, SB_Q_BUSY, 0,
			"quarantine object %s: its original is being removed", id);
	status = sb_files_pend(s, id, "delete", 0, error);
	if (status == SB_Q_OK)
		status = sb_index_run(&s->index, error, NULL, NULL,
			"UPDATE objects SET state = ? WHERE id = ?", "it",
			(int64_t)SB_INDEX_DELETING, id);
	return status;
}

/* It did not work: it is there as before, or without its key for a person to see. */
static void revive(sb_store_files *s, const char *id, int64_t state)
{
	pthread_mutex_lock(&s->lock);
	if (sb_index_begin(&s->index, NULL) == SB_Q_OK) {
		sb_quarantine_status status = sb_index_run(&s->index, NULL, NULL, NULL,
			"UPDATE objects SET state = ? WHERE id = ?", "it", state, id);
		if (status == SB_Q_OK)
			status = sb_files_unpend(s, id, "delete", NULL);
		sb_index_end(&s->index, status, NULL);
	}
	pthread_mutex_unlock(&s->lock);
}

sb_quarantine_status sb_files_remove(void *self, const char *id, sb_error *error)
{
	sb_store_files *s = self;
	struct doomed doomed = {.s = s};
	sb_quarantine_status status;
	bool erased = false;

	pthread_mutex_lock(&s->lock);
	status = sb_index_begin(&s->index, error);
	if (status == SB_Q_OK)
		status = sb_index_end(&s->index, doom(s, id, &doomed, error), error);
	pthread_mutex_unlock(&s->lock);
	if (status != SB_Q_OK)
		return status;
	status = sb_files_destroy(s, id, &erased, error);
	if (status == SB_Q_OK)
		return sb_files_forget(s, id, error);
	revive(s, id, erased ? SB_Q_DAMAGED : doomed.state);
	return status;
}
