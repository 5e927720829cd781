/* SPDX-License-Identifier: MIT */
/* Scan ids: UUIDv7 of RFC 9562 5.7: milliseconds, then random bits. */
#ifndef SB_UTIL_UUID_H
#define SB_UTIL_UUID_H

#include <stddef.h>
#include <stdint.h>

enum { SB_UUID_SIZE = 37 };

void sb_uuid7(char out[SB_UUID_SIZE], uint64_t unix_ns);
/* Bytes from the kernel's generator, drawn in bulk per thread. */
void sb_random(void *out, size_t length);

#endif
