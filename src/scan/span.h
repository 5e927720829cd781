/* SPDX-License-Identifier: MIT */
/* Bytes with a length: names and identities from outside, which may hold anything. */
#ifndef SB_SCAN_SPAN_H
#define SB_SCAN_SPAN_H

#include <stddef.h>

typedef struct sb_span {
	const char *data; /* NULL: not given; else NUL-terminated behind length */
	size_t length;
} sb_span;

#endif
