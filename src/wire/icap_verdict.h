/* SPDX-License-Identifier: MIT */
/*
 * What an ICAP answer to our content means: pure functions over what icap_reply.h parsed. There
 * are two ways to be clean, each a positive statement: 204, and our own message back, unchanged.
 * Headers about threats (draft-stecher-icap-subid-00 4.6, 4.7, and those of vendors) come before
 * both; whatever else there is, is an error with a name, or suspicious.
 */
#ifndef SB_WIRE_ICAP_VERDICT_H
#define SB_WIRE_ICAP_VERDICT_H

#include <scanbridge/types.h>

#include "wire/icap_reply.h"

typedef struct sb_icap_verdict {
	/* Nothing that may follow changes it. False: read on; the outcome means nothing yet. */
	bool certain;
	sb_outcome outcome;
	sb_kind kind; /* for SB_OUTCOME_ERROR */
	/* The threat's name, the reason, or what is wrong: untrusted bytes inside the reply, or a
	 * constant. */
	sb_icap_span text;
	sb_icap_span member;    /* of a container, where the threat is; may be empty */
	int64_t retry_after_ms; /* -1: not told */
} sb_icap_verdict;

/* What was sent when the answer began. */
typedef enum sb_icap_sent {
	SB_ICAP_SENT_PART,    /* not all, and nobody said that this was all */
	SB_ICAP_SENT_PREVIEW, /* the preview of more, and a verdict about it counts for all */
	SB_ICAP_SENT_ALL,     /* all, up to the last chunk or to `ieof` */
} sb_icap_sent;

/* By status and ICAP headers: certain, or a message follows that has to be compared. */
void sb_icap_judge_head(const sb_icap_reply *reply, sb_icap_sent sent, sb_icap_verdict *out);
/* By the encapsulated headers: a block page, another message than @p ours (what was sent, first
 * line and fields), or not certain: then the body decides. */
void sb_icap_judge_inner(
	const sb_icap_reply *reply, const sb_icap_block *ours, sb_icap_verdict *out);
/* At the end of a message whose headers were ours. @p same: so was every byte of the body.
 * @p sent: by now. */
void sb_icap_judge_end(
	const sb_icap_reply *reply, bool same, sb_icap_sent sent, sb_icap_verdict *out);
/* What is no reply, or ends too early: @p why as in the reply, or NULL for a connection that
 * ended. */
void sb_icap_judge_broken(const sb_icap_reply *reply, const char *why, sb_icap_verdict *out);

#endif
