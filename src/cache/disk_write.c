/* SPDX-License-Identifier: MIT */
/* Writing, making room, and forgetting; see disk.h. */
#include "cache/disk_body.h"

#include <string.h>

enum {
	CHECKPOINT_FRAMES = 4000, /* of 4 KiB: written back when nobody is in the way … */
	CHECKPOINT_MUST = 16000,  /* … and waiting for readers to step aside */
	CHECKPOINT_END = 250, /* when nobody writes any more; a log has to be read at the start */
	SWEEP_ROWS = 1000,
};

/* One statement with up to two numbers; rows that it changed, -1: trouble. */
static int64_t change(sb_disk_link *link, const char *sql, int64_t first, int64_t second)
{
	sqlite3_stmt *statement = NULL;
	int64_t changed = -1;

	if (sqlite3_prepare_v2(link->db, sql, -1, &statement, NULL) != SQLITE_OK)
		return -1;
	if (sqlite3_bind_parameter_count(statement) > 0)
		sqlite3_bind_int64(statement, 1, first);
	if (sqlite3_bind_parameter_count(statement) > 1)
		sqlite3_bind_int64(statement, 2, second);
	if (sqlite3_step(statement) == SQLITE_DONE)
		changed = sqlite3_changes64(link->db);
	return sqlite3_finalize(statement) == SQLITE_OK ? changed : -1;
}

/* --- Transactions ---------------------------------------------------------------------------- */

static int note_frames(void *data, sqlite3 *db, const char *name, int frames)
{
	sb_disk *disk = data;

	(void)db;
	(void)name;
	disk->wal_frames = frames;
	return SQLITE_OK;
}

/* With the write lock of disk and database held; no counter is odd from here on but by us. */
static sb_disk_status begin(sb_disk *disk, const sb_page *page)
{
	sb_disk_link *link = &disk->writer;

	for (;;) {
		sb_disk_status status = sb_disk_link_to(disk, link, page, true);

		if (status != SB_DISK_OK)
			return status;
		sqlite3_wal_hook(link->db, note_frames, disk);
		if (sb_disk_script(link, "BEGIN IMMEDIATE") != SQLITE_OK)
			return sb_disk_trouble(disk, link, page, "write to");
		if (link->number == atomic_load(&page->body->number)) {
			sb_page_settle(page);
			return SB_DISK_OK;
		}
		sb_disk_script(link, "ROLLBACK"); /* somebody moved on to another one meanwhile */
	}
}

static sb_disk_status give_up(sb_disk *disk, const sb_page *page, const char *doing)
{
	sb_disk_link *link = &disk->writer;
	sqlite3 *db = link->db;
	sb_disk_status status = sb_disk_trouble(disk, link, page, doing);

	if (link->db != NULL && link->db == db && sqlite3_get_autocommit(db) == 0)
		sb_disk_script(link, "ROLLBACK");
	return status;
}

static sb_disk_status commit(sb_disk *disk, const sb_page *page)
{
	sb_disk_link *link = &disk->writer;

	disk->wal_frames = 0;
	if (sb_disk_script(link, "COMMIT") != SQLITE_OK)
		return give_up(disk, page, "write to");
	sb_disk_say(disk, "%s", "");
	atomic_store(&disk->off_until, 0);
	return SB_DISK_OK;
}

/* Readers that never pause would keep the log from being reused: it is waited for them. */
static void checkpoint(sb_disk *disk)
{
	if (disk->writer.db == NULL || disk->wal_frames < CHECKPOINT_FRAMES)
		return;
	sqlite3_wal_checkpoint_v2(disk->writer.db, NULL,
		disk->wal_frames < CHECKPOINT_MUST ? SQLITE_CHECKPOINT_PASSIVE
						   : SQLITE_CHECKPOINT_TRUNCATE,
		NULL, NULL);
}

