/* SPDX-License-Identifier: MIT */
/*
 * What we say to an ICAP server (RFC 3507 4.3, 4.4, 4.8.2, 4.9.2): the head of a request with the
 * HTTP message around our content, whose body follows in chunks.
 */
#ifndef SB_WIRE_ICAP_REQUEST_H
#define SB_WIRE_ICAP_REQUEST_H

#include "util/buf.h"
#include "wire/icap_reply.h"

enum {
	SB_ICAP_NAME_MAX = 255,   /* bytes of a name that are sent: its last ones */
	SB_ICAP_HEADS_MAX = 8192, /* all of a request up to its body */
	SB_ICAP_NO_PREVIEW = -1,
};

typedef struct sb_icap_request {
	sb_icap_method method;
	const char *url;       /* of the service, as it goes into the request line */
	const char *authority; /* its host and port, for Host */
	const char *name; /* of the content: any bytes; what stands behind its last `/` is sent */
	size_t name_length;
	uint64_t size;   /* of the content */
	int64_t preview; /* bytes, or SB_ICAP_NO_PREVIEW */
	bool close;      /* this is the connection's last request */
} sb_icap_request;

/* Everything up to the body's first chunk, or all of an OPTIONS request. */
void sb_icap_request_head(sb_buf *out, const sb_icap_request *request);
/* The encapsulated message whose body the content is, as headers: what an unchanged echo of it has
 * to look like. False when there is no memory. */
bool sb_icap_request_message(sb_icap_block *out, const sb_icap_request *request);

#endif
