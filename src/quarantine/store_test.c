/* SPDX-License-Identifier: MIT */
/*
 * The store and its front on a real folder: what is kept, listed, changed, deleted; what the
 * folder shows and what it must not; the index lost, swapped and rebuilt; keys lost and
 * rotated; every status produced.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "quarantine/record.h"
#include "util/buf.h"
#include "util/io.h"
#include "util/scratch.h"
#include "util/text.h"

#define HOUR (UINT64_C(3600) * 1000000000)

struct fixture {
	char folder[64], dir[96];
	sb_clock *clock;
	sb_store_files_options files;
	sb_quarantine_options options;
	sb_quarantine *q;
	sb_error error;
	unsigned events[SB_Q_EVENT_COUNT_];
	int refuse; /* this event's hook fails; -1: none */
};

static int hear(void *data, sb_quarantine_event event, const sb_quarantine_record *record,
	const char *reason, const char *detail, sb_error *error)
{
	struct fixture *x = data;

	(void)record;
	(void)reason;
	(void)detail;
	if ((int)event == x->refuse)
		return sb_error_set(error, SB_KIND_AUDIT_FAILED, 0, "the log is full");
	x->events[event]++;
	return 0;
}

static void open_store(struct fixture *x)
{
	void *self;

	sb_error_init(&x->error);
	if (sb_store_files_open(&self, &x->files, &x->error) != SB_Q_OK ||
		sb_quarantine_new(&x->q, &sb_store_files_ops, self, &x->options, &x->error) !=
			SB_Q_OK)
		fail_msg("%s", x->error.message);
}

static void reopen(struct fixture *x)
{
	sb_quarantine_close(x->q);
	open_store(x);
}

static int set_up(void **state)
{
	struct fixture *x = calloc(1, sizeof *x);

	if (!sb_scratch_make(x->folder, "quarantine", true))
		return -1;
	snprintf(x->dir, sizeof x->dir, "%s/quarantine", x->folder);
	x->clock = sb_clock_fake_new();
	x->refuse = -1;
	x->files = (sb_store_files_options){.dir = x->dir};
	x->options = (sb_quarantine_options){.hooks = {hear, x}, .clock = x->clock};
	*state = x;
	open_store(x);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *x = *state;

	sb_quarantine_close(x->q);
	sb_scratch_remove(x->folder);
	sb_clock_fake_free(x->clock);
	free(x);
	return 0;
}

/* --- Contents -------------------------------------------------------------------------------- */

static int64_t read_text(void *data, uint64_t offset, void *out, size_t length, sb_error *error)
{
	(void)error;
	memcpy(out, (const char *)data + offset, length);
	return (int64_t)length;
}

struct given {
	uint8_t blake3[32], sha256[32];
	sb_quarantine_content content;
	sb_quarantine_record record;
};

static void give(struct given *g, const char *text)
{
	size_t size = strlen(text);

	sb_blake3_memory(text, size, g->blake3);
	sb_sha256_memory(text, size, g->sha256);
	g->content = (sb_quarantine_content){
		read_text, (void *)(uintptr_t)text, size, g->blake3, g->sha256};
	g->record = (sb_quarantine_record){.state = SB_Q_QUARANTINED,
		.outcome = SB_OUTCOME_INFECTED,
		.name = "a",
		.name_length = 1,
		.reason = "test"};
}

static void must(struct fixture *x, sb_quarantine_status status, sb_quarantine_status want)
{
	if (status != want)
		fail_msg("%s instead of %s: %s", sb_quarantine_status_name(status),
			sb_quarantine_status_name(want), x->error.message);
	if (want != SB_Q_OK) {
		assert_int_equal(x->error.kind, sb_quarantine_status_kind(want));
		assert_true(x->error.message[0] != '\0');
	}
	sb_error_init(&x->error);
}

static void keep(struct fixture *x, const char *text, char id[SB_QUARANTINE_ID_SIZE])
{
	struct given g;

	give(&g, text);
	must(x, sb_quarantine_commit(x->q, &g.content, &g.record, NULL, &x->error), SB_Q_OK);
	memcpy(id, g.record.id, SB_QUARANTINE_ID_SIZE);
}

static int collect(void *data, const void *bytes, size_t length)
{
	sb_buf_add(data, bytes, length);
	return 0;
}

