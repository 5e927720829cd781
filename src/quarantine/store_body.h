/* SPDX-License-Identifier: MIT */
/*
 * The file store's own: one folder,
 *
 *     objects/<id>    see object.h; without a name until whole
 *     index.sqlite    see index.h
 *     key             see keys.h
 *     lock            byte ranges: 0 opening and recovery, 1 held by all that have it open,
 *                     and one for each that writes, by which the living know the dead
 */
#ifndef SB_QUARANTINE_STORE_BODY_H
#define SB_QUARANTINE_STORE_BODY_H

#include <pthread.h>

#include "quarantine/index.h"
#include "quarantine/object.h"

typedef struct sb_store_files {
	char *dir, *key_file;
	int dir_fd, objects, lock_fd; /* -1: not open */
	pthread_mutex_t lock;         /* guards index and keys; recursive */
	sb_index index;
	sb_keys keys;
	uint64_t max_size;
	int64_t writer; /* our range in `lock` */
	void (*random)(void *out, size_t length);
	bool named_temp;
} sb_store_files;

enum { SB_LOCK_OPENING = 0, SB_LOCK_USERS = 1 };
/* Wait for a byte of the lock file; F_UNLCK gives it back. 0, or -1 with errno. */
int sb_files_lock(sb_store_files *s, int64_t byte, short type, bool wait);
bool sb_files_is_dead(sb_store_files *s, int64_t writer);

typedef struct sb_file_object {
	int fd;
	sb_object object;
	sb_object_input input;
} sb_file_object;

/* Open and authenticate all but the content. @p write: for changes in place. */
sb_quarantine_status sb_files_open_object(
	sb_store_files *s, const char *id, bool write, sb_file_object *out, sb_error *error);
void sb_files_close_object(sb_file_object *object);

/* One at a time per object: BUSY when somebody else has begun. In a transaction. */
sb_quarantine_status sb_files_pend(
	sb_store_files *s, const char *id, const char *operation, uint64_t bytes, sb_error *error);
sb_quarantine_status sb_files_unpend(
	sb_store_files *s, const char *id, const char *operation, sb_error *error);

/* The record of an object as the index has it, in the arena. */
sb_quarantine_status sb_files_find(sb_store_files *s, const char *id, sb_arena *arena,
	sb_quarantine_record *out, sb_error *error);
/* The row of an object as the object itself says. In a transaction. */
sb_quarantine_status sb_files_put_object(
	sb_store_files *s, const sb_object *object, sb_error *error);

/* store_commit.c */
sb_quarantine_status sb_files_commit(void *self, const sb_quarantine_content *content,
	sb_quarantine_record *record, bool *duplicate, sb_error *error);
sb_quarantine_status sb_files_audited(void *self, const char *id, sb_error *error);
/* The object of this content that can stand for another one; "" when there is none. In a
 * transaction. */
sb_quarantine_status sb_files_twin(sb_store_files *s, const sb_quarantine_record *record,
	char out[SB_QUARANTINE_ID_SIZE], sb_error *error);

/* store_change.c */
sb_quarantine_status sb_files_change(void *self, const char *id, sb_quarantine_state state,
	bool legal_hold, uint64_t expires_at, sb_error *error);
sb_quarantine_status sb_files_remove(void *self, const char *id, sb_error *error);
/* The parts that recovery does again. */
sb_quarantine_status sb_files_settle_change(sb_store_files *s, const char *id, sb_error *error);
sb_quarantine_status sb_files_destroy(
	sb_store_files *s, const char *id, bool *erased, sb_error *error);
sb_quarantine_status sb_files_forget(sb_store_files *s, const char *id, sb_error *error);

/* store_claims.c */
sb_quarantine_status sb_files_claim(void *self, const sb_quarantine_claim *claim, uint64_t now,
	uint64_t max_per_hour, sb_error *error);
sb_quarantine_status sb_files_settle(void *self, const char *sibling, sb_error *error);
sb_quarantine_status sb_files_recover_claims(
	sb_store_files *s, const sb_quarantine_hooks *hooks, sb_error *error);

/* store_recover.c */
sb_quarantine_status sb_files_recover(
	void *self, const sb_quarantine_hooks *hooks, sb_error *error);
/* Into the fresh index, in its transaction. */
sb_quarantine_status sb_files_fill_index(sb_store_files *s, uint64_t *objects, sb_error *error);
sb_quarantine_status sb_files_strays(
	void *self, int (*each)(void *data, const char *name), void *data, sb_error *error);
bool sb_files_has_objects(const sb_store_files *s);

#endif
