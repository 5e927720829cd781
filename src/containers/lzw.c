/* SPDX-License-Identifier: MIT */
/* compress(1) as gzip reads it. What a code stands for comes out back to front: hence a stack. */
#include "containers/lzw.h"

enum { HEADER = 3, CLEAR = 256, NARROWEST = 9 };

bool sb_lzw_begin(sb_lzw *lzw, const uint8_t *data, size_t size)
{
	if (size < HEADER || data[0] != 0x1f || data[1] != 0x9d || (data[2] & 0x60) != 0)
		return false;
	lzw->data = data;
	lzw->size = size;
	lzw->bit = lzw->group = (uint64_t)HEADER * 8;
	lzw->width = NARROWEST;
	lzw->widest = data[2] & 0x1f;
	lzw->clears = (data[2] & 0x80) != 0;
	lzw->damaged = false;
	lzw->free = lzw->clears ? CLEAR + 1 : CLEAR;
	lzw->before = SB_LZW_CODES;
	lzw->waiting = 0;
	return lzw->widest >= NARROWEST && lzw->widest <= 16;
}

/* Another width begins with a group of its own. */
static void change_width(sb_lzw *lzw, unsigned width)
{
	uint64_t whole = (uint64_t)lzw->width * 8;

	lzw->bit = lzw->group + (lzw->bit - lzw->group + whole - 1) / whole * whole;
	lzw->group = lzw->bit;
	lzw->width = width;
}

static bool next_code(sb_lzw *lzw, uint32_t *code)
{
	uint64_t at;
	uint32_t bits = 0;

	if (lzw->free >> lzw->width != 0 && lzw->width < lzw->widest)
		change_width(lzw, lzw->width + 1);
	at = lzw->bit / 8;
	if (lzw->bit + lzw->width > (uint64_t)lzw->size * 8)
		return false;
	for (size_t i = 0; i < 3 && at + i < lzw->size; i++)
		bits |= (uint32_t)lzw->data[at + i] << (8 * i);
	*code = bits >> (lzw->bit % 8) & ((1u << lzw->width) - 1);
	lzw->bit += lzw->width;
	return true;
}

/* Put on the stack what @p code stands for. */
static void expand(sb_lzw *lzw, uint32_t code)
{
	if (code == lzw->free) {
		lzw->stack[lzw->waiting++] = lzw->first;
		code = lzw->before;
	}
	for (; code >= CLEAR; code = lzw->prefix[code])
		lzw->stack[lzw->waiting++] = lzw->suffix[code];
	lzw->stack[lzw->waiting++] = lzw->first = (uint8_t)code;
}

static bool take(sb_lzw *lzw, uint32_t code)
{
	bool begins = lzw->before == SB_LZW_CODES;

	if (code == CLEAR && lzw->clears) {
		change_width(lzw, NARROWEST);
		lzw->free = CLEAR + 1;
		lzw->before = SB_LZW_CODES;
		return true;
	}
	if (begins ? code >= CLEAR : code > lzw->free || (code == lzw->free && code >> 16 != 0))
		return false;
	expand(lzw, code);
	if (!begins && lzw->free >> lzw->widest == 0) {
		lzw->prefix[lzw->free] = (uint16_t)lzw->before;
		lzw->suffix[lzw->free] = lzw->first;
		lzw->free++;
	}
	lzw->before = code;
	return true;
}

size_t sb_lzw_read(sb_lzw *lzw, uint8_t *out, size_t room)
{
	size_t used = 0;
	uint32_t code;

	while (used < room) {
		if (lzw->waiting > 0) {
			out[used++] = lzw->stack[--lzw->waiting];
			continue;
		}
		if (lzw->damaged || !next_code(lzw, &code))
			break;
		lzw->damaged = !take(lzw, code);
	}
	return used;
}