static void must_get(struct fixture *x, const char *id, const char *text)
{
	sb_buf out;

	sb_buf_init(&out, 1 << 20);
	must(x, sb_quarantine_get(x->q, id, NULL, collect, &out, &x->error), SB_Q_OK);
	assert_int_equal(out.length, strlen(text));
	assert_memory_equal(out.data, text, out.length);
	sb_buf_done(&out);
}

static void must_verify(struct fixture *x, uint64_t good, uint64_t bad)
{
	sb_quarantine_verified v;

	must(x, sb_quarantine_verify(x->q, NULL, &v, NULL, NULL, &x->error), SB_Q_OK);
	assert_int_equal(v.good, good);
	assert_int_equal(v.bad, bad);
	assert_int_equal(v.strays, 0);
}

static sb_quarantine_state state_of(struct fixture *x, const char *id)
{
	sb_quarantine_record *record = NULL;
	sb_quarantine_status status = sb_quarantine_find(x->q, id, &record, &x->error);
	sb_quarantine_state state = status == SB_Q_OK ? record->state : SB_Q_STATE_NONE;

	sb_quarantine_record_free(record);
	return state;
}

/* --- Keeping --------------------------------------------------------------------------------- */

static void test_keep(void **state)
{
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE], again[SB_QUARANTINE_ID_SIZE];
	struct given g;
	bool duplicate;

	keep(x, "bad things", id);
	assert_true(sb_quarantine_id_ok(id));
	assert_int_equal(x->events[SB_Q_EVENT_STORED], 1);
	must_get(x, id, "bad things");
	keep(x, "bad things", again);
	assert_string_equal(id, again);
	reopen(x);
	keep(x, "bad things", again);
	assert_string_equal(id, again);
	give(&g, "bad things");
	g.record.tenant = "other";
	must(x, sb_quarantine_commit(x->q, &g.content, &g.record, &duplicate, &x->error), SB_Q_OK);
	assert_false(duplicate);
	assert_string_not_equal(g.record.id, id);
	keep(x, "", again);
	must_get(x, again, "");
	must_verify(x, 3, 0);
}

/* A harmless stand-in for what scanners know by heart: put together here, found nowhere. */
static void put_together(char out[128])
{
	snprintf(out, 128, "X5O!P%%@AP[4\\PZX54(P^)7CC)7}$%s-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
		"EICAR");
}

static void must_be_private(int at, const char *name, const char *unseen, unsigned *files)
{
	int fd = openat(at, name, O_RDONLY | O_CLOEXEC);
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	if (S_ISDIR(st.st_mode)) {
		DIR *dir = fdopendir(fd);
		struct dirent *entry;
		assert_int_equal(st.st_mode & 07777, 0700);
		while ((entry = readdir(dir)) != NULL)
			if (entry->d_name[0] != '.')
				must_be_private(dirfd(dir), entry->d_name, unseen, files);
		closedir(dir);
		return;
	}
	assert_int_equal(st.st_mode & 07777, 0600);
	char *data = malloc((size_t)st.st_size + 1);
	ssize_t n = sb_pread_full(fd, data, (size_t)st.st_size, 0);
	assert_int_equal(n, st.st_size);
	assert_null(memmem(data, (size_t)n, unseen, 20));
	assert_null(memmem(data, (size_t)n, unseen + 30, 20));
	free(data);
	close(fd);
	*files += 1;
}

static void test_folder(void **state)
{
	static const mode_t umasks[] = {0, 022, 077};
	struct fixture *x = *state;
	char text[128], id[SB_QUARANTINE_ID_SIZE];

	put_together(text);
	for (unsigned i = 0; i < 6; i++) {
		unsigned files = 0;
		mode_t old = umask(umasks[i % 3]);
		sb_quarantine_close(x->q);
		sb_scratch_remove(x->dir);
		x->files.named_temp = i >= 3;
		open_store(x);
		keep(x, text, id);
		must_be_private(AT_FDCWD, x->dir, text, &files);
		umask(old);
		assert_true(files >= 5); /* key, lock, index, -wal, -shm, object */
		must_get(x, id, text);
	}
}

