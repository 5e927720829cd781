/* SPDX-License-Identifier: MIT */
/* One table, one transaction for each turn of the loop that has something to write. */
#include "cli/watch_state.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/io.h"

enum { FORMAT = 1, BUSY_MS = 5000, DIGEST = 32, PRUNED_AT_ONCE = 500 };

static const char file_name[] = "watch.sqlite";

static const char schema[] =
	"BEGIN IMMEDIATE;"
	"CREATE TABLE IF NOT EXISTS files(path BLOB PRIMARY KEY NOT NULL, dev INTEGER NOT NULL,"
	" ino INTEGER NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL,"
	" ctime INTEGER NOT NULL, digest BLOB NOT NULL, time INTEGER NOT NULL) WITHOUT ROWID;"
	"PRAGMA user_version = 1;"
	"COMMIT;";

enum { KNOWS, PUT, FORGET, FORGET_BELOW, NEXT, OLD, STATEMENTS };

static const char *const statements[STATEMENTS] = {
	[KNOWS] = ("SELECT 1 FROM files WHERE (path, dev, ino, size, mtime, ctime, digest) = "
		   "(?1, ?2, ?3, ?4, ?5, ?6, ?7)"),
	[PUT] = "INSERT OR REPLACE INTO files VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[FORGET] = "DELETE FROM files WHERE path = ?1",
	[FORGET_BELOW] = "DELETE FROM files WHERE path > ?1 AND path < ?2",
	[NEXT] = "SELECT path FROM files WHERE path > ?1 AND path < ?2 ORDER BY path LIMIT ?3",
	[OLD] = "SELECT path FROM files WHERE time < ?1",
};

struct sb_watch_state {
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENTS];
	uint8_t digest[DIGEST];
	bool writing; /* a transaction is open */
	bool failed, told;
	sb_error error;
};

/* --- Opening ---------------------------------------------------------------------------- */

static int failure(sb_watch_state *state, sb_error *error)
{
	return sb_error_set(error, SB_KIND_IO, 0, "%s: %s", file_name, sqlite3_errmsg(state->db));
}

static int prepare(sb_watch_state *state, sb_error *error)
{
	for (size_t i = 0; i < STATEMENTS; i++)
		if (sqlite3_prepare_v3(state->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
			    &state->statements[i], NULL) != SQLITE_OK)
			return failure(state, error);
	return 0;
}

static int check_format(sb_watch_state *state, sb_error *error)
{
	sqlite3_stmt *statement = NULL;
	int version = -1;

	if (sqlite3_prepare_v2(state->db, "PRAGMA user_version", -1, &statement, NULL) ==
			SQLITE_OK &&
		sqlite3_step(statement) == SQLITE_ROW)
		version = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	if (version < 0)
		return failure(state, error);
	if (version != 0 && version != FORMAT)
		return sb_error_set(error, SB_KIND_NOT_CONFIGURED, 0,
			"%s: its format is %d, this version knows %d: remove it, and files are "
			"judged once more",
			file_name, version, FORMAT);
	return 0;
}

