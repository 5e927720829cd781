/* SPDX-License-Identifier: MIT */
/* What the body of a mail's part turns into: every plausible decoding is a member. */
#ifndef SB_CONTAINERS_MAIL_TEXT_H
#define SB_CONTAINERS_MAIL_TEXT_H

#include "containers/mime.h"
#include "containers/reader.h"

typedef struct sb_mail_parts {
	sb_walk *walk;
	const sb_level *level;
	unsigned number; /* of parts without a name */
} sb_mail_parts;

/* All return 0, or what the walk said (negative: pass it up). */
int sb_mail_part(sb_mail_parts *parts, const sb_mime *mime, const uint8_t *body, size_t size);
/* Whether a text begins with `begin 644 name`; *body: where the first line of data is. */
bool sb_uu_begins(const uint8_t *data, size_t size, size_t *body);
/* That block; *used: its length. */
int sb_uu_block(sb_mail_parts *parts, const uint8_t *data, size_t size, size_t body, size_t *used);

/* Microsoft's TNEF (`winmail.dat`): attached files. */
bool sb_tnef_is(const uint8_t *data, size_t size);
int sb_tnef_take_apart(sb_mail_parts *parts, const uint8_t *data, size_t size);

#endif
