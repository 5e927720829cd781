/* SPDX-License-Identifier: MIT */
/* What the parts of the front (quarantine.c, remove.c, restore.c) share. */
#ifndef SB_QUARANTINE_FRONT_H
#define SB_QUARANTINE_FRONT_H

#include "quarantine/quarantine.h"

struct sb_quarantine {
	const sb_store_ops *ops;
	void *self;
	sb_quarantine_hooks hooks;
	sb_clock *clock;
	uint64_t retention, max_per_hour;
	void (*random)(void *out, size_t length);
};

enum { SB_FRONT_ARENA = 1 << 20 }; /* of one record */

/* Tell the hook: OK, or AUDIT. */
sb_quarantine_status sb_front_event(sb_quarantine *q, sb_quarantine_event event,
	const sb_quarantine_record *record, const char *reason, const char *detail,
	sb_error *error);
/* An object that may be read: there, and neither damaged nor expired. */
sb_quarantine_status sb_front_readable(sb_quarantine *q, const char *id, sb_arena *arena,
	sb_quarantine_record *out, sb_error *error);

#endif
