/* SPDX-License-Identifier: MIT */
/*
 * Digests over memory and streams: BLAKE3 by its official sources, SHA-256 and MD5 by
 * OpenSSL's low-level functions. Those are deprecated in favour of EVP, and still the right
 * ones here: an EVP context lives on the heap, so a digest could fail for want of memory, and
 * setting one up costs more than hashing a short audit record.
 * Large files: blake3_tree.c.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "util/hash.h"

#include <stdlib.h>

#include <openssl/md5.h>
#include <openssl/sha.h>

#include "blake3.h"

struct sb_blake3 {
	blake3_hasher hasher;
};

sb_blake3 *sb_blake3_new(void)
{
	sb_blake3 *hasher = malloc(sizeof *hasher);

	if (hasher != NULL)
		blake3_hasher_init(&hasher->hasher);
	return hasher;
}

void sb_blake3_free(sb_blake3 *hasher)
{
	free(hasher);
}

void sb_blake3_reset(sb_blake3 *hasher)
{
	blake3_hasher_init(&hasher->hasher);
}

void sb_blake3_update(sb_blake3 *hasher, const void *data, size_t length)
{
	blake3_hasher_update(&hasher->hasher, data, length);
}

void sb_blake3_final(const sb_blake3 *hasher, uint8_t out[SB_BLAKE3_SIZE])
{
	blake3_hasher_finalize(&hasher->hasher, out, SB_BLAKE3_SIZE);
}

void sb_blake3_memory(const void *data, size_t length, uint8_t out[SB_BLAKE3_SIZE])
{
	blake3_hasher hasher;

	blake3_hasher_init(&hasher);
	blake3_hasher_update(&hasher, data, length);
	blake3_hasher_finalize(&hasher, out, SB_BLAKE3_SIZE);
}

void sb_blake3_keyed(const uint8_t key[SB_BLAKE3_SIZE], const void *data, size_t length,
	uint8_t out[SB_BLAKE3_SIZE])
{
	blake3_hasher hasher;

	blake3_hasher_init_keyed(&hasher, key);
	blake3_hasher_update(&hasher, data, length);
	blake3_hasher_finalize(&hasher, out, SB_BLAKE3_SIZE);
}

struct sb_digester {
	sb_digest_type type;
	union {
		SHA256_CTX sha256;
		MD5_CTX md5;
	};
};

static void start(sb_digester *digester)
{
	if (digester->type == SB_DIGESTER_SHA256)
		SHA256_Init(&digester->sha256);
	else
		MD5_Init(&digester->md5);
}

sb_digester *sb_digester_new(sb_digest_type type)
{
	sb_digester *digester = malloc(sizeof *digester);

	if (digester != NULL) {
		digester->type = type;
		start(digester);
	}
	return digester;
}

void sb_digester_free(sb_digester *digester)
{
	free(digester);
}

void sb_digester_update(sb_digester *digester, const void *data, size_t length)
{
	if (digester->type == SB_DIGESTER_SHA256)
		SHA256_Update(&digester->sha256, data, length);
	else
		MD5_Update(&digester->md5, data, length);
}

void sb_digester_final(sb_digester *digester, uint8_t *out)
{
	if (digester->type == SB_DIGESTER_SHA256)
		SHA256_Final(out, &digester->sha256);
	else
		MD5_Final(out, &digester->md5);
	start(digester);
}

void sb_sha256_memory(const void *data, size_t length, uint8_t out[SB_SHA256_SIZE])
{
	SHA256_CTX context;

	SHA256_Init(&context);
	SHA256_Update(&context, data, length);
	SHA256_Final(out, &context);
}

void sb_md5_memory(const void *data, size_t length, uint8_t out[SB_MD5_SIZE])
{
	MD5_CTX context;

	MD5_Init(&context);
	MD5_Update(&context, data, length);
	MD5_Final(out, &context);
}
