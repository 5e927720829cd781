/* SPDX-License-Identifier: MIT */
/* The file store: opening and locks, reading objects and their rows; see store_body.h. */
#include "quarantine/store_body.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/temp.h"
#include "util/io.h"
#include "util/text.h"
#include "util/uuid.h"

/* --- Locks ----------------------------------------------------------------------------------- */

int sb_files_lock(sb_store_files *s, int64_t byte, short type, bool wait)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
	int status;

	do {
		status = fcntl(s->lock_fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock);
	} while (status != 0 && errno == EINTR);
	return status;
}

bool sb_files_is_dead(sb_store_files *s, int64_t writer)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = writer, .l_len = 1};

	return writer != s->writer && fcntl(s->lock_fd, F_OFD_GETLK, &lock) == 0 &&
	       lock.l_type == F_UNLCK;
}

struct pend {
	sb_store_files *s;
	bool busy;
};

static int see_pending(void *data, sqlite3_stmt *row)
{
	struct pend *pend = data;

	(void)row;
	pend->busy = true;
	return 1;
}

sb_quarantine_status sb_files_pend(
	sb_store_files *s, const char *id, const char *operation, uint64_t bytes, sb_error *error)
{
	struct pend pend = {.s = s};
	sb_quarantine_status status = sb_index_run(&s->index, error, see_pending, &pend,
		"SELECT writer FROM pending WHERE id = ? AND operation <> 'audit'", "t", id);

	if (status == SB_Q_OK && pend.busy)
		return sb_quarantine_fail(error, SB_Q_BUSY, 0,
			"quarantine object %s: another process is changing it: try again", id);
	if (status == SB_Q_OK)
		status = sb_index_run(&s->index, error, NULL, NULL,
			"INSERT INTO pending VALUES(?, ?, ?, ?)", "ttii", id, operation,
			(int64_t)bytes, s->writer);
	return status;
}

sb_quarantine_status sb_files_unpend(
	sb_store_files *s, const char *id, const char *operation, sb_error *error)
{
	return sb_index_run(&s->index, error, NULL, NULL,
		"DELETE FROM pending WHERE id = ? AND operation = ?", "tt", id, operation);
}

/* --- Objects --------------------------------------------------------------------------------- */

static ssize_t pread_fd(void *data, void *out, size_t length, uint64_t offset)
{
	return sb_pread_full(*(int *)data, out, length, offset);
}

