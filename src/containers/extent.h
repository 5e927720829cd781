/* SPDX-License-Identifier: MIT */
/*
 * Where compressed streams end, from their structure alone: pure, nothing is unpacked. Several
 * streams in a row count as one. 0: broken or cut off.
 */
#ifndef SB_CONTAINERS_EXTENT_H
#define SB_CONTAINERS_EXTENT_H

#include <stddef.h>
#include <stdint.h>

size_t sb_extent_xz(const uint8_t *data, size_t size);
size_t sb_extent_zstd(const uint8_t *data, size_t size);
size_t sb_extent_lz4(const uint8_t *data, size_t size);

#endif