static void test_not_kept(void **state)
{
	struct fixture *x = *state;
	struct given g;
	char id[SB_QUARANTINE_ID_SIZE];

	give(&g, "one thing");
	g.blake3[0] ^= 1;
	must(x, sb_quarantine_commit(x->q, &g.content, &g.record, NULL, &x->error), SB_Q_INTEGRITY);
	must_verify(x, 0, 0);
	x->refuse = SB_Q_EVENT_STORED;
	give(&g, "one thing");
	must(x, sb_quarantine_commit(x->q, &g.content, &g.record, NULL, &x->error), SB_Q_AUDIT);
	x->refuse = -1;
	reopen(x); /* and is said now */
	assert_int_equal(x->events[SB_Q_EVENT_STORED], 1);
	must_get(x, g.record.id, "one thing");
	reopen(x);
	assert_int_equal(x->events[SB_Q_EVENT_STORED], 1);
	x->files.max_size = 4000;
	reopen(x);
	keep(x, "a second thing", id);
	give(&g, "a third thing");
	must(x, sb_quarantine_commit(x->q, &g.content, &g.record, NULL, &x->error),
		SB_Q_STORAGE_FULL);
	must(x, sb_quarantine_delete(x->q, id, NULL, &x->error), SB_Q_OK);
	keep(x, "a third thing", id);
	must_verify(x, 2, 0);
}

/* A folder in which somebody worked. */
static void test_broken_folder(void **state)
{
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE], path[192], other[200];
	struct given g;
	void *self;

	keep(x, "one thing", id);
	snprintf(path, sizeof path, "%s/objects/%s", x->dir, id);
	snprintf(other, sizeof other, "%s.away", path);
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	must(x, sb_quarantine_delete(x->q, id, NULL, &x->error), SB_Q_DELETE_FAILED);
	must(x, sb_quarantine_get(x->q, id, NULL, collect, NULL, &x->error), SB_Q_RETRIEVE_FAILED);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rename(other, path), 0);
	must_get(x, id, "one thing");
	must(x, sb_quarantine_delete(x->q, id, NULL, &x->error), SB_Q_OK);
	snprintf(path, sizeof path, "%s/objects", x->dir);
	assert_int_equal(rmdir(path), 0);
	give(&g, "another thing");
	must(x, sb_quarantine_commit(x->q, &g.content, &g.record, NULL, &x->error),
		SB_Q_STORE_FAILED);
	must_verify(x, 0, 0);
	snprintf(path, sizeof path, "%s/index.sqlite", x->dir);
	x->files.dir = path;
	must(x, sb_store_files_open(&self, &x->files, &x->error), SB_Q_IO);
	x->files.dir = x->dir;
}

/* What the caller must not ask for. */
static void test_wrong_commit(void **state)
{
	struct fixture *x = *state;
	struct given g;

	give(&g, "one thing");
	g.record.state = SB_Q_RELEASED;
	must(x, sb_quarantine_commit(x->q, &g.content, &g.record, NULL, &x->error), SB_Q_INTERNAL);
	give(&g, "one thing");
	g.record.threats = "not JSON";
	must(x, sb_quarantine_commit(x->q, &g.content, &g.record, NULL, &x->error), SB_Q_INTERNAL);
	must_verify(x, 0, 0);
}

static void test_ids(void **state)
{
	static const char *const bad[] = {"..", "../key", "/etc/passwd", "", "KEY"};
	struct fixture *x = *state;
	sb_quarantine_record *record;

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		must(x, sb_quarantine_find(x->q, bad[i], &record, &x->error), SB_Q_INVALID_ID);
		must(x, sb_quarantine_get(x->q, bad[i], NULL, collect, NULL, &x->error),
			SB_Q_INVALID_ID);
		must(x, sb_quarantine_delete(x->q, bad[i], NULL, &x->error), SB_Q_INVALID_ID);
		must(x, sb_quarantine_release(x->q, bad[i], NULL, &x->error), SB_Q_INVALID_ID);
	}
	must(x, sb_quarantine_delete(x->q, "00000000000000000000000000000000", NULL, &x->error),
		SB_Q_NOT_FOUND);
}

/* --- Changing -------------------------------------------------------------------------------- */

