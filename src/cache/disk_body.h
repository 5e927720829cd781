/* SPDX-License-Identifier: MIT */
/* The inside of the part on disk: disk.c opens and reads, disk_write.c writes and forgets. */
#ifndef SB_CACHE_DISK_BODY_H
#define SB_CACHE_DISK_BODY_H

#include <pthread.h>
#include <sqlite3.h>

#include "cache/disk.h"
#include "cache/key.h"

enum { SB_DISK_PAGE = 4096, SB_DISK_KEY_BITS = 20 };

/* The k of one content differ in these bits. */
#define SB_DISK_KEYS ((INT64_C(1) << SB_DISK_KEY_BITS) - 1)

/* A connection to database `number`, as that page had it; db NULL: none. */
typedef struct sb_disk_link {
	sqlite3 *db;
	const sb_page *page;
	uint64_t number;
	sqlite3_stmt *get, *put;
} sb_disk_link;

/* Those in use, and those before: somebody may be looking at them. */
typedef struct sb_disk_keys {
	sb_mac_keys keys;
	struct sb_disk_keys *older;
} sb_disk_keys;

struct sb_disk {
	char *path;
	int dir;
	uint64_t limit, keep;
	sb_clock *clock;
	_Atomic(sb_disk_keys *) keys;

	pthread_mutex_t lock; /* guards the pool */
	pthread_cond_t freed;
	sb_disk_link readers[SB_DISK_READERS];
	sb_disk_link *idle[SB_DISK_READERS];
	unsigned idle_count;

	pthread_mutex_t write_lock; /* guards the writer */
	sb_disk_link writer;
	int wal_frames;

	_Atomic(uint64_t) off_until; /* sb_clock_now(): no attempts before */
	_Atomic(uint64_t) set_aside;
	pthread_mutex_t state_lock;
	char state[256];
};

/* Open or reopen for the database in use. @p make: with its tables, if they are missing; else
 * SB_DISK_NOTHING when there are none. */
sb_disk_status sb_disk_link_to(sb_disk *disk, sb_disk_link *link, const sb_page *page, bool make);
void sb_disk_unlink_from(sb_disk_link *link);
/* Statements without rows; SQLITE_OK or what went wrong. */
int sb_disk_script(sb_disk_link *link, const char *sql);
/* The number that a query gives, -1: none. */
int64_t sb_disk_ask(sb_disk_link *link, const char *sql);
/* What an SQLite error means: sets a damaged database aside, notes what a person should know. */
sb_disk_status sb_disk_trouble(
	sb_disk *disk, sb_disk_link *link, const sb_page *page, const char *doing);
void sb_disk_say(sb_disk *disk, const char *format, ...) SB_PRINTF(2, 3);

/* Nobody will write any more: the log goes into the database, if it has grown. */
void sb_disk_write_back(sb_disk *disk);

/* Left alone for a while after it could not be opened. */
bool sb_disk_is_off(const sb_disk *disk);

static inline const sb_mac_keys *sb_disk_keys_of(const sb_disk *disk)
{
	return &atomic_load(&disk->keys)->keys;
}
int64_t sb_disk_place(const sb_disk *disk, const uint8_t hash[SB_BLAKE3_SIZE]);
int64_t sb_disk_key(int64_t place, const uint8_t gen[SB_GEN_SIZE]);
int64_t sb_disk_engine(const uint8_t gen[SB_GEN_SIZE]);
#endif
