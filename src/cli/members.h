/* SPDX-License-Identifier: MIT */
/*
 * The members of one JSON object as spans of its text: for reading many records of which few
 * members matter, without a tree. Strings are checked (escapes, UTF-8, no control characters), so
 * that one can be copied into other JSON as it stands; what else a value is made of is not.
 */
#ifndef SB_CLI_MEMBERS_H
#define SB_CLI_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>

enum { SB_MEMBERS_MAX = 64, SB_MEMBERS_DEPTH = 16 };

typedef struct sb_piece {
	const char *data; /* NULL: not there */
	size_t length;
} sb_piece;

typedef struct sb_members {
	struct {
		sb_piece key, value; /* the key without its quotes, the value with them */
	} items[SB_MEMBERS_MAX];
	size_t count;
} sb_members;

/* False when @p text is not one object, nests too deeply or has too many members. */
bool sb_members_read(sb_members *out, const char *text, size_t length);
/* The value as it stands; the first of several. */
sb_piece sb_member(const sb_members *members, const char *key);
/* Without its quotes, escapes untouched; nothing if it is no string. */
sb_piece sb_member_string(const sb_members *members, const char *key);

/* The next element of an array, of which @p rest is what is left: the whole value at first. */
bool sb_elements_next(sb_piece *rest, sb_piece *element);

#endif
