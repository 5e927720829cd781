/* SPDX-License-Identifier: MIT */
/* Between the files that the shelf is written in. */
#ifndef SB_RULES_SHELF_OWN_H
#define SB_RULES_SHELF_OWN_H

#include "rules/shelf.h"

#define SB_SHELF_ROOT "rules"
#define SB_SHELF_CURRENT "current"
#define SB_SHELF_FORMAT "current %" PRIu64 "\nhighest %" PRIu64 "\n"

/* Of a bundle's open folder. All zero where none was ever in use. */
int sb_shelf_state_at(sb_shelf_state *state, int dir, const char *name, sb_error *error);
void sb_shelf_versions_at(sb_shelf_versions *out, int dir);

#endif
