/* SPDX-License-Identifier: MIT */
/* The filters of PDF streams (ISO 32000-1, 7.4) that turn bytes into other bytes. */
#ifndef SB_CONTAINERS_PDF_FILTER_H
#define SB_CONTAINERS_PDF_FILTER_H

#include "containers/inflate.h"

typedef enum sb_pdf_filter_kind {
	SB_PDF_DECODES,
	SB_PDF_IMAGE, /* what comes out is a picture: nobody looks for more in it */
	SB_PDF_SAME,  /* changes nothing */
} sb_pdf_filter_kind;

typedef struct sb_pdf_filter {
	const char *name, *short_name;
	sb_pdf_filter_kind kind;
	/* @p early: LZW's codes get longer one code early, as is usual. */
	sb_inflated (*decode)(sb_sink *sink, const uint8_t *data, size_t size, bool early);
} sb_pdf_filter;

/* What Flate and LZW may pack in place of bytes: differences to those before or above. */
typedef struct sb_pdf_predictor {
	uint64_t kind;                  /* 0, 1: none; 2: TIFF's; 10 and up: PNG's */
	uint64_t columns, colors, bits; /* 0: not told */
} sb_pdf_predictor;

/* Undo it, in place; the new size. */
size_t sb_pdf_unpredict(uint8_t *data, size_t size, const sb_pdf_predictor *predictor);

/* NULL for a name that is none. */
const sb_pdf_filter *sb_pdf_filter_find(const char *name);

#endif