/* SQLite makes its further files with the mode of the first. */
static int make_file(int dir, sb_error *error)
{
	int fd = openat(dir, file_name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return sb_error_set(error, SB_KIND_IO, errno, "open %s", file_name);
	sb_close(&fd);
	return 0;
}

static int open_file(sb_watch_state *state, const char *data_dir, sb_error *error)
{
	static const char set_up[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
				     "PRAGMA trusted_schema=OFF; PRAGMA cache_size=-4096";
	char *path = NULL;
	int status;

	if (asprintf(&path, "%s/%s", data_dir, file_name) < 0)
		return sb_error_no_memory(error);
	status = sqlite3_open_v2(path, &state->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	free(path);
	if (status != SQLITE_OK)
		return failure(state, error);
	sqlite3_busy_timeout(state->db, BUSY_MS);
	status = check_format(state, error);
	if (status == 0 && (sqlite3_exec(state->db, set_up, NULL, NULL, NULL) != SQLITE_OK ||
				   sqlite3_exec(state->db, schema, NULL, NULL, NULL) != SQLITE_OK))
		status = failure(state, error);
	return status == 0 ? prepare(state, error) : status;
}

static void close_file(sb_watch_state *state)
{
	for (size_t i = 0; i < STATEMENTS; i++) {
		sqlite3_finalize(state->statements[i]);
		state->statements[i] = NULL;
	}
	sqlite3_close_v2(state->db);
	state->db = NULL;
}

static bool is_damaged(const sb_watch_state *state)
{
	int code = sqlite3_errcode(state->db) & 0xff;

	return state->db != NULL && (code == SQLITE_CORRUPT || code == SQLITE_NOTADB);
}

static void remove_files(int dir)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	char name[64];

	for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
		snprintf(name, sizeof name, "%s%s", file_name, suffixes[i]);
		(void)unlinkat(dir, name, 0); /* opening tells */
	}
}

static int open_or_renew(
	sb_watch_state *state, int dir, const char *data_dir, bool *renewed, sb_error *error)
{
	int status = make_file(dir, error);

	if (status < 0)
		return status;
	status = open_file(state, data_dir, error);
	if (status == 0 || !is_damaged(state))
		return status;
	close_file(state);
	remove_files(dir);
	*renewed = true;
	status = make_file(dir, error);
	return status == 0 ? open_file(state, data_dir, error) : status;
}

void sb_watch_state_judge_by(sb_watch_state *state, const uint8_t *digest)
{
	memcpy(state->digest, digest, DIGEST);
}

int sb_watch_state_open(sb_watch_state **out, const char *data_dir, const uint8_t *digest,
	bool *renewed, sb_error *error)
{
	sb_watch_state *state = calloc(1, sizeof *state);
	int dir = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), status;

	*renewed = false;
	if (state == NULL) {
		sb_close(&dir);
		return sb_error_no_memory(error);
	}
	sb_error_init(&state->error);
	memcpy(state->digest, digest, DIGEST);
	status = dir >= 0 ? open_or_renew(state, dir, data_dir, renewed, error)
			  : sb_error_set(error, SB_KIND_IO, errno, "open %s", data_dir);
	sb_close(&dir);
	if (status < 0) {
		sb_watch_state_close(state);
		return status;
	}
	*out = state;
	return 0;
}

void sb_watch_state_close(sb_watch_state *state)
{
	if (state == NULL)
		return;
	sb_watch_state_commit(state);
	close_file(state);
	free(state);
}

/* --- Rows ------------------------------------------------------------------------------- */

static void fail(sb_watch_state *state)
{
	if (!state->failed)
		(void)failure(state, &state->error);
	state->failed = true;
}

static void bind_path(sqlite3_stmt *statement, int at, const char *path)
{
	sqlite3_bind_blob64(statement, at, path, strlen(path), SQLITE_STATIC);
}

static void bind_identity(sqlite3_stmt *statement, const sb_watch_identity *identity)
{
	sqlite3_bind_int64(statement, 2, identity->dev);
	sqlite3_bind_int64(statement, 3, identity->ino);
	sqlite3_bind_int64(statement, 4, identity->size);
	sqlite3_bind_int64(statement, 5, identity->mtime);
	sqlite3_bind_int64(statement, 6, identity->ctime);
}

/* Between `folder/` and `folder0`, which comes right behind everything that is in it. */
static bool bind_below(sqlite3_stmt *statement, sb_buf *from, sb_buf *to, const char *folder)
{
	size_t length = strlen(folder);

	while (length > 0 && folder[length - 1] == '/')
		length--;
	sb_buf_init(from, SIZE_MAX / 2);
	sb_buf_init(to, SIZE_MAX / 2);
	sb_buf_add(from, folder, length);
	sb_buf_char(from, '/');
	sb_buf_add(to, folder, length);
	sb_buf_char(to, '/' + 1);
	if (from->failed || to->failed)
		return false;
	bind_path(statement, 1, from->data);
	bind_path(statement, 2, to->data);
	return true;
}

bool sb_watch_state_knows(
	sb_watch_state *state, const char *path, const sb_watch_identity *identity)
{
	sqlite3_stmt *statement = state->statements[KNOWS];
	bool knows;

	bind_path(statement, 1, path);
	bind_identity(statement, identity);
	sqlite3_bind_blob64(statement, 7, state->digest, DIGEST, SQLITE_STATIC);
	knows = sqlite3_step(statement) == SQLITE_ROW; /* a failure: judged once more */
	sqlite3_reset(statement);
	return knows;
}

