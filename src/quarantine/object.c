/* SPDX-License-Identifier: MIT */
/* The bytes of an object: its head and its changing sectors. Content is in object_content.c. */
#include "quarantine/object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "quarantine/object_own.h"
#include "util/io.h"
#include "util/text.h"

static const uint8_t magic[8] = {'S', 'B', 'Q', 'U', 'A', 'R', '1', '\n'};

enum {
	VERSION = 1,
	AT_VERSION = 8,
	AT_RECORD_LENGTH = 12,
	AT_KEY_ID = 16,
	AT_ID = 24,
	AT_WRAPPED = 40,
	AT_SIZE = AT_WRAPPED + SB_WRAPPED_KEY,
	HEAD_END = AT_SIZE + 8,
	STATE_LENGTH = 24,
	STATE_END = SB_AEAD_NONCE + STATE_LENGTH + SB_AEAD_TAG,
};

static void put(uint8_t *out, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		out[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get(const uint8_t *in, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)in[i] << (8 * i);
	return value;
}

static bool is_zero(const uint8_t *bytes, size_t length)
{
	uint8_t any = 0;

	for (size_t i = 0; i < length; i++)
		any |= bytes[i];
	return any == 0;
}

/* --- Head ------------------------------------------------------------------------------------ */

const char *sb_object_head_read(sb_object_head *out, const uint8_t sector[SB_OBJECT_SECTOR])
{
	if (memcmp(sector, magic, sizeof magic) != 0)
		return "it isn't an object of the quarantine";
	if (get(sector + AT_VERSION, 4) != VERSION)
		return "its format has another version";
	if (!is_zero(sector + HEAD_END, SB_OBJECT_SECTOR - HEAD_END))
		return "its head is damaged";
	if (is_zero(sector + AT_WRAPPED, SB_WRAPPED_KEY))
		return "its key was destroyed";
	out->record_length = (uint32_t)get(sector + AT_RECORD_LENGTH, 4);
	out->size = get(sector + AT_SIZE, 8);
	memcpy(out->key_id, sector + AT_KEY_ID, SB_KEY_ID);
	memcpy(out->id, sector + AT_ID, SB_OBJECT_ID);
	memcpy(out->wrapped, sector + AT_WRAPPED, SB_WRAPPED_KEY);
	if (out->record_length == 0 || out->record_length > SB_RECORD_MAX ||
		out->size > SB_OBJECT_SIZE_MAX)
		return "its lengths are out of range";
	return NULL;
}

void sb_object_head_write(uint8_t sector[SB_OBJECT_SECTOR], const sb_object_head *head)
{
	memset(sector, 0, SB_OBJECT_SECTOR);
	memcpy(sector, magic, sizeof magic);
	put(sector + AT_VERSION, VERSION, 4);
	put(sector + AT_RECORD_LENGTH, head->record_length, 4);
	memcpy(sector + AT_KEY_ID, head->key_id, SB_KEY_ID);
	memcpy(sector + AT_ID, head->id, SB_OBJECT_ID);
	memcpy(sector + AT_WRAPPED, head->wrapped, SB_WRAPPED_KEY);
	put(sector + AT_SIZE, head->size, 8);
}

uint64_t sb_object_chunks(uint64_t size)
{
	return size == 0 ? 1 : (size + SB_OBJECT_CHUNK - 1) / SB_OBJECT_CHUNK;
}

uint64_t sb_object_file_length(const sb_object_head *head)
{
	return SB_OBJECT_RECORD + head->record_length + SB_AEAD_TAG + head->size +
	       SB_AEAD_TAG * sb_object_chunks(head->size);
}

/* The head without its wrapped key is what the wrapped key is bound to. */
bool sb_object_wrap(sb_object_head *head, const struct sb_master_key *master,
	const uint8_t key[SB_AEAD_KEY], void (*random)(void *out, size_t length))
{
	uint8_t sector[SB_OBJECT_SECTOR], nonce[SB_AEAD_NONCE];

	memcpy(head->key_id, master->id, SB_KEY_ID);
	memset(head->wrapped, 0, SB_WRAPPED_KEY);
	sb_object_head_write(sector, head);
	random(nonce, sizeof nonce);
	return sb_key_wrap(head->wrapped, master, nonce, key, sector, sizeof sector);
}

bool sb_object_unwrap(
	uint8_t key[SB_AEAD_KEY], const sb_object_head *head, const struct sb_master_key *master)
{
	uint8_t sector[SB_OBJECT_SECTOR];
	sb_object_head bare = *head;

	memset(bare.wrapped, 0, SB_WRAPPED_KEY);
	sb_object_head_write(sector, &bare);
	return sb_key_unwrap(key, master, head->wrapped, sector, sizeof sector);
}

/* --- State ----------------------------------------------------------------------------------- */

bool sb_object_state_seal(uint8_t sector[SB_OBJECT_SECTOR], const sb_object_head *head,
	const uint8_t key[SB_AEAD_KEY], const sb_object_state *state,
	void (*random)(void *out, size_t length))
{
	uint8_t own[SB_AEAD_KEY], plain[STATE_LENGTH];
	sb_aead *aead;
	bool good;

	memset(sector, 0, SB_OBJECT_SECTOR);
	random(sector, SB_AEAD_NONCE);
	put(plain, state->sequence, 8);
	put(plain + 8, (uint64_t)state->state, 4);
	put(plain + 12, state->legal_hold, 4);
	put(plain + 16, state->expires_at, 8);
	sb_key_derive(own, key, "state");
	aead = sb_aead_new(own, true);
	good = aead != NULL && sb_aead_seal(aead, sector, head->id, SB_OBJECT_ID, plain,
				       sizeof plain, sector + SB_AEAD_NONCE);
	sb_aead_free(aead);
	sb_key_forget(own, sizeof own);
	return good;
}

bool sb_object_state_open(sb_object_state *out, const sb_object_head *head,
	const uint8_t key[SB_AEAD_KEY], const uint8_t sector[SB_OBJECT_SECTOR])
{
	uint8_t own[SB_AEAD_KEY], plain[STATE_LENGTH];
	sb_aead *aead;
	bool good;

	sb_key_derive(own, key, "state");
	aead = sb_aead_new(own, false);
	good = aead != NULL && is_zero(sector + STATE_END, SB_OBJECT_SECTOR - STATE_END) &&
	       sb_aead_open(aead, sector, head->id, SB_OBJECT_ID, sector + SB_AEAD_NONCE,
		       sizeof plain, plain);
	sb_aead_free(aead);
	sb_key_forget(own, sizeof own);
	if (!good)
		return false;
	*out = (sb_object_state){.sequence = get(plain, 8),
		.state = (sb_quarantine_state)get(plain + 8, 4),
		.legal_hold = get(plain + 12, 4) != 0,
		.expires_at = get(plain + 16, 8)};
	return out->state > SB_Q_STATE_NONE && out->state < SB_Q_DAMAGED;
}

/* --- In place -------------------------------------------------------------------------------- */

int sb_object_write_state(int fd, const sb_object *object, const sb_object_state *state,
	void (*random)(void *out, size_t length))
{
	uint8_t sector[SB_OBJECT_SECTOR];

	if (!sb_object_state_seal(sector, &object->head, object->key, state, random)) {
		errno = ENOMEM;
		return -1;
	}
	return sb_pwrite_all(fd, sector, sizeof sector, SB_OBJECT_SECTOR);
}

int sb_object_rewrap(int fd, const sb_object *object, const struct sb_master_key *master,
	void (*random)(void *out, size_t length))
{
	sb_object_head head = object->head;
	uint8_t sector[SB_OBJECT_SECTOR];

	if (!sb_object_wrap(&head, master, object->key, random)) {
		errno = ENOMEM;
		return -1;
	}
	sb_object_head_write(sector, &head);
	return sb_pwrite_all(fd, sector, sizeof sector, 0);
}

int sb_object_erase(int fd)
{
	static const uint8_t zeros[SB_WRAPPED_KEY];

	return sb_pwrite_all(fd, zeros, sizeof zeros, AT_WRAPPED);
}
