/* SPDX-License-Identifier: MIT */
/* Sealing a content into an object, and opening it again chunk by chunk; see object.h. */
#include "quarantine/object_own.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/io.h"
#include "util/text.h"

enum { CHUNK_AD = SB_OBJECT_ID + 8 + 1 };

static void chunk_words(uint8_t nonce[SB_AEAD_NONCE], uint8_t ad[CHUNK_AD],
	const sb_object_head *head, uint64_t number, bool last)
{
	memset(nonce, 0, SB_AEAD_NONCE);
	memcpy(ad, head->id, SB_OBJECT_ID);
	for (unsigned i = 0; i < 8; i++)
		nonce[i] = ad[SB_OBJECT_ID + i] = (uint8_t)(number >> (8 * i));
	ad[CHUNK_AD - 1] = last;
}

static sb_aead *aead_for(const uint8_t key[SB_AEAD_KEY], const char *purpose, bool seal)
{
	uint8_t own[SB_AEAD_KEY];
	sb_aead *aead;

	sb_key_derive(own, key, purpose);
	aead = sb_aead_new(own, seal);
	sb_key_forget(own, sizeof own);
	return aead;
}

static sb_quarantine_status no_memory(sb_error *error)
{
	return sb_quarantine_fail(error, SB_Q_INTERNAL, 0, "out of memory");
}

/* --- Writing --------------------------------------------------------------------------------- */

struct writer {
	int fd;
	const sb_object_head *head;
	const sb_quarantine_content *content;
	uint8_t *plain, *sealed;
	sb_aead *aead;
	sb_blake3 *blake3;
};

static sb_quarantine_status cannot_write(sb_error *error)
{
	bool full = errno == ENOSPC || errno == EDQUOT;

	return sb_quarantine_fail(error, full ? SB_Q_STORAGE_FULL : SB_Q_STORE_FAILED, errno,
		"quarantine: cannot write an object");
}

static sb_quarantine_status write_chunk(struct writer *w, uint64_t number, sb_error *error)
{
	uint64_t offset = number * SB_OBJECT_CHUNK, left = w->content->size - offset;
	size_t length = left < SB_OBJECT_CHUNK ? (size_t)left : SB_OBJECT_CHUNK;
	uint8_t nonce[SB_AEAD_NONCE], ad[CHUNK_AD];
	int64_t n = 0;

	if (length > 0)
		n = w->content->read(w->content->data, offset, w->plain, length, error);
	if (n < 0)
		return SB_Q_IO;
	if ((size_t)n != length)
		return sb_quarantine_fail(error, SB_Q_CHANGED, 0,
			"quarantine: the content is shorter than the %llu bytes that were scanned",
			(unsigned long long)w->content->size);
	sb_blake3_update(w->blake3, w->plain, length);
	chunk_words(nonce, ad, w->head, number, length == left);
	if (!sb_aead_seal(w->aead, nonce, ad, sizeof ad, w->plain, length, w->sealed))
		return no_memory(error);
	if (sb_write_all(w->fd, w->sealed, length + SB_AEAD_TAG) != 0)
		return cannot_write(error);
	return SB_Q_OK;
}

static sb_quarantine_status write_chunks(struct writer *w, sb_error *error)
{
	uint64_t chunks = sb_object_chunks(w->content->size);
	uint8_t actual[SB_BLAKE3_SIZE];
	sb_quarantine_status status = SB_Q_OK;

	for (uint64_t i = 0; status == SB_Q_OK && i < chunks; i++)
		status = write_chunk(w, i, error);
	if (status != SB_Q_OK)
		return status;
	sb_blake3_final(w->blake3, actual);
	if (memcmp(actual, w->content->blake3, sizeof actual) != 0)
		return sb_quarantine_mismatch(error,
			"quarantine: the content is not what was scanned", w->content->blake3,
			actual);
	return SB_Q_OK;
}