static bool begin(sb_watch_state *state)
{
	if (state->failed || state->writing)
		return !state->failed;
	if (sqlite3_exec(state->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK) {
		fail(state);
		return false;
	}
	state->writing = true;
	return true;
}

static void run(sb_watch_state *state, sqlite3_stmt *statement)
{
	if (sqlite3_step(statement) != SQLITE_DONE)
		fail(state);
	sqlite3_reset(statement);
}

void sb_watch_state_put(
	sb_watch_state *state, const char *path, const sb_watch_identity *identity, uint64_t now)
{
	sqlite3_stmt *statement = state->statements[PUT];

	if (!begin(state))
		return;
	bind_path(statement, 1, path);
	bind_identity(statement, identity);
	sqlite3_bind_blob64(statement, 7, state->digest, DIGEST, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 8, (int64_t)now);
	run(state, statement);
}

void sb_watch_state_forget(sb_watch_state *state, const char *path)
{
	if (!begin(state))
		return;
	bind_path(state->statements[FORGET], 1, path);
	run(state, state->statements[FORGET]);
}

void sb_watch_state_forget_below(sb_watch_state *state, const char *folder)
{
	sb_buf from, to;

	if (!begin(state))
		return;
	if (bind_below(state->statements[FORGET_BELOW], &from, &to, folder))
		run(state, state->statements[FORGET_BELOW]);
	sb_buf_done(&from);
	sb_buf_done(&to);
}

void sb_watch_state_commit(sb_watch_state *state)
{
	if (!state->writing)
		return;
	state->writing = false;
	if (state->failed)
		sqlite3_exec(state->db, "ROLLBACK", NULL, NULL, NULL);
	else if (sqlite3_exec(state->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
		fail(state);
		sqlite3_exec(state->db, "ROLLBACK", NULL, NULL, NULL);
	}
}

const sb_error *sb_watch_state_failure(sb_watch_state *state)
{
	if (!state->failed || state->told)
		return NULL;
	state->told = true;
	return &state->error;
}

/* --- What is no longer needed ------------------------------------------------------------- */

/* The paths of a query, each with its NUL, since rows are not deleted while they are read. */
static size_t collect(sqlite3_stmt *statement, sb_buf *paths)
{
	size_t count = 0;

	while (sqlite3_step(statement) == SQLITE_ROW && !paths->failed) {
		const void *path = sqlite3_column_blob(statement, 0);
		sb_buf_add(paths, path != NULL ? path : "",
			(size_t)sqlite3_column_bytes(statement, 0));
		sb_buf_char(paths, '\0');
		count++;
	}
	sqlite3_reset(statement);
	return paths->failed ? 0 : count;
}

static bool is_gone(const char *path)
{
	struct stat st;

	return lstat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

bool sb_watch_state_prune(sb_watch_state *state, const char *folder, sb_buf *cursor)
{
	sqlite3_stmt *statement = state->statements[NEXT];
	const char *path, *last = NULL;
	sb_buf from, to, paths;
	size_t count = 0;

	sb_buf_init(&paths, 256 << 20);
	if (bind_below(statement, &from, &to, folder)) {
		if (cursor->length > 0)
			bind_path(statement, 1, cursor->data);
		sqlite3_bind_int(statement, 3, PRUNED_AT_ONCE);
		count = collect(statement, &paths);
	}
	sb_buf_done(&from);
	sb_buf_done(&to);
	path = paths.data;
	for (size_t i = 0; i < count; i++, path += strlen(path) + 1) {
		last = path;
		if (is_gone(path))
			sb_watch_state_forget(state, path);
	}
	sb_buf_clear(cursor);
	if (last != NULL)
		sb_buf_text(cursor, last);
	sb_buf_done(&paths);
	return count == PRUNED_AT_ONCE && !cursor->failed;
}

static bool below_one(const char *path, char *const *folders, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(folders[i]);
		while (length > 0 && folders[i][length - 1] == '/')
			length--;
		if (strncmp(path, folders[i], length) == 0 && path[length] == '/')
			return true;
	}
	return false;
}

void sb_watch_state_expire(
	sb_watch_state *state, uint64_t before, char *const *folders, size_t count)
{
	sb_buf paths;
	const char *path;
	size_t found;

	sb_buf_init(&paths, 256 << 20);
	sqlite3_bind_int64(state->statements[OLD], 1, (int64_t)before);
	found = collect(state->statements[OLD], &paths);
	path = paths.data;
	for (size_t i = 0; i < found; i++, path += strlen(path) + 1)
		if (!below_one(path, folders, count))
			sb_watch_state_forget(state, path);
	sb_buf_done(&paths);
}
