/* SPDX-License-Identifier: MIT */
/* What a service tells of itself in its answer to OPTIONS (RFC 3507 4.10.2). */
#ifndef SB_WIRE_ICAP_OPTIONS_H
#define SB_WIRE_ICAP_OPTIONS_H

#include "wire/icap_reply.h"

enum {
	SB_ICAP_TAG_MAX = 100, /* of an ISTag; the RFC says 32 */
	SB_ICAP_LIST_MAX = 2048,
	SB_ICAP_PREVIEW_MAX = 65536, /* more than that is no preview */
};

/* How a file with a certain extension is to be sent. */
typedef enum sb_icap_transfer {
	SB_ICAP_TRANSFER_PREVIEW,
	SB_ICAP_TRANSFER_COMPLETE,
	SB_ICAP_TRANSFER_IGNORE, /* not at all: it would not be looked at */
} sb_icap_transfer;

typedef struct sb_icap_options {
	bool reqmod, respmod, allow_204, has_preview, has_ttl;
	uint32_t preview;         /* bytes, at most SB_ICAP_PREVIEW_MAX */
	uint32_t max_connections; /* 0: not told */
	uint32_t ttl_s;
	char tag[SB_ICAP_TAG_MAX + 1];   /* without quotes; empty: none */
	char service[64];                /* printable ASCII, like the tag */
	char lists[3][SB_ICAP_LIST_MAX]; /* extensions, by sb_icap_transfer */
} sb_icap_options;

/* NULL, or what is wrong with an answer whose status is 200. */
const char *sb_icap_options_read(const sb_icap_reply *reply, sb_icap_options *out);
/* By the extension of a file's name. */
sb_icap_transfer sb_icap_options_transfer(
	const sb_icap_options *options, const char *name, size_t length);
/* The tag in an answer, without quotes and NUL-terminated; empty when there is none that can be
 * kept. */
void sb_icap_tag(const sb_icap_reply *reply, char out[SB_ICAP_TAG_MAX + 1]);

#endif
