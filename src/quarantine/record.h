/* SPDX-License-Identifier: MIT */
/* The part of a record that never changes, as the JSON text that is sealed into the object and
 * stands in the index. */
#ifndef SB_QUARANTINE_RECORD_H
#define SB_QUARANTINE_RECORD_H

#include "quarantine/quarantine.h"

enum {
	SB_RECORD_MAX = 256 << 10,
	SB_RECORD_ARENA = 1 << 20, /* room for one that was read */
};

/* INTERNAL when it is larger than SB_RECORD_MAX or its JSON members are none. */
sb_quarantine_status sb_record_write(
	sb_buf *out, const sb_quarantine_record *record, sb_error *error);
/* All of it, with its texts NUL-terminated; false: no memory. */
bool sb_record_copy(sb_quarantine_record *out, const sb_quarantine_record *record, sb_arena *arena);
/* Everything but the record itself of an original. */
void sb_record_stat(sb_quarantine_record *record, const struct stat *original);
/* One JSON object as `list --json` and `show` print it. */
void sb_record_json(sb_buf *out, const sb_quarantine_record *record);
/* Pure. False: not a record. state, legal_hold and expires_at are left alone. */
bool sb_record_read(sb_quarantine_record *out, const char *text, size_t length, sb_arena *arena);

#endif
