/* SPDX-License-Identifier: MIT */
/*
 * A node and all below it as flat bytes, places included: so that settings can be read where
 * their table is known, which is where a plugin is loaded, and mistakes are told with line and
 * column all the same. No pointers, any alignment, numbers in the order of the machine.
 */
#ifndef SB_SETTINGS_PACK_H
#define SB_SETTINGS_PACK_H

#include "settings/node.h"
#include "util/buf.h"

/* Appends; a failure shows in the buffer. */
void sb_node_pack(sb_buf *out, const sb_node *node);
/* NULL: not exactly one packed node, or no memory. */
sb_node *sb_node_unpack(sb_arena *arena, const void *data, size_t length);

#endif