static sb_quarantine_status write_content(int fd, const sb_object_head *head,
	const uint8_t key[SB_AEAD_KEY], const sb_quarantine_content *content, sb_error *error)
{
	struct writer w = {fd, head, content, malloc(SB_OBJECT_CHUNK),
		malloc(SB_OBJECT_CHUNK + SB_AEAD_TAG), aead_for(key, "content", true),
		sb_blake3_new()};
	sb_quarantine_status status;

	if (w.plain == NULL || w.sealed == NULL || w.aead == NULL || w.blake3 == NULL)
		status = no_memory(error);
	else
		status = write_chunks(&w, error);
	if (w.plain != NULL)
		sb_key_forget(w.plain, SB_OBJECT_CHUNK);
	free(w.plain);
	free(w.sealed);
	sb_aead_free(w.aead);
	sb_blake3_free(w.blake3);
	return status;
}

/* Head, state and record as they stand before the content. */
static bool seal_front(uint8_t *out, sb_object_head *head, const uint8_t key[SB_AEAD_KEY],
	const sb_object_state *state, const struct sb_master_key *master, const sb_buf *record,
	void (*random)(void *out, size_t length))
{
	static const uint8_t nonce[SB_AEAD_NONCE];
	sb_aead *aead = aead_for(key, "record", true);
	bool good = aead != NULL && sb_object_wrap(head, master, key, random) &&
		    sb_object_state_seal(out + SB_OBJECT_SECTOR, head, key, state, random) &&
		    sb_aead_seal(aead, nonce, head->id, SB_OBJECT_ID, record->data, record->length,
			    out + SB_OBJECT_RECORD);

	sb_object_head_write(out, head);
	sb_aead_free(aead);
	return good;
}

static sb_quarantine_status write_object(int fd, const struct sb_master_key *master,
	const sb_quarantine_record *record, const sb_buf *text,
	const sb_quarantine_content *content, void (*random)(void *out, size_t length),
	sb_error *error)
{
	sb_object_head head = {.record_length = (uint32_t)text->length, .size = content->size};
	sb_object_state state = {1, record->state, record->legal_hold, record->expires_at};
	size_t length = SB_OBJECT_RECORD + text->length + SB_AEAD_TAG;
	uint8_t *front = malloc(length), key[SB_AEAD_KEY];
	sb_quarantine_status status = SB_Q_OK;

	random(key, sizeof key);
	if (!sb_unhex(head.id, SB_OBJECT_ID, record->id, SB_QUARANTINE_ID) || front == NULL ||
		!seal_front(front, &head, key, &state, master, text, random))
		status = no_memory(error);
	else if (sb_write_all(fd, front, length) != 0)
		status = cannot_write(error);
	free(front);
	if (status == SB_Q_OK)
		status = write_content(fd, &head, key, content, error);
	sb_key_forget(key, sizeof key);
	return status;
}

sb_quarantine_status sb_object_write(int fd, const struct sb_master_key *master,
	const sb_quarantine_record *record, const sb_quarantine_content *content,
	void (*random)(void *out, size_t length), sb_error *error)
{
	sb_quarantine_status status;
	sb_buf text;

	sb_buf_init(&text, SB_RECORD_MAX);
	status = sb_record_write(&text, record, error);
	if (status == SB_Q_OK)
		status = write_object(fd, master, record, &text, content, random, error);
	sb_buf_done(&text);
	return status;
}

uint64_t sb_object_length_for(const sb_quarantine_record *record, uint64_t size, sb_error *error)
{
	sb_object_head head = {.size = size};
	uint64_t length = 0;
	sb_buf text;

	sb_buf_init(&text, SB_RECORD_MAX);
	if (size > SB_OBJECT_SIZE_MAX)
		sb_quarantine_fail(error, SB_Q_INTERNAL, 0, "quarantine: the content is too large");
	else if (sb_record_write(&text, record, error) == SB_Q_OK) {
		head.record_length = (uint32_t)text.length;
		length = sb_object_file_length(&head);
	}
	sb_buf_done(&text);
	return length;
}

/* --- Opening --------------------------------------------------------------------------------- */

static sb_quarantine_status bad(const char *id, const char *why, sb_error *error)
{
	return sb_quarantine_fail(error, SB_Q_INTEGRITY, 0, "quarantine object %s: %s", id, why);
}

static sb_quarantine_status read_at(const sb_object *object, void *out, size_t length,
	uint64_t offset, const char *id, sb_error *error)
{
	ssize_t n = object->input.pread(object->input.data, out, length, offset);

	if (n < 0)
		return sb_quarantine_fail(error, SB_Q_RETRIEVE_FAILED, errno,
			"quarantine object %s: cannot read", id);
	return (size_t)n == length ? SB_Q_OK : bad(id, "it is too short", error);
}

