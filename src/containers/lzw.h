/* SPDX-License-Identifier: MIT */
/*
 * The LZW of compress(1): codes of 9 to 16 bits that come in groups of eight. Pure, and bounded
 * by its input: each code gives at most 64 KiB. The format has neither sum nor end mark.
 */
#ifndef SB_CONTAINERS_LZW_H
#define SB_CONTAINERS_LZW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SB_LZW_CODES = 1 << 16 };

typedef struct sb_lzw {
	const uint8_t *data;
	size_t size;
	uint64_t bit, group; /* where the next code begins, and its group */
	unsigned width, widest;
	bool clears; /* code 256 empties the table */
	bool damaged;
	uint32_t free;    /* the code that the table gets next */
	uint32_t before;  /* the last code; SB_LZW_CODES: none */
	uint8_t first;    /* byte of what it stands for */
	uint32_t waiting; /* bytes on the stack */
	uint16_t prefix[SB_LZW_CODES];
	uint8_t suffix[SB_LZW_CODES];
	uint8_t stack[SB_LZW_CODES + 1];
} sb_lzw;

/* @p data must live as long as it is read; false: no such stream. */
bool sb_lzw_begin(sb_lzw *lzw, const uint8_t *data, size_t size);
/* The next bytes; less than @p room at the end, or where it is damaged. */
size_t sb_lzw_read(sb_lzw *lzw, uint8_t *out, size_t room);

#endif
