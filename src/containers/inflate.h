/* SPDX-License-Identifier: MIT */
/* Deflate streams (zlib's format, or none at all around them) into a sink. */
#ifndef SB_CONTAINERS_INFLATE_H
#define SB_CONTAINERS_INFLATE_H

#include "containers/decode.h"

typedef enum sb_inflated {
	SB_INFLATED_WHOLE,
	SB_INFLATED_PART,    /* the beginning; then it is damaged or cut */
	SB_INFLATED_NOTHING, /* no such stream */
} sb_inflated;

/* Look at sink->stopped as well. */
sb_inflated sb_inflate(sb_sink *sink, const uint8_t *data, size_t size);

#endif