static sb_quarantine_status open_key(
	sb_object *object, const sb_keys *keys, const char *id, sb_error *error)
{
	const struct sb_master_key *master = sb_keys_find(keys, object->head.key_id);
	char digits[2 * SB_KEY_ID + 1];
	uint8_t raw[SB_OBJECT_ID];

	if (!sb_unhex(raw, sizeof raw, id, SB_QUARANTINE_ID) ||
		memcmp(raw, object->head.id, sizeof raw) != 0)
		return bad(id, "it bears another id inside", error);
	if (object->input.length != sb_object_file_length(&object->head))
		return bad(id, "its length is wrong", error);
	if (master == NULL) {
		sb_hex(digits, object->head.key_id, SB_KEY_ID);
		return sb_quarantine_fail(error, SB_Q_NO_KEY, 0,
			"quarantine object %s: its key %s isn't in the key file: put back the file "
			"that has it",
			id, digits);
	}
	if (!sb_object_unwrap(object->key, &object->head, master))
		return bad(id, "its head is not authentic", error);
	return SB_Q_OK;
}

static sb_quarantine_status open_record(sb_object *object, const char *id, sb_error *error)
{
	static const uint8_t nonce[SB_AEAD_NONCE];
	size_t length = object->head.record_length;
	uint8_t *sealed = malloc(length + SB_AEAD_TAG);
	sb_aead *aead = aead_for(object->key, "record", false);
	sb_quarantine_status status;

	object->record = malloc(length + 1);
	if (sealed == NULL || aead == NULL || object->record == NULL)
		status = no_memory(error);
	else
		status = read_at(object, sealed, length + SB_AEAD_TAG, SB_OBJECT_RECORD, id, error);
	if (status == SB_Q_OK && !sb_aead_open(aead, nonce, object->head.id, SB_OBJECT_ID, sealed,
					 length, object->record))
		status = bad(id, "its record is not authentic", error);
	if (object->record != NULL)
		object->record[length] = '\0';
	sb_aead_free(aead);
	free(sealed);
	return status;
}

static sb_quarantine_status open_state(sb_object *object, const char *id, sb_error *error)
{
	uint8_t sector[SB_OBJECT_SECTOR];
	sb_quarantine_status status =
		read_at(object, sector, sizeof sector, SB_OBJECT_SECTOR, id, error);

	if (status == SB_Q_OK &&
		!sb_object_state_open(&object->state, &object->head, object->key, sector))
		return bad(id, "its state is not authentic", error);
	return status;
}

/* An authentic record of another content would be our own fault, and is not believed either. */
static sb_quarantine_status check_record(sb_object *object, const char *id, sb_error *error)
{
	sb_quarantine_record record;
	sb_arena arena;
	bool good;

	sb_arena_init(&arena, SB_RECORD_ARENA);
	good = sb_object_record(object, &arena, &record) && strcmp(record.id, id) == 0 &&
	       record.size == object->head.size;
	if (good)
		memcpy(object->blake3, record.blake3, sizeof object->blake3);
	sb_arena_done(&arena);
	return good ? SB_Q_OK : bad(id, "its record is none of this content", error);
}

sb_quarantine_status sb_object_open(sb_object *object, const sb_object_input *input,
	const sb_keys *keys, const char *id, sb_error *error)
{
	uint8_t sector[SB_OBJECT_SECTOR];
	sb_quarantine_status status;
	const char *why;

	*object = (sb_object){.input = *input};
	status = read_at(object, sector, sizeof sector, 0, id, error);
	if (status != SB_Q_OK)
		return status;
	why = sb_object_head_read(&object->head, sector);
	status = why != NULL ? bad(id, why, error) : open_key(object, keys, id, error);
	if (status == SB_Q_OK)
		status = open_state(object, id, error);
	if (status == SB_Q_OK)
		status = open_record(object, id, error);
	if (status == SB_Q_OK)
		status = check_record(object, id, error);
	if (status != SB_Q_OK)
		sb_object_close(object);
	return status;
}

void sb_object_close(sb_object *object)
{
	free(object->record);
	object->record = NULL;
	sb_key_forget(object->key, sizeof object->key);
}

