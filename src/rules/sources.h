/* SPDX-License-Identifier: MIT */
/* Rule files and samples on their way into a bundle: gathered from a folder, sorted, packed. */
#ifndef SB_RULES_SOURCES_H
#define SB_RULES_SOURCES_H

#include "rules/pack.h"
#include "util/error.h"

typedef struct sb_rule_sources {
	sb_pack_entry *list; /* names and data are ours */
	size_t count;
	uint64_t bytes;
} sb_rule_sources;

void sb_rule_sources_init(sb_rule_sources *sources);
void sb_rule_sources_done(sb_rule_sources *sources);
/* All regular files below a folder but hidden ones; links are refused. What is no *.yar or *.yara
 * comes along to be included. */
int sb_rule_sources_folder(sb_rule_sources *sources, const char *path, sb_error *error);
int sb_rule_sources_sample(
	sb_rule_sources *sources, const char *rule, const char *path, sb_error *error);
/* Room for the head, then the payload; @p pack: numbers are filled in. What would be refused when
 * it is read, is refused here. */
int sb_rule_sources_pack(sb_rule_sources *sources, sb_pack *pack, sb_buf *out, sb_error *error);

#endif
