/* SPDX-License-Identifier: MIT */
/*
 * One reader for every settings table: a map of the document in, a plain structure out, and
 * every message with its place. The writer is the reader's inverse.
 */
#ifndef SB_SETTINGS_SETTINGS_H
#define SB_SETTINGS_SETTINGS_H

#include <scanbridge/sys/settings.h>

#include "settings/node.h"
#include "util/buf.h"

typedef struct sb_reader {
	sb_arena *arena;
	sb_error *error;
} sb_reader;

/* Rows and the structure that they fill in; a map may be read by several at once. */
typedef struct sb_table {
	const sb_setting *rows;
	void *out;
} sb_table;

/*
 * Read @p map (NULL: every default) into the tables' structures. Keys of @p others
 * (NULL-terminated, or NULL) are known and left to the caller; any other key is an error with
 * a suggestion. @p path stands before keys in messages: `limits`, or empty.
 */
int sb_settings_read(sb_reader *reader, const sb_node *map, const char *path,
	const sb_table *tables, size_t count, const char *const *others);

/* One value as YAML that the reader takes back. */
void sb_setting_write(sb_buf *out, const sb_setting *row, const void *base);
void sb_text_write(sb_buf *out, const char *text);

/* A value for a message: escaped and short. */
enum { SB_SHOWN = 100 };
const char *sb_shown(char out[SB_SHOWN], const char *text);
/* ` (did you mean "x"?)`-style tail from candidates; empty when nothing is near. */
const char *sb_did_you_mean(char out[SB_SHOWN], const char *word, const char *const *list);

#endif
