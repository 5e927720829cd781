/* SPDX-License-Identifier: MIT */
#include "util/aead.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

struct sb_aead {
	EVP_CIPHER_CTX *context;
	bool seal;
};

sb_aead *sb_aead_new(const uint8_t key[SB_AEAD_KEY], bool seal)
{
	sb_aead *aead = calloc(1, sizeof *aead);

	if (aead == NULL)
		return NULL;
	aead->seal = seal;
	aead->context = EVP_CIPHER_CTX_new();
	if (aead->context == NULL ||
		EVP_CipherInit_ex(aead->context, EVP_aes_256_gcm(), NULL, key, NULL, seal) != 1) {
		sb_aead_free(aead);
		return NULL;
	}
	return aead;
}

void sb_aead_free(sb_aead *aead)
{
	if (aead == NULL)
		return;
	EVP_CIPHER_CTX_free(aead->context);
	free(aead);
}

static bool run(sb_aead *aead, const uint8_t *nonce, const void *ad, size_t ad_length,
	const void *in, size_t length, uint8_t *out)
{
	int done;

	return length <= INT_MAX && ad_length <= INT_MAX &&
	       EVP_CipherInit_ex(aead->context, NULL, NULL, NULL, nonce, aead->seal) == 1 &&
	       EVP_CipherUpdate(aead->context, NULL, &done, ad, (int)ad_length) == 1 &&
	       (length == 0 || (EVP_CipherUpdate(aead->context, out, &done, in, (int)length) == 1 &&
				       (size_t)done == length));
}

bool sb_aead_seal(sb_aead *aead, const uint8_t nonce[SB_AEAD_NONCE], const void *ad,
	size_t ad_length, const void *in, size_t length, uint8_t *out)
{
	int done;

	return aead->seal && run(aead, nonce, ad, ad_length, in, length, out) &&
	       EVP_CipherFinal_ex(aead->context, out + length, &done) == 1 &&
	       EVP_CIPHER_CTX_ctrl(
		       aead->context, EVP_CTRL_AEAD_GET_TAG, SB_AEAD_TAG, out + length) == 1;
}

bool sb_aead_open(sb_aead *aead, const uint8_t nonce[SB_AEAD_NONCE], const void *ad,
	size_t ad_length, const uint8_t *in, size_t length, void *out)
{
	uint8_t tag[SB_AEAD_TAG], rest[SB_AEAD_TAG];
	int done;
	bool authentic;

	memcpy(tag, in + length, sizeof tag);
	authentic =
		!aead->seal && run(aead, nonce, ad, ad_length, in, length, out) &&
		EVP_CIPHER_CTX_ctrl(aead->context, EVP_CTRL_AEAD_SET_TAG, SB_AEAD_TAG, tag) == 1 &&
		EVP_CipherFinal_ex(aead->context, rest, &done) == 1;
	if (!authentic && length > 0)
		OPENSSL_cleanse(out, length);
	return authentic;
}

void sb_key_derive(uint8_t out[SB_AEAD_KEY], const uint8_t key[SB_AEAD_KEY], const char *label)
{
	unsigned length = SB_AEAD_KEY;

	if (HMAC(EVP_sha256(), key, SB_AEAD_KEY, (const unsigned char *)label, strlen(label), out,
		    &length) == NULL)
		abort(); /* only without memory for a digest: no key is better than a wrong one */
}

void sb_key_forget(void *key, size_t length)
{
	OPENSSL_cleanse(key, length);
}
