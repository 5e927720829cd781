/* SPDX-License-Identifier: MIT */
#include "quarantine/index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "quarantine/record.h"
#include "util/temp.h"
#include "util/io.h"

enum { FORMAT = 1, BUSY_MS = 20000 };

static const char schema[] =
	"CREATE TABLE objects(id TEXT PRIMARY KEY NOT NULL, time INTEGER NOT NULL,"
	" expires INTEGER NOT NULL, state INTEGER NOT NULL, hold INTEGER NOT NULL,"
	" tenant TEXT NOT NULL, blake3 BLOB NOT NULL, sha256 BLOB NOT NULL, size INTEGER NOT NULL,"
	" stored INTEGER NOT NULL, record TEXT NOT NULL);"
	"CREATE INDEX objects_time ON objects(time, id, state, expires, hold);"
	"CREATE INDEX objects_tenant ON objects(tenant, time, id, state, expires, hold);"
	"CREATE INDEX objects_state ON objects(state, time, id, expires, hold);"
	"CREATE INDEX objects_blake3 ON objects(blake3);"
	"CREATE INDEX objects_sha256 ON objects(sha256);"
	"CREATE INDEX objects_expires ON objects(expires) WHERE expires > 0;"
	"CREATE TABLE places(object TEXT NOT NULL, path BLOB NOT NULL, time INTEGER NOT NULL,"
	" PRIMARY KEY(object, path)) WITHOUT ROWID;"
	"CREATE TABLE pending(id TEXT NOT NULL, operation TEXT NOT NULL, bytes INTEGER NOT NULL,"
	" writer INTEGER NOT NULL, PRIMARY KEY(id, operation)) WITHOUT ROWID;"
	"CREATE TABLE claims(sibling TEXT PRIMARY KEY NOT NULL, object TEXT NOT NULL,"
	" parent TEXT NOT NULL, name BLOB NOT NULL, folder_dev INTEGER NOT NULL,"
	" folder_ino INTEGER NOT NULL, dev INTEGER NOT NULL, ino INTEGER NOT NULL,"
	" size INTEGER NOT NULL, mtime INTEGER NOT NULL, writer INTEGER NOT NULL);"
	"CREATE TABLE rate(minute INTEGER PRIMARY KEY, count INTEGER NOT NULL);"
	"CREATE TABLE used(bytes INTEGER NOT NULL);"
	"INSERT INTO used VALUES(0);"
	"CREATE TRIGGER object_in AFTER INSERT ON objects BEGIN"
	" UPDATE used SET bytes = bytes + NEW.stored; END;"
	"CREATE TRIGGER object_out AFTER DELETE ON objects BEGIN"
	" UPDATE used SET bytes = bytes - OLD.stored; END;"
	"CREATE TRIGGER pending_in AFTER INSERT ON pending BEGIN"
	" UPDATE used SET bytes = bytes + NEW.bytes; END;"
	"CREATE TRIGGER pending_out AFTER DELETE ON pending BEGIN"
	" UPDATE used SET bytes = bytes - OLD.bytes; END;"
	"PRAGMA user_version = 1;";

/* --- Errors ---------------------------------------------------------------------------------- */

static sb_quarantine_status failed(sb_index *index, const char *doing, sb_error *error)
{
	int code = sqlite3_errcode(index->db);
	const char *text = sqlite3_errmsg(index->db);

	switch (code & 0xff) {
	case SQLITE_FULL:
		return sb_quarantine_fail(error, SB_Q_STORAGE_FULL, 0,
			"quarantine index: %s: no space left on the disk", doing);
	case SQLITE_BUSY:
		return sb_quarantine_fail(error, SB_Q_BUSY, 0,
			"quarantine index: %s: another process has held it for %d s", doing,
			BUSY_MS / 1000);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return sb_quarantine_fail(error, SB_Q_INTEGRITY, 0,
			"quarantine index: %s: %s: move index.sqlite* away; it is made anew from "
			"the "
			"objects",
			doing, text);
	case SQLITE_NOMEM:
		return sb_quarantine_fail(error, SB_Q_INTERNAL, 0, "out of memory");
	default:
		return sb_quarantine_fail(error, SB_Q_IO, sqlite3_system_errno(index->db),
			"quarantine index: %s: %s", doing, text);
	}
}

