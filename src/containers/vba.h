/* SPDX-License-Identifier: MIT */
/* VBA projects in compound files (MS-OVBA): the source of their modules. */
#ifndef SB_CONTAINERS_VBA_H
#define SB_CONTAINERS_VBA_H

#include "containers/cfb.h"

/* Decompress a container as far as it goes; false when it is none or nothing comes out. */
bool sb_vba_decompress(const uint8_t *data, size_t size, sb_buf *out);
/* Whether a source has a procedure that Office starts by itself. */
bool sb_vba_runs_itself(const char *source, size_t size);
/* The modules of every project. 0, or negative to pass up. */
int sb_vba_take_apart(sb_walk *walk, const sb_level *level, sb_cfb *cfb);

#endif
