/* SPDX-License-Identifier: MIT */
/*
 * Master keys: a text file, 0600, one key a line, made at first use:
 *
 *     scanbridge-quarantine-key 1 <16 hex: key id> <64 hex: key>
 *
 * The last one wraps new object keys; those before it still unwrap old ones. An object names its
 * key by the id, which is taken from the key, so a damaged line is noticed.
 */
#ifndef SB_QUARANTINE_KEYS_H
#define SB_QUARANTINE_KEYS_H

#include "util/aead.h"
#include "quarantine/quarantine.h"

enum {
	SB_KEY_ID = 8,
	SB_KEYS_MAX = 16,
	SB_WRAPPED_KEY = SB_AEAD_NONCE + SB_AEAD_KEY + SB_AEAD_TAG
};

typedef struct sb_keys {
	size_t count;
	struct sb_master_key {
		uint8_t id[SB_KEY_ID], key[SB_AEAD_KEY];
	} list[SB_KEYS_MAX];
} sb_keys;

/* Pure; the line of the first fault, 0 when there is none. */
unsigned sb_keys_parse(sb_keys *out, const char *text, size_t length);
void sb_keys_forget(sb_keys *keys);
/* The one with this id; NULL: not here. */
const struct sb_master_key *sb_keys_find(const sb_keys *keys, const uint8_t id[SB_KEY_ID]);
const struct sb_master_key *sb_keys_active(const sb_keys *keys);

/* Read the file; with @p create, make it first if it is missing (of several processes that do,
 * one wins). Refused when others can read it. */
sb_quarantine_status sb_keys_load(sb_keys *out, const char *path, bool create,
	void (*random)(void *out, size_t length), sb_error *error);
/* Put a new key behind the others, in the file and in @p keys. */
sb_quarantine_status sb_keys_add(
	sb_keys *keys, const char *path, void (*random)(void *out, size_t length), sb_error *error);

/* @p ad: bound to the wrapped key. @p nonce is part of the result. */
bool sb_key_wrap(uint8_t out[SB_WRAPPED_KEY], const struct sb_master_key *master,
	const uint8_t nonce[SB_AEAD_NONCE], const uint8_t key[SB_AEAD_KEY], const void *ad,
	size_t ad_length);
bool sb_key_unwrap(uint8_t out[SB_AEAD_KEY], const struct sb_master_key *master,
	const uint8_t wrapped[SB_WRAPPED_KEY], const void *ad, size_t ad_length);

#endif
