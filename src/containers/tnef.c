/* SPDX-License-Identifier: MIT */
/*
 * TNEF (MS-OXTNEF), Outlook's `winmail.dat`: a row of attributes, each with a level, an id, a
 * length and a checksum. The bytes of attached files are attributes of their own; what MAPI
 * properties hold (text in compressed RTF, embedded objects) stays shut, which is said.
 */
#include <stdio.h>
#include <string.h>

#include "containers/bytes.h"
#include "containers/mail_text.h"

enum {
	HEAD = 6,      /* signature and key */
	ATTRIBUTE = 9, /* level, id, length */
	CHECKSUM = 2,

	TITLE = 0x00018010,
	BODY = 0x0002800c,
	DATA = 0x0006800f,
	RENDERING = 0x00069002, /* begins an attachment */
	MESSAGE_PROPERTIES = 0x00069003,
	FILE_PROPERTIES = 0x00069005,
};

typedef struct attachment {
	const uint8_t *data;
	size_t size;
	char title[256];
} attachment;

bool sb_tnef_is(const uint8_t *data, size_t size)
{
	return size >= HEAD + ATTRIBUTE && memcmp(data, "\x78\x9f\x3e\x22", 4) == 0 &&
	       (data[HEAD] == 1 || data[HEAD] == 2);
}

static int hand_over(sb_mail_parts *parts, attachment *a)
{
	char name[32];
	int r = 0;

	if (a->data != NULL) {
		if (a->title[0] == '\0')
			snprintf(name, sizeof(name), "part-%u", ++parts->number);
		sb_walk_fact(parts->walk, SB_FACT_EMBEDDED);
		r = sb_walk_member(parts->walk, parts->level, a->title[0] != '\0' ? a->title : name,
			strlen(a->title[0] != '\0' ? a->title : name), a->data, a->size);
	}
	*a = (attachment){0};
	return r < 0 ? r : 0;
}

static void look_at_properties(sb_mail_parts *parts, const uint8_t *data, size_t size)
{
	static const char rtf[] = {0x02, 0x01, 0x09, 0x10}, object[] = {0x0d, 0x00, 0x01, 0x37};

	if (memmem(data, size, rtf, sizeof(rtf)) != NULL)
		sb_walk_doubt(parts->walk, parts->level, "compressed RTF in TNEF is not opened");
	if (memmem(data, size, object, sizeof(object)) != NULL)
		sb_walk_doubt(parts->walk, parts->level, "an object in TNEF is not opened");
}

static int attribute(
	sb_mail_parts *parts, attachment *a, uint32_t id, const uint8_t *data, size_t size)
{
	int r = 0;

	switch (id) {
	case RENDERING:
		return hand_over(parts, a);
	case TITLE:
		snprintf(a->title, sizeof(a->title), "%.*s", (int)(size < 255 ? size : 255),
			(const char *)data);
		return 0;
	case DATA:
		if (a->data != NULL) { /* two without a beginning between them */
			r = hand_over(parts, a);
			if (r != 0)
				return r;
		}
		a->data = data;
		a->size = size;
		return 0;
	case BODY:
		r = sb_walk_member(parts->walk, parts->level, "body", 4, data, size);
		return r < 0 ? r : 0;
	case MESSAGE_PROPERTIES:
	case FILE_PROPERTIES:
		look_at_properties(parts, data, size);
		return 0;
	default:
		return 0;
	}
}

int sb_tnef_take_apart(sb_mail_parts *parts, const uint8_t *data, size_t size)
{
	attachment a = {0};
	size_t at = HEAD;
	int r = 0;

	while (r == 0 && size - at >= ATTRIBUTE && (data[at] == 1 || data[at] == 2)) {
		uint32_t id = sb_le32(data + at + 1), length = sb_le32(data + at + 5);
		bool cut;

		at += ATTRIBUTE;
		cut = length > size - at;
		if (cut)
			length = (uint32_t)(size - at);
		r = sb_walk_poll(parts->walk);
		if (r == 0)
			r = attribute(parts, &a, id, data + at, length);
		at += length;
		if (r == 0 && (cut || size - at < CHECKSUM)) {
			sb_walk_problem(parts->walk, parts->level, NULL, SB_KIND_CORRUPT,
				"TNEF ends within an attribute");
			break;
		}
		if (!cut)
			at += CHECKSUM;
	}
	if (r == 0 && at < size && size - at < ATTRIBUTE && (data[at] == 1 || data[at] == 2))
		sb_walk_problem(parts->walk, parts->level, NULL, SB_KIND_CORRUPT,
			"TNEF ends within an attribute");
	return r == 0 ? hand_over(parts, &a) : r;
}
