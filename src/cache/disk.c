/* SPDX-License-Identifier: MIT */
/* Opening, reading, and what becomes of errors; see disk.h. */
#include "cache/disk_body.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/entry.h"
#include "util/io.h"
#include "util/temp.h"

enum { FORMAT = 3, READ_BUSY_MS = 100, WRITE_BUSY_MS = 2000, NAME_SIZE = 64 };

/* How long a database that can't be opened is left alone. */
static const uint64_t pause_ns = 5000 * SB_MS;

static const char schema[] =
	"CREATE TABLE verdicts(id INTEGER PRIMARY KEY, k INTEGER NOT NULL, g INTEGER NOT NULL,"
	" stored INTEGER NOT NULL, entry BLOB NOT NULL);"
	"CREATE UNIQUE INDEX verdicts_place ON verdicts(k);"
	"CREATE INDEX verdicts_engine ON verdicts(g, stored);";

/* --- State ----------------------------------------------------------------------------------- */

void sb_disk_say(sb_disk *disk, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	pthread_mutex_lock(&disk->state_lock);
	vsnprintf(disk->state, sizeof disk->state, format, args);
	pthread_mutex_unlock(&disk->state_lock);
	va_end(args);
}

void sb_disk_state(sb_disk *disk, char *out, size_t room)
{
	pthread_mutex_lock(&disk->state_lock);
	snprintf(out, room, "%s", disk->state);
	pthread_mutex_unlock(&disk->state_lock);
}

uint64_t sb_disk_set_aside(const sb_disk *disk)
{
	return atomic_load(&disk->set_aside);
}

bool sb_disk_is_off(const sb_disk *disk)
{
	uint64_t until = atomic_load_explicit(&disk->off_until, memory_order_relaxed);

	return until != 0 && sb_clock_now(disk->clock) < until;
}

/* --- Files ----------------------------------------------------------------------------------- */

static void file_name(char out[NAME_SIZE], uint64_t number, const char *suffix)
{
	snprintf(out, NAME_SIZE, "verdicts-%" PRIu64 ".sqlite%s", number, suffix);
}

static bool number_of(const char *name, uint64_t *out)
{
	static const char before[] = "verdicts-";
	char *end;

	if (strncmp(name, before, sizeof before - 1) != 0)
		return false;
	name += sizeof before - 1;
	if (*name < '1' || *name > '9')
		return false;
	errno = 0;
	*out = strtoull(name, &end, 10);
	return errno == 0 && strncmp(end, ".sqlite", 7) == 0;
}

static DIR *list(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);

	if (entries == NULL)
		sb_close(&fd);
	return entries;
}

uint64_t sb_disk_fresh_number(int dir)
{
	DIR *entries = list(dir);
	uint64_t highest = 0, number;

	for (struct dirent *e; entries != NULL && (e = readdir(entries)) != NULL;)
		if (number_of(e->d_name, &number) && number > highest)
			highest = number;
	if (entries != NULL)
		closedir(entries);
	return highest + 1;
}

void sb_disk_tidy(sb_disk *disk, const sb_page *page)
{
	uint64_t number = atomic_load(&page->body->number);
	DIR *entries = list(disk->dir);
	uint64_t old;

	for (struct dirent *e; entries != NULL && (e = readdir(entries)) != NULL;)
		if (number_of(e->d_name, &old) && old < number)
			unlinkat(disk->dir, e->d_name, 0);
	if (entries != NULL)
		closedir(entries);
}

