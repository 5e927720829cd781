/* SPDX-License-Identifier: MIT */
/* PDF's filters. Each goes as far as it can and says whether that was the end. */
#include "containers/pdf_filter.h"

#include <stdlib.h>
#include <string.h>

/* Windows keep the loops short between two looks at the time. */
static bool go_on(sb_sink *sink, size_t at)
{
	return at % SB_DECODE_WINDOW != 0 || sb_sink_poll(sink) == 0;
}

static sb_inflated flate(sb_sink *sink, const uint8_t *data, size_t size, bool early)
{
	sb_inflated inflated = sb_inflate(sink, data, size);
	size_t blank = 0;

	(void)early;
	/* A line break too many behind `stream`. */
	while (blank < size && blank < 4 && (data[blank] == '\r' || data[blank] == '\n'))
		blank++;
	if (inflated == SB_INFLATED_NOTHING && blank > 0 && sink->stopped == 0)
		inflated = sb_inflate(sink, data + blank, size - blank);
	return inflated;
}

static sb_inflated ascii_hex(sb_sink *sink, const uint8_t *data, size_t size, bool early)
{
	int high = -1;

	(void)early;
	for (size_t at = 0; at < size && data[at] != '>' && go_on(sink, at); at++) {
		int digit = sb_hex_digit(data[at]);

		if (digit < 0)
			continue;
		if (high < 0) {
			high = digit;
		} else {
			sb_sink_byte(sink, (uint8_t)(high << 4 | digit));
			high = -1;
		}
	}
	if (high >= 0)
		sb_sink_byte(sink, (uint8_t)(high << 4));
	return SB_INFLATED_WHOLE;
}

static void put_group(sb_sink *sink, uint32_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		sb_sink_byte(sink, (uint8_t)(value >> (24 - 8 * i)));
}

static sb_inflated ascii_85(sb_sink *sink, const uint8_t *data, size_t size, bool early)
{
	uint32_t value = 0;
	unsigned digits = 0;

	(void)early;
	for (size_t at = 0; at < size && data[at] != '~' && go_on(sink, at); at++) {
		if (data[at] == 'z' && digits == 0)
			put_group(sink, 0, 4);
		if (data[at] < '!' || data[at] > 'u')
			continue; /* blanks, and the `<~` that some begin with, see below */
		if (at == 0 && size > 1 && data[0] == '<' && data[1] == '~') {
			at++;
			continue;
		}
		value = value * 85 + (uint32_t)(data[at] - '!');
		if (++digits == 5) {
			put_group(sink, value, 4);
			value = digits = 0;
		}
	}
	if (digits > 1) {
		for (unsigned i = digits; i < 5; i++)
			value = value * 85 + 84;
		put_group(sink, value, digits - 1);
	}
	return SB_INFLATED_WHOLE;
}

static sb_inflated run_length(sb_sink *sink, const uint8_t *data, size_t size, bool early)
{
	(void)early;
	for (size_t at = 0; at < size && sb_sink_poll(sink) == 0;) {
		uint8_t length = data[at++];
		size_t room = size - at;

		if (length == 128)
			return SB_INFLATED_WHOLE;
		if (length < 128) {
			size_t count = (size_t)length + 1;

			sb_sink_write(sink, data + at, count < room ? count : room);
			if (count > room)
				return SB_INFLATED_PART;
			at += count;
		} else if (room > 0) {
			for (unsigned i = 0; i < 257u - length; i++)
				sb_sink_byte(sink, data[at]);
			at++;
		}
	}
	return SB_INFLATED_WHOLE;
}

/* --- LZW ---------------------------------------------------------------------------------- */

enum { CLEAR = 256, END = 257, FIRST = 258, CODES = 4096 };

typedef struct lzw {
	uint16_t prefix[CODES];
	uint16_t length[CODES];
	uint8_t last[CODES], first[CODES];
	unsigned next, bits;
	int before; /* the code before; -1: none */
} lzw;

static void lzw_clear(lzw *l)
{
	l->next = FIRST;
	l->bits = 9;
	l->before = -1;
}

static void lzw_put(sb_sink *sink, const lzw *l, unsigned code)
{
	uint8_t text[CODES];
	unsigned length = code < CLEAR ? 1 : l->length[code];

	for (unsigned i = length; i-- > 0; code = l->prefix[code])
		text[i] = code < CLEAR ? (uint8_t)code : l->last[code];
	sb_sink_write(sink, text, length);
}

static uint8_t first_byte(const lzw *l, unsigned code)
{
	return code < CLEAR ? (uint8_t)code : l->first[code];
}

