/* SPDX-License-Identifier: MIT */
/*
 * Following a chain, record by record, in constant memory: what `audit verify` does over a
 * whole log, and the writer over the end of it when it opens.
 */
#ifndef SB_AUDIT_VERIFY_H
#define SB_AUDIT_VERIFY_H

#include "audit/audit.h"
#include "audit/line.h"

typedef struct sb_audit_verifier {
	sb_audit_head head;              /* the last good record */
	uint64_t offset;                 /* where it ends */
	uint64_t records;                /* good ones, those before a resume not counted */
	uint64_t first_seq;              /* of the first one */
	bool linked;                     /* head is known: the next record has to follow it */
	sb_audit_opened opened;          /* from the first record, when started at 0 */
	uint64_t watch_seq;              /* note this record's hash (0: none) … */
	char watched[SB_AUDIT_HASH + 1]; /* … here; empty when it didn't come by */
	char why[128];   /* what is wrong with the record behind head; empty: nothing */
	bool unfinished; /* the data ended without a newline */
} sb_audit_verifier;

/* From the beginning of a file. */
void sb_audit_verifier_init(sb_audit_verifier *v);
/* From @p offset, where a record begins; behind @p head, or, if NULL, behind nobody knows. */
void sb_audit_verifier_resume(sb_audit_verifier *v, uint64_t offset, const sb_audit_head *head);
/* Whole lines of @p data; returns the bytes used up. What is left over (at most 8 KiB) is to
 * be given again with more behind it; @p last: nothing comes behind it. Stops for good at the
 * first bad record (v->why). */
size_t sb_audit_verifier_feed(sb_audit_verifier *v, const char *data, size_t length, bool last);
/* The bytes of a file up to @p end. 0, or -1 with errno when it can't be read. */
int sb_audit_verifier_read(sb_audit_verifier *v, int fd, uint64_t end);

/* What stands behind a bad record: the records that are good by themselves. */
typedef struct sb_audit_beyond {
	uint64_t records;
	uint64_t durable; /* the highest claim among them */
} sb_audit_beyond;

int sb_audit_look_beyond(int fd, uint64_t offset, uint64_t end, sb_audit_beyond *out);

/* A log in memory, without kept state. */
void sb_audit_verify_memory(const void *data, size_t length, sb_audit_verdict *out);

#endif