static void check_states(struct fixture *x)
{
	struct given g;
	char id[SB_QUARANTINE_ID_SIZE];

	give(&g, "to be reviewed");
	g.record.state = SB_Q_REVIEW;
	must(x, sb_quarantine_commit(x->q, &g.content, &g.record, NULL, &x->error), SB_Q_OK);
	memcpy(id, g.record.id, sizeof id);
	assert_int_equal(state_of(x, id), SB_Q_REVIEW);
	must(x, sb_quarantine_reject(x->q, id, "bad", &x->error), SB_Q_OK);
	assert_int_equal(state_of(x, id), SB_Q_QUARANTINED);
	must(x, sb_quarantine_reject(x->q, id, "bad", &x->error), SB_Q_REFUSED);
	must(x, sb_quarantine_release(x->q, id, "good", &x->error), SB_Q_OK);
	must(x, sb_quarantine_release(x->q, id, "good", &x->error), SB_Q_REFUSED);
	assert_int_equal(state_of(x, id), SB_Q_RELEASED);
	keep(x, "to be reviewed", id); /* found again: strict again */
	assert_int_equal(state_of(x, id), SB_Q_QUARANTINED);
	must(x, sb_quarantine_hold(x->q, id, true, "court", &x->error), SB_Q_OK);
	must(x, sb_quarantine_delete(x->q, id, NULL, &x->error), SB_Q_HELD);
	assert_int_equal(x->events[SB_Q_EVENT_DELETE_INTENT], 0);
	must(x, sb_quarantine_hold(x->q, id, false, NULL, &x->error), SB_Q_OK);
	x->refuse = SB_Q_EVENT_DELETE_INTENT;
	must(x, sb_quarantine_delete(x->q, id, NULL, &x->error), SB_Q_AUDIT);
	x->refuse = -1;
	must_get(x, id, "to be reviewed");
	must(x, sb_quarantine_delete(x->q, id, NULL, &x->error), SB_Q_OK);
	must(x, sb_quarantine_delete(x->q, id, NULL, &x->error), SB_Q_NOT_FOUND);
	assert_int_equal(x->events[SB_Q_EVENT_DELETED], 1);
	must_verify(x, 0, 0);
}

static void test_states(void **state)
{
	check_states(*state);
}

static void use_memory(struct fixture *x)
{
	sb_quarantine_close(x->q);
	x->q = sb_quarantine_prepare(sb_store_memory(), NULL, &x->options);
	assert_non_null(x->q);
}

static void test_states_in_memory(void **state)
{
	struct fixture *x = *state;

	use_memory(x);
	check_states(x);
}

static void check_retention(struct fixture *x)
{
	char kept[SB_QUARANTINE_ID_SIZE], gone[SB_QUARANTINE_ID_SIZE], held[SB_QUARANTINE_ID_SIZE];
	uint64_t count, deleted;

	keep(x, "goes", gone);
	keep(x, "is held", held);
	must(x, sb_quarantine_hold(x->q, held, true, NULL, &x->error), SB_Q_OK);
	sb_clock_fake_turn(x->clock, HOUR);
	keep(x, "stays", kept);
	sb_clock_fake_turn(x->clock, HOUR + 1);
	must(x, sb_quarantine_get(x->q, gone, NULL, collect, NULL, &x->error), SB_Q_EXPIRED);
	must_get(x, held, "is held");
	must(x, sb_quarantine_count(x->q, &count, &x->error), SB_Q_OK);
	assert_int_equal(count, 2);
	must(x, sb_quarantine_purge(x->q, 0, &deleted, &x->error), SB_Q_OK);
	assert_int_equal(deleted, 1);
	assert_int_equal(state_of(x, gone), SB_Q_STATE_NONE);
	must_get(x, kept, "stays");
	must_verify(x, 2, 0);
}

static void test_retention(void **state)
{
	struct fixture *x = *state;

	x->options.retention = 2 * HOUR;
	reopen(x);
	check_retention(x);
}

static void test_retention_in_memory(void **state)
{
	struct fixture *x = *state;

	x->options.retention = 2 * HOUR;
	use_memory(x);
	check_retention(x);
}

static void test_none(void **state)
{
	struct fixture *x = *state;
	struct given g;

	sb_quarantine_close(x->q);
	must(x, sb_quarantine_new(&x->q, &sb_store_none_ops, NULL, &x->options, &x->error),
		SB_Q_OK);
	give(&g, "anything");
	must(x, sb_quarantine_commit(x->q, &g.content, &g.record, NULL, &x->error),
		SB_Q_NOT_CONFIGURED);
	must_verify(x, 0, 0);
}

/* --- Lists ----------------------------------------------------------------------------------- */

struct seen {
	char text[4096];
	uint64_t last_time;
	char last_id[SB_QUARANTINE_ID_SIZE];
};

static int see(void *data, const sb_quarantine_record *record)
{
	struct seen *seen = data;

	strncat(seen->text, record->name != NULL ? record->name : "?", 20);
	seen->last_time = record->time;
	memcpy(seen->last_id, record->id, sizeof seen->last_id);
	return 0;
}

