/* SPDX-License-Identifier: MIT */
/*
 * Digests. BLAKE3 (the paper and the official C sources, which do the compressing) in one
 * pass and, for large files, over several threads: the tree over chunks is ours. SHA-256
 * and MD5 by OpenSSL.
 */
#ifndef SB_UTIL_HASH_H
#define SB_UTIL_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

enum { SB_BLAKE3_SIZE = 32, SB_SHA256_SIZE = 32, SB_MD5_SIZE = 16 };

/* Streaming BLAKE3. Feed 64 KiB or more at a time: small pieces lose the wide kernels. */
typedef struct sb_blake3 sb_blake3;
sb_blake3 *sb_blake3_new(void);
void sb_blake3_free(sb_blake3 *hasher);
void sb_blake3_reset(sb_blake3 *hasher);
void sb_blake3_update(sb_blake3 *hasher, const void *data, size_t length);
void sb_blake3_final(const sb_blake3 *hasher, uint8_t out[SB_BLAKE3_SIZE]);
/* All at once; no allocation. */
void sb_blake3_memory(const void *data, size_t length, uint8_t out[SB_BLAKE3_SIZE]);
/* The keyed mode of the paper: a message authentication code. No allocation. */
void sb_blake3_keyed(const uint8_t key[SB_BLAKE3_SIZE], const void *data, size_t length,
	uint8_t out[SB_BLAKE3_SIZE]);

/*
 * The first @p size bytes of a regular file by its descriptor, from offset 0, with up to
 * @p threads threads (0: as many as help). Constant memory. Fails with `io` on a read error
 * and with `changed` when the file ends early.
 */
int sb_blake3_file(
	int fd, uint64_t size, unsigned threads, uint8_t out[SB_BLAKE3_SIZE], sb_error *error);
/* The same, and asks @p stop (NULL: never) before each piece, from any of its threads: true
 * ends it with `cancelled`. */
int sb_blake3_file_until(int fd, uint64_t size, unsigned threads, bool (*stop)(void *data),
	void *data, uint8_t out[SB_BLAKE3_SIZE], sb_error *error);

/* Streaming SHA-256 and MD5; NULL when there is no memory. */
typedef struct sb_digester sb_digester;
typedef enum sb_digest_type { SB_DIGESTER_SHA256, SB_DIGESTER_MD5 } sb_digest_type;
sb_digester *sb_digester_new(sb_digest_type type);
void sb_digester_free(sb_digester *digester);
void sb_digester_update(sb_digester *digester, const void *data, size_t length);
/* Writes 32 or 16 bytes and starts anew. */
void sb_digester_final(sb_digester *digester, uint8_t *out);
/* All at once; no allocation, can't fail: cheap for small data (audit records). */
void sb_sha256_memory(const void *data, size_t length, uint8_t out[SB_SHA256_SIZE]);
void sb_md5_memory(const void *data, size_t length, uint8_t out[SB_MD5_SIZE]);

#endif