/* SQLite would make it 0644 less the umask; its -wal and -shm take the mode from it. */
static int make_file(const sb_disk *disk, uint64_t number)
{
	char name[NAME_SIZE];
	int fd, status;

	file_name(name, number, "");
	fd = openat(disk->dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	status = fd < 0 ? -1 : sb_temp_own(disk->dir, fd);
	sb_close(&fd);
	return status;
}

static bool has_file(const sb_disk *disk, uint64_t number)
{
	char name[NAME_SIZE];
	struct stat st;

	file_name(name, number, "");
	return fstatat(disk->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Move on to the next; who loses the race finds that somebody else did. The damaged one stays for
 * people to look at, until there is another. */
static void put_aside(sb_disk *disk, const sb_page *page, uint64_t number)
{
	static const char *const suffixes[] = {"-wal", "-shm"};
	char name[NAME_SIZE];
	uint64_t expected = number;

	if (!atomic_compare_exchange_strong(&page->body->number, &expected, number + 1))
		return;
	sb_page_sync(page);
	file_name(name, number, "");
	renameat(disk->dir, name, disk->dir, "verdicts.damaged");
	for (unsigned i = 0; i < 2; i++) {
		file_name(name, number, suffixes[i]);
		unlinkat(disk->dir, name, 0);
	}
	atomic_fetch_add(&disk->set_aside, 1);
}

/* --- Connections ----------------------------------------------------------------------------- */

void sb_disk_unlink_from(sb_disk_link *link)
{
	sqlite3_finalize(link->get);
	sqlite3_finalize(link->put);
	sqlite3_close_v2(link->db);
	*link = (sb_disk_link){0};
}

sb_disk_status sb_disk_trouble(
	sb_disk *disk, sb_disk_link *link, const sb_page *page, const char *doing)
{
	int code = link->db != NULL ? sqlite3_extended_errcode(link->db) : SQLITE_NOMEM;
	uint64_t number = link->number;

	/* Somebody removed the file: the next attempt makes it anew. */
	if (code == SQLITE_READONLY_DBMOVED) {
		sb_disk_unlink_from(link);
		return SB_DISK_FAILED;
	}
	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return SB_DISK_BUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		sb_disk_unlink_from(link);
		put_aside(disk, page, number);
		return SB_DISK_FAILED;
	case SQLITE_FULL:
		sb_disk_say(disk, "%s/verdicts-%" PRIu64 ".sqlite: no room on the disk", disk->path,
			number);
		return SB_DISK_FULL;
	default:
		sb_disk_say(disk, "cannot %s %s/verdicts-%" PRIu64 ".sqlite: %s%s%s", doing,
			disk->path, number, sqlite3_errstr(code),
			link->db != NULL && sqlite3_system_errno(link->db) != 0 ? ": " : "",
			link->db != NULL && sqlite3_system_errno(link->db) != 0
				? strerror(sqlite3_system_errno(link->db))
				: "");
		sb_disk_unlink_from(link);
		atomic_store(&disk->off_until, sb_clock_now(disk->clock) + pause_ns);
		return SB_DISK_FAILED;
	}
}

int sb_disk_script(sb_disk_link *link, const char *sql)
{
	return sqlite3_exec(link->db, sql, NULL, NULL, NULL);
}

int64_t sb_disk_ask(sb_disk_link *link, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	int64_t value = -1;

	if (sqlite3_prepare_v2(link->db, sql, -1, &statement, NULL) == SQLITE_OK &&
		sqlite3_step(statement) == SQLITE_ROW)
		value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return value;
}

static int load_keys(sb_disk *disk, sb_error *error)
{
	sb_disk_keys *keys = calloc(1, sizeof *keys);

	if (keys == NULL)
		return sb_error_no_memory(error);
	if (sb_mac_keys_load(&keys->keys, disk->dir, error) != 0) {
		free(keys);
		return -1;
	}
	keys->older = atomic_load(&disk->keys);
	while (!atomic_compare_exchange_weak(&disk->keys, &keys->older, keys))
		;
	return 0;
}

/* Is it of our key? Somebody may have removed the files meanwhile, the key among them, and others
 * made a new one. */
static bool is_ours(sb_disk *disk, int64_t id)
{
	if (id != (int64_t)sb_disk_keys_of(disk)->id && load_keys(disk, NULL) != 0)
		return false;
	return id == (int64_t)sb_disk_keys_of(disk)->id;
}

/* The tables are those of this format and key; OK, NOTHING when there are none yet. */
static sb_disk_status examine(sb_disk *disk, sb_disk_link *link, const sb_page *page)
{
	int64_t format = sb_disk_ask(link, "PRAGMA user_version"), id;

	if (format < 0)
		return sb_disk_trouble(disk, link, page, "read");
	if (format == 0)
		return SB_DISK_NOTHING;
	id = sb_disk_ask(link, "PRAGMA application_id");
	if (id < 0)
		return sb_disk_trouble(disk, link, page, "read");
	if (format != FORMAT || !is_ours(disk, id)) {
		uint64_t number = link->number;

		sb_disk_unlink_from(link);
		put_aside(disk, page, number);
		return SB_DISK_FAILED;
	}
	return SB_DISK_OK;
}

static sb_disk_status make_tables(sb_disk *disk, sb_disk_link *link, const sb_page *page)
{
	char marks[96];
	sb_disk_status status;

	if (sb_disk_script(link, "PRAGMA journal_mode=WAL; BEGIN IMMEDIATE") != SQLITE_OK)
		return sb_disk_trouble(disk, link, page, "begin");
	status = examine(disk, link, page);
	if (status != SB_DISK_NOTHING) {
		if (link->db != NULL)
			sb_disk_script(link, "ROLLBACK");
		return status;
	}
	snprintf(marks, sizeof marks, "PRAGMA application_id=%" PRIu32 "; PRAGMA user_version=%d",
		sb_disk_keys_of(disk)->id, FORMAT);
	if (sb_disk_script(link, schema) != SQLITE_OK || sb_disk_script(link, marks) != SQLITE_OK ||
		sb_disk_script(link, "COMMIT") != SQLITE_OK)
		return sb_disk_trouble(disk, link, page, "make the tables of");
	return SB_DISK_OK;
}

static sb_disk_status set_up(sb_disk *disk, sb_disk_link *link, const sb_page *page, bool make)
{
	char limit[128];
	sb_disk_status status;

	sqlite3_busy_timeout(link->db, make ? WRITE_BUSY_MS : READ_BUSY_MS);
	/* Writing a log back, and making a new one next time, costs a program that scans one file
	 * more than its scan. The writer does it when it is worth it. */
	sqlite3_db_config(link->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	snprintf(limit, sizeof limit,
		"PRAGMA cache_size=-%" PRIu64
		"; PRAGMA trusted_schema=OFF; PRAGMA max_page_count=%" PRIu64,
		disk->keep / 1024, disk->limit / SB_DISK_PAGE);
	if (sb_disk_script(link, limit) != SQLITE_OK)
		return sb_disk_trouble(disk, link, page, "open");
	status = examine(disk, link, page);
	if (status == SB_DISK_NOTHING && make)
		status = make_tables(disk, link, page);
	if (status != SB_DISK_OK || !make)
		return status;
	if (sb_disk_script(link,
		    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
		    "PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=4194304") != SQLITE_OK)
		return sb_disk_trouble(disk, link, page, "open");
	return SB_DISK_OK;
}

static const char get_sql[] = "SELECT id, entry FROM verdicts WHERE k=?";
static const char put_sql[] = "INSERT OR REPLACE INTO verdicts(k, g, stored, entry)"
			      " VALUES(?, ?, ?, ?)";

sb_disk_status sb_disk_link_to(sb_disk *disk, sb_disk_link *link, const sb_page *page, bool make)
{
	uint64_t number = atomic_load(&page->body->number);
	char path[4096], name[NAME_SIZE];
	sb_disk_status status;

	if (link->db != NULL && link->number == number && link->page == page)
		return SB_DISK_OK;
	sb_disk_unlink_from(link);
	if (!make && !has_file(disk, number))
		return SB_DISK_NOTHING;
	link->number = number;
	link->page = page;
	if (make && make_file(disk, number) != 0) {
		sb_disk_say(disk, "cannot make a file in %s: %s", disk->path, strerror(errno));
		atomic_store(&disk->off_until, sb_clock_now(disk->clock) + pause_ns);
		return SB_DISK_FAILED;
	}
	file_name(name, number, "");
	if ((size_t)snprintf(path, sizeof path, "%s/%s", disk->path, name) >= sizeof path ||
		sqlite3_open_v2(path, &link->db,
			SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
			NULL) != SQLITE_OK)
		return sb_disk_trouble(disk, link, page, "open");
	status = set_up(disk, link, page, make);
	if (status == SB_DISK_OK &&
		(sqlite3_prepare_v3(link->db, get_sql, -1, SQLITE_PREPARE_PERSISTENT, &link->get,
			 NULL) != SQLITE_OK ||
			(make &&
				sqlite3_prepare_v3(link->db, put_sql, -1, SQLITE_PREPARE_PERSISTENT,
					&link->put, NULL) != SQLITE_OK)))
		status = sb_disk_trouble(disk, link, page, "open");
	if (status != SB_DISK_OK)
		sb_disk_unlink_from(link);
	return status;
}

/* --- The pool -------------------------------------------------------------------------------- */

static sb_disk_link *borrow(sb_disk *disk)
{
	sb_disk_link *link;

	pthread_mutex_lock(&disk->lock);
	while (disk->idle_count == 0)
		pthread_cond_wait(&disk->freed, &disk->lock);
	link = disk->idle[--disk->idle_count];
	pthread_mutex_unlock(&disk->lock);
	return link;
}

static void give_back(sb_disk *disk, sb_disk_link *link)
{
	pthread_mutex_lock(&disk->lock);
	disk->idle[disk->idle_count++] = link;
	pthread_cond_signal(&disk->freed);
	pthread_mutex_unlock(&disk->lock);
}

/* --- Reading --------------------------------------------------------------------------------- */

int64_t sb_disk_place(const sb_disk *disk, const uint8_t hash[SB_BLAKE3_SIZE])
{
	uint8_t digest[SB_BLAKE3_SIZE];
	int64_t place;

	sb_blake3_keyed(sb_disk_keys_of(disk)->place, hash, SB_BLAKE3_SIZE, digest);
	memcpy(&place, digest, sizeof place);
	return place & INT64_MAX;
}

/* Multiply and shift (Dietzfelbinger et al., 1997): which two engines meet differs from content
 * to content, so none is in another's way for good. */
int64_t sb_disk_key(int64_t place, const uint8_t gen[SB_GEN_SIZE])
{
	uint64_t engine, variant, mixed;

	memcpy(&engine, gen, sizeof engine);
	memcpy(&variant, gen + SB_GEN_SIZE / 2, sizeof variant);
	mixed = (engine ^ (variant << 1 | variant >> 63)) * ((uint64_t)place | 1);
	return (place & ~SB_DISK_KEYS) | (int64_t)(mixed >> (64 - SB_DISK_KEY_BITS));
}

int64_t sb_disk_engine(const uint8_t gen[SB_GEN_SIZE])
{
	int64_t engine;

	memcpy(&engine, gen, sizeof engine);
	return engine;
}

/* The length of an authentic entry in this column; 0: it isn't. */
static size_t authentic(const sb_disk *disk, sqlite3_stmt *row, int column, const uint8_t **entry)
{
	size_t size = (size_t)sqlite3_column_bytes(row, column);
	uint8_t mac[SB_MAC_SIZE];
	unsigned different = 0;

	*entry = sqlite3_column_blob(row, column);
	if (*entry == NULL || size <= SB_MAC_SIZE || size > SB_CACHE_ENTRY_MAX + SB_MAC_SIZE)
		return 0;
	size -= SB_MAC_SIZE;
	sb_blake3_keyed(sb_disk_keys_of(disk)->mac, *entry, size, mac);
	for (unsigned i = 0; i < SB_MAC_SIZE; i++)
		different |= (unsigned)(mac[i] ^ (*entry)[size + i]);
	return different == 0 ? size : 0;
}

/* Another key's entry is a miss, if this is its place, too; else somebody moved it. */
static sb_disk_status judge(const sb_disk *disk, const sb_cache_key *key, int64_t k,
	const uint8_t *entry, size_t length)
{
	sb_entry head;

	if (length == 0 || !sb_entry_head(&head, entry, length))
		return SB_DISK_DAMAGED;
	if (sb_entry_is_of(entry, key))
		return SB_DISK_OK;
	return sb_disk_key(sb_disk_place(disk, head.key.hash), head.key.gen) == k ? SB_DISK_NOTHING
										  : SB_DISK_DAMAGED;
}

static sb_disk_status get_from(sb_disk *disk, sb_disk_link *link, const sb_page *page,
	const sb_cache_key *key, uint8_t *out, size_t *length, int64_t *row)
{
	int64_t k = sb_disk_key(sb_disk_place(disk, key->hash), key->gen);
	sb_disk_status status = SB_DISK_NOTHING;
	const uint8_t *entry;
	int step;

	sqlite3_bind_int64(link->get, 1, k);
	step = sqlite3_step(link->get);
	if (step == SQLITE_ROW) {
		*row = sqlite3_column_int64(link->get, 0);
		*length = authentic(disk, link->get, 1, &entry);
		status = judge(disk, key, k, entry, *length);
		if (status == SB_DISK_OK)
			memcpy(out, entry, *length);
	} else if (step != SQLITE_DONE) {
		return sb_disk_trouble(disk, link, page, "read");
	}
	sqlite3_reset(link->get);
	return status;
}

sb_disk_status sb_disk_get(sb_disk *disk, const sb_page *page, const sb_cache_key *key,
	uint8_t *out, size_t *length, int64_t *row)
{
	sb_disk_status status = SB_DISK_FAILED;
	sb_disk_link *link;

	if (sb_disk_is_off(disk))
		return SB_DISK_FAILED;
	link = borrow(disk);
	status = sb_disk_link_to(disk, link, page, false);
	if (status == SB_DISK_OK) {
		status = get_from(disk, link, page, key, out, length, row);
		if (status == SB_DISK_BUSY)
			sqlite3_reset(link->get);
	}
	give_back(disk, link);
	return status;
}

sb_disk_status sb_disk_each(sb_disk *disk, const sb_page *page, const uint8_t hash[SB_BLAKE3_SIZE],
	int (*each)(void *data, const uint8_t *entry, size_t length), void *data)
{
	sb_disk_link *link = borrow(disk);
	sb_disk_status status = sb_disk_link_to(disk, link, page, false);
	int64_t place = sb_disk_place(disk, hash);
	sqlite3_stmt *statement = NULL;
	const uint8_t *entry;
	sb_entry head;
	int step = SQLITE_DONE;

	if (status == SB_DISK_OK) {
		step = sqlite3_prepare_v2(link->db,
			"SELECT entry FROM verdicts WHERE k BETWEEN ? AND ? ORDER BY id DESC", -1,
			&statement, NULL);
		if (step == SQLITE_OK)
			step = sqlite3_bind_int64(statement, 1, place & ~SB_DISK_KEYS);
		if (step == SQLITE_OK)
			step = sqlite3_bind_int64(statement, 2, place | SB_DISK_KEYS);
		while (step == SQLITE_OK || step == SQLITE_ROW) {
			step = sqlite3_step(statement);
			if (step == SQLITE_ROW) {
				size_t length = authentic(disk, statement, 0, &entry);

				if (length > 0 && sb_entry_head(&head, entry, length) &&
					memcmp(head.key.hash, hash, SB_BLAKE3_SIZE) == 0 &&
					each(data, entry, length) != 0)
					step = SQLITE_DONE;
			}
		}
		sqlite3_finalize(statement);
		if (step != SQLITE_DONE)
			status = sb_disk_trouble(disk, link, page, "read");
	}
	give_back(disk, link);
	return status;
}

sb_disk_status sb_disk_count(sb_disk *disk, const sb_page *page, uint64_t *entries, uint64_t *bytes)
{
	sb_disk_link *link = borrow(disk);
	sb_disk_status status = sb_disk_link_to(disk, link, page, false);

	*entries = *bytes = 0;
	if (status == SB_DISK_OK) {
		int64_t count = sb_disk_ask(link, "SELECT count(*) FROM verdicts");
		int64_t pages = sb_disk_ask(link, "PRAGMA page_count");

		if (count < 0 || pages < 0) {
			status = sb_disk_trouble(disk, link, page, "read");
		} else {
			*entries = (uint64_t)count;
			*bytes = (uint64_t)pages * SB_DISK_PAGE;
		}
	}
	give_back(disk, link);
	return status;
}

/* --- Life ------------------------------------------------------------------------------------ */

sb_disk *sb_disk_open(const sb_disk_options *options, sb_error *error)
{
	sb_disk *disk = calloc(1, sizeof *disk);

	if (disk == NULL || (disk->path = strdup(options->path)) == NULL) {
		free(disk);
		sb_error_no_memory(error);
		return NULL;
	}
	disk->dir = options->dir;
	if (load_keys(disk, error) != 0) {
		free(disk->path);
		free(disk);
		return NULL;
	}
	disk->limit = options->limit;
	disk->keep = options->keep;
	disk->clock = options->clock;
	pthread_mutex_init(&disk->lock, NULL);
	pthread_mutex_init(&disk->write_lock, NULL);
	pthread_mutex_init(&disk->state_lock, NULL);
	pthread_cond_init(&disk->freed, NULL);
	for (unsigned i = 0; i < SB_DISK_READERS; i++)
		disk->idle[disk->idle_count++] = &disk->readers[i];
	return disk;
}

void sb_disk_warm(sb_disk *disk, const sb_page *page)
{
	sb_disk_link *link = borrow(disk);

	(void)sb_disk_link_to(disk, link, page, false);
	give_back(disk, link);
}

void sb_disk_close(sb_disk *disk)
{
	if (disk == NULL)
		return;
	for (unsigned i = 0; i < SB_DISK_READERS; i++)
		sb_disk_unlink_from(&disk->readers[i]);
	sb_disk_write_back(disk);
	sb_disk_unlink_from(&disk->writer);
	for (sb_disk_keys *keys = atomic_load(&disk->keys); keys != NULL;) {
		sb_disk_keys *older = keys->older;

		sb_mac_keys_forget(&keys->keys);
		free(keys);
		keys = older;
	}
	pthread_cond_destroy(&disk->freed);
	pthread_mutex_destroy(&disk->state_lock);
	pthread_mutex_destroy(&disk->write_lock);
	pthread_mutex_destroy(&disk->lock);
	free(disk->path);
	free(disk);
}