static void must_list(struct fixture *x, const sb_quarantine_filter *filter, const char *want)
{
	struct seen seen = {.text = ""};

	must(x, sb_quarantine_list(x->q, filter, see, &seen, &x->error), SB_Q_OK);
	assert_string_equal(seen.text, want);
}

static void check_lists(struct fixture *x)
{
	uint64_t start = sb_clock_wall(x->clock);
	struct seen seen = {.text = ""};
	struct given g[6];

	for (unsigned i = 0; i < 6; i++) {
		static const char *const texts[] = {"t0", "t1", "t2", "t3", "t4", "t5"};
		static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
		give(&g[i], texts[i]);
		g[i].record.name = names[i];
		g[i].record.tenant = i % 2 ? "odd" : NULL;
		g[i].record.state = i < 2 ? SB_Q_REVIEW : SB_Q_QUARANTINED;
		g[i].record.expires_at = i == 3 ? start + 4 * HOUR : 0;
		must(x, sb_quarantine_commit(x->q, &g[i].content, &g[i].record, NULL, &x->error),
			SB_Q_OK);
		sb_clock_fake_turn(x->clock, HOUR);
	}
	must_list(x, &(sb_quarantine_filter){0}, "fecba");
	must_list(x, &(sb_quarantine_filter){.include_expired = true}, "fedcba");
	must_list(x, &(sb_quarantine_filter){.only_expired = true}, "d");
	must_list(x, &(sb_quarantine_filter){.tenant = "odd"}, "fb");
	must_list(x, &(sb_quarantine_filter){.tenant = ""}, "eca");
	must_list(x, &(sb_quarantine_filter){.state = SB_Q_REVIEW}, "ba");
	must_list(x, &(sb_quarantine_filter){.hash = g[4].blake3}, "e");
	must_list(x, &(sb_quarantine_filter){.hash = g[5].sha256}, "f");
	must_list(x, &(sb_quarantine_filter){.after = start + HOUR, .before = start + 4 * HOUR},
		"ecb");
	must_list(x, &(sb_quarantine_filter){.limit = 2, .offset = 1}, "ec");
	must_list(x, &(sb_quarantine_filter){.offset = 9}, "");
	for (sb_quarantine_filter page = {.limit = 2}; page.offset == 0;) {
		struct seen before = seen;
		must(x, sb_quarantine_list(x->q, &page, see, &seen, &x->error), SB_Q_OK);
		if (strcmp(before.text, seen.text) == 0)
			break;
		page.cursor_time = seen.last_time;
		page.cursor_id = seen.last_id;
	}
	assert_string_equal(seen.text, "fecba");
}

static void test_lists(void **state)
{
	check_lists(*state);
}

static void test_lists_in_memory(void **state)
{
	struct fixture *x = *state;

	use_memory(x);
	check_lists(x);
}

/* --- The index ------------------------------------------------------------------------------- */