/* One code; false when it can't be. */
static bool lzw_code(sb_sink *sink, lzw *l, unsigned code, bool early)
{
	if (code >= FIRST && (code > l->next || (code == l->next && l->before < 0)))
		return false;
	if (l->before >= 0 && l->next < CODES) {
		unsigned before = (unsigned)l->before;

		l->prefix[l->next] = (uint16_t)before;
		l->length[l->next] = before < CLEAR ? 2 : (uint16_t)(l->length[before] + 1);
		l->first[l->next] = first_byte(l, before);
		l->last[l->next] = code == l->next ? first_byte(l, before) : first_byte(l, code);
		l->next++;
	}
	if (code >= FIRST && code >= l->next)
		return false;
	lzw_put(sink, l, code);
	l->before = (int)code;
	while (l->bits < 12 && l->next + early >= 1u << l->bits)
		l->bits++;
	return true;
}

static sb_inflated lzw_decode(sb_sink *sink, const uint8_t *data, size_t size, bool early)
{
	lzw l;
	uint32_t bits = 0;
	unsigned held = 0;

	lzw_clear(&l);
	for (size_t at = 0; at < size && go_on(sink, at); at++) {
		unsigned code;

		bits = bits << 8 | data[at];
		held += 8;
		if (held < l.bits)
			continue;
		held -= l.bits;
		code = bits >> held & ((1u << l.bits) - 1);
		if (code == END)
			return SB_INFLATED_WHOLE;
		if (code == CLEAR)
			lzw_clear(&l);
		else if (!lzw_code(sink, &l, code, early))
			return SB_INFLATED_PART;
	}
	return SB_INFLATED_PART;
}

/* --- Predictors --------------------------------------------------------------------------- */

enum { ROW_MAX = 1 << 24 };

static uint8_t paeth(int left, int above, int corner)
{
	int guess = left + above - corner;
	int a = abs(guess - left), b = abs(guess - above), c = abs(guess - corner);

	return (uint8_t)(a <= b && a <= c ? left : b <= c ? above : corner);
}

/* One row of PNG's; @p above is NULL for the first. @p out may lie before @p in. */
static void png_row(uint8_t *out, const uint8_t *in, const uint8_t *above, size_t size,
	size_t pixel, unsigned method)
{
	for (size_t i = 0; i < size; i++) {
		uint8_t left = i >= pixel ? out[i - pixel] : 0, up = above != NULL ? above[i] : 0;
		uint8_t corner = i >= pixel && above != NULL ? above[i - pixel] : 0, add = 0;

		switch (method) {
		case 1:
			add = left;
			break;
		case 2:
			add = up;
			break;
		case 3:
			add = (uint8_t)((left + up) / 2);
			break;
		case 4:
			add = paeth(left, up, corner);
			break;
		default:
			break;
		}
		out[i] = (uint8_t)(in[i] + add);
	}
}

size_t sb_pdf_unpredict(uint8_t *data, size_t size, const sb_pdf_predictor *predictor)
{
	uint64_t columns = predictor->columns > 0 ? predictor->columns : 1;
	uint64_t colors = predictor->colors > 0 ? predictor->colors : 1;
	uint64_t bits = predictor->bits > 0 ? predictor->bits : 8;
	size_t row, pixel, out = 0;

	if (columns > ROW_MAX || colors > 32 || bits > 32)
		return size;
	row = (size_t)((columns * colors * bits + 7) / 8);
	pixel = (size_t)((colors * bits + 7) / 8);
	if (predictor->kind < 10) {
		for (size_t i = 0; i < size; i++)
			if (i % row >= pixel)
				data[i] = (uint8_t)(data[i] + data[i - pixel]);
		return size;
	}
	/* A byte before each row tells its method. */
	for (size_t in = 0; in + 1 < size; in += row + 1) {
		size_t length = size - in - 1 < row ? size - in - 1 : row;

		png_row(data + out, data + in + 1, out > 0 ? data + out - row : NULL, length, pixel,
			data[in]);
		out += length;
	}
	return out;
}

/* --- Names ---------------------------------------------------------------------------------- */

static const sb_pdf_filter filters[] = {
	{"FlateDecode", "Fl", SB_PDF_DECODES, flate},
	{"ASCIIHexDecode", "AHx", SB_PDF_DECODES, ascii_hex},
	{"ASCII85Decode", "A85", SB_PDF_DECODES, ascii_85},
	{"LZWDecode", "LZW", SB_PDF_DECODES, lzw_decode},
	{"RunLengthDecode", "RL", SB_PDF_DECODES, run_length},
	{"DCTDecode", "DCT", SB_PDF_IMAGE, NULL},
	{"CCITTFaxDecode", "CCF", SB_PDF_IMAGE, NULL},
	{"JBIG2Decode", "JBIG2", SB_PDF_IMAGE, NULL},
	{"JPXDecode", "JPX", SB_PDF_IMAGE, NULL},
	{"Crypt", "Crypt", SB_PDF_SAME, NULL},
};

const sb_pdf_filter *sb_pdf_filter_find(const char *name)
{
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		if (strcmp(name, filters[i].name) == 0 || strcmp(name, filters[i].short_name) == 0)
			return &filters[i];
	return NULL;
}
