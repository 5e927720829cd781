/* SPDX-License-Identifier: MIT */
/*
 * Where compressed streams end, from their structure alone: pure, nothing is unpacked. Several
 * streams in a row count as one. 0: broken or cut off.
 */
#ifndef SB_CONTAINERS_EXTENT_H
#define SB_CONTAINERS_EXTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

size_t sb_extent_xz(const uint8_t *data, size_t size);
size_t sb_extent_zstd(const uint8_t *data, size_t size);
size_t sb_extent_lz4(const uint8_t *data, size_t size);
/* The next frame from *@p at on, of either, that is to be skipped; false: none. @p end: that of
 * the chain, which begins at the first byte. */
bool sb_extent_skippable(const uint8_t *data, size_t end, size_t *at, size_t *from, size_t *length);

#endif