static sb_quarantine_status script(
	sb_index *index, const char *sql, const char *doing, sb_error *error)
{
	return sqlite3_exec(index->db, sql, NULL, NULL, NULL) == SQLITE_OK
		       ? SB_Q_OK
		       : failed(index, doing, error);
}

/* --- Statements ------------------------------------------------------------------------------ */

static int bind(sqlite3_stmt *statement, const char *types, va_list *args)
{
	int status = SQLITE_OK;

	for (int i = 1; types[i - 1] != '\0' && status == SQLITE_OK; i++) {
		if (types[i - 1] == 't') {
			const char *text = va_arg(*args, const char *);
			status = sqlite3_bind_text(statement, i, text, -1, SQLITE_STATIC);
		} else if (types[i - 1] == 'i') {
			status = sqlite3_bind_int64(statement, i, va_arg(*args, int64_t));
		} else {
			const void *bytes = va_arg(*args, const void *);
			size_t length = va_arg(*args, size_t);
			status = sqlite3_bind_blob64(statement, i, bytes, length, SQLITE_STATIC);
		}
	}
	return status;
}

sb_quarantine_status sb_index_run(sb_index *index, sb_error *error, sb_index_row row, void *data,
	const char *sql, const char *types, ...)
{
	sqlite3_stmt *statement = NULL;
	sb_quarantine_status status = SB_Q_OK;
	va_list args;
	int step;

	va_start(args, types);
	step = sqlite3_prepare_v2(index->db, sql, -1, &statement, NULL);
	if (step == SQLITE_OK)
		step = bind(statement, types, &args);
	va_end(args);
	if (step == SQLITE_OK)
		step = SQLITE_ROW;
	while (step == SQLITE_ROW) {
		step = sqlite3_step(statement);
		if (step == SQLITE_ROW && row != NULL && row(data, statement) != 0)
			step = SQLITE_DONE;
	}
	if (step != SQLITE_DONE)
		status = failed(index, "cannot use it", error);
	sqlite3_finalize(statement);
	return status;
}

uint64_t sb_index_changes(const sb_index *index)
{
	return (uint64_t)sqlite3_changes64(index->db);
}

int sb_index_number(void *data, sqlite3_stmt *row)
{
	*(int64_t *)data = sqlite3_column_int64(row, 0);
	return 0;
}

sb_quarantine_status sb_index_begin(sb_index *index, sb_error *error)
{
	return script(index, "BEGIN IMMEDIATE", "cannot begin", error);
}

sb_quarantine_status sb_index_end(sb_index *index, sb_quarantine_status status, sb_error *error)
{
	if (status == SB_Q_OK)
		status = script(index, "COMMIT", "cannot commit", error);
	if (status != SB_Q_OK && sqlite3_get_autocommit(index->db) == 0)
		sqlite3_exec(index->db, "ROLLBACK", NULL, NULL, NULL);
	return status;
}

/* --- Opening --------------------------------------------------------------------------------- */

