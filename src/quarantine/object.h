/* SPDX-License-Identifier: MIT */
/*
 * One quarantined content as a file, format 1. All numbers little-endian.
 *
 *      0  head, 512 bytes:  8 magic "SBQUAR1\n" · 4 version · 4 length of the record · 8 key id ·
 *         16 id · 60 wrapped object key (nonce, key, tag) · 8 size of the content · zeros
 *    512  state, 512 bytes: 12 nonce · 8 sequence · 4 state · 4 legal hold · 8 expires_at (these
 *         24 sealed) · 16 tag · zeros
 *   1024  the record: JSON, sealed · 16 tag
 *      …  the content in chunks of 256 KiB, each sealed · 16 tag; at least one, the last may be
 *         shorter
 *
 * Everything is AES-256-GCM under keys derived from the object's own random key, which the
 * store's master key wraps with the rest of the head as associated data. A chunk's associated
 * data are the id, its number and whether it is the last one. The length of the file follows
 * from the head, so there is no byte that could change, go or come unnoticed.
 *
 * What changes later (the state; the wrapping) fits a sector of its own and is overwritten in
 * place: a crash leaves the old or the new one, and a full disk does not matter.
 */
#ifndef SB_QUARANTINE_OBJECT_H
#define SB_QUARANTINE_OBJECT_H

#include "quarantine/keys.h"
#include "quarantine/record.h"

enum {
	SB_OBJECT_SECTOR = 512,
	SB_OBJECT_RECORD = 2 * SB_OBJECT_SECTOR, /* where it begins */
	SB_OBJECT_CHUNK = 256 << 10,
	SB_OBJECT_ID = 16,
};
#define SB_OBJECT_SIZE_MAX (UINT64_C(1) << 50)

typedef struct sb_object_head {
	uint32_t record_length;
	uint8_t key_id[SB_KEY_ID], id[SB_OBJECT_ID], wrapped[SB_WRAPPED_KEY];
	uint64_t size;
} sb_object_head;

/* Pure. NULL, or what is wrong with it. */
const char *sb_object_head_read(sb_object_head *out, const uint8_t sector[SB_OBJECT_SECTOR]);
void sb_object_head_write(uint8_t sector[SB_OBJECT_SECTOR], const sb_object_head *head);
/* How long its file must be. */
uint64_t sb_object_file_length(const sb_object_head *head);

typedef struct sb_object_state {
	uint64_t sequence; /* grows with every change */
	sb_quarantine_state state;
	bool legal_hold;
	uint64_t expires_at;
} sb_object_state;

/* Where an object is read from. */
typedef struct sb_object_input {
	/* As sb_pread_full(). */
	ssize_t (*pread)(void *data, void *out, size_t length, uint64_t offset);
	void *data;
	uint64_t length; /* of the file */
} sb_object_input;

/* --- Writing --------------------------------------------------------------------------------- */

/*
 * A whole object into @p fd, which is empty, from offset 0; no flush. What is read must be
 * content->size bytes with that BLAKE3: else INTEGRITY, with both digests, or CHANGED.
 */
sb_quarantine_status sb_object_write(int fd, const struct sb_master_key *master,
	const sb_quarantine_record *record, const sb_quarantine_content *content,
	void (*random)(void *out, size_t length), sb_error *error);
/* The length it will have; 0 with INTERNAL when its record is too large. */
uint64_t sb_object_length_for(const sb_quarantine_record *record, uint64_t size, sb_error *error);

/* --- Reading --------------------------------------------------------------------------------- */

typedef struct sb_object {
	sb_object_input input;
	sb_object_head head;
	sb_object_state state;
	char *record; /* JSON */
	uint8_t key[SB_AEAD_KEY];
	uint8_t blake3[SB_BLAKE3_SIZE]; /* from the record */
} sb_object;

/* Head, state and record, all authentic, and the length of the file. @p id: the expected one.
 * On failure there is nothing to close. */
sb_quarantine_status sb_object_open(sb_object *object, const sb_object_input *input,
	const sb_keys *keys, const char *id, sb_error *error);
void sb_object_close(sb_object *object);
/* As the record says, and the state. */
bool sb_object_record(const sb_object *object, sb_arena *arena, sb_quarantine_record *out);
/* The content, each chunk after its authentication, and at the end its BLAKE3. NULL: check. */
sb_quarantine_status sb_object_read(
	const sb_object *object, sb_quarantine_sink sink, void *data, sb_error *error);

/* Its chunks only: what we have just sealed ourselves, and know the BLAKE3 of. */
sb_quarantine_status sb_object_authenticate(const sb_object *object, sb_error *error);

/* --- Changing in place; no flush ------------------------------------------------------------- */

/* 0, or -1 with errno. */
int sb_object_write_state(int fd, const sb_object *object, const sb_object_state *state,
	void (*random)(void *out, size_t length));
int sb_object_rewrap(int fd, const sb_object *object, const struct sb_master_key *master,
	void (*random)(void *out, size_t length));
/* The wrapped key becomes zeros: nobody opens this object again. */
int sb_object_erase(int fd);

#endif