void sb_disk_write_back(sb_disk *disk)
{
	if (disk->writer.db != NULL && disk->wal_frames >= CHECKPOINT_END)
		sqlite3_wal_checkpoint_v2(
			disk->writer.db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

/* --- Writing --------------------------------------------------------------------------------- */

static bool put_entry(sb_disk *disk, const sb_disk_item *item)
{
	sqlite3_stmt *put = disk->writer.put;
	uint8_t bytes[SB_CACHE_ENTRY_MAX + SB_MAC_SIZE];
	int step;

	memcpy(bytes, item->entry, item->length);
	sb_blake3_keyed(sb_disk_keys_of(disk)->mac, bytes, item->length, bytes + item->length);
	sqlite3_bind_int64(put, 1, sb_disk_key(sb_disk_place(disk, item->key.hash), item->key.gen));
	sqlite3_bind_int64(put, 2, sb_disk_engine(item->key.gen));
	sqlite3_bind_int64(put, 3, (int64_t)item->stored);
	sqlite3_bind_blob64(put, 4, bytes, item->length + SB_MAC_SIZE, SQLITE_STATIC);
	step = sqlite3_step(put);
	sqlite3_reset(put);
	sqlite3_bind_null(put, 4);
	return step == SQLITE_DONE;
}

static bool put_item(
	sb_disk *disk, const sb_page *page, const sb_disk_item *item, sb_disk_done *done)
{
	if (item->row != 0)
		return item->number != disk->writer.number ||
		       change(&disk->writer, "DELETE FROM verdicts WHERE id = ?", item->row, 0) >=
			       0;
	if (sb_page_stamp(page, &item->key) != item->stamp)
		return true; /* forgotten on the way */
	if (!put_entry(disk, item))
		return false;
	done->written++;
	return true;
}

/* A twentieth stays free, so that the limit itself is met only by surprise. */
static bool make_room(sb_disk *disk, const sb_disk_item *items, sb_disk_done *done)
{
	sb_disk_link *link = &disk->writer;
	int64_t max = (int64_t)(disk->limit / SB_DISK_PAGE), rows = 16, evicted = 1, need;
	uint64_t bytes = 0;

	for (; items != NULL; items = items->next, rows++)
		bytes += items->length + SB_MAC_SIZE;
	need = (int64_t)(bytes * 3 / 2 / SB_DISK_PAGE) + 4 + max / 20;
	while (evicted > 0) {
		int64_t pages = sb_disk_ask(link, "PRAGMA page_count");
		int64_t spare = sb_disk_ask(link, "PRAGMA freelist_count");

		if (pages < 0 || spare < 0)
			return false;
		if (max - pages + spare >= need)
			return true;
		evicted = change(link,
			"DELETE FROM verdicts WHERE id IN"
			" (SELECT id FROM verdicts ORDER BY id LIMIT ?)",
			rows, 0);
		done->evicted += evicted > 0 ? (uint64_t)evicted : 0;
	}
	return evicted == 0; /* an empty one that is too small: then it is full */
}

static sb_disk_status write_all(
	sb_disk *disk, const sb_page *page, const sb_disk_item *items, sb_disk_done *done)
{
	sb_disk_status status = begin(disk, page);

	if (status != SB_DISK_OK)
		return status;
	if (!make_room(disk, items, done))
		return give_up(disk, page, "write to");
	for (const sb_disk_item *item = items; item != NULL; item = item->next)
		if (!put_item(disk, page, item, done))
			return give_up(disk, page, "write to");
	return commit(disk, page);
}

/* Full, by its own limit or the disk's: an eighth of the rows go. */
static bool evict_eighth(sb_disk *disk, const sb_page *page, sb_disk_done *done)
{
	int64_t gone = -1;

	if (begin(disk, page) != SB_DISK_OK)
		return false;
	gone = change(&disk->writer,
		"DELETE FROM verdicts WHERE id <= (SELECT min(id) + (max(id) - min(id)) / 8"
		" FROM verdicts)",
		0, 0);
	if (gone < 0 || commit(disk, page) != SB_DISK_OK) {
		if (disk->writer.db != NULL && sqlite3_get_autocommit(disk->writer.db) == 0)
			sb_disk_script(&disk->writer, "ROLLBACK");
		return false;
	}
	done->evicted += (uint64_t)gone;
	return gone > 0;
}

sb_disk_status sb_disk_put(
	sb_disk *disk, const sb_page *page, const sb_disk_item *items, sb_disk_done *done)
{
	sb_disk_status status;

	pthread_mutex_lock(&disk->write_lock);
	*done = (sb_disk_done){0};
	status = sb_disk_is_off(disk) ? SB_DISK_FAILED : write_all(disk, page, items, done);
	if (status == SB_DISK_FULL) {
		*done = (sb_disk_done){0};
		if (evict_eighth(disk, page, done))
			status = write_all(disk, page, items, done);
	}
	if (status != SB_DISK_OK)
		done->written = 0;
	checkpoint(disk);
	pthread_mutex_unlock(&disk->write_lock);
	return status;
}

void sb_disk_sweep(sb_disk *disk, const sb_page *page, uint64_t stored)
{
	pthread_mutex_lock(&disk->write_lock);
	if (begin(disk, page) == SB_DISK_OK) {
		if (change(&disk->writer,
			    "DELETE FROM verdicts WHERE stored < ? AND id IN"
			    " (SELECT id FROM verdicts ORDER BY id LIMIT ?)",
			    (int64_t)stored, SWEEP_ROWS) >= 0)
			commit(disk, page);
		else
			give_up(disk, page, "write to");
	}
	checkpoint(disk);
	pthread_mutex_unlock(&disk->write_lock);
}

void sb_disk_settle(sb_disk *disk, const sb_page *page)
{
	if (!sb_page_is_unsettled(page))
		return;
	pthread_mutex_lock(&disk->write_lock);
	if (begin(disk, page) == SB_DISK_OK)
		sb_disk_script(&disk->writer, "ROLLBACK");
	pthread_mutex_unlock(&disk->write_lock);
}

/* --- Forgetting ------------------------------------------------------------------------------ */

/* Between begin and end of the counter nobody takes a row over into memory; what he took before
 * has the old stamp. */
static sb_disk_status delete_rows(sb_disk *disk, const sb_page *page, _Atomic(uint64_t) *counter,
	const char *sql, int64_t first, int64_t second, uint64_t *count)
{
	sb_disk_status status = begin(disk, page);
	int64_t changed = -1;

	*count = 0;
	if (status != SB_DISK_OK) {
		sb_page_move(counter);
		return status;
	}
	sb_page_begin(counter);
	changed = change(&disk->writer, sql, first, second);
	status = changed < 0 ? give_up(disk, page, "delete from") : commit(disk, page);
	sb_page_end(counter);
	if (status == SB_DISK_OK)
		*count = (uint64_t)changed;
	return status;
}

/* Unlike what is stored, what is forgotten must be so after a power failure, too. */
static sb_disk_status forget_rows(sb_disk *disk, const sb_page *page, _Atomic(uint64_t) *counter,
	const char *sql, int64_t first, int64_t second, uint64_t *count)
{
	sb_disk_status status;

	pthread_mutex_lock(&disk->write_lock);
	status = sb_disk_link_to(disk, &disk->writer, page, true);
	if (status == SB_DISK_OK &&
		sb_disk_script(&disk->writer, "PRAGMA synchronous=FULL") != SQLITE_OK)
		status = sb_disk_trouble(disk, &disk->writer, page, "write to");
	if (status == SB_DISK_OK)
		status = delete_rows(disk, page, counter, sql, first, second, count);
	else
		sb_page_move(counter);
	if (disk->writer.db != NULL)
		sb_disk_script(&disk->writer, "PRAGMA synchronous=NORMAL");
	pthread_mutex_unlock(&disk->write_lock);
	sb_page_sync(page);
	return status;
}

sb_disk_status sb_disk_forget(
	sb_disk *disk, const sb_page *page, const uint8_t hash[SB_BLAKE3_SIZE], uint64_t *count)
{
	int64_t place = sb_disk_place(disk, hash);

	return forget_rows(disk, page, sb_page_hash(page, hash),
		"DELETE FROM verdicts WHERE k BETWEEN ? AND ?", place & ~SB_DISK_KEYS,
		place | SB_DISK_KEYS, count);
}

sb_disk_status sb_disk_drop(sb_disk *disk, const sb_page *page, const uint8_t gen[SB_GEN_SIZE],
	uint64_t since, uint64_t *count)
{
	return forget_rows(disk, page, sb_page_gen(page, gen),
		"DELETE FROM verdicts WHERE g = ? AND stored >= ?", sb_disk_engine(gen),
		(int64_t)since, count);
}

/* The number first: whoever sees the new era must not read from the old database. */
void sb_disk_clear(sb_disk *disk, const sb_page *page)
{
	atomic_fetch_add(&page->body->number, 1);
	sb_page_move(&page->body->everything);
	sb_page_sync(page);
	sb_disk_tidy(disk, page);
}
