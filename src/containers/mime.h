/* SPDX-License-Identifier: MIT */
/*
 * The header block of a mail or of a part of one (RFC 5322, 2045, 2047, 2231): what is needed to
 * find and decode its body. Contradictions are kept side by side: mail programs differ.
 */
#ifndef SB_CONTAINERS_MIME_H
#define SB_CONTAINERS_MIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SB_MIME_BOUNDARY = 256, SB_MIME_BOUNDARIES = 4, SB_MIME_NAME = 512 };

enum sb_mime_encoding {
	SB_MIME_PLAIN = 1 << 0, /* 7bit, 8bit, binary, and what is none at all */
	SB_MIME_BASE64 = 1 << 1,
	SB_MIME_QUOTED = 1 << 2,
	SB_MIME_UU = 1 << 3,
	SB_MIME_UNKNOWN = 1 << 4, /* x-something that nobody here can decode */
};

typedef struct sb_mime {
	unsigned encodings; /* all that are claimed; 0: none */
	bool multipart, message, partial, sealed;
	bool junk; /* what ended the block is doubtful, or a line that is no header's was skipped */
	unsigned boundaries; /* several Content-Type lines have several */
	size_t boundary_length[SB_MIME_BOUNDARIES];
	char boundary[SB_MIME_BOUNDARIES][SB_MIME_BOUNDARY];
	size_t name_length;
	char name[SB_MIME_NAME]; /* NUL-terminated; empty: none */
} sb_mime;

/* Read a header block; returns where the body begins. @p lax: lines that belong in no header are
 * skipped, else they end it. */
size_t sb_mime_headers(sb_mime *mime, const uint8_t *data, size_t size, bool lax);

/* Whether a line `Name: …` begins here. */
bool sb_mime_is_header(const uint8_t *data, size_t size);
/* How many of the header's lines are typical of mail; *mime_lines: of those MIME's own. */
unsigned sb_mime_typical(const uint8_t *data, size_t size, unsigned *mime_lines);
/* Behind the line that begins or goes on here: LF, CRLF, and CR alone end one. */
size_t sb_mime_next_line(const uint8_t *data, size_t size, size_t at);
/* The same, but behind a line of some words CR CRLF and LF CR are one break. */
size_t sb_mime_lax_line(const uint8_t *data, size_t size, size_t at);

#endif