static void sql(const struct fixture *x, const char *text)
{
	char path[160];
	sqlite3 *db;

	snprintf(path, sizeof path, "%s/index.sqlite", x->dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

static int write_json(void *data, const sb_quarantine_record *record)
{
	sb_record_json(data, record);
	sb_buf_char(data, '\n');
	return 0;
}

static void list_all(struct fixture *x, sb_buf *out)
{
	const sb_quarantine_filter all = {.include_expired = true};

	sb_buf_init(out, 1 << 20);
	must(x, sb_quarantine_list(x->q, &all, write_json, out, &x->error), SB_Q_OK);
}

/* Q3: whatever happened to objects, a rebuilt index says the same. */
static void test_rebuild(void **state)
{
	struct fixture *x = *state;
	char ids[3][SB_QUARANTINE_ID_SIZE], path[160];
	struct given g;
	sb_buf before, after;
	uint64_t objects;

	keep(x, "first", ids[0]);
	keep(x, "second", ids[1]);
	give(&g, "third");
	g.record.name = "bytes \xff\xfe\n";
	g.record.name_length = 9;
	g.record.path = "/\xf0:x";
	g.record.path_length = 4;
	g.record.tenant = "t";
	g.record.threats = "[{\"name\":\"A\",\"severity\":\"high\"}]";
	g.record.engines = "[{\"engine\":\"yara\",\"version\":\"4.2.3\"}]";
	g.record.metadata = "{\"k\":\"v\"}";
	must(x, sb_quarantine_commit(x->q, &g.content, &g.record, NULL, &x->error), SB_Q_OK);
	must(x, sb_quarantine_release(x->q, ids[0], NULL, &x->error), SB_Q_OK);
	must(x, sb_quarantine_hold(x->q, ids[1], true, NULL, &x->error), SB_Q_OK);
	list_all(x, &before);
	must(x, sb_store_files_rebuild(&x->files, &objects, &x->error), SB_Q_BUSY);
	sb_quarantine_close(x->q);
	must(x, sb_store_files_rebuild(&x->files, &objects, &x->error), SB_Q_OK);
	assert_int_equal(objects, 3);
	open_store(x);
	list_all(x, &after);
	assert_string_equal(before.data, after.data);
	sb_buf_done(&after);
	sb_quarantine_close(x->q);
	snprintf(path, sizeof path, "%s/index.sqlite", x->dir);
	unlinkat(AT_FDCWD, path, 0);
	open_store(x);
	list_all(x, &after);
	assert_string_equal(before.data, after.data);
	must_verify(x, 3, 0);
	sb_buf_done(&before);
	sb_buf_done(&after);
}

static void test_swapped_rows(void **state)
{
	static const char *const swaps[] = {
		"CREATE TEMP TABLE b AS SELECT * FROM objects;"
		"UPDATE objects SET record = (SELECT record FROM b WHERE b.id <> objects.id)",
		"CREATE TEMP TABLE b AS SELECT * FROM objects;"
		"UPDATE objects SET blake3 = (SELECT blake3 FROM b WHERE b.id <> objects.id)",
		"UPDATE objects SET id = CASE id WHEN (SELECT min(id) FROM objects) THEN"
		" 'ffffffffffffffffffffffffffffffff' ELSE id END",
		"UPDATE objects SET state = 3", "UPDATE objects SET hold = 1",
		"UPDATE objects SET expires = 5", "UPDATE objects SET tenant = 'x'",
		"UPDATE objects SET size = size + 1"};
	struct fixture *x = *state;
	char ids[2][SB_QUARANTINE_ID_SIZE];
	uint64_t objects;

	keep(x, "first", ids[0]);
	keep(x, "second", ids[1]);
	for (unsigned i = 0; i < sizeof swaps / sizeof swaps[0]; i++) {
		sb_quarantine_verified v;
		sql(x, swaps[i]);
		must(x, sb_quarantine_verify(x->q, NULL, &v, NULL, NULL, &x->error), SB_Q_OK);
		if (v.bad != (i == 2 ? 1 : 2) || v.strays != (i == 2))
			fail_msg("%s: %llu bad", swaps[i], (unsigned long long)v.bad);
		sb_quarantine_close(x->q);
		must(x, sb_store_files_rebuild(&x->files, &objects, &x->error), SB_Q_OK);
		open_store(x);
		must_verify(x, 2, 0);
	}
}

static void test_damaged_index(void **state)
{
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE], path[160];
	uint64_t objects;
	void *self;
	int fd;

	keep(x, "first", id);
	sb_quarantine_close(x->q);
	x->q = NULL;
	snprintf(path, sizeof path, "%s/index.sqlite", x->dir);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(sb_pwrite_all(fd, "garbage garbage garbage", 23, 0), 0);
	close(fd);
	must(x, sb_store_files_open(&self, &x->files, &x->error), SB_Q_INTEGRITY);
	must(x, sb_store_files_rebuild(&x->files, &objects, &x->error), SB_Q_OK);
	open_store(x);
	must_get(x, id, "first");
}

/* --- Objects and keys ------------------------------------------------------------------------ */

static void flip(const struct fixture *x, const char *id, off_t at)
{
	char path[200];
	uint8_t byte;
	int fd;

	snprintf(path, sizeof path, "%s/objects/%s", x->dir, id);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void test_damaged_object(void **state)
{
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE], again[SB_QUARANTINE_ID_SIZE];

	keep(x, "first", id);
	flip(x, id, 1030);
	must(x, sb_quarantine_get(x->q, id, NULL, collect, NULL, &x->error), SB_Q_INTEGRITY);
	must_verify(x, 0, 1);
	assert_int_equal(state_of(x, id), SB_Q_DAMAGED);
	keep(x, "first", again); /* a damaged one stands for nothing */
	assert_string_not_equal(id, again);
	flip(x, id, 1030);
	must_verify(x, 2, 0);
	assert_int_equal(state_of(x, id), SB_Q_QUARANTINED);
	flip(x, again, 3);
	keep(x, "first", id);
	must_verify(x, 1, 1);
}

static void test_missing_object(void **state)
{
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE], path[200];

	keep(x, "first", id);
	snprintf(path, sizeof path, "%s/objects/%s", x->dir, id);
	assert_int_equal(unlinkat(AT_FDCWD, path, 0), 0);
	must(x, sb_quarantine_get(x->q, id, NULL, collect, NULL, &x->error), SB_Q_INTEGRITY);
	must_verify(x, 0, 1);
	must(x, sb_quarantine_delete(x->q, id, NULL, &x->error), SB_Q_OK);
	must_verify(x, 0, 0);
}

