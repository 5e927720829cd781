/* SPDX-License-Identifier: MIT */
/*
 * libyara: compiled once in the zygote, one scanner in each worker. Matches become detections by
 * the rule's metadata: verdict, severity, category, description, signature_id.
 */
#ifndef SB_WORKER_RULES_H
#define SB_WORKER_RULES_H

#include "worker/bundle.h"
#include "worker/message.h"

typedef struct sb_rules sb_rules;

/* All sources of a bundle, and the hidden canary rule. What was compiled of them before, by this
 * libyara, is taken from @p kept; else they are compiled and left there, *fresh is set then. @p
 * kept -1: neither. NULL: @p why names file and line. */
sb_rules *sb_rules_compile(
	const sb_bundle_head *head, int kept, bool *fresh, char *why, size_t room);
/* How many, without the hidden one. */
uint64_t sb_rules_count(const sb_rules *rules);
/* Whether a rule asks for the external variable `mime`, which is dear to find out. */
bool sb_rules_want_mime(const sb_rules *rules);
const char *sb_rules_version(void);

/* Judge one member, of the media type @p mime (or ""); detections go to @p found. 0, or the kind
 * of a failure with @p why. Not from several threads at once. */
sb_kind sb_rules_scan(sb_rules *rules, const sb_member *member, const char *mime,
	void (*found)(void *data, const sb_found *found), void *data, char *why, size_t room);

#endif