bool sb_object_record(const sb_object *object, sb_arena *arena, sb_quarantine_record *out)
{
	*out = (sb_quarantine_record){0};
	out->state = object->state.state;
	out->legal_hold = object->state.legal_hold;
	out->expires_at = object->state.expires_at;
	return sb_record_read(out, object->record, object->head.record_length, arena);
}

/* --- Reading --------------------------------------------------------------------------------- */

struct opener {
	const sb_object *object;
	char id[SB_QUARANTINE_ID_SIZE];
	uint8_t *plain, *sealed;
	sb_aead *aead;
	sb_blake3 *blake3;
};

static sb_quarantine_status read_chunk(
	struct opener *o, uint64_t number, sb_quarantine_sink sink, void *data, sb_error *error)
{
	const sb_object_head *head = &o->object->head;
	uint64_t at = SB_OBJECT_RECORD + head->record_length + SB_AEAD_TAG +
		      number * (SB_OBJECT_CHUNK + SB_AEAD_TAG);
	uint64_t left = head->size - number * SB_OBJECT_CHUNK;
	size_t length = left < SB_OBJECT_CHUNK ? (size_t)left : SB_OBJECT_CHUNK;
	uint8_t nonce[SB_AEAD_NONCE], ad[CHUNK_AD];
	sb_quarantine_status status =
		read_at(o->object, o->sealed, length + SB_AEAD_TAG, at, o->id, error);

	if (status != SB_Q_OK)
		return status;
	chunk_words(nonce, ad, head, number, length == left);
	if (!sb_aead_open(o->aead, nonce, ad, sizeof ad, o->sealed, length, o->plain))
		return sb_quarantine_fail(error, SB_Q_INTEGRITY, 0,
			"quarantine object %s: chunk %llu is not authentic", o->id,
			(unsigned long long)number);
	if (o->blake3 != NULL)
		sb_blake3_update(o->blake3, o->plain, length);
	if (sink != NULL && length > 0 && sink(data, o->plain, length) != 0)
		return sb_quarantine_fail(error, SB_Q_RETRIEVE_FAILED, errno,
			"quarantine object %s: cannot write what was read", o->id);
	return SB_Q_OK;
}

static sb_quarantine_status read_chunks(
	struct opener *o, sb_quarantine_sink sink, void *data, sb_error *error)
{
	uint64_t chunks = sb_object_chunks(o->object->head.size);
	uint8_t actual[SB_BLAKE3_SIZE];
	sb_quarantine_status status = SB_Q_OK;

	for (uint64_t i = 0; status == SB_Q_OK && i < chunks; i++)
		status = read_chunk(o, i, sink, data, error);
	if (status != SB_Q_OK || o->blake3 == NULL)
		return status;
	sb_blake3_final(o->blake3, actual);
	if (memcmp(actual, o->object->blake3, sizeof actual) != 0)
		return sb_quarantine_mismatch(error, o->id, o->object->blake3, actual);
	return SB_Q_OK;
}

static sb_quarantine_status read_content(
	const sb_object *object, bool digest, sb_quarantine_sink sink, void *data, sb_error *error)
{
	struct opener o = {.object = object,
		.plain = malloc(SB_OBJECT_CHUNK),
		.sealed = malloc(SB_OBJECT_CHUNK + SB_AEAD_TAG),
		.aead = aead_for(object->key, "content", false),
		.blake3 = digest ? sb_blake3_new() : NULL};
	sb_quarantine_status status;

	sb_hex(o.id, object->head.id, SB_OBJECT_ID);
	if (o.plain == NULL || o.sealed == NULL || o.aead == NULL || (digest && o.blake3 == NULL))
		status = no_memory(error);
	else
		status = read_chunks(&o, sink, data, error);
	if (o.plain != NULL)
		sb_key_forget(o.plain, SB_OBJECT_CHUNK);
	free(o.plain);
	free(o.sealed);
	sb_aead_free(o.aead);
	sb_blake3_free(o.blake3);
	return status;
}

sb_quarantine_status sb_object_read(
	const sb_object *object, sb_quarantine_sink sink, void *data, sb_error *error)
{
	return read_content(object, true, sink, data, error);
}

sb_quarantine_status sb_object_authenticate(const sb_object *object, sb_error *error)
{
	return read_content(object, false, NULL, NULL, error);
}
