/* SPDX-License-Identifier: MIT */
/* What the parts of the front (quarantine.c, remove.c, restore.c, public.c) share. */
#ifndef SB_QUARANTINE_FRONT_H
#define SB_QUARANTINE_FRONT_H

#include <pthread.h>
#include <stdatomic.h>

#include "quarantine/quarantine.h"

struct sb_quarantine {
	const sb_store_ops *ops;
	void *data, *self;
	_Atomic(bool) opened;  /* then `self` stays as it is */
	pthread_mutex_t opens; /* of those that need it at once one opens it */
	sb_quarantine_options options;
};

enum { SB_FRONT_ARENA = 1 << 20 }; /* of one record */

/* Open the store if it is not. *there false: nothing was ever stored, and it was left so. */
sb_quarantine_status sb_front_need(sb_quarantine *q, bool *there, sb_error *error);
/* Tell the hook: OK, or AUDIT. */
sb_quarantine_status sb_front_event(sb_quarantine *q, sb_quarantine_event event,
	const sb_quarantine_record *record, const char *reason, const char *detail,
	sb_error *error);
/* An object's record, in the arena. */
sb_quarantine_status sb_front_find(sb_quarantine *q, const char *id, sb_arena *arena,
	sb_quarantine_record *out, sb_error *error);
/* One that may be read: there, and neither damaged nor expired. */
sb_quarantine_status sb_front_readable(sb_quarantine *q, const char *id, sb_arena *arena,
	sb_quarantine_record *out, sb_error *error);

#endif
