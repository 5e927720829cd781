/* SPDX-License-Identifier: MIT */
/*
 * What formats look like from outside: signatures with a look at what stands behind them, at
 * the beginning of bytes or anywhere in them. Pure.
 */
#ifndef SB_CONTAINERS_SNIFF_H
#define SB_CONTAINERS_SNIFF_H

#include "containers/reader.h"
#include "util/sieve.h"

typedef struct sb_hit {
	size_t offset;    /* where it would begin */
	size_t next;      /* where the search goes on */
	const char *type; /* `zip`, `7z`, … */
	const sb_reader_ops *reader;
	sb_likeness likeness; /* SB_SURELY: a checksum of its header agrees */
} sb_hit;

enum { SB_SNIFF_FORMATS = 32 };

typedef struct sb_sniffer {
	uint8_t low[3][16], high[3][16]; /* by nibble: in which buckets the byte may stand */
	uint32_t keys[SB_SNIFF_FORMATS]; /* the three bytes of each format */
	sb_sieve sieve;                  /* of those, where the processor can */
} sb_sniffer;

void sb_sniffer_init(sb_sniffer *sniffer);
/* One for all; any thread. */
const sb_sniffer *sb_sniffer_shared(void);
/* The next signature whose characteristic bytes begin in [from, to); false: none. */
bool sb_sniff_next(const sb_sniffer *sniffer, const uint8_t *data, size_t size, size_t from,
	size_t to, sb_hit *hit);

/* What begins at the first byte and is @p reader's; sets *@p type. */
sb_likeness sb_sniff_begin(
	const uint8_t *data, size_t size, const sb_reader_ops *reader, const char **type);
/* An archive or image that nobody here can open, by its signature; NULL when it is none. */
const char *sb_sniff_closed(const uint8_t *data, size_t size);

/* Numbers as they stand in headers. */
static inline uint32_t sb_le16(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static inline uint32_t sb_le32(const uint8_t *p)
{
	return sb_le16(p) | sb_le16(p + 2) << 16;
}

static inline uint64_t sb_le64(const uint8_t *p)
{
	return sb_le32(p) | (uint64_t)sb_le32(p + 4) << 32;
}

#endif