static sb_quarantine_status open_file(
	sb_store_files *s, const char *id, bool write, sb_file_object *out, sb_error *error)
{
	const int flags = O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
	struct stat st;

	out->fd = openat(s->objects, id, flags | (write ? O_RDWR : O_RDONLY));
	if (out->fd < 0 && errno == ENOENT)
		return sb_quarantine_fail(
			error, SB_Q_INTEGRITY, 0, "quarantine object %s: its file is missing", id);
	if (out->fd < 0 || fstat(out->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		sb_quarantine_fail(error, SB_Q_RETRIEVE_FAILED, errno,
			"quarantine object %s: cannot open its file", id);
		sb_close(&out->fd);
		return SB_Q_RETRIEVE_FAILED;
	}
	out->input = (sb_object_input){pread_fd, &out->fd, (uint64_t)st.st_size};
	return SB_Q_OK;
}

/* Another process may have added a key since we read them. */
static sb_quarantine_status current_keys(
	sb_store_files *s, bool again, sb_keys *out, sb_error *error)
{
	sb_quarantine_status status = SB_Q_OK;

	pthread_mutex_lock(&s->lock);
	if (again) {
		status = sb_keys_load(out, s->key_file, false, s->random, error);
		if (status == SB_Q_OK)
			s->keys = *out;
	} else {
		*out = s->keys;
	}
	pthread_mutex_unlock(&s->lock);
	return status;
}

/* A second look at what is not authentic: the first may have met a change in place. */
sb_quarantine_status sb_files_open_object(
	sb_store_files *s, const char *id, bool write, sb_file_object *out, sb_error *error)
{
	sb_quarantine_status status = open_file(s, id, write, out, error);
	sb_keys keys;

	if (status != SB_Q_OK)
		return status;
	for (int look = 0; look < 2; look++) {
		status = current_keys(s, look > 0 && status == SB_Q_NO_KEY, &keys, error);
		if (status == SB_Q_OK)
			status = sb_object_open(&out->object, &out->input, &keys, id, error);
		sb_keys_forget(&keys);
		if (status != SB_Q_INTEGRITY && status != SB_Q_NO_KEY)
			break;
	}
	if (status != SB_Q_OK)
		sb_close(&out->fd);
	return status;
}

void sb_files_close_object(sb_file_object *object)
{
	sb_object_close(&object->object);
	sb_close(&object->fd);
}

sb_quarantine_status sb_files_put_object(
	sb_store_files *s, const sb_object *object, sb_error *error)
{
	sb_quarantine_status status = SB_Q_INTEGRITY;
	sb_quarantine_record record;
	sb_arena arena;

	sb_arena_init(&arena, SB_RECORD_ARENA);
	if (sb_object_record(object, &arena, &record))
		status = sb_index_put(&s->index, &record, object->record,
			sb_object_file_length(&object->head), error);
	sb_arena_done(&arena);
	return status;
}

/* --- Find, list, read ------------------------------------------------------------------------ */

sb_quarantine_status sb_files_find(sb_store_files *s, const char *id, sb_arena *arena,
	sb_quarantine_record *out, sb_error *error)
{
	sb_quarantine_status status;

	pthread_mutex_lock(&s->lock);
	status = sb_index_get(&s->index, id, arena, out, error);
	pthread_mutex_unlock(&s->lock);
	return status;
}

static sb_quarantine_status files_find(
	void *self, const char *id, sb_quarantine_each each, void *data, sb_error *error)
{
	sb_quarantine_status status;
	sb_quarantine_record record;
	sb_arena arena;

	sb_arena_init(&arena, SB_RECORD_ARENA);
	status = sb_files_find(self, id, &arena, &record, error);
	if (status == SB_Q_OK)
		(void)each(data, &record);
	sb_arena_done(&arena);
	return status;
}

static sb_quarantine_status files_list(void *self, const sb_quarantine_filter *filter, uint64_t now,
	sb_quarantine_each each, void *data, sb_error *error)
{
	sb_store_files *s = self;
	sb_quarantine_status status;

	pthread_mutex_lock(&s->lock);
	status = sb_index_list(&s->index, filter, now, each, data, error);
	pthread_mutex_unlock(&s->lock);
	return status;
}

/* What the index says of an object, beside what the object says of itself. */
struct row {
	const sb_object *object;
	const sb_quarantine_record *record;
	bool found, damaged, same, pending;
};

static bool same_bytes(sqlite3_stmt *row, int column, const void *bytes, size_t length)
{
	return (size_t)sqlite3_column_bytes(row, column) == length &&
	       (length == 0 || memcmp(sqlite3_column_blob(row, column), bytes, length) == 0);
}

static int compare_row(void *data, sqlite3_stmt *row)
{
	struct row *r = data;
	const sb_quarantine_record *want = r->record;
	const char *tenant = want->tenant != NULL ? want->tenant : "";
	int64_t state = sqlite3_column_int64(row, 4);

	r->found = true;
	r->damaged = state == SB_Q_DAMAGED;
	r->pending = sqlite3_column_int64(row, 9) != 0;
	r->same = same_bytes(row, 0, r->object->record, r->object->head.record_length) &&
		  same_bytes(row, 1, want->blake3, sizeof want->blake3) &&
		  same_bytes(row, 2, want->sha256, sizeof want->sha256) &&
		  same_bytes(row, 3, tenant, strlen(tenant)) &&
		  (r->damaged ||
			  (state == (int64_t)want->state &&
				  sqlite3_column_int64(row, 5) == want->legal_hold &&
				  sqlite3_column_int64(row, 6) == (int64_t)want->expires_at)) &&
		  sqlite3_column_int64(row, 7) == (int64_t)want->time &&
		  sqlite3_column_int64(row, 8) == (int64_t)want->size;
	return 1;
}

static sb_quarantine_status read_row(
	sb_store_files *s, const char *id, sb_file_object *object, struct row *out, sb_error *error)
{
	sb_quarantine_status status;
	sb_quarantine_record record;
	sb_arena arena;

	*out = (struct row){.object = &object->object, .record = &record};
	sb_arena_init(&arena, SB_RECORD_ARENA);
	if (!sb_object_record(&object->object, &arena, &record))
		status = sb_quarantine_fail(error, SB_Q_INTERNAL, 0, "out of memory");
	else
		status = sb_index_run(&s->index, error, compare_row, out,
			"SELECT CAST(record AS BLOB), blake3, sha256, CAST(tenant AS BLOB), state, "
			"hold,"
			" expires, time, size, EXISTS(SELECT 1 FROM pending p WHERE p.id = o.id"
			" AND operation <> 'audit') FROM objects o WHERE id = ? AND state < 100",
			"t", id);
	sb_arena_done(&arena);
	return status;
}

/* Row and object are read one after the other, and somebody may change both in between: when
 * they differ, they are read again while nobody can, and may differ only if somebody is in the
 * middle of it. */
static sb_quarantine_status check_row(
	sb_store_files *s, const char *id, bool *damaged, sb_error *error)
{
	sb_file_object object;
	struct row row;
	sb_quarantine_status status;

	pthread_mutex_lock(&s->lock);
	status = sb_index_begin(&s->index, error);
	if (status == SB_Q_OK)
		status = sb_files_open_object(s, id, false, &object, error);
	if (status == SB_Q_OK) {
		status = read_row(s, id, &object, &row, error);
		sb_files_close_object(&object);
		*damaged = row.damaged;
		if (status == SB_Q_OK && !row.found)
			status = sb_quarantine_fail(
				error, SB_Q_NOT_FOUND, 0, "quarantine: there is no object %s", id);
		else if (status == SB_Q_OK && !row.same && !row.pending && !row.damaged)
			status = sb_quarantine_fail(error, SB_Q_INTEGRITY, 0,
				"quarantine object %s: the index says something else of it: "
				"rebuild the "
				"index",
				id);
	}
	status = sb_index_end(&s->index, status, error);
	pthread_mutex_unlock(&s->lock);
	return status;
}

/* An object that verifies again (its key is back, its disk was mended) is damaged no longer. */
static sb_quarantine_status mend_row(sb_store_files *s, const sb_object *object, sb_error *error)
{
	sb_quarantine_status status;

	pthread_mutex_lock(&s->lock);
	status = sb_index_begin(&s->index, error);
	if (status == SB_Q_OK)
		status = sb_index_end(&s->index, sb_files_put_object(s, object, error), error);
	pthread_mutex_unlock(&s->lock);
	return status;
}

static sb_quarantine_status files_read(
	void *self, const char *id, sb_quarantine_sink sink, void *data, sb_error *error)
{
	sb_store_files *s = self;
	sb_quarantine_status status;
	sb_quarantine_record record;
	sb_file_object object;
	struct row row;
	sb_arena arena;
	bool damaged;

	sb_arena_init(&arena, SB_RECORD_ARENA);
	status = sb_files_find(s, id, &arena, &record, error);
	sb_arena_done(&arena);
	if (status != SB_Q_OK)
		return status;
	status = sb_files_open_object(s, id, false, &object, error);
	if (status != SB_Q_OK)
		return status;
	pthread_mutex_lock(&s->lock);
	status = read_row(s, id, &object, &row, error);
	pthread_mutex_unlock(&s->lock);
	damaged = row.damaged;
	if (status == SB_Q_OK && !(row.found && row.same))
		status = check_row(s, id, &damaged, error);
	if (status == SB_Q_OK)
		status = sb_object_read(&object.object, sink, data, error);
	if (status == SB_Q_OK && damaged)
		status = mend_row(s, &object.object, error);
	sb_files_close_object(&object);
	return status;
}

/* --- Opening --------------------------------------------------------------------------------- */

static int open_folder(int at, const char *name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	bool made = mkdirat(at, name, 0700) == 0;
	struct stat st;
	int fd;

	if (!made && errno != EEXIST)
		return -1;
	fd = openat(at, name, flags);
	if (fd < 0)
		return -1;
	/* The umask may have taken bits, and somebody else may have given some. */
	if (fstat(fd, &st) != 0 || ((st.st_mode & 07777) != 0700 && fchmod(fd, 0700) != 0))
		sb_close(&fd);
	if (fd >= 0 && made && geteuid() == 0) {
		struct stat above;
		int parent = at == AT_FDCWD ? openat(fd, "..", flags) : at;
		if (parent >= 0 && fstat(parent, &above) == 0 && above.st_uid != st.st_uid &&
			fchown(fd, above.st_uid, above.st_gid) != 0)
			sb_close(&fd);
		if (parent != at)
			sb_close(&parent);
	}
	return fd;
}

static int open_lock(sb_store_files *s)
{
	uint64_t number;

	s->lock_fd = openat(s->dir_fd, "lock",
		O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	if (s->lock_fd < 0 || sb_temp_own(s->dir_fd, s->lock_fd) != 0)
		return -1;
	/* Our own kind of random: two writers must never share a number, whatever tests draw. */
	sb_random(&number, sizeof number);
	s->writer = (int64_t)(number >> 4 | 1 << 20);
	return sb_files_lock(s, s->writer, F_WRLCK, true);
}

static sb_quarantine_status open_parts(sb_store_files *s, uint64_t *rebuilt, sb_error *error)
{
	sb_quarantine_status status;
	bool fresh = false;

	status = sb_keys_load(&s->keys, s->key_file, !sb_files_has_objects(s), s->random, error);
	if (status == SB_Q_OK)
		status = sb_index_open(&s->index, s->dir_fd, s->dir, &fresh, error);
	if (status == SB_Q_OK && fresh)
		status = sb_index_end(&s->index, sb_files_fill_index(s, rebuilt, error), error);
	return status;
}

static sb_quarantine_status open_store(
	sb_store_files *s, bool alone, uint64_t *rebuilt, sb_error *error)
{
	static const char *const names[] = {"index.sqlite", "index.sqlite-wal", "index.sqlite-shm"};
	sb_quarantine_status status = SB_Q_OK;

	s->dir_fd = open_folder(AT_FDCWD, s->dir);
	s->objects = s->dir_fd >= 0 ? open_folder(s->dir_fd, "objects") : -1;
	if (s->objects < 0 || open_lock(s) != 0 ||
		sb_files_lock(s, SB_LOCK_OPENING, F_WRLCK, true) != 0)
		return sb_quarantine_fail(
			error, SB_Q_IO, errno, "quarantine %s: cannot open it", s->dir);
	if (sb_files_lock(s, SB_LOCK_USERS, alone ? F_WRLCK : F_RDLCK, false) != 0)
		status = sb_quarantine_fail(error, SB_Q_BUSY, 0,
			"quarantine %s: other processes use it: end them first", s->dir);
	for (unsigned i = 0; alone && status == SB_Q_OK && i < 3; i++)
		if (unlinkat(s->dir_fd, names[i], 0) != 0 && errno != ENOENT)
			status = sb_quarantine_fail(error, SB_Q_IO, errno,
				"quarantine %s: cannot remove %s", s->dir, names[i]);
	if (status == SB_Q_OK)
		status = open_parts(s, rebuilt, error);
	sb_files_lock(s, SB_LOCK_OPENING, F_UNLCK, false);
	return status;
}

static void files_close(void *self)
{
	sb_store_files *s = self;

	if (s->index.db != NULL)
		sb_index_close(&s->index);
	sb_close(&s->objects);
	sb_close(&s->dir_fd);
	sb_close(&s->lock_fd);
	sb_keys_forget(&s->keys);
	pthread_mutex_destroy(&s->lock);
	free(s->dir);
	free(s->key_file);
	free(s);
}

static sb_quarantine_status make_store(void **self, const sb_store_files_options *options,
	bool alone, uint64_t *rebuilt, sb_error *error)
{
	sb_store_files *s = calloc(1, sizeof *s);
	pthread_mutexattr_t recursive;
	sb_quarantine_status status;

	if (s == NULL)
		return sb_quarantine_fail(error, SB_Q_INTERNAL, 0, "out of memory");
	pthread_mutexattr_init(&recursive);
	pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&s->lock, &recursive);
	pthread_mutexattr_destroy(&recursive);
	s->dir_fd = s->objects = s->lock_fd = -1;
	s->max_size = options->max_size;
	s->random = options->random != NULL ? options->random : sb_random;
	s->named_temp = options->named_temp;
	s->dir = strdup(options->dir);
	if (options->key_file != NULL)
		s->key_file = strdup(options->key_file);
	else if (asprintf(&s->key_file, "%s/key", options->dir) < 0)
		s->key_file = NULL;
	if (s->dir == NULL || s->key_file == NULL)
		status = sb_quarantine_fail(error, SB_Q_INTERNAL, 0, "out of memory");
	else
		status = open_store(s, alone, rebuilt, error);
	if (status != SB_Q_OK)
		files_close(s);
	else
		*self = s;
	return status;
}

sb_quarantine_status sb_store_files_open(
	void **self, const sb_store_files_options *options, sb_error *error)
{
	uint64_t rebuilt = 0;

	return make_store(self, options, false, &rebuilt, error);
}

sb_quarantine_status sb_store_files_rebuild(
	const sb_store_files_options *options, uint64_t *objects, sb_error *error)
{
	void *self;
	sb_quarantine_status status = make_store(&self, options, true, objects, error);

	if (status == SB_Q_OK)
		files_close(self);
	return status;
}

static sb_quarantine_status files_open(void *data, void **self, sb_error *error)
{
	return sb_store_files_open(self, data, error);
}

static bool files_absent(void *data)
{
	const sb_store_files_options *options = data;
	struct stat st;

	return stat(options->dir, &st) != 0 && errno == ENOENT;
}

const sb_store_ops sb_store_files_ops = {
	.abi = SB_STORE_ABI,
	.name = "files",
	.open = files_open,
	.absent = files_absent,
	.commit = sb_files_commit,
	.audited = sb_files_audited,
	.find = files_find,
	.list = files_list,
	.read = files_read,
	.change = sb_files_change,
	.remove = sb_files_remove,
	.strays = sb_files_strays,
	.claim = sb_files_claim,
	.settle = sb_files_settle,
	.recover = sb_files_recover,
	.rotate_key = sb_store_files_rotate_key,
	.close = files_close,
};
