/* SPDX-License-Identifier: MIT */
/*
 * The kept state, `<log>.state`: what is known to be on disk, kept beside the log so that a
 * log that lost its end is noticed, and so that opening need not read all of it.
 *
 * It is also where the processes that write one log agree. A process that has flushed its
 * records publishes that here *before* it releases anything; a process whose flush failed
 * reads here what the others have released before it voids the rest, and publishes the new
 * file. So nobody's released record is ever voided, and nobody releases a voided one.
 *
 * Two slots of fixed size, each with a checksum, in sectors of their own: the older one is
 * overwritten in place, so a torn write costs the newest claim at most. Not flushed: after a
 * power loss it may claim less than is true, never more.
 */
#ifndef SB_AUDIT_STATE_H
#define SB_AUDIT_STATE_H

#include <stdint.h>

#include "audit/line.h"

typedef struct sb_audit_state {
	char log_id[SB_AUDIT_LOG_ID + 1];
	char hash[SB_AUDIT_HASH + 1]; /* of record `seq` */
	uint64_t first;               /* seq of the first record of the log's current file */
	uint64_t seq;                 /* everything up to here is on disk */
	uint64_t offset;              /* where record `seq` ends in that file */
} sb_audit_state;

/* Take the space that both slots need, once: a full disk must not stop publishing. -1: errno. */
int sb_audit_state_prepare(int fd);

/* 1 and filled; 0 when nothing (readable) is kept there; -1 with errno. */
int sb_audit_state_read(int fd, sb_audit_state *out);

/* 0: what @p mine says is known now. 1: refused, the log goes on in another file. -1: errno. */
int sb_audit_state_publish(int fd, const sb_audit_state *mine);

#endif
