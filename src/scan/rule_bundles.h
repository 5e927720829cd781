/* SPDX-License-Identifier: MIT */
/*
 * Taking a rule bundle into use, and going back. What is new judges nothing before it has shown
 * itself: compiled in a sandboxed worker, with its samples found and all benign content left alone.
 * Every change, and every one that was refused, is on record as `rules_changed` before it holds.
 */
#ifndef SB_SCAN_RULE_BUNDLES_H
#define SB_SCAN_RULE_BUNDLES_H

#include "config/config.h"
#include "rules/shelf.h"

/* What was done, or was going to be. */
typedef struct sb_rules_change {
	char name[SB_PACK_NAME + 1]; /* empty: not even that is known */
	uint64_t from, to;           /* versions; 0: none */
	char key_id[2 * SB_PACK_KEY_ID + 1];
	uint64_t files, samples, benign;
} sb_rules_change;

/* @p benign: more files and folders that must not be flagged, NULL-terminated, or NULL. Kinds:
 * authentication_failed for a signature that isn't trusted, not_configured and unsupported for a
 * bundle that is refused for another reason; others mean that it could not be tried. */
int sb_rules_import(const sb_conf *conf, const char *file, const char *const *benign,
	sb_rules_change *change, sb_error *error);
/* To version @p to, 0: the highest below the one in use, as far as they are kept. Also upward, to
 * come back. */
int sb_rules_rollback(const sb_conf *conf, const char *name, uint64_t to, const char *reason,
	sb_rules_change *change, sb_error *error);

#endif
