/* SPDX-License-Identifier: MIT */
/*
 * AES-256-GCM (NIST SP 800-38D): 12 bytes of nonce, 16 of tag, associated data. One context
 * for one key and one direction; what fails to open leaves nothing of itself behind.
 */
#ifndef SB_UTIL_AEAD_H
#define SB_UTIL_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SB_AEAD_KEY = 32, SB_AEAD_NONCE = 12, SB_AEAD_TAG = 16 };

typedef struct sb_aead sb_aead;

/* NULL: no memory. */
sb_aead *sb_aead_new(const uint8_t key[SB_AEAD_KEY], bool seal);
void sb_aead_free(sb_aead *aead);
/* @p out: length bytes and the tag. */
bool sb_aead_seal(sb_aead *aead, const uint8_t nonce[SB_AEAD_NONCE], const void *ad,
	size_t ad_length, const void *in, size_t length, uint8_t *out);
/* @p in: length bytes and the tag. False: not authentic, and @p out is zeros. */
bool sb_aead_open(sb_aead *aead, const uint8_t nonce[SB_AEAD_NONCE], const void *ad,
	size_t ad_length, const uint8_t *in, size_t length, void *out);

/* A key for one purpose: HMAC-SHA-256 of @p label. */
void sb_key_derive(uint8_t out[SB_AEAD_KEY], const uint8_t key[SB_AEAD_KEY], const char *label);
void sb_key_forget(void *key, size_t length);

#endif