static void test_keys(void **state)
{
	struct fixture *x = *state;
	char ids[2][SB_QUARANTINE_ID_SIZE], path[160], aside[160];
	uint64_t moved;
	void *self;

	keep(x, "first", ids[0]);
	sb_quarantine_close(x->q);
	must(x, sb_store_files_open(&self, &x->files, &x->error), SB_Q_OK);
	must(x, sb_store_files_rotate_key(self, &moved, &x->error), SB_Q_OK);
	assert_int_equal(moved, 1);
	sb_store_files_ops.close(self);
	open_store(x);
	must_get(x, ids[0], "first");
	keep(x, "second", ids[1]);
	must_verify(x, 2, 0);
	sb_quarantine_close(x->q);
	x->q = NULL;
	snprintf(path, sizeof path, "%s/key", x->dir);
	snprintf(aside, sizeof aside, "%s/aside", x->folder);
	assert_int_equal(renameat(AT_FDCWD, path, AT_FDCWD, aside), 0);
	must(x, sb_store_files_open(&self, &x->files, &x->error), SB_Q_NO_KEY);
	assert_int_equal(renameat(AT_FDCWD, aside, AT_FDCWD, path), 0);
	open_store(x);
	must_verify(x, 2, 0);
}

/* Another process adds a key while we have the store open. */
static void test_key_added_elsewhere(void **state)
{
	struct fixture *x = *state;
	char id[SB_QUARANTINE_ID_SIZE];
	uint64_t moved;
	void *self;

	keep(x, "first", id);
	must(x, sb_store_files_open(&self, &x->files, &x->error), SB_Q_OK);
	must(x, sb_store_files_rotate_key(self, &moved, &x->error), SB_Q_OK);
	must_get(x, id, "first");
	sb_store_files_ops.close(self);
}

/* --- Threads --------------------------------------------------------------------------------- */

enum { THREADS = 4, EACH = 25 };

static void *keep_many(void *data)
{
	struct fixture *x = data;
	uintptr_t bad = 0;

	for (unsigned i = 0; i < EACH; i++) {
		char text[32];
		struct given g;
		sb_error error;

		snprintf(text, sizeof text, "content %u", i);
		give(&g, text);
		sb_error_init(&error);
		bad += sb_quarantine_commit(x->q, &g.content, &g.record, NULL, &error) != SB_Q_OK;
		if (bad)
			print_message("%s\n", error.message);
	}
	return (void *)bad;
}

/* All store the same contents at once: one object each. */
static void test_threads(void **state)
{
	struct fixture *x = *state;
	pthread_t threads[THREADS];
	uint64_t count;

	x->options.hooks.event = NULL;
	reopen(x);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, keep_many, x), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		void *bad;
		pthread_join(threads[i], &bad);
		assert_null(bad);
	}
	must(x, sb_quarantine_count(x->q, &count, &x->error), SB_Q_OK);
	assert_int_equal(count, EACH);
	must_verify(x, EACH, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_keep),
		TEST(test_folder),
		TEST(test_not_kept),
		TEST(test_broken_folder),
		TEST(test_wrong_commit),
		TEST(test_ids),
		TEST(test_states),
		TEST(test_states_in_memory),
		TEST(test_retention),
		TEST(test_retention_in_memory),
		TEST(test_none),
		TEST(test_lists),
		TEST(test_lists_in_memory),
		TEST(test_rebuild),
		TEST(test_swapped_rows),
		TEST(test_damaged_index),
		TEST(test_damaged_object),
		TEST(test_missing_object),
		TEST(test_keys),
		TEST(test_key_added_elsewhere),
		TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
