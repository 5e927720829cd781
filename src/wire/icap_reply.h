/* SPDX-License-Identifier: MIT */
/*
 * What an ICAP server answers (RFC 3507), as bytes: a push parser without I/O. Feed it what
 * arrives, in any pieces; it tells what they complete. The result depends on the bytes alone,
 * never on how they were cut.
 *
 *   reply  = "ICAP/1.0" SP 3DIGIT [ SP reason ] CRLF *( name ":" value CRLF ) CRLF
 *            [ encapsulated headers ] [ body ]                                  4.3, 4.4
 *   body   = *( size [ ";" extension ] CRLF bytes CRLF ) 1*"0" CRLF CRLF        always chunked
 *
 * Stricter than the RFC where leniency helps nobody but an attacker: lines end in CRLF, nothing
 * stands before a colon, only X-Violations-Found is folded, Encapsulated has the very forms of
 * 4.4.1 that an answer to the method can have, encapsulated headers end in an empty line right
 * at the announced offset, and there are no trailers. Everything has a limit.
 */
#ifndef SB_WIRE_ICAP_REPLY_H
#define SB_WIRE_ICAP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SB_ICAP_BLOCK_MAX = 16384, /* bytes of ICAP headers; of encapsulated headers */
	SB_ICAP_LINE_MAX = 8192,   /* bytes of one line in it, without its end */
	SB_ICAP_LINES_MAX = 100,   /* header lines in it, folded ones included */
	SB_ICAP_CHUNK_LINE_MAX = 256,
	SB_ICAP_CHUNK_DIGITS_MAX = 16,
};

typedef enum sb_icap_method { SB_ICAP_OPTIONS, SB_ICAP_REQMOD, SB_ICAP_RESPMOD } sb_icap_method;

typedef struct sb_icap_span {
	const char *text;
	size_t length;
} sb_icap_span;

typedef struct sb_icap_field {
	uint16_t name, name_length, value, value_length; /* in the block's text */
} sb_icap_field;

/* A first line and header fields. Lines that were folded are joined by LF. */
typedef struct sb_icap_block {
	size_t received;       /* bytes so far, as they came */
	size_t used, line;     /* bytes kept; where the current line starts */
	unsigned lines, count; /* header lines so far; fields */
	uint16_t first_length; /* of the first line, which stands at 0 */
	bool whole;            /* its empty line has come */
	sb_icap_field fields[SB_ICAP_LINES_MAX];
	char text[SB_ICAP_BLOCK_MAX];
} sb_icap_block;

/* What is encapsulated (4.4.1). */
typedef enum sb_icap_part {
	SB_ICAP_NOTHING, /* no Encapsulated, or null-body=0 */
	SB_ICAP_REQUEST,
	SB_ICAP_RESPONSE,
} sb_icap_part;

typedef struct sb_icap_reply {
	sb_icap_method method;
	int state;
	unsigned status; /* of the ICAP answer, once its head is whole */
	sb_icap_part part;
	bool has_body;      /* the part has a body, be it empty */
	bool closing;       /* Connection: close */
	bool unread;        /* a body may follow that nobody needs: close the connection */
	bool last_chunk;    /* the zero has come */
	uint32_t announced; /* bytes of encapsulated headers */
	uint64_t chunk;     /* bytes of the current chunk still to come */
	uint64_t body;      /* bytes of the body so far */
	size_t chunk_line;
	const char *why; /* what is wrong, a constant; NULL: nothing */
	char chunk_text[SB_ICAP_CHUNK_LINE_MAX];
	sb_icap_block head, inner;
} sb_icap_reply;

typedef enum sb_icap_event {
	SB_ICAP_MORE,  /* all was taken; more is needed */
	SB_ICAP_HEAD,  /* status and `head` are whole */
	SB_ICAP_INNER, /* and `inner` is */
	SB_ICAP_DATA,  /* bytes of the body */
	SB_ICAP_END,   /* the reply is whole */
	SB_ICAP_WRONG, /* no ICAP reply, see `why`; it stays that */
} sb_icap_event;

/* Not zeroed beforehand; its large members are left as they are. */
void sb_icap_reply_begin(sb_icap_reply *reply, sb_icap_method method);
/* Take from the front of @p bytes up to the next event. @p data: the body's, for SB_ICAP_DATA.
 * After SB_ICAP_END anything more is wrong. */
sb_icap_event sb_icap_reply_next(sb_icap_reply *reply, sb_icap_span *bytes, sb_icap_span *data);

/* --- Looking at fields --------------------------------------------------------------------- */

/* A whole block at once, up to its empty line. False when it is none. */
bool sb_icap_block_parse(sb_icap_block *block, const char *bytes, size_t length);
sb_icap_span sb_icap_first_line(const sb_icap_block *block);
/* The first field of that name, in any case, from index *@p at on, which moves behind it. False
 * when there is none. */
bool sb_icap_find(const sb_icap_block *block, const char *name, unsigned *at, sb_icap_span *value);
/* The first one. */
bool sb_icap_get(const sb_icap_block *block, const char *name, sb_icap_span *value);

/* Without regard to ASCII case. */
bool sb_icap_is(sb_icap_span span, const char *text);
bool sb_icap_holds(sb_icap_span span, const char *text);
/* What stands before @p separator is taken off the front and returned without blanks around it. */
sb_icap_span sb_icap_cut(sb_icap_span *rest, char separator);
sb_icap_span sb_icap_trim(sb_icap_span span);
/* Digits only, up to @p max. */
bool sb_icap_number(sb_icap_span span, uint64_t max, uint64_t *out);

#endif