/* SQLite would make it 0644 less the umask; its -wal and -shm take the mode from it. */
static int make_file(int dir)
{
	int fd = openat(
		dir, "index.sqlite", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	int status = fd < 0 ? -1 : sb_temp_own(dir, fd);

	sb_close(&fd);
	return status;
}

static sb_quarantine_status make_tables(sb_index *index, bool *fresh, sb_error *error)
{
	int64_t version = -1;
	sb_quarantine_status status = sb_index_begin(index, error);

	if (status != SB_Q_OK)
		return status;
	status = sb_index_run(index, error, sb_index_number, &version, "PRAGMA user_version", "");
	if (status == SB_Q_OK && version != 0 && version != FORMAT)
		status = sb_quarantine_fail(error, SB_Q_NOT_CONFIGURED, 0,
			"quarantine index: its format is %lld, this version knows %d",
			(long long)version, FORMAT);
	*fresh = version == 0;
	if (status == SB_Q_OK && *fresh)
		status = script(index, schema, "cannot make its tables", error);
	return status == SB_Q_OK && *fresh ? SB_Q_OK : sb_index_end(index, status, error);
}

sb_quarantine_status sb_index_open(
	sb_index *index, int dir, const char *path, bool *fresh, sb_error *error)
{
	char *name = NULL;
	sb_quarantine_status status;
	int opened;

	index->db = NULL;
	if (make_file(dir) != 0)
		return sb_quarantine_fail(
			error, SB_Q_IO, errno, "quarantine index in %s: cannot make it", path);
	if (asprintf(&name, "%s/index.sqlite", path) < 0)
		return sb_quarantine_fail(error, SB_Q_INTERNAL, 0, "out of memory");
	opened = sqlite3_open_v2(name, &index->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	free(name);
	if (opened != SQLITE_OK)
		status = index->db == NULL
				 ? sb_quarantine_fail(error, SB_Q_INTERNAL, 0, "out of memory")
				 : failed(index, "cannot open it", error);
	else {
		sqlite3_busy_timeout(index->db, BUSY_MS);
		status = script(index,
			"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
			"PRAGMA trusted_schema=OFF; PRAGMA cache_size=-4096",
			"cannot set it up", error);
	}
	if (status == SB_Q_OK)
		status = make_tables(index, fresh, error);
	if (status != SB_Q_OK)
		sb_index_close(index);
	return status;
}

void sb_index_close(sb_index *index)
{
	sqlite3_close_v2(index->db);
	index->db = NULL;
}

/* --- Rows ------------------------------------------------------------------------------------ */

sb_quarantine_status sb_index_put(sb_index *index, const sb_quarantine_record *record,
	const char *text, uint64_t stored, sb_error *error)
{
	return sb_index_run(index, error, NULL, NULL,
		"INSERT INTO objects VALUES(?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET"
		" time = excluded.time, expires = excluded.expires, state = excluded.state,"
		" hold = excluded.hold, tenant = excluded.tenant, blake3 = excluded.blake3,"
		" sha256 = excluded.sha256, size = excluded.size, record = excluded.record",
		"tiiiitbbiit", record->id, (int64_t)record->time, (int64_t)record->expires_at,
		(int64_t)record->state, (int64_t)record->legal_hold,
		record->tenant != NULL ? record->tenant : "", record->blake3, sizeof record->blake3,
		record->sha256, sizeof record->sha256, (int64_t)record->size, (int64_t)stored,
		text);
}

static const char columns[] = "state, hold, expires, record";

static bool read_row(sqlite3_stmt *row, sb_arena *arena, sb_quarantine_record *out)
{
	const char *text = (const char *)sqlite3_column_text(row, 3);
	int length = sqlite3_column_bytes(row, 3);

	*out = (sb_quarantine_record){0};
	out->state = (sb_quarantine_state)sqlite3_column_int(row, 0);
	out->legal_hold = sqlite3_column_int(row, 1) != 0;
	out->expires_at = (uint64_t)sqlite3_column_int64(row, 2);
	return text != NULL && sb_record_read(out, text, (size_t)length, arena);
}

struct one {
	sb_arena *arena;
	sb_quarantine_record *out;
	bool found, good;
};

static int take_one(void *data, sqlite3_stmt *row)
{
	struct one *one = data;

	one->found = true;
	one->good = read_row(row, one->arena, one->out);
	return 1;
}

sb_quarantine_status sb_index_get(sb_index *index, const char *id, sb_arena *arena,
	sb_quarantine_record *out, sb_error *error)
{
	struct one one = {.arena = arena, .out = out};
	sb_quarantine_status status = sb_index_run(index, error, take_one, &one,
		"SELECT state, hold, expires, record FROM objects WHERE id = ? AND state < 100",
		"t", id);

	if (status != SB_Q_OK)
		return status;
	if (!one.found)
		return sb_quarantine_fail(
			error, SB_Q_NOT_FOUND, 0, "quarantine: there is no object %s", id);
	if (!one.good || strcmp(out->id, id) != 0)
		return sb_quarantine_fail(error, SB_Q_INTEGRITY, 0,
			"quarantine index: the row of %s is damaged: verify tells, rebuild mends",
			id);
	return SB_Q_OK;
}

/* --- Lists ----------------------------------------------------------------------------------- */

struct listing {
	sb_quarantine_each each;
	void *data;
	sb_arena arena;
};

/* A row that can't be read is listed as damaged under its id, not left out. */
static int list_row(void *data, sqlite3_stmt *row)
{
	struct listing *listing = data;
	sb_quarantine_record record;
	const char *id = (const char *)sqlite3_column_text(row, 4);
	int stop;

	sb_arena_init(&listing->arena, SB_RECORD_ARENA);
	if (!read_row(row, &listing->arena, &record) || id == NULL || strcmp(id, record.id) != 0) {
		record = (sb_quarantine_record){
			.state = SB_Q_DAMAGED, .time = (uint64_t)sqlite3_column_int64(row, 5)};
		snprintf(record.id, sizeof record.id, "%s", sb_quarantine_id_ok(id) ? id : "");
	}
	stop = listing->each(listing->data, &record);
	sb_arena_done(&listing->arena);
	return stop;
}

/* The page is found in an index that has all that is asked for most often, and only its own rows
 * are read. The last parameter is always named, so that all of them may be bound. */
static void build_query(char *sql, size_t room, const sb_quarantine_filter *f)
{
	snprintf(sql, room,
		"SELECT %s, id, time FROM objects WHERE rowid IN (SELECT rowid FROM objects"
		" WHERE state < 100 AND ?10 IS ?10%s%s%s%s%s%s%s%s"
		" ORDER BY time DESC, id DESC LIMIT ?1 OFFSET ?2) ORDER BY time DESC, id DESC",
		columns, f->tenant != NULL ? " AND tenant = ?3" : "",
		f->hash != NULL ? " AND (blake3 = ?4 OR sha256 = ?4)" : "",
		f->state != SB_Q_STATE_NONE ? " AND state = ?5" : "",
		f->after != 0 ? " AND time >= ?6" : "", f->before != 0 ? " AND time <= ?7" : "",
		f->only_expired ? " AND expires > 0 AND expires <= ?8 AND hold = 0" : "",
		f->only_expired || f->include_expired
			? ""
			: " AND (expires = 0 OR expires > ?8 OR hold = 1)",
		f->cursor_id != NULL ? " AND (time, id) < (?9, ?10)" : "");
}

static int64_t limited(uint64_t value)
{
	return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

sb_quarantine_status sb_index_list(sb_index *index, const sb_quarantine_filter *f, uint64_t now,
	sb_quarantine_each each, void *data, sb_error *error)
{
	struct listing listing = {.each = each, .data = data};
	char sql[1024];

	build_query(sql, sizeof sql, f);
	return sb_index_run(index, error, list_row, &listing, sql, "iitbiiiiit",
		f->limit != 0 ? limited(f->limit) : (int64_t)-1, limited(f->offset), f->tenant,
		f->hash, f->hash != NULL ? (size_t)SB_BLAKE3_SIZE : (size_t)0, (int64_t)f->state,
		limited(f->after), limited(f->before), limited(now), limited(f->cursor_time),
		f->cursor_id);
}
