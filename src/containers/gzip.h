/* SPDX-License-Identifier: MIT */
/* Where the fields of a gzip header lie (RFC 1952). Pure. */
#ifndef SB_CONTAINERS_GZIP_H
#define SB_CONTAINERS_GZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sb_gzip_header {
	size_t extra, extra_size; /* the extra field, without its length */
	size_t name, name_size;
	size_t comment, comment_size;
	size_t end; /* behind the header */
} sb_gzip_header;

/* false: cut off, or no gzip. */
bool sb_gzip_header_read(sb_gzip_header *out, const uint8_t *data, size_t size);

#endif
